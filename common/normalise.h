/* normalise: what replies of one kind have in common: addresses, hosts, numbers and
 * the like stand as {addr}, {host}, {ip}, {url}, {n} and {id}. Pure. */
#ifndef NIXIE_NORMALISE_H
#define NIXIE_NORMALISE_H

#include "buf.h"

/* More of a text is cut off. */
#define NORMALISE_MAX 256

/* text: as an MTA logged it (reply.h). Comes out as code, enhanced status and words. */
void normalise_failure(struct sv text, struct buf *out);

#endif
