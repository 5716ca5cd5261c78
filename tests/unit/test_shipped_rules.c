/* conf/rules.d and conf/nixie.conf against what they claim. Runs at the top of the tree. */
#include "chance.h"
#include "conffile.h"
#include "config.h"
#include "decide.h"
#include "rules.h"

static struct ruleset *rules;

static const struct rule *winner(const struct rule_example *example, struct verdict *v)
{
	static struct reply reply;

	ruleset_classify_text(rules, example->reply, (struct enhanced){ 0 }, example->relay, &reply, v);
	return v->rule;
}

/* All that is wrong is told at once: whoever writes rules wants to see it all. */
static void every_example_wins_its_rule(void **state)
{
	size_t wrong = 0, examples = 0;

	(void)state;
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *r = ruleset_rule(rules, i);
		for (size_t j = 0; j < r->n_match; j++, examples++) {
			struct verdict v;
			const struct rule *won = winner(&r->match[j], &v);
			if (won == r)
				continue;
			wrong++;
			print_error("%s:%u: rule %s: %s wins: %.*s\n", r->file, r->match[j].line, r->id,
				won ? won->id : "no rule", SV_ARG(r->match[j].reply));
		}
		if (r->n_match == 0) {
			wrong++;
			print_error("%s:%u: rule %s has no example in match\n", r->file, r->line, r->id);
		}
	}
	WANT_INT(wrong, 0);
	WANT(examples >= ruleset_count(rules));
	WANT_INT(ruleset_limit_hits(rules), 0);
}

static void no_counter_example_does(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *r = ruleset_rule(rules, i);
		for (size_t j = 0; j < r->n_no_match; j++) {
			struct verdict v;
			if (winner(&r->no_match[j], &v) != r)
				continue;
			wrong++;
			print_error("%s:%u: rule %s wins its counter-example: %.*s\n", r->file, r->no_match[j].line, r->id,
				SV_ARG(r->no_match[j].reply));
		}
	}
	WANT_INT(wrong, 0);
}

#define VERDICTS_MAX 64

static void want_same_verdict(const struct verdict *got, const struct verdict *want, struct sv text)
{
	if (got->rule != want->rule)
		print_error("%s instead of %s: %.*s\n", got->rule ? got->rule->id : "-", want->rule ? want->rule->id : "-", SV_ARG(text));
	WANT(got->rule == want->rule && got->category == want->category && got->class_ == want->class_);
	WANT(got->blocklist == want->blocklist);
	WANT_SV(got->matched, want->matched);
}

/* The prefilter only leaves out what could not match, and what was judged before is judged alike. */
static void want_same_without_prefilter(struct sv text, struct sv relay, enum mta mta)
{
	static struct reply reply;
	static struct verdict with[VERDICTS_MAX], without[VERDICTS_MAX];
	struct verdict first;

	reply_parse(text, (struct enhanced){ 0 }, &reply);
	struct failure_text f = { &reply, relay.n ? relay : reply.host, mta };
	size_t n = ruleset_classify_all(rules, &f, with, VERDICTS_MAX);
	ruleset_set_plain(rules, true);
	size_t n_without = ruleset_classify_all(rules, &f, without, VERDICTS_MAX);
	ruleset_set_plain(rules, false);
	for (size_t i = 0; i < n && i < n_without; i++)
		want_same_verdict(&with[i], &without[i], text);
	if (n != n_without)
		print_error("of %.*s\n", SV_ARG(text));
	WANT_INT(n, n_without);
	for (int again = 0; again < 2 && n > 0; again++) {
		ruleset_classify(rules, &f, &first);
		want_same_verdict(&first, &with[0], text);
	}
}

static void change_case(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32) : sv_lower(text[i]);
}

/* Of all rules, in order; 0 <= i < examples_n. */
static const struct rule_example **examples;
static size_t examples_n;

static void the_prefilter_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < examples_n; i++) {
		const struct rule_example *e = examples[i];
		char text[2048];
		size_t n = e->reply.n < sizeof text ? e->reply.n : sizeof text;
		want_same_without_prefilter(e->reply, e->relay, (enum mta)(i % 3));
		if (i % 4) /* one rule after the other takes its time */
			continue;
		memcpy(text, e->reply.p, n);
		change_case(text, n); /* patterns have none */
		want_same_without_prefilter(sv_make(text, n), e->relay, MTA_POSTFIX);
		want_same_without_prefilter(sv_head(e->reply, n / 2), e->relay, MTA_UNKNOWN);
		want_same_without_prefilter(sv_skip(e->reply, n / 2), sv_make("", 0), MTA_EXIM);
	}
}

/* Each set judges its first texts without the automaton, and the others with it. */
static void compiling_late_changes_nothing(void **state)
{
	const char *const directories[] = { "conf/rules.d" };
	const size_t sets = 6;

	(void)state;
	for (size_t n = 0; n < sets; n++) {
		struct err err = { "" };
		struct ruleset *late = ruleset_load_late(directories, 1, &err);
		WANT_STRING(err.text, "");
		for (size_t i = n; i < examples_n; i += sets) {
			struct reply reply;
			struct verdict want, got;
			ruleset_classify_text(rules, examples[i]->reply, (struct enhanced){ 0 }, examples[i]->relay, &reply, &want);
			ruleset_classify_text(late, examples[i]->reply, (struct enhanced){ 0 }, examples[i]->relay, &reply, &got);
			WANT_STRING(got.rule ? got.rule->id : "", want.rule ? want.rule->id : "");
			WANT_STRING(got.blocklist ? got.blocklist->name : "", want.blocklist ? want.blocklist->name : "");
			WANT_INT(got.class_, want.class_);
			WANT_SV(got.matched, want.matched);
		}
		WANT_STRING(ruleset_broken(late), "");
		ruleset_free(late);
	}
}

/* A piece of some example, often from blank to blank. */
static struct sv fragment(void)
{
	struct sv s = examples[below((unsigned)examples_n)]->reply;
	size_t from = below((unsigned)s.n), n = 1 + below((unsigned)(s.n - from));

	if (below(4) == 0)
		return s;
	while (from > 0 && s.p[from - 1] != ' ' && below(8))
		from--, n++;
	while (from + n < s.n && s.p[from + n] != ' ' && below(8))
		n++;
	return sv_make(s.p + from, n);
}

static void the_prefilter_changes_nothing_on_mixed_texts(void **state)
{
	static const char *const between[] = { " ", " ", " ", "", "; ", " 550 5.1.1 ", "\n", " - ", "\xc3\xa9" };
	static const char *const front[] = { "", "", "550 ", "450 4.2.0 ", "550-5.7.1 ", "host mx.example.com[192.0.2.1] said: ",
		"host mx.example.com[192.0.2.1] refused to talk to me: " };
	static const char *const end[] = { "", "", " (in reply to RCPT TO command)", " (in reply to end of DATA command)", " (in reply to MAIL FROM command)" };
	uint64_t limit_hits = ruleset_limit_hits(rules);

	(void)state;
	set_seed();
	for (int round = 0; round < 1000; round++) {
		char text[REPLY_TEXT_MAX];
		struct buf b = BUF_ON(text);
		buf_add(&b, sv_of(front[below(COUNT(front))]));
		for (unsigned n = 1 + below(5); n > 0; n--) {
			struct sv piece = fragment();
			if (b.n + piece.n + 100 > sizeof text)
				break;
			buf_add(&b, piece);
			buf_add(&b, sv_of(between[below(COUNT(between))]));
		}
		if (below(8) == 0)
			change_case(text, b.n);
		buf_add(&b, sv_of(end[below(COUNT(end))]));
		want_same_without_prefilter(buf_sv(&b), below(2) ? sv_make("", 0) : examples[below((unsigned)examples_n)]->relay, (enum mta)below(3));
	}
	WANT_INT(ruleset_limit_hits(rules), limit_hits);
	test_row = "";
}

/* An example, and then some words of it again and again: made to keep patterns busy. */
static struct sv long_text(const struct rule_example *example, struct buf *b)
{
	struct sv e = example->reply, word = e;

	for (unsigned skip = below(8); skip > 0 && sv_find(word, ' ') < word.n; skip--)
		(void)sv_cut(&word, ' ');
	word = sv_head(word, 1 + below((unsigned)word.n));
	buf_add(b, e);
	while (b->n + e.n + word.n + 2 < b->size) {
		buf_add_char(b, ' ');
		buf_add(b, below(8) ? word : e);
	}
	return buf_sv(b);
}

/* Some texts are too much for some pattern, and then nobody is suppressed behind it; hardly any are. */
static void hardly_any_text_is_too_much(void **state)
{
	static struct reply reply;
	size_t gave_up = 0;

	(void)state;
	set_seed();
	for (size_t i = 0; i < examples_n; i += 4) {
		char text[REPLY_TEXT_MAX];
		struct buf b = BUF_ON(text);
		struct verdict v;
		uint64_t limit_hits = ruleset_limit_hits(rules);
		ruleset_classify_text(rules, long_text(examples[i], &b), (struct enhanced){ 0 }, examples[i]->relay, &reply, &v);
		if (ruleset_limit_hits(rules) == limit_hits)
			continue;
		gave_up++;
		WANT(v.class_ != CLASS_HARD);
	}
	WANT(gave_up * 50 <= examples_n / 4);
	test_row = "";
}

static void ids_are_unique_and_spelt_alike(void **state)
{
	(void)state;
	WANT(ruleset_count(rules) > 100);
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const char *id = ruleset_rule(rules, i)->id;
		test_row = id;
		WANT(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(id));
		for (size_t j = 0; j < i; j++)
			WANT(strcmp(ruleset_rule(rules, j)->id, id) != 0);
	}
	test_row = "";
}

static void every_category_has_a_rule(void **state)
{
	bool has[CATEGORY_COUNT] = { [CATEGORY_COMPLAINT] = true }; /* comes as feedback, not in a log */

	(void)state;
	for (size_t i = 0; i < ruleset_count(rules); i++)
		has[ruleset_rule(rules, i)->category] = true;
	for (int i = 0; i < CATEGORY_COUNT; i++) {
		test_row = category_name((enum category)i);
		WANT(has[i]);
	}
	test_row = "";
}

/* What may suppress somebody at once, and what never. */
static void classes(void **state)
{
	static const struct { const char *name, *reply; bool want_hard; } table[] = {
		{ "a user unknown", "550 5.1.1 <u@example.com>: Recipient address rejected: User unknown in virtual mailbox table", true },
		{ "a full mailbox, said with 5xx", "552 5.2.2 Mailbox full", false },
		{ "a full mailbox, said with 4xx", "452 4.2.2 Mailbox full", false },
		{ "a bare 550", "550", false },
		{ "a 550 that says nothing", "550 5.0.0 Message rejected", false },
		{ "a block list that quotes the recipient", "550 5.7.1 <u@example.com>: Service unavailable; Client host [192.0.2.1] blocked using bl.example.org; user unknown", false },
		{ "relaying", "554 5.7.1 <u@example.com>: Relay access denied", false },
		{ "our sender", "550 5.1.8 <s@example.org>: Sender address rejected: Domain not found", false },
		{ "nothing", "", false },
	};

	(void)state;
	EACH(row, table) {
		struct rule_example example = { sv_of(row->reply), sv_of(""), 0 };
		struct verdict v;
		(void)winner(&example, &v);
		WANT_INT(v.class_ == CLASS_HARD, row->want_hard);
	}
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *r = ruleset_rule(rules, i);
		test_row = r->id;
		WANT(r->category != CATEGORY_MAILBOX_FULL || r->class_ == CLASS_SOFT);
		WANT(r->class_ != CLASS_HARD || category_fault(r->category) == FAULT_RECIPIENT);
	}
	test_row = "";
}

static const struct answers *answers_of(const char *text)
{
	static struct config config;
	struct err err;

	assert_true(config_parse("t.conf", text, &config, &err));
	return &config.policyd_answers;
}

static void want_known_again(const struct entry *e, const struct answers *answers)
{
	struct decision d;
	struct verdict v;
	char text[700];

	decide(&(const struct known){ .address = e }, answers, 1795252322, &d);
	(void)snprintf(text, sizeof text, "host mx.example.com[192.0.2.1] said: %s %s <u@example.com>: Recipient address rejected: %s (in reply to RCPT TO command)",
		d.action == ACTION_REJECT ? "550" : "450", d.enhanced, d.text);
	struct rule_example example = { sv_of(text), sv_of("mx.example.com"), 0 };
	test_row = d.reply;
	(void)winner(&example, &v);
	WANT_STRING(category_name(v.category), "suppressed");
	WANT_INT(v.class_, CLASS_NONE);
}

/* Our own refusals, seen in the log of the host that asked us, count against nobody. */
static void our_refusals_are_known_again(void **state)
{
	(void)state;
	for (int reason = 0; reason < CATEGORY_COUNT; reason++) {
		static const enum status refused[] = { STATUS_HARD, STATUS_HELD, STATUS_COMPLAINT, STATUS_MANUAL };
		for (size_t i = 0; i < COUNT(refused); i++) {
			struct entry e = { .status = refused[i], .reason = (enum category)reason, .since_s = 1795252321,
				.until_s = refused[i] == STATUS_HELD ? 1796548321 : 0, .token = SV("1795252321000-0") };
			want_known_again(&e, NULL);
			want_known_again(&e, answers_of("policyd: { answers = ( { action = 450; text = \"user unknown, mailbox full\"; } ); };"));
			want_known_again(&e, answers_of("policyd: { answers = ( { action = \"DEFER_IF_PERMIT\"; text = \"${category}: no such user\"; } ); };"));
			want_known_again(&e, answers_of("policyd: { answers = ( { action = \"REJECT\"; text = \"listed at a block list\"; } ); };"));
		}
	}
	test_row = "";
}

/* ---- conf/nixie.conf ---- */

static const struct node *find(const struct node *root, const char *name)
{
	char group[64];
	const char *dot = strchr(name, '.');

	if (!dot)
		return node_get(root, name);
	(void)snprintf(group, sizeof group, "%.*s", (int)(dot - name), name);
	const struct node *node = node_get(root, group);
	return node ? node_get(node, dot + 1) : NULL;
}

static void want_same_value(const struct config_option *o, const struct config *got, const struct config *want)
{
	const char *g = (const char *)got + o->offset, *w = (const char *)want + o->offset;

	switch (o->type) {
	case OPTION_STRING:
		WANT_STRING(g, w);
		break;
	case OPTION_STRINGS: {
		const struct strings *gs = (const struct strings *)(const void *)g, *ws = (const struct strings *)(const void *)w;
		WANT_INT(gs->n, ws->n);
		for (size_t i = 0; i < gs->n; i++)
			WANT_STRING(gs->v[i], ws->v[i]);
		break;
	}
	case OPTION_BOOL:
		WANT_INT(*(const bool *)g, *(const bool *)w);
		break;
	case OPTION_ENUM:
		WANT_INT(*(const int *)(const void *)g, *(const int *)(const void *)w);
		break;
	case OPTION_SPAN:
		WANT(memcmp(g, w, sizeof(int32_t)) == 0);
		WANT_INT(((const struct span *)(const void *)g)->ms, ((const struct span *)(const void *)w)->ms);
		break;
	case OPTION_CONVERSIONS: {
		const struct conversions *gc = (const struct conversions *)(const void *)g, *wc = (const struct conversions *)(const void *)w;
		WANT_INT(gc->n, wc->n);
		for (size_t i = 0; i < gc->n; i++) {
			const struct conversion *a = &gc->v[i], *b = &wc->v[i];
			WANT_STRING(a->match, b->match);
			WANT(a->count == b->count && a->per == b->per && a->to == b->to && a->reset_on_delivery == b->reset_on_delivery);
			WANT(a->window.months == b->window.months && a->window.ms == b->window.ms);
			WANT(a->min_span.months == b->min_span.months && a->min_span.ms == b->min_span.ms);
			WANT(a->term.months == b->term.months && a->term.ms == b->term.ms);
			WANT(a->max_term.months == b->max_term.months && a->max_term.ms == b->max_term.ms && a->factor == b->factor);
		}
		break;
	}
	case OPTION_TERMS:
		WANT(memcmp(g, w, CATEGORY_COUNT * sizeof(struct category_term)) == 0);
		break;
	case OPTION_ANSWERS:
		WANT_INT(((const struct answers *)(const void *)g)->n, ((const struct answers *)(const void *)w)->n);
		break;
	case OPTION_STATUS_FILTER:
		WANT(memcmp(g, w, CATEGORY_COUNT * sizeof(enum status_change)) == 0);
		break;
	case OPTION_ADDRESSES:
		WANT(memcmp(g, w, sizeof(struct verp_templates)) == 0);
		break;
	case OPTION_FEEDBACK_LOOPS:
		WANT(memcmp(g, w, sizeof(struct feedback_loops)) == 0);
		break;
	case OPTION_NUMBER:
	case OPTION_MODE:
	case OPTION_MS:
	case OPTION_BYTES:
	case OPTION_SHARE:
		WANT_INT(*(const int64_t *)(const void *)g, *(const int64_t *)(const void *)w);
		break;
	}
}

static void the_sample_has_every_option_with_its_default(void **state)
{
	static struct config got, want;
	struct config_args args = { .path = "conf/nixie.conf" };
	struct err err = { "" };

	(void)state;
	bool ok = config_load(&args, &got, &err) && config_parse("defaults", "", &want, &err);
	WANT_STRING(err.text, "");
	WANT(ok);
	struct conffile *file = conffile_read(args.path, &err);
	WANT(file);
	for (size_t i = 0; i < config_options_n; i++) {
		test_row = config_options[i].name;
		WANT(find(conffile_root(file), config_options[i].name) != NULL);
		want_same_value(&config_options[i], &got, &want);
	}
	test_row = "";
	conffile_free(file);
}

static void collect_examples(void)
{
	size_t n = 0;

	for (size_t i = 0; i < ruleset_count(rules); i++)
		n += ruleset_rule(rules, i)->n_match + ruleset_rule(rules, i)->n_no_match;
	examples = calloc(n + 1, sizeof *examples);
	assert_non_null(examples);
	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *r = ruleset_rule(rules, i);
		for (size_t j = 0; j < r->n_match + r->n_no_match; j++) {
			const struct rule_example *e = j < r->n_match ? &r->match[j] : &r->no_match[j - r->n_match];
			if (e->reply.n)
				examples[examples_n++] = e;
		}
	}
}

int main(void)
{
	const char *const directories[] = { "conf/rules.d" };
	struct err err = { "" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_wins_its_rule),
		cmocka_unit_test(no_counter_example_does),
		cmocka_unit_test(the_prefilter_changes_nothing),
		cmocka_unit_test(the_prefilter_changes_nothing_on_mixed_texts),
		cmocka_unit_test(compiling_late_changes_nothing),
		cmocka_unit_test(hardly_any_text_is_too_much),
		cmocka_unit_test(ids_are_unique_and_spelt_alike),
		cmocka_unit_test(every_category_has_a_rule),
		cmocka_unit_test(classes),
		cmocka_unit_test(our_refusals_are_known_again),
		cmocka_unit_test(the_sample_has_every_option_with_its_default),
	};

	rules = ruleset_load(directories, 1, &err);
	if (!rules) {
		print_error("%s\n", err.text);
		return 1;
	}
	collect_examples();
	int failed = RUN(tests);
	free(examples);
	ruleset_free(rules);
	return failed;
}
