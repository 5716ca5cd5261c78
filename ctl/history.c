/* history: each bounce of an address, each complaint, and that it unsubscribed. */
#include "history.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "claim.h"
#include "clock.h"
#include "log.h"
#include "look.h"
#include "scope.h"
#include "term.h"

struct history {
	bool json;
	uint64_t n;
};

const char *history_time(int64_t time_s, char text_r[])
{
	clock_format_us((time_s < STATE_TIME_MAX_S ? time_s : STATE_TIME_MAX_S) * CLOCK_SECOND_US, text_r, CLOCK_TEXT_MAX);
	return text_r;
}

/* As nixie receive names what it counts. */
static bool came_by_mail(const struct bounce *b)
{
	return sv_starts(b->failure.occurrence.message, SV("mail/returned/"));
}

void history_json(struct json *json, struct sv address, const struct bounce *b)
{
	const struct failure *f = &b->failure;
	const struct occurrence *o = &f->occurrence;
	char time[CLOCK_TEXT_MAX], enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(f->enhanced, enhanced);
	json_text(json, "address", address);
	json_text(json, "time", sv_of(history_time(o->last_s, time)));
	if (o->first_s)
		json_text(json, "first", sv_of(history_time(o->first_s, time)));
	json_member(json, "event", b->unsubscribed ? SV("unsubscribe") : SV(""));
	if (!b->unsubscribed) {
		json_text(json, "class", sv_of(class_name(f->class_)));
		json_text(json, "category", sv_of(category_name(o->category)));
	}
	json_member(json, "rule", o->rule);
	if (f->code)
		json_number(json, "code", f->code);
	json_member(json, "enhanced", sv_of(enhanced));
	json_member(json, "text", f->text);
	json_member(json, "remote", f->remote);
	json_member(json, "message", o->message);
	if (came_by_mail(b))
		json_text(json, "told-by", SV("mail"));
	json_member(json, "proof", b->proof);
	json_member(json, "scope", b->scope);
	json_member(json, "sender", b->sender);
	json_member(json, "campaign", b->campaign);
}

static void print_json(struct sv address, const struct bounce *b)
{
	struct json json = JSON_ON(stdout);

	json_object(&json, NULL);
	history_json(&json, address, b);
	json_end_object(&json);
	json_end_line(&json);
}

/* "hard  recipient.unknown  550 5.1.1"; a complaint is of the category complaint */
static void print_class(const struct failure *f)
{
	char enhanced[ENHANCED_TEXT_MAX], code[16] = "";
	enum colour colour = f->class_ == CLASS_SOFT ? COLOUR_YELLOW : f->class_ == CLASS_NONE ? COLOUR_PLAIN : COLOUR_RED;

	enhanced_format(f->enhanced, enhanced);
	if (f->code)
		(void)snprintf(code, sizeof code, "  %d", f->code);
	const char *class_ = class_name(f->class_), *category = category_name(f->occurrence.category);
	bool once = strcmp(class_, category) == 0;
	(void)printf("%s%s%s%s%s%s%s%s", term_colour(stdout, colour), class_, term_colour(stdout, COLOUR_PLAIN), once ? "" : "  ", once ? "" : category,
		code, *enhanced ? " " : "", enhanced);
}

/* Whose mail a reader wants no more, and what proves that it is so. */
static void print_wish(const struct bounce *b)
{
	char text[SCOPE_VALUE_MAX + 32], how[128];
	struct buf words = BUF_ON(text), proof = BUF_ON(how);
	const char *meaning = claim_proof_meaning(b->proof);
	struct scope scope;

	if (scope_parse(b->scope, &scope))
		buf_addf(&words, "mail of %s %s", scope_kind_name(scope.kind), scope.value);
	look_print_field("wants no", sv_eq(b->scope, BOUNCE_FOR_ALL) ? SV("mail at all") : buf_sv(&words));
	buf_add(&proof, b->proof);
	buf_addf(&proof, "%s%s", *meaning ? ": " : "", meaning);
	look_print_field("proof", buf_sv(&proof));
}

static void print_human(const struct bounce *b)
{
	const struct failure *f = &b->failure;
	const struct occurrence *o = &f->occurrence;
	char time[CLOCK_TEXT_MAX];

	(void)printf("%s  ", history_time(o->last_s, time));
	if (b->unsubscribed)
		(void)printf("%sunsubscribed%s", term_colour(stdout, COLOUR_RED), term_colour(stdout, COLOUR_PLAIN));
	else
		print_class(f);
	(void)putchar('\n');
	if (o->first_s && o->first_s != o->last_s)
		look_print_field("tried", sv_of(history_time(o->first_s, time)));
	look_print_field("text", f->text);
	look_print_field("remote", f->remote);
	look_print_field("rule", o->rule);
	look_print_field("message", o->message);
	look_print_field("told by", !came_by_mail(b) ? SV("") : b->unsubscribed ? SV("a mail") : SV("a mail that came back"));
	print_wish(b);
	look_print_field("sender", b->sender);
	look_print_field("campaign", b->campaign);
}

static void on_bounce(void *arg, struct sv address, const struct bounce *b)
{
	struct history *h = arg;

	if (h->n++ == 0 && !h->json) {
		term_clean(stdout, address);
		(void)putchar('\n');
	}
	if (h->json)
		print_json(address, b);
	else
		print_human(b);
}

static int show_one(struct ctl *ctl, const char *text)
{
	struct history h = { .json = ctl->json };
	struct address address;
	struct err err;

	if (!verb_address(ctl, text, &address))
		return EXIT_USAGE;
	if (store_history(ctl->store, address_key(&address), on_bounce, &h, &err) != STORE_OK)
		return verb_store_failed(&err);
	if (h.n == 0 && !ctl->json) {
		term_clean(stdout, address_key(&address));
		(void)puts(": nothing is on record");
	}
	return h.n ? EXIT_OK : EXIT_NOT_FOUND;
}

int verb_history(struct ctl *ctl, int argc, char **argv)
{
	struct history_filter f = { .last = NULL };
	const struct verb_option own[] = { { "last", &f.last, NULL }, { "from", &f.from, NULL }, { "to", &f.to, NULL }, { "since", &f.since, NULL },
		{ "until", &f.until, NULL }, { "sender", &f.sender, NULL }, { "campaign", &f.campaign, NULL }, { "dest", &f.dest, NULL },
		{ "provider", &f.provider, NULL }, { "host", &f.host, NULL }, { "category", &f.category, NULL }, { "rule", &f.rule, NULL },
		{ "class", &f.class_, NULL }, { "limit", &f.limit, NULL }, { NULL, NULL, NULL } };
	bool filtered = false;
	int code;

	if (!verb_options(ctl, argc, argv, "history", own, &code))
		return code;
	for (const struct verb_option *o = own; o->name; o++)
		filtered = filtered || *o->value;
	if (filtered && optind < argc) {
		log_error("%s: options choose failures of all addresses: write them, or an address", argv[optind]);
		return EXIT_USAGE;
	}
	if (filtered)
		return history_behind(ctl, &f);
	if (optind == argc) {
		log_error("name an address: nixie history user@example.com; or which failures of all addresses: nixie history --last \"7 days\" --class hard");
		return EXIT_USAGE;
	}
	for (int i = optind; i < argc; i++) {
		int one = show_one(ctl, argv[i]);
		if (one == EXIT_USAGE || one == EXIT_STORE)
			return one;
		code = one > code ? one : code;
	}
	return code;
}
