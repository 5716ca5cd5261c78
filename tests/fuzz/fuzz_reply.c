/* What a server said, and what the shipped rules make of it. Runs at the top of the tree. */
#include "fuzz.h"

#include "rules.h"

static struct ruleset *rules;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *const directories[] = { "conf/rules.d" };
	struct err err;

	(void)argc, (void)argv;
	rules = ruleset_load(directories, 1, &err);
	if (!rules) {
		(void)fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return 0;
}

static void check_enhanced(struct enhanced e)
{
	char text[ENHANCED_TEXT_MAX];
	struct enhanced back = { 0 };

	enhanced_format(e, text);
	if (e.class_ == 0) {
		MUST(text[0] == '\0');
		return;
	}
	MUST(e.class_ == 2 || e.class_ == 4 || e.class_ == 5);
	MUST(enhanced_parse(sv_of(text), &back));
	MUST(back.class_ == e.class_ && back.subject == e.subject && back.detail == e.detail);
}

static void check_verdict(const struct reply *r, const struct verdict *v)
{
	MUST((int)v->category >= 0 && v->category < CATEGORY_COUNT);
	MUST(v->rule || v->category == CATEGORY_OTHER);
	MUST(fuzz_inside(v->matched, r->words));
	MUST(v->class_ != CLASS_HARD || category_fault(v->category) == FAULT_RECIPIENT);
	MUST(v->category != CATEGORY_MAILBOX_FULL || v->class_ != CLASS_HARD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reply r, again;
	struct verdict with, without;
	struct sv text = sv_make((const char *)data, size), relay = sv_make(NULL, 0);
	struct enhanced dsn = { 0 };

	/* "dsn<TAB>relay<TAB>text", or the text alone */
	if (sv_find(text, '\t') < text.n) {
		if (!enhanced_parse(sv_cut(&text, '\t'), &dsn))
			dsn = (struct enhanced){ 0 };
		if (sv_find(text, '\t') < text.n)
			relay = sv_cut(&text, '\t');
	}
	uint64_t limit_hits = ruleset_limit_hits(rules);
	ruleset_classify_text(rules, text, dsn, relay, &r, &with);
	MUST(r.words.p == r.store && r.words.n <= sizeof r.store);
	MUST(r.code == 0 || (r.code >= 200 && r.code <= 599));
	MUST(fuzz_inside(r.host, text) && sv_find(r.host, ' ') == r.host.n);
	MUST(r.phase >= PHASE_NONE && r.phase <= PHASE_END_OF_DATA);
	check_enhanced(r.enhanced);
	check_verdict(&r, &with);
	MUST(ruleset_limit_hits(rules) == limit_hits || with.class_ != CLASS_HARD);
	ruleset_set_plain(rules, true);
	ruleset_classify_text(rules, text, dsn, relay, &again, &without);
	ruleset_set_plain(rules, false);
	/* a pattern that gave up is no match, unless the prefilter spared it the trying */
	if (ruleset_limit_hits(rules) == limit_hits)
		MUST(with.rule == without.rule && with.class_ == without.class_ && sv_eq(with.matched, without.matched));
	fuzz_check_writers(r.words);
	return 0;
}
