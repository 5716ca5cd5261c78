#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"

/* All reads go here first: most connections never need a buffer of their own. */
static char shared[CONN_IN_MAX];

struct sv conn_waiting(const struct conn *c)
{
	return sv_make(c->in, c->in_n);
}

void conn_keep(struct conn *c, struct sv rest)
{
	bool own = c->in && rest.p >= c->in && rest.p <= c->in + c->in_size;

	c->in_n = rest.n;
	if (rest.n == 0) {
		free(c->in);
		c->in = NULL;
		c->in_size = 0;
		return;
	}
	if (rest.n > c->in_size) { /* then it is not ours */
		free(c->in);
		c->in_size = rest.n <= 1024 ? 1024 : rest.n <= 4096 ? 4096 : CONN_IN_MAX;
		c->in = xalloc(c->in_size);
	}
	if (own)
		memmove(c->in, rest.p, rest.n);
	else
		memcpy(c->in, rest.p, rest.n);
}

bool conn_is_full(const struct conn *c)
{
	return c->in_n >= CONN_IN_MAX;
}

enum conn_io conn_read(struct conn *c, struct sv *bytes_r)
{
	size_t room = CONN_IN_MAX - c->in_n;
	ssize_t n = room ? recv(c->fd, shared + c->in_n, room, 0) : -1;

	*bytes_r = conn_waiting(c);
	if (n < 0 && (room == 0 || errno == EAGAIN || errno == EINTR))
		return CONN_IO_NONE;
	if (n <= 0)
		return CONN_IO_END;
	if (c->in_n)
		memcpy(shared, c->in, c->in_n);
	*bytes_r = sv_make(shared, c->in_n + (size_t)n);
	return CONN_IO_SOME;
}

/* How many bytes went; -1: the client is gone. */
static ssize_t send_some(struct conn *c, struct sv bytes)
{
	ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
	return n;
}

void conn_send(struct conn *c, struct sv bytes)
{
	ssize_t n = send_some(c, bytes);
	struct sv rest = sv_skip(bytes, n > 0 ? (size_t)n : 0);

	if (rest.n == 0)
		return;
	/* also where the client is gone: conn_write() tells who can close */
	c->out = xalloc(rest.n);
	memcpy(c->out, rest.p, rest.n);
	c->out_n = rest.n;
	c->out_at = 0;
}

enum conn_io conn_write(struct conn *c)
{
	ssize_t n = send_some(c, sv_make(c->out + c->out_at, c->out_n - c->out_at));

	if (n < 0)
		return CONN_IO_END;
	c->out_at += (size_t)n;
	if (c->out_at < c->out_n)
		return CONN_IO_NONE;
	free(c->out);
	c->out = NULL;
	c->out_n = c->out_at = 0;
	return CONN_IO_SOME;
}

void conn_free(struct conn *c)
{
	free(c->in);
	free(c->out);
	free(c);
}
