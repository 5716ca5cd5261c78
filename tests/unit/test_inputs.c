/* Logs that are no files: what their names mean, datagrams as lines, journals as sources. */
#include "test.h"

#include <dirent.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "logname.h"
#include "source.h"

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
	(void)strcpy(directory, "/tmp/nixie-inputs-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	if (source.ops)
		source_free(&source);
	source = (struct source){ .fd = -1 };
	arena_free(&arena);
	(void)snprintf(command, sizeof command, "rm -r '%s'", directory);
	return system(command);
}

static const char *lines(void)
{
	static char text[8192];
	size_t n = 0;
	struct sv line;

	while (source_next(&source, &line) == SOURCE_LINE) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%.*s|", SV_ARG(sv_head(line, 200)));
		assert_true(n < sizeof text);
	}
	text[n] = '\0';
	return text;
}

/* ---- names ---- */

static void names(void **state)
{
	static const struct { const char *name; enum logname kind; const char *path, *source; } table[] = {
		{ "/var/log/../log/mail.log", LOGNAME_FILE, "/var/log/../log/mail.log", "mx1:/var/log/mail.log" },
		{ "/absent/mail.log", LOGNAME_FILE, "/absent/mail.log", "mx1:/absent/mail.log" },
		{ "/var/log/mail*.log", LOGNAME_GLOB, "/var/log/mail*.log", "mx1:/var/log/mail*.log" },
		{ "-", LOGNAME_STDIN, "-", "mx1:-" },
		{ "journal:", LOGNAME_JOURNAL, "", "mx1:journal:" },
		{ "journal:/var/log/", LOGNAME_JOURNAL, "/var/log/", "mx1:journal:/var/log" },
		{ "syslog:/var/log/socket", LOGNAME_SYSLOG, "/var/log/socket", "mx1:syslog:/var/log/socket" },
		{ "journal", LOGNAME_FILE, "journal", NULL },
	};

	(void)state;
	EACH(row, table) {
		char name[PATH_MAX];
		WANT_INT(logname_kind(row->name), row->kind);
		WANT_STRING(logname_path(row->name), row->path);
		logname_source("mx1", row->name, name, sizeof name);
		if (row->source)
			WANT_STRING(name, row->source);
	}
	/* a file may be called like a pattern */
	int fd = mkstemp(strcpy((char[512]){ 0 }, path_of("mail[1]-XXXXXX")));
	assert_true(fd >= 0);
	(void)close(fd);
	WANT_INT(logname_kind(path_of("mail[1]-*")), LOGNAME_GLOB);
}

/* ---- datagrams ---- */

static void datagrams(void **state)
{
	static const struct { const char *name, *sent, *want; } table[] = {
		{ "syslog(3)", "<22>Nov 22 09:00:00 postfix/smtp[1]: text: x", "Nov 22 09:00:00 mx1 postfix/smtp[1]: text: x|" },
		{ "without pid", "<22>Nov  2 09:00:00 exim: text", "Nov  2 09:00:00 mx1 exim: text|" },
		{ "rsyslog", "<22>Nov 22 09:00:00 mx9 postfix/smtp[1]: text", "Nov 22 09:00:00 mx9 postfix/smtp[1]: text|" },
		{ "RFC 3339", "2026-11-22T09:00:00.123456+00:00 mx9 postfix/smtp[1]: text", "2026-11-22T09:00:00.123456+00:00 mx9 postfix/smtp[1]: text|" },
		{ "the same without host", "<22>2026-11-22T09:00:00Z postfix/smtp[1]: text", "2026-11-22T09:00:00Z mx1 postfix/smtp[1]: text|" },
		{ "Exim's own", "2026-11-22 09:00:00 1tDxyz-0000AB-CD => a@b.example", "2026-11-22 09:00:00 1tDxyz-0000AB-CD => a@b.example|" },
		{ "several lines are one", "<22>one\n<22>two\nthree\n\n", "one <22>two three|" },
		{ "of another facility", "<14>Nov 22 09:00:00 mx9 postfix/smtp[1]: text", "" },
		{ "no priority", "<text>", "<text>|" },
		{ "too many digits", "<1234>text", "<1234>text|" },
		{ "nothing in it", "<>text", "<>text|" },
		{ "cut off", "<22", "<22|" },
		{ "priority only", "<22>", "" },
		{ "short", "Nov 22", "Nov 22|" },
		{ "stamp only", "Nov 22 09:00:00 ", "Nov 22 09:00:00 |" },
		{ "stamp and tag", "Nov 22 09:00:00 tag:", "Nov 22 09:00:00 mx1 tag:|" },
	};
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char name[256], long_line[LINE_BYTES_MAX + 100];

	(void)state;
	(void)snprintf(name, sizeof name, "syslog:%s", path_of("log"));
	(void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path_of("log"));
	source_init(&source, "mx1", name);
	source.socket_mode = 0622;
	WANT_STRING(lines(), ""); /* makes it */
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	EACH(row, table) {
		assert_int_equal(send(fd, row->sent, strlen(row->sent), 0), (ssize_t)strlen(row->sent));
		WANT_STRING(lines(), row->want);
		/* as syslog(3) of some libraries: with the NUL */
		assert_int_equal(send(fd, row->sent, strlen(row->sent) + 1, 0), (ssize_t)strlen(row->sent) + 1);
		WANT_STRING(lines(), row->want);
	}
	memset(long_line, 'x', sizeof long_line);
	assert_int_equal(send(fd, long_line, sizeof long_line, 0), (ssize_t)sizeof long_line);
	assert_int_equal(send(fd, "after", 5, 0), 5);
	WANT_STRING(lines(), "after|");
	WANT_INT(source.long_lines, 1);
	WANT(source.stream);
	(void)close(fd);
}

/* ---- journals ---- */

/* Entries [from, to) of one host. */
static void feed(const char *where, int from, int to)
{
	char command[1024];

	(void)mkdir(path_of(where), 0700);
	(void)snprintf(command, sizeof command, "/lib/systemd/systemd-journal-remote -o %s/system.journal - >/dev/null 2>&1", path_of(where));
	FILE *pipe = popen(command, "w");
	assert_non_null(pipe);
	for (int i = from; i < to; i++)
		(void)fprintf(pipe, "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_HOSTNAME=mx9\n"
			"SYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=t\nMESSAGE=%d\n\n", 1795338000000000ULL + (unsigned)i * 1000000ULL, 1000000 + i * 1000000, i);
	assert_int_equal(pclose(pipe), 0);
}

static void open_journal(const char *where, const struct position *place)
{
	char name[256];

	(void)snprintf(name, sizeof name, "journal:%s", path_of(where));
	if (source.ops)
		source_free(&source);
	source_init(&source, "mx1", name);
	(void)!source_resume(&source, &place, place ? 1 : 0, false);
}

/* The messages alone */
static const char *numbers(void)
{
	static char text[512];
	size_t n = 0;
	struct sv line;

	while (source_next(&source, &line) == SOURCE_LINE)
		n += (size_t)snprintf(text + n, sizeof text - n, "%.*s ", SV_ARG(sv_after_last(line, ' ')));
	text[n] = '\0';
	return text;
}

static struct position position(void)
{
	struct position p;

	source_position(&source, &arena, 0, &p);
	return p;
}

static void journal_lines_and_places(void **state)
{
	(void)state;
	feed("a", 0, 2);
	open_journal("a", NULL);
	WANT_STRING(position().cursor, "head");
	WANT_STRING(lines(), "2026-11-22T09:00:00Z mx9 t: 0|2026-11-22T09:00:01Z mx9 t: 1|");
	struct position p = position();
	WANT_INT(p.offset, 2);
	feed("a", 2, 5);
	WANT_STRING(numbers(), "2 3 4 ");
	struct position later = position();
	WANT(strcmp(p.at, later.at) != 0);
	open_journal("a", &p);
	WANT_INT(source.offset, 2);
	WANT_STRING(numbers(), "2 3 4 ");
	WANT_STRING(position().at, later.at);
	open_journal("a", &later);
	WANT_STRING(numbers(), "");
	WANT(source_is_at(&source, &later) && !source_is_at(&source, &p));
}

static void count_back(void *arg, struct sv line)
{
	(void)line;
	++*(int *)arg;
}

static void journal_read_back_and_on(void **state)
{
	static const struct { const char *name; size_t bytes; int want; } table[] = {
		{ "none", 0, 1 }, { "two", (size_t)2 * 256, 3 }, { "all", 100000, 5 },
	};

	(void)state;
	feed("a", 0, 5);
	open_journal("a", NULL);
	(void)numbers();
	struct position p = position();
	feed("a", 5, 7);
	EACH(row, table) {
		int n = 0;
		open_journal("a", &p);
		source_read_back(&source, row->bytes, count_back, &n);
		WANT_INT(n, row->want);
		WANT_STRING(numbers(), "5 6 ");
		WANT_INT(source.offset, 7);
	}
}

/* journald writes somewhere else by now, and no event told. */
static void journal_is_opened_anew(void **state)
{
	(void)state;
	feed("a", 0, 3);
	open_journal("a", NULL);
	WANT_STRING(numbers(), "0 1 2 ");
	/* what is open is b now, and a begins as it did */
	assert_int_equal(rename(path_of("a"), path_of("b")), 0);
	assert_int_equal(mkdir(path_of("a"), 0700), 0);
	assert_int_equal(link(path_of("b/system.journal"), path_of("a/old.journal")), 0);
	feed("a", 3, 5);
	WANT_STRING(numbers(), "");
	WANT(source.quiet_since_ms > 0);
	source.quiet_since_ms -= 60000;
	WANT_STRING(numbers(), "");
	WANT_STRING(numbers(), "3 4 ");
	WANT_INT(source.offset, 5);
	WANT_INT(source.generation, 0);
}

static void journal_place_is_gone(void **state)
{
	(void)state;
	feed("a", 0, 3);
	open_journal("a", NULL);
	(void)numbers();
	struct position p = position();
	const struct position *place = &p;
	assert_int_equal(rename(path_of("a/system.journal"), path_of("gone")), 0);
	feed("a", 4, 6);
	source_free(&source);
	source_init(&source, "mx1", strcat(strcpy((char[512]){ 0 }, "journal:"), path_of("a")));
	WANT(!source_resume(&source, &place, 1, false));
	WANT(!source.blocked);
	WANT_PART(source.problem, "is gone");
	WANT_STRING(numbers(), "4 5 ");
	WANT_INT(source.generation, 1);
	/* what is no cursor: by time */
	(void)strcpy(p.cursor, "nonsense");
	p.time_s = at("2026-11-22T09:00:05Z");
	WANT(!source_resume(&source, &place, 1, false));
	WANT_STRING(numbers(), "5 ");
	/* no file at all: it is waited for, and the place is kept */
	assert_int_equal(unlink(path_of("a/system.journal")), 0);
	WANT(!source_resume(&source, &place, 1, false));
	WANT(source.blocked);
}

#define ON_FILES(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FILES(names),
		ON_FILES(datagrams),
		ON_FILES(journal_lines_and_places),
		ON_FILES(journal_read_back_and_on),
		ON_FILES(journal_is_opened_anew),
		ON_FILES(journal_place_is_gone),
	};

	return RUN(tests);
}
