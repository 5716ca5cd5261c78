/* rows: a list of records, whatever it is written in: CSV (RFC 4180), JSON, or a line for each.
 *
 * CSV: comma, semicolon or tab, by the first line; quotes, and line ends within them; LF, CRLF
 * or CR. JSON: objects one after the other, or in an array, also one within an object; objects
 * within records are passed over, arrays of texts are one text with commas. Everything is
 * bounded; what is wrong costs its record and not the list, unless JSON's brackets are lost. */
#ifndef NIXIE_ROWS_H
#define NIXIE_ROWS_H

#include <stdio.h>

#include "err.h"
#include "sv.h"

#define ROWS_BYTES_MAX 65536
#define ROWS_FIELDS_MAX 256
#define ROWS_DEPTH_MAX 16

enum rows_shape { ROWS_LINES, ROWS_CSV, ROWS_JSON };
enum rows_result { ROWS_ONE, ROWS_BAD, ROWS_END };

struct rows_level {
	uint64_t line;
	size_t fields, bytes; /* of the levels around it */
	enum { WANT_KEY, WANT_COLON, WANT_VALUE, WANT_COMMA } want;
	bool array, wraps;    /* wraps: records are within */
	bool fresh;           /* nothing in it yet */
	bool listing;         /* texts so far, which are the value of a member */
};

struct rows {
	FILE *from;
	enum rows_shape shape;
	bool header;          /* CSV: the first line names the columns; else they have no names */
	char delimiter;
	uint64_t line, bytes; /* where reading is */
	uint64_t record_line; /* where the record began */
	size_t n;
	struct sv names[ROWS_FIELDS_MAX], values[ROWS_FIELDS_MAX]; /* of the record; until the next */
	/* inner */
	size_t columns, depth, used;
	bool lost;
	struct rows_level levels[ROWS_DEPTH_MAX];
	struct sv column_names[ROWS_FIELDS_MAX];
	char header_store[ROWS_BYTES_MAX], store[ROWS_BYTES_MAX];
};

/* Looks at the beginning; the stream can be wound back. False and *err: it is no list. */
bool rows_open(struct rows *rows, FILE *from, struct err *err) NIXIE_MUST_CHECK;

/* ROWS_BAD: *err says why; the next call goes on behind it. */
enum rows_result rows_next(struct rows *rows, struct err *err) NIXIE_MUST_CHECK;

/* The value under a name, in any case of letters; empty when there is none. */
struct sv rows_value(const struct rows *rows, const char *name);
/* Is there such a name, in this record, or in the header? */
bool rows_has(const struct rows *rows, const char *name);

#endif
