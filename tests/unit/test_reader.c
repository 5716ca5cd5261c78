#include "test.h"

#include "reader.h"

static struct config config;
static struct ruleset *rules;

static const char rule_file[] = "rules = ("
	"{ id = \"t.unknown\"; category = \"recipient.unknown\"; enhanced = \"5.1.1\"; },"
	"{ id = \"t.domain\"; category = \"domain.unknown\"; text = [ \"name not found\", \"domain-gone\" ]; },"
	"{ id = \"t.full\"; category = \"mailbox.full\"; enhanced = \"x.2.2\"; },"
	"{ id = \"t.network\"; category = \"network\"; text = \"timed out\"; } );";

/* ---- a log in, facts out as lines of text ---- */

struct seen {
	char text[2048];
};

static void see(void *arg, const struct fact *f)
{
	static const char *const kinds[] = { "delivered", "deferred", "failed", "expired", "removed" };
	char *text = ((struct seen *)arg)->text;
	size_t n = strlen(text);
	bool failure = f->kind == FACT_DEFERRED || f->kind == FACT_FAILED;

	(void)snprintf(text + n, sizeof ((struct seen *)arg)->text - n, "%s%s <%.*s>%s%s%s%.*s\n", f->uncounted ? "also " : "", kinds[f->kind],
		SV_ARG(f->address), failure ? " " : "", failure ? category_name(f->failure.occurrence.category) : "",
		f->sender.n ? " by " : "", SV_ARG(f->sender));
}

/* Reads lines whose header is short: "HH:MM:SS process: message". */
static void read_log(struct reader *reader, const char *log, struct seen *seen)
{
	static struct record record;
	struct stamp_anchor anchor = { 0 };
	struct sv rest = sv_of(log);

	while (rest.n) {
		struct sv line = sv_cut(&rest, '\n');
		char text[4096];
		int n = snprintf(text, sizeof text, "2026-11-21T%.*sZ mail %.*s", 8, line.p, SV_ARG(sv_skip(line, 9)));
		WANT(n > 0 && (size_t)n < sizeof text);
		if (reader_line(reader, sv_make(text, (size_t)n), &anchor, &record) != RECORD_NONE)
			record_facts(reader, &record, see, seen);
	}
}

#define BEGIN(id) "09:00:00 postfix/smtpd[1]: " id ": client=h.example[192.0.2.1], sasl_method=PLAIN, sasl_username=anna\n"
#define QUEUED(id, sender, n) "09:00:01 postfix/qmgr[1]: " id ": from=<" sender ">, size=100, nrcpt=" n " (queue active)\n"
#define RELAY "relay=mx.b.example[192.0.2.9]:25, delay=2, delays=0/0/1/1, "
#define SENT(to) "to=<" to ">, " RELAY "dsn=2.0.0, status=sent (250 2.0.0 ok)\n"
#define UNKNOWN(to) "to=<" to ">, " RELAY "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 no such user (in reply to RCPT TO command))\n"
#define REMOVED(id) "09:00:09 postfix/qmgr[1]: " id ": removed\n"

static const struct {
	const char *name, *log, *want;
	enum attribute_to attribute_to;
	enum record_left_out want_left_out; /* one line was; LEFT_OUT_NOT: none */
} table[] = {
	{ "delivered", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("U@b.example") REMOVED("4F5C6"),
	  "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "bounced", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " UNKNOWN("u@b.example") REMOVED("4F5C6"),
	  "failed <u@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "its beginning was not seen: it may have been deferred", "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("u@b.example") REMOVED("4F5C6"),
	  "delivered <u@b.example>\nremoved <>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "deferred, then expired", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1")
	  "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=4.2.2, status=deferred (host mx.b.example[192.0.2.9] said: 452 4.2.2 full (in reply to RCPT TO command))\n"
	  "09:10:02 postfix/qmgr[1]: 4F5C6: from=<s@a.example>, status=expired, returned to sender\n" REMOVED("4F5C6"),
	  "deferred <u@b.example> mailbox.full by s@a.example\nexpired <> by s@a.example\nremoved <> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "soft_bounce=yes keeps it in the queue", BEGIN("4F5C6") "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=4.1.1, status=SOFTBOUNCE (550 5.1.1 no)\n" REMOVED("4F5C6"),
	  "deferred <u@b.example> recipient.unknown\nremoved <>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "bounce failed names nobody", BEGIN("4F5C6") "09:00:02 postfix/bounce[1]: 4F5C6: status=deferred (bounce failed)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "the null sender", BEGIN("4F5C6") QUEUED("4F5C6", "", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " UNKNOWN("u@b.example") REMOVED("4F5C6"), "",
	  ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "double-bounce", QUEUED("4F5C6", "Double-Bounce@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("u@b.example"), "",
	  ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "mail that came back", QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/pipe[1]: 4F5C6: to=<returned@nixie.invalid>, orig_to=<bounces+u=b.example@a.example>, "
	  "relay=nixie-receive, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered via nixie-receive service)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_RETURNED },
	{ "a host of such a name", QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, relay=nixie-receive[192.0.2.1]:25, "
	  "delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n", "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "somebody with such a name", QUEUED("4F5C6", "double-bounce-list@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("u@b.example"),
	  "delivered <u@b.example> by double-bounce-list@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "a probe", "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=2.1.5, status=deliverable (250 2.1.5 ok)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_PROBE },
	{ "a probe that failed", "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=5.1.1, status=undeliverable (550 5.1.1 no)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_PROBE },
	{ "nobody was asked", "09:00:02 postfix/error[1]: 4F5C6: to=<u@b.example>, relay=none, delay=2, delays=0/0/1/1, dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to mx[192.0.2.9]:25: Connection timed out)\n",
	  "", ATTRIBUTE_FINAL, LEFT_OUT_NO_ATTEMPT },
	{ "nobody was asked, retry(8)", "09:00:02 postfix/retry[1]: 4F5C6: to=<u@b.example>, relay=none, delay=2, delays=0/0/1/1, dsn=4.4.1, status=deferred (delivery temporarily suspended: timed out)\n",
	  "", ATTRIBUTE_FINAL, LEFT_OUT_NO_ATTEMPT },
	{ "nobody was asked, qmgr(8)", "09:00:02 postfix/qmgr[1]: 4F5C6: to=<u@b.example>, relay=none, delay=2, delays=0/0/1/1, dsn=4.3.0, status=deferred (mail transport unavailable)\n",
	  "", ATTRIBUTE_FINAL, LEFT_OUT_NO_ATTEMPT },
	{ "swallowed by discard(8)", "09:00:02 postfix/discard[1]: 4F5C6: to=<u@b.example>, relay=none, delay=2, delays=0/0/1/1, dsn=2.0.0, status=sent (not wanted)\n",
	  "", ATTRIBUTE_FINAL, LEFT_OUT_NO_ATTEMPT },
	{ "a copy", "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("Archive@a.example"), "", ATTRIBUTE_FINAL, LEFT_OUT_BCC },
	{ "a copy that fails", "09:00:02 postfix/smtp[1]: 4F5C6: " UNKNOWN("archive@a.example"), "", ATTRIBUTE_FINAL, LEFT_OUT_BCC },
	{ "a copy to an alias", "09:00:02 postfix/smtp[1]: 4F5C6: to=<disk@b.example>, orig_to=<archive@a.example>, " RELAY "dsn=2.0.0, status=sent (ok)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_BCC },
	{ "a copy to a domain", "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("any@Copies.example"), "", ATTRIBUTE_FINAL, LEFT_OUT_BCC },
	{ "not quite a copy", "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("not-archive@a.example") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("any@b.copies.example"),
	  "delivered <not-archive@a.example>\ndelivered <any@b.copies.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "canceled before it was queued", BEGIN("4F5C6") "09:00:01 postfix/cleanup[1]: 4F5C6: canceled\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "canceled, and an older message of its queue id had somebody pending", "09:00:01 postfix/cleanup[1]: 4F5C6: canceled\n", "removed <>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "requeued", BEGIN("4F5C6") "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=4.2.2, status=deferred (host mx.b.example[192.0.2.9] said: 452 4.2.2 full (in reply to RCPT TO command))\n"
	  "09:00:03 postfix/pickup[1]: 5A6B7: uid=101 from=<s@a.example> orig_id=4F5C6\n" QUEUED("5A6B7", "s@a.example", "1") "09:00:04 postfix/smtp[1]: 5A6B7: " SENT("u@b.example"),
	  "deferred <u@b.example> mailbox.full\nremoved <>\ndelivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "requeued under the same queue id", BEGIN("4F5C6") "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=4.2.2, status=deferred (host mx.b.example[192.0.2.9] said: 452 4.2.2 full (in reply to RCPT TO command))\n"
	  "09:00:03 postfix/pickup[1]: 4F5C6: uid=101 from=<s@a.example> orig_id=4F5C6\n09:00:03 postfix/cleanup[1]: 4F5C6: message-id=<1@a.example>\n" QUEUED("4F5C6", "s@a.example", "1")
	  "09:00:04 postfix/smtp[1]: 4F5C6: " SENT("u@b.example") REMOVED("4F5C6"),
	  "deferred <u@b.example> mailbox.full\nremoved <>\ndelivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "requeued before anybody was deferred", BEGIN("4F5C6") "09:00:03 postfix/pickup[1]: 5A6B7: uid=101 from=<s@a.example> orig_id=4F5C6\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
#define NOTICE "09:00:02 postfix/bounce[1]: 4F5C6: sender non-delivery notification: 5A6B7\n"
#define NOTIFICATION "09:00:02 postfix/cleanup[1]: 5A6B7: message-id=<2@a.example>\n" QUEUED("5A6B7", "", "1")
	{ "a notification, told of behind its lines", BEGIN("4F5C6") NOTIFICATION NOTICE "09:00:03 postfix/smtp[1]: 5A6B7: " SENT("s@a.example") REMOVED("5A6B7"), "", ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "a notification, told of before", BEGIN("4F5C6") NOTICE NOTIFICATION "09:00:03 postfix/smtp[1]: 5A6B7: " SENT("s@a.example") REMOVED("5A6B7"), "", ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "a queue id again after a minute", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("u@b.example") REMOVED("4F5C6")
	  "09:01:10 postfix/cleanup[1]: 4F5C6: message-id=<2@a.example>\n09:01:10 postfix/qmgr[1]: 4F5C6: from=<>, size=1, nrcpt=1 (queue active)\n09:01:11 postfix/smtp[1]: 4F5C6: " SENT("s@a.example"),
	  "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "a queue id again, the end of the first was not seen", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("u@b.example")
	  "09:01:10 postfix/smtpd[1]: 4F5C6: client=x[192.0.2.3]\n09:01:11 postfix/smtp[1]: 4F5C6: " SENT("v@b.example"),
	  "delivered <u@b.example> by s@a.example\ndelivered <v@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "one queue id in two instances", "09:00:00 postfix-in/smtpd[1]: 4F5C6: client=x[192.0.2.3]\n09:00:00 postfix-in/qmgr[1]: 4F5C6: from=<s@a.example>, size=1, nrcpt=1 (queue active)\n"
	  "09:00:01 postfix-out/qmgr[1]: 4F5C6: from=<t@a.example>, size=1, nrcpt=1 (queue active)\n09:00:02 postfix-in/smtp[1]: 4F5C6: " SENT("u@b.example") "09:00:02 postfix-out/smtp[1]: 4F5C6: " SENT("v@b.example"),
	  "delivered <u@b.example> by s@a.example\ndelivered <v@b.example> by t@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "relay=none of smtp(8) is an attempt", "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, relay=none, delay=2, delays=0/0/1/1, dsn=4.4.1, status=deferred (connect to mx[192.0.2.9]:25: Connection timed out)\n",
	  "deferred <u@b.example> network\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "error(8) that bounces says it for good", "09:00:02 postfix/error[1]: 4F5C6: to=<u@b.example>, relay=none, delay=2, delays=0/0/1/1, dsn=5.1.1, status=bounced (User unknown in virtual alias table)\n",
	  "failed <u@b.example> recipient.unknown\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "through a content filter and back", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1")
	  "09:00:03 postfix/smtpd[2]: 5A6B7: client=localhost[127.0.0.1], orig_queue_id=4F5C6, orig_client=h.example[192.0.2.1]\n" QUEUED("5A6B7", "s@a.example", "1")
	  "09:00:04 postfix/smtp[1]: 4F5C6: to=<u@b.example>, relay=127.0.0.1[127.0.0.1]:10024, delay=2, delays=0/0/1/1, dsn=2.0.0, status=sent (250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5A6B7)\n"
	  REMOVED("4F5C6") "09:00:05 postfix/smtp[1]: 5A6B7: " SENT("u@b.example") REMOVED("5A6B7"),
	  "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_HOP },
	{ "to a second instance", BEGIN("4F5C6") "09:00:03 postfix-out/smtpd[2]: 5A6B7: client=mail[192.0.2.5]\n"
	  "09:00:04 postfix/smtp[1]: 4F5C6: to=<u@b.example>, relay=192.0.2.5[192.0.2.5]:10025, delay=2, delays=0/0/1/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 5A6B7)\n"
	  "09:00:05 postfix-out/smtp[1]: 5A6B7: " SENT("u@b.example"), "delivered <u@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_HOP },
	{ "forwarded to another of our own", BEGIN("4F5C6") "09:00:03 postfix/pickup[1]: 5A6B7: uid=0 from=<s@a.example>\n"
	  "09:00:04 postfix/local[1]: 4F5C6: to=<list@a.example>, relay=local, delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent (forwarded as 5A6B7)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_HOP },
	{ "an id of somebody else's queue", BEGIN("4F5C6") "09:00:04 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 5A6B7)\n" REMOVED("4F5C6"),
	  "delivered <u@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "the very same id at the next host", BEGIN("4F5C6") "09:00:04 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F5C6)\n" REMOVED("4F5C6"),
	  "delivered <u@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "an id of ours from hours ago", "05:00:00 postfix/smtpd[2]: 5A6B7: client=localhost[127.0.0.1]\n" BEGIN("4F5C6")
	  "09:00:04 postfix/smtp[1]: 4F5C6: to=<u@b.example>, " RELAY "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 5A6B7)\n" REMOVED("4F5C6"),
	  "delivered <u@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "ambiguous", BEGIN("4F5C6") "09:00:02 postfix/smtp[1]: 4F5C6: to=<victim@b.example>, relay=x, delay=0, dsn=5.1.1, status=bounced (550 5.1.1 no)@evil.example>, " RELAY "dsn=2.0.0, status=sent (ok)\n",
	  "", ATTRIBUTE_FINAL, LEFT_OUT_AMBIGUOUS },
	{ "malformed", BEGIN("4F5C6") "09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, status=bounced (550 5.1.1 no)\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "an address that has no key is counted", "09:00:02 postfix/local[1]: 4F5C6: to=<root>, relay=local, delay=0, dsn=2.0.0, status=sent (delivered to mailbox)\n",
	  "delivered <>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "quoted", "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("\"A B\"@b.example"), "delivered <a b@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },

#define ALIAS(nrcpt) BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", nrcpt) \
	"09:00:02 postfix/smtp[1]: 4F5C6: to=<final@b.example>, orig_to=<alias@a.example>, " RELAY "dsn=5.1.1, status=bounced (550 5.1.1 no)\n"
	{ "alias, final", ALIAS("1"), "failed <final@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "alias, original", ALIAS("1"), "failed <alias@a.example> recipient.unknown by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "alias, both", ALIAS("1"), "failed <final@b.example> recipient.unknown by s@a.example\nalso failed <alias@a.example> recipient.unknown by s@a.example\n", ATTRIBUTE_BOTH, LEFT_OUT_NOT },
	{ "alias with two targets, original", ALIAS("2"), "failed <final@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "alias with two targets, both", ALIAS("2"), "failed <final@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_BOTH, LEFT_OUT_NOT },
	{ "nobody knows how many, original", "09:00:02 postfix/smtp[1]: 4F5C6: to=<final@b.example>, orig_to=<alias@a.example>, " RELAY "dsn=5.1.1, status=bounced (550 5.1.1 no)\n",
	  "failed <final@b.example> recipient.unknown\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "no alias, original", BEGIN("4F5C6") QUEUED("4F5C6", "s@a.example", "1") "09:00:02 postfix/smtp[1]: 4F5C6: " UNKNOWN("u@b.example"),
	  "failed <u@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
};

static void logs(void **state)
{
	(void)state;
	EACH(row, table) {
		struct reader reader;
		struct seen seen = { "" };
		config.attribute_to = (int)row->attribute_to;
		reader_init(&reader, &config, rules);
		read_log(&reader, row->log, &seen);
		WANT_STRING(seen.text, row->want);
		for (int i = LEFT_OUT_PROBE; i < LEFT_OUT_COUNT; i++)
			WANT_INT(reader.counts.left_out[i], i == (int)row->want_left_out);
		reader_free(&reader);
	}
	config.attribute_to = ATTRIBUTE_FINAL;
}

/* ---- the fact itself ---- */

static struct fact last_fact;
static char last_message[128];

static void keep(void *arg, const struct fact *f)
{
	(void)arg;
	last_fact = *f;
	(void)snprintf(last_message, sizeof last_message, "%.*s", SV_ARG(f->message));
}

static void what_a_fact_holds(void **state)
{
	static const char *const log[] = {
		"2026-11-21T08:59:58Z mail postfix/smtpd[1]: 4F5C6: client=h.example[192.0.2.1], sasl_method=PLAIN, sasl_username=anna",
		"2026-11-21T08:59:58Z mail postfix/cleanup[1]: 4F5C6: info: header X-Campaign-Id: Spring from h.example[192.0.2.1]; from=<s@a.example> to=<u@b.example> proto=ESMTP helo=<h>",
		"2026-11-21T08:59:58Z mail postfix/cleanup[1]: 4F5C6: message-id=<1@a.example>",
		"2026-11-21T08:59:59Z mail postfix/qmgr[1]: 4F5C6: from=<s@a.example>, size=100, nrcpt=1 (queue active)",
		"2026-11-21T09:00:02.600000Z mail postfix/smtp[1]: 4F5C6: to=<u@b.example>, relay=mx.b.example[192.0.2.9]:25, delay=4.5, delays=0/0/1/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 no such user (in reply to RCPT TO command))",
	};
	struct stamp_anchor anchor = { 0 };
	static struct record record;
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	for (size_t i = 0; i < COUNT(log); i++)
		WANT_INT(reader_line(&reader, sv_of(log[i]), &anchor, &record), i == 4 ? RECORD_DELIVERY : RECORD_NONE);
	record_facts(&reader, &record, keep, NULL);
	WANT_INT(last_fact.kind, FACT_FAILED);
	WANT_INT(last_fact.time_s, at("2026-11-21T09:00:02Z"));
	WANT_INT(last_fact.arrival_s, at("2026-11-21T08:59:58Z"));
	WANT_STRING(last_message, "mail/postfix/4F5C6");
	WANT(last_fact.never_deferred);
	WANT_TEXT(last_fact.sender, "s@a.example");
	WANT_TEXT(last_fact.login, "anna");
	WANT_TEXT(last_fact.client, "h.example[192.0.2.1]");
	WANT_TEXT(last_fact.message_id, "<1@a.example>");
	WANT_TEXT(last_fact.campaign, "spring");
	WANT_TEXT(last_fact.failure.remote, "mx.b.example");
	WANT_TEXT(last_fact.failure.occurrence.rule, "t.unknown");
	WANT_INT(last_fact.failure.occurrence.category, CATEGORY_RECIPIENT_UNKNOWN);
	WANT_INT(last_fact.failure.class_, CLASS_HARD);
	WANT_INT(last_fact.failure.code, 550);
	reader_free(&reader);
}

/* Lines without a delay do not know when their message came: it is the one on record. */
static void what_has_no_arrival(void **state)
{
	static const char *const log[] = {
		"2026-11-21T09:00:02Z mail postfix/qmgr[1]: 4F5C6: from=<s@a.example>, status=expired, returned to sender",
		"2026-11-21T09:00:03Z mail postfix/qmgr[1]: 4F5C6: removed",
	};
	static const enum fact_kind want[] = { FACT_EXPIRED, FACT_REMOVED };
	struct stamp_anchor anchor = { 0 };
	static struct record record;
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	for (size_t i = 0; i < COUNT(log); i++) {
		WANT(reader_line(&reader, sv_of(log[i]), &anchor, &record) != RECORD_NONE);
		last_fact = (struct fact){ .arrival_s = 4711 };
		record_facts(&reader, &record, keep, NULL);
		WANT_INT(last_fact.kind, want[i]);
		WANT_INT(last_fact.arrival_s, 0);
		WANT_INT(last_fact.address.n, 0);
		WANT_STRING(last_message, "mail/postfix/4F5C6");
	}
	reader_free(&reader);
}

/* The login of who sent it first is known after the filter, too. */
static void a_login_outlives_the_filter(void **state)
{
	static const char log[] = BEGIN("4F5C6")
		"09:00:03 postfix/smtpd[2]: 5A6B7: client=localhost[127.0.0.1], orig_queue_id=4F5C6, orig_client=h.example[192.0.2.1]\n"
		"09:00:04 postfix/smtpd[2]: 6A6B7: client=localhost[127.0.0.1], sasl_username=bert, orig_queue_id=4F5C6\n";
	struct seen seen = { "" };
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	read_log(&reader, log, &seen);
	WANT_TEXT(link_find(&reader.links, SV("mail"), SV("postfix"), SV("5A6B7"))->login, "anna");
	WANT_TEXT(link_find(&reader.links, SV("mail"), SV("postfix"), SV("6A6B7"))->login, "bert");
	reader_free(&reader);
}

#define HEADER(id, header) "09:00:00 postfix/cleanup[1]: " id ": info: header " header " from h.example[192.0.2.1]; from=<s@a.example> to=<u@b.example> proto=ESMTP helo=<h.example>\n"
#define FILTERED(id, of) "09:00:03 postfix/smtpd[2]: " id ": client=localhost[127.0.0.1], orig_queue_id=" of "\n"

static void campaigns(void **state)
{
	static const struct { const char *name, *log, *want; } cases[] = {
		{ "one header", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: Spring"), "spring" },
		{ "none", BEGIN("4F5C6") HEADER("4F5C6", "Subject: Spring"), "" },
		{ "the first of the list comes first", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring") HEADER("4F5C6", "List-Id: <l.example>"), "spring" },
		{ "the first of the list comes last", BEGIN("4F5C6") HEADER("4F5C6", "List-Id: <l.example>") HEADER("4F5C6", "X-Campaign-Id: spring"), "spring" },
		{ "one header twice", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring") HEADER("4F5C6", "X-Campaign-Id: autumn"), "spring" },
		{ "an empty one and another", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id:") HEADER("4F5C6", "List-Id: <l.example>"), "l.example" },
		{ "its beginning was not seen", HEADER("4F5C6", "X-Campaign-Id: spring"), "spring" },
		{ "before the Message-ID", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring") "09:00:00 postfix/cleanup[1]: 4F5C6: message-id=<1@a.example>\n", "spring" },
		{ "of an older message", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring") REMOVED("4F5C6") BEGIN("4F5C6"), "" },
		{ "of an older message, the new one's beginning was not seen", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring") REMOVED("4F5C6")
		  HEADER("4F5C6", "List-Id: <l.example>"), "l.example" },
		{ "the value imitates the end", BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring from x; from=<y>"), "" },
		{ "through a filter that checks no headers", BEGIN("5A6B7") HEADER("5A6B7", "X-Campaign-Id: spring") FILTERED("4F5C6", "5A6B7"), "spring" },
		{ "through a filter, and checked again", BEGIN("5A6B7") HEADER("5A6B7", "X-Campaign-Id: spring") FILTERED("4F5C6", "5A6B7")
		  HEADER("4F5C6", "List-Id: <l.example>"), "l.example" },
	};

	(void)state;
	EACH(row, cases) {
		struct reader reader;
		struct seen seen = { "" };
		reader_init(&reader, &config, rules);
		read_log(&reader, row->log, &seen);
		WANT_TEXT(link_find(&reader.links, SV("mail"), SV("postfix"), SV("4F5C6"))->campaign, row->want);
		reader_free(&reader);
	}
}

/* postsuper -r: it goes on under another queue id. */
static void a_requeued_message_keeps_its_origin(void **state)
{
	static const char log[] = BEGIN("4F5C6") HEADER("4F5C6", "X-Campaign-Id: spring") "09:00:03 postfix/pickup[1]: 5A6B7: uid=101 from=<s@a.example> orig_id=4F5C6\n";
	struct seen seen = { "" };
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	read_log(&reader, log, &seen);
	WANT_TEXT(link_find(&reader.links, SV("mail"), SV("postfix"), SV("5A6B7"))->login, "anna");
	WANT_TEXT(link_find(&reader.links, SV("mail"), SV("postfix"), SV("5A6B7"))->campaign, "spring");
	WANT(link_find(&reader.links, SV("mail"), SV("postfix"), SV("4F5C6"))->removed);
	reader_free(&reader);
}

/* A queue id used again: who sent the old message says nothing about the new one. */
static void an_old_sender_is_forgotten(void **state)
{
	static const char log[] = BEGIN("4F5C6") QUEUED("4F5C6", "", "1") REMOVED("4F5C6") BEGIN("4F5C6")
		"09:00:20 postfix/smtp[1]: 4F5C6: " SENT("u@b.example");
	struct seen seen = { "" };
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	read_log(&reader, log, &seen);
	WANT_STRING(seen.text, "delivered <u@b.example>\n");
	reader_free(&reader);
}

static void counts(void **state)
{
	static const char log[] = BEGIN("4F5C6") "09:00:02 postfix/smtp[1]: 4F5C6: " SENT("a@b.example") "09:00:02 postfix/smtp[1]: 4F5C6: " UNKNOWN("b@b.example")
		"09:00:02 postfix/smtp[1]: 4F5C6: to=<u@b.example>, status=bounced (no relay)\n" "09:00:03 no header of a line\n" "09:00:03 dovecot: hello\n"
		"09:10:02 postfix/qmgr[1]: 4F5C6: from=<s@a.example>, status=expired, returned to sender\n";
	struct seen seen = { "" };
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	read_log(&reader, log, &seen);
	WANT_INT(reader.counts.lines, 7);
	WANT_INT(reader.counts.unparsed, 1);
	WANT_INT(reader.counts.rejected, 1);
	WANT_INT(reader.counts.attempts, 3);
	WANT_INT(reader.counts.status[DELIVERY_SENT], 1);
	WANT_INT(reader.counts.status[DELIVERY_BOUNCED], 1);
	WANT_INT(reader.counts.status[DELIVERY_EXPIRED], 1);
	WANT_INT(reader.counts.left_out[LEFT_OUT_NOT], 2);
	reader_free(&reader);
}

/* ---- lines with headers of their own ---- */

#define STATUS(address, dsn, status) "4F5C6: to=<" address ">, relay=mx.b.example[192.0.2.9]:25, delay=2, delays=0/0/1/1, dsn=" dsn ", status=" status
#define FULL "deferred (host mx.b.example[192.0.2.9] said: 452 4.2.2 full (in reply to RCPT TO command))"

static void unusual_lines(void **state)
{
	static const struct { const char *name, *line, *want; unsigned want_attempts, want_unparsed, want_rejected; } cases[] = {
		{ "RFC 5424", "<22>1 2026-11-21T09:00:00Z mail postfix 1 - - " STATUS("u@b.example", "5.1.1", "bounced (550 5.1.1 no)"), "failed <u@b.example> recipient.unknown\n", 1, 0, 0 },
		{ "RFC 5424, nobody was asked", "<22>1 2026-11-21T09:00:00Z mail postfix 1 - - 4F5C6: to=<u@b.example>, relay=none, delay=2, dsn=4.4.1, status=deferred (delivery temporarily suspended: timed out)",
		  "", 1, 0, 0 },
		{ "of a container", "Nov 21 09:00:00 docker mail/c0ffee123456[9]: Nov 21 08:00:00 mx1 postfix/smtp[1]: " STATUS("u@b.example", "4.2.2", FULL), "deferred <u@b.example> mailbox.full\n", 1, 0, 0 },
		{ "copies", "2026-11-21T09:00:00Z mail postfix/smtp[1]: message repeated 3 times: [ " STATUS("u@b.example", "4.2.2", FULL) "]",
		  "deferred <u@b.example> mailbox.full\ndeferred <u@b.example> mailbox.full\ndeferred <u@b.example> mailbox.full\n", 3, 0, 0 },
		{ "copies, cut at 800 bytes", "2026-11-21T09:00:00Z mail postfix/smtp[1]: message repeated 1 times: [ " STATUS("u@b.example", "4.2.2", "deferred (host mx said: 452 4.2.2 fu"),
		  "deferred <u@b.example> mailbox.full\n", 1, 0, 0 },
		{ "copies of what is no result", "2026-11-21T09:00:00Z mail postfix/smtp[1]: message repeated 3 times: [ 4F5C6: to=<u@b.example>, status=deferred]", "", 0, 0, 1 },
		{ "without a header", STATUS("u@b.example", "5.1.1", "bounced (550 5.1.1 no)"), "", 0, 1, 0 },
		{ "a warning that looks like a result", "Nov 21 09:00:00 mail postfix/smtp[1]: warning: " STATUS("u@b.example", "5.1.1", "bounced (550 5.1.1 no)"), "", 0, 0, 0 },
		{ "cut off by a pager", "Nov 21 09:00:00 mail postfix/smtp[1]: " STATUS("u@b.example", "5.1.1", "bounced (host mx.b.example[192.0.2.9] said: 550 5.1>"), "", 1, 0, 0 },
		{ "a tag cut in the middle", "Nov 21 09:00:00 mail postfix/sm", "", 0, 1, 0 },
	};

	(void)state;
	EACH(row, cases) {
		static struct record record;
		struct stamp_anchor anchor = { .time_s = at("2026-11-21") };
		struct seen seen = { "" };
		struct reader reader;
		reader_init(&reader, &config, rules);
		if (reader_line(&reader, sv_of(row->line), &anchor, &record) != RECORD_NONE)
			record_facts(&reader, &record, see, &seen);
		WANT_STRING(seen.text, row->want);
		WANT_INT(reader.counts.lines, 1);
		WANT_INT(reader.counts.attempts, row->want_attempts);
		WANT_INT(reader.counts.unparsed, row->want_unparsed);
		WANT_INT(reader.counts.rejected, row->want_rejected);
		WANT_INT(reader.counts.left_out[LEFT_OUT_AMBIGUOUS], strcmp(row->name, "cut off by a pager") == 0);
		reader_free(&reader);
	}
}

static void count_fact(void *arg, const struct fact *f)
{
	*(unsigned *)arg += f->kind == FACT_DEFERRED;
}

static void copies_have_a_limit(void **state)
{
	static struct record record;
	struct stamp_anchor anchor = { 0 };
	struct reader reader;
	unsigned n = 0;

	(void)state;
	reader_init(&reader, &config, rules);
	WANT_INT(reader_line(&reader, SV("2026-11-21T09:00:00Z mail postfix/smtp[1]: message repeated 4000000000 times: [ " STATUS("u@b.example", "4.2.2", FULL) "]"), &anchor, &record),
		RECORD_DELIVERY);
	record_facts(&reader, &record, count_fact, &n);
	WANT_INT(n, 10000);
	WANT_INT(reader.counts.status[DELIVERY_DEFERRED], 10000);
	reader_free(&reader);
}

/* A datagram of this host's own syslog(3) names no host. */
static void a_line_without_a_host_is_ours(void **state)
{
	static struct record record;
	struct stamp_anchor anchor = { .time_s = at("2026-11-21") };
	struct reader reader;

	(void)state;
	reader_init(&reader, &config, rules);
	WANT_INT(reader_line(&reader, SV("<22>Nov 21 09:00:00 postfix/smtp[1]: " STATUS("u@b.example", "5.1.1", "bounced (550 5.1.1 no)")), &anchor, &record), RECORD_DELIVERY);
	WANT(record.line.host.n > 0 && sv_eq(record.line.host, reader.host));
	reader_free(&reader);
}

/* Half a line with the next one behind it blames nobody, and lets nobody off. */
static void halves_of_lines(void **state)
{
	static const char line[] = "2026-11-21T09:00:00Z mail postfix/smtp[1]: " STATUS("u@b.example", "5.1.1", "bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 no)");
	static const char other[] = "2026-11-21T09:00:00Z mail postfix/smtp[1]: 5A6B7: to=<v@c.example>, relay=mx.c.example[192.0.2.8]:25, delay=1, dsn=5.1.1, status=bounced (550 5.1.1 no)";

	(void)state;
	for (size_t n = 0; n < sizeof line - 1; n++) {
		static struct record record;
		struct stamp_anchor anchor = { 0 };
		struct seen seen = { "" };
		struct reader reader;
		char text[1024];
		(void)snprintf(text, sizeof text, "%.*s%s", (int)n, line, other);
		reader_init(&reader, &config, rules);
		if (reader_line(&reader, sv_of(text), &anchor, &record) != RECORD_NONE)
			record_facts(&reader, &record, see, &seen);
		/* the second may be whole, behind what was a header */
		if (strcmp(seen.text, "") != 0)
			WANT_STRING(seen.text, "failed <v@c.example> recipient.unknown\n");
		reader_free(&reader);
	}
}

/* ---- whose fault it is, when the words alone do not tell ---- */

#define AFTER_DATA(text) "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 " text " (in reply to end of DATA command))\n"

static void nobody_else_is_blamed(void **state)
{
	static const struct {
		const char *name, *recipients, *text;
		enum category want;
		enum class want_class;
	} cases[] = {
		{ "alone after DATA", "1", RELAY AFTER_DATA("no such user"), CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD },
		{ "one of three after DATA", "3", RELAY AFTER_DATA("no such user"), CATEGORY_RECIPIENT_UNKNOWN, CLASS_SOFT },
		{ "one of three, by name", "3", RELAY AFTER_DATA("no such user u@b.example here"), CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD },
		{ "one of three at RCPT", "3", RELAY "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 no (in reply to RCPT TO command))\n",
		  CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD },
		{ "at the greeting", "1", RELAY "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] refused to talk to me: 550 5.1.1 user unknown)\n",
		  CATEGORY_OTHER, CLASS_SOFT },
		{ "at HELO", "1", RELAY "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 no (in reply to EHLO command))\n", CATEGORY_OTHER, CLASS_SOFT },
		{ "at MAIL FROM", "1", RELAY "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: 550 5.1.1 no (in reply to MAIL FROM command))\n",
		  CATEGORY_OTHER, CLASS_SOFT },
		{ "the domain is gone", "1", "relay=none, delay=2, dsn=5.1.2, status=bounced (Host or domain name not found. Name service error for name=b.example type=A: Host not found)\n",
		  CATEGORY_DOMAIN_UNKNOWN, CLASS_HARD },
		{ "the relayhost is gone", "1", "relay=none, delay=2, dsn=5.1.2, status=bounced (Host or domain name not found. Name service error for name=smarthost.example type=A: Host not found)\n",
		  CATEGORY_DNS_FAILURE, CLASS_SOFT },
		{ "a word in the address is no word", "1", RELAY "dsn=5.0.0, status=bounced (host mx.b.example[192.0.2.9] said: 550 <domain-gone@b.example>: no (in reply to RCPT TO command))\n",
		  CATEGORY_OTHER, CLASS_SOFT },
	};

	(void)state;
	EACH(row, cases) {
		static struct reader reader;
		static struct record record;
		struct stamp_anchor anchor = { 0 };
		char lines[2][1024];
		reader_init(&reader, &config, rules);
		(void)snprintf(lines[0], sizeof lines[0], "2026-11-21T09:00:01Z mail postfix/qmgr[1]: 4F5C6: from=<s@a.example>, size=1, nrcpt=%s (queue active)", row->recipients);
		(void)snprintf(lines[1], sizeof lines[1], "2026-11-21T09:00:02Z mail postfix/smtp[1]: 4F5C6: to=<u@b.example>, %.*s", (int)strlen(row->text) - 1, row->text);
		for (size_t i = 0; i < 2; i++)
			(void)reader_line(&reader, sv_of(lines[i]), &anchor, &record);
		WANT(record.failed);
		WANT_STRING(category_name(record.verdict.category), category_name(row->want));
		WANT_STRING(class_name(record.verdict.class_), class_name(row->want_class));
		reader_free(&reader);
	}
}

/* A notification expires under a queue id that somebody's message had before. */
static void a_notification_ends_nobody(void **state)
{
	static struct reader reader;
	struct seen seen = { "" };

	(void)state;
	reader_init(&reader, &config, rules);
	read_log(&reader, QUEUED("4F5C6", "", "1") "09:10:02 postfix/qmgr[1]: 4F5C6: from=<>, status=expired, returned to sender\n", &seen);
	WANT_STRING(seen.text, "");
	reader_free(&reader);
}

/* The host's loggers are believed, a reply that says the same is not; and a loss is no fact. */
static void lines_that_are_lost(void **state)
{
	static struct reader reader;
	struct seen seen = { "" };

	(void)state;
	reader_init(&reader, &config, rules);
	read_log(&reader, "09:10:00 systemd-journald[1]: Suppressed 1234 messages from postfix.service\n"
		"09:10:01 rsyslogd: imuxsock[pid: 4]: 3 messages lost due to rate-limiting (200 allowed within 5 seconds)\n"
		"09:10:02 postfix/smtp[1]: 4F5C7: to=<a@b.example>, " RELAY "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.9] said: "
		"550 5.1.1 systemd-journald[1]: Suppressed 99 messages from postfix.service)\n", &seen);
	WANT_STRING(seen.text, "failed <a@b.example> recipient.unknown\n");
	WANT_INT(reader.counts.losses, 2);
	WANT_INT(reader.counts.lost, 1237);
	reader_free(&reader);
}

int main(void)
{
	struct err err = { "" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs),
		cmocka_unit_test(what_a_fact_holds),
		cmocka_unit_test(what_has_no_arrival),
		cmocka_unit_test(a_login_outlives_the_filter),
		cmocka_unit_test(campaigns),
		cmocka_unit_test(a_requeued_message_keeps_its_origin),
		cmocka_unit_test(an_old_sender_is_forgotten),
		cmocka_unit_test(unusual_lines),
		cmocka_unit_test(copies_have_a_limit),
		cmocka_unit_test(a_line_without_a_host_is_ours),
		cmocka_unit_test(halves_of_lines),
		cmocka_unit_test(nobody_else_is_blamed),
		cmocka_unit_test(a_notification_ends_nobody),
		cmocka_unit_test(lines_that_are_lost),
		cmocka_unit_test(counts),
	};

	rules = ruleset_parse("t.conf", rule_file, &err);
	if (!rules || !config_parse("t.conf", "logtail: { bcc = [ \"archive@a.example\", \"@copies.example\" ]; };", &config, &err)) {
		print_error("%s\n", err.text);
		return 1;
	}
	int failed = RUN(tests);
	ruleset_free(rules);
	return failed;
}
