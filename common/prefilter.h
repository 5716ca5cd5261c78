/* prefilter: which of many patterns a text can match at all, in one pass over it.
 *
 * Every pattern has sets of words it cannot match without (literal.h), or none.
 * An automaton of Aho and Corasick, over the words of all patterns, finds those that
 * are in a text: one step a byte, whatever the number of patterns. */
#ifndef NIXIE_PREFILTER_H
#define NIXIE_PREFILTER_H

#include "literal.h"

/* Memory is bounded: 128 to 256 bytes a state. Patterns whose words do not fit any more
 * are tried on every text. */
#define PREFILTER_STATES_MAX 65535

struct prefilter;

struct prefilter *prefilter_new(void);
void prefilter_free(struct prefilter *prefilter);

/* Patterns get the numbers 0, 1, 2... in the order of the calls. */
void prefilter_add(struct prefilter *prefilter, const struct literal_sets *sets);
/* A pattern that is seldom looked at: a scan does not tell of it, prefilter_is_possible() does. */
void prefilter_defer(struct prefilter *prefilter, size_t pattern);

/* When all patterns are there, once. Without it a scan looks for one word after the other, which is better for a few texts.
 * From typical texts it learns which words are rare: those are looked for first. What a scan finds depends on neither, but for
 * bytes that are no ASCII, some of which it may take for one another. */
void prefilter_build(struct prefilter *prefilter, const struct sv *typical, size_t n);

/* Must the pattern be tried on every text? */
bool prefilter_is_always(const struct prefilter *prefilter, size_t pattern);

/* When all patterns are there. Bit p of possible_r says whether the text has a word of each of pattern p's sets, unless p
 * is deferred; upper and lower case of ASCII letters are the same. Room: a bit for every pattern. */
void prefilter_scan(struct prefilter *prefilter, struct sv text, uint64_t *possible_r);

/* The same of one pattern, also of a deferred one, for the text of the last scan. */
bool prefilter_is_possible(const struct prefilter *prefilter, size_t pattern);

#endif
