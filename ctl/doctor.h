/* doctor: what the files of nixie doctor share: a finding is one line, and the checks. */
#ifndef NIXIE_DOCTOR_H
#define NIXIE_DOCTOR_H

#include "verbs.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_ERROR, FINDINGS };

struct doctor {
	const struct config *config;
	bool json;
	const char *about; /* what the findings are about, where there are several: begins their texts; NULL: not needed */
	size_t n[FINDINGS];
};

/* Tells one finding. advice: what to do, "" for nothing. */
void doctor_tell(struct doctor *doctor, enum finding finding, const char *check, const char *advice,
	const char *format, ...) NIXIE_PRINTF(5, 6);

/* "40 s", "5 min", "3 h", "12 days" */
#define DOCTOR_AGE_MAX 32
const char *doctor_age(int64_t seconds, char age_r[DOCTOR_AGE_MAX]);

/* The server, its settings and its data. EXIT_STORE when it cannot be asked. */
int doctor_server(struct doctor *doctor);

/* How many alerts are open. */
void doctor_alerts(struct doctor *doctor);

/* The configured logs, how far they have been read, and other logs on record.
 * reachable: whether Redis can be asked. */
void doctor_logs(struct doctor *doctor, bool reachable);

/* EXIT_CONFIG when the rules are not good. */
int doctor_rules(struct doctor *doctor);
void doctor_conversions(struct doctor *doctor, struct ruleset *rules);

/* Asks each of policyd.listen about an address that nobody has. */
void doctor_policyd(struct doctor *doctor);

#endif
