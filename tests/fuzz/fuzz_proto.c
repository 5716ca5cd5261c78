/* One request of the policy protocol, whole and cut at every place. */
#include "fuzz.h"

#include "proto.h"

static void check_request(struct sv bytes, const struct request *r, size_t used)
{
	struct sv whole = sv_head(bytes, used);
	const struct sv fields[] = { r->state, r->recipient, r->sender, r->client_address, r->client_name,
		r->instance, r->login, r->context };

	MUST(used >= 2 && used <= bytes.n);
	MUST(bytes.p[used - 1] == '\n' && bytes.p[used - 2] == '\n');
	MUST(!memchr(whole.p, 0, whole.n));
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		MUST(fuzz_inside(fields[i], whole));
		MUST(sv_find(fields[i], '\n') == fields[i].n);
	}
}

/* Fewer bytes give the same result, or ask for more; never another request. */
static void check_prefix(struct sv bytes, size_t n, enum proto_result whole, size_t whole_used)
{
	struct request r;
	const char *problem = NULL;
	size_t used = 0;
	enum proto_result result = proto_parse(sv_head(bytes, n), &r, &used, &problem);

	if (result == PROTO_REQUEST)
		MUST(whole == PROTO_REQUEST && used == whole_used && n >= used);
	else if (result == PROTO_BAD)
		MUST(whole == PROTO_BAD && problem);
	else
		MUST(whole != PROTO_REQUEST || n < whole_used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv bytes = sv_make((const char *)data, size);
	size_t step = size / 300 + 1;

	for (;;) {
		struct request r;
		const char *problem = NULL;
		size_t used = 0;
		enum proto_result result = proto_parse(bytes, &r, &used, &problem);
		MUST(result != PROTO_BAD || problem);
		MUST(result != PROTO_MORE || bytes.n < PROTO_REQUEST_MAX);
		/* as policyd has it: never more bytes at once */
		if (bytes.n <= PROTO_REQUEST_MAX)
			for (size_t n = 0; n < bytes.n; n += step)
				check_prefix(bytes, n, result, used);
		if (result != PROTO_REQUEST)
			break;
		check_request(bytes, &r, used);
		bytes = sv_skip(bytes, used);
		step += size / 300; /* many requests in one input: keep it linear */
	}
	return 0;
}
