#include "daemons.h"

#include <stdlib.h>

#include "clock.h"

/* A reader that is gone for so long is told of no more; one that read a log once, sooner. */
#define FORGET_S (30 * CLOCK_DAY_S)
#define FORGET_DONE_S CLOCK_DAY_S

static const char *trouble_of(const struct daemons *d, const struct known_reader *r)
{
	if (!r->running)
		return "not running";
	if (r->state.doing == READER_MISSING)
		return "the log is not there, or may not be read";
	if (r->state.doing == READER_BLOCKED)
		return "a rotated log cannot be unpacked";
	return d->config->alerts_log_lag_ms && r->state.lag_s > d->config->alerts_log_lag_ms / 1000 ? "far behind" : NULL;
}

static void on_reader(void *arg, const struct reader_state *state)
{
	struct daemons *d = arg;
	int64_t silent_s = clock_now_s() - state->updated_s;
	struct known_reader r = { .state = *state, .ended = state->doing == READER_DONE };

	if (silent_s > (r.ended ? FORGET_DONE_S : FORGET_S))
		return;
	r.running = !r.ended && state->doing != READER_STOPPED && silent_s <= READER_GONE_S;
	r.trouble = r.ended ? NULL : trouble_of(d, &r);
	d->readers = xgrow(d->readers, d->n_readers, &d->readers_size, sizeof *d->readers);
	d->readers[d->n_readers++] = r;
}

static void on_door(void *arg, const struct door_state *state)
{
	struct daemons *d = arg;
	int64_t silent_s = clock_now_s() - state->updated_s;
	struct known_door k = { .state = *state, .ended = state->doing == DOOR_STOPPED };

	if (silent_s > FORGET_S)
		return;
	k.running = !k.ended && silent_s <= DOOR_GONE_S;
	k.trouble = k.running ? NULL : "not running";
	d->doors = xgrow(d->doors, d->n_doors, &d->doors_size, sizeof *d->doors);
	d->doors[d->n_doors++] = k;
}

static int compare(struct sv x, struct sv y)
{
	int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

	return order ? order : (x.n > y.n) - (x.n < y.n);
}

static int door_by_name(const void *a, const void *b)
{
	return compare(((const struct known_door *)a)->state.name, ((const struct known_door *)b)->state.name);
}

static int reader_by_source(const void *a, const void *b)
{
	return compare(((const struct known_reader *)a)->state.source, ((const struct known_reader *)b)->state.source);
}

enum store_result daemons_read(struct daemons *d, struct store *store, const struct config *config, struct arena *arena, struct err *err)
{
	*d = (struct daemons){ .config = config };
	enum store_result result = store_readers(store, arena, on_reader, d, err);

	if (result == STORE_OK)
		result = store_doors(store, arena, on_door, d, err);
	if (d->n_readers)
		qsort(d->readers, d->n_readers, sizeof *d->readers, reader_by_source);
	if (d->n_doors)
		qsort(d->doors, d->n_doors, sizeof *d->doors, door_by_name);
	return result;
}

void daemons_free(struct daemons *d)
{
	free(d->readers);
	free(d->doors);
	*d = (struct daemons){ .n_readers = 0 };
}
