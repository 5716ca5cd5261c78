#include "test.h"

#include "typo.h"

static void distances(void **state)
{
	static const struct { const char *name, *a, *b; unsigned most, want; } table[] = {
		{ "the same", "gmail.com", "gmail.com", 2, 0 },
		{ "another letter", "gnail.com", "gmail.com", 2, 1 },
		{ "a letter too few", "gmal.com", "gmail.com", 2, 1 },
		{ "a letter too many", "gmaill.com", "gmail.com", 2, 1 },
		{ "two swapped", "gmial.com", "gmail.com", 2, 1 },
		{ "swapped at the front", "mgail.com", "gmail.com", 2, 1 },
		{ "swapped at the end", "gmail.cmo", "gmail.com", 2, 1 },
		{ "two errors", "gnail.con", "gmail.com", 2, 2 },
		{ "too many", "example.org", "gmail.com", 2, 3 },
		{ "too many for one", "gnail.con", "gmail.com", 1, 2 },
		{ "another length", "a", "gmail.com", 2, 3 },
		{ "nothing", "", "", 2, 0 },
		{ "nothing and something", "", "ab", 2, 2 },
		{ "as long as it may be", "0123456789012345678901234567890123456789012345678901234567890123", "0123456789012345678901234567890123456789012345678901234567890124", 2, 1 },
		{ "longer", "01234567890123456789012345678901234567890123456789012345678901234", "01234567890123456789012345678901234567890123456789012345678901234", 2, 3 },
	};

	(void)state;
	EACH(row, table) {
		WANT_INT(typo_distance(sv_of(row->a), sv_of(row->b), row->most), row->want);
		WANT_INT(typo_distance(sv_of(row->b), sv_of(row->a), row->most), row->want);
	}
}

static void what_is_meant(void **state)
{
	static const struct sv known[] = { { "busy-company.example", 20 }, { "me.io", 5 } };
	static const struct { const char *name, *domain, *want; } table[] = {
		{ "one letter", "gnail.com", "gmail.com" },
		{ "the end", "gmail.con", "gmail.com" },
		{ "left out", "hotmal.com", "hotmail.com" },
		{ "two errors in a long name", "htomial.com", "hotmail.com" },
		{ "and in a short one", "gmxx.dd", "" },
		{ "another country", "hotmail.nl", "" },
		{ "the nearest", "yaho.de", "yahoo.de" },
		{ "a provider itself", "gmail.com", "" },
		{ "one that is near another", "ymail.com", "" },
		{ "of our own", "busy-compnay.example", "busy-company.example" },
		{ "of our own, two errors", "busy-compnay.exmaple", "" },
		{ "too short to tell", "ne.io", "" },
		{ "like none", "example.org", "" },
		{ "nothing", "", "" },
	};

	(void)state;
	EACH(row, table)
		WANT_TEXT(typo_intended(sv_of(row->domain), known, COUNT(known)), row->want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances),
		cmocka_unit_test(what_is_meant),
	};

	return RUN(tests);
}
