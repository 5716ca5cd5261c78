/* restart: the next program in our place, without a client noticing (SIGUSR2).
 *
 * The program at our path is asked first whether it likes the configuration (-t). Then it
 * is executed by this process: the same process id, and the same descriptors. What they are is
 * in a file without a name (memfd_create(2)), whose number is in NIXIE_HANDOVER. If
 * any of it fails, everything stays as it was. */
#ifndef NIXIE_RESTART_H
#define NIXIE_RESTART_H

#include <sys/types.h>

#include "sv.h"

/* What -t says to a configuration that is good. */
#define RESTART_GOOD "the configuration is good"

struct restart {
	char *path, **argv;
	pid_t check; /* that is trying the configuration; 0: none */
	int said;    /* what it says; -1: nothing */
	bool due;
	int file;    /* what is handed over; -1: nothing */
	/* from the program before us */
	char *before;
	size_t before_n;
};

/* Was this program started by restart_now()? */
bool restart_is_one(void);

/* argv: of main(). Takes what a program before us left. */
void restart_begin(struct restart *restart, char **argv);
void restart_free(struct restart *restart);
/* The descriptor that is listening there; -1: there is none. */
int restart_take_listener(struct restart *restart, const char *endpoint);
/* All clients; listeners that were not taken are closed. The callback owns the descriptor if it returns true. */
typedef bool restart_conn_callback(void *arg, int fd, struct sv protocol, struct sv in, struct sv out);
void restart_take_conns(struct restart *restart, restart_conn_callback *callback, void *arg);

/* SIGUSR2: begins to try the configuration. SIGCHLD: perhaps it is tried. */
void restart_try(struct restart *restart);
void restart_reap(struct restart *restart);
/* It is good: as soon as no question is under way, everything is to be given, and then it is time. */
static inline bool restart_due(const struct restart *restart)
{
	return restart->due;
}
void restart_give_listener(struct restart *restart, int fd, const char *endpoint);
void restart_give_conn(struct restart *restart, int fd, const char *protocol, struct sv in, struct sv out);
/* Returns only when it failed. */
void restart_now(struct restart *restart);

#endif
