/* mailbox: messages one after the other: a file that is one, an mbox (its first line begins with "From "), or a
 * Maildir (its new/, then its cur/, each in the order of its names).
 *
 * Standard input ("-") is one message, with or without a line "From " in front: mail servers hand it over like that and
 * quote nothing, so whoever wrote it could else write a second one with headers that are our server's to set.
 *
 * Of each message there is so much in memory as mail_parse() looks at; what is longer is read to its end all the same.
 * Of a Maildir there are some thousand names at a time, however many it has. It may be in use: what somebody removes is
 * passed over, what a reader moves from new/ to cur/ meanwhile may come twice, but not never.
 *
 * In an mbox a message begins with a line "From " behind an empty one. ">From " of a text is "From " (mboxo, mboxrd). What
 * Content-Length says (mboxcl, mboxcl2) is not believed: the sender may have written it. */
#ifndef NIXIE_MAILBOX_H
#define NIXIE_MAILBOX_H

#include "err.h"
#include "mail.h"

struct mailbox;

/* NULL and *err on failure. path must outlive it. */
struct mailbox *mailbox_open(const char *path, struct err *err);
void mailbox_close(struct mailbox *mailbox);

/* The next message, valid until the next call, one byte longer than MAIL_BYTES_MAX when it is too long. False: the
 * end, or an error (see mailbox_failed()): behind that the next call goes on with what can be read. An empty file is an
 * empty message. */
bool mailbox_next(struct mailbox *mailbox, struct sv *bytes_r, struct err *err) NIXIE_MUST_CHECK;
/* Of the last call. */
bool mailbox_failed(const struct mailbox *mailbox);

/* For a bar: bytes of a file, messages of a Maildir. *all_r: as there were at the start, and at least *done_r; 0: nobody
 * knows, as of a pipe. */
void mailbox_progress(const struct mailbox *mailbox, uint64_t *done_r, uint64_t *all_r);

/* Where the message is that mailbox_next() gave: "-", "FILE", "FILE, message 3", "MAILDIR/new/NAME" */
const char *mailbox_where(const struct mailbox *mailbox);

#endif
