/* scope: what holds for some senders only. */
#include "test.h"

#include "scope.h"

static void of_the_command_line(void **state)
{
	static const struct { const char *name; bool want; enum scope_kind kind; const char *value; } table[] = {
		{ "sender:Shop.Example", true, SCOPE_SENDER, "shop.example" },
		{ "login:News", true, SCOPE_LOGIN, "News" },
		{ "context:a b=c%", true, SCOPE_CONTEXT, "a b=c%" },
		{ "login:a:b", true, SCOPE_LOGIN, "a:b" },
		{ "sender:a@shop.example", false, SCOPE_SENDER, "" },
		{ "sender:", false, SCOPE_SENDER, "" },
		{ "sender", false, SCOPE_SENDER, "" },
		{ "from:shop.example", false, SCOPE_SENDER, "" },
		{ "", false, SCOPE_SENDER, "" },
	};

	(void)state;
	EACH(row, table) {
		struct scope s;
		WANT_INT(scope_parse(sv_of(row->name), &s), row->want);
		if (row->want) {
			WANT_INT(s.kind, row->kind);
			WANT_STRING(s.value, row->value);
		}
	}
	test_row = "";
}

static struct sv put(struct arena *arena, struct sv packed, const char *text, enum status status, int64_t since_s, int64_t until_s)
{
	struct scope s;
	struct sv out = SV("untouched");

	WANT(scope_parse(sv_of(text), &s));
	s.status = status;
	s.since_s = since_s;
	s.until_s = until_s;
	WANT(scopes_put(arena, packed, &s, &out));
	return out;
}

static void packed_and_unpacked(void **state)
{
	struct arena arena = { 0 };
	struct sv p = SV("");
	struct scope s;

	(void)state;
	p = put(&arena, p, "sender:shop.example", STATUS_MANUAL, 100, 0);
	p = put(&arena, p, "login:a b=%\xc3\xa9", STATUS_COMPLAINT, 200, 300);
	WANT_TEXT(p, "sender:shop.example=manual,100,0 login:a%20b%3D%25%C3%A9=complaint,200,300");
	struct sv rest = p;
	WANT(scopes_next(&rest, &s));
	WANT(scopes_next(&rest, &s));
	WANT_STRING(s.value, "a b=%\xc3\xa9");
	WANT_INT(s.status, STATUS_COMPLAINT);
	WANT_INT(s.until_s, 300);
	WANT(!scopes_next(&rest, &s));
	const struct scope wanted = { .kind = SCOPE_LOGIN, .value = "a b=%\xc3\xa9" }, absent = { .kind = SCOPE_CONTEXT, .value = "shop.example", .since_s = 5 };
	WANT(scopes_find(p, &wanted, &s));
	WANT_INT(s.status, STATUS_COMPLAINT);
	WANT(!scopes_find(p, &absent, &s));
	WANT_INT(s.status, STATUS_NONE);
	WANT_STRING(s.value, "shop.example");
	/* again: in its place; and taken away */
	p = put(&arena, p, "sender:SHOP.example", STATUS_MANUAL, 150, 0);
	WANT_TEXT(p, "login:a%20b%3D%25%C3%A9=complaint,200,300 sender:shop.example=manual,150,0");
	p = put(&arena, p, "login:a b=%\xc3\xa9", STATUS_NONE, 0, 0);
	WANT_TEXT(p, "sender:shop.example=manual,150,0");
	p = put(&arena, p, "sender:shop.example", STATUS_NONE, 0, 0);
	WANT_TEXT(p, "");
	arena_free(&arena);
}

static void as_many_as_there_may_be(void **state)
{
	struct arena arena = { 0 };
	struct sv p = SV(""), unused;
	struct scope s;
	char text[64];

	(void)state;
	for (int i = 0; i < SCOPES_MAX; i++) {
		(void)snprintf(text, sizeof text, "login:l%d", i);
		p = put(&arena, p, text, STATUS_MANUAL, 1, 0);
	}
	WANT(scope_parse(SV("login:more"), &s));
	WANT(!scopes_put(&arena, p, &s, &unused));
	p = put(&arena, p, "login:l3", STATUS_MANUAL, 2, 0); /* one that is there */
	arena_free(&arena);
}

static void what_is_damaged_is_passed_over(void **state)
{
	static const char *const damaged[] = { "", " ", "x", "sender:a", "sender:a=manual", "sender:a=manual,1", "sender:a=manual,x,0",
		"sender:a=soft,1,0", "from:a=manual,1,0", "sender:%4=manual,1,0", "sender:%zz=manual,1,0", "sender:%00=manual,1,0", "sender:=manual,1,0" };

	(void)state;
	for (size_t i = 0; i < COUNT(damaged); i++) {
		char text[200];
		struct scope s;
		(void)snprintf(text, sizeof text, "%s sender:good.example=manual,5,0 %s", damaged[i], damaged[i]);
		struct sv rest = sv_of(text);
		test_row = damaged[i];
		WANT(scopes_next(&rest, &s));
		WANT_STRING(s.value, "good.example");
		WANT(!scopes_next(&rest, &s));
	}
	test_row = "";
}

static void whom_it_is_about(void **state)
{
	static const char packed[] = "sender:shop.example=manual,1,0 login:News=complaint,1,1000 context:c=manual,1,0";
	static const struct { const char *name, *address, *login, *context; int64_t now_s; bool want; } table[] = {
		{ "sender's domain", "a@shop.example", "", "", 5, true },
		{ "in other letters", "a@SHOP.Example", "", "", 5, true },
		{ "a quoted at", "\"a@b\"@shop.example", "", "", 5, true },
		{ "the domain alone", "shop.example", "", "", 5, true },
		{ "below it", "a@x.shop.example", "", "", 5, false },
		{ "another", "a@other.example", "", "", 5, false },
		{ "nobody", "", "", "", 5, false },
		{ "login", "", "News", "", 5, true },
		{ "login in other letters", "", "news", "", 5, false },
		{ "login, its last second", "", "News", "", 999, true },
		{ "login, over", "", "News", "", 1000, false },
		{ "context", "x@y", "z", "c", 5, true },
	};

	(void)state;
	EACH(row, table) {
		const struct sender sender = { .address = sv_of(row->address), .login = sv_of(row->login), .context = sv_of(row->context) };
		struct scope s;
		WANT_INT(scopes_suppress(sv_of(packed), &sender, row->now_s, &s), row->want);
	}
}

static void the_newest(void **state)
{
	static const struct { const char *name, *packed; int64_t want; } table[] = {
		{ "none", "", 0 },
		{ "one", "sender:a=manual,7,0", 7 },
		{ "in the middle", "sender:a=manual,7,0 login:b=complaint,1790000000,1790000001 context:c=manual,8,0", 1790000000 },
		{ "beside a damaged one", "sender:a=manual,7,0 login:b=complaint,x,0", 7 },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(scopes_newest(sv_of(row->packed)), row->want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_command_line),
		cmocka_unit_test(packed_and_unpacked),
		cmocka_unit_test(as_many_as_there_may_be),
		cmocka_unit_test(what_is_damaged_is_passed_over),
		cmocka_unit_test(whom_it_is_about),
		cmocka_unit_test(the_newest),
	};

	return RUN(tests);
}
