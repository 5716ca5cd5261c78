/* export: what is known, as a list for other servers, other programs and partners. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "exchange.h"
#include "json.h"
#include "log.h"
#include "replace.h"
#include "sha256.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

struct export {
	struct ctl *ctl;
	FILE *to;
	struct arena arena;        /* of one row */
	bool jsonl, hash, on_terminal;
	bool only_suppressed;      /* now; else: */
	bool status[STATUS_ALLOW + 1];
	size_t n_columns;
	enum exchange_column columns[EXCHANGE_COLUMNS];
	struct progress progress;
	uint64_t n;
};

static const char *column_name(const struct export *x, enum exchange_column column)
{
	return column == EXCHANGE_ADDRESS && x->hash ? "sha256" : exchange_name(column);
}

static bool must_quote(struct sv field)
{
	for (size_t i = 0; i < field.n; i++)
		if (field.p[i] == ',' || field.p[i] == '"' || field.p[i] == '\r' || field.p[i] == '\n' || field.p[i] == '\0')
			return true;
	return sv_trim(field).n != field.n;
}

/* A terminal obeys what strangers wrote; a file has every byte as it is. */
static struct sv for_eyes(struct arena *arena, struct sv field)
{
	size_t room = 4 * field.n + 1;
	struct buf b = { arena_take(arena, room), 0, room, false };

	buf_add_clean(&b, field);
	return buf_sv(&b);
}

/* RFC 4180, but for its line ends: LF */
static void add_field(struct buf *b, struct sv field, bool formula)
{
	if (!formula && !must_quote(field)) {
		buf_add(b, field);
		return;
	}
	buf_add(b, formula ? SV("\"'") : SV("\""));
	for (size_t i = 0; i < field.n; i++) {
		if (field.p[i] == '"')
			buf_add_char(b, '"');
		buf_add_char(b, field.p[i]);
	}
	buf_add_char(b, '"');
}

static void write_header(const struct export *x)
{
	for (size_t i = 0; !x->jsonl && i < x->n_columns; i++)
		(void)fprintf(x->to, "%s%s", i ? "," : "", column_name(x, x->columns[i]));
	if (!x->jsonl)
		(void)fputc('\n', x->to);
}

static void write_csv(struct export *x, struct sv row[EXCHANGE_COLUMNS])
{
	size_t room = 0;

	for (size_t i = 0; x->on_terminal && i < x->n_columns; i++)
		row[x->columns[i]] = for_eyes(&x->arena, row[x->columns[i]]);
	for (size_t i = 0; i < x->n_columns; i++)
		room += 2 * row[x->columns[i]].n + sizeof "\"'\"," - 1; /* every byte a quote */
	struct buf b = { arena_take(&x->arena, room), 0, room, false };
	for (size_t i = 0; i < x->n_columns; i++) {
		struct sv field = row[x->columns[i]];
		add_field(&b, field, exchange_is_text(x->columns[i]) && exchange_is_formula(field));
		buf_add_char(&b, i + 1 < x->n_columns ? ',' : '\n');
	}
	(void)fwrite(b.p, 1, b.n, x->to);
}

static void write_json(struct export *x, struct sv row[EXCHANGE_COLUMNS])
{
	struct json json = JSON_ON(x->to);
	uint64_t number;

	json_object(&json, NULL);
	for (size_t i = 0; i < x->n_columns; i++) {
		enum exchange_column column = x->columns[i];
		if (row[column].n && exchange_is_number(column) && sv_u64(row[column], INT64_MAX, &number))
			json_number(&json, column_name(x, column), (int64_t)number);
		else if (row[column].n)
			json_text(&json, column_name(x, column), row[column]);
	}
	json_end_object(&json);
	json_end_line(&json);
}

static bool is_meant(const struct export *x, const struct entry *entry)
{
	return x->only_suppressed ? entry_suppressed(entry, clock_now_s()) : x->status[entry->status];
}

static bool export_entry(void *arg, struct sv address, const struct entry *entry)
{
	struct export *x = arg;
	struct sv row[EXCHANGE_COLUMNS];
	char hash[SHA256_TEXT_MAX];

	if (!is_meant(x, entry))
		return true;
	arena_reset(&x->arena);
	exchange_row(&x->arena, address, entry, row);
	if (x->hash) {
		sha256_text(address, hash);
		row[EXCHANGE_ADDRESS] = sv_of(hash);
	}
	(x->jsonl ? write_json : write_csv)(x, row);
	x->n++;
	progress_show(&x->progress, 0, 0, x->n);
	return !ferror(x->to); /* a reader that went away ends it */
}

/* ---- options ---- */

static bool take_format(struct export *x, const char *format)
{
	x->jsonl = format ? strcmp(format, "jsonl") == 0 : x->ctl->json;
	if (!format || x->jsonl || strcmp(format, "csv") == 0)
		return true;
	log_error("--format %s: write csv or jsonl", format);
	return false;
}

/* Without a word everything; what goes to partners: whom not to mail. */
static bool take_status(struct export *x, const char *status, bool for_partners)
{
	struct sv rest = sv_of(status ? status : "");

	x->only_suppressed = status ? sv_eq(rest, SV("suppressed")) : for_partners;
	for (int i = 0; i <= STATUS_ALLOW; i++)
		x->status[i] = !status;
	while (rest.n && !x->only_suppressed) {
		enum status one;
		if (!status_by_name(sv_cut(&rest, ','), &one)) {
			log_error("--status %s: write suppressed, or some of soft, held, hard, complaint, manual and allow with commas between", status);
			return false;
		}
		x->status[one] = true;
	}
	return true;
}

static bool take_columns(struct export *x, const char *columns)
{
	struct sv rest = sv_of(columns ? columns : "");
	bool seen[EXCHANGE_COLUMNS] = { false };

	for (int i = 0; !columns && i < EXCHANGE_COLUMNS; i++)
		x->columns[x->n_columns++] = (enum exchange_column)i;
	while (rest.n) {
		struct sv name = sv_cut(&rest, ',');
		enum exchange_column column;
		if (!exchange_by_name(name, &column) || seen[column]) {
			log_error("--columns: \"%.*s\" is none, or named twice; nixie(1) lists them", SV_ARG(name));
			return false;
		}
		seen[column] = true;
		x->columns[x->n_columns++] = column;
	}
	if (x->n_columns == 0)
		log_error("--columns: name some, as in --columns address,reason,since");
	return x->n_columns > 0;
}

/* ---- ---- */

static int write_all(struct export *x)
{
	struct err err;
	enum store_result result;

	x->on_terminal = isatty(fileno(x->to));
	bool watched = isatty(STDERR_FILENO) && !x->on_terminal;
	progress_start(&x->progress, watched ? stderr : NULL, "exporting");
	write_header(x);
	result = store_entries(x->ctl->store, export_entry, x, &err);
	progress_end(&x->progress, 0, x->n);
	arena_free(&x->arena);
	return result == STORE_OK ? EXIT_OK : verb_store_failed(&err);
}

/* The addresses are for nobody else to read. */
static int write_file(struct export *x, const char *path)
{
	struct replacement file;
	int code = replace_open(&file, path, 0600, false);

	if (code != EXIT_OK)
		return code;
	x->to = file.to;
	return replace_close(&file, write_all(x));
}

static void say(const struct export *x, const char *path)
{
	struct json json = JSON_ON(stdout);

	if (!x->ctl->json) {
		(void)printf("%llu %s written to %s\n", (unsigned long long)x->n, x->n == 1 ? "entry" : "entries", path);
		return;
	}
	json_object(&json, NULL);
	json_text(&json, "file", sv_of(path));
	json_number(&json, "entries", (int64_t)x->n);
	json_end_object(&json);
	json_end_line(&json);
}

int verb_export(struct ctl *ctl, int argc, char **argv)
{
	const char *format = NULL, *status = NULL, *columns = NULL;
	struct export x = { .ctl = ctl, .to = stdout };
	const struct verb_option own[] = { { "format", &format, NULL }, { "status", &status, NULL }, { "columns", &columns, NULL },
		{ "hash", NULL, &x.hash }, { NULL, NULL, NULL } };
	int code;

	if (!verb_options(ctl, argc, argv, "export", own, &code))
		return code;
	if (!take_format(&x, format) || !take_status(&x, status, columns || x.hash) || !take_columns(&x, columns))
		return EXIT_USAGE;
	if (optind + 1 < argc) {
		log_error("%s: one file only", argv[optind + 1]);
		return EXIT_USAGE;
	}
	if (optind == argc || strcmp(argv[optind], "-") == 0)
		return write_all(&x);
	code = write_file(&x, argv[optind]);
	if (code == EXIT_OK)
		say(&x, argv[optind]);
	return code;
}
