#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The other screen, no cursor, lines that are not continued on the next one; and back. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[0m\033[?1049l"

bool screen_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

bool screen_write(struct sv picture)
{
	while (picture.n) {
		ssize_t n = write(STDOUT_FILENO, picture.p, picture.n);
		if (n < 0 && errno == EAGAIN) /* another program set it so */
			(void)poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
		else if (n < 0 && errno != EINTR)
			return false;
		picture = sv_skip(picture, n > 0 ? (size_t)n : 0);
	}
	return true;
}

static void hide_messages(struct screen *s)
{
	int nowhere;

	s->messages = -1;
	if (!isatty(STDERR_FILENO) || (nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC)) < 0)
		return;
	s->messages = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (s->messages >= 0)
		(void)dup2(nowhere, STDERR_FILENO);
	(void)close(nowhere);
}

static void show_messages(struct screen *s)
{
	if (s->messages < 0)
		return;
	(void)dup2(s->messages, STDERR_FILENO);
	(void)close(s->messages);
	s->messages = -1;
}

void screen_open(struct screen *s)
{
	struct termios raw;

	s->keys = s->changed = tcgetattr(STDIN_FILENO, &s->before) == 0;
	if (s->changed) {
		raw = s->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	s->open = screen_write(SV(ENTER));
	hide_messages(s);
}

void screen_close(struct screen *s)
{
	if (!s->open)
		return;
	s->open = false;
	(void)!screen_write(SV(LEAVE));
	if (s->changed)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
	show_messages(s);
}

void screen_size(size_t *width_r, size_t *height_r)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;

	*width_r = known ? size.ws_col : 80;
	*height_r = known ? size.ws_row : 24;
}

bool screen_read(struct screen *s, char bytes_r[SCREEN_KEYS_MAX], size_t *n_r)
{
	ssize_t n = read(STDIN_FILENO, bytes_r, SCREEN_KEYS_MAX);

	*n_r = n > 0 ? (size_t)n : 0;
	/* 0: somebody else has taken them, as the shell does after ^Z */
	s->keys = n >= 0 || errno == EINTR || errno == EAGAIN;
	return s->keys;
}

/* "\033[A", and "\033OA" of keypads; "\033[5~" */
int screen_next_key(struct sv *bytes)
{
	static const struct { struct sv code; int key; } codes[] = { { { "A", 1 }, SCREEN_UP }, { { "B", 1 }, SCREEN_DOWN }, { { "C", 1 }, SCREEN_RIGHT },
		{ { "D", 1 }, SCREEN_LEFT }, { { "H", 1 }, SCREEN_TOP }, { { "F", 1 }, SCREEN_BOTTOM }, { { "1~", 2 }, SCREEN_TOP },
		{ { "4~", 2 }, SCREEN_BOTTOM }, { { "5~", 2 }, SCREEN_PAGE_UP }, { { "6~", 2 }, SCREEN_PAGE_DOWN } };

	while (bytes->n) {
		unsigned char c = (unsigned char)bytes->p[0];
		if (!sv_take(bytes, SV("\033[")) && !sv_take(bytes, SV("\033O"))) {
			*bytes = sv_skip(*bytes, 1);
			if (c != '\033' && c != 0)
				return c;
			continue;
		}
		size_t n = 0; /* parameters, and the letter that ends them */
		while (n < bytes->n && (unsigned char)bytes->p[n] < 0x40)
			n++;
		struct sv code = sv_head(*bytes, n < bytes->n ? n + 1 : n);
		*bytes = sv_skip(*bytes, code.n);
		for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
			if (sv_eq(code, codes[i].code))
				return codes[i].key;
	}
	return SCREEN_NONE;
}
