/* nixie-policyd: see nixie-policyd(8). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "arena.h"
#include "cli.h"
#include "clock.h"
#include "log.h"
#include "protocol.h"
#include "restart.h"
#include "server.h"

static const char help[] =
	"usage: nixie-policyd [options]\n"
	"Answers Postfix's (and Exim's) question whether mail to a recipient may be accepted.\n"
	"\n"
	"  -c, --config FILE    configuration (default " CONFIG_DEFAULT_PATH ")\n"
	"  -o NAME=VALUE        override one option of the configuration\n"
	"  -f, --foreground     do not become a daemon; log to standard error\n"
	"  -t, --test           check the configuration, then exit (0: good, 4: not)\n"
	"  -v, --verbose        log more\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"\n"
	"SIGHUP reloads the configuration, SIGUSR2 restarts without a pause, SIGTERM drains and stops.\n"
	"Manual: nixie-policyd(8), nixie.conf(5), nixie(7)\n";

static const struct option long_options[] = {
	CLI_LONG_OPTIONS, { "foreground", no_argument, NULL, 'f' }, { "test", no_argument, NULL, 't' }, { NULL, 0, NULL, 0 },
};

/* Beside clients: sockets, Redis, a cluster's nodes. */
#define OWN_FILES 64

/* A descriptor for each connection, as far as we are allowed. */
static void raise_file_limit(struct config *config)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)config->policyd_max_connections + OWN_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= want)
		return;
	/* clients must not take those that lead to Redis */
	int64_t room = limit.rlim_cur > 2 * OWN_FILES ? (int64_t)limit.rlim_cur - OWN_FILES : (int64_t)limit.rlim_cur / 2;
	log_warning("only %llu descriptors: %lld connections in place of policyd.max-connections = %lld; raise LimitNOFILE",
		(unsigned long long)limit.rlim_cur, (long long)room, (long long)config->policyd_max_connections);
	config->policyd_max_connections = room;
}

/* As in FileDescriptorName= of nixie-policyd.socket */
static const char *const socket_names[] = { "policy", "maps", "metrics", NULL };

/* Also of what is read later. */
static int check(const struct config *config)
{
	struct service service = { .rules = NULL };
	struct err err;

	if (!maps_load(&service, config, &err)) {
		log_fatal("%s", err.text);
		return EXIT_CONFIG;
	}
	ruleset_free(service.rules);
	(void)puts(RESTART_GOOD);
	return EXIT_OK;
}

static int run(struct config *config, const struct cli *cli, bool foreground, char **argv)
{
	bool to_syslog = config->log_to == LOG_TO_SYSLOG || (config->log_to == LOG_TO_AUTO && !foreground);

	struct activation passed;
	struct err err;

	log_never_wait();
	log_open("nixie/policyd", to_syslog ? LOG_TARGET_SYSLOG : LOG_TARGET_STDERR, cli->verbose);
	if (!activation_take(socket_names, &passed, &err)) { /* they are for this process id */
		log_fatal("%s", err.text);
		return EXIT_CONFIG;
	}
	if (!foreground && !restart_is_one() && !cli_daemonize()) {
		log_fatal("cannot become a daemon: %m");
		return EXIT_CONFIG;
	}
	raise_file_limit(config);
	log_info("nixie-policyd %s starts%s", NIXIE_VERSION, answers_all_shadow(&config->policyd_answers) ? " in shadow mode: it refuses nothing" : "");
	return server_run(config, &cli->config, &passed, argv);
}

int main(int argc, char **argv)
{
	struct cli cli = { .name = "nixie-policyd", .help = help, .exit = -1 };
	struct config *config = xalloc(sizeof *config);
	struct err err;
	bool foreground = false, test = false;
	int c;

	cli_start("nixie-policyd");
	while (cli.exit < 0 && (c = getopt_long(argc, argv, CLI_SHORT_OPTIONS "ft", long_options, NULL)) != -1) {
		if (c == 'f')
			foreground = true;
		else if (c == 't')
			test = true;
		else
			cli_option(&cli, c, optarg);
	}
	int code = cli.exit;
	if (code < 0 && optind < argc) {
		log_fatal("%s: there is nothing to say after the options; try nixie-policyd --help", argv[optind]);
		code = EXIT_USAGE;
	} else if (code < 0 && !config_load(&cli.config, config, &err)) {
		log_fatal("%s", err.text);
		code = EXIT_CONFIG;
	} else if (code < 0 && test) {
		code = check(config);
	} else if (code < 0) {
		code = run(config, &cli, foreground, argv);
	}
	free(config);
	return code;
}
