/* doctor: the logs, and how far they have been read. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "doctor.h"
#include "journal.h"
#include "logname.h"
#include "store.h"

/* A log that grows is read at once, and its place is written at least once in some minutes. */
#define STALE_S INT64_C(3600)
#define FUTURE_S INT64_C(3600)

struct log_file {
	const char *path; /* as configured */
	enum logname kind;
	char name[CONFIG_STRING_MAX + 256 + PATH_MAX]; /* of the source; of a pattern, host and pattern */
	struct stat st;   /* of a file */
	int64_t last_s;   /* of a journal: when its last entry is of; 0: it has none */
	bool readable, on_record;
};

struct logs {
	struct doctor *d;
	size_t n;
	struct log_file v[CONFIG_LIST_MAX];
};

static void check_file(struct doctor *d, struct log_file *file)
{
	/* a FIFO is not opened: its writer would take us for its reader */
	bool fifo = stat(file->path, &file->st) == 0 && S_ISFIFO(file->st.st_mode);
	int fd = fifo ? -1 : open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fifo)
		doctor_tell(d, FINDING_OK, "log", "", "%s: a FIFO; what was read of it is on record nowhere", file->path);
	else if (fd < 0 && errno == EACCES)
		doctor_tell(d, FINDING_WARNING, "log", "run this as root, or as the user of nixie-logtail, who must be able to read it (adduser nixie adm)",
			"%s: this user may not read it", file->path);
	else if (fd < 0)
		doctor_tell(d, FINDING_ERROR, "log", "set logtail.files to where the MTA logs; without syslog that is \"journal:\", see nixie-logtail(8)",
			"%s: %s", file->path, strerror(errno));
	else if (fstat(fd, &file->st) != 0 || !S_ISREG(file->st.st_mode))
		doctor_tell(d, FINDING_ERROR, "log", "set logtail.files to files", "%s: not a regular file", file->path);
	else
		file->readable = true;
	if ((fifo || fd >= 0) && geteuid() == 0)
		doctor_reader(d, file->path);
	if (fd >= 0)
		close(fd);
}

static void check_journal(struct doctor *d, struct log_file *file)
{
	struct err err;
	struct journal *journal = journal_open(logname_path(file->path), &err);

	file->readable = journal;
	if (!journal)
		doctor_tell(d, FINDING_ERROR, "log", "run this as root, or as the user of nixie-logtail; or set logtail.files to where the MTA logs", "%s", err.text);
	else
		file->last_s = journal_last_s(journal);
	journal_close(journal);
}

static void check_socket(struct doctor *d, const struct log_file *file)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", logname_path(file->path));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
		doctor_tell(d, FINDING_WARNING, "log", errno == EACCES ? "who is to log into it must be able to: logtail.socket-mode" :
			"start nixie-logtail, which makes it: systemctl enable --now nixie-logtail", "%s: %s", file->path, strerror(errno));
	else
		doctor_tell(d, FINDING_OK, "log", "", "%s: somebody reads it; what was read of it is on record nowhere", file->path);
	if (fd >= 0)
		close(fd);
}

static void check_pattern(struct doctor *d, struct log_file *file)
{
	glob_t found;
	int result = glob(file->path, 0, NULL, &found);

	file->readable = result == 0;
	if (result == 0)
		globfree(&found);
	else
		doctor_tell(d, FINDING_WARNING, "log", "set logtail.files to where the MTA logs", "%s: no file matches", file->path);
}

static void check_log(struct doctor *d, struct log_file *file)
{
	switch (file->kind) {
	case LOGNAME_FILE:
		check_file(d, file);
		break;
	case LOGNAME_GLOB:
		check_pattern(d, file);
		break;
	case LOGNAME_JOURNAL:
		check_journal(d, file);
		break;
	case LOGNAME_SYSLOG:
		check_socket(d, file);
		break;
	case LOGNAME_STDIN:
		break;
	}
}

/* Does anything wait to be read of it at all? */
static bool has_lines(const struct log_file *file)
{
	return file->kind == LOGNAME_GLOB || (file->kind == LOGNAME_JOURNAL ? file->last_s > 0 : file->st.st_size > 0);
}

/* What nobody has read: so many bytes of this file, after a rotation all of it. Returns whether there is such. */
static bool unread(const struct log_file *file, const struct position *p, char *what_r, size_t size)
{
	if (file->kind == LOGNAME_JOURNAL) {
		(void)snprintf(what_r, size, "there are newer entries");
		return file->last_s > p->time_s;
	}
	if (file->kind == LOGNAME_GLOB)
		return false;
	bool same = file->st.st_dev == p->device && file->st.st_ino == p->inode;
	int64_t bytes = same ? (int64_t)file->st.st_size - (int64_t)p->offset : (int64_t)file->st.st_size;
	(void)snprintf(what_r, size, "%" PRId64 " bytes are new", bytes);
	return bytes > 0;
}

static void tell_file(struct doctor *d, const struct log_file *file, const struct position *p, int64_t updated_s)
{
	int64_t now_s = clock_now_s(), idle_s = now_s - updated_s;
	char idle[DOCTOR_AGE_MAX], last[DOCTOR_AGE_MAX], what[64];
	bool more = unread(file, p, what, sizeof what);
	struct sv path = sv_of(file->path);

	if (file->kind == LOGNAME_GLOB) /* which of them */
		path = sv_skip(p->source, strlen(cli_hostname()) + 1);
	doctor_age(idle_s, idle);
	doctor_age(now_s - p->time_s, last);
	if (more && idle_s > STALE_S)
		doctor_tell(d, FINDING_WARNING, "log", "is nixie-logtail running? systemctl status nixie-logtail",
			"%s: not read for %s, and %s", file->path, idle, what);
	else if (p->time_s > now_s + FUTURE_S)
		doctor_tell(d, FINDING_WARNING, "log", "check the clock of the host that logs, and logtail.timezone",
			"%s: its last line is from the future, by %s", file->path, doctor_age(p->time_s - now_s, last));
	else
		doctor_tell(d, FINDING_OK, "log", "", "%.*s: last line %s ago, read %s ago%s", SV_ARG(path), last, idle,
			file->kind == LOGNAME_GLOB ? "" : more ? ", more to read" : ", to its end");
}

/* Is this source the log, or one that its pattern stands for? */
static bool is_source(const struct log_file *file, struct sv source)
{
	char name[sizeof file->name];

	(void)snprintf(name, sizeof name, "%.*s", SV_ARG(source));
	return strcmp(name, file->name) == 0 || (file->kind == LOGNAME_GLOB && fnmatch(file->name, name, FNM_PATHNAME | FNM_PERIOD) == 0);
}

static void on_source(void *arg, const struct position *p, int64_t updated_s)
{
	struct logs *logs = arg;
	int64_t now_s = clock_now_s();
	char idle[DOCTOR_AGE_MAX], last[DOCTOR_AGE_MAX];

	for (size_t i = 0; i < logs->n; i++) {
		if (!is_source(&logs->v[i], p->source))
			continue;
		logs->v[i].on_record = true;
		if (logs->v[i].readable)
			tell_file(logs->d, &logs->v[i], p, updated_s);
		return;
	}
	doctor_tell(logs->d, FINDING_OK, "source", "", "%.*s: last line %s ago, read %s ago; not in this configuration",
		SV_ARG(p->source), doctor_age(now_s - p->time_s, last), doctor_age(now_s - updated_s, idle));
}

/* Older ones are told by nixie status. */
#define GAP_S (7 * CLOCK_DAY_S)

static void on_gap(void *arg, struct sv source, int64_t time_s)
{
	struct doctor *d = arg;
	int64_t age_s = clock_now_s() - time_s;
	char age[DOCTOR_AGE_MAX];

	if (age_s < GAP_S)
		doctor_tell(d, FINDING_WARNING, "lost", "nixie status tells how many",
			"%.*s: lines were lost, the last %s ago: failures from before do not convert", SV_ARG(source), doctor_age(age_s, age));
}

void doctor_gaps(struct doctor *d)
{
	struct store *store = store_redis(d->config);
	struct err err;

	if (store_gaps(store, on_gap, d, &err) != STORE_OK)
		doctor_tell(d, FINDING_ERROR, "lost", "", "%s", err.text);
	store_free(store);
}

void doctor_logs(struct doctor *d, bool reachable)
{
	struct logs *logs = xalloc(sizeof *logs);
	struct sv names[CONFIG_LIST_MAX];
	struct err err;

	logs->d = d;
	for (size_t i = 0; i < d->config->logtail_files.n; i++) {
		struct log_file *file = &logs->v[logs->n];
		file->path = d->config->logtail_files.v[i];
		file->kind = logname_kind(file->path);
		if (file->kind == LOGNAME_STDIN)
			continue;
		logname_source(cli_hostname(), file->path, file->name, sizeof file->name);
		check_log(d, file);
		names[logs->n++] = sv_of(file->name);
	}
	if (reachable && store_sources(d->config, logs->n, names, on_source, logs, &err) != STORE_OK)
		doctor_tell(d, FINDING_ERROR, "log", "", "%s", err.text);
	else
		for (size_t i = 0; reachable && i < logs->n; i++)
			if (logs->v[i].readable && !logs->v[i].on_record)
				doctor_tell(d, has_lines(&logs->v[i]) ? FINDING_WARNING : FINDING_OK, "log",
					has_lines(&logs->v[i]) ? "start nixie-logtail: systemctl enable --now nixie-logtail" : "",
					"%s: never read%s", logs->v[i].path, has_lines(&logs->v[i]) ? "" : ", and empty");
	free(logs);
}
