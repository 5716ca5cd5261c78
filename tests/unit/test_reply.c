#include "test.h"

#include "reply.h"

#define SAID "host mx.example.com[192.0.2.1] said: "
#define NO_DSN { 0, 0, 0 }

static void replies(void **state)
{
	static const struct {
		const char *name, *text;
		struct enhanced dsn;
		int want_code;
		const char *want_enhanced;
		enum phase want_phase;
		bool want_remote;
		const char *want_host, *want_words;
	} table[] = {
		{ "as Postfix logs it", SAID "550 5.1.1 <u@example.com>: User unknown (in reply to RCPT TO command)", { 5, 1, 1 },
		  550, "5.1.1", PHASE_RCPT, true, "mx.example.com", "<u@example.com>: User unknown" },
		{ "the bare reply", "550 5.1.1 User unknown", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "User unknown" },
		{ "three lines", SAID "550-5.1.1 The email account does not exist. 550-5.1.1 Please try 550 5.1.1 again x12si.7 - gsmtp (in reply to RCPT TO command)",
		  { 5, 1, 1 }, 550, "5.1.1", PHASE_RCPT, true, "mx.example.com",
		  "The email account does not exist. Please try again x12si.7 - gsmtp" },
		{ "lines that rsyslog escaped", SAID "550-5.1.1 The email account does not exist.#012550-5.1.1#011Please try#015#012550 5.1.1 again (in reply to RCPT TO command)",
		  { 5, 1, 1 }, 550, "5.1.1", PHASE_RCPT, true, "mx.example.com", "The email account does not exist. Please try again" },
		{ "words that an escape parts", "550 5.1.1 no such#012user #011 here#012", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "no such user here" },
		{ "an escape before the code", "#012550 5.1.1 no", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "no" },
		{ "a number behind # is no escape", "550 5.1.1 error #0134, #01", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "error #0134, #01" },
		{ "a status behind # is none either", "550 no (#5.1.1)", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "no (#5.1.1)" },
		{ "the last line's status counts", "550-5.7.1 first 550 5.1.1 second", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "first second" },
		{ "the last line has none", "550-5.7.1 first 550 second", NO_DSN, 550, "5.7.1", PHASE_NONE, true, "", "first second" },
		{ "a number that is another code stays", "450-4.2.2 over quota of 450-first 450 4.2.2 try 550 later", NO_DSN,
		  450, "4.2.2", PHASE_NONE, true, "", "over quota of first try 550 later" },
		{ "one line that repeats its code", "550 5.1.1 error 550 user unknown", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "error 550 user unknown" },
		{ "no status, no dsn", SAID "550 No such user (in reply to RCPT TO command)", { 5, 0, 0 }, 550, "", PHASE_RCPT, true, "mx.example.com", "No such user" },
		{ "no status, but dsn", SAID "550 No such user", { 5, 1, 1 }, 550, "5.1.1", PHASE_NONE, true, "mx.example.com", "No such user" },
		{ "status with #", SAID "550 #5.1.0 Address rejected.", { 5, 0, 0 }, 550, "5.1.0", PHASE_NONE, true, "mx.example.com", "#5.1.0 Address rejected." },
		{ "status with (#", SAID "554 delivery error: (#5.2.1) disabled", { 5, 0, 0 }, 554, "5.2.1", PHASE_NONE, true, "mx.example.com", "delivery error: (#5.2.1) disabled" },
		{ "status in brackets", SAID "550 rejected [5.7.1]", { 5, 0, 0 }, 550, "5.7.1", PHASE_NONE, true, "mx.example.com", "rejected [5.7.1]" },
		{ "status of another class is not the reply's", SAID "450 try later (5.1.1)", { 4, 0, 0 }, 450, "", PHASE_NONE, true, "mx.example.com", "try later (5.1.1)" },
		{ "a version is no status", SAID "550 refused [5.1.1.2]", { 5, 0, 0 }, 550, "", PHASE_NONE, true, "mx.example.com", "refused [5.1.1.2]" },
		{ "an address is no status", SAID "550 from [5.1.1.200] refused", { 5, 0, 0 }, 550, "", PHASE_NONE, true, "mx.example.com", "from [5.1.1.200] refused" },
		{ "numbers too long for a status", SAID "550 5.1.1000 x", { 5, 0, 0 }, 550, "", PHASE_NONE, true, "mx.example.com", "5.1.1000 x" },
		{ "x.0.0 in the text", SAID "550 5.0.0 rejected", { 5, 0, 0 }, 550, "5.0.0", PHASE_NONE, true, "mx.example.com", "rejected" },
		{ "refused greeting", "host mx.example.com[192.0.2.1] refused to talk to me: 554 5.7.1 Blocked", { 4, 0, 0 },
		  554, "5.7.1", PHASE_CONNECT, true, "mx.example.com", "Blocked" },
		{ "end of data", SAID "552 5.3.4 too big (in reply to end of DATA command)", { 5, 3, 4 }, 552, "5.3.4", PHASE_END_OF_DATA, true, "mx.example.com", "too big" },
		{ "data", SAID "554 no (in reply to DATA command)", NO_DSN, 554, "", PHASE_DATA, true, "mx.example.com", "no" },
		{ "mail from", SAID "553 no (in reply to MAIL FROM command)", NO_DSN, 553, "", PHASE_MAIL, true, "mx.example.com", "no" },
		{ "helo", SAID "550 no (in reply to EHLO command)", NO_DSN, 550, "", PHASE_HELO, true, "mx.example.com", "no" },
		{ "lmtp", SAID "550 no (in reply to LHLO command)", NO_DSN, 550, "", PHASE_HELO, true, "mx.example.com", "no" },
		{ "unknown command", SAID "550 no (in reply to STARTTLS command)", NO_DSN, 550, "", PHASE_NONE, true, "mx.example.com", "no" },
		{ "the server imitates the mark", SAID "550 no (in reply to MAIL FROM command) (in reply to RCPT TO command)", NO_DSN,
		  550, "", PHASE_RCPT, true, "mx.example.com", "no (in reply to MAIL FROM command)" },
		{ "protocol error", "Protocol error: " SAID "250 ok (in reply to DATA command)", { 5, 5, 0 }, 250, "5.5.0", PHASE_DATA, true, "mx.example.com", "ok" },
		{ "protocol error behind", SAID "Protocol error: 250 ok", { 5, 5, 0 }, 250, "5.5.0", PHASE_NONE, true, "mx.example.com", "ok" },
		{ "the MTA's own words", "connect to mx.example.com[192.0.2.1]:25: Connection timed out", { 4, 4, 1 },
		  0, "4.4.1", PHASE_NONE, false, "", "connect to mx.example.com[192.0.2.1]:25: Connection timed out" },
		{ "no DNS", "Host or domain name not found. Name service error for name=x.example type=A: Host not found", { 5, 4, 4 },
		  0, "5.4.4", PHASE_NONE, false, "", "Host or domain name not found. Name service error for name=x.example type=A: Host not found" },
		{ "a number of its own words is no code", "maildir delivery failed: mailbox of 500 MB is full", { 5, 2, 2 },
		  0, "5.2.2", PHASE_NONE, false, "", "maildir delivery failed: mailbox of 500 MB is full" },
		{ "suspended because of a reply", "delivery temporarily suspended: " SAID "421 4.7.0 slow down", { 4, 7, 0 },
		  421, "4.7.0", PHASE_NONE, true, "", NULL },
		{ "said, but not by a host", "host says: 550 5.1.1 said: nobody", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", NULL },
		{ "a quoted reply", SAID "550 5.1.1 <u@x>: undeliverable address: host y[1] said: 452 4.2.2 full", NO_DSN, 452, "4.2.2", PHASE_NONE, true, "mx.example.com", "<u@x>: undeliverable address: host y[1] said: 452 4.2.2 full" },
		{ "a quoted reply without status", SAID "550 5.1.1 <u@x>: undeliverable address: host y[1] said: 550 full", NO_DSN, 550, "", PHASE_NONE, true, "mx.example.com", "<u@x>: undeliverable address: host y[1] said: 550 full" },
		{ "the innermost of two", SAID "550 5.1.1 a said: 551 5.7.1 b said: 554 5.2.1 c", NO_DSN, 554, "5.2.1", PHASE_NONE, true, "mx.example.com", "a said: 551 5.7.1 b said: 554 5.2.1 c" },
		{ "quoted words without code", SAID "550 5.1.1 a said: no", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "mx.example.com", "a said: no" },
		{ "\"said\" inside the words", SAID "550 5.1.1 host x[1] said: no", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "mx.example.com", "host x[1] said: no" },
		{ "code alone", "550", NO_DSN, 550, "", PHASE_NONE, true, "", "" },
		{ "code and status alone", "550 5.1.1", NO_DSN, 550, "5.1.1", PHASE_NONE, true, "", "" },
		{ "no such code", "650 no", NO_DSN, 0, "", PHASE_NONE, false, "", "650 no" },
		{ "four digits", "5500 no", NO_DSN, 0, "", PHASE_NONE, false, "", "5500 no" },
		{ "nothing", "", { 5, 1, 1 }, 0, "5.1.1", PHASE_NONE, false, "", "" },
		{ "blanks", "   ", NO_DSN, 0, "", PHASE_NONE, false, "", "" },
	};

	(void)state;
	EACH(row, table) {
		struct reply r;
		char enhanced[ENHANCED_TEXT_MAX];
		reply_parse(sv_of(row->text), row->dsn, &r);
		enhanced_format(r.enhanced, enhanced);
		WANT_INT(r.code, row->want_code);
		WANT_STRING(enhanced, row->want_enhanced);
		WANT_STRING(phase_name(r.phase), phase_name(row->want_phase));
		WANT_INT(r.remote, row->want_remote);
		WANT_TEXT(r.host, row->want_host);
		if (row->want_words)
			WANT_TEXT(r.words, row->want_words);
	}
}

/* A host's name ends at its own bracket, whatever stands later in the text. */
static void the_host_is_one_word(void **state)
{
	struct reply r;

	(void)state;
	reply_parse(SV("host mx.example.com] said: 550 no [x]"), (struct enhanced){ 0 }, &r);
	WANT_INT(sv_find(r.host, ' '), r.host.n);
}

static void long_texts_are_cut(void **state)
{
	static char text[3 * REPLY_TEXT_MAX];
	struct reply r;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, "550 5.1.1 ", 10);
	reply_parse(sv_make(text, sizeof text), (struct enhanced){ 0 }, &r);
	WANT_INT(r.code, 550);
	WANT_INT(r.words.n, REPLY_TEXT_MAX - 10);
	WANT(r.words.p == r.store);
}

static void enhanced(void **state)
{
	static const struct { const char *name, *text; bool want_ok; struct enhanced want; } table[] = {
		{ "usual", "5.1.1", true, { 5, 1, 1 } },
		{ "largest", "4.999.999", true, { 4, 999, 999 } },
		{ "success", "2.0.0", true, { 2, 0, 0 } },
		{ "no such class", "3.0.0", false, { 0 } },
		{ "class of two digits", "50.1.1", false, { 0 } },
		{ "too large", "5.1000.1", false, { 0 } },
		{ "junk behind", "5.1.1 ", false, { 0 } },
		{ "a part missing", "5.1", false, { 0 } },
		{ "an empty part", "5..1", false, { 0 } },
		{ "a letter", "5.1.a", false, { 0 } },
		{ "four parts", "5.1.1.1", false, { 0 } },
		{ "ends in a dot", "5.1.", false, { 0 } },
		{ "nothing", "", false, { 0 } },
	};

	(void)state;
	EACH(row, table) {
		struct enhanced e = { 9, 9, 9 };
		char text[ENHANCED_TEXT_MAX];
		WANT_INT(enhanced_parse(sv_of(row->text), &e), row->want_ok);
		if (!row->want_ok) {
			WANT_INT(e.class_, 9);
			continue;
		}
		WANT(e.class_ == row->want.class_ && e.subject == row->want.subject && e.detail == row->want.detail);
		enhanced_format(e, text);
		WANT_STRING(text, row->text);
	}
}

static void phases(void **state)
{
	enum phase phase;

	(void)state;
	for (int i = PHASE_CONNECT; i <= PHASE_END_OF_DATA; i++) {
		WANT(phase_by_name(sv_of(phase_name((enum phase)i)), &phase));
		WANT_INT(phase, i);
	}
	WANT(!phase_by_name(SV("none"), &phase)); /* no condition of a rule */
	WANT(!phase_by_name(SV("RCPT"), &phase));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies),
		cmocka_unit_test(the_host_is_one_word),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(enhanced),
		cmocka_unit_test(phases),
	};

	return RUN(tests);
}
