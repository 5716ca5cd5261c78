/* store_redis: what the files of the Redis store share. Only for store_redis*.c. */
#ifndef NIXIE_STORE_REDIS_H
#define NIXIE_STORE_REDIS_H

#include "servers.h"
#include "schema.h"
#include "store_ops.h"
#include "tracking.h"

/* Suppressed addresses and days are read in pages of this many. */
#define PAGE 1000

struct redis_store {
	struct store store;
	struct servers *servers;
	struct arena scratch; /* for one command */
	char address[CONFIG_STRING_MAX], user[CONFIG_STRING_MAX], password[CONFIG_STRING_MAX], prefix[CONFIG_STRING_MAX];
	int64_t timeout_ms;
	unsigned partitions_wanted; /* of the configuration, for who writes first */
	char sha[41];
	bool *tried; /* of each partition: its server has the script, and lets us */
	bool no_meta; /* nobody has written yet: who does first makes it */
	bool meta_wanted; /* it has changed, or nobody has told it yet */
	bool told;    /* somebody counts on the number of partitions */
	int64_t meta_asked_ms;
	int64_t database;
	struct tls *tls;           /* NULL: in the clear */
	struct tracking *tracking; /* NULL: nobody wants to be told */
	store_change_callback *changed;
	void *changed_arg;
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
	unsigned partition;
};

struct redis_store *redis_of(const struct store *store);

/* Takes an error or a missing reply. True: there is a proper one. */
bool outcome_take(struct outcome *o, const struct value *reply);
/* The same for a command on one key, which an error names. */
bool outcome_take_key(struct redis_store *s, struct outcome *o, const struct value *reply, unsigned partition, enum schema_key key, struct sv name);
/* The result, with the reason where Redis did not answer. */
enum store_result outcome_finish(struct redis_store *s, struct outcome *o);
/* Asks for nixie:meta, and takes from it what is to be known. */
void redis_ask_meta(struct redis_store *s);
/* There may be other servers, or partitions, to be told of changes by. */
void redis_look(struct redis_store *s);
bool wait_ready(struct redis_store *s, struct outcome *o);

/* The second word is the key that it is about; or else one is named. */
void command(struct redis_store *s, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
void command_about(struct redis_store *s, struct sv key, size_t argc, const struct sv *argv, redis_callback *callback, void *arg);
struct schema schema_in(const struct redis_store *s, unsigned partition);
struct sv key_in(struct redis_store *s, unsigned partition, enum schema_key key, struct sv name);
/* Of an address or a "@domain" */
struct sv entry_key_of(struct redis_store *s, struct sv key);
unsigned partition_of(const struct redis_store *s, struct sv key);

/* Differs from all others. */
int64_t store_new_revision(void);

/* An argument for a callback, in the transaction's arena. */
void *load_one(struct load *load, void *item);
/* The reply to HGETALL of an address: into the account that is the item. */
void on_entry(void *arg, const struct value *reply);

/* Asks for what a transaction has to know of what was told before. */
void mail_ask(struct load *load);

enum store_result redis_load(struct store *store, struct transaction *const *t, size_t n, struct err *err);
void redis_commit_start(struct store *store, struct transaction *const *t, size_t n, struct err *err);
enum store_result redis_commit_finish(struct store *store, struct transaction *const *t, size_t n, struct err *err);
enum store_result redis_positions(struct store *store, struct sv source, struct position *positions_r, struct err *err);
enum store_result redis_sent(struct store *store, const struct sv *prints, size_t n, int64_t since_s, unsigned max, store_sent_callback *callback,
	void *arg, struct err *err);
enum store_result redis_asides(struct store *store, struct arena *arena, store_aside_callback *callback, void *arg, struct err *err);
enum store_result redis_counts(struct store *store, struct sv first, struct sv last, struct sv dimension, store_count_callback *callback,
	void *arg, struct err *err);
enum store_result redis_hours(struct store *store, int64_t from_s, int64_t to_s, store_hour_callback *callback, void *arg, struct err *err);
enum store_result redis_period(struct store *store, struct sv period, struct sv dimension, store_count_callback *callback, void *arg,
	struct err *err);
enum store_result redis_alerts(struct store *store, struct arena *arena, store_alert_callback *callback, void *arg, struct err *err);
enum store_result redis_gaps(struct store *store, store_gap_callback *callback, void *arg, struct err *err);
enum store_result redis_readers(struct store *store, struct arena *arena, store_reader_callback *callback, void *arg, struct err *err);
enum store_result redis_doors(struct store *store, struct arena *arena, store_door_callback *callback, void *arg, struct err *err);
enum store_result redis_suppressed_count(struct store *store, bool scoped, uint64_t *n_r, struct err *err);
enum store_result redis_alert_log(struct store *store, store_alert_log_callback *callback, void *arg, struct err *err);
enum store_result redis_unclassified(struct store *store, store_unclassified_callback *callback, void *arg, struct err *err);
enum store_result redis_histories(struct store *store, int64_t since_s, struct sv domain, store_bounce_callback *callback, void *arg,
	struct err *err);
enum store_result redis_history(struct store *store, struct sv address, store_bounce_callback *callback, void *arg, struct err *err);
enum store_result redis_suppressed(struct store *store, const struct suppressed_some *some, store_entry_callback *callback, void *arg,
	struct err *err);
enum store_result redis_entries(struct store *store, store_entry_callback *callback, void *arg, struct err *err);
enum store_result redis_entry(struct store *store, struct arena *arena, struct sv address, struct entry *entry_r, struct err *err);
enum store_result redis_journal_beside(struct store *store, const char *id, store_journal_callback *callback, void *arg, struct err *err);
enum store_result redis_journal(struct store *store, store_journal_callback *callback, void *arg, struct err *err);
enum store_result redis_journal_end(struct store *store, struct journal_place *places_r, struct err *err);
enum store_result redis_journal_next(struct store *store, struct journal_place *places, store_journal_callback *callback, void *arg, struct err *err);
enum store_result redis_journal_entry(struct store *store, const char *id, store_field_callback *callback, void *arg, struct err *err);

#endif
