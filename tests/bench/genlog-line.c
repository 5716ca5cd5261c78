#include "genlog-line.h"

#include <err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	BUFFER_BYTES = 1 << 20,
	LINE_BYTES = 8192, /* more than any line has */
};

static char buffer[BUFFER_BYTES + LINE_BYTES];
static char *out = buffer;

void line_flush(void)
{
	size_t length = (size_t)(out - buffer);

	if (fwrite(buffer, 1, length, stdout) != length || fflush(stdout) != 0)
		err(1, "write");
	out = buffer;
}

void put_bytes(const char *bytes, size_t length)
{
	memcpy(out, bytes, length);
	out += length;
}

void put(const char *text)
{
	put_bytes(text, strlen(text));
}

void put_char(char c)
{
	*out++ = c;
}

void put_number(uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	put_bytes(digits + at, sizeof digits - at);
}

void put_padded(uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		out[i] = (char)('0' + value % 10);
	out += width;
}

void put_hex(uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value >>= 4)
		out[i] = "0123456789ABCDEF"[value & 15];
	out += width;
}

void put_base36(uint64_t value, int width)
{
	for (int i = 0; i < width; i++, value /= 36)
		put_char("abcdefghijklmnopqrstuvwxyz0123456789"[value % 36]);
}

void put_delay(uint64_t us)
{
	uint64_t hundredths = us / 10000;
	unsigned fraction = (unsigned)(hundredths % 100);

	put_number(hundredths / 100);
	if (hundredths >= 1000)
		return;
	if (hundredths >= 100)
		fraction -= fraction % 10;
	if (fraction == 0)
		return;
	put_char('.');
	put_char((char)('0' + fraction / 10));
	if (fraction % 10 != 0)
		put_char((char)('0' + fraction % 10));
}

static void put_stamp(enum line_format format, uint64_t now_us)
{
	static uint64_t formatted_s;
	static char seconds[32];
	uint64_t now_s = now_us / 1000000;

	if (now_s != formatted_s) {
		time_t t = (time_t)now_s;
		struct tm utc;
		gmtime_r(&t, &utc);
		strftime(seconds, sizeof seconds,
		    format == LINE_TRADITIONAL ? "%b %e %H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &utc);
		formatted_s = now_s;
	}
	put(seconds);
	if (format == LINE_RFC3339) {
		put_char('.');
		put_padded(now_us % 1000000, 6);
		put("+00:00");
	}
}

void line_begin(enum line_format format, uint64_t now_us, const char *daemon, unsigned pid)
{
	put_stamp(format, now_us);
	put(" mx1 postfix/");
	put(daemon);
	put_char('[');
	put_number(pid);
	put("]: ");
}

void line_end(void)
{
	put_char('\n');
	if (out - buffer > BUFFER_BYTES)
		line_flush();
}
