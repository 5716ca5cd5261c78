#include "source_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unpack.h"

/* An unnamed file with what is in the compressed one, to be read like any other; -1 and
 * the problem. As large as the log was; gone when it is closed. */
static int unpacked(const char *path, struct unpack *u, char problem[SOURCE_PROBLEM_MAX])
{
	const char *directory = getenv("TMPDIR");
	char *bytes = xalloc(SOURCE_BUFFER_BYTES);
	struct err err = { "" };
	ssize_t n = 0;
	int to = open(directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	while (to >= 0 && (n = unpack_read(u, bytes, SOURCE_BUFFER_BYTES, &err)) > 0) {
		ssize_t put = write(to, bytes, (size_t)n);
		if (put != n) { /* a part was written: that is no error, and errno is of something before */
			err_set(&err, "%s", put < 0 ? strerror(errno) : "there is no room for all of it");
			n = -1;
			break;
		}
	}
	free(bytes);
	if (to >= 0 && n == 0)
		return to;
	(void)snprintf(problem, SOURCE_PROBLEM_MAX, "%.120s: cannot be unpacked in %s: %.80s", path, directory ? directory : "/var/tmp",
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

int source_open(const char *path, struct stat *st, char problem[SOURCE_PROBLEM_MAX])
{
	/* A FIFO that came just now is not even opened: who waits to write into it would take us for its
	 * reader, and what it writes before we close it again would be gone. */
	bool there = stat(path, st) == 0, other = there && !S_ISREG(st->st_mode);
	int fd = there && !other ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (fd < 0 || fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) {
		other = other || fd >= 0;
		(void)snprintf(problem, SOURCE_PROBLEM_MAX, "%.120s: %s%s", path, other ? "not a regular file" : strerror(errno), other ? "" : advice(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	struct unpack *u = unpack_open(fd);
	if (!u && unpack_is_foreign(fd)) {
		(void)snprintf(problem, SOURCE_PROBLEM_MAX, "%.120s: is compressed with bzip2; unpack it first", path);
		close(fd);
		return -1;
	}
	if (!u)
		return fd;
	int to = unpacked(path, u, problem);
	/* its last line is of that time */
	struct timespec times[2] = { st->st_mtim, { .tv_sec = unpack_time_s(u) ? unpack_time_s(u) : st->st_mtim.tv_sec } };
	if (to >= 0)
		(void)futimens(to, times);
	unpack_close(u);
	close(fd);
	return to;
}
