/* follow_parts: what the files of the reader's loop share. Only for follow*.c. */
#ifndef NIXIE_FOLLOW_PARTS_H
#define NIXIE_FOLLOW_PARTS_H

#include "follow.h"
#include "health.h"
#include "ledger.h"
#include "log.h"
#include "reader.h"
#include "show.h"
#include "tails.h"
#include "twins.h"
#include "watch.h"

/* The pause after the store failed: doubles up to the maximum. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

/* A batch that the store is writing while the next is gathered. */
struct flight {
	struct ledger *ledger; /* NULL: none */
	struct tail *tail;
	struct arena arena;
	struct position to;
	bool everywhere;
};

struct follower {
	struct config *config;
	struct ruleset *rules;
	const struct follow_options *options;
	struct reader *reader;
	struct store *store;
	struct ledger *ledger; /* that gathers, of the two */
	struct ledger ledgers[2];
	struct flight flight;
	struct watch *watch;
	struct health *health; /* NULL: not yet */
	struct record *record;
	struct twins *twins;
	unsigned partitions;
	struct tails tails;
	const struct tail *reading; /* whose line the facts are of */
	struct show show;
	int signals;
	int64_t rechecked_ms, all_ms; /* all_ms: when all logs were looked at, also those of which no event tells */
	bool stop, ready, missing; /* missing: --once found a log that it cannot read */
	unsigned moves; /* so often a source was sent to another place, because the store is there */
	bool unwritten; /* stopped before the store had all: what comes later must not be written either */
	uint64_t bytes;
	int64_t away_told_ms; /* when it was told last that the store is away; 0: it is not */
	struct log_limit rejected_limit;
};

/* Waits for a signal, news of a log or of the store, or the time; takes signals. hold: no lines
 * can be taken until the store is back. */
void follow_wait(struct follower *f, int64_t wait_ms, bool hold);

/* follow_store.c: what the store has of each log. Whoever returns false could not bring it there because we are to
 * stop; nothing is lost, the log has it still. */

/* Waits until the store answers; tells why it does not. */
bool follow_pause(struct follower *f, int64_t *pause_ms, const struct err *err) NIXIE_MUST_CHECK;
/* The brake: what was counted in the store is the truth; what was counted here since is read again. */
void follow_begin_watch(struct follower *f);

/* Goes to where the log was left. */
bool follow_begin_tail(struct follower *f, struct tail *t);
/* The same again. A log that was never read gets its first place in all partitions before anything is counted in one. */
bool follow_go_to(struct follower *f, struct tail *t) NIXIE_MUST_CHECK;
/* Writes where we are in it, if that is not written. */
bool follow_leave_tail(struct follower *f, struct tail *t) NIXIE_MUST_CHECK;

/* Writes what is gathered, and the position, everywhere or where there are facts; does not wait for it. */
bool follow_launch(struct follower *f, struct tail *t, bool everywhere) NIXIE_MUST_CHECK;
/* Waits as long as it takes until the batch that is on its way is written. */
bool follow_land(struct follower *f);
/* Both */
bool follow_commit(struct follower *f, struct tail *t, bool everywhere) NIXIE_MUST_CHECK;

/* Of logs that are read to their end, now and then: has the store what it was told? What it has lost is read again. */
void follow_recheck(struct follower *f);

#endif
