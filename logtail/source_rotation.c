/* source: a log that is another file by now, or has other bytes in it: rotated, truncated, rewritten. */
#include "source_file_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "source_files.h"
#include "source_open.h"

/* A directory that changes while it is listed is listed again so often. */
#define LIST_AGAIN_MAX 10
/* A clock that is set back, or an hour that the clocks repeat in autumn, makes a younger file
 * begin earlier, but not by more than this. */
#define SET_BACK_S (3 * 3600)

/* ---- rotation ---- */

/* Where the file goes on that begins with the same head_n bytes: behind the last that were
 * read; 0: they are nowhere. */
static uint64_t find_tail(const struct source *s, size_t head_n, const char *tail, size_t n)
{
	if (head_n < SOURCE_HEAD_BYTES)
		return head_n; /* no more than that was read; a short end may be there again, further on */
	char *bytes = xalloc(SOURCE_BUFFER_BYTES);
	uint64_t size = source_file_bytes(s->fd), found = 0;

	for (uint64_t at = 0; n && at < size; at += SOURCE_BUFFER_BYTES - SOURCE_TAIL_BYTES) {
		size_t got = source_file_peek(s, at, bytes, SOURCE_BUFFER_BYTES);
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
		got = source_file_peek(s, at, bytes, SOURCE_BUFFER_BYTES);
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
		(unsigned long long)at, (unsigned long long)source_file_bytes(s->fd),
		found ? "" : ", where the stamps are later: what was read last is not in it, lines may be missing in the counts");
	s->restarts++;
	s->missed += !found;
	source_file_go_to(s, at);
}

/* Is the file that is open now a copy of one that began with these bytes? */
static bool same_head(const struct source *s, const char *head, size_t n)
{
	char now[SOURCE_HEAD_BYTES];

	return n > 0 && source_file_peek(s, 0, now, n) == n && memcmp(now, head, n) == 0;
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
	struct sv text = sv_make(bytes, source_file_peek(s, 0, bytes, sizeof bytes));

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
	for (self = 0; self < n && !(here.head_bytes && source_file_begins_as(v[self].path, &here)); self++)
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
		source_file_open_after(s, anchor_s);
	} else if (!source_file_open(s, next)) {
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

bool source_file_rotated(struct source *s, int64_t looked_ms)
{
	struct stat st;

	bool there = stat(s->path, &st) == 0;
	s->moved = !there || st.st_ino != s->inode || st.st_dev != s->device;
	if (!there || !s->moved) {
		s->quiet_since_ms = 0;
		return false;
	}
	if (s->quiet_since_ms == 0)
		s->quiet_since_ms = clock_mono_ms();
	/* the writer may go on with the old file until it is told to reopen; what it wrote while we were stopped since
	 * the look is read first */
	if (st.st_size == 0 || looked_ms - s->quiet_since_ms < SOURCE_DRAIN_MS)
		return false;
	if (s->end > s->start && !s->final) {
		s->final = true; /* its last line will never get its end */
		return true;
	}
	open_next(s);
	return s->quiet_since_ms == 0;
}

bool source_file_rewritten(const struct source *s)
{
	char is[SOURCE_TAIL_BYTES];

	if (source_file_bytes(s->fd) < s->read_offset)
		return true;
	return s->seen_n && (source_file_peek(s, s->read_offset - s->seen_n, is, s->seen_n) != s->seen_n || memcmp(s->seen, is, s->seen_n) != 0);
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
	if (at > 0 && s->seen_n && source_file_begins_as(v[at - 1].path, &here))
		fd = source_open(v[at - 1].path, &st, s->problem);
	bool found = fd >= 0 && source_file_bytes(fd) > s->read_offset && source_file_matches(fd, &here) && source_file_open(s, v[at - 1].path);
	if (found)
		source_file_go_to(s, offset);
	if (fd >= 0)
		close(fd);
	free(v);
	return found;
}

bool source_file_restart(struct source *s)
{
	int64_t looked_ms = clock_mono_ms();
	uint64_t size = source_file_bytes(s->fd), found;

	s->rewritten_ms = s->rewritten_ms ? s->rewritten_ms : looked_ms;
	/* an editor empties the file first, and the beginning may become the same */
	if (size < s->head_n && (size == 0 || same_head(s, s->head, (size_t)size)))
		return false;
	if (same_head(s, s->head, s->head_n)) {
		found = find_tail(s, s->head_n, s->seen, s->seen_n);
		if (!found && looked_ms - s->rewritten_ms < SOURCE_REWRITE_MS)
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
	source_file_go_to(s, 0);
	return true;
}
