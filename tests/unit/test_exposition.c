/* exposition: what Prometheus reads, and what it would refuse. */
#include "test.h"

#include "exposition.h"

static char *text;
static size_t text_n;

static void begin(struct exposition *x, bool json)
{
	*x = (struct exposition){ .to = open_memstream(&text, &text_n), .json = json };
	assert_non_null(x->to);
}

static void written(const struct exposition *x, const char *expected)
{
	(void)fclose(x->to);
	assert_string_equal(text, expected);
	free(text);
}

static void test_families(void **state)
{
	struct exposition x;

	(void)state;
	begin(&x, false);
	exposition_one(&x, EXPOSITION_GAUGE, "nixie_up", "1: it is.", 1);
	exposition_family(&x, EXPOSITION_COUNTER, "Some.", "nixie_%s_total", "results");
	exposition_add(&x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "result", SV("soft") } }, 0);
	exposition_add(&x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "dest", SV("d.example") }, { "result", SV("hard") } }, INT64_MAX);
	exposition_family(&x, EXPOSITION_GAUGE, "Limits.", "nixie_limit_ratio");
	exposition_add_permille(&x, NULL, 20);
	exposition_add_permille(&x, NULL, 1000);
	written(&x, "# HELP nixie_up 1: it is.\n# TYPE nixie_up gauge\nnixie_up 1\n"
		"# HELP nixie_results_total Some.\n# TYPE nixie_results_total counter\n"
		"nixie_results_total{result=\"soft\"} 0\nnixie_results_total{dest=\"d.example\",result=\"hard\"} 9223372036854775807\n"
		"# HELP nixie_limit_ratio Limits.\n# TYPE nixie_limit_ratio gauge\nnixie_limit_ratio 0.020\nnixie_limit_ratio 1.000\n");
}

static void test_values_from_outside(void **state)
{
	static const struct { struct sv value; const char *written; } rows[] = {
		{ { "", 0 }, "" },
		{ { "a\"b\\c", 5 }, "a\\\"b\\\\c" },
		{ { "a\nb\r\t\0", 6 }, "a%0Ab%0D%09%00" },
		{ { "50%", 3 }, "50%25" },
		{ { "gr\xc3\xbcn", 5 }, "gr\xc3\xbcn" },
		{ { "\xc2\x9b" "1m", 4 }, "%C2%9B1m" },
		{ { "\xc3", 1 }, "%C3" },
		{ { "\xff\xfe", 2 }, "%FF%FE" },
		{ { "\x7f\x1b[0m", 5 }, "%7F%1B[0m" },
	};
	char expected[128];
	struct exposition x;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin(&x, false);
		(void)snprintf(x.name, sizeof x.name, "n");
		exposition_add(&x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "v", rows[i].value } }, 1);
		(void)snprintf(expected, sizeof expected, "n{v=\"%s\"} 1\n", rows[i].written);
		written(&x, expected);
	}
}

static void test_json(void **state)
{
	struct exposition x;

	(void)state;
	begin(&x, true);
	exposition_family(&x, EXPOSITION_GAUGE, "Limits.", "nixie_limit_ratio");
	exposition_add_permille(&x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "rate", SV("ha\"rd") } }, 2);
	exposition_one(&x, EXPOSITION_COUNTER, "nixie_lines_total", "Lines.", 7);
	written(&x, "{\"metric\":\"nixie_limit_ratio\",\"type\":\"gauge\",\"labels\":{\"rate\":\"ha\\\"rd\"},\"value\":0.002}\n"
		"{\"metric\":\"nixie_lines_total\",\"type\":\"counter\",\"labels\":{},\"value\":7}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_values_from_outside),
		cmocka_unit_test(test_json),
	};

	return RUN(tests);
}
