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

static const char too_long[] = "the request is longer than 16384 bytes";

/* One line. NULL, or what is wrong with it. */
static const char *take_line(struct request *r, struct sv line, bool *policy)
{
	struct sv value = line;
	struct sv name = sv_cut(&value, '=');

	if (name.n == 0 || name.n == line.n)
		return "a line is not name=value";
	if (sv_eq(name, SV("request"))) {
		*policy = sv_eq(value, SV("smtpd_access_policy"));
		return *policy ? NULL : "the request is not smtpd_access_policy";
	}
	take_attribute(r, name, value);
	return NULL;
}

enum proto_result proto_parse(struct sv bytes, struct request *r, size_t *used_r, const char **problem_r)
{
	struct sv rest = bytes;
	bool policy = false;

	*r = (struct request){ 0 };
	*problem_r = NULL;
	while (!*problem_r) {
		size_t end = sv_find(rest, '\n');
		if (end == rest.n) {
			*problem_r = too_long;
			return bytes.n >= PROTO_REQUEST_MAX ? PROTO_BAD : PROTO_MORE;
		}
		if (end == 0)
			break;
		*problem_r = take_line(r, sv_head(rest, end), &policy);
		rest = sv_skip(rest, end + 1);
	}
	*used_r = bytes.n - rest.n + 1;
	if (!*problem_r && !policy)
		*problem_r = "there is no request=smtpd_access_policy";
	else if (!*problem_r && memchr(bytes.p, 0, *used_r))
		*problem_r = "there is a NUL byte";
	return *problem_r ? PROTO_BAD : PROTO_REQUEST;
}
