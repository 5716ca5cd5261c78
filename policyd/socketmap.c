#include "socketmap.h"

/* The digits of SOCKETMAP_REQUEST_MAX */
#define DIGITS_MAX 5

static const char no_netstring[] = "it does not begin with the length of a netstring and a colon";

/* The length of a netstring; SOCKETMAP_MORE while its colon is not there. */
static enum socketmap_result take_length(struct sv bytes, size_t *length_r, size_t *begin_r, const char **problem_r)
{
	size_t length = 0, i = 0;

	for (; i < bytes.n && bytes.p[i] != ':'; i++) {
		/* no leading zero: there is one way to write a number */
		if (!sv_is_digit(bytes.p[i]) || (i == 1 && bytes.p[0] == '0')) {
			*problem_r = no_netstring;
			return SOCKETMAP_BAD;
		}
		length = length * 10 + (size_t)(bytes.p[i] - '0');
		if (i == DIGITS_MAX || length > SOCKETMAP_REQUEST_MAX) {
			*problem_r = "the request is longer than 10000 bytes";
			return SOCKETMAP_BAD;
		}
	}
	if (i == bytes.n)
		return SOCKETMAP_MORE;
	if (i == 0) {
		*problem_r = no_netstring;
		return SOCKETMAP_BAD;
	}
	*length_r = length;
	*begin_r = i + 1;
	return SOCKETMAP_REQUEST;
}

enum socketmap_result socketmap_parse(struct sv bytes, struct socketmap_request *r, size_t *used_r, const char **problem_r)
{
	size_t length, begin;

	*r = (struct socketmap_request){ 0 };
	*problem_r = NULL;
	enum socketmap_result result = take_length(bytes, &length, &begin, problem_r);
	if (result != SOCKETMAP_REQUEST)
		return result;
	struct sv rest = sv_skip(bytes, begin);
	if (rest.n <= length)
		return SOCKETMAP_MORE;
	if (rest.p[length] != ',') {
		*problem_r = "the netstring does not end with a comma";
		return SOCKETMAP_BAD;
	}
	r->key = sv_head(rest, length);
	r->map = sv_cut(&r->key, ' ');
	*used_r = begin + length + 1;
	return SOCKETMAP_REQUEST;
}

void socketmap_add(struct buf *to, enum socketmap_answer answer, struct sv text)
{
	static const char *const words[] = { "OK", "NOTFOUND", "TEMP", "TIMEOUT", "PERM" };
	char room[SOCKETMAP_TEXT_MAX];
	struct buf clean = BUF_ON(room);

	buf_add_clean(&clean, text);
	if (answer == SOCKETMAP_OK && clean.n == 0)
		answer = SOCKETMAP_NOTFOUND;
	if (answer == SOCKETMAP_NOTFOUND)
		buf_reset(&clean);
	buf_addf(to, "%zu:%s ", strlen(words[answer]) + 1 + clean.n, words[answer]);
	buf_add(to, buf_sv(&clean));
	buf_add_char(to, ',');
}
