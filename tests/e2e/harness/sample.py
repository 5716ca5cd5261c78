"""A log that has something of everything that is counted, up to now: for what reads the keys of Redis."""

from .maillog import Message, stamp

MINUTE, HOUR, DAY = 60, 3600, 86400

REPLIES = {
    'unknown': '550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table',
    'full': '552 5.2.2 <{to}>: mailbox full',
    'blocked': '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org',
    'throttled': '421 4.7.0 Try again later, you are sending too fast: rate limit exceeded',
    'busy': '451 4.3.2 System not accepting network messages: server busy',
    'no-mx': '421 4.4.0 [internal] no MXs for this domain could be reached at this time',
}
# One that no rule knows
STRANGE = '550 5.0.0 Requested action ended with result 17'
GOOGLE, OTHER = 'aspmx.l.google.com', 'mx.oldisp.example'


def mail(when, to, what, sender='news@example.org', relay=OTHER, campaign=None, host='mx1'):
    """Lines of one message: delivered ('sent'), bounced, or put off and still in the queue ('busy', 'throttled')."""
    m = Message(sender=sender, when=when, host=host)
    text = m.begin()
    if campaign:
        text += m.line('cleanup', '%s: info: header X-Campaign-Id: %s from h[192.0.2.7]; from=<%s> to=<%s> proto=ESMTP helo=<h>'
                       % (m.qid, campaign, sender, to), 0.1)
    said = REPLIES.get(what, STRANGE).format(to=to)
    reply = '250 2.0.0 OK' if what == 'sent' else 'host %s[192.0.2.99] said: %s (in reply to RCPT TO command)' % (relay, said)
    dsn = '2.0.0' if what == 'sent' else said.split()[1]
    status = 'sent' if what == 'sent' else 'deferred' if what in ('busy', 'throttled') else 'bounced'
    text += m.line('smtp', '%s: to=<%s>, relay=%s[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=%s, status=%s (%s)'
                   % (m.qid, to, relay, dsn, status, reply), 1.0)
    return text + (m.removed(1.1) if status != 'deferred' else '')


def in_order(text):
    return ''.join(sorted(text.splitlines(keepends=True), key=lambda line: line[:26]))


def some_days(now, host='mx1'):
    """Of four days, with all hours of the last two; the end is a minute ago."""
    text = ''
    for n, when in enumerate(range(int(now) - 2 * DAY, int(now) - MINUTE, 20 * MINUTE)):
        what = ('sent', 'sent', 'sent', 'unknown', 'sent', 'full', 'sent', 'blocked')[n % 8]
        relay, domain = (GOOGLE, 'gmail.com') if n % 3 else (OTHER, 'oldisp.example')
        text += mail(when, 'reader%d@%s' % (n, domain), what, ('news@example.org', 'shop@shop.example')[n % 2], relay, ('spring-2026', 'autumn')[n % 2], host)
    for days in (3.5, 1.5, 0):
        text += mail(now - days * DAY - 5 * MINUTE, 'full.box@customer.example', 'full', host=host)
    midnight = now - now % DAY      # something is of today, whatever the time
    return in_order(text + round_(max(now - 2 * MINUTE, midnight), 0, host))


def round_(when, number, host='mx1'):
    """Of each kind some within seconds; another number, other recipients."""
    text = '%s %s systemd-journald[1]: Suppressed 1234 messages from postfix.service\n' % (stamp(when), host)
    for n in range(24):
        what = ('sent', 'unknown', 'full', 'busy', 'throttled', 'strange')[n % 6]
        relay, domain = (GOOGLE, 'gmail.com') if n >= 12 else (OTHER, 'oldisp.example')
        text += mail(when + n / 10, 'round%d.%d@%s' % (number, n, domain), what, ('news@example.org', 'shop@shop.example')[n // 6 % 2], relay,
                     ('spring-2026', 'autumn')[n // 6 % 2], host)
    return in_order(text)
