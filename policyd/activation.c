#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"

bool activation_parse(const char *listen_pid, const char *listen_fds, const char *listen_fdnames, pid_t pid,
	struct activation *a, struct err *err)
{
	struct sv names = sv_of(listen_fdnames);
	uint64_t number, n;

	a->n = 0;
	if (!listen_pid || !listen_fds)
		return true;
	if (!sv_u64(sv_of(listen_pid), INT32_MAX, &number))
		return err_set(err, "LISTEN_PID is \"%.20s\", which is no number of a process", listen_pid);
	if (number != (uint64_t)pid)
		return true;
	if (!sv_u64(sv_of(listen_fds), ACTIVATION_MAX, &n))
		return err_set(err, "LISTEN_FDS is \"%.20s\"; it can be a number up to %d", listen_fds, ACTIVATION_MAX);
	for (size_t i = 0; i < n; i++) {
		struct sv name = sv_cut(&names, ':');
		if (name.n >= ACTIVATION_NAME_MAX)
			return err_set(err, "a name in LISTEN_FDNAMES is longer than %d bytes", ACTIVATION_NAME_MAX - 1);
		a->v[i].fd = ACTIVATION_FIRST_FD + (int)i;
		if (name.n)
			memcpy(a->v[i].name, name.p, name.n);
		a->v[i].name[name.n] = '\0';
	}
	if (names.n)
		return err_set(err, "LISTEN_FDNAMES has more names than the %s of LISTEN_FDS", listen_fds);
	a->n = (size_t)n;
	return true;
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static bool is_known(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

static bool make_ours(int fd, const char *name, struct err *err)
{
	if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1)
		return err_set(err, "the socket \"%s\" that was passed, descriptor %d, is none that accepts connections; write ListenStream=, and no Accept=yes",
			name, fd);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(err, "the socket \"%s\" that was passed: %s", name, strerror(errno));
	return true;
}

static bool refuse_name(const char *name, const char *const *names, struct err *err)
{
	char room[256];
	struct buf known = BUF_ON(room);

	for (; *names; names++)
		buf_addf(&known, "%s\"%s\"", known.n ? " or " : "", *names);
	return err_set(err, "a socket was passed with the name \"%.60s\"; in its .socket unit write FileDescriptorName= with %s", name, buf_cstr(&known));
}

static bool take_all(const char *const *names, const struct activation *a, struct err *err)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!is_known(a->v[i].name, names))
			return refuse_name(a->v[i].name, names, err);
		if (!make_ours(a->v[i].fd, a->v[i].name, err))
			return false;
	}
	return true;
}

bool activation_take(const char *const *names, struct activation *a, struct err *err)
{
	bool ok = activation_parse(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES"), getpid(), a, err);

	/* for us, not for what we may start */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return ok && take_all(names, a, err);
}
