/* servers: the Redis servers that hold the data: one, the master that Sentinel
 * names, or the nodes of a Redis Cluster. Client side only; the connections are
 * redis.h's, and so are the semantics: every callback runs exactly once, with
 * NULL when there is no answer; nothing blocks but servers_wait*(); one thread.
 *
 * One server: a pass-through.
 *
 * Sentinel: the sentinels are asked in turn where the master is; a server that
 * does not call itself one (ROLE) is not used. After a lost connection, or the
 * answers READONLY, MASTERDOWN and LOADING, which count as none, they are asked
 * again. They get no password.
 *
 * Cluster: a command goes to the node that serves the slot of its key. What a
 * node says of other nodes (MOVED, ASK, TRYAGAIN) is followed here, and no
 * callback sees it; CLUSTERDOWN, LOADING, READONLY and a lost connection are no
 * answer, and the nodes are asked anew who serves what. A node that is away
 * makes only its slots unreachable. One connection a master, made when needed;
 * each gets the same user and password. The user may CLUSTER SLOTS, ASKING and
 * PING. Commands of one slot stay in order unless they are redirected; those of
 * different slots are answered in any order. While a slot moves, a script may be
 * run by a node that does not know it, whatever SCRIPT LOAD was answered: on
 * NOSCRIPT send it whole (EVAL).
 *
 * Names are looked up as hiredis does, which blocks: addresses are better. */
#ifndef NIXIE_SERVERS_H
#define NIXIE_SERVERS_H

#include "redis.h"

/* Nodes of a cluster, or sentinels, that are known at a time. */
#define SERVERS_MAX 1024
/* So often a command follows MOVED and ASK before it is given up. */
#define SERVERS_REDIRECTS_MAX 5
/* Pause before a command that was told TRYAGAIN is sent again. */
#define SERVERS_AGAIN_MS 20

struct servers;

struct servers_options {
	const char *address; /* "unix:PATH" | "inet:HOST:PORT" | "sentinel:NAME@HOST:PORT,..." | "cluster:HOST:PORT,..." */
	const char *user, *password; /* "": none */
	int64_t database; /* a cluster has only 0 */
	int64_t timeout_ms; /* for one answer, redirections included */
	bool impatient; /* as in redis.h; of a cluster each node for itself */
	struct tls *tls; /* likewise; also of sentinels */
	/* As in redis.h: sends what tells whether these are servers of ours, and then
	 * servers_ready_now() or servers_reject(). Runs for every connection but a cluster's,
	 * there once, until servers_reject(). */
	void (*greeting)(void *arg);
	void *arg;
};

/* Says what to write. */
bool servers_address_check(const char *address, struct err *err) NIXIE_MUST_CHECK;

/* The strings are borrowed and outlive it. Never fails: no server is a state. */
struct servers *servers_new(const struct servers_options *options);
void servers_free(struct servers *servers);

/* key: the Redis key that the command is about; tells the node. False: the callback has run already, with NULL. */
bool servers_command(struct servers *servers, struct sv key, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);

/* Every master that serves something, for what is asked of all (SCAN, INFO): 1 without a cluster,
 * 0 while its map is not known. The numbers change when the map does, in servers_service() or servers_wait*(). */
size_t servers_count(const struct servers *servers);
bool servers_command_at(struct servers *servers, size_t i, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
/* "unix:PATH" or "inet:HOST:PORT"; "" when there is none. Valid until the numbers change. */
const char *servers_address_at(const struct servers *servers, size_t i);
/* "127.0.0.1:7001"; of a Unix socket "unix:PATH"; "" when there is none. Valid until the numbers change. */
const char *servers_name_at(const struct servers *servers, size_t i);
bool servers_is_cluster(const struct servers *servers);
/* Another number when other masters serve the data, or other slots, than before. 0: it is not known who does. */
unsigned servers_epoch(const struct servers *servers);
/* A cluster is asked anew, soon, who serves what: who asks it nothing hears of no change. */
void servers_look(struct servers *servers);

/* Of a cluster: who serves what is known, and the greeting was answered. */
bool servers_is_ready(const struct servers *servers);
void servers_ready_now(struct servers *servers);
/* Not servers of ours; tries again later. */
void servers_reject(struct servers *servers, const char *format, ...) NIXIE_PRINTF(2, 3);
/* The last thing that was wrong, with what to do; "" when nothing is. */
const char *servers_problem(const struct servers *servers);
void servers_set_timeout(struct servers *servers, int64_t timeout_ms);
void servers_set_impatient(struct servers *servers);

/* For an event loop, as in redis.h. Before the loop sleeps, servers_service(servers, 0)
 * sends what was asked since. A cluster's descriptor holds all its connections. */
int servers_fd(const struct servers *servers);
short servers_events(const struct servers *servers);
int servers_timeout_ms(const struct servers *servers);
void servers_service(struct servers *servers, short revents);
unsigned servers_generation(const struct servers *servers);

/* Until all commands are answered, at most their timeout. */
void servers_wait(struct servers *servers);
/* Until ready; false after timeout_ms, or when all that could be tried was in vain: servers_problem() tells. */
bool servers_wait_ready(struct servers *servers, int64_t timeout_ms) NIXIE_MUST_CHECK;

#endif
