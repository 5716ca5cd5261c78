/* table: rows in columns that are aligned; on a terminal fitted to its width.
 *
 * Rows are gathered and written TABLE_ROWS at a time, so that a table may be as
 * long as it likes: what is written stays, later rows may make columns wider. */
#ifndef NIXIE_TABLE_H
#define NIXIE_TABLE_H

#include <stdio.h>

#include "arena.h"
#include "buf.h"
#include "term.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_ROWS 200
/* A column is not made narrower than this, and not wider. */
#define TABLE_NARROW 8
#define TABLE_WIDE 300
#define TABLE_GAP 2

struct table_column {
	const char *title;
	bool right;   /* of numbers */
	bool shrinks; /* where the terminal is narrow; else it is as wide as what is in it */
};

struct table_cell;

struct table {
	FILE *to;
	size_t width; /* 0: unlimited */
	bool utf8;
	const struct table_column *columns;
	size_t n_columns;
	struct arena arena;
	struct table_cell *cells; /* of all rows that are gathered */
	size_t n;
	size_t wanted[TABLE_COLUMNS_MAX];
	bool titled;
};

void table_start(struct table *table, FILE *to, const struct table_column *columns, size_t n_columns);
/* The next cell; text is copied, and made harmless. */
void table_add(struct table *table, struct sv text, enum colour colour);
void table_addf(struct table *table, enum colour colour, const char *format, ...) NIXIE_PRINTF(3, 4);
/* Writes what is left; without a row nothing, also no titles. */
void table_end(struct table *table);

/* ---- the pure parts ---- */

/* How wide each column gets: as wide as it wants, or the widest of those that shrink narrower until all fit. Where they cannot,
 * the last ones are left out: how many are shown, at least one. */
size_t table_fit(const struct table_column *columns, size_t n, const size_t *wanted, size_t width, size_t *fitted_r);

/* Code points of UTF-8. */
size_t table_cells(struct sv text);

/* text in exactly so many cells: cut, with a mark at its end, or filled up. */
void table_add_cell(struct buf *to, struct sv text, size_t cells, bool right, bool utf8);

#endif
