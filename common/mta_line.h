/* mta_line: what one line of an MTA's log says of a message, in words that all MTAs share.
 *
 * Filled by postfix.h and exim.h; all strings lie in the line. */
#ifndef NIXIE_MTA_LINE_H
#define NIXIE_MTA_LINE_H

#include "line.h"
#include "reply.h"

enum mta_event {
	EVENT_NONE,
	EVENT_DELIVERY,   /* one recipient: what became of it */
	EVENT_EXPIRED,    /* the message was given up: every recipient that is left */
	EVENT_STATUS,     /* a status without a recipient */
	EVENT_CLIENT,     /* a message begins: by SMTP */
	EVENT_PICKUP,     /* a message begins: by a program of this host */
	EVENT_MESSAGE_ID,
	EVENT_QUEUED,     /* sender, number of recipients */
	EVENT_ARRIVED,    /* a message begins, and all that is known of it is in this line */
	EVENT_HEADER,     /* a header of the message */
	EVENT_REMOVED,    /* the message left the queue */
	EVENT_MALFORMED,  /* begins like a delivery and is none */
};

enum delivery_status {
	DELIVERY_SENT,
	DELIVERY_BOUNCED,
	DELIVERY_DEFERRED,
	DELIVERY_SOFTBOUNCE,    /* soft_bounce=yes: a bounce that Postfix keeps in the queue */
	DELIVERY_DELIVERABLE,   /* address probes: not mail */
	DELIVERY_UNDELIVERABLE,
	DELIVERY_EXPIRED,       /* with a recipient: its last deferral was the last */
	DELIVERY_STATUS_COUNT,
};

struct mta_line {
	enum mta_event event;
	struct sv instance, daemon; /* "postfix" and "smtp"; "exim" and the transport */
	struct sv queue_id;
	/* EVENT_DELIVERY; to and orig_to without their angle brackets */
	struct sv to, orig_to;
	bool has_orig_to, ambiguous;
	bool no_address;                /* to is a pipe, a file or nothing */
	bool no_attempt;                /* nobody was asked */
	struct sv relay_host, relay_ip; /* "none", "local", "virtual": relay_host alone */
	unsigned relay_port;            /* 0: none */
	int64_t delay_us;               /* -1: none */
	struct sv delay_text, dsn_text;
	struct enhanced dsn;
	enum delivery_status status;
	struct sv status_text, text;    /* status_text: of Exim's the name of the status */
	int64_t arrival_s;              /* of the message, by its queue id; 0: that does not tell */
	/* others */
	bool has_sender;
	struct sv sender;      /* EVENT_QUEUED, EVENT_EXPIRED, EVENT_ARRIVED; where has_sender is set */
	unsigned recipients;   /* EVENT_QUEUED, EVENT_ARRIVED; 0: unknown */
	struct sv client, login, orig_queue_id; /* EVENT_CLIENT, EVENT_ARRIVED; the last: EVENT_CLIENT, EVENT_PICKUP */
	struct sv message_id;  /* EVENT_MESSAGE_ID; EVENT_ARRIVED: without its angle brackets */
	struct sv header;      /* EVENT_HEADER: "Name: value" */
};

/* All of it empty, but for the queue id. */
void mta_line_begin(struct mta_line *line, struct sv queue_id);

const char *delivery_status_name(enum delivery_status status);
bool delivery_status_by_name(struct sv name, enum delivery_status *status_r) NIXIE_MUST_CHECK;

#endif
