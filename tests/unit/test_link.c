#include "test.h"

#include "link.h"

static struct link_table table;

static int tear_down(void **state)
{
	(void)state;
	link_free(&table);
	return 0;
}

static struct sv id(unsigned n)
{
	static char text[4][16];
	static unsigned turn;
	char *p = text[turn++ % 4];

	return sv_make(p, (size_t)snprintf(p, sizeof text[0], "Q%06u", n));
}

static struct link *find(unsigned n)
{
	return link_find(&table, SV("mail"), SV("postfix"), id(n));
}

static struct link *add(unsigned n)
{
	return link_add(&table, SV("mail"), SV("postfix"), id(n));
}

static void check_list(const struct link_list *list, bool removed, size_t *bytes)
{
	size_t n = 0, position = 0;
	const struct map_slot *slot;

	for (const struct link *l = list->newest; l; l = l->older) {
		WANT(l->older ? l->older->newer == l : list->oldest == l);
		WANT(l->removed == removed);
		WANT(l->room_n <= l->room_size);
		*bytes += sizeof *l + l->room_size + 2 * sizeof(struct map_slot);
		n++;
	}
	WANT_INT(n, list->n);
	n = 0;
	while ((slot = map_next(&table.map, &position)))
		n += ((struct link *)slot->value)->removed == removed;
	WANT_INT(n, list->n);
}

/* The lists, the map and the sum of bytes must agree. */
static void check_whole(void)
{
	size_t bytes = 0;

	check_list(&table.queued, false, &bytes);
	check_list(&table.removed, true, &bytes);
	WANT_INT(bytes, table.bytes);
}

static void a_message_is_host_instance_and_queue_id(void **state)
{
	(void)state;
	link_init(&table, 1 << 20);
	struct link *a = link_add(&table, SV("mail"), SV("postfix"), SV("4F5C6"));
	struct link *b = link_add(&table, SV("mail2"), SV("postfix"), SV("4F5C6"));
	struct link *c = link_add(&table, SV("mail"), SV("postfix-out"), SV("4F5C6"));
	struct link *d = link_add(&table, SV("mail"), SV("postfix"), SV("4f5c6")); /* long ids have a case */
	WANT(a != b && a != c && a != d && b != c && b != d && c != d);
	WANT(link_add(&table, SV("mail"), SV("postfix"), SV("4F5C6")) == a);
	WANT(link_find(&table, SV("mail"), SV("postfix-out"), SV("4F5C6")) == c);
	WANT(link_find(&table, SV("mail"), SV("postfix"), SV("4F5C7")) == NULL);
	WANT(link_find(&table, SV("mail "), SV("postfix"), SV("4F5C6")) == NULL);
	check_whole();
}

static void what_is_remembered(void **state)
{
	char text[LINK_STRING_MAX + 100];

	(void)state;
	link_init(&table, 1 << 20);
	struct link *l = add(1);
	WANT(!l->has_sender && l->sender.n == 0 && l->begun_s == 0);
	(void)strcpy(text, "anna@example.com");
	link_set(&table, l, LINK_SENDER, sv_of(text));
	memset(text, '#', sizeof text); /* the line is gone */
	link_set(&table, l, LINK_LOGIN, SV("anna"));
	link_set(&table, l, LINK_CLIENT, SV("h[192.0.2.1]"));
	link_set(&table, l, LINK_MESSAGE_ID, SV("<1@example.com>"));
	link_set(&table, l, LINK_CAMPAIGN, SV("spring"));
	WANT(l->has_sender);
	WANT_TEXT(l->sender, "anna@example.com");
	WANT_TEXT(l->login, "anna");
	WANT_TEXT(l->client, "h[192.0.2.1]");
	WANT_TEXT(l->message_id, "<1@example.com>");
	WANT_TEXT(l->campaign, "spring");
	check_whole();
	link_set(&table, l, LINK_SENDER, SV("")); /* the null sender is one */
	WANT(l->has_sender && l->sender.n == 0);
	struct link *null = add(2);
	link_set(&table, null, LINK_SENDER, SV(""));
	WANT(null->has_sender);
	link_set(&table, l, LINK_MESSAGE_ID, sv_make(text, sizeof text));
	WANT_INT(l->message_id.n, LINK_STRING_MAX);
	check_whole();
}

static void a_new_message_forgets_the_old_one(void **state)
{
	(void)state;
	link_init(&table, 1 << 20);
	struct link *l = link_begin(&table, SV("mail"), SV("postfix"), SV("4F5C6"), 1000);
	link_set(&table, l, LINK_SENDER, SV("anna@example.com"));
	l->deferred = true;
	l->recipients = 3;
	link_removed(&table, l);
	l = link_begin(&table, SV("mail"), SV("postfix"), SV("4F5C6"), 2000);
	WANT_INT(l->begun_s, 2000);
	WANT(!l->has_sender && l->sender.n == 0 && !l->deferred && !l->removed && l->recipients == 0);
	WANT_INT(table.map.n, 1);
	WANT_INT(table.evicted, 0);
	check_whole();
	WANT_INT(table.removed.n, 0);
}

static void memory_is_bounded(void **state)
{
	const size_t max = 64 * 1024;
	char text[LINK_STRING_MAX];
	unsigned n = 0;

	(void)state;
	memset(text, 'x', sizeof text);
	link_init(&table, max);
	while (table.evicted == 0) {
		struct link *l = add(n++);
		link_set(&table, l, LINK_SENDER, sv_make(text, sizeof text));
		link_set(&table, l, LINK_MESSAGE_ID, sv_make(text, n % sizeof text));
		WANT(table.bytes <= max);
		WANT(n < 1000);
	}
	WANT(n > 20);
	WANT(!find(0));
	WANT(find(1)); /* only what had to go, and now the newest */
	check_whole();
	for (unsigned i = 0; i < 5000; i++) {
		struct link *l = add(n++);
		link_set(&table, l, LINK_SENDER, sv_make(text, i % sizeof text));
		WANT(table.bytes <= max);
		WANT(find(n - 1) == l);
		WANT(i > 20 || find(1)); /* mentioned again and again: kept */
	}
	WANT_INT(table.evicted, n - table.map.n);
	check_whole();
}

static void who_left_the_queue_goes_first(void **state)
{
	(void)state;
	link_init(&table, 64 * 1024);
	for (unsigned i = 0; i < 20; i++)
		(void)add(i); /* never mentioned again */
	for (unsigned i = 20; i < 2000; i++)
		link_removed(&table, add(i));
	for (unsigned i = 0; i < 20; i++)
		WANT(find(i));
	WANT(table.removed.n > 20 && find(1999));
	WANT_INT(table.evicted, 0);
	check_whole();
}

static void values_may_change(void **state)
{
	char text[LINK_STRING_MAX];

	(void)state;
	link_init(&table, 1 << 20);
	struct link *l = add(1);
	for (unsigned i = 0; i < 10000; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof text);
		link_set(&table, l, (enum link_field)(i % 4), sv_make(text, (i * 37) % sizeof text));
		WANT(l->room_size <= 8 * LINK_STRING_MAX);
	}
	WANT_INT(l->message_id.n, (9999 * 37) % sizeof text);
	WANT_INT(l->client.n, (9998 * 37) % sizeof text);
	WANT(l->message_id.n && l->message_id.p[0] == 'a' + 9999 % 26);
	WANT(l->client.n && l->client.p[l->client.n - 1] == 'a' + 9998 % 26);
	check_whole();
}

static void one_message_always_fits(void **state)
{
	char text[LINK_STRING_MAX];

	(void)state;
	memset(text, 'x', sizeof text);
	link_init(&table, 1);
	struct link *a = add(1);
	link_set(&table, a, LINK_SENDER, sv_make(text, sizeof text));
	WANT_INT(a->sender.n, sizeof text);
	WANT_INT(table.map.n, 1);
	struct link *b = add(2);
	WANT(find(2) == b && !find(1));
	WANT_INT(table.evicted, 1);
	check_whole();
}

static void so_many_removed_ones_stay(void **state)
{
	(void)state;
	link_init(&table, (size_t)64 << 20);
	for (unsigned i = 0; i < LINK_REMOVED_MAX + 10; i++)
		link_removed(&table, add(i));
	WANT_INT(table.map.n, LINK_REMOVED_MAX);
	WANT(!find(9));
	WANT(find(10) && find(10)->removed);
	WANT_INT(table.evicted, 0); /* they had left the queue */
	check_whole();
	/* said twice is said once */
	link_removed(&table, find(10));
	link_removed(&table, find(10));
	WANT_INT(table.map.n, LINK_REMOVED_MAX);
	check_whole();
}

static void removed_ones_go_uncounted(void **state)
{
	(void)state;
	link_init(&table, 16 * 1024);
	for (unsigned i = 0; i < 1000; i++)
		link_removed(&table, add(i));
	WANT(table.bytes <= 16 * 1024);
	WANT_INT(table.evicted, 0);
	check_whole();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_message_is_host_instance_and_queue_id, tear_down),
		cmocka_unit_test_teardown(what_is_remembered, tear_down),
		cmocka_unit_test_teardown(a_new_message_forgets_the_old_one, tear_down),
		cmocka_unit_test_teardown(memory_is_bounded, tear_down),
		cmocka_unit_test_teardown(who_left_the_queue_goes_first, tear_down),
		cmocka_unit_test_teardown(values_may_change, tear_down),
		cmocka_unit_test_teardown(one_message_always_fits, tear_down),
		cmocka_unit_test_teardown(so_many_removed_ones_stay, tear_down),
		cmocka_unit_test_teardown(removed_ones_go_uncounted, tear_down),
	};

	return RUN(tests);
}
