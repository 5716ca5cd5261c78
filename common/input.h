/* input: the lines of a whole log, from its beginning to its end: a file, plain or
 * compressed (unpack.h), standard input ("-"), or a journal (journal.h). For --parse and --dry-run. */
#ifndef NIXIE_INPUT_H
#define NIXIE_INPUT_H

#include "err.h"
#include "line.h"
#include "sv.h"

struct input;

/* NULL and *err on failure. */
struct input *input_open(const char *path, struct err *err);
void input_close(struct input *input);

/* The next line, without its end, valid until the next call; lines longer than
 * LINE_BYTES_MAX are left out and counted. False: the end, or an error (see err). */
bool input_line(struct input *input, struct sv *line_r, struct err *err) NIXIE_MUST_CHECK;
bool input_failed(const struct input *input);

uint64_t input_long_lines(const struct input *input);
/* Bytes read of bytes there are, as they lie on disk; total 0: unknown. */
void input_progress(const struct input *input, uint64_t *done_r, uint64_t *total_r);
/* Near what time its first line is, and after what time its last one is not. It is told by
 * the file's age, or, when that comes earlier, by before_s: when the next file of the same log begins. */
struct stamp_anchor input_anchor(const struct input *input, int64_t before_s);

#endif
