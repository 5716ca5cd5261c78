/* whole: --parse and --dry-run: whole files, without Redis. */
#ifndef NIXIE_WHOLE_H
#define NIXIE_WHOLE_H

#include "config.h"
#include "period.h"
#include "rules.h"

/* Which files, and what of them counts. */
struct whole {
	char *const *files;
	size_t n_files;
	struct period period;
};

/* One JSON object a line on standard output for every delivery-status line; a
 * summary line on standard error. Returns an exit code. */
int whole_parse(const struct config *config, struct ruleset *rules, const struct whole *whole);

/* What nixie would have done: the summary a person reads, on standard output. */
int whole_dry_run(const struct config *config, struct ruleset *rules, const struct whole *whole);

#endif
