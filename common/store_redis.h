/* store_redis: what the files of the Redis store share. Only for store_redis*.c. */
#ifndef NIXIE_STORE_REDIS_H
#define NIXIE_STORE_REDIS_H

#include "redis.h"
#include "schema.h"
#include "store_ops.h"

/* Suppressed addresses and days are read in pages of this many. */
#define PAGE 1000

struct redis_store {
	struct store store;
	struct redis *redis;
	struct arena scratch; /* for one command */
	struct schema schema;
	char address[CONFIG_STRING_MAX], user[CONFIG_STRING_MAX], password[CONFIG_STRING_MAX], prefix[CONFIG_STRING_MAX];
	int64_t timeout_ms;
	char sha[41];
	bool no_meta; /* nobody has written yet: who does first makes it */
};

/* What came of a command, for those who wait for it. */
struct outcome {
	enum store_result result;
	struct err *err;
};

struct load {
	struct redis_store *s;
	struct transaction *t;
	struct outcome outcome;
};

struct load_one {
	struct load *load;
	void *item;
};

struct redis_store *redis_of(const struct store *store);

/* Takes an error or a missing reply. True: there is a proper one. */
bool outcome_take(struct outcome *o, const struct value *reply);
/* The same for a command on one key, which an error names. */
bool outcome_take_key(struct redis_store *s, struct outcome *o, const struct value *reply, enum schema_key key, struct sv name);
/* The result, with the reason where Redis did not answer. */
enum store_result outcome_finish(struct redis_store *s, struct outcome *o);
bool wait_ready(struct redis_store *s, struct outcome *o);

void command(struct redis_store *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
struct sv key_of(struct redis_store *s, enum schema_key key, struct sv name);
struct sv entry_key_of(struct redis_store *s, struct sv key);

/* Differs from all others. */
int64_t store_new_revision(void);

/* An argument for a callback, in the transaction's arena. */
void *load_one(struct load *load, void *item);
/* The reply to HGETALL of an address: into the account that is the item. */
void on_entry(void *arg, const struct value *reply);

enum store_result redis_load(struct store *store, struct transaction *t, struct err *err);
enum store_result redis_commit(struct store *store, struct transaction *t, struct err *err);
enum store_result redis_position(struct store *store, struct arena *arena, struct sv source,
	struct position *position_r, struct err *err);
enum store_result redis_counts(struct store *store, struct sv dimension, store_count_callback *callback, void *arg, struct err *err);
enum store_result redis_unclassified(struct store *store, store_unclassified_callback *callback, void *arg, struct err *err);
enum store_result redis_histories(struct store *store, store_bounce_callback *callback, void *arg, struct err *err);
enum store_result redis_suppressed(struct store *store, store_entry_callback *callback, void *arg, struct err *err);
enum store_result redis_entry(struct store *store, struct arena *arena, struct sv address, struct entry *entry_r, struct err *err);
enum store_result redis_journal(struct store *store, store_journal_callback *callback, void *arg, struct err *err);
enum store_result redis_journal_entry(struct store *store, const char *id, store_field_callback *callback, void *arg, struct err *err);

#endif
