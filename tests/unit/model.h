/* model: what the manuals say about facts, done in the plainest way: every event is
 * kept, and a question is answered by telling the whole story again in the order
 * of event time. Slow, without a store, and written apart from convert.c and
 * ledger.c: where the two differ one of them, or the manual, is wrong.
 *
 * Strings are borrowed and must outlive the model. */
#ifndef NIXIE_MODEL_H
#define NIXIE_MODEL_H

#include "ledger.h"

#define MODEL_ADDRESSES 8
#define MODEL_EVENTS 192
#define MODEL_MESSAGES 32
#define MODEL_COUNTERS 2048
#define MODEL_MESSAGE_MAX 64

/* What happened to one address. */
struct model_event {
	enum { MODEL_FAILED, MODEL_DELIVERED, MODEL_PERSON, MODEL_PAROLE } kind;
	int64_t time_s; /* of a failure: its last attempt */
	struct failure failure;
	char message[MODEL_MESSAGE_MAX];
	struct entry person; /* what somebody wrote over the entry */
};

struct model_address {
	struct sv key;
	size_t n;
	struct model_event events[MODEL_EVENTS];
};

struct model_recipient {
	struct sv address;
	struct failure failure; /* the last reply; first and last attempt */
	uint64_t attempts;
	bool uncounted;
};

struct model_message {
	struct sv key;
	int64_t arrival_s;
	size_t n;
	struct model_recipient recipients[MODEL_ADDRESSES];
};

struct model_counter {
	char name[96]; /* yyyymmdd|name, yyyymmdd:rule|name */
	int64_t value;
};

struct model {
	const struct conversions *conversions;
	int64_t lost_s; /* when lines were lost last; 0: never */
	size_t n_addresses, n_messages, n_counters;
	struct model_address addresses[MODEL_ADDRESSES];
	struct model_message messages[MODEL_MESSAGES]; /* with somebody pending */
	struct model_counter counters[MODEL_COUNTERS];
};

/* An address as its history made it. */
struct model_state {
	struct entry entry;
	size_t n;
	struct occurrence window[MODEL_EVENTS];
	unsigned conversions; /* so often one was fulfilled */
};

void model_begin(struct model *model, const struct conversions *conversions);
void model_fact(struct model *model, const struct fact *fact);
/* Lines of some log are lost, the last of them about then. */
void model_lost(struct model *model, int64_t time_s);
void model_person(struct model *model, struct sv address, const struct entry *entry, int64_t time_s);
void model_parole(struct model *model, struct sv address, int64_t time_s);
void model_state(const struct model *model, const struct model_address *address, struct model_state *state_r);

/* The moment so long before or (sign 1) after; apart from clock.c. */
int64_t model_moment_s(int64_t time_s, int sign, struct span span);

#endif
