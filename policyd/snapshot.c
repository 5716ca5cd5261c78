#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "address.h"
#include "arena.h"
#include "clock.h"
#include "log.h"
#include "schema.h"

/* The first line. */
#define HEAD "# nixie-policyd: what it remembers, 1\n"

#define INTERVAL_MS (5 * 60 * 1000)

struct writing {
	FILE *file;
	struct arena arena;
	int64_t now_s, now_ms;
};

static int64_t interval_ms(void)
{
	const char *env = getenv("NIXIE_SNAPSHOT_MS");
	uint64_t ms;

	return env && sv_u64(sv_of(env), INTERVAL_MS, &ms) ? (int64_t)ms : INTERVAL_MS;
}

static void write_one(void *arg, struct sv name, const struct entry *entry, int64_t checked_ms)
{
	struct writing *w = arg;
	struct sv packed = schema_pack_entry(&w->arena, entry);
	/* without it nobody could tell the help desk which change it was */
	const char *token = entry->token.n ? " token=" : "";

	if (!memchr(name.p, '\n', name.n) && !memchr(name.p, '\t', name.n))
		(void)fprintf(w->file, "%lld\t%.*s\t%.*s%s%.*s\n", (long long)(w->now_s - (w->now_ms - checked_ms) / 1000), SV_ARG(name),
			SV_ARG(packed), token, SV_ARG(entry->token));
	arena_reset(&w->arena);
}

static bool write_file(const char *path, const struct cache *cache, struct err *err)
{
	char beside[4096 + 8];
	struct writing w = { .now_s = clock_now_s(), .now_ms = clock_mono_ms() };

	(void)snprintf(beside, sizeof beside, "%s.new", path);
	(void)unlink(beside); /* of a run that was interrupted */
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	w.file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!w.file)
		return err_set(err, "%s: %s; policyd.snapshot is not written", beside, strerror(errno));
	(void)fputs(HEAD, w.file);
	cache_each(cache, write_one, &w);
	arena_free(&w.arena);
	bool ok = fflush(w.file) == 0 && !ferror(w.file);
	ok = fclose(w.file) == 0 && ok;
	if (ok && rename(beside, path) == 0)
		return true;
	err_set(err, "%s: %s; policyd.snapshot is not written", path, strerror(errno));
	(void)unlink(beside);
	return false;
}

/* The child holds nothing of ours: neither clients, who would not see that we close, nor what epoll watches. */
static void let_go(int told)
{
	sigset_t none;

	sigemptyset(&none);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (told > STDERR_FILENO + 1)
		(void)dup2(told, STDERR_FILENO + 1);
	(void)close_range(STDERR_FILENO + 2, ~0U, 0);
	(void)close(STDERR_FILENO + 1); /* now the parent goes on */
}

/* In a child, which has none of our descriptors when this returns. Its number; -1: see errno. */
static pid_t write_aside(const char *path, const struct cache *cache)
{
	struct err err;
	int told[2];
	char byte;

	if (pipe2(told, O_CLOEXEC) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		let_go(told[1]);
		bool ok = write_file(path, cache, &err);
		if (!ok)
			log_warning("%s", err.text);
		_exit(ok ? 0 : 1);
	}
	close(told[1]);
	while (pid > 0 && read(told[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(told[0]);
	return pid;
}

static bool read_line(struct cache *cache, struct arena *arena, struct sv line, int64_t now_s, int64_t now_ms)
{
	struct entry entry = { 0 };
	uint64_t checked_s;
	struct sv rest = line;
	struct sv time = sv_cut(&rest, '\t'), name = sv_cut(&rest, '\t');

	if (!sv_u64(time, STATE_TIME_MAX_S, &checked_s) || !name.n || name.n > ADDRESS_KEY_MAX + 1 || (int64_t)checked_s > now_s)
		return false;
	schema_unpack_entry(arena, rest, &entry);
	cache_recall(cache, name, &entry, now_ms - (now_s - (int64_t)checked_s) * 1000);
	return true;
}

/* False and *err: there is something, and it cannot be read. What is damaged in it is passed over. */
static bool read_file(const char *path, struct cache *cache, size_t *n_r, struct err *err)
{
	int64_t now_s = clock_now_s(), now_ms = clock_mono_ms();
	FILE *file = fopen(path, "re");
	char *line = xalloc(SNAPSHOT_LINE_MAX);
	struct arena arena = { 0 };
	bool whole = true; /* the line before */

	*n_r = 0;
	if (file && (!fgets(line, SNAPSHOT_LINE_MAX, file) || strcmp(line, HEAD) != 0)) {
		(void)fclose(file);
		free(line);
		return err_set(err, "%s: this is no file of nixie-policyd; policyd.snapshot is not read", path);
	}
	while (file && fgets(line, SNAPSHOT_LINE_MAX, file)) {
		struct sv l = sv_of(line);
		bool begins = whole;
		whole = l.n && l.p[l.n - 1] == '\n';
		if (begins && whole && read_line(cache, &arena, sv_head(l, l.n - 1), now_s, now_ms))
			++*n_r;
		arena_reset(&arena);
	}
	bool ok = file ? !ferror(file) : errno == ENOENT;
	if (!ok)
		err_set(err, "%s: %s; policyd.snapshot is not read", path, strerror(errno));
	if (file)
		(void)fclose(file);
	arena_free(&arena);
	free(line);
	return ok;
}

void snapshot_begin(struct snapshot *s, const char *path, struct cache *cache, int64_t now_ms)
{
	struct err err;
	size_t n;

	*s = (struct snapshot){ .path = path, .cache = cache, .due_ms = now_ms + interval_ms() };
	if (!*path)
		return;
	if (!read_file(path, cache, &n, &err))
		log_warning("%s", err.text);
	else
		log_info("%zu addresses and domains are remembered from %s", n, path);
}

void snapshot_attend(struct snapshot *s, int64_t now_ms)
{
	if (now_ms < s->due_ms)
		return;
	s->due_ms = now_ms + interval_ms();
	if (*s->path && s->writer <= 0)
		s->writer = write_aside(s->path, s->cache);
	if (s->writer < 0)
		log_warning("policyd.snapshot is not written: %m");
}

void snapshot_reap(struct snapshot *s)
{
	if (s->writer > 0 && waitpid(s->writer, NULL, WNOHANG) == s->writer)
		s->writer = 0;
}

void snapshot_stop(struct snapshot *s)
{
	if (s->writer > 0 && kill(s->writer, SIGKILL) == 0)
		(void)waitpid(s->writer, NULL, 0);
	s->writer = 0;
}

void snapshot_end(struct snapshot *s)
{
	struct err err;

	snapshot_stop(s); /* what it knows is older than what is about to be written */
	if (*s->path && !write_file(s->path, s->cache, &err))
		log_warning("%s", err.text);
}
