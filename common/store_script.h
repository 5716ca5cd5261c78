/* store_script: the growing list of operations that is one call of apply.lua. Only for
 * store_redis_write.c and store_redis_counts.c. */
#ifndef NIXIE_STORE_SCRIPT_H
#define NIXIE_STORE_SCRIPT_H

#include "clock.h"
#include "schema.h"
#include "store.h"

/* A Lua script unpacks 8000 values at most: what an operation has of fields. */
#define PAIRS_MAX 1000

struct script {
	struct arena *arena;
	struct schema schema;
	struct sv *keys, *argv;
	size_t n_keys, n_argv, size_keys, size_argv;
};

static inline void push(struct arena *arena, struct sv **v, size_t *n, size_t *size, struct sv s)
{
	if (*n == *size) {
		size_t bigger = *size ? *size * 2 : 256;
		struct sv *w = arena_alloc(arena, bigger * sizeof *w);
		if (*n)
			memcpy(w, *v, *n * sizeof *w);
		*v = w;
		*size = bigger;
	}
	(*v)[(*n)++] = s;
}

static inline void arg(struct script *x, struct sv s)
{
	push(x->arena, &x->argv, &x->n_argv, &x->size_argv, s);
}

static inline void number(struct script *x, int64_t v)
{
	arg(x, schema_number(x->arena, v));
}

/* Returns the index of the key, from 1 */
static inline int64_t key(struct script *x, enum schema_key kind, struct sv name)
{
	push(x->arena, &x->keys, &x->n_keys, &x->size_keys, schema_key(x->arena, &x->schema, kind, name));
	return (int64_t)x->n_keys;
}

static inline int64_t entry_key(struct script *x, struct sv key)
{
	push(x->arena, &x->keys, &x->n_keys, &x->size_keys, schema_entry_key(x->arena, &x->schema, key));
	return (int64_t)x->n_keys;
}

static inline void op(struct script *x, const char *name, int64_t key_index)
{
	arg(x, sv_of(name));
	number(x, key_index);
}

static inline void field(struct script *x, struct sv name, struct sv value)
{
	arg(x, name);
	arg(x, value);
}

static inline int64_t expire_in_days(int days)
{
	return clock_now_s() + days * CLOCK_DAY_S;
}

/* The time in a stream's ids: a line from the future must not push all later ones there. */
int64_t script_stream_ms(int64_t time_s);
/* When an entry goes by itself; 0: what suppresses or protects stays until somebody takes it away. */
int64_t script_expire_s(const struct transaction *t, const struct account *account);
/* What the journal says of a step beside the address: pairs of words; returns how many pairs. */
#define SCRIPT_TRANSITION_FIELDS 11
size_t script_transition_fields(struct script *script, const struct transaction *t, const struct transition *step,
	struct sv words_r[2 * SCRIPT_TRANSITION_FIELDS]);

/* The entries of a list that are not there yet, a thousand with one operation; their steps lose their numbers. */
void script_add_new(struct script *script, struct transaction *t);
/* Is it one of those? */
bool script_is_new(const struct transaction *t, const struct account *account);
/* What is counted: totals, the dimensions, and replies that no rule knows. */
void script_add_counts(struct script *script, struct transaction *t, unsigned partitions);
/* What is remembered for mail that comes back, and what is kept aside of it. */
void script_add_mail(struct script *script, const struct transaction *t);
/* The periods that ended between the two places of the transaction. */
void script_add_rolls(struct script *script, const struct transaction *t);

#endif
