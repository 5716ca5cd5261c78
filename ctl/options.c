/* options: what the command lines of several verbs have in common. */
#include <getopt.h>
#include <stdio.h>

#include "log.h"
#include "store.h"
#include "verbs.h"

enum { OPTION_JSON = 1, OPTION_HELP, OPTION_RULES, OPTION_OWN };

static void add(struct option *options, size_t *n, const char *name, int has_arg, int value)
{
	options[(*n)++] = (struct option){ .name = name, .has_arg = has_arg, .val = value };
}

static bool take_directory(struct rule_directories *directories, const char *directory)
{
	if (directories->n == CONFIG_LIST_MAX) {
		log_error("--rules: more than %d directories", CONFIG_LIST_MAX);
		return false;
	}
	directories->v[directories->n++] = directory;
	return true;
}

/* With directories, --rules is an option too. */
static bool take_options(struct ctl *ctl, int argc, char **argv, const char *usage, const struct verb_option *own,
	struct rule_directories *directories, int *code_r)
{
	struct option options[VERB_OPTIONS_MAX + 4] = { { .name = NULL } };
	size_t n = 0;
	int c;

	add(options, &n, "json", no_argument, OPTION_JSON);
	add(options, &n, "help", no_argument, OPTION_HELP);
	if (directories)
		add(options, &n, "rules", required_argument, OPTION_RULES);
	for (size_t i = 0; own && own[i].name && i < VERB_OPTIONS_MAX; i++)
		add(options, &n, own[i].name, own[i].value ? required_argument : no_argument, OPTION_OWN + (int)i);
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == OPTION_JSON) {
			ctl->json = true;
		} else if (c == OPTION_RULES) {
			*code_r = EXIT_USAGE;
			if (!take_directory(directories, optarg))
				return false;
		} else if (c >= OPTION_OWN && c < OPTION_OWN + VERB_OPTIONS_MAX) {
			const struct verb_option *o = &own[c - OPTION_OWN];
			if (o->value)
				*o->value = optarg;
			if (o->given)
				*o->given = true;
		} else {
			bool asked = c == 'h' || c == OPTION_HELP;
			(void)fprintf(asked ? stdout : stderr, "usage: nixie %s\n", usage);
			*code_r = asked ? EXIT_OK : EXIT_USAGE;
			return false;
		}
	}
	*code_r = EXIT_OK;
	return true;
}

bool verb_options(struct ctl *ctl, int argc, char **argv, const char *usage, const struct verb_option *own, int *code_r)
{
	return take_options(ctl, argc, argv, usage, own, NULL, code_r);
}

/* Those that cli_load_rules() reads. */
static void of_configuration(const struct config *config, struct rule_directories *directories)
{
	for (size_t i = 0; i < config->rules_directories.n && directories->n < CONFIG_LIST_MAX - 1; i++)
		directories->v[directories->n++] = config->rules_directories.v[i];
	directories->v[directories->n++] = cli_shipped_rules();
}

struct ruleset *verb_load_rules(struct ctl *ctl, int argc, char **argv, const char *usage, const struct verb_option *own,
	struct rule_directories *directories_r, int *code_r)
{
	struct rule_directories directories = { 0 };
	struct ruleset *rules;
	struct err err;

	if (!take_options(ctl, argc, argv, usage, own, &directories, code_r))
		return NULL;
	if (directories.n) {
		rules = ruleset_load(directories.v, directories.n, &err);
	} else {
		rules = cli_load_rules(&ctl->config, &err);
		of_configuration(&ctl->config, &directories);
	}
	if (!rules) {
		log_fatal("%s", err.text);
		*code_r = EXIT_CONFIG;
	}
	if (directories_r)
		*directories_r = directories;
	return rules;
}

void verb_open_store(struct ctl *ctl)
{
	if (!ctl->store)
		ctl->store = store_redis(&ctl->config);
}
