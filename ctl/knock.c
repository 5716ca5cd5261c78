#include "knock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"

static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool wait_for(int fd, short events, int64_t end_ms)
{
	struct pollfd p = { fd, events, 0 };
	int64_t left_ms = end_ms - clock_mono_ms();

	errno = ETIMEDOUT;
	return left_ms > 0 && poll(&p, 1, (int)left_ms) == 1;
}

static int connect_inet(const char *host_port, int64_t end_ms)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	const char *colon = strrchr(host_port, ':'); /* config.c has checked it */
	struct sv h = sv_make(host_port, (size_t)(colon - host_port));
	char host[CONFIG_STRING_MAX];
	int fd = -1, error = ECONNREFUSED;

	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') /* [::1] */
		h = sv_make(h.p + 1, h.n - 2);
	(void)snprintf(host, sizeof host, "%.*s", SV_ARG(h));
	if (getaddrinfo(host, colon + 1, &hints, &list) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		socklen_t size = sizeof error;
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
		if (fd < 0)
			continue;
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		error = errno;
		if (error == EINPROGRESS && wait_for(fd, POLLOUT, end_ms) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
			break;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	errno = error;
	return fd;
}

int knock_open(const char *endpoint, int64_t end_ms)
{
	struct sv e = sv_of(endpoint);

	return sv_take(&e, SV("unix:")) ? connect_unix(e.p) : connect_inet(endpoint + strlen("inet:"), end_ms);
}

bool knock(int fd, struct sv question, char end, int64_t end_ms, char *answer_r, size_t size)
{
	size_t n = 0;

	answer_r[0] = '\0';
	if (send(fd, question.p, question.n, MSG_NOSIGNAL) != (ssize_t)question.n)
		return false;
	while (n < size - 1 && !memchr(answer_r, end, n)) {
		if (!wait_for(fd, POLLIN, end_ms))
			break;
		ssize_t got = read(fd, answer_r + n, size - 1 - n);
		if (got <= 0) {
			errno = got == 0 ? ECONNRESET : errno;
			break;
		}
		n += (size_t)got;
		answer_r[n] = '\0';
	}
	char *last = memchr(answer_r, end, n);
	answer_r[last ? (size_t)(last - answer_r) : 0] = '\0';
	return last;
}
