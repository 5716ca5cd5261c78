/* list: suppressed addresses, or what holds for some senders only, all or some, in pages. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "filter.h"
#include "json.h"
#include "log.h"
#include "look.h"
#include "report.h"
#include "scope.h"
#include "store.h"
#include "table.h"
#include "verbs.h"

/* "<since>:<address>": no address begins so */
#define CURSOR_MAX (ADDRESS_KEY_MAX + 24)

/* Of what an ordinary list does not show no more are counted, or looked at, than this. */
#define HIDDEN_MAX 10000

struct listing {
	struct ctl *ctl;
	bool scoped;
	struct filter filter;
	struct table table;
	bool aligned; /* for a terminal */
	uint64_t n, limit;
	char last[CURSOR_MAX];
	bool more; /* than the limit */
	uint64_t hidden, looked; /* for some senders only */
};

static const struct table_column columns[] = {
	{ "STATUS", false, false }, { "ADDRESS", false, true }, { "WHY", false, false }, { "SINCE", false, false },
	{ "UNTIL", false, false }, { "TEXT", false, true },
};
static const struct table_column scoped_columns[] = {
	{ "STATUS", false, false }, { "ADDRESS", false, true }, { "SCOPE", false, true }, { "SINCE", false, false }, { "UNTIL", false, false },
};

static void add_row(struct table *t, struct sv address, const struct entry *e)
{
	char since[11], until[11] = "";

	clock_format_date(e->since_s, since);
	if (e->until_s)
		clock_format_date(e->until_s, until);
	table_add(t, sv_of(status_name(e->status)), COLOUR_RED);
	table_add(t, address, COLOUR_PLAIN);
	table_add(t, sv_of(entry_by_hand(e) ? "by hand" : category_name(e->reason)), COLOUR_PLAIN);
	table_add(t, sv_of(since), COLOUR_PLAIN);
	table_add(t, sv_of(until), COLOUR_PLAIN);
	table_add(t, e->text, COLOUR_DIM);
}

/* Counts one that is shown, and notes its place. False: there are enough. */
static bool take_one(struct listing *l, int64_t since_s, struct sv address)
{
	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	l->n++;
	struct buf last = BUF_ON(l->last);
	buf_add_number(&last, since_s);
	buf_add_char(&last, ':');
	buf_add(&last, address);
	(void)buf_cstr(&last);
	return true;
}

static bool list_entry(void *arg, struct sv address, const struct entry *entry)
{
	struct listing *l = arg;

	if (!entry_suppressed(entry, clock_now_s()) || !filter_matches(&l->filter, address, entry))
		return true;
	if (!take_one(l, entry->since_s, address))
		return false;
	if (l->ctl->json)
		look_print_json(address, entry, &l->ctl->config.policyd_answers, l->last);
	else if (l->aligned)
		add_row(&l->table, address, entry);
	else
		report_entry_line(stdout, address, entry);
	return !ferror(stdout); /* a reader that went away ends it */
}

/* ---- what holds for some senders ---- */

static bool scope_matches(const struct filter *f, const struct scope *s)
{
	return (!s->until_s || clock_now_s() < s->until_s) && (!f->status_text || s->status == f->status) && s->since_s >= f->since_s &&
		s->since_s < f->until_s;
}

/* The next that is meant; false: there is no other. */
static bool next_scope(const struct filter *f, struct sv *packed, struct scope *scope_r)
{
	while (scopes_next(packed, scope_r))
		if (scope_matches(f, scope_r))
			return true;
	return false;
}

static void scope_json(const struct listing *l, struct sv address, const struct scope *s, struct sv name)
{
	struct json json = JSON_ON(stdout);
	char time[CLOCK_TEXT_MAX];

	json_object(&json, NULL);
	json_text(&json, "address", address);
	json_text(&json, "scope", name);
	json_text(&json, "status", sv_of(status_name(s->status)));
	clock_format_us(s->since_s * CLOCK_SECOND_US, time, sizeof time);
	json_text(&json, "since", sv_of(time));
	if (s->until_s) {
		clock_format_us(s->until_s * CLOCK_SECOND_US, time, sizeof time);
		json_text(&json, "until", sv_of(time));
	}
	json_text(&json, "cursor", sv_of(l->last));
	json_end_object(&json);
	json_end_line(&json);
}

static void scope_row(struct table *t, struct sv address, const struct scope *s, struct sv name, const char *since, const char *until)
{
	table_add(t, sv_of(status_name(s->status)), COLOUR_RED);
	table_add(t, address, COLOUR_PLAIN);
	table_add(t, name, COLOUR_PLAIN);
	table_add(t, sv_of(since), COLOUR_PLAIN);
	table_add(t, sv_of(until), COLOUR_PLAIN);
}

static void show_scope(struct listing *l, struct sv address, const struct scope *s)
{
	char room[SCOPE_VALUE_MAX + 16], since[11], until[11] = "";
	struct buf name = BUF_ON(room);

	buf_addf(&name, "%s:%s", scope_kind_name(s->kind), s->value);
	if (l->ctl->json) {
		scope_json(l, address, s, buf_sv(&name));
		return;
	}
	clock_format_date(s->since_s, since);
	if (s->until_s)
		clock_format_date(s->until_s, until);
	if (l->aligned) {
		scope_row(&l->table, address, s, buf_sv(&name), since, until);
		return;
	}
	(void)printf("  %-9s ", status_name(s->status));
	term_clean(stdout, address);
	(void)fputs("  for ", stdout);
	term_clean(stdout, buf_sv(&name));
	(void)printf(" since %s%s%s\n", since, *until ? " until " : "", until);
}

static bool list_scopes(void *arg, struct sv address, const struct entry *entry)
{
	struct listing *l = arg;
	struct sv rest = entry->scopes;
	struct scope s;

	if (!next_scope(&l->filter, &rest, &s))
		return true;
	if (!take_one(l, scopes_newest(entry->scopes), address))
		return false;
	do
		show_scope(l, address, &s);
	while (next_scope(&l->filter, &rest, &s));
	return !ferror(stdout);
}

static bool count_hidden(void *arg, struct sv address, const struct entry *entry)
{
	struct listing *l = arg;
	struct sv rest = entry->scopes;
	struct scope s;

	(void)address;
	l->hidden += !entry_suppressed(entry, clock_now_s()) && next_scope(&l->filter, &rest, &s);
	return ++l->looked < HIDDEN_MAX;
}

/* What is read of an entry with scopes. */
static const struct sv shown_scoped[] = { { "status", 6 }, { "until", 5 }, { "scopes", 6 } };

/* The index has the newest scope of an address: an older one may be meant before it. */
static struct suppressed_some some_scoped(const struct filter *f, const struct suppressed_place *after)
{
	return (struct suppressed_some){ after, f->since_s, INT64_MAX, sv_of(f->domain), shown_scoped, sizeof shown_scoped / sizeof *shown_scoped, true };
}

/* Says how many the list does not show, because others may write to them: who looks for somebody who complained must not think
 * that nobody did. */
static enum store_result tell_hidden(struct listing *l, struct err *err)
{
	const struct filter *f = &l->filter;
	const struct suppressed_some some = some_scoped(f, NULL);

	if (f->category_text || f->provider || f->rule) /* of a failure: they have none */
		return STORE_OK;
	enum store_result result = store_suppressed_some(l->ctl->store, &some, count_hidden, l, err);
	if (result == STORE_OK && l->hidden)
		(void)fprintf(stderr, "%s%" PRIu64 " address%s suppressed for some senders only: nixie list --scoped\n",
			l->looked == HIDDEN_MAX ? "at least " : "", l->hidden, l->hidden == 1 ? " is" : "es are");
	return result;
}

/* ---- the list ---- */

static bool is_in(const struct listing *l, const struct entry *e)
{
	return l->scoped ? e->scopes.n > 0 : status_suppresses(e->status);
}

/* Where the list goes on: behind a cursor, or behind an address, which must be in it. False: *code_r. */
static bool take_place(const struct listing *l, struct arena *arena, const char *text, struct suppressed_place *place_r, int *code_r)
{
	struct sv rest = sv_of(text), since = sv_cut(&rest, ':');
	struct address address;
	struct entry entry;
	struct err err;
	uint64_t since_s;
	bool cursor = sv_u64(since, INT64_MAX, &since_s);

	*code_r = EXIT_USAGE;
	if (!verb_address(l->ctl, cursor ? rest.p : text, &address))
		return false;
	*place_r = (struct suppressed_place){ cursor ? (int64_t)since_s : 0, arena_dup(arena, address_key(&address)) };
	if (cursor)
		return true;
	enum store_result result = store_entry(l->ctl->store, arena, place_r->address, &entry, &err);
	if (result == STORE_OK && is_in(l, &entry)) {
		place_r->since_s = l->scoped ? scopes_newest(entry.scopes) : entry.since_s;
		return true;
	}
	*code_r = EXIT_NOT_FOUND;
	if (result != STORE_OK && result != STORE_ABSENT)
		*code_r = verb_store_failed(&err);
	else
		log_error("--after %s: it is not in the list (any more), and so nobody knows where the list goes on; give the cursor that was printed", text);
	return false;
}

/* What is printed, and what decides whether it is: an object of JSON has all. */
static const struct sv shown[] = { { "status", 6 }, { "reason", 6 }, { "origin", 6 }, { "since", 5 }, { "until", 5 }, { "parole", 6 },
	{ "text", 4 }, { "rule", 4 }, { "remote", 6 } };

static void tell_end(const struct listing *l)
{
	if (l->n == 0)
		(void)puts(l->scoped ? "no address is suppressed for some senders" : "no address is suppressed");
	if (l->more) {
		(void)fputs("more: --after '", stdout);
		term_clean(stdout, sv_of(l->last));
		(void)puts("'");
	}
}

static int run(struct listing *l, const char *after)
{
	struct arena arena = { 0 };
	struct suppressed_place place;
	struct err err;
	int code = EXIT_OK;

	if (after && !take_place(l, &arena, after, &place, &code)) {
		arena_free(&arena);
		return code;
	}
	l->aligned = !l->ctl->json && term_width(stdout);
	if (l->scoped)
		table_start(&l->table, stdout, scoped_columns, sizeof scoped_columns / sizeof *scoped_columns);
	else
		table_start(&l->table, stdout, columns, sizeof columns / sizeof *columns);
	const struct suppressed_place *behind = after ? &place : NULL;
	const struct suppressed_some scoped = some_scoped(&l->filter, behind), some = { behind, l->filter.since_s, l->filter.until_s,
		sv_of(l->filter.domain), l->ctl->json ? NULL : shown, sizeof shown / sizeof *shown, false };
	enum store_result result = store_suppressed_some(l->ctl->store, l->scoped ? &scoped : &some, l->scoped ? list_scopes : list_entry, l, &err);
	table_end(&l->table);
	arena_free(&arena);
	if (result == STORE_OK && !l->ctl->json) {
		tell_end(l);
		if (!l->scoped && !after)
			result = tell_hidden(l, &err);
	}
	if (result != STORE_OK)
		return verb_store_failed(&err);
	return l->n ? EXIT_OK : EXIT_NOT_FOUND;
}

/* Of what a scope knows nothing, which is not what was meant. False: after a message. */
static bool filter_suits(const struct listing *l)
{
	const struct filter *f = &l->filter;

	if (!l->scoped)
		return true;
	if (f->category_text || f->provider || f->rule) {
		log_error("--scoped: what holds for some senders only has no category, provider or rule; choose by --status, --domain, --since and --until");
		return false;
	}
	if (f->status_text && !status_protected(f->status)) {
		log_error("--status %s: with --scoped write complaint or manual", f->status_text);
		return false;
	}
	return true;
}

int verb_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing l = { .ctl = ctl, .limit = UINT64_MAX };
	const char *limit = NULL, *after = NULL;
	const struct verb_option own[] = { FILTER_OPTIONS(&l.filter), { "limit", &limit, NULL }, { "after", &after, NULL },
		{ "scoped", NULL, &l.scoped }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "list", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: say by options what to list, as in: nixie list --domain example.com; of one address: nixie check", argv[optind]);
		return EXIT_USAGE;
	}
	if (!verb_limit(limit, &l.limit))
		return EXIT_USAGE;
	if (filter_take(ctl, &l.filter, &code))
		code = filter_suits(&l) ? run(&l, after) : EXIT_USAGE;
	filter_free(&l.filter);
	return code;
}
