/* doctor: the Redis server, its settings, and what its user may do. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "doctor.h"
#include "map.h"
#include "schema.h"
#include "store.h"

/* Streams, and scripts that may look before they write. */
#define VERSION_MIN 5
/* ACL users; and reading the journal on from an id. */
#define VERSION_USERS 6
#define MINOR_JOURNAL 2
#define SLOW_US 20000
#define SKEW_MS 2000
/* Parts of the memory there is. */
#define MEMORY_WARNING_PERCENT 75
#define MEMORY_ERROR_PERCENT 90
/* What nixie-redis(7), "Memory", recommends. */
#define STREAM_NODE_MAX 1024
#define ZSET_VALUE_MIN 256

struct facts {
	struct doctor *d;
	struct arena arena;
	struct map map;
	struct buf commands, keys, types; /* what this user may not use; keys that hold something else */
	char room[3][400];
};

/* Once each: "evalsha, hset" */
static void add_word(struct buf *b, struct sv word)
{
	struct sv all = buf_sv(b);

	while (all.n) {
		struct sv one = sv_trim(sv_cut(&all, ','));
		if (sv_eq(one, word))
			return;
	}
	if (b->size - b->n < word.n + 8) {
		if (!b->full)
			buf_add(b, SV(" ..."));
		b->full = true;
		return;
	}
	if (b->n)
		buf_add(b, SV(", "));
	buf_add(b, word);
}

static void on_fact(void *arg, struct sv name, struct sv value)
{
	struct facts *f = arg;
	struct sv *kept;

	if (sv_eq(name, SV("forbidden-command"))) {
		add_word(&f->commands, value);
	} else if (sv_eq(name, SV("forbidden-key"))) {
		add_word(&f->keys, value);
	} else if (sv_eq(name, SV("wrong-type"))) {
		add_word(&f->types, value);
	} else {
		kept = arena_alloc(&f->arena, sizeof *kept);
		*kept = arena_dup(&f->arena, value);
		map_put(&f->map, arena_dup(&f->arena, name), kept);
	}
}

static bool has(const struct facts *f, const char *name)
{
	return map_get(&f->map, sv_of(name)) != NULL;
}

static struct sv text(const struct facts *f, const char *name)
{
	const struct sv *value = map_get(&f->map, sv_of(name));

	return value ? *value : SV("");
}

static bool is(const struct facts *f, const char *name, const char *value)
{
	return sv_eq(text(f, name), sv_of(value));
}

static int64_t number(const struct facts *f, const char *name)
{
	struct sv value = text(f, name);
	bool negative = sv_take(&value, SV("-"));
	uint64_t n;

	return !sv_u64(value, INT64_MAX, &n) ? 0 : negative ? -(int64_t)n : (int64_t)n;
}

static void check_reply(struct facts *f)
{
	int64_t us = number(f, "reply-us");
	bool slow = us > SLOW_US;

	doctor_tell(f->d, slow ? FINDING_WARNING : FINDING_OK, "server",
		slow ? "a policy request waits for it at every new recipient: put Redis on this host or a near one" : "",
		"Redis at %s answers in %" PRId64 ".%02" PRId64 " ms", f->d->config->redis_address, us / 1000, us % 1000 / 10);
}

static void check_version(struct facts *f)
{
	struct sv version = text(f, "redis_version"), rest = version;
	uint64_t major = 0, minor = 0;
	bool known = sv_u64(sv_cut(&rest, '.'), 1000, &major) && sv_u64(sv_cut(&rest, '.'), 1000, &minor);

	if (!known)
		return;
	if (major < VERSION_MIN)
		doctor_tell(f->d, FINDING_ERROR, "version", "upgrade Redis; nixie is tested with 7.0", "%.*s has no streams", SV_ARG(version));
	else if (major < VERSION_USERS && f->d->config->redis_user[0])
		doctor_tell(f->d, FINDING_ERROR, "version", "upgrade Redis, or leave redis.user empty", "%.*s knows no users", SV_ARG(version));
	else if (major < VERSION_USERS || (major == VERSION_USERS && minor < MINOR_JOURNAL))
		doctor_tell(f->d, FINDING_WARNING, "version", "upgrade Redis to 6.2 or newer; nixie is tested with 7.0",
			"%.*s: what reads the whole journal does not work", SV_ARG(version));
	else
		doctor_tell(f->d, FINDING_OK, "version", "", "%.*s%s", SV_ARG(version), major < 7 ? "; nixie is tested with 7.0" : "");
}

static void check_data(struct facts *f)
{
	const struct config *c = f->d->config;
	struct sv schema = text(f, "meta.schema"), partitions = text(f, "meta.partitions");

	if (has(f, "no-meta"))
		doctor_tell(f->d, FINDING_ERROR, "data", "", "%s:meta: %.*s", c->redis_prefix, SV_ARG(text(f, "no-meta")));
	else if (!has(f, "meta.partitions") && (!has(f, "meta.schema") || number(f, "meta.schema") == SCHEMA_VERSION))
		doctor_tell(f->d, FINDING_OK, "data", "", "none of nixie yet; the first program that writes begins it");
	else if (number(f, "meta.schema") != SCHEMA_VERSION || number(f, "meta.partitions") < 1 || number(f, "meta.partitions") > SCHEMA_PARTITIONS_MAX)
		doctor_tell(f->d, FINDING_ERROR, "data", "upgrade nixie, or set another redis.prefix or redis.database",
			"%s:meta says schema %.*s and %.*s partitions, this program knows schema %d with 1 to %d", c->redis_prefix,
			SV_ARG(schema), SV_ARG(partitions), SCHEMA_VERSION, SCHEMA_PARTITIONS_MAX);
	else if (number(f, "meta.partitions") == 1 && number(f, "servers") > 1)
		doctor_tell(f->d, FINDING_WARNING, "data", "begin anew with another redis.prefix and redis.partitions = 64: nixie-redis(7), Another number of partitions",
			"1 partition: one node of the cluster holds all of it");
	else
		doctor_tell(f->d, FINDING_OK, "data", "", "schema %.*s, prefix %s, partitions %.*s", SV_ARG(schema), c->redis_prefix, SV_ARG(partitions));
	if (f->types.n)
		doctor_tell(f->d, FINDING_ERROR, "data", "another program uses these names: set another redis.prefix or redis.database",
			"keys that hold something else: %.*s", SV_ARG(buf_sv(&f->types)));
}

static void check_role(struct facts *f)
{
	bool master = is(f, "role", "master");

	if (is(f, "cluster_enabled", "1") && !sv_starts(sv_of(f->d->config->redis_address), SV("cluster:")))
		doctor_tell(f->d, FINDING_ERROR, "role", "set redis.address to cluster:HOST:PORT,HOST:PORT with some of its nodes",
			"the server is part of a cluster");
	else
		doctor_tell(f->d, master ? FINDING_OK : FINDING_ERROR, "role",
			master ? "" : "set redis.address to the master, or say REPLICAOF NO ONE if this shall be it",
			"%.*s%s", SV_ARG(text(f, "role")), master ? "" : ": a replica, which takes no writes");
	if (has(f, "no-writes") && master)
		doctor_tell(f->d, FINDING_ERROR, "writes", "until it is mended, nixie-logtail waits, and nothing new is suppressed",
			"the server refuses to write: %.*s", SV_ARG(text(f, "no-writes")));
}

#define AOF_ADVICE "CONFIG SET appendonly yes, and the same in redis.conf (CONFIG REWRITE)"

static void check_persistence(struct facts *f)
{
	bool aof = is(f, "aof_enabled", "1"), rdb = text(f, "config.save").n > 0;

	if (aof && !is(f, "aof_last_write_status", "ok"))
		doctor_tell(f->d, FINDING_ERROR, "persistence", "look for a full disk and into the log of redis-server",
			"the last write of the append-only file failed");
	else if (is(f, "config.appendfsync", "no") && aof)
		doctor_tell(f->d, FINDING_WARNING, "persistence", "CONFIG SET appendfsync everysec, and the same in redis.conf",
			"appendfsync is no: a crash of the machine loses half a minute of decisions that people made");
	else if (aof)
		doctor_tell(f->d, FINDING_OK, "persistence", "", "append-only file, appendfsync %.*s",
			SV_ARG(has(f, "config.appendfsync") ? text(f, "config.appendfsync") : SV("unknown")));
	else if (rdb || !has(f, "config.save"))
		doctor_tell(f->d, FINDING_WARNING, "persistence", AOF_ADVICE,
			"no append-only file: a crash loses all since the last snapshot. The logs are read again, what people decided is gone");
	else
		doctor_tell(f->d, FINDING_ERROR, "persistence", AOF_ADVICE,
			"neither append-only file nor snapshots: a restart forgets everything");
	if (is(f, "aof_last_bgrewrite_status", "err") || is(f, "rdb_last_bgsave_status", "err"))
		doctor_tell(f->d, FINDING_ERROR, "persistence", "look for a full disk or too little memory, and into the log of redis-server",
			"the last %s in the background failed", is(f, "rdb_last_bgsave_status", "err") ? "snapshot" : "rewriting of the append-only file");
}

static void check_eviction(struct facts *f)
{
	struct sv policy = text(f, "maxmemory_policy");
	int64_t evicted = number(f, "evicted_keys");
	static const char advice[] = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";

	if (number(f, "maxmemory") == 0)
		doctor_tell(f->d, FINDING_OK, "eviction", "", "no maxmemory, nothing is evicted");
	else if (sv_starts(policy, SV("allkeys")))
		doctor_tell(f->d, FINDING_ERROR, "eviction", advice,
			"maxmemory is set and maxmemory-policy is %.*s: a server that evicts forgets whom not to write to", SV_ARG(policy));
	else if (!sv_eq(policy, SV("noeviction")))
		doctor_tell(f->d, FINDING_WARNING, "eviction", advice,
			"maxmemory is set and maxmemory-policy is %.*s: windows, histories and counters may go before their time", SV_ARG(policy));
	else
		doctor_tell(f->d, FINDING_OK, "eviction", "", "maxmemory-policy noeviction");
	if (evicted)
		doctor_tell(f->d, FINDING_WARNING, "eviction", "what is gone is gone: compare nixie list with a backup",
			"%" PRId64 " keys have been evicted since the server started", evicted);
}

static void check_memory(struct facts *f)
{
	int64_t used = number(f, "used_memory"), limit = number(f, "maxmemory"), total = number(f, "total_system_memory");
	const char *of = limit ? "of maxmemory" : "of the machine's";

	limit = limit ? limit : total;
	if (limit <= 0)
		return;
	/* in doubles: what a server says may be anything */
	double percent = 100.0 * (double)used / (double)limit;
	enum finding finding = percent >= MEMORY_ERROR_PERCENT ? FINDING_ERROR : percent >= MEMORY_WARNING_PERCENT ? FINDING_WARNING : FINDING_OK;
	doctor_tell(f->d, finding, "memory", finding == FINDING_OK ? "" :
		"nixie-redis(7), \"Memory\", tells what an address takes; a server without memory takes no writes, and nothing new is suppressed",
		"%.1f MiB used, %.0f %% %s %.1f MiB", (double)used / 1048576, percent, of, (double)limit / 1048576);
}

/* Renamed in 7.0. */
static int64_t either(const struct facts *f, const char *name, const char *old_name)
{
	return number(f, has(f, name) ? name : old_name);
}

static void check_encoding(struct facts *f)
{
	int64_t hash = either(f, "config.hash-max-listpack-value", "config.hash-max-ziplist-value");
	int64_t zset = either(f, "config.zset-max-listpack-value", "config.zset-max-ziplist-value");
	int64_t node = number(f, "config.stream-node-max-bytes");
	bool good = hash >= STATE_TEXT_MAX && zset >= ZSET_VALUE_MIN && node > 0 && node <= STREAM_NODE_MAX;

	doctor_tell(f->d, good ? FINDING_OK : FINDING_WARNING, "encoding", good ? "" :
		"set hash-max-listpack-value 512, zset-max-listpack-value 256 (before 7.0 hash-max-ziplist-value, zset-max-ziplist-value) "
		"and stream-node-max-bytes 1024 in redis.conf, and with CONFIG SET",
		"hashes are packed up to values of %" PRId64 " bytes, sorted sets up to %" PRId64 ", streams in nodes of %" PRId64 "%s",
		hash, zset, node, good ? "" : ": an address takes up to three times the memory");
}

static void check_clock(struct facts *f)
{
	int64_t ms = number(f, "ahead-ms"), abs_ms = ms < 0 ? -ms : ms;

	if (!has(f, "ahead-ms"))
		return;
	doctor_tell(f->d, abs_ms > SKEW_MS ? FINDING_WARNING : FINDING_OK, "clock",
		abs_ms > SKEW_MS ? "set both by NTP (timedatectl): terms begin by one clock and expire by the other" : "",
		"the server's is %" PRId64 ".%03" PRId64 " s %s this host's", abs_ms / 1000, abs_ms % 1000, ms < 0 ? "behind" : "ahead of");
}

/* "hset, script|load" to "+hset +script|load" */
static void acl_words(struct buf *b, struct sv words)
{
	while (words.n) {
		struct sv word = sv_trim(sv_cut(&words, ','));
		buf_addf(b, " +%.*s", SV_ARG(word));
	}
}

static void check_rights(struct facts *f)
{
	const char *user = f->d->config->redis_user[0] ? f->d->config->redis_user : "default";
	char advice[800];
	struct buf b = BUF_ON(advice);

	if (!f->commands.n && !f->keys.n)
		doctor_tell(f->d, FINDING_OK, "rights", "", "user %s may do all that nixie does", user);
	if (f->commands.n) {
		buf_addf(&b, "ACL SETUSER %s", user);
		acl_words(&b, buf_sv(&f->commands));
		doctor_tell(f->d, FINDING_ERROR, "rights", buf_cstr(&b), "user %s may not use, or the server does not know: %.*s", user,
			SV_ARG(buf_sv(&f->commands)));
	}
	if (f->keys.n) {
		buf_reset(&b);
		buf_addf(&b, "ACL SETUSER %s ~%s:*", user, f->d->config->redis_prefix);
		doctor_tell(f->d, FINDING_ERROR, "rights", buf_cstr(&b), "user %s may not use the keys %.*s", user, SV_ARG(buf_sv(&f->keys)));
	}
	if (has(f, "no-lua"))
		doctor_tell(f->d, FINDING_ERROR, "scripts", "nixie-logtail writes by scripts: look into the log of redis-server",
			"a script fails: %.*s", SV_ARG(text(f, "no-lua")));
}

/* What a user for nixie alone need not be allowed. */
static void tell_unseen(struct facts *f)
{
	static const char advice[] = "to see all, ask as an administrator: nixie -o redis.user=... -o redis.password=... doctor";

	if (has(f, "no-info"))
		doctor_tell(f->d, FINDING_WARNING, "settings", advice, "role, persistence and memory cannot be seen: %.*s", SV_ARG(text(f, "no-info")));
	if (has(f, "no-config"))
		doctor_tell(f->d, FINDING_WARNING, "settings", advice, "not all settings can be seen: %.*s", SV_ARG(text(f, "no-config")));
}

static void check_all(struct facts *f)
{
	check_reply(f);
	if (!has(f, "no-info"))
		check_version(f);
	if (number(f, "server") == 0) { /* of all of them */
		check_data(f);
		check_rights(f);
	}
	if (!has(f, "no-info")) {
		check_role(f);
		check_persistence(f);
		check_eviction(f);
		check_memory(f);
	}
	if (!has(f, "no-config"))
		check_encoding(f);
	check_clock(f);
	tell_unseen(f);
}

/* The server of this number; *n_r: how many there are. */
static int check_server(struct doctor *d, size_t server, int64_t *n_r)
{
	struct facts *f = xalloc(sizeof *f);
	char about[64];
	struct err err;

	f->d = d;
	f->commands = (struct buf)BUF_ON(f->room[0]);
	f->keys = (struct buf)BUF_ON(f->room[1]);
	f->types = (struct buf)BUF_ON(f->room[2]);
	enum store_result result = store_facts(d->config, server, on_fact, f, &err);
	*n_r = number(f, "servers");
	(void)snprintf(about, sizeof about, "%.*s", SV_ARG(text(f, "server-name")));
	d->about = *n_r > 1 ? about : NULL;
	if (result == STORE_OK)
		check_all(f);
	else
		doctor_tell(d, FINDING_ERROR, "server", "", "%s", err.text);
	d->about = NULL;
	map_free(&f->map);
	arena_free(&f->arena);
	free(f);
	return result == STORE_OK ? EXIT_OK : EXIT_STORE;
}

int doctor_server(struct doctor *d)
{
	int64_t n = 1;
	int code = EXIT_OK;

	for (size_t i = 0; code == EXIT_OK && (int64_t)i < n; i++)
		code = check_server(d, i, &n);
	return code;
}

static void count_alert(void *arg, const struct alert *alert)
{
	size_t *n = arg;

	(void)alert;
	++*n;
}

void doctor_alerts(struct doctor *d)
{
	struct store *store = store_redis(d->config);
	struct arena arena = { 0 };
	struct err err;
	size_t n = 0;

	if (store_alerts(store, &arena, count_alert, &n, &err) != STORE_OK)
		doctor_tell(d, FINDING_ERROR, "alerts", "", "%s", err.text);
	else if (n)
		doctor_tell(d, FINDING_WARNING, "alerts", "nixie alerts", "%zu %s open", n, n == 1 ? "alert is" : "alerts are");
	else
		doctor_tell(d, FINDING_OK, "alerts", "", "none is open");
	arena_free(&arena);
	store_free(store);
}
