/* rule_text: what a rule says and does, in words: for explain and rules. */
#ifndef NIXIE_RULE_TEXT_H
#define NIXIE_RULE_TEXT_H

#include "json.h"
#include "rules.h"

/* "${about-us}": a named list. */
bool rule_value_is_list(struct sv value);

/* The list that a value such as "${about-us}" names; NULL when it names none. */
const struct rule_list *rule_value_list(const struct ruleset *rules, struct sv value);

/* How many rules name the words, those that are disabled left out; the first `max` of them to users_r. */
size_t rule_list_users(const struct ruleset *rules, struct sv name, const struct rule **users_r, size_t max);

/* The last part of a path, for people: JSON has all of it. */
const char *rule_file_name(const char *path);

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
