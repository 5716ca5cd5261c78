/* unknown: the replies that no rule knows, of some months together. */
#ifndef NIXIE_UNKNOWN_H
#define NIXIE_UNKNOWN_H

#include "store.h"

struct unknown {
	struct sv text, example;
	int64_t n;
	char last_month[7]; /* yyyymm */
};

struct unknowns {
	struct arena arena;
	struct map by_text;
	const char *first, *last;
	struct unknown **v;
	size_t n, size;
};

/* From one month to another, yyyymm, both of them included; NULL: no limit. The most frequent first. To be freed whatever the result. */
enum store_result unknown_read(struct unknowns *unknowns_r, struct store *store, const char *first, const char *last, struct err *err) NIXIE_MUST_CHECK;
void unknown_free(struct unknowns *unknowns);

#endif
