#include "spark.h"

#define STEPS 8

/* The values from `cell` on that share it. */
static int64_t sum_of(const int64_t *values, size_t n, size_t cells, size_t cell)
{
	int64_t sum = 0;

	if (n <= cells)
		return values[cell];
	for (size_t i = cell * n / cells; i < (cell + 1) * n / cells; i++)
		sum += values[i];
	return sum;
}

static void add(struct buf *to, const int64_t *values, size_t n, size_t cells, bool utf8)
{
	int64_t most = 0;

	cells = cells < n ? cells : n;
	for (size_t i = 0; i < cells; i++)
		most = sum_of(values, n, cells, i) > most ? sum_of(values, n, cells, i) : most;
	for (size_t i = 0; i < cells; i++) {
		int64_t value = sum_of(values, n, cells, i);
		/* what is not nothing is seen */
		int step = value > 0 ? (int)((double)value / (double)most * STEPS + 0.5) : 0;
		if (value > 0 && step == 0)
			step = 1;
		if (!utf8)
			buf_add_char(to, " .:-=+*%#"[step]);
		else if (step)
			buf_addf(to, "\xe2\x96%c", 0x80 + step); /* U+2581 .. U+2588 */
		else
			buf_add_char(to, ' ');
	}
}

void spark_add(struct buf *to, const int64_t *values, size_t n, size_t cells)
{
	add(to, values, n, cells, true);
}

void spark_add_ascii(struct buf *to, const int64_t *values, size_t n, size_t cells)
{
	add(to, values, n, cells, false);
}
