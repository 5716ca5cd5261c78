/* nixie: the operator's command: see nixie(1). */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "log.h"
#include "store.h"
#include "verbs.h"

static const char help[] =
	"usage: nixie [-c FILE] [-o NAME=VALUE] VERB [options] ...\n"
	"\n"
	"Look\n"
	"  check ADDR...        what is known, and what nixie-policyd answers now\n"
	"  list                 suppressed addresses, oldest first  [--status S] [--domain NAME] [--since 7d] [--limit N] ...\n"
	"  history ADDR...      each bounce of an address: when, which message, what the server said\n"
	"  stats                totals of all counters\n"
	"  report               results and rates of some days  [--last \"7 days\"] [--by day|hour|sender|campaign|dest|...] [--csv]\n"
	"  tail                 changes as they happen, until ^C\n"
	"  token T              the change that a rejection text names\n"
	"  alerts               what jumped or is over its limit just now, and what to do  [--log: all that was]\n"
	"  status               readers, Redis, alerts and data at a glance; exit status 1 when something needs attention\n"
	"  doctor               is all as it should be: Redis, logs, rules, nixie-policyd; and what to do\n"
	"Change\n"
	"  suppress ADDR...     never mail again (do-not-mail)  [--hard] [--for \"15 days\"] [--reason TEXT]\n"
	"  allow ADDR...        never suppress  [--reason TEXT]\n"
	"  reset ADDR...        free a suppressed address  [--force for complaint and do-not-mail]\n"
	"  remove ADDR...       forget an address and its history  [--force]\n"
	"  undo                 take back what failures, or one batch, did  [--since TIME] [--rule ID] ... [--dry-run]\n"
	"Lists\n"
	"  export [FILE]        everything that is known, as CSV  [--format jsonl] [--status suppressed] [--columns NAMES] [--hash]\n"
	"  import FILE | -      a list of nixie export, Amazon SES, SendGrid, Mailgun ..., or of addresses  [--dry-run]\n"
	"Rules\n"
	"  explain TEXT | ADDR  what a reply or a log line means and why; or the last failure of an address\n"
	"  classify             replies on standard input to CLASS CATEGORY RULE CODE ENHANCED\n"
	"  rules list           all rules  [--category C] [--class C]\n"
	"  rules show ID...     everything of a rule\n"
	"  rules test           do the rules win their examples?  [--strict]\n"
	"  rules lint           rules that cannot work, or not as they should\n"
	"  rules words [NAME]   the lists of words that rules name\n"
	"  replay [FILE...]     what other rules would make of old logs, or of the history in Redis  [--against DIR]\n"
	"  rules stats          final failures by rule  [--limit N]\n"
	"  rules unknown        replies that no rule knows  [--as-rules] [--limit N]\n"
	"  All but the last two take --rules DIR, also several times: these in place of the configured and the shipped rules.\n"
	"\n"
	"Every verb that prints takes --json: one object a line.\n"
	"Exit status: 0 done or found, 1 not found or not as it should be, 2 usage, 3 Redis, 4 configuration.\n"
	"\n"
	"  nixie check user@example.com\n"
	"  nixie suppress --reason \"asked by phone\" user@example.com\n"
	"  nixie explain '550 5.1.1 <user@example.com>: no such user'\n"
	"Manual: nixie(1), nixie(7), nixie-rules(5), nixie-redis(7)\n";

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
	{ "explain", verb_explain, false },
	{ "replay", verb_replay, false },
	{ "rules", verb_rules, false },
	{ "status", verb_status, true },
	{ "doctor", verb_doctor, false },
};

static const struct option long_options[] = { CLI_LONG_OPTIONS, { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 } };

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* "@example.com": canonical like that of an address. */
static enum address_result parse_domain(const char *text, const struct address_options *options, struct address *address_r)
{
	char with_user[ADDRESS_KEY_MAX + 8];
	enum address_result result;

	if ((size_t)snprintf(with_user, sizeof with_user, "x%s", text) >= sizeof with_user)
		return ADDRESS_TOO_LONG;
	result = address_parse(sv_of(with_user), ADDRESS_EXTERNAL, options, address_r);
	if (result == ADDRESS_OK && address_r->at != 1)
		return ADDRESS_BAD;
	if (result == ADDRESS_OK) {
		memmove(address_r->key, address_r->key + 1, address_r->n); /* with the terminator */
		address_r->n--;
		address_r->at = 0;
	}
	return result;
}

bool verb_find_address(const struct ctl *ctl, const char *text, struct address *address_r, struct err *err)
{
	struct address_options options = config_address_options(&ctl->config);

	/* copied with what stood around it; in a log the same may be an address */
	if (*text != '"' && *text != '@' && (strpbrk(text, " \t<>,;") || strchr(text, '@') != strrchr(text, '@') || strncmp(text, "mailto:", 7) == 0))
		return err_set(err, "%s: write the address alone, as in user@example.com", text);
	enum address_result result = *text == '@' ? parse_domain(text, &options, address_r) :
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

static int run_verb(const struct cli *cli, const struct verb *verb, bool json, int argc, char **argv)
{
	struct ctl *ctl = xalloc(sizeof *ctl);
	struct err err;
	int code;

	ctl->json = json;
	if (!config_load(&cli->config, &ctl->config, &err)) {
		log_fatal("%s", err.text);
		free(ctl);
		return EXIT_CONFIG;
	}
	if (verb->needs_store)
		verb_open_store(ctl);
	optind = 0; /* glibc: begin anew with the verb's own options */
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
	struct cli cli = { .name = "nixie", .help = help, .exit = -1 };
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
		(void)fputs(help, stderr);
		return EXIT_USAGE;
	}
	const struct verb *verb = find_verb(argv[optind]);
	if (!verb) {
		log_fatal("there is no verb \"%s\"; nixie --help lists them", argv[optind]);
		return EXIT_USAGE;
	}
	return run_verb(&cli, verb, json, argc - optind, argv + optind);
}
