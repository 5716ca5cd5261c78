/* What of `servers` needs no server: addresses, slots, the words of errors. The rest is in tests/e2e. */
#include "test.h"

#include "servers_ops.h"

static void addresses(void **state)
{
	static const struct {
		const char *name, *address;
		bool good;
	} table[] = {
		{ "Unix socket", "unix:/run/redis.sock", true },
		{ "no path", "unix:", false },
		{ "host and port", "inet:127.0.0.1:6379", true },
		{ "IPv6", "inet:[::1]:6379", true },
		{ "no port", "inet:localhost", false },
		{ "port 0", "inet:localhost:0", false },
		{ "no host", "inet::6379", false },
		{ "port too high", "inet:localhost:65536", false },
		{ "two where one is meant", "inet:a:1,b:2", false },
		{ "cluster of one", "cluster:a:7000", true },
		{ "cluster of three", "cluster:a:7000,10.0.0.1:7001,[2001:db8::1]:7002", true },
		{ "nothing between commas", "cluster:a:7000,,b:7001", false },
		{ "blank", "cluster:a:7000, b:x", false },
		{ "cluster of none", "cluster:", false },
		{ "sentinels", "sentinel:mymaster@a:26379,b:26379", true },
		{ "no name", "sentinel:@a:26379", false },
		{ "no sentinel", "sentinel:mymaster@", false },
		{ "no @", "sentinel:a:26379", false },
		{ "no scheme", "127.0.0.1:6379", false },
		{ "nothing", "", false },
	};
	struct err err;

	(void)state;
	EACH(row, table) {
		WANT_INT(servers_address_check(row->address, &err), row->good);
		if (!row->good)
			WANT_PART(err.text, row->address);
	}
}

/* as CLUSTER KEYSLOT of Redis 7.0 answers */
static void slots(void **state)
{
	static const struct {
		const char *name, *key;
		unsigned slot;
	} table[] = {
		{ "the whole key", "foo", 12182 },
		{ "the tag", "{user1000}.following", 3443 },
		{ "the same tag", "x{user1000}y", 3443 },
		{ "an empty tag is none", "foo{}{bar}", 8363 },
		{ "up to the first }", "foo{{bar}}zap", 4015 },
		{ "an open tag is none", "nixie:meta", 150 },
		{ "nothing", "", 0 },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(slot_of(sv_of(row->key)), row->slot);
	WANT(slot_of(SV("a{b")) != slot_of(SV("b")));
}

static void outages(void **state)
{
	(void)state;
	WANT(servers_is_outage(SV("READONLY You can't write against a read only replica.")));
	WANT(servers_is_outage(SV("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against a read only replica.")));
	WANT(servers_is_outage(SV("CLUSTERDOWN The cluster is down")));
	WANT(servers_is_outage(SV("LOADING Redis is loading the dataset in memory")));
	WANT(!servers_is_outage(SV("OOM command not allowed when used memory > 'maxmemory'.")));
	WANT(!servers_is_outage(SV("")));
}

static void endpoints(void **state)
{
	static const struct {
		const char *name, *endpoint, *address;
	} table[] = {
		{ "name", "a:1", "inet:a:1" },
		{ "IPv6 in brackets", "[::1]:7001", "inet:[::1]:7001" },
		{ "IPv6 as MOVED says it", "::1:7001", "inet:[::1]:7001" },
		{ "no host: the one that told", ":7001", "inet::7001" },
	};
	struct sv host, port;

	(void)state;
	EACH(row, table) {
		WANT(servers_split(sv_of(row->endpoint), &host, &port));
		char *address = servers_inet(host, port);
		WANT_STRING(address, row->address);
		free(address);
	}
	WANT(!servers_split(SV("7001"), &host, &port));
	WANT(!servers_split(SV("a:"), &host, &port));
	WANT(!servers_split(SV(""), &host, &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses), cmocka_unit_test(slots), cmocka_unit_test(outages),
		cmocka_unit_test(endpoints) };

	return RUN(tests);
}
