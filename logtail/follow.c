#include "follow.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "health.h"
#include "journal.h"
#include "ledger.h"
#include "log.h"
#include "logname.h"
#include "reader.h"
#include "show.h"
#include "tails.h"
#include "twins.h"
#include "watch.h"

/* How much of a log is read back at a start, to know the messages in the queue again. */
#define READ_BACK_BYTES ((size_t)8 * 1024 * 1024)
/* A position without facts is written after so many bytes, or so long. */
#define POSITION_BYTES ((uint64_t)1024 * 1024)
#define POSITION_MS 5000
/* A reader that waits for lines looks so often whether the store has what it was told. */
#define RECHECK_MS 5000
/* While a batch is written the store is served so often. */
#define SERVICE_LINES 64
/* A rotated log that cannot be unpacked is tried again so often. */
#define BLOCKED_MS 5000
/* So many times as much with several partitions. */
#define PARTS_FACTOR_MAX 8
/* The pause after the store failed: doubles up to the maximum. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
/* That the store is away is told so often. */
#define AWAY_TOLD_MS 60000

/* A batch that the store is writing while the next is gathered. */
struct flight {
	struct ledger *ledger; /* NULL: none */
	struct tail *tail;
	struct arena arena;
	struct position to;
	bool everywhere;
};

struct follower {
	struct config *config;
	struct ruleset *rules;
	const struct follow_options *options;
	struct reader *reader;
	struct store *store;
	struct ledger *ledger; /* that gathers, of the two */
	struct ledger ledgers[2];
	struct flight flight;
	struct watch *watch;
	struct health *health; /* NULL: not yet */
	struct record *record;
	struct twins *twins;
	unsigned partitions;
	struct tails tails;
	const struct tail *reading; /* whose line the facts are of */
	struct show show;
	int signals;
	int64_t rechecked_ms, all_ms; /* all_ms: when all logs were looked at, also those of which no event tells */
	bool stop, ready, missing; /* missing: --once found a log that it cannot read */
	unsigned moves; /* so often a source was sent to another place, because the store is there */
	bool unwritten; /* stopped before the store had all: what comes later must not be written either */
	uint64_t bytes;
	int64_t away_told_ms; /* when it was told last that the store is away; 0: it is not */
	struct log_limit rejected_limit;
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
		watch_reload(f->watch);
		f->ledgers[0].surge = f->ledgers[1].surge = watch_surge(f->watch);
		log_info("reloaded: %zu rules", ruleset_count(rules));
	} else {
		log_error("reload refused, the old configuration stays: %s", err.text);
	}
	free(next);
	cli_notify("READY=1");
}

/* Waits for a signal, news of a log or of the store, or the time; takes signals. hold: no lines
 * can be taken until the store is back. The store is kept going: a connection that is being made
 * would be overdue when we come back. */
static void wait_for_change(struct follower *f, int64_t wait_ms, bool hold)
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

/* ---- positions ---- */

/* Is the place before the other, or the same? */
static bool not_behind(const struct position *p, uint64_t generation, uint64_t offset)
{
	return p->generation < generation || (p->generation == generation && p->offset <= offset);
}

/* Partitions get on one by one: what one holds already is not counted there again. */
static bool wants(void *follower, unsigned partition)
{
	const struct tail *t = ((struct follower *)follower)->reading;
	const struct position *p = &t->committed[partition];

	return t->source.stream || !p->at[0] || !not_behind(&(struct position){ .generation = t->source.generation, .offset = t->source.offset },
		p->generation, p->offset);
}

/* The next file may be one that some partition has been in before: then it is of that
 * generation, whatever files between the two are gone. So is an entry of a journal, whose
 * number is other when some before it are gone. */
static void number_place(struct follower *f, struct tail *t)
{
	struct source *s = &t->source;

	if (s->stream || (s->generation == t->generation && !t->catching_up))
		return;
	t->catching_up = false;
	for (unsigned p = 0; p < f->partitions; p++) {
		const struct position *c = &t->committed[p];
		bool ahead = s->counts ? c->at[0] && !not_behind(c, s->generation, s->offset) : c->generation > s->generation;
		if (ahead && source_is_at(s, c))
			source_renumber(s, c);
		else
			t->catching_up = t->catching_up || (ahead && s->counts);
	}
	t->generation = s->generation;
}

/* The places in the store, the oldest first, each once. Returns how many. */
static size_t sort_places(const struct follower *f, const struct tail *t, const struct position **places)
{
	size_t n = 0;

	for (unsigned p = 0; p < f->partitions; p++) {
		const struct position *one = &t->committed[p];
		size_t at = 0;
		while (at < n && not_behind(places[at], one->generation, one->offset))
			at++;
		if (!one->at[0] || (at > 0 && strcmp(places[at - 1]->at, one->at) == 0))
			continue;
		memmove(&places[at + 1], &places[at], (n - at) * sizeof *places);
		places[at] = one;
		n++;
	}
	return n;
}

struct relinking {
	struct follower *f;
	const struct tail *t;
};

static void relink(void *relinking, struct sv line)
{
	struct relinking *r = relinking;
	/* stamps without a year: near enough to where reading goes on */
	struct stamp_anchor anchor = { .time_s = r->t->event_s };

	(void)reader_line(r->f->reader, line, &anchor, r->f->record);
}

/* Is what it holds at the start not to be read? */
static bool begins_at_end(const struct follower *f, const struct tail *t)
{
	return f->config->logtail_start == START_END && !t->late;
}

/* A partition without a place, while others have one: its server had not heard of it yet when it took
 * over, and has nothing of this log. Then the oldest place is the beginning, if that is where we began; else false. */
static bool make_beginning(const struct follower *f, const struct tail *t, const struct position *oldest, struct position *beginning_r)
{
	unsigned blank = 0;

	*beginning_r = *oldest;
	for (unsigned p = 0; p < f->partitions; p++)
		blank += !t->committed[p].at[0];
	if (blank == 0)
		return true;
	if (oldest->generation > 0 || begins_at_end(f, t)) {
		log_warning("source=%s: %u partitions have no place; lines from before %s %llu of %.*s may be missing in their counts",
			t->source.name, blank, t->source.counts ? "entry" : "byte", (unsigned long long)oldest->offset, SV_ARG(oldest->path));
		return false;
	}
	if (t->source.counts)
		(void)snprintf(beginning_r->cursor, sizeof beginning_r->cursor, JOURNAL_HEAD);
	beginning_r->offset = beginning_r->head_bytes = beginning_r->tail_bytes = 0;
	beginning_r->head_hash = beginning_r->tail_hash = sv_hash(sv_make("", 0));
	return true;
}

/* Goes to where the store says, which is in t->committed. */
static void go_to(struct follower *f, struct tail *t)
{
	struct reader_counts counts = f->reader->counts;
	const struct position **places = xalloc((f->partitions + 1) * sizeof *places);
	struct position beginning;
	char where[sizeof t->source.open_path + 64];
	size_t n = sort_places(f, t, places);

	if (n) {
		t->source.missed += !make_beginning(f, t, places[0], &beginning);
		places[0] = &beginning;
	}
	t->event_s = n ? places[0]->time_s : 0;
	bool found = source_resume(&t->source, places, n, begins_at_end(f, t));
	source_tell(&t->source, where, sizeof where);
	if (t->source.blocked && !t->blocked_ms)
		log_warning("%s; waiting, nothing is lost", t->source.problem);
	else if (!t->source.blocked && !found)
		log_warning("%s; lines may be missing in the counts; %s", t->source.problem, where);
	t->ended = t->source.blocked;
	t->past = false;
	t->due = true;
	t->blocked_ms = t->source.blocked ? clock_mono_ms() : 0;
	t->generation = t->source.generation;
	t->catching_up = t->source.counts;
	if (n && found) {
		struct relinking r = { f, t };
		source_read_back(&t->source, READ_BACK_BYTES, relink, &r);
		f->reader->counts = counts; /* read again is not counted again */
	}
	t->source.problem[0] = '\0';
	t->committed_ms = clock_mono_ms();
	free(places);
}

/* Waits until the store answers; tells why it does not. False: we are to stop. */
static bool pause_for_store(struct follower *f, int64_t *pause_ms, const struct err *err)
{
	int64_t end_ms = clock_mono_ms() + *pause_ms, left_ms = *pause_ms;
	char room[80];
	struct buf lag = BUF_ON(room);

	health_away(f->health, &lag);
	if (!f->away_told_ms || clock_mono_ms() - f->away_told_ms >= AWAY_TOLD_MS) {
		f->away_told_ms = clock_mono_ms();
		log_warning("waiting, nothing is lost: %s%s%s", err->text, lag.n ? "; " : "", buf_cstr(&lag));
	}
	do { /* to ask again at each line would be waiting too, for its answer, and who logs into a socket cannot wait */
		wait_for_change(f, left_ms, true);
		left_ms = end_ms - clock_mono_ms();
	} while (left_ms > 0 && tails_hold(&f->tails) && !f->stop && !store_ready(f->store));
	*pause_ms = *pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : *pause_ms * 2;
	return !f->stop;
}

/* Asks the store where it is, partition by partition. False: we are to stop. */
static bool ask_positions(struct follower *f, const struct tail *t, struct position *positions_r)
{
	struct err err;
	int64_t pause_ms = RETRY_MIN_MS;

	while (store_positions(f->store, sv_of(t->source.name), positions_r, &err) != STORE_OK)
		if (!pause_for_store(f, &pause_ms, &err))
			return false;
	return true;
}

/* What was counted in the store is the truth; what was counted here since is read again. */
static void begin_watch(struct follower *f)
{
	int64_t newest_s = 0;
	struct err err;

	for (size_t i = 0; i < f->tails.n; i++)
		newest_s = f->tails.v[i]->event_s > newest_s ? f->tails.v[i]->event_s : newest_s;
	if (watch_begin(f->watch, newest_s, &err) != STORE_OK)
		log_warning("the brake begins without what was counted before: %s", err.text);
}

enum settled { SETTLED_STOP, SETTLED_AGAIN, SETTLED_DONE };

/* After a doubtful commit: where did it happen? AGAIN: not everywhere yet. */
static enum settled settle(struct follower *f, struct tail *t, const struct position *to)
{
	struct position *now = xalloc(f->partitions * sizeof *now);
	bool elsewhere = false;

	if (!ask_positions(f, t, now)) {
		free(now);
		return SETTLED_STOP;
	}
	for (unsigned p = 0; p < f->partitions; p++) {
		if (strcmp(now[p].at, to->at) == 0)
			ledger_forget_part(f->flight.ledger, p); /* the answer was lost, the work was not */
		else if (strcmp(now[p].at, t->committed[p].at) != 0)
			elsewhere = true;
	}
	memcpy(t->committed, now, f->partitions * sizeof *now);
	free(now);
	if (elsewhere) {
		log_warning("source=%s is at another place in the store: another reader, or Redis lost its last writes; going there",
			t->source.name);
		ledger_forget(f->flight.ledger);
		ledger_forget(f->ledger);
		f->moves++;
		go_to(f, t);
		begin_watch(f);
		return SETTLED_DONE;
	}
	return SETTLED_AGAIN; /* with nothing left to write, that is nothing */
}

static struct position *places_of(struct tail *t)
{
	return t->source.stream ? NULL : t->committed;
}

/* Waits as long as it takes until the batch that is on its way is written. False: we are to
 * stop, nothing is lost: the log has it still. */
static bool land(struct follower *f)
{
	struct flight *flight = &f->flight;
	struct tail *t = flight->tail;
	struct err err = { "" };
	int64_t pause_ms = RETRY_MIN_MS;
	enum settled settled = SETTLED_AGAIN;

	if (!flight->ledger)
		return true;
	enum store_result result = ledger_finish(flight->ledger, &err);
	while (settled == SETTLED_AGAIN) {
		if (result == STORE_OK) {
			settled = SETTLED_DONE;
			t->committed_ms = flight->everywhere ? clock_mono_ms() : t->committed_ms;
			break;
		}
		if (result != STORE_MOVED && !pause_for_store(f, &pause_ms, &err))
			settled = SETTLED_STOP;
		else if (places_of(t)) /* a stream has no position to ask for: it may count a batch twice */
			settled = settle(f, t, &flight->to);
		if (settled == SETTLED_AGAIN)
			result = ledger_commit(flight->ledger, places_of(t), places_of(t) ? &flight->to : NULL, flight->everywhere, &err);
	}
	flight->ledger = NULL;
	f->away_told_ms = settled == SETTLED_DONE ? 0 : f->away_told_ms;
	f->unwritten = settled != SETTLED_DONE;
	return !f->unwritten;
}

/* Writes what is gathered, and the position, everywhere or where there are facts. */
static bool launch(struct follower *f, struct tail *t, bool everywhere)
{
	struct flight *flight = &f->flight;

	if (!land(f))
		return false;
	arena_reset(&flight->arena);
	source_position(&t->source, &flight->arena, t->event_s, &flight->to);
	flight->ledger = f->ledger;
	flight->tail = t;
	flight->everywhere = everywhere;
	ledger_start(flight->ledger, places_of(t), places_of(t) ? &flight->to : NULL, everywhere);
	f->ledger = &f->ledgers[f->ledger == &f->ledgers[0]];
	return true;
}

static bool commit(struct follower *f, struct tail *t, bool everywhere)
{
	return launch(f, t, everywhere) && land(f);
}

/* With several partitions a batch is one call for each: they shall not be small. */
static size_t parts_factor(const struct follower *f)
{
	return f->partitions > PARTS_FACTOR_MAX ? PARTS_FACTOR_MAX : f->partitions;
}

/* The place that a restart would begin at */
static const struct position *oldest_place(const struct follower *f, const struct tail *t)
{
	const struct position *oldest = &t->committed[0];

	for (unsigned p = 1; p < f->partitions; p++)
		if (!not_behind(oldest, t->committed[p].generation, t->committed[p].offset))
			oldest = &t->committed[p];
	return oldest;
}

static bool position_is_old(const struct follower *f, const struct tail *t)
{
	if (t->source.stream)
		return false;
	const struct position *p = oldest_place(f, t);
	uint64_t ahead = t->source.offset - p->offset;

	if (t->source.inode != p->inode || t->source.offset < p->offset)
		return t->source.offset > 0;
	return ahead > POSITION_BYTES * parts_factor(f) || (ahead > 0 && clock_mono_ms() - t->committed_ms > POSITION_MS);
}

/* A log that was never read gets its first place in all partitions before anything is counted
 * in one. False: we are to stop. */
static bool go_to_first(struct follower *f, struct tail *t)
{
	go_to(f, t);
	return f->partitions == 1 || t->source.fd < 0 || t->blocked_ms || commit(f, t, true);
}

/* Where the log was left */
static bool begin_tail(struct follower *f, struct tail *t)
{
	t->health = health_watch(f->health);
	t->committed = xalloc(f->partitions * sizeof *t->committed);
	return t->source.stream || (ask_positions(f, t, t->committed) && go_to_first(f, t));
}

/* Writes where we are in it, if that is not written. False: it could not be, nothing is lost. */
static bool leave_tail(struct follower *f, struct tail *t)
{
	if (f->unwritten || t->source.fd < 0 || t->source.stream || !t->committed || t->source.offset == oldest_place(f, t)->offset ||
	    !store_ready(f->store))
		return true;
	return commit(f, t, true);
}

/* ---- lines ---- */

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
	const struct health_log log = { &t->source, t->source.stream ? NULL : oldest_place(f, t), t->event_s, t->ended, missing, t->blocked_ms != 0 };

	health_turn(f->health, t->health, &log);
}

/* One batch of one log. True: there may be more. */
static bool turn(struct follower *f, struct tail *t)
{
	enum source_result result;
	struct sv line;

	if (t->blocked_ms && clock_mono_ms() - t->blocked_ms >= BLOCKED_MS && !go_to_first(f, t))
		return false;
	f->missing = f->missing || t->blocked_ms;
	if (t->blocked_ms || t->past) {
		tell_health(f, t, false);
		return false;
	}
	/* if it turns out that the log of the batch on its way has to be read again, that must not take lines of this one along */
	if (f->flight.tail != t && !land(f))
		return false;
	f->reading = t;
	size_t batch = (size_t)f->config->logtail_batch * parts_factor(f); /* what is of every partition is there several times */
	int64_t day = t->event_s / CLOCK_DAY_S; /* of each day something else is usual (watch.h) */
	do {
		result = source_next(&t->source, &line);
		if (result != SOURCE_LINE)
			break;
		number_place(f, t);
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
	if (!land(f))
		return false;
	if (f->moves != moves) /* what was read since is read again, from where it is now */
		return true;
	bool old = position_is_old(f, t);
	if (f->ledger->n > 0 || old)
		if (!launch(f, t, old))
			return false;
	/* with nothing more to read there is nothing to do meanwhile */
	if (result != SOURCE_LINE && !land(f))
		return false;
	bool again = tails_watch(&f->tails, t);
	watch_turn(f->watch, t->event_s, f->ready && result != SOURCE_LINE && nothing_left(f));
	tell_health(f, t, result == SOURCE_MISSING);
	return result == SOURCE_LINE || again || f->moves != moves;
}

/* A server that lost its last writes, or a replica of it that never had them, says nothing of it, and
 * the next line may come tomorrow: what is missing is read again. */
static void recheck(struct follower *f, struct tail *t)
{
	struct position *now = xalloc(f->partitions * sizeof *now);
	bool lost = false;
	struct err err;

	if (store_positions(f->store, sv_of(t->source.name), now, &err) == STORE_OK) {
		for (unsigned p = 0; p < f->partitions; p++)
			lost = lost || (strcmp(now[p].at, t->committed[p].at) != 0 && not_behind(&now[p], t->committed[p].generation, t->committed[p].offset));
		/* who is ahead is another reader: what it counted is not counted here */
		memcpy(t->committed, now, f->partitions * sizeof *now);
	}
	free(now);
	if (!lost)
		return;
	log_warning("source=%s: Redis lost its last writes; reading them again", t->source.name);
	go_to(f, t);
	begin_watch(f);
}

static void recheck_all(struct follower *f)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms - f->rechecked_ms < RECHECK_MS)
		return;
	f->rechecked_ms = now_ms;
	for (size_t i = 0; i < f->tails.n; i++)
		if (f->tails.v[i]->ended && !f->tails.v[i]->source.stream)
			recheck(f, f->tails.v[i]);
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
		if (!pause_for_store(f, &pause_ms, &err))
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
		if (!pause_for_store(f, &pause_ms, &err))
			return false;
	for (size_t i = 0; i < f->tails.n; i++)
		if (!begin_tail(f, f->tails.v[i]))
			return false;
	begin_watch(f);
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
		(void)begin_tail(f, f->tails.v[i]); /* false: we are to stop */
	}
	for (size_t i = f->tails.n; i-- > 0 && !f->stop;) {
		if (!tail_is_over(f->tails.v[i]) || !land(f) || !leave_tail(f, f->tails.v[i]))
			continue;
		log_info("%s is gone, and was read to its end", f->tails.v[i]->source.path);
		source_leave(&f->tails.v[i]->source);
		if (f->tails.v[i]->committed && !f->tails.v[i]->source.stream && !commit(f, f->tails.v[i], true))
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
		wait_for_change(f, more || f->stop || left_ms < 0 ? 0 : left_ms, false);
		if (!more)
			recheck_all(f);
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
	(void)land(f);
	/* what was read is written, and where we are; a store that is away does not hold us up */
	for (size_t i = 0; i < f->tails.n && f->partitions; i++) {
		if (!leave_tail(f, f->tails.v[i]))
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
