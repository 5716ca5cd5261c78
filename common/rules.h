/* rules: the files that say what a failure means, and the first rule that says it.
 *
 * A rule is data: conditions on code, enhanced status, words, relay host and
 * phase, and the category they amount to. Directories are read in the order
 * given (the operator's before the shipped ones), their *.conf files in byte
 * order of their names; the first rule all of whose conditions hold wins.
 * A rule of class hard never holds for an answer before RCPT TO, and what stands
 * between < and > as an address is no word.
 * The language is described in nixie-rules(5). */
#ifndef NIXIE_RULES_H
#define NIXIE_RULES_H

#include "category.h"
#include "err.h"
#include "reply.h"
#include "sv.h"

#define RULES_MAX 4096
#define RULE_ID_MAX 63
#define RULE_LIST_MAX 64

struct rule_example {
	struct sv reply, relay;
	unsigned line;
};

struct rule {
	const char *id;
	const char *file;
	unsigned line;
	enum category category;
	enum class class_;
	const char *note, *url; /* NULL: none */
	size_t n_match, n_no_match;
	const struct rule_example *match, *no_match;
};

/* What a rule may look at. */
struct failure_text {
	const struct reply *reply;
	struct sv relay; /* host name, empty when unknown */
};

struct verdict {
	enum category category;
	enum class class_;
	const struct rule *rule; /* NULL: nothing matched, category `other` */
	struct sv matched;       /* the words that the rule's text matched, within the reply's; empty without one */
};

struct ruleset;

/* Later directories have less weight. A directory that is missing is an error
 * unless it is empty text. NULL and *err (file, line, what to write) on failure. */
struct ruleset *ruleset_load(const char *const *directories, size_t n, struct err *err);
/* One file from memory; for tests and fuzzing. */
struct ruleset *ruleset_parse(const char *name, const char *text, struct err *err);
void ruleset_free(struct ruleset *ruleset);

void ruleset_classify(struct ruleset *ruleset, const struct failure_text *failure, struct verdict *verdict_r);

/* One rule after the other, without the prefilter: the oracle of the tests. */
void ruleset_set_plain(struct ruleset *ruleset, bool plain);

size_t ruleset_count(const struct ruleset *ruleset);
const struct rule *ruleset_rule(const struct ruleset *ruleset, size_t i);

/* Is there a rule of this id? */
bool ruleset_has(const struct ruleset *ruleset, struct sv id);

/* Patterns that ran into their limit since loading: counted misses. */
uint64_t ruleset_limit_hits(const struct ruleset *ruleset);

/* reply_parse() and ruleset_classify() in one: text as logged, dsn as logged. */
void ruleset_classify_text(struct ruleset *ruleset, struct sv text, struct enhanced dsn,
	struct sv relay, struct reply *reply_r, struct verdict *verdict_r);

/* Is host the same as suffix, or a name below it? */
bool host_under(struct sv host, struct sv suffix);

#endif
