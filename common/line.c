#include "line.h"

#include "clock.h"
#include "line_forms.h"

/* How far a line may be ahead of the anchor: of the end of a file, or of the line
 * before it (a log may be silent for long, and 29 February fits few years). */
#define AHEAD_OF_END_S CLOCK_DAY_S
#define AHEAD_OF_LINE_S (180 * CLOCK_DAY_S)

/* "process[pid]:" is not longer. */
#define TAG_BYTES_MAX 320

/* "Jan" .. "Dec" to 1..12; 0: none */
static int month_of(const char *p)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++)
		if (memcmp(p, names + 3 * i, 3) == 0)
			return i + 1;
	return 0;
}

static int two_digits(const char *p)
{
	return sv_is_digit(p[0]) && sv_is_digit(p[1]) ? (p[0] - '0') * 10 + (p[1] - '0') : -1;
}

/* "Feb  3 04:05:06 " or "Feb 03 04:05:06 ": 15 bytes; the year is left open */
static bool traditional(struct sv s, struct civil *c)
{
	if (s.n < 16 || s.p[3] != ' ' || s.p[6] != ' ' || s.p[9] != ':' || s.p[12] != ':' || s.p[15] != ' ')
		return false;
	c->month = month_of(s.p);
	c->day = s.p[4] == ' ' && sv_is_digit(s.p[5]) ? s.p[5] - '0' : two_digits(s.p + 4);
	c->hour = two_digits(s.p + 7);
	c->minute = two_digits(s.p + 10);
	c->second = two_digits(s.p + 13);
	return c->month && c->day >= 1 && c->day <= clock_month_days(2000, c->month) && c->hour >= 0 &&
		c->hour < 24 && c->minute >= 0 && c->minute < 60 && c->second >= 0 && c->second <= 60;
}

/* The year within reach of the anchor's that suits best; 29 February only fits leap years. What
 * is later than latest_s is a year before: only_before, surely; else, if there is such a year. */
static bool with_year(struct civil *c, int64_t anchor_s, int64_t latest_s, bool only_before, int64_t *time_s_r)
{
	struct civil near;
	bool found = false, best_early = false;
	int64_t best_apart = 0;

	clock_s_to_civil(anchor_s, &near);
	int reach = c->month == 2 && c->day == 29 ? 8 : 1;
	for (int year = near.year - reach; year <= near.year + 1; year++) {
		if (c->day > clock_month_days(year, c->month))
			continue;
		c->year = year;
		int64_t time_s = clock_local_after_s(c, anchor_s);
		int64_t apart = time_s > anchor_s ? time_s - anchor_s : anchor_s - time_s;
		bool early = time_s <= latest_s;
		if (only_before ? !early : reach > 1 && time_s > anchor_s + AHEAD_OF_LINE_S)
			continue;
		if (!found || (early && !best_early) || (early == best_early && apart < best_apart)) {
			found = true;
			best_early = early;
			best_apart = apart;
			*time_s_r = time_s;
		}
	}
	return found;
}

bool line_stamp_before(struct sv bytes, int64_t anchor_s, int64_t *time_s_r)
{
	struct civil c;

	size_t priority = bytes.n && bytes.p[0] == '<' ? sv_find(bytes, '>') : 0;

	if (priority && priority <= 4) /* "<191>" is the largest */
		bytes = sv_skip(bytes, priority + 1);
	return traditional(bytes, &c) && with_year(&c, anchor_s, anchor_s + AHEAD_OF_END_S, true, time_s_r);
}

/* ".123456" at its place; -1: other than six digits */
static int microseconds(struct sv s)
{
	unsigned us = 0, worst = 0;

	for (size_t i = 20; i < 26; i++) {
		unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';
		worst |= digit > 9;
		us = us * 10 + digit;
	}
	return worst ? -1 : (int)us;
}

/* An RFC 3339 stamp has its zone right behind the time. */
size_t line_mainlog_stamp(struct sv s, int64_t before_s, int64_t *time_us_r)
{
	struct civil c;
	size_t at = 19;
	int us = 0, high = s.n > 24 ? two_digits(s.p) : -1, low = high < 0 ? -1 : two_digits(s.p + 2);

	if (low < 0 || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != ' ' || s.p[13] != ':' || s.p[16] != ':')
		return 0;
	c = (struct civil){ high * 100 + low, two_digits(s.p + 5), two_digits(s.p + 8), two_digits(s.p + 11),
		two_digits(s.p + 14), two_digits(s.p + 17) };
	if (c.year < 1970 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > clock_month_days(c.year, c.month) || c.hour < 0 ||
	    c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 || c.second > 60)
		return 0;
	if (s.p[19] == '.' && two_digits(s.p + 20) >= 0 && sv_is_digit(s.p[22])) {
		us = (two_digits(s.p + 20) * 10 + (s.p[22] - '0')) * 1000;
		at = 23;
	}
	if (s.n > at + 6 && s.p[at] == ' ' && (s.p[at + 1] == '+' || s.p[at + 1] == '-')) {
		int hours = two_digits(s.p + at + 2), minutes = two_digits(s.p + at + 4);
		if (hours < 0 || minutes < 0 || s.p[at + 6] != ' ')
			return 0;
		int east_s = (hours * 3600 + minutes * 60) * (s.p[at + 1] == '-' ? -1 : 1);
		*time_us_r = (clock_civil_to_s(&c) - east_s) * CLOCK_SECOND_US + us;
		return at + 6;
	}
	*time_us_r = clock_local_after_s(&c, before_s) * CLOCK_SECOND_US + us;
	return s.p[at] == ' ' ? at : 0;
}

/* Host and process become parts of keys; '|' separates those parts. */
bool line_is_name(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '|' || s.p[i] == '[')
			return false;
	return s.n > 0 && s.n <= 255;
}

/* The same few daemons write all lines. */
#define KNOWN_PROCESSES 32
static struct known_process {
	size_t n;
	char name[32];
} known_processes[KNOWN_PROCESSES];

static bool is_process(struct sv s)
{
	if (s.n == 0 || s.n > sizeof known_processes->name)
		return line_is_name(s);
	struct known_process *known = &known_processes[(s.n + (unsigned char)s.p[s.n - 1]) % KNOWN_PROCESSES];
	if (sv_eq(s, sv_make(known->name, known->n)))
		return true;
	if (!line_is_name(s))
		return false;
	memcpy(known->name, s.p, s.n);
	known->n = s.n;
	return true;
}

bool line_tag(struct sv *s, struct sv *process_r)
{
	size_t end = sv_find(sv_head(*s, TAG_BYTES_MAX), ':'), n = end;

	if (end == s->n || s->p[end] != ':')
		return false;
	if (n > 0 && s->p[n - 1] == ']') {
		size_t open = sv_find(sv_head(*s, n), '[');
		if (open == n)
			return false;
		n = open;
	}
	*process_r = sv_head(*s, n);
	*s = sv_skip(*s, end + 1);
	(void)sv_take(s, SV(" "));
	/* a stamp of another header is no tag, though there is a colon in it */
	return is_process(*process_r) && !(n == 13 && process_r->p[10] == 'T');
}

/* ---- lines like the one before ---- */

/* One host writes most of a log, and many lines in a second: of such a line only the tail of the
 * stamp and the tag are read anew. */
static struct header {
	char stamp[17];   /* "2026-11-21T09:12:" or "Nov 21 09:12:34 " */
	size_t stamp_n;   /* of those; 0: nothing is remembered */
	int64_t begin_us; /* of that minute, or that second */
	char host[264];   /* "+01:00 mail ", behind the stamp of RFC 3339 with microseconds; "mail " */
	size_t host_at, host_n, zone_n;
} before;

static void remember(struct sv bytes, const struct line *line)
{
	bool iso = sv_is_digit(bytes.p[0]);
	size_t at = iso ? 26 : 16, end = (size_t)(line->host.p - bytes.p) + line->host.n + 1;

	before.stamp_n = 0;
	if (end <= at || end - at > sizeof before.host || (iso && (bytes.p[19] != '.' || microseconds(bytes) < 0 || sv_is_digit(bytes.p[26]))))
		return;
	before.stamp_n = iso ? 17 : 16;
	memcpy(before.stamp, bytes.p, before.stamp_n);
	before.host_at = at;
	before.host_n = end - at;
	before.zone_n = before.host_n - line->host.n - 1;
	memcpy(before.host, bytes.p + at, before.host_n);
	/* not by division: a leap second is a second of the minute before */
	before.begin_us = line->time_us - (iso ? two_digits(bytes.p + 17) * CLOCK_SECOND_US + microseconds(bytes) : 0);
}

/* False: it is not like the one before, and has to be read as a whole. */
static bool parse_again(struct sv s, const struct stamp_anchor *anchor, struct line *line)
{
	const struct header *b = &before;

	/* the year of a traditional stamp is that of its neighbours */
	if (b->stamp_n != 17 && (anchor->time_s < b->begin_us / CLOCK_SECOND_US - CLOCK_DAY_S || anchor->time_s > b->begin_us / CLOCK_SECOND_US + CLOCK_DAY_S))
		return false;
	if (b->stamp_n == 0 || s.n < b->host_at + b->host_n || !sv_same_bytes(s.p, b->stamp, b->stamp_n) ||
	    !sv_same_bytes(s.p + b->host_at, b->host, b->host_n))
		return false;
	line->time_us = b->begin_us;
	if (b->stamp_n == 17) {
		int us = s.p[19] == '.' ? microseconds(s) : -1, second = two_digits(s.p + 17);
		if (us < 0 || second < 0 || second > 60)
			return false;
		line->time_us += second * CLOCK_SECOND_US + us;
	}
	line->host = sv_make(s.p + b->host_at + b->zone_n, b->host_n - b->zone_n - 1);
	line->message = sv_skip(s, b->host_at + b->host_n);
	return line_tag(&line->message, &line->process);
}

/* A line of Exim's own log has no host and no process. */
static bool take_mainlog(struct sv s, const struct stamp_anchor *anchor, struct line *line)
{
	size_t n = line_mainlog_stamp(s, anchor->time_s, &line->time_us);

	line->host = sv_make(NULL, 0);
	line->process = SV("exim");
	line->message = sv_skip(s, n + 1);
	return n > 0;
}

size_t line_stamp(struct sv s, const struct stamp_anchor *anchor, int64_t *time_us_r)
{
	struct civil c;
	int64_t time_s;

	if (s.n < 16)
		return 0;
	if (sv_is_digit(s.p[0]))
		return clock_parse_rfc3339(s, time_us_r);
	if (!traditional(s, &c) || !with_year(&c, anchor->time_s, anchor->latest_s ? anchor->latest_s : INT64_MAX, false, &time_s))
		return 0;
	*time_us_r = time_s * CLOCK_SECOND_US;
	return 15;
}

bool line_origin(struct sv s, struct line *line)
{
	line->host = sv_cut(&s, ' ');
	/* a tag without a host; an IPv6 address may end in two colons */
	bool tag = line->host.n > 1 && line->host.p[line->host.n - 1] == ':' && line->host.p[line->host.n - 2] != ':';
	line->message = s;
	return !tag && line_is_name(line->host) && line_tag(&line->message, &line->process);
}

void line_move(struct stamp_anchor *anchor, int64_t time_us, bool has_year)
{
	int64_t time_s = time_us / CLOCK_SECOND_US;

	if (has_year || !anchor->latest_s || time_s >= anchor->time_s - AHEAD_OF_LINE_S)
		anchor->time_s = time_s;
}

static bool parse_whole(struct sv bytes, const struct stamp_anchor *anchor, struct line *line)
{
	if (bytes.n < 16)
		return false;
	if (sv_is_digit(bytes.p[0]) && bytes.p[10] == ' ' && take_mainlog(bytes, anchor, line))
		return true;
	size_t n = line_stamp(bytes, anchor, &line->time_us);
	struct sv rest = sv_skip(bytes, n);
	if (n == 0 || !sv_take(&rest, SV(" ")) || !line_origin(rest, line))
		return false;
	remember(bytes, line);
	return true;
}

bool line_usual(struct sv bytes, struct stamp_anchor *anchor, struct line *line)
{
	if (!parse_again(bytes, anchor, line) && !parse_whole(bytes, anchor, line))
		return false;
	line_move(anchor, line->time_us, sv_is_digit(bytes.p[0]));
	return true;
}

bool line_parse(struct sv bytes, struct stamp_anchor *anchor, struct line *line)
{
	bytes = line_forms_end(bytes);
	if (!line_usual(bytes, anchor, line))
		return line_forms_parse(bytes, anchor, line);
	if (line_forms_inside(line->message))
		line_forms_unwrap(anchor, line);
	return true;
}
