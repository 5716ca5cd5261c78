#include "normalise.h"

#include "reply.h"

/* Letters and digits that are no word when they come mixed. */
#define ID_MIN 6

static bool is_part(char c)
{
	return sv_is_alnum(c) || (c && strchr("._%+=@:/~-", c)) || (unsigned char)c >= 0x80;
}

struct counts {
	size_t letters, digits, dots, colons, others;
};

static struct counts count_of(struct sv token)
{
	struct counts n = { 0 };

	for (size_t i = 0; i < token.n; i++) {
		char c = token.p[i];
		if (sv_is_digit(c))
			n.digits++;
		else if (sv_is_alnum(c))
			n.letters++;
		else if (c == '.')
			n.dots++;
		else if (c == ':')
			n.colons++;
		else
			n.others++;
	}
	return n;
}

static bool is_hex(struct sv token)
{
	for (size_t i = 0; i < token.n; i++)
		if (token.p[i] != ':' && token.p[i] != '.' && !sv_is_digit(token.p[i]) && (sv_lower(token.p[i]) < 'a' || sv_lower(token.p[i]) > 'f'))
			return false;
	return true;
}

/* What stands for the token; empty: it stands for itself. */
static struct sv stand_in(struct sv token)
{
	struct counts n = count_of(token);

	if (sv_find_sv(token, SV("://")) < token.n)
		return SV("{url}");
	if (sv_find(token, '@') < token.n)
		return SV("{addr}");
	if (n.digits && !n.letters && n.dots == 3 && !n.others)
		return SV("{ip}");
	if (n.colons >= (n.letters ? 2 : 3) && n.digits && is_hex(token))
		return SV("{ip}");
	if (n.dots && n.letters > 1 && sv_find(token, '.') > 0 && n.letters + n.digits + n.dots + n.others == token.n && !n.colons &&
	    sv_find(token, '/') == token.n)
		return SV("{host}");
	if (n.digits && !n.letters)
		return SV("{n}");
	if (n.digits && n.letters + n.digits >= ID_MIN)
		return SV("{id}");
	return sv_make("", 0);
}

static void normalise_words(struct sv words, struct buf *out)
{
	while (words.n) {
		size_t n = 0;
		while (n < words.n && is_part(words.p[n]))
			n++;
		struct sv token = sv_head(words, n), tail = sv_make(words.p + n, 0);
		/* the end of a sentence belongs to no name */
		while (token.n && strchr(".:/-=", token.p[token.n - 1])) {
			token.n--;
			tail = sv_make(tail.p - 1, tail.n + 1);
		}
		struct sv instead = stand_in(token);
		buf_add_clean(out, instead.n ? instead : token);
		buf_add(out, tail);
		words = sv_skip(words, n);
		if (words.n) {
			buf_add_clean(out, sv_head(words, 1));
			words = sv_skip(words, 1);
		}
	}
}

void normalise_failure(struct sv text, struct buf *out)
{
	struct reply reply;
	char enhanced[ENHANCED_TEXT_MAX];

	reply_parse(text, (struct enhanced){ 0 }, &reply);
	enhanced_format(reply.enhanced, enhanced);
	if (reply.code)
		buf_addf(out, "%d ", reply.code);
	if (*enhanced)
		buf_addf(out, "%s ", enhanced);
	normalise_words(reply.words, out);
	while (out->n && out->p[out->n - 1] == ' ')
		out->n--;
}
