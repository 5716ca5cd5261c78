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
void figures_free(struct figures *figures);

/* Their sum; its name is "total". */
struct figure figures_total(const struct figures *figures);

/* Results that are final: what rates are of. */
int64_t figure_finals(const struct figure *figure);

#endif
