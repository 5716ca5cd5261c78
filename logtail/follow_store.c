/* The reader's loop: what the store has of each log, the batches that are on their way to it, and what
 * is done when it is in doubt: what it has is the truth, and what it has not is read again. */
#include "follow_parts.h"

#include <stdlib.h>

#include "buf.h"
#include "clock.h"
#include "places.h"

/* How much of a log is read back at a start, to know the messages in the queue again. */
#define READ_BACK_BYTES ((size_t)8 * 1024 * 1024)
/* A reader that waits for lines looks so often whether the store has what it was told. */
#define RECHECK_MS 5000
/* That the store is away is told so often. */
#define AWAY_TOLD_MS 60000

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

/* Goes to where the store says, which is in t->committed. */
static void go_to(struct follower *f, struct tail *t)
{
	struct reader_counts counts = f->reader->counts;
	const struct position **places = xalloc((f->partitions + 1) * sizeof *places);
	struct position beginning;
	char where[sizeof t->source.open_path + 64];
	bool at_end = f->config->logtail_start == START_END && !t->late; /* is what it holds at the start not to be read? */
	size_t n = places_sort(t->committed, f->partitions, places);

	if (n) {
		t->source.missed += !places_beginning(t, f->partitions, places[0], at_end, &beginning);
		places[0] = &beginning;
	}
	t->event_s = n ? places[0]->time_s : 0;
	bool found = source_resume(&t->source, places, n, at_end);
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

bool follow_pause(struct follower *f, int64_t *pause_ms, const struct err *err)
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
		follow_wait(f, left_ms, true);
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
		if (!follow_pause(f, &pause_ms, &err))
			return false;
	return true;
}

void follow_begin_watch(struct follower *f)
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
		follow_begin_watch(f);
		return SETTLED_DONE;
	}
	return SETTLED_AGAIN; /* with nothing left to write, that is nothing */
}

static struct position *places_of(struct tail *t)
{
	return t->source.stream ? NULL : t->committed;
}

bool follow_land(struct follower *f)
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
		if (result != STORE_MOVED && !follow_pause(f, &pause_ms, &err))
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

bool follow_launch(struct follower *f, struct tail *t, bool everywhere)
{
	struct flight *flight = &f->flight;

	if (!follow_land(f))
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

bool follow_commit(struct follower *f, struct tail *t, bool everywhere)
{
	return follow_launch(f, t, everywhere) && follow_land(f);
}

bool follow_go_to(struct follower *f, struct tail *t)
{
	go_to(f, t);
	return f->partitions == 1 || t->source.fd < 0 || t->blocked_ms || follow_commit(f, t, true);
}

bool follow_begin_tail(struct follower *f, struct tail *t)
{
	t->health = health_watch(f->health);
	t->committed = xalloc(f->partitions * sizeof *t->committed);
	return t->source.stream || (ask_positions(f, t, t->committed) && follow_go_to(f, t));
}

bool follow_leave_tail(struct follower *f, struct tail *t)
{
	if (f->unwritten || t->source.fd < 0 || t->source.stream || !t->committed || t->source.offset == places_oldest(t->committed, f->partitions)->offset ||
	    !store_ready(f->store))
		return true;
	return follow_commit(f, t, true);
}

/* A server that lost its last writes, or a replica of it that never had them, says nothing of it, and
 * the next line may come tomorrow: what is missing is read again. */
static void recheck(struct follower *f, struct tail *t)
{
	struct position *now = xalloc(f->partitions * sizeof *now);
	bool lost = false;
	struct err err;

	if (store_positions(f->store, sv_of(t->source.name), now, &err) == STORE_OK) {
		lost = places_lost(t->committed, now, f->partitions);
		/* who is ahead is another reader: what it counted is not counted here */
		memcpy(t->committed, now, f->partitions * sizeof *now);
	}
	free(now);
	if (!lost)
		return;
	log_warning("source=%s: Redis lost its last writes; reading them again", t->source.name);
	go_to(f, t);
	follow_begin_watch(f);
}

void follow_recheck(struct follower *f)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms - f->rechecked_ms < RECHECK_MS)
		return;
	f->rechecked_ms = now_ms;
	for (size_t i = 0; i < f->tails.n; i++)
		if (f->tails.v[i]->ended && !f->tails.v[i]->source.stream)
			recheck(f, f->tails.v[i]);
}
