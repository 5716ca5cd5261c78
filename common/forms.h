/* forms: mail that comes back and follows no standard, known by patterns in rule files.
 *
 * A form is data: conditions on From, headers, subject and text of a mail, what kind of mail it is for which they hold,
 * and expressions whose named groups find in a bounce whom it is about and why. They are read with the rules
 * (rules.h): the same files, directories and precedence. Of a kind the first one that holds counts.
 * What a stranger writes is tried on bounded texts with bounded patterns (match.h). Pure.
 * The language is described in nixie-rules(5). */
#ifndef NIXIE_FORMS_H
#define NIXIE_FORMS_H

#include "mail.h"

#define FORMS_MAX 1024
#define FORM_PATTERNS_MAX 32 /* of one member */
#define FORM_FROMS_MAX 8     /* addresses of a mail that are looked at */

enum form_kind { FORM_DSN, FORM_CHALLENGE, FORM_AUTOREPLY, FORM_KINDS };

/* What a form can ask for, in the order in which it is looked at; and what it reads. */
enum form_member { FORM_FROM, FORM_HEADER, FORM_SUBJECT, FORM_TEXT, FORM_CONDITIONS, FORM_RECIPIENTS = FORM_CONDITIONS, FORM_COPY, FORM_MEMBERS };

/* Values as they were written. */
struct form_values {
	size_t n;
	const struct sv *v;
};

struct form_example {
	struct sv mail;
	unsigned line;
};

struct form {
	const char *id, *file;
	unsigned line;
	enum form_kind kind;
	bool delayed;  /* a bounce: the message is not given up */
	bool answer;   /* asks for a mail that answers another */
	bool disabled;
	const char *replaced_file; /* of the form of this id whose place it took; NULL: none */
	unsigned replaced_line;
	const char *note, *url; /* NULL: none */
	struct form_values members[FORM_MEMBERS], not_members[FORM_CONDITIONS];
	size_t n_match, n_no_match;
	const struct form_example *match, *no_match;
};

/* What a form may look at. */
struct form_mail {
	const struct mail *mail;
	size_t n_from;
	struct sv from[FORM_FROMS_MAX]; /* bare addresses */
	struct sv subject;              /* decoded */
	bool answer;                    /* says which mail it answers */
};

/* What a bounce says of one recipient; what it does not say is empty. Words of the mail, unless another is said. */
struct form_finding {
	struct sv recipient;    /* of whom it speaks */
	struct sv original;     /* to whom it was sent */
	struct sv reply;        /* why, on one line, in the arena */
	struct sv status, remote;
};

struct form_match {
	const struct form *form;
	size_t n;
	struct form_finding *findings;
	struct sv copy; /* the text behind the place where the copy of the message begins; empty: it has none */
};

struct forms;

/* Does any form of the kind hold? */
bool forms_match(struct forms *forms, enum form_kind kind, const struct form_mail *mail, struct arena *arena, struct form_match *match_r);

/* In the order in which they are tried, kinds mixed, also those that are disabled. */
size_t forms_count(const struct forms *forms);
const struct form *forms_form(const struct forms *forms, size_t i);
/* NULL: there is none of this id */
const struct form *forms_find(const struct forms *forms, struct sv id);

/* Patterns that ran into their limit since loading: counted misses. */
uint64_t forms_limit_hits(const struct forms *forms);

/* Of the first pattern that was needed and is broken (ruleset_broken()): file, line and why. Empty: none was. */
const char *forms_broken(const struct forms *forms);

/* "dsn", "challenge", "autoreply" */
const char *form_kind_name(enum form_kind kind);
/* The expression in a value of a member but From, without the name of a header, and with what its shorthands stand for. */
struct sv form_expression(struct arena *arena, enum form_member member, struct sv value);
/* "from" and the like, as in a rule file. Static storage. */
const char *form_member_name(enum form_member member, bool negated);

#endif
