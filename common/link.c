#include "link.h"

#include <stdlib.h>

#include "arena.h"
#include "buf.h"

#define KEY_MAX 640

void link_init(struct link_table *table, size_t bytes_max)
{
	*table = (struct link_table){ .bytes_max = bytes_max };
}

/* Host and instance cannot hold a NUL: they are tokens of a line that passed line_parse(). */
static struct sv make_key(char room[KEY_MAX], struct sv host, struct sv instance, struct sv queue_id)
{
	struct buf b = { room, 0, KEY_MAX, false };

	buf_add(&b, queue_id);
	buf_add_char(&b, ' ');
	buf_add(&b, sv_head(host, 255));
	buf_add_char(&b, ' ');
	buf_add(&b, sv_head(instance, 255));
	return buf_sv(&b);
}

static void unhook(struct link_table *t, struct link *l)
{
	*(l->newer ? &l->newer->older : &t->newest) = l->older;
	*(l->older ? &l->older->newer : &t->oldest) = l->newer;
	l->newer = l->older = NULL;
}

static void hook(struct link_table *t, struct link *l)
{
	l->older = t->newest;
	l->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = l;
	t->newest = l;
}

static void drop(struct link_table *t, struct link *l)
{
	if (l->removed)
		t->removed[l->removed_slot] = NULL;
	unhook(t, l);
	(void)map_take(&t->map, l->key);
	t->bytes -= l->bytes;
	free((char *)(uintptr_t)l->sender.p);
	free((char *)(uintptr_t)l->login.p);
	free((char *)(uintptr_t)l->client.p);
	free((char *)(uintptr_t)l->message_id.p);
	free(l);
}

static void make_room(struct link_table *t, const struct link *keep)
{
	while (t->bytes > t->bytes_max && t->oldest && t->oldest != keep) {
		t->evicted += !t->oldest->removed;
		drop(t, t->oldest);
	}
}

struct link *link_find(struct link_table *t, struct sv host, struct sv instance, struct sv queue_id)
{
	char room[KEY_MAX];
	struct link *l = map_get(&t->map, make_key(room, host, instance, queue_id));

	if (l && l != t->newest) {
		unhook(t, l);
		hook(t, l);
	}
	return l;
}

struct link *link_add(struct link_table *t, struct sv host, struct sv instance, struct sv queue_id)
{
	char room[KEY_MAX];
	struct link *l = link_find(t, host, instance, queue_id);

	if (l)
		return l;
	struct sv key = make_key(room, host, instance, queue_id);
	l = xalloc(sizeof *l + key.n);
	char *bytes = (char *)(l + 1);
	memcpy(bytes, key.p, key.n);
	l->key = sv_make(bytes, key.n);
	/* with the share of the table's slots */
	l->bytes = sizeof *l + key.n + 2 * sizeof(struct map_slot);
	t->bytes += l->bytes;
	map_put(&t->map, l->key, l);
	hook(t, l);
	make_room(t, l);
	return l;
}

struct link *link_begin(struct link_table *t, struct sv host, struct sv instance, struct sv queue_id, int64_t time_s)
{
	struct link *l = link_find(t, host, instance, queue_id);

	if (l)
		drop(t, l);
	l = link_add(t, host, instance, queue_id);
	l->begun_s = time_s;
	return l;
}

void link_set(struct link_table *t, struct link *l, enum link_field field, struct sv value)
{
	struct sv *const fields[] = { &l->sender, &l->login, &l->client, &l->message_id };
	struct sv *to = fields[field];

	value = sv_head(value, LINK_STRING_MAX);
	if (field == LINK_SENDER)
		l->has_sender = true;
	if (sv_eq(*to, value)) /* qmgr repeats the sender at every retry */
		return;
	t->bytes -= to->n;
	l->bytes -= to->n;
	free((char *)(uintptr_t)to->p);
	*to = sv_make(NULL, 0);
	if (value.n) {
		char *p = xalloc(value.n);
		memcpy(p, value.p, value.n);
		*to = sv_make(p, value.n);
	}
	t->bytes += value.n;
	l->bytes += value.n;
	make_room(t, l);
}

void link_removed(struct link_table *t, struct link *l)
{
	if (l->removed)
		return;
	struct link *old = t->removed[t->removed_at];
	if (old)
		drop(t, old);
	l->removed = true;
	l->removed_slot = t->removed_at;
	t->removed[t->removed_at] = l;
	t->removed_at = (t->removed_at + 1) % LINK_REMOVED_MAX;
}

void link_free(struct link_table *t)
{
	while (t->oldest)
		drop(t, t->oldest);
	map_free(&t->map);
}
