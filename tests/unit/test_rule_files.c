/* Rule files: named lists, providers, block lists, what is refused, and how directories
 * are laid over each other. */
#include "judge.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "match.h"

/* ---- named words ---- */

static void named_words(void **state)
{
	static const struct { const char *name, *reply, *want; } table[] = {
		{ "the first of a list", "550 your ip is known", "us" },
		{ "the second of a list", "550 RELAY denied", "us" },
		{ "a branch of one", "550 your domain", "us" },
		{ "beside them", "550 refused", "us" },
		{ "nothing of them", "550 no such user", "unknown" },
		{ "kept away by the list", "550 no such user in your domain", "us" },
		{ "kept away by what is beside the list", "550 no such user, temporarily", "(none)" },
		{ "kept away by another list", "550 no such user, try later", "(none)" },
		{ "a list of one", "550 later", "later" },
	};
	struct ruleset *set = parse("rules = ( { id = 'us'; category = 'policy'; text = [ '${us}', 'refused' ]; },"
		"{ id = 'unknown'; category = 'recipient.unknown'; text = 'no such user'; not-text = [ '${us}', 'temporar', '${later}' ]; },"
		"{ id = 'later'; category = 'greylisted'; text = '${later}'; not-text = 'user'; } );"
		"words = ( { name = 'us'; text = [ 'your (ip|domain)', 'relay' ]; }, { name = 'later'; text = 'later|again'; } );");

	(void)state;
	EACH(row, table)
		WANT_STRING(id_of(judge(set, row->reply)), row->want);
	ruleset_free(set);
}

/* A list without members is one that nothing is in: the way to empty a shipped one. */
static void words_without_members(void **state)
{
	struct ruleset *set = parse("words = ( { name = 'none'; text = [ ]; } );"
		"rules = ( { id = 'a'; category = 'policy'; text = '${none}'; }, { id = 'b'; category = 'policy'; code = '550'; not-text = '${none}'; } );");

	(void)state;
	WANT_STRING(id_of(judge(set, "550 anything")), "b");
	ruleset_free(set);
}

static void a_dollar_that_is_meant(void **state)
{
	struct ruleset *set = parse("rules = ( { id = 'a'; category = 'policy'; text = 'error \\\\${[a-z]+}'; } );");

	(void)state;
	WANT_STRING(id_of(judge(set, "550 error ${code} of a template")), "a");
	ruleset_free(set);
}

/* Many rules, one list: each by its other conditions. */
static void one_list_of_many_rules(void **state)
{
	char text[8192], reply[64], want[16];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_add(&b, SV("words = ( { name = 'full'; text = [ 'over ?quota', 'mailbox (is )?full' ]; } ); rules = ( "));
	for (int i = 0; i < 100; i++)
		buf_addf(&b, "%s{ id = 'r%d'; category = 'mailbox.full'; text = '${full}'; code = '5%02d'; }", i ? ", " : "", i, i);
	buf_add(&b, SV(" );"));
	struct ruleset *set = parse(buf_cstr(&b));
	for (int i = 0; i < 100; i++) {
		(void)snprintf(reply, sizeof reply, "5%02d %s", i, i % 2 ? "Mailbox is full" : "OVERQUOTA");
		(void)snprintf(want, sizeof want, "r%d", i);
		WANT_STRING(id_of(judge(set, reply)), want);
	}
	WANT_STRING(id_of(judge(set, "450 over quota")), "(none)");
	WANT_STRING(id_of(judge(set, "550 full")), "(none)");
	ruleset_free(set);
}

/* ---- providers ---- */

static void providers(void **state)
{
	static const struct { const char *name, *host, *want; } table[] = {
		{ "itself", "example.com", "big" },
		{ "below", "mx1.example.com", "big" },
		{ "case of the host", "MX1.EXAMPLE.Com", "big" },
		{ "case of the table", "mx.example.org", "org" },
		{ "the longest", "mx.mail.example.com", "mail" },
		{ "the longest itself", "mail.example.com", "mail" },
		{ "longer by letters only", "xmail.example.com", "big" },
		{ "only ends alike", "badexample.com", "" },
		{ "above", "com", "" },
		{ "in the middle", "example.com.evil.test", "" },
		{ "with a dot at the end", "example.com.", "" },
		{ "an address", "192.0.2.1", "" },
		{ "dots", "..", "" },
		{ "nothing", "", "" },
	};
	struct ruleset *set = parse("providers = ( { name = 'big'; relay = [ 'example.com', 'big.example' ]; },"
		"{ name = 'mail'; relay = 'mail.example.com'; }, { name = 'org'; relay = 'Example.ORG'; } );");
	char host[400];

	(void)state;
	EACH(row, table)
		WANT_TEXT(ruleset_provider(set, sv_of(row->host)), row->want);
	memset(host, 'a', sizeof host);
	memcpy(host + sizeof host - 12, ".example.com", 12);
	WANT_TEXT(ruleset_provider(set, sv_make(host, sizeof host)), ""); /* no name is so long */
	WANT_TEXT(ruleset_provider(set, sv_make(host + sizeof host - 253, 253)), "big");
	ruleset_free(set);
}

/* ---- block lists ---- */

static void block_lists(void **state)
{
	static const struct { const char *name, *reply, *want_rule, *want; } table[] = {
		{ "named", "554 blocked, see bl.example.org", "blocked", "Example" },
		{ "named in capitals", "554 blocked using EXAMPLEBL", "blocked", "Example" },
		{ "none named", "554 blocked", "blocked", "(none)" },
		{ "two are named: the first of the table", "554 blocked by other and examplebl", "blocked", "Example" },
		{ "the other", "554 blocked by other", "blocked", "Other List" },
		{ "a rate is our fault, too", "450 slow down, says other", "rate", "Other List" },
		{ "the recipient's fault", "550 unknown, says other", "unknown", "(none)" },
		{ "the message's fault", "554 spam, says other", "spam", "(none)" },
		{ "nobody's fault", "554 busy, says other", "busy", "(none)" },
		{ "no rule", "554 says other", "(none)", "(none)" },
		{ "inside an address", "554 blocked: <u@bl.example.org>", "blocked", "(none)" },
	};
	struct ruleset *set = parse("blocklists = ( { name = 'Example'; text = [ 'bl[.]example[.]org', 'examplebl' ]; url = 'https://example.org/'; },"
		"{ name = 'Other List'; text = 'other'; } ); rules = ("
		"{ id = 'blocked'; category = 'blocked.reputation'; text = 'blocked'; }, { id = 'rate'; category = 'throttled'; text = 'slow down'; },"
		"{ id = 'unknown'; category = 'recipient.unknown'; text = 'unknown'; }, { id = 'spam'; category = 'spam.content'; text = 'spam'; },"
		"{ id = 'busy'; category = 'server.busy'; text = 'busy'; } );");
	struct verdict all[8];

	(void)state;
	EACH(row, table) {
		struct verdict v = judge(set, row->reply);
		WANT_STRING(id_of(v), row->want_rule);
		WANT_STRING(blocklist_of(v), row->want);
	}
	WANT_STRING(judge(set, "554 blocked by examplebl").blocklist->url, "https://example.org/");
	WANT(!judge(set, "554 blocked by other").blocklist->url);
	/* each verdict for itself */
	struct failure_text f = failure("554 blocked unknown slow down other", "", MTA_UNKNOWN);
	WANT_INT(ruleset_classify_all(set, &f, all, COUNT(all)), 3);
	WANT_STRING(blocklist_of(all[0]), "Other List");
	WANT_STRING(blocklist_of(all[1]), "Other List");
	WANT_STRING(blocklist_of(all[2]), "(none)");
	ruleset_free(set);
}

/* ---- disabled ---- */

static void disabled_rules(void **state)
{
	static const struct { const char *name, *reply, *want; } table[] = {
		{ "a disabled one would win", "550 first second", "second" }, { "no other", "550 first", "(none)" },
		{ "the second of the list", "550 third", "(none)" }, { "not disabled", "550 fourth", "fourth" },
	};
	struct ruleset *set = parse("rules = ( { id = 'first'; category = 'recipient.unknown'; text = 'first'; },"
		"{ id = 'second'; category = 'policy'; text = 'second'; }, { id = 'third'; category = 'policy'; text = 'third'; },"
		"{ id = 'fourth'; category = 'policy'; text = 'fourth'; } ); disable = [ 'third', 'first' ];");
	struct verdict all[8];

	(void)state;
	EACH(row, table)
		WANT_STRING(id_of(judge(set, row->reply)), row->want);
	WANT_INT(ruleset_count(set), 4); /* all are still listed */
	for (size_t i = 0; i < 4; i++)
		WANT_INT(ruleset_rule(set, i)->disabled, i % 2 == 0);
	WANT(ruleset_find(set, SV("first")) == ruleset_rule(set, 0));
	WANT(!ruleset_find(set, SV("firs")));
	struct failure_text f = failure("550 first second third fourth", "", MTA_UNKNOWN);
	WANT_INT(ruleset_classify_all(set, &f, all, COUNT(all)), 2);
	/* what it would say can still be asked */
	WANT(ruleset_condition_holds(set, ruleset_rule(set, 0), 0, &f, NULL));
	ruleset_free(set);
}

static void hosts(void **state)
{
	static const struct { const char *name, *host, *suffix; bool want; } table[] = {
		{ "itself", "example.com", "example.com", true },
		{ "below", "a.b.example.com", "example.com", true },
		{ "case", "MX.Example.COM", "example.com", true },
		{ "only ends alike", "badexample.com", "example.com", false },
		{ "above", "com", "example.com", false },
		{ "in the middle", "example.com.evil.org", "example.com", false },
		{ "nothing", "", "example.com", false },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(host_under(sv_of(row->host), sv_of(row->suffix)), row->want);
}

/* ---- what is refused, with line and words that help ---- */

static void errors(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "syntax", "rules = (\n {", "t.conf:2" },
		{ "other setting", "rules = ();\nrulez = ();", "t.conf:2: " },
		{ "not a list", "rules = { };", "nothing else" },
		{ "member is no group", "rules = ( 'x' );", "is a group" },
		{ "no id", "rules = ( { category = 'policy'; text = 'x'; } );", "needs an id" },
		{ "empty id", "rules = ( { id = ''; category = 'policy'; text = 'x'; } );", "id: write" },
		{ "blank in the id", "rules = ( { id = 'a b'; category = 'policy'; text = 'x'; } );", "id: write" },
		{ "id too long", "rules = ( { id = '0123456789012345678901234567890123456789012345678901234567890123'; category = 'policy'; text = 'x'; } );", "id: write" },
		{ "id twice", "rules = (\n{ id = 'a'; category = 'policy'; text = 'x'; },\n{ id = 'a'; category = 'policy'; text = 'y'; } );", "t.conf:3: id \"a\" is taken by the rule at t.conf:2" },
		{ "no category", "rules = ( { id = 'a'; text = 'x'; } );", "rule a needs a category" },
		{ "no such category", "rules = ( { id = 'a'; category = 'mailbox.fulll'; text = 'x'; } );", "mailbox.fulll" },
		{ "no condition", "rules = ( { id = 'a'; category = 'policy'; } );", "no condition" },
		{ "hard, and not the recipient's fault", "rules = ( { id = 'a'; category = 'blocked.reputation'; class = 'hard'; text = 'x'; } );", "recipient's fault" },
		{ "no such class", "rules = ( { id = 'a'; category = 'policy'; class = 'firm'; text = 'x'; } );", "class: write" },
		{ "complaints come by feedback only", "rules = ( { id = 'a'; category = 'policy'; class = 'complaint'; text = 'x'; } );", "class: write" },
		{ "code too short", "rules = ( { id = 'a'; category = 'policy'; code = '55'; } );", "code: \"55\"" },
		{ "code too long", "rules = ( { id = 'a'; category = 'policy'; code = '5500'; } );", "code: \"5500\"" },
		{ "no such code", "rules = ( { id = 'a'; category = 'policy'; code = '650'; } );", "code: \"650\"" },
		{ "code as a number", "rules = ( { id = 'a'; category = 'policy'; code = 550; } );", "code: write a string" },
		{ "enhanced of two parts", "rules = ( { id = 'a'; category = 'policy'; enhanced = '5.1'; } );", "enhanced: \"5.1\"" },
		{ "enhanced of four parts", "rules = ( { id = 'a'; category = 'policy'; enhanced = '5.1.1.1'; } );", "enhanced: \"5.1.1.1\"" },
		{ "enhanced with xx", "rules = ( { id = 'a'; category = 'policy'; enhanced = '5.xx.1'; } );", "enhanced: \"5.xx.1\"" },
		{ "no such phase", "rules = ( { id = 'a'; category = 'policy'; phase = 'quit'; } );", "phase: \"quit\"" },
		{ "bad pattern", "rules = (\n{ id = 'a'; category = 'policy';\ntext = 'a(b'; } );", "t.conf:3: text: " },
		{ "bad pattern in a list", "rules = (\n{ id = 'a'; category = 'policy';\ntext = ( 'a',\n'b)' ); } );", "t.conf:4: text: " },
		{ "empty pattern", "rules = ( { id = 'a'; category = 'policy'; text = ''; } );", "not empty" },
		{ "pattern that wants UTF", "rules = ( { id = 'a'; category = 'policy'; text = '(*UTF)a'; } );", "text: " },
		{ "unknown member", "rules = ( { id = 'a'; category = 'policy'; txt = 'x'; } );", "a rule has no \"txt\"" },
		{ "capital letters in the id", "rules = ( { id = 'A.b'; category = 'policy'; text = 'x'; } );", "id: write" },
		{ "underscore in the id", "rules = ( { id = 'a_b'; category = 'policy'; text = 'x'; } );", "id: write" },
		{ "complaint is no reply's category", "rules = ( { id = 'a'; category = 'complaint'; text = 'x'; } );", "complaints come from feedback loops" },
		{ "nothing but not-code", "rules = ( { id = 'a'; category = 'policy'; not-code = '550'; } );", "no condition but negations" },
		{ "nothing but not-enhanced", "rules = ( { id = 'a'; category = 'policy'; not-enhanced = '5.1.1'; } );", "no condition but negations" },
		{ "nothing but not-phase", "rules = ( { id = 'a'; category = 'policy'; not-phase = 'rcpt'; } );", "no condition but negations" },
		{ "nothing but not-said-by", "rules = ( { id = 'a'; category = 'policy'; not-said-by = 'server'; } );", "no condition but negations" },
		{ "nothing but not-mta", "rules = ( { id = 'a'; category = 'policy'; not-mta = 'exim'; } );", "no condition but negations" },
		{ "nothing but not-relay", "rules = ( { id = 'a'; category = 'policy'; not-relay = 'example.com'; } );", "no condition but negations" },
		{ "nothing but not-text", "rules = ( { id = 'a'; category = 'policy'; not-text = 'x'; } );", "no condition but negations" },
		{ "nothing but negations", "providers = ( { name = 'p'; relay = 'r'; } ); rules = ( { id = 'a'; category = 'policy'; not-code = '550'; not-provider = 'p'; not-text = 'x'; } );", "no condition but negations" },
		{ "an empty list of texts", "rules = ( { id = 'a'; category = 'policy'; text = [ ]; } );", "text: the list is empty" },
		{ "an empty list of negations", "rules = ( { id = 'a'; category = 'policy'; text = 'x'; not-code = ( ); } );", "not-code: the list is empty" },
		{ "not-code too short", "rules = ( { id = 'a'; category = 'policy'; code = '5xx'; not-code = '55'; } );", "not-code: \"55\"" },
		{ "not-enhanced of two parts", "rules = ( { id = 'a'; category = 'policy'; code = '5xx'; not-enhanced = '5.1'; } );", "not-enhanced: \"5.1\"" },
		{ "not-phase that is none", "rules = ( { id = 'a'; category = 'policy'; code = '5xx'; not-phase = 'quit'; } );", "not-phase: \"quit\"" },
		{ "said by nobody known", "rules = ( { id = 'a'; category = 'policy'; said-by = 'client'; } );", "said-by: \"client\": write one of server, mta" },
		{ "an MTA that is not known", "rules = ( { id = 'a'; category = 'policy'; mta = 'sendmail'; } );", "mta: \"sendmail\": write one of postfix, exim" },
		{ "bad pattern in not-text", "rules = (\n{ id = 'a'; category = 'policy'; code = '550';\nnot-text = 'a(b'; } );", "t.conf:3: not-text: " },
		{ "bad pattern in a list of not-text", "rules = (\n{ id = 'a'; category = 'policy'; code = '550';\nnot-text = [ 'a',\n'b|(c' ]; } );", "t.conf:4: not-text: " },
		{ "relay as a number", "rules = ( { id = 'a'; category = 'policy'; relay = 1; } );", "relay: write a string" },
		{ "note as a list", "rules = ( { id = 'a'; category = 'policy'; text = 'x'; note = [ 'y' ]; } );", "note: write a string" },
		{ "no words of the name", "rules = (\n{ id = 'a'; category = 'policy';\ntext = [ 'x',\n'${missing}' ]; } );", "t.conf:4: there are no words of the name \"missing\"" },
		{ "no words of the name, in not-text", "rules = (\n{ id = 'a'; category = 'policy'; text = 'x';\nnot-text = '${missing}'; } );", "t.conf:3: there are no words of the name \"missing\"" },
		{ "two words of a name", "words = (\n{ name = 'a'; text = 'x'; },\n{ name = 'a'; text = 'y'; } );", "t.conf:3: the name \"a\" is taken at t.conf:2" },
		{ "two block lists of a name", "blocklists = (\n{ name = 'a'; text = 'x'; },\n{ name = 'a'; text = 'y'; } );", "t.conf:3: the name \"a\" is taken at t.conf:2" },
		{ "a relay of two providers", "providers = (\n{ name = 'a'; relay = 'x.example'; },\n{ name = 'b'; relay = [ 'y.example',\n'X.example' ]; } );", "t.conf:4: relay: x.example is a's already" },
		{ "words of no name", "rules = ( { id = 'a'; category = 'policy'; text = '${}'; } );", "there are no words of the name \"\"" },
		{ "words inside an expression", "rules = (\n{ id = 'a'; category = 'policy';\ntext = [ 'x',\n'${us}|relay' ]; } ); words = ( { name = 'us'; text = 'y'; } );",
			"t.conf:4: text: \"${...}\" is a member by itself" },
		{ "words at the end of an expression", "rules = (\n{ id = 'a'; category = 'policy'; text = 'x';\nnot-text = 'no ${us}'; } );", "t.conf:3: not-text: \"${...}\" is a" },
		{ "words that name words", "words = (\n{ name = 'a'; text = 'x'; },\n{ name = 'b'; text = [ 'y', '${a}' ]; } );", "t.conf:3: text: a list cannot name another: ${a}" },
		{ "bad pattern in words", "words = (\n{ name = 'a'; text = [ 'x', 'a(b' ]; } );", "t.conf:2: text: " },
		{ "words without a name", "words = (\n{ text = 'x'; } );", "t.conf:2: words: each member is a group { name" },
		{ "words without text", "words = ( { name = 'a'; } );", "words: each member is a group { name" },
		{ "words of another member", "words = ( { name = 'a'; text = 'x';\nurl = 'y'; } );", "t.conf:2: words: there is no \"url\" here" },
		{ "words of a bad name", "words = ( { name = 'About Us'; text = 'x'; } );", "words: name: write" },
		{ "words that are no list", "words = { name = 'a'; text = 'x'; };", "nothing else" },
		{ "words that are strings", "words = ( 'x' );", "words: each member is a group" },
		{ "no such provider", "rules = (\n{ id = 'a'; category = 'policy';\nprovider = [ 'big',\n'small' ]; } ); providers = ( { name = 'big'; relay = 'example.com'; } );", "t.conf:4: there is no provider \"small\"" },
		{ "no such provider, negated", "rules = ( { id = 'a'; category = 'policy'; text = 'x';\nnot-provider = 'small'; } );", "t.conf:2: there is no provider \"small\"" },
		{ "provider without relay", "providers = ( { name = 'a'; text = 'x'; } );", "providers: each member is a group { name" },
		{ "provider of a bad name", "providers = ( { name = 'Big'; relay = 'example.com'; } );", "providers: name: write" },
		{ "provider with a url", "providers = ( { name = 'a'; relay = 'x';\nurl = 'y'; } );", "t.conf:2: providers: there is no \"url\" here" },
		{ "block list without a name", "blocklists = ( { text = 'x'; } );", "blocklists: each member is a group { name" },
		{ "block list with another member", "blocklists = ( { name = 'a'; text = 'x';\nnote = 'y'; } );", "t.conf:2: blocklists: there is no \"note\" here" },
		{ "block list whose url is no string", "blocklists = ( { name = 'a'; text = 'x';\nurl = 7; } );", "t.conf:2: url: write a string" },
		{ "bad pattern of a block list", "blocklists = (\n{ name = 'a'; text = 'x)'; } );", "t.conf:2: text: " },
		{ "block list that names words", "blocklists = ( { name = 'a'; text = '${x}'; } );", "a list cannot name another" },
		{ "disabled, but not there", "disable = [ 'a',\n'b' ]; rules = ( { id = 'a'; category = 'policy'; text = 'x'; } );", "t.conf:2: disable: no rule or form has the id \"b\"" },
		{ "disabled by a number", "disable = 7;", "disable: write a string" },
	};

	(void)state;
	EACH(row, table) {
		struct err err = { "" };
		struct ruleset *set = ruleset_parse("t.conf", quoted(row->text), &err);
		if (set) /* which says more than a NULL that is none */
			test_fail("ruleset_parse", "rules", row->want, __FILE__, __LINE__);
		WANT_PART(err.text, row->want);
		WANT(strncmp(err.text, "t.conf:", 7) == 0);
	}
}

/* ---- limits ---- */

/* As many as there may be, and one more. */
static void how_many(void **state)
{
	static const struct { const char *name, *before, *each, *after; unsigned max; const char *want; } table[] = {
		{ "relays of a list", "rules = ( { id = 'a'; category = 'policy'; relay = [ 'x0", "', 'x", "' ]; } );", RULE_LIST_MAX, "relay: more than 128 members" },
		{ "patterns of a list", "rules = ( { id = 'a'; category = 'policy'; text = [ 'x0", "', 'x", "' ]; } );", RULE_LIST_MAX, "text: more than 128 members" },
		{ "rules", "rules = ( { id = 'r0", "'; category = 'policy'; code = '550'; }, { id = 'r", "'; category = 'policy'; code = '550'; } );", RULES_MAX,
			"more than 4096 rules" },
	};
	static char text[RULES_MAX * 64];

	(void)state;
	EACH(row, table) {
		for (unsigned n = row->max; n <= row->max + 1; n++) {
			struct buf b = BUF_ON(text);
			struct err err = { "" };
			buf_add(&b, sv_of(row->before));
			for (unsigned i = 1; i < n; i++)
				buf_addf(&b, "%s%u", row->each, i);
			buf_add(&b, sv_of(row->after));
			WANT(!b.full);
			for (size_t i = 0; i < b.n; i++)
				text[i] = text[i] == '\'' ? '"' : text[i];
			struct ruleset *set = ruleset_parse("t.conf", buf_cstr(&b), &err);
			WANT_PART(set ? row->want : err.text, row->want);
			WANT_INT(set != NULL, n == row->max);
			ruleset_free(set);
		}
	}
}

static void a_pattern_that_is_too_long(void **state)
{
	static char text[MATCH_PATTERN_MAX + 200];
	struct buf b = BUF_ON(text);
	struct err err = { "" };

	(void)state;
	buf_add(&b, SV("rules = ( { id = \"a\"; category = \"policy\"; text = \""));
	for (int i = 0; i <= MATCH_PATTERN_MAX; i++)
		buf_add_char(&b, 'x');
	buf_add(&b, SV("\"; } );"));
	WANT(!ruleset_parse("t.conf", buf_cstr(&b), &err));
	WANT_PART(err.text, "t.conf:1: text: the pattern is longer than");
}

/* ---- patterns that are compiled when they are needed ---- */

/* Nobody knows of them before; then they are refused in the same words. */
static void broken_patterns_that_are_met_late(void **state)
{
	static const struct { const char *name, *rules, *harmless, *needs; } table[] = {
		{ "of a rule", "rules = ( { id = 'a'; category = 'policy'; text = [ 'fine',\n'ful{2,1} box' ]; } );", "550 box", "550 ful box" },
		{ "behind a rule that holds", "rules = ( { id = 'a'; category = 'policy'; text = 'fine'; },\n{ id = 'b'; category = 'policy'; text = 'x)'; } );",
			"550 fine", "550 bad" },
		{ "a branch", "rules = ( { id = 'a'; category = 'policy'; text = 'fine|ful{2,1} box|x'; } );", "550 fine", "550 ful box" },
		{ "of a negation", "rules = ( { id = 'a'; category = 'policy'; text = 'fine';\nnot-text = 'ful{2,1} box'; } );", "550 fine", "550 fine ful box" },
		{ "of words", "words = ( { name = 'w';\ntext = 'ful{2,1} box'; } ); rules = ( { id = 'a'; category = 'policy'; text = '${w}'; } );", "550 box",
			"550 ful box" },
		{ "of a block list", "blocklists = ( { name = 'L';\ntext = 'ful{2,1} list'; } ); rules = ( { id = 'a'; category = 'blocked.reputation'; code = '550'; } );",
			"550 list", "550 ful list" },
		{ "of a rule that is disabled", "rules = ( { id = 'a'; category = 'policy'; text = 'x)'; } ); disable = 'a';", "550 x)", NULL },
	};

	(void)state;
	EACH(row, table) {
		struct err refused = { "" }, err = { "" };
		WANT(!ruleset_parse("t.conf", quoted(row->rules), &refused));
		struct ruleset *set = ruleset_parse_late("t.conf", quoted(row->rules), &err);
		WANT_STRING(err.text, "");
		struct verdict v;
		struct failure_text f = failure(row->harmless, "", MTA_UNKNOWN);
		ruleset_classify(set, &f, &v);
		WANT_STRING(ruleset_broken(set), "");
		for (int i = 0; i < 2 && row->needs; i++) {
			f = failure(row->needs, "", MTA_UNKNOWN);
			ruleset_classify(set, &f, &v);
			WANT_STRING(ruleset_broken(set), refused.text);
		}
		ruleset_free(set);
	}
}

/* All else is looked at as ever. */
static void other_errors_are_found_at_once(void **state)
{
	struct err err = { "" };

	(void)state;
	WANT(!ruleset_parse_late("t.conf", quoted("rules = ( { id = 'a'; text = 'x'; } );"), &err));
	WANT_PART(err.text, "t.conf:1: rule a needs a category");
	WANT(!ruleset_parse_late("t.conf", quoted("rules = ( { id = 'a'; category = 'policy'; text = 'x ${y}'; } );"), &err));
	WANT_PART(err.text, "t.conf:1: text: \"${...}\" is a member by itself");
	WANT(!ruleset_parse_late("t.conf", quoted("rules = ( { id = 'a'; category = 'policy'; text = '${y}'; } );"), &err));
	WANT_PART(err.text, "t.conf:1: there are no words of the name");
}

/* ---- directories ---- */

static char root[64];

/* Rules have ' for ". */
static void put(const char *file, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", root, file);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs(quoted(text), f);
	(void)fclose(f);
}

static void put_rule(const char *file, const char *id)
{
	char text[256];

	(void)snprintf(text, sizeof text, "rules = ( { id = '%s'; category = 'policy'; text = '%s'; } );\n", id, id);
	put(file, text);
}

/* Directories of these names, divided by blanks. */
static struct ruleset *load(const char *names, struct err *err)
{
	static char paths[4][256];
	const char *directories[4];
	struct sv rest = sv_of(names);
	size_t n = 0;

	for (; rest.n; n++) {
		struct sv name = sv_cut(&rest, ' ');
		(void)snprintf(paths[n], sizeof paths[n], "%s/%.*s", root, SV_ARG(name));
		directories[n] = paths[n];
	}
	*err = (struct err){ "" };
	return ruleset_load(directories, n, err);
}

static struct ruleset *load_good(const char *names)
{
	struct err err;
	struct ruleset *set = load(names, &err);

	if (!set)
		test_fail("ruleset_load", err.text, "rules", __FILE__, __LINE__);
	return set;
}

static void want_refused(const char *names, const char *want)
{
	struct err err;
	struct ruleset *set = load(names, &err);

	WANT(set == NULL);
	WANT_PART(err.text, want);
}

static void want_order(const struct ruleset *set, const char *want)
{
	char text[512];
	struct buf b = BUF_ON(text);

	for (size_t i = 0; i < ruleset_count(set); i++)
		buf_addf(&b, "%s%s%s", i ? " " : "", ruleset_rule(set, i)->disabled ? "-" : "", ruleset_rule(set, i)->id);
	WANT_TEXT(buf_sv(&b), want);
}

static int make_directories(void **state)
{
	static const char *const names[] = { "own", "site", "shipped" };
	char path[256];

	(void)state;
	(void)snprintf(root, sizeof root, "/tmp/nixie-rules-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", root, names[i]);
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	return remove(path);
}

static int remove_directories(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void directories_in_order_files_by_bytes(void **state)
{
	struct err err;

	(void)state;
	put_rule("shipped/9-a.conf", "nine");
	put_rule("shipped/10-b.conf", "ten");
	put_rule("shipped/.hidden.conf", "hidden");
	put_rule("shipped/10-b.conf~", "backup");
	put_rule("shipped/README", "readme");
	put_rule("own/zz.conf", "own");
	struct ruleset *set = load_good("own shipped");
	want_order(set, "own ten nine");
	WANT_PART(ruleset_rule(set, 0)->file, "/own/zz.conf");
	ruleset_free(set);
	set = load_good("shipped own");
	want_order(set, "ten nine own");
	ruleset_free(set);

	const char *with_none[] = { "", "" };
	set = ruleset_load(with_none, 2, &err);
	WANT(set);
	WANT_INT(ruleset_count(set), 0);
	WANT_STRING(id_of(judge(set, "550 anything")), "(none)");
	ruleset_free(set);
	const char *missing[] = { "/nonexistent/rules.d" };
	WANT(!ruleset_load(missing, 1, &err));
	WANT_PART(err.text, "/nonexistent/rules.d");
}

static void an_id_twice_in_a_directory(void **state)
{
	(void)state;
	put("shipped/10-a.conf", "rules = ( { id = 'a'; category = 'policy'; text = 'a'; } );");
	put("shipped/20-b.conf", "rules = ( { id = 'b'; category = 'policy'; text = 'b'; },\n{ id = 'a'; category = 'policy'; text = 'c'; } );");
	want_refused("shipped", "20-b.conf:2: id \"a\" is taken by the rule at ");
	want_refused("shipped", "10-a.conf:1; choose another");
	want_refused("own shipped", "20-b.conf:2: id \"a\" is taken");
}

/* A rule of one's own takes the place of the shipped one, so that it is judged after the same
 * others; new ones come first. */
static void overriding(void **state)
{
	static const struct { const char *name, *reply, *want; enum category want_category; } table[] = {
		{ "the rule in front still wins", "550 first changed", "first", CATEGORY_NETWORK },
		{ "the changed words", "550 changed last", "middle", CATEGORY_MAILBOX_FULL },
		{ "the shipped words are gone", "550 middle", "(none)", CATEGORY_OTHER },
		{ "the one behind", "550 middle last", "last", CATEGORY_VIRUS },
		{ "a new one in front of all", "550 new first changed", "new", CATEGORY_THROTTLED },
	};

	(void)state;
	put("shipped/10.conf", "rules = ( { id = 'first'; category = 'network'; text = 'first'; } );");
	put("shipped/20.conf", "rules = (\n{ id = 'middle'; category = 'policy'; text = 'middle'; },\n{ id = 'last'; category = 'virus'; text = 'last'; } );");
	put("own/50.conf", "rules = ( { id = 'middle'; category = 'mailbox.full'; text = 'changed'; },\n{ id = 'new'; category = 'throttled'; text = 'new'; } );");
	struct ruleset *set = load_good("own shipped");
	want_order(set, "new first middle last");
	EACH(row, table) {
		struct verdict v = judge(set, row->reply);
		WANT_STRING(id_of(v), row->want);
		WANT_STRING(category_name(v.category), category_name(row->want_category));
	}
	const struct rule *r = ruleset_find(set, SV("middle"));
	WANT(r == ruleset_rule(set, 2));
	WANT_PART(r->file, "/own/50.conf");
	WANT_PART(r->replaced_file, "/shipped/20.conf");
	WANT_INT(r->replaced_line, 2);
	WANT(!ruleset_rule(set, 0)->replaced_file && !ruleset_rule(set, 1)->replaced_file);
	ruleset_free(set);
}

/* All rules of a file at once, and the last one of a directory. */
static void overriding_many(void **state)
{
	(void)state;
	put("shipped/10.conf", "rules = ( { id = 'a'; category = 'policy'; text = 'x'; }, { id = 'b'; category = 'policy'; text = 'x'; },"
		"{ id = 'c'; category = 'policy'; text = 'x'; } );");
	put("own/10.conf", "rules = ( { id = 'c'; category = 'virus'; text = 'x'; }, { id = 'a'; category = 'virus'; text = 'x'; }, { id = 'b'; category = 'virus'; text = 'x'; } );");
	struct ruleset *set = load_good("own shipped");
	want_order(set, "a b c");
	for (size_t i = 0; i < 3; i++)
		WANT_INT(ruleset_rule(set, i)->category, CATEGORY_VIRUS);
	WANT_INT(judge(set, "550 x").category, CATEGORY_VIRUS);
	ruleset_free(set);
}

/* The first directory's rule counts, whoever else has it, in the place of the second's. */
static void overriding_twice(void **state)
{
	(void)state;
	put("shipped/10.conf", "rules = ( { id = 'b'; category = 'policy'; text = 'b'; }, { id = 'a'; category = 'policy'; text = 'shipped'; } );");
	put("site/10.conf", "rules = ( { id = 's'; category = 'policy'; text = '^s$'; }, { id = 'a'; category = 'policy'; text = 'site'; } );");
	put("own/10.conf", "rules = ( { id = 'a'; category = 'policy'; text = 'own'; }, { id = 'o'; category = 'policy'; text = '^o$'; } );");
	struct ruleset *set = load_good("own site shipped");
	want_order(set, "o s a b");
	WANT_PART(ruleset_find(set, SV("a"))->file, "/own/10.conf");
	WANT_PART(ruleset_find(set, SV("a"))->replaced_file, "/site/10.conf");
	WANT_STRING(id_of(judge(set, "550 OWN")), "a");
	ruleset_free(set);
	set = load_good("site shipped");
	want_order(set, "s b a");
	WANT_STRING(id_of(judge(set, "550 site")), "a");
	ruleset_free(set);
}

/* The shipped rule is no rule any more, so what is wrong with it does not matter; what is
 * wrong with the operator's does. */
static void overriding_is_looked_at_like_any_rule(void **state)
{
	(void)state;
	put("shipped/10.conf", "rules = ( { id = 'a'; category = 'policy'; text = 'a(b'; } );");
	want_refused("shipped", "10.conf:1: text: ");
	put("own/10.conf", "rules = ( { id = 'a'; category = 'policy'; text = 'a'; } );");
	ruleset_free(load_good("own shipped"));
	put("own/10.conf", "rules = ( { id = 'a'; category = 'policy'; not-text = 'a'; } );");
	want_refused("own shipped", "own/10.conf:1: rule a has no condition");
}

static void disabling(void **state)
{
	(void)state;
	put("shipped/10.conf", "rules = ( { id = 'a'; category = 'policy'; text = 'x'; }, { id = 'b'; category = 'policy'; text = 'x'; },"
		"{ id = 'c'; category = 'policy'; text = 'x'; } );");
	put("own/10.conf", "disable = [ 'a', 'c' ];");
	struct ruleset *set = load_good("own shipped");
	want_order(set, "-a b -c");
	WANT_STRING(id_of(judge(set, "550 x")), "b");
	ruleset_free(set);

	/* overridden and disabled: in its place, and silent */
	put("own/20.conf", "rules = ( { id = 'b'; category = 'virus'; text = 'x'; } ); disable = 'b';");
	set = load_good("own shipped");
	want_order(set, "-a -b -c");
	WANT_PART(ruleset_find(set, SV("b"))->file, "/own/20.conf");
	WANT_PART(ruleset_find(set, SV("b"))->replaced_file, "/shipped/10.conf");
	WANT_STRING(id_of(judge(set, "550 x")), "(none)");
	ruleset_free(set);

	put("own/20.conf", "# mistyped\ndisable = [ 'b',\n'd' ];");
	want_refused("own shipped", "own/20.conf:3: disable: no rule or form has the id \"d\"");
	put("own/20.conf", "");
	want_refused("own", "own/10.conf:1: disable: no rule or form has the id \"");
}

/* Words, providers and block lists of the first directory that has the name. */
static void names_of_the_first_directory(void **state)
{
	(void)state;
	put("shipped/00.conf", "words = ( { name = 'full'; text = 'shipped'; }, { name = 'late'; text = 'late'; } );"
		"providers = ( { name = 'big'; relay = [ 'example.com', 'example.org' ]; } );"
		"blocklists = ( { name = 'List'; text = 'ship'; url = 'https://example.com/'; }, { name = 'Rest'; text = 'rest'; } );");
	put("shipped/10.conf", "rules = ( { id = 'full'; category = 'mailbox.full'; text = '${full}'; }, { id = 'late'; category = 'greylisted'; text = '${late}'; },"
		"{ id = 'big'; category = 'policy'; provider = 'big'; }, { id = 'blocked'; category = 'blocked.reputation'; text = 'blocked'; } );");
	put("own/00.conf", "words = ( { name = 'full'; text = 'mine'; } ); providers = ( { name = 'mine'; relay = 'example.com'; } );"
		"blocklists = ( { name = 'List'; text = 'mine'; } );");
	struct ruleset *set = load_good("own shipped");
	WANT_STRING(id_of(judge(set, "550 MINE")), "full");
	WANT_STRING(id_of(judge(set, "550 shipped")), "(none)");
	WANT_STRING(id_of(judge(set, "550 late")), "late");
	WANT_TEXT(ruleset_provider(set, SV("mx.example.com")), "mine");
	WANT_TEXT(ruleset_provider(set, SV("mx.example.org")), "big");
	WANT_STRING(id_of(judge_as(set, "550 x", "mx.example.com", MTA_UNKNOWN)), "(none)");
	WANT_STRING(id_of(judge_as(set, "550 x", "mx.example.org", MTA_UNKNOWN)), "big");
	WANT_STRING(blocklist_of(judge(set, "550 blocked, says the ship")), "(none)");
	WANT_STRING(blocklist_of(judge(set, "550 blocked rest")), "Rest");
	/* and what tells of them */
	WANT_INT(ruleset_list_count(set), 4);
	const struct rule_list *full = ruleset_words(set, SV("full"));
	WANT(full == ruleset_list(set, 0) && ruleset_words(set, SV("List")) == NULL && ruleset_words(set, SV("late"))->replaced_file == NULL);
	WANT_STRING(full->kind, "words");
	WANT_PART(full->file, "own/00.conf");
	WANT_PART(full->replaced_file, "shipped/00.conf");
	WANT(full->n == 1 && full->line == 1 && full->lines[0] == 1 && full->replaced_line == 1);
	WANT_TEXT(full->values[0], "mine");
	WANT_STRING(ruleset_list(set, 1)->kind, "blocklists");
	WANT_PART(ruleset_list(set, 1)->replaced_file, "shipped/00.conf");
	ruleset_free(set);
	set = load_good("shipped");
	WANT_STRING(id_of(judge(set, "550 shipped")), "full");
	WANT_TEXT(ruleset_provider(set, SV("mx.example.com")), "big");
	WANT_STRING(blocklist_of(judge(set, "550 blocked, says the ship")), "List");
	ruleset_free(set);

	/* a rule of one's own may use what is shipped */
	put("own/00.conf", "rules = ( { id = 'own'; category = 'policy'; text = '${late}'; provider = 'big'; } );");
	set = load_good("own shipped");
	WANT_STRING(id_of(judge_as(set, "550 late", "mx.example.com", MTA_UNKNOWN)), "own");
	ruleset_free(set);
	want_refused("own", "own/00.conf:1: there are no words of the name \"late\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_words),
		cmocka_unit_test(words_without_members),
		cmocka_unit_test(a_dollar_that_is_meant),
		cmocka_unit_test(one_list_of_many_rules),
		cmocka_unit_test(providers),
		cmocka_unit_test(block_lists),
		cmocka_unit_test(disabled_rules),
		cmocka_unit_test(hosts),
		cmocka_unit_test(errors),
		cmocka_unit_test(how_many),
		cmocka_unit_test(a_pattern_that_is_too_long),
		cmocka_unit_test(broken_patterns_that_are_met_late),
		cmocka_unit_test(other_errors_are_found_at_once),
		cmocka_unit_test_setup_teardown(directories_in_order_files_by_bytes, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(an_id_twice_in_a_directory, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(overriding, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(overriding_many, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(overriding_twice, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(overriding_is_looked_at_like_any_rule, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(disabling, make_directories, remove_directories),
		cmocka_unit_test_setup_teardown(names_of_the_first_directory, make_directories, remove_directories),
	};

	return RUN(tests);
}
