#include "genlog-texts.h"

#define DEFERRED(site, stage, weight, again, dsn, text) \
	{ SITE_##site, OUTCOME_DEFERRED, STAGE_##stage, weight, again, dsn, text }
#define BOUNCED(site, stage, weight, dsn, text) \
	{ SITE_##site, OUTCOME_BOUNCED, STAGE_##stage, weight, 0, dsn, text }

const struct failure failures[] = {
	/* clang-format off */
	BOUNCED(GOOGLE, RCPT, 60, "5.1.1",
	    "550-5.1.1 The mailbox you wrote to does not exist here. Please look for typing "
	    "550-5.1.1 errors and stray blanks in the address, then send again. See "
	    "550 5.1.1 https://help.example/NoSuchUser %q - gsmtp"),
	BOUNCED(GOOGLE, RCPT, 9, "5.2.1",
	    "550-5.2.1 The mailbox you wrote to is disabled. For details see "
	    "550 5.2.1 https://help.example/DisabledUser %q - gsmtp"),
	BOUNCED(GOOGLE, RCPT, 6, "5.2.2",
	    "552-5.2.2 The mailbox of this user has run out of storage space and is inactive. "
	    "552 5.2.2 https://help.example/OverQuotaPerm %q - gsmtp"),
	BOUNCED(GOOGLE, END_OF_DATA, 8, "5.7.1",
	    "550-5.7.1 [%o      12] This message looks like unsolicited mail. To keep spam away "
	    "550-5.7.1 from our users it has been blocked. Details: "
	    "550 5.7.1 https://help.example/UnsolicitedMessage %q - gsmtp"),
	BOUNCED(GOOGLE, END_OF_DATA, 5, "5.7.26",
	    "550-5.7.26 This mail has been blocked because its sender is unauthenticated. "
	    "550-5.7.26 One of SPF or DKIM must pass: 550-5.7.26 DKIM = did not pass "
	    "550-5.7.26 SPF [%s] with ip: [%o] = did not pass "
	    "550 5.7.26 https://help.example/authentication %q - gsmtp"),
	BOUNCED(GOOGLE, END_OF_DATA, 4, "5.7.1",
	    "550-5.7.1 [%o      19] The sending domain has a very low reputation, so that this "
	    "550-5.7.1 message was taken for suspicious. It has been blocked. "
	    "550 5.7.1 https://help.example/reputation %q - gsmtp"),
	DEFERRED(GOOGLE, RCPT, 24, 90, "4.2.2",
	    "452-4.2.2 The inbox of this recipient is out of storage space. Please send the "
	    "452-4.2.2 recipient to 452 4.2.2 https://help.example/OverQuotaTemp %q - gsmtp"),
	DEFERRED(GOOGLE, END_OF_DATA, 30, 45, "4.7.28",
	    "421-4.7.28 An unusual rate of unsolicited mail comes from your IP address "
	    "421-4.7.28 [%o      15]. To protect our users it is temporarily rate limited. "
	    "421 4.7.28 https://help.example/RateLimit %q - gsmtp"),
	DEFERRED(GOOGLE, RCPT, 12, 50, "4.2.1",
	    "450-4.2.1 This user receives mail at a rate that keeps further messages from being "
	    "450-4.2.1 delivered. Please send it again later. "
	    "450 4.2.1 https://help.example/ReceivingRate %q - gsmtp"),
	DEFERRED(GOOGLE, MAIL, 6, 15, "4.7.0",
	    "421-4.7.0 Temporary system problem, try again later. 421 4.7.0 %q - gsmtp"),

	BOUNCED(MICROSOFT, RCPT, 50, "5.5.0",
	    "550 5.5.0 Requested action not taken: mailbox unavailable (S%n). [%x.eur.prod.outlook.example]"),
	BOUNCED(MICROSOFT, RCPT, 20, "5.4.1",
	    "550 5.4.1 Recipient address rejected: Access denied. AS(%n) [%x.eur.prod.outlook.example]"),
	BOUNCED(MICROSOFT, RCPT, 18, "5.1.10",
	    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient %r not found by SMTP address lookup"),
	BOUNCED(MICROSOFT, MAIL, 12, "5.7.1",
	    "550 5.7.1 Sorry, messages from [%o] weren't sent. Ask your Internet provider, part of "
	    "their network is on our block list (S3%2). [%x.eur.prod.outlook.example]"),
	BOUNCED(MICROSOFT, RCPT, 8, "5.7.606",
	    "550 5.7.606 Access denied, banned sending IP [%o]. To be taken off this list visit "
	    "https://delist.example/ AS(14%2) [%x.eur.prod.outlook.example]"),
	BOUNCED(MICROSOFT, END_OF_DATA, 7, "5.2.2",
	    "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException; Failed to "
	    "process message due to a permanent exception [Hostname=%x.eur.prod.outlook.example]"),
	DEFERRED(MICROSOFT, MAIL, 25, 60, "4.7.650",
	    "451 4.7.650 The mail server [%o] has been temporarily rate limited because of its IP "
	    "reputation. See https://postmaster.example (S7%2) [%x.eur.prod.outlook.example]"),
	DEFERRED(MICROSOFT, RCPT, 12, 20, "4.7.500",
	    "451 4.7.500 Server busy. Please try again later from [%o]. (S777%2)"),
	DEFERRED(MICROSOFT, RCPT, 5, 80, "4.4.62",
	    "451 4.4.62 Mail sent to the wrong region. ATTR%2. [%x.eur.prod.outlook.example]"),

	BOUNCED(YAHOO, END_OF_DATA, 45, "5.0.0",
	    "552 1 Requested mail action aborted, mailbox not found"),
	BOUNCED(YAHOO, END_OF_DATA, 25, "5.0.0",
	    "554 30 Sorry, your message to %r cannot be delivered. This mailbox is disabled (554.30)."),
	BOUNCED(YAHOO, END_OF_DATA, 9, "5.7.9",
	    "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.example/error-codes"),
	BOUNCED(YAHOO, END_OF_DATA, 5, "5.0.0",
	    "554 Message not allowed - [PH01] Email not accepted for policy reasons: DMARC policy of %s"),
	DEFERRED(YAHOO, MAIL, 35, 65, "4.7.0",
	    "421 4.7.0 [TSS04] Messages from %o temporarily deferred due to unexpected volume or user "
	    "complaints - 4.16.55.1; see https://postmaster.example/error-codes"),
	DEFERRED(YAHOO, MAIL, 10, 90, "4.7.1",
	    "421 4.7.1 [TS03] All messages from %o will be deferred; retrying will not succeed. See "
	    "https://postmaster.example/error-codes"),
	DEFERRED(YAHOO, END_OF_DATA, 8, 10, "4.7.0",
	    "451 4.7.0 [TSS09] Message temporarily deferred due to internal error"),

	BOUNCED(APPLE, RCPT, 30, "5.1.1", "550 5.1.1 <%r>: user does not exist"),
	BOUNCED(APPLE, RCPT, 8, "5.1.6", "550 5.1.6 <%r>: recipient no longer on server"),
	BOUNCED(APPLE, RCPT, 10, "5.2.2", "552 5.2.2 <%r>: user is over quota"),
	BOUNCED(APPLE, END_OF_DATA, 7, "5.7.1",
	    "550 5.7.1 [CS01] Message rejected due to local policy. See https://help.example/policy"),
	DEFERRED(APPLE, RCPT, 12, 90, "4.2.2", "450 4.2.2 <%r>: user is overquota; try again later"),
	DEFERRED(APPLE, MAIL, 8, 40, "4.7.1",
	    "421 4.7.1 [HM08] Message refused for now due to local policy. See https://help.example/policy"),

	BOUNCED(GMX, RCPT, 24, "5.0.0",
	    "550-Requested action not taken: mailbox unavailable "
	    "550 For explanation visit https://postmaster.example/case?c=r0103&i=ip&v=%o&r=%q"),
	BOUNCED(GMX, RCPT, 8, "5.0.0",
	    "552-Requested mail action aborted: exceeded storage allocation 552-Quota exceeded. The "
	    "mailbox is full 552 For explanation visit https://postmaster.example/case?c=r0107&v=%o&r=%q"),
	BOUNCED(GMX, END_OF_DATA, 8, "5.0.0",
	    "554-Transaction failed 554-Reject due to policy restrictions. "
	    "554 For explanation visit https://postmaster.example/case?c=hi&v=%o&r=%q"),
	DEFERRED(GMX, GREETING, 15, 55, "4.0.0",
	    "421-gmx.example (mxgmx%2) Nemesis ESMTP Service not available 421-Service closing "
	    "transmission channel 421 For explanation visit https://postmaster.example/case?c=r0602&v=%o"),
	DEFERRED(GMX, END_OF_DATA, 10, 50, "4.0.0",
	    "450-Requested mail action not taken: mailbox unavailable 450-Mail send limit exceeded. "
	    "450 For explanation visit https://postmaster.example/case?c=hm0201&v=%o&r=%q"),
	DEFERRED(GMX, GREETING, 6, 85, "4.0.0",
	    "554-gmx.example (mxgmx%2) Nemesis ESMTP Service not available 554-No SMTP service "
	    "554-Bad DNS PTR resource record. 554 For explanation visit https://postmaster.example/case?v=%o"),

	BOUNCED(TENCENT, END_OF_DATA, 20, "5.0.0",
	    "550 Mailbox not found. https://service.example/help?subtype=1&&id=200%2&&no=1000728"),
	BOUNCED(TENCENT, END_OF_DATA, 10, "5.0.0",
	    "550 Mail content denied [%q IP: %o]. https://service.example/help?id=200%2&&no=1000726"),
	BOUNCED(TENCENT, MAIL, 6, "5.0.0",
	    "550 Domain may not exist or DNS check failed [%q IP: %o]."),
	DEFERRED(TENCENT, SESSION, 8, 50, "4.4.2",
	    "lost connection with %h[%i] while performing the HELO handshake"),
	DEFERRED(TENCENT, RCPT, 8, 45, "4.0.0",
	    "450 Mailbox unavailable or access denied: connection frequency limited [%q IP: %o]"),

	BOUNCED(OTHER, RCPT, 40, "5.1.1",
	    "550 5.1.1 <%r>: Recipient address rejected: User unknown in virtual mailbox table"),
	BOUNCED(OTHER, RCPT, 30, "5.1.1", "550 5.1.1 <%r>... User unknown"),
	BOUNCED(OTHER, RCPT, 9, "5.0.0", "550 No such user here"),
	BOUNCED(OTHER, RCPT, 6, "5.0.0", "550 #5.1.0 Address rejected %u"),
	BOUNCED(OTHER, LOCAL, 15, "5.4.4",
	    "Host or domain name not found. Name service error for name=%d type=AAAA: Host not found"),
	BOUNCED(OTHER, LOCAL, 4, "5.1.0", "Domain %d does not accept mail (nullMX)"),
	BOUNCED(OTHER, LOCAL, 3, "5.4.6", "mail for %d loops back to myself"),
	BOUNCED(OTHER, MAILBOX, 3, "5.1.1", "unknown user: \"%u\""),
	BOUNCED(OTHER, SESSION, 4, "5.3.4", "message size %n exceeds size limit 10485760 of server %h[%i]"),
	BOUNCED(OTHER, RCPT, 8, "5.7.1",
	    "554 5.7.1 Service unavailable; Client host [%o] blocked using zen.blocklist.example; "
	    "https://blocklist.example/query/ip/%o"),
	BOUNCED(OTHER, MAIL, 6, "5.0.0", "554 Blocked - see https://ipcheck.example/?ip=%o"),
	BOUNCED(OTHER, RCPT, 6, "5.2.2", "552 5.2.2 <%r>: Recipient address rejected: Mailbox is full"),
	BOUNCED(OTHER, END_OF_DATA, 6, "5.7.1", "550 5.7.1 Message refused as spam by content filter, score 1%2"),
	BOUNCED(OTHER, END_OF_DATA, 3, "5.6.0", "554 5.6.0 Virus found: Trojan.Generic-%n"),
	BOUNCED(OTHER, RCPT, 4, "5.7.1", "554 5.7.1 <%r>: Relay access denied"),
	BOUNCED(OTHER, RCPT, 4, "5.0.0",
	    "550-Verification failed for <bounce@%s> 550-No such person at this address 550 Sender verify failed"),
	BOUNCED(OTHER, RCPT, 4, "5.2.1", "550 5.2.1 Account closed, please remove from your list"),
	BOUNCED(OTHER, DATA, 3, "5.5.0", "503 5.5.0 Valid RCPT command must precede DATA"),
	BOUNCED(OTHER, RCPT, 3, "5.0.0", "550 Administrative prohibition - unable to validate recipient"),
	DEFERRED(OTHER, LOCAL, 24, 88, "4.4.1", "connect to %h[%i]:25: Connection timed out"),
	DEFERRED(OTHER, LOCAL, 12, 80, "4.4.1", "connect to %h[%i]:25: Connection refused"),
	DEFERRED(OTHER, LOCAL, 8, 85, "4.4.3",
	    "Host or domain name not found. Name service error for name=%d type=MX: Host not found, try again"),
	DEFERRED(OTHER, RCPT, 25, 8, "4.2.0",
	    "450 4.2.0 <%r>: Recipient address rejected: Greylisted, see https://greylist.example/%d.html"),
	DEFERRED(OTHER, RCPT, 15, 8, "4.7.1", "451 4.7.1 Greylisting in action, please come back in 00:05:%2"),
	DEFERRED(OTHER, RCPT, 10, 90, "4.2.2", "452 4.2.2 <%r>: Recipient address rejected: Mailbox over quota"),
	DEFERRED(OTHER, SESSION, 8, 50, "4.4.2",
	    "lost connection with %h[%i] while receiving the initial server greeting"),
	DEFERRED(OTHER, SESSION, 8, 50, "4.4.2", "conversation with %h[%i] timed out while sending message body"),
	DEFERRED(OTHER, RCPT, 6, 30, "4.0.0", "451 Temporary local problem - please try later"),
	DEFERRED(OTHER, GREETING, 5, 40, "4.3.2", "421 4.3.2 %h Too many concurrent connections from %o"),
	DEFERRED(OTHER, SESSION, 3, 90, "4.7.5", "Server certificate not trusted"),
	DEFERRED(OTHER, RCPT, 4, 60, "4.1.8",
	    "450 4.1.8 <bounce@%s>: Sender address rejected: Domain not found"),
	/* clang-format on */
};

const size_t failure_count = sizeof failures / sizeof failures[0];
