#include "test.h"

#include "line.h"
#include "year.h"

static int utc(void **state)
{
	(void)state;
	return clock_set_zone("UTC") ? 0 : -1;
}

/* ---- headers ---- */

static void headers(void **state)
{
	static const struct {
		const char *name, *text;
		const char *want_time; /* NULL: no header */
		const char *want_host, *want_process, *want_message;
	} table[] = {
		{ "rsyslog, traditional", "Nov 21 09:12:01 mail postfix/smtp[123]: 4F5C6: to=<a@b>", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "4F5C6: to=<a@b>" },
		{ "day of one digit", "Nov  3 09:12:01 mail postfix/smtp[123]: x", "2026-11-03T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "postlogd: zero in front", "Nov 03 09:12:01 mail postfix/smtp[123]: x", "2026-11-03T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "RFC 3339", "2026-11-21T10:12:01.123456+01:00 mail postfix/smtp[123]: x", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "RFC 3339, zulu", "2026-11-21T09:12:01Z mail postfix/smtp[123]: x", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "an explicit year always wins", "2019-11-21T09:12:01Z mail postfix/smtp[123]: x", "2019-11-21T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "CRLF", "Nov 21 09:12:01 mail postfix/smtp[123]: x\r", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "one CR only is cut", "Nov 21 09:12:01 mail postfix/smtp[123]: x\r\r", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "x\r" },
		{ "no process id", "Nov 21 09:12:01 mail postfix/smtp: x", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "instance with an address", "Nov 21 09:12:01 mail postfix-10.20.30.40/smtp[1]: x", "2026-11-21T09:12:01Z", "mail", "postfix-10.20.30.40/smtp", "x" },
		{ "three parts", "Nov 21 09:12:01 mail postfix/submission/smtpd[1]: x", "2026-11-21T09:12:01Z", "mail", "postfix/submission/smtpd", "x" },
		{ "host with dots", "Nov 21 09:12:01 mail.example.com postfix/smtp[1]: x", "2026-11-21T09:12:01Z", "mail.example.com", "postfix/smtp", "x" },
		{ "empty message", "Nov 21 09:12:01 mail postfix/smtp[1]: ", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "" },
		{ "no blank behind the colon", "Nov 21 09:12:01 mail postfix/smtp[1]:x", "2026-11-21T09:12:01Z", "mail", "postfix/smtp", "x" },
		{ "a leap second", "Nov 21 09:11:60 mail postfix/smtp[1]: x", "2026-11-21T09:12:00Z", "mail", "postfix/smtp", "x" },
		{ "host with a bar, which separates parts of keys", "Nov 21 09:12:01 ma|il postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "process with a bar", "Nov 21 09:12:01 mail post|fix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "host with a control", "Nov 21 09:12:01 ma\033il postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "host that is not ASCII", "Nov 21 09:12:01 m\xc3\xa4il postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "no host", "Nov 21 09:12:01 postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "two blanks before the host", "Nov 21 09:12:01  mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "no tag", "Nov 21 09:12:01 mail last message repeated 2 times", NULL, NULL, NULL, NULL },
		{ "open bracket", "Nov 21 09:12:01 mail postfix/smtp[1: x", NULL, NULL, NULL, NULL },
		{ "tag without colon", "Nov 21 09:12:01 mail postfix/smtp[1] x", NULL, NULL, NULL, NULL },
		{ "no such month", "Nav 21 09:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "month in capitals", "NOV 21 09:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "day 31 of November", "Nov 31 09:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "day 0", "Nov  0 09:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "day 30 of February", "Feb 30 09:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "hour 24", "Nov 21 24:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "minute 60", "Nov 21 09:60:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "letters in the time", "Nov 21 09:1x:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "month 13", "2026-13-21T09:12:01Z mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "no zone", "2026-11-21T09:12:01 mail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "no blank behind the stamp", "2026-11-21T09:12:01Zmail postfix/smtp[1]: x", NULL, NULL, NULL, NULL },
		{ "stamp alone", "Nov 21 09:12:01 ", NULL, NULL, NULL, NULL },
		{ "cut stamp", "Nov 21 09:12:01", NULL, NULL, NULL, NULL },
		{ "nothing", "", NULL, NULL, NULL, NULL },
		{ "CR alone", "\r", NULL, NULL, NULL, NULL },
		{ "junk", "----------------------------------", NULL, NULL, NULL, NULL },
		{ "digits", "00000000000000000000000000000000000000000000", NULL, NULL, NULL, NULL },
	};

	(void)state;
	EACH(row, table) {
		struct stamp_anchor anchor = { at("2026-11-20") };
		struct line line;
		WANT_INT(line_parse(sv_of(row->text), &anchor, &line), row->want_time != NULL);
		if (!row->want_time)
			continue;
		WANT_INT(line.time_us / CLOCK_SECOND_US, at(row->want_time));
		WANT_INT(anchor.time_s, at(row->want_time));
		WANT_TEXT(line.host, row->want_host);
		WANT_TEXT(line.process, row->want_process);
		WANT_TEXT(line.message, row->want_message);
	}
}

static void host_of_255_bytes(void **state)
{
	char text[400];
	struct stamp_anchor anchor = { at("2026-11-20") };
	struct line line;

	(void)state;
	int n = snprintf(text, sizeof text, "Nov 21 09:12:01 %0255d p/s: x", 0);
	WANT(line_parse(sv_make(text, (size_t)n), &anchor, &line));
	WANT_INT(line.host.n, 255);
	n = snprintf(text, sizeof text, "Nov 21 09:12:01 %0256d p/s: x", 0);
	WANT(!line_parse(sv_make(text, (size_t)n), &anchor, &line));
}

/* Stamps of one minute are read by a short way: it must not be another way. */
static void stamps_of_one_minute(void **state)
{
	static const struct { const char *name, *text, *want; int want_us; } table[] = {
		{ "first", "2026-11-21T09:12:01.000001+01:00 mail p/smtp[1]: x", "2026-11-21T08:12:01Z", 1 },
		{ "later", "2026-11-21T09:12:59.999999+01:00 mail p/smtp[1]: x", "2026-11-21T08:12:59Z", 999999 },
		{ "earlier", "2026-11-21T09:12:00.500000+01:00 mail p/smtp[1]: x", "2026-11-21T08:12:00Z", 500000 },
		{ "another zone", "2026-11-21T09:12:03.000000+02:00 mail p/smtp[1]: x", "2026-11-21T07:12:03Z", 0 },
		{ "zone without a colon", "2026-11-21T09:12:03.000000+0100 mail p/smtp[1]: x", "2026-11-21T08:12:03Z", 0 },
		{ "zulu", "2026-11-21T09:12:03.000000Z mail.example.com p/smtp[1]: x", "2026-11-21T09:12:03Z", 0 },
		{ "milliseconds", "2026-11-21T09:12:04.250+01:00 mail p/smtp[1]: x", "2026-11-21T08:12:04Z", 250000 },
		{ "after milliseconds", "2026-11-21T09:12:04.250000+01:00 mail p/smtp[1]: x", "2026-11-21T08:12:04Z", 250000 },
		{ "no fraction", "2026-11-21T09:12:05+01:00 mail.example.com p/smtp[1]: x", "2026-11-21T08:12:05Z", 0 },
		{ "a leap second", "2026-11-21T09:13:60.500000+01:00 mail p/smtp[1]: x", "2026-11-21T08:14:00Z", 500000 },
		{ "the same minute after it", "2026-11-21T09:13:59.500000+01:00 mail p/smtp[1]: x", "2026-11-21T08:13:59Z", 500000 },
		{ "another minute", "2026-11-21T09:14:05.000007+01:00 mail p/smtp[1]: x", "2026-11-21T08:14:05Z", 7 },
	};

	(void)state;
	EACH(row, table) {
		struct stamp_anchor anchor = { 0 };
		struct line line;
		WANT(line_parse(sv_of(row->text), &anchor, &line));
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US + row->want_us);
		WANT_INT(line.host.p[0], 'm');
	}
}

/* ---- the year of a stamp that has none ---- */

static void years(void **state)
{
	static const struct { const char *name, *anchor, *stamp, *want; } table[] = {
		{ "the same day", "2026-11-21T09:00:00Z", "Nov 21 09:12:01", "2026-11-21T09:12:01Z" },
		{ "December to January", "2026-12-31T23:59:59Z", "Jan  1 00:00:00", "2027-01-01T00:00:00Z" },
		{ "January back to December", "2027-01-01T00:00:00Z", "Dec 31 23:59:59", "2026-12-31T23:59:59Z" },
		{ "five months on", "2026-03-01T00:00:00Z", "Aug  1 00:00:00", "2026-08-01T00:00:00Z" },
		{ "five months back", "2026-08-01T00:00:00Z", "Mar  1 00:00:00", "2026-03-01T00:00:00Z" },
		{ "five months on, over the year", "2026-10-01T00:00:00Z", "Mar  1 00:00:00", "2027-03-01T00:00:00Z" },
		{ "five months back, over the year", "2027-03-01T00:00:00Z", "Oct  1 00:00:00", "2026-10-01T00:00:00Z" },
		{ "29 February of the day", "2028-02-29T01:00:00Z", "Feb 29 12:00:00", "2028-02-29T12:00:00Z" },
		{ "29 February a minute later", "2028-02-28T23:59:30Z", "Feb 29 00:00:30", "2028-02-29T00:00:30Z" },
		{ "29 February after a quiet week-end", "2028-02-26T18:00:00Z", "Feb 29 06:00:00", "2028-02-29T06:00:00Z" },
		{ "29 February two weeks ago", "2028-03-14T00:00:00Z", "Feb 29 06:00:00", "2028-02-29T06:00:00Z" },
		{ "29 February forces a leap year", "2026-11-21T00:00:00Z", "Feb 29 06:00:00", "2024-02-29T06:00:00Z" },
		{ "29 February, never in the far future", "2027-06-01T00:00:00Z", "Feb 29 06:00:00", "2024-02-29T06:00:00Z" },
		{ "29 February around 1900's kin", "2103-06-01T00:00:00Z", "Feb 29 06:00:00", "2096-02-29T06:00:00Z" },
		{ "the day after 29 February", "2028-02-29T23:59:59Z", "Mar  1 00:00:00", "2028-03-01T00:00:00Z" },
		{ "near the epoch", "1970-01-01T00:00:10Z", "Jan  1 00:00:20", "1970-01-01T00:00:20Z" },
	};

	(void)state;
	clock_set(at("2030-06-01") * CLOCK_SECOND_US); /* our own clock does not matter */
	EACH(row, table) {
		struct stamp_anchor anchor = { at(row->anchor) };
		struct line line;
		char text[64];
		(void)snprintf(text, sizeof text, "%s mail postfix/smtp[1]: x", row->stamp);
		WANT(line_parse(sv_of(text), &anchor, &line));
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US);
		WANT_INT(anchor.time_s, at(row->want));
	}
}

static void lines_over_the_turn_of_the_year(void **state)
{
	static const struct { const char *name, *stamp, *want; } table[] = {
		{ "last of the year", "Dec 31 23:59:58", "2026-12-31T23:59:58Z" },
		{ "first of the next", "Jan  1 00:00:01", "2027-01-01T00:00:01Z" },
		{ "one that comes late", "Dec 31 23:59:59", "2026-12-31T23:59:59Z" },
		{ "on again", "Jan  1 00:00:02", "2027-01-01T00:00:02Z" },
	};
	struct stamp_anchor anchor = { at("2026-12-31") };

	(void)state;
	EACH(row, table) {
		struct line line;
		char text[64];
		(void)snprintf(text, sizeof text, "%s mail postfix/smtp[1]: x", row->stamp);
		WANT(line_parse(sv_of(text), &anchor, &line));
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US);
	}
}

static void walking_back(void **state)
{
	static const struct { const char *name, *anchor, *stamp, *want; } table[] = {
		{ "before", "2026-11-21T00:00:00Z", "Nov 20 00:00:00", "2026-11-20T00:00:00Z" },
		{ "half a day ahead: another zone, or a clock", "2026-11-21T00:00:00Z", "Nov 21 12:00:00", "2026-11-21T12:00:00Z" },
		{ "a day ahead", "2026-11-21T00:00:00Z", "Nov 22 00:00:00", "2026-11-22T00:00:00Z" },
		{ "more than a day ahead is a year ago", "2026-11-21T00:00:00Z", "Nov 22 00:00:01", "2025-11-22T00:00:01Z" },
		{ "a month ahead is eleven ago", "2026-11-21T00:00:00Z", "Dec 21 00:00:00", "2025-12-21T00:00:00Z" },
		{ "eight months back", "2026-11-21T00:00:00Z", "Mar 21 00:00:00", "2026-03-21T00:00:00Z" },
		{ "29 February", "2026-11-21T00:00:00Z", "Feb 29 00:00:00", "2024-02-29T00:00:00Z" },
		{ "29 February, more than a day ahead", "2028-02-27T00:00:00Z", "Feb 29 00:00:00", "2024-02-29T00:00:00Z" },
	};
	int64_t time_s = 4711;

	(void)state;
	EACH(row, table) {
		char text[64];
		(void)snprintf(text, sizeof text, "%s mail postfix/smtp[1]: x", row->stamp);
		WANT(line_stamp_before(sv_of(text), at(row->anchor), &time_s));
		WANT_INT(time_s, at(row->want));
	}
	WANT(!line_stamp_before(SV("2026-11-21T09:12:01Z mail p/smtp[1]: x"), 0, &time_s));
	WANT(!line_stamp_before(SV("Nov 21 09:12:01"), 0, &time_s));
	WANT(!line_stamp_before(SV(""), 0, &time_s));
}

/* ---- the year of a file's first line ---- */

struct memory_file {
	char *p;
	size_t n;
};

static size_t peek(const void *file, uint64_t from, char *to, size_t n)
{
	const struct memory_file *f = file;

	if (from >= f->n)
		return 0;
	n = n < f->n - from ? n : f->n - from;
	memcpy(to, f->p + from, n);
	return n;
}

/* A line every so many hours, stamps without a year. */
static struct memory_file make_log(const char *first, const char *last, int hours)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	size_t size = (size_t)((at(last) - at(first)) / 3600 / hours + 2) * 64;
	struct memory_file f = { malloc(size), 0 };

	assert_non_null(f.p);
	for (int64_t t = at(first); t <= at(last); t += hours * 3600) {
		struct civil c;
		clock_s_to_civil(t, &c);
		f.n += (size_t)snprintf(f.p + f.n, size - f.n, "%.3s %2d %02d:%02d:%02d mail postfix/smtp[1]: 4F5C6: x\n",
			names + 3 * (c.month - 1), c.day, c.hour, c.minute, c.second);
	}
	return f;
}

/* From the anchor of its first line on, the whole file must read as it was written. */
static void logs_of_several_years(void **state)
{
	static const struct { const char *name, *first, *last, *changed; int hours; } table[] = {
		{ "a day", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-21T00:00:05Z", 1 },
		{ "over one new year", "2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-01T00:00:05Z", 3 },
		{ "two years and a half", "2023-05-01T00:00:00Z", "2025-11-21T00:00:00Z", "2025-11-21T00:00:05Z", 5 },
		{ "eleven years", "2015-02-01T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-05T00:00:05Z", 7 },
		{ "with 29 February at its front", "2024-02-29T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:05Z", 11 },
		{ "touched a month later", "2025-01-15T00:00:00Z", "2025-12-15T00:00:00Z", "2026-01-15T00:00:00Z", 6 },
	};

	(void)state;
	EACH(row, table) {
		struct memory_file f = make_log(row->first, row->last, row->hours);
		struct stamp_anchor anchor = year_of_first_line(peek, &f, f.n, at(row->changed));
		struct sv rest = sv_make(f.p, f.n);
		int64_t want_s = at(row->first);
		while (rest.n) {
			struct line line;
			WANT(line_parse(sv_cut(&rest, '\n'), &anchor, &line));
			WANT_INT(line.time_us / CLOCK_SECOND_US, want_s);
			want_s += row->hours * 3600;
		}
		free(f.p);
	}
}

static void a_file_that_is_no_log(void **state)
{
	struct memory_file empty = { NULL, 0 };
	char junk[] = "junk\njunk";
	struct memory_file other = { junk, sizeof junk - 1 };

	(void)state;
	WANT_INT(year_of_first_line(peek, &empty, 0, 4711).time_s, 4711);
	WANT_INT(year_of_first_line(peek, &other, other.n, 4711).time_s, 4711);
	/* a size that is not true any more: it was truncated meanwhile */
	WANT_INT(year_of_first_line(peek, &other, 1000000, 4711).time_s, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(host_of_255_bytes),
		cmocka_unit_test(stamps_of_one_minute),
		cmocka_unit_test(years),
		cmocka_unit_test(lines_over_the_turn_of_the_year),
		cmocka_unit_test(walking_back),
		cmocka_unit_test(logs_of_several_years),
		cmocka_unit_test(a_file_that_is_no_log),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name(__FILE__, tests, utc, NULL);
}
