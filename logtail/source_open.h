/* source_open: a file of a log, to be read from any place: one that is compressed is unpacked first. */
#ifndef NIXIE_SOURCE_OPEN_H
#define NIXIE_SOURCE_OPEN_H

#include <sys/stat.h>

#include "source.h"

/* Its descriptor, or that of what is in it; -1, and the problem says why: it is no regular file, or cannot be opened or
 * unpacked. st_r is that of the file itself. */
int source_open(const char *path, struct stat *st_r, char problem[SOURCE_PROBLEM_MAX]);

#endif
