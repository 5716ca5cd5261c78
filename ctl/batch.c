#include "batch.h"

#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Somebody else may change an entry at the same moment; not as often as this. */
#define CONFLICTS_MAX 10
/* So many are written at once: in all, and in one partition, whose server does nothing else meanwhile. */
#define ITEMS_MAX 2048
#define PARTITION_ITEMS_MAX 250
/* Nobody waits at the door: a server that has much to do may take its time for so many. */
#define TIMEOUT_MS 30000

/* What is to be written to one partition with one call. */
struct batch_part {
	struct transaction t;
	struct arena arena;
	struct batch_item *first, **tail;
	size_t n;
	bool done;
};

enum store_result batch_start(struct batch *b, bool many, struct err *err)
{
	b->signals = many && !b->dry_run ? cli_signals(NULL) : -1;
	if (many && b->ctl->config.redis_timeout_ms < TIMEOUT_MS)
		store_set_timeout(b->ctl->store, TIMEOUT_MS);
	b->partitions = store_partitions(b->ctl->store, err);
	if (!b->partitions)
		return STORE_UNREACHABLE;
	b->parts = xalloc(b->partitions * sizeof *b->parts);
	b->round = xalloc(b->partitions * sizeof(struct transaction *));
	b->items = xalloc(ITEMS_MAX * sizeof *b->items);
	for (unsigned i = 0; i < b->partitions; i++)
		b->parts[i].tail = &b->parts[i].first;
	return STORE_OK;
}

static void begin_part(const struct batch *b, struct batch_part *p)
{
	transaction_begin(&p->t, &p->arena);
	p->t.by = b->by;
	p->t.batch = b->id;
	p->t.soft_expiry = p->t.window_expiry = b->ctl->config.soft_expiry;
	for (const struct batch_item *i = p->first; i; i = i->next) {
		struct account *a = transaction_account(&p->t, i->key);
		a->needs_window = b->needs_window;
		a->needs_history = b->needs_history;
	}
}

static void apply_part(struct batch *b, struct batch_part *p)
{
	for (struct batch_item *i = p->first; i; i = i->next)
		b->apply(b->arg, &p->t, transaction_account(&p->t, i->key), i);
}

/* Those that are not written yet, once. What was changed by others meanwhile is there afterwards, too. */
static enum store_result write_round(struct batch *b, struct err *err)
{
	size_t n = 0;
	enum store_result result;

	for (unsigned i = 0; i < b->partitions; i++) {
		struct batch_part *p = &b->parts[i];
		if (!p->n || p->done)
			continue;
		begin_part(b, p);
		b->round[n++] = &p->t;
	}
	result = n ? store_load_all(b->ctl->store, b->round, n, err) : STORE_OK;
	if (result != STORE_OK || n == 0)
		return result;
	for (unsigned i = 0; i < b->partitions; i++)
		if (b->parts[i].n && !b->parts[i].done)
			apply_part(b, &b->parts[i]);
	if (!b->dry_run)
		result = store_commit_all(b->ctl->store, b->round, n, err);
	for (unsigned i = 0; i < b->partitions; i++) {
		struct batch_part *p = &b->parts[i];
		if (!p->n || p->done)
			continue;
		p->done = b->dry_run || p->t.result == STORE_OK;
		if (!p->done && p->t.result != STORE_CONFLICT) /* that weighs more */
			result = p->t.result;
	}
	return result;
}

static void forget(struct batch *b)
{
	for (unsigned i = 0; i < b->partitions; i++) {
		struct batch_part *p = &b->parts[i];
		p->first = NULL;
		p->tail = &p->first;
		p->n = 0;
		p->done = false;
		arena_free(&p->arena); /* there may be a thousand of them */
	}
	b->n = 0;
	arena_reset(&b->keys);
}

enum store_result batch_flush(struct batch *b, struct err *err)
{
	enum store_result result = STORE_CONFLICT;

	(void)err_set(err, "the entries are being changed by others faster than they can be read");
	for (int i = 0; result == STORE_CONFLICT && i < CONFLICTS_MAX; i++)
		result = write_round(b, err);
	for (size_t i = 0; i < b->n; i++)
		if (b->parts[b->items[i].partition].done)
			b->tell(b->arg, &b->items[i]);
	forget(b);
	return result;
}

enum store_result batch_add(struct batch *b, struct sv key, const void *what, struct err *err)
{
	struct batch_item *item = &b->items[b->n++];

	*item = (struct batch_item){ .key = arena_dup(&b->keys, key), .what = what };
	item->partition = store_partition_of(b->ctl->store, item->key);
	struct batch_part *p = &b->parts[item->partition];
	*p->tail = item;
	p->tail = &item->next;
	return ++p->n >= PARTITION_ITEMS_MAX || b->n == ITEMS_MAX ? batch_flush(b, err) : STORE_OK;
}

bool batch_interrupted(const struct batch *b)
{
	struct signalfd_siginfo info;

	return b->signals >= 0 && read(b->signals, &info, sizeof info) == (ssize_t)sizeof info;
}

void batch_free(struct batch *b)
{
	if (b->signals >= 0)
		(void)close(b->signals);
	for (unsigned i = 0; i < b->partitions; i++) {
		transaction_free(&b->parts[i].t);
		arena_free(&b->parts[i].arena);
	}
	free(b->parts);
	free(b->round);
	free(b->items);
	arena_free(&b->keys);
}
