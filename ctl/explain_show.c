#include "explain_show.h"

#include <stdio.h>

#include "clock.h"
#include "json.h"
#include "match.h"
#include "retry.h"
#include "rule_text.h"
#include "term.h"

/* ---- without rules ---- */

static const char *by_digit(int digit)
{
	return digit == 5 ? "hard" : digit == 4 ? "soft" : NULL;
}

const char *explain_by_code(const struct reply *r)
{
	return by_digit(r->code ? r->code / 100 : r->enhanced.class_);
}

const char *explain_by_status(const struct reply *r)
{
	/* RFC 3463: what is said of the address, and of the host; everything else may pass */
	static const struct { int subject, detail; bool hard; } table[] = {
		{ 1, 1, true }, { 1, 2, true }, { 1, 3, true }, { 1, 6, true }, { 1, 10, true }, { 2, 1, true },
		{ 2, 2, false }, { 2, 3, false }, { 2, 4, false }, { 3, 4, false },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table && r->enhanced.class_; i++)
		if (table[i].subject == r->enhanced.subject && table[i].detail == r->enhanced.detail)
			return table[i].hard ? "hard" : "soft";
	if (r->enhanced.class_ && (r->enhanced.subject == 4 || r->enhanced.subject == 7))
		return "soft"; /* the network, and policy */
	return by_digit(r->enhanced.class_);
}

bool explain_same_as_stored(const struct explained *e)
{
	struct sv rule = sv_of(e->verdict.rule ? e->verdict.rule->id : "");

	return e->entry->reason == e->verdict.category && sv_eq(e->entry->rule, rule);
}

/* ---- for people ---- */

static void field(const char *name)
{
	(void)printf("  %-10s ", name);
}

static void field_text(const char *name, struct sv text)
{
	if (!text.n)
		return;
	field(name);
	term_clean(stdout, text);
	(void)putchar('\n');
}

static enum colour class_colour(enum class class_)
{
	return class_ == CLASS_HARD ? COLOUR_RED : class_ == CLASS_SOFT ? COLOUR_YELLOW : COLOUR_PLAIN;
}

static void in_colour(enum colour colour, const char *text)
{
	(void)printf("%s%s%s", term_colour(stdout, colour), text, term_colour(stdout, COLOUR_PLAIN));
}

static void show_stored(const struct explained *e)
{
	const struct entry *entry = e->entry;
	char since[CLOCK_TEXT_MAX];

	field_text("address", e->address);
	field("stored");
	(void)printf("%s, %s", status_name(entry->status), category_name(entry->reason));
	if (entry->rule.n) {
		(void)fputs(" by ", stdout);
		term_clean(stdout, entry->rule);
	}
	if (entry->last_s) {
		clock_format_us(entry->last_s * CLOCK_SECOND_US, since, sizeof since);
		(void)printf(", last %s", since);
	}
	(void)fputs(": ", stdout);
	if (explain_same_as_stored(e))
		in_colour(COLOUR_GREEN, "as the rules say now");
	else if (entry->reason == e->verdict.category)
		in_colour(COLOUR_GREEN, "the same by another rule now");
	else
		in_colour(COLOUR_YELLOW, "the rules say otherwise now; what is stored is not judged again");
	(void)putchar('\n');
	if (entry->text.n >= STATE_TEXT_MAX)
		(void)printf("  %-10s the stored text was cut at %d bytes\n", "", STATE_TEXT_MAX);
}

/* Which of the values it was that matched: a named list, when it is none of the others. */
static struct rule_condition value_that_matched(const struct rule_condition *c, struct sv words)
{
	struct rule_condition only = *c;
	size_t found = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct err err;
		struct pattern *pattern = rule_value_is_list(c->values[i]) ? NULL : pattern_compile(c->values[i], &err);
		bool matches = pattern && pattern_match(pattern, words, NULL) == MATCH_YES;
		pattern_free(pattern);
		if (matches || rule_value_is_list(c->values[i]))
			found = i;
		if (matches)
			break;
	}
	only.values += found;
	only.n = 1;
	return only;
}

/* Long lists are cut, long expressions too: nixie rules show has all. */
static void show_condition(const struct explained *e, const struct rule *rule, size_t i)
{
	const struct rule_condition *c = &rule->conditions[i];
	struct sv hit;
	bool holds = ruleset_condition_holds(e->rules, rule, i, &e->failure, &hit);

	(void)printf("    %-12s ", condition_name(c));
	in_colour(holds ? COLOUR_GREEN : COLOUR_RED, !holds ? "no   " : c->negated ? "none " : "holds");
	(void)fputs("  ", stdout);
	if (!hit.n || c->negated) {
		rule_print_values(stdout, c, 3, 40);
		(void)putchar('\n');
		return;
	}
	struct rule_condition matched = value_that_matched(c, e->failure.reply->words);
	(void)putchar('"');
	term_clean(stdout, hit);
	(void)fputs("\" by ", stdout);
	rule_print_values(stdout, &matched, 1, 60);
	if (c->n > 1)
		(void)printf(", one of %zu", c->n);
	(void)putchar('\n');
}

static void show_rule(const struct explained *e)
{
	const struct rule *rule = e->n_holding ? e->holding[0].rule : NULL;

	field("rule");
	if (!rule) {
		(void)puts("none matched: unknown is soft");
		return;
	}
	in_colour(COLOUR_BOLD, rule->id);
	(void)printf(" (%s:%u)\n", rule->file, rule->line);
	for (size_t i = 0; i < rule->n_conditions; i++)
		show_condition(e, rule, i);
	field_text("but", sv_of(e->overruled));
	field_text("note", sv_of(rule->note));
	field_text("see", sv_of(rule->url));
}

/* What would have been without it. */
static void show_next(const struct explained *e)
{
	int width = 0;

	for (size_t i = 1; i < e->n_holding; i++) {
		int n = (int)strlen(e->holding[i].rule->id);
		width = n > width ? n : width;
	}
	for (size_t i = 1; i < e->n_holding; i++) {
		const struct rule *rule = e->holding[i].rule;
		field(i == 1 ? "else" : "");
		(void)printf("%-*s  ", width, rule->id);
		(void)printf("%s%-4s%s  %-19s  %s:%u\n", term_colour(stdout, class_colour(rule->class_)), class_name(rule->class_),
			term_colour(stdout, COLOUR_PLAIN), category_name(rule->category), rule->file, rule->line);
	}
	if (e->n_holding == 1) {
		field("else");
		(void)puts("no other rule holds");
	}
}

static const char *or_nothing(const char *said)
{
	return said ? said : "nothing";
}

static void show_reply(const struct explained *e)
{
	const struct reply *r = e->failure.reply;
	struct sv provider = ruleset_provider(e->rules, e->failure.relay);
	const struct blocklist *list = e->verdict.blocklist;
	char enhanced[ENHANCED_TEXT_MAX];
	int64_t retry_s = retry_after_s(r->words);

	enhanced_format(r->enhanced, enhanced);
	if (r->code)
		(void)printf("  %-10s %d\n", "code", r->code);
	field_text("enhanced", sv_of(enhanced));
	field_text("by code", sv_of(or_nothing(explain_by_code(r))));
	field_text("by status", sv_of(or_nothing(explain_by_status(r))));
	if (r->phase != PHASE_NONE)
		field_text("phase", sv_of(phase_name(r->phase)));
	field_text("said by", r->remote ? SV("server") : SV("mta"));
	field_text("relay", e->failure.relay);
	field_text("provider", provider);
	if (list) {
		(void)printf("  %-10s ", "block list");
		term_clean(stdout, sv_of(list->name));
		(void)fputs(list->url ? "  " : "", stdout);
		term_clean(stdout, sv_of(list->url ? list->url : ""));
		(void)putchar('\n');
	}
	if (retry_s >= 0)
		(void)printf("  %-10s after %lld s\n", "retry", (long long)retry_s);
	field_text("words", r->words);
}

void explain_show_human(const struct explained *e)
{
	const struct verdict *v = &e->verdict;
	enum fault fault = category_fault(v->category);
	char lost[LOST_TEXT_MAX];

	in_colour(class_colour(v->class_), class_name(v->class_));
	(void)printf("  %s: %s\n", category_name(v->category), category_meaning(v->category));
	(void)printf("  %-10s %s%s\n", "fault", fault_name(fault), fault == FAULT_RECIPIENT ? "" : ": alone it suppresses nobody");
	if (e->entry)
		show_stored(e);
	if (e->lost)
		field_text("lost", sv_of(lost_text(e->lost, lost)));
	field_text("recipient", e->recipient);
	field_text("status", e->status);
	show_rule(e);
	show_next(e);
	show_reply(e);
}

/* ---- as JSON ---- */

static void json_rule(struct json *j, const struct explained *e, const struct rule *rule)
{
	json_text(j, "rule", sv_of(rule->id));
	json_text(j, "file", sv_of(rule->file));
	json_number(j, "line", rule->line);
	json_list(j, "conditions");
	for (size_t i = 0; i < rule->n_conditions; i++) {
		const struct rule_condition *c = &rule->conditions[i];
		struct sv hit;
		json_object(j, NULL);
		json_text(j, "name", sv_of(condition_name(c)));
		json_list(j, "values");
		for (size_t k = 0; k < c->n; k++)
			json_text(j, NULL, c->values[k]);
		json_end_list(j);
		json_bool(j, "holds", ruleset_condition_holds(e->rules, rule, i, &e->failure, &hit));
		json_member(j, "matched", hit);
		json_end_object(j);
	}
	json_end_list(j);
	json_member(j, "note", sv_of(rule->note));
	json_member(j, "url", sv_of(rule->url));
}

static void json_next(struct json *j, const struct explained *e)
{
	json_list(j, "candidates");
	for (size_t i = 1; i < e->n_holding; i++) {
		json_object(j, NULL);
		rule_json(j, e->holding[i].rule);
		json_member(j, "because", e->holding[i].matched);
		json_end_object(j);
	}
	json_end_list(j);
}

static void json_reply(struct json *j, const struct explained *e)
{
	const struct reply *r = e->failure.reply;
	const struct blocklist *list = e->verdict.blocklist;
	char enhanced[ENHANCED_TEXT_MAX];
	int64_t retry_s = retry_after_s(r->words);

	enhanced_format(r->enhanced, enhanced);
	if (r->code)
		json_number(j, "code", r->code);
	json_member(j, "enhanced", sv_of(enhanced));
	if (r->phase != PHASE_NONE)
		json_text(j, "phase", sv_of(phase_name(r->phase)));
	json_text(j, "said-by", r->remote ? SV("server") : SV("mta"));
	json_member(j, "relay", e->failure.relay);
	json_member(j, "provider", ruleset_provider(e->rules, e->failure.relay));
	if (list)
		json_text(j, "blocklist", sv_of(list->name));
	if (list && list->url)
		json_text(j, "blocklist-url", sv_of(list->url));
	if (retry_s >= 0)
		json_number(j, "retry-after", retry_s);
	json_text(j, "words", r->words);
	json_member(j, "by-code", sv_of(explain_by_code(r)));
	json_member(j, "by-status", sv_of(explain_by_status(r)));
}

static void json_stored(struct json *j, const struct explained *e)
{
	json_text(j, "address", e->address);
	json_object(j, "stored");
	json_text(j, "status", sv_of(status_name(e->entry->status)));
	json_text(j, "category", sv_of(category_name(e->entry->reason)));
	json_member(j, "rule", e->entry->rule);
	json_bool(j, "same", explain_same_as_stored(e));
	if (e->lost) {
		char time[CLOCK_TEXT_MAX];
		clock_format_us(e->lost->time_s * CLOCK_SECOND_US, time, sizeof time);
		json_number(j, "uncounted", (int64_t)e->lost->failures);
		json_text(j, "lost", sv_of(time));
	}
	json_end_object(j);
}

void explain_show_json(const struct explained *e)
{
	struct json j = JSON_ON(stdout);
	const struct verdict *v = &e->verdict;

	json_object(&j, NULL);
	json_text(&j, "class", sv_of(class_name(v->class_)));
	json_text(&j, "category", sv_of(category_name(v->category)));
	json_text(&j, "fault", sv_of(fault_name(category_fault(v->category))));
	if (e->entry)
		json_stored(&j, e);
	json_member(&j, "recipient", e->recipient);
	json_member(&j, "status", e->status);
	if (e->n_holding)
		json_rule(&j, e, e->holding[0].rule);
	json_member(&j, "because", v->matched);
	json_member(&j, "overruled", sv_of(e->overruled));
	json_next(&j, e);
	json_reply(&j, e);
	json_end_object(&j);
	json_end_line(&j);
}
