/* config: one option's value out of text, as strings in the file and all of -o have it. */
#include "config_parts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const struct { const char *unit; int64_t ms; int32_t months; } span_units[] = {
	{ "ms", 1, 0 }, { "s", 1000, 0 }, { "sec", 1000, 0 }, { "second", 1000, 0 }, { "seconds", 1000, 0 },
	{ "min", 60000, 0 }, { "minute", 60000, 0 }, { "minutes", 60000, 0 },
	{ "h", HOUR_MS, 0 }, { "hour", HOUR_MS, 0 }, { "hours", HOUR_MS, 0 },
	{ "d", 24 * HOUR_MS, 0 }, { "day", 24 * HOUR_MS, 0 }, { "days", 24 * HOUR_MS, 0 },
	{ "week", 168 * HOUR_MS, 0 }, { "weeks", 168 * HOUR_MS, 0 },
	{ "month", 0, 1 }, { "months", 0, 1 }, { "year", 0, 12 }, { "years", 0, 12 },
};

/* "12 months" into number and unit */
static bool split_unit(struct sv text, uint64_t *number_r, struct sv *unit_r)
{
	size_t digits = 0;

	text = sv_trim(text);
	while (digits < text.n && sv_is_digit(text.p[digits]))
		digits++;
	*unit_r = sv_trim(sv_skip(text, digits));
	return sv_u64(sv_head(text, digits), 1000000000, number_r);
}

/* At most one digit behind the point: a permille is the smallest there is. */
bool config_parse_share(struct sv text, int64_t *permille_r)
{
	uint64_t whole, tenth = 0;
	struct sv rest = sv_trim(text);

	if (rest.n && rest.p[rest.n - 1] == '%')
		rest.n--;
	rest = sv_trim(rest);
	size_t point = sv_find(rest, '.');
	struct sv behind = sv_skip(rest, point + (point < rest.n));
	if (!sv_u64(sv_head(rest, point), 100, &whole) || (point < rest.n && (behind.n != 1 || !sv_u64(behind, 9, &tenth))))
		return false;
	*permille_r = (int64_t)(whole * 10 + tenth);
	return true;
}

bool config_parse_span(struct sv text, struct span *span_r)
{
	uint64_t number;
	struct sv unit;

	if (!split_unit(text, &number, &unit))
		return false;
	for (size_t i = 0; i < sizeof span_units / sizeof *span_units; i++) {
		if (!sv_eq(unit, sv_of(span_units[i].unit)))
			continue;
		/* a hundred years: a date has four digits for its year */
		if (number > (uint64_t)(span_units[i].months ? 1200 / span_units[i].months : 36500 * 24 * HOUR_MS / span_units[i].ms))
			return false;
		span_r->ms = (int64_t)number * span_units[i].ms;
		span_r->months = (int32_t)number * span_units[i].months;
		return true;
	}
	return false;
}

bool config_parse_bytes(struct sv text, int64_t *bytes_r)
{
	static const struct { const char *unit; int shift; } units[] = {
		{ "", 0 }, { "B", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }
	};
	uint64_t number;
	struct sv unit;

	if (!split_unit(text, &number, &unit))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (sv_eq_nocase(unit, sv_of(units[i].unit))) {
			*bytes_r = (int64_t)number << units[i].shift;
			return true;
		}
	}
	return false;
}

/* ---- one value of each kind ---- */

static bool set_string(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	if (text.n >= CONFIG_STRING_MAX)
		return err_set(err, "%s is longer than %d bytes", o->name, CONFIG_STRING_MAX - 1);
	memset(to, 0, CONFIG_STRING_MAX); /* config_reload() compares all of it, also what was set before */
	memcpy(to, text.p, text.n);
	return !o->check || o->check(o->name, to, err);
}

bool config_add_string(const struct config_option *o, struct sv text, struct strings *to, struct err *err)
{
	if (to->n == CONFIG_LIST_MAX)
		return err_set(err, "%s has more than %d members", o->name, CONFIG_LIST_MAX);
	return set_string(o, text, to->v[to->n++], err);
}

static bool set_strings(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	memset(to, 0, sizeof(struct strings));
	while (text.n)
		if (!config_add_string(o, sv_trim(sv_cut(&text, ',')), to, err))
			return false;
	return true;
}

static bool set_enum(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	char list[256];
	size_t n = 0;

	list[0] = '\0';
	for (int i = 0; o->words[i]; i++) {
		if (sv_eq(text, sv_of(o->words[i]))) {
			*(int *)to = i;
			return true;
		}
		int len = snprintf(list + n, sizeof list - n, "%s\"%s\"", i ? ", " : "", o->words[i]);
		n += len > 0 ? (size_t)len : 0;
	}
	return err_set(err, "%s is \"%.*s\"; write one of %s", o->name, SV_ARG(sv_head(text, 40)), list);
}

static bool set_bool(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	bool yes = sv_eq(text, SV("true"));

	if (!yes && !sv_eq(text, SV("false")))
		return err_set(err, "%s is \"%.*s\"; write true or false", o->name, SV_ARG(sv_head(text, 40)));
	*(bool *)to = yes;
	return !o->check || o->check(o->name, yes ? "true" : "false", err);
}

static bool set_ranged(const struct config_option *o, int64_t value, const char *unit, int64_t *to, struct err *err)
{
	if (value < o->min || value > o->max)
		return err_set(err, "%s is out of range; write a value from %lld%s to %lld%s", o->name,
			(long long)o->min, unit, (long long)o->max, unit);
	*to = value;
	return true;
}

static bool set_number(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	uint64_t number;

	if (!sv_u64(text, INT64_MAX, &number))
		return err_set(err, "%s is \"%.*s\"; write a whole number", o->name, SV_ARG(sv_head(text, 40)));
	return set_ranged(o, (int64_t)number, "", to, err);
}

static bool set_mode(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	char *end, digits[8] = "";

	if (text.n == 0 || text.n >= sizeof digits)
		return err_set(err, "%s: write the rights as in chmod, e.g. \"0660\"", o->name);
	memcpy(digits, text.p, text.n);
	long mode = strtol(digits, &end, 8);
	if (*end || mode < 0 || mode > 0777)
		return err_set(err, "%s is \"%s\"; write the rights as in chmod, e.g. \"0660\"", o->name, digits);
	*(int64_t *)to = mode;
	return true;
}

static bool set_ms(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	struct span span;

	if (!config_parse_span(text, &span) || span.months)
		return err_set(err, "%s is \"%.*s\"; write a time such as \"250ms\", \"10s\" or \"5 min\"", o->name, SV_ARG(sv_head(text, 40)));
	return set_ranged(o, span.ms, "ms", to, err);
}

static bool set_span(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	struct span span = { 0 };

	if (!(o->min == 0 && sv_eq(text, SV("0"))) && !config_parse_span(text, &span))
		return err_set(err, "%s is \"%.*s\"; write a time such as \"30 days\" or \"12 months\"%s", o->name, SV_ARG(sv_head(text, 40)),
			o->min ? "" : ", or \"0\"");
	if (o->min && span_is_zero(span))
		return err_set(err, "%s must be longer than nothing", o->name);
	/* by its members: what lies between them is compared by config_reload() */
	((struct span *)to)->months = span.months;
	((struct span *)to)->ms = span.ms;
	return true;
}

static bool set_bytes(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	int64_t bytes;

	if (!config_parse_bytes(text, &bytes))
		return err_set(err, "%s is \"%.*s\"; write a size such as \"32MiB\"", o->name, SV_ARG(sv_head(text, 40)));
	return set_ranged(o, bytes, " bytes", to, err);
}

static bool set_share(const struct config_option *o, struct sv text, void *to, struct err *err)
{
	int64_t share;

	if (!config_parse_share(text, &share) || share < o->min || share > o->max)
		return err_set(err, "%s is \"%.*s\"; write a share from %lld.%lld %% to %lld %%, such as \"2.5 %%\"", o->name, SV_ARG(sv_head(text, 40)),
			(long long)o->min / 10, (long long)o->min % 10, (long long)o->max / 10);
	*(int64_t *)to = share;
	return true;
}

/* ---- all kinds ---- */

#define SIZE_OF(field) sizeof(((struct config *)NULL)->field)

static const struct {
	size_t size;
	bool (*set)(const struct config_option *o, struct sv text, void *to, struct err *err); /* NULL: only in the file */
} kinds[] = {
	[OPTION_STRING] = { CONFIG_STRING_MAX, set_string },
	[OPTION_STRINGS] = { sizeof(struct strings), set_strings },
	[OPTION_NUMBER] = { sizeof(int64_t), set_number },
	[OPTION_MODE] = { sizeof(int64_t), set_mode },
	[OPTION_BOOL] = { sizeof(bool), set_bool },
	[OPTION_ENUM] = { sizeof(int), set_enum },
	[OPTION_MS] = { sizeof(int64_t), set_ms },
	[OPTION_SPAN] = { sizeof(struct span), set_span },
	[OPTION_BYTES] = { sizeof(int64_t), set_bytes },
	[OPTION_SHARE] = { sizeof(int64_t), set_share },
	[OPTION_CONVERSIONS] = { offsetof(struct conversions, terms), NULL },
	[OPTION_TERMS] = { SIZE_OF(conversions.terms), NULL },
	[OPTION_ANSWERS] = { offsetof(struct answers, shadow), NULL },
	[OPTION_STATUS_FILTER] = { SIZE_OF(status_filter), NULL },
	[OPTION_ADDRESSES] = { SIZE_OF(receive_addresses), NULL },
	[OPTION_FEEDBACK_LOOPS] = { SIZE_OF(receive_feedback_loops), NULL },
};

bool config_set_text(const struct config_option *o, struct sv text, struct config *config, struct err *err)
{
	if (!kinds[o->type].set)
		return err_set(err, "%s can only be set in the file", o->name);
	return kinds[o->type].set(o, text, (char *)config + o->offset, err);
}

size_t config_option_size(const struct config_option *o)
{
	return kinds[o->type].size;
}
