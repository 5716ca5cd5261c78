/* typo: domains that somebody mistyped. Pure. */
#ifndef NIXIE_TYPO_H
#define NIXIE_TYPO_H

#include "sv.h"

/* A longer name is like no other. */
#define TYPO_NAME_MAX 64
/* Of a shorter one nobody knows whether it is another domain. */
#define TYPO_NAME_MIN 6

/* How many letters are changed, left out, added, or swapped with their neighbour: at most `most`, else most + 1. */
unsigned typo_distance(struct sv a, struct sv b, unsigned most);

/* The domain that is meant: a big provider, or else one of those that are known here. Empty: it is one of them, or like none. */
struct sv typo_intended(struct sv domain, const struct sv *known, size_t n);

#endif
