/* figures: the counters of some days, by what they have in common. */
#ifndef NIXIE_FIGURES_H
#define NIXIE_FIGURES_H

#include "arena.h"
#include "store.h"

enum figure_by { BY_NONE, BY_DAY, BY_HOUR, BY_SENDER, BY_CAMPAIGN, BY_DEST, BY_PROVIDER, BY_HOST, BY_CATEGORY, BY_RULE, BY_COUNT };

enum figure_counter { FIGURE_ATTEMPTS, FIGURE_DELIVERED, FIGURE_SOFT, FIGURE_HARD, FIGURE_HARD_AS_SOFT, FIGURE_SOFT_TO_HARD, FIGURE_COMPLAINT,
	FIGURE_DEFERRED, FIGURE_THROTTLED, FIGURE_BLOCKED, FIGURE_FAILING, FIGURE_FAILURES /* of a category */, FIGURE_COUNTERS };

struct figure {
	struct sv name;    /* "2026-11-21", "2026-11-21T09:00:00Z", "example.com" ... */
	int64_t begin_s;   /* of a day or an hour */
	int64_t n[FIGURE_COUNTERS];
};

struct figures {
	struct arena arena;
	struct map by_name;
	struct figure **v;
	size_t n, size;
};

/* "day", "sender" ...; NULL for BY_NONE */
const char *figure_by_name(enum figure_by by);

/* From from_s up to to_s: whole days, or whole hours when it is by hour. Days and hours in their order, all else what
 * failed most first. By BY_NONE there is one figure, or none. */
enum store_result figures_read(struct figures *figures, struct store *store, enum figure_by by, int64_t from_s, int64_t to_s, struct err *err) NIXIE_MUST_CHECK;
/* The same of one minute, in no order: of BY_NONE, and of what is kept by minute (nixie-redis(7)). */
enum store_result figures_read_minute(struct figures *figures, struct store *store, enum figure_by by, int64_t minute_s, struct err *err) NIXIE_MUST_CHECK;
void figures_free(struct figures *figures);

/* Adds those of others, by name; to figures that begin as zeroes. */
void figures_add(struct figures *to, const struct figures *from);
/* What failed most first. */
void figures_sort(struct figures *figures);

/* Their sum; its name is "total". */
struct figure figures_total(const struct figures *figures);

/* Results that are final: what rates are of. */
int64_t figure_finals(const struct figure *figure);

/* Shares of final results, and of complaints in what was delivered; the limit in thousandths, 0: there is none. */
enum rate_kind { RATE_HARD, RATE_ALL, RATE_COMPLAINT, RATE_KINDS };
struct rate {
	int64_t count, of, limit_permille;
};
struct rate figure_rate(const struct figure *figure, enum rate_kind kind, const struct config *config);
/* As of an alert: not with few results. */
bool rate_is_over(const struct rate *rate, const struct config *config);
/* Hundredths of a percent: 123 is 1.23 % */
int64_t rate_hundredths(const struct rate *rate);

#endif
