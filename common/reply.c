#include "reply.h"

#include <stdio.h>

#include "buf.h"

static const char *const phase_names[] = { "none", "connect", "helo", "mail", "rcpt", "data", "end-of-data" };

const char *phase_name(enum phase phase)
{
	return phase_names[phase];
}

bool phase_by_name(struct sv name, enum phase *phase_r)
{
	for (int i = PHASE_CONNECT; i <= PHASE_END_OF_DATA; i++) {
		if (sv_eq(name, sv_of(phase_names[i]))) {
			*phase_r = (enum phase)i;
			return true;
		}
	}
	return false;
}

/* Number of at most three digits at the front of *s. -1: none. */
static int take_number(struct sv *s)
{
	int v = 0;
	size_t i = 0;

	for (; i < s->n && i < 3 && sv_is_digit(s->p[i]); i++)
		v = v * 10 + (s->p[i] - '0');
	if (i == 0 || (i < s->n && sv_is_digit(s->p[i])))
		return -1;
	*s = sv_skip(*s, i);
	return v;
}

/* "5.1.1" at the front: its length, 0 when it is none */
static size_t enhanced_at(struct sv s, struct enhanced *e)
{
	struct sv rest = s;

	if (s.n < 5 || s.p[1] != '.' || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5'))
		return 0;
	e->class_ = take_number(&rest);
	rest = sv_skip(rest, 1);
	e->subject = take_number(&rest);
	if (e->subject < 0 || !sv_take(&rest, SV(".")))
		return 0;
	e->detail = take_number(&rest);
	/* not a version, an IP address or a word: 5.1.1.2, 5.1.1a */
	if (e->detail < 0 || (rest.n && sv_is_alnum(rest.p[0])) ||
	    (rest.n > 1 && rest.p[0] == '.' && sv_is_digit(rest.p[1])))
		return 0;
	return s.n - rest.n;
}

bool enhanced_parse(struct sv s, struct enhanced *enhanced_r)
{
	struct enhanced e;

	if (enhanced_at(s, &e) != s.n || s.n == 0)
		return false;
	*enhanced_r = e;
	return true;
}

void enhanced_format(struct enhanced e, char text_r[ENHANCED_TEXT_MAX])
{
	struct buf b = { text_r, 0, ENHANCED_TEXT_MAX, false };

	if (e.class_) {
		buf_add_number(&b, e.class_);
		buf_add_char(&b, '.');
		buf_add_number(&b, e.subject);
		buf_add_char(&b, '.');
		buf_add_number(&b, e.detail);
	}
	(void)buf_cstr(&b);
}

/* A reply code at the front, followed by blank, '-' or the end: 3, else 0 */
static size_t code_at(struct sv s, int *code)
{
	if (s.n < 3 || s.p[0] < '2' || s.p[0] > '5' || !sv_is_digit(s.p[1]) || !sv_is_digit(s.p[2]))
		return 0;
	if (s.n > 3 && s.p[3] != ' ' && s.p[3] != '-')
		return 0;
	*code = (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0');
	return 3;
}

/* "host N[ip] said: ": the words after it; fills host */
static struct sv after_said(struct sv text, struct reply *r)
{
	static const struct { struct sv mark; bool greeting; } marks[] = {
		{ { "] said: ", 8 }, false },
		{ { "] refused to talk to me: ", 25 }, true },
	};
	struct sv rest = text;

	if (!sv_take(&rest, SV("host ")))
		return text;
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		size_t at = sv_find_sv(rest, marks[i].mark);
		/* the mark must follow the host's own bracket, not stand later in the text */
		if (at == rest.n || sv_find(rest, ' ') < at)
			continue;
		r->remote = true;
		r->host = sv_head(rest, at);
		r->host.n = sv_find(r->host, '[');
		if (marks[i].greeting)
			r->phase = PHASE_CONNECT;
		return sv_skip(rest, at + marks[i].mark.n);
	}
	return text;
}

/* " (in reply to RCPT TO command)" off the end */
static struct sv before_command(struct sv text, struct reply *r)
{
	static const struct { const char *command; enum phase phase; } commands[] = {
		{ "RCPT TO", PHASE_RCPT }, { "MAIL FROM", PHASE_MAIL }, { "end of DATA", PHASE_END_OF_DATA },
		{ "DATA", PHASE_DATA }, { "EHLO", PHASE_HELO }, { "HELO", PHASE_HELO }, { "LHLO", PHASE_HELO },
		{ "initial connection", PHASE_CONNECT },
	};
	static const struct sv mark = { "(in reply to ", 13 };

	for (size_t at = text.n; at-- > 0;) {
		if (text.p[at] != '(' || !sv_starts(sv_skip(text, at), mark))
			continue;
		struct sv command = sv_skip(text, at + mark.n);
		for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
			if (sv_starts(command, sv_of(commands[i].command))) {
				r->phase = commands[i].phase;
				break;
			}
		return sv_trim(sv_head(text, at));
	}
	return text;
}

/* An address in angle brackets at the front, whose local part in quotes may contain anything: what is behind it */
static struct sv after_address(struct sv s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n && s.p[0] == '<'; i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '>' && !quoted)
			return sv_skip(s, i + 1);
	}
	return s;
}

/* Exim's "SMTP error from remote mail server after RCPT TO:<a@b>: host N [ip]: ": the reply behind it */
static struct sv after_exim(struct sv text, struct reply *r)
{
	static const struct sv marks[] = { { "SMTP error from remote mail server after ", 41 },
		{ "SMTP error from remote mailer after ", 36 }, { "LMTP error after ", 17 } };
	static const struct { struct sv command; enum phase phase; } commands[] = {
		{ { "RCPT TO:", 8 }, PHASE_RCPT }, { { "MAIL FROM:", 10 }, PHASE_MAIL }, { { "end of data", 11 }, PHASE_END_OF_DATA },
		{ { "sending data block", 18 }, PHASE_END_OF_DATA }, { { "DATA", 4 }, PHASE_DATA }, { { "BDAT", 4 }, PHASE_END_OF_DATA },
		{ { "EHLO", 4 }, PHASE_HELO }, { { "HELO", 4 }, PHASE_HELO }, { { "LHLO", 4 }, PHASE_HELO }, { { "STARTTLS", 8 }, PHASE_HELO },
		{ { "AUTH", 4 }, PHASE_HELO }, { { "initial connection", 18 }, PHASE_CONNECT },
	};
	struct sv rest = text;
	size_t mark = 0, n = sizeof marks / sizeof *marks;

	while (mark < n && !sv_take(&rest, marks[mark]))
		mark++;
	if (mark == n)
		return text;
	(void)sv_take(&rest, SV("pipelined "));
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (sv_take(&rest, commands[i].command)) {
			r->phase = commands[i].phase;
			break;
		}
	}
	/* LMTP's answers after the data are one for each recipient */
	if (mark == n - 1 && (r->phase == PHASE_DATA || r->phase == PHASE_END_OF_DATA))
		r->phase = PHASE_RCPT;
	rest = after_address(rest);
	rest = sv_skip(rest, sv_find_sv(rest, SV(": ")) + 2);
	struct sv host = rest;
	size_t end = sv_take(&host, SV("host ")) ? sv_find_sv(host, SV("]: ")) : host.n;
	if (end < host.n && sv_find(host, ' ') + 1 == sv_find(host, '[')) {
		r->host = sv_head(host, sv_find(host, ' '));
		rest = sv_skip(host, end + 3);
	}
	r->remote = true;
	return rest;
}

/* Controls at the front that rsyslog escaped (tab, LF, CR), and blanks behind them: how many bytes */
static size_t control_at(struct sv s)
{
	size_t n = 0;

	while (sv_starts(sv_skip(s, n), SV("#01")) && n + 3 < s.n && (s.p[n + 3] == '1' || s.p[n + 3] == '2' || s.p[n + 3] == '5'))
		n += 4;
	while (n && n < s.n && s.p[n] == ' ')
		n++;
	return n;
}

/* Copies the words of a joined reply without its inner codes. "550-5.1.1 a 550-5.1.1 b
 * 550 5.1.1 c" gives "a b c": an inner code counts when it repeats the first one and
 * is followed by '-' or, for the last line, by a blank, and the first was followed by '-'.
 * escaped: the lines are joined by "\n" instead, as Exim does. rsyslog escapes line ends and tabs. */
static void join_lines(struct sv text, bool escaped, struct reply *r)
{
	struct enhanced e = { 0 }, line;
	int code = 0, first = 0;
	bool joined = false, at_line = true;
	size_t out = 0;

	while (text.n && out < sizeof r->store) {
		size_t len = at_line ? code_at(text, &code) : 0;
		if (len && (first == 0 || (joined && code == first))) {
			joined = (text.n > 3 && text.p[3] == '-') || (first && joined);
			first = code;
			text = sv_skip(text, len);
			text = text.n ? sv_skip(text, 1) : text;
			text = sv_trim(text);
			size_t status = enhanced_at(text, &line);
			if (status) {
				e = line;
				text = sv_trim(sv_skip(text, status));
			}
			at_line = false;
			continue;
		}
		bool newline = escaped && text.n > 2 && text.p[0] == '\\' && text.p[1] == 'n' && sv_is_digit(text.p[2]);
		size_t control = text.p[0] == '#' ? control_at(text) : 0;
		char c = newline || control ? ' ' : text.p[0];
		/* the first code stands at the front or behind "said: ", others behind a blank */
		at_line = c == ' ' && (first || !out || r->store[out - 1] == ':');
		if (!control || (out && r->store[out - 1] != ' ')) /* words stay apart, by one blank */
			r->store[out++] = c;
		text = sv_skip(text, newline ? 2 : control ? control : 1);
	}
	while (out && r->store[out - 1] == ' ')
		out--;
	r->code = first;
	r->enhanced = e;
	r->words = sv_make(r->store, out);
}

/* A server that quotes another's answer, "... undeliverable address: host N said: 552 5.2.2
 * full": what the innermost says counts. The words stay whole: they tell whom it is about. */
static void take_quoted(struct reply *r)
{
	static const struct sv said = { "said: ", 6 };
	struct sv rest = r->words;
	size_t at;

	while (r->code && (at = sv_find_sv(rest, said)) < rest.n) {
		struct enhanced e = { 0 };
		int code;
		rest = sv_skip(rest, at + said.n);
		struct sv quoted = rest;
		if (!code_at(quoted, &code))
			continue;
		quoted = sv_trim(sv_skip(quoted, 4));
		r->code = code;
		r->enhanced = enhanced_at(quoted, &e) ? e : (struct enhanced){ 0 };
	}
}

/* A status inside the words: "#5.1.1", "(#5.1.0)", "[5.7.1]", "(5.1.1)" or standing free at the front */
static void find_enhanced(struct reply *r)
{
	for (size_t i = 0; i < r->words.n; i++) {
		struct enhanced e;
		char before = i ? r->words.p[i - 1] : '#';
		if (before != '#' && before != '(' && before != '[')
			continue;
		size_t len = enhanced_at(sv_skip(r->words, i), &e);
		if (len && (r->code == 0 || e.class_ == r->code / 100)) {
			r->enhanced = e;
			return;
		}
	}
}

void reply_parse(struct sv text, struct enhanced dsn, struct reply *r)
{
	r->code = 0;
	r->enhanced = (struct enhanced){ 0 };
	r->phase = PHASE_NONE;
	r->remote = false;
	r->host = sv_make(NULL, 0);
	r->words = sv_make(r->store, 0);

	text = sv_trim(sv_head(text, REPLY_TEXT_MAX));
	(void)sv_take(&text, SV("Protocol error: "));
	text = after_said(text, r);
	(void)sv_take(&text, SV("Protocol error: "));
	text = before_command(text, r);
	struct sv exim = after_exim(text, r);
	join_lines(exim, exim.p != text.p, r);
	if (r->code)
		r->remote = true;
	take_quoted(r);
	if (r->enhanced.class_ == 0)
		find_enhanced(r);
	/* x.0.0 is what Postfix writes when the server gave none: it says nothing */
	if (r->enhanced.class_ == 0 && dsn.class_ && (dsn.subject || dsn.detail))
		r->enhanced = dsn;
}
