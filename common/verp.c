#include "verp.h"

#include "buf.h"
#include "hmac.h"

#define DAY_CHARS 3
#define DAYS 32768 /* so many the stamp can tell apart: 89 years */
#define MAC_CHARS (VERP_SIG_CHARS - DAY_CHARS)
#define MAC_BYTES (MAC_CHARS * 5 / 8)
#define ESCAPE '~'
#define UNWRAP_MAX 4 /* wrappers around each other */

static const struct sv recipient_word = { "{recipient}", 11 }, sig_word = { "{sig}", 5 };

static const char *const use_names[VERP_USES] = { "bounces", "unsubscribe", "complaints" };
static const char *const result_names[] = { "none", "plain", "unsigned", "signed", "forged", "expired" };

const char *verp_use_name(enum verp_use use)
{
	return use_names[use];
}

bool verp_use_by_name(struct sv name, enum verp_use *use)
{
	for (int i = 0; i < VERP_USES; i++) {
		if (sv_eq(name, sv_of(use_names[i]))) {
			*use = (enum verp_use)i;
			return true;
		}
	}
	return false;
}

const char *verp_result_name(enum verp_result result)
{
	return result_names[result];
}

const char *verp_made_problem(enum verp_made made)
{
	switch (made) {
	case VERP_NO_SECRET:
		return "there is no secret to sign with";
	case VERP_NO_SIG:
		return "the template has no {sig}";
	case VERP_BAD_RECIPIENT:
		return "is no address";
	case VERP_TOO_LONG:
		return "the local part would be longer than 64 bytes, which some servers refuse";
	case VERP_MADE:
		break;
	}
	return "";
}

/* ---- base32 (RFC 4648), in small letters ---- */

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

static int digit_value(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* five bits from each of them; the first is the highest */
static void add_digits(struct buf *to, const unsigned char *bytes, size_t chars)
{
	for (size_t i = 0; i < chars; i++) {
		size_t bit = 5 * i;
		unsigned two = (unsigned)bytes[bit / 8] << 8 | (bit / 8 + 1 < MAC_BYTES ? bytes[bit / 8 + 1] : 0u);
		buf_add_char(to, digits[two >> (11 - bit % 8) & 31]);
	}
}

static void add_day(struct buf *to, int64_t day)
{
	unsigned n = (unsigned)(day % DAYS);

	for (int shift = 10; shift >= 0; shift -= 5)
		buf_add_char(to, digits[n >> shift & 31]);
}

static int64_t day_of(int64_t seconds)
{
	return seconds < 0 ? 0 : seconds / CLOCK_DAY_S;
}

/* The day nearest to today that has this stamp. False: it is none. */
static bool read_day(struct sv stamp, int64_t today, int64_t *day_r)
{
	int64_t n = 0;

	for (size_t i = 0; i < stamp.n; i++) {
		int value = digit_value(stamp.p[i]);
		if (value < 0)
			return false;
		n = n * 32 + value;
	}
	int64_t ago = (today - n) % DAYS;
	if (ago < 0)
		ago += DAYS;
	*day_r = ago < DAYS / 2 ? today - ago : today - ago + DAYS;
	return true;
}

/* The 16 characters that prove: everything that the address says is signed, as it stands there. */
static void sign(const struct verp_secret *secret, const struct verp_template *t, struct sv recipient, struct sv stamp, char sig_r[MAC_CHARS])
{
	char text[VERP_TEXT_MAX + ADDRESS_KEY_MAX * 3 + 64];
	struct buf b = BUF_ON(text), sig = { sig_r, 0, MAC_CHARS, false };
	unsigned char mac[HMAC_BYTES];

	buf_addf(&b, "nixie-verp\n%s\n%s\n", use_names[t->use], t->text);
	buf_add(&b, recipient);
	buf_add_char(&b, '\n');
	buf_add(&b, stamp);
	hmac_sha256(sv_make(secret->bytes, secret->n), buf_sv(&b), mac);
	add_digits(&sig, mac, MAC_CHARS);
}

/* ---- recipients as they stand in a local part ---- */

/* Capitals are none: where the key has one, it matters. */
static bool stands_for_itself(char c)
{
	return (c >= 'a' && c <= 'z') || sv_is_digit(c) || (c && strchr("-_=+", c));
}

static void add_escaped(struct buf *to, struct sv address)
{
	size_t at = address.n - sv_after_last(address, '@').n - 1;

	for (size_t i = 0; i < address.n; i++) {
		char c = address.p[i];
		bool dot = c == '.' && i > 0 && address.p[i - 1] != '.'; /* none in front, none behind another */
		if (i == at)
			buf_add_char(to, '=');
		else if (dot || stands_for_itself(c))
			buf_add_char(to, c);
		else
			buf_addf(to, "%c%02x", ESCAPE, (unsigned char)c);
	}
}

/* False: it stands for no address. */
static bool read_escaped(struct sv text, bool escapes, struct verp *verp)
{
	const struct address_options keep = { .keep_case = true };
	struct buf b = { verp->recipient, 0, sizeof verp->recipient - 1, false };
	size_t equals = text.n - sv_after_last(text, '=').n;
	struct address address;

	if (equals == 0)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (i == equals - 1) {
			c = '@';
		} else if (escapes && c == ESCAPE) {
			if (text.n - i < 3 || sv_hex(text.p[i + 1]) < 0 || sv_hex(text.p[i + 2]) < 0)
				return false;
			c = (char)(sv_hex(text.p[i + 1]) << 4 | sv_hex(text.p[i + 2]));
			i += 2;
		}
		buf_add_char(&b, c);
	}
	verp->n = b.n;
	verp->recipient[b.n] = '\0';
	return !b.full && address_parse(buf_sv(&b), ADDRESS_INTERNAL, &keep, &address) == ADDRESS_OK;
}

/* ---- what relays wrap around an address ---- */

struct parts {
	struct sv local, domain;
};

#define BATV_TAG 10

/* KDDDSSSSSS: a key's number, a day, a hash */
static bool is_batv_tag(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (i < 4 ? !sv_is_digit(s.p[i]) : sv_hex(s.p[i]) < 0)
			return false;
	return s.n == BATV_TAG;
}

static bool is_batv_mark(char c)
{
	return c == '=' || c == '/';
}

/* prvs=KDDDSSSSSS=local, and as its first drafts had it, with "/", or behind the local part */
static bool unwrap_batv(struct parts *a)
{
	struct sv s = a->local;

	if (!sv_take(&s, SV("prvs=")) || s.n <= BATV_TAG + 1)
		return false;
	size_t rest = s.n - BATV_TAG;
	if (is_batv_tag(sv_head(s, BATV_TAG)) && is_batv_mark(s.p[BATV_TAG]))
		a->local = sv_skip(s, BATV_TAG + 1);
	else if (is_batv_tag(sv_skip(s, rest)) && is_batv_mark(s.p[rest - 1]))
		a->local = sv_head(s, rest - 1);
	else
		return false;
	return true;
}

static bool take_srs_mark(struct sv *s)
{
	if (!s->n || !strchr("=+-", s->p[0]))
		return false;
	*s = sv_skip(*s, 1);
	return true;
}

/* SRS0=hash=tt=domain=local, and of a second forwarder SRS1=hash=first.example==hash=tt=domain=local; each mark
 * behind a word can be "+" or "-", too */
static bool unwrap_srs(struct parts *a)
{
	struct sv s = a->local;

	if (sv_take(&s, SV("srs1"))) {
		if (!take_srs_mark(&s))
			return false;
		(void)sv_cut(&s, '=');
		(void)sv_cut(&s, '=');
	} else if (!sv_take(&s, SV("srs0"))) {
		return false;
	}
	if (!take_srs_mark(&s))
		return false;
	(void)sv_cut(&s, '=');
	(void)sv_cut(&s, '=');
	struct sv domain = sv_cut(&s, '=');
	if (!domain.n || !s.n)
		return false;
	*a = (struct parts){ s, domain };
	return true;
}

/* ---- templates ---- */

static struct parts template_parts(const struct verp_template *t)
{
	struct sv text = sv_of(t->text), domain = sv_after_last(text, '@');

	return (struct parts){ sv_head(text, text.n - domain.n - 1), domain };
}

static size_t piece_length(struct sv piece)
{
	return sv_find_sv(piece, sig_word) < piece.n ? piece.n - sig_word.n + VERP_SIG_CHARS : piece.n;
}

/* Is the text this piece of a template, which has no {recipient}? */
static bool fits_piece(struct sv piece, struct sv text, struct sv *sig)
{
	size_t at = sv_find_sv(piece, sig_word);

	if (at == piece.n)
		return sv_eq(piece, text);
	struct sv behind = sv_skip(piece, at + sig_word.n);
	if (text.n != piece_length(piece) || !sv_starts(text, sv_head(piece, at)) || !sv_eq(sv_skip(text, at + VERP_SIG_CHARS), behind))
		return false;
	*sig = sv_head(sv_skip(text, at), VERP_SIG_CHARS);
	return true;
}

static bool fits(const struct verp_template *t, const struct parts *a, struct sv *recipient, struct sv *sig)
{
	struct parts parts = template_parts(t);
	size_t at = sv_find_sv(parts.local, recipient_word);

	if (!sv_eq(parts.domain, a->domain))
		return false;
	if (!t->recipient)
		return fits_piece(parts.local, a->local, sig);
	struct sv before = sv_head(parts.local, at), behind = sv_skip(parts.local, at + recipient_word.n);
	size_t head = piece_length(before), tail = piece_length(behind);
	if (a->local.n <= head + tail)
		return false;
	*recipient = sv_make(a->local.p + head, a->local.n - head - tail);
	return fits_piece(before, sv_head(a->local, head), sig) && fits_piece(behind, sv_skip(a->local, a->local.n - tail), sig);
}

/* ---- reading ---- */

struct reader {
	const struct verp_secrets *secrets;
	int64_t now_s;
	struct span lifetime;
};

static bool is_signed(const struct reader *r, const struct verp_template *t, struct sv recipient, struct sv sig)
{
	bool same = false;

	for (size_t i = 0; i < r->secrets->n; i++) {
		char want[MAC_CHARS];
		sign(&r->secrets->v[i], t, recipient, sv_head(sig, DAY_CHARS), want);
		same |= hmac_same(want, sig.p + DAY_CHARS, MAC_CHARS);
	}
	return same;
}

/* A signature of the last second of its day lives as long as its lifetime says. */
static bool is_of_its_time(const struct reader *r, int64_t day)
{
	int64_t end_us = (day + 1) * CLOCK_DAY_S * CLOCK_SECOND_US;

	return day <= day_of(r->now_s) + 1 && r->now_s <= clock_after_us(end_us, r->lifetime) / CLOCK_SECOND_US;
}

static enum verp_result read_as(const struct reader *r, const struct verp_template *t, const struct parts *a, struct verp *verp)
{
	struct sv recipient = { NULL, 0 }, sig = { NULL, 0 };

	if (!fits(t, a, &recipient, &sig))
		return VERP_NONE;
	*verp = (struct verp){ .template = t, .use = t->use };
	if (!t->recipient)
		return VERP_PLAIN;
	if (!read_escaped(recipient, t->sig, verp))
		return VERP_NONE;
	if (!t->sig)
		return VERP_UNSIGNED;
	if (!read_day(sv_head(sig, DAY_CHARS), day_of(r->now_s), &verp->day) || !is_signed(r, t, recipient, sig))
		return VERP_FORGED;
	return is_of_its_time(r, verp->day) ? VERP_SIGNED : VERP_EXPIRED;
}

enum verp_result verp_read(const struct verp_templates *templates, const struct verp_secrets *secrets, struct sv text,
	int64_t now_s, struct span lifetime, struct verp *verp_r)
{
	static const int rank[] = { [VERP_NONE] = 0, [VERP_PLAIN] = 1, [VERP_UNSIGNED] = 2, [VERP_FORGED] = 3, [VERP_EXPIRED] = 4, [VERP_SIGNED] = 5 };
	const struct address_options fold = { .keep_case = false };
	const struct reader reader = { secrets, now_s, lifetime };
	enum verp_result best = VERP_NONE;
	struct address address;

	*verp_r = (struct verp){ .n = 0 };
	if (address_parse(text, ADDRESS_EXTERNAL, &fold, &address) != ADDRESS_OK)
		return VERP_NONE;
	struct parts parts = { sv_make(address.key, address.at), address_domain(&address) };
	for (int i = 0; i < UNWRAP_MAX && (unwrap_batv(&parts) || unwrap_srs(&parts)); i++)
		;
	for (size_t i = 0; i < templates->n; i++) {
		struct verp verp;
		enum verp_result result = read_as(&reader, &templates->v[i], &parts, &verp);
		if (rank[result] > rank[best]) {
			best = result;
			*verp_r = verp;
		}
	}
	return best;
}

/* ---- making ---- */

const struct verp_template *verp_signing(const struct verp_templates *templates, enum verp_use use)
{
	for (size_t i = 0; i < templates->n; i++)
		if (templates->v[i].use == use && templates->v[i].sig)
			return &templates->v[i];
	return NULL;
}

enum verp_made verp_make(const struct verp_template *t, const struct verp_secrets *secrets, struct sv key, int64_t now_s,
	char address_r[VERP_ADDRESS_MAX + 1])
{
	const struct address_options keep = { .keep_case = true };
	char escaped[ADDRESS_KEY_MAX * 3], sig[VERP_SIG_CHARS], made[VERP_TEXT_MAX + sizeof escaped + sizeof sig];
	struct buf recipient = BUF_ON(escaped), stamp = BUF_ON(sig), to = BUF_ON(made);
	struct sv rest = sv_of(t->text);
	struct address address;

	if (!t->sig)
		return VERP_NO_SIG;
	if (secrets->n == 0)
		return VERP_NO_SECRET;
	if (address_parse(key, ADDRESS_INTERNAL, &keep, &address) != ADDRESS_OK)
		return VERP_BAD_RECIPIENT;
	add_escaped(&recipient, address_key(&address));
	add_day(&stamp, day_of(now_s));
	sign(&secrets->v[0], t, buf_sv(&recipient), buf_sv(&stamp), sig + DAY_CHARS);
	while (rest.n) {
		if (sv_take(&rest, recipient_word))
			buf_add(&to, buf_sv(&recipient));
		else if (sv_take(&rest, sig_word))
			buf_add(&to, sv_make(sig, sizeof sig));
		else
			buf_add(&to, sv_head(rest, 1)), rest = sv_skip(rest, 1);
	}
	if (to.n - sv_after_last(buf_sv(&to), '@').n - 1 > VERP_LOCAL_MAX)
		return VERP_TOO_LONG;
	memcpy(address_r, made, to.n);
	address_r[to.n] = '\0';
	return VERP_MADE;
}

/* ---- templates of the configuration ---- */

#define EXAMPLE "bounces+{recipient}-{sig}@news.example"

static bool take_placeholder(struct sv *rest, struct verp_template *t, struct err *err)
{
	bool *seen = sv_take(rest, recipient_word) ? &t->recipient : sv_take(rest, sig_word) ? &t->sig : NULL;

	if (!seen)
		return err_set(err, "there are the placeholders {recipient} and {sig} and no other; write it as in \"" EXAMPLE "\"");
	if (*seen)
		return err_set(err, "%s is there twice; leave one of them out", seen == &t->sig ? "{sig}" : "{recipient}");
	*seen = true;
	return true;
}

static bool check_local(struct sv local, struct verp_template *t, struct err *err)
{
	char before = '.';

	for (struct sv rest = local; rest.n;) {
		char c = sv_lower(rest.p[0]);
		if (c == '.' && (before == '.' || rest.n == 1))
			return err_set(err, "a local part has no dot at its ends, and not two of them together; leave it out");
		before = c;
		if (c == '{') {
			if (!take_placeholder(&rest, t, err))
				return false;
			continue;
		}
		if (c != '.' && !stands_for_itself(c))
			return err_set(err, "before the @ there can be letters, digits, + - _ = . and the placeholders {recipient} and {sig}; write it as in \"" EXAMPLE "\"");
		rest = sv_skip(rest, 1);
	}
	if (t->sig && !t->recipient)
		return err_set(err, "{sig} signs a recipient, and there is none; write {recipient}, too, as in \"" EXAMPLE "\"");
	size_t fixed = local.n - (t->recipient ? recipient_word.n - strlen("a@b") : 0) - (t->sig ? sig_word.n : 0) + (t->sig ? VERP_SIG_CHARS : 0);
	if (fixed > VERP_LOCAL_MAX)
		return err_set(err, "it leaves no room for a recipient in the %d bytes before the @; write a shorter one", VERP_LOCAL_MAX);
	return local.n > 0 || err_set(err, "there is nothing before the @; write it as in \"" EXAMPLE "\"");
}

bool verp_template_parse(enum verp_use use, struct sv text, struct verp_template *t, struct err *err)
{
	struct address address;

	memset(t, 0, sizeof *t);
	t->use = use;
	struct sv domain = sv_after_last(text, '@'), local = sv_head(text, text.n - domain.n - (domain.n < text.n));
	if (domain.n == text.n || domain.n == 0)
		return err_set(err, "it has no domain; write it as in \"" EXAMPLE "\"");
	if (text.n > VERP_TEXT_MAX)
		return err_set(err, "it is longer than %d bytes; write a shorter one", VERP_TEXT_MAX);
	if (!check_local(local, t, err))
		return false;
	if (address_parse_domain(domain, &address) != ADDRESS_OK || address_domain(&address).n + local.n >= VERP_TEXT_MAX)
		return err_set(err, "behind the @ is no domain; write it as in \"" EXAMPLE "\", with no placeholder there");
	struct buf to = BUF_ON(t->text);
	for (size_t i = 0; i < local.n; i++)
		buf_add_char(&to, sv_lower(local.p[i]));
	buf_add_char(&to, '@');
	buf_add(&to, address_domain(&address));
	memcpy(t->sender, address_domain(&address).p, address_domain(&address).n); /* it was cleared */
	return true;
}

/* ---- secrets ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool verp_secrets_parse(struct sv text, struct verp_secrets *secrets, struct err *err)
{
	memset(secrets, 0, sizeof *secrets);
	for (unsigned line = 1; text.n; line++) {
		struct sv secret = sv_cut(&text, '\n');
		while (secret.n && is_blank(secret.p[0]))
			secret = sv_skip(secret, 1);
		while (secret.n && is_blank(secret.p[secret.n - 1]))
			secret.n--;
		if (secret.n == 0)
			continue;
		if (secret.n < VERP_SECRET_MIN || secret.n > VERP_SECRET_MAX)
			return err_set(err, "line %u: a secret has %d to %d bytes; nixie verp --new-secret prints one", line, VERP_SECRET_MIN, VERP_SECRET_MAX);
		if (secrets->n == VERP_SECRETS_MAX)
			return err_set(err, "line %u: there are more than %d secrets; take the oldest out, at the end", line, VERP_SECRETS_MAX);
		struct verp_secret *to = &secrets->v[secrets->n++];
		to->n = secret.n;
		memcpy(to->bytes, secret.p, secret.n);
	}
	return secrets->n > 0 || err_set(err, "there is no secret in it; nixie verp --new-secret prints one");
}
