#include "targets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "log.h"
#include "store.h"
#include "term.h"

#define ERRORS_SHOWN_MAX 100
/* As people write it: quotes, a domain in Unicode. */
#define LINE_BYTES_MAX 1024

static FILE *open_file(void)
{
	const char *directory = getenv("TMPDIR");
	int fd = open(directory && *directory ? directory : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w+") : tmpfile();

	if (!file)
		log_error("the addresses are kept in a temporary file until they are changed, and there can be none: %m; set TMPDIR");
	return file;
}

static void keep(struct targets *t, struct sv key)
{
	if (key.n > ADDRESS_KEY_MAX)
		return; /* none of ours */
	unsigned char n[2] = { (unsigned char)(key.n >> 8), (unsigned char)key.n };

	(void)fwrite(n, 1, sizeof n, t->file);
	(void)fwrite(key.p, 1, key.n, t->file);
	t->size += sizeof n + key.n;
	t->n++;
}

/* Is all of it in the file? */
static bool kept(const struct targets *t)
{
	bool ok = fflush(t->file) == 0 && !ferror(t->file);

	if (!ok)
		log_error("the addresses cannot be written to a temporary file: %m; set TMPDIR");
	return ok;
}

/* ---- standard input ---- */

/* Without its end; what is longer than the room is cut, and with a NUL in it it is no address either. False: there is none. */
static bool read_line(struct buf *line, bool *whole_r)
{
	int c;

	buf_reset(line);
	*whole_r = true;
	while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
		*whole_r = *whole_r && c != '\0';
		buf_add_char(line, (char)c);
	}
	*whole_r = *whole_r && !line->full;
	return c != EOF || line->n > 0;
}

static void tell_error(struct targets *t, uint64_t number, const char *text)
{
	if (++t->errors <= ERRORS_SHOWN_MAX)
		log_error("standard input:%llu: %s", (unsigned long long)number, text);
}

static void take_line(struct targets *t, uint64_t number, struct sv line, bool whole)
{
	char text[LINE_BYTES_MAX + 1];
	struct err err;

	if (number == 1)
		(void)sv_take(&line, SV("\xef\xbb\xbf"));
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	line = sv_trim(line);
	if (whole && (!line.n || *line.p == '#'))
		return;
	(void)snprintf(text, sizeof text, "%.*s", SV_ARG(line));
	if (!whole)
		tell_error(t, number, "no address: it is too long, or has a NUL");
	else if (verb_find_address(t->ctl, text, &t->address, &err))
		keep(t, address_key(&t->address));
	else
		tell_error(t, number, err.text);
}

static bool read_input(struct targets *t)
{
	char room[LINE_BYTES_MAX];
	struct buf line = BUF_ON(room);
	uint64_t number = 0;
	bool whole;

	while (read_line(&line, &whole))
		take_line(t, ++number, buf_sv(&line), whole);
	if (ferror(stdin)) {
		log_error("standard input cannot be read: %m");
		return false;
	}
	if (t->errors > ERRORS_SHOWN_MAX)
		log_error("standard input: and %llu more", (unsigned long long)(t->errors - ERRORS_SHOWN_MAX));
	return kept(t);
}

/* ---- the filter ---- */

static bool keep_match(void *arg, struct sv address, const struct entry *entry)
{
	struct targets *t = arg;

	if (entry_suppressed(entry, clock_now_s()) && filter_matches(&t->filter, address, entry))
		keep(t, address);
	return !ferror(t->file);
}

static bool choose(struct targets *t, int *code_r)
{
	struct err err;

	if (!filter_take(t->ctl, &t->filter, code_r))
		return false;
	*code_r = EXIT_NOT_FOUND;
	if (store_suppressed(t->ctl->store, keep_match, t, &err) != STORE_OK)
		*code_r = verb_store_failed(&err);
	else if (kept(t) && t->n)
		return true;
	else if (!t->n)
		log_error("no suppressed address is so; nixie list shows those that are, by the same options");
	return false;
}

/* ---- ---- */

static bool look_through(struct targets *t)
{
	for (int i = 0; i < t->n_named; i++) {
		if (verb_address(t->ctl, t->named[i], &t->address))
			t->n++;
		else
			t->errors++;
	}
	t->size = t->n;
	return true;
}

static bool find_source(struct targets *t, const char *verb, int *code_r)
{
	*code_r = EXIT_USAGE;
	for (int i = 0; i < t->n_named; i++)
		t->from_input = t->from_input || strcmp(t->named[i], "-") == 0;
	t->chosen = filter_given(&t->filter);
	if (t->n_named == 0 && !t->chosen) {
		log_error("name an address: nixie %s user@example.com; or some by options, as in: nixie %s --domain example.com --dry-run", verb, verb);
		return false;
	}
	if ((t->n_named && t->chosen) || (t->from_input && t->n_named > 1)) {
		log_error("name addresses, or - for those on standard input, or choose them by options: one of the three");
		return false;
	}
	*code_r = EXIT_NOT_FOUND;
	return (!t->from_input && !t->chosen) || (t->file = open_file()) != NULL;
}

bool targets_take(struct targets *t, const char *verb, int argc, char **argv, int *code_r)
{
	t->named = argv;
	t->n_named = argc;
	if (!find_source(t, verb, code_r) || !(t->chosen ? choose(t, code_r) : t->from_input ? read_input(t) : look_through(t)))
		return false;
	*code_r = EXIT_USAGE;
	if (t->errors && !t->skip_errors) {
		if (t->from_input)
			log_error("standard input: %llu of its lines %s no address: nothing was changed; mend them, or leave them out with --skip-errors",
				(unsigned long long)t->errors, t->errors == 1 ? "is" : "are");
		return false;
	}
	if (t->n == 0)
		log_error("there is no address %s", t->from_input ? "on standard input" : "left");
	return t->n > 0;
}

void targets_rewind(struct targets *t)
{
	t->next = 0;
	t->done = 0;
	if (t->file)
		rewind(t->file);
}

bool targets_next(struct targets *t, struct sv *key_r)
{
	unsigned char n[2];
	struct err err;

	if (t->file) {
		if (fread(n, 1, sizeof n, t->file) != sizeof n)
			return false;
		*key_r = sv_make(t->key, (size_t)n[0] << 8 | n[1]);
		t->done += sizeof n + key_r->n;
		return key_r->n < sizeof t->key && fread(t->key, 1, key_r->n, t->file) == key_r->n;
	}
	while (t->next < t->n_named) {
		if (!verb_find_address(t->ctl, t->named[t->next++], &t->address, &err))
			continue;
		*key_r = address_key(&t->address);
		t->done++;
		return true;
	}
	return false;
}

bool targets_whole(const struct targets *t)
{
	return !t->file || !ferror(t->file);
}

void targets_free(struct targets *t)
{
	if (t->file)
		(void)fclose(t->file);
	filter_free(&t->filter);
}
