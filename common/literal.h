/* literal: the words a regular expression cannot match without.
 *
 * From "(?:over|mail) ?quota" it takes { "quota" }: a text without any of the
 * words of the set cannot match. Conservative: what it does not understand has
 * no set, and must be tried on every text. Letters come out in lower case. Pure. */
#ifndef NIXIE_LITERAL_H
#define NIXIE_LITERAL_H

#include "sv.h"

#define LITERAL_SET_MAX 48
#define LITERAL_BYTES_MAX 32
/* A shorter word says too little. */
#define LITERAL_BYTES_MIN 3

struct literal {
	size_t n;
	char bytes[LITERAL_BYTES_MAX];
};

struct literal_set {
	size_t n; /* 0: none is known */
	struct literal v[LITERAL_SET_MAX];
};

void literal_required(struct sv regex, struct literal_set *set_r);

#endif
