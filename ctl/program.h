/* program: what another program of this host prints: postconf(1), exim(8), systemctl(1). */
#ifndef NIXIE_PROGRAM_H
#define NIXIE_PROGRAM_H

#include "arena.h"
#include "err.h"

/* More is cut, and a program that prints nothing for so long is ended. */
#define PROGRAM_OUTPUT_MAX ((size_t)1024 * 1024)
#define PROGRAM_WAIT_MS 10000

/* Is there such a program, in PATH or where a system keeps its administrator's? */
bool program_exists(const char *name);

/* Its standard output, in the arena; standard error goes nowhere. argv ends with NULL. False, and *err: it is not there, or it failed. */
bool program_output(struct arena *arena, const char *const *argv, struct sv *output_r, struct err *err) NIXIE_MUST_CHECK;

#endif
