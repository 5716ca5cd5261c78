/* alerts: those that are open. */
#ifndef NIXIE_ALERTS_H
#define NIXIE_ALERTS_H

#include "alert.h"
#include "arena.h"
#include "store.h"

struct known_alert {
	struct alert alert;
	const char *id;
};

struct alerts {
	struct arena arena; /* of their strings */
	struct known_alert *v;
	size_t n, size;
};

/* The newest first; of one second the brake before the others, and what is about all last. To be freed whatever the result. */
enum store_result alerts_read_open(struct store *store, struct alerts *alerts_r, struct err *err) NIXIE_MUST_CHECK;
void alerts_free(struct alerts *alerts);

#endif
