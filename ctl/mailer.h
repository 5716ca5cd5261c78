/* mailer: how Postfix is set up here, as postconf(1) tells it. */
#ifndef NIXIE_MAILER_H
#define NIXIE_MAILER_H

#include "arena.h"
#include "err.h"
#include "map.h"

/* A line of master.cf. */
struct mailer_service {
	struct sv name, type, program;
	bool chroot;
};

#define MAILER_SERVICES_MAX 128

struct mailer {
	struct arena arena;
	const char *directory; /* of main.cf; NULL: Postfix's own */
	struct map parameters; /* of main.cf, expanded; "submission/inet/NAME": what master.cf overrides */
	struct mailer_service services[MAILER_SERVICES_MAX];
	size_t n_services;
};

/* Reads the configuration of the directory, or with NULL of the Postfix of this host. False, and *err. mailer_free() in any case. */
bool mailer_open(struct mailer *mailer, const char *directory, struct err *err) NIXIE_MUST_CHECK;
void mailer_free(struct mailer *mailer);

/* Is there a Postfix on this host that has a main.cf? */
bool mailer_here(void);

/* Of main.cf, or its default; "" where there is none. */
struct sv mailer_value(const struct mailer *mailer, const char *name);

/* " -c DIR", for commands that people are to type; "" for Postfix's own. */
const char *mailer_option(const struct mailer *mailer);

/* As it stands in main.cf, its variables unexpanded. In the arena. */
struct sv mailer_written(struct mailer *mailer, const char *name);

/* As the service has it; *overridden_r: in master.cf (may be NULL). */
struct sv mailer_service_value(const struct mailer *mailer, const struct mailer_service *service, const char *name, bool *overridden_r);

/* "100s", "2m": seconds; -1 for what is none. */
int64_t mailer_seconds(struct sv value);

/* ---- lists of restrictions ---- */

#define MAILER_CLASS_MAX 128

/* Through a list, and the restriction classes that it names (smtpd_restriction_classes): not those that a class names. */
struct mailer_walk {
	const struct mailer *mailer;
	const struct mailer_service *service;
	struct sv rest, outer;         /* of the list; while in a class, rest is of that, and outer of the list */
	struct sv permitted;           /* the first permit... so far */
	struct sv class, class_value;  /* "": not in one */
	struct sv entry;               /* the class as it stands in the list, with warn_if_reject where that is before it */
	bool class_overridden, behind; /* behind: a permit... stands in the list before the class, or warn_if_reject */
};

/* Of the list as the service has it. */
struct mailer_walk mailer_walk(const struct mailer *mailer, const struct mailer_service *service, const char *list);

/* One question to a policy service: check_policy_service { unix:nixie/policy, timeout=10s }. */
struct mailer_question {
	struct sv whole;       /* with its first word, as it stands in the list or in the class */
	struct sv endpoint;    /* unix:nixie/policy */
	struct sv attributes;  /* behind it */
	struct sv permitted;   /* the first permit... before it; "": none */
	bool only_warns;       /* warn_if_reject stands before it, and is part of the whole, or before its class */
	bool open;             /* its brace is not closed: the whole ends where that should be */
};

/* The next one; the walk tells whether it is in a class. */
bool mailer_next_question(struct mailer_walk *walk, struct mailer_question *question_r) NIXIE_MUST_CHECK;

/* The item of the list, or of a class of it, whose brace is not closed, which is all from there; "": none. With such a one
 * smtpd does not run. The walk tells where. */
struct sv mailer_unclosed(struct mailer_walk *walk);

/* An attribute of the question, or else the default that main.cf has for all of them. */
struct sv mailer_attribute(const struct mailer *mailer, const struct mailer_question *question, const char *name, const char *parameter);

#endif
