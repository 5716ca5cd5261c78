/* match: a compiled regular expression with limits. The only includer of PCRE2.
 *
 * Patterns are the operator's, texts are strangers': matching is bounded in
 * backtracking and memory, and running into the bound is a result of its own,
 * never a hang. Case is ignored (ASCII); bytes, not characters, are matched. */
#ifndef NIXIE_MATCH_H
#define NIXIE_MATCH_H

#include "err.h"
#include "sv.h"

#define MATCH_PATTERN_MAX 16384
/* PCRE2's match limit: steps from one place of the text on, which is given up at the first
 * place that needs more. Texts are at most REPLY_TEXT_MAX bytes: together a bound on the whole. */
#define MATCH_LIMIT 10000
#define MATCH_HEAP_KIB 1024
#define MATCH_STACK_KIB 512

enum match_result { MATCH_NO, MATCH_YES, MATCH_LIMIT_HIT };

struct pattern;

/* NULL and *err (what, and at which byte) on failure. */
struct pattern *pattern_compile(struct sv regex, struct err *err);
void pattern_free(struct pattern *pattern);

/* The bytes that matched, when wanted, go to *hit_r. The first call makes machine code
 * of the pattern, where the system allows that. */
enum match_result pattern_match(struct pattern *pattern, struct sv text, struct sv *hit_r);

/* Would the pattern need more than so many steps for this text? The same on every
 * machine: the interpreter counts. For checking rules. */
bool pattern_exceeds(const struct pattern *pattern, struct sv text, uint32_t steps);

#endif
