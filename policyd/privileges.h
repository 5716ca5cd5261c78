/* privileges: root starts the service, binds its sockets, and becomes somebody who may do nothing else. */
#ifndef NIXIE_PRIVILEGES_H
#define NIXIE_PRIVILEGES_H

#include <sys/types.h>

#include "err.h"

struct identity {
	char user[256];
	uid_t uid;
	gid_t gid;
};

/* The user, and the group: of that name, or the user's own where it is empty. False: there is no such. */
bool privileges_find(const char *user, const char *group, struct identity *identity_r, struct err *err) NIXIE_MUST_CHECK;

/* Becomes it, with its supplementary groups, and makes sure that there is no way back: neither by
 * a saved id nor by a program with the set-user-id bit. Who is it already stays so. After a failure
 * nothing can be relied on: leave. */
bool privileges_become(const struct identity *identity, struct err *err) NIXIE_MUST_CHECK;

#endif
