/* knock: one question to an endpoint of nixie-policyd, "unix:PATH" or "inet:HOST:PORT" as in nixie.conf(5). */
#ifndef NIXIE_KNOCK_H
#define NIXIE_KNOCK_H

#include "sv.h"

/* end_ms: of clock_mono_ms(). A descriptor; -1: see errno. */
int knock_open(const char *endpoint, int64_t end_ms) NIXIE_MUST_CHECK;

/* The answer up to `end`, which is left out. False: there is none, see errno. */
bool knock(int fd, struct sv question, char end, int64_t end_ms, char *answer_r, size_t size) NIXIE_MUST_CHECK;

#endif
