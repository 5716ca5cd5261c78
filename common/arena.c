#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

#define BLOCK_BYTES ((size_t)64 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(max_align_t) char bytes[];
};

void *xalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p) {
		log_fatal("out of memory (%zu bytes wanted)", size);
		_Exit(1);
	}
	return p;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t want = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);

	if (!arena->blocks || want > arena->blocks->size - arena->used) {
		size_t bytes = want > BLOCK_BYTES ? want : BLOCK_BYTES;
		struct arena_block *block = xalloc(sizeof *block + bytes);
		block->size = bytes;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->used = 0;
		arena->total += bytes;
	}
	void *p = arena->blocks->bytes + arena->used;
	arena->used += want;
	return memset(p, 0, want);
}

struct sv arena_dup(struct arena *arena, struct sv s)
{
	char *p = arena_alloc(arena, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return sv_make(p, s.n);
}

struct sv arena_printf(struct arena *arena, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	int n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		return sv_make("", 0);
	char *p = arena_alloc(arena, (size_t)n + 1);
	va_start(ap, format);
	(void)vsnprintf(p, (size_t)n + 1, format, ap);
	va_end(ap);
	return sv_make(p, (size_t)n);
}

static void drop_blocks(struct arena *arena, struct arena_block *keep)
{
	struct arena_block *block = arena->blocks;

	while (block) {
		struct arena_block *next = block->next;
		if (block != keep)
			free(block);
		block = next;
	}
	arena->blocks = keep;
	arena->used = 0;
	arena->total = keep ? keep->size : 0;
	if (keep)
		keep->next = NULL;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *last = arena->blocks;

	while (last && last->next) /* the oldest one is of the usual size */
		last = last->next;
	drop_blocks(arena, last);
}

void arena_free(struct arena *arena)
{
	drop_blocks(arena, NULL);
}

void *xgrow(void *array, size_t n, size_t *size, size_t each)
{
	if (n < *size)
		return array;
	size_t more = *size ? *size * 2 : 256;
	char *grown = xalloc(more * each);
	if (n)
		memcpy(grown, array, n * each);
	free(array);
	*size = more;
	return grown;
}

void *arena_grow(struct arena *arena, void *array, size_t n, size_t each)
{
	if ((n & (n - 1)) != 0)
		return array;
	char *grown = arena_alloc(arena, (n ? n * 2 : 1) * each);
	if (n)
		memcpy(grown, array, n * each);
	return grown;
}
