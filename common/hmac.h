/* hmac: HMAC-SHA256 (RFC 2104): who does not know the key can neither make nor change it. */
#ifndef NIXIE_HMAC_H
#define NIXIE_HMAC_H

#include "sha256.h"

#define HMAC_BYTES SHA256_BYTES

void hmac_sha256(struct sv key, struct sv message, unsigned char mac_r[HMAC_BYTES]);

/* Are the bytes the same? It takes as long whatever they are: time tells nothing of where they differ. */
bool hmac_same(const void *a, const void *b, size_t n) NIXIE_MUST_CHECK;

#endif
