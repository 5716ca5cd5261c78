/* presence: the service tells the store what it does (door_state.h), every DOOR_STATE_MS and at its
 * end, for nixie status and dashboards. Never waits: what Redis does not take is told again, as it is then. */
#ifndef NIXIE_PRESENCE_H
#define NIXIE_PRESENCE_H

#include "protocol.h"

struct presence {
	struct service *service;
	char name[CONFIG_STRING_MAX * 2];
	int64_t due_ms;
	bool waiting;  /* for Redis to have it */
	bool ending;   /* that it ends is still to be told */
	bool refused;  /* and the log has it */
	/* when it was told last: the beginning of the interval */
	int64_t told_us;
	uint64_t requests;
	struct histogram latency;
};

/* The service outlives it. */
void presence_begin(struct presence *presence, struct service *service);
/* Each turn of the loop, with its time by clock_mono_ms(). */
void presence_attend(struct presence *presence, int64_t now_ms);
/* Until presence_attend() wants to be called; never -1. */
int presence_timeout_ms(const struct presence *presence);
/* The last that is told; until it is, presence_waits(). */
void presence_end(struct presence *presence);
bool presence_waits(const struct presence *presence);

#endif
