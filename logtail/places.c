#include "places.h"

#include <stdio.h>

#include "journal.h"
#include "log.h"

/* Is the place before the other, or the same? */
static bool not_behind(const struct position *p, uint64_t generation, uint64_t offset)
{
	return p->generation < generation || (p->generation == generation && p->offset <= offset);
}

static bool is_ahead(const struct position *p, const struct source *s)
{
	return p->generation > s->generation || (p->generation == s->generation && p->offset > s->offset);
}

bool place_covers(const struct position *p, const struct source *s)
{
	return p->at[0] && (is_ahead(p, s) || (p->generation == s->generation && p->offset == s->offset));
}

const struct position *places_oldest(const struct position *places, unsigned n)
{
	const struct position *oldest = &places[0];

	for (unsigned p = 1; p < n; p++)
		if (!not_behind(oldest, places[p].generation, places[p].offset))
			oldest = &places[p];
	return oldest;
}

size_t places_sort(const struct position *places, unsigned n, const struct position **sorted)
{
	size_t count = 0;

	for (unsigned p = 0; p < n; p++) {
		const struct position *one = &places[p];
		size_t at = 0;
		while (at < count && not_behind(sorted[at], one->generation, one->offset))
			at++;
		if (!one->at[0] || (at > 0 && strcmp(sorted[at - 1]->at, one->at) == 0))
			continue;
		memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof *sorted);
		sorted[at] = one;
		count++;
	}
	return count;
}

bool places_lost(const struct position *were, const struct position *are, unsigned n)
{
	for (unsigned p = 0; p < n; p++)
		if (strcmp(are[p].at, were[p].at) != 0 && not_behind(&are[p], were[p].generation, were[p].offset))
			return true;
	return false;
}

bool places_beginning(const struct tail *t, unsigned n, const struct position *oldest, bool at_end, struct position *beginning_r)
{
	unsigned blank = 0;

	*beginning_r = *oldest;
	for (unsigned p = 0; p < n; p++)
		blank += !t->committed[p].at[0];
	if (blank == 0)
		return true;
	if (oldest->generation > 0 || at_end) {
		log_warning("source=%s: %u partitions have no place; lines from before %s %llu of %.*s may be missing in their counts",
			t->source.name, blank, t->source.counts ? "entry" : "byte", (unsigned long long)oldest->offset, SV_ARG(oldest->path));
		return false;
	}
	if (t->source.counts)
		(void)snprintf(beginning_r->cursor, sizeof beginning_r->cursor, JOURNAL_HEAD);
	beginning_r->offset = beginning_r->head_bytes = beginning_r->tail_bytes = 0;
	beginning_r->head_hash = beginning_r->tail_hash = sv_hash(sv_make("", 0));
	return true;
}

void places_number(struct tail *t, unsigned n)
{
	struct source *s = &t->source;

	if (s->stream || (s->generation == t->generation && !t->catching_up))
		return;
	t->catching_up = false;
	for (unsigned p = 0; p < n; p++) {
		const struct position *c = &t->committed[p];
		bool ahead = s->counts ? c->at[0] && is_ahead(c, s) : c->generation > s->generation;
		if (ahead && source_is_at(s, c))
			source_renumber(s, c);
		else
			t->catching_up = t->catching_up || (ahead && s->counts);
	}
	t->generation = s->generation;
}
