/* top: a live screen: rates, who fails, readers and services. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "log.h"
#include "screen.h"
#include "top.h"
#include "verbs.h"

#define INTERVAL_S 2
#define INTERVAL_MAX_S 3600
/* How long Redis may take for one answer: keys wait meanwhile. */
#define TIMEOUT_MS 2000
/* A picture that is no screen */
#define PLAIN_WIDTH 80
#define PLAIN_HEIGHT 60
#define PAGE_ROWS 10

static const enum figure_by tables[] = { BY_DEST, BY_PROVIDER, BY_SENDER, BY_CAMPAIGN, BY_HOST };
#define TABLES (sizeof tables / sizeof *tables)

struct top {
	struct ctl *ctl;
	struct pulse pulse;
	struct top_view view;
	struct screen screen;
	size_t table;
	int64_t interval_ms;
	int signals;
	bool stopped;
};

/* ---- a picture ---- */

static void print_plain(struct top *t)
{
	struct frame f;

	frame_start(&f, term_width(stdout) ? term_width(stdout) : PLAIN_WIDTH, PLAIN_HEIGHT, false);
	top_draw(&f, &t->pulse, &t->view);
	frame_end(&f);
	(void)fwrite(f.to.p, 1, f.to.n, stdout);
	frame_free(&f);
}

static void draw(struct top *t)
{
	size_t width, height;
	struct frame f;

	screen_size(&width, &height);
	frame_start(&f, width, height, true);
	top_draw(&f, &t->pulse, &t->view);
	frame_end(&f);
	t->stopped = !screen_write(buf_sv(&f.to)) || t->stopped;
	frame_free(&f);
}

static void read_anew(struct top *t)
{
	t->pulse.by = tables[t->table];
	pulse_read(&t->pulse);
}

/* ---- keys ---- */

static void choose(struct top *t, size_t table)
{
	t->table = table % TABLES;
	t->view.scroll = 0;
	read_anew(t);
}

static void scroll(struct top *t, size_t up, size_t down)
{
	t->view.scroll = t->view.scroll > up ? t->view.scroll - up : 0;
	t->view.scroll = t->view.scroll + down < t->pulse.rows.n ? t->view.scroll + down : t->pulse.rows.n; /* the picture ends at the last row */
}

static void next_span(struct top *t)
{
	t->pulse.span = t->pulse.span < 5 ? 5 : t->pulse.span < 15 ? 15 : t->pulse.span < PULSE_MINUTES - 1 ? PULSE_MINUTES - 1 : 5;
	read_anew(t);
}

static void take_key(struct top *t, int key)
{
	switch (key) {
	case 'q': case 'Q': case 3: t->stopped = true; break;
	case '1': case '2': case '3': case '4': case '5': choose(t, (size_t)(key - '1')); break;
	case SCREEN_RIGHT: case '\t': choose(t, t->table + 1); break;
	case SCREEN_LEFT: choose(t, t->table + TABLES - 1); break;
	case SCREEN_UP: scroll(t, 1, 0); break;
	case SCREEN_DOWN: scroll(t, 0, 1); break;
	case SCREEN_PAGE_UP: scroll(t, PAGE_ROWS, 0); break;
	case SCREEN_PAGE_DOWN: scroll(t, 0, PAGE_ROWS); break;
	case SCREEN_TOP: t->view.scroll = 0; break;
	case SCREEN_BOTTOM: t->view.scroll = t->pulse.rows.n; break;
	case 'm': next_span(t); break;
	case 'p': t->view.paused = !t->view.paused; break;
	case ' ': read_anew(t); break;
	case '?': case 'h': t->view.help = !t->view.help; break;
	default: break;
	}
}

static void take_keys(struct top *t)
{
	char bytes[SCREEN_KEYS_MAX];
	size_t n = 0;
	int key;

	if (!screen_read(&t->screen, bytes, &n))
		return;
	struct sv rest = sv_make(bytes, n);
	while (!t->stopped && (key = screen_next_key(&rest)) != SCREEN_NONE)
		take_key(t, key);
}

/* ---- the loop ---- */

/* ^Z: the terminal is as it was meanwhile. */
static void suspend(struct top *t)
{
	screen_close(&t->screen);
	(void)raise(SIGSTOP);
	screen_open(&t->screen);
}

static void take_signals(struct top *t)
{
	struct signalfd_siginfo info;

	while (t->signals >= 0 && read(t->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTSTP)
			suspend(t);
		else if (info.ssi_signo != SIGWINCH)
			t->stopped = true;
	}
}

/* Until it is time for the next reading, or something to be drawn happened. */
static void wait_some(struct top *t, int64_t until_ms)
{
	struct pollfd fds[] = { { .fd = t->signals, .events = POLLIN }, { .fd = t->screen.keys ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = STDOUT_FILENO } };
	int64_t left_ms = until_ms - clock_mono_ms();

	if (poll(fds, 3, left_ms > 0 ? (int)left_ms : 0) < 0 && errno != EINTR)
		t->stopped = true;
	if (fds[0].revents)
		take_signals(t);
	if (fds[1].revents && !t->stopped)
		take_keys(t);
	if (fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) /* nobody types there any more */
		t->screen.keys = false;
	if (fds[2].revents) /* nobody reads it any more */
		t->stopped = true;
}

static void follow_screen(struct top *t)
{
	screen_open(&t->screen);
	while (!t->stopped) {
		if (!t->view.paused || !t->pulse.at_s)
			read_anew(t);
		int64_t next_ms = clock_mono_ms() + t->interval_ms;
		do {
			draw(t);
			wait_some(t, next_ms);
		} while (!t->stopped && clock_mono_ms() < next_ms);
	}
	screen_close(&t->screen);
}

static void follow_json(struct top *t)
{
	while (!t->stopped) {
		read_anew(t);
		top_print_json(&t->pulse);
		if (fflush(stdout) != 0)
			return;
		int64_t next_ms = clock_mono_ms() + t->interval_ms;
		while (!t->stopped && clock_mono_ms() < next_ms)
			wait_some(t, next_ms);
	}
}

static int show_once(struct top *t)
{
	read_anew(t);
	if (t->ctl->json)
		top_print_json(&t->pulse);
	else if (t->pulse.reachable)
		print_plain(t);
	if (t->pulse.reachable)
		return EXIT_OK;
	return t->ctl->json ? EXIT_STORE : verb_store_failed(&t->pulse.err);
}

/* ---- usage ---- */

static bool take_number(const char *name, const char *text, int64_t max, int64_t *n_r)
{
	uint64_t n = 0;

	if (!text)
		return true;
	if (!sv_u64(sv_of(text), (uint64_t)max, &n) || n == 0) {
		log_error("--%s %s: write a number from 1 to %lld", name, text, (long long)max);
		return false;
	}
	*n_r = (int64_t)n;
	return true;
}

static bool take_table(const char *text, size_t *table_r)
{
	for (size_t i = 0; text && i < TABLES; i++) {
		*table_r = i;
		if (strcmp(text, figure_by_name(tables[i])) == 0)
			return true;
	}
	if (text)
		log_error("--by %s: write dest, provider, sender, campaign or host", text);
	return !text;
}

int verb_top(struct ctl *ctl, int argc, char **argv)
{
	static const int more[] = { SIGWINCH, SIGTSTP, SIGQUIT, 0 };
	const char *interval = NULL, *minutes = NULL, *by = NULL;
	bool once = false;
	const struct verb_option own[] = { { "interval", &interval, NULL }, { "minutes", &minutes, NULL }, { "by", &by, NULL },
		{ "once", NULL, &once }, { NULL, NULL, NULL } };
	int64_t interval_s = INTERVAL_S, span = 15;
	size_t table = 0;
	int code;

	if (!verb_options(ctl, argc, argv, "top", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here", argv[optind]);
		return EXIT_USAGE;
	}
	if (!take_number("interval", interval, INTERVAL_MAX_S, &interval_s) || !take_number("minutes", minutes, PULSE_MINUTES - 1, &span) ||
	    !take_table(by, &table))
		return EXIT_USAGE;
	struct top *t = xalloc(sizeof *t);
	*t = (struct top){ .ctl = ctl, .table = table, .interval_ms = interval_s * 1000, .signals = -1,
		.pulse = { .store = ctl->store, .config = &ctl->config, .span = span } };
	if (once || (!ctl->json && !screen_possible())) {
		code = show_once(t);
	} else {
		if (ctl->config.redis_timeout_ms > TIMEOUT_MS)
			store_set_timeout(ctl->store, TIMEOUT_MS);
		t->signals = cli_signals(more);
		(ctl->json ? follow_json : follow_screen)(t);
	}
	if (t->signals >= 0)
		(void)close(t->signals);
	pulse_free(&t->pulse);
	free(t);
	return code;
}
