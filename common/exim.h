/* exim: what one line of Exim's main log says, by the grammar of deliver.c and receive.c.
 *
 * From its own file or from syslog, of Exim 4.9x, with any log_selector. Parsed from
 * left to right and aware of quotes, as postfix.h: a local part, a server's words or a
 * subject may imitate fields. What Exim tells of itself (a retry time that is not
 * reached, mail to a pipe or a file) is marked: nobody was asked, nobody is meant. */
#ifndef NIXIE_EXIM_H
#define NIXIE_EXIM_H

#include "mta_line.h"

/* Is it the process of a line that exim_parse() wants: "exim", "exim4", "exim-out"? */
static inline bool exim_is_process(struct sv process)
{
	return sv_starts(process, SV("exim")) && sv_find(process, '/') == process.n;
}

/* False, and event EVENT_NONE, when the line is of no interest. */
bool exim_parse(const struct line *line, struct mta_line *said_r) NIXIE_MUST_CHECK;

/* The message id behind "id=" in a success text; empty when there is none. */
struct sv exim_queued_as(struct sv text);

/* "1tDxyz-0000AB-CD", or since Exim 4.97 "1tDxyz-00000000ABC-CDEF", at the front: its length, 0 when it is none. */
size_t exim_id_at(struct sv s);

#endif
