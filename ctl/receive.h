/* receive: one mail that came back, from its bytes to what it changed. */
#ifndef NIXIE_RECEIVE_H
#define NIXIE_RECEIVE_H

#include "claim.h"
#include "ledger.h"
#include "mailbox.h"
#include "verbs.h"

/* What became of a mail, or of a claim of it. */
enum receive_outcome {
	RECEIVE_NOTHING, /* it claims nothing that would change anything */
	RECEIVE_COUNTED,
	RECEIVE_TOLD,    /* a log, or another mail, told it before */
	RECEIVE_ASIDE,   /* it is not proven */
	RECEIVE_AGAIN,   /* the same mail was received before */
	RECEIVE_OUTCOMES,
};

/* A recipient of the mail, or whom a claim is about, as it is shown and counted. */
struct receive_one {
	struct claim claim;
	struct verdict verdict; /* of a failure */
	struct reply reply;
	bool failure;           /* the rules were asked */
	enum class class_;      /* as it is counted */
	enum receive_outcome outcome;
	enum status status;     /* of the address, afterwards; of what was counted */
};

struct receive {
	struct ctl *ctl;
	struct ruleset *rules;
	const char *came_to; /* --recipient; NULL: the mail tells */
	bool dry_run, quiet;
	struct verp_secrets secrets;
	struct ledger ledger;
	char day_batch[32], own_batch[64]; /* what nixie undo takes back: of mail that servers hand over; of files */
	struct sv batch;        /* of the message at hand */
	struct alert *alerts;   /* the brakes that are on */
	size_t n_alerts;
	struct arena alerts_arena;
	/* of the message at hand */
	struct arena arena;
	struct mail mail;
	struct returned returned;
	struct evidence evidence;
	struct sv print;        /* of the message that it is about; of none its own */
	struct receive_one *ones;
	size_t n_ones;
	enum receive_outcome outcome;
	const char *where;
	struct sv id;           /* of the mail itself: hex digits */
	struct sv reception;    /* the same until it is noted that it came; another one each time that it is looked at again */
	int64_t time_s;         /* when it came */
	/* of all */
	uint64_t messages, kinds[RETURNED_KINDS], outcomes[RECEIVE_OUTCOMES];
	uint64_t of_files; /* that counted */
	bool failed;  /* something could not be read, */
	bool stopped; /* or written, */
	bool broken;  /* or judged: a pattern of the rules is */
};

/* "nothing" "counted" "told" "aside" "again" */
const char *receive_outcome_name(enum receive_outcome outcome);

/* Those of attribute-to that are there, the other one where there is none. */
struct sv receive_about(const struct receive *x, const struct returned_recipient *recipient);
/* By the rules: what a server says of an address. */
void receive_judge(struct receive *x, const struct returned_recipient *recipient, struct receive_one *one_r);
/* False: a pattern that was needed for it is broken, and what it said so far does not count. */
bool receive_judged(struct receive *x, struct err *err) NIXIE_MUST_CHECK;

/* ---- receive_write.c ---- */

/* What is needed: secrets; to write also the ledger, and the brakes that are on. */
bool receive_open(struct receive *x, struct err *err) NIXIE_MUST_CHECK;
void receive_close(struct receive *x);
/* Of the message at hand what it claims, and proves by itself: nothing is asked and nothing written. */
void receive_read(struct receive *x);
/* The same, and more: gathers its claims, looks for proofs, writes what holds, and keeps aside what does not. wait_ms: so
 * long a log that is behind may take to tell of what is not proven. Not STORE_OK: it may be given again, and nothing is doubled. */
enum store_result receive_write(struct receive *x, int64_t wait_ms, struct err *err) NIXIE_MUST_CHECK;

/* ---- receive_show.c ---- */

void receive_show(struct receive *x);
void receive_show_json(struct receive *x);
void receive_show_sum(const struct receive *x);
/* How to take back what was read from files. */
void receive_show_undo(const struct receive *x);

#endif
