/* lint_cover: does a rule hold whenever another one does?
 *
 * Careful: true only where that can be seen from what is written. */
#ifndef NIXIE_LINT_COVER_H
#define NIXIE_LINT_COVER_H

#include "arena.h"
#include "literal.h"
#include "map.h"
#include "rules.h"

/* What was seen of expressions, which are compared over and over. Begins with the rules and zeros. */
struct cover {
	const struct ruleset *rules;
	struct arena arena;
	struct map required, branches;
};

void cover_free(struct cover *cover);

/* Is every value of `narrow` one that `wide`, of the same kind, has or includes? Negations are
 * no matter here. */
bool condition_covers(struct cover *cover, const struct rule_condition *wide, const struct rule_condition *narrow);

/* Does `wide` hold whenever `narrow` does? */
bool rule_covers(struct cover *cover, const struct rule *wide, const struct rule *narrow);

#endif
