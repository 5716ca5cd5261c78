/*
 * policy-echo: answers DUNNO to whatever ends in an empty line, without
 * looking at it. No policy service on epoll can answer faster from one thread,
 * which makes it the yardstick for nixie-policyd.
 *
 * usage: policy-echo ENDPOINT
 */
#include <err.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"

static const char reply[] = "action=DUNNO\n\n";

static void watch(int loop, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0)
		err(1, "epoll_ctl");
}

static void accept_all(int loop, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(loop, fd);
}

static void answer(int fd)
{
	static char request[65536];
	ssize_t got = read(fd, request, sizeof request);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		close(fd);
		return;
	}
	if (got < 2 || request[got - 1] != '\n' || request[got - 2] != '\n')
		return;
	if (write(fd, reply, sizeof reply - 1) != sizeof reply - 1)
		close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[512];

	if (argc != 2)
		errx(2, "usage: policy-echo unix:PATH|inet:HOST:PORT");

	int listener = endpoint_listen(argv[1]);
	int loop = epoll_create1(EPOLL_CLOEXEC);
	if (loop < 0)
		err(1, "epoll_create1");
	endpoint_set_nonblocking(listener);
	watch(loop, listener);

	for (;;) {
		int ready = epoll_wait(loop, events, 512, -1);
		for (int i = 0; i < ready; i++) {
			if (events[i].data.fd == listener)
				accept_all(loop, listener);
			else
				answer(events[i].data.fd);
		}
	}
}
