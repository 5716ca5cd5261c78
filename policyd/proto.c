#include "proto.h"

/* The value, when the line begins with this name, a literal; all but the name is known when this is compiled. */
#define TAKE(name, to) \
	if (line.n >= sizeof(name "=") - 1 && memcmp(line.p, name "=", sizeof(name "=") - 1) == 0) { \
		(to) = sv_skip(line, sizeof(name "=") - 1); \
		return true; \
	}

/* True: it is one that matters. */
static bool take_attribute(struct request *r, struct sv *kind, struct sv line)
{
	switch (line.p[0]) { /* most lines are ruled out by their first letter */
	case 'r':
		TAKE("recipient", r->recipient)
		TAKE("request", *kind)
		break;
	case 's':
		TAKE("sender", r->sender)
		TAKE("sasl_username", r->login)
		break;
	case 'p':
		TAKE("protocol_state", r->state)
		TAKE("policy_context", r->context)
		break;
	case 'c':
		TAKE("client_address", r->client_address)
		TAKE("client_name", r->client_name)
		break;
	case 'i':
		TAKE("instance", r->instance)
		break;
	default:
		break;
	}
	return false;
}

/* One line. NULL, or what is wrong with it. */
static const char *take_line(struct request *r, struct sv line, bool *policy)
{
	struct sv kind = { NULL, 0 };

	if (take_attribute(r, &kind, line)) {
		if (!kind.p)
			return NULL;
		*policy = sv_eq(kind, SV("smtpd_access_policy"));
		return *policy ? NULL : "the request is not smtpd_access_policy";
	}
	size_t name = sv_find(line, '=');
	return name > 0 && name < line.n ? NULL : "a line is not name=value";
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
			*problem_r = "the request is longer than 16384 bytes";
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
