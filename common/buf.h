/* buf: bytes under construction, in memory that the caller provides.
 *
 * Never grows and never overruns: what does not fit is dropped and `full`
 * says so. The bytes are not terminated unless buf_cstr() is asked for.
 *
 * buf_add_clean() is the one writer through which bytes from outside reach a
 * line of ours (log, reply, terminal): CR, LF, NUL, other controls and invalid
 * UTF-8 come out as \xNN, so nobody can end a line or colour a terminal. */
#ifndef NIXIE_BUF_H
#define NIXIE_BUF_H

#include "sv.h"

struct buf {
	char *p;
	size_t n;
	size_t size;
	bool full;
};

#define BUF_ON(array) ((struct buf){ (array), 0, sizeof(array), false })

static inline struct sv buf_sv(const struct buf *b)
{
	return sv_make(b->p, b->n);
}

void buf_reset(struct buf *b);

static inline void buf_add(struct buf *b, struct sv bytes)
{
	if (b->full || bytes.n > b->size - b->n) {
		b->full = true;
		return;
	}
	if (bytes.n)
		memcpy(b->p + b->n, bytes.p, bytes.n);
	b->n += bytes.n;
}

static inline void buf_add_char(struct buf *b, char c)
{
	if (b->full || b->n == b->size)
		b->full = true;
	else
		b->p[b->n++] = c;
}

/* In decimal digits. */
void buf_add_number(struct buf *b, int64_t value);
void buf_addf(struct buf *b, const char *format, ...) NIXIE_PRINTF(2, 3);

/* Bytes from outside, made harmless for one line: at most four for each. UTF-8 that is valid stays, but for what ends lines or has
 * them shown in another order. */
void buf_add_clean(struct buf *b, struct sv bytes);

/* A JSON string with its quotes (RFC 8259). Invalid UTF-8 becomes U+FFFD. */
void buf_add_json(struct buf *b, struct sv bytes);

/* %XX back to bytes, into room for as many as s has; what is no such thing stays. */
struct sv buf_unescape(struct sv s, char *room);

/* A character in UTF-8, all of it or nothing. c: at most 0x10ffff, no surrogate */
void buf_add_utf8(struct buf *b, uint32_t c);

/* Terminates (cutting the last byte off if need be) and returns the string. */
const char *buf_cstr(struct buf *b);

/* Length of the valid UTF-8 sequence at s, 0 when there is none (RFC 3629). */
size_t utf8_len(struct sv s);

#endif
