#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"

static const char *log_name = "nixie";
static enum log_target log_target = LOG_TARGET_STDERR;
static bool log_verbose;
static bool never_waits;
static unsigned long long dropped;

void log_open(const char *name, enum log_target target, bool verbose)
{
	log_name = name;
	log_target = target;
	log_verbose = verbose;
	if (target == LOG_TARGET_SYSLOG)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void log_never_wait(void)
{
	never_waits = true;
}

static bool has_room(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	/* of a pipe that means PIPE_BUF bytes, which is more than a line */
	return !never_waits || poll(&p, 1, 0) == 1;
}

/* One write, one line; b has room for one byte more. */
static void write_line(struct buf *b)
{
	char lost[80];
	ssize_t ignored;

	if (!has_room()) {
		dropped++;
		return;
	}
	if (dropped) {
		int n = snprintf(lost, sizeof lost, "%s: warning: %llu messages were dropped, as nobody read the log\n", log_name, dropped);
		ignored = write(STDERR_FILENO, lost, (size_t)n < sizeof lost ? (size_t)n : sizeof lost);
		dropped = !has_room();
		if (dropped)
			return;
	}
	(void)buf_cstr(b);
	b->p[b->n] = '\n'; /* in the place of the terminator */
	ignored = write(STDERR_FILENO, b->p, b->n + 1);
	(void)ignored;
}

static bool is_wanted(enum log_level level)
{
	return level != LOG_LEVEL_DEBUG || log_verbose;
}

void log_sv(enum log_level level, struct sv text)
{
	static const char *const words[] = { "debug: ", "", "warning: ", "error: ", "fatal: " };
	static const int priorities[] = { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT };
	char clean[LOG_LINE_MAX];
	struct buf b = BUF_ON(clean);

	if (!is_wanted(level))
		return;
	if (log_target == LOG_TARGET_STDERR) {
		buf_add(&b, sv_of(log_name));
		buf_add(&b, SV(": "));
	}
	buf_add(&b, sv_of(words[level]));
	buf_add_clean(&b, text);
	if (log_target == LOG_TARGET_SYSLOG) {
		syslog(priorities[level], "%s", buf_cstr(&b));
		return;
	}
	write_line(&b);
}

void log_at(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX - 64];
	va_list ap;

	if (!is_wanted(level))
		return;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	log_sv(level, sv_make(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

bool log_limited(struct log_limit *limit, const char *what)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms - limit->window_ms >= LOG_LIMIT_WINDOW_MS || limit->window_ms == 0) {
		if (limit->silent)
			log_warning("%llu more messages like this were not logged: %s", limit->silent, what);
		limit->window_ms = now_ms;
		limit->spoken = 0;
		limit->silent = 0;
	}
	if (limit->spoken < LOG_LIMIT_BURST) {
		limit->spoken++;
		return true;
	}
	limit->silent++;
	return false;
}
