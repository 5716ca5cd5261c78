/* The store in Redis: a transaction as one call of apply.lua. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "log.h"
#include "scope.h"
#include "store_redis.h"
#include "store_script.h"

/* The script, as it lies in the tree */
__asm__(".pushsection .rodata\n"
	"nixie_apply_lua:\n"
	".incbin \"common/lua/apply.lua\"\n"
	".byte 0\n"
	".popsection\n");
extern const char nixie_apply_lua[];

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

int64_t script_stream_ms(int64_t time_s)
{
	int64_t now_s = clock_now_s();

	return (time_s < now_s ? time_s : now_s) * 1000;
}

int64_t script_expire_s(const struct transaction *t, const struct account *a)
{
	if (a->entry.status != STATUS_SOFT || a->entry.scopes.n)
		return 0;
	return expire_at(a->window && a->window->n ? t->window_expiry : t->soft_expiry);
}

size_t script_transition_fields(struct script *x, const struct transaction *t, const struct transition *step, struct sv v[2 * SCRIPT_TRANSITION_FIELDS])
{
	const struct { struct sv name, value; bool always; } fields[] = {
		{ SV("remote"), step->remote, false }, { SV("scope"), step->scope, false }, { SV("before"), step->before, false },
		{ SV("from"), sv_of(status_name(step->from)), true }, { SV("to"), sv_of(status_name(step->to)), true },
		{ SV("reason"), sv_of(category_name(step->reason)), true }, { SV("rule"), step->rule, true }, { SV("why"), step->why, true },
		{ SV("by"), t->by, true }, { SV("batch"), t->batch, true }, { SV("time"), schema_number(x->arena, step->time_s), true } };
	size_t n = 0;

	_Static_assert(sizeof fields / sizeof *fields == SCRIPT_TRANSITION_FIELDS, "all of them");
	for (size_t i = 0; i < SCRIPT_TRANSITION_FIELDS; i++) {
		if (!fields[i].always && !fields[i].value.n)
			continue;
		v[2 * n] = fields[i].name;
		v[2 * n++ + 1] = fields[i].value;
	}
	return n;
}

/* In the order of the facts: a batch that is sent again after a crash gives every
 * change the id, and so the token, that it had the first time. */
static void write_transitions(struct script *x, struct transaction *t)
{
	struct sv v[2 * SCRIPT_TRANSITION_FIELDS];

	for (const struct transition *step = t->first; step; step = step->later) {
		if (!step->number)
			continue;
		size_t n = script_transition_fields(x, t, step, v);
		op(x, "log", key(x, KEY_JOURNAL, SV("")));
		arg(x, SV(SCHEMA_JOURNAL_MAX));
		number(x, 0);
		number(x, script_stream_ms(step->time_s));
		number(x, (int64_t)n + 1);
		field(x, SV("address"), step->address);
		for (size_t i = 0; i < 2 * n; i++)
			arg(x, v[i]);
	}
}

static void write_bounces(struct script *x, const struct account *a)
{
	char enhanced[ENHANCED_TEXT_MAX];

	for (const struct bounce *b = a->bounces; b; b = b->next) {
		const struct failure *f = &b->failure;
		enhanced_format(f->enhanced, enhanced);
		op(x, "log", key(x, KEY_HISTORY, a->key));
		arg(x, SV(SCHEMA_HISTORY_MAX));
		number(x, expire_in_days(SCHEMA_DAYS_HISTORY));
		number(x, script_stream_ms(f->occurrence.last_s));
		number(x, 11 + (b->campaign.n > 0) + (b->scope.n > 0) + (b->proof.n > 0) + b->unsubscribed);
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
		if (b->campaign.n)
			field(x, SV("campaign"), b->campaign);
		if (b->scope.n)
			field(x, SV("scope"), b->scope);
		if (b->proof.n)
			field(x, SV("proof"), b->proof);
		if (b->unsubscribed)
			field(x, SV("event"), SV("unsubscribe"));
	}
}

static void write_index(struct script *x, const struct account *a)
{
	bool suppressed = entry_suppressed(&a->entry, 0);

	if (suppressed) {
		op(x, "zadd", key(x, KEY_SUPPRESSED, SV("")));
		number(x, a->entry.since_s);
		arg(x, a->key);
	} else if (a->was_suppressed) {
		op(x, "zrem", key(x, KEY_SUPPRESSED, SV("")));
		arg(x, a->key);
	}
	if (suppressed && a->entry.until_s) {
		op(x, "zadd", key(x, KEY_UNTIL, SV("")));
		number(x, a->entry.until_s);
		arg(x, a->key);
	} else if (a->was_suppressed) {
		op(x, "zrem", key(x, KEY_UNTIL, SV("")));
		arg(x, a->key);
	}
	if (a->entry.scopes.n) {
		op(x, "zadd", key(x, KEY_SCOPED, SV("")));
		number(x, scopes_newest(a->entry.scopes));
		arg(x, a->key);
	} else if (a->was_scoped) {
		op(x, "zrem", key(x, KEY_SCOPED, SV("")));
		arg(x, a->key);
	}
}

static void write_entry(struct script *x, struct transaction *t, struct account *a)
{
	int64_t k = entry_key(x, a->key);

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
	number(x, script_expire_s(t, a));
	number(x, (int64_t)n);
	for (size_t i = 0; i < 2 * n; i++)
		arg(x, v[i]);
	if (a->transitions) {
		op(x, "token", k);
		number(x, a->last_transition->number);
	}
}

static void write_window(struct script *x, struct transaction *t, const struct account *a)
{
	int64_t k = key(x, KEY_WINDOW, a->key);

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

static void write_account(struct script *x, struct transaction *t, struct account *a)
{
	if (a->changed) {
		write_entry(x, t, a);
		write_index(x, a);
	}
	if (a->window_changed)
		write_window(x, t, a);
	if (a->forget_history)
		op(x, "del", key(x, KEY_HISTORY, a->key));
	write_bounces(x, a);
}

static struct sv format_recipient(struct arena *arena, const struct pending_recipient *r)
{
	const struct failure *f = &r->failure;
	char enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(f->enhanced, enhanced);
	return arena_printf(arena, "first=%lld last=%lld attempts=%llu%s category=%s class=%s rule=%.*s code=%d enhanced=%s remote=%.*s provider=%.*s text=%.*s",
		(long long)f->occurrence.first_s, (long long)f->occurrence.last_s, (unsigned long long)r->attempts, r->uncounted ? " uncounted=1" : "",
		category_name(f->occurrence.category), class_name(f->class_), SV_ARG(f->occurrence.rule), f->code,
		enhanced, SV_ARG(f->remote), SV_ARG(r->provider), SV_ARG(f->text));
}

static struct sv recipient_field(struct arena *arena, const struct pending_recipient *r)
{
	return arena_printf(arena, "to:%.*s", SV_ARG(r->address));
}

/* Some of those that changed, in one operation. Returns the first that is left. */
static const struct pending_recipient *write_recipients(struct script *x, int64_t k, const struct pending_recipient *first)
{
	const struct pending_recipient *end = first;
	int64_t n = 0;

	for (; end && n < PAIRS_MAX; end = end->next)
		n += end->changed && !end->gone;
	if (n == 0)
		return end;
	op(x, "set", k);
	number(x, 0); /* it has its time already */
	number(x, n);
	for (const struct pending_recipient *r = first; r != end; r = r->next)
		if (r->changed && !r->gone)
			field(x, recipient_field(x->arena, r), format_recipient(x->arena, r));
	return end;
}

static void write_pending(struct script *x, const struct pending *p)
{
	size_t stay = 0;

	if (!p->changed)
		return;
	for (const struct pending_recipient *r = p->recipients; r; r = r->next)
		stay += !r->gone;
	int64_t k = key(x, KEY_PENDING, p->key);
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
	number(x, 6);
	field(x, SV("arrival"), schema_number(x->arena, p->arrival_s));
	field(x, SV("sender"), p->sender);
	field(x, SV("login"), p->login);
	field(x, SV("client"), p->client);
	field(x, SV("message-id"), p->message_id);
	field(x, SV("campaign"), p->campaign); /* also the empty one: an older message of this queue id may have had one */
	for (const struct pending_recipient *r = p->recipients; r;)
		r = write_recipients(x, k, r);
}

static void write_alert(struct script *x, const struct alert *alert, enum alert_event event)
{
	bool closed = event == ALERT_CLOSED;
	struct sv id = alert_id(x->arena, alert), packed = alert_pack(x->arena, alert);
	int64_t k = key(x, KEY_ALERTS, SV(""));

	op(x, closed ? "unset" : "set", k);
	if (!closed) {
		number(x, 0);
		number(x, 1);
	}
	arg(x, id);
	if (!closed)
		arg(x, packed);
	if (event == ALERT_SEEN)
		return;
	op(x, "log", key(x, KEY_ALERT_LOG, SV("")));
	arg(x, SV(SCHEMA_ALERT_LOG_MAX));
	number(x, 0);
	number(x, clock_now_s() * 1000);
	number(x, 3);
	field(x, SV("alert"), id);
	field(x, SV("event"), closed ? SV("closed") : SV("open"));
	field(x, SV("what"), packed);
}

static void write_gap(struct script *x, struct sv source, int64_t time_s)
{
	int64_t k = key(x, KEY_GAPS, SV(""));

	op(x, time_s ? "set" : "unset", k);
	if (time_s) {
		number(x, 0);
		number(x, 1);
	}
	arg(x, source);
	if (time_s)
		number(x, time_s);
}

static void write_reader(struct script *x, const struct reader_state *state)
{
	struct sv v[2 * READER_STATE_FIELDS];
	size_t n = reader_state_fields(x->arena, state, v);

	op(x, "put", key(x, KEY_READER, state->source));
	number(x, 0);
	number(x, (int64_t)n);
	for (size_t i = 0; i < 2 * n; i++)
		arg(x, v[i]);
	op(x, "zadd", key(x, KEY_READERS, SV("")));
	number(x, state->updated_s);
	arg(x, state->source);
}

static void write_position(struct script *x, const struct position *p)
{
	op(x, "set", key(x, KEY_POSITION, p->source));
	number(x, 0);
	number(x, p->cursor[0] ? 13 : 12);
	field(x, SV("at"), sv_of(p->at));
	if (p->cursor[0])
		field(x, SV("cursor"), sv_of(p->cursor));
	field(x, SV("path"), p->path);
	field(x, SV("device"), schema_number(x->arena, (int64_t)p->device));
	field(x, SV("inode"), schema_number(x->arena, (int64_t)p->inode));
	field(x, SV("generation"), schema_number(x->arena, (int64_t)p->generation));
	field(x, SV("offset"), schema_number(x->arena, (int64_t)p->offset));
	field(x, SV("head-bytes"), schema_number(x->arena, (int64_t)p->head_bytes));
	field(x, SV("head-hash"), arena_printf(x->arena, "%016llx", (unsigned long long)p->head_hash));
	field(x, SV("tail-bytes"), schema_number(x->arena, (int64_t)p->tail_bytes));
	field(x, SV("tail-hash"), arena_printf(x->arena, "%016llx", (unsigned long long)p->tail_hash));
	field(x, SV("time"), schema_number(x->arena, p->time_s));
	field(x, SV("updated"), schema_number(x->arena, clock_now_s()));
}

static void build_script(struct script *x, struct transaction *t, unsigned partitions)
{
	struct map_slot *slot;

	if (t->from) {
		op(x, "at", key(x, KEY_POSITION, t->from->source));
		arg(x, sv_of(t->from->at));
	}
	script_add_new(x, t);
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		const struct account *a = slot->value;
		if ((!a->changed && !a->window_changed) || script_is_new(t, a))
			continue;
		op(x, "rev", entry_key(x, a->key));
		arg(x, a->absent ? SV("none") : a->revision.n ? a->revision : SV("0"));
	}
	write_transitions(x, t); /* first: tokens name them by number */
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));)
		if (!script_is_new(t, slot->value))
			write_account(x, t, slot->value);
	for (size_t i = 0; (slot = map_next(&t->pendings, &i));)
		write_pending(x, slot->value);
	script_add_counts(x, t, partitions);
	script_add_mail(x, t);
	if (t->alert)
		write_alert(x, t->alert, t->alert_event);
	if (t->gap_source.n)
		write_gap(x, t->gap_source, t->gap_s);
	if (t->reader)
		write_reader(x, t->reader);
	if (t->to) {
		script_add_rolls(x, t);
		write_position(x, t->to);
	}
}

/* ---- sending ---- */

/* One transaction on its way. */
struct commit {
	struct load load;
	struct script script;
	unsigned partition;
	bool whole; /* the server has not the script: it gets it, and has it then */
	bool to_send;
};

static void on_script_loaded(void *arg_, const struct value *reply)
{
	struct commit *c = arg_;
	struct sv sha;

	if (!outcome_take(&c->load.outcome, reply))
		return;
	sha = value_text(reply);
	if (sha.n == sizeof c->load.s->sha - 1)
		memcpy(c->load.s->sha, sha.p, sha.n);
}

static void on_applied(void *arg_, const struct value *reply)
{
	struct commit *c = arg_;

	if (reply && value_type(reply) == VALUE_ERROR && sv_starts(value_text(reply), SV("NOSCRIPT"))) {
		c->whole = c->to_send = true; /* sent again by redis_commit_finish() */
		return;
	}
	if (!outcome_take(&c->load.outcome, reply))
		return;
	struct sv word = value_count(reply) ? value_text(value_at(reply, 0)) : sv_make("", 0);
	if (sv_eq(word, SV("ok")))
		c->load.outcome.result = STORE_OK;
	else if (sv_eq(word, SV("moved")))
		c->load.outcome.result = STORE_MOVED;
	else
		c->load.outcome.result = STORE_CONFLICT;
}

static void on_meta_made(void *arg_, const struct value *reply)
{
	struct outcome *o = arg_;

	(void)outcome_take(o, reply);
}

/* Two programs may do so at once: what is there stays, and is looked at. */
static void make_meta(struct redis_store *s, struct outcome *o)
{
	const struct { struct sv name; int64_t value; } fields[] = { { SV("schema"), SCHEMA_VERSION },
		{ SV("partitions"), s->store.partitions }, { SV("created"), clock_now_s() } };

	if (s->no_meta && s->store.partitions == 1 && servers_is_cluster(s->servers))
		log_warning("the data is begun with redis.partitions = 1, for ever: one node of the cluster will hold all of it; nixie-redis(7)");
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct sv argv[] = { SV("HSETNX"), schema_meta_key(&s->scratch, s->prefix), fields[i].name,
			schema_number(&s->scratch, fields[i].value) };
		command(s, 4, argv, on_meta_made, o);
	}
	servers_wait(s->servers);
	if (o->result != STORE_OK)
		return;
	redis_ask_meta(s);
	servers_wait(s->servers);
	if (s->no_meta || !servers_is_ready(s->servers))
		o->result = STORE_UNREACHABLE;
}

static void send_script(struct commit *c, const struct script *x)
{
	size_t argc = 3 + x->n_keys + x->n_argv;
	struct sv *argv = arena_alloc(x->arena, argc * sizeof *argv);

	argv[0] = c->whole ? SV("EVAL") : SV("EVALSHA");
	argv[1] = sv_of(c->whole ? nixie_apply_lua : c->load.s->sha);
	argv[2] = schema_number(x->arena, (int64_t)x->n_keys);
	memcpy(argv + 3, x->keys, x->n_keys * sizeof *argv);
	memcpy(argv + 3 + x->n_keys, x->argv, x->n_argv * sizeof *argv);
	command_about(c->load.s, argv[3], argc, argv, on_applied, c);
}

/* For its digest, which is the same everywhere */
static void load_script(struct commit *c)
{
	struct redis_store *s = c->load.s;
	struct sv argv[] = { SV("SCRIPT"), SV("LOAD"), sv_of(nixie_apply_lua) };

	command_about(s, key_in(s, c->partition, KEY_DAYS, SV("")), 3, argv, on_script_loaded, c);
	servers_wait(s->servers);
}

/* Every operation once, on keys of no meaning: a user who may not do one of them shall be
 * refused before anything is written, not in the middle. */
static void try_script(struct commit *c)
{
	static const char name[] = "try";
	struct arena *arena = c->load.t->arena;
	struct script x = { .arena = arena, .schema = schema_in(c->load.s, c->partition) };
	int64_t hash = key(&x, KEY_DAY, SV("try")), zset = key(&x, KEY_UNCLASSIFIED, SV("try")),
		stream = key(&x, KEY_HISTORY, SV("try"));
	int64_t soon_s = clock_now_s() + 60;
	static const char *const hashes[] = { "put", "set", "sum" };

	op(&x, "log", stream);
	number(&x, 0); /* so it is trimmed, too */
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
	op(&x, "zmore", zset);
	number(&x, soon_s);
	number(&x, 1);
	field(&x, SV("1"), sv_of(name));
	op(&x, "zrem", zset);
	arg(&x, sv_of(name));
	op(&x, "dim", hash);
	number(&x, 10);
	number(&x, soon_s);
	number(&x, 1);
	arg(&x, sv_of(name));
	field(&x, SV("attempts"), SV("1"));
	for (int64_t k = 1; k <= stream; k++)
		op(&x, "del", k);
	c->whole = true;
	send_script(c, &x);
	c->whole = false;
}

/* Those whose server was never asked for it. */
static void prepare(struct redis_store *s, struct commit *commits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!s->sha[0] && commits[i].to_send)
			load_script(&commits[i]);
		if (commits[i].to_send && !s->tried[commits[i].partition] && commits[i].load.outcome.result == STORE_OK)
			try_script(&commits[i]);
	}
	servers_wait(s->servers);
	for (size_t i = 0; i < n; i++) {
		struct commit *c = &commits[i];
		if (!c->to_send)
			continue;
		/* else tried again with the next batch: the user's rights may have been mended */
		s->tried[c->partition] = s->sha[0] && c->load.outcome.result == STORE_OK;
		c->to_send = s->tried[c->partition];
	}
}

static void send_all(struct commit *commits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!commits[i].to_send)
			continue;
		commits[i].to_send = false;
		send_script(&commits[i], &commits[i].script);
	}
}

static bool begin_commits(struct redis_store *s, struct commit *commits, struct transaction *const *t, size_t n)
{
	bool first = false;

	for (size_t i = 0; i < n; i++) {
		struct commit *c = &commits[i];
		transaction_settle(t[i], &s->store);
		c->partition = (unsigned)t[i]->partition;
		c->script = (struct script){ .arena = t[i]->arena, .schema = schema_in(s, c->partition) };
		build_script(&c->script, t[i], s->store.partitions);
		c->to_send = c->script.n_argv > 0;
		/* a new server, or one that was emptied */
		first = first || (c->to_send && (s->no_meta || (t[i]->from && !t[i]->from->at[0])));
	}
	return first;
}

void redis_commit_start(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct commit *commits = arena_alloc(t[0]->arena, n * sizeof *commits);
	struct outcome outcome = { STORE_OK, err };

	if (wait_ready(s, &outcome) && begin_commits(s, commits, t, n))
		make_meta(s, &outcome);
	for (size_t i = 0; i < n; i++)
		commits[i].load = (struct load){ s, t[i], outcome };
	t[0]->underway = commits;
	if (outcome.result != STORE_OK) {
		for (size_t i = 0; i < n; i++)
			commits[i].to_send = false;
		return;
	}
	prepare(s, commits, n);
	send_all(commits, n);
	servers_service(s->servers, 0);
}

enum store_result redis_commit_finish(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	struct redis_store *s = redis_of(store);
	struct commit *commits = t[0]->underway;
	enum store_result worst = STORE_OK;

	(void)err; /* the one that it was started with */
	servers_wait(s->servers);
	send_all(commits, n); /* those whose server had not the script */
	servers_wait(s->servers);
	for (size_t i = 0; i < n; i++) {
		t[i]->result = outcome_finish(s, &commits[i].load.outcome);
		if (worst == STORE_OK)
			worst = t[i]->result;
	}
	return worst;
}
