#include "reach.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUPS_MAX 64

struct identity {
	uid_t user;
	gid_t groups[GROUPS_MAX]; /* the first is the user's own */
	int n;
};

static bool find_user(const struct reach *r, struct identity *id, struct err *err)
{
	const struct passwd *user = getpwnam(r->user);

	if (!user)
		return err_set(err, "there is no user %s", r->user);
	id->user = user->pw_uid;
	id->n = GROUPS_MAX / 2;
	if (getgrouplist(r->user, user->pw_gid, id->groups, &id->n) < 0)
		id->n = GROUPS_MAX / 2; /* more than we have room for */
	for (size_t i = 0; r->groups && r->groups[i] && id->n < GROUPS_MAX; i++) {
		const struct group *group = getgrnam(r->groups[i]);
		if (group)
			id->groups[id->n++] = group->gr_gid;
	}
	return true;
}

static int open_it(const struct reach *r)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (r->how == REACH_READ)
		return open(r->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) >= 0 ? 0 : errno;
	if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", r->path) >= sizeof address.sun_path)
		return ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
}

/* In a process of its own: the errno of the first step that fails. */
static int as_user(const struct reach *r, const struct identity *id)
{
	if (r->root && (chroot(r->root) != 0 || chdir("/") != 0))
		return errno;
	if (!r->root && r->directory && chdir(r->directory) != 0)
		return errno;
	if (setgroups((size_t)id->n, id->groups) != 0 || setgid(id->groups[0]) != 0 || setuid(id->user) != 0)
		return errno;
	return open_it(r);
}

static int try_it(const struct reach *r, const struct identity *id)
{
	int status;

	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(as_user(r, id));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EAGAIN;
}

void reach_path(const struct reach *r, char path_r[PATH_MAX])
{
	const char *root = r->root ? r->root : r->path[0] == '/' ? "" : r->directory;

	(void)snprintf(path_r, PATH_MAX, "%s%s%s", root, r->path[0] == '/' ? "" : "/", r->path);
}

static bool may(const struct identity *id, const struct stat *st, unsigned wanted)
{
	unsigned shift = 0;

	if (id->user == 0)
		return true;
	for (int i = 0; i < id->n; i++)
		if (id->groups[i] == st->st_gid)
			shift = 3;
	if (id->user == st->st_uid)
		shift = 6;
	return (st->st_mode >> shift & wanted) == wanted;
}

/* The first one on the way, in whose mode the right is missing; 0 when all have it, else errno. */
static int by_modes(const struct reach *r, const struct identity *id, struct obstacle *o)
{
	char path[PATH_MAX];
	struct stat st;

	reach_path(r, path);
	for (char *p = path; ; p++) {
		char c = *p;
		if (p == path || (c != '/' && c))
			continue;
		*p = '\0';
		(void)snprintf(o->path, sizeof o->path, "%s", path);
		o->last = !c;
		if (stat(path, &st) != 0)
			return errno;
		o->mode = st.st_mode & 07777;
		if (!may(id, &st, c ? 1 : r->how == REACH_CONNECT ? 2 : 4))
			return EACCES;
		if (!c)
			break;
		*p = c;
	}
	o->path[0] = '\0';
	return 0;
}

bool reach_try(const struct reach *r, struct obstacle *o, struct err *err)
{
	struct identity id;

	*o = (struct obstacle){ .guessed = geteuid() != 0 };
	if (!find_user(r, &id, err))
		return false;
	o->error = by_modes(r, &id, o);
	if (o->guessed)
		return true;
	int error = try_it(r, &id);
	if (error != EACCES || o->error != EACCES) /* the modes tell why, or they do not: access lists, a security module */
		o->path[0] = error == ENOENT && o->error == ENOENT ? o->path[0] : '\0';
	o->error = error;
	return true;
}
