/* receive: a mail's claims against what is remembered, and into Redis. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "receive.h"
#include "schema.h"
#include "sent.h"
#include "sha256.h"
#include "verp_file.h"

/* How long it is until it is looked again for what the log is to tell; twice as long each time: anybody can make it wait. */
#define LOOK_MS 200
/* So far behind the log may be that it is waited for: behind midnight it tells of yesterday */
#define LOOK_BACK_S 3600
/* Claims of one mail that are kept aside one by one */
#define ASIDES_MAX 16

/* ---- opening ---- */

static void on_alert(void *arg, const struct alert *alert)
{
	struct receive *x = arg;

	if (!x->ctl->config.brake_enabled || (alert->kind != ALERT_HARD && alert->kind != ALERT_FAILING))
		return;
	x->alerts = arena_grow(&x->alerts_arena, x->alerts, x->n_alerts, sizeof *x->alerts);
	x->alerts[x->n_alerts++] = *alert;
}

bool receive_open(struct receive *x, struct err *err)
{
	const struct config *c = &x->ctl->config;
	char day[9];

	if (*c->receive_secret_file && !verp_secrets_read(c->receive_secret_file, &x->secrets, err))
		return false;
	if (x->dry_run)
		return true;
	verb_open_store(x->ctl);
	if (!store_partitions(x->ctl->store, err))
		return false;
	ledger_init(&x->ledger, x->ctl->store, c);
	x->ledger.by = SV("receive");
	clock_format_day(clock_now_s(), day);
	(void)snprintf(x->day_batch, sizeof x->day_batch, "receive-%s", day);
	(void)snprintf(x->own_batch, sizeof x->own_batch, "receive-%lld-%ld", (long long)clock_now_s(), (long)getpid());
	return store_alerts(x->ctl->store, &x->alerts_arena, on_alert, x, err) == STORE_OK;
}

void receive_close(struct receive *x)
{
	if (x->ledger.parts)
		ledger_free(&x->ledger);
	arena_free(&x->alerts_arena);
}

/* Does the log just now tell of more failures like this than it should? Then it may not be the recipient's fault. */
static bool is_braked(const struct receive *x, const struct fact *f)
{
	const struct { const char *dimension; struct sv value; } of[] = { { "dest", sv_after_last(f->address, '@') }, { "provider", f->provider },
		{ "rule", f->failure.occurrence.rule } };

	for (size_t i = 0; i < x->n_alerts; i++) {
		/* our own network may fail: what is hard is so all the same */
		if (x->alerts[i].kind == ALERT_FAILING && f->failure.class_ != CLASS_SOFT)
			continue;
		if (sv_eq(x->alerts[i].dimension, SV("all")))
			return true;
		for (size_t k = 0; k < sizeof of / sizeof *of; k++)
			if (of[k].value.n && sv_eq(x->alerts[i].dimension, sv_of(of[k].dimension)) && sv_eq(x->alerts[i].value, of[k].value))
				return true;
	}
	return false;
}

/* ---- the mail itself ---- */

static void add_text(struct sha256 *hash, struct sv text)
{
	sha256_add(hash, text);
	sha256_add(hash, sv_make("", 1));
}

static void add_fields(struct sha256 *hash, const struct mail_fields *fields)
{
	for (size_t i = 0; i < fields->n; i++) {
		add_text(hash, fields->v[i].name);
		add_text(hash, fields->v[i].value);
	}
	add_text(hash, SV(""));
}

/* The same for each copy, though servers write lines of their own above it: of what its author wrote there, and of all that it says. */
static struct sv id_of(struct receive *x)
{
	static const char *const headers[] = { "Message-ID", "Date", "From", "To", "Subject" };
	unsigned char bytes[SHA256_BYTES];
	char room[TOLD_ID_MAX];
	struct sha256 hash;

	sha256_start(&hash);
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
		add_text(&hash, mail_field(&x->mail.headers, sv_of(headers[i])));
	/* one mail to two addresses, each of which says something else */
	if (x->came_to || x->evidence.came_to_address.n)
		add_text(&hash, x->came_to ? sv_of(x->came_to) : x->evidence.came_to_address);
	add_text(&hash, sv_of(returned_kind_name(x->returned.kind)));
	add_text(&hash, x->returned.original_id);
	for (size_t i = 0; i < x->returned.n_recipients; i++) {
		add_text(&hash, x->returned.recipients[i].final);
		add_text(&hash, x->returned.recipients[i].original);
	}
	add_fields(&hash, &x->mail.status);
	for (size_t i = 0; i < x->mail.n_recipients; i++)
		add_fields(&hash, &x->mail.recipients[i]);
	add_fields(&hash, &x->mail.feedback);
	add_fields(&hash, &x->returned.quoted);
	for (size_t i = 0; i < x->mail.n_texts; i++)
		add_text(&hash, x->mail.texts[i].text);
	sha256_end(&hash, bytes);
	return arena_dup(&x->arena, told_id("mail", sv_make((const char *)bytes, sizeof bytes), SV(""), room));
}

/* ---- proofs ---- */

struct sent_list {
	struct receive *x;
	struct sv *v;
	size_t from; /* the print that is asked for first */
	size_t n, max, went; /* in front those that it went to, behind them those whose server was offered it */
};

static void on_sent(void *arg, size_t print, struct sv address, bool tried)
{
	struct sent_list *list = arg;
	size_t i = 0;

	if (!list->n)
		list->x->print = list->x->evidence.prints[list->from + print];
	while (i < list->n && !sv_eq(list->v[i], address))
		i++;
	if (i == list->n && list->n == list->max)
		return;
	if (i == list->n) {
		list->v = arena_grow(&list->x->arena, list->v, list->n, sizeof *list->v);
		list->v[list->n++] = arena_dup(&list->x->arena, address);
	}
	if (tried || i < list->went)
		return;
	struct sv moved = list->v[list->went];
	list->v[list->went++] = list->v[i];
	list->v[i] = moved;
}

/* again: it was asked before, and what was not there then is of these days: each day is a question to every partition. */
static enum store_result find_claims(struct receive *x, const struct claim_input *in, bool again, struct sent_list *list, struct claims *claims,
	struct err *err)
{
	const struct config *c = &x->ctl->config;
	enum store_result result = STORE_OK;
	size_t had = list->n;

	if (x->evidence.n_prints && !span_is_zero(c->receive_remember)) {
		struct span back = { .months = -c->receive_remember.months, .ms = -c->receive_remember.ms };
		int64_t since_s = again ? clock_now_s() - LOOK_BACK_S : clock_after_us(clock_now_us(), back) / CLOCK_SECOND_US;
		/* the Message-ID, and the queue ids only of one that is not known by it */
		for (size_t to = 1; result == STORE_OK && list->n == had && list->from < x->evidence.n_prints; list->from = to, to = x->evidence.n_prints)
			result = store_sent(x->ctl->store, x->evidence.prints + list->from, to - list->from, since_s, (unsigned)list->max, on_sent, list, err);
		list->from = 0;
	}
	/* who was only offered it did not get it, but knows its name */
	if (result == STORE_OK)
		claim_judge(in, &x->evidence, list->v, list->n == list->max ? list->n : list->went, &x->arena, claims);
	return result;
}

/* Is it to be asked whether a log told of it? */
static bool may_be_told(const struct receive *x, const struct claim *claim)
{
	return !claim->proof && claim->address.n && x->evidence.n_prints && claim->effect == CLAIM_FAILURE;
}

/* Did a log tell of it before? Our own server's notice of what it wrote into its log. All of them at once, whoever names how many. */
static enum store_result look_for_told(struct receive *x, const struct claims *claims, bool *told, struct err *err)
{
	unsigned partitions = x->ledger.n_parts;
	struct transaction *parts = arena_alloc(&x->arena, partitions * sizeof *parts), **used = arena_alloc(&x->arena, partitions * sizeof *used);
	const struct told **marks = arena_alloc(&x->arena, (claims->n + 1) * sizeof *marks);
	struct arena *arenas = arena_alloc(&x->arena, partitions * sizeof *arenas);
	enum store_result result = STORE_OK;
	char room[TOLD_ID_MAX];
	size_t n = 0;

	for (size_t i = 0; i < claims->n; i++) {
		if (!may_be_told(x, &claims->v[i]))
			continue;
		unsigned p = store_partition_of(x->ctl->store, claims->v[i].address);
		if (!parts[p].arena) {
			transaction_begin(&parts[p], &arenas[p]);
			parts[p].partition = p;
			used[n++] = &parts[p];
		}
		marks[i] = transaction_told(&parts[p], told_id("failure", x->print, claims->v[i].address, room));
	}
	if (n)
		result = store_load_all(x->ctl->store, used, n, err);
	for (size_t i = 0; i < claims->n; i++)
		told[i] = marks[i] && marks[i]->by != TOLD_BY_NOBODY;
	for (unsigned p = 0; p < partitions; p++) {
		transaction_free(&parts[p]);
		arena_free(&arenas[p]);
	}
	return result;
}

static bool all_clear(const struct claims *claims, const bool *told)
{
	for (size_t i = 0; i < claims->n; i++)
		if (!claims->v[i].proof && !told[i])
			return false;
	return true;
}

static struct claim_input input_of(const struct receive *x)
{
	return (struct claim_input){ .config = &x->ctl->config, .secrets = &x->secrets, .mail = &x->mail, .returned = &x->returned,
		.came_to = x->came_to ? sv_of(x->came_to) : SV(""), .now_s = clock_now_s() };
}

/* told: NULL: it was not looked for */
static void take_claims(struct receive *x, const struct claims *claims, const bool *told)
{
	x->ones = arena_alloc(&x->arena, (claims->n + 1) * sizeof *x->ones);
	x->n_ones = claims->n;
	for (size_t i = 0; i < claims->n; i++) {
		x->ones[i].claim = claims->v[i];
		x->ones[i].outcome = claims->v[i].proof ? RECEIVE_COUNTED : told && told[i] ? RECEIVE_TOLD : RECEIVE_ASIDE;
		if (claims->v[i].recipient)
			receive_judge(x, claims->v[i].recipient, &x->ones[i]);
	}
}

/* What is most of it: one that counts, one that was told, one that is aside. */
static enum receive_outcome outcome_of(const struct receive *x)
{
	enum receive_outcome outcome = RECEIVE_NOTHING;

	for (size_t i = 0; i < x->n_ones; i++)
		if (outcome == RECEIVE_NOTHING || x->ones[i].outcome < outcome)
			outcome = x->ones[i].outcome;
	return outcome;
}

void receive_read(struct receive *x)
{
	struct claim_input in = input_of(x);
	struct claims claims;

	claim_gather(&in, &x->arena, &x->evidence);
	in.unasked = true;
	claim_judge(&in, &x->evidence, NULL, 0, &x->arena, &claims);
	take_claims(x, &claims, NULL);
	x->outcome = outcome_of(x);
}

/* The notice of our own server is here before the line of its log is read. */
static enum store_result prove(struct receive *x, int64_t wait_ms, struct err *err)
{
	struct claim_input in = input_of(x);
	int64_t end_ms = clock_mono_ms() + wait_ms;
	struct sent_list list = { .x = x, .max = (size_t)in.config->receive_shared + 1 };
	struct claims claims = { 0 };
	bool *told = NULL;

	x->print = x->evidence.n_prints ? x->evidence.prints[0] : x->id;
	for (int look_ms = LOOK_MS;; look_ms *= 2) {
		enum store_result result = find_claims(x, &in, look_ms > LOOK_MS, &list, &claims, err);
		if (result != STORE_OK)
			return result;
		told = arena_alloc(&x->arena, (claims.n + 1) * sizeof *told);
		result = look_for_told(x, &claims, told, err);
		if (result != STORE_OK)
			return result;
		int64_t left_ms = end_ms - clock_mono_ms();
		/* what names no message of ours, no log will tell of */
		if (!x->evidence.n_prints || !config_receives(in.config) || all_clear(&claims, told) || left_ms <= 0)
			break;
		(void)poll(NULL, 0, left_ms < look_ms ? (int)left_ms : look_ms);
	}
	take_claims(x, &claims, told);
	return receive_judged(x, err) ? STORE_OK : STORE_REFUSED; /* before anything is written */
}

/* ---- writing ---- */

static void describe_failure(struct receive *x, struct receive_one *one, struct fact *f)
{
	const struct returned_recipient *r = one->claim.recipient;
	bool challenge = x->returned.kind == RETURNED_CHALLENGE;

	f->kind = FACT_FAILED;
	f->never_deferred = true;
	f->failure.origin = ORIGIN_DSN;
	if (!r) { /* an answer at the bounce address */
		one->class_ = CLASS_SOFT;
		f->failure.occurrence.category = challenge ? CATEGORY_CHALLENGE : CATEGORY_AUTOREPLY;
		f->failure.text = sv_head(mail_decode(&x->arena, mail_field(&x->mail.headers, SV("Subject"))), STATE_TEXT_MAX);
	} else {
		one->class_ = one->claim.other && one->verdict.class_ == CLASS_HARD ? CLASS_SOFT : one->verdict.class_;
		f->failure.occurrence.category = one->verdict.category;
		f->failure.occurrence.rule = sv_of(one->verdict.rule ? one->verdict.rule->id : "");
		f->failure.code = one->reply.code;
		f->failure.enhanced = one->reply.enhanced;
		f->failure.text = sv_head(r->reply.n ? r->reply : r->diagnostic, STATE_TEXT_MAX);
		f->failure.remote = r->remote_mta.n ? r->remote_mta : x->returned.reporting_mta;
		f->provider = ruleset_provider(x->rules, f->failure.remote);
	}
	f->failure.class_ = one->class_;
	f->failure.braked = is_braked(x, f);
}

static void add_fact(struct receive *x, size_t number)
{
	struct receive_one *one = &x->ones[number];
	const struct evidence *e = &x->evidence;
	struct fact f = { .kind = one->claim.effect == CLAIM_COMPLAINT ? FACT_COMPLAINED : FACT_UNSUBSCRIBED, .time_s = x->time_s,
		.address = one->claim.address, .arrival_s = x->time_s, .sender = e->sender, .campaign = e->campaign, .by_mail = true,
		.message_id = x->returned.original_id, .print = x->print, .mail = x->reception, .proof = sv_of(claim_proof_name(one->claim.proof)),
		.number = number, .scope = one->claim.scope };

	/* the reader can write as many names of messages as he likes beside a signature: it is one complaint about a sender's mail of a day */
	if (one->claim.effect == CLAIM_COMPLAINT && one->claim.proof == PROOF_SIGNATURE)
		f.print = arena_printf(&x->arena, "signed %lld %.*s", (long long)e->signed_day, SV_ARG(e->signed_domain));
	/* names of messages are the senders' own: what is written is a print of them */
	f.message = arena_printf(&x->arena, "mail/returned/%.*s", SV_ARG(x->print));
	if (one->claim.effect == CLAIM_FAILURE)
		describe_failure(x, one, &f);
	else
		f.failure.text = x->returned.feedback_type;
	ledger_add(&x->ledger, &f);
}

/* One address may be named twice: then the first counts, and the second was told by then. */
static void on_written(void *arg, const struct fact *fact, const struct account *account)
{
	struct receive *x = arg;
	struct receive_one *one = &x->ones[fact->number];

	one->outcome = fact->outcome == FACT_TOLD ? RECEIVE_TOLD : fact->outcome == FACT_NO_ROOM ? RECEIVE_ASIDE : RECEIVE_COUNTED;
	if (fact->outcome == FACT_NO_ROOM)
		one->claim.why = "there are too many decisions for some senders only about this address";
	one->status = account->entry.status;
}

static void keep_aside(struct receive *x, struct transaction *t, const struct receive_one *one)
{
	const struct returned_recipient *r = one->claim.recipient;
	char status[ENHANCED_TEXT_MAX] = "";

	if (r)
		enhanced_format(r->status, status);
	const struct aside aside = { .time_s = x->time_s, .address = one->claim.address, .why = sv_of(one->claim.why),
		.kind = one->claim.effect == CLAIM_UNSUBSCRIBE ? SV("unsubscribe") : sv_of(returned_kind_name(x->returned.kind)),
		.from = mail_decode(&x->arena, mail_field(&x->mail.headers, SV("From"))), .about = x->returned.original_id, .status = sv_of(status),
		.text = r ? (r->reply.n ? r->reply : r->diagnostic) : x->returned.feedback_type,
		.category = one->failure ? sv_of(category_name(one->verdict.category)) : SV(""), .sender = x->evidence.sender };
	transaction_aside(t, &aside);
}

/* That it came, by kind and outcome; last, and once. before: TOLD_ASIDE: it is on that list. */
static enum store_result note(struct receive *x, struct transaction *t, struct arena *arena, enum told_by before, struct err *err)
{
	bool unsubscribe = x->n_ones && x->ones[0].claim.effect == CLAIM_UNSUBSCRIBE;
	size_t asides = 0;
	char name[64];

	transaction_begin(t, arena);
	t->partition = 0;
	x->outcome = outcome_of(x);
	(void)snprintf(name, sizeof name, "%s|%s", unsubscribe ? "unsubscribe" : returned_kind_name(x->returned.kind), receive_outcome_name(x->outcome));
	transaction_count(t, x->time_s, SV(""), SV("returned"), 1);
	transaction_count(t, x->time_s, SV("mail"), sv_of(name), 1);
	for (size_t i = 0; i < x->n_ones; i++)
		if (x->ones[i].outcome == RECEIVE_ASIDE && asides++ < ASIDES_MAX && before != TOLD_ASIDE)
			keep_aside(x, t, &x->ones[i]);
	struct told *told = transaction_told(t, x->id);
	told->by = before;
	told->put = asides ? TOLD_ASIDE : TOLD_BY_MAIL;
	told->mail = x->reception;
	told->brief = x->outcome == RECEIVE_NOTHING || x->outcome == RECEIVE_ASIDE;
	if (before == TOLD_ASIDE) { /* it has a mark already, so who else looks at it again finds out by one of its own */
		struct told *noted = transaction_told(t, x->reception);
		noted->put = TOLD_BY_MAIL;
		noted->brief = true;
	}
	enum store_result result = store_commit(x->ctl->store, t, err);
	if (result == STORE_CONFLICT)
		x->outcome = RECEIVE_AGAIN; /* somebody else received it at the same time */
	return result == STORE_CONFLICT ? STORE_OK : result;
}

static enum store_result write_facts(struct receive *x, int64_t wait_ms, struct err *err)
{
	enum store_result result = prove(x, wait_ms, err);

	if (result != STORE_OK)
		return result;
	x->ledger.batch = x->batch;
	x->ledger.watch = on_written;
	x->ledger.watch_arg = x;
	for (size_t i = 0; i < x->n_ones; i++)
		if (x->ones[i].claim.proof)
			add_fact(x, i);
	if (!x->ledger.n)
		return STORE_OK;
	result = ledger_commit(&x->ledger, NULL, NULL, false, err);
	ledger_forget(&x->ledger);
	return result;
}

enum store_result receive_write(struct receive *x, int64_t wait_ms, struct err *err)
{
	struct claim_input in = input_of(x);
	struct transaction t = { 0 };
	struct arena arena = { 0 };
	char room[TOLD_ID_MAX];

	claim_gather(&in, &x->arena, &x->evidence);
	x->id = id_of(x);
	transaction_begin(&t, &arena);
	t.partition = 0;
	enum told_by before = TOLD_BY_NOBODY;
	const struct told *told = transaction_told(&t, x->id);
	enum store_result result = store_load(x->ctl->store, &t, err);
	if (result == STORE_OK)
		before = told->by;
	x->reception = before == TOLD_BY_NOBODY ? x->id : arena_dup(&x->arena, told_id("mail", x->id, told->mail, room));
	/* what was kept aside may be proven by now: by another configuration, or by what the log told since */
	bool look = before == TOLD_BY_NOBODY || before == TOLD_ASIDE;
	if (result == STORE_OK && look)
		result = write_facts(x, wait_ms, err);
	if (result == STORE_OK && (!look || (before == TOLD_ASIDE && outcome_of(x) != RECEIVE_COUNTED)))
		x->outcome = RECEIVE_AGAIN;
	else if (result == STORE_OK)
		result = note(x, &t, &arena, before, err);
	transaction_free(&t);
	arena_free(&arena);
	return result;
}
