#include "follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "ledger.h"
#include "log.h"
#include "reader.h"
#include "show.h"
#include "source.h"

/* How much of a log is read back at a start, to know the messages in the queue again. */
#define READ_BACK_BYTES ((size_t)8 * 1024 * 1024)
/* A position without facts is written after so many bytes, or so long. */
#define POSITION_BYTES ((uint64_t)1024 * 1024)
#define POSITION_MS 5000
/* The pause after the store failed: doubles up to the maximum. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

struct tail {
	struct source source;
	struct arena arena;        /* of `committed` */
	struct position committed; /* what the store holds; at is empty for none */
	int64_t committed_ms, event_s;
	bool missing_told, ended;
	int watch; /* inotify; -1: none */
	char watched[sizeof((struct source *)0)->open_path];
};

struct follower {
	struct config *config;
	struct ruleset *rules;
	const struct follow_options *options;
	struct reader *reader;
	struct store *store;
	struct ledger ledger;
	struct record *record;
	struct tail *tails;
	size_t n;
	struct show show;
	int signals, inotify;
	bool stop, ready, missing; /* missing: --once found a log that it cannot read */
	uint64_t bytes;
	struct log_limit store_limit;
};

/* ---- signals ---- */

static void reload(struct follower *f)
{
	struct config *next = xalloc(sizeof *next);
	struct err err;
	struct ruleset *rules = NULL;

	cli_notify("RELOADING=1");
	if (config_load(f->options->args, next, &err))
		rules = cli_load_rules(next, &err);
	if (rules) {
		config_reload(f->config, next);
		ruleset_free(f->rules);
		f->rules = f->reader->rules = rules;
		store_set_timeout(f->store, f->config->redis_timeout_ms);
		log_info("reloaded: %zu rules", ruleset_count(rules));
	} else {
		log_error("reload refused, the old configuration stays: %s", err.text);
	}
	free(next);
	cli_notify("READY=1");
}

/* Waits for a signal, a change of a file or the time; takes signals. */
static void wait_for_change(struct follower *f, int64_t wait_ms)
{
	struct pollfd p[] = { { f->signals, POLLIN, 0 }, { f->inotify, POLLIN, 0 }, { -1, POLLIN, 0 } };
	struct signalfd_siginfo signal;
	_Alignas(struct inotify_event) char events[4096];

	for (size_t i = 0; i < f->n; i++)
		if (f->tails[i].source.stream && !f->tails[i].source.closed)
			p[2].fd = f->tails[i].source.fd;
	(void)poll(p, 3, (int)wait_ms); /* a descriptor of -1 is left out */
	while (read(f->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
		if (signal.ssi_signo == SIGHUP)
			reload(f);
		else
			f->stop = true;
	}
	/* what the events say does not matter: every file is looked at */
	if (f->inotify >= 0)
		while (read(f->inotify, events, sizeof events) > 0)
			;
}

static void watch(struct follower *f, struct tail *t)
{
	if (f->inotify < 0 || t->source.fd < 0 || t->source.stream || (t->watch >= 0 && strcmp(t->watched, t->source.open_path) == 0))
		return;
	if (t->watch >= 0)
		(void)inotify_rm_watch(f->inotify, t->watch);
	t->watch = inotify_add_watch(f->inotify, t->source.open_path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB);
	if (t->watch < 0) /* polling does the work, later */
		log_warning("file=%s cannot be watched (%s), it is polled every %lld ms", t->source.open_path,
			strerror(errno), (long long)f->config->logtail_poll_ms);
	memcpy(t->watched, t->source.open_path, sizeof t->watched);
}

/* ---- positions ---- */

static void set_committed(struct tail *t, const struct position *p)
{
	char at[128];
	size_t n = p->at.n < sizeof at ? p->at.n : sizeof at;

	if (n)
		memcpy(at, p->at.p, n);
	arena_reset(&t->arena);
	t->committed = *p;
	t->committed.at = arena_dup(&t->arena, sv_make(at, n));
	t->committed.source = sv_of(t->source.name);
	t->committed.path = sv_make("", 0);
	t->committed_ms = clock_mono_ms();
	t->event_s = p->time_s;
}

struct relinking {
	struct follower *f;
	const struct tail *t;
};

static void relink(void *relinking, struct sv line)
{
	struct relinking *r = relinking;
	/* stamps without a year: near enough to where reading goes on */
	struct stamp_anchor anchor = { r->t->event_s };

	(void)reader_line(r->f->reader, line, &anchor, r->f->record);
}

/* Goes to a position of the store (NULL: none there). */
static void go_to(struct follower *f, struct tail *t, const struct position *p)
{
	struct reader_counts counts = f->reader->counts;
	static const struct position nowhere;

	set_committed(t, p ? p : &nowhere);
	bool found = source_resume(&t->source, p, f->config->logtail_start == START_END);
	if (!found)
		log_warning("%s; lines may be missing in the counts; reading %s from its beginning",
			t->source.problem, t->source.fd >= 0 ? t->source.open_path : t->source.path);
	t->ended = false;
	if (p && found && t->source.offset > 0) {
		struct relinking r = { f, t };
		source_read_back(&t->source, READ_BACK_BYTES, relink, &r);
		f->reader->counts = counts; /* read again is not counted again */
	}
	t->source.problem[0] = '\0';
}

/* Waits until the store answers; tells why it does not. False: we are to stop. */
static bool pause_for_store(struct follower *f, int64_t *pause_ms, const struct err *err)
{
	if (log_limited(&f->store_limit, "the store"))
		log_warning("waiting, nothing is lost: %s", err->text);
	wait_for_change(f, *pause_ms);
	*pause_ms = *pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : *pause_ms * 2;
	return !f->stop;
}

/* Asks the store where it is. False: we are to stop. */
static bool ask_position(struct follower *f, struct tail *t, struct arena *arena, struct position *p, bool *there_r)
{
	struct err err;
	int64_t pause_ms = RETRY_MIN_MS;

	for (;;) {
		enum store_result result = store_position(f->store, arena, sv_of(t->source.name), p, &err);
		*there_r = result == STORE_OK;
		if (result == STORE_OK || result == STORE_ABSENT)
			return true;
		if (!pause_for_store(f, &pause_ms, &err))
			return false;
	}
}

enum settled { SETTLED_STOP, SETTLED_AGAIN, SETTLED_DONE };

/* After a doubtful commit: did it happen? AGAIN: it did not. */
static enum settled settle(struct follower *f, struct tail *t, const struct position *to)
{
	struct arena arena = { 0 };
	struct position p;
	bool there;
	enum settled settled = SETTLED_AGAIN;

	if (!ask_position(f, t, &arena, &p, &there)) {
		settled = SETTLED_STOP;
	} else if (there && sv_eq(p.at, to->at)) {
		/* the answer was lost, the work was not */
		ledger_forget(&f->ledger);
		set_committed(t, to);
		settled = SETTLED_DONE;
	} else if (!sv_eq(there ? p.at : SV(""), t->committed.at)) {
		log_warning("source=%s is at another place in the store: another reader, or Redis lost its last writes; going there",
			t->source.name);
		ledger_forget(&f->ledger);
		go_to(f, t, there ? &p : NULL);
		settled = SETTLED_DONE;
	}
	arena_free(&arena);
	return settled;
}

/* Writes what is gathered, and the position; waits as long as it takes. False: we are to
 * stop, nothing is written, and nothing lost: the log has it still. */
static bool commit(struct follower *f, struct tail *t)
{
	struct arena arena = { 0 };
	struct position to;
	struct err err = { "" };
	int64_t pause_ms = RETRY_MIN_MS;
	enum settled settled = SETTLED_AGAIN;

	const struct position *from = t->source.stream ? NULL : &t->committed;
	source_position(&t->source, &arena, t->event_s, &to);
	while (settled == SETTLED_AGAIN) {
		enum store_result result = ledger_commit(&f->ledger, from, from ? &to : NULL, &err);
		if (result == STORE_OK) {
			set_committed(t, &to);
			settled = SETTLED_DONE;
		} else if (result != STORE_MOVED && !pause_for_store(f, &pause_ms, &err)) {
			settled = SETTLED_STOP;
		} else if (from) { /* a stream has no position to ask for: it may count a batch twice */
			settled = settle(f, t, &to);
		}
	}
	arena_free(&arena);
	return settled == SETTLED_DONE;
}

static bool position_is_old(const struct tail *t)
{
	if (t->source.stream)
		return false;
	uint64_t ahead = t->source.offset - t->committed.offset;

	if (t->source.inode != t->committed.inode || t->source.offset < t->committed.offset)
		return t->source.offset > 0;
	return ahead > POSITION_BYTES || (ahead > 0 && clock_mono_ms() - t->committed_ms > POSITION_MS);
}

/* ---- lines ---- */

static void add_fact(void *follower, const struct fact *fact)
{
	ledger_add(&((struct follower *)follower)->ledger, fact);
}

static void tell_progress(struct follower *f)
{
	uint64_t total = 0;

	if (!f->options->show || f->ready)
		return;
	f->bytes = 0;
	for (size_t i = 0; i < f->n; i++) {
		f->bytes += f->tails[i].source.offset;
		total += source_size(&f->tails[i].source);
	}
	show_progress(&f->show, f->bytes, total, f->reader->counts.lines);
}

/* One batch of one log. True: there may be more. */
static bool turn(struct follower *f, struct tail *t)
{
	enum source_result result;
	struct sv line;

	do {
		result = source_next(&t->source, &line);
		if (result != SOURCE_LINE)
			break;
		enum record_kind kind = reader_line(f->reader, line, &t->source.anchor, f->record);
		t->event_s = t->source.anchor.time_s;
		if (kind != RECORD_NONE)
			record_facts(f->reader, f->record, add_fact, f);
	} while (f->ledger.n < (size_t)f->config->logtail_batch && !(f->reader->counts.lines % 65536 == 0));
	if (result == SOURCE_MISSING && !t->missing_told)
		log_warning("%s%s", t->source.problem, f->options->once ? "" : "; waiting for it");
	f->missing = f->missing || result == SOURCE_MISSING;
	t->missing_told = result == SOURCE_MISSING;
	t->ended = result != SOURCE_LINE && !source_is_draining(&t->source);
	if (f->ledger.n > 0 || position_is_old(t))
		if (!commit(f, t))
			return false;
	watch(f, t);
	return result == SOURCE_LINE;
}

static bool all_ended(const struct follower *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->tails[i].ended)
			return false;
	return true;
}

/* Nothing can come any more: standard input has ended, and the files are not waited for. */
static bool all_done(const struct follower *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->tails[i].ended || !(f->tails[i].source.stream ? f->tails[i].source.closed : f->options->once))
			return false;
	return true;
}

static void caught_up(struct follower *f)
{
	if (all_done(f))
		f->stop = true;
	if (f->ready || !all_ended(f))
		return;
	tell_progress(f);
	f->ready = true;
	if (f->options->show)
		show_caught_up(&f->show, f->store, f->bytes, f->reader->counts.lines);
	cli_notify("READY=1");
	log_info("caught up: lines=%llu attempts=%llu rejected=%llu", (unsigned long long)f->reader->counts.lines,
		(unsigned long long)f->reader->counts.attempts, (unsigned long long)f->reader->counts.rejected);
}

static void run(struct follower *f)
{
	for (size_t i = 0; i < f->n && !f->stop; i++) {
		struct arena arena = { 0 };
		struct position p;
		bool there;
		if (f->tails[i].source.stream)
			continue;
		if (ask_position(f, &f->tails[i], &arena, &p, &there))
			go_to(f, &f->tails[i], there ? &p : NULL);
		arena_free(&arena);
	}
	while (!f->stop) {
		bool more = false;
		for (size_t i = 0; i < f->n && !f->stop; i++)
			more = turn(f, &f->tails[i]) || more;
		if (!more)
			caught_up(f);
		else
			tell_progress(f);
		wait_for_change(f, more || f->stop ? 0 : f->config->logtail_poll_ms);
	}
}

/* What was read, what was not counted and why, and which limits were hit. */
static void tell_counts(const struct follower *f)
{
	const struct reader_counts *c = &f->reader->counts;
	uint64_t long_lines = 0, restarts = 0;
	char room[256];
	struct buf b = BUF_ON(room);

	for (size_t i = 0; i < f->n; i++) {
		long_lines += f->tails[i].source.long_lines;
		restarts += f->tails[i].source.restarts;
	}
	for (int i = LEFT_OUT_NOT + 1; i < LEFT_OUT_COUNT; i++)
		if (c->left_out[i])
			buf_addf(&b, " %s=%llu", left_out_name((enum record_left_out)i), (unsigned long long)c->left_out[i]);
	log_info("stopping: lines=%llu attempts=%llu rejected=%llu long-lines=%llu rewritten=%llu links-forgotten=%llu%s",
		(unsigned long long)c->lines, (unsigned long long)c->attempts, (unsigned long long)c->rejected,
		(unsigned long long)long_lines, (unsigned long long)restarts, (unsigned long long)f->reader->links.evicted, buf_cstr(&b));
}

static void finish(struct follower *f)
{
	cli_notify("STOPPING=1");
	/* what was read is written, and where we are; a store that is away does not hold us up */
	for (size_t i = 0; i < f->n; i++) {
		if (f->tails[i].source.fd >= 0 && !f->tails[i].source.stream && f->tails[i].source.offset != f->tails[i].committed.offset && store_ready(f->store))
			if (!commit(f, &f->tails[i]))
				log_info("source=%s: the last lines are read again at the next start", f->tails[i].source.name);
	}
	tell_counts(f);
	for (size_t i = 0; i < f->n; i++) {
		source_free(&f->tails[i].source);
		arena_free(&f->tails[i].arena);
	}
	free(f->tails);
	ledger_free(&f->ledger);
	store_free(f->store);
	reader_free(f->reader);
	free(f->reader);
	free(f->record);
	ruleset_free(f->rules);
	close(f->signals);
	if (f->inotify >= 0)
		close(f->inotify);
}

int follow(struct config *config, struct ruleset *rules, const struct follow_options *options)
{
	struct follower f = { .config = config, .rules = rules, .options = options };

	f.signals = cli_signals();
	if (f.signals < 0) {
		log_fatal("cannot take signals: %m");
		return EXIT_CONFIG;
	}
	f.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	f.reader = xalloc(sizeof *f.reader);
	f.record = xalloc(sizeof *f.record);
	reader_init(f.reader, config, rules);
	f.store = store_redis(config);
	ledger_init(&f.ledger, f.store, config);
	f.n = options->n_files ? options->n_files : config->logtail_files.n;
	f.tails = xalloc(f.n * sizeof *f.tails);
	for (size_t i = 0; i < f.n; i++) {
		source_init(&f.tails[i].source, cli_hostname(), options->n_files ? options->files[i] : config->logtail_files.v[i]);
		f.tails[i].watch = -1;
	}
	if (options->show) {
		show_start(&f.show, config);
		f.ledger.watch = show_event;
		f.ledger.watch_arg = &f.show;
	}
	run(&f);
	int code = options->once && f.missing ? EXIT_NOT_FOUND : EXIT_OK;
	finish(&f);
	return code;
}
