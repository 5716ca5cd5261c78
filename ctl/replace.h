/* replace: a file that is there as a whole, or not at all: written beside under another name, and renamed. */
#ifndef NIXIE_REPLACE_H
#define NIXIE_REPLACE_H

#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

#include "sv.h"

struct replacement {
	const char *path; /* borrowed */
	char part[PATH_MAX + 8];
	FILE *to;
};

/* mode: of the file, whatever the umask; with keep, one that is there keeps its owner, group and mode. What is a link, or no
 * file, is not replaced. EXIT_OK, or the exit code after a message. */
int replace_open(struct replacement *replacement, const char *path, mode_t mode, bool keep) NIXIE_MUST_CHECK;

/* Renames it, if `code` is EXIT_OK and all was written; else nothing of it stays. Returns the code, or another one after a message. */
int replace_close(struct replacement *replacement, int code) NIXIE_MUST_CHECK;

#endif
