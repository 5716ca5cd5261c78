/* mail: the facts of one message, as far as mail that comes back needs them: its
 * headers, its texts in UTF-8, and what machines report in it for machines
 * (message/delivery-status, message/feedback-report, the headers of the message it is about).
 *
 * MIME is GMime's business, and GMime is this module's alone. What a stranger can make
 * long, deep or many is bounded here, before GMime sees it: what goes over a limit
 * is left out, and `cut` tells of which kind. With these limits no message that was found takes more than
 * 10 MiB and 0.1 s of CPU while it is parsed (the worst are 20,000 headers, and parameters of a header without end);
 * a usual report takes some 100 microseconds. tests/e2e/test_receive_limits.py takes away what is more.
 *
 * RFC 5322, 2045-2047, 2231, 3462, 6522, 6532, 6533. */
#ifndef NIXIE_MAIL_H
#define NIXIE_MAIL_H

#include "arena.h"

#define MAIL_BYTES_MAX ((size_t)512 * 1024) /* of a message; what is behind is not looked at */
#define MAIL_LINE_MAX 16384  /* of a line; with those that continue it where it may be a header */
#define MAIL_LINES_MAX 20000 /* that may be headers: there is a colon in them */
#define MAIL_ADDRESSES_MAX 4000 /* commas and colons in To, From and their like, of all messages within the message */
#define MAIL_DASHES_MAX 2000 /* lines that begin with "--", as those between parts do */
#define MAIL_DEPTH_MAX 8     /* multiparts within multiparts */
#define MAIL_PARTS_MAX 64    /* that are looked at */
#define MAIL_FIELDS_MAX 256  /* of one block: the headers of a message, what a report says of a recipient */
#define MAIL_TEXTS_MAX 8
#define MAIL_TEXT_MAX 65536  /* bytes of one, decoded */
#define MAIL_RECIPIENTS_MAX 1000 /* that a report tells of */
#define MAIL_REPORT_MAX MAIL_BYTES_MAX /* bytes of a report, decoded */

/* What was passed over. */
enum mail_cut {
	MAIL_CUT_BYTES = 1,
	MAIL_CUT_LINES = 2, /* too long, or too many that may be headers */
	MAIL_CUT_PARTS = 4,
	MAIL_CUT_DEPTH = 8,
	MAIL_CUT_TEXT = 16,
	MAIL_CUT_RECIPIENTS = 32,
};
#define MAIL_CUTS 6

/* "Name: value". Valid UTF-8 without NUL; unfolded, without blanks around it, encoded words as they are. */
struct mail_field {
	struct sv name, value;
};

struct mail_fields {
	size_t n;
	struct mail_field *v;
};

struct mail_text {
	struct sv text; /* valid UTF-8 without NUL; lines end with LF */
	bool html;      /* it was: of it there is what plain_of_html() leaves */
};

/* All of it lives in the arena. What a message does not have is empty. What lies within a message that it only
 * forwards is nobody's report and no text of it. */
struct mail {
	struct mail_fields headers;
	struct sv type, report_type; /* "multipart/report", "delivery-status": in lower case */
	size_t n_texts;
	struct mail_text texts[MAIL_TEXTS_MAX];
	/* message/delivery-status: what it says of the message, and of each recipient */
	bool has_status;
	struct mail_fields status;
	size_t n_recipients;
	struct mail_fields *recipients;
	/* message/feedback-report */
	bool has_feedback;
	struct mail_fields feedback;
	/* the message that it is about, or another that is attached: the first */
	bool has_original;
	struct mail_fields original;
	unsigned cut; /* of enum mail_cut */
	bool headers_cut; /* some of `headers` were passed over, or the end of one */
};

/* Any bytes are a message of some kind. */
void mail_parse(struct sv bytes, struct arena *arena, struct mail *mail_r);

/* Value of the first field of this name; empty: there is none, or it is. */
struct sv mail_field(const struct mail_fields *fields, struct sv name);

/* The first text that was written as plain text, else the first of HTML; those with nothing in them are passed over. */
struct sv mail_plain_text(const struct mail *mail);

/* Encoded words (RFC 2047), and bytes in an old character set, as UTF-8. */
struct sv mail_decode(struct arena *arena, struct sv value);

/* The bare addresses of a header like From or To, as they are written; at most max. Returns how many. */
size_t mail_addresses(struct arena *arena, struct sv value, struct sv *v_r, size_t max);

/* A date of RFC 5322 as seconds since 1970, UTC; 0: it is none. */
int64_t mail_time(struct sv value);

/* Fields up to an empty line, which is taken from *text too. For text that is "Name: value" and no MIME. */
void mail_take_fields(struct arena *arena, struct sv *text, struct mail_fields *fields_r, unsigned *cut);

/* "bytes", "lines", ...; bit is the index in enum mail_cut. Static storage. */
const char *mail_cut_name(unsigned bit);

#endif
