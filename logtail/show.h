/* show: what a person sees who runs nixie-logtail by hand (--show): progress while
 * it catches up, the summary, what to tell Postfix, then live events. */
#ifndef NIXIE_SHOW_H
#define NIXIE_SHOW_H

#include "ledger.h"
#include "term.h"

struct show {
	const struct config *config; /* whose sockets Postfix is to be told */
	FILE *out;
	struct progress progress;
	bool live; /* caught up: events are worth a line each */
};

void show_start(struct show *show, const struct config *config);
void show_progress(struct show *show, uint64_t done, uint64_t total, uint64_t lines);
/* Caught up: the summary, and from now on events. */
void show_caught_up(struct show *show, struct store *store, uint64_t done, uint64_t lines);
/* A ledger_watch */
void show_event(void *show, const struct fact *fact, const struct account *account);

#endif
