/* What a store implements; only store*.c include this. See store.h. */
#ifndef NIXIE_STORE_OPS_H
#define NIXIE_STORE_OPS_H

#include "store.h"

struct store_ops {
	void (*free)(struct store *store);
	enum store_result (*load)(struct store *store, struct transaction *const *t, size_t n, struct err *err);
	void (*commit_start)(struct store *store, struct transaction *const *t, size_t n, struct err *err);
	enum store_result (*commit_finish)(struct store *store, struct transaction *const *t, size_t n, struct err *err);
	unsigned (*partitions)(struct store *store, struct err *err);
	enum store_result (*positions)(struct store *store, struct sv source, struct position *positions_r, struct err *err);
	enum store_result (*sent)(struct store *store, const struct sv *prints, size_t n, int64_t since_s, unsigned max, store_sent_callback *callback,
		void *arg, struct err *err);
	enum store_result (*asides)(struct store *store, struct arena *arena, store_aside_callback *callback, void *arg, struct err *err);
	/* first, last: days; empty: all */
	enum store_result (*counts)(struct store *store, struct sv first, struct sv last, struct sv dimension, store_count_callback *callback,
		void *arg, struct err *err);
	enum store_result (*hours)(struct store *store, int64_t from_s, int64_t to_s, store_hour_callback *callback, void *arg, struct err *err);
	enum store_result (*period)(struct store *store, struct sv period, struct sv dimension, store_count_callback *callback,
		void *arg, struct err *err);
	enum store_result (*alerts)(struct store *store, struct arena *arena, store_alert_callback *callback, void *arg, struct err *err);
	enum store_result (*gaps)(struct store *store, store_gap_callback *callback, void *arg, struct err *err);
	enum store_result (*readers)(struct store *store, struct arena *arena, store_reader_callback *callback, void *arg, struct err *err);
	enum store_result (*doors)(struct store *store, struct arena *arena, store_door_callback *callback, void *arg, struct err *err);
	enum store_result (*suppressed_count)(struct store *store, bool scoped, uint64_t *n_r, struct err *err);
	enum store_result (*alert_log)(struct store *store, store_alert_log_callback *callback, void *arg, struct err *err);
	enum store_result (*unclassified)(struct store *store, store_unclassified_callback *callback, void *arg,
		struct err *err);
	/* domain: empty: all */
	enum store_result (*histories)(struct store *store, int64_t since_s, struct sv domain, store_bounce_callback *callback, void *arg,
		struct err *err);
	enum store_result (*history)(struct store *store, struct sv address, store_bounce_callback *callback, void *arg, struct err *err);
	/* after: NULL: from the beginning */
	enum store_result (*suppressed)(struct store *store, const struct suppressed_some *some, store_entry_callback *callback,
		void *arg, struct err *err);
	enum store_result (*entries)(struct store *store, store_entry_callback *callback, void *arg, struct err *err);
	enum store_result (*entry)(struct store *store, struct arena *arena, struct sv address,
		struct entry *entry_r, struct err *err);
	enum store_result (*journal_entry)(struct store *store, const char *id, store_field_callback *callback,
		void *arg, struct err *err);
	enum store_result (*journal_beside)(struct store *store, const char *id, store_journal_callback *callback, void *arg, struct err *err);
	enum store_result (*journal)(struct store *store, store_journal_callback *callback, void *arg, struct err *err);
	enum store_result (*journal_end)(struct store *store, struct journal_place *places_r, struct err *err);
	enum store_result (*journal_next)(struct store *store, struct journal_place *places, store_journal_callback *callback, void *arg,
		struct err *err);
};

struct store {
	const struct store_ops *ops;
	unsigned partitions; /* 0: not known yet */
	bool totals_only;
};

/* TRANSACTION_ANY becomes the partition of its accounts. */
void transaction_settle(struct transaction *t, const struct store *store);

/* In the order of the list. */
int suppressed_compare(const struct suppressed_place *a, const struct suppressed_place *b);
bool suppressed_is_meant(const struct suppressed_some *some, const struct suppressed_place *place);

#endif
