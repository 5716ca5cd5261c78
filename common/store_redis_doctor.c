/* The store in Redis: what nixie doctor asks of the server.
 *
 * Over a connection of its own, which takes any server that lets us in: also one with data of
 * another schema. Nothing is written: of a command that writes, a form is sent that Redis permits
 * or forbids as always, and then finds wrong. */
#include <stdio.h>

#include "clock.h"
#include "map.h"
#include "store_redis.h"

/* The round trip is the least of so many, or of those of so long, but of some: how far the server is, not how busy a machine was for a moment. */
#define PINGS 50
#define PINGS_LEAST 5
#define PINGS_MS 100
/* Other sources are looked for so long: there may be very many keys. */
#define SCAN_MS 3000
/* A name that no address and no message has. */
#define NOBODY "nixie doctor"
/* A sum that no script has. */
#define NO_SCRIPT "0000000000000000000000000000000000000000"

struct inspection {
	struct servers *servers;
	struct tls *tls; /* NULL: in the clear */
	size_t server; /* of those the one that is asked */
	struct arena arena;
	struct schema schema;
	const struct config *config;
	struct outcome outcome;
	store_fact_callback *on_fact;
	store_source_callback *on_source;
	void *arg;
	int64_t reply_us; /* the round trip */
	int64_t asked_us; /* when TIME was */
	struct map told; /* sources */
	struct sv *names;
	size_t n_names;
	char cursor[32];
};

static void fact(struct inspection *x, const char *name, struct sv value)
{
	x->on_fact(x->arg, sv_of(name), value);
}

static void fact_number(struct inspection *x, const char *name, int64_t value)
{
	fact(x, name, schema_number(&x->arena, value));
}

static bool is_error(const struct value *reply, struct sv word)
{
	return reply && value_type(reply) == VALUE_ERROR && sv_starts(value_text(reply), word);
}

/* ---- connection ---- */

/* A server that lets nobody do anything yet. */
static bool is_closed(const struct value *reply)
{
	return is_error(reply, SV("NOAUTH")) || is_error(reply, SV("LOADING")) || is_error(reply, SV("DENIED"));
}

static void on_greeting(void *arg, const struct value *reply)
{
	struct inspection *x = arg;

	if (is_closed(reply))
		servers_reject(x->servers, "%.*s%s", SV_ARG(value_text(reply)),
			is_error(reply, SV("NOAUTH")) ? "; set redis.password (and redis.user for an ACL user)" : "");
	else if (reply)
		servers_ready_now(x->servers);
}

static void greeting(void *arg)
{
	struct inspection *x = arg;
	struct sv ping[] = { SV("PING") };

	(void)servers_command_at(x->servers, 0, 1, ping, on_greeting, x);
}

static void on_ping(void *arg, const struct value *reply)
{
	struct inspection *x = arg;

	if (!reply)
		x->outcome.result = STORE_UNREACHABLE;
}

static enum store_result finish(struct inspection *x)
{
	const char *why = servers_problem(x->servers);

	if (x->outcome.result != STORE_UNREACHABLE)
		return x->outcome.result;
	if (*why)
		err_set(x->outcome.err, "%s", why);
	else
		err_set(x->outcome.err, "Redis at %s does not answer within redis.timeout (%lld ms); is it overloaded, frozen, or saving?",
			x->config->redis_address, (long long)x->config->redis_timeout_ms);
	return STORE_UNREACHABLE;
}

static enum store_result open_inspection(struct inspection *x, const struct config *config, struct err *err)
{
	x->tls = config_tls(config);
	const struct servers_options options = { .address = config->redis_address, .tls = x->tls, .user = config->redis_user,
		.password = config->redis_password, .database = config->redis_database, .timeout_ms = config->redis_timeout_ms, .greeting = greeting, .arg = x };
	struct sv ping[] = { SV("PING") };

	x->config = config;
	x->schema = (struct schema){ config->redis_prefix, 0 };
	x->outcome = (struct outcome){ STORE_OK, err };
	x->servers = servers_new(&options);
	if (!servers_wait_ready(x->servers, config->redis_timeout_ms))
		x->outcome.result = STORE_UNREACHABLE;
	int64_t begin_us = clock_mono_us();
	for (size_t n = 0; x->outcome.result == STORE_OK && n < PINGS && (n < PINGS_LEAST || clock_mono_us() - begin_us < PINGS_MS * INT64_C(1000)); n++) {
		int64_t asked_us = clock_mono_us();
		(void)servers_command_at(x->servers, x->server, 1, ping, on_ping, x);
		servers_wait(x->servers);
		int64_t took_us = clock_mono_us() - asked_us;
		x->reply_us = n == 0 || took_us < x->reply_us ? took_us : x->reply_us;
	}
	return finish(x);
}

static void close_inspection(struct inspection *x)
{
	servers_free(x->servers);
	tls_free(x->tls);
	map_free(&x->told);
	arena_free(&x->arena);
}

/* True: a reply to look at. */
static bool take(struct inspection *x, const struct value *reply)
{
	if (!reply)
		x->outcome.result = STORE_UNREACHABLE;
	return reply && value_type(reply) != VALUE_ERROR;
}

/* ---- what the server tells of itself ---- */

static void on_info(void *arg, const struct value *reply)
{
	struct inspection *x = arg;

	if (!take(x, reply)) {
		if (reply)
			fact(x, "no-info", value_text(reply));
		return;
	}
	for (struct sv rest = value_text(reply); rest.n;) {
		struct sv line = sv_cut(&rest, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		struct sv name = sv_cut(&line, ':');
		if (name.n && name.p[0] != '#')
			x->on_fact(x->arg, name, line);
	}
}

/* Pairs of names and values, as facts "<prefix><name>". */
static void pairs(struct inspection *x, const char *prefix, const struct value *reply)
{
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		x->on_fact(x->arg, arena_printf(&x->arena, "%s%.*s", prefix, SV_ARG(value_text(value_at(reply, i)))),
			value_text(value_at(reply, i + 1)));
}

static void on_config(void *arg, const struct value *reply)
{
	struct inspection *x = arg;

	if (take(x, reply))
		pairs(x, "config.", reply);
	else if (reply)
		fact(x, "no-config", value_text(reply));
}

static void on_meta(void *arg, const struct value *reply)
{
	struct inspection *x = arg;

	if (take(x, reply))
		pairs(x, "meta.", reply);
	else if (reply)
		fact(x, "no-meta", value_text(reply));
}

/* When between the question and its answer the server looked at its clock, nobody knows: what is certain. */
static void on_time(void *arg, const struct value *reply)
{
	struct inspection *x = arg;
	int64_t now_us = clock_now_us();
	uint64_t s, us;

	if (take(x, reply) && value_count(reply) == 2 && sv_u64(value_text(value_at(reply, 0)), INT64_MAX / CLOCK_SECOND_US - 1, &s) &&
	    sv_u64(value_text(value_at(reply, 1)), CLOCK_SECOND_US, &us)) {
		int64_t its_us = (int64_t)(s * CLOCK_SECOND_US + us);
		fact_number(x, "ahead-ms", (its_us > now_us ? its_us - now_us : its_us < x->asked_us ? its_us - x->asked_us : 0) / 1000);
	}
}

static void ask_facts(struct inspection *x)
{
	static const char *const settings[] = { "appendfsync", "save", "hash-max-*-value", "zset-max-*-value", "stream-node-max-bytes" };
	struct sv info[] = { SV("INFO") };
	struct sv meta[] = { SV("HGETALL"), schema_meta_key(&x->arena, x->config->redis_prefix) };
	struct sv time[] = { SV("TIME") };

	fact_number(x, "reply-us", x->reply_us);
	fact_number(x, "servers", (int64_t)servers_count(x->servers));
	fact_number(x, "server", (int64_t)x->server);
	fact(x, "server-name", sv_of(servers_name_at(x->servers, x->server)));
	(void)servers_command_at(x->servers, x->server, 1, info, on_info, x);
	(void)servers_command(x->servers, meta[1], 2, meta, on_meta, x);
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		struct sv argv[] = { SV("CONFIG"), SV("GET"), sv_of(settings[i]) };
		(void)servers_command_at(x->servers, x->server, 3, argv, on_config, x);
	}
	servers_wait(x->servers);
	x->asked_us = clock_now_us();
	(void)servers_command_at(x->servers, x->server, 1, time, on_time, x);
	servers_wait(x->servers);
}

/* ---- what this user may do ---- */

/* Every command of the programs and of their scripts, on every kind of key. What would write
 * is wrong behind the key (a pair that is half, a number that is none, an id that cannot be), or
 * takes away from NOBODY. */
static const struct trial {
	const char *acl; /* as in ACL SETUSER, behind the + */
	enum { ON_NOTHING, ON_META, ON_KEY } on;
	enum schema_key key;
	const char *behind, *argv[6]; /* behind: the words behind the key */
} trials[] = {
	{ "eval", ON_KEY, KEY_ADDRESS, NULL, { "EVAL", "return redis.call('TYPE', KEYS[1])", "1" } },
	{ "evalsha", ON_NOTHING, 0, NULL, { "EVALSHA", NO_SCRIPT, "0" } },
	{ "script|load", ON_NOTHING, 0, NULL, { "SCRIPT", "LOAD", "return 1" } },
	{ "scan", ON_NOTHING, 0, NULL, { "SCAN", "0", "COUNT", "1" } },
	{ "hgetall", ON_META, 0, NULL, { "HGETALL" } },
	{ "hset", ON_META, 0, "a b c", { "HSET" } },
	{ "hsetnx", ON_META, 0, "a", { "HSETNX" } },
	{ "hgetall", ON_KEY, KEY_ADDRESS, NULL, { "HGETALL" } },
	{ "hget", ON_KEY, KEY_ADDRESS, "revision", { "HGET" } },
	{ "hmget", ON_KEY, KEY_ADDRESS, "until", { "HMGET" } },
	{ "exists", ON_KEY, KEY_ADDRESS, NULL, { "EXISTS" } },
	{ "type", ON_KEY, KEY_ADDRESS, NULL, { "TYPE" } },
	{ "hset", ON_KEY, KEY_ADDRESS, "a b c", { "HSET" } },
	{ "hdel", ON_KEY, KEY_ADDRESS, "a", { "HDEL" } },
	{ "del", ON_KEY, KEY_ADDRESS, NULL, { "DEL" } },
	{ "expireat", ON_KEY, KEY_ADDRESS, "never", { "EXPIREAT" } },
	{ "hset", ON_KEY, KEY_DOMAIN, "a b c", { "HSET" } },
	{ "zrange", ON_KEY, KEY_WINDOW, "-32 -1 WITHSCORES", { "ZRANGE" } },
	{ "zadd", ON_KEY, KEY_WINDOW, "never a", { "ZADD" } },
	{ "del", ON_KEY, KEY_WINDOW, NULL, { "DEL" } },
	{ "xrange", ON_KEY, KEY_HISTORY, "- + COUNT 1", { "XRANGE" } },
	{ "xinfo|stream", ON_KEY, KEY_HISTORY, NULL, { "XINFO", "STREAM" } },
	{ "xadd", ON_KEY, KEY_HISTORY, "0-0 a b", { "XADD" } },
	{ "xtrim", ON_KEY, KEY_HISTORY, "MAXLEN never", { "XTRIM" } },
	{ "del", ON_KEY, KEY_HISTORY, NULL, { "DEL" } },
	{ "hset", ON_KEY, KEY_PENDING, "a b c", { "HSET" } },
	{ "hset", ON_KEY, KEY_POSITION, "a b c", { "HSET" } },
	{ "hset", ON_KEY, KEY_DAY, "a b c", { "HSET" } },
	{ "hset", ON_KEY, KEY_MINUTE, "a b c", { "HSET" } },
	{ "xadd", ON_KEY, KEY_ROLL, "0-0 a b", { "XADD" } },
	{ "hgetall", ON_KEY, KEY_ALERTS, NULL, { "HGETALL" } },
	{ "hset", ON_KEY, KEY_ALERTS, "a b c", { "HSET" } },
	{ "xadd", ON_KEY, KEY_ALERT_LOG, "0-0 a b", { "XADD" } },
	{ "zrange", ON_KEY, KEY_DAYS, "0 0", { "ZRANGE" } },
	{ "zadd", ON_KEY, KEY_DAYS, "never a", { "ZADD" } },
	{ "xrange", ON_KEY, KEY_JOURNAL, "- + COUNT 1", { "XRANGE" } },
	{ "xadd", ON_KEY, KEY_JOURNAL, "0-0 a b", { "XADD" } },
	{ "zrange", ON_KEY, KEY_SUPPRESSED, "0 0", { "ZRANGE" } },
	{ "zadd", ON_KEY, KEY_SUPPRESSED, "never a", { "ZADD" } },
	{ "zrem", ON_KEY, KEY_SUPPRESSED, NOBODY, { "ZREM" } },
	{ "zrange", ON_KEY, KEY_UNTIL, "0 0", { "ZRANGE" } },
	{ "zadd", ON_KEY, KEY_UNTIL, "never a", { "ZADD" } },
	{ "zadd", ON_KEY, KEY_UNCLASSIFIED, "never a", { "ZADD" } },
	{ "zcard", ON_KEY, KEY_UNCLASSIFIED, NULL, { "ZCARD" } },
	{ "zscore", ON_KEY, KEY_UNCLASSIFIED, "a", { "ZSCORE" } },
	{ "zrevrange", ON_KEY, KEY_UNCLASSIFIED, "0 0", { "ZREVRANGE" } },
	{ "hset", ON_KEY, KEY_UNCLASSIFIED_TEXT, "a b c", { "HSET" } },
	{ "hlen", ON_KEY, KEY_UNCLASSIFIED_TEXT, NULL, { "HLEN" } },
	{ "hexists", ON_KEY, KEY_UNCLASSIFIED_TEXT, "a", { "HEXISTS" } },
	{ "hgetall", ON_KEY, KEY_GAPS, NULL, { "HGETALL" } },
	{ "hset", ON_KEY, KEY_GAPS, "a b c", { "HSET" } },
	{ "hgetall", ON_KEY, KEY_READER, NULL, { "HGETALL" } },
	{ "hset", ON_KEY, KEY_READER, "a b c", { "HSET" } },
	{ "zrange", ON_KEY, KEY_READERS, "0 0", { "ZRANGE" } },
	{ "zadd", ON_KEY, KEY_READERS, "never a", { "ZADD" } },
	{ "hgetall", ON_KEY, KEY_DOOR, NULL, { "HGETALL" } },
	{ "hset", ON_KEY, KEY_DOOR, "a b c", { "HSET" } },
	{ "hgetall", ON_KEY, KEY_DOORS, NULL, { "HGETALL" } },
	{ "hset", ON_KEY, KEY_DOORS, "a b c", { "HSET" } },
	{ "zcard", ON_KEY, KEY_SUPPRESSED, NULL, { "ZCARD" } },
	{ "zcount", ON_KEY, KEY_SUPPRESSED, "0 0", { "ZCOUNT" } },
	{ "zrank", ON_KEY, KEY_SUPPRESSED, NOBODY, { "ZRANK" } },
	{ "xrevrange", ON_KEY, KEY_JOURNAL, "+ - COUNT 1", { "XREVRANGE" } },
	{ "zrangebylex", ON_KEY, KEY_SENT, "- + LIMIT 0 1", { "ZRANGEBYLEX" } },
	{ "zadd", ON_KEY, KEY_SENT, "never a", { "ZADD" } },
	{ "hgetall", ON_KEY, KEY_TOLD, NULL, { "HGETALL" } },
	{ "hset", ON_KEY, KEY_TOLD, "a b c", { "HSET" } },
	{ "xadd", ON_KEY, KEY_ASIDE, "0-0 a b", { "XADD" } },
};

struct tried {
	struct inspection *x;
	const struct trial *trial;
	struct sv key;
};

static void on_trial(void *arg, const struct value *reply)
{
	static const struct sv closed[] = { { "READONLY", 8 }, { "MISCONF", 7 }, { "OOM", 3 }, { "NOREPLICAS", 10 }, { "MOVED", 5 },
		{ "CLUSTERDOWN", 11 } };
	const struct tried *t = arg;
	struct inspection *x = t->x;

	if (take(x, reply) || !reply)
		return;
	if (is_error(reply, SV("NOPERM")) && sv_find_sv(value_text(reply), SV("keys used")) < value_text(reply).n)
		fact(x, "forbidden-key", t->key);
	else if (is_error(reply, SV("NOPERM")) || is_error(reply, SV("ERR unknown command")))
		fact(x, "forbidden-command", sv_of(t->trial->acl));
	else if (is_error(reply, SV("WRONGTYPE")))
		fact(x, "wrong-type", t->key);
	else if (t->trial == trials)
		fact(x, "no-lua", value_text(reply));
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
		if (is_error(reply, closed[i]))
			fact(x, "no-writes", value_text(reply));
}

static void try(struct inspection *x, const struct trial *trial)
{
	/* of these there is one: the others get a name that nobody has */
	bool single = trial->key == KEY_DAYS || trial->key == KEY_JOURNAL || trial->key == KEY_SUPPRESSED || trial->key == KEY_UNTIL ||
		trial->key == KEY_ALERTS || trial->key == KEY_ALERT_LOG || trial->key == KEY_GAPS || trial->key == KEY_READERS || trial->key == KEY_DOORS ||
		trial->key == KEY_ASIDE;
	struct tried *t = arena_alloc(&x->arena, sizeof *t);
	struct sv argv[12];
	size_t n = 0;

	*t = (struct tried){ .x = x, .trial = trial };
	if (trial->on != ON_NOTHING)
		t->key = trial->on == ON_META ? schema_meta_key(&x->arena, x->config->redis_prefix) :
			schema_key(&x->arena, &x->schema, trial->key, single ? SV("") : SV(NOBODY));
	while (n < sizeof trial->argv / sizeof *trial->argv && trial->argv[n]) {
		argv[n] = sv_of(trial->argv[n]);
		n++;
	}
	if (trial->on != ON_NOTHING)
		argv[n++] = t->key;
	struct sv rest = sv_of(trial->behind);
	if (sv_eq(rest, SV(NOBODY)))
		argv[n++] = rest;
	else
		while (rest.n)
			argv[n++] = sv_cut(&rest, ' ');
	if (trial->on == ON_NOTHING)
		(void)servers_command_at(x->servers, 0, n, argv, on_trial, t);
	else
		(void)servers_command(x->servers, t->key, n, argv, on_trial, t);
}

enum store_result store_facts(const struct config *config, size_t server, store_fact_callback *callback, void *arg, struct err *err)
{
	struct inspection x = { .on_fact = callback, .arg = arg, .server = server };

	if (open_inspection(&x, config, err) == STORE_OK) {
		ask_facts(&x);
		for (size_t i = 0; server == 0 && i < sizeof trials / sizeof *trials; i++)
			try(&x, &trials[i]);
		servers_wait(x.servers);
		(void)finish(&x);
	}
	close_inspection(&x);
	return x.outcome.result;
}

/* ---- sources ---- */

struct asked {
	struct inspection *x;
	struct sv name;
};

static void on_source(void *arg, const struct value *reply)
{
	const struct asked *a = arg;
	struct position p = { .source = a->name };
	int64_t updated_s = 0;

	if (!take(a->x, reply) || value_count(reply) == 0)
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv field = value_text(value_at(reply, i)), value = value_text(value_at(reply, i + 1));
		uint64_t n;
		if (sv_eq(field, SV("path")))
			p.path = value;
		else if (!sv_u64(value, INT64_MAX, &n))
			continue;
		else if (sv_eq(field, SV("device")))
			p.device = n;
		else if (sv_eq(field, SV("inode")))
			p.inode = n;
		else if (sv_eq(field, SV("offset")))
			p.offset = n;
		else if (sv_eq(field, SV("time")))
			p.time_s = (int64_t)n;
		else if (sv_eq(field, SV("updated")))
			updated_s = (int64_t)n;
	}
	a->x->on_source(a->x->arg, &p, updated_s);
}

/* Once for each source. */
static void ask_source(struct inspection *x, struct sv name)
{
	struct asked *a = arena_alloc(&x->arena, sizeof *a);

	*a = (struct asked){ x, arena_dup(&x->arena, name) };
	if (map_get(&x->told, a->name))
		return;
	map_put(&x->told, a->name, a);
	struct sv argv[] = { SV("HGETALL"), schema_key(&x->arena, &x->schema, KEY_POSITION, a->name) };
	(void)servers_command(x->servers, argv[1], 2, argv, on_source, a);
}

static void on_scanned(void *arg, const struct value *reply)
{
	struct inspection *x = arg;

	x->n_names = 0;
	(void)snprintf(x->cursor, sizeof x->cursor, "0");
	if (!take(x, reply) || value_count(reply) < 2)
		return;
	(void)snprintf(x->cursor, sizeof x->cursor, "%.*s", SV_ARG(value_text(value_at(reply, 0))));
	const struct value *keys = value_at(reply, 1);
	x->n_names = value_count(keys);
	x->names = arena_alloc(&x->arena, (x->n_names + 1) * sizeof *x->names);
	for (size_t i = 0; i < x->n_names; i++)
		x->names[i] = arena_dup(&x->arena, value_text(value_at(keys, i)));
}

static void ask_others(struct inspection *x)
{
	int64_t end_ms = clock_mono_ms() + SCAN_MS;
	struct sv prefix = schema_key(&x->arena, &x->schema, KEY_POSITION, SV(""));
	struct sv pattern = arena_printf(&x->arena, "%.*s*", SV_ARG(prefix));

	(void)snprintf(x->cursor, sizeof x->cursor, "0");
	do {
		struct sv argv[] = { SV("SCAN"), arena_dup(&x->arena, sv_of(x->cursor)), SV("MATCH"), pattern, SV("COUNT"), SV("1000") };
		(void)servers_command(x->servers, prefix, 6, argv, on_scanned, x);
		servers_wait(x->servers);
		for (size_t i = 0; i < x->n_names; i++)
			ask_source(x, sv_skip(x->names[i], prefix.n));
		servers_wait(x->servers);
	} while (x->outcome.result == STORE_OK && strcmp(x->cursor, "0") != 0 && clock_mono_ms() < end_ms);
}

enum store_result store_sources(const struct config *config, size_t n, const struct sv *names, store_source_callback *callback,
	void *arg, struct err *err)
{
	struct inspection x = { .on_source = callback, .arg = arg };

	if (open_inspection(&x, config, err) == STORE_OK) {
		for (size_t i = 0; i < n; i++)
			ask_source(&x, names[i]);
		servers_wait(x.servers);
		ask_others(&x);
		(void)finish(&x);
	}
	close_inspection(&x);
	return x.outcome.result;
}
