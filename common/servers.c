#include "servers.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "servers_ops.h"

/* ---- addresses ---- */

bool servers_split(struct sv endpoint, struct sv *host_r, struct sv *port_r)
{
	uint64_t port;
	size_t colon = endpoint.n;

	while (colon > 0 && endpoint.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	*port_r = sv_skip(endpoint, colon);
	*host_r = sv_head(endpoint, colon - 1);
	if (host_r->n > 2 && host_r->p[0] == '[' && host_r->p[host_r->n - 1] == ']') /* [::1] */
		*host_r = sv_make(host_r->p + 1, host_r->n - 2);
	return sv_u64(*port_r, 65535, &port) && port > 0;
}

char *servers_inet(struct sv host, struct sv port)
{
	bool v6 = sv_find(host, ':') < host.n;
	size_t size = host.n + port.n + sizeof "inet:[]:";
	char *address = xalloc(size);

	(void)snprintf(address, size, v6 ? "inet:[%.*s]:%.*s" : "inet:%.*s:%.*s", SV_ARG(host), SV_ARG(port));
	return address;
}

static bool check_endpoints(const char *address, struct sv list, struct err *err)
{
	struct sv host, port;
	size_t n = 0;

	do {
		struct sv endpoint = sv_cut(&list, ',');
		if (!servers_split(endpoint, &host, &port) || host.n == 0)
			return err_set(err, "\"%.80s\": \"%.*s\" is no HOST:PORT; write them with commas between, without blanks", address,
				SV_ARG(sv_head(endpoint, 80)));
		n++;
	} while (list.n);
	return n <= SERVERS_MAX || err_set(err, "more than %d servers; name some of them", SERVERS_MAX);
}

bool servers_address_check(const char *address, struct err *err)
{
	struct sv a = sv_of(address);

	if (sv_take(&a, SV("unix:")) && a.n) /* 107: sun_path */
		return a.n <= 107 || err_set(err, "the path of a socket can have 107 bytes at most; choose a shorter one");
	if (sv_take(&a, SV("inet:")) && sv_find(a, ',') == a.n)
		return check_endpoints(address, a, err);
	if (sv_take(&a, SV("cluster:")))
		return check_endpoints(address, a, err);
	if (sv_take(&a, SV("sentinel:"))) {
		struct sv name = sv_cut(&a, '@');
		return name.n && a.n ? check_endpoints(address, a, err) :
			err_set(err, "\"%.80s\": write sentinel:NAME@HOST:PORT,HOST:PORT with the name of the master that the sentinels watch", address);
	}
	return err_set(err, "\"%.80s\": write unix:/path/of/socket, inet:HOST:PORT, sentinel:NAME@HOST:PORT,HOST:PORT "
		"or cluster:HOST:PORT,HOST:PORT", address);
}

/* ---- what is wrong ---- */

void servers_note(struct servers *s, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(s->problem, sizeof s->problem, format, ap);
	va_end(ap);
}

void servers_tell(struct servers *s)
{
	if (s->waited_for)
		return;
	s->told = true;
	if (log_limited(&s->limit, "Redis connection problems"))
		log_warning("%s", s->problem);
}

void servers_well(struct servers *s, const char *where)
{
	if (s->told)
		log_info("Redis at %s: connected", where);
	s->told = false;
	s->problem[0] = '\0';
}

int64_t servers_pause(int64_t *pause_ms)
{
	int64_t pause = *pause_ms + (*pause_ms ? rand() % *pause_ms : 0);

	*pause_ms = *pause_ms ? *pause_ms * 2 : REDIS_RETRY_MIN_MS;
	if (*pause_ms > PAUSE_MAX_MS)
		*pause_ms = PAUSE_MAX_MS;
	return pause;
}

bool servers_is_outage(struct sv error)
{
	static const char *const words[] = { "READONLY ", "MASTERDOWN ", "LOADING ", "CLUSTERDOWN " };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (sv_starts(error, sv_of(words[i])))
			return true;
	/* Redis 6 puts what stopped a script behind its name */
	return sv_find_sv(error, SV(" -READONLY ")) < error.n;
}

/* A lone server that speaks of others is one of a cluster. */
static bool refused_by_node(void *arg, const struct value *error)
{
	struct servers *s = arg;

	if (!sv_starts(value_text(error), SV("MOVED ")))
		return false;
	redis_reject(s->redis, "it is a node of a Redis Cluster; set redis.address to cluster:HOST:PORT");
	return true;
}

static void greet_one(void *arg)
{
	struct servers *s = arg;

	if (s->options.greeting)
		s->options.greeting(s->options.arg);
	else
		redis_ready_now(s->redis);
}

/* ---- making ---- */

struct servers *servers_new(const struct servers_options *options)
{
	struct servers *s = xalloc(sizeof *s);
	struct sv address = sv_of(options->address);
	struct err err;

	s->options = *options;
	if (!servers_address_check(options->address, &err))
		servers_note(s, "redis.address: %s", err.text);
	if (sv_take(&address, SV("cluster:"))) {
		cluster_new(s, address);
	} else if (sv_take(&address, SV("sentinel:"))) {
		sentinel_new(s, address);
	} else {
		const struct redis_options one = { .address = options->address, .user = options->user, .password = options->password,
			.database = options->database, .timeout_ms = options->timeout_ms, .impatient = options->impatient, .tls = options->tls,
			.greeting = greet_one, .arg = s, .refusal = refused_by_node };
		s->redis = redis_new(&one);
	}
	return s;
}

void servers_free(struct servers *s)
{
	if (!s)
		return;
	if (s->cluster)
		cluster_free(s);
	else if (s->sentinel)
		sentinel_free(s);
	else
		redis_free(s->redis);
	free(s);
}

/* ---- asking ---- */

bool servers_command(struct servers *s, struct sv key, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	/* a sentinel may name one that hangs again and again */
	bool wait = !s->sentinel || !s->options.impatient || sentinel_may_ask(s);

	if (s->redis && wait)
		return redis_command(s->redis, argc, argv, callback, arg);
	if (s->cluster)
		return cluster_command(s, key, argc, argv, callback, arg);
	callback(arg, NULL);
	return false;
}

size_t servers_count(const struct servers *s)
{
	size_t n = 0;

	if (!s->cluster)
		return 1;
	while (node_mapped(s->cluster, n))
		n++;
	return n;
}

bool servers_command_at(struct servers *s, size_t i, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	if (s->cluster)
		return cluster_command_at(s, i, argc, argv, callback, arg);
	return servers_command(s, SV(""), argc, argv, callback, arg);
}

const char *servers_address_at(const struct servers *s, size_t i)
{
	if (s->cluster) {
		const struct node *node = node_mapped(s->cluster, i);
		return node ? node->address : "";
	}
	return s->redis ? redis_address(s->redis) : "";
}

const char *servers_name_at(const struct servers *s, size_t i)
{
	const char *address = servers_address_at(s, i);

	return sv_starts(sv_of(address), SV("inet:")) ? address + 5 : address;
}

bool servers_is_cluster(const struct servers *s)
{
	return s->cluster != NULL;
}

unsigned servers_epoch(const struct servers *s)
{
	if (s->cluster)
		return s->cluster->epoch;
	if (s->sentinel)
		return sentinel_has_master(s) ? sentinel_generation(s) : 0;
	return 1;
}

void servers_look(struct servers *s)
{
	if (s->cluster)
		map_want(s, false);
}

/* ---- state ---- */

bool servers_is_ready(const struct servers *s)
{
	return s->redis ? redis_is_ready(s->redis) : s->cluster && s->cluster->state == CLUSTER_READY;
}

void servers_ready_now(struct servers *s)
{
	if (s->cluster)
		cluster_ready_now(s);
	else if (s->sentinel)
		sentinel_ready_now(s);
	else
		redis_ready_now(s->redis);
}

void servers_reject(struct servers *s, const char *format, ...)
{
	char what[384];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(what, sizeof what, format, ap);
	va_end(ap);
	if (s->cluster) {
		servers_note(s, "Redis at %s: %s", s->options.address, what);
		cluster_reject(s);
	} else if (s->redis) {
		redis_reject(s->redis, "%s", what);
	}
}

const char *servers_problem(const struct servers *s)
{
	return s->redis && redis_problem(s->redis)[0] ? redis_problem(s->redis) : s->problem;
}

void servers_set_timeout(struct servers *s, int64_t timeout_ms)
{
	s->options.timeout_ms = timeout_ms;
	if (s->redis)
		redis_set_timeout(s->redis, timeout_ms);
	if (s->sentinel)
		sentinel_set_timeout(s);
	for (size_t i = 0; s->cluster && i < s->cluster->n; i++)
		if (s->cluster->nodes[i] && s->cluster->nodes[i]->redis)
			redis_set_timeout(s->cluster->nodes[i]->redis, timeout_ms);
}

void servers_set_impatient(struct servers *s)
{
	s->options.impatient = true;
	if (s->redis)
		redis_set_impatient(s->redis);
	for (size_t i = 0; s->cluster && i < s->cluster->n; i++)
		if (s->cluster->nodes[i] && s->cluster->nodes[i]->redis)
			redis_set_impatient(s->cluster->nodes[i]->redis);
}

/* ---- an event loop ---- */

/* Without a cluster: the one connection that there is. */
static struct redis *connection(const struct servers *s)
{
	return s->sentinel ? sentinel_connection(s) : s->redis;
}

int servers_fd(const struct servers *s)
{
	if (s->cluster)
		return s->cluster->epoll;
	return connection(s) ? redis_fd(connection(s)) : -1;
}

short servers_events(const struct servers *s)
{
	if (s->cluster)
		return POLLIN;
	return connection(s) ? redis_events(connection(s)) : 0;
}

int servers_timeout_ms(const struct servers *s)
{
	return s->cluster ? cluster_timeout_ms(s) : s->sentinel ? sentinel_timeout_ms(s) : redis_timeout_ms(s->redis);
}

void servers_service(struct servers *s, short revents)
{
	if (s->cluster)
		cluster_service(s, revents);
	else if (s->sentinel)
		sentinel_service(s, revents);
	else
		redis_service(s->redis, revents);
}

unsigned servers_generation(const struct servers *s)
{
	return s->cluster ? 1 : s->sentinel ? sentinel_generation(s) : redis_generation(s->redis);
}

/* One turn of waiting: at most limit_ms. */
static void turn(struct servers *s, int64_t limit_ms)
{
	servers_service(s, 0); /* writes what there is to write */
	struct pollfd p = { servers_fd(s), servers_events(s), 0 };
	int wait_ms = servers_timeout_ms(s);
	if (wait_ms < 0 || wait_ms > limit_ms)
		wait_ms = (int)limit_ms;
	(void)poll(&p, p.fd >= 0 ? 1 : 0, wait_ms);
	servers_service(s, p.revents);
}

void servers_wait(struct servers *s)
{
	if (s->sentinel)
		sentinel_wait(s);
	else if (s->redis)
		redis_wait(s->redis);
	while (s->cluster && s->cluster->waiting)
		turn(s, s->options.timeout_ms);
}

bool servers_wait_ready(struct servers *s, int64_t timeout_ms)
{
	int64_t end_ms = clock_mono_ms() + timeout_ms, left_ms = timeout_ms;
	unsigned failures = s->failures;

	if (!s->cluster && !s->sentinel)
		return redis_wait_ready(s->redis, timeout_ms);
	s->waited_for = true;
	while (!servers_is_ready(s) && left_ms >= 0 && s->failures == failures) {
		turn(s, left_ms);
		left_ms = end_ms - clock_mono_ms();
	}
	s->waited_for = false;
	return servers_is_ready(s);
}
