#include "map.h"

#include <stdlib.h>
#include <sys/random.h>

#include "arena.h"

#define FIRST_SIZE 64

static uint64_t seed; /* 0: not drawn yet */

static uint64_t draw_seed(void)
{
	/* a failing getrandom leaves a fixed seed: slower under attack, never wrong */
	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
		seed = 0x9e3779b97f4a7c15u;
	return seed |= 1;
}

/* 8 bytes at a time, multiply and fold (wyhash's step): keys are addresses of some 25 bytes */
uint64_t map_hash(struct sv key)
{
	uint64_t h = (seed ? seed : draw_seed()) ^ key.n, w;
	size_t i = 0;

	for (; i + 8 <= key.n; i += 8) {
		memcpy(&w, key.p + i, 8);
		__uint128_t m = (__uint128_t)(h ^ w) * 0xa0761d6478bd642fu;
		h = (uint64_t)m ^ (uint64_t)(m >> 64);
	}
	w = 0;
	if (i >= 8) /* the last eight: some of them again */
		memcpy(&w, key.p + key.n - 8, 8);
	else if (key.n)
		memcpy(&w, key.p, key.n);
	__uint128_t m = (__uint128_t)(h ^ w) * 0xe7037ed1a0b428dbu;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* The slot that holds the key, or the free one where it would go. size > n. */
static struct map_slot *slot_of(const struct map *map, struct sv key, uint64_t hash)
{
	size_t mask = map->size - 1;

	for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
		struct map_slot *slot = &map->slots[i];
		if (!slot->value || (slot->hash == hash && sv_eq(slot->key, key)))
			return slot;
	}
}

void *map_find(const struct map *map, struct sv key, uint64_t hash)
{
	return map->n ? slot_of(map, key, hash)->value : NULL;
}

void *map_get(const struct map *map, struct sv key)
{
	return map->n ? slot_of(map, key, map_hash(key))->value : NULL;
}

static void grow(struct map *map)
{
	struct map old = *map;

	map->size = old.size ? old.size * 2 : FIRST_SIZE;
	map->slots = xalloc(map->size * sizeof *map->slots);
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].value)
			*slot_of(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
	free(old.slots);
}

void map_put(struct map *map, struct sv key, void *value)
{
	map_add(map, key, map_hash(key), value);
}

void map_add(struct map *map, struct sv key, uint64_t hash, void *value)
{
	if ((map->n + 1) * 4 > map->size * 3)
		grow(map);
	struct map_slot *slot = slot_of(map, key, hash);
	if (!slot->value)
		map->n++;
	*slot = (struct map_slot){ key, value, hash };
}

void *map_take(struct map *map, struct sv key)
{
	return map_remove(map, key, map_hash(key));
}

void *map_remove(struct map *map, struct sv key, uint64_t hash)
{
	if (map->n == 0)
		return NULL;
	struct map_slot *slot = slot_of(map, key, hash);
	void *value = slot->value;
	if (!value)
		return NULL;
	/* move later members of the run back, so that no probe meets a hole */
	size_t mask = map->size - 1, hole = (size_t)(slot - map->slots);
	for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
		size_t home = (size_t)map->slots[i].hash & mask;
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole].value = NULL;
	map->n--;
	return value;
}

struct map_slot *map_next(const struct map *map, size_t *position)
{
	while (*position < map->size) {
		struct map_slot *slot = &map->slots[(*position)++];
		if (slot->value)
			return slot;
	}
	return NULL;
}

void map_clear(struct map *map)
{
	if (map->size)
		memset(map->slots, 0, map->size * sizeof *map->slots);
	map->n = 0;
}

void map_free(struct map *map)
{
	free(map->slots);
	*map = (struct map){ 0 };
}
