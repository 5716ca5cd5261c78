/* help: what each verb is for, its options and examples: nixie VERB --help, nixie --help, the usage line
 * after a wrong option, and what the shells complete all come from the one table in help_verbs.c.
 * nixie(1) tells more of the same; tests/docs/check_docs.py compares. */
#ifndef NIXIE_HELP_H
#define NIXIE_HELP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum help_group { HELP_LOOK, HELP_CHANGE, HELP_LISTS, HELP_RULES, HELP_SHELL, HELP_GROUPS };

/* What an option's value, or an argument, can be: what the shells offer. */
enum help_value { HELP_TEXT, HELP_FILE, HELP_DIRECTORY, HELP_CATEGORY, HELP_CLASS, HELP_RULE, HELP_COLUMN, HELP_VERB };

/* A switch, or an option with a value. --json and --help are not in the table: every verb has them. */
struct help_option {
	const char *name;  /* NULL ends the list */
	const char *value; /* as it stands in the usage line; NULL: a switch */
	const char *what;
	const char *words; /* what the value is one of, a space between; NULL: see kind */
	enum help_value kind;
	bool instead;      /* of the option before it */
	bool needed, many;
};

#define HELP_OPTIONS_MAX 16
#define HELP_EXAMPLES_MAX 4

struct help {
	const char *name; /* "list", "rules list" */
	enum help_group group;
	const char *arguments; /* behind the options; "": none */
	enum help_value kind;  /* of the arguments */
	const char *words;     /* what an argument can be; NULL: see kind */
	const char *brief;     /* a line of nixie --help */
	const char *what;      /* lines as they are printed */
	struct help_option options[HELP_OPTIONS_MAX + 1];
	const char *examples[HELP_EXAMPLES_MAX];
};

extern const struct help help_verbs[];
extern const size_t help_verbs_n;

/* Of a verb, or of "rules list"; NULL: there is none. */
const struct help *help_find(const char *verb);

/* Does the verb have sub-verbs: is there a help "VERB SUBVERB"? */
bool help_has_subverbs(const char *verb);

/* nixie --help; static storage. */
const char *help_all(void);

/* nixie VERB --help. For a verb with sub-verbs, also those. */
void help_print(FILE *to, const struct help *help);

/* Ends an option loop of getopt_long(3), which returned c: help was asked for, or c and argv[optind - 1] are wrong.
 * Prints that, and returns the exit code. `verb` as in help_find(). */
int help_refuse(const char *verb, int c, char **argv);

/* There is no such verb, or with `verb` no such sub-verb of it: says so, and what was probably meant. Returns the exit code. */
int help_no_verb(const char *verb, const char *wrong);

#endif
