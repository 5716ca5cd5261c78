/* status_filter: what Postfix asks smtp_delivery_status_filter, and what it shall do instead.
 *
 * smtp(8) asks with the line that it would log, "5.7.1 host mx.example[192.0.2.1] said:
 * 550 5.7.1 blocked (in reply to RCPT TO command)", of each delivery, without its
 * recipient. The line is judged by the rules as the reader of the log will judge it, and
 * only its first digit is changed: 4 has Postfix try again, 5 has it give up. As the
 * words stay, the log says what the server said. Postfix does not let a 2 be changed. */
#ifndef NIXIE_STATUS_FILTER_H
#define NIXIE_STATUS_FILTER_H

#include "buf.h"
#include "config.h"
#include "rules.h"

/* Adds the line that Postfix shall go on with. False, and nothing added: as it was, because
 * there is nothing to change, or no status and text to understand. */
bool status_filter(struct ruleset *rules, const enum status_change changes[CATEGORY_COUNT], struct sv line, struct buf *to) NIXIE_MUST_CHECK;

#endif
