/* lint_cover: does a rule hold whenever another one does?
 *
 * Careful: true only where that can be seen from what is written. */
#ifndef NIXIE_LINT_COVER_H
#define NIXIE_LINT_COVER_H

#include "lint_lists.h"
#include "literal.h"

/* Is every value of `narrow` one that `wide`, of the same kind, has or includes? Negations are
 * no matter here. */
bool condition_covers(struct named_lists *lists, const struct rule_condition *wide, const struct rule_condition *narrow);

/* Does `wide` hold whenever `narrow` does? */
bool rule_covers(struct named_lists *lists, const struct rule *wide, const struct rule *narrow);

#endif
