/* rules words: the lists of words that rules name, and which rules do. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "json.h"
#include "log.h"
#include "rule_text.h"
#include "term.h"
#include "verbs.h"

struct words {
	const struct ruleset *rules;
	const struct rule **users; /* room for all rules */
	bool json;
};

static size_t users_of(struct words *w, const struct rule_list *list)
{
	return rule_list_users(w->rules, sv_of(list->name), w->users, ruleset_count(w->rules));
}

static void print_json(struct words *w, const struct rule_list *list, bool all)
{
	struct json j = JSON_ON(stdout);
	size_t n = users_of(w, list);

	json_object(&j, NULL);
	json_text(&j, "name", sv_of(list->name));
	json_text(&j, "file", sv_of(list->file));
	json_number(&j, "line", list->line);
	if (list->replaced_file) {
		json_text(&j, "replaced-file", sv_of(list->replaced_file));
		json_number(&j, "replaced-line", list->replaced_line);
	}
	json_number(&j, "expressions", (int64_t)list->n);
	json_list(&j, "rules");
	for (size_t i = 0; i < n; i++)
		json_text(&j, NULL, sv_of(w->users[i]->id));
	json_end_list(&j);
	if (all) {
		json_list(&j, "text");
		for (size_t i = 0; i < list->n; i++)
			json_text(&j, NULL, list->values[i]);
		json_end_list(&j);
	}
	json_end_object(&j);
	json_end_line(&j);
}

static void print_replaced(const struct rule_list *list, const char *file)
{
	if (list->replaced_file)
		(void)printf("  %sreplaces%s %s:%u", term_colour(stdout, COLOUR_BLUE), term_colour(stdout, COLOUR_PLAIN), file, list->replaced_line);
	(void)putchar('\n');
}

static void print_line(struct words *w, const struct rule_list *list, int width)
{
	size_t n = users_of(w, list);
	char place[NAME_MAX + 16];

	(void)snprintf(place, sizeof place, "%s:%u", rule_file_name(list->file), list->line);
	(void)printf("%-*s  %3zu expression%-2s in %4zu rule%-2s %s", width, list->name, list->n, term_plural(list->n), n, term_plural(n), place);
	print_replaced(list, list->replaced_file ? rule_file_name(list->replaced_file) : "");
}

static void print_all(struct words *w, const struct rule_list *list)
{
	size_t n = users_of(w, list);

	(void)printf("%s%s%s\n", term_colour(stdout, COLOUR_BOLD), list->name, term_colour(stdout, COLOUR_PLAIN));
	(void)printf("  %-12s %s:%u", "file", list->file, list->line);
	print_replaced(list, list->replaced_file);
	for (size_t i = 0; i < n; i++)
		(void)printf("  %-12s %s\n", i ? "" : "named by", w->users[i]->id);
	if (!n)
		(void)printf("  %-12s no rule\n", "named by");
	for (size_t i = 0; i < list->n; i++) {
		(void)printf("  %-12s ", i ? "" : "text");
		term_clean(stdout, list->values[i]);
		(void)putchar('\n');
	}
}

static bool is_words(const struct rule_list *list)
{
	return strcmp(list->kind, "words") == 0;
}

static int list_them(struct words *w)
{
	int width = 0;
	size_t shown = 0;

	for (size_t i = 0; i < ruleset_list_count(w->rules); i++) {
		int n = (int)strlen(ruleset_list(w->rules, i)->name);
		if (is_words(ruleset_list(w->rules, i)))
			width = n > width ? n : width;
	}
	for (size_t i = 0; i < ruleset_list_count(w->rules); i++) {
		const struct rule_list *list = ruleset_list(w->rules, i);
		if (!is_words(list))
			continue;
		shown++;
		if (w->json)
			print_json(w, list, false);
		else
			print_line(w, list, width);
	}
	if (!shown && !w->json)
		(void)puts("no list of words");
	return shown ? EXIT_OK : EXIT_NOT_FOUND;
}

/* "about-us" or, as a rule has it, "${about-us}" */
static int show_one(struct words *w, const char *name)
{
	const struct rule_list *list = ruleset_words(w->rules, sv_of(name));

	if (!list)
		list = rule_value_list(w->rules, sv_of(name));
	if (!list) {
		log_error("no words have the name %s; nixie rules words has all names", name);
		return EXIT_NOT_FOUND;
	}
	if (w->json)
		print_json(w, list, true);
	else
		print_all(w, list);
	return EXIT_OK;
}

int rules_words(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = verb_load_rules(ctl, argc, argv, "rules words", NULL, &code);

	if (!rules)
		return code;
	struct words w = { rules, xalloc((ruleset_count(rules) + 1) * sizeof *w.users), ctl->json };
	if (optind == argc)
		code = list_them(&w);
	for (int i = optind; i < argc; i++) {
		int one = show_one(&w, argv[i]);
		code = one > code ? one : code;
	}
	free(w.users);
	ruleset_free(rules);
	return code;
}
