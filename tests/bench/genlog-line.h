/*
 * genlog-line: the lines of the log, gathered in a buffer on their way to
 * standard output. A line is begun, put together piece by piece, and ended;
 * printf() would take most of the program's time.
 */
#ifndef NIXIE_BENCH_GENLOG_LINE_H
#define NIXIE_BENCH_GENLOG_LINE_H

#include <stddef.h>
#include <stdint.h>

enum line_format { LINE_RFC3339, LINE_TRADITIONAL };

/* "STAMP mx1 postfix/DAEMON[PID]: ", the stamp being in UTC. */
void line_begin(enum line_format format, uint64_t now_us, const char *daemon, unsigned pid);
void line_end(void);

void put(const char *text);
void put_bytes(const char *bytes, size_t length);
void put_char(char c);
void put_number(uint64_t value);
void put_padded(uint64_t value, int width);
void put_hex(uint64_t value, int width);
void put_base36(uint64_t value, int width);

/* As Postfix prints delays: two significant digits, whole seconds from ten up. */
void put_delay(uint64_t us);

/* Ends the program when not everything can be written. */
void line_flush(void);

#endif
