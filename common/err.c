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
	char text[ERR_TEXT_MAX];
	va_list ap;
	va_start(ap, format);
	(void)vsnprintf(prefix, sizeof prefix, format, ap);
	va_end(ap);
	memcpy(text, err->text, sizeof text);
	int n = snprintf(err->text, sizeof err->text, "%s: ", prefix);
	if (n > 0 && (size_t)n < sizeof err->text)
		(void)snprintf(err->text + n, sizeof err->text - (size_t)n, "%s", text);
	return false;
}
