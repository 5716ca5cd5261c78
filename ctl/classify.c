/* classify: what many replies mean, a line each. */
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "json.h"
#include "log.h"
#include "retry.h"
#include "verbs.h"

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static void print_line(const struct reply *reply, const struct verdict *v)
{
	char enhanced[ENHANCED_TEXT_MAX], code[8] = "";

	enhanced_format(reply->enhanced, enhanced);
	if (reply->code)
		(void)snprintf(code, sizeof code, "%d", reply->code);
	(void)printf("%s\t%s\t%s\t%s\t%s\n", class_name(v->class_), category_name(v->category), or_dash(v->rule ? v->rule->id : ""),
		or_dash(code), or_dash(enhanced));
}

static void print_json(const struct ruleset *rules, struct sv relay, const struct reply *reply, const struct verdict *v)
{
	struct json j = JSON_ON(stdout);
	char enhanced[ENHANCED_TEXT_MAX];
	struct sv provider = ruleset_provider(rules, relay.n ? relay : reply->host);
	int64_t retry_s = retry_after_s(reply->words);

	enhanced_format(reply->enhanced, enhanced);
	json_object(&j, NULL);
	json_text(&j, "class", sv_of(class_name(v->class_)));
	json_text(&j, "category", sv_of(category_name(v->category)));
	if (v->rule)
		json_text(&j, "rule", sv_of(v->rule->id));
	if (reply->code)
		json_number(&j, "code", reply->code);
	if (*enhanced)
		json_text(&j, "enhanced", sv_of(enhanced));
	json_member(&j, "provider", provider);
	if (v->blocklist)
		json_text(&j, "blocklist", sv_of(v->blocklist->name));
	if (retry_s >= 0)
		json_number(&j, "retry-after", retry_s);
	json_end_object(&j);
	json_end_line(&j);
}

int verb_classify(struct ctl *ctl, int argc, char **argv)
{
	int code;
	struct ruleset *rules = verb_load_rules(ctl, argc, argv, "classify", NULL, &code);
	char *bytes = NULL;
	size_t size = 0;
	ssize_t n;

	if (!rules)
		return code;
	if (!verb_no_arguments(argc, argv)) {
		ruleset_free(rules);
		return EXIT_USAGE;
	}
	struct reply *reply = xalloc(sizeof *reply);
	while ((n = getline(&bytes, &size, stdin)) > 0) {
		struct sv relay = sv_make(bytes, (size_t)n);
		struct verdict verdict;
		while (relay.n && (relay.p[relay.n - 1] == '\n' || relay.p[relay.n - 1] == '\r'))
			relay.n--;
		struct sv text = sv_cut(&relay, '\t');
		relay = sv_trim(relay);
		ruleset_classify_text(rules, text, (struct enhanced){ 0 }, relay, reply, &verdict);
		if (ctl->json)
			print_json(rules, relay, reply, &verdict);
		else
			print_line(reply, &verdict);
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
