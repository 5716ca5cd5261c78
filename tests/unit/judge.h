/* judge: what the tests of rules share: rules from text, and the verdict on a reply. */
#ifndef NIXIE_JUDGE_H
#define NIXIE_JUDGE_H

#include "rules.h"
#include "test.h"

/* Rules in a test have ' for ". Valid until the next one. */
static inline const char *quoted(const char *text)
{
	static char room[16384];

	size_t n = strlen(text);
	assert_true(n < sizeof room);
	for (size_t i = 0; i <= n; i++)
		room[i] = text[i] == '\'' ? '"' : text[i];
	return room;
}

static inline struct ruleset *parse(const char *text)
{
	struct err err = { "" };
	struct ruleset *set = ruleset_parse("t.conf", quoted(text), &err);

	if (!set)
		test_fail("ruleset_parse", err.text, "rules", __FILE__, __LINE__);
	return set;
}

/* Valid until the next one. */
static inline struct failure_text failure(const char *reply, const char *relay, enum mta mta)
{
	static struct reply r;

	reply_parse(sv_of(reply), (struct enhanced){ 0 }, &r);
	return (struct failure_text){ &r, *relay ? sv_of(relay) : r.host, mta };
}

static inline void want_same_verdict(const struct verdict *got, const struct verdict *want)
{
	WANT_STRING(got->rule ? got->rule->id : "(none)", want->rule ? want->rule->id : "(none)");
	WANT(got->rule == want->rule && got->blocklist == want->blocklist);
	WANT_STRING(category_name(got->category), category_name(want->category));
	WANT_STRING(class_name(got->class_), class_name(want->class_));
	WANT_SV(got->matched, want->matched);
	WANT(got->matched.n == 0 || got->matched.p == want->matched.p);
}

/* With the prefilter and without, the first time and again, it is the same. */
static inline struct verdict judge_as(struct ruleset *set, const char *reply, const char *relay, enum mta mta)
{
	struct failure_text f = failure(reply, relay, mta);
	struct verdict first, again, plain;

	memset(&first, 0x5a, sizeof first);
	ruleset_set_plain(set, true);
	ruleset_classify(set, &f, &plain);
	ruleset_set_plain(set, false);
	ruleset_classify(set, &f, &first);
	ruleset_classify(set, &f, &again);
	want_same_verdict(&first, &plain);
	want_same_verdict(&again, &plain);
	return first;
}

static inline struct verdict judge(struct ruleset *set, const char *reply)
{
	return judge_as(set, reply, "", MTA_UNKNOWN);
}

static inline const char *id_of(struct verdict v)
{
	return v.rule ? v.rule->id : "(none)";
}

static inline const char *blocklist_of(struct verdict v)
{
	return v.blocklist ? v.blocklist->name : "(none)";
}

#endif
