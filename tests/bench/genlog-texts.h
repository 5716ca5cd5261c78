/*
 * genlog-texts: what receiving sites answer when they refuse a message.
 *
 * The wording is invented; the shapes are those of the large providers: replies
 * of several lines joined as Postfix logs them, enhanced status codes present,
 * absent or only in the words, session ids, addresses and links inside.
 */
#ifndef NIXIE_BENCH_GENLOG_TEXTS_H
#define NIXIE_BENCH_GENLOG_TEXTS_H

#include <stddef.h>

enum site { SITE_GOOGLE, SITE_MICROSOFT, SITE_YAHOO, SITE_APPLE, SITE_GMX, SITE_TENCENT, SITE_OTHER, SITES };

enum outcome { OUTCOME_DEFERRED, OUTCOME_BOUNCED, OUTCOMES };

/* Who said it, in answer to what: decides the words Postfix puts around the text. */
enum stage {
	STAGE_LOCAL,    /* Postfix's own words, no server was reached: relay=none */
	STAGE_SESSION,  /* Postfix's own words about a server it was connected to */
	STAGE_MAILBOX,  /* local(8): relay=local */
	STAGE_GREETING, /* refused to talk to me */
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_END_OF_DATA,
};

struct failure {
	enum site site;
	enum outcome outcome;
	enum stage stage;
	unsigned weight;        /* share among those of its site and outcome */
	unsigned again_percent; /* how often a retry is deferred in the same way */
	const char *dsn;
	/*
	 * %r recipient  %u its local part  %d its domain  %h server  %i its address
	 * %o our address  %s sender's domain  %q session id  %x 16 hex digits
	 * %2 two digits  %n a number
	 */
	const char *text;
};

extern const struct failure failures[];
extern const size_t failure_count;

#endif
