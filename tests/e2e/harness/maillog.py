"""Lines as Postfix writes them, for tests that need no Postfix."""
import itertools
import time

_serial = itertools.count(1)

REPLY = '550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table'


def stamp(when=None):
    when = time.time() if when is None else when
    return (time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(when))
            + '.%06d+00:00' % (when % 1 * 1000000))


def queue_id():
    """In the style of enable_long_queue_ids: never the same twice in a run."""
    return '4Xt%06dz%dq' % (next(_serial), 1000 + next(_serial) % 9000)


class Message:
    """One message's lines; each method returns one line with its newline."""

    def __init__(self, sender='news@example.org', when=None, host='mx1'):
        self.qid, self.sender, self.host = queue_id(), sender, host
        self.when = time.time() - 60 if when is None else when

    def line(self, daemon, text, after=0.0):
        return '%s %s postfix/%s[4711]: %s\n' % (stamp(self.when + after), self.host, daemon, text)

    def begin(self, recipients=1):
        return (self.line('smtpd', '%s: client=client.example.org[192.0.2.7]' % self.qid)
                + self.line('cleanup', '%s: message-id=<%s@example.org>' % (self.qid, self.qid))
                + self.active(recipients))

    def active(self, recipients=1, after=0.0):
        return self.line('qmgr', '%s: from=<%s>, size=1234, nrcpt=%d (queue active)'
                         % (self.qid, self.sender, recipients), after)

    def result(self, to, status, dsn, text, after=1.0):
        return self.line('smtp', '%s: to=<%s>, relay=mx.example.com[192.0.2.99]:25, delay=%.2g, '
                         'delays=0.1/0/0.4/0.5, dsn=%s, status=%s (%s)'
                         % (self.qid, to, after, dsn, status, text), after)

    def sent(self, to, after=1.0):
        return self.result(to, 'sent', '2.0.0', '250 2.0.0 Ok: queued as 12345', after)

    def said(self, to, status, reply, after=1.0):
        dsn = reply.split()[1]
        return self.result(to, status, dsn, 'host mx.example.com[192.0.2.99] said: %s '
                           '(in reply to RCPT TO command)' % reply, after)

    def bounced(self, to, reply=REPLY, after=1.0):
        return self.said(to, 'bounced', reply.format(to=to), after)

    def deferred(self, to, reply='450 4.2.1 <{to}>: mailbox busy', after=1.0):
        return self.said(to, 'deferred', reply.format(to=to), after)

    def removed(self, after=1.1):
        return self.line('qmgr', '%s: removed' % self.qid, after)


def delivered(to, **kw):
    m = Message(**kw)
    return m.begin() + m.sent(to) + m.removed()


def hard(to, **kw):
    m = Message(**kw)
    return m.begin() + m.bounced(to) + m.removed()


def full(to, **kw):
    m = Message(**kw)
    return m.begin() + m.bounced(to, '552 5.2.2 <{to}>: mailbox full') + m.removed()
