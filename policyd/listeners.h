/* listeners: all sockets that the service listens on: those of the configuration, those that were passed by
 * who started us (activation.h), and those of a program before us (restart.h). */
#ifndef NIXIE_LISTENERS_H
#define NIXIE_LISTENERS_H

#include "activation.h"
#include "listen.h"
#include "protocol.h"
#include "restart.h"

struct listener {
	int fd;
	char endpoint[CONFIG_STRING_MAX];
	bool passed; /* by who started us: its file is not ours */
	const struct protocol *protocol;
};

struct listeners {
	size_t n;
	struct listener v[LISTENERS_MAX];
};

/* False and *err: one of the configuration cannot be opened. After a restart that is logged, and the others go on. */
bool listeners_open(struct listeners *all, const struct config *config, const struct activation *passed, struct restart *restart,
	struct err *err) NIXIE_MUST_CHECK;
/* As listen_give(), those whose files are ours. */
bool listeners_give(const struct listeners *all, uid_t uid, gid_t gid, struct err *err) NIXIE_MUST_CHECK;
/* Removes the files that are ours. */
void listeners_close(struct listeners *all);

/* NULL: there is none of this name. */
const struct protocol *listeners_protocol(struct sv name);

#endif
