/* ledger: facts about deliveries into changes of the store, batch by batch.
 *
 * Facts are gathered with ledger_add(); ledger_commit() loads what they touch,
 * applies them in order (convert.h) and writes everything in one transaction,
 * together with the reader's position. A fact is forgotten only when it is
 * written: after any other result the same ledger_commit() can be tried again. */
#ifndef NIXIE_LEDGER_H
#define NIXIE_LEDGER_H

#include "store.h"

enum fact_kind {
	FACT_DELIVERED,
	FACT_DEFERRED, /* failed for now, the MTA will try again */
	FACT_FAILED,   /* failed for good */
	FACT_EXPIRED,  /* the message: every recipient still pending failed for good */
	FACT_REMOVED,  /* the message left the queue: nobody is pending any more */
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
	bool never_deferred;  /* the whole life of the message was seen: no need to ask for pending recipients */
	struct sv sender, login, client, message_id;
	struct failure failure; /* of DEFERRED and FAILED; occurrence times and message are filled in */
};

/* For people who watch: called for each fact of a batch that is written. The account
 * (NULL: none) is as the whole batch left it, with its transitions. */
typedef void ledger_watch(void *arg, const struct fact *fact, const struct account *account);

struct ledger {
	struct store *store;
	const struct config *config; /* conversions, expiries */
	struct arena facts_arena, arena;
	struct transaction t;
	struct fact *facts;
	size_t n, size;
	ledger_watch *watch;
	void *watch_arg;
};

void ledger_init(struct ledger *ledger, struct store *store, const struct config *config);
void ledger_free(struct ledger *ledger);

/* Copies the fact and its strings. */
void ledger_add(struct ledger *ledger, const struct fact *fact);
void ledger_forget(struct ledger *ledger);

/* from, to: see struct transaction; both NULL without a position. STORE_OK: written and
 * forgotten. STORE_CONFLICT is handled here. The watcher runs after a success only. */
enum store_result ledger_commit(struct ledger *ledger, const struct position *from, const struct position *to,
	struct err *err) NIXIE_MUST_CHECK;

#endif
