#include "prefilter.h"

#include <stdlib.h>

#include "arena.h"

/* A bit per hash of so many bytes says whether any word has them: 8 KiB, stays in the first cache. */
#define GRAM ((size_t)3)
#define BITS 16
#define BUCKETS 4096

_Static_assert(GRAM <= LITERAL_BYTES_MIN, "every word has these many bytes");

struct word {
	struct word *next;
	struct user *users;
	size_t at; /* where in the word those bytes are */
	struct literal literal;
};

/* A pattern that has the word in its set. */
struct user {
	struct user *next;
	size_t pattern;
};

struct prefilter {
	struct arena arena;
	size_t n;
	uint64_t bits[(1u << BITS) / 64];
	struct word *buckets[BUCKETS];
};

struct prefilter *prefilter_new(void)
{
	return xalloc(sizeof(struct prefilter));
}

void prefilter_free(struct prefilter *f)
{
	if (!f)
		return;
	arena_free(&f->arena);
	free(f);
}

static uint32_t gram_at(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16;
}

static uint32_t hash_of(uint32_t gram)
{
	return gram * 2654435761u;
}

/* Rare letters tell more; blanks and vowels are everywhere. */
static unsigned rarity(const char *p)
{
	static const char by_frequency[] = " etaoinsrhldcumfpgwybvkxjqz";
	unsigned sum = 0;

	for (size_t i = 0; i < GRAM; i++) {
		const char *hit = p[i] ? strchr(by_frequency, p[i]) : NULL;
		sum += hit ? (unsigned)(hit - by_frequency) : 20;
	}
	return sum;
}

static size_t best_place(const struct literal *literal)
{
	size_t best = 0;

	for (size_t i = 1; i + GRAM <= literal->n; i++)
		if (rarity(literal->bytes + i) > rarity(literal->bytes + best))
			best = i;
	return best;
}

/* The one of this spelling, made if need be. */
static struct word *word_of(struct prefilter *f, const struct literal *literal)
{
	size_t at = best_place(literal);
	uint32_t h = hash_of(gram_at(literal->bytes + at));
	struct word **bucket = &f->buckets[h % BUCKETS], *w;

	for (w = *bucket; w; w = w->next)
		if (w->literal.n == literal->n && memcmp(w->literal.bytes, literal->bytes, literal->n) == 0)
			return w;
	w = arena_alloc(&f->arena, sizeof *w);
	*w = (struct word){ .next = *bucket, .at = at, .literal = *literal };
	*bucket = w;
	f->bits[h >> (32 - BITS) >> 6] |= UINT64_C(1) << (h >> (32 - BITS) & 63);
	return w;
}

void prefilter_add(struct prefilter *f, const struct literal_set *words)
{
	for (size_t i = 0; i < words->n; i++) {
		struct word *w = word_of(f, &words->v[i]);
		struct user *u = arena_alloc(&f->arena, sizeof *u);
		*u = (struct user){ w->users, f->n };
		w->users = u;
	}
	f->n++;
}

void prefilter_scan(const struct prefilter *f, struct sv text, prefilter_callback *callback, void *arg)
{
	for (size_t i = 0; i + GRAM <= text.n; i++) {
		uint32_t h = hash_of(gram_at(text.p + i));
		if (!(f->bits[h >> (32 - BITS) >> 6] >> (h >> (32 - BITS) & 63) & 1))
			continue;
		for (const struct word *w = f->buckets[h % BUCKETS]; w; w = w->next) {
			if (i < w->at || w->literal.n > text.n - (i - w->at))
				continue;
			if (memcmp(text.p + i - w->at, w->literal.bytes, w->literal.n) != 0)
				continue;
			for (const struct user *u = w->users; u; u = u->next)
				callback(arg, u->pattern);
		}
	}
}
