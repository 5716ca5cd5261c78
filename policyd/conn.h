/* conn: one client: bytes in, one question at a time, bytes out.
 *
 * Memory is this struct; a buffer only while half a request is there, or an answer
 * that the client does not take. Freed at the end of a turn of the loop, never within it. */
#ifndef NIXIE_CONN_H
#define NIXIE_CONN_H

#include "sv.h"

/* The longest request of any protocol. */
#define CONN_IN_MAX ((size_t)16 * 1024)

struct protocol;

struct conn {
	struct conn *next, *prev; /* of all connections; next: of the dead ones */
	const struct protocol *protocol;
	int fd;                   /* -1: closed */
	uint32_t events;          /* as epoll knows them */
	int mode;                 /* the protocol's own */
	bool waiting;             /* a question is under way */
	bool eof;                 /* the client will say no more */
	bool last;                /* close when `out` is empty */
	char *in;                 /* half a request, and what came behind a question; NULL: nothing */
	size_t in_n, in_size;
	char *out;                /* what the client did not take yet; NULL: nothing */
	size_t out_n, out_at;
};

enum conn_io { CONN_IO_SOME, CONN_IO_NONE, CONN_IO_END };

/* Reads what is there, at most until CONN_IN_MAX bytes wait. *bytes_r: all that waits; valid until
 * another connection reads, unless conn_keep() keeps what is left of it. */
enum conn_io conn_read(struct conn *conn, struct sv *bytes_r);
/* What waits, without reading. */
struct sv conn_waiting(const struct conn *conn);
/* These are left of what waited. */
void conn_keep(struct conn *conn, struct sv rest);
bool conn_is_full(const struct conn *conn);

/* Sends, or keeps what the client does not take. `out` is empty before. */
void conn_send(struct conn *conn, struct sv bytes);
/* Sends what was kept. CONN_IO_NONE: the client does not take it now. */
enum conn_io conn_write(struct conn *conn);

/* Frees the buffers. */
void conn_free(struct conn *conn);

#endif
