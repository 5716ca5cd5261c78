/* tail: changes of addresses as they happen, from the journal. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "schema.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

/* How often it looks, while nothing happens */
#define LOOK_MS 250

static volatile sig_atomic_t stopped;

struct tail {
	bool json;
	uint64_t n; /* changes that came, shown or not */
	/* which are shown; NULL: all */
	const char *status_text, *domain;
	enum status status;
};

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* The reason means something: a person has none. */
static bool has_reason(const struct journal_entry *e)
{
	return e->to != STATUS_MANUAL && e->to != STATUS_ALLOW && e->to != STATUS_NONE;
}

static void print_json(const struct journal_entry *e, const char *time)
{
	struct json json = JSON_ON(stdout);
	char token[SCHEMA_TOKEN_MAX];

	schema_token_encode(e->id, token);
	json_object(&json, NULL);
	json_text(&json, "time", sv_of(time));
	json_text(&json, "address", e->address);
	json_member(&json, "scope", e->scope);
	json_text(&json, "from", sv_of(status_name(e->from)));
	json_text(&json, "to", sv_of(status_name(e->to)));
	if (has_reason(e))
		json_text(&json, "reason", sv_of(category_name(e->reason)));
	json_member(&json, "rule", e->rule);
	json_member(&json, "remote", e->remote);
	json_member(&json, "why", e->why);
	json_member(&json, "by", e->by);
	json_member(&json, "batch", e->batch);
	json_member(&json, "token", sv_of(token));
	json_end_object(&json);
	json_end_line(&json);
}

/* Refused, perhaps soon, no more; and what a person or a complaint did, which no delivery changes, is bold. */
static const char *colour_of(enum status status)
{
	static const enum colour colours[] = { [STATUS_NONE] = COLOUR_GREEN, [STATUS_SOFT] = COLOUR_YELLOW, [STATUS_HELD] = COLOUR_RED,
		[STATUS_HARD] = COLOUR_RED, [STATUS_COMPLAINT] = COLOUR_RED, [STATUS_MANUAL] = COLOUR_RED, [STATUS_ALLOW] = COLOUR_GREEN };

	return term_colour(stdout, colours[status]);
}

static const char *weight_of(enum status status)
{
	return status >= STATUS_COMPLAINT ? term_colour(stdout, COLOUR_BOLD) : "";
}

static void print_word(const char *before, struct sv word)
{
	if (!word.n)
		return;
	(void)fputs(before, stdout);
	term_clean(stdout, word);
}

static void print_human(const struct journal_entry *e, const char *time)
{
	(void)printf("%s  %9s -> %s%s%-9s%s  ", time, status_name(e->from), weight_of(e->to), colour_of(e->to), status_name(e->to),
		term_colour(stdout, COLOUR_PLAIN));
	term_clean(stdout, e->address);
	print_word(" for ", e->scope);
	if (has_reason(e))
		print_word("  ", sv_of(category_name(e->reason)));
	print_word("  ", e->rule);
	(void)fputs(term_colour(stdout, COLOUR_DIM), stdout);
	if (!has_reason(e) || !sv_eq(e->why, sv_of(category_name(e->reason))))
		print_word("  ", e->why);
	print_word(", by ", e->by);
	print_word(", batch ", e->batch);
	(void)printf("%s\n", term_colour(stdout, COLOUR_PLAIN));
}

static bool is_meant(const struct tail *t, const struct journal_entry *e)
{
	return (!t->status_text || e->to == t->status) && (!t->domain || sv_eq_nocase(sv_after_last(e->address, '@'), sv_of(t->domain)));
}

static void on_step(void *arg, const struct journal_entry *e)
{
	struct tail *t = arg;
	char time[CLOCK_TEXT_MAX];

	t->n++;
	if (!is_meant(t, e))
		return;
	clock_format_us((e->time_s < STATE_TIME_MAX_S ? e->time_s : STATE_TIME_MAX_S) * CLOCK_SECOND_US, time, sizeof time);
	(t->json ? print_json : print_human)(e, time);
}

/* Some time passes, or the reader of what we write goes away, or a signal comes. False: that is the end. */
static bool wait_some(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, LOOK_MS) <= 0 && !stopped;
}

static void follow(struct ctl *ctl, struct tail *t, struct journal_place *places)
{
	bool away = false;

	do {
		struct err err;
		do { /* also more than a page */
			t->n = 0;
			bool ok = store_journal_next(ctl->store, places, on_step, t, &err) == STORE_OK;
			if (!ok && !away && !stopped)
				log_warning("%s; waiting", err.text);
			if (ok && away)
				log_info("Redis is there again");
			away = !ok;
		} while (t->n && !stopped && fflush(stdout) == 0);
	} while (!ferror(stdout) && wait_some());
}

int verb_tail(struct ctl *ctl, int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = stop }; /* no SA_RESTART: poll(2) ends */
	struct tail t = { .json = false };
	const struct verb_option own[] = { { "status", &t.status_text, NULL }, { "domain", &t.domain, NULL }, { NULL, NULL, NULL } };
	struct err err;
	int code;

	if (!verb_options(ctl, argc, argv, "tail", own, &code))
		return code;
	t.json = ctl->json;
	t.domain += t.domain && *t.domain == '@';
	if (t.status_text && !status_by_name(sv_of(t.status_text), &t.status)) {
		log_error("--status %s: write none, soft, held, hard, complaint, manual or allow", t.status_text);
		return EXIT_USAGE;
	}
	if (optind < argc) {
		log_error("%s: there is no argument here; of one address: nixie history", argv[optind]);
		return EXIT_USAGE;
	}
	unsigned partitions = store_partitions(ctl->store, &err);
	if (!partitions)
		return verb_store_failed(&err);
	struct journal_place *places = xalloc(partitions * sizeof *places);
	if (store_journal_end(ctl->store, places, &err) != STORE_OK) {
		code = verb_store_failed(&err);
	} else {
		(void)sigaction(SIGINT, &action, NULL);
		(void)sigaction(SIGTERM, &action, NULL);
		if (isatty(STDOUT_FILENO) && !ctl->json)
			(void)printf("%swaiting for changes; ^C ends it%s\n", term_colour(stdout, COLOUR_DIM), term_colour(stdout, COLOUR_PLAIN));
		(void)fflush(stdout);
		follow(ctl, &t, places);
	}
	free(places);
	return code;
}
