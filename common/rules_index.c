/* rules_index: what makes classifying cheap, when all rules of a set are there. */
#include <stdlib.h>

#include "rules_set.h"

static bool needs_a_word(const struct ruleset *set, const struct test *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t j = 0; j < t->lists[i]->n; j++)
			if (bit(set->always_possible, t->lists[i]->first + j))
				return false;
	return true;
}

/* Which rules a word makes worth trying. */
static void index_rule(struct ruleset *set, size_t rule)
{
	const struct compiled *c = set->rules[rule];
	const struct test *text = NULL;

	for (size_t i = 0; i < c->rule.n_conditions; i++)
		if (c->tests[i].what == CONDITION_TEXT && !c->tests[i].negated)
			text = &c->tests[i];
	if (c->rule.disabled)
		return;
	if (!text || !needs_a_word(set, text)) {
		set_bit(set->always, rule);
		return;
	}
	for (size_t i = 0; i < text->n; i++) {
		struct word_list *list = text->lists[i];
		list->users = arena_grow(&set->arena, list->users, list->n_users, sizeof *list->users);
		list->users[list->n_users++] = rule;
	}
}

static uint64_t *bits_for(struct ruleset *set, size_t n)
{
	return arena_alloc(&set->arena, (n / 64 + 1) * sizeof(uint64_t));
}

/* Negations and names of block lists are looked at only where the rest of a rule holds. */
static void defer_words(struct ruleset *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct compiled *c = set->rules[i];
		for (size_t j = 0; j < c->rule.n_conditions; j++)
			for (size_t k = 0; k < c->tests[j].n && c->tests[j].what == CONDITION_TEXT && !c->tests[j].negated; k++)
				c->tests[j].lists[k]->asked = true;
	}
	for (size_t i = 0; i < set->n_words; i++)
		if (!set->words[i].list->asked)
			prefilter_defer(set->prefilter, i);
}

/* What the rules say that they match is what texts are like. */
void ruleset_index_many(struct ruleset *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += set->rules[i]->rule.n_match;
	struct sv *typical = xalloc((n + 1) * sizeof *typical);
	n = 0;
	for (size_t i = 0; i < set->n; i++)
		for (size_t j = 0; j < set->rules[i]->rule.n_match; j++)
			typical[n++] = set->rules[i]->rule.match[j].reply;
	prefilter_build(set->prefilter, typical, n);
	free(typical);
}

static void know_suffix(struct ruleset *set, struct sv named)
{
	char *suffix = arena_alloc(&set->arena, named.n + 1);

	for (size_t i = 0; i < named.n; i++)
		suffix[i] = sv_lower(named.p[i]);
	if (named.n == 0 || map_get(&set->relays, sv_make(suffix, named.n)))
		return;
	struct relay_suffix *mine = arena_alloc(&set->arena, sizeof *mine);
	mine->suffix = sv_make(suffix, named.n);
	/* its provider: that of the longest provider's suffix that it is under */
	for (struct sv rest = mine->suffix; rest.n && !mine->provider.n; (void)sv_cut(&rest, '.')) {
		const struct provider_suffix *p = map_get(&set->providers, rest);
		mine->provider = p ? p->provider : sv_make("", 0);
	}
	map_put(&set->relays, mine->suffix, mine);
}

void ruleset_index_relays(struct ruleset *set)
{
	const struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&set->providers, &i));)
		know_suffix(set, slot->key);
	for (size_t i = 0; i < set->n; i++) {
		const struct compiled *c = set->rules[i];
		for (size_t j = 0; j < c->rule.n_conditions; j++)
			for (size_t k = 0; k < c->tests[j].n && c->tests[j].what == CONDITION_RELAY; k++)
				know_suffix(set, c->tests[j].names[k]);
	}
	set->recent_relays = arena_alloc(&set->arena, RECENT_RELAYS * sizeof *set->recent_relays);
}

void ruleset_index(struct ruleset *set)
{
	ruleset_cut_expressions(set);
	defer_words(set);
	set->possible = bits_for(set, set->n_words);
	set->always_possible = bits_for(set, set->n_words);
	for (size_t i = 0; i < set->n_words; i++)
		if (prefilter_is_always(set->prefilter, i))
			set_bit(set->always_possible, i);
	set->candidates = bits_for(set, set->n);
	set->always = bits_for(set, set->n);
	for (size_t i = 0; i < set->n; i++)
		index_rule(set, i);
}
