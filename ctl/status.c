/* status: the daemons and the data at a glance. What each part needs is read first; then all is told. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "daemons.h"
#include "doctor.h"
#include "json.h"
#include "log.h"
#include "map.h"
#include "returns.h"
#include "store.h"
#include "term.h"

struct glance {
	struct ctl *ctl;
	struct arena arena;
	struct map facts;    /* of the first server: struct sv by name */
	struct daemons daemons;
	size_t n_alerts;
	uint64_t suppressed, scoped;
	struct returns returns; /* of today */
	const char *redis_trouble; /* NULL: none */
	struct err err;
};

/* ---- reading ---- */

static void on_fact(void *arg, struct sv name, struct sv value)
{
	struct glance *s = arg;
	struct sv *kept = arena_alloc(&s->arena, sizeof *kept);

	*kept = arena_dup(&s->arena, value);
	map_put(&s->facts, arena_dup(&s->arena, name), kept);
}

static struct sv fact(const struct glance *s, const char *name)
{
	const struct sv *value = map_get(&s->facts, sv_of(name));

	return value ? *value : SV("");
}

static int64_t fact_number(const struct glance *s, const char *name)
{
	uint64_t n;

	return sv_u64(fact(s, name), INT64_MAX, &n) ? (int64_t)n : 0;
}

static void on_alert(void *arg, const struct alert *alert)
{
	(void)alert;
	++*(size_t *)arg;
}

/* False: the store does not tell, and why is in the status. */
static bool read_all(struct glance *s)
{
	struct store *store = s->ctl->store;
	int64_t now_s = clock_now_s(), today_s = now_s - now_s % CLOCK_DAY_S;

	if (store_facts(&s->ctl->config, 0, on_fact, s, &s->err) != STORE_OK ||
	    store_suppressed_count(store, &s->suppressed, &s->err) != STORE_OK || store_scoped_count(store, &s->scoped, &s->err) != STORE_OK ||
	    store_alerts(store, &s->arena, on_alert, &s->n_alerts, &s->err) != STORE_OK ||
	    returns_read(&s->returns, store, today_s, today_s + CLOCK_DAY_S, &s->err) != STORE_OK ||
	    daemons_read(&s->daemons, store, &s->ctl->config, &s->arena, &s->err) != STORE_OK)
		return false;
	if (fact(s, "no-writes").n)
		s->redis_trouble = "it takes no writes";
	else if (fact(s, "aof_last_write_status").n && !sv_eq(fact(s, "aof_last_write_status"), SV("ok")))
		s->redis_trouble = "the last write of its append-only file failed";
	return true;
}

static bool is_well(const struct glance *s)
{
	bool well = !s->redis_trouble && s->n_alerts == 0 && s->daemons.n_readers > 0;

	for (size_t i = 0; i < s->daemons.n_readers; i++)
		well = well && !s->daemons.readers[i].trouble;
	for (size_t i = 0; i < s->daemons.n_doors; i++)
		well = well && !s->daemons.doors[i].trouble;
	return well;
}

/* ---- for people ---- */

#define BYTES_MAX 32
static const char *bytes_text(int64_t bytes, char text_r[BYTES_MAX])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)bytes;
	size_t i = 0;

	for (; n >= 1024 && i + 1 < sizeof units / sizeof *units; i++)
		n /= 1024;
	(void)snprintf(text_r, BYTES_MAX, i ? "%.1f %s" : "%.0f %s", n, units[i]);
	return text_r;
}

static const char *persistence(const struct glance *s)
{
	if (!fact(s, "aof_enabled").n)
		return "persistence unknown";
	if (sv_eq(fact(s, "aof_enabled"), SV("1")))
		return "append-only file";
	return fact(s, "config.save").n ? "snapshots only" : "nothing is kept on disk";
}

static void begin_line(const char *what)
{
	(void)printf("%-8s ", what);
}

static void in_colour(enum colour colour, const char *text)
{
	(void)printf("%s%s%s", term_colour(stdout, colour), text, term_colour(stdout, COLOUR_PLAIN));
}

static void tell_redis(const struct glance *s)
{
	char bytes[BYTES_MAX];

	begin_line("redis");
	in_colour(s->redis_trouble ? COLOUR_RED : COLOUR_GREEN, s->redis_trouble ? s->redis_trouble : "reachable");
	(void)printf(" at %s", s->ctl->config.redis_address);
	if (fact(s, "redis_version").n) {
		(void)fputs(", version ", stdout);
		term_clean(stdout, fact(s, "redis_version"));
		(void)printf(", %s, %s", bytes_text(fact_number(s, "used_memory"), bytes), persistence(s));
	}
	if (fact_number(s, "servers") > 1)
		(void)printf(", %" PRId64 " masters", fact_number(s, "servers"));
	if (fact_number(s, "meta.partitions"))
		(void)printf(", %" PRId64 " partition%s", fact_number(s, "meta.partitions"), term_plural((uint64_t)fact_number(s, "meta.partitions")));
	(void)putchar('\n');
}

static void tell_data(const struct glance *s)
{
	begin_line("data");
	(void)printf("%" PRIu64 " address%s suppressed", s->suppressed, s->suppressed == 1 ? " is" : "es are");
	if (s->scoped)
		(void)printf(", %" PRIu64 " for some senders (nixie list --scoped)", s->scoped);
	(void)putchar('\n');
}

/* Where there is none, there is none to be expected. */
static void tell_returns(const struct returns *r)
{
	if (!r->mails)
		return;
	begin_line("mail");
	(void)printf("%" PRId64 " came back today, %" PRId64 " counted", r->mails, r->outcomes[RECEIVE_COUNTED]);
	if (r->outcomes[RECEIVE_ASIDE])
		(void)printf(", %" PRId64 " prove%s nothing: nixie aside", r->outcomes[RECEIVE_ASIDE], r->outcomes[RECEIVE_ASIDE] == 1 ? "s" : "");
	(void)puts("");
}

static bool tell_alerts(struct glance *s)
{
	begin_line("alerts");
	if (!s->n_alerts) {
		(void)puts("none is open");
		return true;
	}
	(void)printf("%s%zu %s open%s\n", term_colour(stdout, COLOUR_YELLOW), s->n_alerts, s->n_alerts == 1 ? "is" : "are", term_colour(stdout, COLOUR_PLAIN));
	return alerts_print_lines(s->ctl->store, stdout, &s->err);
}

static void tell_since(const char *what, int64_t time_s)
{
	char time[CLOCK_TEXT_MAX], age[DOCTOR_AGE_MAX];

	clock_format_us((time_s < STATE_TIME_MAX_S ? time_s : STATE_TIME_MAX_S) * CLOCK_SECOND_US, time, sizeof time);
	(void)printf("%s %s (%s)", what, time, doctor_age(clock_now_s() - time_s, age));
}

static void tell_reader(const struct known_reader *r)
{
	const struct reader_state *s = &r->state;
	char age[DOCTOR_AGE_MAX], bytes[BYTES_MAX];

	begin_line("reader");
	term_clean(stdout, s->source);
	(void)fputs(": ", stdout);
	if (r->running || r->ended)
		in_colour(r->ended ? COLOUR_DIM : s->doing == READER_MISSING || s->doing == READER_BLOCKED ? COLOUR_RED : r->trouble ? COLOUR_YELLOW : COLOUR_GREEN,
			reader_doing_name(s->doing));
	else
		in_colour(COLOUR_RED, "not running");
	if (!r->running)
		tell_since(r->ended ? ", read to its end" : " since", s->updated_s);
	if (s->lag_s || s->lag_bytes)
		(void)printf(", %s and %s behind", doctor_age(s->lag_s, age), bytes_text(s->lag_bytes, bytes));
	if (s->last_event_s)
		(void)printf(", last line %s old", doctor_age(clock_now_s() - s->last_event_s, age));
	if (r->running)
		(void)printf(", %" PRId64 ".%" PRId64 " lines/s", s->tenths_per_s / 10, s->tenths_per_s % 10);
	if (s->gaps)
		(void)printf(", %" PRId64 " line%s lost in %" PRId64 " gap%s", s->lost_lines, term_plural((uint64_t)s->lost_lines), s->gaps, term_plural((uint64_t)s->gaps));
	if (s->rejected)
		(void)printf(", %" PRId64 " rejected", s->rejected);
	(void)putchar('\n');
}

/* What would have been said, by category. */
static void tell_would(struct sv list)
{
	struct sv action, category;
	int64_t n;

	while (door_state_next(&list, &action, &category, &n)) {
		(void)printf("%-8s would ", "");
		term_clean(stdout, action);
		(void)fputs(" for ", stdout);
		term_clean(stdout, category);
		(void)printf(": %" PRId64 "\n", n);
	}
}

static void tell_counts(const struct door_state *d)
{
	const struct { int64_t n; const char *what; } counts[] = { { d->rejected, "refused" }, { d->deferred, "deferred" }, { d->other, "answered otherwise" },
		{ d->would_reject + d->would_defer + d->would_other, "would have been but for the shadow" }, { d->parole, "on parole" },
		{ d->malformed, "malformed" }, { d->store_failures, "without Redis" } };
	int64_t asked = d->cache_hits + d->cache_misses;

	(void)printf(", %" PRId64 " request%s", d->requests, term_plural((uint64_t)d->requests));
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		if (counts[i].n)
			(void)printf(", %" PRId64 " %s", counts[i].n, counts[i].what);
	if (asked > 0)
		(void)printf(", %.1f %% from its cache", 100 * (double)d->cache_hits / (double)asked);
}

static void tell_door(const struct known_door *k)
{
	const struct door_state *d = &k->state;

	begin_line("policyd");
	term_clean(stdout, d->name);
	(void)fputs(": ", stdout);
	in_colour(k->running ? COLOUR_GREEN : COLOUR_RED, k->running ? door_doing_name(d->doing) : "not running");
	if (k->running && d->shadow)
		in_colour(COLOUR_YELLOW, ", in the shadow: refuses nothing");
	if (!k->running)
		tell_since(" since", d->updated_s);
	else
		(void)printf(", %" PRId64 ".%" PRId64 " requests/s", d->tenths_per_s / 10, d->tenths_per_s % 10);
	if (k->running && d->p99_us)
		(void)printf(" (%" PRId64 " us, 99 %% below %" PRId64 " us)", d->p50_us, d->p99_us);
	tell_counts(d);
	(void)putchar('\n');
	tell_would(d->would_decide);
}

/* A part each, in this order. */
static bool tell_people(struct glance *s)
{
	tell_redis(s);
	tell_data(s);
	tell_returns(&s->returns);
	for (size_t i = 0; i < s->daemons.n_readers; i++)
		tell_reader(&s->daemons.readers[i]);
	if (!s->daemons.n_readers) {
		begin_line("reader");
		in_colour(COLOUR_YELLOW, "none has written yet");
		(void)puts("; start nixie-logtail: systemctl enable --now nixie-logtail");
	}
	for (size_t i = 0; i < s->daemons.n_doors; i++)
		tell_door(&s->daemons.doors[i]);
	if (!s->daemons.n_doors) {
		begin_line("policyd");
		in_colour(COLOUR_YELLOW, "none has told of itself yet");
		(void)puts("; start nixie-policyd: systemctl enable --now nixie-policyd");
	}
	return tell_alerts(s);
}

/* ---- as JSON ---- */

static void json_time(struct json *j, const char *name, int64_t time_s)
{
	char time[CLOCK_TEXT_MAX];

	clock_format_us((time_s < STATE_TIME_MAX_S ? time_s : STATE_TIME_MAX_S) * CLOCK_SECOND_US, time, sizeof time);
	if (time_s)
		json_text(j, name, sv_of(time));
}

static void json_redis(struct json *j, const struct glance *s, bool reachable)
{
	json_object(j, "redis");
	json_text(j, "address", sv_of(s->ctl->config.redis_address));
	json_bool(j, "reachable", reachable);
	if (!reachable)
		json_text(j, "trouble", sv_of(s->err.text));
	else if (s->redis_trouble)
		json_text(j, "trouble", sv_of(s->redis_trouble));
	if (fact(s, "redis_version").n) {
		json_text(j, "version", fact(s, "redis_version"));
		json_number(j, "used-bytes", fact_number(s, "used_memory"));
		json_text(j, "persistence", sv_of(persistence(s)));
	}
	if (fact_number(s, "meta.partitions"))
		json_number(j, "partitions", fact_number(s, "meta.partitions"));
	json_end_object(j);
}

/* All that stands in its hash, times as RFC 3339. */
static void json_reader(struct json *j, const struct known_reader *r)
{
	const struct reader_state *s = &r->state;
	const struct { const char *name; int64_t n; } numbers[] = { { "pid", s->pid }, { "offset", s->offset }, { "size", s->size },
		{ "lag-bytes", s->lag_bytes }, { "lag-s", s->lag_s }, { "lines", s->lines }, { "attempts", s->attempts }, { "rejected", s->rejected },
		{ "long-lines", s->long_lines }, { "links", s->links }, { "links-evicted", s->links_evicted }, { "lost-lines", s->lost_lines },
		{ "gaps", s->gaps }, { "rewritten", s->rewritten }, { "idle-s", s->idle_s } };
	const struct { const char *name; struct sv text; } texts[] = { { "source", s->source }, { "state", sv_of(reader_doing_name(s->doing)) },
		{ "version", s->version }, { "host", s->host }, { "path", s->path }, { "file", s->file } };

	json_object(j, NULL);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		json_text(j, texts[i].name, texts[i].text);
	json_bool(j, "running", r->running);
	if (r->trouble)
		json_text(j, "trouble", sv_of(r->trouble));
	json_time(j, "started", s->started_s);
	json_time(j, "updated", s->updated_s);
	json_time(j, "last-event", s->last_event_s);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_number(j, numbers[i].name, numbers[i].n);
	json_tenths(j, "lines-per-s", s->tenths_per_s);
	json_end_object(j);
}

static void json_decisions(struct json *j, const char *name, struct sv list)
{
	struct sv action, category;
	int64_t n;

	json_list(j, name);
	while (door_state_next(&list, &action, &category, &n)) {
		json_object(j, NULL);
		json_text(j, "action", action);
		json_text(j, "category", category);
		json_number(j, "n", n);
		json_end_object(j);
	}
	json_end_list(j);
}

/* As a reader. */
static void json_door(struct json *j, const struct known_door *k)
{
	const struct door_state *d = &k->state;
	const struct { const char *name; int64_t n; } numbers[] = { { "pid", d->pid }, { "connections", d->connections },
		{ "connections-total", d->connections_total }, { "requests", d->requests }, { "rejected", d->rejected }, { "deferred", d->deferred },
		{ "other", d->other }, { "would-reject", d->would_reject }, { "would-defer", d->would_defer }, { "would-other", d->would_other },
		{ "parole", d->parole }, { "parole-refused", d->parole_refused }, { "malformed", d->malformed },
		{ "store-failures", d->store_failures }, { "from-memory", d->from_memory }, { "cache-hits", d->cache_hits },
		{ "cache-misses", d->cache_misses }, { "cache-entries", d->cache_entries }, { "cache-bytes", d->cache_bytes },
		{ "cache-limit", d->cache_limit }, { "p50-us", d->p50_us }, { "p99-us", d->p99_us } };
	const struct { const char *name; struct sv text; } texts[] = { { "name", d->name }, { "state", sv_of(door_doing_name(d->doing)) },
		{ "version", d->version }, { "host", d->host } };

	json_object(j, NULL);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		json_text(j, texts[i].name, texts[i].text);
	json_bool(j, "running", k->running);
	if (k->trouble)
		json_text(j, "trouble", sv_of(k->trouble));
	json_bool(j, "shadow", d->shadow != 0);
	json_time(j, "started", d->started_s);
	json_time(j, "updated", d->updated_s);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		json_number(j, numbers[i].name, numbers[i].n);
	json_tenths(j, "requests-per-s", d->tenths_per_s);
	json_decisions(j, "decided", d->decided);
	json_decisions(j, "would-decide", d->would_decide);
	json_end_object(j);
}

static void tell_json(const struct glance *s, bool reachable)
{
	struct json j = JSON_ON(stdout);

	json_object(&j, NULL);
	json_bool(&j, "well", reachable && is_well(s));
	json_redis(&j, s, reachable);
	if (reachable) {
		json_number(&j, "suppressed", (int64_t)s->suppressed);
		json_number(&j, "scoped", (int64_t)s->scoped);
		if (s->returns.mails) {
			json_number(&j, "returned", s->returns.mails);
			json_number(&j, "aside", s->returns.outcomes[RECEIVE_ASIDE]);
		}
		json_number(&j, "alerts", (int64_t)s->n_alerts);
		json_list(&j, "readers");
		for (size_t i = 0; i < s->daemons.n_readers; i++)
			json_reader(&j, &s->daemons.readers[i]);
		json_end_list(&j);
		json_list(&j, "doors");
		for (size_t i = 0; i < s->daemons.n_doors; i++)
			json_door(&j, &s->daemons.doors[i]);
		json_end_list(&j);
	}
	json_end_object(&j);
	json_end_line(&j);
}

int verb_status(struct ctl *ctl, int argc, char **argv)
{
	int code;

	if (!verb_options(ctl, argc, argv, "status", NULL, &code))
		return code;
	if (optind < argc) {
		log_error("%s: there is no argument here", argv[optind]);
		return EXIT_USAGE;
	}
	struct glance *s = xalloc(sizeof *s);
	s->ctl = ctl;
	bool reachable = read_all(s);
	if (ctl->json)
		tell_json(s, reachable);
	else if (reachable)
		reachable = tell_people(s);
	code = !reachable ? ctl->json ? EXIT_STORE : verb_store_failed(&s->err) : is_well(s) ? EXIT_OK : EXIT_FAULTS;
	daemons_free(&s->daemons);
	map_free(&s->facts);
	arena_free(&s->arena);
	free(s);
	return code;
}
