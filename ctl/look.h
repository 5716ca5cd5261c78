/* look: an entry as JSON, and a fact on a line, the same from all verbs. */
#ifndef NIXIE_LOOK_H
#define NIXIE_LOOK_H

#include "answers.h"
#include "json.h"
#include "state.h"

/* One line on standard output: what `nixie check --json` tells of the address without its domain and its
 * sender, and the cursor that a list goes on behind (NULL: none). */
void look_print_json(struct sv address, const struct entry *entry, const struct answers *answers, const char *cursor);

/* The member "before": the entry as it was before a change, without what is empty. */
void look_before_json(struct json *json, struct sv address, const struct entry *before);

/* "  name      value" on standard output, made harmless; nothing for an empty value. */
void look_print_field(const char *name, struct sv value);

#endif
