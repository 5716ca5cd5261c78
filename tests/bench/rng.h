/*
 * rng: a small seeded random generator (splitmix64), the same everywhere, so
 * that a seed names a log or a load.
 */
#ifndef NIXIE_BENCH_RNG_H
#define NIXIE_BENCH_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

/* Also of use alone, to derive an object's properties from its number. */
static inline uint64_t rng_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline uint64_t rng_next(struct rng *rng)
{
	rng->state += UINT64_C(0x9e3779b97f4a7c15);
	return rng_mix(rng->state);
}

/* Uniform from 0 to limit - 1. */
static inline uint32_t rng_below(struct rng *rng, uint32_t limit)
{
	return (uint32_t)(((rng_next(rng) >> 32) * limit) >> 32);
}

/* Uniform from 0 to 1, 1 excluded. */
static inline double rng_unit(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

#endif
