/* verp: return addresses that tell to whom a message went, and prove it.
 *
 * A template says what such an address looks like: "bounces+{recipient}-{sig}@news.example". {recipient} is the
 * address, its last "@" written as "=", with every byte that a local part cannot have outside quotes, or that a relay
 * could take for its own, as "~" and two hexadecimal digits: user=example.com. {sig} is the day, three digits of base32,
 * and the first 80 bits of an HMAC-SHA256, sixteen of them. No letter's case matters: some servers change it.
 * nixie(1), "Signed addresses", has it to the byte, for programs that sign by themselves.
 *
 * A template without {sig} tells a recipient that anybody can have written, as Postfix's XVERP does (which escapes
 * nothing); one without {recipient} only what an address is for. Pure. */
#ifndef NIXIE_VERP_H
#define NIXIE_VERP_H

#include "address.h"
#include "clock.h"
#include "err.h"

#define VERP_TEMPLATES_MAX 16
#define VERP_TEXT_MAX 200
#define VERP_LOCAL_MAX 64 /* RFC 5321, 4.5.3.1.1: longer ones are refused by some */
#define VERP_ADDRESS_MAX (VERP_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)
#define VERP_SECRETS_MAX 8
#define VERP_SECRET_MIN 16
#define VERP_SECRET_MAX 128
#define VERP_SIG_CHARS 19

enum verp_use { VERP_BOUNCES, VERP_UNSUBSCRIBE, VERP_COMPLAINTS, VERP_USES };

/* As verp_template_parse() makes it. */
struct verp_template {
	enum verp_use use;
	char text[VERP_TEXT_MAX + 1]; /* in small letters, its domain as A-labels */
	bool recipient, sig;
	char sender[ADDRESS_DOMAIN_MAX + 1]; /* the domain of the senders whose mail it is about; of verp_template_parse() its own */
};

struct verp_templates {
	size_t n;
	struct verp_template v[VERP_TEMPLATES_MAX];
};

struct verp_secret {
	size_t n;
	char bytes[VERP_SECRET_MAX];
};

/* The first signs, all are accepted: so one follows another. */
struct verp_secrets {
	size_t n;
	struct verp_secret v[VERP_SECRETS_MAX];
};

enum verp_result {
	VERP_NONE,     /* no template fits */
	VERP_PLAIN,    /* one without a recipient does */
	VERP_UNSIGNED, /* it tells a recipient, and proves nothing */
	VERP_SIGNED,
	VERP_FORGED,   /* the signature is not ours, or of another address */
	VERP_EXPIRED,  /* it is ours, of a day that is too long ago, or more than a day ahead */
};

/* What an address says; of VERP_NONE nothing, of VERP_FORGED only what it claims. */
struct verp {
	const struct verp_template *template; /* of those that verp_read() was given */
	enum verp_use use;
	int64_t day;       /* since 1970, UTC; with a {sig} */
	size_t n;
	char recipient[ADDRESS_KEY_MAX + 1]; /* "" without one; an address in its internal form */
};

static inline struct sv verp_recipient(const struct verp *verp)
{
	return sv_make(verp->recipient, verp->n);
}

/* What fits best: a signature that is right, then one that is not, then none. What relays wrap around an address (BATV, SRS) is
 * taken off first: that proves nothing by itself. Any bytes are an address of some kind, in its external form. */
enum verp_result verp_read(const struct verp_templates *templates, const struct verp_secrets *secrets, struct sv address,
	int64_t now_s, struct span lifetime, struct verp *verp_r);

enum verp_made {
	VERP_MADE,
	VERP_NO_SECRET,     /* there is none to sign with */
	VERP_NO_SIG,        /* the template has no {sig} */
	VERP_BAD_RECIPIENT, /* it is no address */
	VERP_TOO_LONG,      /* the local part would be longer than VERP_LOCAL_MAX */
};

/* The signed address for a recipient: a key, so that all spellings of it give the same. Terminated. */
enum verp_made verp_make(const struct verp_template *template, const struct verp_secrets *secrets, struct sv recipient, int64_t now_s,
	char address_r[VERP_ADDRESS_MAX + 1]) NIXIE_MUST_CHECK;

/* A sentence for each, to put behind "<recipient>: " */
const char *verp_made_problem(enum verp_made made);

/* The first that can sign for this use; NULL: there is none. */
const struct verp_template *verp_signing(const struct verp_templates *templates, enum verp_use use);

/* *err says what to write instead. */
bool verp_template_parse(enum verp_use use, struct sv text, struct verp_template *template_r, struct err *err) NIXIE_MUST_CHECK;

/* One secret a line, without the blanks around it; empty lines do not count. */
bool verp_secrets_parse(struct sv text, struct verp_secrets *secrets_r, struct err *err) NIXIE_MUST_CHECK;

/* "bounces" "unsubscribe" "complaints" */
const char *verp_use_name(enum verp_use use);
bool verp_use_by_name(struct sv name, enum verp_use *use_r) NIXIE_MUST_CHECK;
/* "signed", "forged" ... */
const char *verp_result_name(enum verp_result result);

#endif
