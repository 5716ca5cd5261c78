/* The store in Redis: what people and tools ask. */
#include <stdio.h>
#include <stdlib.h>

#include "store_redis.h"

struct reading {
	struct load load;
	struct arena *arena;
	unsigned partition;
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
	/* histories: from this id on, of this domain (empty: of all) */
	struct sv from_id, domain;
};

static void position_field(struct position *p, struct sv f, struct sv v)
{
	static const struct { struct sv name; size_t offset; bool hex; } numbers[] = {
		{ { "generation", 10 }, offsetof(struct position, generation), false },
		{ { "device", 6 }, offsetof(struct position, device), false },
		{ { "inode", 5 }, offsetof(struct position, inode), false },
		{ { "offset", 6 }, offsetof(struct position, offset), false },
		{ { "head-bytes", 10 }, offsetof(struct position, head_bytes), false },
		{ { "tail-bytes", 10 }, offsetof(struct position, tail_bytes), false },
		{ { "head-hash", 9 }, offsetof(struct position, head_hash), true },
		{ { "tail-hash", 9 }, offsetof(struct position, tail_hash), true },
		{ { "time", 4 }, offsetof(struct position, time_s), false },
	};
	uint64_t n = 0;
	char hex[17] = "";

	if (sv_eq(f, SV("at")))
		(void)snprintf(p->at, sizeof p->at, "%.*s", SV_ARG(v));
	else if (sv_eq(f, SV("cursor")))
		(void)snprintf(p->cursor, sizeof p->cursor, "%.*s", SV_ARG(v));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (!sv_eq(f, numbers[i].name))
			continue;
		if (numbers[i].hex) {
			memcpy(hex, v.p, v.n < 16 ? v.n : 16);
			n = strtoull(hex, NULL, 16);
		} else if (!sv_u64(v, INT64_MAX, &n)) {
			continue;
		}
		*(uint64_t *)((char *)p + numbers[i].offset) = n; /* time_s too: it is below INT64_MAX */
	}
}

/* Waits for what every partition was asked: a reading of so many bytes each, which begins with its load. */
static enum store_result finish_all(struct redis_store *s, void *readings, size_t size)
{
	enum store_result result = STORE_OK;

	servers_wait(s->servers);
	for (unsigned p = 0; p < s->store.partitions && result == STORE_OK; p++) {
		struct load *load = (void *)((char *)readings + p * size);
		result = outcome_finish(s, &load->outcome);
	}
	return result;
}

struct position_reading {
	struct load load;
	struct position *position;
	unsigned partition;
};

static void on_position(void *arg_, const struct value *reply)
{
	struct position_reading *r = arg_;

	if (!outcome_take_key(r->load.s, &r->load.outcome, reply, r->partition, KEY_POSITION, r->position->source))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		position_field(r->position, value_text(value_at(reply, i)), value_text(value_at(reply, i + 1)));
}

enum store_result redis_positions(struct store *store, struct sv source, struct position *positions_r, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };
	struct arena arena = { 0 };

	if (!wait_ready(s, &outcome))
		return outcome_finish(s, &outcome);
	struct position_reading *r = arena_alloc(&arena, store->partitions * sizeof *r);
	for (unsigned p = 0; p < store->partitions; p++) {
		struct sv argv[] = { SV("HGETALL"), key_in(s, p, KEY_POSITION, source) };
		positions_r[p] = (struct position){ .source = source };
		r[p] = (struct position_reading){ { s, NULL, outcome }, &positions_r[p], p };
		command(s, 2, argv, on_position, &r[p]);
	}
	outcome.result = finish_all(s, r, sizeof *r);
	arena_free(&arena);
	return outcome.result;
}

static enum store_result finish_reading(struct redis_store *s, struct reading *r)
{
	servers_wait(s->servers);
	enum store_result result = outcome_finish(s, &r->load.outcome);
	return result == STORE_OK && r->absent ? STORE_ABSENT : result;
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
	struct sv argv[] = { SV("ZRANGE"), key_in(s, r->partition, index, SV("")), schema_number(&s->scratch, (int64_t)from),
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

/* A day of a dimension has thousands of counters: a year of them at once is more than one answer may take. */
#define DAYS_AT_ONCE 16

/* All days of one partition */
static enum store_result read_days(struct redis_store *s, struct reading *r, struct sv first, struct sv last, struct sv dimension)
{
	enum store_result result = STORE_OK;
	size_t asked = 0;

	for (size_t from = 0; result == STORE_OK; from += PAGE) {
		result = read_page(s, r, KEY_DAYS, from);
		for (size_t i = 0; result == STORE_OK && i < r->n_names; i++) {
			if (!schema_day_in(r->names[i], first, last))
				continue;
			struct sv period = dimension.n ? arena_printf(r->arena, "%.*s:%.*s", SV_ARG(r->names[i]), SV_ARG(dimension)) : r->names[i];
			struct sv argv[] = { SV("HGETALL"), key_in(s, r->partition, KEY_DAY, period) };
			struct load_one *one = arena_alloc(r->arena, sizeof *one + sizeof(struct sv));
			one->item = r;
			*(struct sv *)(one + 1) = r->names[i];
			command(s, 2, argv, on_day, one);
			if (++asked % DAYS_AT_ONCE == 0)
				result = finish_reading(s, r);
		}
		if (result == STORE_OK)
			result = finish_reading(s, r);
		if (r->n_names < PAGE)
			break;
	}
	return result;
}

enum store_result redis_counts(struct store *store, struct sv first, struct sv last, struct sv dimension, store_count_callback *callback,
	void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_count = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	for (; result == STORE_OK && r.partition < store->partitions; r.partition++)
		result = read_days(s, &r, first, last, dimension);
	arena_free(&arena);
	return result;
}

struct hours_reading {
	struct load load;
	store_hour_callback *callback;
	void *arg;
};

static void on_hours(void *arg_, const struct value *reply)
{
	struct hours_reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	for (size_t i = 0; i < value_count(reply); i++) {
		const struct value *one = value_at(reply, i), *pairs = value_count(one) > 1 ? value_at(one, 1) : NULL;
		struct sv id = value_count(one) ? value_text(value_at(one, 0)) : sv_make("", 0);
		uint64_t ms, n;
		if (!sv_u64(sv_cut(&id, '-'), INT64_MAX, &ms))
			continue;
		for (size_t j = 0; pairs && j + 1 < value_count(pairs); j += 2)
			if (sv_u64(value_text(value_at(pairs, j + 1)), INT64_MAX, &n))
				r->callback(r->arg, (int64_t)(ms / 1000), value_text(value_at(pairs, j)), (int64_t)n);
	}
}

/* All at once: a stream has 9600 of them at most. */
enum store_result redis_hours(struct store *store, int64_t from_s, int64_t to_s, store_hour_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct hours_reading r = { { s, NULL, { STORE_OK, err } }, callback, arg_ };

	if (!wait_ready(s, &r.load.outcome))
		return outcome_finish(s, &r.load.outcome);
	for (unsigned p = 0; p < store->partitions; p++) {
		struct sv key = key_in(s, p, KEY_ROLL, SV("hour"));
		struct sv argv[] = { SV("XRANGE"), key, schema_number(&s->scratch, from_s * 1000), arena_printf(&s->scratch, "(%lld-0", (long long)to_s * 1000) };
		command(s, sizeof argv / sizeof *argv, argv, on_hours, &r);
	}
	servers_wait(s->servers);
	return outcome_finish(s, &r.load.outcome);
}

enum store_result redis_period(struct store *store, struct sv period, struct sv dimension, store_count_callback *callback, void *arg_,
	struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_count = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);
	struct sv name = dimension.n ? arena_printf(&arena, "%.*s:%.*s", SV_ARG(period), SV_ARG(dimension)) : period;

	for (unsigned p = 0; result == STORE_OK && p < store->partitions; p++) {
		struct sv argv[] = { SV("HGETALL"), key_in(s, p, period.n > 8 ? KEY_MINUTE : KEY_DAY, name) };
		struct load_one *one = arena_alloc(&arena, sizeof *one + sizeof(struct sv));
		one->item = &r;
		*(struct sv *)(one + 1) = period;
		command(s, 2, argv, on_day, one);
	}
	if (result == STORE_OK)
		result = finish_reading(s, &r);
	arena_free(&arena);
	return result;
}

struct alerts_reading {
	struct reading reading;
	store_alert_callback *callback;
};

static void on_alerts(void *arg_, const struct value *reply)
{
	struct alerts_reading *r = arg_;

	if (!outcome_take(&r->reading.load.outcome, reply))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct alert alert;
		if (alert_unpack(r->reading.arena, value_text(value_at(reply, i)), value_text(value_at(reply, i + 1)), &alert))
			r->callback(r->reading.arg, &alert);
	}
}

enum store_result redis_alerts(struct store *store, struct arena *arena, store_alert_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct alerts_reading r = { { .load = { s, NULL, { STORE_OK, err } }, .arena = arena, .arg = arg_ }, callback };

	if (!wait_ready(s, &r.reading.load.outcome))
		return outcome_finish(s, &r.reading.load.outcome);
	struct sv argv[] = { SV("HGETALL"), key_in(s, 0, KEY_ALERTS, SV("")) };
	command(s, 2, argv, on_alerts, &r);
	return finish_reading(s, &r.reading);
}

struct alert_log_reading {
	struct reading reading;
	store_alert_log_callback *callback;
};

static void take_noted(struct alert_log_reading *r, struct sv id, const struct value *pairs)
{
	struct sv alert_id = SV(""), event = SV(""), what = SV("");
	struct { const char *name; struct sv *text; } texts[] = { { "alert", &alert_id }, { "event", &event }, { "what", &what } };
	struct alert alert;
	uint64_t ms;

	for (size_t j = 0; pairs && j + 1 < value_count(pairs); j += 2)
		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
			if (sv_eq(value_text(value_at(pairs, j)), sv_of(texts[i].name)))
				*texts[i].text = value_text(value_at(pairs, j + 1));
	if (sv_u64(sv_cut(&id, '-'), INT64_MAX, &ms) && alert_unpack(r->reading.arena, alert_id, what, &alert))
		r->callback(r->reading.arg, (int64_t)(ms / 1000), sv_eq(event, SV("open")), &alert);
}

static void on_noted(void *arg_, const struct value *reply)
{
	struct alert_log_reading *r = arg_;

	if (!outcome_take(&r->reading.load.outcome, reply))
		return;
	r->reading.n_names = value_count(reply);
	for (size_t i = 0; i < r->reading.n_names; i++) {
		const struct value *one = value_at(reply, i);
		struct sv id = value_count(one) ? sv_head(value_text(value_at(one, 0)), 48) : sv_make("", 0);
		take_noted(r, id, value_count(one) > 1 ? value_at(one, 1) : NULL);
		(void)snprintf(r->reading.last_id, sizeof r->reading.last_id, "(%.*s", SV_ARG(id));
	}
}

enum store_result redis_alert_log(struct store *store, store_alert_log_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct alert_log_reading r = { { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .arg = arg_, .last_id = "-" }, callback };
	enum store_result result = wait_ready(s, &r.reading.load.outcome) ? STORE_OK : outcome_finish(s, &r.reading.load.outcome);

	do {
		struct sv argv[] = { SV("XRANGE"), key_in(s, 0, KEY_ALERT_LOG, SV("")), sv_of(r.reading.last_id), SV("+"), SV("COUNT"), SV("1000") };
		r.reading.n_names = 0;
		if (result == STORE_OK)
			command(s, sizeof argv / sizeof *argv, argv, on_noted, &r);
		result = result == STORE_OK ? finish_reading(s, &r.reading) : result;
	} while (result == STORE_OK && r.reading.n_names == PAGE);
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
	struct sv examples[] = { SV("HGETALL"), key_in(s, r->partition, KEY_UNCLASSIFIED_TEXT, month) };

	r->day = month;
	command(s, 2, examples, on_example, r);
	servers_wait(s->servers);
	struct sv texts[] = { SV("ZREVRANGE"), key_in(s, r->partition, KEY_UNCLASSIFIED, month), SV("0"), SV("-1"), SV("WITHSCORES") };
	command(s, 5, texts, on_texts, r);
	enum store_result result = finish_reading(s, r);
	map_free(&r->examples);
	r->examples = (struct map){ 0 };
	return result;
}

/* The months are those of the days. */
static enum store_result read_months(struct redis_store *s, struct reading *r)
{
	enum store_result result = STORE_OK;
	struct sv month = SV("");

	for (size_t from = 0; result == STORE_OK; from += PAGE) {
		result = read_page(s, r, KEY_DAYS, from);
		size_t n = r->n_names;
		struct sv *days = r->names;
		for (size_t i = 0; result == STORE_OK && i < n; i++) {
			if (sv_eq(sv_head(days[i], 6), month))
				continue;
			month = sv_head(days[i], 6);
			result = read_month(s, r, month);
		}
		if (n < PAGE)
			break;
	}
	return result;
}

enum store_result redis_unclassified(struct store *store, store_unclassified_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_unclassified = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	for (; result == STORE_OK && r.partition < store->partitions; r.partition++)
		result = read_months(s, &r);
	arena_free(&arena);
	return result;
}

/* ---- histories ---- */

static void history_field(struct bounce *b, struct sv field, struct sv value)
{
	struct failure *f = &b->failure;
	struct { const char *name; struct sv *text; } texts[] = {
		{ "rule", &f->occurrence.rule }, { "text", &f->text }, { "remote", &f->remote },
		{ "message", &f->occurrence.message }, { "sender", &b->sender }, { "campaign", &b->campaign },
		{ "scope", &b->scope }, { "proof", &b->proof },
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
	else if (sv_eq(field, SV("event")))
		b->unsubscribed = sv_eq(value, SV("unsubscribe"));
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

/* "nixie:{0}:hist:user@example.com" */
static struct sv history_address(struct sv key)
{
	static const struct sv mark = { "}:hist:", 7 };

	return sv_skip(key, sv_find_sv(key, mark) + mark.n);
}

/* The next keys of a server, of all kinds: those that are histories go to the callback. */
static enum store_result read_some_histories(struct redis_store *s, struct reading *r, size_t server, struct sv pattern)
{
	struct sv argv[] = { SV("SCAN"), r->cursor, SV("MATCH"), pattern, SV("COUNT"), SV("1000") };

	(void)servers_command_at(s->servers, server, sizeof argv / sizeof *argv, argv, on_scanned, r);
	enum store_result result = finish_reading(s, r);
	for (size_t i = 0; result == STORE_OK && i < r->n_names; i++) {
		struct sv address = history_address(r->names[i]), range[] = { SV("XRANGE"), r->names[i], r->from_id, SV("+") };
		if (r->domain.n && !sv_eq_nocase(sv_after_last(address, '@'), r->domain))
			continue;
		struct load_one *one = arena_alloc(r->arena, sizeof *one + sizeof(struct sv));
		one->item = r;
		*(struct sv *)(one + 1) = address;
		command(s, 4, range, on_history, one);
	}
	return result == STORE_OK ? finish_reading(s, r) : result;
}

static enum store_result read_histories(struct redis_store *s, struct reading *r, size_t server)
{
	enum store_result result;
	char cursor[32] = "0";

	do {
		char next[sizeof cursor];
		arena_reset(r->arena);
		r->cursor = sv_of(cursor);
		result = read_some_histories(s, r, server, arena_printf(r->arena, "%s:{*}:hist:*", s->prefix));
		(void)snprintf(next, sizeof next, "%.*s", SV_ARG(r->cursor));
		memcpy(cursor, next, sizeof cursor);
	} while (result == STORE_OK && strcmp(cursor, "0") != 0);
	return result;
}

enum store_result redis_histories(struct store *store, int64_t since_s, struct sv domain, store_bounce_callback *callback, void *arg_,
	struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	char from_id[32] = "-";
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_bounce = callback, .arg = arg_,
		.domain = domain };

	if (since_s > 0 && since_s < STATE_TIME_MAX_S)
		(void)snprintf(from_id, sizeof from_id, "%lld", (long long)since_s * 1000);
	r.from_id = sv_of(from_id);
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	for (size_t i = 0; result == STORE_OK && i < servers_count(s->servers); i++)
		result = read_histories(s, &r, i);
	arena_free(&arena);
	return result;
}

enum store_result redis_history(struct store *store, struct sv address, store_bounce_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_bounce = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	if (result == STORE_OK) {
		struct sv range[] = { SV("XRANGE"), key_in(s, partition_of(s, address), KEY_HISTORY, address), SV("-"), SV("+") };
		struct load_one *one = arena_alloc(&arena, sizeof *one + sizeof(struct sv));
		one->item = &r;
		*(struct sv *)(one + 1) = address;
		command(s, 4, range, on_history, one);
		result = finish_reading(s, &r);
	}
	arena_free(&arena);
	return result;
}

/* ---- entries ---- */

/* The next keys of a server: those that are entries go to the callback. */
static enum store_result read_some_entries(struct redis_store *s, struct reading *r, size_t server, store_entry_callback *callback, bool *go_on_r)
{
	struct sv pattern = arena_printf(r->arena, "%s:{*}:[ad][do][dm]*:*", s->prefix); /* addr: and domain: */
	struct sv argv[] = { SV("SCAN"), r->cursor, SV("MATCH"), pattern, SV("COUNT"), SV("1000") };

	(void)servers_command_at(s->servers, server, sizeof argv / sizeof *argv, argv, on_scanned, r);
	enum store_result result = finish_reading(s, r);
	for (size_t i = 0; result == STORE_OK && i < r->n_names; i++) {
		struct sv name = schema_entry_of(r->arena, s->prefix, r->names[i]), ask[] = { SV("HGETALL"), r->names[i] };
		if (name.n)
			command(s, 2, ask, on_entry, load_one(&r->load, transaction_account(r->load.t, name)));
	}
	if (result == STORE_OK)
		result = finish_reading(s, r);
	struct map_slot *slot;
	for (size_t i = 0; result == STORE_OK && *go_on_r && (slot = map_next(&r->load.t->accounts, &i));) {
		const struct account *a = slot->value;
		if (!entry_is_empty(&a->entry))
			*go_on_r = callback(r->arg, a->key, &a->entry);
	}
	return result;
}

static enum store_result read_entries(struct redis_store *s, struct reading *r, size_t server, store_entry_callback *callback, bool *go_on_r)
{
	enum store_result result;
	char cursor[32] = "0";

	do {
		char next[sizeof cursor];
		transaction_begin(r->load.t, r->arena);
		r->cursor = sv_of(cursor);
		result = read_some_entries(s, r, server, callback, go_on_r);
		(void)snprintf(next, sizeof next, "%.*s", SV_ARG(r->cursor));
		memcpy(cursor, next, sizeof cursor);
	} while (result == STORE_OK && *go_on_r && strcmp(cursor, "0") != 0);
	return result;
}

enum store_result redis_entries(struct store *store, store_entry_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct transaction t = { 0 };
	struct reading r = { .load = { s, &t, { STORE_OK, err } }, .arena = &arena, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);
	bool go_on = true;

	for (size_t i = 0; result == STORE_OK && go_on && i < servers_count(s->servers); i++)
		result = read_entries(s, &r, i, callback, &go_on);
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
	t.partition = TRANSACTION_ANY;
	enum store_result result = store_load(store, &t, err);
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

	struct sv stream_id;

	if (!wait_ready(s, &r.load.outcome))
		return outcome_finish(s, &r.load.outcome);
	if (!schema_id_split(sv_of(id), &stream_id, &r.partition) || r.partition >= store->partitions)
		return STORE_ABSENT;
	struct sv argv[] = { SV("XRANGE"), key_in(s, r.partition, KEY_JOURNAL, SV("")), stream_id, stream_id };
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
		struct sv id = value_count(one) ? sv_head(value_text(value_at(one, 0)), 48) : sv_make("", 0);
		char in[SCHEMA_ID_MAX];
		(void)snprintf(in, sizeof in, r->partition ? "%.*s-%u" : "%.*s", SV_ARG(id), r->partition);
		struct journal_entry e = { .id = sv_of(in) };
		for (size_t j = 0; pairs && j + 1 < value_count(pairs); j += 2)
			journal_field(&e, value_text(value_at(pairs, j)), value_text(value_at(pairs, j + 1)));
		(void)snprintf(r->last_id, sizeof r->last_id, "(%.*s", SV_ARG(id));
		r->on_step(r->arg, &e);
	}
}

/* A number alone is all ids of that millisecond. */
enum store_result redis_journal_beside(struct store *store, const char *id, store_journal_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };
	struct arena arena = { 0 };
	struct sv rest = sv_of(id), ms = sv_cut(&rest, '-');

	if (!wait_ready(s, &outcome))
		return outcome_finish(s, &outcome);
	struct reading *r = arena_alloc(&arena, store->partitions * sizeof *r);
	struct sv most = schema_number(&arena, STORE_BESIDE_MAX);
	for (unsigned p = 0; p < store->partitions; p++) {
		struct sv argv[] = { SV("XRANGE"), key_in(s, p, KEY_JOURNAL, SV("")), ms, ms, SV("COUNT"), most };
		r[p] = (struct reading){ .load = { s, NULL, outcome }, .partition = p, .on_step = callback, .arg = arg_ };
		command(s, sizeof argv / sizeof *argv, argv, on_steps, &r[p]);
	}
	outcome.result = finish_all(s, r, sizeof *r);
	arena_free(&arena);
	return outcome.result;
}

static enum store_result read_journal(struct redis_store *s, struct reading *r)
{
	enum store_result result = STORE_OK;

	memcpy(r->last_id, "-", 2);
	do {
		struct sv argv[] = { SV("XRANGE"), key_in(s, r->partition, KEY_JOURNAL, SV("")), sv_of(r->last_id), SV("+"), SV("COUNT"), SV("1000") };
		r->n_names = 0;
		command(s, 6, argv, on_steps, r);
		result = finish_reading(s, r);
	} while (result == STORE_OK && r->n_names == PAGE);
	return result;
}

enum store_result redis_journal(struct store *store, store_journal_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .on_step = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : outcome_finish(s, &r.load.outcome);

	for (; result == STORE_OK && r.partition < store->partitions; r.partition++)
		result = read_journal(s, &r);
	return result;
}

/* ---- following it ---- */

struct end_reading {
	struct load load;
	struct journal_place *place;
};

static void on_end(void *arg_, const struct value *reply)
{
	struct end_reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	const struct value *one = value_count(reply) ? value_at(reply, 0) : NULL;
	if (one && value_count(one))
		(void)snprintf(r->place->at, sizeof r->place->at, "(%.*s", SV_ARG(sv_head(value_text(value_at(one, 0)), 48)));
	else
		memcpy(r->place->at, "-", 2);
}

enum store_result redis_journal_end(struct store *store, struct journal_place *places_r, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };
	struct arena arena = { 0 };

	if (!wait_ready(s, &outcome))
		return outcome_finish(s, &outcome);
	struct end_reading *r = arena_alloc(&arena, store->partitions * sizeof *r);
	for (unsigned p = 0; p < store->partitions; p++) {
		struct sv argv[] = { SV("XREVRANGE"), key_in(s, p, KEY_JOURNAL, SV("")), SV("+"), SV("-"), SV("COUNT"), SV("1") };
		r[p] = (struct end_reading){ { s, NULL, outcome }, &places_r[p] };
		command(s, sizeof argv / sizeof *argv, argv, on_end, &r[p]);
	}
	outcome.result = finish_all(s, r, sizeof *r);
	arena_free(&arena);
	return outcome.result;
}

/* All partitions in one round trip. XREAD would wait for one server only. */
enum store_result redis_journal_next(struct store *store, struct journal_place *places, store_journal_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };
	struct arena arena = { 0 };

	if (!wait_ready(s, &outcome))
		return outcome_finish(s, &outcome);
	struct reading *r = arena_alloc(&arena, store->partitions * sizeof *r);
	for (unsigned p = 0; p < store->partitions; p++) {
		struct sv argv[] = { SV("XRANGE"), key_in(s, p, KEY_JOURNAL, SV("")), sv_of(places[p].at[0] ? places[p].at : "-"), SV("+"), SV("COUNT"), SV("1000") };
		r[p] = (struct reading){ .load = { s, NULL, outcome }, .partition = p, .on_step = callback, .arg = arg_ };
		command(s, sizeof argv / sizeof *argv, argv, on_steps, &r[p]);
	}
	outcome.result = finish_all(s, r, sizeof *r);
	for (unsigned p = 0; p < store->partitions; p++)
		if (r[p].last_id[0]) /* of those that told */
			memcpy(places[p].at, r[p].last_id, sizeof places[p].at);
	arena_free(&arena);
	return outcome.result;
}
