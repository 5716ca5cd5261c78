"""nixie receive: what strangers try with mail, who know the program and everything that is public."""
import json
import re
import signal
import subprocess
import time

from harness import returned
from harness.maillog import Message
from harness.nixie import binary
from harness.proc import wait_until
from test_returned import AGAIN, OUR, Returned

VICTIM = 'victim@reader.example'
DMARC = ('Authentication-Results', OUR + '; dmarc=pass header.from=reader.example')


class Unsubscribing(Returned):
    options = {'receive': {'remember': '0', 'authserv-id': [OUR]}}

    def setUp(self):
        super().setUp()
        self.sign()

    def outcome(self, mail, *args):
        return [c['outcome'] for c in self.receive(mail, *args)['claims']]

    def test_what_he_wrote_to_somebody_else(self):
        """His domain's signature is right wherever a mail is sent on to."""
        for to in 'stranger@evil.example', 'list@lists.example, stranger@evil.example', 'bounces@shop.example':
            mail = returned.plain(to, VICTIM, 'Hello', DMARC)
            self.assertEqual(self.outcome(mail, '--recipient', 'leave@shop.example'), ['aside'], to)
        # a To that was put above his own
        mail = returned.plain('stranger@evil.example', VICTIM, 'Hi', DMARC)
        self.assertEqual(self.outcome(b'To: leave@shop.example\n' + mail, '--recipient', 'leave@shop.example'), ['aside'])
        self.assertEqual(self.entry(VICTIM), {})
        self.assertIn('(To)', self.asides()[0]['why'])

    def test_what_he_wrote_to_it(self):
        mail = returned.plain('Shop <Leave@shop.example>', VICTIM, 'unsubscribe', DMARC)
        self.assertEqual(self.outcome(mail, '--recipient', 'leave@shop.example'), ['counted'])

    def test_a_signature_without_to(self):
        """Large providers sign From and Subject, and not To: who got a mail of his can send it on with another."""
        signature = ('DKIM-Signature', 'v=1; a=rsa-sha256; d=reader.example; s=s1; h=From:Date:Subject:Message-ID:MIME-Version; bh=x; b=y')
        mail = returned.plain('leave@shop.example', VICTIM, 'Hello', DMARC, signature)
        self.assertEqual(self.outcome(mail, '--recipient', 'leave@shop.example'), ['aside'])
        from_there = (DMARC[0], OUR + '; spf=pass smtp.mailfrom=reader.example; dmarc=pass header.from=reader.example')
        mail = returned.plain('leave@shop.example', VICTIM, 'Hello', from_there, signature)
        self.assertEqual(self.outcome(mail, '--recipient', 'leave@shop.example'), ['counted'])


class KnownMessages(Returned):
    """Who knows a Message-ID, and was not who it went to."""

    def two(self, said):
        """A message to two; the stranger's server reads it, and says something at its end."""
        message = Message()
        self.read(message.begin(2), message.sent(VICTIM), said(message)('stranger@evil.example'))
        return '<%s@example.org>' % message.qid

    def test_whose_server_read_it_and_did_not_take_it(self):
        for said in (lambda m: m.deferred), (lambda m: m.bounced):
            about = self.two(said)
            self.assertEqual([c['outcome'] for c in self.receive(returned.failed(VICTIM, returned.original(about)))['claims']], ['aside'])
        self.assertEqual(self.status(VICTIM), 'none')
        self.assertIn('receive.shared', self.asides()[0]['why'])

    def test_who_was_put_off_and_then_got_it(self):
        message = Message()
        self.read(message.begin(), message.deferred(VICTIM), message.sent(VICTIM, after=300))
        about = '<%s@example.org>' % message.qid
        self.assertEqual(self.claims(returned.failed(VICTIM, returned.original(about))), [('failure', VICTIM, 'message', 'counted')])

    def test_who_was_put_off_proves_nothing(self):
        message = Message()
        self.read(message.begin(), message.deferred(VICTIM))
        self.assertEqual(self.receive(returned.failed(VICTIM, returned.original('<%s@example.org>' % message.qid)))['outcome'], 'aside')

    def test_a_name_without_brackets(self):
        """As scripts write it; the log has it so, too."""
        for reader, behind in ('one@reader.example', ''), ('two@reader.example', ' (by a script)'):
            message = Message()
            self.read(message.line('smtpd', '%s: client=c[192.0.2.7]' % message.qid), message.line('cleanup', '%s: message-id=%s@shop' % (message.qid, message.qid)),
                      message.active(), message.sent(reader))
            mail = returned.failed(reader, returned.original(message.qid + '@shop' + behind))
            self.assertEqual(self.claims(mail), [('failure', reader, 'message', 'counted')])

    def test_a_message_of_his_own(self):
        """It comes in from outside, to a user here or to be sent on."""
        self.sign()
        about = self.sent(VICTIM, sender='stranger@evil.example')
        self.assertEqual(self.receive(returned.failed(VICTIM, returned.original(about)))['outcome'], 'aside')
        about = self.sent(VICTIM, sender='news@Shop.example')
        self.assertEqual(self.claims(returned.failed(VICTIM, returned.original(about))), [('failure', VICTIM, 'message', 'counted')])


class Once(Returned):
    """A failure is told by the log and by mail, in each order and at the same time."""

    def test_deferred_and_expired_in_one_batch(self):
        message = Message(when=time.time() - 86400)
        self.sign()
        self.read(message.begin(), message.deferred(VICTIM),
                  message.line('qmgr', '%s: from=<news@example.org>, status=expired, returned to sender' % message.qid, 86000))
        mail = returned.dsn([(VICTIM, 'failed', '4.2.1', 'smtp; 450 4.2.1 mailbox busy')],
                            returned.original('<%s@example.org>' % message.qid), to=self.signed(VICTIM))
        self.assertEqual(self.claims(mail), [('failure', VICTIM, 'signature', 'told')])
        self.assertEqual((self.counters()['soft'], self.entry(VICTIM)['count']), (1, '1'))

    def test_without_a_message_id(self):
        message = Message()
        self.sign()
        self.read(message.line('smtpd', '%s: client=c[192.0.2.7]' % message.qid), message.line('cleanup', '%s: message-id=<>' % message.qid),
                  message.active(), message.bounced(VICTIM))
        about = [('Received', 'from c by mx1 (Postfix) with ESMTP id %s; Thu, 19 Nov 2026 14:00:00 +0000' % message.qid), ('From', 'news@shop.example')]
        for _ in range(2):
            self.assertEqual(self.claims(returned.failed(VICTIM, about, to=self.signed(VICTIM))), [('failure', VICTIM, 'signature', 'told')])
        self.assertEqual((self.counters()['hard'], self.entry(VICTIM)['count']), (1, '1'))

    def test_many_at_the_same_time(self):
        """That it was told is no change of an address that stays as it is: a class that does not count, one that is allowed."""
        self.sign()
        self.site.ctl_ok('allow', VICTIM)
        to = self.signed(VICTIM)
        mails = [returned.failed(VICTIM, returned.original('<a@shop.example>'), to=to) for _ in range(8)]
        running = [subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'receive', '--json'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for _ in mails + mails]
        for p, mail in zip(running, mails + mails):
            p.stdin.write(mail)
        for p in running:
            p.stdin.close()
        outcomes = []
        for p in running:
            with p:
                outcomes.append(json.loads(p.stdout.read())['outcome'])
            self.assertEqual(p.returncode, 0)
        self.assertEqual((outcomes.count('counted'), self.counters()['hard'], self.counters()['returned']), (1, 1, 8), outcomes)

    def test_what_changes_nothing_is_not_known_for_long(self):
        """A stranger sends as many as he likes."""
        self.receive(returned.failed(VICTIM, returned.original('<invented@shop.example>')))
        key, = self.redis.command('KEYS', 'nixie:{*}:told:*')
        self.assertLessEqual(self.redis.command('TTL', key), 8 * 86400)


class Unread(Returned):
    """Headers of which there are more than are read: those behind count for the servers that signed and checked the mail."""
    options = {'receive': {'remember': '0', 'authserv-id': [OUR],
                           'feedback-loops': ({'dkim': 'provider.example', 'from': 'loop@provider.example', 'recipients': ['reader.example']},)}}
    LEAVE = 'leave@shop.example'

    def setUp(self):
        super().setUp()
        self.sign()

    def outcome(self, lines):
        mail = '\n'.join('%s: %s' % line for line in [DMARC, *lines]) + '\n\nbye\n'
        row = self.receive(mail.encode(), '--recipient', self.LEAVE)
        claim, = row['claims']
        return claim['outcome'], claim.get('why', '')

    def test_a_second_one_behind_them(self):
        many = [('X-Junk', str(i)) for i in range(300)]
        lines = [('From', VICTIM), ('To', self.LEAVE)]
        for behind in ('To', 'stranger@evil.example'), ('From', 'stranger@reader.example'):
            outcome, why = self.outcome(lines + many + [behind])
            self.assertEqual(outcome, 'aside', behind)
            self.assertIn('more headers', why)
        self.assertEqual(self.outcome(lines + [('Cc', ',' * 4100), ('From', 'stranger@reader.example')])[0], 'aside')
        self.assertEqual(self.outcome(lines + [('Subject', 'x' * 17000), ('Cc', 'a@b.example')])[0], 'aside')
        self.assertEqual(self.entry(VICTIM), {})
        self.assertRegex(self.site.ctl_ok('aside'), r'\d  it has more headers.*\n        if you know')

    def test_a_loop(self):
        mail = returned.complaint(returned.original('<a@shop.example>'), VICTIM, headers=[
            ('Authentication-Results', OUR + '; dkim=pass header.d=provider.example'), *[('X-Junk', str(i)) for i in range(300)]])
        claim, = self.receive(mail)['claims']
        self.assertEqual((claim['outcome'], 'more headers' in claim['why']), ('aside', True))

    def test_what_is_left_out_further_down(self):
        """Of the text, or of the message that a loop sends back, that is no matter."""
        self.assertEqual(self.receive(returned.plain(self.LEAVE, VICTIM, 'unsubscribe', DMARC) + b'a: ' + b'x' * 40000 + b'\n')['outcome'], 'counted')
        mail = returned.complaint(returned.original('<a@shop.example>', *[('X-Junk', str(i)) for i in range(300)]), VICTIM, headers=[
            ('Authentication-Results', OUR + '; dkim=pass header.d=provider.example')])
        self.assertEqual(self.receive(mail)['outcome'], 'counted')


class Alike(Returned):
    """Not one mail twice, though all that servers usually tell mails apart by is the same, or missing."""
    options = {'receive': {'remember': '7 days', 'wait': '1 ms', 'authserv-id': [OUR], 'recipient-headers': ['X-Reader'],
                           'feedback-loops': ({'dkim': 'provider.example', 'recipients': ['reader.example']},)}}

    @staticmethod
    def bare(mail, *names):
        return b'\n'.join(line for line in mail.split(b'\n') if not line.startswith(names or (b'Message-ID', b'Date')))

    def test_redacted_complaints(self):
        for reader in 'one@reader.example', 'two@reader.example':
            mail = returned.complaint(returned.original('', ('X-Reader', reader)),
                                      headers=[('Authentication-Results', OUR + '; dkim=pass header.d=provider.example')])
            self.assertEqual([c['outcome'] for c in self.receive(self.bare(mail))['claims']], ['counted'], reader)
        self.assertEqual(self.counters()['complaint'], 2)

    def test_delayed_and_then_failed(self):
        about = returned.original(self.sent(VICTIM))
        for action, status, want in (('delayed', '4.4.1', 'nothing'), ('failed', '5.4.1', 'counted'), ('failed', '5.4.1', 'again')):
            self.assertEqual(self.receive(self.bare(returned.dsn([(VICTIM, action, status, '')], about), b'Message-ID: <returned', b'Date'))['outcome'], want)

    def test_without_any_header(self):
        """Who it is for is told by its envelope's headers alone."""
        self.sign()
        for reader in 'one@reader.example', 'two@reader.example':
            mail = b'To: %s\nAuto-Submitted: auto-replied\n\n' % self.signed(reader).encode()
            self.assertEqual(self.receive(mail)['outcome'], 'counted', reader)


class Complaining(Returned):
    """A reader, by the signature in a message that he got."""

    def complain(self, number, sender='news@shop.example'):
        about = returned.original('<%d@shop.example>' % number, ('List-Unsubscribe', '<mailto:%s>' % self.address), sender=sender)
        claim, = self.receive(returned.complaint(about, mail_from=sender))['claims']
        return claim['outcome'], claim['scope']

    def setUp(self):
        super().setUp()
        self.sign()
        self.address = self.signed('reader@reader.example', 'unsubscribe')

    def test_as_often_as_he_likes(self):
        self.assertEqual([self.complain(i)[0] for i in range(3)], ['counted', 'told', 'told'])
        self.assertEqual((self.counters()['complaint'], self.counters('sender')['shop.example|complaint']), (1, 1))

    def test_about_somebody_elses_mail(self):
        self.assertEqual(self.complain(1, 'news@competitor.example'), ('counted', 'sender:shop.example'))
        self.assertNotIn('competitor.example|complaint', self.counters('sender'))

    def test_about_each_sender(self):
        own = self.site.options['receive']['addresses']
        self.site.options['receive']['addresses'] = ({'for': 'unsubscribe', 'address': 'leave+{recipient}-{sig}@other.example'}, *own)
        self.site.write_conf()
        first, self.address = self.address, self.signed('reader@reader.example', 'unsubscribe')
        self.assertEqual(self.complain(1, 'news@other.example'), ('counted', 'sender:other.example'))
        self.address = first
        self.assertEqual(self.complain(2), ('counted', 'sender:shop.example'))


class Long(Returned):
    def test_no_value_is_long(self):
        """What is kept of a mail for a long time has a limit each."""
        self.sign()
        host, sender = b'x' * 15000, b'""' * 4000 + b'news@shop.example'
        about = returned.original('<a@shop.example>', ('List-Unsubscribe', '<mailto:%s>' % self.signed(VICTIM, 'unsubscribe')), sender='SENDER')
        mail = returned.failed(VICTIM, about).replace(b'Status:', b'Remote-MTA: dns; ' + host + b'\nStatus:').replace(b'SENDER', sender)
        self.assertEqual(self.receive(mail)['outcome'], 'counted')
        signed = self.signed(VICTIM).encode()
        for key in self.redis.command('KEYS', 'nixie:*'):
            for read in ('HGETALL', key), ('XRANGE', key, '-', '+'):
                if self.redis.command('TYPE', key) == {'HGETALL': 'hash', 'XRANGE': 'stream'}[read[0]]:
                    for value in re.findall(r"'([^']*)'", str(self.redis.command(*read))):
                        self.assertLess(len(value), 1000, (key, value[:60]))


class Stopped(Returned):
    options = {'receive': {'remember': '7 days', 'wait': '60 s'}}

    def clients(self):
        """Their numbers, which go up."""
        return [int(number) for number in re.findall(r'^id=(\d+) ', self.redis.command('CLIENT', 'LIST'), re.M)]

    def test_by_a_signal(self):
        """As a mail server that stops does it to what it started: Exim gives up what a signal ended."""
        self.read(Message().begin())
        for stop in signal.SIGTERM, signal.SIGHUP:
            newest = max(self.clients())    # of those before, that may not be gone yet
            with subprocess.Popen([binary('nixie'), '-c', self.site.conf_path, 'receive'], stdin=subprocess.PIPE) as p:
                p.stdin.write(returned.failed(VICTIM, returned.original('<a@shop.example>')))
                p.stdin.close()
                wait_until(lambda newest=newest: max(self.clients()) > newest, 'it asks Redis')
                p.send_signal(stop)
            self.assertEqual(p.returncode, AGAIN)
        self.assertEqual((self.counters().get('returned', 0), self.asides()), (0, []))
