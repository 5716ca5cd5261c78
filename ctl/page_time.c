/* page_time: outcomes, rates and conversions over 3 and 12 months. */
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "chart.h"
#include "clock.h"
#include "page_parts.h"

#define WEEK_DAYS 7

/* The figures of each day of some months. */
struct months {
	int months;
	const char *title;
	int64_t from_s, to_s;
	size_t n;
	struct figure total;
	int64_t v[FIGURE_COUNTERS][CHART_POINTS_MAX];
	int64_t rates[RATE_KINDS][CHART_POINTS_MAX];
	int64_t soft_rate[CHART_POINTS_MAX];
	char names[CHART_POINTS_MAX][CHART_NAME_MAX];
	struct chart chart;
};

static void read_window(const struct page *p, struct months *w)
{
	w->to_s = p->to_s;
	w->from_s = clock_before_us(p->to_s * CLOCK_SECOND_US, (struct span){ .months = w->months }) / CLOCK_SECOND_US;
	w->n = (size_t)((w->to_s - w->from_s) / CLOCK_DAY_S);
	for (size_t i = 0; i < w->n; i++) {
		clock_format_date(w->from_s + (int64_t)i * CLOCK_DAY_S, w->names[i]);
		w->rates[RATE_HARD][i] = w->rates[RATE_ALL][i] = w->rates[RATE_COMPLAINT][i] = w->soft_rate[i] = CHART_NONE;
	}
	for (size_t d = 0; d < p->year.n; d++) {
		const struct figure *f = p->year.v[d];
		if (f->begin_s < w->from_s || f->begin_s >= w->to_s)
			continue;
		size_t i = (size_t)((f->begin_s - w->from_s) / CLOCK_DAY_S);
		for (int c = 0; c < FIGURE_COUNTERS; c++) {
			w->v[c][i] = f->n[c];
			w->total.n[c] += f->n[c];
		}
		for (int k = 0; k < RATE_KINDS; k++) {
			struct rate rate = figure_rate(f, (enum rate_kind)k, p->config);
			w->rates[k][i] = rate.of ? rate_hundredths(&rate) : CHART_NONE;
		}
		struct rate soft = { f->n[FIGURE_SOFT], figure_finals(f), 0 };
		w->soft_rate[i] = soft.of ? rate_hundredths(&soft) : CHART_NONE;
	}
}

/* ---- the axis of time ---- */

static void name_month(const struct months *w, const struct civil *day, struct chart_tick *tick)
{
	static const char names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	if (w->months <= 3)
		(void)snprintf(tick->text, sizeof tick->text, "%s %d", names[day->month - 1], day->year);
	else if (day->month == 1)
		(void)snprintf(tick->text, sizeof tick->text, "%d", day->year);
	else
		(void)snprintf(tick->text, sizeof tick->text, "%s", names[day->month - 1]);
	tick->minor = w->months > 3 && day->month % 2 == 0;
}

/* Each calendar month of points that are so many days. */
static void add_months(struct months *w, int days)
{
	struct chart *c = &w->chart;
	int month = 0;

	c->n_ticks = 0;
	for (size_t i = 0; i < c->n; i++) {
		struct civil day;
		clock_s_to_civil(w->from_s + (int64_t)i * days * CLOCK_DAY_S, &day);
		if (day.month != month && c->n_ticks < CHART_TICKS_MAX) {
			struct chart_tick *tick = &c->ticks[c->n_ticks++];
			*tick = (struct chart_tick){ .from = i };
			name_month(w, &day, tick);
		}
		month = day.month;
		c->ticks[c->n_ticks - 1].to = i + 1;
	}
	for (size_t i = 0; i < c->n_ticks; i++)
		if (2 * (c->ticks[i].to - c->ticks[i].from) * c->n_ticks < c->n)
			c->ticks[i].text[0] = '\0';
}

/* ---- charts ---- */

static void begin_figure(struct page *p, const char *title, const char *lead)
{
	buf_addf(&p->to, "<figure>\n<h3>%s</h3>\n<p class=\"note\">%s</p>\n", title, lead);
}

static void add_chart(struct page *p, const struct months *w, const struct page_key *keys, const char *nothing)
{
	if (chart_has_marks(&w->chart)) {
		page_add_legend(p, keys);
		chart_add(&p->to, &w->chart);
	} else {
		buf_addf(&p->to, "<p class=\"quiet\">%s</p>\n", figure_finals(&w->total) ? nothing : "There are no results in these months.");
	}
	page_add(p, "</figure>\n");
}

/* For those who do not see it: what of, and the sums. */
static const char *label_of(const struct months *w, const char *what, char *room, size_t size)
{
	struct buf b = { room, 0, size, false };

	buf_addf(&b, "%s, ", what);
	page_add_period(&b, w->from_s, w->to_s);
	for (int i = 0; i < 3; i++) {
		static const struct { enum figure_counter counter; const char *name; } sums[] = {
			{ FIGURE_DELIVERED, "delivered" }, { FIGURE_SOFT, "soft" }, { FIGURE_HARD, "hard" } };
		buf_addf(&b, "%s ", i ? ", " : ": ");
		html_number(&b, w->total.n[sums[i].counter]);
		buf_addf(&b, " %s", sums[i].name);
	}
	return buf_cstr(&b);
}

static void add_outcomes(struct page *p, struct months *w)
{
	char label[200];

	w->chart = (struct chart){ .label = label_of(w, "Results of each day", label, sizeof label), .n = w->n, .names = w->names, .n_panels = 2, .panels = {
		{ .title = "delivered, messages a day", .n_series = 1, .series = { { "delivered", "delivered", w->v[FIGURE_DELIVERED] } } },
		{ .title = "bounced, messages a day", .n_series = 2,
			.series = { { "hard", "hard", w->v[FIGURE_HARD] }, { "soft", "soft", w->v[FIGURE_SOFT] } } } } };
	add_months(w, 1);
	begin_figure(p, "Results by day", "Bounces have a scale of their own, so that they are seen beside the deliveries.");
	add_chart(p, w, (const struct page_key[]){ { "delivered", "delivered" }, { "soft bounce", "soft" }, { "hard bounce", "hard" }, { NULL, NULL } }, "");
}

static void add_rates(struct page *p, struct months *w)
{
	const struct config *c = p->config;
	char label[200];

	w->chart = (struct chart){ .label = label_of(w, "Rates of each day", label, sizeof label), .n = w->n, .names = w->names, .n_panels = 3, .panels = {
		{ .title = "hard, % of final results", .lines = true, .percent = true, .limit = c->alerts_hard * 10, .n_series = 1,
			.series = { { "hard", "hard", w->rates[RATE_HARD] } } },
		{ .title = "all bounces and soft, % of final results", .lines = true, .percent = true, .limit = c->alerts_all * 10, .n_series = 2,
			.series = { { "soft", "soft", w->soft_rate }, { "all bounces", "all", w->rates[RATE_ALL] } } },
		{ .title = "complaints, % of delivered", .lines = true, .percent = true, .limit = c->alerts_complaints * 10, .n_series = 1,
			.series = { { "complaints", "complaint", w->rates[RATE_COMPLAINT] } } } } };
	add_months(w, 1);
	begin_figure(p, "Rates by day", "What is over its limit on a day of enough results opens an alert.");
	add_chart(p, w, (const struct page_key[]){ { "hard", "hard" }, { "all bounces", "all" }, { "soft", "soft" }, { "complaints", "complaint" },
		{ "limit", NULL }, { NULL, NULL } }, "Nothing bounced in these months, and nobody complained.");
}

/* Sums of seven days, the last of them ends the window. */
static size_t weeks_of(const struct months *w, enum figure_counter counter, int64_t *weeks_r)
{
	size_t n = (w->n + WEEK_DAYS - 1) / WEEK_DAYS;

	for (size_t i = 0; i < n; i++)
		weeks_r[i] = 0;
	for (size_t i = 0; i < w->n; i++)
		weeks_r[n - 1 - (w->n - 1 - i) / WEEK_DAYS] += w->v[counter][i];
	return n;
}

static void add_conversions(struct page *p, struct months *w)
{
	int64_t to_hard[CHART_POINTS_MAX], to_soft[CHART_POINTS_MAX];
	char label[200], names[CHART_POINTS_MAX][CHART_NAME_MAX];
	size_t n = weeks_of(w, FIGURE_SOFT_TO_HARD, to_hard);

	(void)weeks_of(w, FIGURE_HARD_AS_SOFT, to_soft);
	for (size_t i = 0; i < n; i++) {
		char date[11];
		int64_t begin_s = w->to_s - (int64_t)(n - i) * WEEK_DAYS * CLOCK_DAY_S;
		clock_format_date(begin_s < w->from_s ? w->from_s : begin_s, date);
		(void)snprintf(names[i], sizeof names[i], "week of %s", date);
	}
	w->chart = (struct chart){ .label = label_of(w, "Conversions of each week", label, sizeof label), .n = n, .names = names, .n_panels = 2, .panels = {
		{ .title = "soft to held or hard, addresses a week", .n_series = 1, .series = { { "soft became held or hard", "hard", to_hard } } },
		{ .title = "5xx judged soft, messages a week", .n_series = 1, .series = { { "5xx judged soft", "soft", to_soft } } } } };
	add_months(w, WEEK_DAYS);
	begin_figure(p, "Conversions by week", "Both ways: addresses whose repeated soft bounces made them held or hard, and refusals of code 5xx that say nothing "
		"about the recipient and are judged soft.");
	add_chart(p, w, (const struct page_key[]){ { "soft became held or hard", "hard" }, { "5xx judged soft", "soft" }, { NULL, NULL } }, "Nothing was converted in these months.");
}

/* ---- tables ---- */

static const struct page_column time_columns[] = { PAGE_COUNT("Delivered", FIGURE_DELIVERED), PAGE_COUNT("Soft", FIGURE_SOFT),
	PAGE_COUNT("Hard", FIGURE_HARD), PAGE_COUNT("Complaints", FIGURE_COMPLAINT), PAGE_RATE("Hard %", RATE_HARD), PAGE_RATE("All %", RATE_ALL),
	PAGE_RATE("Compl. %", RATE_COMPLAINT), PAGE_COUNT("5xx soft", FIGURE_HARD_AS_SOFT), PAGE_COUNT("To hard", FIGURE_SOFT_TO_HARD) };
#define TIME_COLUMNS (sizeof time_columns / sizeof *time_columns)

static bool in_window(const struct months *w, const struct figure *f)
{
	return f->begin_s >= w->from_s && f->begin_s < w->to_s;
}

/* name: so much of a date as the rows have in common */
static void add_rows(struct page *p, const struct months *w, size_t name)
{
	struct figure sum = { .n = { 0 } };

	for (size_t i = 0; i < p->year.n; i++) {
		const struct figure *f = p->year.v[i];
		if (!in_window(w, f))
			continue;
		for (int c = 0; c < FIGURE_COUNTERS; c++)
			sum.n[c] += f->n[c];
		if (i + 1 < p->year.n && sv_eq(sv_head(p->year.v[i + 1]->name, name), sv_head(f->name, name)))
			continue;
		page_add_row(p, sv_head(f->name, name), &sum, time_columns, TIME_COLUMNS);
		sum = (struct figure){ .n = { 0 } };
	}
}

static void add_window(struct page *p, struct months *w)
{
	bool year = w->months > 3;

	read_window(p, w);
	buf_addf(&p->to, "<section>\n<h2>%s</h2>\n<p class=\"note\">", w->title);
	page_add_period(&p->to, w->from_s, w->to_s);
	page_add(p, ", UTC</p>\n");
	add_outcomes(p, w);
	add_rates(p, w);
	if (year)
		add_conversions(p, w);
	if (figure_finals(&w->total)) {
		page_add(p, year ? "" : "<details>\n<summary>The numbers of each day</summary>\n");
		page_begin_table(p, year ? "By month" : "By day", year ? "Month" : "Day", time_columns, TIME_COLUMNS);
		add_rows(p, w, year ? sizeof "yyyy-mm" - 1 : sizeof "yyyy-mm-dd" - 1);
		page_end_table(p);
		page_add(p, year ? "" : "</details>\n");
	}
	page_add(p, "</section>\n");
}

void page_add_times(struct page *p)
{
	static const struct { int months; const char *title; } windows[] = { { 3, "Three months" }, { 12, "Twelve months" } };

	for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
		struct months *w = xalloc(sizeof *w);
		*w = (struct months){ .months = windows[i].months, .title = windows[i].title };
		add_window(p, w);
		free(w);
	}
}
