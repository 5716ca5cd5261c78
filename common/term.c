#include "term.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"

#define REDRAW_MS 100
#define BAR_WIDTH 30

bool term_colours(FILE *stream)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(stream)) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

const char *term_code(enum colour colour)
{
	static const char *const codes[] = { "\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m" };

	return codes[colour];
}

const char *term_colour(FILE *stream, enum colour colour)
{
	return term_colours(stream) ? term_code(colour) : "";
}

size_t term_width(FILE *stream)
{
	struct winsize size;

	if (!isatty(fileno(stream)))
		return 0;
	if (ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80; /* as terminals were */
	return size.ws_col > TERM_WIDTH_MIN ? size.ws_col : TERM_WIDTH_MIN;
}

bool term_utf8(FILE *stream)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value = NULL;

	for (size_t i = 0; i < sizeof names / sizeof *names && !(value && *value); i++)
		value = getenv(names[i]);
	struct sv charset = sv_after_last(sv_of(value ? value : ""), '.');
	return isatty(fileno(stream)) && (sv_starts_nocase(charset, SV("utf-8")) || sv_starts_nocase(charset, SV("utf8")));
}

void term_clean(FILE *stream, struct sv text)
{
	char clean[4096];
	struct buf b = BUF_ON(clean);

	buf_add_clean(&b, sv_head(text, 1000));
	(void)fwrite(b.p, 1, b.n, stream);
}

const char *term_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

void term_bar(FILE *stream, uint64_t value, uint64_t total, int width)
{
	bool blocks = term_utf8(stream);
	int cells = total ? (int)((double)value / (double)total * width + 0.5) : 0;

	if (value && !cells)
		cells = 1;
	for (int i = 0; i < width; i++)
		(void)fputs(i < cells ? (blocks ? "\xe2\x96\x88" : "#") : " ", stream);
}

void progress_start(struct progress *p, FILE *stream, const char *what)
{
	*p = (struct progress){ .stream = stream, .what = what, .started_ms = clock_mono_ms() };
}

static void draw(struct progress *p, uint64_t done, uint64_t total, uint64_t lines)
{
	double seconds = (double)(clock_mono_ms() - p->started_ms) / 1000.0;
	double share = total ? (double)done / (double)total : 0;
	double left = share > 0 && share < 1 ? seconds / share - seconds : 0;
	double per_second = seconds > 0 ? 1 / seconds : 0;
	const char *unit = p->unit ? p->unit : "lines";

	if (!total) { /* how much there is nobody knows */
		(void)fprintf(p->stream, "%s  %llu %s", p->what, (unsigned long long)lines, unit);
		return;
	}
	(void)fprintf(p->stream, "%s [", p->what);
	term_bar(p->stream, done, total, BAR_WIDTH);
	(void)fprintf(p->stream, "] %3.0f%%  %llu %s  %.0f %s/s", share * 100, (unsigned long long)lines, unit, (double)lines * per_second, unit);
	if (!p->unit)
		(void)fprintf(p->stream, "  %.1f MiB/s", (double)done / (1024 * 1024) * per_second);
	if (left >= 60)
		(void)fprintf(p->stream, "  %.0f min left", left / 60);
	else if (left >= 1)
		(void)fprintf(p->stream, "  %.0f s left", left);
}

void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t lines)
{
	int64_t now_ms = clock_mono_ms();

	if (!p->stream || !isatty(fileno(p->stream)) || now_ms - p->drawn_ms < REDRAW_MS)
		return;
	p->drawn_ms = now_ms;
	p->open = true;
	(void)fputs("\r", p->stream);
	draw(p, done, total, lines);
	(void)fputs("\033[K", p->stream);
	(void)fflush(p->stream);
}

void progress_end(struct progress *p, uint64_t done, uint64_t lines)
{
	if (!p->stream)
		return;
	if (p->open)
		(void)fputs("\r", p->stream);
	draw(p, done, done, lines);
	(void)fputs(p->open ? "\033[K\n" : "\n", p->stream);
	(void)fflush(p->stream);
}
