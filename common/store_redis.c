/* The store in Redis. Keys and fields: schema.h and nixie-redis(7). */
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "clock.h"
#include "log.h"
#include "store_redis.h"

/* As long as there is no nixie:meta, who only reads looks for it so often. */
#define META_MS 1000

struct lookup {
	store_lookup_callback *callback;
	void *arg;
};

struct redis_store *redis_of(const struct store *store)
{
	return (struct redis_store *)(uintptr_t)store;
}

bool outcome_take(struct outcome *o, const struct value *reply)
{
	if (!reply) {
		o->result = STORE_UNREACHABLE;
		return false;
	}
	if (value_type(reply) == VALUE_ERROR) {
		o->result = STORE_REFUSED;
		err_set(o->err, "Redis refuses: %.*s", SV_ARG(value_text(reply)));
		return false;
	}
	return true;
}

bool outcome_take_key(struct redis_store *s, struct outcome *o, const struct value *reply, unsigned partition,
	enum schema_key key, struct sv name)
{
	if (outcome_take(o, reply))
		return true;
	if (reply) {
		struct sv k = key_in(s, partition, key, name);
		err_set(o->err, "Redis refuses: %.*s: key %.*s", SV_ARG(value_text(reply)), SV_ARG(k));
		arena_reset(&s->scratch);
	}
	return false;
}

enum store_result outcome_finish(struct redis_store *s, struct outcome *o)
{
	if (o->result == STORE_UNREACHABLE) {
		const char *why = servers_problem(s->servers);
		if (*why)
			err_set(o->err, "%s", why);
		else
			err_set(o->err, "Redis at %s does not answer within redis.timeout (%lld ms); is it overloaded, or saving?",
				s->address, (long long)s->timeout_ms);
	}
	return o->result;
}

bool wait_ready(struct redis_store *s, struct outcome *o)
{
	if (servers_is_ready(s->servers) || servers_wait_ready(s->servers, s->timeout_ms))
		return true;
	o->result = STORE_UNREACHABLE;
	return false;
}

void command_about(struct redis_store *s, struct sv key, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	(void)servers_command(s->servers, key, argc, argv, callback, arg);
	arena_reset(&s->scratch);
}

void command(struct redis_store *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	command_about(s, argv[1], argc, argv, callback, arg);
}

struct schema schema_in(const struct redis_store *s, unsigned partition)
{
	return (struct schema){ s->prefix, partition };
}

struct sv key_in(struct redis_store *s, unsigned partition, enum schema_key key, struct sv name)
{
	struct schema schema = schema_in(s, partition);

	return schema_key(&s->scratch, &schema, key, name);
}

unsigned partition_of(const struct redis_store *s, struct sv key)
{
	return schema_partition(key, s->store.partitions);
}

struct sv entry_key_of(struct redis_store *s, struct sv key)
{
	struct schema schema = schema_in(s, partition_of(s, key));

	return schema_entry_key(&s->scratch, &schema, key);
}

/* ---- greeting: is this a Redis of ours? ---- */

/* Whoever asked how many there are has made plans for so many. */
static void take_partitions(struct redis_store *s, unsigned partitions)
{
	if (s->store.partitions == partitions) {
		servers_ready_now(s->servers);
		return;
	}
	if (s->store.partitions && s->told) {
		servers_reject(s->servers, "%s:meta says %u partitions, there were %u before; restart nixie if that is meant",
			s->prefix, partitions, s->store.partitions);
		return;
	}
	s->store.partitions = partitions;
	free(s->tried);
	s->tried = xalloc(partitions * sizeof *s->tried);
	if (!s->no_meta && partitions != s->partitions_wanted && s->partitions_wanted != 1)
		log_warning("redis.partitions is %u, but the data was made with %u: going on with %u; moving is described in nixie-redis(7)",
			s->partitions_wanted, partitions, partitions);
	servers_ready_now(s->servers);
}

static void on_meta(void *arg, const struct value *reply)
{
	struct redis_store *s = arg;
	uint64_t schema = 0, partitions = 0;
	bool begun = false;

	s->meta_wanted = !reply; /* then it is asked again by who looks something up */
	if (!reply)
		return;
	if (value_type(reply) == VALUE_ERROR) {
		bool auth = sv_starts(value_text(reply), SV("NOAUTH"));
		servers_reject(s->servers, "%.*s%s", SV_ARG(value_text(reply)),
			auth ? "; set redis.password (and redis.user for an ACL user)" : "");
		return;
	}
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv field = value_text(value_at(reply, i)), value = value_text(value_at(reply, i + 1));
		bool ok = true;
		if (sv_eq(field, SV("schema")))
			ok = sv_u64(value, UINT32_MAX, &schema);
		else if (sv_eq(field, SV("partitions")))
			ok = sv_u64(value, UINT32_MAX, &partitions);
		begun = begun || sv_eq(field, SV("partitions"));
		(void)ok; /* what is no number stays 0 and is refused below */
	}
	/* who began may have died between the two: nothing was written then, and whoever writes next goes on */
	s->no_meta = !begun && (schema == 0 || schema == SCHEMA_VERSION);
	if (s->no_meta)
		take_partitions(s, s->store.partitions ? s->store.partitions : s->partitions_wanted);
	else if (schema != SCHEMA_VERSION || partitions == 0 || partitions > SCHEMA_PARTITIONS_MAX)
		servers_reject(s->servers, "%s:meta says schema %llu and %llu partitions, this program knows schema %d with 1 to %d; "
			"upgrade nixie, or set another redis.prefix", s->prefix, (unsigned long long)schema,
			(unsigned long long)partitions, SCHEMA_VERSION, SCHEMA_PARTITIONS_MAX);
	else
		take_partitions(s, (unsigned)partitions);
}

void redis_ask_meta(struct redis_store *s)
{
	s->meta_asked_ms = clock_mono_ms();
	struct sv argv[] = { SV("HGETALL"), schema_meta_key(&s->scratch, s->prefix) };

	command(s, 2, argv, on_meta, s);
}

static void greeting(void *arg)
{
	redis_ask_meta(arg);
}

/* ---- load ---- */

void *load_one(struct load *load, void *item)
{
	struct load_one *one = arena_alloc(load->t->arena, sizeof *one);

	*one = (struct load_one){ load, item, (unsigned)load->t->partition };
	return one;
}

void on_entry(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;
	struct arena *arena = one->load->t->arena;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, one->partition, KEY_ADDRESS, a->key))
		return;
	a->entry = (struct entry){ 0 };
	a->revision = SV("0");
	a->absent = value_count(reply) == 0;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv name = value_text(value_at(reply, i)), value = value_text(value_at(reply, i + 1));
		schema_entry_set(&a->entry, name, value);
		if (sv_eq(name, SV("revision")))
			a->revision = arena_dup(arena, value);
	}
	schema_entry_keep(arena, &a->entry);
	a->was_suppressed = entry_suppressed(&a->entry, 0);
	a->was_scoped = a->entry.scopes.n > 0;
}

static void on_window(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, one->partition, KEY_WINDOW, a->key))
		return;
	a->window->n = 0;
	for (size_t i = 0; i + 1 < value_count(reply) && a->window->n < WINDOW_MAX; i += 2) {
		struct sv score = value_text(value_at(reply, i + 1));
		uint64_t last_s;
		struct sv member = arena_dup(one->load->t->arena, value_text(value_at(reply, i)));
		if (sv_u64(score, INT64_MAX, &last_s) &&
		    schema_window_parse(member, (int64_t)last_s, &a->window->v[a->window->n]))
			a->window->n++;
	}
}

static void on_history_there(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;

	if (outcome_take(&one->load->outcome, reply))
		a->has_history = value_number(reply) > 0;
}

static void on_exists(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;

	if (outcome_take(&one->load->outcome, reply) && value_number(reply))
		a->needs_window = true; /* something to clear, perhaps: load it whole */
	else
		a->loaded = a->absent = reply != NULL;
}

/* "first=.. last=.. attempts=.. category=.. rule=.. code=.. enhanced=.. remote=.. message=.. text=<the rest>" */
static void parse_recipient(struct pending_recipient *r, struct sv value)
{
	while (value.n) {
		bool ok = true;
		uint64_t number = 0;
		struct sv name = sv_cut(&value, '=');
		struct sv v = sv_eq(name, SV("text")) ? value : sv_cut(&value, ' ');
		if (sv_eq(name, SV("text"))) {
			r->failure.text = v;
			return;
		}
		if (sv_eq(name, SV("category")))
			ok = category_by_name(v, &r->failure.occurrence.category);
		else if (sv_eq(name, SV("class")))
			ok = class_by_name(v, &r->failure.class_);
		else if (sv_eq(name, SV("enhanced")))
			ok = enhanced_parse(v, &r->failure.enhanced);
		else if (sv_eq(name, SV("rule")))
			r->failure.occurrence.rule = v;
		else if (sv_eq(name, SV("remote")))
			r->failure.remote = v;
		else if (sv_eq(name, SV("provider")))
			r->provider = v;
		else if (sv_u64(v, INT64_MAX, &number)) {
			if (sv_eq(name, SV("first")))
				r->failure.occurrence.first_s = (int64_t)number;
			else if (sv_eq(name, SV("last")))
				r->failure.occurrence.last_s = (int64_t)number;
			else if (sv_eq(name, SV("attempts")))
				r->attempts = number;
			else if (sv_eq(name, SV("uncounted")))
				r->uncounted = number != 0;
			else if (sv_eq(name, SV("code")))
				r->failure.code = (int)(number % 1000);
		}
		(void)ok; /* a word of a newer program: the default stays */
	}
}

static void on_pending(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct pending *p = one->item;
	struct arena *arena = one->load->t->arena;
	uint64_t arrival;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, one->partition, KEY_PENDING, p->key))
		return;
	p->stored = value_count(reply) > 0;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv field = arena_dup(arena, value_text(value_at(reply, i)));
		struct sv value = arena_dup(arena, value_text(value_at(reply, i + 1)));
		if (sv_take(&field, SV("to:"))) {
			struct pending_recipient *r = arena_alloc(arena, sizeof *r);
			r->address = field;
			parse_recipient(r, value);
			r->next = p->recipients;
			p->recipients = r;
		} else if (sv_eq(field, SV("arrival")) && sv_u64(value, INT64_MAX, &arrival)) {
			p->arrival_s = (int64_t)arrival;
		} else if (sv_eq(field, SV("sender"))) {
			p->sender = value;
		} else if (sv_eq(field, SV("login"))) {
			p->login = value;
		} else if (sv_eq(field, SV("client"))) {
			p->client = value;
		} else if (sv_eq(field, SV("message-id"))) {
			p->message_id = value;
		} else if (sv_eq(field, SV("campaign"))) {
			p->campaign = value;
		}
	}
}

static void ask_account(struct load *load, struct account *a)
{
	struct redis_store *s = load->s;
	unsigned p = (unsigned)load->t->partition;
	struct sv entry[] = { SV("HGETALL"), entry_key_of(s, a->key) };

	a->loaded = true;
	a->window = arena_alloc(load->t->arena, sizeof *a->window);
	command(s, 2, entry, on_entry, load_one(load, a));
	struct sv window[] = { SV("ZRANGE"), key_in(s, p, KEY_WINDOW, a->key), SV("-32"), SV("-1"), SV("WITHSCORES") };
	command(s, 5, window, on_window, load_one(load, a));
	if (a->needs_history) {
		struct sv history[] = { SV("EXISTS"), key_in(s, p, KEY_HISTORY, a->key) };
		command(s, 2, history, on_history_there, load_one(load, a));
	}
}

static void ask_exists(struct load *load, struct account *a)
{
	struct sv argv[] = { SV("EXISTS"), entry_key_of(load->s, a->key) };

	a->window = arena_alloc(load->t->arena, sizeof a->window->n);
	command(load->s, 2, argv, on_exists, load_one(load, a));
}

/* Only whether it exists, where there is probably nothing to clear. */
static void ask(struct load *load)
{
	struct transaction *t = load->t;
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		struct account *a = slot->value;
		if (!a->loaded && a->needs_window)
			ask_account(load, a);
		else if (!a->loaded)
			ask_exists(load, a);
	}
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));) {
		struct pending *p = slot->value;
		struct sv argv[] = { SV("HGETALL"), key_in(load->s, (unsigned)t->partition, KEY_PENDING, p->key) };
		if (p->loaded)
			continue;
		p->loaded = true;
		command(load->s, 2, argv, on_pending, load_one(load, p));
	}
	mail_ask(load);
}

/* Those of ask_exists() that do exist. */
static void ask_again(struct load *load)
{
	struct map_slot *slot;

	for (size_t i = 0; load->outcome.result == STORE_OK && (slot = map_next(&load->t->accounts, &i));) {
		struct account *a = slot->value;
		if (!a->loaded && a->needs_window)
			ask_account(load, a);
	}
}

/* A load for each transaction, in the arena of the first. */
static struct load *begin_loads(struct redis_store *s, struct transaction *const *t, size_t n, struct err *err)
{
	struct load *loads = arena_alloc(t[0]->arena, n * sizeof *loads);
	struct outcome outcome = { STORE_OK, err };
	bool ready = wait_ready(s, &outcome);

	for (size_t i = 0; i < n; i++) {
		if (ready)
			transaction_settle(t[i], &s->store);
		loads[i] = (struct load){ s, t[i], outcome };
	}
	return loads;
}

static enum store_result finish_loads(struct redis_store *s, struct load *loads, size_t n)
{
	enum store_result worst = STORE_OK;

	for (size_t i = 0; i < n; i++) {
		loads[i].t->result = outcome_finish(s, &loads[i].outcome);
		if (worst == STORE_OK)
			worst = loads[i].t->result;
	}
	return worst;
}

enum store_result redis_load(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct load *loads = begin_loads(s, t, n, err);

	for (size_t i = 0; i < n; i++)
		if (loads[i].outcome.result == STORE_OK)
			ask(&loads[i]);
	servers_wait(s->servers);
	for (size_t i = 0; i < n; i++)
		ask_again(&loads[i]);
	servers_wait(s->servers);
	return finish_loads(s, loads, n);
}

static unsigned redis_partitions(struct store *store, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct outcome outcome = { STORE_OK, err };

	if (!wait_ready(s, &outcome))
		(void)outcome_finish(s, &outcome);
	s->told = outcome.result == STORE_OK;
	return s->told ? store->partitions : 0;
}

/* ---- from an event loop ---- */

/* Fields and values: else somebody may be suppressed by nonsense, or let through. */
static bool is_hash(const struct value *v)
{
	if (value_type(v) != VALUE_LIST || value_count(v) % 2)
		return false;
	for (size_t i = 0; i < value_count(v); i += 2)
		if (value_text(value_at(v, i)).n == 0 || value_type(value_at(v, i + 1)) != VALUE_TEXT)
			return false;
	return true;
}

static enum store_result take_entry(const struct value *reply, struct entry *entry_r)
{
	if (!reply)
		return STORE_UNREACHABLE;
	if (!is_hash(reply))
		return STORE_REFUSED;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		schema_entry_set(entry_r, value_text(value_at(reply, i)), value_text(value_at(reply, i + 1)));
	return value_count(reply) ? STORE_OK : STORE_ABSENT;
}

static void on_lookup(void *arg_, const struct value *reply)
{
	struct lookup *l = arg_;
	struct entry entry = { 0 };
	enum store_result result = take_entry(reply, &entry);

	l->callback(l->arg, result, &entry);
	free(l);
}

void store_lookup(struct store *store, struct sv key, store_lookup_callback *callback, void *arg_)
{
	struct redis_store *s = redis_of(store);
	struct lookup *l = xalloc(sizeof *l);

	*l = (struct lookup){ callback, arg_ };
	/* whoever writes first decides how many partitions there are */
	if ((s->no_meta || s->meta_wanted) && clock_mono_ms() - s->meta_asked_ms >= META_MS)
		redis_ask_meta(s);
	struct sv argv[] = { SV("HGETALL"), entry_key_of(s, key) };
	command(s, 2, argv, on_lookup, l);
}

/* The script, as it lies in the tree; small, and seldom asked: sent whole each time. */
__asm__(".pushsection .rodata\n"
	"nixie_parole_lua:\n"
	".incbin \"common/lua/parole.lua\"\n"
	".byte 0\n"
	".popsection\n");
extern const char nixie_parole_lua[];

struct parole {
	store_parole_callback *callback;
	void *arg;
};

static void on_parole(void *arg_, const struct value *reply)
{
	struct parole *p = arg_;
	enum store_result result = !reply ? STORE_UNREACHABLE : value_type(reply) != VALUE_NUMBER ? STORE_REFUSED :
		value_number(reply) == 2 ? STORE_CONFLICT : STORE_OK;

	p->callback(p->arg, result, result == STORE_OK && value_number(reply) == 1);
	free(p);
}

static void ask_parole(struct redis_store *s, struct sv address, int64_t until_s, int64_t now_s, struct sv who, struct sv what,
	redis_callback *callback, void *arg_)
{
	struct sv argv[] = { SV("EVAL"), sv_of(nixie_parole_lua), SV("1"), entry_key_of(s, address),
		schema_number(&s->scratch, until_s), schema_number(&s->scratch, now_s), schema_number(&s->scratch, STATE_PAROLE_S),
		schema_number(&s->scratch, STATE_CLOCK_SLACK_S), who, schema_number(&s->scratch, store_new_revision()), what };

	command_about(s, argv[3], sizeof argv / sizeof *argv, argv, callback, arg_);
}

void store_parole(struct store *store, struct sv address, const struct entry *entry, int64_t now_s, struct sv who,
	store_parole_callback *callback, void *arg_)
{
	struct parole *p = xalloc(sizeof *p);

	*p = (struct parole){ callback, arg_ };
	ask_parole(redis_of(store), address, entry->until_s, now_s, who, SV("take"), on_parole, p);
}

static void on_given_back(void *arg_, const struct value *reply)
{
	(void)arg_, (void)reply; /* else it is free again after STATE_PAROLE_S */
}

void store_parole_back(struct store *store, struct sv address, int64_t until_s, struct sv who)
{
	ask_parole(redis_of(store), address, until_s, 0, who, SV("give-back"), on_given_back, NULL);
}

int store_fd(const struct store *store)
{
	return servers_fd(redis_of(store)->servers);
}

short store_events(const struct store *store)
{
	return servers_events(redis_of(store)->servers);
}

int store_timeout_ms(const struct store *store)
{
	return servers_timeout_ms(redis_of(store)->servers);
}

void store_service(struct store *store, short revents)
{
	servers_service(redis_of(store)->servers, revents);
	redis_look(redis_of(store));
}

unsigned store_generation(const struct store *store)
{
	return servers_generation(redis_of(store)->servers);
}

bool store_ready(const struct store *store)
{
	return servers_is_ready(redis_of(store)->servers);
}

void store_wait(struct store *store, int64_t timeout_ms)
{
	struct redis_store *s = redis_of(store);

	if (!servers_wait_ready(s->servers, timeout_ms) && *servers_problem(s->servers))
		log_warning("%s", servers_problem(s->servers));
}

void store_set_timeout(struct store *store, int64_t timeout_ms)
{
	redis_of(store)->timeout_ms = timeout_ms;
	servers_set_timeout(redis_of(store)->servers, timeout_ms);
}

void store_set_impatient(struct store *store)
{
	servers_set_impatient(redis_of(store)->servers);
}

/* ---- ---- */

static void redis_store_free(struct store *store)
{
	struct redis_store *s = redis_of(store);

	tracking_free(s->tracking);
	servers_free(s->servers);
	tls_free(s->tls);
	arena_free(&s->scratch);
	free(s->tried);
	free(s);
}

static const struct store_ops redis_ops = {
	.free = redis_store_free, .load = redis_load, .commit_start = redis_commit_start, .commit_finish = redis_commit_finish,
	.partitions = redis_partitions, .positions = redis_positions,
	.sent = redis_sent, .asides = redis_asides,
	.counts = redis_counts, .hours = redis_hours, .period = redis_period, .alerts = redis_alerts, .gaps = redis_gaps, .readers = redis_readers, .doors = redis_doors,
	.suppressed_count = redis_suppressed_count, .alert_log = redis_alert_log, .unclassified = redis_unclassified, .histories = redis_histories, .history = redis_history, .suppressed = redis_suppressed, .entries = redis_entries, .entry = redis_entry,
	.journal_entry = redis_journal_entry, .journal_beside = redis_journal_beside, .journal = redis_journal, .journal_end = redis_journal_end, .journal_next = redis_journal_next,
};

struct store *store_redis(const struct config *config)
{
	struct redis_store *s = xalloc(sizeof *s);

	s->store.ops = &redis_ops;
	memcpy(s->address, config->redis_address, sizeof s->address);
	memcpy(s->user, config->redis_user, sizeof s->user);
	memcpy(s->password, config->redis_password, sizeof s->password);
	memcpy(s->prefix, config->redis_prefix, sizeof s->prefix);
	s->partitions_wanted = (unsigned)config->redis_partitions;
	s->timeout_ms = config->redis_timeout_ms;
	s->database = config->redis_database;
	s->tls = config_tls(config);
	struct servers_options options = { .address = s->address, .tls = s->tls, .user = s->user, .password = s->password,
		.database = config->redis_database, .timeout_ms = s->timeout_ms, .greeting = greeting, .arg = s };
	s->servers = servers_new(&options);
	return &s->store;
}
