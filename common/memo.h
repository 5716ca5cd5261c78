/* memo: verdicts on texts that were judged before.
 *
 * The same few replies make up most of a log. The key is everything that a rule can
 * look at, byte by byte, so that a verdict from here is the one that the rules would
 * give. Bounded: a newer text takes the place of an older one. */
#ifndef NIXIE_MEMO_H
#define NIXIE_MEMO_H

#include "sv.h"

/* A longer key is not kept. */
#define MEMO_KEY_MAX 352
#define MEMO_SLOTS 8192
#define MEMO_VALUE_MAX 64

struct memo;

struct memo *memo_new(void);
void memo_free(struct memo *memo);

/* What was kept under the key, or NULL; valid until the next memo_put(). */
const void *memo_get(const struct memo *memo, struct sv key);
void memo_put(struct memo *memo, struct sv key, const void *value, size_t size);

#endif
