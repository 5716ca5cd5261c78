#include "follow_parts.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "logname.h"
#include "places.h"

/* A position without facts is written after so many bytes, or so long. */
#define POSITION_BYTES ((uint64_t)1024 * 1024)
#define POSITION_MS 5000
/* While a batch is written the store is served so often. */
#define SERVICE_LINES 64
/* A rotated log that cannot be unpacked is tried again so often. */
#define BLOCKED_MS 5000
/* So many times as much with several partitions. */
#define PARTS_FACTOR_MAX 8

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
		watch_reload(f->watch);
		f->ledgers[0].surge = f->ledgers[1].surge = watch_surge(f->watch);
		log_info("reloaded: %zu rules", ruleset_count(rules));
	} else {
		log_error("reload refused, the old configuration stays: %s", err.text);
	}
	free(next);
	cli_notify("READY=1");
}

/* The store is kept going: a connection that is being made would be overdue when we come back. */
void follow_wait(struct follower *f, int64_t wait_ms, bool hold)
{
	store_service(f->store, 0);
	struct pollfd p[TAILS_MAX + 3] = { { f->signals, POLLIN, 0 }, { store_fd(f->store), store_events(f->store), 0 } };
	size_t n = 2 + tails_poll(&f->tails, p + 2, &wait_ms);
	int store_ms = store_timeout_ms(f->store);
	struct signalfd_siginfo signal;

	if (store_ms >= 0 && store_ms < wait_ms)
		wait_ms = store_ms;
	(void)poll(p, n, (int)wait_ms); /* a descriptor of -1 is left out */
	store_service(f->store, p[1].revents);
	while (read(f->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
		if (signal.ssi_signo == SIGHUP)
			reload(f);
		else
			f->stop = true;
	}
	tails_serve(&f->tails, hold);
}

/* ---- lines ---- */

/* Partitions get on one by one: what one holds already is not counted there again. */
static bool wants(void *follower, unsigned partition)
{
	const struct tail *t = ((struct follower *)follower)->reading;

	return t->source.stream || !place_covers(&t->committed[partition], &t->source);
}

static void add_fact(void *follower, const struct fact *fact)
{
	ledger_add(((struct follower *)follower)->ledger, fact);
}

static void tell_progress(struct follower *f)
{
	uint64_t total = 0;

	if (!f->options->show || f->ready)
		return;
	f->bytes = 0;
	for (size_t i = 0; i < f->tails.n; i++) {
		uint64_t size = source_size(&f->tails.v[i]->source);
		f->bytes += size ? f->tails.v[i]->source.offset : 0;
		total += size;
	}
	show_progress(&f->show, f->bytes, total, f->reader->counts.lines);
}

/* Is each log read as far as it is written: are its events of now? */
static bool nothing_left(const struct follower *f)
{
	for (size_t i = 0; i < f->tails.n; i++) {
		const struct source *s = &f->tails.v[i]->source;
		if (!f->tails.v[i]->ended || source_has_more(s))
			return false;
	}
	return true;
}

/* Two logs with the same lines: the counts are double, which nobody would see. */
static void look_for_twin(struct follower *f, struct tail *t, struct sv line)
{
	size_t number = f->tails.n > 1 ? twins_add(f->twins, line, t->number) : TWINS_NONE;
	struct tail *other = number == TWINS_NONE ? NULL : tails_find(&f->tails, number);

	if (!other || t->twin_told || other->twin_told)
		return;
	t->twin_told = true;
	log_warning("file=%s has the same lines as file=%s: what is in both counts twice; leave one of them out of logtail.files",
		t->source.path, other->source.path);
}

/* False: the line is behind the period, and not taken. */
static bool take_line(struct follower *f, struct tail *t, struct sv line)
{
	enum period_place place;
	enum record_kind kind = period_line(&f->options->period, f->reader, line, &t->source.anchor, f->record, &place);

	if (place == PERIOD_AFTER) {
		source_put_back(&t->source, line);
		return false;
	}
	t->event_s = t->source.anchor.time_s;
	if (kind == RECORD_LOSS || t->source.missed)
		health_lost(f->health, t->health, &t->source, f->record);
	if (kind == RECORD_DELIVERY)
		look_for_twin(f, t, line);
	if (kind == RECORD_REJECTED && log_limited(&f->rejected_limit, "lines that are no delivery results"))
		log_warning("file=%s: the line before byte %llu begins like a delivery result and is none; it is not counted",
			t->source.open_path, (unsigned long long)t->source.offset);
	if (kind != RECORD_NONE)
		record_facts(f->reader, f->record, add_fact, f);
	return true;
}

static void tell_health(struct follower *f, struct tail *t, bool missing)
{
	/* what is open is read to its end, and there is no new one */
	missing = missing || (t->source.moved && access(t->source.path, F_OK) != 0);
	const struct health_log log = { &t->source, t->source.stream ? NULL : places_oldest(t->committed, f->partitions), t->event_s, t->ended, missing, t->blocked_ms != 0 };

	health_turn(f->health, t->health, &log);
}

/* With several partitions a batch is one call for each: they shall not be small. */
static size_t parts_factor(const struct follower *f)
{
	return f->partitions > PARTS_FACTOR_MAX ? PARTS_FACTOR_MAX : f->partitions;
}

static bool position_is_old(const struct follower *f, const struct tail *t)
{
	if (t->source.stream)
		return false;
	const struct position *p = places_oldest(t->committed, f->partitions);
	uint64_t ahead = t->source.offset - p->offset;

	if (t->source.inode != p->inode || t->source.offset < p->offset)
		return t->source.offset > 0;
	return ahead > POSITION_BYTES * parts_factor(f) || (ahead > 0 && clock_mono_ms() - t->committed_ms > POSITION_MS);
}

/* One batch of one log. True: there may be more. */
static bool turn(struct follower *f, struct tail *t)
{
	enum source_result result;
	struct sv line;

	if (t->blocked_ms && clock_mono_ms() - t->blocked_ms >= BLOCKED_MS && !follow_go_to(f, t))
		return false;
	f->missing = f->missing || t->blocked_ms;
	if (t->blocked_ms || t->past) {
		tell_health(f, t, false);
		return false;
	}
	/* if it turns out that the log of the batch on its way has to be read again, that must not take lines of this one along */
	if (f->flight.tail != t && !follow_land(f))
		return false;
	f->reading = t;
	size_t batch = (size_t)f->config->logtail_batch * parts_factor(f); /* what is of every partition is there several times */
	int64_t day = t->event_s / CLOCK_DAY_S; /* of each day something else is usual (watch.h) */
	do {
		result = source_next(&t->source, &line);
		if (result != SOURCE_LINE)
			break;
		places_number(t, f->partitions);
		t->past = !take_line(f, t, line);
		result = t->past ? SOURCE_END : SOURCE_LINE;
		if (f->flight.ledger && f->reader->counts.lines % SERVICE_LINES == 0)
			store_service(f->store, 0);
	} while (!t->past && f->ledger->gathered < batch && f->ledger->n < 4 * batch && !(f->reader->counts.lines % 65536 == 0) &&
		(day == 0 || t->event_s / CLOCK_DAY_S == day));
	if (result == SOURCE_MISSING && !t->missing_told)
		log_warning("%s%s", t->source.problem, f->options->once ? "" : "; waiting for it");
	f->missing = f->missing || result == SOURCE_MISSING;
	t->missing_told = result == SOURCE_MISSING;
	t->ended = t->past || (result != SOURCE_LINE && !source_is_draining(&t->source));
	unsigned moves = f->moves;
	if (!follow_land(f))
		return false;
	if (f->moves != moves) /* what was read since is read again, from where it is now */
		return true;
	bool old = position_is_old(f, t);
	if (f->ledger->n > 0 || old)
		if (!follow_launch(f, t, old))
			return false;
	/* with nothing more to read there is nothing to do meanwhile */
	if (result != SOURCE_LINE && !follow_land(f))
		return false;
	bool again = tails_watch(&f->tails, t);
	watch_turn(f->watch, t->event_s, f->ready && result != SOURCE_LINE && nothing_left(f));
	tell_health(f, t, result == SOURCE_MISSING);
	return result == SOURCE_LINE || again || f->moves != moves;
}

/* How long to wait for news: there are none of a file that is made, or of an end of draining. */
static int64_t idle_ms(const struct follower *f)
{
	int64_t ms = f->config->logtail_poll_ms;

	for (size_t i = 0; i < f->tails.n; i++)
		if ((f->tails.v[i]->source.moved || f->tails.v[i]->source.rewritten_ms) && ms > SOURCE_DRAIN_MS)
			ms = SOURCE_DRAIN_MS;
	return ms;
}

static bool all_ended(const struct follower *f)
{
	for (size_t i = 0; i < f->tails.n; i++)
		if (!f->tails.v[i]->ended)
			return false;
	return true;
}

/* Standard input is read to its end; of others what is there. */
static bool may_end(const struct source *s)
{
	return s->closed || logname_kind(s->path) != LOGNAME_STDIN;
}

/* Nothing can come any more: standard input has ended, and the others are not waited for. */
static bool all_done(const struct follower *f)
{
	for (size_t i = 0; i < f->tails.n; i++)
		if (!f->tails.v[i]->ended || !(f->tails.v[i]->past || (f->options->once ? may_end(&f->tails.v[i]->source) : f->tails.v[i]->source.closed)))
			return false;
	return f->options->once || !tails_grow(&f->tails);
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

static bool begin(struct follower *f)
{
	struct err err;
	int64_t pause_ms = RETRY_MIN_MS;

	while ((f->partitions = store_partitions(f->store, &err)) == 0)
		if (!follow_pause(f, &pause_ms, &err))
			return false;
	for (int i = 0; i < 2; i++) {
		ledger_init(&f->ledgers[i], f->store, f->config);
		f->ledgers[i].wants = wants;
		f->ledgers[i].wants_arg = f;
	}
	f->ledger = &f->ledgers[0];
	f->ledgers[1].gaps = f->ledgers[0].gaps;
	f->health = health_new(&(struct health_parts){ f->store, f->config, f->ledger, f->options->once ? NULL : f->watch, f->reader });
	while (health_begin(f->health, &err) != STORE_OK)
		if (!follow_pause(f, &pause_ms, &err))
			return false;
	for (size_t i = 0; i < f->tails.n; i++)
		if (!follow_begin_tail(f, f->tails.v[i]))
			return false;
	follow_begin_watch(f);
	f->ledgers[0].surge = f->ledgers[1].surge = watch_surge(f->watch);
	return true;
}

/* Takes up the logs that came, and leaves those that went. */
static void renew_tails(struct follower *f)
{
	if (f->options->once)
		return;
	size_t n = tails_look(&f->tails);
	for (size_t i = f->tails.n - n; i < f->tails.n && !f->stop; i++) {
		log_info("%s is a new log; reading it from its beginning, or on", f->tails.v[i]->source.path);
		(void)follow_begin_tail(f, f->tails.v[i]); /* false: we are to stop */
	}
	for (size_t i = f->tails.n; i-- > 0 && !f->stop;) {
		if (!tail_is_over(f->tails.v[i]) || !follow_land(f) || !follow_leave_tail(f, f->tails.v[i]))
			continue;
		log_info("%s is gone, and was read to its end", f->tails.v[i]->source.path);
		source_leave(&f->tails.v[i]->source);
		if (f->tails.v[i]->committed && !f->tails.v[i]->source.stream && !follow_commit(f, f->tails.v[i], true))
			return;
		health_leave(f->health, f->tails.v[i]->health);
		tails_drop(&f->tails, i);
	}
}

static void run(struct follower *f)
{
	if (f->options->show)
		show_start(&f->show, f->config);
	if (!begin(f))
		return;
	if (f->options->show) {
		for (int i = 0; i < 2; i++) {
			f->ledgers[i].watch = show_event;
			f->ledgers[i].watch_arg = &f->show;
		}
	}
	while (!f->stop) {
		bool more = false;
		int64_t now_ms = clock_mono_ms();
		if (f->options->once || now_ms - f->all_ms >= idle_ms(f)) {
			renew_tails(f); /* not at every event: it looks at all files */
			tails_all_due(&f->tails);
			f->all_ms = now_ms;
		}
		/* old logs are read one after the other, as they are named */
		for (size_t i = 0; i < f->tails.n && !f->stop && !(more && f->options->once); i++) {
			struct tail *t = f->tails.v[i];
			t->due = t->due && turn(f, t);
			more = more || t->due;
		}
		if (!more)
			caught_up(f);
		else
			tell_progress(f);
		now_ms = clock_mono_ms();
		int64_t left_ms = f->all_ms + idle_ms(f) - now_ms;
		follow_wait(f, more || f->stop || left_ms < 0 ? 0 : left_ms, false);
		if (!more)
			follow_recheck(f);
	}
}

/* What was read, what was not counted and why, and which limits were hit. */
static void tell_counts(const struct follower *f)
{
	const struct reader_counts *c = &f->reader->counts;
	uint64_t long_lines = 0, restarts = 0;
	char room[400];
	struct buf b = BUF_ON(room);

	for (size_t i = 0; i < f->tails.n; i++) {
		long_lines += f->tails.v[i]->source.long_lines;
		restarts += f->tails.v[i]->source.restarts;
	}
	if (c->unparsed)
		buf_addf(&b, " not-syslog=%llu", (unsigned long long)c->unparsed);
	if (c->outside)
		buf_addf(&b, " outside=%llu", (unsigned long long)c->outside);
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
	(void)follow_land(f);
	/* what was read is written, and where we are; a store that is away does not hold us up */
	for (size_t i = 0; i < f->tails.n && f->partitions; i++) {
		if (!follow_leave_tail(f, f->tails.v[i]))
			log_info("source=%s: the last lines are read again at the next start", f->tails.v[i]->source.name);
	}
	health_stop(f->health, all_done(f));
	tell_counts(f);
	tails_free(&f->tails);
	for (int i = 0; i < 2 && f->partitions; i++)
		ledger_free(&f->ledgers[i]);
	arena_free(&f->flight.arena);
	health_free(f->health);
	twins_free(f->twins);
	watch_free(f->watch);
	store_free(f->store);
	reader_free(f->reader);
	free(f->reader);
	free(f->record);
	ruleset_free(f->rules);
	close(f->signals);
}

int follow(struct config *config, struct ruleset *rules, const struct follow_options *options)
{
	struct follower f = { .config = config, .rules = rules, .options = options };

	f.signals = cli_signals(NULL);
	if (f.signals < 0) {
		log_fatal("cannot take signals: %m");
		return EXIT_CONFIG;
	}
	f.reader = xalloc(sizeof *f.reader);
	f.record = xalloc(sizeof *f.record);
	reader_init(f.reader, config, rules);
	f.twins = twins_new();
	f.store = store_redis(config);
	tails_init(&f.tails, config, options->files, options->n_files, options->once);
	f.watch = watch_new(f.store, config, f.tails.name);
	run(&f);
	int code = options->once && (f.missing || tails_lack(&f.tails)) ? EXIT_NOT_FOUND : EXIT_OK;
	finish(&f);
	return code;
}
