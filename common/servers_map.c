/* Which node of a cluster serves which slot: CLUSTER SLOTS, and Redis's rule for keys. */
#include "buf.h"
#include "clock.h"
#include "servers_ops.h"

/* CRC-16/XMODEM of what stands between the first { and the next }, if anything does; else of all. */
unsigned slot_of(struct sv key)
{
	struct sv tag = key;
	struct sv before = sv_cut(&tag, '{');
	size_t n = sv_find(tag, '}');
	unsigned crc = 0;

	if (before.n < key.n && n > 0 && n < tag.n)
		key = sv_head(tag, n);
	for (size_t i = 0; i < key.n; i++) {
		crc ^= (unsigned)(unsigned char)key.p[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
	}
	return crc % SLOTS;
}

/* ---- taking it: a list of {first slot, last slot, {host, port, ...} of the master, replicas...} ---- */

static bool range_parse(const struct value *range, size_t *from_r, size_t *to_r, const struct value **master_r)
{
	int64_t from, to;

	if (value_count(range) < 3)
		return false;
	from = value_number(value_at(range, 0));
	to = value_number(value_at(range, 1));
	*master_r = value_at(range, 2);
	*from_r = (size_t)from;
	*to_r = (size_t)to;
	return from >= 0 && from <= to && to < SLOTS && value_count(*master_r) >= 2;
}

static bool map_take(struct servers *s, struct node *told_by, const struct value *reply)
{
	struct cluster *cl = s->cluster;
	const struct value *master;
	size_t from, to;
	char port[24] = "";
	uint64_t hash = 0; /* of all ranges in any order: each node tells them in its own */

	if (value_count(reply) == 0)
		return false;
	for (size_t i = 0; i < value_count(reply); i++)
		if (!range_parse(value_at(reply, i), &from, &to, &master))
			return false;
	memset(cl->slots, 0xff, sizeof cl->slots); /* NO_NODE */
	for (size_t i = 0; i < cl->n; i++)
		if (cl->nodes[i])
			cl->nodes[i]->mapped = cl->nodes[i]->used = false;
	for (size_t i = 0; i < value_count(reply); i++) {
		(void)range_parse(value_at(reply, i), &from, &to, &master);
		struct sv host = value_text(value_at(master, 0));
		struct buf b = BUF_ON(port);
		buf_addf(&b, "%lld", (long long)value_number(value_at(master, 1)));
		uint16_t index = node_named(s, host.n && !sv_eq(host, SV("?")) ? host : node_host(told_by), buf_sv(&b));
		if (index == NO_NODE)
			continue;
		cl->nodes[index]->mapped = true;
		for (size_t slot = from; slot <= to; slot++)
			cl->slots[slot] = index;
		hash += (sv_hash(sv_of(cl->nodes[index]->address)) ^ from * SLOTS ^ to) * 0x9e3779b97f4a7c15u;
	}
	cl->epoch += hash != cl->map_hash;
	cl->map_hash = hash;
	return true;
}

/* ---- asking ---- */

static bool all_well(const struct cluster *cl)
{
	for (size_t i = 0; i < cl->n; i++)
		if (cl->nodes[i] && cl->nodes[i]->mapped && cl->nodes[i]->state == NODE_AWAY)
			return false;
	return true;
}

static void map_failed(struct servers *s, bool nobody_left)
{
	struct cluster *cl = s->cluster;
	size_t n = 0;

	for (size_t i = 0; i < cl->n; i++)
		n += cl->nodes[i] != NULL;
	cl->map_wanted = true;
	cl->map_ms = 0; /* the next one at once */
	if (++cl->tried < n && !nobody_left)
		return;
	cl->tried = 0;
	cl->map_ms = clock_mono_ms() + servers_pause(&cl->map_pause_ms);
	s->failures++;
	servers_tell(s);
}

static void map_arrived(struct servers *s)
{
	struct cluster *cl = s->cluster;

	cl->tried = 0;
	if (cl->state == CLUSTER_UNKNOWN)
		cl->state = CLUSTER_MAPPED;
	if (cl->outage || !all_well(cl)) { /* perhaps a fail-over is underway */
		cl->map_wanted = true;
		cl->outage = false;
		cl->map_ms = clock_mono_ms() + servers_pause(&cl->map_pause_ms);
		return;
	}
	cl->map_pause_ms = 0;
	if (cl->state == CLUSTER_READY)
		servers_well(s, s->options.address);
}

static void on_map(void *arg, const struct value *reply)
{
	struct node *node = arg;
	struct servers *s = node->servers;

	s->cluster->map_asked = false;
	if (s->cluster->dying)
		return;
	if (reply && value_type(reply) == VALUE_LIST && map_take(s, node, reply)) {
		node->slow = false;
		map_arrived(s);
		return;
	}
	if (!reply)
		node->slow = true; /* a lost connection has its own text */
	else if (value_type(reply) == VALUE_ERROR)
		servers_note(s, "Redis at %s: %.*s%s", node->address, SV_ARG(value_text(reply)),
			sv_find_sv(value_text(reply), SV("cluster support disabled")) < value_text(reply).n ?
			"; it is no node of a cluster: set redis.address to inet:HOST:PORT" :
			sv_starts(value_text(reply), SV("NOPERM")) ? "; let the user say CLUSTER SLOTS (ACL SETUSER ... +cluster|slots)" : "");
	else
		servers_note(s, "Redis at %s knows of no slots; is the cluster made (redis-cli --cluster create)?", node->address);
	map_failed(s, false);
}

/* The next node in turn of those that `fit`: 0, mapped and well; 1, not away. */
static struct node *candidate(struct cluster *cl, int fit)
{
	for (size_t k = 1; k <= cl->n; k++) {
		size_t i = (cl->asked_at + k) % cl->n;
		struct node *node = cl->nodes[i];
		if (!node || node->state == NODE_AWAY || (fit == 0 && (!node->mapped || node->slow)))
			continue;
		cl->asked_at = i;
		return node;
	}
	return NULL;
}

void map_want(struct servers *s, bool outage)
{
	s->cluster->map_wanted = true;
	s->cluster->outage |= outage;
}

void map_service(struct servers *s)
{
	static const struct sv argv[] = { { "CLUSTER", 7 }, { "SLOTS", 5 } };
	struct cluster *cl = s->cluster;

	if (!cl->map_wanted || cl->map_asked || clock_mono_ms() < cl->map_ms)
		return;
	struct node *node = candidate(cl, 0);
	if (!node)
		node = candidate(cl, 1);
	cl->map_wanted = false;
	cl->map_ms = clock_mono_ms() + REDIS_RETRY_MIN_MS; /* however often it is wanted */
	if (!node) { /* redis.c tries them again */
		map_failed(s, true);
		return;
	}
	cl->map_asked = true;
	(void)command_send(node, command_own(s, 2, argv, on_map, node));
}

int64_t map_due_ms(const struct cluster *cl)
{
	return cl->map_wanted && !cl->map_asked ? cl->map_ms : -1;
}
