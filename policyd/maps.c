/* What Postfix looks up in socket maps: nixie-policyd(8), MAPS. */
#include <stddef.h>

#include "cli.h"
#include "clock.h"
#include "log.h"
#include "protocol.h"
#include "socketmap.h"
#include "status_filter.h"

enum which { MAP_TRANSPORT, MAP_ACCESS, MAP_STATUS, MAP_STATE, MAPS };

static const struct sv names[MAPS] = { { "transport", 9 }, { "access", 6 }, { "status", 6 }, { "state", 5 } };

static struct log_limit unknown_limit;

static void say(struct conn *c, enum socketmap_answer answer, struct sv text)
{
	char room[SOCKETMAP_REPLY_MAX];
	struct buf b = BUF_ON(room);

	socketmap_add(&b, answer, text);
	conn_send(c, buf_sv(&b));
}

static void answer(struct conn *c, const struct decision *d)
{
	char text[DECIDE_TRANSPORT_MAX] = "";
	struct sv said = sv_make(text, 0);

	if (c->mode == MAP_TRANSPORT) {
		decide_transport(d, text, sizeof text);
		said = sv_of(text);
	} else if (c->mode == MAP_STATE ? d->by != BY_NOTHING : d->action != ACTION_DUNNO) {
		said = sv_of(d->reply);
	}
	/* Without Redis. A table of actions says so with one; what a table of transports says stays in
	 * smtpd's memory, and an error does not. */
	if (c->mode != MAP_ACCESS && d->action == ACTION_DEFER_IF_PERMIT && d->by == BY_NOTHING)
		say(c, SOCKETMAP_TEMP, SV("Redis does not tell whether the recipient is suppressed"));
	else
		say(c, SOCKETMAP_OK, said); /* an empty one is NOTFOUND */
}

static void filter(struct service *service, struct conn *c, struct sv line)
{
	char room[SOCKETMAP_TEXT_MAX];
	struct buf b = BUF_ON(room);
	int64_t began_us = clock_mono_us();
	/* cut short it would be another failure: then it stays as it was */
	bool changed = service->rules && status_filter(service->rules, service->config->status_filter, line, &b) && !b.full;

	metrics_request(&service->metrics, METRICS_SOCKETMAP, changed ? METRICS_OTHER : METRICS_DUNNO, (uint64_t)(clock_mono_us() - began_us));
	say(c, SOCKETMAP_OK, sv_head(buf_sv(&b), changed ? b.n : 0));
}

static void refuse_map(struct service *service, struct conn *c, struct sv name)
{
	if (log_limited(&unknown_limit, "lookups in maps that there are not"))
		log_warning("there is no map \"%.*s\"; write transport, access, status or state behind the socket in main.cf", SV_ARG(sv_head(name, 64)));
	metrics_unasked(&service->metrics, METRICS_SOCKETMAP, METRICS_OTHER);
	say(c, SOCKETMAP_PERM, SV("there is no such map; there are transport, access, status and state"));
}

static enum protocol_result take(struct service *service, struct conn *c, struct sv bytes, size_t *used_r, const char **problem_r)
{
	struct socketmap_request r;
	int map = 0;

	switch (socketmap_parse(bytes, &r, used_r, problem_r)) {
	case SOCKETMAP_MORE:
		return PROTOCOL_MORE;
	case SOCKETMAP_BAD:
		return PROTOCOL_BAD;
	case SOCKETMAP_REQUEST:
		break;
	}
	while (map < MAPS && !sv_eq(r.map, names[map]))
		map++;
	c->mode = map;
	if (map == MAPS || map == MAP_STATUS) {
		if (map == MAPS)
			refuse_map(service, c, r.map);
		else
			filter(service, c, r.key);
		return PROTOCOL_ANSWERED;
	}
	const struct asking asking = { .protocol = METRICS_SOCKETMAP, .about = map == MAP_STATE ? ASK_STATE : ASK_ADDRESS,
		.form = ADDRESS_EXTERNAL, .recipient = r.key, .client_name = SV("socketmap"), .client_address = names[map] };
	const struct decision *d = door_ask(service->door, &asking, c);
	if (!d)
		return PROTOCOL_WAITS;
	answer(c, d);
	return PROTOCOL_ANSWERED;
}

bool maps_load(struct service *service, const struct config *config, struct err *err)
{
	struct ruleset *rules = NULL;
	bool needed = false;

	for (size_t i = 0; i < CATEGORY_COUNT; i++)
		needed |= config->status_filter[i] != CHANGE_NOTHING;
	if (needed) {
		rules = cli_load_rules(config, err);
		if (!rules)
			return false;
	}
	ruleset_free(service->rules);
	service->rules = rules;
	return true;
}

const struct protocol protocol_maps = {
	.name = "maps", .client = "Postfix", .listen = offsetof(struct config, policyd_maps), .take = take, .answer = answer,
};
