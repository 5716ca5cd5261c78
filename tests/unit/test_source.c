#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"
#include "source_file_parts.h"
#include "source_open.h"

/* ---- a directory with a log, and a source that follows it ---- */

static char directory[64];
static struct source source;
static struct arena arena;

static const char *path_of(const char *name)
{
	static char text[4][512];
	static unsigned turn;
	char *p = text[turn++ % 4];

	(void)snprintf(p, sizeof text[0], "%s/%s", directory, name);
	return p;
}

static int set_up(void **state)
{
	(void)state;
	(void)strcpy(directory, "/tmp/nixie-source-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	source_init(&source, "mail", path_of("mail.log"));
	return 0;
}

static int tear_down(void **state)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	(void)state;
	source_free(&source);
	arena_free(&arena);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)unlink(path_of(entry->d_name));
	if (dir)
		(void)closedir(dir);
	return rmdir(directory);
}

static void write_bytes(const char *name, int flags, struct sv bytes)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	(void)close(fd);
}

static void append(const char *name, const char *text)
{
	write_bytes(name, O_APPEND, sv_of(text));
}

/* In place: the same inode, as copytruncate and some editors do. */
static void rewrite(const char *name, const char *text)
{
	write_bytes(name, O_TRUNC, sv_of(text));
}

static void move(const char *from, const char *to)
{
	assert_int_equal(rename(path_of(from), path_of(to)), 0);
}

static uint64_t inode_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_ino;
}

static int64_t file_bytes(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_size;
}

static void set_changed(const char *name, const char *when)
{
	const struct timespec times[2] = { { .tv_sec = at(when) }, { .tv_sec = at(when) } };

	assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

/* All lines that come, each with '|' behind it. A rotated file is drained for a while:
 * so many of them are taken to have been quiet for long enough. */
static const char *lines(int quiet)
{
	static char text[8192];
	size_t n = 0;
	struct sv line;

	for (;;) {
		if (source_next(&source, &line) == SOURCE_LINE) {
			n += (size_t)snprintf(text + n, sizeof text - n, "%.*s|", SV_ARG(sv_head(line, 100)));
			assert_true(n < sizeof text);
		} else if (quiet-- > 0 && source.quiet_since_ms) {
			source.quiet_since_ms -= SOURCE_DRAIN_MS;
		} else {
			break;
		}
	}
	text[n] = '\0';
	return text;
}

static struct position position(void)
{
	struct position p;

	source_position(&source, &arena, at("2026-11-21"), &p);
	return p;
}

/* The program ends, and begins again at the position. */
static bool restart(const struct position *p)
{
	source_free(&source);
	source_init(&source, "mail", path_of("mail.log"));
	return source_resume(&source, &p, p ? 1 : 0, false);
}

static void start(void)
{
	WANT(source_resume(&source, NULL, 0, false));
}

/* ---- lines ---- */

static void whole_lines_only(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\nthr");
	start();
	WANT_STRING(lines(0), "one|two|");
	WANT_INT(source.offset, 8);
	WANT_STRING(lines(0), "");
	append("mail.log", "ee");
	WANT_STRING(lines(0), "");
	WANT_INT(position().offset, 8);
	append("mail.log", "\nfour\n");
	WANT_STRING(lines(0), "three|four|");
	WANT_INT(position().offset, 19);
	WANT_INT(source.lines, 4);
	WANT_INT(source.restarts, 0);
}

static void byte_by_byte(void **state)
{
	static const char text[] = "a\n\nbc\r\n\n";

	(void)state;
	start();
	for (size_t i = 0; i < sizeof text - 1; i++) {
		static const char *const want[] = { "", "a|", "|", "", "", "", "bc\r|", "|" };
		write_bytes("mail.log", O_APPEND, sv_make(text + i, 1));
		WANT_STRING(lines(0), want[i]);
	}
}

static void nothing_yet(void **state)
{
	struct sv line;

	(void)state;
	start(); /* that it is not there yet is no reason to fail */
	WANT_INT(source_next(&source, &line), SOURCE_MISSING);
	WANT_PART(source.problem, "mail.log");
	append("mail.log", "");
	WANT_INT(source_next(&source, &line), SOURCE_END);
	append("mail.log", "one\n");
	WANT_STRING(lines(0), "one|");
}

/* Its writer waits for a reader, and would take for one who only looks what it is. */
static void a_fifo_that_comes_is_opened_once(void **state)
{
	struct sv line;
	struct inotify_event event;
	int looks = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	(void)state;
	start();
	WANT_INT(source_next(&source, &line), SOURCE_MISSING);
	assert_int_equal(mkfifo(path_of("mail.log"), 0600), 0);
	WANT(inotify_add_watch(looks, path_of("mail.log"), IN_CLOSE) >= 0);
	WANT_INT(source_next(&source, &line), SOURCE_END);
	WANT_INT(read(looks, &event, sizeof event), -1);
	(void)close(looks);
	append("mail.log", "one\n");
	WANT_STRING(lines(0), "one|");
}

static void a_directory_is_no_log(void **state)
{
	struct sv line;

	(void)state;
	assert_int_equal(mkdir(path_of("mail.log"), 0700), 0);
	start();
	WANT_INT(source_next(&source, &line), SOURCE_MISSING);
	WANT_PART(source.problem, "not a regular file");
	assert_int_equal(rmdir(path_of("mail.log")), 0);
}

/* A writer that goes on where a truncated file ended leaves a hole of NULs. */
static void nuls_before_a_line_are_passed_over(void **state)
{
	struct sv line;

	(void)state;
	write_bytes("mail.log", 0, sv_make("\0\0\0one\ntw\0o\n", 12));
	start();
	WANT_INT(source_next(&source, &line), SOURCE_LINE);
	WANT_SV(line, sv_make("one", 3));
	WANT_INT(source_next(&source, &line), SOURCE_LINE);
	WANT_SV(line, sv_make("tw\0o", 4)); /* others are bytes of the line */
	assert_int_equal(truncate(path_of("mail.log"), 1 << 20), 0);
	WANT_STRING(lines(0), "");
	append("mail.log", "three\n");
	WANT_STRING(lines(0), "three|");
	WANT_INT(source.offset, (1 << 20) + 6);
	WANT_INT(source.long_lines, 0);
	struct position p = position();
	append("mail.log", "four\n");
	WANT(restart(&p));
	WANT_STRING(lines(0), "four|");
}

static void append_many(size_t n, char c)
{
	char *p = malloc(n);

	assert_non_null(p);
	memset(p, c, n);
	write_bytes("mail.log", O_APPEND, sv_make(p, n));
	free(p);
}

static void append_long(size_t n)
{
	append_many(n, 'x');
}

static void lines_too_long_are_left_out(void **state)
{
	struct sv line;

	(void)state;
	append_long(LINE_BYTES_MAX);
	append("mail.log", "\n");
	append_long(LINE_BYTES_MAX + 1);
	append("mail.log", "\n");
	append_long((size_t)1 << 20);
	append("mail.log", "\nshort\n");
	start();
	WANT_INT(source_next(&source, &line), SOURCE_LINE);
	WANT_INT(line.n, LINE_BYTES_MAX);
	WANT_STRING(lines(0), "short|");
	WANT_INT(source.long_lines, 2);
	WANT_INT(source.missed, 2);
	WANT_INT(source.missed_lines, 2);
	WANT_INT(source.lines, 4);
}

static void a_long_line_that_is_not_whole_yet(void **state)
{
	(void)state;
	append("mail.log", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	append_long((size_t)1 << 20);
	WANT_STRING(lines(0), "");
	struct position p = position();
	WANT_INT(p.offset, 4); /* at its beginning: it may be read again */
	append("mail.log", "tail\ntwo\n");
	WANT_STRING(lines(0), "two|");
	WANT_INT(source.long_lines, 1);
	/* the same when reading begins anew in the middle of it */
	WANT(restart(&p));
	WANT_STRING(lines(0), "two|");
	WANT_INT(source.long_lines, 1);
}

/* ---- rotation while it is followed ---- */

static void renamed_and_still_written_to(void **state)
{
	(void)state;
	append("mail.log", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	move("mail.log", "mail.log.1");
	append("mail.log.1", "two\n"); /* the writer has not been told yet */
	WANT_STRING(lines(0), "two|");
	append("mail.log", "four\n");
	WANT_STRING(lines(0), "");
	append("mail.log.1", "three\n");
	int64_t begun_ms = clock_mono_ms();
	WANT_STRING(lines(0), "three|"); /* the old one to its end first */
	const char *rest = lines(0);
	while (!*rest && clock_mono_ms() - begun_ms < 60 * SOURCE_DRAIN_MS) {
		usleep(10000);
		rest = lines(0);
	}
	WANT_STRING(rest, "four|");
	WANT(clock_mono_ms() - begun_ms >= SOURCE_DRAIN_MS);
	WANT_INT(source.restarts, 0);
	struct position p = position();
	append("mail.log", "five\n");
	WANT(restart(&p));
	WANT_STRING(lines(0), "five|");
}

/* We are stopped right behind a look that found nothing, for longer than the old file is given, and its
 * writer is not: what he wrote meanwhile is read. */
static void stopped_behind_a_look(void **state)
{
	(void)state;
	append("mail.log", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	move("mail.log", "mail.log.1");
	append("mail.log", "three\n");
	WANT_STRING(lines(0), "");
	append("mail.log.1", "two\n");
	source.quiet_since_ms -= 2 * SOURCE_DRAIN_MS;
	WANT(!source_file_rotated(&source, source.quiet_since_ms + SOURCE_DRAIN_MS - 1));
	WANT_STRING(lines(0), "two|");
	WANT_STRING(lines(1), "three|");
}

/* A new file without a byte in it: the writer may not have been told of it yet. */
static void renamed_and_made_but_not_written_to(void **state)
{
	(void)state;
	append("mail.log", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	move("mail.log", "mail.log.1");
	append("mail.log", "");
	WANT_STRING(lines(1), "");
	WANT_INT(source.inode, inode_of("mail.log.1"));
	append("mail.log.1", "two\n");
	WANT_STRING(lines(1), "two|");
	append("mail.log", "three\n");
	WANT_STRING(lines(1), "three|");
	WANT_INT(source.inode, inode_of("mail.log"));
	WANT_INT(source.missed, 0);
}

static void the_old_one_ends_within_a_line(void **state)
{
	(void)state;
	append("mail.log", "one\ntw");
	start();
	WANT_STRING(lines(0), "one|");
	move("mail.log", "mail.log.1");
	append("mail.log", "three\n");
	WANT_STRING(lines(1), "tw|three|");
}

static void unlinked_and_made_again(void **state)
{
	(void)state;
	append("mail.log", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	int fd = open(path_of("mail.log"), O_WRONLY | O_APPEND);
	assert_int_equal(unlink(path_of("mail.log")), 0);
	assert_int_equal(write(fd, "two\n", 4), 4);
	(void)close(fd);
	WANT_STRING(lines(0), "two|"); /* nobody else can read it any more */
	WANT_STRING(lines(0), "");
	append("mail.log", "three\n");
	WANT_STRING(lines(1), "three|");
	WANT_INT(source.missed, 1); /* there may have been others between them */
}

static void a_symlink_that_is_turned(void **state)
{
	(void)state;
	append("a", "one\n");
	append("b", "two\n");
	assert_int_equal(symlink(path_of("a"), path_of("mail.log")), 0);
	start();
	WANT_STRING(lines(0), "one|");
	assert_int_equal(symlink(path_of("b"), path_of("new")), 0);
	move("new", "mail.log");
	WANT_STRING(lines(1), "two|");
}

/* Some systems write mail, mail.info, mail.warn: those are other logs, no rotated ones. */
static void a_name_that_only_begins_alike_is_another_log(void **state)
{
	(void)state;
	source_free(&source);
	source_init(&source, "mail", path_of("mail"));
	append("mail", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	move("mail", "mail-20261121");
	append("mail.info", "another log's\n");
	append("mail", "two\n");
	WANT_STRING(lines(1), "two|");
}

/* ---- the same file, written anew ---- */

static void copytruncate(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\n");
	start();
	WANT_STRING(lines(0), "one|two|");
	append("mail.log.1", "one\ntwo\n");
	rewrite("mail.log", "");
	WANT_STRING(lines(0), "");
	append("mail.log", "three\n");
	WANT_STRING(lines(0), "three|");
	WANT_INT(source.restarts, 1);
	WANT_INT(source.offset, 6);
}

static void copytruncate_before_all_was_read(void **state)
{
	(void)state;
	append("mail.log.2", "one\ntwo\nof the day before\n");
	append("mail.log", "one\ntwo\n");
	start();
	WANT_STRING(lines(0), "one|two|");
	append("mail.log.1", "one\ntwo\nmore\n");
	rewrite("mail.log", "three\n");
	WANT_STRING(lines(1), "more|three|");
	WANT_INT(source.restarts, 1);
}

/* An editor empties it first: what comes then may be the same again. */
static void written_anew_bit_by_bit(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\n");
	start();
	WANT_STRING(lines(0), "one|two|");
	rewrite("mail.log", "");
	WANT_STRING(lines(0), "");
	append("mail.log", "one\nt");
	WANT_STRING(lines(0), "");
	append("mail.log", "wo\nthree\n");
	WANT_STRING(lines(0), "three|");
	WANT_INT(source.restarts, 0);
}

/* What was read last is not in it any more: stamps tell what is new. */
static void rewritten_without_its_last_lines(void **state)
{
	char text[120];

	(void)state;
	for (int i = 0; i < 30; i++) {
		(void)snprintf(text, sizeof text, "2026-11-21T10:00:%02dZ mail p/s[1]: a line of some length\n", i);
		append("mail.log", text);
	}
	start();
	(void)lines(0);
	source.anchor.time_s = at("2026-11-21T10:00:29Z");
	write_bytes("mail.log", 0, SV(""));
	assert_int_equal(truncate(path_of("mail.log"), file_bytes("mail.log") - 200), 0);
	append("mail.log", "2026-11-21T10:00:28Z mail p/s[1]: another\n2026-11-21T10:00:30Z mail p/s[1]: new\n");
	WANT_STRING(lines(0), "");
	source.rewritten_ms -= SOURCE_REWRITE_MS;
	WANT_STRING(lines(0), "2026-11-21T10:00:30Z mail p/s[1]: new|");
	WANT_INT(source.restarts, 1);
}

static void truncated_and_regrown(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "shorter", "1\n", "1|" },
		{ "as long", "111\n222\n", "111|222|" },
		{ "longer", "111\n222\n333\n", "111|222|333|" },
		{ "longer, without an end", "111\n222\n33", "111|222|" },
	};

	(void)state;
	EACH(row, table) {
		rewrite("mail.log", "one\ntwo\n");
		WANT(restart(NULL));
		WANT_STRING(lines(0), "one|two|");
		rewrite("mail.log", row->text);
		WANT_STRING(lines(0), row->want);
		WANT_INT(source.restarts, 1);
	}
}

/* Nothing was read since the start: what was there before must be known all the same. */
static void regrown_right_after_a_start(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\n");
	start();
	WANT_STRING(lines(0), "one|two|");
	struct position p = position();
	WANT(restart(&p));
	WANT_STRING(lines(0), "");
	rewrite("mail.log", "111\n222\n333\n");
	WANT_STRING(lines(0), "111|222|333|");
}

static void regrown_after_a_start_at_the_end(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\n");
	WANT(source_resume(&source, NULL, 0, true));
	WANT_STRING(lines(0), "");
	rewrite("mail.log", "111\n222\n333\n");
	WANT_STRING(lines(0), "111|222|333|");
}

/* The read buffer is exactly full when the end of the file is reached. */
static void regrown_when_the_buffer_was_full(void **state)
{
	struct sv line;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < SOURCE_BUFFER_BYTES / 4096; i++) {
		append_long(4095);
		append("mail.log", "\n");
	}
	start();
	while (source_next(&source, &line) == SOURCE_LINE)
		n++;
	WANT_INT(n, SOURCE_BUFFER_BYTES / 4096);
	assert_int_equal(truncate(path_of("mail.log"), 0), 0);
	for (size_t i = 0; i < SOURCE_BUFFER_BYTES / 4096 + 1; i++) {
		append_many(4091, 'y');
		append("mail.log", "\nnew\n");
	}
	for (n = 0; source_next(&source, &line) == SOURCE_LINE;)
		n += sv_eq(line, SV("new"));
	WANT_INT(n, SOURCE_BUFFER_BYTES / 4096 + 1);
	WANT_INT(source.restarts, 1);
}

/* Lines as long as those of a log, so that more than the beginning can tell files apart. */
static void write_numbered(const char *name, int from, int to, int without)
{
	char text[80];

	write_bytes(name, O_TRUNC, SV(""));
	for (int i = from; i < to; i++) {
		(void)snprintf(text, sizeof text, "line %02d ------------------------------------------------\n", i);
		if (i != without)
			append(name, text);
	}
}

static void count_line(void *arg, struct sv line)
{
	(void)line;
	++*(int *)arg;
}

/* An editor was used on it: what was read before must not be read again. */
static void a_line_was_taken_out(void **state)
{
	static const struct { const char *name; bool moved; int more; } table[] = {
		{ "in place", false, 5 }, { "in place, the file is shorter now", false, 0 },
		{ "another file in its place", true, 5 }, { "another file in its place, shorter", true, 0 },
	};

	(void)state;
	EACH(row, table) {
		int n = 0;
		write_numbered("mail.log", 0, 30, -1);
		WANT(restart(NULL));
		(void)lines(0);
		WANT_INT(source.offset, file_bytes("mail.log"));
		write_numbered(row->moved ? "new" : "mail.log", 0, 30, 20);
		for (int i = 0; i < row->more; i++)
			append(row->moved ? "new" : "mail.log", "one --------------------\n");
		if (row->moved)
			move("new", "mail.log");
		WANT_INT(strlen(lines(1)), row->more * 25);
		append("mail.log", "two\n");
		WANT_STRING(lines(1), "two|");
		source_read_back(&source, 1 << 20, count_line, &n);
		WANT_INT(n, 30 + row->more);
	}
}

/* ---- where it was: after a stop ---- */

static void goes_on_where_it_was(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\nthr");
	start();
	WANT_STRING(lines(0), "one|two|");
	struct position p = position();
	WANT_TEXT(p.source, source.name);
	WANT_PART(source.name, "mail:/");
	WANT_INT(p.offset, 8);
	WANT_INT(p.time_s, at("2026-11-21"));
	append("mail.log", "ee\nfour\n");
	WANT(restart(&p));
	WANT_INT(source.anchor.time_s, at("2026-11-21"));
	WANT_STRING(lines(0), "three|four|");
	struct position later = position();
	WANT(strcmp(p.at, later.at) != 0);
	WANT_STRING(position().at, later.at);
	WANT(restart(&later));
	WANT_STRING(lines(0), "");
	WANT_INT(source.missed, 0);
}

/* Shorter than what is hashed, as long, and longer. */
static void positions_of_every_length(void **state)
{
	struct sv line;

	(void)state;
	for (int i = 0; i < 60; i++) {
		char text[32];
		append("mail.log", i % 3 ? "a line of a log\n" : "\n");
		if (i == 0)
			start();
		WANT_INT(source_next(&source, &line), SOURCE_LINE);
		struct position p = position();
		(void)snprintf(text, sizeof text, "%d lines", i + 1);
		test_row = text;
		append("mail.log", "new\n");
		WANT(restart(&p));
		WANT_STRING(lines(0), "new|");
		test_row = "";
	}
}

static struct position read_two(void)
{
	append("mail.log", "one\ntwo\n");
	start();
	WANT_STRING(lines(0), "one|two|");
	return position();
}

static void rotated_while_stopped(void **state)
{
	(void)state;
	struct position p = read_two();
	append("mail.log", "three\n");
	move("mail.log", "mail.log.1");
	append("mail.log", "four\n");
	WANT(restart(&p));
	WANT_STRING(lines(1), "three|four|");
}

static void rotated_twice_while_stopped(void **state)
{
	(void)state;
	struct position p = read_two();
	append("mail.log", "three\n");
	move("mail.log", "mail.log.2");
	set_changed("mail.log.2", "2026-11-19");
	append("mail.log.1", "four\n");
	set_changed("mail.log.1", "2026-11-20");
	append("mail.log.3", "long ago\n");
	set_changed("mail.log.3", "2026-11-18");
	append("mail.log", "five\n");
	WANT(restart(&p));
	WANT_STRING(lines(2), "three|four|five|");
}

static void rotated_to_names_with_dates(void **state)
{
	(void)state;
	struct position p = read_two();
	append("mail.log", "three\n");
	move("mail.log", "mail.log-20261119");
	set_changed("mail.log-20261119", "2026-11-19");
	append("mail.log-20261120", "four\n");
	set_changed("mail.log-20261120", "2026-11-20");
	append("mail.log-20261120.gz", "not to be read\n");
	append("mail.log", "five\n");
	WANT(restart(&p));
	WANT_STRING(lines(2), "three|four|five|");
}

/* Restored from a backup, or unpacked from an image: all changed at the same second. */
static void siblings_of_one_time(void **state)
{
	static const struct { const char *name, *oldest, *older; } table[] = {
		{ "numbers", "mail.log.2", "mail.log.1" },
		{ "ten is older than nine", "mail.log.10", "mail.log.9" },
		{ "dates", "mail.log-20261119", "mail.log-20261120" },
		{ "dates behind a dot", "mail.log.20261119", "mail.log.20261120" },
		{ "dates with hyphens", "mail.log.2026-11-19", "mail.log.2026-11-20" },
	};

	(void)state;
	EACH(row, table) {
		(void)unlink(path_of("mail.log"));
		WANT(restart(NULL));
		struct position p = read_two();
		append("mail.log", "three\n");
		move("mail.log", row->oldest);
		append(row->older, "four\n");
		append("mail.log", "five\n");
		set_changed(row->oldest, "2026-11-20");
		set_changed(row->older, "2026-11-20");
		set_changed("mail.log", "2026-11-20");
		WANT(restart(&p));
		WANT_STRING(lines(3), "three|four|five|");
		(void)unlink(path_of(row->oldest));
		(void)unlink(path_of(row->older));
	}
}

static void compress(const char *name, const char *with)
{
	char command[1024];

	(void)snprintf(command, sizeof command, "%s %s", with, path_of(name));
	assert_int_equal(system(command), 0);
}

/* A write that does only a part says no error: the one of something before must not be told. */
static void no_room_to_unpack(void **state)
{
	struct rlimit before, small;
	struct stat st;
	char problem[SOURCE_PROBLEM_MAX] = "";

	(void)state;
	for (int i = 0; i < 200; i++)
		append("mail.log", "a line of a log\n");
	compress("mail.log", "gzip");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){ 1000, before.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	errno = ENOTTY;
	int fd = source_open(path_of("mail.log.gz"), &st, problem);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	WANT_INT(fd, -1);
	WANT_PART(problem, "mail.log.gz: cannot be unpacked in ");
	WANT_PART(problem, ": there is no room for all of it");
}

static void compressed_while_stopped(void **state)
{
	static const struct { const char *name, *with, *file; } table[] = {
		{ "gzip", "gzip", "mail.log.1.gz" }, { "xz", "xz", "mail.log.1.xz" }, { "zstd", "zstd -q --rm", "mail.log.1.zst" },
		{ "gzip, not removed yet", "gzip -k", "mail.log.1.gz" },
	};

	(void)state;
	EACH(row, table) {
		(void)unlink(path_of("mail.log.1"));
		(void)unlink(path_of("mail.log"));
		struct position p = read_two();
		append("mail.log", "not read\n");
		move("mail.log", "mail.log.1");
		compress("mail.log.1", row->with);
		append("mail.log", "three\n");
		WANT(restart(&p));
		WANT_STRING(lines(1), "not read|three|");
		p = position();
		WANT(restart(&p));
		WANT_STRING(lines(0), "");
		(void)unlink(path_of(row->file));
	}
}

/* The program ends in the middle of a compressed log, and comes back to it; one that is older, and
 * one that is cut off, are beside it. */
static void in_the_middle_of_a_compressed_log(void **state)
{
	struct sv line;

	(void)state;
	struct position p = read_two();
	append("mail.log", "three\nfour\n");
	move("mail.log", "mail.log.2");
	compress("mail.log.2", "gzip");
	append("mail.log.1", "five\n");
	compress("mail.log.1", "xz");
	append("mail.log.3", "one\nold\n");
	compress("mail.log.3", "gzip");
	append("mail.log.4.gz", "\x1f\x8b\x08");
	set_changed("mail.log.4.gz", "2020-01-01");
	set_changed("mail.log.3.gz", "2020-01-02");
	append("mail.log", "six\n");
	WANT(restart(&p));
	WANT_INT(source_next(&source, &line), SOURCE_LINE);
	WANT_TEXT(line, "three");
	p = position();
	WANT(restart(&p));
	WANT_STRING(lines(3), "four|five|six|");
}

static void take_back(void *arg, struct sv line)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 200 - strlen(text), "%.*s|", SV_ARG(line));
}

/* What came before the place is in the file before. */
static void read_back_over_a_rotation(void **state)
{
	static const struct { const char *name; size_t max; const char *with, *want; } table[] = {
		{ "all", 1000, NULL, "one|two|three|four|" },
		{ "some", 12, NULL, "three|four|" },
		{ "this file only", 5, NULL, "four|" },
		{ "the file before is compressed", 1000, "gzip", "four|" },
	};

	(void)state;
	EACH(row, table) {
		char text[200] = "";
		(void)unlink(path_of("mail.log.1"));
		(void)unlink(path_of("mail.log.1.gz"));
		rewrite("mail.log", "one\ntwo\nthree\n");
		move("mail.log", "mail.log.1");
		set_changed("mail.log.1", "2026-11-01");
		if (row->with)
			compress("mail.log.1", row->with);
		append("mail.log", "four\nfive\n");
		WANT(restart(NULL));
		struct sv line;
		WANT_INT(source_next(&source, &line), SOURCE_LINE);
		struct position p = position();
		WANT(restart(&p));
		source_read_back(&source, row->max, take_back, text);
		WANT_STRING(text, row->want);
	}
}

/* The file that was read is gone for good. What was rotated after it was not read yet. */
static void the_oldest_that_was_not_read(void **state)
{
	(void)state;
	append("mail.log", "2026-11-18T10:00:00Z mail p/s[1]: one\n2026-11-18T12:00:00Z mail p/s[1]: two\n");
	start();
	struct sv line;
	while (source_next(&source, &line) == SOURCE_LINE)
		;
	struct position p;
	source_position(&source, &arena, at("2026-11-18T12:00:00Z"), &p);
	(void)unlink(path_of("mail.log"));
	append("mail.log.3", "2026-11-17T10:00:00Z mail p/s[1]: long ago\n");
	append("mail.log.1", "2026-11-19T10:00:00Z mail p/s[1]: four\n");
	append("mail.log", "2026-11-20T10:00:00Z mail p/s[1]: five\n");
	set_changed("mail.log.3", "2026-11-17T10:00:00Z");
	set_changed("mail.log.1", "2026-11-19T10:00:00Z");
	WANT(!restart(&p));
	WANT_PART(source.problem, "gone");
	WANT_INT(source.missed, 1);
	WANT_INT(source.missed_lines, 0); /* nobody knows how many */
	WANT_STRING(source.open_path, path_of("mail.log.1"));
	WANT_STRING(lines(2), "2026-11-19T10:00:00Z mail p/s[1]: four|2026-11-20T10:00:00Z mail p/s[1]: five|");
}

/* The place is lost and the log is not there yet: no other file may be read in its stead. */
static void gone_and_not_made_again(void **state)
{
	struct sv line;

	(void)state;
	struct position p = read_two();
	(void)unlink(path_of("mail.log"));
	append("mail.log.2", "was read long ago\n");
	WANT(!restart(&p));
	WANT_INT(source.missed, 1);
	WANT_INT(source_next(&source, &line), SOURCE_MISSING);
	append("mail.log", "three\n");
	WANT_STRING(lines(0), "three|");
}

static void copytruncated_while_stopped(void **state)
{
	static const struct { const char *name, *text; } table[] = {
		{ "shorter", "new\n" }, { "regrown past the place", "new\nnew\nnew\nnew\n" },
	};

	(void)state;
	EACH(row, table) {
		(void)unlink(path_of("mail.log.1"));
		rewrite("mail.log", "one\ntwo\n");
		WANT(restart(NULL));
		WANT_STRING(lines(0), "one|two|");
		struct position p = position();
		append("mail.log.1", "one\ntwo\nthree\n"); /* the copy */
		set_changed("mail.log.1", "2020-01-01");
		rewrite("mail.log", row->text);
		WANT(restart(&p));
		WANT_STRING(source.open_path, path_of("mail.log.1"));
		WANT(strncmp(lines(1), "three|new|", 10) == 0);
	}
}

/* A new file may get the inode of the one that was deleted. */
static void inode_used_again(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "shorter", "new\n", "new|" },
		{ "longer", "new\nnew\nnew\nnew\n", "new|new|new|new|" },
		{ "longer, with the same first line", "one\nnew\nnew\nnew\n", "one|new|new|new|" },
	};

	(void)state;
	EACH(row, table) {
		(void)unlink(path_of("mail.log"));
		WANT(restart(NULL));
		struct position p = read_two();
		rewrite("mail.log", row->text); /* the same device and inode for certain */
		WANT(!restart(&p));
		WANT_STRING(lines(0), row->want);
	}
}

/* Of the same inode and long enough: only what is written at both ends tells it is another. */
static void both_ends_must_be_the_same(void **state)
{
	static const struct { const char *name; long changed_at; bool want; } table[] = {
		{ "nothing changed", -1, true }, { "in its first bytes", 3, false }, { "at the end of the first bytes", SOURCE_HEAD_BYTES - 1, false },
		{ "in the bytes before the place", 30 * 57 - 3, false }, { "at the beginning of those", 30 * 57 - SOURCE_TAIL_BYTES, false },
		{ "behind the place", 30 * 57, true },
	};

	(void)state;
	EACH(row, table) {
		write_numbered("mail.log", 0, 30, -1);
		WANT(restart(NULL));
		(void)lines(0);
		struct position p = position();
		WANT_INT(p.offset, 30 * 57);
		append("mail.log", "new\n");
		int fd = open(path_of("mail.log"), O_WRONLY);
		if (row->changed_at >= 0)
			assert_int_equal(pwrite(fd, "N", 1, row->changed_at), 1);
		(void)close(fd);
		WANT_INT(restart(&p), row->want);
		WANT_INT(source.offset, row->want ? 30 * 57 : 0);
	}
}

/* A copy under another inode is the same log. */
static void copied_and_moved_while_stopped(void **state)
{
	(void)state;
	struct position p = read_two();
	append("new", "one\ntwo\nthree\n");
	move("new", "mail.log");
	WANT(restart(&p));
	WANT_STRING(lines(0), "three|");
}

/* logrotate's `extension .log`, or what a link pointed to: the inode tells. */
static void a_name_like_no_other_while_stopped(void **state)
{
	(void)state;
	struct position p = read_two();
	append("mail.log", "three\n");
	move("mail.log", "mail-20261121.log");
	append("mail.log", "four\n");
	WANT(restart(&p));
	WANT_STRING(lines(1), "three|four|");
}

static void a_symlink_that_is_turned_while_stopped(void **state)
{
	(void)state;
	append("a", "one\ntwo\n");
	assert_int_equal(symlink("a", path_of("mail.log")), 0);
	start();
	WANT_STRING(lines(0), "one|two|");
	struct position p = position();
	append("a", "three\n");
	append("b", "four\n");
	assert_int_equal(unlink(path_of("mail.log")), 0);
	assert_int_equal(symlink("b", path_of("mail.log")), 0);
	WANT(restart(&p));
	WANT_STRING(lines(1), "three|four|");
}

/* What it points to is rotated: the siblings are that file's. */
static void siblings_of_what_a_symlink_points_to(void **state)
{
	(void)state;
	append("real", "one\ntwo\n");
	assert_int_equal(symlink("real", path_of("mail.log")), 0);
	start();
	WANT_STRING(lines(0), "one|two|");
	struct position p = position();
	move("real", "real.2");
	append("real.1", "three\n");
	append("real", "four\n");
	WANT(restart(&p));
	WANT_STRING(lines(2), "three|four|");
}

/* A place whose offset was damaged looks like one at the beginning. */
static void no_beginning(void **state)
{
	(void)state;
	struct position p = read_two();
	p.offset = 0;
	WANT(!restart(&p));
}

static void files_that_begin_alike(void **state)
{
	(void)state;
	append("mail.log.1", "one\n111\nlong ago\n");
	append("mail.log.2", "one\n222\nlong ago\n");
	struct position p = read_two();
	append("mail.log", "three\n");
	move("mail.log", "mail.log.3");
	append("mail.log", "one\n333\n");
	set_changed("mail.log.1", "2020-01-01");
	set_changed("mail.log.2", "2020-01-01");
	WANT(restart(&p));
	WANT_STRING(source.open_path, path_of("mail.log.3"));
	WANT_STRING(lines(1), "three|one|333|");
}

/* Nothing had been read of it: any file has the hash of no bytes. */
static void position_at_the_beginning(void **state)
{
	struct position p = { .source = SV("x"), .device = 1, .inode = 999999999, .time_s = 1 };
	char name[32];

	(void)state;
	for (int i = 1; i < 30; i++) {
		(void)snprintf(name, sizeof name, "mail.log.%d", i);
		append(i == 15 ? "mail.log" : name, i == 15 ? "one\n" : "was read long ago\n");
		set_changed(i == 15 ? "mail.log" : name, "2020-01-01");
	}
	p.head_hash = p.tail_hash = sv_hash(SV(""));
	(void)restart(&p);
	WANT_STRING(source.open_path, path_of("mail.log"));
	WANT_STRING(lines(0), "one|");
}

static void start_at_the_end(void **state)
{
	(void)state;
	append("mail.log", "one\ntwo\nthr");
	WANT(source_resume(&source, NULL, 0, true));
	WANT_STRING(lines(0), "");
	append("mail.log", "ee\nfour\n");
	WANT_STRING(lines(0), "three|four|");
}

static void start_at_the_end_of_nothing(void **state)
{
	(void)state;
	append("mail.log", "on");
	WANT(source_resume(&source, NULL, 0, true));
	append("mail.log", "e\n");
	WANT_STRING(lines(0), "one|");
}

/* ---- years ---- */

static void a_log_of_two_years(void **state)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct sv line;
	struct line parsed;
	int64_t want_s = at("2024-11-20");

	(void)state;
	WANT(clock_set_zone("UTC"));
	for (int64_t t = want_s; t < at("2026-02-10"); t += CLOCK_DAY_S / 2) {
		struct civil c;
		char text[128];
		clock_s_to_civil(t, &c);
		(void)snprintf(text, sizeof text, "%.3s %2d %02d:00:00 mail postfix/smtp[1]: 4F5C6: a line as long as others are in such a log\n",
			names + 3 * (c.month - 1), c.day, c.hour);
		append("mail.log", text);
	}
	set_changed("mail.log", "2026-02-10");
	start();
	while (source_next(&source, &line) == SOURCE_LINE) {
		WANT(line_parse(line, &source.anchor, &parsed));
		WANT_INT(parsed.time_us / CLOCK_SECOND_US, want_s);
		want_s += CLOCK_DAY_S / 2;
	}
	WANT_INT(want_s, at("2026-02-10"));
}

/* The year goes on with the lines, over a rotation too. */
static void the_year_after_a_rotation(void **state)
{
	(void)state;
	append("mail.log", "one\n");
	start();
	WANT_STRING(lines(0), "one|");
	source.anchor.time_s = at("2020-12-31T23:59:59Z");
	move("mail.log", "mail.log.1");
	append("mail.log", "two\n");
	WANT_STRING(lines(1), "two|");
	WANT_INT(source.anchor.time_s, at("2020-12-31T23:59:59Z"));
}

/* ---- reading back ---- */

static void add_line(void *arg, struct sv line)
{
	char *text = arg;
	size_t n = strlen(text);

	(void)snprintf(text + n, 256 - n, "%.*s|", SV_ARG(sv_head(line, 20)));
}

static void reading_back(void **state)
{
	static const struct { const char *name; size_t max; const char *want; } table[] = {
		{ "all", 1000, "one|two|three|" },
		{ "exactly all", 14, "one|two|three|" },
		{ "a byte less: the first is cut", 13, "two|three|" },
		{ "to the beginning of a line: it might be a piece", 6, "" },
		{ "a byte more", 7, "three|" },
		{ "nothing", 0, "" },
	};

	(void)state;
	append("mail.log", "one\ntwo\nthree\n");
	start();
	WANT_STRING(lines(0), "one|two|three|");
	append("mail.log", "not read yet\n");
	EACH(row, table) {
		char text[256] = "";
		source_read_back(&source, row->max, add_line, text);
		WANT_STRING(text, row->want);
	}
	WANT_STRING(lines(0), "not read yet|"); /* it has not moved */
}

static void reading_back_over_a_long_line(void **state)
{
	char text[256] = "";

	(void)state;
	append("mail.log", "one\n");
	append_long((size_t)1 << 20);
	append("mail.log", "\ntwo\n");
	start();
	WANT_STRING(lines(0), "one|two|");
	source_read_back(&source, (size_t)2 << 20, add_line, text);
	WANT_STRING(text, "one|two|");
}

/* ---- standard input ---- */

static void a_stream(void **state)
{
	int ends[2], was = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	(void)dup2(ends[0], STDIN_FILENO);
	source_free(&source);
	source_init(&source, "mail", "-");
	(void)dup2(was, STDIN_FILENO);
	(void)close(was);
	(void)close(ends[0]);
	WANT(source_resume(&source, NULL, 0, false));
	assert_int_equal(write(ends[1], "one\ntw", 6), 6);
	WANT_STRING(lines(0), "one|");
	WANT(!source.closed);
	assert_int_equal(write(ends[1], "o\nthr", 5), 5);
	WANT_STRING(lines(0), "two|");
	(void)close(ends[1]);
	WANT_STRING(lines(0), "thr|"); /* it will never get its end */
	WANT(source.closed);
	WANT_STRING(lines(0), "");
}

#define ON_FILES(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FILES(whole_lines_only),
		ON_FILES(byte_by_byte),
		ON_FILES(nothing_yet),
		ON_FILES(a_fifo_that_comes_is_opened_once),
		ON_FILES(a_directory_is_no_log),
		ON_FILES(nuls_before_a_line_are_passed_over),
		ON_FILES(lines_too_long_are_left_out),
		ON_FILES(a_long_line_that_is_not_whole_yet),
		ON_FILES(renamed_and_still_written_to),
		ON_FILES(stopped_behind_a_look),
		ON_FILES(renamed_and_made_but_not_written_to),
		ON_FILES(the_old_one_ends_within_a_line),
		ON_FILES(unlinked_and_made_again),
		ON_FILES(a_symlink_that_is_turned),
		ON_FILES(a_name_that_only_begins_alike_is_another_log),
		ON_FILES(copytruncate),
		ON_FILES(copytruncate_before_all_was_read),
		ON_FILES(written_anew_bit_by_bit),
		ON_FILES(rewritten_without_its_last_lines),
		ON_FILES(truncated_and_regrown),
		ON_FILES(regrown_right_after_a_start),
		ON_FILES(regrown_after_a_start_at_the_end),
		ON_FILES(regrown_when_the_buffer_was_full),
		ON_FILES(a_line_was_taken_out),
		ON_FILES(goes_on_where_it_was),
		ON_FILES(positions_of_every_length),
		ON_FILES(rotated_while_stopped),
		ON_FILES(rotated_twice_while_stopped),
		ON_FILES(rotated_to_names_with_dates),
		ON_FILES(siblings_of_one_time),
		ON_FILES(compressed_while_stopped),
		ON_FILES(in_the_middle_of_a_compressed_log),
		ON_FILES(read_back_over_a_rotation),
		ON_FILES(the_oldest_that_was_not_read),
		ON_FILES(gone_and_not_made_again),
		ON_FILES(copytruncated_while_stopped),
		ON_FILES(inode_used_again),
		ON_FILES(both_ends_must_be_the_same),
		ON_FILES(copied_and_moved_while_stopped),
		ON_FILES(a_name_like_no_other_while_stopped),
		ON_FILES(a_symlink_that_is_turned_while_stopped),
		ON_FILES(siblings_of_what_a_symlink_points_to),
		ON_FILES(no_beginning),
		ON_FILES(no_room_to_unpack),
		ON_FILES(files_that_begin_alike),
		ON_FILES(position_at_the_beginning),
		ON_FILES(start_at_the_end),
		ON_FILES(start_at_the_end_of_nothing),
		ON_FILES(a_log_of_two_years),
		ON_FILES(the_year_after_a_rotation),
		ON_FILES(reading_back),
		ON_FILES(reading_back_over_a_long_line),
		ON_FILES(a_stream),
	};

	return RUN(tests);
}
