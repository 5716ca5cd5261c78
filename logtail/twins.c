#include "twins.h"

#include <stdlib.h>

#include "arena.h"

/* Some batches of lines: one log may be so much ahead of the other. */
#define SLOTS ((size_t)8192)

struct twins {
	struct slot { uint64_t hash; size_t log; } slots[SLOTS]; /* hash 0: none */
};

struct twins *twins_new(void)
{
	return xalloc(sizeof(struct twins));
}

void twins_free(struct twins *twins)
{
	free(twins);
}

size_t twins_add(struct twins *twins, struct sv line, size_t log)
{
	uint64_t hash = sv_hash(line);
	struct slot *slot = &twins->slots[hash % SLOTS];
	size_t other = hash && slot->hash == hash && slot->log != log ? slot->log : TWINS_NONE;

	*slot = (struct slot){ hash, log };
	return other;
}
