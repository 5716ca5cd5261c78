#include "test.h"

#include "spark.h"

#define S1 "\xe2\x96\x81"
#define S2 "\xe2\x96\x82"
#define S4 "\xe2\x96\x84"
#define S8 "\xe2\x96\x88"

static void curves(void **state)
{
	static const struct { const char *name; int64_t values[6]; size_t n, cells; const char *want; } table[] = {
		{ "steps", { 1, 2, 4, 8 }, 4, 80, S1 S2 S4 S8 },
		{ "nothing is a blank", { 0, 8, 0 }, 3, 80, " " S8 " " },
		{ "little is seen", { 1, 1000000 }, 2, 80, S1 S8 },
		{ "nothing at all", { 0, 0 }, 2, 80, "  " },
		{ "no values", { 0 }, 0, 80, "" },
		{ "one", { 7 }, 1, 80, S8 },
		{ "more than cells", { 1, 1, 2, 2, 4, 4 }, 6, 3, S2 S4 S8 },
		{ "that do not divide", { 4, 0, 0, 0, 0 }, 5, 2, S8 " " },
		{ "no cells", { 1, 2 }, 2, 0, "" },
		{ "large ones", { INT64_MAX / 2, INT64_MAX / 4 }, 2, 80, S8 S4 },
	};

	(void)state;
	EACH(row, table) {
		char room[64];
		struct buf b = BUF_ON(room);
		spark_add(&b, row->values, row->n, row->cells);
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

static void curves_without_utf8(void **state)
{
	static const int64_t values[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	char room[64];
	struct buf b = BUF_ON(room);

	(void)state;
	spark_add_ascii(&b, values, 9, 80);
	WANT_TEXT(buf_sv(&b), " .:-=+*%#");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(curves),
		cmocka_unit_test(curves_without_utf8),
	};

	return RUN(tests);
}
