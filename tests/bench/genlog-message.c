#include "genlog-message.h"

#include <err.h>
#include <string.h>

#include "genlog-queue.h"

enum {
	SENDER_DOMAINS = 40,
	CLIENTS = 400,
	MINIMAL_BACKOFF_S = 300,
	MAXIMAL_BACKOFF_S = 4000,
	QUEUE_LIFETIME_S = 2 * 3600, /* short, so that a log of some hours has expiries */
	LONGEST_ATTEMPT_S = 20,
	FOREIGN_WORDS_PERCENT = 8, /* answers in words not the site's own: filters in front */
};

/*
 * Per mille of first and of later attempts. Together with the again_percent of
 * the failures they make 90 % sent, 6 % deferred, 4 % bounced.
 */
enum {
	FIRST_DEFERRED = 26,
	FIRST_BOUNCED = 37,
	RETRY_BOUNCED = 120,
};

enum {
	PID_QMGR = 1207,
	PID_SMTPD = 2100,
	PID_CLEANUP = 3300,
	PID_SMTP = 3400,
	PID_BOUNCE = 3600,
	PID_LOCAL = 3700,
};

static uint32_t draw(uint32_t limit)
{
	return rng_below(&genlog.rng, limit);
}

static bool percent_chance(uint32_t percent)
{
	return draw(100) < percent;
}

static void begin(const struct message *m, const char *daemon, unsigned pid)
{
	line_begin(genlog.format, genlog.now_us, daemon, pid);
	put(m->queue_id);
	put(": ");
}

static void put_client(const struct message *m)
{
	put("app");
	put_number(m->client);
	put(".internal.example[10.0.");
	put_number(m->client / 250U);
	put_char('.');
	put_number(1 + m->client % 250U);
	put_char(']');
}

static bool authenticates(const struct message *m)
{
	return m->client % 3 == 0;
}

static void put_sender_domain(const struct message *m)
{
	static const char *const names[] = { "shop", "news", "travel", "tickets", "bank", "games", "books", "jobs" };

	put(names[m->sender_domain % 8]);
	put("-mail");
	put_number(m->sender_domain);
	put(".example");
}

static void put_sender(const struct message *m)
{
	if (m->is_notification)
		return;
	if (m->token % 4 == 0) {
		put("noreply");
	} else {
		put("bounce+");
		put_base36(m->token, 9);
	}
	put_char('@');
	put_sender_domain(m);
}

static void put_recipient(const struct mailbox *box)
{
	put(box->local);
	put_char('@');
	put(box->domain);
}

static void put_server(const struct mailbox *box)
{
	put(box->server);
	put_char('[');
	put(box->address);
	put_char(']');
}

static void put_session_id(void)
{
	uint64_t r = rng_next(&genlog.rng);

	put_base36(r, 12);
	put_char('-');
	put_base36(rng_mix(r), 12);
	put_char('.');
	put_number(r % 1000);
}

/* ---- failures ---- */

const struct failure *message_draw_failure(enum site site, enum outcome outcome)
{
	static unsigned total[SITES][OUTCOMES];

	if (total[SITE_OTHER][OUTCOME_BOUNCED] == 0)
		for (size_t i = 0; i < failure_count; i++)
			total[failures[i].site][failures[i].outcome] += failures[i].weight;

	unsigned at = draw(total[site][outcome]);
	for (size_t i = 0; i < failure_count; i++) {
		const struct failure *f = &failures[i];
		if (f->site != site || f->outcome != outcome)
			continue;
		if (at < f->weight)
			return f;
		at -= f->weight;
	}
	errx(1, "genlog-texts: site %d has no such failure", (int)site);
}

static void put_placeholder(char which, const struct message *m, const struct mailbox *box)
{
	switch (which) {
	case 'r': put_recipient(box); break;
	case 'u': put(box->local); break;
	case 'd': put(box->domain); break;
	case 'h': put(box->server); break;
	case 'i': put(box->address); break;
	case 'o': put("192.0.2."); put_number(10 + m->token % 16); break;
	case 's': put_sender_domain(m); break;
	case 'q': put_session_id(); break;
	case 'x': put_hex(rng_next(&genlog.rng), 16); break;
	case '2': put_padded(draw(100), 2); break;
	case 'n': put_number(10000000 + draw(90000000)); break;
	default: errx(1, "genlog-texts: unknown placeholder %%%c", which);
	}
}

void message_put_reply(const struct message *m, const struct failure *f, const struct mailbox *box)
{
	const char *from = f->text, *percent;

	while ((percent = strchr(from, '%')) != NULL) {
		put_bytes(from, (size_t)(percent - from));
		put_placeholder(percent[1], m, box);
		from = percent + 2;
	}
	put(from);
}

/* What becomes of this attempt: a failure, or NULL for a delivery. */
static const struct failure *draw_result(const struct recipient *r, enum site site)
{
	enum site speaker = percent_chance(FOREIGN_WORDS_PERCENT) ? SITE_OTHER : site;
	unsigned chance = draw(1000);

	if (r->last_failure != NULL) {
		if (percent_chance(r->last_failure->again_percent))
			return r->last_failure;
		return chance < RETRY_BOUNCED ? message_draw_failure(speaker, OUTCOME_BOUNCED) : NULL;
	}
	if (chance < FIRST_DEFERRED)
		return message_draw_failure(speaker, OUTCOME_DEFERRED);
	if (chance < FIRST_DEFERRED + FIRST_BOUNCED)
		return message_draw_failure(speaker, OUTCOME_BOUNCED);
	return NULL;
}

/* ---- delivery-status lines ---- */

static void put_relay(enum stage stage, const struct mailbox *box)
{
	put(", relay=");
	if (stage == STAGE_LOCAL) {
		put("none");
	} else if (stage == STAGE_MAILBOX) {
		put("local");
	} else {
		put_server(box);
		put(":25");
		if (percent_chance(6)) {
			put(", conn_use=");
			put_number(2 + draw(8));
		}
	}
}

static void put_delays(const struct message *m)
{
	uint64_t total = genlog.now_us - m->arrival_us;
	uint64_t longest = LONGEST_ATTEMPT_S * UINT64_C(1000000);
	uint64_t attempt = total < longest ? total : longest;
	uint64_t transmission = attempt * (20 + draw(40)) / 100;
	uint64_t connection = attempt * draw(30) / 100;

	put(", delay=");
	put_delay(total);
	put(", delays=");
	put_delay(total - transmission - connection);
	put("/0/");
	put_delay(connection);
	put_char('/');
	put_delay(transmission);
}

static void begin_delivery(const struct message *m, const struct mailbox *box, enum stage stage)
{
	if (stage == STAGE_MAILBOX)
		begin(m, "local", PID_LOCAL + draw(4));
	else
		begin(m, "smtp", PID_SMTP + draw(90));
	put("to=<");
	put_recipient(box);
	put_char('>');
	if (percent_chance(3)) {
		put(", orig_to=<team");
		put_number(draw(100));
		put("@lists.example>");
	}
	put_relay(stage, box);
	put_delays(m);
}

static void put_acceptance(const struct mailbox *box)
{
	switch (box->site) {
	case SITE_GOOGLE:
		put("250 2.0.0 OK ");
		put_number(genlog.now_us / 1000000);
		put_char(' ');
		put_session_id();
		put(" - gsmtp");
		break;
	case SITE_MICROSOFT:
		put("250 2.6.0 <");
		put_hex(rng_next(&genlog.rng), 16);
		put("@eur.prod.outlook.example> [InternalId=");
		put_number(rng_next(&genlog.rng) >> 20);
		put("] Queued mail for delivery -> 250 2.1.5");
		break;
	case SITE_YAHOO:
		put("250 ok dirdel");
		break;
	case SITE_GMX:
		put("250 Requested mail action okay, completed: id=");
		put_base36(rng_next(&genlog.rng), 16);
		break;
	case SITE_APPLE:
	case SITE_TENCENT:
	case SITE_OTHER:
	case SITES:
		put("250 2.0.0 Ok: queued as ");
		put_hex(rng_next(&genlog.rng), 11);
	}
}

static void put_refusal(const struct message *m, const struct failure *f, const struct mailbox *box)
{
	static const char *const command[] = { [STAGE_MAIL] = "MAIL FROM", [STAGE_RCPT] = "RCPT TO",
		[STAGE_DATA] = "DATA", [STAGE_END_OF_DATA] = "end of DATA" };

	if (f->stage >= STAGE_GREETING) {
		put("host ");
		put_server(box);
		put(f->stage == STAGE_GREETING ? " refused to talk to me: " : " said: ");
	}
	message_put_reply(m, f, box);
	if (f->stage > STAGE_GREETING) {
		put(" (in reply to ");
		put(command[f->stage]);
		put(" command)");
	}
}

static void write_delivered(const struct message *m, struct recipient *r, const struct mailbox *box)
{
	begin_delivery(m, box, STAGE_END_OF_DATA);
	put(", dsn=2.0.0, status=sent (");
	put_acceptance(box);
	put_char(')');
	line_end();
	r->open = false;
	if (!m->is_notification)
		genlog.sent++;
}

static void write_failed(struct message *m, struct recipient *r, const struct mailbox *box, const struct failure *f)
{
	bool is_bounce = f->outcome == OUTCOME_BOUNCED;

	begin_delivery(m, box, f->stage);
	put(", dsn=");
	put(f->dsn);
	put(is_bounce ? ", status=bounced (" : ", status=deferred (");
	put_refusal(m, f, box);
	put_char(')');
	line_end();
	r->last_failure = f;
	if (is_bounce) {
		r->open = false;
		m->any_bounced = true;
		genlog.bounced++;
	} else {
		genlog.deferred++;
	}
}

static void write_delivery(struct message *m, struct recipient *r)
{
	struct mailbox box = mailbox_of(r->number);
	const struct failure *f = m->is_notification ? NULL : draw_result(r, box.site);

	if (f == NULL)
		write_delivered(m, r, &box);
	else
		write_failed(m, r, &box, f);
}

/* ---- the other lines ---- */

static void write_connect(const struct message *m)
{
	line_begin(genlog.format, genlog.now_us, "smtpd", m->smtpd_pid);
	put("connect from ");
	put_client(m);
	line_end();
}

static void write_client(struct message *m)
{
	m->arrival_us = genlog.now_us;
	begin(m, "smtpd", m->smtpd_pid);
	put("client=");
	put_client(m);
	if (authenticates(m)) {
		put(", sasl_method=PLAIN, sasl_username=app");
		put_number(m->client);
		put_char('@');
		put_sender_domain(m);
	}
	line_end();
}

static void write_message_id(const struct message *m)
{
	begin(m, "cleanup", PID_CLEANUP + draw(40));
	put("message-id=<");
	put_base36(m->token, 10);
	put_char('.');
	put_base36(rng_mix(m->token), 8);
	put_char('@');
	put_sender_domain(m);
	put_char('>');
	line_end();
}

static void write_active(const struct message *m)
{
	begin(m, "qmgr", PID_QMGR);
	put("from=<");
	put_sender(m);
	put(">, size=");
	put_number(m->size);
	put(", nrcpt=");
	put_number(m->recipient_count);
	put(" (queue active)");
	line_end();
}

static void write_disconnect(const struct message *m)
{
	line_begin(genlog.format, genlog.now_us, "smtpd", m->smtpd_pid);
	put("disconnect from ");
	put_client(m);
	put(authenticates(m) ? " ehlo=2 starttls=1 auth=1 mail=1 rcpt=" : " ehlo=1 mail=1 rcpt=");
	put_number(m->recipient_count);
	put(" data=1 quit=1 commands=");
	put_number(m->recipient_count + (authenticates(m) ? 7U : 4U));
	line_end();
}

static void write_expired(struct message *m)
{
	begin(m, "qmgr", PID_QMGR);
	put("from=<");
	put_sender(m);
	put(">, status=expired, returned to sender");
	line_end();
	for (int i = 0; i < m->recipient_count; i++) {
		genlog.expired += m->recipients[i].open;
		m->recipients[i].open = false;
	}
}

static void set_queue_id(struct message *m)
{
	uint64_t r = rng_next(&genlog.rng);

	for (int i = 0; i < 10; i++, r >>= 4)
		m->queue_id[i] = "0123456789ABCDEF"[r & 15];
	m->queue_id[10] = '\0';
}

static struct message new_notification(void)
{
	struct message m = { .step = STEP_MESSAGE_ID, .is_notification = true, .recipient_count = 1 };

	m.arrival_us = m.due_us = genlog.now_us;
	m.token = rng_next(&genlog.rng);
	m.size = 4000 + draw(8000);
	m.recipients[0] = (struct recipient){ .number = mailbox_draw(&genlog.rng, genlog.recipients), .open = true };
	set_queue_id(&m);
	genlog.notifications++;
	return m;
}

static void write_notify(struct message *m)
{
	struct message notification = new_notification();

	begin(m, "bounce", PID_BOUNCE + draw(9));
	put("sender non-delivery notification: ");
	put(notification.queue_id);
	line_end();
	queue_park(&notification);
	m->any_bounced = false;
}

static void write_removed(const struct message *m)
{
	begin(m, "qmgr", PID_QMGR);
	put("removed");
	line_end();
}

/* ---- from line to line ---- */

static void add_recipients(struct message *m)
{
	unsigned chance = draw(100);

	m->recipient_count = 1;
	if (chance >= 96)
		m->recipient_count = (uint8_t)(3 + draw(MESSAGE_RECIPIENTS_MAX - 2));
	else if (chance >= 90)
		m->recipient_count = 2;
	for (int i = 0; i < m->recipient_count; i++) {
		m->recipients[i].number = mailbox_draw(&genlog.rng, genlog.recipients);
		m->recipients[i].open = true;
	}
}

struct message message_new(unsigned session)
{
	struct message m = { .step = STEP_CONNECT, .smtpd_pid = (uint16_t)(PID_SMTPD + session) };

	m.token = rng_next(&genlog.rng);
	m.client = (uint16_t)draw(CLIENTS);
	m.sender_domain = (uint16_t)draw(SENDER_DOMAINS);
	m.size = 2000 + draw(60000);
	set_queue_id(&m);
	add_recipients(&m);
	return m;
}

static bool any_open(const struct message *m)
{
	for (int i = 0; i < m->recipient_count; i++)
		if (m->recipients[i].open)
			return true;
	return false;
}

static enum step defer_or_remove(struct message *m)
{
	uint64_t backoff_s = (uint64_t)MINIMAL_BACKOFF_S << (m->attempts < 8 ? m->attempts - 1 : 7);

	if (!any_open(m))
		return STEP_REMOVED;
	if (backoff_s > MAXIMAL_BACKOFF_S)
		backoff_s = MAXIMAL_BACKOFF_S;
	m->due_us = genlog.now_us + backoff_s * 1000000;
	return STEP_PARKED;
}

static enum step after_attempt(struct message *m)
{
	m->attempts++;
	m->next_recipient = 0;
	if (any_open(m) && genlog.now_us - m->arrival_us > QUEUE_LIFETIME_S * UINT64_C(1000000))
		return STEP_EXPIRED;
	return m->any_bounced ? STEP_NOTIFY : defer_or_remove(m);
}

static void skip_closed(struct message *m)
{
	while (m->next_recipient < m->recipient_count && !m->recipients[m->next_recipient].open)
		m->next_recipient++;
}

static enum step deliver_next(struct message *m)
{
	skip_closed(m);
	write_delivery(m, &m->recipients[m->next_recipient++]);
	skip_closed(m);
	return m->next_recipient < m->recipient_count ? STEP_DELIVER : after_attempt(m);
}

static enum step write_next(struct message *m)
{
	switch (m->step) {
	case STEP_CONNECT: write_connect(m); return STEP_CLIENT;
	case STEP_CLIENT: write_client(m); return STEP_MESSAGE_ID;
	case STEP_MESSAGE_ID: write_message_id(m); return STEP_ACTIVE;
	case STEP_ACTIVE:
		write_active(m);
		return m->is_notification || m->attempts > 0 ? STEP_DELIVER : STEP_DISCONNECT;
	case STEP_DISCONNECT: write_disconnect(m); return STEP_DELIVER;
	case STEP_DELIVER: return deliver_next(m);
	case STEP_EXPIRED: write_expired(m); return STEP_NOTIFY;
	case STEP_NOTIFY: write_notify(m); return defer_or_remove(m);
	case STEP_REMOVED: write_removed(m); return STEP_OVER;
	case STEP_PARKED:
	case STEP_OVER: break;
	}
	errx(1, "message %s has no next line", m->queue_id);
}

void message_advance(struct message *m)
{
	m->step = write_next(m);
}
