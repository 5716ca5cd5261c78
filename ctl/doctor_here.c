/* doctor: what is on this host besides the logs: the rules, the conversions, nixie-policyd. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "knock.h"
#include "doctor.h"
#include "match.h"

/* The first moment that can be now. */
#define BEGIN_S INT64_C(1767225600) /* 2026-01-01 */

void doctor_versions(struct doctor *d)
{
	bool machine_code = pattern_machine_code();
	char now[CLOCK_TEXT_MAX];

	doctor_tell(d, machine_code ? FINDING_OK : FINDING_WARNING, "program", machine_code ? "" :
		"rules are judged some times slower: install a PCRE2 with JIT, or let the kernel allow it", "nixie %s, PCRE2 %s JIT", NIXIE_VERSION,
		machine_code ? "with" : "without");
	clock_format_us(clock_now_us(), now, sizeof now);
	if (clock_now_s() < BEGIN_S)
		doctor_tell(d, FINDING_ERROR, "time", "timedatectl set-ntp true", "this host's clock says %s: terms begin and end by it", now);
}

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

/* Something that listens, and what it is asked about. */
struct door {
	const char *check, *option;
	const char *question;
	char end; /* of the answer */
	void (*judge)(struct doctor *d, const struct door *door, const char *endpoint, struct sv answer, int64_t took_ms);
};

static void tell_other(struct doctor *d, const struct door *door, const char *endpoint, struct sv answer)
{
	char advice[160];

	(void)snprintf(advice, sizeof advice, "another program listens there: change %s, or that one's", door->option);
	doctor_tell(d, FINDING_ERROR, door->check, advice, "%s: answers \"%.*s\"", endpoint, SV_ARG(sv_head(answer, 100)));
}

static void judge_policy(struct doctor *d, const struct door *door, const char *endpoint, struct sv answer, int64_t took_ms)
{
	struct sv action = answer;

	if (!sv_take(&action, SV("action=")))
		tell_other(d, door, endpoint, answer);
	else if (!sv_eq(action, SV("DUNNO")))
		doctor_tell(d, FINDING_ERROR, "policyd", "can nixie-policyd reach Redis? It may run with another configuration, or as another user",
			"%s: answers \"%.*s\" about an address that nobody has", endpoint, SV_ARG(action));
	else
		doctor_tell(d, FINDING_OK, "policyd", "", "%s: answers in %" PRId64 " ms%s", endpoint, took_ms,
			answers_all_shadow(&d->config->policyd_answers) ? "; policyd.shadow: it refuses nothing" : "");
}

static void judge_maps(struct doctor *d, const struct door *door, const char *endpoint, struct sv answer, int64_t took_ms)
{
	struct sv rest = answer;

	(void)sv_cut(&rest, ':'); /* of the netstring */
	if (sv_starts(rest, SV("NOTFOUND")))
		doctor_tell(d, FINDING_OK, "maps", "", "%s: answers in %" PRId64 " ms", endpoint, took_ms);
	else if (sv_starts(rest, SV("TEMP")) || sv_starts(rest, SV("TIMEOUT")) || sv_starts(rest, SV("OK")) || sv_starts(rest, SV("PERM")))
		doctor_tell(d, FINDING_ERROR, "maps", "can nixie-policyd reach Redis? It may run with another configuration, or as another user",
			"%s: answers \"%.*s\" about an address that nobody has", endpoint, SV_ARG(rest));
	else
		tell_other(d, door, endpoint, answer);
}

static void judge_metrics(struct doctor *d, const struct door *door, const char *endpoint, struct sv answer, int64_t took_ms)
{
	if (sv_starts(answer, SV("HTTP/1.")) && sv_starts(sv_skip(answer, strlen("HTTP/1.1")), SV(" 200")))
		doctor_tell(d, FINDING_OK, "metrics", "", "%s: answers in %" PRId64 " ms", endpoint, took_ms);
	else
		tell_other(d, door, endpoint, answer);
}

static void check_listener(struct doctor *d, const struct door *door, const char *endpoint)
{
	char answer[512];
	int64_t begin_ms = clock_mono_ms(), end_ms = begin_ms + d->config->policyd_deadline_ms + 2000;
	int fd = knock_open(endpoint, end_ms);

	if (fd < 0) {
		bool denied = errno == EACCES || errno == EPERM;
		doctor_tell(d, FINDING_WARNING, door->check, denied ? "use sudo, or join the group that may use the socket (policyd.socket-mode)" :
			"start it: systemctl enable --now nixie-policyd; until then nothing is refused", "%s: %s", endpoint,
			denied ? "this user may not connect" : strerror(errno));
		return;
	}
	if (knock(fd, sv_of(door->question), door->end, end_ms, answer, sizeof answer))
		door->judge(d, door, endpoint, sv_of(answer), clock_mono_ms() - begin_ms);
	else
		doctor_tell(d, FINDING_ERROR, door->check, "restart it, and look into its log; is it a program of nixie that listens there?",
			"%s: takes connections and does not answer: %s", endpoint, strerror(errno));
	close(fd);
}

static void check_listeners(struct doctor *d, const struct door *door, const struct strings *endpoints)
{
	for (size_t i = 0; i < endpoints->n; i++)
		check_listener(d, door, endpoints->v[i]);
}

void doctor_policyd(struct doctor *d)
{
	static const struct door policy = { "policyd", "policyd.listen",
		"request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=nixie-doctor@invalid\nsender=\nqueue_id=\ninstance=nixie-doctor\n\n",
		'\n', judge_policy };
	static const struct door maps = { "maps", "policyd.maps", "27:access nixie-doctor@invalid,", ',', judge_maps };
	static const struct door metrics = { "metrics", "policyd.metrics", "GET /metrics HTTP/1.0\r\n\r\n", '\n', judge_metrics };

	check_listeners(d, &policy, &d->config->policyd_listen);
	check_listeners(d, &maps, &d->config->policyd_maps);
	check_listeners(d, &metrics, &d->config->policyd_metrics);
}
