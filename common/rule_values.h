/* rule_values: what the tables of rule files have in common: their names and texts, and
 * whose place an item takes that an earlier directory has, too. For rules_load.c and forms_load.c. */
#ifndef NIXIE_RULE_VALUES_H
#define NIXIE_RULE_VALUES_H

#include "arena.h"
#include "conffile.h"
#include "rules.h"

struct texts {
	size_t n;
	struct sv v[RULE_LIST_MAX]; /* of the file */
};

/* A string, or a list of strings; none of them is empty. */
bool texts_read(const struct node *node, struct texts *texts_r, struct err *err) NIXIE_MUST_CHECK;
/* The same, and at least one. */
bool texts_read_some(const struct node *node, struct texts *texts_r, struct err *err) NIXIE_MUST_CHECK;
/* Copies that the file need not be there for. */
const struct sv *texts_keep(struct arena *arena, const struct texts *texts);

/* A member of the list, for its line: of a string that stands for one the string. */
const struct node *texts_node(const struct node *node, size_t i);

/* Small letters, digits, dots and hyphens, at most RULE_ID_MAX. */
bool rule_name_ok(struct sv name);

/* The `id` of a group in a table, of which `what` is one ("a rule"). */
bool rule_id_read(const struct node *group, const char *what, struct sv *id_r, struct err *err) NIXIE_MUST_CHECK;

/* An item of an id that another one has: what is known of the first, and what it comes to know. */
struct rule_place {
	const char *id, *file;
	unsigned line;
	size_t directory;
	const char **replaced_file;
	unsigned *replaced_line;
	size_t *replaced_directory;
};

/* The one of the earlier directory stays; *moves_r: into the place of the one at hand. False: they are of one directory. */
bool rule_place_take(const struct rule_place *first, const char *what, const char *file, size_t directory, const struct node *node,
	bool *moves_r, struct err *err) NIXIE_MUST_CHECK;

#endif
