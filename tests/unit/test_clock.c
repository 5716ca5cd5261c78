#include "test.h"

#include <unistd.h>

static void the_wall_clock_stands_where_it_is_set(void **state)
{
	(void)state;
	clock_set(1234567890 * CLOCK_SECOND_US + 999999);
	WANT_INT(clock_now_us(), 1234567890999999);
	WANT_INT(clock_now_s(), 1234567890);
	int64_t mono_ms = clock_mono_ms();
	WANT(mono_ms > 0 && mono_ms < INT64_C(1) << 50);
}

/* Every day of 400 years, once around the calendar's cycle, both ways. */
static void every_day_there_and_back(void **state)
{
	struct civil want = { .year = 1970, .month = 1, .day = 1, .hour = 23, .minute = 59, .second = 58 };

	(void)state;
	for (int64_t day = 0; day < 146097; day++) {
		struct civil got;
		int64_t seconds = day * CLOCK_DAY_S + 86398;
		clock_s_to_civil(seconds, &got);
		if (memcmp(&got, &want, sizeof got) != 0 || clock_civil_to_s(&want) != seconds) {
			WANT_INT(got.year, want.year);
			WANT_INT(got.month, want.month);
			WANT_INT(got.day, want.day);
			WANT_INT(clock_civil_to_s(&want), seconds);
			fail();
		}
		if (++want.day > clock_month_days(want.year, want.month)) {
			want.day = 1;
			want.year += want.month / 12;
			want.month = want.month % 12 + 1;
		}
	}
	WANT_INT(want.year, 2370);
}

static void before_the_epoch(void **state)
{
	struct civil c;

	(void)state;
	clock_s_to_civil(-1, &c);
	WANT(c.year == 1969 && c.month == 12 && c.day == 31 && c.hour == 23 && c.minute == 59 && c.second == 59);
	WANT_INT(clock_civil_to_s(&c), -1);
}

static void leap_years(void **state)
{
	static const struct { const char *name; int year, want_days; } table[] = {
		{ "1900", 1900, 28 }, { "2000", 2000, 29 }, { "2023", 2023, 28 }, { "2024", 2024, 29 },
		{ "2100", 2100, 28 }, { "2400", 2400, 29 },
	};

	(void)state;
	EACH(row, table) {
		WANT_INT(clock_month_days(row->year, 2), row->want_days);
		WANT_INT(clock_leap_year(row->year), row->want_days == 29);
	}
	WANT_INT(clock_month_days(2023, 1), 31);
	WANT_INT(clock_month_days(2023, 11), 30);
	WANT_INT(clock_month_days(2023, 12), 31);
}

static void spans(void **state)
{
	static const struct {
		const char *name, *time;
		struct span span;
		const char *want_before, *want_after;
	} table[] = {
		{ "a month from the 31st", "2026-03-31T12:00:00Z", { .months = 1 }, "2026-02-28T12:00:00Z", "2026-04-30T12:00:00Z" },
		{ "a month into a leap February", "2024-03-31T00:00:00Z", { .months = 1 }, "2024-02-29T00:00:00Z", "2024-04-30T00:00:00Z" },
		{ "12 months from 29 February", "2024-02-29T01:02:03Z", { .months = 12 }, "2023-02-28T01:02:03Z", "2025-02-28T01:02:03Z" },
		{ "48 months from 29 February", "2024-02-29T01:02:03Z", { .months = 48 }, "2020-02-29T01:02:03Z", "2028-02-29T01:02:03Z" },
		{ "over the turn of the year", "2026-01-15T23:59:59Z", { .months = 2 }, "2025-11-15T23:59:59Z", "2026-03-15T23:59:59Z" },
		{ "from December", "2025-12-31T00:00:00Z", { .months = 14 }, "2024-10-31T00:00:00Z", "2027-02-28T00:00:00Z" },
		{ "15 days over a leap day", "2024-02-20T00:00:00Z", { .ms = 15 * 86400000 }, "2024-02-05T00:00:00Z", "2024-03-06T00:00:00Z" },
		{ "nothing", "2024-02-20T00:00:00Z", { 0 }, "2024-02-20T00:00:00Z", "2024-02-20T00:00:00Z" },
		{ "months to before the epoch", "1970-01-31T00:00:00Z", { .months = 12 }, NULL, "1971-01-31T00:00:00Z" },
	};

	(void)state;
	EACH(row, table) {
		int64_t time_us = at(row->time) * CLOCK_SECOND_US + 250000;
		WANT_INT(clock_after_us(time_us, row->span), at(row->want_after) * CLOCK_SECOND_US + 250000);
		if (row->want_before)
			WANT_INT(clock_before_us(time_us, row->span), at(row->want_before) * CLOCK_SECOND_US + 250000);
		else
			WANT_INT(clock_before_us(time_us, row->span), (30 - 365) * CLOCK_DAY_S * CLOCK_SECOND_US + 250000);
	}
	/* months do not depend on milliseconds' length */
	WANT_INT(clock_after_us(at("2026-01-01") * CLOCK_SECOND_US, (struct span){ .ms = 1 }), at("2026-01-01") * CLOCK_SECOND_US + 1000);
}

static void formats(void **state)
{
	static const struct { const char *name; int64_t time_us; const char *want, *want_day, *want_date; } table[] = {
		{ "the epoch", 0, "1970-01-01T00:00:00Z", "19700101", "1970-01-01" },
		{ "microseconds", 1795252321000042, "2026-11-21T09:12:01.000042Z", "20261121", "2026-11-21" },
		{ "half a second before the epoch", -500000, "1969-12-31T23:59:59.500000Z", NULL, NULL },
		{ "last second of a leap day", 1709251199000000, "2024-02-29T23:59:59Z", "20240229", "2024-02-29" },
	};

	(void)state;
	EACH(row, table) {
		char text[CLOCK_TEXT_MAX], day[9], date[11];
		int64_t back_us;
		clock_format_us(row->time_us, text, sizeof text);
		WANT_STRING(text, row->want);
		if (!row->want_day)
			continue;
		WANT_INT(clock_parse_rfc3339(sv_of(text), &back_us), strlen(text));
		WANT_INT(back_us, row->time_us);
		clock_format_day(row->time_us / CLOCK_SECOND_US, day);
		WANT_STRING(day, row->want_day);
		clock_format_date(row->time_us / CLOCK_SECOND_US, date);
		WANT_STRING(date, row->want_date);
	}
}

static void rfc3339(void **state)
{
	/* 2026-11-21T09:12:01Z */
	const int64_t base_us = INT64_C(1795252321) * CLOCK_SECOND_US;
	static const struct {
		const char *name, *text;
		size_t want_n;
		int64_t want_us; /* from the base */
	} table[] = {
		{ "zulu", "2026-11-21T09:12:01Z", 20, 0 },
		{ "small letters", "2026-11-21T09:12:01z x", 20, 0 },
		{ "blank for the T", "2026-11-21 09:12:01Z", 20, 0 },
		{ "east", "2026-11-21T10:12:01+01:00 host", 25, 0 },
		{ "west, no colon", "2026-11-21T03:42:01-0530", 24, 0 },
		{ "zone over midnight", "2026-11-22T08:57:01+23:45", 25, 0 },
		{ "a digit of fraction", "2026-11-21T09:12:01.5Z", 22, 500000 },
		{ "microseconds", "2026-11-21T09:12:01.123456+00:00", 32, 123456 },
		{ "nanoseconds are cut", "2026-11-21T09:12:01.123456789Z", 30, 123456 },
		{ "a leap second", "2026-11-21T09:11:60Z", 20, -1 * CLOCK_SECOND_US },
		{ "no zone", "2026-11-21T09:12:01 host mail", 0, 0 },
		{ "dot without digits", "2026-11-21T09:12:01.Z", 0, 0 },
		{ "zone cut short", "2026-11-21T09:12:01+01:0", 0, 0 },
		{ "zone of one digit", "2026-11-21T09:12:01+1:00", 0, 0 },
		{ "zone of 24 hours", "2026-11-21T09:12:01+24:00", 0, 0 },
		{ "zone of 60 minutes", "2026-11-21T09:12:01+00:60", 0, 0 },
		{ "month 13", "2026-13-21T09:12:01Z", 0, 0 },
		{ "month 0", "2026-00-21T09:12:01Z", 0, 0 },
		{ "29 February of no leap year", "2026-02-29T09:12:01Z", 0, 0 },
		{ "31 November", "2026-11-31T09:12:01Z", 0, 0 },
		{ "hour 24", "2026-11-21T24:00:00Z", 0, 0 },
		{ "minute 60", "2026-11-21T09:60:00Z", 0, 0 },
		{ "second 61", "2026-11-21T09:12:61Z", 0, 0 },
		{ "a letter in the year", "2O26-11-21T09:12:01Z", 0, 0 },
		{ "before the epoch", "1969-12-31T23:59:59Z", 0, 0 },
		{ "cut", "2026-11-21T09:12:01", 0, 0 },
		{ "nothing", "", 0, 0 },
	};

	(void)state;
	EACH(row, table) {
		int64_t us = -1;
		WANT_INT(clock_parse_rfc3339(sv_of(row->text), &us), row->want_n);
		WANT_INT(us, row->want_n ? base_us + row->want_us : -1);
	}
}

static void dates(void **state)
{
	static const struct { const char *name, *text; bool want_ok; int64_t want_s; } table[] = {
		{ "a day", "2026-11-21", true, 1795219200 },
		{ "a moment", "2026-11-21T09:12:01Z", true, 1795252321 },
		{ "29 February", "2024-02-29", true, 1709164800 },
		{ "29 February of no leap year", "2025-02-29", false, 0 },
		{ "junk behind", "2026-11-21T09:12:01Zx", false, 0 },
		{ "other order", "21-11-2026", false, 0 },
		{ "short", "2026-1-1", false, 0 },
		{ "nothing", "", false, 0 },
	};

	(void)state;
	EACH(row, table) {
		int64_t us = -1;
		WANT_INT(clock_parse_date(sv_of(row->text), &us), row->want_ok);
		if (row->want_ok)
			WANT_INT(us, row->want_s * CLOCK_SECOND_US);
	}
}

static bool zone(const char *name)
{
	if (access("/usr/share/zoneinfo/Europe/Rome", R_OK) != 0)
		skip(); /* no tzdata here */
	return clock_set_zone(name);
}

static void zones(void **state)
{
	static const struct { const char *name, *zone; struct civil local; const char *want; } table[] = {
		{ "UTC", "UTC", { 2026, 7, 1, 12, 0, 5 }, "2026-07-01T12:00:05Z" },
		/* the same hour in another zone: nothing of the last one may be left */
		{ "Rome, summer", "Europe/Rome", { 2026, 7, 1, 12, 0, 5 }, "2026-07-01T10:00:05Z" },
		{ "Rome, winter", "Europe/Rome", { 2026, 1, 1, 0, 30, 0 }, "2025-12-31T23:30:00Z" },
		{ "Rome, last minute before summer", "Europe/Rome", { 2026, 3, 29, 1, 59, 59 }, "2026-03-29T00:59:59Z" },
		{ "Rome, first minute of summer", "Europe/Rome", { 2026, 3, 29, 3, 0, 0 }, "2026-03-29T01:00:00Z" },
		{ "Rome, after the repeated hour", "Europe/Rome", { 2026, 10, 25, 3, 0, 0 }, "2026-10-25T02:00:00Z" },
		{ "half an hour off", "Asia/Kolkata", { 2026, 10, 25, 3, 0, 0 }, "2026-10-24T21:30:00Z" },
		{ "back to UTC", "UTC", { 2026, 10, 25, 3, 0, 0 }, "2026-10-25T03:00:00Z" },
	};

	(void)state;
	EACH(row, table) {
		WANT(zone(row->zone));
		WANT_INT(clock_local_to_s(&row->local), at(row->want));
	}
	WANT(clock_set_zone("UTC"));
}

/* A zone on each side of the equator, and one that goes back to standard time in spring. */
static void changes_of_clocks(void **state)
{
	static const struct { const char *name, *zone; struct civil local; const char *before, *want; } table[] = {
		{ "twice, the first", "Europe/Rome", { 2026, 10, 25, 2, 30, 0 }, "2026-10-25T00:29:00Z", "2026-10-25T00:30:00Z" },
		{ "twice, the second", "Europe/Rome", { 2026, 10, 25, 2, 30, 0 }, "2026-10-25T00:59:00Z", "2026-10-25T01:30:00Z" },
		{ "twice, after a silence", "Europe/Rome", { 2026, 10, 25, 2, 30, 0 }, "2026-10-01T00:00:00Z", "2026-10-25T00:30:00Z" },
		{ "twice, and long after", "Europe/Rome", { 2026, 10, 25, 2, 30, 0 }, "2026-10-25T06:00:00Z", "2026-10-25T01:30:00Z" },
		{ "swapped by seconds", "Europe/Rome", { 2026, 10, 25, 2, 30, 0 }, "2026-10-25T00:30:03Z", "2026-10-25T00:30:00Z" },
		{ "skipped: the hour after it", "Europe/Rome", { 2027, 3, 28, 2, 15, 0 }, "2027-03-28T00:59:59Z", "2027-03-28T01:15:00Z" },
		{ "not skipped any more", "Europe/Rome", { 2027, 3, 28, 3, 15, 0 }, "2027-03-28T01:15:00Z", "2027-03-28T01:15:00Z" },
		{ "New York, the first", "America/New_York", { 2026, 11, 1, 1, 30, 0 }, "2026-11-01T05:20:00Z", "2026-11-01T05:30:00Z" },
		{ "New York, the second", "America/New_York", { 2026, 11, 1, 1, 30, 0 }, "2026-11-01T05:59:00Z", "2026-11-01T06:30:00Z" },
		{ "New York, skipped", "America/New_York", { 2026, 3, 8, 2, 30, 0 }, "2026-03-08T06:59:00Z", "2026-03-08T07:30:00Z" },
		{ "Sydney, the second", "Australia/Sydney", { 2026, 4, 5, 2, 30, 0 }, "2026-04-04T15:59:00Z", "2026-04-04T16:30:00Z" },
		{ "Dublin, whose winter is the exception", "Europe/Dublin", { 2026, 10, 25, 1, 30, 0 }, "2026-10-25T00:59:00Z", "2026-10-25T01:30:00Z" },
		{ "UTC has none", "UTC", { 2026, 10, 25, 2, 30, 0 }, "2026-10-25T09:00:00Z", "2026-10-25T02:30:00Z" },
	};

	(void)state;
	EACH(row, table) {
		WANT(zone(row->zone));
		WANT_INT(clock_local_after_s(&row->local, at(row->before)), at(row->want));
		WANT_INT(clock_local_after_s(&row->local, at(row->before)), at(row->want)); /* remembered */
	}
	WANT(clock_set_zone("UTC"));
}

static void zones_that_are_none(void **state)
{
	(void)state;
	WANT(clock_set_zone("UTC"));
	WANT(clock_set_zone("local"));
	WANT(!clock_set_zone("Mars/Olympus_Mons"));
	WANT(!clock_set_zone("../../../etc/passwd"));
	WANT(!clock_set_zone("/etc/localtime"));
	/* a name that was refused changes nothing */
	WANT_INT(clock_local_to_s(&(struct civil){ 2026, 11, 21, 9, 12, 1 }), 1795252321);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wall_clock_stands_where_it_is_set),
		cmocka_unit_test(every_day_there_and_back),
		cmocka_unit_test(before_the_epoch),
		cmocka_unit_test(leap_years),
		cmocka_unit_test(spans),
		cmocka_unit_test(formats),
		cmocka_unit_test(rfc3339),
		cmocka_unit_test(dates),
		cmocka_unit_test(zones),
		cmocka_unit_test(changes_of_clocks),
		cmocka_unit_test(zones_that_are_none),
	};

	return RUN(tests);
}
