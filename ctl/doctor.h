/* doctor: what the files of nixie doctor share: a finding is one line, and the checks. */
#ifndef NIXIE_DOCTOR_H
#define NIXIE_DOCTOR_H

#include "buf.h"
#include "mailer.h"
#include "verbs.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_ERROR, FINDINGS };

struct doctor {
	const struct config *config;
	bool json;
	const char *group, *told_group; /* what the findings belong to; the last that was printed */
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

/* Asks each of policyd.listen and policyd.maps about an address that nobody has, and policyd.metrics for its figures. */
void doctor_policyd(struct doctor *doctor);

/* Of this program and of what it is linked with. */
void doctor_versions(struct doctor *doctor);

/* For a shell: in single quotes, or without where none are needed. */
void doctor_add_quoted(struct buf *to, struct sv text);
void doctor_add_word(struct buf *to, struct sv text);

/* The programs of nixie that run here, and the units that should. */
void doctor_daemons(struct doctor *doctor);
void doctor_units(struct doctor *doctor);

/* When lines of logs were lost. */
void doctor_gaps(struct doctor *doctor);

/* Of the Exim that is set up here, NULL, or with this configuration: does it ask, and what of its log. */
void doctor_exim(struct doctor *doctor, const char *file);

/* Of the Postfix with this directory of main.cf, NULL: the one of this host: does it ask nixie-policyd, can it reach the sockets, and what of its log. */
void doctor_postfix(struct doctor *doctor, const char *directory);

/* Of mail that comes back, where the configuration says anything of it: the secret, the way through that Postfix ("none": it is left
 * out), and with a Redis that is reachable what is remembered and what came. */
void doctor_mail(struct doctor *doctor, bool reachable, const char *directory);

/* Is what Postfix logs what nixie-logtail reads, and can lines get lost on the way? */
void doctor_maillog(struct doctor *doctor, const struct mailer *mailer);

/* Are they one file, by whatever names? */
bool doctor_same_file(const char *a, const char *b) NIXIE_MUST_CHECK;

/* Does logtail.files name the file? */
bool doctor_reads(const struct config *config, const char *path) NIXIE_MUST_CHECK;

/* May the user of nixie-logtail's service, where there is one, read the log? Tells only when not. */
void doctor_reader(struct doctor *doctor, const char *path);

#endif
