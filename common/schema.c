#include "schema.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

static const char *const key_names[] = {
	[KEY_ADDRESS] = "addr:", [KEY_WINDOW] = "win:", [KEY_HISTORY] = "hist:", [KEY_PENDING] = "pend:",
	[KEY_POSITION] = "pos:", [KEY_DAY] = "day:", [KEY_DAYS] = "days", [KEY_JOURNAL] = "journal",
	[KEY_SUPPRESSED] = "suppressed", [KEY_UNTIL] = "until", [KEY_SCOPED] = "scoped", [KEY_UNCLASSIFIED] = "unclassified:",
	[KEY_DOMAIN] = "domain:", [KEY_MINUTE] = "min:", [KEY_ROLL] = "roll:", [KEY_ALERTS] = "alerts", [KEY_ALERT_LOG] = "alert-log", [KEY_GAPS] = "gaps", [KEY_READER] = "reader:", [KEY_READERS] = "readers",
	[KEY_DOOR] = "door:", [KEY_DOORS] = "doors",
	[KEY_SENT] = "sent:", [KEY_TOLD] = "told:", [KEY_ASIDE] = "aside",
	[KEY_UNCLASSIFIED_TEXT] = "unclassified-text:",
};

/* CRC-32 of IEEE 802.3, four bits at a time */
static uint32_t crc32(struct sv s)
{
	static const uint32_t table[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158,
		0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.n; i++) {
		crc = table[(crc ^ (unsigned char)s.p[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ (unsigned)((unsigned char)s.p[i] >> 4)) & 15] ^ crc >> 4;
	}
	return ~crc;
}

unsigned schema_partition(struct sv key, unsigned partitions)
{
	return partitions > 1 ? crc32(key) % partitions : 0;
}

uint64_t schema_partition_bit(struct sv key)
{
	return UINT64_C(1) << crc32(key) % 64;
}

/* What is known of an address modulo 64 tells its partition only where one number divides the other. */
bool schema_partition_may_have(uint64_t set, unsigned partition, unsigned partitions)
{
	if (partitions % 64 == 0)
		return (set >> partition % 64 & 1) != 0;
	for (unsigned bit = partition; 64 % partitions == 0 && bit < 64; bit += partitions)
		if (set >> bit & 1)
			return true;
	return 64 % partitions != 0;
}

struct sv schema_key(struct arena *arena, const struct schema *schema, enum schema_key key, struct sv name)
{
	struct sv prefix = sv_of(schema->prefix), shape = sv_of(key_names[key]);
	size_t size = prefix.n + shape.n + name.n + 16;
	struct buf b = { arena_take(arena, size), 0, size, false };

	buf_add(&b, prefix);
	buf_add(&b, SV(":{"));
	buf_add_number(&b, schema->partition);
	buf_add(&b, SV("}:"));
	buf_add(&b, shape);
	buf_add(&b, name);
	return buf_sv(&b);
}

struct sv schema_entry_key(struct arena *arena, const struct schema *schema, struct sv key)
{
	if (key.n && key.p[0] == '@')
		return schema_key(arena, schema, KEY_DOMAIN, sv_skip(key, 1));
	return schema_key(arena, schema, KEY_ADDRESS, key);
}

struct sv schema_meta_key(struct arena *arena, const char *prefix)
{
	return arena_printf(arena, "%s:meta", prefix);
}

struct sv schema_entry_of(struct arena *arena, const char *prefix, struct sv redis_key)
{
	uint64_t partition;

	if (!sv_take(&redis_key, sv_of(prefix)) || !sv_take(&redis_key, SV(":{")))
		return sv_make("", 0);
	if (!sv_u64(sv_cut(&redis_key, '}'), SCHEMA_PARTITIONS_MAX - 1, &partition))
		return sv_make("", 0);
	if (sv_take(&redis_key, SV(":addr:")))
		return redis_key;
	if (!sv_take(&redis_key, SV(":domain:")) || redis_key.n == 0)
		return sv_make("", 0);
	char *name = arena_alloc(arena, redis_key.n + 1);
	name[0] = '@';
	memcpy(name + 1, redis_key.p, redis_key.n);
	return sv_make(name, redis_key.n + 1);
}

size_t schema_watched(struct arena *arena, const char *prefix, unsigned partitions, struct sv prefixes[SCHEMA_WATCHED_MAX])
{
	size_t n = 0;

	if (partitions > SCHEMA_WATCHED_PARTITIONS_MAX) {
		prefixes[n++] = arena_printf(arena, "%s:", prefix);
		return n;
	}
	prefixes[n++] = schema_meta_key(arena, prefix);
	for (unsigned p = 0; p < partitions; p++) {
		struct schema schema = { prefix, p };
		prefixes[n++] = schema_key(arena, &schema, KEY_ADDRESS, sv_make("", 0));
		prefixes[n++] = schema_key(arena, &schema, KEY_DOMAIN, sv_make("", 0));
	}
	return n;
}

struct sv schema_number(struct arena *arena, int64_t value)
{
	struct buf b = { arena_take(arena, 20), 0, 20, false };

	buf_add_number(&b, value);
	return buf_sv(&b);
}

/* ---- entries ---- */

static const struct field {
	struct sv name;
	enum { FIELD_TEXT, FIELD_TOKEN, FIELD_NUMBER, FIELD_TIME, FIELD_REVISION } type; /* the first two are struct sv */
	size_t offset;
} fields[] = {
	{ { "rule", 4 }, FIELD_TEXT, offsetof(struct entry, rule) },
	{ { "text", 4 }, FIELD_TEXT, offsetof(struct entry, text) },
	{ { "remote", 6 }, FIELD_TEXT, offsetof(struct entry, remote) },
	{ { "first", 5 }, FIELD_TIME, offsetof(struct entry, first_s) },
	{ { "last", 4 }, FIELD_TIME, offsetof(struct entry, last_s) },
	{ { "since", 5 }, FIELD_TIME, offsetof(struct entry, since_s) },
	{ { "until", 5 }, FIELD_TIME, offsetof(struct entry, until_s) },
	{ { "term", 4 }, FIELD_NUMBER, offsetof(struct entry, term) },
	{ { "parole", 6 }, FIELD_TIME, offsetof(struct entry, parole_s) },
	{ { "count", 5 }, FIELD_NUMBER, offsetof(struct entry, count) },
	{ { "by", 2 }, FIELD_TEXT, offsetof(struct entry, by) },
	{ { "parole-by", 9 }, FIELD_TEXT, offsetof(struct entry, parole_by) },
	{ { "batch", 5 }, FIELD_TEXT, offsetof(struct entry, batch) },
	{ { "token", 5 }, FIELD_TOKEN, offsetof(struct entry, token) },
	{ { "scopes", 6 }, FIELD_TEXT, offsetof(struct entry, scopes) },
	{ { "revision", 8 }, FIELD_REVISION, offsetof(struct entry, revision) },
};

static bool is_text(const struct field *field)
{
	return field->type <= FIELD_TOKEN;
}

static size_t put(struct sv *v, size_t n, struct sv name, struct sv value)
{
	if (!value.n)
		return n;
	v[n] = name;
	v[n + 1] = value;
	return n + 2;
}

size_t schema_entry_fields(struct arena *arena, const struct entry *e, struct sv v[2 * SCHEMA_ENTRY_FIELDS])
{
	char enhanced[ENHANCED_TEXT_MAX];
	size_t n = 0;

	enhanced_format(e->enhanced, enhanced);
	n = put(v, n, SV("status"), sv_of(status_name(e->status)));
	if (e->status != STATUS_NONE) { /* of what has nothing but scopes there is none */
		n = put(v, n, SV("reason"), sv_of(category_name(e->reason)));
		n = put(v, n, SV("origin"), sv_of(origin_name(e->origin)));
	}
	if (e->code)
		n = put(v, n, SV("code"), schema_number(arena, e->code));
	n = put(v, n, SV("enhanced"), arena_dup(arena, sv_of(enhanced)));
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const void *from = (const char *)e + fields[i].offset;
		if (is_text(&fields[i]))
			n = put(v, n, fields[i].name, *(const struct sv *)from);
		else if (*(const int64_t *)from)
			n = put(v, n, fields[i].name, schema_number(arena, *(const int64_t *)from));
	}
	return n / 2;
}

/* Times, and counts, which no mail server reaches either: what is greater is damaged. */
static int64_t number_of(struct sv value)
{
	uint64_t v;

	return sv_u64(value, INT64_MAX, &v) ? (int64_t)(v < STATE_TIME_MAX_S ? v : STATE_TIME_MAX_S) : 0;
}

static int64_t revision_of(struct sv value)
{
	uint64_t v;

	return sv_u64(value, INT64_MAX, &v) ? (int64_t)v : 0;
}

/* The five that are words or codes; false: none of them. A word that this program does not know leaves the default. */
static bool set_word(struct entry *e, struct sv field, struct sv value)
{
	bool known = true;

	if (sv_eq(field, SV("status")))
		known = status_by_name(value, &e->status);
	else if (sv_eq(field, SV("reason")))
		known = category_by_name(value, &e->reason);
	else if (sv_eq(field, SV("origin")))
		known = origin_by_name(value, &e->origin);
	else if (sv_eq(field, SV("enhanced")))
		known = enhanced_parse(value, &e->enhanced);
	else if (sv_eq(field, SV("code")))
		e->code = (int)(number_of(value) % 1000);
	else
		return false;
	(void)known;
	return true;
}

void schema_entry_set(struct entry *e, struct sv field, struct sv value)
{
	if (set_word(e, field, value))
		return;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		void *to = (char *)e + fields[i].offset;
		if (!sv_eq(field, fields[i].name))
			continue;
		if (is_text(&fields[i]))
			*(struct sv *)to = value;
		else
			*(int64_t *)to = fields[i].type == FIELD_REVISION ? revision_of(value) : number_of(value);
		return;
	}
}

void schema_entry_keep(struct arena *arena, struct entry *e)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct sv *text = (struct sv *)((char *)e + fields[i].offset);
		if (is_text(&fields[i]) && text->n)
			*text = arena_dup(arena, *text);
	}
}

static void begin_member(struct buf *b, struct sv name)
{
	buf_add_char(b, ',');
	buf_add_char(b, '"');
	buf_add(b, name);
	buf_add(b, SV("\":"));
}

static void text_member(struct buf *b, struct sv name, struct sv value)
{
	if (!value.n)
		return;
	begin_member(b, name);
	buf_add_json(b, value);
}

static void token_member(struct buf *b, struct sv name, struct sv id)
{
	char token[SCHEMA_TOKEN_MAX] = "";

	if (id.n)
		schema_token_encode(id, token);
	text_member(b, name, sv_of(token));
}

static void number_member(struct buf *b, const struct field *field, int64_t value)
{
	char time[CLOCK_TEXT_MAX];

	if (field->type == FIELD_REVISION || !value)
		return;
	if (field->type == FIELD_TIME && value > 0) {
		clock_format_us(value * CLOCK_SECOND_US, time, sizeof time);
		text_member(b, field->name, sv_of(time));
		return;
	}
	begin_member(b, field->name);
	buf_add_number(b, value);
}

void schema_entry_json(struct buf *b, const struct entry *e)
{
	char enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(e->enhanced, enhanced);
	text_member(b, SV("status"), sv_of(status_name(e->status)));
	if (e->status != STATUS_NONE) {
		text_member(b, SV("reason"), sv_of(category_name(e->reason)));
		text_member(b, SV("origin"), sv_of(origin_name(e->origin)));
	}
	if (e->code) {
		begin_member(b, SV("code"));
		buf_add_number(b, e->code);
	}
	text_member(b, SV("enhanced"), sv_of(enhanced));
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const void *from = (const char *)e + fields[i].offset;
		if (fields[i].type == FIELD_TOKEN)
			token_member(b, fields[i].name, *(const struct sv *)from);
		else if (is_text(&fields[i]))
			text_member(b, fields[i].name, *(const struct sv *)from);
		else
			number_member(b, &fields[i], *(const int64_t *)from);
	}
}

/* ---- packed ---- */

static bool must_escape(char c)
{
	return (c >= 0 && c <= ' ') || c == '%' || c == 0x7f;
}

struct sv schema_pack_entry(struct arena *arena, const struct entry *e)
{
	struct sv v[2 * SCHEMA_ENTRY_FIELDS];
	size_t n, room = 1;

	if (entry_is_empty(e))
		return sv_make("", 0);
	n = 2 * schema_entry_fields(arena, e, v);
	for (size_t i = 0; i < n; i++)
		room += 3 * v[i].n + 1;
	struct buf b = { arena_alloc(arena, room), 0, room, false };
	for (size_t i = 0; i < n; i += 2) {
		if (sv_eq(v[i], SV("revision")) || sv_eq(v[i], SV("token")))
			continue;
		if (b.n)
			buf_add_char(&b, ' ');
		buf_add(&b, v[i]);
		buf_add_char(&b, '=');
		for (size_t j = 0; j < v[i + 1].n; j++) {
			if (must_escape(v[i + 1].p[j]))
				buf_addf(&b, "%%%02X", (unsigned char)v[i + 1].p[j]);
			else
				buf_add_char(&b, v[i + 1].p[j]);
		}
	}
	return buf_sv(&b);
}

void schema_unpack_entry(struct arena *arena, struct sv packed, struct entry *e)
{
	*e = (struct entry){ 0 };
	while (packed.n) {
		struct sv value = sv_cut(&packed, ' '), name = sv_cut(&value, '=');
		schema_entry_set(e, name, buf_unescape(value, arena_alloc(arena, value.n + 1)));
	}
}

/* ---- occurrences ---- */

struct sv schema_window_member(struct arena *arena, const struct occurrence *o)
{
	return arena_printf(arena, "%s|%.*s|%.*s|%lld", category_name(o->category), SV_ARG(o->rule),
		SV_ARG(o->message), (long long)o->first_s);
}

bool schema_window_parse(struct sv member, int64_t last_s, struct occurrence *o)
{
	struct sv rest = member;
	struct sv category = sv_cut(&rest, '|');

	if (!category_by_name(category, &o->category))
		return false;
	o->rule = sv_cut(&rest, '|');
	o->message = sv_cut(&rest, '|');
	o->first_s = number_of(rest);
	o->last_s = last_s;
	return o->message.n > 0;
}

/* ---- tokens ---- */

static const char base32[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static size_t put_base32(uint64_t v, char *to)
{
	char reversed[16];
	size_t n = 0;

	do
		reversed[n++] = base32[v & 31];
	while (v >>= 5);
	for (size_t i = 0; i < n; i++)
		to[i] = reversed[n - 1 - i];
	return n;
}

static bool take_base32(struct sv s, uint64_t *v_r)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 12)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = (char)(sv_lower(s.p[i]) - (sv_lower(s.p[i]) >= 'a' ? 32 : 0));
		/* Crockford: O is 0, I and L are 1 */
		c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
		const char *hit = c ? strchr(base32, c) : NULL;
		if (!hit)
			return false;
		v = v << 5 | (uint64_t)(hit - base32);
	}
	*v_r = v;
	return true;
}

struct id {
	uint64_t ms, seq, partition;
	struct sv of_stream;
};

static bool take_id(struct sv text, struct id *id_r)
{
	struct sv rest = text, ms = sv_cut(&rest, '-'), seq = sv_cut(&rest, '-');

	id_r->of_stream = sv_head(text, ms.n + 1 + seq.n);
	id_r->partition = 0;
	return sv_u64(ms, UINT64_MAX >> 5, &id_r->ms) && sv_u64(seq, UINT64_MAX >> 5, &id_r->seq) &&
		(!rest.n || sv_u64(rest, SCHEMA_PARTITIONS_MAX - 1, &id_r->partition));
}

bool schema_id_split(struct sv id, struct sv *stream_id_r, unsigned *partition_r)
{
	struct id parts;

	if (!take_id(id, &parts))
		return false;
	*stream_id_r = parts.of_stream;
	*partition_r = (unsigned)parts.partition;
	return true;
}

void schema_token_encode(struct sv journal_id, char token_r[SCHEMA_TOKEN_MAX])
{
	struct id id;
	size_t n = 0;

	token_r[0] = '\0';
	if (!take_id(journal_id, &id))
		return;
	n += put_base32(id.ms, token_r);
	if (id.seq || id.partition) {
		token_r[n++] = '-';
		n += put_base32(id.seq, token_r + n);
	}
	if (id.partition) {
		token_r[n++] = '-';
		n += put_base32(id.partition, token_r + n);
	}
	token_r[n] = '\0';
}

bool schema_token_decode(struct sv token, char journal_id_r[SCHEMA_ID_MAX])
{
	uint64_t ms, seq = 0, partition = 0;
	struct sv rest = token;
	struct sv head = sv_cut(&rest, '-');
	struct sv second = sv_cut(&rest, '-');

	if (!take_base32(head, &ms) || (second.n && !take_base32(second, &seq)) || (rest.n && !take_base32(rest, &partition)) ||
	    partition >= SCHEMA_PARTITIONS_MAX)
		return false;
	int n = snprintf(journal_id_r, SCHEMA_ID_MAX, "%llu-%llu", (unsigned long long)ms, (unsigned long long)seq);
	if (partition)
		(void)snprintf(journal_id_r + n, SCHEMA_ID_MAX - (size_t)n, "-%llu", (unsigned long long)partition);
	return true;
}

bool schema_day_in(struct sv day, struct sv first, struct sv last)
{
	return (first.n != day.n || memcmp(day.p, first.p, day.n) >= 0) && (last.n != day.n || memcmp(day.p, last.p, day.n) <= 0);
}
