#include "exim.h"

#include "clock.h"

/* ERRNO_RETRY_BASE: from here down a deferral says that nothing was tried (local_scan.h, macros.h) */
#define DEFER_NOT_TRIED 51
/* The time in a message id can be trusted when it is at most so long ago. */
#define ID_AGE_MAX_S (400 * CLOCK_DAY_S)

/* ---- message ids ---- */

static bool is_word(struct sv s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i >= s.n || !sv_is_alnum(s.p[i]))
			return false;
	return true;
}

static size_t id_of_form(struct sv s, size_t middle, size_t last)
{
	size_t n = 6 + 1 + middle + 1 + last;

	if (s.n < n || !is_word(s, 6) || s.p[6] != '-' || !is_word(sv_skip(s, 7), middle) || s.p[7 + middle] != '-' ||
	    !is_word(sv_skip(s, 8 + middle), last) || (s.n > n && (sv_is_alnum(s.p[n]) || s.p[n] == '-')))
		return 0;
	return n;
}

size_t exim_id_at(struct sv s)
{
	size_t n = id_of_form(s, 6, 2);

	return n ? n : id_of_form(s, 11, 4);
}

/* An id begins with the second of the message's arrival, in base 62 (36 on few systems). */
static int64_t arrival_by_id(struct sv id, int64_t time_s)
{
	int64_t arrival_s = 0;

	for (size_t i = 0; i < 6; i++) {
		char c = id.p[i];
		arrival_s = arrival_s * 62 + (sv_is_digit(c) ? c - '0' : c >= 'a' ? c - 'a' + 36 : c - 'A' + 10);
	}
	/* a log may be read by another zone than it was written in */
	return arrival_s > time_s - ID_AGE_MAX_S && arrival_s <= time_s + CLOCK_DAY_S ? arrival_s : 0;
}

struct sv exim_queued_as(struct sv text)
{
	static const struct sv mark = { "id=", 3 };
	size_t at;

	while ((at = sv_find_sv(text, mark)) < text.n) {
		text = sv_skip(text, at + mark.n);
		size_t n = exim_id_at(text);
		if (n)
			return sv_head(text, n);
	}
	return sv_make(text.p, 0);
}

/* ---- what stands in front of the id ---- */

/* "[1/2] " or "[1\2] ": a piece of a line that was too long for syslog. False: not the first one. */
static bool take_piece(struct sv *s)
{
	struct sv rest = *s;
	uint64_t n, of;

	if (!sv_take(&rest, SV("[")))
		return true;
	size_t close = sv_find(rest, ']');
	struct sv inside = sv_head(rest, close);
	size_t slash = sv_find(inside, '/') < inside.n ? sv_find(inside, '/') : sv_find(inside, '\\');
	if (close == rest.n || slash == inside.n || !sv_u64(sv_head(inside, slash), 99, &n) || !sv_u64(sv_skip(inside, slash + 1), 99, &of))
		return true;
	rest = sv_skip(rest, close + 1);
	(void)sv_take(&rest, SV(" "));
	*s = rest;
	return n == 1;
}

/* "[123] ": log_selector = +pid */
static void take_pid(struct sv *s)
{
	struct sv rest = *s;
	uint64_t pid;

	if (!sv_take(&rest, SV("[")))
		return;
	size_t close = sv_find(rest, ']');
	if (!sv_u64(sv_head(rest, close), UINT32_MAX, &pid))
		return;
	rest = sv_skip(rest, close + 1);
	if (sv_take(&rest, SV(" ")))
		*s = rest;
}

/* ---- words of a line ---- */

/* ": " or a ':' that ends the line: the text begins */
static bool at_colon(struct sv s, size_t i)
{
	return s.p[i] == ':' && (i + 1 == s.n || s.p[i + 1] == ' ');
}

static size_t end_of_word(struct sv s, size_t i)
{
	while (i < s.n && s.p[i] != ' ' && !at_colon(s, i))
		i++;
	return i;
}

/* Behind the quote that ends a quoted string at the front; s.n when it does not end. */
static size_t end_of_quoted(struct sv s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return s.n;
}

/* The quoted value of a field: a distinguished name may hold a bare quote, which no blank or colon follows. */
static size_t end_of_quoted_value(struct sv s)
{
	size_t n = end_of_quoted(s);

	while (n < s.n && s.p[n] != ' ' && !at_colon(s, n)) {
		size_t more = sv_find(sv_skip(s, n), '"');
		n = more < s.n - n ? n + more + 1 : s.n;
	}
	return n;
}

/* An address off the front: up to a blank or the text. A local part in quotes may contain anything. */
static bool take_address(struct sv *s, struct sv *address_r)
{
	size_t start = 0;

	if (s->n && s->p[0] == '"') {
		start = end_of_quoted(*s);
		if (start == s->n)
			return false;
	}
	size_t n = end_of_word(*s, start);
	*address_r = sv_head(*s, n);
	*s = sv_skip(*s, n);
	return n > 0;
}

/* "<address>" off the front */
static bool take_bracketed(struct sv *s, struct sv *address_r)
{
	struct sv rest = *s;

	if (!sv_take(&rest, SV("<")))
		return false;
	size_t i = rest.n && rest.p[0] == '"' ? end_of_quoted(rest) : 0;
	while (i < rest.n && rest.p[i] != '>')
		i++;
	if (i >= rest.n)
		return false;
	*address_r = sv_head(rest, i);
	*s = sv_skip(rest, i + 1);
	return true;
}

struct host {
	struct sv all, name, ip;
	unsigned port;
};

/* ":25" off the front, when it is there */
static unsigned take_port(struct sv *s)
{
	size_t n = 1;
	uint64_t port;

	if (s->n < 2 || s->p[0] != ':' || !sv_is_digit(s->p[1]))
		return 0;
	while (n < s->n && sv_is_digit(s->p[n]))
		n++;
	if (!sv_u64(sv_make(s->p + 1, n - 1), 65535, &port))
		port = 0;
	*s = sv_skip(*s, n);
	return (unsigned)port;
}

/* "name (helo) [ip]:port", of which each may be missing */
static void take_host(struct sv *s, struct host *h)
{
	struct sv start = *s, rest;

	*h = (struct host){ .port = 0 };
	h->name = sv_head(*s, end_of_word(*s, 0));
	*s = sv_skip(*s, h->name.n);
	rest = *s;
	(void)sv_take(&rest, SV(" DS")); /* by DNSSEC */
	if (sv_starts(rest, SV(" (")))
		rest = sv_skip(rest, sv_find(rest, ')') + 1);
	if (sv_starts(h->name, SV("["))) { /* an address without a name */
		h->name.n = 0;
		rest = start;
	} else {
		(void)sv_take(&rest, SV(" "));
	}
	if (sv_take(&rest, SV("["))) {
		size_t n = 0;
		while (n < rest.n && rest.p[n] != ']' && rest.p[n] != ' ' && !at_colon(rest, n))
			n++;
		h->ip = sv_head(rest, n);
		rest = sv_skip(rest, n);
		(void)sv_take(&rest, SV("]"));
		h->all = sv_head(start, (size_t)(rest.p - start.p));
		*s = rest;
	} else {
		h->all = sv_head(start, h->name.n);
	}
	if (h->name.n > 1 && h->name.p[0] == '(' && h->name.p[h->name.n - 1] == ')')
		h->name = sv_make(h->name.p + 1, h->name.n - 2);
	h->port = take_port(s);
	(void)sv_take(s, SV("*"));
}

/* " NAME=value"; or " WORD", which has no value and no name */
struct field {
	struct sv name, word, value;
	struct host host; /* of H */
};

/* One off the front. False: nothing that stands in such a place. */
static bool take_field(struct sv *s, struct field *f)
{
	struct sv rest = *s;
	size_t n = 0;

	*f = (struct field){ .name = sv_make(s->p, 0) };
	(void)sv_take(&rest, SV(" "));
	while (n < rest.n && sv_is_alnum(rest.p[n]))
		n++;
	if (n == 0)
		return false;
	f->word = sv_head(rest, n);
	rest = sv_skip(rest, n);
	if (!sv_take(&rest, SV("="))) {
		*s = sv_skip(rest, end_of_word(rest, 0)); /* "L*", "TFO*" */
		return true;
	}
	f->name = f->word;
	if (sv_eq(f->name, SV("H"))) {
		take_host(&rest, &f->host);
	} else if (rest.n && rest.p[0] == '"') {
		size_t end = end_of_quoted_value(rest);
		f->value = sv_make(rest.p + 1, end > 1 && rest.p[end - 1] == '"' ? end - 2 : end - 1);
		rest = sv_skip(rest, end);
	} else if (!take_bracketed(&rest, &f->value)) {
		f->value = sv_head(rest, end_of_word(rest, 0));
		rest = sv_skip(rest, f->value.n);
	}
	*s = rest;
	return true;
}

/* ---- arrivals ---- */

/* " for a@x b@y" up to the end: log_selector = +received_recipients */
static unsigned count_recipients(struct sv s)
{
	struct sv address;
	unsigned n = 0;

	while (sv_take(&s, SV(" ")) && take_address(&s, &address))
		n++;
	return s.n ? 0 : n;
}

/* "plain_server:anna" or "plain_server:anna:sender" */
static struct sv login_of(struct sv value)
{
	(void)sv_cut(&value, ':');
	return sv_head(value, sv_find(value, ':'));
}

static void parse_arrival(struct sv s, struct mta_line *e)
{
	struct field f;

	if (sv_take(&s, SV("<>")))
		e->sender = sv_make(s.p, 0);
	else if (!take_address(&s, &e->sender))
		return;
	e->event = EVENT_ARRIVED;
	e->has_sender = true;
	while (s.n) {
		if (!take_field(&s, &f)) {
			s = sv_skip(s, 1);
		} else if (sv_eq(f.name, SV("H"))) {
			e->client = f.host.all;
		} else if (sv_eq(f.name, SV("P"))) {
			e->login = sv_make(s.p, 0); /* what stood before it were the words of a foreign ident server */
		} else if (sv_eq(f.name, SV("A"))) {
			e->login = login_of(f.value);
		} else if (sv_eq(f.name, SV("id"))) {
			e->message_id = f.value;
		} else if (!f.name.n && sv_eq(f.word, SV("for"))) {
			e->recipients = count_recipients(s);
			return;
		}
	}
}

/* ---- results ---- */

/* A pipe, a file, an automatic answer, nothing at all: no address is meant. */
static bool is_no_address(struct sv s)
{
	size_t end = end_of_word(s, 0);

	if (sv_starts(s, SV("|")) || sv_starts(s, SV("\"|")) || sv_starts(s, SV(">")) || sv_starts(s, SV(":blackhole:")) ||
	    sv_starts(s, SV("save ")) || sv_eq(sv_head(s, end), SV("discarded")))
		return true;
	return sv_starts(s, SV("/")) && (sv_find(sv_head(s, end), '@') == end || sv_starts(sv_skip(s, end), SV(" <")));
}

static struct sv local_part(struct sv address)
{
	return sv_head(address, address.n - sv_after_last(address, '@').n);
}

/* Of a delivery by a router with log_as_local only the local part is told; whom it was for stands behind it. */
static void settle_original(struct mta_line *e)
{
	struct sv at = local_part(e->orig_to);

	if (sv_find(e->to, '@') == e->to.n && at.n == e->to.n + 1 && at.p[at.n - 1] == '@' && sv_eq_nocase(sv_head(at, e->to.n), e->to))
		e->to = e->orig_to;
	e->has_orig_to = !sv_eq_nocase(e->to, e->orig_to);
	if (!e->has_orig_to)
		e->orig_to = sv_make(NULL, 0);
}

/* "final (parent, parent) <original>" off the front */
static bool take_target(struct sv *s, struct mta_line *e)
{
	struct sv rest;

	if (!take_address(s, &e->to))
		return false;
	if (sv_starts(*s, SV(" ("))) { /* log_selector = +all_parents */
		size_t close = sv_find(*s, ')');
		while (close < s->n && !(close + 1 == s->n || at_colon(*s, close + 1) || s->p[close + 1] == ' '))
			close += 1 + sv_find(sv_skip(*s, close + 1), ')');
		*s = sv_skip(*s, close + 1);
	}
	rest = *s;
	if (sv_take(&rest, SV(" ")) && take_bracketed(&rest, &e->orig_to)) {
		*s = rest;
		settle_original(e);
	}
	return true;
}

/* " (110): Connection timed out" behind "defer": the number, and the system's words for it */
static bool take_defer(struct sv *s, int *number_r, struct sv *words_r)
{
	struct sv rest = *s;
	uint64_t n;

	*words_r = sv_make(rest.p, 0);
	if (!sv_take(&rest, SV(" (")))
		return false;
	bool negative = sv_take(&rest, SV("-"));
	size_t close = sv_find(rest, ')');
	if (!sv_u64(sv_head(rest, close), 100000, &n))
		return false;
	*number_r = negative ? -(int)n : (int)n;
	rest = sv_skip(rest, close + 1);
	if (*number_r > 0 && sv_take(&rest, SV(": "))) {
		size_t end = end_of_word(rest, 0);
		while (end < rest.n && rest.p[end] == ' ' && !sv_starts(sv_skip(rest, end), SV(" H=")) && !sv_starts(sv_skip(rest, end), SV(" DT=")))
			end = end_of_word(rest, end + 1);
		*words_r = sv_head(rest, end);
		rest = sv_skip(rest, end);
	}
	*s = rest;
	return true;
}

/* " DT=1s" and " QT=2s" off the end of a text */
static struct sv without_times(struct sv text)
{
	for (;;) {
		struct sv last = sv_after_last(text, ' ');
		if (last.n == text.n || last.n < 5 || (!sv_starts(last, SV("DT=")) && !sv_starts(last, SV("QT="))) || !sv_is_digit(last.p[3]))
			return text;
		text.n -= last.n + 1;
	}
}

/* Words without "=" that may stand among the fields */
static bool is_mark(struct sv word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!sv_is_digit(word.p[i]) && !(word.p[i] >= 'A' && word.p[i] <= 'Z'))
			return sv_eq(word, SV("routing")) || sv_eq(word, SV("transporting"));
	return true;
}

struct result {
	bool deferred; /* "defer (N)" was there */
	int number;
	struct sv words;
};

static void take_value(const struct field *f, struct mta_line *e)
{
	if (sv_eq(f->name, SV("H"))) {
		e->relay_host = f->host.name;
		e->relay_ip = f->host.ip;
		e->relay_port = f->host.port;
	} else if (sv_eq(f->name, SV("T"))) {
		e->daemon = f->value;
	} else if (sv_eq(f->name, SV("C"))) {
		e->text = f->value;
	} else if (sv_eq(f->name, SV("F"))) {
		e->sender = f->value;
		e->has_sender = true;
	}
}

/* All behind the address: fields, "defer (N)", and the text behind the colon */
static bool take_rest(struct sv s, struct mta_line *e, struct result *r)
{
	struct field f;

	*r = (struct result){ .number = 0 };
	while (s.n) {
		if (at_colon(s, 0) || sv_starts(s, SV(" : "))) {
			struct sv text = sv_trim(sv_skip(s, s.p[0] == ' ' ? 2 : 1));
			/* "Permission denied: failed to open ...": one text */
			bool whole = r->words.n && r->words.p + r->words.n == s.p;
			e->text = without_times(whole ? sv_make(r->words.p, r->words.n + s.n) : text);
			return true;
		}
		if (sv_starts(s, SV(" ("))) { /* why the shadow transport failed: " ST=copy (...)" */
			s = sv_skip(s, sv_find(s, ')') + 1);
			continue;
		}
		if (!take_field(&s, &f))
			return false;
		if (f.name.n)
			take_value(&f, e);
		else if (sv_eq(f.word, SV("defer")) && take_defer(&s, &r->number, &r->words))
			r->deferred = true;
		else if (!is_mark(f.word))
			return false;
	}
	if (r->words.n)
		e->text = r->words;
	return true;
}

/* "== ": was anybody asked? */
static bool was_asked(const struct result *r, struct sv text)
{
	static const struct sv put_off[] = { { "queue_smtp_domains", 18 }, { "queue_domains", 13 }, { "-odqs", 5 } };

	if (r->number <= -DEFER_NOT_TRIED)
		return false;
	for (size_t i = 0; r->number == -1 && i < sizeof put_off / sizeof *put_off; i++)
		if (sv_find_sv(text, put_off[i]) < text.n)
			return false;
	return r->number > 0 || text.n > 0;
}

/* "** ": given up for its age, what the last deferral said? */
static bool is_given_up(struct sv text)
{
	return sv_ends_nocase(text, SV("retry timeout exceeded")) || sv_eq(text, SV("delivery cancelled; message timed out"));
}

static void parse_result(struct sv s, char mark, struct mta_line *e)
{
	struct result r;

	e->event = EVENT_MALFORMED;
	e->status = mark == '*' ? DELIVERY_BOUNCED : mark == '=' ? DELIVERY_DEFERRED : DELIVERY_SENT;
	if (is_no_address(s)) {
		e->no_address = true;
		e->to = sv_head(s, end_of_word(s, 0));
	} else {
		if (!take_target(&s, e) || !take_rest(s, e, &r) || r.deferred != (mark == '='))
			return;
		if (mark == '*' && is_given_up(e->text))
			e->status = DELIVERY_EXPIRED;
		e->no_attempt = mark == '=' ? !was_asked(&r, e->text) :
			mark == '*' && sv_eq(e->text, SV("delivery cancelled by administrator"));
	}
	e->status_text = sv_of(delivery_status_name(e->status));
	e->event = EVENT_DELIVERY;
}

bool exim_parse(const struct line *line, struct mta_line *e)
{
	struct sv s = line->message;
	int64_t time_us;

	e->event = EVENT_NONE;
	if (!take_piece(&s))
		return false;
	size_t stamp = line_mainlog_stamp(s, 0, &time_us); /* syslog has its own before it */
	if (stamp)
		s = sv_skip(s, stamp + 1);
	take_pid(&s);
	size_t n = exim_id_at(s);
	struct sv id = sv_head(s, n);
	s = sv_skip(s, n);
	if (n == 0 || !sv_take(&s, SV(" ")))
		return false;
	*e = (struct mta_line){ .instance = line->process, .queue_id = id, .delay_us = -1,
		.arrival_s = arrival_by_id(id, line->time_us / CLOCK_SECOND_US) };
	if (sv_take(&s, SV("<= "))) {
		parse_arrival(s, e);
	} else if (sv_take(&s, SV("=> ")) || sv_take(&s, SV("-> ")) || sv_take(&s, SV(">> "))) {
		parse_result(s, '>', e);
	} else if (sv_take(&s, SV("** "))) {
		parse_result(s, '*', e);
	} else if (sv_take(&s, SV("== "))) {
		parse_result(s, '=', e);
	} else if (sv_eq(s, SV("Completed")) || sv_starts(s, SV("Completed "))) {
		e->event = EVENT_REMOVED;
	} else if (sv_take(&s, SV("campaign header "))) { /* logwrite in contrib/exim/nixie-campaign.conf */
		e->event = EVENT_HEADER;
		e->header = s;
	}
	return e->event != EVENT_NONE;
}
