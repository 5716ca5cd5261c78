/* gaps: when lines of the logs were lost, as all readers know it: in the store by source.
 *
 * Only the newest matters (convert.h): older ones are not written. A reader writes its own
 * before what it counts behind them, and takes those of others from the store. */
#ifndef NIXIE_GAPS_H
#define NIXIE_GAPS_H

#include "arena.h"
#include "store.h"

struct gap {
	struct sv source; /* in the arena of all */
	int64_t time_s;
	bool written;
};

struct gaps {
	int64_t newest_s; /* of all sources; 0: none is known */
	struct gap *own;  /* one a source of this reader that lost any */
	size_t n, size;
	struct arena arena;
};

void gaps_free(struct gaps *gaps);

/* Lines of this source are lost, the last of them about then; a time in the future is now. Copies the name. */
void gaps_add(struct gaps *gaps, struct sv source, int64_t time_s);

/* Writes what is not written yet; mostly that is nothing. */
enum store_result gaps_write(struct gaps *gaps, struct store *store, struct err *err) NIXIE_MUST_CHECK;

/* Takes in what other readers wrote, writes again what the store has lost of ours, and takes away
 * what is older than any window of a conversion. */
enum store_result gaps_read(struct gaps *gaps, struct store *store, const struct conversions *conversions, struct err *err) NIXIE_MUST_CHECK;

#endif
