/* metrics: what the service counts, and the same as text for Prometheus.
 *
 * Plain numbers of one thread, added to where things happen: no lock, no I/O, no
 * allocation. Counters only grow, from the start of the process on; gauges are
 * set by whoever knows them. No label ever has an address or anything else from
 * outside: the number of series is bounded by the enums. */
#ifndef NIXIE_METRICS_H
#define NIXIE_METRICS_H

#include "buf.h"
#include "category.h"
#include "decide.h"

enum metrics_protocol { METRICS_POLICY, METRICS_SOCKETMAP, METRICS_PROTOCOLS };
/* what the client was told; "other": hold, discard, warn, a line of a table */
enum metrics_outcome { METRICS_DUNNO, METRICS_REJECT, METRICS_DEFER, METRICS_OTHER, METRICS_OUTCOMES };
enum metrics_store_error {
	METRICS_UNREACHABLE, /* no connection */
	METRICS_TIMEOUT,     /* connected, and no answer within policyd.deadline-ms */
	METRICS_REFUSED,     /* it answers and will not */
	METRICS_STALLED,     /* not asked: it has not answered the others */
	METRICS_STORE_ERRORS,
};

#define METRICS_ACTIONS (ACTION_PAROLE + 1)

/* Upper bounds of the buckets in microseconds, 25 us to 1 s; behind them is the one without a bound. */
#define METRICS_BOUNDS 15
extern const uint32_t metrics_bounds_us[METRICS_BOUNDS];

struct histogram {
	uint64_t n[METRICS_BOUNDS + 1]; /* each for itself */
	uint64_t sum_us;
};

struct metrics {
	uint64_t requests[METRICS_PROTOCOLS][METRICS_OUTCOMES];
	uint64_t decided[METRICS_ACTIONS][CATEGORY_COUNT];       /* because of what is known */
	uint64_t would_decide[METRICS_ACTIONS][CATEGORY_COUNT];  /* but for the shadow mode */
	uint64_t parole_granted, parole_refused;
	uint64_t store_errors[METRICS_STORE_ERRORS];
	uint64_t from_snapshot; /* answered from what was known before the store went away */
	uint64_t cache_hits, cache_misses, cache_evictions, cache_invalidations, cache_flushes;
	uint64_t connections_total, malformed;
	uint64_t reloads, reloads_failed;
	struct histogram latency; /* of requests, from the last byte of the question to the answer */
	struct histogram store;   /* of questions to the store */

	/* gauges */
	uint64_t connections, cache_entries, cache_bytes, cache_limit_bytes;
	bool store_up, tracking_up, shadow;
	int64_t since_s; /* when the service started */
};

static inline void histogram_add(struct histogram *h, uint64_t us)
{
	size_t i = 0;

	while (i < METRICS_BOUNDS && us > metrics_bounds_us[i])
		i++;
	h->n[i]++;
	h->sum_us += us;
}

/* A request that was answered after so many microseconds. */
static inline void metrics_request(struct metrics *m, enum metrics_protocol protocol, enum metrics_outcome outcome, uint64_t us)
{
	m->requests[protocol][outcome]++;
	histogram_add(&m->latency, us);
}

/* One that was answered without asking anything: it tells nothing of how long that takes. */
static inline void metrics_unasked(struct metrics *m, enum metrics_protocol protocol, enum metrics_outcome outcome)
{
	m->requests[protocol][outcome]++;
}

/* What is known of the recipient led to this answer. */
static inline void metrics_decided(struct metrics *m, enum action action, enum category category)
{
	m->decided[action][category]++;
}

static inline void metrics_would_decide(struct metrics *m, enum action action, enum category category)
{
	m->would_decide[action][category]++;
}

static inline void metrics_store_error(struct metrics *m, enum metrics_store_error kind)
{
	m->store_errors[kind]++;
}

/* What an action is to the client. */
enum metrics_outcome metrics_outcome_of(enum action action);

/* Sums. */
uint64_t metrics_requests(const struct metrics *m);
uint64_t metrics_decisions(const uint64_t decided[METRICS_ACTIONS][CATEGORY_COUNT]);
uint64_t metrics_store_failures(const struct metrics *m);

uint64_t histogram_count(const struct histogram *h);
/* What was added since `before`. */
struct histogram histogram_since(const struct histogram *now, const struct histogram *before);
/* How long the fastest `permille` of a thousand took at most, from the buckets: as if evenly spread within
 * one. In the last bucket it is its lower bound. 0: there are none. */
uint64_t histogram_quantile_us(const struct histogram *h, unsigned permille);

/* Prometheus' text exposition format 0.0.4. Always fits into METRICS_TEXT_MAX. Of decisions only those that
 * were taken are there. */
#define METRICS_TEXT_MAX ((size_t)96 * 1024)
void metrics_write(const struct metrics *m, struct buf *b);

#endif
