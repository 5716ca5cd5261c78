#include "line_forms.h"

#include "clock.h"

#define CONTAINER_ID_MIN 12

bool line_forms_priority(struct sv *s, unsigned *priority_r)
{
	size_t n = 1;
	unsigned priority = 0;

	if (s->n < 3 || s->p[0] != '<')
		return false;
	for (; n < s->n && n <= 3 && sv_is_digit(s->p[n]); n++)
		priority = priority * 10 + (unsigned)(s->p[n] - '0');
	if (n == 1 || n >= s->n || s->p[n] != '>')
		return false;
	*s = sv_skip(*s, n + 1);
	*priority_r = priority;
	return true;
}

/* "1795338000.123456" off the front */
static bool take_unix(struct sv *s, int64_t *time_us_r)
{
	struct sv rest = *s, seconds = sv_cut(&rest, '.'), fraction = sv_cut(&rest, ' ');
	uint64_t whole, us;

	if (seconds.n < 9 || seconds.n > 11 || fraction.n != 6 || !sv_u64(seconds, 99999999999, &whole) || !sv_u64(fraction, 999999, &us))
		return false;
	*time_us_r = (int64_t)whole * CLOCK_SECOND_US + (int64_t)us;
	*s = rest;
	return true;
}

/* A stamp and the blank behind it; a traditional one may have a fraction. */
static bool take_stamp(struct sv *s, const struct stamp_anchor *anchor, int64_t *time_us_r)
{
	char plain[17];

	if (take_unix(s, time_us_r))
		return true;
	size_t n = line_stamp(*s, anchor, time_us_r);
	if (n == 0 && s->n > 16 && s->p[15] == '.') {
		int64_t us = 0, scale = 100000;
		memcpy(plain, s->p, 15);
		plain[15] = ' ';
		if (line_stamp(sv_make(plain, 16), anchor, time_us_r) == 0)
			return false;
		for (n = 16; n < s->n && n < 25 && sv_is_digit(s->p[n]); n++, scale /= 10)
			us += (s->p[n] - '0') * scale;
		*time_us_r += us;
	}
	if (n == 0 || n >= s->n || s->p[n] != ' ')
		return false;
	*s = sv_skip(*s, n + 1);
	return true;
}

/* "[id name="value" ...][...]" or "-" off the front: a value may hold anything, \ escapes its quote */
static bool take_structured(struct sv *s)
{
	bool quoted = false, inside = false;
	size_t i = 0;

	if (sv_take(s, SV("-")))
		return s->n == 0 || s->p[0] == ' ';
	for (; i < s->n && (inside || s->p[i] == '['); i++) {
		if (quoted && s->p[i] == '\\')
			i++;
		else if (s->p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s->p[i] == ']')
			inside = false;
		else
			inside = true;
	}
	if (i == 0 || i > s->n || inside)
		return false;
	*s = sv_skip(*s, i);
	return true;
}

/* "1 STAMP HOST APP PROCID MSGID DATA text". The APP is a syslog tag up to its first '/'. */
static bool take_rfc5424(struct sv s, struct line *line)
{
	struct sv stamp;

	if (!sv_take(&s, SV("1 ")))
		return false;
	stamp = sv_cut(&s, ' ');
	if (!stamp.n || clock_parse_rfc3339(stamp, &line->time_us) != stamp.n)
		return false;
	line->host = sv_cut(&s, ' ');
	line->process = sv_cut(&s, ' ');
	if (!line_is_name(line->host) || !line_is_name(line->process) || !sv_cut(&s, ' ').n || !sv_cut(&s, ' ').n || !take_structured(&s))
		return false;
	if (sv_eq(line->host, SV("-")))
		line->host = sv_make(line->host.p, 0);
	(void)sv_take(&s, SV(" "));
	(void)sv_take(&s, SV("\xef\xbb\xbf"));
	(void)sv_take(&s, SV(" ")); /* what stood between the tag and the text */
	line->message = s;
	return !sv_eq(line->process, SV("-"));
}

/* "host tag[1]: text", "tag[1]: text", and "host " before a whole line, which is left as the message */
static bool take_origin(struct sv s, const struct stamp_anchor *anchor, struct line *line)
{
	struct sv rest = s, first = sv_cut(&rest, ' '), inner = rest;
	int64_t time_us;

	if (line_origin(s, line))
		return true;
	line->host = sv_make(s.p, 0);
	if (first.n && (first.p[first.n - 1] == ':' || sv_find(first, ']') < first.n)) {
		line->message = s;
		return line_tag(&line->message, &line->process);
	}
	if (!line_is_name(first) || !take_stamp(&inner, anchor, &time_us))
		return false;
	line->host = line->process = first;
	line->message = rest;
	return true;
}

static bool take_header(struct sv s, struct stamp_anchor *anchor, struct line *line)
{
	unsigned number;
	bool priority = line_forms_priority(&s, &number), has_year = s.n && sv_is_digit(s.p[0]);

	if (priority && line_usual(s, anchor, line))
		return true;
	if (!take_rfc5424(s, line) && !(take_stamp(&s, anchor, &line->time_us) && take_origin(s, anchor, line)))
		return false;
	line_move(anchor, line->time_us, has_year);
	return true;
}

/* Who passes on what another syslog wrote: a relay, which has no tag of its own, or a container's engine, whose
 * tag is its name, or the container's id (twelve digits of it at least). Any other program's words are its own,
 * and may be a stranger's. */
static bool passes_on(const struct line *line)
{
	static const struct sv engines[] = { { "docker", 6 }, { "podman", 6 }, { "conmon", 6 }, { "containerd", 10 }, { "lxc", 3 }, { "kube", 4 }, { "k8s", 3 } };
	struct sv id = sv_after_last(line->process, '/');
	size_t n = 0;

	if (sv_eq(line->process, line->host))
		return true;
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
		if (sv_starts(line->process, engines[i]))
			return true;
	while (n < id.n && sv_hex(id.p[n]) >= 0)
		n++;
	return n == id.n && n >= CONTAINER_ID_MIN;
}

void line_forms_unwrap(struct stamp_anchor *anchor, struct line *line)
{
	struct line inner;

	for (int depth = 0; depth < LINE_FORMS_DEPTH_MAX && line_forms_inside(line->message); depth++) {
		struct sv rest = line->message;
		if (sv_take(&rest, SV("[ID ")) && sv_find_sv(rest, SV("] ")) < rest.n) {
			line->message = sv_skip(rest, sv_find_sv(rest, SV("] ")) + 2);
			continue;
		}
		if (!passes_on(line) ||
		    (!line_usual(line->message, anchor, &inner) && !take_header(line->message, anchor, &inner)))
			return;
		if (inner.host.n == 0)
			inner.host = line->host;
		*line = inner;
	}
}

bool line_forms_parse(struct sv bytes, struct stamp_anchor *anchor, struct line *line)
{
	if (!take_header(bytes, anchor, line))
		return false;
	line_forms_unwrap(anchor, line);
	return true;
}

unsigned line_forms_repeated(struct sv *message)
{
	struct sv s = *message;
	uint64_t n;

	(void)sv_take(&s, SV(" "));
	if (!sv_take(&s, SV("message repeated ")) || !sv_u64(sv_cut(&s, ' '), UINT32_MAX, &n) || !sv_take(&s, SV("times: [")))
		return 1;
	(void)sv_take(&s, SV(" "));
	if (s.n && s.p[s.n - 1] == ']')
		s.n--;
	*message = s;
	return n < LINE_REPEATED_MAX ? (unsigned)n : LINE_REPEATED_MAX;
}
