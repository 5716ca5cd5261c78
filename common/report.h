/* report: the counters and the suppressed addresses of a store, for people and programs. */
#ifndef NIXIE_REPORT_H
#define NIXIE_REPORT_H

#include <stdio.h>

#include "store.h"

struct totals {
	int64_t delivered, soft, hard, complaint, deferred, hard_as_soft, soft_to_hard;
	int64_t category[CATEGORY_COUNT];
	char first_day[9], last_day[9]; /* "" when there are none */
	uint64_t suppressed[STATUS_ALLOW + 1]; /* addresses, by status */
	uint64_t scoped;                       /* addresses with something in force for some senders, whatever they are for all */
	uint64_t scoped_by[STATUS_ALLOW + 1];  /* of those with such a status; an address can be under two */
};

enum store_result totals_read(struct store *store, struct totals *totals_r, struct err *err) NIXIE_MUST_CHECK;

/* How many suppressed addresses the summary names. */
#define REPORT_ADDRESSES_MAX 20

/* Delivered, soft, hard, converted, categories with bars, who is suppressed and why. */
enum store_result report_summary(struct store *store, FILE *out, struct err *err) NIXIE_MUST_CHECK;

/* The same totals as one JSON object on one line. */
void report_totals_json(const struct totals *totals, FILE *out);

/* "hard  recipient.unknown since 2026-11-21: 550 5.1.1 ..." */
void report_entry_line(FILE *out, struct sv address, const struct entry *entry);

#endif
