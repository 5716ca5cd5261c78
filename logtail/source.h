/* source: the lines of one log, whatever it is (logname.h): a file with its rotations, a
 * FIFO, standard input, the journal, a socket.
 *
 * A file is known by device, inode, a hash of its first bytes and a hash of the
 * bytes before the offset, never by its name alone: a rotated file is found
 * among its siblings (mail.log.1, mail.log-20261121) and read to its end first;
 * a file that was truncated or rewritten in place is noticed. Only whole lines
 * are given out; a line that has no end yet waits for it.
 *
 * A journal is read behind a cursor. Streams (a FIFO, standard input, a socket) have no
 * place: what was read of them and not written when the program dies is gone.
 *
 * Waiting is the caller's: source_next() never blocks. */
#ifndef NIXIE_SOURCE_H
#define NIXIE_SOURCE_H

#include <poll.h>

#include "arena.h"
#include "line.h"
#include "store.h"

#define SOURCE_BUFFER_BYTES ((size_t)256 * 1024)
/* A rotated file that was not written to for so long is left for the next one. */
#define SOURCE_DRAIN_MS 1000
/* So long a file that is being rewritten may go without the bytes that were read last. */
#define SOURCE_REWRITE_MS 3000
/* Identity: so many first bytes, so many bytes before the offset. */
#define SOURCE_HEAD_BYTES 512
#define SOURCE_TAIL_BYTES 64
/* Why it cannot be read, as text */
#define SOURCE_PROBLEM_MAX 512

enum source_result {
	SOURCE_LINE,
	SOURCE_END,     /* nothing more at the moment */
	SOURCE_MISSING, /* it is not there, or may not be read: see `problem` */
};

struct source_ops;
struct journal;

struct source {
	const struct source_ops *ops; /* by its kind, see source_ops.h */
	const char *host;             /* that reads it; borrowed */
	char path[CONFIG_STRING_MAX]; /* as configured */
	char name[CONFIG_STRING_MAX + 4096 + 256]; /* "<host>:<path>", its name in the store */
	int fd; /* -1: not open */
	struct journal *journal; /* NULL: not open, or none */
	char open_path[CONFIG_STRING_MAX + 256]; /* what fd is: the path, or a sibling */
	uint64_t device, inode;
	uint64_t offset; /* of the first byte that was not given out as a line; of a journal, entries */
	uint64_t generation; /* how many files, or contents of one, came before: grows with every change */
	char *buffer;    /* bytes [start, end) are read and not given out */
	size_t start, end;
	uint64_t read_offset; /* of the byte behind the buffer */
	bool skipping;   /* inside an over-long line */
	bool stream;     /* no identity, no position, read once */
	bool closed;     /* standard input that has ended */
	bool counts;     /* its offset is a number of entries: source_renumber() at a place that is passed */
	bool blocked;    /* its place is in a file that cannot be unpacked, or a journal that cannot be opened, at the moment */
	bool final;      /* a partial last line of a file that is left: give it out */
	/* as they were when they were read: */
	char head[SOURCE_HEAD_BYTES], seen[SOURCE_TAIL_BYTES]; /* first bytes, last bytes read */
	size_t head_n, seen_n;
	int64_t quiet_since_ms; /* of a rotated file, 0: not rotated; of a journal at its end */
	int64_t rewritten_ms;   /* since when other bytes are where we were; 0: they are ours */
	uint64_t opened; /* files so far: another number is another file, whatever its name or inode */
	unsigned socket_mode;   /* rights of a socket that it makes */
	struct stamp_anchor anchor;
	int64_t since_s; /* it came after that, while others were followed: what was rotated away from it since is its beginning; 0: not */
	int64_t before_s; /* when the next file begins, if that is known: the years of this one end there; 0: not */
	uint64_t lines, long_lines, restarts; /* restarts: files that began anew under us */
	uint64_t missed, missed_lines; /* so often lines were missed that may tell of deliveries; the number where it is known. Who takes note sets both to 0 */
	uint64_t lost; /* what came while there was no room to keep it: of a socket */
	bool moved;      /* the open file is not, or no longer, what the path names */
	bool next_told;  /* that the next file cannot be opened */
	char problem[SOURCE_PROBLEM_MAX];
};

/* Opens no file yet. Of a socket set socket_mode then. */
void source_init(struct source *source, const char *host, const char *path);
void source_free(struct source *source);

/* Goes to the first of these places, oldest first, that is still there; none: never read,
 * start as configured. False: bytes are missing, `problem` says so: some places are not to
 * be found any more, and if none is the next younger file is read from its beginning; or it is `blocked`, and to be tried again. */
bool source_resume(struct source *source, const struct position *const *places, size_t n, bool start_at_end) NIXIE_MUST_CHECK;

/* Is the open file the one that this place is in? Does a journal stand at this place? */
bool source_is_at(const struct source *source, const struct position *place);
/* It is: takes over its generation, of a journal also its offset. */
void source_renumber(struct source *source, const struct position *place);

/* The line is valid until the next call. */
enum source_result source_next(struct source *source, struct sv *line_r) NIXIE_MUST_CHECK;

/* The line that was given out last is not taken: it is the next one again. */
void source_put_back(struct source *source, struct sv line);

/* It was read to its end, and is gone: its place is now before the first byte of whatever has its name next. */
void source_leave(struct source *source);

/* At the end of a rotated file, which is left for the next one in a moment. */
bool source_is_draining(const struct source *source);

/* Where it is now: behind the last line given out. Strings are in the arena. */
void source_position(struct source *source, struct arena *arena, int64_t time_s, struct position *position_r);

/* Size of the open file, for progress; 0: unknown. */
uint64_t source_size(const struct source *source);
/* Was it written to since it was read to its end? */
bool source_has_more(const struct source *source);
/* "reading mail.log from byte 12": where it goes on after source_resume(). */
void source_tell(const struct source *source, char *text_r, size_t size);

/* For poll(2): the descriptor (-1: none; look at it now and then) and its events, and how long to wait at
 * most (-1: any time); afterwards serve it. hold: its lines cannot be taken for now; who writes into a socket must not wait for that. */
void source_poll(const struct source *source, struct pollfd *p_r);
int64_t source_timeout_ms(const struct source *source);
void source_serve(struct source *source, bool hold);

/* Calls back with the whole lines of the last max_bytes before the offset, oldest first; also
 * with those of the file before this one, if it is not compressed. */
typedef void source_line_callback(void *arg, struct sv line);
void source_read_back(struct source *source, size_t max_bytes, source_line_callback *callback, void *arg);

#endif
