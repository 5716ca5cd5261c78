#include "reader_state.h"

#include "buf.h"
#include "schema.h"

static const char *const doings[READER_DOINGS] = { [READER_READING] = "reading", [READER_WAITING] = "waiting",
	[READER_CAUGHT_UP] = "caught-up", [READER_MISSING] = "missing", [READER_BLOCKED] = "blocked", [READER_STOPPED] = "stopped",
	[READER_DONE] = "done" };

static const struct {
	const char *name;
	enum { TEXT, NUMBER, TENTHS, DOING } type;
	size_t offset;
} table[] = {
#define ROW(name, type, field) { name, type, offsetof(struct reader_state, field) }
	ROW("state", DOING, doing),
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

const char *reader_doing_name(enum reader_doing doing)
{
	return doings[doing];
}

size_t reader_state_fields(struct arena *arena, const struct reader_state *s, struct sv v[2 * READER_STATE_FIELDS])
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const void *from = (const char *)s + table[i].offset;
		struct sv value = SV("");
		int64_t number = table[i].type == NUMBER || table[i].type == TENTHS ? *(const int64_t *)from : 0;
		if (table[i].type == TEXT)
			value = *(const struct sv *)from;
		else if (table[i].type == DOING)
			value = sv_of(doings[*(const enum reader_doing *)from]);
		else if (table[i].type == NUMBER)
			value = schema_number(arena, number);
		else
			value = arena_printf(arena, "%lld.%lld", (long long)number / 10, (long long)number % 10);
		v[n++] = sv_of(table[i].name);
		v[n++] = value;
	}
	return n / 2;
}

static void set_doing(struct sv value, enum reader_doing *to)
{
	for (int i = 0; i < READER_DOINGS; i++)
		if (sv_eq(value, sv_of(doings[i])))
			*to = (enum reader_doing)i;
}

void reader_state_set(struct reader_state *s, struct sv field, struct sv value)
{
	uint64_t whole, tenth = 0;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		void *to = (char *)s + table[i].offset;
		struct sv rest = value;
		if (!sv_eq(field, sv_of(table[i].name)))
			continue;
		if (table[i].type == TEXT)
			*(struct sv *)to = value;
		else if (table[i].type == DOING)
			set_doing(value, to);
		else if (table[i].type == NUMBER && sv_u64(value, INT64_MAX, &whole))
			*(int64_t *)to = (int64_t)whole;
		else if (table[i].type == TENTHS && sv_u64(sv_cut(&rest, '.'), INT64_MAX / 20, &whole) && (!rest.n || sv_u64(rest, 9, &tenth)))
			*(int64_t *)to = (int64_t)(whole * 10 + tenth);
	}
}
