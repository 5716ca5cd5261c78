/* screen: the whole of a terminal, for a while: its other screen, and keys as they are pressed. What was
 * there before comes back with screen_close(). */
#ifndef NIXIE_SCREEN_H
#define NIXIE_SCREEN_H

#include <termios.h>

#include "sv.h"

enum screen_key { SCREEN_NONE, SCREEN_UP = 256, SCREEN_DOWN, SCREEN_LEFT, SCREEN_RIGHT, SCREEN_TOP, SCREEN_BOTTOM, SCREEN_PAGE_UP, SCREEN_PAGE_DOWN };

struct screen {
	bool open;
	bool keys;              /* standard input is a terminal, and somebody may type */
	bool changed;           /* before: how the terminal was */
	struct termios before;
	int messages;           /* standard error, while it is away: it would stand in the picture; -1: it stays */
};

/* Standard output is a terminal that has such codes. */
bool screen_possible(void);
void screen_open(struct screen *screen);
void screen_close(struct screen *screen);

void screen_size(size_t *width_r, size_t *height_r);

/* As a whole, as one write(2) where the terminal takes it. False: it is gone. */
bool screen_write(struct sv picture) NIXIE_MUST_CHECK;

/* Reads what is there. False: there will be no more keys. */
#define SCREEN_KEYS_MAX 64
bool screen_read(struct screen *screen, char bytes_r[SCREEN_KEYS_MAX], size_t *n_r) NIXIE_MUST_CHECK;

/* The next key of what was read: a byte, or one of the above; SCREEN_NONE at the end. Pure. */
int screen_next_key(struct sv *bytes);

#endif
