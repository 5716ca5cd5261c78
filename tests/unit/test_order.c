#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "order.h"
#include "period.h"

/* ---- what belongs together ---- */

static void logs_and_their_rotations(void **state)
{
	static const struct { const char *name, *path, *want; } table[] = {
		{ "the log", "/var/log/mail.log", "/var/log/mail.log" },
		{ "numbered", "/var/log/mail.log.1", "/var/log/mail.log" },
		{ "numbered, compressed", "/var/log/mail.log.10.gz", "/var/log/mail.log" },
		{ "dated", "/var/log/mail.log-20261101", "/var/log/mail.log" },
		{ "dated, compressed", "mail.log-20261101.xz", "mail.log" },
		{ "dated with dashes", "mail.log-2026-11-01.zst", "mail.log" },
		{ "dated with a dot and the second", "mail.log.20261101-1793491200", "mail.log" },
		{ "old", "mail.log.old", "mail.log" },
		{ "compressed only", "mail.log.gz", "mail.log" },
		{ "no ending", "mail.1", "mail" },
		{ "a directory with a number", "/logs.1/mail.log", "/logs.1/mail.log" },
		{ "another log", "mail.info", "mail.info" },
		{ "hosts by number are no rotations", "relay-2", "relay-2" },
		{ "words behind the number", "mail.1.backup", "mail.1.backup" },
		{ "number alone", ".1", ".1" },
		{ "standard input", "-", "-" },
		{ "nothing", "", "" },
	};

	(void)state;
	EACH(row, table)
		WANT_TEXT(order_log(sv_of(row->path)), row->want);
}

/* ---- in a directory ---- */

static char directory[64];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof directory, "%s/nixie-order-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	clock_set(at("2026-11-22") * CLOCK_SECOND_US);
	return mkdtemp(directory) && chdir(directory) == 0 && clock_set_zone("UTC") ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

#define FILES_MAX 8

struct file {
	const char *name, *text; /* text NULL: there is no such file */
	const char *changed;
};

static void make(const struct file *f)
{
	FILE *out = f->text ? fopen(f->name, "w") : NULL;

	if (!f->text)
		return;
	assert_non_null(out);
	(void)fputs(f->text, out);
	(void)fclose(out);
	struct timespec times[2] = { { .tv_sec = at(f->changed) }, { .tv_sec = at(f->changed) } };
	WANT_INT(utimensat(AT_FDCWD, f->name, times, 0), 0);
}

#define P " mail p/smtp[1]: x\n"
#define NOW "2026-11-22"

static void oldest_first(void **state)
{
	static const struct { const char *name; struct file files[FILES_MAX]; const char *want; } table[] = {
		{ "ten after nine", { { "a.log", "Nov 20 00:00:00" P, NOW }, { "a.log.9", "Nov  9 00:00:00" P, NOW }, { "a.log.10", "Nov  8 00:00:00" P, NOW }, { "a.log.1", "Nov 19 00:00:00" P, NOW } },
		  "a.log.10 a.log.9 a.log.1 a.log" },
		{ "dates", { { "a.log-20261102", "Nov  1 00:00:00" P, NOW }, { "a.log", "Nov  2 00:00:00" P, NOW }, { "a.log-20261101", "Oct 31 00:00:00" P, NOW } },
		  "a.log-20261101 a.log-20261102 a.log" },
		{ "the first line tells more than a name", { { "a.log.1", "2026-11-01T00:00:00Z" P, NOW }, { "a.log.2", "2026-11-02T00:00:00Z" P, NOW }, { "a.log", "2026-10-02T00:00:00Z" P, NOW } },
		  "a.log a.log.1 a.log.2" },
		{ "behind lines that are none", { { "a.log", "turned over\n2026-11-02T00:00:00Z" P, NOW }, { "a.log.old", "turned over\n2026-11-01T00:00:00Z" P, NOW } }, "a.log.old a.log" },
		{ "numbers and dates: by the time of their lines", { { "a.log.1", "Nov 10 00:00:00" P, NOW }, { "a.log-20261101", "Oct 31 00:00:00" P, NOW } }, "a.log-20261101 a.log.1" },
		{ "empty ones by name", { { "a.log", "", NOW }, { "a.log.1", "", "2026-11-21" }, { "a.log.2", "2026-11-01T00:00:00Z" P, NOW } }, "a.log.2 a.log.1 a.log" },
		{ "of two logs", { { "a.log", "", NOW }, { "b.log", "", NOW }, { "b.log.1", "", NOW }, { "a.log.1", "", NOW } }, "a.log.1 a.log b.log.1 b.log" },
		{ "others stay where they are", { { "x", "2026-11-03T00:00:00Z" P, NOW }, { "c", "2026-11-02T00:00:00Z" P, NOW }, { "x-2", "2026-11-01T00:00:00Z" P, NOW } }, "x c x-2" },
		{ "standard input and what is not there", { { "-", NULL, NULL }, { "none.1", NULL, NULL }, { "none", NULL, NULL }, { "-", NULL, NULL } }, "- none.1 none -" },
	};

	(void)state;
	EACH(row, table) {
		char *paths[FILES_MAX], got[256] = "";
		size_t n = 0;
		for (; n < FILES_MAX && row->files[n].name; n++) {
			make(&row->files[n]);
			paths[n] = (char *)(uintptr_t)row->files[n].name;
		}
		struct order_file *v = order_files(paths, n);
		for (size_t i = 0; i < n; i++)
			(void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? " " : "", v[i].path);
		free(v);
		for (size_t i = 0; i < n; i++)
			(void)unlink(paths[i]);
		WANT_STRING(got, row->want);
	}
}

/* Two years of months, all copied here today: each is of the year that the next one leaves. */
static void the_year_is_carried_over_a_set(void **state)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char room[25][16], *paths[25];

	(void)state;
	for (int i = 0; i < 25; i++) { /* a.log.24 is November 2024, a.log November 2026 */
		char text[64];
		(void)snprintf(room[i], sizeof room[i], i < 24 ? "a.log.%d" : "a.log", 24 - i);
		(void)snprintf(text, sizeof text, "%.3s  1 00:00:00" P, names + 3 * ((i + 10) % 12));
		make(&(struct file){ room[i], text, NOW });
		paths[i] = room[i];
	}
	struct order_file *v = order_files(paths, 25);
	for (int i = 0; i < 25; i++) {
		WANT_STRING(v[i].path, room[i]);
		/* where its own age would do, that is taken */
		int64_t end_s = v[i].before_s < at(NOW) ? v[i].before_s : at(NOW), got_s;
		char text[64], want[32];
		(void)snprintf(text, sizeof text, "%.3s  1 00:00:00" P, names + 3 * ((i + 10) % 12));
		(void)snprintf(want, sizeof want, "%d-%02d-01", 2024 + (i + 10) / 12, (i + 10) % 12 + 1);
		WANT(line_stamp_before(sv_of(text), end_s, &got_s));
		WANT_INT(got_s, at(want));
		(void)unlink(paths[i]);
	}
	free(v);
}

/* A copy of a log is of the same year, though it does not end where the other begins. */
static void copies_are_of_one_year(void **state)
{
	static const struct file files[] = { { "a.log.1", "Nov  1 00:00:00" P "Nov 20 00:00:00" P, NOW }, { "a.log", "Nov  1 00:00:00" P "Nov 21 00:00:00" P, NOW } };
	char one[] = "a.log.1", two[] = "a.log", *paths[] = { one, two, one };

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		make(&files[i]);
	struct order_file *v = order_files(paths, 3);
	for (size_t i = 0; i < 3; i++)
		WANT_INT(v[i].before_s, INT64_MAX);
	free(v);
	for (size_t i = 0; i < 2; i++)
		(void)unlink(paths[i]);
}

/* ---- which part of them counts ---- */

static void times_of_people(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "a day", "2026-11-01", "2026-11-01" },
		{ "a moment", "2026-11-01T10:00:00+01:00", "2026-11-01T09:00:00Z" },
		{ "days ago", "30d", "2026-10-23" },
		{ "in words", "2 months", "2026-09-22" },
		{ "hours", "12h", "2026-11-21T12:00:00Z" },
		{ "now", "0s", NOW },
		{ "no unit", "30", NULL },
		{ "no zone", "2026-11-01T10:00:00", NULL },
		{ "a word", "yesterday", NULL },
		{ "nothing", "", NULL },
	};

	(void)state;
	EACH(row, table) {
		struct err err = { "" };
		int64_t got_s = 4711;
		WANT_INT(period_parse(sv_of(row->text), &got_s, &err), row->want != NULL);
		WANT_INT(got_s, row->want ? at(row->want) : 4711);
		WANT(row->want || strstr(err.text, "30d"));
	}
}

static void places(void **state)
{
	const struct period p = { 100, 200 }, all = PERIOD_ALL;

	(void)state;
	WANT_INT(period_place(&p, 99), PERIOD_BEFORE);
	WANT_INT(period_place(&p, 100), PERIOD_INSIDE);
	WANT_INT(period_place(&p, 199), PERIOD_INSIDE);
	WANT_INT(period_place(&p, 200), PERIOD_AFTER);
	WANT_INT(period_place(&all, INT64_MIN), PERIOD_INSIDE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_and_their_rotations),
		cmocka_unit_test(oldest_first),
		cmocka_unit_test(the_year_is_carried_over_a_set),
		cmocka_unit_test(copies_are_of_one_year),
		cmocka_unit_test(times_of_people),
		cmocka_unit_test(places),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests_name(__FILE__, tests, begin, end);
}
