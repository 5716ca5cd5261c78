#include "days.h"

#include "clock.h"
#include "log.h"
#include "verbs.h"

#define HOUR_S INT64_C(3600)

/* So many of them as the span has, the present one is the last. */
static bool take_last(const char *text, int64_t unit_s, int64_t *from_s_r, int64_t *to_s_r)
{
	struct span span;

	if (!config_parse_span(sv_of(text), &span) || (span.ms == 0 && span.months == 0)) {
		log_error("--last %s: write a time such as \"7 days\" or \"12h\"", text);
		return false;
	}
	int64_t now_s = clock_now_s(), begin_s = clock_before_us(clock_now_us(), span) / CLOCK_SECOND_US;
	int64_t present_s = now_s - now_s % unit_s;
	*from_s_r = begin_s < 0 ? 0 : begin_s - begin_s % unit_s + unit_s;
	*from_s_r = *from_s_r < present_s ? *from_s_r : present_s;
	*to_s_r = present_s + unit_s;
	return true;
}

static bool take_from_to(const char *from, const char *to, int64_t unit_s, int64_t *from_s_r, int64_t *to_s_r)
{
	int64_t now_s = clock_now_s(), end_s = now_s - now_s % unit_s + unit_s;

	*from_s_r = 0;
	*to_s_r = end_s;
	if (!verb_time("from", from, from_s_r) || !verb_time("to", to, to_s_r))
		return false;
	if (to && strlen(to) == sizeof "yyyy-mm-dd" - 1)
		*to_s_r += CLOCK_DAY_S; /* that day is in it */
	*from_s_r = *from_s_r < 0 ? 0 : *from_s_r - *from_s_r % unit_s;
	*to_s_r = *to_s_r > end_s ? end_s : (*to_s_r + unit_s - 1) / unit_s * unit_s;
	if (*from_s_r < *to_s_r)
		return true;
	log_error("--from is not before --to, or it is in the future");
	return false;
}

bool days_take(const char *last, const char *from, const char *to, bool hours, int64_t *from_s_r, int64_t *to_s_r)
{
	int64_t unit_s = hours ? HOUR_S : CLOCK_DAY_S;

	if (last && (from || to)) {
		log_error("write --last, or --from and --to");
		return false;
	}
	return from || to ? take_from_to(from, to, unit_s, from_s_r, to_s_r) : take_last(last ? last : hours ? "24h" : "7 days", unit_s, from_s_r, to_s_r);
}
