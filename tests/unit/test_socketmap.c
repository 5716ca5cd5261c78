#include "test.h"

#include "socketmap.h"

#define QUESTION "24:transport u@example.test,"

static enum socketmap_result parse(struct sv bytes, struct socketmap_request *r, size_t *used, const char **problem)
{
	*used = 4711;
	*problem = NULL;
	return socketmap_parse(bytes, r, used, problem);
}

static void good_ones(void **state)
{
	static const struct { const char *name; struct sv text; const char *want_map; struct sv want_key; } table[] = {
		{ "an address", { QUESTION, sizeof QUESTION - 1 }, "transport", { "u@example.test", 14 } },
		{ "the wildcard", { "11:transport *,", 15 }, "transport", { "*", 1 } },
		{ "a delivery status", { "33:status 4.2.2 host m[::1] said: 45,", 37 }, "status", { "4.2.2 host m[::1] said: 45", 26 } },
		{ "quoted, with blanks", { "19:transport \"a  b\"@c ,", 23 }, "transport", { "\"a  b\"@c ", 9 } },
		{ "a comma and a colon within", { "10:access a,:,", 14 }, "access", { "a,:", 3 } },
		{ "another netstring within", { "14:access 4:a b,,,", 18 }, "access", { "4:a b,,", 7 } },
		{ "no key", { "7:access ,", 10 }, "access", { "", 0 } },
		{ "no blank", { "6:access,", 9 }, "access", { "", 0 } },
		{ "no map", { "4: a@b,", 7 }, "", { "a@b", 3 } },
		{ "nothing", { "0:,", 3 }, "", { "", 0 } },
		{ "bytes that are no text", { "12:access \xff\0\r\n\x01,", 16 }, "access", { "\xff\0\r\n\x01", 5 } },
	};

	(void)state;
	EACH(row, table) {
		struct socketmap_request r;
		const char *problem;
		size_t used;
		WANT_INT(parse(row->text, &r, &used, &problem), SOCKETMAP_REQUEST);
		WANT_INT(used, row->text.n);
		WANT_TEXT(r.map, row->want_map);
		WANT_SV(r.key, row->want_key);
	}
}

/* `early`: how many bytes are enough to know it. */
static void bad_ones(void **state)
{
	static const struct { const char *name, *text; size_t early; const char *want; } table[] = {
		{ "the policy protocol", "request=smtpd_access_policy\n", 1, "netstring" },
		{ "HTTP", "GET / HTTP/1.1\r\n", 1, "netstring" },
		{ "no length", ":transport a,", 1, "netstring" },
		{ "a blank before it", " 5:map a,", 1, "netstring" },
		{ "a sign before it", "+5:map a,", 1, "netstring" },
		{ "a leading zero", "05:map a,", 2, "netstring" },
		{ "zeros", "00:,", 2, "netstring" },
		{ "a length that is none", "5x:map a,", 2, "netstring" },
		{ "a blank behind it", "5 :map a,", 2, "netstring" },
		{ "a line end", "5\n", 2, "netstring" },
		{ "one more than there may be", "10001:map a", 5, "longer than 10000" },
		{ "more digits than there may be", "100000:map a", 6, "longer than 10000" },
		{ "more than a number can be", "99999999999999999999999:", 5, "longer than 10000" },
		{ "no comma", "5:map a.", 8, "comma" },
		{ "it goes on", "5:map ab,", 8, "comma" },
		{ "a line end for the comma", "5:map a\n", 8, "comma" },
	};

	(void)state;
	EACH(row, table) {
		struct socketmap_request r;
		const char *problem;
		size_t used;
		for (size_t n = 0; n <= strlen(row->text); n++) {
			WANT_INT(parse(sv_make(row->text, n), &r, &used, &problem), n < row->early ? SOCKETMAP_MORE : SOCKETMAP_BAD);
			WANT_INT(used, 4711);
			if (n >= row->early)
				WANT_PART(problem, row->want);
		}
	}
}

static void every_split_point(void **state)
{
	static const char two[] = QUESTION QUESTION;
	size_t n = strlen(QUESTION);

	(void)state;
	for (size_t split = 0; split < n; split++) {
		struct socketmap_request r;
		const char *problem;
		size_t used;
		char row[32];
		(void)snprintf(row, sizeof row, "split at %zu", split);
		test_row = row;
		WANT_INT(parse(sv_make(two, split), &r, &used, &problem), SOCKETMAP_MORE);
		WANT_INT(used, 4711);
		/* the rest, and more of the next one, at once */
		WANT_INT(parse(sv_make(two, n + split), &r, &used, &problem), SOCKETMAP_REQUEST);
		WANT_INT(used, n);
		WANT_TEXT(r.map, "transport");
		WANT_TEXT(r.key, "u@example.test");
	}
	test_row = "";
}

static void several_at_once(void **state)
{
	static const char text[] = "11:transport *," QUESTION "0:,9:access a@,9:acce";
	static const char *const want[] = { "*", "u@example.test", "", "a@" };
	struct sv rest = sv_make(text, sizeof text - 1);
	struct socketmap_request r;
	const char *problem;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(want); i++) {
		WANT_INT(parse(rest, &r, &used, &problem), SOCKETMAP_REQUEST);
		WANT_TEXT(r.key, want[i]);
		rest = sv_skip(rest, used);
	}
	WANT_INT(parse(rest, &r, &used, &problem), SOCKETMAP_MORE);
	WANT_INT(parse(sv_make(NULL, 0), &r, &used, &problem), SOCKETMAP_MORE);
}

static void the_longest(void **state)
{
	static char text[SOCKETMAP_REQUEST_MAX + 10];
	struct socketmap_request r;
	const char *problem;
	size_t used;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, "10000:status ", 13);
	text[6 + SOCKETMAP_REQUEST_MAX] = ',';
	WANT_INT(parse(sv_make(text, 6 + SOCKETMAP_REQUEST_MAX), &r, &used, &problem), SOCKETMAP_MORE);
	WANT_INT(parse(sv_make(text, sizeof text), &r, &used, &problem), SOCKETMAP_REQUEST);
	WANT_INT(used, SOCKETMAP_REQUEST_MAX + 7);
	WANT_INT(r.key.n, SOCKETMAP_REQUEST_MAX - 7);
}

static void answers(void **state)
{
	static const struct { const char *name; enum socketmap_answer answer; struct sv text; const char *want; } table[] = {
		{ "OK", SOCKETMAP_OK, { "error:5.1.1 no", 14 }, "17:OK error:5.1.1 no," },
		{ "NOTFOUND", SOCKETMAP_NOTFOUND, { "", 0 }, "9:NOTFOUND ," },
		{ "NOTFOUND has no text", SOCKETMAP_NOTFOUND, { "because", 7 }, "9:NOTFOUND ," },
		{ "TEMP", SOCKETMAP_TEMP, { "down", 4 }, "9:TEMP down," },
		{ "TEMP without a reason", SOCKETMAP_TEMP, { "", 0 }, "5:TEMP ," },
		{ "TIMEOUT", SOCKETMAP_TIMEOUT, { "late", 4 }, "12:TIMEOUT late," },
		{ "PERM", SOCKETMAP_PERM, { "no", 2 }, "7:PERM no," },
		{ "OK without a text", SOCKETMAP_OK, { "", 0 }, "9:NOTFOUND ," },
		{ "what ends a line", SOCKETMAP_OK, { "a\r\nb\0", 5 }, "17:OK a\\x0d\\x0ab\\x00," },
		{ "no UTF-8", SOCKETMAP_PERM, { "\xff\xc3\xbc", 3 }, "11:PERM \\xff\xc3\xbc," },
		{ "netstring within", SOCKETMAP_OK, { "5:OK a,", 7 }, "10:OK 5:OK a,," },
	};

	(void)state;
	EACH(row, table) {
		char room[SOCKETMAP_REPLY_MAX];
		struct buf b = BUF_ON(room);
		socketmap_add(&b, row->answer, row->text);
		WANT(!b.full);
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

/* Cut between characters, and there is room for the longest of all. */
static void a_long_answer(void **state)
{
	static char text[3 * SOCKETMAP_TEXT_MAX];
	char room[SOCKETMAP_REPLY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = "\xe2\x82\xac"[i % 3];
	for (size_t n = SOCKETMAP_TEXT_MAX - 3; n < SOCKETMAP_TEXT_MAX + 3; n++) {
		for (enum socketmap_answer a = SOCKETMAP_OK; a <= SOCKETMAP_PERM; a++) {
			struct buf b = BUF_ON(room);
			struct socketmap_request r;
			const char *problem;
			size_t used;
			socketmap_add(&b, a, sv_make(text, n));
			WANT(!b.full);
			WANT_INT(parse(buf_sv(&b), &r, &used, &problem), SOCKETMAP_REQUEST);
			WANT_INT(used, b.n);
			WANT(r.key.n <= SOCKETMAP_TEXT_MAX);
			WANT(a == SOCKETMAP_NOTFOUND || r.key.n > SOCKETMAP_TEXT_MAX - 12);
			while (r.key.n && utf8_len(r.key))
				r.key = sv_skip(r.key, utf8_len(r.key));
			WANT(r.key.n < 3 || r.key.p[0] == '\\');
		}
	}
	memset(text, 'x', sizeof text);
	struct buf b = BUF_ON(room);
	socketmap_add(&b, SOCKETMAP_TIMEOUT, sv_make(text, sizeof text));
	WANT(!b.full);
	WANT_INT(b.n, SOCKETMAP_TEXT_MAX + 8 + 6);
	WANT_TEXT(sv_head(buf_sv(&b), 14), "4104:TIMEOUT x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(every_split_point),
		cmocka_unit_test(several_at_once),
		cmocka_unit_test(the_longest),
		cmocka_unit_test(answers),
		cmocka_unit_test(a_long_answer),
	};

	return RUN(tests);
}
