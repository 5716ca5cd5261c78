#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* An ordinary user's PATH lacks them. */
#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *search_path(char *room, size_t size)
{
	const char *path = getenv("PATH");

	(void)snprintf(room, size, "%s%s%s", path ? path : "", path ? ":" : "", SYSTEM_PATH);
	return room;
}

bool program_exists(const char *name)
{
	char room[4096], file[4096];
	struct sv rest = sv_of(search_path(room, sizeof room));

	if (strchr(name, '/'))
		return access(name, X_OK) == 0;
	while (rest.n) {
		struct sv directory = sv_cut(&rest, ':');
		if ((size_t)snprintf(file, sizeof file, "%.*s/%s", SV_ARG(directory), name) < sizeof file && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static pid_t start(const char *const *argv, int *output_r)
{
	char path[4096];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(nothing, STDERR_FILENO) >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0) {
			(void)setenv("PATH", search_path(path, sizeof path), 1);
			(void)setenv("LC_ALL", "C", 1);
			(void)execvp(argv[0], (char *const *)argv);
		}
		_exit(127);
	}
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	*output_r = ends[0];
	return pid;
}

/* All of it; false: it has been silent for too long. */
static bool read_all(int fd, char *room, size_t *n_r)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char rest[4096];

	for (;;) {
		bool full = *n_r == PROGRAM_OUTPUT_MAX;
		if (poll(&p, 1, PROGRAM_WAIT_MS) != 1)
			return false;
		ssize_t got = full ? read(fd, rest, sizeof rest) : read(fd, room + *n_r, PROGRAM_OUTPUT_MAX - *n_r);
		if (got <= 0)
			return got == 0;
		if (!full)
			*n_r += (size_t)got;
	}
}

bool program_output(struct arena *arena, const char *const *argv, struct sv *output_r, struct err *err)
{
	int fd, status = 0;
	size_t n = 0;

	(void)fflush(stdout);
	pid_t pid = start(argv, &fd);
	if (pid < 0)
		return err_set(err, "cannot start %s: %s", argv[0], strerror(errno));
	char *room = xalloc(PROGRAM_OUTPUT_MAX);
	bool ended = read_all(fd, room, &n);
	close(fd);
	if (!ended)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*output_r = arena_dup(arena, sv_make(room, n));
	free(room);
	if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	return err_set(err, "%s %s", argv[0], !ended ? "does not end" : WIFEXITED(status) && WEXITSTATUS(status) == 127 ? "is not there" : "fails");
}
