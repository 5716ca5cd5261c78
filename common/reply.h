/* reply: SMTP code, enhanced status and words out of what an MTA logged about a failure.
 *
 * Takes the whole text, as "host mx.example[192.0.2.1] said: 550 5.1.1 ... (in
 * reply to RCPT TO command)", Exim's "SMTP error from remote mail server after RCPT
 * TO:<...>: ...", or the bare reply, or a message of the MTA itself. A reply of several
 * lines, which Postfix joins with blanks and Exim with "\n", is put together
 * again: `code` and `enhanced` are the last line's, `words` has no inner codes. Of a
 * reply that quotes another ("host N said: 550 ...") they are the innermost one's.
 *
 * RFC 5321 section 4.2, RFC 3463, RFC 2034. Pure. */
#ifndef NIXIE_REPLY_H
#define NIXIE_REPLY_H

#include "sv.h"

/* Postfix cuts a log message at 2000 bytes, other MTAs may not; more is cut here. */
#define REPLY_TEXT_MAX 4096

enum phase { PHASE_NONE, PHASE_CONNECT, PHASE_HELO, PHASE_MAIL, PHASE_RCPT, PHASE_DATA, PHASE_END_OF_DATA };

struct enhanced {
	int class_, subject, detail; /* class_ 0: absent */
};

struct reply {
	int code;                 /* 200..599; 0: absent */
	struct enhanced enhanced; /* from the text, else what the caller gave (dsn=) unless it is x.0.0 */
	enum phase phase;
	bool remote;    /* a server said it; false: the MTA's own words */
	struct sv host; /* the host that said it; borrowed from the text */
	struct sv words; /* points into `store` */
	char store[REPLY_TEXT_MAX];
};

/* dsn: the log's own status, used where the text has none; absent when class_ is 0. */
void reply_parse(struct sv text, struct enhanced dsn, struct reply *reply_r);

/* "5.1.1" alone; false when s is anything else */
bool enhanced_parse(struct sv s, struct enhanced *enhanced_r) NIXIE_MUST_CHECK;

#define ENHANCED_TEXT_MAX 16
/* "5.1.1", or "" when absent */
void enhanced_format(struct enhanced e, char text_r[ENHANCED_TEXT_MAX]);

const char *phase_name(enum phase phase);
bool phase_by_name(struct sv name, enum phase *phase_r) NIXIE_MUST_CHECK;

#endif
