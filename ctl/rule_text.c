#include "rule_text.h"

#include "term.h"

bool rule_value_is_list(struct sv value)
{
	return sv_starts(value, SV("${")) && value.p[value.n - 1] == '}';
}

const struct rule_list *rule_value_list(const struct ruleset *rules, struct sv value)
{
	return rule_value_is_list(value) ? ruleset_words(rules, sv_make(value.p + 2, value.n - 3)) : NULL;
}

static bool names(const struct rule *rule, struct sv name)
{
	for (size_t i = 0; i < rule->n_conditions; i++) {
		const struct rule_condition *c = &rule->conditions[i];
		for (size_t j = 0; j < c->n && c->what == CONDITION_TEXT; j++)
			if (rule_value_is_list(c->values[j]) && sv_eq(sv_make(c->values[j].p + 2, c->values[j].n - 3), name))
				return true;
	}
	return false;
}

size_t rule_list_users(const struct ruleset *rules, struct sv name, const struct rule **users_r, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ruleset_count(rules); i++) {
		const struct rule *rule = ruleset_rule(rules, i);
		if (rule->disabled || !names(rule, name))
			continue;
		if (n < max)
			users_r[n] = rule;
		n++;
	}
	return n;
}

const char *rule_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void rule_print_values(FILE *to, const struct rule_condition *condition, size_t max, size_t width)
{
	for (size_t i = 0; i < condition->n && i < max; i++) {
		struct sv value = condition->values[i];
		(void)fputs(i ? ", \"" : "\"", to);
		term_clean(to, sv_head(value, width));
		(void)fputs(value.n > width ? "...\"" : "\"", to);
	}
	if (condition->n > max)
		(void)fprintf(to, ", and %zu more", condition->n - max);
}

void rule_json(struct json *j, const struct rule *rule)
{
	json_text(j, "id", sv_of(rule->id));
	json_text(j, "class", sv_of(class_name(rule->class_)));
	json_text(j, "category", sv_of(category_name(rule->category)));
	json_text(j, "file", sv_of(rule->file));
	json_number(j, "line", rule->line);
}

size_t rule_fails_at(struct ruleset *rules, const struct rule *rule, const struct failure_text *failure, struct sv *hit_r)
{
	size_t i = 0;

	*hit_r = sv_make("", 0);
	while (i < rule->n_conditions && ruleset_condition_holds(rules, rule, i, failure, hit_r))
		i++;
	return i;
}

bool rule_too_early(const struct rule *rule, const struct reply *reply)
{
	return rule->class_ == CLASS_HARD && reply->phase >= PHASE_CONNECT && reply->phase <= PHASE_MAIL;
}
