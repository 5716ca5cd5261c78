/*
 * classify: what classifying a failure costs, in CPU time a text: by the rule
 * engine, as if each text were a new one and as it remembers what it has seen,
 * by its oracle (one rule after the other, no prefilter), and, to have something
 * to compare with, by one pcre2_match() of one pattern, and by reply_parse(),
 * which is done before.
 *
 * Texts come from standard input, TEXT<TAB>RELAY-HOST a line, and from the
 * examples of a second rule directory. Each thing is done for all texts, again
 * and again until it took LEAST_NS; what they cost the first time (machine code
 * for patterns) is left out. Both engines must say the same.
 *
 * usage: classify [-e EXAMPLES-DIRECTORY] RULE-DIRECTORY < TEXTS
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <err.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "rules.h"

#define LEAST_NS 300000000u
#define ONE_PATTERN "(?i)user (is )?unknown|no such (user|mailbox)"

/* What reply_parse() finds; the words side by side, as a reply holds one for each line of a log. */
struct text {
	struct sv whole, words, host, relay;
	int code;
	struct enhanced enhanced;
	enum phase phase;
	bool remote;
};

struct texts {
	struct arena arena;
	size_t n, size;
	struct text *v;
};

struct subject {
	struct ruleset *rules;
	const struct texts *texts;
	pcre2_code *code;
	pcre2_match_data *match_data;
	uint64_t sum; /* so that nothing is left out as useless */
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		err(1, "clock_gettime");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- texts ---- */

static void add_text(struct texts *texts, struct sv whole, struct sv relay)
{
	static struct reply reply;

	if (texts->n == texts->size) {
		texts->size = texts->size ? texts->size * 2 : 1024;
		texts->v = realloc(texts->v, texts->size * sizeof *texts->v);
		if (!texts->v)
			err(1, "realloc");
	}
	struct text *t = &texts->v[texts->n++];
	reply_parse(whole, (struct enhanced){ 0 }, &reply);
	*t = (struct text){ .whole = arena_dup(&texts->arena, whole), .words = arena_dup(&texts->arena, reply.words),
		.host = arena_dup(&texts->arena, reply.host), .code = reply.code, .enhanced = reply.enhanced, .phase = reply.phase,
		.remote = reply.remote };
	t->relay = relay.n ? arena_dup(&texts->arena, relay) : t->host;
}

static void read_lines(struct texts *texts)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) >= 0) {
		struct sv relay = sv_make(line, (size_t)n - (n > 0 && line[n - 1] == '\n'));
		struct sv whole = sv_cut(&relay, '\t');
		add_text(texts, whole, relay);
	}
	free(line);
}

static struct ruleset *load(const char *directory)
{
	struct err error;
	struct ruleset *rules = ruleset_load(&directory, 1, &error);

	if (!rules)
		errx(1, "%s", error.text);
	return rules;
}

static void take_examples(struct texts *texts, const char *directory)
{
	struct ruleset *rules = load(directory);

	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *r = ruleset_rule(rules, i);
		for (size_t j = 0; j < r->n_match; j++)
			add_text(texts, r->match[j].reply, r->match[j].relay);
	}
	ruleset_free(rules);
}

/* ---- what is measured: all texts once ---- */

/* Valid until the next one. */
static struct failure_text failure(const struct text *t)
{
	static struct reply reply;

	reply.code = t->code;
	reply.enhanced = t->enhanced;
	reply.phase = t->phase;
	reply.remote = t->remote;
	reply.host = t->host;
	reply.words = t->words;
	return (struct failure_text){ &reply, t->relay, MTA_UNKNOWN };
}

static void classify_new(struct subject *s)
{
	for (size_t i = 0; i < s->texts->n; i++) {
		struct failure_text f = failure(&s->texts->v[i]);
		struct verdict v;
		s->sum += ruleset_classify_all(s->rules, &f, &v, 1);
	}
}

static void classify_plain(struct subject *s)
{
	ruleset_set_plain(s->rules, true);
	classify_new(s);
	ruleset_set_plain(s->rules, false);
}

static void classify_again(struct subject *s)
{
	for (size_t i = 0; i < s->texts->n; i++) {
		struct failure_text f = failure(&s->texts->v[i]);
		struct verdict v;
		ruleset_classify(s->rules, &f, &v);
		s->sum += v.category;
	}
}

static void match_one(struct subject *s)
{
	for (size_t i = 0; i < s->texts->n; i++) {
		struct sv words = s->texts->v[i].words;
		int rc = pcre2_match(s->code, (PCRE2_SPTR)(words.p ? words.p : ""), words.n, 0, 0, s->match_data, NULL);
		s->sum += rc > 0;
	}
}

static void parse_all(struct subject *s)
{
	static struct reply reply;

	for (size_t i = 0; i < s->texts->n; i++) {
		reply_parse(s->texts->v[i].whole, (struct enhanced){ 0 }, &reply);
		s->sum += (uint64_t)reply.code;
	}
}

/* Microseconds a text. */
static double measure(struct subject *s, void (*once)(struct subject *s))
{
	uint64_t rounds = 0, used;

	once(s);
	uint64_t begun = cpu_ns();
	do {
		once(s);
		rounds++;
		used = cpu_ns() - begun;
	} while (used < LEAST_NS);
	return (double)used / 1000.0 / (double)rounds / (double)s->texts->n;
}

static size_t differences(const struct subject *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->texts->n; i++) {
		struct failure_text f = failure(&s->texts->v[i]);
		struct verdict fast, plain;
		ruleset_classify(s->rules, &f, &fast);
		ruleset_set_plain(s->rules, true);
		ruleset_classify(s->rules, &f, &plain);
		ruleset_set_plain(s->rules, false);
		n += fast.rule != plain.rule || fast.class_ != plain.class_;
	}
	return n;
}

static void compile_one(struct subject *s)
{
	int error;
	PCRE2_SIZE offset;

	s->code = pcre2_compile((PCRE2_SPTR)ONE_PATTERN, PCRE2_ZERO_TERMINATED, 0, &error, &offset, NULL);
	s->match_data = s->code ? pcre2_match_data_create_from_pattern(s->code, NULL) : NULL;
	if (!s->match_data)
		errx(1, "pcre2_compile");
	(void)pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);
}

int main(int argc, char **argv)
{
	struct texts texts = { .n = 0 };
	struct subject s = { .texts = &texts };
	struct rusage used;
	int option;

	while ((option = getopt(argc, argv, "e:")) == 'e')
		take_examples(&texts, optarg);
	if (option != -1 || argc != optind + 1)
		errx(2, "usage: classify [-e EXAMPLES-DIRECTORY] RULE-DIRECTORY < TEXTS");
	read_lines(&texts);
	if (texts.n == 0)
		errx(1, "no texts");

	uint64_t begun = cpu_ns();
	s.rules = load(argv[optind]);
	double load_ms = (double)(cpu_ns() - begun) / 1e6;
	compile_one(&s);

	double fast = measure(&s, classify_new), again = measure(&s, classify_again);
	double one = measure(&s, match_one), parse = measure(&s, parse_all);
	if (getrusage(RUSAGE_SELF, &used) != 0)
		err(1, "getrusage");
	double plain = measure(&s, classify_plain);
	printf("rules=%zu texts=%zu load_ms=%.3f fast_us=%.4f again_us=%.4f plain_us=%.4f pcre2_us=%.4f parse_us=%.4f peak_rss_kib=%ld "
	       "differences=%zu limit_hits=%ju checksum=%ju\n",
	    ruleset_count(s.rules), texts.n, load_ms, fast, again, plain, one, parse, used.ru_maxrss,
	    differences(&s), (uintmax_t)ruleset_limit_hits(s.rules), (uintmax_t)s.sum);

	pcre2_match_data_free(s.match_data);
	pcre2_code_free(s.code);
	ruleset_free(s.rules);
	free(texts.v);
	arena_free(&texts.arena);
	return 0;
}
