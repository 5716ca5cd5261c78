#include "decide.h"

#include <stdio.h>

#include "clock.h"
#include "schema.h"

static const struct entry nothing;

const char *decided_by_name(enum decided_by by)
{
	static const char *const names[] = { "nothing", "address", "scope", "domain" };

	return names[by];
}

/* Until when; a term that is over has an end that is past, and goes on until it is known what became of the one on parole. */
static void tell_end(const struct entry *e, int64_t now_s, char text[48])
{
	char date[11];

	*text = '\0';
	if (!e->until_s)
		return;
	clock_format_date(e->until_s, date);
	if (now_s < e->until_s)
		(void)snprintf(text, 48, " until %s", date);
	else
		(void)snprintf(text, 48, ", awaiting the fate of another message");
}

static void refuse(const struct entry *e, enum decided_by by, const char *of_whom, int64_t now_s, struct decision *d)
{
	char since[11], until[48], told[SCHEMA_TOKEN_MAX + 8] = "";

	clock_format_date(e->since_s, since);
	tell_end(e, now_s, until);
	schema_token_encode(e->token, d->token);
	if (d->token[0])
		(void)snprintf(told, sizeof told, ", token %s", d->token);
	/* a person's decision has no category of a server to tell */
	const char *reason = e->status == STATUS_MANUAL ? "do-not-mail" : category_name(e->reason);
	const char *status = e->status == STATUS_MANUAL ? "5.7.1" : category_refusal_status(e->reason);
	d->action = ACTION_REJECT;
	d->by = by;
	d->status = e->status;
	d->reason = e->reason;
	d->since_s = e->since_s;
	(void)snprintf(d->reply, sizeof d->reply, "550 %s " DECIDE_MARK ": %s%s since %s%s%s", status, reason, of_whom, since, until, told);
}

/* A scope's own status, dates, and no token: that is the entry's last change. */
static void refuse_scope(const struct scope *s, int64_t now_s, struct decision *d)
{
	const struct entry e = { .status = s->status, .reason = s->status == STATUS_COMPLAINT ? CATEGORY_COMPLAINT : CATEGORY_OTHER,
		.since_s = s->since_s, .until_s = s->until_s };
	char whom[32];

	(void)snprintf(whom, sizeof whom, " for this %s", scope_kind_name(s->kind));
	refuse(&e, BY_SCOPE, whom, now_s, d);
}

static bool binds(const struct entry *e, enum status status, int64_t now_s)
{
	return e->status == status && entry_suppressed(e, now_s);
}

static bool is_protected(const struct entry *e, int64_t now_s)
{
	return binds(e, STATUS_MANUAL, now_s) || binds(e, STATUS_COMPLAINT, now_s);
}

void decide(const struct known *known, int64_t now_s, struct decision *d)
{
	const struct entry *address = known->address ? known->address : &nothing, *domain = known->domain ? known->domain : &nothing;
	struct scope scope;

	*d = (struct decision){ .action = ACTION_DUNNO, .reply = "DUNNO" };
	if (is_protected(address, now_s))
		refuse(address, BY_ADDRESS, "", now_s, d);
	else if (scopes_suppress(address->scopes, &known->sender, now_s, &scope))
		refuse_scope(&scope, now_s, d);
	else if (address->status == STATUS_ALLOW)
		d->by = BY_ADDRESS;
	else if (is_protected(domain, now_s))
		refuse(domain, BY_DOMAIN, " (the whole domain)", now_s, d);
	else if (domain->status == STATUS_ALLOW)
		d->by = BY_DOMAIN;
	else if (entry_awaits_parole(address, now_s)) {
		refuse(address, BY_ADDRESS, "", now_s, d);
		d->action = ACTION_PAROLE;
	} else if (entry_suppressed(address, now_s))
		refuse(address, BY_ADDRESS, "", now_s, d);
	else if (entry_suppressed(domain, now_s))
		refuse(domain, BY_DOMAIN, " (the whole domain)", now_s, d);
}

void decide_defer(struct decision *d)
{
	*d = (struct decision){ .action = ACTION_DEFER };
	(void)snprintf(d->reply, sizeof d->reply, "DEFER_IF_PERMIT 4.3.0 The recipient cannot be checked at the moment, please try again");
}
