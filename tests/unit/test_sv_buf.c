#include "test.h"

#include "err.h"

/* ---- sv ---- */

static void numbers(void **state)
{
	static const struct {
		const char *name, *text;
		uint64_t max;
		bool want_ok;
		uint64_t want;
	} table[] = {
		{ "zero", "0", 0, true, 0 },
		{ "leading zeros", "007", 10, true, 7 },
		{ "the largest", "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "one more than the largest", "18446744073709551616", UINT64_MAX, false, 0 },
		{ "twenty nines", "99999999999999999999", UINT64_MAX, false, 0 },
		{ "21 digits, though of a small value", "000000000000000000001", UINT64_MAX, false, 0 },
		{ "at the limit", "65535", 65535, true, 65535 },
		{ "over the limit", "65536", 65535, false, 0 },
		{ "nothing", "", UINT64_MAX, false, 0 },
		{ "a sign", "-1", UINT64_MAX, false, 0 },
		{ "a plus", "+1", UINT64_MAX, false, 0 },
		{ "blank in front", " 1", UINT64_MAX, false, 0 },
		{ "blank behind", "1 ", UINT64_MAX, false, 0 },
		{ "hexadecimal", "0x10", UINT64_MAX, false, 0 },
	};

	(void)state;
	EACH(row, table) {
		uint64_t value = 4711;
		WANT_INT(sv_u64(sv_of(row->text), row->max, &value), row->want_ok);
		WANT(value == (row->want_ok ? row->want : 4711));
	}
}

static void cutting(void **state)
{
	static const struct {
		const char *name, *text, *want_head, *want_rest;
	} table[] = {
		{ "in the middle", "a=b=c", "a", "b=c" },
		{ "at the front", "=b", "", "b" },
		{ "at the end", "a=", "a", "" },
		{ "not there", "abc", "abc", "" },
		{ "nothing at all", "", "", "" },
	};

	(void)state;
	EACH(row, table) {
		struct sv rest = sv_of(row->text);
		WANT_TEXT(sv_cut(&rest, '='), row->want_head);
		WANT_TEXT(rest, row->want_rest);
	}
}

static void comparing(void **state)
{
	struct sv s = SV("abc"), none = sv_make(NULL, 0);

	(void)state;
	WANT(sv_eq(none, SV("")));
	WANT(!sv_eq(SV("ab"), s));
	WANT(!sv_eq(SV("abd"), s));
	WANT(sv_eq_nocase(SV("ABC@"), SV("abc@")));
	/* '@' and '`' differ in the bit that makes lower case of letters, and are none */
	WANT(!sv_eq_nocase(SV("@"), SV("`")));
	WANT(!sv_eq_nocase(SV("["), SV("{")));
	WANT(!sv_eq_nocase(SV("\xc4"), SV("\xe4")));
	WANT(sv_starts(s, SV("ab")) && sv_starts(s, s) && !sv_starts(s, SV("abcd")));
	WANT(sv_starts_nocase(s, SV("AB")) && !sv_starts_nocase(s, SV("ABCD")));
	WANT(sv_ends_nocase(s, SV("BC")) && sv_ends_nocase(s, s) && !sv_ends_nocase(SV("c"), SV("bc")));
	WANT_INT(sv_find(s, 'c'), 2);
	WANT_INT(sv_find(s, 'x'), 3);
	WANT_INT(sv_find(none, 'x'), 0);
	WANT_INT(sv_find_sv(SV("aab"), SV("ab")), 1);
	WANT_INT(sv_find_sv(s, SV("abcd")), 3);
	WANT_INT(sv_find_sv(none, SV("a")), 0);
	WANT_TEXT(sv_skip(s, 3), "");
	WANT_TEXT(sv_skip(s, 99), "");
	WANT_TEXT(sv_head(s, 99), "abc");
	WANT_INT(sv_skip(none, 0).n + sv_skip(none, 9).n, 0);
	WANT_TEXT(sv_trim(SV(" \t a b\t ")), "a b");
	WANT_TEXT(sv_trim(SV(" \t ")), "");
	struct sv taken = s;
	WANT(!sv_take(&taken, SV("abcd")));
	WANT_TEXT(taken, "abc");
	WANT(sv_take(&taken, SV("ab")));
	WANT_TEXT(taken, "c");
}

/* ---- buf ---- */

static void what_does_not_fit_is_dropped(void **state)
{
	char room[9] = "........";
	struct buf b = { room, 0, 8, false };

	(void)state;
	buf_add(&b, SV("1234567"));
	WANT(!b.full);
	buf_add(&b, SV("89")); /* one byte too many: nothing of it */
	WANT(b.full);
	WANT_TEXT(buf_sv(&b), "1234567");
	buf_add_char(&b, '8'); /* would fit, but a gap must not hide */
	buf_addf(&b, "%d", 8);
	buf_add_clean(&b, SV("8"));
	WANT_TEXT(buf_sv(&b), "1234567");
	buf_reset(&b);
	buf_add(&b, SV("12345678"));
	WANT(!b.full);
	WANT_INT(b.n, 8);
	WANT_INT(room[8], '\0'); /* the terminator of the array, not of the buf */
	WANT_STRING(buf_cstr(&b), "1234567");
	WANT_INT(b.n, 7);
}

static void printing(void **state)
{
	char room[8];
	struct buf b = { room, 0, 4, false };

	(void)state;
	memset(room, '#', sizeof room);
	buf_addf(&b, "%s", "abc");
	WANT_TEXT(buf_sv(&b), "abc");
	WANT(!b.full);
	buf_reset(&b);
	buf_addf(&b, "%s", "abcd"); /* fits, but for the NUL that vsnprintf wants */
	WANT(b.full);
	WANT_INT(b.n, 0);
	WANT_TEXT(sv_make(room + 4, 4), "####");
	struct buf none = { room, 0, 0, false };
	WANT_STRING(buf_cstr(&none), "");
}

static void utf8(void **state)
{
	static const struct {
		const char *name, *text;
		size_t want;
	} table[] = {
		{ "nothing", "", 0 },
		{ "ASCII", "a\xff", 1 },
		{ "two bytes", "\xc3\xa9", 2 },
		{ "three bytes", "\xe2\x82\xac", 3 },
		{ "four bytes", "\xf0\x9f\x93\xac", 4 },
		{ "the last code point", "\xf4\x8f\xbf\xbf", 4 },
		{ "one behind the last", "\xf4\x90\x80\x80", 0 },
		{ "five bytes", "\xf8\x88\x80\x80\x80", 0 },
		{ "continuation alone", "\x80", 0 },
		{ "overlong NUL", "\xc0\x80", 0 },
		{ "overlong slash", "\xc1\xaf", 0 },
		{ "overlong in three", "\xe0\x9f\xbf", 0 },
		{ "shortest in three", "\xe0\xa0\x80", 3 },
		{ "overlong in four", "\xf0\x8f\xbf\xbf", 0 },
		{ "shortest in four", "\xf0\x90\x80\x80", 4 },
		{ "before the surrogates", "\xed\x9f\xbf", 3 },
		{ "first surrogate", "\xed\xa0\x80", 0 },
		{ "last surrogate", "\xed\xbf\xbf", 0 },
		{ "cut after one of two", "\xc3", 0 },
		{ "cut after two of three", "\xe2\x82", 0 },
		{ "cut after three of four", "\xf0\x9f\x93", 0 },
		{ "ASCII where a continuation belongs", "\xe2\x82" "a", 0 },
		{ "never a first byte", "\xff\x80\x80\x80", 0 },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(utf8_len(sv_of(row->text)), row->want);
}

static void add_utf8(void **state)
{
	static const struct {
		const char *name;
		uint32_t c;
		const char *want;
	} table[] = {
		{ "ASCII", 'a', "a" },
		{ "the last of one byte", 0x7f, "\x7f" },
		{ "the first of two", 0x80, "\xc2\x80" },
		{ "the last of two", 0x7ff, "\xdf\xbf" },
		{ "the first of three", 0x800, "\xe0\xa0\x80" },
		{ "the last of three", 0xffff, "\xef\xbf\xbf" },
		{ "the first of four", 0x10000, "\xf0\x90\x80\x80" },
		{ "the last of all", 0x10ffff, "\xf4\x8f\xbf\xbf" },
	};
	char room[8];

	(void)state;
	EACH(row, table) {
		struct buf b = BUF_ON(room);
		buf_add_utf8(&b, row->c);
		WANT_STRING(buf_cstr(&b), row->want);
		b = (struct buf){ room, 0, strlen(row->want) - 1, false };
		buf_add_utf8(&b, row->c);
		WANT(b.full && b.n == 0);
	}
}

static void clean(void **state)
{
	static const struct {
		const char *name;
		struct sv text;
		const char *want;
	} table[] = {
		{ "words", { "plain words", 11 }, "plain words" },
		{ "a line's end", { "a\r\nSep 1 fake", 13 }, "a\\x0d\\x0aSep 1 fake" },
		{ "NUL", { "a\0b", 3 }, "a\\x00b" },
		{ "an escape sequence", { "\033[31m", 5 }, "\\x1b[31m" },
		{ "DEL", { "\x7f", 1 }, "\\x7f" },
		{ "valid UTF-8", { "caf\xc3\xa9", 5 }, "caf\xc3\xa9" },
		{ "CSI as U+009B", { "\xc2\x9b" "31m", 5 }, "\\xc2\\x9b31m" },
		{ "the first that is no control", { "\xc2\xa0", 2 }, "\xc2\xa0" },
		{ "a line's end of Unicode", { "a\xe2\x80\xa8" "b", 5 }, "a\\xe2\\x80\\xa8b" },
		{ "from right to left", { "a\xe2\x80\xae" "moc", 7 }, "a\\xe2\\x80\\xaemoc" },
		{ "an isolate", { "\xe2\x81\xa9", 3 }, "\\xe2\\x81\\xa9" },
		{ "beside those", { "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5", 9 }, "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5" },
		{ "Latin-1", { "caf\xe9!", 5 }, "caf\\xe9!" },
		{ "cut UTF-8", { "\xe2\x82", 2 }, "\\xe2\\x82" },
		{ "nothing", { NULL, 0 }, "" },
	};

	(void)state;
	EACH(row, table) {
		char room[64];
		struct buf b = BUF_ON(room);
		buf_add_clean(&b, row->text);
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

static bool has_control(struct sv s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0))
			return true;
	}
	return false;
}

static bool all_utf8(struct sv s)
{
	while (s.n) {
		size_t n = utf8_len(s);
		if (n == 0)
			return false;
		s = sv_skip(s, n);
	}
	return true;
}

/* All pairs of bytes: what comes out holds no control and is UTF-8. */
static void no_pair_of_bytes_is_harmful(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 0x10000; i++) {
		char two[2] = { (char)(i >> 8), (char)(i & 0xff) }, name[16], room[32];
		struct buf b = BUF_ON(room);
		(void)snprintf(name, sizeof name, "%04x", i);
		test_row = name;
		buf_add_clean(&b, sv_make(two, 2));
		WANT(!b.full && !has_control(buf_sv(&b)) && all_utf8(buf_sv(&b)));
		buf_reset(&b);
		buf_add_json(&b, sv_make(two, 2));
		WANT(!b.full && !has_control(buf_sv(&b)) && all_utf8(buf_sv(&b)));
		WANT(b.n >= 3 && room[0] == '"' && room[b.n - 1] == '"');
	}
	test_row = "";
}

/* Plain bytes are taken eight at a time: a byte is seen wherever it stands. */
static void a_byte_in_any_place(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0x100; c++) {
		char byte = (char)c, alone_room[16], text[20], room[64], want_room[64], name[16];
		struct buf alone = BUF_ON(alone_room);
		buf_add_json(&alone, sv_make(&byte, 1));
		for (size_t n = 1; n <= sizeof text; n++) {
			for (size_t at = 0; at < n; at++) {
				struct buf b = BUF_ON(room), want = BUF_ON(want_room);
				memset(text, 'x', n);
				text[at] = byte;
				buf_add_json(&b, sv_make(text, n));
				memset(text, 'x', n);
				buf_add_char(&want, '"');
				buf_add(&want, sv_make(text, at));
				buf_add(&want, sv_make(alone.p + 1, alone.n - 2));
				buf_add(&want, sv_make(text, n - at - 1));
				buf_add_char(&want, '"');
				(void)snprintf(name, sizeof name, "%02x", c);
				test_row = name;
				WANT(sv_eq(buf_sv(&b), buf_sv(&want)));
			}
		}
	}
	test_row = "";
}

static void json(void **state)
{
	static const struct {
		const char *name;
		struct sv text;
		const char *want;
	} table[] = {
		{ "nothing", { NULL, 0 }, "\"\"" },
		{ "words", { "a b/c", 5 }, "\"a b/c\"" },
		{ "quote and backslash", { "\"\\", 2 }, "\"\\\"\\\\\"" },
		{ "line's end and tab", { "\n\t\r", 3 }, "\"\\n\\t\\u000d\"" },
		{ "NUL and escape", { "\0\033", 2 }, "\"\\u0000\\u001b\"" },
		{ "DEL", { "\x7f", 1 }, "\"\\u007f\"" },
		{ "UTF-8 stays", { "\xf0\x9f\x93\xac", 4 }, "\"\xf0\x9f\x93\xac\"" },
		{ "a wrong byte", { "a\xff" "b", 3 }, "\"a\xef\xbf\xbd" "b\"" },
		{ "a C1 control", { "\xc2\x85", 2 }, "\"\\u0085\"" },
	};

	(void)state;
	EACH(row, table) {
		char room[64];
		struct buf b = BUF_ON(room);
		buf_add_json(&b, row->text);
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

/* ---- err ---- */

static void errors(void **state)
{
	static char longer[2 * ERR_TEXT_MAX];
	struct err err;

	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	WANT(!err_set(&err, "%s is %d", "it", 7));
	WANT(!err_prefix(&err, "%s:%d", "file", 1));
	WANT_STRING(err.text, "file:1: it is 7");
	err_set(&err, "%s", longer); /* cut, never more */
	WANT_INT(strlen(err.text), ERR_TEXT_MAX - 1);
	err_prefix(&err, "file");
	WANT_INT(strlen(err.text), ERR_TEXT_MAX - 1);
	WANT(strncmp(err.text, "file: xxx", 9) == 0);
	err_set(&err, "why");
	err_prefix(&err, "%s", longer); /* of a long prefix the beginning, and all of the text */
	WANT(strncmp(err.text, "xxx", 3) == 0);
	WANT_STRING(err.text + strlen(err.text) - 5, ": why");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(cutting),
		cmocka_unit_test(comparing),
		cmocka_unit_test(what_does_not_fit_is_dropped),
		cmocka_unit_test(printing),
		cmocka_unit_test(utf8),
		cmocka_unit_test(add_utf8),
		cmocka_unit_test(clean),
		cmocka_unit_test(no_pair_of_bytes_is_harmful),
		cmocka_unit_test(a_byte_in_any_place),
		cmocka_unit_test(json),
		cmocka_unit_test(errors),
	};

	return RUN(tests);
}
