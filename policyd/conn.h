/* conn: one client of the policy service: bytes in, one question at a time, bytes out.
 *
 * Memory per connection is this struct, and a buffer only while half a request
 * is there. Freed at the end of a turn of the loop, never within it. */
#ifndef NIXIE_CONN_H
#define NIXIE_CONN_H

#include "decide.h"
#include "proto.h"

/* What of a client or sender is kept for the log line of a refusal. */
#define CONN_NAME_MAX 128

struct conn {
	struct conn *next, *prev; /* of all connections; next: of the dead ones */
	int fd;                   /* -1: closed */
	uint32_t events;          /* as epoll knows them */
	char *in;                 /* half a request, and what came behind a question; NULL: nothing */
	size_t in_n, in_size;
	bool waiting;             /* a question is under way at the store */
	bool eof;                 /* the client will say no more */
	size_t out_n, out_at;
	char out[DECIDE_REPLY_MAX + 16];
	/* of the question under way, for the log */
	char login[CONN_NAME_MAX * 2], context[CONN_NAME_MAX * 2]; /* for scopes, as the sender */
	char recipient[CONN_NAME_MAX * 2], sender[CONN_NAME_MAX * 4], client_name[CONN_NAME_MAX], client_address[64], instance[64];
};

enum conn_io { CONN_IO_SOME, CONN_IO_NONE, CONN_IO_END };

/* Reads what is there into `in`, up to PROTO_REQUEST_MAX. */
enum conn_io conn_read(struct conn *conn);
/* Writes what is in `out`. CONN_IO_NONE: the client does not take it now. */
enum conn_io conn_write(struct conn *conn);
/* Drops n bytes from the front of `in`. */
void conn_consume(struct conn *conn, size_t n);
/* Puts "action=<reply>" into `out`. */
void conn_answer(struct conn *conn, const char *reply);
/* Keeps what the log line will tell. */
void conn_note(struct conn *conn, const struct request *request);
bool conn_is_full(const struct conn *conn);

#endif
