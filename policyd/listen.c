#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unixsock.h"

static int open_unix(const char *path, unsigned mode, struct err *err)
{
	int fd = unixsock_bind(path, SOCK_STREAM, mode, err);

	if (fd >= 0 && listen(fd, LISTEN_BACKLOG) != 0) {
		err_set(err, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static int open_inet(const char *host_port, struct err *err)
{
	char host[256];
	const char *colon = strrchr(host_port, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list = NULL;
	int fd = -1, on = 1;

	if (!colon || (size_t)(colon - host_port) >= sizeof host) {
		err_set(err, "inet:%s: write inet:HOST:PORT", host_port);
		return -1;
	}
	struct sv h = sv_make(host_port, (size_t)(colon - host_port));
	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') /* [::1] */
		h = sv_make(h.p + 1, h.n - 2);
	(void)snprintf(host, sizeof host, "%.*s", SV_ARG(h));
	int code = getaddrinfo(host, colon + 1, &hints, &list);
	if (code != 0) {
		err_set(err, "inet:%s: %s", host_port, gai_strerror(code));
		return -1;
	}
	err_set(err, "inet:%s: no address of this host", host_port);
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0) {
			err_set(err, "inet:%s: %s%s", host_port, strerror(errno),
				errno == EAFNOSUPPORT ? "; under systemd RestrictAddressFamilies= needs AF_INET and AF_INET6" : "");
			continue;
		}
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, LISTEN_BACKLOG) != 0) {
			err_set(err, "inet:%s: %s", host_port, strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

int listen_open(const char *endpoint, unsigned mode, struct err *err)
{
	struct sv e = sv_of(endpoint);

	if (sv_take(&e, SV("unix:")))
		return open_unix(e.p, mode, err);
	if (sv_take(&e, SV("inet:")))
		return open_inet(e.p, err);
	err_set(err, "%s: write unix:PATH or inet:HOST:PORT", endpoint); /* config.c has checked it */
	return -1;
}

bool listen_give(const char *endpoint, uid_t uid, gid_t gid, struct err *err)
{
	struct sv e = sv_of(endpoint);

	if (sv_take(&e, SV("unix:")) && lchown(e.p, uid, gid) != 0)
		return err_set(err, "%s: cannot become the user's of policyd.user: %s", e.p, strerror(errno));
	return true;
}

void listen_close(int fd, const char *endpoint)
{
	struct sv e = sv_of(endpoint);

	if (fd < 0)
		return;
	close(fd);
	if (sv_take(&e, SV("unix:")))
		(void)unlink(e.p);
}
