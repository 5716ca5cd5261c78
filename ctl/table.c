#include "table.h"

#include <stdarg.h>


struct table_cell {
	struct sv text;
	enum colour colour;
};

size_t table_cells(struct sv text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

/* The bytes of the first so many code points. */
static struct sv head_cells(struct sv text, size_t cells)
{
	size_t i = 0;

	for (; i < text.n; i++)
		if (((unsigned char)text.p[i] & 0xc0) != 0x80 && cells-- == 0)
			break;
	return sv_head(text, i);
}

void table_add_cell(struct buf *to, struct sv text, size_t cells, bool right, bool utf8)
{
	size_t n = table_cells(text);

	for (size_t i = n; right && i < cells; i++)
		buf_add_char(to, ' ');
	if (n > cells) {
		buf_add(to, head_cells(text, cells ? cells - 1 : 0));
		buf_add(to, cells == 0 ? SV("") : utf8 ? SV("\xe2\x80\xa6") : SV("~"));
	} else {
		buf_add(to, text);
	}
	for (size_t i = n; !right && i < cells; i++)
		buf_add_char(to, ' ');
}

/* Of the first so many columns. False: they are narrower, but not enough. */
static bool fit_some(const struct table_column *columns, size_t n, const size_t *wanted, size_t width, size_t *fitted)
{
	size_t all = n ? TABLE_GAP * (n - 1) : 0;

	for (size_t i = 0; i < n; i++) {
		fitted[i] = wanted[i] < TABLE_WIDE ? wanted[i] : TABLE_WIDE;
		all += fitted[i];
	}
	for (; width && all > width; all--) {
		size_t widest = n;
		for (size_t i = 0; i < n; i++)
			if (columns[i].shrinks && fitted[i] > TABLE_NARROW && (widest == n || fitted[i] > fitted[widest]))
				widest = i;
		if (widest == n)
			return false;
		fitted[widest]--;
	}
	return true;
}

size_t table_fit(const struct table_column *columns, size_t n, const size_t *wanted, size_t width, size_t *fitted_r)
{
	while (!fit_some(columns, n, wanted, width, fitted_r) && n > 1)
		n--;
	return n;
}

void table_start(struct table *t, FILE *to, const struct table_column *columns, size_t n_columns)
{
	*t = (struct table){ .to = to, .width = term_width(to), .utf8 = term_utf8(to), .columns = columns, .n_columns = n_columns };
	for (size_t i = 0; i < n_columns; i++)
		t->wanted[i] = strlen(columns[i].title);
}

static void write_row(const struct table *t, const struct table_cell *row, const size_t *widths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char room[4 * TABLE_WIDE + 4];
		struct buf b = BUF_ON(room);
		bool last = i + 1 == n, fits = table_cells(row[i].text) <= widths[i];
		/* no blanks at the end of a line */
		table_add_cell(&b, row[i].text, last && !t->columns[i].right && fits ? table_cells(row[i].text) : widths[i], t->columns[i].right, t->utf8);
		(void)fprintf(t->to, "%s%.*s%s%*s", row[i].colour ? term_colour(t->to, row[i].colour) : "", SV_ARG(buf_sv(&b)),
			row[i].colour ? term_colour(t->to, COLOUR_PLAIN) : "", last ? 0 : TABLE_GAP, "");
	}
	(void)fputc('\n', t->to);
}

static void flush_rows(struct table *t)
{
	size_t widths[TABLE_COLUMNS_MAX];
	struct table_cell titles[TABLE_COLUMNS_MAX];

	size_t n = table_fit(t->columns, t->n_columns, t->wanted, t->width, widths);
	for (size_t i = 0; i < t->n_columns; i++)
		titles[i] = (struct table_cell){ sv_of(t->columns[i].title), COLOUR_BOLD };
	if (!t->titled)
		write_row(t, titles, widths, n);
	t->titled = true;
	for (size_t i = 0; i + t->n_columns <= t->n; i += t->n_columns)
		write_row(t, t->cells + i, widths, n);
	t->n = 0;
	t->cells = NULL;
	arena_reset(&t->arena);
}

void table_add(struct table *t, struct sv text, enum colour colour)
{
	char room[4 * TABLE_WIDE];
	struct buf b = BUF_ON(room);
	size_t column = t->n % t->n_columns;

	if (!t->cells)
		t->cells = arena_alloc(&t->arena, TABLE_ROWS * t->n_columns * sizeof *t->cells);
	buf_add_clean(&b, sv_head(text, TABLE_WIDE));
	struct sv clean = arena_dup(&t->arena, buf_sv(&b));
	t->cells[t->n++] = (struct table_cell){ clean, colour };
	size_t cells = table_cells(clean);
	t->wanted[column] = cells > t->wanted[column] ? cells : t->wanted[column];
	if (t->n == TABLE_ROWS * t->n_columns)
		flush_rows(t);
}

void table_addf(struct table *t, enum colour colour, const char *format, ...)
{
	char text[TABLE_WIDE + 1];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	table_add(t, sv_of(text), colour);
}

void table_end(struct table *t)
{
	if (t->n)
		flush_rows(t);
	arena_free(&t->arena);
}
