/* literal and prefilter: what they leave out must not be able to match. */
#include "test.h"

#include <sys/random.h>

#include "literal.h"
#include "match.h"
#include "prefilter.h"

/* ---- random, and repeatable ---- */

static uint64_t random_state;
static char seed_row[64];

static unsigned below(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((random_state >> 33) % n);
}

static void set_seed(void)
{
	const char *fixed = getenv("NIXIE_TEST_SEED");

	if (fixed)
		random_state = strtoull(fixed, NULL, 10);
	else if (getrandom(&random_state, sizeof random_state, 0) != (ssize_t)sizeof random_state)
		random_state = 1;
	(void)snprintf(seed_row, sizeof seed_row, "NIXIE_TEST_SEED=%" PRIu64, random_state);
	test_row = seed_row;
}

/* ---- the words a pattern cannot match without ---- */

static void words_of_patterns(void **state)
{
	static const struct { const char *name, *regex, *want; } table[] = {
		{ "a word", "Quota", "quota" },
		{ "the longest run", "over ?quota", "quota" },
		{ "a group in front", "(?:over|mail) ?quota", "quota" },
		{ "a run beats two short words", "no such (user|mailbox)", "no such " },
		{ "alternatives", "user|mailbox", "user,mailbox" },
		{ "one of them too short", "user|ab", "" },
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
		{ "lazy and possessive", "a??bcd*+", "" },
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
		{ "nested", "((a|b)(cd|(efgh|ijkl)))", "" },
		{ "nested, all long", "((abc|bcd)|(efgh|(ijk|lmn)))", "abc,bcd,efgh,ijk,lmn" },
		{ "too short", "ab", "" },
		{ "nothing", "", "" },
		{ "bytes that are not ASCII", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "quoting is not understood", "\\Qabc\\E", "" },
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
		struct literal_set set;
		char text[512];
		struct buf b = BUF_ON(text);
		literal_required(sv_of(row->regex), &set);
		for (size_t i = 0; i < set.n; i++) {
			if (i)
				buf_add_char(&b, ',');
			buf_add(&b, sv_make(set.v[i].bytes, set.v[i].n));
		}
		WANT_TEXT(buf_sv(&b), row->want);
	}
}

static void long_words_are_cut(void **state)
{
	char regex[200];
	struct literal_set set;

	(void)state;
	memset(regex, 'a', sizeof regex);
	literal_required(sv_make(regex, sizeof regex), &set);
	WANT_INT(set.n, 1);
	WANT_INT(set.v[0].n, LITERAL_BYTES_MAX);
}

static void too_many_words(void **state)
{
	char regex[LITERAL_SET_MAX * 8 + 16];
	struct literal_set set;
	struct buf b = BUF_ON(regex);

	(void)state;
	for (int i = 0; i < LITERAL_SET_MAX; i++)
		buf_addf(&b, "%sword%d", i ? "|" : "", i);
	literal_required(buf_sv(&b), &set);
	WANT_INT(set.n, LITERAL_SET_MAX);
	buf_add(&b, SV("|onemore"));
	literal_required(buf_sv(&b), &set);
	WANT_INT(set.n, 0);
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

static bool has_one_of(struct sv text, const struct literal_set *set)
{
	char lower[4096];

	for (size_t i = 0; i < text.n; i++)
		lower[i] = sv_lower(text.p[i]);
	for (size_t i = 0; i < set->n; i++)
		if (sv_find_sv(sv_make(lower, text.n), sv_make(set->v[i].bytes, set->v[i].n)) < text.n)
			return true;
	return false;
}

static void no_match_without_its_words(void **state)
{
	unsigned matched = 0, known = 0;

	(void)state;
	set_seed();
	for (int i = 0; i < 20000; i++) {
		char regex_room[2000], text_room[2000];
		struct buf regex = BUF_ON(regex_room), text = BUF_ON(text_room);
		struct err err;
		struct literal_set set;
		make(0, &regex, &text);
		if (regex.full || text.full)
			continue;
		literal_required(buf_sv(&regex), &set);
		if (set.n == 0)
			continue;
		struct pattern *pattern = pattern_compile(buf_sv(&regex), &err);
		if (!pattern)
			continue;
		known++;
		if (pattern_match(pattern, buf_sv(&text), NULL) == MATCH_YES) {
			matched++;
			if (!has_one_of(buf_sv(&text), &set)) {
				print_error("pattern %.*s matches \"%.*s\" without \"%.*s\"\n", SV_ARG(buf_sv(&regex)), SV_ARG(buf_sv(&text)),
					(int)set.v[0].n, set.v[0].bytes);
				WANT(false);
			}
		}
		pattern_free(pattern);
	}
	WANT(known > 2000 && matched > 1000); /* else this shows nothing */
	test_row = "";
}

/* ---- many words in one pass ---- */

#define PATTERNS 200

static void note(void *arg, size_t pattern)
{
	((bool *)arg)[pattern] = true;
}

static void the_scan_finds_what_searching_finds(void **state)
{
	struct prefilter *f = prefilter_new();
	static struct literal_set sets[PATTERNS];

	(void)state;
	set_seed();
	for (size_t i = 0; i < PATTERNS; i++) {
		sets[i].n = below(4); /* none, too */
		for (size_t j = 0; j < sets[i].n; j++) {
			sets[i].v[j].n = LITERAL_BYTES_MIN + below(i % 10 ? 3 : LITERAL_BYTES_MAX - LITERAL_BYTES_MIN + 1);
			for (size_t k = 0; k < sets[i].v[j].n; k++)
				sets[i].v[j].bytes[k] = "ab e\0\xc3\xff"[below(i % 3 ? 3 : 7)];
		}
		prefilter_add(f, &sets[i]);
	}
	for (int round = 0; round < 2000; round++) {
		char text[60];
		bool found[PATTERNS] = { false };
		size_t n = below(sizeof text + 1);
		for (size_t i = 0; i < n; i++)
			text[i] = "ab e\0\xc3\xff"[below(round % 3 ? 3 : 7)];
		prefilter_scan(f, sv_make(text, n), note, found);
		for (size_t i = 0; i < PATTERNS; i++)
			WANT_INT(found[i], has_one_of(sv_make(text, n), &sets[i]));
	}
	prefilter_free(f);
	test_row = "";
}

static void a_word_is_the_whole_text(void **state)
{
	static const struct literal_set set = { 1, { { 5, "quota" } } };
	struct prefilter *f = prefilter_new();

	(void)state;
	prefilter_add(f, &set);
	for (size_t from = 0; from <= 5; from++) {
		for (size_t to = from; to <= 5; to++) {
			bool found[1] = { false };
			prefilter_scan(f, sv_make(&"quota"[from], to - from), note, found);
			WANT_INT(found[0], to - from == 5);
		}
	}
	prefilter_scan(f, sv_make(NULL, 0), note, NULL);
	prefilter_free(f);
	prefilter_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_patterns),
		cmocka_unit_test(long_words_are_cut),
		cmocka_unit_test(too_many_words),
		cmocka_unit_test(no_match_without_its_words),
		cmocka_unit_test(the_scan_finds_what_searching_finds),
		cmocka_unit_test(a_word_is_the_whole_text),
	};

	return RUN(tests);
}
