#include "test.h"

#include "config.h"
#include "decide.h"

static struct config config; /* large */

#define GROUPS(groups) "policyd: { answers = (\n " groups "\n); };"
#define MARK DECIDE_MARK ": "
#define TOKEN { "32-1", 4 } /* 10-1 */

static const struct answers *parse(const char *text)
{
	struct err err = { "" };

	if (!config_parse("t.conf", text, &config, &err))
		test_fail("config_parse", err.text, "a configuration", __FILE__, __LINE__);
	return &config.policyd_answers;
}

/* ---- decision by state, scope and answers ---- */

static const struct entry unknown = { .status = STATUS_HARD, .reason = CATEGORY_RECIPIENT_UNKNOWN, .since_s = 1795252321, .token = TOKEN };
static const struct entry full = { .status = STATUS_SOFT, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321 };
static const struct entry held = { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1796548321 };
static const struct entry manual = { .status = STATUS_MANUAL, .reason = CATEGORY_RECIPIENT_UNKNOWN, .since_s = 1795252321 };
static const struct entry complaint = { .status = STATUS_COMPLAINT, .reason = CATEGORY_COMPLAINT, .since_s = 1795252321 };
static const struct entry allowed = { .status = STATUS_ALLOW };
static const struct entry scoped = { .scopes = { "sender:shop.example=manual,1795252321,0 login:news=complaint,1795252321,1796548321", 82 } };
static const struct entry over = { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .since_s = 1795252321, .until_s = 1795252322 };

#define USUAL "550 5.1.1 " MARK "recipient.unknown since 2026-11-21, token 10-1"
#define USUAL_HELD "550 5.2.2 " MARK "mailbox.full since 2026-11-21 until 2026-12-06"

static const struct {
	const char *name, *answers;
	const struct entry *address, *domain;
	const char *sender, *login, *context;
	const char *reply; /* what is said, or would be */
	bool shadow;
	enum action action;
	const char *transport;
} table[] = {
	/* what is usual */
	{ "no groups", "", &unknown, NULL, "", "", "", USUAL, false, ACTION_REJECT, "error:5.1.1 " MARK "recipient.unknown since 2026-11-21, token 10-1" },
	{ "no groups, shadow", "policyd: { shadow = true; };", &unknown, NULL, "", "", "", USUAL, true, ACTION_REJECT, "" },
	{ "soft", "", &full, NULL, "", "", "", "DUNNO", false, ACTION_DUNNO, "" },
	{ "no group matches", GROUPS("{ status = \"held\"; action = \"DUNNO\"; }"), &unknown, NULL, "", "", "", USUAL, false, ACTION_REJECT, NULL },
	/* conditions */
	{ "by status", GROUPS("{ status = \"hard\"; action = \"DUNNO\"; }"), &unknown, NULL, "", "", "", "DUNNO", false, ACTION_DUNNO, "" },
	{ "one of a list", GROUPS("{ status = [ \"held\", \"hard\" ]; action = 551; }"), &unknown, NULL, "", "", "", "551 5.1.1 " MARK "recipient.unknown since 2026-11-21, token 10-1", false, ACTION_REJECT, NULL },
	{ "by category", GROUPS("{ category = \"mailbox.full\"; action = 450; }"), &held, NULL, "", "", "", "450 4.2.2 " MARK "mailbox.full since 2026-11-21 until 2026-12-06", false, ACTION_DEFER,
	  "retry:4.2.2 " MARK "mailbox.full since 2026-11-21 until 2026-12-06" },
	{ "of another category", GROUPS("{ category = [ \"challenge\", \"policy\" ]; action = 450; }"), &held, NULL, "", "", "", USUAL_HELD, false, ACTION_REJECT, NULL },
	{ "all of the conditions", GROUPS("{ status = \"held\"; category = \"recipient.unknown\"; action = \"DUNNO\"; }"), &unknown, NULL, "", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "by sender", GROUPS("{ from = \"sender:Shop.Example\"; action = \"DUNNO\"; }"), &unknown, NULL, "a@sHop.example", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "another sender", GROUPS("{ from = \"sender:shop.example\"; action = \"DUNNO\"; }"), &unknown, NULL, "a@news.shop.example", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "no sender", GROUPS("{ from = \"sender:shop.example\"; action = \"DUNNO\"; }"), &unknown, NULL, "", "shop.example", "shop.example", USUAL, false, ACTION_REJECT, NULL },
	{ "by login", GROUPS("{ from = \"login:news\"; action = \"DUNNO\"; }"), &unknown, NULL, "", "news", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "by context, of several", GROUPS("{ from = [ \"login:news\", \"context:shop\" ]; action = \"DUNNO\"; }"), &unknown, NULL, "", "", "shop", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "the from of its own group only", GROUPS("{ from = \"login:a\"; action = 551; }, { from = \"login:b\"; action = 552; }, { action = 553; }"), &manual, NULL, "", "b", "",
	  "552 5.7.1 " MARK "do-not-mail since 2026-11-21", false, ACTION_REJECT, NULL },
	{ "the first that matches", GROUPS("{ status = \"hard\"; }, { action = \"DUNNO\"; }"), &unknown, NULL, "", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "do-not-mail has no category", GROUPS("{ category = \"recipient.unknown\"; action = \"DUNNO\"; }"), &manual, NULL, "", "", "",
	  "550 5.7.1 " MARK "do-not-mail since 2026-11-21", false, ACTION_REJECT, NULL },
	{ "do-not-mail", GROUPS("{ status = \"manual\"; action = \"REJECT\"; }"), &manual, NULL, "", "", "", "REJECT 5.7.1 " MARK "do-not-mail since 2026-11-21", false, ACTION_REJECT, NULL },
	{ "do-not-mail, later", GROUPS("{ status = \"manual\"; action = \"DEFER\"; }"), &manual, NULL, "", "", "", "DEFER 4.7.1 " MARK "do-not-mail since 2026-11-21", false, ACTION_DEFER, NULL },
	{ "a complaint", GROUPS("{ category = \"complaint\"; action = \"DISCARD\"; }"), &complaint, NULL, "", "", "", "DISCARD " MARK "complaint since 2026-11-21", false, ACTION_DISCARD,
	  "discard:" MARK "complaint since 2026-11-21" },
	{ "soft", GROUPS("{ status = \"soft\"; category = \"mailbox.full\"; action = \"DEFER\"; text = \"full since ${since}\"; }"), &full, NULL, "", "", "",
	  "DEFER 4.2.2 " MARK "full since 2026-11-21", false, ACTION_DEFER, "retry:4.2.2 " MARK "full since 2026-11-21" },
	{ "soft, and all match", GROUPS("{ action = \"550\"; }"), &full, NULL, "", "", "", "550 5.2.2 " MARK "mailbox.full since 2026-11-21", false, ACTION_REJECT, NULL },
	{ "soft, with a text for others", GROUPS("{ text = \"no\"; }"), &full, NULL, "", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "allowed is no matter of answers", GROUPS("{ action = \"550\"; }"), &allowed, NULL, "", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "nothing known, neither", GROUPS("{ action = \"550\"; }"), NULL, NULL, "", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	/* what decides is asked about, not what else is known */
	{ "the whole domain", GROUPS("{ status = \"manual\"; action = \"DEFER_IF_PERMIT\"; text = \"${status}${scope}\"; }"), &full, &manual, "", "", "",
	  "DEFER_IF_PERMIT 4.7.1 " MARK "manual (the whole domain)", false, ACTION_DEFER_IF_PERMIT, "retry:4.7.1 " MARK "manual (the whole domain)" },
	{ "soft, of an allowed domain", GROUPS("{ action = \"550\"; }"), &full, &allowed, "", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "soft, of a hard domain", GROUPS("{ status = \"soft\"; action = \"450\"; }"), &full, &unknown, "", "", "",
	  "550 5.1.1 " MARK "recipient.unknown (the whole domain) since 2026-11-21, token 10-1", false, ACTION_REJECT, NULL },
	{ "for some senders", GROUPS("{ status = \"manual\"; text = \"${category}${scope}, ask for [${token}]\"; }"), &scoped, NULL, "a@shop.example", "", "",
	  "550 5.7.1 " MARK "do-not-mail for this sender, ask for []", false, ACTION_REJECT, NULL },
	{ "a complaint for some", GROUPS("{ category = \"complaint\"; action = \"HOLD\"; }"), &scoped, NULL, "a@else.example", "news", "",
	  "HOLD " MARK "complaint for this login since 2026-11-21 until 2026-12-06", false, ACTION_HOLD, "" },
	/* the shadow */
	{ "one scope in the shadow", GROUPS("{ from = \"sender:shop.example\"; shadow = true; }"), &unknown, NULL, "a@shop.example", "", "", USUAL, true, ACTION_REJECT, "" },
	{ "who does not tell may be the one", GROUPS("{ from = \"sender:shop.example\"; shadow = true; }"), &unknown, NULL, "?", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "or the one who is told less", GROUPS("{ from = \"login:news\"; action = \"INFO\"; }"), &unknown, NULL, "?", "", "", "DUNNO", false, ACTION_DUNNO, NULL },
	{ "or the one who is told more", GROUPS("{ from = \"sender:shop.example\"; action = \"551\"; text = \"no\"; }"), &unknown, NULL, "?", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "but not of another category", GROUPS("{ from = \"sender:shop.example\"; category = \"mailbox.full\"; shadow = true; }"), &unknown, NULL, "?", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "and the others not", GROUPS("{ from = \"sender:shop.example\"; shadow = true; }"), &unknown, NULL, "a@else.example", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "one category first", GROUPS("{ category = \"recipient.unknown\"; shadow = false; }, { shadow = true; }"), &unknown, NULL, "", "", "", USUAL, false, ACTION_REJECT, NULL },
	{ "and the others later", GROUPS("{ category = \"recipient.unknown\"; shadow = false; }, { shadow = true; }"), &held, NULL, "", "", "", USUAL_HELD, true, ACTION_REJECT, NULL },
	{ "the whole service, less one", "policyd: { shadow = true; answers = ( { status = \"manual\"; shadow = false; } ); };", &manual, NULL, "", "", "",
	  "550 5.7.1 " MARK "do-not-mail since 2026-11-21", false, ACTION_REJECT, NULL },
	{ "the whole service, as the group does not say", "policyd: { answers = ( { action = \"DEFER\"; } ); shadow = true; };", &manual, NULL, "", "", "",
	  "DEFER 4.7.1 " MARK "do-not-mail since 2026-11-21", true, ACTION_DEFER, "" },
	/* every action */
	{ "REJECT", GROUPS("{ action = \"REJECT\"; }"), &held, NULL, "", "", "", "REJECT 5.2.2 " MARK "mailbox.full since 2026-11-21 until 2026-12-06", false, ACTION_REJECT, NULL },
	{ "DEFER", GROUPS("{ action = \"defer\"; }"), &held, NULL, "", "", "", "DEFER 4.2.2 " MARK "mailbox.full since 2026-11-21 until 2026-12-06", false, ACTION_DEFER, NULL },
	{ "DEFER_IF_REJECT", GROUPS("{ action = \"DEFER_IF_REJECT\"; text = \"x\"; }"), &held, NULL, "", "", "", "DEFER_IF_REJECT 4.2.2 " MARK "x", false, ACTION_DEFER_IF_REJECT, "" },
	{ "a code as a string", GROUPS("{ action = \"450\"; text = \"x\"; }"), &held, NULL, "", "", "", "450 4.2.2 " MARK "x", false, ACTION_DEFER, NULL },
	{ "HOLD", GROUPS("{ action = \"HOLD\"; text = \"x\"; }"), &held, NULL, "", "", "", "HOLD " MARK "x", false, ACTION_HOLD, NULL },
	{ "WARN", GROUPS("{ action = \"WARN\"; text = \"x\"; }"), &held, NULL, "", "", "", "WARN " MARK "x", false, ACTION_WARN, "" },
	{ "INFO", GROUPS("{ action = \"INFO\"; }"), &held, NULL, "", "", "", "INFO " MARK "mailbox.full since 2026-11-21 until 2026-12-06", false, ACTION_INFO, "" },
	{ "REDIRECT", GROUPS("{ action = \"REDIRECT\"; text = \"dead+letters@example.com\"; }"), &held, NULL, "", "", "", "REDIRECT dead+letters@example.com", false, ACTION_REDIRECT, "" },
	{ "BCC", GROUPS("{ action = \"BCC\"; text = \"help@example.com\"; }"), &held, NULL, "", "", "", "BCC help@example.com", false, ACTION_BCC, "" },
	{ "FILTER", GROUPS("{ action = \"FILTER\"; text = \"smtp:[127.0.0.1]:10025\"; }"), &held, NULL, "", "", "", "FILTER smtp:[127.0.0.1]:10025", false, ACTION_FILTER, "" },
	{ "FILTER without destination", GROUPS("{ action = \"FILTER\"; text = \"slow_lane-2:\"; }"), &held, NULL, "", "", "", "FILTER slow_lane-2:", false, ACTION_FILTER, "" },
	{ "PREPEND", GROUPS("{ action = \"PREPEND\"; text = \"X-Nixie: ${status} ${category}${until}\"; }"), &held, NULL, "", "", "", "PREPEND X-Nixie: held mailbox.full until 2026-12-06", false,
	  ACTION_PREPEND, "" },
	{ "all that a text can tell", GROUPS("{ text = \"${category}|${status}|${since}|${until}|${token}|${scope}|$5 {x} $$\"; }"), &unknown, NULL, "", "", "",
	  "550 5.1.1 " MARK "recipient.unknown|hard|2026-11-21||10-1||$5 {x} $$", false, ACTION_REJECT, NULL },
	/* after the term */
	{ "parole", GROUPS("{ action = \"450\"; text = \"later${until}\"; }"), &over, NULL, "", "", "",
	  "450 4.2.2 " MARK "later, awaiting the fate of another message", false, ACTION_PAROLE, "" },
	{ "parole in the shadow", GROUPS("{ shadow = true; text = \"x\"; }"), &over, NULL, "", "", "", "550 5.2.2 " MARK "x", true, ACTION_PAROLE, "" },
};

static void decisions(void **state)
{
	(void)state;
	EACH(row, table) {
		const struct answers *answers = parse(row->answers);
		const struct known known = { row->address, row->domain, { sv_of(row->sender), sv_of(row->login), sv_of(row->context), strcmp(row->sender, "?") == 0 } };
		char transport[DECIDE_TRANSPORT_MAX];
		struct decision d;
		memset(&d, 'x', sizeof d);
		decide(&known, answers, 1795252323, &d);
		WANT_STRING(d.reply, row->reply);
		WANT_INT(d.action, row->action);
		WANT_INT(d.shadow, row->shadow);
		WANT_STRING(decide_reply(&d), row->shadow || row->action == ACTION_PAROLE ? "DUNNO" : row->reply);
		decide_transport(&d, transport, sizeof transport);
		if (row->transport)
			WANT_STRING(transport, row->transport);
	}
}

/* Whom parole is not granted gets what the configuration says. */
static void no_parole(void **state)
{
	char transport[DECIDE_TRANSPORT_MAX];
	struct decision d;

	(void)state;
	decide(&(const struct known){ .address = &over }, parse(GROUPS("{ status = \"held\"; action = \"DISCARD\"; }")), 1795252323, &d);
	WANT_INT(d.action, ACTION_PAROLE);
	decide_no_parole(&d);
	WANT_INT(d.action, ACTION_DISCARD);
	WANT_STRING(decide_reply(&d), "DISCARD " MARK "mailbox.full since 2026-11-21, awaiting the fate of another message");
	decide_transport(&d, transport, sizeof transport);
	WANT_STRING(transport, "discard:" MARK "mailbox.full since 2026-11-21, awaiting the fate of another message");
	decide(&(const struct known){ .address = &over }, parse(GROUPS("{ action = \"DUNNO\"; }")), 1795252323, &d);
	WANT_INT(d.action, ACTION_PAROLE);
	decide_no_parole(&d);
	WANT_STRING(decide_reply(&d), "DUNNO");
}

/* ---- every action, state and category ---- */

static const char *const heads[] = { "REJECT 5.", "DEFER 4.", "DEFER_IF_PERMIT 4.", "DEFER_IF_REJECT 4.", "550 5.", "599 5.", "400 4.", "HOLD ", "DISCARD ", "WARN ", "INFO ",
	"REDIRECT ", "FILTER ", "BCC ", "PREPEND ", "DUNNO" };

static const char *text_for(const char *head)
{
	return strcmp(head, "PREPEND ") == 0 ? "X-A: ${category}" : strcmp(head, "FILTER ") == 0 ? "smtp:[::1]:25" :
		strcmp(head, "REDIRECT ") == 0 || strcmp(head, "BCC ") == 0 ? "a@b.example" : NULL;
}

/* One line of printable ASCII that Postfix takes, with "action=" of 500 bytes at most. */
static void want_line(const struct decision *d, const char *head)
{
	bool words = strcmp(head, "DUNNO") != 0 && !text_for(head);

	WANT(strncmp(d->reply, head, strlen(head)) == 0);
	WANT(strlen("action=") + strlen(d->reply) <= 500);
	for (const char *p = d->reply; *p; p++)
		WANT(*p >= ' ' && *p <= '~');
	WANT(!words || strstr(d->reply, " " DECIDE_MARK ": "));
	/* the status is of the class, and the text behind it */
	if (d->enhanced[0]) {
		struct enhanced e;
		WANT(enhanced_parse(sv_of(d->enhanced), &e));
		WANT_INT(e.class_ + '0', strchr(head, '.')[-1]);
		WANT(strncmp(strstr(d->reply, d->enhanced) + strlen(d->enhanced), " " DECIDE_MARK ": ", sizeof " " DECIDE_MARK ": " - 1) == 0);
	}
	WANT_INT(d->enhanced[0] != '\0', strchr(head, '.') != NULL);
}

static void every_reply_is_a_line(void **state)
{
	static const char hostile[] = "99999999999999999\r\naction=OK\n\n";
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		const char *words = text_for(heads[i]);
		(void)snprintf(text, sizeof text, GROUPS("{ action = \"%.*s\"; %s%s%s }"), (int)strcspn(heads[i], " "), heads[i],
			words ? "text = \"" : "", words ? words : "", words ? "\";" : "");
		const struct answers *answers = parse(text);
		for (int status = STATUS_SOFT; status <= STATUS_MANUAL; status++) {
			for (int reason = 0; reason < CATEGORY_COUNT; reason++) {
				struct entry e = { .status = (enum status)status, .reason = (enum category)reason, .since_s = INT64_C(253402300799),
					.until_s = INT64_C(253402300799), .token = sv_of(hostile), .text = sv_of(hostile), .by = sv_of(hostile) };
				struct decision d;
				test_row = heads[i];
				decide(&(const struct known){ .address = &e }, answers, 1795252323, &d);
				want_line(&d, heads[i]);
			}
		}
	}
	test_row = "";
}

/* A text as long as the configuration takes one, with all that it tells as long as it can be. */
static void longest_texts(void **state)
{
	static const char all[] = "${category}${status}${since}${until}${token}${scope}";
	char text[1024], fill[ANSWERS_TEXT_MAX + 2];
	size_t told = 0;
	struct err err;

	(void)state;
	for (int i = 0; i < FACT_COUNT; i++)
		told += answers_fact_max((enum answer_fact)i);
	for (int more = 0; more < 2; more++) {
		size_t n = ANSWERS_TEXT_MAX - told + (size_t)more;
		memset(fill, 'x', n);
		fill[n] = '\0';
		(void)snprintf(text, sizeof text, GROUPS("{ action = \"DEFER_IF_PERMIT\"; text = \"%s%s\"; }"), all, fill);
		WANT_INT(config_parse("t.conf", text, &config, &err), !more);
	}
	WANT_PART(err.text, "it can take 431 bytes");
	memset(fill, 'x', sizeof fill - 2);
	fill[ANSWERS_TEXT_MAX] = '\0';
	(void)snprintf(text, sizeof text, GROUPS("{ action = \"DEFER_IF_PERMIT\"; text = \"%s\"; }"), fill);
	struct decision d;
	decide(&(const struct known){ .address = &unknown }, parse(text), 1795252323, &d);
	want_line(&d, "DEFER_IF_PERMIT 4.");
	WANT_STRING(d.reply + strlen(d.reply) - ANSWERS_TEXT_MAX, fill);
}

/* The bound of each fact is one. */
static void facts_have_bounds(void **state)
{
	const struct entry e = { .status = STATUS_COMPLAINT, .reason = CATEGORY_COMPLAINT, .since_s = STATE_TIME_MAX_S, .until_s = STATE_TIME_MAX_S,
		.token = SV("576460752303423487-576460752303423487-1023") };
	struct decision d;

	(void)state;
	for (int i = 0; i < CATEGORY_COUNT; i++)
		WANT(strlen(category_name((enum category)i)) <= answers_fact_max(FACT_CATEGORY));
	WANT(strlen("do-not-mail") <= answers_fact_max(FACT_CATEGORY));
	for (int i = STATUS_NONE; i <= STATUS_ALLOW; i++)
		WANT(strlen(status_name((enum status)i)) <= answers_fact_max(FACT_STATUS));
	for (int i = SCOPE_SENDER; i <= SCOPE_CONTEXT; i++)
		WANT(strlen(" for this ") + strlen(scope_kind_name((enum scope_kind)i)) <= answers_fact_max(FACT_SCOPE));
	static const struct { const char *name; enum answer_fact fact; } told[] = {
		{ "${since}", FACT_SINCE }, { "${until}", FACT_UNTIL }, { "${token}", FACT_TOKEN }, { "${scope}", FACT_SCOPE } };
	for (size_t i = 0; i < COUNT(told); i++) {
		char text[128];
		test_row = told[i].name;
		(void)snprintf(text, sizeof text, GROUPS("{ text = \"%s\"; }"), told[i].name);
		decide(&(const struct known){ .domain = &e }, parse(text), 1795252323, &d);
		WANT(strlen(d.text) - strlen(MARK) <= answers_fact_max(told[i].fact));
		WANT(strlen(d.text) > strlen(MARK));
	}
	test_row = "";
}

/* ---- the option ---- */

static void errors(void **state)
{
	static const struct { const char *name, *text, *want; } bad[] = {
		{ "no list", "policyd: {\n answers = { action = \"DUNNO\"; }; };", "t.conf:2: policyd.answers: write a list" },
		{ "no groups", "policyd: { answers = (\n \"DUNNO\" ); };", "t.conf:2: policyd.answers: each member is a group" },
		{ "no such member", GROUPS("{ reply = \"DUNNO\"; }"), "t.conf:2: an answer has no \"reply\"; it has the conditions status, category, from, and action, text, shadow" },
		{ "no such status", GROUPS("{ status = [ \"hard\", \"bounced\" ]; }"), "t.conf:2: status: \"bounced\" is none that is asked here; write soft, held, hard, complaint or manual" },
		{ "allowed", GROUPS("{ status = \"allow\"; }"), "status: \"allow\" is none that is asked here" },
		{ "none", GROUPS("{ status = \"none\"; }"), "status: \"none\" is none that is asked here" },
		{ "status as a number", GROUPS("{ status = 1; }"), "status: write a string, or a list of them, such as [ \"hard\", \"held\" ]" },
		{ "a list of none", GROUPS("{ category = [ ]; }"), "category: an empty list; leave it out" },
		{ "no such category", GROUPS("{ category = \"mailbox\"; }"), "category: there is no \"mailbox\"; write one such as \"mailbox.full\", nixie-rules(5) lists them" },
		{ "no such scope", GROUPS("{ from = ( \"shop.example\" ); }"), "from: \"shop.example\" is no scope; write sender:shop.example" },
		{ "an address", GROUPS("{ from = \"sender:a@shop.example\"; }"), "(a domain)" },
		{ "shadow in quotes", GROUPS("{ shadow = \"true\"; }"), "shadow: write true or false, without quotes" },
		{ "OK", GROUPS("{ action = \"OK\"; }"), "t.conf:2: action: OK would accept the mail, whatever the restrictions behind it say; write \"DUNNO\"" },
		{ "ok", GROUPS("{ action = \"ok\"; }"), "action: OK would accept" },
		{ "RELAY", GROUPS("{ action = \"RELAY\"; }"), "action: RELAY would accept" },
		{ "PERMIT", GROUPS("{ action = \"permit\"; }"), "action: PERMIT would accept" },
		{ "digits", GROUPS("{ action = \"12345\"; }"), "action: 12345 would accept the mail" },
		{ "250", GROUPS("{ action = 250; }"), "action: 250 would accept the mail" },
		{ "600", GROUPS("{ action = \"600\"; }"), "action: 600 would accept the mail" },
		{ "0550", GROUPS("{ action = \"0550\"; }"), "action: 0550 would accept the mail" },
		{ "a negative code", GROUPS("{ action = -550; }"), "action: \"-550\" is none of them" },
		{ "421", GROUPS("{ action = 421; }"), "action: 421 ends the connection, for all other recipients too; write 450" },
		{ "521", GROUPS("{ action = \"521\"; }"), "action: 521 ends the connection, for all other recipients too; write 550" },
		{ "empty", GROUPS("{ action = \"\"; }"), "action: \"\" is none of them; write one of DUNNO, REJECT, DEFER," },
		{ "a blank", GROUPS("{ action = \" \"; }"), "is none of them" },
		{ "a code and a text", GROUPS("{ action = \"550 5.1.1 gone\"; }"), "action: \"550 5.1.1 gone\" is none of them" },
		{ "another restriction", GROUPS("{ action = \"permit_mynetworks\"; }"), "action: \"permit_mynetworks\" is none of them" },
		{ "parole", GROUPS("{ action = \"PAROLE\"; }"), "is none of them" },
		{ "a list of actions", GROUPS("{ action = [ \"WARN\", \"DEFER\" ]; }"), "action: write one of DUNNO" },
		{ "a text that is none", GROUPS("{ text = 5; }"), "text: write some words, or leave it out" },
		{ "an empty text", GROUPS("{ text = \"\"; }"), "text: write some words" },
		{ "a text of blanks", GROUPS("{ text = \"  \"; }"), "text: write some words" },
		{ "a line end", GROUPS("{ text = \"a\\nb\"; }"), "text: the byte 0x0a in it is no printable ASCII" },
		{ "CR", GROUPS("{ text = \"a\\rb\"; }"), "text: the byte 0x0d in it" },
		{ "DEL", GROUPS("{ text = \"a\\x7f\"; }"), "text: the byte 0x7f in it" },
		{ "a tab", GROUPS("{ text = \"a\\tb\"; }"), "text: the byte 0x09 in it" },
		{ "UTF-8", GROUPS("{ text = \"gel\xc3\xb6scht\"; }"), "text: the byte 0xc3 in it" },
		{ "no such placeholder", GROUPS("{ text = \"a ${reason}\"; }"), "text: there is no ${reason}; write ${category}, ${status}, ${since}, ${until}, ${token} or ${scope}" },
		{ "an empty one", GROUPS("{ text = \"a ${}\"; }"), "text: there is no ${}" },
		{ "one without end", GROUPS("{ text = \"a ${category\"; }"), "text: there is no ${}; write ${category}" },
		{ "DUNNO with a text", GROUPS("{ action = \"DUNNO\";\n text = \"a\"; }"), "t.conf:3: DUNNO has no text; leave it out, or write action = \"WARN\"" },
		{ "soft with a text alone", GROUPS("{ status = [ \"hard\", \"soft\" ]; text = \"a\"; }"), "a soft entry is answered DUNNO, which has no text; write an action, too" },
		{ "do-not-mail of a category", GROUPS("{ status = \"manual\"; category = \"mailbox.full\"; }"), "a person's do-not-mail has no category: this never matches" },
		{ "PREPEND alone", GROUPS("{ action = \"PREPEND\"; }"), "PREPEND needs a header in text, as in: action = \"PREPEND\"; text = \"X-Nixie: ${category}\";" },
		{ "PREPEND of no header", GROUPS("{ action = \"PREPEND\"; text = \"suppressed\"; }"), "PREPEND needs a header" },
		{ "a header without value", GROUPS("{ action = \"PREPEND\"; text = \"X-A: \"; }"), "PREPEND needs a header" },
		{ "a header with a blank", GROUPS("{ action = \"PREPEND\"; text = \"X A: b\"; }"), "PREPEND needs a header" },
		{ "a header without name", GROUPS("{ action = \"PREPEND\"; text = \": b\"; }"), "PREPEND needs a header" },
		{ "a placeholder in its name", GROUPS("{ action = \"PREPEND\"; text = \"X${until}: b\"; }"), "PREPEND needs a header" },
		{ "REDIRECT alone", GROUPS("{ action = \"REDIRECT\"; }"), "REDIRECT needs an address in text, as in: action = \"REDIRECT\"; text = \"postmaster@example.com\";" },
		{ "REDIRECT to nobody", GROUPS("{ action = \"REDIRECT\"; text = \"postmaster\"; }"), "REDIRECT needs an address" },
		{ "to two", GROUPS("{ action = \"REDIRECT\"; text = \"a@b.example, c@d.example\"; }"), "REDIRECT needs an address" },
		{ "to a placeholder", GROUPS("{ action = \"REDIRECT\"; text = \"${category}@b.example\"; }"), "REDIRECT needs an address" },
		{ "BCC in brackets", GROUPS("{ action = \"BCC\"; text = \"<a@b.example>\"; }"), "BCC needs an address" },
		{ "BCC alone", GROUPS("{ action = \"BCC\"; }"), "BCC needs an address in text" },
		{ "FILTER alone", GROUPS("{ action = \"FILTER\"; }"), "FILTER needs transport:destination in text, as in: action = \"FILTER\"; text = \"smtp:[127.0.0.1]:10025\";" },
		{ "FILTER without transport", GROUPS("{ action = \"FILTER\"; text = \":[127.0.0.1]\"; }"), "FILTER needs" },
		{ "FILTER without colon", GROUPS("{ action = \"FILTER\"; text = \"smtp\"; }"), "FILTER needs" },
		{ "FILTER with a blank", GROUPS("{ action = \"FILTER\"; text = \"smtp:a b\"; }"), "FILTER needs" },
		{ "never reached", GROUPS("{ shadow = true; },\n { status = \"hard\"; action = \"DUNNO\"; }"), "t.conf:3: the answer before it, on line 2, has no condition: this one is never reached; put that one last" },
	};

	(void)state;
	EACH(row, bad) {
		struct err err = { "" };
		WANT(!config_parse("t.conf", row->text, &config, &err));
		WANT_PART(err.text, row->want);
		WANT(strncmp(err.text, "t.conf:", 7) == 0);
	}
}

static void too_many(void **state)
{
	char text[16384];
	struct buf b = BUF_ON(text);
	struct err err;

	(void)state;
	buf_add(&b, SV("policyd: { answers = ( "));
	for (int i = 0; i <= ANSWERS_MAX; i++)
		buf_addf(&b, "%s{ from = \"login:%d\"; }", i ? ", " : "", i);
	buf_add(&b, SV(" ); };"));
	WANT(!config_parse("t.conf", buf_cstr(&b), &config, &err));
	WANT_PART(err.text, "policyd.answers has more than 32 members");
	buf_reset(&b);
	buf_add(&b, SV("policyd: { answers = ( { from = [ "));
	for (int i = 0; i <= ANSWERS_FROM_MAX; i++)
		buf_addf(&b, "%s\"login:%d\"", i ? ", " : "", i);
	buf_add(&b, SV(" ]; } ); };"));
	WANT(!config_parse("t.conf", buf_cstr(&b), &config, &err));
	WANT_PART(err.text, "from: more than 64 of them");
}

/* policyd.shadow and policyd.answers are two options in one struct: neither takes the other along. */
static void reload(void **state)
{
	static struct config running;

	(void)state;
	parse("policyd: { shadow = true; answers = ( { action = \"DUNNO\"; } ); };");
	running = config;
	config_reload(&running, (parse("policyd: { shadow = true; };"), &config));
	WANT(running.policyd_answers.shadow && running.policyd_answers.n == 0);
	config_reload(&running, (parse("policyd: { answers = ( { action = \"WARN\"; } ); };"), &config));
	WANT(!running.policyd_answers.shadow && running.policyd_answers.n == 1 && running.policyd_answers.v[0].action == ACTION_WARN);
}

static void in_the_shadow_altogether(void **state)
{
	(void)state;
	WANT(!answers_all_shadow(parse("")));
	WANT(answers_all_shadow(parse("policyd: { shadow = true; };")));
	WANT(answers_all_shadow(parse("policyd: { shadow = true; answers = ( { action = \"DEFER\"; } ); };")));
	WANT(!answers_all_shadow(parse("policyd: { shadow = true; answers = ( { status = \"hard\"; shadow = false; } ); };")));
	WANT(!answers_all_shadow(parse("policyd: { answers = ( { shadow = true; } ); };")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions),
		cmocka_unit_test(no_parole),
		cmocka_unit_test(every_reply_is_a_line),
		cmocka_unit_test(longest_texts),
		cmocka_unit_test(facts_have_bounds),
		cmocka_unit_test(errors),
		cmocka_unit_test(too_many),
		cmocka_unit_test(reload),
		cmocka_unit_test(in_the_shadow_altogether),
	};

	return RUN(tests);
}
