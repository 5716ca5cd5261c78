/* batch: many entries changed with few calls: those of a partition together, all partitions at once.
 *
 * Bounded: what is added waits until there are enough, is loaded, changed by `apply`, committed, and told in
 * the order in which it was added. What others changed meanwhile is loaded and applied again. */
#ifndef NIXIE_BATCH_H
#define NIXIE_BATCH_H

#include "store.h"
#include "verbs.h"

struct batch_item {
	struct sv key;
	const void *what;    /* the caller's */
	/* for `apply` to set; strings are valid until it was told */
	int outcome;
	enum status from, to;
	struct entry before;
	/* the module's own */
	struct batch_item *next;
	unsigned partition;
};

/* Decides from the account, changes it or not, and notes that in the item; perhaps several times. An address
 * that was added twice comes twice, the second time with a change already. */
typedef void batch_apply(void *arg, struct transaction *t, struct account *account, struct batch_item *item);
/* Once, when it is written. */
typedef void batch_tell(void *arg, const struct batch_item *item);

struct batch_part;

struct batch {
	struct ctl *ctl;
	struct sv by, id;
	bool dry_run;                     /* nothing is written */
	bool needs_window, needs_history; /* of the accounts */
	batch_apply *apply;
	batch_tell *tell;
	void *arg;
	/* the module's own */
	struct arena keys;
	struct batch_item *items;
	size_t n;
	unsigned partitions;
	struct batch_part *parts;
	struct transaction **round;
	int signals; /* -1: not looked for */
};

/* many: more than a person waits for: the server may take its time, and ^C is looked for when something is written.
 * Not STORE_OK: it does not tell how many partitions there are. */
enum store_result batch_start(struct batch *batch, bool many, struct err *err) NIXIE_MUST_CHECK;
/* Copies the key. */
enum store_result batch_add(struct batch *batch, struct sv key, const void *what, struct err *err) NIXIE_MUST_CHECK;
/* What waits. Also after a failure what was written is told. */
enum store_result batch_flush(struct batch *batch, struct err *err) NIXIE_MUST_CHECK;
/* Was it ^C, or a signal to end? What is written is to be told then; the rest waits in vain. */
bool batch_interrupted(const struct batch *batch);
void batch_free(struct batch *batch);

#endif
