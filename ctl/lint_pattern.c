#include "lint_pattern.h"

#include "buf.h"
#include "literal.h"
#include "match.h"

/* ---- parts of an expression ---- */

/* Bytes of what stands at the front: an escape, a class, or one byte. */
static size_t atom_n(struct sv s)
{
	size_t n = 1;

	if (s.p[0] == '\\')
		return s.n < 2 ? s.n : 2;
	if (s.p[0] != '[')
		return 1;
	if (n < s.n && s.p[n] == '^')
		n++;
	if (n < s.n && s.p[n] == ']')
		n++;
	while (n < s.n && s.p[n] != ']')
		n += s.p[n] == '\\' ? 2 : 1;
	return n < s.n ? n + 1 : s.n;
}

/* Does the atom stand for nearly any byte? */
static bool is_wide(struct sv atom)
{
	if (atom.p[0] == '\\')
		return atom.n == 2 && strchr("SDWNHV", atom.p[1]);
	return atom.p[0] == '.' || (atom.n > 2 && atom.p[0] == '[' && atom.p[1] == '^');
}

/* "*", "+" or "{3,}" at the front */
static bool is_endless(struct sv s)
{
	size_t n = 1;

	if (s.n && (s.p[0] == '*' || s.p[0] == '+'))
		return true;
	if (!s.n || s.p[0] != '{')
		return false;
	while (n < s.n && sv_is_digit(s.p[n]))
		n++;
	return n > 1 && sv_starts(sv_skip(s, n), SV(",}"));
}

/* Does something repeat without end: anything, or only what is wide? */
static bool is_unbounded(struct sv regex, bool only_wide)
{
	while (regex.n) {
		struct sv atom = sv_head(regex, atom_n(regex));
		regex = sv_skip(regex, atom.n);
		if ((is_wide(atom) || !only_wide) && is_endless(regex))
			return true;
	}
	return false;
}

/* Can the atom stand for a hyphen? What quantifiers and groups are made of counts as that. */
static bool may_be_hyphen(struct sv atom)
{
	if (atom.p[0] == '\\')
		return atom.n == 2 && !sv_is_digit(atom.p[1]) && !strchr("dws", atom.p[1]);
	if (atom.p[0] == '[') /* one at its end, or not listed in a negated one */
		return atom.p[1] == '^' || atom.p[atom.n - 2] == '-';
	return !sv_is_alnum(atom.p[0]);
}

/* Between < and > an address is all hyphens but for its "@". */
static bool is_masked(struct sv regex)
{
	bool inside = false, letters = false, at = false;

	while (regex.n) {
		struct sv atom = sv_head(regex, atom_n(regex));
		if (sv_eq(atom, SV("<"))) {
			inside = true;
			letters = at = false;
		} else if (sv_eq(atom, SV(">"))) {
			if (inside && letters && at)
				return true;
			inside = false;
		} else if (sv_eq(atom, SV("@"))) {
			at = true;
		} else if (sv_eq(atom, SV("{"))) { /* the numbers of a quantifier */
			atom.n = sv_find(regex, '}');
		} else {
			letters = letters || !may_be_hyphen(atom);
		}
		regex = sv_skip(regex, atom.n);
	}
	return false;
}

/* ---- slow ones ---- */

/* Words of a set, and samples, that are tried repeated: where one of many is slow, most are. */
#define LINT_SAMPLES_MAX 3
#define LINT_WORDS_MAX 2
#define LINT_FEW_WAYS 64

struct trial {
	const struct pattern *pattern;
	struct sv branch, head; /* head: the text begins with it */
	bool endless;           /* something repeats without end */
	bool lines;             /* of a text of many lines */
	size_t text_n;
};

/* The most times that what stands in front may repeat, of a quantifier at the front; 1: there is none. */
static uint64_t times(struct sv s)
{
	uint64_t most = 1;

	if (!s.n || !strchr("*+{?", s.p[0]))
		return 1;
	if (s.p[0] == '?')
		return 2;
	if (is_endless(s))
		return LINT_TEXT_ENDLESS_BYTES;
	struct sv bounds = sv_make(s.p + 1, sv_find(s, '}') - 1);
	struct sv low = sv_cut(&bounds, ',');
	if (!sv_u64(bounds.n ? bounds : low, LINT_TEXT_ENDLESS_BYTES, &most))
		return LINT_TEXT_ENDLESS_BYTES;
	return most ? most : 1;
}

/* With few ways to match there is nothing to try over and over. */
static bool has_many_ways(struct sv regex)
{
	uint64_t ways = 1;

	for (; regex.n && ways <= LINT_FEW_WAYS; regex = sv_skip(regex, atom_n(regex)))
		ways *= times(sv_skip(regex, atom_n(regex)));
	return ways > LINT_FEW_WAYS;
}

/* On word, glue, word, glue ... and at the end every letter: PCRE2 does not even begin where
 * the last one that it needs is missing. */
static bool slow_on(const struct trial *t, struct sv word, struct sv glue)
{
	const struct sv tail = t->lines ? SV("] zyxwvutsrqponmlkjihgfedcba 9876543210 -:;,'\"([{}<>@.*=_#/?!|)\n") :
		SV("] zyxwvutsrqponmlkjihgfedcba 9876543210 -:;,'\")");
	static char text[LINT_TEXT_LINES_BYTES];
	size_t period = word.n + glue.n;

	memcpy(text, t->head.p, t->head.n);
	for (size_t i = t->head.n; i < t->text_n && period; i++) {
		size_t at = (i - t->head.n) % period;
		text[i] = at < word.n ? word.p[at] : glue.p[at - word.n];
	}
	memcpy(text + t->text_n - tail.n, tail.p, tail.n);
	return period && pattern_exceeds(t->pattern, sv_make(text, t->text_n), LINT_STEPS_MAX);
}

/* The words that the expression cannot do without: some for themselves, and one after the other. */
static bool slow_on_words(const struct trial *t, const struct literal_sets *sets)
{
	static char room[LINT_TEXT_ENDLESS_BYTES];
	struct buf all = BUF_ON(room);

	for (size_t i = 0; i < sets->n; i++) {
		for (size_t j = 0; j < sets->v[i].n; j++) {
			struct sv word = sv_make(sets->v[i].v[j].bytes, sets->v[i].v[j].n);
			if (j < LINT_WORDS_MAX && (slow_on(t, word, SV("")) || slow_on(t, word, SV(" ")) || (t->lines && slow_on(t, word, SV("\n")))))
				return true;
			buf_add(&all, word);
			buf_add_char(&all, ' ');
		}
		if (slow_on(t, buf_sv(&all), SV("")))
			return true;
	}
	return false;
}

/* "word (b+)+": a word, and then runs of the letters that are in the expression. */
static bool slow_on_letters(struct trial *t, const struct literal_sets *sets)
{
	bool seen[256] = { false }, slow = false;

	t->head = sets->n ? sv_make(sets->v[0].v[0].bytes, sets->v[0].v[0].n) : SV("");
	t->text_n = LINT_TEXT_ENDLESS_BYTES; /* what repeats within a repetition shows early */
	for (size_t i = 0; i < t->branch.n && t->endless && !slow; i++) {
		unsigned char c = (unsigned char)t->branch.p[i];
		slow = (sv_is_alnum((char)c) || c >= 0x80) && !seen[c] && slow_on(t, sv_make(t->branch.p + i, 1), SV(""));
		seen[c] = true;
	}
	t->head = SV("");
	return slow;
}

/* A text that it matches ends soon: its beginnings do not. */
static bool slow_on_sample(const struct trial *t, struct sv text)
{
	return slow_on(t, text, SV(" ")) || slow_on(t, sv_head(text, text.n / 2), SV(" ")) ||
		slow_on(t, sv_head(text, text.n * 3 / 4), SV(" ")) || slow_on(t, sv_skip(text, text.n / 2), SV(" "));
}

/* Blanks and empty lines behind what most forms ask for. */
static bool slow_behind_address(struct trial *t)
{
	static const struct sv runs[] = { { " ", 1 }, { "\n", 1 }, { " \n", 2 } };
	bool slow = false;

	t->head = SV("a@a.example");
	for (size_t i = 0; i < sizeof runs / sizeof *runs && !slow; i++)
		slow = slow_on(t, runs[i], SV(""));
	t->head = SV("");
	return slow;
}

static bool is_slow(struct trial *t, const struct literal_sets *sets, const struct sv *samples, size_t n)
{
	/* those of many lines at the end */
	static const struct sv runs[] = { { "a", 1 }, { " ", 1 }, { "0", 1 }, { "a ", 2 }, { "a@a.", 4 }, { "<", 1 }, { "\n", 1 }, { "a\n", 2 },
		{ " \n", 2 }, { "\t", 1 }, { "<a@a.example>:\n", 15 } };
	size_t n_runs = t->lines ? sizeof runs / sizeof *runs : 6;

	for (size_t i = 0; i < n_runs; i++)
		if (slow_on(t, runs[i], SV("")))
			return true;
	for (size_t i = 0; i < n; i++)
		if (slow_on_sample(t, samples[i]))
			return true;
	return (t->lines && slow_behind_address(t)) || slow_on_words(t, sets) || slow_on_letters(t, sets);
}

unsigned pattern_problems(struct sv branch, const struct rule_example *samples, size_t n)
{
	static struct literal_sets sets;
	struct err err;
	struct pattern *pattern = pattern_compile(branch, &err);
	unsigned problems = 0;

	if (!pattern) /* of a rule that was loaded: no */
		return 0;
	literal_required(branch, &sets);
	if (pattern_match(pattern, SV(""), NULL) == MATCH_YES)
		problems |= PATTERN_MATCHES_NOTHING;
	struct trial trial = { .pattern = pattern, .branch = branch, .head = SV(""), .endless = is_unbounded(branch, false) };
	trial.text_n = trial.endless ? LINT_TEXT_ENDLESS_BYTES : LINT_TEXT_BYTES;
	struct sv texts[LINT_SAMPLES_MAX];
	n = n < LINT_SAMPLES_MAX ? n : LINT_SAMPLES_MAX;
	for (size_t i = 0; i < n; i++)
		texts[i] = samples[i].reply;
	if (has_many_ways(branch) && is_slow(&trial, &sets, texts, n))
		problems |= PATTERN_SLOW;
	if (is_unbounded(branch, true))
		problems |= PATTERN_UNBOUNDED;
	if (is_masked(branch))
		problems |= PATTERN_MASKED;
	if (sets.n == 0)
		problems |= PATTERN_NO_WORD;
	pattern_free(pattern);
	return problems;
}

unsigned pattern_problems_lines(struct sv regex, const struct sv *samples, size_t n)
{
	static struct literal_sets sets;
	struct err err;
	struct pattern *pattern = pattern_compile_lines(regex, &err);
	unsigned problems = 0;

	if (!pattern)
		return 0;
	literal_required(regex, &sets);
	if (pattern_match(pattern, SV(""), NULL) == MATCH_YES)
		problems |= PATTERN_MATCHES_NOTHING;
	struct trial trial = { .pattern = pattern, .branch = regex, .head = SV(""), .endless = is_unbounded(regex, false), .lines = true,
		.text_n = LINT_TEXT_LINES_BYTES };
	if (has_many_ways(regex) && is_slow(&trial, &sets, samples, n < LINT_SAMPLES_MAX ? n : LINT_SAMPLES_MAX))
		problems |= PATTERN_SLOW;
	pattern_free(pattern);
	return problems;
}

const char *pattern_problem_name(enum pattern_problem problem)
{
	switch (problem) {
	case PATTERN_MATCHES_NOTHING:
		return "empty-text";
	case PATTERN_SLOW:
		return "slow";
	case PATTERN_UNBOUNDED:
		return "unbounded";
	case PATTERN_MASKED:
		return "masked";
	case PATTERN_NO_WORD:
		return "no-word";
	}
	return "";
}

const char *pattern_problem_text(enum pattern_problem problem)
{
	switch (problem) {
	case PATTERN_MATCHES_NOTHING:
		return "it is found in the empty text, and so in every text";
	case PATTERN_SLOW:
		return "it is slow on long texts: use smaller bounds, fewer of them, or alternatives that begin with different letters";
	case PATTERN_UNBOUNDED:
		return "any byte may repeat without end: write a bound, .{0,60} in place of .*";
	case PATTERN_MASKED:
		return "it asks for letters of an address in <>, and those are hidden";
	case PATTERN_NO_WORD:
		return "no word of 3 letters is in all that it matches: it is tried on every text";
	}
	return "";
}
