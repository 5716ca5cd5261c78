/* rules: the verbs about rules, and two of them: list and show. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>

#include "help.h"
#include "json.h"
#include "log.h"
#include "rule_text.h"
#include "term.h"
#include "verbs.h"

static const struct subverb {
	const char *name;
	int (*run)(struct ctl *ctl, int argc, char **argv);
	bool needs_store;
} subverbs[] = {
	{ "list", rules_list, false },
	{ "show", rules_show, false },
	{ "test", rules_test, false },
	{ "lint", rules_lint, false },
	{ "words", rules_words, false },
	{ "forms", rules_forms, false },
	{ "stats", rules_stats, true },
	{ "unknown", rules_unknown, true },
};

int verb_rules(struct ctl *ctl, int argc, char **argv)
{
	for (; argc > 1 && strcmp(argv[1], "--json") == 0; argc--, argv++)
		ctl->json = true;
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_print(argc < 2 ? stderr : stdout, help_find("rules"));
		return argc < 2 ? EXIT_USAGE : EXIT_OK;
	}
	for (size_t i = 0; i < sizeof subverbs / sizeof *subverbs; i++) {
		if (strcmp(subverbs[i].name, argv[1]) != 0)
			continue;
		if (subverbs[i].needs_store)
			verb_open_store(ctl);
		return subverbs[i].run(ctl, argc - 1, argv + 1);
	}
	return help_no_verb("rules", argv[1]);
}

/* ---- list ---- */

struct filter {
	bool by_category, by_class;
	enum category category;
	enum class class_;
};

static bool take_filter(const char *category, const char *class_, struct filter *filter_r)
{
	*filter_r = (struct filter){ .by_category = category != NULL, .by_class = class_ != NULL };
	if (category && !category_by_name(sv_of(category), &filter_r->category)) {
		log_error("--category %s: there is none of this name; nixie-rules(5) lists them", category);
		return false;
	}
	if (class_ && !class_by_name(sv_of(class_), &filter_r->class_)) {
		log_error("--class %s: write hard, soft or none", class_);
		return false;
	}
	return true;
}

static bool wanted(const struct filter *filter, const struct rule *rule)
{
	return (!filter->by_category || filter->category == rule->category) && (!filter->by_class || filter->class_ == rule->class_);
}

static enum colour class_colour(enum class class_)
{
	return class_ == CLASS_HARD ? COLOUR_RED : class_ == CLASS_SOFT ? COLOUR_YELLOW : COLOUR_PLAIN;
}

static void list_line(const struct rule *rule, int id_width, int file_width)
{
	char place[NAME_MAX + 16];

	(void)snprintf(place, sizeof place, "%s:%u", rule_file_name(rule->file), rule->line);
	(void)printf("%-*s  %s%-4s%s  %-19s  ", id_width, rule->id, term_colour(stdout, class_colour(rule->class_)),
		class_name(rule->class_), term_colour(stdout, COLOUR_PLAIN), category_name(rule->category));
	if (!rule->disabled && !rule->replaced_file) {
		(void)puts(place);
		return;
	}
	(void)printf("%-*s ", file_width, place);
	if (rule->disabled)
		(void)printf(" %sdisabled%s", term_colour(stdout, COLOUR_RED), term_colour(stdout, COLOUR_PLAIN));
	if (rule->replaced_file)
		(void)printf(" %sreplaces%s %s:%u", term_colour(stdout, COLOUR_BLUE), term_colour(stdout, COLOUR_PLAIN),
			rule_file_name(rule->replaced_file), rule->replaced_line);
	(void)putchar('\n');
}

static void list_json(const struct rule *rule)
{
	struct json j = JSON_ON(stdout);

	json_object(&j, NULL);
	rule_json(&j, rule);
	json_bool(&j, "disabled", rule->disabled);
	if (rule->replaced_file) {
		json_text(&j, "replaced-file", sv_of(rule->replaced_file));
		json_number(&j, "replaced-line", rule->replaced_line);
	}
	json_end_object(&j);
	json_end_line(&j);
}

static int list_all(const struct ctl *ctl, const struct ruleset *rules, const struct filter *filter)
{
	int id_width = 0, file_width = 0, n = 0;

	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *rule = ruleset_rule(rules, i);
		int id = (int)strlen(rule->id), file = snprintf(NULL, 0, "%s:%u", rule_file_name(rule->file), rule->line);
		if (!wanted(filter, rule))
			continue;
		id_width = id > id_width ? id : id_width;
		file_width = file > file_width ? file : file_width;
	}
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *rule = ruleset_rule(rules, i);
		if (!wanted(filter, rule))
			continue;
		n++;
		if (ctl->json)
			list_json(rule);
		else
			list_line(rule, id_width, file_width);
	}
	if (!n && !ctl->json)
		(void)puts("no such rule");
	return n ? EXIT_OK : EXIT_NOT_FOUND;
}

int rules_list(struct ctl *ctl, int argc, char **argv)
{
	const char *category = NULL, *class_ = NULL;
	const struct verb_option own[] = { { "category", &category, NULL }, { "class", &class_, NULL }, { NULL, NULL, NULL } };
	struct filter filter;
	int code;
	struct ruleset *rules = verb_load_rules(ctl, argc, argv, "rules list", own, &code);

	if (rules)
		code = verb_no_arguments(argc, argv) && take_filter(category, class_, &filter) ? list_all(ctl, rules, &filter) : EXIT_USAGE;
	ruleset_free(rules);
	return code;
}

/* ---- show ---- */

static void show_values(const char *name, size_t n, const struct sv *values)
{
	for (size_t i = 0; i < n; i++) {
		(void)printf("  %-12s ", i ? "" : name);
		term_clean(stdout, values[i]);
		(void)putchar('\n');
	}
}

static void show_examples(const char *name, size_t n, const struct rule_example *v)
{
	for (size_t i = 0; i < n; i++) {
		(void)printf("  %-12s ", i ? "" : name);
		term_clean(stdout, v[i].reply);
		if (v[i].relay.n) {
			(void)fputs("  (relay ", stdout);
			term_clean(stdout, v[i].relay);
			(void)putchar(')');
		}
		(void)putchar('\n');
	}
}

/* A file may hold anything. */
static void show_text(const char *name, const char *text)
{
	(void)printf("  %-12s ", name);
	term_clean(stdout, sv_of(text));
	(void)putchar('\n');
}

static void show_human(const struct rule *rule, size_t position, size_t count)
{
	(void)printf("%s%s%s\n", term_colour(stdout, COLOUR_BOLD), rule->id, term_colour(stdout, COLOUR_PLAIN));
	(void)printf("  %-12s %s%s%s\n", "class", term_colour(stdout, class_colour(rule->class_)), class_name(rule->class_),
		term_colour(stdout, COLOUR_PLAIN));
	(void)printf("  %-12s %s: %s\n", "category", category_name(rule->category), category_meaning(rule->category));
	(void)printf("  %-12s %s\n", "fault", fault_name(category_fault(rule->category)));
	(void)printf("  %-12s %s:%u\n", "file", rule->file, rule->line);
	if (rule->replaced_file)
		(void)printf("  %-12s %s:%u\n", "replaces", rule->replaced_file, rule->replaced_line);
	(void)printf("  %-12s %zu of %zu%s\n", "position", position, count, rule->disabled ? ", but disabled" : "");
	for (size_t i = 0; i < rule->n_conditions; i++)
		show_values(condition_name(&rule->conditions[i]), rule->conditions[i].n, rule->conditions[i].values);
	if (rule->note)
		show_text("note", rule->note);
	if (rule->url)
		show_text("url", rule->url);
	show_examples("match", rule->n_match, rule->match);
	show_examples("no-match", rule->n_no_match, rule->no_match);
}

static void examples_json(struct json *j, const char *name, size_t n, const struct rule_example *v)
{
	json_list(j, name);
	for (size_t i = 0; i < n; i++) {
		json_object(j, NULL);
		json_text(j, "reply", v[i].reply);
		if (v[i].relay.n)
			json_text(j, "relay", v[i].relay);
		json_number(j, "line", v[i].line);
		json_end_object(j);
	}
	json_end_list(j);
}

static void show_json(const struct rule *rule, size_t position, size_t count)
{
	struct json j = JSON_ON(stdout);

	(void)count;
	json_object(&j, NULL);
	rule_json(&j, rule);
	json_text(&j, "fault", sv_of(fault_name(category_fault(rule->category))));
	if (rule->replaced_file) {
		json_text(&j, "replaced-file", sv_of(rule->replaced_file));
		json_number(&j, "replaced-line", rule->replaced_line);
	}
	json_number(&j, "position", (int64_t)position);
	json_bool(&j, "disabled", rule->disabled);
	json_object(&j, "conditions");
	for (size_t i = 0; i < rule->n_conditions; i++) {
		json_list(&j, condition_name(&rule->conditions[i]));
		for (size_t k = 0; k < rule->conditions[i].n; k++)
			json_text(&j, NULL, rule->conditions[i].values[k]);
		json_end_list(&j);
	}
	json_end_object(&j);
	if (rule->note)
		json_text(&j, "note", sv_of(rule->note));
	if (rule->url)
		json_text(&j, "url", sv_of(rule->url));
	examples_json(&j, "match", rule->n_match, rule->match);
	examples_json(&j, "no-match", rule->n_no_match, rule->no_match);
	json_end_object(&j);
	json_end_line(&j);
}

static size_t position_of(const struct ruleset *rules, const struct rule *rule)
{
	size_t i = 0;

	while (ruleset_rule(rules, i) != rule)
		i++;
	return i + 1;
}

int rules_show(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = verb_load_rules(ctl, argc, argv, "rules show", NULL, &code);

	if (rules && optind == argc) {
		log_error("name a rule: nixie rules show ID; nixie rules list has them all");
		code = EXIT_USAGE;
	}
	for (int i = optind; rules && i < argc; i++) {
		const struct rule *rule = ruleset_find(rules, sv_of(argv[i]));
		if (!rule) {
			log_error("no rule has the id %s; nixie rules list has them all", argv[i]);
			code = EXIT_NOT_FOUND;
			continue;
		}
		(ctl->json ? show_json : show_human)(rule, position_of(rules, rule), ruleset_count(rules));
	}
	ruleset_free(rules);
	return code;
}
