/* undo: what the journal tells is taken back: each address is made what it was before. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "map.h"
#include "schema.h"
#include "scope.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* More addresses than this are not changed without --yes. */
#define UNASKED_MAX 10
#define CONFLICTS_MAX 10

struct filter {
	const char *rule, *domain, *provider, *batch;
	int64_t since_s, until_s; /* INT64_MIN, INT64_MAX: no limit */
	struct ruleset *rules;    /* to tell providers */
};

/* The newest changes of an address, or of one of its scopes, that are all to be undone. */
struct subject {
	struct sv address, scope;
	struct sv before;    /* the first of them: */
	struct sv last_id;
	enum status from, to;
	int64_t first_s;
	size_t changes;      /* 0: its newest change is another one */
	size_t earlier;      /* that are meant, with others after them */
};

struct undo {
	struct ctl *ctl;
	struct filter filter;
	struct arena arena;
	struct map subjects;
	struct subject **order;
	size_t n, size;
	char batch[64];
	struct sv by;
	uint64_t undone, left, gone;
};

static bool in_domain(struct sv address, const char *domain)
{
	return sv_eq_nocase(sv_after_last(address, '@'), sv_of(domain));
}

/* Without a batch, what failures did; what people did is undone by its batch, or one by one. */
static bool is_meant(const struct filter *f, const struct journal_entry *e)
{
	if (f->batch)
		return sv_eq(e->batch, sv_of(f->batch));
	if (!sv_eq(e->why, SV("failure")) && !sv_eq(e->why, SV("conversion")) && !sv_eq(e->why, SV("brake")))
		return false;
	if (e->time_s < f->since_s || e->time_s >= f->until_s)
		return false;
	if (f->rule && !sv_eq(e->rule, sv_of(f->rule)))
		return false;
	if (f->domain && !in_domain(e->address, f->domain))
		return false;
	return !f->provider || sv_eq(ruleset_provider(f->rules, e->remote), sv_of(f->provider));
}

static struct subject *subject_of(struct undo *u, const struct journal_entry *e)
{
	struct sv key = arena_printf(&u->arena, "%.*s %.*s", SV_ARG(e->address), SV_ARG(e->scope));
	struct subject *s = map_get(&u->subjects, key);

	if (s)
		return s;
	s = arena_alloc(&u->arena, sizeof *s);
	*s = (struct subject){ .address = sv_head(key, e->address.n), .scope = sv_skip(key, e->address.n + 1) };
	map_put(&u->subjects, key, s);
	u->order = xgrow(u->order, u->n, &u->size, sizeof(struct subject *));
	return u->order[u->n++] = s;
}

static void take_step(void *arg, const struct journal_entry *e)
{
	struct undo *u = arg;
	bool meant = is_meant(&u->filter, e);
	struct sv key = arena_printf(&u->arena, "%.*s %.*s", SV_ARG(e->address), SV_ARG(e->scope));
	struct subject *s = meant ? subject_of(u, e) : map_get(&u->subjects, key);

	if (!s)
		return; /* nothing of it was meant so far */
	if (!meant) {
		s->earlier += s->changes;
		s->changes = 0;
		return;
	}
	if (s->changes++ == 0) {
		s->before = arena_dup(&u->arena, e->before);
		s->from = e->from;
		s->first_s = e->time_s;
	}
	s->last_id = arena_dup(&u->arena, e->id);
	s->to = e->to;
}

/* ---- one address ---- */

/* Those that came with what is undone go: they would convert the address again. */
static void trim_window(struct account *a, int64_t first_s)
{
	size_t out = 0;

	for (size_t i = 0; i < a->window->n; i++)
		if (a->window->v[i].last_s < first_s)
			a->window->v[out++] = a->window->v[i];
	a->window_changed = a->window_changed || out != a->window->n;
	a->window->n = out;
}

static void restore_entry(struct undo *u, struct transaction *t, struct account *a, const struct subject *s)
{
	struct entry was = a->entry, before;

	schema_unpack_entry(t->arena, s->before, &before);
	before.revision = was.revision;
	before.scopes = was.scopes; /* a scope has changes of its own */
	before.parole_s = 0;
	a->entry = before;
	if (!u->filter.batch)
		trim_window(a, s->first_s);
	account_transition(t, a, &was, SV("undo"), clock_now_s());
}

static void restore_scope(struct transaction *t, struct account *a, const struct subject *s)
{
	struct entry was = a->entry, before;
	struct scope wanted, scope = { .status = STATUS_NONE };
	bool found = false;

	if (!scope_parse(s->scope, &wanted))
		return;
	schema_unpack_entry(t->arena, s->before, &before);
	for (struct sv rest = before.scopes; !found && scopes_next(&rest, &scope);)
		found = scope.kind == wanted.kind && strcmp(scope.value, wanted.value) == 0;
	if (!found) {
		scope = wanted;
		scope.status = STATUS_NONE;
	}
	if (!scopes_put(t->arena, a->entry.scopes, &scope, &a->entry.scopes))
		return;
	account_transition(t, a, &was, SV("undo"), clock_now_s());
	a->last_transition->from = s->to;
	a->last_transition->to = scope.status;
	a->last_transition->scope = s->scope;
}

static enum store_result restore(struct undo *u, const struct subject *s, struct err *err)
{
	struct transaction t = { .soft_expiry = u->ctl->config.soft_expiry, .window_expiry = u->ctl->config.soft_expiry };
	struct arena arena = { 0 };
	enum store_result result = STORE_CONFLICT;

	for (int i = 0; result == STORE_CONFLICT && i < CONFLICTS_MAX; i++) {
		transaction_begin(&t, &arena);
		t.by = u->by;
		t.batch = sv_of(u->batch);
		struct account *a = transaction_account(&t, s->address);
		a->needs_window = true;
		result = store_load(u->ctl->store, &t, err);
		if (result != STORE_OK)
			break;
		/* somebody changed it since the journal was read */
		if (!s->scope.n && a->entry.status != STATUS_NONE && !sv_eq(a->entry.token, s->last_id)) {
			result = STORE_ABSENT;
			break;
		}
		if (s->scope.n)
			restore_scope(&t, a, s);
		else
			restore_entry(u, &t, a, s);
		result = store_commit(u->ctl->store, &t, err);
	}
	transaction_free(&t);
	arena_free(&arena);
	return result;
}

static void say(const struct undo *u, const struct subject *s, const char *what)
{
	struct json json = JSON_ON(stdout);

	if (u->ctl->json) {
		json_object(&json, NULL);
		json_text(&json, "address", s->address);
		if (s->scope.n)
			json_text(&json, "scope", s->scope);
		json_text(&json, "from", sv_of(status_name(s->to)));
		json_text(&json, "to", sv_of(status_name(s->from)));
		json_text(&json, "result", sv_of(what));
		json_end_object(&json);
		json_end_line(&json);
		return;
	}
	term_clean(stdout, s->address);
	if (s->scope.n)
		(void)printf(" (%.*s)", SV_ARG(s->scope));
	(void)printf(": %s -> %s%s%s\n", status_name(s->to), status_name(s->from), strcmp(what, "undone") == 0 ? "" : "  ",
		strcmp(what, "undone") == 0 ? "" : what);
}

static enum store_result undo_one(struct undo *u, const struct subject *s, bool dry_run, struct err *err)
{
	enum store_result result = s->changes == 0 ? STORE_ABSENT : dry_run ? STORE_OK : restore(u, s, err);

	if (result == STORE_ABSENT) {
		u->left++;
		return STORE_OK;
	}
	if (result == STORE_OK) {
		u->undone++;
		say(u, s, dry_run ? "would be undone" : "undone");
	}
	return result;
}

/* First the entries, which are known by the token of their last change; then what holds for some senders. */
static int undo_all(struct undo *u, bool dry_run)
{
	struct err err = { "the entries are being changed by others faster than they can be read" };

	for (int scoped = 0; scoped < 2; scoped++) {
		for (size_t i = 0; i < u->n; i++) {
			if ((u->order[i]->scope.n > 0) != (scoped == 1))
				continue;
			if (undo_one(u, u->order[i], dry_run, &err) != STORE_OK)
				return verb_store_failed(&err);
		}
	}
	return EXIT_OK;
}

static void print_summary(const struct undo *u, bool dry_run)
{
	if (u->ctl->json)
		return;
	(void)printf("%llu %s%s", (unsigned long long)u->undone, u->undone == 1 ? "address" : "addresses", dry_run ? " would be what they were" : " restored");
	if (u->left)
		(void)printf("; %llu left alone: changed afterwards for other reasons", (unsigned long long)u->left);
	if (!dry_run && u->undone)
		(void)printf("; take this back with: nixie undo --batch %s", u->batch);
	(void)putchar('\n');
}

/* ---- ---- */

static int run(struct undo *u, bool dry_run, bool yes)
{
	struct err err;
	uint64_t n = 0;

	if (store_journal(u->ctl->store, take_step, u, &err) != STORE_OK)
		return verb_store_failed(&err);
	for (size_t i = 0; i < u->n; i++)
		n += u->order[i]->changes > 0;
	if (n == 0 && u->n == 0) {
		log_error("the journal has no such change");
		return EXIT_NOT_FOUND;
	}
	if (n > UNASKED_MAX && !dry_run && !yes) {
		log_error("%llu addresses would be changed: look at them with --dry-run, then say --yes", (unsigned long long)n);
		return EXIT_USAGE;
	}
	int code = undo_all(u, dry_run);
	if (code == EXIT_OK)
		print_summary(u, dry_run);
	return code;
}

int verb_undo(struct ctl *ctl, int argc, char **argv)
{
	const char *since = NULL, *until = NULL;
	bool dry_run = false, yes = false;
	struct undo u = { .ctl = ctl, .filter = { .since_s = INT64_MIN, .until_s = INT64_MAX } };
	const struct verb_option own[] = { { "since", &since, NULL }, { "until", &until, NULL }, { "rule", &u.filter.rule, NULL },
		{ "domain", &u.filter.domain, NULL }, { "provider", &u.filter.provider, NULL }, { "batch", &u.filter.batch, NULL },
		{ "dry-run", NULL, &dry_run }, { "yes", NULL, &yes }, { NULL, NULL, NULL } };
	struct err err;
	int code;

	if (!verb_options(ctl, argc, argv, "undo [--since TIME] [--until TIME] [--rule ID] [--domain NAME] [--provider NAME] | [--batch ID]\n"
		"                  [--dry-run] [--yes] [--json]", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: say what to undo by options: --since, --until, --rule, --domain, --provider or --batch", argv[optind]);
		return EXIT_USAGE;
	}
	if (!verb_time("since", since, &u.filter.since_s) || !verb_time("until", until, &u.filter.until_s))
		return EXIT_USAGE;
	if (!since && !until && !u.filter.rule && !u.filter.domain && !u.filter.provider && !u.filter.batch) {
		log_error("say what to undo: --since, --until, --rule, --domain, --provider or --batch");
		return EXIT_USAGE;
	}
	if (u.filter.provider && !(u.filter.rules = cli_load_rules(&ctl->config, &err))) {
		log_fatal("%s", err.text);
		return EXIT_CONFIG;
	}
	(void)snprintf(u.batch, sizeof u.batch, "undo-%lld-%ld", (long long)clock_now_s(), (long)getpid());
	u.by = verb_who();
	code = run(&u, dry_run, yes);
	ruleset_free(u.filter.rules);
	map_free(&u.subjects);
	free(u.order);
	arena_free(&u.arena);
	return code;
}
