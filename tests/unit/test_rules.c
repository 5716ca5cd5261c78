/* rules: which rule holds, and what it makes of a reply. */
#include "chance.h"
#include "judge.h"
#include "match.h"

/* ---- which rule wins ---- */

static const char conditions[] =
	"rules = ("
	"{ id = \"enhanced.exact\"; category = \"recipient.disabled\"; enhanced = \"5.2.1\"; },"
	"{ id = \"enhanced.any\"; category = \"mailbox.full\"; enhanced = [ \"x.2.2\", \"x.3.1\" ]; },"
	"{ id = \"code.pattern\"; category = \"throttled\"; code = [ \"42x\", \"x51\" ]; },"
	"{ id = \"relay\"; category = \"policy\"; relay = [ \"yahoodns.net\", \"mx.example.org\" ]; text = \"policy\"; },"
	"{ id = \"phase\"; category = \"blocked.reputation\"; phase = [ \"connect\", \"helo\" ]; },"
	"{ id = \"text.not\"; category = \"recipient.unknown\"; text = [ \"no such (user|mailbox)\", \"unknown$\" ]; not-text = [ \"relay\", \"sender\" ]; },"
	"{ id = \"text.and.code\"; category = \"spam.content\"; code = \"5xx\"; text = \"sp[a4]m\"; class = \"none\"; },"
	"{ id = \"last\"; category = \"recipient.unknown\"; class = \"soft\"; code = \"550\"; text = \"sender.*unknown\"; }"
	");";

static void the_first_rule_that_holds(void **state)
{
	static const struct {
		const char *name, *reply, *relay, *want_rule;
		enum category want_category;
		enum class want_class;
		const char *want_matched;
	} table[] = {
		{ "enhanced status", "550 5.2.1 spam", "", "enhanced.exact", CATEGORY_RECIPIENT_DISABLED, CLASS_HARD, "" },
		{ "any class", "452 4.2.2 full", "", "enhanced.any", CATEGORY_MAILBOX_FULL, CLASS_SOFT, "" },
		{ "second of a list", "552 5.3.1 full", "", "enhanced.any", CATEGORY_MAILBOX_FULL, CLASS_SOFT, "" },
		{ "longer number is another", "550 5.2.22 what", "", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "code with x", "421 go away", "", "code.pattern", CATEGORY_THROTTLED, CLASS_SOFT, "" },
		{ "x in front", "451 go away", "", "code.pattern", CATEGORY_THROTTLED, CLASS_SOFT, "" },
		{ "relay below the suffix", "450 policy", "mta5.am0.YahooDNS.net", "relay", CATEGORY_POLICY, CLASS_SOFT, "policy" },
		{ "relay itself", "450 policy", "mx.example.org", "relay", CATEGORY_POLICY, CLASS_SOFT, "policy" },
		{ "relay that only ends alike", "450 policy", "evilyahoodns.net", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "no relay known", "450 policy", "", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "relay from \"said\"", "host x.yahoodns.net[192.0.2.1] said: 450 policy", "", "relay", CATEGORY_POLICY, CLASS_SOFT, "policy" },
		{ "the log's relay counts more", "host x.yahoodns.net[192.0.2.1] said: 450 policy", "mx.example.net", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "phase", "host x[192.0.2.1] refused to talk to me: 550 no", "", "phase", CATEGORY_BLOCKED_REPUTATION, CLASS_SOFT, "" },
		{ "text, without case", "550 NO SUCH Mailbox here", "", "text.not", CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD, "NO SUCH Mailbox" },
		{ "text at the end", "550 user unknown", "", "text.not", CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD, "unknown" },
		{ "one of not-text", "550 sender unknown", "", "last", CATEGORY_RECIPIENT_UNKNOWN, CLASS_SOFT, "sender unknown" },
		{ "text and code", "554 looks like sp4m", "", "text.and.code", CATEGORY_SPAM_CONTENT, CLASS_NONE, "sp4m" },
		{ "text but not the code", "450 looks like spam", "", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "no code at all", "looks like spam", "", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "the code is not part of the words", "550 550-unknown 550 x", "", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
		{ "nothing", "", "", NULL, CATEGORY_OTHER, CLASS_SOFT, "" },
	};
	struct ruleset *set = parse(conditions);

	(void)state;
	EACH(row, table) {
		struct verdict v = judge_as(set, row->reply, row->relay, MTA_UNKNOWN);
		WANT_STRING(id_of(v), row->want_rule ? row->want_rule : "(none)");
		WANT_STRING(category_name(v.category), category_name(row->want_category));
		WANT_STRING(class_name(v.class_), class_name(row->want_class));
		WANT_TEXT(v.matched, row->want_matched);
	}
	ruleset_free(set);
}

static void all_of_a_rule_is_kept(void **state)
{
	struct ruleset *set = parse("rules = (\n { id = \"a.b-1\";\n category = \"challenge\"; note = \"why\"; url = \"https://example.com/\";\n"
		"  text = \"x\"; match = ( \"550 x\",\n \"551 x\tmx.example.com\" ); no-match = \"552 y\"; } );");
	const struct rule *r = ruleset_rule(set, 0);

	(void)state;
	WANT_INT(ruleset_count(set), 1);
	WANT_STRING(r->id, "a.b-1");
	WANT_STRING(r->file, "t.conf");
	WANT_INT(r->line, 2);
	WANT_STRING(r->note, "why");
	WANT_STRING(r->url, "https://example.com/");
	WANT_INT(r->n_match, 2);
	WANT_TEXT(r->match[0].reply, "550 x");
	WANT_TEXT(r->match[0].relay, "");
	WANT_TEXT(r->match[1].reply, "551 x");
	WANT_TEXT(r->match[1].relay, "mx.example.com");
	WANT_INT(r->match[1].line, 5);
	WANT_INT(r->n_no_match, 1);
	WANT_TEXT(r->no_match[0].reply, "552 y");
	ruleset_free(set);
}

static void the_text_as_it_was_logged(void **state)
{
	struct ruleset *set = parse(conditions);
	struct reply reply;
	struct verdict v;

	(void)state;
	ruleset_classify_text(set, SV("host mx.example.org[192.0.2.1] said: 450 POLICY"), (struct enhanced){ 4, 7, 1 }, SV(""), &reply, &v);
	WANT_STRING(id_of(v), "relay");
	WANT_TEXT(v.matched, "POLICY");
	WANT(v.matched.p >= reply.words.p && v.matched.p < reply.words.p + reply.words.n);
	WANT_INT(reply.enhanced.subject, 7);
	ruleset_free(set);
}

static void bytes_not_characters(void **state)
{
	static const struct { const char *name, *reply, *want; } table[] = {
		{ "one byte", "caf\xe9", "one" }, { "two bytes", "caf\xc3\xa9", "two" }, { "bytes that are written", "gr\xc3\xbc\xc3\x9f" "e", "three" },
		{ "letters that are not ASCII have a case", "GR\xc3\x9c\xc3\x9f" "E", "(none)" },
		{ "those around them have none", "GR\xc3\xbc\xc3\x9f" "E", "three" },
	};
	struct ruleset *set = parse("rules = ( { id = 'one'; category = 'policy'; text = '^caf.$'; }, { id = 'two'; category = 'policy'; text = '^caf..$'; },"
		"{ id = 'three'; category = 'policy'; text = 'gr\xc3\xbc\xc3\x9f" "e'; } );");

	(void)state;
	EACH(row, table)
		WANT_STRING(id_of(judge(set, row->reply)), row->want);
	ruleset_free(set);
}

/* Patterns that could not be joined into one must all count, each for itself. */
static void lists_of_awkward_patterns(void **state)
{
	static const struct { const char *name, *reply; bool want; } table[] = {
		{ "first", "xay", true }, { "second, an alternative", "foo", true }, { "second's other half", "bar", true },
		{ "named twice", "zqz", true }, { "none", "b", false },
	};
	struct ruleset *set = parse("rules = ( { id = 'r'; category = 'policy'; text = [ 'x(?<n>a)y', '^foo$|^bar$', 'z(?<n>q)z' ]; } );");

	(void)state;
	EACH(row, table)
		WANT_INT(judge(set, row->reply).rule != NULL, row->want);
	ruleset_free(set);
}

/* ---- every condition, and none of it ---- */

#define SAID "host mx.example.com[192.0.2.1] said: "
#define RCPT " (in reply to RCPT TO command)"

/* The not- form holds where this one does not, or, where `either`, as well. */
static const struct condition_row {
	const char *name, *member, *value, *reply, *relay;
	enum mta mta;
	bool want, either;
} condition_table[] = {
	{ "the code", "code", "'550'", "550 word", "", 0, true, false },
	{ "another code", "code", "'550'", "551 word", "", 0, false, false },
	{ "no code", "code", "'xxx'", "word", "", 0, false, false },
	{ "any code that is one", "code", "'xxx'", "421 word", "", 0, true, false },
	{ "x at the end", "code", "'5xx'", "554 word", "", 0, true, false },
	{ "x at the end, another first digit", "code", "'5xx'", "450 word", "", 0, false, false },
	{ "x in front", "code", "'x51'", "451 word", "", 0, true, false },
	{ "x in the middle", "code", "'5x1'", "541 word", "", 0, true, false },
	{ "x in the middle, another last digit", "code", "'5x1'", "550 word", "", 0, false, false },
	{ "second code of a list", "code", "[ '550', '45x' ]", "452 word", "", 0, true, false },
	{ "none of the list", "code", "( '550', '45x' )", "421 word", "", 0, false, false },
	{ "the code of the last line", "code", "'550'", "550-5.1.1 a 550 5.1.1 word", "", 0, true, false },
	{ "the status", "enhanced", "'5.1.1'", "550 5.1.1 word", "", 0, true, false },
	{ "a longer number", "enhanced", "'5.1.1'", "550 5.1.10 word", "", 0, false, false },
	{ "another class", "enhanced", "'5.1.1'", "450 4.1.1 word", "", 0, false, false },
	{ "no status", "enhanced", "'x.x.x'", "550 word", "", 0, false, false },
	{ "any class", "enhanced", "'x.1.1'", "450 4.1.1 word", "", 0, true, false },
	{ "any subject", "enhanced", "'5.x.1'", "550 5.7.1 word", "", 0, true, false },
	{ "any detail", "enhanced", "'5.7.x'", "550 5.7.509 word", "", 0, true, false },
	{ "any detail of another subject", "enhanced", "'5.7.x'", "550 5.1.1 word", "", 0, false, false },
	{ "second status of a list", "enhanced", "[ '5.1.1', '4.2.x' ]", "452 4.2.2 word", "", 0, true, false },
	{ "a status inside the words", "enhanced", "'5.1.1'", "550 word (#5.1.1)", "", 0, true, false },
	{ "the phase", "phase", "'rcpt'", SAID "550 word" RCPT, "", 0, true, false },
	{ "another phase", "phase", "'rcpt'", SAID "550 word (in reply to MAIL FROM command)", "", 0, false, false },
	{ "no phase", "phase", "[ 'connect', 'helo', 'mail', 'rcpt', 'data', 'end-of-data' ]", "550 word", "", 0, false, false },
	{ "the greeting", "phase", "'connect'", "host x[192.0.2.1] refused to talk to me: 554 word", "", 0, true, false },
	{ "second phase of a list", "phase", "[ 'connect', 'helo' ]", SAID "550 word (in reply to EHLO command)", "", 0, true, false },
	{ "DATA is not its end", "phase", "'data'", SAID "550 word (in reply to end of DATA command)", "", 0, false, false },
	{ "its end is", "phase", "'end-of-data'", SAID "550 word (in reply to end of DATA command)", "", 0, true, false },
	{ "a server's words by the code", "said-by", "'server'", "550 word", "", 0, true, false },
	{ "a server's words by the host", "said-by", "'server'", SAID "word", "", 0, true, false },
	{ "the MTA's are no server's", "said-by", "'server'", "connect to x[192.0.2.1]:25: word", "", 0, false, false },
	{ "the MTA's words", "said-by", "'mta'", "connect to x[192.0.2.1]:25: word", "", 0, true, false },
	{ "a server's are not the MTA's", "said-by", "'mta'", "550 word", "", 0, false, false },
	{ "whoever said it", "said-by", "[ 'mta', 'server' ]", "word", "", 0, true, false },
	{ "the MTA", "mta", "'postfix'", "word", "", MTA_POSTFIX, true, false },
	{ "the other MTA", "mta", "'postfix'", "word", "", MTA_EXIM, false, false },
	{ "nobody knows which MTA", "mta", "'postfix'", "word", "", MTA_UNKNOWN, true, true },
	{ "either MTA", "mta", "[ 'postfix', 'exim' ]", "word", "", MTA_EXIM, true, false },
	{ "the relay", "relay", "'example.com'", "550 word", "example.com", 0, true, false },
	{ "below the relay", "relay", "'example.com'", "550 word", "a.MX.Example.COM", 0, true, false },
	{ "written in capitals", "relay", "'EXAMPLE.com'", "550 word", "mx.example.com", 0, true, false },
	{ "a relay that only ends alike", "relay", "'example.com'", "550 word", "badexample.com", 0, false, false },
	{ "no relay", "relay", "'example.com'", "550 word", "", 0, false, false },
	{ "the relay that the text names", "relay", "'example.com'", SAID "550 word", "", 0, true, false },
	{ "second relay of a list", "relay", "[ 'example.net', 'example.com' ]", "550 word", "mx.example.com", 0, true, false },
	{ "the provider", "provider", "'big'", "550 word", "mx.example.com", 0, true, false },
	{ "the provider by another suffix", "provider", "'big'", "550 word", "MX.BIG.example", 0, true, false },
	{ "another provider", "provider", "'big'", "550 word", "mx.example.org", 0, false, false },
	{ "a provider inside another's domain", "provider", "'big'", "550 word", "mx.small.example.com", 0, false, false },
	{ "second provider of a list", "provider", "[ 'big', 'small' ]", "550 word", "mx.small.example.com", 0, true, false },
	{ "nobody's relay", "provider", "[ 'big', 'small', 'org' ]", "550 word", "mx.example.net", 0, false, false },
	{ "no relay, no provider", "provider", "[ 'big', 'small', 'org' ]", "550 word", "", 0, false, false },
	{ "the text", "text", "'no such (user|mailbox)'", "550 word: NO SUCH mailbox", "", 0, true, false },
	{ "another text", "text", "'no such (user|mailbox)'", "550 word: no such host", "", 0, false, false },
	{ "second text of a list", "text", "[ 'unknown', 'such' ]", "550 word: no such host", "", 0, true, false },
	{ "a text without letters", "text", "'[0-9]+'", "550 word 7", "", 0, true, false },
	{ "no words at all", "text", "'word'", "550", "", 0, false, false },
	{ "a named list", "text", "'${hidden}'", "550 word: secret", "", 0, true, false },
	{ "second of a named list", "text", "'${hidden}'", "550 word: COVERED", "", 0, true, false },
	{ "not in the named list", "text", "'${hidden}'", "550 word", "", 0, false, false },
	{ "a named list beside a text, by the list", "text", "[ 'unknown', '${hidden}' ]", "550 word: secret", "", 0, true, false },
	{ "a named list beside a text, by the text", "text", "[ '${hidden}', 'unknown' ]", "550 word: unknown", "", 0, true, false },
	{ "two named lists", "text", "[ '${other}', '${hidden}' ]", "550 word: secret", "", 0, true, false },
	{ "neither of two named lists", "text", "[ '${other}', '${hidden}' ]", "550 word", "", 0, false, false },
};

static const char tables[] =
	"words = ( { name = 'hidden'; text = [ 'secret', '(dis|un)?cover(ed|s)' ]; }, { name = 'other'; text = 'elsewhere'; } );"
	"providers = ( { name = 'big'; relay = [ 'example.com', 'big.example' ]; }, { name = 'small'; relay = 'small.example.com'; },"
	"  { name = 'org'; relay = 'Example.ORG'; } );";

static void want_condition(const struct condition_row *row, const char *member, bool want)
{
	char text[2048];
	struct buf b = BUF_ON(text);

	/* a negation alone is no rule */
	buf_addf(&b, "%s rules = ( { id = 'r'; category = 'policy'; %s %s = %s; } );", tables,
		strcmp(member, "not-text") == 0 ? "code = '5xx';" : strncmp(member, "not-", 4) == 0 ? "text = 'word';" : "", member, row->value);
	struct ruleset *set = parse(buf_cstr(&b));
	const struct rule *r = ruleset_rule(set, 0);
	struct verdict v = judge_as(set, row->reply, row->relay, row->mta);
	struct failure_text f = failure(row->reply, row->relay, row->mta);
	size_t i = r->n_conditions - 1;
	while (i > 0 && strcmp(condition_name(&r->conditions[i]), member) != 0)
		i--;
	if ((v.rule != NULL) != want)
		print_error("with %s\n", member);
	WANT_INT(v.rule != NULL, want);
	WANT_STRING(condition_name(&r->conditions[i]), member);
	WANT_INT(ruleset_condition_holds(set, r, i, &f, NULL), want);
	ruleset_free(set);
}

static void every_condition(void **state)
{
	bool seen[CONDITION_COUNT] = { false };

	(void)state;
	EACH(row, condition_table) {
		char negated[32];
		(void)snprintf(negated, sizeof negated, "not-%s", row->member);
		want_condition(row, row->member, row->want);
		if (strcmp(row->reply, "550") != 0) /* without words there is nothing beside the negation */
			want_condition(row, negated, row->either || !row->want);
		for (int i = 0; i < CONDITION_COUNT; i++) {
			struct rule_condition c = { .what = (enum condition)i };
			seen[i] = seen[i] || strcmp(condition_name(&c), row->member) == 0;
		}
	}
	for (int i = 0; i < CONDITION_COUNT; i++)
		WANT(seen[i]);
}

/* All that a rule asks for, each missing once. */
static void all_conditions_must_hold(void **state)
{
	static const struct { const char *name, *reply, *relay; enum mta mta; bool want; const char *want_missing; } table[] = {
		{ "all", SAID "550 5.1.1 no such user" RCPT, "mx.example.com", MTA_POSTFIX, true, "" },
		{ "code", SAID "554 5.1.1 no such user" RCPT, "mx.example.com", MTA_POSTFIX, false, "code" },
		{ "not-code", SAID "551 5.1.1 no such user" RCPT, "mx.example.com", MTA_POSTFIX, false, "not-code" },
		{ "enhanced", SAID "550 5.2.1 no such user" RCPT, "mx.example.com", MTA_POSTFIX, false, "enhanced" },
		{ "phase", SAID "550 5.1.1 no such user (in reply to end of DATA command)", "mx.example.com", MTA_POSTFIX, false, "phase" },
		{ "mta", SAID "550 5.1.1 no such user" RCPT, "mx.example.com", MTA_EXIM, false, "mta" },
		{ "relay", SAID "550 5.1.1 no such user" RCPT, "mx.big.example", MTA_POSTFIX, false, "relay" },
		{ "not-relay", SAID "550 5.1.1 no such user" RCPT, "old.example.com", MTA_POSTFIX, false, "not-relay" },
		{ "not-provider", SAID "550 5.1.1 no such user" RCPT, "small.example.com", MTA_POSTFIX, false, "not-provider" },
		{ "text", SAID "550 5.1.1 user unknown" RCPT, "mx.example.com", MTA_POSTFIX, false, "text" },
		{ "not-text", SAID "550 5.1.1 no such user, secret" RCPT, "mx.example.com", MTA_POSTFIX, false, "not-text" },
	};
	char text[2048];
	struct buf b = BUF_ON(text);

	(void)state;
	buf_addf(&b, "%s rules = ( { id = 'r'; category = 'recipient.unknown'; not-text = [ 'temporar', '${hidden}' ]; text = 'no such user';"
		"relay = 'example.com'; not-relay = 'old.example.com'; not-provider = 'small'; mta = 'postfix'; said-by = 'server'; phase = 'rcpt';"
		"enhanced = 'x.1.1'; not-code = '551'; code = [ '550', '551' ]; } );", tables);
	struct ruleset *set = parse(buf_cstr(&b));
	const struct rule *r = ruleset_rule(set, 0);
	static const char *const order[] = { "code", "not-code", "enhanced", "phase", "said-by", "mta", "relay", "not-relay", "not-provider", "text", "not-text" };
	WANT_INT(r->n_conditions, COUNT(order));
	for (size_t i = 0; i < COUNT(order); i++)
		WANT_STRING(condition_name(&r->conditions[i]), order[i]);
	WANT_INT(r->conditions[0].n, 2);
	WANT_TEXT(r->conditions[0].values[1], "551");
	WANT_TEXT(r->conditions[10].values[1], "${hidden}");
	EACH(row, table) {
		WANT_INT(judge_as(set, row->reply, row->relay, row->mta).rule != NULL, row->want);
		struct failure_text f = failure(row->reply, row->relay, row->mta);
		for (size_t i = 0; i < COUNT(order); i++)
			WANT_INT(ruleset_condition_holds(set, r, i, &f, NULL), strcmp(order[i], row->want_missing) != 0);
	}
	ruleset_free(set);
}

/* The words, as they were said, in the reply itself. */
static void what_a_condition_found(void **state)
{
	static const struct { const char *name, *reply; size_t condition; bool want; const char *want_hit; } table[] = {
		{ "the words", "550 No SUCH User here", 0, true, "No SUCH User" },
		{ "not found", "550 user unknown", 0, false, "" },
		{ "a negation that holds", "550 No SUCH User here", 1, true, "" },
		{ "a negation that does not", "550 your User", 1, false, "your" },
		{ "behind an address", "550 <No@example.com> no such user", 0, true, "no such user" },
		{ "behind and before short ones", "550 <a@b> no such user <@>", 0, true, "no such user" },
	};
	struct ruleset *set = parse("rules = ( { id = 'r'; category = 'policy'; text = 'no such user'; not-text = 'your'; } );");

	(void)state;
	EACH(row, table) {
		struct failure_text f = failure(row->reply, "", MTA_UNKNOWN);
		struct sv hit = SV("untouched");
		WANT_INT(ruleset_condition_holds(set, ruleset_rule(set, 0), row->condition, &f, &hit), row->want);
		WANT_TEXT(hit, row->want_hit);
		WANT(hit.n == 0 || (hit.p >= f.reply->words.p && hit.p + hit.n <= f.reply->words.p + f.reply->words.n));
	}
	ruleset_free(set);
}

/* What stands in <> was chosen by a stranger. */
static void addresses_are_no_words(void **state)
{
	static const struct { const char *name, *reply, *want; } table[] = {
		{ "an address", "550 <user-unknown@example.com>: no", "(none)" },
		{ "its domain", "550 <u@user-unknown.example>: no", "(none)" },
		{ "a second address", "550 <a@example.com> <user-unknown@example.com>", "(none)" },
		{ "one address behind what is none", "550 <x> a < b <user-unknown@example.com>", "(none)" },
		{ "beside an address", "550 <a@example.com>: user-unknown", "words" },
		{ "no address", "550 <user-unknown>", "words" },
		{ "a quoted local part", "550 <\"user-unknown\"@example.com>: no", "(none)" },
		{ "a quoted local part with blanks and brackets", "550 <\"x> user-unknown <\"@example.com>: no", "(none)" },
		{ "a quote in a quoted local part", "550 <\"\\\" user-unknown\"@example.com>: no", "(none)" },
		{ "behind a quoted local part", "550 <\"a b\"@example.com>: user-unknown", "words" },
		{ "words with an at", "550 <user-unknown @ example>", "words" },
		{ "without an end", "550 <user-unknown@example.com", "words" },
		{ "an address can still be told", "550 <someone@example.com>", "address" },
	};
	struct ruleset *set = parse("rules = ( { id = 'words'; category = 'recipient.unknown'; text = 'user-unknown'; },"
		"{ id = 'address'; category = 'policy'; text = '^<[^ >]*some|^<-@->$'; } );");

	(void)state;
	EACH(row, table)
		WANT_STRING(id_of(judge(set, row->reply)), row->want);
	ruleset_free(set);
}

static void numbers_of_messages_are_hidden(void **state)
{
	static const struct { const char *name, *reply, *want; } table[] = {
		{ "a trace id", "550 no 4f5cuser9unknown7-18 gsmtp", "id" },
		{ "with numbers behind dots", "550 no d2e1a72fcca58-7aa86f0e36ci115486b3a.42.7 gsmtp", "id" },
		{ "at the end", "550 no d2e1a72fcca58", "(none)" },
		{ "too short", "550 userab-1234", "user" },
		{ "too few digits", "550 usernumber123", "user" },
		{ "digits alone", "550 20261122103000 user", "user" },
		{ "a code in front of a word", "550 5.1.1 no 550-user12345", "user" },
		{ "a code in front of a number", "550 5.1.1 no 550-user12unknown34", "(none)" },
		{ "in the middle of a word", "550 x.user12unknown34", "(none)" },
		{ "an ip address", "550 [192.0.2.10] user", "user" },
		{ "a host", "550 mail.example.com user", "user" },
		{ "words beside it", "550 4f5ca9b8c7d6 user", "user" },
	};
	struct ruleset *set = parse("rules = ( { id = 'user'; category = 'recipient.unknown'; text = 'user'; },"
		"{ id = 'id'; category = 'policy'; text = '^no -#- gsmtp$'; } );");

	(void)state;
	EACH(row, table)
		WANT_STRING(id_of(judge(set, row->reply)), row->want);
	/* however many there are */
	char many[1024] = "550 ";
	for (int i = 0; i < 40; i++)
		(void)strcat(many, "<a@b.example> ");
	(void)strcat(many, "<user@example.com>");
	WANT_STRING(id_of(judge(set, many)), "(none)");
	/* what matched is told in the words as they were said */
	struct verdict v = judge(set, "550 no d2e1a72fcca58-7aa86f0e36ci115486b3a.42.7 gsmtp");
	WANT_TEXT(v.matched, "no d2e1a72fcca58-7aa86f0e36ci115486b3a.42.7 gsmtp");
	ruleset_free(set);
}

static void a_relay_that_rules_do_not_name_is_any(void **state)
{
	static const struct { const char *name, *want; } table[] = {
		{ "mx1.example.org", "(none)" }, { "mx.example.com", "under" }, { "MX.Example.COM", "under" }, { "example.com", "under" },
		{ "deep.mx.example.com", "under" }, { "notexample.com", "(none)" }, { "a.special.example.com", "special" },
		{ "x.provider.example", "provider" }, { "mx.provider.example", "mx" }, { "a.mx.provider.example", "mx" }, { "mx2.example.org", "(none)" },
	};
	struct ruleset *set = parse("providers = ( { name = 'big'; relay = [ 'provider.example' ]; } ); rules = ("
		"{ id = 'special'; category = 'policy'; text = 'no'; relay = 'special.example.com'; },"
		"{ id = 'mx'; category = 'policy'; text = 'no'; relay = 'mx.provider.example'; provider = 'big'; },"
		"{ id = 'provider'; category = 'policy'; text = 'no'; provider = 'big'; },"
		"{ id = 'under'; category = 'policy'; text = 'no'; relay = 'EXAMPLE.com'; } );");
	struct reply reply;
	struct verdict verdict;

	(void)state;
	for (int again = 0; again < 3; again++) { /* what was judged before must not answer for another relay */
		EACH(row, table) {
			ruleset_classify_text(set, SV("550 no"), (struct enhanced){ 0 }, sv_of(row->name), &reply, &verdict);
			WANT_STRING(verdict.rule ? verdict.rule->id : "(none)", row->want);
		}
	}
	WANT_TEXT(ruleset_provider(set, SV("a.MX.provider.example")), "big");
	WANT_TEXT(ruleset_provider(set, SV("mx.example.com")), "");
	ruleset_free(set);
}

/* What was judged before is judged alike, and only that. */
static void the_same_text_again(void **state)
{
	static const struct { const char *reply, *relay; enum mta mta; const char *want; } table[] = {
		{ "550 5.1.1 no", "", MTA_POSTFIX, "code" },
		{ "551 5.1.1 no", "", MTA_POSTFIX, "enhanced" },
		{ "551 5.1.2 no", "", MTA_POSTFIX, "rest" },
		{ SAID "551 5.1.2 no" RCPT, "", MTA_POSTFIX, "phase" },
		{ "551 5.1.2 no", "mx.example.com", MTA_POSTFIX, "relay" },
		{ "551 5.1.2 no", "mx.example.org", MTA_POSTFIX, "provider" },
		{ "551 5.1.2 no", "mx.example.net", MTA_POSTFIX, "rest" },
		{ "551 5.1.2 no", "", MTA_EXIM, "mta" },
		{ "551 5.1.2 noo", "", MTA_POSTFIX, "text" },
		{ "551 5.1.2 nooo", "", MTA_POSTFIX, "rest" },
		{ "no", "", MTA_POSTFIX, "said-by" },
		{ "no", "mx.example.net", MTA_POSTFIX, "said-by" },
		{ SAID "no", "mx.example.net", MTA_POSTFIX, "(none)" },
		{ "551 no", "", MTA_POSTFIX, "rest" },
		{ "551 <a@example.com> noo <bb@example.com>", "", MTA_POSTFIX, "text" },
		{ "551 <abc@example.com> noo <bb@example.com>", "", MTA_POSTFIX, "text" },
		{ "551 <a@example.com> nooo <bb@example.com>", "", MTA_POSTFIX, "rest" },
	};
	struct ruleset *set = parse("providers = ( { name = 'p'; relay = 'example.org'; } ); rules = ("
		"{ id = 'code'; category = 'policy'; code = '550'; }, { id = 'enhanced'; category = 'policy'; enhanced = '5.1.1'; },"
		"{ id = 'phase'; category = 'policy'; phase = 'rcpt'; }, { id = 'relay'; category = 'policy'; relay = 'example.com'; },"
		"{ id = 'provider'; category = 'policy'; provider = 'p'; }, { id = 'mta'; category = 'policy'; mta = 'exim'; code = '551'; },"
		"{ id = 'said-by'; category = 'policy'; said-by = 'mta'; }, { id = 'text'; category = 'policy'; text = '(^| )noo( |$)'; },"
		"{ id = 'rest'; category = 'policy'; code = '551'; } );");

	(void)state;
	set_seed();
	for (int i = 0; i < 2000; i++) {
		unsigned which = below(COUNT(table));
		WANT_STRING(id_of(judge_as(set, table[which].reply, table[which].relay, table[which].mta)), table[which].want);
	}
	ruleset_free(set);
	test_row = "";
}

/* More different texts than are remembered, of every length. */
static void very_many_texts(void **state)
{
	struct ruleset *set = parse("rules = ( { id = 'a'; category = 'policy'; text = 'a{3}b'; }, { id = 'b'; category = 'policy'; text = 'b{3}a'; } );");

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		char text[512];
		size_t n = below(8) ? 8 : below(sizeof text);
		for (size_t j = 0; j < n; j++)
			text[j] = "ab"[below(2)];
		text[n] = '\0';
		(void)judge(set, text);
	}
	ruleset_free(set);
	test_row = "";
}

/* The server had not heard of the recipient. */
static void nothing_is_hard_before_rcpt(void **state)
{
	static const struct { const char *name, *reply, *want; enum class want_class; } table[] = {
		{ "greeting", "host x[192.0.2.1] refused to talk to me: 550 user unknown", "soft", CLASS_SOFT },
		{ "EHLO", SAID "550 user unknown (in reply to EHLO command)", "soft", CLASS_SOFT },
		{ "MAIL", SAID "550 user unknown (in reply to MAIL FROM command)", "soft", CLASS_SOFT },
		{ "RCPT", SAID "550 user unknown" RCPT, "hard", CLASS_HARD },
		{ "DATA", SAID "550 user unknown (in reply to DATA command)", "hard", CLASS_HARD },
		{ "end of DATA", SAID "550 user unknown (in reply to end of DATA command)", "hard", CLASS_HARD },
		{ "not told", "550 user unknown", "hard", CLASS_HARD },
	};
	struct ruleset *set = parse("rules = ( { id = 'hard'; category = 'recipient.unknown'; text = 'unknown'; },"
		"{ id = 'soft'; category = 'recipient.unknown'; class = 'soft'; text = 'unknown'; } );");

	(void)state;
	EACH(row, table) {
		struct verdict v = judge(set, row->reply);
		WANT_STRING(id_of(v), row->want);
		WANT_INT(v.class_, row->want_class);
	}
	ruleset_free(set);
}

/* ---- all rules that hold ---- */

static const char *const many_replies[] = {
	"550 5.2.1 spam, sender unknown", "host x.yahoodns.net[192.0.2.1] refused to talk to me: 551 5.2.1 policy against spam",
	"452 4.2.2 policy", "550 no such user", "550 sender unknown", "421 4.7.0 sp4m", "554 spam unknown",
	"host x.yahoodns.net[192.0.2.1] said: 550 5.2.1 policy: unknown (in reply to RCPT TO command)",
	"host x[192.0.2.1] refused to talk to me: 554 5.2.1 spam unknown", "", "nothing of it",
};

/* The k-th is what the first would be without those before it. */
static void all_that_hold(void **state)
{
	size_t most = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(many_replies); i++) {
		struct verdict all[16], few[16];
		struct ruleset *set = parse(conditions);
		struct failure_text f = failure(many_replies[i], "", MTA_UNKNOWN);
		char text[4096];
		struct buf b = BUF_ON(text);
		test_row = many_replies[i];
		size_t n = ruleset_classify_all(set, &f, all, COUNT(all));
		most = n > most ? n : most;
		for (size_t max = 0; max < n; max++) {
			WANT_INT(ruleset_classify_all(set, &f, few, max), max);
			for (size_t j = 0; j < max; j++)
				WANT(few[j].rule == all[j].rule);
		}
		buf_add(&b, sv_of(conditions));
		buf_add(&b, SV(" disable = [ "));
		for (size_t k = 0; k <= n; k++) {
			char whole[4096];
			(void)snprintf(whole, sizeof whole, "%.*s", k ? (int)b.n : (int)strlen(conditions), buf_cstr(&b));
			(void)snprintf(whole + strlen(whole), sizeof whole - strlen(whole), k ? " ];" : "");
			struct ruleset *without = parse(whole);
			struct verdict v = judge(without, many_replies[i]);
			WANT_STRING(id_of(v), k < n ? all[k].rule->id : "(none)");
			WANT_STRING(category_name(v.category), k < n ? category_name(all[k].category) : "other");
			WANT_INT(v.class_, k < n ? all[k].class_ : CLASS_SOFT);
			ruleset_free(without);
			if (k < n)
				buf_addf(&b, "%s'%s'", k ? ", " : "", all[k].rule->id);
		}
		ruleset_free(set);
	}
	test_row = "";
	WANT(most >= 4);
}

/* ---- limits ---- */

/* Each takes very long to find that it does not match, unless it is stopped. */
static const struct { const char *name, *regex, *unit, *end; } slow[] = {
	{ "nested repetition", "^(a|a|b?a)*(a|aa)+$", "a", "!" },
	{ "a group that is both", "(a|aa)+$", "a", "!" },
	{ "words and blanks", "^(\\w+\\s?)*$", "word ", "!" },
	{ "many anythings", ".*.*.*.*.*[xy]", "ab", "" },
	{ "a list of words", "^(user|use|er|r| )*[x-z]", "user ", "!" },
	{ "two quantifiers that share", "(x+x+)+[yz]", "x", "" },
	{ "bounded, and still too much", "(([a-z ]{1,20}){1,20}){1,20}[;:]", "mailbox ", "" },
	{ "bytes that are not ASCII", "^(\\xc3\\xa9|\\xc3|\\xa9)+$", "\xc3\xa9", "!" },
};

static struct sv slow_text(const char *unit, const char *end, size_t n, char room[REPLY_TEXT_MAX])
{
	struct buf b = { .p = room, .size = n };

	while (!b.full && b.n + strlen(unit) + strlen(end) < n)
		buf_add(&b, sv_of(unit));
	buf_add(&b, sv_of(end));
	return buf_sv(&b);
}

static void patterns_end(void **state)
{
	(void)state;
	EACH(row, slow) {
		char room[REPLY_TEXT_MAX];
		struct err err = { "" };
		struct pattern *pattern = pattern_compile(sv_of(row->regex), &err);
		WANT_STRING(err.text, "");
		struct sv hit = SV("untouched");
		WANT_INT(pattern_match(pattern, slow_text(row->unit, row->end, 400, room), &hit), MATCH_LIMIT_HIT);
		WANT_TEXT(hit, "untouched");
		WANT_INT(pattern_match(pattern, slow_text(row->unit, row->end, sizeof room, room), NULL), MATCH_LIMIT_HIT);
		WANT(pattern_exceeds(pattern, slow_text(row->unit, row->end, 400, room), MATCH_LIMIT));
		WANT(!pattern_exceeds(pattern, SV("word"), MATCH_LIMIT));
		pattern_free(pattern);
	}
}

static void steps_are_counted(void **state)
{
	static const struct { const char *name, *regex, *text; uint32_t steps; bool want; } table[] = {
		{ "a word", "full", "mailbox is full", 100, false },
		{ "no word", "full", "mailbox is here", 100, false },
		{ "none allowed", "f(u|l)+", "mailbox is full", 0, true },
		{ "many", "^(a|aa)+$", "aaaaaaaaaaaaaaaaaaaa!", 100, true },
		{ "the same, more allowed", "^(a|aa)+$", "aaaaaaaaaaaaaaaaaaaa!", 10000000, false },
		{ "nothing", "full", "", 100, false },
	};
	struct err err;

	(void)state;
	EACH(row, table) {
		struct pattern *pattern = pattern_compile(sv_of(row->regex), &err);
		WANT(pattern);
		WANT_INT(pattern_exceeds(pattern, sv_of(row->text), row->steps), row->want);
		pattern_free(pattern);
	}
	/* what was asked for once does not last */
	struct pattern *pattern = pattern_compile(SV("^(a|aa)+$"), &err);
	WANT(pattern && pattern_exceeds(pattern, SV("aaaaaaaaaa!"), 1));
	WANT_INT(pattern_match(pattern, SV("aaaaaaaaaa!"), NULL), MATCH_NO);
	WANT_INT(pattern_match(pattern, SV("aaaaaaaaaa"), NULL), MATCH_YES);
	pattern_free(pattern);
}

/* Found nor missing: no rule holds by it, it is counted, and what comes behind is not trusted to be hard. */
static void a_pattern_that_gives_up(void **state)
{
	static const struct { const char *name, *rules, *want; enum class want_class; unsigned want_hits; } table[] = {
		{ "soft behind it", "{ id = 'slow'; category = 'recipient.unknown'; text = '%s'; }, { id = 'next'; category = 'policy'; code = '550'; }",
			"next", CLASS_SOFT, 1 },
		{ "hard behind it", "{ id = 'slow'; category = 'policy'; text = '%s'; }, { id = 'next'; category = 'recipient.unknown'; code = '550'; }",
			"next", CLASS_SOFT, 1 },
		{ "hard long behind it", "{ id = 'slow'; category = 'policy'; text = '%s'; }, { id = 'no'; category = 'policy'; code = '551'; },"
			"{ id = 'next'; category = 'recipient.unknown'; code = '550'; }", "next", CLASS_SOFT, 1 },
		{ "neither hard nor soft behind it", "{ id = 'slow'; category = 'policy'; text = '%s'; }, { id = 'next'; category = 'suppressed'; code = '550'; }",
			"next", CLASS_NONE, 1 },
		{ "hard in front of it", "{ id = 'first'; category = 'recipient.unknown'; code = '550'; }, { id = 'slow'; category = 'policy'; text = '%s'; }",
			"first", CLASS_HARD, 0 },
		{ "what must not be there", "{ id = 'slow'; category = 'recipient.unknown'; code = '550'; not-text = '%s'; },"
			"{ id = 'next'; category = 'recipient.unknown'; code = '550'; }", "next", CLASS_SOFT, 1 },
		{ "another condition is missing", "{ id = 'slow'; category = 'policy'; code = '551'; text = '%s'; },"
			"{ id = 'next'; category = 'recipient.unknown'; code = '550'; }", "next", CLASS_HARD, 0 },
		{ "disabled", "{ id = 'slow'; category = 'policy'; text = '%s'; }, { id = 'next'; category = 'recipient.unknown'; code = '550'; } ); disable = ( 'slow'",
			"next", CLASS_HARD, 0 },
		{ "found in front of it", "{ id = 'slow'; category = 'recipient.unknown'; code = '550'; text = [ '[a-x]', '%s' ]; }", "slow", CLASS_HARD, 0 },
		{ "twice the same pattern, two rules", "{ id = 'slow'; category = 'policy'; text = '${s}'; }, { id = 'slow.2'; category = 'policy'; text = '${s}'; },"
			"{ id = 'next'; category = 'recipient.unknown'; code = '550'; } ); words = ( { name = 's'; text = '%s'; }", "next", CLASS_SOFT, 2 },
		{ "nothing behind it", "{ id = 'slow'; category = 'recipient.unknown'; text = '%s'; }", "(none)", CLASS_SOFT, 1 },
	};

	(void)state;
	EACH(row, table) {
		char text[4096], rule[2048], room[REPLY_TEXT_MAX];
		const char *gap = strstr(row->rules, "%s");
		(void)snprintf(rule, sizeof rule, "rules = ( %.*s^(a|a|b?a)*(a|aa)+$%s );", (int)(gap - row->rules), row->rules, gap + 2);
		(void)snprintf(text, sizeof text, "550 %.*s", SV_ARG(slow_text("a", "!", 300, room)));
		for (int plain = 0; plain < 2; plain++) {
			struct ruleset *set = parse(rule);
			struct failure_text f = failure(text, "", MTA_UNKNOWN);
			struct verdict v;
			ruleset_set_plain(set, plain);
			ruleset_classify(set, &f, &v);
			WANT_STRING(id_of(v), row->want);
			WANT_STRING(class_name(v.class_), class_name(row->want_class));
			WANT_INT(ruleset_limit_hits(set), row->want_hits);
			ruleset_free(set);
		}
	}
}

static void giving_up_is_forgotten_with_its_text(void **state)
{
	struct ruleset *set = parse("rules = ( { id = 'slow'; category = 'policy'; text = '^(a|a|b?a)*(a|aa)+$'; },"
		"{ id = 'next'; category = 'recipient.unknown'; code = '550'; }, { id = 'last'; category = 'recipient.disabled'; code = '550'; } );");
	char text[4096], room[REPLY_TEXT_MAX];
	struct verdict all[4];

	(void)state; /* short enough to be remembered */
	(void)snprintf(text, sizeof text, "550 %.*s", SV_ARG(slow_text("a", "!", 300, room)));
	for (unsigned i = 1; i <= 3; i++) {
		struct failure_text f = failure(text, "", MTA_UNKNOWN);
		struct verdict v;
		ruleset_classify(set, &f, &v);
		WANT_INT(v.class_, CLASS_SOFT);
		WANT_INT(ruleset_limit_hits(set), 2 * i - 1); /* also when it was seen before */
		WANT_INT(ruleset_classify_all(set, &f, all, COUNT(all)), 2);
		WANT_INT(all[0].class_, CLASS_SOFT);
		WANT_INT(all[1].class_, CLASS_SOFT);
		WANT_INT(ruleset_limit_hits(set), 2 * i);
		v = judge(set, "550 b");
		WANT_STRING(id_of(v), "next");
		WANT_INT(v.class_, CLASS_HARD);
		WANT_INT(ruleset_limit_hits(set), 2 * i);
	}
	ruleset_free(set);
}

/* The slow patterns all together, texts made for each: counted, and over. */
static void the_worst_texts(void **state)
{
	char rules[4096];
	struct buf b = BUF_ON(rules);

	(void)state;
	buf_add(&b, SV("rules = ( "));
	for (size_t i = 0; i < COUNT(slow); i++) {
		buf_addf(&b, "%s{ id = 'r%zu'; category = 'recipient.unknown'; text = '", i ? ", " : "", i);
		for (const char *p = slow[i].regex; *p; p++)
			buf_add(&b, *p == '\\' ? SV("\\\\") : sv_make(p, 1));
		buf_add(&b, SV("'; }"));
	}
	buf_add(&b, SV(" );"));
	struct ruleset *set = parse(buf_cstr(&b));
	EACH(row, slow) {
		char room[REPLY_TEXT_MAX];
		static struct reply reply;
		struct verdict all[COUNT(slow)];
		uint64_t hits = ruleset_limit_hits(set);
		reply_parse(slow_text(row->unit, row->end, sizeof room, room), (struct enhanced){ 0 }, &reply);
		struct failure_text f = { &reply, SV(""), MTA_UNKNOWN };
		size_t n = ruleset_classify_all(set, &f, all, COUNT(all));
		WANT(ruleset_limit_hits(set) > hits);
		WANT(n + (ruleset_limit_hits(set) - hits) <= COUNT(slow));
	}
	ruleset_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rule_that_holds),
		cmocka_unit_test(all_of_a_rule_is_kept),
		cmocka_unit_test(the_text_as_it_was_logged),
		cmocka_unit_test(bytes_not_characters),
		cmocka_unit_test(lists_of_awkward_patterns),
		cmocka_unit_test(every_condition),
		cmocka_unit_test(all_conditions_must_hold),
		cmocka_unit_test(what_a_condition_found),
		cmocka_unit_test(addresses_are_no_words),
		cmocka_unit_test(numbers_of_messages_are_hidden),
		cmocka_unit_test(a_relay_that_rules_do_not_name_is_any),
		cmocka_unit_test(the_same_text_again),
		cmocka_unit_test(very_many_texts),
		cmocka_unit_test(nothing_is_hard_before_rcpt),
		cmocka_unit_test(all_that_hold),
		cmocka_unit_test(patterns_end),
		cmocka_unit_test(steps_are_counted),
		cmocka_unit_test(a_pattern_that_gives_up),
		cmocka_unit_test(giving_up_is_forgotten_with_its_text),
		cmocka_unit_test(the_worst_texts),
	};

	return RUN(tests);
}
