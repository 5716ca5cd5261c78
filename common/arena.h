/* arena: memory for one batch: taken piece by piece, given back all at once.
 *
 * Good: nothing to free one by one, nothing to leak in an error path. Bad: a
 * pointer kept past arena_reset() dangles; whatever must live longer is copied.
 * Out of memory ends the program: a mail host without memory for a batch of log
 * lines cannot do better, and the log is read again at the next start. */
#ifndef NIXIE_ARENA_H
#define NIXIE_ARENA_H

#include "sv.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* the newest first */
	struct arena_block *spare;  /* kept by arena_reset() */
	size_t used;                /* of the newest */
	size_t total;               /* bytes held, for bounds and metrics */
	size_t block_bytes;         /* taken at a time; 0: 64 KiB. Set before the first use */
};

/* Aligned for any type, zeroed. Never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
/* The same, not zeroed. */
void *arena_take(struct arena *arena, size_t size);
struct sv arena_dup(struct arena *arena, struct sv s);
struct sv arena_printf(struct arena *arena, const char *format, ...) NIXIE_PRINTF(2, 3);

/* All memory is free for reuse; of what was taken this much is kept (nothing where a
 * sanitizer looks for pointers into what was given back). */
#ifdef __SANITIZE_ADDRESS__
#define ARENA_KEEP_BYTES ((size_t)0)
#else
#define ARENA_KEEP_BYTES ((size_t)128 * 1024)
#endif
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

/* malloc that ends the program when there is none; for start-up and batches */
void *xalloc(size_t size);

/* An array of xalloc() with room for one member more than the n of `each` bytes that it has:
 * itself, or one of twice the size, and *size tells. */
void *xgrow(void *array, size_t n, size_t *size, size_t each);
/* The same of arena_alloc(), which doubles at each power of two and so needs no size. */
void *arena_grow(struct arena *arena, void *array, size_t n, size_t each);

#endif
