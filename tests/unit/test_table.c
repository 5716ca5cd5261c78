#include "test.h"

#include "table.h"

static void columns_fit(void **state)
{
	static const struct table_column columns[] = { { "A", false, false }, { "B", false, true }, { "C", false, true } };
	static const struct { const char *name; size_t wanted[3], width, fitted[3], n; /* that are shown */ } table[] = {
		{ "there is room", { 5, 20, 30 }, 80, { 5, 20, 30 }, 3 },
		{ "just enough", { 5, 20, 30 }, 59, { 5, 20, 30 }, 3 },
		{ "the widest gives", { 5, 20, 30 }, 58, { 5, 20, 29 }, 3 },
		{ "then both do", { 5, 20, 30 }, 41, { 5, 16, 16 }, 3 },
		{ "not below the least", { 5, 20, 30 }, 25, { 5, 8, 8 }, 3 },
		{ "then the last is left out, and the others have its room", { 5, 20, 30 }, 24, { 5, 17 }, 2 },
		{ "and the next", { 5, 20, 30 }, 10, { 5 }, 1 },
		{ "what does not shrink stays", { 50, 20, 30 }, 40, { 50 }, 1 },
		{ "what is narrow stays", { 5, 3, 30 }, 20, { 5, 3, 8 }, 3 },
		{ "no terminal", { 5, 200, 250 }, 0, { 5, 200, 250 }, 3 },
		{ "there is an end", { 5, 20, 100000 }, 0, { 5, 20, TABLE_WIDE }, 3 },
	};

	(void)state;
	EACH(row, table) {
		size_t fitted[3];
		size_t n = table_fit(columns, 3, row->wanted, row->width, fitted);
		WANT_INT((int64_t)n, (int64_t)row->n);
		for (size_t i = 0; i < n; i++)
			WANT_INT((int64_t)fitted[i], (int64_t)row->fitted[i]);
	}
}

static void cells(void **state)
{
	static const struct { const char *name, *text; size_t cells; bool right, utf8; const char *want; } table[] = {
		{ "filled up", "abc", 5, false, true, "abc  " },
		{ "numbers to the right", "12", 5, true, true, "   12" },
		{ "fits", "abcde", 5, false, true, "abcde" },
		{ "cut", "abcdef", 5, false, true, "abcd\xe2\x80\xa6" },
		{ "cut without UTF-8", "abcdef", 5, false, false, "abcd~" },
		{ "letters are counted, not bytes", "\xc3\xa4\xc3\xb6\xc3\xbc", 4, false, true, "\xc3\xa4\xc3\xb6\xc3\xbc " },
		{ "and not cut apart", "\xc3\xa4\xc3\xb6\xc3\xbc", 2, false, true, "\xc3\xa4\xe2\x80\xa6" },
		{ "nothing", "", 2, false, true, "  " },
		{ "no room", "abc", 0, false, true, "" },
	};

	(void)state;
	EACH(row, table) {
		char room[64];
		struct buf b = BUF_ON(room);
		table_add_cell(&b, sv_of(row->text), row->cells, row->right, row->utf8);
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

/* More rows than are gathered, bytes that would hurt a terminal. */
static void a_long_table(void **state)
{
	static const struct table_column columns[] = { { "N", true, false }, { "TEXT", false, true } };
	struct table table;
	char *text = NULL;
	size_t size = 0, lines = 0;
	FILE *to = tmpfile();

	(void)state;
	table_start(&table, to, columns, COUNT(columns));
	for (int i = 0; i < 3 * TABLE_ROWS / 2; i++) {
		table_addf(&table, COLOUR_RED, "%d", i);
		table_add(&table, SV("a\033[2Jb"), COLOUR_PLAIN);
	}
	table_end(&table);
	rewind(to);
	while (getline(&text, &size, to) > 0)
		if (lines++ == 8)
			WANT_TEXT(sv_of(text), "  7  a\\x1b[2Jb\n");
	WANT_INT((int64_t)lines, 3 * TABLE_ROWS / 2 + 1);
	free(text);
	(void)fclose(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_fit), cmocka_unit_test(cells), cmocka_unit_test(a_long_table),
	};

	return RUN(tests);
}
