/* daemons: the log readers and policy services that told of themselves, and what is wrong with each. */
#ifndef NIXIE_DAEMONS_H
#define NIXIE_DAEMONS_H

#include "store.h"

struct known_reader {
	struct reader_state state;
	bool running, ended; /* ended: by intent, there is nothing to do */
	const char *trouble; /* what is not as it should be; NULL: nothing */
};

struct known_door {
	struct door_state state;
	bool running, ended; /* ended: told to stop */
	const char *trouble; /* NULL: nothing */
};

struct daemons {
	struct known_reader *readers; /* by source */
	struct known_door *doors;     /* by name */
	size_t n_readers, n_doors;
	/* inner */
	size_t readers_size, doors_size;
	const struct config *config;
};

/* Those that told in the last 30 days; strings are in the arena. Free it, whatever comes of it. */
enum store_result daemons_read(struct daemons *daemons, struct store *store, const struct config *config, struct arena *arena,
	struct err *err) NIXIE_MUST_CHECK;
void daemons_free(struct daemons *daemons);

#endif
