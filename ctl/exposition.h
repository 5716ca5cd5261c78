/* exposition: samples in Prometheus' text format 0.0.4, or as JSON, one object a sample.
 *
 * A family has a name, a type and a help; its samples follow it, each set of labels once. The value of
 * a label may come from outside: controls, bytes that are no UTF-8 and % become %XX, so that two
 * values never become one, and a reader is never given what it refuses. */
#ifndef NIXIE_EXPOSITION_H
#define NIXIE_EXPOSITION_H

#include <stdio.h>

#include "sv.h"

enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE };

#define EXPOSITION_NAME_MAX 96
#define EXPOSITION_LABELS_MAX 2

struct exposition {
	FILE *to;
	bool json;
	enum exposition_type type;
	char name[EXPOSITION_NAME_MAX];
};

struct exposition_label {
	const char *name; /* NULL: there is none */
	struct sv value;
};

/* The name is made as by printf; help is one line. */
void exposition_family(struct exposition *x, enum exposition_type type, const char *help, const char *name, ...) NIXIE_PRINTF(4, 5);

/* A sample of the last family. labels: NULL, or EXPOSITION_LABELS_MAX of them. */
void exposition_add(struct exposition *x, const struct exposition_label *labels, int64_t value);
/* The same of thousandths: 20 is 0.020 */
void exposition_add_permille(struct exposition *x, const struct exposition_label *labels, int64_t permille);

/* A family with one sample. */
void exposition_one(struct exposition *x, enum exposition_type type, const char *name, const char *help, int64_t value);

#endif
