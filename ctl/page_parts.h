/* page_parts: what the files of a page share. Only for page*.c. */
#ifndef NIXIE_PAGE_PARTS_H
#define NIXIE_PAGE_PARTS_H

#include "alerts.h"
#include "buf.h"
#include "figures.h"
#include "html.h"
#include "page.h"
#include "returns.h"
#include "unknown.h"

enum page_list { LIST_CATEGORIES, LIST_DESTS, LIST_PROVIDERS, LIST_SENDERS, LIST_CAMPAIGNS, LIST_COUNT };

struct page {
	struct buf to;
	const struct config *config;
	int64_t from_s, to_s;
	struct figures year;   /* days: at least of the twelve months up to to_s */
	struct figures days;   /* of the period, as the others */
	struct figures hosts, lists[LIST_COUNT];
	struct returns returns;
	struct unknowns unknowns;
	struct alerts alerts;
	uint64_t suppressed, scoped;
	struct figure total, before; /* of the period, and of as many days before it */
};

/* "2026-11-16 to 2026-11-22", or one day */
void page_add_period(struct buf *to, int64_t from_s, int64_t to_s);
/* What is neither a number nor a name. */
void page_add(struct page *page, const char *html);

/* One column of a table: counts, or a rate. */
struct page_column {
	const char *title;
	enum figure_counter counter;
	int rate; /* enum rate_kind; -1: a count */
};
#define PAGE_COUNT(title, counter) { title, counter, -1 }
#define PAGE_RATE(title, kind) { title, FIGURE_COUNTERS, kind }
void page_begin_table(struct page *page, const char *caption, const char *first, const struct page_column *columns, size_t n);
void page_add_row(struct page *page, struct sv name, const struct figure *figure, const struct page_column *columns, size_t n);
void page_end_table(struct page *page);

/* Name and class of each colour, class NULL: the limit's line. Ended by a NULL name. */
struct page_key {
	const char *name, *class_;
};
void page_add_legend(struct page *page, const struct page_key *keys);

/* page_head.c: what matters, in words and numbers. */
void page_add_head(struct page *page);
/* page_time.c: charts over 3 and 12 months. */
void page_add_times(struct page *page);
/* page_lists.c: of the period, by what results have in common. */
void page_add_lists(struct page *page);

#endif
