/* map: hash table from a borrowed string to a pointer.
 *
 * The key belongs to whoever owns the value and must live as long as the pair.
 * Open addressing with linear probing; grows at three quarters. The seed makes
 * collisions unpredictable to strangers who choose the keys. */
#ifndef NIXIE_MAP_H
#define NIXIE_MAP_H

#include "sv.h"

struct map_slot {
	struct sv key;
	void *value; /* NULL: free */
	uint64_t hash;
};

struct map {
	struct map_slot *slots;
	size_t size, n; /* size: a power of two, 0 before the first use */
};

void *map_get(const struct map *map, struct sv key);


/* Adds or replaces; value is not NULL. */
void map_put(struct map *map, struct sv key, void *value);

/* Returns the value that was taken out, NULL when there was none. */
void *map_take(struct map *map, struct sv key);

/* The same three for who has the hash at hand: that of map_hash(), or always another one. */
uint64_t map_hash(struct sv key);
void *map_find(const struct map *map, struct sv key, uint64_t hash);
void map_add(struct map *map, struct sv key, uint64_t hash, void *value);
void *map_remove(struct map *map, struct sv key, uint64_t hash);

/* Next pair after *position (start with 0); NULL at the end. No changes in between. */
struct map_slot *map_next(const struct map *map, size_t *position);

void map_clear(struct map *map); /* keeps the table */
void map_free(struct map *map);  /* the table only, not the values */

#endif
