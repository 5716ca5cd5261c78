/* history: each bounce of an address. */
#include <getopt.h>
#include <stdio.h>

#include "clock.h"
#include "json.h"
#include "log.h"
#include "store.h"
#include "term.h"
#include "verbs.h"

struct history {
	bool json;
	uint64_t n;
};

static const char *time_text(int64_t time_s, char text_r[CLOCK_TEXT_MAX])
{
	clock_format_us((time_s < STATE_TIME_MAX_S ? time_s : STATE_TIME_MAX_S) * CLOCK_SECOND_US, text_r, CLOCK_TEXT_MAX);
	return text_r;
}

static void json_member(struct json *json, const char *name, struct sv text)
{
	if (text.n)
		json_text(json, name, text);
}

static void print_json(struct sv address, const struct bounce *b)
{
	const struct failure *f = &b->failure;
	const struct occurrence *o = &f->occurrence;
	struct json json = JSON_ON(stdout);
	char time[CLOCK_TEXT_MAX], enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(f->enhanced, enhanced);
	json_object(&json, NULL);
	json_text(&json, "address", address);
	json_text(&json, "time", sv_of(time_text(o->last_s, time)));
	if (o->first_s)
		json_text(&json, "first", sv_of(time_text(o->first_s, time)));
	json_text(&json, "class", sv_of(class_name(f->class_)));
	json_text(&json, "category", sv_of(category_name(o->category)));
	json_member(&json, "rule", o->rule);
	if (f->code)
		json_number(&json, "code", f->code);
	json_member(&json, "enhanced", sv_of(enhanced));
	json_member(&json, "text", f->text);
	json_member(&json, "remote", f->remote);
	json_member(&json, "message", o->message);
	json_member(&json, "sender", b->sender);
	json_member(&json, "campaign", b->campaign);
	json_end_object(&json);
	json_end_line(&json);
}

static void print_field(const char *name, struct sv value)
{
	if (!value.n)
		return;
	(void)printf("  %-9s ", name);
	term_clean(stdout, value);
	(void)putchar('\n');
}

static void print_human(const struct bounce *b)
{
	const struct failure *f = &b->failure;
	const struct occurrence *o = &f->occurrence;
	char time[CLOCK_TEXT_MAX], enhanced[ENHANCED_TEXT_MAX], code[16] = "";
	enum colour colour = f->class_ == CLASS_SOFT ? COLOUR_YELLOW : f->class_ == CLASS_NONE ? COLOUR_PLAIN : COLOUR_RED;

	enhanced_format(f->enhanced, enhanced);
	if (f->code)
		(void)snprintf(code, sizeof code, "  %d", f->code);
	(void)printf("%s  %s%s%s  %s%s%s%s\n", time_text(o->last_s, time), term_colour(stdout, colour), class_name(f->class_),
		term_colour(stdout, COLOUR_PLAIN), category_name(o->category), code, *enhanced ? " " : "", enhanced);
	if (o->first_s && o->first_s != o->last_s)
		print_field("tried", sv_of(time_text(o->first_s, time)));
	print_field("text", f->text);
	print_field("remote", f->remote);
	print_field("rule", o->rule);
	print_field("message", o->message);
	print_field("sender", b->sender);
	print_field("campaign", b->campaign);
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
		(void)puts(": no bounce is on record");
	}
	return h.n ? EXIT_OK : EXIT_NOT_FOUND;
}

int verb_history(struct ctl *ctl, int argc, char **argv)
{
	int code;

	if (!verb_options(ctl, argc, argv, "history [--json] ADDR...", NULL, &code))
		return code;
	if (optind == argc) {
		log_error("name an address: nixie history user@example.com");
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
