/* page_lists: the worst of each kind, replies without a rule, typing errors, and what the words mean. */
#include "category.h"
#include "chart.h"
#include "findings.h"
#include "page_parts.h"

static void begin_section(struct page *p, const char *title)
{
	buf_addf(&p->to, "<section class=\"list\">\n<h2>%s</h2>\n", title);
}

static void add_note(struct page *p, const char *text)
{
	page_add(p, "<p class=\"note\">");
	page_add_period(&p->to, p->from_s, p->to_s);
	buf_addf(&p->to, ": %s</p>\n", text);
}

static void add_more(struct page *p, size_t n, size_t shown)
{
	if (n <= shown)
		return;
	page_add(p, "<p class=\"more\">and ");
	html_number(&p->to, (int64_t)(n - shown));
	page_add(p, " more</p>\n");
}

/* ---- bars ---- */

static void begin_bars(struct page *p)
{
	page_add(p, "<ul class=\"bars\">\n");
}

static void end_bars(struct page *p, int64_t most, const char *unit)
{
	buf_addf(&p->to, "<li class=\"axis\"><span class=\"name\">%s</span>", unit);
	chart_add_scale(&p->to, most);
	page_add(p, "</li>\n</ul>\n");
}

/* name: of the text and, cut alike, of the bar; note: HTML, perhaps empty. */
static void add_bar(struct page *p, struct sv name, struct sv note, const struct chart_bar *bar, int64_t most, struct sv value)
{
	char room[4096];
	struct buf title = BUF_ON(room);

	html_name_text(&title, name);
	buf_add(&title, SV(": "));
	buf_add(&title, value);
	page_add(p, "<li><span class=\"name\">");
	html_name(&p->to, name);
	buf_add(&p->to, note);
	page_add(p, "</span>");
	chart_add_bar(&p->to, bar, most, buf_sv(&title));
	page_add(p, "<span class=\"value\">");
	buf_add(&p->to, value);
	page_add(p, "</span></li>\n");
}

/* ---- categories ---- */

static const char *class_of(struct sv name)
{
	enum category category;

	if (!category_by_name(name, &category) || category_class(category) == CLASS_NONE)
		return "other";
	return class_name(category_class(category));
}

static void add_categories(struct page *p)
{
	const struct figures *f = &p->lists[LIST_CATEGORIES];
	struct figure total = figures_total(f);
	size_t shown = f->n < CATEGORY_COUNT ? f->n : CATEGORY_COUNT;

	begin_section(p, "Why mail came back");
	if (!total.n[FIGURE_FAILURES]) {
		page_add(p, "<p class=\"quiet\">Nothing failed in this time.</p>\n</section>\n");
		return;
	}
	add_note(p, "final failures by category, and whether they say that an address is dead (hard) or not (soft).");
	page_add_legend(p, (const struct page_key[]){ { "hard", "hard" }, { "soft", "soft" }, { "complaint", "complaint" }, { "not counted", "other" }, { NULL, NULL } });
	begin_bars(p);
	for (size_t i = 0; i < shown; i++) {
		int64_t n = f->v[i]->n[FIGURE_FAILURES];
		struct rate share = { n, total.n[FIGURE_FAILURES], 0 };
		enum category category;
		char note_room[200], value_room[80];
		struct buf note = BUF_ON(note_room), value = BUF_ON(value_room);
		if (category_by_name(f->v[i]->name, &category)) {
			buf_addf(&note, " <small>%s: ", category_class(category) == CLASS_NONE ? "not counted" : class_name(category_class(category)));
			html_text(&note, sv_of(category_meaning(category)));
			buf_add(&note, SV("</small>"));
		}
		html_number(&value, n);
		buf_add(&value, SV(" \xc2\xb7 "));
		html_percent(&value, rate_hundredths(&share));
		add_bar(p, f->v[i]->name, buf_sv(&note), &(const struct chart_bar){ 1, { class_of(f->v[i]->name) }, { n } }, f->v[0]->n[FIGURE_FAILURES], buf_sv(&value));
	}
	end_bars(p, f->v[0]->n[FIGURE_FAILURES], "failures");
	add_more(p, f->n, shown);
	page_add(p, "</section>\n");
}

/* ---- domains, providers, senders, campaigns ---- */

static int64_t failures(const struct figure *f)
{
	return f->n[FIGURE_HARD] + f->n[FIGURE_SOFT];
}

static void add_worst_table(struct page *p, const char *title, const char *first, const struct figures *f)
{
	static const struct page_column columns[] = { PAGE_COUNT("Attempts", FIGURE_ATTEMPTS), PAGE_COUNT("Delivered", FIGURE_DELIVERED),
		PAGE_COUNT("Soft", FIGURE_SOFT), PAGE_COUNT("Hard", FIGURE_HARD), PAGE_COUNT("Complaints", FIGURE_COMPLAINT),
		PAGE_RATE("Hard %", RATE_HARD), PAGE_RATE("All %", RATE_ALL), PAGE_RATE("Compl. %", RATE_COMPLAINT) };
	size_t n = sizeof columns / sizeof *columns, shown = f->n < PAGE_ROWS_MAX ? f->n : PAGE_ROWS_MAX;

	page_add(p, "<details>\n<summary>The numbers</summary>\n");
	page_begin_table(p, title, first, columns, n);
	for (size_t i = 0; i < shown; i++)
		page_add_row(p, f->v[i]->name, f->v[i], columns, n);
	page_end_table(p);
	add_more(p, f->n, shown);
	page_add(p, "</details>\n");
}

static int64_t most_failures(const struct figures *f)
{
	int64_t most = 0;

	for (size_t i = 0; i < f->n; i++)
		most = failures(f->v[i]) > most ? failures(f->v[i]) : most;
	return most;
}

static void add_worst_bar(struct page *p, const struct figure *f, int64_t most)
{
	struct rate all = figure_rate(f, RATE_ALL, p->config), hard = figure_rate(f, RATE_HARD, p->config);
	char room[200];
	struct buf value = BUF_ON(room);

	html_number(&value, failures(f));
	buf_add(&value, SV(" \xc2\xb7 "));
	html_percent(&value, rate_hundredths(&all));
	if (rate_is_over(&all, p->config) || rate_is_over(&hard, p->config))
		buf_add(&value, SV(" \xe2\x96\xb2"));
	add_bar(p, f->name, SV(""), &(const struct chart_bar){ 2, { "hard", "soft" }, { f->n[FIGURE_HARD], f->n[FIGURE_SOFT] } }, most, buf_sv(&value));
}

static void add_worst(struct page *p, enum page_list list)
{
	static const struct { const char *title, *first, *note, *none; } words[LIST_COUNT] = {
		[LIST_DESTS] = { "Worst domains", "Domain", "domains of recipients with the most bounces, and their share in all results there; \xe2\x96\xb2 is over a limit.", "There is no domain on record in this time." },
		[LIST_PROVIDERS] = { "Worst providers", "Provider", "whose servers answered, where that is known; \xe2\x96\xb2 is over a limit.", "No provider is known in this time." },
		[LIST_SENDERS] = { "Senders", "Sender", "domains of senders with the most bounces, and their share in all results; \xe2\x96\xb2 is over a limit.", "There is no sender on record in this time." },
		[LIST_CAMPAIGNS] = { "Campaigns", "Campaign", "campaigns with the most bounces, and their share in all results; \xe2\x96\xb2 is over a limit.",
			"No campaign is on record in this time; nixie-logtail(8), CAMPAIGNS, tells how Postfix logs them." },
	};
	const struct figures *f = &p->lists[list];
	int64_t most = most_failures(f);
	size_t failing = 0, shown = 0;

	for (size_t i = 0; i < f->n; i++)
		failing += failures(f->v[i]) > 0;
	begin_section(p, words[list].title);
	if (f->n)
		add_note(p, words[list].note);
	if (!f->n)
		buf_addf(&p->to, "<p class=\"quiet\">%s</p>\n", words[list].none);
	else if (!failing)
		page_add(p, "<p class=\"quiet\">None of them has a bounce.</p>\n");
	else
		page_add_legend(p, (const struct page_key[]){ { "hard bounce", "hard" }, { "soft bounce", "soft" }, { NULL, NULL } });
	if (failing) {
		begin_bars(p);
		for (size_t i = 0; i < f->n && shown < PAGE_BARS_MAX; i++) {
			if (failures(f->v[i]) == 0)
				continue;
			add_worst_bar(p, f->v[i], most);
			shown++;
		}
		end_bars(p, most, "bounces (messages)");
		add_more(p, failing, shown);
	}
	if (f->n)
		add_worst_table(p, words[list].title, words[list].first, f);
	page_add(p, "</section>\n");
}

/* ---- mail that came back ---- */

static void add_returns(struct page *p)
{
	static const char *const kinds[RETURNS_KINDS] = { [RETURNED_DSN] = "bounces", [RETURNED_COMPLAINT] = "complaints", [RETURNED_AUTOREPLY] = "automatic answers",
		[RETURNED_CHALLENGE] = "challenges", [RETURNED_REPORT] = "other reports", [RETURNED_ORDINARY] = "ordinary mail", [RETURNS_UNSUBSCRIBE] = "unsubscriptions" };
	const struct returns *r = &p->returns;
	int64_t most = 0;

	if (!r->mails) /* most hosts have none */
		return;
	begin_section(p, "Mail that came back");
	add_note(p, "bounces and complaints that came as mail. Counted: it proved what it says. Aside: it proves nothing, and has no effect (nixie aside). "
		"The rest has none either: a log, or another mail, had told it, or it says nothing of an address.");
	page_add_legend(p, (const struct page_key[]){ { "counted", "hard" }, { "aside", "soft" }, { "known, or of no effect", "other" }, { NULL, NULL } });
	for (int k = 0; k < RETURNS_KINDS; k++)
		most = r->kinds[k] > most ? r->kinds[k] : most;
	begin_bars(p);
	for (int k = 0; k < RETURNS_KINDS; k++) {
		const int64_t *n = r->n[k];
		const struct chart_bar bar = { 3, { "hard", "soft", "other" }, { n[RECEIVE_COUNTED], n[RECEIVE_ASIDE], n[RECEIVE_TOLD] + n[RECEIVE_NOTHING] } };
		char room[40];
		struct buf value = BUF_ON(room);
		html_number(&value, r->kinds[k]);
		if (r->kinds[k])
			add_bar(p, sv_of(kinds[k]), SV(""), &bar, most, buf_sv(&value));
	}
	end_bars(p, most, "mails");
	page_add(p, "</section>\n");
}

/* ---- replies without a rule, typing errors ---- */

static void add_unknowns(struct page *p)
{
	const struct unknowns *u = &p->unknowns;
	size_t shown = u->n < PAGE_BARS_MAX ? u->n : PAGE_BARS_MAX;

	begin_section(p, "Replies that no rule knows");
	if (!u->n) {
		page_add(p, "<p class=\"quiet\"><span class=\"ok\">\xe2\x9c\x93</span> All replies of these months were understood.</p>\n</section>\n");
		return;
	}
	page_add(p, "<p class=\"note\">In the months of this time, the most frequent first, and one of each as it was logged. They count as soft; "
		"nixie rules unknown --as-rules makes rules of them.</p>\n");
	begin_bars(p);
	for (size_t i = 0; i < shown; i++) {
		char note_room[8192], value_room[40];
		struct buf note = BUF_ON(note_room), value = BUF_ON(value_room);
		if (u->v[i]->example.n) {
			buf_add(&note, SV(" <small><bdi dir=\"ltr\">"));
			html_text(&note, sv_head(u->v[i]->example, 300));
			buf_add(&note, SV("</bdi></small>"));
		}
		html_number(&value, u->v[i]->n);
		add_bar(p, sv_eq(u->v[i]->text, SV("*")) ? SV("* (kinds that there was no room for)") : u->v[i]->text, note.full ? SV("") : buf_sv(&note),
			&(const struct chart_bar){ 1, { "other" }, { u->v[i]->n } }, u->v[0]->n, buf_sv(&value));
	}
	end_bars(p, u->v[0]->n, "replies");
	add_more(p, u->n, shown);
	page_add(p, "</section>\n");
}

struct typos {
	struct page *page;
	size_t n;
	int64_t most;
	bool measure; /* only looks for the most */
};

static void add_typo(void *arg, const struct finding *f)
{
	struct typos *t = arg;
	char note_room[1000], value_room[40];
	struct buf note = BUF_ON(note_room), value = BUF_ON(value_room);

	if (strcmp(f->kind, "typo") != 0)
		return;
	t->n++;
	t->most = f->count > t->most ? f->count : t->most;
	if (t->measure)
		return;
	buf_add(&note, SV(" <small>meant: "));
	html_name(&note, f->intended);
	buf_add(&note, SV("</small>"));
	html_number(&value, f->count);
	add_bar(t->page, f->value, buf_sv(&note), &(const struct chart_bar){ 1, { "hard" }, { f->count } }, t->most, buf_sv(&value));
}

static void add_typos(struct page *p)
{
	struct typos t = { .page = p, .measure = true };

	begin_section(p, "Typing errors of domains");
	findings_find(p->config, &p->days, &p->lists[LIST_DESTS], &p->lists[LIST_PROVIDERS], add_typo, &t);
	if (t.n) {
		add_note(p, "domains that took no mail and are probably mistyped, with the one that is meant.");
		begin_bars(p);
		t.measure = false;
		findings_find(p->config, &p->days, &p->lists[LIST_DESTS], &p->lists[LIST_PROVIDERS], add_typo, &t);
		end_bars(p, t.most, "bounces (messages)");
	} else {
		page_add(p, "<p class=\"quiet\">None was found in this time.</p>\n");
	}
	page_add(p, "</section>\n");
}

void page_add_lists(struct page *p)
{
	add_categories(p);
	for (int i = LIST_DESTS; i < LIST_COUNT; i++)
		add_worst(p, (enum page_list)i);
	add_returns(p);
	add_unknowns(p);
	add_typos(p);
	page_add(p, "</main>\n<footer>\n<p>Final results are deliveries, soft and hard bounces; one message to one recipient is one result, however often it was tried. "
		"Hard: the address is dead. Soft: it may take the next message. Rates of hard and all bounces are shares of the final results, that of complaints "
		"of what was delivered; limits are those of nixie.conf (alerts.hard, alerts.all, alerts.complaints). Days are UTC.</p>\n</footer>\n");
}
