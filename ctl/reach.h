/* reach: what another user of this host may reach: a socket to connect to, a file to read.
 *
 * As root it is tried, in a process that becomes that user; else it is told from the modes of the directories on the way. */
#ifndef NIXIE_REACH_H
#define NIXIE_REACH_H

#include <limits.h>

#include "err.h"

enum reach_how { REACH_CONNECT, REACH_READ };

struct reach {
	const char *user;
	const char *const *groups; /* besides those of the user; ends with NULL; NULL: none */
	const char *root;          /* the directory that is "/" for the user's program; NULL: the real one */
	const char *directory;     /* where it is, for a path that does not begin with "/" */
	const char *path;
	enum reach_how how;
};

/* What keeps the user from it. */
struct obstacle {
	int error;               /* errno; 0: nothing */
	bool guessed;            /* told from modes */
	char path[PATH_MAX];     /* the directory or file whose rights are missing, outside of its root; "": not known */
	unsigned mode;
	bool last;               /* it is the file itself, no directory on the way */
};

/* False and *err: there is no such user. */
bool reach_try(const struct reach *reach, struct obstacle *obstacle_r, struct err *err) NIXIE_MUST_CHECK;

/* The path as it is outside of its root. */
void reach_path(const struct reach *reach, char path_r[PATH_MAX]);

#endif
