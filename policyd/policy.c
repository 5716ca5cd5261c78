/* Postfix's policy delegation protocol: SMTPD_POLICY_README. */
#include "proto.h"
#include "protocol.h"

static const struct sv dunno = { "action=DUNNO\n\n", 14 };

static void answer(struct conn *c, const struct decision *d)
{
	static const struct sv action = { "action=", 7 };
	char line[DECIDE_REPLY_MAX + 16];
	struct buf b = BUF_ON(line); /* has room for all */

	if (d->action == ACTION_DUNNO) {
		conn_send(c, dunno);
		return;
	}
	buf_add(&b, action);
	buf_add(&b, sv_of(d->reply));
	buf_add(&b, SV("\n\n"));
	conn_send(c, buf_sv(&b));
}

/* At RCPT, and behind DATA where the message has one recipient. Who asks by hand, without a state, means that. */
static bool decides(const struct request *r)
{
	return r->recipient.n && (r->state.n == 0 || sv_eq(r->state, SV("RCPT")) || sv_eq(r->state, SV("DATA")) ||
		sv_eq(r->state, SV("END-OF-MESSAGE")));
}

static enum protocol_result take(struct service *service, struct conn *c, struct sv bytes, size_t *used_r, const char **problem_r)
{
	struct request r;

	switch (proto_parse(bytes, &r, used_r, problem_r)) {
	case PROTO_MORE:
		return PROTOCOL_MORE;
	case PROTO_BAD:
		return PROTOCOL_BAD;
	case PROTO_REQUEST:
		break;
	}
	if (!decides(&r)) {
		metrics_unasked(&service->metrics, METRICS_POLICY, METRICS_DUNNO);
		conn_send(c, dunno);
		return PROTOCOL_ANSWERED;
	}
	const struct asking asking = { .protocol = METRICS_POLICY, .form = ADDRESS_INTERNAL, .recipient = r.recipient, .sender = r.sender,
		.login = r.login, .context = r.context, .client_name = r.client_name, .client_address = r.client_address, .instance = r.instance };
	const struct decision *d = door_ask(service->door, &asking, c);
	if (!d)
		return PROTOCOL_WAITS;
	answer(c, d);
	return PROTOCOL_ANSWERED;
}

const struct protocol protocol_policy = {
	.name = "policy", .client = "Postfix", .listen = offsetof(struct config, policyd_listen), .take = take, .answer = answer,
};
