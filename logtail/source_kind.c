/* A log by its kind: what is the same for all, and the way to what is not. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "logname.h"
#include "source_ops.h"

static bool is_fifo(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

static const struct source_ops *ops_of(const char *path)
{
	switch (logname_kind(path)) {
	case LOGNAME_JOURNAL:
		return &source_journal_ops;
	case LOGNAME_SYSLOG:
		return &source_socket_ops;
	case LOGNAME_STDIN:
		return &source_stream_ops;
	case LOGNAME_FILE:
	case LOGNAME_GLOB:
		break;
	}
	return is_fifo(path) ? &source_stream_ops : &source_file_ops;
}

static void set_ops(struct source *s, const struct source_ops *ops)
{
	s->ops = ops;
	s->stream = !ops->resume;
	ops->init(s);
}

void source_init(struct source *s, const char *host, const char *path)
{
	*s = (struct source){ .fd = -1, .host = host };
	(void)snprintf(s->path, sizeof s->path, "%s", path);
	logname_source(host, s->path, s->name, sizeof s->name);
	set_ops(s, ops_of(s->path));
}

void source_free(struct source *s)
{
	s->ops->close(s);
	free(s->buffer);
}

bool source_resume(struct source *s, const struct position *const *places, size_t n, bool start_at_end)
{
	return s->stream || s->ops->resume(s, places, n, start_at_end);
}

bool source_is_at(const struct source *s, const struct position *p)
{
	return !s->stream && s->ops->is_at(s, p);
}

void source_renumber(struct source *s, const struct position *p)
{
	s->generation = p->generation;
	if (s->counts)
		s->offset = p->offset;
}

enum source_result source_next(struct source *s, struct sv *line_r)
{
	enum source_result result = s->ops->next(s, line_r);

	/* it came after us, and no file came */
	if (result == SOURCE_MISSING && s->ops == &source_file_ops && is_fifo(s->path)) {
		s->ops->close(s);
		free(s->buffer);
		set_ops(s, &source_stream_ops);
		result = s->ops->next(s, line_r);
	}
	return result;
}

bool source_is_draining(const struct source *s)
{
	return s->ops->is_draining && s->ops->is_draining(s);
}

void source_position(struct source *s, struct arena *arena, int64_t time_s, struct position *p)
{
	*p = (struct position){ .source = sv_of(s->name), .generation = s->generation, .offset = s->offset, .time_s = time_s };
	if (!s->stream)
		s->ops->position(s, arena, p);
}

uint64_t source_size(const struct source *s)
{
	return s->ops->size ? s->ops->size(s) : 0;
}

bool source_has_more(const struct source *s)
{
	return source_size(s) > s->read_offset;
}

void source_tell(const struct source *s, char *text, size_t size)
{
	if (s->stream)
		(void)snprintf(text, size, "reading %s", s->path);
	else
		s->ops->tell(s, text, size);
}

void source_read_back(struct source *s, size_t max_bytes, source_line_callback *callback, void *arg)
{
	if (!s->stream)
		s->ops->read_back(s, max_bytes, callback, arg);
}

/* ---- waiting ---- */

void source_poll(const struct source *s, struct pollfd *p)
{
	bool wakes = s->ops->events && !s->closed;

	*p = (struct pollfd){ .fd = wakes ? s->fd : -1, .events = wakes && s->fd >= 0 ? s->ops->events(s) : 0 };
}

int64_t source_timeout_ms(const struct source *s)
{
	return s->ops->timeout_ms ? s->ops->timeout_ms(s) : -1;
}

void source_serve(struct source *s, bool hold)
{
	if (s->ops->serve)
		s->ops->serve(s, hold);
}

/* ---- lines of a buffer ---- */

size_t source_make_room(struct source *s, size_t size, size_t n)
{
	if (s->start > 0 && size - s->end < n) {
		memmove(s->buffer, s->buffer + s->start, s->end - s->start);
		s->end -= s->start;
		s->start = 0;
	}
	return size - s->end;
}

bool source_take_line(struct source *s, struct sv *line_r)
{
	for (;;) {
		/* the hole that a writer leaves who goes on where a truncated file ended */
		while (s->start < s->end && !s->skipping && s->buffer[s->start] == '\0')
			s->start++;
		struct sv have = sv_make(s->buffer + s->start, s->end - s->start);
		size_t n = sv_find(have, '\n');
		bool ended = n < have.n, whole = ended || (s->final && have.n);
		if (!whole && n <= LINE_BYTES_MAX)
			return false;
		bool too_long = s->skipping || n > LINE_BYTES_MAX;
		s->start += ended ? n + 1 : n;
		s->skipping = !whole;
		if (!whole)
			return false;
		s->offset = s->read_offset - (s->end - s->start);
		s->lines++;
		if (too_long) {
			s->long_lines++;
			s->missed++;
			s->missed_lines++;
			continue;
		}
		*line_r = sv_make(have.p, n);
		return true;
	}
}

void source_put_back(struct source *s, struct sv line)
{
	s->lines--;
	if (s->ops->put_back) {
		s->ops->put_back(s);
		return;
	}
	s->start = (size_t)(line.p - s->buffer);
	s->offset = s->read_offset - (s->end - s->start);
}

void source_leave(struct source *s)
{
	if (s->ops->leave)
		s->ops->leave(s);
}
