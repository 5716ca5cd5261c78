/* category: what a failure means, in one table: the only place where a
 * category's name, class and fault are written down.
 *
 * Only the recipient's fault can ever suppress an address. */
#ifndef NIXIE_CATEGORY_H
#define NIXIE_CATEGORY_H

#include "sv.h"

enum class { CLASS_NONE, CLASS_SOFT, CLASS_HARD, CLASS_COMPLAINT };
enum fault { FAULT_RECIPIENT, FAULT_SENDER, FAULT_MESSAGE, FAULT_REMOTE, FAULT_LOCAL };

enum category {
	CATEGORY_RECIPIENT_UNKNOWN,
	CATEGORY_RECIPIENT_DISABLED,
	CATEGORY_RECIPIENT_MOVED,
	CATEGORY_RECIPIENT_SYNTAX,
	CATEGORY_DOMAIN_UNKNOWN,
	CATEGORY_MAILBOX_FULL,
	CATEGORY_CHALLENGE,
	CATEGORY_AUTOREPLY,
	CATEGORY_DNS_FAILURE,
	CATEGORY_DNS_NO_MX,
	CATEGORY_NETWORK,
	CATEGORY_SERVER_BUSY,
	CATEGORY_GREYLISTED,
	CATEGORY_THROTTLED,
	CATEGORY_MESSAGE_TOO_LARGE,
	CATEGORY_SPAM_CONTENT,
	CATEGORY_VIRUS,
	CATEGORY_BLOCKED_REPUTATION,
	CATEGORY_BLOCKED_AUTH,
	CATEGORY_POLICY,
	CATEGORY_PROTOCOL,
	CATEGORY_EXPIRED,
	CATEGORY_SUPPRESSED,
	CATEGORY_COMPLAINT,
	CATEGORY_OTHER,
	CATEGORY_COUNT,
};

/* The public name, e.g. "mailbox.full" */
const char *category_name(enum category category);
enum class category_class(enum category category);
enum fault category_fault(enum category category);
/* One line for people */
const char *category_meaning(enum category category);
/* RFC 3463 status for our own refusal of an address suppressed for this reason, "5.x.y" */
const char *category_refusal_status(enum category category);

const char *class_name(enum class class_);
const char *fault_name(enum fault fault);

/* False when the name is no category's / no class's. */
bool category_by_name(struct sv name, enum category *category_r) NIXIE_MUST_CHECK;
bool class_by_name(struct sv name, enum class *class_r) NIXIE_MUST_CHECK;

#endif
