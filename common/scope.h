/* scope: decisions about an address that hold for some of those who send to it: for a
 * sender's domain, a SASL login, or a policy context.
 *
 * They lie packed in one field of the entry, "sender:shop.example=manual,1790000000,0
 * login:news=complaint,1790000001,0": kind and value, status, since, until (0: for ever);
 * bytes of a value that are no printable ASCII, and %, = and blank, are %XX. */
#ifndef NIXIE_SCOPE_H
#define NIXIE_SCOPE_H

#include "arena.h"
#include "state.h"

#define SCOPES_MAX 16
#define SCOPE_VALUE_MAX 255

enum scope_kind { SCOPE_SENDER, SCOPE_LOGIN, SCOPE_CONTEXT };

struct scope {
	enum scope_kind kind;
	char value[SCOPE_VALUE_MAX + 1]; /* a domain in small letters; else as it is */
	enum status status;              /* STATUS_MANUAL or STATUS_COMPLAINT; STATUS_NONE: to take away */
	int64_t since_s, until_s;
};

/* Who sends. */
struct sender {
	struct sv address, login, context;
	bool unknown; /* who asks does not tell */
};

/* "sender:shop.example", "login:news", "context:shop". False: it is none. */
bool scope_parse(struct sv text, struct scope *scope_r) NIXIE_MUST_CHECK;
const char *scope_kind_name(enum scope_kind kind);

/* Does this sender belong to it? */
bool scope_is_of(const struct scope *scope, const struct sender *sender);

/* The next of a packed list; false at its end. Damaged ones are passed over. */
bool scopes_next(struct sv *packed, struct scope *scope_r) NIXIE_MUST_CHECK;

/* The one of that kind and value; or, and false, that with status none. */
bool scopes_find(struct sv packed, const struct scope *wanted, struct scope *scope_r);

/* When the newest of them was made; 0: there is none. */
int64_t scopes_newest(struct sv packed);

/* The list with this one added, in place of one of its kind and value; without it when its
 * status is none. False: there are SCOPES_MAX already. */
bool scopes_put(struct arena *arena, struct sv packed, const struct scope *scope, struct sv *packed_r) NIXIE_MUST_CHECK;

/* One that suppresses what this sender sends now. */
bool scopes_suppress(struct sv packed, const struct sender *sender, int64_t now_s, struct scope *scope_r) NIXIE_MUST_CHECK;

#endif
