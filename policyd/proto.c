#include "proto.h"

/* The value, when the line begins with this name, a literal: the compiler makes one or two comparisons of it. */
#define TAKE(name, to) \
	if (n >= sizeof(name "=") - 1 && memcmp(line, name "=", sizeof(name "=") - 1) == 0) { \
		(to) = sv_make(line + sizeof(name "=") - 1, n - (sizeof(name "=") - 1)); \
		return true; \
	}

/* True: the line, of n > 0 bytes, is one of those that matter. */
static inline bool take_attribute(struct request *r, struct sv *kind, const char *line, size_t n)
{
	switch (*line) { /* most are ruled out by their first letter */
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

/* Most of the others are without a value: those end in "=". */
static inline bool is_attribute(const char *line, size_t n)
{
	return *line != '=' && (line[n - 1] == '=' || memchr(line, '=', n));
}

enum proto_result proto_parse(struct sv bytes, struct request *r, size_t *used_r, const char **problem_r)
{
	const char *line = bytes.p, *end = bytes.p;
	struct sv kind = { NULL, 0 };

	*r = (struct request){ 0 };
	*problem_r = NULL;
	for (size_t left = bytes.n;; left -= (size_t)(end + 1 - line), line = end + 1) {
		end = left ? memchr(line, '\n', left) : NULL;
		if (!end) {
			*problem_r = "the request is longer than 16384 bytes";
			return bytes.n >= PROTO_REQUEST_MAX ? PROTO_BAD : PROTO_MORE;
		}
		if (end == line)
			break;
		if (take_attribute(r, &kind, line, (size_t)(end - line))) {
			if (!kind.p || kind.p + kind.n != end || sv_eq(kind, SV("smtpd_access_policy")))
				continue;
			*problem_r = "the request is not smtpd_access_policy";
			return PROTO_BAD;
		}
		if (!is_attribute(line, (size_t)(end - line))) {
			*problem_r = "a line is not name=value";
			return PROTO_BAD;
		}
	}
	*used_r = (size_t)(end + 1 - bytes.p);
	if (!kind.p)
		*problem_r = "there is no request=smtpd_access_policy";
	else if (memchr(bytes.p, 0, *used_r))
		*problem_r = "there is a NUL byte";
	return *problem_r ? PROTO_BAD : PROTO_REQUEST;
}
