/*
 * genlog: a Postfix mail log of a bulk sender, the same for the same options.
 *
 * Some hundred messages are in flight at any time and their lines interleave.
 * Each goes through its life: connect, client=, message-id=, from=, disconnect,
 * a delivery-status line for each recipient, then either `removed` or a wait in
 * the deferred queue until the next try, a delivery, a bounce, or expiry; a
 * bounce brings a non-delivery notification, a message of its own. Of all
 * attempts about 90 % are sent, 6 % deferred and 4 % bounced; stamps never go
 * back; `delay=` fits the stamps, as readers compute the arrival from it.
 * Senders, recipients and hosts' addresses are of reserved domains and networks.
 *
 * With -f replies it writes only what the refusing sites said, one reply a line:
 * REPLY<TAB>RELAY-HOST, as `nixie classify` reads them.
 *
 * A summary of attempts goes to standard error as one key=value line.
 *
 * usage: genlog [-n LINES] [-s SEED] [-f rfc3339|traditional|replies]
 *               [-t START-EPOCH] [-d SECONDS] [-r RECIPIENTS] > FILE
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "genlog-line.h"
#include "genlog-message.h"
#include "genlog-queue.h"

enum {
	IN_FLIGHT = 300,
	LINES_PER_SECOND = 100, /* decides what span a long log covers */
	SHORTEST_SPAN_S = 6 * 3600,
};

struct genlog genlog = { .recipients = 1000000, .rng = { .state = 42 } };

static struct {
	uint64_t lines;
	uint64_t start_s;
	uint64_t span_s;
	bool replies_only;
} options = { .lines = 1000000, .start_s = 1763596800 };

/* ---- lines that belong to no message ---- */

static void write_tls(void)
{
	struct mailbox box = mailbox_of(mailbox_draw(&genlog.rng, genlog.recipients));

	line_begin(genlog.format, genlog.now_us, "smtp", 3400 + rng_below(&genlog.rng, 90));
	put("Trusted TLS connection established to ");
	put(box.server);
	put_char('[');
	put(box.address);
	put("]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
	    "server-signature RSA-PSS (2048 bits) server-digest SHA256");
	line_end();
}

static void write_stranger_refused(void)
{
	unsigned host = rng_below(&genlog.rng, 250);

	line_begin(genlog.format, genlog.now_us, "smtpd", 1900 + host);
	put("NOQUEUE: reject: RCPT from unknown[203.0.113.");
	put_number(host);
	put("]: 554 5.7.1 <someone@elsewhere.example>: Relay access denied; from=<a@spam.example> "
	    "to=<someone@elsewhere.example> proto=ESMTP helo=<[203.0.113.");
	put_number(host);
	put("]>");
	line_end();
}

static void write_warning(void)
{
	unsigned host = rng_below(&genlog.rng, 250);

	line_begin(genlog.format, genlog.now_us, "smtpd", 1900 + host);
	put("warning: hostname static-");
	put_number(host);
	put(".pool.example does not resolve to address 203.0.113.");
	put_number(host);
	put(": Name or service not known");
	line_end();
}

static bool write_unrelated(void)
{
	unsigned chance = rng_below(&genlog.rng, 1000);

	if (chance < 20)
		write_tls();
	else if (chance < 23)
		write_stranger_refused();
	else if (chance < 25)
		write_warning();
	else
		return false;
	return true;
}

/* ---- */

/* Takes the place of a message that is over or deferred. */
static void replace(struct message *m, unsigned session)
{
	if (m->step == STEP_PARKED) {
		m->step = STEP_ACTIVE;
		queue_park(m);
	}
	if (!queue_take(genlog.now_us, m))
		*m = message_new(session);
}

static void write_log(void)
{
	static struct message in_flight[IN_FLIGHT];
	double twice_step_us = 2e6 * (double)options.span_s / (double)options.lines;
	/* A short log would otherwise end before its first message does. */
	unsigned count = options.lines < 40 * IN_FLIGHT ? (unsigned)options.lines / 40 + 1 : IN_FLIGHT;

	genlog.now_us = options.start_s * 1000000;
	for (unsigned i = 0; i < count; i++)
		in_flight[i] = message_new(i);
	for (uint64_t line = 0; line < options.lines; line++) {
		unsigned i = rng_below(&genlog.rng, count);

		genlog.now_us += (uint64_t)(twice_step_us * rng_unit(&genlog.rng));
		if (write_unrelated())
			continue;
		message_advance(&in_flight[i]);
		if (in_flight[i].step == STEP_PARKED || in_flight[i].step == STEP_OVER)
			replace(&in_flight[i], i);
	}
}

static void write_replies(void)
{
	for (uint64_t line = 0; line < options.lines; line++) {
		struct message m = message_new(0);
		struct mailbox box = mailbox_of(m.recipients[0].number);
		bool is_bounce = rng_below(&genlog.rng, 10) < 4;
		const struct failure *f =
		    message_draw_failure(box.site, is_bounce ? OUTCOME_BOUNCED : OUTCOME_DEFERRED);

		message_put_reply(&m, f, &box);
		if (f->stage != STAGE_LOCAL && f->stage != STAGE_MAILBOX) {
			put_char('\t');
			put(box.server);
		}
		line_end();
	}
}

static void set_format(const char *name)
{
	if (strcmp(name, "traditional") == 0)
		genlog.format = LINE_TRADITIONAL;
	else if (strcmp(name, "replies") == 0)
		options.replies_only = true;
	else if (strcmp(name, "rfc3339") != 0)
		errx(2, "not rfc3339, traditional or replies: %s", name);
}

static uint64_t number_argument(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || value == 0)
		errx(2, "not a number from 1 up: %s", text);
	return value;
}

static void parse_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "n:s:f:t:d:r:")) != -1) {
		switch (letter) {
		case 'n': options.lines = number_argument(optarg); break;
		case 's': genlog.rng.state = number_argument(optarg); break;
		case 'f': set_format(optarg); break;
		case 't': options.start_s = number_argument(optarg); break;
		case 'd': options.span_s = number_argument(optarg); break;
		case 'r': genlog.recipients = (uint32_t)number_argument(optarg); break;
		default: exit(2);
		}
	}
	if (optind != argc)
		errx(2, "usage: genlog [-n LINES] [-s SEED] [-f rfc3339|traditional|replies] "
		        "[-t START-EPOCH] [-d SECONDS] [-r RECIPIENTS] > FILE");
	if (options.span_s == 0) {
		options.span_s = options.lines / LINES_PER_SECOND;
		if (options.span_s < SHORTEST_SPAN_S)
			options.span_s = SHORTEST_SPAN_S;
	}
}

int main(int argc, char **argv)
{
	parse_options(argc, argv);
	if (options.replies_only)
		write_replies();
	else
		write_log();
	line_flush();
	fprintf(stderr,
	    "lines=%" PRIu64 " sent=%" PRIu64 " deferred=%" PRIu64 " bounced=%" PRIu64 " expired=%" PRIu64
	    " notifications=%" PRIu64 "\n",
	    options.lines, genlog.sent, genlog.deferred, genlog.bounced, genlog.expired, genlog.notifications);
	return 0;
}
