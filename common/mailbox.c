#include "mailbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lines are read in pieces of so much at most. */
#define PIECE_MAX 8192
/* Names of a Maildir at a time. */
#define NAMES_MAX 4096

static const char *const subs[] = { "new", "cur" };
#define SUBS (sizeof subs / sizeof *subs)

struct mailbox {
	const char *path;
	FILE *from; /* NULL: none is open */
	bool failed, mbox;
	size_t number; /* of the message in this file */
	/* the piece of a line that comes next, unless the file is at its end */
	bool pending;
	size_t piece_n;
	char piece[PIECE_MAX];
	/* of a Maildir */
	bool maildir;
	size_t sub;
	/* the first NAMES_MAX behind the last of those before; room for as many that are in their way */
	char names[2 * NAMES_MAX][NAME_MAX + 1];
	size_t n_names, next;
	uint64_t done, all; /* bytes, or messages */
	char where[PATH_MAX + 64];
	/* the message at hand */
	size_t n;
	char bytes[MAIL_BYTES_MAX + 1];
};

static bool fail(struct mailbox *m, const char *path, struct err *err)
{
	m->failed = true;
	return err_set(err, "cannot read %s: %s", strcmp(path, "-") == 0 ? "standard input" : path, strerror(errno));
}

/* Is it a Maildir, or at least the half of one? */
static bool is_maildir(const char *path)
{
	char sub[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < SUBS; i++)
		if ((size_t)snprintf(sub, sizeof sub, "%s/%s", path, subs[i]) < sizeof sub && stat(sub, &st) == 0 && S_ISDIR(st.st_mode))
			return true;
	return false;
}

/* ---- lines ---- */

/* The next line, or as much of it as there is room for. */
static void read_piece(struct mailbox *m)
{
	int c;

	m->piece_n = 0;
	while (m->piece_n < PIECE_MAX && (c = getc_unlocked(m->from)) != EOF) {
		m->piece[m->piece_n++] = (char)c;
		if (c == '\n')
			break;
	}
	m->pending = m->piece_n > 0;
	if (!m->maildir)
		m->done += m->piece_n;
}

static struct sv piece(const struct mailbox *m)
{
	return sv_make(m->piece, m->piece_n);
}

static bool ends_line(const struct mailbox *m)
{
	return m->piece[m->piece_n - 1] == '\n';
}

static void keep(struct mailbox *m, struct sv bytes)
{
	bytes = sv_head(bytes, sizeof m->bytes - m->n);
	if (bytes.n)
		memcpy(m->bytes + m->n, bytes.p, bytes.n);
	m->n += bytes.n;
}

/* ">From " within an mbox was "From " */
static struct sv unquote(struct sv line)
{
	struct sv rest = line;

	while (sv_take(&rest, SV(">")))
		;
	return rest.n < line.n && sv_starts(rest, SV("From ")) ? sv_skip(line, 1) : line;
}

static void skip_line(struct mailbox *m)
{
	while (m->pending && !ends_line(m))
		read_piece(m);
	if (m->pending)
		read_piece(m);
}

/* Up to the end of the file, or to the "From " of the next message, which is pending then. */
static void take_message(struct mailbox *m)
{
	bool start = true, empty = false;

	m->n = 0;
	m->number++;
	if (m->mbox)
		skip_line(m);
	for (; m->pending; read_piece(m)) {
		if (m->mbox && empty && sv_starts(piece(m), SV("From ")))
			break;
		empty = start && (sv_eq(piece(m), SV("\n")) || sv_eq(piece(m), SV("\r\n")));
		keep(m, m->mbox && start ? unquote(piece(m)) : piece(m));
		start = ends_line(m);
	}
}

/* ---- files ---- */

static void close_file(struct mailbox *m)
{
	if (m->from && m->from != stdin)
		(void)fclose(m->from);
	m->from = NULL;
}

static bool start_file(struct mailbox *m, const char *path, struct err *err)
{
	m->number = 0;
	read_piece(m);
	m->mbox = !m->maildir && m->pending && sv_starts(piece(m), SV("From "));
	if (m->mbox && m->from == stdin) {
		skip_line(m);
		m->mbox = false;
	}
	return !ferror(m->from) || fail(m, path, err);
}

static bool open_file(struct mailbox *m, struct err *err)
{
	struct stat st;

	m->from = strcmp(m->path, "-") == 0 ? stdin : fopen(m->path, "re");
	if (!m->from)
		return fail(m, m->path, err);
	off_t at = ftello(m->from);
	if (fstat(fileno(m->from), &st) == 0 && S_ISREG(st.st_mode) && at >= 0 && at < st.st_size)
		m->all = (uint64_t)(st.st_size - at);
	return start_file(m, m->path, err);
}

static bool next_in_file(struct mailbox *m, const char *path, struct err *err)
{
	/* an empty file is an empty message */
	if (!m->pending && m->number)
		return false;
	take_message(m);
	if (ferror(m->from))
		return fail(m, path, err);
	if (m->mbox)
		(void)snprintf(m->where, sizeof m->where, "%s, message %zu", path, m->number);
	else
		(void)snprintf(m->where, sizeof m->where, "%s", path);
	return true;
}

/* ---- Maildirs ---- */

static bool is_message(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void keep_first_names(struct mailbox *m)
{
	qsort(m->names, m->n_names, sizeof *m->names, compare_names);
	if (m->n_names > NAMES_MAX)
		m->n_names = NAMES_MAX;
}

/* The names behind `last`: a directory tells them in no order, and may have more than there is room for. */
static void take_names(struct mailbox *m, DIR *directory, const char *last)
{
	bool full = false;
	struct dirent *entry;

	while ((entry = readdir(directory))) {
		const char *name = entry->d_name;
		if (!is_message(entry) || strcmp(name, last) <= 0 || (full && strcmp(name, m->names[NAMES_MAX - 1]) > 0))
			continue;
		memcpy(m->names[m->n_names++], name, strlen(name) + 1);
		if (m->n_names == 2 * NAMES_MAX) {
			keep_first_names(m);
			full = true;
		}
	}
	keep_first_names(m);
}

/* A Maildir may have the one half alone. */
static DIR *open_half(const struct mailbox *m, char *path)
{
	(void)snprintf(path, PATH_MAX, "%s/%s", m->path, subs[m->sub]);
	return opendir(path);
}

static bool next_names(struct mailbox *m, struct err *err)
{
	char path[PATH_MAX], last[NAME_MAX + 1] = "";
	DIR *directory = open_half(m, path);

	if (m->n_names)
		memcpy(last, m->names[m->n_names - 1], sizeof last);
	m->n_names = m->next = 0;
	if (!directory)
		return errno == ENOENT || fail(m, path, err);
	take_names(m, directory, last);
	(void)closedir(directory);
	return true;
}

static void count_messages(struct mailbox *m)
{
	char path[PATH_MAX];
	struct dirent *entry;

	for (m->sub = 0; m->sub < SUBS; m->sub++) {
		DIR *directory = open_half(m, path);
		while (directory && (entry = readdir(directory)))
			m->all += is_message(entry);
		if (directory)
			(void)closedir(directory);
	}
	m->sub = 0;
}

/* ENOENT: there is none any more, or it is no file and was never a message. */
static FILE *open_message(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fdopen(fd, "r");
	if (fd >= 0) {
		(void)close(fd);
		errno = ENOENT;
	}
	/* a socket */
	if (errno == ENXIO)
		errno = ENOENT;
	return NULL;
}

static bool next_in_maildir(struct mailbox *m, struct err *err)
{
	char path[PATH_MAX];

	while (m->sub < SUBS) {
		if (m->next == m->n_names && !next_names(m, err)) {
			m->sub++;
			return false;
		}
		if (m->next == m->n_names) {
			m->sub++;
			continue;
		}
		const char *name = m->names[m->next++];
		m->done++;
		if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", m->path, subs[m->sub], name) >= sizeof path)
			continue;
		m->from = open_message(path);
		if (!m->from && errno == ENOENT)
			continue;
		if (!m->from)
			return fail(m, path, err);
		bool got = start_file(m, path, err) && next_in_file(m, path, err);
		close_file(m);
		return got;
	}
	return false;
}

/* ---- all ---- */

struct mailbox *mailbox_open(const char *path, struct err *err)
{
	struct mailbox *m = xalloc(sizeof *m);
	struct stat st;

	m->path = path;
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		m->maildir = is_maildir(path);
		if (!m->maildir)
			(void)err_set(err, "%s is a directory and no Maildir: there is no new/ or cur/ in it", path);
		m->failed = !m->maildir;
		count_messages(m);
	} else {
		(void)open_file(m, err);
	}
	if (m->failed) {
		mailbox_close(m);
		return NULL;
	}
	return m;
}

void mailbox_close(struct mailbox *m)
{
	if (!m)
		return;
	close_file(m);
	free(m);
}

bool mailbox_next(struct mailbox *m, struct sv *bytes_r, struct err *err)
{
	m->failed = false;
	if (!(m->maildir ? next_in_maildir(m, err) : next_in_file(m, m->path, err)))
		return false;
	*bytes_r = sv_make(m->bytes, m->n);
	return true;
}

void mailbox_progress(const struct mailbox *m, uint64_t *done_r, uint64_t *all_r)
{
	*done_r = m->done;
	*all_r = m->all && m->all < m->done ? m->done : m->all;
}

bool mailbox_failed(const struct mailbox *m)
{
	return m->failed;
}

const char *mailbox_where(const struct mailbox *m)
{
	return m->where;
}
