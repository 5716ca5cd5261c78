#include "decide.h"

#include <stdio.h>

#include "buf.h"
#include "clock.h"
#include "schema.h"

/* The longest word and status before the mark, with blanks, colon and NUL. */
_Static_assert(sizeof "DEFER_IF_PERMIT" + sizeof "5.255.255" + sizeof DECIDE_MARK ": " + ANSWERS_TEXT_MAX < DECIDE_REPLY_MAX,
	"a text that the configuration takes fits into a reply");

static const struct entry nothing;

static const char usual_text[] = "${category}${scope} since ${since}${until}";
static const char usual_text_with_token[] = "${category}${scope} since ${since}${until}, token ${token}";

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

/* What a text says of why; a person's decision has no category of a server to tell. */
static struct sv why_text(const struct entry *e)
{
	if (e->status == STATUS_MANUAL)
		return SV("do-not-mail");
	return entry_by_hand(e) ? SV("by hand") : sv_of(category_name(e->reason));
}

/* d->text, in the words of the configuration or ours; a refusal's begins with the mark. */
static void explain(const struct entry *e, const char *words, bool marked, const char *of_whom, int64_t now_s, struct decision *d)
{
	struct buf text = BUF_ON(d->text);
	char since[11], until[48];

	clock_format_date(e->since_s, since);
	tell_end(e, now_s, until);
	const struct sv facts[FACT_COUNT] = {
		[FACT_CATEGORY] = why_text(e),
		[FACT_STATUS] = sv_of(status_name(e->status)),
		[FACT_SINCE] = sv_of(since),
		[FACT_UNTIL] = sv_of(until),
		[FACT_TOKEN] = sv_of(d->token),
		[FACT_SCOPE] = sv_of(of_whom),
	};
	if (marked)
		buf_add(&text, SV(DECIDE_MARK ": "));
	answers_expand(*words ? words : d->token[0] ? usual_text_with_token : usual_text, facts, &text);
	(void)buf_cstr(&text);
}

/* d->enhanced: of the category, in the class of the answer. */
static void classify(const struct entry *e, struct decision *d)
{
	const char *status = entry_by_hand(e) ? "5.7.1" : category_refusal_status(e->reason);
	bool defers = d->action == ACTION_DEFER || d->action == ACTION_DEFER_IF_PERMIT || d->action == ACTION_DEFER_IF_REJECT;

	d->enhanced[0] = '\0';
	if (!defers && d->action != ACTION_REJECT)
		return;
	struct buf enhanced = BUF_ON(d->enhanced);
	buf_add_char(&enhanced, defers ? '4' : '5');
	buf_add(&enhanced, sv_of(status + 1));
	(void)buf_cstr(&enhanced);
}

/* d->reply; code 0: the word of the action. */
static void compose(int code, struct decision *d)
{
	struct buf reply = BUF_ON(d->reply);

	if (code)
		buf_add_number(&reply, code);
	else
		buf_add(&reply, sv_of(action_word(d->action)));
	buf_add_char(&reply, ' ');
	buf_add(&reply, sv_of(d->enhanced));
	buf_add(&reply, d->enhanced[0] ? SV(" ") : SV(""));
	buf_add(&reply, sv_of(d->text));
	(void)buf_cstr(&reply);
}

static void say_nothing(struct decision *d)
{
	d->action = d->otherwise = ACTION_DUNNO;
	d->by = BY_NOTHING;
	d->shadow = false;
	d->token[0] = d->enhanced[0] = d->text[0] = '\0';
	memcpy(d->reply, "DUNNO", sizeof "DUNNO");
}

/* What is known speaks against mail: the answer of the configuration, or else `action`. */
static void answer(const struct entry *e, enum decided_by by, const char *of_whom, const struct known *known,
	const struct answers *answers, enum action action, int64_t now_s, struct decision *d)
{
	static const struct answer usual = { .text = "" };
	const struct answer *a = answers ? answers_find(answers, e, &known->sender) : NULL;

	a = a ? a : &usual;
	d->action = d->otherwise = a->has_action ? a->action : action;
	if (d->action == ACTION_DUNNO && !a->has_action)
		return;
	d->by = by;
	d->shadow = a->shadow == SHADOW_AS_ALL ? answers && answers->shadow : a->shadow == SHADOW_ON;
	d->status = e->status;
	d->reason = e->reason;
	d->since_s = e->since_s;
	schema_token_encode(e->token, d->token);
	if (d->action == ACTION_DUNNO)
		return;
	classify(e, d);
	explain(e, a->text, !action_takes_operand(d->action), of_whom, now_s, d);
	compose(a->has_action ? a->code : 550, d);
}

/* A scope's own status, dates, and no token: that is the entry's last change. */
static void answer_scope(const struct scope *s, const struct known *known, const struct answers *answers, int64_t now_s, struct decision *d)
{
	const struct entry e = { .status = s->status, .reason = s->status == STATUS_COMPLAINT ? CATEGORY_COMPLAINT : CATEGORY_OTHER,
		.since_s = s->since_s, .until_s = s->until_s };
	char whom[32];

	(void)snprintf(whom, sizeof whom, " for this %s", scope_kind_name(s->kind));
	answer(&e, BY_SCOPE, whom, known, answers, ACTION_REJECT, now_s, d);
}

static bool binds(const struct entry *e, enum status status, int64_t now_s)
{
	return e->status == status && entry_suppressed(e, now_s);
}

static bool is_protected(const struct entry *e, int64_t now_s)
{
	return binds(e, STATUS_MANUAL, now_s) || binds(e, STATUS_COMPLAINT, now_s);
}

void decide(const struct known *known, const struct answers *answers, int64_t now_s, struct decision *d)
{
	const struct entry *address = known->address ? known->address : &nothing, *domain = known->domain ? known->domain : &nothing;
	struct scope scope;

	say_nothing(d); /* and no more where nothing is known: that is nearly always */
	if (is_protected(address, now_s))
		answer(address, BY_ADDRESS, "", known, answers, ACTION_REJECT, now_s, d);
	else if (scopes_suppress(address->scopes, &known->sender, now_s, &scope))
		answer_scope(&scope, known, answers, now_s, d);
	else if (address->status == STATUS_ALLOW)
		d->by = BY_ADDRESS;
	else if (is_protected(domain, now_s))
		answer(domain, BY_DOMAIN, " (the whole domain)", known, answers, ACTION_REJECT, now_s, d);
	else if (domain->status == STATUS_ALLOW)
		d->by = BY_DOMAIN;
	else if (entry_awaits_parole(address, now_s)) {
		answer(address, BY_ADDRESS, "", known, answers, ACTION_REJECT, now_s, d);
		d->action = ACTION_PAROLE;
	} else if (entry_suppressed(address, now_s))
		answer(address, BY_ADDRESS, "", known, answers, ACTION_REJECT, now_s, d);
	else if (entry_suppressed(domain, now_s))
		answer(domain, BY_DOMAIN, " (the whole domain)", known, answers, ACTION_REJECT, now_s, d);
	else if (address->status == STATUS_SOFT)
		answer(address, BY_ADDRESS, "", known, answers, ACTION_DUNNO, now_s, d);
}

void decide_no_parole(struct decision *d)
{
	if (d->action == ACTION_PAROLE)
		d->action = d->otherwise;
}

void decide_state(const struct known *known, int64_t now_s, struct decision *d)
{
	const struct entry *address = known->address ? known->address : &nothing, *domain = known->domain ? known->domain : &nothing;
	char since[11], until[11], token[SCHEMA_TOKEN_MAX];
	struct buf b = BUF_ON(d->reply); /* has room for all */

	decide(known, NULL, now_s, d);
	bool of_domain = d->by == BY_DOMAIN || address->status == STATUS_NONE;
	const struct entry *e = of_domain ? domain : address;
	*d = (struct decision){ .action = ACTION_DUNNO, .by = e->status == STATUS_NONE ? BY_NOTHING : of_domain ? BY_DOMAIN : BY_ADDRESS };
	buf_addf(&b, "%s", status_name(e->status));
	if (!entry_by_hand(e))
		buf_addf(&b, " %s", category_name(e->reason));
	clock_format_date(e->since_s, since);
	buf_addf(&b, " since=%s", since);
	clock_format_date(e->until_s, until);
	if (e->until_s)
		buf_addf(&b, " until=%s", until);
	schema_token_encode(e->token, token);
	if (*token)
		buf_addf(&b, " token=%s", token);
	if (of_domain)
		buf_addf(&b, " by=domain");
	(void)buf_cstr(&b);
}

void decide_defer(struct decision *d)
{
	static const char text[] = "The recipient cannot be checked at the moment, please try again";

	say_nothing(d);
	d->action = d->otherwise = ACTION_DEFER_IF_PERMIT;
	memcpy(d->enhanced, "4.3.0", sizeof "4.3.0");
	memcpy(d->text, text, sizeof text);
	compose(0, d);
}

const char *decide_reply(const struct decision *d)
{
	return d->shadow || d->action == ACTION_PAROLE ? "DUNNO" : d->reply;
}

/* The transport that does it; NULL: none. */
static const char *transport_of(enum action action)
{
	switch (action) {
	case ACTION_REJECT:
		return "error";
	case ACTION_DEFER:
	case ACTION_DEFER_IF_PERMIT:
		return "retry";
	case ACTION_DISCARD:
		return "discard";
	case ACTION_DUNNO:
	case ACTION_DEFER_IF_REJECT:
	case ACTION_HOLD:
	case ACTION_REDIRECT:
	case ACTION_FILTER:
	case ACTION_BCC:
	case ACTION_PREPEND:
	case ACTION_WARN:
	case ACTION_INFO:
	case ACTION_PAROLE:
		break;
	}
	return NULL;
}

void decide_transport(const struct decision *d, char *to, size_t size)
{
	const char *transport = d->shadow ? NULL : transport_of(d->action);

	*to = '\0';
	if (transport)
		(void)snprintf(to, size, "%s:%s%s%s", transport, d->enhanced, d->enhanced[0] ? " " : "", d->text);
}
