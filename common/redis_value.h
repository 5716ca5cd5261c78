/* redis_value: what hiredis reads, as struct value (redis.h), in memory that is taken for one answer and given
 * back as a whole. hiredis' own objects cost a malloc() for each word, which for an entry is thirty. */
#ifndef NIXIE_REDIS_VALUE_H
#define NIXIE_REDIS_VALUE_H

#include "arena.h"

struct redisReader;

/* Elements of one array in an answer; ours have some hundred thousand. A server that talks nonsense may announce
 * any number. */
#define VALUES_MAX (1 << 22)

/* From now on the reader's replies are struct value in the arena, which must outlive it. */
void values_read(struct redisReader *reader, struct arena *arena);

#endif
