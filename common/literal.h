/* literal: the words a regular expression cannot match without.
 *
 * From "(?:over|mail) ?quota .{0,20}(reached|exceeded)" it takes { "quota " } and
 * { "reached", "exceeded" }: a text that lacks all words of one of the sets cannot
 * match. Conservative: what it does not understand has no set, and must be tried on
 * every text. Letters come out in lower case. Pure. */
#ifndef NIXIE_LITERAL_H
#define NIXIE_LITERAL_H

#include "sv.h"

#define LITERAL_SET_MAX 96
#define LITERAL_BYTES_MAX 12
/* A shorter word says too little; one of these bytes is used where there is no longer one. */
#define LITERAL_BYTES_MIN 2
/* More sets of one pattern leave out hardly any more texts. */
#define LITERAL_SETS_MAX 3
/* Branches of one pattern that are told apart. */
#define LITERAL_BRANCHES_MAX 64

struct literal {
	size_t n;
	char bytes[LITERAL_BYTES_MAX];
};

/* Any of these. */
struct literal_set {
	size_t n;
	struct literal v[LITERAL_SET_MAX];
};

/* One of each. */
struct literal_sets {
	size_t n; /* 0: none is known */
	struct literal_set v[LITERAL_SETS_MAX];
};

void literal_required(struct sv regex, struct literal_sets *sets_r);

/* The branches of "a|b(c|d)|e": "a", "b(c|d)", "e", and what literal_required() says of each (sets_r may be NULL). The expression
 * itself where it has none, more than LITERAL_BRANCHES_MAX, or cannot safely be cut. */
size_t literal_branches(struct sv regex, struct sv branches_r[LITERAL_BRANCHES_MAX], struct literal_sets sets_r[LITERAL_BRANCHES_MAX]);

#endif
