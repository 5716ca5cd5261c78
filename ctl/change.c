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
#include "store.h"
#include "verbs.h"

/* Somebody else may change the same entry at the same moment; not as often as this. */
#define CONFLICTS_MAX 10

struct change {
	const char *verb;
	enum status to; /* STATUS_NONE: the entry goes */
	bool forget;    /* with its history */
	bool force;
	const char *reason;
	struct span term;
	struct sv by;
};

static struct sv who(void)
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

	if (change->to == STATUS_NONE && is == STATUS_NONE && a->window->n == 0) {
		log_error("%.*s: nothing is known of it", SV_ARG(a->key));
		return EXIT_NOT_FOUND;
	}
	if (change->to == STATUS_NONE && is == STATUS_ALLOW && !change->forget) {
		log_error("%.*s is allowed, not suppressed; use nixie remove", SV_ARG(a->key));
		return EXIT_NOT_FOUND;
	}
	if (status_protected(is) && change->to != STATUS_MANUAL && !change->force) {
		log_error("%.*s is protected (%s): somebody asked not to get this mail; --force does it all the same",
			SV_ARG(a->key), is == STATUS_MANUAL ? "do-not-mail" : "complaint");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static void make_entry(struct transaction *t, const struct change *change, struct account *a)
{
	int64_t now_s = clock_now_s();
	enum status before = a->entry.status;

	if (change->to == STATUS_NONE) {
		a->entry = (struct entry){ .revision = a->entry.revision };
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
	account_transition(t, a, before, change->reason ? sv_of(change->reason) : sv_of(change->verb), now_s);
}

static int change_one(struct ctl *ctl, const struct change *change, const char *text)
{
	struct transaction t = { .by = change->by, .soft_expiry = ctl->config.soft_expiry, .window_expiry = ctl->config.soft_expiry };
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
		code = permitted(change, a);
		if (code != EXIT_OK)
			break;
		enum status before = a->entry.status;
		make_entry(&t, change, a);
		result = store_commit(ctl->store, &t, &err);
		if (result == STORE_OK)
			say(ctl, address_key(&address), before, change->to);
	}
	transaction_free(&t);
	arena_free(&arena);
	return result == STORE_OK ? code : verb_store_failed(&err);
}

enum { LONG_HARD = 256, LONG_MANUAL, LONG_FOR, LONG_REASON, LONG_FORCE, LONG_JSON };

static int run(struct ctl *ctl, int argc, char **argv, struct change *change, const char *usage)
{
	static const struct option options[] = {
		{ "hard", no_argument, NULL, LONG_HARD }, { "manual", no_argument, NULL, LONG_MANUAL },
		{ "for", required_argument, NULL, LONG_FOR }, { "reason", required_argument, NULL, LONG_REASON },
		{ "force", no_argument, NULL, LONG_FORCE }, { "json", no_argument, NULL, LONG_JSON },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	int c, code = EXIT_OK;
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
	if (optind == argc) {
		log_error("name an address: nixie %s user@example.com", change->verb);
		return EXIT_USAGE;
	}
	change->by = who();
	for (int i = optind; i < argc; i++) { /* all or none: a typing error changes nothing */
		struct address address;
		if (!verb_address(ctl, argv[i], &address))
			return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++) {
		int one = change_one(ctl, change, argv[i]);
		if (one == EXIT_STORE)
			return one;
		code = one > code ? one : code;
	}
	return code;
}

int verb_suppress(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "suppress", .to = STATUS_MANUAL };

	return run(ctl, argc, argv, &change,
		"suppress [--manual | --hard | --for \"15 days\"] [--reason TEXT] [--force] [--json] ADDR...");
}

int verb_allow(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "allow", .to = STATUS_ALLOW };

	return run(ctl, argc, argv, &change, "allow [--reason TEXT] [--force] [--json] ADDR...");
}

int verb_reset(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "reset", .to = STATUS_NONE };

	return run(ctl, argc, argv, &change, "reset [--reason TEXT] [--force] [--json] ADDR...");
}

int verb_remove(struct ctl *ctl, int argc, char **argv)
{
	struct change change = { .verb = "remove", .to = STATUS_NONE, .forget = true };

	return run(ctl, argc, argv, &change, "remove [--reason TEXT] [--force] [--json] ADDR...");
}
