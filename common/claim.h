/* claim: what a mail that came back wants to change, and whether it has proven that it may.
 *
 * Anybody can write a mail that says that somebody else's address is dead. What counts is what only those can know who
 * had a message of ours in their hands: a signed address of it (verp.h), or its Message-ID where the log tells that it
 * went to that recipient and to hardly anybody else (sent.h); or what an authenticated feedback loop says of its own users, and what
 * an authenticated author says of himself. In two steps, with a question to the store between them: claim_gather() tells
 * what the mail has, claim_judge() what of it holds. Pure. */
#ifndef NIXIE_CLAIM_H
#define NIXIE_CLAIM_H

#include "config.h"
#include "returned.h"

enum claim_effect {
	CLAIM_NOTHING,
	CLAIM_FAILURE,     /* a message failed for good for this recipient */
	CLAIM_COMPLAINT,
	CLAIM_UNSUBSCRIBE,
};

enum claim_proof {
	PROOF_NONE,
	PROOF_SIGNATURE, /* an address that we signed for this recipient */
	PROOF_MESSAGE,   /* the name of a message that went to this recipient */
	PROOF_LOOP,      /* an authenticated feedback loop */
	PROOF_AUTHOR,    /* he asks for himself, and his domain's signature says that it is he */
};

/* So many names of messages a mail may tell. */
#define CLAIM_PRINTS_MAX 8
/* Recipients who are looked for in the headers of our own message */
#define CLAIM_NAMED_MAX 16

struct claim_input {
	const struct config *config;
	const struct verp_secrets *secrets;
	const struct mail *mail;
	const struct returned *returned;
	struct sv came_to; /* the envelope recipient; empty: the mail's headers tell */
	int64_t now_s;
	bool unasked;      /* nobody asked who got the messages that it names */
};

/* Strings are in the arena, or the mail's. */
struct evidence {
	enum verp_result came_to;    /* how the address fits that it came to */
	enum verp_use use;           /* unless it fits none */
	struct sv came_to_recipient; /* key of whom that names; empty: nobody */
	struct sv came_to_domain;
	struct sv came_to_address;   /* as it is written; empty: it names nobody */
	bool proven;                 /* some address of it is signed */
	struct sv recipient;         /* key of whom the message went to, by that signature */
	bool forged, expired;        /* one is, and none is right */
	size_t n_prints;
	struct sv prints[CLAIM_PRINTS_MAX];
	size_t n_named;              /* keys in receive.recipient-headers of our message */
	struct sv named[CLAIM_NAMED_MAX];
	const struct feedback_loop *loop;
	struct sv author;            /* key of who wrote it; empty: it is not proven who */
	bool addressed;              /* and he wrote it to where it came to, or the like */
	bool headers_cut;            /* not all of its headers were looked at: that proves no author and no loop */
	struct sv signed_domain;     /* of the senders whom that signature is about, */
	int64_t signed_day;          /* and of which day it is, since 1970 */
	struct sv sender, campaign;  /* of our message; empty where it does not tell */
};

struct claim {
	enum claim_effect effect;
	enum claim_proof proof;     /* PROOF_NONE: it is kept aside */
	const char *why;            /* why it proves nothing; "": it does */
	struct sv address;          /* key of whom it is about; empty: it does not tell */
	const struct returned_recipient *recipient; /* of a DSN */
	bool other;                 /* it speaks of another recipient than we wrote to: somebody behind an alias, perhaps one of many */
	struct sv scope;            /* "sender:shop.example"; empty: for all */
};

struct claims {
	size_t n;
	struct claim *v;
};

void claim_gather(const struct claim_input *input, struct arena *arena, struct evidence *evidence_r);

/* sent: keys of those whom messages of evidence->prints went to, each once, config->receive_shared + 1 of them at most. */
void claim_judge(const struct claim_input *input, const struct evidence *evidence, const struct sv *sent, size_t n_sent,
	struct arena *arena, struct claims *claims_r);

/* "signature" "message" "feedback-loop" "author"; "" for none */
const char *claim_proof_name(enum claim_proof proof);
/* For people; "" of a name that is none */
const char *claim_proof_meaning(struct sv name);

#endif
