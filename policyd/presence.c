#include "presence.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "log.h"

/* Redis was away: it is told soon when it is back. */
#define AGAIN_MS 1000

static void take_requests(const struct metrics *m, struct door_state *s)
{
	int64_t *const to[METRICS_OUTCOMES] = { [METRICS_REJECT] = &s->rejected, [METRICS_DEFER] = &s->deferred, [METRICS_OTHER] = &s->other };
	int64_t *const would[METRICS_OUTCOMES] = { [METRICS_REJECT] = &s->would_reject, [METRICS_DEFER] = &s->would_defer,
		[METRICS_OTHER] = &s->would_other };

	for (size_t p = 0; p < METRICS_PROTOCOLS; p++)
		for (size_t o = 0; o < METRICS_OUTCOMES; o++)
			if (to[o])
				*to[o] += (int64_t)m->requests[p][o];
	for (unsigned a = 0; a < METRICS_ACTIONS; a++)
		for (size_t c = 0; c < CATEGORY_COUNT; c++)
			if (would[metrics_outcome_of((enum action)a)])
				*would[metrics_outcome_of((enum action)a)] += (int64_t)m->would_decide[a][c];
}

static struct sv list_of(struct arena *arena, const uint64_t (*n)[CATEGORY_COUNT])
{
	size_t size = (size_t)METRICS_ACTIONS * CATEGORY_COUNT * 64;
	struct buf b = { .p = arena_alloc(arena, size), .size = size };

	for (unsigned a = 0; a < METRICS_ACTIONS; a++)
		for (unsigned c = 0; c < CATEGORY_COUNT; c++)
			if (n[a][c])
				buf_addf(&b, "%s%s|%s=%" PRIu64, b.n ? " " : "", action_name((enum action)a), category_name((enum category)c), n[a][c]);
	return buf_sv(&b);
}

/* What happened since it was told last. */
static void take_interval(struct presence *p, struct door_state *s)
{
	const struct metrics *m = &p->service->metrics;
	struct histogram latency = histogram_since(&m->latency, &p->latency);
	int64_t now_us = clock_mono_us(), us = now_us - p->told_us;

	s->tenths_per_s = us > 0 ? (int64_t)((double)(metrics_requests(m) - p->requests) * 1e7 / (double)us) : 0;
	s->p50_us = (int64_t)histogram_quantile_us(&latency, 500);
	s->p99_us = (int64_t)histogram_quantile_us(&latency, 990);
	p->told_us = now_us;
	p->requests = metrics_requests(m);
	p->latency = m->latency;
}

static void tell(struct presence *p, enum door_doing doing);

static void on_told(void *arg, enum store_result result)
{
	struct presence *p = arg;

	p->waiting = false;
	if (result == STORE_UNREACHABLE)
		p->due_ms = clock_mono_ms() + AGAIN_MS;
	else if (result != STORE_OK && !p->refused)
		log_warning("Redis refuses what nixie status asks of this service (rights, memory, read-only, or a key of another type): nixie doctor tells");
	p->refused = result != STORE_OK && result != STORE_UNREACHABLE;
	if (p->ending && result == STORE_OK)
		tell(p, DOOR_STOPPED);
}

static void tell(struct presence *p, enum door_doing doing)
{
	const struct metrics *m = &p->service->metrics;
	struct arena arena = { 0 };

	door_gauge(p->service->door);
	struct door_state s = { .name = sv_of(p->name), .version = SV(NIXIE_VERSION), .host = sv_of(cli_hostname()), .doing = doing, .pid = getpid(),
		.started_s = m->since_s, .updated_s = clock_now_s(), .shadow = m->shadow, .connections = (int64_t)m->connections,
		.connections_total = (int64_t)m->connections_total, .requests = (int64_t)metrics_requests(m), .parole = (int64_t)m->parole_granted,
		.parole_refused = (int64_t)m->parole_refused, .malformed = (int64_t)m->malformed, .store_failures = (int64_t)metrics_store_failures(m),
		.from_memory = (int64_t)m->from_snapshot, .cache_hits = (int64_t)m->cache_hits, .cache_misses = (int64_t)m->cache_misses,
		.cache_entries = (int64_t)m->cache_entries, .cache_bytes = (int64_t)m->cache_bytes, .cache_limit = (int64_t)m->cache_limit_bytes,
		.decided = list_of(&arena, m->decided), .would_decide = list_of(&arena, m->would_decide) };
	take_requests(m, &s);
	take_interval(p, &s);
	p->due_ms = clock_mono_ms() + DOOR_STATE_MS;
	p->waiting = true;
	p->ending = p->ending && doing != DOOR_STOPPED;
	store_door(p->service->store, &s, on_told, p);
	arena_free(&arena);
}

void presence_begin(struct presence *p, struct service *service)
{
	const struct strings *listen = &service->config->policyd_listen;

	*p = (struct presence){ .service = service, .told_us = clock_mono_us() };
	(void)snprintf(p->name, sizeof p->name, "%s%s%s", cli_hostname(), listen->n ? ":" : "", listen->n ? listen->v[0] : "");
}

void presence_attend(struct presence *p, int64_t now_ms)
{
	if (p->waiting || now_ms < p->due_ms)
		return;
	if (store_ready(p->service->store))
		tell(p, DOOR_SERVING);
	else
		p->due_ms = now_ms + AGAIN_MS;
}

int presence_timeout_ms(const struct presence *p)
{
	int64_t ms = p->due_ms - clock_mono_ms();

	return p->waiting ? DOOR_STATE_MS : ms > 0 ? (int)ms : 0;
}

void presence_end(struct presence *p)
{
	p->ending = true;
	if (!p->waiting && store_ready(p->service->store))
		tell(p, DOOR_STOPPED);
}

bool presence_waits(const struct presence *p)
{
	return p->waiting;
}
