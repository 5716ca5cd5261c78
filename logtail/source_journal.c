/* The systemd journal: its place is a cursor, its offset a number of entries (journal.h). */
#include <stdio.h>

#include "clock.h"
#include "journal.h"
#include "log.h"
#include "logname.h"
#include "source_ops.h"

/* What is read back is bounded in bytes; an entry is taken for so many. */
#define ENTRY_BYTES 256
/* Opened anew when nothing comes for so long: another directory may be the one in use now. */
#define REOPEN_MS 60000

static void journal_init(struct source *s)
{
	s->counts = true;
}

static void close_journal(struct source *s)
{
	journal_close(s->journal);
	s->journal = NULL;
	s->fd = -1;
	s->quiet_since_ms = 0;
}

static bool open_journal(struct source *s)
{
	struct err err;

	close_journal(s);
	s->journal = journal_open(logname_path(s->path), &err);
	if (!s->journal)
		(void)snprintf(s->problem, sizeof s->problem, "%.500s", err.text);
	else
		s->fd = journal_fd(s->journal);
	return s->journal;
}

/* Behind all of these places, one after the other: at the oldest, when all are there. */
static bool go_to_oldest(struct source *s, const struct position *const *places, size_t n)
{
	for (size_t i = n; i-- > 0;)
		if (!journal_go_behind(s->journal, places[i]->cursor, places[i]->time_s))
			return false;
	s->generation = places[0]->generation;
	s->offset = places[0]->offset;
	s->anchor.time_s = places[0]->time_s;
	return true;
}

/* A partition that is behind when another's place is gone loses what is between; nothing counts twice. */
static bool resume(struct source *s, const struct position *const *places, size_t n, bool start_at_end)
{
	const struct position *newest = n ? places[n - 1] : NULL;

	s->blocked = !open_journal(s);
	if (s->blocked)
		return false;
	s->anchor.time_s = clock_now_s();
	if (n && go_to_oldest(s, places, n))
		return true;
	s->generation = newest ? newest->generation + 1 : 0;
	s->offset = 0;
	if (!newest) {
		if (start_at_end)
			journal_go_to_end(s->journal);
		return true;
	}
	(void)snprintf(s->problem, sizeof s->problem, "%.120s: the entry where reading stopped is gone (the journal was vacuumed, or its file lost)", s->path);
	(void)!journal_go_behind(s->journal, newest->cursor, newest->time_s);
	s->missed++;
	return false;
}

static bool is_at(const struct source *s, const struct position *p)
{
	return s->journal && strcmp(journal_cursor(s->journal), p->cursor) == 0;
}

/* The same place in what is there now. */
static void reopen(struct source *s)
{
	char cursor[JOURNAL_CURSOR_MAX];
	struct journal *old = s->journal;
	struct err err;

	(void)snprintf(cursor, sizeof cursor, "%s", journal_cursor(old));
	s->journal = journal_open(logname_path(s->path), &err);
	if (s->journal) {
		journal_close(old);
		s->fd = journal_fd(s->journal);
		/* when it is gone by now, nothing of ours was between it and the next */
		(void)!journal_go_behind(s->journal, cursor, s->anchor.time_s);
	} else {
		s->journal = old;
		log_warning("%s", err.text);
	}
	s->quiet_since_ms = clock_mono_ms();
}

static void put_back(struct source *s)
{
	journal_put_back(s->journal);
	s->offset--;
}

static enum source_result next(struct source *s, struct sv *line_r)
{
	static struct log_limit limit;
	struct err err;

	if (!s->journal)
		return SOURCE_MISSING;
	uint64_t entries = journal_entries(s->journal), long_lines = journal_long_lines(s->journal);
	enum journal_result result = journal_next(s->journal, line_r, &err);
	s->offset += journal_entries(s->journal) - entries;
	long_lines = journal_long_lines(s->journal) - long_lines;
	s->long_lines += long_lines;
	s->missed += long_lines;
	s->missed_lines += long_lines;
	if (result == JOURNAL_LINE) {
		s->lines++;
		s->quiet_since_ms = 0;
		return SOURCE_LINE;
	}
	if (s->quiet_since_ms == 0)
		s->quiet_since_ms = clock_mono_ms();
	if (result == JOURNAL_FAILED && log_limited(&limit, s->path))
		log_warning("%s: %s; opening it anew", s->path, err.text);
	if (result == JOURNAL_FAILED || clock_mono_ms() - s->quiet_since_ms >= REOPEN_MS)
		reopen(s);
	return SOURCE_END;
}

static void set_position(struct source *s, struct arena *arena, struct position *p)
{
	(void)arena;
	p->path = sv_of(s->path);
	(void)snprintf(p->cursor, sizeof p->cursor, "%s", s->journal ? journal_cursor(s->journal) : JOURNAL_HEAD);
	(void)snprintf(p->at, sizeof p->at, "journal.%016llx:%llu", (unsigned long long)sv_hash(sv_of(p->cursor)), (unsigned long long)s->offset);
}

static void read_back(struct source *s, size_t max_bytes, source_line_callback *callback, void *arg)
{
	if (s->journal)
		journal_read_back(s->journal, max_bytes / ENTRY_BYTES, callback, arg);
}

static void tell(const struct source *s, char *text, size_t size)
{
	(void)snprintf(text, size, "reading %s on with the next entry that is there", s->path);
}

static short events(const struct source *s)
{
	return journal_events(s->journal);
}

static int64_t timeout_ms(const struct source *s)
{
	return s->journal ? journal_timeout_ms(s->journal) : -1;
}

static void serve(struct source *s, bool hold)
{
	(void)hold;
	if (s->journal)
		journal_process(s->journal);
}

const struct source_ops source_journal_ops = { .init = journal_init, .close = close_journal, .next = next, .put_back = put_back, .resume = resume, .is_at = is_at,
	.position = set_position, .read_back = read_back, .tell = tell, .events = events, .timeout_ms = timeout_ms, .serve = serve };
