#include "retry.h"

/* How far in front of a time, and behind it, a word may stand that tells what it is for. */
#define CONTEXT_BYTES 48
#define BEHIND_BYTES 24

#define NUMBER_MAX 100000000

static bool starts_with_any(struct sv s, const struct sv *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sv_starts_nocase(s, words[i]))
			return true;
	return false;
}

/* ---- a length of time ---- */

/* The letters at the front */
static struct sv letters_of(struct sv s)
{
	size_t n = 0;

	while (n < s.n && sv_is_alnum(s.p[n]) && !sv_is_digit(s.p[n]))
		n++;
	return sv_head(s, n);
}

/* "min", "Minuten", "h": how long; 0: it is no unit */
static int64_t unit_s(struct sv word)
{
	static const struct { struct sv begins; int64_t seconds; } units[] = {
		{ { "sec", 3 }, 1 }, { { "sek", 3 }, 1 }, { { "min", 3 }, 60 }, { { "hour", 4 }, 3600 }, { { "hr", 2 }, 3600 },
		{ { "stund", 5 }, 3600 }, { { "std", 3 }, 3600 }, { { "heure", 5 }, 3600 }, { { "hora", 4 }, 3600 },
		{ { "day", 3 }, 86400 }, { { "tag", 3 }, 86400 }, { { "week", 4 }, 604800 },
	};
	static const struct { char letter; int64_t seconds; } letters[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };

	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if (word.n == 1 && sv_lower(word.p[0]) == letters[i].letter)
			return letters[i].seconds;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (sv_starts_nocase(word, units[i].begins))
			return units[i].seconds;
	return 0;
}

/* Digits off the front; -1: none, or too many */
static int64_t take_number(struct sv *s)
{
	int64_t v = 0;
	size_t n = 0;

	for (; n < s->n && sv_is_digit(s->p[n]); n++) {
		v = v * 10 + (s->p[n] - '0');
		if (v > NUMBER_MAX)
			return -1;
	}
	*s = sv_skip(*s, n);
	return n ? v : -1;
}

/* "00:04:58" or "04:58" off the front; -1: it is none, and *s untouched */
static int64_t take_clock(struct sv *s)
{
	struct sv rest = *s;
	int64_t total = take_number(&rest), parts = 1;

	while (total >= 0 && parts < 3 && rest.n > 2 && rest.p[0] == ':' && sv_is_digit(rest.p[1]) && sv_is_digit(rest.p[2])) {
		total = total * 60 + (rest.p[1] - '0') * 10 + (rest.p[2] - '0');
		rest = sv_skip(rest, 3);
		parts++;
	}
	if (parts < 2 || (rest.n && (sv_is_alnum(rest.p[0]) || rest.p[0] == ':')))
		return -1;
	*s = rest;
	return total;
}

/* "5 minutes", "5min", "an hour" off the front; -1: it is none, and *s untouched */
static int64_t take_part(struct sv *s)
{
	static const struct sv ones[] = { { "one", 3 }, { "an", 2 }, { "a", 1 } };
	struct sv rest = *s;
	int64_t n = take_number(&rest);

	for (size_t i = 0; n < 0 && i < sizeof ones / sizeof *ones; i++)
		if (sv_eq_nocase(letters_of(rest), ones[i])) {
			rest = sv_skip(rest, ones[i].n);
			n = rest.n && (rest.p[0] == ' ' || rest.p[0] == '-') ? 1 : -1;
		}
	if (n < 0)
		return -1;
	while (rest.n && (rest.p[0] == ' ' || rest.p[0] == '-'))
		rest = sv_skip(rest, 1);
	struct sv word = letters_of(rest);
	int64_t unit = word.n ? unit_s(word) : 0;
	if (!unit)
		return -1;
	*s = sv_skip(rest, word.n);
	return n * unit;
}

/* "1 hour and 5 minutes", "5m30s", "00:04:58" off the front; -1: none */
static int64_t take_time(struct sv *s)
{
	static const struct sv between[] = { { ", ", 2 }, { " and ", 5 }, { " ", 1 }, { ",", 1 } };
	int64_t total = take_clock(s), more;

	if (total >= 0)
		return total;
	total = take_part(s);
	if (total < 0)
		return -1;
	do {
		struct sv next = *s;
		for (size_t i = 0; i < sizeof between / sizeof *between; i++)
			if (sv_take(&next, between[i]))
				break;
		/* "5 minutes a day" is no sum */
		more = next.n && sv_is_digit(next.p[0]) ? take_part(&next) : -1;
		if (more >= 0) {
			total += more;
			*s = next;
		}
	} while (more >= 0 && total <= RETRY_AFTER_MAX_S);
	return total;
}

/* ---- what it is for ---- */

static bool begins_word(struct sv words, size_t at)
{
	return at == 0 || !(sv_is_alnum(words.p[at - 1]) || strchr(".:-/[@_", words.p[at - 1]));
}

/* A word right in front of a time that leads to it. */
static bool is_lead(struct sv word)
{
	static const struct sv leads[] = { { "in", 2 }, { "after", 5 }, { "for", 3 }, { "wait", 4 }, { "within", 6 }, { "least", 5 },
		{ "another", 7 }, { "next", 4 }, { "about", 5 }, { "approximately", 13 }, { "again", 5 }, { "retry", 5 }, { "delay", 5 },
		{ "of", 2 }, { "nach", 4 }, { "until", 5 }, { "every", 5 } };

	for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
		if (sv_eq_nocase(word, leads[i]))
			return true;
	return false;
}

static struct sv word_before(struct sv words, size_t at)
{
	size_t end = at, begin;

	while (end > 0 && strchr(" =:(~", words.p[end - 1]))
		end--;
	begin = end;
	while (begin > 0 && sv_is_alnum(words.p[begin - 1]))
		begin--;
	return sv_make(words.p + begin, end - begin);
}

/* Words in front, in the same sentence and with no other number between, that speak of trying again. */
static bool told_before(struct sv words, size_t at)
{
	static const struct sv about[] = { { "again", 5 }, { "retry", 5 }, { "retries", 7 }, { "re-try", 6 }, { "wait", 4 }, { "greylist", 8 },
		{ "graylist", 8 }, { "grey-list", 9 }, { "gray-list", 9 }, { "grey list", 9 }, { "come back", 9 }, { "try ", 4 }, { "resend", 6 },
		{ "re-send", 7 }, { "reconnect", 9 }, { "delay", 5 }, { "defer", 5 }, { "erneut", 6 }, { "nochmal", 7 } };
	size_t from = at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0;

	for (size_t i = at; i-- > from;) {
		char c = words.p[i];
		if (sv_is_digit(c) || c == ';' || (c == '.' && i + 1 < at && words.p[i + 1] == ' '))
			return false;
		if (begins_word(words, i) && starts_with_any(sv_skip(words, i), about, sizeof about / sizeof *about))
			return true;
	}
	return false;
}

/* Or behind it: "5 minutes before trying again" */
static bool told_behind(struct sv rest)
{
	static const struct sv about[] = { { "before retry", 12 }, { "before try", 10 }, { "before send", 11 }, { "before re", 9 },
		{ "and try", 7 }, { "and retry", 9 }, { "then try", 8 }, { "then retry", 10 }, { "and resend", 10 }, { "try again", 9 },
		{ "retry", 5 }, { "please try", 10 } };

	for (size_t i = 0; i < BEHIND_BYTES && i < rest.n && rest.p[i] != '.' && rest.p[i] != ';'; i++)
		if (begins_word(rest, i) && starts_with_any(sv_skip(rest, i), about, sizeof about / sizeof *about))
			return true;
	return false;
}

/* "retry after 300", "Retry-After: 300": seconds without a unit */
static int64_t bare_seconds(struct sv words, size_t at)
{
	struct sv rest = sv_skip(words, at), lead = word_before(words, at);
	int64_t v = take_number(&rest);
	struct sv before = sv_make(words.p, lead.n ? (size_t)(lead.p - words.p) : 0);

	/* a percentage, an address, a host */
	if (v < 0 || (rest.n && (strchr("%:/@", rest.p[0]) || sv_is_alnum(rest.p[0]))) ||
	    (rest.n > 1 && rest.p[0] == '.' && sv_is_alnum(rest.p[1])) || !sv_eq_nocase(lead, SV("after")))
		return -1;
	return sv_ends_nocase(before, SV("retry ")) || sv_ends_nocase(before, SV("retry-")) ? v : -1;
}

int64_t retry_after_s(struct sv words)
{
	for (size_t i = 0; i < words.n; i++) {
		struct sv rest = sv_skip(words, i);
		if (!(sv_is_digit(words.p[i]) || sv_lower(words.p[i]) == 'a' || sv_lower(words.p[i]) == 'o'))
			continue;
		struct sv lead = word_before(words, i);
		if (!begins_word(words, i) && !(lead.n && words.p[i - 1] == ':'))
			continue;
		int64_t seconds = take_time(&rest);
		if (seconds >= 0 && !((is_lead(lead) && told_before(words, i)) || told_behind(rest)))
			continue;
		if (seconds < 0)
			seconds = bare_seconds(words, i);
		if (seconds >= 0)
			return seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S;
	}
	return -1;
}
