/* lists: the lists of dead and unwilling addresses that people bring along, and what nixie makes of
 * them. What each record means is in one table of lists.c; nixie(1) tells it to people. */
#ifndef NIXIE_LISTS_H
#define NIXIE_LISTS_H

#include "rows.h"
#include "rules.h"
#include "state.h"

enum list_format { LIST_NIXIE, LIST_SES, LIST_SENDGRID, LIST_MAILGUN, LIST_POSTMARK, LIST_SPARKPOST, LIST_MAILCHIMP, LIST_PLAIN, LIST_FORMATS };

/* "ses"; "Amazon SES" */
const char *list_name(enum list_format format);
const char *list_title(enum list_format format);
bool list_by_name(const char *name, enum list_format *format_r) NIXIE_MUST_CHECK;

/* By the names in the header, or in the first record. False, and *err: it is none, or one that must not be imported. */
bool list_recognise(const struct rows *rows, enum list_format *format_r, struct err *err) NIXIE_MUST_CHECK;

enum list_result {
	LIST_ENTRY,
	LIST_SKIPPED, /* no reason to suppress: a soft bounce, a refusal on our account */
	LIST_BAD,     /* *err says why */
};

struct list {
	enum list_format format;
	struct ruleset *rules;  /* what replies mean */
	enum status plain;      /* of an address without a reason */
	const char *reason;     /* in the operator's words; NULL: none */
	struct sv by;
	int64_t now_s;
	struct reply reply;     /* the last one that was judged */
};

/* One record: the address as it stands there, and the entry that it asks for; both borrow from the record and the list. */
enum list_result list_take(struct list *list, const struct rows *rows, struct sv *address_r, struct entry *entry_r, struct err *err);

/* A moment as lists write it: seconds since 1970, RFC 3339, RFC 5322, "2026-11-21 09:00:00". */
bool list_time(struct sv text, int64_t *time_s_r) NIXIE_MUST_CHECK;

#endif
