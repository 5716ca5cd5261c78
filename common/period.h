/* period: which part of a log counts (--since, --until).
 *
 * Lines outside do not count, but what they tell of a message is remembered: one that
 * came before the period and was refused in it has its sender. */
#ifndef NIXIE_PERIOD_H
#define NIXIE_PERIOD_H

#include "reader.h"

/* since_s counts, until_s does not. */
struct period {
	int64_t since_s, until_s;
};

#define PERIOD_ALL ((struct period){ INT64_MIN, INT64_MAX })

enum period_place { PERIOD_BEFORE, PERIOD_INSIDE, PERIOD_AFTER };

enum period_place period_place(const struct period *period, int64_t time_s);

/* A moment as a person types it: yyyy-mm-dd (UTC), RFC 3339, or how long ago ("30d", "2 months"). */
bool period_parse(struct sv text, int64_t *time_s_r, struct err *err) NIXIE_MUST_CHECK;

/* reader_line(); of a line outside nothing is counted but that it was there, and it is of no
 * interest. A line without a stamp is where the one before it is. */
enum record_kind period_line(const struct period *period, struct reader *reader, struct sv bytes, struct stamp_anchor *anchor,
	struct record *record_r, enum period_place *place_r);

#endif
