#include "link.h"

#include <stdlib.h>

#include "arena.h"

/* The strings of most messages fit in. */
#define ROOM_BYTES 192
#define SPARE_MAX 64

void link_init(struct link_table *table, size_t bytes_max)
{
	*table = (struct link_table){ .bytes_max = bytes_max };
}

/* ---- lists ---- */

static void unhook(struct link_list *list, struct link *l)
{
	*(l->newer ? &l->newer->older : &list->newest) = l->older;
	*(l->older ? &l->older->newer : &list->oldest) = l->newer;
	list->n--;
}

static void hook(struct link_list *list, struct link *l)
{
	l->older = list->newest;
	l->newer = NULL;
	*(list->newest ? &list->newest->newer : &list->oldest) = l;
	list->newest = l;
	list->n++;
}

static struct link_list *list_of(struct link_table *t, const struct link *l)
{
	return l->removed ? &t->removed : &t->queued;
}

/* ---- keys ---- */

struct lookup {
	struct link_key key;
	uint64_t hash;
};

static struct sv key_bytes(const struct link_key *key)
{
	return sv_make((const char *)key, sizeof *key);
}

static uint64_t place_of(struct link_table *t, struct sv host, struct sv instance)
{
	if (sv_eq(sv_make(t->place_name, t->host_n), host) && sv_eq(sv_make(t->place_name + t->host_n, t->instance_n), instance))
		return t->place;
	uint64_t place = map_hash(host) * 0x9e3779b97f4a7c15u ^ map_hash(instance);
	if (host.n + instance.n > sizeof t->place_name || !host.n || !instance.n)
		return place;
	memcpy(t->place_name, host.p, t->host_n = host.n);
	memcpy(t->place_name + host.n, instance.p, t->instance_n = instance.n);
	return t->place = place;
}

static void look_for(struct link_table *t, struct lookup *lookup_r, struct sv host, struct sv instance, struct sv queue_id)
{
	struct sv id = sv_head(queue_id, LINK_QUEUE_ID_MAX);

	lookup_r->key = (struct link_key){ .place = place_of(t, host, instance) };
	memcpy(lookup_r->key.queue_id, id.p, id.n);
	lookup_r->hash = map_hash(id) ^ lookup_r->key.place;
}

static struct link *find(const struct link_table *t, const struct lookup *lookup)
{
	return map_find(&t->map, key_bytes(&lookup->key), lookup->hash);
}

/* ---- making and forgetting ---- */

static size_t bytes_of(const struct link *l)
{
	/* with the share of the table's slots */
	return sizeof *l + l->room_size + 2 * sizeof(struct map_slot);
}

static void free_link(struct link *l)
{
	free(l->room);
	free(l);
}

static void drop(struct link_table *t, struct link *l)
{
	unhook(list_of(t, l), l);
	(void)map_remove(&t->map, key_bytes(&l->key), map_hash(sv_of(l->key.queue_id)) ^ l->key.place);
	t->bytes -= bytes_of(l);
	if (t->spare.n < SPARE_MAX && l->room_size == ROOM_BYTES)
		hook(&t->spare, l);
	else
		free_link(l);
}

static void make_room(struct link_table *t, const struct link *keep)
{
	while (t->bytes > t->bytes_max) {
		struct link *l = t->removed.oldest ? t->removed.oldest : t->queued.oldest;
		if (l == keep)
			l = l->newer ? l->newer : l->removed ? t->queued.oldest : NULL;
		if (!l)
			return;
		t->evicted += !l->removed;
		drop(t, l);
	}
}

static struct link *make(struct link_table *t, const struct lookup *lookup)
{
	struct link *l = t->spare.newest;

	if (l) {
		char *room = l->room;
		unhook(&t->spare, l);
		*l = (struct link){ .room = room, .room_size = ROOM_BYTES };
	} else {
		l = xalloc(sizeof *l);
		l->room = xalloc(ROOM_BYTES);
		l->room_size = ROOM_BYTES;
	}
	l->key = lookup->key;
	t->bytes += bytes_of(l);
	map_add(&t->map, key_bytes(&l->key), lookup->hash, l);
	hook(&t->queued, l);
	make_room(t, l);
	return l;
}

/* ---- for the reader ---- */

static struct link *use(struct link_table *t, struct link *l)
{
	if (l && !l->removed && l != t->queued.newest) {
		unhook(&t->queued, l);
		hook(&t->queued, l);
	}
	return l;
}

struct link *link_find(struct link_table *t, struct sv host, struct sv instance, struct sv queue_id)
{
	struct lookup lookup;

	look_for(t, &lookup, host, instance, queue_id);
	return use(t, find(t, &lookup));
}

struct link *link_add(struct link_table *t, struct sv host, struct sv instance, struct sv queue_id)
{
	struct lookup lookup;

	look_for(t, &lookup, host, instance, queue_id);
	struct link *l = use(t, find(t, &lookup));
	return l ? l : make(t, &lookup);
}

struct link *link_begin(struct link_table *t, struct sv host, struct sv instance, struct sv queue_id, int64_t time_s)
{
	struct lookup lookup;

	look_for(t, &lookup, host, instance, queue_id);
	struct link *l = find(t, &lookup);
	if (l)
		drop(t, l);
	l = make(t, &lookup);
	l->begun_s = time_s;
	return l;
}

/* Room for n bytes more: what was replaced is left behind when it grows. */
static void grow(struct link_table *t, struct link *l, size_t n)
{
	struct sv *const fields[] = { &l->sender, &l->login, &l->client, &l->message_id, &l->campaign };
	size_t size = l->room_size, have = 0, at = 0;

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		have += fields[i]->n;
	while (size - have < n)
		size *= 2;
	char *room = xalloc(size);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (fields[i]->n)
			memcpy(room + at, fields[i]->p, fields[i]->n);
		fields[i]->p = room + at;
		at += fields[i]->n;
	}
	free(l->room);
	t->bytes += size - l->room_size;
	l->room = room;
	l->room_n = at;
	l->room_size = size;
}

void link_set(struct link_table *t, struct link *l, enum link_field field, struct sv value)
{
	struct sv *const fields[] = { &l->sender, &l->login, &l->client, &l->message_id, &l->campaign };
	struct sv *to = fields[field];

	value = sv_head(value, LINK_STRING_MAX);
	if (field == LINK_SENDER)
		l->has_sender = true;
	if (sv_eq(*to, value)) /* qmgr repeats the sender at every retry */
		return;
	to->n = 0;
	if (value.n > l->room_size - l->room_n)
		grow(t, l, value.n);
	if (value.n)
		memcpy(l->room + l->room_n, value.p, value.n);
	*to = sv_make(l->room + l->room_n, value.n);
	l->room_n += value.n;
	make_room(t, l);
}

void link_removed(struct link_table *t, struct link *l)
{
	if (l->removed)
		return;
	unhook(&t->queued, l);
	l->removed = true;
	hook(&t->removed, l);
	if (t->removed.n > LINK_REMOVED_MAX)
		drop(t, t->removed.oldest);
}

static void free_list(struct link *newest)
{
	while (newest) {
		struct link *older = newest->older;
		free_link(newest);
		newest = older;
	}
}

void link_free(struct link_table *t)
{
	free_list(t->queued.newest);
	free_list(t->removed.newest);
	free_list(t->spare.newest);
	map_free(&t->map);
}
