#include "order.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "arena.h"
#include "clock.h"
#include "input.h"
#include "source_files.h"

/* Without a stamp in so many lines it is no log. */
#define FIRST_LINES 100
/* "20261101", "2026-11-01", "20261101-1793491200" */
#define DATE_DIGITS_MIN 8

enum kind { KIND_LOG, KIND_NUMBER, KIND_DATE, KIND_OLD };

struct member {
	struct order_file file;
	struct sv log, suffix;
	enum kind kind;
	bool told;       /* first_s is by a stamp that has a year */
	int64_t first_s; /* of its first line; INT64_MAX: it has none */
	int64_t changed_s;
};

/* What a rotation appends, at the end of a name without that of a compressor */
static enum kind kind_of(struct sv suffix)
{
	size_t digits = 0;

	if (sv_eq(suffix, SV(".old")))
		return KIND_OLD;
	if (suffix.n < 2 || (suffix.p[0] != '.' && suffix.p[0] != '-') || !sv_is_digit(suffix.p[1]))
		return KIND_LOG;
	for (size_t i = 1; i < suffix.n; i++) {
		if (!sv_is_digit(suffix.p[i]) && suffix.p[i] != '-')
			return KIND_LOG;
		digits += sv_is_digit(suffix.p[i]);
	}
	if (digits >= DATE_DIGITS_MIN)
		return KIND_DATE;
	return suffix.p[0] == '.' && digits + 1 == suffix.n ? KIND_NUMBER : KIND_LOG;
}

struct sv order_log(struct sv path)
{
	struct sv plain = source_files_plain(path);
	size_t base = plain.n - sv_after_last(plain, '/').n;

	for (size_t i = base + 1; i < plain.n; i++)
		if (kind_of(sv_skip(plain, i)) != KIND_LOG)
			return sv_head(plain, i);
	return plain;
}

/* The time of its first line, told from where the file ends. */
static void look_inside(struct member *e)
{
	struct err err;
	struct sv bytes;
	struct line line;
	struct input *in = strcmp(e->file.path, "-") != 0 ? input_open(e->file.path, &err) : NULL;

	e->first_s = INT64_MAX;
	if (!in)
		return; /* whoever reads it will say so */
	struct stamp_anchor anchor = input_anchor(in, e->file.before_s), elsewhere = { 0 };
	for (int i = 0; i < FIRST_LINES && e->first_s == INT64_MAX && input_line(in, &bytes, &err); i++) {
		if (!line_parse(bytes, &anchor, &line))
			continue;
		e->first_s = line.time_us / CLOCK_SECOND_US;
		e->told = line_parse(bytes, &elsewhere, &line) && line.time_us / CLOCK_SECOND_US == e->first_s;
	}
	input_close(in);
}

static void look_at(struct member *e, const char *path)
{
	struct stat st;

	*e = (struct member){ .file = { path, INT64_MAX }, .log = order_log(sv_of(path)), .changed_s = INT64_MAX };
	e->suffix = sv_skip(source_files_plain(sv_of(path)), e->log.n);
	e->kind = kind_of(e->suffix);
	if (strcmp(path, "-") == 0)
		return;
	if (stat(path, &st) == 0)
		e->changed_s = st.st_mtim.tv_sec;
	look_inside(e);
}

/* -1: a is older by its name, 1: it is younger, 0: that does not tell */
static int by_name(const struct member *a, const struct member *b)
{
	uint64_t n = 0, m = 0;

	if (a->kind == KIND_LOG || b->kind == KIND_LOG)
		return (a->kind == KIND_LOG) - (b->kind == KIND_LOG);
	if (a->kind != b->kind)
		return 0;
	if (a->kind == KIND_NUMBER && sv_u64(sv_skip(a->suffix, 1), UINT64_MAX, &n) && sv_u64(sv_skip(b->suffix, 1), UINT64_MAX, &m))
		return n > m ? -1 : n < m;
	/* dates are of one form: their spelling is their order */
	int order = memcmp(a->suffix.p, b->suffix.p, a->suffix.n < b->suffix.n ? a->suffix.n : b->suffix.n);
	return order < 0 ? -1 : order > 0;
}

static bool is_older(const struct member *a, const struct member *b)
{
	if (a->told && b->told && a->first_s != b->first_s)
		return a->first_s < b->first_s;
	int order = by_name(a, b);
	if (order != 0)
		return order < 0;
	return a->first_s != b->first_s ? a->first_s < b->first_s : a->changed_s < b->changed_s;
}

static bool are_siblings(const struct member *a, const struct member *b)
{
	return strcmp(a->file.path, "-") != 0 && sv_eq(a->log, b->log);
}

/* An older file that begins after the younger one is of another year than its age says: of the one before. */
static void carry_year(struct member *older, const struct member *younger)
{
	if (older->told || older->first_s == INT64_MAX || older->first_s <= younger->first_s)
		return;
	older->file.before_s = younger->first_s;
	look_inside(older);
}

struct order_file *order_files(char *const *files, size_t n)
{
	struct member *v = xalloc((n + 1) * sizeof *v);
	struct order_file *out = xalloc((n + 1) * sizeof *out);

	for (size_t i = 0; i < n; i++) {
		struct member e;
		size_t at = i;
		look_at(&e, files[i]);
		while (at > 0 && !are_siblings(&e, &v[at - 1]))
			at--; /* behind its siblings, if there are any */
		at = at ? at : i;
		while (at > 0 && are_siblings(&e, &v[at - 1]) && is_older(&e, &v[at - 1]))
			at--;
		memmove(&v[at + 1], &v[at], (i - at) * sizeof *v);
		v[at] = e;
	}
	for (size_t i = n; i-- > 0;) {
		if (i + 1 < n && are_siblings(&v[i], &v[i + 1]))
			carry_year(&v[i], &v[i + 1]);
		out[i] = v[i].file;
	}
	free(v);
	return out;
}
