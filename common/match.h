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

/* Named groups that a pattern of pattern_compile_lines() may have. */
#define MATCH_GROUPS_MAX 16

enum match_result { MATCH_NO, MATCH_YES, MATCH_LIMIT_HIT };

struct pattern;

/* NULL and *err (what, and at which byte) on failure. */
struct pattern *pattern_compile(struct sv regex, struct err *err);
/* For a text of many lines: "^" and "$" are those of a line, "." matches no line end, and a group (?<name>...),
 * of which there may be several of one name, can be asked for. */
struct pattern *pattern_compile_lines(struct sv regex, struct err *err);
void pattern_free(struct pattern *pattern);

/* The name of its i-th group, in no order, a name of several groups several times; NULL: there are no more. */
const char *pattern_group(const struct pattern *pattern, size_t i);

/* Does PCRE2 make machine code here? */
bool pattern_machine_code(void);

/* The bytes that matched, when wanted, go to *hit_r. The first call makes machine code
 * of the pattern, where the system allows that. */
enum match_result pattern_match(struct pattern *pattern, struct sv text, struct sv *hit_r);

/* The first match from byte `from` of the text on, in *hit_r; and what the groups of these names matched, of several
 * with one name the first that took part. Empty: none did. */
enum match_result pattern_find(struct pattern *pattern, struct sv text, size_t from, struct sv *hit_r,
	size_t n, const char *const *names, struct sv *groups_r);

/* Would the pattern need more than so many steps for this text? The same on every
 * machine: the interpreter counts. For checking rules. */
bool pattern_exceeds(const struct pattern *pattern, struct sv text, uint32_t steps);

#endif
