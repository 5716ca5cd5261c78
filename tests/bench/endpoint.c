#include "endpoint.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	DIAL_ATTEMPTS = 2000, /* one millisecond apart */
};

struct endpoint {
	struct sockaddr_storage address;
	socklen_t length;
};

static void parse_unix(const char *path, struct endpoint *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof address.sun_path)
		errx(2, "socket path too long: %s", path);
	memcpy(address.sun_path, path, strlen(path));
	memcpy(&e->address, &address, sizeof address);
	e->length = sizeof address;
}

static void parse_inet(const char *host_port, struct endpoint *e)
{
	const char *colon = strrchr(host_port, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char host[256];

	if (colon == NULL || colon == host_port || (size_t)(colon - host_port) >= sizeof host)
		errx(2, "not HOST:PORT: %s", host_port);
	memcpy(host, host_port, (size_t)(colon - host_port));
	host[colon - host_port] = '\0';

	int failure = getaddrinfo(host, colon + 1, &hints, &found);
	if (failure != 0)
		errx(2, "%s: %s", host_port, gai_strerror(failure));
	memcpy(&e->address, found->ai_addr, found->ai_addrlen);
	e->length = found->ai_addrlen;
	freeaddrinfo(found);
}

static struct endpoint parse(const char *endpoint)
{
	struct endpoint e = { .length = 0 };

	if (strncmp(endpoint, "unix:", 5) == 0)
		parse_unix(endpoint + 5, &e);
	else if (strncmp(endpoint, "inet:", 5) == 0)
		parse_inet(endpoint + 5, &e);
	else
		errx(2, "not unix:PATH or inet:HOST:PORT: %s", endpoint);
	return e;
}

static int new_socket(const struct endpoint *e)
{
	int fd = socket(e->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		err(1, "socket");
	if (e->address.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static bool may_come_up(int error)
{
	return error == EAGAIN || error == ECONNREFUSED || error == ENOENT;
}

int endpoint_dial(const char *endpoint)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct endpoint e = parse(endpoint);

	for (int attempt = 0;; attempt++) {
		int fd = new_socket(&e);
		if (connect(fd, (const struct sockaddr *)&e.address, e.length) == 0)
			return fd;
		if (!may_come_up(errno) || attempt == DIAL_ATTEMPTS)
			err(1, "connect to %s", endpoint);
		close(fd);
		nanosleep(&pause, NULL);
	}
}

int endpoint_listen(const char *endpoint)
{
	struct endpoint e = parse(endpoint);
	int fd = new_socket(&e);
	int one = 1;

	if (e.address.ss_family == AF_UNIX)
		(void)unlink(endpoint + 5);
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (const struct sockaddr *)&e.address, e.length) != 0)
		err(1, "bind to %s", endpoint);
	if (listen(fd, BACKLOG) != 0)
		err(1, "listen on %s", endpoint);
	return fd;
}

void endpoint_set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		err(1, "fcntl");
}
