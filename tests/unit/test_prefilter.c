/* literal and prefilter: what they leave out must not be able to match. */
#include "chance.h"
#include "literal.h"
#include "match.h"
#include "prefilter.h"

/* ---- the words a pattern cannot match without ---- */

/* "a|b & c": any of a and b, and c. */
static struct sv written(const struct literal_sets *sets, struct buf *b)
{
	for (size_t i = 0; i < sets->n; i++) {
		if (i)
			buf_add(b, SV(" & "));
		for (size_t j = 0; j < sets->v[i].n; j++) {
			if (j)
				buf_add_char(b, ',');
			buf_add(b, sv_make(sets->v[i].v[j].bytes, sets->v[i].v[j].n));
		}
	}
	return buf_sv(b);
}

static void words_of_patterns(void **state)
{
	static const struct { const char *name, *regex, *want; } table[] = {
		{ "a word", "Quota", "quota" },
		{ "the longest run", "over ?quota", "quota & over" },
		{ "a group in front", "(?:over|mail) ?quota", "quota & over,mail" },
		{ "a run beats two short words", "no such (user|mailbox)", "no such  & user,mailbox" },
		{ "three at most, the most telling first", "abc.defg.hij.klm", "defg & abc & hij" },
		{ "both parts of a group", "(abc.{0,9}defgh)+", "defgh & abc" },
		{ "any branch's best", "abc.defg|hij", "defg,hij" },
		{ "both of two groups", "(abc|bcd) (efg|hij)", "abc,bcd & efg,hij" },
		{ "neither of two optional ones", "(abc|bcd)? ?(efg|hij){0,2}", "" },
		{ "alternatives", "user|mailbox", "user,mailbox" },
		{ "one of them short", "user|ab", "user,ab" },
		{ "one of them too short", "user|a", "" },
		{ "one of them empty", "user|", "" },
		{ "an empty one in the middle", "user||mailbox", "" },
		{ "optional letter", "colou?r", "colo" },
		{ "optional group", "(user)?x", "" },
		{ "repeated group", "(user)+x", "user" },
		{ "no times", "(user){0}mail", "mail" },
		{ "no or more times", "(user)*mail", "mail" },
		{ "letter no times", "a{0}bcd", "bcd" },
		{ "letter repeated", "ab+cde", "cde" },
		{ "more often than can be counted", "x{1001}", "" },
		{ "a brace that is none", "abc{x}", "abc{x}" },
		{ "lazy and possessive", "a??bcd*+", "bc" },
		{ "class of one", "[.]example[.]com", ".example.com" },
		{ "class of two", "[ab]cde", "cde" },
		{ "class that is not", "[^a]bcd", "bcd" },
		{ "class with a bracket in front", "[]a]bcd", "bcd" },
		{ "class that is not, with a bracket", "[^]a]bcd", "bcd" },
		{ "class with an escaped bracket", "[a\\]b]cde", "cde" },
		{ "POSIX class", "[[:alpha:]|]bcd", "bcd" },
		{ "alternative inside a class is none", "[a|b]cde", "cde" },
		{ "digits", "\\d{3}abc", "abc" },
		{ "escaped dots", "5\\.1\\.1", "5.1.1" },
		{ "escaped letter code", "\\x41bc", "abc" },
		{ "word boundaries", "\\bfull\\b", "full" },
		{ "anchors", "^abc$", "abc" },
		{ "anything", ".*abc.*", "abc" },
		{ "nested", "((a|b)(cd|(efgh|ijkl)))", "cd,efgh,ijkl" },
		{ "nested, all long", "((abc|bcd)|(efgh|(ijk|lmn)))", "abc,bcd,efgh,ijk,lmn" },
		{ "short", "ab", "ab" },
		{ "short beside a longer one", "ab.*cde", "cde" },
		{ "too short", "a", "" },
		{ "nothing", "", "" },
		{ "bytes that are not ASCII", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "quoting is not understood", "\\Qabc\\E", "" },
		{ "quoting inside a class is not", "x[\\Q]foo[\\E]y", "" },
		{ "a brace with a comma in front may be a quantifier", "abc{,3}", "" },
		{ "options are not", "(?i)abc", "" },
		{ "look-ahead is not", "(?=abc)abc", "" },
		{ "a negative one even less", "(?!abc)abd", "" },
		{ "verbs are not", "(*COMMIT)abc", "" },
		{ "comments are not", "abc(?#def)", "" },
		{ "back references are not", "(?<x>abc)\\k<x>", "" },
		{ "Unicode properties are not", "\\p{L}abc", "" },
		{ "too deep", "(((((((((abc)))))))))", "" },
		{ "a bracket without end", "abc[", "" },
		{ "a group without end", "abc(", "" },
		{ "a group's end alone", "abc)", "" },
		{ "a backslash at the end", "abc\\", "" },
	};

	(void)state;
	EACH(row, table) {
		struct literal_sets sets;
		char text[512];
		struct buf b = BUF_ON(text);
		literal_required(sv_of(row->regex), &sets);
		WANT_TEXT(written(&sets, &b), row->want);
	}
}

static void long_words_are_cut(void **state)
{
	char regex[200];
	struct literal_sets sets;

	(void)state;
	memset(regex, 'a', sizeof regex);
	literal_required(sv_make(regex, sizeof regex), &sets);
	WANT_INT(sets.n, LITERAL_SETS_MAX);
	for (size_t i = 0; i < sets.n; i++) {
		WANT_INT(sets.v[i].n, 1);
		WANT_INT(sets.v[i].v[0].n, LITERAL_BYTES_MAX);
	}
}

static void too_many_words(void **state)
{
	char regex[LITERAL_SET_MAX * 8 + 16];
	struct literal_sets sets;
	struct buf b = BUF_ON(regex);

	(void)state;
	for (int i = 0; i < LITERAL_SET_MAX; i++)
		buf_addf(&b, "%sword%d", i ? "|" : "", i);
	literal_required(buf_sv(&b), &sets);
	WANT_INT(sets.n, 1);
	WANT_INT(sets.v[0].n, LITERAL_SET_MAX);
	buf_add(&b, SV("|onemore"));
	literal_required(buf_sv(&b), &sets);
	WANT_INT(sets.n, 0);
}

/* ---- branches ---- */

static void branches_of_patterns(void **state)
{
	static const struct { const char *name, *regex; size_t want_n; const char *want[4]; } table[] = {
		{ "none", "abc", 1, { "abc" } },
		{ "two", "abc|def", 2, { "abc", "def" } },
		{ "inside a group is no branch", "a(b|c)d", 1, { "a(b|c)d" } },
		{ "beside a group", "a|b(c|d)|e", 3, { "a", "b(c|d)", "e" } },
		{ "inside a class is no branch", "[a|b]c|d", 2, { "[a|b]c", "d" } },
		{ "behind a class with a bracket", "[]|]c|d", 2, { "[]|]c", "d" } },
		{ "escaped", "a\\|b|c", 2, { "a\\|b", "c" } },
		{ "an empty one in front", "|a", 2, { "", "a" } },
		{ "an empty one in the middle", "a||b", 3, { "a", "", "b" } },
		{ "an empty one at the end", "a|", 2, { "a", "" } },
		{ "anchors belong to their branch", "^a|b$", 2, { "^a", "b$" } },
		{ "nothing", "", 1, { "" } },
		{ "options count for what follows", "(?i)a|b", 1, { "(?i)a|b" } },
		{ "a group that is referred to", "(?<n>a)|\\k<n>", 1, { "(?<n>a)|\\k<n>" } },
		{ "a reference", "(a)|\\1", 1, { "(a)|\\1" } },
		{ "quoting", "\\Qa|b\\E|c", 1, { "\\Qa|b\\E|c" } },
		{ "a verb", "(*COMMIT)a|b", 1, { "(*COMMIT)a|b" } },
		{ "what is no expression stays for the compiler to refuse", "a|b)", 1, { "a|b)" } },
		{ "a group without end", "a|(b", 1, { "a|(b" } },
	};

	(void)state;
	EACH(row, table) {
		struct sv branches[LITERAL_BRANCHES_MAX];
		size_t n = literal_branches(sv_of(row->regex), branches, NULL);
		WANT_INT(n, row->want_n);
		for (size_t i = 0; i < n; i++)
			WANT_TEXT(branches[i], row->want[i]);
	}
}

static void as_many_branches_as_there_is_room_for(void **state)
{
	char regex[(LITERAL_BRANCHES_MAX + 4) * 8];
	struct sv branches[LITERAL_BRANCHES_MAX];
	struct buf b = BUF_ON(regex);

	(void)state;
	for (int i = 1; i <= LITERAL_BRANCHES_MAX + 3; i++) {
		buf_addf(&b, "%sword%d", i > 1 ? "|" : "", i);
		size_t n = literal_branches(buf_sv(&b), branches, NULL);
		if (i <= LITERAL_BRANCHES_MAX) {
			WANT_INT(n, i);
			WANT_INT(branches[n - 1].p + branches[n - 1].n - regex, b.n);
		} else {
			WANT_INT(n, 1);
			WANT_SV(branches[0], buf_sv(&b));
		}
	}
}

/* A pattern by chance, and with it a text that it was made to match. */
static void make(unsigned depth, struct buf *regex, struct buf *text)
{
	unsigned n = 1 + below(4);

	for (unsigned i = 0; i < n; i++) {
		char room[200];
		struct buf once = BUF_ON(room);
		unsigned kind = below(depth < 4 ? 9 : 7), letters = kind == 3 ? 1 : 1 + below(4);
		if (kind < 4) {
			for (unsigned j = 0; j < letters; j++) {
				char c = "abAB x"[below(6)];
				buf_add_char(regex, c);
				buf_add_char(&once, c);
			}
		} else if (kind == 4) {
			static const char *const classes[][2] = { { "[ab]", "a" }, { "[^a]", "b" }, { ".", "x" }, { "\\d", "7" },
				{ "[]x]", "]" }, { "[[:digit:]a]", "3" }, { "\\.", "." }, { "[.]", "." }, { "[\\]a]", "]" },
				{ "\\x61", "a" }, { "\\b", "" }, { "\\|", "|" }, { "\\(", "(" }, { "[a|b)(]", ")" } };
			unsigned which = below(COUNT(classes));
			buf_add(regex, sv_of(classes[which][0]));
			buf_add(&once, sv_of(classes[which][1]));
		} else if (kind == 5) {
			buf_add(regex, SV("{x}"));
			buf_add(&once, SV("{x}"));
		} else if (kind == 6) {
			static const char *const others[][2] = { { "(?i)", "" }, { "(?=a)a", "a" }, { "\\Qab|\\E", "ab|" }, { "(?#c)", "" },
				{ "(?!b)a", "a" }, { "(?>ab|a)", "ab" }, { "\\t", "\t" }, { "^", "" }, { "$", "" }, { "\\p{N}", "1" } };
			unsigned which = below(COUNT(others) * 3); /* not too often */
			if (which < COUNT(others)) {
				buf_add(regex, sv_of(others[which][0]));
				buf_add(&once, sv_of(others[which][1]));
			}
		} else {
			unsigned branches = 1 + below(3), taken = below(branches);
			buf_add(regex, below(2) ? SV("(") : SV("(?:"));
			for (unsigned j = 0; j < branches; j++) {
				char other[200];
				struct buf not_taken = BUF_ON(other);
				if (j)
					buf_add_char(regex, '|');
				make(depth + 1, regex, j == taken ? &once : &not_taken);
			}
			buf_add_char(regex, ')');
		}
		static const struct { const char *text; unsigned least, more; } quantifiers[] = {
			{ "", 1, 0 }, { "", 1, 0 }, { "", 1, 0 }, { "", 1, 0 }, { "", 1, 0 }, { "?", 0, 1 }, { "*", 0, 3 }, { "+", 1, 2 },
			{ "{0}", 0, 0 }, { "{2}", 2, 0 }, { "{0,2}", 0, 2 }, { "{1,}", 1, 2 }, { "??", 0, 1 }, { "*?", 0, 2 }, { "{2}?", 2, 0 },
		};
		unsigned q = below(COUNT(quantifiers)), times = quantifiers[q].least + below(quantifiers[q].more + 1);
		if (once.n == 0 || kind < 3 || kind == 5)
			times = 1; /* it would belong to the last letter only */
		else
			buf_add(regex, sv_of(quantifiers[q].text));
		for (unsigned j = 0; j < times; j++)
			buf_add(text, buf_sv(&once));
	}
}

/* Several such, side by side. */
static void make_branches(struct buf *regex, struct buf *text)
{
	unsigned n = below(3) ? 1 : 1 + below(4), taken = below(n);

	for (unsigned i = 0; i < n; i++) {
		char other[2000];
		struct buf not_taken = BUF_ON(other);
		if (i)
			buf_add_char(regex, '|');
		make(0, regex, i == taken ? text : &not_taken);
	}
}

static struct sv folded(struct sv text, bool high_bytes, char room[4096])
{
	for (size_t i = 0; i < text.n; i++)
		room[i] = high_bytes && (unsigned char)text.p[i] >= 0x80 ? '\x80' : sv_lower(text.p[i]);
	return sv_make(room, text.n);
}

/* One word of each set; high_bytes: as if those were all the same. */
static bool has_its_words(struct sv text, const struct literal_sets *sets, bool high_bytes)
{
	char text_room[4096], word_room[4096];
	struct sv in = folded(text, high_bytes, text_room);

	for (size_t i = 0; i < sets->n; i++) {
		bool found = false;
		for (size_t j = 0; j < sets->v[i].n && !found; j++) {
			struct sv word = sv_make(sets->v[i].v[j].bytes, sets->v[i].v[j].n);
			found = word.n <= in.n && sv_find_sv(in, folded(word, high_bytes, word_room)) < in.n;
		}
		if (!found)
			return false;
	}
	return true;
}

static void no_match_without_its_words(void **state)
{
	static struct literal_sets sets;
	unsigned matched = 0, known = 0, several = 0;

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		char regex_room[2000], text_room[2000], wanted[1024];
		struct buf regex = BUF_ON(regex_room), text = BUF_ON(text_room), w = BUF_ON(wanted);
		struct err err;
		make_branches(&regex, &text);
		if (regex.full || text.full)
			continue;
		literal_required(buf_sv(&regex), &sets);
		if (sets.n == 0)
			continue;
		struct pattern *pattern = pattern_compile(buf_sv(&regex), &err);
		if (!pattern)
			continue;
		known++;
		several += sets.n > 1;
		if (pattern_match(pattern, buf_sv(&text), NULL) == MATCH_YES) {
			matched++;
			if (!has_its_words(buf_sv(&text), &sets, false)) {
				print_error("pattern %.*s matches \"%.*s\" without \"%.*s\"\n", SV_ARG(buf_sv(&regex)), SV_ARG(buf_sv(&text)),
					SV_ARG(written(&sets, &w)));
				WANT(false);
			}
		}
		pattern_free(pattern);
	}
	WANT(known > 2000 && matched > 1000 && several > 500); /* else this shows nothing */
	test_row = "";
}

/* ---- a pattern's branches are the pattern ---- */

static bool same_sets(const struct literal_sets *a, const struct literal_sets *b)
{
	char room[2][LITERAL_SETS_MAX * LITERAL_SET_MAX * (LITERAL_BYTES_MAX + 3)];
	struct buf x = BUF_ON(room[0]), y = BUF_ON(room[1]);

	return sv_eq(written(a, &x), written(b, &y));
}

static void branches_have_the_words_that_they_have_alone(void **state)
{
	static struct literal_sets sets[LITERAL_BRANCHES_MAX], alone;
	unsigned cut = 0, known = 0, whole = 0;

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		char regex_room[2000], text_room[2000];
		struct buf regex = BUF_ON(regex_room), text = BUF_ON(text_room);
		struct sv branches[LITERAL_BRANCHES_MAX];
		make_branches(&regex, &text);
		size_t n = literal_branches(buf_sv(&regex), branches, sets);
		cut += n > 1;
		whole += n == 1 && sv_find(branches[0], '|') < branches[0].n;
		for (size_t j = 0; j < n; j++) {
			literal_required(branches[j], &alone);
			known += alone.n > 0;
			if (!same_sets(&sets[j], &alone)) {
				print_error("branch %.*s of %.*s\n", SV_ARG(branches[j]), SV_ARG(buf_sv(&regex)));
				WANT(false);
			}
		}
	}
	WANT(cut > 1000 && known > 1000 && whole > 1000);
	test_row = "";
}

/* The branches one after the other. Each must be an expression of its own. */
static enum match_result match_branches(const struct sv *branches, size_t n, struct sv text)
{
	bool found = false, gave_up = false;

	for (size_t i = 0; i < n; i++) {
		struct err err = { "" };
		struct pattern *pattern = pattern_compile(branches[i], &err);
		if (!pattern)
			test_fail("a branch", err.text, "an expression", __FILE__, __LINE__);
		enum match_result result = pattern_match(pattern, text, NULL);
		found = found || result == MATCH_YES;
		gave_up = gave_up || result == MATCH_LIMIT_HIT;
		pattern_free(pattern);
	}
	return gave_up ? MATCH_LIMIT_HIT : found ? MATCH_YES : MATCH_NO;
}

/* Another text, not far from this one. */
static struct sv changed(struct sv text, char room[2000])
{
	struct buf b = { .p = room, .size = 2000 };
	size_t cut = text.n ? below((unsigned)text.n) : 0, skip = below(3);

	buf_add(&b, sv_head(text, cut));
	if (below(2))
		buf_add_char(&b, "abB x|"[below(6)]);
	buf_add(&b, sv_skip(text, cut + skip < text.n ? cut + skip : text.n));
	return buf_sv(&b);
}

/* PCRE2 10.42 looks for the beginning of (x|^y){0}b at the beginning of a text only, when that is the whole pattern: it is
 * wrong there, and right where other branches stand beside it. */
static bool misleads_pcre2(struct sv regex)
{
	return memmem(regex.p, regex.n, "){0}", 4) && memchr(regex.p, '^', regex.n);
}

static void branches_are_the_whole(void **state)
{
	unsigned cut = 0, matched = 0, missed = 0;

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		char regex_room[2000], text_room[2000], other_room[2000];
		struct buf regex = BUF_ON(regex_room), text = BUF_ON(text_room);
		struct sv branches[LITERAL_BRANCHES_MAX];
		struct err err;
		make_branches(&regex, &text);
		size_t n = literal_branches(buf_sv(&regex), branches, NULL);
		struct pattern *pattern = regex.full || text.full || n == 1 || misleads_pcre2(buf_sv(&regex)) ? NULL : pattern_compile(buf_sv(&regex), &err);
		if (!pattern)
			continue;
		cut++;
		struct sv texts[3] = { buf_sv(&text) };
		texts[1] = changed(texts[0], other_room);
		texts[2] = sv_skip(texts[1], below((unsigned)texts[1].n + 1));
		for (size_t j = 0; j < COUNT(texts); j++) {
			enum match_result whole = pattern_match(pattern, texts[j], NULL), parts = match_branches(branches, n, texts[j]);
			if (whole == MATCH_LIMIT_HIT || parts == MATCH_LIMIT_HIT) /* the other may know */
				continue;
			*(whole == MATCH_YES ? &matched : &missed) += 1;
			if (whole != parts) {
				print_error("pattern %.*s on \"%.*s\": %s\n", SV_ARG(buf_sv(&regex)), SV_ARG(texts[j]),
					whole == MATCH_YES ? "only the whole" : "only a branch");
				WANT(false);
			}
		}
		pattern_free(pattern);
	}
	WANT(cut > 1000 && matched > 1000 && missed > 100);
	test_row = "";
}

/* ---- many words in one pass ---- */

#define PATTERNS 200

static bool bit_of(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void make_word(struct literal *word, unsigned longest, const char *letters, unsigned n_letters)
{
	word->n = LITERAL_BYTES_MIN + below(longest - LITERAL_BYTES_MIN + 1);
	for (size_t i = 0; i < word->n; i++)
		word->bytes[i] = sv_lower(letters[below(n_letters)]);
}

/* 0x80 and 0x88 are of those that the scan may take for one another. */
static const char letters[] = "abA e\0\xc3\xff\x80\x88";
#define ASCII_LETTERS 4
#define ALL_LETTERS 10

static void make_sets(size_t number, struct literal_sets *sets)
{
	sets->n = below(LITERAL_SETS_MAX + 1); /* none, too */
	for (size_t i = 0; i < sets->n; i++) {
		sets->v[i].n = 1 + below(3);
		for (size_t j = 0; j < sets->v[i].n; j++)
			make_word(&sets->v[i].v[j], number % 10 ? LITERAL_BYTES_MIN + 2 : LITERAL_BYTES_MAX, letters, number % 3 ? ASCII_LETTERS : ALL_LETTERS);
	}
}

static size_t make_text(char *text, size_t size, bool ascii)
{
	size_t n = below((unsigned)size + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = letters[below(ascii ? ASCII_LETTERS : ALL_LETTERS)];
	return n;
}

/* What it learns from decides where it looks first, not what it finds. */
static void build(struct prefilter *f, unsigned n_typical)
{
	char room[50][60];
	struct sv typical[50];

	for (unsigned i = 0; i < n_typical; i++)
		typical[i] = sv_make(room[i], make_text(room[i], sizeof room[i], i % 2));
	prefilter_build(f, typical, n_typical);
}

static bool is_deferred(size_t pattern)
{
	return pattern % 7 == 3;
}

static void the_scan_finds_what_searching_finds(void **state)
{
	static struct literal_sets sets[PATTERNS];
	enum { BEFORE = 200 }; /* it is built, and it finds the same */
	unsigned exact = 0, exact_before = 0, alike = 0;

	(void)state;
	set_seed();
	for (unsigned turn = 0; turn < 4; turn++) {
		struct prefilter *f = prefilter_new();
		for (size_t i = 0; i < PATTERNS; i++) {
			make_sets(i, &sets[i]);
			prefilter_add(f, &sets[i]);
		}
		for (size_t i = 0; i < PATTERNS; i++)
			if (is_deferred(i))
				prefilter_defer(f, i);
		for (size_t i = 0; i < PATTERNS; i++)
			WANT_INT(prefilter_is_always(f, i), sets[i].n == 0);
		for (int round = 0; round < 1000; round++) {
			if (round == (turn ? BEFORE : 0))
				build(f, turn * 16);
			char text[60];
			uint64_t possible[PATTERNS / 64 + 1];
			size_t n = make_text(text, sizeof text, round % 3);
			memset(possible, round % 2 ? 0xff : 0, sizeof possible); /* what was there does not count */
			prefilter_scan(f, sv_make(text, n), possible);
			for (size_t i = 0; i < PATTERNS; i++) {
				bool found = prefilter_is_possible(f, i), there = has_its_words(sv_make(text, n), &sets[i], false);
				exact += there && sets[i].n;
				exact_before += there && sets[i].n && turn && round < BEFORE;
				alike += found && !there;
				if (there || (found && !has_its_words(sv_make(text, n), &sets[i], true)))
					WANT_INT(found, there);
				WANT_INT(bit_of(possible, i), found && (!is_deferred(i) || sets[i].n == 0));
			}
		}
		prefilter_free(f);
	}
	WANT(exact > 1000 && exact_before > 1000);
	WANT(alike < exact); /* few texts are looked at for nothing */
	test_row = "";
}

static void a_word_is_the_whole_text(void **state)
{
	static const struct literal_sets sets = { 1, { { 1, { { 5, "quota" } } } } };
	struct prefilter *f = prefilter_new();
	uint64_t possible;

	(void)state;
	prefilter_add(f, &sets);
	for (int built = 0; built < 2; built++) {
		if (built)
			prefilter_build(f, NULL, 0);
		for (size_t from = 0; from <= 5; from++) {
			for (size_t to = from; to <= 5; to++) {
				prefilter_scan(f, sv_make(&"qUoTa"[from], to - from), &possible);
				WANT_INT(possible, to - from == 5);
			}
		}
		prefilter_scan(f, sv_make(NULL, 0), &possible);
		WANT_INT(possible, 0);
	}
	prefilter_free(f);
	prefilter_free(NULL);
}

/* A word that is another's beginning, end or middle is found with it. */
static void words_in_words(void **state)
{
	static const char *const words[] = { "mailbox is full", "mailbox", "box is", "full", "lbo", "is fuller", "boxes", "x i" };
	static const bool want[COUNT(words)] = { true, true, true, true, true, false, false, true };
	static struct literal_sets sets;
	struct prefilter *f = prefilter_new();
	uint64_t possible;

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		sets.n = sets.v[0].n = 1;
		sets.v[0].v[0].n = strlen(words[i]);
		memcpy(sets.v[0].v[0].bytes, words[i], strlen(words[i]));
		prefilter_add(f, &sets);
	}
	prefilter_build(f, NULL, 0);
	prefilter_scan(f, SV("MAILBOX IS FULL"), &possible);
	for (size_t i = 0; i < COUNT(words); i++) {
		test_row = words[i];
		WANT_INT(bit_of(&possible, i), want[i]);
	}
	test_row = "";
	prefilter_free(f);
}

static void without_any_pattern(void **state)
{
	struct prefilter *f = prefilter_new();
	uint64_t possible = 1;

	(void)state;
	prefilter_scan(f, SV("anything"), &possible);
	WANT_INT(possible, 0);
	possible = 1;
	prefilter_build(f, NULL, 0);
	prefilter_scan(f, SV("anything"), &possible);
	WANT_INT(possible, 0);
	prefilter_free(f);
}

/* More words than there is memory for: those patterns are tried on every text. */
static void more_than_it_has_room_for(void **state)
{
	static struct literal_sets sets;
	enum { PER_PATTERN = LITERAL_SET_MAX, MANY = PREFILTER_STATES_MAX / LITERAL_BYTES_MAX / PER_PATTERN + 20 };
	struct prefilter *f = prefilter_new();
	uint64_t possible[MANY / 64 + 1];
	char last[MANY][LITERAL_BYTES_MAX];
	size_t always = 0;

	(void)state;
	set_seed();
	for (size_t i = 0; i < MANY; i++) {
		sets.n = 1;
		sets.v[0].n = PER_PATTERN;
		for (size_t j = 0; j < PER_PATTERN; j++) {
			sets.v[0].v[j].n = LITERAL_BYTES_MAX;
			for (size_t k = 0; k < LITERAL_BYTES_MAX; k++)
				sets.v[0].v[j].bytes[k] = "abcd"[below(4)];
		}
		memcpy(last[i], sets.v[0].v[PER_PATTERN - 1].bytes, LITERAL_BYTES_MAX);
		prefilter_add(f, &sets);
	}
	prefilter_build(f, NULL, 0);
	for (size_t i = 0; i < MANY; i++) {
		prefilter_scan(f, sv_make(last[i], LITERAL_BYTES_MAX), possible);
		WANT(bit_of(possible, i));
		prefilter_scan(f, SV("abcd"), possible);
		WANT_INT(bit_of(possible, i), prefilter_is_always(f, i));
		always += prefilter_is_always(f, i);
	}
	WANT(!prefilter_is_always(f, 0) && always > 0 && always < 30);
	prefilter_free(f);
	test_row = "";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_patterns),
		cmocka_unit_test(long_words_are_cut),
		cmocka_unit_test(too_many_words),
		cmocka_unit_test(branches_of_patterns),
		cmocka_unit_test(as_many_branches_as_there_is_room_for),
		cmocka_unit_test(no_match_without_its_words),
		cmocka_unit_test(branches_have_the_words_that_they_have_alone),
		cmocka_unit_test(branches_are_the_whole),
		cmocka_unit_test(the_scan_finds_what_searching_finds),
		cmocka_unit_test(a_word_is_the_whole_text),
		cmocka_unit_test(words_in_words),
		cmocka_unit_test(without_any_pattern),
		cmocka_unit_test(more_than_it_has_room_for),
	};

	return RUN(tests);
}
