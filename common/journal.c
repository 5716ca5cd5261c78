#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "cli.h"
#include "clock.h"
#include "line.h"

/* Where journald keeps its files: for ever, and until the next boot. */
static const char *const system_directories[] = { "/var/log/journal", "/run/log/journal" };

/* Members of one list must all hold; one of the lists must. Postfix and Exim log with
 * facility mail; Exim is told by its name, Postfix by its unit, when that is another. */
static const char *const matches[][2] = {
	{ "SYSLOG_FACILITY=2" },
	{ "_COMM=exim4", "_COMM=exim" },
	{ "_SYSTEMD_UNIT=postfix.service", "_SYSTEMD_UNIT=postfix@-.service" },
};

/* Who logs in is of these, as systemd has it: no part of a mail system. */
#define LOGIN_UID_MIN 1000
#define LOGIN_UID_MAX 60000

enum field { FIELD_HOST, FIELD_TAG, FIELD_COMM, FIELD_SYSLOG_PID, FIELD_PID, FIELD_UID, FIELD_COUNT };

static const struct { const char *name; size_t max; } fields[FIELD_COUNT] = {
	[FIELD_HOST] = { "_HOSTNAME=", 255 },
	[FIELD_TAG] = { "SYSLOG_IDENTIFIER=", 255 },
	[FIELD_COMM] = { "_COMM=", 64 },
	[FIELD_SYSLOG_PID] = { "SYSLOG_PID=", 20 },
	[FIELD_PID] = { "_PID=", 20 },
	[FIELD_UID] = { "_UID=", 20 },
};
#define FIELD_BYTES_MAX 256

struct journal {
	sd_journal *handle;
	bool waiting; /* it stands at an entry that was not passed yet */
	uint64_t entries, long_lines;
	char cursor[JOURNAL_CURSOR_MAX];
	char before[JOURNAL_CURSOR_MAX]; /* of the entry before that one */
	char field[FIELD_COUNT][FIELD_BYTES_MAX];
	size_t field_n[FIELD_COUNT];
	char message[LINE_BYTES_MAX];
	size_t message_n;
	bool too_long; /* more than is in `message` */
	char line[LINE_BYTES_MAX];
};

/* ---- opening ---- */

static int add_matches(sd_journal *handle)
{
	int r = 0;

	for (size_t i = 0; i < sizeof matches / sizeof *matches && r >= 0; i++) {
		if (i > 0)
			r = sd_journal_add_disjunction(handle);
		/* several of one field: any of them */
		for (size_t k = 0; k < 2 && matches[i][k] && r >= 0; k++)
			r = sd_journal_add_match(handle, matches[i][k], 0);
	}
	return r;
}

/* Is there a journal file in this directory, or below it, that this user may not open? */
static bool has_locked(const char *directory, int depth)
{
	struct dirent *entry;
	DIR *dir = opendir(directory);
	bool locked = !dir && errno == EACCES;

	while (dir && !locked && (entry = readdir(dir))) {
		char path[4096];
		if (entry->d_name[0] == '.' || (size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= sizeof path)
			continue;
		if (sv_ends_nocase(sv_of(entry->d_name), SV(".journal")))
			locked = access(path, R_OK) != 0 && errno == EACCES;
		else if (depth > 0)
			locked = has_locked(path, depth - 1);
	}
	if (dir)
		(void)closedir(dir);
	return locked;
}

static void explain(const char *directory, int error, struct err *err)
{
	bool locked = error == EACCES || (*directory && has_locked(directory, 1));
	char name[256];

	(void)snprintf(name, sizeof name, "%s%s", directory, *directory ? ":" : "");
	for (size_t i = 0; !*directory && i < sizeof system_directories / sizeof *system_directories; i++)
		locked = locked || has_locked(system_directories[i], 1);
	if (locked)
		err_set(err, "journal:%s this user may not read it; let the user of nixie-logtail, e.g. adduser nixie systemd-journal", name);
	else if (error)
		err_set(err, "journal:%s %s", name, strerror(error));
	else if (*directory)
		err_set(err, "journal:%s no journal file is in this directory", name);
	else
		err_set(err, "journal: there is none in %s nor in %s; does systemd-journald run here?", system_directories[0], system_directories[1]);
}

struct journal *journal_open(const char *directory, struct err *err)
{
	sd_journal *handle = NULL;
	uint64_t bytes = 0;
	int r = *directory ? sd_journal_open_directory(&handle, directory, 0) :
		sd_journal_open(&handle, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

	if (r >= 0)
		r = add_matches(handle);
	if (r >= 0)
		r = sd_journal_get_fd(handle); /* from now on no new file is missed */
	if (r >= 0)
		r = sd_journal_get_usage(handle, &bytes);
	/* files that cannot be opened are passed over in silence */
	if (r < 0 || bytes == 0) {
		sd_journal_close(handle);
		explain(directory, r < 0 ? -r : 0, err);
		return NULL;
	}
	(void)sd_journal_set_data_threshold(handle, LINE_BYTES_MAX + FIELD_BYTES_MAX);
	(void)sd_journal_seek_head(handle);
	struct journal *j = xalloc(sizeof *j);
	j->handle = handle;
	(void)snprintf(j->cursor, sizeof j->cursor, JOURNAL_HEAD);
	return j;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	sd_journal_close(j->handle);
	free(j);
}

/* ---- an entry as a line ---- */

/* The value of "NAME=value", when it is that one. */
static bool take_value(struct sv data, const char *name, struct sv *value_r)
{
	*value_r = data;
	return sv_take(value_r, sv_of(name));
}

/* What would end a line, or be another's, is a blank in it. */
static size_t copy_harmless(char *to, struct sv from)
{
	for (size_t i = 0; i < from.n; i++)
		to[i] = from.p[i] == '\n' || from.p[i] == '\r' || from.p[i] == '\0' ? ' ' : from.p[i];
	return from.n;
}

/* Of a field that is there several times the first counts. False: it has no message. */
static bool read_fields(struct journal *j)
{
	const void *data;
	struct sv value;
	size_t n;
	bool message = false;

	memset(j->field_n, 0, sizeof j->field_n);
	j->message_n = 0;
	j->too_long = false;
	sd_journal_restart_data(j->handle);
	while (sd_journal_enumerate_available_data(j->handle, &data, &n) > 0) {
		struct sv one = sv_make(data, n);
		if (!message && take_value(one, "MESSAGE=", &value)) {
			message = true;
			j->too_long = value.n > sizeof j->message;
			j->message_n = copy_harmless(j->message, sv_head(value, sizeof j->message));
			continue;
		}
		for (size_t i = 0; i < FIELD_COUNT; i++)
			if (!j->field_n[i] && take_value(one, fields[i].name, &value))
				j->field_n[i] = copy_harmless(j->field[i], sv_head(value, fields[i].max));
	}
	return message;
}

static struct sv field(const struct journal *j, enum field first, enum field second)
{
	enum field i = j->field_n[first] ? first : second;

	return sv_make(j->field[i], j->field_n[i]);
}

/* journald tells itself who wrote: a program can say what it wants but for that. */
static bool is_login_users(const struct journal *j)
{
	uint64_t uid;

	return sv_u64(field(j, FIELD_UID, FIELD_UID), UINT32_MAX, &uid) && uid >= LOGIN_UID_MIN && uid <= LOGIN_UID_MAX;
}

/* False: it is no line, or none of the mail system's. */
static bool compose(struct journal *j, struct sv *line_r)
{
	struct buf b = BUF_ON(j->line);
	char time[CLOCK_TEXT_MAX];
	uint64_t time_us;

	if (!read_fields(j) || is_login_users(j) || sd_journal_get_realtime_usec(j->handle, &time_us) < 0)
		return false;
	clock_format_us((int64_t)time_us, time, sizeof time);
	struct sv host = field(j, FIELD_HOST, FIELD_HOST), pid = field(j, FIELD_SYSLOG_PID, FIELD_PID);
	buf_add(&b, sv_of(time));
	buf_add_char(&b, ' ');
	buf_add(&b, host.n ? host : sv_of(cli_hostname()));
	buf_add_char(&b, ' ');
	buf_add(&b, field(j, FIELD_TAG, FIELD_COMM));
	if (pid.n) {
		buf_add_char(&b, '[');
		buf_add(&b, pid);
		buf_add_char(&b, ']');
	}
	buf_add(&b, SV(": "));
	buf_add(&b, sv_make(j->message, j->message_n));
	bool whole = !j->too_long && !b.full;
	j->long_lines += !whole;
	*line_r = buf_sv(&b);
	return whole;
}

static bool note_cursor(struct journal *j)
{
	char *cursor;

	if (sd_journal_get_cursor(j->handle, &cursor) < 0)
		return false;
	(void)snprintf(j->cursor, sizeof j->cursor, "%s", cursor);
	free(cursor);
	return true;
}

enum journal_result journal_next(struct journal *j, struct sv *line_r, struct err *err)
{
	for (;;) {
		int r = j->waiting ? 1 : sd_journal_next(j->handle);
		j->waiting = false;
		if (r == 0)
			return JOURNAL_END;
		memcpy(j->before, j->cursor, sizeof j->before);
		if (r < 0 || !note_cursor(j)) {
			err_set(err, "cannot be read on: %s", strerror(r < 0 ? -r : EIO));
			return JOURNAL_FAILED;
		}
		j->entries++;
		if (compose(j, line_r))
			return JOURNAL_LINE;
	}
}

uint64_t journal_entries(const struct journal *j)
{
	return j->entries;
}

uint64_t journal_long_lines(const struct journal *j)
{
	return j->long_lines;
}

void journal_put_back(struct journal *j)
{
	memcpy(j->cursor, j->before, sizeof j->cursor);
	j->waiting = true;
	j->entries--;
}

const char *journal_cursor(const struct journal *j)
{
	return j->cursor;
}

/* ---- places ---- */

bool journal_go_behind(struct journal *j, const char *cursor, int64_t time_s)
{
	bool head = strcmp(cursor, JOURNAL_HEAD) == 0;

	j->waiting = false;
	(void)snprintf(j->cursor, sizeof j->cursor, "%s", cursor);
	if (head)
		return sd_journal_seek_head(j->handle) >= 0;
	if (sd_journal_seek_cursor(j->handle, cursor) < 0)
		(void)sd_journal_seek_realtime_usec(j->handle, (uint64_t)(time_s * CLOCK_SECOND_US));
	/* at the entry itself, or the first one that is there of those that came after it */
	bool at_one = sd_journal_next(j->handle) > 0;
	j->waiting = at_one && sd_journal_test_cursor(j->handle, cursor) <= 0;
	return at_one && !j->waiting;
}

void journal_go_to_end(struct journal *j)
{
	j->waiting = false;
	if (sd_journal_seek_tail(j->handle) >= 0 && sd_journal_previous(j->handle) > 0 && note_cursor(j))
		return;
	(void)sd_journal_seek_head(j->handle); /* nothing is there: what comes is new */
	(void)snprintf(j->cursor, sizeof j->cursor, JOURNAL_HEAD);
}

int64_t journal_last_s(struct journal *j)
{
	uint64_t time_us = 0;

	journal_go_to_end(j);
	if (strcmp(j->cursor, JOURNAL_HEAD) == 0 || sd_journal_get_realtime_usec(j->handle, &time_us) < 0)
		return 0;
	return (int64_t)time_us / CLOCK_SECOND_US;
}

void journal_read_back(struct journal *j, uint64_t max, journal_line_callback *callback, void *arg)
{
	char here[JOURNAL_CURSOR_MAX];
	uint64_t long_lines = j->long_lines;
	struct sv line;

	if (j->waiting || strcmp(j->cursor, JOURNAL_HEAD) == 0)
		return;
	memcpy(here, j->cursor, sizeof here);
	int n = sd_journal_previous_skip(j->handle, max);
	for (int i = 0; i <= n; i++) {
		if (compose(j, &line))
			callback(arg, line);
		if (i < n && sd_journal_next(j->handle) <= 0)
			break;
	}
	j->long_lines = long_lines;
	(void)!journal_go_behind(j, here, 0); /* it was there */
}

/* ---- waiting ---- */

int journal_fd(const struct journal *j)
{
	return sd_journal_get_fd(j->handle);
}

short journal_events(const struct journal *j)
{
	int events = sd_journal_get_events(j->handle);

	return events < 0 ? POLLIN : (short)events;
}

int64_t journal_timeout_ms(const struct journal *j)
{
	uint64_t until_us;
	int64_t now_ms = clock_mono_ms();

	if (sd_journal_get_timeout(j->handle, &until_us) < 0 || until_us == UINT64_MAX)
		return -1;
	int64_t until_ms = (int64_t)(until_us / 1000);
	return until_ms > now_ms ? until_ms - now_ms : 0;
}

void journal_process(struct journal *j)
{
	(void)sd_journal_process(j->handle); /* whatever has changed: the next entry tells */
}
