/* top: what the files of nixie top share: how a reading is shown. */
#ifndef NIXIE_TOP_H
#define NIXIE_TOP_H

#include "frame.h"
#include "pulse.h"

/* What is chosen by keys. */
struct top_view {
	size_t scroll; /* rows that are above the first one */
	bool paused, help;
};

/* The live screen; also the one picture of --once, which has no keys. */
void top_draw(struct frame *frame, const struct pulse *pulse, struct top_view *view);
/* One object. */
void top_print_json(const struct pulse *pulse);

#endif
