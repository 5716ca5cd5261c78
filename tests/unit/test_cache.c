#include "test.h"

#include "cache.h"

#define AGE_MS 60000
#define MIB ((size_t)1 << 20)

static struct cache *cache;

static int set_up(void **state)
{
	(void)state;
	cache = cache_new(MIB, AGE_MS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cache_free(cache);
	return 0;
}

static const struct entry hard = { .status = STATUS_HARD, .token = { "1-1", 3 }, .scopes = { "sender:a=manual,1,0", 19 }, .text = { "not kept", 8 } };
static const struct entry soft = { .status = STATUS_SOFT };

static void put(const char *name, const struct entry *entry, int64_t now_ms)
{
	cache_put(cache, sv_of(name), cache_ticket(cache), entry, true, now_ms);
}

static enum cache_result find(const char *name, int64_t now_ms)
{
	const struct entry *entry;

	return cache_find(cache, sv_of(name), now_ms, &entry);
}

/* Its status; -1: it is not known; 0: there is none. */
static int remember(const char *name, int64_t now_ms, int64_t age_ms)
{
	const struct entry *entry;
	enum cache_result result = cache_remember(cache, sv_of(name), now_ms, age_ms, &entry);

	return result == CACHE_UNKNOWN ? -1 : result == CACHE_ABSENT ? 0 : (int)entry->status;
}

static void what_was_put_is_found(void **state)
{
	const struct entry *entry;

	(void)state;
	WANT_INT(find("a@x", 1), CACHE_UNKNOWN);
	put("a@x", &hard, 1);
	put("b@x", NULL, 1);
	WANT_INT(cache_find(cache, SV("a@x"), 1, &entry), CACHE_PRESENT);
	WANT_INT(entry->status, STATUS_HARD);
	WANT_TEXT(entry->token, "1-1");
	WANT_TEXT(entry->scopes, "sender:a=manual,1,0");
	WANT_TEXT(entry->text, "");
	WANT_INT(cache_find(cache, SV("b@x"), 1, &entry), CACHE_ABSENT);
	WANT_INT(entry == NULL, true);
	put("a@x", NULL, 2);
	WANT_INT(find("a@x", 2), CACHE_ABSENT);
	WANT_INT(cache_figures(cache).entries, 2);
}

static void what_changes_is_asked_anew(void **state)
{
	(void)state;
	put("a@x", &hard, 1);
	put("b@x", NULL, 1);
	cache_changed(cache, SV("a@x"));
	WANT_INT(find("a@x", 1), CACHE_UNKNOWN);
	WANT_INT(remember("a@x", 1, AGE_MS), -1);
	WANT_INT(find("b@x", 1), CACHE_ABSENT);
	put("a@x", NULL, 1);
	WANT_INT(find("a@x", 1), CACHE_ABSENT);
}

static void an_answer_that_was_overtaken_is_not_kept(void **state)
{
	(void)state;
	uint64_t before = cache_ticket(cache);
	cache_changed(cache, SV("a@x"));
	cache_put(cache, SV("a@x"), before, NULL, true, 1);
	WANT_INT(find("a@x", 1), CACHE_UNKNOWN);
	before = cache_ticket(cache);
	cache_lost(cache);
	cache_put(cache, SV("b@x"), before, NULL, true, 1);
	WANT_INT(find("b@x", 1), CACHE_UNKNOWN);
	put("b@x", NULL, 1);
	WANT_INT(find("b@x", 1), CACHE_ABSENT);
}

static void it_does_not_get_old(void **state)
{
	(void)state;
	put("a@x", NULL, 1000);
	WANT_INT(find("a@x", 1000 + AGE_MS - 1), CACHE_ABSENT);
	WANT_INT(find("a@x", 1000 + AGE_MS), CACHE_UNKNOWN);
	cache_set_age(cache, 0);
	put("a@x", NULL, 1000);
	WANT_INT(find("a@x", 1000), CACHE_UNKNOWN);
}

static void what_bound_is_remembered_when_all_is_lost(void **state)
{
	(void)state;
	put("a@x", &hard, 1000);
	put("b@x", &soft, 1000);
	put("c@x", NULL, 1000);
	cache_lost(cache);
	WANT_INT(find("a@x", 1000), CACHE_UNKNOWN);
	WANT_INT(remember("a@x", 1999, 1000), STATUS_HARD);
	WANT_INT(remember("a@x", 2000, 1000), -1);
	WANT_INT(remember("b@x", 1000, AGE_MS), STATUS_SOFT);
	WANT_INT(remember("c@x", 1000, AGE_MS), 0);
	/* asked again, it was reset */
	put("a@x", NULL, 1500);
	cache_lost(cache);
	WANT_INT(remember("a@x", 1500, AGE_MS), 0);
}

static void what_is_said_while_nobody_tells_is_only_remembered(void **state)
{
	(void)state;
	put("a@x", &hard, 1000);
	cache_lost(cache);
	/* reset meanwhile, and asked */
	cache_put(cache, SV("a@x"), cache_ticket(cache), NULL, false, 1500);
	WANT_INT(find("a@x", 1500), CACHE_UNKNOWN);
	WANT_INT(remember("a@x", 1500, AGE_MS), 0);
	/* asked before all was lost */
	uint64_t before = cache_ticket(cache);
	cache_lost(cache);
	cache_put(cache, SV("b@x"), before, &hard, true, 1500);
	WANT_INT(find("b@x", 1500), CACHE_UNKNOWN);
	WANT_INT(remember("b@x", 1500, AGE_MS), STATUS_HARD);
}

static void what_is_recalled_is_no_answer(void **state)
{
	(void)state;
	cache_recall(cache, SV("a@x"), &hard, 1000);
	cache_recall(cache, SV("b@x"), &soft, 1000);
	WANT_INT(find("a@x", 1000), CACHE_UNKNOWN);
	WANT_INT(remember("a@x", 1000, AGE_MS), STATUS_HARD);
	WANT_INT(cache_figures(cache).entries, 1);
	/* a run that has asked meanwhile knows better */
	put("c@x", NULL, 2000);
	cache_recall(cache, SV("c@x"), &hard, 1000);
	WANT_INT(find("c@x", 2000), CACHE_ABSENT);
}

static void count_one(void *arg, struct sv name, const struct entry *entry, int64_t checked_ms)
{
	(void)name, (void)entry, (void)checked_ms;
	++*(int *)arg;
}

static void memory_is_bounded(void **state)
{
	char name[32];
	int bound = 0;

	(void)state;
	put("often@x", &hard, 1);
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(name, sizeof name, "u%d@x.example", i);
		put(name, i % 10 ? NULL : &hard, 1);
		WANT_INT(find("often@x", 1), CACHE_PRESENT);
		if (cache_figures(cache).bytes > MIB)
			WANT_INT(cache_figures(cache).bytes, MIB);
	}
	WANT_INT(find(name, 1), CACHE_ABSENT);
	WANT_INT(find("u1@x.example", 1), CACHE_UNKNOWN);
	WANT_INT(cache_figures(cache).entries + cache_figures(cache).evictions, 100001);
	cache_each(cache, count_one, &bound);
	WANT_INT(bound > 100, true);
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(name, sizeof name, "u%d@x.example", i);
		cache_changed(cache, sv_of(name));
	}
	cache_changed(cache, SV("often@x"));
	WANT_INT(cache_figures(cache).entries, 0);
}

static void what_is_too_large_is_not_kept(void **state)
{
	static char scopes[CACHE_ITEM_MAX];
	struct entry large = { .status = STATUS_HARD, .scopes = { scopes, sizeof scopes } };

	(void)state;
	put("a@x", &hard, 1);
	put("a@x", &large, 1);
	WANT_INT(find("a@x", 1), CACHE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_put_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_changes_is_asked_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_that_was_overtaken_is_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_does_not_get_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_bound_is_remembered_when_all_is_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_said_while_nobody_tells_is_only_remembered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_recalled_is_no_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_too_large_is_not_kept, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
