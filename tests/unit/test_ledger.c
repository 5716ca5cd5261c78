#include "test.h"

#include "ledger.h"
#include "store_ops.h"

static struct config config;

/* ---- scenarios: events in, entries and counters out, however they fall into batches ---- */

struct event {
	enum fact_kind kind;
	const char *time;
	const char *queue_id; /* of message "h/postfix/<queue_id>" */
	const char *arrival;  /* NULL: the line has no delay, as that of an expiry */
	const char *address;  /* NULL: none */
	enum category category;
	bool uncounted, never_deferred;
	int code;             /* 0: 550 or 450 by class */
};

struct want_entry {
	const char *address;
	enum status status;
	int64_t count;
	const char *first, *last;
	enum category reason;
};

struct scenario {
	const char *name;
	struct event events[64];
	struct want_entry want[4];
	struct want_counts { int delivered, deferred, soft, hard, hard_as_soft, soft_to_hard; } want_counts;
};

static struct fact fact_of(const struct event *e, char message[64])
{
	enum class class_ = category_class(e->category);
	struct fact f = { .kind = e->kind, .time_s = at(e->time), .arrival_s = e->arrival ? at(e->arrival) : 0,
		.address = sv_of(e->address ? e->address : ""), .uncounted = e->uncounted, .never_deferred = e->never_deferred };

	(void)snprintf(message, 64, "h/postfix/%s", e->queue_id);
	f.message = sv_of(message);
	if (e->kind == FACT_DEFERRED || e->kind == FACT_FAILED)
		f.failure = (struct failure){ .class_ = class_, .code = e->code ? e->code : class_ == CLASS_HARD ? 550 : 450,
			.text = sv_of(category_name(e->category)), .remote = SV("mx.example.com"),
			.occurrence = { .category = e->category, .rule = SV("a.rule") } };
	return f;
}

static void commit(struct ledger *ledger)
{
	struct err err = { "" };

	WANT_INT(ledger_commit(ledger, NULL, NULL, false, &err), STORE_OK);
	WANT_INT(ledger->n, 0);
}

static void add_count(void *arg, struct sv day, struct sv name, int64_t value)
{
	static const char *const names[] = { "delivered", "deferred", "soft", "hard", "hard-as-soft", "soft-to-hard" };
	int *v = arg;

	(void)day;
	for (size_t i = 0; i < COUNT(names); i++)
		if (sv_eq(name, sv_of(names[i])))
			v[i] += (int)value;
}

static void want_counts(struct store *store, const struct want_counts *want)
{
	int v[6] = { 0 };
	struct err err = { "" };

	WANT_INT(store_counts(store, SV(""), add_count, v, &err), STORE_OK);
	const struct want_counts got = { v[0], v[1], v[2], v[3], v[4], v[5] };
	WANT_INT(got.delivered, want->delivered);
	WANT_INT(got.deferred, want->deferred);
	WANT_INT(got.soft, want->soft);
	WANT_INT(got.hard, want->hard);
	WANT_INT(got.hard_as_soft, want->hard_as_soft);
	WANT_INT(got.soft_to_hard, want->soft_to_hard);
}

static struct entry entry_of(struct store *store, const char *address)
{
	struct entry entry = { 0 };
	struct arena arena = { 0 };
	struct err err = { "" };
	enum store_result result = store_entry(store, &arena, sv_of(address), &entry, &err);

	WANT(result == STORE_OK || result == STORE_ABSENT);
	arena_free(&arena); /* of store_memory: its strings are the store's own */
	return entry;
}

static void run(const struct scenario *s, size_t batch)
{
	struct store *store = store_memory(1);
	struct ledger ledger;
	char row[128], message[64];

	(void)snprintf(row, sizeof row, "%s (batches of %zu)", s->name, batch);
	test_row = row;
	ledger_init(&ledger, store, &config);
	for (size_t i = 0; i < COUNT(s->events) && s->events[i].time; i++) {
		struct fact f = fact_of(&s->events[i], message);
		ledger_add(&ledger, &f);
		memset(message, '#', sizeof message); /* whoever wants to keep it must copy it */
		if (ledger.n == batch)
			commit(&ledger);
	}
	commit(&ledger);
	for (size_t i = 0; i < COUNT(s->want) && s->want[i].address; i++) {
		const struct want_entry *want = &s->want[i];
		struct entry got = entry_of(store, want->address);
		WANT_STRING(status_name(got.status), status_name(want->status));
		if (want->status == STATUS_NONE)
			continue;
		WANT_INT(got.count, want->count);
		WANT_STRING(category_name(got.reason), category_name(want->reason));
		if (want->first)
			WANT_INT(got.first_s, at(want->first));
		if (want->last)
			WANT_INT(got.last_s, at(want->last));
	}
	want_counts(store, &s->want_counts);
	ledger_free(&ledger);
	store_free(store);
}

#define DAY1 "2025-01-01T00:00:00Z"
#define DELIVERED(time, queue_id, arrival, address) { FACT_DELIVERED, time, queue_id, arrival, address, CATEGORY_OTHER, false, false, 0 }
#define DEFERRED(time, queue_id, arrival, address, category) { FACT_DEFERRED, time, queue_id, arrival, address, category, false, false, 0 }
#define FAILED(time, queue_id, arrival, address, category) { FACT_FAILED, time, queue_id, arrival, address, category, false, false, 0 }
#define EXPIRED(time, queue_id) { FACT_EXPIRED, time, queue_id, NULL, NULL, CATEGORY_OTHER, false, false, 0 }
#define REMOVED(time, queue_id) { FACT_REMOVED, time, queue_id, NULL, NULL, CATEGORY_OTHER, false, false, 0 }

static const struct scenario scenarios[] = {
	{ "deferred, then delivered, is none",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T00:10:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DELIVERED("2025-01-01T00:20:10Z", "Q1", DAY1, "a@x.example"), REMOVED("2025-01-01T00:20:10Z", "Q1") },
	  { { .address = "a@x.example" } }, { .delivered = 1, .deferred = 2 } },
	{ "deferred, then bounced, is one: of the last reply, from the first attempt",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T00:10:10Z", "Q1", DAY1, "a@x.example", CATEGORY_GREYLISTED),
	    FAILED("2025-01-01T00:20:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL) },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:10Z", "2025-01-01T00:20:10Z", CATEGORY_MAILBOX_FULL } },
	  { .deferred = 2, .soft = 1 } },
	{ "expired: of the last reply, dated by the last attempt",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-03T00:10:10Z", "Q1", DAY1, "a@x.example", CATEGORY_GREYLISTED),
	    EXPIRED("2025-01-03T00:10:11Z", "Q1"), REMOVED("2025-01-03T00:10:11Z", "Q1") },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:10Z", "2025-01-03T00:10:10Z", CATEGORY_GREYLISTED } },
	  { .deferred = 2, .soft = 1 } },
	{ "expiry ends every recipient still pending",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T00:00:11Z", "Q1", DAY1, "b@x.example", CATEGORY_GREYLISTED),
	    DEFERRED("2025-01-01T00:00:12Z", "Q1", DAY1, "c@x.example", CATEGORY_SERVER_BUSY),
	    DELIVERED("2025-01-01T01:00:00Z", "Q1", DAY1, "b@x.example"),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:10Z", "2025-01-01T00:00:10Z", CATEGORY_NETWORK },
	    { .address = "b@x.example" },
	    { "c@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:12Z", "2025-01-01T00:00:12Z", CATEGORY_SERVER_BUSY } },
	  { .delivered = 1, .deferred = 3, .soft = 2 } },
	{ "expiry said twice is one",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1"), EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { "a@x.example", STATUS_SOFT, 1, NULL, NULL, CATEGORY_NETWORK } }, { .deferred = 1, .soft = 1 } },
	{ "expiry of another message",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK), EXPIRED("2025-01-03T00:00:00Z", "q1") },
	  { { .address = "a@x.example" } }, { .deferred = 1 } },
	{ "a queue id used again: the old message's recipients are not pending any more",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T02:00:10Z", "Q1", "2025-01-01T02:00:00Z", "b@x.example", CATEGORY_GREYLISTED),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { .address = "a@x.example" }, { "b@x.example", STATUS_SOFT, 1, NULL, NULL, CATEGORY_GREYLISTED } },
	  { .deferred = 2, .soft = 1 } },
	{ "a queue id used again for the same recipient: its own first attempt",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    FAILED("2025-01-01T02:00:10Z", "Q1", "2025-01-01T02:00:00Z", "a@x.example", CATEGORY_MAILBOX_FULL) },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T02:00:10Z", "2025-01-01T02:00:10Z", CATEGORY_MAILBOX_FULL } },
	  { .deferred = 1, .soft = 1 } },
	{ "delays are rounded: two seconds are the same arrival",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", "2025-01-01T00:00:02Z", "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T00:20:10Z", "Q1", "2025-01-01T00:00:04Z", "b@x.example", CATEGORY_NETWORK),
	    FAILED("2025-01-01T02:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK), EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:10Z", NULL, CATEGORY_NETWORK },
	    { "b@x.example", STATUS_SOFT, 1, "2025-01-01T00:20:10Z", NULL, CATEGORY_NETWORK } }, { .deferred = 2, .soft = 2 } },
	{ "three seconds are another arrival",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T00:20:10Z", "Q1", "2025-01-01T00:00:03Z", "b@x.example", CATEGORY_NETWORK),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { .address = "a@x.example" }, { "b@x.example", STATUS_SOFT, 1, NULL, NULL, CATEGORY_NETWORK } }, { .deferred = 2, .soft = 1 } },
	{ "removed by an admin: nobody failed",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK), REMOVED("2025-01-01T01:00:00Z", "Q1"),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { .address = "a@x.example" } }, { .deferred = 1 } },
	{ "removed, and its queue id used again",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK), REMOVED("2025-01-01T01:00:00Z", "Q1"),
	    DEFERRED("2025-01-01T02:00:10Z", "Q1", "2025-01-01T02:00:00Z", "b@x.example", CATEGORY_GREYLISTED),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { .address = "a@x.example" }, { "b@x.example", STATUS_SOFT, 1, NULL, NULL, CATEGORY_GREYLISTED } },
	  { .deferred = 2, .soft = 1 } },
	{ "delivered and removed, and its queue id used again",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DELIVERED("2025-01-01T00:20:10Z", "Q1", DAY1, "a@x.example"), REMOVED("2025-01-01T00:20:10Z", "Q1"),
	    DEFERRED("2025-01-01T02:00:10Z", "Q1", "2025-01-01T02:00:00Z", "a@x.example", CATEGORY_GREYLISTED),
	    DEFERRED("2025-01-01T03:00:10Z", "Q1", "2025-01-01T02:00:00Z", "a@x.example", CATEGORY_GREYLISTED),
	    DELIVERED("2025-01-01T04:00:00Z", "Q2", "2025-01-01T04:00:00Z", "b@x.example"),
	    EXPIRED("2025-01-03T00:00:00Z", "Q1") },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T02:00:10Z", "2025-01-01T03:00:10Z", CATEGORY_GREYLISTED } },
	  { .delivered = 2, .deferred = 3, .soft = 1 } },
	{ "an alias: the second address is not counted, but has its entry",
	  { { FACT_FAILED, "2025-01-01T00:00:10Z", "Q1", DAY1, "final@x.example", CATEGORY_RECIPIENT_UNKNOWN, false, false, 0 },
	    { FACT_FAILED, "2025-01-01T00:00:10Z", "Q1", DAY1, "alias@x.example", CATEGORY_RECIPIENT_UNKNOWN, true, false, 0 },
	    { FACT_DELIVERED, "2025-01-01T00:00:11Z", "Q2", DAY1, "final2@x.example", CATEGORY_OTHER, false, false, 0 },
	    { FACT_DELIVERED, "2025-01-01T00:00:11Z", "Q2", DAY1, "alias2@x.example", CATEGORY_OTHER, true, false, 0 },
	    { FACT_DEFERRED, "2025-01-01T00:00:12Z", "Q3", DAY1, "final3@x.example", CATEGORY_NETWORK, false, false, 0 },
	    { FACT_DEFERRED, "2025-01-01T00:00:12Z", "Q3", DAY1, "alias3@x.example", CATEGORY_NETWORK, true, false, 0 } },
	  { { "final@x.example", STATUS_HARD, 1, NULL, NULL, CATEGORY_RECIPIENT_UNKNOWN },
	    { "alias@x.example", STATUS_HARD, 1, NULL, NULL, CATEGORY_RECIPIENT_UNKNOWN } },
	  { .delivered = 1, .deferred = 1, .hard = 1 } },
	{ "without a usable address: counted only",
	  { FAILED("2025-01-01T00:00:10Z", "Q1", DAY1, NULL, CATEGORY_RECIPIENT_UNKNOWN),
	    DEFERRED("2025-01-01T00:00:10Z", "Q2", DAY1, NULL, CATEGORY_NETWORK), EXPIRED("2025-01-03T00:00:10Z", "Q2"),
	    DELIVERED("2025-01-01T00:00:10Z", "Q3", DAY1, NULL) },
	  { { .address = "" } }, { .delivered = 1, .deferred = 1, .hard = 1 } },
	{ "never deferred: nothing is pending, and it counts all the same",
	  { { FACT_FAILED, "2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL, false, true, 0 },
	    { FACT_DELIVERED, "2025-01-01T00:00:10Z", "Q1", DAY1, "b@x.example", CATEGORY_OTHER, false, true, 0 } },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:10Z", "2025-01-01T00:00:10Z", CATEGORY_MAILBOX_FULL }, { .address = "b@x.example" } },
	  { .delivered = 1, .soft = 1 } },
	{ "class none is nobody's failure",
	  { FAILED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_SUPPRESSED),
	    DEFERRED("2025-01-01T00:00:10Z", "Q2", DAY1, "a@x.example", CATEGORY_AUTOREPLY), EXPIRED("2025-01-03T00:00:10Z", "Q2") },
	  { { .address = "a@x.example" } }, { .deferred = 1 } },
	{ "5xx counted as soft",
	  { { FACT_FAILED, "2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_BLOCKED_REPUTATION, false, false, 554 },
	    { FACT_FAILED, "2025-01-01T00:00:10Z", "Q2", DAY1, "b@x.example", CATEGORY_GREYLISTED, false, false, 499 } },
	  { { "a@x.example", STATUS_SOFT, 1, NULL, NULL, CATEGORY_BLOCKED_REPUTATION } }, { .soft = 2, .hard_as_soft = 1 } },
	{ "a delivery clears what is soft, not what is hard",
	  { FAILED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    FAILED("2025-01-01T00:00:10Z", "Q2", DAY1, "b@x.example", CATEGORY_RECIPIENT_UNKNOWN),
	    DELIVERED("2025-01-02T00:00:00Z", "Q3", "2025-01-02T00:00:00Z", "a@x.example"),
	    DELIVERED("2025-01-02T00:00:00Z", "Q4", "2025-01-02T00:00:00Z", "b@x.example") },
	  { { .address = "a@x.example" }, { "b@x.example", STATUS_HARD, 1, NULL, NULL, CATEGORY_RECIPIENT_UNKNOWN } },
	  { .delivered = 2, .soft = 1, .hard = 1 } },
	{ "two recipients of a message, failed one by one",
	  { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "b@x.example", CATEGORY_NETWORK),
	    FAILED("2025-01-01T01:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_RECIPIENT_UNKNOWN),
	    FAILED("2025-01-01T02:00:10Z", "Q1", DAY1, "b@x.example", CATEGORY_RECIPIENT_UNKNOWN),
	    EXPIRED("2025-01-03T00:00:10Z", "Q1") },
	  { { "a@x.example", STATUS_HARD, 1, "2025-01-01T00:00:10Z", NULL, CATEGORY_RECIPIENT_UNKNOWN },
	    { "b@x.example", STATUS_HARD, 1, "2025-01-01T00:00:10Z", "2025-01-01T02:00:10Z", CATEGORY_RECIPIENT_UNKNOWN } },
	  { .deferred = 2, .hard = 2 } },
	{ "the fourth without exchangers within 12 months, through retries and expiries",
	  { DEFERRED("2025-03-10T12:00:00Z", "Q1", "2025-03-10T11:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX), EXPIRED("2025-03-12T12:00:00Z", "Q1"),
	    FAILED("2025-06-01T00:00:00Z", "Q2", "2025-06-01T00:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX),
	    DEFERRED("2025-09-01T00:00:00Z", "Q3", "2025-09-01T00:00:00Z", "a@x.example", CATEGORY_NETWORK),
	    DEFERRED("2025-09-02T00:00:00Z", "Q3", "2025-09-01T00:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX), EXPIRED("2025-09-03T00:00:00Z", "Q3"),
	    DEFERRED("2026-03-10T11:00:00Z", "Q4", "2026-03-10T11:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX),
	    DEFERRED("2026-03-10T11:59:59Z", "Q4", "2026-03-10T11:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX), EXPIRED("2026-03-12T12:00:00Z", "Q4") },
	  { { "a@x.example", STATUS_HARD, 4, "2025-03-10T12:00:00Z", "2026-03-10T11:59:59Z", CATEGORY_DNS_NO_MX } },
	  { .deferred = 5, .soft = 4, .soft_to_hard = 1 } },
	{ "12 months exactly",
	  { DEFERRED("2025-03-10T12:00:00Z", "Q1", "2025-03-10T11:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX), EXPIRED("2025-03-12T12:00:00Z", "Q1"),
	    FAILED("2025-06-01T00:00:00Z", "Q2", "2025-06-01T00:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX),
	    FAILED("2025-09-01T00:00:00Z", "Q3", "2025-09-01T00:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX),
	    FAILED("2026-03-10T12:00:00Z", "Q4", "2026-03-10T11:00:00Z", "a@x.example", CATEGORY_DNS_NO_MX) },
	  { { "a@x.example", STATUS_SOFT, 4, NULL, NULL, CATEGORY_DNS_NO_MX } }, { .deferred = 1, .soft = 4 } },
	{ "full over three days is held, and told as converted",
	  { DEFERRED("2025-01-01T00:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), EXPIRED("2025-01-03T00:00:00Z", "Q1"),
	    FAILED("2025-01-04T00:00:00Z", "Q2", "2025-01-04T00:00:00Z", "a@x.example", CATEGORY_MAILBOX_FULL) },
	  { { "a@x.example", STATUS_HELD, 2, NULL, NULL, CATEGORY_MAILBOX_FULL } }, { .deferred = 1, .soft = 2, .soft_to_hard = 1 } },
	{ "full, a delivery in between, full again",
	  { FAILED("2025-01-01T00:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL),
	    DELIVERED("2025-01-02T00:00:00Z", "Q2", "2025-01-02T00:00:00Z", "a@x.example"),
	    FAILED("2025-01-05T00:00:00Z", "Q3", "2025-01-05T00:00:00Z", "a@x.example", CATEGORY_MAILBOX_FULL) },
	  { { "a@x.example", STATUS_SOFT, 1, "2025-01-05T00:00:00Z", NULL, CATEGORY_MAILBOX_FULL } }, { .delivered = 1, .soft = 2 } },
	{ "one message over four days is one occurrence",
	  { DEFERRED("2025-01-01T00:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL),
	    DEFERRED("2025-01-02T00:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL),
	    DEFERRED("2025-01-05T00:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), EXPIRED("2025-01-05T00:00:00Z", "Q1") },
	  { { "a@x.example", STATUS_SOFT, 1, DAY1, "2025-01-05T00:00:00Z", CATEGORY_MAILBOX_FULL } }, { .deferred = 3, .soft = 1 } },
};

static void whatever_the_batches(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scenarios); i++)
		for (size_t batch = 1; batch <= 8; batch++)
			run(&scenarios[i], batch == 8 ? 1000 : batch);
	test_row = "";
}

static void forty_retries_are_one(void **state)
{
	struct scenario s = { .name = "forty retries, then bounced",
		.want = { { "a@x.example", STATUS_SOFT, 1, "2025-01-01T00:00:00Z", "2025-01-01T10:00:00Z", CATEGORY_SERVER_BUSY } },
		.want_counts = { .deferred = 40, .soft = 1 } };
	char times[40][32];

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(times[i], sizeof times[i], "2025-01-01T%02d:%02d:00Z", i / 4, i % 4 * 15);
		s.events[i] = (struct event){ FACT_DEFERRED, times[i], "Q1", DAY1, "a@x.example", CATEGORY_NETWORK, false, false, 0 };
	}
	s.events[40] = (struct event){ FACT_FAILED, "2025-01-01T10:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_SERVER_BUSY, false, false, 0 };
	run(&s, 1);
	run(&s, 7);
	run(&s, 1000);
	s.name = "forty retries, then expired";
	s.events[40] = (struct event){ FACT_EXPIRED, "2025-01-01T10:00:00Z", "Q1", NULL, NULL, CATEGORY_OTHER, false, false, 0 };
	s.want[0].last = "2025-01-01T09:45:00Z";
	s.want[0].reason = CATEGORY_NETWORK;
	run(&s, 1);
	run(&s, 7);
	run(&s, 1000);
	test_row = "";
}

/* ---- what a person has decided ---- */

static void put_entry(struct store *store, const char *address, enum status status)
{
	struct transaction t = { 0 };
	struct arena arena = { 0 };
	struct err err = { "" };

	transaction_begin(&t, &arena);
	struct account *a = transaction_account(&t, sv_of(address));
	a->needs_window = true;
	WANT_INT(store_load(store, &t, &err), STORE_OK);
	a->entry = (struct entry){ .status = status, .origin = ORIGIN_MANUAL, .since_s = 1000, .by = SV("anna") };
	a->changed = true;
	WANT_INT(store_commit(store, &t, &err), STORE_OK);
	transaction_free(&t);
	arena_free(&arena);
}

static void protected_statuses_stay(void **state)
{
	static const struct event events[] = {
		FAILED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_RECIPIENT_UNKNOWN),
		DEFERRED("2025-01-01T00:00:10Z", "Q2", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), EXPIRED("2025-01-03T00:00:00Z", "Q2"),
		FAILED("2025-01-09T00:00:10Z", "Q3", "2025-01-09T00:00:10Z", "a@x.example", CATEGORY_MAILBOX_FULL),
		DELIVERED("2025-02-01T00:00:00Z", "Q4", "2025-02-01T00:00:00Z", "a@x.example"),
	};
	static const enum status kept[] = { STATUS_COMPLAINT, STATUS_MANUAL, STATUS_ALLOW };
	char message[64];

	(void)state;
	for (size_t i = 0; i < COUNT(kept); i++) {
		struct store *store = store_memory(1);
		struct ledger ledger;
		test_row = status_name(kept[i]);
		put_entry(store, "a@x.example", kept[i]);
		ledger_init(&ledger, store, &config);
		for (size_t j = 0; j < COUNT(events); j++) {
			struct fact f = fact_of(&events[j], message);
			ledger_add(&ledger, &f);
			commit(&ledger);
		}
		struct entry e = entry_of(store, "a@x.example");
		WANT_STRING(status_name(e.status), status_name(kept[i]));
		WANT_INT(e.since_s, 1000);
		WANT_INT(e.origin, ORIGIN_MANUAL);
		WANT_TEXT(e.by, "anna");
		ledger_free(&ledger);
		store_free(store);
	}
	test_row = "";
}

/* ---- counters by day ---- */

static void by_day(void *arg, struct sv day, struct sv name, int64_t value)
{
	char *text = arg;

	if (sv_eq(name, SV("delivered")) || sv_eq(name, SV("cat:network")) || sv_eq(name, SV("code:4")) || sv_find(name, '|') < name.n)
		(void)snprintf(text + strlen(text), 512 - strlen(text), "%.*s %.*s %d;", SV_ARG(day), SV_ARG(name), (int)value);
}

static void counted_on_the_day_of_the_event(void **state)
{
	static const struct event events[] = {
		DELIVERED("2024-02-29T23:59:59Z", "Q1", "2024-02-29", "a@x.example"),
		DELIVERED("2024-03-01T00:00:00Z", "Q2", "2024-02-29", "a@x.example"),
		DELIVERED("2024-03-01T01:00:00Z", "Q3", "2024-02-29", "a@x.example"),
		DEFERRED("2024-03-02T00:00:00Z", "Q4", "2024-03-02", "b@x.example", CATEGORY_NETWORK),
		EXPIRED("2024-03-04T00:00:00Z", "Q4"), /* final only now */
	};
	static const char *const want[] = { "20240229 delivered 1;", "20240301 delivered 2;", "20240304 cat:network 1;", "20240304 code:4 1;" };
	struct store *store = store_memory(1);
	struct ledger ledger;
	struct err err = { "" };
	char message[64], text[512] = "";

	(void)state;
	ledger_init(&ledger, store, &config);
	for (size_t i = 0; i < COUNT(events); i++) {
		struct fact f = fact_of(&events[i], message);
		ledger_add(&ledger, &f);
	}
	commit(&ledger);
	WANT_INT(store_counts(store, SV(""), by_day, text, &err), STORE_OK);
	for (size_t i = 0; i < COUNT(want); i++)
		WANT_PART(text, want[i]);
	/* the same by rule */
	text[0] = '\0';
	WANT_INT(store_counts(store, SV("rule"), by_day, text, &err), STORE_OK);
	WANT_PART(text, "20240304 a.rule|soft 1;");
	ledger_free(&ledger);
	store_free(store);
}

/* ---- the brake, and what it is told of ---- */

static struct fact of_provider(enum fact_kind kind, int64_t time_s, const char *address, enum category category, const char *rule)
{
	struct fact f = { .kind = kind, .time_s = time_s, .address = sv_of(address), .message = sv_of(address), .arrival_s = time_s,
		.host = SV("mx1"), .provider = SV("google"), .sender = SV("news@example.org") };

	if (kind != FACT_DELIVERED)
		f.failure = (struct failure){ .class_ = category_class(category), .text = SV("text"), .remote = SV("mx.google.com"),
			.occurrence = { .category = category, .rule = sv_of(rule) } };
	return f;
}

/* Every result counts in each dimension, once; an address beside another counts nothing and is held all the same. */
static void what_the_surge_is_told(void **state)
{
	const struct surge_options options = { .window_s = 3600, .minimum = 5, .share_permille = 100, .factor = 4 };
	const int64_t t = at("2025-01-01T12:00:00Z");
	struct surge *surge = surge_new(&options);
	struct store *store = store_memory(1);
	struct ledger ledger;
	struct surge_counts got;
	char address[64];

	(void)state;
	ledger_init(&ledger, store, &config);
	ledger.surge = surge;
	for (int i = 0; i < 8; i++) {
		(void)snprintf(address, sizeof address, "user%d@gmail.com", i);
		struct fact f = of_provider(FACT_FAILED, t + i, address, CATEGORY_RECIPIENT_UNKNOWN, "a.rule");
		ledger_add(&ledger, &f);
		(void)snprintf(address, sizeof address, "alias%d@here.example", i);
		f.address = sv_of(address);
		f.uncounted = true;
		ledger_add(&ledger, &f);
	}
	struct fact deferred = of_provider(FACT_DEFERRED, t + 8, "late@gmail.com", CATEGORY_NETWORK, "b.rule");
	struct fact delivered = of_provider(FACT_DELIVERED, t + 9, "fine@gmail.com", CATEGORY_OTHER, "");
	ledger_add(&ledger, &deferred);
	ledger_add(&ledger, &delivered);
	commit(&ledger);

	static const struct { const char *name; enum surge_dimension dimension; struct sv value; } table[] = { { "all", SURGE_ALL, { "", 0 } },
		{ "destination", SURGE_DESTINATION, { "gmail.com", 9 } }, { "provider", SURGE_PROVIDER, { "google", 6 } },
		{ "rule", SURGE_RULE, { "a.rule", 6 } } };
	EACH(row, table) {
		surge_window(surge, row->dimension, row->value, &got);
		WANT_INT(got.attempts, 10);
		WANT_INT(got.finals, 9);
		WANT_INT(got.of[SURGE_HARD], 8);
		WANT_INT(got.of[SURGE_FAILING], row->dimension != SURGE_RULE);
		WANT(surge_is_open(surge, SURGE_HARD, row->dimension, row->value));
	}
	surge_window(surge, SURGE_DESTINATION, SV("here.example"), &got);
	WANT_INT(got.attempts, 0);
	/* the fifth opened it */
	for (int i = 0; i < 8; i++) {
		(void)snprintf(address, sizeof address, "user%d@gmail.com", i);
		WANT_STRING(status_name(entry_of(store, address).status), i < 4 ? "hard" : "held");
		(void)snprintf(address, sizeof address, "alias%d@here.example", i);
		WANT_STRING(status_name(entry_of(store, address).status), i < 4 ? "hard" : "held");
	}
	want_counts(store, &(struct want_counts){ .delivered = 1, .deferred = 1, .hard = 8 });
	ledger_free(&ledger);
	store_free(store);
	surge_free(surge);
}

/* What is kept longer than a batch: by provider, by host, by sender. */
static void by_what(void *arg, struct sv day, struct sv name, int64_t value)
{
	char *text = arg;

	(void)day;
	(void)snprintf(text + strlen(text), 1024 - strlen(text), " %.*s=%d", SV_ARG(name), (int)value);
}

static void an_attempt_is_of_a_rule_each_time(void **state)
{
	struct store *store = store_memory(1);
	struct ledger ledger;
	struct err err = { "" };
	char text[1024] = "";

	(void)state;
	ledger_init(&ledger, store, &config);
	for (int i = 0; i < 3; i++) {
		struct fact f = of_provider(FACT_DEFERRED, 1000000 + i, "a@gmail.com", CATEGORY_NETWORK, "b.rule");
		ledger_add(&ledger, &f);
	}
	struct fact expired = { .kind = FACT_EXPIRED, .time_s = 1000100, .message = SV("a@gmail.com"), .host = SV("mx1") };
	ledger_add(&ledger, &expired);
	commit(&ledger);
	WANT_INT(store_counts(store, SV("rule"), by_what, text, &err), STORE_OK);
	WANT_PART(text, "b.rule|failing=3"); /* the end is no attempt */
	WANT_PART(text, "b.rule|soft=1");
	ledger_free(&ledger);
	store_free(store);
}

/* ---- a store that will not, or not yet ---- */

struct moody {
	struct store store;
	struct store *inner;
	int conflicts, unreachable, commits;
	unsigned partitions; /* bits: those that were committed */
	char first[64];      /* whose status changed first in the last commit */
	char campaigns[256]; /* what was counted for campaigns, and the campaigns of bounces */
};

static void note_campaigns(struct moody *m, const struct transaction *t)
{
	struct map_slot *slot;
	size_t n = strlen(m->campaigns);

	for (size_t i = 0; (slot = map_next(&t->tallies, &i));) {
		const struct tally *tally = slot->value;
		if (!sv_eq(tally->dimension, SV("campaign")) || tally->period.n > 8)
			continue;
		for (int c = 0; c < TALLY_COUNTERS; c++)
			if (tally->n[c])
				n += (size_t)snprintf(m->campaigns + n, sizeof m->campaigns - n, "%.*s %s %d;", SV_ARG(tally->value), tally_name((enum tally_counter)c), (int)tally->n[c]);
	}
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		const struct account *a = slot->value;
		for (const struct bounce *b = a->bounces; b; b = b->next)
			n += (size_t)snprintf(m->campaigns + n, sizeof m->campaigns - n, "%.*s: %.*s;", SV_ARG(a->key), SV_ARG(b->campaign));
	}
}

static enum store_result moody_load(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	return store_load_all(((struct moody *)store)->inner, t, n, err);
}

static void moody_commit_start(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	(void)store, (void)t, (void)n, (void)err; /* it makes up its mind at the end */
}

static enum store_result moody_commit_finish(struct store *store, struct transaction *const *t, size_t n, struct err *err)
{
	struct moody *m = (struct moody *)store;
	enum store_result result = m->unreachable-- > 0 ? STORE_UNREACHABLE :
		m->conflicts-- > 0 ? STORE_CONFLICT : STORE_OK;

	m->commits++;
	note_campaigns(m, t[0]);
	for (size_t i = 0; i < n; i++)
		m->partitions |= 1U << t[i]->partition;
	if (t[0]->first)
		(void)snprintf(m->first, sizeof m->first, "%.*s", SV_ARG(t[0]->first->address));
	if (result == STORE_OK)
		return store_commit_all(m->inner, t, n, err);
	if (result == STORE_UNREACHABLE)
		(void)err_set(err, "no answer");
	for (size_t i = 0; i < n; i++)
		t[i]->result = result;
	return result;
}

static unsigned moody_partitions(struct store *store, struct err *err)
{
	(void)err;
	return store->partitions;
}

static const struct store_ops moody_ops = { .load = moody_load, .commit_start = moody_commit_start, .commit_finish = moody_commit_finish, .partitions = moody_partitions };

struct watched {
	int facts, suppressed;
};

static void watch(void *arg, const struct fact *fact, const struct account *account)
{
	struct watched *w = arg;

	w->facts++;
	if (fact->kind == FACT_FAILED && account && account->transitions && account->transitions->to == STATUS_HARD)
		w->suppressed++;
}

static void nothing_is_lost_or_doubled(void **state)
{
	struct moody m = { .store = { &moody_ops, 1 }, .inner = store_memory(1), .conflicts = 3, .unreachable = 1 };
	struct event event = FAILED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_RECIPIENT_UNKNOWN);
	struct watched watched = { 0 };
	struct ledger ledger;
	struct err err = { "" };
	char message[64];

	(void)state;
	ledger_init(&ledger, &m.store, &config);
	ledger.watch = watch;
	ledger.watch_arg = &watched;
	struct fact f = fact_of(&event, message);
	ledger_add(&ledger, &f);
	WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_UNREACHABLE);
	WANT_INT(ledger.n, 1); /* still there */
	WANT_INT(watched.facts, 0);
	WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_OK);
	WANT_INT(m.commits, 5);
	WANT_INT(ledger.n, 0);
	WANT_INT(watched.facts, 1);
	WANT_INT(watched.suppressed, 1);
	struct entry e = entry_of(m.inner, "a@x.example");
	WANT_INT(e.status, STATUS_HARD);
	WANT_INT(e.count, 1);
	want_counts(m.inner, &(struct want_counts){ .hard = 1 });

	m.conflicts = 1000000; /* a livelock ends */
	ledger_add(&ledger, &f);
	WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_CONFLICT);
	WANT(strlen(err.text) > 10);
	WANT_INT(ledger.n, 1);
	WANT_INT(watched.facts, 1);
	ledger_forget(&ledger);
	WANT_INT(ledger.n, 0);
	ledger_free(&ledger);
	store_free(m.inner);
}

/* While one batch is on its way the next is gathered; the store holds both, in order. */
static void two_batches(void **state)
{
	static const struct event events[] = { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
		EXPIRED("2025-01-06T00:00:00Z", "Q1") };
	struct store *store = store_memory(1);
	struct position at = { .at = "" }, to[2] = { { .at = "one" }, { .at = "two" } };
	struct ledger ledgers[2];
	struct err err = { "" };
	char message[64];

	(void)state;
	for (int i = 0; i < 2; i++)
		ledger_init(&ledgers[i], store, &config);
	struct fact deferred = fact_of(&events[0], message);
	ledger_add(&ledgers[0], &deferred);
	ledger_start(&ledgers[0], &at, &to[0], true);
	struct fact expired = fact_of(&events[1], message);
	ledger_add(&ledgers[1], &expired);
	WANT_INT(ledger_finish(&ledgers[0], &err), STORE_OK);
	WANT_INT(ledgers[0].n, 0);
	WANT_STRING(at.at, "one");
	ledger_start(&ledgers[1], &at, &to[1], true);
	WANT_INT(ledger_finish(&ledgers[1], &err), STORE_OK);
	WANT_STRING(at.at, "two");
	WANT_INT(entry_of(store, "a@x.example").status, STATUS_SOFT);
	/* nothing to write is no work for the store */
	ledger_start(&ledgers[0], &at, &to[1], true);
	WANT_INT(ledger_finish(&ledgers[0], &err), STORE_OK);
	for (int i = 0; i < 2; i++)
		ledger_free(&ledgers[i]);
	store_free(store);
}

/* What is written again after a crash is in the order that it had, wherever the batch begins. */
static void an_expiry_has_an_order(void **state)
{
	static const struct event events[] = { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "z@x.example", CATEGORY_NETWORK),
		DEFERRED("2025-01-01T00:00:11Z", "Q1", DAY1, "m@x.example", CATEGORY_NETWORK),
		DEFERRED("2025-01-01T00:00:11Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK),
		EXPIRED("2025-01-06T00:00:00Z", "Q1") };
	struct err err = { "" };
	char message[64];

	(void)state;
	for (int split = 0; split < 2; split++) {
		struct moody m = { .store = { &moody_ops, 1 }, .inner = store_memory(1) };
		struct ledger ledger;
		ledger_init(&ledger, &m.store, &config);
		for (size_t i = 0; i < COUNT(events); i++) {
			struct fact f = fact_of(&events[i], message);
			ledger_add(&ledger, &f);
			if (split)
				WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_OK);
		}
		WANT_INT(ledger_commit(&ledger, NULL, NULL, false, &err), STORE_OK);
		WANT_STRING(m.first, "z@x.example");
		ledger_free(&ledger);
		store_free(m.inner);
	}
}

/* The log tells the campaign of a message once; days later, and after a start, it is on record with those who are pending. */
static void a_campaign_is_kept_with_the_pending(void **state)
{
	static const struct {
		const char *name;
		struct event events[2];
		bool known_again; /* the second one's line came with its campaign, too */
		const char *want;
	} cases[] = {
		{ "deferred, then delivered", { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_NETWORK), DELIVERED("2025-01-03T00:00:00Z", "Q1", DAY1, "a@x.example") }, false,
		  "spring attempts 1;spring deferred 1;spring failing 1;|spring attempts 1;spring delivered 1;|" },
		{ "deferred, then failed", { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), FAILED("2025-01-03T00:00:00Z", "Q1", DAY1, "a@x.example", CATEGORY_RECIPIENT_UNKNOWN) }, false,
		  "spring attempts 1;spring deferred 1;|spring attempts 1;spring hard 1;a@x.example: spring;|" },
		{ "deferred, then expired", { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), EXPIRED("2025-01-03T00:00:00Z", "Q1") }, false,
		  "spring attempts 1;spring deferred 1;|spring soft 1;a@x.example: spring;|" },
		{ "deferred twice", { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), DEFERRED("2025-01-01T01:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL) }, true,
		  "spring attempts 1;spring deferred 1;|spring attempts 1;spring deferred 1;|" },
		{ "another message of the same queue id", { DEFERRED("2025-01-01T00:00:10Z", "Q1", DAY1, "a@x.example", CATEGORY_MAILBOX_FULL), DELIVERED("2025-01-03T00:00:00Z", "Q1", "2025-01-02T23:59:59Z", "a@x.example") }, false,
		  "spring attempts 1;spring deferred 1;||" },
	};
	char message[64];

	(void)state;
	EACH(row, cases) {
		struct moody m = { .store = { &moody_ops, 1, false }, .inner = store_memory(1) };
		struct ledger ledger;
		ledger_init(&ledger, &m.store, &config);
		for (size_t i = 0; i < COUNT(row->events); i++) {
			struct fact f = fact_of(&row->events[i], message);
			if (i == 0 || row->known_again)
				f.campaign = SV("spring");
			ledger_add(&ledger, &f);
			commit(&ledger);
			(void)strcat(m.campaigns, "|");
		}
		WANT_STRING(m.campaigns, row->want);
		ledger_free(&ledger);
		store_free(m.inner);
	}
}

/* A reader that begins again at the oldest place meets partitions that are ahead of it. */
static void nobody_is_taken_back(void **state)
{
	struct moody m = { .store = { &moody_ops, 4 }, .inner = store_memory(4) };
	struct position at[4] = { { .at = "a", .generation = 1, .offset = 100 }, { .at = "b", .generation = 1, .offset = 300 },
		{ .at = "c", .generation = 2, .offset = 10 }, { .at = "" } };
	const struct position to = { .at = "d", .generation = 1, .offset = 200 };
	struct ledger ledger;
	struct err err = { "" };

	(void)state;
	ledger_init(&ledger, &m.store, &config);
	WANT_INT(ledger_commit(&ledger, at, &to, true, &err), STORE_OK);
	WANT_INT(m.partitions, 1 << 0 | 1 << 3);
	WANT_INT(at[0].offset, 200);
	WANT_INT(at[1].offset, 300);
	WANT_INT(at[2].offset, 10);
	WANT_INT(at[3].offset, 200);
	WANT_INT(ledger_commit(&ledger, at, &to, true, &err), STORE_OK);
	WANT_INT(m.commits, 1); /* nothing left to do */
	ledger_free(&ledger);
	store_free(m.inner);
}

/* ---- many facts at once ---- */

static bool count_entry(void *arg, struct sv address, const struct entry *entry)
{
	(void)address;
	return ++*(size_t *)arg < 1500 && entry->status == STATUS_HARD;
}

static void long_texts_and_many_facts(void **state)
{
	struct store *store = store_memory(1);
	struct ledger ledger;
	struct err err = { "" };
	char text[2000], address[64];
	size_t n = 0;

	(void)state;
	memset(text, 'x', sizeof text);
	ledger_init(&ledger, store, &config);
	for (int i = 0; i < 2000; i++) {
		struct fact f = { .kind = FACT_FAILED, .time_s = 1000000 - i, .message = SV("h/p/Q"), .arrival_s = i,
			.failure = { .class_ = CLASS_HARD, .code = 550, .text = sv_make(text, sizeof text) } };
		(void)snprintf(address, sizeof address, "user%d@x.example", i);
		f.address = sv_of(address);
		ledger_add(&ledger, &f);
	}
	commit(&ledger);
	WANT_INT(entry_of(store, "user1999@x.example").text.n, STATE_TEXT_MAX);
	WANT_INT(entry_of(store, "user0@x.example").since_s, 1000000);
	WANT_INT(store_suppressed(store, count_entry, &n, &err), STORE_OK);
	WANT_INT(n, 1500); /* the callback ended it */
	ledger_free(&ledger);
	store_free(store);
}

int main(void)
{
	struct err err = { "" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_batches),
		cmocka_unit_test(forty_retries_are_one),
		cmocka_unit_test(protected_statuses_stay),
		cmocka_unit_test(counted_on_the_day_of_the_event),
		cmocka_unit_test(what_the_surge_is_told),
		cmocka_unit_test(an_attempt_is_of_a_rule_each_time),
		cmocka_unit_test(nothing_is_lost_or_doubled),
		cmocka_unit_test(nobody_is_taken_back),
		cmocka_unit_test(two_batches),
		cmocka_unit_test(an_expiry_has_an_order),
		cmocka_unit_test(a_campaign_is_kept_with_the_pending),
		cmocka_unit_test(long_texts_and_many_facts),
	};

	if (!config_parse("defaults", "", &config, &err))
		return 1;
	return RUN(tests);
}
