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
	match_data = pcre2_match_data_create(1 + MATCH_GROUPS_MAX, NULL);
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

static struct pattern *compile(struct sv regex, uint32_t more, struct err *err)
{
	const uint32_t options = PCRE2_CASELESS | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C | more;
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

struct pattern *pattern_compile(struct sv regex, struct err *err)
{
	return compile(regex, PCRE2_DOTALL, err);
}

struct pattern *pattern_compile_lines(struct sv regex, struct err *err)
{
	struct pattern *pattern = compile(regex, PCRE2_MULTILINE | PCRE2_DUPNAMES, err);
	uint32_t groups = 0;

	if (pattern)
		(void)pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (groups <= MATCH_GROUPS_MAX)
		return pattern;
	err_set(err, "more than %d groups", MATCH_GROUPS_MAX);
	pattern_free(pattern);
	return NULL;
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

/* Leaves where it matched in match_data. */
static enum match_result match_from(struct pattern *pattern, struct sv text, size_t from)
{
	PCRE2_SPTR bytes = (PCRE2_SPTR)(text.p ? text.p : "");
	int rc;

	if (pattern->jit == JIT_UNTRIED)
		make_code(pattern);
	if (pattern->jit == JIT_READY)
		rc = pcre2_jit_match(pattern->code, bytes, text.n, from, 0, match_data, match_context);
	else
		rc = pcre2_match(pattern->code, bytes, text.n, from, 0, match_data, match_context);
	return rc == PCRE2_ERROR_NOMATCH ? MATCH_NO : rc < 0 ? MATCH_LIMIT_HIT : MATCH_YES;
}

/* What group i matched, 0: all of it. \K and lookarounds can make ends that come before beginnings. */
static struct sv matched(struct sv text, size_t i)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match_data) + 2 * i;

	return ends[0] == PCRE2_UNSET || ends[1] < ends[0] ? sv_make("", 0) : sv_make(text.p + ends[0], ends[1] - ends[0]);
}

enum match_result pattern_match(struct pattern *pattern, struct sv text, struct sv *hit_r)
{
	enum match_result result = match_from(pattern, text, 0);

	if (hit_r && result == MATCH_YES)
		*hit_r = matched(text, 0);
	return result;
}

/* An entry of PCRE2's table of names: the number of the group in two bytes, and its name. */
static const char *name_entry(const struct pattern *pattern, size_t i, size_t *group_r)
{
	PCRE2_SPTR table;
	uint32_t n = 0, size = 0;

	(void)pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &n);
	if (i >= n)
		return NULL;
	(void)pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	(void)pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &table);
	table += i * size;
	*group_r = (size_t)table[0] << 8 | table[1];
	return (const char *)table + 2;
}

const char *pattern_group(const struct pattern *pattern, size_t i)
{
	size_t group;

	return name_entry(pattern, i, &group);
}

enum match_result pattern_find(struct pattern *pattern, struct sv text, size_t from, struct sv *hit_r,
	size_t n, const char *const *names, struct sv *groups_r)
{
	enum match_result result = match_from(pattern, text, from);
	const char *name;
	size_t group;

	for (size_t i = 0; i < n; i++)
		groups_r[i] = sv_make("", 0);
	if (result != MATCH_YES)
		return result;
	*hit_r = matched(text, 0);
	for (size_t k = 0; (name = name_entry(pattern, k, &group)); k++)
		for (size_t i = 0; i < n; i++)
			if (groups_r[i].n == 0 && strcmp(names[i], name) == 0)
				groups_r[i] = matched(text, group);
	return result;
}

bool pattern_exceeds(const struct pattern *pattern, struct sv text, uint32_t steps)
{
	pcre2_set_match_limit(match_context, steps);
	int rc = pcre2_match(pattern->code, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, PCRE2_NO_JIT, match_data, match_context);
	pcre2_set_match_limit(match_context, MATCH_LIMIT);
	return rc < 0 && rc != PCRE2_ERROR_NOMATCH;
}

bool pattern_machine_code(void)
{
	struct err err;
	struct pattern *pattern = pattern_compile(SV("a+b"), &err);
	bool made = false;

	if (pattern) {
		(void)pattern_match(pattern, SV("ab"), NULL);
		made = pattern->jit == JIT_READY;
	}
	pattern_free(pattern);
	return made;
}
