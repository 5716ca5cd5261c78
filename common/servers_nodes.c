/* The nodes of a cluster and their connections, in one epoll descriptor. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "arena.h"
#include "servers_ops.h"

#define EVENTS_MAX 64

/* ---- who they are ---- */

const char *server_node_name(const struct node *node)
{
	return node->address + sizeof "inet:" - 1;
}

struct sv node_host(const struct node *node)
{
	struct sv host, port;

	return servers_split(sv_of(server_node_name(node)), &host, &port) ? host : sv_make("", 0);
}

uint16_t node_named(struct servers *s, struct sv host, struct sv port)
{
	struct cluster *cl = s->cluster;
	char *address = servers_inet(host, port);
	size_t at = cl->n;

	for (size_t i = cl->n; i-- > 0;) {
		if (!cl->nodes[i])
			at = i;
		else if (strcmp(cl->nodes[i]->address, address) == 0) {
			free(address);
			return (uint16_t)i;
		}
	}
	if (at == SERVERS_MAX) {
		servers_note(s, "Redis Cluster at %s has more than %d nodes; the others are not used", s->options.address, SERVERS_MAX);
		servers_tell(s);
		free(address);
		return NO_NODE;
	}
	cl->nodes[at] = xalloc(sizeof **cl->nodes);
	*cl->nodes[at] = (struct node){ .servers = s, .address = address };
	cl->nodes[at]->held_end = &cl->nodes[at]->held;
	if (at == cl->n)
		cl->n++;
	return (uint16_t)at;
}

struct node *node_mapped(const struct cluster *cl, size_t i)
{
	for (size_t k = 0; k < cl->n; k++)
		if (cl->nodes[k] && cl->nodes[k]->mapped && i-- == 0)
			return cl->nodes[k];
	return NULL;
}

/* ---- connections ---- */

/* PING: an answer shows that the password is right. */
static void on_ping(void *arg, const struct value *reply)
{
	struct node *node = arg;
	struct sv text = reply ? value_text(reply) : sv_make("", 0);

	if (!reply || node->servers->cluster->dying)
		return;
	if (value_type(reply) == VALUE_ERROR && !sv_starts(text, SV("NOPERM"))) {
		redis_reject(node->redis, "%.*s%s", SV_ARG(text),
			sv_starts(text, SV("NOAUTH")) ? "; set redis.password (and redis.user for an ACL user)" : "");
		return;
	}
	redis_ready_now(node->redis);
	node->slow = node->hangs = false;
	node->state = NODE_READY;
	commands_release(node);
}

static void on_connected(void *arg)
{
	static const struct sv argv[] = { { "PING", 4 } };
	struct node *node = arg;

	(void)redis_command(node->redis, 1, argv, on_ping, node);
}

static void on_lost(void *arg)
{
	struct node *node = arg;
	struct servers *s = node->servers;

	servers_note(s, "%s", redis_problem(node->redis));
	if (s->cluster->state >= CLUSTER_GREETING) /* before, it is one of several that are tried */
		servers_tell(s);
	map_want(s, true);
	/* one that was there is dialled again at once; but it was given up because it hangs, and probably still does */
	node->state = node->state == NODE_READY && !(node->hangs && s->options.impatient) ? NODE_CONNECTING : NODE_AWAY;
	if (node->state == NODE_AWAY)
		commands_release(node);
}

void node_open(struct node *node)
{
	const struct servers_options *o = &node->servers->options;
	const struct redis_options options = { .address = node->address, .user = o->user, .password = o->password,
		.timeout_ms = o->timeout_ms, .impatient = o->impatient, .tls = o->tls, .greeting = on_connected, .arg = node, .quiet = true, .lost = on_lost };

	node->redis = redis_new(&options);
	node->state = NODE_CONNECTING;
}

static void node_close(struct node *node)
{
	redis_free(node->redis);
	node->redis = NULL;
	node->state = NODE_IDLE;
	node->slow = node->hangs = false;
}

void node_free(struct servers *s, size_t i)
{
	struct node *node = s->cluster->nodes[i];

	node_close(node);
	free(node->address);
	free(node);
	s->cluster->nodes[i] = NULL;
}

/* ---- epoll ---- */

void nodes_service(struct servers *s, bool readable)
{
	struct cluster *cl = s->cluster;
	struct epoll_event events[EVENTS_MAX];
	int n = readable ? epoll_wait(cl->epoll, events, EVENTS_MAX, 0) : 0;

	for (int i = 0; i < n; i++) {
		const struct node *node = events[i].data.ptr;
		redis_service(node->redis, redis_revents(events[i].events));
	}
	for (size_t i = 0; i < cl->n; i++) /* writes, and looks at the clock */
		if (cl->nodes[i] && cl->nodes[i]->redis)
			redis_service(cl->nodes[i]->redis, 0);
}

void nodes_tidy(struct servers *s)
{
	struct cluster *cl = s->cluster;
	bool known = cl->state != CLUSTER_UNKNOWN && !cl->map_wanted && !cl->map_asked;

	for (size_t i = 0; i < cl->n; i++) {
		struct node *node = cl->nodes[i];
		bool needed = !node || node->mapped || node->used || node->underway || !known;
		if (!needed && !node->seed)
			node_free(s, i);
		else if (!needed && node->redis)
			node_close(node);
		else if (node && node->redis)
			redis_watch(node->redis, cl->epoll, node);
	}
	while (cl->n && !cl->nodes[cl->n - 1])
		cl->n--;
}

int nodes_timeout_ms(const struct cluster *cl)
{
	int least_ms = -1;

	for (size_t i = 0; i < cl->n; i++) {
		int ms = cl->nodes[i] && cl->nodes[i]->redis ? redis_timeout_ms(cl->nodes[i]->redis) : -1;
		if (ms >= 0 && (least_ms < 0 || ms < least_ms))
			least_ms = ms;
	}
	return least_ms;
}
