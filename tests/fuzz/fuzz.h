/* fuzz: what every target needs. A target is one function on bytes; MUST() says
 * what has to hold for all of them, besides what the sanitizers watch. */
#ifndef NIXIE_FUZZ_H
#define NIXIE_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "sv.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig forgets the string it was reading when the grammar does not want one there. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);
#define FUZZ_LIBCONFIG_LEAKS \
	const char *__lsan_default_suppressions(void) { return "leak:strbuf_append\nleak:libconfig_yylex\n"; } \
	const char *__lsan_default_options(void) { return "print_suppressions=0"; }

#define MUST(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

static inline void fuzz_fail(const char *condition, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: this must hold: %s\n", file, line, condition);
	abort();
}

/* Is inner, when it is anything, a piece of outer? */
static inline bool fuzz_inside(struct sv inner, struct sv outer)
{
	return inner.n == 0 || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

/* Fit to stand in a line of ours: UTF-8 without controls, C1's included. */
static inline bool fuzz_is_clean(struct sv s)
{
	while (s.n) {
		size_t n = utf8_len(s);
		unsigned char c = (unsigned char)s.p[0];
		if (n == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s.p[1] < 0xa0))
			return false;
		s = sv_skip(s, n);
	}
	return true;
}

/* Whatever goes in, what comes out of the two writers is clean. */
static inline void fuzz_check_writers(struct sv s)
{
	static char room[8192];
	struct buf b = BUF_ON(room);

	buf_add_clean(&b, s);
	MUST(b.n <= b.size && fuzz_is_clean(buf_sv(&b)));
	buf_reset(&b);
	buf_add_json(&b, s);
	MUST(b.n <= b.size && fuzz_is_clean(buf_sv(&b)));
	MUST(b.full || (b.n >= 2 && b.p[0] == '"' && b.p[b.n - 1] == '"'));
}

/* For parsers that want a string: up to the first NUL; to be freed. */
static inline char *fuzz_string(struct sv s)
{
	char *text = malloc(s.n + 1);

	if (!text)
		abort();
	if (s.n)
		memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return text;
}

#endif
