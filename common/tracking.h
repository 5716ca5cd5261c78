/* tracking: is told by Redis which entries change, so that what was read may be remembered.
 *
 * Client-side caching (CLIENT TRACKING, Redis 6 and later) in RESP2, in broadcast mode, with one
 * connection a master that both tracks and hears (REDIRECT to itself): when it is gone, so is
 * what it tells, and nobody can go on believing. One master of a server or of Sentinel, all
 * masters of a cluster.
 *
 * It is whole while every master has confirmed the subscription and has answered a PING that was
 * sent within TRACKING_SILENCE_MS: so long, at most, a change may be unheard of that a server made
 * which hangs, or is cut off. Each loss, a change of the masters or of what they serve, a longer
 * silence, and the return of the whole is told as "everything may have changed".
 *
 * Not told: SWAPDB. One thread; a callback must not call the servers or this. */
#ifndef NIXIE_TRACKING_H
#define NIXIE_TRACKING_H

#include "servers.h"

/* Each connection is asked for a sign of life so often, and a cluster who serves what ... */
#define TRACKING_PING_MS 1000
/* ... and is given up when that is so late. */
#define TRACKING_TIMEOUT_MS 1000
#define TRACKING_SILENCE_MS (TRACKING_PING_MS + TRACKING_TIMEOUT_MS)
/* A server that refuses is asked again so seldom. */
#define TRACKING_REFUSED_MS 30000
/* The log hears of it when it is not whole for so long, although the servers answer. */
#define TRACKING_TOLD_MS 10000

struct tracking_options {
	struct servers *servers;
	const char *user, *password; /* "": none */
	int64_t database;
	struct tls *tls;
	const char *prefix; /* of our keys */
	/* The address, or the "@domain"; empty: everything may have changed. */
	void (*changed)(void *arg, struct sv key);
	/* nixie:meta has: perhaps there is another number of partitions. */
	void (*meta_changed)(void *arg);
	void *arg;
};

struct tracking;

/* The strings and the servers are borrowed and outlive it. Asks for nothing before tracking_look(). */
struct tracking *tracking_new(const struct tracking_options *options);
void tracking_free(struct tracking *tracking);

/* After each servers_service(): there may be other masters, or another number of partitions (0: not known yet). */
void tracking_look(struct tracking *tracking, unsigned partitions);

bool tracking_is_whole(const struct tracking *tracking);

/* For an event loop: a descriptor that is the same for ever, readable when there is something to do;
 * the time until tracking_service() wants to be called anyway (-1: never). */
int tracking_fd(const struct tracking *tracking);
int tracking_timeout_ms(const struct tracking *tracking);
void tracking_service(struct tracking *tracking);

#endif
