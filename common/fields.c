#include "fields.h"

#include "schema.h"

size_t fields_list(struct arena *arena, const struct field *table, size_t n, const void *struct_, struct sv *v)
{
	for (size_t i = 0; i < n; i++) {
		const void *from = (const char *)struct_ + table[i].offset;
		int64_t number = table[i].type == FIELDS_NUMBER || table[i].type == FIELDS_TENTHS ? *(const int64_t *)from : 0;
		v[2 * i] = sv_of(table[i].name);
		if (table[i].type == FIELDS_TEXT)
			v[2 * i + 1] = *(const struct sv *)from;
		else if (table[i].type == FIELDS_WORD)
			v[2 * i + 1] = sv_of(table[i].words[*(const unsigned *)from]);
		else if (table[i].type == FIELDS_NUMBER)
			v[2 * i + 1] = schema_number(arena, number);
		else
			v[2 * i + 1] = arena_printf(arena, "%lld.%lld", (long long)number / 10, (long long)number % 10);
	}
	return n;
}

static void set_word(const char *const *words, struct sv value, unsigned *to)
{
	for (unsigned i = 0; words[i]; i++)
		if (sv_eq(value, sv_of(words[i])))
			*to = i;
}

static void set_tenths(struct sv value, int64_t *to)
{
	uint64_t whole, tenth = 0;

	if (sv_u64(sv_cut(&value, '.'), INT64_MAX / 20, &whole) && (!value.n || sv_u64(value, 9, &tenth)))
		*to = (int64_t)(whole * 10 + tenth);
}

void fields_set(const struct field *table, size_t n, void *struct_, struct sv name, struct sv value)
{
	uint64_t number;

	for (size_t i = 0; i < n; i++) {
		void *to = (char *)struct_ + table[i].offset;
		if (!sv_eq(name, sv_of(table[i].name)))
			continue;
		if (table[i].type == FIELDS_TEXT)
			*(struct sv *)to = value;
		else if (table[i].type == FIELDS_WORD)
			set_word(table[i].words, value, to);
		else if (table[i].type == FIELDS_TENTHS)
			set_tenths(value, to);
		else if (sv_u64(value, INT64_MAX, &number))
			*(int64_t *)to = (int64_t)number;
	}
}
