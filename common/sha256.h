/* sha256: FIPS 180-4, for lists that are to be compared and not to be read, and under hmac.h. */
#ifndef NIXIE_SHA256_H
#define NIXIE_SHA256_H

#include "sv.h"

#define SHA256_BYTES 32
#define SHA256_BLOCK 64

/* Of bytes that come in pieces. */
struct sha256 {
	uint32_t h[8];
	uint64_t bytes;
	size_t n; /* of the block that is not full yet */
	unsigned char block[SHA256_BLOCK];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, struct sv bytes);
void sha256_end(struct sha256 *hash, unsigned char digest_r[SHA256_BYTES]);

/* Small letters, terminated. */
#define SHA256_TEXT_MAX 65
void sha256_text(struct sv bytes, char text_r[SHA256_TEXT_MAX]);

#endif
