/* line: the header of a log line: stamp, host, process; and the message behind it.
 *
 * Of syslog: traditional (RFC 3164) stamps have no year and no zone: the year is the
 * one that brings the line nearest to the line before it, the zone is the writer's
 * (clock_set_zone). RFC 3339 stamps have both. Of Exim's own log: its stamps have a
 * year, mostly no zone, and nothing else stands in front. Pure but for the zone. */
#ifndef NIXIE_LINE_H
#define NIXIE_LINE_H

#include "sv.h"

/* A longer line is not read to its end; Postfix writes at most 2000 bytes of message. */
#define LINE_BYTES_MAX 16384

struct line {
	int64_t time_us;
	struct sv host;    /* empty in Exim's own log */
	struct sv process; /* "postfix/smtp", without [pid]; "exim" in Exim's own log */
	struct sv message;
};

/* Near what time the next line is: the time of the line before it. */
struct stamp_anchor {
	int64_t time_s;
};

/* False: it has no such header. anchor is read, and moved to this line's time. */
bool line_parse(struct sv bytes, struct stamp_anchor *anchor, struct line *line_r) NIXIE_MUST_CHECK;

/* Exim's stamp at the front, "2026-11-21 09:12:01", perhaps with ".123" and " +0100", and a
 * blank behind it: the number of its bytes without that blank; 0: there is none. */
size_t line_mainlog_stamp(struct sv bytes, int64_t *time_us_r);

/* Walking back through a file: the latest moment, at most a day after anchor, that
 * a traditional stamp at the front of bytes can mean. False: there is none. */
bool line_stamp_before(struct sv bytes, int64_t anchor_s, int64_t *time_s_r) NIXIE_MUST_CHECK;

#endif
