/* frame: one picture of a screen, line by line, which never has more lines or cells than there are.
 *
 * For a terminal with the codes that put each line in its place; else plain lines of text. */
#ifndef NIXIE_FRAME_H
#define NIXIE_FRAME_H

#include "buf.h"
#include "term.h"

#define FRAME_WIDTH_MAX 1000
#define FRAME_HEIGHT_MAX 1000

struct frame {
	struct buf to;
	size_t width, height;
	size_t row, column; /* row: lines that were begun */
	bool codes;         /* for a terminal: places, and if wanted colours */
	bool colours, utf8;
};

/* Takes memory for a picture of this size, within the bounds above; frame_free() gives it back. */
void frame_start(struct frame *frame, size_t width, size_t height, bool codes);
void frame_free(struct frame *frame);

/* Begins the next line; false when there is none left. */
bool frame_line(struct frame *frame);
size_t frame_lines_left(const struct frame *frame);
size_t frame_cells_left(const struct frame *frame); /* of the line */

/* Text behind what is in the line, made harmless; cut where the line ends, with a mark. */
void frame_add(struct frame *frame, enum colour colour, struct sv text);
void frame_addf(struct frame *frame, enum colour colour, const char *format, ...) NIXIE_PRINTF(3, 4);
/* In exactly so many cells. */
void frame_cell(struct frame *frame, enum colour colour, struct sv text, size_t cells, bool right);
void frame_cellf(struct frame *frame, enum colour colour, size_t cells, const char *format, ...) NIXIE_PRINTF(4, 5); /* to the right */

/* What is below the last line is cleared. The picture is in frame->to. */
void frame_end(struct frame *frame);

#endif
