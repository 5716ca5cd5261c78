/* door_state: what a policy service does, one a socket, as it tells it in the store: for nixie
 * status and dashboards. Names and meanings are in nixie-redis(7), door:<name>.
 *
 * Counts are since it started, and absolute: written twice they are the same. Strings are borrowed. */
#ifndef NIXIE_DOOR_STATE_H
#define NIXIE_DOOR_STATE_H

#include "arena.h"

/* It is written so often; and one that was not for so long is not running. */
#define DOOR_STATE_MS 10000
#define DOOR_GONE_S 40

enum door_doing { DOOR_SERVING, DOOR_STOPPED, DOOR_DOINGS };

struct door_state {
	struct sv name; /* "<host>:<endpoint>" */
	struct sv version, host;
	enum door_doing doing;
	int64_t pid, started_s, updated_s;
	int64_t shadow; /* 1: nothing is refused */
	int64_t connections, connections_total;
	int64_t requests, rejected, deferred, other; /* other: held, discarded ... */
	int64_t would_reject, would_defer, would_other;
	int64_t parole, parole_refused, malformed;
	int64_t store_failures, from_memory;
	int64_t cache_hits, cache_misses, cache_entries, cache_bytes, cache_limit;
	/* of the last interval */
	int64_t tenths_per_s;    /* requests */
	int64_t p50_us, p99_us;  /* half of them, all but one of 100, took at most so long */
	/* "<action>|<category>=<n>", side by side with a blank */
	struct sv decided, would_decide;
};

const char *door_doing_name(enum door_doing doing);

/* Field and value, field and value ... The name is not among them: it is the key's. */
#define DOOR_STATE_FIELDS 32
size_t door_state_fields(struct arena *arena, const struct door_state *state, struct sv fields_r[2 * DOOR_STATE_FIELDS]);

/* Sets one from what the store holds. What is unknown or damaged is left out. */
void door_state_set(struct door_state *state, struct sv field, struct sv value);

/* The next of `decided` or `would_decide`; false at the end. */
bool door_state_next(struct sv *rest, struct sv *action_r, struct sv *category_r, int64_t *n_r);

#endif
