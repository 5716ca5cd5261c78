#include "html.h"

static const char *entity(char c)
{
	switch (c) {
	case '&': return "&amp;";
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

static unsigned code_point(struct sv s, size_t len)
{
	unsigned point = (unsigned char)s.p[0] & (len == 2 ? 0x1f : len == 3 ? 0x0f : 0x07);

	for (size_t i = 1; i < len; i++)
		point = point << 6 | ((unsigned char)s.p[i] & 0x3f);
	return point;
}

/* Marks of direction and line ends, which change the text around them, and what XML has not. */
static bool is_unwanted(unsigned point)
{
	return point == 0x61c || point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
		(point >= 0x2066 && point <= 0x2069) || (point & 0xfffe) == 0xfffe;
}

void html_text(struct buf *to, struct sv text)
{
	while (text.n && !to->full) {
		size_t len = utf8_len(text);
		const char *as = entity(*text.p);
		if (as)
			buf_add(to, sv_of(as));
		else if (len > 1 && is_unwanted(code_point(text, len)))
			for (size_t i = 0; i < len; i++)
				buf_addf(to, "\\x%02x", (unsigned)(unsigned char)text.p[i]);
		else
			buf_add_clean(to, sv_head(text, len ? len : 1));
		text = sv_skip(text, len ? len : 1);
	}
}

void html_name_text(struct buf *to, struct sv name)
{
	size_t at = 0;

	for (int i = 0; i < HTML_NAME_CHARACTERS && at < name.n; i++) {
		size_t len = utf8_len(sv_skip(name, at));
		at += len ? len : 1;
	}
	html_text(to, sv_head(name, at));
	if (at < name.n)
		buf_add(to, SV("\xe2\x80\xa6"));
}

void html_name(struct buf *to, struct sv name)
{
	buf_add(to, SV("<bdi dir=\"ltr\">"));
	html_name_text(to, name);
	buf_add(to, SV("</bdi>"));
}

void html_number(struct buf *to, int64_t n)
{
	char digits[32];
	struct buf b = BUF_ON(digits);

	buf_addf(&b, "%lld", (long long)n);
	for (size_t i = 0; i < b.n; i++) {
		if (i > (n < 0) && (b.n - i) % 3 == 0)
			buf_add_char(to, ',');
		buf_add_char(to, digits[i]);
	}
}

void html_short(struct buf *to, int64_t n)
{
	static const struct { int64_t unit; const char *name; } units[] = { { INT64_C(1000000000), "G" }, { 1000000, "M" }, { 1000, "k" } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		int64_t unit = units[i].unit, hundredths = n % unit / (unit / 100);
		if (n < unit)
			continue;
		buf_addf(to, "%lld", (long long)(n / unit));
		if (hundredths)
			buf_addf(to, hundredths % 10 ? ".%02lld" : ".%lld", (long long)(hundredths % 10 ? hundredths : hundredths / 10));
		buf_add(to, sv_of(units[i].name));
		return;
	}
	buf_addf(to, "%lld", (long long)n);
}

void html_percent(struct buf *to, int64_t hundredths)
{
	buf_addf(to, "%lld.%02lld\xc2\xa0%%", (long long)(hundredths / 100), (long long)(hundredths % 100));
}
