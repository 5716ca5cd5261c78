/* suppress, allow, reset, remove: what a person decides about addresses. */
#include "change.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "log.h"

/* How often the signals are looked at. */
#define LOOK_ADDRESSES 256

struct sv verb_who(void)
{
	static char name[64];
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *user = getpwuid(getuid());

	(void)snprintf(name, sizeof name, "%s", sudo && *sudo ? sudo : user ? user->pw_name : "unknown");
	return sv_of(name);
}

/* ---- one address ---- */

static bool has_term(const struct change *change)
{
	return change->term.ms || change->term.months;
}

static int64_t end_of_term(const struct change *change, int64_t now_s)
{
	return has_term(change) ? clock_after_us(now_s * CLOCK_SECOND_US, change->term) / CLOCK_SECOND_US : 0;
}

/* Is it for ever what it shall be, by a person's hand? */
static bool is_so(const struct change *change, const struct entry *e)
{
	return e->status == change->to && !e->until_s && !has_term(change) && (change->to != STATUS_HARD || e->origin == ORIGIN_MANUAL);
}

static bool is_protected(const struct change *change, enum status is)
{
	if (change->to == STATUS_NONE)
		return status_protected(is);
	if (is == STATUS_ALLOW)
		return change->to != STATUS_ALLOW;
	return status_protected(is) && change->to != STATUS_MANUAL;
}

/* A term would free it sooner. */
static bool is_for_longer(const struct change *change, const struct entry *e)
{
	int64_t now_s = clock_now_s();

	return change->to == STATUS_HELD && entry_suppressed(e, now_s) && (!e->until_s || e->until_s > end_of_term(change, now_s));
}

/* Is the change one that may be made, and makes any difference? */
static enum change_outcome judge(const struct change *change, const struct account *a)
{
	const struct entry *e = &a->entry;

	if (change->to == STATUS_NONE && a->window->n == 0 && (change->forget ? entry_is_empty(e) && !a->has_history : e->status == STATUS_NONE))
		return CHANGE_UNKNOWN;
	if (change->to == STATUS_NONE && e->status == STATUS_ALLOW && !change->forget)
		return CHANGE_ALLOWED;
	if (change->forget && e->scopes.n && !change->force)
		return CHANGE_SCOPED;
	if (is_protected(change, e->status) && !change->force)
		return CHANGE_PROTECTED;
	if (is_for_longer(change, e) && !change->force)
		return CHANGE_LONGER;
	if (change->to != STATUS_NONE && is_so(change, e) && (!change->reason || sv_eq(e->text, sv_head(sv_of(change->reason), STATE_TEXT_MAX))))
		return CHANGE_ALREADY;
	return CHANGE_DONE;
}

static struct sv why(const struct change *change)
{
	return sv_of(change->reason ? change->reason : change->verb);
}

static void set_entry(const struct change *change, struct entry *e, int64_t now_s)
{
	bool so = is_so(change, e); /* with another reason */

	/* a category is of failures; those that were before a decision with a term, or for hard, still tell why */
	if (change->to == STATUS_MANUAL || change->to == STATUS_ALLOW || e->status == STATUS_NONE)
		e->reason = CATEGORY_OTHER;
	e->status = change->to;
	e->origin = ORIGIN_MANUAL;
	e->since_s = so ? e->since_s : now_s;
	e->until_s = end_of_term(change, now_s);
	e->by = change->by;
	if (change->reason)
		e->text = sv_head(sv_of(change->reason), STATE_TEXT_MAX);
}

static void make_entry(struct transaction *t, const struct change *change, struct account *a)
{
	int64_t now_s = clock_now_s();
	struct entry was = a->entry;

	a->entry.parole_s = 0;
	a->entry.parole_by = sv_make("", 0);
	if (change->to == STATUS_NONE) {
		entry_clear(&a->entry);
		if (change->forget)
			a->entry.scopes = sv_make("", 0);
		a->window->n = 0;
		a->window_changed = true;
		a->forget_history = change->forget;
	} else {
		set_entry(change, &a->entry, now_s);
	}
	account_transition(t, a, &was, why(change), now_s);
}

/* The same for one scope of an entry. */
static enum change_outcome change_scope(struct transaction *t, const struct change *change, struct account *a, enum status *from_r)
{
	int64_t now_s = clock_now_s();
	struct entry before = a->entry;
	struct scope s;
	bool found = scopes_find(a->entry.scopes, &change->scope, &s);

	*from_r = s.status;
	if (!found && change->to == STATUS_NONE)
		return CHANGE_UNKNOWN;
	if (change->to == STATUS_NONE && !change->force)
		return CHANGE_PROTECTED;
	if (found && s.status == change->to && !s.until_s)
		return CHANGE_ALREADY;
	s.status = change->to;
	s.since_s = now_s;
	s.until_s = 0;
	if (!scopes_put(t->arena, a->entry.scopes, &s, &a->entry.scopes))
		return CHANGE_FULL;
	account_scope_transition(t, a, &before, sv_of(change->scope_text), *from_r, change->to, why(change), now_s);
	return CHANGE_DONE;
}

static void apply(void *arg, struct transaction *t, struct account *a, struct batch_item *item)
{
	const struct change *change = arg;

	item->before = a->entry;
	item->from = a->entry.status;
	if (a->changed || (change->targets.chosen && (!entry_suppressed(&a->entry, clock_now_s()) ||
						       !filter_matches(&change->targets.filter, a->key, &a->entry)))) {
		item->outcome = CHANGE_PASSED;
		return;
	}
	enum change_outcome outcome = change->scoped ? change_scope(t, change, a, &item->from) : judge(change, a);
	item->outcome = (int)outcome;
	if (outcome == CHANGE_DONE && !change->scoped)
		make_entry(t, change, a);
}

static void tell(void *arg, const struct batch_item *item)
{
	struct change *change = arg;

	change_count(change, item);
	change_tell(change, item);
}

/* ---- all of them ---- */

static enum store_result change_all(struct change *change, struct batch *b, bool *interrupted_r, struct err *err)
{
	enum store_result result = STORE_OK;
	struct sv key;
	uint64_t n = 0;

	targets_rewind(&change->targets);
	while (result == STORE_OK && !*interrupted_r && targets_next(&change->targets, &key)) {
		result = batch_add(b, key, NULL, err);
		if (++n % LOOK_ADDRESSES == 0) {
			progress_show(&change->progress, change->targets.done, change->targets.size, n);
			*interrupted_r = batch_interrupted(b);
		}
	}
	if (result == STORE_OK && !*interrupted_r)
		result = batch_flush(b, err);
	progress_end(&change->progress, change->targets.done, n);
	return result;
}

static int say_stopped(const struct change *change, int code)
{
	uint64_t n = change->counts.n[CHANGE_DONE];
	char number[ASK_NUMBER_MAX];

	log_error("%s after %s address%s; to go on run it again", code == EXIT_STORE ? "stopped" : "interrupted", ask_number(n, number), n == 1 ? "" : "es");
	if (n)
		log_error("or take them back with: nixie undo --batch %s%s", change->id, ask_not(n));
	return code;
}

/* One pass over all addresses. EXIT_OK: to its end. */
static int run_pass(struct change *change, enum change_pass pass)
{
	struct batch b = { .ctl = change->ctl, .by = change->by, .id = sv_of(change->id), .dry_run = pass != PASS_WRITE, .apply = apply, .tell = tell,
		.needs_window = change->to == STATUS_NONE || change->targets.chosen, .needs_history = change->forget, .arg = change };
	bool many = change->targets.n > ASK_UNASKED_MAX, interrupted = false;
	struct err err = { "" };

	change->pass = pass;
	memset(change->counts.n, 0, sizeof change->counts.n);
	memset(change->counts.from, 0, sizeof change->counts.from);
	memset(change->counts.reasons, 0, sizeof change->counts.reasons);
	change->counts.whole_domains = 0;
	/* lines of the dry run, and of JSON, would stand between */
	bool watched = many && isatty(STDERR_FILENO) && !(isatty(STDOUT_FILENO) && (pass == PASS_DRY_RUN || (change->ctl->json && pass == PASS_WRITE)));
	progress_start(&change->progress, watched ? stderr : NULL, pass == PASS_WRITE ? "changing" : "counting");
	change->progress.unit = "addresses";
	enum store_result result = batch_start(&b, many, &err);
	if (result == STORE_OK)
		result = change_all(change, &b, &interrupted, &err);
	batch_free(&b);
	int code = result != STORE_OK ? verb_store_failed(&err) : interrupted || !targets_whole(&change->targets) ? EXIT_NOT_FOUND : EXIT_OK;
	if (code != EXIT_OK && pass == PASS_WRITE && many)
		code = say_stopped(change, code);
	return code;
}

/* Before more than some: how many they are, and whether that is meant. EXIT_OK: go on. */
static int ask(struct change *change)
{
	int code = run_pass(change, PASS_COUNT);

	if (code != EXIT_OK || change->counts.n[CHANGE_DONE] <= ASK_UNASKED_MAX)
		return code;
	change_overview(change);
	switch (ask_change(change->counts.n[CHANGE_DONE], change->targets.from_input)) {
	case ASK_YES:
		return EXIT_OK;
	case ASK_NO:
		log_error("nothing was changed");
		return EXIT_NOT_FOUND;
	case ASK_NOBODY:
		break;
	}
	log_error("nothing was changed: there is no terminal to ask at; look at them with --dry-run, then type it with --yes: nixie %s --yes ...", change->verb);
	return EXIT_USAGE;
}

/* Nothing could be done without --force: the command was not the right one. Else 1 when some were left out. */
static int exit_code_of(const struct change *change)
{
	const struct change_counts *c = &change->counts;
	uint64_t protected = c->n[CHANGE_PROTECTED] + c->n[CHANGE_SCOPED] + c->n[CHANGE_FULL];

	if (protected && protected + c->n[CHANGE_PASSED] == change->targets.n)
		return EXIT_USAGE;
	return change_left_out(c) || c->n[CHANGE_UNKNOWN] || change->targets.errors ? EXIT_NOT_FOUND : EXIT_OK;
}

static int change_targets(struct change *change)
{
	int code = EXIT_OK;

	change->by = verb_who();
	(void)snprintf(change->id, sizeof change->id, "%s-%lld-%ld", change->verb, (long long)clock_now_s(), (long)getpid());
	if (!change->dry_run && !change->yes && change->targets.n > ASK_UNASKED_MAX)
		code = ask(change);
	if (code == EXIT_OK)
		code = run_pass(change, change->dry_run ? PASS_DRY_RUN : PASS_WRITE);
	if (code != EXIT_OK)
		return code;
	change_summary(change);
	return exit_code_of(change);
}

/* ---- options ---- */

struct words {
	const char *term, *scope;
	bool hard, manual;
};

static bool take_term(struct change *change, const char *text)
{
	change->to = STATUS_HELD;
	if (config_parse_span(sv_of(text), &change->term) && has_term(change))
		return true;
	log_error("--for %s: write how long, as in --for \"15 days\"", text);
	return false;
}

static bool take_words(struct change *change, const struct words *w)
{
	if (w->hard + w->manual + (w->term != NULL) > 1) {
		log_error("--manual, --hard and --for: one of them");
		return false;
	}
	if (w->hard)
		change->to = STATUS_HARD;
	if (w->term && !take_term(change, w->term))
		return false;
	if (!w->scope)
		return true;
	change->scoped = scope_parse(sv_of(w->scope), &change->scope);
	change->scope_text = w->scope;
	if (!change->scoped)
		log_error("--scope %s: write sender:DOMAIN, login:NAME or context:NAME", w->scope);
	else if (change->to != STATUS_MANUAL && change->to != STATUS_NONE)
		log_error("--scope goes with do-not-mail only: failures are facts about the address, for all senders");
	else
		return true;
	return false;
}

#define COMMON_OPTIONS(c) FILTER_OPTIONS(&(c)->targets.filter), { "reason", &(c)->reason, NULL }, { "force", NULL, &(c)->force }, \
	{ "dry-run", NULL, &(c)->dry_run }, { "yes", NULL, &(c)->yes }, { "skip-errors", NULL, &(c)->targets.skip_errors }

static int run(struct ctl *ctl, int argc, char **argv, struct change *change, const struct words *words, const struct verb_option *own)
{
	int code;

	change->ctl = change->targets.ctl = ctl;
	if (!verb_options(ctl, argc, argv, change->verb, own, &code))
		return code;
	code = EXIT_USAGE;
	if (take_words(change, words) && targets_take(&change->targets, change->verb, argc - optind, argv + optind, &code))
		code = change_targets(change);
	targets_free(&change->targets);
	map_free(&change->counts.domains);
	arena_free(&change->counts.arena);
	return code;
}

int verb_suppress(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "suppress", .to = STATUS_MANUAL };
	struct words w = { .term = NULL };
	const struct verb_option own[] = { COMMON_OPTIONS(&change), { "manual", NULL, &w.manual }, { "hard", NULL, &w.hard }, { "for", &w.term, NULL },
		{ "scope", &w.scope, NULL }, { NULL, NULL, NULL } };

	return run(ctl, argc, argv, &change, &w, own);
}

int verb_allow(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "allow", .to = STATUS_ALLOW };
	const struct verb_option own[] = { COMMON_OPTIONS(&change), { NULL, NULL, NULL } };

	return run(ctl, argc, argv, &change, &(const struct words){ 0 }, own);
}

int verb_reset(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "reset", .to = STATUS_NONE };
	struct words w = { .term = NULL };
	const struct verb_option own[] = { COMMON_OPTIONS(&change), { "scope", &w.scope, NULL }, { NULL, NULL, NULL } };

	return run(ctl, argc, argv, &change, &w, own);
}

int verb_remove(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "remove", .to = STATUS_NONE, .forget = true };
	const struct verb_option own[] = { COMMON_OPTIONS(&change), { NULL, NULL, NULL } };

	return run(ctl, argc, argv, &change, &(const struct words){ 0 }, own);
}
