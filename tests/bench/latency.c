/*
 * latency: how long after a bounce is written to a followed log its address is
 * in Redis. For each sample the lines that lead up to a delivery are appended
 * first; the clock starts when the delivery-status line is written and stops
 * when EXISTS finds the key of its recipient.
 *
 * usage: latency [-n SAMPLES] [-p PREFIX] [-i PAUSE-MS] LOG REDIS-ENDPOINT
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "sample.h"

enum {
	POLL_NS = 20000,
	LEAD_MS = 5, /* lets the reader take in the lines before the delivery */
	GIVE_UP_S = 10,
};

struct probe {
	int log;
	int redis;
	const char *prefix;
	unsigned run; /* makes the addresses of this run its own */
	uint64_t polls, polling_ns;
};

static void pause_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000U), .tv_nsec = (long)(ns % 1000000000U) };

	nanosleep(&t, NULL);
}

static void format_stamp(char *stamp, size_t size)
{
	struct timespec now;
	struct tm utc;
	char seconds[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(stamp, size, "%s.%06ld+00:00", seconds, now.tv_nsec / 1000);
}

static void append(const struct probe *p, const char *lines)
{
	size_t length = strlen(lines);

	if (write(p->log, lines, length) != (ssize_t)length)
		err(1, "write to the log");
}

static void append_lead(const struct probe *p, unsigned n)
{
	char stamp[64], lines[1024];

	format_stamp(stamp, sizeof stamp);
	snprintf(lines, sizeof lines,
	    "%s mx postfix/smtpd[701]: %05X%05X: client=app.example[192.0.2.7]\n"
	    "%s mx postfix/cleanup[702]: %05X%05X: message-id=<%u.%u@newsletter.example>\n"
	    "%s mx postfix/qmgr[703]: %05X%05X: from=<news@newsletter.example>, size=2345, "
	    "nrcpt=1 (queue active)\n",
	    stamp, p->run, n, stamp, p->run, n, n, p->run, stamp, p->run, n);
	append(p, lines);
}

static void append_bounce(const struct probe *p, unsigned n)
{
	char stamp[64], line[1024];

	format_stamp(stamp, sizeof stamp);
	snprintf(line, sizeof line,
	    "%s mx postfix/smtp[704]: %05X%05X: to=<late%u.%u@d.example>, "
	    "relay=mx.d.example[198.51.100.9]:25, delay=0.02, delays=0.01/0/0.01/0, dsn=5.1.1, "
	    "status=bounced (host mx.d.example[198.51.100.9] said: 550 5.1.1 "
	    "<late%u.%u@d.example>: User unknown (in reply to RCPT TO command))\n",
	    stamp, p->run, n, p->run, n, p->run, n);
	append(p, line);
}

static void append_removed(const struct probe *p, unsigned n)
{
	char stamp[64], line[256];

	format_stamp(stamp, sizeof stamp);
	snprintf(line, sizeof line, "%s mx postfix/qmgr[703]: %05X%05X: removed\n", stamp, p->run, n);
	append(p, line);
}

static bool key_exists(struct probe *p, unsigned n)
{
	char key[256], command[512], reply[64];
	uint64_t start = sample_now_ns();

	snprintf(key, sizeof key, "%s:{0}:addr:late%u.%u@d.example", p->prefix, p->run, n);
	int length = snprintf(command, sizeof command, "*2\r\n$6\r\nEXISTS\r\n$%zu\r\n%s\r\n",
	    strlen(key), key);
	if (write(p->redis, command, (size_t)length) != length)
		err(1, "write to Redis");
	ssize_t got = read(p->redis, reply, sizeof reply);
	if (got < 4 || reply[0] != ':')
		errx(1, "reply of Redis: %.*s", got > 0 ? (int)got : 0, reply);
	p->polling_ns += sample_now_ns() - start;
	p->polls++;
	return reply[1] == '1';
}

/* Nanoseconds until the bounce was visible; 0 when it never was. */
static uint64_t measure_one(struct probe *p, unsigned n)
{
	append_lead(p, n);
	pause_ns(LEAD_MS * UINT64_C(1000000));

	uint64_t start = sample_now_ns();
	append_bounce(p, n);
	while (!key_exists(p, n)) {
		if (sample_now_ns() - start > GIVE_UP_S * UINT64_C(1000000000))
			return 0;
		pause_ns(POLL_NS);
	}
	uint64_t end = sample_now_ns();
	append_removed(p, n);
	return end - start;
}

static void report(const struct probe *p, uint32_t *ns, size_t visible, size_t lost)
{
	sample_sort(ns, visible);
	printf("samples=%zu lost=%zu p50_us=%.1f p99_us=%.1f max_us=%.1f poll_us=%.1f\n",
	    visible + lost, lost, sample_percentile_us(ns, visible, 0.5),
	    sample_percentile_us(ns, visible, 0.99), sample_percentile_us(ns, visible, 1),
	    (double)p->polling_ns / 1000.0 / (double)p->polls);
}

int main(int argc, char **argv)
{
	struct probe probe = { .prefix = "nixie", .run = (unsigned)(time(NULL) & 0xFFFFF) };
	unsigned samples = 200, interval_ms = 10;
	size_t visible = 0, lost = 0;
	int letter;

	while ((letter = getopt(argc, argv, "n:p:i:")) != -1) {
		switch (letter) {
		case 'n': samples = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': probe.prefix = optarg; break;
		case 'i': interval_ms = (unsigned)strtoul(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	if (optind != argc - 2 || samples == 0)
		errx(2, "usage: latency [-n SAMPLES] [-p PREFIX] [-i PAUSE-MS] LOG REDIS-ENDPOINT");

	uint32_t *ns = calloc(samples, sizeof *ns);
	probe.log = open(argv[optind], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (ns == NULL || probe.log < 0)
		err(1, "%s", argv[optind]);
	probe.redis = endpoint_dial(argv[optind + 1]);
	/* The default slack of 50 us would be most of a poll. */
	(void)prctl(PR_SET_TIMERSLACK, 1000UL);

	for (unsigned n = 0; n < samples && lost < 3; n++) {
		uint64_t took = measure_one(&probe, n);
		if (took > 0)
			ns[visible++] = sample_clamp(took);
		else
			lost++;
		pause_ns(interval_ms * UINT64_C(1000000));
	}
	report(&probe, ns, visible, lost);
	free(ns);
	return lost > 0 ? 1 : 0;
}
