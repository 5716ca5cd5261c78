/* store-watch CONFIG: what an event loop sees of the store, for the tests. Says on standard output
 *     whole | lost                    store_watching(), when it is another
 *     changed KEY | everything        what store_watch() tells
 *     answer KEY RESULT MS STATUS     what came of "lookup KEY" on standard input, and after how long
 * and ends with standard input. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "log.h"
#include "store.h"

struct asked {
	int64_t since_ms;
	char key[256];
};

static void on_change(void *arg, struct sv key)
{
	(void)arg;
	if (key.n)
		printf("changed %.*s\n", SV_ARG(key));
	else
		printf("everything\n");
}

static void on_lookup(void *arg, enum store_result result, const struct entry *entry)
{
	static const char *const results[] = { [STORE_OK] = "ok", [STORE_ABSENT] = "absent", [STORE_REFUSED] = "refused",
		[STORE_UNREACHABLE] = "unreachable", [STORE_CONFLICT] = "conflict", [STORE_MOVED] = "moved" };
	struct asked *asked = arg;

	printf("answer %s %s %lld %s\n", asked->key, results[result], (long long)(clock_mono_ms() - asked->since_ms),
		result == STORE_OK ? status_name(entry->status) : "-");
	free(asked);
}

static void take_line(struct store *store, struct sv line)
{
	if (!sv_take(&line, SV("lookup ")))
		return;
	struct asked *asked = calloc(1, sizeof *asked);
	if (!asked)
		exit(1);
	asked->since_ms = clock_mono_ms();
	(void)snprintf(asked->key, sizeof asked->key, "%.*s", SV_ARG(line));
	store_lookup(store, sv_of(asked->key), on_lookup, asked);
}

/* False at the end of the input. */
static bool take_input(struct store *store)
{
	static char room[1 << 16];
	static size_t n;
	ssize_t got = read(0, room + n, sizeof room - n);

	if (got <= 0)
		return false;
	n += (size_t)got;
	struct sv rest = sv_make(room, n);
	while (sv_find(rest, '\n') < rest.n)
		take_line(store, sv_cut(&rest, '\n'));
	memmove(room, rest.p, rest.n);
	n = rest.n;
	return true;
}

static int lesser(int a_ms, int b_ms)
{
	return b_ms >= 0 && b_ms < a_ms ? b_ms : a_ms;
}

int main(int argc, char **argv)
{
	static struct config config;
	struct config_args args = { .path = argc > 1 ? argv[1] : NULL };
	struct err err;
	bool whole = false, more = true;

	log_open("store-watch", LOG_TARGET_STDERR, false);
	if (argc != 2 || !config_load(&args, &config, &err)) {
		log_fatal("%s", argc != 2 ? "usage: store-watch CONFIG" : err.text);
		return 1;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	struct store *store = store_redis(&config);
	store_set_timeout(store, config.policyd_deadline_ms);
	store_set_impatient(store);
	store_watch(store, on_change, NULL);
	while (more) {
		store_service(store, 0);
		if (store_watching(store) != whole)
			printf("%s\n", (whole = !whole) ? "whole" : "lost");
		struct pollfd p[] = { { 0, POLLIN, 0 }, { store_fd(store), store_events(store), 0 }, { store_watch_fd(store), POLLIN, 0 } };
		(void)poll(p, 3, lesser(lesser(50, store_timeout_ms(store)), store_watch_timeout_ms(store)));
		store_service(store, p[1].revents);
		if (p[2].revents || store_watch_timeout_ms(store) == 0)
			store_watch_service(store);
		if (p[0].revents)
			more = take_input(store);
	}
	store_free(store);
	return 0;
}
