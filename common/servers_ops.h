/* servers_ops: what the files of servers share. Only for servers*.c. */
#ifndef NIXIE_SERVERS_OPS_H
#define NIXIE_SERVERS_OPS_H

#include "log.h"
#include "servers.h"

#define SLOTS 16384
#define NO_NODE UINT16_MAX
/* Sentinels, and nodes for their map, are asked at least so often while something is wrong. */
#define PAUSE_MAX_MS 1000

struct sentinel;
struct cluster;

struct servers {
	struct servers_options options;
	struct redis *redis;       /* the server, or the master that Sentinel named (NULL: none now) */
	struct sentinel *sentinel; /* NULL unless that is the way */
	struct cluster *cluster;   /* likewise */
	unsigned failures;         /* attempts to get ready that came to nothing */
	bool waited_for;           /* somebody waits, and will tell what is wrong */
	bool told;                 /* the log has it */
	struct log_limit limit;
	char problem[512];
};

/* Keeps what is wrong, for servers_problem(). */
void servers_note(struct servers *s, const char *format, ...) NIXIE_PRINTF(2, 3);
/* Logs it, unless somebody waits for us and will tell. */
void servers_tell(struct servers *s);
/* Nothing is wrong any more; `where` says what is well, if the log has the opposite. */
void servers_well(struct servers *s, const char *where);
/* A pause that has grown, with jitter, so that the daemons of a fleet do not come all at once. */
int64_t servers_pause(int64_t *pause_ms);
/* The answer is none: another server must be found, or this one be waited for. */
bool servers_is_outage(struct sv error);
/* "inet:HOST:PORT", to be freed. */
char *servers_inet(struct sv host, struct sv port);
/* "HOST:PORT" at the last colon, [brackets] off. */
bool servers_split(struct sv endpoint, struct sv *host_r, struct sv *port_r) NIXIE_MUST_CHECK;

/* ---- servers_sentinel.c ---- */

void sentinel_new(struct servers *s, struct sv name_and_endpoints);
void sentinel_free(struct servers *s);
void sentinel_ready_now(struct servers *s);
void sentinel_service(struct servers *s, short revents);
void sentinel_wait(struct servers *s);
int sentinel_timeout_ms(const struct servers *s);
unsigned sentinel_generation(const struct servers *s);
struct redis *sentinel_connection(const struct servers *s); /* NULL: none now */
bool sentinel_has_master(const struct servers *s);
/* It has been let in, or is being greeted. */
bool sentinel_may_ask(const struct servers *s);
void sentinel_set_timeout(struct servers *s);

/* ---- a cluster ---- */

struct command {
	struct command *prev, *next; /* of those without an answer, the oldest first */
	struct command *follower;    /* held by a node, or waiting for another try */
	struct node *node;
	redis_callback *callback;    /* NULL: answered by the clock already */
	void *arg;
	int64_t asked_ms, again_ms;
	unsigned slot, redirects;
	bool asking;   /* the node serves the slot to those who say so */
	bool pinned;   /* to its node: not redirected */
	bool greeting; /* sent by the greeting */
	bool own;      /* nobody else's: not waited for */
	size_t argc;
	struct sv argv[];
};

enum node_state {
	NODE_IDLE,       /* no connection was needed */
	NODE_CONNECTING, /* commands are held until it is */
	NODE_READY,
	NODE_AWAY,       /* could not be reached; tried again, by redis.c */
};

struct node {
	struct servers *servers;
	struct redis *redis; /* NULL: idle */
	enum node_state state;
	char *address;       /* "inet:HOST:PORT" */
	struct command *held, **held_end;
	size_t underway;     /* commands, held ones too */
	bool seed;           /* of the configuration */
	bool mapped;         /* serves slots */
	bool used;           /* since the last map: perhaps it is about to */
	bool slow;           /* an answer was overdue: others are asked first */
	bool hangs;          /* an answer is overdue, on a connection that is there */
};

enum cluster_state { CLUSTER_UNKNOWN, CLUSTER_MAPPED, CLUSTER_GREETING, CLUSTER_READY };

struct cluster {
	enum cluster_state state;
	int epoll;
	struct node **nodes; /* NULL where one was; at most SERVERS_MAX */
	size_t n;
	uint16_t slots[SLOTS]; /* indices into nodes, or NO_NODE */
	uint64_t map_hash;     /* of who serves what, as it was told last */
	unsigned epoch;        /* how often that was another */

	struct command *first, *last;                 /* without an answer */
	size_t waiting;                               /* of these, all but our own */
	struct command *again_first, **again_end;     /* told TRYAGAIN, by time */

	/* who serves what */
	bool map_wanted, map_asked;
	bool outage;     /* something was wrong since the last map */
	size_t asked_at; /* the node that was asked last */
	size_t tried;    /* nodes in vain since the last map */
	int64_t map_ms, map_pause_ms; /* not before */

	size_t greetings; /* commands of the greeting underway */
	int64_t greeting_ms, greeting_pause_ms;
	bool in_service, dying;
	bool unsent;      /* commands since the last service */
};

/* servers_cluster.c */
void cluster_new(struct servers *s, struct sv endpoints);
void cluster_free(struct servers *s);
bool cluster_command(struct servers *s, struct sv key, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
bool cluster_command_at(struct servers *s, size_t i, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
void cluster_service(struct servers *s, short revents);
int cluster_timeout_ms(const struct servers *s);
void cluster_wait(struct servers *s);
void cluster_ready_now(struct servers *s);
void cluster_reject(struct servers *s);
/* One of our own, for command_send(). */
struct command *command_own(struct servers *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
/* Sends to the node; false: the callback has run. */
bool command_send(struct node *node, struct command *c);
/* The node's connection is there: what was held for it; or is not to be had: that is answered with nothing. */
void commands_release(struct node *node);

/* servers_nodes.c */
/* Finds or adds; NO_NODE: they are too many. */
uint16_t node_named(struct servers *s, struct sv host, struct sv port);
const char *server_node_name(const struct node *node);
struct sv node_host(const struct node *node);
void node_open(struct node *node);
void node_free(struct servers *s, size_t i);
/* The i-th of those that serve slots. */
struct node *node_mapped(const struct cluster *cl, size_t i);
void nodes_service(struct servers *s, bool readable);
/* Closes what nobody needs any more. */
void nodes_tidy(struct servers *s);
int nodes_timeout_ms(const struct cluster *cl);

/* servers_map.c */
unsigned slot_of(struct sv key);
/* Has the map asked anew. */
void map_want(struct servers *s, bool outage);
/* Asks, when it is time. */
void map_service(struct servers *s);
int64_t map_due_ms(const struct cluster *cl); /* -1: never */

#endif
