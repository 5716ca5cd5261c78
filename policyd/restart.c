#include "restart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "config.h"
#include "listen.h"
#include "log.h"

#define HANDOVER "NIXIE_HANDOVER"

/* In the file, one behind the other: this, the name, the bytes. */
struct record {
	enum { RECORD_LISTENER = 1, RECORD_CONN } type;
	int fd;
	uint32_t name_n, in_n, out_n;
};

bool restart_is_one(void)
{
	return getenv(HANDOVER) != NULL;
}

static void set_inherited(int fd, bool inherited)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags >= 0)
		(void)fcntl(fd, F_SETFD, inherited ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC);
}

/* ---- from the program before us ---- */

static bool read_all(int fd, char *to, size_t n)
{
	size_t at = 0;

	while (at < n) {
		ssize_t got = pread(fd, to + at, n - at, (off_t)at);
		if (got <= 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

static void read_before(struct restart *r)
{
	uint64_t fd;
	struct stat st;

	if (!sv_u64(sv_of(getenv(HANDOVER)), INT32_MAX, &fd) || fstat((int)fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	r->before = xalloc((size_t)st.st_size + 1);
	if (read_all((int)fd, r->before, (size_t)st.st_size))
		r->before_n = (size_t)st.st_size;
	close((int)fd);
}

/* The next record; false at the end. *at begins with 0. */
static bool next(const struct restart *r, size_t *at, struct record *record_r, struct sv *name_r, struct sv *in_r, struct sv *out_r)
{
	struct sv rest = sv_skip(sv_make(r->before, r->before_n), *at);

	if (rest.n < sizeof *record_r)
		return false;
	memcpy(record_r, rest.p, sizeof *record_r);
	rest = sv_skip(rest, sizeof *record_r);
	size_t n = (size_t)record_r->name_n + record_r->in_n + record_r->out_n;
	if (rest.n < n)
		return false;
	*name_r = sv_head(rest, record_r->name_n);
	*in_r = sv_head(sv_skip(rest, name_r->n), record_r->in_n);
	*out_r = sv_head(sv_skip(rest, name_r->n + in_r->n), record_r->out_n);
	*at += sizeof *record_r + n;
	return true;
}

void restart_begin(struct restart *r, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	struct record record;
	struct sv name, in, out;

	*r = (struct restart){ .argv = argv, .file = -1 };
	r->path = xalloc((size_t)(n > 0 ? n : 0) + 1);
	if (n > 0)
		memcpy(r->path, path, (size_t)n);
	if (!restart_is_one())
		return;
	read_before(r);
	(void)unsetenv(HANDOVER);
	for (size_t at = 0; next(r, &at, &record, &name, &in, &out);)
		set_inherited(record.fd, false);
}

int restart_take_listener(struct restart *r, const char *endpoint)
{
	struct record record;
	struct sv name, in, out;

	for (size_t at = 0, begin = 0; next(r, &at, &record, &name, &in, &out); begin = at) {
		if (record.type != RECORD_LISTENER || record.fd < 0 || !sv_eq(name, sv_of(endpoint)))
			continue;
		int fd = record.fd;
		record.fd = -1; /* it is taken */
		memcpy(r->before + begin, &record, sizeof record);
		return fd;
	}
	return -1;
}

/* What the configuration does not have any more. */
static void close_listener(int fd, struct sv endpoint)
{
	char text[CONFIG_STRING_MAX];
	struct buf b = BUF_ON(text);

	buf_add(&b, endpoint);
	listen_close(fd, buf_cstr(&b));
}

void restart_take_conns(struct restart *r, restart_conn_callback *callback, void *arg)
{
	struct record record;
	struct sv name, in, out;
	size_t n = 0;

	if (!r->before)
		return;
	for (size_t at = 0; next(r, &at, &record, &name, &in, &out);) {
		if (record.type == RECORD_LISTENER)
			close_listener(record.fd, name);
		else if (callback(arg, record.fd, name, in, out))
			n++;
		else
			close(record.fd);
	}
	log_info("took over %zu connections", n);
	free(r->before);
	r->before = NULL;
	r->before_n = 0;
}

/* ---- to the next ---- */

void restart_try(struct restart *r)
{
	size_t n = 0;
	pid_t pid;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	sigset_t none;
	int said[2];

	if (r->check || r->due)
		return;
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0) {
		log_error("restart refused, going on as before: %m");
		return;
	}
	while (r->argv[n])
		n++;
	char **argv = xalloc((n + 2) * sizeof *argv);
	memcpy(argv, r->argv, n * sizeof *argv);
	argv[n] = (char[]){ "-t" };
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_init(&actions);
	int error = posix_spawnattr_setsigmask(&attributes, &none);
	if (!error)
		error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, said[1], STDOUT_FILENO);
	if (!error)
		error = posix_spawn(&pid, r->path, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	free(argv);
	close(said[1]);
	if (error) {
		close(said[0]);
		errno = error;
		log_error("restart refused, going on as before: %s: %m", r->path);
		return;
	}
	r->check = pid;
	r->said = said[0];
	log_info("restart: trying the configuration with %s", r->path);
}

void restart_reap(struct restart *r)
{
	char said[sizeof RESTART_GOOD + 1];
	int status;

	if (!r->check || waitpid(r->check, &status, WNOHANG) != r->check)
		return;
	r->check = 0;
	/* any program may end well: it must be one of ours */
	ssize_t n = read(r->said, said, sizeof said);
	close(r->said);
	r->due = WIFEXITED(status) && WEXITSTATUS(status) == 0 && n > 0 && sv_eq(sv_make(said, (size_t)n), SV(RESTART_GOOD "\n"));
	if (!r->due)
		log_error("restart refused, going on as before: \"%s -t\" does not like the configuration; run it and see", r->path);
}

static void give(struct restart *r, const struct record *record, struct sv name, struct sv in, struct sv out)
{
	const struct sv parts[] = { { (const char *)record, sizeof *record }, name, in, out };

	if (r->file < 0)
		r->file = memfd_create("nixie", 0);
	for (size_t i = 0; r->file >= 0 && i < sizeof parts / sizeof *parts; i++) {
		if (parts[i].n && write(r->file, parts[i].p, parts[i].n) != (ssize_t)parts[i].n) {
			close(r->file);
			r->file = -1;
			r->due = false;
		}
	}
	set_inherited(record->fd, true);
}

void restart_give_listener(struct restart *r, int fd, const char *endpoint)
{
	const struct record record = { .type = RECORD_LISTENER, .fd = fd, .name_n = (uint32_t)strlen(endpoint) };

	give(r, &record, sv_of(endpoint), SV(""), SV(""));
}

void restart_give_conn(struct restart *r, int fd, const char *protocol, struct sv in, struct sv out)
{
	const struct record record = { .type = RECORD_CONN, .fd = fd, .name_n = (uint32_t)strlen(protocol), .in_n = (uint32_t)in.n, .out_n = (uint32_t)out.n };

	give(r, &record, sv_of(protocol), in, out);
}

static void take_back(struct restart *r)
{
	struct record record;
	struct sv name, in, out;
	struct stat st;

	if (r->file < 0 || fstat(r->file, &st) != 0)
		return;
	r->before = xalloc((size_t)st.st_size + 1);
	if (read_all(r->file, r->before, (size_t)st.st_size))
		r->before_n = (size_t)st.st_size;
	for (size_t at = 0; next(r, &at, &record, &name, &in, &out);)
		set_inherited(record.fd, false);
	free(r->before);
	r->before = NULL;
	r->before_n = 0;
	close(r->file);
	r->file = -1;
}

void restart_now(struct restart *r)
{
	char number[16];

	(void)snprintf(number, sizeof number, "%d", r->file);
	if (r->due && r->file >= 0 && setenv(HANDOVER, number, 1) == 0) {
		log_info("restart: %s takes over", r->path);
		(void)execv(r->path, r->argv);
	}
	log_error("restart failed, going on as before: %s: %m", r->path);
	(void)unsetenv(HANDOVER);
	take_back(r);
	r->due = false;
}

void restart_free(struct restart *r)
{
	free(r->path);
	free(r->before);
}
