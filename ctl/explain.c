/* explain: what one failure means, and why: of a reply, a log line, or an address. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "exim.h"
#include "explain_show.h"
#include "log.h"
#include "postfix.h"
#include "reader.h"
#include "store.h"
#include "verbs.h"

struct explain {
	struct ctl *ctl;
	struct arena arena;
	struct explained told;
	struct reply reply;
	struct record record; /* of a log line */
	struct entry entry;
	struct lost lost;
};

static void show(struct explain *x)
{
	(x->ctl->json ? explain_show_json : explain_show_human)(&x->told);
}

static void judge(struct explain *x)
{
	struct explained *e = &x->told;

	e->n_holding = ruleset_classify_all(e->rules, &e->failure, e->holding, sizeof e->holding / sizeof *e->holding);
	ruleset_classify(e->rules, &e->failure, &e->verdict);
}

/* ---- a reply ---- */

static int explain_reply(struct explain *x, struct sv text)
{
	struct explained *e = &x->told;

	reply_parse(text, (struct enhanced){ 0 }, &x->reply);
	e->failure = (struct failure_text){ &x->reply, x->reply.host, MTA_UNKNOWN };
	judge(x);
	show(x);
	return EXIT_OK;
}

/* ---- a log line ---- */

/* "to=<...>, ..., status=..." somewhere, with another header than syslog's or none */
static bool take_fields(struct explain *x, struct sv input)
{
	struct record *rec = &x->record;
	size_t at = sv_find_sv(input, SV("to=<"));

	if (at == input.n || sv_find_sv(input, SV(", status=")) == input.n)
		return false;
	/* the grammar wants a queue id */
	rec->mta = MTA_POSTFIX;
	rec->line = (struct line){ .process = SV("postfix/smtp"),
		.message = arena_printf(&x->arena, "00000: %.*s", SV_ARG(sv_skip(input, at))) };
	return postfix_parse(&rec->line, &rec->said) && rec->said.event == EVENT_DELIVERY;
}

static bool take_log_line(struct explain *x, struct sv input)
{
	struct stamp_anchor anchor = { .time_s = clock_now_s(), .latest_s = clock_now_s() + CLOCK_DAY_S };
	struct record *rec = &x->record;

	rec->link = NULL;
	bool header = line_parse(input, &anchor, &rec->line);
	if (!header && exim_id_at(input)) /* without its stamp */
		rec->line = (struct line){ .time_us = clock_now_us(), .process = SV("exim"), .message = input };
	else if (!header)
		return take_fields(x, input);
	bool exim = exim_is_process(rec->line.process);
	rec->mta = exim ? MTA_EXIM : MTA_POSTFIX;
	if (!(exim ? exim_parse(&rec->line, &rec->said) : postfix_parse(&rec->line, &rec->said)))
		rec->said = (struct mta_line){ .event = EVENT_NONE };
	return true;
}

static int explain_log_line(struct explain *x)
{
	const struct mta_line *p = &x->record.said;
	struct explained *e = &x->told;

	if (p->event != EVENT_DELIVERY) {
		log_error("this log line tells of no delivery to a recipient; explain needs one with to=<...> and status=..., or of Exim's one with ** or ==");
		return EXIT_NOT_FOUND;
	}
	if (p->status == DELIVERY_SENT || p->status == DELIVERY_DELIVERABLE) {
		log_error("this log line tells that the mail was delivered: there is no failure to explain");
		return EXIT_NOT_FOUND;
	}
	reader_judge(e->rules, &x->record);
	struct verdict verdict = x->record.verdict;
	const struct reply *reply = &x->record.reply;
	e->failure = (struct failure_text){ reply, p->relay_host.n ? p->relay_host : reply->host, x->record.mta };
	e->recipient = p->to;
	e->status = p->status_text;
	judge(x);
	/* what the reader knows beside the rules */
	if (verdict.category != e->verdict.category)
		e->overruled = "the name that was not found is not the recipient's domain, but a relayhost's or a transport's of ours";
	e->verdict = verdict;
	if (p->ambiguous)
		log_warning("this line can be read in two ways: nixie-logtail counts it against nobody");
	if (p->no_address || p->no_attempt)
		log_warning("%s: nixie-logtail counts it against nobody", p->no_address ? "this is no address" : "nobody was asked");
	show(x);
	return EXIT_OK;
}

/* ---- an address ---- */

static bool is_address(const struct ctl *ctl, struct sv input, struct address *address_r)
{
	struct address_options options = config_address_options(&ctl->config);

	if (input.n > 2 && input.p[0] == '<' && input.p[input.n - 1] == '>')
		input = sv_make(input.p + 1, input.n - 2);
	if (sv_find(input, '@') == input.n || (sv_find(input, ' ') < input.n && input.p[0] != '"'))
		return false;
	return address_parse(input, ADDRESS_EXTERNAL, &options, address_r) == ADDRESS_OK;
}

static int explain_address(struct explain *x, struct sv address)
{
	struct explained *e = &x->told;
	struct entry *entry = &x->entry;
	struct err err;

	verb_open_store(x->ctl);
	enum store_result result = store_entry(x->ctl->store, &x->arena, address, entry, &err);
	if (result != STORE_OK && result != STORE_ABSENT)
		return verb_store_failed(&err);
	if (result == STORE_ABSENT) {
		log_error("%.*s: nothing is known of this address", SV_ARG(address));
		return EXIT_NOT_FOUND;
	}
	if (!entry->text.n) {
		log_error("%.*s: %s, and no reply is stored that could be explained; nixie check tells what is known", SV_ARG(address),
			status_name(entry->status));
		return EXIT_NOT_FOUND;
	}
	reply_parse(entry->text, entry->enhanced, &x->reply);
	if (!x->reply.code)
		x->reply.code = entry->code;
	e->failure = (struct failure_text){ &x->reply, entry->remote.n ? entry->remote : x->reply.host, MTA_UNKNOWN };
	e->address = address;
	e->entry = entry;
	if (lost_failures(x->ctl->store, &x->ctl->config.conversions, address, entry, &x->lost))
		e->lost = &x->lost;
	judge(x);
	show(x);
	return EXIT_OK;
}

/* ---- the verb ---- */

static int explain_one(struct explain *x, const char *argument)
{
	struct sv input = sv_trim(sv_of(argument));
	struct address address;

	if (is_address(x->ctl, input, &address))
		return explain_address(x, address_key(&address));
	if (take_log_line(x, input))
		return explain_log_line(x);
	return explain_reply(x, input);
}

/* The shell takes a reply apart that is not quoted. */
static void hint_at_quotes(const struct ctl *ctl, int n, char **argv)
{
	struct address address;
	bool words = true, addresses = true;

	for (int i = 0; i < n; i++) {
		words = words && sv_find(sv_of(argv[i]), ' ') == strlen(argv[i]);
		addresses = addresses && is_address(ctl, sv_of(argv[i]), &address);
	}
	if (n > 1 && words && !addresses)
		log_warning("each of the %d words is explained for itself; if they are one reply, put quotes around it: "
			"nixie explain '550 5.1.1 no such user'", n);
}

int verb_explain(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = verb_load_rules(ctl, argc, argv, "explain", NULL, &code);

	if (!rules)
		return code;
	if (optind == argc) {
		log_error("give a reply or a log line in quotes, or an address: nixie explain '550 5.1.1 no such user'");
		code = EXIT_USAGE;
	}
	hint_at_quotes(ctl, argc - optind, argv + optind);
	struct explain *x = xalloc(sizeof *x);
	for (int i = optind; i < argc; i++) {
		x->ctl = ctl;
		x->told = (struct explained){ .rules = rules };
		int result = explain_one(x, argv[i]);
		code = result > code ? result : code;
		arena_reset(&x->arena);
	}
	arena_free(&x->arena);
	free(x);
	ruleset_free(rules);
	return code;
}
