/* lost: failures of an address that are not counted, because lines of the logs were lost (convert.h). */
#ifndef NIXIE_LOST_H
#define NIXIE_LOST_H

#include "store.h"

struct lost {
	size_t failures;
	int64_t time_s; /* of the newest loss */
};

/* Of an address that is soft: is there any? A store that does not tell has none to tell of. */
bool lost_failures(struct store *store, const struct conversions *conversions, struct sv address, const struct entry *entry,
	struct lost *lost_r) NIXIE_MUST_CHECK;

/* "2 failures are not counted towards a conversion: log lines were lost at ..." */
#define LOST_TEXT_MAX 200
const char *lost_text(const struct lost *lost, char text_r[LOST_TEXT_MAX]);

#endif
