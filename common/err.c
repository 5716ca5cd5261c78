#include "err.h"

#include <stdarg.h>
#include <stdio.h>

bool err_set(struct err *err, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(err->text, sizeof err->text, format, ap);
	va_end(ap);
	return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
	char prefix[256];
	va_list ap;

	va_start(ap, format);
	int written = vsnprintf(prefix, sizeof prefix - 2, format, ap);
	va_end(ap);
	size_t n = written < 0 ? 0 : strnlen(prefix, sizeof prefix - 3);
	memcpy(prefix + n, ": ", 2);
	n += 2;
	/* the end of a very long text is lost, not the prefix */
	memmove(err->text + n, err->text, sizeof err->text - n);
	memcpy(err->text, prefix, n);
	err->text[sizeof err->text - 1] = '\0';
	return false;
}
