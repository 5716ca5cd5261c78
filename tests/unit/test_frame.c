#include "test.h"

#include "frame.h"
#include "screen.h"

#define JAPAN "\xe6\x97\xa5\xe6\x9c\xac" /* two characters, two cells each */
#define MORE "\xe2\x80\xa6"

/* What a text becomes in a line of so many cells. */
static void a_line_never_overflows(void **state)
{
	static const struct { const char *name, *text; size_t width; bool utf8; const char *want; } table[] = {
		{ "fits", "abc", 3, true, "abc" },
		{ "is cut", "abcd", 3, true, "ab" MORE },
		{ "without UTF-8", "abcd", 3, false, "ab~" },
		{ "one cell", "abcd", 1, true, MORE },
		{ "wide ones fit", JAPAN, 4, true, JAPAN },
		{ "half of a wide one does not", JAPAN, 3, true, "\xe6\x97\xa5" MORE },
		{ "nor with a mark", JAPAN, 2, true, MORE },
		{ "no UTF-8 here", JAPAN, 4, false, "??" },
		{ "an escape sequence", "\033[31mx", 40, true, "\\x1b[31mx" },
		{ "lines", "a\r\nb", 40, true, "a\\x0d\\x0ab" },
		{ "a bell", "\a", 40, true, "\\x07" },
		{ "C1", "\xc2\x9b" "31m", 40, false, "\\xc2\\x9b31m" },
		{ "no UTF-8", "\xff", 40, true, "\\xff" },
		{ "an accent on its own", "e\xcc\x81", 40, true, "e?" },
		{ "the other way round", "a\xe2\x80\xae" "b", 40, true, "a\\xe2\\x80\\xaeb" },
		{ "no room", "abc", 0, true, "" },
	};

	(void)state;
	EACH(row, table) {
		struct frame f;
		frame_start(&f, row->width, 2, false);
		f.utf8 = row->utf8;
		WANT_INT(frame_line(&f), true);
		frame_add(&f, COLOUR_RED, sv_of(row->text));
		WANT_TEXT(buf_sv(&f.to), row->want);
		WANT_INT(f.column <= row->width, true);
		frame_free(&f);
	}
}

static void cells(void **state)
{
	static const struct { const char *name, *text; size_t cells; bool right; const char *want; } table[] = {
		{ "left", "ab", 4, false, "ab  |" },
		{ "right", "ab", 4, true, "  ab|" },
		{ "wide", JAPAN, 5, true, " " JAPAN "|" },
		{ "cut", "abcdef", 4, true, "abc" MORE "|" },
		{ "cut in a wide one", "a" JAPAN, 4, false, "a\xe6\x97\xa5" MORE "|" },
		{ "more than the line", "ab", 100, false, "ab      " },
	};

	(void)state;
	EACH(row, table) {
		struct frame f;
		frame_start(&f, 8, 1, false);
		f.utf8 = true;
		WANT_INT(frame_line(&f), true);
		frame_cell(&f, COLOUR_PLAIN, sv_of(row->text), row->cells, row->right);
		frame_add(&f, COLOUR_PLAIN, SV("|"));
		WANT_TEXT(buf_sv(&f.to), row->want);
		frame_free(&f);
	}
}

static void lines_end_with_the_screen(void **state)
{
	struct frame f;

	(void)state;
	frame_start(&f, 10, 2, false);
	for (int i = 0; i < 5; i++)
		if (frame_line(&f))
			frame_addf(&f, COLOUR_PLAIN, "line %d  ", i);
	WANT_INT(frame_lines_left(&f), 0);
	frame_end(&f);
	WANT_TEXT(buf_sv(&f.to), "line 0\nline 1\n");
	frame_free(&f);

	frame_start(&f, 6, 3, true);
	for (int i = 0; i < 2; i++)
		if (frame_line(&f))
			frame_addf(&f, COLOUR_PLAIN, i ? "a" : "123456");
	frame_end(&f);
	/* a full line is not cleared behind its end: its last cell would go */
	WANT_TEXT(buf_sv(&f.to), "\033[H\033[1;1H123456\033[2;1Ha\033[K\033[3;1H\033[J");
	frame_free(&f);
}

static void keys(void **state)
{
	static const struct { const char *name, *bytes; int want[4]; } table[] = {
		{ "letters", "qm?", { 'q', 'm', '?' } },
		{ "arrows", "\033[A\033[B\033OC", { SCREEN_UP, SCREEN_DOWN, SCREEN_RIGHT } },
		{ "pages", "\033[5~\033[6~\033[H", { SCREEN_PAGE_UP, SCREEN_PAGE_DOWN, SCREEN_TOP } },
		{ "others are nothing", "\033[15~\033[1;5Pq", { 'q' } },
		{ "half of one", "\033[", { 0 } },
		{ "escape alone", "\033", { 0 } },
		{ "with a letter", "\033q", { 'q' } },
		{ "UTF-8", "\xc3\xa9", { 0xc3, 0xa9 } },
		{ "nothing", "", { 0 } },
	};

	(void)state;
	EACH(row, table) {
		struct sv bytes = sv_of(row->bytes);
		for (size_t i = 0; i < COUNT(row->want); i++)
			WANT_INT(screen_next_key(&bytes), row->want[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_never_overflows),
		cmocka_unit_test(cells),
		cmocka_unit_test(lines_end_with_the_screen),
		cmocka_unit_test(keys),
	};

	return RUN(tests);
}
