#include "test.h"

#include "rows.h"

static struct rows rows;

/* "[12] name=value name=value|[13] !message|", as one text */
static const char *read_all(struct sv text)
{
	static char room[8192];
	struct buf b = BUF_ON(room);
	struct err err;
	FILE *from = fmemopen((void *)(uintptr_t)text.p, text.n, "r");
	enum rows_result result;

	assert_non_null(from);
	if (!rows_open(&rows, from, &err)) {
		buf_addf(&b, "!%s", err.text);
		(void)fclose(from);
		return buf_cstr(&b);
	}
	while ((result = rows_next(&rows, &err)) != ROWS_END) {
		buf_addf(&b, "[%llu]", (unsigned long long)rows.record_line);
		if (result == ROWS_BAD)
			buf_addf(&b, "!%s", err.text);
		for (size_t i = 0; result == ROWS_ONE && i < rows.n; i++) {
			buf_addf(&b, "%s%.*s=", i ? " " : "", SV_ARG(rows.names[i]));
			buf_add_clean(&b, rows.values[i]);
		}
		buf_add_char(&b, '|');
	}
	(void)fclose(from);
	return buf_cstr(&b);
}

static void good_ones(void **state)
{
	static const struct { const char *name, *text; enum rows_shape shape; const char *want; } table[] = {
		{ "CSV", "a,b\n1,2\n3,4\n", ROWS_CSV, "[2]a=1 b=2|[3]a=3 b=4|" },
		{ "CRLF, no last line end", "a,b\r\n1,2\r\n3,4", ROWS_CSV, "[2]a=1 b=2|[3]a=3 b=4|" },
		{ "CR", "a,b\r1,2\r", ROWS_CSV, "[1]a=1 b=2|" },
		{ "a byte order mark", "\xef\xbb\xbf" "a,b\n1,2\n", ROWS_CSV, "[2]a=1 b=2|" },
		{ "semicolons", "a;b\n1,5;2\n", ROWS_CSV, "[2]a=1,5 b=2|" },
		{ "tabs", "a\tb\n1\t2\n", ROWS_CSV, "[2]a=1 b=2|" },
		{ "quotes", "a,\"b\"\n\"1,5\",\"say \"\"2\"\"\"\n", ROWS_CSV, "[2]a=1,5 b=say \"2\"|" },
		{ "line ends within quotes", "a,b\n\"1\r\n2\n3\",x\n4,5\n", ROWS_CSV, "[2]a=1\\x0d\\x0a2\\x0a3 b=x|[5]a=4 b=5|" },
		{ "empty fields and lines", "a,b\n\n,\n\n\"\",2\n", ROWS_CSV, "[3]a= b=|[5]a= b=2|" },
		{ "one column", "email\nu@a.example\n", ROWS_CSV, "[2]email=u@a.example|" },
		{ "UTF-8", "a,b\n\xc3\xbc@a.example,\xe2\x82\xac\n", ROWS_CSV, "[2]a=\xc3\xbc@a.example b=\xe2\x82\xac|" },
		{ "without a header", "u@a.example,BOUNCE\n", ROWS_CSV, "[1]=u@a.example =BOUNCE|" },
		{ "lines", "u@a.example\n\n# no\n  v@a.example \r\n@b.example", ROWS_LINES, "[1]address=u@a.example|[4]address=v@a.example|[5]address=@b.example|" },
		{ "a comment in front", "# of us, and others\nu@a.example\n", ROWS_LINES, "[2]address=u@a.example|" },
		{ "JSON lines", "{\"a\":\"1\",\"b\":2}\n{\"a\":\"3\"}\n", ROWS_JSON, "[1]a=1 b=2|[2]a=3|" },
		{ "an array", "[{\"a\":\"1\"},\n {\"a\":\"2\"}]", ROWS_JSON, "[1]a=1|[2]a=2|" },
		{ "an empty array", "[]", ROWS_JSON, "" },
		{ "an array within an object", "{\"n\":2,\"items\":[\n{\"a\":\"1\"},\n{\"a\":\"2\",\"b\":null}\n],\n\"paging\":{\"next\":\"x\"}}", ROWS_JSON, "[2]a=1|[3]a=2 b=|" },
		{ "an object within", "{\"a\":\"1\",\"m\":{\"x\":\"2\"},\"b\":true}", ROWS_JSON, "[1]a=1 m= b=true|" },
		{ "texts in an array", "{\"a\":[\"1\",\"2\",\"3\"],\"b\":[],\"c\":[4]}", ROWS_JSON, "[1]a=1,2,3 b= c=4|" },
		{ "arrays in arrays", "{\"a\":[[\"1\"],\"2\"],\"b\":\"3\"}", ROWS_JSON, "[1]a= b=3|" },
		{ "escapes", "{\"a\":\"\\u00fc \\ud83d\\ude00 \\\"\\\\\\/\\n\"}", ROWS_JSON, "[1]a=\xc3\xbc \xf0\x9f\x98\x80 \"\\/\\x0a|" },
		{ "a number", "{\"a\":-1.5e3}", ROWS_JSON, "[1]a=-1.5e3|" },
	};

	(void)state;
	EACH(row, table) {
		WANT_STRING(read_all(sv_of(row->text)), row->want);
		WANT_INT(rows.shape, row->shape);
	}
}

static void bad_ones(void **state)
{
	static const struct { const char *name; struct sv text; const char *want; } table[] = {
		{ "nothing", SV(" \n"), "!the list is empty" },
		{ "UTF-16", SV("\xff\xfe" "a\0,\0"), "!this is no text in UTF-8" },
		{ "an archive", SV("PK\3\4\0\0"), "!this is no text in UTF-8" },
		{ "too few", SV("a,b\n1\n2,3\n"), "[2]!1 fields, the header has 2|[3]a=2 b=3|" },
		{ "too many", SV("a,b\n1,2,3\n2,3\n"), "[2]!3 fields, the header has 2|[3]a=2 b=3|" },
		{ "an open quote", SV("a,b\n1,\"2\n3,4\n"), "[2]!the list ends within quotes|" },
		{ "text behind a quote", SV("a,b\n\"1\"x,2\n3,4\n"), "[2]!text behind a closing quote" },
		{ "and the next line is read", SV("a,b\n\"1\"x,2\n3,4\n"), "[3]a=3 b=4|" },
		{ "JSON of a line is not", SV("{\"a\":1}\n{\"a\":}\n{\"a\":3}\n"), "[1]a=1|[2]!this is no JSON|[3]a=3|" },
		{ "a text that does not end", SV("{\"a\":1}\n{\"a\":\"x}\n{\"a\":3}\n"), "[2]!this is no JSON|[3]a=3|" },
		{ "half a pair", SV("{\"a\":\"\\ud83d\"}\n{\"a\":3}\n"), "[1]!this is no JSON|[2]a=3|" },
		{ "an array that is lost", SV("[{\"a\":1},\n{\"a\" 2},\n{\"a\":3}]"), "[1]a=1|[2]!this is no JSON; what follows cannot be read|" },
		{ "cut off", SV("[{\"a\":1},{\"a\""), "[1]a=1|[1]!the list ends within an object" },
		{ "a comma too many", SV("{\"a\":1,}\n{\"a\":3}\n"), "[1]!this is no JSON|[2]a=3|" },
		{ "the wrong bracket", SV("{\"a\":1]\n{\"a\":3}\n"), "[1]!this is no JSON|[2]a=3|" },
		{ "deep", SV("[[[[[[[[[[[[[[[[[[[[1"), "[1]!this is no JSON" },
	};

	(void)state;
	EACH(row, table)
		WANT_PART(read_all(row->text), row->want);
}

/* A quote that is never closed takes no more than a record may. */
static void bounded(void **state)
{
	size_t n = 3 * ROWS_BYTES_MAX;
	char *text = malloc(n);
	struct err err;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', n);
	memcpy(text, "a,b\n1,\"", 7);
	memcpy(text + 2 * ROWS_BYTES_MAX, "\n3,4\n", 5);
	text[2 * ROWS_BYTES_MAX + 5] = '\n';
	FILE *from = fmemopen(text, 2 * ROWS_BYTES_MAX + 5, "r");
	assert_non_null(from);
	WANT(rows_open(&rows, from, &err));
	WANT_INT(rows_next(&rows, &err), ROWS_BAD);
	WANT_INT(rows.record_line, 2);
	WANT_PART(err.text, "is a quote missing?");
	WANT_INT(rows_next(&rows, &err), ROWS_ONE);
	WANT_SV(rows_value(&rows, "A"), SV("3"));
	WANT_INT(rows_next(&rows, &err), ROWS_END);
	(void)fclose(from);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good_ones), cmocka_unit_test(bad_ones), cmocka_unit_test(bounded) };

	return RUN(tests);
}
