#include "test.h"

#include <sys/random.h>

#include "arena.h"
#include "map.h"

/* ---- the map against a plain array of what it ought to hold ---- */

#define KEYS 300
#define STEPS 20000

static uint64_t random_state;

static unsigned random_below(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((random_state >> 33) % n);
}

static struct {
	char text[40];
	struct sv key;
	void *value; /* NULL: not in the map */
} model[KEYS];

/* Keys that share beginnings and hashed blocks of 8 bytes, among them the empty one. */
static void make_keys(void)
{
	for (unsigned i = 0; i < KEYS; i++) {
		int n = snprintf(model[i].text, sizeof model[i].text, "%.*s%u", (int)(i % 17), "aaaaaaaaaaaaaaaa", i);
		model[i].key = sv_make(model[i].text, i ? (size_t)n : 0);
		model[i].value = NULL;
	}
}

static void check_against_model(const struct map *map)
{
	size_t n = 0, seen = 0, position = 0;
	struct map_slot *slot;

	for (unsigned i = 0; i < KEYS; i++) {
		WANT(map_get(map, model[i].key) == model[i].value);
		n += model[i].value != NULL;
	}
	WANT_INT(map->n, n);
	while ((slot = map_next(map, &position))) {
		WANT(slot->value == map_get(map, slot->key));
		seen++;
	}
	WANT_INT(seen, n);
}

static void the_map_does_as_its_model(void **state)
{
	const char *fixed = getenv("NIXIE_TEST_SEED");
	char row[64];
	static char values[8];
	struct map map = { 0 };
	uint64_t seed = 0;

	(void)state;
	if (fixed)
		seed = strtoull(fixed, NULL, 10);
	else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		seed = 1;
	random_state = seed;
	(void)snprintf(row, sizeof row, "NIXIE_TEST_SEED=%" PRIu64, seed);
	test_row = row;
	make_keys();
	for (unsigned step = 0; step < STEPS; step++) {
		/* phases of growing, and of shrinking to nothing */
		unsigned i = random_below(KEYS), put = step / 2000 % 2 ? 20 : 70, what = random_below(100);
		if (what < put) {
			model[i].value = &values[random_below(sizeof values)];
			map_put(&map, model[i].key, model[i].value);
		} else if (what < 99) {
			WANT(map_take(&map, model[i].key) == model[i].value);
			model[i].value = NULL;
		} else if (random_below(20) == 0) {
			map_clear(&map);
			for (unsigned j = 0; j < KEYS; j++)
				model[j].value = NULL;
		}
		if (step % 97 == 0)
			check_against_model(&map);
	}
	check_against_model(&map);
	map_free(&map);
	WANT(map_get(&map, SV("x")) == NULL);
	WANT(map_take(&map, SV("x")) == NULL);
	test_row = "";
}

static void keys_are_bytes(void **state)
{
	struct map map = { 0 };
	char a, b, c;

	(void)state;
	map_put(&map, sv_make("x\0y", 3), &a);
	map_put(&map, sv_make("x\0z", 3), &b);
	map_put(&map, sv_make("x", 1), &c);
	map_put(&map, sv_make("x\0\0\0\0\0\0\0", 8), &b);
	WANT(map_get(&map, sv_make("x\0y", 3)) == &a);
	WANT(map_get(&map, sv_make("x\0z", 3)) == &b);
	WANT(map_get(&map, sv_make("x", 1)) == &c);
	WANT(map_get(&map, sv_make("x\0", 2)) == NULL);
	WANT_INT(map.n, 4);
	map_put(&map, sv_make("x", 1), &a); /* replaces */
	WANT_INT(map.n, 4);
	WANT(map_get(&map, sv_make("x", 1)) == &a);
	map_free(&map);
}

/* ---- arena ---- */

static void pieces_are_apart_aligned_and_zero(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 16, 17, 4096, 65536, 65537, 1, 300000, 3, 0 };
	struct arena arena = { 0 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		char *pieces[COUNT(sizes)];
		for (size_t i = 0; i < COUNT(sizes); i++) {
			pieces[i] = arena_alloc(&arena, sizes[i]);
			WANT(pieces[i] != NULL);
			WANT_INT((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
			for (size_t j = 0; j < sizes[i]; j++)
				if (pieces[i][j])
					fail_msg("byte %zu of piece %zu is not zero in round %d", j, i, round);
			memset(pieces[i], (int)i + 1, sizes[i]);
		}
		for (size_t i = 0; i < COUNT(sizes); i++)
			for (size_t j = 0; j < sizes[i]; j++)
				if (pieces[i][j] != (char)(i + 1))
					fail_msg("piece %zu was overwritten in round %d", i, round);
		WANT(arena.total >= 300000 + 65537 + 65536);
		arena_reset(&arena);
		WANT(arena.total <= ARENA_KEEP_BYTES && arena.used == 0);
	}
	arena_free(&arena);
	WANT_INT(arena.total, 0);
	WANT(arena_alloc(&arena, 1) != NULL); /* a freed arena is an empty one */
	arena_free(&arena);
}

static void copies(void **state)
{
	struct arena arena = { 0 };
	char text[] = "text";

	(void)state;
	struct sv kept = arena_dup(&arena, sv_of(text));
	text[0] = 'n';
	WANT_TEXT(kept, "text");
	WANT_INT(kept.p[kept.n], '\0');
	struct sv empty = arena_dup(&arena, sv_make(NULL, 0));
	WANT(empty.p && empty.n == 0 && *empty.p == '\0');
	WANT_TEXT(arena_printf(&arena, "%d/%.*s", 7, SV_ARG(kept)), "7/text");
	WANT_TEXT(arena_printf(&arena, "%s", ""), "");
	struct sv longer = arena_printf(&arena, "%0100000d", 1);
	WANT_INT(longer.n, 100000);
	WANT_INT(longer.p[longer.n - 1], '1');
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_does_as_its_model),
		cmocka_unit_test(keys_are_bytes),
		cmocka_unit_test(pieces_are_apart_aligned_and_zero),
		cmocka_unit_test(copies),
	};

	return RUN(tests);
}
