/* address: a mail address and its key, the one spelling under which it is known.
 *
 * The policy protocol writes the internal form (unquoted, as RFC 5321 means it),
 * Postfix's log the external one (quoted since 3.5); both give the same key:
 * local part unquoted, ASCII letters in lower case (unless kept), sub-address
 * cut off (if asked), "@", domain in lower case as A-labels (IDNA 2008, UTS 46)
 * without a trailing dot. UTF-8 local parts stay as they are: RFC 6531 gives
 * no case rule. The domain of a key is what follows its last "@". */
#ifndef NIXIE_ADDRESS_H
#define NIXIE_ADDRESS_H

#include "sv.h"

/* RFC 5321 allows 64 and 255 octets; VERP and SRS make longer local parts than
 * that, and they are delivered. */
#define ADDRESS_LOCAL_MAX 256
#define ADDRESS_DOMAIN_MAX 253
#define ADDRESS_KEY_MAX (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

enum address_form { ADDRESS_INTERNAL, ADDRESS_EXTERNAL };

enum address_result {
	ADDRESS_OK,
	ADDRESS_EMPTY,     /* the null address <> */
	ADDRESS_NO_DOMAIN, /* "root" */
	ADDRESS_TOO_LONG,
	ADDRESS_BAD, /* control bytes, invalid UTF-8, a domain that is none */
};

struct address_options {
	bool keep_case;
	char subaddress; /* '+' folds user+tag to user; 0: off */
};

struct address {
	size_t n, at; /* length; index of the last "@" */
	char key[ADDRESS_KEY_MAX + 1];
};

/* What is in *address_r counts on ADDRESS_OK only. Pure. */
enum address_result address_parse(struct sv text, enum address_form form,
	const struct address_options *options, struct address *address_r) NIXIE_MUST_CHECK;

/* A domain alone, in the spelling of keys: the key is "@example.com", address_domain() what is behind. */
enum address_result address_parse_domain(struct sv text, struct address *address_r) NIXIE_MUST_CHECK;

/* A sentence for each result, to put behind "<address>: " */
const char *address_problem(enum address_result result);

static inline struct sv address_key(const struct address *a)
{
	return sv_make(a->key, a->n);
}

static inline struct sv address_domain(const struct address *a)
{
	return sv_make(a->key + a->at + 1, a->n - a->at - 1);
}

#endif
