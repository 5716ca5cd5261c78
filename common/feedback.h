/* feedback: the feedback loops whose complaints count: the option receive.feedback-loops.
 *
 * A loop is known by the domain that signs its reports (DKIM), as our own server found it: authres.h. Where that signs
 * the mail of its users, too, also by the author of its reports: else each of them could complain for all others. */
#ifndef NIXIE_FEEDBACK_H
#define NIXIE_FEEDBACK_H

#include "address.h"
#include "conffile.h"

#define FEEDBACK_LOOPS_MAX 64
/* All `recipients` together. */
#define FEEDBACK_DOMAINS_MAX 256

enum complaint_scope { COMPLAINT_SCOPE_SENDER, COMPLAINT_SCOPE_ALL };

struct feedback_loop {
	char dkim[ADDRESS_DOMAIN_MAX + 1];
	char from[ADDRESS_KEY_MAX + 1];        /* ""; or a key */
	unsigned recipients, n_recipients; /* which of feedback_loops.domains; n_recipients 0: anybody's */
};

/* A plain value; domains are as in keys of addresses. */
struct feedback_loops {
	size_t n, n_domains;
	struct feedback_loop v[FEEDBACK_LOOPS_MAX];
	char domains[FEEDBACK_DOMAINS_MAX][ADDRESS_DOMAIN_MAX + 1];
};

/* receive.feedback-loops: a list of groups { dkim = DOMAIN; from = ADDRESS; recipients = [ DOMAIN, ... ]; } */
bool feedback_loops_parse(const struct node *node, struct feedback_loops *loops_r, struct err *err) NIXIE_MUST_CHECK;

/* Can the report be of this loop, by its author? */
bool feedback_loop_is_from(const struct feedback_loop *loop, struct sv author) NIXIE_MUST_CHECK;

/* May the loop speak of addresses in this domain: one of its recipients, or below one? */
bool feedback_loop_covers(const struct feedback_loops *loops, const struct feedback_loop *loop, struct sv domain) NIXIE_MUST_CHECK;

#endif
