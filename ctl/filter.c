#include "filter.h"

#include "log.h"
#include "typo.h"

#define PROVIDER_ERRORS_MAX 2

void filter_hint_provider(const struct ruleset *rules, const char *name)
{
	struct sv meant = sv_make("", 0), known;
	unsigned best = PROVIDER_ERRORS_MAX + 1;

	for (size_t i = 0; (known = ruleset_next_provider(rules, &i)).n;) {
		unsigned distance = typo_distance(sv_of(name), known, PROVIDER_ERRORS_MAX);
		if (distance == 0)
			return;
		if (distance >= best)
			continue;
		best = distance;
		meant = known;
	}
	if (meant.n)
		log_error("--provider %s: no provider of the rules has this name; is %.*s meant?", name, SV_ARG(meant));
	else
		log_error("--provider %s: no provider of the rules has this name; nixie report --by provider shows those with results", name);
}

bool filter_matches(const struct filter *f, struct sv address, const struct entry *e)
{
	if (f->status_text && e->status != f->status)
		return false;
	if (f->category_text && (entry_by_hand(e) || e->reason != f->category))
		return false;
	if (f->domain && !sv_eq_nocase(sv_after_last(address, '@'), sv_of(f->domain)))
		return false;
	if (f->rule && !sv_eq(e->rule, sv_of(f->rule)))
		return false;
	if (e->since_s < f->since_s || e->since_s >= f->until_s)
		return false;
	return !f->provider || sv_eq(ruleset_provider(f->rules, e->remote), sv_of(f->provider));
}

bool filter_given(const struct filter *f)
{
	return f->status_text || f->category_text || f->domain || f->provider || f->rule || f->since_text || f->until_text;
}

bool filter_take(struct ctl *ctl, struct filter *f, int *code_r)
{
	struct err err;

	*code_r = EXIT_USAGE;
	f->since_s = INT64_MIN;
	f->until_s = INT64_MAX;
	if (!verb_time("since", f->since_text, &f->since_s) || !verb_time("until", f->until_text, &f->until_s))
		return false;
	if (f->status_text && (!status_by_name(sv_of(f->status_text), &f->status) || f->status < STATUS_HELD || f->status > STATUS_MANUAL)) {
		log_error("--status %s: write held, hard, complaint or manual", f->status_text);
		return false;
	}
	if (f->category_text && !category_by_name(sv_of(f->category_text), &f->category)) {
		log_error("--category %s: there is no such category; nixie-rules(5) lists them", f->category_text);
		return false;
	}
	f->domain += f->domain && *f->domain == '@';
	if (f->provider && !(f->rules = cli_load_rules(&ctl->config, &err))) {
		log_fatal("%s", err.text);
		*code_r = EXIT_CONFIG;
		return false;
	}
	if (f->provider)
		filter_hint_provider(f->rules, f->provider);
	return true;
}

void filter_free(struct filter *f)
{
	ruleset_free(f->rules);
	f->rules = NULL;
}
