#include "test.h"

#include "postfix.h"

static bool parse_as(const char *process, const char *message, struct mta_line *p)
{
	struct line line = { .time_us = 0, .host = SV("mail"), .process = sv_of(process), .message = sv_of(message) };

	memset(p, 0x5a, sizeof *p);
	return postfix_parse(&line, p);
}

#define TAIL ", delay=1.5, delays=0.1/0.2/0.3/0.9, dsn=2.0.0, status=sent (250 2.0.0 ok)"

/* ---- delivery-status lines ---- */

static void deliveries(void **state)
{
	static const struct {
		const char *name, *message;
		const char *want_to, *want_orig_to; /* NULL: no orig_to */
		const char *want_host, *want_ip;
		unsigned want_port;
		int64_t want_delay_us;
		const char *want_dsn;
		enum delivery_status want_status;
		const char *want_text;
	} table[] = {
		{ "sent", "4F5C64474F: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, delays=0.1/0.2/0.3/0.9, dsn=2.0.0, status=sent (250 2.0.0 ok)",
		  "a@b.example", NULL, "mx.b.example", "192.0.2.1", 25, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "all fields", "4F5C64474F: to=<a@b.example>, orig_to=<alias@c.example>, relay=mx.b.example[2001:db8::1]:25, conn_use=2, delay=12, delays=1/2/3/6, tls=TLSv1.3, dsn=5.1.1, status=bounced (host mx.b.example[2001:db8::1] said: 550 5.1.1 no (in reply to RCPT TO command))",
		  "a@b.example", "alias@c.example", "mx.b.example", "2001:db8::1", 25, 12000000, "5.1.1", DELIVERY_BOUNCED,
		  "host mx.b.example[2001:db8::1] said: 550 5.1.1 no (in reply to RCPT TO command)" },
		{ "fields of the future", "4F5C64474F: to=<a@b.example>, relay=mx[192.0.2.1]:25, delay=1, x_y=z (with \"things\"), another=, dsn=2.0.0, status=sent (ok)",
		  "a@b.example", NULL, "mx", "192.0.2.1", 25, 1000000, "2.0.0", DELIVERY_SENT, "ok" },
		{ "Postfix 2.2", "4F5C64474F: to=<a@b.example>, relay=mx.b.example[192.0.2.1], delay=1, status=bounced (host mx.b.example[192.0.2.1] said: 550 no)",
		  "a@b.example", NULL, "mx.b.example", "192.0.2.1", 0, 1000000, "", DELIVERY_BOUNCED, "host mx.b.example[192.0.2.1] said: 550 no" },
		{ "deferred", "4F5C64474F: to=<a@b.example>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx[192.0.2.1]:25: Connection timed out)",
		  "a@b.example", NULL, "none", "", 0, 30000000, "4.4.1", DELIVERY_DEFERRED, "connect to mx[192.0.2.1]:25: Connection timed out" },
		{ "soft bounce", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.1.1, status=SOFTBOUNCE (550 5.1.1 no)",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.1.1", DELIVERY_SOFTBOUNCE, "550 5.1.1 no" },
		{ "probe", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, status=deliverable (250 ok)",
		  "a@b.example", NULL, "none", "", 0, 1000000, "2.0.0", DELIVERY_DELIVERABLE, "250 ok" },
		{ "probe that failed", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=5.0.0, status=undeliverable (no)",
		  "a@b.example", NULL, "none", "", 0, 1000000, "5.0.0", DELIVERY_UNDELIVERABLE, "no" },
		{ "probe that failed, long word", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=5.0.0, status=undeliverable-but-not-cached (no)",
		  "a@b.example", NULL, "none", "", 0, 1000000, "5.0.0", DELIVERY_UNDELIVERABLE, "no" },
		{ "lmtp socket", "4F5C64474F: to=<a@b.example>, relay=mail.example[private/dovecot-lmtp], delay=1, dsn=2.0.0, status=sent (ok)",
		  "a@b.example", NULL, "mail.example", "", 0, 1000000, "2.0.0", DELIVERY_SENT, "ok" },
		{ "lmtp socket by path", "4F5C64474F: to=<a@b.example>, relay=[/run/lmtp], delay=1, dsn=2.0.0, status=sent (ok)",
		  "a@b.example", NULL, "", "", 0, 1000000, "2.0.0", DELIVERY_SENT, "ok" },
		{ "relay=local", "4F5C64474F: to=<a@b.example>, relay=local, delay=0.02, dsn=2.0.0, status=sent (delivered to mailbox)",
		  "a@b.example", NULL, "local", "", 0, 20000, "2.0.0", DELIVERY_SENT, "delivered to mailbox" },
		{ "a service", "4F5C64474F: to=<a@b.example>, relay=dovecot, delay=0, dsn=2.0.0, status=sent (delivered via dovecot service)",
		  "a@b.example", NULL, "dovecot", "", 0, 0, "2.0.0", DELIVERY_SENT, "delivered via dovecot service" },
		{ "port that is none", "4F5C64474F: to=<a@b.example>, relay=mx[192.0.2.1]:65536, delay=1, dsn=2.0.0, status=sent (ok)",
		  "a@b.example", NULL, "mx", "192.0.2.1", 0, 1000000, "2.0.0", DELIVERY_SENT, "ok" },
		{ "relay with a blank is no host's name", "4F5C64474F: to=<a@b.example>, relay=mx x[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)",
		  "a@b.example", NULL, "mx", "192.0.2.1", 25, 1000000, "2.0.0", DELIVERY_SENT, "ok" },
		{ "nested parentheses", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (a (b (c) d) e)",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "a (b (c) d) e" },
		{ "parentheses that do not balance", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (a) b) c (d)",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "a) b) c (d" },
		{ "cut: no closing one", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (host said: 450 try a",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "host said: 450 try a" },
		{ "junk behind", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (a) junk",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "a" },
		{ "no text", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "" },
		{ "empty text", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred ()",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "" },
		{ "text with commas and equals signs", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (x, dsn=5.1.1, status=bounced (y))",
		  "a@b.example", NULL, "none", "", 0, 1000000, "4.3.0", DELIVERY_DEFERRED, "x, dsn=5.1.1, status=bounced (y)" },
		{ "quoted local part that imitates fields", "4F5C64474F: to=<\"x>, relay=y, delay=0, dsn=5.1.1, status=bounced (z)\"@b.example>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)",
		  "\"x>, relay=y, delay=0, dsn=5.1.1, status=bounced (z)\"@b.example", NULL, "mx", "192.0.2.1", 25, 1000000, "2.0.0", DELIVERY_SENT, "ok" },
		{ "quoted local part with an escaped quote", "4F5C64474F: to=<\"a\\\">, relay=y\"@b.example>, relay=none" TAIL,
		  "\"a\\\">, relay=y\"@b.example", NULL, "none", "", 0, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "quoted orig_to", "4F5C64474F: to=<a@b.example>, orig_to=<\"x>, relay=y\"@b.example>, relay=none" TAIL,
		  "a@b.example", "\"x>, relay=y\"@b.example", "none", "", 0, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "the null address", "4F5C64474F: to=<>, relay=none" TAIL, "", NULL, "none", "", 0, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "empty orig_to", "4F5C64474F: to=<a@b.example>, orig_to=<>, relay=none" TAIL, "a@b.example", "", "none", "", 0, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "no domain", "4F5C64474F: to=<root>, relay=local" TAIL, "root", NULL, "local", "", 0, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "VERP", "4F5C64474F: to=<bounces+a=b.example@c.example>, relay=none" TAIL, "bounces+a=b.example@c.example", NULL, "none", "", 0, 1500000, "2.0.0", DELIVERY_SENT, "250 2.0.0 ok" },
		{ "no delay", "4F5C64474F: to=<a@b.example>, relay=none, dsn=2.0.0, status=sent (ok)", "a@b.example", NULL, "none", "", 0, -1, "2.0.0", DELIVERY_SENT, "ok" },
		{ "delay that is none", "4F5C64474F: to=<a@b.example>, relay=none, delay=1.x, dsn=2.0.0, status=sent (ok)", "a@b.example", NULL, "none", "", 0, -1, "2.0.0", DELIVERY_SENT, "ok" },
		{ "delay with many digits", "4F5C64474F: to=<a@b.example>, relay=none, delay=345600.123456789, dsn=2.0.0, status=sent (ok)", "a@b.example", NULL, "none", "", 0, INT64_C(345600123456), "2.0.0", DELIVERY_SENT, "ok" },
		{ "dsn that is none", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=5.1, status=bounced (no)", "a@b.example", NULL, "none", "", 0, 1000000, "", DELIVERY_BOUNCED, "no" },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line p;
		char dsn[ENHANCED_TEXT_MAX];
		WANT(parse_as("postfix/smtp", row->message, &p));
		WANT_INT(p.event, EVENT_DELIVERY);
		WANT_TEXT(p.queue_id, "4F5C64474F");
		WANT_TEXT(p.to, row->want_to);
		WANT_INT(p.has_orig_to, row->want_orig_to != NULL);
		WANT_TEXT(p.orig_to, row->want_orig_to);
		WANT_TEXT(p.relay_host, row->want_host);
		WANT_TEXT(p.relay_ip, row->want_ip);
		WANT_INT(p.relay_port, row->want_port);
		WANT_INT(p.delay_us, row->want_delay_us);
		enhanced_format(p.dsn, dsn);
		WANT_STRING(dsn, row->want_dsn);
		WANT_INT(p.status, row->want_status);
		WANT_TEXT(p.text, row->want_text);
		WANT(!p.ambiguous);
	}
}

/* What begins like a delivery and is none is told apart from what is of no interest. */
static void malformed(void **state)
{
	static const struct { const char *name, *message; } table[] = {
		{ "address without end", "4F5C64474F: to=<a@b.example" },
		{ "quote without end", "4F5C64474F: to=<\"a@b.example>, relay=none" TAIL },
		{ "quote that an escape keeps open", "4F5C64474F: to=<\"a\\" },
		{ "nothing behind", "4F5C64474F: to=<a@b.example>" },
		{ "no relay", "4F5C64474F: to=<a@b.example>" TAIL },
		{ "no status", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0" },
		{ "no such status", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, status=lost (x)" },
		{ "status in capitals", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, status=SENT (x)" },
		{ "a status that goes on", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, status=sent(x)" },
		{ "status before relay", "4F5C64474F: to=<a@b.example>, status=sent (x), relay=none" },
		{ "orig_to without end", "4F5C64474F: to=<a@b.example>, orig_to=<x, relay=none" },
		{ "no blank behind the comma", "4F5C64474F: to=<a@b.example>,relay=none" TAIL },
		{ "field without a value", "4F5C64474F: to=<a@b.example>, relay=none, delay, status=sent (ok)" },
		{ "cut in the status", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=2.0.0, stat" },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line p;
		WANT(parse_as("postfix/smtp", row->message, &p));
		WANT_INT(p.event, EVENT_MALFORMED);
	}
}

/* ---- lines that somebody made up ---- */

static void injection(void **state)
{
	static const struct {
		const char *name, *message;
		bool want_ambiguous;
	} table[] = {
		/* logged in the internal form: the local part ends where it likes */
		{ "unquoted local part holds a line's end", "4F5C64474F: to=<victim@b.example>, relay=x[192.0.2.1]:25, delay=0, delays=0/0/0/0, dsn=5.1.1, status=bounced (550 5.1.1 no)@evil.example>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)", true },
		{ "the same without its own text", "4F5C64474F: to=<victim@b.example>, relay=x, status=bounced (@evil.example>, relay=mx[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (ok)", true },
		{ "in the local part, the line has orig_to", "4F5C64474F: to=<victim@b.example>, relay=x, status=bounced (no@evil.example>, orig_to=<e@evil.example>, relay=mx, delay=1, dsn=2.0.0, status=sent (ok)", true },
		{ "in orig_to", "4F5C64474F: to=<e@evil.example>, orig_to=<victim@b.example>, relay=x, status=bounced (no@evil.example>, relay=mx, delay=1, dsn=2.0.0, status=sent (ok)", true },
		{ "a server's words hold a whole line", "4F5C64474F: to=<e@evil.example>, relay=mx[192.0.2.9]:25, delay=1, dsn=5.0.0, status=bounced (host mx[192.0.2.9] said: 550 4F5C64474F: to=<victim@b.example>, relay=x, delay=1, dsn=5.1.1, status=bounced (550 no) (in reply to RCPT TO command))", true },
		{ "a server's words hold half of one", "4F5C64474F: to=<e@evil.example>, relay=mx[192.0.2.9]:25, delay=1, dsn=5.0.0, status=bounced (550 to=<victim@b.example>, status=bounced)", false },
		{ "words with a bracket only", "4F5C64474F: to=<e@evil.example>, relay=mx[192.0.2.9]:25, delay=1, dsn=5.0.0, status=bounced (550 <e@evil.example>, relaying denied)", false },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line p;
		WANT(parse_as("postfix/smtp", row->message, &p));
		WANT_INT(p.event, EVENT_DELIVERY);
		WANT_INT(p.ambiguous, row->want_ambiguous);
	}
}

/* ---- other lines ---- */

static void events(void **state)
{
	static const struct {
		const char *name, *process, *message;
		enum mta_event want;
	} table[] = {
		{ "client", "postfix/smtpd", "4F5C64474F: client=h.example[192.0.2.1]", EVENT_CLIENT },
		{ "pickup", "postfix/pickup", "4F5C64474F: uid=0 from=<root>", EVENT_PICKUP },
		{ "pickup, requeued", "postfix/pickup", "4F5C64474F: uid=101 from=<a@b.example> orig_id=5A6B7C8D9E", EVENT_PICKUP },
		{ "message-id", "postfix/cleanup", "4F5C64474F: message-id=<x@y>", EVENT_MESSAGE_ID },
		{ "empty message-id", "postfix/cleanup", "4F5C64474F: message-id=", EVENT_MESSAGE_ID },
		{ "queued", "postfix/qmgr", "4F5C64474F: from=<a@b.example>, size=1, nrcpt=1 (queue active)", EVENT_QUEUED },
		{ "expired", "postfix/qmgr", "4F5C64474F: from=<a@b.example>, status=expired, returned to sender", EVENT_EXPIRED },
		{ "force-expired", "postfix/qmgr", "4F5C64474F: from=<a@b.example>, status=force-expired, returned to sender", EVENT_EXPIRED },
		{ "bounce failed", "postfix/cleanup", "4F5C64474F: status=deferred (bounce failed)", EVENT_STATUS },
		{ "removed by qmgr", "postfix/qmgr", "4F5C64474F: removed", EVENT_REMOVED },
		{ "removed by postsuper", "postfix/postsuper", "4F5C64474F: removed", EVENT_REMOVED },
		{ "canceled by cleanup", "postfix/cleanup", "4F5C64474F: canceled", EVENT_REMOVED },
		{ "canceled, and more", "postfix/cleanup", "4F5C64474F: canceled by hand", EVENT_NONE },
		{ "shortest queue id", "postfix/qmgr", "A1B2C: removed", EVENT_REMOVED },
		{ "long queue id", "postfix/qmgr", "4ZxBsT2vWXz9rYq: removed", EVENT_REMOVED },
		{ "queue id too short", "postfix/qmgr", "A1B2: removed", EVENT_NONE },
		{ "queue id too long", "postfix/qmgr", "A1B2C3D4E5A1B2C3D4E5A1B2C3D4E5F: removed", EVENT_NONE },
		{ "queue id with a hyphen", "postfix/qmgr", "A1B2-C3: removed", EVENT_NONE },
		{ "no queue id", "postfix/smtpd", "NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 5.1.1 no; to=<a@b.example>", EVENT_NONE },
		{ "proxy filter: no message of this queue", "postfix/smtpd", "NOQUEUE: client=h[192.0.2.1]", EVENT_NONE },
		{ "connect", "postfix/smtpd", "connect from h[192.0.2.1]", EVENT_NONE },
		{ "a skipped exchanger is no outcome", "postfix/smtp", "4F5C64474F: host mx[192.0.2.1] said: 450 4.2.0 busy (in reply to RCPT TO command)", EVENT_NONE },
		{ "a notification", "postfix/bounce", "4F5C64474F: sender non-delivery notification: 5A6B7C8D9E", EVENT_NONE },
		{ "a header", "postfix/cleanup", "4F5C64474F: info: header Subject: x from h[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<h>", EVENT_HEADER },
		{ "a header that imitates its end", "postfix/cleanup", "4F5C64474F: info: header Subject: x from x; from=<> from h[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<h>", EVENT_NONE },
		{ "a body", "postfix/cleanup", "4F5C64474F: info: body x from h[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<h>", EVENT_NONE },
		{ "removed, and more", "postfix/qmgr", "4F5C64474F: removed by hand", EVENT_NONE },
		{ "status that is none", "postfix/smtp", "4F5C64474F: status=lost (x)", EVENT_NONE },
		{ "from without nrcpt", "postfix/qmgr", "4F5C64474F: from=<a@b.example>, size=1", EVENT_NONE },
		{ "from, status of something else", "postfix/qmgr", "4F5C64474F: from=<a@b.example>, status=sent (x)", EVENT_NONE },
		{ "from without end", "postfix/qmgr", "4F5C64474F: from=<a@b.example", EVENT_NONE },
		{ "not Postfix", "dovecot", "4F5C64474F: removed", EVENT_NONE },
		{ "warning", "postfix/smtp", "warning: 4F5C64474F: removed", EVENT_NONE },
		{ "nothing", "postfix/smtp", "", EVENT_NONE },
		{ "queue id alone", "postfix/smtp", "4F5C64474F: ", EVENT_NONE },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line p;
		WANT_INT(parse_as(row->process, row->message, &p), row->want != EVENT_NONE);
		WANT_INT(p.event, row->want);
	}
}

static void processes(void **state)
{
	static const struct { const char *name, *process, *want_instance, *want_daemon; } table[] = {
		{ "usual", "postfix/smtp", "postfix", "smtp" },
		{ "service name in between", "postfix/submission/smtpd", "postfix", "smtpd" },
		{ "instance", "postfix-out/smtp", "postfix-out", "smtp" },
		{ "instance with an address", "postfix-10.20.30.40/smtp", "postfix-10.20.30.40", "smtp" },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line p;
		WANT(parse_as(row->process, "4F5C64474F: removed", &p));
		WANT_TEXT(p.instance, row->want_instance);
		WANT_TEXT(p.daemon, row->want_daemon);
	}
}

/* RFC 5424 cuts the tag at its first '/': who speaks must be told by what is said. */
static void daemons_that_are_not_named(void **state)
{
	static const struct { const char *name, *process, *message; bool want; const char *want_daemon; } table[] = {
		{ "smtp(8)", "postfix", "4F5C64474F: to=<a@b.example>, relay=mx[192.0.2.1]:25" TAIL, true, "" },
		{ "an instance", "postfix-out", "4F5C64474F: to=<a@b.example>, relay=mx[192.0.2.1]:25" TAIL, true, "" },
		{ "another program", "amavis", "4F5C64474F: to=<a@b.example>, relay=mx[192.0.2.1]:25" TAIL, false, "" },
		{ "retry(8)", "postfix", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to mx: timed out)", true, "retry" },
		{ "no transport", "postfix", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (mail transport unavailable)", true, "retry" },
		{ "a transport that fails", "postfix", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (unknown mail transport error)", true, "retry" },
		{ "defer_transports", "postfix", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.2, status=deferred (deferred transport)", true, "retry" },
		{ "smtp(8) without a server", "postfix", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (connect to mx: timed out)", true, "" },
		{ "named all the same", "postfix/smtp", "4F5C64474F: to=<a@b.example>, relay=none, delay=1, dsn=4.3.0, status=deferred (mail transport unavailable)", true, "smtp" },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line p;
		WANT_INT(parse_as(row->process, row->message, &p), row->want);
		if (!row->want)
			continue;
		WANT_INT(p.event, EVENT_DELIVERY);
		WANT_TEXT(p.instance, row->process[7] == '/' ? "postfix" : row->process);
		WANT_TEXT(p.daemon, row->want_daemon);
	}
}

/* Wherever a pager, a full disk or a crash cuts a line: it is whole enough, or it does not count. */
static void cut_lines(void **state)
{
	static const char line[] = "4F5C64474F: to=<a@b.example>, orig_to=<c@d.example>, relay=mx.b.example[192.0.2.1]:25, delay=1.5, delays=0.1/0.2/0.3/0.9, "
		"dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 <a@b.example>: unknown (in reply to RCPT TO command))";
	static const char other[] = "Nov 21 09:12:01 mail postfix/smtp[1]: 5A6B7C8D9E: to=<e@f.example>, relay=mx.f.example[192.0.2.2]:25, delay=1, dsn=5.1.1, "
		"status=bounced (host mx.f.example[192.0.2.2] said: 550 5.1.1 no)";
	const size_t word_ends = (size_t)(strstr(line, "bounced") + strlen("bounced") - line);

	(void)state;
	for (size_t n = 0; n < sizeof line - 1; n++) {
		char text[1024];
		struct mta_line p;
		(void)snprintf(text, sizeof text, "%.*s", (int)n, line);
		bool good = parse_as("postfix/smtp", text, &p) && p.event == EVENT_DELIVERY;
		WANT_INT(good, n >= word_ends && n != word_ends + 1); /* "bounced " is no status */
		if (good) {
			WANT_TEXT(p.to, "a@b.example");
			WANT_TEXT(p.orig_to, "c@d.example");
			WANT_INT(p.status, DELIVERY_BOUNCED);
		}
		/* the mark of a pager */
		(void)snprintf(text, sizeof text, "%.*s>", (int)n, line);
		WANT(!parse_as("postfix/smtp", text, &p) || p.event == EVENT_MALFORMED || p.ambiguous);
		/* the next line in place of the rest */
		(void)snprintf(text, sizeof text, "%.*s%s", (int)n, line, other);
		WANT(!parse_as("postfix/smtp", text, &p) || p.event != EVENT_DELIVERY || p.ambiguous);
	}
}

static void what_events_hold(void **state)
{
	struct mta_line p;

	(void)state;
	WANT(parse_as("postfix/smtpd", "4F5C64474F: client=h.example[192.0.2.1], sasl_method=PLAIN, sasl_username=anna, orig_queue_id=5A6B7C8D9E, orig_client=x[192.0.2.2]", &p));
	WANT_TEXT(p.client, "h.example[192.0.2.1]");
	WANT_TEXT(p.login, "anna");
	WANT_TEXT(p.orig_queue_id, "5A6B7C8D9E");
	static const struct { const char *name, *message, *want; } requeued[] = {
		{ "requeued", "4F5C64474F: uid=101 from=<a@b.example> orig_id=5A6B7C8D9E", "5A6B7C8D9E" },
		{ "the null sender", "4F5C64474F: uid=101 from=<> orig_id=5A6B7C8D9E", "5A6B7C8D9E" },
		{ "new", "4F5C64474F: uid=101 from=<a@b.example>", "" },
		{ "quoted", "4F5C64474F: uid=101 from=<\"a> orig_id=5A6B7C8D9E\"@b.example>", "" },
		{ "unquoted", "4F5C64474F: uid=101 from=<a> orig_id=5A6B7C8D9E@b.example>", "" },
		{ "unquoted to the end", "4F5C64474F: uid=101 from=<a> orig_id=5A6B7C8D9E>", "" },
		{ "no queue id", "4F5C64474F: uid=101 from=<a@b.example> orig_id=5A6B", "" },
		{ "nothing behind", "4F5C64474F: uid=101 from=<a@b.example> orig_id=", "" },
	};
	EACH(row, requeued) {
		WANT(parse_as("postfix/pickup", row->message, &p));
		WANT_INT(p.event, EVENT_PICKUP);
		WANT_TEXT(p.orig_queue_id, row->want);
	}
	WANT(parse_as("postfix/qmgr", "4F5C64474F: from=<\"a>, nrcpt=9\"@b.example>, size=1234, nrcpt=12 (queue active)", &p));
	WANT_TEXT(p.sender, "\"a>, nrcpt=9\"@b.example");
	WANT_INT(p.recipients, 12);
	WANT(parse_as("postfix/qmgr", "4F5C64474F: from=<>, size=1234, nrcpt=1 (queue active)", &p));
	WANT_TEXT(p.sender, "");
	WANT(parse_as("postfix/cleanup", "4F5C64474F: message-id=no brackets, a blank", &p));
	WANT_TEXT(p.message_id, "no brackets, a blank");
	WANT(parse_as("postfix/qmgr", "4F5C64474F: from=<a@b.example>, status=expired, returned to sender", &p));
	WANT_INT(p.status, DELIVERY_EXPIRED);
	WANT_TEXT(p.sender, "a@b.example");
	WANT(parse_as("postfix/smtp", "4F5C64474F: status=deferred (bounce failed)", &p));
	WANT_INT(p.status, DELIVERY_DEFERRED);
	WANT_TEXT(p.text, "bounce failed");
	WANT(parse_as("postfix/cleanup", "4F5C64474F: info: header List-Id: <x.y> from h[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<h>", &p));
	WANT_TEXT(p.header, "List-Id: <x.y>");
}

static void next_queue_ids(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "queued", "250 2.0.0 Ok: queued as 4F5C64474F", "4F5C64474F" },
		{ "a filter's", "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4F5C64474F", "4F5C64474F" },
		{ "forwarded", "forwarded as 4F5C64474F", "4F5C64474F" },
		{ "more behind", "250 Ok: queued as 4F5C64474F (in 2 s)", "4F5C64474F" },
		{ "others' words before it", "250 2.6.0 Message accepted as clean, queued as 4F5C64474F", "4F5C64474F" },
		{ "long id", "250 2.0.0 Ok: queued as 4ZxBsT2vWXz9rYq", "4ZxBsT2vWXz9rYq" },
		{ "too short", "queued as 4F5C", "" },
		{ "too long", "queued as A1B2C3D4E5A1B2C3D4E5A1B2C3D4E5F", "" },
		{ "none", "250 2.0.0 Ok", "" },
		{ "nothing behind", "250 queued as ", "" },
		{ "nothing", "", "" },
	};

	(void)state;
	EACH(row, table)
		WANT_TEXT(postfix_queued_as(sv_of(row->text)), row->want);
}

static void status_names(void **state)
{
	static const char *const want[] = { "sent", "bounced", "deferred", "SOFTBOUNCE", "deliverable", "undeliverable", "expired" };

	(void)state;
	WANT_INT(COUNT(want), DELIVERY_STATUS_COUNT);
	for (int i = 0; i < DELIVERY_STATUS_COUNT; i++)
		WANT_STRING(delivery_status_name((enum delivery_status)i), want[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deliveries),
		cmocka_unit_test(malformed),
		cmocka_unit_test(injection),
		cmocka_unit_test(events),
		cmocka_unit_test(processes),
		cmocka_unit_test(daemons_that_are_not_named),
		cmocka_unit_test(cut_lines),
		cmocka_unit_test(what_events_hold),
		cmocka_unit_test(next_queue_ids),
		cmocka_unit_test(status_names),
	};

	return RUN(tests);
}
