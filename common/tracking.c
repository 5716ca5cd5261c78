#include "tracking.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "log.h"
#include "schema.h"

#define EVENTS_MAX 64
#define CHANNEL SV("__redis__:invalidate")

/* A connection to one of them. */
struct master {
	struct tracking *tracking;
	char *address;
	struct redis *redis;  /* NULL: it refused, and is asked again at again_ms */
	bool subscribed, refused;
	bool pinged;          /* and has not answered yet */
	bool present;         /* among those that the servers name */
	int64_t again_ms;     /* the next PING, or the next try */
	int64_t asked_ms;     /* of the question under way */
	int64_t heard_ms;     /* when the last one was asked that was answered: up to then all was told */
};

struct tracking {
	struct tracking_options options;
	int epoll;
	struct master **masters;
	size_t n, size;
	unsigned partitions, epoch;  /* that the connections were made for */
	bool whole;                  /* all have subscribed */
	bool silent;                 /* but not all were heard of lately */
	int64_t heard_ms;            /* the least of all */
	int64_t lost_ms;             /* since when it is not whole, although the servers are there */
	int64_t look_ms;             /* when a cluster is asked for its map */
	bool told;                   /* the log has it that it is not whole */
	bool in_service;
	char problem[512];
	struct arena scratch;
};

/* ---- what is told ---- */

static void everything(struct tracking *t)
{
	t->options.changed(t->options.arg, sv_make("", 0));
}

static void lose(struct tracking *t)
{
	t->whole = false;
	everything(t);
}

static void on_key(struct tracking *t, struct sv redis_key)
{
	struct sv key = schema_entry_of(&t->scratch, t->options.prefix, redis_key);

	if (key.n)
		t->options.changed(t->options.arg, key);
	else if (sv_eq(redis_key, schema_meta_key(&t->scratch, t->options.prefix)))
		t->options.meta_changed(t->options.arg);
	arena_reset(&t->scratch);
}

/* {"message", the channel, keys}; without keys the server has been emptied. */
static void on_message(void *arg, const struct value *v)
{
	const struct master *m = arg;
	const struct value *keys;

	if (value_count(v) != 3 || !sv_eq(value_text(value_at(v, 1)), CHANNEL))
		return;
	keys = value_at(v, 2);
	if (value_type(keys) != VALUE_LIST)
		everything(m->tracking);
	for (size_t i = 0; i < value_count(keys); i++)
		on_key(m->tracking, value_text(value_at(keys, i)));
}

/* ---- is all told? ---- */

static void note_heard(struct tracking *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (i == 0 || t->masters[i]->heard_ms < t->heard_ms)
			t->heard_ms = t->masters[i]->heard_ms;
	t->silent = false;
}

/* Whoever serves us was away for too long himself: of what was told meanwhile, only a part may have been read. */
static void note_silence(struct tracking *t, int64_t now_ms)
{
	if (!t->whole || t->silent || now_ms - t->heard_ms <= TRACKING_SILENCE_MS)
		return;
	t->silent = true;
	everything(t);
}

static void become_whole(struct tracking *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->masters[i]->subscribed)
			return;
	if (t->whole || t->n == 0)
		return;
	t->whole = true;
	note_heard(t);
	everything(t); /* also what was asked before, and is not answered yet */
	if (t->told)
		log_info("Redis tells again what changes; answers are remembered");
	t->told = false;
}

bool tracking_is_whole(const struct tracking *t)
{
	return t->whole && clock_mono_ms() - t->heard_ms <= TRACKING_SILENCE_MS;
}

/* ---- subscribing ---- */

static bool ask(struct master *m, size_t argc, const struct sv *argv, redis_callback *callback)
{
	m->asked_ms = clock_mono_ms();
	return redis_command(m->redis, argc, argv, callback, m);
}

/* An old server, or the user may not. */
static void on_refused(struct master *m, struct sv error)
{
	struct tracking *t = m->tracking;

	redis_reject(m->redis, "%.*s", SV_ARG(error));
	if (sv_starts(error, SV("NOAUTH"))) /* who asks for data tells it already */
		return;
	m->refused = true;
	if (!t->told)
		log_warning("Redis at %s does not tell what changes (%.*s): answers are not remembered, each question goes to Redis; "
			"it takes Redis 6 or later, and for an ACL user +client|id +client|tracking +subscribe +ping &__redis__:invalidate",
			m->address, SV_ARG(error));
	t->told = true;
}

static bool is_good(struct master *m, const struct value *reply)
{
	if (reply && value_type(reply) == VALUE_ERROR)
		on_refused(m, value_text(reply));
	return reply && value_type(reply) != VALUE_ERROR;
}

static void on_subscribed(void *arg, const struct value *reply)
{
	struct master *m = arg;

	if (!is_good(m, reply))
		return;
	redis_ready_now(m->redis);
	m->subscribed = true;
	m->pinged = false;
	m->heard_ms = m->asked_ms;
	m->again_ms = m->asked_ms + TRACKING_PING_MS;
	become_whole(m->tracking);
}

static void on_tracking(void *arg, const struct value *reply)
{
	static const struct sv argv[] = { { "SUBSCRIBE", 9 }, { "__redis__:invalidate", 20 } };
	struct master *m = arg;

	if (is_good(m, reply))
		(void)ask(m, 2, argv, on_subscribed);
}

static void on_id(void *arg, const struct value *reply)
{
	struct master *m = arg;
	struct tracking *t = m->tracking;
	struct sv argv[6 + 2 * SCHEMA_WATCHED_MAX] = { SV("CLIENT"), SV("TRACKING"), SV("ON"), SV("REDIRECT"), SV(""), SV("BCAST") };
	struct sv prefixes[SCHEMA_WATCHED_MAX];
	size_t argc = 6;

	if (!is_good(m, reply))
		return;
	argv[4] = schema_number(&t->scratch, value_number(reply));
	size_t n = schema_watched(&t->scratch, t->options.prefix, t->partitions, prefixes);
	for (size_t i = 0; i < n; i++) {
		argv[argc++] = SV("PREFIX");
		argv[argc++] = prefixes[i];
	}
	(void)ask(m, argc, argv, on_tracking);
	arena_reset(&t->scratch);
}

static void on_connected(void *arg)
{
	static const struct sv argv[] = { { "CLIENT", 6 }, { "ID", 2 } };

	(void)ask(arg, 2, argv, on_id);
}

/* redis.c makes it anew */
static void on_lost(void *arg)
{
	struct master *m = arg;
	struct tracking *t = m->tracking;

	m->subscribed = m->pinged = false;
	(void)snprintf(t->problem, sizeof t->problem, "%s", redis_problem(m->redis));
	if (t->whole)
		lose(t);
}

static void on_pong(void *arg, const struct value *reply)
{
	struct master *m = arg;

	m->pinged = false;
	if (reply && value_type(reply) != VALUE_ERROR) {
		m->heard_ms = m->asked_ms;
		note_heard(m->tracking);
	} else if (redis_is_ready(m->redis)) {
		m->subscribed = false;
		redis_reject(m->redis, "no sign of life for %d ms", TRACKING_TIMEOUT_MS);
		if (m->tracking->whole)
			lose(m->tracking);
	}
}

/* ---- the masters ---- */

static void connect_master(struct master *m)
{
	const struct tracking_options *o = &m->tracking->options;
	const struct redis_options options = { .address = m->address, .user = o->user, .password = o->password, .database = o->database, .tls = o->tls,
		.timeout_ms = TRACKING_TIMEOUT_MS, .greeting = on_connected, .arg = m, .quiet = true, .lost = on_lost, .message = on_message };

	m->refused = false;
	m->redis = redis_new(&options);
}

static void master_add(struct tracking *t, const char *address)
{
	struct master *m = xalloc(sizeof *m);
	size_t n = strlen(address) + 1;

	*m = (struct master){ .tracking = t, .address = xalloc(n), .present = true };
	memcpy(m->address, address, n);
	connect_master(m);
	t->masters = xgrow(t->masters, t->n, &t->size, sizeof *t->masters);
	t->masters[t->n++] = m;
}

static void master_free(struct master *m)
{
	m->tracking->whole = false; /* nobody is told once more */
	redis_free(m->redis);
	free(m->address);
	free(m);
}

/* Is there a connection to it? It stays. */
static bool master_keep(struct tracking *t, const char *address)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->masters[i]->address, address) == 0)
			return t->masters[i]->present = true;
	return false;
}

/* Those that the servers do not name any more. */
static void masters_drop(struct tracking *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (t->masters[i]->present)
			t->masters[kept++] = t->masters[i];
		else
			master_free(t->masters[i]);
		if (kept)
			t->masters[kept - 1]->present = false;
	}
	t->n = kept;
}

void tracking_look(struct tracking *t, unsigned partitions)
{
	const struct servers *servers = t->options.servers;
	unsigned epoch = partitions ? servers_epoch(servers) : 0;

	if (t->in_service || (epoch == t->epoch && partitions == t->partitions))
		return;
	lose(t);
	if (partitions != t->partitions)
		masters_drop(t);
	t->epoch = epoch;
	t->partitions = partitions;
	for (size_t i = 0; epoch && i < servers_count(servers); i++) {
		const char *address = servers_address_at(servers, i);
		if (*address && !master_keep(t, address))
			master_add(t, address);
	}
	masters_drop(t);
	become_whole(t); /* only the slots are others */
	tracking_service(t);
}

/* ---- an event loop ---- */

static void master_service(struct master *m, int64_t now_ms)
{
	static const struct sv ping[] = { { "PING", 4 } };

	if (!m->redis && now_ms >= m->again_ms)
		connect_master(m);
	if (m->subscribed && !m->pinged && now_ms >= m->again_ms) {
		m->pinged = true;
		m->again_ms = now_ms + TRACKING_PING_MS;
		(void)ask(m, 1, ping, on_pong);
	}
	if (m->redis)
		redis_service(m->redis, 0);
	if (m->refused && m->redis) {
		redis_free(m->redis);
		m->redis = NULL;
		m->again_ms = now_ms + TRACKING_REFUSED_MS + rand() % TRACKING_PING_MS;
	}
	if (m->redis)
		redis_watch(m->redis, m->tracking->epoll, m);
}

static void tell(struct tracking *t, int64_t now_ms)
{
	if (t->whole || !servers_is_ready(t->options.servers))
		t->lost_ms = now_ms;
	if (t->told || now_ms - t->lost_ms < TRACKING_TOLD_MS)
		return;
	t->told = true;
	log_warning("Redis does not tell what changes: answers are not remembered, each question goes to Redis; %s", t->problem);
}

void tracking_service(struct tracking *t)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t now_ms = clock_mono_ms();

	if (t->in_service)
		return;
	t->in_service = true;
	note_silence(t, now_ms);
	int n = epoll_wait(t->epoll, events, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++)
		redis_service(((const struct master *)events[i].data.ptr)->redis, redis_revents(events[i].events));
	for (size_t i = 0; i < t->n; i++)
		master_service(t->masters[i], now_ms);
	if (t->n && now_ms >= t->look_ms) {
		servers_look(t->options.servers);
		t->look_ms = now_ms + TRACKING_PING_MS;
	}
	tell(t, now_ms);
	t->in_service = false;
}

int tracking_fd(const struct tracking *t)
{
	return t->epoll;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

int tracking_timeout_ms(const struct tracking *t)
{
	int64_t now_ms = clock_mono_ms(), at_ms = now_ms + TRACKING_PING_MS;

	if (t->n == 0)
		return -1;
	at_ms = sooner(at_ms, t->look_ms);
	for (size_t i = 0; i < t->n; i++) {
		const struct master *m = t->masters[i];
		int ms = m->redis ? redis_timeout_ms(m->redis) : -1;
		if (ms >= 0)
			at_ms = sooner(at_ms, now_ms + ms);
		if (!m->redis || (m->subscribed && !m->pinged))
			at_ms = sooner(at_ms, m->again_ms);
	}
	return at_ms < now_ms ? 0 : (int)(at_ms - now_ms);
}

/* ---- making ---- */

struct tracking *tracking_new(const struct tracking_options *options)
{
	struct tracking *t = xalloc(sizeof *t);

	t->options = *options;
	t->lost_ms = clock_mono_ms();
	t->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (t->epoll < 0)
		log_warning("no epoll descriptor: %m; raise the limit of open files; answers are not remembered");
	return t;
}

void tracking_free(struct tracking *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		master_free(t->masters[i]);
	if (t->epoll >= 0)
		close(t->epoll);
	arena_free(&t->scratch);
	free(t->masters);
	free(t);
}
