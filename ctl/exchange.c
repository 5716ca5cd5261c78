#include "exchange.h"

#include <stdio.h>

#include "buf.h"
#include "clock.h"
#include "schema.h"
#include "scope.h"

/* Texts of an import end in Redis and on terminals: no longer than what nixie itself writes there. */
#define TEXT_MAX 1024

enum kind { KIND_TEXT, KIND_NUMBER, KIND_TIME, KIND_WORD };

static const struct column {
	struct sv name;
	enum kind kind;
} columns[EXCHANGE_COLUMNS] = {
	[EXCHANGE_ADDRESS] = { { "address", 7 }, KIND_WORD }, [EXCHANGE_STATUS] = { { "status", 6 }, KIND_WORD },
	[EXCHANGE_REASON] = { { "reason", 6 }, KIND_WORD }, [EXCHANGE_ORIGIN] = { { "origin", 6 }, KIND_WORD },
	[EXCHANGE_CODE] = { { "code", 4 }, KIND_NUMBER }, [EXCHANGE_ENHANCED] = { { "enhanced", 8 }, KIND_WORD },
	[EXCHANGE_RULE] = { { "rule", 4 }, KIND_TEXT }, [EXCHANGE_TEXT] = { { "text", 4 }, KIND_TEXT },
	[EXCHANGE_REMOTE] = { { "remote", 6 }, KIND_TEXT }, [EXCHANGE_FIRST] = { { "first", 5 }, KIND_TIME },
	[EXCHANGE_LAST] = { { "last", 4 }, KIND_TIME }, [EXCHANGE_SINCE] = { { "since", 5 }, KIND_TIME },
	[EXCHANGE_UNTIL] = { { "until", 5 }, KIND_TIME }, [EXCHANGE_TERM] = { { "term", 4 }, KIND_NUMBER },
	[EXCHANGE_PAROLE] = { { "parole", 6 }, KIND_TIME }, [EXCHANGE_COUNT] = { { "count", 5 }, KIND_NUMBER },
	[EXCHANGE_BY] = { { "by", 2 }, KIND_TEXT }, [EXCHANGE_PAROLE_BY] = { { "parole-by", 9 }, KIND_TEXT },
	[EXCHANGE_BATCH] = { { "batch", 5 }, KIND_TEXT }, [EXCHANGE_SCOPES] = { { "scopes", 6 }, KIND_WORD },
};

const char *exchange_name(enum exchange_column column)
{
	return columns[column].name.p;
}

bool exchange_by_name(struct sv name, enum exchange_column *column_r)
{
	for (int i = 0; i < EXCHANGE_COLUMNS; i++) {
		if (sv_eq(name, columns[i].name)) {
			*column_r = (enum exchange_column)i;
			return true;
		}
	}
	return false;
}

bool exchange_is_number(enum exchange_column column)
{
	return columns[column].kind == KIND_NUMBER;
}

/* The next column of that name. An entry's fields are in the order of the columns, so that it is near. */
static bool next_column(struct sv name, enum exchange_column *column)
{
	for (int i = (int)*column + 1; i < EXCHANGE_COLUMNS; i++) {
		if (sv_eq(name, columns[i].name)) {
			*column = (enum exchange_column)i;
			return true;
		}
	}
	return false;
}

bool exchange_is_text(enum exchange_column column)
{
	return columns[column].kind == KIND_TEXT;
}

bool exchange_is_formula(struct sv text)
{
	/* one that has a "'" itself is told from one that got it */
	while (sv_take(&text, SV("'")))
		;
	return text.n > 1 && strchr("=+-@\t", text.p[0]) && text.p[0];
}

struct sv exchange_of_csv(enum exchange_column column, struct sv value)
{
	return exchange_is_text(column) && sv_starts(value, SV("'")) && exchange_is_formula(value) ? sv_skip(value, 1) : value;
}

void exchange_row(struct arena *arena, struct sv address, const struct entry *entry, struct sv row[EXCHANGE_COLUMNS])
{
	struct sv v[2 * SCHEMA_ENTRY_FIELDS];
	size_t n = 2 * schema_entry_fields(arena, entry, v);
	char text[CLOCK_TEXT_MAX];
	enum exchange_column column = EXCHANGE_ADDRESS;
	uint64_t time_s;

	for (int i = 0; i < EXCHANGE_COLUMNS; i++)
		row[i] = sv_make("", 0);
	for (size_t i = 0; i < n; i += 2) {
		if (!next_column(v[i], &column))
			continue;
		row[column] = v[i + 1];
		if (columns[column].kind == KIND_TIME && sv_u64(v[i + 1], STATE_TIME_MAX_S, &time_s)) {
			clock_format_us((int64_t)time_s * CLOCK_SECOND_US, text, sizeof text);
			row[column] = arena_dup(arena, sv_of(text));
		}
	}
	row[EXCHANGE_ADDRESS] = address;
}

/* ---- back ---- */

static bool all_scopes(struct sv packed)
{
	struct scope s;

	while (packed.n) {
		struct sv one = sv_cut(&packed, ' ');
		if (!scopes_next(&one, &s))
			return false;
	}
	return true;
}

static bool is_word(const struct entry *entry, enum exchange_column column, struct sv value)
{
	struct entry e = *entry;

	if (column == EXCHANGE_STATUS)
		return status_by_name(value, &e.status);
	if (column == EXCHANGE_REASON)
		return category_by_name(value, &e.reason);
	if (column == EXCHANGE_ORIGIN)
		return origin_by_name(value, &e.origin);
	return column == EXCHANGE_ENHANCED ? enhanced_parse(value, &e.enhanced) : all_scopes(value);
}

static const char *hint(enum exchange_column column)
{
	switch (columns[column].kind) {
	case KIND_TIME:
		return "write a time as 2026-11-21T09:00:00Z";
	case KIND_NUMBER:
		return "write a number";
	case KIND_WORD:
		return column == EXCHANGE_STATUS ? "write soft, held, hard, complaint, manual or allow" : "see nixie-redis(7) for its words";
	case KIND_TEXT:
		break;
	}
	return "it is too long";
}

bool exchange_set(struct entry *entry, enum exchange_column column, struct sv value, struct err *err)
{
	enum kind kind = columns[column].kind;
	char number[24];
	uint64_t n = 0;
	int64_t us;
	bool ok = true;

	if (!value.n)
		return true;
	if (kind == KIND_TIME) {
		ok = clock_parse_rfc3339(value, &us) == value.n && us >= 0;
		(void)snprintf(number, sizeof number, "%lld", ok ? (long long)(us / CLOCK_SECOND_US) : 0);
	} else if (kind == KIND_NUMBER) {
		ok = sv_u64(value, column == EXCHANGE_CODE ? 999 : STATE_TIME_MAX_S, &n);
	} else {
		ok = kind == KIND_WORD ? is_word(entry, column, value) : value.n <= TEXT_MAX;
	}
	if (!ok) {
		char room[160];
		struct buf b = BUF_ON(room);
		buf_add_clean(&b, sv_head(value, 30));
		return err_set(err, "%s \"%s\": %s", exchange_name(column), buf_cstr(&b), hint(column));
	}
	schema_entry_set(entry, columns[column].name, kind == KIND_TIME ? sv_of(number) : value);
	return true;
}

/* ---- which one is stronger ---- */

/* For ever is later than any date. */
static bool later(int64_t until_s, int64_t than_s)
{
	return than_s != 0 && (until_s == 0 || until_s > than_s);
}

enum exchange_outcome exchange_weigh(const struct entry *is, const struct entry *wanted)
{
	if (is->status == STATUS_NONE)
		return EXCHANGE_NEW;
	if (is->status == wanted->status)
		return later(wanted->until_s, is->until_s) ? EXCHANGE_CHANGED : EXCHANGE_THERE;
	if (is->status == STATUS_ALLOW)
		return EXCHANGE_PROTECTED;
	if (wanted->status == STATUS_ALLOW)
		return status_protected(is->status) ? EXCHANGE_PROTECTED : EXCHANGE_CHANGED;
	if (wanted->status > is->status) /* in the order of enum status: soft, held, hard, complaint, manual */
		return EXCHANGE_CHANGED;
	return status_protected(is->status) ? EXCHANGE_PROTECTED : EXCHANGE_THERE;
}
