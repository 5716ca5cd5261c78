#include "postfix.h"

#include "campaign.h"
#include "clock.h"

/* Postfix's are at most 20; more is not a queue id. */
#define QUEUE_ID_MAX 30
#define QUEUE_ID_MIN 5

/* The length of the queue id at the front; 0: there is none */
static size_t queue_id_at(struct sv s)
{
	size_t n = 0;

	while (n < s.n && n <= QUEUE_ID_MAX && sv_is_alnum(s.p[n]))
		n++;
	return n >= QUEUE_ID_MIN && n <= QUEUE_ID_MAX ? n : 0;
}

/* "4F5C64474F: " off the front */
static bool take_queue_id(struct sv *s, struct sv *queue_id_r)
{
	size_t n = queue_id_at(*s);

	if (!n || n + 1 >= s->n || s->p[n] != ':' || s->p[n + 1] != ' ' || sv_eq(sv_head(*s, n), SV("NOQUEUE")))
		return false;
	*queue_id_r = sv_head(*s, n);
	*s = sv_skip(*s, n + 2);
	return true;
}

/* The bytes of an address up to the '>' that ends it; *s is left behind that '>'.
 * A local part in quotes may contain anything; \ escapes the byte after it. */
static bool take_address(struct sv *s, struct sv *address_r)
{
	size_t i = 0;

	if (i < s->n && s->p[i] == '"') {
		for (i++; i < s->n && s->p[i] != '"'; i++)
			if (s->p[i] == '\\')
				i++;
		if (i >= s->n)
			return false;
		i++;
	}
	i += sv_find(sv_skip(*s, i), '>');
	if (i >= s->n)
		return false;
	*address_r = sv_head(*s, i);
	*s = sv_skip(*s, i + 1);
	return true;
}

/* host[ip]:port, host[private/lmtp], [/path], none, local, a service name */
static void split_relay(struct sv relay, struct mta_line *p)
{
	struct sv rest = relay;
	uint64_t port;

	p->relay_host = sv_cut(&rest, '[');
	p->relay_host.n = sv_find(p->relay_host, ' '); /* no host has a blank */
	size_t close = sv_find(rest, ']');
	if (close == rest.n)
		return;
	struct sv inside = sv_head(rest, close);
	rest = sv_skip(rest, close + 1);
	if (sv_find(inside, '/') == inside.n)
		p->relay_ip = inside;
	if (sv_take(&rest, SV(":")) && sv_u64(rest, 65535, &port))
		p->relay_port = (unsigned)port;
}

/* "12.34" in microseconds */
static int64_t parse_delay(struct sv s)
{
	struct sv fraction = s;
	uint64_t seconds;
	int64_t us = 0, scale = 100000;

	if (!sv_u64(sv_cut(&fraction, '.'), 1000000000, &seconds))
		return -1;
	for (size_t i = 0; i < fraction.n && scale; i++, scale /= 10) {
		if (!sv_is_digit(fraction.p[i]))
			return -1;
		us += (fraction.p[i] - '0') * scale;
	}
	return (int64_t)seconds * CLOCK_SECOND_US + us;
}

/* Up to the next ", ", or to the end */
static size_t find_next(struct sv s)
{
	size_t at = sv_find(s, ',');

	while (at + 1 < s.n && s.p[at + 1] != ' ')
		at += 1 + sv_find(sv_skip(s, at + 1), ',');
	return at + 1 < s.n ? at : s.n;
}

/* ", name=value" with name [a-z_]+ off the front; value goes up to the next ", " */
static bool take_field(struct sv *s, struct sv *name_r, struct sv *value_r)
{
	size_t n = 2;

	if (s->n < 4 || s->p[0] != ',' || s->p[1] != ' ')
		return false;
	while (n < s->n && ((unsigned char)(s->p[n] - 'a') <= 'z' - 'a' || s->p[n] == '_'))
		n++;
	if (n == 2 || n == s->n || s->p[n] != '=')
		return false;
	*name_r = sv_make(s->p + 2, n - 2);
	struct sv rest = sv_skip(*s, n + 1);
	size_t end = find_next(rest);
	*value_r = sv_head(rest, end);
	*s = sv_skip(rest, end);
	return true;
}

/* "sent (text)": TEXT is all up to the last ')'; a missing one is forgiven */
static bool parse_status(struct sv s, struct mta_line *p)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != ',')
		n++;
	p->status_text = sv_head(s, n);
	if (!delivery_status_by_name(p->status_text, &p->status))
		return false;
	struct sv text = sv_skip(s, n);
	if (!sv_take(&text, SV(" (")))
		return text.n == 0 || text.p[0] == ',';
	size_t end = text.n;
	while (end > 0 && text.p[end - 1] != ')')
		end--;
	p->text = end ? sv_head(text, end - 1) : text;
	return true;
}

/* A pager's mark behind what it cut off, in place of the ')': what was cut may change the meaning */
static bool is_cut(struct sv s)
{
	return s.n > 0 && s.p[s.n - 1] == '>';
}

/* ", relay=..., delay=..., ..., status=S (TEXT)" */
static bool parse_fields(struct sv s, struct mta_line *p)
{
	struct sv name, value;
	bool relay = false;

	while (take_field(&s, &name, &value)) {
		if (sv_eq(name, SV("status"))) {
			/* the value is the rest of the line, with its commas */
			struct sv status = sv_make(value.p, value.n + s.n);
			p->ambiguous = is_cut(status);
			return relay && parse_status(status, p);
		} else if (sv_eq(name, SV("relay"))) {
			if (relay) /* the rest of another line, behind the first half of this one */
				return false;
			split_relay(value, p);
			relay = true;
		} else if (sv_eq(name, SV("delay"))) {
			p->delay_text = value;
			p->delay_us = parse_delay(value);
		} else if (sv_eq(name, SV("dsn"))) {
			p->dsn_text = value;
			if (!enhanced_parse(value, &p->dsn))
				p->dsn = (struct enhanced){ 0 };
		}
	}
	return false;
}

/* An unquoted local part, in logs of the internal form, or a server's words may hold a
 * whole line's end. Then two readings differ in the recipient, and neither may count. */
static bool looks_twice(struct sv text)
{
	size_t at = sv_find_sv(text, SV(">, relay="));

	if (at == text.n)
		at = sv_find_sv(text, SV(">, orig_to=<"));
	return at < text.n && sv_find_sv(sv_skip(text, at), SV(", status=")) < text.n - at;
}

/* Half an address, with another line behind it that ends it */
static bool is_torn(struct sv address)
{
	return address.n && address.p[0] != '"' && sv_find(address, '<') < address.n;
}

static void parse_delivery(struct sv s, struct mta_line *p)
{
	p->event = EVENT_MALFORMED;
	p->delay_us = -1;
	if (!take_address(&s, &p->to))
		return;
	if (sv_take(&s, SV(", orig_to=<"))) {
		if (!take_address(&s, &p->orig_to))
			return;
		p->has_orig_to = true;
	}
	if (!sv_starts(s, SV(", relay=")) || !parse_fields(s, p))
		return;
	p->ambiguous = p->ambiguous || is_torn(p->to) || is_torn(p->orig_to) || looks_twice(p->text);
	p->event = EVENT_DELIVERY;
}

static void parse_from(struct sv s, struct mta_line *p)
{
	struct sv name, value;
	uint64_t n;

	if (!take_address(&s, &p->sender))
		return;
	while (take_field(&s, &name, &value)) {
		if (sv_eq(name, SV("status"))) {
			if (parse_status(sv_make(value.p, value.n + s.n), p) && p->status == DELIVERY_EXPIRED)
				p->event = EVENT_EXPIRED;
			return;
		}
		if (sv_eq(name, SV("nrcpt")) && sv_u64(sv_cut(&value, ' '), 1000000, &n)) {
			p->recipients = (unsigned)n;
			p->event = EVENT_QUEUED;
		}
	}
}

static void parse_client(struct sv s, struct mta_line *p)
{
	struct sv name, value;
	size_t end = find_next(s);

	p->event = EVENT_CLIENT;
	p->client = sv_head(s, end);
	s = sv_skip(s, end);
	while (take_field(&s, &name, &value)) {
		if (sv_eq(name, SV("sasl_username")))
			p->login = value;
		else if (sv_eq(name, SV("orig_queue_id")))
			p->orig_queue_id = value;
	}
}

/* "501 from=<S> orig_id=Q": the last only after postsuper -r */
static void parse_pickup(struct sv s, struct mta_line *p)
{
	p->event = EVENT_PICKUP;
	(void)sv_cut(&s, ' ');
	if (!sv_take(&s, SV("from=<")) || !take_address(&s, &p->sender) || !sv_take(&s, SV(" orig_id=")))
		return;
	size_t n = queue_id_at(s);
	if (n == s.n) /* else a local part imitates it */
		p->orig_queue_id = s;
}

/* "postfix/smtp"; of an instance alone, as RFC 5424 leaves it, the daemon is not known. */
static bool split_process(struct sv process, struct mta_line *p)
{
	p->daemon = sv_after_last(process, '/');
	p->instance = sv_head(process, sv_find(process, '/'));
	if (p->daemon.n < process.n)
		return true;
	p->daemon.n = 0;
	return sv_starts(process, SV("postfix"));
}

/* What only error(8) and retry(8) say: nobody was asked. */
static void infer_daemon(struct mta_line *p)
{
	static const struct sv texts[] = { { "delivery temporarily suspended: ", 32 }, { "mail transport unavailable", 26 },
		{ "unknown mail transport error", 28 }, { "deferred transport", 18 } };

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (sv_starts(p->text, texts[i]))
			p->daemon = SV("retry");
}

bool postfix_parse(const struct line *line, struct mta_line *p)
{
	struct sv s = line->message, queue_id;

	p->event = EVENT_NONE;
	if (!take_queue_id(&s, &queue_id)) /* most lines of other daemons end here */
		return false;
	mta_line_begin(p, queue_id);
	if (!split_process(line->process, p) || s.n < 4)
		return false;
	switch (s.p[0]) {
	case 't':
		if (sv_take(&s, SV("to=<")))
			parse_delivery(s, p);
		if (p->event == EVENT_DELIVERY && !p->daemon.n)
			infer_daemon(p);
		break;
	case 'f':
		if (sv_take(&s, SV("from=<")))
			parse_from(s, p);
		break;
	case 'c':
		if (sv_take(&s, SV("client=")))
			parse_client(s, p);
		else if (sv_eq(s, SV("canceled"))) /* by cleanup, since 3.10: it never came into the queue */
			p->event = EVENT_REMOVED;
		break;
	case 'u':
		if (sv_take(&s, SV("uid=")))
			parse_pickup(s, p);
		break;
	case 'i':
		if (sv_take(&s, SV("info: header ")) && campaign_cut(&s)) { /* header_checks */
			p->event = EVENT_HEADER;
			p->header = s;
		}
		break;
	case 'm':
		if (sv_take(&s, SV("message-id="))) {
			p->event = EVENT_MESSAGE_ID;
			p->message_id = s;
		}
		break;
	case 'r':
		if (sv_eq(s, SV("removed"))) /* by qmgr, or by an admin's postsuper */
			p->event = EVENT_REMOVED;
		break;
	case 's':
		if (sv_take(&s, SV("status=")) && parse_status(s, p))
			p->event = EVENT_STATUS;
		break;
	default:
		break;
	}
	return p->event != EVENT_NONE;
}

struct sv postfix_queued_as(struct sv text)
{
	static const struct sv words[] = { { "queued as ", 10 }, { "forwarded as ", 13 } };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t at = sv_find_sv(text, words[i]);
		struct sv id = sv_skip(text, at + words[i].n);
		size_t n = queue_id_at(id);
		if (at < text.n && n)
			return sv_head(id, n);
	}
	return sv_make(text.p, 0);
}
