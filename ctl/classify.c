/* classify, explain: what replies mean, without Redis. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "buf.h"
#include "log.h"
#include "term.h"
#include "verbs.h"

/* Takes --rules and --json; NULL and *code_r on failure, or after help. */
static struct ruleset *get_rules(struct ctl *ctl, int argc, char **argv, const char *usage, int *code_r)
{
	static const struct option options[] = {
		{ "rules", required_argument, NULL, 'r' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	const char *directory = NULL;
	struct err err;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'r') {
			directory = optarg;
		} else if (c == 'j') {
			ctl->json = true;
		} else {
			(void)fprintf(c == 'h' ? stdout : stderr, "usage: nixie %s\n", usage);
			*code_r = c == 'h' ? EXIT_OK : EXIT_USAGE;
			return NULL;
		}
	}
	struct ruleset *rules = directory ? ruleset_load(&directory, 1, &err) : cli_load_rules(&ctl->config, &err);
	if (!rules)
		log_fatal("%s", err.text);
	*code_r = rules ? EXIT_OK : EXIT_CONFIG;
	return rules;
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void print_line(const struct ctl *ctl, const struct reply *reply, const struct verdict *v)
{
	char enhanced[ENHANCED_TEXT_MAX], code[8] = "";
	const char *rule = v->rule ? v->rule->id : "";

	enhanced_format(reply->enhanced, enhanced);
	if (reply->code)
		(void)snprintf(code, sizeof code, "%d", reply->code);
	if (!ctl->json) {
		(void)printf("%s\t%s\t%s\t%s\t%s\n", class_name(v->class_), category_name(v->category), or_dash(rule),
			or_dash(code), or_dash(enhanced));
		return;
	}
	(void)printf("{\"class\":\"%s\",\"category\":\"%s\"", class_name(v->class_), category_name(v->category));
	if (*rule)
		(void)printf(",\"rule\":\"%s\"", rule);
	if (*code)
		(void)printf(",\"code\":%s", code);
	if (*enhanced)
		(void)printf(",\"enhanced\":\"%s\"", enhanced);
	(void)puts("}");
}

int verb_classify(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = get_rules(ctl, argc, argv, "classify [--rules DIR] [--json] <REPLIES", &code);
	char *bytes = NULL;
	size_t size = 0;
	ssize_t n;

	if (!rules)
		return code;
	struct reply *reply = xalloc(sizeof *reply);
	while ((n = getline(&bytes, &size, stdin)) > 0) {
		struct sv relay = sv_make(bytes, (size_t)n);
		struct verdict verdict;
		while (relay.n && (relay.p[relay.n - 1] == '\n' || relay.p[relay.n - 1] == '\r'))
			relay.n--;
		struct sv text = sv_cut(&relay, '\t');
		ruleset_classify_text(rules, text, (struct enhanced){ 0 }, sv_trim(relay), reply, &verdict);
		print_line(ctl, reply, &verdict);
	}
	if (ferror(stdin)) {
		log_error("cannot read standard input: %m");
		code = EXIT_NOT_FOUND;
	}
	free(bytes);
	free(reply);
	ruleset_free(rules);
	return code;
}

/* ---- explain ---- */

/* Of a log line, the parts that rules look at; of anything else, all of it. */
struct told {
	struct sv text, relay;
	struct enhanced dsn;
};

static struct sv value_after(struct sv line, struct sv name, const char *ends)
{
	size_t at = sv_find_sv(line, name), n = 0;
	struct sv value = sv_skip(line, at + name.n);

	if (at == line.n)
		return sv_make(line.p, 0);
	while (n < value.n && !strchr(ends, value.p[n]))
		n++;
	return sv_head(value, n);
}

static struct told take_apart(struct sv input)
{
	struct told t = { .text = input };
	size_t status = sv_find_sv(input, SV(", status="));

	if (status == input.n)
		return t;
	struct sv rest = sv_skip(input, status);
	size_t open = sv_find(rest, '('), close = rest.n;
	while (close > 0 && rest.p[close - 1] != ')')
		close--;
	if (open >= rest.n || close <= open + 1)
		return t;
	t.text = sv_make(rest.p + open + 1, close - open - 2);
	t.relay = value_after(input, SV(", relay="), "[,");
	if (!enhanced_parse(value_after(input, SV(", dsn="), ","), &t.dsn))
		t.dsn = (struct enhanced){ 0 };
	return t;
}

static const char *by_code_alone(const struct reply *r)
{
	int first = r->code ? r->code / 100 : r->enhanced.class_;

	return first == 5 ? "hard" : first == 4 ? "soft" : "nothing";
}

static void explain_human(const struct told *t, const struct reply *r, const struct verdict *v)
{
	char enhanced[ENHANCED_TEXT_MAX];
	enum colour colour = v->class_ == CLASS_HARD ? COLOUR_RED : v->class_ == CLASS_SOFT ? COLOUR_YELLOW : COLOUR_PLAIN;

	enhanced_format(r->enhanced, enhanced);
	(void)printf("%s%s%s  %s: %s\n", term_colour(stdout, colour), class_name(v->class_), term_colour(stdout, COLOUR_PLAIN),
		category_name(v->category), category_meaning(v->category));
	(void)printf("  fault     %s%s\n", fault_name(category_fault(v->category)),
		category_fault(v->category) == FAULT_RECIPIENT ? "" : ": alone it suppresses nobody");
	if (v->rule)
		(void)printf("  rule      %s (%s:%u)\n", v->rule->id, v->rule->file, v->rule->line);
	else
		(void)puts("  rule      none matched: unknown is soft");
	if (v->matched.n) {
		(void)fputs("  because   \"", stdout);
		term_clean(stdout, v->matched);
		(void)puts("\"");
	}
	if (r->code)
		(void)printf("  code      %d\n", r->code);
	if (*enhanced)
		(void)printf("  enhanced  %s\n", enhanced);
	if (r->phase != PHASE_NONE)
		(void)printf("  phase     %s\n", phase_name(r->phase));
	if (t->relay.n) {
		(void)fputs("  relay     ", stdout);
		term_clean(stdout, t->relay);
		(void)putchar('\n');
	}
	(void)fputs("  words     ", stdout);
	term_clean(stdout, r->words);
	(void)printf("\n  by code   %s\n", by_code_alone(r));
	if (v->rule && v->rule->note)
		(void)printf("  note      %s\n", v->rule->note);
	if (v->rule && v->rule->url)
		(void)printf("  see       %s\n", v->rule->url);
}

static void explain_json(const struct reply *r, const struct verdict *v)
{
	static char room[8 * REPLY_TEXT_MAX];
	struct buf b = BUF_ON(room);
	char enhanced[ENHANCED_TEXT_MAX];

	enhanced_format(r->enhanced, enhanced);
	buf_addf(&b, "{\"class\":\"%s\",\"category\":\"%s\",\"fault\":\"%s\"", class_name(v->class_), category_name(v->category),
		fault_name(category_fault(v->category)));
	if (v->rule) {
		buf_addf(&b, ",\"rule\":\"%s\",\"file\":", v->rule->id);
		buf_add_json(&b, sv_of(v->rule->file));
		buf_addf(&b, ",\"line\":%u", v->rule->line);
	}
	if (v->matched.n) {
		buf_add(&b, SV(",\"because\":"));
		buf_add_json(&b, v->matched);
	}
	if (r->code)
		buf_addf(&b, ",\"code\":%d", r->code);
	if (*enhanced)
		buf_addf(&b, ",\"enhanced\":\"%s\"", enhanced);
	if (r->phase != PHASE_NONE)
		buf_addf(&b, ",\"phase\":\"%s\"", phase_name(r->phase));
	buf_add(&b, SV(",\"words\":"));
	buf_add_json(&b, r->words);
	buf_addf(&b, ",\"by-code\":\"%s\"}\n", by_code_alone(r));
	(void)fwrite(b.p, 1, b.n, stdout);
}

int verb_explain(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = get_rules(ctl, argc, argv, "explain [--rules DIR] [--json] REPLY | LOG-LINE", &code);
	struct verdict verdict;

	if (!rules)
		return code;
	if (optind == argc) {
		log_error("give a reply or a log line in quotes: nixie explain '550 5.1.1 no such user'");
		ruleset_free(rules);
		return EXIT_USAGE;
	}
	struct reply *reply = xalloc(sizeof *reply);
	for (int i = optind; i < argc; i++) {
		struct told told = take_apart(sv_of(argv[i]));
		ruleset_classify_text(rules, told.text, told.dsn, told.relay, reply, &verdict);
		if (ctl->json)
			explain_json(reply, &verdict);
		else
			explain_human(&told, reply, &verdict);
	}
	free(reply);
	ruleset_free(rules);
	return code;
}
