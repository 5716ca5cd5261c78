#include "authres.h"

#include "address.h"
#include "config.h"

/* ---- words, comments, quoted strings ---- */

/* Skips blanks and comments. False: a comment does not end. */
static bool skip_cfws(struct sv *s)
{
	size_t depth = 0;

	while (s->n) {
		char c = s->p[0];
		if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '\\' && depth)
			*s = sv_skip(*s, 1);
		else if (!depth && c != ' ' && c != '\t' && c != '\r' && c != '\n')
			return true;
		*s = sv_skip(*s, 1);
	}
	return depth == 0;
}

/* A name: letters, digits, "-", "_". False: there is none. */
static bool take_word(struct sv *s, struct sv *word_r)
{
	size_t n = 0;

	while (n < s->n && (sv_is_alnum(s->p[n]) || s->p[n] == '-' || s->p[n] == '_'))
		n++;
	*word_r = sv_head(*s, n);
	*s = sv_skip(*s, n);
	return n > 0;
}

static bool ends_value(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '(' || c == ')';
}

#define VALUE_MAX 320

struct value {
	size_t n;
	char text[VALUE_MAX]; /* without quotes */
	bool cut;
};

static void add_to_value(struct value *value, char c)
{
	if (value->n < sizeof value->text)
		value->text[value->n++] = c;
	else
		value->cut = true;
}

static bool take_quoted(struct sv *s, struct value *value)
{
	for (*s = sv_skip(*s, 1); s->n && s->p[0] != '"'; *s = sv_skip(*s, 1)) {
		if (s->p[0] == '\\' && s->n > 1)
			*s = sv_skip(*s, 1);
		add_to_value(value, s->p[0]);
	}
	bool ends = s->n > 0;
	*s = sv_skip(*s, 1);
	return ends;
}

/* A token, a quoted string, or an address, whose local part can be either. False: there is none, or it does not end. */
static bool take_value(struct sv *s, struct value *value)
{
	size_t before = s->n;

	value->n = 0;
	value->cut = false;
	while (s->n && !ends_value(s->p[0])) {
		if (s->p[0] == '"') {
			if (!take_quoted(s, value))
				return false;
			continue;
		}
		add_to_value(value, s->p[0]);
		*s = sv_skip(*s, 1);
	}
	return s->n < before;
}

static bool take_char(struct sv *s, char c)
{
	if (!skip_cfws(s) || !s->n || s->p[0] != c)
		return false;
	*s = sv_skip(*s, 1);
	return skip_cfws(s);
}

/* ---- one result ---- */

struct result {
	struct sv method, result;
	unsigned n_d, n_from, n_mailfrom; /* how many there are of header.d, header.from and smtp.mailfrom */
	struct value d, from, mailfrom;
};

/* "reason=...", or "header.d=..." */
static bool take_property(struct sv *s, struct result *r)
{
	struct value value, *to = NULL;
	struct sv type, name;

	if (!take_word(s, &type) || !skip_cfws(s))
		return false;
	if (!sv_eq_nocase(type, SV("reason"))) {
		if (!take_char(s, '.') || !take_word(s, &name))
			return false;
		bool header = sv_eq_nocase(type, SV("header"));
		if (header && sv_eq_nocase(name, SV("d")) && ++r->n_d)
			to = &r->d;
		else if (header && sv_eq_nocase(name, SV("from")) && ++r->n_from)
			to = &r->from;
		else if (sv_eq_nocase(type, SV("smtp")) && sv_eq_nocase(name, SV("mailfrom")) && ++r->n_mailfrom)
			to = &r->mailfrom;
	}
	if (!take_char(s, '=') || !take_value(s, &value) || !skip_cfws(s))
		return false;
	if (to)
		*to = value;
	return true;
}

/* What stands between two ";". False: it is not understood. */
static bool take_result(struct sv *s, struct result *r)
{
	struct sv version;

	*r = (struct result){ .n_d = 0 };
	if (!take_word(s, &r->method) || !skip_cfws(s))
		return false;
	if (s->n && s->p[0] == '/')
		if (!take_char(s, '/') || !take_word(s, &version) || !sv_eq(version, SV("1")))
			return false;
	if (!take_char(s, '=') || !take_word(s, &r->result) || !skip_cfws(s))
		return false;
	while (s->n && s->p[0] != ';')
		if (!take_property(s, r))
			return false;
	return true;
}

/* ---- the header ---- */

/* Up to the first ";". */
static bool take_id(struct sv *s, struct value *id)
{
	struct sv version;

	if (!skip_cfws(s) || !take_value(s, id) || !skip_cfws(s))
		return false;
	if (s->n && s->p[0] != ';')
		if (!take_word(s, &version) || !sv_eq(version, SV("1")) || !skip_cfws(s))
			return false;
	return s->n && s->p[0] == ';';
}

static bool is_ours(const struct strings *ids, struct sv value)
{
	struct value id;

	if (!skip_cfws(&value) || !take_value(&value, &id) || id.cut)
		return false;
	for (size_t i = 0; i < ids->n; i++)
		if (sv_eq_nocase(sv_of(ids->v[i]), sv_make(id.text, id.n)))
			return true;
	return false;
}

/* ---- domains ---- */

/* of those that have a dot: nobody speaks for all of a top-level domain */
static bool is_or_below(struct sv domain, struct sv above)
{
	if (sv_eq(domain, above))
		return true;
	return sv_find(above, '.') < above.n && domain.n > above.n && domain.p[domain.n - above.n - 1] == '.' &&
		sv_eq(sv_skip(domain, domain.n - above.n), above);
}

static bool value_key(unsigned n, const struct value *value, struct address *key)
{
	return n == 1 && !value->cut && address_parse_domain(sv_make(value->text, value->n), key) == ADDRESS_OK;
}

/* Of "user@example.com", "@example.com" or "example.com". */
static bool mailfrom_key(const struct result *r, struct address *key)
{
	return r->n_mailfrom == 1 && !r->mailfrom.cut &&
		address_parse_domain(sv_after_last(sv_make(r->mailfrom.text, r->mailfrom.n), '@'), key) == ADDRESS_OK;
}

struct told {
	bool dkim_at_or_below, dkim_at_or_above; /* a signature that is right, of this domain or one below it; or above it */
	bool spf;                                /* its sender in the envelope is of this domain, one below it or above it */
	bool dmarc, dmarc_pass;                  /* something is said of DMARC; and it passed, for this domain */
};

static void take_from_result(const struct result *r, struct sv domain, struct told *told)
{
	bool pass = sv_eq_nocase(r->result, SV("pass"));
	struct address key;

	if (sv_eq_nocase(r->method, SV("dkim")) && pass && value_key(r->n_d, &r->d, &key)) {
		told->dkim_at_or_below |= is_or_below(address_domain(&key), domain);
		told->dkim_at_or_above |= is_or_below(domain, address_domain(&key));
	}
	if (sv_eq_nocase(r->method, SV("spf")) && pass && mailfrom_key(r, &key))
		told->spf |= is_or_below(address_domain(&key), domain) || is_or_below(domain, address_domain(&key));
	if (sv_eq_nocase(r->method, SV("dmarc")) && !sv_eq_nocase(r->result, SV("none"))) { /* none: the domain has no policy */
		bool right = pass && value_key(r->n_from, &r->from, &key) && sv_eq(address_domain(&key), domain);
		told->dmarc_pass = right && (!told->dmarc || told->dmarc_pass);
		told->dmarc = true;
	}
}

/* False: something in it is not understood. */
static bool read_one(struct sv s, struct sv domain, struct told *told)
{
	struct result r;
	struct value id;

	/* as long as this it may have been cut (mail.h), in the middle of a name */
	if (s.n > MAIL_LINE_MAX / 2 || !take_id(&s, &id))
		return false;
	while (s.n) {
		if (!take_char(&s, ';'))
			return false;
		if (!s.n)
			break; /* nothing behind the last, which some write */
		if (!take_result(&s, &r)) /* or "none" */
			return false;
		take_from_result(&r, domain, told);
	}
	return true;
}

/* What the headers of ours tell of the domain; nothing at all where something in them is not understood. Above the first Received all
 * are of servers that had the message already, and each filter writes one of its own. */
static struct told read_ours(const struct mail_fields *headers, const struct strings *ids, struct sv domain)
{
	static const struct told nothing = { .dmarc = false };
	struct told told = nothing;
	struct address key;
	bool above = mail_field(headers, SV("Received")).n > 0, any = false;

	if (address_parse_domain(domain, &key) != ADDRESS_OK)
		return nothing;
	for (size_t i = 0; i < headers->n && (above || !any); i++) {
		const struct mail_field *h = &headers->v[i];
		above = above && !sv_eq_nocase(h->name, SV("Received"));
		if (!sv_eq_nocase(h->name, SV("Authentication-Results")) || !is_ours(ids, h->value))
			continue;
		if (!read_one(h->value, address_domain(&key), &told))
			return nothing;
		any = true;
	}
	return told;
}

bool authres_dkim_pass(const struct mail_fields *headers, const struct strings *ids, struct sv domain)
{
	return read_ours(headers, ids, domain).dkim_at_or_below;
}

bool authres_from_pass(const struct mail_fields *headers, const struct strings *ids, struct sv from_domain)
{
	struct told told = read_ours(headers, ids, from_domain);

	return told.dmarc ? told.dmarc_pass : told.dkim_at_or_above;
}

/* ---- what a signature covers (RFC 6376) ---- */

/* Is "to" one of "from : to : subject"? */
static bool has_to(struct sv names)
{
	while (names.n)
		if (sv_eq_nocase(sv_trim(sv_cut(&names, ':')), SV("to")))
			return true;
	return false;
}

/* Does the signature's only h= name To? */
static bool covers_to(struct sv signature)
{
	unsigned n = 0;
	bool to = false;

	while (signature.n) {
		struct sv value = sv_cut(&signature, ';');
		if (!sv_eq_nocase(sv_trim(sv_cut(&value, '=')), SV("h")))
			continue;
		to = has_to(value);
		n++;
	}
	return to && n == 1;
}

bool authres_to_holds(const struct mail_fields *headers, const struct strings *ids, struct sv from_domain)
{
	bool covered = true;

	for (size_t i = 0; i < headers->n; i++)
		if (sv_eq_nocase(headers->v[i].name, SV("DKIM-Signature")))
			covered = covered && covers_to(headers->v[i].value);
	return covered || read_ours(headers, ids, from_domain).spf;
}
