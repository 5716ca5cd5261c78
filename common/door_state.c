#include "door_state.h"

#include "fields.h"

static const char *const doings[DOOR_DOINGS + 1] = { [DOOR_SERVING] = "serving", [DOOR_STOPPED] = "stopped" };

static const struct field table[] = {
#define ROW(name, type, field) { name, FIELDS_##type, offsetof(struct door_state, field), doings }
	ROW("state", WORD, doing), ROW("version", TEXT, version), ROW("host", TEXT, host), ROW("pid", NUMBER, pid),
	ROW("started", NUMBER, started_s), ROW("updated", NUMBER, updated_s), ROW("shadow", NUMBER, shadow),
	ROW("connections", NUMBER, connections), ROW("connections-total", NUMBER, connections_total),
	ROW("requests", NUMBER, requests), ROW("rejected", NUMBER, rejected), ROW("deferred", NUMBER, deferred), ROW("other", NUMBER, other),
	ROW("would-reject", NUMBER, would_reject), ROW("would-defer", NUMBER, would_defer), ROW("would-other", NUMBER, would_other),
	ROW("parole", NUMBER, parole), ROW("parole-refused", NUMBER, parole_refused), ROW("malformed", NUMBER, malformed),
	ROW("store-failures", NUMBER, store_failures), ROW("from-memory", NUMBER, from_memory),
	ROW("cache-hits", NUMBER, cache_hits), ROW("cache-misses", NUMBER, cache_misses), ROW("cache-entries", NUMBER, cache_entries),
	ROW("cache-bytes", NUMBER, cache_bytes), ROW("cache-limit", NUMBER, cache_limit),
	ROW("requests-per-s", TENTHS, tenths_per_s), ROW("p50-us", NUMBER, p50_us), ROW("p99-us", NUMBER, p99_us),
	ROW("decided", TEXT, decided), ROW("would-decide", TEXT, would_decide),
#undef ROW
};
#define ROWS (sizeof table / sizeof *table)
_Static_assert(ROWS <= DOOR_STATE_FIELDS, "there is room for all");

const char *door_doing_name(enum door_doing doing)
{
	return doings[doing];
}

size_t door_state_fields(struct arena *arena, const struct door_state *s, struct sv v[2 * DOOR_STATE_FIELDS])
{
	return fields_list(arena, table, ROWS, s, v);
}

void door_state_set(struct door_state *s, struct sv field, struct sv value)
{
	fields_set(table, ROWS, s, field, value);
}

bool door_state_next(struct sv *rest, struct sv *action_r, struct sv *category_r, int64_t *n_r)
{
	uint64_t n;

	while (rest->n) {
		struct sv word = sv_cut(rest, ' ');
		*action_r = sv_cut(&word, '|');
		*category_r = sv_cut(&word, '=');
		if (action_r->n && category_r->n && sv_u64(word, INT64_MAX, &n)) {
			*n_r = (int64_t)n;
			return true;
		}
	}
	return false;
}
