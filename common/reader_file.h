/* reader_file: all lines of whole files, plain or compressed, through a reader. */
#ifndef NIXIE_READER_FILE_H
#define NIXIE_READER_FILE_H

#include "period.h"
#include "term.h"

/* One or more files that are read one after the other, with one line of progress for all. */
struct reading {
	struct reader *reader;
	struct period period;
	struct progress progress;
	uint64_t bytes, total; /* as they lie on disk: of the files that are read, of all */
	uint64_t lines;
};

/* show: progress on standard error. */
void reading_start(struct reading *reading, struct reader *reader, char *const *files, size_t n, bool show);
void reading_end(struct reading *reading);

typedef void record_callback(void *arg, const struct record *record);

/* Calls back for every record of interest. path "-" is standard input. before_s: when the
 * next file of the same log begins, for the years of stamps without one; INT64_MAX: not
 * known. False, after a message: it could not be read (to its end). */
bool reader_file(struct reading *reading, const char *path, int64_t before_s, record_callback *callback, void *arg) NIXIE_MUST_CHECK;

#endif
