/* verbs: the words of nixie(1). Each gets its arguments (argv[0] is the verb) and
 * returns an exit code (cli.h). */
#ifndef NIXIE_VERBS_H
#define NIXIE_VERBS_H

#include "cli.h"

struct ctl {
	struct config config;
	struct store *store; /* only verbs that need Redis have one */
	bool json;
};

int verb_check(struct ctl *ctl, int argc, char **argv);
int verb_list(struct ctl *ctl, int argc, char **argv);
int verb_stats(struct ctl *ctl, int argc, char **argv);
int verb_token(struct ctl *ctl, int argc, char **argv);
int verb_suppress(struct ctl *ctl, int argc, char **argv);
int verb_allow(struct ctl *ctl, int argc, char **argv);
int verb_reset(struct ctl *ctl, int argc, char **argv);
int verb_remove(struct ctl *ctl, int argc, char **argv);
int verb_classify(struct ctl *ctl, int argc, char **argv);
int verb_explain(struct ctl *ctl, int argc, char **argv);

/* The address as its key; false, and a message, when it is none. */
bool verb_address(const struct ctl *ctl, const char *text, struct address *address_r) NIXIE_MUST_CHECK;

/* The exit code for a store that does not do what it should, after a message. */
int verb_store_failed(const struct err *err);

#endif
