#include "alert.h"

#include "clock.h"

/* Bytes of a value, and of a host, that a text shows */
#define SHOWN_MAX 255
#define HOST_SHOWN_MAX 63
/* The year 9999 ends */
#define TIME_SHOWN_MAX_S INT64_C(253402300799)

static const struct {
	const char *name;
	enum { A_JUMP, A_RATE, A_LOG } form;
	const char *what, *of, *advice;
} kinds[ALERT_KINDS] = {
	[ALERT_HARD] = { "hard", A_JUMP, "hard bounces", "results", "until it is over new ones are refused for a short term only (held), and then asked again" },
	[ALERT_THROTTLED] = { "throttled", A_JUMP, "rate limits", "attempts",
		"they limit how much we send: send slower and with fewer connections; nobody is suppressed for it" },
	[ALERT_BLOCKED] = { "blocked", A_JUMP, "blocks", "attempts",
		"our reputation: check block lists, SPF, DKIM, DMARC and reverse DNS, and what is being sent; nobody is suppressed for it" },
	[ALERT_FAILING] = { "failing", A_JUMP, "temporary failures", "attempts",
		"they are down, or our network or DNS is: look at the last replies; the mail server tries again by itself" },
	[ALERT_RATE_HARD] = { "rate-hard", A_RATE, "hard bounces", NULL,
		"the list is old, or bought: stop, and clean it before the next mail" },
	[ALERT_RATE_ALL] = { "rate-all", A_RATE, "bounces", NULL,
		"look at their categories: dead addresses are the list's, blocks and limits the sender's reputation" },
	[ALERT_RATE_COMPLAINT] = { "rate-complaint", A_RATE, "complaints", NULL,
		"readers do not want it: check that they asked for it, and that leaving is easy" },
	[ALERT_LOG_LOST] = { "log-lost", A_LOG, NULL, NULL, "if the log says so itself, raise the limit of what writes it (RateLimitBurst of journald.conf, imuxsock and imjournal of rsyslog), "
		"else see what nixie-logtail warned about; "
		"failures from before are not counted where a delivery among the lost lines would have ended them" },
	[ALERT_LOG_IDLE] = { "log-idle", A_LOG, NULL, NULL, "does the mail server run, and write there? Where its log is another one by now, name it in logtail.files" },
	[ALERT_LOG_BEHIND] = { "log-behind", A_LOG, NULL, NULL, "it catches up by itself, unless Redis is slow or away, or a rotated log cannot be unpacked: nixie status, nixie doctor" },
	[ALERT_LOG_MISSING] = { "log-missing", A_LOG, NULL, NULL, "is logtail.files right, and may the user of nixie-logtail read it?" },
};

/* option: of nixie undo, NULL: there is none */
static const struct {
	const char *name, *said, *option;
} dimensions[] = {
	{ "all", "", NULL },
	{ "dest", " at ", "domain" },
	{ "provider", " of provider ", "provider" },
	{ "rule", " by rule ", "rule" },
	{ "sender", " of sender ", NULL },
	{ "campaign", " of campaign ", NULL },
	{ "log", "", NULL },
};

enum { DIMENSION_ALL, DIMENSION_COUNT = sizeof dimensions / sizeof *dimensions };

const char *alert_kind_name(enum alert_kind kind)
{
	return kinds[kind].name;
}

bool alert_kind_by_name(struct sv name, enum alert_kind *kind_r)
{
	for (int i = 0; i < ALERT_KINDS; i++) {
		if (sv_eq(name, sv_of(kinds[i].name))) {
			*kind_r = (enum alert_kind)i;
			return true;
		}
	}
	return false;
}

/* DIMENSION_COUNT: there is none of this name */
static int dimension_by_name(struct sv name)
{
	int i = 0;

	while (i < DIMENSION_COUNT && !sv_eq(name, sv_of(dimensions[i].name)))
		i++;
	return i;
}

/* ---- stored ---- */

static void add_escaped(struct buf *b, struct sv s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c > ' ' && c < 0x7f && c != '%')
			buf_add_char(b, c);
		else
			buf_addf(b, "%%%02X", (unsigned)(unsigned char)c);
	}
}

static struct sv escape(struct arena *arena, struct sv s)
{
	size_t room = 3 * s.n + 1;
	struct buf b = { arena_alloc(arena, room), 0, room, false };

	add_escaped(&b, s);
	return buf_sv(&b);
}

struct sv alert_id(struct arena *arena, const struct alert *a)
{
	struct sv value = escape(arena, a->value);

	if (dimension_by_name(a->dimension) == DIMENSION_ALL)
		return arena_printf(arena, "%s/all", kinds[a->kind].name);
	return arena_printf(arena, "%s/%.*s/%.*s", kinds[a->kind].name, SV_ARG(a->dimension), SV_ARG(value));
}

struct sv alert_pack(struct arena *arena, const struct alert *a)
{
	const int64_t n[] = { a->since_s, a->opened_s, a->seen_s, a->until_s, a->count, a->base, a->usual_permille, a->limit_permille };
	unsigned long long v[sizeof n / sizeof *n];
	struct sv by = escape(arena, a->by);

	for (size_t i = 0; i < sizeof n / sizeof *n; i++)
		v[i] = n[i] > 0 ? (unsigned long long)n[i] : 0;
	return arena_printf(arena, "since=%llu opened=%llu seen=%llu until=%llu count=%llu of=%llu usual=%llu limit=%llu by=%.*s",
		v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], SV_ARG(by));
}

static bool unpack_id(struct arena *arena, struct sv id, struct alert *a)
{
	struct sv rest = id, kind = sv_cut(&rest, '/'), dimension = sv_cut(&rest, '/');
	int i = dimension_by_name(dimension);

	if (!alert_kind_by_name(kind, &a->kind) || i == DIMENSION_COUNT || (i == DIMENSION_ALL) != (rest.n == 0))
		return false;
	a->dimension = sv_of(dimensions[i].name);
	a->value = buf_unescape(rest, arena_alloc(arena, rest.n + 1));
	return true;
}

bool alert_unpack(struct arena *arena, struct sv id, struct sv packed, struct alert *a)
{
	*a = (struct alert){ 0 };
	const struct {
		struct sv name;
		int64_t *to;
	} numbers[] = {
		{ SV("since"), &a->since_s }, { SV("opened"), &a->opened_s }, { SV("seen"), &a->seen_s }, { SV("until"), &a->until_s },
		{ SV("count"), &a->count }, { SV("of"), &a->base }, { SV("usual"), &a->usual_permille }, { SV("limit"), &a->limit_permille },
	};

	if (!unpack_id(arena, id, a))
		return false;
	while (packed.n) {
		struct sv value = sv_cut(&packed, ' '), name = sv_cut(&value, '=');
		uint64_t v;
		if (sv_eq(name, SV("by")))
			a->by = buf_unescape(value, arena_alloc(arena, value.n + 1));
		for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
			if (!sv_eq(name, numbers[i].name))
				continue;
			if (!sv_u64(value, INT64_MAX, &v))
				return false;
			*numbers[i].to = (int64_t)v;
		}
	}
	return true;
}

/* ---- told ---- */

static void add_percent(struct buf *to, int64_t permille)
{
	buf_addf(to, "%lld", (long long)(permille / 10));
	if (permille % 10)
		buf_addf(to, ".%lld", (long long)(permille % 10));
	buf_add(to, SV(" %"));
}

static int64_t shown_time_s(int64_t time_s)
{
	return time_s < 0 ? 0 : time_s < TIME_SHOWN_MAX_S ? time_s : TIME_SHOWN_MAX_S;
}

static void add_time(struct buf *to, int64_t time_s)
{
	char text[CLOCK_TEXT_MAX];

	clock_format_us(shown_time_s(time_s) * CLOCK_SECOND_US, text, sizeof text);
	buf_add(to, sv_of(text));
}

/* A word that a shell, and getopt, take as it is */
static bool is_plain_word(struct sv value)
{
	if (value.n == 0 || value.n > SHOWN_MAX || value.p[0] == '-')
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (!sv_is_alnum(value.p[i]) && value.p[i] != '.' && value.p[i] != '-' && value.p[i] != '_')
			return false;
	return true;
}

static void add_undo(struct buf *to, const struct alert *a, int dimension)
{
	const char *option = dimensions[dimension].option;

	if (dimension != DIMENSION_ALL && (!option || !is_plain_word(a->value))) {
		buf_add(to, SV("; take back what was added: see undo in nixie(1)"));
		return;
	}
	/* there are more than it changes unasked */
	buf_add(to, SV("; take back what was added (only shown with --dry-run in place of --yes): nixie undo --yes --since "));
	add_time(to, a->since_s);
	if (option)
		buf_addf(to, " --%s %.*s", option, SV_ARG(a->value));
}

/* " jumped: 57 of 61 results (usually 0.8 %) since 2026-11-21T09:00:00Z" */
static void add_jump(struct buf *to, const struct alert *a)
{
	buf_addf(to, " jumped: %lld of %lld %s", (long long)a->count, (long long)a->base, kinds[a->kind].of);
	if (a->usual_permille > 0) {
		buf_add(to, SV(" (usually "));
		add_percent(to, a->usual_permille);
		buf_add_char(to, ')');
	}
	buf_add(to, SV(" since "));
	add_time(to, a->since_s);
}

/* " are over the limit of 2 % on 2026-11-21: 57 of 1200 (4.8 %)" */
static void add_rate(struct buf *to, const struct alert *a)
{
	char date[11];

	clock_format_date(shown_time_s(a->since_s), date);
	buf_add(to, SV(" are over the limit of "));
	add_percent(to, a->limit_permille);
	buf_addf(to, " on %s: %lld of %lld", date, (long long)a->count, (long long)a->base);
	if (a->base <= 0 || a->count < 0 || a->count > a->base)
		return;
	buf_add(to, SV(" ("));
	add_percent(to, (int64_t)(((__int128)a->count * 1000 + a->base / 2) / a->base));
	buf_add_char(to, ')');
}

/* "lines of mx1:/var/log/mail.log are lost: 1234, 2 times since 2026-11-21T09:00:00Z" */
static void add_log(struct buf *to, const struct alert *a)
{
	long long count = (long long)a->count, base = (long long)a->base;

	buf_add(to, a->kind == ALERT_LOG_LOST ? SV("lines of ") : a->kind == ALERT_LOG_IDLE ? SV("no line has come in ") :
		a->kind == ALERT_LOG_BEHIND ? SV("the reader of ") : SV(""));
	buf_add_clean(to, sv_head(a->value, SHOWN_MAX));
	if (a->kind == ALERT_LOG_LOST && count)
		buf_addf(to, " are lost: %lld, %lld time%s", count, base, base == 1 ? "" : "s");
	else if (a->kind == ALERT_LOG_LOST)
		buf_addf(to, " are lost, %lld time%s", base, base == 1 ? "" : "s");
	else if (a->kind == ALERT_LOG_IDLE)
		buf_addf(to, " for more than %lld s,", base);
	else if (a->kind == ALERT_LOG_BEHIND)
		buf_addf(to, " is %lld s behind, %lld bytes,", count, base);
	else
		buf_add(to, SV(" is not there, or may not be read,"));
	buf_add(to, SV(" since "));
	add_time(to, a->since_s);
}

bool alert_is_of_log(enum alert_kind kind)
{
	return kinds[kind].form == A_LOG;
}

/* What, of what, since when */
static void add_finding(struct buf *to, const struct alert *a)
{
	int dimension = dimension_by_name(a->dimension);

	if (dimension == DIMENSION_COUNT)
		dimension = DIMENSION_ALL;
	if (kinds[a->kind].form == A_LOG) {
		add_log(to, a);
		return;
	}
	buf_add(to, sv_of(kinds[a->kind].what));
	buf_add(to, sv_of(dimensions[dimension].said));
	if (dimension != DIMENSION_ALL)
		buf_add_clean(to, sv_head(a->value, SHOWN_MAX));
	if (kinds[a->kind].form == A_RATE)
		add_rate(to, a);
	else
		add_jump(to, a);
	if (a->by.n) {
		buf_add(to, SV(", noticed by "));
		buf_add_clean(to, sv_head(a->by, HOST_SHOWN_MAX));
	}
}

void alert_text_over(const struct alert *a, struct buf *to)
{
	int dimension = dimension_by_name(a->dimension);

	buf_add(to, SV("over: "));
	add_finding(to, a);
	if (a->kind == ALERT_HARD) /* those that it came too late for are still to be taken back */
		add_undo(to, a, dimension == DIMENSION_COUNT ? DIMENSION_ALL : dimension);
}

void alert_text(const struct alert *a, struct buf *to)
{
	int dimension = dimension_by_name(a->dimension);

	add_finding(to, a);
	buf_addf(to, "; %s", kinds[a->kind].advice);
	if (a->kind == ALERT_HARD)
		add_undo(to, a, dimension == DIMENSION_COUNT ? DIMENSION_ALL : dimension);
}

bool alert_rate(bool open, int64_t count, int64_t base, int64_t limit_permille, int64_t minimum)
{
	__int128 share = (__int128)count * 1000, limit = (__int128)limit_permille * base;

	if (limit_permille <= 0)
		return false;
	if (base < minimum || base <= 0)
		return open;
	return open ? share * 100 >= limit * 80 : share > limit;
}
