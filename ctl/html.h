/* html: text and numbers as HTML, which is also well-formed XML. Pure. */
#ifndef NIXIE_HTML_H
#define NIXIE_HTML_H

#include "buf.h"

/* Text from outside, for an element or an attribute in quotes: valid UTF-8 without markup. Controls, invalid bytes, and
 * what turns the direction of the text around it come out as \xNN. */
void html_text(struct buf *to, struct sv text);

/* The same in an element of its own, its parts from left to right whatever is in them, as of all domains; a longer name is
 * cut, with a mark. */
#define HTML_NAME_CHARACTERS 80
void html_name(struct buf *to, struct sv name);
/* Cut likewise, for an attribute or an SVG title. */
void html_name_text(struct buf *to, struct sv name);

/* 1,234,567 */
void html_number(struct buf *to, int64_t n);
/* The same in few characters, for an axis: "1.5M"; exact where the number is round. */
void html_short(struct buf *to, int64_t n);
/* Hundredths of a percent: 123 is "1.23 %" */
void html_percent(struct buf *to, int64_t hundredths);

#endif
