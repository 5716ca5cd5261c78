/* The store in Redis: a transaction as one call of apply.lua. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "store_redis.h"

/* The script, as it lies in the tree */
__asm__(".pushsection .rodata\n"
	"nixie_apply_lua:\n"
	".incbin \"common/lua/apply.lua\"\n"
	".byte 0\n"
	".popsection\n");
extern const char nixie_apply_lua[];

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

static int64_t entry_key(struct script *x, const struct schema *schema, struct sv key)
{
	push(x->arena, &x->keys, &x->n_keys, &x->size_keys, schema_entry_key(x->arena, schema, key));
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

int64_t store_new_revision(void)
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
		number(x, 9 + (step->scope.n > 0) + (step->before.n > 0) + (step->remote.n > 0));
		if (step->remote.n)
			field(x, SV("remote"), step->remote);
		if (step->scope.n)
			field(x, SV("scope"), step->scope);
		if (step->before.n)
			field(x, SV("before"), step->before);
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
	int64_t k = entry_key(x, &s->schema, a->key);

	if (entry_is_empty(&a->entry)) {
		op(x, "del", k);
		return;
	}
	struct sv v[2 * SCHEMA_ENTRY_FIELDS];
	a->entry.revision = store_new_revision();
	if (a->transitions)
		a->entry.token = sv_make("", 0); /* the script writes the new one */
	size_t n = schema_entry_fields(x->arena, &a->entry, v);
	op(x, "put", k);
	/* what suppresses or protects stays until somebody takes it away */
	number(x, a->entry.status == STATUS_SOFT && !a->entry.scopes.n ?
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

/* The counters of one day, or of one dimension of it, are one operation. */
static void write_counters(struct redis_store *s, struct script *x, struct transaction *t)
{
	struct map days = { 0 };
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->counters, &i));) {
		struct counter *c = slot->value;
		c->next = map_get(&days, c->period);
		map_put(&days, c->period, c);
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
		if (sv_find(slot->key, ':') < slot->key.n)
			continue;
		op(x, "zadd", key(x, &s->schema, KEY_DAYS, SV("")));
		arg(x, slot->key);
		arg(x, slot->key);
	}
	map_free(&days);
}

/* The texts of one month: how often each, and one reply as an example. */
static void write_unclassified(struct redis_store *s, struct script *x, struct transaction *t)
{
	struct map months = { 0 };
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&t->unclassified, &i));) {
		struct unclassified *u = slot->value;
		u->next = map_get(&months, u->month);
		map_put(&months, u->month, u);
	}
	for (size_t i = 0; (slot = map_next(&months, &i));) {
		for (int texts = 0; texts < 2; texts++) {
			int64_t n = 0;
			for (const struct unclassified *u = slot->value; u; u = u->next)
				n++;
			op(x, texts ? "first" : "top", key(x, &s->schema, texts ? KEY_UNCLASSIFIED_TEXT : KEY_UNCLASSIFIED, slot->key));
			number(x, SCHEMA_UNCLASSIFIED_MAX);
			number(x, expire_in_days(SCHEMA_DAYS_COUNTERS));
			number(x, n);
			for (const struct unclassified *u = slot->value; u; u = u->next)
				field(x, u->text, texts ? u->example : schema_number(x->arena, u->delta));
		}
	}
	map_free(&months);
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
		op(x, "rev", entry_key(x, &s->schema, a->key));
		arg(x, a->revision.n ? a->revision : SV("0"));
	}
	write_transitions(s, x, t); /* first: tokens name them by number */
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));)
		write_account(s, x, t, slot->value);
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));)
		write_pending(s, x, slot->value);
	write_counters(s, x, t);
	write_unclassified(s, x, t);
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

/* Every operation once, on keys of no meaning: a user who may not do one of them shall be
 * refused before anything is written, not in the middle. */
static void try_script(struct load *load)
{
	static const char name[] = "try";
	struct redis_store *s = load->s;
	struct arena arena = { 0 };
	struct script x = { .arena = &arena };
	int64_t hash = key(&x, &s->schema, KEY_DAY, SV("try")), zset = key(&x, &s->schema, KEY_UNCLASSIFIED, SV("try")),
		stream = key(&x, &s->schema, KEY_HISTORY, SV("try"));
	int64_t soon_s = clock_now_s() + 60;
	static const char *const hashes[] = { "put", "set", "sum" };

	op(&x, "log", stream);
	arg(&x, SV("1"));
	number(&x, soon_s);
	number(&x, 1);
	number(&x, 1);
	field(&x, sv_of(name), SV("1"));
	for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
		op(&x, hashes[i], hash);
		number(&x, soon_s);
		number(&x, 1);
		field(&x, sv_of(name), SV("1"));
	}
	op(&x, "first", hash);
	number(&x, 10);
	number(&x, soon_s);
	number(&x, 1);
	field(&x, SV("first"), SV("1"));
	op(&x, "token", hash);
	number(&x, 1);
	op(&x, "unset", hash);
	arg(&x, sv_of(name));
	op(&x, "zput", zset);
	number(&x, soon_s);
	number(&x, 1);
	field(&x, SV("1"), sv_of(name));
	op(&x, "zadd", zset);
	field(&x, SV("1"), sv_of(name));
	op(&x, "top", zset);
	number(&x, 10);
	number(&x, soon_s);
	number(&x, 1);
	field(&x, sv_of(name), SV("1"));
	op(&x, "zrem", zset);
	arg(&x, sv_of(name));
	for (int64_t k = 1; k <= stream; k++)
		op(&x, "del", k);
	send_script(load, &x);
	arena_free(&arena);
}

enum store_result redis_commit(struct store *store, struct transaction *t, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct load load = { s, t, { STORE_OK, err } };
	struct script x = { .arena = t->arena };

	if (!wait_ready(s, &load.outcome))
		return outcome_finish(s, &load.outcome);
	build_script(s, &x, t);
	if (x.n_argv == 0)
		return STORE_OK;
	if (s->no_meta || (t->from && t->from->at.n == 0)) /* a new server, or one that was emptied */
		make_meta(&load);
	if (load.outcome.result != STORE_OK)
		return outcome_finish(s, &load.outcome);
	for (int attempt = 0; attempt < 2; attempt++) {
		load.outcome.result = STORE_OK;
		if (!s->sha[0]) {
			load_script(&load);
			if (load.outcome.result == STORE_OK)
				try_script(&load);
		}
		if (load.outcome.result != STORE_OK) {
			s->sha[0] = '\0'; /* tried again with the next batch: the user's rights may have been mended */
			break;
		}
		send_script(&load, &x);
		if (s->sha[0]) /* else the server had lost the script */
			break;
	}
	return outcome_finish(s, &load.outcome);
}
