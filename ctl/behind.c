/* behind: the failures behind a figure of nixie report, from the histories of all addresses; those that a conversion made hard or
 * held from the journal, which alone tells of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "days.h"
#include "figures.h"
#include "filter.h"
#include "history.h"
#include "log.h"
#include "table.h"

#define HOUR_S INT64_C(3600)
/* The newest that people get without --limit; and at most, because they are kept until all are seen. */
#define LIMIT_TEXT 100
#define LIMIT_MAX 100000
/* Columns that a terminal of fewer cells does without */
#define WIDE 140
#define MIDDLE 100

enum which { ALL, SOFT, HARD, HARD_AS_SOFT, SOFT_TO_HARD, WHICHES };
static const char *const which_names[WHICHES] = { "", "soft", "hard", "hard-as-soft", "soft-to-hard" };

/* One that is kept until it is known whether it is among the newest. Its strings are behind it. */
struct kept {
	struct sv address;
	struct bounce bounce;
	enum status to; /* that a conversion made of it; STATUS_NONE: none did */
};

struct behind {
	struct ctl *ctl;
	const struct history_filter *f;
	enum which which;
	enum category category;
	struct ruleset *rules; /* to tell providers */
	int64_t from_s, to_s;
	uint64_t limit;        /* 0: each as it comes */
	struct kept **newest;  /* the oldest of them first: a heap */
	size_t n, size;
	uint64_t on_record;
	int64_t counted, elsewhere; /* counted: -1: no counter is of just these; elsewhere: under "*" */
};

/* ---- which are meant ---- */

static bool is_sender(struct sv sender, const char *wanted)
{
	return sv_eq_nocase(strchr(wanted, '@') ? sender : sv_after_last(sender, '@'), sv_of(wanted));
}

static bool has_class(enum which which, const struct failure *f)
{
	switch (which) {
	case SOFT: return f->class_ == CLASS_SOFT;
	case HARD: return f->class_ == CLASS_HARD;
	case HARD_AS_SOFT: return f->class_ == CLASS_SOFT && f->code >= 500;
	case ALL: case SOFT_TO_HARD: case WHICHES: break;
	}
	return true;
}

static bool is_meant(const struct behind *h, struct sv address, const struct bounce *b)
{
	const struct history_filter *f = h->f;
	const struct occurrence *o = &b->failure.occurrence;
	struct sv message = o->message;

	if (b->unsubscribed || o->last_s < h->from_s || o->last_s >= h->to_s || !has_class(h->which, &b->failure))
		return false;
	if (f->dest && !sv_eq_nocase(sv_after_last(address, '@'), sv_of(f->dest)))
		return false;
	if ((f->sender && !is_sender(b->sender, f->sender)) || (f->campaign && !sv_eq(b->campaign, sv_of(f->campaign))))
		return false;
	if (f->host && !sv_eq(sv_cut(&message, '/'), sv_of(f->host)))
		return false;
	if (f->category && o->category != h->category)
		return false;
	if (f->rule && !sv_eq(o->rule.n ? o->rule : SV("-"), sv_of(f->rule)))
		return false;
	return !f->provider || sv_eq(ruleset_provider(h->rules, b->failure.remote), sv_of(f->provider));
}

/* ---- the newest of them ---- */

static int order(const struct kept *x, const struct kept *y)
{
	int64_t m = x->bounce.failure.occurrence.last_s, n = y->bounce.failure.occurrence.last_s;
	size_t both = x->address.n < y->address.n ? x->address.n : y->address.n;
	int c = both ? memcmp(x->address.p, y->address.p, both) : 0;

	if (m != n)
		return m < n ? -1 : 1;
	return c ? -c : (x->address.n < y->address.n) - (x->address.n > y->address.n);
}

static int newest_first(const void *a, const void *b)
{
	return order(*(struct kept *const *)b, *(struct kept *const *)a);
}

static struct kept *keep(struct sv address, const struct bounce *b, enum status to)
{
	const struct failure *f = &b->failure;
	const struct sv *const from[] = { &address, &f->occurrence.rule, &f->occurrence.message, &f->text, &f->remote, &b->sender, &b->campaign,
		&b->scope, &b->proof };
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof from / sizeof *from; i++)
		bytes += from[i]->n;
	struct kept *k = xalloc(sizeof *k + bytes);
	struct sv *const texts[] = { &k->address, &k->bounce.failure.occurrence.rule, &k->bounce.failure.occurrence.message, &k->bounce.failure.text,
		&k->bounce.failure.remote, &k->bounce.sender, &k->bounce.campaign, &k->bounce.scope, &k->bounce.proof };
	char *room = (char *)(k + 1);
	*k = (struct kept){ .bounce = *b, .to = to };
	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		if (from[i]->n)
			memcpy(room, from[i]->p, from[i]->n);
		*texts[i] = sv_make(room, from[i]->n);
		room += from[i]->n;
	}
	return k;
}

static void swap(struct kept **x, struct kept **y)
{
	struct kept *k = *x;

	*x = *y;
	*y = k;
}

static void sink(struct behind *h, size_t i)
{
	for (size_t least = i;; i = least) {
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
			if (order(h->newest[child], h->newest[least]) < 0)
				least = child;
		if (least == i)
			return;
		swap(&h->newest[i], &h->newest[least]);
	}
}

static void keep_if_new(struct behind *h, struct sv address, const struct bounce *b, enum status to)
{
	struct kept one = { .address = address, .bounce = *b };

	if (h->n == h->limit) {
		if (order(&one, h->newest[0]) < 0)
			return;
		free(h->newest[0]);
		h->newest[0] = keep(address, b, to);
		sink(h, 0);
		return;
	}
	h->newest = xgrow(h->newest, h->n, &h->size, sizeof *h->newest);
	h->newest[h->n] = keep(address, b, to);
	for (size_t i = h->n++; i > 0 && order(h->newest[i], h->newest[(i - 1) / 2]) < 0; i = (i - 1) / 2)
		swap(&h->newest[i], &h->newest[(i - 1) / 2]);
}

/* ---- reading ---- */

static void print_json(struct sv address, const struct bounce *b, enum status to)
{
	struct json json = JSON_ON(stdout);

	json_object(&json, NULL);
	json_text(&json, "row", SV("failure"));
	history_json(&json, address, b);
	if (to != STATUS_NONE)
		json_text(&json, "converted-to", sv_of(status_name(to)));
	json_end_object(&json);
	json_end_line(&json);
}

static void take(struct behind *h, struct sv address, const struct bounce *b, enum status to)
{
	if (!is_meant(h, address, b))
		return;
	h->on_record++;
	if (h->limit)
		keep_if_new(h, address, b, to);
	else
		print_json(address, b, to);
}

static void on_bounce(void *arg, struct sv address, const struct bounce *b)
{
	take(arg, address, b, STATUS_NONE);
}

/* Hard, or held, by a conversion; those of one page of the journal. */
struct made {
	struct made *next;
	struct sv address, rule, remote;
	enum category reason;
	enum status to;
	int64_t time_s;
};

struct page {
	const struct behind *h;
	struct arena arena;
	struct made *first;
	uint64_t n; /* steps of all kinds */
};

static void on_step(void *arg, const struct journal_entry *e)
{
	struct page *page = arg;

	page->n++;
	if (!sv_eq(e->why, SV("conversion")) || e->time_s < page->h->from_s || e->time_s >= page->h->to_s)
		return;
	struct made *c = arena_alloc(&page->arena, sizeof *c);
	*c = (struct made){ .next = page->first, .address = arena_dup(&page->arena, e->address), .rule = arena_dup(&page->arena, e->rule),
		.remote = arena_dup(&page->arena, e->remote), .reason = e->reason, .to = e->to, .time_s = e->time_s };
	page->first = c;
}

/* The failure in the history that the conversion was made at: the journal has no message, and no words of the server. */
struct occasion {
	struct behind *h;
	const struct made *made;
	bool found;
};

static void on_occasion(void *arg, struct sv address, const struct bounce *b)
{
	struct occasion *o = arg;

	if (o->found || b->failure.occurrence.last_s != o->made->time_s)
		return;
	o->found = true;
	take(o->h, address, b, o->made->to);
}

static enum store_result take_conversion(struct behind *h, const struct made *c, struct err *err)
{
	struct occasion o = { .h = h, .made = c };
	enum store_result result = store_history(h->ctl->store, c->address, on_occasion, &o, err);

	if (result == STORE_OK && !o.found) {
		struct bounce b = { .failure = { .class_ = CLASS_SOFT, .remote = c->remote,
			.occurrence = { .category = c->reason, .rule = c->rule, .last_s = c->time_s } } };
		take(h, c->address, &b, c->to);
	}
	return result;
}

static enum store_result read_conversions(struct behind *h, struct err *err)
{
	unsigned partitions = store_partitions(h->ctl->store, err);

	if (!partitions)
		return STORE_UNREACHABLE;
	struct journal_place *places = xalloc(partitions * sizeof *places);
	memset(places, 0, partitions * sizeof *places);
	struct page page = { .h = h };
	enum store_result result;
	do {
		page.n = 0;
		page.first = NULL;
		arena_reset(&page.arena);
		result = store_journal_next(h->ctl->store, places, on_step, &page, err);
		for (const struct made *c = page.first; c && result == STORE_OK; c = c->next)
			result = take_conversion(h, c, err);
	} while (result == STORE_OK && page.n);
	arena_free(&page.arena);
	free(places);
	return result;
}

/* ---- what the counters tell of them ---- */

/* The one thing that they have in common, and its value. False: there are several, and no counter is of those. */
static bool what_counts(const struct behind *h, enum figure_by *by_r, const char **value_r)
{
	const struct history_filter *f = h->f;
	const struct { enum figure_by by; const char *value; } all[] = { { BY_SENDER, f->sender }, { BY_CAMPAIGN, f->campaign }, { BY_DEST, f->dest },
		{ BY_PROVIDER, f->provider }, { BY_HOST, f->host }, { BY_CATEGORY, f->category }, { BY_RULE, f->rule } };
	size_t n = 0;

	*by_r = BY_NONE;
	*value_r = NULL;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (!all[i].value)
			continue;
		n++;
		*by_r = all[i].by;
		*value_r = all[i].value;
	}
	bool days = h->from_s % CLOCK_DAY_S == 0 && (h->to_s % CLOCK_DAY_S == 0 || h->to_s > clock_now_s());
	bool hours = h->from_s % HOUR_S == 0 && (h->to_s % HOUR_S == 0 || h->to_s > clock_now_s());
	if (n == 0 && !days && hours)
		*by_r = BY_HOUR;
	else if (!days)
		return false;
	if (h->which == HARD_AS_SOFT || h->which == SOFT_TO_HARD)
		return n == 0;
	return n == 0 || (n == 1 && !(f->category && h->which != ALL) && !(f->sender && strchr(f->sender, '@')));
}

static int64_t count_in(const struct behind *h, const struct figure *f)
{
	switch (h->which) {
	case SOFT: return f->n[FIGURE_SOFT];
	case HARD: return f->n[FIGURE_HARD];
	case HARD_AS_SOFT: return f->n[FIGURE_HARD_AS_SOFT];
	case SOFT_TO_HARD: return f->n[FIGURE_SOFT_TO_HARD];
	case ALL: case WHICHES: break;
	}
	return f->n[FIGURE_SOFT] + f->n[FIGURE_HARD] + f->n[FIGURE_FAILURES];
}

static enum store_result read_counted(struct behind *h, struct err *err)
{
	struct figures figures;
	enum figure_by by;
	const char *value;

	h->counted = -1;
	if (!what_counts(h, &by, &value))
		return STORE_OK;
	enum store_result result = figures_read(&figures, h->ctl->store, by, h->from_s, h->to_s < clock_now_s() ? h->to_s : clock_now_s() + 1, err);
	if (result == STORE_OK) {
		h->counted = 0;
		for (size_t i = 0; i < figures.n; i++)
			if (!value || sv_eq_nocase(figures.v[i]->name, sv_of(value)))
				h->counted += count_in(h, figures.v[i]);
			else if (sv_eq(figures.v[i]->name, SV("*")))
				h->elsewhere += count_in(h, figures.v[i]);
	}
	figures_free(&figures);
	return result;
}

/* ---- telling ---- */

static const struct behind_column {
	struct table_column column;
	size_t from; /* a terminal has so many cells */
} columns[] = { { { "TIME", false, false }, 0 }, { { "ADDRESS", false, true }, 0 }, { { "CLASS", false, false }, MIDDLE }, { { "CATEGORY", false, false }, WIDE },
	{ { "CODE", false, false }, 0 }, { { "SENDER", false, true }, MIDDLE }, { { "CAMPAIGN", false, true }, WIDE }, { { "TEXT", false, true }, 0 } };
#define COLUMNS (sizeof columns / sizeof *columns)

static void add_row(struct table *t, const struct kept *k, size_t width)
{
	const struct failure *f = &k->bounce.failure;
	char time[CLOCK_TEXT_MAX], enhanced[ENHANCED_TEXT_MAX], code[32] = "", class_[32];

	enhanced_format(f->enhanced, enhanced);
	if (f->code)
		(void)snprintf(code, sizeof code, "%d %s", f->code, enhanced);
	(void)snprintf(class_, sizeof class_, "%s%s%s", class_name(f->class_), k->to ? ", then " : "", k->to ? status_name(k->to) : "");
	const struct sv texts[COLUMNS] = { sv_of(history_time(f->occurrence.last_s, time)), k->address, sv_of(class_), sv_of(category_name(f->occurrence.category)),
		sv_of(code), k->bounce.sender, k->bounce.campaign, f->text };
	const enum colour colours[COLUMNS] = { [2] = f->class_ == CLASS_HARD || k->to ? COLOUR_RED : COLOUR_YELLOW, [COLUMNS - 1] = COLOUR_DIM };
	for (size_t i = 0; i < COLUMNS; i++)
		if (!width || width >= columns[i].from)
			table_add(t, texts[i], colours[i]);
}

static void print_table(struct behind *h)
{
	struct table_column shown[COLUMNS];
	size_t width = term_width(stdout), n = 0;
	struct table table;

	for (size_t i = 0; i < COLUMNS; i++)
		if (!width || width >= columns[i].from)
			shown[n++] = columns[i].column;
	table_start(&table, stdout, shown, n);
	for (size_t i = 0; i < h->n; i++)
		add_row(&table, h->newest[i], width);
	table_end(&table);
}

/* What was found nowhere may be older. */
static void print_looked_at(const struct behind *h)
{
	const struct history_filter *f = h->f;
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];

	if (!f->last && !f->from && !f->to && !f->since && !f->until)
		(void)puts("looked at: the last 7 days; --last \"30 days\" for more");
	else
		(void)printf("looked at: from %s to %s\n", h->from_s > INT64_MIN ? history_time(h->from_s, from) : "the first",
			h->to_s < INT64_MAX ? history_time(h->to_s, to) : "now");
}

static void print_text(struct behind *h)
{
	print_table(h);
	if (h->n < h->on_record)
		(void)printf("... and %" PRIu64 " older: --limit, or --json\n", h->on_record - h->n);
	(void)printf("%" PRIu64 " %s on record", h->on_record, h->which == SOFT_TO_HARD ? h->on_record == 1 ? "conversion is" : "conversions are" :
		h->on_record == 1 ? "failure is" : "failures are");
	if (h->counted >= 0)
		(void)printf("; %" PRId64 " %s counted", h->counted, h->counted == 1 ? "was" : "were");
	if (h->elsewhere)
		(void)printf(", and %" PRId64 " as * (with others)", h->elsewhere);
	(void)puts(h->counted >= 0 && h->counted != (int64_t)h->on_record ? " (nixie(1), history, says why they differ)" : "");
	if (h->on_record == 0)
		print_looked_at(h);
}

static void print_total(const struct behind *h)
{
	struct json json = JSON_ON(stdout);
	char time[CLOCK_TEXT_MAX];

	json_object(&json, NULL);
	json_text(&json, "row", SV("total"));
	if (h->from_s > INT64_MIN)
		json_text(&json, "from", sv_of(history_time(h->from_s, time)));
	if (h->to_s < INT64_MAX)
		json_text(&json, "to", sv_of(history_time(h->to_s, time)));
	json_number(&json, "on-record", (int64_t)h->on_record);
	if (h->counted >= 0)
		json_number(&json, "counted", h->counted);
	if (h->elsewhere)
		json_number(&json, "counted-as-rest", h->elsewhere);
	json_end_object(&json);
	json_end_line(&json);
}

/* ---- ---- */

static int run(struct behind *h)
{
	struct err err;
	struct sv domain = h->f->dest ? sv_of(h->f->dest) : SV("");
	enum store_result result = read_counted(h, &err);

	if (result == STORE_OK && h->which == SOFT_TO_HARD)
		result = read_conversions(h, &err);
	else if (result == STORE_OK)
		result = store_histories_since(h->ctl->store, h->from_s, domain, on_bounce, h, &err);
	if (result == STORE_OK) {
		if (h->n)
			qsort(h->newest, h->n, sizeof *h->newest, newest_first);
		for (size_t i = 0; h->ctl->json && i < h->n; i++)
			print_json(h->newest[i]->address, &h->newest[i]->bounce, h->newest[i]->to);
		if (h->ctl->json)
			print_total(h);
		else
			print_text(h);
	}
	for (size_t i = 0; i < h->n; i++)
		free(h->newest[i]);
	free(h->newest);
	return result != STORE_OK ? verb_store_failed(&err) : h->on_record ? EXIT_OK : EXIT_NOT_FOUND;
}

static bool take_period(struct behind *h)
{
	const struct history_filter *f = h->f;
	bool moments = f->since || f->until;

	if (moments && (f->last || f->from || f->to)) {
		log_error("write --since and --until, which are moments, or --last, or --from and --to, which are whole days");
		return false;
	}
	h->from_s = INT64_MIN;
	h->to_s = INT64_MAX;
	return moments ? verb_time("since", f->since, &h->from_s) && verb_time("until", f->until, &h->to_s) :
		days_take(f->last, f->from, f->to, false, &h->from_s, &h->to_s);
}

static bool take_limit(struct behind *h)
{
	h->limit = h->ctl->json ? 0 : LIMIT_TEXT;
	if (!verb_limit(h->f->limit, &h->limit))
		return false;
	if (h->limit <= LIMIT_MAX)
		return true;
	log_error("--limit %s: %d at most; --json without it has all", h->f->limit, LIMIT_MAX);
	return false;
}

static bool take_names(struct behind *h)
{
	const struct history_filter *f = h->f;
	const char *const values[] = { f->sender, f->campaign, f->dest, f->provider, f->host };

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if (values[i] && strcmp(values[i], "*") == 0) {
			log_error("* is what was counted together when a day had no room for more names: leave the option out, and look for names that are not in the report");
			return false;
		}
	}
	if (f->category && !category_by_name(sv_of(f->category), &h->category)) {
		log_error("--category %s: there is no such category; nixie-rules(5) lists them", f->category);
		return false;
	}
	for (int i = SOFT; f->class_ && i < WHICHES; i++)
		if (strcmp(f->class_, which_names[i]) == 0)
			h->which = (enum which)i;
	if (f->class_ && h->which == ALL)
		log_error("--class %s: write soft, hard, hard-as-soft or soft-to-hard", f->class_);
	return !f->class_ || h->which != ALL;
}

int history_behind(struct ctl *ctl, const struct history_filter *given)
{
	struct history_filter filter = *given;
	struct behind h = { .ctl = ctl, .f = &filter };
	struct err err;

	if (!take_names(&h) || !take_limit(&h) || !take_period(&h))
		return EXIT_USAGE;
	filter.dest += filter.dest && *filter.dest == '@';
	if (filter.provider && !(h.rules = cli_load_rules(&ctl->config, &err))) {
		log_fatal("%s", err.text);
		return EXIT_CONFIG;
	}
	if (filter.provider)
		filter_hint_provider(h.rules, filter.provider);
	int code = run(&h);
	ruleset_free(h.rules);
	return code;
}
