/* source: the lines of one log file, across its rotations.
 *
 * A file is known by device, inode, a hash of its first bytes and a hash of the
 * bytes before the offset, never by its name alone: a rotated file is found
 * among its siblings (mail.log.1, mail.log-20261121) and read to its end first;
 * a file that was truncated or rewritten in place is noticed. Only whole lines
 * are given out; a line that has no end yet waits for it.
 *
 * Waiting is the caller's: source_next() never blocks. */
#ifndef NIXIE_SOURCE_H
#define NIXIE_SOURCE_H

#include "arena.h"
#include "line.h"
#include "store.h"

#define SOURCE_BUFFER_BYTES ((size_t)256 * 1024)
/* A rotated file that was not written to for so long is left for the next one. */
#define SOURCE_DRAIN_MS 1000
/* Identity: so many first bytes, so many bytes before the offset. */
#define SOURCE_HEAD_BYTES 512
#define SOURCE_TAIL_BYTES 64

enum source_result {
	SOURCE_LINE,
	SOURCE_END,     /* nothing more at the moment */
	SOURCE_MISSING, /* the file is not there, or may not be read: see `problem` */
};

struct source {
	char path[CONFIG_STRING_MAX]; /* as configured */
	char name[CONFIG_STRING_MAX + 4096 + 256]; /* "<host>:<path>", its name in the store */
	int fd; /* -1: not open */
	char open_path[CONFIG_STRING_MAX + 256]; /* what fd is: the path, or a sibling */
	uint64_t device, inode;
	uint64_t offset; /* of the first byte that was not given out as a line */
	uint64_t generation; /* how many files, or contents of one, came before: grows with every change */
	char *buffer;    /* bytes [start, end) are read and not given out */
	size_t start, end;
	uint64_t read_offset; /* of the byte behind the buffer */
	bool skipping;   /* inside an over-long line */
	bool idle;       /* the last read found nothing: look closer at the next one */
	bool stream;     /* standard input: no identity, no position, read once */
	bool closed;     /* a stream that has ended */
	bool blocked;    /* its place is in a file that cannot be unpacked at the moment */
	bool final;      /* a partial last line of a file that is left: give it out */
	/* as they were at the last pause: */
	char head[SOURCE_HEAD_BYTES], seen[SOURCE_TAIL_BYTES]; /* first bytes, last bytes read */
	size_t head_n, seen_n;
	int64_t quiet_since_ms; /* of a rotated file; 0: not rotated */
	struct stamp_anchor anchor;
	int64_t before_s; /* when the next file begins, if that is known: the years of this one end there; 0: not */
	uint64_t lines, long_lines, restarts; /* restarts: files that began anew under us */
	char problem[256];
};

/* path "-" is standard input, a stream. */
void source_init(struct source *source, const char *host, const char *path);
void source_free(struct source *source);

/* Goes to the first of these places, oldest first, that is still there; none: never read,
 * start as configured. False: bytes are missing, `problem` says so: some places are not to
 * be found any more, and if none is the next younger file is read from its beginning; or it is `blocked`, and to be tried again. */
bool source_resume(struct source *source, const struct position *const *places, size_t n, bool start_at_end) NIXIE_MUST_CHECK;

/* Is the open file the one that this place is in? */
bool source_is_at(const struct source *source, const struct position *place);

/* The line is valid until the next call. */
enum source_result source_next(struct source *source, struct sv *line_r) NIXIE_MUST_CHECK;

/* The line that was given out last is not taken: it is the next one again. */
void source_put_back(struct source *source, struct sv line);

/* At the end of a rotated file, which is left for the next one in a moment. */
bool source_is_draining(const struct source *source);

/* Where it is now: behind the last line given out. Strings are in the arena. */
void source_position(struct source *source, struct arena *arena, int64_t time_s, struct position *position_r);

/* Size of the open file, for progress; 0: unknown. */
uint64_t source_size(const struct source *source);

/* Calls back with the whole lines of the last max_bytes before the offset, oldest first; also
 * with those of the file before this one, if it is not compressed. */
typedef void source_line_callback(void *arg, struct sv line);
void source_read_back(struct source *source, size_t max_bytes, source_line_callback *callback, void *arg);

#endif
