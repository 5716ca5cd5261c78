/* follow: the daemon's loop: lines of the logs into the store, exactly once. */
#ifndef NIXIE_FOLLOW_H
#define NIXIE_FOLLOW_H

#include "cli.h"
#include "config.h"
#include "period.h"
#include "rules.h"

struct follow_options {
	const struct config_args *args; /* for SIGHUP */
	bool show;                      /* for a person at a terminal */
	bool once;                      /* end at the end of the files */
	char *const *files;             /* instead of logtail.files; NULL-ended */
	size_t n_files;
	struct period period;           /* with once: what counts; reading stops behind it */
};

/* Runs until SIGTERM or SIGINT. Takes over config and rules. Returns an exit code. */
int follow(struct config *config, struct ruleset *rules, const struct follow_options *options);

#endif
