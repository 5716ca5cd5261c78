#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"

/* All reads go here first: most connections never need a buffer of their own. */
static char shared[PROTO_REQUEST_MAX];

static void keep(struct conn *c, const char *bytes, size_t n)
{
	if (c->in_n + n > c->in_size) {
		size_t size = c->in_n + n < 1024 ? 1024 : c->in_n + n < 4096 ? 4096 : PROTO_REQUEST_MAX;
		char *bigger = xalloc(size);
		if (c->in_n)
			memcpy(bigger, c->in, c->in_n);
		free(c->in);
		c->in = bigger;
		c->in_size = size;
	}
	memcpy(c->in + c->in_n, bytes, n);
	c->in_n += n;
}

bool conn_is_full(const struct conn *c)
{
	return c->in_n >= PROTO_REQUEST_MAX;
}

enum conn_io conn_read(struct conn *c)
{
	size_t room = PROTO_REQUEST_MAX - c->in_n;
	ssize_t n = room ? read(c->fd, shared, room) : -1;

	if (n < 0 && (room == 0 || errno == EAGAIN || errno == EINTR))
		return CONN_IO_NONE;
	if (n <= 0)
		return CONN_IO_END;
	keep(c, shared, (size_t)n);
	return CONN_IO_SOME;
}

enum conn_io conn_write(struct conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CONN_IO_NONE : CONN_IO_END;
	c->out_at += (size_t)n;
	if (c->out_at < c->out_n)
		return CONN_IO_NONE;
	c->out_at = c->out_n = 0;
	return CONN_IO_SOME;
}

void conn_consume(struct conn *c, size_t n)
{
	c->in_n -= n;
	if (c->in_n) {
		memmove(c->in, c->in + n, c->in_n);
		return;
	}
	free(c->in);
	c->in = NULL;
	c->in_size = 0;
}

void conn_answer(struct conn *c, const char *reply)
{
	static const char action[] = "action=";
	size_t n = strlen(reply); /* at most DECIDE_REPLY_MAX - 1: `out` has room for all */

	memcpy(c->out, action, sizeof action - 1);
	memcpy(c->out + sizeof action - 1, reply, n);
	memcpy(c->out + sizeof action - 1 + n, "\n\n", 2);
	c->out_n = sizeof action - 1 + n + 2;
	c->out_at = 0;
}

/* Cut, not cleaned: the log's writer does that, for the few that are logged. */
static void note(char *to, size_t size, struct sv text)
{
	size_t n = text.n < size ? text.n : size - 1;

	if (n)
		memcpy(to, text.p, n);
	to[n] = '\0';
}

void conn_note(struct conn *c, const struct request *r)
{
	note(c->recipient, sizeof c->recipient, r->recipient);
	note(c->sender, sizeof c->sender, r->sender);
	note(c->instance, sizeof c->instance, r->instance);
	note(c->login, sizeof c->login, r->login);
	note(c->context, sizeof c->context, r->context);
	note(c->client_name, sizeof c->client_name, r->client_name);
	note(c->client_address, sizeof c->client_address, r->client_address);
}
