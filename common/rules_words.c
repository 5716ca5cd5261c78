/* rules_words: the expressions of a set of rules, cut into their branches: a text is tried only on those it has the words of. */
#include "rules_set.h"

static bool cut(struct ruleset *set, const struct expression *e, struct err *err)
{
	static struct literal_sets needs[LITERAL_BRANCHES_MAX]; /* big, and little of it is touched */
	struct sv branches[LITERAL_BRANCHES_MAX];
	size_t n = literal_branches(e->regex, branches, needs);
	struct err why;

	if (!e->list->n)
		e->list->first = set->n_words;
	for (size_t i = 0; i < n; i++) {
		struct pattern *pattern = set->late ? NULL : pattern_compile(branches[i], &why);
		if (!pattern && !set->late)
			return err_set(err, "%s:%u: %s: %s", e->file, e->line, e->member, why.text);
		set->words = xgrow(set->words, set->n_words, &set->words_size, sizeof *set->words);
		set->words[set->n_words++] = (struct rule_word){ pattern, e->list, branches[i], e };
		e->list->n++;
		prefilter_add(set->prefilter, &needs[i]);
	}
	return true;
}

bool ruleset_add_expression(struct ruleset *set, struct expression *e, struct err *err)
{
	if (!set->late)
		return cut(set, e, err);
	if (set->last_uncut)
		set->last_uncut->next = e;
	else
		set->uncut = e;
	set->last_uncut = e;
	return true;
}

void ruleset_cut_expressions(struct ruleset *set)
{
	struct err unused;

	for (const struct expression *e = set->uncut; e; e = e->next)
		(void)cut(set, e, &unused); /* compiles nothing: nothing can be wrong */
	set->uncut = set->last_uncut = NULL;
}

struct pattern *ruleset_pattern(struct ruleset *set, size_t word)
{
	struct rule_word *w = &set->words[word];
	struct err why;

	if (w->pattern)
		return w->pattern;
	w->pattern = pattern_compile(w->regex, &why);
	if (!w->pattern && !set->broken.text[0])
		(void)err_set(&set->broken, "%s:%u: %s: %s", w->of->file, w->of->line, w->of->member, why.text);
	return w->pattern;
}
