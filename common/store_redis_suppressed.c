/* The store in Redis: suppressed addresses, or those that have scopes, in the order of their dates. Each partition has an index of its own, which
 * is in that order; here they become one. */
#include <stdlib.h>

#include "store_redis.h"

/* Of each index read at a time, when there are many. */
#define LANE_PAGE_MIN 100

/* An index, and what was read of it. */
struct lane {
	struct load load;
	unsigned partition;
	enum schema_key index;
	struct arena arena; /* of the members */
	struct suppressed_place *v;
	size_t i, n; /* the next, and how many there are */
	size_t from; /* the rank behind them */
	size_t older, not_newer; /* than a date; of the index */
	bool asked, exhausted;
};

struct merging {
	struct load load; /* of the entries; first, so that who has it has all */
	struct redis_store *s;
	struct lane *lanes;
	size_t n, page;
	const struct suppressed_some *some;
	const struct suppressed_place *after; /* NULL: from the beginning */
	struct err *err;
	/* the next of them, in order */
	struct transaction t; /* for its arena */
	struct arena arena;
	struct account *v;
	size_t n_v;
};

/* Waits for what lanes were asked. */
static enum store_result finish_lanes(struct merging *m)
{
	enum store_result result = STORE_OK;

	servers_wait(m->s->servers);
	for (size_t i = 0; i < m->n && result == STORE_OK; i++)
		result = outcome_finish(m->s, &m->lanes[i].load.outcome);
	return result;
}

/* ---- a page of each ---- */

static void on_members(void *arg, const struct value *reply)
{
	struct lane *lane = arg;
	uint64_t since_s;

	if (!outcome_take_key(lane->load.s, &lane->load.outcome, reply, lane->partition, lane->index, SV("")))
		return;
	lane->v = arena_alloc(&lane->arena, (value_count(reply) / 2 + 1) * sizeof *lane->v);
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		lane->v[lane->n++] = (struct suppressed_place){ sv_u64(value_text(value_at(reply, i + 1)), INT64_MAX, &since_s) ? (int64_t)since_s : 0,
			arena_dup(&lane->arena, value_text(value_at(reply, i))) };
}

static void ask_members(struct merging *m, struct lane *lane, size_t n)
{
	struct redis_store *s = m->s;
	struct sv argv[] = { SV("ZRANGE"), key_in(s, lane->partition, lane->index, SV("")), schema_number(&s->scratch, (int64_t)lane->from),
		schema_number(&s->scratch, (int64_t)(lane->from + n) - 1), SV("WITHSCORES") };

	arena_reset(&lane->arena);
	lane->i = lane->n = 0;
	command(s, sizeof argv / sizeof *argv, argv, on_members, lane);
}

/* Those that are meant, at the front. */
static void take_page(struct merging *m, struct lane *lane)
{
	size_t n = 0;

	lane->from += lane->n;
	lane->exhausted = lane->n < m->page || lane->v[lane->n - 1].since_s >= m->some->until_s;
	for (size_t i = 0; i < lane->n; i++)
		if (suppressed_is_meant(m->some, &lane->v[i]))
			lane->v[n++] = lane->v[i];
	lane->n = n;
}

/* Every lane has a member, unless it is exhausted. */
static enum store_result fill(struct merging *m)
{
	enum store_result result;
	size_t asked;

	do {
		asked = 0;
		for (size_t i = 0; i < m->n; i++) {
			struct lane *lane = &m->lanes[i];
			lane->asked = lane->i == lane->n && !lane->exhausted;
			asked += lane->asked;
			if (lane->asked)
				ask_members(m, lane, m->page);
		}
		result = finish_lanes(m);
		for (size_t i = 0; i < m->n; i++)
			if (m->lanes[i].asked)
				take_page(m, &m->lanes[i]);
	} while (result == STORE_OK && asked);
	return result;
}

/* ---- a place ---- */

static void on_older(void *arg, const struct value *reply)
{
	struct lane *lane = arg;

	if (outcome_take_key(lane->load.s, &lane->load.outcome, reply, lane->partition, lane->index, SV("")))
		lane->older = (size_t)value_number(reply);
}

static void on_not_newer(void *arg, const struct value *reply)
{
	struct lane *lane = arg;

	if (outcome_take(&lane->load.outcome, reply))
		lane->not_newer = (size_t)value_number(reply);
}

static void ask_counts(struct merging *m, struct lane *lane)
{
	struct redis_store *s = m->s;
	struct sv older[] = { SV("ZCOUNT"), key_in(s, lane->partition, lane->index, SV("")), SV("-inf"),
		arena_printf(&s->scratch, "(%lld", (long long)m->after->since_s) };

	command(s, sizeof older / sizeof *older, older, on_older, lane);
	struct sv not_newer[] = { SV("ZCOUNT"), key_in(s, lane->partition, lane->index, SV("")), SV("-inf"),
		schema_number(&s->scratch, m->after->since_s) };
	command(s, sizeof not_newer / sizeof *not_newer, not_newer, on_not_newer, lane);
}

/* Those of one date, of an import of millions perhaps, are in the order of their bytes: the halves that hold the place. */
static enum store_result halve(struct merging *m, struct lane *lane)
{
	size_t low = lane->older, high = lane->not_newer;
	enum store_result result = STORE_OK;

	while (result == STORE_OK && low < high) {
		lane->from = low + (high - low) / 2;
		ask_members(m, lane, 1);
		result = finish_lanes(m);
		if (lane->n && suppressed_compare(lane->v, m->after) <= 0)
			low = lane->from + 1;
		else
			high = lane->from;
	}
	lane->from = low;
	lane->i = lane->n = 0;
	return result;
}

static enum store_result find_place(struct merging *m)
{
	for (size_t i = 0; i < m->n; i++)
		ask_counts(m, &m->lanes[i]);
	enum store_result result = finish_lanes(m);
	for (size_t i = 0; result == STORE_OK && i < m->n; i++)
		result = halve(m, &m->lanes[i]);
	return result;
}

/* ---- as one ---- */

/* The lane whose member is next; NULL: none has one, or one would have to be filled first. */
static struct lane *next_lane(struct merging *m)
{
	struct lane *first = NULL;

	for (size_t i = 0; i < m->n; i++) {
		struct lane *lane = &m->lanes[i];
		if (lane->i == lane->n && !lane->exhausted)
			return NULL;
		if (lane->i == lane->n)
			continue;
		if (!first || suppressed_compare(&lane->v[lane->i], &first->v[first->i]) < 0)
			first = lane;
	}
	return first;
}

static void on_fields(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;
	const struct merging *m = (const struct merging *)one->load;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, one->partition, KEY_ADDRESS, a->key))
		return;
	for (size_t i = 0; i < m->some->n_fields && i < value_count(reply); i++)
		if (value_type(value_at(reply, i)) == VALUE_TEXT)
			schema_entry_set(&a->entry, m->some->fields[i], value_text(value_at(reply, i)));
	schema_entry_keep(one->load->t->arena, &a->entry);
}

static void ask_entry(struct merging *m, struct account *a, unsigned partition)
{
	const struct suppressed_some *some = m->some;
	struct sv argv[2 + SUPPRESSED_FIELDS_MAX] = { some->fields ? SV("HMGET") : SV("HGETALL"), entry_key_of(m->s, a->key) };
	size_t n = 2;

	for (size_t i = 0; some->fields && i < some->n_fields; i++)
		argv[n++] = some->fields[i];
	m->t.partition = partition;
	command(m->s, n, argv, some->fields ? on_fields : on_entry, load_one(&m->load, a));
}

/* The entries of the next members, at most a page. */
static enum store_result read_next(struct merging *m)
{
	struct lane *lane;

	arena_reset(&m->arena);
	m->t.arena = &m->arena;
	m->load = (struct load){ m->s, &m->t, { STORE_OK, m->err } };
	m->v = arena_alloc(&m->arena, PAGE * sizeof *m->v);
	m->n_v = 0;
	while (m->n_v < PAGE && (lane = next_lane(m))) {
		struct account *a = &m->v[m->n_v++];
		a->key = lane->v[lane->i++].address;
		ask_entry(m, a, lane->partition);
	}
	servers_wait(m->s->servers);
	return outcome_finish(m->s, &m->load.outcome);
}

static void free_lanes(struct merging *m)
{
	for (size_t i = 0; i < m->n; i++)
		arena_free(&m->lanes[i].arena);
	free(m->lanes);
	arena_free(&m->arena);
}

/* Where reading begins: behind the later of the two. NULL: at the beginning. */
static const struct suppressed_place *beginning(const struct suppressed_some *some, struct suppressed_place *since)
{
	*since = (struct suppressed_place){ some->since_s, SV("") };
	if (some->after && some->after->since_s >= some->since_s)
		return some->after;
	return some->since_s > 0 ? since : NULL;
}

enum store_result redis_suppressed(struct store *store, const struct suppressed_some *some, store_entry_callback *callback, void *arg,
	struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };
	struct suppressed_place since;
	struct merging m = { .s = s, .some = some, .after = beginning(some, &since), .err = err };
	bool go_on = true;

	if (!wait_ready(s, &outcome))
		return outcome_finish(s, &outcome);
	m.n = store->partitions;
	m.page = PAGE / m.n + LANE_PAGE_MIN;
	m.lanes = xalloc(m.n * sizeof *m.lanes);
	for (size_t i = 0; i < m.n; i++)
		m.lanes[i] = (struct lane){ .load = { s, NULL, outcome }, .partition = (unsigned)i, .index = some->scoped ? KEY_SCOPED : KEY_SUPPRESSED };
	enum store_result result = m.after ? find_place(&m) : STORE_OK;
	do {
		result = result == STORE_OK ? fill(&m) : result;
		result = result == STORE_OK ? read_next(&m) : result;
		for (size_t i = 0; result == STORE_OK && go_on && i < m.n_v; i++)
			if (some->scoped ? m.v[i].entry.scopes.n > 0 : m.v[i].entry.status != STATUS_NONE)
				go_on = callback(arg, m.v[i].key, &m.v[i].entry);
	} while (result == STORE_OK && go_on && m.n_v);
	free_lanes(&m);
	return result;
}
