#include "lint_forms.h"

#include "arena.h"
#include "forms.h"
#include "lint_cover.h"
#include "lint_pattern.h"
#include "mail.h"
#include "returned.h"

/* Each costs as much as the words of the expression do. */
#define LINT_FORM_SAMPLES 1

struct linting {
	struct lint_told *told;
	struct ruleset *rules;
	const struct forms *forms;
	struct cover cover;
	struct arena arena; /* of expressions */
};

static struct lint_place place_of(const struct form *form)
{
	return (struct lint_place){ form->id, form->file, form->line, true };
}

/* ---- a form for itself ---- */

static void lint_twice(struct linting *l, const struct form *form, const struct form_values *values, const char *name)
{
	for (size_t i = 0; i < values->n; i++)
		for (size_t k = 0; k < i; k++)
			if (sv_eq(values->v[i], values->v[k]))
				lint_tell(l->told, LINT_WARNING, "twice", place_of(form), "%s has \"%.*s\" twice", name, SV_ARG(sv_head(values->v[i], 160)));
}

/* Tried on texts as those of its examples. */
static void lint_expressions(struct linting *l, const struct form *form, enum form_member member, const struct form_values *values, const char *name)
{
	struct sv samples[LINT_FORM_SAMPLES];
	size_t n = form->n_match < LINT_FORM_SAMPLES ? form->n_match : LINT_FORM_SAMPLES;

	for (size_t i = 0; i < n; i++)
		samples[i] = form->match[i].mail;
	for (size_t i = 0; i < values->n && member != FORM_FROM; i++) {
		unsigned problems = pattern_problems_lines(form_expression(&l->arena, member, values->v[i]), samples, n);
		for (unsigned bit = 1; bit <= PATTERN_NO_WORD; bit <<= 1)
			if (problems & bit)
				lint_tell(l->told, bit == PATTERN_MATCHES_NOTHING ? LINT_ERROR : LINT_WARNING, pattern_problem_name(bit), place_of(form),
					"%s: \"%.*s\": %s", name, SV_ARG(sv_head(values->v[i], 160)), pattern_problem_text(bit));
	}
}

/* ---- conditions ---- */

/* "mailer-daemon@" of any domain, an address, or a domain and what is below it */
static bool from_covers(struct sv wide, struct sv narrow)
{
	struct sv domain = sv_after_last(narrow, '@');

	if (sv_eq_nocase(wide, narrow))
		return true;
	if (wide.n && wide.p[wide.n - 1] == '@')
		return sv_starts_nocase(narrow, wide);
	return sv_find(wide, '@') == wide.n && domain.n && host_under(domain, wide);
}

static struct rule_condition as_condition(const struct sv *value)
{
	return (struct rule_condition){ .what = CONDITION_TEXT, .n = 1, .values = value };
}

static bool expression_covers(struct linting *l, enum form_member member, struct sv wide, struct sv narrow)
{
	struct sv w = form_expression(&l->arena, member, wide), n = form_expression(&l->arena, member, narrow);
	const struct rule_condition of_wide = as_condition(&w), of_narrow = as_condition(&n);

	return sv_eq(w, n) || condition_covers(&l->cover, &of_wide, &of_narrow);
}

static bool header_covers(struct linting *l, struct sv wide, struct sv narrow)
{
	struct sv w = wide, n = narrow;

	return sv_eq_nocase(sv_trim(sv_cut(&w, ':')), sv_trim(sv_cut(&n, ':'))) && expression_covers(l, FORM_HEADER, wide, narrow);
}

static bool value_covers(struct linting *l, enum form_member member, struct sv wide, struct sv narrow)
{
	if (member == FORM_FROM)
		return from_covers(wide, narrow);
	return member == FORM_HEADER ? header_covers(l, wide, narrow) : expression_covers(l, member, wide, narrow);
}

/* Is one of `wide` there whenever one of `narrow` is? */
static bool values_cover(struct linting *l, enum form_member member, const struct form_values *wide, const struct form_values *narrow)
{
	for (size_t i = 0; i < narrow->n; i++) {
		size_t k = 0;
		while (k < wide->n && !value_covers(l, member, wide->v[k], narrow->v[i]))
			k++;
		if (k == wide->n)
			return false;
	}
	return narrow->n > 0;
}

static bool same_values(const struct form_values *a, const struct form_values *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = sv_eq(a->v[i], b->v[i]);
	return same;
}

/* Does `wide` hold whenever `narrow` does? The copy is cut off before the text is looked at, and a form of bounces
 * whose recipients are not found does not hold: of these only what is the same is seen. */
static bool form_covers(struct linting *l, const struct form *wide, const struct form *narrow)
{
	if (wide->kind != narrow->kind || (wide->answer && !narrow->answer))
		return false;
	for (enum form_member m = 0; m < FORM_CONDITIONS; m++) {
		if (wide->members[m].n && !values_cover(l, m, &wide->members[m], &narrow->members[m]))
			return false;
		if (wide->not_members[m].n && !values_cover(l, m, &narrow->not_members[m], &wide->not_members[m]))
			return false;
	}
	bool same_copy = same_values(&wide->members[FORM_COPY], &narrow->members[FORM_COPY]);
	bool sees_all = !wide->members[FORM_COPY].n && !wide->not_members[FORM_TEXT].n;
	return (same_copy || sees_all) &&
		(!wide->members[FORM_RECIPIENTS].n || same_values(&wide->members[FORM_RECIPIENTS], &narrow->members[FORM_RECIPIENTS]));
}

static void lint_never(struct linting *l, const struct form *form)
{
	for (enum form_member m = 0; m < FORM_CONDITIONS; m++)
		if (form->not_members[m].n && values_cover(l, m, &form->not_members[m], &form->members[m]))
			lint_tell(l->told, LINT_ERROR, "never", place_of(form), "it never holds: %s leaves out all that %s asks for", form_member_name(m, true),
				form_member_name(m, false));
}

/* ---- forms beside each other ---- */

/* An earlier form that always holds when this one does. */
static void lint_unreachable(struct linting *l, const struct form *form, size_t position)
{
	for (size_t i = 0; i < position; i++) {
		const struct form *earlier = forms_form(l->forms, i);
		if (earlier->disabled || !form_covers(l, earlier, form))
			continue;
		bool same = form_covers(l, form, earlier);
		lint_tell(l->told, LINT_ERROR, same ? "duplicate" : "unreachable", place_of(form), "it never wins: %s (%s:%u) comes first and %s",
			earlier->id, earlier->file, earlier->line, same ? "asks for the same" : "holds whenever this one does");
		return;
	}
}

/* What takes a mail, with all forms together. */
static struct sv taker_of(struct linting *l, struct sv text, const struct form **form_r)
{
	static struct mail mail;
	struct returned returned;
	struct arena arena = { 0 };

	mail_parse(text, &arena, &mail);
	returned_read(&mail, ruleset_forms(l->rules), &arena, &returned);
	*form_r = returned.by_form;
	struct sv because = arena_dup(&l->arena, returned.because);
	arena_free(&arena);
	return because;
}

static void lint_shadowed(struct linting *l, const struct form *form)
{
	const struct form *taker;
	struct sv first = SV("");

	for (size_t i = 0; i < form->n_match; i++) {
		struct sv because = taker_of(l, form->match[i].mail, &taker);
		if (taker == form)
			return;
		if (i == 0)
			first = because;
	}
	if (form->n_match)
		lint_tell(l->told, LINT_ERROR, "shadowed", place_of(form), "it takes none of its own examples; the first is taken by %.*s",
			SV_ARG(first.n ? first : SV("no form")));
}

/* ---- ---- */

static void lint_form(struct linting *l, const struct form *form)
{
	for (enum form_member m = 0; m < FORM_MEMBERS; m++) {
		lint_twice(l, form, &form->members[m], form_member_name(m, false));
		lint_expressions(l, form, m, &form->members[m], form_member_name(m, false));
		if (m >= FORM_CONDITIONS)
			continue;
		lint_twice(l, form, &form->not_members[m], form_member_name(m, true));
		lint_expressions(l, form, m, &form->not_members[m], form_member_name(m, true));
	}
	lint_never(l, form);
}

size_t lint_forms(struct lint_told *told, struct ruleset *rules)
{
	struct linting l = { .told = told, .rules = rules, .forms = ruleset_forms(rules), .cover = { .rules = rules } };
	size_t n = 0;

	for (size_t i = 0; i < forms_count(l.forms); i++) {
		const struct form *form = forms_form(l.forms, i);
		if (form->disabled)
			continue;
		n++;
		lint_form(&l, form);
		lint_unreachable(&l, form, i);
		lint_shadowed(&l, form);
	}
	cover_free(&l.cover);
	arena_free(&l.arena);
	return n;
}
