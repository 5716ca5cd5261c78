/* convert: occurrences and deliveries to the state of an address.
 *
 * Pure arithmetic on event times: no clock, no store. The same set of events
 * gives the same state whenever it is read. The meaning is in nixie(7),
 * "Occurrences, windows, conversions". */
#ifndef NIXIE_CONVERT_H
#define NIXIE_CONVERT_H

#include "clock.h"
#include "state.h"

enum conversion_per { PER_MESSAGE, PER_DAY };

#define CONVERSION_MATCH_MAX 64
#define CONVERSIONS_MAX 16
#define TERM_FACTOR_MAX 100

/* Repeated soft failures become `to`: at least `count` of them, the oldest less
 * than `window` before the newest, and/or lasting at least `min_span` from the
 * first attempt of the oldest to the last attempt of the newest. */
struct conversion {
	char match[CONVERSION_MATCH_MAX]; /* a category or a rule id */
	unsigned count;
	struct span window;   /* 0: no limit */
	struct span min_span; /* 0: none */
	enum conversion_per per;
	bool reset_on_delivery;
	enum status to; /* STATUS_HELD or STATUS_HARD */
	struct span term; /* of STATUS_HELD; 0 for hard: for ever */
	unsigned factor;  /* each further term is so many times as long; 0: as 1 */
	struct span max_term; /* 0: none */
	unsigned line;    /* of the configuration; 0: shipped */
};

/* How long a hard failure of a category suppresses; term 0: for ever. */
struct category_term {
	struct span term, max_term;
	unsigned factor;
};

struct conversions {
	size_t n;
	struct conversion v[CONVERSIONS_MAX];
	struct category_term terms[CATEGORY_COUNT];
	struct span brake_term; /* how long an address is held that would have become hard, while the brake is on */
};

/* The end of the term that begins at from_s; number: how many there were before. 0: never. */
int64_t convert_term_end_s(struct span term, unsigned factor, struct span max_term, int64_t number, int64_t from_s);

/* A final failure, with what an entry keeps of it. */
struct failure {
	struct occurrence occurrence;
	enum class class_;
	enum origin origin; /* ORIGIN_LOG, or ORIGIN_DSN: a mail told of it */
	int code;
	struct enhanced enhanced;
	struct sv text, remote;
	bool braked; /* failures like this are unusually many: it may be our fault, or the provider's */
	int64_t gap_s; /* the newest time at which lines of a log are known to be lost; 0: none */
	bool unsure;   /* it may have been a delivery in the end, in a line that is lost */
};

enum convert_result {
	CONVERT_SAME,      /* nothing to write: the occurrence is on record already */
	CONVERT_RECORDED,  /* facts were added, the status is the same */
	CONVERT_CHANGED,   /* the status changed as the class says */
	CONVERT_CONVERTED, /* the status changed by a conversion rule */
	CONVERT_BRAKED,    /* the address is held for a short term instead of becoming hard */
};

/* Applies one occurrence. class_ is CLASS_SOFT or CLASS_HARD. Strings are borrowed from `failure`.
 * Braked, what would have become hard is held, for conversions->brake_term.
 *
 * Evidence is never incomplete by a loss of ours. A conversion that a delivery ends
 * (reset_on_delivery) does not count what is dated at or before failure->gap_s: that delivery
 * may be among the lines that are lost. What is unsure is soft, and counted by no conversion. Both stay
 * facts of the address, and what is decided already stays decided. */
enum convert_result convert_failure(struct entry *entry, struct window *window,
	const struct failure *failure, const struct conversions *conversions);

/* Applies one delivery at time_s. CONVERT_CHANGED when the soft or held entry is
 * gone (status none), CONVERT_RECORDED when only occurrences are. */
enum convert_result convert_delivery(struct entry *entry, struct window *window, int64_t time_s,
	const struct conversions *conversions);

/* How many occurrences of the window some conversion would count, but for the gap. */
size_t convert_uncounted(const struct window *window, const struct conversions *conversions, int64_t gap_s);

/* How long the occurrences of this category and rule are needed, from the newest on; {0} when never. */
struct span convert_retention(const struct conversions *conversions, enum category category, struct sv rule);
/* The same of all that conversions watch. */
struct span convert_longest(const struct conversions *conversions);

#endif
