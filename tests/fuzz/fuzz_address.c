/* Addresses of both forms: a key is its own key. The first byte chooses the options. */
#include "fuzz.h"

#include "address.h"

static void check_key(const struct address *a, const struct address_options *options)
{
	struct sv key = address_key(a), domain = address_domain(a);
	struct address again;

	MUST(key.n <= ADDRESS_KEY_MAX && a->key[a->n] == '\0');
	MUST(a->at > 0 && a->at <= ADDRESS_LOCAL_MAX && a->key[a->at] == '@');
	MUST(domain.n > 0 && domain.n <= ADDRESS_DOMAIN_MAX && sv_find(domain, '@') == domain.n);
	for (size_t i = 0; i < domain.n; i++)
		MUST(domain.p[i] > 0x20 && domain.p[i] < 0x7f && domain.p[i] == sv_lower(domain.p[i]));
	for (size_t i = 0; i < a->at; i++) {
		unsigned char c = (unsigned char)key.p[i];
		MUST(c >= 0x20 && c != 0x7f && (options->keep_case || key.p[i] == sv_lower(key.p[i])));
	}
	MUST(address_parse(key, ADDRESS_INTERNAL, options, &again) == ADDRESS_OK);
	MUST(sv_eq(address_key(&again), key) && again.at == a->at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct sv text = sv_make((const char *)data + 1, size - 1);
	const struct address_options options = { .keep_case = data[0] & 1, .subaddress = data[0] & 2 ? '+' : '\0' };
	const struct address_options folded = { .keep_case = false, .subaddress = options.subaddress };
	static const enum address_form forms[] = { ADDRESS_INTERNAL, ADDRESS_EXTERNAL };

	for (size_t i = 0; i < 2; i++) {
		struct address a, f;
		enum address_result result = address_parse(text, forms[i], &options, &a);
		MUST(strlen(address_problem(result)) > 0);
		MUST(address_parse(text, forms[i], &folded, &f) == result); /* case makes no address bad */
		if (result != ADDRESS_OK)
			continue;
		check_key(&a, &options);
		MUST(sv_eq_nocase(address_key(&a), address_key(&f)));
		fuzz_check_writers(address_key(&a));
	}
	return 0;
}
