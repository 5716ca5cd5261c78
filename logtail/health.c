#include "health.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "log.h"
#include "source_files.h"

struct watched_log {
	struct watched_log *next;
	struct health_log now;        /* as the loop said last; `place` is in store_place */
	struct position store_place;  /* its numbers */
	struct reader_state state;    /* what is counted here; the rest is made when it is written */
	bool turned, fresh;           /* fresh: it was never read before, and not to its end yet */
	bool live;                    /* lines have come of late: that none comes is news */
	int64_t written_ms, missing_ms;
	int64_t caught_up_s;          /* when all was read, last */
	int64_t line_s;               /* when a line came, last */
	uint64_t lines_seen, lines_written;
	struct { int64_t since_s, until_s, lines, times; } lost; /* of the alert */
};

struct health {
	struct health_parts parts;
	int64_t looked_ms;
	struct log_limit lost_limit;
	struct reader_counts counted; /* those are of all logs: what came since is of the one that was read */
	struct { int64_t since_s, lag_s; uint64_t lag_bytes; } away; /* of the store; since 0: it is there */
	struct watched_log *logs; /* the newest first */
};

struct health *health_new(const struct health_parts *parts)
{
	struct health *h = xalloc(sizeof *h);

	h->parts = *parts;
	return h;
}

void health_free(struct health *h)
{
	while (h && h->logs) {
		struct watched_log *l = h->logs;
		h->logs = l->next;
		free(l);
	}
	free(h);
}

struct watched_log *health_watch(struct health *h)
{
	struct watched_log *l = xalloc(sizeof *l);

	l->state.started_s = clock_now_s();
	l->next = h->logs;
	h->logs = l;
	return l;
}

enum store_result health_begin(struct health *h, struct err *err)
{
	h->looked_ms = clock_mono_ms();
	return gaps_read(h->parts.ledger->gaps, h->parts.store, &h->parts.config->conversions, err);
}

/* ---- loss ---- */

/* What hides no delivery is no loss: of a message that was forgotten the deliveries are
 * understood all the same, and one that is rewritten is read again. */
void health_lost(struct health *h, struct watched_log *l, struct source *source, const struct record *record)
{
	bool told = record->kind == RECORD_LOSS;
	int64_t lines = (told ? record->lost : 0) + (int64_t)source->missed_lines;
	int64_t time_s = source->anchor.time_s, now_s = clock_now_s();

	ledger_lost(h->parts.ledger, sv_of(source->name), time_s);
	l->state.lost_lines += lines;
	l->state.gaps++;
	if (now_s >= l->lost.until_s) {
		l->lost.since_s = time_s < now_s ? time_s : now_s;
		l->lost.lines = l->lost.times = 0;
	}
	l->lost.until_s = (time_s < now_s ? time_s : now_s) + HEALTH_LOST_S; /* of an old log that is over */
	l->lost.lines += lines;
	l->lost.times++;
	if (!h->parts.watch && log_limited(&h->lost_limit, "lost lines")) /* else there is an alert */
		log_warning("source=%s: lines are lost%s", source->name, told ? ", says what writes the log" : "");
	source->missed = source->missed_lines = 0;
}

/* ---- how far ---- */

static void take_counts(struct health *h, struct watched_log *l)
{
	const struct reader_counts *c = &h->parts.reader->counts;

	l->state.attempts += (int64_t)(c->attempts - h->counted.attempts);
	l->state.rejected += (int64_t)(c->rejected - h->counted.rejected);
	h->counted = *c;
}

/* Bytes of the files that will be read after the open one. */
static uint64_t younger_bytes(const struct source *s)
{
	struct candidate *v;
	uint64_t bytes = 0;
	bool after = false;

	if (strcmp(s->open_path, s->path) == 0)
		return 0;
	size_t n = source_files(s->path, &v);
	for (size_t i = 0; i < n; i++) {
		bytes += after ? (uint64_t)v[i].st.st_size : 0;
		after = after || (v[i].st.st_ino == s->inode && v[i].st.st_dev == s->device);
	}
	free(v);
	return bytes;
}

/* What the mail system has written, and the store has not. A line without its end is not written yet. */
static uint64_t lag_bytes(const struct watched_log *l)
{
	const struct source *s = l->now.source;
	struct stat st;

	if (s->stream || s->counts || l->now.missing) /* of a journal nobody knows */
		return 0;
	if (s->fd < 0)
		return stat(s->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	uint64_t size = source_size(s), partial = l->now.ended ? s->read_offset - s->offset : 0;
	uint64_t from = l->store_place.inode == s->inode && l->store_place.generation == s->generation ? l->store_place.offset : 0;
	uint64_t end = size > partial ? size - partial : 0;
	return (end > from ? end - from : 0) + younger_bytes(s);
}

/* All that is written was read. What of it is not in the store yet, at the end of a batch, tells of no delivery. */
static bool is_read(const struct health_log *log)
{
	return log->ended && !log->missing && !log->blocked && (log->source->stream || source_size(log->source) <= log->source->read_offset);
}

/* What was written before the log was caught up last is in the store. */
static int64_t lag_s(const struct watched_log *l, uint64_t bytes)
{
	int64_t known_s = l->store_place.time_s ? l->store_place.time_s : l->now.event_s;

	if (bytes == 0 && l->now.ended && !l->now.blocked)
		return 0;
	if (l->caught_up_s > known_s)
		known_s = l->caught_up_s;
	int64_t s = clock_now_s() - known_s;
	return known_s && s > 0 ? s : 0;
}

static enum reader_doing doing_of(const struct watched_log *l, uint64_t bytes)
{
	if (l->now.missing)
		return READER_MISSING;
	if (l->now.blocked)
		return READER_BLOCKED;
	if (!l->now.ended)
		return READER_READING;
	return bytes ? READER_WAITING : READER_CAUGHT_UP;
}

static int64_t idle_s(const struct watched_log *l, int64_t now_s)
{
	int64_t last_s = l->line_s ? l->line_s : l->now.event_s ? l->now.event_s : l->state.started_s;

	return now_s > last_s ? now_s - last_s : 0;
}

/* ---- alerts ---- */

static void judge(struct health *h, const struct watched_log *l, enum alert_kind kind, bool open, int64_t since_s, int64_t until_s,
	int64_t count, int64_t base)
{
	int64_t now_s = clock_now_s();
	const struct alert alert = { .kind = kind, .dimension = SV("log"), .value = sv_of(l->now.source->name), .since_s = since_s, .opened_s = now_s,
		.seen_s = now_s, .until_s = until_s, .count = count, .base = base, .by = sv_of(l->now.source->name) };

	watch_log(h->parts.watch, &alert, open);
}

static void judge_lost(struct health *h, struct watched_log *l)
{
	const struct alert *was = watch_log_alert(h->parts.watch, ALERT_LOG_LOST, sv_of(l->now.source->name));

	/* what was lost before a restart */
	if (was && l->lost.since_s != was->since_s && was->until_s > clock_now_s()) {
		l->lost.since_s = was->since_s;
		l->lost.lines += was->count;
		l->lost.times += was->base;
		l->lost.until_s = l->lost.until_s > was->until_s ? l->lost.until_s : was->until_s;
	}
	judge(h, l, ALERT_LOG_LOST, clock_now_s() < l->lost.until_s, l->lost.since_s, l->lost.until_s, l->lost.lines, l->lost.times);
}

static void judge_log(struct health *h, struct watched_log *l)
{
	const struct config *c = h->parts.config;
	int64_t now_s = clock_now_s(), up_s = now_s - l->state.started_s, idle = l->state.idle_s, lag = l->state.lag_s;
	struct sv name = sv_of(l->now.source->name);
	bool waits = l->state.doing == READER_CAUGHT_UP || l->state.doing == READER_WAITING;
	/* open until it is half as much, so that it does not flap */
	int64_t lag_limit_ms = c->alerts_log_lag_ms / (watch_log_alert(h->parts.watch, ALERT_LOG_BEHIND, name) ? 2 : 1);
	bool missing = l->missing_ms && clock_mono_ms() - l->missing_ms >= HEALTH_MISSING_MS;

	judge_lost(h, l);
	if (l->now.source->stream)
		return;
	/* who has just been started gives the log its time, and itself some to catch up */
	if (idle > up_s && !watch_log_alert(h->parts.watch, ALERT_LOG_IDLE, name))
		idle = up_s;
	bool behind = lag * 1000 > lag_limit_ms && (l->now.blocked ||
		up_s >= HEALTH_CATCH_UP_S || up_s * 1000 >= c->alerts_log_lag_ms || watch_log_alert(h->parts.watch, ALERT_LOG_BEHIND, name));
	waits = waits && (l->live || watch_log_alert(h->parts.watch, ALERT_LOG_IDLE, name));
	judge(h, l, ALERT_LOG_IDLE, waits && c->alerts_log_idle_ms && idle * 1000 > c->alerts_log_idle_ms, now_s - idle, 0, idle, c->alerts_log_idle_ms / 1000);
	judge(h, l, ALERT_LOG_BEHIND, !l->fresh && c->alerts_log_lag_ms && behind, now_s - lag, 0, lag, l->state.lag_bytes);
	judge(h, l, ALERT_LOG_MISSING, missing, now_s - (missing ? (clock_mono_ms() - l->missing_ms) / 1000 : 0), 0, 0, 0);
}

/* ---- told ---- */

static void describe(struct health *h, struct watched_log *l, int64_t now_ms)
{
	const struct source *s = l->now.source;
	struct reader_state *r = &l->state;
	int64_t apart_ms = l->written_ms ? now_ms - l->written_ms : 0;
	uint64_t lag = lag_bytes(l);

	r->source = sv_of(s->name);
	r->version = SV(NIXIE_VERSION);
	r->host = sv_of(cli_hostname());
	r->path = sv_of(s->path);
	r->file = sv_of(s->open_path);
	r->pid = getpid();
	r->updated_s = clock_now_s();
	r->offset = (int64_t)s->offset;
	r->size = (int64_t)source_size(s);
	r->lag_bytes = (int64_t)lag;
	r->lag_s = lag_s(l, lag);
	r->doing = doing_of(l, lag);
	r->lines = (int64_t)s->lines;
	r->long_lines = (int64_t)s->long_lines;
	r->rewritten = (int64_t)s->restarts;
	r->links = (int64_t)h->parts.reader->links.map.n;
	r->links_evicted = (int64_t)h->parts.reader->links.evicted;
	r->last_event_s = l->now.event_s > 0 ? l->now.event_s : 0;
	r->idle_s = idle_s(l, r->updated_s);
	r->tenths_per_s = apart_ms > 0 ? (int64_t)(s->lines - l->lines_written) * 10000 / apart_ms : 0;
	l->written_ms = now_ms;
	l->lines_written = s->lines;
}

/* Of a store that is away others tell. */
static bool write_state(struct health *h, const struct watched_log *l)
{
	struct err err;

	if (!store_ready(h->parts.store))
		return false;
	if (store_reader(h->parts.store, &l->state, &err) == STORE_OK)
		return true;
	log_debug("source=%s: its state is not written: %s", l->now.source->name, err.text);
	return false;
}

static void tell_caught_up(struct health *h)
{
	for (const struct watched_log *l = h->logs; l; l = l->next)
		if (l->turned && !l->now.missing && l->caught_up_s < h->away.since_s)
			return;
	log_info("caught up again: the store was away, lag=%llds lag-bytes=%llu at most", (long long)h->away.lag_s,
		(unsigned long long)h->away.lag_bytes);
	h->away.since_s = h->away.lag_s = 0;
	h->away.lag_bytes = 0;
}

static void look_around(struct health *h, int64_t now_ms)
{
	struct err err;

	if (now_ms - h->looked_ms < READER_STATE_MS || !store_ready(h->parts.store))
		return;
	if (health_begin(h, &err) != STORE_OK)
		log_debug("what other readers lost is not known: %s", err.text);
}

void health_turn(struct health *h, struct watched_log *l, const struct health_log *log)
{
	int64_t now_ms = clock_mono_ms();

	l->now = *log;
	l->now.place = NULL;
	if (log->place)
		l->store_place = *log->place;
	if (!l->turned) {
		l->fresh = log->place && (!log->place->time_s || !log->place->offset); /* its first place may be there already, in several partitions */
		l->live = !l->fresh && clock_now_s() - log->event_s < HEALTH_LIVE_S;
	}
	l->turned = true;
	take_counts(h, l);
	if (log->source->lines != l->lines_seen) {
		l->line_s = clock_now_s();
		l->live = l->live || l->caught_up_s;
	}
	l->lines_seen = log->source->lines;
	l->missing_ms = !log->missing ? 0 : l->missing_ms ? l->missing_ms : now_ms;
	if (is_read(log)) {
		l->caught_up_s = clock_now_s();
		l->fresh = false;
		if (h->away.since_s)
			tell_caught_up(h);
	}
	look_around(h, now_ms);
	if (l->written_ms && now_ms - l->written_ms < READER_STATE_MS)
		return;
	if (!h->parts.watch && log->missing)
		return; /* a name that was mistyped is no log to look after */
	describe(h, l, now_ms);
	(void)write_state(h, l); /* it is written again soon */
	if (h->parts.watch)
		judge_log(h, l);
}

void health_away(struct health *h, struct buf *to)
{
	int64_t most_s = 0;
	uint64_t bytes = 0;
	bool known = false;

	if (!h)
		return;
	for (const struct watched_log *l = h->logs; l; l = l->next) {
		if (!l->turned)
			continue;
		uint64_t one = lag_bytes(l);
		int64_t s = lag_s(l, one);
		known = true;
		bytes += one;
		most_s = s > most_s ? s : most_s;
	}
	if (!known)
		return;
	buf_addf(to, "lag=%llds lag-bytes=%llu", (long long)most_s, (unsigned long long)bytes);
	h->away.since_s = h->away.since_s ? h->away.since_s : clock_now_s();
	h->away.lag_s = most_s > h->away.lag_s ? most_s : h->away.lag_s;
	h->away.lag_bytes = bytes > h->away.lag_bytes ? bytes : h->away.lag_bytes;
}

void health_stop(struct health *h, bool done)
{
	for (struct watched_log *l = h ? h->logs : NULL; l; l = l->next) {
		if (!l->turned || (!h->parts.watch && l->now.missing))
			continue;
		describe(h, l, clock_mono_ms());
		if (l->state.doing != READER_MISSING || !done)
			l->state.doing = done ? READER_DONE : READER_STOPPED;
		if (!write_state(h, l))
			return; /* a store that is away does not hold us up */
	}
}

void health_leave(struct health *h, struct watched_log *l)
{
	struct watched_log **at = &h->logs;

	if (l->turned) {
		describe(h, l, clock_mono_ms());
		l->state.doing = READER_DONE;
		(void)write_state(h, l);
	}
	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	free(l);
}
