/* pulse: how it goes just now: the results of the last hour by minutes, who is behind them, and the
 * daemons. For nixie top, which reads it anew every few seconds.
 *
 * What a reading costs is bounded: minutes that are over are remembered, and of those only some are read
 * again each time (a reader that is behind adds to them); a minute has a bounded number of names. */
#ifndef NIXIE_PULSE_H
#define NIXIE_PULSE_H

#include "daemons.h"
#include "figures.h"

/* The present one, and an hour that is over. */
#define PULSE_MINUTES 61
/* Alerts that are kept to be shown, the newest. */
#define PULSE_ALERTS_MAX 20

struct pulse_minute {
	int64_t number;        /* minutes since 1970 */
	bool known, by_known;
	struct figure totals;
	struct figures by;
};

/* All of it is of one reading. */
struct pulse_now {
	struct arena arena;
	struct daemons daemons;
	struct figure today;
	uint64_t suppressed, scoped; /* scoped: for some senders, whatever they are for all */
	struct alert alerts[PULSE_ALERTS_MAX];
	size_t n_alerts; /* all that are open */
};

struct pulse {
	struct store *store;
	const struct config *config;
	enum figure_by by;
	int64_t span;          /* minutes that the rows are of */
	bool reachable;        /* at the last reading; else err says why not, and what is here is older */
	struct err err;
	int64_t at_s;          /* of what is here; 0: nothing yet */
	int64_t minute;        /* the present one, then */
	struct pulse_now now;
	struct figures rows;   /* of the span, what failed most first */
	/* inner */
	struct pulse_minute minutes[PULSE_MINUTES];
	enum figure_by by_read;
	size_t next;           /* to be read again */
};

/* Begins as zeroes, with store, config, by and span set; by and span may change between readings. */
void pulse_read(struct pulse *pulse);
void pulse_free(struct pulse *pulse);

/* Totals of the minute so many before the present one, up to PULSE_MINUTES - 1. */
const struct figure *pulse_minute_totals(const struct pulse *pulse, int64_t before);
/* Of so many minutes that are over. */
struct figure pulse_totals(const struct pulse *pulse, int64_t minutes);

#endif
