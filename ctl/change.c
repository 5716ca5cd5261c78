/* suppress, allow, reset, remove: what a person decides about an address. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "log.h"
#include "scope.h"
#include "store.h"
#include "verbs.h"

/* Somebody else may change the same entry at the same moment; not as often as this. */
#define CONFLICTS_MAX 10

struct change {
	const char *verb;
	enum status to; /* STATUS_NONE: the entry goes */
	bool forget;    /* with its history */
	bool force, may_scope;
	const char *reason;
	struct span term;
	struct sv by;
	char batch[64];
	bool scoped; /* for some senders only: */
	struct scope scope;
	const char *scope_text;
};

struct sv verb_who(void)
{
	static char name[64];
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *user = getpwuid(getuid());

	(void)snprintf(name, sizeof name, "%s", sudo && *sudo ? sudo : user ? user->pw_name : "unknown");
	return sv_of(name);
}

static void say(const struct ctl *ctl, struct sv address, enum status from, enum status to)
{
	char room[4 * ADDRESS_KEY_MAX + 128];
	struct buf b = BUF_ON(room);

	if (ctl->json) {
		buf_add(&b, SV("{\"address\":"));
		buf_add_json(&b, address);
		buf_addf(&b, ",\"from\":\"%s\",\"to\":\"%s\"}\n", status_name(from), status_name(to));
	} else {
		buf_add_clean(&b, address);
		buf_addf(&b, ": %s -> %s\n", status_name(from), status_name(to));
	}
	(void)fwrite(b.p, 1, b.n, stdout);
}

/* Is the change one that may be made? Else says why, and what to do. */
static int permitted(const struct change *change, const struct account *a)
{
	enum status is = a->entry.status;

	if (change->to == STATUS_NONE && (change->forget ? entry_is_empty(&a->entry) : is == STATUS_NONE) && a->window->n == 0) {
		log_error("%.*s: nothing is known of it", SV_ARG(a->key));
		return EXIT_NOT_FOUND;
	}
	if (change->to == STATUS_NONE && is == STATUS_ALLOW && !change->forget) {
		log_error("%.*s is allowed, not suppressed; use nixie remove", SV_ARG(a->key));
		return EXIT_NOT_FOUND;
	}
	if (change->forget && a->entry.scopes.n && !change->force) {
		log_error("%.*s is protected for some senders; nixie check shows them; --force does it all the same", SV_ARG(a->key));
		return EXIT_USAGE;
	}
	if (status_protected(is) && change->to != STATUS_MANUAL && !change->force) {
		log_error("%.*s is protected (%s): somebody asked not to get this mail; --force does it all the same",
			SV_ARG(a->key), is == STATUS_MANUAL ? "do-not-mail" : "complaint");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static bool find_scope(const struct entry *e, const struct scope *wanted, struct scope *scope_r)
{
	struct sv rest = e->scopes;

	while (scopes_next(&rest, scope_r))
		if (scope_r->kind == wanted->kind && strcmp(scope_r->value, wanted->value) == 0)
			return true;
	*scope_r = *wanted;
	scope_r->status = STATUS_NONE;
	return false;
}

/* The same for one scope of an entry; *before_r is its status until now. */
static int change_scope(struct transaction *t, const struct change *change, struct account *a, enum status *before_r)
{
	int64_t now_s = clock_now_s();
	struct scope s;

	if (!find_scope(&a->entry, &change->scope, &s) && change->to == STATUS_NONE) {
		log_error("%.*s: nothing is set for %s", SV_ARG(a->key), change->scope_text);
		return EXIT_NOT_FOUND;
	}
	struct entry before = a->entry;
	*before_r = s.status;
	if (change->to == STATUS_NONE && !change->force) {
		log_error("%.*s is protected (%s, %s): somebody asked not to get this mail; --force does it all the same",
			SV_ARG(a->key), status_name(s.status), change->scope_text);
		return EXIT_USAGE;
	}
	s.status = change->to;
	s.since_s = now_s;
	s.until_s = change->term.ms || change->term.months ? clock_after_us(now_s * CLOCK_SECOND_US, change->term) / CLOCK_SECOND_US : 0;
	if (!scopes_put(t->arena, a->entry.scopes, &s, &a->entry.scopes)) {
		log_error("%.*s: %d scopes are set already; suppress it for all instead", SV_ARG(a->key), SCOPES_MAX);
		return EXIT_USAGE;
	}
	account_transition(t, a, &before, change->reason ? sv_of(change->reason) : sv_of(change->verb), now_s);
	a->last_transition->from = *before_r;
	a->last_transition->to = change->to;
	a->last_transition->scope = sv_of(change->scope_text);
	return EXIT_OK;
}

static void make_entry(struct transaction *t, const struct change *change, struct account *a)
{
	int64_t now_s = clock_now_s();
	struct entry was = a->entry;
	enum status before = was.status;

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
		a->entry.status = change->to;
		a->entry.origin = ORIGIN_MANUAL;
		a->entry.reason = change->to == STATUS_MANUAL || change->to == STATUS_ALLOW ? CATEGORY_OTHER : a->entry.reason;
		if (before == STATUS_NONE)
			a->entry.reason = CATEGORY_OTHER;
		a->entry.since_s = now_s;
		a->entry.until_s = change->term.ms || change->term.months ?
			clock_after_us(now_s * CLOCK_SECOND_US, change->term) / CLOCK_SECOND_US : 0;
		a->entry.by = change->by;
		if (change->reason)
			a->entry.text = sv_head(sv_of(change->reason), STATE_TEXT_MAX);
	}
	account_transition(t, a, &was, change->reason ? sv_of(change->reason) : sv_of(change->verb), now_s);
}

static int change_one(struct ctl *ctl, const struct change *change, const char *text)
{
	struct transaction t = { .by = change->by, .batch = sv_of(change->batch), .soft_expiry = ctl->config.soft_expiry, .window_expiry = ctl->config.soft_expiry };
	struct arena arena = { 0 };
	struct address address;
	struct err err = { "the entry is being changed by others faster than it can be read" };
	enum store_result result = STORE_CONFLICT;
	int code = EXIT_OK;

	if (!verb_address(ctl, text, &address))
		return EXIT_USAGE;
	for (int i = 0; result == STORE_CONFLICT && i < CONFLICTS_MAX; i++) {
		transaction_begin(&t, &arena);
		struct account *a = transaction_account(&t, address_key(&address));
		a->needs_window = true;
		result = store_load(ctl->store, &t, &err);
		if (result != STORE_OK)
			break;
		enum status before = a->entry.status;
		code = change->scoped ? change_scope(&t, change, a, &before) : permitted(change, a);
		if (code != EXIT_OK)
			break;
		if (!change->scoped)
			make_entry(&t, change, a);
		result = store_commit(ctl->store, &t, &err);
		if (result == STORE_OK)
			say(ctl, address_key(&address), before, change->to);
	}
	transaction_free(&t);
	arena_free(&arena);
	return result == STORE_OK ? code : verb_store_failed(&err);
}

enum { LONG_HARD = 256, LONG_MANUAL, LONG_FOR, LONG_REASON, LONG_FORCE, LONG_JSON, LONG_SCOPE };

static bool take_scope(struct change *change, const char *text)
{
	change->scoped = scope_parse(sv_of(text), &change->scope);
	change->scope_text = text;
	if (!change->scoped)
		log_error("--scope %s: write sender:DOMAIN, login:NAME or context:NAME", text);
	return change->scoped;
}

static int run(struct ctl *ctl, int argc, char **argv, struct change *change, const char *usage)
{
	static const struct option options[] = {
		{ "hard", no_argument, NULL, LONG_HARD }, { "manual", no_argument, NULL, LONG_MANUAL },
		{ "for", required_argument, NULL, LONG_FOR }, { "reason", required_argument, NULL, LONG_REASON },
		{ "force", no_argument, NULL, LONG_FORCE }, { "json", no_argument, NULL, LONG_JSON },
		{ "scope", required_argument, NULL, LONG_SCOPE },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c, code = EXIT_OK, changed = 0;
	bool suppresses = change->to == STATUS_MANUAL;
	enum status chosen = STATUS_NONE; /* one of --manual, --hard and --for */

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		bool ok = true;
		if (c == LONG_REASON)
			change->reason = optarg;
		else if (c == LONG_FORCE)
			change->force = true;
		else if (c == LONG_JSON)
			ctl->json = true;
		else if (c == LONG_SCOPE && change->may_scope)
			ok = take_scope(change, optarg);
		else if (suppresses && !chosen && (c == LONG_HARD || c == LONG_MANUAL))
			chosen = change->to = c == LONG_HARD ? STATUS_HARD : STATUS_MANUAL;
		else if (c == LONG_FOR && suppresses && !chosen && config_parse_span(sv_of(optarg), &change->term) &&
			 (change->term.ms || change->term.months))
			chosen = change->to = STATUS_HELD;
		else
			ok = false;
		if (!ok) {
			(void)fprintf(c == 'h' ? stdout : stderr, "usage: nixie %s\n", usage);
			return c == 'h' ? EXIT_OK : EXIT_USAGE;
		}
	}
	if (change->scoped && change->to != STATUS_MANUAL && change->to != STATUS_NONE) {
		log_error("--scope goes with do-not-mail only: failures are facts about the address, for all senders");
		return EXIT_USAGE;
	}
	if (optind == argc) {
		log_error("name an address: nixie %s user@example.com", change->verb);
		return EXIT_USAGE;
	}
	change->by = verb_who();
	(void)snprintf(change->batch, sizeof change->batch, "%s-%lld-%ld", change->verb, (long long)clock_now_s(), (long)getpid());
	for (int i = optind; i < argc; i++) { /* all or none: a typing error changes nothing */
		struct address address;
		if (!verb_address(ctl, argv[i], &address))
			return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++) {
		int one = change_one(ctl, change, argv[i]);
		if (one == EXIT_STORE)
			return one;
		changed += one == EXIT_OK;
		code = one > code ? one : code;
	}
	if (changed > 1 && !ctl->json)
		(void)printf("take this back with: nixie undo --batch %s\n", change->batch);
	return code;
}

int verb_suppress(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "suppress", .to = STATUS_MANUAL, .may_scope = true };

	return run(ctl, argc, argv, &change,
		"suppress [--manual | --hard | --for \"15 days\"] [--scope KIND:VALUE] [--reason TEXT] [--force] [--json] ADDR | @DOMAIN...");
}

int verb_allow(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "allow", .to = STATUS_ALLOW };

	return run(ctl, argc, argv, &change, "allow [--reason TEXT] [--force] [--json] ADDR | @DOMAIN...");
}

int verb_reset(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "reset", .to = STATUS_NONE, .may_scope = true };

	return run(ctl, argc, argv, &change, "reset [--scope KIND:VALUE] [--reason TEXT] [--force] [--json] ADDR | @DOMAIN...");
}

int verb_remove(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "remove", .to = STATUS_NONE, .forget = true };

	return run(ctl, argc, argv, &change, "remove [--reason TEXT] [--force] [--json] ADDR | @DOMAIN...");
}
