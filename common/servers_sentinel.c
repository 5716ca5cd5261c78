/* The master that Sentinel names. One connection at a time: to a sentinel, or to the master. */
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "servers_ops.h"

struct sentinel {
	char *name;       /* of the master */
	char **addresses; /* of the sentinels */
	size_t n, at, tried;
	struct redis *ask; /* the sentinel that is being asked; NULL: none */
	char *master;      /* where it is; NULL: not known */
	bool over;         /* the connection is of no more use: its callbacks have run */
	bool was_ready;    /* the master, since it was connected to */
	int64_t again_ms, pause_ms;
	unsigned generation; /* of the connections before this one */
	bool in_service;
};

static void on_lost(void *arg)
{
	struct servers *s = arg;
	struct redis *lost = sentinel_connection(s);

	if (!s->sentinel->over)
		servers_note(s, "%s", redis_problem(lost));
	s->sentinel->over = true;
}

/* ---- where is the master? ---- */

static void on_named(void *arg, const struct value *reply)
{
	struct servers *s = arg;
	struct sentinel *t = s->sentinel;

	if (!reply) /* on_lost() comes */
		return;
	if (value_count(reply) == 2) {
		free(t->master);
		t->master = servers_inet(value_text(value_at(reply, 0)), value_text(value_at(reply, 1)));
	} else if (value_type(reply) == VALUE_ERROR) {
		servers_note(s, "Sentinel at %s: %.*s; is a sentinel there, without a password?", t->addresses[t->at], SV_ARG(value_text(reply)));
	} else {
		servers_note(s, "Sentinel at %s knows no master of the name \"%s\"; is redis.address right?", t->addresses[t->at], t->name);
	}
	t->over = true;
}

static void on_sentinel(void *arg)
{
	struct servers *s = arg;
	struct sv argv[] = { SV("SENTINEL"), SV("get-master-addr-by-name"), sv_of(s->sentinel->name) };

	(void)redis_command(s->sentinel->ask, 3, argv, on_named, s);
}

static void ask(struct servers *s)
{
	struct sentinel *t = s->sentinel;
	const struct redis_options options = { .address = t->addresses[t->at], .user = "", .password = "",
		.timeout_ms = s->options.timeout_ms, .tls = s->options.tls, .greeting = on_sentinel, .arg = s, .name = "Sentinel", .quiet = true, .once = true,
		.lost = on_lost };

	free(t->master);
	t->master = NULL;
	t->ask = redis_new(&options);
}

/* ---- the master ---- */

static void on_role(void *arg, const struct value *reply)
{
	struct servers *s = arg;

	if (!reply)
		return;
	if (value_type(reply) == VALUE_ERROR) {
		struct sv text = value_text(reply);
		redis_reject(s->redis, "%.*s%s", SV_ARG(text),
			sv_starts(text, SV("NOAUTH")) ? "; set redis.password (and redis.user for an ACL user)" :
			sv_starts(text, SV("NOPERM")) ? "; let the user say ROLE (ACL SETUSER ... +role)" : "");
		return;
	}
	struct sv role = value_count(reply) ? value_text(value_at(reply, 0)) : sv_make("", 0);
	if (!sv_eq(role, SV("master")))
		redis_reject(s->redis, "it is a %.*s now, and not the master; the sentinels are asked again", SV_ARG(role));
	else if (s->options.greeting)
		s->options.greeting(s->options.arg);
	else
		sentinel_ready_now(s);
}

static void on_master(void *arg)
{
	struct servers *s = arg;
	struct sv argv[] = { SV("ROLE") };

	(void)redis_command(s->redis, 1, argv, on_role, s);
}

static bool on_refusal(void *arg, const struct value *error)
{
	(void)arg;
	return servers_is_outage(value_text(error));
}

static void connect_master(struct servers *s)
{
	const struct redis_options options = { .address = s->sentinel->master, .user = s->options.user, .password = s->options.password,
		.database = s->options.database, .timeout_ms = s->options.timeout_ms, .impatient = s->options.impatient, .tls = s->options.tls, .greeting = on_master, .arg = s, .quiet = true,
		.once = true, .lost = on_lost, .refusal = on_refusal };

	s->sentinel->was_ready = false;
	s->redis = redis_new(&options);
}

void sentinel_ready_now(struct servers *s)
{
	struct sentinel *t = s->sentinel;

	if (!s->redis)
		return;
	redis_ready_now(s->redis);
	if (!redis_is_ready(s->redis) || t->was_ready)
		return;
	t->was_ready = true;
	t->pause_ms = 0;
	t->tried = 0;
	servers_well(s, t->master);
}

/* ---- one after the other ---- */

static void fail(struct servers *s)
{
	struct sentinel *t = s->sentinel;

	s->failures++;
	servers_tell(s);
	t->tried = 0;
	t->again_ms = clock_mono_ms() + servers_pause(&t->pause_ms);
}

static void retire(struct servers *s)
{
	struct sentinel *t = s->sentinel;
	struct redis *old = sentinel_connection(s);
	bool was_master = s->redis != NULL;

	t->over = false;
	t->generation += redis_generation(old) + 1;
	s->redis = t->ask = NULL;
	redis_free(old);
	if (!was_master && t->master) {
		connect_master(s);
	} else if (was_master && t->was_ready) {
		servers_tell(s);
		t->again_ms = 0;
	} else { /* it may be the only one that is wrong */
		t->at = (t->at + 1) % t->n;
		t->tried++;
		if (was_master || t->tried >= t->n)
			fail(s);
	}
}

void sentinel_service(struct servers *s, short revents)
{
	struct sentinel *t = s->sentinel;

	if (t->in_service) /* a callback called us */
		return;
	t->in_service = true;
	if (sentinel_connection(s))
		redis_service(sentinel_connection(s), revents);
	if (t->over)
		retire(s);
	if (!sentinel_connection(s) && t->n && clock_mono_ms() >= t->again_ms)
		ask(s);
	t->in_service = false;
}

void sentinel_wait(struct servers *s)
{
	s->sentinel->in_service = true; /* nothing is freed under the callbacks */
	if (s->redis)
		redis_wait(s->redis);
	s->sentinel->in_service = false;
}

int sentinel_timeout_ms(const struct servers *s)
{
	if (s->sentinel->over)
		return 0;
	if (sentinel_connection(s))
		return redis_timeout_ms(sentinel_connection(s));
	if (s->sentinel->n == 0)
		return -1;
	int64_t wait_ms = s->sentinel->again_ms - clock_mono_ms();
	return wait_ms < 0 ? 0 : (int)wait_ms;
}

unsigned sentinel_generation(const struct servers *s)
{
	const struct redis *now = sentinel_connection(s);

	return s->sentinel->generation + (now ? redis_generation(now) : 0);
}

struct redis *sentinel_connection(const struct servers *s)
{
	return s->redis ? s->redis : s->sentinel->ask;
}

bool sentinel_has_master(const struct servers *s)
{
	return s->redis && s->sentinel->was_ready && !s->sentinel->over;
}

bool sentinel_may_ask(const struct servers *s)
{
	return s->sentinel->was_ready || s->sentinel->in_service;
}

void sentinel_set_timeout(struct servers *s)
{
	if (s->sentinel->ask)
		redis_set_timeout(s->sentinel->ask, s->options.timeout_ms);
}

void sentinel_new(struct servers *s, struct sv list)
{
	struct sentinel *t = xalloc(sizeof *t);
	struct sv host, port, name = sv_cut(&list, '@');
	size_t size = 0;

	s->sentinel = t;
	t->name = xalloc(name.n + 1);
	memcpy(t->name, name.p, name.n);
	while (list.n) {
		if (!servers_split(sv_cut(&list, ','), &host, &port))
			continue; /* servers_address_check() has told */
		t->addresses = xgrow(t->addresses, t->n, &size, sizeof *t->addresses);
		t->addresses[t->n++] = servers_inet(host, port);
	}
}

void sentinel_free(struct servers *s)
{
	struct sentinel *t = s->sentinel;
	struct redis *last = sentinel_connection(s);

	t->in_service = true; /* what the callbacks ask is answered with nothing */
	redis_free(last);
	for (size_t i = 0; i < t->n; i++)
		free(t->addresses[i]);
	free(t->addresses);
	free(t->master);
	free(t->name);
	free(t);
}
