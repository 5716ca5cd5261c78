/* snapshot: the file that carries over a restart what the cache remembers (policyd.snapshot).
 *
 * Text, readable for its user only: a first line, then a line a name: when Redis was asked (seconds
 * since 1970), the name, the entry as schema.h packs it. It is written beside and renamed into place
 * by a child process, so that nobody waits for a disk. Each five minutes; tests have less time, and
 * set the environment variable NIXIE_SNAPSHOT_MS. */
#ifndef NIXIE_SNAPSHOT_H
#define NIXIE_SNAPSHOT_H

#include <sys/types.h>

#include "cache.h"
#include "err.h"

#define SNAPSHOT_LINE_MAX (CACHE_ITEM_MAX * 3 + 1024)

/* From one snapshot to the next. */
int64_t snapshot_interval_ms(void);

/* False and *err: there is something, and it cannot be read. What is damaged in it is passed over. */
bool snapshot_read(const char *path, struct cache *cache, size_t *n_r, struct err *err) NIXIE_MUST_CHECK;

/* Writes it here and now. */
bool snapshot_write(const char *path, const struct cache *cache, struct err *err) NIXIE_MUST_CHECK;

/* In a child, which has none of our descriptors when this returns. Its number, to be waited for; -1: see errno. */
pid_t snapshot_fork(const char *path, const struct cache *cache);

#endif
