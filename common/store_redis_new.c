/* The store in Redis: entries of a list that are not there yet. They have the same fields, and most values, in common:
 * what differs is sent for each, the rest once. */
#include "store_redis.h"
#include "store_script.h"

/* Of a hash, then of its entry in the journal. */
#define WORDS_MAX (2 * (SCHEMA_ENTRY_FIELDS + SCRIPT_TRANSITION_FIELDS))

struct row {
	struct row *next;
	struct sv key;
	struct sv *words;
};

/* Those with the same fields. */
struct kind {
	struct kind *next;
	int64_t expire_s, ms;
	bool suppressed, until;
	size_t of_hash, of_step; /* words */
	struct row *first, **tail;
	size_t n;
};

/* Nothing of it was there, and nothing but one step of it is to be written. */
bool script_is_new(const struct transaction *t, const struct account *a)
{
	return t->bulk && a->absent && a->changed && a->transitions && a->transitions == a->last_transition && !a->transitions->scope.n && !a->entry.scopes.n && a->key.p[0] != '@' &&
		a->entry.since_s > 0 && !a->window_changed && !a->forget_history && !a->bounces;
}

static bool is_of(const struct kind *k, const struct kind *wanted, const struct sv *words)
{
	if (k->expire_s != wanted->expire_s || k->ms != wanted->ms || k->suppressed != wanted->suppressed || k->until != wanted->until ||
	    k->of_hash != wanted->of_hash || k->of_step != wanted->of_step || k->n == PAIRS_MAX)
		return false;
	for (size_t i = 0; i < k->of_hash + k->of_step; i += 2)
		if (!sv_eq(k->first->words[i], words[i]))
			return false;
	return true;
}

static struct kind *find_kind(struct arena *arena, struct kind **kinds, const struct kind *wanted, const struct sv *words)
{
	struct kind **k = kinds;

	while (*k && !is_of(*k, wanted, words))
		k = &(*k)->next;
	if (!*k) {
		*k = arena_alloc(arena, sizeof **k);
		**k = *wanted;
		(*k)->tail = &(*k)->first;
	}
	return *k;
}

static void add_row(struct script *x, struct transaction *t, struct kind **kinds, struct account *a, int64_t revision)
{
	struct sv words[WORDS_MAX];
	struct row *row = arena_alloc(x->arena, sizeof *row);

	a->entry.revision = revision;
	a->entry.token = sv_make("", 0); /* the script writes it */
	struct kind wanted = { .expire_s = script_expire_s(t, a), .ms = script_stream_ms(a->transitions->time_s),
		.suppressed = entry_suppressed(&a->entry, 0), .until = entry_suppressed(&a->entry, 0) && a->entry.until_s };
	wanted.of_hash = 2 * schema_entry_fields(x->arena, &a->entry, words);
	wanted.of_step = 2 * script_transition_fields(x, t, a->transitions, words + wanted.of_hash);
	size_t bytes = (wanted.of_hash + wanted.of_step) * sizeof *words;
	row->key = a->key;
	row->words = arena_alloc(x->arena, bytes);
	memcpy(row->words, words, bytes);
	struct kind *k = find_kind(x->arena, kinds, &wanted, words);
	*k->tail = row;
	k->tail = &row->next;
	k->n++;
}

/* The places of those values that are not the same in all of them. */
static size_t find_different(const struct kind *k, size_t places[WORDS_MAX])
{
	size_t n = 0;

	for (size_t i = 1; i < k->of_hash + k->of_step; i += 2) {
		const struct row *row = k->first->next;
		while (row && sv_eq(row->words[i], k->first->words[i]))
			row = row->next;
		if (row)
			places[n++] = i;
	}
	return n;
}

static void write_kind(struct script *x, const struct kind *k)
{
	size_t places[WORDS_MAX], different = find_different(k, places);
	int64_t suppressed = k->suppressed ? key(x, KEY_SUPPRESSED, SV("")) : 0, until = k->until ? key(x, KEY_UNTIL, SV("")) : 0,
		journal = key(x, KEY_JOURNAL, SV("")), first = 0;

	for (const struct row *row = k->first; row; row = row->next) {
		int64_t index = entry_key(x, row->key);
		first = first ? first : index;
	}
	op(x, "new", first);
	number(x, k->expire_s);
	number(x, (int64_t)k->n);
	number(x, (int64_t)(x->keys[first - 1].n - k->first->key.n));
	number(x, suppressed);
	number(x, until);
	number(x, journal);
	arg(x, SV(SCHEMA_JOURNAL_MAX));
	number(x, k->ms);
	number(x, (int64_t)k->of_hash);
	number(x, (int64_t)k->of_step);
	number(x, (int64_t)different);
	for (size_t i = 0; i < k->of_hash + k->of_step; i++)
		arg(x, k->first->words[i]);
	for (size_t i = 0; i < different; i++)
		number(x, (int64_t)places[i] + 1);
	for (const struct row *row = k->first; row; row = row->next)
		for (size_t i = 0; i < different; i++)
			arg(x, row->words[places[i]]);
}

void script_add_new(struct script *x, struct transaction *t)
{
	/* one for all: it has to differ from what the entry itself has had before */
	int64_t revision = store_new_revision();
	struct kind *kinds = NULL;
	struct map_slot *slot;
	int64_t others = 0;

	if (!t->bulk)
		return;
	for (size_t i = 0; (slot = map_next(&t->accounts, &i));) {
		struct account *a = slot->value;
		if (!script_is_new(t, a))
			continue;
		add_row(x, t, &kinds, a, revision);
		a->transitions->number = 0;
	}
	for (struct transition *step = t->first; step; step = step->later)
		if (step->number)
			step->number = ++others;
	for (const struct kind *k = kinds; k; k = k->next)
		write_kind(x, k);
}
