#include "plain.h"

#include "buf.h"

#define NO_BREAK_SPACE 0xa0
#define REPLACEMENT 0xfffd
/* Of an element; longer ones are none, and of addresses no more is looked at */
#define NAME_MAX_BYTES 80

/* What stands between two characters is known when the second one comes. */
struct plain {
	struct buf out;
	unsigned ends; /* of lines */
	bool blank, preformatted;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_one_of(struct sv name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eq_nocase(name, sv_of(names[i])))
			return true;
	return false;
}

/* ---- what comes out ---- */

static void end_line(struct plain *p, unsigned ends)
{
	if (p->ends < ends)
		p->ends = ends;
}

static void add(struct plain *p, struct sv character)
{
	if (p->out.n && p->ends)
		buf_add(&p->out, sv_head(SV("\n\n"), p->ends));
	else if (p->out.n && p->blank)
		buf_add_char(&p->out, ' ');
	p->ends = 0;
	p->blank = false;
	buf_add(&p->out, character);
}

static void add_character(struct plain *p, uint32_t c)
{
	char room[4];
	struct buf b = BUF_ON(room);

	if (c == NO_BREAK_SPACE || (c < 0x80 && is_blank((char)c))) {
		p->blank = true;
		return;
	}
	buf_add_utf8(&b, c);
	add(p, buf_sv(&b));
}

/* ---- entities ---- */

/* from U+00A0 on */
static const char *const latin[] = { "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy", "reg",
	"macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest",
	"Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml",
	"ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig",
	"agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml",
	"eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml" };

static const struct { const char *name; uint32_t c; } others[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' },
	{ "commat", '@' }, { "ndash", 0x2013 }, { "mdash", 0x2014 }, { "lsquo", 0x2018 }, { "rsquo", 0x2019 }, { "sbquo", 0x201a }, { "ldquo", 0x201c },
	{ "rdquo", 0x201d }, { "bdquo", 0x201e }, { "bull", 0x2022 }, { "hellip", 0x2026 }, { "euro", 0x20ac }, { "trade", 0x2122 } };

/* "#64", "#x40": 0 when it is none */
static uint32_t numbered(struct sv name)
{
	bool hex = name.n > 1 && sv_lower(name.p[1]) == 'x';
	struct sv digits = sv_skip(name, hex ? 2 : 1);
	uint32_t c = 0;

	if (!digits.n || digits.n > 7)
		return 0;
	for (size_t i = 0; i < digits.n; i++) {
		if (hex ? sv_hex(digits.p[i]) < 0 : !sv_is_digit(digits.p[i]))
			return 0;
		c = c * (hex ? 16 : 10) + (uint32_t)sv_hex(digits.p[i]);
	}
	bool control = (c < 0x20 && !is_blank((char)c)) || (c >= 0x7f && c < NO_BREAK_SPACE);
	return control || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? REPLACEMENT : c;
}

static uint32_t named(struct sv name)
{
	for (uint32_t i = 0; i < sizeof latin / sizeof *latin; i++)
		if (sv_eq(name, sv_of(latin[i])))
			return NO_BREAK_SPACE + i;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (sv_eq(name, sv_of(others[i].name)))
			return others[i].c;
	return 0;
}

/* Of "&name;" at the front; else of "&". */
static struct sv skip_entity(struct plain *p, struct sv s)
{
	struct sv name = sv_skip(sv_head(s, 12), 1);
	size_t n = sv_find(name, ';');
	uint32_t c = 0;

	if (n && n < name.n)
		c = name.p[0] == '#' ? numbered(sv_head(name, n)) : named(sv_head(name, n));
	add_character(p, c ? c : '&');
	return sv_skip(s, c ? n + 2 : 1);
}

/* ---- tags ---- */

/* behind the ">" of a tag, those within quotes passed over; where a quote is not closed behind the first one */
static struct sv skip_tag(struct sv s)
{
	char quote = '\0';

	for (size_t i = 1; i < s.n; i++) {
		if (quote)
			quote = s.p[i] == quote ? '\0' : quote;
		else if (s.p[i] == '"' || s.p[i] == '\'')
			quote = s.p[i];
		else if (s.p[i] == '>')
			return sv_skip(s, i + 1);
	}
	return sv_skip(s, sv_find(s, '>') + 1);
}

/* What lies within an element that nobody sees: s begins behind its tag. */
static struct sv skip_unseen(struct sv s, struct sv name)
{
	for (s = sv_skip(s, sv_find_sv(s, SV("</"))); s.n; s = sv_skip(s, 2 + sv_find_sv(sv_skip(s, 2), SV("</"))))
		if (sv_starts_nocase(sv_skip(s, 2), name))
			return s;
	return s;
}

static void lay_out(struct plain *p, struct sv name, bool closes)
{
	static const char *const paragraphs[] = { "p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "ul", "ol", "dl", "blockquote" };
	static const char *const blocks[] = { "div", "tr", "li", "dt", "dd", "hr", "address", "article", "aside", "body", "center", "caption", "fieldset",
		"figure", "footer", "form", "header", "legend", "main", "nav", "option", "section" };
	static const char *const cells[] = { "td", "th" };

	if (sv_eq_nocase(name, SV("br")))
		end_line(p, p->ends < 2 ? p->ends + 1 : 2);
	else if (is_one_of(name, paragraphs, sizeof paragraphs / sizeof *paragraphs))
		end_line(p, 2);
	else if (is_one_of(name, blocks, sizeof blocks / sizeof *blocks))
		end_line(p, 1);
	else if (is_one_of(name, cells, sizeof cells / sizeof *cells))
		p->blank = true;
	if (sv_eq_nocase(name, SV("pre")))
		p->preformatted = !closes;
}

/* Of the "<" at the front and what belongs to it. */
static struct sv skip_markup(struct plain *p, struct sv s)
{
	static const char *const unseen[] = { "script", "style", "title" };
	bool closes = s.n > 1 && s.p[1] == '/';
	struct sv name = sv_head(sv_skip(s, closes ? 2 : 1), NAME_MAX_BYTES);
	size_t n = 0;

	if (sv_starts(s, SV("<!--")))
		return sv_skip(s, sv_find_sv(sv_skip(s, 2), SV("-->")) + 5);
	if (sv_starts(name, SV("!")) || sv_starts(name, SV("?")))
		return sv_skip(s, sv_find(s, '>') + 1);
	while (n < name.n && !is_blank(name.p[n]) && name.p[n] != '/' && name.p[n] != '>' && name.p[n] != '@')
		n++;
	if (n == 0 || n == name.n || name.p[n] == '@' || !sv_is_alnum(name.p[0]) || sv_is_digit(name.p[0])) {
		add_character(p, '<');
		return sv_skip(s, 1);
	}
	name.n = n;
	lay_out(p, name, closes);
	s = skip_tag(s);
	return !closes && is_one_of(name, unseen, sizeof unseen / sizeof *unseen) ? skip_unseen(s, name) : s;
}

/* ---- all ---- */

static struct sv skip_text(struct plain *p, struct sv s)
{
	size_t n = utf8_len(s) ? utf8_len(s) : 1;

	if (p->preformatted && s.p[0] == '\n')
		end_line(p, p->ends < 2 ? p->ends + 1 : 2);
	else if (is_blank(s.p[0]) || sv_starts(s, SV("\xc2\xa0")))
		p->blank = true;
	else
		add(p, sv_head(s, n));
	return sv_skip(s, n);
}

struct sv plain_of_html(struct arena *arena, struct sv html)
{
	struct plain p = { .out = { .p = arena_take(arena, html.n + 1), .size = html.n + 1 } };

	while (html.n)
		html = html.p[0] == '<' ? skip_markup(&p, html) : html.p[0] == '&' ? skip_entity(&p, html) : skip_text(&p, html);
	if (p.out.n)
		buf_add_char(&p.out, '\n');
	return buf_sv(&p.out);
}
