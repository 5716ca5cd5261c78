/* aside: mail that came back and does not prove what it says: each of it, and what would make it proof. */
#include <getopt.h>
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "history.h"
#include "log.h"
#include "map.h"
#include "store.h"
#include "table.h"
#include "verbs.h"

#define LIMIT 100
#define KINDS "dsn complaint unsubscribe autoreply challenge"

/* A terminal of so many cells has room for all of it. On a narrower one the last columns would leave nothing of the address, and what they
 * tell is in the sum below, or in the JSON. */
#define WIDE 140
#define MIDDLE 120
#define NARROW 80
enum { COLUMN_TIME, COLUMN_KIND, COLUMN_ADDRESS, COLUMN_CATEGORY, COLUMN_FROM, COLUMN_WHY, COLUMNS };

/* Of those that are meant, how many lack the same. */
struct reason {
	const char *why;
	uint64_t n;
};

struct asides {
	struct ctl *ctl;
	const char *domain, *kind;
	int64_t since_s, until_s;
	uint64_t limit;
	/* so far */
	uint64_t n;
	struct table table;
	struct arena one, kept; /* one: of the mail at hand */
	struct map by_why;
	struct reason **reasons;
	size_t n_reasons, size;
};

static bool is_meant(const struct asides *a, const struct aside *one)
{
	if (a->kind && !sv_eq(one->kind, sv_of(a->kind)))
		return false;
	if (a->domain && !sv_eq_nocase(sv_after_last(one->address, '@'), sv_of(a->domain)))
		return false;
	return one->time_s >= a->since_s && one->time_s < a->until_s;
}

static void add_reason(struct asides *a, struct sv why)
{
	struct reason *reason = map_get(&a->by_why, why);

	if (!reason) {
		reason = arena_alloc(&a->kept, sizeof *reason);
		*reason = (struct reason){ arena_printf(&a->kept, "%.*s", SV_ARG(why)).p, 0 };
		map_put(&a->by_why, sv_of(reason->why), reason);
		a->reasons = xgrow(a->reasons, a->n_reasons, &a->size, sizeof *a->reasons);
		a->reasons[a->n_reasons++] = reason;
	}
	reason->n++;
}

static void print_json(const struct aside *one)
{
	struct json json = JSON_ON(stdout);
	char time[CLOCK_TEXT_MAX];

	json_object(&json, NULL);
	json_text(&json, "time", sv_of(history_time(one->time_s, time)));
	json_text(&json, "kind", one->kind);
	json_member(&json, "address", one->address);
	json_text(&json, "why", one->why);
	json_member(&json, "from", one->from);
	json_member(&json, "about", one->about);
	json_member(&json, "status", one->status);
	json_member(&json, "category", one->category);
	json_member(&json, "sender", one->sender);
	json_member(&json, "text", one->text);
	json_end_object(&json);
	json_end_line(&json);
}

static bool is_wide(size_t width)
{
	return !width || width >= WIDE;
}

static size_t columns_for(size_t width)
{
	return is_wide(width) ? COLUMNS : width >= MIDDLE ? COLUMN_WHY : width >= NARROW ? COLUMN_FROM : COLUMN_CATEGORY;
}

/* "2026-11-22 20:42" */
static struct sv short_time(char time[])
{
	time[strcspn(time, "T")] = ' ';
	return sv_head(sv_of(time), sizeof "2026-11-22 20:42" - 1);
}

static void add_row(struct table *t, const struct aside *one)
{
	char room[CLOCK_TEXT_MAX];
	struct sv time = sv_of(history_time(one->time_s, room));
	const struct { struct sv text; enum colour colour; } cells[COLUMNS] = {
		[COLUMN_TIME] = { is_wide(t->width) ? time : short_time(room), COLOUR_PLAIN },
		[COLUMN_KIND] = { one->kind, COLOUR_PLAIN },
		[COLUMN_ADDRESS] = { one->address.n ? one->address : SV("-"), one->address.n ? COLOUR_BOLD : COLOUR_DIM },
		[COLUMN_CATEGORY] = { one->category.n ? one->category : SV("-"), one->category.n ? COLOUR_PLAIN : COLOUR_DIM },
		[COLUMN_FROM] = { one->from, COLOUR_PLAIN },
		[COLUMN_WHY] = { one->why, COLOUR_YELLOW },
	};

	for (size_t i = 0; i < t->n_columns; i++)
		table_add(t, cells[i].text, cells[i].colour);
}

static bool on_aside(void *arg, const struct aside *one)
{
	struct asides *a = arg;

	if (is_meant(a, one)) {
		if (a->n < a->limit && a->ctl->json)
			print_json(one);
		else if (a->n < a->limit)
			add_row(&a->table, one);
		a->n++;
		add_reason(a, one->why);
	}
	arena_reset(&a->one);
	/* for programs there is no sum */
	return !a->ctl->json || a->n < a->limit;
}

/* ---- what to do ---- */

/* By words that are in the reason (claim.c has them). */
static const char *advice_for(const struct config *config, struct sv why)
{
	static const struct { const char *words, *advice; } known[] = {
		{ "signed address", "sign the addresses that mail comes back to: receive.addresses and receive.secret-file in nixie.conf; nixie verp ADDR shows one" },
		{ "did not write it to", "a signed address in List-Unsubscribe proves it by itself: nixie verp --for unsubscribe ADDR shows one" },
		{ "not signed", "sign the address of List-Unsubscribe: nixie verp --for unsubscribe ADDR shows one" },
		{ "signature-lifetime", "a longer receive.signature-lifetime in nixie.conf proves later mail, too" },
		{ "not ours", "nixie verp --read ADDR tells what the address says; is receive.secret-file that of the programs that send?" },
		{ "receive.shared", "sign the return address of each recipient (nixie verp): a Message-ID that many know proves nothing" },
		{ "authserv-id tells", "if it is of a loop: its Authentication-Results must name receive.authserv-id, and the domain of receive.feedback-loops" },
		{ "feedback-loops", "let the loop speak of that domain: receive.feedback-loops in nixie.conf" },
		{ "more headers", "if you know it to be true: nixie suppress ADDR, with --scope sender:DOMAIN where it is about one sender's mail" },
		{ "too many decisions", "nixie check ADDR shows them; one for all mail takes their place: nixie suppress ADDR" },
		{ "somebody else", "it may be made up: what the log tells of that address is in nixie history ADDR" },
		{ "is no report", "ask the loop for reports in the Abuse Reporting Format; until then read them in a mailbox of your own" },
		{ "who complains", "let mail tell to whom it went: receive.recipient-headers in nixie.conf, or a signed return address (nixie verp)" },
	};
	const char *advice = "";

	if (sv_find_sv(why, SV("receive.remember")) < why.n)
		advice = span_is_zero(config->receive_remember) ? "receive: { remember = \"7 days\"; }; in nixie.conf: logtail then remembers whom messages went to"
			: "mail that comes later than receive.remember, or that another host sent, needs a longer receive.remember, or a signed address (nixie verp)";
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (sv_find_sv(why, sv_of(known[i].words)) < why.n && !*advice)
			advice = known[i].advice;
	return advice;
}

static int by_number(const void *a, const void *b)
{
	const struct reason *x = *(struct reason *const *)a, *y = *(struct reason *const *)b;

	return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->why, y->why);
}

static void print_sum(const struct asides *a)
{
	if (a->n > a->limit)
		(void)printf("... and %llu more: --limit\n", (unsigned long long)(a->n - a->limit));
	(void)printf("\n%sWhy it proves nothing%s\n", term_colour(stdout, COLOUR_BOLD), term_colour(stdout, COLOUR_PLAIN));
	qsort(a->reasons, a->n_reasons, sizeof *a->reasons, by_number);
	for (size_t i = 0; i < a->n_reasons; i++) {
		const char *advice = advice_for(&a->ctl->config, sv_of(a->reasons[i]->why));
		(void)printf("%6llu  ", (unsigned long long)a->reasons[i]->n);
		term_clean(stdout, sv_of(a->reasons[i]->why));
		(void)printf("%s%s\n", *advice ? "\n        " : "", advice);
	}
	(void)puts("\nNone of it has an effect; what you know to be true you may say yourself: nixie suppress ADDR");
}

static int show(struct asides *a)
{
	size_t width = term_width(stdout);
	const struct table_column columns[COLUMNS] = { { is_wide(width) ? "TIME" : "TIME (UTC)", false, false }, { "KIND", false, false },
		{ "ADDRESS", false, true }, { "CATEGORY", false, false }, { "FROM", false, true }, { "WHY IT PROVES NOTHING", false, true } };
	struct err err;

	table_start(&a->table, stdout, columns, columns_for(width));
	enum store_result result = store_asides(a->ctl->store, &a->one, on_aside, a, &err);
	table_end(&a->table);
	if (result != STORE_OK)
		return verb_store_failed(&err);
	if (a->n && !a->ctl->json)
		print_sum(a);
	else if (!a->n && !a->ctl->json)
		(void)puts(a->domain || a->kind || a->since_s != INT64_MIN || a->until_s != INT64_MAX ? "no such mail is kept aside" : "no mail is kept aside");
	return a->n ? EXIT_OK : EXIT_NOT_FOUND;
}

static bool take_kind(const char *kind)
{
	struct sv rest = SV(KINDS);

	if (!kind)
		return true;
	while (rest.n)
		if (sv_eq(sv_cut(&rest, ' '), sv_of(kind)))
			return true;
	log_error("--kind %s: write dsn, complaint, unsubscribe, autoreply or challenge", kind);
	return false;
}

int verb_aside(struct ctl *ctl, int argc, char **argv)
{
	struct asides a = { .ctl = ctl, .since_s = INT64_MIN, .until_s = INT64_MAX };
	const char *since = NULL, *until = NULL, *limit = NULL;
	const struct verb_option own[] = { { "since", &since, NULL }, { "until", &until, NULL }, { "domain", &a.domain, NULL }, { "kind", &a.kind, NULL },
		{ "limit", &limit, NULL }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "aside", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here; whose mail is meant is --domain NAME", argv[optind]);
		return EXIT_USAGE;
	}
	a.limit = ctl->json ? UINT64_MAX : LIMIT;
	if (!verb_time("since", since, &a.since_s) || !verb_time("until", until, &a.until_s) || !verb_limit(limit, &a.limit) || !take_kind(a.kind))
		return EXIT_USAGE;
	a.domain += a.domain && *a.domain == '@';
	code = show(&a);
	arena_free(&a.one);
	arena_free(&a.kept);
	map_free(&a.by_why);
	free(a.reasons);
	return code;
}
