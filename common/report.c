#include "report.h"

#include "address.h"
#include "buf.h"
#include "clock.h"
#include "scope.h"
#include "term.h"

#define BAR_WIDTH 24
#define STATUS_WIDTH 10
/* Bytes of a reply that are shown. */
#define TEXT_MAX 110

static void add_count(void *arg, struct sv day, struct sv name, int64_t value)
{
	struct totals *t = arg;
	enum category category;
	static const struct { struct sv name; size_t offset; } fields[] = {
		{ { "delivered", 9 }, offsetof(struct totals, delivered) },
		{ { "soft", 4 }, offsetof(struct totals, soft) },
		{ { "hard", 4 }, offsetof(struct totals, hard) },
		{ { "complaint", 9 }, offsetof(struct totals, complaint) },
		{ { "deferred", 8 }, offsetof(struct totals, deferred) },
		{ { "hard-as-soft", 12 }, offsetof(struct totals, hard_as_soft) },
		{ { "soft-to-hard", 12 }, offsetof(struct totals, soft_to_hard) },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (sv_eq(name, fields[i].name))
			*(int64_t *)((char *)t + fields[i].offset) += value;
	if (sv_take(&name, SV("cat:")) && category_by_name(name, &category))
		t->category[category] += value;
	if (day.n == 8 && (!t->first_day[0] || memcmp(day.p, t->first_day, 8) < 0))
		memcpy(t->first_day, day.p, 8);
	if (day.n == 8 && memcmp(day.p, t->last_day, 8) > 0)
		memcpy(t->last_day, day.p, 8);
}

static bool count_entry(void *arg, struct sv address, const struct entry *entry)
{
	struct totals *t = arg;

	(void)address;
	if (entry_suppressed(entry, clock_now_s())) /* a term may be over */
		t->suppressed[entry->status]++;
	return true;
}

static bool count_scoped(void *arg, struct sv address, const struct entry *entry)
{
	struct totals *t = arg;
	struct sv rest = entry->scopes;
	bool has[STATUS_ALLOW + 1] = { false }, any = false;
	struct scope s;

	(void)address;
	while (scopes_next(&rest, &s))
		if (!s.until_s || clock_now_s() < s.until_s)
			any = has[s.status] = true;
	t->scoped += any;
	for (int i = 0; i <= STATUS_ALLOW; i++)
		t->scoped_by[i] += has[i];
	return true;
}

enum store_result totals_read(struct store *store, struct totals *t, struct err *err)
{
	*t = (struct totals){ 0 };
	static const struct sv fields[] = { { "status", 6 }, { "origin", 6 }, { "until", 5 }, { "parole", 6 } }, scoped_fields[] = { { "scopes", 6 } };
	struct suppressed_some some = SUPPRESSED_ALL;
	enum store_result result = store_counts(store, SV(""), add_count, t, err);

	some.fields = fields;
	some.n_fields = sizeof fields / sizeof *fields;
	if (result == STORE_OK)
		result = store_suppressed_some(store, &some, count_entry, t, err);
	some.fields = scoped_fields;
	some.n_fields = sizeof scoped_fields / sizeof *scoped_fields;
	some.scoped = true;
	return result == STORE_OK ? store_suppressed_some(store, &some, count_scoped, t, err) : result;
}

static void add_coloured(struct buf *b, bool colours, enum colour colour, const char *text)
{
	buf_add(b, sv_of(colours ? term_code(colour) : ""));
	buf_add(b, sv_of(text));
	buf_add(b, sv_of(colours ? term_code(COLOUR_PLAIN) : ""));
}

void report_entry_line(FILE *out, struct sv address, const struct entry *e)
{
	char room[4 * (ADDRESS_KEY_MAX + TEXT_MAX) + 200], day[11];
	struct buf b = BUF_ON(room);
	static FILE *asked; /* a list has a million lines, and whether they go to a terminal is a question to the kernel */
	static bool colours;

	if (out != asked)
		colours = term_colours(out);
	asked = out;
	clock_format_date(e->since_s, day);
	buf_add(&b, SV("  "));
	add_coloured(&b, colours, e->status == STATUS_ALLOW ? COLOUR_GREEN : COLOUR_RED, status_name(e->status));
	for (size_t n = strlen(status_name(e->status)); n < STATUS_WIDTH; n++)
		buf_add_char(&b, ' ');
	buf_add_clean(&b, address);
	buf_add(&b, SV("  "));
	buf_add(&b, sv_of(entry_by_hand(e) ? "by hand" : category_name(e->reason)));
	buf_add(&b, SV(" since "));
	buf_add(&b, sv_of(day));
	if (e->until_s) {
		clock_format_date(e->until_s, day);
		buf_add(&b, SV(" until "));
		buf_add(&b, sv_of(day));
	}
	if (e->text.n) {
		buf_add(&b, SV("\n            "));
		buf_add(&b, sv_of(colours ? term_code(COLOUR_DIM) : ""));
		buf_add_clean(&b, sv_head(e->text, TEXT_MAX));
		buf_add(&b, e->text.n > TEXT_MAX ? SV("...") : SV(""));
		buf_add(&b, sv_of(colours ? term_code(COLOUR_PLAIN) : ""));
	}
	buf_add_char(&b, '\n');
	(void)fwrite(b.p, 1, b.n, out);
}

struct listing {
	FILE *out;
	unsigned shown;
};

static bool list_entry(void *arg, struct sv address, const struct entry *entry)
{
	struct listing *l = arg;

	if (!entry_suppressed(entry, clock_now_s()))
		return true;
	report_entry_line(l->out, address, entry);
	return ++l->shown < REPORT_ADDRESSES_MAX;
}

static void print_line(FILE *out, const char *name, int64_t value, int64_t total, enum colour colour, const char *note)
{
	(void)fprintf(out, "  %s%-12s%s %10lld", term_colour(out, colour), name, term_colour(out, COLOUR_PLAIN), (long long)value);
	if (total > 0)
		(void)fprintf(out, " %6.2f %%", 100.0 * (double)value / (double)total);
	(void)fprintf(out, "%s%s\n", *note ? "  " : "", note);
}

static void print_categories(FILE *out, const struct totals *t)
{
	int64_t most = 0;

	for (int i = 0; i < CATEGORY_COUNT; i++)
		most = t->category[i] > most ? t->category[i] : most;
	if (!most)
		return;
	(void)fprintf(out, "\n%sWhy mail failed%s\n", term_colour(out, COLOUR_BOLD), term_colour(out, COLOUR_PLAIN));
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		if (!t->category[i])
			continue;
		enum category c = (enum category)i;
		/* classes have 4 letters, a complaint has 9: the number gives way */
		const char *class = class_name(category_class(c));
		(void)fprintf(out, "  %-20s %s %*lld ", category_name(c), class, 13 - (int)strlen(class), (long long)t->category[i]);
		term_bar(out, (uint64_t)t->category[i], (uint64_t)most, BAR_WIDTH);
		(void)fprintf(out, " %s\n", category_meaning(c));
	}
}

/* "Suppressed addresses: 3  hard 2  manual 1" */
static void print_by_status(FILE *out, const char *what, uint64_t n, const uint64_t by[STATUS_ALLOW + 1])
{
	(void)fprintf(out, "%s%s: %llu%s", term_colour(out, COLOUR_BOLD), what, (unsigned long long)n, term_colour(out, COLOUR_PLAIN));
	for (int i = 0; i <= STATUS_ALLOW; i++)
		if (by[i])
			(void)fprintf(out, "  %s %llu", status_name((enum status)i), (unsigned long long)by[i]);
	(void)fputc('\n', out);
}

static void print_totals(FILE *out, const struct totals *t)
{
	int64_t final = t->delivered + t->soft + t->hard;
	uint64_t suppressed = 0;

	(void)fprintf(out, "%sDelivery results", term_colour(out, COLOUR_BOLD));
	if (t->first_day[0])
		(void)fprintf(out, " from %.4s-%.2s-%.2s to %.4s-%.2s-%.2s (UTC)", t->first_day, t->first_day + 4, t->first_day + 6,
			t->last_day, t->last_day + 4, t->last_day + 6);
	(void)fprintf(out, "%s\n", term_colour(out, COLOUR_PLAIN));
	print_line(out, "delivered", t->delivered, final, COLOUR_GREEN, "");
	print_line(out, "soft", t->soft, final, COLOUR_YELLOW, "failed for good this time; the address may be fine");
	print_line(out, "hard", t->hard, final, COLOUR_RED, "the address is dead");
	print_line(out, "converted", t->hard_as_soft + t->soft_to_hard, 0, COLOUR_BLUE, "");
	(void)fprintf(out, "                 %lld of code 5xx are soft, %lld became held or hard by repetition\n",
		(long long)t->hard_as_soft, (long long)t->soft_to_hard);
	print_line(out, "deferrals", t->deferred, 0, COLOUR_PLAIN, "tried again later; in no rate");
	print_categories(out, t);
	for (int i = 0; i <= STATUS_ALLOW; i++)
		suppressed += t->suppressed[i];
	(void)fputc('\n', out);
	if (t->scoped)
		print_by_status(out, "Suppressed for some senders", t->scoped, t->scoped_by);
	print_by_status(out, "Suppressed addresses", suppressed, t->suppressed);
}

enum store_result report_summary(struct store *store, FILE *out, struct err *err)
{
	struct totals t;
	struct listing listing = { out, 0 };
	uint64_t suppressed = 0;
	enum store_result result = totals_read(store, &t, err);

	if (result != STORE_OK)
		return result;
	print_totals(out, &t);
	result = store_suppressed(store, list_entry, &listing, err);
	for (int i = 0; i <= STATUS_ALLOW; i++)
		suppressed += t.suppressed[i];
	if (result == STORE_OK && suppressed > listing.shown)
		(void)fprintf(out, "  ... and %llu more\n", (unsigned long long)suppressed - listing.shown);
	return result;
}

/* ,"status":{"hard":2,"manual":1} */
static void print_status_json(FILE *out, const char *name, const uint64_t by[STATUS_ALLOW + 1])
{
	const char *comma = "";

	(void)fprintf(out, ",\"%s\":{", name);
	for (int i = 0; i <= STATUS_ALLOW; i++) {
		if (!by[i])
			continue;
		(void)fprintf(out, "%s\"%s\":%llu", comma, status_name((enum status)i), (unsigned long long)by[i]);
		comma = ",";
	}
	(void)fputs("}", out);
}

void report_totals_json(const struct totals *t, FILE *out)
{
	uint64_t suppressed = 0;
	const char *comma = "";

	for (int i = 0; i <= STATUS_ALLOW; i++)
		suppressed += t->suppressed[i];
	(void)fprintf(out, "{\"first_day\":\"%s\",\"last_day\":\"%s\",\"delivered\":%lld,\"soft\":%lld,\"hard\":%lld,\"complaint\":%lld,"
		"\"deferred\":%lld,\"hard-as-soft\":%lld,\"soft-to-hard\":%lld,\"suppressed\":%llu",
		t->first_day, t->last_day, (long long)t->delivered, (long long)t->soft, (long long)t->hard, (long long)t->complaint,
		(long long)t->deferred, (long long)t->hard_as_soft, (long long)t->soft_to_hard, (unsigned long long)suppressed);
	print_status_json(out, "status", t->suppressed);
	(void)fprintf(out, ",\"scoped\":%llu", (unsigned long long)t->scoped);
	print_status_json(out, "scoped-status", t->scoped_by);
	(void)fputs(",\"categories\":{", out);
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		if (!t->category[i])
			continue;
		(void)fprintf(out, "%s\"%s\":%lld", comma, category_name((enum category)i), (long long)t->category[i]);
		comma = ",";
	}
	(void)fputs("}}\n", out);
}
