/* store: the only door to the data, in the words of the domain.
 *
 * Two stores have this interface: Redis, and memory (for runs that change
 * nothing). What must change together is one struct transaction: it is loaded,
 * changed by pure code, and committed as a whole, if nothing of it has changed
 * meanwhile; else nothing is written and the caller loads again.
 *
 * Absent, refused and unreachable are three different results. */
#ifndef NIXIE_STORE_H
#define NIXIE_STORE_H

#include "alert.h"
#include "config.h"
#include "door_state.h"
#include "err.h"
#include "map.h"
#include "reader_state.h"
#include "state.h"

enum store_result {
	STORE_OK,
	STORE_ABSENT,      /* there is no such thing */
	STORE_CONFLICT,    /* somebody changed an entry meanwhile: load and apply again */
	STORE_MOVED,       /* the position is another one: another reader, or a server that lost its last second */
	STORE_REFUSED,     /* the server answers and will not: wrong type, out of memory, read-only */
	STORE_UNREACHABLE, /* no answer */
};

/* ---- a transaction ---- */

/* A change of status, for the journal. */
struct transition {
	struct transition *next, *later; /* of the account; of the transaction */
	struct sv address;
	int64_t number; /* of the transaction's, from 1; 0: it is written with its entry */
	enum status from, to;
	enum category reason;
	struct sv rule, remote, why, scope; /* scope: empty, or the one that it is about */
	struct sv before;           /* the entry as it was, packed (schema.h); empty: there was none */
	int64_t time_s;
};

/* A final failure, for the history of an address; or a complaint (its class tells), or that a reader unsubscribed. */
#define BOUNCE_FOR_ALL SV("all")
struct bounce {
	struct bounce *next;
	struct failure failure;
	struct sv sender, campaign;
	struct sv scope;   /* of complaints and unsubscriptions: for whose mail it is meant, as in scope_parse(), or BOUNCE_FOR_ALL */
	struct sv proof;   /* of what a mail told (claim.h); empty: a log told it */
	bool unsubscribed; /* it is no failure: of that only text, message and time */
};

struct account {
	struct sv key;          /* of the address */
	struct entry entry;     /* status none: not stored */
	struct window *window;
	struct sv revision;     /* as it was loaded, byte by byte: also a damaged one can be replaced */
	bool needs_window;      /* ask for it in the first round trip */
	bool loaded, changed, window_changed;
	bool absent;            /* there was none, or it is taken to be so unasked (loaded): if there is one, the commit is a conflict */
	bool was_suppressed, was_scoped; /* in the index when loaded */
	bool needs_history;     /* ask whether it has one (Redis only) */
	bool has_history;
	bool forget_history;    /* a person asked for it */
	struct transition *transitions, *last_transition;
	struct bounce *bounces, *last_bounce;
};

/* One recipient of a message that is still in the queue. */
struct pending_recipient {
	struct pending_recipient *next;
	struct sv address;
	struct failure failure; /* first_s, last_s, and the last reply */
	uint64_t attempts;
	bool uncounted; /* beside another address that counts */
	struct sv provider; /* that put it off */
	bool changed, gone;
};

struct pending {
	struct sv key;       /* host/instance/queue-id */
	int64_t arrival_s;   /* tells two messages with one queue id apart */
	struct sv sender, login, client, message_id, campaign;
	struct pending_recipient *recipients;
	bool loaded, changed, stored; /* without recipients it is not kept */
};

struct counter {
	struct counter *next;
	struct sv period; /* yyyymmdd in UTC, and behind a colon the dimension */
	struct sv name;
	int64_t delta;
};

/* Results by what they have in common, of a day or a minute. */
enum tally_counter { TALLY_ATTEMPTS, TALLY_DELIVERED, TALLY_DEFERRED, TALLY_SOFT, TALLY_HARD, TALLY_COMPLAINT,
	TALLY_THROTTLED, TALLY_BLOCKED, TALLY_FAILING, TALLY_MAIL_SOFT, TALLY_MAIL_HARD, TALLY_COUNTERS }; /* MAIL: of those above */

struct tally {
	struct tally *next;
	struct sv period;    /* "20261121" or "202611210912" */
	struct sv dimension; /* "dest" "provider" "sender" "campaign" "host" */
	struct sv value;
	int64_t n[TALLY_COUNTERS];
};

/* "attempts" "delivered" ... */
const char *tally_name(enum tally_counter counter);

/* A reply that no rule knows. */
struct unclassified {
	struct unclassified *next;
	struct sv month; /* yyyymm, UTC */
	struct sv text;  /* normalised: what its like have in common */
	struct sv example;
	int64_t delta;
};

/* Whom messages of one day went to, those whose prints begin alike (sent.h). */
struct sent {
	struct sv key;         /* "20261121:0af" */
	size_t n;
	struct sv *members;    /* "<the print's other digits>|<address>", or "~" for "|" (sent.h) */
};

/* That a failure, a complaint or a mail was counted (sent.h: told_id()), which is to be counted once.
 * TOLD_ASIDE: of a mail, that it was kept aside once; what it says may be proven another time. */
enum told_by { TOLD_BY_NOBODY, TOLD_BY_LOG, TOLD_BY_MAIL, TOLD_ASIDE, TOLD_BYS };
struct told {
	struct sv id;
	bool loaded;
	enum told_by by;    /* as it is on record */
	enum told_by put;   /* TOLD_BY_NOBODY: stays. Else, where nobody was, STORE_CONFLICT if somebody is by then */
	bool brief;         /* by mail, and it changed nothing: it need not be known for long */
	struct sv mail;     /* by mail: which reception told it, or is to; empty: it is not known */
};

/* Mail that says something of an address and does not prove it. Texts are as the mail has them, cut. */
#define ASIDE_TEXT_MAX 300
struct aside {
	struct aside *next;
	int64_t time_s;
	struct sv kind;     /* "dsn", "complaint", "unsubscribe" */
	struct sv address;  /* key; empty: it names none */
	struct sv why;      /* what is missing */
	struct sv from, about, status, text, category, sender;
};

/* A reader's place in its source. A plain value, but for the names. */
#define POSITION_AT_MAX 128
#define POSITION_CURSOR_MAX 256
struct position {
	struct sv source, path;
	char at[POSITION_AT_MAX]; /* opaque: identity of the file and offset; compared as a whole; "": none yet */
	char cursor[POSITION_CURSOR_MAX]; /* of a journal: its own word for the place; "": it is of a file */
	uint64_t generation; /* how many files were read before this one: with the offset, the order of places */
	uint64_t device, inode, offset; /* offset: bytes of a file, entries of a journal */
	uint64_t head_bytes, head_hash; /* hash of the file's first bytes */
	uint64_t tail_bytes, tail_hash; /* hash of the bytes before the offset */
	int64_t time_s;  /* of the last event */
};

struct transaction {
	struct arena *arena;
	int64_t partition;                       /* all of it is there; TRANSACTION_ANY: where its accounts are */
	enum store_result result;                /* of the last store_load_all() or store_commit_all() */
	struct map accounts, pendings, counters, tallies, unclassified, sent, told; /* values: the structs above, in the arena */
	struct aside *asides, *last_aside;       /* in partition 0 */
	const struct alert *alert;               /* opened, changed or closed; in partition 0 */
	enum alert_event alert_event;
	struct sv gap_source;                    /* empty: none; in partition 0 */
	int64_t gap_s;                           /* 0: taken away */
	const struct reader_state *reader;       /* NULL: none; in partition 0 */
	bool bulk;                               /* a list: of what is absent much is written at once, in any order */
	bool totals_only;                        /* no minutes, no tallies: the store does not keep them */
	int64_t now_s;                           /* of its beginning */
	int64_t minute;                          /* whose name `period` is: since 1970 */
	char period[CLOCK_MINUTE_MAX];
	const struct position *from, *to;        /* NULL: not from a source */
	int64_t first_s;                         /* of its events the oldest; 0: there are none */
	struct span soft_expiry, window_expiry, sent_expiry;
	struct sv by, batch;
	struct transition *first, *last;         /* all, in the order they were made */
	void *underway;                          /* the store's own: of those that were started together, in the first */
};

#define TRANSACTION_ANY (-1)

/* Finds or adds. Keys are copied into the arena; one that is borrowed lives as long as the transaction. */
struct account *transaction_account(struct transaction *t, struct sv key);
struct account *transaction_borrow(struct transaction *t, struct sv key, uint64_t hash);
struct pending *transaction_pending(struct transaction *t, struct sv key);
/* By day and by minute. dimension: empty for the totals, else "rule". */
void transaction_count(struct transaction *t, int64_t time_s, struct sv dimension, struct sv name, int64_t delta);
/* The same of values that are as many as there are senders and destinations; empty ones are left out. */
void transaction_tally(struct transaction *t, int64_t time_s, struct sv dimension, struct sv value, const int64_t n[TALLY_COUNTERS]);
void transaction_unclassified(struct transaction *t, int64_t time_s, struct sv text, struct sv example);
/* Remembers that a message of this print (sent.h) went to that address; tried: that its server was offered it, and did not take it. */
void transaction_sent(struct transaction *t, int64_t time_s, struct sv print, struct sv address, bool tried);
/* Finds or adds; the id is copied. */
struct told *transaction_told(struct transaction *t, struct sv id);
/* Copies it, and its texts. */
void transaction_aside(struct transaction *t, const struct aside *aside);
void transaction_begin(struct transaction *t, struct arena *arena);
void transaction_free(struct transaction *t);

/* Marks the account changed and notes the step for the journal. */
void account_transition(struct transaction *t, struct account *account, const struct entry *before,
	struct sv why, int64_t time_s);
/* The same of one of its scopes, "sender:shop.example" (borrowed): reason, rule and remote of the address are not those of the scope. */
void account_scope_transition(struct transaction *t, struct account *account, const struct entry *before, struct sv scope,
	enum status from, enum status to, struct sv why, int64_t time_s);

/* ---- stores ---- */

struct store;

/* Never fails: a server that is not there is a state, not an error. */
struct store *store_redis(const struct config *config);
struct store *store_memory(unsigned partitions);
void store_free(struct store *store);

/* Loads what is not loaded yet. */
enum store_result store_load(struct store *store, struct transaction *t, struct err *err) NIXIE_MUST_CHECK;
enum store_result store_commit(struct store *store, struct transaction *t, struct err *err) NIXIE_MUST_CHECK;

/* Several at once, each of a partition of its own: each has its result, which is one of it
 * alone; returned is the first that is not STORE_OK. */
enum store_result store_load_all(struct store *store, struct transaction *const *t, size_t n, struct err *err) NIXIE_MUST_CHECK;
enum store_result store_commit_all(struct store *store, struct transaction *const *t, size_t n, struct err *err) NIXIE_MUST_CHECK;

/* The second in two steps. Until it is finished the store may be asked other things; t, what it has and *err stay. */
void store_commit_start(struct store *store, struct transaction *const *t, size_t n, struct err *err);
enum store_result store_commit_finish(struct store *store, struct transaction *const *t, size_t n, struct err *err) NIXIE_MUST_CHECK;

/* Does it keep minutes and tallies? */
bool store_keeps_tallies(const struct store *store);

/* How many partitions there are: asked of the server. 0: it does not tell. */
unsigned store_partitions(struct store *store, struct err *err);
/* The partition of an address or a "@domain"; after store_partitions() has told. */
unsigned store_partition_of(const struct store *store, struct sv key);

/* The position of a source in each of the partitions. */
enum store_result store_positions(struct store *store, struct sv source, struct position *positions_r, struct err *err) NIXIE_MUST_CHECK;

typedef void store_count_callback(void *arg, struct sv day, struct sv name, int64_t value);
typedef bool store_entry_callback(void *arg, struct sv address, const struct entry *entry);

/* Whom messages of these prints went to (tried: were offered to), since that time; the print is the index of one. An
 * address can be told more than once. Of each print and day in a partition at most max different ones. Redis only: else nobody. */
typedef void store_sent_callback(void *arg, size_t print, struct sv address, bool tried);
enum store_result store_sent(struct store *store, const struct sv *prints, size_t n, int64_t since_s, unsigned max, store_sent_callback *callback,
	void *arg, struct err *err) NIXIE_MUST_CHECK;

/* What was kept aside, the newest first; the callback returns false to stop. */
typedef bool store_aside_callback(void *arg, const struct aside *aside);
enum store_result store_asides(struct store *store, struct arena *arena, store_aside_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* Every counter of every day on record: the totals, or those of a dimension. */
enum store_result store_counts(struct store *store, struct sv dimension, store_count_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;

/* The same of the days from first to last, "20261121", both of them included. */
enum store_result store_counts_of(struct store *store, struct sv first, struct sv last, struct sv dimension, store_count_callback *callback,
	void *arg, struct err *err) NIXIE_MUST_CHECK;

/* The totals of each hour that is over and on record for curves, from one time (UTC) up to another; each partition for itself. */
typedef void store_hour_callback(void *arg, int64_t hour_s, struct sv name, int64_t value);
enum store_result store_hours(struct store *store, int64_t from_s, int64_t to_s, store_hour_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;

/* The counters of one period, of the totals or of a dimension, each partition for itself: "20261121" or a
 * minute "202611210912". The callback's day is the period. */
enum store_result store_period(struct store *store, struct sv period, struct sv dimension, store_count_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;

/* Every open alert. */
typedef void store_alert_callback(void *arg, const struct alert *alert);
enum store_result store_alerts(struct store *store, struct arena *arena, store_alert_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;
/* Writes or takes away one, and notes in the log of alerts that it opened or closed. */
enum store_result store_alert(struct store *store, const struct alert *alert, enum alert_event event, struct err *err) NIXIE_MUST_CHECK;

/* When lines were lost, by source (gaps.h). A time of 0 takes it away. */
typedef void store_gap_callback(void *arg, struct sv source, int64_t time_s);
enum store_result store_gaps(struct store *store, store_gap_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;
enum store_result store_gap(struct store *store, struct sv source, int64_t time_s, struct err *err) NIXIE_MUST_CHECK;

/* Log readers, those whose state is newest last; strings are in the arena. */
typedef void store_reader_callback(void *arg, const struct reader_state *state);
enum store_result store_readers(struct store *store, struct arena *arena, store_reader_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;
enum store_result store_reader(struct store *store, const struct reader_state *state, struct err *err) NIXIE_MUST_CHECK;

/* Policy services, in no order; strings are in the arena. store_door() tells of one. */
typedef void store_door_callback(void *arg, const struct door_state *state);
enum store_result store_doors(struct store *store, struct arena *arena, store_door_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* How many addresses are suppressed, by the index; those whose term is over are among them. */
enum store_result store_suppressed_count(struct store *store, uint64_t *n_r, struct err *err) NIXIE_MUST_CHECK;
/* The same of those that have scopes, whatever they are for all. */
enum store_result store_scoped_count(struct store *store, uint64_t *n_r, struct err *err) NIXIE_MUST_CHECK;

/* What was noted of alerts, the oldest first. open: it opened, else it closed. */
typedef void store_alert_log_callback(void *arg, int64_t time_s, bool open, const struct alert *alert);
enum store_result store_alert_log(struct store *store, store_alert_log_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* Every reply that no rule knows, by month. */
typedef void store_unclassified_callback(void *arg, const struct unclassified *unclassified);
enum store_result store_unclassified(struct store *store, store_unclassified_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;

/* Every final failure in the history of every address, the oldest of an address first. */
typedef void store_bounce_callback(void *arg, struct sv address, const struct bounce *bounce);
enum store_result store_histories(struct store *store, store_bounce_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;
/* The same from a time on, and of one domain (empty: of all): less is asked for. */
enum store_result store_histories_since(struct store *store, int64_t since_s, struct sv domain, store_bounce_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;
/* Those of one address. */
enum store_result store_history(struct store *store, struct sv address, store_bounce_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;
/* Every suppressed address, oldest first, of one second in the order of bytes; the callback returns false to stop. One that
 * is freed or moved meanwhile may be left out, or told twice. */
enum store_result store_suppressed(struct store *store, store_entry_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;
/* A place in that order: behind this address, whether it is still there or not. */
struct suppressed_place {
	int64_t since_s;
	struct sv address;
};
/* Some of them: what the index tells of; the entries of others are not read. */
struct suppressed_some {
	const struct suppressed_place *after; /* NULL: all */
	int64_t since_s, until_s;             /* suppressed from one time up to another, which is behind it */
	struct sv domain;                     /* empty: any */
	const struct sv *fields;              /* of nixie-redis(7): what is read of an entry, status among them; NULL: all */
	size_t n_fields;                      /* at most SUPPRESSED_FIELDS_MAX */
	bool scoped;                          /* instead those that have scopes: since is then that of the newest */
};
#define SUPPRESSED_FIELDS_MAX 16
#define SUPPRESSED_ALL ((struct suppressed_some){ .since_s = INT64_MIN, .until_s = INT64_MAX })
enum store_result store_suppressed_some(struct store *store, const struct suppressed_some *some, store_entry_callback *callback,
	void *arg, struct err *err) NIXIE_MUST_CHECK;

/* Every entry there is, of addresses and of "@domain", in no order; one that changes meanwhile perhaps twice.
 * The callback returns false to stop. */
enum store_result store_entries(struct store *store, store_entry_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* One address, at once. */
enum store_result store_entry(struct store *store, struct arena *arena, struct sv address,
	struct entry *entry_r, struct err *err) NIXIE_MUST_CHECK;

/* The journal entry of a token's id: its fields through the callback. */
typedef void store_field_callback(void *arg, struct sv field, struct sv value);
enum store_result store_journal_entry(struct store *store, const char *id, store_field_callback *callback,
	void *arg, struct err *err) NIXIE_MUST_CHECK;

/* A change of a status, as it was written. */
struct journal_entry {
	struct sv id, address, why, by, batch, rule, remote, scope, before;
	enum status from, to;
	enum category reason;
	int64_t time_s; /* of the event */
};

/* Those that were written in the same millisecond as that of an id, in all partitions; of each not more than STORE_BESIDE_MAX. */
#define STORE_BESIDE_MAX 22
typedef void store_journal_callback(void *arg, const struct journal_entry *entry);
enum store_result store_journal_beside(struct store *store, const char *id, store_journal_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* The whole journal, partition by partition, in the order in which it was written. */
enum store_result store_journal(struct store *store, store_journal_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* A place in the journal of one partition: of store_partitions() there is one each. One of zeroes is before all. */
struct journal_place {
	char at[64]; /* the store's own */
};
/* Behind what is there now. */
enum store_result store_journal_end(struct store *store, struct journal_place *places_r, struct err *err) NIXIE_MUST_CHECK;
/* What was written behind the places since, partition by partition, not more than a page of each; and moves the places behind it. */
enum store_result store_journal_next(struct store *store, struct journal_place *places, store_journal_callback *callback, void *arg,
	struct err *err) NIXIE_MUST_CHECK;

/* ---- what nixie doctor asks (Redis only); writes nothing ---- */

/* What the server tells of itself, under its own names; "config." and "meta." before some of them.
 * Of ours are: reply-us, ahead-ms (its clock), no-info, no-config, no-meta, no-lua, no-writes (why it does
 * not), forbidden-command, forbidden-key and wrong-type (each several times); servers: how many
 * masters there are, server: the number of this one, from 0, server-name. */
typedef void store_fact_callback(void *arg, struct sv name, struct sv value);
enum store_result store_facts(const struct config *config, size_t server, store_fact_callback *callback, void *arg, struct err *err) NIXIE_MUST_CHECK;

/* The sources that are on record: first of those named, then of all others that are found within some seconds.
 * Of a position: source, path, device, inode, offset, time. updated_s: when it was written. */
typedef void store_source_callback(void *arg, const struct position *position, int64_t updated_s);
enum store_result store_sources(const struct config *config, size_t n, const struct sv *names, store_source_callback *callback,
	void *arg, struct err *err) NIXIE_MUST_CHECK;

/* ---- from an event loop (Redis only) ---- */

typedef void store_lookup_callback(void *arg, enum store_result result, const struct entry *entry);

/* Asks for one address, or a "@domain". The callback runs exactly once, perhaps before this returns;
 * the entry (empty unless STORE_OK) is valid during it. Late answers are STORE_UNREACHABLE. */
void store_lookup(struct store *store, struct sv key, store_lookup_callback *callback, void *arg);

/* May this message pass, after the term of the entry? Of all that ask, exactly one may; `who`
 * is the message, which may ask again. STORE_OK with granted; STORE_CONFLICT: the entry has
 * changed, look it up again; else the store does not tell. */
typedef void store_parole_callback(void *arg, enum store_result result, bool granted);
void store_parole(struct store *store, struct sv address, const struct entry *entry, int64_t now_s, struct sv who,
	store_parole_callback *callback, void *arg);
/* The message does not come after all: another may. until_s: of the entry that it was granted on. */
void store_parole_back(struct store *store, struct sv address, int64_t until_s, struct sv who);

/* What the service itself does. Either the state is written as a whole or not at all. */
typedef void store_done_callback(void *arg, enum store_result result);
void store_door(struct store *store, const struct door_state *state, store_done_callback *callback, void *arg);

int store_fd(const struct store *store);
short store_events(const struct store *store);
int store_timeout_ms(const struct store *store);
void store_service(struct store *store, short revents);
/* Differs when store_fd() is another descriptor, perhaps of the same number. */
unsigned store_generation(const struct store *store);
bool store_ready(const struct store *store);
/* At a start: waits until it is, or cannot be now, at most so long. */
void store_wait(struct store *store, int64_t timeout_ms);

/* Is told which entries change, from now on: an address or a "@domain" of store_lookup(); key.n == 0:
 * everything may have changed. Several times for one change, and for none, perhaps. The callback runs in
 * store_watch_service() and store_service(), and must not call the store. */
typedef void store_change_callback(void *arg, struct sv key);
void store_watch(struct store *store, store_change_callback *callback, void *arg);
/* Every change is told, up to STORE_SILENCE_MS ago at the least: what is asked now may be remembered until it is
 * told to have changed, unless that comes before the answer. A term that ends is no change: see `until`. */
#define STORE_SILENCE_MS 2000
bool store_watching(const struct store *store);
/* For the loop, beside the above: a descriptor that stays the same (to be read from), and when it wants to be called. */
int store_watch_fd(const struct store *store);
int store_watch_timeout_ms(const struct store *store);
void store_watch_service(struct store *store);

/* From now on what is asked of a server is refused at once (STORE_UNREACHABLE) while one of its answers is overdue:
 * a server that hangs costs its deadline once, not each question. */
void store_set_impatient(struct store *store);
void store_set_timeout(struct store *store, int64_t timeout_ms);

#endif
