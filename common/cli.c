#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define SHARE "/share/nixie/rules.d"
#define NOTIFY_WAIT_S 2

void cli_option(struct cli *cli, int option, const char *argument)
{
	struct err err;

	switch (option) {
	case 'c':
		cli->config.path = argument;
		break;
	case 'o':
		if (!config_args_add(&cli->config, argument, &err)) {
			log_fatal("%s", err.text);
			cli->exit = EXIT_USAGE;
		}
		break;
	case 'v':
		cli->verbose = true;
		break;
	case 'V':
		(void)printf("%s %s\n", cli->name, NIXIE_VERSION);
		cli->exit = EXIT_OK;
		break;
	case 'h':
		(void)fputs(cli->help, stdout);
		cli->exit = EXIT_OK;
		break;
	default:
		(void)fprintf(stderr, "try %s --help\n", cli->name);
		cli->exit = EXIT_USAGE;
		break;
	}
}

const char *cli_command(void)
{
	static char path[4096];
	static const char name[] = "nixie";
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof name);

	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n <= 0)
		return name;
	memcpy(path + n, name, sizeof name);
	return access(path, X_OK) == 0 ? path : name;
}

const char *cli_shipped_rules(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof SHARE);

	if (n <= 0)
		return "";
	path[n] = '\0';
	for (int up = 0; up < 2; up++) { /* off with "bin/nixie" */
		char *slash = strrchr(path, '/');
		if (!slash)
			return "";
		*slash = '\0';
	}
	strcat(path, SHARE);
	return path;
}

/* What a conversion watches must be something that can happen. */
static bool check_conversions(const struct config *config, const struct ruleset *rules, struct err *err)
{
	enum category category;

	for (size_t i = 0; i < config->conversions.n; i++) {
		const struct conversion *c = &config->conversions.v[i];
		struct sv match = sv_of(c->match);
		if (!category_by_name(match, &category) && !ruleset_find(rules, match))
			return err_set(err, "%s:%u: conversions: match = \"%s\" is no category and no rule's id; nixie-rules(5) lists the categories",
				config->path, c->line, c->match);
	}
	return true;
}

static struct ruleset *load_rules(const struct config *config, struct ruleset *(*load)(const char *const *, size_t, struct err *), struct err *err)
{
	const char *directories[CONFIG_LIST_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < config->rules_directories.n; i++)
		directories[n++] = config->rules_directories.v[i];
	directories[n++] = cli_shipped_rules();
	struct ruleset *rules = load(directories, n, err);
	if (rules && !check_conversions(config, rules, err)) {
		ruleset_free(rules);
		return NULL;
	}
	return rules;
}

struct ruleset *cli_load_rules(const struct config *config, struct err *err)
{
	return load_rules(config, ruleset_load, err);
}

struct ruleset *cli_load_rules_late(const struct config *config, struct err *err)
{
	return load_rules(config, ruleset_load_late, err);
}

void cli_start(const char *name)
{
	clock_init();
	/* a connection that goes away is an error to handle, not the end */
	(void)signal(SIGPIPE, SIG_IGN);
	log_open(name, LOG_TARGET_STDERR, false);
}

const char *cli_hostname(void)
{
	static char name[256];

	if (gethostname(name, sizeof name - 1) != 0 || !name[0])
		(void)snprintf(name, sizeof name, "localhost");
	return name;
}

bool cli_daemonize(void)
{
	/* stays where it is: relative paths of the configuration stay right */
	return daemon(1, 0) == 0;
}

int cli_signals(const int *more)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	for (; more && *more; more++)
		sigaddset(&set, *more);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

void cli_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@') /* the abstract name space */
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = NOTIFY_WAIT_S }, sizeof(struct timeval));
	ssize_t sent;
	do { /* with a limit of time it is interrupted also by SIGSTOP and SIGCONT, though no handler is called: signal(7) */
		sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		log_warning("the service manager did not take %s within %d s; going on without", state, NOTIFY_WAIT_S);
	close(fd);
}
