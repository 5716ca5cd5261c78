/* err: one sentence about what went wrong, and where, for a person to act on.
 *
 * Filled by the callee on failure only; the caller owns the struct. The text
 * says what was found and what to do; bytes from outside are quoted by the
 * one who adds them (buf_add_clean). */
#ifndef NIXIE_ERR_H
#define NIXIE_ERR_H

#include "sv.h"

#define ERR_TEXT_MAX 1024

struct err {
	char text[ERR_TEXT_MAX];
};

/* Replaces the text. Always returns false, so that `return err_set(...)` reads well. */
bool err_set(struct err *err, const char *format, ...) NIXIE_PRINTF(2, 3);

/* Puts "<prefix>: " in front of the text. Always returns false. */
bool err_prefix(struct err *err, const char *format, ...) NIXIE_PRINTF(2, 3);

#endif
