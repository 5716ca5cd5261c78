/* doctor: what is on this host besides the logs: the rules, the conversions, nixie-policyd. */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"

/* ---- rules and conversions ---- */

int doctor_rules(struct doctor *d)
{
	struct err err;
	struct ruleset *rules = cli_load_rules(d->config, &err);

	if (!rules) {
		doctor_tell(d, FINDING_ERROR, "rules", "mend it; then: nixie rules test && nixie rules lint", "%s", err.text);
		return EXIT_CONFIG;
	}
	doctor_tell(d, FINDING_OK, "rules", "", "%zu rules are read", ruleset_count(rules));
	doctor_conversions(d, rules);
	ruleset_free(rules);
	return EXIT_OK;
}

static int64_t length_s(struct span span)
{
	return clock_after_us(clock_now_us(), span) / CLOCK_SECOND_US - clock_now_s();
}

/* Can this conversion ever happen? NULL: yes. */
static const char *impossible(const struct conversion *c, const struct ruleset *rules)
{
	enum category category;
	const struct rule *rule = ruleset_find(rules, sv_of(c->match));
	int64_t window_s = length_s(c->window);
	bool by_category = category_by_name(sv_of(c->match), &category);

	if (by_category ? category_class(category) != CLASS_SOFT : rule && rule->class_ != CLASS_SOFT)
		return "what it watches is not soft: only soft failures convert";
	if (!by_category && rule && rule->disabled)
		return "the rule that it watches is disabled";
	if (window_s && length_s(c->min_span) > window_s)
		return "its span is longer than its window";
	if (window_s && c->per == PER_DAY && window_s < (int64_t)(c->count - 1) * CLOCK_DAY_S)
		return "its window has fewer days than its count";
	return NULL;
}

void doctor_conversions(struct doctor *d, struct ruleset *rules)
{
	const struct conversions *all = &d->config->conversions;
	size_t faults = 0, terms = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct conversion *c = &all->v[i];
		const char *why = impossible(c, rules);
		if (!why)
			continue;
		faults++;
		doctor_tell(d, FINDING_WARNING, "conversions", "mend it in the configuration: nixie.conf(5), conversions",
			"line %u: match = \"%s\" never converts: %s", c->line, c->match, why);
	}
	for (size_t i = 0; i < CATEGORY_COUNT; i++)
		terms += all->terms[i].factor != 0;
	if (!faults)
		doctor_tell(d, FINDING_OK, "conversions", "", "%zu conversions, %zu terms", all->n, terms);
}

/* ---- nixie-policyd ---- */

static int connect_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool wait_for(int fd, short events, int64_t end_ms)
{
	struct pollfd p = { fd, events, 0 };
	int64_t left_ms = end_ms - clock_mono_ms();

	errno = ETIMEDOUT;
	return left_ms > 0 && poll(&p, 1, (int)left_ms) == 1;
}

static int connect_inet(const char *host_port, int64_t end_ms)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	const char *colon = strrchr(host_port, ':'); /* config.c has checked it */
	struct sv h = sv_make(host_port, (size_t)(colon - host_port));
	char host[CONFIG_STRING_MAX];
	int fd = -1, error = ECONNREFUSED;

	if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') /* [::1] */
		h = sv_make(h.p + 1, h.n - 2);
	(void)snprintf(host, sizeof host, "%.*s", SV_ARG(h));
	if (getaddrinfo(host, colon + 1, &hints, &list) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		socklen_t size = sizeof error;
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
		if (fd < 0)
			continue;
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		error = errno;
		if (error == EINPROGRESS && wait_for(fd, POLLOUT, end_ms) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
			break;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	errno = error;
	return fd;
}

/* Asks; the first line of the answer, or "" with errno. */
static void ask(int fd, int64_t end_ms, char *answer, size_t size)
{
	static const char request[] = "request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=nixie-doctor@invalid\nsender=\n"
		"queue_id=\ninstance=nixie-doctor\n\n";
	size_t n = 0;

	answer[0] = '\0';
	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
		return;
	while (n < size - 1 && !memchr(answer, '\n', n)) {
		if (!wait_for(fd, POLLIN, end_ms))
			break;
		ssize_t got = read(fd, answer + n, size - 1 - n);
		if (got <= 0) {
			errno = got == 0 ? ECONNRESET : errno;
			break;
		}
		n += (size_t)got;
		answer[n] = '\0';
	}
	char *end = memchr(answer, '\n', n);
	answer[end ? (size_t)(end - answer) : 0] = '\0';
}

static void check_answer(struct doctor *d, const char *endpoint, const char *answer, int64_t took_ms)
{
	struct sv action = sv_of(answer);

	if (!answer[0])
		doctor_tell(d, FINDING_ERROR, "policyd", "restart it, and look into its log; is it a program of nixie that listens there?",
			"%s: takes connections and does not answer: %s", endpoint, strerror(errno));
	else if (!sv_take(&action, SV("action=")))
		doctor_tell(d, FINDING_ERROR, "policyd", "another program listens there: change policyd.listen, or that one's",
			"%s: answers \"%s\"", endpoint, answer);
	else if (!sv_eq(action, SV("DUNNO")))
		doctor_tell(d, FINDING_ERROR, "policyd", "can nixie-policyd reach Redis? It may run with another configuration, or as another user",
			"%s: answers \"%.*s\" about an address that nobody has", endpoint, SV_ARG(action));
	else
		doctor_tell(d, FINDING_OK, "policyd", "", "%s: answers in %" PRId64 " ms%s", endpoint, took_ms,
			answers_all_shadow(&d->config->policyd_answers) ? "; policyd.shadow: it refuses nothing" : "");
}

static void check_listener(struct doctor *d, const char *endpoint)
{
	struct sv e = sv_of(endpoint);
	char answer[512];
	bool local = sv_take(&e, SV("unix:"));
	int64_t begin_ms = clock_mono_ms(), end_ms = begin_ms + d->config->policyd_deadline_ms + 2000;
	int fd = local ? connect_unix(e.p) : connect_inet(endpoint + strlen("inet:"), end_ms);

	if (fd < 0) {
		bool denied = errno == EACCES || errno == EPERM;
		doctor_tell(d, FINDING_WARNING, "policyd", denied ? "use sudo, or join the group that may use the socket (policyd.socket-mode)" :
			"start it: systemctl enable --now nixie-policyd; until then nothing is refused", "%s: %s", endpoint,
			denied ? "this user may not connect" : strerror(errno));
		return;
	}
	ask(fd, end_ms, answer, sizeof answer);
	check_answer(d, endpoint, answer, clock_mono_ms() - begin_ms);
	close(fd);
}

void doctor_policyd(struct doctor *d)
{
	for (size_t i = 0; i < d->config->policyd_listen.n; i++)
		check_listener(d, d->config->policyd_listen.v[i]);
}
