/* logname: what a log stands for, as logtail.files and command lines name it.
 *
 *	/var/log/mail.log          a file; or a FIFO that somebody writes lines into
 *	/var/log/mail*.log         all files that match, also those that come later
 *	-                          standard input
 *	journal:                   the systemd journal of this host
 *	journal:/dir/of/files      journal files of a directory
 *	syslog:/path/of/socket     a socket that others send lines to, as to /dev/log */
#ifndef NIXIE_LOGNAME_H
#define NIXIE_LOGNAME_H

#include "sv.h"

enum logname {
	LOGNAME_FILE, /* also a FIFO, and what is not there */
	LOGNAME_GLOB,
	LOGNAME_STDIN,
	LOGNAME_JOURNAL,
	LOGNAME_SYSLOG,
};

enum logname logname_kind(const char *log);

/* What stands behind "journal:" or "syslog:"; of others all of it. */
const char *logname_path(const char *log);

/* The name under which the place in a log is kept: host and path. The same log under another
 * spelling of its directory is the same source; what the last part of the path stands for (a
 * file, a link) may change with a rotation. */
void logname_source(const char *host, const char *log, char *name_r, size_t size);

#endif
