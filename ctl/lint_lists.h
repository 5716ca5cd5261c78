/* lint_lists: the named lists of rule files, word by word: a set of rules has them
 * only ready for use. */
#ifndef NIXIE_LINT_LISTS_H
#define NIXIE_LINT_LISTS_H

#include "arena.h"
#include "map.h"
#include "verbs.h"

struct named_list {
	struct named_list *next;
	const char *kind; /* "words" or "blocklists" */
	struct sv name;
	const char *file;
	size_t n;
	struct sv *values;
	unsigned *lines;
};

struct named_lists {
	struct arena arena;
	struct map words; /* name to struct named_list */
	struct map required, branches; /* see lint_cover.c */
	struct named_list *first;
};

/* Of directories whose rules are good. */
void named_lists_read(const struct rule_directories *directories, struct named_lists *lists_r);
void named_lists_free(struct named_lists *lists);

/* The list that a value such as "${about-us}" names; NULL when it names none. */
const struct named_list *named_lists_find(const struct named_lists *lists, struct sv value);

#endif
