#include "test.h"

#include "journal.h"
#include "places.h"

#define PLACES_MAX 4

/* A place's `at` is its letter: the same letter is the same place. */
struct row_place {
	const char *at;
	uint64_t generation, offset;
};

static void set(struct position places_r[PLACES_MAX], const struct row_place from[PLACES_MAX])
{
	memset(places_r, 0, PLACES_MAX * sizeof *places_r);
	for (size_t i = 0; i < PLACES_MAX; i++) {
		(void)snprintf(places_r[i].at, sizeof places_r[i].at, "%s", from[i].at ? from[i].at : "");
		places_r[i].generation = from[i].generation;
		places_r[i].offset = from[i].offset;
	}
}

static void what_a_partition_has(void **state)
{
	static const struct { const char *name; struct row_place place; uint64_t generation, offset; bool want; } table[] = {
		{ "nothing", { "", 9, 9 }, 1, 1, false },
		{ "the same place", { "a", 1, 10 }, 1, 10, true },
		{ "further on", { "a", 1, 11 }, 1, 10, true },
		{ "not so far", { "a", 1, 9 }, 1, 10, false },
		{ "a later file", { "a", 2, 0 }, 1, 10, true },
		{ "a file before it", { "a", 0, 99 }, 1, 10, false },
	};
	struct position places[PLACES_MAX];
	static struct source source;

	(void)state;
	EACH(row, table) {
		set(places, (const struct row_place[PLACES_MAX]){ row->place });
		source.generation = row->generation;
		source.offset = row->offset;
		WANT_INT(place_covers(&places[0], &source), row->want);
	}
}

static void the_oldest_first(void **state)
{
	static const struct { const char *name; struct row_place places[PLACES_MAX]; const char *want, *oldest; } table[] = {
		{ "in order", { { "a", 0, 1 }, { "b", 0, 2 }, { "c", 1, 0 }, { "d", 1, 5 } }, "abcd", "a" },
		{ "backwards", { { "d", 1, 5 }, { "c", 1, 0 }, { "b", 0, 2 }, { "a", 0, 1 } }, "abcd", "a" },
		{ "each once", { { "b", 0, 2 }, { "a", 0, 1 }, { "b", 0, 2 }, { "a", 0, 1 } }, "ab", "a" },
		{ "all at one", { { "a", 3, 3 }, { "a", 3, 3 }, { "a", 3, 3 }, { "a", 3, 3 } }, "a", "a" },
		{ "some have none", { { "b", 0, 2 }, { "", 0, 0 }, { "a", 0, 1 }, { "", 0, 0 } }, "ab", "" },
		{ "none", { { "", 0, 0 } }, "", "" },
	};
	struct position places[PLACES_MAX];
	const struct position *sorted[PLACES_MAX + 1];

	(void)state;
	EACH(row, table) {
		char got[PLACES_MAX + 1] = "";
		set(places, row->places);
		size_t n = places_sort(places, PLACES_MAX, sorted);
		for (size_t i = 0; i < n; i++)
			got[i] = sorted[i]->at[0];
		WANT_STRING(got, row->want);
		WANT_STRING(places_oldest(places, PLACES_MAX)->at, row->oldest);
	}
}

static void what_was_lost(void **state)
{
	static const struct { const char *name; struct row_place was, is; bool want; } table[] = {
		{ "the same", { "a", 1, 5 }, { "a", 1, 5 }, false },
		{ "gone back", { "b", 1, 5 }, { "a", 1, 4 }, true },
		{ "to a file before it", { "b", 1, 0 }, { "a", 0, 9 }, true },
		{ "other bytes at the same place", { "b", 1, 5 }, { "a", 1, 5 }, true },
		{ "all of it", { "b", 1, 5 }, { "", 0, 0 }, true },
		{ "ahead: another reader", { "a", 1, 5 }, { "b", 1, 6 }, false },
	};
	struct position were[PLACES_MAX], are[PLACES_MAX];

	(void)state;
	EACH(row, table) {
		const struct row_place same = { "x", 7, 7 };
		set(were, (const struct row_place[PLACES_MAX]){ same, row->was, same, same });
		set(are, (const struct row_place[PLACES_MAX]){ same, row->is, same, same });
		WANT_INT(places_lost(were, are, PLACES_MAX), row->want);
	}
}

/* The warnings are the tests' of whole programs. */
static void where_a_partition_without_a_place_begins(void **state)
{
	static const struct { const char *name; bool counts; struct row_place places[PLACES_MAX]; uint64_t want_offset; const char *want_cursor; } table[] = {
		{ "nobody is without", false, { { "a", 0, 5 }, { "a", 0, 5 }, { "a", 0, 5 }, { "b", 0, 9 } }, 5, "" },
		{ "a file", false, { { "a", 0, 5 }, { "", 0, 0 }, { "a", 0, 5 }, { "b", 0, 9 } }, 0, "" },
		{ "a journal", true, { { "a", 0, 5 }, { "", 0, 0 }, { "a", 0, 5 }, { "b", 0, 9 } }, 0, JOURNAL_HEAD },
	};
	struct position places[PLACES_MAX], beginning;
	static struct tail tail;

	(void)state;
	tail.committed = places;
	EACH(row, table) {
		set(places, row->places);
		tail.source.counts = row->counts;
		WANT(places_beginning(&tail, PLACES_MAX, &places[0], false, &beginning));
		WANT_INT(beginning.offset, row->want_offset);
		WANT_STRING(beginning.cursor, row->want_cursor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_partition_has),
		cmocka_unit_test(the_oldest_first),
		cmocka_unit_test(what_was_lost),
		cmocka_unit_test(where_a_partition_without_a_place_begins),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
