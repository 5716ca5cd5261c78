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

struct snapshot {
	const char *path; /* "": none */
	struct cache *cache;
	int64_t due_ms;
	pid_t writer; /* 0: nobody */
};

/* Reads what there is into the cache; what it cannot read is logged. path and cache are kept by reference. */
void snapshot_begin(struct snapshot *snapshot, const char *path, struct cache *cache, int64_t now_ms);
/* Has it written when that is due. */
void snapshot_attend(struct snapshot *snapshot, int64_t now_ms);
/* SIGCHLD: perhaps it is written. */
void snapshot_reap(struct snapshot *snapshot);
/* Whoever is writing it stops: the file stays as it was. */
void snapshot_stop(struct snapshot *snapshot);
/* The last one, written here and now. */
void snapshot_end(struct snapshot *snapshot);

#endif
