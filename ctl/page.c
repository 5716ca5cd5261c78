#include "page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "page_parts.h"
#include "replace.h"

__asm__(".pushsection .rodata\n"
	"nixie_page_css:\n"
	".incbin \"ctl/page.css\"\n"
	".byte 0\n"
	".popsection\n");
extern const char nixie_page_css[];

void page_add(struct page *p, const char *html)
{
	buf_add(&p->to, sv_of(html));
}

void page_add_period(struct buf *to, int64_t from_s, int64_t to_s)
{
	char from[11], last[11];

	clock_format_date(from_s, from);
	clock_format_date(to_s - CLOCK_DAY_S, last);
	buf_addf(to, strcmp(from, last) == 0 ? "%s" : "%s to %s", from, last);
}

/* ---- tables and legends ---- */

void page_begin_table(struct page *p, const char *caption, const char *first, const struct page_column *columns, size_t n)
{
	buf_addf(&p->to, "<table><caption>%s</caption><thead><tr><th scope=\"col\">%s</th>", caption, first);
	for (size_t i = 0; i < n; i++)
		buf_addf(&p->to, "<th scope=\"col\">%s</th>", columns[i].title);
	page_add(p, "</tr></thead><tbody>\n");
}

static void add_rate_cell(struct page *p, const struct figure *f, const struct page_column *c)
{
	struct rate rate = figure_rate(f, (enum rate_kind)c->rate, p->config);
	bool over = rate_is_over(&rate, p->config);

	buf_addf(&p->to, "<td data-l=\"%s\"%s>", c->title, over ? " class=\"over\"" : "");
	if (over)
		page_add(p, "<span title=\"over the limit\">\xe2\x96\xb2</span> ");
	if (rate.of)
		html_percent(&p->to, rate_hundredths(&rate));
	else
		page_add(p, "\xe2\x80\x93");
	page_add(p, "</td>");
}

void page_add_row(struct page *p, struct sv name, const struct figure *f, const struct page_column *columns, size_t n)
{
	page_add(p, "<tr><th scope=\"row\">");
	html_name(&p->to, name);
	page_add(p, "</th>");
	for (size_t i = 0; i < n; i++) {
		if (columns[i].rate >= 0) {
			add_rate_cell(p, f, &columns[i]);
			continue;
		}
		buf_addf(&p->to, "<td data-l=\"%s\">", columns[i].title);
		html_number(&p->to, f->n[columns[i].counter]);
		page_add(p, "</td>");
	}
	page_add(p, "</tr>\n");
}

void page_end_table(struct page *p)
{
	page_add(p, "</tbody></table>\n");
}

void page_add_legend(struct page *p, const struct page_key *keys)
{
	page_add(p, "<ul class=\"legend\">");
	for (; keys->name; keys++) {
		if (keys->class_)
			buf_addf(&p->to, "<li><svg class=\"key\" width=\"14\" height=\"14\" aria-hidden=\"true\"><rect class=\"c-%s\" width=\"14\" height=\"14\"/></svg>", keys->class_);
		else
			page_add(p, "<li><svg class=\"key\" width=\"22\" height=\"14\" aria-hidden=\"true\"><line class=\"limit\" x1=\"0\" x2=\"22\" y1=\"7\" y2=\"7\"/></svg>");
		buf_addf(&p->to, "%s</li>", keys->name);
	}
	page_add(p, "</ul>\n");
}

/* ---- all of it ---- */

static void add_page(struct page *p)
{
	page_add(p, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
		"form-action 'none'\"/>\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"color-scheme\" content=\"light dark\"/>\n"
		"<meta name=\"robots\" content=\"noindex\"/>\n<meta name=\"referrer\" content=\"no-referrer\"/>\n"
		"<link rel=\"icon\" href=\"data:,\"/>\n<title>Mail delivery, ");
	page_add_period(&p->to, p->from_s, p->to_s);
	page_add(p, "</title>\n<style>\n");
	page_add(p, nixie_page_css);
	page_add(p, "</style>\n</head>\n<body>\n");
	page_add_head(p);
	page_add_times(p);
	page_add_lists(p);
	page_add(p, "</body>\n</html>\n");
}

/* ---- reading ---- */

static void add_up(struct figure *sum, const struct figures *days, int64_t from_s, int64_t to_s)
{
	for (size_t i = 0; i < days->n; i++)
		for (int j = 0; j < FIGURE_COUNTERS && days->v[i]->begin_s >= from_s && days->v[i]->begin_s < to_s; j++)
			sum->n[j] += days->v[i]->n[j];
}

static enum store_result read_unknowns(struct page *p, struct store *store, struct err *err)
{
	char first[9], last[9];

	clock_format_day(p->from_s, first);
	clock_format_day(p->to_s - 1, last);
	first[6] = last[6] = '\0';
	enum store_result result = unknown_read(&p->unknowns, store, first, last, err);
	p->unknowns.first = p->unknowns.last = NULL;
	return result;
}

static enum store_result read_all(struct page *p, struct store *store, struct err *err)
{
	static const enum figure_by by[LIST_COUNT] = { BY_CATEGORY, BY_DEST, BY_PROVIDER, BY_SENDER, BY_CAMPAIGN };
	int64_t before_s = p->from_s - (p->to_s - p->from_s);
	int64_t year_s = clock_before_us(p->to_s * CLOCK_SECOND_US, (struct span){ .months = 12 }) / CLOCK_SECOND_US;
	int64_t first_s = before_s < 0 ? 0 : before_s < year_s ? before_s : year_s;
	enum store_result result = figures_read(&p->year, store, BY_DAY, first_s, p->to_s, err);

	if (result == STORE_OK)
		result = figures_read(&p->days, store, BY_DAY, p->from_s, p->to_s, err);
	if (p->days.n && p->from_s == 0) /* all that there is */
		p->from_s = p->days.v[0]->begin_s;
	if (result == STORE_OK)
		result = figures_read(&p->hosts, store, BY_HOST, p->from_s, p->to_s, err);
	for (int i = 0; result == STORE_OK && i < LIST_COUNT; i++)
		result = figures_read(&p->lists[i], store, by[i], p->from_s, p->to_s, err);
	if (result == STORE_OK)
		result = returns_read(&p->returns, store, p->from_s, p->to_s, err);
	if (result == STORE_OK)
		result = read_unknowns(p, store, err);
	if (result == STORE_OK)
		result = alerts_read_open(store, &p->alerts, err);
	if (result == STORE_OK)
		result = store_suppressed_count(store, &p->suppressed, err);
	if (result == STORE_OK)
		result = store_scoped_count(store, &p->scoped, err);
	p->total = figures_total(&p->days);
	add_up(&p->before, &p->year, before_s, p->from_s);
	return result;
}

static void free_all(struct page *p)
{
	figures_free(&p->year);
	figures_free(&p->days);
	figures_free(&p->hosts);
	for (int i = 0; i < LIST_COUNT; i++)
		figures_free(&p->lists[i]);
	unknown_free(&p->unknowns);
	alerts_free(&p->alerts);
	free(p->to.p);
}

/* ---- writing ---- */

/* Replies of servers stand in it: a new file is not for all to read. One that is there, for a web server perhaps, stays as it was
 * for whom. */
static int save(const char *path, struct sv page)
{
	struct replacement file;
	int code = replace_open(&file, path, 0640, true);

	if (code != EXIT_OK)
		return code;
	(void)fwrite(page.p, 1, page.n, file.to);
	return replace_close(&file, code);
}

/* A reader that went away has what it wanted. */
static int print(struct sv page)
{
	if ((fwrite(page.p, 1, page.n, stdout) == page.n && fflush(stdout) == 0) || errno == EPIPE)
		return EXIT_OK;
	log_error("cannot write the output: %m");
	return EXIT_NOT_FOUND;
}

int page_write(struct ctl *ctl, const char *path, int64_t from_s, int64_t to_s)
{
	struct page *p = xalloc(sizeof *p);
	struct err err;
	int code;

	*p = (struct page){ .config = &ctl->config, .from_s = from_s, .to_s = to_s };
	p->to = (struct buf){ xalloc(PAGE_BYTES_MAX), 0, PAGE_BYTES_MAX, false };
	if (read_all(p, ctl->store, &err) != STORE_OK) {
		code = verb_store_failed(&err);
	} else {
		add_page(p);
		code = strcmp(path, "-") != 0 ? save(path, buf_sv(&p->to)) : print(buf_sv(&p->to));
		if (code == EXIT_OK && !p->days.n)
			code = EXIT_NOT_FOUND;
	}
	free_all(p);
	free(p);
	return code;
}
