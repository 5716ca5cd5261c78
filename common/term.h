/* term: what is shown to people: colour on terminals, bars, progress.
 *
 * Colour only where a person looks: not in pipes, not with NO_COLOR. */
#ifndef NIXIE_TERM_H
#define NIXIE_TERM_H

#include <stdio.h>

#include "sv.h"

enum colour { COLOUR_PLAIN, COLOUR_BOLD, COLOUR_DIM, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_BLUE };

bool term_colours(FILE *stream);
/* The escape sequence. */
const char *term_code(enum colour colour);
/* The same, or "" where the stream shows no colours. */
const char *term_colour(FILE *stream, enum colour colour);

/* Cells of a line; 0: unlimited, because it is no terminal. */
#define TERM_WIDTH_MIN 20
size_t term_width(FILE *stream);
/* Is it a terminal that shows UTF-8? */
bool term_utf8(FILE *stream);

/* Bytes from outside, made harmless (buf_add_clean), to the stream. */
void term_clean(FILE *stream, struct sv text);

/* "" for one, "s" for any other number. */
const char *term_plural(uint64_t n);

/* A bar of `width` cells for value of total, in UTF-8 blocks on terminals, '#' elsewhere. */
void term_bar(FILE *stream, uint64_t value, uint64_t total, int width);

/* A line of progress that is drawn over and over, at most some times a second; on
 * a stream that is no terminal only the last one is written. */
struct progress {
	FILE *stream;
	const char *what;
	const char *unit; /* "addresses"; NULL: lines of so many bytes. Set after progress_start() */
	int64_t started_ms, drawn_ms;
	bool open;
};

void progress_start(struct progress *progress, FILE *stream, const char *what);
void progress_show(struct progress *progress, uint64_t done_bytes, uint64_t total_bytes, uint64_t lines);
void progress_end(struct progress *progress, uint64_t done_bytes, uint64_t lines);

#endif
