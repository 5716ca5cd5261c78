/* redis: one connection to a Redis server, pipelined, never blocking by itself.
 * The only includer of hiredis (0.14 and 1.x): its connecting, formatting and
 * reading; not its asynchronous API (which cannot time out, and costs half the
 * throughput with an event library in between), nor its TLS (which 0.14 has not,
 * and which looks at no name in a certificate): that is tls.h.
 *
 * Commands are argument vectors, never formatted strings. Every command's
 * callback runs exactly once: with the reply, or with NULL when the connection
 * is not there, is lost, or the answer is late. A connection that went away is
 * made anew, with growing pauses; commands are refused meanwhile.
 *
 * One thread. Either call redis_service() from an event loop, or redis_wait(). */
#ifndef NIXIE_REDIS_H
#define NIXIE_REDIS_H

#include "err.h"
#include "sv.h"
#include "tls.h"

struct redis;
struct value; /* a reply; borrowed, valid during its callback */

enum value_type { VALUE_NIL, VALUE_TEXT, VALUE_NUMBER, VALUE_LIST, VALUE_ERROR, VALUE_OTHER };

typedef void redis_callback(void *arg, const struct value *reply);

struct redis_options {
	const char *address; /* "unix:PATH" or "inet:HOST:PORT" */
	const char *user, *password; /* "" : none */
	int64_t database;
	int64_t timeout_ms; /* for one answer */
	struct tls *tls;    /* borrowed; NULL: in the clear */
	/* Called when the server has let us in, to send what prepares the connection;
	 * redis_ready_now() after that opens it for everybody. */
	void (*greeting)(void *arg);
	void *arg;
	/* The rest is for servers.c; all may be 0. */
	const char *name; /* what messages call it: "Redis" */
	bool quiet;       /* whoever made it tells what is wrong */
	bool once;        /* is not made anew when it was lost */
	/* While an answer is overdue, and until one that was given up for that is ready again, commands are refused at
	 * once: those that wait for theirs already show when the server is back, and nobody else has to wait for it. */
	bool impatient;
	/* The connection was not to be had, or is lost, and every callback has run. Must not free it. */
	void (*lost)(void *arg);
	/* Sees every error reply. True: nothing more is to be had here; the callback gets NULL,
	 * and the connection is dropped. May call redis_reject() to say why. */
	bool (*refusal)(void *arg, const struct value *error);
	/* Sees what the server sends unasked to who has subscribed: a list that begins with "message".
	 * NULL: that is an answer as any other. */
	void (*message)(void *arg, const struct value *v);
};

/* Answers that long overdue mean the connection is dead. */
#define REDIS_STALL_FACTOR 4
#define REDIS_RETRY_MIN_MS 50
#define REDIS_RETRY_MAX_MS 2000

struct redis *redis_new(const struct redis_options *options);
void redis_free(struct redis *redis);

/* False: the callback has run already, with NULL. */
bool redis_command(struct redis *redis, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);

bool redis_is_ready(const struct redis *redis);
void redis_ready_now(struct redis *redis);
/* Ends this connection for a reason that is not the network's; tries again later. */
void redis_reject(struct redis *redis, const char *format, ...) NIXIE_PRINTF(2, 3);
const char *redis_address(const struct redis *redis);
/* Why it is not ready, with what to do; "" when nothing is wrong. */
const char *redis_problem(const struct redis *redis);
void redis_set_timeout(struct redis *redis, int64_t timeout_ms);
void redis_set_impatient(struct redis *redis);

/* For an event loop: descriptor (-1: none now), wanted poll(2) events, time until
 * redis_service() wants to be called anyway (-1: never). */
int redis_fd(const struct redis *redis);
short redis_events(const struct redis *redis);
int redis_timeout_ms(const struct redis *redis);
void redis_service(struct redis *redis, short revents);
/* Number of connections made so far; a change tells a loop that the descriptor is another. */
unsigned redis_generation(const struct redis *redis);
/* Tells an epoll(7) descriptor, always the same, what the connection waits for: after every redis_service(). */
void redis_watch(struct redis *redis, int epoll, void *data);
/* What epoll says, for redis_service(). */
short redis_revents(uint32_t epoll_events);

/* Drives the connection until all commands are answered, at most their timeout. */
void redis_wait(struct redis *redis);
/* The same until it is ready; false after timeout_ms. */
bool redis_wait_ready(struct redis *redis, int64_t timeout_ms) NIXIE_MUST_CHECK;

enum value_type value_type(const struct value *v);
struct sv value_text(const struct value *v); /* TEXT, ERROR; NUMBER as none */
int64_t value_number(const struct value *v); /* NUMBER, else 0 */
size_t value_count(const struct value *v);   /* LIST, else 0 */
const struct value *value_at(const struct value *v, size_t i);

#endif
