/* chance: random, and repeatable: a test that fails prints the seed, and runs again
 * with NIXIE_TEST_SEED in the environment. */
#ifndef NIXIE_CHANCE_H
#define NIXIE_CHANCE_H

#include <sys/random.h>

#include "test.h"

static uint64_t random_state;
static char seed_row[64];

static inline unsigned below(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((random_state >> 33) % n);
}

static inline void set_seed(void)
{
	const char *fixed = getenv("NIXIE_TEST_SEED");

	if (fixed)
		random_state = strtoull(fixed, NULL, 10);
	else if (getrandom(&random_state, sizeof random_state, 0) != (ssize_t)sizeof random_state)
		random_state = 1;
	(void)snprintf(seed_row, sizeof seed_row, "NIXIE_TEST_SEED=%" PRIu64, random_state);
	test_row = seed_row;
}

#endif
