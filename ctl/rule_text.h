/* rule_text: what a rule says and does, in words: for explain and rules. */
#ifndef NIXIE_RULE_TEXT_H
#define NIXIE_RULE_TEXT_H

#include "json.h"
#include "rules.h"

/* "${about-us}": a named list. */
bool rule_value_is_list(struct sv value);

/* The values of a condition, quoted, at most max of them and each cut to width; then how many more there are. */
void rule_print_values(FILE *to, const struct rule_condition *condition, size_t max, size_t width);

/* The members that say what a rule is: id, file, line, class, category. */
void rule_json(struct json *json, const struct rule *rule);

/* The first condition that does not hold; rule->n_conditions when all do. hit_r: the words
 * that a not-text found. */
size_t rule_fails_at(struct ruleset *rules, const struct rule *rule, const struct failure_text *failure, struct sv *hit_r);

/* Hard, and the server has not heard of the recipient yet. */
bool rule_too_early(const struct rule *rule, const struct reply *reply);

#endif
