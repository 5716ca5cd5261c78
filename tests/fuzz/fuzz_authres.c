/* Authentication-Results, one on a line: what passes is named in the topmost of ours, and nothing that comes below it matters. */
#include "fuzz.h"

#include "authres.h"
#include "config.h"

#define LINES_MAX 8

static const struct strings ids = { .n = 1, .v = { "mx.example" } };

static bool finds(struct sv text, const char *part)
{
	return sv_find_sv(text, sv_of(part)) < text.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char lower[1 << 16];
	struct mail_field v[LINES_MAX + 1];
	struct mail_fields headers = { 0, v };

	if (size > sizeof lower)
		return 0;
	for (size_t i = 0; i < size; i++)
		lower[i] = sv_lower((char)data[i]);
	for (struct sv text = sv_make(lower, size); text.n && headers.n < LINES_MAX;)
		v[headers.n++] = (struct mail_field){ SV("Authentication-Results"), sv_cut(&text, '\n') };
	bool dkim = authres_dkim_pass(&headers, &ids, SV("a.example"));
	bool from = authres_from_pass(&headers, &ids, SV("a.example"));
	/* quotes and IDN can write a name otherwise */
	struct sv all = sv_make(lower, size);
	bool plain = !finds(all, "\\") && !finds(all, "\"");
	for (size_t i = 0; i < size; i++)
		plain &= (unsigned char)lower[i] < 0x80;
	if (plain && (dkim || from))
		MUST(finds(all, "mx.example") && finds(all, "pass") && finds(all, "example"));
	/* one more below changes nothing where one of ours is above: try with one on top that says nothing */
	struct mail_fields below = { headers.n + 1, v };
	memmove(v + 1, v, headers.n * sizeof *v);
	v[0] = (struct mail_field){ SV("authentication-results"), SV("mx.example; none") };
	MUST(!authres_dkim_pass(&below, &ids, SV("a.example")) && !authres_from_pass(&below, &ids, SV("a.example")));
	/* a stranger's on top changes nothing either */
	v[0].value = SV("mx.stranger; dkim=pass header.d=a.example; dmarc=pass header.from=a.example");
	MUST(authres_dkim_pass(&below, &ids, SV("a.example")) == dkim && authres_from_pass(&below, &ids, SV("a.example")) == from);
	return 0;
}
