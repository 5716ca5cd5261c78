/* The store in Redis. Keys and fields: schema.h and nixie-redis(7). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "redis.h"
#include "schema.h"
#include "store_ops.h"

/* The script, as it lies in the tree */
__asm__(".pushsection .rodata\n"
	"nixie_apply_lua:\n"
	".incbin \"common/lua/apply.lua\"\n"
	".byte 0\n"
	".popsection\n");
extern const char nixie_apply_lua[];

/* Suppressed addresses and days are read in pages of this many. */
#define PAGE 1000

struct lookup {
	store_lookup_callback *callback;
	void *arg;
};

struct redis_store {
	struct store store;
	struct redis *redis;
	struct arena scratch; /* for one command */
	struct schema schema;
	char address[CONFIG_STRING_MAX], user[CONFIG_STRING_MAX], password[CONFIG_STRING_MAX], prefix[CONFIG_STRING_MAX];
	int64_t timeout_ms;
	char sha[41];
	bool no_meta; /* nobody has written yet: who does first makes it */
};

static struct redis_store *redis_of(const struct store *store)
{
	return (struct redis_store *)(uintptr_t)store;
}

/* What came of a command, for those who wait for it. */
struct outcome {
	enum store_result result;
	struct err *err;
};

/* Takes an error or a missing reply. True: there is a proper one. */
static bool outcome_take(struct outcome *o, const struct value *reply)
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

/* The same for a command on one key, which an error names. */
static bool outcome_take_key(struct redis_store *s, struct outcome *o, const struct value *reply,
	enum schema_key key, struct sv name)
{
	if (outcome_take(o, reply))
		return true;
	if (reply) {
		struct sv k = schema_key(&s->scratch, &s->schema, key, name);
		err_set(o->err, "Redis refuses: %.*s: key %.*s", SV_ARG(value_text(reply)), SV_ARG(k));
		arena_reset(&s->scratch);
	}
	return false;
}

static enum store_result finish(struct redis_store *s, struct outcome *o)
{
	if (o->result == STORE_UNREACHABLE) {
		const char *why = redis_problem(s->redis);
		if (*why)
			err_set(o->err, "%s", why);
		else
			err_set(o->err, "Redis at %s does not answer within redis.timeout (%lld ms); is it overloaded, or saving?",
				s->address, (long long)s->timeout_ms);
	}
	return o->result;
}

static bool wait_ready(struct redis_store *s, struct outcome *o)
{
	if (redis_is_ready(s->redis) || redis_wait_ready(s->redis, s->timeout_ms))
		return true;
	o->result = STORE_UNREACHABLE;
	return false;
}

static void command(struct redis_store *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg)
{
	(void)redis_command(s->redis, argc, argv, callback, arg);
	arena_reset(&s->scratch);
}

static struct sv key_of(struct redis_store *s, enum schema_key key, struct sv name)
{
	return schema_key(&s->scratch, &s->schema, key, name);
}

/* ---- greeting: is this a Redis of ours? ---- */

static void on_meta(void *arg, const struct value *reply)
{
	struct redis_store *s = arg;
	uint64_t schema = 0, partitions = 0;

	if (!reply)
		return;
	if (value_type(reply) == VALUE_ERROR) {
		bool auth = sv_starts(value_text(reply), SV("NOAUTH"));
		redis_reject(s->redis, "%.*s%s", SV_ARG(value_text(reply)),
			auth ? "; set redis.password (and redis.user for an ACL user)" : "");
		return;
	}
	s->no_meta = value_count(reply) == 0;
	if (s->no_meta) {
		redis_ready_now(s->redis);
		return;
	}
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		struct sv field = value_text(value_at(reply, i)), value = value_text(value_at(reply, i + 1));
		bool ok = true;
		if (sv_eq(field, SV("schema")))
			ok = sv_u64(value, UINT32_MAX, &schema);
		else if (sv_eq(field, SV("partitions")))
			ok = sv_u64(value, UINT32_MAX, &partitions);
		(void)ok; /* what is no number stays 0 and is refused below */
	}
	if (schema != SCHEMA_VERSION || partitions != 1)
		redis_reject(s->redis, "%s:meta says schema %llu and %llu partitions, this program knows schema %d with 1; "
			"upgrade nixie, or set another redis.prefix", s->prefix, (unsigned long long)schema,
			(unsigned long long)partitions, SCHEMA_VERSION);
	else
		redis_ready_now(s->redis);
}

static void greeting(void *arg)
{
	struct redis_store *s = arg;
	struct sv argv[] = { SV("HGETALL"), schema_meta_key(&s->scratch, s->prefix) };

	command(s, 2, argv, on_meta, s);
}

/* ---- load ---- */

struct load {
	struct redis_store *s;
	struct transaction *t;
	struct outcome outcome;
};

struct load_one {
	struct load *load;
	void *item;
};

static void *load_one(struct load *load, void *item)
{
	struct load_one *one = arena_alloc(load->t->arena, sizeof *one);

	*one = (struct load_one){ load, item };
	return one;
}

static void on_entry(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;
	struct arena *arena = one->load->t->arena;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, KEY_ADDRESS, a->key))
		return;
	a->entry = (struct entry){ 0 };
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		schema_entry_set(&a->entry, arena_dup(arena, value_text(value_at(reply, i))),
			arena_dup(arena, value_text(value_at(reply, i + 1))));
	a->revision = a->entry.revision;
	a->was_suppressed = entry_suppressed(&a->entry, 0);
}

static void on_window(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, KEY_WINDOW, a->key))
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

static void on_exists(void *arg, const struct value *reply)
{
	struct load_one *one = arg;
	struct account *a = one->item;

	if (outcome_take(&one->load->outcome, reply) && value_number(reply))
		a->needs_window = true; /* something to clear, perhaps: load it whole */
	else
		a->loaded = reply != NULL;
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
		else if (sv_u64(v, INT64_MAX, &number)) {
			if (sv_eq(name, SV("first")))
				r->failure.occurrence.first_s = (int64_t)number;
			else if (sv_eq(name, SV("last")))
				r->failure.occurrence.last_s = (int64_t)number;
			else if (sv_eq(name, SV("attempts")))
				r->attempts = number;
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

	if (!outcome_take_key(one->load->s, &one->load->outcome, reply, KEY_PENDING, p->key))
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
		}
	}
}

static void ask_account(struct load *load, struct account *a)
{
	struct redis_store *s = load->s;
	struct sv entry[] = { SV("HGETALL"), key_of(s, KEY_ADDRESS, a->key) };

	a->loaded = true;
	a->window = arena_alloc(load->t->arena, sizeof *a->window);
	command(s, 2, entry, on_entry, load_one(load, a));
	struct sv window[] = { SV("ZRANGE"), key_of(s, KEY_WINDOW, a->key), SV("-32"), SV("-1"), SV("WITHSCORES") };
	command(s, 5, window, on_window, load_one(load, a));
}

static void ask_exists(struct load *load, struct account *a)
{
	struct sv argv[] = { SV("EXISTS"), key_of(load->s, KEY_ADDRESS, a->key) };

	a->window = arena_alloc(load->t->arena, sizeof a->window->n);
	command(load->s, 2, argv, on_exists, load_one(load, a));
}

static enum store_result redis_load(struct store *store, struct transaction *t, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct load load = { s, t, { STORE_OK, err } };
	struct map_slot *slot;

	if (!wait_ready(s, &load.outcome))
		return finish(s, &load.outcome);
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		struct account *a = slot->value;
		if (!a->loaded && a->needs_window)
			ask_account(&load, a);
		else if (!a->loaded)
			ask_exists(&load, a);
	}
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));) {
		struct pending *p = slot->value;
		struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_PENDING, p->key) };
		if (p->loaded)
			continue;
		p->loaded = true;
		command(s, 2, argv, on_pending, load_one(&load, p));
	}
	redis_wait(s->redis);
	if (load.outcome.result != STORE_OK)
		return finish(s, &load.outcome);
	/* those of ask_exists() that do exist */
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		struct account *a = slot->value;
		if (!a->loaded && a->needs_window)
			ask_account(&load, a);
	}
	redis_wait(s->redis);
	return finish(s, &load.outcome);
}

/* ---- commit ---- */

/* A growing list of operations for apply.lua. */
struct script {
	struct arena *arena;
	struct sv *keys, *argv;
	size_t n_keys, n_argv, size_keys, size_argv;
};

static void push(struct arena *arena, struct sv **v, size_t *n, size_t *size, struct sv s)
{
	if (*n == *size) {
		size_t bigger = *size ? *size * 2 : 256;
		struct sv *w = arena_alloc(arena, bigger * sizeof *w);
		if (*n)
			memcpy(w, *v, *n * sizeof *w);
		*v = w;
		*size = bigger;
	}
	(*v)[(*n)++] = s;
}

static void arg(struct script *x, struct sv s)
{
	push(x->arena, &x->argv, &x->n_argv, &x->size_argv, s);
}

static void number(struct script *x, int64_t v)
{
	arg(x, schema_number(x->arena, v));
}

/* Returns the index of the key, from 1 */
static int64_t key(struct script *x, const struct schema *schema, enum schema_key kind, struct sv name)
{
	push(x->arena, &x->keys, &x->n_keys, &x->size_keys, schema_key(x->arena, schema, kind, name));
	return (int64_t)x->n_keys;
}

static void op(struct script *x, const char *name, int64_t key_index)
{
	arg(x, sv_of(name));
	number(x, key_index);
}

static void field(struct script *x, struct sv name, struct sv value)
{
	arg(x, name);
	arg(x, value);
}

static int64_t new_revision(void)
{
	uint64_t r = 0;

	/* never blocks after boot; 48 bits fit a Lua number and are never 0 */
	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		r = (uint64_t)clock_now_us();
	return (int64_t)(r >> 16) | 1;
}

static int64_t expire_at(struct span keep)
{
	return clock_after_us(clock_now_us(), keep) / CLOCK_SECOND_US;
}

static int64_t expire_in_days(int days)
{
	return clock_now_s() + days * CLOCK_DAY_S;
}

/* The time in a stream's ids: a line from the future must not push all later ones there. */
static int64_t stream_ms(int64_t time_s)
{
	int64_t now_s = clock_now_s();

	return (time_s < now_s ? time_s : now_s) * 1000;
}

/* In the order of the facts: a batch that is sent again after a crash gives every
 * change the id, and so the token, that it had the first time. */
static void write_transitions(struct redis_store *s, struct script *x, struct transaction *t)
{
	for (const struct transition *step = t->first; step; step = step->later) {
		op(x, "log", key(x, &s->schema, KEY_JOURNAL, SV("")));
		arg(x, SV(SCHEMA_JOURNAL_MAX));
		number(x, 0);
		number(x, stream_ms(step->time_s));
		number(x, 9);
		field(x, SV("address"), step->address);
		field(x, SV("from"), sv_of(status_name(step->from)));
		field(x, SV("to"), sv_of(status_name(step->to)));
		field(x, SV("reason"), sv_of(category_name(step->reason)));
		field(x, SV("rule"), step->rule);
		field(x, SV("why"), step->why);
		field(x, SV("by"), t->by);
		field(x, SV("batch"), t->batch);
		field(x, SV("time"), schema_number(x->arena, step->time_s));
	}
}

static void write_bounces(struct redis_store *s, struct script *x, const struct account *a)
{
	char enhanced[ENHANCED_TEXT_MAX];

	for (const struct bounce *b = a->bounces; b; b = b->next) {
		const struct failure *f = &b->failure;
		enhanced_format(f->enhanced, enhanced);
		op(x, "log", key(x, &s->schema, KEY_HISTORY, a->key));
		arg(x, SV(SCHEMA_HISTORY_MAX));
		number(x, expire_in_days(SCHEMA_DAYS_HISTORY));
		number(x, stream_ms(f->occurrence.last_s));
		number(x, 11);
		field(x, SV("time"), schema_number(x->arena, f->occurrence.last_s));
		field(x, SV("first"), schema_number(x->arena, f->occurrence.first_s));
		field(x, SV("category"), sv_of(category_name(f->occurrence.category)));
		field(x, SV("class"), sv_of(class_name(f->class_)));
		field(x, SV("rule"), f->occurrence.rule);
		field(x, SV("code"), schema_number(x->arena, f->code));
		field(x, SV("enhanced"), arena_dup(x->arena, sv_of(enhanced)));
		field(x, SV("text"), f->text);
		field(x, SV("remote"), f->remote);
		field(x, SV("message"), f->occurrence.message);
		field(x, SV("sender"), b->sender);
	}
}

static void write_index(struct redis_store *s, struct script *x, const struct account *a)
{
	bool suppressed = entry_suppressed(&a->entry, 0);

	if (suppressed) {
		op(x, "zadd", key(x, &s->schema, KEY_SUPPRESSED, SV("")));
		number(x, a->entry.since_s);
		arg(x, a->key);
	} else if (a->was_suppressed) {
		op(x, "zrem", key(x, &s->schema, KEY_SUPPRESSED, SV("")));
		arg(x, a->key);
	}
	if (suppressed && a->entry.until_s) {
		op(x, "zadd", key(x, &s->schema, KEY_UNTIL, SV("")));
		number(x, a->entry.until_s);
		arg(x, a->key);
	} else if (a->was_suppressed) {
		op(x, "zrem", key(x, &s->schema, KEY_UNTIL, SV("")));
		arg(x, a->key);
	}
}

static void write_entry(struct redis_store *s, struct script *x, struct transaction *t, struct account *a)
{
	int64_t k = key(x, &s->schema, KEY_ADDRESS, a->key);

	if (a->entry.status == STATUS_NONE) {
		op(x, "del", k);
		return;
	}
	struct sv v[2 * SCHEMA_ENTRY_FIELDS];
	a->entry.revision = new_revision();
	if (a->transitions)
		a->entry.token = sv_make("", 0); /* the script writes the new one */
	size_t n = schema_entry_fields(x->arena, &a->entry, v);
	op(x, "put", k);
	/* what suppresses or protects stays until somebody takes it away */
	number(x, a->entry.status == STATUS_SOFT ?
		expire_at(a->window && a->window->n ? t->window_expiry : t->soft_expiry) : 0);
	number(x, (int64_t)n);
	for (size_t i = 0; i < 2 * n; i++)
		arg(x, v[i]);
	if (a->transitions) {
		op(x, "token", k);
		number(x, a->last_transition->number);
	}
}

static void write_window(struct redis_store *s, struct script *x, struct transaction *t, const struct account *a)
{
	int64_t k = key(x, &s->schema, KEY_WINDOW, a->key);

	if (a->window->n == 0) {
		op(x, "del", k);
		return;
	}
	op(x, "zput", k);
	number(x, expire_at(t->window_expiry));
	number(x, (int64_t)a->window->n);
	for (size_t i = 0; i < a->window->n; i++) {
		number(x, a->window->v[i].last_s);
		arg(x, schema_window_member(x->arena, &a->window->v[i]));
	}
}

static void write_account(struct redis_store *s, struct script *x, struct transaction *t, struct account *a)
{
	if (a->changed) {
		write_entry(s, x, t, a);
		write_index(s, x, a);
	}
	if (a->window_changed)
		write_window(s, x, t, a);
	if (a->forget_history)
		op(x, "del", key(x, &s->schema, KEY_HISTORY, a->key));
	write_bounces(s, x, a);
}

static struct sv format_recipient(struct arena *arena, const struct pending_recipient *r)
{
	const struct failure *f = &r->failure;
	char enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(f->enhanced, enhanced);
	return arena_printf(arena, "first=%lld last=%lld attempts=%llu category=%s class=%s rule=%.*s code=%d enhanced=%s remote=%.*s text=%.*s",
		(long long)f->occurrence.first_s, (long long)f->occurrence.last_s, (unsigned long long)r->attempts,
		category_name(f->occurrence.category), class_name(f->class_), SV_ARG(f->occurrence.rule), f->code,
		enhanced, SV_ARG(f->remote), SV_ARG(f->text));
}

static struct sv recipient_field(struct arena *arena, const struct pending_recipient *r)
{
	return arena_printf(arena, "to:%.*s", SV_ARG(r->address));
}

static void write_pending(struct redis_store *s, struct script *x, const struct pending *p)
{
	size_t stay = 0;

	if (!p->changed)
		return;
	for (const struct pending_recipient *r = p->recipients; r; r = r->next)
		stay += !r->gone;
	int64_t k = key(x, &s->schema, KEY_PENDING, p->key);
	if (stay == 0) {
		if (p->stored)
			op(x, "del", k);
		return;
	}
	/* first: the same address may be there again, for another message of this queue id */
	for (const struct pending_recipient *r = p->recipients; r; r = r->next) {
		if (r->gone) {
			op(x, "unset", k);
			arg(x, recipient_field(x->arena, r));
		}
	}
	op(x, "set", k);
	number(x, expire_in_days(SCHEMA_DAYS_PENDING));
	size_t count_at = x->n_argv;
	int64_t n = 5;
	number(x, 0);
	field(x, SV("arrival"), schema_number(x->arena, p->arrival_s));
	field(x, SV("sender"), p->sender);
	field(x, SV("login"), p->login);
	field(x, SV("client"), p->client);
	field(x, SV("message-id"), p->message_id);
	for (const struct pending_recipient *r = p->recipients; r; r = r->next) {
		if (r->changed && !r->gone) {
			field(x, recipient_field(x->arena, r), format_recipient(x->arena, r));
			n++;
		}
	}
	x->argv[count_at] = schema_number(x->arena, n);
}

/* The counters of one day are one operation. */
static void write_counters(struct redis_store *s, struct script *x, struct transaction *t)
{
	struct map days = { 0 };
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->counters, &i));) {
		struct counter *c = slot->value;
		struct sv day = sv_make(c->day, 8);
		c->next = map_get(&days, day);
		map_put(&days, day, c);
	}
	for (size_t i = 0; (slot = map_next(&days, &i));) {
		int64_t n = 0;
		for (const struct counter *c = slot->value; c; c = c->next)
			n++;
		op(x, "sum", key(x, &s->schema, KEY_DAY, slot->key));
		number(x, expire_in_days(SCHEMA_DAYS_COUNTERS));
		number(x, n);
		for (const struct counter *c = slot->value; c; c = c->next)
			field(x, c->name, schema_number(x->arena, c->delta));
		op(x, "zadd", key(x, &s->schema, KEY_DAYS, SV("")));
		arg(x, slot->key);
		arg(x, slot->key);
	}
	map_free(&days);
}

static void write_position(struct redis_store *s, struct script *x, const struct position *p)
{
	op(x, "set", key(x, &s->schema, KEY_POSITION, p->source));
	number(x, 0);
	number(x, 11);
	field(x, SV("at"), p->at);
	field(x, SV("path"), p->path);
	field(x, SV("device"), schema_number(x->arena, (int64_t)p->device));
	field(x, SV("inode"), schema_number(x->arena, (int64_t)p->inode));
	field(x, SV("offset"), schema_number(x->arena, (int64_t)p->offset));
	field(x, SV("head-bytes"), schema_number(x->arena, (int64_t)p->head_bytes));
	field(x, SV("head-hash"), arena_printf(x->arena, "%016llx", (unsigned long long)p->head_hash));
	field(x, SV("tail-bytes"), schema_number(x->arena, (int64_t)p->tail_bytes));
	field(x, SV("tail-hash"), arena_printf(x->arena, "%016llx", (unsigned long long)p->tail_hash));
	field(x, SV("time"), schema_number(x->arena, p->time_s));
	field(x, SV("updated"), schema_number(x->arena, clock_now_s()));
}

static void build_script(struct redis_store *s, struct script *x, struct transaction *t)
{
	struct map_slot *slot;

	if (t->from) {
		op(x, "at", key(x, &s->schema, KEY_POSITION, t->from->source));
		arg(x, t->from->at);
	}
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		const struct account *a = slot->value;
		if (!a->changed && !a->window_changed)
			continue;
		op(x, "rev", key(x, &s->schema, KEY_ADDRESS, a->key));
		number(x, a->revision);
	}
	write_transitions(s, x, t); /* first: tokens name them by number */
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));)
		write_account(s, x, t, slot->value);
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));)
		write_pending(s, x, slot->value);
	write_counters(s, x, t);
	if (t->to)
		write_position(s, x, t->to);
}

static void on_script_loaded(void *arg_, const struct value *reply)
{
	struct load *load = arg_;
	struct sv sha;

	if (!outcome_take(&load->outcome, reply))
		return;
	sha = value_text(reply);
	if (sha.n == sizeof load->s->sha - 1)
		memcpy(load->s->sha, sha.p, sha.n);
}

static void on_applied(void *arg_, const struct value *reply)
{
	struct load *load = arg_;

	if (reply && value_type(reply) == VALUE_ERROR && sv_starts(value_text(reply), SV("NOSCRIPT"))) {
		load->s->sha[0] = '\0';
		load->outcome.result = STORE_CONFLICT; /* asked again by redis_commit() */
		return;
	}
	if (!outcome_take(&load->outcome, reply))
		return;
	struct sv word = value_count(reply) ? value_text(value_at(reply, 0)) : sv_make("", 0);
	if (sv_eq(word, SV("ok")))
		load->outcome.result = STORE_OK;
	else if (sv_eq(word, SV("moved")))
		load->outcome.result = STORE_MOVED;
	else
		load->outcome.result = STORE_CONFLICT;
}

static void on_meta_made(void *arg_, const struct value *reply)
{
	struct load *load = arg_;

	if (outcome_take(&load->outcome, reply))
		load->s->no_meta = false;
}

static void make_meta(struct load *load)
{
	struct redis_store *s = load->s;
	struct sv argv[] = { SV("HSET"), schema_meta_key(&s->scratch, s->prefix), SV("schema"), SV("1"),
		SV("partitions"), SV("1"), SV("created"), schema_number(&s->scratch, clock_now_s()) };

	command(s, sizeof argv / sizeof *argv, argv, on_meta_made, load);
	redis_wait(s->redis);
}

static void send_script(struct load *load, const struct script *x)
{
	size_t argc = 3 + x->n_keys + x->n_argv;
	struct sv *argv = arena_alloc(x->arena, argc * sizeof *argv);

	argv[0] = SV("EVALSHA");
	argv[1] = sv_of(load->s->sha);
	argv[2] = schema_number(x->arena, (int64_t)x->n_keys);
	memcpy(argv + 3, x->keys, x->n_keys * sizeof *argv);
	memcpy(argv + 3 + x->n_keys, x->argv, x->n_argv * sizeof *argv);
	command(load->s, argc, argv, on_applied, load);
	redis_wait(load->s->redis);
}

static void load_script(struct load *load)
{
	struct sv argv[] = { SV("SCRIPT"), SV("LOAD"), sv_of(nixie_apply_lua) };

	command(load->s, 3, argv, on_script_loaded, load);
	redis_wait(load->s->redis);
}

static enum store_result redis_commit(struct store *store, struct transaction *t, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct load load = { s, t, { STORE_OK, err } };
	struct script x = { .arena = t->arena };

	if (!wait_ready(s, &load.outcome))
		return finish(s, &load.outcome);
	build_script(s, &x, t);
	if (x.n_argv == 0)
		return STORE_OK;
	if (s->no_meta || (t->from && t->from->at.n == 0)) /* a new server, or one that was emptied */
		make_meta(&load);
	if (load.outcome.result != STORE_OK)
		return finish(s, &load.outcome);
	for (int attempt = 0; attempt < 2; attempt++) {
		load.outcome.result = STORE_OK;
		if (!s->sha[0])
			load_script(&load);
		if (load.outcome.result != STORE_OK)
			break;
		send_script(&load, &x);
		if (s->sha[0]) /* else the server had lost the script */
			break;
	}
	return finish(s, &load.outcome);
}

/* ---- reading ---- */

struct reading {
	struct load load;
	struct arena *arena;
	struct position *position;
	struct entry *entry;
	struct sv day;
	store_count_callback *on_count;
	store_field_callback *on_field;
	void *arg;
	struct sv *names; /* of a page, copied */
	size_t n_names;
	bool absent;
};

static void position_field(struct position *p, struct sv f, struct sv v)
{
	uint64_t n = 0;
	char hex[17] = "";

	if (sv_eq(f, SV("at")))
		p->at = v;
	else if (sv_eq(f, SV("path")))
		p->path = v;
	else if (sv_eq(f, SV("head-hash")) || sv_eq(f, SV("tail-hash"))) {
		memcpy(hex, v.p, v.n < 16 ? v.n : 16);
		*(f.p[0] == 'h' ? &p->head_hash : &p->tail_hash) = strtoull(hex, NULL, 16);
	} else if (!sv_u64(v, INT64_MAX, &n))
		return;
	else if (sv_eq(f, SV("device")))
		p->device = n;
	else if (sv_eq(f, SV("inode")))
		p->inode = n;
	else if (sv_eq(f, SV("offset")))
		p->offset = n;
	else if (sv_eq(f, SV("head-bytes")))
		p->head_bytes = n;
	else if (sv_eq(f, SV("tail-bytes")))
		p->tail_bytes = n;
	else if (sv_eq(f, SV("time")))
		p->time_s = (int64_t)n;
}

static void on_position(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take_key(r->load.s, &r->load.outcome, reply, KEY_POSITION, r->position->source))
		return;
	r->absent = value_count(reply) == 0;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2)
		position_field(r->position, value_text(value_at(reply, i)),
			arena_dup(r->arena, value_text(value_at(reply, i + 1))));
}

static enum store_result finish_reading(struct redis_store *s, struct reading *r)
{
	redis_wait(s->redis);
	enum store_result result = finish(s, &r->load.outcome);
	return result == STORE_OK && r->absent ? STORE_ABSENT : result;
}

static enum store_result redis_position(struct store *store, struct arena *arena, struct sv source,
	struct position *position_r, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = arena, .position = position_r };

	if (!wait_ready(s, &r.load.outcome))
		return finish(s, &r.load.outcome);
	*position_r = (struct position){ .source = source };
	struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_POSITION, source) };
	command(s, 2, argv, on_position, &r);
	return finish_reading(s, &r);
}

static void on_names(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	r->n_names = value_count(reply);
	r->names = arena_alloc(r->arena, (r->n_names + 1) * sizeof *r->names);
	for (size_t i = 0; i < r->n_names; i++)
		r->names[i] = arena_dup(r->arena, value_text(value_at(reply, i)));
}

/* Members of an index from position `from` on, in r->names */
static enum store_result read_page(struct redis_store *s, struct reading *r, enum schema_key index, size_t from)
{
	struct sv argv[] = { SV("ZRANGE"), key_of(s, index, SV("")), schema_number(&s->scratch, (int64_t)from),
		schema_number(&s->scratch, (int64_t)from + PAGE - 1) };

	r->n_names = 0;
	command(s, 4, argv, on_names, r);
	return finish_reading(s, r);
}

static void on_day(void *arg_, const struct value *reply)
{
	struct load_one *one = arg_;
	struct reading *r = one->item;
	const struct sv *day = (const struct sv *)(one + 1);

	if (!outcome_take(&r->load.outcome, reply))
		return;
	for (size_t i = 0; i + 1 < value_count(reply); i += 2) {
		uint64_t n;
		if (sv_u64(value_text(value_at(reply, i + 1)), INT64_MAX, &n))
			r->on_count(r->arg, *day, value_text(value_at(reply, i)), (int64_t)n);
	}
}

static enum store_result redis_counts(struct store *store, store_count_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .arena = &arena, .on_count = callback, .arg = arg_ };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : finish(s, &r.load.outcome);

	for (size_t from = 0; result == STORE_OK; from += PAGE) {
		result = read_page(s, &r, KEY_DAYS, from);
		for (size_t i = 0; result == STORE_OK && i < r.n_names; i++) {
			struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_DAY, r.names[i]) };
			struct load_one *one = arena_alloc(&arena, sizeof *one + sizeof(struct sv));
			one->item = &r;
			*(struct sv *)(one + 1) = r.names[i];
			command(s, 2, argv, on_day, one);
		}
		if (result == STORE_OK)
			result = finish_reading(s, &r);
		if (r.n_names < PAGE)
			break;
	}
	arena_free(&arena);
	return result;
}

static enum store_result redis_suppressed(struct store *store, store_entry_callback *callback, void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct arena arena = { 0 };
	struct transaction t = { 0 };
	struct reading r = { .load = { s, &t, { STORE_OK, err } }, .arena = &arena };
	enum store_result result = wait_ready(s, &r.load.outcome) ? STORE_OK : finish(s, &r.load.outcome);
	bool go_on = true;

	for (size_t from = 0; go_on && result == STORE_OK; from += PAGE) {
		transaction_begin(&t, &arena);
		result = read_page(s, &r, KEY_SUPPRESSED, from);
		for (size_t i = 0; result == STORE_OK && i < r.n_names; i++) {
			struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_ADDRESS, r.names[i]) };
			command(s, 2, argv, on_entry, load_one(&r.load, transaction_account(&t, r.names[i])));
		}
		if (result == STORE_OK)
			result = finish_reading(s, &r);
		for (size_t i = 0; result == STORE_OK && go_on && i < r.n_names; i++) {
			const struct account *a = map_get(&t.accounts, r.names[i]);
			if (a->entry.status != STATUS_NONE)
				go_on = callback(arg_, a->key, &a->entry);
		}
		if (r.n_names < PAGE)
			break;
	}
	transaction_free(&t);
	arena_free(&arena);
	return result;
}

static enum store_result redis_entry(struct store *store, struct arena *arena, struct sv address,
	struct entry *entry_r, struct err *err)
{
	struct transaction t = { .arena = arena };
	struct account *a = transaction_account(&t, address);

	a->needs_window = true;
	enum store_result result = redis_load(store, &t, err);
	*entry_r = a->entry;
	transaction_free(&t);
	return result == STORE_OK && entry_r->status == STATUS_NONE ? STORE_ABSENT : result;
}

static void on_journal(void *arg_, const struct value *reply)
{
	struct reading *r = arg_;

	if (!outcome_take(&r->load.outcome, reply))
		return;
	r->absent = value_count(reply) == 0;
	if (r->absent || value_count(value_at(reply, 0)) < 2)
		return;
	const struct value *pairs = value_at(value_at(reply, 0), 1);
	for (size_t i = 0; i + 1 < value_count(pairs); i += 2)
		r->on_field(r->arg, value_text(value_at(pairs, i)), value_text(value_at(pairs, i + 1)));
}

static enum store_result redis_journal_entry(struct store *store, const char *id, store_field_callback *callback,
	void *arg_, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct reading r = { .load = { s, NULL, { STORE_OK, err } }, .on_field = callback, .arg = arg_ };

	if (!wait_ready(s, &r.load.outcome))
		return finish(s, &r.load.outcome);
	struct sv argv[] = { SV("XRANGE"), key_of(s, KEY_JOURNAL, SV("")), sv_of(id), sv_of(id) };
	command(s, 4, argv, on_journal, &r);
	return finish_reading(s, &r);
}

/* ---- from an event loop ---- */

static void on_lookup(void *arg_, const struct value *reply)
{
	struct lookup *l = arg_;
	struct entry entry = { 0 };
	enum store_result result = STORE_OK;

	if (!reply) {
		result = STORE_UNREACHABLE;
	} else if (value_type(reply) != VALUE_LIST) {
		result = STORE_REFUSED;
	} else if (value_count(reply) == 0) {
		result = STORE_ABSENT;
	} else {
		for (size_t i = 0; i + 1 < value_count(reply); i += 2)
			schema_entry_set(&entry, value_text(value_at(reply, i)), value_text(value_at(reply, i + 1)));
	}
	l->callback(l->arg, result, &entry);
	free(l);
}

void store_lookup(struct store *store, struct sv address, store_lookup_callback *callback, void *arg_)
{
	struct redis_store *s = redis_of(store);
	struct lookup *l = xalloc(sizeof *l);

	*l = (struct lookup){ .callback = callback, .arg = arg_ };
	struct sv argv[] = { SV("HGETALL"), key_of(s, KEY_ADDRESS, address) };
	command(s, 2, argv, on_lookup, l);
}

int store_fd(const struct store *store)
{
	return redis_fd(redis_of(store)->redis);
}

short store_events(const struct store *store)
{
	return redis_events(redis_of(store)->redis);
}

int store_timeout_ms(const struct store *store)
{
	return redis_timeout_ms(redis_of(store)->redis);
}

void store_service(struct store *store, short revents)
{
	redis_service(redis_of(store)->redis, revents);
}

unsigned store_generation(const struct store *store)
{
	return redis_generation(redis_of(store)->redis);
}

bool store_ready(const struct store *store)
{
	return redis_is_ready(redis_of(store)->redis);
}

void store_set_timeout(struct store *store, int64_t timeout_ms)
{
	redis_of(store)->timeout_ms = timeout_ms;
	redis_set_timeout(redis_of(store)->redis, timeout_ms);
}

/* ---- ---- */

static void redis_store_free(struct store *store)
{
	struct redis_store *s = redis_of(store);

	redis_free(s->redis);
	arena_free(&s->scratch);
	free(s);
}

static const struct store_ops redis_ops = {
	.free = redis_store_free, .load = redis_load, .commit = redis_commit, .position = redis_position,
	.counts = redis_counts, .suppressed = redis_suppressed, .entry = redis_entry,
	.journal_entry = redis_journal_entry,
};

struct store *store_redis(const struct config *config)
{
	struct redis_store *s = xalloc(sizeof *s);

	s->store.ops = &redis_ops;
	memcpy(s->address, config->redis_address, sizeof s->address);
	memcpy(s->user, config->redis_user, sizeof s->user);
	memcpy(s->password, config->redis_password, sizeof s->password);
	memcpy(s->prefix, config->redis_prefix, sizeof s->prefix);
	s->schema = (struct schema){ s->prefix, 0 };
	s->timeout_ms = config->redis_timeout_ms;
	struct redis_options options = { .address = s->address, .user = s->user, .password = s->password,
		.database = config->redis_database, .timeout_ms = s->timeout_ms, .greeting = greeting, .arg = s };
	s->redis = redis_new(&options);
	return &s->store;
}
