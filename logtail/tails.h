/* tails: the logs that are followed: what the entries of logtail.files stand for, found at the
 * start and, of patterns, again and again; and the waiting for news of them. */
#ifndef NIXIE_TAILS_H
#define NIXIE_TAILS_H

#include "order.h"
#include "source.h"

/* More logs are left out, with a warning. */
#define TAILS_MAX 256
/* Patterns are expanded again so often. */
#define TAILS_LOOK_MS 5000

struct tail {
	struct source source;
	struct position *committed; /* what each partition of the store holds; at is empty for none */
	int64_t committed_ms, event_s;
	uint64_t generation;        /* of the source, as last seen */
	int64_t blocked_ms;         /* since when its place cannot be opened; 0: it can */
	bool catching_up;           /* some partition is ahead: see source_renumber() */
	size_t number;              /* no other has it, also later */
	bool missing_told, twin_told, ended;
	bool due;                   /* there may be news of it */
	bool past;                  /* behind the period that is read: nothing more of it is */
	bool matched;               /* a pattern stands for it */
	bool late;                  /* it came while we followed: all of it is new */
	struct watched_log *health; /* health.h */
	int watch; /* inotify; -1: none */
	uint64_t watched; /* which of the files that the source opened */
};

struct tails {
	size_t n;
	struct tail *v[TAILS_MAX]; /* in the order of the entries */
	char name[sizeof((struct source *)0)->name]; /* of the first entry: of this reader, the same after a restart */
	const struct config *config;
	char *const *named; /* on the command line; NULL: those of the configuration */
	size_t n_named;
	struct order_file *ordered; /* the same in the order in which they are read; NULL: that one */
	size_t numbers; /* given so far */
	int inotify;
	int64_t looked_ms, looked_s; /* when patterns were expanded */
	bool started, told_too_many, told_no_match[CONFIG_LIST_MAX];
};

/* files: instead of logtail.files, n of them; kept by reference. ordered: they are old logs, siblings are read
 * the oldest first (order.h). Opens nothing yet. */
void tails_init(struct tails *tails, const struct config *config, char *const *files, size_t n, bool ordered);
void tails_free(struct tails *tails);

/* When it is time, looks what patterns stand for now. Returns how many logs are new, at the end of v. */
size_t tails_look(struct tails *tails);
/* Some pattern stands for nothing. */
bool tails_lack(const struct tails *tails);
/* Some entry is a pattern: more logs may come. */
bool tails_grow(const struct tails *tails);
/* Is there one whose writers would wait for us: a socket? */
bool tails_hold(const struct tails *tails);
/* Is its file gone, whose name only a pattern gave? */
bool tail_is_over(const struct tail *tail);
/* Forgets the i-th. */
void tails_drop(struct tails *tails, size_t i);

/* The one of this number; NULL: it is gone. */
struct tail *tails_find(const struct tails *tails, size_t number);

/* Has inotify(7) tell of changes of the file that is open now. True: since just now; what happened before that has told nobody. */
bool tails_watch(struct tails *tails, struct tail *tail);

/* Look at all of them. */
void tails_all_due(struct tails *tails);

/* What to wait for: fills at most TAILS_MAX + 1, returns how many; *wait_ms becomes shorter if it
 * must. Afterwards serve, which tells of which there is news: hold as for source_serve(). */
size_t tails_poll(const struct tails *tails, struct pollfd *p, int64_t *wait_ms);
void tails_serve(struct tails *tails, bool hold);

#endif
