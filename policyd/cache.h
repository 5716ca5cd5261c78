/* cache: what Redis said of addresses and domains, also that it knows nothing of them.
 *
 * Bounded by bytes; what was not asked for lately goes first. Redis tells of each
 * change (store_watch()), so what is here is as Redis has it, until cache_lost() says that
 * everything may have changed: then nothing of before is an answer, but what suppressed
 * is remembered for the time in which Redis cannot be asked.
 *
 * An answer may be on its way while the change is told: cache_ticket() before the
 * question and in cache_put() makes sure that the older of the two is not kept.
 *
 * Names are keys of addresses, or "@domain". Times are of clock_mono_ms(). */
#ifndef NIXIE_CACHE_H
#define NIXIE_CACHE_H

#include "state.h"

struct cache;

/* Of one entry, its name and its strings included; a larger one is not kept. */
#define CACHE_ITEM_MAX 16384
/* The smallest that is of use. */
#define CACHE_BYTES_MIN (INT64_C(1) << 20)

enum cache_result {
	CACHE_UNKNOWN, /* ask Redis */
	CACHE_ABSENT,  /* Redis has no entry */
	CACHE_PRESENT,
};

/* bytes: all that it may take; 0: it keeps nothing. age_ms: older answers are none, whatever is told. */
struct cache *cache_new(size_t bytes, int64_t age_ms);
void cache_free(struct cache *cache);
void cache_set_age(struct cache *cache, int64_t age_ms);

/* The entry, an extract (state.h), is valid until the next call that is not a cache_find(). */
enum cache_result cache_find(struct cache *cache, struct sv name, int64_t now_ms, const struct entry **entry_r);

/* While Redis cannot be asked: what it said when it was last asked, at most age_ms ago. */
enum cache_result cache_remember(struct cache *cache, struct sv name, int64_t now_ms, int64_t age_ms, const struct entry **entry_r);

/* Before a question is sent; with its answer. entry: NULL when there is none. told: Redis tells of
 * changes now; else the answer is only remembered. */
uint64_t cache_ticket(const struct cache *cache);
void cache_put(struct cache *cache, struct sv name, uint64_t ticket, const struct entry *entry, bool told, int64_t now_ms);

/* It has changed; everything may have. */
void cache_changed(struct cache *cache, struct sv name);
void cache_lost(struct cache *cache);

/* What a run before this one knew: only for cache_remember(). checked_ms: when Redis was asked. */
void cache_recall(struct cache *cache, struct sv name, const struct entry *entry, int64_t checked_ms);
/* Everything that decides of mail and could be remembered, in no order. */
typedef void cache_callback(void *arg, struct sv name, const struct entry *entry, int64_t checked_ms);
void cache_each(const struct cache *cache, cache_callback *callback, void *arg);

struct cache_figures {
	uint64_t entries, bytes, limit_bytes, evictions, changes, losses;
};
struct cache_figures cache_figures(const struct cache *cache);

#endif
