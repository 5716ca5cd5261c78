/* Figures for Prometheus, and whether the service is well, over HTTP. */
#include <stdlib.h>

#include "arena.h"
#include "http.h"
#include "protocol.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_METRICS "text/plain; version=0.0.4; charset=utf-8"

static void say(struct conn *c, const struct http_request *r, int status, const char *type, struct sv body)
{
	struct buf b = { .size = HTTP_HEAD_MAX + body.n };

	b.p = xalloc(b.size);
	http_add_head(&b, status, type, body.n);
	if (!r->head_only)
		buf_add(&b, body);
	conn_send(c, buf_sv(&b));
	free(b.p);
}

static void say_metrics(struct service *service, struct conn *c, const struct http_request *r)
{
	struct buf b = { .p = xalloc(METRICS_TEXT_MAX), .size = METRICS_TEXT_MAX };

	door_gauge(service->door);
	metrics_write(&service->metrics, &b);
	say(c, r, 200, TEXT_METRICS, buf_sv(&b));
	free(b.p);
}

static void answer_path(struct service *service, struct conn *c, const struct http_request *r)
{
	if (sv_eq(r->path, SV("/metrics")))
		say_metrics(service, c, r);
	else if (sv_eq(r->path, SV("/health")))
		say(c, r, 200, TEXT_PLAIN, SV("serving\n"));
	else if (sv_eq(r->path, SV("/ready")) && store_ready(service->store))
		say(c, r, 200, TEXT_PLAIN, SV("ready\n"));
	else if (sv_eq(r->path, SV("/ready")))
		say(c, r, 503, TEXT_PLAIN, SV("Redis is not connected\n"));
	else
		say(c, r, 404, TEXT_PLAIN, SV("ask for /metrics, /health or /ready\n"));
}

static enum protocol_result take(struct service *service, struct conn *c, struct sv bytes, size_t *used_r, const char **problem_r)
{
	struct http_request r;

	(void)problem_r; /* what is wrong is answered */
	if (http_parse(bytes, &r) == HTTP_MORE)
		return PROTOCOL_MORE;
	*used_r = bytes.n;
	if (r.status) {
		const char *reason = http_reason(r.status);
		say(c, &r, r.status, TEXT_PLAIN, sv_of(reason));
	} else {
		answer_path(service, c, &r);
	}
	return PROTOCOL_LAST;
}

const struct protocol protocol_metrics = {
	.name = "metrics", .client = "Prometheus", .listen = offsetof(struct config, policyd_metrics), .clients_max = 16, .one_request = true,
	.take = take,
};
