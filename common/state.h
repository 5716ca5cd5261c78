/* state: what is known of one address: the entry and its occurrences.
 *
 * Times are seconds since the epoch of the *event* (never of its reading), 0
 * when absent. Strings are borrowed: from the arena of a batch, or from the
 * buffer of the answer that brought them. shared meaning: nixie-redis(7). */
#ifndef NIXIE_STATE_H
#define NIXIE_STATE_H

#include "category.h"
#include "reply.h"
#include "sv.h"

enum status { STATUS_NONE, STATUS_SOFT, STATUS_HELD, STATUS_HARD, STATUS_COMPLAINT, STATUS_MANUAL, STATUS_ALLOW };
enum origin { ORIGIN_LOG, ORIGIN_DSN, ORIGIN_FEEDBACK, ORIGIN_MANUAL, ORIGIN_IMPORT, ORIGIN_API };

/* What is kept of a server's words; more is cut. */
#define STATE_TEXT_MAX 300

struct entry {
	enum status status;
	enum category reason;
	enum origin origin;
	int code;
	struct enhanced enhanced;
	int64_t first_s, last_s;  /* first and last failed attempt on record */
	int64_t since_s, until_s; /* of the present status; until: end of the term */
	int64_t count;            /* occurrences on record */
	int64_t term;             /* how many terms it has had before this one */
	int64_t parole_s;         /* when a message was let through after the term; 0: none yet */
	int64_t revision;         /* another one with every write; 0: not stored */
	struct sv rule, text, remote, by, batch, token, parole_by;
	struct sv scopes; /* decisions for some senders only: scope.h */
};

/* One message that failed for good for one recipient. */
struct occurrence {
	enum category category;
	struct sv rule;
	struct sv message;       /* host/instance/queue-id/arrival */
	int64_t first_s, last_s; /* failed attempts */
};

/* The occurrences on record of one address, oldest first by last_s. Bounded:
 * the newest stay. More than this within a year changes no decision. */
#define WINDOW_MAX 32

struct window {
	size_t n;
	struct occurrence v[WINDOW_MAX];
};

const char *status_name(enum status status);
bool status_by_name(struct sv name, enum status *status_r) NIXIE_MUST_CHECK;
const char *origin_name(enum origin origin);
bool origin_by_name(struct sv name, enum origin *origin_r) NIXIE_MUST_CHECK;

/* A message that was let through on parole and never heard of again: after so long another may try. */
#define STATE_PAROLE_S (INT64_C(2) * 86400)
/* How far the clocks of two hosts may be apart. */
#define STATE_CLOCK_SLACK_S 300
/* The end of the year 9999: no time is later. */
#define STATE_TIME_MAX_S INT64_C(253402300799)

/* Nothing is known: it is not stored. */
bool entry_is_empty(const struct entry *entry);

/* Forgets all but its revision, and what holds for some senders only. */
void entry_clear(struct entry *entry);

/* Did failures make it, and not a person or a program? */
bool entry_by_failures(const struct entry *entry);

/* A decision by hand that has no category: do-not-mail, allowed, or suppressed by hand where no failure
 * had told why before. */
bool entry_by_hand(const struct entry *entry);

/* Would mail be refused at this moment? */
bool entry_suppressed(const struct entry *entry, int64_t now_s);

/* The term of what failures made is over, and no message is under way that shows whether the
 * address takes mail again: one may be let through. What a person set ends without. */
bool entry_awaits_parole(const struct entry *entry, int64_t now_s);

/* A copy of what decisions are made from: all but text, rule, remote, by and batch. In room of
 * so many bytes, aligned for it, the strings behind the struct. */
size_t entry_extract_bytes(const struct entry *entry);
struct entry *entry_extract(const struct entry *entry, void *room);

/* held, hard, complaint and manual: mail is refused, while a term lasts. */
bool status_suppresses(enum status status);

/* complaint and manual: only a forced reset takes them away. */
bool status_protected(enum status status);

#endif
