/*
 * endpoint: stream sockets named as in nixie.conf: "unix:PATH" or "inet:HOST:PORT".
 *
 * All functions end the program with a message when they fail: a benchmark
 * has nothing sensible to do without its peer.
 */
#ifndef NIXIE_BENCH_ENDPOINT_H
#define NIXIE_BENCH_ENDPOINT_H

/* A connected, blocking socket; waits up to two seconds for a peer that is still starting. */
int endpoint_dial(const char *endpoint);

/* A listening, blocking socket; a stale Unix socket of that path is replaced. */
int endpoint_listen(const char *endpoint);

void endpoint_set_nonblocking(int fd);

#endif
