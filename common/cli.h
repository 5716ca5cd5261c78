/* cli: what all programs of nixie share at the command line. */
#ifndef NIXIE_CLI_H
#define NIXIE_CLI_H

#include "config.h"
#include "rules.h"

#ifndef NIXIE_VERSION
#define NIXIE_VERSION "0"
#endif

/* Exit codes, stable: nixie(1), EXIT STATUS */
enum exit_code { EXIT_OK, EXIT_NOT_FOUND, EXIT_USAGE, EXIT_STORE, EXIT_CONFIG };
/* of a check: what was looked at is not as it should be */
enum { EXIT_FAULTS = EXIT_NOT_FOUND };

/* The first thing in main(): clock, signals, log. */
void cli_start(const char *name);

/* The options that every program has. */
#define CLI_SHORT_OPTIONS "c:o:vVh"
#define CLI_LONG_OPTIONS { "config", required_argument, NULL, 'c' }, { "verbose", no_argument, NULL, 'v' }, \
	{ "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' }

struct cli {
	const char *name, *help;
	struct config_args config;
	bool verbose;
	int exit; /* >= 0: leave with this code */
};

/* Takes one option that getopt returned. Afterwards look at cli->exit. */
void cli_option(struct cli *cli, int option, const char *argument);

/* What to type for the command: its path where it lies beside this program, as in the build
 * tree, else "nixie". Static storage. */
const char *cli_command(void);

/* Where the shipped rules are: beside the program, <prefix>/share/nixie/rules.d.
 * "" when the program's place cannot be found. Static storage. */
const char *cli_shipped_rules(void);

/* The rule directories of the configuration, then the shipped ones; also checks that the
 * conversions watch something they define. NULL and *err on failure. */
struct ruleset *cli_load_rules(const struct config *config, struct err *err);
/* The same by ruleset_load_late(). */
struct ruleset *cli_load_rules_late(const struct config *config, struct err *err);

/* The name of this host, as syslog writes it (up to the first dot is not cut). Static storage. */
const char *cli_hostname(void);

/* Becomes a daemon: background, no terminal. False: see errno. */
bool cli_daemonize(void) NIXIE_MUST_CHECK;

/* A signalfd(2) of SIGTERM, SIGINT and SIGHUP, and of more (0-ended, or NULL), which are blocked from now on; -1: see errno. */
int cli_signals(const int *more);

/* Tells systemd (sd_notify(3)): "READY=1", "STOPPING=1", "RELOADING=1"... A no-op
 * where NOTIFY_SOCKET is not set. Who listens there may be slow: after 2 s that is logged, and nothing waits any longer. */
void cli_notify(const char *state);

#endif
