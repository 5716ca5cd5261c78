/*
 * ingest-pipeline: replays a stream of Redis commands recorded by resp-proxy as
 * fast as a client can that knows them all beforehand: chunks are written
 * without waiting, replies are only counted. What nixie-logtail sends for a log,
 * sent this way, is the yardstick for nixie-logtail itself.
 *
 * usage: ingest-pipeline [-c CHUNK-BYTES] ENDPOINT FILE...
 */
#include <err.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint.h"
#include "sample.h"

struct stream {
	char *bytes;
	size_t length; /* of whole commands; a command cut off at the end is left out */
	size_t commands;
};

struct replay {
	size_t chunk_bytes;
	size_t commands, replies, errors, bytes;
};

/* The decimal after a type byte, up to CR LF. Moves `at` behind it; -1 when it is not there. */
static long read_length(const struct stream *s, size_t *at, char type)
{
	const char *end = memchr(s->bytes + *at, '\n', s->length - *at);

	if (end == NULL || s->bytes[*at] != type)
		return -1;
	long value = strtol(s->bytes + *at + 1, NULL, 10);
	*at = (size_t)(end - s->bytes) + 1;
	return value;
}

static bool skip_command(const struct stream *s, size_t *at)
{
	long arguments = *at < s->length ? read_length(s, at, '*') : -1;

	if (arguments <= 0)
		return false;
	for (long i = 0; i < arguments; i++) {
		long length = *at < s->length ? read_length(s, at, '$') : -1;
		if (length < 0 || s->length - *at < (size_t)length + 2)
			return false;
		*at += (size_t)length + 2;
	}
	return true;
}

static void count_commands(struct stream *s)
{
	size_t at = 0, whole = 0;

	while (skip_command(s, &at)) {
		whole = at;
		s->commands++;
	}
	s->length = whole;
}

static struct stream load_stream(const char *path)
{
	struct stream s = { .length = 0 };
	FILE *file = fopen(path, "rb");

	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		err(1, "%s", path);
	s.length = (size_t)ftell(file);
	rewind(file);
	s.bytes = malloc(s.length + 1);
	if (s.bytes == NULL || fread(s.bytes, 1, s.length, file) != s.length)
		err(1, "%s", path);
	s.bytes[s.length] = '\0'; /* ends strtol() in a cut-off length */
	fclose(file);
	count_commands(&s);
	return s;
}

static void send_chunk(int fd, const struct stream *s, size_t *sent, size_t chunk_bytes)
{
	size_t left = s->length - *sent;
	ssize_t done = write(fd, s->bytes + *sent, left < chunk_bytes ? left : chunk_bytes);

	if (done < 0 && errno != EAGAIN)
		err(1, "write to Redis");
	if (done > 0)
		*sent += (size_t)done;
}

static void count_replies(struct replay *replay, redisReader *reader)
{
	void *reply;

	for (;;) {
		if (redisReaderGetReply(reader, &reply) != REDIS_OK)
			errx(1, "reply of Redis: %s", reader->errstr);
		if (reply == NULL)
			return;
		replay->replies++;
		if (((redisReply *)reply)->type == REDIS_REPLY_ERROR) {
			if (replay->errors++ == 0)
				warnx("reply %zu: %s", replay->replies, ((redisReply *)reply)->str);
		}
		freeReplyObject(reply);
	}
}

static void receive(int fd, struct replay *replay, redisReader *reader)
{
	static char bytes[65536];
	ssize_t got = read(fd, bytes, sizeof bytes);

	if (got == 0)
		errx(1, "Redis closed the connection after %zu replies", replay->replies);
	if (got < 0) {
		if (errno != EAGAIN)
			err(1, "read from Redis");
		return;
	}
	if (redisReaderFeed(reader, bytes, (size_t)got) != REDIS_OK)
		errx(1, "reply of Redis: %s", reader->errstr);
	count_replies(replay, reader);
}

static void replay_stream(const char *endpoint, const struct stream *s, struct replay *replay)
{
	size_t sent = 0, expected = replay->replies + s->commands;
	redisReader *reader = redisReaderCreate();
	struct pollfd p = { .fd = endpoint_dial(endpoint) };

	if (reader == NULL)
		err(1, "memory");
	endpoint_set_nonblocking(p.fd);
	while (replay->replies < expected) {
		p.events = sent < s->length ? POLLIN | POLLOUT : POLLIN;
		if (poll(&p, 1, 60000) <= 0)
			errx(1, "no reply within 60 seconds, %zu outstanding",
			    expected - replay->replies);
		if (p.revents & POLLOUT)
			send_chunk(p.fd, s, &sent, replay->chunk_bytes);
		if (p.revents & (POLLIN | POLLHUP | POLLERR))
			receive(p.fd, replay, reader);
	}
	redisReaderFree(reader);
	close(p.fd);
	replay->commands += s->commands;
	replay->bytes += s->length;
}

int main(int argc, char **argv)
{
	struct replay replay = { .chunk_bytes = 65536 };
	int letter;

	while ((letter = getopt(argc, argv, "c:")) != -1) {
		if (letter != 'c')
			return 2;
		replay.chunk_bytes = strtoul(optarg, NULL, 10);
	}
	if (argc - optind < 2 || replay.chunk_bytes == 0)
		errx(2, "usage: ingest-pipeline [-c CHUNK-BYTES] ENDPOINT FILE...");

	size_t files = (size_t)(argc - optind - 1);
	struct stream *streams = calloc(files, sizeof *streams);
	if (streams == NULL)
		err(1, "memory");
	for (size_t i = 0; i < files; i++)
		streams[i] = load_stream(argv[optind + 1 + (int)i]);

	uint64_t start = sample_now_ns();
	for (size_t i = 0; i < files; i++)
		replay_stream(argv[optind], &streams[i], &replay);
	printf("commands=%zu replies=%zu errors=%zu bytes=%zu seconds=%.6f\n", replay.commands,
	    replay.replies, replay.errors, replay.bytes, (double)(sample_now_ns() - start) / 1e9);
	for (size_t i = 0; i < files; i++)
		free(streams[i].bytes);
	free(streams);
	return 0;
}
