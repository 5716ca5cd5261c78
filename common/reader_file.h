/* reader_file: all lines of one whole file, plain or compressed, through a reader. */
#ifndef NIXIE_READER_FILE_H
#define NIXIE_READER_FILE_H

#include "reader.h"

typedef void record_callback(void *arg, const struct record *record);

/* Calls back for every record of interest; show: a progress bar on standard error.
 * path "-" is standard input. False, after a message: it could not be read (to its end). */
bool reader_file(struct reader *reader, const char *path, record_callback *callback, void *arg, bool show) NIXIE_MUST_CHECK;

#endif
