/* alert: names, what is stored and read back, what people are told; and rates against limits. */
#include "chance.h"

#include "alert.h"

static const char *text_of(const struct alert *alert)
{
	static char room[ALERT_TEXT_MAX];
	struct buf b = BUF_ON(room);

	alert_text(alert, &b);
	WANT(!b.full);
	return buf_cstr(&b);
}

static void names_of_kinds(void **state)
{
	enum alert_kind kind;

	(void)state;
	for (int i = 0; i < ALERT_KINDS; i++) {
		WANT(alert_kind_by_name(sv_of(alert_kind_name((enum alert_kind)i)), &kind));
		WANT_INT(kind, i);
	}
	WANT(!alert_kind_by_name(SV("rate"), &kind));
	WANT(!alert_kind_by_name(SV(""), &kind));
}

static void ids(void **state)
{
	static const struct { const char *name; struct alert alert; } table[] = {
		{ "hard/all", { .kind = ALERT_HARD, .dimension = { "all", 3 } } },
		{ "hard/provider/google", { .kind = ALERT_HARD, .dimension = { "provider", 8 }, .value = { "google", 6 } } },
		{ "throttled/dest/example.com", { .kind = ALERT_THROTTLED, .dimension = { "dest", 4 }, .value = { "example.com", 11 } } },
		{ "blocked/rule/a/b%25%20c", { .kind = ALERT_BLOCKED, .dimension = { "rule", 4 }, .value = { "a/b% c", 6 } } },
		{ "rate-hard/sender/news.example.org", { .kind = ALERT_RATE_HARD, .dimension = { "sender", 6 }, .value = { "news.example.org", 16 } } },
		{ "log-lost/log/mx1:/var/log/mail.log", { .kind = ALERT_LOG_LOST, .dimension = { "log", 3 }, .value = { "mx1:/var/log/mail.log", 21 } } },
		{ "rate-complaint/campaign/%00%0A%7F%C3%BC", { .kind = ALERT_RATE_COMPLAINT, .dimension = { "campaign", 8 }, .value = { "\0\n\x7f\xc3\xbc", 5 } } },
	};
	struct arena arena = { 0 };
	struct alert back;

	(void)state;
	EACH(row, table) {
		WANT_TEXT(alert_id(&arena, &row->alert), row->name);
		WANT(alert_unpack(&arena, sv_of(row->name), SV(""), &back));
		WANT_INT(back.kind, row->alert.kind);
		WANT_SV(back.dimension, row->alert.dimension);
		WANT_SV(back.value, row->alert.value);
	}
	arena_free(&arena);
}

static void packed_and_back(void **state)
{
	const struct alert a = { .kind = ALERT_HARD, .dimension = SV("all"), .since_s = 1, .opened_s = 2, .seen_s = 3, .until_s = INT64_MAX,
		.count = 5, .base = 6, .usual_permille = 7, .limit_permille = 8, .by = SV("mx 1\n=%") };
	struct arena arena = { 0 };
	struct alert back;

	(void)state;
	struct sv packed = alert_pack(&arena, &a);
	WANT_TEXT(packed, "since=1 opened=2 seen=3 until=9223372036854775807 count=5 of=6 usual=7 limit=8 by=mx%201%0A=%25");
	WANT(alert_unpack(&arena, SV("hard/all"), packed, &back));
	WANT_INT(back.since_s, 1);
	WANT_INT(back.opened_s, 2);
	WANT_INT(back.seen_s, 3);
	WANT_INT(back.until_s, INT64_MAX);
	WANT_INT(back.count, 5);
	WANT_INT(back.base, 6);
	WANT_INT(back.usual_permille, 7);
	WANT_INT(back.limit_permille, 8);
	WANT_SV(back.by, a.by);
	/* what is below nothing is nothing; what is not known is left out */
	packed = alert_pack(&arena, &(const struct alert){ .since_s = INT64_MIN, .count = -1 });
	WANT_TEXT(packed, "since=0 opened=0 seen=0 until=0 count=0 of=0 usual=0 limit=0 by=");
	WANT(alert_unpack(&arena, SV("hard/all"), SV("since=9 colour=red  x"), &back));
	WANT_INT(back.since_s, 9);
	arena_free(&arena);
}

static void what_is_no_alert(void **state)
{
	static const struct { const char *name, *packed; } table[] = {
		{ "", "since=1" },
		{ "hard", "since=1" },
		{ "hard/", "since=1" },
		{ "hard/all/x", "since=1" },
		{ "hard/provider", "since=1" },
		{ "hard/provider/", "since=1" },
		{ "hard/planet/mars", "since=1" },
		{ "soft/all", "since=1" },
		{ "hard/all", "since=" },
		{ "hard/all", "since" },
		{ "hard/all", "count=-1" },
		{ "hard/all", "of=9223372036854775808" },
		{ "hard/all", "of=1x" },
	};
	struct arena arena = { 0 };
	struct alert alert;

	(void)state;
	EACH(row, table)
		WANT(!alert_unpack(&arena, sv_of(row->name), sv_of(row->packed), &alert));
	arena_free(&arena);
}

static void texts(void **state)
{
	const int64_t since = at("2026-11-21T09:00:00Z");
	const struct {
		const char *name;
		struct alert alert;
		const char *want;
	} table[] = {
		{ "a provider", { .kind = ALERT_HARD, .dimension = SV("provider"), .value = SV("google"), .since_s = since, .count = 57, .base = 61,
		  .usual_permille = 8, .by = SV("mx1") },
		  "hard bounces of provider google jumped: 57 of 61 results (usually 0.8 %) since 2026-11-21T09:00:00Z, noticed by mx1; "
		  "until it is over new ones are refused for a short term only (held), and then asked again; take back what was added (only shown with --dry-run in place of --yes): nixie undo --yes --since 2026-11-21T09:00:00Z --provider google" },
		{ "a domain", { .kind = ALERT_HARD, .dimension = SV("dest"), .value = SV("example.com"), .since_s = since, .count = 40, .base = 40 },
		  "hard bounces at example.com jumped: 40 of 40 results since 2026-11-21T09:00:00Z; "
		  "until it is over new ones are refused for a short term only (held), and then asked again; take back what was added (only shown with --dry-run in place of --yes): nixie undo --yes --since 2026-11-21T09:00:00Z --domain example.com" },
		{ "a rule", { .kind = ALERT_HARD, .dimension = SV("rule"), .value = SV("recipient.unknown-user"), .since_s = since, .count = 40, .base = 400,
		  .usual_permille = 10 },
		  "hard bounces by rule recipient.unknown-user jumped: 40 of 400 results (usually 1 %) since 2026-11-21T09:00:00Z; "
		  "until it is over new ones are refused for a short term only (held), and then asked again; take back what was added (only shown with --dry-run in place of --yes): nixie undo --yes --since 2026-11-21T09:00:00Z --rule recipient.unknown-user" },
		{ "everything", { .kind = ALERT_HARD, .dimension = SV("all"), .since_s = since, .count = 40, .base = 400, .usual_permille = 10 },
		  "hard bounces jumped: 40 of 400 results (usually 1 %) since 2026-11-21T09:00:00Z; "
		  "until it is over new ones are refused for a short term only (held), and then asked again; take back what was added (only shown with --dry-run in place of --yes): nixie undo --yes --since 2026-11-21T09:00:00Z" },
		{ "hostile", { .kind = ALERT_HARD, .dimension = SV("dest"), .value = SV("x;rm\n\x1b[31m"), .since_s = since, .count = 40, .base = 40, .by = SV("a\r\nb") },
		  "hard bounces at x;rm\\x0a\\x1b[31m jumped: 40 of 40 results since 2026-11-21T09:00:00Z, noticed by a\\x0d\\x0ab; "
		  "until it is over new ones are refused for a short term only (held), and then asked again; take back what was added: see undo in nixie(1)" },
		{ "rate limits", { .kind = ALERT_THROTTLED, .dimension = SV("provider"), .value = SV("google"), .since_s = since, .count = 40, .base = 400 },
		  "rate limits of provider google jumped: 40 of 400 attempts since 2026-11-21T09:00:00Z; "
		  "they limit how much we send: send slower and with fewer connections; nobody is suppressed for it" },
		{ "blocks", { .kind = ALERT_BLOCKED, .dimension = SV("all"), .since_s = since, .count = 40, .base = 400 },
		  "blocks jumped: 40 of 400 attempts since 2026-11-21T09:00:00Z; "
		  "our reputation: check block lists, SPF, DKIM, DMARC and reverse DNS, and what is being sent; nobody is suppressed for it" },
		{ "down", { .kind = ALERT_FAILING, .dimension = SV("dest"), .value = SV("example.com"), .since_s = since, .count = 40, .base = 400 },
		  "temporary failures at example.com jumped: 40 of 400 attempts since 2026-11-21T09:00:00Z; "
		  "they are down, or our network or DNS is: look at the last replies; the mail server tries again by itself" },
		{ "hard rate", { .kind = ALERT_RATE_HARD, .dimension = SV("sender"), .value = SV("news.example.org"), .since_s = since, .count = 57, .base = 1200,
		  .limit_permille = 20 },
		  "hard bounces of sender news.example.org are over the limit of 2 % on 2026-11-21: 57 of 1200 (4.8 %); "
		  "the list is old, or bought: stop, and clean it before the next mail" },
		{ "rate of all", { .kind = ALERT_RATE_ALL, .dimension = SV("campaign"), .value = SV("spring"), .since_s = since, .count = 60, .base = 1000, .limit_permille = 50 },
		  "bounces of campaign spring are over the limit of 5 % on 2026-11-21: 60 of 1000 (6 %); "
		  "look at their categories: dead addresses are the list's, blocks and limits the sender's reputation" },
		{ "complaints", { .kind = ALERT_RATE_COMPLAINT, .dimension = SV("sender"), .value = SV("a b"), .since_s = since, .count = 3, .base = 0, .limit_permille = 2 },
		  "complaints of sender a b are over the limit of 0.2 % on 2026-11-21: 3 of 0; "
		  "readers do not want it: check that they asked for it, and that leaving is easy" },
		{ "lost lines", { .kind = ALERT_LOG_LOST, .dimension = SV("log"), .value = SV("mx1:/var/log/mail.log"), .since_s = since, .count = 1234, .base = 2 },
		  "lines of mx1:/var/log/mail.log are lost: 1234, 2 times since 2026-11-21T09:00:00Z; "
		  "if the log says so itself, raise the limit of what writes it (RateLimitBurst of journald.conf, imuxsock and imjournal of rsyslog), "
		  "else see what nixie-logtail warned about; "
		  "failures from before are not counted where a delivery among the lost lines would have ended them" },
		{ "nobody knows how many", { .kind = ALERT_LOG_LOST, .dimension = SV("log"), .value = SV("mx1:/var/log/mail.log"), .since_s = since, .base = 1 },
		  "lines of mx1:/var/log/mail.log are lost, 1 time since 2026-11-21T09:00:00Z; "
		  "if the log says so itself, raise the limit of what writes it (RateLimitBurst of journald.conf, imuxsock and imjournal of rsyslog), "
		  "else see what nixie-logtail warned about; "
		  "failures from before are not counted where a delivery among the lost lines would have ended them" },
		{ "a silent log", { .kind = ALERT_LOG_IDLE, .dimension = SV("log"), .value = SV("mx1:/x\n"), .since_s = since, .count = 4000, .base = 3600 },
		  "no line has come in mx1:/x\\x0a for more than 3600 s, since 2026-11-21T09:00:00Z; "
		  "does the mail server run, and write there? Where its log is another one by now, name it in logtail.files" },
		{ "behind", { .kind = ALERT_LOG_BEHIND, .dimension = SV("log"), .value = SV("mx1:/x"), .since_s = since, .count = 1000, .base = 123456 },
		  "the reader of mx1:/x is 1000 s behind, 123456 bytes, since 2026-11-21T09:00:00Z; "
		  "it catches up by itself, unless Redis is slow or away, or a rotated log cannot be unpacked: nixie status, nixie doctor" },
		{ "missing", { .kind = ALERT_LOG_MISSING, .dimension = SV("log"), .value = SV("mx1:/x"), .since_s = since },
		  "mx1:/x is not there, or may not be read, since 2026-11-21T09:00:00Z; "
		  "is logtail.files right, and may the user of nixie-logtail read it?" },
	};

	(void)state;
	EACH(row, table)
		WANT_STRING(text_of(&row->alert), row->want);
}

/* A command is there only for a word that no shell and no option parser takes for something else. */
static void values_in_commands(void **state)
{
	static const char *const bad[] = { "-rf", "--yes", "a b", "a;b", "a$b", "a`b", "a'b", "a\"b", "a|b", "a&b", "a*b", "a\\b", "a/b", "a@b", "\xc3\xbc", "" };
	static const char *const good[] = { "a", "A-1_b.c", "xn--bcher-kva.example" };
	struct alert a = { .kind = ALERT_HARD, .dimension = SV("provider") };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		a.value = sv_of(bad[i]);
		WANT(strstr(text_of(&a), "nixie undo") == NULL);
	}
	for (size_t i = 0; i < COUNT(good); i++) {
		a.value = sv_of(good[i]);
		WANT(strstr(text_of(&a), "nixie undo --yes --since 1970-01-01T00:00:00Z --provider ") != NULL);
	}
	/* nothing to take back */
	a.kind = ALERT_BLOCKED;
	WANT(strstr(text_of(&a), "undo") == NULL);
}

/* Any bytes come back from the store, and out as one clean line that has room. */
static void any_bytes(void **state)
{
	static const char *const dimensions[] = { "dest", "provider", "rule", "sender", "campaign", "log" };
	static const int64_t odd[] = { INT64_MIN, -1, 0, 1, INT64_MAX };
	struct arena arena = { 0 };

	(void)state;
	set_seed();
	for (int i = 0; i < 5000; i++) {
		char value[600], by[600];
		for (size_t j = 0; j < sizeof value; j++) {
			value[j] = (char)below(i % 3 ? 256 : 32);
			by[j] = (char)below(256);
		}
		const struct alert a = { .kind = (enum alert_kind)below(ALERT_KINDS), .dimension = sv_of(dimensions[below(6)]),
			.value = sv_make(value, 1 + below(sizeof value)), .by = sv_make(by, below(sizeof by)), .since_s = odd[below(5)],
			.count = odd[below(5)], .base = odd[below(5)], .usual_permille = odd[below(5)], .limit_permille = odd[below(5)] };
		struct alert back;
		struct sv id = alert_id(&arena, &a), packed = alert_pack(&arena, &a);
		for (size_t j = 0; j < id.n; j++)
			WANT(id.p[j] > ' ' && id.p[j] < 0x7f);
		for (size_t j = 0; j < packed.n; j++)
			WANT(packed.p[j] >= ' ' && packed.p[j] < 0x7f);
		WANT(alert_unpack(&arena, id, packed, &back));
		WANT_SV(back.value, a.value);
		WANT_SV(back.by, a.by);
		WANT_INT(back.count, a.count < 0 ? 0 : a.count);
		for (const char *c = text_of(&a); *c; c++)
			WANT((unsigned char)*c >= ' ' && *c != 0x7f);
		/* what is no alert does no harm either */
		(void)!alert_unpack(&arena, sv_make(value, below(40)), a.by, &back);
		(void)!alert_unpack(&arena, id, a.by, &back);
		arena_reset(&arena);
	}
	arena_free(&arena);
	test_row = "";
}

static void rates(void **state)
{
	static const struct { const char *name; bool open; int64_t count, base, limit, minimum; bool want; } table[] = {
		{ "at the limit", false, 20, 1000, 20, 100, false },
		{ "over it", false, 21, 1000, 20, 100, true },
		{ "of too few", false, 99, 99, 20, 100, false },
		{ "of just enough", false, 3, 100, 20, 100, true },
		{ "below it, still open", true, 16, 1000, 20, 100, true },
		{ "below four fifths of it", true, 15, 1000, 20, 100, false },
		{ "the same, it was not open", false, 16, 1000, 20, 100, false },
		{ "a new day says nothing", true, 0, 0, 20, 100, true },
		{ "nor do the first", true, 0, 99, 20, 100, true },
		{ "without a minimum", false, 0, 0, 20, 0, false },
		{ "complaints", false, 3, 1000, 2, 100, true },
		{ "two in a thousand", false, 2, 1000, 2, 100, false },
		{ "switched off", true, 1000, 1000, 0, 100, false },
		{ "more than there are", false, INT64_MAX, INT64_MAX, INT64_MAX, 0, false },
		{ "large", false, INT64_MAX, INT64_MAX, 999, 0, true },
	};

	(void)state;
	EACH(row, table)
		WANT_INT(alert_rate(row->open, row->count, row->base, row->limit, row->minimum), row->want);
}

/* A day's rate that swings by less than a fifth below the limit opens once. */
static void rates_do_not_flap(void **state)
{
	int64_t count = 0, base = 0;
	bool open = false;
	int changes = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		base += 100;
		count = base * (i % 2 ? 17 : 23) / 1000;
		bool now = alert_rate(open, count, base, 20, 1000);
		changes += now != open;
		open = now;
	}
	WANT_INT(changes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_kinds),
		cmocka_unit_test(ids),
		cmocka_unit_test(packed_and_back),
		cmocka_unit_test(what_is_no_alert),
		cmocka_unit_test(texts),
		cmocka_unit_test(values_in_commands),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(rates),
		cmocka_unit_test(rates_do_not_flap),
	};

	return RUN(tests);
}
