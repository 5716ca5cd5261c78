/* forms_set: what a set of forms is made of. Only for forms.c, which asks it, and for
 * forms_load.c and rules_load.c, which make it. */
#ifndef NIXIE_FORMS_SET_H
#define NIXIE_FORMS_SET_H

#include "conffile.h"
#include "forms.h"
#include "log.h"
#include "map.h"
#include "match.h"

/* One value of a member, ready to be tried. */
struct form_test {
	struct sv name; /* of a header; of From the value itself */
	struct sv regex; /* as it was written; empty: of From */
	struct pattern *pattern; /* NULL: of From, or it is not compiled yet */
	unsigned line;
};

struct compiled_form {
	struct form form;
	struct form_test *tests[FORM_MEMBERS], *not_tests[FORM_CONDITIONS]; /* as many as there are values */
	size_t directory, replaced_directory; /* its own; that of the form whose place it took */
};

struct forms {
	struct arena arena;
	struct map ids; /* struct compiled_form */
	struct compiled_form **forms;
	size_t n, size;
	bool late; /* patterns are compiled when they are needed */
	struct err broken; /* of the first one that could not be; empty: none */
	uint64_t limit_hits;
	struct log_limit limit_log;
};

struct forms *forms_new(bool late);
void forms_free(struct forms *forms);

/* A form of a file. Directories come in order: of one id the first counts. */
bool forms_read(struct forms *forms, const struct node *node, const char *file, size_t directory, struct err *err) NIXIE_MUST_CHECK;
/* What stands for an expression; *err has no place. */
bool form_test_compile(struct form_test *test, enum form_member member, struct err *err) NIXIE_MUST_CHECK;
/* False: there is none of this id */
bool forms_disable(struct forms *forms, struct sv id);

#endif
