/*
 * genlog-mailbox: who receives. Everything about a recipient follows from its
 * number: the same number is the same address at the same site in every log.
 */
#ifndef NIXIE_BENCH_GENLOG_MAILBOX_H
#define NIXIE_BENCH_GENLOG_MAILBOX_H

#include <stdint.h>

#include "genlog-texts.h"
#include "rng.h"

struct mailbox {
	enum site site;
	char local[32];
	char domain[40];
	char server[64];
	char address[40]; /* of the server */
};

struct mailbox mailbox_of(uint32_t number);

/* A recipient's number from 1 to `recipients`, Zipf-like: k in proportion to k^-0.9. */
uint32_t mailbox_draw(struct rng *rng, uint32_t recipients);

#endif
