/* nixie: the operator's command: see nixie(1). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "help.h"
#include "log.h"
#include "store.h"
#include "verbs.h"

static const struct verb {
	const char *name;
	int (*run)(struct ctl *ctl, int argc, char **argv);
	bool needs_store;
} verbs[] = {
	{ "check", verb_check, true },
	{ "list", verb_list, true },
	{ "history", verb_history, true },
	{ "stats", verb_stats, true },
	{ "report", verb_report, true },
	{ "tail", verb_tail, true },
	{ "top", verb_top, true },
	{ "token", verb_token, true },
	{ "alerts", verb_alerts, true },
	{ "suppress", verb_suppress, true },
	{ "allow", verb_allow, true },
	{ "reset", verb_reset, true },
	{ "remove", verb_remove, true },
	{ "undo", verb_undo, true },
	{ "export", verb_export, true },
	{ "import", verb_import, true },
	{ "classify", verb_classify, false },
	{ "receive", verb_receive, false },
	{ "verp", verb_verp, false },
	{ "aside", verb_aside, true },
	{ "explain", verb_explain, false },
	{ "replay", verb_replay, false },
	{ "rules", verb_rules, false },
	{ "status", verb_status, true },
	{ "doctor", verb_doctor, false },
	{ "metrics", verb_metrics, true },
	{ "help", verb_help, false },
	{ "complete", verb_complete, false },
};

static const struct option long_options[] = { CLI_LONG_OPTIONS, { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 } };

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

bool verb_find_address(const struct ctl *ctl, const char *text, struct address *address_r, struct err *err)
{
	struct address_options options = config_address_options(&ctl->config);

	/* copied with what stood around it; in a log the same may be an address */
	if (*text != '"' && *text != '@' && (strpbrk(text, " \t<>,;") || strchr(text, '@') != strrchr(text, '@') || strncmp(text, "mailto:", 7) == 0))
		return err_set(err, "%s: write the address alone, as in user@example.com", text);
	enum address_result result = *text == '@' ? address_parse_domain(sv_of(text + 1), address_r) :
		address_parse(sv_of(text), ADDRESS_EXTERNAL, &options, address_r);
	return result == ADDRESS_OK || err_set(err, "%s: %s", text, address_problem(result));
}

bool verb_address(const struct ctl *ctl, const char *text, struct address *address_r)
{
	struct err err;
	bool ok = verb_find_address(ctl, text, address_r, &err);

	if (!ok)
		log_error("%s", err.text);
	return ok;
}

int verb_store_failed(const struct err *err)
{
	log_error("%s", err->text);
	return EXIT_STORE;
}

/* In a host whose configuration is broken, too. */
static bool needs_config(const struct verb *verb)
{
	return verb->run != verb_help && verb->run != verb_complete;
}

/* Mail that a server hands over must stay in its queue, whatever went wrong: it knows the words of sysexits.h only. */
static int code_of(const struct verb *verb, int argc, char **argv, int code)
{
	if (verb->run != verb_receive || code == EXIT_OK)
		return code;
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--dry-run") == 0)
			return code;
	return EX_TEMPFAIL;
}

static int run_verb(const struct cli *cli, const struct verb *verb, bool json, int argc, char **argv)
{
	static char output[65536];
	struct ctl *ctl = xalloc(sizeof *ctl);
	struct err err;
	int code;

	ctl->json = json;
	if (needs_config(verb) && !config_load(&cli->config, &ctl->config, &err)) {
		log_fatal("%s", err.text);
		free(ctl);
		return EXIT_CONFIG;
	}
	if (verb->needs_store)
		verb_open_store(ctl);
	if (!isatty(STDOUT_FILENO)) /* a list may be long */
		(void)setvbuf(stdout, output, _IOFBF, sizeof output);
	optind = 0; /* glibc: begin anew with the verb's own options */
	opterr = 0; /* help_refuse() tells what is wrong, and what was meant */
	code = verb->run(ctl, argc, argv);
	/* a reader that went away (| head) has what it wanted */
	if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
		log_error("cannot write the output: %m");
		code = code ? code : EXIT_NOT_FOUND;
	}
	store_free(ctl->store);
	free(ctl);
	return code;
}

int main(int argc, char **argv)
{
	struct cli cli = { .name = "nixie", .help = help_all(), .exit = -1 };
	bool json = false;
	int c;

	cli_start("nixie");
	/* '+': the options after the verb are the verb's */
	while (cli.exit < 0 && (c = getopt_long(argc, argv, "+" CLI_SHORT_OPTIONS, long_options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else
			cli_option(&cli, c, optarg);
	}
	if (cli.exit >= 0)
		return cli.exit;
	log_open("nixie", LOG_TARGET_STDERR, cli.verbose);
	if (optind == argc) {
		(void)fputs(cli.help, stderr);
		return EXIT_USAGE;
	}
	const struct verb *verb = find_verb(argv[optind]);
	if (!verb)
		return help_no_verb("", argv[optind]);
	argc -= optind;
	argv += optind;
	return code_of(verb, argc, argv, run_verb(&cli, verb, json, argc, argv));
}
