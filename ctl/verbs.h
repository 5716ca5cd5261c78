/* verbs: the words of nixie(1). Each gets its arguments (argv[0] is the verb) and
 * returns an exit code (cli.h). */
#ifndef NIXIE_VERBS_H
#define NIXIE_VERBS_H

#include <stdio.h>

#include "cli.h"

struct ctl {
	struct config config;
	struct store *store; /* only verbs that need Redis have one; see verb_open_store() */
	bool json;
};

int verb_check(struct ctl *ctl, int argc, char **argv);
int verb_list(struct ctl *ctl, int argc, char **argv);
int verb_history(struct ctl *ctl, int argc, char **argv);
int verb_report(struct ctl *ctl, int argc, char **argv);
int verb_tail(struct ctl *ctl, int argc, char **argv);
int verb_top(struct ctl *ctl, int argc, char **argv);
int verb_stats(struct ctl *ctl, int argc, char **argv);
int verb_token(struct ctl *ctl, int argc, char **argv);
int verb_suppress(struct ctl *ctl, int argc, char **argv);
int verb_allow(struct ctl *ctl, int argc, char **argv);
int verb_reset(struct ctl *ctl, int argc, char **argv);
int verb_remove(struct ctl *ctl, int argc, char **argv);
int verb_export(struct ctl *ctl, int argc, char **argv);
int verb_import(struct ctl *ctl, int argc, char **argv);
int verb_classify(struct ctl *ctl, int argc, char **argv);
int verb_receive(struct ctl *ctl, int argc, char **argv);
int verb_verp(struct ctl *ctl, int argc, char **argv);
int verb_aside(struct ctl *ctl, int argc, char **argv);
int verb_explain(struct ctl *ctl, int argc, char **argv);
int verb_alerts(struct ctl *ctl, int argc, char **argv);
int verb_undo(struct ctl *ctl, int argc, char **argv);
int verb_replay(struct ctl *ctl, int argc, char **argv);
int verb_status(struct ctl *ctl, int argc, char **argv);
int verb_doctor(struct ctl *ctl, int argc, char **argv);
int verb_metrics(struct ctl *ctl, int argc, char **argv);
int verb_help(struct ctl *ctl, int argc, char **argv);
int verb_complete(struct ctl *ctl, int argc, char **argv);

/* nixie rules SUBVERB: argv[0] is the subverb. */
int verb_rules(struct ctl *ctl, int argc, char **argv);
int rules_list(struct ctl *ctl, int argc, char **argv);
int rules_show(struct ctl *ctl, int argc, char **argv);
int rules_test(struct ctl *ctl, int argc, char **argv);
int rules_lint(struct ctl *ctl, int argc, char **argv);
int rules_forms(struct ctl *ctl, int argc, char **argv);
int rules_words(struct ctl *ctl, int argc, char **argv);
int rules_stats(struct ctl *ctl, int argc, char **argv);
int rules_unknown(struct ctl *ctl, int argc, char **argv);

/* An option of a verb's own: with an argument, or a switch. */
struct verb_option {
	const char *name; /* NULL ends the list */
	const char **value;
	bool *given;
};

#define VERB_OPTIONS_MAX 24

/* Takes the options of a verb: --json, --help and its own; `verb` as in help_find(). optind is then at the arguments.
 * False: *code_r is the exit code (help, or wrong usage). */
bool verb_options(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own,
	int *code_r) NIXIE_MUST_CHECK;

/* verb_options(), --rules DIR among them (own may be NULL), and the rules of those
 * directories, or else of the configuration. NULL: *code_r is the exit code, after a message. */
struct ruleset *verb_load_rules(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own,
	int *code_r);

/* The same for a verb that reads one text from standard input where no file is named: then by ruleset_load_late(). */
struct ruleset *verb_load_rules_late(struct ctl *ctl, int argc, char **argv, const char *verb, const struct verb_option *own,
	int *code_r);

/* The same for two sets of rules: --rules DIR, which must be there, and --against DIR, or
 * else the rules of the configuration. False: *code_r is the exit code, after a message. */
bool verb_load_both(struct ctl *ctl, int argc, char **argv, const char *verb, struct ruleset **rules_r,
	struct ruleset **against_r, int *code_r) NIXIE_MUST_CHECK;

/* Behind the options there is nothing; else false after a message. For verbs about rules. */
bool verb_no_arguments(int argc, char **argv) NIXIE_MUST_CHECK;

/* --name TEXT as a moment (period_parse()): NULL leaves *time_s_r as it is. False after a message. */
bool verb_time(const char *name, const char *text, int64_t *time_s_r) NIXIE_MUST_CHECK;

/* --limit TEXT: NULL leaves *limit_r as it is. False after a message. */
bool verb_limit(const char *text, uint64_t *limit_r) NIXIE_MUST_CHECK;

/* For verbs that need Redis only at times; once. */
void verb_open_store(struct ctl *ctl);

/* The address, or the domain written as @example.com, as its key; false, and a message, when it is none. */
bool verb_address(const struct ctl *ctl, const char *text, struct address *address_r) NIXIE_MUST_CHECK;

/* The same without a message of its own: *err has it. */
bool verb_find_address(const struct ctl *ctl, const char *text, struct address *address_r, struct err *err) NIXIE_MUST_CHECK;

/* Who runs the command: the user, or the one behind sudo. Static storage. */
struct sv verb_who(void);

/* Each open alert on one line, the newest first; nothing when there are none. False: the store does not tell. */
bool alerts_print_lines(struct store *store, FILE *to, struct err *err) NIXIE_MUST_CHECK;

/* The exit code for a store that does not do what it should, after a message. */
int verb_store_failed(const struct err *err);

#endif
