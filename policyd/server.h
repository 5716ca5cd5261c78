/* server: the event loop of the policy service.
 *
 * One thread, one epoll. What is spoken is a protocol's (protocol.h), what is answered
 * the door's (door.h). Each connection has at most one question under way, so
 * answers come in order; the questions of all connections share one pipelined
 * connection to the store, written to once a turn. The server never closes
 * first, but for requests that cannot be understood: closing costs the client's
 * next recipient a second. */
#ifndef NIXIE_SERVER_H
#define NIXIE_SERVER_H

#include "activation.h"
#include "config.h"

/* SIGTERM: answers under way get so long. */
#define SERVER_DRAIN_MS 5000

/* Runs until SIGTERM or SIGINT. Returns an exit code. args: for SIGHUP; argv: of main(), for SIGUSR2.
 * passed: sockets to listen on in place of those of the configuration, by the names of the protocols. */
int server_run(struct config *config, const struct config_args *args, const struct activation *passed, char **argv);

#endif
