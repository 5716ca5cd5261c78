#include "decide.h"

#include <stdio.h>

#include "clock.h"
#include "schema.h"

void decide(const struct entry *entry, int64_t now_s, struct decision *d)
{
	char since[11], until[24] = "", token[SCHEMA_TOKEN_MAX], told[SCHEMA_TOKEN_MAX + 8] = "";

	bool parole = entry && entry_awaits_parole(entry, now_s);

	if (!entry || (!parole && !entry_suppressed(entry, now_s))) {
		d->action = ACTION_DUNNO;
		(void)snprintf(d->reply, sizeof d->reply, "DUNNO");
		return;
	}
	clock_format_date(entry->since_s, since);
	if (entry->until_s) {
		char date[11];
		clock_format_date(entry->until_s, date);
		(void)snprintf(until, sizeof until, " until %s", date);
	}
	schema_token_encode(entry->token, token);
	if (token[0])
		(void)snprintf(told, sizeof told, ", token %s", token);
	/* a person's decision has no category of a server to tell */
	const char *reason = entry->status == STATUS_MANUAL ? "do-not-mail" : category_name(entry->reason);
	const char *status = entry->status == STATUS_MANUAL ? "5.7.1" : category_refusal_status(entry->reason);
	d->action = parole ? ACTION_PAROLE : ACTION_REJECT;
	(void)snprintf(d->reply, sizeof d->reply, "550 %s " DECIDE_MARK ": %s since %s%s%s", status, reason, since, until, told);
}

void decide_defer(struct decision *d)
{
	d->action = ACTION_DEFER;
	(void)snprintf(d->reply, sizeof d->reply, "DEFER_IF_PERMIT 4.3.0 The recipient cannot be checked at the moment, please try again");
}
