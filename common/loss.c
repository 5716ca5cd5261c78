#include "loss.h"

/* journald limits each service for itself. What the mail server's is called is not known for
 * sure: a service is another one's when its name has none of these. */
static bool is_other_service(struct sv unit)
{
	static const struct sv words[] = { { "postfix", 7 }, { "exim", 4 }, { "mail", 4 }, { "smtp", 4 }, { "mta", 3 }, { "postlog", 7 },
		{ "syslog", 6 }, { "docker", 6 }, { "podman", 6 }, { "container", 9 }, { "lxc", 3 }, { "nspawn", 6 } };

	/* who has logged in, and floods the journal by hand */
	if (sv_starts(unit, SV("session-")) || sv_starts(unit, SV("user@")) || sv_starts(unit, SV("user-")) || sv_starts(unit, SV("user.")))
		return true;
	if (!sv_ends_nocase(unit, SV(".service")))
		return false;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (sv_find_sv(unit, words[i]) < unit.n)
			return false;
	return true;
}

static bool take_number(struct sv *s, int64_t *n_r)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s->n && sv_is_digit(s->p[digits]))
		digits++;
	if (digits == 0)
		return false;
	/* longer than any number is as good as the greatest */
	*n_r = sv_u64(sv_head(*s, digits), (uint64_t)LOSS_LINES_MAX, &n) ? (int64_t)n : LOSS_LINES_MAX;
	*s = sv_skip(*s, digits);
	return true;
}

/* "Suppressed 1234 messages from postfix.service", "Forwarding to syslog missed 12 messages." */
static bool journald(struct sv s, int64_t *lines_r)
{
	if (sv_take(&s, SV("Suppressed ")))
		return take_number(&s, lines_r) && sv_take(&s, SV(" messages from ")) && !is_other_service(sv_trim(s));
	return sv_take(&s, SV("Forwarding to syslog missed ")) && take_number(&s, lines_r) && sv_take(&s, SV(" messages"));
}

/* "imjournal: begin to drop messages due to rate-limiting"
 * "imuxsock[pid: 42, name: smtp] from <postfix/smtp:42>: 123 messages lost due to rate-limiting (200 allowed within 5 seconds)"
 * "imuxsock lost 123 messages from pid 42 due to rate-limiting" */
static bool rsyslog(struct sv s, int64_t *lines_r)
{
	size_t module = 2;

	if (!sv_starts(s, SV("im")))
		return false;
	while (module < s.n && sv_is_alnum(s.p[module]))
		module++;
	s = sv_skip(s, module);
	*lines_r = 0;
	if (sv_take(&s, SV(" lost ")))
		return take_number(&s, lines_r) && sv_take(&s, SV(" messages from pid ")) && sv_ends_nocase(s, SV("due to rate-limiting"));
	if (s.n && s.p[0] == '[')
		(void)sv_cut(&s, ']');
	if (sv_take(&s, SV(" from <")))
		(void)sv_cut(&s, '>');
	if (!sv_take(&s, SV(": ")))
		return false;
	if (sv_starts(s, SV("begin to drop messages due to rate-limiting")))
		return true;
	return take_number(&s, lines_r) && sv_starts(s, SV(" messages lost due to rate-limiting"));
}

bool loss_told(const struct line *line, int64_t *lines_r)
{
	struct sv process = line->process;

	if (sv_starts(process, SV("rsyslogd")))
		return rsyslog(line->message, lines_r);
	if (sv_starts(process, SV("systemd-journal")) || sv_eq(process, SV("journal")) || sv_eq(process, SV("journald")))
		return journald(line->message, lines_r);
	return false;
}
