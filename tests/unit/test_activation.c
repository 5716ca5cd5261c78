/* activation: what the three variables say. */
#include "test.h"

#include "activation.h"

#define PID 4711

static const struct {
	const char *name, *pid, *fds, *names;
	bool ok;
	size_t n;
	const char *first, *last; /* names; or first: a part of the error */
} rows[] = {
	{ "none", NULL, NULL, NULL, true, 0, NULL, NULL },
	{ "one", "4711", "1", "policy", true, 1, "policy", "policy" },
	{ "three", "4711", "3", "policy:maps:metrics", true, 3, "policy", "metrics" },
	{ "one name twice", "4711", "2", "policy:policy", true, 2, "policy", "policy" },
	{ "no names", "4711", "2", NULL, true, 2, "", "" },
	{ "fewer names", "4711", "2", "policy", true, 2, "policy", "" },
	{ "an empty name", "4711", "2", ":maps", true, 2, "", "maps" },
	{ "for another process", "4712", "1", "policy", true, 0, NULL, NULL },
	{ "for another process, whatever else there is", "4712", "x", "policy", true, 0, NULL, NULL },
	{ "no number of a process", "self", "1", "policy", false, 0, "LISTEN_PID", NULL },
	{ "empty", "", "1", "policy", false, 0, "LISTEN_PID", NULL },
	{ "no number", "4711", "one", "policy", false, 0, "LISTEN_FDS", NULL },
	{ "negative", "4711", "-1", "policy", false, 0, "LISTEN_FDS", NULL },
	{ "too many", "4711", "17", "policy", false, 0, "up to 16", NULL },
	{ "more names", "4711", "1", "policy:maps", false, 0, "more names", NULL },
	{ "no pid", NULL, "1", "policy", true, 0, NULL, NULL },
};

static void test_variables(void **state)
{
	(void)state;
	EACH(row, rows) {
		struct activation a = { .n = 99 };
		struct err err = { "" };
		WANT_INT(activation_parse(row->pid, row->fds, row->names, PID, &a, &err), row->ok);
		WANT_INT(a.n, row->n);
		if (!row->ok) {
			WANT_PART(err.text, row->first);
			continue;
		}
		for (size_t i = 0; i < a.n; i++)
			WANT_INT(a.v[i].fd, 3 + i);
		if (a.n) {
			WANT_STRING(a.v[0].name, row->first);
			WANT_STRING(a.v[a.n - 1].name, row->last);
		}
	}
}

static void test_long_name(void **state)
{
	char name[ACTIVATION_NAME_MAX + 1];
	struct activation a;
	struct err err;

	(void)state;
	memset(name, 'a', sizeof name);
	name[ACTIVATION_NAME_MAX] = '\0';
	WANT(!activation_parse("4711", "1", name, PID, &a, &err));
	WANT_INT(a.n, 0);
	name[ACTIVATION_NAME_MAX - 1] = '\0';
	WANT(activation_parse("4711", "1", name, PID, &a, &err));
	WANT_STRING(a.v[0].name, name);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_variables), cmocka_unit_test(test_long_name) };

	return RUN(tests);
}
