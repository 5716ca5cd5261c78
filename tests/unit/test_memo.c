/* memo: what is got is what was put, under the same key only. */
#include "test.h"

#include "memo.h"

static void what_was_put(void **state)
{
	struct memo *memo = memo_new();
	char key[MEMO_KEY_MAX + 1], value[MEMO_VALUE_MAX];

	(void)state;
	WANT(memo_get(memo, SV("a")) == NULL);
	WANT(memo_get(memo, SV("")) == NULL);
	memo_put(memo, SV("a"), "one", 4);
	memo_put(memo, SV("ab"), "two", 4);
	WANT_STRING((const char *)memo_get(memo, SV("a")), "one");
	WANT_STRING((const char *)memo_get(memo, SV("ab")), "two");
	WANT(memo_get(memo, SV("abc")) == NULL);
	memo_put(memo, SV("a"), "three", 6);
	WANT_STRING((const char *)memo_get(memo, SV("a")), "three");
	/* what is too long is not kept */
	memset(key, 'k', sizeof key);
	memset(value, 'v', sizeof value);
	memo_put(memo, sv_make(key, sizeof key), "x", 2);
	WANT(memo_get(memo, sv_make(key, sizeof key)) == NULL);
	memo_put(memo, sv_make(key, MEMO_KEY_MAX), value, sizeof value);
	const char *got = memo_get(memo, sv_make(key, MEMO_KEY_MAX));
	WANT(got && memcmp(got, value, sizeof value) == 0);
	memo_free(memo);
}

/* More keys than slots: some are gone, none is another's. */
static void more_than_there_is_room(void **state)
{
	struct memo *memo = memo_new();
	size_t kept = 0;

	(void)state;
	for (int i = 0; i < 4 * MEMO_SLOTS; i++) {
		char key[32];
		int n = snprintf(key, sizeof key, "key %d", i);
		memo_put(memo, sv_make(key, (size_t)n), &i, sizeof i);
		WANT_INT(*(const int *)memo_get(memo, sv_make(key, (size_t)n)), i);
	}
	for (int i = 0; i < 4 * MEMO_SLOTS; i++) {
		char key[32];
		int n = snprintf(key, sizeof key, "key %d", i);
		const int *value = memo_get(memo, sv_make(key, (size_t)n));
		kept += value != NULL;
		WANT(!value || *value == i);
	}
	WANT(kept > MEMO_SLOTS / 2 && kept <= MEMO_SLOTS);
	memo_free(memo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put),
		cmocka_unit_test(more_than_there_is_room),
	};

	return RUN(tests);
}
