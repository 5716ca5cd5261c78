#include "test.h"

#include "address.h"

static const struct address_options fold = { 0 }, keep = { .keep_case = true }, tags = { .subaddress = '+' };

static void keys(void **state)
{
	static const struct {
		const char *name, *text;
		enum address_form form;
		const struct address_options *options;
		const char *want, *want_domain;
	} table[] = {
		{ "plain", "user@example.com", ADDRESS_EXTERNAL, &fold, "user@example.com", "example.com" },
		{ "capitals", "User@EXAMPLE.Com", ADDRESS_EXTERNAL, &fold, "user@example.com", "example.com" },
		{ "capitals kept", "User@EXAMPLE.Com", ADDRESS_EXTERNAL, &keep, "User@example.com", "example.com" },
		{ "trailing dot", "user@example.com.", ADDRESS_EXTERNAL, &fold, "user@example.com", "example.com" },
		{ "quoted, needlessly", "\"user\"@example.com", ADDRESS_EXTERNAL, &fold, "user@example.com", "example.com" },
		{ "quoted blank", "\"a b\"@example.com", ADDRESS_EXTERNAL, &fold, "a b@example.com", "example.com" },
		{ "the same, internal", "a b@example.com", ADDRESS_INTERNAL, &fold, "a b@example.com", "example.com" },
		{ "quoted @", "\"a@b\"@example.com", ADDRESS_EXTERNAL, &fold, "a@b@example.com", "example.com" },
		{ "the same, internal", "a@b@example.com", ADDRESS_INTERNAL, &fold, "a@b@example.com", "example.com" },
		{ "escaped quote", "\"a\\\"b\\\\c\"@example.com", ADDRESS_EXTERNAL, &fold, "a\"b\\c@example.com", "example.com" },
		{ "the same, internal", "a\"b\\c@example.com", ADDRESS_INTERNAL, &fold, "a\"b\\c@example.com", "example.com" },
		{ "escaped letter", "\"\\U\"@example.com", ADDRESS_EXTERNAL, &fold, "u@example.com", "example.com" },
		{ "a fake log line inside quotes", "\"x>, relay=y, status=bounced (z)\"@example.com", ADDRESS_EXTERNAL, &fold,
		  "x>, relay=y, status=bounced (z)@example.com", "example.com" },
		{ "sub-address kept", "user+news@example.com", ADDRESS_EXTERNAL, &fold, "user+news@example.com", "example.com" },
		{ "sub-address cut", "user+news+x@example.com", ADDRESS_EXTERNAL, &tags, "user@example.com", "example.com" },
		{ "nothing but a sub-address", "+news@example.com", ADDRESS_EXTERNAL, &tags, "+news@example.com", "example.com" },
		{ "plus in the domain's place only", "user@a-b.example.com", ADDRESS_EXTERNAL, &tags, "user@a-b.example.com", "a-b.example.com" },
		{ "VERP", "list-bounces+user=example.org@example.com", ADDRESS_EXTERNAL, &fold, "list-bounces+user=example.org@example.com", "example.com" },
		{ "SRS", "SRS0=HHH=TT=example.org=user@example.com", ADDRESS_EXTERNAL, &fold, "srs0=hhh=tt=example.org=user@example.com", "example.com" },
		{ "IDN", "user@B\xc3\xbc" "cher.example", ADDRESS_EXTERNAL, &fold, "user@xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "IDN, decomposed", "user@bu\xcc\x88" "cher.example", ADDRESS_EXTERNAL, &fold, "user@xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "IDN as A-label", "user@XN--BCHER-KVA.example", ADDRESS_EXTERNAL, &fold, "user@xn--bcher-kva.example", "xn--bcher-kva.example" },
		{ "sharp s is itself", "user@fa\xc3\x9f.example", ADDRESS_EXTERNAL, &fold, "user@xn--fa-hia.example", "xn--fa-hia.example" },
		{ "full-width letters", "user@\xef\xbd\x85xample.com", ADDRESS_EXTERNAL, &fold, "user@example.com", "example.com" },
		{ "UTF-8 local part has no case", "J\xc3\x96RG@example.com", ADDRESS_EXTERNAL, &fold, "j\xc3\x96rg@example.com", "example.com" },
		{ "address literal", "user@[192.0.2.1]", ADDRESS_EXTERNAL, &fold, "user@[192.0.2.1]", "[192.0.2.1]" },
		{ "IPv6 literal", "user@[IPv6:2001:DB8::1]", ADDRESS_EXTERNAL, &fold, "user@[ipv6:2001:db8::1]", "[ipv6:2001:db8::1]" },
		{ "underscore", "user@my_host.example.com", ADDRESS_EXTERNAL, &fold, "user@my_host.example.com", "my_host.example.com" },
		{ "one label", "root@localhost", ADDRESS_EXTERNAL, &fold, "root@localhost", "localhost" },
	};

	(void)state;
	EACH(row, table) {
		struct address a;
		WANT_INT(address_parse(sv_of(row->text), row->form, row->options, &a), ADDRESS_OK);
		WANT_TEXT(address_key(&a), row->want);
		WANT_TEXT(address_domain(&a), row->want_domain);
		WANT_INT(a.key[a.n], '\0');
		/* a key is its own key, as policyd would be asked about it */
		struct address again;
		WANT_INT(address_parse(address_key(&a), ADDRESS_INTERNAL, row->options, &again), ADDRESS_OK);
		WANT_TEXT(address_key(&again), row->want);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *name;
		struct sv text;
		enum address_form form;
		enum address_result want;
	} table[] = {
		{ "the null address", { "", 0 }, ADDRESS_EXTERNAL, ADDRESS_EMPTY },
		{ "no domain", { "root", 4 }, ADDRESS_EXTERNAL, ADDRESS_NO_DOMAIN },
		{ "@ inside quotes only", { "\"a@b\"", 5 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "empty domain", { "user@", 5 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "a dot as domain", { "user@.", 6 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "two dots", { "user@a..b", 9 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "dot in front", { "user@.b", 7 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "two trailing dots", { "user@b..", 8 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "blank in the domain", { "user@a b", 8 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "empty local part", { "@example.com", 12 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "empty quotes", { "\"\"@example.com", 14 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "open quote", { "\"user@example.com", 17 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "quote closed by an escaped one", { "\"user\\\"@example.com", 19 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "NUL", { "us\0er@example.com", 17 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "NUL in the domain", { "user@ex\0ample.com", 17 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "NUL in a UTF-8 domain", { "user@\xc3\xbc\0.com", 12 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "line's end", { "us\ner@example.com", 17 }, ADDRESS_INTERNAL, ADDRESS_BAD },
		{ "DEL", { "us\x7f" "er@example.com", 17 }, ADDRESS_INTERNAL, ADDRESS_BAD },
		{ "escaped control", { "\"\\\033\"@example.com", 16 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "Latin-1 local part", { "j\xf6rg@example.com", 16 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "Latin-1 domain", { "user@b\xfc" "cher.example", 19 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "empty literal", { "user@[]", 7 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "colon without brackets", { "user@a:b", 8 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
		{ "angle brackets", { "<user@example.com>", 18 }, ADDRESS_EXTERNAL, ADDRESS_BAD },
	};

	(void)state;
	EACH(row, table) {
		struct address a = { .n = 4711 };
		WANT_INT(address_parse(row->text, row->form, &fold, &a), row->want);
		WANT_INT(a.n, 4711); /* untouched */
	}
}

static enum address_result parse_long(size_t local, size_t domain, struct address *a)
{
	char text[1024];
	size_t n = 0;

	while (n < local)
		text[n++] = 'l';
	text[n++] = '@';
	for (size_t i = 0; i < domain; i++)
		text[n++] = i % 50 == 49 && i + 1 < domain ? '.' : 'd';
	return address_parse(sv_make(text, n), ADDRESS_EXTERNAL, &fold, a);
}

static void lengths(void **state)
{
	struct address a;

	(void)state;
	WANT_INT(parse_long(ADDRESS_LOCAL_MAX, ADDRESS_DOMAIN_MAX, &a), ADDRESS_OK);
	WANT_INT(a.n, ADDRESS_KEY_MAX);
	WANT_INT(address_domain(&a).n, ADDRESS_DOMAIN_MAX);
	WANT_INT(parse_long(ADDRESS_LOCAL_MAX + 1, 10, &a), ADDRESS_TOO_LONG);
	WANT_INT(parse_long(10, ADDRESS_DOMAIN_MAX + 1, &a), ADDRESS_TOO_LONG);
}

static void every_result_has_words(void **state)
{
	(void)state;
	for (int r = ADDRESS_OK; r <= ADDRESS_BAD; r++)
		WANT(strlen(address_problem((enum address_result)r)) > 10);
}

static void domains(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "plain", "Example.COM.", "@example.com" },
		{ "IDN", "B\xc3\xbc" "cher.example", "@xn--bcher-kva.example" },
		{ "one label", "localhost", "@localhost" },
		{ "empty", "", NULL },
		{ "an address", "user@example.com", NULL },
		{ "with a mark", "@example.com", NULL },
		{ "two dots", "a..b", NULL },
	};

	(void)state;
	EACH(row, table) {
		struct address a;
		WANT_INT(address_parse_domain(sv_of(row->text), &a) == ADDRESS_OK, row->want != NULL);
		if (!row->want)
			continue;
		WANT_TEXT(address_key(&a), row->want);
		WANT_TEXT(address_domain(&a), row->want + 1);
		WANT_INT(a.key[a.n], '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(refused),
		cmocka_unit_test(lengths),
		cmocka_unit_test(every_result_has_words),
		cmocka_unit_test(domains),
	};

	return RUN(tests);
}
