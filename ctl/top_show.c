/* top: a reading as a picture, and as JSON. */
#include <inttypes.h>
#include <stdio.h>

#include "alert.h"
#include "clock.h"
#include "doctor.h"
#include "json.h"
#include "spark.h"
#include "top.h"

/* Rows of JSON, and of a picture that is no screen. */
#define ROWS_MAX 20
#define SPARK_MIN 8

static const enum figure_counter lines[] = { FIGURE_DELIVERED, FIGURE_SOFT, FIGURE_HARD, FIGURE_DEFERRED };
static const char *const line_names[] = { "delivered", "soft", "hard", "deferred" };
#define LINES (sizeof lines / sizeof *lines)

/* ---- shares ---- */

struct share {
	int64_t count, of, limit_permille;
};

static struct share share_of(const struct pulse *p, const struct figure *f, bool all)
{
	return (struct share){ f->n[FIGURE_HARD] + (all ? f->n[FIGURE_SOFT] : 0), figure_finals(f),
		all ? p->config->alerts_all : p->config->alerts_hard };
}

/* As of an alert: not with few results. */
static bool is_over(const struct pulse *p, const struct share *s)
{
	return s->limit_permille && alert_rate(false, s->count, s->of, s->limit_permille, p->config->alerts_minimum);
}

/* Red: over the limit of an alert; yellow: it would be, but for few results. */
static enum colour share_colour(const struct pulse *p, const struct share *s)
{
	if (is_over(p, s))
		return COLOUR_RED;
	return s->limit_permille && alert_rate(false, s->count, s->of, s->limit_permille, 1) ? COLOUR_YELLOW : COLOUR_PLAIN;
}

#define SHARE_MAX 32
static const char *share_text(const struct share *s, char text_r[SHARE_MAX])
{
	if (!s->of)
		(void)snprintf(text_r, SHARE_MAX, "-");
	else
		(void)snprintf(text_r, SHARE_MAX, "%.1f", 100.0 * (double)s->count / (double)s->of);
	return text_r;
}

/* Where no colour says that it is over its limit. */
static const char *mark(const struct frame *f, const struct pulse *p, const struct share *s)
{
	return !f->colours && is_over(p, s) ? "!" : "";
}

/* ---- the upper part ---- */

static void draw_head(struct frame *f, const struct pulse *p, const struct top_view *view)
{
	char time[CLOCK_TEXT_MAX];

	if (!frame_line(f))
		return;
	clock_format_us(p->at_s * CLOCK_SECOND_US, time, sizeof time);
	frame_addf(f, COLOUR_BOLD, "nixie top");
	if (view->paused)
		frame_addf(f, COLOUR_YELLOW, "  paused");
	if (!p->reachable)
		frame_addf(f, COLOUR_RED, "  Redis cannot be asked%s", p->at_s ? "; this was read at" : "");
	if (p->at_s) {
		frame_addf(f, COLOUR_PLAIN, "%s%.8s UTC  ", p->reachable ? "  " : " ", time + 11);
		frame_addf(f, COLOUR_PLAIN, "%" PRIu64 " suppressed  ", p->now.suppressed);
		if (p->now.scoped)
			frame_addf(f, COLOUR_PLAIN, "%" PRIu64 " for some senders  ", p->now.scoped);
		frame_addf(f, p->now.n_alerts ? COLOUR_YELLOW : COLOUR_PLAIN, "%zu alert%s", p->now.n_alerts, term_plural(p->now.n_alerts));
	}
	if (p->reachable)
		frame_addf(f, COLOUR_DIM, "  Redis at %s", p->config->redis_address);
	else if (frame_line(f))
		frame_addf(f, COLOUR_RED, "%s", p->err.text);
}

/* 1234: "123", "12.3" below ten a minute */
static void draw_rate(struct frame *f, int64_t sum, int64_t minutes)
{
	int64_t tenths = (sum * 10 + minutes / 2) / minutes;

	if (minutes == 1 || tenths >= 1000)
		frame_cellf(f, sum ? COLOUR_PLAIN : COLOUR_DIM, 9, "%" PRId64, (tenths + 5) / 10);
	else
		frame_cellf(f, sum ? COLOUR_PLAIN : COLOUR_DIM, 9, "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
}

static void draw_curve(struct frame *f, const struct pulse *p, enum figure_counter counter, enum colour colour)
{
	int64_t values[PULSE_MINUTES - 1];
	char room[4 * PULSE_MINUTES];
	struct buf b = BUF_ON(room);
	size_t n = sizeof values / sizeof *values;

	for (size_t i = 0; i < n; i++)
		values[i] = pulse_minute_totals(p, (int64_t)(n - i))->n[counter];
	if (frame_cells_left(f) < SPARK_MIN + 2)
		return;
	frame_add(f, COLOUR_PLAIN, SV("  "));
	(f->utf8 ? spark_add : spark_add_ascii)(&b, values, n, frame_cells_left(f));
	frame_add(f, colour, buf_sv(&b));
}

/* A line for each kind of result: a minute, of the last 1, 5, 15 and 60 that are over; today; and the curve. */
static void draw_rates(struct frame *f, const struct pulse *p)
{
	static const int64_t spans[] = { 1, 5, 15, 60 };
	static const enum colour colours[LINES] = { COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED, COLOUR_DIM };
	size_t columns = f->width < 10 + 9 + SPARK_MIN + 2 ? 1 : (f->width - 10 - SPARK_MIN - 2) / 9;

	columns = columns < 5 ? columns : 5;
	if (!frame_line(f))
		return;
	frame_cell(f, COLOUR_DIM, SV("a minute"), 10, false);
	for (size_t i = 0; i < columns && i < 4; i++)
		frame_cellf(f, COLOUR_DIM, 9, i ? "%d min" : "last", (int)spans[i]);
	if (columns == 5)
		frame_cellf(f, COLOUR_DIM, 9, "today");
	if (frame_cells_left(f) >= SPARK_MIN + 2)
		frame_addf(f, COLOUR_DIM, "  last hour");
	for (size_t i = 0; i < LINES && frame_line(f); i++) {
		frame_cell(f, COLOUR_PLAIN, sv_of(line_names[i]), 10, false);
		for (size_t j = 0; j < columns && j < 4; j++) {
			struct figure sum = pulse_totals(p, spans[j]);
			draw_rate(f, sum.n[lines[i]], spans[j]);
		}
		if (columns == 5)
			frame_cellf(f, COLOUR_PLAIN, 9, "%" PRId64, p->now.today.n[lines[i]]);
		draw_curve(f, p, lines[i], colours[i]);
	}
}

static void draw_share(struct frame *f, const struct pulse *p, const char *name, const struct share *s)
{
	char text[SHARE_MAX];

	frame_addf(f, COLOUR_PLAIN, "%s ", name);
	frame_addf(f, share_colour(p, s), "%s %%%s", share_text(s, text), mark(f, p, s));
	if (s->limit_permille)
		frame_addf(f, COLOUR_DIM, " (limit %g)", (double)s->limit_permille / 10);
}

static void draw_shares(struct frame *f, const struct pulse *p)
{
	struct figure hour = pulse_totals(p, PULSE_MINUTES - 1);
	struct share hard = share_of(p, &hour, false), all = share_of(p, &hour, true);

	if (!frame_line(f))
		return;
	draw_share(f, p, "hard", &hard);
	draw_share(f, p, "  hard and soft", &all);
	frame_addf(f, COLOUR_PLAIN, "  of %" PRId64 " result%s, 60 min", hard.of, term_plural((uint64_t)hard.of));
}

/* ---- daemons and alerts ---- */

static void draw_reader(struct frame *f, const struct known_reader *r)
{
	char age[DOCTOR_AGE_MAX];

	frame_addf(f, COLOUR_PLAIN, "%-8s ", "reader");
	frame_addf(f, r->ended ? COLOUR_DIM : r->trouble ? COLOUR_RED : COLOUR_GREEN, "%s", r->trouble ? r->trouble : reader_doing_name(r->state.doing));
	if (r->running)
		frame_addf(f, COLOUR_PLAIN, ", %s behind, %.1f lines/s", doctor_age(r->state.lag_s, age), (double)r->state.tenths_per_s / 10);
	frame_addf(f, COLOUR_PLAIN, "  ");
	frame_add(f, COLOUR_PLAIN, r->state.source);
}

static void draw_door(struct frame *f, const struct known_door *d)
{
	frame_addf(f, COLOUR_PLAIN, "%-8s ", "policyd");
	frame_addf(f, d->ended ? COLOUR_DIM : d->trouble ? COLOUR_RED : COLOUR_GREEN, "%s", d->ended ? "stopped" : d->trouble ? d->trouble : door_doing_name(d->state.doing));
	if (d->running)
		frame_addf(f, COLOUR_PLAIN, "%s, %.1f requests/s", d->state.shadow ? " in the shadow" : "", (double)d->state.tenths_per_s / 10);
	if (d->running && d->state.p99_us)
		frame_addf(f, COLOUR_PLAIN, ", 99 %% below %" PRId64 " us", d->state.p99_us);
	frame_addf(f, COLOUR_PLAIN, ", %" PRId64 " refused  ", d->state.rejected);
	frame_add(f, COLOUR_PLAIN, d->state.name);
}

static void draw_alert(struct frame *f, const struct alert *alert)
{
	char room[ALERT_TEXT_MAX];
	struct buf b = BUF_ON(room);

	alert_text(alert, &b);
	frame_addf(f, COLOUR_YELLOW, "alert    ");
	frame_add(f, COLOUR_PLAIN, buf_sv(&b));
}

/* Readers or services: those in trouble first. */
static size_t draw_daemons(struct frame *f, const struct daemons *d, bool doors, size_t room)
{
	size_t n = doors ? d->n_doors : d->n_readers, drawn = 0;

	for (int trouble = 1; trouble >= 0; trouble--) {
		for (size_t i = 0; i < n && drawn < room; i++) {
			bool ended = doors ? d->doors[i].ended : d->readers[i].ended;
			bool in_trouble = !ended && (doors ? d->doors[i].trouble : d->readers[i].trouble);
			if (in_trouble != (trouble == 1) || !frame_line(f))
				continue;
			drawn++;
			if (doors)
				draw_door(f, &d->doors[i]);
			else
				draw_reader(f, &d->readers[i]);
		}
	}
	if (drawn && drawn < n)
		frame_addf(f, COLOUR_DIM, "  and %zu more", n - drawn);
	return drawn;
}

/* In so many lines: first one each, then more of them. */
static void draw_services(struct frame *f, const struct pulse *p, size_t room)
{
	const struct daemons *d = &p->now.daemons;
	size_t alerts = p->now.n_alerts < PULSE_ALERTS_MAX ? p->now.n_alerts : PULSE_ALERTS_MAX;
	size_t wanted[3] = { d->n_readers, d->n_doors, alerts }, given[3] = { 0 };

	for (bool more = true; room && more;) {
		more = false;
		for (size_t i = 0; i < 3 && room; i++) {
			if (given[i] == wanted[i])
				continue;
			given[i]++;
			room--;
			more = true;
		}
	}
	(void)draw_daemons(f, d, false, given[0]);
	(void)draw_daemons(f, d, true, given[1]);
	for (size_t i = 0; i < given[2] && frame_line(f); i++)
		draw_alert(f, &p->now.alerts[i]);
}

/* ---- the table ---- */

static const struct {
	enum figure_by by;
	const char *word, *title;
} tables[] = { { BY_DEST, "domains", "DOMAIN" }, { BY_PROVIDER, "providers", "PROVIDER" }, { BY_SENDER, "senders", "SENDER" },
	{ BY_CAMPAIGN, "campaigns", "CAMPAIGN" }, { BY_HOST, "hosts", "HOST" } };
#define TABLES (sizeof tables / sizeof *tables)
#define NAME_MIN 16

static const struct column {
	const char *title;
	size_t cells;
	int goes; /* the first that is left out where there is no room has the highest */
	enum figure_counter counter;
	bool share, all;
} columns[] = {
	{ "ATTEMPTS", 10, 6, FIGURE_ATTEMPTS, false, false }, { "DELIVERED", 11, 4, FIGURE_DELIVERED, false, false },
	{ "SOFT", 9, 2, FIGURE_SOFT, false, false }, { "HARD", 9, 1, FIGURE_HARD, false, false },
	{ "DEFERRED", 10, 5, FIGURE_DEFERRED, false, false }, { "HARD %", 8, 0, 0, true, false }, { "ALL %", 8, 3, 0, true, true },
};
#define COLUMNS (sizeof columns / sizeof *columns)

/* Columns that go beyond this number are left out; what they leave is for the name. */
static int columns_fit(size_t width, size_t *name_r)
{
	for (int most = (int)COLUMNS; most > 0; most--) {
		size_t all = 0;
		for (size_t i = 0; i < COLUMNS; i++)
			all += columns[i].goes < most ? columns[i].cells : 0;
		*name_r = width > all ? width - all : 0;
		if (*name_r >= NAME_MIN)
			return most;
	}
	*name_r = width;
	return 0;
}

static void draw_row(struct frame *f, const struct pulse *p, const struct figure *row, int most, size_t name)
{
	char text[SHARE_MAX];

	frame_cell(f, COLOUR_PLAIN, row->name, name, false);
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct column *c = &columns[i];
		if (c->goes >= most)
			continue;
		struct share share = share_of(p, row, c->all);
		if (c->share)
			frame_cellf(f, share_colour(p, &share), c->cells, "%s%s", share_text(&share, text), mark(f, p, &share));
		else
			frame_cellf(f, row->n[c->counter] ? COLOUR_PLAIN : COLOUR_DIM, c->cells, "%" PRId64, row->n[c->counter]);
	}
}

/* All of them where there is room: a narrow screen has the chosen one. */
#define CHOICE_WIDTH 76

static void draw_choice(struct frame *f, const struct pulse *p)
{
	bool keys = f->codes && f->width >= CHOICE_WIDTH;

	if (!frame_line(f))
		return;
	for (size_t i = 0; i < TABLES; i++) {
		bool chosen = tables[i].by == p->by;
		if (keys)
			frame_addf(f, chosen ? COLOUR_BOLD : COLOUR_DIM, chosen ? "[%zu %s] " : " %zu %s  ", i + 1, tables[i].word);
		else if (chosen)
			frame_addf(f, COLOUR_PLAIN, "%s, ", tables[i].word);
	}
	frame_addf(f, COLOUR_PLAIN, "%" PRId64 " min", p->span);
}

static void draw_table(struct frame *f, const struct pulse *p, struct top_view *view, size_t room)
{
	size_t name;
	int most = columns_fit(f->width, &name);

	if (!room || !frame_line(f))
		return;
	for (size_t i = 0; i < TABLES; i++)
		if (tables[i].by == p->by)
			frame_cell(f, COLOUR_BOLD, sv_of(tables[i].title), name, false);
	for (size_t i = 0; i < COLUMNS; i++)
		if (columns[i].goes < most)
			frame_cellf(f, COLOUR_BOLD, columns[i].cells, "%s", columns[i].title);
	if (view->scroll + 1 > p->rows.n)
		view->scroll = p->rows.n ? p->rows.n - 1 : 0;
	for (size_t i = view->scroll; i < p->rows.n && i + 1 - view->scroll < room && frame_line(f); i++)
		draw_row(f, p, p->rows.v[i], most, name);
	if (!p->rows.n && room > 1 && frame_line(f))
		frame_addf(f, COLOUR_DIM, p->at_s && p->reachable ? "no results in %" PRId64 " min" : "not known", p->span);
}

/* ---- ---- */

static const char *const help[] = { "q ^C        ends it", "1 to 5      the table: domains, providers, senders, campaigns, hosts",
	"left right  the table before, the next one (also Tab)", "up down     other rows (also Page up, Page down, Home, End)",
	"m           rows of the last 5, 15 or 60 minutes", "p           pause: the numbers stay as they are", "blank       reads anew, now",
	"?           this, and back", "", "Rates are of minutes that are over; rows have the present one, too.",
	"Shares are of final results: red over alerts.hard or alerts.all of at least", "alerts.minimum results, yellow when there are fewer.",
	"* is what came when a minute had no room for more names.", "The addresses behind a row: nixie history --last \"1 day\" --dest DOMAIN" };

static void draw_help(struct frame *f)
{
	for (size_t i = 0; i < sizeof help / sizeof *help && frame_line(f); i++)
		frame_addf(f, COLOUR_PLAIN, "%s", help[i]);
}

/* The least that rates, daemons and the table ask for. */
enum { RATES_LINES = 5, TABLE_LINES = 3 };

void top_draw(struct frame *f, const struct pulse *p, struct top_view *view)
{
	draw_head(f, p, view);
	if (view->help) {
		draw_help(f);
		return;
	}
	size_t foot = f->codes && f->height >= 6;
	if (frame_lines_left(f) >= RATES_LINES + foot)
		draw_rates(f, p);
	if (frame_lines_left(f) >= 1 + TABLE_LINES + foot + 1)
		draw_shares(f, p);
	if (frame_lines_left(f) > 2 + TABLE_LINES + foot) /* a third of what is left; the table has the rest */
		draw_services(f, p, (frame_lines_left(f) - foot) / 3);
	if (frame_lines_left(f) > TABLE_LINES + foot)
		draw_choice(f, p);
	size_t room = frame_lines_left(f) - (frame_lines_left(f) >= foot ? foot : 0);
	draw_table(f, p, view, f->codes || room < ROWS_MAX + 1 ? room : ROWS_MAX + 1);
	if (!foot)
		return;
	while (frame_lines_left(f) > 1 && frame_line(f))
		;
	if (frame_line(f))
		frame_addf(f, COLOUR_DIM, "q quit  1-5 table  m minutes  p pause  ? help");
}

/* ---- as JSON ---- */

static void json_time(struct json *j, const char *name, int64_t time_s)
{
	char time[CLOCK_TEXT_MAX];

	clock_format_us(time_s * CLOCK_SECOND_US, time, sizeof time);
	json_text(j, name, sv_of(time));
}

static void json_counts(struct json *j, const struct figure *f)
{
	for (size_t i = 0; i < LINES; i++)
		json_number(j, line_names[i], f->n[lines[i]]);
}

static void json_share(struct json *j, const struct pulse *p, const struct figure *f)
{
	struct share hard = share_of(p, f, false), all = share_of(p, f, true);

	if (hard.of) {
		json_tenths(j, "hard-permille", (hard.count * 20000 + hard.of) / (2 * hard.of));
		json_tenths(j, "all-permille", (all.count * 20000 + all.of) / (2 * all.of));
	}
	json_list(j, "over");
	if (is_over(p, &hard))
		json_text(j, NULL, SV("hard-permille"));
	if (is_over(p, &all))
		json_text(j, NULL, SV("all-permille"));
	json_end_list(j);
}

static void json_minutes(struct json *j, const struct pulse *p)
{
	json_list(j, "minutes");
	for (int64_t i = PULSE_MINUTES - 1; i >= 0; i--) {
		json_object(j, NULL);
		json_time(j, "minute", (p->minute - i) * 60);
		json_counts(j, pulse_minute_totals(p, i));
		json_end_object(j);
	}
	json_end_list(j);
}

static void json_alerts(struct json *j, const struct pulse *p)
{
	json_number(j, "alerts", (int64_t)p->now.n_alerts);
	json_list(j, "newest-alerts");
	for (size_t i = 0; i < p->now.n_alerts && i < PULSE_ALERTS_MAX; i++) {
		char room[ALERT_TEXT_MAX];
		struct buf b = BUF_ON(room);
		alert_text(&p->now.alerts[i], &b);
		json_object(j, NULL);
		json_text(j, "kind", sv_of(alert_kind_name(p->now.alerts[i].kind)));
		json_text(j, "dimension", p->now.alerts[i].dimension);
		json_text(j, "value", p->now.alerts[i].value);
		json_text(j, "text", buf_sv(&b));
		json_end_object(j);
	}
	json_end_list(j);
}

/* What a reader and a service both have; the object stays open. */
static void json_daemon(struct json *j, const char *name, struct sv value, const char *state, bool running, const char *trouble)
{
	json_object(j, NULL);
	json_text(j, name, value);
	json_text(j, "state", sv_of(state));
	json_bool(j, "running", running);
	if (trouble)
		json_text(j, "trouble", sv_of(trouble));
}

static void json_daemons(struct json *j, const struct daemons *d)
{
	json_list(j, "readers");
	for (const struct known_reader *r = d->readers; r < d->readers + d->n_readers; r++) {
		json_daemon(j, "source", r->state.source, reader_doing_name(r->state.doing), r->running, r->trouble);
		json_number(j, "lag-s", r->state.lag_s);
		json_number(j, "lag-bytes", r->state.lag_bytes);
		json_tenths(j, "lines-per-s", r->state.tenths_per_s);
		json_end_object(j);
	}
	json_end_list(j);
	json_list(j, "doors");
	for (const struct known_door *k = d->doors; k < d->doors + d->n_doors; k++) {
		json_daemon(j, "name", k->state.name, door_doing_name(k->state.doing), k->running, k->trouble);
		json_tenths(j, "requests-per-s", k->state.tenths_per_s);
		json_number(j, "p50-us", k->state.p50_us);
		json_number(j, "p99-us", k->state.p99_us);
		json_number(j, "rejected", k->state.rejected);
		json_end_object(j);
	}
	json_end_list(j);
}

static void json_rows(struct json *j, const struct pulse *p)
{
	json_text(j, "by", sv_of(figure_by_name(p->by)));
	json_number(j, "row-minutes", p->span);
	json_list(j, "rows");
	for (size_t i = 0; i < p->rows.n && i < ROWS_MAX; i++) {
		json_object(j, NULL);
		json_text(j, "value", p->rows.v[i]->name);
		json_number(j, "attempts", p->rows.v[i]->n[FIGURE_ATTEMPTS]);
		json_counts(j, p->rows.v[i]);
		json_share(j, p, p->rows.v[i]);
		json_end_object(j);
	}
	json_end_list(j);
}

void top_print_json(const struct pulse *p)
{
	struct json j = JSON_ON(stdout);
	struct figure hour = pulse_totals(p, PULSE_MINUTES - 1);

	json_object(&j, NULL);
	json_time(&j, "time", clock_now_s());
	json_bool(&j, "reachable", p->reachable);
	if (!p->reachable)
		json_text(&j, "trouble", sv_of(p->err.text));
	if (p->reachable) {
		json_number(&j, "suppressed", (int64_t)p->now.suppressed);
		json_number(&j, "scoped", (int64_t)p->now.scoped);
		json_object(&j, "today");
		json_counts(&j, &p->now.today);
		json_end_object(&j);
		json_object(&j, "hour");
		json_counts(&j, &hour);
		json_share(&j, p, &hour);
		json_end_object(&j);
		json_minutes(&j, p);
		json_alerts(&j, p);
		json_daemons(&j, &p->now.daemons);
		json_rows(&j, p);
	}
	json_end_object(&j);
	json_end_line(&j);
}
