/* undo: what the journal tells is taken back: each address is made what it was before. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "batch.h"
#include "buf.h"
#include "clock.h"
#include "filter.h"
#include "json.h"
#include "log.h"
#include "map.h"
#include "schema.h"
#include "scope.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* How often the signals are looked at. */
#define LOOK_ADDRESSES 256

struct undo_filter {
	const char *rule, *domain, *provider, *batch;
	bool failures;            /* of a batch, too, only those */
	int64_t since_s, until_s; /* INT64_MIN, INT64_MAX: no limit */
	struct ruleset *rules;    /* to tell providers */
};

/* The newest changes of an address, or of one of its scopes, that are all to be undone. */
struct subject {
	struct sv address, scope;
	struct sv before;    /* the first of them: */
	struct sv token;     /* of the newest change of the address, whatever it was about: nobody's after it */
	enum status from, to;
	int64_t first_s;
	size_t changes;      /* 0: its newest change is another one */
	size_t earlier;      /* that are meant, with others after them */
};

struct undo {
	struct ctl *ctl;
	struct undo_filter filter;
	struct arena arena;
	struct map subjects;
	struct subject **order;
	size_t n, size;
	char batch[64];
	struct sv by;
	bool dry_run, yes, interrupted;
	uint64_t meant;
	uint64_t undone, left, scopes; /* scopes: of undone */
	uint64_t readers; /* of undone: what readers said by mail */
	uint64_t gone; /* of which there was only a history */
	struct progress progress;
};

enum outcome { UNDONE, LEFT };

static bool in_domain(struct sv address, const char *domain)
{
	return sv_eq_nocase(sv_after_last(address, '@'), sv_of(domain));
}

/* Without a batch, what failures did; what people did is undone by its batch, or one by one. */
static bool is_meant(const struct undo_filter *f, const struct journal_entry *e)
{
	bool failed = sv_eq(e->why, SV("failure")) || sv_eq(e->why, SV("conversion")) || sv_eq(e->why, SV("brake"));

	if ((f->batch && !sv_eq(e->batch, sv_of(f->batch))) || (!failed && (!f->batch || f->failures)))
		return false;
	if (e->time_s < f->since_s || e->time_s >= f->until_s)
		return false;
	if (f->rule && !sv_eq(e->rule, sv_of(f->rule)))
		return false;
	if (f->domain && !in_domain(e->address, f->domain))
		return false;
	return !f->provider || sv_eq(ruleset_provider(f->rules, e->remote), sv_of(f->provider));
}

static struct subject *find_subject(const struct undo *u, struct sv address, struct sv scope)
{
	char room[2048];
	struct buf key = BUF_ON(room);

	buf_add(&key, address);
	buf_add_char(&key, ' ');
	buf_add(&key, scope);
	return map_get(&u->subjects, buf_sv(&key));
}

static struct subject *add_subject(struct undo *u, const struct journal_entry *e)
{
	struct sv key = arena_printf(&u->arena, "%.*s %.*s", SV_ARG(e->address), SV_ARG(e->scope));
	struct subject *s = arena_alloc(&u->arena, sizeof *s);

	*s = (struct subject){ .address = sv_head(key, e->address.n), .scope = sv_skip(key, e->address.n + 1) };
	map_put(&u->subjects, key, s);
	u->order = xgrow(u->order, u->n, &u->size, sizeof(struct subject *));
	return u->order[u->n++] = s;
}

static void take_step(void *arg, const struct journal_entry *e)
{
	struct undo *u = arg;
	bool meant = is_meant(&u->filter, e);
	struct subject *s = find_subject(u, e->address, e->scope);

	if (!s && meant)
		s = add_subject(u, e);
	/* what holds for some senders is a change of its own, but the entry has its token then */
	struct subject *whole = e->scope.n ? find_subject(u, e->address, sv_make("", 0)) : s;
	if (whole)
		whole->token = arena_dup(&u->arena, e->id);
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
	s->to = e->to;
}

/* ---- one address ---- */

static bool is_of_remove(const struct undo *u)
{
	return u->filter.batch && sv_starts(sv_of(u->filter.batch), SV("remove-"));
}

/* Mail that came back: failures, and what readers said. */
static bool is_of_receive(const struct undo *u)
{
	return u->filter.batch && sv_starts(sv_of(u->filter.batch), SV("receive-"));
}

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

/* nixie remove takes them with the entry. What has been set for the same sender since then stays. */
static struct sv bring_back_scopes(struct transaction *t, struct sv scopes, struct sv removed)
{
	struct scope s, is;

	while (scopes_next(&removed, &s))
		if (!scopes_find(scopes, &s, &is) && !scopes_put(t->arena, scopes, &s, &scopes))
			break; /* there are SCOPES_MAX, which people set since */
	return scopes;
}

/* Has somebody changed it since the journal was read? A soft one may only be over. */
static bool is_another(const struct entry *e, const struct subject *s)
{
	if (e->status == STATUS_NONE)
		return s->to != STATUS_NONE && s->to != STATUS_SOFT;
	return !sv_eq(e->token, s->token);
}

static enum outcome restore_entry(struct undo *u, struct transaction *t, struct account *a, const struct subject *s)
{
	struct entry was = a->entry, before;

	if (is_another(&was, s))
		return LEFT;
	schema_unpack_entry(t->arena, s->before, &before);
	before.revision = was.revision;
	/* a scope has changes of its own */
	before.scopes = is_of_remove(u) ? bring_back_scopes(t, was.scopes, before.scopes) : was.scopes;
	before.parole_s = 0;
	a->entry = before;
	/* a command has no occurrences; what came by mail is of a batch, and has */
	if (!u->filter.batch || is_of_receive(u))
		trim_window(a, s->first_s);
	account_transition(t, a, &was, SV("undo"), clock_now_s());
	return UNDONE;
}

static enum outcome restore_scope(struct transaction *t, struct account *a, const struct subject *s)
{
	struct entry was = a->entry, before;
	struct scope wanted, scope;

	if (!scope_parse(s->scope, &wanted))
		return LEFT;
	(void)scopes_find(was.scopes, &wanted, &scope);
	if (scope.status != s->to)
		return LEFT;
	schema_unpack_entry(t->arena, s->before, &before);
	(void)scopes_find(before.scopes, &wanted, &scope);
	if (!scopes_put(t->arena, a->entry.scopes, &scope, &a->entry.scopes))
		return LEFT;
	account_scope_transition(t, a, &was, s->scope, s->to, scope.status, SV("undo"), clock_now_s());
	return UNDONE;
}

static void apply(void *arg, struct transaction *t, struct account *a, struct batch_item *item)
{
	struct undo *u = arg;
	const struct subject *s = item->what;

	item->from = s->to;
	item->to = s->from;
	enum outcome outcome = s->scope.n ? restore_scope(t, a, s) : restore_entry(u, t, a, s);
	item->outcome = (int)outcome;
}

static void say_json(const struct undo *u, const struct subject *s, bool done)
{
	struct json json = JSON_ON(stdout);

	json_object(&json, NULL);
	json_text(&json, "address", s->address);
	json_member(&json, "scope", s->scope);
	json_text(&json, "from", sv_of(status_name(s->to)));
	json_text(&json, "to", sv_of(status_name(done ? s->from : s->to)));
	json_text(&json, "result", !done ? SV("left") : u->dry_run ? SV("would be undone") : SV("undone"));
	if (done && !u->dry_run)
		json_text(&json, "batch", sv_of(u->batch));
	json_end_object(&json);
	json_end_line(&json);
}

static void say(const struct undo *u, const struct subject *s, bool done)
{
	if (u->ctl->json) {
		say_json(u, s, done);
		return;
	}
	if (!u->dry_run && (!done || u->meant > ASK_UNASKED_MAX))
		return; /* they are counted */
	term_clean(stdout, s->address);
	if (s->scope.n) {
		(void)fputs(" (", stdout);
		term_clean(stdout, s->scope);
		(void)putchar(')');
	}
	if (done)
		(void)printf(": %s -> %s%s\n", status_name(s->to), status_name(s->from), u->dry_run ? "  would be undone" : "");
	else
		(void)puts(": left alone, changed afterwards for another reason");
}

static void tell(void *arg, const struct batch_item *item)
{
	struct undo *u = arg;

	const struct subject *s = item->what;

	*(item->outcome == UNDONE ? &u->undone : &u->left) += 1;
	u->scopes += item->outcome == UNDONE && s->scope.n;
	u->readers += item->outcome == UNDONE && is_of_receive(u) && status_protected(s->to) && !status_protected(s->from);
	say(u, s, item->outcome == UNDONE);
}

/* ---- all of them ---- */

/* There is something to make again. */
static bool comes_back(const struct subject *s)
{
	return s->from != STATUS_NONE || s->to != STATUS_NONE || s->before.n;
}

/* First the entries, which are known by the token of their last change; then what holds for some senders. */
static enum store_result undo_all(struct undo *u, struct batch *b, struct err *err)
{
	enum store_result result = STORE_OK;
	uint64_t n = 0;

	for (int scoped = 0; scoped < 2; scoped++) {
		for (size_t i = 0; i < u->n && result == STORE_OK && !u->interrupted; i++) {
			struct subject *s = u->order[i];
			if ((s->scope.n > 0) != (scoped == 1))
				continue;
			n++;
			if (n % LOOK_ADDRESSES == 0) {
				progress_show(&u->progress, n, u->n, n);
				u->interrupted = batch_interrupted(b);
			}
			if (s->changes == 0) {
				u->left++;
				say(u, s, false);
			} else if (!comes_back(s)) {
				u->gone++;
			} else {
				result = batch_add(b, s->address, s, err);
			}
		}
		if (result == STORE_OK && !u->interrupted)
			result = batch_flush(b, err);
	}
	progress_end(&u->progress, n, n);
	return result;
}

/* "2 addresses, 1 scope": an address may have both. */
static void print_undone(const struct undo *u)
{
	char number[ASK_NUMBER_MAX];
	uint64_t addresses = u->undone - u->scopes;

	if (addresses || !u->scopes)
		(void)printf("%s %s%s", ask_number(addresses, number), addresses == 1 ? "address" : "addresses", u->scopes ? ", " : "");
	if (u->scopes)
		(void)printf("%s scope%s", ask_number(u->scopes, number), term_plural(u->scopes));
}

static void print_summary(const struct undo *u)
{
	char number[ASK_NUMBER_MAX];

	if (u->ctl->json)
		return;
	print_undone(u);
	(void)fputs(u->dry_run ? " would be what they were" : " restored", stdout);
	if (u->left)
		(void)printf("; %s left alone: changed afterwards for other reasons", ask_number(u->left, number));
	if (!u->dry_run && u->undone)
		(void)printf("; take this back with: nixie undo --batch %s%s", u->batch, ask_not(u->undone));
	(void)putchar('\n');
	if (u->readers)
		(void)printf("of these %s by readers who complained or unsubscribed, and may be mailed again; --failures leaves them as they are\n",
			ask_number(u->readers, number));
	if (is_of_remove(u))
		(void)puts("histories and occurrences that were removed cannot come back");
	else if (u->gone)
		(void)printf("of %s there were only failures on record, which cannot come back\n", ask_number(u->gone, number));
}

static int restore(struct undo *u)
{
	struct batch b = { .ctl = u->ctl, .by = u->by, .id = sv_of(u->batch), .dry_run = u->dry_run, .needs_window = true, .apply = apply, .tell = tell,
		.arg = u };
	bool many = u->meant > ASK_UNASKED_MAX;
	struct err err = { "" };

	progress_start(&u->progress, many && !u->dry_run && !u->ctl->json && isatty(STDERR_FILENO) ? stderr : NULL, "undoing");
	u->progress.unit = "addresses";
	enum store_result result = batch_start(&b, many, &err);
	if (result == STORE_OK)
		result = undo_all(u, &b, &err);
	batch_free(&b);
	int code = result != STORE_OK ? verb_store_failed(&err) : u->interrupted ? EXIT_NOT_FOUND : EXIT_OK;
	if (code != EXIT_OK && !u->dry_run)
		log_error("%s after %llu address%s; to go on run it again; or take them back with: nixie undo --batch %s%s", u->interrupted ? "interrupted" : "stopped",
			(unsigned long long)u->undone, u->undone == 1 ? "" : "es", u->batch, ask_not(u->undone));
	return code;
}

static int run(struct undo *u)
{
	char number[ASK_NUMBER_MAX];
	struct err err;

	if (store_journal(u->ctl->store, take_step, u, &err) != STORE_OK)
		return verb_store_failed(&err);
	for (size_t i = 0; i < u->n; i++)
		u->meant += u->order[i]->changes > 0;
	if (u->n == 0) {
		log_error(u->filter.batch ? "the journal has no such change" :
			"the journal has no such change by a failure; what a command did, as nixie import: --batch ID, which nixie token tells");
		return EXIT_NOT_FOUND;
	}
	if (u->meant > ASK_UNASKED_MAX && !u->dry_run && !u->yes) {
		enum ask_answer answer = ask_change(u->meant, false);
		if (answer == ASK_NOBODY)
			log_error("%s addresses would be changed, and there is no terminal to ask at: look at them with --dry-run, then say --yes",
				ask_number(u->meant, number));
		else if (answer == ASK_NO)
			log_error("nothing was changed");
		if (answer != ASK_YES)
			return answer == ASK_NO ? EXIT_NOT_FOUND : EXIT_USAGE;
	}
	int code = restore(u);
	if (code == EXIT_OK)
		print_summary(u);
	return code;
}

int verb_undo(struct ctl *ctl, int argc, char **argv)
{
	const char *since = NULL, *until = NULL;
	struct undo u = { .ctl = ctl, .filter = { .since_s = INT64_MIN, .until_s = INT64_MAX } };
	const struct verb_option own[] = { { "since", &since, NULL }, { "until", &until, NULL }, { "rule", &u.filter.rule, NULL },
		{ "domain", &u.filter.domain, NULL }, { "provider", &u.filter.provider, NULL }, { "batch", &u.filter.batch, NULL }, { "failures", NULL, &u.filter.failures },
		{ "dry-run", NULL, &u.dry_run }, { "yes", NULL, &u.yes }, { NULL, NULL, NULL } };
	struct err err;
	int code;

	if (!verb_options(ctl, argc, argv, "undo", own, &code))
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
	if (u.filter.provider)
		filter_hint_provider(u.filter.rules, u.filter.provider);
	(void)snprintf(u.batch, sizeof u.batch, "undo-%lld-%ld", (long long)clock_now_s(), (long)getpid());
	u.by = verb_who();
	code = run(&u);
	ruleset_free(u.filter.rules);
	map_free(&u.subjects);
	free(u.order);
	arena_free(&u.arena);
	return code;
}
