/* door: a question about a recipient to its decision: what the cache knows, what
 * Redis says, what is remembered while Redis says nothing, and the log line.
 *
 * Knows no protocol: whoever asks puts the decision into words. Each question is
 * answered exactly once; Redis has policyd.deadline for it, and once more where it must choose the
 * one message that may pass after a term. */
#ifndef NIXIE_DOOR_H
#define NIXIE_DOOR_H

#include "cache.h"
#include "config.h"
#include "decide.h"
#include "metrics.h"
#include "store.h"

/* What is kept of a question while Redis is asked: longer names are cut, for the log. */
#define DOOR_NAMES_MAX 1536

enum asking_about {
	ASK_MESSAGE, /* may this message go to the recipient? */
	/* May any? Who asks does not say which one it is, so none can be chosen to show, after a term, whether the
	 * address takes mail again: then all may go, until it is known what became of the first. */
	ASK_ADDRESS,
	ASK_STATE,   /* what is known of it? decide_state(); without Redis there is no answer */
};

struct asking {
	enum metrics_protocol protocol;
	enum asking_about about;
	struct sv recipient;
	enum address_form form;
	struct sv sender, login, context;              /* for scopes; empty: not known */
	struct sv client_name, client_address;         /* for the log */
	struct sv instance;                            /* of the message; empty: not known */
};

struct door;

/* False: nobody wants it any more (whoever asked has gone). */
typedef bool door_callback(void *arg, const struct decision *decision);

/* All of these outlive the door. */
struct door *door_new(const struct config *config, struct store *store, struct metrics *metrics, door_callback *answered);
void door_free(struct door *door); /* after the store, which answers what is still asked */

/* The decision, valid until the next call; NULL: it is told later, with arg. */
const struct decision *door_ask(struct door *door, const struct asking *asking, void *arg);

/* Questions that wait for Redis. */
size_t door_waiting(const struct door *door);

/* At the beginning of a turn of the loop: what time it is. */
void door_turn(struct door *door, int64_t now_us);
/* The configuration has changed. */
void door_reload(struct door *door);

/* Brings the gauges of the metrics up to date, and what others have counted. */
void door_gauge(const struct door *door);

struct cache *door_cache(const struct door *door);

#endif
