/* loss: what the loggers of a host say of lines that they lost.
 *
 * journald and rsyslog drop lines of a program that logs too much, and say how many. Only their
 * own lines are looked at, and only what begins as they begin theirs: other lines hold the words
 * of strangers, who must not be able to tell us that lines are lost. Pure. */
#ifndef NIXIE_LOSS_H
#define NIXIE_LOSS_H

#include "line.h"

/* More in one notice is counted as so many. */
#define LOSS_LINES_MAX INT64_C(1000000000000)

/* Does the line tell of lines lost that may have been a mail server's? *lines_r: how many; 0: it
 * does not tell (they begin to be dropped). Of one service of systemd that is none, it is no. */
bool loss_told(const struct line *line, int64_t *lines_r) NIXIE_MUST_CHECK;

#endif
