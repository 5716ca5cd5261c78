/* proto: one request of the Postfix policy delegation protocol (SMTPD_POLICY_README).
 *
 * "name=value" lines up to an empty line; the order does not matter, unknown
 * names are ignored, of a name that is there twice the last one counts. Pure. */
#ifndef NIXIE_PROTO_H
#define NIXIE_PROTO_H

#include "sv.h"

/* A real request is some 550 bytes. */
#define PROTO_REQUEST_MAX ((size_t)16 * 1024)

enum proto_result { PROTO_MORE, PROTO_REQUEST, PROTO_BAD };

/* Borrowed from the bytes that were parsed. */
struct request {
	struct sv state, recipient, sender, client_address, client_name, instance, login, context;
};

/* PROTO_REQUEST: *used_r bytes are done with. PROTO_BAD: *problem_r says why; nothing
 * that follows can be understood; it is said as soon as it can be. */
enum proto_result proto_parse(struct sv bytes, struct request *request_r, size_t *used_r, const char **problem_r);

#endif
