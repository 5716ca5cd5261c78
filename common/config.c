#include "config.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "conffile.h"
#include "log.h"
#include "logname.h"
#include "schema.h"
#include "servers.h"
#include "tls.h"

static const char *const local_part_words[] = { "fold-case", "keep-case", NULL };
static const char *const attribute_words[] = { "final", "original", "both", NULL };
static const char *const failure_words[] = { "dunno", "defer", NULL };
static const char *const start_words[] = { "beginning", "end", NULL };
static const char *const log_words[] = { "auto", "syslog", "stderr", NULL };

#define MS_MIN 1
/* sun_path of unix(7), less its NUL */
#define SOCKET_PATH_MAX 107
#define HOUR_MS INT64_C(3600000)
#define AT(field) offsetof(struct config, field)

static bool check_endpoint(const char *name, const char *value, struct err *err)
{
	struct sv v = sv_of(value);

	if (sv_take(&v, SV("unix:")) && v.n) {
		if (v.n <= SOCKET_PATH_MAX)
			return true;
		return err_set(err, "%s: the path of a socket can have %d bytes at most; choose a shorter one", name, SOCKET_PATH_MAX);
	}
	if (sv_take(&v, SV("inet:"))) {
		size_t colon = v.n;
		uint64_t port;
		while (colon > 0 && v.p[colon - 1] != ':')
			colon--;
		if (colon > 1 && sv_u64(sv_skip(v, colon), 65535, &port) && port > 0)
			return true;
	}
	return err_set(err, "%s is \"%.80s\"; write unix:/path/of/socket or inet:127.0.0.1:10040", name, value);
}

static bool check_user(const char *name, const char *value, struct err *err)
{
	return !*value || getpwnam(value) || err_set(err, "%s is \"%.40s\", and there is no such user; systemd-sysusers or adduser(8) makes one", name, value);
}

static bool check_group(const char *name, const char *value, struct err *err)
{
	return !*value || getgrnam(value) || err_set(err, "%s is \"%.40s\", and there is no such group; systemd-sysusers or addgroup(8) makes one", name, value);
}

static bool check_log(const char *name, const char *value, struct err *err)
{
	const char *path = logname_path(value);
	enum logname kind = logname_kind(value);

	if (!*value)
		return err_set(err, "%s has an empty member; write the path of a log, or \"journal:\"", name);
	if (kind == LOGNAME_SYSLOG && (*path != '/' || strlen(path) > SOCKET_PATH_MAX))
		return err_set(err, "%s: \"%.80s\": write the whole path of a socket, of %d bytes at most, behind \"syslog:\"", name, value, SOCKET_PATH_MAX);
	if (kind == LOGNAME_JOURNAL && *path && *path != '/')
		return err_set(err, "%s: \"%.80s\": write \"journal:\" for that of this host, or a whole path behind it", name, value);
	return true;
}

static bool check_servers(const char *name, const char *value, struct err *err)
{
	return servers_address_check(value, err) || err_prefix(err, "%s", name);
}

static bool check_prefix(const char *name, const char *value, struct err *err)
{
	if (*value && !strpbrk(value, "{} \t\r\n:*?[]\\^"))
		return true;
	return err_set(err, "%s is \"%.40s\"; write letters and digits, without blanks, colons and braces", name, value);
}

static bool check_delimiter(const char *name, const char *value, struct err *err)
{
	if (strlen(value) <= 1)
		return true;
	return err_set(err, "%s is \"%.20s\"; write one character such as \"+\", or \"\" for none", name, value);
}

static bool check_path(const char *name, const char *value, struct err *err)
{
	if (!*value || *value == '/')
		return true;
	return err_set(err, "%s is \"%.60s\"; write a path that begins with /, such as /var/lib/nixie/policyd.snapshot", name, value);
}

static bool check_zone(const char *name, const char *value, struct err *err)
{
	if (clock_zone_exists(value))
		return true;
	return err_set(err, "%s is \"%.60s\"; write local, UTC or a name from /usr/share/zoneinfo such as Europe/Rome", name, value);
}

static bool check_header(const char *name, const char *value, struct err *err)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == ':')
			return err_set(err, "%s: \"%.60s\" is no name of a header; write one such as X-Campaign-Id, without a colon", name, value);
	return *value || err_set(err, "%s has an empty name; write one such as X-Campaign-Id", name);
}

static bool check_bcc(const char *name, const char *value, struct err *err)
{
	const char *at = strrchr(value, '@');

	if (at && at[1] && !strpbrk(value, " <>"))
		return true;
	return err_set(err, "%s: \"%.60s\" is no address; write one such as archive@example.com, or @archive.example.com for a whole domain", name, value);
}

static bool check_tls(const char *name, const char *value, struct err *err)
{
	if (strcmp(value, "true") != 0 || tls_supported())
		return true;
	return err_set(err, "%s: this program was built without TLS; build it with OpenSSL (libssl-dev), or let stunnel or spiped carry "
		"the connection, as nixie.conf(5) shows, and leave this false", name);
}

const struct config_option config_options[] = {
	{ "redis.address", OPTION_STRING, AT(redis_address), "unix:/run/nixie-redis/redis.sock", 0, 0, NULL, false, check_servers,
	  "the Redis: unix:PATH, inet:HOST:PORT, sentinel:NAME@HOST:PORT,... or cluster:HOST:PORT,..." },
	{ "redis.user", OPTION_STRING, AT(redis_user), "", 0, 0, NULL, false, NULL,
	  "ACL user; empty: the default user" },
	{ "redis.password", OPTION_STRING, AT(redis_password), "", 0, 0, NULL, false, NULL,
	  "password; empty: none is sent" },
	{ "redis.database", OPTION_NUMBER, AT(redis_database), "0", 0, 15, NULL, false, NULL,
	  "database number" },
	{ "redis.prefix", OPTION_STRING, AT(redis_prefix), "nixie", 0, 0, NULL, false, check_prefix,
	  "first part of every key" },
	{ "redis.partitions", OPTION_NUMBER, AT(redis_partitions), "1", 1, SCHEMA_PARTITIONS_MAX, NULL, false, NULL,
	  "in how many parts the data is made at the first start: 64 for a cluster" },
	{ "redis.timeout", OPTION_MS, AT(redis_timeout_ms), "1s", 10, HOUR_MS, NULL, true, NULL,
	  "how long to wait for Redis in logtail and the command" },
	{ "redis.tls", OPTION_BOOL, AT(redis_tls), "false", 0, 0, NULL, false, check_tls,
	  "encrypt the connections to Redis" },
	{ "redis.tls-ca-file", OPTION_STRING, AT(redis_tls_ca_file), "", 0, 0, NULL, false, NULL,
	  "PEM file of the CA that vouches for the servers; empty: those that the system trusts" },
	{ "redis.tls-cert-file", OPTION_STRING, AT(redis_tls_cert_file), "", 0, 0, NULL, false, NULL,
	  "PEM file of the certificate to show, where the servers want one" },
	{ "redis.tls-key-file", OPTION_STRING, AT(redis_tls_key_file), "", 0, 0, NULL, false, NULL,
	  "PEM file of its key" },
	{ "redis.tls-server-name", OPTION_STRING, AT(redis_tls_server_name), "", 0, 0, NULL, false, NULL,
	  "name that the certificates of the servers are for; empty: the host of their address" },
	{ "rules.directories", OPTION_STRINGS, AT(rules_directories), "", 0, 0, NULL, true, NULL,
	  "your own rules, read before the shipped ones" },
	{ "address.local-part", OPTION_ENUM, AT(local_part), "fold-case", 0, 0, local_part_words, false, NULL,
	  "are User@ and user@ one address?" },
	{ "address.subaddress-delimiter", OPTION_STRING, AT(subaddress_delimiter), "", 0, 0, NULL, false, check_delimiter,
	  "\"+\" makes user+tag@ and user@ one address; empty: they are two" },
	{ "attribute-to", OPTION_ENUM, AT(attribute_to), "final", 0, 0, attribute_words, true, NULL,
	  "which address a failure belongs to where the log has orig_to=" },
	{ "soft-expiry", OPTION_SPAN, AT(soft_expiry), "30 days", 0, 0, NULL, true, NULL,
	  "how long a soft failure that no conversion watches stays on record" },
	{ "conversions", OPTION_CONVERSIONS, AT(conversions), NULL, 0, 0, NULL, true, NULL,
	  "when repeated soft failures become held or hard" },
	{ "terms", OPTION_TERMS, AT(conversions.terms), NULL, 0, 0, NULL, true, NULL,
	  "how long hard failures of a category suppress; for ever where there is none" },
	{ "brake.enabled", OPTION_BOOL, AT(brake_enabled), "true", 0, 0, NULL, true, NULL,
	  "hold instead of suppressing while hard failures are unusually many" },
	{ "brake.window", OPTION_MS, AT(brake_window_ms), "1 hour", 60000, 24 * HOUR_MS, NULL, true, NULL,
	  "how much of the past is compared with what is usual" },
	{ "brake.minimum", OPTION_NUMBER, AT(brake_minimum), "20", 1, 1000000, NULL, true, NULL,
	  "fewer failures than these are no jump" },
	{ "brake.share", OPTION_SHARE, AT(brake_share), "10 %", 10, 1000, NULL, true, NULL,
	  "a smaller share of all results is no jump" },
	{ "brake.factor", OPTION_NUMBER, AT(brake_factor), "4", 1, 1000, NULL, true, NULL,
	  "so many times the usual share is a jump" },
	{ "brake.term", OPTION_SPAN, AT(conversions.brake_term), "1 day", 0, 0, NULL, true, NULL,
	  "how long an address is held instead" },
	{ "alerts.hard", OPTION_SHARE, AT(alerts_hard), "2 %", 0, 1000, NULL, true, NULL,
	  "hard bounces of a day, of all, a sender domain or a campaign: more open an alert; 0: never" },
	{ "alerts.all", OPTION_SHARE, AT(alerts_all), "5 %", 0, 1000, NULL, true, NULL,
	  "hard and soft bounces of a day" },
	{ "alerts.complaints", OPTION_SHARE, AT(alerts_complaints), "0.2 %", 0, 1000, NULL, true, NULL,
	  "complaints of a day, of what was delivered" },
	{ "alerts.minimum", OPTION_NUMBER, AT(alerts_minimum), "500", 1, 1000000000, NULL, true, NULL,
	  "with fewer results a day tells nothing" },
	{ "alerts.log-idle", OPTION_MS, AT(alerts_log_idle_ms), "1 hour", 0, 720 * HOUR_MS, NULL, true, NULL,
	  "a log without a new line for longer opens an alert; 0s: never" },
	{ "alerts.log-lag", OPTION_MS, AT(alerts_log_lag_ms), "15 min", 0, 720 * HOUR_MS, NULL, true, NULL,
	  "a reader that is further behind opens an alert; 0s: never" },
	{ "log.to", OPTION_ENUM, AT(log_to), "auto", 0, 0, log_words, false, NULL,
	  "auto: syslog (facility mail), but standard error with -f" },
	{ "policyd.listen", OPTION_STRINGS, AT(policyd_listen), "unix:/var/spool/postfix/nixie/policy", 0, 0, NULL, false, check_endpoint,
	  "sockets of the policy service: unix:PATH or inet:HOST:PORT" },
	{ "policyd.socket-mode", OPTION_MODE, AT(policyd_socket_mode), "0660", 0, 0777, NULL, false, NULL,
	  "rights of the Unix sockets" },
	{ "policyd.on-store-failure", OPTION_ENUM, AT(on_store_failure), "dunno", 0, 0, failure_words, true, NULL,
	  "the answer when Redis does not answer: dunno lets mail flow" },
	{ "policyd.deadline", OPTION_MS, AT(policyd_deadline_ms), "250ms", MS_MIN, 60000, NULL, true, NULL,
	  "how long one request may wait for Redis" },
	{ "policyd.shadow", OPTION_BOOL, AT(policyd_answers.shadow), "false", 0, 0, NULL, true, NULL,
	  "answer DUNNO to everything and log what would have been said" },
	{ "policyd.answers", OPTION_ANSWERS, AT(policyd_answers), NULL, 0, 0, NULL, true, NULL,
	  "what is said about whom, where it is not the usual 550 or DUNNO" },
	{ "policyd.max-connections", OPTION_NUMBER, AT(policyd_max_connections), "4096", 1, 100000, NULL, false, NULL,
	  "more than these wait in the listen queue" },
	{ "policyd.cache", OPTION_BYTES, AT(policyd_cache_bytes), "64MiB", INT64_C(1) << 20, INT64_C(1) << 40, NULL, false, NULL,
	  "memory for what Redis said; it tells when that changes" },
	{ "policyd.cache-age", OPTION_MS, AT(policyd_cache_age_ms), "1 min", 0, HOUR_MS, NULL, true, NULL,
	  "Redis is asked again after so long, whatever it told; 0s: each time" },
	{ "policyd.remember", OPTION_MS, AT(policyd_remember_ms), "1 day", 0, 720 * HOUR_MS, NULL, true, NULL,
	  "while Redis is away, what was suppressed so long ago still is" },
	{ "policyd.snapshot", OPTION_STRING, AT(policyd_snapshot), "", 0, 0, NULL, false, check_path,
	  "the file that remembers it over a restart; empty: none" },
	{ "policyd.metrics", OPTION_STRINGS, AT(policyd_metrics), "", 0, 0, NULL, false, check_endpoint,
	  "sockets that Prometheus may read figures from, over HTTP: unix:PATH or inet:HOST:PORT" },
	{ "policyd.user", OPTION_STRING, AT(policyd_user), "", 0, 0, NULL, false, check_user,
	  "who nixie-policyd becomes when root started it; empty: it stays root" },
	{ "policyd.group", OPTION_STRING, AT(policyd_group), "", 0, 0, NULL, false, check_group,
	  "the group with that; empty: that of policyd.user" },
	{ "policyd.maps", OPTION_STRINGS, AT(policyd_maps), "", 0, 0, NULL, false, check_endpoint,
	  "sockets where Postfix looks up socket maps: transport, access, status, state" },
	{ "policyd.status-filter", OPTION_STATUS_FILTER, AT(status_filter), NULL, 0, 0, NULL, true, NULL,
	  "what Postfix shall retry, and what it shall give up, whatever the server said" },
	{ "logtail.files", OPTION_STRINGS, AT(logtail_files), "/var/log/mail.log", 0, 0, NULL, false, check_log,
	  "the logs to follow: files, journal:, syslog:SOCKET" },
	{ "logtail.socket-mode", OPTION_MODE, AT(logtail_socket_mode), "0660", 0, 0777, NULL, false, NULL,
	  "rights of the sockets of syslog: in logtail.files" },
	{ "logtail.start", OPTION_ENUM, AT(logtail_start), "beginning", 0, 0, start_words, false, NULL,
	  "where to begin in a log that was never read" },
	{ "logtail.timezone", OPTION_STRING, AT(logtail_timezone), "local", 0, 0, NULL, false, check_zone,
	  "zone of stamps that name none: local, UTC or Europe/Rome" },
	{ "logtail.link-memory", OPTION_BYTES, AT(logtail_link_memory), "32MiB", 64 * 1024, INT64_C(1) << 40, NULL, false, NULL,
	  "memory for the senders of messages in the queue" },
	{ "logtail.poll-interval", OPTION_MS, AT(logtail_poll_ms), "1s", 10, HOUR_MS, NULL, true, NULL,
	  "how often to look at a log besides inotify" },
	{ "logtail.batch", OPTION_NUMBER, AT(logtail_batch), "500", 1, 2000, NULL, true, NULL,
	  "most delivery results in one transaction" },
	{ "logtail.campaign-headers", OPTION_STRINGS, AT(campaign_headers), "X-Campaign-Id, X-Campaign, Feedback-ID, List-Id", 0, 0, NULL, true, check_header,
	  "logged headers that name the campaign of a message: the first of them that it has" },
	{ "logtail.bcc", OPTION_STRINGS, AT(logtail_bcc), "", 0, 0, NULL, true, check_bcc,
	  "where copies of mail go (always_bcc): what is delivered there is not counted" },
};
const size_t config_options_n = sizeof config_options / sizeof *config_options;

/* ---- values ---- */

static const struct { const char *unit; int64_t ms; int32_t months; } span_units[] = {
	{ "ms", 1, 0 }, { "s", 1000, 0 }, { "sec", 1000, 0 }, { "second", 1000, 0 }, { "seconds", 1000, 0 },
	{ "min", 60000, 0 }, { "minute", 60000, 0 }, { "minutes", 60000, 0 },
	{ "h", HOUR_MS, 0 }, { "hour", HOUR_MS, 0 }, { "hours", HOUR_MS, 0 },
	{ "d", 24 * HOUR_MS, 0 }, { "day", 24 * HOUR_MS, 0 }, { "days", 24 * HOUR_MS, 0 },
	{ "week", 168 * HOUR_MS, 0 }, { "weeks", 168 * HOUR_MS, 0 },
	{ "month", 0, 1 }, { "months", 0, 1 }, { "year", 0, 12 }, { "years", 0, 12 },
};

/* "12 months" into number and unit */
static bool split_unit(struct sv text, uint64_t *number_r, struct sv *unit_r)
{
	size_t digits = 0;

	text = sv_trim(text);
	while (digits < text.n && sv_is_digit(text.p[digits]))
		digits++;
	*unit_r = sv_trim(sv_skip(text, digits));
	return sv_u64(sv_head(text, digits), 1000000000, number_r);
}

/* At most one digit behind the point: a permille is the smallest there is. */
bool config_parse_share(struct sv text, int64_t *permille_r)
{
	uint64_t whole, tenth = 0;
	struct sv rest = sv_trim(text);

	if (rest.n && rest.p[rest.n - 1] == '%')
		rest.n--;
	rest = sv_trim(rest);
	size_t point = sv_find(rest, '.');
	struct sv behind = sv_skip(rest, point + (point < rest.n));
	if (!sv_u64(sv_head(rest, point), 100, &whole) || (point < rest.n && (behind.n != 1 || !sv_u64(behind, 9, &tenth))))
		return false;
	*permille_r = (int64_t)(whole * 10 + tenth);
	return true;
}

bool config_parse_span(struct sv text, struct span *span_r)
{
	uint64_t number;
	struct sv unit;

	if (!split_unit(text, &number, &unit))
		return false;
	for (size_t i = 0; i < sizeof span_units / sizeof *span_units; i++) {
		if (!sv_eq(unit, sv_of(span_units[i].unit)))
			continue;
		if (number > 36500)
			if (span_units[i].months || span_units[i].ms > 1000)
				return false; /* more than a hundred years */
		span_r->ms = (int64_t)number * span_units[i].ms;
		span_r->months = (int32_t)number * span_units[i].months;
		return true;
	}
	return false;
}

bool config_parse_bytes(struct sv text, int64_t *bytes_r)
{
	static const struct { const char *unit; int shift; } units[] = {
		{ "", 0 }, { "B", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }
	};
	uint64_t number;
	struct sv unit;

	if (!split_unit(text, &number, &unit))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (sv_eq_nocase(unit, sv_of(units[i].unit))) {
			*bytes_r = (int64_t)number << units[i].shift;
			return true;
		}
	}
	return false;
}

static bool set_words(const struct config_option *o, struct sv text, int *to, struct err *err)
{
	char list[256];
	size_t n = 0;

	list[0] = '\0';
	for (int i = 0; o->words[i]; i++) {
		if (sv_eq(text, sv_of(o->words[i]))) {
			*to = i;
			return true;
		}
		int len = snprintf(list + n, sizeof list - n, "%s\"%s\"", i ? ", " : "", o->words[i]);
		n += len > 0 ? (size_t)len : 0;
	}
	return err_set(err, "%s is \"%.*s\"; write one of %s", o->name, SV_ARG(sv_head(text, 40)), list);
}

static bool set_ranged(const struct config_option *o, int64_t value, const char *unit, int64_t *to, struct err *err)
{
	if (value < o->min || value > o->max)
		return err_set(err, "%s is out of range; write a value from %lld%s to %lld%s", o->name,
			(long long)o->min, unit, (long long)o->max, unit);
	*to = value;
	return true;
}

static bool set_string(const struct config_option *o, struct sv text, char to[CONFIG_STRING_MAX], struct err *err)
{
	if (text.n >= CONFIG_STRING_MAX)
		return err_set(err, "%s is longer than %d bytes", o->name, CONFIG_STRING_MAX - 1);
	memcpy(to, text.p, text.n);
	to[text.n] = '\0';
	return !o->check || o->check(o->name, to, err);
}

static bool add_string(const struct config_option *o, struct sv text, struct strings *to, struct err *err)
{
	if (to->n == CONFIG_LIST_MAX)
		return err_set(err, "%s has more than %d members", o->name, CONFIG_LIST_MAX);
	return set_string(o, text, to->v[to->n++], err);
}

/* Sets an option from text, as strings in the file and all values of -o are. */
static bool set_text(const struct config_option *o, struct sv text, struct config *config, struct err *err)
{
	void *to = (char *)config + o->offset;
	uint64_t number;
	int64_t bytes, share;
	struct span span;

	switch (o->type) {
	case OPTION_STRING:
		return set_string(o, text, to, err);
	case OPTION_STRINGS:
		((struct strings *)to)->n = 0;
		while (text.n)
			if (!add_string(o, sv_trim(sv_cut(&text, ',')), to, err))
				return false;
		return true;
	case OPTION_ENUM:
		return set_words(o, text, to, err);
	case OPTION_BOOL:
		if (!sv_eq(text, SV("true")) && !sv_eq(text, SV("false")))
			return err_set(err, "%s is \"%.*s\"; write true or false", o->name, SV_ARG(sv_head(text, 40)));
		*(bool *)to = sv_eq(text, SV("true"));
		return !o->check || o->check(o->name, *(bool *)to ? "true" : "false", err);
	case OPTION_NUMBER:
		if (!sv_u64(text, INT64_MAX, &number))
			return err_set(err, "%s is \"%.*s\"; write a whole number", o->name, SV_ARG(sv_head(text, 40)));
		return set_ranged(o, (int64_t)number, "", to, err);
	case OPTION_MODE: {
		char *end, digits[8] = "";
		if (text.n == 0 || text.n >= sizeof digits)
			return err_set(err, "%s: write the rights as in chmod, e.g. \"0660\"", o->name);
		memcpy(digits, text.p, text.n);
		long mode = strtol(digits, &end, 8);
		if (*end || mode < 0 || mode > 0777)
			return err_set(err, "%s is \"%s\"; write the rights as in chmod, e.g. \"0660\"", o->name, digits);
		*(int64_t *)to = mode;
		return true;
	}
	case OPTION_MS:
		if (!config_parse_span(text, &span) || span.months)
			return err_set(err, "%s is \"%.*s\"; write a time such as \"250ms\", \"10s\" or \"5 min\"", o->name, SV_ARG(sv_head(text, 40)));
		return set_ranged(o, span.ms, "ms", to, err);
	case OPTION_SPAN:
		if (!config_parse_span(text, &span))
			return err_set(err, "%s is \"%.*s\"; write a time such as \"30 days\" or \"12 months\"", o->name, SV_ARG(sv_head(text, 40)));
		if (span.ms == 0 && span.months == 0)
			return err_set(err, "%s must be longer than nothing", o->name);
		/* by its members: what lies between them is compared by config_reload() */
		((struct span *)to)->months = span.months;
		((struct span *)to)->ms = span.ms;
		return true;
	case OPTION_BYTES:
		if (!config_parse_bytes(text, &bytes))
			return err_set(err, "%s is \"%.*s\"; write a size such as \"32MiB\"", o->name, SV_ARG(sv_head(text, 40)));
		return set_ranged(o, bytes, " bytes", to, err);
	case OPTION_SHARE:
		if (!config_parse_share(text, &share) || share < o->min || share > o->max)
			return err_set(err, "%s is \"%.*s\"; write a share from %lld.%lld %% to %lld %%, such as \"2.5 %%\"", o->name, SV_ARG(sv_head(text, 40)),
				(long long)o->min / 10, (long long)o->min % 10, (long long)o->max / 10);
		*(int64_t *)to = share;
		return true;
	case OPTION_CONVERSIONS:
	case OPTION_TERMS:
	case OPTION_ANSWERS:
	case OPTION_STATUS_FILTER:
		break;
	}
	return err_set(err, "%s can only be set in the file", o->name);
}

/* ---- conversions ---- */

static const struct conversion shipped_conversions[] = {
	{ .match = "dns.no-mx", .count = 4, .window = { .months = 12 }, .to = STATUS_HARD },
	{ .match = "mailbox.full", .count = 2, .min_span = { .ms = 72 * HOUR_MS }, .reset_on_delivery = true,
	  .to = STATUS_HELD, .term = { .ms = 15 * 24 * HOUR_MS }, .factor = 2, .max_term = { .ms = 180 * 24 * HOUR_MS } },
};

static bool node_span(const struct node *node, struct span *span_r, struct err *err)
{
	if (node_type(node) != NODE_STRING || !config_parse_span(sv_of(node_string(node)), span_r))
		return node_err(node, err, "%s: write a time such as \"3 days\" or \"12 months\"", node_name(node));
	return true;
}

/* Sure for every month: spans of different units overlap. */
static bool span_surely_shorter(const struct span *a, const struct span *b)
{
	const int64_t day_ms = 24 * HOUR_MS;

	if (!a->ms && !b->ms)
		return a->months < b->months;
	return a->ms + a->months * 31 * day_ms < b->ms + b->months * 28 * day_ms;
}

static bool check_max_term(const struct node *item, const struct span *term, const struct span *max_term, struct err *err)
{
	if (!node_get(item, "max-term") || !span_surely_shorter(max_term, term))
		return true;
	return node_err(node_get(item, "max-term"), err, "max-term is shorter than term; write one that is as long at least, or leave it out");
}

static bool node_factor(const struct node *node, unsigned *factor_r, struct err *err)
{
	if (node_type(node) != NODE_NUMBER || node_number(node) < 1 || node_number(node) > TERM_FACTOR_MAX)
		return node_err(node, err, "factor: write a number from 1 to %d", TERM_FACTOR_MAX);
	*factor_r = (unsigned)node_number(node);
	return true;
}

static bool conversion_member(const struct node *node, struct conversion *c, struct err *err)
{
	const char *name = node_name(node);
	const char *text = node_type(node) == NODE_STRING ? node_string(node) : "";

	if (strcmp(name, "window") == 0)
		return node_span(node, &c->window, err);
	if (strcmp(name, "span") == 0)
		return node_span(node, &c->min_span, err);
	if (strcmp(name, "term") == 0)
		return node_span(node, &c->term, err);
	if (strcmp(name, "max-term") == 0)
		return node_span(node, &c->max_term, err);
	if (strcmp(name, "factor") == 0)
		return node_factor(node, &c->factor, err);
	if (strcmp(name, "match") == 0) {
		if (*text == '\0' || strlen(text) >= sizeof c->match)
			return node_err(node, err, "match: write a category such as \"mailbox.full\", or a rule id");
		memcpy(c->match, text, strlen(text) + 1);
	} else if (strcmp(name, "count") == 0) {
		if (node_type(node) != NODE_NUMBER || node_number(node) < 1 || node_number(node) > WINDOW_MAX)
			return node_err(node, err, "count: write a number from 1 to %d", WINDOW_MAX);
		c->count = (unsigned)node_number(node);
	} else if (strcmp(name, "per") == 0) {
		if (strcmp(text, "message") != 0 && strcmp(text, "day") != 0)
			return node_err(node, err, "per: write \"message\" or \"day\"");
		c->per = *text == 'd' ? PER_DAY : PER_MESSAGE;
	} else if (strcmp(name, "reset-on-delivery") == 0) {
		if (node_type(node) != NODE_BOOL)
			return node_err(node, err, "reset-on-delivery: write true or false, without quotes");
		c->reset_on_delivery = node_bool(node);
	} else if (strcmp(name, "to") == 0) {
		if (strcmp(text, "held") != 0 && strcmp(text, "hard") != 0)
			return node_err(node, err, "to: write \"held\" or \"hard\"");
		c->to = strcmp(text, "held") == 0 ? STATUS_HELD : STATUS_HARD;
	} else {
		return node_err(node, err, "a conversion has no \"%s\"; it has match, count, window, span, per, reset-on-delivery, to, term, factor, max-term", name);
	}
	return true;
}

static bool set_conversions(const struct node *node, struct conversions *to, struct err *err)
{
	if (node_type(node) != NODE_LIST)
		return node_err(node, err, "conversions: write a list ( { match = ...; }, ... )");
	to->n = 0;
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		struct conversion c = { .line = node_line(item) };
		if (node_type(item) != NODE_GROUP)
			return node_err(item, err, "conversions: each member is a group { match = ...; to = ...; }");
		if (i == CONVERSIONS_MAX)
			return node_err(item, err, "more than %d conversions", CONVERSIONS_MAX);
		for (size_t j = 0; j < node_count(item); j++)
			if (!conversion_member(node_at(item, j), &c, err))
				return false;
		if (!c.match[0] || c.to == STATUS_NONE)
			return node_err(item, err, "a conversion needs match and to, e.g. { match = \"mailbox.full\"; count = 2; span = \"3 days\"; to = \"held\"; term = \"15 days\"; }");
		if (c.to == STATUS_HELD && c.term.ms == 0 && c.term.months == 0)
			return node_err(item, err, "to = \"held\" needs a term, e.g. term = \"15 days\"");
		if (c.count == 0 && c.min_span.ms == 0 && c.min_span.months == 0)
			return node_err(item, err, "a conversion needs count or span, or every single failure would convert; e.g. count = 4; window = \"12 months\";");
		if (!check_max_term(item, &c.term, &c.max_term, err))
			return false;
		c.count = c.count ? c.count : 1;
		to->v[to->n++] = c;
	}
	return true;
}

/* ---- terms ---- */

static bool term_member(const struct node *node, struct category_term *t, enum category *category_r, struct err *err)
{
	const char *name = node_name(node);

	if (strcmp(name, "term") == 0)
		return node_span(node, &t->term, err);
	if (strcmp(name, "max-term") == 0)
		return node_span(node, &t->max_term, err);
	if (strcmp(name, "factor") == 0)
		return node_factor(node, &t->factor, err);
	if (strcmp(name, "category") != 0)
		return node_err(node, err, "a term has no \"%s\"; it has category, term, factor, max-term", name);
	if (node_type(node) != NODE_STRING || !category_by_name(sv_of(node_string(node)), category_r))
		return node_err(node, err, "category: write one that is hard, such as \"recipient.disabled\"; nixie-rules(5) lists them");
	if (category_class(*category_r) != CLASS_HARD)
		return node_err(node, err, "category: %s is not hard; what soft failures lead to is a matter of conversions", node_string(node));
	return true;
}

static bool set_terms(const struct node *node, struct category_term to[CATEGORY_COUNT], struct err *err)
{
	if (node_type(node) != NODE_LIST)
		return node_err(node, err, "terms: write a list ( { category = ...; term = ...; }, ... )");
	memset(to, 0, CATEGORY_COUNT * sizeof *to);
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		struct category_term t = { .factor = 1 };
		enum category category = CATEGORY_COUNT;
		if (node_type(item) != NODE_GROUP)
			return node_err(item, err, "terms: each member is a group { category = ...; term = ...; }");
		for (size_t j = 0; j < node_count(item); j++)
			if (!term_member(node_at(item, j), &t, &category, err))
				return false;
		if (category == CATEGORY_COUNT || (t.term.ms == 0 && t.term.months == 0))
			return node_err(item, err, "a term needs category and term, e.g. { category = \"recipient.disabled\"; term = \"180 days\"; }");
		if (!check_max_term(item, &t.term, &t.max_term, err))
			return false;
		if (to[category].factor)
			return node_err(item, err, "%s has a term already", category_name(category));
		to[category] = t;
	}
	return true;
}

/* ---- the status filter ---- */

static bool filter_member(const struct node *node, enum category *category_r, enum status_change *to_r, struct err *err)
{
	const char *name = node_name(node);
	struct sv text = sv_of(node_type(node) == NODE_STRING ? node_string(node) : "");

	if (strcmp(name, "category") == 0) {
		if (!category_by_name(text, category_r))
			return node_err(node, err, "category: write one such as \"mailbox.full\"; nixie-rules(5) lists them");
	} else if (strcmp(name, "to") == 0) {
		*to_r = sv_eq(text, SV("defer")) ? CHANGE_TO_DEFER : sv_eq(text, SV("bounce")) ? CHANGE_TO_BOUNCE : CHANGE_NOTHING;
		if (*to_r == CHANGE_NOTHING)
			return node_err(node, err, "to: write \"defer\" or \"bounce\"");
	} else {
		return node_err(node, err, "a member of status-filter has no \"%s\"; it has category and to", name);
	}
	return true;
}

static bool set_status_filter(const struct node *node, enum status_change to[CATEGORY_COUNT], struct err *err)
{
	if (node_type(node) != NODE_LIST)
		return node_err(node, err, "status-filter: write a list ( { category = ...; to = ...; }, ... )");
	memset(to, 0, CATEGORY_COUNT * sizeof *to);
	for (size_t i = 0; i < node_count(node); i++) {
		const struct node *item = node_at(node, i);
		enum category category = CATEGORY_COUNT;
		enum status_change change = CHANGE_NOTHING;
		if (node_type(item) != NODE_GROUP)
			return node_err(item, err, "status-filter: each member is a group { category = ...; to = ...; }");
		for (size_t j = 0; j < node_count(item); j++)
			if (!filter_member(node_at(item, j), &category, &change, err))
				return false;
		if (category == CATEGORY_COUNT || change == CHANGE_NOTHING)
			return node_err(item, err, "it needs category and to, e.g. { category = \"mailbox.full\"; to = \"bounce\"; }");
		if (to[category])
			return node_err(item, err, "%s is there already", category_name(category));
		to[category] = change;
	}
	return true;
}

/* ---- the file ---- */

static const struct config_option *find_option(struct sv name)
{
	for (size_t i = 0; i < config_options_n; i++)
		if (sv_eq(name, sv_of(config_options[i].name)))
			return &config_options[i];
	return NULL;
}

/* A scalar as the text that set_text() takes; quotes do not matter to an operator. */
static bool node_as_text(const struct node *node, const struct config_option *o, char *text, size_t size, struct err *err)
{
	switch (node_type(node)) {
	case NODE_STRING:
		if (strlen(node_string(node)) >= size)
			return node_err(node, err, "%s is too long", o->name);
		memcpy(text, node_string(node), strlen(node_string(node)) + 1);
		return true;
	case NODE_NUMBER:
		if (o->type != OPTION_NUMBER && o->type != OPTION_BYTES)
			break;
		(void)snprintf(text, size, "%lld", (long long)node_number(node));
		return true;
	case NODE_BOOL:
		if (o->type != OPTION_BOOL)
			break;
		(void)snprintf(text, size, "%s", node_bool(node) ? "true" : "false");
		return true;
	case NODE_GROUP:
	case NODE_LIST:
	case NODE_OTHER:
		break;
	}
	return node_err(node, err, "%s is %s; write it as in: %s = \"%s\";", o->name, node_type_name(node),
		node_name(node), o->default_ ? o->default_ : "");
}

static bool set_node(const struct config_option *o, const struct node *node, struct config *config, struct err *err)
{
	char text[CONFIG_STRING_MAX * 4];
	struct err why;

	if (o->type == OPTION_CONVERSIONS)
		return set_conversions(node, &config->conversions, err);
	if (o->type == OPTION_TERMS)
		return set_terms(node, config->conversions.terms, err);
	if (o->type == OPTION_ANSWERS)
		return answers_parse(node, &config->policyd_answers, err);
	if (o->type == OPTION_STATUS_FILTER)
		return set_status_filter(node, config->status_filter, err);
	if (o->type == OPTION_STRINGS && node_type(node) == NODE_LIST) {
		struct strings *to = (struct strings *)((char *)config + o->offset);
		to->n = 0;
		for (size_t i = 0; i < node_count(node); i++) {
			const struct node *item = node_at(node, i);
			if (node_type(item) != NODE_STRING)
				return node_err(item, err, "%s: each member is a string", o->name);
			if (!add_string(o, sv_of(node_string(item)), to, &why))
				return node_err(item, err, "%s", why.text);
		}
		return true;
	}
	if (!node_as_text(node, o, text, sizeof text, err))
		return false;
	if (!set_text(o, sv_of(text), config, &why))
		return node_err(node, err, "%s", why.text);
	return true;
}

static bool read_group(const struct node *group, const char *prefix, struct config *config, struct err *err)
{
	for (size_t i = 0; i < node_count(group); i++) {
		const struct node *node = node_at(group, i);
		char name[128];
		(void)snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", node_name(node));
		const struct config_option *o = find_option(sv_of(name));
		if (o) {
			if (!set_node(o, node, config, err))
				return false;
		} else if (node_type(node) == NODE_GROUP && *prefix == '\0') {
			if (!read_group(node, node_name(node), config, err))
				return false;
		} else {
			return node_err(node, err, "there is no option \"%s\"; nixie.conf(5) lists them all", name);
		}
	}
	return true;
}

static void set_defaults(struct config *config)
{
	struct err err;

	memset(config, 0, sizeof *config);
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		if (o->default_ && !set_text(o, sv_of(o->default_), config, &err))
			log_fatal("panic: default of %s: %s", o->name, err.text);
	}
	config->conversions.n = sizeof shipped_conversions / sizeof *shipped_conversions;
	memcpy(config->conversions.v, shipped_conversions, sizeof shipped_conversions);
}

struct tls *config_tls(const struct config *config)
{
	const struct tls_options options = { config->redis_tls_ca_file, config->redis_tls_cert_file, config->redis_tls_key_file,
		config->redis_tls_server_name };

	return config->redis_tls ? tls_new(&options) : NULL;
}

static bool check_tls_together(const struct config *config, struct err *err)
{
	bool any = *config->redis_tls_ca_file || *config->redis_tls_cert_file || *config->redis_tls_key_file || *config->redis_tls_server_name;

	if (any && !config->redis_tls)
		return err_set(err, "redis.tls is false, and other options of TLS are set; set it to true, or leave them out");
	if (!*config->redis_tls_cert_file != !*config->redis_tls_key_file)
		return err_set(err, "redis.tls-cert-file and redis.tls-key-file: set both, or neither");
	if (config->redis_tls && sv_starts(sv_of(config->redis_address), SV("unix:")))
		return err_set(err, "redis.tls is true, and redis.address is a Unix socket, on which nobody can listen in; set it to false");
	struct tls *tls = config_tls(config);
	bool ok = !tls || !*tls_problem(tls) || err_set(err, "%s", tls_problem(tls));
	tls_free(tls);
	return ok;
}

/* What one option alone cannot tell. */
static bool check_endpoints_differ(const struct config *config, struct err *err)
{
	const struct { const char *name; const struct strings *list; } lists[] = {
		{ "policyd.listen", &config->policyd_listen }, { "policyd.maps", &config->policyd_maps }, { "policyd.metrics", &config->policyd_metrics },
	};
	const size_t n = sizeof lists / sizeof *lists;

	for (size_t a = 0; a < n; a++)
		for (size_t i = 0; i < lists[a].list->n; i++)
			for (size_t b = a; b < n; b++)
				for (size_t j = b == a ? i + 1 : 0; j < lists[b].list->n; j++)
					if (strcmp(lists[a].list->v[i], lists[b].list->v[j]) == 0)
						return err_set(err, "%s is in %s and in %s; each socket is for one of them", lists[a].list->v[i],
							lists[a].name, b == a ? "it again" : lists[b].name);
	return true;
}

static bool check_together(const struct config *config, struct err *err)
{
	if (!check_tls_together(config, err))
		return false;
	if (config->redis_user[0] && !config->redis_password[0])
		return err_set(err, "redis.user is set and redis.password is not; set both, or neither");
	if (config->policyd_listen.n == 0 || config->logtail_files.n == 0)
		return err_set(err, "%s is an empty list; leave it out to have the default",
			config->policyd_listen.n ? "logtail.files" : "policyd.listen");
	return check_endpoints_differ(config, err);
}

static bool finish(struct config *config, struct config *config_r, const char *where, struct err *err)
{
	if (!check_together(config, err))
		return err_prefix(err, "%s", where);
	(void)snprintf(config->path, sizeof config->path, "%s", where);
	*config_r = *config;
	return true;
}

bool config_parse(const char *name, const char *text, struct config *config_r, struct err *err)
{
	struct config *config = xalloc(sizeof *config);
	struct conffile *file = conffile_read_text(name, text, err);

	set_defaults(config);
	bool ok = file && read_group(conffile_root(file), "", config, err) && finish(config, config_r, name, err);
	conffile_free(file);
	free(config);
	return ok;
}

bool config_args_add(struct config_args *args, const char *override, struct err *err)
{
	if (args->n_overrides == sizeof args->overrides / sizeof *args->overrides)
		return err_set(err, "too many -o options");
	args->overrides[args->n_overrides++] = override;
	return true;
}

static bool apply_overrides(const struct config_args *args, struct config *config, struct err *err)
{
	for (size_t i = 0; i < args->n_overrides; i++) {
		struct sv value = sv_of(args->overrides[i]);
		struct sv name = sv_cut(&value, '=');
		const struct config_option *o = find_option(name);
		if (!o || sv_find(sv_of(args->overrides[i]), '=') == strlen(args->overrides[i]))
			return err_set(err, "-o %.100s: write -o NAME=VALUE with a name from nixie.conf(5)", args->overrides[i]);
		if (!set_text(o, value, config, err))
			return err_prefix(err, "-o");
	}
	return true;
}

bool config_load(const struct config_args *args, struct config *config_r, struct err *err)
{
	struct config *config = xalloc(sizeof *config);
	struct conffile *file = NULL;
	const char *path = args->path;
	bool ok = true;

	set_defaults(config);
	if (!path && access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		path = CONFIG_DEFAULT_PATH;
	if (path) {
		file = conffile_read(path, err);
		ok = file && read_group(conffile_root(file), "", config, err);
	}
	ok = ok && apply_overrides(args, config, err) && finish(config, config_r, path ? path : "options", err);
	conffile_free(file);
	free(config);
	return ok;
}

static size_t option_size(const struct config_option *o)
{
	switch (o->type) {
	case OPTION_STRING:
		return CONFIG_STRING_MAX;
	case OPTION_STRINGS:
		return sizeof(struct strings);
	case OPTION_BOOL:
		return sizeof(bool);
	case OPTION_ENUM:
		return sizeof(int);
	case OPTION_SPAN:
		return sizeof(struct span);
	case OPTION_CONVERSIONS:
		return offsetof(struct conversions, terms);
	case OPTION_TERMS:
		return sizeof(((struct conversions *)NULL)->terms);
	case OPTION_ANSWERS:
		return offsetof(struct answers, shadow);
	case OPTION_STATUS_FILTER:
		return sizeof(((struct config *)NULL)->status_filter);
	case OPTION_NUMBER:
	case OPTION_MODE:
	case OPTION_MS:
	case OPTION_BYTES:
	case OPTION_SHARE:
		break;
	}
	return sizeof(int64_t);
}

void config_reload(struct config *running, const struct config *next)
{
	for (size_t i = 0; i < config_options_n; i++) {
		const struct config_option *o = &config_options[i];
		char *to = (char *)running + o->offset;
		const char *from = (const char *)next + o->offset;
		if (memcmp(to, from, option_size(o)) == 0)
			continue;
		if (o->reload)
			memcpy(to, from, option_size(o));
		else
			log_warning("%s has changed in the configuration; it takes effect at the next restart", o->name);
	}
}

struct address_options config_address_options(const struct config *config)
{
	return (struct address_options){ .keep_case = config->local_part == LOCAL_KEEP_CASE,
		.subaddress = config->subaddress_delimiter[0] };
}
