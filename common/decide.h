/* decide: what is known of a recipient to the answer of the policy service.
 *
 * Pure. The texts are safe to stand in a reply line: they are made of our own
 * words, dates, tokens and the printable texts of the configuration only, the
 * line has 500 bytes at most with its "action=" (Postfix cuts a policy reply at
 * 510), and a code is never without a text.
 *
 * The first of these that is there decides (nixie(7), PRECEDENCE):
 * do-not-mail or a complaint about the address, then for this sender; the address
 * allowed; do-not-mail for the domain; the domain allowed; the address hard or
 * held; the domain hard or held; the address soft. What is said then is a matter
 * of policyd.answers (answers.h). */
#ifndef NIXIE_DECIDE_H
#define NIXIE_DECIDE_H

#include "answers.h"
#include "schema.h"
#include "scope.h"
#include "state.h"

/* With its NUL. */
#define DECIDE_REPLY_MAX 494

/* NULL: nothing is known. */
struct known {
	const struct entry *address, *domain;
	struct sender sender;
};

enum decided_by { BY_NOTHING, BY_ADDRESS, BY_SCOPE, BY_DOMAIN };

/* ACTION_DUNNO: the rest, but `by`, `text` and `reply`, means nothing. */
struct decision {
	/* ACTION_PAROLE: one message may pass, store_parole() tells which; decide_no_parole() is for the others */
	enum action action, otherwise;
	enum decided_by by;
	bool shadow; /* would have been said: who asks answers DUNNO */
	/* of what decides, for the log */
	enum status status;
	enum category reason;
	int64_t since_s;
	char token[SCHEMA_TOKEN_MAX];
	char enhanced[8];             /* "5.1.1" of what refuses, "4.1.1" of what defers; else "" */
	char text[DECIDE_REPLY_MAX];  /* what the reply says behind word and status, or the operand of REDIRECT and its like */
	char reply[DECIDE_REPLY_MAX]; /* what follows "action=" */
};

const char *decided_by_name(enum decided_by by);

/* answers NULL: the usual ones. */
void decide(const struct known *known, const struct answers *answers, int64_t now_s, struct decision *decision_r);

/* Another message is out on parole: what this one gets. */
void decide_no_parole(struct decision *decision);

/* What is known in one line, in `reply`: "hard recipient.unknown since=2026-11-12 until=2026-12-12
 * token=1M7PY53CG-8", of the address, or of its domain where that decides or nothing else is known
 * (then with by=domain). Refuses nothing. BY_NOTHING: nothing is known. */
void decide_state(const struct known *known, int64_t now_s, struct decision *decision_r);

/* The store gave no answer and the configuration says defer. */
void decide_defer(struct decision *decision_r);

/* What is to be said now: DUNNO in the shadow, or to the one on parole. */
const char *decide_reply(const struct decision *decision);

/* The same as a result of Postfix's transport_maps: "error:5.1.1 text", "retry:4.1.1 text",
 * "discard:text"; "" where the mail goes its way. */
#define DECIDE_TRANSPORT_MAX (DECIDE_REPLY_MAX + 16)
void decide_transport(const struct decision *decision, char *to, size_t size);

/* These words begin every refusal; the shipped rule suppressed.nixie knows them again in a log. */
#define DECIDE_MARK "Recipient suppressed by nixie"

#endif
