#include "year.h"

#include "clock.h"

/* Enough for a log of some decades. */
#define PROBES 64

/* The latest time that the first whole line behind this place can have. */
static bool probe(year_peek *peek, const void *file, uint64_t size, int i, int64_t anchor_s, int64_t *time_s_r)
{
	char bytes[4096];
	struct sv text = sv_make(bytes, peek(file, size / PROBES * (uint64_t)i, bytes, sizeof bytes));

	if (i > 0)
		(void)sv_cut(&text, '\n'); /* the rest of a line */
	return line_stamp_before(text, anchor_s, time_s_r);
}

struct stamp_anchor year_of_first_line(year_peek *peek, const void *file, uint64_t size, int64_t changed_s)
{
	struct stamp_anchor anchor = { .time_s = changed_s };

	for (int i = PROBES; i >= 0; i--) {
		int64_t time_s, before_s;
		if (!probe(peek, file, size, i, anchor.time_s, &time_s))
			continue;
		/* a line of a wrong clock: the one before it in the file is younger */
		if (i > 0 && probe(peek, file, size, i - 1, anchor.time_s, &before_s) && before_s > time_s + CLOCK_DAY_S)
			continue;
		anchor.time_s = time_s;
	}
	return anchor;
}
