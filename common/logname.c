#include "logname.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"

static const struct { const char *prefix; enum logname kind; } prefixes[] = {
	{ "journal:", LOGNAME_JOURNAL },
	{ "syslog:", LOGNAME_SYSLOG },
};

enum logname logname_kind(const char *log)
{
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (sv_starts(sv_of(log), sv_of(prefixes[i].prefix)))
			return prefixes[i].kind;
	if (strcmp(log, "-") == 0)
		return LOGNAME_STDIN;
	/* a file may have such a name */
	return strpbrk(log, "*?[") && access(log, F_OK) != 0 ? LOGNAME_GLOB : LOGNAME_FILE;
}

const char *logname_path(const char *log)
{
	enum logname kind = logname_kind(log);

	return kind == LOGNAME_JOURNAL || kind == LOGNAME_SYSLOG ? strchr(log, ':') + 1 : log;
}

void logname_source(const char *host, const char *log, char *name_r, size_t size)
{
	char directory[CONFIG_STRING_MAX], real[PATH_MAX];
	enum logname kind = logname_kind(log);
	const char *path = logname_path(log), *slash = strrchr(path, '/');

	if (kind == LOGNAME_STDIN || !*path) {
		(void)snprintf(name_r, size, "%s:%s", host, log);
		return;
	}
	if (kind == LOGNAME_JOURNAL) {
		(void)snprintf(name_r, size, "%s:journal:%s", host, realpath(path, real) ? real : path);
		return;
	}
	(void)snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	const char *prefix = kind == LOGNAME_SYSLOG ? "syslog:" : "";
	if (!realpath(directory, real))
		(void)snprintf(name_r, size, "%s:%s%s", host, prefix, path);
	else
		(void)snprintf(name_r, size, "%s:%s%s/%s", host, prefix, strcmp(real, "/") == 0 ? "" : real, slash ? slash + 1 : path);
}
