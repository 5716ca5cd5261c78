#include "convert.h"

static bool applies(const struct conversion *c, enum category category, struct sv rule)
{
	struct sv match = sv_of(c->match);

	return sv_eq(match, sv_of(category_name(category))) || sv_eq(match, rule);
}

static int64_t before_s(int64_t time_s, struct span span)
{
	return clock_before_us(time_s * CLOCK_SECOND_US, span) / CLOCK_SECOND_US;
}

static int64_t after_s(int64_t time_s, struct span span)
{
	return clock_after_us(time_s * CLOCK_SECOND_US, span) / CLOCK_SECOND_US;
}

/* An open end means: as long as the longest window there can be. */
static const struct span no_limit = { .months = 12 };

struct span convert_retention(const struct conversions *conversions, enum category category, struct sv rule)
{
	struct span longest = { 0 };

	for (size_t i = 0; i < conversions->n; i++) {
		const struct conversion *c = &conversions->v[i];
		if (!applies(c, category, rule))
			continue;
		struct span s = span_is_zero(c->window) ? no_limit : c->window;
		if (after_s(0, s) > after_s(0, longest))
			longest = s;
	}
	return longest;
}

struct span convert_longest(const struct conversions *conversions)
{
	struct span longest = { 0 };

	for (size_t i = 0; i < conversions->n; i++) {
		struct span s = span_is_zero(conversions->v[i].window) ? no_limit : conversions->v[i].window;
		if (after_s(0, s) > after_s(0, longest))
			longest = s;
	}
	return longest;
}

/* False: it is on record already. Keeps the order; drops the oldest when full. */
static bool window_add(struct window *w, const struct occurrence *o)
{
	size_t at = w->n;

	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].category == o->category && sv_eq(w->v[i].rule, o->rule) &&
		    sv_eq(w->v[i].message, o->message))
			return false;
	while (at > 0 && w->v[at - 1].last_s > o->last_s)
		at--;
	if (w->n == WINDOW_MAX) {
		if (at == 0)
			return true; /* older than all that is kept */
		memmove(&w->v[0], &w->v[1], (--at) * sizeof w->v[0]);
		w->v[at] = *o;
		return true;
	}
	memmove(&w->v[at + 1], &w->v[at], (w->n - at) * sizeof w->v[0]);
	w->v[at] = *o;
	w->n++;
	return true;
}

/* May a conversion count it still? Not the longest window: which of a month and 30 days is, depends on the month. */
static bool is_needed(const struct conversions *conversions, const struct occurrence *o, int64_t newest_s)
{
	for (size_t i = 0; i < conversions->n; i++) {
		const struct conversion *c = &conversions->v[i];
		if (applies(c, o->category, o->rule) && o->last_s > before_s(newest_s, span_is_zero(c->window) ? no_limit : c->window))
			return true;
	}
	return false;
}

/* Drops what no conversion can need any more, seen from the newest occurrence. */
static void window_trim(struct window *w, const struct conversions *conversions)
{
	size_t out = 0;

	if (w->n == 0)
		return;
	int64_t newest_s = w->v[w->n - 1].last_s;
	for (size_t i = 0; i < w->n; i++) {
		if (is_needed(conversions, &w->v[i], newest_s))
			w->v[out++] = w->v[i];
	}
	w->n = out;
}

/* May a delivery after it, which would end the series, be among the lines that are lost? */
static bool is_doubtful(const struct conversion *c, const struct occurrence *o, int64_t gap_s)
{
	return c->reset_on_delivery && o->last_s <= gap_s;
}

size_t convert_uncounted(const struct window *w, const struct conversions *conversions, int64_t gap_s)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		bool doubtful = false;
		for (size_t j = 0; j < conversions->n; j++)
			doubtful = doubtful || (applies(&conversions->v[j], w->v[i].category, w->v[i].rule) && is_doubtful(&conversions->v[j], &w->v[i], gap_s));
		n += doubtful;
	}
	return n;
}

/* Do the occurrences i..j of this conversion's kind fulfil it? */
static bool holds(const struct conversion *c, const struct occurrence *oldest,
	const struct occurrence *newest, unsigned counted)
{
	if (counted < c->count)
		return false;
	if (!span_is_zero(c->window) && oldest->last_s <= before_s(newest->last_s, c->window))
		return false;
	if (!span_is_zero(c->min_span) && newest->last_s < after_s(oldest->first_s, c->min_span))
		return false;
	return true;
}

/* Does the occurrence j complete the conversion, with any older one as the oldest? Events
 * may come late and out of order from another host, so all are looked at anew. */
static bool completes(const struct conversion *c, const struct window *w, size_t j, int64_t gap_s)
{
	unsigned counted = 0;
	int64_t day = -1;

	for (size_t i = j + 1; i-- > 0;) {
		if (!applies(c, w->v[i].category, w->v[i].rule) || is_doubtful(c, &w->v[i], gap_s))
			continue;
		if (c->per == PER_MESSAGE || w->v[i].last_s / CLOCK_DAY_S != day)
			counted++;
		day = w->v[i].last_s / CLOCK_DAY_S;
		if (holds(c, &w->v[i], &w->v[j], counted))
			return true;
	}
	return false;
}

int64_t convert_term_end_s(struct span term, unsigned factor, struct span max_term, int64_t number, int64_t from_s)
{
	int64_t longest_s = span_is_zero(max_term) ? INT64_MAX : after_s(from_s, max_term);

	if (span_is_zero(term))
		return 0;
	for (; number > 0 && factor > 1; number--) {
		/* a century is for ever enough, and nothing runs over */
		if (after_s(from_s, term) >= longest_s || term.months > 1200 || term.ms > INT64_C(1200) * 31 * 86400000)
			break;
		term.months *= (int32_t)factor;
		term.ms *= factor;
	}
	int64_t end_s = after_s(from_s, term);
	return end_s < longest_s ? end_s : longest_s;
}

static int64_t end_of_term_s(const struct conversion *c, int64_t number, int64_t from_s)
{
	return convert_term_end_s(c->term, c->factor, c->max_term, number, from_s);
}

/* The occurrence that began the newest term: the first that completes the conversion,
 * or the first to do so after a term was over. NULL when there is none. */
static const struct occurrence *newest_term(const struct conversion *c, const struct window *w, int64_t gap_s, int64_t *terms_r)
{
	const struct occurrence *began = NULL;

	*terms_r = 0;
	for (size_t j = 0; j < w->n; j++) {
		if (!applies(c, w->v[j].category, w->v[j].rule) || is_doubtful(c, &w->v[j], gap_s))
			continue;
		if (began && (span_is_zero(c->term) || w->v[j].last_s < end_of_term_s(c, *terms_r - 1, began->last_s)))
			continue;
		if (completes(c, w, j, gap_s)) {
			began = &w->v[j];
			++*terms_r;
		}
	}
	return began;
}

static void end_parole(struct entry *e)
{
	e->parole_s = 0;
	e->parole_by = sv_make("", 0);
}

static void set_status(struct entry *e, const struct failure *f, enum status status, int64_t since_s, int64_t until_s)
{
	e->status = status;
	e->since_s = since_s;
	e->until_s = until_s;
	end_parole(e);
	e->by = sv_make("", 0); /* no person any more */
	e->origin = f->origin;
}

static void tell_of(struct entry *e, const struct failure *f)
{
	e->reason = f->occurrence.category;
	e->rule = f->occurrence.rule;
	e->code = f->code;
	e->enhanced = f->enhanced;
	e->text = f->text;
	e->remote = f->remote;
}

/* A message may have begun so long before its recipient was asked about. */
#define PAROLE_SLACK_S 300

/* "host/instance/queue-id/arrival"; INT64_MAX where it does not tell */
static int64_t arrival_of(struct sv message)
{
	struct sv last = sv_after_last(message, '/');
	uint64_t arrival;

	return last.n < message.n && sv_u64(last, INT64_MAX, &arrival) ? (int64_t)arrival : INT64_MAX;
}

/* Times and count; the words too while nothing is decided: of a soft entry the newest
 * failure tells, of a suppressed one that which suppressed it. */
static void record(struct entry *e, const struct failure *f)
{
	bool newest = e->status == STATUS_NONE || (e->status == STATUS_SOFT && f->occurrence.last_s >= e->last_s);

	e->count++;
	if (e->first_s == 0 || f->occurrence.first_s < e->first_s)
		e->first_s = f->occurrence.first_s;
	if (f->occurrence.last_s > e->last_s)
		e->last_s = f->occurrence.last_s;
	if (newest)
		tell_of(e, f);
	/* the message that was out on parole, or a later one: another may be let through, unless a new term begins */
	if (arrival_of(f->occurrence.message) >= e->parole_s - PAROLE_SLACK_S && f->occurrence.last_s >= e->parole_s)
		end_parole(e);
}

/* Suppressed, and its term not over at that time. */
static bool binds(const struct entry *e, enum status status, int64_t time_s)
{
	return e->status == status && (e->until_s == 0 || time_s < e->until_s);
}

/* Its place in the window; the window's end when it is too old to be there. */
static size_t place_of(const struct window *w, const struct occurrence *o)
{
	size_t at = 0;

	while (at < w->n && !(w->v[at].last_s == o->last_s && w->v[at].first_s == o->first_s && sv_eq(w->v[at].message, o->message)))
		at++;
	return at;
}

/* Did it come late: something newer is on record, or has been decided? */
static bool came_late(const struct entry *e, const struct window *w, const struct occurrence *o)
{
	return (w->n && w->v[w->n - 1].last_s > o->last_s) || o->last_s < e->since_s;
}

/* Would be hard, but for the brake. Who is held already, or is hard, stays what he is. */
static enum convert_result hold_instead(struct entry *e, const struct failure *f, const struct conversions *conversions)
{
	int64_t now_s = f->occurrence.last_s;

	if (binds(e, STATUS_HELD, now_s) || now_s < e->since_s)
		return CONVERT_RECORDED;
	tell_of(e, f);
	e->term = 0;
	set_status(e, f, STATUS_HELD, now_s, after_s(now_s, conversions->brake_term));
	return CONVERT_BRAKED;
}

static enum convert_result apply_in_order(struct entry *e, const struct window *w,
	const struct failure *f, const struct conversions *conversions)
{
	const struct occurrence *o = &f->occurrence;
	size_t at = place_of(w, o);

	for (size_t i = 0; at < w->n && i < conversions->n; i++) {
		const struct conversion *c = &conversions->v[i];
		if (!applies(c, o->category, o->rule) || is_doubtful(c, o, f->gap_s) || !completes(c, w, at, f->gap_s))
			continue;
		if (binds(e, STATUS_HARD, o->last_s) || (c->to == STATUS_HELD && binds(e, STATUS_HELD, o->last_s)))
			return CONVERT_RECORDED;
		if (f->braked && c->to == STATUS_HARD)
			return hold_instead(e, f, conversions);
		e->term = e->status == c->to && entry_by_failures(e) ? e->term + 1 : 0;
		tell_of(e, f);
		set_status(e, f, c->to, o->last_s, end_of_term_s(c, e->term, o->last_s));
		return CONVERT_CONVERTED;
	}
	return CONVERT_RECORDED;
}

static enum convert_result apply_conversions(struct entry *e, const struct window *w,
	const struct failure *f, const struct conversions *conversions)
{
	if (!came_late(e, w, &f->occurrence))
		return apply_in_order(e, w, f, conversions);
	for (size_t i = 0; i < conversions->n; i++) {
		const struct conversion *c = &conversions->v[i];
		int64_t terms;
		if (!applies(c, f->occurrence.category, f->occurrence.rule))
			continue;
		const struct occurrence *began = newest_term(c, w, f->gap_s, &terms);
		if (!began)
			continue;
		/* what a person decided, and what is stronger, stays */
		bool same = e->status == c->to && entry_by_failures(e);
		if (!same && (binds(e, STATUS_HARD, began->last_s) || (c->to == STATUS_HELD && binds(e, STATUS_HELD, began->last_s))))
			return CONVERT_RECORDED;
		if (same && c->to == STATUS_HARD && binds(e, STATUS_HARD, began->last_s) && began->last_s > e->since_s)
			return CONVERT_RECORDED;
		/* of what began the present term a part may not count any more */
		if (same && f->gap_s && binds(e, c->to, began->last_s) && began->last_s > e->since_s)
			return CONVERT_RECORDED;
		if (f->braked && c->to == STATUS_HARD && !same)
			return hold_instead(e, f, conversions);
		/* the window may have forgotten the first terms; the entry has not */
		int64_t remembered = same ? e->term + (began->last_s > e->since_s) : 0;
		e->term = terms - 1 > remembered ? terms - 1 : remembered;
		bool known = same && began->last_s <= e->since_s; /* perhaps an older failure came late: the term began earlier */
		if (!known)
			tell_of(e, f);
		if (!known || began->last_s < e->since_s)
			set_status(e, f, c->to, began->last_s, 0);
		e->until_s = end_of_term_s(c, e->term, began->last_s);
		return known ? CONVERT_RECORDED : CONVERT_CONVERTED;
	}
	return CONVERT_RECORDED;
}

static int64_t hard_until_s(const struct conversions *conversions, enum category category, int64_t number, int64_t from_s)
{
	const struct category_term *t = &conversions->terms[category];

	return convert_term_end_s(t->term, t->factor, t->max_term, number, from_s);
}

/* An older failure came late. Where its term reaches the present one they are one term, which
 * began earlier; else the present one is the second. */
static void take_late(struct entry *e, const struct failure *f, const struct conversions *conversions)
{
	int64_t end_s = hard_until_s(conversions, f->occurrence.category, 0, f->occurrence.last_s);

	if (end_s != 0 && end_s <= e->since_s) {
		e->term = 1;
		e->until_s = hard_until_s(conversions, e->reason, 1, e->since_s);
		return;
	}
	tell_of(e, f);
	e->since_s = f->occurrence.last_s;
	e->until_s = end_s;
}

enum convert_result convert_failure(struct entry *e, struct window *w, const struct failure *f,
	const struct conversions *conversions)
{
	enum status before = e->status;
	struct span keep = convert_retention(conversions, f->occurrence.category, f->occurrence.rule);

	if (!span_is_zero(keep) && !f->unsure) {
		if (!window_add(w, &f->occurrence))
			return CONVERT_SAME;
		window_trim(w, conversions);
	}
	record(e, f);
	if (status_protected(before) || before == STATUS_ALLOW)
		return CONVERT_RECORDED;
	if (f->class_ == CLASS_HARD && !f->unsure) {
		if (binds(e, STATUS_HARD, f->occurrence.last_s)) {
			if (entry_by_failures(e) && f->occurrence.last_s < e->since_s && e->term == 0)
				take_late(e, f, conversions);
			return CONVERT_RECORDED;
		}
		if (f->braked)
			return hold_instead(e, f, conversions);
		bool again = before == STATUS_HARD && entry_by_failures(e);
		e->term = again ? e->term + 1 : 0;
		tell_of(e, f);
		set_status(e, f, STATUS_HARD, f->occurrence.last_s, hard_until_s(conversions, f->occurrence.category, e->term, f->occurrence.last_s));
		return CONVERT_CHANGED;
	}
	enum convert_result result = f->unsure ? CONVERT_RECORDED : apply_conversions(e, w, f, conversions);
	if (result == CONVERT_CONVERTED || result == CONVERT_BRAKED)
		return result;
	if (before != STATUS_NONE)
		return CONVERT_RECORDED;
	set_status(e, f, STATUS_SOFT, f->occurrence.last_s, 0);
	return CONVERT_CHANGED;
}

static bool survives_delivery(const struct occurrence *o, int64_t time_s, const struct conversions *conversions)
{
	if (o->last_s >= time_s)
		return true;
	for (size_t i = 0; i < conversions->n; i++)
		if (applies(&conversions->v[i], o->category, o->rule) && !conversions->v[i].reset_on_delivery)
			return true;
	return false;
}

enum convert_result convert_delivery(struct entry *e, struct window *w, int64_t time_s,
	const struct conversions *conversions)
{
	enum convert_result result = CONVERT_SAME;
	size_t out = 0;

	for (size_t i = 0; i < w->n; i++)
		if (survives_delivery(&w->v[i], time_s, conversions))
			w->v[out++] = w->v[i];
	if (out != w->n)
		result = CONVERT_RECORDED;
	w->n = out;
	/* An address held by failures that takes mail again is proof enough; hard needs the
	 * end of its term, or a reset, and what a person decided stays. */
	bool lifts = e->status == STATUS_SOFT || (e->status == STATUS_HELD && entry_by_failures(e)) ||
		(e->status == STATUS_HARD && entry_by_failures(e) && e->until_s && time_s >= e->until_s); /* the message on parole */
	if (lifts && time_s > e->last_s) {
		entry_clear(e);
		return CONVERT_CHANGED;
	}
	return result;
}
