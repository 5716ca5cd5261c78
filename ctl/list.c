/* list: suppressed addresses, all or some, in pages. */
#include <getopt.h>
#include <stdio.h>

#include "arena.h"
#include "clock.h"
#include "log.h"
#include "look.h"
#include "report.h"
#include "store.h"
#include "table.h"
#include "verbs.h"

/* "<since>:<address>": no address begins so */
#define CURSOR_MAX (ADDRESS_KEY_MAX + 24)

/* What is shown; NULL: whatever it is. */
struct filter {
	const char *status_text, *category_text, *domain, *provider, *rule;
	enum status status;
	enum category category;
	int64_t since_s, until_s;
	struct ruleset *rules; /* to tell providers */
};

struct listing {
	struct ctl *ctl;
	struct filter filter;
	struct table table;
	bool aligned; /* for a terminal */
	uint64_t n, limit;
	char last[CURSOR_MAX];
	bool more; /* than the limit */
};

static const struct table_column columns[] = {
	{ "STATUS", false, false }, { "ADDRESS", false, true }, { "WHY", false, false }, { "SINCE", false, false },
	{ "UNTIL", false, false }, { "TEXT", false, true },
};

static bool is_meant(const struct filter *f, struct sv address, const struct entry *e)
{
	bool person = e->status == STATUS_MANUAL; /* it has no category of its own */

	if (f->status_text && e->status != f->status)
		return false;
	if (f->category_text && (person || e->reason != f->category))
		return false;
	if (f->domain && !sv_eq_nocase(sv_after_last(address, '@'), sv_of(f->domain)))
		return false;
	if (f->rule && !sv_eq(e->rule, sv_of(f->rule)))
		return false;
	if (e->since_s < f->since_s || e->since_s >= f->until_s)
		return false;
	return !f->provider || sv_eq(ruleset_provider(f->rules, e->remote), sv_of(f->provider));
}

static void add_row(struct table *t, struct sv address, const struct entry *e)
{
	char since[11], until[11] = "";

	clock_format_date(e->since_s, since);
	if (e->until_s)
		clock_format_date(e->until_s, until);
	table_add(t, sv_of(status_name(e->status)), COLOUR_RED);
	table_add(t, address, COLOUR_PLAIN);
	table_add(t, sv_of(e->status == STATUS_MANUAL ? "by hand" : category_name(e->reason)), COLOUR_PLAIN);
	table_add(t, sv_of(since), COLOUR_PLAIN);
	table_add(t, sv_of(until), COLOUR_PLAIN);
	table_add(t, e->text, COLOUR_DIM);
}

static bool list_entry(void *arg, struct sv address, const struct entry *entry)
{
	struct listing *l = arg;

	if (!entry_suppressed(entry, clock_now_s()) || !is_meant(&l->filter, address, entry))
		return true;
	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	l->n++;
	(void)snprintf(l->last, sizeof l->last, "%lld:%.*s", (long long)entry->since_s, SV_ARG(address));
	if (l->ctl->json)
		look_print_json(address, entry, &l->ctl->config.policyd_answers, l->last);
	else if (l->aligned)
		add_row(&l->table, address, entry);
	else
		report_entry_line(stdout, address, entry);
	return !ferror(stdout); /* a reader that went away ends it */
}

/* Where the list goes on: behind a cursor, or behind an address, which must be in it. False: *code_r. */
static bool take_place(struct ctl *ctl, struct arena *arena, const char *text, struct suppressed_place *place_r, int *code_r)
{
	struct sv rest = sv_of(text), since = sv_cut(&rest, ':');
	struct address address;
	struct entry entry;
	struct err err;
	uint64_t since_s;
	bool cursor = sv_u64(since, INT64_MAX, &since_s);

	*code_r = EXIT_USAGE;
	if (!verb_address(ctl, cursor ? rest.p : text, &address))
		return false;
	*place_r = (struct suppressed_place){ cursor ? (int64_t)since_s : 0, arena_dup(arena, address_key(&address)) };
	if (cursor)
		return true;
	enum store_result result = store_entry(ctl->store, arena, place_r->address, &entry, &err);
	if (result == STORE_OK && entry.status != STATUS_NONE && entry.status != STATUS_SOFT && entry.status != STATUS_ALLOW) {
		place_r->since_s = entry.since_s;
		return true;
	}
	*code_r = EXIT_NOT_FOUND;
	if (result != STORE_OK && result != STORE_ABSENT)
		*code_r = verb_store_failed(&err);
	else
		log_error("--after %s: it is not suppressed (any more), and so nobody knows where the list goes on; give the cursor that was printed", text);
	return false;
}

static bool take_filter(struct ctl *ctl, struct filter *f, int *code_r)
{
	struct err err;

	*code_r = EXIT_USAGE;
	if (f->status_text && (!status_by_name(sv_of(f->status_text), &f->status) || f->status < STATUS_HELD || f->status > STATUS_MANUAL)) {
		log_error("--status %s: write held, hard, complaint or manual", f->status_text);
		return false;
	}
	if (f->category_text && !category_by_name(sv_of(f->category_text), &f->category)) {
		log_error("--category %s: there is no such category; nixie-rules(5) lists them", f->category_text);
		return false;
	}
	f->domain += f->domain && *f->domain == '@';
	if (f->provider && !(f->rules = cli_load_rules(&ctl->config, &err))) {
		log_fatal("%s", err.text);
		*code_r = EXIT_CONFIG;
		return false;
	}
	return true;
}

static int run(struct listing *l, const char *after)
{
	struct arena arena = { 0 };
	struct suppressed_place place;
	struct err err;
	int code = EXIT_OK;

	if (after && !take_place(l->ctl, &arena, after, &place, &code)) {
		arena_free(&arena);
		return code;
	}
	l->aligned = !l->ctl->json && term_width(stdout);
	table_start(&l->table, stdout, columns, sizeof columns / sizeof *columns);
	enum store_result result = store_suppressed_after(l->ctl->store, after ? &place : NULL, list_entry, l, &err);
	table_end(&l->table);
	arena_free(&arena);
	if (result != STORE_OK)
		return verb_store_failed(&err);
	if (l->ctl->json)
		return l->n ? EXIT_OK : EXIT_NOT_FOUND;
	if (l->n == 0)
		(void)puts("no address is suppressed");
	if (l->more) {
		(void)fputs("more: --after '", stdout);
		term_clean(stdout, sv_of(l->last));
		(void)puts("'");
	}
	return l->n ? EXIT_OK : EXIT_NOT_FOUND;
}

int verb_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing l = { .ctl = ctl, .limit = UINT64_MAX, .filter = { .since_s = INT64_MIN, .until_s = INT64_MAX } };
	struct filter *f = &l.filter;
	const char *since = NULL, *until = NULL, *limit = NULL, *after = NULL;
	const struct verb_option own[] = { { "status", &f->status_text, NULL }, { "category", &f->category_text, NULL },
		{ "domain", &f->domain, NULL }, { "provider", &f->provider, NULL }, { "rule", &f->rule, NULL }, { "since", &since, NULL },
		{ "until", &until, NULL }, { "limit", &limit, NULL }, { "after", &after, NULL }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "list [--status held|hard|complaint|manual] [--category NAME] [--domain NAME] [--provider NAME]\n"
		"                  [--rule ID] [--since TIME] [--until TIME] [--limit N] [--after ADDRESS | CURSOR] [--json]", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: say by options what to list, as in: nixie list --domain example.com; of one address: nixie check", argv[optind]);
		return EXIT_USAGE;
	}
	if (!verb_time("since", since, &f->since_s) || !verb_time("until", until, &f->until_s) || !verb_limit(limit, &l.limit))
		return EXIT_USAGE;
	if (take_filter(ctl, f, &code))
		code = run(&l, after);
	ruleset_free(f->rules);
	return code;
}
