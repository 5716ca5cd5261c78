/* lint_pattern: what is wrong with one regular expression of a rule, or of a form of mail. */
#ifndef NIXIE_LINT_PATTERN_H
#define NIXIE_LINT_PATTERN_H

#include "rules.h"

/* From no place of a text may an expression cost more steps than this: a text of 2,000 bytes
 * is then done in about a tenth of a second at worst. (PCRE2's limit is one for each
 * place, too.) What repeats with a bound shows on the shorter text. */
#define LINT_STEPS_MAX 10000
#define LINT_TEXT_BYTES 600
#define LINT_TEXT_ENDLESS_BYTES 2000
/* Texts of mails are longer: what takes a step for each byte up to the end shows on this. */
#define LINT_TEXT_LINES_BYTES 12000

enum pattern_problem {
	PATTERN_MATCHES_NOTHING = 1, /* the empty text */
	PATTERN_SLOW = 2,
	PATTERN_UNBOUNDED = 4, /* "any byte" may repeat without end */
	PATTERN_MASKED = 8,    /* asks for letters of an address in <>, which no pattern sees */
	PATTERN_NO_WORD = 16,  /* no word is required: tried on every text */
};

/* The problems of a branch, by bits. Samples: examples of the rule, on which it is tried repeated. */
unsigned pattern_problems(struct sv branch, const struct rule_example *samples, size_t n);

/* The same of an expression of a form: it is empty-text or slow on texts of many lines, and all else may be. */
unsigned pattern_problems_lines(struct sv regex, const struct sv *samples, size_t n);

/* A name and a sentence for people, of one problem. */
const char *pattern_problem_name(enum pattern_problem problem);
const char *pattern_problem_text(enum pattern_problem problem);

#endif
