/* A rule file, and behind a line "%%" replies for it, one a line: "text", or
 * "relay<TAB>text". What the engine says of them is held against itself: with the
 * prefilter and without, the first rule and all of them, a rule and its conditions. */
#include "fuzz.h"

#include "rules.h"

FUZZ_LIBCONFIG_LEAKS

#define REPLIES_MAX 20
#define VERDICTS_MAX 256
/* Rules of which every condition is asked again. */
#define RULES_ASKED 24

struct answers {
	size_t n;
	struct verdict v[VERDICTS_MAX];
	bool gave_up;
};

static void check_conditions(const struct rule *r)
{
	bool positive = false;

	MUST(r->n_conditions > 0 && r->n_conditions <= RULE_CONDITIONS_MAX);
	for (size_t i = 0; i < r->n_conditions; i++) {
		const struct rule_condition *c = &r->conditions[i], *before = i ? c - 1 : NULL;
		MUST(c->what < CONDITION_COUNT && c->n > 0 && c->n <= RULE_LIST_MAX && *condition_name(c));
		MUST(!before || before->what < c->what || (before->what == c->what && !before->negated && c->negated));
		for (size_t j = 0; j < c->n; j++)
			MUST(c->values[j].n > 0);
		positive = positive || !c->negated;
	}
	MUST(positive);
}

static void check_rule(const struct ruleset *set, const struct rule *r)
{
	MUST(r->id && *r->id && strlen(r->id) <= RULE_ID_MAX);
	MUST(strcmp(r->file, "fuzz.conf") == 0 && r->line > 0 && !r->replaced_file);
	MUST((int)r->category >= 0 && r->category < CATEGORY_COUNT && r->class_ < CLASS_COMPLAINT);
	MUST(r->class_ != CLASS_HARD || category_fault(r->category) == FAULT_RECIPIENT);
	MUST(r->n_match <= RULE_LIST_MAX && r->n_no_match <= RULE_LIST_MAX);
	MUST(ruleset_find(set, sv_of(r->id)) == r);
	check_conditions(r);
}

static void check_verdict(const struct failure_text *f, const struct verdict *v)
{
	MUST(v->rule && !v->rule->disabled && v->category == v->rule->category);
	MUST(v->class_ == v->rule->class_ || (v->class_ == CLASS_SOFT && v->rule->class_ == CLASS_HARD));
	MUST(v->class_ != CLASS_HARD || f->reply->phase == PHASE_NONE || f->reply->phase >= PHASE_RCPT);
	MUST(fuzz_inside(v->matched, f->reply->words));
	MUST(!v->blocklist || (category_fault(v->category) == FAULT_SENDER && *v->blocklist->name));
}

static bool same(const struct verdict *a, const struct verdict *b)
{
	return a->rule == b->rule && a->category == b->category && a->class_ == b->class_ && a->blocklist == b->blocklist &&
		sv_eq(a->matched, b->matched);
}

static void ask(struct ruleset *set, const struct failure_text *f, bool plain, struct answers *answers_r)
{
	uint64_t limit_hits = ruleset_limit_hits(set);
	struct verdict first, again;

	ruleset_set_plain(set, plain);
	answers_r->n = ruleset_classify_all(set, f, answers_r->v, VERDICTS_MAX);
	answers_r->gave_up = ruleset_limit_hits(set) > limit_hits;
	ruleset_classify(set, f, &first);
	ruleset_classify(set, f, &again); /* may be remembered */
	ruleset_set_plain(set, false);
	MUST(same(&first, &again));
	for (size_t i = 0; i < answers_r->n; i++)
		check_verdict(f, &answers_r->v[i]);
	if (answers_r->n)
		MUST(same(&first, &answers_r->v[0]));
	else
		MUST(!first.rule && first.category == CATEGORY_OTHER && first.class_ == CLASS_SOFT && !first.blocklist && !first.matched.n);
}

/* By its conditions, one by one. False in *known_r: a pattern gave up. */
static bool holds(struct ruleset *set, const struct rule *r, const struct failure_text *f, bool *known_r)
{
	uint64_t limit_hits = ruleset_limit_hits(set);
	bool all = !r->disabled && (r->class_ != CLASS_HARD || f->reply->phase == PHASE_NONE || f->reply->phase >= PHASE_RCPT);

	for (size_t i = 0; i < r->n_conditions; i++) {
		struct sv hit;
		bool one = ruleset_condition_holds(set, r, i, f, &hit);
		MUST(fuzz_inside(hit, f->reply->words));
		all = all && one;
	}
	*known_r = ruleset_limit_hits(set) == limit_hits;
	return all;
}

static void classify(struct ruleset *set, const struct failure_text *f)
{
	static struct answers with, without;
	size_t next = 0;

	ask(set, f, false, &with);
	ask(set, f, true, &without);
	/* a pattern that gave up is no match, unless the prefilter spared it the trying */
	if (with.gave_up || without.gave_up)
		return;
	MUST(with.n == without.n);
	for (size_t i = 0; i < with.n; i++)
		MUST(same(&with.v[i], &without.v[i]));
	for (size_t i = 0; i < ruleset_count(set) && i < RULES_ASKED && next < VERDICTS_MAX; i++) {
		const struct rule *r = ruleset_rule(set, i);
		bool known, found = next < with.n && with.v[next].rule == r;
		MUST(holds(set, r, f, &known) == found || !known);
		next += found;
	}
}

static void classify_line(struct ruleset *set, struct sv line, int number)
{
	static struct reply reply;
	struct sv text = line, relay = sv_make(NULL, 0);

	if (sv_find(text, '\t') < text.n)
		relay = sv_cut(&text, '\t');
	reply_parse(text, (struct enhanced){ 0 }, &reply);
	struct failure_text f = { &reply, relay.n ? relay : reply.host, (enum mta)(number % 3) };
	MUST(ruleset_provider(set, f.relay).n <= RULE_ID_MAX);
	classify(set, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv replies = sv_make((const char *)data, size);
	size_t end = sv_find_sv(replies, SV("\n%%\n"));
	char *text = fuzz_string(sv_head(replies, end));
	struct err err = { "" };

	if (strstr(text, "@include")) { /* libconfig would open files */
		free(text);
		return 0;
	}
	replies = sv_skip(replies, end + 4);
	struct ruleset *set = ruleset_parse("fuzz.conf", text, &err);
	if (set) {
		for (size_t i = 0; i < ruleset_count(set); i++)
			check_rule(set, ruleset_rule(set, i));
		for (int i = 0; i < REPLIES_MAX && replies.n; i++)
			classify_line(set, sv_cut(&replies, '\n'), i);
	} else {
		MUST(strncmp(err.text, "fuzz.conf:", 10) == 0);
	}
	ruleset_free(set);
	free(text);
	return 0;
}
