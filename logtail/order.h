/* order: several old logs, the oldest first, whatever the order they were named in.
 *
 * Files are siblings when their names are those of one log and its rotations, compressed
 * or not: mail.log, mail.log.1, mail.log.10.gz, mail.log-20261101.xz, mail.log.old. Siblings
 * are read in one go, where the first of them is named; other files stay where they are. */
#ifndef NIXIE_ORDER_H
#define NIXIE_ORDER_H

#include "sv.h"

struct order_file {
	const char *path; /* borrowed */
	int64_t before_s; /* no line is later: the next younger sibling begins there, and the file's age would say another year; INT64_MAX: not known */
};

/* As many as files; malloc'ed. Siblings are in the order of their first lines, if these have
 * years, else in that of their names. Reads the beginning of each, and never standard input. */
struct order_file *order_files(char *const *files, size_t n);

/* The log that path is a rotation of, or is: the part of it up to ".1", "-20261101.gz" or ".old". */
struct sv order_log(struct sv path);

#endif
