/* link: what is remembered of each message in the queue, to understand its later lines.
 *
 * Queue id to sender, login, client, Message-ID, campaign. A pure function of the log: it
 * is rebuilt by reading back, never stored. Memory is bounded: those that left the
 * queue are forgotten first, then the message that was not mentioned for the longest
 * time, which is counted. */
#ifndef NIXIE_LINK_H
#define NIXIE_LINK_H

#include "map.h"
#include "sv.h"

#define LINK_QUEUE_ID_MAX 31

/* Host and instance are a hash that nobody outside can foresee. */
struct link_key {
	uint64_t place;
	char queue_id[LINK_QUEUE_ID_MAX + 1]; /* NUL behind it, to the end */
};

struct link {
	struct link *newer, *older; /* of its list */
	struct link_key key;
	int64_t begun_s;            /* time of its first line; 0: that line was not seen */
	struct sv sender, login, client, message_id, campaign; /* in `room` */
	unsigned campaign_rank;     /* of the header that named it: campaign_read(); 0: not one of its own */
	unsigned recipients;        /* nrcpt; 0: unknown */
	uint64_t target;            /* hash of an address that it was forwarded to; 0: none yet */
	bool targets;               /* there were several such */
	bool has_sender;            /* an empty sender is the null sender */
	bool deferred;              /* some recipient was */
	uint64_t where;             /* in which partitions those are: schema_partition_bit() */
	bool removed;               /* out of the queue; kept a while for re-injected mail */
	char *room;
	size_t room_n, room_size;
};

/* So many removed messages stay known. */
#define LINK_REMOVED_MAX 4096
/* Strings longer than this are not remembered (cut). */
#define LINK_STRING_MAX 512

struct link_list {
	struct link *newest, *oldest;
	size_t n;
};

struct link_table {
	struct map map;
	struct link_list queued;  /* in order of use */
	struct link_list removed; /* in order of removal */
	struct link_list spare;   /* some, for the next messages */
	char place_name[512]; /* host and instance that were asked for last, and their hash */
	size_t host_n, instance_n;
	uint64_t place;
	size_t bytes, bytes_max;
	uint64_t evicted; /* messages still in the queue that had to be forgotten */
};

void link_init(struct link_table *table, size_t bytes_max);
void link_free(struct link_table *table);

struct link *link_find(struct link_table *table, struct sv host, struct sv instance, struct sv queue_id);
struct link *link_add(struct link_table *table, struct sv host, struct sv instance, struct sv queue_id);

/* A new message under this queue id: whatever was known of an older one is forgotten. */
struct link *link_begin(struct link_table *table, struct sv host, struct sv instance, struct sv queue_id, int64_t time_s);

enum link_field { LINK_SENDER, LINK_LOGIN, LINK_CLIENT, LINK_MESSAGE_ID, LINK_CAMPAIGN };
void link_set(struct link_table *table, struct link *link, enum link_field field, struct sv value);

void link_removed(struct link_table *table, struct link *link);

#endif
