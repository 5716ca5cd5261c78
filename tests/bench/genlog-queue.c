#include "genlog-queue.h"

#include <err.h>
#include <stddef.h>
#include <stdlib.h>

/* A binary heap on due_us. */
static struct message *heap;
static size_t count, size;

static void swap(size_t a, size_t b)
{
	struct message kept = heap[a];

	heap[a] = heap[b];
	heap[b] = kept;
}

void queue_park(const struct message *m)
{
	size_t at = count++;

	if (count > size) {
		size = size * 2 + 1024;
		heap = realloc(heap, size * sizeof *heap);
		if (heap == NULL)
			err(1, "memory");
	}
	heap[at] = *m;
	while (at > 0 && heap[(at - 1) / 2].due_us > heap[at].due_us) {
		swap(at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static size_t earlier(size_t a, size_t b)
{
	return b < count && heap[b].due_us < heap[a].due_us ? b : a;
}

bool queue_take(uint64_t now_us, struct message *m)
{
	size_t at = 0, least;

	if (count == 0 || heap[0].due_us > now_us)
		return false;
	*m = heap[0];
	heap[0] = heap[--count];
	while ((least = earlier(earlier(at, 2 * at + 1), 2 * at + 2)) != at) {
		swap(at, least);
		at = least;
	}
	return true;
}
