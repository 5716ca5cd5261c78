#include "frame.h"

#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <wchar.h>

#include "arena.h"

/* Of a text: what is longer is cut. */
#define TEXT_MAX 2048
/* Of a line, beside its text: its place, and some colours. */
#define CODES_MAX 400

void frame_start(struct frame *f, size_t width, size_t height, bool codes)
{
	*f = (struct frame){ .width = width < FRAME_WIDTH_MAX ? width : FRAME_WIDTH_MAX, .height = height < FRAME_HEIGHT_MAX ? height : FRAME_HEIGHT_MAX,
		.codes = codes, .colours = codes && term_colours(stdout), .utf8 = codes && term_utf8(stdout) };
	f->to.size = (f->height + 1) * (4 * f->width + CODES_MAX);
	f->to.p = xalloc(f->to.size);
	if (codes)
		buf_addf(&f->to, "\033[H");
}

void frame_free(struct frame *f)
{
	free(f->to.p);
}

size_t frame_lines_left(const struct frame *f)
{
	return f->height - f->row;
}

size_t frame_cells_left(const struct frame *f)
{
	return f->width - f->column;
}

static void end_line(struct frame *f)
{
	if (f->row == 0)
		return;
	if (f->codes) { /* behind the last cell it would take that away */
		if (f->column < f->width)
			buf_addf(&f->to, "\033[K");
		return;
	}
	while (f->to.n && f->to.p[f->to.n - 1] == ' ')
		f->to.n--;
	buf_add_char(&f->to, '\n');
}

bool frame_line(struct frame *f)
{
	if (f->row == f->height)
		return false;
	end_line(f);
	f->row++;
	f->column = 0;
	if (f->codes)
		buf_addf(&f->to, "\033[%zu;1H", f->row);
	return true;
}

void frame_end(struct frame *f)
{
	end_line(f);
	if (f->codes && f->row < f->height)
		buf_addf(&f->to, "\033[%zu;1H\033[J", f->row + 1);
}

/* How many cells terminals give to a code point; 0: it has none of its own, or nobody knows. */
static size_t cells_of(struct sv point)
{
	static locale_t locale;
	wchar_t wide = (unsigned char)point.p[0] & (0x7f >> point.n);

	for (size_t i = 1; i < point.n; i++)
		wide = (wchar_t)((wide << 6) | ((unsigned char)point.p[i] & 0x3f));
	if (!locale)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	if (!locale)
		return 0;
	locale_t before = uselocale(locale);
	int cells = wcwidth(wide);
	(void)uselocale(before);
	return cells > 0 ? (size_t)cells : 0;
}

/* The next character of clean text, as this screen can show it. False at the end. */
static bool next_character(const struct frame *f, struct sv *rest, struct sv *shown_r, size_t *cells_r)
{
	size_t n = rest->n && (unsigned char)rest->p[0] >= 0x80 ? utf8_len(*rest) : 1;

	if (!rest->n)
		return false;
	*shown_r = sv_head(*rest, n ? n : 1);
	*rest = sv_skip(*rest, shown_r->n);
	*cells_r = 1;
	if (shown_r->n > 1)
		*cells_r = f->utf8 ? cells_of(*shown_r) : 0;
	if (*cells_r == 0) {
		*shown_r = SV("?");
		*cells_r = 1;
	}
	return true;
}

static size_t cells_in(const struct frame *f, struct sv text)
{
	struct sv shown;
	size_t n = 0, cells;

	while (next_character(f, &text, &shown, &cells))
		n += cells;
	return n;
}

/* Up to so many cells. */
static void put(struct frame *f, struct sv text, size_t room)
{
	bool cut = cells_in(f, text) > room;
	size_t left = cut ? room - 1 : room, cells;
	struct sv shown;

	while (next_character(f, &text, &shown, &cells) && cells <= left) {
		buf_add(&f->to, shown);
		left -= cells;
		f->column += cells;
	}
	if (cut) {
		buf_add(&f->to, f->utf8 ? SV("\xe2\x80\xa6") : SV("~"));
		f->column++;
	}
}

static void fill(struct frame *f, size_t cells)
{
	for (; cells && f->column < f->width; cells--, f->column++)
		buf_add_char(&f->to, ' ');
}

static void colour_on(struct frame *f, enum colour colour)
{
	if (f->colours && colour != COLOUR_PLAIN)
		buf_add(&f->to, sv_of(term_colour(stdout, colour)));
}

static void colour_off(struct frame *f, enum colour colour)
{
	if (f->colours && colour != COLOUR_PLAIN)
		buf_add(&f->to, sv_of(term_colour(stdout, COLOUR_PLAIN)));
}

void frame_add(struct frame *f, enum colour colour, struct sv text)
{
	char room[4 * TEXT_MAX];
	struct buf clean = BUF_ON(room);

	buf_add_clean(&clean, sv_head(text, TEXT_MAX));
	if (f->column == f->width)
		return;
	colour_on(f, colour);
	put(f, buf_sv(&clean), f->width - f->column);
	colour_off(f, colour);
}

void frame_addf(struct frame *f, enum colour colour, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	frame_add(f, colour, sv_of(text));
}

void frame_cell(struct frame *f, enum colour colour, struct sv text, size_t cells, bool right)
{
	char room[4 * TEXT_MAX];
	struct buf clean = BUF_ON(room);

	buf_add_clean(&clean, sv_head(text, TEXT_MAX));
	cells = cells < f->width - f->column ? cells : f->width - f->column;
	if (!cells)
		return;
	size_t wanted = cells_in(f, buf_sv(&clean)), end = f->column + cells;
	if (right && wanted < cells)
		fill(f, cells - wanted);
	colour_on(f, colour);
	put(f, buf_sv(&clean), cells);
	colour_off(f, colour);
	fill(f, end - f->column);
}

void frame_cellf(struct frame *f, enum colour colour, size_t cells, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	frame_cell(f, colour, sv_of(text), cells, true);
}
