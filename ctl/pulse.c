#include "pulse.h"

#include <stdlib.h>

#include "clock.h"

/* The newest minutes are read each time, and some of the others in turn. */
#define FRESH 3
#define AGAIN 4

static struct pulse_minute *minute_of(struct pulse *p, int64_t number)
{
	return &p->minutes[number % PULSE_MINUTES];
}

const struct figure *pulse_minute_totals(const struct pulse *p, int64_t before)
{
	static const struct figure nothing;

	if (!p->at_s)
		return &nothing;
	const struct pulse_minute *m = &p->minutes[(p->minute - before) % PULSE_MINUTES];
	return m->known && m->number == p->minute - before ? &m->totals : &nothing;
}

static void add(struct figure *to, const struct figure *from)
{
	for (int i = 0; i < FIGURE_COUNTERS; i++)
		to->n[i] += from->n[i];
}

struct figure pulse_totals(const struct pulse *p, int64_t minutes)
{
	struct figure sum = { .begin_s = 0 };

	for (int64_t i = 1; i <= minutes && i < PULSE_MINUTES; i++)
		add(&sum, pulse_minute_totals(p, i));
	return sum;
}

/* ---- reading ---- */

static bool read_totals(struct pulse *p, struct pulse_minute *m)
{
	struct figures totals;
	bool ok = figures_read_minute(&totals, p->store, BY_NONE, m->number * 60, &p->err) == STORE_OK;

	if (ok) {
		m->totals = figures_total(&totals);
		m->known = true;
	}
	figures_free(&totals);
	return ok;
}

static bool read_by(struct pulse *p, struct pulse_minute *m)
{
	struct figures by;

	if (figures_read_minute(&by, p->store, p->by, m->number * 60, &p->err) != STORE_OK) {
		figures_free(&by);
		return false;
	}
	figures_free(&m->by);
	m->by = by;
	m->by_known = true;
	return true;
}

static bool read_minutes(struct pulse *p, int64_t newest)
{
	bool again[PULSE_MINUTES] = { false };

	for (int i = 0; i < AGAIN; i++)
		again[p->next++ % PULSE_MINUTES] = true;
	for (int64_t i = 0; i < PULSE_MINUTES; i++) {
		struct pulse_minute *m = minute_of(p, newest - i);
		if (m->number != newest - i) {
			m->number = newest - i;
			m->known = m->by_known = false;
		}
		bool anew = i < FRESH || again[m->number % PULSE_MINUTES];
		if ((anew || !m->known) && !read_totals(p, m))
			return false;
		if (i <= p->span && (anew || !m->by_known) && !read_by(p, m))
			return false;
	}
	return true;
}

static void sum_rows(struct pulse *p)
{
	figures_free(&p->rows);
	p->rows = (struct figures){ .n = 0 };
	for (int64_t i = 0; p->at_s && i <= p->span && i < PULSE_MINUTES; i++) { /* the present one is among them: here it is no rate */
		const struct pulse_minute *m = minute_of(p, p->minute - i);
		if (m->by_known && m->number == p->minute - i)
			figures_add(&p->rows, &m->by);
	}
	figures_sort(&p->rows);
}

static void on_alert(void *arg, const struct alert *alert)
{
	struct pulse_now *now = arg;
	size_t kept = now->n_alerts < PULSE_ALERTS_MAX ? now->n_alerts : PULSE_ALERTS_MAX, i = kept;

	now->n_alerts++;
	while (i > 0 && now->alerts[i - 1].opened_s < alert->opened_s)
		i--;
	if (i == PULSE_ALERTS_MAX)
		return;
	for (size_t j = kept < PULSE_ALERTS_MAX ? kept : PULSE_ALERTS_MAX - 1; j > i; j--)
		now->alerts[j] = now->alerts[j - 1];
	now->alerts[i] = *alert;
}

static void on_today(void *arg, struct sv day, struct sv name, int64_t value)
{
	static const struct { const char *name; enum figure_counter counter; } wanted[] = { { "delivered", FIGURE_DELIVERED },
		{ "soft", FIGURE_SOFT }, { "hard", FIGURE_HARD }, { "deferred", FIGURE_DEFERRED } };
	struct figure *today = arg;

	(void)day;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		if (sv_eq(name, sv_of(wanted[i].name)))
			today->n[wanted[i].counter] += value;
}

static void now_free(struct pulse_now *now)
{
	daemons_free(&now->daemons);
	arena_free(&now->arena);
}

static bool read_now(struct pulse *p, int64_t now_s, struct pulse_now *now)
{
	char day[9];

	clock_format_day(now_s, day);
	return store_suppressed_count(p->store, &now->suppressed, &p->err) == STORE_OK &&
		store_scoped_count(p->store, &now->scoped, &p->err) == STORE_OK &&
		store_alerts(p->store, &now->arena, on_alert, now, &p->err) == STORE_OK &&
		daemons_read(&now->daemons, p->store, p->config, &now->arena, &p->err) == STORE_OK &&
		store_period(p->store, sv_of(day), SV(""), on_today, &now->today, &p->err) == STORE_OK;
}

void pulse_read(struct pulse *p)
{
	struct pulse_now now = { .suppressed = 0 };
	int64_t now_s = clock_now_s();

	for (size_t i = 0; p->by_read != p->by && i < PULSE_MINUTES; i++)
		p->minutes[i].by_known = false;
	p->by_read = p->by;
	p->reachable = read_now(p, now_s, &now) && read_minutes(p, now_s / 60);
	if (p->reachable) {
		now_free(&p->now);
		p->now = now;
		p->at_s = now_s;
		p->minute = now_s / 60;
	} else {
		now_free(&now);
	}
	sum_rows(p);
}

void pulse_free(struct pulse *p)
{
	for (size_t i = 0; i < PULSE_MINUTES; i++)
		figures_free(&p->minutes[i].by);
	figures_free(&p->rows);
	now_free(&p->now);
}
