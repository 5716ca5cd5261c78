/* What a kind of log implements; only source_*.c include this. See source.h. */
#ifndef NIXIE_SOURCE_OPS_H
#define NIXIE_SOURCE_OPS_H

#include "source.h"

struct source_ops {
	void (*init)(struct source *source);
	void (*close)(struct source *source); /* for ever */
	void (*leave)(struct source *source); /* NULL: it has no name that could come again */
	enum source_result (*next)(struct source *source, struct sv *line_r);
	void (*put_back)(struct source *source); /* NULL: the line is in the buffer */
	/* NULL: it has no place */
	bool (*resume)(struct source *source, const struct position *const *places, size_t n, bool start_at_end);
	bool (*is_at)(const struct source *source, const struct position *place);
	bool (*is_draining)(const struct source *source);
	void (*position)(struct source *source, struct arena *arena, struct position *position);
	void (*read_back)(struct source *source, size_t max_bytes, source_line_callback *callback, void *arg);
	void (*tell)(const struct source *source, char *text_r, size_t size);
	/* NULL: unknown, no */
	uint64_t (*size)(const struct source *source);
	/* NULL: nothing wakes us, or the file is watched */
	short (*events)(const struct source *source);
	int64_t (*timeout_ms)(const struct source *source);
	void (*serve)(struct source *source, bool hold);
};

extern const struct source_ops source_file_ops, source_stream_ops, source_journal_ops, source_socket_ops;

/* A whole line in the buffer, without its end. False: none. The offset stays at the
 * beginning of a line, also of one that is too long and still being skipped. */
bool source_take_line(struct source *source, struct sv *line_r) NIXIE_MUST_CHECK;

/* So that there is room behind the buffer's end for n bytes of its size, if that can be. Returns the room. */
size_t source_make_room(struct source *source, size_t size, size_t n);

#endif
