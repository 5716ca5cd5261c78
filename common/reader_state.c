#include "reader_state.h"

#include "fields.h"

static const char *const doings[READER_DOINGS + 1] = { [READER_READING] = "reading", [READER_WAITING] = "waiting",
	[READER_CAUGHT_UP] = "caught-up", [READER_MISSING] = "missing", [READER_BLOCKED] = "blocked", [READER_STOPPED] = "stopped",
	[READER_DONE] = "done" };

static const struct field table[] = {
#define ROW(name, type, field) { name, FIELDS_##type, offsetof(struct reader_state, field), doings }
	ROW("state", WORD, doing),
	ROW("version", TEXT, version), ROW("host", TEXT, host), ROW("pid", NUMBER, pid),
	ROW("started", NUMBER, started_s), ROW("updated", NUMBER, updated_s),
	ROW("path", TEXT, path), ROW("file", TEXT, file), ROW("offset", NUMBER, offset), ROW("size", NUMBER, size),
	ROW("lag-bytes", NUMBER, lag_bytes), ROW("lag-s", NUMBER, lag_s),
	ROW("lines", NUMBER, lines), ROW("lines-per-s", TENTHS, tenths_per_s),
	ROW("attempts", NUMBER, attempts), ROW("rejected", NUMBER, rejected), ROW("long-lines", NUMBER, long_lines),
	ROW("links", NUMBER, links), ROW("links-evicted", NUMBER, links_evicted),
	ROW("lost-lines", NUMBER, lost_lines), ROW("gaps", NUMBER, gaps), ROW("rewritten", NUMBER, rewritten),
	ROW("last-event", NUMBER, last_event_s), ROW("idle-s", NUMBER, idle_s),
#undef ROW
};
#define ROWS (sizeof table / sizeof *table)
_Static_assert(ROWS <= READER_STATE_FIELDS, "there is room for all");

const char *reader_doing_name(enum reader_doing doing)
{
	return doings[doing];
}

size_t reader_state_fields(struct arena *arena, const struct reader_state *s, struct sv v[2 * READER_STATE_FIELDS])
{
	return fields_list(arena, table, ROWS, s, v);
}

void reader_state_set(struct reader_state *s, struct sv field, struct sv value)
{
	fields_set(table, ROWS, s, field, value);
}
