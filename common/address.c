#include "address.h"

#include <idn2.h>
#include <stdlib.h>

#include "buf.h"

static bool is_utf8(struct sv s)
{
	while (s.n) {
		size_t len = utf8_len(s);
		if (len == 0)
			return false;
		s = sv_skip(s, len);
	}
	return true;
}

/* Copies the local part, unquoting if asked. False: too long, or a bad quoting. */
static enum address_result copy_local(struct sv local, enum address_form form,
	const struct address_options *options, struct address *out)
{
	bool quoted = false, ascii = true;
	size_t n = 0;

	for (size_t i = 0; i < local.n; i++) {
		char c = local.p[i];
		if (form == ADDRESS_EXTERNAL && c == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && c == '\\' && i + 1 < local.n)
			c = local.p[++i];
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return ADDRESS_BAD;
		if (n == ADDRESS_LOCAL_MAX)
			return ADDRESS_TOO_LONG;
		ascii = ascii && (unsigned char)c < 0x80;
		out->key[n++] = options->keep_case ? c : sv_lower(c);
	}
	out->n = n;
	if (quoted || n == 0 || (!ascii && !is_utf8(sv_make(out->key, n))))
		return ADDRESS_BAD;
	if (options->subaddress) {
		size_t cut = sv_find(sv_make(out->key, n), options->subaddress);
		if (cut > 0)
			out->n = cut;
	}
	return ADDRESS_OK;
}

/* Letters, digits, '-', '_' (met in practice) and dots between labels; or an address literal */
static bool domain_valid(struct sv d)
{
	if (d.n == 0 || d.n > ADDRESS_DOMAIN_MAX)
		return false;
	bool literal = d.p[0] == '[' && d.p[d.n - 1] == ']' && d.n > 2;
	struct sv inner = literal ? sv_make(d.p + 1, d.n - 2) : d;
	char before = '.';
	for (size_t i = 0; i < inner.n; i++) {
		char c = inner.p[i];
		bool ok = sv_is_alnum(c) || c == '-' || c == '.' || (literal ? c == ':' : c == '_');
		if (!ok || (c == '.' && before == '.'))
			return false;
		before = c;
	}
	return before != '.';
}

static bool to_a_label(struct sv domain, char *out, size_t *n_r)
{
	char u[ADDRESS_DOMAIN_MAX * 4 + 1];
	char *a = NULL;

	if (domain.n >= sizeof u || memchr(domain.p, 0, domain.n))
		return false;
	memcpy(u, domain.p, domain.n);
	u[domain.n] = '\0';
	/* NONTRANSITIONAL includes the mapping of UTS 46, hence the case folding */
	if (idn2_to_ascii_8z(u, &a, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK || !a)
		return false;
	size_t n = strlen(a);
	bool fits = n <= ADDRESS_DOMAIN_MAX;
	if (fits) {
		memcpy(out, a, n);
		*n_r = n;
	}
	free(a);
	return fits;
}

static enum address_result copy_domain(struct sv domain, struct address *out)
{
	size_t n = domain.n;
	bool ascii = true;

	for (size_t i = 0; i < domain.n; i++)
		if ((unsigned char)domain.p[i] >= 0x80)
			ascii = false;
	char *to = out->key + out->n;
	if (ascii) {
		if (n > ADDRESS_DOMAIN_MAX)
			return ADDRESS_TOO_LONG;
		for (size_t i = 0; i < n; i++)
			to[i] = sv_lower(domain.p[i]);
	} else if (!to_a_label(domain, to, &n)) {
		return ADDRESS_BAD;
	}
	if (!domain_valid(sv_make(to, n)))
		return ADDRESS_BAD;
	out->n += n;
	return ADDRESS_OK;
}

/* What may stand in most addresses, which are a key already but for capitals: in the local part, in the domain. */
enum { PLAIN_LOCAL = 1, PLAIN_DOMAIN = 2 };

static const unsigned char plain[256] = {
	['0' ... '9'] = PLAIN_LOCAL | PLAIN_DOMAIN, ['a' ... 'z'] = PLAIN_LOCAL | PLAIN_DOMAIN, ['A' ... 'Z'] = PLAIN_LOCAL | PLAIN_DOMAIN,
	['-'] = PLAIN_LOCAL | PLAIN_DOMAIN, ['_'] = PLAIN_LOCAL | PLAIN_DOMAIN, ['.'] = PLAIN_LOCAL | PLAIN_DOMAIN,
	['+'] = PLAIN_LOCAL, ['='] = PLAIN_LOCAL,
};

/* Index of the "@"; 0: it is another. */
static size_t copy_plain(struct sv text, const struct address_options *options, struct address *out)
{
	size_t at = 0, i;

	if (text.n > ADDRESS_DOMAIN_MAX)
		return 0;
	while (at < text.n && (plain[(unsigned char)text.p[at]] & PLAIN_LOCAL) && text.p[at] != options->subaddress) {
		out->key[at] = options->keep_case ? text.p[at] : sv_lower(text.p[at]);
		at++;
	}
	if (at == 0 || at == text.n || text.p[at] != '@')
		return 0;
	out->key[at] = '@';
	char before = '.';
	for (i = at + 1; i < text.n; i++) {
		char c = text.p[i];
		if (!(plain[(unsigned char)c] & PLAIN_DOMAIN) || (c == '.' && before == '.'))
			return 0;
		out->key[i] = sv_lower(c);
		before = c;
	}
	return before != '.' ? at : 0;
}

enum address_result address_parse(struct sv text, enum address_form form,
	const struct address_options *options, struct address *address_r)
{
	struct address out;

	if (text.n == 0)
		return ADDRESS_EMPTY;
	address_r->at = copy_plain(text, options, address_r);
	if (address_r->at) {
		address_r->n = text.n;
		address_r->key[text.n] = '\0';
		return ADDRESS_OK;
	}
	struct sv domain = sv_after_last(text, '@');
	size_t at = text.n - domain.n;
	if (at == 0)
		return ADDRESS_NO_DOMAIN;
	if (domain.n && domain.p[domain.n - 1] == '.')
		domain.n--;
	enum address_result result = copy_local(sv_head(text, at - 1), form, options, &out);
	if (result != ADDRESS_OK)
		return result;
	out.at = out.n;
	out.key[out.n++] = '@';
	result = copy_domain(domain, &out);
	if (result != ADDRESS_OK)
		return result;
	address_r->n = out.n;
	address_r->at = out.at;
	memcpy(address_r->key, out.key, out.n);
	address_r->key[out.n] = '\0';
	return ADDRESS_OK;
}

enum address_result address_parse_domain(struct sv text, struct address *address_r)
{
	const struct address_options options = { .keep_case = false };
	char with_user[4 * ADDRESS_DOMAIN_MAX] = "x@"; /* UTF-8 is longer than its A-labels, at times */

	if (text.n > sizeof with_user - 2)
		return ADDRESS_TOO_LONG;
	if (text.n)
		memcpy(with_user + 2, text.p, text.n);
	enum address_result result = address_parse(sv_make(with_user, text.n + 2), ADDRESS_EXTERNAL, &options, address_r);
	if (result != ADDRESS_OK)
		return result;
	if (address_r->at != 1) /* there is an "@" in it */
		return ADDRESS_BAD;
	memmove(address_r->key, address_r->key + 1, address_r->n); /* with the terminator */
	address_r->n--;
	address_r->at = 0;
	return ADDRESS_OK;
}

const char *address_problem(enum address_result result)
{
	switch (result) {
	case ADDRESS_OK:
		return "a mail address";
	case ADDRESS_EMPTY:
		return "the empty address";
	case ADDRESS_NO_DOMAIN:
		return "has no domain; write user@domain";
	case ADDRESS_TOO_LONG:
		return "is too long: at most 256 octets before the @ and 253 after it";
	case ADDRESS_BAD:
		break;
	}
	return "is not a mail address: control bytes, invalid UTF-8, an open quote or a domain that is none";
}
