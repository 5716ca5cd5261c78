/* explain_show: what is to be told about one failure, for people and as JSON. */
#ifndef NIXIE_EXPLAIN_SHOW_H
#define NIXIE_EXPLAIN_SHOW_H

#include "rules.h"
#include "lost.h"
#include "state.h"

/* Rules that are shown beside the one that holds. */
#define EXPLAIN_NEXT_MAX 3

struct explained {
	struct ruleset *rules;
	struct failure_text failure;
	struct verdict verdict;
	size_t n_holding; /* rules that hold, the first of them */
	struct verdict holding[1 + EXPLAIN_NEXT_MAX];
	const char *overruled; /* why the verdict is not that of the first rule; NULL: it is */
	/* of a log line */
	struct sv recipient, status;
	/* of an address: NULL else */
	const struct entry *entry;
	struct sv address;
	const struct lost *lost; /* failures of it that are not counted; NULL: none */
};

/* What has only a code would say: "hard" or "soft"; NULL: nothing, there is neither code nor status. */
const char *explain_by_code(const struct reply *reply);
/* What has a table of enhanced status codes, and nothing else; NULL: nothing, there is none. */
const char *explain_by_status(const struct reply *reply);

/* Is what is stored of the address what the rules say today? */
bool explain_same_as_stored(const struct explained *e);

void explain_show_human(const struct explained *e);
void explain_show_json(const struct explained *e);

#endif
