/* rules test: does every rule win its examples, and lose its counter-examples? */
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "json.h"
#include "log.h"
#include "rule_text.h"
#include "rules_forms.h"
#include "term.h"
#include "verbs.h"

struct run {
	struct ruleset *rules;
	struct reply *reply;
	bool json, strict;
	size_t n_rules, n_forms, n_examples, failures, warnings;
};

/* An example that is not as it says: v is what came out. */
struct surprise {
	const struct rule *rule;
	const struct rule_example *example;
	bool should_win;
	const struct verdict *v;
};

/* Why the rule did not win, of which an example says it should. */
static void explain_loss(const struct run *run, const struct surprise *s, FILE *to)
{
	struct failure_text f = { run->reply, s->example->relay.n ? s->example->relay : run->reply->host, MTA_UNKNOWN };
	struct sv hit;
	size_t at = rule_fails_at(run->rules, s->rule, &f, &hit);

	if (at == s->rule->n_conditions) {
		(void)fprintf(to, rule_too_early(s->rule, run->reply) ? "a hard rule never holds before RCPT TO" : "it holds too, and comes later");
		return;
	}
	(void)fprintf(to, "its %s does not hold", condition_name(&s->rule->conditions[at]));
	if (hit.n) {
		(void)fputs(": there is \"", to);
		term_clean(to, hit);
		(void)fputc('"', to);
	}
}

static void tell_human(const struct run *run, const struct surprise *s)
{
	const struct verdict *v = s->v;

	(void)printf("%s:%u: %s%s%s %s win: ", s->rule->file, s->example->line, term_colour(stdout, COLOUR_RED), s->rule->id,
		term_colour(stdout, COLOUR_PLAIN), s->should_win ? "should" : "should not");
	term_clean(stdout, s->example->reply);
	if (s->example->relay.n) {
		(void)fputs("  (relay ", stdout);
		term_clean(stdout, s->example->relay);
		(void)putchar(')');
	}
	if (!s->should_win)
		(void)fputs("\n    it wins", stdout);
	else if (v->rule)
		(void)printf("\n    %s wins: %s %s, %s:%u", v->rule->id, class_name(v->class_), category_name(v->category),
			v->rule->file, v->rule->line);
	else
		(void)fputs("\n    no rule holds", stdout);
	if (v->matched.n) {
		(void)fputs(", by \"", stdout);
		term_clean(stdout, v->matched);
		(void)putchar('"');
	}
	if (s->should_win) {
		(void)printf("\n    %s: ", s->rule->id);
		explain_loss(run, s, stdout);
	}
	(void)putchar('\n');
}

static void tell_json(const struct run *run, const struct surprise *s)
{
	struct json j = JSON_ON(stdout);
	char *why = NULL;
	size_t n = 0;

	json_object(&j, NULL);
	json_text(&j, "level", SV("failure"));
	json_text(&j, "check", s->should_win ? SV("match") : SV("no-match"));
	json_text(&j, "rule", sv_of(s->rule->id));
	json_text(&j, "file", sv_of(s->rule->file));
	json_number(&j, "line", s->example->line);
	json_text(&j, "reply", s->example->reply);
	json_member(&j, "relay", s->example->relay);
	if (s->v->rule) {
		json_object(&j, "winner");
		rule_json(&j, s->v->rule);
		json_end_object(&j);
	}
	json_member(&j, "because", s->v->matched);
	FILE *to = s->should_win ? open_memstream(&why, &n) : NULL;
	if (to) {
		explain_loss(run, s, to);
		(void)fclose(to);
		json_text(&j, "why", sv_make(why, n));
		free(why);
	}
	json_end_object(&j);
	json_end_line(&j);
}

static void try_examples(struct run *run, const struct rule *rule, bool should_win)
{
	const struct rule_example *v = should_win ? rule->match : rule->no_match;
	size_t n = should_win ? rule->n_match : rule->n_no_match;

	for (size_t i = 0; i < n; i++) {
		struct verdict verdict;
		ruleset_classify_text(run->rules, v[i].reply, (struct enhanced){ 0 }, v[i].relay, run->reply, &verdict);
		run->n_examples++;
		if ((verdict.rule == rule) == should_win)
			continue;
		run->failures++;
		(run->json ? tell_json : tell_human)(run, &(struct surprise){ rule, &v[i], should_win, &verdict });
	}
}

/* A shipped rule without an example is not tested: an operator may leave it at that. */
static void miss_examples(struct run *run, const struct rule *rule)
{
	const char *shipped = cli_shipped_rules();
	bool failure = run->strict || (*shipped && sv_starts(sv_of(rule->file), sv_of(shipped)));
	struct json j = JSON_ON(stdout);

	if (failure)
		run->failures++;
	else
		run->warnings++;
	if (!run->json) {
		(void)printf("%s:%u: %s%s%s has no example in match%s\n", rule->file, rule->line,
			term_colour(stdout, failure ? COLOUR_RED : COLOUR_YELLOW), rule->id, term_colour(stdout, COLOUR_PLAIN),
			failure ? "" : " (a warning)");
		return;
	}
	json_object(&j, NULL);
	json_text(&j, "level", failure ? SV("failure") : SV("warning"));
	json_text(&j, "check", SV("no-example"));
	json_text(&j, "rule", sv_of(rule->id));
	json_text(&j, "file", sv_of(rule->file));
	json_number(&j, "line", rule->line);
	json_end_object(&j);
	json_end_line(&j);
}

static void sum_up(const struct run *run)
{
	struct json j = JSON_ON(stdout);

	if (!run->json) {
		(void)printf("%zu rule%s, ", run->n_rules, term_plural(run->n_rules));
		if (run->n_forms)
			(void)printf("%zu form%s, ", run->n_forms, term_plural(run->n_forms));
		(void)printf("%zu example%s: ", run->n_examples, term_plural(run->n_examples));
		if (run->failures)
			(void)printf("%s%zu not as they say%s", term_colour(stdout, COLOUR_RED), run->failures, term_colour(stdout, COLOUR_PLAIN));
		else
			(void)printf("%sall as they say%s", term_colour(stdout, COLOUR_GREEN), term_colour(stdout, COLOUR_PLAIN));
		if (run->warnings)
			(void)printf(", %zu warning%s", run->warnings, term_plural(run->warnings));
		(void)putchar('\n');
		return;
	}
	json_object(&j, NULL);
	json_number(&j, "rules", (int64_t)run->n_rules);
	json_number(&j, "forms", (int64_t)run->n_forms);
	json_number(&j, "examples", (int64_t)run->n_examples);
	json_number(&j, "failures", (int64_t)run->failures);
	json_number(&j, "warnings", (int64_t)run->warnings);
	json_end_object(&j);
	json_end_line(&j);
}

int rules_test(struct ctl *ctl, int argc, char **argv)
{
	struct run run = { 0 };
	const struct verb_option own[] = { { "strict", NULL, &run.strict }, { NULL, NULL, NULL } };
	int code;

	run.rules = verb_load_rules(ctl, argc, argv, "rules test", own, &code);
	if (!run.rules)
		return code;
	if (!verb_no_arguments(argc, argv)) {
		ruleset_free(run.rules);
		return EXIT_USAGE;
	}
	run.json = ctl->json;
	run.reply = xalloc(sizeof *run.reply);
	for (size_t i = 0; i < ruleset_count(run.rules); i++) {
		const struct rule *rule = ruleset_rule(run.rules, i);
		if (rule->disabled)
			continue;
		run.n_rules++;
		if (rule->n_match == 0)
			miss_examples(&run, rule);
		try_examples(&run, rule, true);
		try_examples(&run, rule, false);
	}
	struct form_run forms = { .rules = run.rules, .json = run.json, .strict = run.strict };
	rules_test_forms(&forms);
	run.n_forms = forms.forms;
	run.n_examples += forms.examples;
	run.failures += forms.failures;
	run.warnings += forms.warnings;
	sum_up(&run);
	free(run.reply);
	ruleset_free(run.rules);
	return run.failures ? EXIT_FAULTS : EXIT_OK;
}
