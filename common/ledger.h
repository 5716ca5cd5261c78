/* ledger: facts about deliveries into changes of the store, batch by batch.
 *
 * Facts are gathered with ledger_add(), each for the partition of its address;
 * ledger_commit() loads what they touch, applies them in order (convert.h) and
 * writes everything in one transaction a partition, together with the reader's
 * position there. A fact is forgotten only when it is written: after any other
 * result the same ledger_commit() can be tried again. */
#ifndef NIXIE_LEDGER_H
#define NIXIE_LEDGER_H

#include "gaps.h"
#include "store.h"
#include "surge.h"

enum fact_kind {
	FACT_DELIVERED,
	FACT_DEFERRED, /* failed for now, the MTA will try again */
	FACT_FAILED,   /* failed for good */
	FACT_EXPIRED,  /* the message: every recipient still pending failed for good, by its last failure */
	FACT_REMOVED,  /* the message left the queue: nobody is pending any more */
	/* of mail that came back */
	FACT_COMPLAINED,
	FACT_UNSUBSCRIBED,
};

/* What became of a fact that a mail told. */
enum fact_outcome {
	FACT_COUNTED,
	FACT_TOLD,     /* it was told before, by a log or by another mail */
	FACT_NO_ROOM,  /* of decisions for some senders only there are too many (scope.h) */
};

/* Two arrivals within this are one: an MTA's delays are rounded. */
#define LEDGER_ARRIVAL_SLACK_S 2

struct fact {
	enum fact_kind kind;
	int64_t time_s;
	struct sv address;    /* key; empty: not known or not usable, it is counted only */
	struct sv message;    /* host/instance/queue-id */
	int64_t arrival_s;
	bool uncounted;       /* a second address of a fact that counts already */
	bool recipient;       /* of EXPIRED: this address alone, and by `failure` where none is on record */
	bool never_deferred;  /* the whole life of the message was seen: no need to ask for pending recipients */
	uint64_t where;       /* of EXPIRED and REMOVED: the set of partitions (schema.h) that recipients were deferred in; 0: not known */
	struct sv sender, login, client, message_id, campaign;
	struct sv host;       /* that wrote the log */
	struct sv provider;   /* whose server it was delivered to, or refused by; empty: nobody's that is known */
	struct failure failure; /* of DEFERRED and FAILED; occurrence times and message are filled in. Of COMPLAINED its text and remote */
	bool by_mail;         /* a mail that came back tells it, after the attempt: it is counted unless it was told before */
	struct sv print;      /* by_mail: of the message that it is about (sent.h) */
	struct sv mail;       /* by_mail: its reception: what that told before it was interrupted is FACT_COUNTED, and not counted again */
	struct sv proof;      /* by_mail: the name of what proves it (claim.h) */
	size_t number;        /* for the watcher: which of the caller's own it is; the ledger does not look at it */
	struct sv scope;      /* of COMPLAINED and UNSUBSCRIBED: for whose mail it holds, as in scope_parse(); empty: for all */
	/* the ledger's own: hash of the address, and what the transaction has of it and of the message */
	uint64_t address_hash;
	struct account *account;
	struct pending *pending;
	struct told *told;
	enum fact_outcome outcome;
};

/* For people who watch: called for each fact of a batch that is written. The account
 * (NULL: none) is as the whole batch left it, with its transitions. */
typedef void ledger_watch(void *arg, const struct fact *fact, const struct account *account);

/* Are facts of the line that is being read still to be counted in this partition? */
typedef bool ledger_wants(void *arg, unsigned partition);

struct ledger_part;
struct ledger_work;

struct ledger {
	struct store *store;
	const struct config *config; /* conversions, expiries */
	struct sv by, batch;         /* who, for the journal: "logtail" */
	struct arena facts_arena;
	struct sv host, provider, sender, campaign; /* of the fact before, in that arena */
	struct ledger_part *parts;
	unsigned n_parts;
	size_t n;        /* facts that are not written, each as often as there are partitions that it is about */
	size_t gathered; /* since all was written */
	ledger_wants *wants; /* NULL: all are */
	void *wants_arg;
	struct ledger_work *work; /* between ledger_start() and ledger_finish() */
	struct gaps *gaps, own_gaps; /* gaps: its own, or those of another ledger of the same reader */
	struct surge *surge; /* is told of every fact, and asked about the brake; NULL: none */
	ledger_watch *watch;
	void *watch_arg;
};

/* The store knows its partitions (store_partitions()) by then. */
void ledger_init(struct ledger *ledger, struct store *store, const struct config *config);
void ledger_free(struct ledger *ledger);

/* Copies the fact and its strings. */
void ledger_add(struct ledger *ledger, const struct fact *fact);
void ledger_forget(struct ledger *ledger);

/* Lines of this source (borrowed) are lost, the last of them about then: what is added from now on
 * is judged with it. It is written by the next ledger_commit(), before all else. */
void ledger_lost(struct ledger *ledger, struct sv source, int64_t time_s);

/* at: the position of each partition, which becomes *to where it is written; both NULL
 * without a position. everywhere: also where there are no facts. STORE_OK: all is written
 * and forgotten; else some partitions may be, and `at` tells. STORE_CONFLICT is handled
 * here. The watcher runs for what was written only. */
enum store_result ledger_commit(struct ledger *ledger, struct position *at, const struct position *to, bool everywhere,
	struct err *err) NIXIE_MUST_CHECK;

/* The same in two steps: between them the store works, and the caller may do anything but with this ledger;
 * store_service() now and then keeps the bytes flowing. at and *to live until it is finished. */
void ledger_start(struct ledger *ledger, struct position *at, const struct position *to, bool everywhere);
enum store_result ledger_finish(struct ledger *ledger, struct err *err) NIXIE_MUST_CHECK;

/* The facts of one partition */
void ledger_forget_part(struct ledger *ledger, unsigned partition);

#endif
