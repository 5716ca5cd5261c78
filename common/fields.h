/* fields: a struct of texts and numbers as field and value of a hash, and back, by one table.
 *
 * What is unknown or damaged when it is read is left out: a newer program may have written it. */
#ifndef NIXIE_FIELDS_H
#define NIXIE_FIELDS_H

#include "arena.h"

enum field_type {
	FIELDS_TEXT,   /* struct sv */
	FIELDS_NUMBER, /* int64_t, not below 0 */
	FIELDS_TENTHS, /* int64_t, "12.3" for 123 */
	FIELDS_WORD,   /* an enum, by its words */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	const char *const *words; /* of FIELDS_WORD, in the order of the enum, NULL-ended */
};

/* Name and value, name and value ... into v_r, which has room for 2 * n. Returns n. */
size_t fields_list(struct arena *arena, const struct field *table, size_t n, const void *from, struct sv *v_r);

/* Sets one. Texts stay borrowed. */
void fields_set(const struct field *table, size_t n, void *to, struct sv name, struct sv value);

#endif
