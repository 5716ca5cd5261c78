/* lost: failures of an address that are not counted, because lines of the logs were lost. */
#include "lost.h"

#include <stdio.h>

#include "clock.h"

static void take_gap(void *arg, struct sv source, int64_t time_s)
{
	struct lost *l = arg;

	(void)source;
	l->time_s = time_s > l->time_s ? time_s : l->time_s;
}

/* A time in the future is now, as to the reader. */
static bool read_newest(struct store *store, struct lost *lost_r)
{
	int64_t now_s = clock_now_s();
	struct err err;

	*lost_r = (struct lost){ 0 };
	if (store_gaps(store, take_gap, lost_r, &err) != STORE_OK)
		return false;
	lost_r->time_s = lost_r->time_s < now_s ? lost_r->time_s : now_s;
	return lost_r->time_s > 0;
}

bool lost_failures(struct store *store, const struct conversions *conversions, struct sv address, const struct entry *entry, struct lost *lost_r)
{
	struct arena arena = { 0 };
	struct transaction t = { 0 };
	struct err err;

	if (entry->status != STATUS_SOFT || !read_newest(store, lost_r))
		return false;
	transaction_begin(&t, &arena);
	struct account *a = transaction_account(&t, address);
	a->needs_window = true;
	if (store_load(store, &t, &err) == STORE_OK)
		lost_r->failures = convert_uncounted(a->window, conversions, lost_r->time_s);
	transaction_free(&t);
	arena_free(&arena);
	return lost_r->failures > 0;
}

const char *lost_text(const struct lost *lost, char text_r[LOST_TEXT_MAX])
{
	char time[CLOCK_TEXT_MAX];

	clock_format_us(lost->time_s * CLOCK_SECOND_US, time, sizeof time);
	(void)snprintf(text_r, LOST_TEXT_MAX, "%zu failure%s not counted towards a conversion: log lines were lost at %s, perhaps a delivery with them",
		lost->failures, lost->failures == 1 ? " is" : "s are", time);
	return text_r;
}
