/* surge: a jump is seen soon, told once, and closed once; what is usual is none. */
#include "chance.h"

#include "surge.h"

#define BUCKET_S 300
static const struct surge_options options = { .window_s = 12 * BUCKET_S, .minimum = 30, .share_permille = 100, .factor = 5 };

static const struct surge_counts delivered = { .attempts = 1, .finals = 1 };
static const struct surge_counts hard = { .attempts = 1, .finals = 1, .of = { [SURGE_HARD] = 1 } };
static const struct surge_counts hard_only = { .of = { [SURGE_HARD] = 1 } };

static struct surge_counts of_all(int64_t n, enum surge_kind kind, int64_t count)
{
	struct surge_counts counts = { .attempts = n, .finals = n };

	counts.of[kind] = count;
	return counts;
}

/* What was told so far, of everything. */
struct told {
	int opened, closed;
	struct surge_change open, close; /* the last of each */
};

static void take(struct surge *s, struct told *told)
{
	struct surge_change change;

	while (surge_next_change(s, &change)) {
		*(change.open ? &told->open : &told->close) = change;
		*(change.open ? &told->opened : &told->closed) += 1;
	}
}

static void add(struct surge *s, int64_t time_s, struct sv value, const struct surge_counts *counts, struct told *told)
{
	surge_add(s, time_s, SURGE_ALL, SV(""), counts);
	surge_add(s, time_s, SURGE_PROVIDER, value, counts);
	take(s, told);
}

static bool is_open(const struct surge *s, struct sv value)
{
	return surge_is_open(s, SURGE_HARD, SURGE_PROVIDER, value);
}

/* ---- the real event ---- */

struct event {
	const char *name;
	int64_t per_hour;      /* results of the provider */
	int64_t hard_percent;  /* of them, while it lasts */
	int64_t offset_s;      /* of its beginning in a bucket */
	int64_t most;          /* hard ones that pass before it opens */
};

/* A large provider has 1 % hard for days; says 5.1.1 of most valid users for three hours; and is
 * well again. Another provider is well all the time. */
static void play_event(const struct event *e)
{
	struct surge *s = surge_new(&options);
	const int64_t begin = at("2026-11-21T09:00:00Z") + e->offset_s, end = begin + 3 * 3600;
	const struct surge_counts google = of_all(100000, SURGE_HARD, 1000), all = of_all(300000, SURGE_HARD, 4000);
	struct told told = { 0 };
	int64_t passed = 0;
	bool opened = false;

	surge_add_usual(s, SURGE_PROVIDER, SV("google"), &google);
	surge_add_usual(s, SURGE_ALL, SV(""), &all);
	for (int64_t i = 0, us = (begin - 6 * 3600) * CLOCK_SECOND_US; us < (end + 12 * 3600) * CLOCK_SECOND_US; i++, us += 3600 * CLOCK_SECOND_US / e->per_hour) {
		int64_t time_s = us / CLOCK_SECOND_US;
		bool bad = time_s >= begin && time_s < end;
		bool fails = bad ? i * 37 % 100 < e->hard_percent : i % 100 == 0;
		/* five times as many for others: only the provider jumps */
		for (int j = 0; j < 5; j++) {
			surge_add(s, time_s, SURGE_ALL, SV(""), &delivered);
			surge_add(s, time_s, SURGE_PROVIDER, SV("hotmail"), &delivered);
		}
		surge_add(s, time_s, SURGE_PROVIDER, SV("google"), fails ? &hard : &delivered);
		take(s, &told);
		opened = opened || told.opened;
		passed += bad && fails && !opened;
		WANT(!opened || told.closed || is_open(s, SV("google")));
		WANT(!is_open(s, SV("hotmail")));
		WANT(!opened || time_s >= begin);
	}
WANT_INT(told.opened, 1);
	WANT_INT(told.closed, 1);
	if (passed > e->most)
		print_error("%s: %jd hard results passed\n", e->name, (intmax_t)passed);
	WANT(passed <= e->most);
	/* not too late, else a part of it would not be taken back; not more than a bucket too early */
	WANT(told.open.since_s <= begin && told.open.since_s >= begin / BUCKET_S * BUCKET_S - BUCKET_S);
	WANT_TEXT(told.open.value, "google");
	WANT_INT(told.open.kind, SURGE_HARD);
	WANT_INT(told.open.dimension, SURGE_PROVIDER);
	WANT_INT(told.open.usual_permille, 10);
	WANT(told.open.count <= told.open.base);
	WANT_INT(told.close.since_s, told.open.since_s);
	/* when the window is good again, at the latest */
	WANT(told.close.time_s > end && told.close.time_s <= end + options.window_s);
	surge_free(s);
}

static void a_provider_was_wrong_for_three_hours(void **state)
{
	static const struct event table[] = {
		{ "1000 an hour", 1000, 90, 0, 40 },
		{ "in the middle of a bucket", 1000, 90, 150, 40 },
		{ "at the end of a bucket", 1000, 90, 290, 40 },
		{ "half of the users", 1000, 50, 77, 40 },
		{ "small", 200, 90, 10, 40 },
		/* ten per cent of what the newest ten minutes hold */
		{ "10000 an hour, 34 seconds", 10000, 90, 0, 90 },
		{ "10000 an hour, 70 seconds", 10000, 90, 290, 190 },
	};

	(void)state;
	EACH(event, table)
		play_event(event);
}

/* 100 % hard, all at once, of a value that nobody knows: the minimum passes. */
static void the_minimum_passes(void **state)
{
	struct surge *s = surge_new(&options);
	struct told told = { 0 };
	int n = 0;

	(void)state;
	for (; !told.opened && n < 1000; n++)
		add(s, 1000000 + n, SV("p"), &hard, &told);
	WANT_INT(n, 30);
	/* all, and the provider */
	WANT_INT(told.opened, 2);
	WANT_INT(told.open.count, 30);
	WANT_INT(told.open.base, 30);
	WANT_INT(told.open.time_s, 1000029);
	WANT_INT(told.open.since_s, 1000000 / BUCKET_S * BUCKET_S);
	surge_free(s);
}

/* ---- what is no jump ---- */

static void what_does_not_open(void **state)
{
	static const struct {
		const char *name;
		int64_t usual_base, usual_hard; /* of the value */
		int64_t all_base, all_hard;
		int64_t per_bucket;
		unsigned hard_percent;
		bool opens;
	} table[] = {
		{ "a dead small domain", 0, 0, 100000, 1000, 2, 100, false },
		{ "a dead domain that was dead before", 100, 100, 100000, 1000, 50, 100, false },
		{ "an old list of 30 %", 1000, 300, 100000, 1000, 100, 30, false },
		{ "an old list of 30 %, everywhere", 0, 0, 100, 30, 100, 30, false },
		{ "too few days before: as all", 99, 99, 100000, 1000, 50, 100, true },
		{ "nothing is usual", 0, 0, 99, 99, 50, 15, true },
		{ "below the share", 0, 0, 0, 0, 600, 8, false },
		{ "below the factor", 1000, 40, 0, 0, 600, 15, false },
		{ "over the factor", 1000, 40, 0, 0, 600, 30, true },
		{ "nothing in a thousand is usual", 1000, 0, 100000, 30000, 100, 30, true },
	};

	(void)state;
	EACH(row, table) {
		struct surge *s = surge_new(&options);
		const struct surge_counts usual = of_all(row->usual_base, SURGE_HARD, row->usual_hard);
		const struct surge_counts all = of_all(row->all_base, SURGE_HARD, row->all_hard);
		bool opened = false;
		surge_add_usual(s, SURGE_DESTINATION, SV("example.com"), &usual);
		surge_add_usual(s, SURGE_ALL, SV(""), &all);
		for (int64_t i = 0; i < 40 * row->per_bucket; i++) {
			bool fails = (unsigned)(i * 37 % 100) < row->hard_percent;
			surge_add(s, 3000000 + i * BUCKET_S / row->per_bucket, SURGE_DESTINATION, SV("example.com"), fails ? &hard : &delivered);
			opened = opened || surge_is_open(s, SURGE_HARD, SURGE_DESTINATION, SV("example.com"));
		}
		WANT_INT(opened, row->opens);
		surge_free(s);
	}
}

/* A share that swings around the threshold by less than a factor of two opens once. */
static void no_flapping(void **state)
{
	struct surge *s = surge_new(&options);
	struct told told = { 0 };
	int64_t time_s = 3000000;

	(void)state;
	set_seed();
	for (int bucket = 0; bucket < 2000; bucket++) {
		unsigned percent = bucket % 2 ? 14 : 7;
		for (unsigned i = 0; i < 200; i++, time_s += 1)
			add(s, time_s, SV("p"), i % 100 < percent ? &hard : &delivered, &told);
		time_s += 100;
	}
	WANT_INT(told.opened, 2); /* and all */
	WANT_INT(told.closed, 0);
	/* Slowly up and down: each time once */
	for (int swing = 0; swing < 5; swing++) {
		for (int bucket = 0; bucket < 80; bucket++, time_s += BUCKET_S) {
			unsigned percent = (unsigned)(bucket < 40 ? 40 - bucket : bucket - 40) / 2; /* 20, 0, 20 */
			struct surge_counts counts = of_all(500, SURGE_HARD, 5 * percent + below(9));
			add(s, time_s, SV("p"), &counts, &told);
		}
		WANT_INT(told.closed, 2 * (swing + 1));
		WANT_INT(told.opened, 2 * (swing + 2));
	}
	surge_free(s);
	test_row = "";
}

/* ---- scales, kinds, rules ---- */

/* Too few in ten minutes for the short scale; the hour has them. */
static void a_slow_jump(void **state)
{
	struct surge *s = surge_new(&options);
	struct told told = { 0 };
	int64_t begin = 4000000 / BUCKET_S * BUCKET_S;

	(void)state;
	for (int i = 0; i < 100; i++)
		add(s, begin - 100 * 60 + i * 60, SV("p"), &delivered, &told);
	for (int i = 0; i < 40; i++)
		add(s, begin + i * 60, SV("p"), &hard, &told);
	WANT_INT(told.opened, 2);
	WANT_INT(told.open.since_s, begin);
	WANT_INT(told.open.count, 30);
	WANT_INT(told.open.base, 30);
	/* an hour without anything closes it, whatever comes next */
	surge_add(s, begin + 2 * 86400, SURGE_DESTINATION, SV("d"), &delivered);
	take(s, &told);
	WANT_INT(told.closed, 2);
	WANT_INT(told.close.time_s, begin + 2 * 86400);
	WANT_INT(told.close.count, 0);
	WANT_INT(told.close.since_s, begin);
	/* slower yet: a bucket without results is no break */
	const struct surge_counts ten = of_all(10, SURGE_HARD, 10), good = of_all(10, SURGE_HARD, 0);
	begin += 4 * 86400;
	add(s, begin - BUCKET_S, SV("q"), &good, &told);
	for (int i = 0; i < 3; i++)
		add(s, begin + 2 * i * BUCKET_S, SV("q"), &ten, &told);
	WANT_INT(told.opened, 4);
	WANT_INT(told.open.since_s, begin);
	surge_free(s);
}

static void a_rule_is_compared_with_all(void **state)
{
	struct surge *s = surge_new(&options);
	const struct surge_counts all = of_all(10000, SURGE_HARD, 500);
	const struct surge_counts rule = { .of = { [SURGE_HARD] = 10 } }, old = { .of = { [SURGE_HARD] = 490 } };
	struct surge_change change;
	struct surge_counts window;
	int64_t time_s = 5000000;

	(void)state;
	surge_add_usual(s, SURGE_ALL, SV(""), &all);
	surge_add_usual(s, SURGE_RULE, SV("r.new"), &rule); /* 0.1 % */
	surge_add_usual(s, SURGE_RULE, SV("r.old"), &old);  /* 4.9 %: 24.5 % would be a jump */
	for (int i = 0; i < 1000; i++, time_s++) {
		struct sv name = i % 10 < 5 ? SV("r.old") : SV("r.new");
		bool fails = i % 10 < 7;
		if (i % 10 == 6)
			name = SV("r.other");
		surge_add(s, time_s, SURGE_ALL, SV(""), &delivered);
		if (fails && i % 10 != 0 && i % 10 < 3)
			surge_add(s, time_s, SURGE_RULE, name, &hard_only); /* r.old: 20 % */
		if (i % 10 == 5)
			surge_add(s, time_s, SURGE_RULE, name, &hard_only); /* r.new: 10 % */
		if (i % 100 == 6)
			surge_add(s, time_s, SURGE_RULE, name, &hard_only); /* r.other: 1 % */
	}
	WANT(!surge_is_open(s, SURGE_HARD, SURGE_RULE, SV("r.old")));
	WANT(surge_is_open(s, SURGE_HARD, SURGE_RULE, SV("r.new")));
	WANT(!surge_is_open(s, SURGE_HARD, SURGE_RULE, SV("r.other")));
	WANT(surge_next_change(s, &change));
	WANT_TEXT(change.value, "r.new");
	WANT_INT(change.dimension, SURGE_RULE);
	WANT_INT(change.usual_permille, 1);
	WANT(!surge_next_change(s, &change));
	surge_window(s, SURGE_RULE, SV("r.new"), &window);
	WANT_INT(window.of[SURGE_HARD], 100);
	WANT_INT(window.finals, 1000);
	surge_free(s);
}

static void what_a_result_counts(void **state)
{
	static const struct {
		const char *name;
		bool final, failed;
		enum category category;
		enum class class_;
		int attempts, finals, of[SURGE_KINDS];
	} table[] = {
		{ "delivered", true, false, CATEGORY_OTHER, CLASS_NONE, 1, 1, { 0 } },
		{ "unknown", true, true, CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD, 1, 1, { 1, 0, 0, 0 } },
		{ "hard, but it is tried again", false, true, CATEGORY_RECIPIENT_UNKNOWN, CLASS_HARD, 1, 0, { 0 } },
		{ "a rule made it soft", true, true, CATEGORY_RECIPIENT_UNKNOWN, CLASS_SOFT, 1, 1, { 0 } },
		{ "full", true, true, CATEGORY_MAILBOX_FULL, CLASS_SOFT, 1, 1, { 0 } },
		{ "throttled", false, true, CATEGORY_THROTTLED, CLASS_SOFT, 1, 0, { 0, 1, 0, 0 } },
		{ "reputation", true, true, CATEGORY_BLOCKED_REPUTATION, CLASS_SOFT, 1, 1, { 0, 0, 1, 0 } },
		{ "auth", true, true, CATEGORY_BLOCKED_AUTH, CLASS_SOFT, 1, 1, { 0, 0, 1, 0 } },
		{ "content", false, true, CATEGORY_SPAM_CONTENT, CLASS_SOFT, 1, 0, { 0, 0, 1, 0 } },
		{ "network", false, true, CATEGORY_NETWORK, CLASS_SOFT, 1, 0, { 0, 0, 0, 1 } },
		{ "other", false, true, CATEGORY_OTHER, CLASS_SOFT, 1, 0, { 0, 0, 0, 1 } },
		{ "greylisted", false, true, CATEGORY_GREYLISTED, CLASS_SOFT, 1, 0, { 0 } },
		{ "policy", true, true, CATEGORY_POLICY, CLASS_SOFT, 1, 1, { 0 } },
		{ "our own refusal", true, true, CATEGORY_SUPPRESSED, CLASS_NONE, 0, 0, { 0 } },
		{ "complaint", true, true, CATEGORY_COMPLAINT, CLASS_COMPLAINT, 0, 0, { 0 } },
	};

	(void)state;
	EACH(row, table) {
		struct surge_counts counts = { 0 };
		surge_count(&counts, row->final, row->failed, row->category, row->class_);
		WANT_INT(counts.attempts, row->attempts);
		WANT_INT(counts.finals, row->finals);
		for (int kind = 0; kind < SURGE_KINDS; kind++)
			WANT_INT(counts.of[kind], row->of[kind]);
	}
}

static void each_kind_for_itself(void **state)
{
	(void)state;
	for (int kind = 0; kind < SURGE_KINDS; kind++) {
		struct surge *s = surge_new(&options);
		/* finals do not hide throttled attempts, nor attempts that are tried again hard ones */
		struct surge_counts counts = { .attempts = kind == SURGE_HARD ? 1000 : 400, .finals = kind == SURGE_HARD ? 400 : 0 };
		counts.of[kind] = 40; /* just the share that is needed */
		surge_add(s, 1000000, SURGE_DESTINATION, SV("d"), &counts);
		for (int other = 0; other < SURGE_KINDS; other++)
			WANT_INT(surge_is_open(s, (enum surge_kind)other, SURGE_DESTINATION, SV("d")), other == kind);
		WANT(!surge_is_open(s, (enum surge_kind)kind, SURGE_PROVIDER, SV("d")));
		surge_free(s);
	}
}

/* ---- time ---- */

static void times_out_of_order(void **state)
{
	struct surge *s = surge_new(&options);
	struct surge_counts window;
	struct told told = { 0 };
	const int64_t now = 6000000 / BUCKET_S * BUCKET_S;

	(void)state;
	add(s, now, SV("p"), &delivered, &told);
	add(s, now - 11 * BUCKET_S, SV("p"), &delivered, &told);     /* the oldest bucket */
	add(s, now - 11 * BUCKET_S - 1, SV("p"), &delivered, &told); /* too old */
	add(s, -1, SV("p"), &delivered, &told);
	add(s, INT64_MIN, SV("p"), &delivered, &told);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT_INT(window.finals, 2);
	/* a jump that is heard of late */
	for (int i = 0; i < 50; i++)
		add(s, now - 7 * BUCKET_S - i, SV("p"), &hard, &told);
	WANT_INT(told.opened, 2);
	WANT_INT(told.open.since_s, now - 8 * BUCKET_S);
	WANT_INT(told.open.time_s, now);
	/* forwards by a bucket, by a window, by a year, to the end of time */
	add(s, now + BUCKET_S, SV("p"), &delivered, &told);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT_INT(window.finals, 52);
	WANT_INT(told.closed, 0);
	add(s, now + 365 * 86400, SV("p"), &delivered, &told);
	WANT_INT(told.closed, 2);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT_INT(window.finals, 1);
	add(s, INT64_MAX, SV("p"), &hard, &told);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT_INT(window.finals, 1);
	WANT_INT(window.of[SURGE_HARD], 1);
	/* the same place of the ring, ages before */
	add(s, 0, SV("p"), &hard, &told);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT_INT(window.finals, 1);
	surge_free(s);
}

static void counts_out_of_all_reason(void **state)
{
	static const int64_t odd[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	struct surge *s = surge_new(&(const struct surge_options){ INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX });
	struct told told = { 0 };

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		struct surge_counts counts = { .attempts = odd[below(5)], .finals = odd[below(5)] };
		for (int kind = 0; kind < SURGE_KINDS; kind++)
			counts.of[kind] = odd[below(5)];
		struct surge_options some = { odd[below(5)], odd[below(5)], odd[below(5)], odd[below(5)] };
		enum surge_dimension dimension = (enum surge_dimension)below(SURGE_DIMENSIONS);
		surge_add_usual(s, dimension, SV("v"), &counts);
		add(s, odd[below(5)], SV("v"), &counts, &told);
		surge_add(s, i, dimension, SV("v"), &counts);
		if (i % 10 == 0)
			surge_set_options(s, &some);
		if (i % 100 == 0)
			surge_reset(s);
	}
	surge_free(s);
	test_row = "";
}

static void other_options(void **state)
{
	struct surge *s = surge_new(&options);
	struct surge_options shorter = options, longer = options;
	struct surge_counts window;
	struct told told = { 0 };
	const int64_t now = 6000000 / BUCKET_S * BUCKET_S;

	(void)state;
	for (int i = 0; i < 60; i++)
		add(s, now - i * 60, SV("p"), &hard, &told);
	WANT_INT(told.opened, 2);
	add(s, now - 11 * BUCKET_S, SV("q"), &hard, &told);
	add(s, now + BUCKET_S, SV("r"), &hard, &told);
	longer.window_s *= 2;
	surge_set_options(s, &longer);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT_INT(window.finals, 51); /* the others were too old for the window before */
	WANT(is_open(s, SV("p")));
	surge_window(s, SURGE_PROVIDER, SV("q"), &window);
	WANT_INT(window.finals, 0); /* was out of the window */
	shorter.window_s /= 2;
	surge_set_options(s, &shorter);
	surge_window(s, SURGE_PROVIDER, SV("p"), &window);
	WANT(window.finals >= 21 && window.finals <= 31);
	WANT(is_open(s, SV("p")));
	take(s, &told);
	WANT_INT(told.closed, 0);
	surge_free(s);
}

/* ---- others, and forgetting ---- */

static void what_others_noticed(void **state)
{
	struct surge *s = surge_new(&options);
	struct told told = { 0 };
	int64_t time_s = 7000000 / BUCKET_S * BUCKET_S;

	(void)state;
	surge_open_by(s, SURGE_HARD, SURGE_PROVIDER, SV("p"), 1234);
	WANT(is_open(s, SV("p")));
	/* nothing of it is seen here: that says nothing */
	for (int i = 0; i < 5000; i++)
		add(s, time_s + i, SV("p"), &delivered, &told);
	WANT(is_open(s, SV("p")));
	surge_close_by(s, SURGE_HARD, SURGE_PROVIDER, SV("p"));
	WANT(!is_open(s, SV("p")));
	take(s, &told);
	WANT_INT(told.opened + told.closed, 0);
	/* seen here too: then it is closed from here */
	time_s += 86400;
	surge_open_by(s, SURGE_HARD, SURGE_PROVIDER, SV("p"), 1234);
	for (int i = 0; i < 100; i++) {
		surge_add(s, time_s + i, SURGE_PROVIDER, SV("p"), &hard);
		take(s, &told);
	}
	WANT_INT(told.opened, 0);
	surge_add(s, time_s + 86400, SURGE_PROVIDER, SV("p"), &delivered);
	take(s, &told);
	WANT_INT(told.closed, 1);
	WANT_INT(told.close.since_s, 1234);
	/* closed by others while it is seen here: open again with the next one */
	time_s += 2 * 86400;
	for (int i = 0; i < 100; i++)
		surge_add(s, time_s + i, SURGE_PROVIDER, SV("p"), &hard);
	take(s, &told);
WANT_INT(told.opened, 1);
	surge_close_by(s, SURGE_HARD, SURGE_PROVIDER, SV("p"));
	surge_close_by(s, SURGE_HARD, SURGE_PROVIDER, SV("nobody"));
	WANT(!is_open(s, SV("p")));
	surge_add(s, time_s + 100, SURGE_PROVIDER, SV("p"), &hard);
	take(s, &told);
	WANT_INT(told.opened, 2);
	WANT_INT(told.closed, 1);
	surge_free(s);
}

/* After a restart: as open as it was, though what is usual has become the jump itself. */
static void open_again(void **state)
{
	const struct surge_counts usual = of_all(1000, SURGE_HARD, 400), many = of_all(30, SURGE_HARD, 30), some = of_all(100, SURGE_HARD, 4);
	struct surge_change change;
	struct told told = { 0 };

	(void)state;
	struct surge *s = surge_new(&options);
	surge_add_usual(s, SURGE_PROVIDER, SV("p"), &usual);
	add(s, 1000000, SV("p"), &many, &told);
	WANT(!is_open(s, SV("p")));
	surge_open_again(s, SURGE_HARD, SURGE_PROVIDER, SV("p"), 900000, 8);
	WANT(is_open(s, SV("p")));
	WANT(!surge_next_change(s, &change) || change.dimension == SURGE_ALL);
	/* over by now */
	surge_add(s, 1000000, SURGE_PROVIDER, SV("quiet"), &some);
	surge_open_again(s, SURGE_HARD, SURGE_PROVIDER, SV("quiet"), 900000, 8);
	WANT(!is_open(s, SV("quiet")));
	/* it closes by the counts, and tells of its beginning */
	surge_add(s, 1000000 + 2 * options.window_s, SURGE_PROVIDER, SV("p"), &delivered);
	bool closed = false;
	while (surge_next_change(s, &change)) {
		if (change.dimension != SURGE_PROVIDER)
			continue;
		closed = true;
		WANT(!change.open);
		WANT_INT(change.since_s, 900000);
	}
	WANT(closed && !is_open(s, SV("p")));
	/* of a time that nothing is known of: for a window */
	surge_reset(s);
	surge_add(s, 6000000, SURGE_ALL, SV(""), &(struct surge_counts){ 0 });
	surge_open_again(s, SURGE_HARD, SURGE_PROVIDER, SV("p"), 900000, 8);
	int64_t bucket_s = options.window_s / SURGE_BUCKETS, begin_s = 6000000 / bucket_s * bucket_s;
	surge_add(s, begin_s + options.window_s - 1, SURGE_PROVIDER, SV("p"), &delivered);
	WANT(is_open(s, SV("p")));
	surge_add(s, begin_s + options.window_s, SURGE_PROVIDER, SV("p"), &delivered);
	WANT(!is_open(s, SV("p")));
	surge_free(s);
}

static void changes_in_order(void **state)
{
	struct surge *s = surge_new(&options);
	const struct surge_counts many = of_all(50, SURGE_HARD, 50);
	struct surge_change change;

	(void)state;
	surge_add(s, 8000000, SURGE_PROVIDER, SV("first"), &many);
	surge_add(s, 8000000, SURGE_DESTINATION, SV("second"), &many);
	surge_add(s, 8000000, SURGE_PROVIDER, SV("third"), &many);
	static const char *const names[] = { "first", "second", "third" };
	for (size_t i = 0; i < COUNT(names); i++) {
		WANT(surge_next_change(s, &change));
		WANT(change.open);
		WANT_TEXT(change.value, names[i]);
	}
	WANT(!surge_next_change(s, &change));
	/* opened and closed before anybody asked */
	surge_add(s, 8000000, SURGE_PROVIDER, SV("fourth"), &many);
	surge_add(s, 8000000 + 86400, SURGE_PROVIDER, SV("fifth"), &delivered);
	int n = 0;
	bool open = false;
	for (; surge_next_change(s, &change); n++) {
		if (!sv_eq(change.value, SV("fourth"))) {
			WANT(!change.open);
			continue;
		}
		WANT_INT(change.open, !open);
		WANT_INT(change.time_s, change.open ? 8000000 : 8000000 + 86400);
		WANT_INT(change.count, change.open ? 50 : 0);
		open = !open;
	}
	WANT(!open);
	WANT_INT(n, 5);
	/* closed and opened again: nothing to tell */
	surge_add(s, 8200000, SURGE_PROVIDER, SV("first"), &many);
	WANT(surge_next_change(s, &change) && change.open);
	surge_add(s, 8300000, SURGE_PROVIDER, SV("first"), &delivered);
	surge_add(s, 8300000, SURGE_PROVIDER, SV("first"), &many);
	WANT(!surge_next_change(s, &change));
	surge_free(s);
}

static void forgetting(void **state)
{
	struct surge *s = surge_new(&options);
	const struct surge_counts usual = of_all(1000, SURGE_HARD, 900), many = of_all(50, SURGE_HARD, 50);
	struct surge_change change;
	struct surge_counts window;

	(void)state;
	surge_add_usual(s, SURGE_PROVIDER, SV("dead"), &usual);
	surge_add_usual(s, SURGE_PROVIDER, SV("quiet"), &usual);
	surge_add(s, 8000000, SURGE_PROVIDER, SV("dead"), &many);
	WANT(!is_open(s, SV("dead")));
	WANT_INT(surge_watched(s), 2);
	surge_forget_usual(s);
	WANT_INT(surge_watched(s), 1);
	surge_add(s, 8000000, SURGE_PROVIDER, SV("dead"), &delivered);
	WANT(is_open(s, SV("dead")));
	surge_reset(s);
	WANT_INT(surge_watched(s), 0);
	WANT(!is_open(s, SV("dead")));
	WANT(!surge_next_change(s, &change));
	/* time may begin anew */
	surge_add(s, 1000, SURGE_PROVIDER, SV("dead"), &delivered);
	surge_window(s, SURGE_PROVIDER, SV("dead"), &window);
	WANT_INT(window.attempts, 1);
	surge_free(s);
}

/* ---- bounds ---- */

static void a_hundred_thousand_hostile_values(void **state)
{
	struct surge *s = surge_new(&options);
	const struct surge_counts many = of_all(50, SURGE_HARD, 50);
	const int64_t now = 9000000;
	char value[400];
	struct surge_change change;

	(void)state;
	memset(value, 'v', sizeof value);
	surge_add(s, now, SURGE_DESTINATION, SV("good.example"), &delivered);
	surge_add(s, now, SURGE_DESTINATION, SV("open.example"), &many);
	WANT(surge_next_change(s, &change));
	for (unsigned i = 0; i < 100000; i++) {
		memcpy(value, &i, sizeof i);
		for (int dimension = SURGE_DESTINATION; dimension < SURGE_DIMENSIONS; dimension++)
			surge_add(s, now, (enum surge_dimension)dimension, sv_make(value, i % sizeof value), i % 7 ? &hard_only : &delivered);
	}
	WANT_INT(surge_watched(s), 3 * SURGE_VALUES_MAX);
	WANT(surge_unwatched(s) > 200000);
	WANT(surge_is_open(s, SURGE_HARD, SURGE_DESTINATION, SV("open.example")));
	uint64_t before = surge_unwatched(s);
	surge_add(s, now + options.window_s - 1, SURGE_DESTINATION, SV("late.example"), &delivered);
	WANT_INT(surge_unwatched(s), ++before);
	/* then there is room again, and what is open stays */
	surge_open_by(s, SURGE_BLOCKED, SURGE_DESTINATION, SV("good.example"), now);
	for (int i = 0; i < 2 * SURGE_VALUES_MAX; i++) {
		char name[32];
		int n = snprintf(name, sizeof name, "d%d.example", i);
		surge_add(s, now + options.window_s + i * BUCKET_S, SURGE_DESTINATION, sv_make(name, (size_t)n), &delivered);
	}
	WANT_INT(surge_unwatched(s), before);
	WANT_INT(surge_watched(s), 3 * SURGE_VALUES_MAX);
	WANT(surge_is_open(s, SURGE_BLOCKED, SURGE_DESTINATION, SV("good.example")));
	WANT(surge_next_change(s, &change) && !change.open);
	WANT_TEXT(change.value, "open.example");
	/* what is only usual takes nobody's place */
	surge_add_usual(s, SURGE_DESTINATION, SV("usual.example"), &many);
	WANT_INT(surge_unwatched(s), before + 1);
	surge_free(s);
}

static void long_values_are_cut(void **state)
{
	struct surge *s = surge_new(&options);
	struct surge_counts window;
	char value[300];

	(void)state;
	memset(value, 'v', sizeof value);
	for (size_t n = 250; n <= sizeof value; n++)
		surge_add(s, 1000, SURGE_RULE, sv_make(value, n), &hard_only);
	WANT_INT(surge_watched(s), 6);
	surge_window(s, SURGE_RULE, sv_make(value, 280), &window);
	WANT_INT(window.of[SURGE_HARD], 46);
	/* no value is none */
	surge_add(s, 1000, SURGE_PROVIDER, SV(""), &hard);
	surge_open_by(s, SURGE_HARD, SURGE_PROVIDER, SV(""), 0);
	WANT(!is_open(s, SV("")));
	WANT_INT(surge_watched(s), 6);
	WANT_INT(surge_unwatched(s), 0);
	surge_free(s);
}

/* ---- against everything that ever happened, read anew each time ---- */

#define HISTORY 1500
#define VALUES 4

struct happened {
	int64_t time_s;
	unsigned which; /* 0: all; 1..VALUES destinations; then rules */
	struct surge_counts counts;
};

struct oracle {
	struct happened v[HISTORY];
	size_t n;
	int64_t now_s;
	bool open[1 + 2 * VALUES][SURGE_KINDS];
	double threshold[1 + 2 * VALUES][SURGE_KINDS];
	struct surge_counts usual[1 + 2 * VALUES];
};

static bool is_rule(unsigned which)
{
	return which > VALUES;
}

/* What lies in the newest `buckets` buckets */
static struct surge_counts oracle_sum(const struct oracle *o, unsigned which, int64_t buckets)
{
	struct surge_counts sum = { 0 };
	int64_t begin = (o->now_s / BUCKET_S - buckets + 1) * BUCKET_S;

	for (size_t i = 0; i < o->n; i++) {
		const struct happened *h = &o->v[i];
		if (h->time_s < begin)
			continue;
		if (h->which == which)
			for (int kind = 0; kind < SURGE_KINDS; kind++)
				sum.of[kind] += h->counts.of[kind];
		if (h->which == (is_rule(which) ? 0 : which)) {
			sum.attempts += h->counts.attempts;
			sum.finals += h->counts.finals;
		}
	}
	return sum;
}

static double base(const struct surge_counts *counts, int kind)
{
	return (double)(kind == SURGE_HARD ? counts->finals : counts->attempts);
}

static double oracle_threshold(const struct oracle *o, unsigned which, int kind)
{
	const struct surge_counts *all = &o->usual[0], *own = is_rule(which) ? all : &o->usual[which];
	double usual = 0;

	if (base(own, kind) >= 100)
		usual = (double)o->usual[which].of[kind] / base(own, kind);
	else if (base(all, kind) >= 100)
		usual = (double)all->of[kind] / base(all, kind);
	return usual * 5 > 0.1 ? usual * 5 : 0.1;
}

#define NEARLY 1e-12

static void oracle_judge(struct oracle *o, unsigned which, bool may_open)
{
	struct surge_counts scales[2] = { oracle_sum(o, which, 2), oracle_sum(o, which, 12) };

	for (int kind = 0; kind < SURGE_KINDS; kind++) {
		double threshold = oracle_threshold(o, which, kind);
		int over = 0, quiet = 0;
		for (int i = 0; i < 2; i++) {
			double n = (double)scales[i].of[kind], of = base(&scales[i], kind);
			over += of > 0 && n >= (double)options.minimum && n / of >= threshold - NEARLY;
			quiet += of <= 0 || n < (double)options.minimum / 4 || n / of < o->threshold[which][kind] / 2 - NEARLY;
		}
		if (o->open[which][kind]) {
			o->open[which][kind] = quiet < 2;
		} else if (may_open && over) {
			o->open[which][kind] = true;
			o->threshold[which][kind] = threshold;
		}
	}
}

static void oracle_add(struct oracle *o, const struct happened *h)
{
	int64_t before = o->now_s;
	bool nothing = !h->counts.attempts && !h->counts.finals;

	o->now_s = h->time_s > o->now_s ? h->time_s : o->now_s;
	if (o->now_s / BUCKET_S != before / BUCKET_S)
		for (unsigned which = 0; which <= 2 * VALUES; which++)
			oracle_judge(o, which, false);
	for (int kind = 0; kind < SURGE_KINDS; kind++)
		nothing = nothing && !h->counts.of[kind];
	if (nothing || h->time_s / BUCKET_S <= o->now_s / BUCKET_S - 12)
		return;
	o->v[o->n++] = *h;
	oracle_judge(o, h->which, true);
}

static struct sv name_of(unsigned which, enum surge_dimension *dimension_r)
{
	static const char *const names[] = { "", "a", "b", "c", "d", "a", "b", "c", "d" };

	*dimension_r = which == 0 ? SURGE_ALL : is_rule(which) ? SURGE_RULE : SURGE_DESTINATION;
	return sv_of(names[which]);
}

static struct happened random_event(int64_t now_s)
{
	struct happened h = { .which = below(1 + 2 * VALUES), .time_s = now_s };
	unsigned jump = below(300);

	if (jump == 0)
		h.time_s += below(20) * BUCKET_S;
	else if (jump < 60)
		h.time_s -= below(14 * BUCKET_S);
	else
		h.time_s += below(20);
	if (h.time_s < 0)
		h.time_s = 0;
	if (is_rule(h.which) && below(4))
		h.which = 0;
	if (!is_rule(h.which)) {
		h.counts.attempts = below(40);
		h.counts.finals = below((unsigned)h.counts.attempts + 1);
	}
	/* each kind has its bad times */
	enum surge_kind kind = (enum surge_kind)(now_s / 7200 % SURGE_KINDS);
	if (h.which % 3 == 0 ? below(3) == 0 : now_s / 1500 % 4 == 0)
		h.counts.of[kind] = below(is_rule(h.which) ? 30 : (unsigned)(kind == SURGE_HARD ? h.counts.finals : h.counts.attempts) + 1);
	return h;
}

static void random_history(struct oracle *o, int64_t *opened)
{
	struct surge *s = surge_new(&options);
	enum surge_dimension dimension;
	bool told[1 + 2 * VALUES][SURGE_KINDS] = { { false } };

	for (unsigned which = 0; which <= 2 * VALUES; which++) {
		struct sv value = name_of(which, &dimension);
		o->usual[which] = of_all(below(300), (enum surge_kind)below(SURGE_KINDS), below(12));
		surge_add_usual(s, dimension, value, &o->usual[which]);
	}
	for (int i = 0; i < HISTORY; i++) {
		struct happened h = random_event(o->now_s);
		struct sv value = name_of(h.which, &dimension);
		surge_add(s, h.time_s, dimension, value, &h.counts);
		oracle_add(o, &h);
		for (unsigned which = 0; which <= 2 * VALUES; which++) {
			struct surge_counts got, want = oracle_sum(o, which, 12);
			value = name_of(which, &dimension);
			surge_window(s, dimension, value, &got);
			WANT(memcmp(&got, &want, sizeof got) == 0);
			for (int kind = 0; kind < SURGE_KINDS; kind++)
				WANT_INT(surge_is_open(s, (enum surge_kind)kind, dimension, value), o->open[which][kind]);
		}
		struct surge_change c;
		while (surge_next_change(s, &c)) {
			unsigned which = c.dimension == SURGE_ALL ? 0 : (c.dimension == SURGE_RULE ? VALUES : 0u) + 1 + (unsigned)(c.value.p[0] - 'a');
			WANT_INT(c.open, !told[which][c.kind]);
			WANT(c.since_s <= c.time_s && c.time_s == o->now_s);
			told[which][c.kind] = c.open;
			*opened += c.open;
		}
		WANT(memcmp(told, o->open, sizeof told) == 0);
	}
	surge_free(s);
}

static void random_histories(void **state)
{
	int64_t opened = 0;

	(void)state;
	set_seed();
	for (int i = 0; i < 8; i++) {
		static struct oracle o;
		o = (struct oracle){ 0 };
		random_history(&o, &opened);
	}
WANT(opened > 20); /* they are worth something */
	test_row = "";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_provider_was_wrong_for_three_hours),
		cmocka_unit_test(the_minimum_passes),
		cmocka_unit_test(what_does_not_open),
		cmocka_unit_test(no_flapping),
		cmocka_unit_test(a_slow_jump),
		cmocka_unit_test(a_rule_is_compared_with_all),
		cmocka_unit_test(what_a_result_counts),
		cmocka_unit_test(each_kind_for_itself),
		cmocka_unit_test(times_out_of_order),
		cmocka_unit_test(counts_out_of_all_reason),
		cmocka_unit_test(other_options),
		cmocka_unit_test(what_others_noticed),
		cmocka_unit_test(open_again),
		cmocka_unit_test(changes_in_order),
		cmocka_unit_test(forgetting),
		cmocka_unit_test(a_hundred_thousand_hostile_values),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(random_histories),
	};

	return RUN(tests);
}
