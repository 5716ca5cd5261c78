/* sha256: FIPS 180-4, for lists that are to be compared and not to be read. Not for secrets. */
#ifndef NIXIE_SHA256_H
#define NIXIE_SHA256_H

#include "sv.h"

/* Small letters, terminated. */
#define SHA256_TEXT_MAX 65
void sha256_text(struct sv bytes, char text_r[SHA256_TEXT_MAX]);

#endif
