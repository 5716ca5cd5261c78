/* year: near what time the first line of a file is, when its stamps have no year.
 *
 * Walks back from the file's last change through lines at even distances: each
 * step takes the latest year that fits, so that no year is jumped over. */
#ifndef NIXIE_YEAR_H
#define NIXIE_YEAR_H

#include "line.h"

/* Reads up to n bytes of the file at an offset; returns how many. */
typedef size_t year_peek(const void *file, uint64_t at, char *to, size_t n);

struct stamp_anchor year_of_first_line(year_peek *peek, const void *file, uint64_t size, int64_t changed_s);

#endif
