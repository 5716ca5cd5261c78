/* returned: what a mail that came back is, and what it says of whom.
 *
 * A delivery status notification (RFC 3464; 6533 for addresses in UTF-8; or of Exim and qmail in their own
 * fixed forms, or in one that a rule file knows, forms.h), a complaint of a feedback loop (RFC 5965), an automatic
 * answer (RFC 3834), the challenge of a filter that wants the sender to prove himself, a report about no address
 * (a read receipt, RFC 8098; of another type of feedback), or ordinary mail. Nothing of it is proof: anybody can
 * write such a mail. Pure. */
#ifndef NIXIE_RETURNED_H
#define NIXIE_RETURNED_H

#include "forms.h"
#include "mail.h"
#include "reply.h"

enum returned_kind { RETURNED_ORDINARY, RETURNED_DSN, RETURNED_COMPLAINT, RETURNED_AUTOREPLY, RETURNED_CHALLENGE, RETURNED_REPORT, RETURNED_KINDS };

/* Whose form a DSN has. TEXT: that of by_form. */
enum returned_form { RETURNED_FORM_NONE, RETURNED_FORM_RFC3464, RETURNED_FORM_EXIM, RETURNED_FORM_QMAIL, RETURNED_FORM_TEXT };

/* UNKNOWN: neither its action nor its status says */
enum returned_action { ACTION_UNKNOWN, ACTION_FAILED, ACTION_DELAYED, ACTION_RELAYED, ACTION_DELIVERED, ACTION_EXPANDED };

/* Texts of a mail_parse(), or of its arena; what is absent is empty. Addresses are as they were written, without
 * their type, "<" and ">", and with xtext and its kin decoded: address_parse() says whether they are any. */
struct returned_recipient {
	enum returned_action action;
	struct sv original;        /* to whom it was sent, before aliases and forwarding */
	struct sv final;           /* whose server had something to say */
	struct enhanced status;    /* class_ 0: absent */
	struct sv diagnostic_type; /* "smtp" */
	struct sv diagnostic;
	struct sv reply;           /* what of it reply_parse() is to be given */
	struct sv remote_mta, last_attempt, will_retry_until;
};

struct returned {
	enum returned_kind kind;
	struct sv because; /* the part or header that told; "form:" and its id, where it was a form of the rule files, and */
	const struct form *by_form; /* which it is; else NULL */
	/* of a DSN */
	enum returned_form form;
	struct sv reporting_mta, envelope_id, arrival;
	/* of a DSN; of a complaint, with their original address alone */
	size_t n_recipients;
	struct returned_recipient *recipients;
	/* of a complaint, or of a report with feedback */
	struct sv feedback_type, reported_domain, source_ip, original_from;
	bool redacted; /* a complaint that does not tell whose it is */
	/* the message that it is about: of its headers, else of the answer's In-Reply-To; with < and >, unless its program forgot them; of ordinary mail none */
	struct sv original_id;
	struct mail_fields quoted; /* its headers */
};

/* forms: of mail that follows no standard; they count where no standard does. */
void returned_read(const struct mail *mail, struct forms *forms, struct arena *arena, struct returned *returned_r);

/* What rules judge, as ruleset_classify_text() wants it, is its reply, status and remote MTA. */

/* "dsn", "autoreply" ... */
const char *returned_kind_name(enum returned_kind kind);
/* "rfc3464"; "" for none */
const char *returned_form_name(enum returned_form form);
/* "failed"; "unknown" */
const char *returned_action_name(enum returned_action action);

#endif
