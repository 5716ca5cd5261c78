/* change: what suppress, allow, reset and remove are asked for, and what they tell. */
#ifndef NIXIE_CHANGE_H
#define NIXIE_CHANGE_H

#include "batch.h"
#include "scope.h"
#include "targets.h"
#include "term.h"

/* What becomes of one address. */
enum change_outcome {
	CHANGE_DONE,
	CHANGE_ALREADY,   /* it is so already: left as it is */
	CHANGE_PASSED,    /* twice in the list, or the filter holds no more when its turn comes */
	CHANGE_UNKNOWN,   /* there is nothing to take away */
	CHANGE_ALLOWED,   /* reset frees what is suppressed */
	CHANGE_PROTECTED, /* needs --force: a person decided, or complained */
	CHANGE_SCOPED,    /* the same for some senders */
	CHANGE_FULL,      /* no room for another scope */
	CHANGE_LONGER,    /* it is suppressed for longer than the term */
	CHANGE_OUTCOMES
};

/* What a pass over the addresses is for. */
enum change_pass { PASS_COUNT, PASS_DRY_RUN, PASS_WRITE };

#define CHANGE_DOMAINS_MAX 10000

/* Of all addresses, in one pass. */
struct change_counts {
	uint64_t n[CHANGE_OUTCOMES], from[STATUS_ALLOW + 1]; /* from: of those that change */
	uint64_t reasons[CATEGORY_COUNT];                    /* of those that failures suppressed */
	uint64_t whole_domains;                              /* of those that change: entries "@domain" */
	struct arena arena;
	struct map domains;                                  /* values: uint64_t */
	uint64_t other_domains;                              /* addresses for which there was no room */
};

struct change {
	struct ctl *ctl;
	const char *verb;
	enum status to; /* STATUS_NONE: the entry goes */
	bool forget;    /* with its history */
	bool force, dry_run, yes;
	const char *reason;
	struct span term;
	struct sv by;
	char id[64]; /* of the batch */
	bool scoped; /* for some senders only: */
	struct scope scope;
	const char *scope_text;
	struct targets targets;
	enum change_pass pass;
	struct change_counts counts;
	struct progress progress;
};

/* One address, as its pass wants it: its line of text or JSON, and why it was left out. */
void change_tell(const struct change *change, const struct batch_item *item);
/* Before the question: how many would change, of which statuses and domains, and what speaks against it. */
void change_overview(const struct change *change);
/* At the end: how many, and how to take it back. */
void change_summary(const struct change *change);

void change_count(struct change *change, const struct batch_item *item);

/* Those that were left out although they are there. */
uint64_t change_left_out(const struct change_counts *counts);

#endif
