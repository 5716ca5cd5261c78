#include "proto.h"

#include <stddef.h>

static const struct { struct sv name; size_t offset; } attributes[] = {
	{ { "protocol_state", 14 }, offsetof(struct request, state) },
	{ { "recipient", 9 }, offsetof(struct request, recipient) },
	{ { "sender", 6 }, offsetof(struct request, sender) },
	{ { "client_address", 14 }, offsetof(struct request, client_address) },
	{ { "client_name", 11 }, offsetof(struct request, client_name) },
	{ { "queue_id", 8 }, offsetof(struct request, queue_id) },
	{ { "instance", 8 }, offsetof(struct request, instance) },
	{ { "sasl_username", 13 }, offsetof(struct request, login) },
	{ { "policy_context", 14 }, offsetof(struct request, context) },
};

static void take_attribute(struct request *r, struct sv name, struct sv value)
{
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
		if (sv_eq(name, attributes[i].name)) {
			*(struct sv *)((char *)r + attributes[i].offset) = value;
			return;
		}
	}
}

/* bytes: whole lines, without the empty one */
static const char *parse_lines(struct sv bytes, struct request *r)
{
	bool policy = false;

	while (bytes.n) {
		struct sv value = sv_cut(&bytes, '\n');
		struct sv line = value;
		struct sv name = sv_cut(&value, '=');
		if (name.n == 0 || name.n == line.n)
			return "a line is not name=value";
		if (sv_eq(name, SV("request"))) {
			if (!sv_eq(value, SV("smtpd_access_policy")))
				return "the request is not smtpd_access_policy";
			policy = true;
		} else {
			take_attribute(r, name, value);
		}
	}
	return policy ? NULL : "there is no request=smtpd_access_policy";
}

enum proto_result proto_parse(struct sv bytes, size_t *scanned, struct request *r, size_t *used_r, const char **problem_r)
{
	size_t from = *scanned ? *scanned - 1 : 0;
	size_t end = from + sv_find_sv(sv_skip(bytes, from), SV("\n\n"));

	if (bytes.n && bytes.p[0] == '\n') {
		*problem_r = "the request is empty";
		return PROTO_BAD;
	}
	if (end >= bytes.n) {
		*scanned = bytes.n;
		*problem_r = "the request is longer than 16384 bytes";
		return bytes.n >= PROTO_REQUEST_MAX ? PROTO_BAD : PROTO_MORE;
	}
	*r = (struct request){ 0 };
	*scanned = 0;
	*used_r = end + 2;
	if (end > PROTO_REQUEST_MAX || memchr(bytes.p, 0, end)) {
		*problem_r = end > PROTO_REQUEST_MAX ? "the request is longer than 16384 bytes" : "there is a NUL byte";
		return PROTO_BAD;
	}
	*problem_r = parse_lines(sv_head(bytes, end), r);
	return *problem_r ? PROTO_BAD : PROTO_REQUEST;
}
