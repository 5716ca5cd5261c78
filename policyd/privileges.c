#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

bool privileges_find(const char *user, const char *group, struct identity *identity_r, struct err *err)
{
	const struct passwd *u = getpwnam(user);
	const struct group *g = *group ? getgrnam(group) : NULL;

	if (!u)
		return err_set(err, "policyd.user: there is no user %s", user);
	if (*group && !g)
		return err_set(err, "policyd.group: there is no group %s", group);
	*identity_r = (struct identity){ .uid = u->pw_uid, .gid = g ? g->gr_gid : u->pw_gid };
	(void)snprintf(identity_r->user, sizeof identity_r->user, "%s", user);
	return true;
}

static bool is_identity(const struct identity *i)
{
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;

	return getresuid(&real, &effective, &saved) == 0 && getresgid(&real_group, &effective_group, &saved_group) == 0 &&
		real == i->uid && effective == i->uid && saved == i->uid &&
		real_group == i->gid && effective_group == i->gid && saved_group == i->gid;
}

bool privileges_become(const struct identity *i, struct err *err)
{
	if (geteuid() != 0 && is_identity(i))
		return true;
	if (geteuid() != 0)
		return err_set(err, "policyd.user is %s: only root can become that; start as root or as %s, or leave policyd.user empty", i->user, i->user);
	/* groups first: the user may not change them */
	if (initgroups(i->user, i->gid) != 0 || setresgid(i->gid, i->gid, i->gid) != 0 || setresuid(i->uid, i->uid, i->uid) != 0)
		return err_set(err, "cannot become the user %s: %s", i->user, strerror(errno));
	if (!is_identity(i) || (i->uid != 0 && (setuid(0) == 0 || setgid(0) == 0)))
		return err_set(err, "became the user %s, but could become root again; is this a user namespace of its own?", i->user);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set(err, "cannot give up new privileges: %s", strerror(errno));
	return true;
}
