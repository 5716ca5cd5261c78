/* plain: what a reader of HTML sees of it, as lines of text.
 *
 * Not for showing a page: for servers that tell in HTML alone why they did not deliver. Tags are taken off, and what no
 * reader sees (scripts, styles, comments, the title) with them; block elements and <br> end lines, cells are a blank apart,
 * entities of HTML 4's Latin-1 and the usual punctuation are characters. Anything else stays as it is
 * written, "<user@example.com>" too, which many forget to escape. Pure, and linear in time. */
#ifndef NIXIE_PLAIN_H
#define NIXIE_PLAIN_H

#include "arena.h"

/* html: valid UTF-8 without NUL, and so is what comes out. No longer than it by more than the end of the last
 * line; blanks in a row are one, empty lines too, lines have none at their ends. */
struct sv plain_of_html(struct arena *arena, struct sv html);

#endif
