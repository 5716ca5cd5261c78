/* The store in Redis: what is remembered for mail that comes back (sent.h). */
#include <stdio.h>

#include "sent.h"
#include "store_redis.h"
#include "store_script.h"

/* ---- marks ---- */

static const char *const told_names[TOLD_BYS] = { "", "log", "mail", "aside" };

static enum told_by told_by_of(struct sv name)
{
	for (int i = 1; i < TOLD_BYS; i++)
		if (sv_eq(name, sv_of(told_names[i])))
			return (enum told_by)i;
	return TOLD_BY_MAIL;
}

static void on_told(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct told *told = one->item;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, one->partition, KEY_TOLD, told->id))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv name = value_text(value_at(reply, i)), value = value_text(value_at(reply, i + 1));
		if (sv_eq(name, SV("by")))
			told->by = told_by_of(value);
		else if (sv_eq(name, SV("mail")))
			told->mail = arena_dup(one->load->t->arena, value);
	}
}

void mail_ask(struct load *load)
{
	struct transaction *t = load->t;
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->told, &i));) {
		struct told *told = slot->value;
		struct sv argv[] = { SV("HGETALL"), key_in(load->s, (unsigned)t->partition, KEY_TOLD, told->id) };
		if (told->loaded)
			continue;
		told->loaded = true;
		command(load->s, 2, argv, on_told, load_one(load, told));
	}
}

static void write_told(struct script *x, const struct told *told)
{
	int64_t k = key(x, KEY_TOLD, told->id);

	/* what somebody else told since it was asked is not told again; a change of the address need not come of it */
	if (told->by == TOLD_BY_NOBODY) {
		op(x, "rev", k);
		arg(x, SV("none"));
	}
	op(x, "put", k);
	number(x, expire_in_days(told->put == TOLD_BY_LOG || told->brief ? SCHEMA_DAYS_TOLD_BY_LOG : SCHEMA_DAYS_TOLD_BY_MAIL));
	number(x, 2 + (told->mail.n > 0));
	field(x, SV("by"), sv_of(told_names[told->put]));
	field(x, SV("time"), schema_number(x->arena, clock_now_s()));
	if (told->mail.n)
		field(x, SV("mail"), told->mail);
}

/* ---- who was written to ---- */

/* Some members, in one operation. Returns how many. */
static size_t write_members(struct script *x, int64_t k, int64_t end_s, const struct sv *members, size_t n)
{
	n = n < PAIRS_MAX ? n : PAIRS_MAX;
	op(x, "zmore", k);
	number(x, end_s);
	number(x, (int64_t)n);
	for (size_t i = 0; i < n; i++)
		field(x, SV("0"), members[i]);
	return n;
}

static void write_sent(struct script *x, const struct transaction *t, const struct sent *sent)
{
	int64_t k = key(x, KEY_SENT, sent->key), end_s = clock_after_us(clock_now_us(), t->sent_expiry) / CLOCK_SECOND_US + CLOCK_DAY_S;

	for (size_t at = 0; at < sent->n;)
		at += write_members(x, k, end_s, sent->members + at, sent->n - at);
}

struct asked {
	struct outcome *outcome;
	store_sent_callback *callback;
	void *arg;
	size_t print, rest_n;
};

static void on_sent(void *arg_, const struct value *reply)
{
	struct asked *a = arg_;

	if (!outcome_take(a->outcome, reply))
		return;
	for (size_t i = 0; i < value_count(reply); i++) {
		struct sv member = value_text(value_at(reply, i));
		bool tried = member.n > a->rest_n && member.p[a->rest_n] == SENT_TRIED;
		a->callback(a->arg, a->print, sv_skip(member, a->rest_n + 1), tried);
	}
}

/* Those whose print is this one, of a day in a partition: members of one score are in the order of their bytes, and
 * those behind both marks (sent.h) before DEL. */
static void ask_sent(struct redis_store *s, unsigned partition, struct sv day, struct sv print, struct sv max, struct asked *asked)
{
	char room[SENT_BUCKET_MAX];
	struct buf bucket = BUF_ON(room);
	struct sv rest = sent_rest(print);

	sent_add_bucket(&bucket, day, print);
	struct sv argv[] = { SV("ZRANGEBYLEX"), key_in(s, partition, KEY_SENT, buf_sv(&bucket)), arena_printf(&s->scratch, "[%.*s%c", SV_ARG(rest), SENT_WENT),
		arena_printf(&s->scratch, "(%.*s\x7f", SV_ARG(rest)), SV("LIMIT"), SV("0"), max };
	command(s, 7, argv, on_sent, asked);
}

enum store_result redis_sent(struct store *store, const struct sv *prints, size_t n, int64_t since_s, unsigned max, store_sent_callback *callback,
	void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };
	struct arena arena = { 0 };
	char day[9];

	if (!wait_ready(s, &outcome))
		return outcome_finish(s, &outcome);
	struct asked *asked = arena_alloc(&arena, n * sizeof *asked);
	struct sv limit = schema_number(&arena, 2 * (int64_t)max); /* each can be there with both marks */
	for (size_t i = 0; i < n; i++) {
		asked[i] = (struct asked){ &outcome, callback, arg_, i, sent_rest(prints[i]).n };
		/* tomorrow: a clock may be ahead */
		for (int64_t at_s = clock_now_s() + CLOCK_DAY_S; at_s / CLOCK_DAY_S >= since_s / CLOCK_DAY_S; at_s -= CLOCK_DAY_S) {
			clock_format_day(at_s, day);
			for (unsigned p = 0; p < store->partitions; p++)
				ask_sent(s, p, sv_of(day), prints[i], limit, &asked[i]);
		}
	}
	servers_wait(s->servers);
	arena_free(&arena);
	return outcome_finish(s, &outcome);
}

/* ---- aside ---- */

static const struct { struct sv name; size_t offset; } aside_fields[] = {
	{ { "kind", 4 }, offsetof(struct aside, kind) },
	{ { "address", 7 }, offsetof(struct aside, address) },
	{ { "why", 3 }, offsetof(struct aside, why) },
	{ { "from", 4 }, offsetof(struct aside, from) },
	{ { "about", 5 }, offsetof(struct aside, about) },
	{ { "status", 6 }, offsetof(struct aside, status) },
	{ { "category", 8 }, offsetof(struct aside, category) },
	{ { "sender", 6 }, offsetof(struct aside, sender) },
	{ { "text", 4 }, offsetof(struct aside, text) },
};
#define ASIDE_FIELDS (sizeof aside_fields / sizeof *aside_fields)

static struct sv *aside_field(const struct aside *aside, size_t i)
{
	return (struct sv *)((char *)(uintptr_t)aside + aside_fields[i].offset);
}

static void write_aside(struct script *x, const struct aside *aside)
{
	op(x, "log", key(x, KEY_ASIDE, SV("")));
	arg(x, SV(SCHEMA_ASIDE_MAX));
	number(x, expire_in_days(SCHEMA_DAYS_COUNTERS));
	number(x, script_stream_ms(aside->time_s));
	number(x, 1 + (int64_t)ASIDE_FIELDS);
	field(x, SV("time"), schema_number(x->arena, aside->time_s));
	for (size_t i = 0; i < ASIDE_FIELDS; i++)
		field(x, aside_fields[i].name, *aside_field(aside, i));
}

struct asides_reading {
	struct outcome outcome;
	struct arena *arena;
	store_aside_callback *callback;
	void *arg;
	char last[64];
	size_t n;
	bool stopped;
};

static void take_aside(struct asides_reading *r, const struct value *pairs)
{
	struct aside aside = { 0 };
	uint64_t time_s;

	for (size_t i = 0; pairs && i + 1 < value_count(pairs); i += 2) {
		struct sv name = value_text(value_at(pairs, i)), value = arena_dup(r->arena, value_text(value_at(pairs, i + 1)));
		if (sv_eq(name, SV("time")) && sv_u64(value, INT64_MAX, &time_s))
			aside.time_s = (int64_t)time_s;
		for (size_t k = 0; k < ASIDE_FIELDS; k++)
			if (sv_eq(name, aside_fields[k].name))
				*aside_field(&aside, k) = value;
	}
	r->stopped = !r->callback(r->arg, &aside);
}

static void on_asides(void *arg_, const struct value *reply)
{
	struct asides_reading *r = arg_;

	r->n = 0;
	if (!outcome_take(&r->outcome, reply))
		return;
	r->n = value_count(reply);
	for (size_t i = 0; i < r->n && !r->stopped; i++) {
		const struct value *one = value_at(reply, i);
		struct sv id = value_count(one) ? sv_head(value_text(value_at(one, 0)), 48) : sv_make("", 0);
		(void)snprintf(r->last, sizeof r->last, "(%.*s", SV_ARG(id));
		take_aside(r, value_count(one) > 1 ? value_at(one, 1) : NULL);
	}
}

enum store_result redis_asides(struct store *store, struct arena *arena, store_aside_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct asides_reading r = { .outcome = { STORE_OK, err }, .arena = arena, .callback = callback, .arg = arg_, .last = "+", .n = PAGE };

	if (!wait_ready(s, &r.outcome))
		return outcome_finish(s, &r.outcome);
	while (r.outcome.result == STORE_OK && !r.stopped && r.n == PAGE) {
		struct sv argv[] = { SV("XREVRANGE"), key_in(s, 0, KEY_ASIDE, SV("")), arena_dup(&s->scratch, sv_of(r.last)), SV("-"), SV("COUNT"),
			schema_number(&s->scratch, PAGE) };
		command(s, 6, argv, on_asides, &r);
		servers_wait(s->servers);
	}
	return outcome_finish(s, &r.outcome);
}

/* ---- all that a transaction has of it ---- */

void script_add_mail(struct script *x, const struct transaction *t)
{
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->sent, &i));)
		write_sent(x, t, slot->value);
	for (size_t i = 0; (slot = map_next(&t->told, &i));)
		if (((struct told *)slot->value)->put)
			write_told(x, slot->value);
	for (const struct aside *aside = t->asides; aside; aside = aside->next)
		write_aside(x, aside);
}
