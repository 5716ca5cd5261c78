#include "buf.h"

#include <stdarg.h>
#include <stdio.h>

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

void buf_add_number(struct buf *b, int64_t value)
{
	char digits[20];
	size_t n = 0;
	uint64_t u = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do
		digits[sizeof digits - ++n] = (char)('0' + u % 10);
	while (u /= 10);
	if (value < 0)
		buf_add_char(b, '-');
	buf_add(b, sv_make(digits + sizeof digits - n, n));
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list ap;
	if (b->full)
		return;
	va_start(ap, format);
	int n = vsnprintf(b->p + b->n, b->size - b->n, format, ap);
	va_end(ap);
	/* vsnprintf wants room for its NUL, which is not part of the bytes */
	if (n < 0 || (size_t)n >= b->size - b->n)
		b->full = true;
	else
		b->n += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
	if (b->size == 0)
		return "";
	if (b->n == b->size)
		b->n--;
	b->p[b->n] = '\0';
	return b->p;
}

void buf_add_utf8(struct buf *b, uint32_t c)
{
	char bytes[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(first[n] | c);
	buf_add(b, sv_make(bytes, n));
}

size_t utf8_len(struct sv s)
{
	if (s.n == 0)
		return 0;
	const unsigned char *u = (const unsigned char *)s.p;
	size_t len = u[0] < 0x80 ? 1 : u[0] >= 0xc2 && u[0] < 0xe0 ? 2 :
		(u[0] & 0xf0) == 0xe0 ? 3 : u[0] >= 0xf0 && u[0] < 0xf5 ? 4 : 0;
	if (len == 0 || len > s.n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) || /* overlong, surrogate */
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return len;
}

/* U+0080..U+009F are controls too, and some terminals obey them */
static bool is_c1_control(struct sv s, size_t len)
{
	return len == 2 && s.p[0] == '\xc2' && (unsigned char)s.p[1] < 0xa0;
}

/* U+2028 and 2029 end a line, U+202A..202E and 2066..2069 have what follows shown in another order: of an address, or of the rest of a line */
static bool is_layout_control(struct sv s, size_t len)
{
	unsigned char last = len == 3 ? (unsigned char)s.p[2] : 0;

	return len == 3 && ((sv_starts(s, SV("\xe2\x80")) && last >= 0xa8 && last <= 0xae) || (sv_starts(s, SV("\xe2\x81")) && last >= 0xa6 && last <= 0xa9));
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Eight bytes at a time: in which of them is the highest bit set once those below n, or those that are c, have it? */
#define EACH(c) (UINT64_C(0x0101010101010101) * (unsigned char)(c))
#define BELOW(word, n) (((word) - EACH(n)) & ~(word))
#define EQUAL(word, c) BELOW((word) ^ EACH(c), 1)

static bool is_plain(char c)
{
	return c >= 0x20 && c < 0x7f;
}

static bool eight_plain(const char *p, bool quoted)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	uint64_t odd = word | BELOW(word, 0x20) | EQUAL(word, 0x7f);
	if (quoted)
		odd |= EQUAL(word, '"') | EQUAL(word, '\\');
	return (odd & EACH(0x80)) == 0;
}

/* Bytes at the front that are as harmless as they look: most of all texts. quoted: " and \ are not. */
static size_t plain(struct sv bytes, bool quoted)
{
	size_t n = 0;

	while (n + 8 <= bytes.n && eight_plain(bytes.p + n, quoted))
		n += 8;
	/* the last eight: some of them again */
	if (bytes.n >= 8 && bytes.n - n < 8 && eight_plain(bytes.p + bytes.n - 8, quoted))
		return bytes.n;
	while (n < bytes.n && is_plain(bytes.p[n]) && !(quoted && (bytes.p[n] == '"' || bytes.p[n] == '\\')))
		n++;
	return n;
}

void buf_add_clean(struct buf *b, struct sv bytes)
{
	while (bytes.n && !b->full) {
		size_t run = plain(bytes, false), room = b->size - b->n;
		if (run) {
			buf_add(b, sv_head(bytes, run < room ? run : room));
			b->full = run > room;
			bytes = sv_skip(bytes, run);
			continue;
		}
		size_t len = utf8_len(bytes);
		if (len == 0 || (len == 1 && is_control(*bytes.p)) || is_c1_control(bytes, len) || is_layout_control(bytes, len)) {
			for (size_t i = 0; i < (len ? len : 1); i++)
				buf_addf(b, "\\x%02x", (unsigned)(unsigned char)bytes.p[i]);
		} else {
			buf_add(b, sv_head(bytes, len));
		}
		bytes = sv_skip(bytes, len ? len : 1);
	}
}

struct sv buf_unescape(struct sv s, char *room)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool escaped = s.p[i] == '%' && i + 2 < s.n && sv_hex(s.p[i + 1]) >= 0 && sv_hex(s.p[i + 2]) >= 0;
		room[n++] = escaped ? (char)(sv_hex(s.p[i + 1]) * 16 + sv_hex(s.p[i + 2])) : s.p[i];
		i += escaped ? 2 : 0;
	}
	return sv_make(room, n);
}

static void add_json_char(struct buf *b, struct sv bytes, size_t len)
{
	char c = *bytes.p;

	if (len == 0)
		buf_add(b, SV("\xef\xbf\xbd"));
	else if (c == '"' || c == '\\')
		buf_addf(b, "\\%c", c);
	else if (c == '\n')
		buf_add(b, SV("\\n"));
	else if (c == '\t')
		buf_add(b, SV("\\t"));
	else if (is_control(c))
		buf_addf(b, "\\u%04x", (unsigned)(unsigned char)c);
	else if (is_c1_control(bytes, len))
		buf_addf(b, "\\u%04x", (unsigned)(unsigned char)bytes.p[1]);
	else
		buf_add(b, sv_head(bytes, len));
}

void buf_add_json(struct buf *b, struct sv bytes)
{
	buf_add_char(b, '"');
	while (bytes.n && !b->full) {
		size_t run = plain(bytes, true);
		if (run) {
			buf_add(b, sv_head(bytes, run));
		} else {
			size_t len = utf8_len(bytes);
			add_json_char(b, bytes, len);
			run = len ? len : 1;
		}
		bytes = sv_skip(bytes, run);
	}
	buf_add_char(b, '"');
}
