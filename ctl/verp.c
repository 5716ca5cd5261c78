/* verp: signed return addresses made and read, and secrets for them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "json.h"
#include "log.h"
#include "look.h"
#include "term.h"
#include "verbs.h"
#include "verp_file.h"

struct signing {
	struct ctl *ctl;
	struct verp_secrets secrets;
	const struct verp_template *template; /* to sign with */
	int64_t now_s;
	bool failed;
};

/* ---- making ---- */

static void print_made(const struct signing *s, struct sv recipient, const char *address, const char *problem)
{
	struct json json = JSON_ON(stdout), *j = &json;

	if (!s->ctl->json) {
		(void)puts(address); /* empty where there is none: a line for each that was asked */
		return;
	}
	json_object(j, NULL);
	json_text(j, "recipient", recipient);
	json_member(j, "address", sv_of(address));
	json_member(j, "problem", sv_of(problem));
	json_end_object(j);
	json_end_line(j);
}

static void make_one(struct signing *s, struct sv text)
{
	struct address_options options = config_address_options(&s->ctl->config);
	char made[VERP_ADDRESS_MAX + 1] = "";
	struct address address;
	enum address_result result = address_parse(text, ADDRESS_EXTERNAL, &options, &address);
	const char *problem = address_problem(result);

	if (result == ADDRESS_OK) {
		problem = verp_made_problem(verp_make(s->template, &s->secrets, address_key(&address), s->now_s, made));
		text = address_key(&address);
	}
	if (!*made) {
		log_error("%.*s: %s", SV_ARG(text), problem);
		s->failed = true;
	}
	print_made(s, text, made, *made ? "" : problem);
}

/* ---- reading ---- */

static const char *sentence(enum verp_result result)
{
	switch (result) {
	case VERP_NONE:
		return "none of receive.addresses fits";
	case VERP_PLAIN:
		return "it tells no recipient";
	case VERP_UNSIGNED:
		return "it has no signature, and proves nothing";
	case VERP_SIGNED:
		return "the signature is right";
	case VERP_FORGED:
		return "the signature is none of ours";
	case VERP_EXPIRED:
		return "the signature is right, but of another time";
	}
	return "";
}

/* recipient: its key */
static void print_read(const struct signing *s, struct sv address, enum verp_result result, const struct verp *verp, struct sv recipient)
{
	struct json json = JSON_ON(stdout), *j = &json;
	struct sv use = result == VERP_NONE ? SV("") : sv_of(verp_use_name(verp->use));
	struct sv template = sv_of(verp->template ? verp->template->text : "");
	char date[11] = "";

	if (result == VERP_SIGNED || result == VERP_EXPIRED)
		clock_format_date(verp->day * CLOCK_DAY_S, date);
	if (!s->ctl->json) {
		(void)printf("%s%s%s: %s\n", term_colour(stdout, COLOUR_BOLD), verp_result_name(result), term_colour(stdout, COLOUR_PLAIN), sentence(result));
		look_print_field("recipient", recipient);
		look_print_field("for", use);
		look_print_field("day", sv_of(date));
		look_print_field("template", template);
		return;
	}
	json_object(j, NULL);
	json_text(j, "address", address);
	json_text(j, "result", sv_of(verp_result_name(result)));
	json_member(j, "recipient", recipient);
	json_member(j, "for", use);
	json_member(j, "day", sv_of(date));
	json_member(j, "template", template);
	json_end_object(j);
	json_end_line(j);
}

static void read_one(struct signing *s, struct sv text)
{
	const struct config *config = &s->ctl->config;
	struct address_options options = config_address_options(config);
	struct address key;
	struct verp verp;
	enum verp_result result = verp_read(&config->receive_addresses, &s->secrets, text, s->now_s, config->receive_signature_lifetime, &verp);

	s->failed |= result != VERP_SIGNED;
	bool known = address_parse(verp_recipient(&verp), ADDRESS_INTERNAL, &options, &key) == ADDRESS_OK;
	print_read(s, text, result, &verp, known ? address_key(&key) : SV(""));
}

/* ---- the verb ---- */

static bool each_line(struct signing *s, void (*one)(struct signing *s, struct sv text))
{
	char *bytes = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&bytes, &size, stdin)) > 0) {
		struct sv line = sv_make(bytes, (size_t)n);
		while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
			line.n--;
		one(s, sv_trim(line));
	}
	free(bytes);
	if (ferror(stdin))
		log_error("cannot read standard input: %m");
	return !ferror(stdin);
}

static int new_secret(void)
{
	unsigned char bytes[32];

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
		log_error("cannot get random bytes: %m");
		return EXIT_NOT_FOUND;
	}
	for (size_t i = 0; i < sizeof bytes; i++)
		(void)printf("%02x", bytes[i]);
	(void)putchar('\n');
	return EXIT_OK;
}

/* What has to be in the configuration. False after a message. */
static bool prepare(struct signing *s, bool reads, enum verp_use use)
{
	const struct config *config = &s->ctl->config;
	struct err err;

	s->template = verp_signing(&config->receive_addresses, use);
	if (reads ? config->receive_addresses.n == 0 : !s->template) {
		log_error("receive.addresses has no address for %s%s; write one into the configuration: { for = \"%s\"; address = \"%s+{recipient}-{sig}@news.example\"; }",
			reads ? "anything" : verp_use_name(use), reads ? "" : " with {sig} in it", verp_use_name(use), verp_use_name(use));
		return false;
	}
	if (!verp_secrets_read(config->receive_secret_file, &s->secrets, &err)) {
		log_error("%s", err.text);
		return false;
	}
	return true;
}

int verb_verp(struct ctl *ctl, int argc, char **argv)
{
	struct signing s = { .ctl = ctl, .now_s = clock_now_s() };
	const char *name = "bounces";
	bool reads = false, fresh = false, ok = true;
	const struct verb_option own[] = { { "for", &name, NULL }, { "read", NULL, &reads }, { "new-secret", NULL, &fresh }, { NULL, NULL, NULL } };
	enum verp_use use;
	int code;

	if (!verb_options(ctl, argc, argv, "verp", own, &code))
		return code;
	if (!verp_use_by_name(sv_of(name), &use)) {
		log_error("--for %s: write bounces, unsubscribe or complaints", name);
		return EXIT_USAGE;
	}
	if (fresh)
		return verb_no_arguments(argc, argv) ? new_secret() : EXIT_USAGE;
	if (optind == argc) {
		log_error("nixie verp needs an address, or - for standard input; nixie verp --help");
		return EXIT_USAGE;
	}
	if (!prepare(&s, reads, use))
		return EXIT_CONFIG;
	for (int i = optind; i < argc; i++) {
		void (*one)(struct signing *s, struct sv text) = reads ? read_one : make_one;
		if (strcmp(argv[i], "-") == 0)
			ok &= each_line(&s, one);
		else
			one(&s, sv_of(argv[i]));
	}
	return s.failed || !ok ? EXIT_NOT_FOUND : EXIT_OK;
}
