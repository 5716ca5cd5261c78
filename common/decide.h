/* decide: what is known of a recipient to the answer of the policy service.
 *
 * Pure. The texts are safe to stand in a reply line: they are made of our own
 * words, dates and tokens only, at most DECIDE_REPLY_MAX bytes (Postfix cuts a
 * policy reply at 510), and a code is never without a text.
 *
 * The first of these that is there decides (nixie(7), PRECEDENCE):
 * do-not-mail or a complaint about the address, then for this sender; the address
 * allowed; do-not-mail for the domain; the domain allowed; the address hard or
 * held; the domain hard or held. */
#ifndef NIXIE_DECIDE_H
#define NIXIE_DECIDE_H

#include "schema.h"
#include "scope.h"
#include "state.h"

#define DECIDE_REPLY_MAX 500

enum action {
	ACTION_DUNNO,
	ACTION_REJECT,
	ACTION_DEFER,
	ACTION_PAROLE, /* one message may pass: store_parole() tells which; the others are refused with `reply` */
};

/* NULL: nothing is known. */
struct known {
	const struct entry *address, *domain;
	struct sender sender;
};

enum decided_by { BY_NOTHING, BY_ADDRESS, BY_SCOPE, BY_DOMAIN };

struct decision {
	enum action action;
	enum decided_by by;
	/* of what refuses, for the log */
	enum status status;
	enum category reason;
	int64_t since_s;
	char token[SCHEMA_TOKEN_MAX];
	char reply[DECIDE_REPLY_MAX]; /* what follows "action=" */
};

const char *decided_by_name(enum decided_by by);

void decide(const struct known *known, int64_t now_s, struct decision *decision_r);

/* The store gave no answer and the configuration says defer. */
void decide_defer(struct decision *decision_r);

/* These words begin every refusal; the shipped rule suppressed.nixie knows them again in a log. */
#define DECIDE_MARK "Recipient suppressed by nixie"

#endif
