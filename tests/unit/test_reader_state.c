/* reader_state: what a reader writes is what nixie status reads. */
#include "test.h"

#include "reader_state.h"

static struct reader_state back_of(struct arena *arena, const struct reader_state *state)
{
	struct sv v[2 * READER_STATE_FIELDS];
	struct reader_state back = { 0 };
	size_t n = reader_state_fields(arena, state, v);

	WANT(n <= READER_STATE_FIELDS);
	for (size_t i = 0; i < n; i++)
		reader_state_set(&back, v[2 * i], v[2 * i + 1]);
	return back;
}

static void all_comes_back(void **state)
{
	const struct reader_state s = { .version = SV("1"), .host = SV("mx1"), .path = SV("/l"), .file = SV("/l.1"), .doing = READER_BLOCKED, .pid = 1,
		.started_s = 2, .updated_s = 3, .offset = 4, .size = 5, .lag_bytes = 6, .lag_s = 7, .lines = 8, .attempts = 9, .rejected = 10,
		.long_lines = 11, .links = 12, .links_evicted = 13, .lost_lines = 14, .gaps = 15, .rewritten = 16, .last_event_s = 17, .idle_s = 18,
		.tenths_per_s = 12345 };
	struct arena arena = { 0 };
	struct reader_state back = back_of(&arena, &s);

	(void)state;
	WANT_TEXT(back.version, "1");
	WANT_TEXT(back.host, "mx1");
	WANT_TEXT(back.path, "/l");
	WANT_TEXT(back.file, "/l.1");
	/* the texts are not the same bytes: only the rest can be compared as a whole */
	back.version = s.version;
	back.host = s.host;
	back.path = s.path;
	back.file = s.file;
	WANT_INT(memcmp(&back, &s, sizeof s), 0);
	arena_free(&arena);
}

static void every_state_has_a_name(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	for (int i = 0; i < READER_DOINGS; i++)
		WANT_INT(back_of(&arena, &(const struct reader_state){ .doing = (enum reader_doing)i }).doing, i);
	arena_free(&arena);
}

static void what_is_damaged_is_left_out(void **state)
{
	static const struct { const char *name, *field, *value; } table[] = {
		{ "no number", "lag-s", "never" }, { "negative", "lag-s", "-1" }, { "too great", "pid", "9223372036854775808" },
		{ "no state", "state", "dreaming" }, { "of a newer program", "mood", "good" }, { "no tenth", "lines-per-s", "1.23" },
		{ "a point more", "lines-per-s", "1.2.3" }, { "too many", "lines-per-s", "9223372036854775807.0" }, { "nothing", "lines-per-s", "" },
	};

	(void)state;
	EACH(row, table) {
		struct reader_state s = { .doing = READER_WAITING };
		const struct reader_state before = s;
		reader_state_set(&s, sv_of(row->field), sv_of(row->value));
		WANT_INT(memcmp(&s, &before, sizeof s), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_comes_back),
		cmocka_unit_test(every_state_has_a_name),
		cmocka_unit_test(what_is_damaged_is_left_out),
	};

	return RUN(tests);
}
