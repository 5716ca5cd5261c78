/* look: an entry as JSON, the same from all verbs. */
#ifndef NIXIE_LOOK_H
#define NIXIE_LOOK_H

#include "answers.h"
#include "state.h"

/* One line on standard output: what `nixie check --json` tells of the address without its domain and its
 * sender, and the cursor that a list goes on behind (NULL: none). */
void look_print_json(struct sv address, const struct entry *entry, const struct answers *answers, const char *cursor);

#endif
