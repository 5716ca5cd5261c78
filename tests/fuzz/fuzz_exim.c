/* Lines of Exim's main log: whatever they hold, and whatever strangers can put into
 * their places: a local part in quotes, a server's words, a subject. */
#include "fuzz.h"

#include "clock.h"
#include "exim.h"

#define ID "1jmFYj-00039V-QX "

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	if (!clock_set_zone("UTC"))
		abort();
	return 0;
}

static bool parse(struct sv message, struct mta_line *e)
{
	struct line line = { .time_us = INT64_C(1795252321) * CLOCK_SECOND_US, .host = SV("mail"), .process = SV("exim"), .message = message };

	return exim_parse(&line, e);
}

static void check_line(struct sv message)
{
	static struct reply reply;
	struct mta_line e;

	if (!parse(message, &e))
		return;
	const struct sv pieces[] = { e.queue_id, e.to, e.orig_to, e.relay_host, e.relay_ip, e.daemon, e.text, e.sender, e.client, e.login, e.message_id };
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		MUST(fuzz_inside(pieces[i], message));
	MUST((e.queue_id.n == 16 || e.queue_id.n == 23) && exim_id_at(e.queue_id) == e.queue_id.n);
	MUST(e.relay_port <= 65535 && e.delay_us == -1 && e.arrival_s >= 0);
	MUST(e.event == EVENT_DELIVERY || e.event == EVENT_ARRIVED || e.event == EVENT_REMOVED || e.event == EVENT_MALFORMED);
	if (e.event != EVENT_DELIVERY)
		return;
	MUST(sv_eq(e.status_text, sv_of(delivery_status_name(e.status))));
	MUST(e.has_orig_to == (e.orig_to.n > 0) || e.has_orig_to);
	reply_parse(e.text, e.dsn, &reply);
	MUST(fuzz_inside(reply.words, sv_make(reply.store, sizeof reply.store)) && fuzz_inside(reply.host, e.text));
}

/* front, a stranger's bytes without line ends, back: in one line */
static struct sv with(const char *front, struct sv bytes, bool quoted, const char *back)
{
	static char room[16384];
	struct buf b = BUF_ON(room);

	buf_add(&b, sv_of(front));
	for (size_t i = 0; i < bytes.n; i++) {
		/* what an address parser lets through in quotes */
		if (quoted && (bytes.p[i] == '"' || bytes.p[i] == '\\'))
			buf_add_char(&b, '\\');
		buf_add_char(&b, bytes.p[i] == '\n' || bytes.p[i] == '\r' ? ' ' : bytes.p[i]);
	}
	buf_add(&b, sv_of(back));
	return b.full ? sv_make("", 0) : buf_sv(&b);
}

static void check_strangers(struct sv bytes)
{
	struct mta_line e;

	struct sv line = with(ID "** \"", bytes, true, "\"@b.example R=r T=t H=mx [192.0.2.9]: no");
	if (parse(line, &e) && !sv_starts(bytes, SV("|"))) {
		MUST(e.event == EVENT_DELIVERY && e.status == DELIVERY_BOUNCED && !e.no_address && !e.has_orig_to);
		MUST(e.to.n >= 12 && sv_ends_nocase(e.to, SV("\"@b.example")) && sv_eq(e.text, SV("no")) && sv_eq(e.relay_host, SV("mx")));
	}
	line = with(ID "** u@b.example R=r T=t H=mx [192.0.2.9]: ", bytes, false, "");
	if (parse(line, &e)) {
		MUST(e.event == EVENT_DELIVERY && (e.status == DELIVERY_BOUNCED || e.status == DELIVERY_EXPIRED));
		MUST(sv_eq(e.to, SV("u@b.example")) && !e.has_orig_to && sv_eq(e.relay_host, SV("mx")) && sv_eq(e.relay_ip, SV("192.0.2.9")));
	}
	line = with(ID "<= s@a.example H=h [192.0.2.1] P=esmtpa A=x:anna S=1 T=\"", bytes, true, "\" for u@b.example");
	if (parse(line, &e)) {
		MUST(e.event == EVENT_ARRIVED && sv_eq(e.sender, SV("s@a.example")) && sv_eq(e.login, SV("anna")));
		MUST(e.recipients == 1 && e.message_id.n == 0);
	}
	line = with(ID "=> u@b.example R=r T=t H=mx [192.0.2.9] C=\"", bytes, true, "\"");
	if (parse(line, &e))
		MUST(e.event == EVENT_DELIVERY && e.status == DELIVERY_SENT && sv_eq(e.to, SV("u@b.example")) && sv_eq(e.relay_host, SV("mx")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv rest = sv_make((const char *)data, size);

	while (rest.n) {
		struct sv line = sv_cut(&rest, '\n');
		struct stamp_anchor anchor = { 0 };
		struct line whole;
		check_line(line);
		if (line_parse(line, &anchor, &whole))
			check_line(whole.message);
	}
	check_strangers(sv_make((const char *)data, size));
	return 0;
}
