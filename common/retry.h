/* retry: when a reply says to come back: "try again in 5 minutes". Pure. */
#ifndef NIXIE_RETRY_H
#define NIXIE_RETRY_H

#include "sv.h"

/* What asks for more is taken as this. */
#define RETRY_AFTER_MAX_S (7 * 86400)

/* Seconds to wait, at most RETRY_AFTER_MAX_S; -1 when the words name no time. A time that
 * is not about trying again ("over quota for 3 days") is none. */
int64_t retry_after_s(struct sv words);

#endif
