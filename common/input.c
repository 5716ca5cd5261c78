#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "journal.h"
#include "logname.h"
#include "unpack.h"
#include "year.h"

#define BUFFER_BYTES ((size_t)256 * 1024)

struct input {
	int fd;                  /* -1: a journal */
	struct journal *journal; /* NULL: bytes */
	struct unpack *unpack;   /* NULL: plain */
	char *buffer;
	size_t start, end;
	bool skipping, ended, failed;
	uint64_t done, total, long_lines;
	int64_t time_s; /* when it was written last, or what gzip made it of */
};

static struct input *open_journal(const char *directory, struct err *err)
{
	struct journal *journal = journal_open(directory, err);

	if (!journal)
		return NULL;
	struct input *in = xalloc(sizeof *in);
	*in = (struct input){ .fd = -1, .journal = journal, .time_s = clock_now_s() };
	return in;
}

struct input *input_open(const char *path, struct err *err)
{
	struct stat st;
	enum logname kind = logname_kind(path);
	bool standard = kind == LOGNAME_STDIN;

	if (kind == LOGNAME_JOURNAL)
		return open_journal(logname_path(path), err);
	if (kind == LOGNAME_SYSLOG) {
		err_set(err, "%s: has no end; it can only be followed", path);
		return NULL;
	}
	int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		err_set(err, "%s: %s", path, fd < 0 ? strerror(errno) : "is a directory");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!standard && unpack_is_foreign(fd)) {
		err_set(err, "%s: is compressed with bzip2; unpack it first", path);
		close(fd);
		return NULL;
	}
	struct input *in = xalloc(sizeof *in);
	in->fd = fd;
	in->buffer = xalloc(BUFFER_BYTES);
	in->total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	in->time_s = S_ISREG(st.st_mode) ? st.st_mtim.tv_sec : clock_now_s();
	in->unpack = unpack_open(fd);
	if (in->unpack && unpack_time_s(in->unpack))
		in->time_s = unpack_time_s(in->unpack);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return in;
}

void input_close(struct input *in)
{
	if (!in)
		return;
	journal_close(in->journal);
	unpack_close(in->unpack);
	if (in->fd >= 0)
		close(in->fd);
	free(in->buffer);
	free(in);
}

static bool fill(struct input *in, struct err *err)
{
	ssize_t n;

	if (in->start > 0) {
		memmove(in->buffer, in->buffer + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	if (in->unpack)
		n = unpack_read(in->unpack, in->buffer + in->end, BUFFER_BYTES - in->end, err);
	else
		do
			n = read(in->fd, in->buffer + in->end, BUFFER_BYTES - in->end);
		while (n < 0 && errno == EINTR);
	if (n < 0) {
		in->failed = in->ended = true;
		return in->unpack ? false : err_set(err, "cannot read on: %s", strerror(errno));
	}
	in->ended = n == 0;
	in->long_lines += in->ended && in->skipping && in->start == in->end;
	in->end += (size_t)n;
	in->done += in->unpack ? 0 : (uint64_t)n;
	return n > 0;
}

static bool journal_line(struct input *in, struct sv *line_r, struct err *err)
{
	enum journal_result result = journal_next(in->journal, line_r, err);

	in->failed = result == JOURNAL_FAILED;
	in->long_lines = journal_long_lines(in->journal);
	return result == JOURNAL_LINE;
}

bool input_line(struct input *in, struct sv *line_r, struct err *err)
{
	if (in->journal)
		return journal_line(in, line_r, err);
	for (;;) {
		struct sv have = sv_make(in->buffer + in->start, in->end - in->start);
		size_t n = sv_find(have, '\n');
		bool ended = n < have.n, whole = ended || (in->ended && have.n);
		if (!whole && n <= LINE_BYTES_MAX) {
			if (in->ended || !fill(in, err)) {
				if (in->failed || in->start == in->end)
					return false;
			}
			continue;
		}
		bool too_long = in->skipping || n > LINE_BYTES_MAX;
		in->start += ended ? n + 1 : n;
		in->skipping = !whole;
		in->long_lines += whole && too_long;
		if (!whole || too_long)
			continue;
		*line_r = sv_make(have.p, n);
		return true;
	}
}

bool input_failed(const struct input *in)
{
	return in->failed;
}

uint64_t input_long_lines(const struct input *in)
{
	return in->long_lines;
}

void input_progress(const struct input *in, uint64_t *done_r, uint64_t *total_r)
{
	*done_r = in->unpack ? unpack_consumed(in->unpack) : in->done;
	*total_r = in->total;
}

static size_t peek(const void *input, uint64_t at, char *to, size_t n)
{
	const struct input *in = input;
	ssize_t got = in->unpack || !in->total ? 0 : pread(in->fd, to, n, (off_t)at);

	return got > 0 ? (size_t)got : 0;
}

struct stamp_anchor input_anchor(const struct input *in, int64_t before_s)
{
	int64_t now_s = clock_now_s(), end_s = in->time_s < before_s ? in->time_s : before_s;
	struct stamp_anchor anchor = year_of_first_line(peek, in, in->total, end_s);

	anchor.latest_s = (end_s < now_s ? end_s : now_s) + CLOCK_DAY_S;
	return anchor;
}
