#include "test.h"

#include "schema.h"

static struct arena arena;

static int drop_arena(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void key_names(void **state)
{
	static const struct { const char *name; enum schema_key key; const char *of, *want; } table[] = {
		{ "address", KEY_ADDRESS, "user@example.com", "nixie:{0}:addr:user@example.com" },
		{ "window", KEY_WINDOW, "user@example.com", "nixie:{0}:win:user@example.com" },
		{ "history", KEY_HISTORY, "user@example.com", "nixie:{0}:hist:user@example.com" },
		{ "pending", KEY_PENDING, "h/p/Q", "nixie:{0}:pend:h/p/Q" },
		{ "position", KEY_POSITION, "h:/var/log/mail.log", "nixie:{0}:pos:h:/var/log/mail.log" },
		{ "day", KEY_DAY, "20261121", "nixie:{0}:day:20261121" },
		{ "days", KEY_DAYS, "", "nixie:{0}:days" },
		{ "journal", KEY_JOURNAL, "", "nixie:{0}:journal" },
		{ "suppressed", KEY_SUPPRESSED, "", "nixie:{0}:suppressed" },
		{ "until", KEY_UNTIL, "", "nixie:{0}:until" },
	};
	const struct schema schema = { "nixie", 0 }, far = { "another-prefix", 4294967295u };

	(void)state;
	EACH(row, table)
		WANT_TEXT(schema_key(&arena, &schema, row->key, sv_of(row->of)), row->want);
	WANT_TEXT(schema_key(&arena, &far, KEY_DAYS, SV("")), "another-prefix:{4294967295}:days");
	WANT_TEXT(schema_meta_key(&arena, "nixie"), "nixie:meta");
}

static void entries_of_keys(void **state)
{
	static const struct { const char *name, *key, *want; } table[] = {
		{ "address", "nixie:{0}:addr:user@example.com", "user@example.com" },
		{ "domain", "nixie:{1023}:domain:example.com", "@example.com" },
		{ "odd address", "nixie:{0}:addr:a}:addr:b@example.com", "a}:addr:b@example.com" },
		{ "another key", "nixie:{0}:win:user@example.com", "" },
		{ "another prefix", "mail:{0}:addr:user@example.com", "" },
		{ "a longer prefix", "nixie2:{0}:addr:user@example.com", "" },
		{ "meta", "nixie:meta", "" },
		{ "no partition", "nixie:{}:addr:user@example.com", "" },
		{ "no end of it", "nixie:{0:addr:user@example.com", "" },
		{ "no such partition", "nixie:{1024}:addr:user@example.com", "" },
		{ "nobody", "nixie:{0}:addr:", "" },
		{ "no domain", "nixie:{0}:domain:", "" },
		{ "nothing", "", "" },
	};

	(void)state;
	EACH(row, table)
		WANT_TEXT(schema_entry_of(&arena, "nixie", sv_of(row->key)), row->want);
}

/* Every key of an entry begins with one of them, and none of them with another. */
static void watched(void **state)
{
	struct sv prefixes[SCHEMA_WATCHED_MAX];

	(void)state;
	for (unsigned partitions = 1; partitions <= 64; partitions++) {
		size_t n = schema_watched(&arena, "nixie", partitions, prefixes);
		WANT(n >= 1 && n <= SCHEMA_WATCHED_MAX);
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				WANT_INT(sv_starts(prefixes[i], prefixes[j]), i == j);
		for (unsigned p = 0; p < partitions; p++) {
			const struct schema schema = { "nixie", p };
			const struct sv keys[] = { schema_entry_key(&arena, &schema, SV("user@example.com")),
				schema_entry_key(&arena, &schema, SV("@example.com")), schema_meta_key(&arena, "nixie") };
			for (size_t k = 0; k < COUNT(keys); k++) {
				size_t hits = 0;
				for (size_t i = 0; i < n; i++)
					hits += sv_starts(keys[k], prefixes[i]);
				WANT_INT(hits, 1);
			}
		}
	}
}

static void numbers(void **state)
{
	static const struct { const char *name; int64_t value; const char *want; } table[] = {
		{ "zero", 0, "0" }, { "one", 1, "1" }, { "minus one", -1, "-1" }, { "ten", 10, "10" },
		{ "largest", INT64_MAX, "9223372036854775807" }, { "smallest", INT64_MIN, "-9223372036854775808" },
	};

	(void)state;
	EACH(row, table)
		WANT_TEXT(schema_number(&arena, row->value), row->want);
}

/* ---- entries ---- */

static struct entry through_fields(const struct entry *e, size_t *n_r)
{
	struct sv v[2 * SCHEMA_ENTRY_FIELDS];
	struct entry back = { 0 };

	*n_r = schema_entry_fields(&arena, e, v);
	assert_true(*n_r <= SCHEMA_ENTRY_FIELDS);
	for (size_t i = *n_r; i-- > 0;) /* the order must not matter */
		schema_entry_set(&back, v[2 * i], v[2 * i + 1]);
	return back;
}

static void want_same_entry(const struct entry *got, const struct entry *want)
{
	WANT_INT(got->status, want->status);
	WANT_INT(got->reason, want->reason);
	WANT_INT(got->origin, want->origin);
	WANT_INT(got->code, want->code);
	WANT(memcmp(&got->enhanced, &want->enhanced, sizeof got->enhanced) == 0);
	WANT_INT(got->first_s, want->first_s);
	WANT_INT(got->last_s, want->last_s);
	WANT_INT(got->since_s, want->since_s);
	WANT_INT(got->until_s, want->until_s);
	WANT_INT(got->count, want->count);
	WANT_INT(got->term, want->term);
	WANT_INT(got->revision, want->revision);
	WANT_SV(got->rule, want->rule);
	WANT_SV(got->text, want->text);
	WANT_SV(got->remote, want->remote);
	WANT_SV(got->by, want->by);
	WANT_SV(got->batch, want->batch);
	WANT_SV(got->token, want->token);
}

static void every_field_comes_back(void **state)
{
	const struct entry full = { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .origin = ORIGIN_IMPORT,
		.code = 552, .enhanced = { 5, 2, 2 }, .first_s = 1, .last_s = 2, .since_s = 3, .until_s = 4, .count = 5,
		.term = 6, .revision = 7, .rule = SV("a.rule"), .text = SV("552 5.2.2 full\r\n=\xff"), .remote = SV("mx.example.com"),
		.by = SV("anna"), .batch = SV("b1"), .token = SV("1-0") };
	const struct entry least = { .status = STATUS_MANUAL, .origin = ORIGIN_MANUAL };
	size_t n;

	(void)state;
	struct entry back = through_fields(&full, &n);
	want_same_entry(&back, &full);
	WANT_INT(n, 18);
	back = through_fields(&least, &n);
	want_same_entry(&back, &least);
	WANT_INT(n, 3); /* absent ones are not written */
}

static void every_word_comes_back(void **state)
{
	size_t n;

	(void)state;
	for (int i = 0; i <= STATUS_ALLOW; i++) {
		struct entry e = { .status = (enum status)i }, back = through_fields(&e, &n);
		WANT_INT(back.status, i);
	}
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		struct entry e = { .status = STATUS_SOFT, .reason = (enum category)i }, back = through_fields(&e, &n);
		WANT_INT(back.reason, i);
	}
	for (int i = 0; i <= ORIGIN_API; i++) {
		struct entry e = { .status = STATUS_SOFT, .origin = (enum origin)i }, back = through_fields(&e, &n);
		WANT_INT(back.origin, i);
	}
}

static void what_is_unknown_is_left_alone(void **state)
{
	static const struct { const char *name, *field, *value; } table[] = {
		{ "field of a newer program", "scope", "x" },
		{ "status of a newer program", "status", "throttled" },
		{ "category of a newer program", "reason", "weather" },
		{ "origin of a newer program", "origin", "dream" },
		{ "damaged status", "enhanced", "5.2" },
		{ "nothing", "", "" },
	};

	(void)state;
	EACH(row, table) {
		struct entry e = { .status = STATUS_HARD, .reason = CATEGORY_RECIPIENT_MOVED, .origin = ORIGIN_API, .enhanced = { 5, 1, 6 } };
		const struct entry want = e;
		schema_entry_set(&e, sv_of(row->field), sv_of(row->value));
		want_same_entry(&e, &want);
	}
	struct entry e = { .count = 3 };
	schema_entry_set(&e, SV("count"), SV("three"));
	WANT_INT(e.count, 0);
	schema_entry_set(&e, SV("last"), SV("9223372036854775808")); /* one more than fits */
	WANT_INT(e.last_s, 0);
}

/* ---- occurrences ---- */

static void window_members(void **state)
{
	static const struct { const char *name; struct occurrence o; const char *want; } table[] = {
		{ "usual", { CATEGORY_MAILBOX_FULL, { "full.rule", 9 }, { "host/postfix/4F5C64474F/1795252321", 34 }, 1795252300, 1795252400 },
		  "mailbox.full|full.rule|host/postfix/4F5C64474F/1795252321|1795252300" },
		{ "no rule", { CATEGORY_OTHER, { "", 0 }, { "h/p/Q/1", 7 }, 0, 9 }, "other||h/p/Q/1|0" },
	};

	(void)state;
	EACH(row, table) {
		struct occurrence back;
		struct sv member = schema_window_member(&arena, &row->o);
		WANT_TEXT(member, row->want);
		WANT(schema_window_parse(member, row->o.last_s, &back));
		WANT_INT(back.category, row->o.category);
		WANT_SV(back.rule, row->o.rule);
		WANT_SV(back.message, row->o.message);
		WANT_INT(back.first_s, row->o.first_s);
		WANT_INT(back.last_s, row->o.last_s);
	}
}

static void window_members_that_are_none(void **state)
{
	static const struct { const char *name, *text; } table[] = {
		{ "nothing", "" }, { "unknown category", "weather|r|m|1" }, { "category alone", "other" },
		{ "no message", "other|r||1" },
	};

	(void)state;
	EACH(row, table) {
		struct occurrence o;
		WANT(!schema_window_parse(sv_of(row->text), 1, &o));
	}
}

/* ---- partitions ---- */

static void partitions(void **state)
{
	static const struct { const char *name, *key; unsigned of, want; } table[] = {
		{ "one", "user@example.com", 1, 0 },
		/* python3 -c 'import zlib; print(zlib.crc32(b"user@example.com") % 64)' */
		{ "an address", "user@example.com", 64, 33 },
		{ "a domain", "@example.com", 64, 10 },
		{ "the check value of CRC-32", "123456789", 1000, 0xcbf43926 % 1000 },
		{ "nothing", "", 1024, 0 },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(schema_partition(sv_of(row->key), row->of), row->want);
}

static void sets_of_partitions(void **state)
{
	static const unsigned numbers[] = { 1, 2, 3, 7, 16, 64, 65, 100, 128, 1024 };
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		unsigned n = numbers[i], left_out = 0;
		for (int a = 0; a < 500; a++) {
			(void)snprintf(name, sizeof name, "user%d@example.com", a);
			uint64_t set = schema_partition_bit(sv_of(name));
			WANT(schema_partition_may_have(set, schema_partition(sv_of(name), n), n)); /* never left out */
			for (unsigned p = 0; p < n; p++)
				left_out += !schema_partition_may_have(set, p, n);
		}
		/* and most others are, where the numbers allow it */
		WANT_INT(left_out, n % 64 == 0 ? 500 * (n - n / 64) : 64 % n == 0 ? 500 * (n - 1) : 0);
	}
}

/* ---- tokens ---- */

static void tokens(void **state)
{
	static const struct { const char *name, *id, *want; } table[] = {
		{ "zero", "0-0", "0" },
		{ "an event of today", "1795252321000-0", "1M7YP0YQ8" },
		{ "second of its millisecond", "1795252321000-1", "1M7YP0YQ8-1" },
		{ "thirty-third", "32-32", "10-10" },
		{ "the alphabet has no I, L, O, U", "1107-0", "12K" },
	};

	(void)state;
	EACH(row, table) {
		char token[SCHEMA_TOKEN_MAX], id[SCHEMA_ID_MAX];
		schema_token_encode(sv_of(row->id), token);
		WANT_STRING(token, row->want);
		WANT(schema_token_decode(sv_of(token), id));
		WANT_STRING(id, row->id);
	}
}

static void tokens_read_out_on_the_phone(void **state)
{
	static const struct { const char *name, *token; bool want_ok; const char *want; } table[] = {
		{ "small letters", "1m7yp0yq8-1", true, "1795252321000-1" },
		{ "O for 0, I and l for 1", "IO-lo", true, "32-32" },
		{ "U is none", "U", false, "" },
		{ "a sign", "A!", false, "" },
		{ "nothing", "", false, "" },
		{ "too long", "1234567890ABC", false, "" },
		{ "another partition", "1m7yp0yq8-1-1z", true, "1795252321000-1-63" },
		{ "no such partition", "1-2-ZZZ", false, "" },
		{ "four parts", "1-2-3-4", false, "" },
		{ "blank", "1 2", false, "" },
		{ "behind z", "{", false, "" },
		{ "not ASCII", "\xc3\xa9", false, "" },
	};

	(void)state;
	EACH(row, table) {
		char id[SCHEMA_ID_MAX] = "";
		WANT_INT(schema_token_decode(sv_of(row->token), id), row->want_ok);
		WANT_STRING(id, row->want);
	}
	char id[SCHEMA_ID_MAX];
	WANT(!schema_token_decode(sv_make("1\0002", 3), id));
}

static void ids_that_are_none(void **state)
{
	static const struct { const char *name, *id; } table[] = {
		{ "nothing", "" }, { "no sequence", "1795252321000" }, { "no number", "a-0" }, { "empty sequence", "1-" },
		{ "too large", "576460752303423488-0" }, { "a sign", "-1-0" },
	};

	(void)state;
	EACH(row, table) {
		char token[SCHEMA_TOKEN_MAX] = "x";
		schema_token_encode(sv_of(row->id), token);
		WANT_STRING(token, "");
	}
	/* the largest there is has room, and comes back */
	char token[SCHEMA_TOKEN_MAX], id[SCHEMA_ID_MAX];
	schema_token_encode(SV("576460752303423487-576460752303423487"), token);
	WANT_STRING(token, "FZZZZZZZZZZZ-FZZZZZZZZZZZ");
	WANT(schema_token_decode(sv_of(token), id));
	WANT_STRING(id, "576460752303423487-576460752303423487");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(key_names, drop_arena),
		cmocka_unit_test_teardown(entries_of_keys, drop_arena),
		cmocka_unit_test_teardown(watched, drop_arena),
		cmocka_unit_test_teardown(numbers, drop_arena),
		cmocka_unit_test_teardown(every_field_comes_back, drop_arena),
		cmocka_unit_test_teardown(every_word_comes_back, drop_arena),
		cmocka_unit_test(what_is_unknown_is_left_alone),
		cmocka_unit_test_teardown(window_members, drop_arena),
		cmocka_unit_test(window_members_that_are_none),
		cmocka_unit_test(partitions),
		cmocka_unit_test(sets_of_partitions),
		cmocka_unit_test(tokens),
		cmocka_unit_test(tokens_read_out_on_the_phone),
		cmocka_unit_test(ids_that_are_none),
	};

	return RUN(tests);
}
