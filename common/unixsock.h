/* unixsock: a Unix socket of our own, as a file with its rights. */
#ifndef NIXIE_UNIXSOCK_H
#define NIXIE_UNIXSOCK_H

#include "err.h"

/* A non-blocking descriptor, bound to the path; -1 and *err on failure. type: SOCK_STREAM or
 * SOCK_DGRAM. A socket file that nobody listens on any more is replaced, one that
 * somebody does is not, and nothing else is. */
int unixsock_bind(const char *path, int type, unsigned mode, struct err *err) NIXIE_MUST_CHECK;

#endif
