#include "category.h"

static const struct {
	const char *name;
	enum class class_;
	enum fault fault;
	const char *refusal;
	const char *meaning;
} table[CATEGORY_COUNT] = {
	[CATEGORY_RECIPIENT_UNKNOWN] = { "recipient.unknown", CLASS_HARD, FAULT_RECIPIENT, "5.1.1", "no such user or mailbox" },
	[CATEGORY_RECIPIENT_DISABLED] = { "recipient.disabled", CLASS_HARD, FAULT_RECIPIENT, "5.2.1", "account inactive, suspended or expired" },
	[CATEGORY_RECIPIENT_MOVED] = { "recipient.moved", CLASS_HARD, FAULT_RECIPIENT, "5.1.6", "moved, no forwarding" },
	[CATEGORY_RECIPIENT_SYNTAX] = { "recipient.syntax", CLASS_HARD, FAULT_RECIPIENT, "5.1.3", "the address itself is malformed" },
	[CATEGORY_DOMAIN_UNKNOWN] = { "domain.unknown", CLASS_HARD, FAULT_RECIPIENT, "5.1.2", "no such domain, or it takes no mail" },
	[CATEGORY_MAILBOX_FULL] = { "mailbox.full", CLASS_SOFT, FAULT_RECIPIENT, "5.2.2", "over quota" },
	[CATEGORY_CHALLENGE] = { "challenge", CLASS_SOFT, FAULT_RECIPIENT, "5.7.1", "a filter asks the sender to prove itself" },
	[CATEGORY_AUTOREPLY] = { "autoreply", CLASS_NONE, FAULT_RECIPIENT, "5.7.1", "out of office" },
	[CATEGORY_DNS_FAILURE] = { "dns.failure", CLASS_SOFT, FAULT_REMOTE, "5.4.3", "temporary DNS trouble" },
	[CATEGORY_DNS_NO_MX] = { "dns.no-mx", CLASS_SOFT, FAULT_REMOTE, "5.4.4", "no mail exchanger of the domain could be reached" },
	[CATEGORY_NETWORK] = { "network", CLASS_SOFT, FAULT_REMOTE, "5.4.1", "timeout, refused, unreachable, connection lost" },
	[CATEGORY_SERVER_BUSY] = { "server.busy", CLASS_SOFT, FAULT_REMOTE, "5.3.2", "server down, overloaded, out of disk, system error" },
	[CATEGORY_GREYLISTED] = { "greylisted", CLASS_SOFT, FAULT_REMOTE, "5.7.1", "come back later" },
	[CATEGORY_THROTTLED] = { "throttled", CLASS_SOFT, FAULT_SENDER, "5.7.1", "rate, connection or volume limit" },
	[CATEGORY_MESSAGE_TOO_LARGE] = { "message.too-large", CLASS_SOFT, FAULT_MESSAGE, "5.3.4", "the message is too large" },
	[CATEGORY_SPAM_CONTENT] = { "spam.content", CLASS_SOFT, FAULT_MESSAGE, "5.7.1", "refused as spam by its content" },
	[CATEGORY_VIRUS] = { "virus", CLASS_SOFT, FAULT_MESSAGE, "5.7.1", "refused as malware" },
	[CATEGORY_BLOCKED_REPUTATION] = { "blocked.reputation", CLASS_SOFT, FAULT_SENDER, "5.7.1", "our address or domain is blocked or of poor reputation" },
	[CATEGORY_BLOCKED_AUTH] = { "blocked.auth", CLASS_SOFT, FAULT_SENDER, "5.7.1", "SPF, DKIM, DMARC or reverse DNS failed" },
	[CATEGORY_POLICY] = { "policy", CLASS_SOFT, FAULT_SENDER, "5.7.1", "relay denied, sender refused, other policy" },
	[CATEGORY_PROTOCOL] = { "protocol", CLASS_SOFT, FAULT_SENDER, "5.5.0", "TLS, syntax, sequence, too many recipients" },
	[CATEGORY_EXPIRED] = { "expired", CLASS_SOFT, FAULT_REMOTE, "5.4.7", "given up after the queue lifetime" },
	[CATEGORY_SUPPRESSED] = { "suppressed", CLASS_NONE, FAULT_LOCAL, "5.7.1", "refused by nixie or another suppression list" },
	[CATEGORY_COMPLAINT] = { "complaint", CLASS_COMPLAINT, FAULT_RECIPIENT, "5.7.1", "the reader complained (feedback loop)" },
	[CATEGORY_OTHER] = { "other", CLASS_SOFT, FAULT_REMOTE, "5.0.0", "no rule matched" },
};

static const char *const class_names[] = { "none", "soft", "hard", "complaint" };
static const char *const fault_names[] = { "recipient", "sender", "message", "remote", "local" };

const char *category_name(enum category category)
{
	return table[category].name;
}

enum class category_class(enum category category)
{
	return table[category].class_;
}

enum fault category_fault(enum category category)
{
	return table[category].fault;
}

const char *category_meaning(enum category category)
{
	return table[category].meaning;
}

const char *category_refusal_status(enum category category)
{
	return table[category].refusal;
}

const char *class_name(enum class class_)
{
	return class_names[class_];
}

const char *fault_name(enum fault fault)
{
	return fault_names[fault];
}

bool category_by_name(struct sv name, enum category *category_r)
{
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		if (name.n && *name.p == *table[i].name && sv_eq(name, sv_of(table[i].name))) {
			*category_r = (enum category)i;
			return true;
		}
	}
	return false;
}

bool class_by_name(struct sv name, enum class *class_r)
{
	for (int i = CLASS_NONE; i <= CLASS_COMPLAINT; i++) {
		if (sv_eq(name, sv_of(class_names[i]))) {
			*class_r = (enum class)i;
			return true;
		}
	}
	return false;
}
