#include "test.h"

#include "convert.h"

static const struct conversions shipped = { .n = 2, .v = {
	{ .match = "dns.no-mx", .count = 4, .window = { .months = 12 }, .to = STATUS_HARD },
	{ .match = "mailbox.full", .count = 2, .min_span = { .ms = 3 * 86400000 }, .reset_on_delivery = true,
	  .to = STATUS_HELD, .term = { .ms = 15 * INT64_C(86400000) }, .factor = 2, .max_term = { .ms = 180 * INT64_C(86400000) } },
} };

/* An address under test; `messages` gives every occurrence a message of its own. */
struct subject {
	struct entry entry;
	struct window window;
	const struct conversions *conversions;
	char messages[64][16];
	size_t n;
};

static struct subject *new_subject(const struct conversions *conversions)
{
	static struct subject s;

	memset(&s, 0, sizeof s);
	s.conversions = conversions;
	return &s;
}

static enum convert_result fail_of_message(struct subject *s, const char *message, enum category category,
	enum class class_, int64_t first_s, int64_t last_s)
{
	struct failure f = { .class_ = class_, .code = class_ == CLASS_HARD ? 550 : 450,
		.text = sv_of(category_name(category)), .remote = SV("mx.example.com") };

	f.occurrence = (struct occurrence){ category, SV("test.rule"), sv_of(message), first_s, last_s };
	return convert_failure(&s->entry, &s->window, &f, s->conversions);
}

static enum convert_result fails(struct subject *s, enum category category, const char *first, const char *last)
{
	char *message = s->messages[s->n % COUNT(s->messages)];

	(void)snprintf(message, sizeof s->messages[0], "h/p/Q%zu", s->n++);
	return fail_of_message(s, message, category, category_class(category), at(first), at(last));
}

static enum convert_result delivered(struct subject *s, const char *time)
{
	return convert_delivery(&s->entry, &s->window, at(time), s->conversions);
}

/* ---- dns.no-mx: the fourth within 12 months ---- */

static void four_within_twelve_months(void **state)
{
	static const struct {
		const char *name, *times[4];
		enum status want;
	} table[] = {
		{ "12 months less a second", { "2025-03-10T12:00:00Z", "2025-06-01", "2025-09-01", "2026-03-10T11:59:59Z" }, STATUS_HARD },
		{ "12 months exactly", { "2025-03-10T12:00:00Z", "2025-06-01", "2025-09-01", "2026-03-10T12:00:00Z" }, STATUS_SOFT },
		{ "12 months and a second", { "2025-03-10T12:00:00Z", "2025-06-01", "2025-09-01", "2026-03-10T12:00:01Z" }, STATUS_SOFT },
		{ "over 29 February, less a second", { "2024-02-29T00:00:01Z", "2024-06-01", "2024-09-01", "2025-02-28T00:00:00Z" }, STATUS_HARD },
		{ "from 29 February, exactly to the 28th's second", { "2024-02-28T10:00:00Z", "2024-06-01", "2024-09-01", "2025-02-28T10:00:00Z" }, STATUS_SOFT },
		{ "on 29 February: a year before is the 28th", { "2023-02-28T10:00:01Z", "2023-06-01", "2023-09-01", "2024-02-29T10:00:00Z" }, STATUS_HARD },
		{ "on 29 February, exactly", { "2023-02-28T10:00:00Z", "2023-06-01", "2023-09-01", "2024-02-29T10:00:00Z" }, STATUS_SOFT },
		{ "within seconds", { "2025-03-10T12:00:00Z", "2025-03-10T12:00:01Z", "2025-03-10T12:00:01Z", "2025-03-10T12:00:02Z" }, STATUS_HARD },
	};

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&shipped);
		WANT_INT(fails(s, CATEGORY_DNS_NO_MX, row->times[0], row->times[0]), CONVERT_CHANGED);
		for (int i = 1; i < 3; i++) {
			WANT_INT(fails(s, CATEGORY_DNS_NO_MX, row->times[i], row->times[i]), CONVERT_RECORDED);
			WANT_INT(s->entry.status, STATUS_SOFT); /* three change nothing */
		}
		WANT_INT(fails(s, CATEGORY_DNS_NO_MX, row->times[3], row->times[3]),
			row->want == STATUS_HARD ? CONVERT_CONVERTED : CONVERT_RECORDED);
		WANT_INT(s->entry.status, row->want);
		WANT_INT(s->entry.reason, CATEGORY_DNS_NO_MX);
		WANT_INT(s->entry.count, 4);
		WANT_INT(s->entry.first_s, at(row->times[0]));
		WANT_INT(s->entry.last_s, at(row->times[3]));
		WANT_INT(s->entry.until_s, 0);
		if (row->want == STATUS_HARD)
			WANT_INT(s->entry.since_s, at(row->times[3]));
	}
}

/* The limit is the conversion's own, also where a longer one keeps occurrences longer. */
static void a_longer_window_beside_it(void **state)
{
	static const struct conversions two = { .n = 2, .v = {
		{ .match = "dns.no-mx", .count = 2, .window = { .months = 12 }, .to = STATUS_HARD },
		{ .match = "test.rule", .count = 5, .window = { .months = 36 }, .to = STATUS_HARD },
	} };
	static const struct { const char *name, *time; enum status want; } table[] = {
		{ "12 months less a second", "2026-03-10T11:59:59Z", STATUS_HARD },
		{ "12 months exactly", "2026-03-10T12:00:00Z", STATUS_SOFT },
	};

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&two);
		fails(s, CATEGORY_DNS_NO_MX, "2025-03-10T12:00:00Z", "2025-03-10T12:00:00Z");
		fails(s, CATEGORY_DNS_NO_MX, row->time, row->time);
		WANT_INT(s->window.n, 2);
		WANT_INT(s->entry.status, row->want);
	}
}

static void the_window_slides(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_DNS_NO_MX, "2024-01-01", "2024-01-01");
	fails(s, CATEGORY_DNS_NO_MX, "2024-02-01", "2024-02-01");
	fails(s, CATEGORY_DNS_NO_MX, "2024-03-01", "2024-03-01");
	fails(s, CATEGORY_DNS_NO_MX, "2025-01-02", "2025-01-02"); /* the first is out */
	WANT_INT(s->entry.status, STATUS_SOFT);
	fails(s, CATEGORY_DNS_NO_MX, "2025-01-31", "2025-01-31"); /* Feb, Mar, Jan, Jan */
	WANT_INT(s->entry.status, STATUS_HARD);
	WANT_INT(s->entry.since_s, at("2025-01-31"));
}

static void other_categories_do_not_count(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	for (int i = 0; i < 3; i++)
		fails(s, CATEGORY_DNS_NO_MX, "2025-01-01", "2025-01-01");
	fails(s, CATEGORY_DNS_FAILURE, "2025-01-02", "2025-01-02");
	fails(s, CATEGORY_NETWORK, "2025-01-02", "2025-01-02");
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-02", "2025-01-02");
	WANT_INT(s->entry.status, STATUS_SOFT);
	WANT_INT(fails(s, CATEGORY_DNS_NO_MX, "2025-01-03", "2025-01-03"), CONVERT_CONVERTED);
}

/* A delivery in between does not make a domain's missing exchangers whole. */
static void no_reset_where_none_is_asked_for(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	for (int i = 0; i < 3; i++)
		fails(s, CATEGORY_DNS_NO_MX, "2025-01-01", "2025-01-01");
	WANT_INT(delivered(s, "2025-01-02"), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_NONE);
	WANT_INT(fails(s, CATEGORY_DNS_NO_MX, "2025-01-03", "2025-01-03"), CONVERT_CONVERTED);
	WANT_INT(s->entry.status, STATUS_HARD);
}

/* ---- mailbox.full: two over three days ---- */

static void full_over_three_days(void **state)
{
	static const struct {
		const char *name, *first1, *last1, *first2, *last2;
		enum status want;
	} table[] = {
		{ "three days exactly", "2025-01-01T10:00:00Z", "2025-01-01T12:00:00Z", "2025-01-04T08:00:00Z", "2025-01-04T10:00:00Z", STATUS_HELD },
		{ "a second less", "2025-01-01T10:00:00Z", "2025-01-01T12:00:00Z", "2025-01-04T08:00:00Z", "2025-01-04T09:59:59Z", STATUS_SOFT },
		{ "from the first attempt, not from the last", "2025-01-01T10:00:00Z", "2025-01-03T10:00:00Z", "2025-01-04T10:00:00Z", "2025-01-04T10:00:00Z", STATUS_HELD },
		{ "to the last attempt, not to the first", "2025-01-01T10:00:00Z", "2025-01-01T10:00:00Z", "2025-01-01T11:00:00Z", "2025-01-04T10:00:00Z", STATUS_HELD },
		{ "months later", "2025-01-01", "2025-01-01", "2025-11-01", "2025-11-01", STATUS_HELD },
	};

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&shipped);
		WANT_INT(fails(s, CATEGORY_MAILBOX_FULL, row->first1, row->last1), CONVERT_CHANGED);
		fails(s, CATEGORY_MAILBOX_FULL, row->first2, row->last2);
		WANT_INT(s->entry.status, row->want);
		if (row->want != STATUS_HELD)
			continue;
		WANT_INT(s->entry.since_s, at(row->last2));
		WANT_INT(s->entry.until_s, at(row->last2) + 15 * CLOCK_DAY_S);
		WANT(entry_suppressed(&s->entry, s->entry.until_s - 1));
		WANT(!entry_suppressed(&s->entry, s->entry.until_s));
	}
}

static void one_occurrence_of_many_days_is_one(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-01", "2025-01-06");
	WANT_INT(s->entry.status, STATUS_SOFT);
}

static void a_delivery_in_between_resets(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-01", "2025-01-01");
	WANT_INT(delivered(s, "2025-01-02"), CONVERT_CHANGED);
	WANT_INT(s->window.n, 0);
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-10", "2025-01-10");
	WANT_INT(s->entry.status, STATUS_SOFT);
	WANT_INT(s->entry.count, 1);
	WANT_INT(s->entry.first_s, at("2025-01-10"));
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-13", "2025-01-13");
	WANT_INT(s->entry.status, STATUS_HELD);
}

static void a_delivery_that_is_older_resets_nothing(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-02", "2025-01-02T12:00:00Z");
	WANT_INT(delivered(s, "2025-01-02T12:00:00Z"), CONVERT_SAME); /* at the same second: not newer */
	WANT_INT(s->entry.status, STATUS_SOFT);
	WANT_INT(s->window.n, 1);
	WANT_INT(delivered(s, "2025-01-02T12:00:01Z"), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_NONE);
}

static void held_again_has_the_next_term(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-01", "2025-01-01");
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-05", "2025-01-05");
	WANT_INT(s->entry.until_s, at("2025-01-20"));
	/* within the term: mail that was in the queue already */
	WANT_INT(fails(s, CATEGORY_MAILBOX_FULL, "2025-01-19T23:59:59Z", "2025-01-19T23:59:59Z"), CONVERT_RECORDED);
	WANT_INT(s->entry.until_s, at("2025-01-20"));
	WANT_INT(s->entry.term, 0);
	WANT_INT(fails(s, CATEGORY_MAILBOX_FULL, "2025-01-21", "2025-01-21"), CONVERT_CONVERTED);
	WANT_INT(s->entry.status, STATUS_HELD);
	WANT_INT(s->entry.term, 1);
	/* a new term begins when the mailbox was found full again, not in the past */
	WANT_INT(s->entry.since_s, at("2025-01-21"));
	WANT_INT(s->entry.until_s, at("2025-02-20")); /* twice as long */
	WANT_INT(fails(s, CATEGORY_MAILBOX_FULL, "2025-02-20", "2025-02-20"), CONVERT_CONVERTED);
	WANT_INT(s->entry.until_s, at("2025-04-21")); /* 60 days */
}

/* Terms that were forgotten by the window still count: the next is no shorter one. */
static void terms_grow_to_a_maximum(void **state)
{
	static const int want_days[] = { 15, 30, 60, 120, 180, 180, 180, 180, 180, 180 };
	struct subject *s = new_subject(&shipped);
	int64_t now_s = at("2020-01-05");

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2020-01-01", "2020-01-01");
	for (size_t i = 0; i < COUNT(want_days); i++) {
		char *message = s->messages[COUNT(s->messages) - 1 - i];
		(void)snprintf(message, sizeof s->messages[0], "h/p/G%zu", i);
		WANT_INT(fail_of_message(s, message, CATEGORY_MAILBOX_FULL, CLASS_SOFT, now_s, now_s), CONVERT_CONVERTED);
		WANT_INT(s->entry.term, (int64_t)i);
		WANT_INT((s->entry.until_s - now_s) / 86400, want_days[i]);
		now_s = s->entry.until_s;
	}
}

/* An older failure that comes late never shortens what is suppressed now to a time in the past. */
static void a_late_hard_failure_with_terms(void **state)
{
	static const struct conversions terms = { .terms = { [CATEGORY_RECIPIENT_UNKNOWN] = { .term = { .ms = 15 * INT64_C(86400000) }, .factor = 2 } } };
	struct subject *s = new_subject(&terms);

	(void)state;
	/* its own term was over before: the present one is the second */
	fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-03-01", "2025-03-01");
	WANT_INT(s->entry.until_s, at("2025-03-16"));
	WANT_INT(fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-01-01", "2025-01-01"), CONVERT_RECORDED);
	WANT_INT(s->entry.since_s, at("2025-03-01"));
	WANT_INT(s->entry.term, 1);
	WANT_INT(s->entry.until_s, at("2025-03-31"));
	/* it reaches the present one: they are one, which began earlier */
	s = new_subject(&terms);
	fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-03-01", "2025-03-01");
	fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-02-20", "2025-02-20");
	WANT_INT(s->entry.since_s, at("2025-02-20"));
	WANT_INT(s->entry.until_s, at("2025-03-07"));
	/* as if they had come in order */
	s = new_subject(&terms);
	fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-01-01", "2025-01-01");
	fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-03-01", "2025-03-01");
	WANT_INT(s->entry.until_s, at("2025-03-31"));
	WANT_INT(s->entry.term, 1);
}

static void ends_of_terms(void **state)
{
	static const struct { const char *name; struct span term; unsigned factor; struct span max; int64_t number; const char *want; } table[] = {
		{ "for ever", { 0 }, 2, { 0 }, 3, NULL },
		{ "the first", { .ms = 86400000 }, 3, { 0 }, 0, "2025-01-02" },
		{ "the third", { .ms = 86400000 }, 3, { 0 }, 2, "2025-01-10" },
		{ "no factor", { .ms = 86400000 }, 0, { 0 }, 9, "2025-01-02" },
		{ "months", { .months = 1 }, 2, { .months = 12 }, 1, "2025-03-01" },
		{ "months at the maximum", { .months = 1 }, 2, { .months = 12 }, 5, "2026-01-01" },
		{ "a maximum below the term", { .ms = 10 * INT64_C(86400000) }, 2, { .ms = 5 * INT64_C(86400000) }, 0, "2025-01-06" },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(convert_term_end_s(row->term, row->factor, row->max, row->number, at("2025-01-01")), row->want ? at(row->want) : 0);
	/* nothing runs over */
	WANT(convert_term_end_s((struct span){ .ms = INT64_C(36500) * 86400000 }, 100, (struct span){ 0 }, 1000000, at("2025-01-01")) > at("2100-01-01"));
	WANT(convert_term_end_s((struct span){ .months = 1200 }, 100, (struct span){ 0 }, 1000000, at("2025-01-01")) > at("2100-01-01"));
}

/* A hard category with a term: suppressed, then one message, then free or suppressed for longer. */
static void hard_for_a_term(void **state)
{
	static const struct conversions terms = { .terms = { [CATEGORY_RECIPIENT_DISABLED] = { { .ms = 30 * INT64_C(86400000) }, { .ms = 90 * INT64_C(86400000) }, 2 } } };
	struct subject *s = new_subject(&terms);

	(void)state;
	WANT_INT(fails(s, CATEGORY_RECIPIENT_DISABLED, "2025-01-01", "2025-01-01"), CONVERT_CHANGED);
	WANT_INT(s->entry.until_s, at("2025-01-31"));
	/* what was in the queue already changes nothing */
	WANT_INT(fails(s, CATEGORY_RECIPIENT_DISABLED, "2025-01-30", "2025-01-30"), CONVERT_RECORDED);
	WANT_INT(delivered(s, "2025-01-30T12:00:00Z"), CONVERT_SAME);
	WANT_INT(s->entry.until_s, at("2025-01-31"));
	/* on parole, and dead */
	s->entry.parole_s = at("2025-02-01");
	s->entry.parole_by = SV("4f2.1");
	WANT_INT(fails(s, CATEGORY_RECIPIENT_DISABLED, "2025-02-01T00:00:01Z", "2025-02-01T00:00:01Z"), CONVERT_CHANGED);
	WANT_INT(s->entry.term, 1);
	WANT_INT(s->entry.until_s, at("2025-04-02T00:00:01Z"));
	WANT(s->entry.parole_s == 0 && s->entry.parole_by.n == 0);
	/* on parole, and our fault: the next message may try */
	s->entry.parole_s = at("2025-04-03");
	WANT_INT(fails(s, CATEGORY_BLOCKED_REPUTATION, "2025-04-03T01:00:00Z", "2025-04-03T01:00:00Z"), CONVERT_RECORDED);
	WANT_INT(s->entry.status, STATUS_HARD);
	WANT_INT(s->entry.parole_s, 0);
	/* a failure from before the parole says nothing about it */
	s->entry.parole_s = at("2025-04-04");
	WANT_INT(fails(s, CATEGORY_NETWORK, "2025-04-01", "2025-04-01"), CONVERT_RECORDED);
	WANT_INT(s->entry.parole_s, at("2025-04-04"));
	/* on parole, and alive */
	WANT_INT(delivered(s, "2025-04-04T00:00:05Z"), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_NONE);
	/* another category has no term */
	WANT_INT(fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-06-01", "2025-06-01"), CONVERT_CHANGED);
	WANT_INT(s->entry.until_s, 0);
	WANT_INT(delivered(s, "2035-06-01"), CONVERT_SAME);
	WANT_INT(s->entry.status, STATUS_HARD);
}

static void held_takes_mail_again(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-01", "2025-01-01");
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-05", "2025-01-05");
	s->entry.revision = 7;
	WANT_INT(delivered(s, "2025-01-21"), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_NONE);
	WANT_INT(s->entry.revision, 7); /* the store still compares it */
	WANT_INT(s->window.n, 0);
}

/* ---- classes ---- */

static void hard_at_once(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_NETWORK, "2025-01-01", "2025-01-01");
	WANT_INT(fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-01-02", "2025-01-02T00:00:05Z"), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_HARD);
	WANT_INT(s->entry.reason, CATEGORY_RECIPIENT_UNKNOWN);
	WANT_INT(s->entry.since_s, at("2025-01-02T00:00:05Z"));
	WANT_INT(s->entry.origin, ORIGIN_LOG);
	WANT_INT(s->entry.code, 550);
	WANT_INT(delivered(s, "2025-02-01"), CONVERT_SAME); /* hard needs a reset */
	WANT_INT(s->entry.status, STATUS_HARD);
}

/* Why an address is refused must stay what is told, whatever fails afterwards: that
 * is what a sender reads, and only the recipient's fault may stand there. */
static void a_hard_entry_keeps_its_reason(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-01-01", "2025-01-01");
	fails(s, CATEGORY_NETWORK, "2025-01-02", "2025-01-02"); /* it was in the queue already */
	WANT_INT(s->entry.status, STATUS_HARD);
	WANT_STRING(category_name(s->entry.reason), "recipient.unknown");
	WANT_INT(s->entry.code, 550);
	WANT_TEXT(s->entry.text, "recipient.unknown");
}

static void a_held_entry_keeps_its_reason(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-01", "2025-01-01");
	fails(s, CATEGORY_MAILBOX_FULL, "2025-01-05", "2025-01-05");
	fails(s, CATEGORY_GREYLISTED, "2025-01-06", "2025-01-06");
	WANT_INT(s->entry.status, STATUS_HELD);
	WANT_STRING(category_name(s->entry.reason), "mailbox.full");
}

/* The log of another host comes late: its hard failure is older than the soft one on record. */
static void a_late_hard_failure_tells_of_itself(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_NETWORK, "2025-01-05", "2025-01-05");
	WANT_INT(fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-01-01", "2025-01-01"), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_HARD);
	WANT_STRING(category_name(s->entry.reason), "recipient.unknown");
	WANT_INT(s->entry.since_s, at("2025-01-01"));
	WANT_INT(s->entry.first_s, at("2025-01-01"));
	WANT_INT(s->entry.last_s, at("2025-01-05"));
}

static void a_late_soft_failure_is_not_the_newest(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	fails(s, CATEGORY_GREYLISTED, "2025-01-05", "2025-01-05");
	WANT_INT(fails(s, CATEGORY_NETWORK, "2025-01-01", "2025-01-02"), CONVERT_RECORDED);
	WANT_INT(s->entry.reason, CATEGORY_GREYLISTED);
	WANT_INT(s->entry.count, 2);
	WANT_INT(s->entry.first_s, at("2025-01-01"));
	WANT_INT(s->entry.last_s, at("2025-01-05"));
}

static void protected_statuses_stay(void **state)
{
	static const struct { const char *name; enum status status; } table[] = {
		{ "complaint", STATUS_COMPLAINT }, { "manual", STATUS_MANUAL }, { "allow", STATUS_ALLOW },
	};

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&shipped);
		s->entry = (struct entry){ .status = row->status, .reason = CATEGORY_COMPLAINT, .origin = ORIGIN_MANUAL,
			.since_s = 1000, .until_s = 0, .by = SV("anna") };
		for (int i = 0; i < 5; i++)
			WANT_INT(fails(s, CATEGORY_DNS_NO_MX, "2025-01-01", "2025-01-01"), CONVERT_RECORDED);
		WANT_INT(fails(s, CATEGORY_RECIPIENT_UNKNOWN, "2025-01-02", "2025-01-02"), CONVERT_RECORDED);
		delivered(s, "2025-02-01");
		WANT_INT(s->entry.status, row->status);
		WANT_INT(s->entry.reason, CATEGORY_COMPLAINT);
		WANT_INT(s->entry.origin, ORIGIN_MANUAL);
		WANT_INT(s->entry.since_s, 1000);
		WANT_TEXT(s->entry.by, "anna");
		WANT_INT(s->entry.count, 6); /* facts are still recorded */
	}
}

/* ---- the same events, in another order or twice, give the same result ---- */

static void the_same_message_twice_is_once(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	for (int i = 0; i < 5; i++)
		WANT_INT(fail_of_message(s, "h/p/Q/1", CATEGORY_DNS_NO_MX, CLASS_SOFT, 1000, 2000),
			i == 0 ? CONVERT_CHANGED : CONVERT_SAME);
	WANT_INT(s->entry.count, 1);
	WANT_INT(s->window.n, 1);
	WANT_INT(s->entry.status, STATUS_SOFT);
}

struct event {
	enum category category;
	int64_t first_s, last_s;
	const char *message;
};

static void apply(struct subject *s, const struct event *v, const unsigned *order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct event *e = &v[order[i]];
		(void)fail_of_message(s, e->message, e->category, category_class(e->category), e->first_s, e->last_s);
	}
}

static bool next_permutation(unsigned *v, size_t n)
{
	size_t i = n - 1, j = n - 1;

	while (i > 0 && v[i - 1] >= v[i])
		i--;
	if (i == 0)
		return false;
	while (v[j] <= v[i - 1])
		j--;
	unsigned t = v[i - 1];
	v[i - 1] = v[j];
	v[j] = t;
	for (size_t a = i, b = n - 1; a < b; a++, b--) {
		t = v[a];
		v[a] = v[b];
		v[b] = t;
	}
	return true;
}

static void any_order_gives_the_same(void **state)
{
	static const struct {
		const char *name;
		size_t n;
		struct event v[6];
		enum status want;
	} table[] = {
		{ "four without exchangers", 4, { { CATEGORY_DNS_NO_MX, 100, 200, "1" }, { CATEGORY_DNS_NO_MX, 300, 400, "2" },
		  { CATEGORY_DNS_NO_MX, 500, 600, "3" }, { CATEGORY_DNS_NO_MX, 700, 800, "4" } }, STATUS_HARD },
		{ "four over more than a year", 4, { { CATEGORY_DNS_NO_MX, 100, 200, "1" }, { CATEGORY_DNS_NO_MX, 300, 400, "2" },
		  { CATEGORY_DNS_NO_MX, 500, 600, "3" }, { CATEGORY_DNS_NO_MX, 400 * 86400, 400 * 86400, "4" } }, STATUS_SOFT },
		{ "full twice", 2, { { CATEGORY_MAILBOX_FULL, 100, 200, "1" }, { CATEGORY_MAILBOX_FULL, 4 * 86400, 4 * 86400 + 9, "2" } }, STATUS_HELD },
		{ "full three times", 3, { { CATEGORY_MAILBOX_FULL, 100, 200, "1" }, { CATEGORY_MAILBOX_FULL, 4 * 86400, 4 * 86400 + 9, "2" },
		  { CATEGORY_MAILBOX_FULL, 6 * 86400, 6 * 86400 + 9, "3" } }, STATUS_HELD },
		{ "full, and full again after the term", 3, { { CATEGORY_MAILBOX_FULL, 100, 200, "1" }, { CATEGORY_MAILBOX_FULL, 4 * 86400, 4 * 86400 + 9, "2" },
		  { CATEGORY_MAILBOX_FULL, 30 * 86400, 30 * 86400 + 9, "3" } }, STATUS_HELD },
		{ "five without exchangers", 5, { { CATEGORY_DNS_NO_MX, 100, 200, "1" }, { CATEGORY_DNS_NO_MX, 300, 400, "2" },
		  { CATEGORY_DNS_NO_MX, 500, 600, "3" }, { CATEGORY_DNS_NO_MX, 700, 800, "4" }, { CATEGORY_DNS_NO_MX, 900, 1000, "5" } }, STATUS_HARD },
		{ "without exchangers, and unknown", 5, { { CATEGORY_DNS_NO_MX, 100, 200, "1" }, { CATEGORY_DNS_NO_MX, 300, 400, "2" },
		  { CATEGORY_DNS_NO_MX, 500, 600, "3" }, { CATEGORY_DNS_NO_MX, 700, 800, "4" }, { CATEGORY_RECIPIENT_UNKNOWN, 750, 760, "5" } }, STATUS_HARD },
		{ "full, and unknown", 3, { { CATEGORY_MAILBOX_FULL, 100, 200, "1" }, { CATEGORY_MAILBOX_FULL, 4 * 86400, 4 * 86400 + 9, "2" },
		  { CATEGORY_RECIPIENT_UNKNOWN, 5 * 86400, 5 * 86400, "3" } }, STATUS_HARD },
		{ "hard twice", 2, { { CATEGORY_RECIPIENT_UNKNOWN, 100, 200, "1" }, { CATEGORY_RECIPIENT_DISABLED, 300, 400, "2" } }, STATUS_HARD },
		{ "a mixture", 5, { { CATEGORY_NETWORK, 100, 200, "1" }, { CATEGORY_MAILBOX_FULL, 150, 400, "2" },
		  { CATEGORY_RECIPIENT_DISABLED, 500, 600, "3" }, { CATEGORY_OTHER, 700, 800, "4" }, { CATEGORY_DNS_NO_MX, 5, 900, "5" } }, STATUS_HARD },
	};

	(void)state;
	EACH(row, table) {
		unsigned order[6] = { 0, 1, 2, 3, 4, 5 };
		struct subject *s = new_subject(&shipped);
		apply(s, row->v, order, row->n);
		struct entry in_order = s->entry;
		WANT_INT(in_order.status, row->want);
		do {
			s = new_subject(&shipped);
			apply(s, row->v, order, row->n);
			WANT_INT(s->entry.status, in_order.status);
			WANT_INT(s->entry.reason, in_order.reason);
			WANT_INT(s->entry.count, in_order.count);
			WANT_INT(s->entry.first_s, in_order.first_s);
			WANT_INT(s->entry.last_s, in_order.last_s);
			if (row->want == STATUS_SOFT)
				continue;
			WANT_INT(s->entry.since_s, in_order.since_s);
			WANT_INT(s->entry.until_s, in_order.until_s);
			WANT_INT(s->entry.term, in_order.term);
		} while (next_permutation(order, row->n));
	}
}

/* ---- the window of an address ---- */

static void the_window_keeps_the_newest(void **state)
{
	struct subject *s = new_subject(&(const struct conversions){ .n = 1, .v = { { .match = "network", .count = WINDOW_MAX, .to = STATUS_HARD } } });
	char message[16];

	(void)state;
	for (int i = 0; i < 2 * WINDOW_MAX; i++) {
		(void)snprintf(message, sizeof message, "%d", i);
		/* strings are borrowed: let each live as long as the window */
		memcpy(s->messages[i], message, sizeof message);
		(void)fail_of_message(s, s->messages[i], CATEGORY_NETWORK, CLASS_SOFT, i, i);
	}
	WANT_INT(s->window.n, WINDOW_MAX);
	WANT_INT(s->window.v[0].last_s, WINDOW_MAX);
	WANT_INT(s->window.v[WINDOW_MAX - 1].last_s, 2 * WINDOW_MAX - 1);
	WANT_INT(s->entry.count, 2 * WINDOW_MAX);
	/* one that is older than all changes nothing; one in the middle finds its place */
	(void)fail_of_message(s, "old", CATEGORY_NETWORK, CLASS_SOFT, 1, 1);
	WANT_INT(s->window.v[0].last_s, WINDOW_MAX);
	(void)fail_of_message(s, "mid", CATEGORY_NETWORK, CLASS_SOFT, 40, 40);
	WANT_INT(s->window.n, WINDOW_MAX);
	for (size_t i = 1; i < s->window.n; i++)
		WANT(s->window.v[i - 1].last_s <= s->window.v[i].last_s);
	WANT_INT(s->window.v[0].last_s, WINDOW_MAX + 1);
}

static void retention(void **state)
{
	static const struct conversions two = { .n = 3, .v = {
		{ .match = "challenge", .count = 7, .window = { .ms = 30 * INT64_C(86400000) }, .to = STATUS_HARD },
		{ .match = "my.rule", .count = 2, .window = { .months = 24 }, .to = STATUS_HARD },
		{ .match = "mailbox.full", .count = 2, .to = STATUS_HARD },
	} };
	struct span s;

	(void)state;
	s = convert_retention(&two, CATEGORY_CHALLENGE, SV("x"));
	WANT(s.months == 0 && s.ms == 30 * INT64_C(86400000));
	s = convert_retention(&two, CATEGORY_CHALLENGE, SV("my.rule")); /* both match: the longer */
	WANT(s.months == 24 && s.ms == 0);
	s = convert_retention(&two, CATEGORY_MAILBOX_FULL, SV("x")); /* no window: a year */
	WANT(s.months == 12);
	s = convert_retention(&two, CATEGORY_NETWORK, SV("x"));
	WANT(s.months == 0 && s.ms == 0);
}

static void by_rule_and_by_day(void **state)
{
	static const struct conversions day = { .n = 1, .v = { { .match = "test.rule", .count = 3, .window = { .ms = 30 * INT64_C(86400000) },
		.per = PER_DAY, .to = STATUS_HELD, .term = { .months = 1 } } } };
	struct subject *s = new_subject(&day);

	(void)state;
	for (int i = 0; i < 5; i++) /* five on one day are one */
		fails(s, CATEGORY_CHALLENGE, "2025-01-01T10:00:00Z", "2025-01-01T10:00:00Z");
	fails(s, CATEGORY_CHALLENGE, "2025-01-01T23:59:59Z", "2025-01-01T23:59:59Z");
	fails(s, CATEGORY_CHALLENGE, "2025-01-02T00:00:00Z", "2025-01-02T00:00:00Z");
	WANT_INT(s->entry.status, STATUS_SOFT);
	WANT_INT(fails(s, CATEGORY_NETWORK, "2025-01-30", "2025-01-30"), CONVERT_CONVERTED); /* the rule is the same */
	WANT_INT(s->entry.status, STATUS_HELD);
	WANT_INT(s->entry.until_s, at("2025-02-28"));
}

/* ---- the brake ---- */

#define A_DAY_S INT64_C(86400)

static const struct conversions with_brake = { .n = 2, .v = {
	{ .match = "dns.no-mx", .count = 4, .window = { .months = 12 }, .to = STATUS_HARD },
	{ .match = "mailbox.full", .count = 2, .min_span = { .ms = 3 * 86400000 }, .reset_on_delivery = true,
	  .to = STATUS_HELD, .term = { .ms = 15 * INT64_C(86400000) } },
}, .brake_term = { .ms = 86400000 } };

static enum convert_result fails_at(struct subject *s, enum category category, int64_t time_s, bool braked)
{
	char *message = s->messages[s->n % COUNT(s->messages)];
	enum class class_ = category_class(category);
	struct failure f = { .class_ = class_, .code = class_ == CLASS_HARD ? 550 : 450, .text = SV("text"), .braked = braked };

	(void)snprintf(message, sizeof s->messages[0], "h/p/Q%zu", s->n++);
	f.occurrence = (struct occurrence){ category, SV("test.rule"), sv_of(message), time_s, time_s };
	return convert_failure(&s->entry, &s->window, &f, s->conversions);
}

static void braked_is_held_for_its_term(void **state)
{
	static const struct {
		const char *name;
		int64_t after_s;
		bool braked;
		enum convert_result want;
		enum status status;
		int64_t since_s, until_s; /* after the first; 0: never */
	} table[] = {
		{ "braked again, the term's last second", A_DAY_S - 1, true, CONVERT_RECORDED, STATUS_HELD, 0, A_DAY_S },
		{ "braked again, its end", A_DAY_S, true, CONVERT_BRAKED, STATUS_HELD, A_DAY_S, 2 * A_DAY_S },
		{ "braked, a second before the first", -1, true, CONVERT_RECORDED, STATUS_HELD, 0, A_DAY_S },
		{ "no more, a second later", 1, false, CONVERT_CHANGED, STATUS_HARD, 1, 0 },
		{ "no more, the term's last second", A_DAY_S - 1, false, CONVERT_CHANGED, STATUS_HARD, A_DAY_S - 1, 0 },
		{ "no more, its end", A_DAY_S, false, CONVERT_CHANGED, STATUS_HARD, A_DAY_S, 0 },
	};
	const int64_t t = at("2026-11-21T09:00:00Z");

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&with_brake);
		WANT_INT(fails_at(s, CATEGORY_RECIPIENT_UNKNOWN, t, true), CONVERT_BRAKED);
		WANT_INT(s->entry.status, STATUS_HELD);
		WANT_INT(s->entry.reason, CATEGORY_RECIPIENT_UNKNOWN);
		WANT_INT(s->entry.origin, ORIGIN_LOG);
		WANT_INT(s->entry.until_s - s->entry.since_s, A_DAY_S);
		WANT_INT(fails_at(s, CATEGORY_RECIPIENT_UNKNOWN, t + row->after_s, row->braked), row->want);
		WANT_INT(s->entry.status, row->status);
		WANT_INT(s->entry.since_s, t + row->since_s);
		WANT_INT(s->entry.until_s, row->until_s ? t + row->until_s : 0);
		WANT_INT(s->entry.count, 2);
	}
}

static void a_delivery_frees_who_was_braked(void **state)
{
	static const struct { const char *name; int64_t after_s; enum status want; } table[] = {
		{ "a second before", -1, STATUS_HELD }, { "the same second", 0, STATUS_HELD }, { "a second later", 1, STATUS_NONE },
		{ "after the term", A_DAY_S + 1, STATUS_NONE },
	};
	const int64_t t = at("2026-11-21T09:00:00Z");

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&with_brake);
		fails_at(s, CATEGORY_RECIPIENT_UNKNOWN, t, true);
		convert_delivery(&s->entry, &s->window, t + row->after_s, &with_brake);
		WANT_INT(s->entry.status, row->want);
	}
}

/* Nobody is better or worse off who was suppressed before, or whom a person decided about. */
static void the_brake_takes_nothing_back(void **state)
{
	static const struct { const char *name; enum status status; int64_t until_s; } table[] = {
		{ "hard", STATUS_HARD, 0 }, { "hard for a term", STATUS_HARD, 30 * A_DAY_S }, { "held for longer", STATUS_HELD, 15 * A_DAY_S },
		{ "complaint", STATUS_COMPLAINT, 0 }, { "manual", STATUS_MANUAL, 0 }, { "allow", STATUS_ALLOW, 0 },
	};
	const int64_t t = at("2026-11-21T09:00:00Z");

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&with_brake);
		s->entry = (struct entry){ .status = row->status, .origin = ORIGIN_LOG, .since_s = t - 10,
			.until_s = row->until_s ? t - 10 + row->until_s : 0 };
		WANT_INT(fails_at(s, CATEGORY_RECIPIENT_UNKNOWN, t, true), CONVERT_RECORDED);
		WANT_INT(s->entry.status, row->status);
		WANT_INT(s->entry.since_s, t - 10);
		WANT_INT(s->entry.until_s, row->until_s ? t - 10 + row->until_s : 0);
	}
}

/* The fourth without a mail exchanger, also when it is not the newest on record */
static void a_braked_conversion(void **state)
{
	static const struct { const char *name; int64_t last_s; bool braked; enum convert_result want; enum status status; } table[] = {
		{ "in order", 400, true, CONVERT_BRAKED, STATUS_HELD },
		{ "the same second as the newest", 300, true, CONVERT_BRAKED, STATUS_HELD },
		{ "late by a second", 299, true, CONVERT_BRAKED, STATUS_HELD },
		{ "in order, no brake", 400, false, CONVERT_CONVERTED, STATUS_HARD },
		{ "late, no brake", 299, false, CONVERT_CONVERTED, STATUS_HARD },
	};
	const int64_t t = at("2026-11-21T09:00:00Z");

	(void)state;
	EACH(row, table) {
		struct subject *s = new_subject(&with_brake);
		for (int i = 1; i <= 3; i++)
			WANT(fails_at(s, CATEGORY_DNS_NO_MX, t + 100 * i, row->braked) != CONVERT_CONVERTED);
		WANT_INT(s->entry.status, STATUS_SOFT);
		WANT_INT(fails_at(s, CATEGORY_DNS_NO_MX, t + row->last_s, row->braked), row->want);
		WANT_INT(s->entry.status, row->status);
		WANT_INT(s->entry.until_s, row->status == STATUS_HELD ? t + row->last_s + A_DAY_S : 0);
	}
	/* what makes nobody hard is not braked */
	struct subject *s = new_subject(&with_brake);
	fails_at(s, CATEGORY_MAILBOX_FULL, t, true);
	WANT_INT(fails_at(s, CATEGORY_MAILBOX_FULL, t + 3 * A_DAY_S, true), CONVERT_CONVERTED);
	WANT_INT(s->entry.until_s, t + 18 * A_DAY_S);
}

/* ---- lines that were lost ---- */

/* Times of failures of a full mailbox, and when lines were lost, known when the last is read. */
static const struct {
	const char *name, *failures[3], *lost;
	enum category category;
	enum status want;
	size_t uncounted;
} lost_table[] = {
	{ "none lost", { "2026-11-01", "2026-11-05" }, NULL, CATEGORY_MAILBOX_FULL, STATUS_HELD, 0 },
	{ "between", { "2026-11-01", "2026-11-05" }, "2026-11-03", CATEGORY_MAILBOX_FULL, STATUS_SOFT, 1 },
	{ "before both", { "2026-11-01", "2026-11-05" }, "2026-10-31", CATEGORY_MAILBOX_FULL, STATUS_HELD, 0 },
	{ "a second before the first", { "2026-11-01", "2026-11-05" }, "2026-10-31T23:59:59Z", CATEGORY_MAILBOX_FULL, STATUS_HELD, 0 },
	{ "in the second of the first", { "2026-11-01", "2026-11-05" }, "2026-11-01", CATEGORY_MAILBOX_FULL, STATUS_SOFT, 1 },
	{ "in the second of the last", { "2026-11-01", "2026-11-05" }, "2026-11-05", CATEGORY_MAILBOX_FULL, STATUS_SOFT, 2 },
	{ "after both: an old log is read", { "2026-11-01", "2026-11-05" }, "2026-11-09", CATEGORY_MAILBOX_FULL, STATUS_SOFT, 2 },
	{ "enough after it", { "2026-11-01", "2026-11-05", "2026-11-08" }, "2026-11-03", CATEGORY_MAILBOX_FULL, STATUS_HELD, 1 },
	{ "no span after it", { "2026-11-01", "2026-11-05", "2026-11-07" }, "2026-11-03", CATEGORY_MAILBOX_FULL, STATUS_SOFT, 1 },
};

static enum convert_result fails_with(struct subject *s, enum category category, const char *time, const char *lost, bool unsure)
{
	char *message = s->messages[s->n % COUNT(s->messages)];
	struct failure f = { .class_ = category_class(category), .code = 452, .text = SV("full"), .gap_s = lost ? at(lost) : 0, .unsure = unsure };

	(void)snprintf(message, sizeof s->messages[0], "h/p/Q%zu", s->n++);
	f.occurrence = (struct occurrence){ category, SV("test.rule"), sv_of(message), at(time), at(time) };
	return convert_failure(&s->entry, &s->window, &f, s->conversions);
}

static void what_a_lost_delivery_may_have_ended(void **state)
{
	(void)state;
	EACH(row, lost_table) {
		struct subject *s = new_subject(&shipped);
		size_t n = 0;
		for (; n < COUNT(row->failures) && row->failures[n]; n++)
			(void)fails_with(s, row->category, row->failures[n], row->lost, false);
		WANT_INT(s->entry.status, row->want);
		/* on record they are all the same */
		WANT_INT(s->window.n, n);
		WANT_INT(s->entry.count, n);
		WANT_INT(convert_uncounted(&s->window, &shipped, row->lost ? at(row->lost) : 0), row->uncounted);
	}
}

/* A delivery ends no series of dns.no-mx: a lost one would not have, either. */
static void what_no_delivery_ends(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	for (int i = 0; i < 4; i++)
		(void)fails_with(s, CATEGORY_DNS_NO_MX, (const char *[]){ "2026-08-01", "2026-09-01", "2026-10-01", "2026-11-01" }[i], "2026-10-15", false);
	WANT_INT(s->entry.status, STATUS_HARD);
	WANT_INT(convert_uncounted(&s->window, &shipped, at("2026-10-15")), 0);
}

static void what_is_unsure_counts_nowhere(void **state)
{
	struct subject *s = new_subject(&shipped);

	(void)state;
	for (int i = 0; i < 4; i++)
		(void)fails_with(s, CATEGORY_DNS_NO_MX, "2026-08-01", "2026-08-02", i == 1);
	WANT_INT(s->entry.status, STATUS_SOFT);
	WANT_INT(s->window.n, 3);
	WANT_INT(s->entry.count, 4);
	s = new_subject(&shipped);
	WANT_INT(fails_with(s, CATEGORY_RECIPIENT_UNKNOWN, "2026-08-01", "2026-08-02", true), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_SOFT);
	WANT_INT(fails_with(s, CATEGORY_RECIPIENT_UNKNOWN, "2026-08-01", "2026-08-02", false), CONVERT_CHANGED);
	WANT_INT(s->entry.status, STATUS_HARD);
}

/* Lines lost after an address was held: that stays, and no failure that comes late makes the term begin anew. */
static void a_loss_takes_nothing_back(void **state)
{
	static const struct conversions twice = { .n = 1, .v = { { .match = "mailbox.full", .count = 2, .reset_on_delivery = true, .to = STATUS_HELD,
		.term = { .ms = 15 * INT64_C(86400000) }, .factor = 2 } } };
	struct subject *s = new_subject(&twice);

	(void)state;
	(void)fails_with(s, CATEGORY_MAILBOX_FULL, "2026-11-01", NULL, false);
	WANT_INT(fails_with(s, CATEGORY_MAILBOX_FULL, "2026-11-02", NULL, false), CONVERT_CONVERTED);
	const struct entry held = s->entry;
	WANT_INT(fails_with(s, CATEGORY_MAILBOX_FULL, "2026-11-05", "2026-11-03", false), CONVERT_RECORDED);
	WANT_INT(fails_with(s, CATEGORY_MAILBOX_FULL, "2026-11-06", "2026-11-03", false), CONVERT_RECORDED);
	WANT_INT(fails_with(s, CATEGORY_MAILBOX_FULL, "2026-11-05T12:00:00Z", "2026-11-03", false), CONVERT_RECORDED);
	WANT_INT(s->entry.status, STATUS_HELD);
	WANT_INT(s->entry.since_s, held.since_s);
	WANT_INT(s->entry.until_s, held.until_s);
	WANT_INT(s->entry.term, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_within_twelve_months),
		cmocka_unit_test(a_longer_window_beside_it),
		cmocka_unit_test(the_window_slides),
		cmocka_unit_test(other_categories_do_not_count),
		cmocka_unit_test(no_reset_where_none_is_asked_for),
		cmocka_unit_test(full_over_three_days),
		cmocka_unit_test(one_occurrence_of_many_days_is_one),
		cmocka_unit_test(a_delivery_in_between_resets),
		cmocka_unit_test(a_delivery_that_is_older_resets_nothing),
		cmocka_unit_test(held_again_has_the_next_term),
		cmocka_unit_test(terms_grow_to_a_maximum),
		cmocka_unit_test(a_late_hard_failure_with_terms),
		cmocka_unit_test(ends_of_terms),
		cmocka_unit_test(hard_for_a_term),
		cmocka_unit_test(held_takes_mail_again),
		cmocka_unit_test(hard_at_once),
		cmocka_unit_test(a_hard_entry_keeps_its_reason),
		cmocka_unit_test(a_held_entry_keeps_its_reason),
		cmocka_unit_test(a_late_hard_failure_tells_of_itself),
		cmocka_unit_test(a_late_soft_failure_is_not_the_newest),
		cmocka_unit_test(protected_statuses_stay),
		cmocka_unit_test(the_same_message_twice_is_once),
		cmocka_unit_test(any_order_gives_the_same),
		cmocka_unit_test(the_window_keeps_the_newest),
		cmocka_unit_test(retention),
		cmocka_unit_test(by_rule_and_by_day),
		cmocka_unit_test(braked_is_held_for_its_term),
		cmocka_unit_test(a_delivery_frees_who_was_braked),
		cmocka_unit_test(the_brake_takes_nothing_back),
		cmocka_unit_test(a_braked_conversion),
		cmocka_unit_test(what_a_lost_delivery_may_have_ended),
		cmocka_unit_test(what_no_delivery_ends),
		cmocka_unit_test(what_is_unsure_counts_nowhere),
		cmocka_unit_test(a_loss_takes_nothing_back),
	};

	return RUN(tests);
}
