/* filter: which of the suppressed addresses are meant; the options of nixie list and of the verbs that change. */
#ifndef NIXIE_FILTER_H
#define NIXIE_FILTER_H

#include "state.h"
#include "verbs.h"

/* NULL: whatever it is. */
struct filter {
	const char *status_text, *category_text, *domain, *provider, *rule, *since_text, *until_text;
	enum status status;
	enum category category;
	int64_t since_s, until_s;
	struct ruleset *rules; /* to tell providers */
};

/* For an array of struct verb_option. */
#define FILTER_OPTIONS(filter) { "status", &(filter)->status_text, NULL }, { "category", &(filter)->category_text, NULL }, \
	{ "domain", &(filter)->domain, NULL }, { "provider", &(filter)->provider, NULL }, { "rule", &(filter)->rule, NULL }, \
	{ "since", &(filter)->since_text, NULL }, { "until", &(filter)->until_text, NULL }

/* What the options said. False: *code_r, after a message; free it all the same. */
bool filter_take(struct ctl *ctl, struct filter *filter, int *code_r) NIXIE_MUST_CHECK;
bool filter_matches(const struct filter *filter, struct sv address, const struct entry *entry);
/* Says so where no provider has the name, which is none to look for then; and which one is probably meant. */
void filter_hint_provider(const struct ruleset *rules, const char *name);
/* Is there any of its options? */
bool filter_given(const struct filter *filter);
void filter_free(struct filter *filter);

#endif
