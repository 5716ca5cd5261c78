/* postfix: what one Postfix log message says, by the grammar of log_adhoc.c.
 *
 * Parsed from left to right and aware of quotes: "status=" counts only where the
 * grammar puts it. A local part or a server's words may imitate fields; a line
 * that could be read in two ways is marked ambiguous and must suppress nobody. */
#ifndef NIXIE_POSTFIX_H
#define NIXIE_POSTFIX_H

#include "line.h"
#include "reply.h"

enum postfix_event {
	EVENT_NONE,
	EVENT_DELIVERY,   /* QID: to=<...>, relay=..., status=... */
	EVENT_EXPIRED,    /* QID: from=<...>, status=expired, ... */
	EVENT_STATUS,     /* QID: status=deferred (bounce failed): no recipient */
	EVENT_CLIENT,     /* QID: client=...: a message begins */
	EVENT_PICKUP,     /* QID: uid=...: a message begins */
	EVENT_MESSAGE_ID, /* QID: message-id=... */
	EVENT_QUEUED,     /* QID: from=<...>, size=..., nrcpt=... */
	EVENT_REMOVED,    /* QID: removed */
	EVENT_MALFORMED,  /* begins like a delivery and is none */
};

enum delivery_status {
	DELIVERY_SENT,
	DELIVERY_BOUNCED,
	DELIVERY_DEFERRED,
	DELIVERY_SOFTBOUNCE,    /* soft_bounce=yes: a bounce that Postfix keeps in the queue */
	DELIVERY_DELIVERABLE,   /* address probes: not mail */
	DELIVERY_UNDELIVERABLE,
	DELIVERY_EXPIRED,
	DELIVERY_STATUS_COUNT,
};

struct postfix {
	enum postfix_event event;
	struct sv instance, daemon; /* "postfix" and "smtp" */
	struct sv queue_id;
	/* EVENT_DELIVERY; to and orig_to without their angle brackets */
	struct sv to, orig_to;
	bool has_orig_to, ambiguous;
	struct sv relay_host, relay_ip; /* "none", "local", "virtual": relay_host alone */
	unsigned relay_port;            /* 0: none */
	int64_t delay_us;               /* -1: none */
	struct sv delay_text, dsn_text;
	struct enhanced dsn;
	enum delivery_status status;
	struct sv status_text, text;
	/* others */
	struct sv sender;      /* EVENT_QUEUED, EVENT_EXPIRED */
	unsigned recipients;   /* EVENT_QUEUED: nrcpt; 0: unknown */
	struct sv client, login, orig_queue_id; /* EVENT_CLIENT */
	struct sv message_id;  /* EVENT_MESSAGE_ID */
};

/* False, and event EVENT_NONE, when the line is of no interest. */
bool postfix_parse(const struct line *line, struct postfix *postfix_r) NIXIE_MUST_CHECK;

const char *delivery_status_name(enum delivery_status status);

/* The queue id behind "queued as " or "forwarded as " in a success text; empty when there is none. */
struct sv postfix_queued_as(struct sv text);

#endif
