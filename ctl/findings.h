/* findings: what the figures of a report say, in words. Pure. */
#ifndef NIXIE_FINDINGS_H
#define NIXIE_FINDINGS_H

#include "config.h"
#include "figures.h"

struct finding {
	const char *kind;   /* "rate-limit" "blocked" "jump" "typo" */
	struct sv value;    /* domain, provider, day or hour */
	struct sv intended; /* of a typo: what is meant; else empty */
	int64_t count, of;
	struct sv text;     /* one line, clean */
};

#define FINDING_TEXT_MAX 1600
/* Of one kind not more. */
#define FINDINGS_MAX 10

typedef void findings_callback(void *arg, const struct finding *finding);

/* times: days or hours in their order. What is many is said by the options of the brake: so many, such a share, so many
 * times the share of before. */
void findings_find(const struct config *config, const struct figures *times, const struct figures *dests, const struct figures *providers,
	findings_callback *callback, void *arg);

#endif
