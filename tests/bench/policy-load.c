/*
 * policy-load: load for a Postfix policy service. Like as many smtpd processes,
 * each connection sends a request, waits for the reply and sends the next.
 *
 * Recipients are numbered. By default they are drawn at random out of KEYS, so
 * that a cache soon knows them all; with -q each is asked once, in order from
 * FIRST, so that no cache knows any. SHARE percent of them are named gone...
 * instead of user...: whoever runs this suppresses those beforehand and compares
 * `rejected` with `gone`.
 *
 * Results go to standard output as one key=value line. A latency is the time
 * from writing a request to having the whole reply.
 *
 * usage: policy-load [-c CONNECTIONS] [-n REQUESTS] [-k KEYS] [-p SHARE]
 *                    [-b FIRST] [-t SECONDS] [-q] ENDPOINT
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "endpoint.h"
#include "rng.h"
#include "sample.h"

enum {
	REQUEST_BYTES = 1024,
	REPLY_BYTES = 2048,
	NUMBER_DIGITS = 9,
	DOMAINS = 97,
};

struct options {
	const char *endpoint;
	size_t connections;
	size_t requests;
	uint64_t keys;
	uint64_t first;
	unsigned gone_percent;
	unsigned seconds;
	bool sequential;
};

struct connection {
	int fd;
	size_t request_length;
	size_t recipient_offset;
	size_t reply_length;
	uint64_t sent_at_ns;
	char request[REQUEST_BYTES];
	char reply[REPLY_BYTES];
};

struct load {
	struct options options;
	struct connection *connections;
	struct rng rng;
	uint32_t *latency_ns;
	size_t sent, answered, gone, rejected, deferred;
	uint64_t deadline_ns;
};

/* The attributes, and about the size, of what Postfix 3.7 sends for a RCPT TO over TLS. */
static void build_request(struct connection *c, unsigned number)
{
	int length = snprintf(c->request, sizeof c->request,
	    "request=smtpd_access_policy\n"
	    "protocol_state=RCPT\n"
	    "protocol_name=ESMTP\n"
	    "client_address=192.0.2.%u\n"
	    "client_name=out%u.news.example\n"
	    "client_port=%u\n"
	    "reverse_client_name=out%u.news.example\n"
	    "server_address=198.51.100.25\n"
	    "server_port=25\n"
	    "helo_name=out%u.news.example\n"
	    "sender=bounce-%06u@news.example\n"
	    "recipient=user%09u@d00.example\n"
	    "recipient_count=0\n"
	    "queue_id=\n"
	    "instance=%x.69206a80.9c4d1.0\n"
	    "size=%u\n"
	    "etrn_domain=\n"
	    "stress=\n"
	    "sasl_method=\n"
	    "sasl_username=\n"
	    "sasl_sender=\n"
	    "ccert_subject=\n"
	    "ccert_issuer=\n"
	    "ccert_fingerprint=\n"
	    "ccert_pubkey_fingerprint=\n"
	    "encryption_protocol=TLSv1.3\n"
	    "encryption_cipher=TLS_AES_256_GCM_SHA384\n"
	    "encryption_keysize=256\n"
	    "policy_context=\n"
	    "\n",
	    1 + number % 250, number % 40, 20000 + number % 40000, number % 40, number % 40,
	    number, 0U, 4096 + number, 8000 + number * 7);

	c->request_length = (size_t)length;
	c->recipient_offset = (size_t)(strstr(c->request, "\nrecipient=") - c->request) + 11;
}

/* user000000000@d00.example: all parts have a fixed width and are overwritten in place. */
static void set_recipient(struct connection *c, bool gone, uint64_t number)
{
	char *name = c->request + c->recipient_offset;
	char *digits = name + 4;
	unsigned domain = (unsigned)(number % DOMAINS);

	memcpy(name, gone ? "gone" : "user", 4);
	for (int i = NUMBER_DIGITS - 1; i >= 0; i--, number /= 10)
		digits[i] = (char)('0' + number % 10);
	digits[NUMBER_DIGITS + 2] = (char)('0' + domain / 10);
	digits[NUMBER_DIGITS + 3] = (char)('0' + domain % 10);
}

/* Exactly `gone_percent` of every hundred requests, evenly spread. */
static bool is_gone(const struct load *load)
{
	size_t turn = load->sent % 100;
	unsigned percent = load->options.gone_percent;

	return (turn + 1) * percent / 100 > turn * percent / 100;
}

static uint64_t choose_number(struct load *load, bool gone)
{
	const struct options *o = &load->options;
	uint64_t range;

	if (o->sequential)
		return o->first + (gone ? load->gone : load->sent - load->gone);
	range = o->keys * (gone ? o->gone_percent : 100 - o->gone_percent) / 100;
	return o->first + (range > 0 ? rng_next(&load->rng) % range : 0);
}

static void send_request(struct load *load, struct connection *c)
{
	bool gone = is_gone(load);

	set_recipient(c, gone, choose_number(load, gone));
	load->gone += gone;
	load->sent++;
	c->reply_length = 0;
	c->sent_at_ns = sample_now_ns();
	if (write(c->fd, c->request, c->request_length) != (ssize_t)c->request_length)
		err(1, "write to %s", load->options.endpoint);
}

static void count_reply(struct load *load, const struct connection *c)
{
	static const char prefix[] = "action=";
	const char *action = c->reply + sizeof prefix - 1;

	if (memcmp(c->reply, prefix, sizeof prefix - 1) != 0)
		errx(1, "not a reply: %.*s", (int)c->reply_length, c->reply);
	if (action[0] == '5' || strncasecmp(action, "REJECT", 6) == 0)
		load->rejected++;
	else if (action[0] == '4' || strncasecmp(action, "DEFER", 5) == 0)
		load->deferred++;
}

/* True when a whole reply has come. */
static bool read_reply(struct load *load, struct connection *c)
{
	ssize_t got = read(c->fd, c->reply + c->reply_length, sizeof c->reply - c->reply_length);

	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0)
		errx(1, "%s closed the connection after %zu replies", load->options.endpoint,
		    load->answered);
	c->reply_length += (size_t)got;
	if (c->reply_length < 8 || memcmp(c->reply + c->reply_length - 2, "\n\n", 2) != 0)
		return false;
	load->latency_ns[load->answered++] = sample_clamp(sample_now_ns() - c->sent_at_ns);
	count_reply(load, c);
	return true;
}

static int connect_all(struct load *load)
{
	int loop = epoll_create1(EPOLL_CLOEXEC);

	if (loop < 0)
		err(1, "epoll_create1");
	for (size_t i = 0; i < load->options.connections; i++) {
		struct connection *c = &load->connections[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

		build_request(c, (unsigned)i);
		c->fd = endpoint_dial(load->options.endpoint);
		endpoint_set_nonblocking(c->fd);
		if (epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event) != 0)
			err(1, "epoll_ctl");
	}
	return loop;
}

static void run(struct load *load, int loop)
{
	struct epoll_event events[512];

	for (size_t i = 0; i < load->options.connections && load->sent < load->options.requests; i++)
		send_request(load, &load->connections[i]);
	while (load->answered < load->sent) {
		int ready = epoll_wait(loop, events, 512, 10000);
		if (ready == 0)
			errx(1, "%s: no reply within 10 seconds, %zu outstanding",
			    load->options.endpoint, load->sent - load->answered);
		for (int i = 0; i < ready; i++) {
			struct connection *c = events[i].data.ptr;
			if (read_reply(load, c) && load->sent < load->options.requests &&
			    sample_now_ns() < load->deadline_ns)
				send_request(load, c);
		}
	}
}

static void report(struct load *load, double seconds)
{
	uint32_t *ns = load->latency_ns;
	size_t n = load->answered;

	sample_sort(ns, n);
	printf("requests=%zu seconds=%.6f req_per_s=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f "
	       "max_us=%.1f gone=%zu rejected=%zu deferred=%zu request_bytes=%zu\n",
	    n, seconds, (double)n / seconds, sample_percentile_us(ns, n, 0.5),
	    sample_percentile_us(ns, n, 0.99), sample_percentile_us(ns, n, 0.999),
	    sample_percentile_us(ns, n, 1), load->gone, load->rejected, load->deferred,
	    load->connections[0].request_length);
}

static uint64_t number_argument(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end != '\0')
		errx(2, "not a number: %s", text);
	return value;
}

static struct options parse_options(int argc, char **argv)
{
	struct options o = { .connections = 1, .requests = 100000, .keys = 10000, .seconds = 10 };
	int letter;

	while ((letter = getopt(argc, argv, "c:n:k:p:b:t:q")) != -1) {
		switch (letter) {
		case 'c': o.connections = number_argument(optarg); break;
		case 'n': o.requests = number_argument(optarg); break;
		case 'k': o.keys = number_argument(optarg); break;
		case 'p': o.gone_percent = (unsigned)number_argument(optarg); break;
		case 'b': o.first = number_argument(optarg); break;
		case 't': o.seconds = (unsigned)number_argument(optarg); break;
		case 'q': o.sequential = true; break;
		default: exit(2);
		}
	}
	if (optind != argc - 1 || o.connections == 0 || o.requests == 0 || o.gone_percent > 100)
		errx(2, "usage: policy-load [-c CONNECTIONS] [-n REQUESTS] [-k KEYS] [-p SHARE] "
		        "[-b FIRST] [-t SECONDS] [-q] ENDPOINT");
	o.endpoint = argv[optind];
	return o;
}

int main(int argc, char **argv)
{
	struct load load = { .options = parse_options(argc, argv), .rng = { .state = 1 } };

	load.connections = calloc(load.options.connections, sizeof *load.connections);
	load.latency_ns = calloc(load.options.requests, sizeof *load.latency_ns);
	if (load.connections == NULL || load.latency_ns == NULL)
		err(1, "memory");

	int loop = connect_all(&load);
	uint64_t start = sample_now_ns();
	load.deadline_ns = start + (uint64_t)load.options.seconds * 1000000000U;
	run(&load, loop);
	report(&load, (double)(sample_now_ns() - start) / 1e9);
	free(load.connections);
	free(load.latency_ns);
	return 0;
}
