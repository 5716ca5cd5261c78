/* surge: results in a sliding window of event time, against what is usual: tells
 * what jumped, and when that is over.
 *
 * Pure: no clock, no store, no I/O. "Now" is the newest time that surge_add() was given;
 * the caller keeps times in the future away from it, or the window stands still there.
 *
 * Two scales are looked at: the whole window, and its newest two buckets, so that a jump
 * is seen soon though the hour before was good. On either, a kind of failure opens when its
 * count reaches `minimum` and its share both `share_permille` and `factor` times the usual
 * share. What is usual beyond 1 / factor can not jump: a list that is dead anyway opens nothing.
 * Before it opens, there pass the more of `minimum`, and of share_permille of what the newest
 * two buckets hold; surge_change.since_s is when they began.
 *
 * It closes when each scale is quiet: the share below half of the threshold that opened it, or
 * the count below a quarter of `minimum`. In between nothing changes, so nothing flaps.
 *
 * Usual is the share of the days before (surge_add_usual()) where those have 100 results, else
 * that of SURGE_ALL if it has as many, else 0. SURGE_RULE has no deliveries of its own: it is
 * compared with SURGE_ALL, in the window and in what is usual; so a result is given
 * to SURGE_ALL first. */
#ifndef NIXIE_SURGE_H
#define NIXIE_SURGE_H

#include "category.h"

#define SURGE_BUCKETS 12
/* Of each dimension, at once; those with nothing in the window and nothing open make room. */
#define SURGE_VALUES_MAX 4096
/* A longer value is cut. */
#define SURGE_VALUE_MAX 255
/* Fewer results of the days before tell nothing. */
#define SURGE_USUAL_BASE 100

enum surge_kind {
	SURGE_HARD,      /* hard for good: to be compared with final results, the others with attempts */
	SURGE_THROTTLED, /* a rate limit */
	SURGE_BLOCKED,   /* reputation, authentication, content */
	SURGE_FAILING,   /* soft by the remote's fault; not greylisting: a stranger gets that anywhere */
	SURGE_KINDS,
};

enum surge_dimension { SURGE_ALL, SURGE_DESTINATION, SURGE_PROVIDER, SURGE_RULE, SURGE_DIMENSIONS };

struct surge_options {
	int64_t window_s;      /* 12 buckets of a twelfth; at least 12 */
	int64_t minimum;       /* at least 1 */
	int64_t share_permille; /* 1..1000 */
	int64_t factor;        /* 1..1000 */
};

struct surge_counts {
	int64_t attempts, finals;
	int64_t of[SURGE_KINDS];
};

struct surge_change {
	enum surge_kind kind;
	enum surge_dimension dimension;
	struct sv value; /* empty of SURGE_ALL */
	bool open;
	int64_t time_s;  /* when it was noticed, in the time of events */
	/* The beginning of the oldest bucket from which on, without a break, the share was over the
	 * threshold; of the one before, when that had more than its usual share: a jump seldom begins
	 * with a bucket, and what is taken back too much comes again with the next bounce. At closing
	 * the same as at opening. */
	int64_t since_s;
	int64_t count, base; /* at opening since since_s, at closing those of the window */
	int64_t usual_permille; /* 0 also when it is not known */
};

struct surge;

/* What is out of the ranges above is moved into them. */
struct surge *surge_new(const struct surge_options *options);
void surge_free(struct surge *surge);
/* Counts in the window, what is usual and what is open stay. */
void surge_set_options(struct surge *surge, const struct surge_options *options);

/* Forgets windows, usual shares and what is open; no changes are told. */
void surge_reset(struct surge *surge);
void surge_forget_usual(struct surge *surge);

/* Sums of the days before; adds up. Nothing makes room for what is only usual. */
void surge_add_usual(struct surge *surge, enum surge_dimension dimension, struct sv value, const struct surge_counts *counts);

/* One or many results of about that time; of a rule only `of` is looked at. What is older than the
 * window, before 1970, or of an empty value (but of SURGE_ALL) is ignored; time moves on all the same.
 * Constant cost; allocates only for a value that is not known yet. */
void surge_add(struct surge *surge, int64_t time_s, enum surge_dimension dimension, struct sv value, const struct surge_counts *counts);

bool surge_is_open(const struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value);

/* What is in the window; of a rule with the attempts and finals of SURGE_ALL. */
void surge_window(const struct surge *surge, enum surge_dimension dimension, struct sv value, struct surge_counts *counts_r);

/* The next change that was not told yet, in order of values. The value is valid until the next surge_* call that
 * is not this one. What opened and closed since the last call is told once, both; what closed and
 * opened again is not. */
bool surge_next_change(struct surge *surge, struct surge_change *change_r) NIXIE_MUST_CHECK;

/* Somebody else noticed it: it is open here too, no change is told. It stays so until surge_close_by(),
 * whatever little is seen of it here; but once the counts here would have opened it, they
 * also close it. */
void surge_open_by(struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value, int64_t since_s);
/* It was open here before a restart: it is so again, compared with what was usual then, unless the counts say that
 * it is over; where nothing is in the window, for one window from now. No change is told. */
void surge_open_again(struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value, int64_t since_s,
	int64_t usual_permille);
/* Somebody else closed it. It opens again, and that is told, when the next result still finds a jump. */
void surge_close_by(struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value);

/* Calls about values that there was no room for, since the beginning; and how many values there are. */
uint64_t surge_unwatched(const struct surge *surge);
size_t surge_watched(const struct surge *surge);

/* Adds one result. class_ is the verdict's; without a failure it is a delivery. A failure that is neither
 * soft nor hard counts nothing at all. */
void surge_count(struct surge_counts *counts, bool final, bool failed, enum category category, enum class class_);

#endif
