/* The store in Redis: log readers and what they lost, policy services, and what else nixie status asks. */
#include <stdlib.h>

#include "store_redis.h"

struct asking {
	struct load load;
	struct arena *arena;
	store_gap_callback *on_gap;
	store_reader_callback *on_reader;
	store_door_callback *on_door;
	void *arg;
	struct sv *names;
	size_t n_names;
	uint64_t sum;
};

struct asked_reader {
	struct asking *asking;
	struct sv name;
};

static enum store_result finish(struct redis_store *s, struct asking *a)
{
	servers_wait(s->servers);
	return outcome_finish(s, &a->load.outcome);
}

/* ---- gaps ---- */

static void on_gaps(void *arg, const struct value *reply)
{
	struct asking *a = arg;
	uint64_t time_s;

	if (!outcome_take(&a->load.outcome, reply))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		if (sv_u64(value_text(value_at(reply, i + 1)), (uint64_t)STATE_TIME_MAX_S, &time_s))
			a->on_gap(a->arg, value_text(value_at(reply, i)), (int64_t)time_s);
}

enum store_result redis_gaps(struct store *store, store_gap_callback *callback, void *arg, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct asking a = { .load = { s, NULL, { STORE_OK, err } }, .on_gap = callback, .arg = arg };

	if (!wait_ready(s, &a.load.outcome))
		return outcome_finish(s, &a.load.outcome);
	struct sv argv[] = { SV("HGETALL"), key_in(s, 0, KEY_GAPS, SV("")) };
	command(s, 2, argv, on_gaps, &a);
	return finish(s, &a);
}

/* ---- readers ---- */

static void on_names(void *arg, const struct value *reply)
{
	struct asking *a = arg;

	if (!outcome_take(&a->load.outcome, reply))
		return;
	a->n_names = value_count(reply);
	a->names = arena_alloc(a->arena, (a->n_names + 1) * sizeof *a->names);
	for (size_t i = 0; i < a->n_names; i++)
		a->names[i] = arena_dup(a->arena, value_text(value_at(reply, i)));
}

static void on_reader(void *arg, const struct value *reply)
{
	struct asked_reader *asked = arg;
	struct asking *a = asked->asking;
	struct reader_state state = { .source = asked->name };

	if (!outcome_take(&a->load.outcome, reply) || value_count(reply) == 0)
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		reader_state_set(&state, value_text(value_at(reply, i)), arena_dup(a->arena, value_text(value_at(reply, i + 1))));
	a->on_reader(a->arg, &state);
}

enum store_result redis_readers(struct store *store, struct arena *arena, store_reader_callback *callback, void *arg, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct asking a = { .load = { s, NULL, { STORE_OK, err } }, .arena = arena, .on_reader = callback, .arg = arg };

	if (!wait_ready(s, &a.load.outcome))
		return outcome_finish(s, &a.load.outcome);
	struct sv range[] = { SV("ZRANGE"), key_in(s, 0, KEY_READERS, SV("")), SV("0"), SV("-1") };
	command(s, 4, range, on_names, &a);
	enum store_result result = finish(s, &a);
	for (size_t i = 0; result == STORE_OK && i < a.n_names; i++) {
		struct asked_reader *asked = arena_alloc(arena, sizeof *asked);
		struct sv argv[] = { SV("HGETALL"), key_in(s, 0, KEY_READER, a.names[i]) };
		*asked = (struct asked_reader){ &a, a.names[i] };
		command(s, 2, argv, on_reader, asked);
	}
	return result == STORE_OK ? finish(s, &a) : result;
}

/* ---- policy services ---- */

struct telling {
	store_done_callback *callback;
	void *arg;
	enum store_result result;
	unsigned waiting;
};

static void on_told(void *arg, const struct value *reply)
{
	struct telling *t = arg;

	if (!reply)
		t->result = STORE_UNREACHABLE;
	else if (value_type(reply) == VALUE_ERROR)
		t->result = STORE_REFUSED;
	if (--t->waiting > 0)
		return;
	t->callback(t->arg, t->result);
	free(t);
}

/* One command writes it; the other says that it is there. */
void store_door(struct store *store, const struct door_state *state, store_done_callback *callback, void *arg)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct sv v[2 + 2 * DOOR_STATE_FIELDS];
	struct telling *t = xalloc(sizeof *t);

	*t = (struct telling){ callback, arg, STORE_OK, 2 };
	v[0] = SV("HSET");
	v[1] = key_in(s, 0, KEY_DOOR, state->name);
	size_t n = 2 + 2 * door_state_fields(&arena, state, v + 2);
	command(s, n, v, on_told, t);
	struct sv index[] = { SV("HSET"), key_in(s, 0, KEY_DOORS, SV("")), state->name, schema_number(&arena, state->updated_s) };
	command(s, 4, index, on_told, t);
	arena_free(&arena);
}

struct asked_door {
	struct asking *asking;
	struct sv name;
};

static void on_door_names(void *arg, const struct value *reply)
{
	struct asking *a = arg;

	if (!outcome_take(&a->load.outcome, reply))
		return;
	a->names = arena_alloc(a->arena, (value_count(reply) / 2 + 1) * sizeof *a->names);
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		a->names[a->n_names++] = arena_dup(a->arena, value_text(value_at(reply, i)));
}

static void on_door(void *arg, const struct value *reply)
{
	struct asked_door *asked = arg;
	struct asking *a = asked->asking;
	struct door_state state = { .name = asked->name };

	if (!outcome_take(&a->load.outcome, reply) || value_count(reply) == 0)
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		door_state_set(&state, value_text(value_at(reply, i)), arena_dup(a->arena, value_text(value_at(reply, i + 1))));
	a->on_door(a->arg, &state);
}

enum store_result redis_doors(struct store *store, struct arena *arena, store_door_callback *callback, void *arg, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct asking a = { .load = { s, NULL, { STORE_OK, err } }, .arena = arena, .on_door = callback, .arg = arg };

	if (!wait_ready(s, &a.load.outcome))
		return outcome_finish(s, &a.load.outcome);
	struct sv argv[] = { SV("HGETALL"), key_in(s, 0, KEY_DOORS, SV("")) };
	command(s, 2, argv, on_door_names, &a);
	enum store_result result = finish(s, &a);
	for (size_t i = 0; result == STORE_OK && i < a.n_names; i++) {
		struct asked_door *asked = arena_alloc(arena, sizeof *asked);
		struct sv one[] = { SV("HGETALL"), key_in(s, 0, KEY_DOOR, a.names[i]) };
		*asked = (struct asked_door){ &a, a.names[i] };
		command(s, 2, one, on_door, asked);
	}
	return result == STORE_OK ? finish(s, &a) : result;
}

/* ---- how many are suppressed ---- */

static void on_card(void *arg, const struct value *reply)
{
	struct asking *a = arg;

	if (outcome_take(&a->load.outcome, reply) && value_number(reply) > 0)
		a->sum += (uint64_t)value_number(reply);
}

enum store_result redis_suppressed_count(struct store *store, bool scoped, uint64_t *n_r, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct asking a = { .load = { s, NULL, { STORE_OK, err } } };

	if (!wait_ready(s, &a.load.outcome))
		return outcome_finish(s, &a.load.outcome);
	for (unsigned p = 0; p < store->partitions; p++) {
		struct sv argv[] = { SV("ZCARD"), key_in(s, p, scoped ? KEY_SCOPED : KEY_SUPPRESSED, SV("")) };
		command(s, 2, argv, on_card, &a);
	}
	enum store_result result = finish(s, &a);
	*n_r = a.sum;
	return result;
}
