#include "sent.h"

#include <string.h>

#include "sha256.h"

/* Less than what is remembered of one while its message is in the queue (link.h) */
#define ID_MAX 500

/* Of three texts with a NUL behind each, the first digits. */
static struct sv digest(const char *what, struct sv a, struct sv b, char *room, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[SHA256_BYTES];
	const struct sv parts[] = { sv_of(what), a, b };
	struct sha256 hash;

	sha256_start(&hash);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		sha256_add(&hash, parts[i]);
		sha256_add(&hash, sv_make("", 1));
	}
	sha256_end(&hash, bytes);
	for (size_t i = 0; i < n; i++)
		room[i] = digits[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
	room[n] = '\0';
	return sv_make(room, n);
}

struct sv sent_print(struct sv id, char room[SENT_PRINT_MAX])
{
	id = sv_trim(id);
	(void)sv_take(&id, SV("<"));
	if (id.n && id.p[id.n - 1] == '>')
		id.n--;
	id = sv_head(sv_trim(id), ID_MAX);
	return id.n ? digest("message-id", id, sv_make("", 0), room, SENT_PRINT_N) : id;
}

struct sv sent_print_of_queue_id(struct sv id, char room[SENT_PRINT_MAX])
{
	return id.n ? digest("queue-id", id, sv_make("", 0), room, SENT_PRINT_N) : id;
}

void sent_add_bucket(struct buf *bucket, struct sv day, struct sv print)
{
	buf_add(bucket, day);
	buf_add_char(bucket, ':');
	buf_add(bucket, sv_head(print, SENT_BUCKET_N));
}

struct sv sent_rest(struct sv print)
{
	return sv_skip(print, SENT_BUCKET_N);
}

struct sv told_id(const char *what, struct sv print, struct sv address, char room[TOLD_ID_MAX])
{
	return digest(what, print, address, room, TOLD_ID_N);
}
