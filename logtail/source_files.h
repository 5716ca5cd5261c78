/* source_files: a log and its rotated siblings (mail.log.1, mail.log-20261121, mail.log.2.gz). */
#ifndef NIXIE_SOURCE_FILES_H
#define NIXIE_SOURCE_FILES_H

#include <sys/stat.h>

#include "config.h"
#include "sv.h"

struct candidate {
	char path[CONFIG_STRING_MAX + 256];
	struct stat st;
};

/* Regular files whose names begin with that of the log (of a symbolic link: with that of
 * the file that it points to), oldest first; one that is there compressed and plain only
 * plain. Returns how many; *v_r is malloc'ed. */
size_t source_files(const char *path, struct candidate **v_r);

/* The name without what a compressor appended */
struct sv source_files_plain(struct sv name);
/* Is this what a rotation puts behind the name of a log: ".1", "-20261121", ".2.gz", ".old"? */
bool source_is_rotation(struct sv suffix);
/* What a compressor names its files: "mail.log.gz" */
bool source_is_compressed(const char *path);

/* The regular file with this inode in the directory of the log, whatever its name is. False: there is none. */
bool source_file_with(const char *path, uint64_t device, uint64_t inode, struct candidate *file_r) NIXIE_MUST_CHECK;

/* The first bytes of a file, of a compressed one those that are in it. */
size_t source_first_bytes(const char *path, char *to, size_t n);

#endif
