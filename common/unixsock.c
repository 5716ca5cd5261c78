#include "unixsock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool in_use(const struct sockaddr_un *address, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* EAGAIN: its queue is full; EPROTOTYPE: a socket of another type */
	bool answers = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN || errno == EPROTOTYPE);

	if (fd >= 0)
		close(fd);
	return answers;
}

/* False: what is there stays there. */
static bool make_way(const struct sockaddr_un *address, int type, struct err *err)
{
	struct stat st;

	if (lstat(address->sun_path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "%s: is there and is not a socket", address->sun_path);
	if (in_use(address, type))
		return err_set(err, "%s: another program listens there; does nixie run already?", address->sun_path);
	(void)unlink(address->sun_path);
	return true;
}

int unixsock_bind(const char *path, int type, unsigned mode, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path) {
		err_set(err, "%s: the path of a socket can have %zu bytes at most; choose a shorter one", path,
			sizeof address.sun_path - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (!make_way(&address, type, err))
		return -1;
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* it is born with its rights: more would let in anybody for a moment, and with less Postfix, whose
	 * mail is waiting for a restart, does not try again */
	mode_t mask = umask(~mode & 0777);
	bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
	int error = errno;
	umask(mask);
	if (bound && chmod(path, mode) == 0)
		return fd;
	err_set(err, "%s: %s; does the directory exist, and may this user write there?", path, strerror(bound ? errno : error));
	if (fd >= 0)
		close(fd);
	return -1;
}
