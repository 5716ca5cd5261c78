/* A list of any kind: every record lies within its bounds, and every format makes an entry or a reason of it. */
#include "fuzz.h"

#include "arena.h"
#include "exchange.h"
#include "lists.h"
#include "rows.h"

FUZZ_LIBCONFIG_LEAKS

static const char rules[] =
	"rules = ( { id = \"gone\"; category = \"recipient.unknown\"; text = [ \"user unknown\" ]; match = [ \"550 user unknown\" ]; } );";

static void take_all(const struct rows *rows, struct list *list)
{
	struct arena arena = { 0 };
	struct sv address, row[EXCHANGE_COLUMNS];
	struct entry entry;
	struct err err = { "" };

	for (int f = 0; f < LIST_FORMATS; f++) {
		list->format = (enum list_format)f;
		enum list_result result = list_take(list, rows, &address, &entry, &err);
		MUST(result != LIST_BAD || err.text[0]);
		if (result != LIST_ENTRY)
			continue;
		MUST(address.n > 0 && entry.since_s <= STATE_TIME_MAX_S && entry.since_s >= 0);
		MUST(f == LIST_NIXIE || (entry.text.n <= STATE_TEXT_MAX && entry.status != STATUS_NONE && entry.origin == ORIGIN_IMPORT));
		exchange_row(&arena, address, &entry, row);
		for (int i = EXCHANGE_STATUS; i < EXCHANGE_COLUMNS; i++)
			MUST(exchange_set(&entry, (enum exchange_column)i, row[i], &err));
	}
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rows rows;
	static struct list list = { .plain = STATUS_MANUAL, .by = { "me", 2 }, .now_s = 1800000000 };
	struct err err = { "" };
	enum rows_result result;
	enum list_format format;
	uint64_t line = 0;

	if (!list.rules && !(list.rules = ruleset_parse("fuzz", rules, &err)))
		abort();
	FILE *from = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	if (!from)
		return 0;
	if (!rows_open(&rows, from, &err)) {
		MUST(err.text[0]);
		(void)fclose(from);
		return 0;
	}
	while ((result = rows_next(&rows, &err)) != ROWS_END) {
		MUST(rows.bytes <= size && rows.record_line >= 1 && rows.record_line <= rows.line);
		MUST(result == ROWS_BAD || rows.n <= ROWS_FIELDS_MAX);
		MUST(line <= rows.line);
		line = rows.line;
		if (result == ROWS_BAD)
			continue;
		for (size_t i = 0; i < rows.n; i++)
			MUST(fuzz_inside(rows.values[i], sv_make(rows.store, sizeof rows.store)));
		MUST(list_recognise(&rows, &format, &err) || err.text[0]);
		take_all(&rows, &list);
	}
	(void)fclose(from);
	return 0;
}
