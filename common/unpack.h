/* unpack: the bytes of a compressed file: gzip, xz or zstd, told by its first bytes.
 *
 * The only includer of zlib, liblzma and libzstd. Several files one behind the other
 * in one are read as one. Memory is bounded: a file that needs more than
 * UNPACK_MEMORY_MAX for its window is refused. */
#ifndef NIXIE_UNPACK_H
#define NIXIE_UNPACK_H

#include <sys/types.h>

#include "err.h"

#define UNPACK_MEMORY_MAX (UINT64_C(128) * 1024 * 1024)

struct unpack;

/* Compressed in a way that is not read here (bzip2). */
bool unpack_is_foreign(int fd);

/* fd is borrowed, and read from its beginning with pread(2). NULL: not compressed, or not a regular file. */
struct unpack *unpack_open(int fd);
void unpack_close(struct unpack *unpack);

/* Bytes, 0 at the end, -1 and *err when the file is damaged or cut off. */
ssize_t unpack_read(struct unpack *unpack, char *to, size_t n, struct err *err);

/* When what is in it was written last, as gzip notes; 0: that is not said. */
int64_t unpack_time_s(const struct unpack *unpack);

/* Bytes of the file that are taken. */
uint64_t unpack_consumed(const struct unpack *unpack);

#endif
