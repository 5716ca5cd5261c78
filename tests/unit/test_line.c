#include "test.h"

#include "line_forms.h"
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
		struct stamp_anchor anchor = { .time_s = at("2026-11-20") };
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

/* ---- headers that are not the usual ones ---- */

#define T "2026-11-21T09:12:01Z"
#define USUAL "Nov 21 09:12:01 mail postfix/smtp[123]: x"

static void unusual_headers(void **state)
{
	static const struct { const char *name, *text, *want_time, *want_host, *want_process, *want_message; int want_us; } table[] = {
		{ "priority", "<22>" USUAL, T, "mail", "postfix/smtp", "x", 0 },
		{ "priority, RFC 3339", "<22>2026-11-21T10:12:01.5+01:00 mail postfix/smtp[123]: x", T, "mail", "postfix/smtp", "x", 500000 },
		{ "priority, Exim's own log", "<22>2026-11-21 09:12:01 1tDxyz-0000AB-CD Completed", T, "", "exim", "1tDxyz-0000AB-CD Completed", 0 },
		{ "priority of four digits", "<1922>" USUAL, NULL, NULL, NULL, NULL, 0 },
		{ "priority without digits", "<>" USUAL, NULL, NULL, NULL, NULL, 0 },
		{ "two priorities", "<22><22>" USUAL, NULL, NULL, NULL, NULL, 0 },
		{ "priority alone", "<22>", NULL, NULL, NULL, NULL, 0 },
		{ "RFC 5424", "<22>1 2026-11-21T09:12:01.123Z mail postfix 123 - - 4F5C6: x", T, "mail", "postfix", "4F5C6: x", 123000 },
		{ "RFC 5424 in a file, without the priority", "1 2026-11-21T09:12:01Z mail postfix 123 - - x", T, "mail", "postfix", "x", 0 },
		{ "RFC 5424 of a daemon that is not cut", "<22>1 2026-11-21T09:12:01Z mail postfix/smtp 123 - - x", T, "mail", "postfix/smtp", "x", 0 },
		{ "structured data", "<22>1 2026-11-21T09:12:01Z mail postfix 123 ID47 [a@1 b=\"c\"] x", T, "mail", "postfix", "x", 0 },
		{ "several of it, with quotes and brackets", "<22>1 2026-11-21T09:12:01Z mail postfix 123 - [a@1 b=\"] \\\" x\" d=\"\"][e@1] x", T, "mail", "postfix", "x", 0 },
		{ "structured data without an end", "<22>1 2026-11-21T09:12:01Z mail postfix 123 - [a@1 b=\"c x", NULL, NULL, NULL, NULL, 0 },
		{ "that ends in an escape", "<22>1 2026-11-21T09:12:01Z mail postfix 123 - [a@1 b=\"\\", NULL, NULL, NULL, NULL, 0 },
		{ "no message", "<22>1 2026-11-21T09:12:01Z mail postfix 123 - -", T, "mail", "postfix", "", 0 },
		{ "a mark of UTF-8, and the blank of the tag", "<22>1 2026-11-21T09:12:01Z mail postfix 123 - - \xef\xbb\xbf x", T, "mail", "postfix", "x", 0 },
		{ "host unknown", "<22>1 2026-11-21T09:12:01Z - postfix 123 - - x", T, "", "postfix", "x", 0 },
		{ "time unknown", "<22>1 - mail postfix 123 - - x", NULL, NULL, NULL, NULL, 0 },
		{ "program unknown", "<22>1 2026-11-21T09:12:01Z mail - 123 - - x", NULL, NULL, NULL, NULL, 0 },
		{ "another version", "<22>2 2026-11-21T09:12:01Z mail postfix 123 - - x", NULL, NULL, NULL, NULL, 0 },
		{ "cut in the header", "<22>1 2026-11-21T09:12:01Z mail postfix", NULL, NULL, NULL, NULL, 0 },
		{ "program with a bar", "<22>1 2026-11-21T09:12:01Z mail post|fix 123 - - x", NULL, NULL, NULL, NULL, 0 },
		{ "journalctl -o short-iso", "2026-11-21T10:12:01+0100 mail postfix/smtp[123]: x", T, "mail", "postfix/smtp", "x", 0 },
		{ "journalctl -o short-iso-precise", "2026-11-21T10:12:01.000042+0100 mail postfix/smtp[123]: x", T, "mail", "postfix/smtp", "x", 42 },
		{ "journalctl -o short-precise", "Nov 21 09:12:01.000042 mail postfix/smtp[123]: x", T, "mail", "postfix/smtp", "x", 42 },
		{ "journalctl -o short-unix", "1795252321.000042 mail postfix/smtp[123]: x", T, "mail", "postfix/smtp", "x", 42 },
		{ "journalctl -o cat has no time", "4F5C64474F: to=<u@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)", NULL, NULL, NULL, NULL, 0 },
		{ "journalctl's own words", "-- Boot 0123456789abcdef0123456789abcdef --", NULL, NULL, NULL, NULL, 0 },
		{ "a line that goes on", "                                  status=sent (250 ok)", NULL, NULL, NULL, NULL, 0 },
		{ "a number that is no time", "12345.67 mail postfix/smtp[123]: x", NULL, NULL, NULL, NULL, 0 },
		{ "no host: a datagram", "<22>Nov 21 09:12:01 postfix/smtp[1]: 4F5C6: x", T, "", "postfix/smtp", "4F5C6: x", 0 },
		{ "no host, no process id", "<22>Nov 21 09:12:01 postfix/smtp: warning: x", T, "", "postfix/smtp", "warning: x", 0 },
		{ "no host, no priority", "Nov 21 09:12:01 postfix/smtp[1]: x", T, "", "postfix/smtp", "x", 0 },
		{ "no host, nothing behind", "Nov 21 09:12:01 postfix/smtp[1]:", T, "", "postfix/smtp", "", 0 },
		{ "a host that ends in colons", "Nov 21 09:12:01 2001:db8:: postfix/smtp[1]: x", T, "2001:db8::", "postfix/smtp", "x", 0 },
		{ "Solaris", "Nov 21 09:12:01 mail postfix/smtp[123]: [ID 197553 mail.info] 4F5C6: x", T, "mail", "postfix/smtp", "4F5C6: x", 0 },
		{ "a bracket that is not Solaris'", "Nov 21 09:12:01 mail postfix/smtp[123]: [ID of somebody: x", T, "mail", "postfix/smtp", "[ID of somebody: x", 0 },
		{ "of a container", "Nov 21 10:00:00 dockerhost mail/c0ffee123456[99]: Nov 21 09:12:01 mx1 postfix/smtp[12]: 4F5C6: x", T, "mx1", "postfix/smtp", "4F5C6: x", 0 },
		{ "of a container, RFC 3339", "2026-11-21T10:00:00Z dockerhost docker/mail[99]: 2026-11-21T09:12:01+00:00 mx1 postfix/smtp[12]: 4F5C6: x", T, "mx1", "postfix/smtp", "4F5C6: x", 0 },
		{ "of a container, with its priority, without a host", "Nov 21 10:00:00 dockerhost mail/c0ffee123456[99]: <22>Nov 21 09:12:01 postfix/smtp[12]: 4F5C6: x", T, "dockerhost", "postfix/smtp", "4F5C6: x", 0 },
		{ "of a relay", "Nov 21 10:00:00 relay Nov 21 09:12:01 mx1 postfix/smtp[12]: 4F5C6: x", T, "mx1", "postfix/smtp", "4F5C6: x", 0 },
		{ "of a relay, RFC 3339", "Nov 21 10:00:00 relay 2026-11-21T09:12:01Z mx1 postfix/smtp[12]: 4F5C6: x", T, "mx1", "postfix/smtp", "4F5C6: x", 0 },
		{ "in what another program says", "Nov 21 10:00:00 web myapp[7]: Nov 21 09:12:01 mx1 postfix/smtp[12]: x", "2026-11-21T10:00:00Z", "web", "myapp", "Nov 21 09:12:01 mx1 postfix/smtp[12]: x", 0 },
		{ "of three", "<22>1 2026-11-21T10:00:00Z relay docker 1 - - Nov 21 09:30:00 dockerhost docker/mail[99]: Nov 21 09:12:01 mx1 postfix/smtp[12]: x", T, "mx1", "postfix/smtp", "x", 0 },
		{ "a time in the words is no header", "Nov 21 09:12:01 mail dovecot: Nov 21 09:00:00 said he", T, "mail", "dovecot", "Nov 21 09:00:00 said he", 0 },
		{ "Exim writes its own stamp", "Nov 21 09:12:01 mail exim[1]: 2026-11-21 09:00:00 1tDxyz-0000AB-CD => a b[1]: x", T, "mail", "exim", "2026-11-21 09:00:00 1tDxyz-0000AB-CD => a b[1]: x", 0 },
		{ "CRLF, escaped by rsyslog", USUAL "#015", T, "mail", "postfix/smtp", "x", 0 },
		{ "both of it", USUAL "#015#012", T, "mail", "postfix/smtp", "x", 0 },
	};

	(void)state;
	EACH(row, table) {
		struct stamp_anchor anchor = { .time_s = at("2026-11-20") };
		struct line line;
		size_t n = strlen(row->text);
		char *exact = malloc(n); /* without a terminator: the sanitizer shall see what is read behind it */
		assert_non_null(exact);
		memcpy(exact, row->text, n);
		WANT_INT(line_parse(sv_make(exact, n), &anchor, &line), row->want_time != NULL);
		if (row->want_time) {
			WANT_INT(line.time_us, at(row->want_time) * CLOCK_SECOND_US + row->want_us);
			WANT_INT(anchor.time_s, at(row->want_time));
			WANT_TEXT(line.host, row->want_host);
			WANT_TEXT(line.process, row->want_process);
			WANT_TEXT(line.message, row->want_message);
		}
		free(exact);
	}
}

static void copies_of_a_line(void **state)
{
	static const struct { const char *name, *text, *want; unsigned want_times; } table[] = {
		{ "none", "4F5C6: x", "4F5C6: x", 1 },
		{ "some", "message repeated 3 times: [ 4F5C6: x (y)]", "4F5C6: x (y)", 3 },
		{ "with a blank in front", " message repeated 3 times: [ 4F5C6: x]", "4F5C6: x", 3 },
		{ "cut off", "message repeated 2 times: [ 4F5C6: x (y", "4F5C6: x (y", 2 },
		{ "more than can be", "message repeated 4000000000 times: [ x]", "x", LINE_REPEATED_MAX },
		{ "not a number", "message repeated many times: [ x]", "message repeated many times: [ x]", 1 },
		{ "a number too large", "message repeated 99999999999 times: [ x]", "message repeated 99999999999 times: [ x]", 1 },
		{ "none at all", "message repeated 0 times: [ x]", "x", 0 },
		{ "no text", "message repeated 2 times: [", "", 2 },
		{ "nothing", "", "", 1 },
	};

	(void)state;
	EACH(row, table) {
		struct sv message = sv_of(row->text);
		WANT_INT(line_forms_repeated(&message), row->want_times);
		WANT_TEXT(message, row->want);
	}
}

static void host_of_255_bytes(void **state)
{
	char text[400];
	struct stamp_anchor anchor = { .time_s = at("2026-11-20") };
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
		struct stamp_anchor anchor = { .time_s = at(row->anchor) };
		struct line line;
		char text[64];
		(void)snprintf(text, sizeof text, "%s mail postfix/smtp[1]: x", row->stamp);
		WANT(line_parse(sv_of(text), &anchor, &line));
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US);
		WANT_INT(anchor.time_s, at(row->want));
	}
}

/* Nothing is logged ahead of the clock, by more than a day; a clock that is wrong stops nothing. */
static void years_by_the_clock(void **state)
{
	static const struct { const char *name, *anchor, *now, *stamp, *want; } table[] = {
		{ "silent for three months", "2026-08-21T00:00:00Z", "2026-11-21T00:00:00Z", "Nov 21 00:00:00", "2026-11-21T00:00:00Z" },
		{ "a day ahead", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "Nov 22 00:00:00", "2026-11-22T00:00:00Z" },
		{ "more than a day ahead", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "Nov 22 00:00:01", "2025-11-22T00:00:01Z" },
		{ "later this month is not last year's, when the clock is there", "2026-11-01T00:00:00Z", "2026-11-30T00:00:00Z", "Nov 30 00:00:00", "2026-11-30T00:00:00Z" },
		{ "next month, before it has come", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "Dec 31 00:00:00", "2025-12-31T00:00:00Z" },
		{ "New Year, by a clock that is late", "2026-12-31T23:59:00Z", "2026-12-31T23:59:00Z", "Jan  1 00:01:00", "2027-01-01T00:01:00Z" },
		{ "29 February, the day before", "2028-02-28T12:00:00Z", "2028-02-28T12:00:00Z", "Feb 29 00:30:00", "2028-02-29T00:30:00Z" },
		{ "29 February, a week before", "2028-02-20T12:00:00Z", "2028-02-20T12:00:00Z", "Feb 29 00:30:00", "2024-02-29T00:30:00Z" },
		{ "a clock that stands at the epoch", "2026-11-21T00:00:00Z", "1970-01-01T00:00:00Z", "Nov 21 00:00:01", "2026-11-21T00:00:01Z" },
	};

	(void)state;
	EACH(row, table) {
		struct stamp_anchor anchor = { .time_s = at(row->anchor), .latest_s = at(row->now) + CLOCK_DAY_S };
		struct line line;
		char text[64];
		(void)snprintf(text, sizeof text, "%s mail postfix/smtp[1]: x", row->stamp);
		WANT(line_parse(sv_of(text), &anchor, &line));
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US);
	}
	/* a moment of a wrong clock does not take the lines behind it into last year */
	struct stamp_anchor moved = { .time_s = at("2026-11-21"), .latest_s = at("2026-11-22") };
	struct line last;
	WANT(line_parse(SV("Dec 25 00:00:00 mail postfix/smtp[1]: x"), &moved, &last));
	WANT_INT(last.time_us / CLOCK_SECOND_US, at("2025-12-25"));
	WANT(line_parse(SV("Nov 21 00:00:01 mail postfix/smtp[1]: x"), &moved, &last));
	WANT_INT(last.time_us / CLOCK_SECOND_US, at("2026-11-21T00:00:01Z"));
	/* an explicit year always wins */
	struct stamp_anchor anchor = { .time_s = at("2026-11-21"), .latest_s = at("2026-11-22") };
	struct line line;
	WANT(line_parse(SV("2030-01-01T00:00:00Z mail postfix/smtp[1]: x"), &anchor, &line));
	WANT_INT(line.time_us / CLOCK_SECOND_US, at("2030-01-01"));
}

/* When the clocks go back an hour is there twice: the order of the lines tells which. */
static void hours_that_clocks_change(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "summer", "Oct 25 01:59:59", "2026-10-24T23:59:59Z" },
		{ "once", "Oct 25 02:00:00", "2026-10-25T00:00:00Z" },
		{ "its end", "Oct 25 02:59:58", "2026-10-25T00:59:58Z" },
		{ "again", "Oct 25 02:00:01", "2026-10-25T01:00:01Z" },
		{ "one that comes late", "Oct 25 02:59:59", "2026-10-25T00:59:59Z" },
		{ "and again", "Oct 25 02:00:02", "2026-10-25T01:00:02Z" },
		{ "half an hour on", "Oct 25 02:30:00", "2026-10-25T01:30:00Z" },
		{ "the end of that", "Oct 25 02:59:59", "2026-10-25T01:59:59Z" },
		{ "winter", "Oct 25 03:00:00", "2026-10-25T02:00:00Z" },
		{ "winter's end", "Mar 28 01:59:59", "2027-03-28T00:59:59Z" },
		{ "an hour that is skipped", "Mar 28 02:30:00", "2027-03-28T01:30:00Z" },
		{ "summer again", "Mar 28 03:30:00", "2027-03-28T01:30:00Z" },
	};
	struct stamp_anchor anchor = { .time_s = at("2026-10-24") }, mainlog;
	struct line line;

	(void)state;
	if (!clock_set_zone("Europe/Rome"))
		skip(); /* no tzdata here */
	EACH(row, table) {
		char text[64];
		(void)snprintf(text, sizeof text, "%s mail postfix/smtp[1]: x", row->text);
		WANT(line_parse(sv_of(text), &anchor, &line));
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US);
	}
	/* lines that swap places at its beginning do not make it the second */
	anchor.time_s = at("2026-10-25T00:01:00Z");
	WANT(line_parse(SV("Oct 25 02:00:30 mail postfix/smtp[1]: x"), &anchor, &line));
	WANT_INT(line.time_us / CLOCK_SECOND_US, at("2026-10-25T00:00:30Z"));
	/* Exim's stamps have a year and no zone */
	mainlog.time_s = at("2026-10-25T00:59:58Z");
	mainlog.latest_s = 0;
	WANT(line_parse(SV("2026-10-25 02:00:01 1tDxyz-0000AB-CD Completed"), &mainlog, &line));
	WANT_INT(line.time_us / CLOCK_SECOND_US, at("2026-10-25T01:00:01Z"));
	WANT(clock_set_zone("UTC"));
}

static void lines_over_the_turn_of_the_year(void **state)
{
	static const struct { const char *name, *stamp, *want; } table[] = {
		{ "last of the year", "Dec 31 23:59:58", "2026-12-31T23:59:58Z" },
		{ "first of the next", "Jan  1 00:00:01", "2027-01-01T00:00:01Z" },
		{ "one that comes late", "Dec 31 23:59:59", "2026-12-31T23:59:59Z" },
		{ "on again", "Jan  1 00:00:02", "2027-01-01T00:00:02Z" },
	};
	struct stamp_anchor anchor = { .time_s = at("2026-12-31") };

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
	WANT(line_stamp_before(SV("<22>Nov 20 00:00:00 mail p/smtp[1]: x"), at("2026-11-21"), &time_s));
	WANT_INT(time_s, at("2026-11-20"));
	WANT(!line_stamp_before(SV("<2222>Nov 20 00:00:00 mail p/smtp[1]: x"), at("2026-11-21"), &time_s));
	WANT(!line_stamp_before(SV("<22"), 0, &time_s));
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
		cmocka_unit_test(unusual_headers),
		cmocka_unit_test(copies_of_a_line),
		cmocka_unit_test(host_of_255_bytes),
		cmocka_unit_test(stamps_of_one_minute),
		cmocka_unit_test(years),
		cmocka_unit_test(years_by_the_clock),
		cmocka_unit_test(hours_that_clocks_change),
		cmocka_unit_test(lines_over_the_turn_of_the_year),
		cmocka_unit_test(walking_back),
		cmocka_unit_test(logs_of_several_years),
		cmocka_unit_test(a_file_that_is_no_log),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name(__FILE__, tests, utc, NULL);
}
