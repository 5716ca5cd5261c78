/*
 * resp-proxy: stands between a Redis client and its server and keeps what the
 * client sent, one file PREFIX.0, PREFIX.1, ... for each connection.
 * ingest-pipeline replays such a file.
 *
 * Each direction of a connection is a process of its own: blocking writes then
 * cannot deadlock, however far the client runs ahead of the replies.
 *
 * usage: resp-proxy PREFIX LISTEN-ENDPOINT SERVER-ENDPOINT
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"

enum { NO_FILE = -1 };

static void write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, bytes, length);
		if (done < 0)
			exit(errno == EPIPE || errno == ECONNRESET ? 0 : 1);
		bytes += done;
		length -= (size_t)done;
	}
}

static void copy(int from, int to, int record)
{
	static char bytes[262144];
	ssize_t got;

	while ((got = read(from, bytes, sizeof bytes)) > 0) {
		if (record != NO_FILE)
			write_all(record, bytes, (size_t)got);
		write_all(to, bytes, (size_t)got);
	}
	shutdown(to, SHUT_WR);
}

static void serve(int client, const char *server_endpoint, const char *prefix, int number)
{
	char path[4096];
	int server = endpoint_dial(server_endpoint);

	pid_t replies = fork();
	if (replies < 0)
		err(1, "fork");
	if (replies == 0) {
		copy(server, client, NO_FILE);
		return;
	}
	snprintf(path, sizeof path, "%s.%d", prefix, number);
	int record = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (record < 0)
		err(1, "%s", path);
	copy(client, server, record);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: resp-proxy PREFIX LISTEN-ENDPOINT SERVER-ENDPOINT");

	int listener = endpoint_listen(argv[2]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);

	for (int number = 0;; number++) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			err(1, "accept");
		pid_t child = fork();
		if (child < 0)
			err(1, "fork");
		if (child == 0) {
			close(listener);
			serve(client, argv[3], argv[1], number);
			return 0;
		}
		close(client);
	}
}
