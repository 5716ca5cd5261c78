/* lint: findings of `nixie rules lint`, told the same for rules and for forms of mail. */
#ifndef NIXIE_LINT_H
#define NIXIE_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "sv.h"

enum lint_level { LINT_ERROR, LINT_WARNING, LINT_REMARK, LINT_LEVELS };

/* What was told. */
struct lint_told {
	bool json;
	size_t n[LINT_LEVELS];
};

/* Where a finding is: a rule, an entry of a named list, or a form. */
struct lint_place {
	const char *owner, *file;
	unsigned line;
	bool form;
};

NIXIE_PRINTF(5, 6) void lint_tell(struct lint_told *told, enum lint_level level, const char *check, struct lint_place place, const char *format, ...);
/* "3 rules, 1 form: 0 errors, 0 warnings, 0 remarks" */
void lint_sum_up(const struct lint_told *told, size_t n_rules, size_t n_forms);

#endif
