#include "prefilter.h"

#include <stdlib.h>

#include "arena.h"
#include "map.h"

/* Bytes that are no ASCII share so many classes: a few texts are looked at for nothing. */
#define HIGH_CLASSES 8

struct word {
	struct word *next;
	struct sv bytes;
	uint32_t id;
	size_t texts; /* typical ones that it is in */
	uint32_t n_users, *users; /* patterns that it may make possible */
};

/* Any of these words. */
struct choice {
	size_t n;
	struct word **v;
};

struct pattern_needs {
	size_t n;
	bool deferred;
	struct choice sets[LITERAL_SETS_MAX]; /* the rarest first, once it is built */
};

/* Words that end at a state, while the automaton is made. */
struct ending {
	struct ending *next;
	uint32_t word;
};

struct state {
	uint16_t *next; /* by class; 0: none yet */
	uint32_t fail;
	struct ending *endings;
};

struct prefilter {
	struct arena arena;
	struct map words;
	struct word *first_word, *last_word;
	struct pattern_needs **patterns;
	size_t n, n_words, bytes;
	/* what a scan needs. Numbers and lists lie side by side: most of the cost is waiting for memory. */
	unsigned char class_of[256];
	uint32_t classes, states;
	unsigned row_bits;  /* a row of `next` is that power of two */
	uint16_t *next;     /* by state and class */
	uint64_t *has_words; /* a bit per state: words end there */
	uint32_t *endings, *ending_words; /* where the words of a state are: from, and up to the next one's */
	uint32_t *users, *user_patterns;  /* the patterns of a word, likewise */
	uint32_t *sets, *set_words;       /* the sets of a pattern, likewise: size, words, size, words */
	bool built;
	uint64_t *always, *seen;
	uint32_t *hits; /* words in the text at hand */
	size_t n_hits;
};

struct prefilter *prefilter_new(void)
{
	return xalloc(sizeof(struct prefilter));
}

void prefilter_free(struct prefilter *f)
{
	if (!f)
		return;
	map_free(&f->words);
	free(f->next);
	arena_free(&f->arena);
	free(f);
}

/* ---- adding ---- */

static struct word *word_of(struct prefilter *f, const struct literal *literal)
{
	struct word *w = map_get(&f->words, sv_make(literal->bytes, literal->n));

	if (w)
		return w;
	w = arena_alloc(&f->arena, sizeof *w);
	w->bytes = arena_dup(&f->arena, sv_make(literal->bytes, literal->n));
	w->id = (uint32_t)f->n_words++;
	f->bytes += w->bytes.n;
	if (f->last_word)
		f->last_word->next = w;
	else
		f->first_word = w;
	f->last_word = w;
	map_put(&f->words, w->bytes, w);
	return w;
}

void prefilter_add(struct prefilter *f, const struct literal_sets *sets)
{
	struct pattern_needs *p = arena_alloc(&f->arena, sizeof *p);

	for (size_t i = 0; i < sets->n; i++) {
		if (f->bytes + sets->v[i].n * LITERAL_BYTES_MAX >= PREFILTER_STATES_MAX)
			break;
		struct choice *c = &p->sets[p->n++];
		c->v = arena_alloc(&f->arena, sets->v[i].n * sizeof(struct word *));
		for (size_t j = 0; j < sets->v[i].n; j++) {
			c->v[c->n++] = word_of(f, &sets->v[i].v[j]);
		}
	}
	f->patterns = arena_grow(&f->arena, f->patterns, f->n, sizeof(struct pattern_needs *));
	f->patterns[f->n++] = p;
}

void prefilter_defer(struct prefilter *f, size_t pattern)
{
	f->patterns[pattern]->deferred = true;
}

/* ---- building ---- */

static void find_classes(struct prefilter *f)
{
	static const char frequent[] = " etaoinsrhldcumfpgwyb";

	f->classes = 1; /* 0: in no word */
	/* the classes of frequent letters side by side: their part of a row is one line of the cache */
	for (const char *c = frequent; *c; c++)
		f->class_of[(unsigned char)*c] = (unsigned char)f->classes++;
	unsigned high = f->classes;
	f->classes += HIGH_CLASSES;
	for (const struct word *w = f->first_word; w; w = w->next) {
		for (size_t i = 0; i < w->bytes.n; i++) {
			unsigned char c = (unsigned char)w->bytes.p[i];
			if (c < 0x80 && !f->class_of[c])
				f->class_of[c] = (unsigned char)f->classes++;
		}
	}
	for (int c = 'A'; c <= 'Z'; c++)
		f->class_of[c] = f->class_of[c | 0x20];
	for (int c = 0x80; c <= 0xff; c++)
		f->class_of[c] = (unsigned char)(high + (unsigned)c % HIGH_CLASSES);
	for (f->row_bits = 5; 1u << f->row_bits < f->classes;)
		f->row_bits++;
}

static uint32_t new_state(struct prefilter *f, struct arena *arena, struct state *states)
{
	states[f->states].next = arena_alloc(arena, f->classes * sizeof(uint16_t));
	return f->states++;
}

static void add_ending(struct arena *arena, struct state *state, uint32_t word)
{
	struct ending *e = arena_alloc(arena, sizeof *e);

	*e = (struct ending){ state->endings, word };
	state->endings = e;
}

static void add_to_tree(struct prefilter *f, struct arena *arena, struct state *states, const struct word *w)
{
	uint32_t state = 0;

	for (size_t i = 0; i < w->bytes.n; i++) {
		uint16_t *to = &states[state].next[f->class_of[(unsigned char)w->bytes.p[i]]];
		if (!*to)
			*to = (uint16_t)new_state(f, arena, states);
		state = *to;
	}
	add_ending(arena, &states[state], w->id);
}

/* From the tree of words to the automaton: level by level, what is missing goes where the
 * longest proper end of what was read goes. order_r: the states by level. */
static void close_automaton(struct prefilter *f, struct arena *arena, struct state *states, uint32_t *order_r)
{
	size_t head = 0, tail = 0;

	order_r[tail++] = 0;
	while (head < tail) {
		uint32_t number = order_r[head++];
		struct state *state = &states[number];
		for (uint32_t c = 0; c < f->classes; c++) {
			uint16_t instead = number ? states[state->fail].next[c] : 0;
			if (!state->next[c]) {
				state->next[c] = instead;
				continue;
			}
			struct state *to = &states[state->next[c]];
			to->fail = instead;
			for (const struct ending *e = states[instead].endings; e; e = e->next)
				add_ending(arena, to, e->word);
			order_r[tail++] = state->next[c];
		}
	}
}

/* The table: those near the beginning, where most of a text is spent, side by side. */
static void lay_out(struct prefilter *f, const struct state *states, const uint32_t *order, uint32_t *number_of)
{
	uint32_t n = 0, words = 0;

	for (uint32_t i = 0; i < f->states; i++) {
		number_of[order[i]] = i;
		for (const struct ending *e = states[i].endings; e; e = e->next)
			n++;
	}
	f->next = xalloc(((size_t)f->states << f->row_bits) * sizeof *f->next);
	f->has_words = arena_alloc(&f->arena, (f->states / 64 + 1) * sizeof *f->has_words);
	f->endings = arena_alloc(&f->arena, (f->states + 1) * sizeof *f->endings);
	f->ending_words = arena_alloc(&f->arena, (n + 1) * sizeof *f->ending_words);
	for (uint32_t i = 0; i < f->states; i++) {
		const struct state *state = &states[order[i]];
		for (uint32_t c = 0; c < f->classes; c++)
			f->next[((size_t)i << f->row_bits) + c] = (uint16_t)number_of[state->next[c]];
		if (state->endings)
			f->has_words[i / 64] |= UINT64_C(1) << (i % 64);
		for (const struct ending *e = state->endings; e; e = e->next)
			f->ending_words[words++] = e->word;
		f->endings[i + 1] = words;
	}
}

static void build_automaton(struct prefilter *f)
{
	struct arena arena = { 0 };
	struct state *states = arena_alloc(&arena, (f->bytes + 1) * sizeof *states);
	uint32_t *order = arena_alloc(&arena, (f->bytes + 1) * sizeof *order);

	find_classes(f);
	(void)new_state(f, &arena, states);
	for (const struct word *w = f->first_word; w; w = w->next)
		add_to_tree(f, &arena, states, w);
	close_automaton(f, &arena, states, order);
	lay_out(f, states, order, arena_alloc(&arena, f->states * sizeof(uint32_t)));
	arena_free(&arena);
}

static bool is_seen(const struct prefilter *f, uint32_t word)
{
	return f->seen[word / 64] >> (word % 64) & 1;
}

static size_t note_words(struct prefilter *f, uint32_t state, size_t n)
{
	for (uint32_t i = f->endings[state]; i < f->endings[state + 1]; i++) {
		uint32_t word = f->ending_words[i];
		if (is_seen(f, word))
			continue;
		f->seen[word / 64] |= UINT64_C(1) << (word % 64);
		f->hits[n++] = word;
	}
	return n;
}

/* The words of the text: how many; they are in f->hits, and marked as seen. */
static size_t find_words(struct prefilter *f, struct sv text)
{
	const unsigned row_bits = f->row_bits;
	uint32_t state = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		state = f->next[(state << row_bits) + f->class_of[(unsigned char)text.p[i]]];
		if (f->has_words[state / 64] >> (state % 64) & 1)
			n = note_words(f, state, n);
	}
	return n;
}

static void forget_words(struct prefilter *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->seen[f->hits[i] / 64] = 0;
}

static void make_room_for_hits(struct prefilter *f)
{
	if (f->seen)
		return;
	f->seen = arena_alloc(&f->arena, (f->n_words / 64 + 1) * sizeof *f->seen);
	f->hits = arena_alloc(&f->arena, (f->n_words + 1) * sizeof *f->hits);
}

/* How often a text makes the pattern worth looking at, by this set; of equals, the one with fewer words. */
static size_t frequency(const struct choice *c)
{
	size_t sum = 0;

	for (size_t i = 0; i < c->n; i++)
		sum += c->v[i]->texts;
	return sum * LITERAL_SET_MAX + c->n;
}

/* The words of the rarest set make a pattern worth looking at; the next rarest is asked next. */
static void order_sets(struct prefilter *f, struct pattern_needs *p, uint32_t number)
{
	for (size_t i = 1; i < p->n; i++) {
		struct choice moved = p->sets[i];
		size_t place = i;
		for (; place > 0 && frequency(&moved) < frequency(&p->sets[place - 1]); place--)
			p->sets[place] = p->sets[place - 1];
		p->sets[place] = moved;
	}
	if (p->n == 0)
		f->always[number / 64] |= UINT64_C(1) << (number % 64);
	for (size_t i = 0; p->n && !p->deferred && i < p->sets[0].n; i++) {
		struct word *w = p->sets[0].v[i];
		w->users = arena_grow(&f->arena, w->users, w->n_users, sizeof *w->users);
		w->users[w->n_users++] = number;
	}
}

static void lay_out_users(struct prefilter *f)
{
	uint32_t n = 0;

	for (const struct word *w = f->first_word; w; w = w->next)
		n += w->n_users;
	f->users = arena_alloc(&f->arena, (f->n_words + 1) * sizeof *f->users);
	f->user_patterns = arena_alloc(&f->arena, (n + 1) * sizeof *f->user_patterns);
	n = 0;
	for (const struct word *w = f->first_word; w; w = w->next) {
		if (w->n_users)
			memcpy(f->user_patterns + n, w->users, w->n_users * sizeof *w->users);
		n += w->n_users;
		f->users[w->id + 1] = n;
	}
}

static void learn(struct prefilter *f, const struct sv *typical, size_t n)
{
	struct word **by_id = xalloc((f->n_words + 1) * sizeof(struct word *));

	for (struct word *w = f->first_word; w; w = w->next)
		by_id[w->id] = w;
	for (size_t i = 0; i < n; i++) {
		size_t hits = find_words(f, typical[i]);
		for (size_t j = 0; j < hits; j++)
			by_id[f->hits[j]]->texts++;
		forget_words(f, hits);
	}
	free(by_id);
}

static void lay_out_sets(struct prefilter *f)
{
	uint32_t n = 0;

	for (size_t p = 0; p < f->n; p++)
		for (size_t i = 0; i < f->patterns[p]->n; i++)
			n += 1 + (uint32_t)f->patterns[p]->sets[i].n;
	f->sets = arena_alloc(&f->arena, (f->n + 1) * sizeof *f->sets);
	f->set_words = arena_alloc(&f->arena, (n + 1) * sizeof *f->set_words);
	n = 0;
	for (size_t p = 0; p < f->n; p++) {
		for (size_t i = 0; i < f->patterns[p]->n; i++) {
			const struct choice *c = &f->patterns[p]->sets[i];
			f->set_words[n++] = (uint32_t)c->n;
			for (size_t j = 0; j < c->n; j++)
				f->set_words[n++] = c->v[j]->id;
		}
		f->sets[p + 1] = n;
	}
}

void prefilter_build(struct prefilter *f, const struct sv *typical, size_t n)
{
	build_automaton(f);
	f->always = arena_alloc(&f->arena, (f->n / 64 + 1) * sizeof *f->always);
	make_room_for_hits(f);
	forget_words(f, f->n_hits);
	f->n_hits = 0;
	learn(f, typical, n);
	for (size_t p = 0; p < f->n; p++)
		order_sets(f, f->patterns[p], (uint32_t)p);
	lay_out_users(f);
	lay_out_sets(f);
	f->built = true;
}

bool prefilter_is_always(const struct prefilter *f, size_t pattern)
{
	return f->patterns[pattern]->n == 0;
}

/* ---- before it is built ---- */

/* The words of the text, looked for one after the other: what the automaton costs to make is what this costs for some 30 texts. */
static size_t search_words(struct prefilter *f, struct sv text)
{
	char *lower = xalloc(text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		lower[i] = sv_lower(text.p[i]);
	for (const struct word *w = f->first_word; w; w = w->next) {
		if (!memmem(lower, text.n, w->bytes.p, w->bytes.n))
			continue;
		f->seen[w->id / 64] |= UINT64_C(1) << (w->id % 64);
		f->hits[n++] = w->id;
	}
	free(lower);
	return n;
}

static bool words_are_there(const struct prefilter *f, const struct pattern_needs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		bool found = false;
		for (size_t j = 0; j < p->sets[i].n && !found; j++)
			found = is_seen(f, p->sets[i].v[j]->id);
		if (!found)
			return false;
	}
	return true;
}

static void scan_slowly(struct prefilter *f, struct sv text, uint64_t *possible_r)
{
	make_room_for_hits(f);
	forget_words(f, f->n_hits);
	f->n_hits = search_words(f, text);
	memset(possible_r, 0, (f->n / 64 + 1) * sizeof *possible_r);
	for (size_t p = 0; p < f->n; p++)
		if ((!f->patterns[p]->deferred || f->patterns[p]->n == 0) && words_are_there(f, f->patterns[p]))
			possible_r[p / 64] |= UINT64_C(1) << (p % 64);
}

/* ---- ---- */

/* Have the sets from *at on a word in the text? */
static bool sets_are_there(const struct prefilter *f, const uint32_t *at, const uint32_t *end)
{
	while (at < end) {
		const uint32_t *next = at + 1 + *at;
		bool found = false;
		for (at++; at < next && !found; at++)
			found = is_seen(f, *at);
		if (!found)
			return false;
		at = next;
	}
	return true;
}

bool prefilter_is_possible(const struct prefilter *f, size_t pattern)
{
	if (!f->built)
		return words_are_there(f, f->patterns[pattern]);
	return sets_are_there(f, f->set_words + f->sets[pattern], f->set_words + f->sets[pattern + 1]);
}

void prefilter_scan(struct prefilter *f, struct sv text, uint64_t *possible_r)
{
	if (!f->built) {
		scan_slowly(f, text, possible_r);
		return;
	}
	forget_words(f, f->n_hits);
	f->n_hits = find_words(f, text);
	memcpy(possible_r, f->always, (f->n / 64 + 1) * sizeof *possible_r);
	for (size_t i = 0; i < f->n_hits; i++) {
		for (uint32_t j = f->users[f->hits[i]]; j < f->users[f->hits[i] + 1]; j++) {
			uint32_t pattern = f->user_patterns[j];
			const uint32_t *first = f->set_words + f->sets[pattern];
			/* the first set has this word */
			if (sets_are_there(f, first + 1 + *first, f->set_words + f->sets[pattern + 1]))
				possible_r[pattern / 64] |= UINT64_C(1) << (pattern % 64);
		}
	}
}
