/* help_verbs: the table of help.h. In the order of nixie(1); no brief: not in nixie --help. */
#include "help.h"

/* The rows: an option with a value, and a switch. */
#define VALUE(name_, value_, ...) { .name = name_, .value = value_, .what = __VA_ARGS__ }
#define SWITCH(name_, ...) { .name = name_, .what = __VA_ARGS__ }

#define STATUSES "held hard complaint manual"
#define TIME_FORMS "2026-11-21, or how long ago: 3h, \"7 days\""

#define OPTION_RULES VALUE("rules", "DIR", "the rules of this directory only; repeatable, the first has the most weight", .kind = HELP_DIRECTORY, .many = true)
#define OPTION_REASON VALUE("reason", "TEXT", "kept with the entry and in the journal")
#define OPTION_FORCE SWITCH("force", "also what is protected: do-not-mail and complaints")
#define OPTION_SINCE(text) VALUE("since", "TIME", text ": " TIME_FORMS)
#define OPTION_LIMIT(text) VALUE("limit", "N", text)
/* Which of the suppressed addresses are meant: filter.h. */
#define OPTIONS_FILTER \
	VALUE("status", "STATUS", "only these: held, hard, complaint, manual", .words = STATUSES), \
	VALUE("category", "NAME", "only those of this reason, as mailbox.full", .kind = HELP_CATEGORY), \
	VALUE("domain", "NAME", "only addresses in this domain"), \
	VALUE("provider", "NAME", "only those refused by servers of this provider, as google"), \
	VALUE("rule", "ID", "only those refused by this rule", .kind = HELP_RULE), \
	OPTION_SINCE("suppressed from then on"), \
	VALUE("until", "TIME", "suppressed before then")
#define OPTIONS_CHANGE OPTION_REASON, OPTION_FORCE, \
	SWITCH("dry-run", "show it and change nothing"), \
	SWITCH("yes", "do not ask: needed for more than 10 addresses"), \
	SWITCH("skip-errors", "leave out the lines that are wrong"), \
	OPTIONS_FILTER

const struct help help_verbs[] = {
	/* ---- look ---- */
	{ "check", HELP_LOOK, "ADDR...", .brief = "what is known, and what nixie-policyd answers now",
		.what = "What is known of each address and its domain, why, since when, and what "
			"nixie-policyd answers to mail for it now. Exit status 1: nothing is known.",
		.options = {
			VALUE("sender", "ADDR|DOMAIN", "the answer to mail of that envelope sender"),
			VALUE("login", "NAME", "the answer to mail of that SASL login"),
			VALUE("context", "NAME", "the answer in that policy_context of Postfix"),
		},
		.examples = { "nixie check user@example.com", "nixie check --sender shop.example user@example.com",
			"nixie check @example.com", "nixie check --json user@example.com" } },
	{ "list", HELP_LOOK, "", .brief = "suppressed addresses, oldest first",
		.what = "The suppressed addresses, the oldest first. Exit status 1: there are none.",
		.options = {
			OPTIONS_FILTER,
			OPTION_LIMIT("so many at most"),
			VALUE("after", "ADDR|CURSOR", "go on behind it"),
			SWITCH("scoped", "complaints and do-not-mail that hold for some senders only"),
		},
		.examples = { "nixie list --scoped --status complaint", "nixie list --status hard --since 7d", "nixie list --domain example.com",
			"nixie list --category mailbox.full --json" } },
	{ "history", HELP_LOOK, "[ADDR...]", .brief = "each bounce of an address; those behind a figure",
		.what = "Each bounce of the address that is on record, each complaint, and when it unsubscribed by mail, the oldest first. "
			"Without an address the failures of all that the options are true of, the newest first: what is behind a figure of nixie report. Exit status 1: there is none.",
		.options = {
			VALUE("last", "TIME", "so many days, today among them; without it 7 days"),
			VALUE("from", "DATE", "from that day on: " TIME_FORMS),
			VALUE("to", "DATE", "up to that day, which is in it"),
			OPTION_SINCE("from that moment on, in place of days"),
			VALUE("until", "TIME", "before that moment"),
			VALUE("dest", "DOMAIN", "of the recipient"),
			VALUE("sender", "ADDR|DOMAIN", "the envelope sender"),
			VALUE("campaign", "NAME", "of this campaign"),
			VALUE("provider", "NAME", "refused by servers of this provider"),
			VALUE("host", "NAME", "in the log of this host"),
			VALUE("category", "NAME", "for that reason", .kind = HELP_CATEGORY),
			VALUE("rule", "ID", "by that rule", .kind = HELP_RULE),
			VALUE("class", "CLASS", "hard, soft, hard-as-soft or soft-to-hard", .words = "hard soft hard-as-soft soft-to-hard"),
			OPTION_LIMIT("so many at most, the newest; 100 without it"),
		},
		.examples = { "nixie history user@example.com", "nixie history --last \"7 days\" --dest example.com",
			"nixie history --provider google --class hard --json", "nixie history --class soft-to-hard" } },
	{ "stats", HELP_LOOK, "", .brief = "totals of all counters",
		.what = "The counters of all days on record, the suppressed addresses by status, and the alerts that are open.",
		.examples = { "nixie stats", "nixie stats --json" } },
	{ "report", HELP_LOOK, "", .brief = "results and rates by day, sender, campaign, domain ...",
		.what = "Results of deliveries in some days (UTC), with the shares of bounces and "
			"complaints, and what stands out. Exit status 1: there are no results.",
		.options = {
			VALUE("last", "TIME", "so many days, today among them; without it 7 days, by hour 24 hours"),
			VALUE("from", "DATE", "from that day on: " TIME_FORMS),
			VALUE("to", "DATE", "up to that day, which is in it"),
			VALUE("by", "WHAT", "a row for each: day, hour, sender, campaign, dest, provider, host, category, rule",
				.words = "day hour sender campaign dest provider host category rule"),
			OPTION_LIMIT("so many rows at most"),
			SWITCH("csv", "comma-separated values with a header"),
			VALUE("html", "FILE", "one page with charts of all of it, without --by, --limit, --csv and --json; - is standard output", .kind = HELP_FILE),
		},
		.examples = { "nixie report", "nixie report --last \"30 days\" --by dest", "nixie report --last \"30 days\" --html report.html",
			"nixie report --from 2026-11-01 --to 2026-11-30 --by campaign --csv" } },
	{ "tail", HELP_LOOK, "", .brief = "changes as they happen, until ^C",
		.what = "Changes of addresses as they happen: when, from what to what, why, by whom.",
		.options = {
			VALUE("status", "STATUS", "only changes to that: none, soft, held, hard, complaint, manual, allow", .words = "none soft " STATUSES " allow"),
			VALUE("domain", "NAME", "only addresses of that domain"),
		},
		.examples = { "nixie tail", "nixie tail --status hard --domain example.com", "nixie tail --json" } },
	{ "top", HELP_LOOK, "", .brief = "a live screen: rates, the worst domains, readers ...",
		.what = "A live screen of rates, who fails, readers, services and alerts; q ends it, ? tells of the keys. "
			"Where standard output is no terminal, one picture as text.",
		.options = {
			VALUE("interval", "SECONDS", "read anew so often; 2 without it"),
			VALUE("by", "WHAT", "the table: dest, provider, sender, campaign, host", .words = "dest provider sender campaign host"),
			VALUE("minutes", "N", "the table is of so many minutes, 1 to 60; 15 without it"),
			SWITCH("once", "one picture, as text without control codes"),
		},
		.examples = { "nixie top", "nixie top --by provider --minutes 60", "nixie top --once", "nixie top --json --interval 10" } },
	{ "token", HELP_LOOK, "TOKEN", .brief = "the change that a rejection text names",
		.what = "The change that the text of a refusal names (the token, or the whole text in quotes), and what is known of "
			"the address now, for the help desk. Exit status 1: there is none of it (any more).",
		.examples = { "nixie token 1M7PY53CG-8" } },
	{ "alerts", HELP_LOOK, "", .brief = "what jumped or is over its limit, and what to do",
		.what = "The alerts that are open, the newest first, and what to do. Exit status 1: none is open.",
		.options = { SWITCH("log", "what was: each alert that opened or closed, the oldest first") },
		.examples = { "nixie alerts", "nixie alerts --log" } },
	{ "status", HELP_LOOK, "", .brief = "readers, Redis, policy services at a glance",
		.what = "The daemons and the data at a glance. Exit status 1: something needs attention.",
		.examples = { "nixie status", "nixie status --json" } },
	{ "metrics", HELP_LOOK, "", .brief = "the figures for Prometheus, as text",
		.what = "All figures as text for Prometheus, for the textfile collector of node_exporter: results, "
			"worst domains, addresses, alerts, readers. Exit status 3, and nixie_up 0: Redis does not answer.",
		.options = {
			VALUE("output", "FILE", "write them there, in one piece", .kind = HELP_FILE),
			VALUE("limit", "N", "so many domains, senders ... by name, all others as one"),
		},
		.examples = { "nixie metrics", "nixie metrics --output /var/lib/prometheus/node-exporter/nixie.prom" } },
	{ "doctor", HELP_LOOK, "", .brief = "is all as it should be, and what to type if not",
		.what = "Walks through the installation, changes nothing, and says for each finding "
			"what to type. Exit status 1: something is not as it should be.",
		.options = { VALUE("postfix", "DIR", "the Postfix with this directory of main.cf, not that of this host; none: leave it out", .kind = HELP_DIRECTORY),
			VALUE("exim", "FILE", "the Exim with this configuration; none: leave it out", .kind = HELP_FILE) },
		.examples = { "nixie doctor", "nixie doctor --postfix /etc/postfix-out", "nixie doctor --json" } },
	/* ---- change ---- */
	{ "suppress", HELP_CHANGE, "[ADDR...|-]", .brief = "never mail again (do-not-mail)",
		.what = "Refuses mail to the address, or with @example.com to a whole domain: for ever, or until a term is over. "
			"Without an address: what the filter chooses of those that are suppressed.",
		.options = {
			SWITCH("manual", "do-not-mail, the default: no delivery changes it"),
			SWITCH("hard", "as if a server had said that the address is dead", .instead = true),
			VALUE("for", "TIME", "held so long, then mail flows again", .instead = true),
			VALUE("scope", "KIND:VALUE", "for some senders only: sender:DOMAIN, login:NAME, context:NAME"),
			OPTIONS_CHANGE,
		},
		.examples = { "nixie suppress --reason \"asked by phone\" user@example.com", "nixie suppress --for \"15 days\" user@example.com",
			"nixie suppress --scope sender:shop.example user@example.com", "nixie suppress --hard --yes - <dead.txt" } },
	{ "allow", HELP_CHANGE, "[ADDR...|-]", .brief = "never suppress",
		.what = "Never suppresses the address; its failures are still counted and kept.",
		.options = { OPTIONS_CHANGE },
		.examples = { "nixie allow --reason \"our own\" postmaster@example.com" } },
	{ "reset", HELP_CHANGE, "[ADDR...|-]", .brief = "free an address, and tell what speaks against it",
		.what = "Frees the address: mail flows again. The history of its bounces stays. "
			"Without an address: what the filter chooses of those that are suppressed.",
		.options = { VALUE("scope", "KIND:VALUE", "only what is set for these senders"), OPTIONS_CHANGE },
		.examples = { "nixie reset --reason \"customer called\" user@example.com", "nixie reset --provider google --since 3h --dry-run",
			"nixie reset --force user@example.com" } },
	{ "remove", HELP_CHANGE, "[ADDR...|-]", .brief = "forget an address and its history",
		.what = "Forgets the address, with its history. It may come back by itself.",
		.options = { OPTIONS_CHANGE },
		.examples = { "nixie remove user@example.com" } },
	{ "undo", HELP_CHANGE, "", .brief = "take back what failures, or one batch, did",
		.what = "Takes back what failures did to addresses: each is made what it was before.",
		.options = {
			OPTION_SINCE("what happened from then on"),
			VALUE("until", "TIME", "what happened before then"),
			VALUE("rule", "ID", "only what this rule did", .kind = HELP_RULE),
			VALUE("domain", "NAME", "only addresses in this domain"),
			VALUE("provider", "NAME", "only what servers of this provider said, as google"),
			VALUE("batch", "ID", "what was done in this batch; the others narrow it"),
			SWITCH("failures", "of a batch of mail that came back: not that readers complained or unsubscribed"),
			SWITCH("dry-run", "show it and change nothing"),
			SWITCH("yes", "do not ask: needed for more than 10 addresses"),
		},
		.examples = { "nixie undo --since 3h --provider google --dry-run", "nixie undo --since 2026-11-21T09:00:00Z --until 2026-11-21T10:30:00Z --yes" } },
	/* ---- lists ---- */
	{ "export", HELP_LISTS, "[FILE]", .kind = HELP_FILE, .brief = "everything that is known, as CSV or JSON lines",
		.what = "Every entry, in no order, to the file or to standard output.",
		.options = {
			VALUE("format", "csv|jsonl", "CSV with a header; or one JSON object a line, which --json is too", .words = "csv jsonl"),
			VALUE("status", "STATUS,...", "suppressed: whom nobody may mail now; or some of soft, held, hard, complaint, manual, allow",
				.words = "suppressed soft held hard complaint manual allow"),
			VALUE("columns", "NAME,...", "only these, in this order; nixie(1) has their names", .kind = HELP_COLUMN),
			SWITCH("hash", "SHA-256 in place of the addresses: for partners"),
		},
		.examples = { "nixie export backup.csv", "nixie export --status suppressed --columns address,reason partner.csv",
			"nixie export --hash --columns address,since partner.csv" } },
	{ "import", HELP_LISTS, "FILE|-", .kind = HELP_FILE, .brief = "a list of ours, of a mail service, or of addresses",
		.what = "Takes a list over; its kind is known by its header. All of it is checked "
			"before anything is written; what is stronger here is left alone.",
		.options = {
			VALUE("format", "FORMAT", "whatever its header says: nixie, ses, sendgrid, mailgun, postmark, sparkpost, mailchimp, plain",
				.words = "nixie ses sendgrid mailgun postmark sparkpost mailchimp plain"),
			VALUE("as", "STATUS", "of plain addresses: manual (the default), hard, complaint, allow", .words = "manual hard complaint allow"),
			SWITCH("dry-run", "count what would become of it and change nothing"),
			SWITCH("skip-errors", "leave out the records that are wrong"),
			VALUE("reason", "TEXT", "for the journal, and for entries that have none"),
			VALUE("batch", "NAME", "the name that nixie undo --batch takes it back by"),
		},
		.examples = { "nixie import --dry-run suppressions.csv", "nixie import --reason \"moved here\" suppressions.csv",
			"nixie import --as manual unsubscribed.txt", "nixie import - <backup.csv" } },
	{ "receive", HELP_LISTS, "[FILE... | -]", .kind = HELP_FILE, .brief = "mail that came back: bounces, complaints, answers",
		.what = "Reads mail that came back, and takes into the records what it proves: a failure, a complaint, an unsubscription. What has no proof is "
			"kept aside. FILE: one message, an mbox or a Maildir; without one standard input, as a mail server gives it. Exit status: 0, or "
			"75 (EX_TEMPFAIL) so that a server keeps the mail and tries again.",
		.options = {
			SWITCH("dry-run", "write nothing, and do not ask Redis; exit statuses are those of other verbs"),
			VALUE("recipient", "ADDR", "the envelope recipient: where the mail came to"),
			SWITCH("quiet", "print nothing but errors"), OPTION_RULES },
		.examples = { "nixie receive --dry-run bounce.eml", "nixie receive --recipient bounces@shop.example <bounce.eml", "nixie receive /var/mail/bounces" } },
	{ "verp", HELP_LISTS, "[ADDR... | -]", .brief = "signed return addresses for recipients",
		.what = "The return address for each recipient, a line each, that proves to whom a message went when it comes back. "
			"Exit status 1: there is none for one of them, or with --read: one is not right.",
		.options = {
			VALUE("for", "USE", "what the address is for: bounces (the default), unsubscribe, complaints", .words = "bounces unsubscribe complaints"),
			SWITCH("read", "what such an address says, and whether its signature is right"),
			SWITCH("new-secret", "a fresh line for the file receive.secret-file", .instead = true),
		},
		.examples = { "nixie verp user@example.com", "nixie verp --for unsubscribe - <recipients.txt",
			"nixie verp --read bounces+user=example.com-ujlaydgc5cotyiome26@news.example", "nixie verp --new-secret" } },
	{ "aside", HELP_LISTS, "", .brief = "mail that came back and proves nothing, and why",
		.what = "Mail that came back and does not prove what it says of an address: it has no effect. The newest first, then why it proves nothing, "
			"and what would make it proof. Exit status 1: there is none.",
		.options = {
			OPTION_SINCE("that came from then on"),
			VALUE("until", "TIME", "that came before then"),
			VALUE("domain", "NAME", "only about addresses in this domain"),
			VALUE("kind", "KIND", "only these: dsn, complaint, unsubscribe, autoreply, challenge", .words = "dsn complaint unsubscribe autoreply challenge"),
			OPTION_LIMIT("so many at most; 100 without it, as JSON all"),
		},
		.examples = { "nixie aside", "nixie aside --since 7d --kind complaint", "nixie aside --domain example.com --json" } },
	/* ---- rules ---- */
	{ "explain", HELP_RULES, "TEXT|ADDR...", .brief = "what a reply, a log line or a last failure means",
		.what = "What it means, which rule says so by which words, and what else could have "
			"held. Put quotes around a reply or a log line.",
		.options = { OPTION_RULES },
		.examples = { "nixie explain '550 5.1.1 <user@example.com>: no such user'", "nixie explain user@example.com" } },
	{ "classify", HELP_RULES, "<REPLIES", .brief = "the same for many, by standard input",
		.what = "For many: on standard input one reply a line, optionally a tab and the relay.",
		.options = { OPTION_RULES },
		.examples = { "echo '452 4.2.2 mailbox full' | nixie classify" } },
	{ "rules", HELP_RULES, "SUBVERB ...", .kind = HELP_VERB, .what = "The rules by which failures are judged: nixie-rules(5)." },
	{ "rules list", HELP_RULES, "", .brief = "all rules in the order in which they are asked",
		.what = "All rules: id, class, category, and where they stand. Exit status 1: none.",
		.options = {
			OPTION_RULES,
			VALUE("category", "NAME", "only rules of this category, as mailbox.full", .kind = HELP_CATEGORY),
			VALUE("class", "CLASS", "only these: hard, soft, none", .kind = HELP_CLASS),
		},
		.examples = { "nixie rules list --category mailbox.full", "nixie rules list --class hard" } },
	{ "rules show", HELP_RULES, "ID...", .kind = HELP_RULE, .brief = "everything of a rule",
		.what = "Everything of a rule, with the place where it stands. Exit status 1: there is no such rule.",
		.options = { OPTION_RULES },
		.examples = { "nixie rules show recipient.unknown-user" } },
	{ "rules test", HELP_RULES, "", .brief = "do the rules win their examples?",
		.what = "Tries the examples of all rules. Exit status 1: something is not as they say.",
		.options = { OPTION_RULES, SWITCH("strict", "a rule without an example is a failure") },
		.examples = { "nixie rules test", "nixie rules test --strict" } },
	{ "rules lint", HELP_RULES, "", .brief = "rules that cannot work, or not as they should",
		.what = "Looks for what is wrong with rules, whatever their examples say. Exit status 1: there are errors or warnings.",
		.options = { OPTION_RULES },
		.examples = { "nixie rules lint", "nixie rules lint --rules /etc/nixie/rules.d" } },
	{ "rules words", HELP_RULES, "[NAME...]", .brief = "the lists of words that rules name",
		.what = "The lists of words that rules name; of a name, its expressions and its rules. Exit status 1: there is none.",
		.options = { OPTION_RULES },
		.examples = { "nixie rules words", "nixie rules words about-sender" } },
	{ "rules forms", HELP_RULES, "[ID...]", .brief = "the forms of mail that comes back",
		.what = "The forms by which mail that comes back and follows no standard is known; of an id, all that is in it. Exit status 1: there is none.",
		.options = { OPTION_RULES },
		.examples = { "nixie rules forms", "nixie rules forms gmail.headline" } },
	{ "rules stats", HELP_RULES, "", .brief = "final failures by rule",
		.what = "How many final failures each rule has judged, the most frequent first.",
		.options = { OPTION_LIMIT("so many rules at most") },
		.examples = { "nixie rules stats --limit 10" } },
	{ "rules unknown", HELP_RULES, "", .brief = "replies that no rule knows",
		.what = "The replies that no rule knows, the most frequent first.",
		.options = { OPTION_LIMIT("so many at most, else 20"), SWITCH("as-rules", "drafts of rules, to be completed by hand") },
		.examples = { "nixie rules unknown", "nixie rules unknown --as-rules >10-ours.conf" } },
	{ "replay", HELP_RULES, "[FILE...]", .kind = HELP_FILE, .brief = "what other rules would make of old logs",
		.what = "Which failures other rules judge otherwise, and which addresses would be "
			"suppressed or freed. FILE: a log, also a compressed one, - or journal:; "
			"without one the history in Redis. Changes nothing.",
		.options = {
			VALUE("rules", "DIR", "the new rules; repeatable, the first has the most weight", .kind = HELP_DIRECTORY, .many = true, .needed = true),
			VALUE("against", "DIR", "compare with these in place of the present ones", .kind = HELP_DIRECTORY, .many = true),
		},
		.examples = { "nixie replay --rules /etc/nixie/rules.d", "nixie replay --rules new.d /var/log/mail.log.1.gz" } },
	/* ---- the shell ---- */
	{ "help", HELP_SHELL, "[VERB]", .kind = HELP_VERB, .brief = "this list, or the options and examples of a verb",
		.what = "The verbs, or the options and examples of one; the same as nixie VERB --help.",
		.examples = { "nixie help list", "nixie help rules show" } },
	{ "complete", HELP_SHELL, "-- WORD...", .brief = "what the last word can be: for the shell",
		.what = "What the last word can be, for the completion of shells: candidates, each with a tab and what it is; :files and :directories for those.",
		.examples = { "nixie complete -- list --status ''" } },
};

const size_t help_verbs_n = sizeof help_verbs / sizeof *help_verbs;
