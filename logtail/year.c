#include "year.h"

/* Enough for a log of some decades. */
#define PROBES 64

struct stamp_anchor year_of_first_line(year_peek *peek, const void *file, uint64_t size, int64_t changed_s)
{
	struct stamp_anchor anchor = { changed_s };
	char bytes[4096];

	for (int i = PROBES; i >= 0; i--) {
		struct sv text = sv_make(bytes, peek(file, size / PROBES * (uint64_t)i, bytes, sizeof bytes));
		int64_t time_s;
		if (i > 0)
			(void)sv_cut(&text, '\n'); /* the rest of a line */
		if (line_stamp_before(text, anchor.time_s, &time_s))
			anchor.time_s = time_s;
	}
	return anchor;
}
