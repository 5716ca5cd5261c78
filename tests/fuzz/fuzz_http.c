/* One request of HTTP, whole and cut at every place. */
#include "fuzz.h"

#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv bytes = sv_make((const char *)data, size);
	struct http_request whole, part;
	enum http_result result = http_parse(bytes, &whole);
	size_t step = size / 300 + 1;

	MUST(result == HTTP_REQUEST || bytes.n < HTTP_REQUEST_MAX);
	MUST(fuzz_inside(whole.path, bytes) || sv_eq(whole.path, SV("/")));
	if (result == HTTP_REQUEST) {
		MUST(whole.status ? whole.path.n == 0 && *http_reason(whole.status) : whole.path.p[0] == '/');
		for (size_t i = 0; i < whole.path.n; i++)
			MUST(whole.path.p[i] > ' ' && whole.path.p[i] != '?');
	}
	/* fewer bytes say the same, or ask for more */
	for (size_t n = 0; n < size; n += step)
		if (http_parse(sv_head(bytes, n), &part) == HTTP_REQUEST)
			MUST(result == HTTP_REQUEST && part.status == whole.status && sv_eq(part.path, whole.path) && part.head_only == whole.head_only);
	return 0;
}
