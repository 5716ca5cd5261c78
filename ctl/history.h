/* history: what its files share: the bounces of an address, and those behind a figure of the report. */
#ifndef NIXIE_HISTORY_H
#define NIXIE_HISTORY_H

#include "json.h"
#include "store.h"
#include "verbs.h"

/* As typed; NULL: not given. */
struct history_filter {
	const char *last, *from, *to, *since, *until;
	const char *sender, *campaign, *dest, *provider, *host, *category, *rule, *class_;
	const char *limit;
};

/* The final failures on record that are meant, whosever they are, and how many of them the counters tell of. */
int history_behind(struct ctl *ctl, const struct history_filter *filter);

/* The members of one, within an object. */
void history_json(struct json *json, struct sv address, const struct bounce *bounce);
const char *history_time(int64_t time_s, char text_r[]); /* CLOCK_TEXT_MAX */

#endif
