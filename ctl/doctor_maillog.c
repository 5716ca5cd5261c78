/* doctor: is what Postfix and Exim log what nixie-logtail reads, and can lines get lost on the way. */
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "logname.h"
#include "mailer.h"
#include "reach.h"

#define LINE_ROOM 1024
/* The user of the service that is shipped, and its SupplementaryGroups. */
#define READER "nixie"

static bool reads_journal(const struct config *config)
{
	for (size_t i = 0; i < config->logtail_files.n; i++)
		if (logname_kind(config->logtail_files.v[i]) == LOGNAME_JOURNAL)
			return true;
	return false;
}

bool doctor_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

bool doctor_reads(const struct config *config, const char *path)
{
	for (size_t i = 0; i < config->logtail_files.n; i++) {
		const char *log = config->logtail_files.v[i];
		enum logname kind = logname_kind(log);
		if (kind == LOGNAME_GLOB ? fnmatch(log, path, FNM_PATHNAME | FNM_PERIOD) == 0 : kind == LOGNAME_FILE && doctor_same_file(log, path))
			return true;
	}
	return false;
}

void doctor_reader(struct doctor *d, const char *path)
{
	static const char *const groups[] = { "adm", "systemd-journal", NULL };
	const struct reach reach = { .user = READER, .groups = groups, .path = path, .how = REACH_READ };
	struct obstacle o;
	struct err err;
	char advice[2 * PATH_MAX];

	if (path[0] != '/' || !reach_try(&reach, &o, &err) || o.error != EACCES)
		return;
	if (o.path[0] && o.last)
		(void)snprintf(advice, sizeof advice, "chgrp adm %s && chmod g+r %s, and the same in its logrotate file (create 0640 ... adm)", path, path);
	else if (o.path[0])
		(void)snprintf(advice, sizeof advice, "chmod o+x %s", o.path);
	else
		(void)snprintf(advice, sizeof advice, "the modes allow it: look for access lists (getfacl) and for AppArmor or SELinux (dmesg)");
	doctor_tell(d, FINDING_ERROR, "log", advice, "%s: user " READER " (with the groups adm and systemd-journal) may not %s %s", path,
		o.last ? "read" : "enter", o.path[0] ? o.path : path);
}

/* ---- Postfix ---- */

static bool has_postlog(const struct mailer *m)
{
	for (size_t i = 0; i < m->n_services; i++)
		if (sv_eq(m->services[i].program, SV("postlogd")))
			return true;
	return false;
}

static void check_file(struct doctor *d, const struct mailer *m, struct sv file)
{
	char path[PATH_MAX], advice[2 * PATH_MAX + 128];

	(void)snprintf(path, sizeof path, "%.*s", SV_ARG(file));
	(void)snprintf(advice, sizeof advice, "in nixie.conf: logtail: { files = [ \"%s\" ]; }; then restart nixie-logtail", path);
	if (!doctor_reads(d->config, path))
		doctor_tell(d, FINDING_ERROR, "maillog", advice, "Postfix logs into %s (maillog_file), which logtail.files does not name", path);
	else
		doctor_tell(d, FINDING_OK, "maillog", "", "Postfix logs into %s, which nixie-logtail reads", path);
	(void)snprintf(advice, sizeof advice, "postconf%s -Me 'postlog/unix-dgram = postlog unix-dgram n - n - 1 postlogd' && postfix%s reload", mailer_option(m),
		mailer_option(m));
	if (!has_postlog(m))
		doctor_tell(d, FINDING_ERROR, "maillog", advice,
			"maillog_file is set, and master.cf has no postlogd to write it");
}

static void check_syslog(struct doctor *d, const struct mailer *m)
{
	struct sv facility = mailer_value(m, "syslog_facility");
	char advice[2 * PATH_MAX + 128];

	(void)snprintf(advice, sizeof advice, "postconf%s -e syslog_facility=mail && postfix%s reload; or let syslog write that facility into the log",
		mailer_option(m), mailer_option(m));
	if (!reads_journal(d->config) && !sv_eq(facility, SV("mail")))
		doctor_tell(d, FINDING_WARNING, "maillog", advice,
			"Postfix logs with the facility %.*s, which syslog writes elsewhere than mail", SV_ARG(facility));
	else
		doctor_tell(d, FINDING_OK, "maillog", "", "Postfix logs by syslog, facility %.*s", SV_ARG(facility));
}

/* ---- what drops lines ---- */

/* The last "name = value" of the files of the pattern; *value_r stays otherwise. */
static void find_setting(const char *pattern, const char *name, char *value_r, size_t size)
{
	char line[LINE_ROOM];
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		while (f && fgets(line, sizeof line, f)) {
			struct sv text = sv_of(line), value = sv_cut(&text, '\n'), own = sv_trim(sv_cut(&value, '='));
			value = sv_trim(value);
			if (sv_eq(own, sv_of(name)))
				(void)snprintf(value_r, size, "%.*s", SV_ARG(value));
		}
		if (f)
			(void)fclose(f);
	}
	globfree(&found);
}

static bool is_zero(const char *value)
{
	return value[0] == '0' && strspn(value, "0smin") == strlen(value);
}

/* journald stands between Postfix and the journal, and a syslog daemon that reads the journal. */
static void check_journald(struct doctor *d)
{
	static const char *const places[] = { "/usr/lib/systemd/journald.conf.d/*.conf", "/etc/systemd/journald.conf", "/run/systemd/journald.conf.d/*.conf",
		"/etc/systemd/journald.conf.d/*.conf" };
	char interval[64] = "30s", burst[64] = "10000";

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		find_setting(places[i], "RateLimitIntervalSec", interval, sizeof interval);
		find_setting(places[i], "RateLimitBurst", burst, sizeof burst);
	}
	if (is_zero(interval) || is_zero(burst))
		doctor_tell(d, FINDING_OK, "ratelimit", "", "journald drops nothing for being too much");
	else
		doctor_tell(d, FINDING_WARNING, "ratelimit",
			"mkdir -p /etc/systemd/journald.conf.d && printf '[Journal]\\nRateLimitIntervalSec=0\\n' >/etc/systemd/journald.conf.d/nixie.conf && "
			"systemctl restart systemd-journald",
			"journald drops lines of a service that logs more than %s in %s: a mailing can be more", burst, interval);
}

/* $SystemLogRateLimitInterval 5; module(load="imuxsock" SysSock.RateLimit.Interval="5") */
static bool limits(struct sv line)
{
	static const char *const names[] = { "RateLimit.Interval", "RateLimitInterval" };

	for (size_t i = 0; i < 2 && line.n && line.p[0] != '#'; i++) {
		size_t at = sv_find_sv(line, sv_of(names[i]));
		struct sv value = at < line.n ? sv_skip(line, at + strlen(names[i])) : SV("");
		while (value.n && strchr(" =\"\t", value.p[0]))
			value = sv_skip(value, 1);
		if (value.n && value.p[0] >= '1' && value.p[0] <= '9')
			return true;
	}
	return false;
}

static void check_rsyslog(struct doctor *d)
{
	glob_t found;
	char line[LINE_ROOM];

	if (glob("/etc/rsyslog.conf", 0, NULL, &found) != 0)
		return;
	(void)glob("/etc/rsyslog.d/*.conf", GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		while (f && fgets(line, sizeof line, f))
			if (limits(sv_trim(sv_of(line))))
				doctor_tell(d, FINDING_WARNING, "ratelimit", "set it to 0 there: SysSock.RateLimit.Interval=\"0\"; then systemctl restart rsyslog",
					"%s limits the rate of lines: a mailing can be more, and lines are dropped", found.gl_pathv[i]);
		if (f)
			(void)fclose(f);
	}
	globfree(&found);
}

void doctor_maillog(struct doctor *d, const struct mailer *m)
{
	struct sv file = mailer_value(m, "maillog_file");

	if (file.n && !sv_eq(file, SV("/dev/stdout"))) {
		check_file(d, m, file);
		return;
	}
	check_syslog(d, m);
	if (access("/run/systemd/journal/socket", F_OK) == 0)
		check_journald(d);
	check_rsyslog(d);
}
