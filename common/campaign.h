/* campaign: of which campaign a message is, by a header that the MTA wrote to its log.
 *
 * The value is chosen by whoever sends: what comes out is bounded, UTF-8 without control
 * bytes, ASCII letters in lower case, blanks one by one and none at the ends. A fold of
 * the header, of which Postfix's log has two question marks, or one and a blank, is a blank.
 * RFC 2919 (List-Id). Pure. */
#ifndef NIXIE_CAMPAIGN_H
#define NIXIE_CAMPAIGN_H

#include "buf.h"
#include "config.h"

/* Postfix logs no more of a header. */
#define CAMPAIGN_MAX 200

/* Cuts "H: value from h[ip]; from=<s> to=<r> ...", as of Postfix, behind the value. False:
 * it has no such end, or several: a value, or a sender's address, imitates it. */
bool campaign_cut(struct sv *header) NIXIE_MUST_CHECK;

/* What "H: value" names, into *campaign, which has room for CAMPAIGN_MAX; *rank_r: the place
 * of H among `headers`, from 1. False: it is none of them, or names nothing.
 * Of List-Id it is what stands in angle brackets; of Feedback-ID, "a:b:c:sender", the first
 * part that is not empty and the last one, "a:sender": identifiers are the sender's own. */
bool campaign_read(const struct strings *headers, struct sv header, struct buf *campaign, unsigned *rank_r) NIXIE_MUST_CHECK;

#endif
