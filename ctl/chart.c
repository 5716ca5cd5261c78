#include "chart.h"

#include "html.h"

/* In pixels: of a panel its title, its marks, and the room beneath. */
#define TITLE 24
#define PLOT 96
#define BENEATH 14
#define AXIS 18
/* Rates over so many times their limit are cut off where few points are so high, or else all others lie on the ground. */
#define CUT_TIMES 6
#define CUT_FEW 20 /* one in so many */
/* Bars of fewer points stand apart. */
#define APART_POINTS 100

int64_t chart_step(int64_t most)
{
	int64_t step = 1;
	static const int64_t next[] = { 2, 5, 10 };

	for (int64_t power = 1;; power *= 10) {
		for (int i = 0; i < 3; i++) {
			if (most / step < 4 || (most / step == 4 && most % step == 0) || step > INT64_MAX / 20)
				return step;
			step = power * next[i];
		}
	}
}

int64_t chart_top(int64_t most)
{
	int64_t step = chart_step(most);

	return most <= step ? 2 * step : (most / step + (most % step != 0)) * step;
}

/* ---- one panel ---- */

/* What a panel shows at a point: of bars all of them. */
static int64_t value_at(const struct chart_panel *p, size_t i)
{
	int64_t sum = CHART_NONE;

	for (size_t s = 0; s < p->n_series; s++) {
		int64_t value = p->series[s].values[i];
		if (value == CHART_NONE)
			continue;
		if (sum == CHART_NONE)
			sum = value;
		else
			sum = p->lines ? (value > sum ? value : sum) : sum + value;
	}
	return sum;
}

static size_t highest(const struct chart *c, const struct chart_panel *p)
{
	size_t at = 0;

	for (size_t i = 1; i < c->n; i++)
		if (value_at(p, i) > value_at(p, at))
			at = i;
	return at;
}

static bool few_are_over(const struct chart *c, const struct chart_panel *p, int64_t limit)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += value_at(p, i) > limit;
	return n && n * CUT_FEW <= c->n;
}

/* The end of its scale; what is higher is cut off. */
static int64_t top_of(const struct chart *c, const struct chart_panel *p)
{
	int64_t most = c->n ? value_at(p, highest(c, p)) : 0;

	if (p->limit && few_are_over(c, p, CUT_TIMES * p->limit))
		return chart_top(CUT_TIMES * p->limit);
	/* so that there is room for the word above the line of the limit */
	if (most < p->limit + p->limit / 4)
		most = p->limit + p->limit / 4;
	return chart_top(most);
}

/* Tenths of a pixel from the top of the plot */
static int height_of(int64_t value, int64_t top)
{
	if (value >= top)
		return 0;
	return PLOT * 10 - (int)((double)value / (double)top * PLOT * 10 + 0.5);
}

static void add_tenths(struct buf *to, int tenths)
{
	buf_addf(to, tenths % 10 ? "%d.%d" : "%d", tenths / 10, tenths % 10);
}

static void add_value(struct buf *to, const struct chart_panel *p, int64_t value)
{
	(p->percent ? html_percent : html_number)(to, value);
}

/* Of an axis: "2%" "0.05%" "1.5M" */
static void add_axis_value(struct buf *to, const struct chart_panel *p, int64_t value)
{
	if (!p->percent)
		html_short(to, value);
	else if (value % 100)
		buf_addf(to, value % 10 ? "%lld.%02lld%%" : "%lld.%lld%%", (long long)(value / 100), (long long)(value % 10 ? value % 100 : value % 100 / 10));
	else
		buf_addf(to, "%lld%%", (long long)(value / 100));
}

static void add_grid(struct buf *to, const struct chart_panel *p, int64_t top, int y)
{
	int64_t step = chart_step(top);

	for (int64_t value = 0; value <= top; value += step) {
		int at = y * 10 + height_of(value, top);
		buf_addf(to, "<line class=\"%s\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/><text class=\"y\" x=\"-6\" y=\"%d\">", value ? "grid" : "zero",
			(at + 5) / 10, (at + 5) / 10, (at + 5) / 10 + 4);
		add_axis_value(to, p, value);
		buf_add(to, SV("</text>"));
	}
}

static void add_bars(struct buf *to, const struct chart *c, const struct chart_panel *p, int64_t top, size_t series)
{
	bool apart = c->n < APART_POINTS;

	buf_addf(to, "<path class=\"c-%s\"%s d=\"", p->series[series].class_, apart ? "" : " shape-rendering=\"crispEdges\"");
	for (size_t i = 0; i < c->n; i++) {
		int64_t below = 0, value = p->series[series].values[i];
		for (size_t s = 0; s < series; s++)
			below += p->series[s].values[i] > 0 ? p->series[s].values[i] : 0;
		if (value <= 0)
			continue;
		int from = height_of(below, top), up = height_of(below + value, top);
		if (from - up < 10) /* what is not nothing is seen */
			up = from >= 10 ? from - 10 : 0;
		buf_addf(to, apart ? "M%zu.1 " : "M%zu ", i);
		add_tenths(to, from);
		buf_add_char(to, 'V');
		add_tenths(to, up);
		buf_add(to, apart ? SV("h.8V") : SV("h1V"));
		add_tenths(to, from);
		buf_add_char(to, 'z');
	}
	buf_add(to, SV("\"/>"));
}

static bool is_there(const struct chart *c, const struct chart_series *series, size_t i)
{
	return i < c->n && series->values[i] != CHART_NONE;
}

/* Points side by side are a line; those that are alone are dots. */
static void add_points(struct buf *to, const struct chart *c, const struct chart_series *series, int64_t top, bool dots)
{
	buf_addf(to, "<path class=\"l-%s%s\" d=\"", series->class_, dots ? " dot" : "");
	for (size_t i = 0; i < c->n; i++) {
		bool before = i > 0 && is_there(c, series, i - 1), alone = !before && !is_there(c, series, i + 1);
		if (!is_there(c, series, i) || alone != dots)
			continue;
		buf_addf(to, "%c%zu.5 ", before ? 'L' : 'M', i);
		add_tenths(to, height_of(series->values[i], top));
		if (alone)
			buf_add(to, SV("h.01"));
	}
	buf_add(to, SV("\"/>"));
}

static void add_limit(struct buf *to, const struct chart_panel *p, int64_t top, int y)
{
	int at = y + height_of(p->limit, top) / 10;

	if (!p->limit)
		return;
	buf_addf(to, "<line class=\"limit\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/><text class=\"limit\" x=\"100%%\" y=\"%d\">limit ", at, at, at - 4);
	add_axis_value(to, p, p->limit);
	buf_add(to, SV("</text>"));
}

static bool panel_is_empty(const struct chart *c, const struct chart_panel *p)
{
	return value_at(p, highest(c, p)) <= (p->lines ? CHART_NONE : 0);
}

static void add_panel(struct buf *to, const struct chart *c, const struct chart_panel *p, int y)
{
	int64_t top = top_of(c, p);
	size_t most = highest(c, p);

	buf_addf(to, "<text class=\"panel\" x=\"-48\" y=\"%d\">", y + 13);
	html_text(to, sv_of(p->title));
	buf_add(to, SV("</text>"));
	add_grid(to, p, top, y + TITLE);
	buf_addf(to, "<svg y=\"%d\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\">", y + TITLE, PLOT, c->n, PLOT);
	for (size_t s = 0; s < p->n_series; s++) {
		if (p->lines) {
			for (int dots = 0; dots < 2; dots++)
				add_points(to, c, &p->series[s], top, dots);
		} else {
			add_bars(to, c, p, top, s);
		}
	}
	buf_add(to, SV("</svg>"));
	add_limit(to, p, top, y + TITLE);
	if (panel_is_empty(c, p))
		buf_addf(to, "<text class=\"none\" x=\"50%%\" y=\"%d\">none</text>", y + TITLE + PLOT - 16);
	if (value_at(p, most) > top) {
		/* at the side where there is room */
		bool right = most > c->n / 2;
		buf_addf(to, "<text class=\"%s\" x=\"%zu%%\" dx=\"%d\" y=\"%d\">\xe2\x96\xb2 ", right ? "cut right" : "cut", 100 * most / c->n, right ? -6 : 10, y + TITLE + 9);
		add_value(to, p, value_at(p, most));
		buf_addf(to, " on %s</text>", c->names[most]);
	}
}

/* ---- all of a chart ---- */

bool chart_has_marks(const struct chart *c)
{
	for (size_t p = 0; p < c->n_panels; p++)
		for (size_t i = 0; i < c->n; i++)
			if (value_at(&c->panels[p], i) > 0)
				return true;
	return false;
}

/* Hundredths of a percent of the width */
static void add_x(struct buf *to, const char *name, size_t twice_at, size_t n)
{
	size_t hundredths = 5000 * twice_at / n;

	buf_addf(to, " %s=\"%zu.%02zu%%\"", name, hundredths / 100, hundredths % 100);
}

static void add_ticks(struct buf *to, const struct chart *c, int bottom)
{
	for (size_t i = 0; i < c->n_ticks; i++) {
		const struct chart_tick *t = &c->ticks[i];
		if (t->from) {
			buf_add(to, SV("<line class=\"tick\""));
			add_x(to, "x1", 2 * t->from, c->n);
			add_x(to, "x2", 2 * t->from, c->n);
			buf_addf(to, " y1=\"%d\" y2=\"%d\"/>", TITLE, bottom + 4);
		}
		if (!t->text[0])
			continue;
		buf_addf(to, "<text class=\"%s\"", t->minor ? "x minor" : "x");
		add_x(to, "x", t->from + t->to, c->n);
		buf_addf(to, " y=\"%d\">%s</text>", bottom + 15, t->text);
	}
}

static void add_names(struct buf *to, const struct chart *c, size_t i)
{
	bool first = true;

	buf_add(to, sv_of(c->names[i]));
	for (size_t p = 0; p < c->n_panels; p++) {
		for (size_t s = 0; s < c->panels[p].n_series; s++) {
			const struct chart_series *series = &c->panels[p].series[s];
			if (series->values[i] == CHART_NONE)
				continue;
			buf_addf(to, "%s%s ", first ? ": " : ", ", series->name);
			add_value(to, &c->panels[p], series->values[i]);
			first = false;
		}
	}
}

/* Over all panels, what a pointer finds: each point tells its values. */
static void add_tips(struct buf *to, const struct chart *c, int height)
{
	buf_addf(to, "<svg y=\"%d\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 %zu 1\" preserveAspectRatio=\"none\">", TITLE, height, c->n);
	for (size_t i = 0; i < c->n; i++) {
		if (value_at(&c->panels[0], i) == CHART_NONE)
			continue;
		buf_addf(to, "<rect class=\"tip\" x=\"%zu\" width=\"1\" height=\"1\"><title>", i);
		add_names(to, c, i);
		buf_add(to, SV("</title></rect>"));
	}
	buf_add(to, SV("</svg>"));
}

void chart_add(struct buf *to, const struct chart *c)
{
	int each = TITLE + PLOT + BENEATH, bottom = (int)c->n_panels * each - BENEATH;

	buf_addf(to, "<div class=\"plot\"><svg class=\"chart\" role=\"img\" height=\"%d\" aria-label=\"", bottom + AXIS);
	html_text(to, sv_of(c->label));
	buf_add(to, SV("\">"));
	add_ticks(to, c, bottom);
	for (size_t p = 0; p < c->n_panels; p++)
		add_panel(to, c, &c->panels[p], (int)p * each);
	add_tips(to, c, bottom - TITLE);
	buf_add(to, SV("</svg></div>\n"));
}

/* ---- lists of bars ---- */

void chart_add_bar(struct buf *to, const struct chart_bar *bar, int64_t most, struct sv title)
{
	int64_t top = chart_top(most), below = 0;

	buf_add(to, SV("<svg class=\"bar\" role=\"img\" height=\"14\" aria-label=\""));
	buf_add(to, title);
	buf_add(to, SV("\"><title>"));
	buf_add(to, title);
	buf_add(to, SV("</title><rect class=\"track\" width=\"100%\" height=\"14\"/>"));
	for (size_t i = 0; i < bar->n; i++) {
		double from = 100.0 * (double)below / (double)top, width = 100.0 * (double)bar->values[i] / (double)top;
		if (bar->values[i] <= 0)
			continue;
		buf_addf(to, "<rect class=\"c-%s\" x=\"%.2f%%\" width=\"%.2f%%\" height=\"14\"/>", bar->classes[i], from, width < 0.3 ? 0.3 : width);
		below += bar->values[i];
	}
	buf_add(to, SV("</svg>"));
}

void chart_add_scale(struct buf *to, int64_t most)
{
	int64_t top = chart_top(most);

	buf_add(to, SV("<svg class=\"scale\" height=\"16\" aria-hidden=\"true\"><text class=\"first\" x=\"0\" y=\"12\">0</text><text class=\"last\" x=\"100%\" y=\"12\">"));
	html_short(to, top);
	buf_add(to, SV("</text>"));
	if (top % 2 == 0) {
		buf_add(to, SV("<text x=\"50%\" y=\"12\">"));
		html_short(to, top / 2);
		buf_add(to, SV("</text>"));
	}
	buf_add(to, SV("</svg>"));
}
