#include "match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "arena.h"

enum jit { JIT_UNTRIED, JIT_READY, JIT_NONE };

struct pattern {
	pcre2_code *code;
	enum jit jit;
};

/* Shared by all patterns: matching is never nested and the programs have one thread. */
static pcre2_match_data *match_data;
static pcre2_match_context *match_context;
static pcre2_jit_stack *jit_stack;

static bool init_shared(void)
{
	if (match_context)
		return true;
	match_data = pcre2_match_data_create(1, NULL);
	match_context = pcre2_match_context_create(NULL);
	if (!match_data || !match_context)
		return false;
	jit_stack = pcre2_jit_stack_create(32 * 1024, MATCH_STACK_KIB * 1024, NULL);
	if (jit_stack) /* else machine code has 32 KiB of the program's */
		pcre2_jit_stack_assign(match_context, NULL, jit_stack);
	pcre2_set_match_limit(match_context, MATCH_LIMIT);
	pcre2_set_depth_limit(match_context, MATCH_LIMIT);
	pcre2_set_heap_limit(match_context, MATCH_HEAP_KIB);
	return true;
}

struct pattern *pattern_compile(struct sv regex, struct err *err)
{
	const uint32_t options = PCRE2_CASELESS | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_UTF |
		PCRE2_NEVER_BACKSLASH_C | PCRE2_DOTALL;
	int error;
	PCRE2_SIZE offset;

	if (!init_shared()) {
		err_set(err, "out of memory");
		return NULL;
	}
	if (regex.n > MATCH_PATTERN_MAX) {
		err_set(err, "the pattern is longer than %d bytes", MATCH_PATTERN_MAX);
		return NULL;
	}
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex.p, regex.n, options, &error, &offset, NULL);
	if (!code) {
		PCRE2_UCHAR text[128];
		(void)pcre2_get_error_message(error, text, sizeof text);
		err_set(err, "%s at byte %zu of the pattern", (char *)text, (size_t)offset);
		return NULL;
	}
	struct pattern *pattern = xalloc(sizeof *pattern);
	pattern->code = code;
	return pattern;
}

void pattern_free(struct pattern *pattern)
{
	if (!pattern)
		return;
	pcre2_code_free(pattern->code);
	free(pattern);
}

/* Most patterns of a set never see a text that they are worth trying on. */
static void make_code(struct pattern *pattern)
{
	/* without JIT (some kernels forbid it) matching is slower and the same */
	pattern->jit = pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE) == 0 ? JIT_READY : JIT_NONE;
}

enum match_result pattern_match(struct pattern *pattern, struct sv text, struct sv *hit_r)
{
	PCRE2_SPTR bytes = (PCRE2_SPTR)(text.p ? text.p : "");
	int rc;

	if (pattern->jit == JIT_UNTRIED)
		make_code(pattern);
	if (pattern->jit == JIT_READY)
		rc = pcre2_jit_match(pattern->code, bytes, text.n, 0, 0, match_data, match_context);
	else
		rc = pcre2_match(pattern->code, bytes, text.n, 0, 0, match_data, match_context);

	if (rc == PCRE2_ERROR_NOMATCH)
		return MATCH_NO;
	if (rc < 0)
		return MATCH_LIMIT_HIT;
	if (hit_r) {
		const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match_data);
		*hit_r = sv_make(text.p + ends[0], ends[1] - ends[0]);
	}
	return MATCH_YES;
}

bool pattern_exceeds(const struct pattern *pattern, struct sv text, uint32_t steps)
{
	pcre2_set_match_limit(match_context, steps);
	int rc = pcre2_match(pattern->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, PCRE2_NO_JIT, match_data, match_context);
	pcre2_set_match_limit(match_context, MATCH_LIMIT);
	return rc < 0 && rc != PCRE2_ERROR_NOMATCH;
}
