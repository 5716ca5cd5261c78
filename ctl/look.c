/* check, stats, token: what the store knows. */
#include "look.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "decide.h"
#include "log.h"
#include "lost.h"
#include "report.h"
#include "schema.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* True: go on; false: *code_r is the exit code (help, or wrong usage). */
static bool only_json(struct ctl *ctl, int argc, char **argv, const char *usage, int *code_r)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'j') {
			ctl->json = true;
			continue;
		}
		(void)fprintf(c == 'h' ? stdout : stderr, "usage: nixie %s\n", usage);
		*code_r = c == 'h' ? EXIT_OK : EXIT_USAGE;
		return false;
	}
	return true;
}

/* Everything of an entry as JSON members, without the braces; times as RFC 3339. */
static void entry_json(struct buf *b, const struct entry *e)
{
	struct arena arena = { 0 };
	struct sv fields[2 * SCHEMA_ENTRY_FIELDS];
	size_t n = schema_entry_fields(&arena, e, fields);

	for (size_t i = 0; i < n; i++) {
		struct sv name = fields[2 * i], value = fields[2 * i + 1];
		static const struct sv times[] = { { "first", 5 }, { "last", 4 }, { "since", 5 }, { "until", 5 }, { "parole", 6 } };
		static const struct sv numbers[] = { { "code", 4 }, { "count", 5 }, { "term", 4 } };
		char text[SCHEMA_TOKEN_MAX > CLOCK_TEXT_MAX ? SCHEMA_TOKEN_MAX : CLOCK_TEXT_MAX];
		uint64_t v = 0;
		bool number = false;
		if (sv_eq(name, SV("revision")))
			continue;
		for (size_t j = 0; j < sizeof times / sizeof *times; j++) {
			if (sv_eq(name, times[j]) && sv_u64(value, INT64_MAX / CLOCK_SECOND_US, &v)) {
				clock_format_us((int64_t)v * CLOCK_SECOND_US, text, sizeof text);
				value = sv_of(text);
			}
		}
		if (sv_eq(name, SV("token"))) {
			schema_token_encode(value, text);
			value = sv_of(text);
		}
		for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++)
			number = number || sv_eq(name, numbers[j]);
		buf_add_char(b, ',');
		buf_add_json(b, name);
		buf_add_char(b, ':');
		if (number)
			buf_add(b, value);
		else
			buf_add_json(b, value);
	}
	arena_free(&arena);
}

/* What one check looks at. */
struct checked {
	struct sv address;
	const struct entry *entry, *domain; /* NULL: nothing is known */
	struct sender sender;
	const struct answers *answers;
	const struct lost *lost; /* failures that are not counted; NULL: none */
	const char *cursor; /* of a list; NULL: none */
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
		entry_json(&b, e);
	else
		buf_add(&b, SV(",\"status\":\"none\""));
	if (c->domain)
		buf_addf(&b, ",\"domain-status\":\"%s\"", status_name(c->domain->status));
	decide_for(c, &d);
	if (d.by != BY_NOTHING)
		buf_addf(&b, ",\"decided-by\":\"%s\"", decided_by_name(d.by));
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

static void print_field(const char *name, struct sv value)
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
		print_field(name, sv_of(text));
}

static void print_scopes(struct sv scopes)
{
	struct scope s;

	while (scopes_next(&scopes, &s)) {
		char since[11], until[11] = "";
		clock_format_date(s.since_s, since);
		if (s.until_s)
			clock_format_date(s.until_s, until);
		(void)printf("  %-9s %s for %s ", "scope", s.status == STATUS_MANUAL ? "do-not-mail" : status_name(s.status), scope_kind_name(s.kind));
		term_clean(stdout, sv_of(s.value));
		(void)printf(" since %s%s%s\n", since, *until ? " until " : "", until);
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
		print_field("shadow", sv_of(d->reply));
}

static void print_human(const struct checked *c)
{
	struct sv address = c->address;
	const struct entry *e = c->entry;
	struct decision d;
	char token[SCHEMA_TOKEN_MAX], codes[64], enhanced[ENHANCED_TEXT_MAX], lost[LOST_TEXT_MAX];

	decide_for(c, &d);
	term_clean(stdout, address);
	if (!e) {
		(void)printf(": nothing is known; policyd answers %s\n", decide_reply(&d));
		print_shadow(&d);
		if (c->domain)
			print_domain(c->domain);
		return;
	}
	enum colour colour = d.action != ACTION_DUNNO && d.action != ACTION_PAROLE ? COLOUR_RED : e->status == STATUS_SOFT ? COLOUR_YELLOW : COLOUR_GREEN;
	(void)printf(": %s%s%s", term_colour(stdout, colour), status_name(e->status), term_colour(stdout, COLOUR_PLAIN));
	bool person = e->status == STATUS_MANUAL || e->status == STATUS_ALLOW;
	if (!person && e->status != STATUS_NONE)
		(void)printf(", %s (%s)", category_name(e->reason), category_meaning(e->reason));
	(void)putchar('\n');
	if (e->status == STATUS_HELD && e->origin == ORIGIN_LOG && category_class(e->reason) == CLASS_HARD)
		(void)puts("  brake     held, not suppressed: such failures were unusually many; see nixie alerts --log");
	print_time("since", e->since_s);
	print_time("until", e->until_s);
	print_time("parole", e->parole_s);
	print_time("first", e->first_s);
	print_time("last", e->last_s);
	if (e->count)
		(void)printf("  %-9s %lld\n", "failures", (long long)e->count);
	if (c->lost)
		print_field("lost", sv_of(lost_text(c->lost, lost)));
	enhanced_format(e->enhanced, enhanced);
	(void)snprintf(codes, sizeof codes, "%.0d%s%s", e->code, e->code && enhanced[0] ? " " : "", enhanced);
	print_field("code", sv_of(codes));
	print_field("text", e->text);
	print_field("remote", e->remote);
	print_field("rule", e->rule);
	if (e->status != STATUS_NONE)
		print_field("origin", sv_of(origin_name(e->origin)));
	print_field("by", e->by);
	print_scopes(e->scopes);
	if (c->domain)
		print_domain(c->domain);
	schema_token_encode(e->token, token);
	print_field("token", sv_of(token));
	if (d.action == ACTION_PAROLE && !d.shadow)
		(void)puts("  policyd   DUNNO to one message, the next that comes: its term is over");
	else
		print_field("policyd", sv_of(decide_reply(&d)));
	print_shadow(&d);
}

static enum store_result get_entry(struct ctl *ctl, struct arena *arena, struct sv key, struct entry *entry_r, const struct entry **known_r, struct err *err)
{
	enum store_result result = store_entry(ctl->store, arena, key, entry_r, err);

	*known_r = result == STORE_OK ? entry_r : NULL;
	return result == STORE_ABSENT ? STORE_OK : result;
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

	if (!verb_options(ctl, argc, argv, "check [--sender ADDR | DOMAIN] [--login NAME] [--context NAME] [--json] ADDR | @DOMAIN...", own, &code))
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

	if (!only_json(ctl, argc, argv, "stats [--json]", &code))
		return code;
	if (!ctl->json && !alerts_print_lines(ctl->store, stdout, &err))
		return verb_store_failed(&err);
	enum store_result result = ctl->json ? totals_read(ctl->store, &totals, &err) : report_summary(ctl->store, stdout, &err);
	if (result != STORE_OK)
		return verb_store_failed(&err);
	if (ctl->json)
		report_totals_json(&totals, stdout);
	return EXIT_OK;
}

struct token_fields {
	struct buf *b;
	bool json;
};

static void print_token_field(void *arg, struct sv field, struct sv value)
{
	struct token_fields *t = arg;

	char time[CLOCK_TEXT_MAX];
	uint64_t time_s;

	if (!value.n)
		return;
	if (sv_eq(field, SV("time")) && sv_u64(value, INT64_MAX / CLOCK_SECOND_US, &time_s)) {
		clock_format_us((int64_t)time_s * CLOCK_SECOND_US, time, sizeof time);
		value = sv_of(time);
	}
	if (t->json) {
		buf_add_char(t->b, t->b->n > 1 ? ',' : ' ');
		buf_add_json(t->b, field);
		buf_add_char(t->b, ':');
		buf_add_json(t->b, value);
		return;
	}
	char name[32];
	(void)snprintf(name, sizeof name, "%.*s", SV_ARG(sv_head(field, 30)));
	print_field(name, value);
}

int verb_token(struct ctl *ctl, int argc, char **argv)
{
	static char room[8192];
	struct buf b = BUF_ON(room);
	char id[SCHEMA_ID_MAX];
	struct err err;
	int code;

	if (!only_json(ctl, argc, argv, "token [--json] TOKEN", &code))
		return code;
	if (optind + 1 != argc || !schema_token_decode(sv_of(argv[optind]), id)) {
		log_error("give the token of a rejection text, as in: nixie token 1HDQZ7R3C0");
		return EXIT_USAGE;
	}
	struct token_fields fields = { &b, ctl->json };
	buf_add_char(&b, '{');
	enum store_result result = store_journal_entry(ctl->store, id, print_token_field, &fields, &err);
	if (result == STORE_ABSENT) {
		log_error("no change has the token %s; it may be older than the journal", argv[optind]);
		return EXIT_NOT_FOUND;
	}
	if (result != STORE_OK)
		return verb_store_failed(&err);
	buf_add(&b, SV("}\n"));
	if (ctl->json)
		(void)fwrite(b.p, 1, b.n, stdout);
	return EXIT_OK;
}
