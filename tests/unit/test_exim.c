#include "test.h"

#include "exim.h"
#include "reader.h"

static struct config config;
static struct ruleset *rules;

static const char rule_file[] = "rules = ("
	"{ id = \"t.unknown\"; category = \"recipient.unknown\"; enhanced = \"5.1.1\"; },"
	"{ id = \"t.full\"; category = \"mailbox.full\"; text = \"mailbox is full|over-?quota\"; },"
	"{ id = \"t.expired\"; category = \"expired\"; text = \"retry timeout exceeded\"; mta = \"exim\"; },"
	"{ id = \"t.network\"; category = \"network\"; text = \"timed out|refused\"; } );";

static bool parse(const char *message, struct mta_line *e)
{
	struct line line = { .time_us = at("2026-11-21T09:12:01Z") * CLOCK_SECOND_US, .host = SV("mail"), .process = SV("exim"), .message = sv_of(message) };

	memset(e, 0x5a, sizeof *e);
	return exim_parse(&line, e);
}

#define ID "1jmFYj-00039V-QX "
#define LONG_ID "1jmFYj-00000003abV-QX0z "
#define REMOTE " R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.9]"

/* ---- results ---- */

static void results(void **state)
{
	static const struct {
		const char *name, *message;
		const char *want_to, *want_orig_to; /* NULL: none */
		enum delivery_status want_status;
		const char *want_host, *want_ip;
		unsigned want_port;
		const char *want_transport, *want_text;
	} table[] = {
		{ "delivered", ID "=> u@b.example" REMOTE " C=\"250 2.0.0 Ok: queued\"", "u@b.example", NULL, DELIVERY_SENT, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "250 2.0.0 Ok: queued" },
		{ "a 23-character id", LONG_ID "=> u@b.example" REMOTE " C=\"250 ok\"", "u@b.example", NULL, DELIVERY_SENT, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "250 ok" },
		{ "all selectors", "[4711] " ID "=> u@b.example (list@a.example, other@a.example) <alias@a.example> F=<s@a.example> P=<s@a.example> R=dnslookup T=remote_smtp S=123 H=mx.b.example DS [2001:db8::9]:25* PRX=[192.0.2.3]:99 I=[192.0.2.1]:4711 TFO* X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256* CV=dane DN=\"C=DE,O=\"B\"Corp,CN=mx.b.example\" A=login:anna L* PRDR K C=\"250 \\\"ok\\\" id=x\" QT=1m2s DT=0.5s",
		  "u@b.example", "alias@a.example", DELIVERY_SENT, "mx.b.example", "2001:db8::9", 25, "remote_smtp", "250 \\\"ok\\\" id=x" },
		{ "one more recipient", ID "-> v@b.example" REMOTE " C=\"250 ok\"", "v@b.example", NULL, DELIVERY_SENT, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "250 ok" },
		{ "cutthrough", ID ">> v@b.example" REMOTE " C=\"250 ok\"", "v@b.example", NULL, DELIVERY_SENT, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "250 ok" },
		{ "local", ID "=> anna <anna@a.example> R=localuser T=local_delivery", "anna@a.example", NULL, DELIVERY_SENT, "", "", 0, "local_delivery", "" },
		{ "local, behind an alias", ID "=> anna <info@a.example> R=localuser T=local_delivery", "anna", "info@a.example", DELIVERY_SENT, "", "", 0, "local_delivery", "" },
		{ "the original in another case", ID "=> u@b.example <U@B.example>" REMOTE, "u@b.example", NULL, DELIVERY_SENT, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "" },
		{ "an alias", ID "** u@b.example <alias@a.example>" REMOTE ": SMTP error from remote mail server after RCPT TO:<u@b.example>: 550 5.1.1 no", "u@b.example", "alias@a.example", DELIVERY_BOUNCED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "SMTP error from remote mail server after RCPT TO:<u@b.example>: 550 5.1.1 no" },
		{ "failed", ID "** u@b.example F=<s@a.example>" REMOTE ":25 X=TLS1.2:ECDHE:256 CV=no DN=\"CN=mx\": SMTP error from remote mail server after end of data: 550 no DT=1s", "u@b.example", NULL, DELIVERY_BOUNCED, "mx.b.example", "192.0.2.9", 25, "remote_smtp", "SMTP error from remote mail server after end of data: 550 no" },
		{ "failed, a blank before the colon", ID "** u@b.example" REMOTE " X=TLS1.2:ECDHE:256 CV=no : SMTP error from remote mail server after end of data: 550 no", "u@b.example", NULL, DELIVERY_BOUNCED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "SMTP error from remote mail server after end of data: 550 no" },
		{ "failed with an errno", ID "** u@b.example" REMOTE ": Connection refused: no", "u@b.example", NULL, DELIVERY_BOUNCED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "Connection refused: no" },
		{ "no route", ID "** u@b.example: Unrouteable address", "u@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "Unrouteable address" },
		{ "no route, by a router", ID "** u@b.example R=nowhere: no route out", "u@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "no route out" },
		{ "no words", ID "** u@b.example R=nowhere", "u@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "" },
		{ "given up", ID "** u@b.example: retry timeout exceeded", "u@b.example", NULL, DELIVERY_EXPIRED, "", "", 0, "", "retry timeout exceeded" },
		{ "given up, an alias", ID "** u@b.example <alias@a.example>: retry timeout exceeded", "u@b.example", "alias@a.example", DELIVERY_EXPIRED, "", "", 0, "", "retry timeout exceeded" },
		{ "given up, with the reason", ID "** u@b.example" REMOTE ": mailbox is full: retry timeout exceeded DT=2s", "u@b.example", NULL, DELIVERY_EXPIRED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "mailbox is full: retry timeout exceeded" },
		{ "frozen for too long", ID "** u@b.example: delivery cancelled; message timed out", "u@b.example", NULL, DELIVERY_EXPIRED, "", "", 0, "", "delivery cancelled; message timed out" },
		{ "deferred", ID "== u@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.9]:25: SMTP error from remote mail server after RCPT TO:<u@b.example>: 450 4.2.1 busy", "u@b.example", NULL, DELIVERY_DEFERRED, "mx.b.example", "192.0.2.9", 25, "remote_smtp", "SMTP error from remote mail server after RCPT TO:<u@b.example>: 450 4.2.1 busy" },
		{ "deferred by the system", ID "== u@b.example R=dnslookup T=remote_smtp defer (110): Connection timed out", "u@b.example", NULL, DELIVERY_DEFERRED, "", "", 0, "remote_smtp", "Connection timed out" },
		{ "deferred by the system, host and time", ID "== u@b.example R=dnslookup T=remote_smtp defer (111): Connection refused H=mx.b.example [2001:db8::9] DT=1ms", "u@b.example", NULL, DELIVERY_DEFERRED, "mx.b.example", "2001:db8::9", 0, "remote_smtp", "Connection refused" },
		{ "deferred by the system, host and words", ID "== u@b.example R=dnslookup T=remote_smtp defer (110): Connection timed out H=mx.b.example [192.0.2.9] DT=1s: SMTP timeout after end of data", "u@b.example", NULL, DELIVERY_DEFERRED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "SMTP timeout after end of data" },
		{ "deferred by the system, words at once", ID "== u@b.example R=localuser T=local defer (13): Permission denied: creating lock file", "u@b.example", NULL, DELIVERY_DEFERRED, "", "", 0, "local", "Permission denied: creating lock file" },
		{ "deferred, quota", ID "== anna@a.example R=localuser T=local defer (-22): mailbox is full (MTA-imposed quota exceeded while writing to /m)", "anna@a.example", NULL, DELIVERY_DEFERRED, "", "", 0, "local", "mailbox is full (MTA-imposed quota exceeded while writing to /m)" },
		{ "deferred by DNS", ID "== u@b.example R=dnslookup defer (-1): host lookup did not complete", "u@b.example", NULL, DELIVERY_DEFERRED, "", "", 0, "", "host lookup did not complete" },
		{ "a bracket that was lost", ID "== u@b.example R=dnslookup T=remote_smtp defer (-44) H=(relay.example) [192.0.2.9: SMTP error from remote mail server after RCPT TO:<u@b.example>: 450 no", "u@b.example", NULL, DELIVERY_DEFERRED, "relay.example", "192.0.2.9", 0, "remote_smtp", "SMTP error from remote mail server after RCPT TO:<u@b.example>: 450 no" },
		{ "a host without a name", ID "=> u@b.example R=r T=t H=[192.0.2.9]:2525 C=\"250 ok\"", "u@b.example", NULL, DELIVERY_SENT, "", "192.0.2.9", 2525, "t", "250 ok" },
		{ "a host without an address", ID "=> u@b.example R=r T=lmtp H=lmtp C=\"250 ok\"", "u@b.example", NULL, DELIVERY_SENT, "lmtp", "", 0, "lmtp", "250 ok" },
		{ "port that is none", ID "=> u@b.example R=r T=t H=mx [192.0.2.9]:70000 C=\"250 ok\"", "u@b.example", NULL, DELIVERY_SENT, "mx", "192.0.2.9", 0, "t", "250 ok" },
		{ "an address literal", ID "** u@[IPv6:2001:db8::1]: no", "u@[IPv6:2001:db8::1]", NULL, DELIVERY_BOUNCED, "", "", 0, "", "no" },
		{ "a quoted local part that imitates a line", ID "** \"v@b.example R=x: 550 5.1.1 no\"@b.example" REMOTE ": 550 no", "\"v@b.example R=x: 550 5.1.1 no\"@b.example", NULL, DELIVERY_BOUNCED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "550 no" },
		{ "escaped quotes", ID "** \"a\\\" <v@b.example>: \\\\\"@b.example: 550 no", "\"a\\\" <v@b.example>: \\\\\"@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "550 no" },
		{ "an original that imitates", ID "** u@b.example <\"> R=x: 550 5.1.1\"@a.example>: 550 no", "u@b.example", "\"> R=x: 550 5.1.1\"@a.example", DELIVERY_BOUNCED, "", "", 0, "", "550 no" },
		{ "a piece of a long line", "[1/3] 2026-11-21 09:12:01 " ID "** u@b.example" REMOTE ": SMTP error", "u@b.example", NULL, DELIVERY_BOUNCED, "mx.b.example", "192.0.2.9", 0, "remote_smtp", "SMTP error" },
		{ "another such", "[1\\2] " ID "** u@b.example: x", "u@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "x" },
		{ "syslog with all in front", "2026-11-21 09:12:01.123 +0100 [77] " ID "** u@b.example: x", "u@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "x" },
		{ "a shadow transport that failed", ID "=> anna@a.example R=r T=local ST=copy (Permission denied) QT=1s", "anna@a.example", NULL, DELIVERY_SENT, "", "", 0, "local", "" },
		{ "a queue's name", ID "** u@b.example Q=night: x", "u@b.example", NULL, DELIVERY_BOUNCED, "", "", 0, "", "x" },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line e;
		WANT(parse(row->message, &e));
		WANT_INT(e.event, EVENT_DELIVERY);
		WANT_INT(e.status, row->want_status);
		WANT_TEXT(e.status_text, delivery_status_name(row->want_status));
		WANT_TEXT(e.to, row->want_to);
		WANT_INT(e.has_orig_to, row->want_orig_to != NULL);
		WANT_TEXT(e.orig_to, row->want_orig_to);
		WANT_TEXT(e.relay_host, row->want_host);
		WANT_TEXT(e.relay_ip, row->want_ip);
		WANT_INT(e.relay_port, row->want_port);
		WANT_TEXT(e.daemon, row->want_transport);
		WANT_TEXT(e.text, row->want_text);
		WANT_TEXT(e.instance, "exim");
		WANT_INT(e.arrival_s, 0); /* of 2020: too long ago to be believed */
		WANT_INT(e.delay_us, -1);
		WANT(!e.ambiguous && !e.no_address && !e.no_attempt);
	}
}

/* Results that are nobody's. */
static void marked(void **state)
{
	static const struct { const char *name, *message; bool no_address, no_attempt; } table[] = {
		{ "a pipe", ID "=> |/usr/bin/procmail -a \"x y\" <anna@a.example> R=userforward T=address_pipe", true, false },
		{ "a quoted pipe", ID "=> \"|/bin/x y\" <anna@a.example> R=userforward T=address_pipe", true, false },
		{ "a pipe that failed", ID "** |/bin/x <anna@a.example> R=u T=address_pipe: Child process of address_pipe transport returned 127", true, false },
		{ "a pipe that is tried again", ID "== |/bin/x <anna@a.example> R=userforward defer (-30): pipe_transport unset in userforward router", true, false },
		{ "a file", ID "=> /home/anna/mbox <anna@a.example> R=userforward T=address_file", true, false },
		{ "a file with a name like an address", ID "=> /m/a@b.example <a@b.example> R=userforward T=address_file", true, false },
		{ "a file of a filter", ID "=> save mbox <anna@a.example> R=userforward T=address_file", true, false },
		{ "nothing", ID "=> :blackhole: <anna@a.example> R=null", true, false },
		{ "thrown away", ID "=> discarded (system filter)", true, false },
		{ "an automatic answer", ID "=> >s@b.example <anna@a.example> R=vacation T=vacation_reply", true, false },
		{ "an address with a slash is one", ID "=> /c=de/s=x@b.example R=r T=t H=mx [192.0.2.9]", false, false },
		{ "retry time, routing", ID "== u@b.example routing defer (-52): retry time not reached", false, true },
		{ "retry time, local", ID "== u@b.example R=r T=local defer (-53): retry time not reached", false, true },
		{ "retry time, host", ID "== u@b.example R=r T=t defer (-54): retry time not reached for any host for 'b.example'", false, true },
		{ "queue_domains", ID "== u@b.example routing defer (-56): domain is in queue_domains", false, true },
		{ "queue_smtp_domains", ID "== u@b.example R=r T=t defer (-1): domain matches queue_smtp_domains, or -odqs set", false, true },
		{ "first pass", ID "== u@b.example R=r T=t defer (-1): first-pass only routing due to -odqs, queue_smtp_domains or control=queue", false, true },
		{ "without words", ID "== u@b.example R=r T=t defer (0)", false, true },
		{ "a server that answers 451 was asked", ID "== u@b.example R=r T=t defer (-46) H=mx [192.0.2.9]: SMTP error from remote mail server after end of data: 451 no -odqs", false, false },
		{ "taken out by hand", ID "** u@b.example: delivery cancelled by administrator", false, true },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line e;
		WANT(parse(row->message, &e));
		WANT_INT(e.event, EVENT_DELIVERY);
		WANT_INT(e.no_address, row->no_address);
		WANT_INT(e.no_attempt, row->no_attempt);
	}
}

static void malformed(void **state)
{
	static const struct { const char *name, *message; } table[] = {
		{ "no address", ID "** " },
		{ "a quote without end", ID "** \"u@b.example: 550 no" },
		{ "words instead of an address", ID "** no such thing: 550 no" },
		{ "a word among the fields", ID "** u@b.example R=x v@c.example T=y: 550 no" },
		{ "deferred without a number", ID "== u@b.example R=x T=y: 450 no" },
		{ "a number that is none", ID "== u@b.example R=x T=y defer (x): 450 no" },
		{ "deferred, and delivered", ID "=> u@b.example R=x T=y defer (-1): 450 no" },
		{ "an original without end", ID "** u@b.example <v@c.example: 550 no" },
		{ "two blanks", ID "**  u@b.example: 550 no" },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line e;
		WANT(parse(row->message, &e));
		WANT_INT(e.event, EVENT_MALFORMED);
	}
}

/* ---- other lines ---- */

static void events(void **state)
{
	static const struct { const char *name, *message; enum mta_event want; } table[] = {
		{ "completed", ID "Completed", EVENT_REMOVED },
		{ "completed, with its time", ID "Completed QT=5s", EVENT_REMOVED },
		{ "completed, 23 characters", LONG_ID "Completed", EVENT_REMOVED },
		{ "arrived", ID "<= s@a.example H=h.example [192.0.2.1] P=esmtp S=100", EVENT_ARRIVED },
		{ "suppressed by -N", ID "*> u@b.example R=r T=t H=mx [192.0.2.9] C=\"delivery bypassed by -N option\"", EVENT_NONE },
		{ "what one host said is no outcome", ID "H=mx.b.example [192.0.2.9]: SMTP error from remote mail server after RCPT TO:<u@b.example>: 450 no", EVENT_NONE },
		{ "the same, older", ID "SMTP error from remote mail server after RCPT TO:<u@b.example>: host mx [192.0.2.9]: 450 no", EVENT_NONE },
		{ "a time out", ID "H=mx.b.example [192.0.2.9] Connection timed out", EVENT_NONE },
		{ "frozen", ID "Frozen (delivery error message)", EVENT_NONE },
		{ "is frozen", ID "Message is frozen", EVENT_NONE },
		{ "taken out", ID "removed by root", EVENT_NONE },
		{ "given up", ID "cancelled by timeout_frozen_after", EVENT_NONE },
		{ "ignored", ID "u@b.example: error ignored", EVENT_NONE },
		{ "output of a pipe", ID "<|/bin/x>: address_pipe transport output: ** u@b.example: 550 5.1.1 no", EVENT_NONE },
		{ "completed, and more", ID "Completedly", EVENT_NONE },
		{ "refused at RCPT", "H=(x) [192.0.2.1] F=<s@a.example> rejected RCPT <u@b.example>: 550 5.1.1 ** no", EVENT_NONE },
		{ "refused after DATA", ID "H=h.example [192.0.2.1] F=<s@a.example> rejected after DATA: no", EVENT_NONE },
		{ "queue run", "Start queue run: pid=123", EVENT_NONE },
		{ "daemon", "exim 4.96 daemon started: pid=1, -q30m, listening for SMTP on port 25 (IPv4)", EVENT_NONE },
		{ "a second piece", "[2/2] " ID "** u@b.example: 550 5.1.1 no", EVENT_NONE },
		{ "a second piece, cut", "[2\\2] => u@b.example", EVENT_NONE },
		{ "an id that is none", "1jmFYj-00039V-QXX ** u@b.example: no", EVENT_NONE },
		{ "an id too short", "1jmFY-00039V-QX ** u@b.example: no", EVENT_NONE },
		{ "an id with more", "1jmFYj-00039V-QX-0 ** u@b.example: no", EVENT_NONE },
		{ "an id alone", "1jmFYj-00039V-QX", EVENT_NONE },
		{ "an id and a blank", ID, EVENT_NONE },
		{ "no blank behind the mark", ID "**u@b.example: no", EVENT_NONE },
		{ "an open bracket", "[123", EVENT_NONE },
		{ "nothing", "", EVENT_NONE },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line e;
		WANT_INT(parse(row->message, &e), row->want != EVENT_NONE);
		WANT_INT(e.event, row->want);
		if (row->want != EVENT_NONE)
			WANT_INT(e.queue_id.n, strchr(row->message, ' ') - row->message);
	}
}

static void arrivals(void **state)
{
	static const struct {
		const char *name, *message;
		const char *want_sender, *want_client, *want_login, *want_message_id;
		unsigned want_recipients;
	} table[] = {
		{ "from a host", ID "<= s@a.example H=h.example [192.0.2.1] P=esmtp S=100 id=1@a.example", "s@a.example", "h.example [192.0.2.1]", "", "1@a.example", 0 },
		{ "all selectors", ID "<= s@a.example H=h.example (helo.example) [2001:db8::1]:4711 I=[2001:db8::2]:25 L. TFO X=TLS1.3:E:256 CV=no SNI=\"mx\" A=plain_server:anna:s@a.example PRDR K S=100 DKIM=a.example M8S=0 RT=1s id=1@a.example T=\"a \\\"for x@y A=z:w\\\" subject\" from <s@a.example> for u@b.example \"v w\"@b.example",
		  "s@a.example", "h.example (helo.example) [2001:db8::1]", "anna", "1@a.example", 2 },
		{ "helo alone", ID "<= s@a.example H=(helo.example) [192.0.2.1] P=esmtpsa A=cram:anna@a.example S=100", "s@a.example", "(helo.example) [192.0.2.1]", "anna@a.example", "", 0 },
		{ "an address alone", ID "<= s@a.example H=[192.0.2.1] P=smtp S=100", "s@a.example", "[192.0.2.1]", "", "", 0 },
		{ "from this host", ID "<= root@a.example U=root P=local S=100 T=\"x\" for u@b.example", "root@a.example", "", "", "", 1 },
		{ "a bounce", ID "<= <> R=1jmFYj-00039V-QY U=Debian-exim P=local S=100", "", "", "", "", 0 },
		{ "a quoted sender", ID "<= \"a b: P=x\"@a.example H=h.example [192.0.2.1] P=esmtp S=1", "\"a b: P=x\"@a.example", "h.example [192.0.2.1]", "", "", 0 },
		{ "an ident that claims a login", ID "<= s@a.example H=h.example [192.0.2.1] U=x P=esmtpa A=plain:boss P=smtp S=1", "s@a.example", "h.example [192.0.2.1]", "", "", 0 },
		{ "no protocol", ID "<= s@a.example", "s@a.example", "", "", "", 0 },
		{ "words that are none", ID "<= s@a.example ?? !! P=smtp A=x:anna for", "s@a.example", "", "anna", "", 0 },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line e;
		WANT(parse(row->message, &e));
		WANT_INT(e.event, EVENT_ARRIVED);
		WANT_TEXT(e.sender, row->want_sender);
		WANT_TEXT(e.client, row->want_client);
		WANT_TEXT(e.login, row->want_login);
		WANT_TEXT(e.message_id, row->want_message_id);
		WANT_INT(e.recipients, row->want_recipients);
	}
}

static const char base_62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void write_id_time(char *id, int64_t time_s)
{
	for (int i = 5; i >= 0; i--, time_s /= 62)
		id[i] = base_62[time_s % 62];
}

/* The id tells when the message came, in UTC, whatever the stamps are. */
static void the_time_in_an_id(void **state)
{
	static const struct { const char *name, *arrival; bool want; } table[] = {
		{ "now", "2026-11-21T09:12:01Z", true },
		{ "four days ago", "2026-11-17T09:12:01Z", true },
		{ "another zone", "2026-11-21T20:12:01Z", true },
		{ "two years ago", "2024-11-21T09:12:01Z", false },
		{ "the future", "2026-11-23T09:12:01Z", false },
	};

	(void)state;
	EACH(row, table) {
		struct mta_line e;
		char message[] = "000000-00039V-QX Completed";
		write_id_time(message, at(row->arrival));
		WANT(parse(message, &e));
		WANT_INT(e.arrival_s, row->want ? at(row->arrival) : 0);
	}
}

static void queued_as(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "Exim's", "250 OK id=1jmFYj-00039V-QX", "1jmFYj-00039V-QX" },
		{ "longer", "250 OK id=1jmFYj-00000003abV-QX0z", "1jmFYj-00000003abV-QX0z" },
		{ "through a filter", "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 OK id=1jmFYj-00039V-QX, id=4", "1jmFYj-00039V-QX" },
		{ "another id before it", "250 id=77 OK id=1jmFYj-00039V-QX", "1jmFYj-00039V-QX" },
		{ "another MTA's", "250 2.0.0 Ok: queued as 4F5C64474F", "" },
		{ "none", "250 2.6.0 <1@a.example> [InternalId=123-456-78, Hostname=x]", "" },
		{ "empty", "", "" },
	};

	(void)state;
	EACH(row, table)
		WANT_TEXT(exim_queued_as(sv_of(row->text)), row->want);
}

/* ---- the reply in a text ---- */

static void replies(void **state)
{
	static const struct {
		const char *name, *text;
		int want_code;
		const char *want_enhanced, *want_words, *want_host;
		enum phase want_phase;
		bool want_remote;
	} table[] = {
		{ "RCPT", "SMTP error from remote mail server after RCPT TO:<u@b.example>: 550 5.1.1 no such user", 550, "5.1.1", "no such user", "", PHASE_RCPT, true },
		{ "older", "SMTP error from remote mail server after RCPT TO:<u@b.example>: host mx.b.example [192.0.2.9]: 550 no such user", 550, "", "no such user", "mx.b.example", PHASE_RCPT, true },
		{ "oldest", "SMTP error from remote mailer after MAIL FROM:<s@a.example> SIZE=100: host mx.b.example [2001:db8::9]: 451 4.7.1 later", 451, "4.7.1", "later", "mx.b.example", PHASE_MAIL, true },
		{ "pipelined", "SMTP error from remote mail server after pipelined MAIL FROM:<> SIZE=100: 550 no", 550, "", "no", "", PHASE_MAIL, true },
		{ "end of data", "SMTP error from remote mail server after end of data: 554 5.7.1 spam", 554, "5.7.1", "spam", "", PHASE_END_OF_DATA, true },
		{ "DATA", "SMTP error from remote mail server after DATA: 554 no valid recipients", 554, "", "no valid recipients", "", PHASE_DATA, true },
		{ "greeting", "SMTP error from remote mail server after initial connection: 554 5.1.1 go away", 554, "5.1.1", "go away", "", PHASE_CONNECT, true },
		{ "EHLO", "SMTP error from remote mail server after EHLO mx.a.example: 550 no", 550, "", "no", "", PHASE_HELO, true },
		{ "LMTP", "LMTP error after RCPT TO:<u@b.example>: 552 5.2.2 <u@b.example> Mailbox is full", 552, "5.2.2", "<u@b.example> Mailbox is full", "", PHASE_RCPT, true },
		{ "LMTP answers for each recipient after the data", "LMTP error after DATA: 550 Bad user", 550, "", "Bad user", "", PHASE_RCPT, true },
		{ "several lines", "SMTP error from remote mail server after RCPT TO:<u@b.example>: 550-5.1.1 The account does\\n550-5.1.1 not exist.\\n550 5.1.1 x\\ny", 550, "5.1.1", "The account does not exist. x\\ny", "", PHASE_RCPT, true },
		{ "quoted local part that imitates", "SMTP error from remote mail server after RCPT TO:<\">: 550 5.1.1 \"@b.example>: 450 4.2.0 later", 450, "4.2.0", "later", "", PHASE_RCPT, true },
		{ "host with words", "SMTP error from remote mail server after end of data: host unknown to me [x]: 550 no", 550, "", "host unknown to me [x]: no", "", PHASE_END_OF_DATA, true },
		{ "nothing behind", "SMTP error from remote mail server after end of data", 0, "", "", "", PHASE_END_OF_DATA, true },
		{ "its own words", "mailbox is full (MTA-imposed quota exceeded)", 0, "", "mailbox is full (MTA-imposed quota exceeded)", "", PHASE_NONE, false },
		{ "a backslash of Postfix's log", "550-a\\n550 b", 550, "", "a\\n550 b", "", PHASE_NONE, true },
	};

	(void)state;
	EACH(row, table) {
		static struct reply r;
		char enhanced[ENHANCED_TEXT_MAX];
		reply_parse(sv_of(row->text), (struct enhanced){ 0 }, &r);
		enhanced_format(r.enhanced, enhanced);
		WANT_INT(r.code, row->want_code);
		WANT_STRING(enhanced, row->want_enhanced);
		WANT_TEXT(r.words, row->want_words);
		WANT_TEXT(r.host, row->want_host);
		WANT_INT(r.phase, row->want_phase);
		WANT_INT(r.remote, row->want_remote);
	}
}

/* ---- the header ---- */

static void stamps(void **state)
{
	static const struct { const char *name, *zone, *line, *want; int want_us; const char *want_message; } table[] = {
		{ "plain", "UTC", "2026-11-21 09:12:01 " ID "Completed", "2026-11-21T09:12:01Z", 0, ID "Completed" },
		{ "+millisec", "UTC", "2026-11-21 09:12:01.123 " ID "Completed", "2026-11-21T09:12:01Z", 123000, ID "Completed" },
		{ "log_timezone", "UTC", "2026-11-21 09:12:01 +0100 " ID "Completed", "2026-11-21T08:12:01Z", 0, ID "Completed" },
		{ "both", "UTC", "2026-11-21 09:12:01.999 -0330 [77] " ID "Completed", "2026-11-21T12:42:01Z", 999000, "[77] " ID "Completed" },
		{ "CRLF", "UTC", "2026-11-21 09:12:01 " ID "Completed\r", "2026-11-21T09:12:01Z", 0, ID "Completed" },
		{ "local, winter", "Europe/Berlin", "2026-11-21 09:12:01 " ID "Completed", "2026-11-21T08:12:01Z", 0, ID "Completed" },
		{ "local, summer", "Europe/Berlin", "2026-07-21 09:12:01 " ID "Completed", "2026-07-21T07:12:01Z", 0, ID "Completed" },
		{ "the last second of winter", "Europe/Berlin", "2026-03-29 01:59:59 " ID "Completed", "2026-03-29T00:59:59Z", 0, ID "Completed" },
		{ "the first of summer", "Europe/Berlin", "2026-03-29 03:00:00 " ID "Completed", "2026-03-29T01:00:00Z", 0, ID "Completed" },
		{ "before the repeated hour", "Europe/Berlin", "2026-10-25 01:59:59 " ID "Completed", "2026-10-24T23:59:59Z", 0, ID "Completed" },
		{ "after the repeated hour", "Europe/Berlin", "2026-10-25 03:00:00 " ID "Completed", "2026-10-25T02:00:00Z", 0, ID "Completed" },
		{ "in it, its zone is told", "Europe/Berlin", "2026-10-25 02:30:00 +0200 " ID "Completed", "2026-10-25T00:30:00Z", 0, ID "Completed" },
		{ "in it again", "Europe/Berlin", "2026-10-25 02:30:00 +0100 " ID "Completed", "2026-10-25T01:30:00Z", 0, ID "Completed" },
		{ "RFC 3339 with a blank is syslog's", "UTC", "2026-11-21 09:12:01+01:00 mail exim[1]: x", "2026-11-21T08:12:01Z", 0, "x" },
		{ "no such day", "UTC", "2026-02-30 09:12:01 " ID "Completed", NULL, 0, NULL },
		{ "no such month", "UTC", "2026-13-01 09:12:01 " ID "Completed", NULL, 0, NULL },
		{ "hour 24", "UTC", "2026-11-21 24:12:01 " ID "Completed", NULL, 0, NULL },
		{ "before the epoch", "UTC", "1969-11-21 09:12:01 " ID "Completed", NULL, 0, NULL },
		{ "letters", "UTC", "2026-11-21 09:12:0x " ID "Completed", NULL, 0, NULL },
		{ "half a zone", "UTC", "2026-11-21 09:12:01 +01 " ID "Completed", NULL, 0, NULL },
		{ "nothing behind", "UTC", "2026-11-21 09:12:01", NULL, 0, NULL },
		{ "hardly anything behind", "UTC", "2026-11-21 09:12:01 abcd", NULL, 0, NULL },
	};

	(void)state;
	EACH(row, table) {
		struct stamp_anchor anchor = { 0 };
		struct line line;
		WANT(clock_set_zone(row->zone));
		WANT_INT(line_parse(sv_of(row->line), &anchor, &line), row->want != NULL);
		if (!row->want)
			continue;
		WANT_INT(line.time_us, at(row->want) * CLOCK_SECOND_US + row->want_us);
		WANT_INT(anchor.time_s, at(row->want));
		WANT_TEXT(line.message, row->want_message);
		WANT_TEXT(line.process, "exim");
		WANT_TEXT(line.host, strstr(row->line, " mail ") ? "mail" : "");
	}
	WANT(clock_set_zone("UTC"));
}

/* ---- logs to facts ---- */

struct seen {
	char text[2048];
};

static void see(void *arg, const struct fact *f)
{
	static const char *const kinds[] = { "delivered", "deferred", "failed", "expired", "removed" };
	char *text = ((struct seen *)arg)->text;
	size_t n = strlen(text);
	bool failure = f->kind == FACT_DEFERRED || f->kind == FACT_FAILED || (f->kind == FACT_EXPIRED && f->recipient);

	(void)snprintf(text + n, sizeof ((struct seen *)arg)->text - n, "%s%s <%.*s>%s%s%s%s%.*s\n", f->uncounted ? "also " : "", kinds[f->kind],
		SV_ARG(f->address), failure ? " " : "", failure ? category_name(f->failure.occurrence.category) : "",
		failure && f->failure.class_ == CLASS_HARD ? " hard" : "", f->sender.n ? " by " : "", SV_ARG(f->sender));
}

static void start(struct reader *reader)
{
	reader_init(reader, &config, rules);
	reader->host = SV("mail");
}

#define STAMP "2026-11-21 09:12:01 "
#define ARRIVED(sender, rest) STAMP ID "<= " sender " H=h.example [192.0.2.1] P=esmtpa A=plain:anna S=100" rest "\n"
#define SENT(to) STAMP ID "=> " to REMOTE " C=\"250 ok\"\n"
#define SAID(text) REMOTE ": SMTP error from remote mail server after " text "\n"
#define UNKNOWN(to) STAMP ID "** " to SAID("RCPT TO:<x>: 550 5.1.1 no such user")
#define DEFERRED(to) STAMP ID "== " to " R=r T=t defer (-44) H=mx.b.example [192.0.2.9]: SMTP error from remote mail server after RCPT TO:<x>: 452 over-quota\n"
#define COMPLETED STAMP ID "Completed\n"
#define ALIAS(n) ARRIVED("s@a.example", " for alias@a.example" n) UNKNOWN("final@b.example <alias@a.example>")

static const struct {
	const char *name, *log, *want;
	enum attribute_to attribute_to;
	enum record_left_out want_left_out; /* one line was; LEFT_OUT_NOT: none */
} table[] = {
	{ "delivered", ARRIVED("s@a.example", "") SENT("U@b.example") COMPLETED, "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "several, of which one fails", ARRIVED("s@a.example", "") SENT("u@b.example") STAMP ID "-> v@b.example" REMOTE "\n" UNKNOWN("w@b.example") COMPLETED,
	  "delivered <u@b.example> by s@a.example\ndelivered <v@b.example> by s@a.example\nfailed <w@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "its beginning was not seen", SENT("u@b.example") COMPLETED, "delivered <u@b.example>\nremoved <>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "deferred, delivered", ARRIVED("s@a.example", "") DEFERRED("u@b.example") SENT("u@b.example") COMPLETED,
	  "deferred <u@b.example> mailbox.full by s@a.example\ndelivered <u@b.example> by s@a.example\nremoved <> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "deferred, given up", ARRIVED("s@a.example", "") DEFERRED("u@b.example") STAMP ID "** u@b.example: retry timeout exceeded\n" COMPLETED,
	  "deferred <u@b.example> mailbox.full by s@a.example\nexpired <u@b.example> expired by s@a.example\nremoved <> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "the null sender", ARRIVED("<>", "") UNKNOWN("u@b.example") COMPLETED, "", ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "the null sender is told by the line itself", STAMP ID "** u@b.example F=<>" SAID("RCPT TO:<x>: 550 5.1.1 no"), "", ATTRIBUTE_FINAL, LEFT_OUT_NULL },
	{ "the sender, too", STAMP ID "** u@b.example F=<s@a.example>" SAID("RCPT TO:<x>: 550 5.1.1 no"), "failed <u@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "a pipe", ARRIVED("s@a.example", "") STAMP ID "=> |/bin/x <anna@a.example> R=r T=t\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NO_ADDRESS },
	{ "mail that came back", ARRIVED("s@a.example", "") STAMP ID "=> bounces+u=b.example <bounces+u=b.example@a.example> R=nixie_returned T=nixie_receive\n", "", ATTRIBUTE_FINAL, LEFT_OUT_RETURNED },
	{ "it waits", ARRIVED("s@a.example", "") STAMP ID "== bounces@a.example R=nixie_returned T=nixie_receive defer (0): Child process of nixie_receive transport returned 75 (could mean temporary error) from command: /usr/bin/nixie\n", "", ATTRIBUTE_FINAL, LEFT_OUT_RETURNED },
	{ "nobody was asked", ARRIVED("s@a.example", "") STAMP ID "== u@b.example routing defer (-52): retry time not reached\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NO_ATTEMPT },
	{ "to this host's own Exim again", ARRIVED("s@a.example", "") STAMP "1jmFYk-00039V-QX <= s@a.example H=localhost [127.0.0.1] P=esmtp S=1\n"
	  STAMP ID "=> u@b.example R=r T=filter H=localhost [127.0.0.1] C=\"250 OK id=1jmFYk-00039V-QX\"\n" COMPLETED STAMP "1jmFYk-00039V-QX => u@b.example" REMOTE " C=\"250 ok\"\n",
	  "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_HOP },
	{ "an id of another host's", ARRIVED("s@a.example", "") STAMP ID "=> u@b.example" REMOTE " C=\"250 OK id=1jmFYk-00039V-QX\"\n", "delivered <u@b.example> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "alias, final", ALIAS(""), "failed <final@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "alias, original", ALIAS(""), "failed <alias@a.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "alias, both", ALIAS(""), "failed <final@b.example> recipient.unknown hard by s@a.example\nalso failed <alias@a.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_BOTH, LEFT_OUT_NOT },
	{ "alias, one of two recipients", ALIAS(" v@b.example"), "failed <final@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "alias, nobody knows how many", ARRIVED("s@a.example", "") UNKNOWN("final@b.example <alias@a.example>"), "failed <final@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "alias with two targets", ARRIVED("s@a.example", " for alias@a.example") SENT("one@b.example <alias@a.example>") UNKNOWN("two@b.example <alias@a.example>"),
	  "delivered <alias@a.example> by s@a.example\nfailed <two@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_ORIGINAL, LEFT_OUT_NOT },
	{ "after DATA, alone", ARRIVED("s@a.example", " for u@b.example") STAMP ID "** u@b.example" SAID("end of data: 550 5.1.1 no"), "failed <u@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "after DATA, one of two", ARRIVED("s@a.example", " for u@b.example v@b.example") STAMP ID "** u@b.example" SAID("end of data: 550 5.1.1 no"), "failed <u@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "after DATA, nobody knows how many", ARRIVED("s@a.example", "") STAMP ID "** u@b.example" SAID("end of data: 550 5.1.1 no"), "failed <u@b.example> recipient.unknown by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "after DATA, by name", ARRIVED("s@a.example", "") STAMP ID "** u@b.example" SAID("end of data: 550 5.1.1 u@b.example is no user"), "failed <u@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "after DATA, LMTP", ARRIVED("s@a.example", "") STAMP ID "** u@b.example R=r T=lmtp: LMTP error after DATA: 550 5.1.1 no\n", "failed <u@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "a copy that the system filter made", ARRIVED("s@a.example", "") STAMP ID "=> archive <system-filter> R=r T=t\n", "delivered <> by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "at the greeting", ARRIVED("s@a.example", "") STAMP ID "** u@b.example" SAID("initial connection: 554 5.1.1 no"), "failed <u@b.example> other by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "cutthrough: the delivery before the arrival", STAMP ID ">> u@b.example" REMOTE "\n" ARRIVED("s@a.example", "") COMPLETED, "delivered <u@b.example>\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "syslog", "Nov 21 09:12:01 mx exim[1]: " STAMP ID "<= s@a.example H=h [192.0.2.1] P=smtp S=1\n2026-11-21T09:12:01.000001+00:00 mx exim[1]: " ID "** u@b.example" SAID("RCPT TO:<x>: 550 5.1.1 no"),
	  "failed <u@b.example> recipient.unknown hard by s@a.example\n", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
	{ "another program's line", STAMP ID "** not Exim's\nNov 21 09:12:01 mx dovecot[1]: " ID "** u@b.example: 550 5.1.1 no\nNov 21 09:12:01 mx exim/smtp[1]: " ID "** u@b.example: 550 5.1.1 no\n", "", ATTRIBUTE_FINAL, LEFT_OUT_NOT },
};

static void take_facts(struct reader *reader, const char *log, fact_callback *callback, void *arg)
{
	static struct record record;
	struct stamp_anchor anchor = { .time_s = at("2026-11-21T09:00:00Z") };
	struct sv rest = sv_of(log);

	while (rest.n)
		if (reader_line(reader, sv_cut(&rest, '\n'), &anchor, &record) != RECORD_NONE)
			record_facts(reader, &record, callback, arg);
}

static void logs(void **state)
{
	(void)state;
	EACH(row, table) {
		struct reader reader;
		struct seen seen = { "" };
		config.attribute_to = (int)row->attribute_to;
		start(&reader);
		take_facts(&reader, row->log, see, &seen);
		WANT_STRING(seen.text, row->want);
		for (int i = LEFT_OUT_PROBE; i < LEFT_OUT_COUNT; i++)
			WANT_INT(reader.counts.left_out[i], i == (int)row->want_left_out);
		reader_free(&reader);
	}
	config.attribute_to = ATTRIBUTE_FINAL;
}

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
	/* an ACL looks at the headers before the message has arrived */
	static const char log[] = "2026-11-21 09:11:58 1jmFYj-00039V-QX campaign header X-Campaign-Id: Spring from x; from=<y>\n"
		"2026-11-21 09:11:58 1jmFYj-00039V-QX <= s@a.example H=h.example [192.0.2.1] P=esmtpsa A=plain:anna S=100 id=1@a.example\n"
		UNKNOWN("u@b.example");
	struct reader reader;

	(void)state;
	start(&reader);
	take_facts(&reader, log, keep, NULL);
	WANT_INT(last_fact.kind, FACT_FAILED);
	WANT_INT(last_fact.time_s, at("2026-11-21T09:12:01Z"));
	WANT_INT(last_fact.arrival_s, at("2026-11-21T09:11:58Z")); /* of its first line: the id is of another year */
	WANT_STRING(last_message, "mail/exim/1jmFYj-00039V-QX");
	WANT_TEXT(last_fact.host, "mail");
	WANT(last_fact.never_deferred);
	WANT_TEXT(last_fact.login, "anna");
	WANT_TEXT(last_fact.client, "h.example [192.0.2.1]");
	WANT_TEXT(last_fact.message_id, "<1@a.example>");
	WANT_TEXT(last_fact.campaign, "spring from x; from=<y>");
	WANT_TEXT(last_fact.failure.remote, "mx.b.example");
	WANT_TEXT(last_fact.failure.occurrence.rule, "t.unknown");
	WANT_INT(last_fact.failure.code, 550);
	reader_free(&reader);
}

/* A log of a day, its sums counted by hand. */
static void sums(void **state)
{
	static const char log[] =
		"2026-11-21 00:00:01 Start queue run: pid=1\n"
		ARRIVED("s@a.example", "") SENT("a@b.example") STAMP ID "-> b@b.example" REMOTE "\n" STAMP ID ">> c@b.example" REMOTE "\n" COMPLETED
		ARRIVED("s@a.example", "") UNKNOWN("d@b.example") UNKNOWN("e@b.example") DEFERRED("f@b.example") STAMP ID "** f@b.example: retry timeout exceeded\n"
		"2026-11-21 09:12:01.5 broken\n"
		STAMP ID "** broken line\n" COMPLETED "no stamp at all\n"
		STAMP "H=(x) [192.0.2.7] F=<s@a.example> rejected RCPT <g@b.example>: 550 5.1.1 no\n";
	struct seen seen = { "" };
	struct reader reader;

	(void)state;
	start(&reader);
	take_facts(&reader, log, see, &seen);
	WANT_INT(reader.counts.lines, 16);
	WANT_INT(reader.counts.attempts, 7);
	WANT_INT(reader.counts.status[DELIVERY_SENT], 3);
	WANT_INT(reader.counts.status[DELIVERY_BOUNCED], 2);
	WANT_INT(reader.counts.status[DELIVERY_DEFERRED], 1);
	WANT_INT(reader.counts.status[DELIVERY_EXPIRED], 1);
	WANT_INT(reader.counts.rejected, 1);
	WANT_INT(reader.counts.unparsed, 2);
	reader_free(&reader);
}

/* ---- a recipient that is given up ---- */

static void add_fact(void *arg, const struct fact *f)
{
	ledger_add(arg, f);
}

static void given_up(void **state)
{
	static const struct {
		const char *name, *log;
		enum category want;
		const char *want_text; /* a part of it */
	} cases[] = {
		{ "classified by its last reply", ARRIVED("s@a.example", "") DEFERRED("u@b.example") DEFERRED("v@b.example") STAMP ID "** u@b.example: retry timeout exceeded\n", CATEGORY_MAILBOX_FULL, "452 over-quota" },
		{ "over a restart that forgot its beginning", DEFERRED("u@b.example") STAMP ID "** u@b.example <u2@a.example>: retry timeout exceeded\n", CATEGORY_MAILBOX_FULL, "452 over-quota" },
		{ "a host that has been dead for long", ARRIVED("s@a.example", "") STAMP ID "** u@b.example R=r T=t: retry timeout exceeded\n", CATEGORY_EXPIRED, "retry timeout exceeded" },
	};

	(void)state;
	EACH(row, cases) {
		struct store *store = store_memory(1);
		struct arena arena = { 0 };
		struct err err = { "" };
		struct reader reader;
		struct ledger ledger;
		struct entry entry;
		start(&reader);
		ledger_init(&ledger, store, &config);
		take_facts(&reader, row->log, add_fact, &ledger);
		WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_OK);
		WANT_INT(store_entry(store, &arena, SV("u@b.example"), &entry, &err), STORE_OK);
		WANT_INT(entry.status, STATUS_SOFT);
		WANT_INT(entry.count, 1);
		WANT_STRING(category_name(entry.reason), category_name(row->want));
		char text[1024];
		(void)snprintf(text, sizeof text, "%.*s", SV_ARG(entry.text));
		WANT_PART(text, row->want_text);
		/* whoever else is deferred stays pending */
		WANT_INT(store_entry(store, &arena, SV("v@b.example"), &entry, &err), STORE_ABSENT);
		ledger_free(&ledger);
		reader_free(&reader);
		store_free(store);
		arena_free(&arena);
	}
}

/* Deferred in the hour that is there twice, failed after it, read by a reader that was started in between. */
static void over_the_change_of_clocks(void **state)
{
	char deferred[] = "2026-10-25 02:30:00 000000-00039V-QX == u@b.example R=r T=t defer (110): Connection timed out\n";
	char failed[] = "2026-10-25 03:05:00 000000-00039V-QX ** u@b.example" SAID("RCPT TO:<u@b.example>: 550 4.4.7 timed out");
	struct store *store = store_memory(1);
	struct arena arena = { 0 };
	struct err err = { "" };
	struct reader reader;
	struct ledger ledger;
	struct entry entry;

	(void)state;
	write_id_time(deferred + 20, at("2026-10-24T23:50:00Z"));
	write_id_time(failed + 20, at("2026-10-24T23:50:00Z"));
	WANT(clock_set_zone("Europe/Berlin"));
	ledger_init(&ledger, store, &config);
	for (int i = 0; i < 2; i++) {
		start(&reader);
		take_facts(&reader, i ? failed : deferred, add_fact, &ledger);
		WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_OK);
		reader_free(&reader);
	}
	WANT(clock_set_zone("UTC"));
	WANT_INT(store_entry(store, &arena, SV("u@b.example"), &entry, &err), STORE_OK);
	WANT_INT(entry.count, 1);
	WANT_INT(entry.last_s, at("2026-10-25T02:05:00Z"));
	/* which of the two hours it was, nobody can tell */
	WANT(entry.first_s == at("2026-10-25T00:30:00Z") || entry.first_s == at("2026-10-25T01:30:00Z"));
	ledger_free(&ledger);
	store_free(store);
	arena_free(&arena);
}

int main(void)
{
	struct err err = { "" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results),
		cmocka_unit_test(marked),
		cmocka_unit_test(malformed),
		cmocka_unit_test(events),
		cmocka_unit_test(arrivals),
		cmocka_unit_test(the_time_in_an_id),
		cmocka_unit_test(queued_as),
		cmocka_unit_test(replies),
		cmocka_unit_test(stamps),
		cmocka_unit_test(logs),
		cmocka_unit_test(what_a_fact_holds),
		cmocka_unit_test(sums),
		cmocka_unit_test(given_up),
		cmocka_unit_test(over_the_change_of_clocks),
	};

	rules = ruleset_parse("t.conf", rule_file, &err);
	if (!rules || !clock_set_zone("UTC") || !config_parse("defaults", "", &config, &err)) {
		print_error("%s\n", err.text);
		return 1;
	}
	int failed = RUN(tests);
	ruleset_free(rules);
	return failed;
}
