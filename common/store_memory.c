/* The store of runs that change nothing (--dry-run): what Redis would hold of
 * entries, windows, pending recipients and counters, for as long as the program runs. */
#include <stdio.h>
#include <stdlib.h>

#include "schema.h"
#include "scope.h"
#include "store_ops.h"

/* One recipient of most messages fits in. */
#define PENDING_BYTES 1024

struct stored_account {
	struct entry entry;
	struct occurrence *window;
	size_t n_window;
	size_t key_n;
	char bytes[]; /* key, then the strings of entry and window */
};

struct stored_pending {
	struct pending pending;
	struct arena arena;
};

struct stored_count {
	int64_t value;
	size_t n;
	char key[]; /* yyyymmdd|name */
};

struct memory {
	struct store store;
	struct map accounts, pendings, counts;
};

static struct memory *memory_of(struct store *store)
{
	return (struct memory *)store;
}

/* ---- packing ---- */

static struct sv *const *entry_strings(struct entry *e, struct sv *v[8])
{
	v[0] = &e->rule;
	v[1] = &e->text;
	v[2] = &e->remote;
	v[3] = &e->by;
	v[4] = &e->batch;
	v[5] = &e->token;
	v[6] = &e->parole_by;
	v[7] = &e->scopes;
	return v;
}

static void move_string(struct sv *s, char **to)
{
	if (s->n)
		memcpy(*to, s->p, s->n);
	s->p = *to;
	*to += s->n;
}

static struct stored_account *pack(const struct account *a)
{
	struct entry e = a->entry;
	struct sv *v[8];
	size_t n = a->key.n, windows = a->window ? a->window->n : 0;

	entry_strings(&e, v);
	for (size_t i = 0; i < 8; i++)
		n += v[i]->n;
	for (size_t i = 0; i < windows; i++)
		n += a->window->v[i].rule.n + a->window->v[i].message.n;
	struct stored_account *s = xalloc(sizeof *s + n);
	char *to = s->bytes;
	memcpy(to, a->key.p, a->key.n);
	to += a->key.n;
	s->key_n = a->key.n;
	s->entry = e;
	entry_strings(&s->entry, v);
	for (size_t i = 0; i < 8; i++)
		move_string(v[i], &to);
	s->n_window = windows;
	if (windows)
		s->window = xalloc(windows * sizeof *s->window);
	for (size_t i = 0; i < windows; i++) {
		s->window[i] = a->window->v[i];
		move_string(&s->window[i].rule, &to);
		move_string(&s->window[i].message, &to);
	}
	return s;
}

static void free_account(struct stored_account *s)
{
	if (!s)
		return;
	free(s->window);
	free(s);
}

static void free_pending(struct stored_pending *s)
{
	if (!s)
		return;
	arena_free(&s->arena);
	free(s);
}

static void copy_pending(struct arena *arena, const struct pending *from, struct pending *to)
{
	struct pending_recipient **tail = &to->recipients;

	to->arrival_s = from->arrival_s;
	to->sender = arena_dup(arena, from->sender);
	to->login = arena_dup(arena, from->login);
	to->client = arena_dup(arena, from->client);
	to->message_id = arena_dup(arena, from->message_id);
	to->campaign = arena_dup(arena, from->campaign);
	for (const struct pending_recipient *r = from->recipients; r; r = r->next) {
		if (r->gone)
			continue;
		struct pending_recipient *copy = arena_alloc(arena, sizeof *copy);
		*copy = *r;
		copy->next = NULL;
		copy->changed = false;
		copy->address = arena_dup(arena, r->address);
		copy->failure.occurrence.rule = arena_dup(arena, r->failure.occurrence.rule);
		copy->failure.occurrence.message = arena_dup(arena, r->failure.occurrence.message);
		copy->failure.text = arena_dup(arena, r->failure.text);
		copy->failure.remote = arena_dup(arena, r->failure.remote);
		copy->provider = arena_dup(arena, r->provider);
		*tail = copy;
		tail = &copy->next;
	}
	*tail = NULL;
}

/* ---- operations ---- */

/* A message may have recipients in several partitions. */
static struct sv pending_key(struct arena *arena, const struct transaction *t, struct sv key)
{
	return arena_printf(arena, "%lld %.*s", (long long)t->partition, SV_ARG(key));
}

static void load_one(struct memory *m, struct transaction *t)
{
	struct map_slot *slot;

	transaction_settle(t, &m->store);
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		struct account *a = slot->value;
		const struct stored_account *s = map_find(&m->accounts, a->key, slot->hash);
		if (a->loaded)
			continue;
		a->loaded = true;
		a->window = arena_alloc(t->arena, s || a->needs_window ? sizeof *a->window : sizeof a->window->n);
		if (!s)
			continue;
		/* borrowed from the store: nothing is replaced before the commit */
		a->entry = s->entry;
		a->revision = SV("");
		a->window->n = s->n_window;
		if (s->n_window)
			memcpy(a->window->v, s->window, s->n_window * sizeof *s->window);
	}
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));) {
		struct pending *p = slot->value;
		const struct stored_pending *s = map_get(&m->pendings, pending_key(t->arena, t, p->key));
		if (p->loaded)
			continue;
		p->loaded = true;
		p->stored = s != NULL;
		if (s)
			copy_pending(t->arena, &s->pending, p);
	}
	t->result = STORE_OK;
}

static enum store_result memory_load(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	(void)err;
	for (size_t i = 0; i < n; i++)
		load_one(memory_of(store), t[i]);
	return STORE_OK;
}

static void commit_account(struct memory *m, const struct account *a)
{
	if (!a->changed && !a->window_changed)
		return;
	struct stored_account *fresh = NULL;
	if (!entry_is_empty(&a->entry) || a->window->n)
		fresh = pack(a);
	struct stored_account *old = map_take(&m->accounts, a->key);
	if (fresh)
		map_put(&m->accounts, sv_make(fresh->bytes, fresh->key_n), fresh);
	free_account(old);
}

static void commit_pending(struct memory *m, const struct transaction *t, const struct pending *p)
{
	if (!p->changed)
		return;
	struct stored_pending *fresh = xalloc(sizeof *fresh);
	fresh->arena.block_bytes = PENDING_BYTES;
	fresh->pending.key = pending_key(&fresh->arena, t, p->key);
	copy_pending(&fresh->arena, p, &fresh->pending);
	free_pending(map_take(&m->pendings, fresh->pending.key));
	if (fresh->pending.recipients)
		map_put(&m->pendings, fresh->pending.key, fresh);
	else
		free_pending(fresh);
}

static void commit_count(struct memory *m, struct sv key, int64_t delta)
{
	struct stored_count *c = map_get(&m->counts, key);

	if (!c) {
		c = xalloc(sizeof *c + key.n);
		memcpy(c->key, key.p, key.n);
		c->n = key.n;
		map_put(&m->counts, sv_make(c->key, c->n), c);
	}
	c->value += delta;
}

static void commit_one(struct memory *m, struct transaction *t)
{
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->accounts, &i));)
		commit_account(m, slot->value);
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));)
		commit_pending(m, t, slot->value);
	for (size_t i = 0; (slot = map_next(&t->counters, &i));)
		commit_count(m, slot->key, ((struct counter *)slot->value)->delta);
	t->result = STORE_OK;
}

static void memory_commit_start(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	(void)err;
	for (size_t i = 0; i < n; i++)
		commit_one(memory_of(store), t[i]);
}

static enum store_result memory_commit_finish(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	(void)store, (void)t, (void)n, (void)err;
	return STORE_OK;
}

static unsigned memory_partitions(struct store *store, struct err *err)
{
	(void)err;
	return store->partitions;
}

static enum store_result memory_positions(struct store *store, struct sv source, struct position *positions_r, struct err *err)
{
	(void)store, (void)source, (void)err;
	for (unsigned p = 0; p < store->partitions; p++)
		positions_r[p] = (struct position){ .source = source };
	return STORE_OK;
}

static enum store_result memory_hours(struct store *store, int64_t from_s, int64_t to_s, store_hour_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)from_s, (void)to_s, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_counts(struct store *store, struct sv first, struct sv last, struct sv dimension,
	store_count_callback *callback, void *arg, struct err *err)
{
	struct map_slot *slot;

	(void)err;
	for (size_t i = 0; (slot = map_next(&memory_of(store)->counts, &i));) {
		struct sv name = slot->key, of = sv_cut(&name, '|'), day = sv_cut(&of, ':');
		if (sv_eq(of, dimension) && schema_day_in(day, first, last))
			callback(arg, day, name, ((struct stored_count *)slot->value)->value);
	}
	return STORE_OK;
}

static enum store_result memory_period(struct store *store, struct sv period, struct sv dimension, store_count_callback *callback,
	void *arg, struct err *err)
{
	(void)store, (void)period, (void)dimension, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_alerts(struct store *store, struct arena *arena, store_alert_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)arena, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_sent(struct store *store, const struct sv *prints, size_t n, int64_t since_s, unsigned max,
	store_sent_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)prints, (void)n, (void)since_s, (void)max, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_asides(struct store *store, struct arena *arena, store_aside_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)arena, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

/* Of one run: the ledger knows them. */
static enum store_result memory_gaps(struct store *store, store_gap_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_readers(struct store *store, struct arena *arena, store_reader_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)arena, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_doors(struct store *store, struct arena *arena, store_door_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)arena, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_suppressed_count(struct store *store, bool scoped, uint64_t *n_r, struct err *err)
{
	struct map_slot *slot;

	(void)err;
	*n_r = 0;
	for (size_t i = 0; (slot = map_next(&memory_of(store)->accounts, &i));) {
		const struct entry *e = &((struct stored_account *)slot->value)->entry;
		*n_r += scoped ? e->scopes.n > 0 : entry_suppressed(e, 0);
	}
	return STORE_OK;
}

static enum store_result memory_alert_log(struct store *store, store_alert_log_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

/* Not kept: a dry run shows them as it goes (--parse). */
static enum store_result memory_unclassified(struct store *store, store_unclassified_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_histories(struct store *store, int64_t since_s, struct sv domain, store_bounce_callback *callback, void *arg,
	struct err *err)
{
	(void)store, (void)since_s, (void)domain, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_history(struct store *store, struct sv address, store_bounce_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)address, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

/* One of the list. */
struct listed {
	struct suppressed_place place;
	const struct entry *entry;
};

static int by_place(const void *a, const void *b)
{
	return suppressed_compare(&((const struct listed *)a)->place, &((const struct listed *)b)->place);
}

static bool is_listed(const struct suppressed_some *some, const struct listed *l)
{
	bool is = some->scoped ? l->entry->scopes.n > 0 : status_suppresses(l->entry->status);

	return is && suppressed_is_meant(some, &l->place);
}

static enum store_result memory_suppressed(struct store *store, const struct suppressed_some *some, store_entry_callback *callback,
	void *arg, struct err *err)
{
	struct memory *m = memory_of(store);
	struct listed *v = xalloc((m->accounts.n + 1) * sizeof *v);
	struct map_slot *slot;
	size_t n = 0;

	(void)err;
	for (size_t i = 0; (slot = map_next(&m->accounts, &i));) {
		const struct stored_account *s = slot->value;
		int64_t since_s = some->scoped ? scopes_newest(s->entry.scopes) : s->entry.since_s;
		v[n] = (struct listed){ { since_s, sv_make(s->bytes, s->key_n) }, &s->entry };
		n += is_listed(some, &v[n]);
	}
	qsort(v, n, sizeof *v, by_place);
	for (size_t i = 0; i < n; i++)
		if (!callback(arg, v[i].place.address, v[i].entry))
			break;
	free(v);
	return STORE_OK;
}

static enum store_result memory_entries(struct store *store, store_entry_callback *callback, void *arg, struct err *err)
{
	struct map_slot *slot;

	(void)err;
	for (size_t i = 0; (slot = map_next(&memory_of(store)->accounts, &i));) {
		const struct stored_account *s = slot->value;
		if (!entry_is_empty(&s->entry) && !callback(arg, sv_make(s->bytes, s->key_n), &s->entry))
			break;
	}
	return STORE_OK;
}

static enum store_result memory_entry(struct store *store, struct arena *arena, struct sv address,
	struct entry *entry_r, struct err *err)
{
	const struct stored_account *s = map_get(&memory_of(store)->accounts, address);

	(void)arena, (void)err;
	if (!s || entry_is_empty(&s->entry))
		return STORE_ABSENT;
	*entry_r = s->entry;
	return STORE_OK;
}

static enum store_result memory_journal_entry(struct store *store, const char *id, store_field_callback *callback,
	void *arg, struct err *err)
{
	(void)store, (void)id, (void)callback, (void)arg, (void)err;
	return STORE_ABSENT;
}

static enum store_result memory_journal_beside(struct store *store, const char *id, store_journal_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)id, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static enum store_result memory_journal(struct store *store, store_journal_callback *callback, void *arg, struct err *err)
{
	(void)store, (void)callback, (void)arg, (void)err;
	return STORE_OK; /* none is kept */
}

static enum store_result memory_journal_end(struct store *store, struct journal_place *places_r, struct err *err)
{
	(void)store, (void)places_r, (void)err;
	return STORE_OK;
}

static enum store_result memory_journal_next(struct store *store, struct journal_place *places, store_journal_callback *callback, void *arg,
	struct err *err)
{
	(void)store, (void)places, (void)callback, (void)arg, (void)err;
	return STORE_OK;
}

static void memory_free(struct store *store)
{
	struct memory *m = memory_of(store);
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&m->accounts, &i));)
		free_account(slot->value);
	for (size_t i = 0; (slot = map_next(&m->pendings, &i));)
		free_pending(slot->value);
	for (size_t i = 0; (slot = map_next(&m->counts, &i));)
		free(slot->value);
	map_free(&m->accounts);
	map_free(&m->pendings);
	map_free(&m->counts);
	free(m);
}

static const struct store_ops memory_ops = {
	.free = memory_free, .load = memory_load, .commit_start = memory_commit_start,
	.commit_finish = memory_commit_finish, .partitions = memory_partitions, .positions = memory_positions,
	.sent = memory_sent, .asides = memory_asides,
	.counts = memory_counts, .hours = memory_hours, .period = memory_period, .alerts = memory_alerts, .gaps = memory_gaps, .readers = memory_readers, .doors = memory_doors,
	.suppressed_count = memory_suppressed_count, .alert_log = memory_alert_log, .unclassified = memory_unclassified, .histories = memory_histories, .history = memory_history, .suppressed = memory_suppressed, .entries = memory_entries, .entry = memory_entry,
	.journal_entry = memory_journal_entry, .journal_beside = memory_journal_beside, .journal = memory_journal, .journal_end = memory_journal_end, .journal_next = memory_journal_next,
};

struct store *store_memory(unsigned partitions)
{
	struct memory *m = xalloc(sizeof *m);

	m->store.ops = &memory_ops;
	m->store.partitions = partitions;
	m->store.totals_only = true;
	return &m->store;
}
