/* sv: a borrowed string: pointer and length, never a terminator, never owned.
 *
 * Whoever made the bytes keeps them; an sv is valid as long as they are.
 * Passed by value. An empty sv may have a NULL pointer. */
#ifndef NIXIE_SV_H
#define NIXIE_SV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NIXIE_MUST_CHECK __attribute__((warn_unused_result))
#define NIXIE_PRINTF(f, a) __attribute__((format(printf, f, a)))

struct sv {
	const char *p;
	size_t n;
};

#define SV(literal) ((struct sv){ "" literal, sizeof(literal) - 1 })
/* for printf's "%.*s" */
#define SV_ARG(s) ((int)((s).n < 1000000 ? (s).n : 1000000)), ((s).p ? (s).p : "")

static inline struct sv sv_of(const char *cstr)
{
	return (struct sv){ cstr, cstr ? strlen(cstr) : 0 };
}

static inline struct sv sv_make(const char *p, size_t n)
{
	return (struct sv){ p, n };
}

/* memcmp(3) == 0 for the short strings that ours are: without a call */
static inline bool sv_same_bytes(const char *a, const char *b, size_t n)
{
	uint64_t x, y;
	size_t i = 0;

	if (__builtin_constant_p(n))
		return n == 0 || memcmp(a, b, n) == 0;
	if (n < 4) {
		while (i < n && a[i] == b[i])
			i++;
		return i == n;
	}
	if (n < sizeof x) { /* the first four, and the last four: some of them again */
		uint32_t u[4];
		memcpy(&u[0], a, 4);
		memcpy(&u[1], b, 4);
		memcpy(&u[2], a + n - 4, 4);
		memcpy(&u[3], b + n - 4, 4);
		return u[0] == u[1] && u[2] == u[3];
	}
	for (; i + sizeof x < n; i += sizeof x) {
		memcpy(&x, a + i, sizeof x);
		memcpy(&y, b + i, sizeof y);
		if (x != y)
			return false;
	}
	/* the last eight: some of them again */
	memcpy(&x, a + n - sizeof x, sizeof x);
	memcpy(&y, b + n - sizeof y, sizeof y);
	return x == y;
}

static inline bool sv_eq(struct sv a, struct sv b)
{
	return a.n == b.n && sv_same_bytes(a.p, b.p, a.n);
}

/* ASCII only, whatever the locale: mail protocols are */
static inline char sv_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool sv_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool sv_is_alnum(char c)
{
	return (unsigned char)(c - '0') <= 9 || (unsigned char)((c | 0x20) - 'a') <= 'z' - 'a';
}

/* the value of a hexadecimal digit, -1 when it is none */
static inline int sv_hex(char c)
{
	char l = sv_lower(c);
	return sv_is_digit(c) ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static inline bool sv_eq_nocase(struct sv a, struct sv b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (sv_lower(a.p[i]) != sv_lower(b.p[i]))
			return false;
	return true;
}

static inline bool sv_starts(struct sv s, struct sv prefix)
{
	return s.n >= prefix.n && sv_same_bytes(s.p, prefix.p, prefix.n);
}

static inline bool sv_starts_nocase(struct sv s, struct sv prefix)
{
	return s.n >= prefix.n && sv_eq_nocase(sv_make(s.p, prefix.n), prefix);
}

static inline bool sv_ends_nocase(struct sv s, struct sv suffix)
{
	return s.n >= suffix.n && sv_eq_nocase(sv_make(s.p + s.n - suffix.n, suffix.n), suffix);
}

/* the rest after n bytes; empty when n is past the end */
static inline struct sv sv_skip(struct sv s, size_t n)
{
	if (n >= s.n)
		return sv_make(s.n ? s.p + s.n : s.p, 0); /* no arithmetic on NULL */
	return sv_make(s.p + n, s.n - n);
}

static inline struct sv sv_head(struct sv s, size_t n)
{
	return sv_make(s.p, n < s.n ? n : s.n);
}

/* index of the byte, or s.n when it is not there */
static inline size_t sv_find(struct sv s, char c)
{
	const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
	return hit ? (size_t)(hit - s.p) : s.n;
}

/* what stands behind the last c; all of s when it is not there */
static inline struct sv sv_after_last(struct sv s, char c)
{
	const char *hit = s.n ? memrchr(s.p, c, s.n) : NULL;
	return hit ? sv_skip(s, (size_t)(hit - s.p) + 1) : s;
}

/* index of the first occurrence of needle, or s.n when it is not there; not memmem(3): that
 * prepares itself longer than it takes to look through a line of a log */
static inline size_t sv_find_sv(struct sv s, struct sv needle)
{
	if (needle.n == 0)
		return 0;
	for (size_t at = 0; at + needle.n <= s.n; at++) {
		const char *hit = memchr(s.p + at, needle.p[0], s.n - needle.n + 1 - at);
		if (!hit)
			break;
		at = (size_t)(hit - s.p);
		if (memcmp(hit, needle.p, needle.n) == 0)
			return at;
	}
	return s.n;
}

static inline struct sv sv_trim(struct sv s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = sv_skip(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* "<user@example.com>" without blanks around it and its brackets; without them as it is. */
static inline struct sv sv_unbracket(struct sv s)
{
	s = sv_trim(s);
	return s.n > 1 && s.p[0] == '<' && s.p[s.n - 1] == '>' ? sv_make(s.p + 1, s.n - 2) : s;
}

/* Takes `prefix` off the front of *s. False, and *s untouched, when it is not there. */
static inline bool sv_take(struct sv *s, struct sv prefix)
{
	if (!sv_starts(*s, prefix))
		return false;
	*s = sv_skip(*s, prefix.n);
	return true;
}

/* Cuts *s at the first c: returns what is before, leaves what is after.
 * Without c, returns all and leaves nothing. */
static inline struct sv sv_cut(struct sv *s, char c)
{
	size_t at = sv_find(*s, c);
	struct sv head = sv_make(s->p, at);
	*s = sv_skip(*s, at < s->n ? at + 1 : at);
	return head;
}

/* Unsigned decimal, the whole of s, at most max. False on anything else. */
static inline NIXIE_MUST_CHECK bool sv_u64(struct sv s, uint64_t max, uint64_t *value_r)
{
	uint64_t v = 0;
	if (s.n == 0 || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!sv_is_digit(s.p[i]))
			return false;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (i == 19 && v > (UINT64_MAX - digit) / 10) /* fewer digits always fit */
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*value_r = v;
	return true;
}

/* FNV-1a folded over 8 bytes at a time would need care with tails; this one is
 * the plain 64-bit FNV-1a: good enough for tables of names, not for secrets. */
static inline uint64_t sv_hash(struct sv s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return h;
}

#endif
