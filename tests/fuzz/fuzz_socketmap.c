/* Questions of the socket map protocol, whole and cut at every place, and answers made of their bytes. */
#include "fuzz.h"

#include "socketmap.h"

/* Fewer bytes give the same result, or ask for more; never another question. */
static void check_prefix(struct sv bytes, size_t n, enum socketmap_result whole, size_t whole_used)
{
	struct socketmap_request r;
	const char *problem = NULL;
	size_t used = 0;
	enum socketmap_result result = socketmap_parse(sv_head(bytes, n), &r, &used, &problem);

	if (result == SOCKETMAP_REQUEST)
		MUST(whole == SOCKETMAP_REQUEST && used == whole_used && n >= used);
	else if (result == SOCKETMAP_BAD)
		MUST(whole == SOCKETMAP_BAD && problem);
	else
		MUST(whole != SOCKETMAP_REQUEST || n < whole_used);
}

/* An answer is one netstring, of which the words are known, and the text is clean. */
static void check_answer(enum socketmap_answer answer, struct sv text)
{
	char room[SOCKETMAP_REPLY_MAX];
	struct buf b = BUF_ON(room);
	struct socketmap_request r;
	const char *problem;
	size_t used;

	socketmap_add(&b, answer, text);
	MUST(!b.full);
	MUST(socketmap_parse(buf_sv(&b), &r, &used, &problem) == SOCKETMAP_REQUEST && used == b.n);
	MUST(fuzz_is_clean(r.key) && r.key.n <= SOCKETMAP_TEXT_MAX);
	MUST(sv_eq(r.map, SV("OK")) == (answer == SOCKETMAP_OK && text.n > 0));
	MUST(!sv_eq(r.map, SV("OK")) || r.key.n);
	MUST(!sv_eq(r.map, SV("NOTFOUND")) || !r.key.n);
	if (fuzz_is_clean(text) && text.n <= SOCKETMAP_TEXT_MAX && !sv_eq(r.map, SV("NOTFOUND")))
		MUST(sv_eq(r.key, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv bytes = sv_make((const char *)data, size);
	size_t step = size / 300 + 1;

	for (enum socketmap_answer a = SOCKETMAP_OK; a <= SOCKETMAP_PERM; a++)
		check_answer(a, bytes);
	for (;;) {
		struct socketmap_request r;
		const char *problem = NULL;
		size_t used = 0;
		enum socketmap_result result = socketmap_parse(bytes, &r, &used, &problem);
		MUST(result != SOCKETMAP_BAD || problem);
		MUST(result != SOCKETMAP_MORE || bytes.n < SOCKETMAP_REQUEST_MAX + 7);
		for (size_t n = 0; n < bytes.n; n += step)
			check_prefix(bytes, n, result, used);
		if (result != SOCKETMAP_REQUEST)
			break;
		MUST(used >= 3 && used <= bytes.n && bytes.p[used - 1] == ',');
		MUST(fuzz_inside(r.map, sv_head(bytes, used)) && fuzz_inside(r.key, sv_head(bytes, used)));
		MUST(sv_find(r.map, ' ') == r.map.n);
		bytes = sv_skip(bytes, used);
		step += size / 300; /* many questions in one input: keep it linear */
	}
	return 0;
}
