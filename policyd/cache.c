#include "cache.h"

#include <stdlib.h>

#include "arena.h"
#include "map.h"

/* Chains at first: they double when there are half as many items. So a small cache stays in the processor's,
 * and few items are looked at in vain, which costs more than all else where there are many. */
#define CHAINS_FIRST 1024
/* What malloc(3) takes beside. */
#define MALLOC_BYTES 16
/* Changes that are told are noted in so many places, by hash: two names in one place cost a question. */
#define MARKS 4096
/* So many that were asked for lately are passed over to find one to drop. */
#define SECOND_CHANCES 8

/* An epoch that never is the cache's. */
#define REMEMBERED 0U

struct item {
	struct item *newer, *older;
	/* what is looked at to find it, in one or two lines of the processor's memory */
	struct item *chain;
	uint64_t hash;
	int64_t checked_ms;
	unsigned epoch; /* another than the cache's: only to be remembered */
	uint16_t name_n;
	bool used, binds;
	struct entry *entry; /* behind the name; NULL: Redis has none */
	char name[];
};

struct cache {
	struct item **chains;
	size_t mask;
	struct item *newest, *oldest;
	int64_t age_ms;
	unsigned epoch;
	uint64_t serial, cleared; /* of changes; the last that was about everything */
	uint64_t marks[MARKS];
	struct cache_figures figures;
};

struct cache *cache_new(size_t bytes, int64_t age_ms)
{
	struct cache *c = xalloc(sizeof *c);

	c->chains = xalloc(CHAINS_FIRST * sizeof *c->chains);
	c->mask = CHAINS_FIRST - 1;
	c->age_ms = age_ms;
	c->epoch = 1;
	c->figures.limit_bytes = bytes;
	c->figures.bytes = CHAINS_FIRST * sizeof *c->chains;
	return c;
}

void cache_set_age(struct cache *c, int64_t age_ms)
{
	c->age_ms = age_ms;
}

static size_t size_of(const struct item *i)
{
	size_t n = sizeof *i + i->name_n + MALLOC_BYTES;

	return i->entry ? n + _Alignof(struct entry) + entry_extract_bytes(i->entry) : n;
}

static void leave_list(struct cache *c, struct item *i)
{
	*(i->newer ? &i->newer->older : &c->newest) = i->older;
	*(i->older ? &i->older->newer : &c->oldest) = i->newer;
}

static void enter_list(struct cache *c, struct item *i)
{
	i->newer = NULL;
	i->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = i;
	c->newest = i;
}

static void drop(struct cache *c, struct item *item)
{
	struct item **at = &c->chains[item->hash & c->mask];

	while (*at != item)
		at = &(*at)->chain;
	*at = item->chain;
	leave_list(c, item);
	c->figures.entries--;
	c->figures.bytes -= size_of(item);
	free(item);
}

void cache_free(struct cache *c)
{
	while (c && c->newest)
		drop(c, c->newest);
	if (c)
		free(c->chains);
	free(c);
}

static struct item *item_of(const struct cache *c, struct sv name, uint64_t hash)
{
	struct item *i = c->chains[hash & c->mask];

	while (i && (i->hash != hash || !sv_eq(sv_make(i->name, i->name_n), name)))
		i = i->chain;
	return i;
}

enum cache_result cache_find(struct cache *c, struct sv name, int64_t now_ms, const struct entry **entry_r)
{
	struct item *i = item_of(c, name, map_hash(name));

	*entry_r = NULL;
	if (!i || i->epoch != c->epoch || now_ms - i->checked_ms >= c->age_ms)
		return CACHE_UNKNOWN;
	i->used = true;
	*entry_r = i->entry;
	return i->entry ? CACHE_PRESENT : CACHE_ABSENT;
}

enum cache_result cache_remember(struct cache *c, struct sv name, int64_t now_ms, int64_t age_ms, const struct entry **entry_r)
{
	struct item *i = item_of(c, name, map_hash(name));

	*entry_r = NULL;
	if (!i || now_ms - i->checked_ms >= age_ms)
		return CACHE_UNKNOWN;
	i->used = true;
	*entry_r = i->entry;
	return i->entry ? CACHE_PRESENT : CACHE_ABSENT;
}

uint64_t cache_ticket(const struct cache *c)
{
	return c->serial;
}

/* Does it decide of any mail? */
static bool binds(const struct entry *e)
{
	return e->scopes.n || (e->status != STATUS_NONE && e->status != STATUS_SOFT);
}

static struct item *make(struct sv name, uint64_t hash, const struct entry *e)
{
	size_t at = (sizeof(struct item) + name.n + _Alignof(struct entry) - 1) / _Alignof(struct entry) * _Alignof(struct entry);
	size_t n = e ? at + entry_extract_bytes(e) : sizeof(struct item) + name.n;
	struct item *i = n <= CACHE_ITEM_MAX ? malloc(n) : NULL;

	if (!i)
		return NULL;
	*i = (struct item){ .hash = hash, .name_n = (uint16_t)name.n };
	memcpy(i->name, name.p, name.n);
	if (e) {
		i->entry = entry_extract(e, (char *)i + at);
		i->binds = binds(e);
	}
	return i;
}

static void enter_chain(struct cache *c, struct item *i)
{
	i->chain = c->chains[i->hash & c->mask];
	c->chains[i->hash & c->mask] = i;
}

static void grow(struct cache *c)
{
	size_t n = c->mask + 1;

	if (c->figures.entries * 2 < n || c->figures.bytes + n * sizeof *c->chains > c->figures.limit_bytes)
		return;
	free(c->chains);
	c->chains = xalloc(2 * n * sizeof *c->chains);
	c->mask = 2 * n - 1;
	c->figures.bytes += n * sizeof *c->chains;
	for (struct item *i = c->newest; i; i = i->older)
		enter_chain(c, i);
}

/* Room for one more. Those that were used since they were last looked at here get another round. */
static void make_room(struct cache *c, size_t n)
{
	for (int chances = SECOND_CHANCES; c->oldest && c->figures.bytes + n > c->figures.limit_bytes;) {
		struct item *i = c->oldest;
		if (i->used && chances-- > 0) {
			i->used = false;
			leave_list(c, i);
			enter_list(c, i);
			continue;
		}
		drop(c, i);
		c->figures.evictions++;
	}
}

static void keep(struct cache *c, struct sv name, uint64_t hash, const struct entry *entry, int64_t checked_ms, unsigned epoch)
{
	struct item *before = item_of(c, name, hash);

	if (before)
		drop(c, before);
	struct item *i = make(name, hash, entry);
	if (!i)
		return;
	size_t n = size_of(i);
	make_room(c, n);
	if (c->figures.bytes + n > c->figures.limit_bytes) {
		free(i);
		return;
	}
	i->checked_ms = checked_ms;
	i->epoch = epoch;
	enter_chain(c, i);
	enter_list(c, i);
	c->figures.entries++;
	c->figures.bytes += n;
	grow(c);
}

void cache_put(struct cache *c, struct sv name, uint64_t ticket, const struct entry *entry, bool told, int64_t now_ms)
{
	uint64_t hash = map_hash(name);

	if (c->marks[hash % MARKS] > ticket)
		return;
	keep(c, name, hash, entry, now_ms, told && c->cleared <= ticket ? c->epoch : REMEMBERED);
}

void cache_changed(struct cache *c, struct sv name)
{
	uint64_t hash = map_hash(name);
	struct item *i = item_of(c, name, hash);

	c->marks[hash % MARKS] = ++c->serial;
	c->figures.changes++;
	if (i)
		drop(c, i);
}

void cache_lost(struct cache *c)
{
	c->cleared = ++c->serial;
	c->epoch++;
	c->figures.losses++;
}

void cache_recall(struct cache *c, struct sv name, const struct entry *entry, int64_t checked_ms)
{
	if (binds(entry) && !item_of(c, name, map_hash(name)))
		keep(c, name, map_hash(name), entry, checked_ms, REMEMBERED);
}

void cache_each(const struct cache *c, cache_callback *callback, void *arg)
{
	for (const struct item *i = c->newest; i; i = i->older)
		if (i->binds)
			callback(arg, sv_make(i->name, i->name_n), i->entry, i->checked_ms);
}

struct cache_figures cache_figures(const struct cache *c)
{
	return c->figures;
}
