/* targets: which addresses a verb that changes is about: named one by one, on standard input ("-", one a line),
 * or chosen by a filter.
 *
 * All of them are looked through before the first is changed. What is not on the command line lies in a file
 * without a name meanwhile: memory is bounded, and a list that is chosen does not change under the hands of
 * who changes it. */
#ifndef NIXIE_TARGETS_H
#define NIXIE_TARGETS_H

#include <stdio.h>

#include "filter.h"

struct targets {
	struct ctl *ctl;
	struct filter filter;
	bool skip_errors, from_input, chosen; /* chosen: by the filter */
	uint64_t n, errors;                   /* how many there are, a repeated one each time; lines that are none */
	uint64_t size, done;                  /* for progress */
	/* the module's own */
	char **named;
	int n_named, next;
	FILE *file;
	struct address address;
	char key[ADDRESS_KEY_MAX + 1];
};

/* Reads them: argv holds what is behind the options. False: *code_r, after messages; free it all the same. */
bool targets_take(struct targets *targets, const char *verb, int argc, char **argv, int *code_r) NIXIE_MUST_CHECK;
/* From the first one on, and the next one: valid until the one after it. */
void targets_rewind(struct targets *targets);
bool targets_next(struct targets *targets, struct sv *key_r) NIXIE_MUST_CHECK;
/* Behind the last one: could all be read? */
bool targets_whole(const struct targets *targets) NIXIE_MUST_CHECK;
void targets_free(struct targets *targets);

#endif
