/* alert: what an open alert is called, stored and told as; and the limits of rates.
 *
 * Pure. Values come from log lines: an id and what is packed are printable ASCII without
 * blanks (other bytes are %XX), a text is clean (buf_add_clean), and a command
 * stands in it only for a value of letters, digits, '.', '-' and '_'. */
#ifndef NIXIE_ALERT_H
#define NIXIE_ALERT_H

#include "arena.h"
#include "buf.h"

enum alert_kind {
	ALERT_HARD, /* the brake */
	ALERT_THROTTLED,
	ALERT_BLOCKED,
	ALERT_FAILING,
	ALERT_RATE_HARD,
	ALERT_RATE_ALL,
	ALERT_RATE_COMPLAINT,
	ALERT_LOG_LOST,    /* of a log: lines of it are lost */
	ALERT_LOG_IDLE,    /* no line comes */
	ALERT_LOG_BEHIND,  /* its reader is far behind */
	ALERT_LOG_MISSING, /* it is not there, or may not be read */
	ALERT_KINDS,
};

enum alert_event { ALERT_OPENED, ALERT_SEEN, ALERT_CLOSED }; /* seen: still open */

struct alert {
	enum alert_kind kind;
	struct sv dimension; /* "all" "dest" "provider" "rule" "sender" "campaign"; "log" */
	struct sv value;     /* empty of all */
	int64_t since_s;     /* the jump's beginning; of a rate a time of the day it is about */
	int64_t opened_s, seen_s, until_s; /* noticed; noticed last; over by itself, 0: not */
	int64_t count, base; /* of a log: lines and times that some were lost; seconds idle, of how many; seconds and bytes behind */
	int64_t usual_permille; /* of jumps; 0: not known */
	int64_t limit_permille; /* of rates */
	struct sv by;        /* the reader that noticed: "mx1:/var/log/mail.log" */
};

/* A text has room in so many bytes. Values are cut in it. */
#define ALERT_TEXT_MAX 2048

/* "hard" "throttled" "blocked" "failing" "rate-hard" "rate-all" "rate-complaint"
 * "log-lost" "log-idle" "log-behind" "log-missing" */
const char *alert_kind_name(enum alert_kind kind);
/* Of a log, and of no results: count and base mean something else. */
bool alert_is_of_log(enum alert_kind kind);
bool alert_kind_by_name(struct sv name, enum alert_kind *kind_r) NIXIE_MUST_CHECK;

/* "hard/provider/google", "hard/all": the same of each alert about the same. In the arena. */
struct sv alert_id(struct arena *arena, const struct alert *alert);

/* All but what the id says:
 * "since=.. opened=.. seen=.. until=.. count=.. of=.. usual=.. limit=.. by=.." */
struct sv alert_pack(struct arena *arena, const struct alert *alert);

/* Back; strings in the arena. A field that is missing is 0, one that is not known is left out.
 * False when it is no id, or a number is none. */
bool alert_unpack(struct arena *arena, struct sv id, struct sv packed, struct alert *alert_r) NIXIE_MUST_CHECK;

/* One line for people: what it is, and what to do. */
void alert_text(const struct alert *alert, struct buf *to);
/* The same of one that is over: of what to do only how to take back. */
void alert_text_over(const struct alert *alert, struct buf *to);

/* Is the limit crossed now? It opens with a share over the limit, and is open until the share
 * is below 80 % of it. With a base below `minimum` it stays as it is. A limit of 0: never open. */
bool alert_rate(bool open, int64_t count, int64_t base, int64_t limit_permille, int64_t minimum) NIXIE_MUST_CHECK;

#endif
