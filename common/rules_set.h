/* rules_set: what a set of rules is made of. Only for rules.c, which asks it, and
 * rules_load.c, rules_words.c and rules_index.c, which make it. */
#ifndef NIXIE_RULES_SET_H
#define NIXIE_RULES_SET_H

#include "arena.h"
#include "log.h"
#include "map.h"
#include "match.h"
#include "memo.h"
#include "prefilter.h"
#include "rules.h"

/* A regular expression of a rule or a list, as it was written, and where. */
struct expression {
	struct expression *next; /* of those that are not cut yet */
	struct sv regex;
	struct word_list *list;
	const char *member, *file;
	unsigned line;
};

/* One branch of a regular expression. */
struct rule_word {
	struct pattern *pattern; /* NULL: it is not compiled yet */
	struct word_list *list;
	struct sv regex;
	const struct expression *of;
};

/* Any of some words that stand side by side in the set: those that a condition has of
 * its own, or a named list. */
struct word_list {
	size_t first, n;
	/* of the text of this number: many rules ask for the same list */
	uint64_t text_number;
	enum match_result result;
	struct sv hit;
	bool asked; /* is in the text of a rule: a text must find it by itself */
	size_t n_users;
	size_t *users; /* rules whose text it is in: indexes */
};

struct code_glob {
	char digits[3]; /* 'x': any */
};

#define ANY_NUMBER (-1)

/* A condition, ready to be asked: the members that its kind needs. */
struct test {
	enum condition what;
	bool negated;
	size_t n;
	const struct code_glob *codes;
	const struct enhanced *enhanced; /* ANY_NUMBER: any */
	unsigned mask;                   /* a bit per phase, speaker or MTA */
	const struct sv *names;          /* of relays or providers */
	struct word_list **lists;
};

struct compiled {
	struct rule rule;
	struct rule_condition conditions[RULE_CONDITIONS_MAX];
	struct test tests[RULE_CONDITIONS_MAX]; /* of the same number */
	size_t directory, replaced_directory; /* its own; that of the rule whose place it took */
};

/* A suffix of host names and whose it is. */
struct provider_suffix {
	struct sv provider;
	size_t directory;
};

/* A suffix that a rule or a provider names, and whose the hosts under it are; empty: nobody's that is known. */
struct relay_suffix {
	struct sv suffix, provider;
};

/* Mail goes to the same hosts again and again. */
#define RECENT_RELAYS 256
struct recent_relay {
	char host[64];
	size_t n; /* 0: free */
	const struct relay_suffix *suffix;
};

struct named_blocklist {
	struct blocklist blocklist;
	struct word_list *words;
};

/* A named list as it was written, and ready to be asked. */
struct named_list {
	struct rule_list told;
	struct word_list *words;
	size_t directory;
};

/* An address or a number that was hidden: where in the text it ends, and how much longer it was. */
struct hidden {
	size_t end;
	ptrdiff_t longer;
};

/* Behind so many, places in the words are no more told exactly. */
#define HIDDEN_MAX 32

struct ruleset {
	struct arena arena;
	struct map ids, providers; /* of an id: struct compiled; of a suffix in small letters: struct provider_suffix */
	struct map relays; /* of a suffix in small letters: struct relay_suffix */
	struct recent_relay *recent_relays;
	struct map words_by_name;  /* struct named_list */
	struct named_list **lists; /* also those of block lists */
	size_t n_lists, lists_size;
	struct compiled **rules;
	size_t n, size;
	bool late; /* patterns are compiled when they are needed */
	struct expression *uncut, *last_uncut;
	struct err broken; /* of the first one that could not be; empty: none */
	struct rule_word *words;
	size_t n_words, words_size;
	struct named_blocklist *blocklists;
	size_t n_blocklists, blocklists_size;
	struct prefilter *prefilter;
	uint64_t *possible, *always_possible; /* a bit per word */
	uint64_t *candidates, *always; /* a bit per rule */
	bool plain, no_memo; /* for tests and measuring */
	bool gave_up;   /* a pattern did, on this text */
	uint64_t text_number; /* of the text at hand, from 1 */
	size_t text_n;
	char text[REPLY_TEXT_MAX]; /* that is being classified, addresses hidden */
	struct hidden hidden[HIDDEN_MAX];
	size_t n_hidden;
	struct sv matched; /* in the text, by the last verdict */
	struct memo *memo;
	struct forms *forms;
	struct sv provider;        /* of its relay, when asked for */
	bool provider_known;
	uint64_t limit_hits;
	struct log_limit limit_log;
};

/* rules_words.c: adds the branches of an expression to its list, behind those that are there; late: when they are cut. */
bool ruleset_add_expression(struct ruleset *set, struct expression *expression, struct err *err) NIXIE_MUST_CHECK;
void ruleset_cut_expressions(struct ruleset *set);
/* NULL: it is broken, and set->broken tells why. */
struct pattern *ruleset_pattern(struct ruleset *set, size_t word);

/* rules_index.c: the tables that classifying needs. Of relays: once all rules are there. */
void ruleset_index_relays(struct ruleset *set);
/* Of texts: before the first one; a process that reads one mail often has none. */
void ruleset_index(struct ruleset *set);
/* What makes each text cheaper and costs as much as some 30 texts: at the first one; late: when so many came. */
#define RULES_MANY_TEXTS 16
void ruleset_index_many(struct ruleset *set);

/* The longest suffix of the host that is named anywhere; an empty one when there is none. */
const struct relay_suffix *ruleset_relay(const struct ruleset *set, struct sv host);

enum speaker { SAID_BY_SERVER = 1, SAID_BY_MTA = 2 };

static inline bool bit(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static inline void set_bit(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

#endif
