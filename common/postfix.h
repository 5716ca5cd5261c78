/* postfix: what one Postfix log message says, by the grammar of log_adhoc.c.
 *
 * Parsed from left to right and aware of quotes: "status=" counts only where the
 * grammar puts it. A local part or a server's words may imitate fields; a line
 * that could be read in two ways is marked ambiguous and must suppress nobody. */
#ifndef NIXIE_POSTFIX_H
#define NIXIE_POSTFIX_H

#include "mta_line.h"

/* False, and event EVENT_NONE, when the line is of no interest. */
bool postfix_parse(const struct line *line, struct mta_line *said_r) NIXIE_MUST_CHECK;

/* The queue id behind "queued as " or "forwarded as " in a success text; empty when there is none. */
struct sv postfix_queued_as(struct sv text);

#endif
