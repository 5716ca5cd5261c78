/* twins: notices that two logs hold the same lines (mail.log and mail.info of one syslogd):
 * then each event counts twice.
 *
 * A line of a delivery has stamp, process and queue id: the same in two logs is one event
 * in two logs. The last ones are remembered by their hashes; logs are read side by side. */
#ifndef NIXIE_TWINS_H
#define NIXIE_TWINS_H

#include <stddef.h>

#include "sv.h"

#define TWINS_NONE ((size_t)-1)

struct twins; /* owned by whoever made it */

struct twins *twins_new(void);
void twins_free(struct twins *twins);

/* Remembers the line of this log. Returns the number of another log that had the same line, or TWINS_NONE. */
size_t twins_add(struct twins *twins, struct sv line, size_t log);

#endif
