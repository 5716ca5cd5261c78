#include "tails.h"

#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "log.h"
#include "logname.h"
#include "source_files.h"

/* Stamps of files are as coarse as the clock of the kernel, and what is written while the directory is read may be older than the look. */
#define LOOK_SLACK_S 2

static size_t entries(const struct tails *t)
{
	return t->named ? t->n_named : t->config->logtail_files.n;
}

static const char *entry(const struct tails *t, size_t i)
{
	return t->ordered ? t->ordered[i].path : t->named ? t->named[i] : t->config->logtail_files.v[i];
}

static int64_t entry_before_s(const struct tails *t, size_t i)
{
	return t->ordered && t->ordered[i].before_s < INT64_MAX ? t->ordered[i].before_s : 0;
}

void tails_init(struct tails *t, const struct config *config, char *const *files, size_t n, bool ordered)
{
	*t = (struct tails){ .config = config, .named = n ? files : NULL, .n_named = n, .ordered = n && ordered ? order_files(files, n) : NULL };
	t->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (t->inotify < 0)
		log_warning("no inotify (%s): logs are polled every %lld ms; raise fs.inotify.max_user_instances", strerror(errno),
			(long long)config->logtail_poll_ms);
	logname_source(cli_hostname(), entry(t, 0), t->name, sizeof t->name);
	(void)tails_look(t);
}

void tails_drop(struct tails *t, size_t i)
{
	struct tail *one = t->v[i];

	if (one->watch >= 0)
		(void)inotify_rm_watch(t->inotify, one->watch);
	source_free(&one->source);
	free(one->committed);
	free(one);
	t->n--;
	memmove(&t->v[i], &t->v[i + 1], (t->n - i) * sizeof t->v[i]);
}

void tails_free(struct tails *t)
{
	while (t->n)
		tails_drop(t, t->n - 1);
	free(t->ordered);
	if (t->inotify >= 0)
		close(t->inotify);
}

/* ---- what the entries stand for ---- */

/* The same file by another name is one log. */
static const struct tail *find_same(const struct tails *t, const char *name, const char *path)
{
	struct stat st, other;
	bool there = logname_kind(path) == LOGNAME_FILE && stat(path, &st) == 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct source *s = &t->v[i]->source;
		if (strcmp(s->name, name) == 0)
			return t->v[i];
		if (!there || logname_kind(s->path) != LOGNAME_FILE)
			continue;
		/* by what is open, also after it was rotated away from its name; else by name */
		if (s->fd >= 0 ? s->device == st.st_dev && s->inode == st.st_ino :
		    stat(s->path, &other) == 0 && st.st_dev == other.st_dev && st.st_ino == other.st_ino)
			return t->v[i];
	}
	return NULL;
}

/* True: it is another one than those that are there. */
static bool add(struct tails *t, const char *path, bool matched)
{
	char name[sizeof t->name];

	if (t->n == TAILS_MAX && t->told_too_many)
		return false;
	logname_source(cli_hostname(), path, name, sizeof name);
	const struct tail *same = find_same(t, name, path);
	if (same) {
		if (!matched && !t->started)
			log_warning("%s is named twice, the other time as %s; it is read once", path, same->source.path);
		return false;
	}
	if (t->n == TAILS_MAX || strlen(path) >= CONFIG_STRING_MAX) {
		if (!t->told_too_many)
			log_warning("%s is left out: %s", path, t->n == TAILS_MAX ? "there are too many logs; name fewer, or a narrower pattern" : "its path is too long");
		t->told_too_many = true;
		return false;
	}
	struct tail *one = xalloc(sizeof *one);
	*one = (struct tail){ .watch = -1, .matched = matched, .late = t->started, .due = true, .number = t->numbers++ };
	source_init(&one->source, cli_hostname(), path);
	one->source.socket_mode = (unsigned)t->config->logtail_socket_mode;
	one->source.since_s = t->started ? t->looked_s - LOOK_SLACK_S : 0;
	t->v[t->n++] = one;
	return true;
}

static bool is_entry(const struct tails *t, const char *path)
{
	for (size_t i = 0; i < entries(t); i++)
		if (strcmp(entry(t, i), path) == 0 || fnmatch(entry(t, i), path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	return false;
}

/* logrotate's `extension .log`: mail-20261121.log is of mail.log. */
static bool is_entry_with(const struct tails *t, char log[CONFIG_STRING_MAX], const char *rotation)
{
	const char *extension = strrchr(rotation, '.');
	size_t n = strlen(log), digits = 0;

	while (sv_is_digit(rotation[1 + digits]))
		digits++;
	/* a date, or ".1": mail-2.log is a log */
	if (extension != rotation + 1 + digits || (digits < 8 && rotation[0] != '.') || n + strlen(extension) >= CONFIG_STRING_MAX)
		return false;
	(void)snprintf(log + n, CONFIG_STRING_MAX - n, "%s", extension);
	return is_entry(t, log);
}

/* Is there such a log, or is it only away at the moment? Of hosts' logs, 10.0.0.1 is none of 10.0.0. */
static bool is_log(const struct tails *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i]->source.path, path) == 0)
			return true;
	return stat(path, &st) == 0 || strstr(slash ? slash : path, "log"); /* not in /var/log */
}

/* Of mail.log* the log is mail.log: what was rotated away from it is read as part of it, also
 * while there is no mail.log. A compressed file is one that was read under another name. */
static bool is_sibling(const struct tails *t, const char *path)
{
	const char *slash = strrchr(path, '/');
	char log[CONFIG_STRING_MAX];

	if (source_is_compressed(path))
		return true;
	for (size_t n = slash ? (size_t)(slash - path) + 2 : 1; path[n]; n++) {
		(void)snprintf(log, sizeof log, "%.*s", (int)n, path);
		if (source_is_rotation(sv_of(path + n)) && (is_entry(t, log) || is_entry_with(t, log, path + n)) && is_log(t, log))
			return true;
	}
	return false;
}

/* Returns how many are new. */
static size_t add_matching(struct tails *t, const char *pattern, bool *told_no_match)
{
	glob_t found;
	struct stat st;
	size_t n = 0, logs = 0;
	int result = glob(pattern, 0, NULL, &found); /* sorted; no descent, no tilde */

	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];
		if (stat(path, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) || is_sibling(t, path))
			continue;
		logs++;
		n += add(t, path, true);
	}
	if (result == 0)
		globfree(&found);
	if (logs == 0 && !*told_no_match)
		log_warning("%s: no file matches; waiting for one", pattern);
	*told_no_match = logs == 0;
	return n;
}

size_t tails_look(struct tails *t)
{
	int64_t now_ms = clock_mono_ms();
	size_t n = 0;

	if (t->started && now_ms - t->looked_ms < TAILS_LOOK_MS)
		return 0;
	t->looked_ms = now_ms;
	int64_t looked_s = clock_now_s();
	for (size_t i = 0; i < entries(t); i++) {
		bool pattern = logname_kind(entry(t, i)) == LOGNAME_GLOB;
		if (pattern) {
			n += add_matching(t, entry(t, i), &t->told_no_match[i < CONFIG_LIST_MAX ? i : CONFIG_LIST_MAX - 1]);
		} else if (!t->started && add(t, entry(t, i), false)) {
			t->v[t->n - 1]->source.before_s = entry_before_s(t, i);
			n++;
		}
	}
	t->started = true;
	t->looked_s = looked_s;
	return n;
}

bool tails_lack(const struct tails *t)
{
	for (size_t i = 0; i < CONFIG_LIST_MAX; i++)
		if (t->told_no_match[i])
			return true;
	return false;
}

bool tails_grow(const struct tails *t)
{
	for (size_t i = 0; i < entries(t); i++)
		if (logname_kind(entry(t, i)) == LOGNAME_GLOB)
			return true;
	return false;
}

bool tails_hold(const struct tails *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (logname_kind(t->v[i]->source.path) == LOGNAME_SYSLOG)
			return true;
	return false;
}

bool tail_is_over(const struct tail *one)
{
	struct stat st;

	return one->matched && one->ended && stat(one->source.path, &st) != 0 && errno == ENOENT;
}

/* ---- waiting ---- */

struct tail *tails_find(const struct tails *t, size_t number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i]->number == number)
			return t->v[i];
	return NULL;
}

bool tails_watch(struct tails *t, struct tail *one)
{
	const struct source *s = &one->source;

	if (t->inotify < 0 || s->fd < 0 || !s->open_path[0] || one->watched == s->opened)
		return false;
	if (one->watch >= 0)
		(void)inotify_rm_watch(t->inotify, one->watch);
	one->watch = inotify_add_watch(t->inotify, s->open_path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB);
	if (one->watch < 0) /* polling does the work, later */
		log_warning("file=%s cannot be watched (%s), it is polled every %lld ms%s", s->open_path, strerror(errno),
			(long long)t->config->logtail_poll_ms, errno == ENOSPC ? "; raise fs.inotify.max_user_watches" : "");
	one->watched = s->opened;
	return true;
}

size_t tails_poll(const struct tails *t, struct pollfd *p, int64_t *wait_ms)
{
	size_t n = 0;

	p[n++] = (struct pollfd){ t->inotify, POLLIN, 0 };
	for (size_t i = 0; i < t->n; i++) {
		int64_t ms = source_timeout_ms(&t->v[i]->source);
		source_poll(&t->v[i]->source, &p[n]);
		n += p[n].fd >= 0;
		if (ms >= 0 && ms < *wait_ms)
			*wait_ms = ms;
	}
	return n;
}

void tails_all_due(struct tails *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->v[i]->due = true;
}

/* What an event says does not matter, only of which log it is. */
static void take_event(struct tails *t, const struct inotify_event *event)
{
	if (event->wd < 0) /* the queue ran over */
		tails_all_due(t);
	for (size_t i = 0; i < t->n; i++)
		t->v[i]->due = t->v[i]->due || t->v[i]->watch == event->wd;
}

static void take_events(struct tails *t)
{
	_Alignas(struct inotify_event) char events[4096];
	ssize_t n;

	while (t->inotify >= 0 && (n = read(t->inotify, events, sizeof events)) > 0) {
		for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
			const struct inotify_event *event = (const void *)(events + at);
			take_event(t, event);
			at += (ssize_t)(sizeof *event + event->len);
		}
	}
}

void tails_serve(struct tails *t, bool hold)
{
	for (size_t i = 0; i < t->n; i++) {
		struct pollfd p;
		source_serve(&t->v[i]->source, hold);
		source_poll(&t->v[i]->source, &p);
		t->v[i]->due = t->v[i]->due || p.fd >= 0; /* one that tells by itself: looking costs little */
	}
	take_events(t);
}
