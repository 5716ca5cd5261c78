/* journal: what the mail system has told the systemd journal, as lines of syslog.
 *
 * The entries of facility mail, and those of Exim and of Postfix's unit under another
 * facility. An entry is the line "<time> HOST IDENTIFIER[PID]: MESSAGE"; the time is when
 * journald took it in: that is what entries are ordered by, and none is without it.
 *
 * A place is a cursor, which names an entry; what comes is what is behind it. Reading goes
 * across the files of the journal, and takes up those that come (journal_process()).
 * Entries of users who log in are passed over: with logger(1) they can say what they want. */
#ifndef NIXIE_JOURNAL_H
#define NIXIE_JOURNAL_H

#include "err.h"
#include "sv.h"

/* A cursor is of some 140 bytes. */
#define JOURNAL_CURSOR_MAX 256
/* In place of a cursor: before the first entry. */
#define JOURNAL_HEAD "head"

struct journal;

enum journal_result {
	JOURNAL_LINE,
	JOURNAL_END,    /* no more at the moment */
	JOURNAL_FAILED, /* it cannot be read on: open it anew */
};

/* directory: "" for this host's journal. NULL and *err, which says what to do, also when
 * there is no journal file or none that may be read. Stands before the first entry. */
struct journal *journal_open(const char *directory, struct err *err);
void journal_close(struct journal *journal);

/* The next entry, valid until the next call. An entry without MESSAGE, or of a login user, or whose line
 * is longer than LINE_BYTES_MAX, is passed over. */
enum journal_result journal_next(struct journal *journal, struct sv *line_r, struct err *err) NIXIE_MUST_CHECK;

/* The line that was given out last is the next one again. */
void journal_put_back(struct journal *journal);

/* How many entries were passed, and how many of them were too long. */
uint64_t journal_entries(const struct journal *journal);
uint64_t journal_long_lines(const struct journal *journal);

/* Of the last entry passed; JOURNAL_HEAD: there is none. */
const char *journal_cursor(const struct journal *journal);

/* To behind the entry of this cursor. False: it is not there any more, and reading goes on with
 * the first that came after it; of a cursor that cannot be read, after time_s. */
bool journal_go_behind(struct journal *journal, const char *cursor, int64_t time_s) NIXIE_MUST_CHECK;
void journal_go_to_end(struct journal *journal);
/* When the last entry was taken in; 0: there is none. Moves. */
int64_t journal_last_s(struct journal *journal);

/* Calls back with the lines of the last max entries up to the present place, oldest first. */
typedef void journal_line_callback(void *arg, struct sv line);
void journal_read_back(struct journal *journal, uint64_t max, journal_line_callback *callback, void *arg);

/* For poll(2): wait on the descriptor, at most so long (-1: any time), then process. */
int journal_fd(const struct journal *journal);
short journal_events(const struct journal *journal);
int64_t journal_timeout_ms(const struct journal *journal);
void journal_process(struct journal *journal);

#endif
