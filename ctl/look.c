/* check, stats: what the store knows. */
#include "look.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "decide.h"
#include "exchange.h"
#include "log.h"
#include "lost.h"
#include "report.h"
#include "schema.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* The change that the entry's token names, as far as it is about a scope. */
struct scope_change {
	struct arena *arena;
	struct scope scope;
	bool scoped;
	struct sv why, by, time;
};

/* What one check looks at. */
struct checked {
	struct sv address;
	const struct entry *entry, *domain; /* NULL: nothing is known */
	struct sender sender;
	const struct answers *answers;
	const struct lost *lost; /* failures that are not counted; NULL: none */
	const char *cursor; /* of a list; NULL: none */
	uint64_t bounces;   /* and complaints, and that it unsubscribed: on record, where nothing else is known */
	struct scope_change change;
};

static void decide_for(const struct checked *c, struct decision *d)
{
	const struct known known = { c->entry, c->domain, c->sender };

	decide(&known, c->answers, clock_now_s(), d);
}

static void print_json(const struct checked *c)
{
	struct sv address = c->address;
	const struct entry *e = c->entry;
	static char room[16384];
	struct buf b = BUF_ON(room);
	struct decision d;

	buf_add(&b, SV("{\"address\":"));
	buf_add_json(&b, address);
	if (e)
		schema_entry_json(&b, e);
	else
		buf_add(&b, SV(",\"status\":\"none\""));
	if (c->domain)
		buf_addf(&b, ",\"domain-status\":\"%s\"", status_name(c->domain->status));
	decide_for(c, &d);
	if (d.by != BY_NOTHING) {
		buf_add(&b, SV(",\"decided-by\":"));
		buf_add_json(&b, sv_of(decided_by_name(d.by)));
	}
	buf_add(&b, SV(",\"action\":"));
	buf_add_json(&b, sv_of(decide_reply(&d)));
	if (d.action != ACTION_DUNNO && d.shadow) {
		buf_add(&b, SV(",\"shadow\":"));
		buf_add_json(&b, sv_of(d.reply));
	}
	if (d.action == ACTION_PAROLE)
		buf_add(&b, SV(",\"awaits-parole\":true"));
	if (c->lost) {
		char time[CLOCK_TEXT_MAX];
		clock_format_us(c->lost->time_s * CLOCK_SECOND_US, time, sizeof time);
		buf_addf(&b, ",\"uncounted\":%zu,\"lost\":\"%s\"", c->lost->failures, time);
	}
	if (c->cursor) {
		buf_add(&b, SV(",\"cursor\":"));
		buf_add_json(&b, sv_of(c->cursor));
	}
	buf_add(&b, SV("}\n"));
	(void)fwrite(b.p, 1, b.n, stdout);
}

void look_print_json(struct sv address, const struct entry *entry, const struct answers *answers, const char *cursor)
{
	print_json(&(const struct checked){ .address = address, .entry = entry, .answers = answers, .cursor = cursor });
}

void look_before_json(struct json *json, struct sv address, const struct entry *before)
{
	struct arena arena = { 0 };
	struct sv row[EXCHANGE_COLUMNS];
	uint64_t number;

	exchange_row(&arena, address, before, row);
	json_object(json, "before");
	for (int i = EXCHANGE_STATUS; i < EXCHANGE_COLUMNS; i++) {
		enum exchange_column column = (enum exchange_column)i;
		if (row[i].n && exchange_is_number(column) && sv_u64(row[i], INT64_MAX, &number))
			json_number(json, exchange_name(column), (int64_t)number);
		else if (row[i].n)
			json_text(json, exchange_name(column), row[i]);
	}
	json_end_object(json);
	arena_free(&arena);
}

void look_print_field(const char *name, struct sv value)
{
	if (!value.n)
		return;
	(void)printf("  %-9s ", name);
	term_clean(stdout, value);
	(void)putchar('\n');
}

static void print_time(const char *name, int64_t time_s)
{
	char text[CLOCK_TEXT_MAX];

	clock_format_us(time_s * CLOCK_SECOND_US, text, sizeof text);
	if (time_s)
		look_print_field(name, sv_of(text));
}

/* "by a complaint that came by mail, 2026-11-22T20:00:00Z: nixie token 1HDQZ7R3C0" */
static void print_scope_change(const struct scope_change *c, struct sv token)
{
	char text[SCHEMA_TOKEN_MAX], time[CLOCK_TEXT_MAX];
	bool by_mail = sv_eq(c->by, SV("receive")), complaint = sv_eq(c->why, SV("complaint"));
	uint64_t time_s;

	(void)printf("  %-9s by ", "");
	if (by_mail && (complaint || sv_eq(c->why, SV("unsubscribe")))) {
		(void)fputs(complaint ? "a complaint that came by mail" : "an unsubscription that came by mail", stdout);
	} else {
		term_clean(stdout, c->by);
		(void)fputs(c->why.n ? ": " : "", stdout);
		term_clean(stdout, c->why);
	}
	if (sv_u64(c->time, STATE_TIME_MAX_S, &time_s)) {
		clock_format_us((int64_t)time_s * CLOCK_SECOND_US, time, sizeof time);
		(void)printf(", %s", time);
	}
	schema_token_encode(token, text);
	(void)printf(": nixie token %s\n", text);
}

static void print_scopes(const struct checked *c)
{
	struct sv scopes = c->entry->scopes;
	struct scope s;

	while (scopes_next(&scopes, &s)) {
		char since[11], until[11] = "";
		clock_format_date(s.since_s, since);
		if (s.until_s)
			clock_format_date(s.until_s, until);
		(void)printf("  %-9s %s for %s ", "scope", s.status == STATUS_MANUAL ? "do-not-mail" : status_name(s.status), scope_kind_name(s.kind));
		term_clean(stdout, sv_of(s.value));
		(void)printf(" since %s%s%s\n", since, *until ? " until " : "", until);
		if (c->change.scoped && c->change.scope.kind == s.kind && strcmp(c->change.scope.value, s.value) == 0)
			print_scope_change(&c->change, c->entry->token);
	}
}

static void print_domain(const struct entry *domain)
{
	char since[11];

	clock_format_date(domain->since_s, since);
	(void)printf("  %-9s the whole domain is %s since %s\n", "domain", status_name(domain->status), since);
}

static void print_shadow(const struct decision *d)
{
	if (d->action != ACTION_DUNNO && d->shadow)
		look_print_field("shadow", sv_of(d->reply));
}

/* What did not come from a log. */
static const char *origin_words(enum origin origin)
{
	return origin == ORIGIN_DSN ? "dsn: a bounce that came by mail" : origin == ORIGIN_FEEDBACK ? "feedback: a reader's, by mail" : origin_name(origin);
}

/* Of which there is no entry. */
static void print_unknown(const struct checked *c, const struct decision *d)
{
	(void)printf(": nothing is known%s; policyd answers %s\n", c->bounces ? " now" : "", decide_reply(d));
	if (c->bounces) {
		(void)printf("  %-9s %" PRIu64 " event%s on record: nixie history ", "but", c->bounces, c->bounces == 1 ? " is" : "s are");
		term_clean(stdout, c->address);
		(void)putchar('\n');
	}
	print_shadow(d);
	if (c->domain)
		print_domain(c->domain);
}

/* "user@example.com: hard, recipient.unknown (no such user or mailbox)", behind the address */
static void print_status(const struct entry *e, const struct decision *d)
{
	bool refused = d->action != ACTION_DUNNO && d->action != ACTION_PAROLE;
	enum colour colour = refused ? COLOUR_RED : e->status == STATUS_SOFT ? COLOUR_YELLOW : COLOUR_GREEN;

	(void)printf(": %s%s%s", term_colour(stdout, colour), status_name(e->status), term_colour(stdout, COLOUR_PLAIN));
	if (entry_by_hand(e))
		(void)fputs(", by hand", stdout);
	else if (e->status != STATUS_NONE)
		(void)printf(", %s (%s)", category_name(e->reason), category_meaning(e->reason));
	(void)putchar('\n');
	if (e->status == STATUS_HELD && (e->origin == ORIGIN_LOG || e->origin == ORIGIN_DSN) && category_class(e->reason) == CLASS_HARD)
		(void)puts("  brake     held, not suppressed: such failures were unusually many; see nixie alerts --log");
}

static void print_times(const struct checked *c)
{
	const struct entry *e = c->entry;
	char lost[LOST_TEXT_MAX];

	print_time("since", e->since_s);
	print_time("until", e->until_s);
	print_time("parole", e->parole_s);
	print_time("first", e->first_s);
	print_time("last", e->last_s);
	if (e->count)
		(void)printf("  %-9s %lld\n", "failures", (long long)e->count);
	if (c->lost)
		look_print_field("lost", sv_of(lost_text(c->lost, lost)));
}

/* What was said, by whom. */
static void print_reply(const struct entry *e)
{
	char codes[64], enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(e->enhanced, enhanced);
	(void)snprintf(codes, sizeof codes, "%.0d%s%s", e->code, e->code && enhanced[0] ? " " : "", enhanced);
	look_print_field("code", sv_of(codes));
	look_print_field(entry_by_hand(e) && !e->code ? "reason" : "text", e->text);
	look_print_field("remote", e->remote);
	look_print_field("rule", e->rule);
	if (e->status != STATUS_NONE)
		look_print_field("origin", sv_of(origin_words(e->origin)));
	look_print_field("by", e->by);
}

static void print_answer(const struct decision *d)
{
	if (d->action == ACTION_PAROLE && !d->shadow)
		(void)puts("  policyd   DUNNO to one message, the next that comes: its term is over");
	else
		look_print_field("policyd", sv_of(decide_reply(d)));
	print_shadow(d);
}

static void print_human(const struct checked *c)
{
	struct decision d;
	char token[SCHEMA_TOKEN_MAX];

	decide_for(c, &d);
	term_clean(stdout, c->address);
	if (!c->entry) {
		print_unknown(c, &d);
		return;
	}
	print_status(c->entry, &d);
	print_times(c);
	print_reply(c->entry);
	print_scopes(c);
	if (c->domain)
		print_domain(c->domain);
	schema_token_encode(c->entry->token, token);
	look_print_field("token", sv_of(token));
	print_answer(&d);
}

static enum store_result get_entry(struct ctl *ctl, struct arena *arena, struct sv key, struct entry *entry_r, const struct entry **known_r, struct err *err)
{
	enum store_result result = store_entry(ctl->store, arena, key, entry_r, err);

	*known_r = result == STORE_OK ? entry_r : NULL;
	return result == STORE_ABSENT ? STORE_OK : result;
}

static void count_bounce(void *arg, struct sv address, const struct bounce *bounce)
{
	uint64_t *n = arg;

	(void)address, (void)bounce;
	++*n;
}

static void on_change_field(void *arg, struct sv name, struct sv value)
{
	struct scope_change *c = arg;
	struct sv *to = sv_eq(name, SV("why")) ? &c->why : sv_eq(name, SV("by")) ? &c->by : sv_eq(name, SV("time")) ? &c->time : NULL;

	if (sv_eq(name, SV("scope")))
		c->scoped = scope_parse(value, &c->scope);
	else if (to && value.n)
		*to = arena_dup(c->arena, value);
}

/* One question more. Of an older decision nothing is found so, and who may not read the journal gets the rest. */
static void find_scope_change(struct ctl *ctl, struct arena *arena, struct checked *c)
{
	struct err err;

	c->change.arena = arena;
	if (c->entry->scopes.n && c->entry->token.n &&
	    store_journal_entry(ctl->store, arena_printf(arena, "%.*s", SV_ARG(c->entry->token)).p, on_change_field, &c->change, &err) != STORE_OK)
		c->change.scoped = false;
}

/* EXIT_OK: something is known of it. */
static int check_one(struct ctl *ctl, const char *text, const struct sender *sender)
{
	struct arena arena = { 0 };
	struct address address;
	struct entry entry, domain;
	struct err err;
	struct checked c = { .sender = *sender, .answers = &ctl->config.policyd_answers };
	int code = EXIT_USAGE;

	if (!verb_address(ctl, text, &address))
		return code;
	c.address = address_key(&address);
	struct sv domain_key = arena_printf(&arena, "@%.*s", SV_ARG(address_domain(&address)));
	enum store_result result = get_entry(ctl, &arena, c.address, &entry, &c.entry, &err);
	if (result == STORE_OK && address.at > 0)
		result = get_entry(ctl, &arena, domain_key, &domain, &c.domain, &err);
	struct lost lost;
	if (result == STORE_OK && c.entry && lost_failures(ctl->store, &ctl->config.conversions, c.address, c.entry, &lost))
		c.lost = &lost;
	if (result == STORE_OK && !c.entry && !ctl->json)
		result = store_history(ctl->store, c.address, count_bounce, &c.bounces, &err);
	if (result == STORE_OK && c.entry && !ctl->json)
		find_scope_change(ctl, &arena, &c);
	if (result == STORE_OK) {
		(ctl->json ? print_json : print_human)(&c);
		code = c.entry ? EXIT_OK : EXIT_NOT_FOUND;
	} else {
		code = verb_store_failed(&err);
	}
	arena_free(&arena);
	return code;
}

int verb_check(struct ctl *ctl, int argc, char **argv)
{
	const char *sender = "", *login = "", *context = "";
	const struct verb_option own[] = { { "sender", &sender, NULL }, { "login", &login, NULL }, { "context", &context, NULL },
		{ NULL, NULL, NULL } };
	int code = EXIT_OK;

	if (!verb_options(ctl, argc, argv, "check", own, &code))
		return code;
	if (optind == argc) {
		log_error("name an address: nixie check user@example.com");
		return EXIT_USAGE;
	}
	const struct sender from = { .address = sv_of(sender), .login = sv_of(login), .context = sv_of(context) };
	for (int i = optind; i < argc; i++) {
		int one = check_one(ctl, argv[i], &from);
		if (one == EXIT_USAGE || one == EXIT_STORE)
			return one;
		code = one > code ? one : code;
	}
	return code;
}

int verb_stats(struct ctl *ctl, int argc, char **argv)
{
	struct totals totals;
	struct err err;
	int code;

	if (!verb_options(ctl, argc, argv, "stats", NULL, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here; of some days: nixie report", argv[optind]);
		return EXIT_USAGE;
	}
	if (!ctl->json && !alerts_print_lines(ctl->store, stdout, &err))
		return verb_store_failed(&err);
	enum store_result result = ctl->json ? totals_read(ctl->store, &totals, &err) : report_summary(ctl->store, stdout, &err);
	if (result != STORE_OK)
		return verb_store_failed(&err);
	if (ctl->json)
		report_totals_json(&totals, stdout);
	return EXIT_OK;
}
