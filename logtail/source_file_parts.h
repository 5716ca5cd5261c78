/* source_file_parts: what the two files of a log that is a file share. Only for source_file.c and source_rotation.c, and their test. */
#ifndef NIXIE_SOURCE_FILE_PARTS_H
#define NIXIE_SOURCE_FILE_PARTS_H

#include "source_ops.h"

/* source_file.c: the file that is open. False: it cannot be, the problem says why; what was open stays so. */
bool source_file_open(struct source *s, const char *path);
void source_file_close(struct source *s);
/* The next line is the one that begins there. */
void source_file_go_to(struct source *s, uint64_t offset);
/* The file that was read is gone: of those that are left, the one whose first line is the next after
 * the last line that was read. */
void source_file_open_after(struct source *s, int64_t time_s);
/* Bytes of the open file, as much as there is of n; source: a struct source. */
size_t source_file_peek(const void *source, uint64_t at, char *to, size_t n);

/* Of a descriptor: how large, and whether the bytes of the stored position are in it. */
uint64_t source_file_bytes(int fd);
bool source_file_matches(int fd, const struct position *p);
/* Asked first: a compressed file that is another one need not be unpacked. */
bool source_file_begins_as(const char *path, const struct position *p);

/* source_rotation.c: at the end of the open file: is the log another file by now? True: go on reading.
 * looked_ms: when, by clock_mono_ms(), it was not yet known that there is nothing more in it. */
bool source_file_rotated(struct source *s, int64_t looked_ms);
/* Before more is read: the file may have been truncated, and have grown past us again. */
bool source_file_rewritten(const struct source *s);
/* It was: finds where to go on. False: whoever writes it is not done, look again later. */
bool source_file_restart(struct source *s);

#endif
