/* log: the program's own messages, to syslog (facility mail) or standard error.
 *
 * Severity words are Postfix's: info, warning, error, fatal (environment or
 * configuration), panic (our bug). One message is one line; every byte passes
 * buf_add_clean(). Messages that strangers can provoke go through log_limited(). */
#ifndef NIXIE_LOG_H
#define NIXIE_LOG_H

#include "sv.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG };

#define LOG_LINE_MAX 2048

/* name: as it shall stand in the log, e.g. "nixie/policyd"; kept by reference */
void log_open(const char *name, enum log_target target, bool verbose);

/* From now on a message that would have to wait for who reads standard error is dropped; how many is
 * logged when there is room again. For a program that has to answer others. */
void log_never_wait(void);

void log_at(enum log_level level, const char *format, ...) NIXIE_PRINTF(2, 3);

/* The same of a text that is there. */
void log_sv(enum log_level level, struct sv text);

#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
/* fatal does not exit: main() does, with the right exit code */
#define log_fatal(...) log_at(LOG_LEVEL_FATAL, __VA_ARGS__)

/* A place in the code that may speak a few times a second at most. Static storage. */
struct log_limit {
	int64_t window_ms;
	unsigned spoken;
	unsigned long long silent;
};

#define LOG_LIMIT_BURST 5
#define LOG_LIMIT_WINDOW_MS 10000

/* True when the caller may log now. When messages were swallowed before, says how many. */
bool log_limited(struct log_limit *limit, const char *what);

#endif
