/* prefilter: which of many patterns a text can match at all, in one pass over it.
 *
 * Every pattern has words it cannot match without (literal.h), or none. Some
 * bytes of each word are looked up at every place of the text; where they are,
 * the whole word is compared. Cost: one look-up a byte, whatever the number of
 * patterns. */
#ifndef NIXIE_PREFILTER_H
#define NIXIE_PREFILTER_H

#include "literal.h"

struct prefilter;

struct prefilter *prefilter_new(void);
void prefilter_free(struct prefilter *prefilter);

/* Patterns get the numbers 0, 1, 2... in the order of the calls. */
void prefilter_add(struct prefilter *prefilter, const struct literal_set *words);

/* Calls back with the number of each pattern whose words are there, in no order,
 * perhaps more than once. Patterns without words are not named: the caller knows them. */
typedef void prefilter_callback(void *arg, size_t pattern);
/* text is in lower case. */
void prefilter_scan(const struct prefilter *prefilter, struct sv text, prefilter_callback *callback, void *arg);

#endif
