/* receive: mail that came back, read, proven and written. */
#include "receive.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "schema.h"
#include "term.h"

const char *receive_outcome_name(enum receive_outcome outcome)
{
	static const char *const names[RECEIVE_OUTCOMES] = { "nothing", "counted", "told", "aside", "again" };

	return names[outcome];
}

struct sv receive_about(const struct receive *x, const struct returned_recipient *recipient)
{
	bool original = x->ctl->config.attribute_to == ATTRIBUTE_ORIGINAL ? recipient->original.n > 0 : recipient->final.n == 0;

	return original ? recipient->original : recipient->final;
}

void receive_judge(struct receive *x, const struct returned_recipient *recipient, struct receive_one *one)
{
	one->failure = x->returned.kind == RETURNED_DSN && (recipient->action == ACTION_FAILED || recipient->action == ACTION_DELAYED);
	if (one->failure)
		ruleset_classify_text(x->rules, recipient->reply, recipient->status, recipient->remote_mta, &one->reply, &one->verdict);
}

bool receive_judged(struct receive *x, struct err *err)
{
	const char *why = ruleset_broken(x->rules);

	x->broken = *why != '\0';
	return !x->broken || err_set(err, "%s", why);
}

/* When our own server took it: the first line of its way. Of a mailbox that has no such lines the author's date is better than today. */
static int64_t time_of(const struct mail *mail, bool single)
{
	struct sv received = sv_after_last(mail_field(&mail->headers, SV("Received")), ';');
	int64_t now_s = clock_now_s(), time_s = mail_time(received.n || single ? received : mail_field(&mail->headers, SV("Date")));

	return time_s > now_s - SCHEMA_DAYS_COUNTERS * CLOCK_DAY_S && time_s < now_s ? time_s : now_s;
}

/* Is it one mail that a server hands over, which waits for what becomes of it? */
static bool is_single(const char *path)
{
	return strcmp(path, "-") == 0;
}

static bool take_message(struct receive *x, const char *path, struct sv bytes, struct err *err)
{
	mail_parse(bytes, &x->arena, &x->mail);
	returned_read(&x->mail, ruleset_forms(x->rules), &x->arena, &x->returned);
	x->time_s = time_of(&x->mail, is_single(path));
	x->batch = sv_of(is_single(path) ? x->day_batch : x->own_batch);
	x->ones = NULL;
	x->n_ones = 0;
	x->outcome = RECEIVE_NOTHING;
	if (!receive_judged(x, err))
		return false;
	if (x->dry_run)
		receive_read(x);
	else if (receive_write(x, is_single(path) ? x->ctl->config.receive_wait_ms : 0, err) != STORE_OK)
		return false;
	if (!receive_judged(x, err))
		return false;
	x->messages++;
	x->kinds[x->returned.kind]++;
	x->outcomes[x->outcome]++;
	x->of_files += !is_single(path) && x->outcome == RECEIVE_COUNTED;
	if (!x->quiet)
		(x->ctl->json ? receive_show_json : receive_show)(x);
	return true;
}

static void tell_failure(struct receive *x, const struct err *err)
{
	log_error("%s", err->text);
	x->failed = true;
}

/* What cannot be read does not keep the rest of a Maildir from it; a Redis that is away does. */
static void receive_from(struct receive *x, const char *path)
{
	struct err err;
	struct mailbox *box = mailbox_open(path, &err);
	bool got = true;
	struct progress progress;
	struct sv bytes;
	uint64_t done = 0, all;

	progress_start(&progress, isatty(STDOUT_FILENO) && !x->quiet ? NULL : stderr, x->dry_run ? "reading" : "receiving");
	progress.unit = "messages";
	while (box && (got || mailbox_failed(box)) && !x->stopped) {
		got = mailbox_next(box, &bytes, &err);
		if (!got && !mailbox_failed(box))
			break;
		mailbox_progress(box, &done, &all);
		progress_show(&progress, done, all, x->messages);
		x->where = mailbox_where(box);
		x->stopped = got && !take_message(x, path, bytes, &err);
		if (!got || x->stopped)
			tell_failure(x, &err);
		arena_reset(&x->arena);
	}
	if (!box)
		tell_failure(x, &err);
	if (progress.open)
		progress_end(&progress, done, x->messages);
	mailbox_close(box);
}

/* A mail server that is stopped stops what it started. Of what a signal ended, Exim gives the mail up, and it would be lost. */
static void on_end(int number)
{
	(void)number;
	_exit(EX_TEMPFAIL);
}

static void keep_when_stopped(void)
{
	const struct sigaction action = { .sa_handler = on_end };

	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

static int receive_all(struct receive *x, int argc, char **argv)
{
	struct err err;

	if (!x->dry_run)
		keep_when_stopped();
	if (!receive_open(x, &err)) {
		log_error("%s", err.text);
		return EXIT_STORE;
	}
	if (optind == argc && isatty(STDIN_FILENO))
		(void)fputs("one message is read from the terminal; ^D on an empty line ends it; files are named: nixie receive FILE\n", stderr);
	if (optind == argc)
		receive_from(x, "-");
	for (int i = optind; i < argc && !x->stopped; i++)
		receive_from(x, argv[i]);
	if (!x->quiet && !x->ctl->json && !x->broken && x->messages != 1)
		receive_show_sum(x);
	if (!x->quiet && !x->ctl->json)
		receive_show_undo(x);
	return x->broken ? EXIT_CONFIG : x->failed ? EXIT_NOT_FOUND : EXIT_OK;
}

int verb_receive(struct ctl *ctl, int argc, char **argv)
{
	struct receive *x = xalloc(sizeof *x);
	const struct verb_option own[] = { { "dry-run", NULL, &x->dry_run }, { "quiet", NULL, &x->quiet }, { "recipient", &x->came_to, NULL },
		{ NULL, NULL, NULL } };
	int code;

	x->ctl = ctl;
	/* one mail seldom needs more than a few patterns of thousands */
	x->rules = verb_load_rules_late(ctl, argc, argv, "receive", own, &code);
	if (x->rules)
		code = receive_all(x, argc, argv);
	receive_close(x);
	ruleset_free(x->rules);
	arena_free(&x->arena);
	free(x);
	return code;
}
