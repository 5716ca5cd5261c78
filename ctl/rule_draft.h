/* rule_draft: a reply that no rule knows, as the draft of a rule for a rule file.
 *
 * A draft has the category "CHOOSE", which is none: a file with it is refused, at its
 * line, until a person has chosen one. */
#ifndef NIXIE_RULE_DRAFT_H
#define NIXIE_RULE_DRAFT_H

#include <stdio.h>

#include "sv.h"

/* Fewer letters that stay the same are too little to know a reply by. */
#define RULE_DRAFT_LETTERS_MIN 5

struct rule_draft {
	struct sv text;    /* as normalise.h made it */
	struct sv example; /* one reply of this kind, as logged */
	int64_t n;         /* how often it was seen */
};

/* Does it say enough, and does its expression match its example? Others belong into the file as comments. */
bool rule_draft_is_good(const struct rule_draft *draft);

/* As members of a list: `first` of them, `last` of them. Those that are no good are written as comments. */
void rule_draft_print(FILE *to, const struct rule_draft *draft, size_t number, bool first, bool last);

#endif
