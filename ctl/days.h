/* days: which days, or hours, of the counters are meant: --last, or --from and --to. */
#ifndef NIXIE_DAYS_H
#define NIXIE_DAYS_H

#include "sv.h"

/* Texts as typed, NULL where not given: without all of them the last 7 days, or 24 hours. Whole days (UTC), or whole hours: the
 * first moment that is in it, and the first one behind it. False after a message. */
bool days_take(const char *last, const char *from, const char *to, bool hours, int64_t *from_s_r, int64_t *to_s_r) NIXIE_MUST_CHECK;

#endif
