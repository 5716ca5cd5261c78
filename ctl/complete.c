/* complete: what a shell offers for a command line that is begun. The scripts of contrib/completions ask this, so that
 * verbs, options and words stand in one place, help_verbs.c. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "category.h"
#include "exchange.h"
#include "help.h"
#include "verbs.h"

/* The command line behind "nixie"; the last word is the one that is begun, perhaps empty. */
struct begun {
	char *const *words;
	int n;
	const char *last;   /* what candidates begin with */
	size_t kept;        /* of it they keep so much: "--status=", "held," */
};

static void offer(const struct begun *b, const char *prefix, const char *word, const char *what)
{
	const char *wanted = b->last + b->kept;
	size_t n = strlen(prefix);

	if (strncmp(prefix, wanted, strlen(wanted) < n ? strlen(wanted) : n) != 0 || (strlen(wanted) > n && strncmp(word, wanted + n, strlen(wanted) - n) != 0))
		return;
	(void)printf("%.*s%s%s%s%s\n", (int)b->kept, b->last, prefix, word, what ? "\t" : "", what ? what : "");
}

static void offer_words(const struct begun *b, const char *words)
{
	struct sv rest = sv_of(words);
	char word[64];

	while (rest.n) {
		struct sv one = sv_cut(&rest, ' ');
		(void)snprintf(word, sizeof word, "%.*s", SV_ARG(one));
		offer(b, "", word, NULL);
	}
}

static void offer_rules(const struct begun *b, const struct config_args *args)
{
	struct config *config = xalloc(sizeof *config);
	struct err err;
	struct ruleset *rules = config_load(args, config, &err) ? cli_load_rules(config, &err) : NULL;

	for (size_t i = 0; rules && i < ruleset_count(rules); i++)
		offer(b, "", ruleset_rule(rules, i)->id, category_name(ruleset_rule(rules, i)->category));
	ruleset_free(rules);
	free(config);
}

/* Verbs, or of a verb its sub-verbs. */
static void offer_verbs(const struct begun *b, const char *verb)
{
	for (size_t i = 0; i < help_verbs_n; i++) {
		const struct help *help = &help_verbs[i];
		size_t n = strlen(verb);
		if (!n && !strchr(help->name, ' '))
			offer(b, "", help->name, help->brief ? help->brief : help->what);
		else if (n && strncmp(help->name, verb, n) == 0 && help->name[n] == ' ')
			offer(b, "", help->name + n + 1, help->brief);
	}
}

static void offer_values(const struct begun *b, enum help_value kind, const char *words, const struct config_args *args)
{
	if (words) {
		offer_words(b, words);
		return;
	}
	switch (kind) {
	case HELP_FILE:
		(void)puts(":files");
		break;
	case HELP_DIRECTORY:
		(void)puts(":directories");
		break;
	case HELP_CATEGORY:
		for (int i = 0; i < CATEGORY_COUNT; i++)
			offer(b, "", category_name((enum category)i), category_meaning((enum category)i));
		break;
	case HELP_CLASS:
		for (int i = CLASS_NONE; i <= CLASS_HARD; i++)
			offer(b, "", class_name((enum class)i), NULL);
		break;
	case HELP_COLUMN:
		for (int i = 0; i < EXCHANGE_COLUMNS; i++)
			offer(b, "", exchange_name((enum exchange_column)i), NULL);
		break;
	case HELP_RULE:
		offer_rules(b, args);
		break;
	case HELP_VERB:
		offer_verbs(b, "");
		break;
	case HELP_TEXT:
		break;
	}
}

static void offer_options(const struct begun *b, const struct help *help)
{
	for (const struct help_option *o = help->options; o->name; o++)
		offer(b, "--", o->name, o->what);
	if (help->group != HELP_SHELL)
		offer(b, "--", "json", "one JSON object a line");
	offer(b, "--", "help", "options and examples");
}

static void offer_globals(const struct begun *b)
{
	offer(b, "", "-c", "the configuration");
	offer(b, "", "-o", "override one of its options");
	offer(b, "--", "json", "one JSON object a line");
	offer(b, "--", "help", "all verbs");
	offer(b, "--", "version", NULL);
}

static void offer_overrides(const struct begun *b)
{
	char name[64];

	for (size_t i = 0; i < config_options_n; i++) {
		(void)snprintf(name, sizeof name, "%s=", config_options[i].name);
		offer(b, "", name, config_options[i].help);
	}
}

/* The option of the verb whose value is begun: --status held, --status=held; bash makes three words of the latter. */
static const struct help_option *valued(struct begun *b, const struct help *help, int from)
{
	const char *word = b->n - 2 >= from ? b->words[b->n - 2] : "";
	const char *equals = strncmp(b->last, "--", 2) == 0 ? strchr(b->last, '=') : NULL;
	size_t n = strlen(word);

	if (strcmp(b->last, "=") == 0)
		b->last = "";
	else if (strcmp(word, "=") == 0 && b->n - 3 >= from)
		n = strlen(word = b->words[b->n - 3]);
	if (equals) {
		word = b->last;
		n = (size_t)(equals - word);
		b->kept = n + 1;
	}
	for (const struct help_option *o = help->options; o->name; o++) {
		if (!o->value || n != strlen(o->name) + 2 || strncmp(word, "--", 2) != 0 || strncmp(word + 2, o->name, n - 2) != 0)
			continue;
		const char *comma = strstr(o->value, ",...") ? strrchr(b->last, ',') : NULL; /* a list: its last word */
		b->kept = comma ? (size_t)(comma - b->last) + 1 : b->kept;
		return o;
	}
	return NULL;
}

static void complete_verb(struct begun *b, const struct help *help, int from, const struct config_args *args)
{
	const struct help_option *option = valued(b, help, from);

	if (option)
		offer_values(b, option->kind, option->words, args);
	else if (b->last[0] == '-')
		offer_options(b, help);
	else
		offer_values(b, help->kind, help->words, args);
}

/* Past the options before the verb: where the verb is, or b->n - 1 when one of them is begun. */
static int skip_globals(const struct begun *b, struct config_args *args)
{
	int i = 0;

	while (i < b->n - 1 && b->words[i][0] == '-') {
		bool file = strcmp(b->words[i], "-c") == 0 || strcmp(b->words[i], "--config") == 0;
		if (file && i + 2 < b->n)
			args->path = b->words[i + 1];
		i += file || strcmp(b->words[i], "-o") == 0 ? 2 : 1;
	}
	return i;
}

static void complete(struct begun *b)
{
	struct config_args args = { .path = NULL };
	int verb = skip_globals(b, &args);
	char name[64];

	if (verb >= b->n) { /* the value of -c or -o */
		if (strcmp(b->words[b->n - 2], "-o") == 0)
			offer_overrides(b);
		else
			(void)puts(":files");
		return;
	}
	if (verb == b->n - 1) {
		if (b->last[0] == '-')
			offer_globals(b);
		else
			offer_verbs(b, "");
		return;
	}
	bool sub = help_has_subverbs(b->words[verb]);
	bool helps = strcmp(b->words[verb], "help") == 0 && b->n - 1 > verb + 1;
	if (sub ? verb + 1 == b->n - 1 : helps) {
		offer_verbs(b, b->words[helps ? verb + 1 : verb]);
		return;
	}
	(void)snprintf(name, sizeof name, "%s%s%s", b->words[verb], sub ? " " : "", sub ? b->words[verb + 1] : "");
	const struct help *help = help_find(name);
	if (help)
		complete_verb(b, help, verb + 1 + sub, &args);
}

int verb_complete(struct ctl *ctl, int argc, char **argv)
{
	int begin = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
	struct begun b = { .words = argv + begin, .n = argc - begin };

	(void)ctl;
	if (b.n < 1 || (begin == 1 && b.words[0][0] == '-')) {
		bool asked = b.n && (strcmp(b.words[0], "--help") == 0 || strcmp(b.words[0], "-h") == 0);
		optind = begin + 1;
		return help_refuse("complete", asked ? 'h' : b.n ? '?' : 0, argv);
	}
	b.last = b.words[b.n - 1];
	complete(&b);
	return EXIT_OK;
}
