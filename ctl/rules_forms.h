/* rules_forms: the part of `nixie rules test` that is about forms of mail. */
#ifndef NIXIE_RULES_FORMS_H
#define NIXIE_RULES_FORMS_H

#include "rules.h"

struct form_run {
	struct ruleset *rules;
	bool json, strict; /* strict: a form of one's own without an example is wrong, too */
	size_t forms, examples, failures, warnings; /* counted up */
};

/* Tells of every example that is not as it says: a mail that its form has to take, or must not. */
void rules_test_forms(struct form_run *run);

#endif
