/*
 * genlog-queue: the deferred queue: messages that wait for due_us, earliest first.
 */
#ifndef NIXIE_BENCH_GENLOG_QUEUE_H
#define NIXIE_BENCH_GENLOG_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "genlog-message.h"

void queue_park(const struct message *m);

/* The earliest message that is due at `now_us`; false when there is none. */
bool queue_take(uint64_t now_us, struct message *m);

#endif
