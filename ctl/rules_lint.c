/* rules lint: rules that cannot work, or not as they should. */
#include <stdio.h>
#include <stdlib.h>

#include "lint.h"
#include "lint_cover.h"
#include "lint_forms.h"
#include "lint_pattern.h"
#include "log.h"
#include "rule_text.h"
#include "term.h"
#include "verbs.h"

/* More than a tenth of the examples of other categories: it takes what is not its own. */
#define GREEDY_SHARE 10

struct lint {
	struct ruleset *rules;
	struct cover cover;
	struct reply *reply;
	struct verdict *verdicts; /* room for one of every rule */
	struct lint_told told;
};

static struct lint_place place_of(const struct rule *rule)
{
	return (struct lint_place){ rule->id, rule->file, rule->line, false };
}

/* ---- patterns ---- */

static enum lint_level level_of(enum pattern_problem problem)
{
	return problem == PATTERN_MATCHES_NOTHING ? LINT_ERROR : problem == PATTERN_NO_WORD ? LINT_REMARK : LINT_WARNING;
}

/* One value, branch by branch; `ignored` problems are none here. */
static void lint_value(struct lint *l, struct lint_place place, struct sv value, const struct rule *rule, unsigned ignored)
{
	struct sv branches[LITERAL_BRANCHES_MAX];
	size_t n = literal_branches(value, branches, NULL);

	for (size_t i = 0; i < n; i++) {
		unsigned problems = pattern_problems(branches[i], rule ? rule->match : NULL, rule ? rule->n_match : 0) & ~ignored;
		for (unsigned bit = 1; bit <= PATTERN_NO_WORD; bit <<= 1)
			if (problems & bit)
				lint_tell(&l->told, level_of(bit), pattern_problem_name(bit), place, "\"%.*s\": %s", SV_ARG(sv_head(branches[i], 160)),
					pattern_problem_text(bit));
	}
}

/* Named lists are looked at once, for themselves; but a list that is a rule's text makes the rule one that is always tried. */
static void lint_patterns(struct lint *l, const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_conditions; i++) {
		const struct rule_condition *c = &rule->conditions[i];
		for (size_t j = 0; j < c->n && c->what == CONDITION_TEXT; j++) {
			const struct rule_list *list = rule_value_list(l->rules, c->values[j]);
			if (!list)
				lint_value(l, place_of(rule), c->values[j], rule, c->negated ? PATTERN_NO_WORD : 0);
			for (size_t k = 0; list && k < list->n && !c->negated; k++)
				lint_value(l, place_of(rule), list->values[k], NULL, ~(unsigned)PATTERN_NO_WORD);
		}
	}
}

/* A list that an operator means to add, under a name that is taken, takes the words away from all rules that name it. */
static void lint_replaced(struct lint *l, const struct rule_list *list, struct lint_place place)
{
	char users[64] = "";

	if (!list->replaced_file)
		return;
	if (strcmp(list->kind, "words") == 0) {
		size_t n = rule_list_users(l->rules, sv_of(list->name), NULL, 0);
		(void)snprintf(users, sizeof users, ", also for the %zu rule%s that name%s it", n, term_plural(n), n == 1 ? "s" : "");
	}
	if (list->n)
		lint_tell(&l->told, LINT_WARNING, "replaces", place, "it takes the place of the one at %s:%u%s; if that is not meant, choose another name",
			list->replaced_file, list->replaced_line, users);
	else
		lint_tell(&l->told, LINT_REMARK, "replaces", place, "it is empty, and clears the one at %s:%u%s", list->replaced_file, list->replaced_line, users);
}

static void lint_lists(struct lint *l)
{
	char owner[RULE_ID_MAX + 32];

	for (size_t i = 0; i < ruleset_list_count(l->rules); i++) {
		const struct rule_list *list = ruleset_list(l->rules, i);
		(void)snprintf(owner, sizeof owner, "%s %.*s", list->kind, SV_ARG(sv_head(sv_of(list->name), RULE_ID_MAX)));
		lint_replaced(l, list, (struct lint_place){ owner, list->file, list->line, false });
		for (size_t j = 0; j < list->n; j++)
			lint_value(l, (struct lint_place){ owner, list->file, list->lines[j], false }, list->values[j], NULL, PATTERN_NO_WORD);
	}
}

/* ---- a rule for itself ---- */

static const struct rule_condition *condition_of(const struct rule *rule, enum condition what, bool negated)
{
	for (size_t i = 0; i < rule->n_conditions; i++)
		if (rule->conditions[i].what == what && rule->conditions[i].negated == negated)
			return &rule->conditions[i];
	return NULL;
}

static bool has_value(const struct rule_condition *c, const char *value)
{
	for (size_t i = 0; c && i < c->n; i++)
		if (sv_eq(c->values[i], sv_of(value)))
			return true;
	return false;
}

static void lint_twice(struct lint *l, const struct rule *rule, const struct rule_condition *c)
{
	for (size_t i = 0; i < c->n; i++) {
		for (size_t j = 0; j < i; j++)
			if (sv_eq(c->values[i], c->values[j]))
				lint_tell(&l->told, LINT_WARNING, "twice", place_of(rule), "%s has \"%.*s\" twice", condition_name(c),
					SV_ARG(sv_head(c->values[i], 160)));
		const struct rule_list *list = rule_value_list(l->rules, c->values[i]);
		for (size_t j = 0; list && j < list->n; j++)
			for (size_t k = 0; k < c->n; k++)
				if (sv_eq(c->values[k], list->values[j]))
					lint_tell(&l->told, LINT_WARNING, "twice", place_of(rule), "%s: \"%.*s\" is in %.*s already", condition_name(c),
						SV_ARG(sv_head(c->values[k], 160)), SV_ARG(c->values[i]));
	}
}

/* Conditions that cannot hold together. */
static void lint_contradiction(struct lint *l, const struct rule *rule)
{
	const struct rule_condition *phase = condition_of(rule, CONDITION_PHASE, false);

	for (size_t i = 0; i < rule->n_conditions; i++) {
		const struct rule_condition *c = &rule->conditions[i];
		const struct rule_condition *not = c->negated ? NULL : condition_of(rule, c->what, true);
		if (not && condition_covers(&l->cover, not, c))
			lint_tell(&l->told, LINT_ERROR, "never", place_of(rule), "it never holds: %s leaves out all that %s asks for",
				condition_name(not), condition_name(c));
	}
	if (rule->class_ == CLASS_HARD && phase && !has_value(phase, "rcpt") && !has_value(phase, "data") && !has_value(phase, "end-of-data"))
		lint_tell(&l->told, LINT_ERROR, "never", place_of(rule), "it never holds: a hard rule does not for an answer before RCPT TO");
	if (condition_of(rule, CONDITION_MTA, false) && has_value(condition_of(rule, CONDITION_SAID_BY, false), "server"))
		lint_tell(&l->told, LINT_WARNING, "mta-of-server", place_of(rule), "mta says whose own words these are, and said-by that a server says them");
}

static void lint_rule(struct lint *l, const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_conditions; i++)
		lint_twice(l, rule, &rule->conditions[i]);
	lint_contradiction(l, rule);
	lint_patterns(l, rule);
	if (rule->class_ == CLASS_HARD && !condition_of(rule, CONDITION_TEXT, true))
		lint_tell(&l->told, LINT_REMARK, "no-guard", place_of(rule), "hard, and no not-text keeps it away from words about somebody else");
}

/* ---- rules beside each other ---- */

/* An earlier rule that always holds when this one does. */
static void lint_unreachable(struct lint *l, const struct rule *rule, size_t position)
{
	for (size_t i = 0; i < position; i++) {
		const struct rule *earlier = ruleset_rule(l->rules, i);
		if (earlier->disabled || !rule_covers(&l->cover, earlier, rule))
			continue;
		bool same = rule_covers(&l->cover, rule, earlier);
		lint_tell(&l->told, LINT_ERROR, same ? "duplicate" : "unreachable", place_of(rule), "it never wins: %s (%s:%u) comes first and %s",
			earlier->id, earlier->file, earlier->line, same ? "asks for the same" : "holds whenever this one does");
		return;
	}
}

static void lint_shadowed(struct lint *l, const struct rule *rule)
{
	struct verdict v, first = { .rule = NULL };

	for (size_t i = 0; i < rule->n_match; i++) {
		ruleset_classify_text(l->rules, rule->match[i].reply, (struct enhanced){ 0 }, rule->match[i].relay, l->reply, &v);
		if (v.rule == rule)
			return;
		if (i == 0)
			first = v;
	}
	if (rule->n_match)
		lint_tell(&l->told, LINT_ERROR, "shadowed", place_of(rule), "it wins none of its own examples; the first is won by %s",
			first.rule ? first.rule->id : "no rule");
}

static void count_holding(struct lint *l, const struct rule *rule, const struct rule_example *example, size_t *taken)
{
	reply_parse(example->reply, (struct enhanced){ 0 }, l->reply);
	struct failure_text f = { l->reply, example->relay.n ? example->relay : l->reply->host, MTA_UNKNOWN };
	size_t n = ruleset_classify_all(l->rules, &f, l->verdicts, ruleset_count(l->rules));

	for (size_t i = 0, at = 0; i < n; i++) {
		while (ruleset_rule(l->rules, at) != l->verdicts[i].rule) /* they come in the same order */
			at++;
		if (l->verdicts[i].category != rule->category)
			taken[at]++;
	}
}

/* Rules by words that hold for much of what others are for. Those by codes alone come last and are
 * meant to; and a soft one may be the net for what others miss. */
static void lint_greedy(struct lint *l)
{
	size_t n = ruleset_count(l->rules), examples = 0, of_category[CATEGORY_COUNT] = { 0 };
	size_t *taken = xalloc((n + 1) * sizeof *taken);

	for (size_t i = 0; i < n; i++) {
		const struct rule *rule = ruleset_rule(l->rules, i);
		for (size_t j = 0; j < rule->n_match && !rule->disabled; j++) {
			count_holding(l, rule, &rule->match[j], taken);
			of_category[rule->category]++;
			examples++;
		}
	}
	for (size_t i = 0; i < n; i++) {
		const struct rule *rule = ruleset_rule(l->rules, i);
		size_t others = examples - of_category[rule->category];
		if (condition_of(rule, CONDITION_TEXT, false) && taken[i] > 2 && taken[i] * GREEDY_SHARE > others)
			lint_tell(&l->told, rule->class_ == CLASS_HARD ? LINT_WARNING : LINT_REMARK, "greedy", place_of(rule),
				"its conditions hold for %zu of the %zu examples of other categories", taken[i], others);
	}
	free(taken);
}

/* ---- the verb ---- */

static size_t lint_all(struct lint *l)
{
	size_t n_rules = 0;

	lint_lists(l);
	for (size_t i = 0; i < ruleset_count(l->rules); i++) {
		const struct rule *rule = ruleset_rule(l->rules, i);
		if (rule->disabled)
			continue;
		n_rules++;
		lint_rule(l, rule);
		lint_unreachable(l, rule, i);
		lint_shadowed(l, rule);
	}
	lint_greedy(l);
	return n_rules;
}

int rules_lint(struct ctl *ctl, int argc, char **argv)
{
	struct lint l = { .rules = NULL };
	int code;

	l.rules = verb_load_rules(ctl, argc, argv, "rules lint", NULL, &code);
	if (!l.rules)
		return code;
	if (!verb_no_arguments(argc, argv)) {
		ruleset_free(l.rules);
		return EXIT_USAGE;
	}
	l.told.json = ctl->json;
	l.cover.rules = l.rules;
	l.reply = xalloc(sizeof *l.reply);
	l.verdicts = xalloc((ruleset_count(l.rules) + 1) * sizeof *l.verdicts);
	size_t n_rules = lint_all(&l);
	lint_sum_up(&l.told, n_rules, lint_forms(&l.told, l.rules));
	cover_free(&l.cover);
	free(l.verdicts);
	free(l.reply);
	ruleset_free(l.rules);
	return l.told.n[LINT_ERROR] + l.told.n[LINT_WARNING] ? EXIT_FAULTS : EXIT_OK;
}
