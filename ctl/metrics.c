/* metrics: what is in the store, for Prometheus: text for the textfile collector of node_exporter.
 *
 * A counter of Prometheus may only grow, or begin anew at 0. The days on record are kept for more than a year, so
 * the sum of the days of this year only grows; on 1 January (UTC) it begins anew. A sum of all days on record would
 * shrink with each day that expires, which is taken for a beginning from 0, and all of it for new. What there are
 * many of (domains, senders ...) is told of today alone: who is among the first few changes. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "exposition.h"
#include "figures.h"
#include "log.h"
#include "replace.h"
#include "returns.h"
#include "schema.h"
#include "verbs.h"

/* So many values of a dimension have a line of their own, unless --limit says another number. */
#define LIMIT 20
#define LIMIT_MAX 1000
/* Who has not told for so long is told of no more. */
#define FORGET_S (30 * CLOCK_DAY_S)
/* Of all values that have no line of their own. */
#define REST "other"

enum { OF_TOTALS = 1, OF_TALLIES = 2 };

#define ROWS_MAX 4
static const struct family {
	const char *name, *help;
	const char *label; /* NULL: one row, without a label */
	int of;
	struct { const char *value; enum figure_counter counter; } rows[ROWS_MAX];
} families[] = {
	{ "results", "Final results: of each recipient of each message one.", "result", OF_TOTALS | OF_TALLIES,
		{ { "delivered", FIGURE_DELIVERED }, { "soft", FIGURE_SOFT }, { "hard", FIGURE_HARD }, { "complaint", FIGURE_COMPLAINT } } },
	{ "conversions", "Results that count as another class than their code says: 5xx as soft, and repeated soft ones as hard.", "kind", OF_TOTALS,
		{ { "hard-as-soft", FIGURE_HARD_AS_SOFT }, { "soft-to-hard", FIGURE_SOFT_TO_HARD } } },
	{ "deferrals", "Attempts that were deferred: no final results.", NULL, OF_TOTALS | OF_TALLIES, { { "", FIGURE_DEFERRED } } },
	{ "attempts", "Attempts to deliver.", NULL, OF_TALLIES, { { "", FIGURE_ATTEMPTS } } },
	{ "troubled_attempts", "Attempts that failed by a rate limit, a block of ours, or a network or server that fails.", "trouble", OF_TALLIES,
		{ { "throttled", FIGURE_THROTTLED }, { "blocked", FIGURE_BLOCKED }, { "failing", FIGURE_FAILING } } },
};

static const enum figure_by dimensions[] = { BY_DEST, BY_PROVIDER, BY_SENDER, BY_CAMPAIGN };

struct metrics {
	struct ctl *ctl;
	struct store *store;
	struct exposition x;
	struct err err;
	struct arena arena;
	uint64_t limit;
	int64_t now_s, today_s, year_s;
	struct reader_state *readers;
	struct door_state *doors;
	size_t n_readers, readers_size, n_doors, doors_size;
};

/* ---- results ---- */

static size_t add_label(struct exposition_label *labels, size_t n, const char *name, struct sv value)
{
	if (name)
		labels[n++] = (struct exposition_label){ name, value };
	return n;
}

/* dimension: NULL, or the label of the figure's name */
static void add_rows(struct metrics *m, const struct family *f, const char *dimension, const struct figure *figure)
{
	for (size_t i = 0; i < ROWS_MAX && f->rows[i].value; i++) {
		struct exposition_label labels[EXPOSITION_LABELS_MAX] = { { NULL, { NULL, 0 } } };
		size_t n = add_label(labels, 0, dimension, figure->name);
		(void)add_label(labels, n, f->label, sv_of(f->rows[i].value));
		exposition_add(&m->x, labels, figure->n[f->rows[i].counter]);
	}
}

static void tell_total(struct metrics *m, bool today, int of, const struct figure *total)
{
	for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
		const struct family *f = &families[i];
		/* the totals have what both have */
		if (!(f->of & of) || (of == OF_TALLIES && (f->of & OF_TOTALS)))
			continue;
		if (today)
			exposition_family(&m->x, EXPOSITION_GAUGE, f->help, "nixie_today_%s", f->name);
		else
			exposition_family(&m->x, EXPOSITION_COUNTER, f->help, "nixie_%s_total", f->name);
		add_rows(m, f, NULL, total);
	}
}

/* All categories, also those that nobody has: a rate needs a first value. */
static void tell_categories(struct metrics *m, bool today, const struct figures *figures)
{
	const char *help = "Final failures, by category.";

	if (today)
		exposition_family(&m->x, EXPOSITION_GAUGE, help, "nixie_today_failures");
	else
		exposition_family(&m->x, EXPOSITION_COUNTER, help, "nixie_failures_total");
	for (int c = 0; c < CATEGORY_COUNT; c++) {
		struct exposition_label labels[EXPOSITION_LABELS_MAX] = { { "category", sv_of(category_name((enum category)c)) } };
		const struct figure *f = map_get(&figures->by_name, labels[0].value);
		exposition_add(&m->x, labels, f ? f->n[FIGURE_FAILURES] : 0);
	}
}

/* All of them, also what nobody has sent: a rate needs a first value. */
static bool tell_returns(struct metrics *m, bool today)
{
	const char *help = "Mails that came back, by kind, and what became of them: aside is what proves nothing.";
	struct returns returns;
	bool ok = returns_read(&returns, m->store, today ? m->today_s : m->year_s, m->today_s + CLOCK_DAY_S, &m->err) == STORE_OK;

	if (today)
		exposition_family(&m->x, EXPOSITION_GAUGE, help, "nixie_today_returned");
	else
		exposition_family(&m->x, EXPOSITION_COUNTER, help, "nixie_returned_total");
	for (int k = 0; ok && k < RETURNS_KINDS; k++)
		for (int o = 0; o < (int)RETURNS_OUTCOMES; o++)
			exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "kind", sv_of(returns_kind_name(k)) },
				{ "outcome", sv_of(receive_outcome_name((enum receive_outcome)o)) } }, returns.n[k][o]);
	return ok;
}

static bool tell_totals(struct metrics *m, bool today)
{
	static const enum figure_by kinds[] = { BY_NONE, BY_HOST, BY_CATEGORY };
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof kinds / sizeof *kinds; i++) {
		struct figures figures;
		ok = figures_read(&figures, m->store, kinds[i], today ? m->today_s : m->year_s, m->today_s + CLOCK_DAY_S, &m->err) == STORE_OK;
		struct figure total = figures_total(&figures);
		if (ok && kinds[i] == BY_CATEGORY)
			tell_categories(m, today, &figures);
		else if (ok)
			tell_total(m, today, kinds[i] == BY_HOST ? OF_TALLIES : OF_TOTALS, &total);
		figures_free(&figures);
	}
	return ok;
}

/* The first of them keep their name, all others become one: no value can be taken for it. */
static size_t take_rest(const struct metrics *m, struct figures *f)
{
	struct figure *rest = arena_alloc(&f->arena, sizeof *rest);
	size_t kept = 0, n = f->n;

	rest->name = SV(REST);
	for (size_t i = 0; i < n; i++) {
		bool named = kept < m->limit && !sv_eq(f->v[i]->name, SV("*")) && !sv_eq(f->v[i]->name, SV(REST));
		if (named)
			f->v[kept++] = f->v[i];
		for (int j = 0; !named && j < FIGURE_COUNTERS; j++)
			rest->n[j] += f->v[i]->n[j];
	}
	if (kept < n)
		f->v[kept++] = rest;
	return kept;
}

static bool tell_dimension(struct metrics *m, enum figure_by by)
{
	struct figures figures;
	bool ok = figures_read(&figures, m->store, by, m->today_s, m->today_s + CLOCK_DAY_S, &m->err) == STORE_OK;
	size_t n = ok ? take_rest(m, &figures) : 0;

	for (size_t i = 0; ok && i < sizeof families / sizeof *families; i++) {
		const struct family *f = &families[i];
		if (!(f->of & OF_TALLIES))
			continue;
		exposition_family(&m->x, EXPOSITION_GAUGE, f->help, "nixie_today_%s_%s", figure_by_name(by), f->name);
		for (size_t j = 0; j < n; j++)
			add_rows(m, f, figure_by_name(by), figures.v[j]);
	}
	figures_free(&figures);
	return ok;
}

static void tell_limits(struct metrics *m)
{
	const struct config *c = &m->ctl->config;
	const struct { const char *rate; int64_t permille; } limits[] = { { "hard", c->alerts_hard }, { "all", c->alerts_all }, { "complaint", c->alerts_complaints } };

	exposition_family(&m->x, EXPOSITION_GAUGE, "What a rate may be: of hard, or of hard and soft results among all, of complaints among those delivered. 0: no limit.",
		"nixie_limit_ratio");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		exposition_add_permille(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "rate", sv_of(limits[i].rate) } }, limits[i].permille);
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_limit_minimum_results", "With fewer results a rate says nothing.", c->alerts_minimum);
}

/* ---- addresses and alerts ---- */

static void on_alert(void *arg, const struct alert *alert)
{
	((int64_t *)arg)[alert->kind]++;
}

static bool tell_state(struct metrics *m)
{
	int64_t open[ALERT_KINDS] = { 0 };
	uint64_t suppressed, scoped;

	if (store_suppressed_count(m->store, &suppressed, &m->err) != STORE_OK || store_scoped_count(m->store, &scoped, &m->err) != STORE_OK ||
	    store_alerts(m->store, &m->arena, on_alert, open, &m->err) != STORE_OK)
		return false;
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_suppressed_addresses", "Addresses that are suppressed; those whose term is over are among them.", (int64_t)suppressed);
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_scoped_addresses", "Addresses with a complaint or do-not-mail that holds for some senders, whatever holds for all.",
		(int64_t)scoped);
	exposition_family(&m->x, EXPOSITION_GAUGE, "Alerts that are open, by kind.", "nixie_alerts_open");
	for (int kind = 0; kind < ALERT_KINDS; kind++)
		exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "kind", sv_of(alert_kind_name((enum alert_kind)kind)) } }, open[kind]);
	return true;
}

/* ---- readers and services ---- */

/* What a reader or a service tells of itself: a number each. */
struct named {
	const char *name, *help;
	enum exposition_type type;
	size_t offset;
};

#define FIELD(f) offsetof(struct reader_state, f)
static const struct named reader_told[] = {
	{ "nixie_reader_start_time_seconds", "When the reader started, in seconds since 1970.", EXPOSITION_GAUGE, FIELD(started_s) },
	{ "nixie_reader_update_time_seconds", "When the reader told this.", EXPOSITION_GAUGE, FIELD(updated_s) },
	{ "nixie_reader_last_event_time_seconds", "Time of the newest line of the log.", EXPOSITION_GAUGE, FIELD(last_event_s) },
	{ "nixie_reader_idle_seconds", "Since a line came.", EXPOSITION_GAUGE, FIELD(idle_s) },
	{ "nixie_reader_lag_seconds", "How old the oldest line may be that is not in Redis.", EXPOSITION_GAUGE, FIELD(lag_s) },
	{ "nixie_reader_lag_bytes", "What is logged and not in Redis.", EXPOSITION_GAUGE, FIELD(lag_bytes) },
	{ "nixie_reader_lines_total", "Lines read.", EXPOSITION_COUNTER, FIELD(lines) },
	{ "nixie_reader_attempts_total", "Delivery results read.", EXPOSITION_COUNTER, FIELD(attempts) },
	{ "nixie_reader_rejected_lines_total", "Lines that begin like a delivery result and are none.", EXPOSITION_COUNTER, FIELD(rejected) },
	{ "nixie_reader_long_lines_total", "Lines that were too long.", EXPOSITION_COUNTER, FIELD(long_lines) },
	{ "nixie_reader_lost_lines_total", "Lines that are lost, as far as their number is known.", EXPOSITION_COUNTER, FIELD(lost_lines) },
	{ "nixie_reader_gaps_total", "Times that lines were lost.", EXPOSITION_COUNTER, FIELD(gaps) },
	{ "nixie_reader_rewrites_total", "Files that began anew under the reader.", EXPOSITION_COUNTER, FIELD(rewritten) },
	{ "nixie_reader_links", "Messages that are remembered, of all logs of the reader.", EXPOSITION_GAUGE, FIELD(links) },
	{ "nixie_reader_link_evictions_total", "Messages that had to be forgotten while they were in the queue.", EXPOSITION_COUNTER, FIELD(links_evicted) },
};
#undef FIELD

#define FIELD(f) offsetof(struct door_state, f)
static const struct named door_told[] = {
	{ "nixie_policyd_start_time_seconds", "When the policy service started, in seconds since 1970.", EXPOSITION_GAUGE, FIELD(started_s) },
	{ "nixie_policyd_update_time_seconds", "When the policy service told this.", EXPOSITION_GAUGE, FIELD(updated_s) },
	{ "nixie_policyd_shadow", "1: nothing is refused, it is only counted what would be.", EXPOSITION_GAUGE, FIELD(shadow) },
	{ "nixie_policyd_requests_total", "Requests to the policy service.", EXPOSITION_COUNTER, FIELD(requests) },
	{ "nixie_policyd_rejected_requests_total", "Requests that were answered with a refusal.", EXPOSITION_COUNTER, FIELD(rejected) },
	{ "nixie_policyd_deferred_requests_total", "Requests that were answered with a deferral.", EXPOSITION_COUNTER, FIELD(deferred) },
	{ "nixie_policyd_store_failures_total", "Requests that Redis did not answer.", EXPOSITION_COUNTER, FIELD(store_failures) },
};
#undef FIELD

static void on_reader(void *arg, const struct reader_state *state)
{
	struct metrics *m = arg;

	if (m->now_s - state->updated_s > FORGET_S)
		return;
	m->readers = xgrow(m->readers, m->n_readers, &m->readers_size, sizeof *m->readers);
	m->readers[m->n_readers++] = *state;
}

static void on_door(void *arg, const struct door_state *state)
{
	struct metrics *m = arg;

	if (m->now_s - state->updated_s > FORGET_S)
		return;
	m->doors = xgrow(m->doors, m->n_doors, &m->doors_size, sizeof *m->doors);
	m->doors[m->n_doors++] = *state;
}

static void tell_readers(struct metrics *m)
{
	exposition_family(&m->x, EXPOSITION_GAUGE, "1: the reader of this log is running.", "nixie_reader_up");
	for (size_t i = 0; i < m->n_readers; i++) {
		const struct reader_state *r = &m->readers[i];
		exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "source", r->source } },
			r->doing != READER_DONE && r->doing != READER_STOPPED && m->now_s - r->updated_s <= READER_GONE_S);
	}
	exposition_family(&m->x, EXPOSITION_GAUGE, "1: that is what the reader does.", "nixie_reader_state");
	for (size_t i = 0; i < m->n_readers; i++)
		for (int doing = 0; doing < READER_DOINGS; doing++)
			exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "source", m->readers[i].source },
				{ "state", sv_of(reader_doing_name((enum reader_doing)doing)) } }, (int)m->readers[i].doing == doing);
	for (size_t i = 0; i < sizeof reader_told / sizeof *reader_told; i++) {
		exposition_family(&m->x, reader_told[i].type, reader_told[i].help, "%s", reader_told[i].name);
		for (size_t j = 0; j < m->n_readers; j++)
			exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "source", m->readers[j].source } },
				*(const int64_t *)((const char *)&m->readers[j] + reader_told[i].offset));
	}
}

static void tell_doors(struct metrics *m)
{
	exposition_family(&m->x, EXPOSITION_GAUGE, "1: this policy service is running.", "nixie_policyd_up");
	for (size_t i = 0; i < m->n_doors; i++)
		exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "service", m->doors[i].name } },
			m->doors[i].doing != DOOR_STOPPED && m->now_s - m->doors[i].updated_s <= DOOR_GONE_S);
	for (size_t i = 0; i < sizeof door_told / sizeof *door_told; i++) {
		exposition_family(&m->x, door_told[i].type, door_told[i].help, "%s", door_told[i].name);
		for (size_t j = 0; j < m->n_doors; j++)
			exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "service", m->doors[j].name } },
				*(const int64_t *)((const char *)&m->doors[j] + door_told[i].offset));
	}
}

static void on_gap(void *arg, struct sv source, int64_t time_s)
{
	struct metrics *m = arg;

	exposition_add(&m->x, (struct exposition_label[EXPOSITION_LABELS_MAX]){ { "source", source } }, time_s);
}

static bool tell_daemons(struct metrics *m)
{
	if (store_readers(m->store, &m->arena, on_reader, m, &m->err) != STORE_OK || store_doors(m->store, &m->arena, on_door, m, &m->err) != STORE_OK)
		return false;
	tell_readers(m);
	tell_doors(m);
	exposition_family(&m->x, EXPOSITION_GAUGE, "When lines of this log were lost last, in seconds since 1970.", "nixie_gap_time_seconds");
	return store_gaps(m->store, on_gap, m, &m->err) == STORE_OK;
}

/* ---- ---- */

static bool tell_all(struct metrics *m)
{
	unsigned partitions = store_partitions(m->store, &m->err);
	bool ok = partitions > 0;

	if (!ok)
		return false;
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_up", "1: Redis answers, and all of this is from there.", 1);
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_schema_version", "Of the data in Redis: nixie-redis(7).", SCHEMA_VERSION);
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_partitions", "Of the data in Redis.", partitions);
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_counters_start_time_seconds", "When the totals began: 1 January, UTC.", m->year_s);
	exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_today_start_time_seconds", "When today began, UTC.", m->today_s);
	ok = tell_totals(m, false) && tell_totals(m, true) && tell_returns(m, false) && tell_returns(m, true);
	for (size_t i = 0; ok && i < sizeof dimensions / sizeof *dimensions; i++)
		ok = tell_dimension(m, dimensions[i]);
	tell_limits(m);
	return ok && tell_state(m) && tell_daemons(m);
}

static void take_times(struct metrics *m)
{
	struct civil civil;

	m->now_s = clock_now_s();
	m->today_s = m->now_s - m->now_s % CLOCK_DAY_S;
	clock_s_to_civil(m->now_s, &civil);
	civil = (struct civil){ .year = civil.year, .month = 1, .day = 1 };
	m->year_s = clock_civil_to_s(&civil);
}

static FILE *open_text(char **text_r, size_t *n_r)
{
	FILE *to = open_memstream(text_r, n_r);

	if (to)
		return to;
	log_fatal("out of memory");
	exit(EXIT_STORE);
}

static void free_metrics(struct metrics *m)
{
	free(m->readers);
	free(m->doors);
	arena_free(&m->arena);
	free(m);
}

/* The whole text, or that there is none: never a part of it. *text_r is freed by the caller. */
static int make_text(struct ctl *ctl, uint64_t limit, char **text_r, size_t *n_r)
{
	struct metrics *m = xalloc(sizeof *m);
	FILE *to = open_text(text_r, n_r);
	int code = EXIT_OK;

	m->ctl = ctl;
	m->store = ctl->store;
	m->limit = limit;
	m->x = (struct exposition){ .to = to, .json = ctl->json };
	take_times(m);
	if (!tell_all(m)) {
		code = verb_store_failed(&m->err);
		(void)fclose(to);
		free(*text_r);
		to = open_text(text_r, n_r);
		m->x.to = to;
		exposition_one(&m->x, EXPOSITION_GAUGE, "nixie_up", "0: Redis does not answer, or not all that was asked.", 0);
	}
	(void)fclose(to);
	free_metrics(m);
	return code;
}

/* The collector, which is another user, reads what ends in .prom: not what is not whole yet. */
static int write_file(const char *path, const char *text, size_t n)
{
	struct replacement file;
	int code = replace_open(&file, path, 0644, false);

	if (code != EXIT_OK)
		return code;
	(void)fwrite(text, 1, n, file.to);
	return replace_close(&file, code);
}

int verb_metrics(struct ctl *ctl, int argc, char **argv)
{
	const char *output = NULL, *limit_text = NULL;
	const struct verb_option own[] = { { "output", &output, NULL }, { "limit", &limit_text, NULL }, { NULL, NULL, NULL } };
	uint64_t limit = LIMIT;
	char *text = NULL;
	size_t n = 0;
	int code;

	if (!verb_options(ctl, argc, argv, "metrics", own, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here; a file is --output FILE", argv[optind]);
		return EXIT_USAGE;
	}
	if (!verb_limit(limit_text, &limit))
		return EXIT_USAGE;
	if (limit > LIMIT_MAX) {
		log_error("--limit %s: %d at most, as each becomes many series", limit_text, LIMIT_MAX);
		return EXIT_USAGE;
	}
	code = make_text(ctl, limit, &text, &n);
	int written = output ? write_file(output, text, n) : fwrite(text, 1, n, stdout) == n ? EXIT_OK : EXIT_NOT_FOUND;
	free(text);
	return code != EXIT_OK ? code : written;
}
