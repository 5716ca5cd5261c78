/* listen: sockets to listen on, from unix:PATH and inet:HOST:PORT. */
#ifndef NIXIE_LISTEN_H
#define NIXIE_LISTEN_H

#include <sys/types.h>

#include "err.h"

#define LISTEN_BACKLOG 1024
/* Of all protocols together. */
#define LISTENERS_MAX 48

/* A non-blocking descriptor; -1 and *err on failure. A socket file that nobody
 * listens on any more is replaced, one that somebody does is not. */
int listen_open(const char *endpoint, unsigned mode, struct err *err);

/* A socket file becomes that user's, who can remove it then, and that group's (-1: it keeps its own). */
bool listen_give(const char *endpoint, uid_t uid, gid_t gid, struct err *err) NIXIE_MUST_CHECK;

/* Closes, and removes the socket file. */
void listen_close(int fd, const char *endpoint);

#endif
