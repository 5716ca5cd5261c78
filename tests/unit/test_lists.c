#include "test.h"

#include "arena.h"
#include "exchange.h"
#include "lists.h"
#include "sha256.h"

static void hashes(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "nothing", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ "a whole block and more", "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
			"cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
	};

	(void)state;
	EACH(row, table) {
		char text[SHA256_TEXT_MAX];
		sha256_text(sv_of(row->text), text);
		WANT_STRING(text, row->want);
	}
}

static void times(void **state)
{
	static const struct { const char *name, *text, *want; } table[] = {
		{ "seconds", "1586552585", "2020-04-10T21:03:05Z" },
		{ "with a fraction", "1586552585.077", "2020-04-10T21:03:05Z" },
		{ "RFC 3339", "2020-04-10T21:03:05.077+02:00", "2020-04-10T19:03:05Z" },
		{ "no zone", "2020-04-10 21:03:05", "2020-04-10T21:03:05Z" },
		{ "a day", "2020-04-10", "2020-04-10T00:00:00Z" },
		{ "RFC 5322", "Fri, 21 Oct 2011 11:02:55 UTC", "2011-10-21T11:02:55Z" },
		{ "with a zone", "Fri, 21 Oct 2011 11:02:55 -0230", "2011-10-21T13:32:55Z" },
		{ "no week day", "1 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z" },
	};
	static const char *const none[] = { "", "yesterday", "10/04/2020", "Fri, 32 Oct 2011 11:02:55 UTC", "31 Feb 2011 11:02:55 UTC", "2020-13-40", "-5" };
	int64_t time_s;

	(void)state;
	EACH(row, table) {
		WANT(list_time(sv_of(row->text), &time_s));
		WANT_INT(time_s, at(row->want));
	}
	for (size_t i = 0; i < COUNT(none); i++)
		WANT(!list_time(sv_of(none[i]), &time_s));
}

static void strength(void **state)
{
	static const struct { const char *name; enum status is; int64_t until; enum status wanted; int64_t wanted_until; enum exchange_outcome want; } table[] = {
		{ "unknown", STATUS_NONE, 0, STATUS_HARD, 0, EXCHANGE_NEW },
		{ "soft becomes hard", STATUS_SOFT, 0, STATUS_HARD, 0, EXCHANGE_CHANGED },
		{ "held becomes hard", STATUS_HELD, 9, STATUS_HARD, 0, EXCHANGE_CHANGED },
		{ "hard is hard", STATUS_HARD, 0, STATUS_HARD, 0, EXCHANGE_THERE },
		{ "hard stays for ever", STATUS_HARD, 0, STATUS_HARD, 9, EXCHANGE_THERE },
		{ "a longer term", STATUS_HELD, 5, STATUS_HELD, 9, EXCHANGE_CHANGED },
		{ "a shorter term", STATUS_HELD, 9, STATUS_HELD, 5, EXCHANGE_THERE },
		{ "for ever", STATUS_HARD, 5, STATUS_HARD, 0, EXCHANGE_CHANGED },
		{ "hard does not become held", STATUS_HARD, 0, STATUS_HELD, 9, EXCHANGE_THERE },
		{ "nor soft", STATUS_HARD, 0, STATUS_SOFT, 0, EXCHANGE_THERE },
		{ "hard becomes a complaint", STATUS_HARD, 0, STATUS_COMPLAINT, 0, EXCHANGE_CHANGED },
		{ "a complaint becomes do-not-mail", STATUS_COMPLAINT, 0, STATUS_MANUAL, 0, EXCHANGE_CHANGED },
		{ "and not the other way", STATUS_MANUAL, 0, STATUS_COMPLAINT, 0, EXCHANGE_PROTECTED },
		{ "a complaint does not become hard", STATUS_COMPLAINT, 0, STATUS_HARD, 0, EXCHANGE_PROTECTED },
		{ "allowed stays so", STATUS_ALLOW, 0, STATUS_HARD, 0, EXCHANGE_PROTECTED },
		{ "also from do-not-mail", STATUS_ALLOW, 0, STATUS_MANUAL, 0, EXCHANGE_PROTECTED },
		{ "allowed is allowed", STATUS_ALLOW, 0, STATUS_ALLOW, 0, EXCHANGE_THERE },
		{ "hard becomes allowed", STATUS_HARD, 0, STATUS_ALLOW, 0, EXCHANGE_CHANGED },
		{ "do-not-mail does not", STATUS_MANUAL, 0, STATUS_ALLOW, 0, EXCHANGE_PROTECTED },
	};

	(void)state;
	EACH(row, table) {
		const struct entry is = { .status = row->is, .until_s = row->until }, wanted = { .status = row->wanted, .until_s = row->wanted_until };
		WANT_INT(exchange_weigh(&is, &wanted), row->want);
	}
}

static void every_column_comes_back(void **state)
{
	struct arena arena = { 0 };
	const struct entry e = { .status = STATUS_HELD, .reason = CATEGORY_MAILBOX_FULL, .origin = ORIGIN_DSN, .code = 552, .enhanced = { 5, 2, 2 }, .first_s = 1,
		.last_s = 2, .since_s = 3, .until_s = 4, .count = 5, .term = 6, .parole_s = 7, .rule = SV("r"), .text = SV("a \"b\", c\r\n\xc3\xbc"), .remote = SV("mx"),
		.by = SV("me"), .batch = SV("b"), .parole_by = SV("q"), .scopes = SV("sender:shop.example=manual,1,0 login:a%20b=complaint,2,3") };
	struct sv row[EXCHANGE_COLUMNS], again[EXCHANGE_COLUMNS];
	struct entry back = { .status = STATUS_NONE };
	struct err err;

	(void)state;
	exchange_row(&arena, SV("u@a.example"), &e, row);
	for (int i = EXCHANGE_STATUS; i < EXCHANGE_COLUMNS; i++) {
		WANT(row[i].n > 0);
		WANT(exchange_set(&back, (enum exchange_column)i, row[i], &err));
	}
	exchange_row(&arena, SV("u@a.example"), &back, again);
	for (int i = 0; i < EXCHANGE_COLUMNS; i++)
		WANT_SV(again[i], row[i]);
	arena_free(&arena);
}

/* Nothing is said of it for all: no category, and nobody who told. */
static void what_has_only_scopes(void **state)
{
	struct arena arena = { 0 };
	const struct entry e = { .status = STATUS_NONE, .scopes = SV("sender:shop.example=manual,1,0 login:a%20b=complaint,2,3") };
	struct sv row[EXCHANGE_COLUMNS];
	struct entry back = { .status = STATUS_NONE };
	struct err err;

	(void)state;
	exchange_row(&arena, SV("u@a.example"), &e, row);
	for (int i = 0; i < EXCHANGE_COLUMNS; i++) {
		bool told = i == EXCHANGE_ADDRESS || i == EXCHANGE_STATUS || i == EXCHANGE_SCOPES;
		WANT(told == (row[i].n > 0));
		WANT(i == EXCHANGE_ADDRESS || exchange_set(&back, (enum exchange_column)i, row[i], &err));
	}
	WANT_TEXT(row[EXCHANGE_STATUS], "none");
	WANT_INT(back.status, STATUS_NONE);
	WANT_SV(back.scopes, e.scopes);
	arena_free(&arena);
}

static void no_such_values(void **state)
{
	static const struct { const char *name; enum exchange_column column; const char *value, *want; } table[] = {
		{ "a status", EXCHANGE_STATUS, "dead", "status \"dead\": write soft, held" },
		{ "a category", EXCHANGE_REASON, "gone", "reason \"gone\"" },
		{ "a time", EXCHANGE_SINCE, "2026-11-21", "write a time as" },
		{ "a time before 1970", EXCHANGE_SINCE, "1960-11-21T00:00:00Z", "write a time as" },
		{ "a number", EXCHANGE_COUNT, "-1", "write a number" },
		{ "a code", EXCHANGE_CODE, "5550", "write a number" },
		{ "scopes", EXCHANGE_SCOPES, "sender:a=manual,1,0 x", "nixie-redis(7)" },
		{ "controls", EXCHANGE_STATUS, "\033[31m", "status \"\\x1b[31m\"" },
	};

	(void)state;
	EACH(row, table) {
		struct entry e = { .status = STATUS_NONE };
		struct err err;
		WANT(!exchange_set(&e, row->column, sv_of(row->value), &err));
		WANT_PART(err.text, row->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(hashes), cmocka_unit_test(times), cmocka_unit_test(strength),
		cmocka_unit_test(every_column_comes_back), cmocka_unit_test(what_has_only_scopes), cmocka_unit_test(no_such_values) };

	return RUN(tests);
}
