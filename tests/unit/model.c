#include "model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- dates, by the C library ---- */

int64_t model_moment_s(int64_t time_s, int sign, struct span span)
{
	struct tm tm, last;
	time_t t = (time_t)(time_s + sign * (span.ms / 1000));

	if (!span.months)
		return t;
	(void)gmtime_r(&t, &tm);
	/* the last day of that month is the day before the first of the next */
	last = (struct tm){ .tm_year = tm.tm_year, .tm_mon = tm.tm_mon + sign * span.months + 1, .tm_mday = 0 };
	(void)timegm(&last);
	last.tm_mday = tm.tm_mday < last.tm_mday ? tm.tm_mday : last.tm_mday;
	last.tm_hour = tm.tm_hour;
	last.tm_min = tm.tm_min;
	last.tm_sec = tm.tm_sec;
	return timegm(&last);
}

static int64_t term_end_s(struct span term, unsigned factor, struct span max, int64_t number, int64_t from_s)
{
	if (!term.months && !term.ms)
		return 0;
	for (int64_t i = 0; i < number; i++) {
		/* once it is longer than any maximum it need not grow */
		if (model_moment_s(from_s, 1, term) > from_s + 40 * 365 * CLOCK_DAY_S)
			break;
		term.months *= factor ? (int32_t)factor : 1;
		term.ms *= factor ? factor : 1;
	}
	int64_t end_s = model_moment_s(from_s, 1, term), max_s = model_moment_s(from_s, 1, max);
	return (max.months || max.ms) && max_s < end_s ? max_s : end_s;
}

/* ---- the story of one address ---- */

static bool matches(const struct conversion *c, const struct occurrence *o)
{
	return sv_eq(sv_of(c->match), sv_of(category_name(o->category))) || sv_eq(sv_of(c->match), o->rule);
}

static bool is_watched(const struct conversions *all, const struct occurrence *o)
{
	for (size_t i = 0; i < all->n; i++)
		if (matches(&all->v[i], o))
			return true;
	return false;
}

/* Is `old` younger than the window of the conversion, seen from the newest? */
static bool within(const struct conversion *c, const struct occurrence *old, const struct occurrence *newest)
{
	struct span window = c->window;

	if (!window.months && !window.ms)
		window.months = 12;
	return old->last_s > model_moment_s(newest->last_s, -1, window);
}

/* Is there an occurrence from which on there are enough, within the window, over the span? */
static bool fulfilled(const struct conversion *c, const struct model_state *s, const struct occurrence *newest, int64_t lost_s)
{
	int64_t day = -1;
	unsigned count = 0;

	/* where a delivery ends the series, one that is lost may have: what was before tells nothing */
	if (!c->reset_on_delivery)
		lost_s = 0;
	if (!matches(c, newest) || newest->last_s <= lost_s)
		return false;
	for (size_t i = s->n; i-- > 0;) {
		const struct occurrence *o = &s->window[i];
		if (!matches(c, o) || !within(c, o, newest) || o->last_s <= lost_s)
			continue;
		if (c->per == PER_MESSAGE || o->last_s / CLOCK_DAY_S != day)
			count++;
		day = o->last_s / CLOCK_DAY_S;
		if (count >= c->count && newest->last_s >= model_moment_s(o->first_s, 1, c->min_span))
			return true;
	}
	return false;
}

/* What is told of a suppressed address: the failure that suppressed it. Of a soft one: the newest. */
static void tell(struct entry *e, const struct failure *f)
{
	e->reason = f->occurrence.category;
	e->rule = f->occurrence.rule;
	e->code = f->code;
	e->enhanced = f->enhanced;
	e->text = f->text;
	e->remote = f->remote;
}

static void suppress(struct entry *e, enum status status, const struct failure *f, struct span term, unsigned factor,
	struct span max_term, int64_t number)
{
	tell(e, f);
	e->status = status;
	e->origin = ORIGIN_LOG;
	e->by = sv_of("");
	e->since_s = f->occurrence.last_s;
	e->term = number;
	e->until_s = term_end_s(term, factor, max_term, number, e->since_s);
	e->parole_s = 0;
}

/* The newest 32 are kept, and none that no conversion can count any more. */
static void forget(const struct conversions *all, struct model_state *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		bool keep = false;
		for (size_t j = 0; j < all->n; j++)
			keep |= matches(&all->v[j], &s->window[i]) && within(&all->v[j], &s->window[i], &s->window[s->n - 1]);
		if (keep && s->n - i <= WINDOW_MAX)
			s->window[kept++] = s->window[i];
	}
	s->n = kept;
}

static bool suppressing(const struct entry *e)
{
	return e->status == STATUS_HELD || e->status == STATUS_HARD;
}

static void fail(const struct conversions *all, struct model_state *s, const struct failure *f)
{
	struct entry *e = &s->entry;
	const struct occurrence *o = &f->occurrence;

	if (is_watched(all, o) && !f->unsure) {
		s->window[s->n++] = *o;
		forget(all, s);
	}
	e->first_s = e->count && e->first_s < o->first_s ? e->first_s : o->first_s;
	e->last_s = e->last_s > o->last_s ? e->last_s : o->last_s;
	e->count++;
	if (e->status == STATUS_MANUAL || e->status == STATUS_COMPLAINT || e->status == STATUS_ALLOW)
		return;

	int64_t arrival_s = strtoll(strrchr(o->message.p, '/') + 1, NULL, 10);
	bool over = suppressing(e) && e->until_s && o->last_s >= e->until_s;
	/* a term follows one of its kind; a person's is none */
	int64_t number = over && e->origin == ORIGIN_LOG ? e->term + 1 : 0;
	const struct category_term *term = &all->terms[o->category];
	if (f->class_ == CLASS_HARD && !f->unsure) {
		if (e->status != STATUS_HARD || over)
			suppress(e, STATUS_HARD, f, term->term, term->factor, term->max_term, e->status == STATUS_HARD ? number : 0);
		return;
	}
	for (size_t i = 0; i < all->n && !f->unsure; i++) {
		const struct conversion *c = &all->v[i];
		if (!fulfilled(c, s, o, f->gap_s))
			continue;
		if (over || !suppressing(e) || (e->status == STATUS_HELD && c->to == STATUS_HARD)) {
			suppress(e, c->to, f, c->term, c->factor, c->max_term, e->status == c->to ? number : 0);
			s->conversions++;
		}
		return;
	}
	if (suppressing(e)) {
		/* what was in the queue before says nothing about the message that was let through */
		if (over && o->last_s >= e->parole_s && arrival_s >= e->parole_s - 300)
			e->parole_s = 0;
		return;
	}
	if (e->status == STATUS_NONE)
		e->since_s = o->last_s;
	e->status = STATUS_SOFT;
	tell(e, f);
}

static void deliver(const struct conversions *all, struct model_state *s, int64_t time_s)
{
	struct entry *e = &s->entry;
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		bool keep = s->window[i].last_s >= time_s;
		for (size_t j = 0; j < all->n; j++)
			keep |= matches(&all->v[j], &s->window[i]) && !all->v[j].reset_on_delivery;
		if (keep)
			s->window[kept++] = s->window[i];
	}
	s->n = kept;
	if (e->last_s >= time_s)
		return;
	if (e->status == STATUS_SOFT || e->status == STATUS_HELD ||
	    (e->status == STATUS_HARD && e->until_s && time_s >= e->until_s))
		*e = (struct entry){ 0 };
}

/* After the term of what failures made one message is, and another when that was lost. */
static void let_through(struct entry *e, int64_t time_s)
{
	if (suppressing(e) && e->origin == ORIGIN_LOG && e->until_s && time_s >= e->until_s &&
	    (!e->parole_s || time_s >= e->parole_s + 2 * CLOCK_DAY_S))
		e->parole_s = time_s;
}

void model_state(const struct model *model, const struct model_address *address, struct model_state *state_r)
{
	const struct model_event *order[MODEL_EVENTS];

	*state_r = (struct model_state){ 0 };
	for (size_t i = 0; i < address->n; i++) {
		size_t at = i;
		for (; at > 0 && order[at - 1]->time_s > address->events[i].time_s; at--)
			order[at] = order[at - 1];
		order[at] = &address->events[i];
	}
	for (size_t i = 0; i < address->n; i++) {
		switch (order[i]->kind) {
		case MODEL_FAILED:
			fail(model->conversions, state_r, &order[i]->failure);
			break;
		case MODEL_DELIVERED:
			deliver(model->conversions, state_r, order[i]->time_s);
			break;
		case MODEL_PERSON:
			state_r->entry = order[i]->person;
			break;
		case MODEL_PAROLE:
			let_through(&state_r->entry, order[i]->time_s);
			break;
		}
	}
}

/* ---- facts ---- */

void model_begin(struct model *model, const struct conversions *conversions)
{
	model->conversions = conversions;
	model->n_addresses = model->n_messages = model->n_counters = 0;
	model->lost_s = 0;
}

static struct model_address *address_of(struct model *model, struct sv key)
{
	size_t i = 0;

	while (i < model->n_addresses && !sv_eq(model->addresses[i].key, key))
		i++;
	assert(i < MODEL_ADDRESSES);
	if (i == model->n_addresses) {
		model->addresses[i].key = key;
		model->addresses[i].n = 0;
		model->n_addresses++;
	}
	return &model->addresses[i];
}

static struct model_event *add_event(struct model *model, struct sv key, int64_t time_s)
{
	struct model_address *a = address_of(model, key);

	assert(a->n < MODEL_EVENTS);
	a->events[a->n].time_s = time_s;
	return &a->events[a->n++];
}

static void count(struct model *model, int64_t time_s, const char *dimension, const char *what, struct sv name)
{
	char key[sizeof model->counters[0].name], day[16];
	struct tm tm;
	time_t t = (time_t)time_s;
	size_t i = 0;

	(void)gmtime_r(&t, &tm);
	(void)snprintf(day, sizeof day, "%04u%02u%02u", (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		(unsigned)tm.tm_mday % 100);
	(void)snprintf(key, sizeof key, "%s%s|%s%.*s", day, dimension, what, SV_ARG(name));
	while (i < model->n_counters && strcmp(model->counters[i].name, key) != 0)
		i++;
	assert(i < MODEL_COUNTERS);
	if (i == model->n_counters) {
		memcpy(model->counters[i].name, key, sizeof key);
		model->counters[i].value = 0;
		model->n_counters++;
	}
	model->counters[i].value++;
}

/* Each attempt that failed softly: what it says of our speed, our name, or the other side's trouble. */
static void count_attempt(struct model *model, const struct fact *fact)
{
	const struct failure *f = &fact->failure;
	enum category category = f->occurrence.category;
	const char *what = NULL;
	char by_rule[80];

	if (category == CATEGORY_THROTTLED)
		what = "throttled";
	else if (category == CATEGORY_BLOCKED_REPUTATION || category == CATEGORY_BLOCKED_AUTH || category == CATEGORY_SPAM_CONTENT)
		what = "blocked";
	else if (category_fault(category) == FAULT_REMOTE && category != CATEGORY_GREYLISTED)
		what = "failing";
	if (!what || f->class_ != CLASS_SOFT || fact->uncounted)
		return;
	(void)snprintf(by_rule, sizeof by_rule, "%.*s|%s", SV_ARG(f->occurrence.rule.n ? f->occurrence.rule : sv_of("-")), what);
	count(model, fact->time_s, ":rule", by_rule, sv_of(""));
}

/* On the day of the line that made it final. */
static void count_failure(struct model *model, const struct failure *f, int64_t time_s)
{
	char by_rule[80];

	count(model, time_s, "", "cat:", sv_of(category_name(f->occurrence.category)));
	(void)snprintf(by_rule, sizeof by_rule, "%.*s|%s", SV_ARG(f->occurrence.rule.n ? f->occurrence.rule : sv_of("-")), class_name(f->class_));
	count(model, time_s, ":rule", by_rule, sv_of(""));
	if (f->class_ == CLASS_NONE)
		return;
	count(model, time_s, "", class_name(f->class_), sv_of(""));
	if (f->code / 100 == 4 || f->code / 100 == 5)
		count(model, time_s, "", f->code / 100 == 4 ? "code:4" : "code:5", sv_of(""));
	if (f->class_ == CLASS_SOFT && f->code / 100 == 5)
		count(model, time_s, "", "hard-as-soft", sv_of(""));
}

static void final(struct model *model, const struct fact *fact, struct failure f, int64_t arrival_s, struct sv address,
	bool uncounted)
{
	struct model_state before, after;

	if (!uncounted)
		count_failure(model, &f, fact->time_s);
	if (!address.n || f.class_ == CLASS_NONE || f.class_ == CLASS_COMPLAINT)
		return;
	f.gap_s = model->lost_s;
	model_state(model, address_of(model, address), &before);
	struct model_event *e = add_event(model, address, f.occurrence.last_s);
	e->kind = MODEL_FAILED;
	e->failure = f;
	(void)snprintf(e->message, sizeof e->message, "%.*s/%jd", SV_ARG(fact->message), (intmax_t)arrival_s);
	e->failure.occurrence.message = sv_of(e->message);
	model_state(model, address_of(model, address), &after);
	if (!uncounted)
		for (unsigned i = before.conversions; i < after.conversions; i++)
			count(model, fact->time_s, "", "soft-to-hard", sv_of(""));
}

/* Delays are rounded, and where stamps are local time the clocks change twice a year. */
static bool same_arrival(int64_t a_s, int64_t b_s)
{
	int64_t apart_s = a_s < b_s ? b_s - a_s : a_s - b_s;

	return apart_s <= LEDGER_ARRIVAL_SLACK_S || (apart_s >= 3600 - LEDGER_ARRIVAL_SLACK_S && apart_s <= 3600 + LEDGER_ARRIVAL_SLACK_S);
}

/* The message of the fact, if somebody is pending for it. What was pending for an older
 * message of the same queue id is forgotten: that one has left the queue. */
static struct model_message *message_of(struct model *model, const struct fact *fact)
{
	for (size_t i = 0; i < model->n_messages; i++) {
		struct model_message *m = &model->messages[i];
		if (!sv_eq(m->key, fact->message))
			continue;
		if (!fact->arrival_s || same_arrival(m->arrival_s, fact->arrival_s))
			return m;
		*m = model->messages[--model->n_messages];
		return NULL;
	}
	return NULL;
}

static struct model_recipient *recipient_of(struct model_message *m, struct sv address)
{
	for (size_t i = 0; m && i < m->n; i++)
		if (sv_eq(m->recipients[i].address, address))
			return &m->recipients[i];
	return NULL;
}

static void forget_recipient(struct model *model, struct model_message *m, struct model_recipient *r)
{
	if (!r)
		return;
	*r = m->recipients[--m->n];
	if (!m->n)
		*m = model->messages[--model->n_messages];
}

static void deferred(struct model *model, const struct fact *fact, struct model_message *m)
{
	struct model_recipient *r;

	count_attempt(model, fact);
	if (!fact->uncounted)
		count(model, fact->time_s, "", "deferred", sv_of(""));
	if (!fact->address.n)
		return;
	if (!m) {
		assert(model->n_messages < MODEL_MESSAGES);
		m = &model->messages[model->n_messages++];
		*m = (struct model_message){ .key = fact->message, .arrival_s = fact->arrival_s };
	}
	r = recipient_of(m, fact->address);
	int64_t first_s = r ? r->failure.occurrence.first_s : fact->time_s;
	if (!r) {
		assert(m->n < MODEL_ADDRESSES);
		r = &m->recipients[m->n++];
		*r = (struct model_recipient){ .address = fact->address };
	}
	r->failure = fact->failure;
	r->failure.occurrence.first_s = first_s;
	r->failure.occurrence.last_s = fact->time_s;
	r->uncounted = fact->uncounted;
	r->attempts++;
}

static void failed(struct model *model, const struct fact *fact, struct model_message *m)
{
	struct model_recipient *r = recipient_of(m, fact->address);
	struct failure f = fact->failure;

	f.occurrence.first_s = r ? r->failure.occurrence.first_s : fact->time_s;
	f.occurrence.last_s = fact->time_s;
	int64_t arrival_s = r ? m->arrival_s : fact->arrival_s;
	forget_recipient(model, m, r);
	count_attempt(model, fact);
	final(model, fact, f, arrival_s, fact->address, fact->uncounted);
}

void model_fact(struct model *model, const struct fact *fact)
{
	/* of one that was never deferred nobody is pending, and nobody asks */
	struct model_message *m = fact->never_deferred && fact->kind != FACT_DEFERRED ? NULL : message_of(model, fact);

	switch (fact->kind) {
	case FACT_DEFERRED:
		deferred(model, fact, m);
		break;
	case FACT_FAILED:
		failed(model, fact, m);
		break;
	case FACT_DELIVERED:
		if (!fact->uncounted)
			count(model, fact->time_s, "", "delivered", sv_of(""));
		forget_recipient(model, m, recipient_of(m, fact->address));
		if (fact->address.n)
			add_event(model, fact->address, fact->time_s)->kind = MODEL_DELIVERED;
		break;
	case FACT_EXPIRED:
		/* whose last attempt is older than the loss, may have had the mail in the end */
		for (size_t i = 0; m && i < m->n; i++)
			m->recipients[i].failure.unsure = m->recipients[i].failure.occurrence.last_s <= model->lost_s && model->lost_s <= fact->time_s;
		for (size_t i = 0; m && i < m->n; i++)
			final(model, fact, m->recipients[i].failure, m->arrival_s, m->recipients[i].address, m->recipients[i].uncounted);
		/* fall through */
	case FACT_REMOVED:
		if (m)
			*m = model->messages[--model->n_messages];
		break;
	case FACT_COMPLAINED:
	case FACT_UNSUBSCRIBED:
		break; /* of mail; logs have none */
	}
}

void model_lost(struct model *model, int64_t time_s)
{
	model->lost_s = time_s > model->lost_s ? time_s : model->lost_s;
}

void model_person(struct model *model, struct sv address, const struct entry *entry, int64_t time_s)
{
	struct model_event *e = add_event(model, address, time_s);

	e->kind = MODEL_PERSON;
	e->person = *entry;
}

void model_parole(struct model *model, struct sv address, int64_t time_s)
{
	add_event(model, address, time_s)->kind = MODEL_PAROLE;
}
