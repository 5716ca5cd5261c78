/* protocol: what is spoken on a socket: requests out of bytes, and answers into them.
 *
 * policy.c: Postfix's policy delegation; maps.c: its socket maps; exporter.c: figures over
 * HTTP. The loop (server.h) hands over what has come; an answer is sent by conn_send()
 * before take() returns, or later, out of answer(). */
#ifndef NIXIE_PROTOCOL_H
#define NIXIE_PROTOCOL_H

#include "conn.h"
#include "door.h"

struct service {
	struct config *config;
	struct store *store;
	struct door *door;
	struct ruleset *rules; /* of the status filter; NULL: it changes nothing */
	struct metrics metrics;
};

enum protocol_result {
	PROTOCOL_MORE,     /* no whole request is there yet */
	PROTOCOL_ANSWERED, /* one is done with */
	PROTOCOL_WAITS,    /* its bytes are done with, answer() will be called */
	PROTOCOL_LAST,     /* answered, and the connection ends when the answer is out */
	PROTOCOL_BAD,      /* cannot be understood, nor what follows: *problem_r says why */
};

struct protocol {
	const char *name;
	const char *client; /* that speaks it */
	size_t listen;      /* where in struct config the list of its sockets is */
	unsigned clients_max; /* at a time: one more takes the place of the oldest; 0: they are not limited */
	bool one_request;   /* of each connection */
	/* used_r: bytes that are done with. */
	enum protocol_result (*take)(struct service *service, struct conn *conn, struct sv bytes, size_t *used_r, const char **problem_r);
	/* NULL: take() never waits */
	void (*answer)(struct conn *conn, const struct decision *decision);
};

extern const struct protocol protocol_policy, protocol_maps, protocol_metrics;

/* Reads the rules again, where the configuration needs them: the service's stay as they are when it fails. */
bool maps_load(struct service *service, const struct config *config, struct err *err) NIXIE_MUST_CHECK;

#endif
