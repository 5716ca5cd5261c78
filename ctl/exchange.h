/* exchange: an entry as a row of named texts, as nixie export writes and nixie import reads them.
 *
 * The names are those of the fields in nixie-redis(7), "address" in front; times are RFC 3339,
 * UTC. What belongs to one server only (token, revision) is not among them. Pure. */
#ifndef NIXIE_EXCHANGE_H
#define NIXIE_EXCHANGE_H

#include "arena.h"
#include "err.h"
#include "state.h"

enum exchange_column { EXCHANGE_ADDRESS, EXCHANGE_STATUS, EXCHANGE_REASON, EXCHANGE_ORIGIN, EXCHANGE_CODE, EXCHANGE_ENHANCED, EXCHANGE_RULE,
	EXCHANGE_TEXT, EXCHANGE_REMOTE, EXCHANGE_FIRST, EXCHANGE_LAST, EXCHANGE_SINCE, EXCHANGE_UNTIL, EXCHANGE_TERM, EXCHANGE_PAROLE, EXCHANGE_COUNT,
	EXCHANGE_BY, EXCHANGE_PAROLE_BY, EXCHANGE_BATCH, EXCHANGE_SCOPES, EXCHANGE_COLUMNS };

const char *exchange_name(enum exchange_column column);
bool exchange_by_name(struct sv name, enum exchange_column *column_r) NIXIE_MUST_CHECK;
/* Is its text a number, in JSON without quotes? */
bool exchange_is_number(enum exchange_column column);
/* Words as they are: of servers, of strangers, of people. */
bool exchange_is_text(enum exchange_column column);
/* Would a spreadsheet that opens a CSV calculate it, though a stranger wrote it? Then a "'" goes in front, which it shows as text. */
bool exchange_is_formula(struct sv text);
/* Takes away such a "'". */
struct sv exchange_of_csv(enum exchange_column column, struct sv value);

/* All columns, empty where there is nothing to tell. Texts are in the arena, or the entry's. */
void exchange_row(struct arena *arena, struct sv address, const struct entry *entry, struct sv row_r[EXCHANGE_COLUMNS]);

/* Back: one column but the address into the entry, which borrows texts. An empty value changes nothing.
 * False, and what there is to write: it is no such thing. */
bool exchange_set(struct entry *entry, enum exchange_column column, struct sv value, struct err *err) NIXIE_MUST_CHECK;

/* What becomes of an entry on record when a list asks for another one. */
enum exchange_outcome {
	EXCHANGE_NEW,
	EXCHANGE_CHANGED,   /* what the list asks for is stronger */
	EXCHANGE_THERE,     /* as strong already */
	EXCHANGE_PROTECTED, /* a person decided otherwise: complaint, do-not-mail, allow */
};

/* Of the statuses; scopes are not looked at. */
enum exchange_outcome exchange_weigh(const struct entry *on_record, const struct entry *wanted);

#endif
