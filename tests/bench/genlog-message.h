/*
 * genlog-message: the life of one message, from the connection that brings it
 * to `removed`, a line at a time.
 */
#ifndef NIXIE_BENCH_GENLOG_MESSAGE_H
#define NIXIE_BENCH_GENLOG_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "genlog-line.h"
#include "genlog-mailbox.h"
#include "genlog-texts.h"
#include "rng.h"

enum { MESSAGE_RECIPIENTS_MAX = 5 };

/* The log being written. */
extern struct genlog {
	enum line_format format;
	uint64_t now_us;
	uint32_t recipients;
	struct rng rng;
	uint64_t sent, deferred, bounced, expired, notifications;
} genlog;

enum step {
	STEP_CONNECT,
	STEP_CLIENT,
	STEP_MESSAGE_ID,
	STEP_ACTIVE,
	STEP_DISCONNECT,
	STEP_DELIVER,
	STEP_EXPIRED,
	STEP_NOTIFY,
	STEP_REMOVED,
	STEP_PARKED, /* not a line: deferred until due_us */
	STEP_OVER,   /* not a line */
};

struct recipient {
	uint32_t number;
	bool open;                          /* neither delivered nor bounced so far */
	const struct failure *last_failure; /* NULL before the first */
};

struct message {
	enum step step; /* the next line */
	bool is_notification;
	bool any_bounced;
	uint8_t recipient_count;
	uint8_t next_recipient;
	uint8_t attempts;
	uint16_t client;
	uint16_t smtpd_pid;
	uint16_t sender_domain;
	uint32_t size;
	uint64_t token; /* names the message in message-id and envelope sender */
	uint64_t arrival_us;
	uint64_t due_us;
	char queue_id[11];
	struct recipient recipients[MESSAGE_RECIPIENTS_MAX];
};

/* smtpd(8) processes take one session at a time: no two living messages share `session`. */
struct message message_new(unsigned session);

/* Writes the next line. A message that is STEP_PARKED after it goes on with STEP_ACTIVE. */
void message_advance(struct message *m);

/* What the refusing site, or Postfix itself, said: without what Postfix writes around it. */
void message_put_reply(const struct message *m, const struct failure *f, const struct mailbox *box);

const struct failure *message_draw_failure(enum site site, enum outcome outcome);

#endif
