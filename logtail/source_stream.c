/* A stream of bytes: standard input, and a FIFO, whose writers may go away and come back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "logname.h"
#include "source_ops.h"

static bool is_standard(const struct source *s)
{
	return logname_kind(s->path) == LOGNAME_STDIN;
}

static void stream_init(struct source *s)
{
	s->buffer = xalloc(SOURCE_BUFFER_BYTES);
	s->anchor.time_s = clock_now_s();
	if (!is_standard(s))
		return;
	s->fd = dup(STDIN_FILENO);
	int flags = s->fd >= 0 ? fcntl(s->fd, F_GETFL) : -1;
	if (flags >= 0)
		(void)fcntl(s->fd, F_SETFL, flags | O_NONBLOCK);
}

static void stream_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* As its own writer too: so it never ends. */
static bool open_fifo(struct source *s)
{
	struct stat st;
	int fd = open(s->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode)) {
		(void)snprintf(s->problem, sizeof s->problem, "%.120s: %s%s", s->path, fd < 0 ? strerror(errno) : "is no FIFO any more; start again",
			fd < 0 && errno == EACCES ? "; let the user of nixie-logtail read and write it" : "");
		if (fd >= 0)
			close(fd);
		return false;
	}
	stream_close(s);
	s->fd = fd;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return true;
}

/* Another FIFO in its place: this one's writers are gone. */
static bool was_replaced(const struct source *s)
{
	struct stat st;

	return stat(s->path, &st) == 0 && S_ISFIFO(st.st_mode) && (st.st_ino != s->inode || st.st_dev != s->device);
}

static bool fill(struct source *s)
{
	size_t room = source_make_room(s, SOURCE_BUFFER_BYTES, 1);
	ssize_t n = read(s->fd, s->buffer + s->end, room);

	if (is_standard(s) && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)))
		s->closed = s->final = true;
	if (n <= 0)
		return false;
	s->end += (size_t)n;
	s->read_offset += (uint64_t)n;
	return true;
}

static enum source_result next(struct source *s, struct sv *line_r)
{
	if (s->fd < 0 && (is_standard(s) || !open_fifo(s)))
		return SOURCE_MISSING;
	for (;;) {
		if (source_take_line(s, line_r))
			return SOURCE_LINE;
		if (fill(s) || (s->closed && s->end > s->start))
			continue;
		if (is_standard(s) || !was_replaced(s) || !open_fifo(s))
			return SOURCE_END;
	}
}

static short events(const struct source *s)
{
	(void)s;
	return POLLIN;
}

const struct source_ops source_stream_ops = { .init = stream_init, .close = stream_close, .next = next, .events = events };
