/* The nodes of a Redis Cluster as one store of keys: commands, and where they are sent. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "servers_ops.h"

/* ---- a command ---- */

/* A copy, so that it can be sent again. */
static struct command *command_new(struct servers *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	struct cluster *cl = s->cluster;
	size_t bytes = 0;

	for (size_t i = 0; i < argc; i++)
		bytes += argv[i].n;
	struct command *c = xalloc(sizeof *c + argc * sizeof *argv + bytes);
	char *p = (char *)(c->argv + argc);
	c->callback = callback;
	c->arg = arg;
	c->asked_ms = clock_mono_ms();
	c->greeting = cl->state == CLUSTER_GREETING;
	c->argc = argc;
	for (size_t i = 0; i < argc; i++) {
		c->argv[i] = sv_make(p, argv[i].n);
		if (argv[i].n)
			p = (char *)memcpy(p, argv[i].p, argv[i].n) + argv[i].n;
	}
	c->prev = cl->last;
	*(cl->last ? &cl->last->next : &cl->first) = c;
	cl->last = c;
	cl->waiting++;
	cl->greetings += c->greeting;
	return c;
}

struct command *command_own(struct servers *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	struct command *c = command_new(s, argc, argv, callback, arg);

	s->cluster->waiting--;
	s->cluster->greetings -= c->greeting;
	c->greeting = false;
	c->own = c->pinned = true;
	return c;
}

static void greeting_failed(struct servers *s)
{
	struct cluster *cl = s->cluster;

	cl->state = CLUSTER_MAPPED;
	cl->greeting_ms = clock_mono_ms() + servers_pause(&cl->greeting_pause_ms);
	s->failures++;
	if (s->problem[0])
		servers_tell(s);
}

/* Runs the callback, once. */
static void answer(struct servers *s, struct command *c, const struct value *reply)
{
	struct cluster *cl = s->cluster;
	redis_callback *callback = c->callback;

	if (!callback)
		return;
	c->callback = NULL;
	*(c->prev ? &c->prev->next : &cl->first) = c->next;
	*(c->next ? &c->next->prev : &cl->last) = c->prev;
	cl->waiting -= !c->own;
	callback(c->arg, reply);
	cl->greetings -= c->greeting;
	if (c->greeting && cl->greetings == 0 && cl->state == CLUSTER_GREETING && !cl->dying)
		greeting_failed(s); /* it has neither accepted nor rejected */
}

/* Always false. */
static bool finish(struct servers *s, struct command *c, const struct value *reply)
{
	answer(s, c, reply);
	free(c);
	return false;
}

/* ---- sending ---- */

static void on_reply(void *arg, const struct value *reply);

static void on_asking(void *arg, const struct value *reply)
{
	(void)arg, (void)reply; /* if it went wrong, the command behind it tells */
}

static bool transmit(struct node *node, struct command *c)
{
	static const struct sv asking[] = { { "ASKING", 6 } };

	if (c->asking)
		(void)redis_command(node->redis, 1, asking, on_asking, NULL);
	return redis_command(node->redis, c->argc, c->argv, on_reply, c);
}

bool command_send(struct node *node, struct command *c)
{
	struct servers *s = node->servers;

	c->node = node;
	node->used = true;
	s->cluster->unsent = true;
	if (node->state == NODE_IDLE)
		node_open(node);
	if (node->state == NODE_AWAY || s->cluster->dying) {
		if (node->state == NODE_AWAY)
			servers_note(s, "%s", redis_problem(node->redis));
		map_want(s, true);
		return finish(s, c, NULL);
	}
	node->underway++;
	if (node->state == NODE_READY)
		return transmit(node, c);
	c->follower = NULL;
	*node->held_end = c;
	node->held_end = &c->follower;
	return true;
}

void commands_release(struct node *node)
{
	struct command *c;

	while ((c = node->held)) {
		node->held = c->follower;
		if (!node->held)
			node->held_end = &node->held;
		if (c->callback && node->state == NODE_READY) {
			(void)transmit(node, c);
			continue;
		}
		node->underway--;
		(void)finish(node->servers, c, NULL);
	}
}

/* To the node that serves its slot. */
static bool dispatch(struct servers *s, struct command *c)
{
	uint16_t index = s->cluster->slots[c->slot];

	c->asking = false;
	if (index != NO_NODE)
		return command_send(s->cluster->nodes[index], c);
	servers_note(s, "Redis Cluster at %s: no node serves slot %u; redis-cli --cluster check tells more", s->options.address, c->slot);
	map_want(s, true);
	return finish(s, c, NULL);
}

/* ---- what a node says of other nodes ---- */

/* "MOVED 3999 127.0.0.1:7001", "ASK ..." */
static bool redirect(struct servers *s, struct command *c, struct sv where)
{
	struct cluster *cl = s->cluster;
	struct sv host, port;
	uint64_t slot;

	c->asking = sv_eq(sv_cut(&where, ' '), SV("ASK"));
	if (!sv_u64(sv_cut(&where, ' '), SLOTS - 1, &slot) || !servers_split(where, &host, &port))
		return false;
	uint16_t index = node_named(s, host.n && !sv_eq(host, SV("?")) ? host : node_host(c->node), port);
	if (index == NO_NODE)
		return false;
	if (!c->asking) {
		cl->slots[slot] = index;
		map_want(s, false);
	}
	if (c->redirects++ >= SERVERS_REDIRECTS_MAX) {
		servers_note(s, "Redis Cluster at %s: slot %u is sent from node to node; redis-cli --cluster check tells more",
			s->options.address, c->slot);
		map_want(s, true);
		return false;
	}
	(void)command_send(cl->nodes[index], c);
	return true;
}

static void again_later(struct cluster *cl, struct command *c)
{
	c->again_ms = clock_mono_ms() + SERVERS_AGAIN_MS;
	c->redirects = 0; /* the clock bounds these */
	c->follower = NULL;
	*cl->again_end = c;
	cl->again_end = &c->follower;
}

static void on_error(struct servers *s, struct command *c, const struct value *reply)
{
	struct sv text = value_text(reply);

	if (sv_starts(text, SV("TRYAGAIN"))) {
		again_later(s->cluster, c);
	} else if (sv_starts(text, SV("MOVED ")) || sv_starts(text, SV("ASK "))) {
		if (!redirect(s, c, text))
			(void)finish(s, c, NULL);
	} else if (servers_is_outage(text)) {
		servers_note(s, "Redis at %s: %.*s", c->node->address, SV_ARG(text));
		map_want(s, true);
		(void)finish(s, c, NULL);
	} else {
		(void)finish(s, c, reply);
	}
}

static void on_reply(void *arg, const struct value *reply)
{
	struct command *c = arg;
	struct servers *s = c->node->servers;

	c->node->underway--;
	c->node->hangs = !reply && (c->node->hangs || redis_is_ready(c->node->redis));
	if (!reply) {
		c->node->slow = true; /* of a lost connection, on_connected() takes it back */
		map_want(s, true);
	}
	if (reply && c->callback && !c->pinned && value_type(reply) == VALUE_ERROR)
		on_error(s, c, reply);
	else
		(void)finish(s, c, reply);
}

/* ---- for servers.c ---- */

bool cluster_command(struct servers *s, struct sv key, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	if (s->cluster->state < CLUSTER_GREETING || s->cluster->dying) {
		callback(arg, NULL);
		return false;
	}
	struct command *c = command_new(s, argc, argv, callback, arg);
	c->slot = slot_of(key);
	return dispatch(s, c);
}

bool cluster_command_at(struct servers *s, size_t i, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	struct node *node = s->cluster->state < CLUSTER_GREETING || s->cluster->dying ? NULL : node_mapped(s->cluster, i);

	if (!node) {
		callback(arg, NULL);
		return false;
	}
	struct command *c = command_new(s, argc, argv, callback, arg);
	c->pinned = true;
	return command_send(node, c);
}

void cluster_ready_now(struct servers *s)
{
	struct cluster *cl = s->cluster;

	if (cl->state != CLUSTER_GREETING)
		return;
	cl->state = CLUSTER_READY;
	cl->greeting_pause_ms = 0;
	servers_well(s, s->options.address);
}

void cluster_reject(struct servers *s)
{
	if (s->cluster->state >= CLUSTER_GREETING)
		greeting_failed(s);
}

static void greet(struct servers *s)
{
	struct cluster *cl = s->cluster;

	cl->state = CLUSTER_GREETING;
	if (s->options.database)
		servers_reject(s, "redis.database is %lld, and a Redis Cluster has no other than 0; set it to 0, and another redis.prefix "
			"if this cluster holds other data of nixie", (long long)s->options.database);
	else if (s->options.greeting)
		s->options.greeting(s->options.arg);
	else
		cluster_ready_now(s);
	if (cl->state == CLUSTER_GREETING && cl->greetings == 0)
		greeting_failed(s);
}

static void service_commands(struct servers *s)
{
	struct cluster *cl = s->cluster;
	int64_t now_ms = clock_mono_ms();
	struct command *c;

	while ((c = cl->first) && now_ms - c->asked_ms >= s->options.timeout_ms) {
		if (c->again_ms) {
			servers_note(s, "Redis Cluster at %s: slot %u is being moved to another node", s->options.address, c->slot);
			map_want(s, true);
		}
		answer(s, c, NULL); /* whoever has it frees it */
	}
	while ((c = cl->again_first) && now_ms >= c->again_ms) {
		cl->again_first = c->follower;
		if (!cl->again_first)
			cl->again_end = &cl->again_first;
		if (c->callback)
			(void)dispatch(s, c);
		else
			free(c);
	}
}

void cluster_service(struct servers *s, short revents)
{
	struct cluster *cl = s->cluster;

	if (cl->in_service) /* a callback called us */
		return;
	cl->in_service = true;
	cl->unsent = false;
	nodes_service(s, revents != 0);
	service_commands(s);
	map_service(s);
	if (cl->state == CLUSTER_MAPPED && clock_mono_ms() >= cl->greeting_ms)
		greet(s);
	nodes_tidy(s);
	cl->in_service = false;
}

/* The less of both, where -1 is never. */
static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

int cluster_timeout_ms(const struct servers *s)
{
	const struct cluster *cl = s->cluster;
	int64_t at_ms = map_due_ms(cl);
	int nodes_ms = nodes_timeout_ms(cl);

	if (cl->unsent)
		return 0;
	if (cl->first)
		at_ms = sooner(at_ms, cl->first->asked_ms + s->options.timeout_ms);
	if (cl->again_first)
		at_ms = sooner(at_ms, cl->again_first->again_ms);
	if (cl->state == CLUSTER_MAPPED)
		at_ms = sooner(at_ms, cl->greeting_ms);
	if (at_ms < 0)
		return nodes_ms;
	int64_t wait_ms = at_ms - clock_mono_ms();
	return (int)sooner(wait_ms < 0 ? 0 : wait_ms > 60000 ? 60000 : wait_ms, nodes_ms);
}

/* ---- making ---- */

void cluster_new(struct servers *s, struct sv endpoints)
{
	struct cluster *cl = xalloc(sizeof *cl);
	struct sv host, port;

	s->cluster = cl;
	cl->nodes = xalloc(SERVERS_MAX * sizeof *cl->nodes);
	cl->again_end = &cl->again_first;
	cl->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (cl->epoll < 0)
		servers_note(s, "no epoll descriptor: %m; raise the limit of open files");
	memset(cl->slots, 0xff, sizeof cl->slots); /* NO_NODE */
	while (endpoints.n) {
		if (!servers_split(sv_cut(&endpoints, ','), &host, &port))
			continue; /* servers_address_check() has told */
		uint16_t index = node_named(s, host, port);
		if (index != NO_NODE)
			cl->nodes[index]->seed = true;
	}
	cl->asked_at = cl->n ? cl->n - 1 : 0; /* the first comes first */
	cl->map_wanted = cl->n > 0;
}

void cluster_free(struct servers *s)
{
	struct cluster *cl = s->cluster;
	struct command *c;

	cl->dying = true;
	for (size_t i = 0; i < cl->n; i++) {
		if (!cl->nodes[i])
			continue;
		cl->nodes[i]->state = NODE_AWAY;
		commands_release(cl->nodes[i]);
		node_free(s, i);
	}
	while ((c = cl->again_first)) {
		cl->again_first = c->follower;
		(void)finish(s, c, NULL);
	}
	if (cl->epoll >= 0)
		close(cl->epoll);
	free(cl->nodes);
	free(cl);
}
