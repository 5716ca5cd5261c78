/* line: the header of a log line: stamp, host, process; and the message behind it.
 *
 * Of syslog: traditional (RFC 3164) stamps have no year and no zone: the year is the
 * one that brings the line nearest to the line before it, the zone is the writer's
 * (clock_set_zone). RFC 3339 stamps have both. Of Exim's own log: its stamps have a
 * year, mostly no zone, and nothing else stands in front. Other headers of syslog, and
 * headers in front of others: line_forms.h. Pure but for the zone. */
#ifndef NIXIE_LINE_H
#define NIXIE_LINE_H

#include "sv.h"

/* A longer line is not read to its end; Postfix writes at most 2000 bytes of message. */
#define LINE_BYTES_MAX 16384

struct line {
	int64_t time_us;
	struct sv host;    /* empty in Exim's own log, and where none is named */
	struct sv process; /* "postfix/smtp", without [pid]; "exim" in Exim's own log; "postfix" in RFC 5424 */
	struct sv message;
};

/* Near what time the next line is: the time of the line before it. */
struct stamp_anchor {
	int64_t time_s;
	int64_t latest_s; /* a stamp without a year is not after this, if there is a year for it; 0: no limit */
};

/* False: it has no such header. anchor is read, and moved to this line's time; but not to
 * that of last year, when a clock that was ahead for a moment is the only reason for it. */
bool line_parse(struct sv bytes, struct stamp_anchor *anchor, struct line *line_r) NIXIE_MUST_CHECK;

/* Exim's stamp at the front, "2026-11-21 09:12:01", perhaps with ".123" and " +0100", and a
 * blank behind it: the number of its bytes without that blank; 0: there is none. before_s: the
 * time of the line before, for the hour that clocks repeat. */
size_t line_mainlog_stamp(struct sv bytes, int64_t before_s, int64_t *time_us_r);

/* Walking back through a file: the latest moment, at most a day after anchor, that
 * a traditional stamp at the front of bytes can mean. False: there is none. */
bool line_stamp_before(struct sv bytes, int64_t anchor_s, int64_t *time_s_r) NIXIE_MUST_CHECK;

/* The pieces, for line_forms.c: a line in one of the usual forms, as line_parse(); */
bool line_usual(struct sv bytes, struct stamp_anchor *anchor, struct line *line_r) NIXIE_MUST_CHECK;
/* a traditional or RFC 3339 stamp at the front: its bytes, 0 when it is none; */
size_t line_stamp(struct sv bytes, const struct stamp_anchor *anchor, int64_t *time_us_r);
/* the anchor after a line of that time; */
void line_move(struct stamp_anchor *anchor, int64_t time_us, bool has_year);
/* "host tag[123]: text"; "tag[123]: " off the front of *s; */
bool line_origin(struct sv s, struct line *line_r) NIXIE_MUST_CHECK;
bool line_tag(struct sv *s, struct sv *process_r) NIXIE_MUST_CHECK;
/* fit for a host or a process. */
bool line_is_name(struct sv s);

#endif
