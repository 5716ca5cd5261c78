#include "door.h"

#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "log.h"

/* An entry that changes between two questions about it is looked up so often. */
#define AGAIN_MAX 3
/* Of each name that is asked for a log line has so much: a long one must not hide what comes behind it. */
#define LOG_NAME_MAX 320
/* Questions that are done with are kept for the next ones. */
#define SPARE_MAX 256

struct door {
	const struct config *config;
	struct store *store;
	struct metrics *metrics;
	struct cache *cache;
	struct address_options address_options;
	door_callback *answered;
	struct question *spare;
	size_t n_spare, waiting;
	int64_t now_us, now_s;
	struct decision decision; /* the last that was returned */
	struct log_limit store_limit;
};

enum half { HALF_ADDRESS, HALF_DOMAIN, HALVES };

/* One that Redis is asked about. */
struct question {
	struct door *door;
	struct question *next;
	void *arg;
	int64_t asked_us, until_s; /* until: the term that is over */
	uint64_t ticket;
	unsigned waiting, again;
	bool at_once;              /* door_ask() has not returned */
	bool done;                 /* and the decision is there */
	enum store_result result;  /* not STORE_OK: Redis does not tell */
	bool heard[HALVES];          /* Redis, or the memory that it keeps true, has told */
	struct entry *known[HALVES]; /* NULL: there is none */
	struct decision refusal;   /* for those to whom parole is not granted */
	struct asking asking;
	struct address address;
	char names[DOOR_NAMES_MAX];
};

static struct sv name_of(const struct address *address, enum half half)
{
	struct sv key = address_key(address);

	return half == HALF_ADDRESS ? key : sv_skip(key, address->at);
}

static int64_t now_ms(const struct door *door)
{
	return door->now_us / 1000;
}

/* ---- questions ---- */

static struct sv keep_name(struct question *q, struct sv text, size_t *used)
{
	size_t room = sizeof q->names - *used, n = text.n < room ? text.n : room;
	char *to = q->names + *used;

	if (n)
		memcpy(to, text.p, n);
	*used += n;
	return sv_make(to, n);
}

static struct question *new_question(struct door *door, const struct asking *asking, const struct address *address, void *arg)
{
	struct question *q = door->spare;
	size_t used = 0;

	if (q) {
		door->spare = q->next;
		door->n_spare--;
	} else {
		q = xalloc(sizeof *q);
	}
	q->door = door;
	q->arg = arg;
	q->asked_us = door->now_us;
	q->again = 0;
	q->done = false;
	q->known[HALF_ADDRESS] = q->known[HALF_DOMAIN] = NULL;
	q->heard[HALF_ADDRESS] = q->heard[HALF_DOMAIN] = false;
	q->address = *address;
	/* those first that decide */
	q->asking.form = asking->form;
	q->asking.protocol = asking->protocol;
	q->asking.about = asking->about;
	q->asking.instance = keep_name(q, asking->instance, &used);
	q->asking.login = keep_name(q, asking->login, &used);
	q->asking.context = keep_name(q, asking->context, &used);
	q->asking.client_address = keep_name(q, asking->client_address, &used);
	q->asking.sender = keep_name(q, asking->sender, &used);
	q->asking.recipient = keep_name(q, asking->recipient, &used);
	q->asking.client_name = keep_name(q, asking->client_name, &used);
	door->waiting++;
	return q;
}

static void free_question(struct question *q)
{
	struct door *door = q->door;

	free(q->known[HALF_ADDRESS]);
	free(q->known[HALF_DOMAIN]);
	door->waiting--;
	if (door->n_spare == SPARE_MAX) {
		free(q);
		return;
	}
	q->next = door->spare;
	door->spare = q;
	door->n_spare++;
}

static void know(struct question *q, enum half half, const struct entry *entry)
{
	free(q->known[half]);
	q->known[half] = entry ? entry_extract(entry, xalloc(entry_extract_bytes(entry))) : NULL;
}

/* ---- the log ---- */

/* One a refusal, so it is put together without printf(3). */
static void add(struct buf *line, struct sv before, struct sv text)
{
	buf_add(line, before);
	buf_add(line, sv_head(text, LOG_NAME_MAX));
}

static void add_asking(struct buf *line, const struct asking *a)
{
	add(line, SV(" recipient=<"), a->recipient);
	add(line, SV("> sender=<"), a->sender);
	add(line, SV("> client="), a->client_name);
	add(line, SV("["), a->client_address);
	buf_add_char(line, ']');
}

/* What strangers chose comes last: it can neither push out nor pretend what is ours. */
static void log_refusal(const struct asking *a, const struct decision *d, const char *from)
{
	char room[LOG_LINE_MAX], since[11];
	struct buf line = BUF_ON(room);

	clock_format_date(d->since_s, since);
	add(&line, SV("action="), d->shadow ? SV("would-") : SV(""));
	buf_add(&line, sv_of(action_name(d->action)));
	add(&line, SV(" status="), sv_of(status_name(d->status)));
	add(&line, SV(" reason="), sv_of(category_name(d->reason)));
	add(&line, SV(" by="), sv_of(decided_by_name(d->by)));
	add(&line, SV(" since="), sv_of(since));
	add(&line, SV(" token="), sv_of(d->token));
	buf_add(&line, sv_of(from));
	add_asking(&line, a);
	add(&line, SV(" instance="), a->instance);
	log_sv(LOG_LEVEL_INFO, buf_sv(&line));
}

static void log_parole(const struct asking *a, const char *action, const char *why)
{
	char room[LOG_LINE_MAX];
	struct buf line = BUF_ON(room);

	add(&line, SV("action="), sv_of(action));
	add_asking(&line, a);
	add(&line, SV(" instance="), a->instance);
	add(&line, SV(": "), sv_of(why));
	log_sv(LOG_LEVEL_INFO, buf_sv(&line));
}

/* ---- deciding ---- */

/* The message that asks: Exim's has no instance. */
static struct sv who_asks(const struct asking *a, struct buf *b)
{
	if (a->instance.n)
		return a->instance;
	buf_addf(b, "%.*s %.*s", SV_ARG(a->client_address), SV_ARG(a->sender));
	return buf_sv(b);
}

/* Is this the message that was let through already? It may be asked about twice. */
static bool is_on_parole(const struct asking *a, const struct entry *entry)
{
	char room[DOOR_NAMES_MAX];
	struct buf b = BUF_ON(room);

	return entry && entry->parole_s && (entry->status == STATUS_HELD || entry->status == STATUS_HARD) && entry->parole_by.n &&
		sv_eq(entry->parole_by, who_asks(a, &b));
}

static void judge(struct door *door, const struct asking *a, const struct entry *address, const struct entry *domain, struct decision *d)
{
	const struct known known = { address, domain, { a->sender, a->login, a->context, a->about != ASK_MESSAGE } };

	if (a->about == ASK_STATE)
		decide_state(&known, door->now_s, d);
	else
		decide(&known, &door->config->policyd_answers, door->now_s, d);
}

/* Must Redis choose the one message that shows whether the address takes mail again? */
static bool wants_parole(const struct asking *a, const struct decision *d)
{
	return d->action == ACTION_PAROLE && !d->shadow && a->about == ASK_MESSAGE;
}

/* Does the address wait for what becomes of one message, and may this be it? */
static bool may_be_on_parole(const struct door *door, const struct asking *a, const struct entry *address)
{
	return a->about == ASK_ADDRESS ? address && address->until_s && door->now_s >= address->until_s : is_on_parole(a, address);
}

static void dunno(struct door *door, struct decision *d)
{
	decide(&(const struct known){ .address = NULL }, NULL, door->now_s, d);
}

/* What is said in the end; the log and the counters have it. */
static void conclude(struct door *door, const struct asking *a, const struct entry *address, struct decision *d, const char *from)
{
	/* on parole: in the shadow, or to who does not tell the message, where all may pass */
	if (d->action == ACTION_PAROLE || (d->action != ACTION_DUNNO && d->by == BY_ADDRESS && may_be_on_parole(door, a, address)))
		dunno(door, d);
	if (d->action == ACTION_DUNNO)
		return;
	log_refusal(a, d, from);
	if (d->shadow) {
		metrics_would_decide(door->metrics, d->action, d->reason);
		dunno(door, d);
	} else {
		metrics_decided(door->metrics, d->action, d->reason);
	}
}

/* ---- without Redis ---- */

/* What Redis has just said of it, or what it said before. False: that is not known. */
static bool remember(const struct question *q, enum half half, const struct entry **entry_r)
{
	struct door *door = q->door;

	*entry_r = q->known[half];
	return q->heard[half] || cache_remember(door->cache, name_of(&q->address, half), now_ms(door), door->config->policyd_remember_ms, entry_r) != CACHE_UNKNOWN;
}

/* What was known when Redis could be asked last goes on; of the rest the configuration decides. */
static void decide_alone(const struct question *q, enum store_result result, struct decision *d)
{
	struct door *door = q->door;
	const struct asking *a = &q->asking;
	const struct entry *known, *domain = NULL;
	/* one that is not known may be allowed: then its domain decides nothing */
	bool decides = remember(q, HALF_ADDRESS, &known) && (remember(q, HALF_DOMAIN, &domain) || known);
	/* in the shadow nobody is kept waiting */
	bool shadow = answers_all_shadow(&door->config->policyd_answers);
	bool defer = (door->config->on_store_failure == FAILURE_DEFER && !shadow) || a->about == ASK_STATE;

	metrics_store_error(door->metrics, result == STORE_REFUSED ? METRICS_REFUSED : !store_ready(door->store) ? METRICS_UNREACHABLE :
		q->at_once ? METRICS_STALLED : METRICS_TIMEOUT);
	judge(door, a, known, decides ? domain : NULL, d);
	if (d->by != BY_NOTHING && d->action != ACTION_PAROLE) {
		door->metrics->from_snapshot++;
		conclude(door, a, known, d, " from=memory");
		return;
	}
	if (log_limited(&door->store_limit, "no answer from the store"))
		log_warning("recipient=<%.*s>: %s; answering %s", SV_ARG(a->recipient),
			result == STORE_REFUSED ? "Redis refuses the question (rights, memory, read-only, or a key of another type): nixie doctor tells" :
			store_ready(door->store) ? "Redis gave no answer in time" : "Redis is not connected", defer ? "DEFER_IF_PERMIT" : "DUNNO");
	if (defer)
		decide_defer(d);
	else
		dunno(door, d);
}

/* ---- with Redis ---- */

static void count(struct door *door, enum metrics_protocol protocol, const struct decision *d, int64_t asked_us)
{
	metrics_request(door->metrics, protocol, metrics_outcome_of(d->action), (uint64_t)(clock_mono_us() - asked_us));
}

/* Tells who asked, and frees the question. False: nobody wanted it. */
static bool deliver(struct question *q, const struct decision *d)
{
	struct door *door = q->door;

	count(door, q->asking.protocol, d, q->asked_us);
	if (q->at_once) {
		door->decision = *d;
		q->done = true;
		return true;
	}
	bool wanted = door->answered(q->arg, d);
	free_question(q);
	return wanted;
}

static void look_up(struct question *q, bool address, bool domain);

static void on_parole(void *arg, enum store_result result, bool granted)
{
	struct question *q = arg;
	struct door *door = q->door;
	char room[DOOR_NAMES_MAX];
	struct buf b = BUF_ON(room);
	struct decision d = q->refusal;

	bool in_time = clock_mono_us() - q->asked_us < door->config->policyd_deadline_ms * 1000;
	if (result == STORE_CONFLICT && in_time && q->again++ < AGAIN_MAX) { /* delivered meanwhile, or reset */
		look_up(q, true, true);
		return;
	}
	if (result != STORE_OK) {
		decide_alone(q, result, &d);
	} else if (granted) {
		door->metrics->parole_granted++;
		log_parole(&q->asking, "parole", "its term is over, this message shows whether it takes mail");
		dunno(door, &d);
	} else {
		door->metrics->parole_refused++;
		decide_no_parole(&d);
		log_parole(&q->asking, action_name(d.action), "another message is out on parole");
	}
	const struct address address = q->address;
	int64_t until_s = q->until_s;
	struct sv who = who_asks(&q->asking, &b);
	if (who.p != room && who.n <= sizeof room) { /* it is the question's, which is about to go */
		memcpy(room, who.p, who.n);
		who.p = room;
	}
	if (!deliver(q, &d) && granted)
		store_parole_back(door->store, address_key(&address), until_s, who);
}

static void settle(struct question *q)
{
	struct door *door = q->door;
	struct decision d;

	if (q->result != STORE_OK) {
		decide_alone(q, q->result, &d);
		(void)deliver(q, &d);
		return;
	}
	judge(door, &q->asking, q->known[HALF_ADDRESS], q->known[HALF_DOMAIN], &d);
	if (wants_parole(&q->asking, &d)) {
		char room[DOOR_NAMES_MAX];
		struct buf b = BUF_ON(room);
		q->refusal = d;
		q->until_s = q->known[HALF_ADDRESS]->until_s;
		store_parole(door->store, address_key(&q->address), q->known[HALF_ADDRESS], door->now_s, who_asks(&q->asking, &b), on_parole, q);
		return;
	}
	conclude(door, &q->asking, q->known[HALF_ADDRESS], &d, "");
	(void)deliver(q, &d);
}

static void take(struct question *q, enum half half, enum store_result result, const struct entry *entry)
{
	struct door *door = q->door;
	const struct entry *there = result == STORE_OK ? entry : NULL;

	if (result != STORE_OK && result != STORE_ABSENT) {
		q->result = result;
	} else {
		cache_put(door->cache, name_of(&q->address, half), q->ticket, there, store_watching(door->store), now_ms(door));
		know(q, half, there);
		q->heard[half] = true;
	}
	if (--q->waiting > 0)
		return;
	histogram_add(&door->metrics->store, (uint64_t)(clock_mono_us() - q->asked_us));
	settle(q);
}

static void on_address(void *arg, enum store_result result, const struct entry *entry)
{
	take(arg, HALF_ADDRESS, result, entry);
}

static void on_domain(void *arg, enum store_result result, const struct entry *entry)
{
	take(arg, HALF_DOMAIN, result, entry);
}

static void look_up(struct question *q, bool address, bool domain)
{
	struct door *door = q->door;

	q->waiting = (unsigned)address + (unsigned)domain;
	q->result = STORE_OK;
	q->ticket = cache_ticket(door->cache);
	if (address)
		know(q, HALF_ADDRESS, NULL);
	if (domain)
		know(q, HALF_DOMAIN, NULL);
	if (domain)
		store_lookup(door->store, name_of(&q->address, HALF_DOMAIN), on_domain, q);
	if (address)
		store_lookup(door->store, name_of(&q->address, HALF_ADDRESS), on_address, q);
}

/* ---- asking ---- */

static const struct decision *ask_store(struct question *q)
{
	struct door *door = q->door;
	bool address = !q->heard[HALF_ADDRESS], domain = !q->heard[HALF_DOMAIN];

	q->at_once = true;
	if (address || domain) {
		look_up(q, address, domain);
	} else { /* parole */
		q->result = STORE_OK;
		settle(q);
	}
	q->at_once = false;
	if (!q->done)
		return NULL;
	free_question(q);
	return &door->decision;
}

/* Of what is known at once; NULL: Redis must be asked. */
static const struct decision *from_cache(struct door *door, const struct asking *a, const struct entry *const known[HALVES])
{
	static const struct decision nothing = { .action = ACTION_DUNNO, .reply = "DUNNO" };

	if (!known[HALF_ADDRESS] && !known[HALF_DOMAIN])
		return &nothing;
	judge(door, a, known[HALF_ADDRESS], known[HALF_DOMAIN], &door->decision);
	if (wants_parole(a, &door->decision))
		return NULL;
	conclude(door, a, known[HALF_ADDRESS], &door->decision, "");
	return &door->decision;
}

const struct decision *door_ask(struct door *door, const struct asking *a, void *arg)
{
	const struct entry *known[HALVES] = { NULL, NULL };
	const struct decision *d = NULL;
	struct address address;

	if (address_parse(a->recipient, a->form, &door->address_options, &address) != ADDRESS_OK) {
		d = from_cache(door, a, known);
	} else {
		bool found[HALVES];
		for (int half = 0; half < HALVES; half++)
			found[half] = cache_find(door->cache, name_of(&address, (enum half)half), now_ms(door), &known[half]) != CACHE_UNKNOWN;
		bool hit = found[HALF_ADDRESS] && found[HALF_DOMAIN];
		*(hit ? &door->metrics->cache_hits : &door->metrics->cache_misses) += 1;
		d = hit ? from_cache(door, a, known) : NULL;
		if (!d) {
			struct question *q = new_question(door, a, &address, arg);
			for (int half = 0; half < HALVES; half++) {
				know(q, (enum half)half, known[half]);
				q->heard[half] = found[half];
			}
			return ask_store(q);
		}
	}
	count(door, a->protocol, d, door->now_us);
	return d;
}

/* ---- ---- */

static void on_change(void *arg, struct sv name)
{
	struct door *door = arg;

	if (name.n)
		cache_changed(door->cache, name);
	else
		cache_lost(door->cache);
}

struct door *door_new(const struct config *config, struct store *store, struct metrics *metrics, door_callback *answered)
{
	struct door *door = xalloc(sizeof *door);

	door->config = config;
	door->store = store;
	door->metrics = metrics;
	door->answered = answered;
	door->address_options = config_address_options(config);
	door->cache = cache_new((size_t)config->policyd_cache_bytes, config->policyd_cache_age_ms);
	door_turn(door, clock_mono_us());
	store_watch(store, on_change, door);
	return door;
}

void door_free(struct door *door)
{
	if (!door)
		return;
	while (door->spare) {
		struct question *next = door->spare->next;
		free(door->spare);
		door->spare = next;
	}
	cache_free(door->cache);
	free(door);
}

size_t door_waiting(const struct door *door)
{
	return door->waiting;
}

void door_turn(struct door *door, int64_t now_us)
{
	door->now_us = now_us;
	door->now_s = clock_now_s();
}

void door_reload(struct door *door)
{
	cache_set_age(door->cache, door->config->policyd_cache_age_ms);
}

void door_gauge(const struct door *door)
{
	struct cache_figures f = cache_figures(door->cache);
	struct metrics *m = door->metrics;

	m->cache_entries = f.entries;
	m->cache_bytes = f.bytes;
	m->cache_limit_bytes = f.limit_bytes;
	m->cache_evictions = f.evictions;
	m->cache_invalidations = f.changes;
	m->cache_flushes = f.losses;
	m->store_up = store_ready(door->store);
	m->tracking_up = store_watching(door->store);
	m->shadow = answers_all_shadow(&door->config->policyd_answers);
}

struct cache *door_cache(const struct door *door)
{
	return door->cache;
}
