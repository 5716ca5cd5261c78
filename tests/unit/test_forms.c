/* Forms of mail that follows no standard: their language, what they find, and which one counts. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "returned.h"
#include "rules.h"

static struct arena arena;

static struct ruleset *load(const char *text)
{
	struct err err;
	struct ruleset *set = ruleset_parse("t.conf", text, &err);

	if (!set)
		test_fail("rules", err.text, text, __FILE__, __LINE__);
	return set;
}

/* What becomes of a mail: "kind form", and for each recipient "|action final original status mta: diagnostic". */
static const char *read_with(struct ruleset *set, const char *bytes)
{
	static char room[4096];
	struct buf b = BUF_ON(room);
	struct mail mail;
	struct returned r;
	char status[ENHANCED_TEXT_MAX];

	arena_free(&arena);
	mail_parse(sv_of(bytes), &arena, &mail);
	returned_read(&mail, ruleset_forms(set), &arena, &r);
	buf_addf(&b, "%s %s", returned_kind_name(r.kind), r.by_form ? r.by_form->id : "-");
	if (r.original_id.n)
		buf_addf(&b, " about %.*s", SV_ARG(r.original_id));
	for (size_t i = 0; i < r.n_recipients; i++) {
		const struct returned_recipient *one = &r.recipients[i];
		enhanced_format(one->status, status);
		buf_addf(&b, "|%s %.*s %.*s %s %.*s: %.*s", returned_action_name(one->action), SV_ARG(one->final), SV_ARG(one->original), status,
			SV_ARG(one->remote_mta), SV_ARG(one->diagnostic));
	}
	return buf_cstr(&b);
}

static void want(const char *rules, const char *bytes, const char *told)
{
	struct ruleset *set = load(rules);

	WANT_STRING(read_with(set, bytes), told);
	ruleset_free(set);
	arena_free(&arena);
}

#define DAEMON "From: Mail <MAILER-DAEMON@mx.example>\nSubject: Lost =?utf-8?q?=C3=BCber?= all\nX-Kind: one\nX-Kind: two\n\n"

static void conditions(void **state)
{
	static const struct { const char *members; bool holds; } cases[] = {
		{ "from = 'mailer-daemon@';", true }, { "from = 'mx.example';", true }, { "from = 'example';", true }, { "from = 'x.example';", false },
		{ "from = 'Mailer-Daemon@MX.example';", true }, { "from = 'daemon@';", false }, { "from = [ 'a.example', 'mx.example' ];", true },
		{ "not-from = 'mx.example'; subject = '.';", false }, { "subject = '^lost über';", true }, { "subject = 'lost$';", false },
		{ "header = 'x-kind: ^two$';", true }, { "header = 'X-Kind: three';", false }, { "header = 'X-Other: .';", false },
		{ "not-header = 'X-Kind: two'; from = 'mx.example';", false },
		{ "text = '^second line$';", true }, { "text = 'first.second';", false },
		{ "text = 'first line\\\\nsecond';", true }, { "text = 'line'; not-text = 'first';", false },
		{ "text = 'line'; subject = 'found';", false }, { "answer = true; text = 'line';", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512];
		(void)snprintf(text, sizeof text, "forms = ( { id = 't'; kind = 'challenge'; %s } );", cases[i].members);
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		want(text, DAEMON "first line\nsecond line\n", cases[i].holds ? "challenge t" : "ordinary -");
	}
}

static void findings(void **state)
{
	(void)state;
	want("forms = ( { id = \"t\"; kind = \"dsn\"; text = \"lost by (?<remote>[^ ]+): (?<reply>${paragraph})\"; "
		"recipients = \"^<(?<recipient>${address})>(?: #(?<status>[0-9.]+))?(?: = (?<reply>.+))?\";"
		" copy = \"^-- copy --\\n\"; } );",
		DAEMON "lost by mx.a.example: no\n  such  user\n\n<a@x.example> #5.1.1\n"
		"<b@x.example> = full\n<A@x.example>\n<o'neill@x.example>\n-- copy --\n<d@x.example>\nMessage-ID: <m@x.example>\n",
		"dsn t about <m@x.example>|failed a@x.example  5.1.1 mx.a.example: no such user"
		"|failed b@x.example   mx.a.example: full|failed o'neill@x.example   mx.a.example: no such user");
	/* none of those that it has to name: it does not hold */
	want("forms = ( { id = \"t\"; kind = \"dsn\"; text = \"lost\"; recipients = \"^to (?<recipient>${address})\"; } );",
		DAEMON "lost: a@x.example\n", "ordinary -");
	/* names nobody: the message's only reader */
	want("forms = ( { id = \"t\"; kind = \"dsn\"; action = \"delayed\"; text = \"(?<reply>late)|(?<reply>never)\"; } );",
		"From: mailer-daemon@x.example\nContent-Type: multipart/mixed; boundary=b\n\n"
		"--b\n\nnever\n--b\nContent-Type: message/rfc822\n\nTo: R <r@x.example>\n\n--b--\n",
		"dsn t|delayed  r@x.example  : never");
	/* beside it in sentences, in brackets of other scripts */
	want("forms = ( { id = \"t\"; kind = \"dsn\"; text = \".\"; recipients = \"(?<recipient>${address})\"; } );",
		DAEMON "to a@x.example. 'b@x.example' (c@x.example) mailto:d@x.example, "
		"\xef\xbc\x88" "e@x.example\xef\xbc\x89 j\xc3\xbcrgen@b\xc3\xbc.example\xe3\x80\x82 @ f@ @g\n",
		"dsn t|failed a@x.example   : |failed b@x.example   : |failed c@x.example   : "
		"|failed d@x.example   : |failed e@x.example   : |failed j\xc3\xbcrgen@b\xc3\xbc.example   : ");
}

static void order_of_kinds(void **state)
{
	static const char all[] = "forms = ( { id = \"a\"; kind = \"autoreply\"; text = \"a\"; },"
		" { id = \"c\"; kind = \"challenge\"; text = \"c\"; },"
		" { id = \"d\"; kind = \"dsn\"; text = \"d\"; },"
		" { id = \"d2\"; kind = \"dsn\"; text = \"d\"; } );";

	(void)state;
	want(all, "From: x@x.example\nAuto-Submitted: auto-replied\n\na c d\n", "dsn d|failed    : ");
	want(all, "From: x@x.example\nAuto-Submitted: auto-replied\n\na c\n", "challenge c");
	want(all, "From: x@x.example\nAuto-Submitted: auto-replied\n\na\n", "autoreply -");
	want(all, "From: x@x.example\n\na\n", "autoreply a");
	want(all, "From: x@x.example\nAuto-Submitted: no\n\na\n", "ordinary -");
	want(all, "From: x@x.example\nList-Unsubscribe: <mailto:x@x.example>\n\na\n", "ordinary -");
	/* Exim's header beside other words: of whom they tell, it says */
	want(all, "From: x@x.example\nX-Failed-Recipients: a@x.example\n\nd\n", "dsn d|failed a@x.example   : ");
	want(all, "From: x@x.example\nX-Failed-Recipients: a@x.example, b@x.example\n\nd\n", "dsn d|failed a@x.example   : |failed b@x.example   : ");
	want("forms = ( { id = \"d\"; kind = \"dsn\"; text = \"d (?<recipient>[^ :]+): (?<reply>.+)\"; } );",
		"From: x@x.example\nX-Failed-Recipients: a@x.example, b@x.example\n\nd c@x.example: no\n", "dsn d|failed c@x.example   : no");
	want("forms = ( { id = \"d\"; kind = \"dsn\"; action = \"delayed\"; text = \"d: (?<reply>.+)\"; } );",
		"From: x@x.example\nX-Failed-Recipients: a@x.example, b@x.example\n\nd: no\n", "dsn d|delayed a@x.example   : no|delayed b@x.example   : no");
	want(all, "From: x@x.example\nX-Failed-Recipients: a@x.example\n\n  a@x.example\n    d\n", "dsn -|failed a@x.example   : d");
}

static void errors(void **state)
{
	static const char *const cases[][2] = {
		{ "{ kind = 'dsn'; text = 'x'; }", "t.conf:1: a form needs an id" },
		{ "{ id = 'A'; }", "id: write at most" },
		{ "{ id = 'a'; text = 'x'; }", "form a needs a kind" },
		{ "{ id = 'a'; kind = 'bounce'; }", "kind: write \"dsn\"" },
		{ "{ id = 'a'; kind = 'dsn'; not-text = 'x'; }", "no condition but negations" },
		{ "{ id = 'a'; kind = 'dsn'; text = '('; }", "text: missing closing parenthesis" },
		{ "{ id = 'a'; kind = 'dsn'; header = 'no colon'; }", "header: \"no colon\"" },
		{ "{ id = 'a'; kind = 'dsn'; text = '(?<who>x)'; }", "there is no group who here" },
		{ "{ id = 'a'; kind = 'dsn'; subject = '(?<reply>x)'; }", "there is no group reply here" },
		{ "{ id = 'a'; kind = 'dsn'; text = [ ]; }", "the list is empty" },
		{ "{ id = 'a'; kind = 'dsn'; text = 'x'; action = 'lost'; }", "action: write" },
		{ "{ id = 'a'; kind = 'autoreply'; text = 'x'; action = 'failed'; }", "are for kind = \"dsn\"" },
		{ "{ id = 'a'; kind = 'dsn'; text = 'x'; answer = false; }", "answer: write true" },
		{ "{ id = 'a'; kind = 'dsn'; words = 'x'; }", "a form has no \"words\"" }, { "'a'", "forms: each member is a group" },
		{ "{ id = 'a'; kind = 'dsn'; text = 'x'; },\n{ id = 'a'; kind = 'dsn'; text = 'x'; }", "t.conf:2: id \"a\" is taken by the form at t.conf:1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512];
		struct err err = { "" };
		(void)snprintf(text, sizeof text, "forms = ( %s );", cases[i][0]);
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		struct ruleset *set = ruleset_parse("t.conf", text, &err);
		if (set || !strstr(err.text, cases[i][1]))
			test_fail(cases[i][0], err.text, cases[i][1], __FILE__, __LINE__);
		ruleset_free(set);
	}
}

/* Compiled when they are needed: nobody knows of them before, and then they are refused in the same words. */
static void broken_patterns_that_are_met_late(void **state)
{
	static const char harmless[] = "From: x@y.example\nSubject: other\n\nfirst line\n";
	static const char *const cases[][2] = {
		{ "text = 'a(b'; kind = 'dsn';", "t.conf:2: text: " }, { "subject = [ 'z', 'a(b' ]; kind = 'challenge';", "t.conf:2: subject: " },
		{ "header = 'X-Kind: a(b'; kind = 'autoreply';", "t.conf:2: header: " }, { "header = 'X-Kind: (?<reply>x)'; kind = 'dsn';", "there is no group reply" },
		{ "text = '(?<who>first)'; kind = 'dsn';", "there is no group who" }, { "text = 'first'; not-text = 'a(b'; kind = 'dsn';", "t.conf:2: text: " },
		{ "text = 'first'; kind = 'dsn'; recipients = 'a(b';", "t.conf:2: recipients: " }, { "text = 'first'; kind = 'dsn'; copy = 'a(b';", "t.conf:2: copy: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[512];
		struct err refused = { "" }, err = { "" };
		test_row = cases[i][0];
		(void)snprintf(text, sizeof text, "forms = (\n{ id = 't'; from = 'mx.example'; %s } );", cases[i][0]);
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		WANT(!ruleset_parse("t.conf", text, &refused));
		WANT_PART(refused.text, cases[i][1]);
		struct ruleset *set = ruleset_parse_late("t.conf", text, &err);
		WANT_STRING(err.text, "");
		(void)read_with(set, harmless);
		WANT_STRING(ruleset_broken(set), "");
		(void)read_with(set, DAEMON "first line\n");
		WANT_STRING(ruleset_broken(set), refused.text);
		ruleset_free(set);
	}
	arena_free(&arena);
	test_row = "";
}

static void write_file(const char *path, const char *text)
{
	FILE *to = fopen(path, "w");

	assert_non_null(to);
	(void)fputs(text, to);
	(void)fclose(to);
}

/* Of two directories the first counts, in the place of the other; what is disabled is not tried. */
static void directories(void **state)
{
	char base[] = "/tmp/nixie-forms-XXXXXX", own[64], shipped[64], path[2][96];
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(base));
	(void)snprintf(own, sizeof own, "%s/own", base);
	(void)snprintf(shipped, sizeof shipped, "%s/shipped", base);
	(void)snprintf(path[0], sizeof path[0], "%s/1.conf", own);
	(void)snprintf(path[1], sizeof path[1], "%s/1.conf", shipped);
	assert_int_equal(mkdir(own, 0700) | mkdir(shipped, 0700), 0);
	write_file(path[0], "disable = \"b\"; forms = ( { id = \"c\"; kind = \"challenge\"; text = \"mine\"; },"
		" { id = \"z\"; kind = \"challenge\"; text = \"zz\"; } );");
	write_file(path[1], "forms = ( { id = \"a\"; kind = \"challenge\"; text = \"aa\"; },"
		" { id = \"b\"; kind = \"challenge\"; text = \"mine\"; }, { id = \"c\"; kind = \"challenge\"; text = \"theirs\"; } );");
	struct ruleset *set = ruleset_load((const char *const[]){ own, shipped }, 2, &err);
	assert_non_null(set);
	const struct forms *forms = ruleset_forms(set);
	WANT_INT(forms_count(forms), 4);
	WANT_STRING(forms_form(forms, 0)->id, "z");
	WANT_STRING(forms_form(forms, 3)->id, "c");
	WANT_STRING(forms_form(forms, 3)->replaced_file, path[1]);
	WANT(forms_find(forms, SV("b"))->disabled);
	WANT_STRING(read_with(set, "From: x@x.example\n\nmine\n"), "challenge c");
	WANT_STRING(read_with(set, "From: x@x.example\n\ntheirs\n"), "ordinary -");
	ruleset_free(set);
	arena_free(&arena);
	(void)unlink(path[0]);
	(void)unlink(path[1]);
	(void)rmdir(own);
	(void)rmdir(shipped);
	(void)rmdir(base);
}

/* A pattern that gives up is no match, and counted. */
static void giving_up(void **state)
{
	struct ruleset *set = load("forms = ( { id = \"t\"; kind = \"challenge\"; text = \"(a+)+[bc]\"; },"
		" { id = \"u\"; kind = \"challenge\"; text = \"aa\"; } );");
	char bytes[128] = "From: x@x.example\n\n";

	(void)state;
	memset(bytes + strlen(bytes), 'a', 60);
	WANT_STRING(read_with(set, bytes), "challenge u");
	WANT_INT(forms_limit_hits(ruleset_forms(set)), 1);
	ruleset_free(set);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions), cmocka_unit_test(findings), cmocka_unit_test(order_of_kinds), cmocka_unit_test(errors),
		cmocka_unit_test(broken_patterns_that_are_met_late),
		cmocka_unit_test(directories), cmocka_unit_test(giving_up),
	};

	return RUN(tests);
}
