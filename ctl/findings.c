#include "findings.h"

#include "buf.h"
#include "schema.h"
#include "typo.h"

/* Domains of this report with the most deliveries, which others may be errors of; an error is rare beside what is meant. */
#define BUSY_MAX 20
#define BUSY_TIMES 10

struct search {
	const struct config *config;
	findings_callback *callback;
	void *arg;
};

static bool is_many(const struct config *c, int64_t count, int64_t of)
{
	return count >= c->brake_minimum && (__int128)count * 1000 >= (__int128)of * c->brake_share;
}

static void add_share(struct buf *text, int64_t count, int64_t of)
{
	buf_addf(text, "%lld of %lld (%.1f %%)", (long long)count, (long long)of, of ? 100.0 * (double)count / (double)of : 0.0);
}

/* One of the store is not longer. */
static void add_name(struct buf *text, struct sv name)
{
	buf_add_clean(text, sv_head(name, SCHEMA_VALUE_MAX));
}

static void tell(const struct search *s, struct finding finding, const struct buf *text)
{
	finding.text = buf_sv(text);
	s->callback(s->arg, &finding);
}

static void find_limits(const struct search *s, const struct figures *f, enum figure_counter counter, const char *kind, const char *words)
{
	int found = 0;

	for (size_t i = 0; i < f->n && found < FINDINGS_MAX; i++) {
		const struct figure *one = f->v[i];
		char room[FINDING_TEXT_MAX];
		struct buf text = BUF_ON(room);
		if (!is_many(s->config, one->n[counter], one->n[FIGURE_ATTEMPTS]))
			continue;
		add_name(&text, one->name);
		buf_add(&text, SV(": "));
		add_share(&text, one->n[counter], one->n[FIGURE_ATTEMPTS]);
		buf_addf(&text, " attempts %s", words);
		tell(s, (struct finding){ .kind = kind, .value = one->name, .count = one->n[counter], .of = one->n[FIGURE_ATTEMPTS] }, &text);
		found++;
	}
}

static void find_jumps(const struct search *s, const struct figures *times)
{
	const struct config *c = s->config;
	int64_t hard = 0, finals = 0; /* of all before */
	int found = 0;

	for (size_t i = 0; i < times->n && found < FINDINGS_MAX; i++) {
		const struct figure *one = times->v[i];
		int64_t now_hard = one->n[FIGURE_HARD], now_finals = figure_finals(one);
		char room[FINDING_TEXT_MAX];
		struct buf text = BUF_ON(room);
		/* nothing can be told without a before */
		if (finals >= c->brake_minimum && is_many(c, now_hard, now_finals) &&
		    (__int128)now_hard * finals >= (__int128)c->brake_factor * hard * now_finals) {
			buf_addf(&text, "%.*s: ", SV_ARG(one->name));
			add_share(&text, now_hard, now_finals);
			buf_addf(&text, " results were hard, before it %.1f %%: a wrong list, a provider's or a rule's error; see nixie alerts --log",
				100.0 * (double)hard / (double)finals);
			tell(s, (struct finding){ .kind = "jump", .value = one->name, .count = now_hard, .of = now_finals }, &text);
			found++;
		}
		hard += now_hard;
		finals += now_finals;
	}
}

/* Domains with the most deliveries, in no order. */
static size_t busiest(const struct figures *dests, const struct figure *busy_r[BUSY_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < dests->n; i++) {
		const struct figure *one = dests->v[i];
		size_t least = 0;
		if (one->n[FIGURE_DELIVERED] == 0)
			continue;
		if (n < BUSY_MAX) {
			busy_r[n++] = one;
			continue;
		}
		for (size_t j = 1; j < n; j++)
			if (busy_r[j]->n[FIGURE_DELIVERED] < busy_r[least]->n[FIGURE_DELIVERED])
				least = j;
		if (one->n[FIGURE_DELIVERED] > busy_r[least]->n[FIGURE_DELIVERED])
			busy_r[least] = one;
	}
	return n;
}

/* A domain that never took mail, and is like one that does. */
static void find_typos(const struct search *s, const struct figures *dests)
{
	const struct figure *busy[BUSY_MAX];
	size_t n_busy = busiest(dests, busy);
	int found = 0;

	for (size_t i = 0; i < dests->n && found < FINDINGS_MAX; i++) {
		const struct figure *one = dests->v[i];
		int64_t failed = one->n[FIGURE_HARD] + one->n[FIGURE_SOFT];
		struct sv known[BUSY_MAX];
		size_t n = 0;
		char room[FINDING_TEXT_MAX];
		struct buf text = BUF_ON(room);
		if (one->n[FIGURE_DELIVERED] || !failed)
			continue;
		for (size_t j = 0; j < n_busy; j++)
			if (busy[j]->n[FIGURE_DELIVERED] >= BUSY_TIMES * failed)
				known[n++] = busy[j]->name;
		struct sv intended = typo_intended(one->name, known, n);
		if (!intended.n)
			continue;
		add_name(&text, one->name);
		buf_add(&text, SV(" is perhaps a typing error of "));
		add_name(&text, intended);
		buf_addf(&text, ": %lld failed, none was delivered", (long long)failed);
		tell(s, (struct finding){ .kind = "typo", .value = one->name, .intended = intended, .count = failed, .of = failed }, &text);
		found++;
	}
}

void findings_find(const struct config *config, const struct figures *times, const struct figures *dests, const struct figures *providers,
	findings_callback *callback, void *arg)
{
	const struct search s = { config, callback, arg };
	static const char limited[] = "met a rate limit: send more slowly there", blocked[] = "were refused for our reputation: see nixie explain of such a reply";

	find_jumps(&s, times);
	find_limits(&s, providers, FIGURE_THROTTLED, "rate-limit", limited);
	find_limits(&s, dests, FIGURE_THROTTLED, "rate-limit", limited);
	find_limits(&s, providers, FIGURE_BLOCKED, "blocked", blocked);
	find_limits(&s, dests, FIGURE_BLOCKED, "blocked", blocked);
	find_typos(&s, dests);
}
