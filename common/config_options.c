/* config: the table of all options, and what each of them alone can tell of its value. */
#include "config_parts.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>

#include "logname.h"
#include "schema.h"
#include "servers.h"
#include "tls.h"

static const char *const local_part_words[] = { "fold-case", "keep-case", NULL };
static const char *const attribute_words[] = { "final", "original", "both", NULL };
static const char *const failure_words[] = { "dunno", "defer", NULL };
static const char *const start_words[] = { "beginning", "end", NULL };
static const char *const log_words[] = { "auto", "syslog", "stderr", NULL };
static const char *const complaint_words[] = { "sender", "all", NULL };

#define MS_MIN 1
/* sun_path of unix(7), less its NUL */
#define SOCKET_PATH_MAX 107
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

static bool check_authserv_id(const char *name, const char *value, struct err *err)
{
	for (const char *p = value; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("()<>@,;:\\\"/[]?=", *p))
			return err_set(err, "%s: \"%.60s\" is no name of a server; write what stands first in its Authentication-Results, such as mx.example.com", name, value);
	return *value || err_set(err, "%s has an empty name; write what stands first in Authentication-Results, such as mx.example.com", name);
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
	{ "soft-expiry", OPTION_SPAN, AT(soft_expiry), "30 days", 1, 0, NULL, true, NULL,
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
	{ "brake.term", OPTION_SPAN, AT(conversions.brake_term), "1 day", 1, 0, NULL, true, NULL,
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
	{ "receive.remember", OPTION_SPAN, AT(receive_remember), "0", 0, 0, NULL, true, NULL,
	  "how long it is remembered which message went to whom, so that what comes back proves it; 0: not at all" },
	{ "receive.shared", OPTION_NUMBER, AT(receive_shared), "1", 1, 1000, NULL, true, NULL,
	  "a message that went to more recipients than these proves nothing: each of them knows its Message-ID" },
	{ "receive.wait", OPTION_MS, AT(receive_wait_ms), "3s", 0, HOUR_MS, NULL, true, NULL,
	  "so long what has no proof is looked at again: the log may be behind" },
	{ "receive.addresses", OPTION_ADDRESSES, AT(receive_addresses), NULL, 0, 0, NULL, true, NULL,
	  "the addresses that mail comes back to, and what they tell of the recipient" },
	{ "receive.secret-file", OPTION_STRING, AT(receive_secret_file), "", 0, 0, NULL, true, check_path,
	  "file with the secrets that sign addresses, one a line: the first signs, all are accepted" },
	{ "receive.signature-lifetime", OPTION_SPAN, AT(receive_signature_lifetime), "90 days", 1, 0, NULL, true, NULL,
	  "how long a signed address proves to whom a message went" },
	{ "receive.recipient-headers", OPTION_STRINGS, AT(receive_recipient_headers), "", 0, 0, NULL, true, check_header,
	  "headers of your own mail that have a signed address: where a report hides the recipient" },
	{ "receive.authserv-id", OPTION_STRINGS, AT(receive_authserv_id), "", 0, 0, NULL, true, check_authserv_id,
	  "names under which your own server writes Authentication-Results" },
	{ "receive.feedback-loops", OPTION_FEEDBACK_LOOPS, AT(receive_feedback_loops), NULL, 0, 0, NULL, true, NULL,
	  "whose complaints count, by the domain that signs them" },
	{ "receive.complaint-scope", OPTION_ENUM, AT(receive_complaint_scope), "sender", 0, 0, complaint_words, true, NULL,
	  "who may no longer write to somebody who complained: the sender, or all" },
};
const size_t config_options_n = sizeof config_options / sizeof *config_options;
