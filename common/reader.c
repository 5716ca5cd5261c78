#include "reader.h"

#include <stdio.h>

#include "buf.h"
#include "campaign.h"
#include "cli.h"
#include "clock.h"
#include "exim.h"
#include "line_forms.h"
#include "loss.h"
#include "postfix.h"
#include "schema.h"

/* A queue id in a success text is this host's own only when that message is so young. */
#define HOP_AGE_MAX_S 3600

static const char *const left_out_names[] = { "counted", "probes", "null-sender", "internal-hops", "no-attempt", "ambiguous", "no-address", "bcc",
	"returned" };

const char *left_out_name(enum record_left_out left_out)
{
	return left_out_names[left_out];
}

void reader_init(struct reader *r, const struct config *config, struct ruleset *rules)
{
	*r = (struct reader){ .config = config, .rules = rules, .host = sv_of(cli_hostname()) };
	link_init(&r->links, (size_t)config->logtail_link_memory);
}

void reader_free(struct reader *r)
{
	link_free(&r->links);
}

/* ---- linking ---- */

static void remember_instance(struct reader *r, struct sv instance)
{
	if (instance.n >= sizeof r->instances[0])
		return;
	for (size_t i = 0; i < r->n_instances; i++)
		if (sv_eq(sv_of(r->instances[i]), instance))
			return;
	if (r->n_instances == sizeof r->instances / sizeof *r->instances)
		return;
	memcpy(r->instances[r->n_instances], instance.p, instance.n);
	r->instances[r->n_instances++][instance.n] = '\0';
}

static struct link *link_of(struct reader *r, const struct record *rec)
{
	return link_find(&r->links, rec->line.host, rec->said.instance, rec->said.queue_id);
}

static struct link *link_made(struct reader *r, const struct record *rec)
{
	return link_add(&r->links, rec->line.host, rec->said.instance, rec->said.queue_id);
}

/* Of a link that may be gone when the string is wanted. */
static struct sv kept(struct sv s, char room[LINK_STRING_MAX])
{
	if (s.n)
		memcpy(room, s.p, s.n);
	return sv_make(room, s.n);
}

static void begin(struct reader *r, const struct record *rec)
{
	const struct mta_line *p = &rec->said;
	char login_room[LINK_STRING_MAX], campaign_room[LINK_STRING_MAX];
	struct sv login = p->login, campaign = sv_make(NULL, 0);

	remember_instance(r, p->instance);
	/* a content filter gives the mail back, or it was requeued: who sent it is known from the first time */
	if (p->orig_queue_id.n) {
		const struct link *original = link_find(&r->links, rec->line.host, p->instance, p->orig_queue_id);
		if (original && !login.n)
			login = kept(original->login, login_room);
		if (original)
			campaign = kept(original->campaign, campaign_room);
	}
	struct link *l = link_begin(&r->links, rec->line.host, p->instance, p->queue_id, rec->line.time_us / CLOCK_SECOND_US);
	link_set(&r->links, l, LINK_CLIENT, p->client);
	link_set(&r->links, l, LINK_LOGIN, login);
	link_set(&r->links, l, LINK_CAMPAIGN, campaign);
}

static void queued(struct reader *r, const struct record *rec)
{
	struct link *l = link_made(r, rec);

	link_set(&r->links, l, LINK_SENDER, rec->said.sender);
	l->recipients = rec->said.recipients;
}

/* All that Exim tells of a message at its beginning is in one line. */
static void arrived(struct reader *r, const struct record *rec)
{
	const struct mta_line *p = &rec->said;
	char room[LINK_STRING_MAX], campaign_room[LINK_STRING_MAX];
	struct buf id = BUF_ON(room);
	const struct link *before = link_of(r, rec); /* an ACL tells of a header before the message has arrived */
	struct sv campaign = before ? kept(before->campaign, campaign_room) : sv_make(NULL, 0);

	remember_instance(r, p->instance);
	struct link *l = link_begin(&r->links, rec->line.host, p->instance, p->queue_id, rec->line.time_us / CLOCK_SECOND_US);
	link_set(&r->links, l, LINK_CLIENT, p->client);
	link_set(&r->links, l, LINK_LOGIN, p->login);
	link_set(&r->links, l, LINK_CAMPAIGN, campaign);
	link_set(&r->links, l, LINK_SENDER, p->sender);
	if (p->message_id.n) { /* in its header, and in Postfix's log, it has brackets */
		buf_add_char(&id, '<');
		buf_add(&id, p->message_id);
		buf_add_char(&id, '>');
		link_set(&r->links, l, LINK_MESSAGE_ID, buf_sv(&id));
	}
	l->recipients = p->recipients;
}

/* What a delivery line of Exim's tells of its message: the sender (log_selector =
 * +sender_on_delivery), and that an alias has several targets. */
static struct link *learn(struct reader *r, const struct record *rec, struct link *l)
{
	const struct mta_line *p = &rec->said;

	if (p->has_sender && !(l && l->has_sender)) {
		l = l ? l : link_made(r, rec);
		link_set(&r->links, l, LINK_SENDER, p->sender);
	}
	if (l && p->has_orig_to) {
		uint64_t target = sv_hash(p->to) | 1;
		l->targets = l->targets || (l->target && l->target != target);
		l->target = target;
	}
	return l;
}

/* Is the message that the next hop calls Q one of this host's own? */
static bool is_hop(struct reader *r, const struct record *rec)
{
	struct sv id = rec->mta == MTA_EXIM ? exim_queued_as(rec->said.text) : sv_make(NULL, 0);

	if (!id.n)
		id = postfix_queued_as(rec->said.text);
	if (!id.n || sv_eq(id, rec->said.queue_id))
		return false;
	for (size_t i = 0; i < r->n_instances; i++) {
		const struct link *l = link_find(&r->links, rec->line.host, sv_of(r->instances[i]), id);
		if (l && l->begun_s && rec->line.time_us / CLOCK_SECOND_US - l->begun_s <= HOP_AGE_MAX_S)
			return true;
	}
	return false;
}

static bool is_null_address(struct sv sender)
{
	return sender.n == 0 || sv_starts_nocase(sender, SV("double-bounce@"));
}

static bool is_null_sender(const struct link *l)
{
	return l && l->has_sender && is_null_address(l->sender);
}

/* After DATA one answer is for all recipients of the transaction: unless it names the
 * address, or there was no other, it is not known whom it means. */
static bool meant_for_several(const struct record *rec)
{
	enum phase phase = rec->reply.phase;
	unsigned recipients = rec->link ? rec->link->recipients : 0;

	/* Postfix always tells how many, Exim only when it is asked to */
	return (phase == PHASE_DATA || phase == PHASE_END_OF_DATA) && (recipients > 1 || (recipients == 0 && rec->mta == MTA_EXIM)) &&
		sv_find_sv(rec->reply.words, rec->said.to) == rec->reply.words.n;
}

/* "Name service error for name=N" about another name than the recipient's domain: a
 * relayhost or a transport of ours cannot be found, and every recipient hears of it. */
static bool other_name_missing(struct sv text, struct sv to)
{
	static const struct sv mark = { "Name service error for name=", 28 };
	size_t at = sv_find_sv(text, mark);
	struct sv name = sv_skip(text, at + mark.n);

	if (at == text.n)
		return false;
	name.n = sv_find(name, ' ');
	return !(to.n > name.n && to.p[to.n - name.n - 1] == '@' && sv_ends_nocase(to, name));
}

/* What the rules cannot see: the recipient, and how many there were. */
static void judge_again(struct record *rec)
{
	struct verdict *v = &rec->verdict;

	if (v->category == CATEGORY_DOMAIN_UNKNOWN && other_name_missing(rec->said.text, rec->said.to)) {
		*v = (struct verdict){ .category = CATEGORY_DNS_FAILURE, .class_ = category_class(CATEGORY_DNS_FAILURE) };
	} else if (v->class_ == CLASS_HARD && meant_for_several(rec)) {
		v->class_ = CLASS_SOFT;
	}
}

void reader_judge(struct ruleset *rules, struct record *rec)
{
	const struct mta_line *p = &rec->said;

	reply_parse(p->text, p->dsn, &rec->reply);
	struct failure_text text = { &rec->reply, p->relay_host.n ? p->relay_host : rec->reply.host, rec->mta };
	ruleset_classify(rules, &text, &rec->verdict);
	judge_again(rec);
}

static bool is_one_of(const struct strings *list, struct sv address)
{
	for (size_t i = 0; i < list->n; i++) {
		struct sv one = sv_of(list->v[i]);
		if (one.p[0] == '@' ? sv_ends_nocase(address, one) : sv_eq_nocase(address, one))
			return true;
	}
	return false;
}

/* always_bcc and its like send copies that the log does not mark. */
static bool is_copy(const struct reader *r, const struct mta_line *p)
{
	const struct strings *bcc = &r->config->logtail_bcc;

	return bcc->n && (is_one_of(bcc, p->to) || (p->has_orig_to && is_one_of(bcc, p->orig_to)));
}

/* By the names that the snippets give to what runs nixie receive: a service of Postfix, a transport of Exim. */
static bool is_returned(const struct mta_line *p)
{
	return (sv_eq(p->relay_host, SV("nixie-receive")) && !p->relay_ip.n) || sv_eq(p->daemon, SV("nixie_receive"));
}

static enum record_left_out leave_out(struct reader *r, const struct record *rec)
{
	const struct mta_line *p = &rec->said;

	if (p->status == DELIVERY_DELIVERABLE || p->status == DELIVERY_UNDELIVERABLE)
		return LEFT_OUT_PROBE;
	if (is_null_sender(rec->link))
		return LEFT_OUT_NULL;
	if (p->ambiguous)
		return LEFT_OUT_AMBIGUOUS;
	if (p->no_address)
		return LEFT_OUT_NO_ADDRESS;
	if (p->no_attempt)
		return LEFT_OUT_NO_ATTEMPT;
	if (is_copy(r, p))
		return LEFT_OUT_BCC;
	if (is_returned(p))
		return LEFT_OUT_RETURNED;
	bool nobody = sv_eq(p->relay_host, SV("none"));
	if (p->status == DELIVERY_SENT)
		return nobody ? LEFT_OUT_NO_ATTEMPT /* discard(8) */ : is_hop(r, rec) ? LEFT_OUT_HOP : LEFT_OUT_NOT;
	bool put_off = sv_eq(p->daemon, SV("error")) || sv_eq(p->daemon, SV("retry")) || sv_eq(p->daemon, SV("qmgr"));
	return nobody && put_off && p->status == DELIVERY_DEFERRED ? LEFT_OUT_NO_ATTEMPT : LEFT_OUT_NOT;
}

/* Where this recipient will be pending, by either of its addresses. */
static uint64_t partitions_of(const struct reader *r, const struct mta_line *p)
{
	struct address_options options = config_address_options(r->config);
	struct sv addresses[] = { p->to, p->has_orig_to ? p->orig_to : p->to };
	struct address address;
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
		if (address_parse(addresses[i], ADDRESS_EXTERNAL, &options, &address) == ADDRESS_OK)
			set |= schema_partition_bit(address_key(&address));
	return set;
}

static void delivery(struct reader *r, struct record *rec)
{
	const struct mta_line *p = &rec->said;
	struct link *l = learn(r, rec, link_of(r, rec));

	r->counts.attempts += rec->times;
	r->counts.status[p->status] += rec->times;
	r->counts.ambiguous += p->ambiguous;
	rec->failed = p->status != DELIVERY_SENT && p->status != DELIVERY_DELIVERABLE;
	rec->link = l;
	if (rec->failed)
		reader_judge(r->rules, rec);
	rec->left_out = leave_out(r, rec);
	r->counts.left_out[rec->left_out] += rec->times;
	/* is_hop() may have moved links, not removed any */
	if (p->status == DELIVERY_DEFERRED || p->status == DELIVERY_SOFTBOUNCE) {
		if (!l)
			l = link_made(r, rec);
		l->deferred = true;
		l->where |= partitions_of(r, p);
		rec->link = l;
	}
}

/* The first line of a message that the mail system makes itself: nothing of it came before. */
static void named(struct reader *r, const struct record *rec)
{
	struct link *l = link_of(r, rec);

	if (!l || l->removed)
		l = link_begin(&r->links, rec->line.host, rec->said.instance, rec->said.queue_id, rec->line.time_us / CLOCK_SECOND_US);
	link_set(&r->links, l, LINK_MESSAGE_ID, rec->said.message_id);
}

/* Whichever line comes first: of several headers the first one in the list counts. */
static void header(struct reader *r, const struct record *rec)
{
	char room[CAMPAIGN_MAX];
	struct buf campaign = BUF_ON(room);
	unsigned rank;

	if (!campaign_read(&r->config->campaign_headers, rec->said.header, &campaign, &rank))
		return;
	struct link *l = link_of(r, rec);
	if (!l || l->removed)
		l = link_begin(&r->links, rec->line.host, rec->said.instance, rec->said.queue_id, rec->line.time_us / CLOCK_SECOND_US);
	if (l->campaign_rank && l->campaign_rank <= rank)
		return;
	l->campaign_rank = rank;
	link_set(&r->links, l, LINK_CAMPAIGN, buf_sv(&campaign));
}

static const struct link *removed(struct reader *r, const struct record *rec)
{
	struct link *l = link_of(r, rec);

	if (l)
		link_removed(&r->links, l);
	return l;
}

/* postsuper -r: it goes on under a new queue id, and under the old one it is gone. */
static bool requeued(struct reader *r, struct record *rec)
{
	struct mta_line *p = &rec->said;
	bool same = sv_eq(p->queue_id, p->orig_queue_id); /* the new one began already */

	if (!p->orig_queue_id.n)
		return false;
	p->queue_id = p->orig_queue_id;
	if (!same)
		rec->link = removed(r, rec);
	return true;
}

static enum record_kind kind_of(struct reader *r, struct record *rec)
{
	switch (rec->said.event) {
	case EVENT_DELIVERY:
		delivery(r, rec);
		return RECORD_DELIVERY;
	case EVENT_EXPIRED:
	case EVENT_STATUS:
		r->counts.attempts++;
		r->counts.status[rec->said.status]++;
		rec->link = link_of(r, rec);
		/* a notification's: nobody was made pending for it, but for an older message of its queue id somebody may be */
		if (rec->said.event == EVENT_EXPIRED && is_null_address(rec->said.sender))
			rec->left_out = LEFT_OUT_NULL;
		return RECORD_STATUS;
	case EVENT_ARRIVED:
		arrived(r, rec);
		return RECORD_NONE;
	case EVENT_REMOVED:
		rec->link = removed(r, rec);
		return RECORD_REMOVED;
	case EVENT_CLIENT:
		begin(r, rec);
		return RECORD_NONE;
	case EVENT_PICKUP:
		begin(r, rec);
		return requeued(r, rec) ? RECORD_REMOVED : RECORD_NONE;
	case EVENT_MESSAGE_ID:
		named(r, rec);
		return RECORD_NONE;
	case EVENT_HEADER:
		header(r, rec);
		return RECORD_NONE;
	case EVENT_QUEUED:
		queued(r, rec);
		return RECORD_NONE;
	case EVENT_MALFORMED:
		r->counts.rejected++;
		return RECORD_REJECTED;
	case EVENT_NONE:
		break;
	}
	return RECORD_NONE;
}

static enum record_kind lost(struct reader *r, const struct record *rec)
{
	r->counts.losses++;
	r->counts.lost += (uint64_t)rec->lost;
	return RECORD_LOSS;
}

enum record_kind reader_line(struct reader *r, struct sv bytes, struct stamp_anchor *anchor, struct record *rec)
{
	r->counts.lines++;
	rec->kind = RECORD_NONE;
	rec->link = NULL;
	rec->failed = false;
	rec->left_out = LEFT_OUT_NOT;
	if (!line_parse(bytes, anchor, &rec->line)) {
		r->counts.unparsed++;
		return RECORD_NONE;
	}
	if (!rec->line.host.n)
		rec->line.host = r->host;
	rec->times = line_forms_may_repeat(rec->line.message) ? line_forms_repeated(&rec->line.message) : 1;
	bool exim = exim_is_process(rec->line.process);
	rec->mta = exim ? MTA_EXIM : MTA_POSTFIX;
	if (exim ? exim_parse(&rec->line, &rec->said) : postfix_parse(&rec->line, &rec->said))
		rec->kind = kind_of(r, rec);
	else if (!exim && loss_told(&rec->line, &rec->lost))
		rec->kind = lost(r, rec);
	return rec->kind;
}

/* ---- records to facts ---- */

struct maker {
	const struct reader *reader;
	const struct record *record;
	struct fact fact;
	char message[700];
	struct address address;
	fact_callback *callback;
	void *arg;
};

/* The same for every line of a message, as far as that can be. */
static int64_t arrival_of(const struct record *rec)
{
	const struct mta_line *p = &rec->said;
	int64_t time_s = rec->line.time_us / CLOCK_SECOND_US;

	if (p->delay_us > 0)
		return (rec->line.time_us - p->delay_us) / CLOCK_SECOND_US;
	if (p->arrival_s)
		return p->arrival_s;
	return rec->mta == MTA_EXIM && rec->link && rec->link->begun_s ? rec->link->begun_s : time_s;
}

static void describe_message(struct maker *m)
{
	const struct record *rec = m->record;
	const struct mta_line *p = &rec->said;
	struct buf b = BUF_ON(m->message);
	int64_t time_s = rec->line.time_us / CLOCK_SECOND_US;

	buf_add(&b, rec->line.host);
	buf_add_char(&b, '/');
	buf_add(&b, p->instance);
	buf_add_char(&b, '/');
	buf_add(&b, p->queue_id);
	m->fact.time_s = time_s;
	m->fact.host = rec->line.host;
	m->fact.provider = ruleset_provider(m->reader->rules, p->relay_host);
	m->fact.message = buf_sv(&b);
	m->fact.arrival_s = arrival_of(rec);
	if (!rec->link)
		return;
	m->fact.sender = rec->link->sender;
	m->fact.login = rec->link->login;
	m->fact.client = rec->link->client;
	m->fact.message_id = rec->link->message_id;
	m->fact.campaign = rec->link->campaign;
	m->fact.never_deferred = rec->link->begun_s && !rec->link->deferred;
	m->fact.where = rec->link->begun_s ? rec->link->where : 0;
}

static void describe_failure(struct maker *m)
{
	const struct record *rec = m->record;
	struct failure *f = &m->fact.failure;

	*f = (struct failure){ .class_ = rec->verdict.class_, .code = rec->reply.code, .enhanced = rec->reply.enhanced,
		.text = sv_head(rec->said.text, STATE_TEXT_MAX),
		.remote = rec->said.relay_host };
	f->occurrence.category = rec->verdict.category;
	f->occurrence.rule = sv_of(rec->verdict.rule ? rec->verdict.rule->id : "");
}

/* One fact for one address; an address that has no key is only counted. */
static void give(struct maker *m, struct sv address, bool counted)
{
	struct address_options options = config_address_options(m->reader->config);

	m->fact.address = sv_make("", 0);
	if (address_parse(address, ADDRESS_EXTERNAL, &options, &m->address) == ADDRESS_OK)
		m->fact.address = address_key(&m->address);
	m->fact.uncounted = !counted;
	m->callback(m->arg, &m->fact);
}

static void give_delivery(struct maker *m)
{
	const struct mta_line *p = &m->record->said;
	const struct link *link = m->record->link;
	bool alone = link && link->recipients == 1 && !link->targets;
	int to = m->reader->config->attribute_to;

	m->fact.kind = p->status == DELIVERY_SENT ? FACT_DELIVERED :
		p->status == DELIVERY_BOUNCED ? FACT_FAILED : p->status == DELIVERY_EXPIRED ? FACT_EXPIRED : FACT_DEFERRED;
	m->fact.recipient = true;
	if (m->fact.kind != FACT_DELIVERED)
		describe_failure(m);
	/* an alias with several targets must not suffer for one of them */
	bool use_original = p->has_orig_to && alone && to != ATTRIBUTE_FINAL;
	give(m, use_original && to == ATTRIBUTE_ORIGINAL ? p->orig_to : p->to, true);
	if (use_original && to == ATTRIBUTE_BOTH)
		give(m, p->orig_to, false);
}

void record_facts(const struct reader *reader, const struct record *record, fact_callback *callback, void *arg)
{
	struct maker m;

	if (record->kind == RECORD_NONE || record->kind == RECORD_REJECTED || record->kind == RECORD_LOSS || record->left_out != LEFT_OUT_NOT)
		return;
	m.reader = reader;
	m.record = record;
	m.callback = callback;
	m.arg = arg;
	m.fact = (struct fact){ 0 };
	describe_message(&m);
	switch (record->kind) {
	case RECORD_DELIVERY:
		for (unsigned i = 0; i < record->times; i++)
			give_delivery(&m);
		break;
	case RECORD_STATUS:
		m.fact.arrival_s = 0; /* the line has no delay: the message is the one that is on record */
		m.fact.kind = FACT_EXPIRED;
		if (record->said.event == EVENT_EXPIRED)
			callback(arg, &m.fact);
		break;
	case RECORD_REMOVED:
		m.fact.arrival_s = 0;
		m.fact.kind = FACT_REMOVED;
		/* for a notification nobody was made pending */
		if (!m.fact.never_deferred && !is_null_sender(record->link))
			callback(arg, &m.fact);
		break;
	case RECORD_NONE:
	case RECORD_REJECTED:
	case RECORD_LOSS:
		break;
	}
}
