#include "lint_cover.h"

#include "rule_text.h"

/* ---- values ---- */

static bool code_covers(struct sv wide, struct sv narrow)
{
	for (size_t i = 0; i < 3; i++)
		if (wide.p[i] != 'x' && wide.p[i] != narrow.p[i])
			return false;
	return true;
}

static bool enhanced_covers(struct sv wide, struct sv narrow)
{
	for (int i = 0; i < 3; i++) {
		struct sv w = sv_cut(&wide, '.'), n = sv_cut(&narrow, '.');
		if (!sv_eq(w, SV("x")) && !sv_eq(w, n))
			return false;
	}
	return true;
}

static bool is_plain(struct sv regex)
{
	for (size_t i = 0; i < regex.n; i++)
		if (strchr("\\^$.[]()|?*+{}", regex.p[i]))
			return false;
	return regex.n > 0;
}

static bool has_part(struct sv text, struct sv part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (sv_eq_nocase(sv_make(text.p + i, part.n), part))
			return true;
	return false;
}

/* The sets of words that an expression cannot do without; of an empty one, none follows. */
struct required {
	size_t n;
	struct sv *words;
};

/* Every expression is looked at once: it is compared with those of all earlier rules. */
static const struct required *required_of(struct cover *cover, struct sv regex)
{
	static struct literal_sets sets;
	struct required *r = map_get(&cover->required, regex);

	if (r)
		return r;
	literal_required(regex, &sets);
	r = arena_alloc(&cover->arena, (LITERAL_SETS_MAX + 1) * sizeof *r);
	for (size_t i = 0; i < sets.n; i++) {
		r[i].n = sets.v[i].n;
		r[i].words = arena_alloc(&cover->arena, r[i].n * sizeof *r[i].words + 1);
		for (size_t j = 0; j < r[i].n; j++)
			r[i].words[j] = arena_dup(&cover->arena, sv_make(sets.v[i].v[j].bytes, sets.v[i].v[j].n));
	}
	map_put(&cover->required, regex, r);
	return r;
}

/* A word that is in everything the other expression can match. */
static bool word_covers(struct cover *cover, struct sv word, struct sv narrow)
{
	/* a word that is put together of alternatives is not looked for: that would take long */
	if (!has_part(narrow, word))
		return false;
	if (is_plain(narrow))
		return true;
	for (const struct required *set = required_of(cover, narrow); set->n; set++) {
		size_t with = 0;
		for (size_t i = 0; i < set->n; i++)
			with += has_part(set->words[i], word);
		if (with == set->n)
			return true;
	}
	return false;
}

/* ---- texts: branch by branch, named lists as what they hold ---- */

struct branches {
	size_t n;
	struct sv v[];
};

static const struct branches *branches_of(struct cover *cover, struct sv regex)
{
	struct sv v[LITERAL_BRANCHES_MAX];
	struct branches *b = map_get(&cover->branches, regex);

	if (b)
		return b;
	size_t n = literal_branches(regex, v, NULL);
	b = arena_alloc(&cover->arena, sizeof *b + n * sizeof *v);
	b->n = n;
	memcpy(b->v, v, n * sizeof *v);
	map_put(&cover->branches, regex, b);
	return b;
}

typedef bool branch_test(struct cover *cover, struct sv branch, const struct rule_condition *other);

/* Of all branches of a condition: do all pass (all), or any? */
static bool branches_pass(struct cover *cover, const struct rule_condition *c, bool all, branch_test *test,
	const struct rule_condition *other)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct rule_list *list = rule_value_list(cover->rules, c->values[i]);
		const struct sv *values = list ? list->values : &c->values[i];
		for (size_t j = 0; j < (list ? list->n : 1); j++) {
			const struct branches *branches = branches_of(cover, values[j]);
			for (size_t k = 0; k < branches->n; k++)
				if (test(cover, branches->v[k], other) != all)
					return !all;
		}
	}
	return all;
}

/* other: the branch in question, as the only value of a condition */
static bool covers_only(struct cover *cover, struct sv branch, const struct rule_condition *other)
{
	return sv_eq(branch, other->values[0]) || (is_plain(branch) && word_covers(cover, branch, other->values[0]));
}

static bool is_covered(struct cover *cover, struct sv branch, const struct rule_condition *wide)
{
	struct rule_condition only = { .what = CONDITION_TEXT, .n = 1, .values = &branch };

	return branches_pass(cover, wide, false, covers_only, &only);
}

/* ---- conditions and rules ---- */

static bool value_covers(enum condition what, struct sv wide, struct sv narrow)
{
	switch (what) {
	case CONDITION_CODE:
		return code_covers(wide, narrow);
	case CONDITION_ENHANCED:
		return enhanced_covers(wide, narrow);
	case CONDITION_RELAY:
		return host_under(narrow, wide);
	case CONDITION_PHASE:
	case CONDITION_SAID_BY:
	case CONDITION_MTA:
	case CONDITION_PROVIDER:
	case CONDITION_TEXT:
	case CONDITION_COUNT:
		break;
	}
	return sv_eq(wide, narrow);
}

bool condition_covers(struct cover *cover, const struct rule_condition *wide, const struct rule_condition *narrow)
{
	if (wide->what == CONDITION_TEXT)
		return branches_pass(cover, narrow, true, is_covered, wide);
	for (size_t i = 0; i < narrow->n; i++) {
		size_t j = 0;
		while (j < wide->n && !value_covers(wide->what, wide->values[j], narrow->values[i]))
			j++;
		if (j == wide->n)
			return false;
	}
	return true;
}

/* Does some condition of the rule make sure that this one holds? */
static bool is_sure(struct cover *cover, const struct rule_condition *c, const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_conditions; i++) {
		const struct rule_condition *have = &rule->conditions[i];
		if (have->what != c->what || have->negated != c->negated)
			continue;
		/* a negation leaves out more the more values it has */
		return c->negated ? condition_covers(cover, have, c) : condition_covers(cover, c, have);
	}
	return false;
}

/* Rules of class hard do not hold before RCPT TO, others do. */
static bool holds_as_early(const struct rule *wide, const struct rule *narrow)
{
	if (wide->class_ != CLASS_HARD || narrow->class_ == CLASS_HARD)
		return true;
	for (size_t i = 0; i < narrow->n_conditions; i++) {
		const struct rule_condition *c = &narrow->conditions[i];
		if (c->what != CONDITION_PHASE || c->negated)
			continue;
		for (size_t j = 0; j < c->n; j++)
			if (!sv_eq(c->values[j], SV("rcpt")) && !sv_eq(c->values[j], SV("data")) && !sv_eq(c->values[j], SV("end-of-data")))
				return false;
		return true;
	}
	return false;
}

bool rule_covers(struct cover *cover, const struct rule *wide, const struct rule *narrow)
{
	if (!holds_as_early(wide, narrow))
		return false;
	for (size_t i = 0; i < wide->n_conditions; i++)
		if (!is_sure(cover, &wide->conditions[i], narrow))
			return false;
	return true;
}

void cover_free(struct cover *cover)
{
	map_free(&cover->required);
	map_free(&cover->branches);
	arena_free(&cover->arena);
}
