#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static bool faked;
static int64_t faked_us;

void clock_init(void)
{
	const char *env = getenv("NIXIE_CLOCK");
	uint64_t s;

	tzset();
	if (env && sv_u64(sv_of(env), 253402300799u, &s)) /* the year 9999 */
		clock_set((int64_t)s * CLOCK_SECOND_US);
}

void clock_set(int64_t now_us)
{
	faked = true;
	faked_us = now_us;
}

int64_t clock_now_us(void)
{
	struct timespec t;

	if (faked)
		return faked_us;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * CLOCK_SECOND_US + t.tv_nsec / 1000;
}

int64_t clock_now_s(void)
{
	return clock_now_us() / CLOCK_SECOND_US;
}

int64_t clock_mono_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * CLOCK_SECOND_US + t.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

bool clock_leap_year(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int clock_month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 2 && clock_leap_year(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01; Howard Hinnant, "chrono-compatible low-level date algorithms" */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

int64_t clock_civil_to_s(const struct civil *c)
{
	return days_of(c->year, c->month, c->day) * CLOCK_DAY_S +
		c->hour * 3600 + c->minute * 60 + c->second;
}

/* Log lines come in order, so remembered hours make mktime rare: one for each year that a stamp
 * without one may be of. first_s and second_s differ in an hour that is there twice. */
static struct local_hour {
	struct civil hour;
	int64_t first_s, second_s;
} local_hours[4];

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void clock_s_to_civil(int64_t seconds, struct civil *c)
{
	int64_t days = floor_div(seconds, CLOCK_DAY_S);
	int rest = (int)(seconds - days * CLOCK_DAY_S);
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	c->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c->year = (int)(yoe + era * 400 + (c->month <= 2));
	c->hour = rest / 3600;
	c->minute = rest / 60 % 60;
	c->second = rest % 60;
}

bool clock_zone_exists(const char *name)
{
	char path[256];

	if (strcmp(name, "local") == 0 || strcmp(name, "UTC") == 0)
		return true;
	return name[0] && name[0] != '/' && !strstr(name, "..") &&
		(size_t)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name) < sizeof path && access(path, R_OK) == 0;
}

bool clock_set_zone(const char *name)
{
	if (!clock_zone_exists(name))
		return false;
	if (strcmp(name, "local") == 0)
		return true;
	if (setenv("TZ", name, 1) != 0)
		return false;
	tzset();
	memset(local_hours, 0, sizeof local_hours);
	return true;
}

/* Does the clock on the wall show this hour then? */
static bool shows_hour(int64_t time_s, const struct civil *c)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	return localtime_r(&t, &tm) && tm.tm_mday == c->day && tm.tm_hour == c->hour && tm.tm_min == 0;
}

static const struct local_hour *local_hour(const struct civil *c)
{
	struct local_hour *h = &local_hours[c->year & 3];

	if (h->hour.year == c->year && h->hour.month == c->month && h->hour.day == c->day && h->hour.hour == c->hour)
		return h;
	struct tm tm = { .tm_year = c->year - 1900, .tm_mon = c->month - 1, .tm_mday = c->day, .tm_hour = c->hour, .tm_isdst = -1 };
	h->hour = *c;
	h->first_s = h->second_s = (int64_t)mktime(&tm);
	if (tm.tm_hour < c->hour && tm.tm_mday == c->day) /* skipped, and taken as the hour before it */
		h->first_s = h->second_s += (c->hour - tm.tm_hour) * 3600;
	else if (tm.tm_hour == c->hour && shows_hour(h->first_s + 3600, c))
		h->second_s += 3600;
	else if (tm.tm_hour == c->hour && shows_hour(h->first_s - 3600, c))
		h->first_s -= 3600;
	return h;
}

int64_t clock_local_after_s(const struct civil *c, int64_t before_s)
{
	const struct local_hour *h = local_hour(c);
	int64_t within_s = c->minute * 60 + c->second;

	return h->first_s + within_s + CLOCK_SWAP_S < before_s ? h->second_s + within_s : h->first_s + within_s;
}

int64_t clock_local_to_s(const struct civil *c)
{
	return clock_local_after_s(c, INT64_MIN);
}

static int64_t shift_months_us(int64_t time_us, int64_t months)
{
	struct civil c;
	int64_t seconds = floor_div(time_us, CLOCK_SECOND_US);
	int64_t fraction = time_us - seconds * CLOCK_SECOND_US;

	clock_s_to_civil(seconds, &c);
	int64_t month = (int64_t)c.year * 12 + (c.month - 1) + months;
	c.year = (int)floor_div(month, 12);
	c.month = (int)(month - (int64_t)c.year * 12) + 1;
	if (c.day > clock_month_days(c.year, c.month))
		c.day = clock_month_days(c.year, c.month);
	return clock_civil_to_s(&c) * CLOCK_SECOND_US + fraction;
}

int64_t clock_before_us(int64_t time_us, struct span span)
{
	return shift_months_us(time_us, -(int64_t)span.months) - span.ms * 1000;
}

int64_t clock_after_us(int64_t time_us, struct span span)
{
	return shift_months_us(time_us, span.months) + span.ms * 1000;
}

/* The last so many decimal digits of value, and what is behind them. */
static char *put_digits(char *to, int value, size_t n)
{
	unsigned left = (unsigned)value;

	for (size_t i = n; i-- > 0; left /= 10)
		to[i] = (char)('0' + left % 10);
	return to + n;
}

/* a log's stamp cannot be outside the years 0..9999: clock_parse_rfc3339 takes four digits */
static char *put_date(char *to, const struct civil *c, const char *between)
{
	size_t gap = strlen(between);

	to = put_digits(to, c->year, 4);
	memcpy(to, between, gap);
	to = put_digits(to + gap, c->month, 2);
	memcpy(to, between, gap);
	return put_digits(to + gap, c->day, 2);
}

void clock_format_us(int64_t time_us, char *text_r, size_t size)
{
	struct civil c;
	int64_t seconds = floor_div(time_us, CLOCK_SECOND_US);
	int fraction = (int)(time_us - seconds * CLOCK_SECOND_US);

	if (size < CLOCK_TEXT_MAX) { /* nobody may */
		*text_r = '\0';
		return;
	}
	clock_s_to_civil(seconds, &c);
	char *to = put_date(text_r, &c, "-");
	*to = 'T';
	to = put_digits(to + 1, c.hour, 2);
	*to = ':';
	to = put_digits(to + 1, c.minute, 2);
	*to = ':';
	to = put_digits(to + 1, c.second, 2);
	if (fraction) {
		*to = '.';
		to = put_digits(to + 1, fraction, 6);
	}
	memcpy(to, "Z", 2);
}

void clock_format_day(int64_t seconds, char day_r[9])
{
	struct civil c;

	clock_s_to_civil(seconds, &c);
	*put_date(day_r, &c, "") = '\0';
}

void clock_format_minute(int64_t seconds, char minute_r[CLOCK_MINUTE_MAX])
{
	int64_t second = seconds % CLOCK_DAY_S;

	second += second < 0 ? CLOCK_DAY_S : 0;
	clock_format_day(seconds, minute_r);
	char *to = put_digits(minute_r + 8, (int)(second / 3600), 2);
	*put_digits(to, (int)(second / 60 % 60), 2) = '\0';
}

void clock_format_date(int64_t seconds, char date_r[11])
{
	struct civil c;

	clock_s_to_civil(seconds, &c);
	*put_date(date_r, &c, "-") = '\0';
}

/* n digits at s[at]; -1 when they are not digits */
static int digits(struct sv s, size_t at, size_t n)
{
	int v = 0;

	if (at + n > s.n)
		return -1;
	for (size_t i = at; i < at + n; i++) {
		if (!sv_is_digit(s.p[i]))
			return -1;
		v = v * 10 + (s.p[i] - '0');
	}
	return v;
}

static bool civil_valid(const struct civil *c)
{
	return c->year >= 1970 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
		c->day <= clock_month_days(c->year, c->month) && c->hour >= 0 && c->hour <= 23 &&
		c->minute >= 0 && c->minute <= 59 && c->second >= 0 && c->second <= 60;
}

/* ".123456" at s[at]: microseconds, and the number of bytes */
static size_t fraction_of(struct sv s, size_t at, int *us_r)
{
	size_t i = at + 1;
	int us = 0, scale = 100000;

	*us_r = 0;
	if (at >= s.n || s.p[at] != '.')
		return 0;
	for (; i < s.n && sv_is_digit(s.p[i]) && i - at <= 9; i++, scale /= 10)
		us += (s.p[i] - '0') * scale;
	*us_r = us;
	return i - at > 1 ? i - at : 0;
}

/* "Z", "+01:00" or "+0100" at s[at]: seconds east, and the number of bytes; 0 bytes when it is none */
static size_t zone_of(struct sv s, size_t at, int *east_s_r)
{
	if (at < s.n && (s.p[at] == 'Z' || s.p[at] == 'z')) {
		*east_s_r = 0;
		return 1;
	}
	if (at >= s.n || (s.p[at] != '+' && s.p[at] != '-'))
		return 0;
	size_t colon = at + 3 < s.n && s.p[at + 3] == ':';
	int h = digits(s, at + 1, 2), m = digits(s, at + 3 + colon, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return 0;
	*east_s_r = (h * 3600 + m * 60) * (s.p[at] == '-' ? -1 : 1);
	return 5 + colon;
}

size_t clock_parse_rfc3339(struct sv s, int64_t *time_us_r)
{
	struct civil c;
	int us, east_s;

	if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != ' ') ||
	    s.p[13] != ':' || s.p[16] != ':')
		return 0;
	c = (struct civil){ digits(s, 0, 4), digits(s, 5, 2), digits(s, 8, 2), digits(s, 11, 2),
		digits(s, 14, 2), digits(s, 17, 2) };
	if (!civil_valid(&c))
		return 0;
	size_t at = 19 + fraction_of(s, 19, &us);
	size_t zone = zone_of(s, at, &east_s);
	if (zone == 0)
		return 0;
	*time_us_r = (clock_civil_to_s(&c) - east_s) * CLOCK_SECOND_US + us;
	return at + zone;
}

bool clock_parse_date(struct sv s, int64_t *time_us_r)
{
	if (s.n == 10 && s.p[4] == '-' && s.p[7] == '-') {
		struct civil c = { .year = digits(s, 0, 4), .month = digits(s, 5, 2), .day = digits(s, 8, 2) };
		if (!civil_valid(&c))
			return false;
		*time_us_r = clock_civil_to_s(&c) * CLOCK_SECOND_US;
		return true;
	}
	return clock_parse_rfc3339(s, time_us_r) == s.n && s.n > 0;
}
