/* With the shipped rules. Runs at the top of the tree. */
#include "test.h"

#include "status_filter.h"

static struct ruleset *rules;

#define SAID(text) "host mx.example.com[192.0.2.1] said: " text " (in reply to RCPT TO command)"

/* The line that comes back; "" when there is nothing to change. */
static const char *filtered(const enum status_change changes[CATEGORY_COUNT], struct sv line)
{
	static char room[8192];
	struct buf b = BUF_ON(room);

	bool changed = status_filter(rules, changes, line, &b);
	WANT(changed || b.n == 0);
	return buf_cstr(&b);
}

static void lines(void **state)
{
	static const enum status_change changes[CATEGORY_COUNT] = { [CATEGORY_MAILBOX_FULL] = CHANGE_TO_BOUNCE,
		[CATEGORY_BLOCKED_REPUTATION] = CHANGE_TO_DEFER, [CATEGORY_NETWORK] = CHANGE_TO_BOUNCE };
	static const struct { const char *name, *line, *want; } table[] = {
		{ "full, for a time", "4.2.2 " SAID("452 4.2.2 mailbox full"), "5.2.2 " SAID("452 4.2.2 mailbox full") },
		{ "full, without a status", "4.0.0 " SAID("452 mailbox full"), "5.0.0 " SAID("452 mailbox full") },
		{ "full for good is as it shall be", "5.2.2 " SAID("552 5.2.2 mailbox full"), "" },
		{ "a block for good", "5.7.1 " SAID("550 5.7.1 blocked using zen.spamhaus.org"), "4.7.1 " SAID("550 5.7.1 blocked using zen.spamhaus.org") },
		{ "a block for a time is as it shall be", "4.7.1 " SAID("450 4.7.1 blocked using zen.spamhaus.org"), "" },
		{ "of several lines", "5.7.1 " SAID("550-5.7.1 Sorry 550 5.7.1 blocked using zen.spamhaus.org"),
		  "4.7.1 " SAID("550-5.7.1 Sorry 550 5.7.1 blocked using zen.spamhaus.org") },
		{ "Postfix's own words", "4.4.1 connect to mx.example.com[192.0.2.1]:25: Connection timed out",
		  "5.4.1 connect to mx.example.com[192.0.2.1]:25: Connection timed out" },
		{ "a category that is not named", "5.1.1 " SAID("550 5.1.1 user unknown"), "" },
		{ "words that no rule knows", "5.0.0 " SAID("550 xyzzy"), "" },
		{ "delivered", "2.0.0 250 2.0.0 mailbox full", "" },
		{ "a status of three digits each", "4.722.999 " SAID("452 4.2.2 mailbox full"), "5.722.999 " SAID("452 4.2.2 mailbox full") },
		{ "no status", SAID("452 4.2.2 mailbox full"), "" },
		{ "a code for the status", "452 4.2.2 mailbox full", "" },
		{ "a status and more", "4.2.2x mailbox full", "" },
		{ "a class that there is not", "3.2.2 mailbox full", "" },
		{ "a status without words", "4.2.2", "" },
		{ "a status and a blank", "4.2.2 ", "" },
		{ "a status and blanks", "4.2.2   ", "" },
		{ "a blank first", " 4.2.2 mailbox full", "" },
		{ "an address", "mailbox.full@example.com", "" },
		{ "nothing", "", "" },
	};

	(void)state;
	EACH(row, table)
		WANT_STRING(filtered(changes, sv_of(row->line)), row->want);
}

/* A line for a change must fit whole, and whoever gave less room must see that. */
static void a_long_line(void **state)
{
	static const enum status_change changes[CATEGORY_COUNT] = { [CATEGORY_MAILBOX_FULL] = CHANGE_TO_BOUNCE };
	static char line[20000];
	char room[100];
	struct buf b = BUF_ON(room);

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "4.2.2 452 4.2.2 mailbox full ", 29);
	WANT(status_filter(rules, changes, sv_make(line, 100), &b));
	WANT(!b.full);
	buf_reset(&b);
	WANT(status_filter(rules, changes, sv_make(line, sizeof line), &b));
	WANT(b.full);
}

static void nothing_configured(void **state)
{
	static const enum status_change none[CATEGORY_COUNT];

	(void)state;
	for (size_t i = 0; i < ruleset_count(rules); i++)
		for (size_t j = 0; j < ruleset_rule(rules, i)->n_match; j++) {
			char line[2048];
			(void)snprintf(line, sizeof line, "5.0.0 %.*s", SV_ARG(ruleset_rule(rules, i)->match[j].reply));
			WANT_STRING(filtered(none, sv_of(line)), "");
		}
}

/* The log that comes of it is judged alike: a reply that is retried is no other failure than one that is not. Each
 * example of the rules as Postfix would log it, with either class. */
static void either_class_is_the_same_category(void **state)
{
	enum status_change defer[CATEGORY_COUNT], bounce[CATEGORY_COUNT];
	size_t lines_n = 0;

	(void)state;
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *rule = ruleset_rule(rules, i);
		memset(defer, 0, sizeof defer);
		memset(bounce, 0, sizeof bounce);
		defer[rule->category] = CHANGE_TO_DEFER;
		bounce[rule->category] = CHANGE_TO_BOUNCE;
		for (size_t j = 0; j < rule->n_match; j++) {
			const struct rule_example *e = &rule->match[j];
			char line[4096], turned[4096];
			struct sv relay = e->relay.n ? e->relay : SV("mx.example.com");
			bool said = e->reply.n > 3 && sv_is_digit(e->reply.p[0]) && sv_is_digit(e->reply.p[2]);
			if (!said) /* Postfix's own words, or another MTA's: the relay is not in them */
				continue;
			(void)snprintf(line, sizeof line, "5.0.0 host %.*s[192.0.2.1] said: %.*s", SV_ARG(relay), SV_ARG(e->reply));
			const char *once = filtered(defer, sv_of(line));
			if (!*once) /* judged otherwise where a rule looks at the phase, or at the MTA */
				continue;
			lines_n++;
			test_row = rule->id;
			(void)snprintf(turned, sizeof turned, "%s", once);
			WANT_INT(turned[0], '4');
			WANT_STRING(turned + 1, line + 1);
			WANT_STRING(filtered(defer, sv_of(turned)), "");
			WANT_STRING(filtered(bounce, sv_of(turned)), line);
			WANT_STRING(filtered(bounce, sv_of(line)), "");
		}
	}
	test_row = "";
	WANT(lines_n > 500);
}

int main(void)
{
	const char *const directories[] = { "conf/rules.d" };
	struct err err = { "" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(a_long_line),
		cmocka_unit_test(nothing_configured),
		cmocka_unit_test(either_class_is_the_same_category),
	};

	rules = ruleset_load(directories, 1, &err);
	if (!rules) {
		print_error("%s\n", err.text);
		return 1;
	}
	int failed = RUN(tests);
	ruleset_free(rules);
	return failed;
}
