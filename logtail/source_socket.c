/* A socket like /dev/log, which syslog(3) and rsyslog's omuxsock write to: a datagram is a line.
 * What comes is taken at once, as far as there is room, and what a line of a file
 * has more is added: the host, where syslog(3) names none. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "line_forms.h"
#include "log.h"
#include "logname.h"
#include "source_ops.h"
#include "unixsock.h"

/* So much is kept while Redis is away. */
#define ROOM_BYTES ((size_t)4 * 1024 * 1024)
/* A longer datagram is cut. */
#define DATAGRAM_BYTES_MAX ((size_t)64 * 1024)
/* A datagram becomes longer by a host. */
#define KEPT_BYTES_MAX (DATAGRAM_BYTES_MAX + 1024)
/* So many are taken before something else has its turn. */
#define DATAGRAMS_MAX 4096

static void socket_init(struct source *s)
{
	s->buffer = xalloc(ROOM_BYTES + DATAGRAM_BYTES_MAX); /* behind the room: the one that comes */
	s->socket_mode = 0600;
	s->anchor.time_s = clock_now_s();
}

static void socket_close(struct source *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	(void)unlink(logname_path(s->path));
}

static bool open_socket(struct source *s)
{
	struct err err;

	if (s->fd >= 0)
		return true;
	s->fd = unixsock_bind(logname_path(s->path), SOCK_DGRAM, s->socket_mode, &err);
	if (s->fd < 0)
		(void)snprintf(s->problem, sizeof s->problem, "syslog:%.490s", err.text);
	return s->fd >= 0;
}

/* ---- lines ---- */

#define FACILITY_MAIL 2

/* The priority off the front. False: it is of another facility than mail, where any program may say anything. */
static bool take_priority(struct sv *line)
{
	unsigned priority;

	return !line_forms_priority(line, &priority) || priority / 8 == FACILITY_MAIL;
}

/* Bytes of a stamp and the blank behind it, if a tag follows at once: "Nov 22 09:00:00 postfix/smtp[1]: ..."; else 0. */
static size_t stamp_without_host(struct sv line)
{
	size_t n = sv_find(line, ' ') + 1;

	if (line.n > 16 && !sv_is_digit(line.p[0]))
		n = line.p[3] == ' ' && line.p[6] == ' ' && line.p[9] == ':' && line.p[12] == ':' && line.p[15] == ' ' ? 16 : line.n;
	if (n >= line.n)
		return 0;
	struct sv rest = sv_skip(line, n);
	size_t end = sv_find(rest, ' ');
	return end > 0 && rest.p[end - 1] == ':' ? n : 0;
}

static void keep(struct source *s, struct sv bytes)
{
	if (bytes.n)
		memcpy(s->buffer + s->end, bytes.p, bytes.n);
	s->end += bytes.n;
	s->read_offset += bytes.n;
}

/* False: there is no room. */
static bool keep_line(struct source *s, struct sv line)
{
	struct sv host = sv_of(s->host);
	size_t stamp = stamp_without_host(line);

	if (source_make_room(s, ROOM_BYTES, line.n + host.n + 2) < line.n + host.n + 2)
		return false;
	if (stamp) {
		keep(s, sv_head(line, stamp));
		keep(s, host);
		keep(s, SV(" "));
	}
	keep(s, sv_skip(line, stamp));
	keep(s, SV("\n"));
	return true;
}

/* A datagram is one line, whatever is in it: a line end is a blank, as in the journal. */
static void keep_datagram(struct source *s, char *bytes, size_t n)
{
	struct sv line = sv_make(bytes, n);

	while (line.n && (line.p[line.n - 1] == '\0' || line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	for (size_t i = 0; i < line.n; i++)
		bytes[i] = bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\0' ? ' ' : bytes[i];
	if (take_priority(&line) && line.n && !keep_line(s, line))
		s->lost++;
}

/* Takes what has come. drop: also what there is no room for. */
static void take(struct source *s, bool drop)
{
	static struct log_limit limit;
	char *datagram = s->buffer + ROOM_BYTES;
	uint64_t lost = s->lost;

	for (int i = 0; i < DATAGRAMS_MAX; i++) {
		if (!drop && source_make_room(s, ROOM_BYTES, KEPT_BYTES_MAX) < KEPT_BYTES_MAX)
			break;
		ssize_t n = recv(s->fd, datagram, DATAGRAM_BYTES_MAX, MSG_DONTWAIT);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			keep_datagram(s, datagram, (size_t)n);
	}
	s->missed += s->lost > lost;
	s->missed_lines += s->lost - lost;
	if (s->lost > lost && log_limited(&limit, "the socket"))
		log_warning("%s: no room for more; %llu lines are lost so far, and will not be counted", s->path, (unsigned long long)s->lost);
}

static enum source_result next(struct source *s, struct sv *line_r)
{
	if (!open_socket(s))
		return SOURCE_MISSING;
	if (source_take_line(s, line_r))
		return SOURCE_LINE;
	take(s, false);
	return source_take_line(s, line_r) ? SOURCE_LINE : SOURCE_END;
}

static short events(const struct source *s)
{
	(void)s;
	return POLLIN;
}

/* Who writes into it waits when its queue is full: a mail server must not, for a Redis that is away. */
static void serve(struct source *s, bool hold)
{
	if (hold && open_socket(s))
		take(s, true);
}

const struct source_ops source_socket_ops = { .init = socket_init, .close = socket_close, .next = next, .events = events, .serve = serve };
