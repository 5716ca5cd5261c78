/* line_forms: headers of log lines that are met, but are not the usual ones of line.h.
 *
 *   <22>...                                     a priority in front of any form
 *   <22>1 2026-11-22T09:00:00Z host app 1 - - x RFC 5424, with or without structured data, also without <22>
 *   Nov 22 09:00:00.123456 host tag[1]: x       journalctl -o short-precise
 *   1795338000.123456 host tag[1]: x            journalctl -o short-unix
 *   Nov 22 09:00:00 tag[1]: x                   no host: a datagram of syslog(3), journalctl --no-hostname
 *   Nov 22 09:00:00 relay Nov 22 ... host tag[1]: x     a header inside the message, of a relay
 *   Nov 22 09:00:00 host mail/c0ffee[1]: Nov 22 ...     or of a container: the inner one counts
 *   Nov 22 09:00:00 host tag[1]: [ID 1 mail.info] x     Solaris
 *
 * A host that is not named is left empty. A line without any header (journalctl -o cat)
 * has no time and is refused. Called by line_parse() alone, where the usual forms do not fit. Pure. */
#ifndef NIXIE_LINE_FORMS_H
#define NIXIE_LINE_FORMS_H

#include "line.h"

/* So many headers, one inside the other, are taken off. */
#define LINE_FORMS_DEPTH_MAX 3
/* rsyslog counts on without end; more copies of a line than this are not counted. */
#define LINE_REPEATED_MAX 10000

/* False: none of these either. anchor as with line_parse(). */
bool line_forms_parse(struct sv bytes, struct stamp_anchor *anchor, struct line *line_r) NIXIE_MUST_CHECK;

/* Takes off what stands in front of the message that is meant. */
void line_forms_unwrap(struct stamp_anchor *anchor, struct line *line);

/* "<22>" off the front: at most three digits. False, and *s untouched: there is none. */
bool line_forms_priority(struct sv *s, unsigned *priority_r) NIXIE_MUST_CHECK;

/* Worth a line_forms_unwrap()? Asked for every line. */
static inline bool line_forms_inside(struct sv message)
{
	const char *p = message.p;

	return message.n > 16 && (p[0] == '[' || p[0] == '<' || (p[3] == ' ' && p[9] == ':') || (p[4] == '-' && p[10] == 'T'));
}

/* Without the end of a line that was written elsewhere: CR, or CR and LF as rsyslog escapes them. */
static inline struct sv line_forms_end(struct sv bytes)
{
	if (bytes.n && bytes.p[bytes.n - 1] == '\r')
		bytes.n--;
	while (bytes.n > 4 && memcmp(bytes.p + bytes.n - 4, "#01", 3) == 0 && (bytes.p[bytes.n - 1] == '2' || bytes.p[bytes.n - 1] == '5'))
		bytes.n -= 4;
	return bytes;
}

/* Worth a line_forms_repeated()? Asked for every line. */
static inline bool line_forms_may_repeat(struct sv message)
{
	return message.n > 0 && (message.p[0] == 'm' || message.p[0] == ' ');
}

/* rsyslog's "message repeated 3 times: [ text]" is made "text": 3, which are copies more
 * of a line before; 1 for any other message. At most LINE_REPEATED_MAX. */
unsigned line_forms_repeated(struct sv *message);

#endif
