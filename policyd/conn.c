#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"

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
	struct buf b = BUF_ON(c->out);

	buf_add(&b, SV("action="));
	buf_add(&b, sv_of(reply));
	buf_add(&b, SV("\n\n"));
	c->out_n = b.n;
	c->out_at = 0;
}

static void note(char *to, size_t size, struct sv text)
{
	struct buf b = { to, 0, size, false };

	buf_add_clean(&b, sv_head(text, size / 4)); /* a byte can take four */
	(void)buf_cstr(&b);
}

void conn_note(struct conn *c, const struct request *r)
{
	char client[CONN_NAME_MAX];
	struct buf b = BUF_ON(client);

	note(c->recipient, sizeof c->recipient, r->recipient);
	note(c->sender, sizeof c->sender, r->sender);
	note(c->instance, sizeof c->instance, r->instance);
	buf_add(&b, sv_head(r->client_name, 60));
	buf_add_char(&b, '[');
	buf_add(&b, sv_head(r->client_address, 50));
	buf_add_char(&b, ']');
	note(c->client, sizeof c->client, buf_sv(&b));
}
