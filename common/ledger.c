#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "clock.h"
#include "normalise.h"
#include "rules.h"
#include "schema.h"
#include "scope.h"
#include "sent.h"

/* Somebody else writes the same addresses at the same time: as often as this in a row is a livelock. */
#define CONFLICTS_MAX 100

struct ledger_part {
	struct fact *facts;
	size_t n, size;
	struct arena arena; /* of the transaction */
	struct transaction t;
};

void ledger_init(struct ledger *ledger, struct store *store, const struct config *config)
{
	struct err err;
	unsigned partitions = store_partitions(store, &err);

	*ledger = (struct ledger){ .store = store, .config = config, .n_parts = partitions ? partitions : 1 };
	ledger->by = SV("logtail");
	ledger->gaps = &ledger->own_gaps;
	ledger->parts = xalloc(ledger->n_parts * sizeof *ledger->parts);
}

void ledger_free(struct ledger *ledger)
{
	for (unsigned p = 0; p < ledger->n_parts; p++) {
		transaction_free(&ledger->parts[p].t);
		arena_free(&ledger->parts[p].arena);
		free(ledger->parts[p].facts);
	}
	free(ledger->parts);
	gaps_free(&ledger->own_gaps);
	arena_free(&ledger->facts_arena);
}

static struct sv keep(struct ledger *ledger, struct sv s)
{
	return s.n ? arena_dup(&ledger->facts_arena, s) : sv_make("", 0);
}

/* Strings of which many facts in a row have the same */
static struct sv keep_once(struct ledger *ledger, struct sv *kept, struct sv s)
{
	if (!sv_eq(*kept, s))
		*kept = keep(ledger, s);
	return *kept;
}

/* Is it remembered who was written to? */
static bool remembers(const struct ledger *ledger)
{
	return !span_is_zero(ledger->config->receive_remember);
}

/* ---- the brake ---- */

static struct sv destination_of(struct sv address)
{
	return address.n ? sv_after_last(address, '@') : sv_make("", 0);
}

static void surge_values(const struct fact *f, struct sv address, struct sv rule, struct sv values_r[SURGE_DIMENSIONS])
{
	values_r[SURGE_ALL] = sv_make("", 0);
	values_r[SURGE_DESTINATION] = destination_of(address);
	values_r[SURGE_PROVIDER] = f->provider;
	values_r[SURGE_RULE] = rule;
}

/* Are hard failures like this one unusually many just now? Or, of one that a conversion
 * would make hard, such failures: it may be our own network that fails. */
static bool is_braked(const struct ledger *ledger, const struct fact *f, struct sv address, const struct failure *failure)
{
	struct sv values[SURGE_DIMENSIONS];

	surge_values(f, address, failure->occurrence.rule, values);
	for (int i = 0; ledger->surge && i < SURGE_DIMENSIONS; i++)
		if (surge_is_open(ledger->surge, SURGE_HARD, (enum surge_dimension)i, values[i]) ||
		    (failure->class_ == CLASS_SOFT && surge_is_open(ledger->surge, SURGE_FAILING, (enum surge_dimension)i, values[i])))
			return true;
	return false;
}

static void watch_surge(struct ledger *ledger, struct fact *f)
{
	struct surge_counts counts = { 0 };
	struct sv values[SURGE_DIMENSIONS];
	bool failed = f->kind != FACT_DELIVERED;
	int64_t now_s = clock_now_s();

	if (f->kind == FACT_EXPIRED || f->kind == FACT_REMOVED || f->kind == FACT_COMPLAINED || f->kind == FACT_UNSUBSCRIBED)
		return;
	surge_count(&counts, f->kind != FACT_DEFERRED, failed, f->failure.occurrence.category, f->failure.class_);
	surge_values(f, f->address, failed ? f->failure.occurrence.rule : sv_make("", 0), values);
	/* a stamp from the future must not empty the window */
	for (int i = 0; i < SURGE_DIMENSIONS && !f->uncounted; i++)
		surge_add(ledger->surge, f->time_s < now_s ? f->time_s : now_s, (enum surge_dimension)i, values[i], &counts);
	f->failure.braked = f->kind == FACT_FAILED && is_braked(ledger, f, f->address, &f->failure);
}

static void keep_failure(struct ledger *ledger, struct fact *f)
{
	f->login = keep(ledger, f->login);
	f->client = keep(ledger, f->client);
	f->scope = keep(ledger, f->scope);
	f->print = keep(ledger, f->print);
	f->mail = keep(ledger, f->mail);
	f->proof = keep(ledger, f->proof);
	f->failure.text = keep(ledger, sv_head(f->failure.text, STATE_TEXT_MAX));
	f->failure.remote = keep(ledger, sv_head(f->failure.remote, STATE_TEXT_MAX)); /* a mail can name anything */
	f->failure.occurrence.rule = keep(ledger, f->failure.occurrence.rule);
}

static void add_to(struct ledger *ledger, unsigned partition, const struct fact *fact)
{
	struct ledger_part *part = &ledger->parts[partition];

	if (ledger->wants && !ledger->wants(ledger->wants_arg, partition))
		return;
	part->facts = xgrow(part->facts, part->n, &part->size, sizeof *part->facts);
	struct fact *f = &part->facts[part->n++];
	ledger->n++;
	*f = *fact;
	f->address = keep(ledger, fact->address);
	f->address_hash = map_hash(f->address);
	f->message = keep(ledger, fact->message);
	f->host = keep_once(ledger, &ledger->host, fact->host);
	f->provider = keep_once(ledger, &ledger->provider, fact->provider);
	f->sender = keep_once(ledger, &ledger->sender, fact->sender);
	f->campaign = keep_once(ledger, &ledger->campaign, fact->campaign);
	if (fact->kind != FACT_DELIVERED)
		keep_failure(ledger, f);
	if (fact->kind != FACT_DELIVERED || remembers(ledger))
		f->message_id = keep(ledger, fact->message_id);
	f->failure.gap_s = ledger->gaps->newest_s;
	if (ledger->surge)
		watch_surge(ledger, f);
}

void ledger_add(struct ledger *ledger, const struct fact *fact)
{
	bool of_message = (fact->kind == FACT_EXPIRED && !fact->recipient) || fact->kind == FACT_REMOVED;

	ledger->gathered++;
	/* the recipients of a message may be anywhere */
	for (unsigned p = 0; of_message && p < ledger->n_parts; p++)
		if (!fact->where || schema_partition_may_have(fact->where, p, ledger->n_parts))
			add_to(ledger, p, fact);
	if (!of_message)
		add_to(ledger, fact->address.n ? store_partition_of(ledger->store, fact->address) : 0, fact);
}

void ledger_lost(struct ledger *ledger, struct sv source, int64_t time_s)
{
	gaps_add(ledger->gaps, source, time_s);
}

void ledger_forget_part(struct ledger *ledger, unsigned partition)
{
	ledger->n -= ledger->parts[partition].n;
	ledger->parts[partition].n = 0;
	if (ledger->n > 0)
		return;
	ledger->gathered = 0;
	ledger->host = ledger->provider = ledger->sender = ledger->campaign = sv_make("", 0);
	arena_reset(&ledger->facts_arena);
}

void ledger_forget(struct ledger *ledger)
{
	for (unsigned p = 0; p < ledger->n_parts; p++)
		ledger_forget_part(ledger, p);
}

/* ---- counting ---- */

static void count(struct transaction *t, int64_t time_s, struct sv name)
{
	transaction_count(t, time_s, SV(""), name, 1);
}

/* What no rule knows is kept for whoever writes the rule. */
static void keep_unclassified(struct transaction *t, int64_t time_s, const struct failure *f)
{
	char room[NORMALISE_MAX];
	struct buf text = BUF_ON(room);

	normalise_failure(f->text, &text);
	transaction_unclassified(t, time_s, buf_sv(&text), f->text);
}

/* what: a class; of an attempt also "throttled", "blocked", "failing" */
static void count_rule(struct transaction *t, int64_t time_s, struct sv rule, const char *what)
{
	char name[RULE_ID_MAX + 32];

	(void)snprintf(name, sizeof name, "%.*s|%s", SV_ARG(rule.n ? rule : SV("-")), what);
	transaction_count(t, time_s, SV("rule"), sv_of(name), 1);
}

/* A sender is written as the program that sends likes it. */
static struct sv lowered(struct arena *arena, struct sv s)
{
	struct sv copy = arena_dup(arena, sv_head(s, SCHEMA_VALUE_MAX));

	for (size_t i = 0; i < copy.n; i++)
		((char *)(uintptr_t)copy.p)[i] = sv_lower(copy.p[i]);
	return copy;
}

/* By destination, provider, sender, campaign and host, for rates and pictures. */
static void tally(struct transaction *t, const struct fact *f, struct sv address, enum tally_counter result, const struct failure *failure)
{
	int64_t n[TALLY_COUNTERS] = { [TALLY_ATTEMPTS] = f->kind != FACT_EXPIRED && !f->by_mail }; /* those were attempts before */
	struct surge_counts kinds = { 0 };

	if (t->totals_only && !failure)
		return;
	n[result]++;
	n[TALLY_MAIL_SOFT] = f->by_mail && result == TALLY_SOFT;
	n[TALLY_MAIL_HARD] = f->by_mail && result == TALLY_HARD;
	if (failure && f->kind != FACT_EXPIRED && !f->by_mail)
		surge_count(&kinds, result != TALLY_DEFERRED, true, failure->occurrence.category, failure->class_);
	n[TALLY_THROTTLED] = kinds.of[SURGE_THROTTLED];
	n[TALLY_BLOCKED] = kinds.of[SURGE_BLOCKED];
	n[TALLY_FAILING] = kinds.of[SURGE_FAILING];
	for (int i = TALLY_THROTTLED; i <= TALLY_MAIL_HARD; i++)
		if (n[i])
			count_rule(t, f->time_s, failure->occurrence.rule, tally_name((enum tally_counter)i));
	transaction_tally(t, f->time_s, SV("dest"), destination_of(address), n);
	transaction_tally(t, f->time_s, SV("provider"), f->provider, n);
	transaction_tally(t, f->time_s, SV("sender"), lowered(t->arena, destination_of(f->sender)), n);
	transaction_tally(t, f->time_s, SV("campaign"), f->campaign, n);
	transaction_tally(t, f->time_s, SV("host"), f->host, n);
}

static void count_failure(struct transaction *t, const struct fact *fact, struct sv address, const struct failure *f, enum convert_result result)
{
	int64_t time_s = fact->time_s;
	struct sv rule = f->occurrence.rule;
	char name[64];

	(void)snprintf(name, sizeof name, "cat:%s", category_name(f->occurrence.category));
	count(t, time_s, sv_of(name));
	count_rule(t, time_s, rule, class_name(f->class_));
	if (!rule.n && f->occurrence.category == CATEGORY_OTHER)
		keep_unclassified(t, time_s, f);
	if (f->class_ == CLASS_NONE)
		return;
	tally(t, fact, address, f->class_ == CLASS_HARD ? TALLY_HARD : TALLY_SOFT, f);
	count(t, time_s, sv_of(class_name(f->class_)));
	if (f->code)
		count(t, time_s, f->code >= 500 ? SV("code:5") : SV("code:4"));
	if (f->class_ == CLASS_SOFT && f->code >= 500)
		count(t, time_s, SV("hard-as-soft"));
	if (result == CONVERT_CONVERTED)
		count(t, time_s, SV("soft-to-hard"));
}

/* ---- applying ---- */

static struct pending_recipient *find_recipient(const struct pending *p, struct sv address)
{
	for (struct pending_recipient *r = p->recipients; r; r = r->next)
		if (!r->gone && sv_eq(r->address, address))
			return r;
	return NULL;
}

/* The message of this fact, forgetting an older one that had its queue id. NULL: none is on record. */
static struct pending *pending_of(const struct fact *f)
{
	struct pending *p = f->pending;

	if (!p || !p->recipients || !f->arrival_s)
		return p;
	int64_t apart_s = p->arrival_s - f->arrival_s;
	apart_s = apart_s < 0 ? -apart_s : apart_s;
	/* an hour: stamps of local time when the clocks change */
	if (apart_s <= LEDGER_ARRIVAL_SLACK_S || (apart_s >= 3600 - LEDGER_ARRIVAL_SLACK_S && apart_s <= 3600 + LEDGER_ARRIVAL_SLACK_S))
		return p;
	for (struct pending_recipient *r = p->recipients; r; r = r->next)
		r->gone = p->changed = true;
	p->arrival_s = 0;
	p->campaign = sv_make(NULL, 0);
	return p;
}

static void drop_recipient(struct pending *p, struct pending_recipient *r)
{
	r->gone = true;
	p->changed = true;
}

static struct sv message_id_of(struct transaction *t, struct sv message, int64_t arrival_s)
{
	return arena_printf(t->arena, "%.*s/%lld", SV_ARG(message), (long long)arrival_s);
}

/* Of its Message-ID; where it has none, or that is not known, of its queue id. */
static struct sv print_of(struct sv message_id, struct sv message, char room[SENT_PRINT_MAX])
{
	struct sv print = sent_print(message_id, room);

	return print.n ? print : sent_print_of_queue_id(sv_after_last(message, '/'), room);
}

static struct told *told_of(struct transaction *t, const struct fact *f)
{
	char print[SENT_PRINT_MAX], room[TOLD_ID_MAX];
	const char *what = f->kind == FACT_COMPLAINED ? "complaint" : f->kind == FACT_UNSUBSCRIBED ? "unsubscribe" : "failure";

	return transaction_told(t, told_id(what, f->by_mail ? f->print : print_of(f->message_id, f->message, print), f->address, room));
}

/* Of a recipient that was put off before. add: asks for it. NULL: it was not asked for. */
static struct told *told_of_failure(struct transaction *t, const struct pending *p, struct sv address, bool add)
{
	char print[SENT_PRINT_MAX], room[TOLD_ID_MAX];
	struct sv id = told_id("failure", print_of(p->message_id, p->key, print), address, room);

	return add ? transaction_told(t, id) : map_get(&t->told, id);
}

/* Mail is to tell a thing once, and nothing that a log told. */
static bool told_before(const struct fact *f, const struct told *told)
{
	if (!told)
		return false;
	return told->by == TOLD_BY_MAIL || told->put == TOLD_BY_MAIL || (f->by_mail && (told->by || told->put));
}

static bool take_told(const struct fact *f, struct told *told)
{
	if (told_before(f, told))
		return false;
	if (told) {
		told->put = f->by_mail ? TOLD_BY_MAIL : TOLD_BY_LOG;
		told->mail = f->mail;
	}
	return true;
}

/* Of one that was told before: by a reception of the same mail, perhaps, that was interrupted. */
static enum fact_outcome outcome_of_told(const struct fact *f, struct told *told)
{
	bool own = told && told->by == TOLD_BY_MAIL && f->mail.n && sv_eq(told->mail, f->mail);

	if (own)
		told->mail = SV(""); /* once: who is named twice was told the second time then, too */
	return own ? FACT_COUNTED : FACT_TOLD;
}

static void add_bounce(struct transaction *t, struct account *a, const struct fact *f, const struct failure *failure)
{
	struct bounce *b = arena_alloc(t->arena, sizeof *b);

	*b = (struct bounce){ .failure = *failure, .sender = f->sender, .campaign = f->campaign, .proof = f->proof,
		.unsubscribed = f->kind == FACT_UNSUBSCRIBED };
	if (f->kind == FACT_COMPLAINED || f->kind == FACT_UNSUBSCRIBED)
		b->scope = f->scope.n ? f->scope : BOUNCE_FOR_ALL;
	*(a->last_bounce ? &a->last_bounce->next : &a->bounces) = b;
	a->last_bounce = b;
}

/* One final failure of one recipient. */
static void fail(struct ledger *ledger, struct transaction *t, const struct fact *f, struct sv address, const struct failure *failure)
{
	struct account *a = address.n ? map_get(&t->accounts, address) : NULL;
	enum convert_result result = CONVERT_SAME;

	if (a && failure->class_ != CLASS_NONE) {
		struct entry before = a->entry;
		result = convert_failure(&a->entry, a->window, failure, &ledger->config->conversions);
		if (result != CONVERT_SAME) {
			a->changed = a->window_changed = true;
			add_bounce(t, a, f, failure);
		}
		if (result != CONVERT_SAME && result != CONVERT_RECORDED)
			account_transition(t, a, &before, result == CONVERT_CONVERTED ? SV("conversion") : result == CONVERT_BRAKED ? SV("brake") :
				SV("failure"), failure->occurrence.last_s);
	}
	if (!f->uncounted)
		count_failure(t, f, address, failure, result);
}

/* The log tells the campaign once, when the message comes: days later the pending message knows it. */
static const struct fact *with_campaign(const struct fact *f, const struct pending *p, struct fact *room)
{
	if (f->campaign.n || !p || !p->campaign.n)
		return f;
	*room = *f;
	room->campaign = p->campaign;
	return room;
}

static void apply_delivered(struct ledger *ledger, struct transaction *t, const struct fact *f)
{
	struct account *a = f->account;
	struct pending *p = pending_of(f);
	struct pending_recipient *r = p ? find_recipient(p, f->address) : NULL;
	struct fact room;

	if (!f->uncounted) /* see also count_deliveries() */
		tally(t, with_campaign(f, p, &room), f->address, TALLY_DELIVERED, NULL);
	if (r)
		drop_recipient(p, r);
	if (a && (a->window->n || !entry_is_empty(&a->entry))) {
		struct entry before = a->entry;
		enum convert_result result = convert_delivery(&a->entry, a->window, f->time_s, &ledger->config->conversions);
		if (result != CONVERT_SAME) {
			a->window_changed = true;
			a->changed = before.status != STATUS_NONE; /* a new revision: nobody brings the old window back */
		}
		if (result == CONVERT_CHANGED)
			account_transition(t, a, &before, SV("delivered"), f->time_s);
	}
}

static void apply_deferred(struct transaction *t, const struct fact *f)
{
	struct pending *p = pending_of(f);
	struct fact room;

	if (!f->uncounted) {
		count(t, f->time_s, SV("deferred"));
		tally(t, with_campaign(f, p, &room), f->address, TALLY_DEFERRED, &f->failure);
	}
	if (!p || !f->address.n)
		return;
	if (!p->arrival_s) {
		p->arrival_s = f->arrival_s;
		p->sender = f->sender;
		p->login = f->login;
		p->client = f->client;
		p->message_id = f->message_id;
		p->campaign = f->campaign;
	}
	struct pending_recipient *r = find_recipient(p, f->address);
	int64_t first_s = f->time_s;
	if (!r) {
		r = arena_alloc(t->arena, sizeof *r);
		r->address = f->address;
		r->next = p->recipients;
		p->recipients = r;
	} else {
		first_s = r->failure.occurrence.first_s;
	}
	r->failure = f->failure;
	r->failure.occurrence.first_s = first_s;
	r->failure.occurrence.last_s = f->time_s;
	r->attempts++;
	r->uncounted = f->uncounted;
	r->provider = f->provider;
	r->changed = p->changed = true;
}

static void apply_failed(struct ledger *ledger, struct transaction *t, struct fact *f)
{
	struct failure failure = f->failure;
	struct pending *p = pending_of(f);
	struct pending_recipient *r = p ? find_recipient(p, f->address) : NULL;
	struct fact room;

	failure.occurrence.message = message_id_of(t, f->message, r ? p->arrival_s : f->arrival_s);
	failure.occurrence.first_s = r ? r->failure.occurrence.first_s : f->time_s;
	failure.occurrence.last_s = f->time_s;
	if (r)
		drop_recipient(p, r);
	if (take_told(f, f->told))
		fail(ledger, t, with_campaign(f, p, &room), f->address, &failure);
	else
		f->outcome = outcome_of_told(f, f->told);
}

static int by_last_failure(const void *a, const void *b)
{
	const struct pending_recipient *x = *(struct pending_recipient *const *)a, *y = *(struct pending_recipient *const *)b;
	int64_t m = x->failure.occurrence.last_s, n = y->failure.occurrence.last_s;
	size_t both = x->address.n < y->address.n ? x->address.n : y->address.n;
	int c = both ? memcmp(x->address.p, y->address.p, both) : 0;

	if (m != n)
		return m < n ? -1 : 1;
	return c ? c : (x->address.n > y->address.n) - (x->address.n < y->address.n);
}

/* In the order of their lines, wherever a batch began: one that is written again after a crash
 * gives every change the id that it had. */
static void sort_recipients(struct transaction *t, struct pending *p)
{
	size_t n = 0;

	for (const struct pending_recipient *r = p->recipients; r; r = r->next)
		n++;
	if (n < 2)
		return;
	struct pending_recipient **v = arena_alloc(t->arena, n * sizeof *v);
	n = 0;
	for (struct pending_recipient *r = p->recipients; r; r = r->next)
		v[n++] = r;
	qsort(v, n, sizeof *v, by_last_failure);
	p->recipients = v[0];
	for (size_t i = 0; i < n; i++)
		v[i]->next = i + 1 < n ? v[i + 1] : NULL;
}

static void apply_expired(struct ledger *ledger, struct transaction *t, struct fact *f)
{
	struct pending *p = pending_of(f);

	if (f->recipient && !(p && find_recipient(p, f->address))) {
		struct fact alone = *f;
		alone.kind = FACT_FAILED;
		alone.failure.braked = is_braked(ledger, f, f->address, &f->failure);
		apply_failed(ledger, t, &alone);
		f->outcome = alone.outcome;
		return;
	}
	if (p)
		sort_recipients(t, p);
	for (struct pending_recipient *r = p ? p->recipients : NULL; r; r = r->next) {
		if (r->gone || (f->recipient && !sv_eq(r->address, f->address)))
			continue;
		/* dated by its last failed attempt, which the expiry only seals */
		r->failure.occurrence.message = message_id_of(t, f->message, p->arrival_s);
		drop_recipient(p, r);
		struct fact of = *f;
		of.sender = p->sender;
		of.campaign = p->campaign;
		of.uncounted = r->uncounted;
		of.provider = r->provider;
		r->failure.braked = is_braked(ledger, &of, r->address, &r->failure);
		r->failure.gap_s = f->failure.gap_s;
		r->failure.unsure = !f->recipient && r->failure.occurrence.last_s <= f->failure.gap_s && f->failure.gap_s <= f->time_s;
		if (take_told(f, told_of_failure(t, p, r->address, false)))
			fail(ledger, t, &of, r->address, &r->failure);
	}
}

static void apply_removed(const struct fact *f)
{
	struct pending *p = f->pending;

	for (struct pending_recipient *r = p ? p->recipients : NULL; r; r = r->next)
		r->gone = p->changed = true;
}

/* ---- complaints, and who unsubscribes ---- */

static bool put_scope(struct transaction *t, struct account *a, const struct fact *f, enum status status)
{
	struct scope s, old;

	if (!scope_parse(f->scope, &s))
		return false;
	bool found = scopes_find(a->entry.scopes, &s, &old);
	if (found && !old.until_s && old.status >= status)
		return true; /* it is in force, or one that is stronger */
	struct entry before = a->entry;
	s.status = status;
	s.since_s = f->time_s;
	if (!scopes_put(t->arena, a->entry.scopes, &s, &a->entry.scopes))
		return false;
	account_scope_transition(t, a, &before, f->scope, found ? old.status : STATUS_NONE, status,
		f->kind == FACT_COMPLAINED ? SV("complaint") : SV("unsubscribe"), f->time_s);
	return true;
}

/* For all mail. What a person decided stays. */
static void put_status(struct transaction *t, struct account *a, const struct fact *f, enum status status)
{
	struct entry before = a->entry, *e = &a->entry;

	if (e->status == STATUS_ALLOW || (e->status >= status && !(e->until_s && e->until_s <= f->time_s)))
		return;
	*e = (struct entry){ .status = status, .reason = status == STATUS_COMPLAINT ? CATEGORY_COMPLAINT : CATEGORY_OTHER, .origin = ORIGIN_FEEDBACK,
		.first_s = before.first_s ? before.first_s : f->time_s, .last_s = f->time_s, .since_s = f->time_s, .count = before.count + 1,
		.text = f->failure.text, .remote = f->failure.remote, .scopes = before.scopes, .revision = before.revision };
	account_transition(t, a, &before, f->kind == FACT_COMPLAINED ? SV("complaint") : SV("unsubscribe"), f->time_s);
}

static void apply_decision(struct transaction *t, struct fact *f)
{
	bool complaint = f->kind == FACT_COMPLAINED;
	struct account *a = f->account;
	struct failure failure = f->failure;

	if (!a || told_before(f, f->told)) {
		f->outcome = outcome_of_told(f, f->told);
		return;
	}
	if (!f->scope.n)
		put_status(t, a, f, complaint ? STATUS_COMPLAINT : STATUS_MANUAL);
	else if (a->entry.status != STATUS_ALLOW && !put_scope(t, a, f, complaint ? STATUS_COMPLAINT : STATUS_MANUAL)) {
		f->outcome = FACT_NO_ROOM;
		return;
	}
	(void)take_told(f, f->told);
	count(t, f->time_s, complaint ? SV("complaint") : SV("unsubscribe"));
	failure.class_ = complaint ? CLASS_COMPLAINT : CLASS_NONE;
	failure.occurrence = (struct occurrence){ .category = complaint ? CATEGORY_COMPLAINT : CATEGORY_OTHER, .message = f->message, .first_s = f->time_s,
		.last_s = f->time_s };
	add_bounce(t, a, f, &failure);
	if (!complaint)
		return;
	count(t, f->time_s, SV("cat:complaint"));
	tally(t, f, f->address, TALLY_COMPLAINT, NULL);
}

/* A message of which mail that comes back may tell: whose bounces come to an address of ours. Whoever sends others through
 * the same server knows their names, too. */
static bool is_ours(const struct config *config, const struct fact *f)
{
	struct sv domain = f->sender.n ? destination_of(f->sender) : f->sender;
	bool any = false;

	for (size_t i = 0; i < config->receive_addresses.n; i++) {
		const struct verp_template *t = &config->receive_addresses.v[i];
		if (t->use != VERP_BOUNCES)
			continue;
		if (sv_eq_nocase(domain, sv_of(t->sender)) || sv_eq_nocase(domain, sv_after_last(sv_of(t->text), '@')))
			return true;
		any = true;
	}
	return !any;
}

/* Also whose server did not take it: it may have read it before it said so. */
static void remember(const struct ledger *ledger, struct transaction *t, const struct fact *f)
{
	char print[SENT_PRINT_MAX];

	/* of one recipient under two names (attribute-to) the one that counts: it is not two who know the message */
	if (f->message.n && f->address.n && !f->uncounted && !f->by_mail && f->kind <= FACT_FAILED && remembers(ledger) && is_ours(ledger->config, f))
		transaction_sent(t, f->time_s, print_of(f->message_id, f->message, print), f->address, f->kind != FACT_DELIVERED);
}

static void apply(struct ledger *ledger, struct transaction *t, struct fact *f)
{
	remember(ledger, t, f);
	switch (f->kind) {
	case FACT_DELIVERED:
		apply_delivered(ledger, t, f);
		break;
	case FACT_DEFERRED:
		apply_deferred(t, f);
		break;
	case FACT_FAILED:
		apply_failed(ledger, t, f);
		break;
	case FACT_EXPIRED:
		apply_expired(ledger, t, f);
		break;
	case FACT_REMOVED:
		apply_removed(f);
		break;
	case FACT_COMPLAINED:
	case FACT_UNSUBSCRIBED:
		apply_decision(t, f);
		break;
	}
}

/* ---- loading ---- */

static void touch(struct ledger *ledger, struct transaction *t, struct fact *f)
{
	bool failure = f->kind == FACT_FAILED || f->kind == FACT_EXPIRED || f->kind == FACT_COMPLAINED || f->kind == FACT_UNSUBSCRIBED;

	f->outcome = FACT_COUNTED;
	f->told = failure && f->address.n && f->message.n && (f->by_mail || config_receives(ledger->config)) ? told_of(t, f) : NULL;
	f->account = f->address.n ? transaction_borrow(t, f->address, f->address_hash) : NULL;
	if (f->account)
		f->account->needs_window = f->account->needs_window || failure;
	f->pending = f->message.n && !(f->never_deferred && f->kind != FACT_DEFERRED) ? transaction_pending(t, f->message) : NULL;
}

/* Those who were pending for a message that expired are known only now. */
static bool touch_expired(const struct ledger *ledger, struct ledger_part *part)
{
	struct transaction *t = &part->t;
	bool more = false;

	for (size_t i = 0; i < part->n; i++) {
		const struct fact *f = &part->facts[i];
		if (f->kind == FACT_DEFERRED && f->address.n) {
			/* an expiry later in this batch may end it */
			struct account *a = f->account;
			const struct told *told = config_receives(ledger->config) ? told_of(t, f) : NULL;
			more = more || !a->needs_window || (told && !told->loaded);
			a->needs_window = true;
			a->loaded = false;
			continue;
		}
		const struct pending *p = f->kind == FACT_EXPIRED ? map_get(&t->pendings, f->message) : NULL;
		for (const struct pending_recipient *r = p ? p->recipients : NULL; r; r = r->next) {
			struct account *a = transaction_account(t, r->address);
			a->needs_window = true;
			a->loaded = false;
			more = true;
			if (config_receives(ledger->config))
				(void)told_of_failure(t, p, r->address, true);
		}
	}
	return more;
}

static bool any_expired(const struct ledger_part *part)
{
	for (size_t i = 0; i < part->n; i++)
		if (part->facts[i].kind == FACT_EXPIRED)
			return true;
	return false;
}

static struct span longest_window(const struct config *config)
{
	struct span longest = config->soft_expiry;

	for (size_t i = 0; i < config->conversions.n; i++) {
		const struct conversion *c = &config->conversions.v[i];
		struct span keep = convert_retention(&config->conversions, CATEGORY_OTHER, sv_of(c->match));
		if (clock_after_us(0, keep) > clock_after_us(0, longest))
			longest = keep;
	}
	return longest;
}

static void begin(struct ledger *ledger, struct ledger_part *part, const struct position *from, const struct position *to)
{
	struct transaction *t = &part->t;

	transaction_begin(t, &part->arena);
	t->partition = part - ledger->parts;
	t->from = from;
	t->to = to;
	t->by = ledger->by;
	t->batch = ledger->batch;
	t->totals_only = !store_keeps_tallies(ledger->store);
	t->soft_expiry = ledger->config->soft_expiry;
	t->sent_expiry = ledger->config->receive_remember;
	t->window_expiry = longest_window(ledger->config);
	for (size_t i = 0; i < part->n; i++) {
		touch(ledger, t, &part->facts[i]);
		if (t->first_s == 0 || part->facts[i].time_s < t->first_s)
			t->first_s = part->facts[i].time_s;
	}
}

/* ---- committing ---- */

/* The partitions that a commit is about, and what became of them. */
struct ledger_work {
	struct ledger_part **parts;
	struct transaction **t;
	size_t n;
	enum store_result result; /* of those that are given up: the first */
	struct position *at;
	const struct position *to;
	struct err err;
};

static void give_up(struct ledger_work *w, enum store_result result)
{
	if (w->result == STORE_OK)
		w->result = result;
}

static void load(struct ledger *ledger, struct ledger_work *w, struct err *err)
{
	struct transaction **again = xalloc(w->n * sizeof *again);
	size_t n = 0;

	(void)!store_load_all(ledger->store, w->t, w->n, err);
	for (size_t i = 0; i < w->n; i++)
		if (w->t[i]->result == STORE_OK && any_expired(w->parts[i]) && touch_expired(ledger, w->parts[i]))
			again[n++] = w->t[i];
	if (n)
		(void)!store_load_all(ledger->store, again, n, err);
	free(again);
}

/* Keeps those of this result; the others are given up. */
static void keep_only(struct ledger_work *w, enum store_result result)
{
	size_t out = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->t[i]->result != result) {
			give_up(w, w->t[i]->result);
			continue;
		}
		w->parts[out] = w->parts[i];
		w->t[out++] = w->t[i];
	}
	w->n = out;
}

/* Most results are deliveries, and most are of the minute of the one before. */
static void count_deliveries(struct ledger_part *part)
{
	int64_t n = 0, time_s = 0;

	for (size_t i = 0; i < part->n; i++) {
		const struct fact *f = &part->facts[i];
		if (f->kind != FACT_DELIVERED || f->uncounted)
			continue;
		if (n && f->time_s / 60 != time_s / 60) {
			transaction_count(&part->t, time_s, SV(""), SV("delivered"), n);
			n = 0;
		}
		time_s = f->time_s;
		n++;
	}
	if (n)
		transaction_count(&part->t, time_s, SV(""), SV("delivered"), n);
}

static void launch(struct ledger *ledger, struct ledger_work *w)
{
	if (w->n == 0)
		return;
	for (size_t i = 0; i < w->n; i++)
		begin(ledger, w->parts[i], w->at ? &w->at[w->parts[i] - ledger->parts] : NULL, w->to);
	load(ledger, w, &w->err);
	keep_only(w, STORE_OK);
	for (size_t i = 0; i < w->n; i++) {
		count_deliveries(w->parts[i]);
		for (size_t j = 0; j < w->parts[i]->n; j++)
			apply(ledger, w->t[i], &w->parts[i]->facts[j]);
	}
	if (w->n)
		store_commit_start(ledger->store, w->t, w->n, &w->err);
}

/* Not before it is written: an attempt may be repeated. */
static void tell_watcher(struct ledger *ledger, const struct ledger_part *part)
{
	for (size_t i = 0; i < part->n; i++) {
		const struct fact *f = &part->facts[i];
		ledger->watch(ledger->watch_arg, f, f->account);
	}
}

/* Takes out what is written. */
static void take_written(struct ledger *ledger, struct ledger_work *w)
{
	size_t out = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct ledger_part *part = w->parts[i];
		unsigned p = (unsigned)(part - ledger->parts);
		if (w->t[i]->result != STORE_OK) {
			w->parts[out] = part;
			w->t[out++] = w->t[i];
			continue;
		}
		if (ledger->watch)
			tell_watcher(ledger, part);
		if (w->at) {
			w->at[p] = *w->to;
			w->at[p].path = sv_make("", 0); /* the caller's */
		}
		ledger_forget_part(ledger, p);
	}
	w->n = out;
}

/* One that is ahead of the reader, who began at the oldest place, must not be taken back. */
static bool lacks_place(const struct position *at, const struct position *to)
{
	bool ahead = at->generation > to->generation || (at->generation == to->generation && at->offset > to->offset);

	return strcmp(at->at, to->at) != 0 && !(at->at[0] && ahead);
}

static void land(struct ledger *ledger, struct ledger_work *w)
{
	if (w->n)
		(void)!store_commit_finish(ledger->store, w->t, w->n, &w->err);
	take_written(ledger, w);
	keep_only(w, STORE_CONFLICT);
}

void ledger_start(struct ledger *ledger, struct position *at, const struct position *to, bool everywhere)
{
	struct ledger_work *w = xalloc(sizeof *w);

	*w = (struct ledger_work){ .parts = xalloc(ledger->n_parts * sizeof *w->parts), .t = xalloc(ledger->n_parts * sizeof *w->t),
		.result = STORE_OK, .at = at, .to = to };
	for (unsigned p = 0; p < ledger->n_parts; p++) {
		struct ledger_part *part = &ledger->parts[p];
		if (part->n == 0 && !(everywhere && at && lacks_place(&at[p], to)))
			continue;
		w->parts[w->n] = part;
		w->t[w->n++] = &part->t;
	}
	ledger->work = w;
	/* who begins again here must not count without it */
	enum store_result gaps = gaps_write(ledger->gaps, ledger->store, &w->err);
	if (gaps != STORE_OK) {
		give_up(w, gaps);
		w->n = 0;
	}
	launch(ledger, w);
}

enum store_result ledger_finish(struct ledger *ledger, struct err *err)
{
	struct ledger_work *w = ledger->work;

	land(ledger, w);
	for (int i = 1; w->n && i < CONFLICTS_MAX; i++) {
		launch(ledger, w);
		land(ledger, w);
	}
	if (w->n) {
		err_set(&w->err, "entries are being changed by others faster than they can be read");
		give_up(w, STORE_CONFLICT);
	}
	enum store_result result = w->result;
	*err = w->err;
	free(w->parts);
	free(w->t);
	free(w);
	ledger->work = NULL;
	return result;
}

enum store_result ledger_commit(struct ledger *ledger, struct position *at, const struct position *to, bool everywhere, struct err *err)
{
	ledger_start(ledger, at, to, everywhere);
	return ledger_finish(ledger, err);
}
