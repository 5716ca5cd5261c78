/* health: how the logs are read, told in the store (reader_state.h), and as alerts: lines that are
 * lost, a log that is silent or gone, and a reader that is behind.
 *
 * The daemon's loop says what it knows after each batch; all else, and all that costs
 * anything, is done every READER_STATE_MS. A store that does not answer is asked again later. */
#ifndef NIXIE_HEALTH_H
#define NIXIE_HEALTH_H

#include "buf.h"
#include "reader.h"
#include "source.h"
#include "watch.h"

/* A log that is not there for so long is missing; a rotation takes less. */
#define HEALTH_MISSING_MS 10000
/* An alert about lost lines is open for so long after the last of them. */
#define HEALTH_LOST_S CLOCK_DAY_S

/* A log whose newest line is older at the start is an old one, and silent for a reason. */
#define HEALTH_LIVE_S CLOCK_DAY_S

/* So long after the start being behind is no news. */
#define HEALTH_CATCH_UP_S 60

struct health;
struct watched_log;

struct health_parts {
	struct store *store;
	const struct config *config;
	struct ledger *ledger; /* one of the reader's: is told of lost lines */
	struct watch *watch;   /* keeps the alerts; NULL: no alerts (the logs are read once) */
	const struct reader *reader;
};

/* The parts are borrowed. */
struct health *health_new(const struct health_parts *parts);
void health_free(struct health *health);

/* One log more; until health_leave(). */
struct watched_log *health_watch(struct health *health);
/* It is read to its end, and over. */
void health_leave(struct health *health, struct watched_log *log);

/* One log as the loop knows it. */
struct health_log {
	struct source *source;
	const struct position *place; /* the oldest in the store; NULL: a stream has none */
	int64_t event_s;              /* of the newest line */
	bool ended, missing, blocked;
};

/* What other readers have lost. Also done every READER_STATE_MS. */
enum store_result health_begin(struct health *health, struct err *err) NIXIE_MUST_CHECK;

/* Before the facts of a line are added: the line tells of lost ones, or source->missed says so. */
void health_lost(struct health *health, struct watched_log *watched, struct source *source, const struct record *record);

/* After each batch of a log. */
void health_turn(struct health *health, struct watched_log *watched, const struct health_log *log);

/* The store is away: how far behind all logs are by now, "lag=35s lag-bytes=1200000"; health NULL: nothing is known yet. */
void health_away(struct health *health, struct buf *to);

/* The daemon ends. done: the logs were read to their ends, as they were to be. */
void health_stop(struct health *health, bool done);

#endif
