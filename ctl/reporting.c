/* report: results and rates of some days, by what they have in common, and what they say. */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "days.h"
#include "exchange.h"
#include "figures.h"
#include "findings.h"
#include "json.h"
#include "log.h"
#include "page.h"
#include "returns.h"
#include "schema.h"
#include "spark.h"
#include "table.h"
#include "verbs.h"

#define HOUR_S INT64_C(3600)
/* Columns that a narrower terminal does without */
#define WIDE 104
#define LIMIT_TEXT 20
#define SPARK_CELLS_MAX 400
/* As many hours as are kept. */
#define SPARK_VALUES_MAX 9600

enum what { A_COUNT, A_RATE_HARD, A_RATE_ALL, A_RATE_COMPLAINT, A_SHARE };
enum { OF_TOTALS = 1, OF_TALLIES = 2, OF_RULES = 4, OF_CATEGORIES = 8 };

/* What a report tells of each figure: of the kinds that have it. */
static const struct figure_column {
	const char *title, *name;
	enum what what;
	enum figure_counter counter;
	int of;
	bool wide; /* left out where there is no room */
} figure_columns[] = {
	{ "ATTEMPTS", "attempts", A_COUNT, FIGURE_ATTEMPTS, OF_TALLIES, true },
	{ "FAILURES", "failures", A_COUNT, FIGURE_FAILURES, OF_CATEGORIES, false },
	{ "SHARE %", "share-permille", A_SHARE, FIGURE_FAILURES, OF_CATEGORIES, false },
	{ "DELIVERED", "delivered", A_COUNT, FIGURE_DELIVERED, OF_TOTALS | OF_TALLIES, false },
	{ "SOFT", "soft", A_COUNT, FIGURE_SOFT, OF_TOTALS | OF_TALLIES | OF_RULES, false },
	{ "HARD", "hard", A_COUNT, FIGURE_HARD, OF_TOTALS | OF_TALLIES | OF_RULES, false },
	{ "COMPL.", "complaint", A_COUNT, FIGURE_COMPLAINT, OF_TOTALS | OF_TALLIES | OF_RULES, false },
	{ "5XX SOFT", "hard-as-soft", A_COUNT, FIGURE_HARD_AS_SOFT, OF_TOTALS, true },
	{ "TO HARD", "soft-to-hard", A_COUNT, FIGURE_SOFT_TO_HARD, OF_TOTALS, true },
	{ "DEFERRED", "deferred", A_COUNT, FIGURE_DEFERRED, OF_TOTALS | OF_TALLIES, true },
	{ "LIMITED", "throttled", A_COUNT, FIGURE_THROTTLED, OF_TALLIES | OF_RULES, true },
	{ "BLOCKED", "blocked", A_COUNT, FIGURE_BLOCKED, OF_TALLIES | OF_RULES, true },
	{ "FAILING", "failing", A_COUNT, FIGURE_FAILING, OF_TALLIES | OF_RULES, true },
	{ "HARD %", "hard-permille", A_RATE_HARD, 0, OF_TOTALS | OF_TALLIES, false },
	{ "ALL %", "all-permille", A_RATE_ALL, 0, OF_TOTALS | OF_TALLIES, false },
	{ "COMPL. %", "complaint-permille", A_RATE_COMPLAINT, 0, OF_TOTALS | OF_TALLIES, false },
};

struct report {
	struct ctl *ctl;
	enum figure_by by;
	bool csv;
	int64_t from_s, to_s;
	uint64_t limit; /* 0: as it is usual */
	struct figures rows, times;
	struct figure total;
	bool findings;
};

static int kind_of(enum figure_by by)
{
	return by == BY_CATEGORY ? OF_CATEGORIES : by == BY_RULE ? OF_RULES : by <= BY_HOUR ? OF_TOTALS : OF_TALLIES;
}

static struct rate rate_of(const struct report *r, const struct figure *f, enum what what)
{
	if (what == A_SHARE || what == A_COUNT)
		return (struct rate){ f->n[FIGURE_FAILURES], r->total.n[FIGURE_FAILURES], 0 };
	return figure_rate(f, what == A_RATE_HARD ? RATE_HARD : what == A_RATE_ALL ? RATE_ALL : RATE_COMPLAINT, &r->ctl->config);
}

static bool is_over(const struct report *r, const struct rate *rate)
{
	return rate_is_over(rate, &r->ctl->config);
}

static size_t shown(const struct report *r)
{
	uint64_t limit = r->limit ? r->limit : r->ctl->json || r->csv || r->by == BY_DAY || r->by == BY_HOUR ? UINT64_MAX : LIMIT_TEXT;

	return limit < r->rows.n ? (size_t)limit : r->rows.n;
}

/* Of times the last ones, of all else the first. */
static size_t first_shown(const struct report *r)
{
	return r->by == BY_DAY || r->by == BY_HOUR ? r->rows.n - shown(r) : 0;
}

/* ---- for people ---- */

static void add_rate(struct table *t, const struct report *r, const struct figure *f, enum what what)
{
	struct rate rate = rate_of(r, f, what);
	int64_t hundredths = rate_hundredths(&rate);

	if (!rate.of) {
		table_add(t, SV("-"), COLOUR_DIM);
		return;
	}
	bool over = is_over(r, &rate);
	table_addf(t, over ? COLOUR_RED : COLOUR_PLAIN, "%lld.%02lld%s", (long long)(hundredths / 100), (long long)(hundredths % 100),
		over && !term_colours(stdout) ? "!" : "");
}

static bool has_column(const struct report *r, const struct figure_column *c, bool wide)
{
	return (c->of & kind_of(r->by)) && (wide || !c->wide);
}

static void add_row(struct table *t, const struct report *r, const struct figure *f, bool wide)
{
	bool total = f == &r->total;

	table_add(t, f->name, total ? COLOUR_BOLD : COLOUR_PLAIN);
	for (size_t i = 0; i < sizeof figure_columns / sizeof *figure_columns; i++) {
		const struct figure_column *c = &figure_columns[i];
		if (!has_column(r, c, wide))
			continue;
		if (c->what != A_COUNT)
			add_rate(t, r, f, c->what);
		else
			table_addf(t, f->n[c->counter] ? COLOUR_PLAIN : COLOUR_DIM, "%lld", (long long)f->n[c->counter]);
	}
}

static void print_table(const struct report *r)
{
	struct table_column columns[TABLE_COLUMNS_MAX] = { { "", false, true } };
	static const char *const titles[BY_COUNT] = { "", "DAY", "HOUR", "SENDER", "CAMPAIGN", "DOMAIN", "PROVIDER", "HOST", "CATEGORY", "RULE" };
	bool wide = !term_width(stdout) || term_width(stdout) >= WIDE;
	size_t n = 1;
	struct table table;

	columns[0].title = titles[r->by];
	for (size_t i = 0; i < sizeof figure_columns / sizeof *figure_columns; i++)
		if (has_column(r, &figure_columns[i], wide))
			columns[n++] = (struct table_column){ figure_columns[i].title, true, false };
	table_start(&table, stdout, columns, n);
	for (size_t i = first_shown(r); r->by != BY_NONE && i < first_shown(r) + shown(r); i++)
		add_row(&table, r, r->rows.v[i], wide);
	add_row(&table, r, &r->total, wide);
	table_end(&table);
	if (r->by != BY_NONE && shown(r) < r->rows.n)
		(void)printf("... and %zu more: --limit\n", r->rows.n - shown(r));
}

/* One curve: a value for each day or hour from the first with results to the last. */
static void print_spark(const struct report *r, const char *name, enum figure_counter counter, enum colour colour)
{
	static int64_t values[SPARK_VALUES_MAX];
	char room[4 * SPARK_CELLS_MAX];
	struct buf b = BUF_ON(room);
	int64_t unit_s = r->by == BY_HOUR ? HOUR_S : CLOCK_DAY_S, most = 0;
	size_t last = r->rows.n - 1, width = term_width(stdout), n = 0;

	for (size_t i = r->rows.n; i-- > 0 && (r->rows.v[last]->begin_s - r->rows.v[i]->begin_s) / unit_s < SPARK_VALUES_MAX;) {
		size_t back = (size_t)((r->rows.v[last]->begin_s - r->rows.v[i]->begin_s) / unit_s);
		while (n <= back)
			values[n++] = 0;
		values[back] = r->rows.v[i]->n[counter];
		most = values[back] > most ? values[back] : most;
	}
	for (size_t i = 0; i < n / 2; i++) { /* the oldest first */
		int64_t value = values[i];
		values[i] = values[n - 1 - i];
		values[n - 1 - i] = value;
	}
	size_t cells = width > 40 ? width - 34 : 6;
	spark_add(&b, values, n, cells < SPARK_CELLS_MAX ? cells : SPARK_CELLS_MAX);
	(void)printf("%-10s %s%.*s%s  up to %lld\n", name, term_colour(stdout, colour), SV_ARG(buf_sv(&b)), term_colour(stdout, COLOUR_PLAIN), (long long)most);
}

static void print_finding(void *arg, const struct finding *f)
{
	bool *first = arg;

	if (*first)
		(void)printf("\n%sWhat it says%s\n", term_colour(stdout, COLOUR_BOLD), term_colour(stdout, COLOUR_PLAIN));
	*first = false;
	(void)printf("  %.*s\n", SV_ARG(f->text));
}

/* The days, or hours, as people name them: both are in it. */
static void period_text(const struct report *r, char from_r[CLOCK_TEXT_MAX], char to_r[CLOCK_TEXT_MAX])
{
	if (r->by == BY_HOUR) {
		clock_format_us(r->from_s * CLOCK_SECOND_US, from_r, CLOCK_TEXT_MAX);
		clock_format_us(r->to_s * CLOCK_SECOND_US, to_r, CLOCK_TEXT_MAX);
		return;
	}
	clock_format_date(r->from_s, from_r);
	clock_format_date(r->to_s - CLOCK_DAY_S, to_r);
}

static void print_text(const struct report *r)
{
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];

	period_text(r, from, to);
	(void)printf("%sDelivery results from %s to %s (UTC)%s\n", term_colour(stdout, COLOUR_BOLD), from, to, term_colour(stdout, COLOUR_PLAIN));
	if ((r->by == BY_DAY || r->by == BY_HOUR) && r->rows.n > 1 && term_utf8(stdout)) {
		print_spark(r, "delivered", FIGURE_DELIVERED, COLOUR_GREEN);
		print_spark(r, "soft", FIGURE_SOFT, COLOUR_YELLOW);
		print_spark(r, "hard", FIGURE_HARD, COLOUR_RED);
	}
	print_table(r);
	if (kind_of(r->by) == OF_TOTALS)
		(void)printf("%lld of code 5xx are soft, %lld became held or hard by repetition\n", (long long)r->total.n[FIGURE_HARD_AS_SOFT],
			(long long)r->total.n[FIGURE_SOFT_TO_HARD]);
}

/* A name that a shell takes as it is, whoever made it up. */
static bool is_plain(struct sv name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!sv_is_alnum(name.p[i]) && name.p[i] != '.' && name.p[i] != '-' && name.p[i] != '_')
			return false;
	return name.n && name.p[0] != '-';
}

/* What to type for the addresses behind a row: for the first one of which there are any. */
static void print_behind(const struct report *r)
{
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
	const struct figure *row = NULL;

	for (size_t i = first_shown(r); !row && r->by != BY_NONE && i < first_shown(r) + shown(r); i++) {
		const struct figure *f = r->rows.v[i];
		if (f->n[FIGURE_SOFT] + f->n[FIGURE_HARD] + f->n[FIGURE_FAILURES] && (r->by == BY_HOUR || is_plain(f->name)))
			row = f;
	}
	if (r->total.n[FIGURE_SOFT] + r->total.n[FIGURE_HARD] + r->total.n[FIGURE_FAILURES] == 0)
		return;
	period_text(r, from, to);
	(void)printf("\n%sThe addresses behind a row%s\n  nixie history", term_colour(stdout, COLOUR_BOLD), term_colour(stdout, COLOUR_PLAIN));
	if (r->by == BY_HOUR && row) {
		clock_format_us((row->begin_s + HOUR_S) * CLOCK_SECOND_US, to, sizeof to);
		(void)printf(" --since %.*s --until %s\n", SV_ARG(row->name), to);
	} else if (r->by == BY_DAY && row) {
		(void)printf(" --from %.*s --to %.*s\n", SV_ARG(row->name), SV_ARG(row->name));
	} else {
		(void)printf(r->by == BY_HOUR ? " --since %s --until %s" : " --from %s --to %s", from, to);
		if (kind_of(r->by) != OF_TOTALS)
			(void)printf(" --%s %.*s", figure_by_name(r->by), SV_ARG(row ? row->name : SV("NAME")));
		(void)puts("");
	}
}

/* ---- for programs ---- */

static void print_json(const struct report *r, const struct figure *f)
{
	struct json json = JSON_ON(stdout);
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];

	json_object(&json, NULL);
	if (f == &r->total) {
		period_text(r, from, to);
		json_text(&json, "row", SV("total"));
		json_text(&json, "from", sv_of(from));
		json_text(&json, "to", sv_of(to));
	} else {
		json_text(&json, "row", sv_of(figure_by_name(r->by)));
		json_text(&json, figure_by_name(r->by), f->name);
	}
	for (size_t i = 0; i < sizeof figure_columns / sizeof *figure_columns; i++) {
		const struct figure_column *c = &figure_columns[i];
		struct rate rate = rate_of(r, f, c->what);
		if (!has_column(r, c, true))
			continue;
		if (c->what == A_COUNT)
			json_number(&json, c->name, f->n[c->counter]);
		else if (rate.of)
			json_tenths(&json, c->name, rate_hundredths(&rate));
	}
	json_list(&json, "over");
	for (size_t i = 0; i < sizeof figure_columns / sizeof *figure_columns; i++) {
		struct rate rate = rate_of(r, f, figure_columns[i].what);
		if (has_column(r, &figure_columns[i], true) && is_over(r, &rate))
			json_text(&json, NULL, sv_of(figure_columns[i].name));
	}
	json_end_list(&json);
	json_end_object(&json);
	json_end_line(&json);
}

static void print_json_finding(void *arg, const struct finding *f)
{
	struct json json = JSON_ON(stdout);

	(void)arg;
	json_object(&json, NULL);
	json_text(&json, "row", SV("finding"));
	json_text(&json, "finding", sv_of(f->kind));
	json_text(&json, "value", f->value);
	json_member(&json, "intended", f->intended);
	json_number(&json, "count", f->count);
	json_number(&json, "of", f->of);
	json_text(&json, "text", f->text);
	json_end_object(&json);
	json_end_line(&json);
}

/* RFC 4180: in quotes, and quotes in it twice */
static void print_quoted(struct sv text)
{
	char clean[4 * SCHEMA_VALUE_MAX];
	struct buf b = BUF_ON(clean);

	buf_add_clean(&b, sv_head(text, SCHEMA_VALUE_MAX));
	(void)fputs(exchange_is_formula(buf_sv(&b)) ? "\"'" : "\"", stdout);
	for (size_t i = 0; i < b.n; i++)
		(void)printf(b.p[i] == '"' ? "\"\"" : "%c", b.p[i]);
	(void)putchar('"');
}

static void print_csv_row(const struct report *r, const struct figure *f)
{
	print_quoted(f->name);
	for (size_t i = 0; i < sizeof figure_columns / sizeof *figure_columns; i++) {
		const struct figure_column *c = &figure_columns[i];
		struct rate rate = rate_of(r, f, c->what);
		if (!has_column(r, c, true))
			continue;
		if (c->what == A_COUNT)
			(void)printf(",%lld", (long long)f->n[c->counter]);
		else if (rate.of)
			(void)printf(",%lld.%lld", (long long)(rate_hundredths(&rate) / 10), (long long)(rate_hundredths(&rate) % 10));
		else
			(void)putchar(',');
	}
	(void)puts("");
}

static void print_csv(const struct report *r)
{
	(void)fputs(r->by == BY_NONE ? "total" : figure_by_name(r->by), stdout);
	for (size_t i = 0; i < sizeof figure_columns / sizeof *figure_columns; i++)
		if (has_column(r, &figure_columns[i], true))
			(void)printf(",%s", figure_columns[i].name);
	(void)puts("");
	for (size_t i = first_shown(r); r->by != BY_NONE && i < first_shown(r) + shown(r); i++)
		print_csv_row(r, r->rows.v[i]);
	if (r->by == BY_NONE)
		print_csv_row(r, &r->total);
}

/* ---- ---- */

static void print_all_json(const struct report *r)
{
	print_json(r, &r->total);
	for (size_t i = first_shown(r); r->by != BY_NONE && i < first_shown(r) + shown(r); i++)
		print_json(r, r->rows.v[i]);
}

static enum store_result print_findings(const struct report *r, struct err *err)
{
	struct figures dests = { .n = 0 }, providers = { .n = 0 };
	bool first = true;
	enum store_result result = figures_read(&dests, r->ctl->store, BY_DEST, r->from_s, r->to_s, err);

	if (result == STORE_OK)
		result = figures_read(&providers, r->ctl->store, BY_PROVIDER, r->from_s, r->to_s, err);
	if (result == STORE_OK)
		findings_find(&r->ctl->config, &r->times, &dests, &providers, r->ctl->json ? print_json_finding : print_finding, &first);
	figures_free(&dests);
	figures_free(&providers);
	return result;
}

/* ---- mail that came back ---- */

static const char *const outcome_titles[RETURNS_OUTCOMES] = { [RECEIVE_NOTHING] = "NO EFFECT", [RECEIVE_COUNTED] = "COUNTED", [RECEIVE_TOLD] = "KNOWN", [RECEIVE_ASIDE] = "ASIDE" };

static void print_returns(const struct returns *returns)
{
	struct table_column columns[2 + RETURNS_OUTCOMES] = { { "KIND", false, true }, { "MAILS", true, false } };
	struct table table;

	(void)printf("\n%sMail that came back%s\n", term_colour(stdout, COLOUR_BOLD), term_colour(stdout, COLOUR_PLAIN));
	for (int o = 0; o < (int)RETURNS_OUTCOMES; o++)
		columns[2 + o] = (struct table_column){ outcome_titles[o], true, false };
	table_start(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (int k = 0; k < RETURNS_KINDS; k++) {
		if (!returns->kinds[k])
			continue;
		table_add(&table, sv_of(returns_kind_name(k)), COLOUR_PLAIN);
		table_addf(&table, COLOUR_PLAIN, "%lld", (long long)returns->kinds[k]);
		for (int o = 0; o < (int)RETURNS_OUTCOMES; o++)
			table_addf(&table, returns->n[k][o] ? COLOUR_PLAIN : COLOUR_DIM, "%lld", (long long)returns->n[k][o]);
	}
	table_end(&table);
	if (returns->outcomes[RECEIVE_ASIDE])
		(void)printf("%lld prove nothing and have no effect: nixie aside\n", (long long)returns->outcomes[RECEIVE_ASIDE]);
}

static void print_json_returns(const struct returns *returns)
{
	struct json json = JSON_ON(stdout);

	for (int k = 0; k < RETURNS_KINDS; k++) {
		if (!returns->kinds[k])
			continue;
		json_object(&json, NULL);
		json_text(&json, "row", SV("returned"));
		json_text(&json, "kind", sv_of(returns_kind_name(k)));
		json_number(&json, "mails", returns->kinds[k]);
		for (int o = 0; o < (int)RETURNS_OUTCOMES; o++)
			json_number(&json, receive_outcome_name((enum receive_outcome)o), returns->n[k][o]);
		json_end_object(&json);
		json_end_line(&json);
	}
}

/* There are results, but none of them has what was asked for. */
static const char *nothing_by(enum figure_by by)
{
	switch (by) {
	case BY_CAMPAIGN:
		return "no result of these days has a campaign: logtail.campaign-headers names the headers that it is in, and Postfix or Exim has to log them";
	case BY_PROVIDER:
		return "no result of these days is of a known provider: providers of the rules, nixie-rules(5), tell which relays are whose";
	case BY_RULE:
	case BY_CATEGORY:
		return "no failure of these days was classified: there were only deliveries";
	case BY_NONE: case BY_DAY: case BY_HOUR: case BY_SENDER: case BY_DEST: case BY_HOST: case BY_COUNT:
		break;
	}
	return "no result of these days has that; nixie report shows the days";
}

static int run(struct report *r)
{
	struct returns returns = { .mails = 0 };
	struct err err;
	int code = EXIT_OK;
	enum store_result result = figures_read(&r->times, r->ctl->store, r->by == BY_HOUR ? BY_HOUR : BY_DAY, r->from_s, r->to_s, &err);

	if (result == STORE_OK)
		result = figures_read(&r->rows, r->ctl->store, r->by, r->from_s, r->to_s, &err);
	if (result == STORE_OK) {
		/* rules and categories have their own; values that many partitions have are those of the days */
		r->total = figures_total(kind_of(r->by) == OF_TOTALS ? &r->times : &r->rows);
		code = r->rows.n || (r->times.n && r->by == BY_NONE) ? EXIT_OK : EXIT_NOT_FOUND;
	}
	bool for_people = !r->ctl->json && !r->csv;
	if (result == STORE_OK && (r->by == BY_NONE || r->by == BY_DAY) && !r->csv)
		result = returns_read(&returns, r->ctl->store, r->from_s, r->to_s, &err);
	if (returns.mails)
		code = EXIT_OK;
	if (result == STORE_OK && code == EXIT_NOT_FOUND && (for_people || !r->times.n)) {
		if (for_people)
			(void)puts(r->times.n ? nothing_by(r->by) : "there are no results in this time");
	} else if (result == STORE_OK) {
		(r->csv ? print_csv : r->ctl->json ? print_all_json : print_text)(r);
		if (returns.mails)
			(for_people ? print_returns : print_json_returns)(&returns);
		if (!r->csv)
			result = print_findings(r, &err);
		if (result == STORE_OK && !r->csv && !r->ctl->json && isatty(STDOUT_FILENO))
			print_behind(r);
	}
	if (result != STORE_OK)
		code = verb_store_failed(&err);
	figures_free(&r->rows);
	figures_free(&r->times);
	return code;
}

static bool take_by(const char *text, enum figure_by *by_r)
{
	*by_r = BY_NONE;
	if (!text)
		return true;
	for (int i = BY_DAY; i < BY_COUNT; i++) {
		*by_r = (enum figure_by)i;
		if (strcmp(text, figure_by_name(*by_r)) == 0)
			return true;
	}
	log_error("--by %s: write day, hour, sender, campaign, dest, provider, host, category or rule", text);
	return false;
}

int verb_report(struct ctl *ctl, int argc, char **argv)
{
	struct report r = { .ctl = ctl };
	const char *from = NULL, *to = NULL, *last = NULL, *by = NULL, *limit = NULL, *html = NULL;
	const struct verb_option own[] = { { "from", &from, NULL }, { "to", &to, NULL }, { "last", &last, NULL }, { "by", &by, NULL },
		{ "limit", &limit, NULL }, { "csv", NULL, &r.csv }, { "html", &html, NULL }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "report", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: say by options what to report, as in: nixie report --last \"7 days\" --by dest", argv[optind]);
		return EXIT_USAGE;
	}
	if (r.csv && ctl->json) {
		log_error("write --csv or --json");
		return EXIT_USAGE;
	}
	if (html && (by || limit || r.csv || ctl->json)) {
		log_error("--html makes a page of all of it: write it without --by, --limit, --csv and --json");
		return EXIT_USAGE;
	}
	if (!take_by(by, &r.by) || !verb_limit(limit, &r.limit))
		return EXIT_USAGE;
	if (!days_take(last, from, to, r.by == BY_HOUR, &r.from_s, &r.to_s))
		return EXIT_USAGE;
	return html ? page_write(ctl, html, r.from_s, r.to_s) : run(&r);
}
