/* schema: every key name and field of nixie in Redis, in one place.
 *
 * The public interface described in nixie-redis(7). Keys are built in an arena. */
#ifndef NIXIE_SCHEMA_H
#define NIXIE_SCHEMA_H

#include "arena.h"
#include "buf.h"
#include "state.h"

#define SCHEMA_VERSION 1

/* How long things stay, in days. */
#define SCHEMA_DAYS_COUNTERS 400
#define SCHEMA_DAYS_HISTORY 396
#define SCHEMA_DAYS_PENDING 7
/* That a log told of a failure: mail about it comes within a queue's life time. That mail did: a mailbox may be read again. */
#define SCHEMA_DAYS_TOLD_BY_LOG 7
#define SCHEMA_DAYS_TOLD_BY_MAIL 100
/* Of the totals of a minute, from that minute on; of its dimensions. */
#define SCHEMA_HOURS_MINUTES 48
#define SCHEMA_HOURS_MINUTE_DIMENSIONS 3
/* How many entries a stream keeps. */
#define SCHEMA_HISTORY_MAX "50"
#define SCHEMA_JOURNAL_MAX "1000000"
#define SCHEMA_ALERT_LOG_MAX "10000"
#define SCHEMA_ASIDE_MAX "10000"
#define SCHEMA_ROLL_HOURS_MAX "9600" /* 400 days */
#define SCHEMA_ROLL_DAYS_MAX "4000"
/* A dimension of a day, or of a minute, in one partition has no new values when it has so many
 * counters; with several partitions it is a quarter, and there are more of them. */
#define SCHEMA_DIMENSION_DAY_MAX 2000
#define SCHEMA_DIMENSION_MINUTE_MAX 400
/* A longer value of a dimension is cut. */
#define SCHEMA_VALUE_MAX 253
/* Texts without a rule that are kept for a month; more are counted under "*". */
#define SCHEMA_UNCLASSIFIED_MAX 1000

/* All of an address, its windows, its pending messages, the counters it feeds and the log
 * position that covers them are in one partition: one slot of a Redis Cluster, one script. */
#define SCHEMA_PARTITIONS_MAX 1024

/* Which keys: prefix and partition, e.g. "nixie" and 0 */
struct schema {
	const char *prefix;
	unsigned partition;
};

/* Of an address, or of a whole domain, "@example.com": CRC-32 (as of gzip) modulo partitions. */
unsigned schema_partition(struct sv key, unsigned partitions);
/* A set of partitions, whatever their number will be: the bit of an address, and whether an
 * address of a set may be in this partition. */
uint64_t schema_partition_bit(struct sv key);
bool schema_partition_may_have(uint64_t set, unsigned partition, unsigned partitions);

enum schema_key {
	KEY_ADDRESS,      /* addr:<address> */
	KEY_DOMAIN,       /* domain:<domain> */
	KEY_WINDOW,       /* win:<address> */
	KEY_HISTORY,      /* hist:<address> */
	KEY_PENDING,      /* pend:<message> */
	KEY_POSITION,     /* pos:<source> */
	KEY_DAY,          /* day:<yyyymmdd>, day:<yyyymmdd>:<dimension> */
	KEY_DAYS,         /* days */
	KEY_MINUTE,       /* min:<yyyymmddhhmm>, min:<yyyymmddhhmm>:<dimension> */
	KEY_ROLL,         /* roll:hour, roll:day */
	KEY_ALERTS,       /* alerts; in partition 0 only, as the next */
	KEY_ALERT_LOG,    /* alert-log */
	KEY_GAPS,         /* gaps; in partition 0 only, as the next two */
	KEY_READER,       /* reader:<source> */
	KEY_READERS,      /* readers */
	KEY_DOOR,         /* door:<name>; in partition 0 only, as the next */
	KEY_DOORS,        /* doors */
	KEY_JOURNAL,      /* journal */
	KEY_SUPPRESSED,   /* suppressed */
	KEY_UNTIL,        /* until */
	KEY_SCOPED,       /* scoped */
	KEY_SENT,         /* sent:<yyyymmdd>:<three hex digits> */
	KEY_TOLD,         /* told:<24 hex digits> */
	KEY_ASIDE,        /* aside; in partition 0 only */
	KEY_UNCLASSIFIED,      /* unclassified:<yyyymm> */
	KEY_UNCLASSIFIED_TEXT, /* unclassified-text:<yyyymm> */
};

struct sv schema_key(struct arena *arena, const struct schema *schema, enum schema_key key, struct sv name);
/* The key of an entry: of an address, or of a whole domain, "@example.com". */
struct sv schema_entry_key(struct arena *arena, const struct schema *schema, struct sv key);
struct sv schema_meta_key(struct arena *arena, const char *prefix);
/* Back from the key of an entry: the address, or "@example.com". Empty: it is another key. */
struct sv schema_entry_of(struct arena *arena, const char *prefix, struct sv redis_key);

/* Beginnings of the keys of all entries and of meta, none the beginning of another, for CLIENT TRACKING.
 * With every key that is written Redis looks through all of them, and some 25 take it as long as the writing:
 * of many partitions it is one for all keys, and what is not of an entry is passed over. */
#define SCHEMA_WATCHED_PARTITIONS_MAX 6
#define SCHEMA_WATCHED_MAX (2 * SCHEMA_WATCHED_PARTITIONS_MAX + 1)
size_t schema_watched(struct arena *arena, const char *prefix, unsigned partitions, struct sv prefixes_r[SCHEMA_WATCHED_MAX]);

/* Field and value, field and value ... of an entry; at most SCHEMA_ENTRY_FIELDS pairs. */
#define SCHEMA_ENTRY_FIELDS 24
size_t schema_entry_fields(struct arena *arena, const struct entry *entry, struct sv fields_r[2 * SCHEMA_ENTRY_FIELDS]);

/* Sets one field of an entry from what Redis holds; what is unknown or damaged is
 * ignored: a newer program may have written more. Strings stay borrowed. */
void schema_entry_set(struct entry *entry, struct sv field, struct sv value);
/* Copies its strings, which were borrowed. */
void schema_entry_keep(struct arena *arena, struct entry *entry);

/* The same as members of a JSON object, a comma before each: times by RFC 3339, the token as people see it, without
 * the revision; and without reason and origin where there is no status that they would be of. */
void schema_entry_json(struct buf *b, const struct entry *entry);

/* All fields but revision and token on one line, "status=soft reason=mailbox.full text=552%20full";
 * blanks, controls and % are %XX. Empty when there is nothing to tell. Back: strings in the arena. */
struct sv schema_pack_entry(struct arena *arena, const struct entry *entry);
void schema_unpack_entry(struct arena *arena, struct sv packed, struct entry *entry_r);

/* Is the day, yyyymmdd, from first to last? An empty one is no limit. */
bool schema_day_in(struct sv day, struct sv first, struct sv last);

/* "<category>|<rule>|<message>|<first>" and back */
struct sv schema_window_member(struct arena *arena, const struct occurrence *occurrence);
bool schema_window_parse(struct sv member, int64_t last_s, struct occurrence *occurrence_r) NIXIE_MUST_CHECK;

/* Decimal of a number, in the arena. */
struct sv schema_number(struct arena *arena, int64_t value);

/* The id of a journal entry and where it is: "<ms>-<seq>" in partition 0, "<ms>-<seq>-<partition>"
 * elsewhere. The token in a rejection is that in base 32 (Crockford), which people can read out
 * on the phone. "" when the id is none. */
#define SCHEMA_ID_MAX 64
#define SCHEMA_TOKEN_MAX 48
/* The id alone, and its partition. False: it is none. */
bool schema_id_split(struct sv id, struct sv *stream_id_r, unsigned *partition_r) NIXIE_MUST_CHECK;
void schema_token_encode(struct sv journal_id, char token_r[SCHEMA_TOKEN_MAX]);
bool schema_token_decode(struct sv token, char journal_id_r[SCHEMA_ID_MAX]) NIXIE_MUST_CHECK;

#endif
