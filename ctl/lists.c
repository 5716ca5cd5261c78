#include "lists.h"

#include <stdio.h>

#include "buf.h"
#include "clock.h"
#include "exchange.h"

static const struct format {
	const char *name, *title;
} formats[LIST_FORMATS] = {
	[LIST_NIXIE] = { "nixie", "nixie export" }, [LIST_SES] = { "ses", "Amazon SES" }, [LIST_SENDGRID] = { "sendgrid", "SendGrid" },
	[LIST_MAILGUN] = { "mailgun", "Mailgun" }, [LIST_POSTMARK] = { "postmark", "Postmark" }, [LIST_SPARKPOST] = { "sparkpost", "SparkPost" },
	[LIST_MAILCHIMP] = { "mailchimp", "Mailchimp" }, [LIST_PLAIN] = { "plain", "plain addresses" },
};

const char *list_name(enum list_format format)
{
	return formats[format].name;
}

const char *list_title(enum list_format format)
{
	return formats[format].title;
}

bool list_by_name(const char *name, enum list_format *format_r)
{
	for (int i = 0; i < LIST_FORMATS; i++) {
		if (strcmp(name, formats[i].name) == 0) {
			*format_r = (enum list_format)i;
			return true;
		}
	}
	return false;
}

/* ---- which one it is ---- */

static bool is_ses(const struct rows *r)
{
	if (r->shape == ROWS_CSV && !r->header) /* as it is uploaded to SES: address and reason */
		return r->n >= 2 && (sv_eq_nocase(sv_trim(r->values[1]), SV("BOUNCE")) || sv_eq_nocase(sv_trim(r->values[1]), SV("COMPLAINT")));
	return rows_has(r, "EmailAddress") && rows_has(r, "Reason");
}

static bool is_postmark(const struct rows *r)
{
	return (rows_has(r, "EmailAddress") || rows_has(r, "RecipientEmail")) && rows_has(r, "SuppressionReason");
}

static bool is_sparkpost(const struct rows *r)
{
	return rows_has(r, "recipient") && (rows_has(r, "source") || rows_has(r, "type") || rows_has(r, "non_transactional"));
}

static bool is_mailgun(const struct rows *r)
{
	return rows_has(r, "address") && (rows_has(r, "created_at") || rows_has(r, "error") || rows_has(r, "tags"));
}

static bool is_sendgrid(const struct rows *r)
{
	return rows_has(r, "email") && (rows_has(r, "created") || rows_has(r, "reason") || rows_has(r, "ip"));
}

static bool is_plain(const struct rows *r)
{
	return r->shape == ROWS_LINES || (r->shape == ROWS_CSV && r->header && r->n == 1 &&
		(rows_has(r, "email") || rows_has(r, "address") || rows_has(r, "e-mail") || rows_has(r, "email address") || rows_has(r, "emailaddress")));
}

bool list_recognise(const struct rows *r, enum list_format *format_r, struct err *err)
{
	if (rows_has(r, "sha256") && !rows_has(r, "address"))
		return err_set(err, "it has hashes in place of addresses: nobody can tell whose they are");
	if (rows_has(r, "address") && rows_has(r, "status"))
		*format_r = LIST_NIXIE;
	else if (is_postmark(r))
		*format_r = LIST_POSTMARK;
	else if (is_ses(r))
		*format_r = LIST_SES;
	else if (is_sparkpost(r))
		*format_r = LIST_SPARKPOST;
	else if (is_mailgun(r))
		*format_r = LIST_MAILGUN;
	else if (is_sendgrid(r))
		*format_r = LIST_SENDGRID;
	else if (rows_has(r, "CLEAN_TIME") || rows_has(r, "UNSUB_TIME"))
		*format_r = LIST_MAILCHIMP;
	else if (rows_has(r, "OPTIN_TIME") || rows_has(r, "MEMBER_RATING"))
		return err_set(err, "these are Mailchimp's subscribers, who want their mail; the files to import are those of the cleaned and of the unsubscribed");
	else if (is_plain(r))
		*format_r = LIST_PLAIN;
	else
		return err_set(err, "the list is of no kind that is known by its header; nixie(1), import, shows them, and --format names one");
	return true;
}

/* ---- times ---- */

static bool is_month(struct sv name, int *month_r)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (sv_eq_nocase(name, sv_make(months + 3 * i, 3))) {
			*month_r = i + 1;
			return true;
		}
	}
	return false;
}

static bool number(struct sv text, uint64_t max, int *value_r)
{
	uint64_t v;

	if (!sv_u64(text, max, &v))
		return false;
	*value_r = (int)v;
	return true;
}

/* "+0100"; names of zones are UTC */
static int zone_s(struct sv zone)
{
	int hhmm;

	if (zone.n != 5 || !number(sv_skip(zone, 1), 2359, &hhmm))
		return 0;
	int s = hhmm / 100 * 3600 + hhmm % 100 * 60;
	return zone.p[0] == '-' ? -s : s;
}

/* "Fri, 21 Oct 2011 11:02:55 UTC" */
static bool parse_5322(struct sv s, int64_t *time_s_r)
{
	struct civil c = { 0 };
	size_t comma = sv_find(s, ',');

	if (comma < s.n)
		s = sv_trim(sv_skip(s, comma + 1));
	struct sv day = sv_cut(&s, ' '), month = sv_cut(&s, ' '), year = sv_cut(&s, ' '), time = sv_cut(&s, ' ');
	struct sv hour = sv_cut(&time, ':'), minute = sv_cut(&time, ':');
	if (!number(day, 31, &c.day) || !c.day || !is_month(month, &c.month) || !number(year, 9999, &c.year) || c.year < 1970 || !number(hour, 23, &c.hour) ||
	    !number(minute, 59, &c.minute) || !number(time, 60, &c.second) || c.day > clock_month_days(c.year, c.month))
		return false;
	*time_s_r = clock_civil_to_s(&c) - zone_s(s);
	return *time_s_r >= 0;
}

bool list_time(struct sv text, int64_t *time_s_r)
{
	char room[CLOCK_TEXT_MAX + 2];
	uint64_t seconds;
	int64_t us;

	text = sv_trim(text);
	if (sv_u64(sv_head(text, sv_find(text, '.')), STATE_TIME_MAX_S, &seconds)) {
		*time_s_r = (int64_t)seconds;
		return true;
	}
	if (text.n < sizeof room - 1 && clock_parse_rfc3339(text, &us) == 0) { /* without a zone: UTC */
		(void)snprintf(room, sizeof room, "%.*s%s", SV_ARG(text), text.n == 10 ? "T00:00:00Z" : "Z");
		if (clock_parse_rfc3339(sv_of(room), &us) == 0)
			return parse_5322(text, time_s_r);
	} else if (clock_parse_rfc3339(text, &us) != text.n) {
		return false;
	}
	*time_s_r = us / CLOCK_SECOND_US;
	return us >= 0;
}

/* ---- what it means ---- */

static enum list_result entry_is(struct entry *e, enum status status, enum category reason)
{
	e->status = status;
	e->reason = reason;
	return LIST_ENTRY;
}

static enum list_result bad_word(struct err *err, const char *name, struct sv value)
{
	char room[160];
	struct buf b = BUF_ON(room);

	buf_add_clean(&b, sv_head(value, 30));
	(void)err_set(err, "%s \"%s\" is not known", name, buf_cstr(&b));
	return LIST_BAD;
}

/* A bounce by what the server said: ours says more than "bounce". The service calls it permanent: without
 * a rule it is, unless its number says that it was not the address. code: "550", "5.1.1", "" */
static enum list_result bounce(struct list *list, struct sv code, struct sv text, enum category otherwise, struct entry *e)
{
	char room[REPLY_TEXT_MAX];
	struct buf b = BUF_ON(room);
	struct enhanced dsn = { 0 };
	struct verdict v;
	uint64_t number_ = 0;

	if (!enhanced_parse(code, &dsn) && sv_u64(code, 599, &number_) && !(text.n && sv_is_digit(text.p[0])))
		buf_addf(&b, "%llu ", (unsigned long long)number_);
	buf_add(&b, text);
	ruleset_classify_text(list->rules, buf_sv(&b), dsn, SV(""), &list->reply, &v);
	const struct reply *reply = &list->reply;
	struct enhanced enhanced = reply->enhanced.class_ ? reply->enhanced : dsn;
	bool address = enhanced.subject <= 2 && reply->code / 100 != 4 && enhanced.class_ != 4;
	if (v.rule && v.class_ == CLASS_COMPLAINT)
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	if (v.rule && v.class_ == CLASS_SOFT)
		return LIST_SKIPPED;
	if ((!v.rule || v.class_ != CLASS_HARD) && !address)
		return LIST_SKIPPED;
	e->code = reply->code;
	e->enhanced = enhanced;
	e->text = text;
	if (v.rule && v.class_ == CLASS_HARD)
		e->rule = sv_of(v.rule->id);
	return entry_is(e, STATUS_HARD, v.rule && v.class_ == CLASS_HARD ? v.category : otherwise);
}

static bool has_word(struct sv text, const char *word)
{
	struct sv w = sv_of(word);

	for (size_t i = 0; i + w.n <= text.n; i++)
		if (sv_eq_nocase(sv_make(text.p + i, w.n), w))
			return true;
	return false;
}

/* What is uploaded has a blank behind the comma, as in the example of SES' documentation. */
static enum list_result take_ses(struct sv reason, struct entry *e, struct err *err)
{
	reason = sv_trim(reason);
	if (sv_eq_nocase(reason, SV("BOUNCE")))
		return entry_is(e, STATUS_HARD, CATEGORY_RECIPIENT_UNKNOWN);
	if (sv_eq_nocase(reason, SV("COMPLAINT")))
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	return bad_word(err, "Reason", reason);
}

static enum list_result take_postmark(struct sv reason, struct entry *e, struct err *err)
{
	if (sv_eq_nocase(reason, SV("HardBounce")))
		return entry_is(e, STATUS_HARD, CATEGORY_RECIPIENT_UNKNOWN);
	if (sv_eq_nocase(reason, SV("SpamComplaint")))
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	if (sv_eq_nocase(reason, SV("ManualSuppression")))
		return entry_is(e, STATUS_MANUAL, CATEGORY_OTHER);
	return bad_word(err, "SuppressionReason", reason);
}

/* Those for one mailing list only, which have a list_id, say nothing of other mail; bounces and complaints do. */
static enum list_result take_sparkpost(struct list *list, const struct rows *r, struct entry *e)
{
	struct sv source = rows_value(r, "source");

	if (has_word(source, "bounce"))
		return bounce(list, SV(""), rows_value(r, "description"), CATEGORY_RECIPIENT_UNKNOWN, e);
	e->text = rows_value(r, "description");
	if (has_word(source, "complaint"))
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	return rows_value(r, "list_id").n ? LIST_SKIPPED : entry_is(e, STATUS_MANUAL, CATEGORY_OTHER);
}

/* Bounces have code and error; who unsubscribed has tags, "*" for all mail; complaints have neither. */
static enum list_result take_mailgun(struct list *list, const struct rows *r, struct entry *e)
{
	struct sv tags = rows_value(r, "tags");

	if (rows_has(r, "error") || rows_has(r, "code"))
		return bounce(list, rows_value(r, "code"), rows_value(r, "error"), CATEGORY_RECIPIENT_UNKNOWN, e);
	if (!rows_has(r, "tags"))
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	return tags.n && sv_find(tags, '*') == tags.n ? LIST_SKIPPED : entry_is(e, STATUS_MANUAL, CATEGORY_OTHER);
}

/* Bounces and blocks have status and reason, invalid addresses a reason, spam reports an IP address, who unsubscribed nothing. */
static enum list_result take_sendgrid(struct list *list, const struct rows *r, struct entry *e)
{
	if (rows_has(r, "ip"))
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	if (rows_has(r, "status"))
		return bounce(list, rows_value(r, "status"), rows_value(r, "reason"), CATEGORY_RECIPIENT_UNKNOWN, e);
	if (!rows_has(r, "reason"))
		return entry_is(e, STATUS_MANUAL, CATEGORY_OTHER);
	if (bounce(list, SV(""), rows_value(r, "reason"), CATEGORY_RECIPIENT_SYNTAX, e) == LIST_ENTRY)
		return LIST_ENTRY;
	e->text = rows_value(r, "reason");
	return entry_is(e, STATUS_HARD, CATEGORY_RECIPIENT_SYNTAX);
}

/* The cleaned and the unsubscribed are two files. In one that somebody has made of them the time tells which it is. */
static enum list_result take_mailchimp(const struct rows *r, struct entry *e)
{
	struct sv reason = rows_value(r, "UNSUB_REASON"), words = rows_value(r, "UNSUB_REASON_OTHER");
	bool both = rows_has(r, "CLEAN_TIME") && rows_has(r, "UNSUB_TIME");

	if (both && !rows_value(r, "CLEAN_TIME").n && !rows_value(r, "UNSUB_TIME").n)
		return LIST_SKIPPED;
	if (both ? rows_value(r, "CLEAN_TIME").n > 0 : rows_has(r, "CLEAN_TIME"))
		return entry_is(e, STATUS_HARD, CATEGORY_RECIPIENT_UNKNOWN);
	e->text = words.n ? words : reason;
	if (has_word(reason, "spam") || has_word(reason, "abuse"))
		return entry_is(e, STATUS_COMPLAINT, CATEGORY_COMPLAINT);
	return entry_is(e, STATUS_MANUAL, CATEGORY_OTHER);
}

static enum list_result take_plain(const struct list *list, struct entry *e)
{
	static const enum category reasons[] = { [STATUS_HARD] = CATEGORY_RECIPIENT_UNKNOWN, [STATUS_COMPLAINT] = CATEGORY_COMPLAINT,
		[STATUS_MANUAL] = CATEGORY_OTHER, [STATUS_ALLOW] = CATEGORY_OTHER };

	return entry_is(e, list->plain, reasons[list->plain]);
}

/* Our own: nothing is made of it. What a list made by hand leaves out is filled in. */
static enum list_result take_own(const struct list *list, const struct rows *r, struct entry *e, struct err *err)
{
	*e = (struct entry){ .reason = CATEGORY_COUNT, .origin = ORIGIN_IMPORT, .by = rows_has(r, "origin") ? SV("") : list->by };
	for (size_t i = 0; i < r->n; i++) {
		enum exchange_column column;
		if (!exchange_by_name(r->names[i], &column) || column == EXCHANGE_ADDRESS)
			continue; /* what a newer program wrote, or a person's own */
		if (!exchange_set(e, column, r->shape == ROWS_CSV ? exchange_of_csv(column, r->values[i]) : r->values[i], err))
			return LIST_BAD;
	}
	if (e->status == STATUS_NONE && !e->scopes.n) {
		(void)err_set(err, "the status is missing: write soft, held, hard, complaint, manual or allow");
		return LIST_BAD;
	}
	if (e->status == STATUS_HELD && !e->until_s) {
		(void)err_set(err, "held has an end: write it in a column until, as 2026-11-21T09:00:00Z");
		return LIST_BAD;
	}
	if (e->reason == CATEGORY_COUNT)
		e->reason = e->status == STATUS_COMPLAINT ? CATEGORY_COMPLAINT : e->status == STATUS_HARD ? CATEGORY_RECIPIENT_UNKNOWN : CATEGORY_OTHER;
	if (!e->since_s && e->status != STATUS_NONE)
		e->since_s = list->now_s;
	return LIST_ENTRY;
}

static enum list_result take_foreign(struct list *list, const struct rows *r, struct entry *e, struct err *err)
{
	switch (list->format) {
	case LIST_SES:
		return take_ses(r->header || r->shape == ROWS_JSON ? rows_value(r, "Reason") : r->n > 1 ? r->values[1] : SV(""), e, err);
	case LIST_SENDGRID:
		return take_sendgrid(list, r, e);
	case LIST_MAILGUN:
		return take_mailgun(list, r, e);
	case LIST_POSTMARK:
		return take_postmark(rows_value(r, "SuppressionReason"), e, err);
	case LIST_SPARKPOST:
		return take_sparkpost(list, r, e);
	case LIST_MAILCHIMP:
		return take_mailchimp(r, e);
	case LIST_PLAIN:
	case LIST_NIXIE:
	case LIST_FORMATS:
		break;
	}
	return take_plain(list, e);
}

/* Whatever the column is called. What nixie export wrote is the key itself: a blank at its end belongs to it. */
static struct sv address_of(const struct list *list, const struct rows *r)
{
	static const char *const names[] = { "address", "email", "EmailAddress", "RecipientEmail", "recipient", "Email Address", "e-mail" };

	if (list->format == LIST_PLAIN || (r->shape == ROWS_CSV && !r->header))
		return r->n ? sv_trim(r->values[0]) : SV("");
	if (list->format == LIST_NIXIE && rows_has(r, "origin"))
		return rows_value(r, "address");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (rows_has(r, names[i]))
			return sv_trim(rows_value(r, names[i]));
	return SV("");
}

static int64_t since_of(const struct list *list, const struct rows *r)
{
	static const char *const names[] = { "LastUpdateTime", "created", "created_at", "CreatedAt", "CLEAN_TIME", "UNSUB_TIME" };
	int64_t time_s;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (rows_has(r, names[i]) && list_time(rows_value(r, names[i]), &time_s) && time_s > 0 && time_s < list->now_s)
			return time_s;
	return list->now_s;
}

enum list_result list_take(struct list *list, const struct rows *r, struct sv *address_r, struct entry *e, struct err *err)
{
	*address_r = address_of(list, r);
	if (!address_r->n) {
		(void)err_set(err, "there is no address");
		return LIST_BAD;
	}
	if (list->format == LIST_NIXIE)
		return take_own(list, r, e, err);
	*e = (struct entry){ .origin = ORIGIN_IMPORT, .by = list->by, .since_s = since_of(list, r) };
	enum list_result result = take_foreign(list, r, e, err);
	if (!e->text.n && list->reason)
		e->text = sv_of(list->reason);
	e->text = sv_head(e->text, STATE_TEXT_MAX);
	return result;
}
