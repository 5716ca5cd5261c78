#include "hmac.h"

static void hash_behind(const unsigned char key[SHA256_BLOCK], unsigned char pad, struct sv message, unsigned char digest[SHA256_BYTES])
{
	struct sha256 hash;
	char block[SHA256_BLOCK];

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (char)(key[i] ^ pad);
	sha256_start(&hash);
	sha256_add(&hash, sv_make(block, sizeof block));
	sha256_add(&hash, message);
	sha256_end(&hash, digest);
}

void hmac_sha256(struct sv key, struct sv message, unsigned char mac[HMAC_BYTES])
{
	unsigned char block[SHA256_BLOCK] = { 0 }, inner[SHA256_BYTES];

	if (key.n > sizeof block) {
		struct sha256 hash;
		sha256_start(&hash);
		sha256_add(&hash, key);
		sha256_end(&hash, block);
	} else if (key.n) {
		memcpy(block, key.p, key.n);
	}
	hash_behind(block, 0x36, message, inner);
	hash_behind(block, 0x5c, sv_make((const char *)inner, sizeof inner), mac);
}

bool hmac_same(const void *a, const void *b, size_t n)
{
	const volatile unsigned char *x = a, *y = b;
	unsigned char differ = 0;

	for (size_t i = 0; i < n; i++)
		differ |= x[i] ^ y[i];
	return differ == 0;
}
