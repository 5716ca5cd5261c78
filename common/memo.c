#include "memo.h"

#include <stdlib.h>

#include "arena.h"

struct slot {
	uint64_t hash;
	uint32_t key_n;
	char key[MEMO_KEY_MAX];
	_Alignas(16) char value[MEMO_VALUE_MAX];
};

struct memo {
	struct slot slots[MEMO_SLOTS];
};

struct memo *memo_new(void)
{
	return xalloc(sizeof(struct memo));
}

void memo_free(struct memo *memo)
{
	free(memo);
}

/* Eight bytes at a time; who wants to push others out of the memo may: it costs time, nothing else. */
static uint64_t hash_of(struct sv key)
{
	uint64_t h = key.n * 0x9e3779b97f4a7c15u;

	while (key.n) {
		uint64_t part = 0;
		size_t n = key.n < sizeof part ? key.n : sizeof part;
		memcpy(&part, key.p, n);
		h = (h ^ part) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
		key = sv_skip(key, n);
	}
	return h;
}

/* Each place has two slots, the one that was filled last in front. */
static size_t place_of(uint64_t hash)
{
	return (hash >> 32) % (MEMO_SLOTS / 2) * 2;
}

static bool is_at(const struct slot *s, uint64_t hash, struct sv key)
{
	return s->hash == hash && key.n && sv_eq(sv_make(s->key, s->key_n), key);
}

const void *memo_get(const struct memo *memo, struct sv key)
{
	uint64_t hash = hash_of(key);
	const struct slot *s = &memo->slots[place_of(hash)];

	return is_at(s, hash, key) ? s->value : is_at(s + 1, hash, key) ? s[1].value : NULL;
}

void memo_put(struct memo *memo, struct sv key, const void *value, size_t size)
{
	uint64_t hash = hash_of(key);
	struct slot *s = &memo->slots[place_of(hash)];

	if (key.n > MEMO_KEY_MAX || size > MEMO_VALUE_MAX)
		return;
	s[1] = s[0];
	s->hash = hash;
	s->key_n = (uint32_t)key.n;
	if (key.n)
		memcpy(s->key, key.p, key.n);
	memcpy(s->value, value, size);
}
