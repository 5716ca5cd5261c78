/* lint_forms: forms of mail that cannot hold, or not as they should. */
#ifndef NIXIE_LINT_FORMS_H
#define NIXIE_LINT_FORMS_H

#include "lint.h"
#include "rules.h"

/* Returns how many forms there are that are not disabled. */
size_t lint_forms(struct lint_told *told, struct ruleset *rules);

#endif
