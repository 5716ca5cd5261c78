/* returns: how many mails came back in some days, by what they are and what became of them. */
#ifndef NIXIE_RETURNS_H
#define NIXIE_RETURNS_H

#include "receive.h"

/* Kinds of returned.h, and one more: an unsubscription is ordinary mail that came to such an address. */
#define RETURNS_UNSUBSCRIBE RETURNED_KINDS
#define RETURNS_KINDS (RETURNED_KINDS + 1)
/* Mail that comes again is not counted again. */
#define RETURNS_OUTCOMES RECEIVE_AGAIN

struct returns {
	int64_t n[RETURNS_KINDS][RETURNS_OUTCOMES];
	int64_t kinds[RETURNS_KINDS], outcomes[RETURNS_OUTCOMES], mails; /* sums */
};

const char *returns_kind_name(int kind);

/* Of whole days (UTC): from_s up to to_s. */
enum store_result returns_read(struct returns *returns_r, struct store *store, int64_t from_s, int64_t to_s, struct err *err) NIXIE_MUST_CHECK;

#endif
