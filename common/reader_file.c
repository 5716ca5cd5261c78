#include "reader_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "arena.h"
#include "clock.h"
#include "input.h"
#include "log.h"

/* How often the clock is asked for progress. */
#define PROGRESS_LINES 4096

void reading_start(struct reading *g, struct reader *reader, char *const *files, size_t n, bool show)
{
	struct stat st;

	*g = (struct reading){ .reader = reader, .period = PERIOD_ALL };
	for (size_t i = 0; i < n; i++)
		g->total += stat(files[i], &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	progress_start(&g->progress, show && g->total ? stderr : NULL, "reading");
}

void reading_end(struct reading *g)
{
	progress_end(&g->progress, g->bytes, g->lines);
}

bool reader_file(struct reading *g, const char *path, int64_t before_s, record_callback *callback, void *arg)
{
	struct err err;
	struct sv line;
	uint64_t done, total;
	enum period_place place;
	struct input *in = input_open(path, &err);

	if (!in) {
		log_error("%s", err.text);
		return false;
	}
	struct record *record = xalloc(sizeof *record);
	struct stamp_anchor anchor = input_anchor(in, before_s);
	while (input_line(in, &line, &err)) {
		if (++g->lines % PROGRESS_LINES == 0) {
			input_progress(in, &done, &total);
			progress_show(&g->progress, g->bytes + (total ? done : 0), g->total, g->lines);
		}
		if (period_line(&g->period, g->reader, line, &anchor, record, &place) != RECORD_NONE)
			callback(arg, record);
	}
	bool ok = !input_failed(in);
	if (!ok)
		log_error("%s: %s", path, err.text);
	if (input_long_lines(in))
		log_warning("%s: %llu lines of more than %d bytes were left out", path,
			(unsigned long long)input_long_lines(in), LINE_BYTES_MAX);
	input_progress(in, &done, &total);
	g->bytes += total;
	input_close(in);
	free(record);
	return ok;
}
