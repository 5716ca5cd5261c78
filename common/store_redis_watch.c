/* Which entries change, as the servers tell it. */
#include "store_redis.h"

_Static_assert(STORE_SILENCE_MS == TRACKING_SILENCE_MS, "the same promise");

static void on_changed(void *arg, struct sv key)
{
	const struct redis_store *s = arg;

	s->changed(s->changed_arg, key);
}

/* Perhaps there are more partitions now, and every key is elsewhere. */
static void on_meta_changed(void *arg)
{
	struct redis_store *s = arg;

	on_changed(s, sv_make("", 0));
	s->meta_wanted = true;
	redis_ask_meta(s);
}

void redis_look(struct redis_store *s)
{
	if (s->tracking)
		tracking_look(s->tracking, s->store.partitions);
}

void store_watch(struct store *store, store_change_callback *callback, void *arg)
{
	struct redis_store *s = redis_of(store);
	const struct tracking_options options = { .servers = s->servers, .user = s->user, .password = s->password,
		.database = s->database, .tls = s->tls, .prefix = s->prefix, .changed = on_changed, .meta_changed = on_meta_changed, .arg = s };

	s->changed = callback;
	s->changed_arg = arg;
	if (!s->tracking)
		s->tracking = tracking_new(&options);
}

bool store_watching(const struct store *store)
{
	const struct redis_store *s = redis_of(store);

	return s->tracking && tracking_is_whole(s->tracking) && !s->meta_wanted;
}

int store_watch_fd(const struct store *store)
{
	return redis_of(store)->tracking ? tracking_fd(redis_of(store)->tracking) : -1;
}

int store_watch_timeout_ms(const struct store *store)
{
	return redis_of(store)->tracking ? tracking_timeout_ms(redis_of(store)->tracking) : -1;
}

void store_watch_service(struct store *store)
{
	if (redis_of(store)->tracking)
		tracking_service(redis_of(store)->tracking);
}
