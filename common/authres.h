/* authres: what our own mail server says of who sent a message: Authentication-Results (RFC 8601).
 *
 * Anybody can write such a header. Those with one of our authserv-ids count that stand above the first Received, which our server wrote:
 * nobody before it can have put them there. Where there are none, because a filter puts its own below that line, the topmost counts
 * alone: the server takes away, or at least outvotes so, what came with its name from outside (RFC 8601, section 5).
 * A message of which headers were passed over (mail.headers_cut) may have lost that one: do not ask about it.
 *
 * Whatever is in doubt is no pass: a header that is not as RFC 8601 has it, another version, a property that is there twice, a header so
 * long that its end may have been cut off. Pure. */
#ifndef NIXIE_AUTHRES_H
#define NIXIE_AUTHRES_H

#include "mail.h"

struct strings; /* of config.h */

/* Is there a signature (dkim=pass) whose header.d is this domain, or one below it? */
bool authres_dkim_pass(const struct mail_fields *headers, const struct strings *ids, struct sv domain) NIXIE_MUST_CHECK;

/* Is an address in this domain, the only one in the only From, its sender? dmarc=pass with that as header.from; or, where nothing is said of DMARC,
 * dkim=pass with header.d that domain or one above it. (DMARC admits one below, too, if it is of the same owner: we cannot know.) */
bool authres_from_pass(const struct mail_fields *headers, const struct strings *ids, struct sv from_domain) NIXIE_MUST_CHECK;

/* Does its To stand as the author wrote it? A signature is as right when somebody else sends the mail on, and not all of them cover
 * To: either each does (h=), or the mail came from a server of the author's domain (spf=pass, smtp.mailfrom in from_domain, above or
 * below it). There must be one To only: of several, one may be covered. */
bool authres_to_holds(const struct mail_fields *headers, const struct strings *ids, struct sv from_domain) NIXIE_MUST_CHECK;

#endif
