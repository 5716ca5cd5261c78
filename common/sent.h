/* sent: under which names it is remembered that a message went to somebody, so that mail that comes back
 * can be told from mail that somebody made up.
 *
 * A message is known by its print: 64 bits of the SHA-256 of its Message-ID (without < and >), or else of its queue id,
 * as hex digits. Who can name the Message-ID has seen the message; a print tells nobody what it was. Pure. */
#ifndef NIXIE_SENT_H
#define NIXIE_SENT_H

#include "buf.h"

#define SENT_PRINT_N 16
#define SENT_PRINT_MAX (SENT_PRINT_N + 1)
/* Prints of a day that begin with the same digits are side by side in one key: so many digits */
#define SENT_BUCKET_N 3
#define SENT_BUCKET_MAX 16

/* Of a Message-ID, with or without its brackets; empty when that is. */
struct sv sent_print(struct sv message_id, char room[SENT_PRINT_MAX]);
/* The same of a queue id, for a message without a Message-ID. */
struct sv sent_print_of_queue_id(struct sv queue_id, char room[SENT_PRINT_MAX]);

/* Between a print and an address: the message went there; it was offered to its server, which can have read it and did
 * not take it. In the order of bytes these two are side by side. */
#define SENT_WENT '|'
#define SENT_TRIED '~'

/* "20261121:0af" of a day and a print, and what of the print is not in it. */
void sent_add_bucket(struct buf *bucket, struct sv day, struct sv print);
struct sv sent_rest(struct sv print);

/* The name under which it is noted that something was counted: of a message (its print) and an address, what
 * happened to it: "failure", "complaint" ...; or of a mail that came back, "mail", by its bytes. */
#define TOLD_ID_N 24
#define TOLD_ID_MAX (TOLD_ID_N + 1)
struct sv told_id(const char *what, struct sv print, struct sv address, char room[TOLD_ID_MAX]);

#endif
