/* link: what is remembered of each message in the queue, to understand its later lines.
 *
 * Queue id to sender, login, client, Message-ID. A pure function of the log: it
 * is rebuilt by reading back, never stored. Memory is bounded; the message that
 * was not mentioned for the longest time is forgotten first, and counted. */
#ifndef NIXIE_LINK_H
#define NIXIE_LINK_H

#include "map.h"
#include "sv.h"

struct link {
	struct link *newer, *older; /* order of use */
	size_t bytes;
	struct sv key;              /* host, instance, queue id */
	int64_t begun_s;            /* time of its first line; 0: that line was not seen */
	struct sv sender, login, client, message_id;
	unsigned recipients;        /* nrcpt; 0: unknown */
	uint64_t target;            /* hash of an address that it was forwarded to; 0: none yet */
	bool targets;               /* there were several such */
	bool has_sender;            /* an empty sender is the null sender */
	bool deferred;              /* some recipient was */
	uint64_t where;             /* in which partitions those are: schema_partition_bit() */
	bool removed;               /* out of the queue; kept a while for re-injected mail */
	size_t removed_slot;        /* where in the ring of removed ones */
};

/* So many removed messages stay known. */
#define LINK_REMOVED_MAX 4096
/* Strings longer than this are not remembered (cut). */
#define LINK_STRING_MAX 512

struct link_table {
	struct map map;
	struct link *newest, *oldest;
	struct link *removed[LINK_REMOVED_MAX]; /* a ring, in order of removal */
	size_t removed_at;
	size_t bytes, bytes_max;
	uint64_t evicted; /* messages still in the queue that had to be forgotten */
};

void link_init(struct link_table *table, size_t bytes_max);
void link_free(struct link_table *table);

struct link *link_find(struct link_table *table, struct sv host, struct sv instance, struct sv queue_id);
struct link *link_add(struct link_table *table, struct sv host, struct sv instance, struct sv queue_id);

/* A new message under this queue id: whatever was known of an older one is forgotten. */
struct link *link_begin(struct link_table *table, struct sv host, struct sv instance, struct sv queue_id, int64_t time_s);

enum link_field { LINK_SENDER, LINK_LOGIN, LINK_CLIENT, LINK_MESSAGE_ID };
void link_set(struct link_table *table, struct link *link, enum link_field field, struct sv value);

void link_removed(struct link_table *table, struct link *link);

#endif
