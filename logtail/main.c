/* nixie-logtail: see nixie-logtail(8). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "cli.h"
#include "clock.h"
#include "follow.h"
#include "log.h"
#include "term.h"
#include "whole.h"

static const char help[] =
	"usage: nixie-logtail [options] [FILE...]       follow the configured logs (or FILE...) into Redis\n"
	"       nixie-logtail --parse FILE...           parse logs to JSON lines, without Redis\n"
	"       nixie-logtail --dry-run FILE...         what nixie would suppress, without Redis\n"
	"FILE may be compressed with gzip, xz or zstd; - is standard input, journal: the systemd journal.\n"
	"\n"
	"  -c, --config FILE    configuration (default " CONFIG_DEFAULT_PATH ")\n"
	"  -o NAME=VALUE        override one option of the configuration\n"
	"  -f, --foreground     do not become a daemon; log to standard error\n"
	"  -t, --test           check configuration and rules, then exit (0: good, 4: not)\n"
	"      --rules DIR      rules of DIR only, with --parse and --dry-run\n"
	"      --show           for people: progress, summary, live events\n"
	"      --once           stop at the end of the logs\n"
	"      --since TIME     with --parse, --dry-run and --once: only lines from then on count\n"
	"      --until TIME     ... and only lines before then; TIME is 2026-11-01 (UTC),\n"
	"                       2026-11-01T09:00:00+01:00, or how long ago, such as 30d\n"
	"  -v, --verbose        log more\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"\n"
	"Try it first:  nixie-logtail --dry-run /var/log/mail.log\n"
	"Manual: nixie-logtail(8), nixie.conf(5), nixie(7)\n";

enum mode { MODE_FOLLOW, MODE_PARSE, MODE_DRY_RUN, MODE_TEST };

struct arguments {
	struct cli cli;
	const char *rules;
	enum mode mode;
	const char *since, *until;
	struct period period;
	bool foreground, show, once;
};

enum { LONG_PARSE = 256, LONG_DRY_RUN, LONG_RULES, LONG_SHOW, LONG_ONCE, LONG_SINCE, LONG_UNTIL };

static const struct option long_options[] = {
	CLI_LONG_OPTIONS, { "foreground", no_argument, NULL, 'f' }, { "test", no_argument, NULL, 't' },
	{ "parse", no_argument, NULL, LONG_PARSE }, { "dry-run", no_argument, NULL, LONG_DRY_RUN },
	{ "rules", required_argument, NULL, LONG_RULES }, { "show", no_argument, NULL, LONG_SHOW },
	{ "once", no_argument, NULL, LONG_ONCE }, { "since", required_argument, NULL, LONG_SINCE },
	{ "until", required_argument, NULL, LONG_UNTIL }, { NULL, 0, NULL, 0 },
};

static void parse_arguments(int argc, char **argv, struct arguments *a)
{
	int c;

	while (a->cli.exit < 0 && (c = getopt_long(argc, argv, CLI_SHORT_OPTIONS "ft", long_options, NULL)) != -1) {
		switch (c) {
		case 'f':
			a->foreground = true;
			break;
		case 't':
			a->mode = MODE_TEST;
			break;
		case LONG_PARSE:
			a->mode = MODE_PARSE;
			break;
		case LONG_DRY_RUN:
			a->mode = MODE_DRY_RUN;
			break;
		case LONG_RULES:
			a->rules = optarg;
			break;
		case LONG_SHOW:
			a->show = true;
			break;
		case LONG_ONCE:
			a->once = true;
			break;
		case LONG_SINCE:
			a->since = optarg;
			break;
		case LONG_UNTIL:
			a->until = optarg;
			break;
		default:
			cli_option(&a->cli, c, optarg);
			break;
		}
	}
}

/* False, after a message: a time that is none, or with nothing that reads old logs. */
static bool take_period(struct arguments *a)
{
	struct err err;

	a->period = PERIOD_ALL;
	if (!a->since && !a->until)
		return true;
	if (a->mode == MODE_TEST || (a->mode == MODE_FOLLOW && !a->once)) {
		log_fatal("--since and --until are for --parse, --dry-run and --once");
		return false;
	}
	if ((a->since && !period_parse(sv_of(a->since), &a->period.since_s, &err)) ||
	    (a->until && !period_parse(sv_of(a->until), &a->period.until_s, &err))) {
		log_fatal("%s", err.text);
		return false;
	}
	if (a->period.since_s >= a->period.until_s) {
		log_fatal("--since %s is not before --until %s: no line could count", a->since, a->until);
		return false;
	}
	return true;
}

static int run(struct arguments *a, struct config *config, struct ruleset *rules, char **files, size_t n)
{
	struct follow_options options = { .args = &a->cli.config, .show = a->show, .once = a->once, .period = a->period };
	const struct whole whole = { files, n, a->period };
	bool daemonize = !a->foreground && !a->show && !a->once;
	bool to_syslog = config->log_to == LOG_TO_SYSLOG || (config->log_to == LOG_TO_AUTO && daemonize);

	if (a->mode == MODE_PARSE)
		return whole_parse(config, rules, &whole);
	if (a->mode == MODE_DRY_RUN)
		return whole_dry_run(config, rules, &whole);
	if (a->rules) {
		log_fatal("--rules is for --parse and --dry-run; name your rules in rules.directories of the configuration");
		return EXIT_USAGE;
	}
	options.files = files;
	options.n_files = n;
	log_open("nixie/logtail", to_syslog ? LOG_TARGET_SYSLOG : LOG_TARGET_STDERR, a->cli.verbose);
	if (daemonize && !cli_daemonize()) {
		log_fatal("cannot become a daemon: %m");
		return EXIT_CONFIG;
	}
	size_t n_logs = n ? n : config->logtail_files.n;
	log_info("nixie-logtail %s starts: %zu rules, %zu log%s", NIXIE_VERSION, ruleset_count(rules), n_logs, term_plural(n_logs));
	return follow(config, rules, &options);
}

/* Configuration, rules and zone; NULL and *err when one of them is not good. */
static struct ruleset *prepare(const struct arguments *a, struct config *config, struct err *err)
{
	if (!config_load(&a->cli.config, config, err))
		return NULL;
	if (!clock_set_zone(config->logtail_timezone)) {
		err_set(err, "logtail.timezone: %s cannot be set", config->logtail_timezone);
		return NULL;
	}
	return a->rules ? ruleset_load(&a->rules, 1, err) : cli_load_rules(config, err);
}

int main(int argc, char **argv)
{
	struct arguments a = { .cli = { .name = "nixie-logtail", .help = help, .exit = -1 } };
	struct config *config = xalloc(sizeof *config);
	struct err err;

	cli_start("nixie-logtail");
	parse_arguments(argc, argv, &a);
	log_open("nixie-logtail", LOG_TARGET_STDERR, a.cli.verbose);
	size_t n = (size_t)(argc - optind);
	int code = a.cli.exit;
	if (code < 0 && (a.mode == MODE_PARSE || a.mode == MODE_DRY_RUN) && n == 0) {
		log_fatal("name at least one log file, or - for standard input");
		code = EXIT_USAGE;
	}
	if (code < 0 && !take_period(&a))
		code = EXIT_USAGE;
	struct ruleset *rules = code < 0 ? prepare(&a, config, &err) : NULL;
	if (code < 0 && !rules) {
		log_fatal("%s", err.text);
		code = EXIT_CONFIG;
	} else if (code < 0 && a.mode == MODE_TEST) {
		(void)printf("configuration and %zu rules are good\n", ruleset_count(rules));
		code = EXIT_OK;
	} else if (code < 0) {
		code = run(&a, config, rules, argv + optind, n);
		if (a.mode == MODE_FOLLOW)
			rules = NULL; /* follow() took it */
	}
	ruleset_free(rules);
	free(config);
	return code;
}
