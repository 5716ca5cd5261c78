#include "store.h"

#include "buf.h"
#include "clock.h"
#include "schema.h"
#include "store_ops.h"

void transaction_begin(struct transaction *t, struct arena *arena)
{
	arena_reset(arena);
	t->arena = arena;
	map_clear(&t->accounts);
	map_clear(&t->pendings);
	map_clear(&t->counters);
	map_clear(&t->unclassified);
	t->from = t->to = NULL;
	t->first = t->last = NULL;
}

void transaction_free(struct transaction *t)
{
	map_free(&t->accounts);
	map_free(&t->pendings);
	map_free(&t->counters);
	map_free(&t->unclassified);
}

struct account *transaction_account(struct transaction *t, struct sv key)
{
	struct account *account = map_get(&t->accounts, key);

	if (account)
		return account;
	account = arena_alloc(t->arena, sizeof *account);
	account->key = arena_dup(t->arena, key);
	map_put(&t->accounts, account->key, account);
	return account;
}

struct pending *transaction_pending(struct transaction *t, struct sv key)
{
	struct pending *pending = map_get(&t->pendings, key);

	if (pending)
		return pending;
	pending = arena_alloc(t->arena, sizeof *pending);
	pending->key = arena_dup(t->arena, key);
	map_put(&t->pendings, pending->key, pending);
	return pending;
}

void transaction_count(struct transaction *t, int64_t time_s, struct sv dimension, struct sv name, int64_t delta)
{
	char room[192], day[9];
	struct buf key = BUF_ON(room);

	clock_format_day(time_s, day);
	buf_add(&key, sv_of(day));
	if (dimension.n)
		buf_add_char(&key, ':');
	buf_add(&key, dimension);
	size_t period_n = key.n;
	buf_add_char(&key, '|');
	buf_add(&key, name);
	struct counter *counter = map_get(&t->counters, buf_sv(&key));
	if (!counter) {
		counter = arena_alloc(t->arena, sizeof *counter);
		struct sv kept = arena_dup(t->arena, buf_sv(&key));
		counter->period = sv_head(kept, period_n);
		counter->name = sv_skip(kept, period_n + 1);
		map_put(&t->counters, kept, counter);
	}
	counter->delta += delta;
}

void transaction_unclassified(struct transaction *t, int64_t time_s, struct sv text, struct sv example)
{
	char day[9];

	clock_format_day(time_s, day);
	struct sv key = arena_printf(t->arena, "%.6s|%.*s", day, SV_ARG(text));
	struct unclassified *u = map_get(&t->unclassified, key);
	if (!u) {
		u = arena_alloc(t->arena, sizeof *u);
		*u = (struct unclassified){ .month = sv_head(key, 6), .text = sv_skip(key, 7), .example = arena_dup(t->arena, example) };
		map_put(&t->unclassified, key, u);
	}
	u->delta++;
}

void account_transition(struct transaction *t, struct account *account, const struct entry *before, struct sv why, int64_t time_s)
{
	struct transition *step = arena_alloc(t->arena, sizeof *step);

	*step = (struct transition){ .from = before->status, .to = account->entry.status, .reason = account->entry.reason,
		.rule = account->entry.rule, .remote = account->entry.remote, .why = arena_dup(t->arena, why), .time_s = time_s,
		.before = schema_pack_entry(t->arena, before) };
	if (account->last_transition)
		account->last_transition->next = step;
	else
		account->transitions = step;
	account->last_transition = step;
	step->address = account->key;
	step->number = t->last ? t->last->number + 1 : 1;
	if (t->last)
		t->last->later = step;
	else
		t->first = step;
	t->last = step;
	account->changed = true;
}

void store_free(struct store *store)
{
	if (store)
		store->ops->free(store);
}

enum store_result store_load(struct store *store, struct transaction *t, struct err *err)
{
	return store->ops->load(store, t, err);
}

enum store_result store_commit(struct store *store, struct transaction *t, struct err *err)
{
	return store->ops->commit(store, t, err);
}

enum store_result store_position(struct store *store, struct arena *arena, struct sv source,
	struct position *position_r, struct err *err)
{
	return store->ops->position(store, arena, source, position_r, err);
}

enum store_result store_counts(struct store *store, struct sv dimension, store_count_callback *callback, void *arg,
	struct err *err)
{
	return store->ops->counts(store, dimension, callback, arg, err);
}

enum store_result store_unclassified(struct store *store, store_unclassified_callback *callback, void *arg, struct err *err)
{
	return store->ops->unclassified(store, callback, arg, err);
}

enum store_result store_histories(struct store *store, store_bounce_callback *callback, void *arg, struct err *err)
{
	return store->ops->histories(store, callback, arg, err);
}

enum store_result store_suppressed(struct store *store, store_entry_callback *callback, void *arg, struct err *err)
{
	return store->ops->suppressed(store, callback, arg, err);
}

enum store_result store_entry(struct store *store, struct arena *arena, struct sv address,
	struct entry *entry_r, struct err *err)
{
	return store->ops->entry(store, arena, address, entry_r, err);
}

enum store_result store_journal_entry(struct store *store, const char *id, store_field_callback *callback,
	void *arg, struct err *err)
{
	return store->ops->journal_entry(store, id, callback, arg, err);
}

enum store_result store_journal(struct store *store, store_journal_callback *callback, void *arg, struct err *err)
{
	return store->ops->journal(store, callback, arg, err);
}
