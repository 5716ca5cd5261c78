/* places: where a log was left, partition by partition: what each partition of the store holds
 * (tail.committed), compared with where reading is.
 *
 * Partitions get on one by one, so their places differ after a crash or a failover: reading
 * begins at the oldest, and of each line it is told which partitions have it already. */
#ifndef NIXIE_PLACES_H
#define NIXIE_PLACES_H

#include "tails.h"

/* Is what the source gave out last before this place, so that the partition has it already? */
bool place_covers(const struct position *place, const struct source *source);

/* The place that a restart would begin at: of n, the oldest. */
const struct position *places_oldest(const struct position *places, unsigned n);
/* Those that are places, the oldest first, each once. sorted_r has room for n; returns how many. */
size_t places_sort(const struct position *places, unsigned n, const struct position **sorted_r);
/* Has some partition gone back, or does it have nothing any more? */
bool places_lost(const struct position *were, const struct position *are, unsigned n);

/* A partition without a place, while others have one: its server had not heard of it yet when it took
 * over, and has nothing of this log. Then the oldest place is the beginning, if that is where we began
 * (at_end: what the log holds at the start is not read); else false, and a warning. */
bool places_beginning(const struct tail *tail, unsigned n, const struct position *oldest, bool at_end, struct position *beginning_r);

/* After each line: the next file may be one that some partition has been in before: then it is of that
 * generation, whatever files between the two are gone. So is an entry of a journal, whose
 * number is other when some before it are gone. */
void places_number(struct tail *tail, unsigned n);

#endif
