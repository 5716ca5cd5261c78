/* The store in Redis: what a transaction counts, as operations of apply.lua. */
#include "store_script.h"

/* "20261121:rule": a day's; with twelve digits a minute's. */
static bool is_minute(struct sv period)
{
	return sv_find(period, ':') == sizeof "yyyymmddhhmm" - 1;
}

/* How long what is counted in this minute is kept */
static int64_t minute_end_s(int hours)
{
	return clock_now_s() + hours * INT64_C(3600);
}

/* In one operation. Returns the first that is left. */
static const struct counter *write_some_counters(struct script *x, int64_t k, int64_t end_s, const struct counter *first)
{
	const struct counter *end = first;
	int64_t n = 0;

	for (; end && n < PAIRS_MAX; end = end->next)
		n++;
	op(x, "sum", k);
	number(x, end_s);
	number(x, n);
	for (const struct counter *c = first; c != end; c = c->next)
		field(x, c->name, schema_number(x->arena, c->delta));
	return end;
}

/* The counters of one period, or of one dimension of it, side by side. */
static void write_counters(struct script *x, struct transaction *t)
{
	struct map periods = { 0 };
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->counters, &i));) {
		struct counter *c = slot->value;
		c->next = map_get(&periods, c->period);
		map_put(&periods, c->period, c);
	}
	for (size_t i = 0; (slot = map_next(&periods, &i));) {
		bool minute = is_minute(slot->key), total = sv_find(slot->key, ':') == slot->key.n;
		int64_t k = key(x, minute ? KEY_MINUTE : KEY_DAY, slot->key);
		int64_t end_s = minute ? minute_end_s(total ? SCHEMA_HOURS_MINUTES : SCHEMA_HOURS_MINUTE_DIMENSIONS) : expire_in_days(SCHEMA_DAYS_COUNTERS);
		for (const struct counter *c = slot->value; c;)
			c = write_some_counters(x, k, end_s, c);
		if (minute || !total)
			continue;
		op(x, "zadd", key(x, KEY_DAYS, SV("")));
		arg(x, slot->key);
		arg(x, slot->key);
	}
	map_free(&periods);
}

static size_t tally_size(const struct tally *tally)
{
	size_t n = 0;

	for (int i = 0; i < TALLY_COUNTERS; i++)
		n += tally->n[i] != 0;
	return n;
}

/* Some values of a dimension of one period, in one operation. Returns the first that is left. */
static const struct tally *write_some_tallies(struct script *x, const struct tally *first, unsigned partitions)
{
	bool minute = is_minute(first->period);
	int64_t max = minute ? SCHEMA_DIMENSION_MINUTE_MAX : SCHEMA_DIMENSION_DAY_MAX;
	const struct tally *end = first;
	size_t n = 0;

	for (; end && n + tally_size(end) <= PAIRS_MAX; end = end->next)
		n += tally_size(end);
	op(x, "dim", key(x, minute ? KEY_MINUTE : KEY_DAY, arena_printf(x->arena, "%.*s:%.*s", SV_ARG(first->period), SV_ARG(first->dimension))));
	number(x, partitions > 1 ? max / 4 : max);
	number(x, minute ? minute_end_s(SCHEMA_HOURS_MINUTE_DIMENSIONS) : expire_in_days(SCHEMA_DAYS_COUNTERS));
	number(x, (int64_t)n);
	for (const struct tally *tally = first; tally != end; tally = tally->next) {
		for (int i = 0; i < TALLY_COUNTERS; i++) {
			if (!tally->n[i])
				continue;
			arg(x, tally->value);
			field(x, sv_of(tally_name((enum tally_counter)i)), schema_number(x->arena, tally->n[i]));
		}
	}
	return end;
}

static void write_tallies(struct script *x, struct transaction *t, unsigned partitions)
{
	struct map lists = { 0 };
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->tallies, &i));) {
		struct tally *tally = slot->value;
		struct sv key = sv_make(tally->period.p, tally->period.n + 1 + tally->dimension.n); /* side by side */
		tally->next = map_get(&lists, key);
		map_put(&lists, key, tally);
	}
	for (size_t i = 0; (slot = map_next(&lists, &i));)
		for (const struct tally *left = slot->value; left;)
			left = write_some_tallies(x, left, partitions);
	map_free(&lists);
}

/* Periods that ended between two places in the log, and some minutes for other hosts' lines. */
#define ROLL_SLACK_S 300

static void write_roll_hour(struct script *x, int64_t from_s)
{
	int64_t stream = key(x, KEY_ROLL, SV("hour")), minutes[60];
	char name[CLOCK_MINUTE_MAX];

	if (from_s <= clock_now_s() - SCHEMA_HOURS_MINUTES * 3600)
		return; /* not all of its minutes were kept */
	for (int i = 0; i < 60; i++) {
		clock_format_minute(from_s + 60 * i, name);
		minutes[i] = key(x, KEY_MINUTE, arena_dup(x->arena, sv_of(name)));
	}
	op(x, "roll", stream);
	arg(x, SV(SCHEMA_ROLL_HOURS_MAX));
	number(x, from_s * 1000);
	number(x, 60);
	for (int i = 0; i < 60; i++)
		number(x, minutes[i]);
}

static void write_roll_day(struct script *x, int64_t from_s)
{
	int64_t stream = key(x, KEY_ROLL, SV("day"));
	char name[9];

	clock_format_day(from_s, name);
	int64_t day = key(x, KEY_DAY, arena_dup(x->arena, sv_of(name)));
	op(x, "roll", stream);
	arg(x, SV(SCHEMA_ROLL_DAYS_MAX));
	number(x, from_s * 1000);
	number(x, 1);
	number(x, day);
}

/* Not more than these: of what is older there are no minutes, or no days. */
#define ROLL_HOURS_MAX SCHEMA_HOURS_MINUTES
#define ROLL_DAYS_MAX SCHEMA_DAYS_COUNTERS

/* first_s: where a log begins that was never read */
static void write_rolls(struct script *x, const struct position *from, const struct position *to, int64_t first_s)
{
	int64_t before_s = (from->time_s ? from->time_s : first_s) - ROLL_SLACK_S, now_s = to->time_s - ROLL_SLACK_S;

	if (before_s <= 0 || now_s > clock_now_s())
		return;
	int64_t hour = before_s / 3600, end_hour = now_s / 3600, day = before_s / CLOCK_DAY_S, end_day = now_s / CLOCK_DAY_S;
	hour = hour < end_hour - ROLL_HOURS_MAX ? end_hour - ROLL_HOURS_MAX : hour;
	day = day < end_day - ROLL_DAYS_MAX ? end_day - ROLL_DAYS_MAX : day;
	for (; hour < end_hour; hour++)
		write_roll_hour(x, hour * 3600);
	for (; day < end_day; day++)
		write_roll_day(x, day * CLOCK_DAY_S);
}

/* The texts of one month: how often each, and one reply as an example. */
static void write_unclassified(struct script *x, struct transaction *t)
{
	struct map months = { 0 };
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->unclassified, &i));) {
		struct unclassified *u = slot->value;
		u->next = map_get(&months, u->month);
		map_put(&months, u->month, u);
	}
	for (size_t i = 0; (slot = map_next(&months, &i));) {
		for (int texts = 0; texts < 2; texts++) {
			int64_t n = 0;
			for (const struct unclassified *u = slot->value; u; u = u->next)
				n++;
			op(x, texts ? "first" : "top", key(x, texts ? KEY_UNCLASSIFIED_TEXT : KEY_UNCLASSIFIED, slot->key));
			number(x, SCHEMA_UNCLASSIFIED_MAX);
			number(x, expire_in_days(SCHEMA_DAYS_COUNTERS));
			number(x, n);
			for (const struct unclassified *u = slot->value; u; u = u->next)
				field(x, u->text, texts ? u->example : schema_number(x->arena, u->delta));
		}
	}
	map_free(&months);
}

void script_add_counts(struct script *x, struct transaction *t, unsigned partitions)
{
	write_counters(x, t);
	write_tallies(x, t, partitions);
	write_unclassified(x, t);
}

void script_add_rolls(struct script *x, const struct transaction *t)
{
	write_rolls(x, t->from, t->to, t->first_s);
}
