/* reader_state: how far a log reader is, one a log, as it tells it in the store: for
 * nixie status and dashboards. Names and meanings are in nixie-redis(7), reader:<source>.
 *
 * Counts are since the reader started. Strings are borrowed. */
#ifndef NIXIE_READER_STATE_H
#define NIXIE_READER_STATE_H

#include "arena.h"

/* It is written so often; and one that was not for so long is not running. */
#define READER_STATE_MS 5000
#define READER_GONE_S 30

enum reader_doing {
	READER_READING,   /* there is more to read at once */
	READER_WAITING,   /* at the end; the last lines are not written to the store yet, or have no end */
	READER_CAUGHT_UP, /* all is read and written */
	READER_MISSING,   /* the log is not there, or may not be read */
	READER_BLOCKED,   /* its place is in a file that cannot be unpacked */
	READER_STOPPED,   /* the daemon was told to stop */
	READER_DONE,      /* it was to be read to its end, once, and was */
	READER_DOINGS,
};

struct reader_state {
	struct sv source, version, host, path, file; /* file: that is open: the log, or a rotated one */
	enum reader_doing doing;
	int64_t pid, started_s, updated_s;
	int64_t offset, size; /* of the file */
	int64_t lag_bytes;    /* written by the mail system, and not in the store yet */
	int64_t lag_s;        /* the oldest of those may be so old; 0: there are none */
	int64_t lines, attempts, rejected, long_lines;
	int64_t links, links_evicted; /* of all logs of this reader, which share their memory */
	int64_t lost_lines, gaps, rewritten;
	int64_t last_event_s; /* time in the newest line */
	int64_t idle_s;       /* since a line came */
	int64_t tenths_per_s; /* lines read in ten seconds */
};

const char *reader_doing_name(enum reader_doing doing);

/* Field and value, field and value ... The source is not among them: it is the key's name. */
#define READER_STATE_FIELDS 32
size_t reader_state_fields(struct arena *arena, const struct reader_state *state, struct sv fields_r[2 * READER_STATE_FIELDS]);

/* Sets one from what the store holds. What is unknown or damaged is left out. */
void reader_state_set(struct reader_state *state, struct sv field, struct sv value);

#endif
