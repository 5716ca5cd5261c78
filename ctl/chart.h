/* chart: figures as SVG, inline in a page of HTML. Pure.
 *
 * A chart is as wide as what it is in: only its marks are stretched, its text is not, so that it can be
 * read on a phone. Colours are classes of the page's style: a series has the class "c-<its class>". */
#ifndef NIXIE_CHART_H
#define NIXIE_CHART_H

#include "buf.h"

#define CHART_POINTS_MAX 400
#define CHART_SERIES_MAX 3
#define CHART_PANELS_MAX 4
#define CHART_TICKS_MAX 32
#define CHART_NAME_MAX 24

struct chart_series {
	const char *name;      /* "soft" */
	const char *class_;    /* "soft" */
	const int64_t *values; /* CHART_NONE: there is none; else not negative */
};

#define CHART_NONE INT64_C(-1)

/* One above the other over one axis of time, each with a scale of its own: few failures are seen beside millions of deliveries. */
struct chart_panel {
	const char *title;     /* what, and its unit */
	bool lines;            /* else bars on each other, the first series at the bottom */
	bool percent;          /* values are hundredths of a percent, else counts */
	int64_t limit;         /* a line across; 0: none */
	size_t n_series;
	struct chart_series series[CHART_SERIES_MAX];
};

/* A part of the axis of time, such as a month. */
struct chart_tick {
	size_t from, to;       /* points */
	char text[24];         /* "": too narrow for one */
	bool minor;            /* left out where there is little room */
};

struct chart {
	const char *label;     /* for those who do not see it */
	size_t n;              /* points, at most CHART_POINTS_MAX */
	char (*names)[CHART_NAME_MAX]; /* of each */
	size_t n_panels, n_ticks;
	struct chart_panel panels[CHART_PANELS_MAX];
	struct chart_tick ticks[CHART_TICKS_MAX];
};

/* Is there anything to draw? */
bool chart_has_marks(const struct chart *chart);
void chart_add(struct buf *to, const struct chart *chart);

/* A row of a list of bars: the values side by side, as long as their share of `most`. */
struct chart_bar {
	size_t n;
	const char *classes[CHART_SERIES_MAX];
	int64_t values[CHART_SERIES_MAX];
};
/* title: clean HTML text */
void chart_add_bar(struct buf *to, const struct chart_bar *bar, int64_t most, struct sv title);
/* The scale of such a list, from 0 to chart_top(most). */
void chart_add_scale(struct buf *to, int64_t most);

/* The end of a scale for values up to `most`, and its step: 1, 2 or 5 times a power of ten; two to four steps. */
int64_t chart_top(int64_t most);
int64_t chart_step(int64_t most);

#endif
