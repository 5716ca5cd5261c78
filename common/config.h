/* config: the options of nixie.conf, in one table (config_options.c).
 *
 * A struct config is a plain value: a reload builds a new one and replaces the
 * old only when all of it is good. Every option has a default, so an empty file
 * is a valid one. Errors name file, line, what was found and what to write. */
#ifndef NIXIE_CONFIG_H
#define NIXIE_CONFIG_H

#include "address.h"
#include "answers.h"
#include "clock.h"
#include "convert.h"
#include "err.h"
#include "feedback.h"
#include "verp.h"

#define CONFIG_STRING_MAX 256
#define CONFIG_LIST_MAX 16

#ifndef NIXIE_SYSCONFDIR
#define NIXIE_SYSCONFDIR "/etc/nixie"
#endif
#define CONFIG_DEFAULT_PATH NIXIE_SYSCONFDIR "/nixie.conf"

struct strings {
	size_t n;
	char v[CONFIG_LIST_MAX][CONFIG_STRING_MAX];
};

enum attribute_to { ATTRIBUTE_FINAL, ATTRIBUTE_ORIGINAL, ATTRIBUTE_BOTH };
enum store_failure_action { FAILURE_DUNNO, FAILURE_DEFER };
enum local_part { LOCAL_FOLD_CASE, LOCAL_KEEP_CASE };
enum logtail_start { START_BEGINNING, START_END };
/* What Postfix shall do after a failure, whatever the server said. */
enum status_change { CHANGE_NOTHING, CHANGE_TO_DEFER, CHANGE_TO_BOUNCE };
enum log_to { LOG_TO_AUTO, LOG_TO_SYSLOG, LOG_TO_STDERR };

struct config {
	char path[CONFIG_STRING_MAX]; /* the file it came from; "" without one */
	char redis_address[CONFIG_STRING_MAX];
	char redis_user[CONFIG_STRING_MAX];
	char redis_password[CONFIG_STRING_MAX];
	int64_t redis_database;
	char redis_prefix[CONFIG_STRING_MAX];
	int64_t redis_partitions;
	int64_t redis_timeout_ms;
	bool redis_tls;
	char redis_tls_ca_file[CONFIG_STRING_MAX];
	char redis_tls_cert_file[CONFIG_STRING_MAX];
	char redis_tls_key_file[CONFIG_STRING_MAX];
	char redis_tls_server_name[CONFIG_STRING_MAX];

	struct strings rules_directories;
	int local_part;
	char subaddress_delimiter[CONFIG_STRING_MAX];
	int attribute_to;
	struct span soft_expiry;
	struct conversions conversions;
	int log_to;

	bool brake_enabled;
	int64_t brake_window_ms;
	int64_t brake_minimum;
	int64_t brake_share; /* permille, as all shares */
	int64_t brake_factor;
	int64_t alerts_hard, alerts_all, alerts_complaints;
	int64_t alerts_minimum;
	int64_t alerts_log_idle_ms, alerts_log_lag_ms;

	struct strings policyd_listen;
	int64_t policyd_socket_mode;
	int on_store_failure;
	int64_t policyd_deadline_ms;
	struct answers policyd_answers; /* policyd.shadow is in it */
	int64_t policyd_max_connections;
	int64_t policyd_cache_bytes;
	int64_t policyd_cache_age_ms;
	int64_t policyd_remember_ms;
	char policyd_snapshot[CONFIG_STRING_MAX];
	struct strings policyd_metrics;
	char policyd_user[CONFIG_STRING_MAX];
	char policyd_group[CONFIG_STRING_MAX];
	struct strings policyd_maps;
	enum status_change status_filter[CATEGORY_COUNT];

	struct strings logtail_files;
	int64_t logtail_socket_mode;
	int logtail_start;
	char logtail_timezone[CONFIG_STRING_MAX];
	int64_t logtail_link_memory;
	int64_t logtail_poll_ms;
	int64_t logtail_batch;
	struct strings campaign_headers;
	struct strings logtail_bcc;

	struct span receive_remember; /* {0}: nothing */
	int64_t receive_shared;
	int64_t receive_wait_ms;
	struct verp_templates receive_addresses;
	char receive_secret_file[CONFIG_STRING_MAX]; /* for verp_secrets_read() */
	struct span receive_signature_lifetime;
	struct strings receive_recipient_headers;
	struct strings receive_authserv_id;
	struct feedback_loops receive_feedback_loops;
	int receive_complaint_scope;
};

enum option_type { OPTION_STRING, OPTION_STRINGS, OPTION_NUMBER, OPTION_MODE, OPTION_BOOL, OPTION_ENUM,
	OPTION_MS, OPTION_SPAN, OPTION_BYTES, OPTION_SHARE, OPTION_CONVERSIONS, OPTION_TERMS,
	OPTION_ANSWERS, OPTION_STATUS_FILTER, OPTION_ADDRESSES, OPTION_FEEDBACK_LOOPS };

/* One row of the table; tests compare it with the sample and the man page. */
struct config_option {
	const char *name; /* "group.name" */
	enum option_type type;
	size_t offset;
	const char *default_; /* as it would be written with -o */
	int64_t min, max;     /* of numbers, milliseconds, bytes and permille; of OPTION_SPAN min 0: "0", nothing, is a value too */
	const char *const *words; /* of OPTION_ENUM, in the order of the enum, NULL-ended */
	bool reload;          /* SIGHUP may change it */
	bool (*check)(const char *name, const char *value, struct err *err); /* of strings; NULL: any */
	const char *help;     /* one line */
};

extern const struct config_option config_options[];
extern const size_t config_options_n;

/* What the common command-line options collect: -c FILE, -o NAME=VALUE. */
struct config_args {
	const char *path; /* NULL: CONFIG_DEFAULT_PATH if it exists, else the defaults */
	const char *overrides[32];
	size_t n_overrides;
};

bool config_args_add(struct config_args *args, const char *override, struct err *err) NIXIE_MUST_CHECK;

/* All defaults, then the file, then the overrides. *config_r is untouched on failure. */
bool config_load(const struct config_args *args, struct config *config_r, struct err *err) NIXIE_MUST_CHECK;

/* The same from text; for tests and fuzzing. */
bool config_parse(const char *name, const char *text, struct config *config_r, struct err *err) NIXIE_MUST_CHECK;

/* Takes over from *next what may change while running; logs a warning for each
 * option that differs and needs a restart. */
void config_reload(struct config *running, const struct config *next);

/* Is anything said of mail that comes back? Then a log notes what it told (sent.h). */
bool config_receives(const struct config *config);

struct address_options config_address_options(const struct config *config);
/* To be freed; NULL: connections are in the clear. */
struct tls;
struct tls *config_tls(const struct config *config);

/* "250ms" "10 s" "15 days" "12 months"; "32MiB" "64 KiB" "512". */
bool config_parse_span(struct sv text, struct span *span_r) NIXIE_MUST_CHECK;
bool config_parse_bytes(struct sv text, int64_t *bytes_r) NIXIE_MUST_CHECK;
/* "2 %" "0.2%", in permille */
bool config_parse_share(struct sv text, int64_t *permille_r) NIXIE_MUST_CHECK;

#endif
