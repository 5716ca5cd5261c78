#include "test.h"

#include "html.h"

static void texts(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "plain", "reader@example.com", "reader@example.com" },
		{ "markup", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;" },
		{ "quotes and entities", "a\"b'c&amp;", "a&quot;b&#39;c&amp;amp;" },
		{ "controls", "a\nb\x1b[31m\x7f", "a\\x0ab\\x1b[31m\\x7f" },
		{ "C1 controls", "\xc2\x9b", "\\xc2\\x9b" },
		{ "UTF-8", "M\xc3\xbcller \xf0\x9f\x93\xac", "M\xc3\xbcller \xf0\x9f\x93\xac" },
		{ "Hebrew", "\xd7\xa9\xd7\x9c", "\xd7\xa9\xd7\x9c" },
		{ "invalid UTF-8", "a\xff\xc3(", "a\\xff\\xc3(" },
		{ "surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "cut in a character", "\xe2\x82", "\\xe2\\x82" },
		{ "right to left override", "a\xe2\x80\xae" "b", "a\\xe2\\x80\\xae" "b" },
		{ "isolates", "\xe2\x81\xa6", "\\xe2\\x81\\xa6" },
		{ "line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },
		{ "no characters of XML", "\xef\xbf\xbe\xef\xbf\xbf", "\\xef\\xbf\\xbe\\xef\\xbf\\xbf" },
		{ "the like in other planes", "\xf0\x9f\xbf\xbf", "\\xf0\\x9f\\xbf\\xbf" },
		{ "empty", "", "" },
	};

	(void)state;
	EACH(row, table) {
		char room[200];
		struct buf b = BUF_ON(room);
		html_text(&b, sv_of(row->text));
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

static void nul_is_a_control(void **state)
{
	char room[20];
	struct buf b = BUF_ON(room);

	(void)state;
	html_text(&b, SV("a\0b"));
	WANT_TEXT(buf_sv(&b), "a\\x00b");
}

static void names_are_cut(void **state)
{
	char name[4096], room[1000];
	struct buf b = BUF_ON(room);

	(void)state;
	memset(name, '&', sizeof name);
	html_name(&b, sv_make(name, sizeof name));
	WANT_INT(b.full, false);
	WANT_INT(b.n, sizeof "<bdi dir=\"ltr\">" - 1 + HTML_NAME_CHARACTERS * 5 + 3 + 6);
	/* whole characters: HTML_NAME_CHARACTERS of them are not cut */
	buf_reset(&b);
	for (size_t i = 0; i < HTML_NAME_CHARACTERS; i++)
		memcpy(name + 2 * i, "\xc3\xbc", 2);
	html_name_text(&b, sv_make(name, 2 * HTML_NAME_CHARACTERS));
	WANT_INT(b.n, 2 * HTML_NAME_CHARACTERS);
	buf_reset(&b);
	memset(name, 0xff, sizeof name);
	html_name_text(&b, sv_make(name, sizeof name));
	WANT_INT(b.n, 4 * HTML_NAME_CHARACTERS + 3);
}

static void no_room_is_told(void **state)
{
	char room[8];
	struct buf b = BUF_ON(room);

	(void)state;
	html_text(&b, SV("<<<<"));
	WANT_INT(b.full, true);
}

static void numbers(void **state)
{
	static const struct { const char *name; int64_t n; const char *number, *brief; } table[] = {
		{ "nothing", 0, "0", "0" },
		{ "few", 999, "999", "999" },
		{ "a thousand", 1000, "1,000", "1k" },
		{ "a part", 1500, "1,500", "1.5k" },
		{ "two digits", 1250, "1,250", "1.25k" },
		{ "a leading zero", 1050, "1,050", "1.05k" },
		{ "millions", 1234567, "1,234,567", "1.23M" },
		{ "billions", 2000000000, "2,000,000,000", "2G" },
		{ "negative", -1234, "-1,234", "-1234" },
		{ "the most", INT64_MAX, "9,223,372,036,854,775,807", "9223372036.85G" },
	};

	(void)state;
	EACH(row, table) {
		char room[64];
		struct buf b = BUF_ON(room);
		html_number(&b, row->n);
		WANT_TEXT(buf_sv(&b), row->number);
		buf_reset(&b);
		html_short(&b, row->n);
		WANT_TEXT(buf_sv(&b), row->brief);
	}
	char room[64];
	struct buf b = BUF_ON(room);
	html_percent(&b, 1205);
	WANT_TEXT(buf_sv(&b), "12.05\xc2\xa0%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(nul_is_a_control),
		cmocka_unit_test(names_are_cut),
		cmocka_unit_test(no_room_is_told),
		cmocka_unit_test(numbers),
	};

	return RUN(tests);
}
