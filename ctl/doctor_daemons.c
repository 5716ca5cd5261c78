/* doctor: the programs of nixie that run here, and whether they are set up as this one is: by hand, as by `make run`, they have
 * a configuration of their own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "doctor.h"
#include "program.h"

/* More on one host is a test of many. */
#define DAEMONS_MAX 64
#define COMMAND_MAX 4096

struct daemon {
	char command[COMMAND_MAX], directory[CONFIG_STRING_MAX];
	const char *name;         /* "nixie-policyd" */
	const char *config;       /* -c; NULL: none */
	struct config_args args;
	char path[2 * CONFIG_STRING_MAX + 2]; /* of the configuration, from anywhere */
};

static bool read_proc(const char *pid, const char *name, char *room, size_t size, size_t *n_r)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, room, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	room[n > 0 ? n : 0] = '\0';
	*n_r = n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* What another user has started under our name can say anything: his configuration may never end. */
static bool is_trusted(const struct doctor *d, const char *pid)
{
	const char *const names[] = { "nixie", d->config->policyd_user };
	struct stat st;
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/%.16s", pid);
	if (stat(path, &st) != 0)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct passwd *user = *names[i] ? getpwnam(names[i]) : NULL;
		if (user && user->pw_uid == st.st_uid)
			return true;
	}
	return st.st_uid == 0 || st.st_uid == geteuid();
}

/* Its name, -c and -o, as it was started. */
static bool read_daemon(const char *pid, struct daemon *r)
{
	size_t n;
	char path[64];
	struct err err;

	if (!read_proc(pid, "cmdline", r->command, sizeof r->command, &n))
		return false;
	const char *slash = strrchr(r->command, '/');
	r->name = slash ? slash + 1 : r->command;
	if (strcmp(r->name, "nixie-policyd") != 0 && strcmp(r->name, "nixie-logtail") != 0)
		return false;
	(void)snprintf(path, sizeof path, "/proc/%.16s/cwd", pid);
	ssize_t length = readlink(path, r->directory, sizeof r->directory - 1);
	r->directory[length > 0 ? length : 0] = '\0';
	for (char *word = r->command + strlen(r->command) + 1; word < r->command + n; word += strlen(word) + 1) {
		bool config = strcmp(word, "-c") == 0 || strcmp(word, "--config") == 0, option = strcmp(word, "-o") == 0;
		if (!config && !option)
			continue;
		word += strlen(word) + 1;
		if (word >= r->command + n)
			break;
		if (config)
			r->config = word;
		else if (!config_args_add(&r->args, word, &err))
			return false;
	}
	(void)snprintf(r->path, sizeof r->path, "%s%s%s", r->config && r->config[0] != '/' ? r->directory : "", r->config && r->config[0] != '/' ? "/" : "",
		r->config ? r->config : "");
	r->args.path = r->config ? r->path : NULL;
	return true;
}

/* "unix:redis.sock" is in the directory where the program runs. */
static struct sv whole_address(const char *address, const char *directory, char *room, size_t size)
{
	struct sv path = sv_of(address);

	if (!sv_take(&path, SV("unix:")) || sv_starts(path, SV("/")))
		return sv_of(address);
	(void)snprintf(room, size, "unix:%s/%.*s", directory, SV_ARG(path));
	return sv_of(room);
}

static bool same_address(const char *own, const char *other, const char *directory)
{
	char here[CONFIG_STRING_MAX], room[2 * CONFIG_STRING_MAX + 8], other_room[2 * CONFIG_STRING_MAX + 8];

	return sv_eq(whole_address(own, getcwd(here, sizeof here) ? here : "", room, sizeof room),
		whole_address(other, directory, other_room, sizeof other_room));
}

static bool same_strings(const struct strings *a, const struct strings *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp(a->v[i], b->v[i]) == 0;
	return same;
}

/* What its configuration has otherwise than ours; "": nothing that matters here. */
static const char *differs(const struct doctor *d, const struct daemon *r, const struct config *config)
{
	bool policyd = strcmp(r->name, "nixie-policyd") == 0;

	return !same_address(d->config->redis_address, config->redis_address, r->directory) ? "redis.address" :
		strcmp(d->config->redis_prefix, config->redis_prefix) != 0 ? "redis.prefix" :
		d->config->redis_database != config->redis_database ? "redis.database" :
		policyd && !same_strings(&d->config->policyd_listen, &config->policyd_listen) ? "policyd.listen" : "";
}

static void add_option(struct buf *to, const char *option, const char *value)
{
	buf_add(to, sv_of(option));
	doctor_add_word(to, sv_of(value));
}

/* what: NULL: it was not looked at */
static void tell_daemon(struct doctor *d, const char *pid, const struct daemon *r, const char *what)
{
	char room[2 * COMMAND_MAX], options[COMMAND_MAX];
	struct buf b = BUF_ON(room), o = BUF_ON(options);

	if (r->config)
		add_option(&o, " -c ", r->path);
	for (size_t i = 0; i < r->args.n_overrides; i++)
		add_option(&o, " -o ", r->args.overrides[i]);
	buf_add(&b, SV("to look at that one: cd "));
	doctor_add_word(&b, sv_of(r->directory[0] ? r->directory : "/"));
	buf_addf(&b, " && %s%s doctor", cli_command(), buf_cstr(&o));
	if (!what)
		doctor_tell(d, FINDING_OK, "daemon", "", "%s (process %s) is another user's, and its configuration is not read", r->name, pid);
	else if (*what)
		doctor_tell(d, FINDING_OK, "daemon", buf_cstr(&b), "%s (process %s) runs with another %s than this has", r->name, pid, what);
	else
		doctor_tell(d, FINDING_OK, "daemon", "", "%s (process %s) runs%s%s", r->name, pid, options[0] ? " with" : "", buf_cstr(&o));
}

void doctor_daemons(struct doctor *d)
{
	DIR *proc = opendir("/proc");
	struct daemon *r = xalloc(sizeof *r);
	struct config *config = xalloc(sizeof *config);
	const struct dirent *entry;
	struct err err;
	size_t n = 0;

	while (proc && n < DAEMONS_MAX && (entry = readdir(proc))) {
		if (!sv_is_digit(entry->d_name[0]))
			continue;
		*r = (struct daemon){ .name = "" };
		if (!read_daemon(entry->d_name, r))
			continue;
		tell_daemon(d, entry->d_name, r, !is_trusted(d, entry->d_name) ? NULL :
			config_load(&r->args, config, &err) ? differs(d, r, config) : "configuration");
		n++;
	}
	if (proc)
		(void)closedir(proc);
	free(config);
	free(r);
}

/* ---- systemd ---- */

void doctor_units(struct doctor *d)
{
	static const char *const units[] = { "nixie-redis", "nixie-policyd", "nixie-logtail" };
	struct arena arena = { 0 };
	char advice[64];
	struct err err;
	struct sv said;

	if (access("/run/systemd/system", F_OK) != 0)
		return;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		const char *const known[] = { "systemctl", "cat", units[i], NULL }, *const active[] = { "systemctl", "is-active", "--quiet", units[i], NULL },
			*const enabled[] = { "systemctl", "is-enabled", "--quiet", units[i], NULL };
		if (!program_output(&arena, known, &said, &err) || !program_output(&arena, enabled, &said, &err))
			continue; /* not installed, or not wanted: a Redis of one's own */
		bool runs = program_output(&arena, active, &said, &err);
		(void)snprintf(advice, sizeof advice, "systemctl status %s; then systemctl restart %s", units[i], units[i]);
		doctor_tell(d, runs ? FINDING_OK : FINDING_ERROR, "unit", runs ? "" : advice, "%s is %s", units[i], runs ? "active" : "enabled and not active");
	}
	arena_free(&arena);
}
