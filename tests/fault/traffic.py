"""The logs that make chaos writes: a year of a mail server's life, the same for the same seed.

Each host is random on its own. Addresses belong to one host, because what a delivery
clears depends on which host's log was read first; those of SHARED fail for good only,
which gives the same in any order. Replies that no rule knows name their host, but one,
so that the example which is kept is the same too.
"""
import heapq
import random

from harness.maillog import stamp

DAY = 86400
SPAN = 14 * 30.4 * DAY

USERS = 'ann bob cem dora emil fee gus hugo ida jo kim leo mia noe olga pia rob sue tom uma'.split()

UNKNOWN = ('550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table',
           '550 5.1.1 <{to}>... User unknown', '553 5.1.3 <{to}>: user does not exist')
FULL = ('552 5.2.2 <{to}>: mailbox full', '452 4.2.2 <{to}>: mailbox full')
BLOCKED = ('554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org',
           '550 5.7.26 This mail has been blocked because its sender is unauthenticated')
BUSY = ('450 4.2.1 <{to}>: {host} mailbox busy', '451 4.3.2 Please try again later',
        '421 4.7.0 Too many connections, try again later', '451 4.7.1 Greylisted, come back in 5 minutes')
# what no rule knows
STRANGE = ('550 Requested wobble ended at {host} with result {n}', '554 The {host} department says no',
           '550 The same words from everybody')
NO_MX = '421 4.4.0 [internal] no MXs for this domain could be reached at this time'


class Host:
    """Lines of one host's log, in order of time."""

    def __init__(self, seed, name, number, messages, now, span=SPAN):
        self.random = random.Random('%s/%s' % (seed, name))
        self.name, self.number, self.messages, self.now, self.span = name, number, messages, now, span
        self.heap, self.serial, self.in_use, self.free = [], 0, set(), []

    def lines(self):
        """All lines, each with its end."""
        r = self.random
        starts = sorted(self.now - r.uniform(0.0001, 1) * self.span for _ in range(self.messages))
        for i, when in enumerate(starts):
            yield from self._until(when)
            self._message(when, i > 0.97 * self.messages)
        yield from self._until(self.now - 60)
        # the last line counts something: then the place in Redis is behind it
        self.heap.clear()
        qid = self._queue_id()
        self._begin(qid, self.now - 30, 'end@example.org', 1)
        self._sent(qid, self.now - 29, 'end@%s.example' % self.name)
        yield from self._until(self.now)

    def _until(self, when):
        while self.heap and self.heap[0][0] <= when:
            at, _, text, freed = heapq.heappop(self.heap)
            if freed:
                self.in_use.discard(freed)
                self.free.append(freed)
            yield '%s %s %s\n' % (stamp(at), self.name, text)

    def _line(self, when, daemon, text, freed=None, instance='postfix'):
        self.serial += 1
        heapq.heappush(self.heap, (when, self.serial, '%s/%s[%d]: %s' % (
            instance, daemon, 1000 + self.serial % 30000, text), freed))

    # -- pieces of a message ---------------------------------------------------

    def _queue_id(self):
        # short ones come back as soon as a file of the queue is freed
        if self.free and self.random.random() < 0.7:
            qid = self.free.pop(self.random.randrange(len(self.free)))
        else:
            qid = '%X' % self.random.randrange(1 << 36, 1 << 40)
        self.in_use.add(qid)
        return qid

    def _begin(self, qid, when, sender, recipients, client='web.example.org[192.0.2.50]', active=None):
        login = ', sasl_method=PLAIN, sasl_username=shop' if 'shop' in sender else ''
        self._line(when, 'smtpd', '%s: client=%s%s' % (qid, client, login))
        self._line(when + 0.01, 'cleanup', '%s: message-id=<%s.%d@example.org>' % (qid, qid, when))
        self._active(qid, active or when + 0.02, sender, recipients)

    def _active(self, qid, when, sender, recipients):
        self._line(when, 'qmgr', '%s: from=<%s>, size=%d, nrcpt=%d (queue active)'
                   % (qid, sender, 1000 + int(when) % 90000, recipients))

    def _removed(self, qid, when):
        self._line(when, 'qmgr', '%s: removed' % qid, freed=qid)

    def _result(self, qid, when, to, arrival, status, dsn, text, relay='mx.{d}[203.0.113.9]:25', extra=''):
        self._line(when, 'smtp', '%s: to=<%s>,%s relay=%s, delay=%.2f, delays=0.1/0/0.4/%.2f, dsn=%s, status=%s (%s)' % (
            qid, to, extra, relay.format(d=to.rsplit('@', 1)[1].lower()), when - arrival, when - arrival - 0.5, dsn, status, text))

    def _said(self, qid, when, to, arrival, status, reply, command='RCPT TO'):
        reply = reply.format(to=to, host=self.name, n=self.random.randrange(100000))
        relay = 'mx.%s' % to.rsplit('@', 1)[1].lower() if reply != STRANGE[-1] else 'mx.everybody.example'
        dsn = reply.split()[1] if reply.split()[1].count('.') == 2 else reply[0] + '.0.0'
        if status == 'deferred':
            dsn = '4' + dsn[1:]
        self._result(qid, when, to, arrival, status, dsn, 'host %s[203.0.113.9] said: %s (in reply to %s command)' % (relay, reply, command),
                     relay=relay + '[203.0.113.9]:25')

    def _sent(self, qid, when, to, arrival=None, extra=''):
        self._result(qid, when, to, arrival or when - 1, 'sent', '2.0.0', '250 2.0.0 Ok: queued as 4Q%07X' % (int(when) % 9999999), extra=extra)

    # -- recipients --------------------------------------------------------------

    def _address(self, kind, many):
        r = self.random
        n = r.randrange(max(4, int(self.messages * many)))
        user = '%s%d' % (USERS[n % len(USERS)], n)
        if r.random() < 0.05:
            user = user.capitalize()
        return '%s@%s.%s.example' % (user, kind, self.name)

    def _recipient(self):
        """(address, what the other side makes of it)"""
        roll = self.random.random()
        for upto, kind, many in ((0.42, 'good', 0.8), (0.54, 'gone', 0.15), (0.68, 'full', 0.02), (0.78, 'nomx', 0.02),
                                 (0.86, 'slow', 0.10), (0.91, 'strange', 0.05), (0.95, 'blocked', 0.05), (0.98, 'mixed', 0.03)):
            if roll < upto:
                return self._address(kind, many), kind
        return 'shared%d@shared.example' % self.random.randrange(max(3, self.messages // 60)), 'shared'

    def _message(self, when, late):
        roll = self.random.random()
        if roll < 0.03:
            self._notification(when)
        elif roll < 0.05:
            self._probe(when)
        elif roll < 0.09:
            self._filtered(when)
        else:
            self._mail(when, late)

    def _mail(self, when, late):
        r = self.random
        sender = r.choice(('shop@example.org', 'news@example.org', 'info@example.org'))
        recipients = {}
        for _ in range(r.choice((1, 1, 1, 1, 2, 3, 6))):
            to, kind = self._recipient()
            if to.lower() not in (x.lower() for x in recipients):
                recipients[to] = kind
        shared = [to for to in recipients if to.startswith('shared')]
        if shared:      # times of the hosts never fall together
            when = when // 60 * 60 + 10 * self.number
            recipients = {shared[0]: 'shared'}
        qid, waiting = self._queue_id(), []
        self._begin(qid, when, sender, len(recipients))
        for i, (to, kind) in enumerate(recipients.items()):
            if not self._first_attempt(qid, when + 1 + 0.3 * i, to, kind, when):
                waiting.append((to, kind))
        if waiting:
            self._retry(qid, when, sender, waiting, late)
        else:
            self._removed(qid, when + 4)

    def _first_attempt(self, qid, at, to, kind, arrival):
        """True: final."""
        r = self.random
        if kind == 'good' or (kind in ('full', 'mixed') and r.random() < 0.12):
            alias = ' orig_to=<alias%d@example.org>,' % (at % 9) if r.random() < 0.1 else ''
            self._sent(qid, at, to, arrival, alias)
        elif kind in ('gone', 'shared'):
            self._said(qid, at, to, arrival, 'bounced', UNKNOWN[int(arrival) % 3])
        elif kind == 'blocked':
            self._said(qid, at, to, arrival, 'bounced', r.choice(BLOCKED), 'end of DATA')
        elif kind == 'strange' or (kind == 'mixed' and r.random() < 0.3):
            self._said(qid, at, to, arrival, 'bounced', r.choice(STRANGE))
        elif kind == 'nomx':
            self._result(qid, at, to, arrival, 'bounced', '4.4.0', NO_MX, relay='none')
        elif kind == 'full' and r.random() < 0.6:
            self._said(qid, at, to, arrival, 'bounced', FULL[0])
        else:
            self._said(qid, at, to, arrival, 'deferred', FULL[1] if kind == 'full' else r.choice(BUSY))
            return False
        return True

    def _retry(self, qid, arrival, sender, waiting, late):
        """Forty minutes to three days later: delivered, refused, expired, deleted, or still there at the end."""
        r, at = self.random, arrival
        for _ in range(r.choice((1, 1, 2, 3, 5))):
            at += r.uniform(2400, 50000)
            if at > self.now - 100:
                return
            self._active(qid, at, sender, len(waiting))
            stay = []
            for i, (to, kind) in enumerate(waiting):
                roll, when = r.random(), at + 1 + 0.3 * i
                if roll < 0.3:
                    self._sent(qid, when, to, arrival)
                elif roll < 0.4:
                    self._said(qid, when, to, arrival, 'bounced', UNKNOWN[0] if kind == 'slow' else FULL[0])
                else:
                    self._said(qid, when, to, arrival, 'deferred', FULL[1] if kind == 'full' else r.choice(BUSY))
                    stay.append((to, kind))
            waiting = stay
            if not waiting:
                self._removed(qid, at + 4)
                return
        if late and r.random() < 0.7:
            return
        if r.random() < 0.8:
            self._line(at + 4, 'qmgr', '%s: from=<%s>, status=expired, returned to sender' % (qid, sender))
        else:
            at += r.uniform(1, 5000)    # postsuper -d
        self._removed(qid, at + 5)

    # -- what counts for nobody ----------------------------------------------------

    def _notification(self, when):
        qid = self._queue_id()
        to = self._address('innocent', 0.1)
        self._line(when, 'cleanup', '%s: message-id=<%s.%d@%s>' % (qid, qid, when, self.name))
        self._active(qid, when + 0.02, '', 1)
        self._said(qid, when + self.random.uniform(1, 900), to, when, 'bounced', UNKNOWN[0])
        self._removed(qid, when + 1000)

    def _probe(self, when):
        qid, to = self._queue_id(), self._address('probed', 0.1)
        self._active(qid, when, 'double-bounce@' + self.name, 1)
        self._result(qid, when + 1, to, when, 'undeliverable', '5.1.1', 'host mx said: 550 5.1.1 User unknown (in reply to RCPT TO command)')
        self._removed(qid, when + 2)

    def _filtered(self, when):
        """In, through a content filter, in again under another queue id."""
        first, second = self._queue_id(), self._queue_id()
        to, kind = self._address('gone', 0.15), 'gone'
        self._begin(first, when, 'shop@example.org', 1)
        self._begin(second, when + 1, 'shop@example.org', 1, client='localhost[127.0.0.1], orig_queue_id=%s' % first)
        self._result(first, when + 1.5, to, when, 'sent', '2.0.0', '250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as %s' % second,
                     relay='127.0.0.1[127.0.0.1]:10024')
        self._removed(first, when + 1.6)
        self._first_attempt(second, when + 3, to, kind, when + 1)
        self._removed(second, when + 5)
