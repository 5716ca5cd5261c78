#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "rules.h"

static struct ruleset *parse(const char *text)
{
	struct err err = { "" };
	struct ruleset *set = ruleset_parse("t.conf", text, &err);

	if (!set)
		test_fail("ruleset_parse", err.text, "rules", __FILE__, __LINE__);
	return set;
}

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
		struct reply reply;
		struct verdict v;
		for (int plain = 0; plain < 2; plain++) {
			memset(&v, 0x5a, sizeof v);
			ruleset_set_plain(set, plain);
			ruleset_classify_text(set, sv_of(row->reply), (struct enhanced){ 0 }, sv_of(row->relay), &reply, &v);
			WANT_STRING(v.rule ? v.rule->id : "(none)", row->want_rule ? row->want_rule : "(none)");
			WANT_STRING(category_name(v.category), category_name(row->want_category));
			WANT_STRING(class_name(v.class_), class_name(row->want_class));
			WANT_TEXT(v.matched, row->want_matched);
		}
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

static void bytes_not_characters(void **state)
{
	struct ruleset *set = parse("rules = ( { id = \"one\"; category = \"policy\"; text = \"^caf.$\"; }, { id = \"two\"; category = \"policy\"; text = \"^caf..$\"; } );");
	struct reply reply;
	struct verdict v;

	(void)state;
	ruleset_classify_text(set, SV("caf\xe9"), (struct enhanced){ 0 }, SV(""), &reply, &v);
	WANT(v.rule);
	WANT_STRING(v.rule->id, "one");
	ruleset_classify_text(set, SV("caf\xc3\xa9"), (struct enhanced){ 0 }, SV(""), &reply, &v);
	WANT(v.rule);
	WANT_STRING(v.rule->id, "two");
	ruleset_free(set);
}

/* Patterns that could not be joined into one must all count, each for itself. */
static void lists_of_awkward_patterns(void **state)
{
	static const struct { const char *name, *reply; bool want; } table[] = {
		{ "first", "xay", true }, { "second, an alternative", "foo", true }, { "second's other half", "bar", true },
		{ "named twice", "zqz", true }, { "none", "b", false },
	};
	struct ruleset *set = parse("rules = ( { id = \"r\"; category = \"policy\"; text = [ \"x(?<n>a)y\", \"^foo$|^bar$\", \"z(?<n>q)z\" ]; } );");

	(void)state;
	EACH(row, table) {
		struct reply reply;
		struct verdict v;
		ruleset_classify_text(set, sv_of(row->reply), (struct enhanced){ 0 }, SV(""), &reply, &v);
		WANT_INT(v.rule != NULL, row->want);
	}
	ruleset_free(set);
}

/* ---- limits ---- */

static void a_pattern_that_never_ends_is_no_match(void **state)
{
	struct ruleset *set = parse("rules = ("
		"{ id = \"slow\"; category = \"recipient.unknown\"; text = \"^(a|a|b?a)*(a|aa)+$\"; },"
		"{ id = \"slow.not\"; category = \"recipient.unknown\"; text = \"a\"; not-text = \"^(a|a|b?a)*(a|aa)+$\"; },"
		"{ id = \"next\"; category = \"policy\"; text = \"a\"; } );");
	char text[200];
	struct reply reply;
	struct verdict v;

	(void)state;
	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '!';
	int64_t begun_ms = clock_mono_ms();
	ruleset_classify_text(set, sv_make(text, sizeof text), (struct enhanced){ 0 }, SV(""), &reply, &v);
	WANT(clock_mono_ms() - begun_ms < 5000);
	WANT(v.rule);
	WANT_STRING(v.rule->id, "next");
	WANT_INT(ruleset_limit_hits(set), 2);
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
		{ "member is no group", "rules = ( \"x\" );", "is a group" },
		{ "no id", "rules = ( { category = \"policy\"; text = \"x\"; } );", "needs an id" },
		{ "empty id", "rules = ( { id = \"\"; category = \"policy\"; text = \"x\"; } );", "id: write" },
		{ "blank in the id", "rules = ( { id = \"a b\"; category = \"policy\"; text = \"x\"; } );", "id: write" },
		{ "id too long", "rules = ( { id = \"0123456789012345678901234567890123456789012345678901234567890123\"; category = \"policy\"; text = \"x\"; } );", "id: write" },
		{ "id twice", "rules = (\n{ id = \"a\"; category = \"policy\"; text = \"x\"; },\n{ id = \"a\"; category = \"policy\"; text = \"y\"; } );", "t.conf:3: id \"a\" is taken by the rule at t.conf:2" },
		{ "no category", "rules = ( { id = \"a\"; text = \"x\"; } );", "rule a needs a category" },
		{ "no such category", "rules = ( { id = \"a\"; category = \"mailbox.fulll\"; text = \"x\"; } );", "mailbox.fulll" },
		{ "no condition", "rules = ( { id = \"a\"; category = \"policy\"; not-text = \"x\"; } );", "no condition" },
		{ "hard, and not the recipient's fault", "rules = ( { id = \"a\"; category = \"blocked.reputation\"; class = \"hard\"; text = \"x\"; } );", "recipient's fault" },
		{ "no such class", "rules = ( { id = \"a\"; category = \"policy\"; class = \"firm\"; text = \"x\"; } );", "class: write" },
		{ "complaints come by feedback only", "rules = ( { id = \"a\"; category = \"policy\"; class = \"complaint\"; text = \"x\"; } );", "class: write" },
		{ "code too short", "rules = ( { id = \"a\"; category = \"policy\"; code = \"55\"; } );", "code: \"55\"" },
		{ "code too long", "rules = ( { id = \"a\"; category = \"policy\"; code = \"5500\"; } );", "code: \"5500\"" },
		{ "no such code", "rules = ( { id = \"a\"; category = \"policy\"; code = \"650\"; } );", "code: \"650\"" },
		{ "code as a number", "rules = ( { id = \"a\"; category = \"policy\"; code = 550; } );", "code: write a string" },
		{ "enhanced of two parts", "rules = ( { id = \"a\"; category = \"policy\"; enhanced = \"5.1\"; } );", "enhanced: \"5.1\"" },
		{ "enhanced of four parts", "rules = ( { id = \"a\"; category = \"policy\"; enhanced = \"5.1.1.1\"; } );", "enhanced: \"5.1.1.1\"" },
		{ "enhanced with xx", "rules = ( { id = \"a\"; category = \"policy\"; enhanced = \"5.xx.1\"; } );", "enhanced: \"5.xx.1\"" },
		{ "no such phase", "rules = ( { id = \"a\"; category = \"policy\"; phase = \"quit\"; } );", "phase: \"quit\"" },
		{ "bad pattern", "rules = (\n{ id = \"a\"; category = \"policy\";\ntext = \"a(b\"; } );", "t.conf:3: text: " },
		{ "bad pattern in a list", "rules = (\n{ id = \"a\"; category = \"policy\";\ntext = ( \"a\",\n\"b)\" ); } );", "t.conf:4: text: " },
		{ "empty pattern", "rules = ( { id = \"a\"; category = \"policy\"; text = \"\"; } );", "not empty" },
		{ "pattern that wants UTF", "rules = ( { id = \"a\"; category = \"policy\"; text = \"(*UTF)a\"; } );", "text: " },
		{ "unknown member", "rules = ( { id = \"a\"; category = \"policy\"; txt = \"x\"; } );", "a rule has no \"txt\"" },
	};

	(void)state;
	EACH(row, table) {
		struct err err = { "" };
		struct ruleset *set = ruleset_parse("t.conf", row->text, &err);
		WANT(set == NULL);
		WANT_PART(err.text, row->want);
		WANT(strncmp(err.text, "t.conf:", 7) == 0);
	}
}

/* ---- directories ---- */

static char root[] = "/tmp/nixie-rules-XXXXXX";

static void put_rule(const char *file, const char *id, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", root, file);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	(void)fprintf(f, "rules = ( { id = \"%s\"; category = \"policy\"; text = \"%s\"; } );\n", id, text);
	(void)fclose(f);
}

static int make_directories(void **state)
{
	char path[256];

	(void)state;
	if (!mkdtemp(root))
		return -1;
	(void)snprintf(path, sizeof path, "%s/own", root);
	if (mkdir(path, 0700) != 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/shipped", root);
	return mkdir(path, 0700);
}

static int remove_directories(void **state)
{
	static const char *const files[] = { "shipped/10-b.conf", "shipped/9-a.conf", "shipped/.hidden.conf",
		"shipped/10-b.conf~", "own/zz.conf", "shipped", "own" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", root, files[i]);
		(void)remove(path);
	}
	return rmdir(root);
}

static void directories_in_order_files_by_bytes(void **state)
{
	static const char *const want[] = { "own", "ten", "nine" };
	char own[64], shipped[64];
	struct err err = { "" };

	(void)state;
	put_rule("shipped/9-a.conf", "nine", "x");
	put_rule("shipped/10-b.conf", "ten", "x");
	put_rule("shipped/.hidden.conf", "hidden", "x");
	put_rule("shipped/10-b.conf~", "backup", "x");
	put_rule("own/zz.conf", "own", "x");
	(void)snprintf(own, sizeof own, "%s/own", root);
	(void)snprintf(shipped, sizeof shipped, "%s/shipped", root);
	const char *directories[] = { own, "", shipped };
	struct ruleset *set = ruleset_load(directories, 3, &err);
	WANT_STRING(err.text, "");
	WANT(set);
	WANT_INT(ruleset_count(set), COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++)
		WANT_STRING(ruleset_rule(set, i)->id, want[i]);
	WANT_PART(ruleset_rule(set, 0)->file, "/own/zz.conf");
	ruleset_free(set);

	/* the same id in two files is a mistake, also over directories */
	put_rule("shipped/10-b.conf", "own", "x");
	WANT(!ruleset_load(directories, 3, &err));
	WANT_PART(err.text, "10-b.conf:1: id \"own\" is taken by the rule at ");
	const char *missing[] = { "/nonexistent/rules.d" };
	WANT(!ruleset_load(missing, 1, &err));
	WANT_PART(err.text, "/nonexistent/rules.d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rule_that_holds),
		cmocka_unit_test(all_of_a_rule_is_kept),
		cmocka_unit_test(bytes_not_characters),
		cmocka_unit_test(lists_of_awkward_patterns),
		cmocka_unit_test(a_pattern_that_never_ends_is_no_match),
		cmocka_unit_test(hosts),
		cmocka_unit_test(errors),
		cmocka_unit_test_setup_teardown(directories_in_order_files_by_bytes, make_directories, remove_directories),
	};

	return RUN(tests);
}
