#include "surge.h"

#include <stdlib.h>

#include "arena.h"
#include "map.h"

/* The short scale */
#define NEWEST 2
/* So many values are looked at for one that can go; the next time, the next ones. */
#define LOOKS 16
/* Sums of a window stay within 64 bits, their products within 128. */
#define COUNT_MAX INT64_C(1000000000000)

/* part of whole; whole 0: nothing is known */
struct share {
	int64_t part, whole;
};

struct bucket {
	int64_t number; /* time / bucket_s */
	struct surge_counts counts;
};

struct item;

/* One kind of one value. */
struct gauge {
	struct item *item;
	enum surge_kind kind;
	bool open, told; /* told: what the caller knows of `open` */
	bool missed;     /* opened and closed before the caller asked: `opening` is told first */
	bool theirs;     /* opened by somebody else, and the counts here do not say so */
	bool in_open, in_changed;
	struct share threshold; /* that opened it */
	int64_t keep; /* not closed before this bucket */
	struct surge_change change; /* the newest */
	struct surge_change opening; /* the newest that opened it */
	struct gauge *next_open, *next_changed;
};

struct item {
	enum surge_dimension dimension;
	int64_t newest; /* number of the newest bucket with a result, -1: none */
	struct bucket ring[SURGE_BUCKETS]; /* by number % SURGE_BUCKETS; others there are of the past */
	struct surge_counts usual;
	struct gauge gauges[SURGE_KINDS];
	size_t value_n;
	char value[];
};

/* The values of a dimension. */
struct room {
	struct map map;
	size_t n, next_look;
	struct item *items[SURGE_VALUES_MAX];
};

struct surge {
	struct surge_options options;
	int64_t bucket_s;
	int64_t now_s, newest; /* newest: number of the bucket of now, -1: no time yet */
	struct room rooms[SURGE_DIMENSIONS];
	struct item *all;
	struct gauge *open; /* those that close by the counts; some are closed already */
	struct gauge *changed, *last_changed;
	uint64_t unwatched;
};

static int64_t within(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* ---- shares ---- */

static bool share_reaches(struct share s, struct share threshold)
{
	return s.whole > 0 && (__int128)s.part * threshold.whole >= (__int128)threshold.part * s.whole;
}

static bool share_below_half(struct share s, struct share threshold)
{
	return s.whole <= 0 || 2 * (__int128)s.part * threshold.whole < (__int128)threshold.part * s.whole;
}

static struct share share_greater(struct share a, struct share b)
{
	return share_reaches(a, b) ? a : b;
}

static int64_t base_of(const struct surge_counts *counts, enum surge_kind kind)
{
	return kind == SURGE_HARD ? counts->finals : counts->attempts;
}

static struct share share_of(const struct surge_counts *counts, enum surge_kind kind)
{
	return (struct share){ counts->of[kind], base_of(counts, kind) };
}

/* ---- counts ---- */

static void add_number(int64_t *to, int64_t n)
{
	*to = within(*to + within(n, 0, COUNT_MAX), 0, COUNT_MAX);
}

static void add_counts(struct surge_counts *to, const struct surge_counts *counts)
{
	add_number(&to->attempts, counts->attempts);
	add_number(&to->finals, counts->finals);
	for (int kind = 0; kind < SURGE_KINDS; kind++)
		add_number(&to->of[kind], counts->of[kind]);
}

static bool counts_nothing(const struct surge_counts *counts)
{
	struct surge_counts sum = { 0 };

	add_counts(&sum, counts);
	for (int kind = 0; kind < SURGE_KINDS; kind++)
		if (sum.of[kind])
			return false;
	return !sum.attempts && !sum.finals;
}

static void add_bucket(const struct item *item, int64_t number, struct surge_counts *sum)
{
	const struct bucket *b = number >= 0 ? &item->ring[number % SURGE_BUCKETS] : NULL;

	if (!b || b->number != number)
		return;
	sum->attempts += b->counts.attempts;
	sum->finals += b->counts.finals;
	for (int kind = 0; kind < SURGE_KINDS; kind++)
		sum->of[kind] += b->counts.of[kind];
}

/* The buckets from `oldest` to the newest, a rule's with the results of all. */
static struct surge_counts sum_from(const struct surge *s, const struct item *item, int64_t oldest)
{
	struct surge_counts sum = { 0 }, all = { 0 };

	for (int64_t number = s->newest; number >= oldest; number--) {
		add_bucket(item, number, &sum);
		if (item->dimension == SURGE_RULE)
			add_bucket(s->all, number, &all);
	}
	if (item->dimension == SURGE_RULE) {
		sum.attempts = all.attempts;
		sum.finals = all.finals;
	}
	return sum;
}

static struct surge_counts sum_of(const struct surge *s, const struct item *item, int buckets)
{
	return sum_from(s, item, s->newest - buckets + 1);
}

static struct share bucket_share(const struct surge *s, const struct item *item, int64_t number, enum surge_kind kind)
{
	struct surge_counts counts = { 0 }, all = { 0 };

	add_bucket(item, number, &counts);
	if (item->dimension == SURGE_RULE) {
		add_bucket(s->all, number, &all);
		counts.attempts = all.attempts;
		counts.finals = all.finals;
	}
	return share_of(&counts, kind);
}

static void put_counts(struct item *item, int64_t number, const struct surge_counts *counts)
{
	struct bucket *b = &item->ring[number % SURGE_BUCKETS];

	if (b->number != number)
		*b = (struct bucket){ .number = number };
	add_counts(&b->counts, counts);
	if (number > item->newest)
		item->newest = number;
}

/* ---- values ---- */

static bool has_results(const struct surge *s, const struct item *item)
{
	return item->newest >= 0 && item->newest > s->newest - SURGE_BUCKETS;
}

static bool can_go(const struct surge *s, const struct item *item)
{
	if (has_results(s, item))
		return false;
	for (int kind = 0; kind < SURGE_KINDS; kind++) {
		const struct gauge *g = &item->gauges[kind];
		if (g->open || g->in_open || g->in_changed)
			return false;
	}
	return true;
}

static void drop_item(struct room *room, size_t i)
{
	struct item *item = room->items[i];

	(void)map_take(&room->map, sv_make(item->value, item->value_n));
	room->items[i] = room->items[--room->n];
	free(item);
}

static bool make_room(const struct surge *s, struct room *room)
{
	for (int looks = 0; room->n == SURGE_VALUES_MAX && looks < LOOKS; looks++) {
		size_t i = room->next_look++ % room->n;
		if (can_go(s, room->items[i]))
			drop_item(room, i);
	}
	return room->n < SURGE_VALUES_MAX;
}

static struct item *new_item(struct room *room, enum surge_dimension dimension, struct sv value)
{
	struct item *item = xalloc(sizeof *item + value.n);

	item->dimension = dimension;
	item->newest = -1;
	item->value_n = value.n;
	if (value.n)
		memcpy(item->value, value.p, value.n);
	for (int kind = 0; kind < SURGE_KINDS; kind++) {
		item->gauges[kind].item = item;
		item->gauges[kind].kind = (enum surge_kind)kind;
	}
	room->items[room->n++] = item;
	map_put(&room->map, sv_make(item->value, value.n), item);
	return item;
}

static struct item *find_item(const struct surge *s, enum surge_dimension dimension, struct sv value)
{
	if (dimension == SURGE_ALL)
		return s->all;
	return map_get(&s->rooms[dimension].map, sv_head(value, SURGE_VALUE_MAX));
}

/* NULL: not to be watched */
static struct item *take_item(struct surge *s, enum surge_dimension dimension, struct sv value, bool may_replace)
{
	struct room *room = &s->rooms[dimension];
	struct item *item = find_item(s, dimension, value);

	if (item || value.n == 0)
		return item;
	if (room->n == SURGE_VALUES_MAX && !(may_replace && make_room(s, room))) {
		s->unwatched++;
		return NULL;
	}
	return new_item(room, dimension, sv_head(value, SURGE_VALUE_MAX));
}

static void drop_all(struct surge *s)
{
	for (int i = 0; i < SURGE_DIMENSIONS; i++) {
		struct room *room = &s->rooms[i];
		while (room->n)
			free(room->items[--room->n]);
		map_clear(&room->map);
	}
	s->open = s->changed = s->last_changed = NULL;
}

/* ---- opening and closing ---- */

static struct share usual_share(const struct surge *s, const struct item *item, enum surge_kind kind)
{
	const struct surge_counts *own = item->dimension == SURGE_RULE ? &s->all->usual : &item->usual;
	struct share all = share_of(&s->all->usual, kind);

	if (base_of(own, kind) >= SURGE_USUAL_BASE)
		return (struct share){ item->usual.of[kind], base_of(own, kind) };
	return all.whole >= SURGE_USUAL_BASE ? all : (struct share){ 0, 1 };
}

static struct share threshold_of(const struct surge *s, const struct gauge *g)
{
	struct share usual = usual_share(s, g->item, g->kind);

	usual.part *= s->options.factor;
	return share_greater(usual, (struct share){ s->options.share_permille, 1000 });
}

static bool is_over(const struct surge *s, const struct surge_counts *counts, enum surge_kind kind, struct share threshold)
{
	return counts->of[kind] >= s->options.minimum && share_reaches(share_of(counts, kind), threshold);
}

static bool is_quiet(const struct surge *s, const struct surge_counts *counts, const struct gauge *g)
{
	return counts->of[g->kind] * 4 < s->options.minimum || share_below_half(share_of(counts, g->kind), g->threshold);
}

static bool is_unusual(struct share share, struct share usual)
{
	return (__int128)share.part * usual.whole > (__int128)usual.part * share.whole;
}

/* The first bucket of the jump. A bucket without results is no break. */
static int64_t jump_begin(const struct surge *s, const struct gauge *g, struct share threshold)
{
	int64_t begin = -1;

	for (int64_t number = s->newest; number >= 0 && number > s->newest - SURGE_BUCKETS; number--) {
		struct share share = bucket_share(s, g->item, number, g->kind);
		if (share.whole == 0)
			continue;
		if (share_reaches(share, threshold)) {
			begin = number;
		} else if (begin >= 0) {
			if (begin == number + 1 && is_unusual(share, usual_share(s, g->item, g->kind)))
				begin = number;
			break;
		}
	}
	return begin >= 0 ? begin : s->newest; /* one of them is over if the sum is */
}

/* g->open is what it has become. */
static void note_change(struct surge *s, struct gauge *g, int64_t since_s, const struct surge_counts *counts)
{
	struct share usual = usual_share(s, g->item, g->kind);

	g->change = (struct surge_change){
		.kind = g->kind, .dimension = g->item->dimension, .value = sv_make(g->item->value, g->item->value_n),
		.open = g->open, .time_s = s->now_s, .since_s = since_s,
		.count = counts->of[g->kind], .base = base_of(counts, g->kind),
		.usual_permille = (int64_t)(((__int128)usual.part * 1000 + usual.whole / 2) / usual.whole),
	};
	if (g->open)
		g->opening = g->change;
	g->missed = !g->open && !g->told;
	if (g->in_changed)
		return;
	g->in_changed = true;
	g->next_changed = NULL;
	if (s->changed)
		s->last_changed->next_changed = g;
	else
		s->changed = g;
	s->last_changed = g;
}

static void list_open(struct surge *s, struct gauge *g)
{
	if (g->in_open)
		return;
	g->in_open = true;
	g->next_open = s->open;
	s->open = g;
}

static void try_open(struct surge *s, struct gauge *g, const struct surge_counts *newest, const struct surge_counts *window)
{
	if (window->of[g->kind] < s->options.minimum)
		return;
	struct share threshold = threshold_of(s, g);
	if (!is_over(s, newest, g->kind, threshold) && !is_over(s, window, g->kind, threshold))
		return;
	g->threshold = threshold;
	g->keep = 0;
	list_open(s, g);
	if (g->open) { /* theirs was told */
		g->theirs = false;
		return;
	}
	g->open = true;
	int64_t begin = jump_begin(s, g, threshold);
	struct surge_counts counts = sum_from(s, g->item, begin);
	note_change(s, g, begin * s->bucket_s, &counts);
}

static void try_close(struct surge *s, struct gauge *g, const struct surge_counts *newest, const struct surge_counts *window)
{
	if (s->newest < g->keep || !is_quiet(s, newest, g) || !is_quiet(s, window, g))
		return;
	g->open = false;
	note_change(s, g, g->change.since_s, window);
}

static void check_item(struct surge *s, struct item *item)
{
	struct surge_counts newest = sum_of(s, item, NEWEST), window = sum_of(s, item, SURGE_BUCKETS);

	for (int kind = 0; kind < SURGE_KINDS; kind++) {
		struct gauge *g = &item->gauges[kind];
		if (g->open && !g->theirs)
			try_close(s, g, &newest, &window);
		else
			try_open(s, g, &newest, &window);
	}
}

/* The newest bucket is another one: the old ones are out of the window. */
static void move_on(struct surge *s, int64_t number)
{
	struct gauge *g = s->open;

	s->newest = number;
	s->open = NULL;
	while (g) {
		struct gauge *next = g->next_open;
		g->in_open = false;
		if (g->open && !g->theirs) {
			struct surge_counts newest = sum_of(s, g->item, NEWEST), window = sum_of(s, g->item, SURGE_BUCKETS);
			try_close(s, g, &newest, &window);
		}
		if (g->open && !g->theirs)
			list_open(s, g);
		g = next;
	}
}

/* ---- ---- */

static void take_options(struct surge *s, const struct surge_options *options)
{
	s->options = (struct surge_options){
		.window_s = within(options->window_s, SURGE_BUCKETS, INT64_MAX),
		.minimum = within(options->minimum, 1, COUNT_MAX),
		.share_permille = within(options->share_permille, 1, 1000),
		.factor = within(options->factor, 1, 1000),
	};
	s->bucket_s = s->options.window_s / SURGE_BUCKETS;
}

struct surge *surge_new(const struct surge_options *options)
{
	struct surge *s = xalloc(sizeof *s);

	take_options(s, options);
	surge_reset(s);
	return s;
}

void surge_free(struct surge *surge)
{
	if (!surge)
		return;
	drop_all(surge);
	for (int i = 0; i < SURGE_DIMENSIONS; i++)
		map_free(&surge->rooms[i].map);
	free(surge);
}

/* Puts the counts into buckets of another length, each by its beginning. */
static void rebucket(const struct surge *s, struct item *item, int64_t old_bucket_s, int64_t old_newest)
{
	struct bucket old[SURGE_BUCKETS];

	memcpy(old, item->ring, sizeof old);
	memset(item->ring, 0, sizeof item->ring);
	item->newest = -1;
	for (int i = 0; i < SURGE_BUCKETS; i++) {
		int64_t number = old[i].number * old_bucket_s / s->bucket_s;
		if (old[i].number > old_newest - SURGE_BUCKETS && number > s->newest - SURGE_BUCKETS && !counts_nothing(&old[i].counts))
			put_counts(item, number, &old[i].counts);
	}
}

void surge_set_options(struct surge *surge, const struct surge_options *options)
{
	int64_t old_bucket_s = surge->bucket_s, old_newest = surge->newest;

	take_options(surge, options);
	if (surge->bucket_s == old_bucket_s || old_newest < 0)
		return;
	surge->newest = surge->now_s / surge->bucket_s;
	for (int i = 0; i < SURGE_DIMENSIONS; i++)
		for (size_t j = 0; j < surge->rooms[i].n; j++)
			rebucket(surge, surge->rooms[i].items[j], old_bucket_s, old_newest);
}

void surge_reset(struct surge *surge)
{
	drop_all(surge);
	surge->now_s = surge->newest = -1;
	surge->all = new_item(&surge->rooms[SURGE_ALL], SURGE_ALL, SV(""));
}

void surge_forget_usual(struct surge *surge)
{
	for (int i = 0; i < SURGE_DIMENSIONS; i++) {
		struct room *room = &surge->rooms[i];
		for (size_t j = room->n; j-- > 0;) { /* the last one takes the place of one that goes */
			room->items[j]->usual = (struct surge_counts){ 0 };
			if (i != SURGE_ALL && can_go(surge, room->items[j]))
				drop_item(room, j);
		}
	}
}

void surge_add_usual(struct surge *surge, enum surge_dimension dimension, struct sv value, const struct surge_counts *counts)
{
	struct item *item = take_item(surge, dimension, value, false);

	if (item)
		add_counts(&item->usual, counts);
}

void surge_add(struct surge *surge, int64_t time_s, enum surge_dimension dimension, struct sv value, const struct surge_counts *counts)
{
	if (time_s < 0)
		return;
	int64_t number = time_s / surge->bucket_s;
	if (time_s > surge->now_s)
		surge->now_s = time_s;
	if (number > surge->newest)
		move_on(surge, number);
	if (number <= surge->newest - SURGE_BUCKETS || counts_nothing(counts))
		return;
	struct item *item = take_item(surge, dimension, value, true);
	if (!item)
		return;
	put_counts(item, number, counts);
	check_item(surge, item);
}

bool surge_is_open(const struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value)
{
	const struct item *item = find_item(surge, dimension, value);

	return item && item->gauges[kind].open;
}

void surge_window(const struct surge *surge, enum surge_dimension dimension, struct sv value, struct surge_counts *counts_r)
{
	const struct item *item = find_item(surge, dimension, value);

	*counts_r = (struct surge_counts){ 0 };
	if (item || dimension == SURGE_RULE)
		*counts_r = sum_of(surge, item ? item : surge->all, SURGE_BUCKETS);
	if (!item)
		memset(counts_r->of, 0, sizeof counts_r->of);
}

bool surge_next_change(struct surge *surge, struct surge_change *change_r)
{
	struct gauge *g;

	while ((g = surge->changed) != NULL) {
		if (g->missed) { /* its end is the next */
			g->missed = false;
			g->told = true;
			*change_r = g->opening;
			return true;
		}
		surge->changed = g->next_changed;
		g->in_changed = false;
		if (g->told == g->open)
			continue; /* closed and opened again: it is open still */
		g->told = g->open;
		*change_r = g->change;
		return true;
	}
	return false;
}

void surge_open_by(struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value, int64_t since_s)
{
	struct item *item = take_item(surge, dimension, value, true);

	if (!item || item->gauges[kind].open)
		return;
	struct gauge *g = &item->gauges[kind];
	g->open = g->told = g->theirs = true;
	g->change.since_s = since_s;
}

void surge_open_again(struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value, int64_t since_s,
	int64_t usual_permille)
{
	struct item *item = take_item(surge, dimension, value, true);

	if (!item || item->gauges[kind].open)
		return;
	struct gauge *g = &item->gauges[kind];
	struct surge_counts newest = sum_of(surge, item, NEWEST), window = sum_of(surge, item, SURGE_BUCKETS);
	g->threshold = share_greater((struct share){ within(usual_permille, 0, 1000) * surge->options.factor, 1000 },
		(struct share){ surge->options.share_permille, 1000 });
	g->keep = counts_nothing(&window) ? surge->newest + SURGE_BUCKETS : 0;
	if (!g->keep && is_quiet(surge, &newest, g) && is_quiet(surge, &window, g))
		return;
	g->open = g->told = true;
	g->change.since_s = since_s;
	list_open(surge, g);
}

void surge_close_by(struct surge *surge, enum surge_kind kind, enum surge_dimension dimension, struct sv value)
{
	struct item *item = find_item(surge, dimension, value);

	if (item)
		item->gauges[kind].open = item->gauges[kind].told = item->gauges[kind].theirs = false;
}

uint64_t surge_unwatched(const struct surge *surge)
{
	return surge->unwatched;
}

size_t surge_watched(const struct surge *surge)
{
	size_t n = 0;

	for (int i = SURGE_ALL + 1; i < SURGE_DIMENSIONS; i++)
		n += surge->rooms[i].n;
	return n;
}

void surge_count(struct surge_counts *counts, bool final, bool failed, enum category category, enum class class_)
{
	bool blocked = category == CATEGORY_BLOCKED_REPUTATION || category == CATEGORY_BLOCKED_AUTH || category == CATEGORY_SPAM_CONTENT;

	if (failed && class_ != CLASS_SOFT && class_ != CLASS_HARD)
		return;
	counts->attempts++;
	counts->finals += final;
	if (!failed)
		return;
	if (class_ == CLASS_HARD)
		counts->of[SURGE_HARD] += final;
	else if (category == CATEGORY_THROTTLED)
		counts->of[SURGE_THROTTLED]++;
	else if (blocked)
		counts->of[SURGE_BLOCKED]++;
	else if (category_fault(category) == FAULT_REMOTE && category != CATEGORY_GREYLISTED)
		counts->of[SURGE_FAILING]++;
}
