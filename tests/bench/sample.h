/*
 * sample: durations in nanoseconds and their percentiles.
 */
#ifndef NIXIE_BENCH_SAMPLE_H
#define NIXIE_BENCH_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* The monotonic clock. */
uint64_t sample_now_ns(void);

void sample_sort(uint32_t *ns, size_t count);

/* `share` from 0 (shortest) to 1 (longest) of sorted samples, in microseconds; 0 of none. */
double sample_percentile_us(const uint32_t *sorted_ns, size_t count, double share);

/* A duration as a sample: those over 4.29 seconds are cut to that. */
static inline uint32_t sample_clamp(uint64_t ns)
{
	return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

#endif
