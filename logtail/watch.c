#include "watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "surge.h"

#define MINUTE_S 60
/* An alert of a reader that is gone: nobody has seen it for so long. */
#define STALE_S (2 * 3600)
/* Its last sight is written so often. */
#define SEEN_S 300

static const char *const dimensions[SURGE_DIMENSIONS] = { "all", "dest", "provider", "rule" };
static const enum alert_kind kinds[SURGE_KINDS] = { ALERT_HARD, ALERT_THROTTLED, ALERT_BLOCKED, ALERT_FAILING };

struct watch {
	struct store *store;
	const struct config *config;
	struct sv name;             /* of this reader, in its alerts */
	struct surge *surge;
	bool enabled;               /* as watch_begin() found it */
	int64_t usual_day;          /* days since 1970 that `usual` was read for */
	int64_t usual_ms;           /* when the store did not tell; 0: it did */
	int64_t looked_ms, rated_ms;
	struct arena arena;         /* of `open` */
	struct map open;            /* by id: struct alert, as the store has them */
};

static struct surge_options options_of(const struct config *config)
{
	return (struct surge_options){ .window_s = config->brake_window_ms / 1000, .minimum = config->brake_minimum,
		.share_permille = config->brake_share, .factor = config->brake_factor };
}

struct watch *watch_new(struct store *store, const struct config *config, const char *name)
{
	struct watch *w = xalloc(sizeof *w);
	struct surge_options options = options_of(config);

	*w = (struct watch){ .store = store, .config = config, .name = sv_of(name), .surge = surge_new(&options), .usual_day = -1 };
	return w;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	surge_free(w->surge);
	map_free(&w->open);
	arena_free(&w->arena);
	free(w);
}

struct surge *watch_surge(struct watch *w)
{
	return w->config->brake_enabled ? w->surge : NULL;
}

void watch_reload(struct watch *w)
{
	struct surge_options options = options_of(w->config);

	surge_set_options(w->surge, &options);
}

/* ---- what the store has counted ---- */

/* Counters of one period and dimension, on their way into the surge: of a value all at once,
 * or its failures might come before its deliveries and look like a jump. */
struct sums {
	struct watch *watch;
	enum surge_dimension dimension;
	int64_t time_s; /* of the minute; 0: it is what is usual */
	struct arena arena;
	struct map values; /* struct surge_counts by value */
};

/* One counter of a value, as what the surge knows. */
static void add_counts(struct sv counter, int64_t n, struct surge_counts *c)
{
	/* mail that comes back, whose deliveries were counted before, is no part of it */
	static const struct { const char *name; int attempt, final, kind; } table[] = {
		{ "attempts", 1, 0, -1 }, { "delivered", 0, 1, -1 }, { "soft", 0, 1, -1 }, { "hard", 0, 1, SURGE_HARD }, { "mail-soft", 0, -1, -1 },
		{ "mail-hard", 0, -1, SURGE_HARD }, { "throttled", 0, 0, SURGE_THROTTLED }, { "blocked", 0, 0, SURGE_BLOCKED },
		{ "failing", 0, 0, SURGE_FAILING },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (!sv_eq(counter, sv_of(table[i].name)))
			continue;
		c->attempts += table[i].attempt * n;
		c->finals += table[i].final * n;
		if (table[i].kind >= 0)
			c->of[table[i].kind] += table[i].final < 0 ? -n : n;
		return;
	}
}

static void give(struct sums *sums)
{
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&sums->values, &i));) {
		if (sums->time_s)
			surge_add(sums->watch->surge, sums->time_s, sums->dimension, slot->key, slot->value);
		else
			surge_add_usual(sums->watch->surge, sums->dimension, slot->key, slot->value);
	}
}

/* "gmail.com|hard"; everything has a logging host, so the sum of those is that of all */
static void add_counter(void *arg, struct sv period, struct sv name, int64_t n)
{
	struct sums *sums = arg;
	struct sv counter = sv_after_last(name, '|');
	struct sv value = sv_head(name, name.n - counter.n - (counter.n < name.n));

	(void)period;
	if (!value.n)
		return;
	if (sums->dimension == SURGE_ALL)
		value = sv_make("", 0);
	else if (sv_eq(value, SV("*")) || sv_eq(value, SV("-")))
		return;
	struct surge_counts *c = map_get(&sums->values, value);
	if (!c) {
		c = arena_alloc(&sums->arena, sizeof *c);
		map_put(&sums->values, arena_dup(&sums->arena, value), c);
	}
	add_counts(counter, n, c);
}

static enum store_result read_period(struct watch *w, struct sv period, int64_t time_s, struct err *err)
{
	/* all before the rules, which are compared with them */
	static const struct { enum surge_dimension dimension; struct sv name; } table[] = { { SURGE_ALL, { "host", 4 } },
		{ SURGE_DESTINATION, { "dest", 4 } }, { SURGE_PROVIDER, { "provider", 8 } }, { SURGE_RULE, { "rule", 4 } } };
	enum store_result result = STORE_OK;

	for (size_t i = 0; i < sizeof table / sizeof *table && result == STORE_OK; i++) {
		struct sums sums = { .watch = w, .dimension = table[i].dimension, .time_s = time_s };
		result = store_period(w->store, period, table[i].name, add_counter, &sums, err);
		if (result == STORE_OK)
			give(&sums);
		map_free(&sums.values);
		arena_free(&sums.arena);
	}
	return result;
}

static enum store_result read_usual(struct watch *w, int64_t event_s, struct err *err)
{
	enum store_result result = STORE_OK;
	int64_t now_s = clock_now_s();
	/* of two logs at different days the later one says which; a stamp from the future does not */
	int64_t today = (event_s < now_s ? event_s : now_s) / CLOCK_DAY_S;
	char day[9];

	if (w->usual_day >= today || (w->usual_ms && clock_mono_ms() - w->usual_ms < WATCH_MS))
		return STORE_OK; /* or it did not tell a moment ago */
	surge_forget_usual(w->surge);
	for (int64_t d = today - WATCH_USUAL_DAYS; d < today && result == STORE_OK; d++) {
		clock_format_day(d * CLOCK_DAY_S, day);
		result = read_period(w, sv_of(day), 0, err);
	}
	w->usual_day = result == STORE_OK ? today : -1;
	w->usual_ms = result == STORE_OK ? 0 : clock_mono_ms();
	return result;
}

static enum store_result read_window(struct watch *w, int64_t event_s, struct err *err)
{
	enum store_result result = STORE_OK;
	int64_t from_s = event_s - w->config->brake_window_ms / 1000;
	char minute[CLOCK_MINUTE_MAX];

	/* what is older is not there any more */
	if (event_s < clock_now_s() - 4 * 3600)
		return STORE_OK;
	for (int64_t at_s = from_s - from_s % MINUTE_S; at_s <= event_s && result == STORE_OK; at_s += MINUTE_S) {
		clock_format_minute(at_s, minute);
		result = read_period(w, sv_of(minute), at_s, err);
	}
	return result;
}

/* ---- alerts ---- */

static void remember(void *arg, const struct alert *alert)
{
	struct watch *w = arg;
	struct alert *kept = arena_alloc(&w->arena, sizeof *kept);

	*kept = *alert; /* its strings are in the same arena */
	map_put(&w->open, alert_id(&w->arena, alert), kept);
}

static enum store_result read_alerts(struct watch *w, struct err *err)
{
	map_clear(&w->open);
	arena_reset(&w->arena);
	return store_alerts(w->store, &w->arena, remember, w, err);
}

static bool surge_of(const struct alert *a, enum surge_kind *kind_r, enum surge_dimension *dimension_r)
{
	for (int k = 0; k < SURGE_KINDS; k++) {
		for (int d = 0; d < SURGE_DIMENSIONS; d++) {
			if (a->kind != kinds[k] || !sv_eq(a->dimension, sv_of(dimensions[d])))
				continue;
			*kind_r = (enum surge_kind)k;
			*dimension_r = (enum surge_dimension)d;
			return true;
		}
	}
	return false;
}

static void tell(const struct alert *alert, bool open)
{
	char room[ALERT_TEXT_MAX];
	struct buf text = BUF_ON(room);

	if (open) {
		alert_text(alert, &text);
		log_warning("alert=open %s", buf_cstr(&text));
	} else {
		alert_text_over(alert, &text);
		log_info("alert=closed %s", buf_cstr(&text));
	}
}

/* In the store, and in what we know of it. False: the store does not take it now. */
static bool write_alert(struct watch *w, const struct alert *alert, enum alert_event event)
{
	struct err err = { "" };
	enum store_result result = store_alert(w->store, alert, event, &err);

	if (result != STORE_OK)
		log_warning("an alert cannot be written: %s", err.text);
	return result == STORE_OK;
}

/* What the window says is true here; what another host opened, that host closes. */
static void on_closed(struct watch *w, const struct surge_change *c, struct alert *alert)
{
	const struct alert *was = map_get(&w->open, alert_id(&w->arena, alert));

	if (was && !sv_eq(was->by, w->name)) {
		surge_open_by(w->surge, c->kind, c->dimension, was->value, was->since_s);
		return;
	}
	if (was) { /* it may have begun before the window that a restart found; and what jumped were the numbers of its opening */
		alert->count = was->count;
		alert->base = was->base;
		alert->usual_permille = was->usual_permille;
		alert->since_s = was->since_s;
		alert->opened_s = was->opened_s;
	}
	tell(alert, false);
	(void)write_alert(w, alert, ALERT_CLOSED);
	(void)map_take(&w->open, alert_id(&w->arena, alert));
}

/* again: it was told before, unless the store does not know it */
static void on_change(struct watch *w, const struct surge_change *c, bool again)
{
	struct alert alert = { .kind = kinds[c->kind], .dimension = sv_of(dimensions[c->dimension]), .value = arena_dup(&w->arena, c->value),
		.since_s = c->since_s, .opened_s = c->time_s, .seen_s = clock_now_s(), .count = c->count, .base = c->base,
		.usual_permille = c->usual_permille, .by = w->name };

	/* of a closing that is told again nothing is to be done: what is open in the store is compared after it */
	if (again && !c->open)
		return;
	if (!c->open) {
		on_closed(w, c, &alert);
	} else if (!map_get(&w->open, alert_id(&w->arena, &alert))) {
		tell(&alert, true);
		/* else look() does it */
		(void)write_alert(w, &alert, ALERT_OPENED);
		remember(w, &alert);
	}
}

/* What was usual may have changed with the jump, and of the window there are the counts of minutes, or none. */
static void open_again(struct watch *w, int64_t event_s)
{
	static const struct surge_counts nothing;
	struct map_slot *slot;

	surge_add(w->surge, event_s, SURGE_ALL, sv_make("", 0), &nothing);
	for (size_t i = 0; (slot = map_next(&w->open, &i));) {
		const struct alert *a = slot->value;
		enum surge_kind kind;
		enum surge_dimension dimension;
		if (surge_of(a, &kind, &dimension) && sv_eq(a->by, w->name))
			surge_open_again(w->surge, kind, dimension, a->value, a->since_s, a->usual_permille);
	}
}

const struct alert *watch_log_alert(const struct watch *w, enum alert_kind kind, struct sv log)
{
	struct arena arena = { 0 };
	const struct alert about = { .kind = kind, .dimension = SV("log"), .value = log };
	const struct alert *open = map_get(&w->open, alert_id(&arena, &about));

	arena_free(&arena);
	return open;
}

void watch_log(struct watch *w, const struct alert *alert, bool open)
{
	const struct alert *was = watch_log_alert(w, alert->kind, alert->value);
	struct alert now = *alert;

	if (open == (was != NULL) && (!open || alert->seen_s - was->seen_s <= SEEN_S))
		return;
	if (was) {
		now.opened_s = was->opened_s;
		now.since_s = open ? now.since_s : was->since_s;
	}
	if (open != (was != NULL))
		tell(&now, open);
	if (!write_alert(w, &now, !open ? ALERT_CLOSED : was ? ALERT_SEEN : ALERT_OPENED) && !open)
		return; /* look() finds it again */
	if (!open) {
		(void)map_take(&w->open, alert_id(&w->arena, &now));
		return;
	}
	now.value = arena_dup(&w->arena, now.value);
	now.by = arena_dup(&w->arena, now.by);
	remember(w, &now);
}

/* Alerts of others, of those before us, and of those that are gone. */
static void compare_alerts(struct watch *w)
{
	struct map_slot *slot;
	int64_t now_s = clock_now_s();

	for (size_t i = 0; (slot = map_next(&w->open, &i));) {
		struct alert *a = slot->value;
		enum surge_kind kind;
		enum surge_dimension dimension;
		if (sv_eq(a->dimension, SV("log")) && now_s - a->seen_s > STALE_S) { /* whose reader is gone */
			tell(a, false);
			(void)write_alert(w, a, ALERT_CLOSED);
		}
		if (!surge_of(a, &kind, &dimension))
			continue;
		bool mine = sv_eq(a->by, w->name), open = surge_is_open(w->surge, kind, dimension, a->value);
		if (mine ? !open : now_s - a->seen_s > STALE_S) {
			surge_close_by(w->surge, kind, dimension, a->value);
			tell(a, false);
			(void)write_alert(w, a, ALERT_CLOSED);
		} else if (!mine && !open) {
			surge_open_by(w->surge, kind, dimension, a->value, a->since_s);
		} else if (mine && now_s - a->seen_s > SEEN_S) {
			a->seen_s = now_s;
			(void)write_alert(w, a, ALERT_SEEN);
		}
	}
}

/* Those that others opened, and are not there any more. */
static void forget_closed(struct watch *w, const struct map *before)
{
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(before, &i));) {
		const struct alert *a = slot->value;
		enum surge_kind kind;
		enum surge_dimension dimension;
		if (!map_get(&w->open, slot->key) && !sv_eq(a->by, w->name) && surge_of(a, &kind, &dimension))
			surge_close_by(w->surge, kind, dimension, a->value);
	}
}

/* What is open here, and the store has lost, or did not take. */
static void write_again(struct watch *w, const struct map *before)
{
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(before, &i));) {
		const struct alert *a = slot->value;
		enum surge_kind kind;
		enum surge_dimension dimension;
		if (map_get(&w->open, slot->key) || !sv_eq(a->by, w->name) || !surge_of(a, &kind, &dimension) || !surge_is_open(w->surge, kind, dimension, a->value))
			continue;
		struct alert again = *a;
		again.value = arena_dup(&w->arena, a->value);
		again.dimension = arena_dup(&w->arena, a->dimension);
		again.by = w->name;
		(void)write_alert(w, &again, ALERT_OPENED);
		remember(w, &again);
	}
}

/* False: the store does not tell now, and what it told before stays. */
static bool look(struct watch *w)
{
	struct map before = w->open;
	struct arena old = w->arena;
	struct err err = { "" };

	w->open = (struct map){ 0 };
	w->arena = (struct arena){ 0 };
	bool told = read_alerts(w, &err) == STORE_OK;
	if (told) {
		forget_closed(w, &before);
		write_again(w, &before);
	} else {
		struct map half = w->open;
		struct arena half_arena = w->arena;
		w->open = before;
		w->arena = old;
		before = half;
		old = half_arena;
	}
	map_free(&before);
	arena_free(&old);
	return told;
}

static void tell_changes(struct watch *w, bool again)
{
	struct surge_change change;
	char value[SURGE_VALUE_MAX];
	bool fresh = again;

	while (surge_next_change(w->surge, &change)) {
		memcpy(value, change.value.p, change.value.n);
		change.value.p = value;
		/* another reader may have seen it, too */
		if (!fresh)
			fresh = look(w);
		on_change(w, &change, again);
	}
}

/* ---- rates ---- */

struct rates {
	struct watch *watch;
	const char *dimension;
	int64_t now_s;
	struct arena arena;
	struct map values; /* struct rate by value */
};

struct rate {
	int64_t delivered, soft, hard, complaint;
};

static void add_rate(void *arg, struct sv period, struct sv name, int64_t n)
{
	struct rates *r = arg;
	bool total = strcmp(r->dimension, "all") == 0;
	struct sv counter = total ? name : sv_after_last(name, '|');
	struct sv value = total ? sv_make("", 0) : sv_head(name, name.n - counter.n - (counter.n < name.n));
	struct { const char *name; size_t offset; } table[] = { { "delivered", offsetof(struct rate, delivered) }, { "soft", offsetof(struct rate, soft) },
		{ "hard", offsetof(struct rate, hard) }, { "complaint", offsetof(struct rate, complaint) } };

	(void)period;
	if (sv_eq(value, SV("*")))
		return;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (!sv_eq(counter, sv_of(table[i].name)))
			continue;
		struct rate *rate = map_get(&r->values, value);
		if (!rate) {
			rate = arena_alloc(&r->arena, sizeof *rate);
			map_put(&r->values, arena_dup(&r->arena, value), rate);
		}
		*(int64_t *)((char *)rate + table[i].offset) += n;
	}
}

/* Of a day that is long over: nothing else would ever close it. */
static void close_old(const struct rates *r, const struct alert *a)
{
	if (r->now_s - a->since_s < 2 * CLOCK_DAY_S)
		return;
	tell(a, false);
	(void)write_alert(r->watch, a, ALERT_CLOSED);
}

static void judge_rate(struct rates *r, enum alert_kind kind, struct sv value, int64_t count, int64_t base, int64_t limit_permille)
{
	struct watch *w = r->watch;
	struct alert alert = { .kind = kind, .dimension = sv_of(r->dimension), .value = value, .since_s = r->now_s - r->now_s % CLOCK_DAY_S,
		.opened_s = r->now_s, .seen_s = r->now_s, .count = count, .base = base, .limit_permille = limit_permille, .by = w->name };
	const struct alert *was = map_get(&w->open, alert_id(&r->arena, &alert));
	bool open = alert_rate(was != NULL, count, base, limit_permille, w->config->alerts_minimum);

	/* a day with so few results says nothing about the one that it is about */
	if (open && base < w->config->alerts_minimum) {
		close_old(r, was);
		return;
	}
	if (open && was && r->now_s - was->seen_s <= SEEN_S)
		return;
	if (was)
		alert.opened_s = was->opened_s;
	if (open != (was != NULL))
		tell(&alert, open);
	if (open || was)
		(void)write_alert(w, &alert, !open ? ALERT_CLOSED : was ? ALERT_SEEN : ALERT_OPENED);
}

static void judge_value(struct rates *r, struct sv value, const struct rate *rate)
{
	const struct config *c = r->watch->config;
	int64_t finals = rate->delivered + rate->soft + rate->hard;

	judge_rate(r, ALERT_RATE_HARD, value, rate->hard, finals, c->alerts_hard);
	judge_rate(r, ALERT_RATE_ALL, value, rate->hard + rate->soft, finals, c->alerts_all);
	judge_rate(r, ALERT_RATE_COMPLAINT, value, rate->complaint, rate->delivered, c->alerts_complaints);
}

/* Those without any results today */
static void close_absent(struct rates *r)
{
	struct map_slot *slot;

	for (size_t i = 0; (slot = map_next(&r->watch->open, &i));) {
		const struct alert *a = slot->value;
		bool rate = a->kind == ALERT_RATE_HARD || a->kind == ALERT_RATE_ALL || a->kind == ALERT_RATE_COMPLAINT;
		if (rate && sv_eq(a->dimension, sv_of(r->dimension)) && !map_get(&r->values, a->value))
			close_old(r, a);
	}
}

static void look_at_rates(struct watch *w)
{
	static const char *const table[] = { "all", "sender", "campaign" };
	char day[9];

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct rates r = { .watch = w, .dimension = table[i], .now_s = clock_now_s() };
		struct map_slot *slot;
		struct err err;
		clock_format_day(r.now_s, day);
		if (store_period(w->store, sv_of(day), i ? sv_of(table[i]) : SV(""), add_rate, &r, &err) == STORE_OK) {
			for (size_t j = 0; (slot = map_next(&r.values, &j));)
				judge_value(&r, slot->key, slot->value);
			close_absent(&r);
		}
		map_free(&r.values);
		arena_free(&r.arena);
	}
}

/* ---- ---- */

enum store_result watch_begin(struct watch *w, int64_t event_s, struct err *err)
{
	enum store_result result = read_alerts(w, err);
	bool wanted = event_s && w->config->brake_enabled;

	surge_reset(w->surge);
	w->usual_day = -1;
	w->enabled = w->config->brake_enabled;
	if (result == STORE_OK && wanted)
		result = read_usual(w, event_s, err);
	if (result == STORE_OK && wanted)
		result = read_window(w, event_s, err);
	if (result == STORE_OK && wanted)
		open_again(w, event_s);
	tell_changes(w, true);
	if (result == STORE_OK)
		compare_alerts(w);
	return result;
}

void watch_turn(struct watch *w, int64_t event_s, bool live)
{
	static const struct surge_counts nothing;
	int64_t now_ms = clock_mono_ms();
	struct err err;

	if (w->enabled != w->config->brake_enabled && watch_begin(w, event_s, &err) != STORE_OK)
		log_warning("the brake begins without what was counted before: %s", err.text);
	if (event_s && w->config->brake_enabled)
		if (read_usual(w, event_s, &err) != STORE_OK)
			log_warning("what failures are usual is not known: %s", err.text);
	if (live) /* time goes on without lines */
		surge_add(w->surge, clock_now_s(), SURGE_ALL, sv_make("", 0), &nothing);
	tell_changes(w, false);
	if (now_ms - w->looked_ms >= WATCH_MS) {
		w->looked_ms = now_ms;
		if (look(w))
			compare_alerts(w);
	}
	if (live && now_ms - w->rated_ms >= WATCH_RATES_MS) {
		w->rated_ms = now_ms;
		look_at_rates(w);
	}
}
