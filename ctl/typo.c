#include "typo.h"

/* With two errors in a short name it is another one. */
#define TWO_ERRORS_MIN 10

static const struct sv providers[] = {
	{ "gmail.com", 9 }, { "googlemail.com", 14 }, { "yahoo.com", 9 }, { "yahoo.de", 8 }, { "yahoo.fr", 8 }, { "yahoo.it", 8 }, { "yahoo.es", 8 },
	{ "yahoo.co.uk", 11 }, { "yahoo.co.in", 11 }, { "yahoo.com.br", 12 }, { "ymail.com", 9 }, { "hotmail.com", 11 }, { "hotmail.de", 10 },
	{ "hotmail.fr", 10 }, { "hotmail.it", 10 }, { "hotmail.es", 10 }, { "hotmail.co.uk", 13 }, { "outlook.com", 11 }, { "outlook.de", 10 },
	{ "outlook.fr", 10 }, { "live.com", 8 }, { "live.de", 7 }, { "live.nl", 7 }, { "live.fr", 7 }, { "live.co.uk", 10 }, { "msn.com", 7 },
	{ "icloud.com", 10 }, { "me.com", 6 }, { "mac.com", 7 }, { "aol.com", 7 }, { "gmx.de", 6 }, { "gmx.net", 7 }, { "gmx.at", 6 }, { "gmx.com", 7 },
	{ "gmx.ch", 6 }, { "web.de", 6 }, { "freenet.de", 10 }, { "t-online.de", 11 }, { "arcor.de", 8 }, { "mail.com", 8 }, { "email.com", 9 },
	{ "protonmail.com", 14 }, { "proton.me", 9 }, { "mail.ru", 7 }, { "yandex.ru", 9 }, { "yandex.com", 10 }, { "orange.fr", 9 }, { "wanadoo.fr", 10 },
	{ "free.fr", 7 }, { "laposte.net", 11 }, { "sfr.fr", 6 }, { "libero.it", 9 }, { "virgilio.it", 11 }, { "comcast.net", 11 }, { "verizon.net", 11 },
	{ "att.net", 7 }, { "sbcglobal.net", 13 }, { "btinternet.com", 14 }, { "bluewin.ch", 10 }, { "ziggo.nl", 8 }, { "kpnmail.nl", 10 }, { "qq.com", 6 },
	{ "163.com", 7 }, { "126.com", 7 }, { "naver.com", 9 }, { "uol.com.br", 10 }, { "bol.com.br", 10 }, { "terra.com.br", 12 }, { "rediffmail.com", 14 },
};

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned typo_distance(struct sv a, struct sv b, unsigned most)
{
	unsigned room[3][TYPO_NAME_MAX + 1], *before = room[0], *last = room[1], *now = room[2];
	size_t differ = a.n > b.n ? a.n - b.n : b.n - a.n;

	if (a.n > TYPO_NAME_MAX || b.n > TYPO_NAME_MAX || differ > most)
		return most + 1;
	for (size_t j = 0; j <= b.n; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= a.n; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + (a.p[i - 1] != b.p[j - 1]));
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		unsigned *free_row = before;
		before = last;
		last = now;
		now = free_row;
	}
	return least(last[b.n], most + 1);
}

/* *best_r: how near the nearest was so far. */
static void look_at(struct sv domain, struct sv candidate, unsigned most, unsigned *best_r, struct sv *intended_r)
{
	unsigned distance = typo_distance(domain, candidate, most);

	/* another country is no error of two letters */
	if (distance == 2 && (candidate.n < TWO_ERRORS_MIN || !sv_eq(sv_after_last(domain, '.'), sv_after_last(candidate, '.'))))
		return;
	if (distance <= most && distance < *best_r) {
		*best_r = distance;
		*intended_r = candidate;
	}
}

struct sv typo_intended(struct sv domain, const struct sv *known, size_t n)
{
	struct sv intended = sv_make("", 0);
	unsigned best = 3;

	if (domain.n < TYPO_NAME_MIN)
		return intended;
	for (size_t i = 0; i < sizeof providers / sizeof *providers; i++)
		look_at(domain, providers[i], 2, &best, &intended);
	for (size_t i = 0; i < n; i++)
		if (known[i].n >= TYPO_NAME_MIN)
			look_at(domain, known[i], 1, &best, &intended);
	return best ? intended : sv_make("", 0);
}
