#include "source_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "source_files.h"
#include "unpack.h"
#include "year.h"

/* Lines of several daemons are not in order to the second. */
#define OVERLAP_S 2
/* A directory that changes while it is listed is listed again so often. */
#define LIST_AGAIN_MAX 10
/* A clock that is set back, or an hour that the clocks repeat in autumn, makes a younger file
 * begin earlier, but not by more than this. */
#define SET_BACK_S (3 * 3600)

static void close_file(struct source *s)
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

static uint64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t size_of(const struct source *s)
{
	return s->fd >= 0 ? file_size(s->fd) : 0;
}

/* Are the bytes of the stored position in this file? */
static bool matches(int fd, const struct position *p)
{
	uint64_t head, tail;

	return file_size(fd) >= p->offset && hash_range(fd, 0, p->head_bytes, &head) && head == p->head_hash &&
		p->tail_bytes <= p->offset && hash_range(fd, p->offset - p->tail_bytes, p->tail_bytes, &tail) &&
		tail == p->tail_hash;
}

/* ---- opening ---- */

/* An unnamed file with what is in the compressed one, to be read like any other; -1 and
 * the problem. As large as the log was; gone when it is closed. */
static int unpacked(struct source *s, const char *path, struct unpack *u)
{
	const char *directory = getenv("TMPDIR");
	char *bytes = xalloc(SOURCE_BUFFER_BYTES);
	struct err err = { "" };
	ssize_t n = 0;
	int to = open(directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	while (to >= 0 && (n = unpack_read(u, bytes, SOURCE_BUFFER_BYTES, &err)) > 0) {
		if (write(to, bytes, (size_t)n) != n) {
			err_set(&err, "%s", strerror(errno));
			n = -1;
			break;
		}
	}
	free(bytes);
	if (to >= 0 && n == 0)
		return to;
	(void)snprintf(s->problem, sizeof s->problem, "%.120s: cannot be unpacked in %s: %.80s", path, directory ? directory : "/var/tmp",
		to < 0 ? strerror(errno) : err.text);
	if (to >= 0)
		close(to);
	return -1;
}

static const char *advice(int error)
{
	if (error == EACCES)
		return "; let the user of nixie-logtail read it, e.g. adduser nixie adm";
	/* Debian writes no mail.log by default */
	if (error == ENOENT && access("/run/systemd/journal", F_OK) == 0)
		return "; does the mail system log into the journal only? Then set logtail.files = [ \"journal:\" ]";
	return "";
}

/* Its descriptor, or that of what is in it; -1 and the problem. */
static int open_plain(struct source *s, const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for the writer of a FIFO */

	if (fd < 0 || fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) {
		(void)snprintf(s->problem, sizeof s->problem, "%.120s: %s%s", path, fd < 0 ? strerror(errno) : "not a regular file", fd < 0 ? advice(errno) : "");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	struct unpack *u = unpack_open(fd);
	if (!u && unpack_is_foreign(fd)) {
		(void)snprintf(s->problem, sizeof s->problem, "%.120s: is compressed with bzip2; unpack it first", path);
		close(fd);
		return -1;
	}
	if (!u)
		return fd;
	int to = unpacked(s, path, u);
	/* its last line is of that time */
	struct timespec times[2] = { st->st_mtim, { .tv_sec = unpack_time_s(u) ? unpack_time_s(u) : st->st_mtim.tv_sec } };
	if (to >= 0)
		(void)futimens(to, times);
	unpack_close(u);
	close(fd);
	return to;
}

static bool open_file(struct source *s, const char *path)
{
	struct stat st;
	int fd = open_plain(s, path, &st);

	if (fd < 0)
		return false;
	close_file(s);
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

static size_t peek(const void *source, uint64_t at, char *to, size_t n)
{
	ssize_t got = pread(((const struct source *)source)->fd, to, n, (off_t)at);

	return got > 0 ? (size_t)got : 0;
}

/* What the file begins with, and the last bytes read. */
static void remember_seen(struct source *s)
{
	if (s->head_n < SOURCE_HEAD_BYTES)
		s->head_n = peek(s, 0, s->head, s->read_offset < SOURCE_HEAD_BYTES ? (size_t)s->read_offset : SOURCE_HEAD_BYTES);
	s->seen_n = s->read_offset < SOURCE_TAIL_BYTES ? (size_t)s->read_offset : SOURCE_TAIL_BYTES;
	s->seen_n = peek(s, s->read_offset - s->seen_n, s->seen, s->seen_n);
}

static void go_to(struct source *s, uint64_t offset)
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
		s->anchor = year_of_first_line(peek, s, (uint64_t)st.st_size,
			s->before_s && s->before_s < st.st_mtim.tv_sec ? s->before_s : st.st_mtim.tv_sec);
	else
		s->anchor.time_s = clock_now_s();
}

/* Behind the last whole line */
static void go_to_end(struct source *s)
{
	uint64_t size = file_size(s->fd);
	char c;

	while (size > 0 && pread(s->fd, &c, 1, (off_t)size - 1) == 1 && c != '\n')
		size--;
	go_to(s, size);
	s->anchor.time_s = clock_now_s();
}

/* Asked first: a compressed file that is another one need not be unpacked. */
static bool begins_as(const char *path, const struct position *p)
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
			if (same != (pass == 0) || (pass == 1 && p->offset == 0) || !begins_as(v[i].path, p))
				continue;
			s->blocked = !open_file(s, v[i].path);
			found = !s->blocked && matches(s->fd, p);
		}
	}
	free(v);
	/* a name that is nobody's sibling: mail-20261121.log, what a link pointed to */
	return found || (!s->blocked && p->offset > 0 && source_file_with(s->path, p->device, p->inode, &other) &&
		begins_as(other.path, p) && open_file(s, other.path) && matches(s->fd, p));
}

/* The file that was read is gone: of those that are left, the one whose first line is
 * the next after the last line that was read. */
static void open_oldest_after(struct source *s, int64_t time_s)
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
	close_file(s);
	(void)open_file(s, best ? best->path : s->path);
	free(v);
}

/* A log that came while others were followed may have been rotated before it was looked at. */
static bool open_oldest_since(struct source *s)
{
	struct candidate *v;
	size_t n = source_files(s->path, &v), i = 0;

	while (i < n && v[i].st.st_mtim.tv_sec < s->since_s)
		i++;
	bool opened = i < n && open_file(s, v[i].path);
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
	close_file(s);
	s->device = s->inode = s->offset = s->read_offset = 0;
	s->generation++;
}

static bool is_at(const struct source *s, const struct position *p)
{
	return s->fd >= 0 && s->device == p->device && s->inode == p->inode && matches(s->fd, p);
}

static bool resume(struct source *s, const struct position *const *places, size_t n, bool start_at_end)
{
	const struct position *newest = n ? places[n - 1] : NULL;

	close_file(s);
	for (size_t i = 0; i < n; i++) {
		bool found = find_position(s, places[i]);
		if (s->blocked) {
			close_file(s);
			return false;
		}
		if (!found)
			continue;
		go_to(s, places[i]->offset);
		s->generation = places[i]->generation;
		s->anchor.time_s = places[i]->time_s;
		s->missed += i > 0;
		(void)snprintf(s->problem, sizeof s->problem, "%.120s: the place where reading stopped is gone in some partitions", s->path);
		return i == 0;
	}
	s->generation = newest ? newest->generation + 1 : 0;
	s->missed += newest && newest->offset > 0;
	if (!(s->since_s && !newest && open_oldest_since(s)) && !open_file(s, s->path) && !newest)
		return true;
	if (newest && newest->offset > 0)
		open_oldest_after(s, newest->time_s);
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

/* ---- rotation ---- */

/* Where the file goes on that begins with the same head_n bytes: behind the last that were
 * read; 0: they are nowhere. */
static uint64_t find_tail(const struct source *s, size_t head_n, const char *tail, size_t n)
{
	if (head_n < SOURCE_HEAD_BYTES)
		return head_n; /* no more than that was read; a short end may be there again, further on */
	char *bytes = xalloc(SOURCE_BUFFER_BYTES);
	uint64_t size = file_size(s->fd), found = 0;

	for (uint64_t at = 0; n && at < size; at += SOURCE_BUFFER_BYTES - SOURCE_TAIL_BYTES) {
		size_t got = peek(s, at, bytes, SOURCE_BUFFER_BYTES);
		struct sv rest = sv_make(bytes, got);
		size_t hit;
		/* the last occurrence: a line's end may be there more than once */
		while ((hit = sv_find_sv(rest, sv_make(tail, n))) < rest.n) {
			rest = sv_skip(rest, hit + n);
			found = at + got - rest.n;
		}
	}
	free(bytes);
	return found;
}

/* Where the first line begins that is dated after this time; behind the last whole line when there is none. */
static uint64_t find_later(const struct source *s, int64_t time_s)
{
	char *bytes = xalloc(SOURCE_BUFFER_BYTES);
	struct stamp_anchor anchor = { .time_s = time_s };
	struct line line;
	uint64_t at = 0;
	size_t got, whole;
	bool found = false;

	do {
		got = peek(s, at, bytes, SOURCE_BUFFER_BYTES);
		struct sv rest = sv_make(bytes, got);
		for (whole = sv_find(rest, '\n'); !found && whole < rest.n; whole = sv_find(rest, '\n')) {
			found = line_parse(sv_head(rest, whole), &anchor, &line) && line.time_us / CLOCK_SECOND_US > time_s;
			rest = found ? rest : sv_skip(rest, whole + 1);
		}
		at += got - rest.n;
	} while (!found && got == SOURCE_BUFFER_BYTES && whole < got);
	free(bytes);
	return at;
}

/* What an editor leaves: another file, or other bytes in this one, with the same
 * beginning. It was read already: go on behind the last bytes that were. */
static void continue_copy(struct source *s, uint64_t found)
{
	uint64_t at = found ? found : find_later(s, s->anchor.time_s);

	log_warning("file=%s was rewritten with the same beginning; going on at byte %llu of %llu%s", s->open_path,
		(unsigned long long)at, (unsigned long long)file_size(s->fd),
		found ? "" : ", where the stamps are later: what was read last is not in it, lines may be missing in the counts");
	s->restarts++;
	s->missed += !found;
	go_to(s, at);
}

/* Is the file that is open now a copy of one that began with these bytes? */
static bool same_head(const struct source *s, const char *head, size_t n)
{
	char now[SOURCE_HEAD_BYTES];

	return n > 0 && peek(s, 0, now, n) == n && memcmp(now, head, n) == 0;
}

/* Is the first line of that file dated before this time? False when it has no stamp. */
static bool begins_before(const char *path, int64_t time_s)
{
	char bytes[4096];
	struct stamp_anchor anchor = { .time_s = time_s };
	struct line line;
	struct sv text = sv_make(bytes, source_first_bytes(path, bytes, sizeof bytes));

	return line_parse(sv_cut(&text, '\n'), &anchor, &line) && line.time_us / CLOCK_SECOND_US < time_s;
}

/* When the first line of the open file is dated; INT64_MIN when it has no stamp. */
static int64_t first_line_s(const struct source *s)
{
	char bytes[4096];
	struct stamp_anchor anchor = s->anchor;
	struct line line;
	struct sv text = sv_make(bytes, peek(s, 0, bytes, sizeof bytes));

	return line_parse(sv_cut(&text, '\n'), &anchor, &line) ? line.time_us / CLOCK_SECOND_US : INT64_MIN;
}

/* The open file among its siblings; n when it is gone. It may have been compressed meanwhile:
 * then it is another file, and what it begins with tells. */
static size_t find_self(struct source *s, const struct candidate *v, size_t n)
{
	struct arena arena = { 0 };
	struct position here;
	size_t self = 0;

	while (self < n && !(v[self].st.st_ino == s->inode && v[self].st.st_dev == s->device))
		self++;
	if (self < n)
		return self;
	source_position(s, &arena, 0, &here);
	for (self = 0; self < n && !(here.head_bytes && begins_as(v[self].path, &here)); self++)
		;
	arena_free(&arena);
	return self;
}

/* Is it a rotation of this log, by its name? */
static bool is_sibling(const char *log, const char *path)
{
	struct sv rest = sv_of(path);

	return sv_take(&rest, sv_of(log)) && (rest.n == 0 || source_is_rotation(rest));
}

/* The file to read after this one: the next younger of the set, the log itself in the end. */
static void open_next(struct source *s)
{
	struct candidate *v, other;
	char next[CONFIG_STRING_MAX + 256], head[SOURCE_HEAD_BYTES], tail[SOURCE_TAIL_BYTES];
	size_t head_n, tail_n;
	size_t n = source_files(s->path, &v), self = find_self(s, v, n);

	/* renamed while the directory was being read: then it is among them now */
	for (int again = 0; self == n && again < LIST_AGAIN_MAX && source_file_with(s->path, s->device, s->inode, &other) && is_sibling(s->path, other.path); again++) {
		free(v);
		n = source_files(s->path, &v);
		self = find_self(s, v, n);
	}
	bool gone = self == n;
	/* an older log that was unpacked or copied here is young, and its lines are not */
	int64_t first_s = first_line_s(s);
	first_s = first_s > INT64_MIN ? first_s - SET_BACK_S : first_s;
	while (self + 1 < n && strcmp(v[self + 1].path, s->path) != 0 && begins_before(v[self + 1].path, first_s))
		self++;
	(void)snprintf(next, sizeof next, "%s", self + 1 < n ? v[self + 1].path : s->path);
	free(v);
	int64_t anchor_s = s->anchor.time_s;
	memcpy(head, s->head, head_n = s->head_n);
	memcpy(tail, s->seen, tail_n = s->seen_n);
	if (gone && !source_file_with(s->path, s->device, s->inode, &other)) {
		s->missed++;
		log_warning("file=%s is gone; lines may be missing in the counts if another was rotated since", s->open_path);
		open_oldest_after(s, anchor_s);
	} else if (!open_file(s, next)) {
		if (!s->next_told)
			log_warning("%s; waiting for it, nothing is lost", s->problem);
		s->next_told = true;
		return;
	}
	s->anchor.time_s = anchor_s;
	s->generation++;
	if (s->fd >= 0 && same_head(s, head, head_n))
		continue_copy(s, find_tail(s, head_n, tail, tail_n));
	else
		log_info("file=%s opened after a rotation", s->open_path);
}

/* At the end of the open file: is the log another file by now? True: go on reading. */
static bool rotated(struct source *s)
{
	struct stat st;
	int64_t now_ms = clock_mono_ms();

	bool there = stat(s->path, &st) == 0;
	s->moved = !there || st.st_ino != s->inode || st.st_dev != s->device;
	if (!there || !s->moved) {
		s->quiet_since_ms = 0;
		return false;
	}
	if (s->quiet_since_ms == 0)
		s->quiet_since_ms = now_ms;
	/* the writer may go on with the old file until it is told to reopen */
	if (st.st_size == 0 || now_ms - s->quiet_since_ms < SOURCE_DRAIN_MS)
		return false;
	if (s->end > s->start && !s->final) {
		s->final = true; /* its last line will never get its end */
		return true;
	}
	open_next(s);
	return s->quiet_since_ms == 0;
}

/* Before more is read: the file may have been truncated, and have grown past us again. */
static bool rewritten(struct source *s)
{
	char is[SOURCE_TAIL_BYTES];

	if (file_size(s->fd) < s->read_offset)
		return true;
	return s->seen_n && (peek(s, s->read_offset - s->seen_n, is, s->seen_n) != s->seen_n || memcmp(s->seen, is, s->seen_n) != 0);
}

/* What copytruncate copied is where it was, in the youngest of the siblings: when there is
 * more of it than was read, go on there. */
static bool go_to_copy(struct source *s)
{
	struct position here = { .offset = s->read_offset, .head_bytes = s->head_n, .tail_bytes = s->seen_n,
		.head_hash = sv_hash(sv_make(s->head, s->head_n)), .tail_hash = sv_hash(sv_make(s->seen, s->seen_n)) };
	struct candidate *v;
	struct stat st;
	uint64_t offset = s->offset;
	size_t n = source_files(s->path, &v), at = n;
	int fd = -1;

	while (at > 0 && v[at - 1].st.st_ino == s->inode && v[at - 1].st.st_dev == s->device)
		at--;
	if (at > 0 && s->seen_n && begins_as(v[at - 1].path, &here))
		fd = open_plain(s, v[at - 1].path, &st);
	bool found = fd >= 0 && file_size(fd) > s->read_offset && matches(fd, &here) && open_file(s, v[at - 1].path);
	if (found)
		go_to(s, offset);
	if (fd >= 0)
		close(fd);
	free(v);
	return found;
}

/* Other bytes are where we were. False: whoever writes them is not done, look again later. */
static bool restart(struct source *s)
{
	uint64_t size = file_size(s->fd), found;

	s->rewritten_ms = s->rewritten_ms ? s->rewritten_ms : clock_mono_ms();
	/* an editor empties the file first, and the beginning may become the same */
	if (size < s->head_n && (size == 0 || same_head(s, s->head, (size_t)size)))
		return false;
	if (same_head(s, s->head, s->head_n)) {
		found = find_tail(s, s->head_n, s->seen, s->seen_n);
		if (!found && clock_mono_ms() - s->rewritten_ms < SOURCE_REWRITE_MS)
			return false;
		s->generation++;
		continue_copy(s, found);
		return true;
	}
	s->restarts++;
	if (go_to_copy(s)) {
		log_warning("file=%s was truncated; going on in its copy %s", s->path, s->open_path);
		return true;
	}
	log_warning("file=%s was truncated or rewritten; reading it from its beginning; "
		"lines that were not read before it, if any, are missing in the counts", s->open_path);
	s->generation++;
	s->missed++;
	go_to(s, 0);
	return true;
}

/* ---- lines ---- */

/* Reads more bytes behind the buffer's. False: there are none now. */
static bool fill(struct source *s)
{
	s->anchor.latest_s = clock_now_s() + CLOCK_DAY_S;
	if (rewritten(s) && !restart(s))
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
		if (!open_file(s, s->path))
			return SOURCE_MISSING;
		anchor_first_line(s);
	}
	for (;;) {
		if (source_take_line(s, line_r))
			return SOURCE_LINE;
		if (!fill(s) && !rotated(s))
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
		uint64_t size = file_size(older);
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

const struct source_ops source_file_ops = { .init = file_init, .close = close_file, .next = next, .leave = leave, .resume = resume, .is_at = is_at,
	.is_draining = is_draining, .position = set_position, .read_back = read_back, .tell = tell, .size = size_of };
