#include "unknown.h"

#include <stdlib.h>

static void add_text(void *arg, const struct unclassified *u)
{
	struct unknowns *all = arg;
	struct unknown *t = map_get(&all->by_text, u->text);
	char month[7] = "";

	memcpy(month, u->month.p, u->month.n < 6 ? u->month.n : 6);
	if ((all->first && strcmp(month, all->first) < 0) || (all->last && strcmp(month, all->last) > 0))
		return;
	if (!t) {
		t = arena_alloc(&all->arena, sizeof *t);
		t->text = arena_dup(&all->arena, u->text);
		map_put(&all->by_text, t->text, t);
		all->v = xgrow(all->v, all->n, &all->size, sizeof(struct unknown *));
		all->v[all->n++] = t;
	}
	if (u->example.n)
		t->example = arena_dup(&all->arena, u->example);
	t->n += u->delta;
	memcpy(t->last_month, month, sizeof month);
}

static int by_number(const void *a, const void *b)
{
	const struct unknown *x = *(struct unknown *const *)a, *y = *(struct unknown *const *)b;
	size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	int order = memcmp(x->text.p, y->text.p, n);
	return order ? order : (x->text.n > y->text.n) - (x->text.n < y->text.n);
}

enum store_result unknown_read(struct unknowns *all, struct store *store, const char *first, const char *last, struct err *err)
{
	*all = (struct unknowns){ .first = first, .last = last };
	enum store_result result = store_unclassified(store, add_text, all, err);

	if (all->n)
		qsort(all->v, all->n, sizeof(struct unknown *), by_number);
	return result;
}

void unknown_free(struct unknowns *all)
{
	map_free(&all->by_text);
	arena_free(&all->arena);
	free(all->v);
}
