/* test: what every unit test needs: cmocka, and comparisons that tell the row of
 * the table they belong to. A comparison that fails ends its test, as cmocka's do. */
#ifndef NIXIE_TEST_H
#define NIXIE_TEST_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "buf.h"
#include "clock.h"
#include "sv.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *test_row = "";

/* Walks a table whose rows have a `name`. */
#define EACH(row, table) \
	for (const __typeof__((table)[0]) *row = (table); \
		row < (table) + COUNT(table) ? (test_row = row->name, true) : (test_row = "", false); row++)

static inline void test_fail(const char *what, const char *got, const char *want, const char *file, int line)
{
	print_error("%s%s%s is %s, want %s\n", test_row, *test_row ? ": " : "", what, got, want);
	test_row = "";
	_fail(file, line);
}

static inline void want_int(intmax_t got, intmax_t want, const char *what, const char *file, int line)
{
	char g[32], w[32];

	if (got == want)
		return;
	(void)snprintf(g, sizeof g, "%jd", got);
	(void)snprintf(w, sizeof w, "%jd", want);
	test_fail(what, g, w, file, line);
}

/* want NULL: empty */
static inline void want_sv(struct sv got, struct sv want, const char *what, const char *file, int line)
{
	char g[512], w[512];
	struct buf bg = BUF_ON(g), bw = BUF_ON(w);

	if (sv_eq(got, want))
		return;
	buf_add_json(&bg, got);
	buf_add_json(&bw, want);
	test_fail(what, buf_cstr(&bg), buf_cstr(&bw), file, line);
}

#define WANT_INT(got, want) want_int((intmax_t)(got), (intmax_t)(want), #got, __FILE__, __LINE__)
#define WANT_SV(got, want) want_sv((got), (want), #got, __FILE__, __LINE__)
#define WANT_TEXT(got, want) want_sv((got), sv_of(want), #got, __FILE__, __LINE__)
#define WANT_STRING(got, want) want_sv(sv_of(got), sv_of(want), #got, __FILE__, __LINE__)
#define WANT(condition) want_int(!!(condition), 1, #condition, __FILE__, __LINE__)
/* Is `part` somewhere in the string? */
#define WANT_PART(got, part) \
	(strstr((got), (part)) ? (void)0 : test_fail("a part of " #got, (got), (part), __FILE__, __LINE__))

/* "2026-11-21T09:12:01Z" in seconds */
static inline int64_t at(const char *stamp)
{
	int64_t us = 0;

	if (!clock_parse_date(sv_of(stamp), &us))
		test_fail("stamp", stamp, "RFC 3339", __FILE__, __LINE__);
	return us / CLOCK_SECOND_US;
}

/* Line by line, so that what a program said before it crashed is not lost. */
#define RUN(tests) (setvbuf(stdout, NULL, _IOLBF, 0), cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL))

#endif
