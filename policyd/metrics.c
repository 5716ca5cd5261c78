#include "metrics.h"

#include <inttypes.h>

const uint32_t metrics_bounds_us[METRICS_BOUNDS] = {
	25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
};

static const char *const protocol_names[METRICS_PROTOCOLS] = { "policy", "socketmap" };
static const char *const outcome_names[METRICS_OUTCOMES] = { "dunno", "reject", "defer", "other" };
static const char *const store_error_names[METRICS_STORE_ERRORS] = { "unreachable", "timeout", "refused", "stalled" };

/* Families that are one number or a few; rows of one name follow each other. */
enum type { COUNTER, GAUGE, GAUGE_BOOL };
static const struct family {
	const char *name;
	const char *label; /* NULL: none */
	const char *help;
	enum type type;
	size_t offset;
} families[] = {
#define FIELD(f) offsetof(struct metrics, f)
	{ "nixie_policy_start_time_seconds", NULL, "When the service started, in seconds since 1970.", GAUGE, FIELD(since_s) },
	{ "nixie_policy_shadow", NULL, "1: nothing is refused, it is only counted what would be.", GAUGE_BOOL, FIELD(shadow) },
	{ "nixie_policy_connections", NULL, "Clients that are connected.", GAUGE, FIELD(connections) },
	{ "nixie_policy_connections_total", NULL, "Clients that were connected.", COUNTER, FIELD(connections_total) },
	{ "nixie_policy_malformed_total", NULL, "Requests that could not be understood.", COUNTER, FIELD(malformed) },
	{ "nixie_policy_parole_total", "result=\"granted\"", "Messages that asked to pass after the term of an address.", COUNTER, FIELD(parole_granted) },
	{ "nixie_policy_parole_total", "result=\"refused\"", NULL, COUNTER, FIELD(parole_refused) },
	{ "nixie_policy_store_up", NULL, "1: Redis is connected and answers.", GAUGE_BOOL, FIELD(store_up) },
	{ "nixie_policy_tracking_up", NULL, "1: Redis tells of entries that change.", GAUGE_BOOL, FIELD(tracking_up) },
	{ "nixie_policy_snapshot_answers_total", NULL, "Requests answered from what was known before Redis went away.", COUNTER, FIELD(from_snapshot) },
	{ "nixie_policy_cache_hits_total", NULL, "Questions answered from memory.", COUNTER, FIELD(cache_hits) },
	{ "nixie_policy_cache_misses_total", NULL, "Questions that memory had no answer to.", COUNTER, FIELD(cache_misses) },
	{ "nixie_policy_cache_evictions_total", NULL, "Entries dropped from memory for want of room.", COUNTER, FIELD(cache_evictions) },
	{ "nixie_policy_cache_invalidations_total", NULL, "Entries dropped from memory because Redis said they had changed.", COUNTER, FIELD(cache_invalidations) },
	{ "nixie_policy_cache_flushes_total", NULL, "Times that all of the memory was dropped.", COUNTER, FIELD(cache_flushes) },
	{ "nixie_policy_cache_entries", NULL, "Entries in memory.", GAUGE, FIELD(cache_entries) },
	{ "nixie_policy_cache_bytes", NULL, "What the entries in memory take.", GAUGE, FIELD(cache_bytes) },
	{ "nixie_policy_cache_limit_bytes", NULL, "What they may take.", GAUGE, FIELD(cache_limit_bytes) },
	{ "nixie_policy_reloads_total", "result=\"ok\"", "Times that the configuration was read again.", COUNTER, FIELD(reloads) },
	{ "nixie_policy_reloads_total", "result=\"refused\"", NULL, COUNTER, FIELD(reloads_failed) },
#undef FIELD
};

static uint64_t sum(const uint64_t *n, size_t count)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += n[i];
	return all;
}

uint64_t metrics_requests(const struct metrics *m)
{
	return sum(&m->requests[0][0], (size_t)METRICS_PROTOCOLS * METRICS_OUTCOMES);
}

uint64_t metrics_decisions(const uint64_t decided[METRICS_ACTIONS][CATEGORY_COUNT])
{
	return sum(&decided[0][0], (size_t)METRICS_ACTIONS * CATEGORY_COUNT);
}

uint64_t metrics_store_failures(const struct metrics *m)
{
	return sum(m->store_errors, METRICS_STORE_ERRORS);
}

enum metrics_outcome metrics_outcome_of(enum action action)
{
	switch (action) {
	case ACTION_DUNNO:
	case ACTION_PAROLE:
		return METRICS_DUNNO;
	case ACTION_REJECT:
		return METRICS_REJECT;
	case ACTION_DEFER:
	case ACTION_DEFER_IF_PERMIT:
	case ACTION_DEFER_IF_REJECT:
		return METRICS_DEFER;
	case ACTION_HOLD:
	case ACTION_DISCARD:
	case ACTION_REDIRECT:
	case ACTION_FILTER:
	case ACTION_BCC:
	case ACTION_PREPEND:
	case ACTION_WARN:
	case ACTION_INFO:
		break;
	}
	return METRICS_OTHER;
}

/* ---- histograms ---- */

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= METRICS_BOUNDS; i++)
		n += h->n[i];
	return n;
}

struct histogram histogram_since(const struct histogram *now, const struct histogram *before)
{
	struct histogram h = *now;

	for (size_t i = 0; i <= METRICS_BOUNDS; i++)
		h.n[i] -= before->n[i];
	h.sum_us -= before->sum_us;
	return h;
}

uint64_t histogram_quantile_us(const struct histogram *h, unsigned permille)
{
	double rank = (double)histogram_count(h) * permille / 1000, below = 0;

	if (rank <= 0)
		return 0;
	for (size_t i = 0; i < METRICS_BOUNDS; i++) {
		double from = i ? metrics_bounds_us[i - 1] : 0;
		if (h->n[i] && below + (double)h->n[i] >= rank)
			return (uint64_t)(from + (metrics_bounds_us[i] - from) * (rank - below) / (double)h->n[i]);
		below += (double)h->n[i];
	}
	return metrics_bounds_us[METRICS_BOUNDS - 1];
}

/* ---- text ---- */

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_requests(const struct metrics *m, struct buf *b)
{
	head(b, "nixie_policy_requests_total", "counter", "Requests, by how the client asked and what it was told.");
	for (size_t p = 0; p < METRICS_PROTOCOLS; p++)
		for (size_t o = 0; o < METRICS_OUTCOMES; o++)
			buf_addf(b, "nixie_policy_requests_total{protocol=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", protocol_names[p],
				outcome_names[o], m->requests[p][o]);
}

static void write_decisions(struct buf *b, const char *name, const char *help, const uint64_t (*n)[CATEGORY_COUNT])
{
	head(b, name, "counter", help);
	for (unsigned a = 0; a < METRICS_ACTIONS; a++)
		for (unsigned c = 0; c < CATEGORY_COUNT; c++)
			if (n[a][c])
				buf_addf(b, "%s{action=\"%s\",category=\"%s\"} %" PRIu64 "\n", name, action_name((enum action)a), category_name((enum category)c), n[a][c]);
}

static void write_store_errors(const struct metrics *m, struct buf *b)
{
	head(b, "nixie_policy_store_errors_total", "counter", "Questions that Redis did not answer.");
	for (size_t k = 0; k < METRICS_STORE_ERRORS; k++)
		buf_addf(b, "nixie_policy_store_errors_total{kind=\"%s\"} %" PRIu64 "\n", store_error_names[k], m->store_errors[k]);
}

static void write_histogram(struct buf *b, const char *name, const char *help, const struct histogram *h)
{
	uint64_t n = 0;

	head(b, name, "histogram", help);
	for (size_t i = 0; i < METRICS_BOUNDS; i++) {
		n += h->n[i];
		buf_addf(b, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name, metrics_bounds_us[i] / 1e6, n);
	}
	n += h->n[METRICS_BOUNDS];
	buf_addf(b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %" PRIu64 ".%06" PRIu64 "\n%s_count %" PRIu64 "\n", name, n,
		name, h->sum_us / 1000000, h->sum_us % 1000000, name, n);
}

static uint64_t value_of(const struct metrics *m, const struct family *f)
{
	const char *at = (const char *)m + f->offset;

	return f->type == GAUGE_BOOL ? *(const bool *)at : *(const uint64_t *)at; /* since_s too: it is not below 0 */
}

static void write_family(const struct metrics *m, struct buf *b, const struct family *f)
{
	if (f->help)
		head(b, f->name, f->type == COUNTER ? "counter" : "gauge", f->help);
	buf_addf(b, f->label ? "%s{%s} %" PRIu64 "\n" : "%s%s %" PRIu64 "\n", f->name, f->label ? f->label : "", value_of(m, f));
}

void metrics_write(const struct metrics *m, struct buf *b)
{
	head(b, "nixie_build_info", "gauge", "1; the label is the version.");
	buf_addf(b, "nixie_build_info{version=\"%s\"} 1\n", NIXIE_VERSION);
	write_requests(m, b);
	write_histogram(b, "nixie_policy_request_duration_seconds", "Time from the end of a request to its answer.", &m->latency);
	write_decisions(b, "nixie_policy_decisions_total", "Answers because of what is known of the recipient.", m->decided);
	write_decisions(b, "nixie_policy_would_decide_total", "What the answer would have been but for the shadow mode.", m->would_decide);
	write_histogram(b, "nixie_policy_store_duration_seconds", "Time of a question to Redis.", &m->store);
	write_store_errors(m, b);
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		write_family(m, b, &families[i]);
}
