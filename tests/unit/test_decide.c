#include "test.h"

#include "decide.h"

static void decisions(void **state)
{
	static const struct {
		const char *name;
		struct entry entry;
		const char *now, *want;
	} table[] = {
		{ "soft", { .status = STATUS_SOFT, .reason = CATEGORY_MAILBOX_FULL }, "2026-11-21", "DUNNO" },
		{ "allowed", { .status = STATUS_ALLOW, .reason = CATEGORY_RECIPIENT_UNKNOWN }, "2026-11-21", "DUNNO" },
		{ "nothing", { .status = STATUS_NONE }, "2026-11-21", "DUNNO" },
		{ "hard", { .status = STATUS_HARD, .reason = CATEGORY_RECIPIENT_UNKNOWN, .since_s = 1795252321 }, "2026-11-22",
		  "550 5.1.1 Recipient suppressed by nixie: recipient.unknown since 2026-11-21" },
		{ "hard with a token", { .status = STATUS_HARD, .reason = CATEGORY_DNS_NO_MX, .since_s = 1795252321, .token = { "32-1", 4 } }, "2026-11-22",
		  "550 5.4.4 Recipient suppressed by nixie: dns.no-mx since 2026-11-21, token 10-1" },
		{ "held", { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1796548321 }, "2026-11-22",
		  "550 5.2.2 Recipient suppressed by nixie: mailbox.full since 2026-11-21 until 2026-12-06" },
		{ "held, the last second", { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1796548321 },
		  "2026-12-06T09:12:00Z", "550 5.2.2 Recipient suppressed by nixie: mailbox.full since 2026-11-21 until 2026-12-06" },
		{ "a person's hold, the term is over", { .status = STATUS_HELD, .origin = ORIGIN_MANUAL, .since_s = 1795252321, .until_s = 1796548321 },
		  "2026-12-06T09:12:01Z", "DUNNO" },
		{ "another message is out on parole", { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1796548321,
		  .parole_s = 1796548400 }, "2026-12-08T09:13:19Z",
		  "550 5.2.2 Recipient suppressed by nixie: mailbox.full since 2026-11-21, awaiting the fate of another message" },
		{ "the same with a token", { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1796548321,
		  .parole_s = 1796548400, .token = { "32-1", 4 } }, "2026-12-06T09:12:01Z",
		  "550 5.2.2 Recipient suppressed by nixie: mailbox.full since 2026-11-21, awaiting the fate of another message, token 10-1" },
		{ "a complaint's term ends without parole", { .status = STATUS_COMPLAINT, .reason = CATEGORY_COMPLAINT, .since_s = 1795252321, .until_s = 1796548321 },
		  "2026-12-06T09:12:01Z", "DUNNO" },
		{ "complaint", { .status = STATUS_COMPLAINT, .reason = CATEGORY_COMPLAINT, .since_s = 1795252321 }, "2036-01-01",
		  "550 5.7.1 Recipient suppressed by nixie: complaint since 2026-11-21" },
		{ "manual: the category left over says nothing", { .status = STATUS_MANUAL, .reason = CATEGORY_RECIPIENT_UNKNOWN, .since_s = 1795252321 }, "2036-01-01",
		  "550 5.7.1 Recipient suppressed by nixie: do-not-mail since 2026-11-21" },
		{ "hard by hand, without a failure before", { .status = STATUS_HARD, .reason = CATEGORY_OTHER, .origin = ORIGIN_MANUAL, .since_s = 1795252321 },
		  "2036-01-01", "550 5.7.1 Recipient suppressed by nixie: by hand since 2026-11-21" },
		{ "held by hand", { .status = STATUS_HELD, .reason = CATEGORY_OTHER, .origin = ORIGIN_MANUAL, .since_s = 1795252321, .until_s = 1796548321 },
		  "2026-11-22", "550 5.7.1 Recipient suppressed by nixie: by hand since 2026-11-21 until 2026-12-06" },
		{ "by hand after failures: their reason", { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .origin = ORIGIN_MANUAL, .since_s = 1795252321,
		  .until_s = 1796548321 }, "2026-11-22", "550 5.2.2 Recipient suppressed by nixie: mailbox.full since 2026-11-21 until 2026-12-06" },
		{ "a token that is none is not told", { .status = STATUS_HARD, .reason = CATEGORY_RECIPIENT_MOVED, .since_s = 1795252321, .token = { "\r\nx", 3 } }, "2026-11-22",
		  "550 5.1.6 Recipient suppressed by nixie: recipient.moved since 2026-11-21" },
	};

	(void)state;
	EACH(row, table) {
		struct decision d;
		memset(&d, 'x', sizeof d);
		decide(&(const struct known){ .address = &row->entry }, NULL, at(row->now), &d);
		WANT_STRING(d.reply, row->want);
		WANT_INT(d.action, strcmp(row->want, "DUNNO") == 0 ? ACTION_DUNNO : ACTION_REJECT);
	}
}

/* When failures' term is over: one message, and the refusal for the others. */
static void parole(void **state)
{
	static const struct { const char *name; struct entry entry; const char *now; enum action want; } table[] = {
		{ "the last second of the term", { .status = STATUS_HELD, .until_s = 1796548321 }, "2026-12-06T09:12:00Z", ACTION_REJECT },
		{ "the term is over", { .status = STATUS_HELD, .until_s = 1796548321 }, "2026-12-06T09:12:01Z", ACTION_PAROLE },
		{ "hard has terms too", { .status = STATUS_HARD, .until_s = 1796548321 }, "2027-12-06", ACTION_PAROLE },
		{ "hard for ever", { .status = STATUS_HARD }, "2036-12-06", ACTION_REJECT },
		{ "one is out", { .status = STATUS_HARD, .until_s = 1796548321, .parole_s = 1796548321 }, "2026-12-08T09:12:00Z", ACTION_REJECT },
		{ "and was never heard of", { .status = STATUS_HARD, .until_s = 1796548321, .parole_s = 1796548321 }, "2026-12-08T09:12:01Z", ACTION_PAROLE },
	};

	(void)state;
	EACH(row, table) {
		struct decision d;
		decide(&(const struct known){ .address = &row->entry }, NULL, at(row->now), &d);
		WANT_INT(d.action, row->want);
		WANT(strncmp(d.reply, "550 5.", 6) == 0);
		WANT_STRING(decide_reply(&d), row->want == ACTION_PAROLE ? "DUNNO" : d.reply);
		decide_no_parole(&d);
		WANT_INT(d.action, ACTION_REJECT);
		WANT_STRING(decide_reply(&d), d.reply);
		/* what is past is no more promised */
		WANT_INT(strstr(d.reply, ", awaiting the fate of another message") != NULL, row->entry.until_s != 0 && at(row->now) >= row->entry.until_s);
		WANT_INT(strstr(d.reply, " until ") != NULL, at(row->now) < row->entry.until_s);
	}
}

/* nixie(7), PRECEDENCE: every state of the address, with and without a scope that fits, for every state of the domain. */
static void precedence(void **state)
{
	static const enum status statuses[] = { STATUS_NONE, STATUS_SOFT, STATUS_HELD, STATUS_HARD, STATUS_COMPLAINT, STATUS_MANUAL, STATUS_ALLOW };
	/* by address (row), scope (none, fits) and domain (none, soft, held, hard, complaint, manual, allow):
	 * . nothing, + allowed, A S D refused by address, scope, domain; small letters: allowed by address or domain */
	static const char *const want[][2] = {
		{ "..DDDDd", "SSSSSSS" }, /* none */
		{ "..DDDDd", "SSSSSSS" }, /* soft */
		{ "AAAADDd", "SSSSSSS" }, /* held */
		{ "AAAADDd", "SSSSSSS" }, /* hard */
		{ "AAAAAAA", "AAAAAAA" }, /* complaint */
		{ "AAAAAAA", "AAAAAAA" }, /* manual */
		{ "aaaaaaa", "SSSSSSS" }, /* allow: not against do-not-mail */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		for (int scoped = 0; scoped < 2; scoped++) {
			for (size_t j = 0; j < COUNT(statuses); j++) {
				const struct entry address = { .status = statuses[i], .since_s = 1795252321,
					.scopes = sv_of(scoped ? "login:other=manual,1,0 sender:shop.example=manual,1795252321,0" : "sender:else.example=manual,1,0") };
				const struct entry domain = { .status = statuses[j], .since_s = 1795252321 };
				const struct known known = { &address, &domain, { .address = SV("News@Shop.Example"), .login = SV("shop") } };
				struct decision d;
				char got, row[64];
				decide(&known, NULL, 1795252322, &d);
				got = d.action == ACTION_REJECT ? " ASD"[d.by] : d.by == BY_ADDRESS ? 'a' : d.by == BY_DOMAIN ? 'd' : '.';
				(void)snprintf(row, sizeof row, "%s, %s, domain %s", status_name(statuses[i]), scoped ? "scope" : "no scope", status_name(statuses[j]));
				test_row = row;
				WANT_INT(got, want[i][scoped][j]);
				WANT(d.action != ACTION_REJECT || strncmp(d.reply, "550 5.", 6) == 0);
			}
		}
	}
	test_row = "";
}

static void nothing_known(void **state)
{
	struct decision d;

	(void)state;
	decide(&(const struct known){ .address = NULL }, NULL, 0, &d);
	WANT_INT(d.action, ACTION_DUNNO);
	WANT_STRING(d.reply, "DUNNO");
}

static void no_answer(void **state)
{
	struct decision d;
	char transport[DECIDE_TRANSPORT_MAX];

	(void)state;
	decide_defer(&d);
	WANT_INT(d.action, ACTION_DEFER_IF_PERMIT);
	WANT_STRING(d.reply, "DEFER_IF_PERMIT 4.3.0 The recipient cannot be checked at the moment, please try again");
	decide_transport(&d, transport, sizeof transport);
	WANT_STRING(transport, "retry:4.3.0 The recipient cannot be checked at the moment, please try again");
}

/* Whatever an entry holds, a reply is one line that Postfix takes: code, status of class 5, text, not too long. */
static void every_refusal_is_a_line(void **state)
{
	static const char hostile[] = "99999999999999999\r\naction=OK\n\n";

	(void)state;
	for (int status = STATUS_NONE; status <= STATUS_ALLOW; status++) {
		for (int reason = 0; reason < CATEGORY_COUNT; reason++) {
			struct entry e = { .status = (enum status)status, .reason = (enum category)reason, .since_s = INT64_C(253402300799),
				.until_s = INT64_C(253402300799), .token = sv_of(hostile), .text = sv_of(hostile),
				.by = sv_of(hostile), .rule = sv_of(hostile), .remote = sv_of(hostile) };
			struct decision d;
			test_row = category_name(e.reason);
			decide(&(const struct known){ .address = &e }, NULL, at("2026-11-21"), &d);
			WANT(strlen(d.reply) < DECIDE_REPLY_MAX);
			WANT(strpbrk(d.reply, "\r\n") == NULL);
			if (d.action == ACTION_DUNNO)
				continue;
			WANT(strncmp(d.reply, "550 5.", 6) == 0);
			WANT_PART(d.reply, " " DECIDE_MARK ": ");
		}
	}
	test_row = "";
}

static void who_is_suppressed(void **state)
{
	(void)state;
	for (int i = STATUS_NONE; i <= STATUS_ALLOW; i++) {
		struct entry e = { .status = (enum status)i };
		enum status back;
		bool want = i == STATUS_HELD || i == STATUS_HARD || i == STATUS_COMPLAINT || i == STATUS_MANUAL;
		test_row = status_name(e.status);
		WANT_INT(entry_suppressed(&e, 1000), want);
		e.until_s = 1000;
		WANT_INT(entry_suppressed(&e, 999), want);
		WANT_INT(entry_suppressed(&e, 1000), false);
		WANT_INT(status_protected(e.status), i == STATUS_COMPLAINT || i == STATUS_MANUAL);
		WANT(status_by_name(sv_of(status_name(e.status)), &back));
		WANT_INT(back, i);
	}
	test_row = "";
}

/* The table of categories, as nixie(7) prints it. */
static void categories(void **state)
{
	static const struct { const char *name, *class_, *fault; } table[] = {
		{ "recipient.unknown", "hard", "recipient" }, { "recipient.disabled", "hard", "recipient" },
		{ "recipient.moved", "hard", "recipient" }, { "recipient.syntax", "hard", "recipient" },
		{ "domain.unknown", "hard", "recipient" }, { "mailbox.full", "soft", "recipient" },
		{ "challenge", "soft", "recipient" }, { "autoreply", "none", "recipient" },
		{ "dns.failure", "soft", "remote" }, { "dns.no-mx", "soft", "remote" }, { "network", "soft", "remote" },
		{ "server.busy", "soft", "remote" }, { "greylisted", "soft", "remote" }, { "throttled", "soft", "sender" },
		{ "message.too-large", "soft", "message" }, { "spam.content", "soft", "message" }, { "virus", "soft", "message" },
		{ "blocked.reputation", "soft", "sender" }, { "blocked.auth", "soft", "sender" }, { "policy", "soft", "sender" },
		{ "protocol", "soft", "sender" }, { "expired", "soft", "remote" }, { "suppressed", "none", "local" },
		{ "complaint", "complaint", "recipient" }, { "other", "soft", "remote" },
	};

	(void)state;
	WANT_INT(COUNT(table), CATEGORY_COUNT);
	EACH(row, table) {
		enum category c;
		struct enhanced e;
		WANT(category_by_name(sv_of(row->name), &c));
		WANT_STRING(category_name(c), row->name);
		WANT_STRING(class_name(category_class(c)), row->class_);
		WANT_STRING(fault_name(category_fault(c)), row->fault);
		WANT(strlen(category_meaning(c)) > 5);
		WANT(enhanced_parse(sv_of(category_refusal_status(c)), &e) && e.class_ == 5);
		/* only the recipient's fault can suppress at once */
		WANT(category_class(c) != CLASS_HARD || category_fault(c) == FAULT_RECIPIENT);
	}
	enum category c;
	WANT(!category_by_name(SV("mailbox"), &c) && !category_by_name(SV(""), &c) && !category_by_name(SV("Other"), &c));
}

static void states(void **state)
{
	const struct entry hard = { .status = STATUS_HARD, .reason = CATEGORY_RECIPIENT_UNKNOWN, .since_s = 1795252321, .token = { "32-1", 4 } };
	const struct entry held = { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1796548321 };
	const struct entry soft = { .status = STATUS_SOFT, .reason = CATEGORY_GREYLISTED, .since_s = 1795252321 };
	const struct entry manual = { .status = STATUS_MANUAL, .reason = CATEGORY_OTHER, .since_s = 1795252321 };
	const struct entry allowed = { .status = STATUS_ALLOW, .since_s = 1795252321 };
	const struct entry scoped = { .status = STATUS_NONE, .scopes = { "sender:a.example manual 1795252321 0 - x", 40 } };
	const struct { const char *name; const struct entry *address, *domain; const char *now, *want; } table[] = {
		{ "hard", &hard, NULL, "2026-11-22", "hard recipient.unknown since=2026-11-21 token=10-1" },
		{ "held", &held, NULL, "2026-11-22", "held mailbox.full since=2026-11-21 until=2026-12-06" },
		{ "held, its term over", &held, NULL, "2027-11-22", "held mailbox.full since=2026-11-21 until=2026-12-06" },
		{ "soft", &soft, NULL, "2026-11-22", "soft greylisted since=2026-11-21" },
		{ "do-not-mail", &manual, NULL, "2026-11-22", "manual since=2026-11-21" },
		{ "allowed", &allowed, NULL, "2026-11-22", "allow since=2026-11-21" },
		{ "a domain", NULL, &manual, "2026-11-22", "manual since=2026-11-21 by=domain" },
		{ "a domain over a soft address", &soft, &hard, "2026-11-22", "hard recipient.unknown since=2026-11-21 token=10-1 by=domain" },
		{ "an address over its domain", &hard, &soft, "2026-11-22", "hard recipient.unknown since=2026-11-21 token=10-1" },
		{ "an allowed address in a domain that is not", &allowed, &manual, "2026-11-22", "allow since=2026-11-21" },
		{ "for some senders only", &scoped, NULL, "2026-11-22", NULL },
		{ "nothing", NULL, NULL, "2026-11-22", NULL },
	};

	(void)state;
	EACH(row, table) {
		const struct known known = { .address = row->address, .domain = row->domain, .sender = { .address = SV("s@a.example") } };
		struct decision d;
		memset(&d, 'x', sizeof d);
		decide_state(&known, at(row->now), &d);
		WANT_INT(d.action, ACTION_DUNNO);
		WANT_INT(d.by == BY_NOTHING, row->want == NULL);
		if (row->want)
			WANT_STRING(d.reply, row->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(parole),
		cmocka_unit_test(precedence),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(every_refusal_is_a_line),
		cmocka_unit_test(who_is_suppressed),
		cmocka_unit_test(categories),
		cmocka_unit_test(states),
	};

	return RUN(tests);
}
