/* spark: a row of numbers as a small curve, of UTF-8 blocks or of ASCII. */
#ifndef NIXIE_SPARK_H
#define NIXIE_SPARK_H

#include "buf.h"

/* One cell a value, in eight steps up to the largest; 0 is a blank. More values than cells: each cell is the sum of some. */
void spark_add(struct buf *to, const int64_t *values, size_t n, size_t cells);
/* The same for who cannot show UTF-8. */
void spark_add_ascii(struct buf *to, const int64_t *values, size_t n, size_t cells);

#endif
