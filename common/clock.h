/* clock: the only caller of time functions, and the arithmetic of dates.
 *
 * Event times are microseconds since the epoch, UTC ("_us"); in Redis they are
 * seconds ("_s"). The wall clock can be set for tests: clock_set(), or the
 * environment variable NIXIE_CLOCK (epoch seconds) read by clock_init(). */
#ifndef NIXIE_CLOCK_H
#define NIXIE_CLOCK_H

#include "sv.h"

#define CLOCK_SECOND_US INT64_C(1000000)
#define CLOCK_DAY_S INT64_C(86400)

struct civil {
	int year, month, day; /* month 1..12, day 1..31 */
	int hour, minute, second;
};

/* A length of time: so many calendar months, or so many milliseconds. One of them is 0. */
struct span {
	int32_t months;
	int64_t ms;
};

static inline bool span_is_zero(struct span s)
{
	return s.months == 0 && s.ms == 0;
}

void clock_init(void);
void clock_set(int64_t now_us); /* the wall clock stands still there */
int64_t clock_now_us(void);
int64_t clock_now_s(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void); /* never set, never steps back: for timeouts */

/* UTC, proleptic Gregorian; no leap seconds (POSIX). */
int64_t clock_civil_to_s(const struct civil *civil);
void clock_s_to_civil(int64_t seconds, struct civil *civil_r);

/* Local time of the zone set by clock_set_zone(). An hour that a change of clocks skips is taken
 * as the one after it, one that is there twice as the first. */
int64_t clock_local_to_s(const struct civil *civil);
/* For lines in order: of an hour that is there twice the one that comes after before_s, the time
 * of the line before; that lines swap places by CLOCK_SWAP_S does not make it the second. */
#define CLOCK_SWAP_S 300
int64_t clock_local_after_s(const struct civil *civil, int64_t before_s);

/* "local", "UTC" or a name of the tz database. False when there is no such zone. */
bool clock_set_zone(const char *name) NIXIE_MUST_CHECK;
bool clock_zone_exists(const char *name);

/* The moment `span` before / after: months go by the calendar, and a day that
 * the month has not is its last one (31 March less a month is 28 February). */
int64_t clock_before_us(int64_t time_us, struct span span);
int64_t clock_after_us(int64_t time_us, struct span span);

bool clock_leap_year(int year);
int clock_month_days(int year, int month);

/* RFC 3339 in UTC; microseconds only when they are not 0. size >= CLOCK_TEXT_MAX. */
#define CLOCK_TEXT_MAX 40
void clock_format_us(int64_t time_us, char *text_r, size_t size);
/* yyyymmdd and yyyy-mm-dd of the UTC day */
void clock_format_day(int64_t seconds, char day_r[9]);
/* yyyymmddhhmm of UTC */
#define CLOCK_MINUTE_MAX 13
void clock_format_minute(int64_t seconds, char minute_r[CLOCK_MINUTE_MAX]);
void clock_format_date(int64_t seconds, char date_r[11]);

/* RFC 3339 stamp at the front of s ("2026-11-21T09:12:01.123456+01:00", also a
 * blank for the T). Returns the number of bytes it took, 0 when it is none. */
size_t clock_parse_rfc3339(struct sv s, int64_t *time_us_r);

/* Date as a person types it: RFC 3339, or yyyy-mm-dd (UTC). */
bool clock_parse_date(struct sv s, int64_t *time_us_r) NIXIE_MUST_CHECK;

#endif
