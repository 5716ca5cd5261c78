#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "normalise.h"
#include "rules.h"

/* Somebody else writes the same addresses at the same time: as often as this in a row is a livelock. */
#define CONFLICTS_MAX 100

void ledger_init(struct ledger *ledger, struct store *store, const struct config *config)
{
	*ledger = (struct ledger){ .store = store, .config = config };
}

void ledger_free(struct ledger *ledger)
{
	transaction_free(&ledger->t);
	arena_free(&ledger->arena);
	arena_free(&ledger->facts_arena);
	free(ledger->facts);
}

static struct sv keep(struct ledger *ledger, struct sv s)
{
	return arena_dup(&ledger->facts_arena, s);
}

void ledger_add(struct ledger *ledger, const struct fact *fact)
{
	ledger->facts = xgrow(ledger->facts, ledger->n, &ledger->size, sizeof *ledger->facts);
	struct fact *f = &ledger->facts[ledger->n++];
	*f = *fact;
	f->address = keep(ledger, fact->address);
	f->message = keep(ledger, fact->message);
	f->sender = keep(ledger, fact->sender);
	f->login = keep(ledger, fact->login);
	f->client = keep(ledger, fact->client);
	f->message_id = keep(ledger, fact->message_id);
	f->failure.text = keep(ledger, sv_head(fact->failure.text, STATE_TEXT_MAX));
	f->failure.remote = keep(ledger, fact->failure.remote);
	f->failure.occurrence.rule = keep(ledger, fact->failure.occurrence.rule);
}

void ledger_forget(struct ledger *ledger)
{
	ledger->n = 0;
	arena_reset(&ledger->facts_arena);
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

static void count_failure(struct transaction *t, int64_t time_s, const struct failure *f, enum convert_result result)
{
	struct sv rule = f->occurrence.rule;
	char name[RULE_ID_MAX + 32];

	(void)snprintf(name, sizeof name, "cat:%s", category_name(f->occurrence.category));
	count(t, time_s, sv_of(name));
	(void)snprintf(name, sizeof name, "%.*s|%s", SV_ARG(rule.n ? rule : SV("-")), class_name(f->class_));
	transaction_count(t, time_s, SV("rule"), sv_of(name), 1);
	if (!rule.n && f->occurrence.category == CATEGORY_OTHER)
		keep_unclassified(t, time_s, f);
	if (f->class_ == CLASS_NONE)
		return;
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
static struct pending *pending_of(struct ledger *ledger, const struct fact *f)
{
	struct pending *p = f->message.n ? map_get(&ledger->t.pendings, f->message) : NULL;

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
	return p;
}

static void drop_recipient(struct pending *p, struct pending_recipient *r)
{
	r->gone = true;
	p->changed = true;
}

static struct sv message_id_of(struct ledger *ledger, struct sv message, int64_t arrival_s)
{
	return arena_printf(ledger->t.arena, "%.*s/%lld", SV_ARG(message), (long long)arrival_s);
}

/* One final failure of one recipient. */
static void fail(struct ledger *ledger, const struct fact *f, struct sv address, const struct failure *failure)
{
	struct transaction *t = &ledger->t;
	struct account *a = address.n ? map_get(&t->accounts, address) : NULL;
	enum convert_result result = CONVERT_SAME;

	if (a && failure->class_ != CLASS_NONE) {
		struct entry before = a->entry;
		result = convert_failure(&a->entry, a->window, failure, &ledger->config->conversions);
		if (result != CONVERT_SAME) {
			a->changed = a->window_changed = true;
			struct bounce *b = arena_alloc(t->arena, sizeof *b);
			*b = (struct bounce){ .failure = *failure, .sender = f->sender };
			if (a->last_bounce)
				a->last_bounce->next = b;
			else
				a->bounces = b;
			a->last_bounce = b;
		}
		if (result == CONVERT_CHANGED || result == CONVERT_CONVERTED)
			account_transition(t, a, &before, result == CONVERT_CONVERTED ? SV("conversion") : SV("failure"),
				failure->occurrence.last_s);
	}
	if (!f->uncounted)
		count_failure(t, f->time_s, failure, result);
}

static void apply_delivered(struct ledger *ledger, const struct fact *f)
{
	struct transaction *t = &ledger->t;
	struct account *a = f->address.n ? map_get(&t->accounts, f->address) : NULL;
	struct pending *p = pending_of(ledger, f);
	struct pending_recipient *r = p ? find_recipient(p, f->address) : NULL;

	if (!f->uncounted)
		count(t, f->time_s, SV("delivered"));
	if (r)
		drop_recipient(p, r);
	if (a) {
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

static void apply_deferred(struct ledger *ledger, const struct fact *f)
{
	struct transaction *t = &ledger->t;
	struct pending *p = pending_of(ledger, f);

	if (!f->uncounted)
		count(t, f->time_s, SV("deferred"));
	if (!p || !f->address.n)
		return;
	if (!p->arrival_s) {
		p->arrival_s = f->arrival_s;
		p->sender = f->sender;
		p->login = f->login;
		p->client = f->client;
		p->message_id = f->message_id;
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
	r->changed = p->changed = true;
}

static void apply_failed(struct ledger *ledger, const struct fact *f)
{
	struct failure failure = f->failure;
	struct pending *p = pending_of(ledger, f);
	struct pending_recipient *r = p ? find_recipient(p, f->address) : NULL;

	failure.occurrence.message = message_id_of(ledger, f->message, r ? p->arrival_s : f->arrival_s);
	failure.occurrence.first_s = r ? r->failure.occurrence.first_s : f->time_s;
	failure.occurrence.last_s = f->time_s;
	if (r)
		drop_recipient(p, r);
	fail(ledger, f, f->address, &failure);
}

static void apply_expired(struct ledger *ledger, const struct fact *f)
{
	struct pending *p = pending_of(ledger, f);

	for (struct pending_recipient *r = p ? p->recipients : NULL; r; r = r->next) {
		if (r->gone)
			continue;
		/* dated by its last failed attempt, which the expiry only seals */
		r->failure.occurrence.message = message_id_of(ledger, f->message, p->arrival_s);
		drop_recipient(p, r);
		fail(ledger, f, r->address, &r->failure);
	}
}

static void apply_removed(struct ledger *ledger, const struct fact *f)
{
	struct pending *p = map_get(&ledger->t.pendings, f->message);

	for (struct pending_recipient *r = p ? p->recipients : NULL; r; r = r->next)
		r->gone = p->changed = true;
}

static void apply(struct ledger *ledger, const struct fact *f)
{
	switch (f->kind) {
	case FACT_DELIVERED:
		apply_delivered(ledger, f);
		break;
	case FACT_DEFERRED:
		apply_deferred(ledger, f);
		break;
	case FACT_FAILED:
		apply_failed(ledger, f);
		break;
	case FACT_EXPIRED:
		apply_expired(ledger, f);
		break;
	case FACT_REMOVED:
		apply_removed(ledger, f);
		break;
	}
}

/* ---- loading ---- */

static void touch(struct ledger *ledger, const struct fact *f)
{
	struct transaction *t = &ledger->t;
	bool failure = f->kind == FACT_FAILED;

	if (f->address.n) {
		struct account *a = transaction_account(t, f->address);
		a->needs_window = a->needs_window || failure;
	}
	if (f->message.n && !(f->never_deferred && f->kind != FACT_DEFERRED))
		(void)transaction_pending(t, f->message);
}

/* Those who were pending for a message that expired are known only now. */
static bool touch_expired(struct ledger *ledger)
{
	struct transaction *t = &ledger->t;
	bool more = false;

	for (size_t i = 0; i < ledger->n; i++) {
		const struct fact *f = &ledger->facts[i];
		if (f->kind == FACT_DEFERRED && f->address.n) {
			/* an expiry later in this batch may end it */
			struct account *a = transaction_account(t, f->address);
			more = more || !a->needs_window;
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
		}
	}
	return more;
}

static bool any_expired(const struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->n; i++)
		if (ledger->facts[i].kind == FACT_EXPIRED)
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

static enum store_result attempt(struct ledger *ledger, const struct position *from, const struct position *to, struct err *err)
{
	struct transaction *t = &ledger->t;

	transaction_begin(t, &ledger->arena);
	t->from = from;
	t->to = to;
	t->by = SV("logtail");
	t->soft_expiry = ledger->config->soft_expiry;
	t->window_expiry = longest_window(ledger->config);
	for (size_t i = 0; i < ledger->n; i++)
		touch(ledger, &ledger->facts[i]);
	enum store_result result = store_load(ledger->store, t, err);
	if (result == STORE_OK && any_expired(ledger) && touch_expired(ledger))
		result = store_load(ledger->store, t, err);
	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < ledger->n; i++)
		apply(ledger, &ledger->facts[i]);
	return store_commit(ledger->store, t, err);
}

/* Not before it is written: an attempt may be repeated. */
static void tell_watcher(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->n; i++) {
		const struct fact *f = &ledger->facts[i];
		const struct account *a = f->address.n ? map_get(&ledger->t.accounts, f->address) : NULL;
		ledger->watch(ledger->watch_arg, f, a);
	}
}

enum store_result ledger_commit(struct ledger *ledger, const struct position *from, const struct position *to, struct err *err)
{
	enum store_result result = STORE_CONFLICT;

	for (int i = 0; i < CONFLICTS_MAX && result == STORE_CONFLICT; i++)
		result = attempt(ledger, from, to, err);
	if (result == STORE_CONFLICT)
		err_set(err, "entries are being changed by others faster than they can be read");
	if (result == STORE_OK) {
		if (ledger->watch)
			tell_watcher(ledger);
		ledger_forget(ledger);
	}
	return result;
}
