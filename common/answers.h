/* answers: what the policy service says about whom: the option policyd.answers.
 *
 * A list of groups of which the first that matches decides; where none does, or
 * the group names no action, the answer is the usual one: 550 for what is
 * suppressed, DUNNO for a soft entry. Actions are those of access(5), less all
 * that would permit: a reply of nixie never skips the restrictions behind it.
 *
 * A struct answers is a plain value that owns all it has. Pure but for the
 * configuration file that answers_parse() is given. */
#ifndef NIXIE_ANSWERS_H
#define NIXIE_ANSWERS_H

#include "buf.h"
#include "conffile.h"
#include "scope.h"

#define ANSWERS_MAX 32
/* All conditions `from` together. */
#define ANSWERS_FROM_MAX 64
/* A text that could be longer, with all that its placeholders tell, is refused: a reply has no room for it. */
#define ANSWERS_TEXT_MAX 430

enum action {
	ACTION_DUNNO,
	ACTION_REJECT,          /* a code 5NN, or the word */
	ACTION_DEFER,           /* a code 4NN, or the word */
	ACTION_DEFER_IF_PERMIT,
	ACTION_DEFER_IF_REJECT, /* mail passes, unless something behind it refuses for good */
	ACTION_HOLD,            /* from here on: of the whole message, whoever else it is for */
	ACTION_DISCARD,
	ACTION_REDIRECT,
	ACTION_FILTER,
	ACTION_BCC,
	ACTION_PREPEND,
	ACTION_WARN,            /* log lines, no more */
	ACTION_INFO,
	ACTION_PAROLE,          /* no word of access(5): one message may pass, see decide.h */
};

/* What a text can tell with "${category}" and so on. */
enum answer_fact { FACT_CATEGORY, FACT_STATUS, FACT_SINCE, FACT_UNTIL, FACT_TOKEN, FACT_SCOPE, FACT_COUNT };

enum answer_shadow { SHADOW_AS_ALL, SHADOW_OFF, SHADOW_ON };

struct answer {
	unsigned line;
	uint32_t statuses, categories; /* sets of bits; 0: any */
	unsigned from, n_from;         /* which of answers.from; n_from 0: anybody */
	bool has_action;               /* false: the usual one */
	enum action action;
	int code;                      /* of ACTION_REJECT and ACTION_DEFER; 0: the word */
	enum answer_shadow shadow;
	char text[ANSWERS_TEXT_MAX + 1]; /* with placeholders; "": the usual one */
};

struct answers {
	size_t n, n_from;
	struct answer v[ANSWERS_MAX];
	struct scope from[ANSWERS_FROM_MAX];
	bool shadow; /* policyd.shadow: of all whose group does not say; the last member, it is an option of its own */
};

/* policyd.answers of a file. *answers_r keeps its `shadow`; on failure its groups count no more. */
bool answers_parse(const struct node *node, struct answers *answers_r, struct err *err) NIXIE_MUST_CHECK;

/* The group for this entry; NULL: the usual answer. What was decided by hand has no category. Where the
 * sender is not known, nothing is said to what a group spares that is for some senders. */
const struct answer *answers_find(const struct answers *answers, const struct entry *entry, const struct sender *sender);

/* Is nothing at all answered but DUNNO? */
bool answers_all_shadow(const struct answers *answers);

/* "DEFER_IF_PERMIT" */
const char *action_word(enum action action);
/* The same for logs and figures: "defer-if-permit", "parole" */
const char *action_name(enum action action);
/* Is `text` what the action works with, an address or a header, and no explanation? */
bool action_takes_operand(enum action action);

/* The text with its placeholders replaced. */
void answers_expand(const char *text, const struct sv facts[FACT_COUNT], struct buf *to);
/* The longest that a fact can be, for decide(), which makes them. */
size_t answers_fact_max(enum answer_fact fact);

#endif
