/* socketmap: questions and answers of the socket map protocol, as Postfix speaks it
 * (socketmap_table(5)).
 *
 * A question is one netstring, "22:transport u@example.org," of a map's name and a
 * key; the answer is another one: "OK text", "NOTFOUND ", and "TEMP why", "TIMEOUT
 * why" or "PERM why" where there is none. Pure. */
#ifndef NIXIE_SOCKETMAP_H
#define NIXIE_SOCKETMAP_H

#include "buf.h"
#include "sv.h"

/* Of a question, without the netstring around it: an address of Postfix has some 2,000
 * bytes at most, a delivery status some 2,500, and Postfix 3.12 sends no more than this. */
#define SOCKETMAP_REQUEST_MAX 10000
/* Of an answer, behind its first word; more is cut. Postfix takes 100,000. */
#define SOCKETMAP_TEXT_MAX 4096
/* With the first word and the netstring around it. */
#define SOCKETMAP_REPLY_MAX (SOCKETMAP_TEXT_MAX + 16)

enum socketmap_result { SOCKETMAP_MORE, SOCKETMAP_REQUEST, SOCKETMAP_BAD };

/* Borrowed from the bytes that were parsed. The key is all behind the first blank. */
struct socketmap_request {
	struct sv map, key;
};

/* SOCKETMAP_REQUEST: *used_r bytes are done with. SOCKETMAP_BAD: *problem_r says why;
 * nothing that follows can be understood; it is said as soon as it can be. What stands
 * in the netstring is not judged: a map that there is not, or a key that is nothing, gets
 * an answer, and the next question is understood. */
enum socketmap_result socketmap_parse(struct sv bytes, struct socketmap_request *request_r, size_t *used_r, const char **problem_r);

/* What Postfix makes of the last three: nixie-policyd(8), MAPS. */
enum socketmap_answer { SOCKETMAP_OK, SOCKETMAP_NOTFOUND, SOCKETMAP_TEMP, SOCKETMAP_TIMEOUT, SOCKETMAP_PERM };

/* Adds one answer, for which there must be SOCKETMAP_REPLY_MAX of room. The text is made harmless (buf_add_clean) and cut between characters.
 * An OK without a text is a NOTFOUND: Postfix has no other use for it than to defer mail. */
void socketmap_add(struct buf *to, enum socketmap_answer answer, struct sv text);

#endif
