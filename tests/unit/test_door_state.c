/* door_state: what a policy service writes is what nixie status reads. */
#include "test.h"

#include "door_state.h"

static struct door_state back_of(struct arena *arena, const struct door_state *state)
{
	struct sv v[2 * DOOR_STATE_FIELDS];
	struct door_state back = { 0 };
	size_t n = door_state_fields(arena, state, v);

	WANT(n <= DOOR_STATE_FIELDS);
	for (size_t i = 0; i < n; i++)
		door_state_set(&back, v[2 * i], v[2 * i + 1]);
	return back;
}

static void all_comes_back(void **state)
{
	const struct door_state s = { .version = SV("1"), .host = SV("mx1"), .doing = DOOR_STOPPED, .pid = 1, .started_s = 2, .updated_s = 3, .shadow = 1,
		.connections = 4, .connections_total = 5, .requests = 6, .rejected = 7, .deferred = 8, .other = 9, .would_reject = 10, .would_defer = 11,
		.would_other = 12, .parole = 13, .parole_refused = 14, .malformed = 15, .store_failures = 16, .from_memory = 17, .cache_hits = 18,
		.cache_misses = 19, .cache_entries = 20, .cache_bytes = 21, .cache_limit = 22, .tenths_per_s = 123, .p50_us = 23, .p99_us = 24,
		.decided = SV("reject|recipient.unknown=1"), .would_decide = SV("defer|mailbox.full=2") };
	struct arena arena = { 0 };
	struct door_state back = back_of(&arena, &s);

	(void)state;
	/* texts are borrowed: the same bytes */
	WANT_INT(memcmp(&back, &s, sizeof s), 0);
	arena_free(&arena);
}

static void every_state_has_a_name(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (int i = 0; i < DOOR_DOINGS; i++)
		WANT_INT(back_of(&arena, &(const struct door_state){ .doing = (enum door_doing)i }).doing, i);
	arena_free(&arena);
}

static void what_is_damaged_is_left_out(void **state)
{
	static const struct { const char *name, *field, *value; } table[] = {
		{ "no number", "requests", "many" }, { "negative", "requests", "-1" }, { "too great", "pid", "9223372036854775808" },
		{ "no state", "state", "dreaming" }, { "of a newer program", "mood", "good" }, { "no tenth", "requests-per-s", "1.23" },
		{ "nothing", "requests-per-s", "" },
	};

	(void)state;
	EACH(row, table) {
		struct door_state s = { .doing = DOOR_STOPPED, .requests = 5, .pid = 6, .tenths_per_s = 7 }, before = s;
		door_state_set(&s, sv_of(row->field), sv_of(row->value));
		WANT_INT(memcmp(&s, &before, sizeof s), 0);
	}
}

static void test_lists(void **state)
{
	struct sv list = SV("reject|recipient.unknown=12  nonsense reject|=1 |x=1 defer|mailbox.full=x defer_if_permit|mailbox.full=3 "), action, category;
	int64_t n;

	(void)state;
	WANT(door_state_next(&list, &action, &category, &n));
	WANT_TEXT(action, "reject");
	WANT_TEXT(category, "recipient.unknown");
	WANT_INT(n, 12);
	WANT(door_state_next(&list, &action, &category, &n));
	WANT_TEXT(action, "defer_if_permit");
	WANT_INT(n, 3);
	WANT(!door_state_next(&list, &action, &category, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_comes_back), cmocka_unit_test(every_state_has_a_name), cmocka_unit_test(what_is_damaged_is_left_out),
		cmocka_unit_test(test_lists),
	};

	return RUN(tests);
}
