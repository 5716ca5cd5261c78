/* options: what the command lines of several verbs have in common. */
#include <getopt.h>
#include <stdio.h>

#include "help.h"
#include "log.h"
#include "period.h"
#include "store.h"
#include "verbs.h"

enum { OPTION_JSON = 1, OPTION_RULES, OPTION_AGAINST, OPTION_OWN };

/* Directories of rules, the first has the most weight. */
struct rule_directories {
	size_t n;
	const char *v[CONFIG_LIST_MAX];
};

/* What options that name directories gave: the first one, or both, are options. */
struct directory_options {
	size_t n;
	struct rule_directories v[2];
};

static const char *const directory_options[] = { "rules", "against" };

static void add(struct option *options, size_t *n, const char *name, int has_arg, int value)
{
	options[(*n)++] = (struct option){ .name = name, .has_arg = has_arg, .val = value };
}

static bool take_directory(struct directory_options *options, size_t which, const char *directory)
{
	struct rule_directories *directories = &options->v[which];

	if (directories->n == CONFIG_LIST_MAX) {
		log_error("--%s: more than %d directories", directory_options[which], CONFIG_LIST_MAX);
		return false;
	}
	directories->v[directories->n++] = directory;
	return true;
}

/* Behind an option whose value was forgotten; --option=--value is meant. */
static bool is_option(char **argv, const char *value)
{
	return value && value == argv[optind - 1] && strncmp(value, "--", 2) == 0 && sv_is_alnum(value[2]);
}

static bool take_options(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own,
	struct directory_options *directories, int *code_r)
{
	struct option options[VERB_OPTIONS_MAX + 5] = { { .name = NULL } };
	size_t n = 0;
	int c;

	add(options, &n, "json", no_argument, OPTION_JSON);
	add(options, &n, "help", no_argument, 'h');
	for (int i = 0; directories && i < (int)directories->n; i++)
		add(options, &n, directory_options[i], required_argument, OPTION_RULES + i);
	for (size_t i = 0; own && own[i].name && i < VERB_OPTIONS_MAX; i++)
		add(options, &n, own[i].name, own[i].value ? required_argument : no_argument, OPTION_OWN + (int)i);
	int which = 0;
	while ((c = getopt_long(argc, argv, "h", options, &which)) != -1) {
		if (is_option(argv, optarg)) {
			log_error("%s: --%s needs a value, and %s is an option; a file of that name is ./%s", verb, options[which].name, optarg, optarg);
			*code_r = EXIT_USAGE;
			return false;
		}
		if (c == OPTION_JSON) {
			ctl->json = true;
		} else if (c == OPTION_RULES || c == OPTION_AGAINST) {
			*code_r = EXIT_USAGE;
			if (!take_directory(directories, (size_t)(c - OPTION_RULES), optarg))
				return false;
		} else if (c >= OPTION_OWN && c < OPTION_OWN + VERB_OPTIONS_MAX) {
			const struct verb_option *o = &own[c - OPTION_OWN];
			if (o->value)
				*o->value = optarg;
			if (o->given)
				*o->given = true;
		} else {
			*code_r = help_refuse(verb, c, argv);
			return false;
		}
	}
	*code_r = EXIT_OK;
	return true;
}

bool verb_options(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own, int *code_r)
{
	return take_options(ctl, argc, argv, verb, own, NULL, code_r);
}

/* The rules of the directories, or without one of the configuration. late: see ruleset_load_late() */
static struct ruleset *load(const struct ctl *ctl, const struct rule_directories *directories, bool late, int *code_r)
{
	struct err err;
	struct ruleset *rules;

	if (directories->n)
		rules = late ? ruleset_load_late(directories->v, directories->n, &err) : ruleset_load(directories->v, directories->n, &err);
	else
		rules = late ? cli_load_rules_late(&ctl->config, &err) : cli_load_rules(&ctl->config, &err);
	if (!rules) {
		log_fatal("%s", err.text);
		*code_r = EXIT_CONFIG;
	}
	return rules;
}

struct ruleset *verb_load_rules(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own,
	int *code_r)
{
	struct directory_options directories = { .n = 1 };

	if (!take_options(ctl, argc, argv, verb, own, &directories, code_r))
		return NULL;
	return load(ctl, &directories.v[0], false, code_r);
}

struct ruleset *verb_load_rules_late(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own, int *code_r)
{
	struct directory_options directories = { .n = 1 };

	if (!take_options(ctl, argc, argv, verb, own, &directories, code_r))
		return NULL;
	bool one = optind == argc || (optind + 1 == argc && strcmp(argv[optind], "-") == 0);
	return load(ctl, &directories.v[0], one, code_r);
}

bool verb_load_both(struct ctl *ctl, int argc, char **argv, const char *verb, struct ruleset **rules_r,
	struct ruleset **against_r, int *code_r)
{
	struct directory_options directories = { .n = 2 };

	if (!take_options(ctl, argc, argv, verb, NULL, &directories, code_r))
		return false;
	if (!directories.v[0].n) {
		log_error("name the new rules: --rules DIR; with the shipped ones behind your own: --rules DIR --rules %s", cli_shipped_rules());
		*code_r = EXIT_USAGE;
		return false;
	}
	*rules_r = load(ctl, &directories.v[0], false, code_r);
	*against_r = *rules_r ? load(ctl, &directories.v[1], false, code_r) : NULL;
	if (*rules_r && !*against_r)
		ruleset_free(*rules_r);
	return *against_r != NULL;
}

bool verb_no_arguments(int argc, char **argv)
{
	if (optind < argc)
		log_error("%s: there is no argument here; a directory of rules is --rules DIR", argv[optind]);
	return optind >= argc;
}

bool verb_time(const char *name, const char *text, int64_t *time_s_r)
{
	struct err err;

	if (!text || period_parse(sv_of(text), time_s_r, &err))
		return true;
	log_error("--%s: %s", name, err.text);
	return false;
}

bool verb_limit(const char *text, uint64_t *limit_r)
{
	if (!text || (sv_u64(sv_of(text), INT64_MAX, limit_r) && *limit_r))
		return true;
	log_error("--limit %s: write a number from 1 on", text);
	return false;
}

void verb_open_store(struct ctl *ctl)
{
	if (!ctl->store)
		ctl->store = store_redis(&ctl->config);
}
