#include "test.h"

#include "chart.h"

#define POINTS 3

static char room[65536];

static size_t count(struct sv text, const char *what)
{
	size_t n = 0;

	for (size_t at = sv_find_sv(text, sv_of(what)); at < text.n; at = sv_find_sv(text, sv_of(what))) {
		n++;
		text = sv_skip(text, at + 1);
	}
	return n;
}

#define WANT_HAS(text, what, times) WANT_INT(count(text, what), times)

static char names[CHART_POINTS_MAX][CHART_NAME_MAX] = { "2026-11-20", "2026-11-21", "2026-11-22" };

static struct sv draw(const struct chart *chart)
{
	struct buf b = BUF_ON(room);

	chart_add(&b, chart);
	WANT_INT(b.full, false);
	return buf_sv(&b);
}

static void scales(void **state)
{
	static const struct { const char *name; int64_t most, step, top; } table[] = {
		{ "nothing", 0, 1, 2 }, { "one", 1, 1, 2 }, { "two", 2, 1, 2 }, { "three", 3, 1, 3 }, { "four", 4, 1, 4 },
		{ "five", 5, 2, 6 }, { "nine", 9, 5, 10 }, { "ten", 10, 5, 10 }, { "twelve", 12, 5, 15 }, { "a hundred", 100, 50, 100 },
		{ "odd", 1234567, 500000, 1500000 },
	};

	(void)state;
	EACH(row, table) {
		WANT_INT(chart_step(row->most), row->step);
		WANT_INT(chart_top(row->most), row->top);
	}
	assert_true(chart_top(INT64_MAX / 4) >= INT64_MAX / 4);
}

static void bars_stand_on_each_other(void **state)
{
	static const int64_t hard[POINTS] = { 1, 0, 2 }, soft[POINTS] = { 1, 2, 0 };
	const struct chart chart = { .label = "a \"label\"", .n = POINTS, .names = names, .n_panels = 1,
		.panels = { { .title = "messages", .n_series = 2, .series = { { "hard", "hard", hard }, { "soft", "soft", soft } } } },
		.n_ticks = 1, .ticks = { { 0, POINTS, "Nov", false } } };
	struct sv svg = draw(&chart);

	(void)state;
	WANT_INT(chart_has_marks(&chart), true);
	WANT_HAS(svg, "aria-label=\"a &quot;label&quot;\"", 1);
	WANT_HAS(svg, "<path class=\"c-hard\" d=\"M0.1 96V48h.8V96zM2.1 96V0h.8V96z\"/>", 1);
	WANT_HAS(svg, "<path class=\"c-soft\" d=\"M0.1 48V0h.8V48zM1.1 96V0h.8V96z\"/>", 1);
	WANT_HAS(svg, "<title>2026-11-20: hard 1, soft 1</title>", 1);
	WANT_HAS(svg, "<rect class=\"tip\"", POINTS);
	WANT_HAS(svg, ">Nov</text>", 1);
}

static void little_is_seen_beside_much(void **state)
{
	static const int64_t values[POINTS] = { 1000000, 1, 0 };
	const struct chart chart = { .label = "", .n = POINTS, .names = names, .n_panels = 1,
		.panels = { { .title = "", .n_series = 1, .series = { { "x", "x", values } } } } };

	(void)state;
	WANT_HAS(draw(&chart), "M1.1 96V95h.8V96z\"", 1);
}

static void lines_and_limits(void **state)
{
	static const int64_t rates[POINTS] = { 100, CHART_NONE, 400 }, line[POINTS] = { 100, 200, 400 };
	const struct chart chart = { .label = "", .n = POINTS, .names = names, .n_panels = 1,
		.panels = { { .title = "", .lines = true, .percent = true, .limit = 200, .n_series = 2,
			.series = { { "hard", "hard", rates }, { "all", "all", line } } } } };
	struct sv svg = draw(&chart);

	(void)state;
	/* a gap where there is nothing; what is alone is a dot */
	WANT_HAS(svg, "<path class=\"l-hard dot\" d=\"M0.5 72h.01M2.5 0h.01\"/>", 1);
	WANT_HAS(svg, "<path class=\"l-all\" d=\"M0.5 72L1.5 48L2.5 0\"/>", 1);
	WANT_HAS(svg, "<line class=\"limit\" x1=\"0\" x2=\"100%\" y1=\"72\" y2=\"72\"/>", 1);
	WANT_HAS(svg, ">limit 2%</text>", 1);
	WANT_HAS(svg, "<title>2026-11-22: hard 4.00\xc2\xa0%, all 4.00\xc2\xa0%</title>", 1);
	WANT_HAS(svg, "<title>2026-11-21: all 2.00\xc2\xa0%</title>", 1);
}

static void the_limit_is_on_the_scale(void **state)
{
	static const int64_t rates[POINTS] = { 1, 1, 1 };
	const struct chart chart = { .label = "", .n = POINTS, .names = names, .n_panels = 1,
		.panels = { { .title = "", .lines = true, .percent = true, .limit = 20, .n_series = 1, .series = { { "c", "c", rates } } } } };
	struct sv svg = draw(&chart);

	(void)state;
	WANT_HAS(svg, ">0.3%</text>", 1);
	WANT_HAS(svg, ">limit 0.2%</text>", 1);
}

static void what_is_far_over_its_limit_is_cut_off_and_told(void **state)
{
	static int64_t rates[20] = { 100, 5000 };
	const struct chart chart = { .label = "", .n = COUNT(rates), .names = names, .n_panels = 1,
		.panels = { { .title = "", .lines = true, .percent = true, .limit = 200, .n_series = 1, .series = { { "h", "h", rates } } } } };
	struct sv svg = draw(&chart);

	(void)state;
	WANT_HAS(svg, ">15%</text>", 1);
	WANT_HAS(svg, "50.00\xc2\xa0% on 2026-11-21</text>", 1);
	/* where many are, they are what there is to see */
	rates[5] = 4000;
	svg = draw(&chart);
	WANT_HAS(svg, ">60%</text>", 1);
	WANT_HAS(svg, " on ", 0);
}

static void nothing_to_draw(void **state)
{
	static const int64_t none[POINTS] = { CHART_NONE, CHART_NONE, CHART_NONE }, zero[POINTS] = { 0 };
	struct chart chart = { .label = "", .n = POINTS, .names = names, .n_panels = 2, .panels = {
		{ .title = "", .n_series = 1, .series = { { "a", "a", none } } }, { .title = "", .n_series = 1, .series = { { "b", "b", zero } } } } };

	(void)state;
	WANT_INT(chart_has_marks(&chart), false);
	WANT_HAS(draw(&chart), ">none</text>", 2);
	chart.n = 0;
	WANT_INT(chart_has_marks(&chart), false);
}

static void the_most_points_and_values(void **state)
{
	static int64_t values[CHART_POINTS_MAX];
	static char large[CHART_POINTS_MAX * 1000];
	struct buf b = BUF_ON(large);
	const struct chart chart = { .label = "", .n = CHART_POINTS_MAX, .names = names, .n_panels = 1,
		.panels = { { .title = "", .n_series = 1, .series = { { "a", "a", values } } } } };

	(void)state;
	for (size_t i = 0; i < CHART_POINTS_MAX; i++)
		values[i] = INT64_MAX / 8 * (int64_t)(i % 8);
	chart_add(&b, &chart);
	WANT_INT(b.full, false);
	WANT_HAS(buf_sv(&b), "<rect class=\"tip\"", CHART_POINTS_MAX);
}

static void rows_of_bars(void **state)
{
	struct buf b = BUF_ON(room);

	(void)state;
	chart_add_bar(&b, &(const struct chart_bar){ 2, { "hard", "soft" }, { 50, 25 } }, 100, SV("x: 75"));
	WANT_HAS(buf_sv(&b), "<rect class=\"c-hard\" x=\"0.00%\" width=\"50.00%\" height=\"14\"/><rect class=\"c-soft\" x=\"50.00%\" width=\"25.00%\" height=\"14\"/>", 1);
	WANT_HAS(buf_sv(&b), "<title>x: 75</title>", 1);
	buf_reset(&b);
	chart_add_bar(&b, &(const struct chart_bar){ 2, { "hard", "soft" }, { 0, 1 } }, 1000000, SV(""));
	WANT_HAS(buf_sv(&b), "c-hard", 0);
	WANT_HAS(buf_sv(&b), "width=\"0.30%\"", 1);
	buf_reset(&b);
	chart_add_scale(&b, 90);
	WANT_HAS(buf_sv(&b), ">100</text>", 1);
	WANT_HAS(buf_sv(&b), ">50</text>", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scales),
		cmocka_unit_test(bars_stand_on_each_other),
		cmocka_unit_test(little_is_seen_beside_much),
		cmocka_unit_test(lines_and_limits),
		cmocka_unit_test(the_limit_is_on_the_scale),
		cmocka_unit_test(what_is_far_over_its_limit_is_cut_off_and_told),
		cmocka_unit_test(nothing_to_draw),
		cmocka_unit_test(the_most_points_and_values),
		cmocka_unit_test(rows_of_bars),
	};

	return RUN(tests);
}
