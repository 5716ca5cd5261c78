#include "rule_draft.h"

#include "buf.h"
#include "match.h"
#include "normalise.h"
#include "reply.h"
#include "state.h"

/* The words of the text: what is behind code and status. */
static struct sv words_of(const struct rule_draft *draft, const struct reply *reply)
{
	struct sv words = draft->text;

	for (int skip = (reply->code != 0) + (reply->enhanced.class_ != 0); skip > 0; skip--)
		(void)sv_cut(&words, ' ');
	return words;
}

/* Takes what stands for an address, a number and so on off the front. */
static bool take_stand_in(struct sv *words)
{
	size_t end = sv_find(*words, '}');

	if (words->p[0] != '{' || end == words->n || end >= 8)
		return false;
	*words = sv_skip(*words, end + 1);
	return true;
}

/* An expression without a backslash: in the file it reads as it is. */
static void add_pattern(struct buf *b, struct sv words)
{
	while (words.n) {
		char c = words.p[0];
		if (take_stand_in(&words)) {
			buf_add(b, SV("[^ ]{1,80}"));
			continue;
		}
		if (strchr(".$*+?()[{|", c))
			buf_addf(b, "[%c]", c);
		else if (strchr("^\"\\", c))
			buf_add_char(b, '.');
		else
			buf_add_char(b, sv_lower(c));
		words = sv_skip(words, 1);
	}
}

/* Was it short enough to be kept whole? Only then its end is known. */
static bool is_whole(const struct rule_draft *draft)
{
	char room[4 * STATE_TEXT_MAX];
	struct buf whole = BUF_ON(room);

	if (draft->example.n >= STATE_TEXT_MAX)
		return false;
	normalise_failure(draft->example, &whole);
	return !whole.full && sv_eq(buf_sv(&whole), draft->text);
}

static void add_whole_pattern(struct buf *b, const struct rule_draft *draft, const struct reply *reply)
{
	buf_add_char(b, '^');
	add_pattern(b, words_of(draft, reply));
	if (is_whole(draft))
		buf_add_char(b, '$');
}

static size_t letters(struct sv words)
{
	size_t n = 0;

	while (words.n) {
		if (take_stand_in(&words))
			continue;
		n += (sv_is_alnum(words.p[0]) && !sv_is_digit(words.p[0])) || (unsigned char)words.p[0] >= 0x80;
		words = sv_skip(words, 1);
	}
	return n;
}

bool rule_draft_is_good(const struct rule_draft *draft)
{
	char room[4 * NORMALISE_MAX * 3];
	struct buf b = BUF_ON(room);
	struct reply reply;
	struct err err;

	reply_parse(draft->example, (struct enhanced){ 0 }, &reply);
	if (letters(words_of(draft, &reply)) < RULE_DRAFT_LETTERS_MIN)
		return false;
	add_whole_pattern(&b, draft, &reply);
	struct pattern *pattern = pattern_compile(buf_sv(&b), &err);
	bool good = pattern && pattern_match(pattern, reply.words, NULL) == MATCH_YES;
	pattern_free(pattern);
	return good;
}

/* A string for libconfig. A tab would begin the name of a relay. */
static void add_string(struct buf *b, struct sv text)
{
	buf_add_char(b, '"');
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c == '\t')
			buf_add_char(b, ' ');
		else if ((unsigned char)c < 0x20 || c == 0x7f)
			buf_addf(b, "\\x%02x", (unsigned)c);
		else
			buf_add_char(b, c);
	}
	buf_add_char(b, '"');
}

static void add_draft(struct buf *b, const struct rule_draft *draft, size_t number)
{
	struct reply reply;

	reply_parse(draft->example, (struct enhanced){ 0 }, &reply);
	buf_addf(b, "{ id = \"ours.%zu\"; category = \"CHOOSE\"; # seen %lld x\n", number, (long long)draft->n);
	if (reply.code)
		buf_addf(b, "    code = \"%d\";\n", reply.code);
	if (words_of(draft, &reply).n) {
		buf_add(b, SV("    text = \""));
		add_whole_pattern(b, draft, &reply);
		buf_add(b, SV("\";\n"));
	}
	buf_add(b, SV("    # not-text = [ \"${about-sender}\", \"${about-us}\", \"${temporary}\" ]; # when the category is a hard one\n"
		"    match = ( "));
	add_string(b, sv_head(draft->example, REPLY_TEXT_MAX));
	buf_add(b, SV(" ); }"));
}

void rule_draft_print(FILE *to, const struct rule_draft *draft, size_t number, bool first, bool last)
{
	static char room[4 * REPLY_TEXT_MAX + 8192];
	struct buf b = BUF_ON(room);
	bool good = rule_draft_is_good(draft);

	/* behind those that are good the comma is a comment's too */
	buf_add(&b, good || first ? SV("  ") : SV("  , "));
	add_draft(&b, draft, number);
	buf_add(&b, good && !last ? SV(",\n") : SV("\n"));
	for (struct sv rest = buf_sv(&b); rest.n;) {
		struct sv line = sv_cut(&rest, '\n');
		(void)fprintf(to, "%s%.*s\n", good ? "" : "#", SV_ARG(line));
	}
}
