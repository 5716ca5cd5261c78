#include "unpack.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "arena.h"

#define IN_BYTES ((size_t)64 * 1024)
/* Of zstd: the largest window that UNPACK_MEMORY_MAX has room for. */
#define ZSTD_WINDOW_LOG 27

enum format { FORMAT_NONE, FORMAT_GZIP, FORMAT_XZ, FORMAT_ZSTD };

struct unpack {
	enum format format;
	int fd;
	uint64_t at;         /* of the byte behind `in` */
	char *in;
	size_t start, end;   /* of what is read and not taken */
	bool input_ended, inside, ended; /* inside: of a member that has not ended */
	z_stream gzip;
	lzma_stream xz;
	ZSTD_DStream *zstd;
};

static enum format format_of(int fd)
{
	static const struct { enum format format; size_t n; const char *bytes; } magics[] = {
		{ FORMAT_GZIP, 2, "\x1f\x8b" }, { FORMAT_XZ, 6, "\xfd" "7zXZ\0" }, { FORMAT_ZSTD, 4, "\x28\xb5\x2f\xfd" },
	};
	char first[8];
	ssize_t n = pread(fd, first, sizeof first, 0);

	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
		if (n >= (ssize_t)magics[i].n && memcmp(first, magics[i].bytes, magics[i].n) == 0)
			return magics[i].format;
	return FORMAT_NONE;
}

bool unpack_is_foreign(int fd)
{
	char first[4];

	return pread(fd, first, sizeof first, 0) == (ssize_t)sizeof first && memcmp(first, "BZh", 3) == 0 && first[3] >= '1' && first[3] <= '9';
}

static bool begin(struct unpack *u)
{
	switch (u->format) {
	case FORMAT_GZIP:
		return inflateInit2(&u->gzip, 16 + MAX_WBITS) == Z_OK;
	case FORMAT_XZ:
		u->xz = (lzma_stream)LZMA_STREAM_INIT;
		return lzma_stream_decoder(&u->xz, UNPACK_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK;
	case FORMAT_ZSTD:
		u->zstd = ZSTD_createDStream();
		return u->zstd && !ZSTD_isError(ZSTD_initDStream(u->zstd)) &&
			!ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
	case FORMAT_NONE:
		break;
	}
	return false;
}

struct unpack *unpack_open(int fd)
{
	struct stat st;
	enum format format = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? format_of(fd) : FORMAT_NONE;

	if (format == FORMAT_NONE)
		return NULL;
	struct unpack *u = xalloc(sizeof *u);
	*u = (struct unpack){ .format = format, .fd = fd };
	u->in = xalloc(IN_BYTES);
	if (begin(u))
		return u;
	unpack_close(u);
	return NULL;
}

void unpack_close(struct unpack *u)
{
	if (!u)
		return;
	if (u->format == FORMAT_GZIP)
		(void)inflateEnd(&u->gzip);
	else if (u->format == FORMAT_XZ)
		lzma_end(&u->xz);
	else
		(void)ZSTD_freeDStream(u->zstd);
	free(u->in);
	free(u);
}

uint64_t unpack_consumed(const struct unpack *u)
{
	return u->at - (u->end - u->start);
}

int64_t unpack_time_s(const struct unpack *u)
{
	unsigned char head[8]; /* RFC 1952: magic, method, flags, time */
	uint32_t time_s = 0;

	if (u->format != FORMAT_GZIP || pread(u->fd, head, sizeof head, 0) != (ssize_t)sizeof head)
		return 0;
	for (int i = 7; i >= 4; i--)
		time_s = time_s << 8 | head[i];
	return time_s;
}

static void fill(struct unpack *u)
{
	ssize_t n = pread(u->fd, u->in, IN_BYTES, (off_t)u->at);

	u->start = 0;
	u->end = n > 0 ? (size_t)n : 0;
	u->at += u->end;
	u->input_ended = n <= 0;
}

/* Each takes what it can of the input, and returns bytes made; -1: damaged. */

static ssize_t step_gzip(struct unpack *u, char *to, size_t n)
{
	u->gzip.next_in = (Bytef *)u->in + u->start;
	u->gzip.avail_in = (uInt)(u->end - u->start);
	u->gzip.next_out = (Bytef *)to;
	u->gzip.avail_out = (uInt)n;
	u->inside = u->inside || u->gzip.avail_in;
	int code = inflate(&u->gzip, Z_NO_FLUSH);
	u->start = u->end - u->gzip.avail_in;
	if (code == Z_STREAM_END) {
		u->inside = false;
		code = inflateReset(&u->gzip); /* another member may follow */
	}
	return code == Z_OK || code == Z_BUF_ERROR ? (ssize_t)(n - u->gzip.avail_out) : -1;
}

static ssize_t step_xz(struct unpack *u, char *to, size_t n)
{
	u->xz.next_in = (const uint8_t *)u->in + u->start;
	u->xz.avail_in = u->end - u->start;
	u->xz.next_out = (uint8_t *)to;
	u->xz.avail_out = n;
	lzma_ret code = lzma_code(&u->xz, u->input_ended ? LZMA_FINISH : LZMA_RUN);
	u->start = u->end - u->xz.avail_in;
	u->inside = code != LZMA_STREAM_END;
	u->ended = code == LZMA_STREAM_END;
	return code == LZMA_OK || code == LZMA_STREAM_END || code == LZMA_BUF_ERROR ? (ssize_t)(n - u->xz.avail_out) : -1;
}

static ssize_t step_zstd(struct unpack *u, char *to, size_t n)
{
	ZSTD_inBuffer in = { u->in + u->start, u->end - u->start, 0 };
	ZSTD_outBuffer out = { to, n, 0 };
	size_t left = ZSTD_decompressStream(u->zstd, &out, &in);

	u->start += in.pos;
	if (ZSTD_isError(left))
		return -1;
	u->inside = left != 0;
	return (ssize_t)out.pos;
}

ssize_t unpack_read(struct unpack *u, char *to, size_t n, struct err *err)
{
	ssize_t got = 0;

	n = n > IN_BYTES * 16 ? IN_BYTES * 16 : n; /* zlib counts in unsigned */
	while (got == 0 && n && !u->ended) {
		if (u->start == u->end)
			fill(u);
		if (u->input_ended && u->format != FORMAT_XZ && !u->inside)
			break;
		got = u->format == FORMAT_GZIP ? step_gzip(u, to, n) : u->format == FORMAT_XZ ? step_xz(u, to, n) : step_zstd(u, to, n);
		if (got == 0 && u->input_ended && !u->ended) {
			err_set(err, "the compressed file is cut off");
			return -1;
		}
	}
	if (got < 0)
		err_set(err, "the compressed file is damaged");
	return got;
}
