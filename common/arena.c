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

static void *checked(void *p, size_t size)
{
	if (!p) {
		log_fatal("out of memory (%zu bytes wanted)", size);
		_Exit(1);
	}
	return p;
}

void *xalloc(size_t size)
{
	return checked(calloc(1, size ? size : 1), size);
}

static void *xmalloc(size_t size)
{
	return checked(malloc(size), size);
}

/* A block with room for `want` bytes in front; one that is spare serves, if it is large enough. */
static void open_block(struct arena *arena, size_t want)
{
	struct arena_block *block = arena->spare;

	if (block && want <= block->size) {
		arena->spare = block->next;
	} else {
		size_t usual = arena->block_bytes ? arena->block_bytes : BLOCK_BYTES, bytes = want > usual ? want : usual;
		block = xmalloc(sizeof *block + bytes);
		block->size = bytes;
		arena->total += bytes;
	}
	block->next = arena->blocks;
	arena->blocks = block;
	arena->used = 0;
}

static char *take(struct arena *arena, size_t size, size_t alignment)
{
	size_t at = (arena->used + alignment - 1) & ~(alignment - 1);

	if (!arena->blocks || at > arena->blocks->size || size > arena->blocks->size - at) {
		open_block(arena, size);
		at = 0;
	}
	arena->used = at + size;
	return arena->blocks->bytes + at;
}

void *arena_take(struct arena *arena, size_t size)
{
	return take(arena, size, _Alignof(max_align_t));
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return memset(arena_take(arena, size), 0, size);
}

struct sv arena_dup(struct arena *arena, struct sv s)
{
	char *p = take(arena, s.n + 1, 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
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

static void free_blocks(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_reset(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	while (block) {
		struct arena_block *next = block->next;
		bool usual = block->size == BLOCK_BYTES && arena->total <= ARENA_KEEP_BYTES;
		if (usual) {
			block->next = arena->spare;
			arena->spare = block;
		} else {
			arena->total -= block->size;
			free(block);
		}
		block = next;
	}
	arena->blocks = NULL;
	arena->used = 0;
}

void arena_free(struct arena *arena)
{
	free_blocks(arena->blocks);
	free_blocks(arena->spare);
	*arena = (struct arena){ 0 };
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
