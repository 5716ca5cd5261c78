/* doctor: does Postfix ask nixie-policyd, before anything permits, and can it reach the socket. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor_postfix_parts.h"
#include "knock.h"

/* Postfix waits so long for an answer, and twice: its own 100 s hold a client up for minutes. */
#define TIMEOUT_MAX_S 30
#define ITEM_SHOWN 60
#define KNOCK_MS 1000

/* Where a policy service may be asked at each RCPT, in the order in which Postfix goes through them. */
static const char *const lists[] = { "smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
	"smtpd_relay_restrictions", "smtpd_recipient_restrictions" };
#define LIST_OF_RECIPIENTS 4
/* The lists before this one come before there is a recipient, unless smtpd_delay_reject is on, as it is. */
#define LIST_OF_RELAYS 3
#define LISTS (sizeof lists / sizeof *lists)

/* ---- which socket it is ---- */

struct reach doctor_postfix_reach(const struct postfix *p, bool chroot, const char *path)
{
	return (struct reach){ .user = p->owner, .root = chroot ? p->queue : NULL, .directory = p->queue, .path = path, .how = REACH_CONNECT };
}

static bool is_local(struct sv host)
{
	return !host.n || sv_starts(host, SV("127.")) || sv_eq(host, SV("localhost")) || sv_eq(host, SV("[::1]"));
}

/* "inet:127.0.0.1:10040" and "inet:localhost:10040" */
static bool same_port(struct sv a, struct sv b)
{
	struct sv port_a = sv_after_last(a, ':'), port_b = sv_after_last(b, ':');

	if (!sv_take(&a, SV("inet:")) || !sv_take(&b, SV("inet:")) || !sv_eq(port_a, port_b))
		return false;
	struct sv host_a = sv_head(a, a.n - port_a.n - (a.n > port_a.n)), host_b = sv_head(b, b.n - port_b.n - (b.n > port_b.n));
	return sv_eq(host_a, host_b) || (is_local(host_a) && is_local(host_b));
}

bool doctor_postfix_is_one_of(const struct postfix *p, const struct strings *endpoints, bool chroot, struct sv named)
{
	char text[CONFIG_STRING_MAX], path[PATH_MAX];
	struct sv file = named;
	bool local = sv_take(&file, SV("unix:"));

	(void)snprintf(text, sizeof text, "%.*s", SV_ARG(file));
	const struct reach reach = doctor_postfix_reach(p, chroot, text);
	if (local)
		reach_path(&reach, path);
	for (size_t i = 0; i < endpoints->n; i++) {
		struct sv own = sv_of(endpoints->v[i]);
		if (local ? sv_take(&own, SV("unix:")) && doctor_same_file(path, own.p) : same_port(named, own))
			return true;
	}
	return false;
}

/* ---- is anybody there ---- */

/* A service of master.cf itself is there when Postfix is: "private/spf", "127.0.0.1:9998". */
static bool is_of_master(const struct postfix *p, struct sv named)
{
	struct sv name = named;
	bool local = sv_take(&name, SV("unix:"));

	if (local && !sv_take(&name, SV("private/")))
		(void)sv_take(&name, SV("public/"));
	for (size_t i = 0; i < p->mailer.n_services; i++) {
		const struct mailer_service *s = &p->mailer.services[i];
		if (local ? sv_eq(s->name, name) : sv_eq(s->type, SV("inet")) && sv_eq(sv_after_last(s->name, ':'), sv_after_last(name, ':')))
			return true;
	}
	return false;
}

static bool refuses(const char *endpoint)
{
	int fd = knock_open(endpoint, clock_mono_ms() + KNOCK_MS);

	if (fd < 0)
		return errno == ECONNREFUSED || errno == ENOENT;
	close(fd);
	return false;
}

/* Surely nothing answers there. Other hosts are not asked, and what this user may not connect to may be there. */
static bool is_dead(const struct postfix *p, bool chroot, struct sv named)
{
	char text[CONFIG_STRING_MAX], path[PATH_MAX], endpoint[PATH_MAX + 16];
	struct sv rest = named;
	bool local = sv_take(&rest, SV("unix:"));

	if (is_of_master(p, named) || (!local && !sv_take(&rest, SV("inet:"))))
		return false;
	(void)snprintf(text, sizeof text, "%.*s", SV_ARG(rest));
	if (local) {
		const struct reach reach = doctor_postfix_reach(p, chroot, text);
		reach_path(&reach, path);
		if (strlen(path) >= sizeof ((struct sockaddr_un *)NULL)->sun_path)
			return false;
		(void)snprintf(endpoint, sizeof endpoint, "unix:%s", path);
	} else {
		struct sv port = sv_after_last(rest, ':'), host = sv_head(rest, rest.n - port.n - (rest.n > port.n));
		if (!is_local(host))
			return false;
		(void)snprintf(endpoint, sizeof endpoint, "inet:%.*s:%.*s", SV_ARG(host.n ? host : SV("127.0.0.1")), SV_ARG(port));
	}
	return refuses(endpoint);
}

/* Something is there, and the service's chroot has another path for it. */
static bool is_hidden(const struct postfix *p, bool chroot, struct sv named)
{
	return chroot && sv_starts(named, SV("unix:/")) && !is_dead(p, false, named);
}

/* ---- what it asks ---- */

static enum whose whose_is(const struct postfix *p, const struct mailer_service *service, struct sv named)
{
	const struct strings *listen = &p->d->config->policyd_listen;

	if (doctor_postfix_is_one_of(p, listen, service->chroot, named))
		return ASKS_OURS;
	if (sv_find_sv(named, SV("nixie")) < named.n || doctor_postfix_is_one_of(p, listen, false, named))
		return ASKS_MEANT;
	return is_dead(p, service->chroot, named) ? ASKS_DEAD : ASKS_NOBODY;
}

static void find_question(const struct postfix *p, const struct mailer_service *service, struct asks *a)
{
	bool overridden, delayed = !sv_eq(mailer_service_value(&p->mailer, service, "smtpd_delay_reject", &overridden), SV("no"));

	*a = (struct asks){ .service = service };
	for (size_t i = 0; i < LISTS && (a->whose != ASKS_OURS || a->early); i++) {
		bool early = !delayed && i < LIST_OF_RELAYS;
		struct sv value = mailer_service_value(&p->mailer, service, lists[i], &overridden);
		struct mailer_walk walk = mailer_walk(&p->mailer, service, lists[i]);
		struct mailer_question q;
		if (i == LIST_OF_RECIPIENTS && a->whose == ASKS_NOBODY) {
			a->list = lists[i]; /* where it should */
			a->value = value;
			a->overridden = overridden;
		}
		while (mailer_next_question(&walk, &q)) {
			enum whose whose = whose_is(p, service, q.endpoint);
			if (whose <= a->whose && !(whose == ASKS_OURS && a->early))
				continue;
			*a = (struct asks){ service, lists[i], value, overridden, whose, whose == ASKS_OURS && early, q, walk };
			if (whose == ASKS_OURS)
				break;
		}
	}
}

/* As it is on this host: PATH, or inet:... */
static const char *where_is(const struct postfix *p, bool chroot, struct sv named, char path_r[PATH_MAX])
{
	char text[CONFIG_STRING_MAX];
	bool local = sv_take(&named, SV("unix:"));

	(void)snprintf(text, sizeof text, "%.*s", SV_ARG(named));
	const struct reach reach = doctor_postfix_reach(p, chroot, text);
	if (local)
		reach_path(&reach, path_r);
	else
		(void)snprintf(path_r, PATH_MAX, "%s", text);
	return path_r;
}

static void tell_elsewhere(struct postfix *p, const struct asks *a)
{
	char advice[VALUE_MAX + 256], path[PATH_MAX];
	struct sv named = a->question.endpoint;
	bool hidden = is_hidden(p, a->service->chroot, named);

	doctor_tell(p->d, FINDING_ERROR, "postfix", doctor_postfix_advise(p, a, advice, sizeof advice),
		"service %.*s asks at %s%s, where nixie-policyd does not listen (policyd.listen)%s%.*s", SV_ARG(a->service->name),
		where_is(p, a->service->chroot, named, path), a->service->chroot ? ", in its chroot" : "", hidden ? ": the chroot hides " : "",
		SV_ARG(hidden ? named : SV("")));
}

/* Of a question to whom we do not know, where nothing answers: whether it is to be ours only people know. */
static void tell_dead(struct postfix *p, const struct asks *a, const char *line)
{
	char advice[2 * VALUE_MAX], path[PATH_MAX];
	struct sv named = a->question.endpoint, action = mailer_attribute(&p->mailer, &a->question, "default_action", "smtpd_policy_service_default_action");
	bool hidden = is_hidden(p, a->service->chroot, named);

	(void)snprintf(advice, sizeof advice, "%s%s%sif it is to be another policy service%s%s", *line ? "if it is to be nixie-policyd: " : "", line, *line ? "; " : "",
		hidden ? ": let it listen below " : ", start that one, or take the entry away", hidden ? p->queue : "");
	doctor_tell(p->d, FINDING_ERROR, "postfix", advice,
		"service %.*s asks at %.*s in %s, %s%s: it waits at each recipient, and then Postfix says \"%.*s\"", SV_ARG(a->service->name), SV_ARG(named), a->list,
		hidden ? "as its chroot hides that one, nothing is at " : "where nothing answers", hidden ? where_is(p, true, named, path) : "", SV_ARG(action));
}

/* Besides the one that is told already. */
static void check_others(struct postfix *p, const struct asks *told)
{
	for (size_t i = 0; i < LISTS; i++) {
		struct asks a = { .service = told->service, .list = lists[i], .walk = mailer_walk(&p->mailer, told->service, lists[i]) };
		while (mailer_next_question(&a.walk, &a.question)) {
			struct sv named = a.question.endpoint;
			bool same = a.question.whole.p == told->question.whole.p;
			if (!same && !doctor_postfix_is_one_of(p, &p->d->config->policyd_listen, a.service->chroot, named) && is_dead(p, a.service->chroot, named))
				tell_dead(p, &a, "");
		}
	}
}

/* A brace that is not closed, in any of the lists: the line to type where it is our question's. */
static bool tell_unclosed(struct postfix *p, const struct asks *a)
{
	char advice[VALUE_MAX + 256];
	struct sv item = SV(""), where = SV("");

	for (size_t i = 0; i < LISTS && !item.n; i++) {
		struct mailer_walk walk = mailer_walk(&p->mailer, a->service, lists[i]);
		item = mailer_unclosed(&walk);
		where = walk.class.n ? walk.class : sv_of(lists[i]);
	}
	if (!item.n)
		return false;
	if (a->question.open)
		(void)doctor_postfix_advise(p, a, advice, sizeof advice);
	else
		(void)snprintf(advice, sizeof advice, "close it by a } behind what belongs to it; it stands in %.*s, or in a parameter that is named there",
			SV_ARG(where));
	doctor_tell(p->d, FINDING_ERROR, "postfix", advice, "service %.*s: the { of \"%.*s%s\" in %.*s is never closed: smtpd ends at once, and no mail comes in",
		SV_ARG(a->service->name), SV_ARG(sv_head(item, ITEM_SHOWN)), item.n > ITEM_SHOWN ? "..." : "", SV_ARG(where));
	return true;
}

/* What Postfix itself has where nobody has set it. */
#define ACTION_UNSET "451 4.3.5"

/* OK, PERMIT, permit_mynetworks, or digits only, as access(5) has it. */
static bool permits(struct sv action)
{
	size_t digits = 0;

	while (digits < action.n && sv_is_digit(action.p[digits]))
		digits++;
	return action.n && (digits == action.n || sv_eq_nocase(action, SV("OK")) || sv_starts_nocase(action, SV("PERMIT")));
}

/* What Postfix does while nixie-policyd is away. */
static void check_action(struct postfix *p, const struct asks *a)
{
	struct sv action = mailer_attribute(&p->mailer, &a->question, "default_action", "smtpd_policy_service_default_action");
	char advice[VALUE_MAX + 256];

	(void)doctor_postfix_advise(p, a, advice, sizeof advice);
	if (permits(action))
		doctor_tell(p->d, FINDING_ERROR, "question", advice, "while nixie-policyd is away Postfix permits all that %s asks about (default_action=%.*s): %s",
			a->list, SV_ARG(action), sv_eq(sv_of(a->list), sv_of(lists[LIST_OF_RELAYS])) ? "an open relay" : "nothing behind it in that list is asked");
	else if (sv_starts(action, SV("5")) || sv_starts_nocase(action, SV("REJECT")))
		doctor_tell(p->d, FINDING_ERROR, "question", advice, "while nixie-policyd is away Postfix refuses all mail for good (default_action=%.*s)", SV_ARG(action));
	else if (sv_starts(action, SV(ACTION_UNSET)))
		doctor_tell(p->d, FINDING_WARNING, "question", advice, "while nixie-policyd is away all mail waits: without default_action Postfix says \"%.*s\"",
			SV_ARG(action));
	else
		doctor_tell(p->d, FINDING_OK, "question", "", "while nixie-policyd is away Postfix says \"%.*s\"%s", SV_ARG(action),
			sv_starts(action, SV("4")) || sv_starts_nocase(action, SV("DEFER")) ? ": all mail waits" : "");
}

/* Each once: all services mostly have the same. */
static void check_question(struct postfix *p, const struct asks *a)
{
	struct sv timeout = mailer_attribute(&p->mailer, &a->question, "timeout", "smtpd_policy_service_timeout");
	struct sv tries = mailer_attribute(&p->mailer, &a->question, "try_limit", "smtpd_policy_service_try_limit");
	char advice[VALUE_MAX + 256];

	if (p->told_list && strcmp(p->told_list, a->list) == 0 && sv_eq(p->told_question, a->question.whole))
		return;
	p->told_list = a->list;
	p->told_question = a->question.whole;
	if (mailer_seconds(timeout) > TIMEOUT_MAX_S)
		doctor_tell(p->d, FINDING_WARNING, "question", doctor_postfix_advise(p, a, advice, sizeof advice),
			"Postfix waits %.*s for an answer, and then once more: a nixie-policyd that hangs holds each client up so long", SV_ARG(timeout));
	check_action(p, a);
	(void)snprintf(advice, sizeof advice, "postconf%s -e smtpd_policy_service_try_limit=2 && postfix%s reload", mailer_option(&p->mailer),
		mailer_option(&p->mailer));
	if (sv_eq(tries, SV("1")))
		doctor_tell(p->d, FINDING_WARNING, "question", advice,
			"smtpd_policy_service_try_limit is 1: after a restart of nixie-policyd the open SMTP sessions do not ask any more");
}

static void check_policy_socket(struct postfix *p, const struct asks *a)
{
	struct sv file = a->question.endpoint;
	char path[CONFIG_STRING_MAX], what[CONFIG_STRING_MAX];

	if (!sv_take(&file, SV("unix:")))
		return;
	(void)snprintf(path, sizeof path, "%.*s", SV_ARG(file));
	(void)snprintf(what, sizeof what, "service %.*s", SV_ARG(a->service->name));
	const struct reach reach = doctor_postfix_reach(p, a->service->chroot, path);
	doctor_postfix_socket(p, "socket", what, &reach);
}

/* ---- each smtpd ---- */

static bool is_smtpd(const struct mailer_service *service)
{
	return sv_eq(service->program, SV("smtpd"));
}

static const char *advise_delay(const struct postfix *p, char *room, size_t size)
{
	const char *option = mailer_option(&p->mailer);

	(void)snprintf(room, size, "postconf%s -e smtpd_delay_reject=yes && postfix%s reload; or ask in smtpd_recipient_restrictions", option, option);
	return room;
}

static void check_service(struct postfix *p, const struct mailer_service *service)
{
	struct asks a;
	char advice[VALUE_MAX + 256];

	find_question(p, service, &a);
	if (tell_unclosed(p, &a))
		return;
	if (a.whose == ASKS_MEANT)
		tell_elsewhere(p, &a);
	else if (a.whose == ASKS_DEAD)
		tell_dead(p, &a, doctor_postfix_advise(p, &a, advice, sizeof advice));
	else if (a.whose != ASKS_OURS && p->asking && is_local(sv_head(service->name, sv_find(service->name, ':'))))
		doctor_tell(p->d, FINDING_OK, "postfix", "", "service %.*s does not ask: right for what comes back from a content filter", SV_ARG(service->name));
	else if (a.whose != ASKS_OURS)
		doctor_tell(p->d, FINDING_WARNING, "postfix", doctor_postfix_advise(p, &a, advice, sizeof advice),
			"service %.*s does not ask nixie-policyd: mail to suppressed addresses is accepted", SV_ARG(service->name));
	else if (a.early)
		doctor_tell(p->d, FINDING_ERROR, "postfix", advise_delay(p, advice, sizeof advice),
			"service %.*s asks in %s before there is a recipient, as smtpd_delay_reject is no: nothing is refused", SV_ARG(service->name), a.list);
	else if (a.question.only_warns)
		doctor_tell(p->d, FINDING_WARNING, "postfix", doctor_postfix_advise(p, &a, advice, sizeof advice),
			"service %.*s asks behind warn_if_reject in %s: nothing is refused, Postfix only logs what would be", SV_ARG(service->name), a.list);
	else if (a.question.permitted.n)
		doctor_tell(p->d, FINDING_WARNING, "postfix", doctor_postfix_advise(p, &a, advice, sizeof advice),
			"service %.*s asks behind %.*s in %s: of what that permits, such as your own newsletters, nobody asks", SV_ARG(service->name),
			SV_ARG(a.question.permitted), a.list);
	else
		doctor_tell(p->d, FINDING_OK, "postfix", "", "service %.*s asks first, in %s", SV_ARG(service->name), a.list);
	check_others(p, &a);
	if (a.whose != ASKS_OURS)
		return;
	check_question(p, &a);
	check_policy_socket(p, &a);
}

static void check_services(struct postfix *p)
{
	const struct mailer *m = &p->mailer;
	size_t n = 0;

	for (size_t i = 0; i < m->n_services; i++) {
		struct asks a;
		if (!is_smtpd(&m->services[i]))
			continue;
		find_question(p, &m->services[i], &a);
		p->asking += a.whose == ASKS_OURS;
	}
	for (size_t i = 0; i < m->n_services; i++) {
		n += is_smtpd(&m->services[i]);
		if (is_smtpd(&m->services[i]))
			check_service(p, &m->services[i]);
	}
	if (!n)
		doctor_tell(p->d, FINDING_OK, "postfix", "", "master.cf has no smtpd: what programs send by sendmail(1) is asked about by policyd.maps only");
}

void doctor_postfix(struct doctor *d, const char *directory)
{
	struct postfix *p;
	struct err err;

	if (!directory && !mailer_here()) {
		doctor_tell(d, FINDING_OK, "postfix", "", "none is set up on this host; of another directory: nixie doctor --postfix DIR");
		return;
	}
	p = xalloc(sizeof *p);
	p->d = d;
	if (mailer_open(&p->mailer, directory, &err)) {
		(void)snprintf(p->queue, sizeof p->queue, "%.*s", SV_ARG(mailer_value(&p->mailer, "queue_directory")));
		(void)snprintf(p->owner, sizeof p->owner, "%.*s", SV_ARG(mailer_value(&p->mailer, "mail_owner")));
		check_services(p);
		doctor_postfix_maps(p);
		doctor_maillog(d, &p->mailer);
	} else {
		char advice[PATH_MAX + 32];
		(void)snprintf(advice, sizeof advice, "postconf%s%s tells what is wrong with main.cf or master.cf", directory ? " -c " : "", directory ? directory : "");
		doctor_tell(d, FINDING_ERROR, "postfix", advice, "the configuration cannot be read: %s", err.text);
	}
	mailer_free(&p->mailer);
	free(p);
}
