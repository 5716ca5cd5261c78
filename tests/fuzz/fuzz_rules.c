/* A rule file, and behind a line "%%" replies for it, one a line. */
#include "fuzz.h"

#include "rules.h"

FUZZ_LIBCONFIG_LEAKS

static void check_rule(const struct rule *r)
{
	MUST(r->id && *r->id && strlen(r->id) <= RULE_ID_MAX);
	MUST(strcmp(r->file, "fuzz.conf") == 0 && r->line > 0);
	MUST((int)r->category >= 0 && r->category < CATEGORY_COUNT && r->class_ <= CLASS_COMPLAINT);
	MUST(r->class_ != CLASS_HARD || category_fault(r->category) == FAULT_RECIPIENT);
	MUST(r->n_match <= RULE_LIST_MAX && r->n_no_match <= RULE_LIST_MAX);
}

static void classify(struct ruleset *set, struct sv text)
{
	static struct reply reply;
	struct verdict with, without;
	uint64_t limit_hits = ruleset_limit_hits(set);

	ruleset_classify_text(set, text, (struct enhanced){ 0 }, sv_make(NULL, 0), &reply, &with);
	MUST(fuzz_inside(with.matched, reply.words));
	ruleset_set_plain(set, true);
	ruleset_classify_text(set, text, (struct enhanced){ 0 }, sv_make(NULL, 0), &reply, &without);
	ruleset_set_plain(set, false);
	/* a pattern that gave up is no match, unless the prefilter spared it the trying */
	if (ruleset_limit_hits(set) == limit_hits)
		MUST(with.rule == without.rule && with.class_ == without.class_);
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
			check_rule(ruleset_rule(set, i));
		for (int i = 0; i < 20 && replies.n; i++)
			classify(set, sv_cut(&replies, '\n'));
	} else {
		MUST(strncmp(err.text, "fuzz.conf:", 10) == 0);
	}
	ruleset_free(set);
	free(text);
	return 0;
}
