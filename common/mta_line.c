#include "mta_line.h"

static const struct { const char *word; enum delivery_status status; } status_words[] = {
	{ "sent", DELIVERY_SENT },
	{ "bounced", DELIVERY_BOUNCED },
	{ "deferred", DELIVERY_DEFERRED },
	{ "SOFTBOUNCE", DELIVERY_SOFTBOUNCE },
	{ "deliverable", DELIVERY_DELIVERABLE },
	{ "undeliverable", DELIVERY_UNDELIVERABLE },
	{ "undeliverable-but-not-cached", DELIVERY_UNDELIVERABLE },
	{ "expired", DELIVERY_EXPIRED },
	{ "force-expired", DELIVERY_EXPIRED },
};

void mta_line_begin(struct mta_line *line, struct sv queue_id)
{
	memset(line, 0, sizeof *line);
	line->queue_id = queue_id;
}

const char *delivery_status_name(enum delivery_status status)
{
	for (size_t i = 0; i < sizeof status_words / sizeof *status_words; i++)
		if (status_words[i].status == status)
			return status_words[i].word;
	return "unknown";
}

bool delivery_status_by_name(struct sv name, enum delivery_status *status_r)
{
	for (size_t i = 0; i < sizeof status_words / sizeof *status_words; i++) {
		if (sv_eq(name, sv_of(status_words[i].word))) {
			*status_r = status_words[i].status;
			return true;
		}
	}
	return false;
}
