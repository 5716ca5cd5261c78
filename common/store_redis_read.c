/* The store in Redis: what people and tools ask. */
#include <stdio.h>
#include <stdlib.h>

#include "store_redis.h"

struct reading {
	struct load load;
	struct arena *arena;
	struct position *position;
	struct entry *entry;
	struct sv day;
	store_count_callback *on_count;
	store_field_callback *on_field;
	store_unclassified_callback *on_unclassified;
	store_bounce_callback *on_bounce;
	store_journal_callback *on_step;
	char last_id[64];
	void *arg;
	struct map examples; /* of a month, by text */
	struct sv cursor;
	struct sv *names; /* of a page, copied */
	size_t n_names;
	bool absent;
};

static void position_field(struct position *p, struct sv f, struct sv v)
{
	uint64_t n = 0;
	char hex[17] = "";

	if (sv_eq(f, SV("at")))
		p->at = v;
	else if (sv_eq(f, SV("path")))
		p->path = v;
	else if (sv_eq(f, SV("head-hash")) || sv_eq(f, SV("tail-hash"))) {
		memcpy(hex, v.p, v.n < 16 ? v.n : 16);
		*(f.p[0] == 'h' ? &p->head_hash : &p->tail_hash) = strtoull(hex, NULL, 16);
	} else if (!sv_u64(v, INT64_MAX, &n))
		return;
	else if (sv_eq(f, SV("device")))
		p->device = n;
	else if (sv_eq(f, SV("inode")))
		p->inode = n;
	else if (sv_eq(f, SV("offset")))
		p->offset = n;
	else if (sv_eq(f, SV("head-bytes")))
		p->head_bytes = n;
	else if (sv_eq(f, SV("tail-bytes")))
		p->tail_bytes = n;
	else if (sv_eq(f, SV("time")))
		p->time_s = (int64_t)n;
}

static void on_position(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take_key(r->load.s, &r->load.outcome, reply, KEY_POSITION, r->position->source))
		return;
	r->absent = value_count(reply) == 0;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		position_field(r->position, value_text(value_at(reply, i)),
			arena_dup(r->arena, value_text(value_at(reply, i + 1))));
}

static enum store_result finish_reading(struct redis_store *s, struct reading *r)
{
	redis_wait(s->redis);
	enum store_result result = outcome_finish(s, &r->load.outcome);
	return result == STORE_OK && r->absent ? STORE_ABSENT : result;
}

enum store_result redis_position(struct store *store, struct arena *arena, struct sv source,
	struct position *position_r, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = arena, .position = position_r };

	if (!wait_ready(s, &r.load.outcome))
		return outcome_finish(s, &r.load.outcome);
	*position_r = (struct position){ .source = source };
	struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_POSITION, source) };
	command(s, 2, argv, on_position, &r);
	return finish_reading(s, &r);
}

static void on_names(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	r->n_names = value_count(reply);
	r->names = arena_alloc(r->arena, (r->n_names + 1) * sizeof *r->names);
	for (size_t i = 0; i < r->n_names; i++)
		r->names[i] = arena_dup(r->arena, value_text(value_at(reply, i)));
}

/* Members of an index from position `from` on, in r->names */
static enum store_result read_page(struct redis_store *s, struct reading *r, enum schema_key index, size_t from)
{
	struct sv argv[] = { SV("ZRANGE"), key_of(s, index, SV("")), schema_number(&s->scratch, (int64_t)from),
		schema_number(&s->scratch, (int64_t)from + PAGE - 1) };

	r->n_names = 0;
	command(s, 4, argv, on_names, r);
	return finish_reading(s, r);
}

static void on_day(void *arg_, const struct value *reply)
{
	struct load_one *one = arg_;
	struct reading *r = one->item;
	const struct sv *day = (const struct sv *)(one + 1);

	if (!outcome_take(&r->load.outcome, reply))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		uint64_t n;
		if (sv_u64(value_text(value_at(reply, i + 1)), INT64_MAX, &n))
			r->on_count(r->arg, *day, value_text(value_at(reply, i)), (int64_t)n);
	}
}

enum store_result redis_counts(struct store *store, struct sv dimension, store_count_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_count = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	for (size_t from = 0; result == STORE_OK; from += PAGE) {
		result = read_page(s, &r, KEY_DAYS, from);
		for (size_t i = 0; result == STORE_OK && i < r.n_names; i++) {
			struct sv period = dimension.n ? arena_printf(&arena, "%.*s:%.*s", SV_ARG(r.names[i]), SV_ARG(dimension)) : r.names[i];
			struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_DAY, period) };
			struct load_one *one = arena_alloc(&arena, sizeof *one + sizeof(struct sv));
			one->item = &r;
			*(struct sv *)(one + 1) = r.names[i];
			command(s, 2, argv, on_day, one);
		}
		if (result == STORE_OK)
			result = finish_reading(s, &r);
		if (r.n_names < PAGE)
			break;
	}
	arena_free(&arena);
	return result;
}

static void on_example(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv *kept = arena_alloc(r->arena, 2 * sizeof *kept);
		kept[0] = arena_dup(r->arena, value_text(value_at(reply, i)));
		kept[1] = arena_dup(r->arena, value_text(value_at(reply, i + 1)));
		map_put(&r->examples, kept[0], &kept[1]);
	}
}

static void on_texts(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct unclassified u = { .month = r->day, .text = value_text(value_at(reply, i)) };
		const struct sv *example = map_get(&r->examples, u.text);
		uint64_t n;
		if (example)
			u.example = *example;
		if (!sv_u64(value_text(value_at(reply, i + 1)), INT64_MAX, &n))
			continue;
		u.delta = (int64_t)n;
		r->on_unclassified(r->arg, &u);
	}
}

static enum store_result read_month(struct redis_store *s, struct reading *r, struct sv month)
{
	struct sv examples[] = { SV("HGETALL"), key_of(s, KEY_UNCLASSIFIED_TEXT, month) };

	r->day = month;
	command(s, 2, examples, on_example, r);
	redis_wait(s->redis);
	struct sv texts[] = { SV("ZREVRANGE"), key_of(s, KEY_UNCLASSIFIED, month), SV("0"), SV("-1"), SV("WITHSCORES") };
	command(s, 5, texts, on_texts, r);
	enum store_result result = finish_reading(s, r);
	map_free(&r->examples);
	r->examples = (struct map){ 0 };
	return result;
}

/* The months are those of the days. */
enum store_result redis_unclassified(struct store *store, store_unclassified_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_unclassified = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);
	struct sv month = SV("");

	for (size_t from = 0; result == STORE_OK; from += PAGE) {
		result = read_page(s, &r, KEY_DAYS, from);
		size_t n = r.n_names;
		struct sv *days = r.names;
		for (size_t i = 0; result == STORE_OK && i < n; i++) {
			if (sv_eq(sv_head(days[i], 6), month))
				continue;
			month = sv_head(days[i], 6);
			result = read_month(s, &r, month);
		}
		if (n < PAGE)
			break;
	}
	arena_free(&arena);
	return result;
}

/* ---- histories ---- */

static void history_field(struct bounce *b, struct sv field, struct sv value)
{
	struct failure *f = &b->failure;
	struct { const char *name; struct sv *text; } texts[] = {
		{ "rule", &f->occurrence.rule }, { "text", &f->text }, { "remote", &f->remote },
		{ "message", &f->occurrence.message }, { "sender", &b->sender },
	};
	uint64_t n;
	bool ok = true; /* what a newer program wrote: the default stays */

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (sv_eq(field, sv_of(texts[i].name)))
			*texts[i].text = value;
	if (sv_eq(field, SV("category")))
		ok = category_by_name(value, &f->occurrence.category);
	else if (sv_eq(field, SV("class")))
		ok = class_by_name(value, &f->class_);
	else if (sv_eq(field, SV("enhanced")))
		ok = enhanced_parse(value, &f->enhanced);
	else if (sv_eq(field, SV("time")) && sv_u64(value, INT64_MAX, &n))
		f->occurrence.last_s = (int64_t)n;
	else if (sv_eq(field, SV("first")) && sv_u64(value, INT64_MAX, &n))
		f->occurrence.first_s = (int64_t)n;
	else if (sv_eq(field, SV("code")) && sv_u64(value, 999, &n))
		f->code = (int)n;
	(void)ok;
}

static void on_history(void *arg_, const struct value *reply)
{
	struct load_one *one = arg_;
	struct reading *r = one->item;
	const struct sv *address = (const struct sv *)(one + 1);

	if (!outcome_take(&r->load.outcome, reply))
		return;
	for (size_t i = 0; i < value_count(reply); i++) {
		const struct value *pairs = value_count(value_at(reply, i)) > 1 ? value_at(value_at(reply, i), 1) : NULL;
		struct bounce b = { .next = NULL };
		for (size_t j = 0; pairs && j + 1 < value_count(pairs); j += 2)
			history_field(&b, value_text(value_at(pairs, j)), value_text(value_at(pairs, j + 1)));
		r->on_bounce(r->arg, *address, &b);
	}
}

static void on_scanned(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	r->n_names = 0;
	if (!outcome_take(&r->load.outcome, reply) || value_count(reply) < 2)
		return;
	r->cursor = arena_dup(r->arena, value_text(value_at(reply, 0)));
	const struct value *keys = value_at(reply, 1);
	r->n_names = value_count(keys);
	r->names = arena_alloc(r->arena, (r->n_names + 1) * sizeof *r->names);
	for (size_t i = 0; i < r->n_names; i++)
		r->names[i] = arena_dup(r->arena, value_text(value_at(keys, i)));
}

/* The next keys of the server, of all kinds: those that are histories go to the callback. */
static enum store_result read_some_histories(struct redis_store *s, struct reading *r, struct sv pattern, size_t prefix_n)
{
	struct sv argv[] = { SV("SCAN"), r->cursor, SV("MATCH"), pattern, SV("COUNT"), SV("1000") };

	command(s, 6, argv, on_scanned, r);
	enum store_result result = finish_reading(s, r);
	for (size_t i = 0; result == STORE_OK && i < r->n_names; i++) {
		struct load_one *one = arena_alloc(r->arena, sizeof *one + sizeof(struct sv));
		struct sv range[] = { SV("XRANGE"), r->names[i], SV("-"), SV("+") };
		one->item = r;
		*(struct sv *)(one + 1) = sv_skip(r->names[i], prefix_n);
		command(s, 4, range, on_history, one);
	}
	return result == STORE_OK ? finish_reading(s, r) : result;
}

enum store_result redis_histories(struct store *store, store_bounce_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_bounce = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);
	char cursor[32] = "0";

	do {
		char next[sizeof cursor];
		arena_reset(&arena);
		struct sv prefix = schema_key(&arena, &s->schema, KEY_HISTORY, SV(""));
		r.cursor = sv_of(cursor);
		if (result == STORE_OK)
			result = read_some_histories(s, &r, arena_printf(&arena, "%.*s*", SV_ARG(prefix)), prefix.n);
		(void)snprintf(next, sizeof next, "%.*s", SV_ARG(r.cursor));
		memcpy(cursor, next, sizeof cursor);
	} while (result == STORE_OK && strcmp(cursor, "0") != 0);
	arena_free(&arena);
	return result;
}

enum store_result redis_suppressed(struct store *store, store_entry_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct transaction t = { 0 };
	struct reading r = { .load = { s, &t, { STORE_OK, err } }, .arena = &arena };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);
	bool go_on = true;

	for (size_t from = 0; go_on && result == STORE_OK; from += PAGE) {
		transaction_begin(&t, &arena);
		result = read_page(s, &r, KEY_SUPPRESSED, from);
		for (size_t i = 0; result == STORE_OK && i < r.n_names; i++) {
			struct sv argv[] = { SV("HGETALL"), entry_key_of(s, r.names[i]) };
			command(s, 2, argv, on_entry, load_one(&r.load, transaction_account(&t, r.names[i])));
		}
		if (result == STORE_OK)
			result = finish_reading(s, &r);
		for (size_t i = 0; result == STORE_OK && go_on && i < r.n_names; i++) {
			const struct account *a = map_get(&t.accounts, r.names[i]);
			if (a->entry.status != STATUS_NONE)
				go_on = callback(arg_, a->key, &a->entry);
		}
		if (r.n_names < PAGE)
			break;
	}
	transaction_free(&t);
	arena_free(&arena);
	return result;
}

enum store_result redis_entry(struct store *store, struct arena *arena, struct sv address,
	struct entry *entry_r, struct err *err)
{
	struct transaction t = { .arena = arena };
	struct account *a = transaction_account(&t, address);

	a->needs_window = true;
	enum store_result result = redis_load(store, &t, err);
	*entry_r = a->entry;
	transaction_free(&t);
	return result == STORE_OK && entry_is_empty(entry_r) ? STORE_ABSENT : result;
}

static void on_journal(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	r->absent = value_count(reply) == 0;
	if (r->absent || value_count(value_at(reply, 0)) < 2)
		return;
	const struct value *pairs = value_at(value_at(reply, 0), 1);
	for (size_t i = 0; i + 1 < value_count(pairs); i += 2)
		r->on_field(r->arg, value_text(value_at(pairs, i)), value_text(value_at(pairs, i + 1)));
}

enum store_result redis_journal_entry(struct store *store, const char *id, store_field_callback *callback,
	void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .on_field = callback, .arg = arg_ };

	if (!wait_ready(s, &r.load.outcome))
		return outcome_finish(s, &r.load.outcome);
	struct sv argv[] = { SV("XRANGE"), key_of(s, KEY_JOURNAL, SV("")), sv_of(id), sv_of(id) };
	command(s, 4, argv, on_journal, &r);
	return finish_reading(s, &r);
}

static void journal_field(struct journal_entry *e, struct sv field, struct sv value)
{
	struct { const char *name; struct sv *text; } texts[] = {
		{ "address", &e->address }, { "why", &e->why }, { "by", &e->by }, { "batch", &e->batch }, { "rule", &e->rule },
		{ "remote", &e->remote }, { "scope", &e->scope }, { "before", &e->before },
	};
	uint64_t n;
	bool ok = true; /* what a newer program wrote: the default stays */

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (sv_eq(field, sv_of(texts[i].name)))
			*texts[i].text = value;
	if (sv_eq(field, SV("from")))
		ok = status_by_name(value, &e->from);
	else if (sv_eq(field, SV("to")))
		ok = status_by_name(value, &e->to);
	else if (sv_eq(field, SV("reason")))
		ok = category_by_name(value, &e->reason);
	else if (sv_eq(field, SV("time")) && sv_u64(value, INT64_MAX, &n))
		e->time_s = (int64_t)n;
	(void)ok;
}

static void on_steps(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	r->n_names = 0;
	if (!outcome_take(&r->load.outcome, reply))
		return;
	r->n_names = value_count(reply);
	for (size_t i = 0; i < r->n_names; i++) {
		const struct value *one = value_at(reply, i), *pairs = value_count(one) > 1 ? value_at(one, 1) : NULL;
		struct journal_entry e = { .id = value_count(one) ? value_text(value_at(one, 0)) : sv_make("", 0) };
		for (size_t j = 0; pairs && j + 1 < value_count(pairs); j += 2)
			journal_field(&e, value_text(value_at(pairs, j)), value_text(value_at(pairs, j + 1)));
		(void)snprintf(r->last_id, sizeof r->last_id, "(%.*s", SV_ARG(sv_head(e.id, 48)));
		r->on_step(r->arg, &e);
	}
}

enum store_result redis_journal(struct store *store, store_journal_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .on_step = callback, .arg = arg_, .last_id = "-" };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	do {
		struct sv argv[] = { SV("XRANGE"), key_of(s, KEY_JOURNAL, SV("")), sv_of(r.last_id), SV("+"), SV("COUNT"), SV("1000") };
		r.n_names = 0;
		if (result == STORE_OK) {
			command(s, 6, argv, on_steps, &r);
			result = finish_reading(s, &r);
		}
	} while (result == STORE_OK && r.n_names == PAGE);
	return result;
}
