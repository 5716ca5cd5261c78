/* page_head: what matters of a report, in words and numbers, and what needs somebody. */
#include "alert.h"
#include "cli.h"
#include "clock.h"
#include "findings.h"
#include "page_parts.h"

#define OK_SIGN "\xe2\x9c\x93"
#define OVER_SIGN "\xe2\x96\xb2"

/* ---- cards ---- */

static void add_limit(struct page *p, const struct rate *rate)
{
	buf_addf(&p->to, rate->limit_permille % 10 ? "%lld.%lld\xc2\xa0%%" : "%lld\xc2\xa0%%", (long long)(rate->limit_permille / 10), (long long)(rate->limit_permille % 10));
}

static void add_verdict(struct page *p, const struct rate *rate)
{
	if (!rate->limit_permille) {
		page_add(p, "<p class=\"note\">no limit is set</p>");
		return;
	}
	if (rate->of < p->config->alerts_minimum) {
		page_add(p, "<p class=\"note\">\xe2\x80\x93 too few results to judge: less than ");
		html_number(&p->to, p->config->alerts_minimum);
		page_add(p, "</p>");
		return;
	}
	bool over = rate_is_over(rate, p->config);
	page_add(p, over ? "<p class=\"verdict over\">" OVER_SIGN " over the limit of " : "<p class=\"verdict ok\">" OK_SIGN " within the limit of ");
	add_limit(p, rate);
	page_add(p, "</p>");
}

/* The rate, and what it was in the days before. */
static void add_rate(struct page *p, enum rate_kind kind, const char *of)
{
	struct rate rate = figure_rate(&p->total, kind, p->config), before = figure_rate(&p->before, kind, p->config);

	page_add(p, "<p class=\"rate\">");
	if (rate.of)
		html_percent(&p->to, rate_hundredths(&rate));
	else
		page_add(p, "\xe2\x80\x93");
	buf_addf(&p->to, " <small>%s</small></p>", of);
	add_verdict(p, &rate);
	if (before.of) {
		page_add(p, "<p class=\"note\">before: ");
		html_percent(&p->to, rate_hundredths(&before));
		page_add(p, "</p>");
	}
}

static void begin_card(struct page *p, const char *title, const char *class_, int64_t n)
{
	buf_addf(&p->to, "<div class=\"card\"><p class=\"label\">");
	if (class_)
		buf_addf(&p->to, "<svg class=\"key\" width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"c-%s\" width=\"12\" height=\"12\"/></svg>", class_);
	buf_addf(&p->to, "%s</p><p class=\"big\">", title);
	html_number(&p->to, n);
	page_add(p, "</p>");
}

static void end_card(struct page *p)
{
	page_add(p, "</div>\n");
}

static void add_cards(struct page *p)
{
	const struct figure *f = &p->total, hosts = figures_total(&p->hosts);
	struct rate delivered = { f->n[FIGURE_DELIVERED], figure_finals(f), 0 };

	page_add(p, "<div class=\"cards\">\n");
	begin_card(p, "Attempts", NULL, hosts.n[FIGURE_ATTEMPTS]);
	page_add(p, "<p class=\"note\">to deliver a message to somebody; ");
	html_number(&p->to, f->n[FIGURE_DEFERRED]);
	page_add(p, " of them were put off and tried again</p>");
	end_card(p);
	begin_card(p, "Delivered", "delivered", f->n[FIGURE_DELIVERED]);
	page_add(p, "<p class=\"rate\">");
	if (delivered.of)
		html_percent(&p->to, rate_hundredths(&delivered));
	else
		page_add(p, "\xe2\x80\x93");
	page_add(p, " <small>of final results</small></p>");
	end_card(p);
	begin_card(p, "Hard bounces", "hard", f->n[FIGURE_HARD]);
	add_rate(p, RATE_HARD, "of final results");
	end_card(p);
	begin_card(p, "Soft bounces", "soft", f->n[FIGURE_SOFT]);
	add_rate(p, RATE_ALL, "of results, with hard ones");
	end_card(p);
	begin_card(p, "Complaints", "complaint", f->n[FIGURE_COMPLAINT]);
	add_rate(p, RATE_COMPLAINT, "of what was delivered");
	end_card(p);
	begin_card(p, "Suppressed now", NULL, (int64_t)p->suppressed);
	page_add(p, "<p class=\"note\">addresses that mail is refused for; ");
	html_number(&p->to, f->n[FIGURE_SOFT_TO_HARD]);
	page_add(p, " came to it in this time by repeated soft bounces");
	if (p->scoped) {
		page_add(p, "; mail of some senders is refused for ");
		html_number(&p->to, (int64_t)p->scoped);
	}
	page_add(p, "</p>");
	end_card(p);
	page_add(p, "</div>\n");
}

/* ---- alerts and findings ---- */

static void add_alerts(struct page *p)
{
	size_t shown = p->alerts.n < PAGE_ALERTS_MAX ? p->alerts.n : PAGE_ALERTS_MAX;

	page_add(p, "<section>\n<h2>Open alerts</h2>\n");
	if (!p->alerts.n)
		page_add(p, "<p class=\"quiet\"><span class=\"ok\">" OK_SIGN "</span> No alert is open.</p>\n");
	else
		page_add(p, "<ul class=\"says\">\n");
	for (size_t i = 0; i < shown; i++) {
		const struct alert *a = &p->alerts.v[i].alert;
		char room[ALERT_TEXT_MAX], date[11];
		struct buf text = BUF_ON(room);
		alert_text(a, &text);
		clock_format_date(a->opened_s < 0 || a->opened_s > STATE_TIME_MAX_S ? 0 : a->opened_s, date);
		page_add(p, "<li><span class=\"over\">" OVER_SIGN "</span> ");
		html_text(&p->to, buf_sv(&text));
		buf_addf(&p->to, " <small>opened %s</small></li>\n", date);
	}
	if (p->alerts.n)
		page_add(p, "</ul>\n");
	if (shown < p->alerts.n)
		buf_addf(&p->to, "<p class=\"more\">and %zu more: nixie alerts</p>\n", p->alerts.n - shown);
	page_add(p, "</section>\n");
}

struct telling {
	struct page *page;
	size_t n;
};

/* Typing errors have a list of their own. */
static void add_finding(void *arg, const struct finding *f)
{
	struct telling *t = arg;

	if (strcmp(f->kind, "typo") == 0)
		return;
	if (t->n++ == 0)
		page_add(t->page, "<ul class=\"says\">\n");
	page_add(t->page, "<li>");
	html_text(&t->page->to, f->text);
	page_add(t->page, "</li>\n");
}

static void add_findings(struct page *p)
{
	struct telling t = { p, 0 };

	page_add(p, "<section>\n<h2>What the figures say</h2>\n");
	findings_find(p->config, &p->days, &p->lists[LIST_DESTS], &p->lists[LIST_PROVIDERS], add_finding, &t);
	page_add(p, t.n ? "</ul>\n" : "<p class=\"quiet\"><span class=\"ok\">" OK_SIGN "</span> No jump of hard bounces, no rate limit and no block that stands out.</p>\n");
	page_add(p, "</section>\n");
}

/* ---- ---- */

static void add_summary(struct page *p)
{
	static const char *const names[RATE_KINDS] = { "hard bounces", "all bounces", "complaints" };
	int over = 0;

	for (int i = 0; i < RATE_KINDS; i++) {
		struct rate rate = figure_rate(&p->total, (enum rate_kind)i, p->config);
		if (!rate_is_over(&rate, p->config))
			continue;
		buf_addf(&p->to, "%s%s", over++ ? ", " : "<p class=\"summary over\">" OVER_SIGN " Over the limit: ", names[i]);
	}
	if (over)
		page_add(p, "</p>\n");
	else if (!p->days.n)
		page_add(p, "<p class=\"summary\">There are no results in this time.</p>\n");
	else if (figure_finals(&p->total) < p->config->alerts_minimum)
		page_add(p, "<p class=\"summary\">\xe2\x80\x93 Too few results to judge the rates.</p>\n");
	else
		page_add(p, "<p class=\"summary ok\">" OK_SIGN " No rate is over its limit.</p>\n");
}

void page_add_head(struct page *p)
{
	char made[CLOCK_TEXT_MAX];
	int64_t days = (p->to_s - p->from_s) / CLOCK_DAY_S;

	clock_format_us(clock_now_s() * CLOCK_SECOND_US, made, sizeof made);
	page_add(p, "<header>\n<h1>Mail delivery</h1>\n<p class=\"lead\">");
	page_add_period(&p->to, p->from_s, p->to_s);
	buf_addf(&p->to, ", %lld day%s, UTC</p>\n<p class=\"note\">made %.10s %.5s UTC by nixie " NIXIE_VERSION " on ", (long long)days, days == 1 ? "" : "s", made, made + 11);
	html_text(&p->to, sv_of(cli_hostname()));
	page_add(p, "</p>\n");
	add_summary(p);
	page_add(p, "</header>\n<main>\n");
	add_cards(p);
	add_alerts(p);
	add_findings(p);
}
