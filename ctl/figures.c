#include "figures.h"

#include <stdio.h>
#include <stdlib.h>

#include "alert.h"
#include "clock.h"
#include "schema.h"

#define HOUR_S INT64_C(3600)

static const char *const by_names[BY_COUNT] = { [BY_DAY] = "day", [BY_HOUR] = "hour", [BY_SENDER] = "sender", [BY_CAMPAIGN] = "campaign",
	[BY_DEST] = "dest", [BY_PROVIDER] = "provider", [BY_HOST] = "host", [BY_CATEGORY] = "category", [BY_RULE] = "rule" };

static const char *const counter_names[FIGURE_COUNTERS] = { [FIGURE_ATTEMPTS] = "attempts", [FIGURE_DELIVERED] = "delivered", [FIGURE_SOFT] = "soft",
	[FIGURE_HARD] = "hard", [FIGURE_HARD_AS_SOFT] = "hard-as-soft", [FIGURE_SOFT_TO_HARD] = "soft-to-hard", [FIGURE_COMPLAINT] = "complaint",
	[FIGURE_DEFERRED] = "deferred", [FIGURE_THROTTLED] = "throttled", [FIGURE_BLOCKED] = "blocked", [FIGURE_FAILING] = "failing",
	[FIGURE_FAILURES] = "failures" };

const char *figure_by_name(enum figure_by by)
{
	return by_names[by];
}

int64_t figure_finals(const struct figure *f)
{
	return f->n[FIGURE_DELIVERED] + f->n[FIGURE_SOFT] + f->n[FIGURE_HARD];
}

struct rate figure_rate(const struct figure *f, enum rate_kind kind, const struct config *c)
{
	if (kind == RATE_HARD)
		return (struct rate){ f->n[FIGURE_HARD], figure_finals(f), c->alerts_hard };
	if (kind == RATE_ALL)
		return (struct rate){ f->n[FIGURE_HARD] + f->n[FIGURE_SOFT], figure_finals(f), c->alerts_all };
	return (struct rate){ f->n[FIGURE_COMPLAINT], f->n[FIGURE_DELIVERED], c->alerts_complaints };
}

bool rate_is_over(const struct rate *rate, const struct config *config)
{
	return rate->limit_permille && alert_rate(false, rate->count, rate->of, rate->limit_permille, config->alerts_minimum);
}

int64_t rate_hundredths(const struct rate *rate)
{
	return rate->of ? (int64_t)(((__int128)rate->count * 20000 + rate->of) / (2 * (__int128)rate->of)) : 0;
}

struct reading {
	struct figures *figures;
	enum figure_by by;
	int64_t newest_hour_s; /* that is on record as a whole; -1: none */
};

static struct figure *figure_of(struct figures *f, struct sv name)
{
	struct figure *figure = map_get(&f->by_name, name);

	if (figure)
		return figure;
	figure = arena_alloc(&f->arena, sizeof *figure);
	figure->name = arena_dup(&f->arena, name);
	map_put(&f->by_name, figure->name, figure);
	f->v = xgrow(f->v, f->n, &f->size, sizeof *f->v);
	return f->v[f->n++] = figure;
}

static bool counter_by_name(struct sv name, enum figure_counter *counter_r)
{
	for (int i = 0; i < FIGURE_FAILURES; i++) {
		*counter_r = (enum figure_counter)i;
		if (sv_eq(name, sv_of(counter_names[i])))
			return true;
	}
	return false;
}

static void take_day(struct reading *r, struct sv day, enum figure_counter counter, int64_t value)
{
	char name[16] = "all";

	if (r->by == BY_DAY)
		(void)snprintf(name, sizeof name, "%.4s-%.2s-%.2s", day.p, day.p + 4, day.p + 6);
	struct figure *figure = figure_of(r->figures, sv_of(name));
	int64_t us;
	if (r->by == BY_DAY && clock_parse_date(sv_of(name), &us))
		figure->begin_s = us / CLOCK_SECOND_US;
	figure->n[counter] += value;
}

/* Totals of a day, or "<value>|<counter>". */
static void on_count(void *arg, struct sv day, struct sv name, int64_t value)
{
	struct reading *r = arg;
	enum figure_counter counter;

	if (day.n != 8)
		return;
	if (r->by == BY_CATEGORY) {
		if (sv_take(&name, SV("cat:")))
			figure_of(r->figures, name)->n[FIGURE_FAILURES] += value;
		return;
	}
	struct sv last = sv_after_last(name, '|');
	if (!counter_by_name(last, &counter))
		return;
	if (last.n < name.n)
		figure_of(r->figures, sv_head(name, name.n - last.n - 1))->n[counter] += value;
	else
		take_day(r, day, counter, value);
}

/* ---- hours ---- */

static void take_hour(struct reading *r, int64_t hour_s, struct sv name, int64_t value)
{
	enum figure_counter counter;
	char text[CLOCK_TEXT_MAX];

	if (!counter_by_name(name, &counter))
		return;
	clock_format_us(hour_s * CLOCK_SECOND_US, text, sizeof text);
	struct figure *figure = figure_of(r->figures, sv_of(text));
	figure->begin_s = hour_s;
	figure->n[counter] += value;
}

static void on_hour(void *arg, int64_t hour_s, struct sv name, int64_t value)
{
	struct reading *r = arg;

	r->newest_hour_s = hour_s > r->newest_hour_s ? hour_s : r->newest_hour_s;
	take_hour(r, hour_s, name, value);
}

/* "202611210912": of its hour */
static void on_minute(void *arg, struct sv minute, struct sv name, int64_t value)
{
	char hour[CLOCK_TEXT_MAX];
	int64_t us;

	if (minute.n < 10)
		return;
	(void)snprintf(hour, sizeof hour, "%.4s-%.2s-%.2sT%.2s:00:00Z", minute.p, minute.p + 4, minute.p + 6, minute.p + 8);
	if (clock_parse_date(sv_of(hour), &us))
		take_hour(arg, us / CLOCK_SECOND_US, name, value);
}

/* Hours that are over are on record as such; those behind them are the sum of their minutes. */
static enum store_result read_hours(struct reading *r, struct store *store, int64_t from_s, int64_t to_s, struct err *err)
{
	int64_t now_s = clock_now_s(), kept_s = now_s - SCHEMA_HOURS_MINUTES * HOUR_S;

	r->newest_hour_s = -1;
	enum store_result result = store_hours(store, from_s, to_s, on_hour, r, err);
	int64_t minute_s = r->newest_hour_s >= 0 ? r->newest_hour_s + HOUR_S : from_s;
	if (minute_s < kept_s)
		minute_s = kept_s - kept_s % HOUR_S;
	for (; result == STORE_OK && minute_s < to_s && minute_s <= now_s; minute_s += 60) {
		char minute[CLOCK_MINUTE_MAX];
		clock_format_minute(minute_s, minute);
		result = store_period(store, sv_of(minute), SV(""), on_minute, r, err);
	}
	return result;
}

/* ---- ---- */

static int by_time(const void *a, const void *b)
{
	const struct figure *x = *(struct figure *const *)a, *y = *(struct figure *const *)b;

	return (x->begin_s > y->begin_s) - (x->begin_s < y->begin_s);
}

static int64_t failures_of(const struct figure *f)
{
	return f->n[FIGURE_FAILURES] + f->n[FIGURE_SOFT] + f->n[FIGURE_HARD] + f->n[FIGURE_COMPLAINT];
}

static int by_failures(const void *a, const void *b)
{
	const struct figure *x = *(struct figure *const *)a, *y = *(struct figure *const *)b;
	int order = (failures_of(x) < failures_of(y)) - (failures_of(x) > failures_of(y));

	if (!order)
		order = (x->n[FIGURE_ATTEMPTS] < y->n[FIGURE_ATTEMPTS]) - (x->n[FIGURE_ATTEMPTS] > y->n[FIGURE_ATTEMPTS]);
	if (!order)
		order = memcmp(x->name.p, y->name.p, x->name.n < y->name.n ? x->name.n : y->name.n);
	return order ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

enum store_result figures_read(struct figures *f, struct store *store, enum figure_by by, int64_t from_s, int64_t to_s, struct err *err)
{
	struct reading r = { .figures = f, .by = by };
	bool totals = by == BY_NONE || by == BY_DAY || by == BY_CATEGORY, in_time = by == BY_DAY || by == BY_HOUR;
	char first[9], last[9];
	enum store_result result;

	*f = (struct figures){ .n = 0 };
	clock_format_day(from_s, first);
	clock_format_day(to_s - 1, last);
	if (by == BY_HOUR)
		result = read_hours(&r, store, from_s, to_s, err);
	else
		result = store_counts_of(store, sv_of(first), sv_of(last), totals ? SV("") : sv_of(by_names[by]), on_count, &r, err);
	if (f->n)
		qsort(f->v, f->n, sizeof(struct figure *), in_time ? by_time : by_failures);
	return result;
}

static void on_minute_count(void *arg, struct sv minute, struct sv name, int64_t value)
{
	enum figure_counter counter;
	struct sv last = sv_after_last(name, '|');

	(void)minute;
	if (counter_by_name(last, &counter))
		figure_of(arg, last.n < name.n ? sv_head(name, name.n - last.n - 1) : SV("all"))->n[counter] += value;
}

enum store_result figures_read_minute(struct figures *f, struct store *store, enum figure_by by, int64_t minute_s, struct err *err)
{
	char minute[CLOCK_MINUTE_MAX];

	*f = (struct figures){ .n = 0 };
	clock_format_minute(minute_s, minute);
	return store_period(store, sv_of(minute), by == BY_NONE ? SV("") : sv_of(by_names[by]), on_minute_count, f, err);
}

void figures_add(struct figures *to, const struct figures *from)
{
	for (size_t i = 0; i < from->n; i++) {
		struct figure *figure = figure_of(to, from->v[i]->name);
		for (int j = 0; j < FIGURE_COUNTERS; j++)
			figure->n[j] += from->v[i]->n[j];
	}
}

void figures_sort(struct figures *f)
{
	if (f->n)
		qsort(f->v, f->n, sizeof(struct figure *), by_failures);
}

void figures_free(struct figures *f)
{
	map_free(&f->by_name);
	free(f->v);
	arena_free(&f->arena);
}

struct figure figures_total(const struct figures *f)
{
	struct figure total = { .name = SV("total") };

	for (size_t i = 0; i < f->n; i++)
		for (int j = 0; j < FIGURE_COUNTERS; j++)
			total.n[j] += f->v[i]->n[j];
	return total;
}
