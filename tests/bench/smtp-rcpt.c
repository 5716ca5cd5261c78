/*
 * smtp-rcpt: how long an SMTP server takes for RCPT TO. One session, transactions
 * of TRANSACTION recipients that are reset in place of sent; each recipient is
 * asked about once, its number counting from FIRST.
 *
 * Results go to standard output as one key=value line.
 *
 * usage: smtp-rcpt [-n RECIPIENTS] [-b FIRST] ENDPOINT
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint.h"
#include "sample.h"

enum {
	TRANSACTION = 200,
	REPLY_BYTES = 4096,
};

/* The code of one reply, whose last line has a blank behind it. */
static int read_reply(int fd)
{
	char reply[REPLY_BYTES];
	size_t n = 0, line = 0;

	for (;;) {
		ssize_t got = read(fd, reply + n, sizeof reply - 1 - n);
		if (got <= 0)
			errx(1, "the SMTP server has closed the connection");
		n += (size_t)got;
		reply[n] = '\0';
		for (char *end; (end = strchr(reply + line, '\n')) != NULL; line = (size_t)(end - reply) + 1)
			if (reply[line + 3] == ' ')
				return atoi(reply + line);
	}
}

static int say(int fd, const char *command)
{
	size_t n = strlen(command);

	if (write(fd, command, n) != (ssize_t)n)
		err(1, "write to the SMTP server");
	return read_reply(fd);
}

static void must_say(int fd, const char *command)
{
	int code = say(fd, command);

	if (code != 250)
		errx(1, "%.*s: %d", (int)strcspn(command, "\r"), command, code);
}

int main(int argc, char **argv)
{
	size_t recipients = 2000, first = 0, accepted = 0;
	char command[128];
	int letter;

	while ((letter = getopt(argc, argv, "n:b:")) != -1) {
		switch (letter) {
		case 'n': recipients = strtoul(optarg, NULL, 10); break;
		case 'b': first = strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	if (optind != argc - 1 || recipients == 0)
		errx(2, "usage: smtp-rcpt [-n RECIPIENTS] [-b FIRST] ENDPOINT");
	uint32_t *ns = calloc(recipients, sizeof *ns);
	if (ns == NULL)
		err(1, "memory");

	int fd = endpoint_dial(argv[optind]);
	(void)read_reply(fd);
	must_say(fd, "EHLO bench.test\r\n");
	for (size_t i = 0; i < recipients; i++) {
		if (i % TRANSACTION == 0) {
			must_say(fd, "RSET\r\n");
			must_say(fd, "MAIL FROM:<news@bench.test>\r\n");
		}
		(void)snprintf(command, sizeof command, "RCPT TO:<reader%09zu@bench.test>\r\n", first + i);
		uint64_t start = sample_now_ns();
		accepted += say(fd, command) == 250;
		ns[i] = sample_clamp(sample_now_ns() - start);
	}
	(void)say(fd, "QUIT\r\n");
	sample_sort(ns, recipients);
	printf("recipients=%zu accepted=%zu p50_us=%.1f p99_us=%.1f max_us=%.1f\n", recipients, accepted,
	    sample_percentile_us(ns, recipients, 0.5), sample_percentile_us(ns, recipients, 0.99), sample_percentile_us(ns, recipients, 1));
	free(ns);
	close(fd);
	return 0;
}
