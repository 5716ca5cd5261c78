#include "reader_file.h"

#include <stdlib.h>

#include "arena.h"
#include "input.h"
#include "log.h"
#include "term.h"
#include "year.h"

/* How often the clock is asked for progress. */
#define PROGRESS_LINES 4096

static size_t peek(const void *input, uint64_t at, char *to, size_t n)
{
	return input_peek(input, at, to, n);
}

bool reader_file(struct reader *reader, const char *path, record_callback *callback, void *arg, bool show)
{
	struct err err;
	struct sv line;
	struct progress progress;
	uint64_t done, total, lines = 0;
	struct input *in = input_open(path, &err);
	struct record *record = xalloc(sizeof *record);

	if (!in) {
		log_error("%s", err.text);
		free(record);
		return false;
	}
	input_progress(in, &done, &total);
	struct stamp_anchor anchor = year_of_first_line(peek, in, total, input_time_s(in));
	progress_start(&progress, show && total ? stderr : NULL, path);
	while (input_line(in, &line, &err)) {
		if (++lines % PROGRESS_LINES == 0) {
			input_progress(in, &done, &total);
			progress_show(&progress, done, total, lines);
		}
		if (reader_line(reader, line, &anchor, record) != RECORD_NONE)
			callback(arg, record);
	}
	bool ok = !input_failed(in);
	if (!ok)
		log_error("%s: %s", path, err.text);
	if (input_long_lines(in))
		log_warning("%s: %llu lines of more than %d bytes were left out", path,
			(unsigned long long)input_long_lines(in), LINE_BYTES_MAX);
	if (progress.open)
		progress_end(&progress, total, lines);
	input_close(in);
	free(record);
	return ok;
}
