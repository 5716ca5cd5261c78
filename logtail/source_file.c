#include "source_file_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "source_files.h"
#include "source_open.h"
#include "unpack.h"
#include "year.h"

/* Lines of several daemons are not in order to the second. */
#define OVERLAP_S 2

void source_file_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->start = s->end = 0;
	s->skipping = s->final = s->next_told = s->moved = false;
	s->quiet_since_ms = s->rewritten_ms = 0;
}

static void file_init(struct source *s)
{
	s->buffer = xalloc(SOURCE_BUFFER_BYTES);
}

/* ---- identity ---- */

static bool pread_all(int fd, char *to, size_t n, uint64_t at)
{
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return true;
}

static bool hash_range(int fd, uint64_t from, uint64_t n, uint64_t *hash_r)
{
	char bytes[SOURCE_HEAD_BYTES];

	if (n > sizeof bytes || !pread_all(fd, bytes, (size_t)n, from))
		return false;
	*hash_r = sv_hash(sv_make(bytes, (size_t)n));
	return true;
}

uint64_t source_file_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t size_of(const struct source *s)
{
	return s->fd >= 0 ? source_file_bytes(s->fd) : 0;
}

bool source_file_matches(int fd, const struct position *p)
{
	uint64_t head, tail;

	return source_file_bytes(fd) >= p->offset && hash_range(fd, 0, p->head_bytes, &head) && head == p->head_hash &&
		p->tail_bytes <= p->offset && hash_range(fd, p->offset - p->tail_bytes, p->tail_bytes, &tail) &&
		tail == p->tail_hash;
}

/* ---- opening ---- */

bool source_file_open(struct source *s, const char *path)
{
	struct stat st;
	int fd = source_open(path, &st, s->problem);

	if (fd < 0)
		return false;
	source_file_close(s);
	s->opened++;
	s->fd = fd;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	s->offset = s->read_offset = 0;
	s->head_n = s->seen_n = 0;
	(void)snprintf(s->open_path, sizeof s->open_path, "%s", path);
	s->problem[0] = '\0';
	return true;
}

size_t source_file_peek(const void *source, uint64_t at, char *to, size_t n)
{
	ssize_t got = pread(((const struct source *)source)->fd, to, n, (off_t)at);

	return got > 0 ? (size_t)got : 0;
}

/* What the file begins with, and the last bytes read. */
static void remember_seen(struct source *s)
{
	if (s->head_n < SOURCE_HEAD_BYTES)
		s->head_n = source_file_peek(s, 0, s->head, s->read_offset < SOURCE_HEAD_BYTES ? (size_t)s->read_offset : SOURCE_HEAD_BYTES);
	s->seen_n = s->read_offset < SOURCE_TAIL_BYTES ? (size_t)s->read_offset : SOURCE_TAIL_BYTES;
	s->seen_n = source_file_peek(s, s->read_offset - s->seen_n, s->seen, s->seen_n);
}

void source_file_go_to(struct source *s, uint64_t offset)
{
	s->head_n = s->seen_n = 0;
	s->offset = s->read_offset = offset;
	s->start = s->end = 0;
	s->skipping = s->final = false;
	s->rewritten_ms = 0;
	remember_seen(s);
}

static void anchor_first_line(struct source *s)
{
	struct stat st;

	if (fstat(s->fd, &st) == 0)
		s->anchor = year_of_first_line(source_file_peek, s, (uint64_t)st.st_size,
			s->before_s && s->before_s < st.st_mtim.tv_sec ? s->before_s : st.st_mtim.tv_sec);
	else
		s->anchor.time_s = clock_now_s();
}

/* Behind the last whole line */
static void go_to_end(struct source *s)
{
	uint64_t size = source_file_bytes(s->fd);
	char c;

	while (size > 0 && pread(s->fd, &c, 1, (off_t)size - 1) == 1 && c != '\n')
		size--;
	source_file_go_to(s, size);
	s->anchor.time_s = clock_now_s();
}

bool source_file_begins_as(const char *path, const struct position *p)
{
	char bytes[SOURCE_HEAD_BYTES];

	return p->head_bytes <= sizeof bytes && source_first_bytes(path, bytes, (size_t)p->head_bytes) == p->head_bytes &&
		sv_hash(sv_make(bytes, (size_t)p->head_bytes)) == p->head_hash;
}

static bool find_position(struct source *s, const struct position *p)
{
	struct candidate *v, other;
	bool found = false;
	size_t n = source_files(s->path, &v);

	s->blocked = false;
	/* the same inode first: identical beginnings and ends do happen */
	for (int pass = 0; pass < 2 && !found; pass++) {
		for (size_t i = 0; i < n && !found && !s->blocked; i++) {
			bool same = v[i].st.st_ino == p->inode && v[i].st.st_dev == p->device;
			/* a place before the first byte is in every file: only the inode tells */
			if (same != (pass == 0) || (pass == 1 && p->offset == 0) || !source_file_begins_as(v[i].path, p))
				continue;
			s->blocked = !source_file_open(s, v[i].path);
			found = !s->blocked && source_file_matches(s->fd, p);
		}
	}
	free(v);
	/* a name that is nobody's sibling: mail-20261121.log, what a link pointed to */
	return found || (!s->blocked && p->offset > 0 && source_file_with(s->path, p->device, p->inode, &other) &&
		source_file_begins_as(other.path, p) && source_file_open(s, other.path) && source_file_matches(s->fd, p));
}

void source_file_open_after(struct source *s, int64_t time_s)
{
	struct candidate *v;
	const struct candidate *best = NULL;
	int64_t best_us = 0;
	size_t n = source_files(s->path, &v);

	for (size_t i = 0; i < n; i++) {
		struct stamp_anchor anchor = { .time_s = time_s };
		struct line line;
		char bytes[4096];
		struct sv text = sv_make(bytes, source_first_bytes(v[i].path, bytes, sizeof bytes));
		if (!line_parse(sv_cut(&text, '\n'), &anchor, &line) || line.time_us / CLOCK_SECOND_US < time_s - OVERLAP_S)
			continue;
		if (!best || line.time_us < best_us) {
			best = &v[i];
			best_us = line.time_us;
		}
	}
	source_file_close(s);
	(void)source_file_open(s, best ? best->path : s->path);
	free(v);
}

/* A log that came while others were followed may have been rotated before it was looked at. */
static bool open_oldest_since(struct source *s)
{
	struct candidate *v;
	size_t n = source_files(s->path, &v), i = 0;

	while (i < n && v[i].st.st_mtim.tv_sec < s->since_s)
		i++;
	bool opened = i < n && source_file_open(s, v[i].path);
	free(v);
	return opened;
}

/* Read to its end, and gone: the next of its name is another log. */
static void leave(struct source *s)
{
	struct stat st;

	/* renamed: its writer may not have been told yet, and what it still writes belongs to this log */
	if (s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_nlink > 0)
		return;
	source_file_close(s);
	s->device = s->inode = s->offset = s->read_offset = 0;
	s->generation++;
}

static bool is_at(const struct source *s, const struct position *p)
{
	return s->fd >= 0 && s->device == p->device && s->inode == p->inode && source_file_matches(s->fd, p);
}

static bool resume(struct source *s, const struct position *const *places, size_t n, bool start_at_end)
{
	const struct position *newest = n ? places[n - 1] : NULL;

	source_file_close(s);
	for (size_t i = 0; i < n; i++) {
		bool found = find_position(s, places[i]);
		if (s->blocked) {
			source_file_close(s);
			return false;
		}
		if (!found)
			continue;
		source_file_go_to(s, places[i]->offset);
		s->generation = places[i]->generation;
		s->anchor.time_s = places[i]->time_s;
		s->missed += i > 0;
		(void)snprintf(s->problem, sizeof s->problem, "%.120s: the place where reading stopped is gone in some partitions", s->path);
		return i == 0;
	}
	s->generation = newest ? newest->generation + 1 : 0;
	s->missed += newest && newest->offset > 0;
	if (!(s->since_s && !newest && open_oldest_since(s)) && !source_file_open(s, s->path) && !newest)
		return true;
	if (newest && newest->offset > 0)
		source_file_open_after(s, newest->time_s);
	if (s->fd < 0)
		return false;
	if (!newest && start_at_end)
		go_to_end(s);
	else
		anchor_first_line(s);
	if (newest)
		(void)snprintf(s->problem, sizeof s->problem,
			"%.120s: the place where reading stopped is gone (rotated away? what is read under another name now counts again)", s->path);
	/* before the first byte there is no end of what was read; else the place is damaged */
	return newest == NULL || (newest->offset == 0 && newest->tail_bytes == 0);
}

/* ---- lines ---- */

/* Reads more bytes behind the buffer's. False: there are none now. */
static bool fill(struct source *s)
{
	s->anchor.latest_s = clock_now_s() + CLOCK_DAY_S;
	if (source_file_rewritten(s) && !source_file_restart(s))
		return false;
	size_t room = source_make_room(s, SOURCE_BUFFER_BYTES, 1);
	ssize_t n = pread(s->fd, s->buffer + s->end, room, (off_t)s->read_offset);
	if (n <= 0)
		return false;
	s->end += (size_t)n;
	s->read_offset += (uint64_t)n;
	s->quiet_since_ms = 0;
	remember_seen(s);
	return true;
}

static enum source_result next(struct source *s, struct sv *line_r)
{
	if (s->fd < 0) {
		if (!source_file_open(s, s->path))
			return SOURCE_MISSING;
		anchor_first_line(s);
	}
	for (;;) {
		if (source_take_line(s, line_r))
			return SOURCE_LINE;
		int64_t looked_ms = clock_mono_ms();
		if (!fill(s) && !source_file_rotated(s, looked_ms))
			return SOURCE_END;
	}
}

static bool is_draining(const struct source *s)
{
	struct stat st;

	return s->quiet_since_ms && stat(s->path, &st) == 0 && st.st_size > 0;
}

static void set_position(struct source *s, struct arena *arena, struct position *p)
{
	p->path = arena_dup(arena, sv_of(s->open_path));
	p->device = s->device;
	p->inode = s->inode;
	p->head_bytes = s->offset < SOURCE_HEAD_BYTES ? s->offset : SOURCE_HEAD_BYTES;
	p->tail_bytes = s->offset < SOURCE_TAIL_BYTES ? s->offset : SOURCE_TAIL_BYTES;
	if (s->fd < 0 || !hash_range(s->fd, 0, p->head_bytes, &p->head_hash) ||
	    !hash_range(s->fd, s->offset - p->tail_bytes, p->tail_bytes, &p->tail_hash))
		p->head_bytes = p->tail_bytes = 0;
	(void)snprintf(p->at, sizeof p->at, "%llx.%llx.%016llx:%llu", (unsigned long long)p->device, (unsigned long long)p->inode,
		(unsigned long long)p->tail_hash, (unsigned long long)p->offset);
}

/* The whole lines of the bytes [at, end). */
static void read_lines(int fd, uint64_t at, uint64_t end, source_line_callback *callback, void *arg)
{
	char *bytes = xalloc(SOURCE_BUFFER_BYTES);
	bool first = at > 0; /* the piece of a line at a place in the middle */
	size_t have = 0;

	while (at < end) {
		size_t want = SOURCE_BUFFER_BYTES - have;
		if (want > end - at)
			want = (size_t)(end - at);
		ssize_t n = want ? pread(fd, bytes + have, want, (off_t)at) : 0;
		if (n <= 0)
			break;
		at += (uint64_t)n;
		have += (size_t)n;
		struct sv rest = sv_make(bytes, have);
		while (sv_find(rest, '\n') < rest.n) {
			struct sv line = sv_cut(&rest, '\n');
			if (!first && line.n <= LINE_BYTES_MAX)
				callback(arg, line);
			first = false;
		}
		memmove(bytes, rest.p, rest.n);
		have = rest.n;
		if (have == SOURCE_BUFFER_BYTES) {
			have = 0; /* no end of line in a whole buffer */
			first = true;
		}
	}
	free(bytes);
}

/* The file before the open one, if it is plain: not worth unpacking. -1: there is none. */
static int open_older(const struct source *s)
{
	struct candidate *v;
	int fd = -1;
	size_t n = source_files(s->path, &v);

	for (size_t i = 1; i < n && fd < 0; i++)
		if (v[i].st.st_ino == s->inode && v[i].st.st_dev == s->device)
			fd = open(v[i - 1].path, O_RDONLY | O_CLOEXEC);
	free(v);
	struct unpack *u = fd >= 0 ? unpack_open(fd) : NULL;
	if (!u)
		return fd;
	unpack_close(u);
	close(fd);
	return -1;
}

static void read_back(struct source *s, size_t max_bytes, source_line_callback *callback, void *arg)
{
	uint64_t at = s->offset > max_bytes ? s->offset - max_bytes : 0, more = max_bytes - (s->offset - at);
	int older = s->fd >= 0 && more ? open_older(s) : -1;

	if (older >= 0) {
		uint64_t size = source_file_bytes(older);
		read_lines(older, size > more ? size - more : 0, size, callback, arg);
		close(older);
	}
	if (s->fd >= 0)
		read_lines(s->fd, at, s->offset, callback, arg);
}

static void tell(const struct source *s, char *text, size_t size)
{
	(void)snprintf(text, size, "reading %s from byte %llu", s->fd >= 0 ? s->open_path : s->path, (unsigned long long)s->offset);
}

const struct source_ops source_file_ops = { .init = file_init, .close = source_file_close, .next = next, .leave = leave, .resume = resume, .is_at = is_at,
	.is_draining = is_draining, .position = set_position, .read_back = read_back, .tell = tell, .size = size_of };
