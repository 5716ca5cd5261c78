/* decide: the state of an address to the answer of the policy service.
 *
 * Pure. The texts are safe to stand in a reply line: they are made of our own
 * words, dates and tokens only, at most DECIDE_REPLY_MAX bytes (Postfix cuts a
 * policy reply at 510), and a code is never without a text. */
#ifndef NIXIE_DECIDE_H
#define NIXIE_DECIDE_H

#include "state.h"

#define DECIDE_REPLY_MAX 500

enum action {
	ACTION_DUNNO,
	ACTION_REJECT,
	ACTION_DEFER,
	ACTION_PAROLE, /* one message may pass: store_parole() tells which; the others are refused with `reply` */
};

struct decision {
	enum action action;
	char reply[DECIDE_REPLY_MAX]; /* what follows "action=" */
};

/* entry may be NULL: nothing is known. */
void decide(const struct entry *entry, int64_t now_s, struct decision *decision_r);

/* The store gave no answer and the configuration says defer. */
void decide_defer(struct decision *decision_r);

/* These words begin every refusal; the shipped rule nixie.suppressed knows them again in a log. */
#define DECIDE_MARK "Recipient suppressed by nixie"

#endif
