#include "gaps.h"

#include <stdlib.h>

#include "clock.h"

void gaps_free(struct gaps *g)
{
	free(g->own);
	arena_free(&g->arena);
}

static struct gap *own_of(struct gaps *g, struct sv source)
{
	for (size_t i = 0; i < g->n; i++)
		if (sv_eq(g->own[i].source, source))
			return &g->own[i];
	return NULL;
}

void gaps_add(struct gaps *g, struct sv source, int64_t time_s)
{
	struct gap *gap = own_of(g, source);
	int64_t now_s = clock_now_s();

	time_s = time_s < now_s ? time_s : now_s;
	if (time_s <= g->newest_s)
		return;
	if (!gap) {
		g->own = xgrow(g->own, g->n, &g->size, sizeof *g->own);
		gap = &g->own[g->n++];
		gap->source = arena_dup(&g->arena, source);
	}
	gap->time_s = time_s;
	gap->written = false;
	g->newest_s = time_s;
}

enum store_result gaps_write(struct gaps *g, struct store *store, struct err *err)
{
	enum store_result result = STORE_OK;

	for (size_t i = 0; i < g->n && result == STORE_OK; i++) {
		if (g->own[i].written)
			continue;
		result = store_gap(store, g->own[i].source, g->own[i].time_s, err);
		g->own[i].written = result == STORE_OK;
	}
	return result;
}

struct reading {
	struct gaps *gaps;
	struct arena arena;
	int64_t oldest_s; /* that matters */
	struct sv *old;
	size_t n_old, size_old;
};

static void take(void *arg, struct sv source, int64_t time_s)
{
	struct reading *r = arg;
	struct gap *own = own_of(r->gaps, source);
	int64_t now_s = clock_now_s();

	if (own && time_s >= own->time_s)
		own->written = true;
	if (time_s < r->oldest_s) {
		r->old = xgrow(r->old, r->n_old, &r->size_old, sizeof *r->old);
		r->old[r->n_old++] = arena_dup(&r->arena, source);
		return;
	}
	time_s = time_s < now_s ? time_s : now_s; /* what stands in the store may be anything */
	if (time_s > r->gaps->newest_s)
		r->gaps->newest_s = time_s;
}

enum store_result gaps_read(struct gaps *g, struct store *store, const struct conversions *conversions, struct err *err)
{
	struct reading r = { .gaps = g, .oldest_s = clock_before_us(clock_now_us(), convert_longest(conversions)) / CLOCK_SECOND_US };

	for (size_t i = 0; i < g->n; i++)
		g->own[i].written = g->own[i].time_s < r.oldest_s; /* until the store says that it has it */
	enum store_result result = store_gaps(store, take, &r, err);
	if (result == STORE_OK)
		result = gaps_write(g, store, err);
	for (size_t i = 0; i < r.n_old && result == STORE_OK; i++)
		result = store_gap(store, r.old[i], 0, err);
	free(r.old);
	arena_free(&r.arena);
	return result;
}
