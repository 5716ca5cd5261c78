#include "sample.h"

#include <stdlib.h>
#include <time.h>

uint64_t sample_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void sample_sort(uint32_t *ns, size_t count)
{
	qsort(ns, count, sizeof *ns, compare);
}

double sample_percentile_us(const uint32_t *sorted_ns, size_t count, double share)
{
	if (count == 0)
		return 0;
	return sorted_ns[(size_t)((double)(count - 1) * share)] / 1000.0;
}
