/* rules: the files that say what a failure means, and the first rule that says it.
 *
 * A rule is data: conditions on code, enhanced status, words, relay host,
 * provider, phase, speaker and MTA, and the category they amount to. Directories
 * are read in the order given (the operator's before the shipped ones), their
 * *.conf files in byte order of their names; the first rule all of whose
 * conditions hold wins. A rule whose id an earlier directory has is replaced by
 * that one, in its place; a rule that is disabled never holds.
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
#define RULE_LIST_MAX 128

/* Whose log it is. */
enum mta { MTA_UNKNOWN, MTA_POSTFIX, MTA_EXIM };

/* What a rule can ask for, in the order in which it is looked at. */
enum condition {
	CONDITION_CODE,
	CONDITION_ENHANCED,
	CONDITION_PHASE,
	CONDITION_SAID_BY,
	CONDITION_MTA,
	CONDITION_RELAY,
	CONDITION_PROVIDER,
	CONDITION_TEXT,
	CONDITION_COUNT,
};

#define RULE_CONDITIONS_MAX (2 * CONDITION_COUNT)

/* Any of the values; negated: none of them. */
struct rule_condition {
	enum condition what;
	bool negated;
	size_t n;
	const struct sv *values; /* as they were written */
};

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
	bool disabled;
	const char *replaced_file; /* of the rule of this id whose place it took; NULL: none */
	unsigned replaced_line;
	const char *note, *url; /* NULL: none */
	size_t n_conditions, n_match, n_no_match;
	const struct rule_condition *conditions;
	const struct rule_example *match, *no_match;
};

/* Expressions under one name: words, or those that a block list is known by. */
struct rule_list {
	const char *kind; /* the name of its table: "words", "blocklists" */
	const char *name, *file;
	unsigned line;
	const char *replaced_file; /* of the list of this name that it takes the place of; NULL: none */
	unsigned replaced_line;
	size_t n;
	const struct sv *values; /* as they were written */
	const unsigned *lines;
};

/* A DNS block list or a reputation service, as replies name it. */
struct blocklist {
	const char *name, *url; /* url: NULL when there is none */
};

/* What a rule may look at. */
struct failure_text {
	const struct reply *reply;
	struct sv relay; /* host name, empty when unknown */
	enum mta mta;
};

struct verdict {
	enum category category;
	enum class class_;
	const struct rule *rule; /* NULL: nothing matched, category `other` */
	struct sv matched;       /* the words that the rule's text matched, within the reply's; empty without one */
	const struct blocklist *blocklist; /* that a refusal on our account names; NULL: none */
};

struct ruleset;
struct forms;

/* Later directories have less weight. A directory that is missing is an error
 * unless it is empty text. NULL and *err (file, line, what to write) on failure. */
struct ruleset *ruleset_load(const char *const *directories, size_t n, struct err *err);
/* The same for few texts: patterns are compiled when one needs them. Of one that is broken nobody knows before that:
 * after each text, and each mail, ruleset_broken() is to be asked. */
struct ruleset *ruleset_load_late(const char *const *directories, size_t n, struct err *err);
/* What ruleset_load() would have said of the first pattern that was needed and is broken; what came out since then
 * does not count. Empty: none was. */
const char *ruleset_broken(const struct ruleset *ruleset);
/* One file from memory; for tests and fuzzing. */
struct ruleset *ruleset_parse(const char *name, const char *text, struct err *err);
struct ruleset *ruleset_parse_late(const char *name, const char *text, struct err *err);
void ruleset_free(struct ruleset *ruleset);

/* When a rule's pattern gave up (match.h) nothing that comes behind it is called hard. */
void ruleset_classify(struct ruleset *ruleset, const struct failure_text *failure, struct verdict *verdict_r);

/* Every rule that holds, in order: the first is the verdict, the others would have been
 * without it. Returns how many, at most max. */
size_t ruleset_classify_all(struct ruleset *ruleset, const struct failure_text *failure, struct verdict *verdicts_r, size_t max);

/* Does this condition of a rule hold? hit_r, when wanted: the words that matched. */
bool ruleset_condition_holds(struct ruleset *ruleset, const struct rule *rule, size_t condition,
	const struct failure_text *failure, struct sv *hit_r);

/* One rule after the other, without the prefilter: the oracle of the tests. */
void ruleset_set_plain(struct ruleset *ruleset, bool plain);
/* Verdicts are remembered (memo.h), unless what a text costs at first sight is to be measured. */
void ruleset_set_memo(struct ruleset *ruleset, bool memo);

/* Rules in the order in which they are asked, also those that are disabled. */
size_t ruleset_count(const struct ruleset *ruleset);
const struct rule *ruleset_rule(const struct ruleset *ruleset, size_t i);
/* NULL: there is none of this id */
const struct rule *ruleset_find(const struct ruleset *ruleset, struct sv id);

/* The named lists, as they were read; those that an earlier directory replaced are not there. */
size_t ruleset_list_count(const struct ruleset *ruleset);
const struct rule_list *ruleset_list(const struct ruleset *ruleset, size_t i);
/* The words of this name; NULL: there are none */
const struct rule_list *ruleset_words(const struct ruleset *ruleset, struct sv name);

/* The forms of mail that the same files have (forms.h). */
struct forms *ruleset_forms(struct ruleset *ruleset);

/* Name of the provider whose mail exchanger the host is; empty when it is nobody's that is known. */
struct sv ruleset_provider(const struct ruleset *ruleset, struct sv host);
/* All of them, in no order, some several times: *i begins at 0. Empty: there are no more. */
struct sv ruleset_next_provider(const struct ruleset *ruleset, size_t *i);

/* Patterns that ran into their limit since loading: counted misses. */
uint64_t ruleset_limit_hits(const struct ruleset *ruleset);

/* reply_parse() and ruleset_classify() in one: text as logged, dsn as logged. */
void ruleset_classify_text(struct ruleset *ruleset, struct sv text, struct enhanced dsn,
	struct sv relay, struct reply *reply_r, struct verdict *verdict_r);

/* "not-text" and the like, as in a rule file. Static storage. */
const char *condition_name(const struct rule_condition *condition);

/* Is host the same as suffix, or a name below it? */
bool host_under(struct sv host, struct sv suffix);

#endif
