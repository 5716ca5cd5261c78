"""nixie receive behind a real server: what its snippets run, the addresses that mail comes back to, and what holds with each server."""
import base64
import hashlib
import hmac
import os
import pwd
import shutil
import time
import uuid

from . import returned
from .case import LoopCase, not_at_midnight
from .nixie import REPOSITORY, binary
from .proc import LIMIT, wait_until
from .sink import Sink

SECRET = 'a secret of the tests'
BOUNCES = 'bounces+{recipient}-{sig}@shop.example'
LEAVE = 'leave+{recipient}-{sig}@shop.example'
# Its mail, and no other, our server says to be signed.
LOOP = 'loop@provider.example'
AUTHENTIC = 'Authentication-Results: mx.nixie.test; dkim=pass header.d=provider.example'
OTHERS = 'Authentication-Results: mx.nixie.test; dkim=none'
# Whom the servers run nixie as: each system has him, and he can do nothing.
USER, GROUP = 'nobody', 'nogroup'

UNKNOWN = '550 5.1.1 <{0}>: Recipient address rejected: User unknown in virtual mailbox table'
BUSY = '450 4.2.1 <{0}>: mailbox busy'


def base32(data):
    return base64.b32encode(data).decode().lower()


def signed(recipient, template=BOUNCES, secret=SECRET):
    """What nixie verp prints for a plain recipient."""
    use = 'unsubscribe' if template == LEAVE else 'bounces'
    recipient = recipient.replace('@', '=')
    day = int(time.time()) // 86400 % 2 ** 15
    stamp = base32((day << 9).to_bytes(3, 'big'))[:3]
    text = '\n'.join(['nixie-verp', use, template, recipient, stamp])
    return template.format(recipient=recipient, sig=stamp + base32(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()[:10]))


class ReceivingCase(LoopCase):
    """server: started by the class; sends mail to a sink, and what comes back to nixie."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        # A copy, because USER may not be able to look where the tests' programs are.
        cls.program = os.path.join(cls.directory, 'usr', 'bin', 'nixie')
        os.makedirs(os.path.dirname(cls.program))
        shutil.copy(binary('nixie'), cls.program)
        shutil.copytree(os.path.join(REPOSITORY, 'conf', 'rules.d'), os.path.join(cls.directory, 'usr', 'share', 'nixie', 'rules.d'))
        cls.secret = os.path.join(cls.directory, 'secret')
        with open(cls.secret, 'w') as f:
            f.write(SECRET + '\n')
        cls.reveal(cls.secret)
        cls.site.options['receive'] = {
            'remember': '7 days', 'wait': '10 ms', 'secret-file': cls.secret, 'authserv-id': ['mx.nixie.test'],
            'addresses': ({'for': 'bounces', 'address': BOUNCES}, {'for': 'unsubscribe', 'address': LEAVE},
                          {'for': 'bounces', 'address': 'bounces@shop.example'}, {'for': 'complaints', 'address': 'complaints@shop.example'}),
            'feedback-loops': ({'dkim': 'provider.example', 'recipients': ['nixie.test']},),
        }

    @classmethod
    def begin(cls):
        """The server and nixie's programs; the site's options are as they should be."""
        cls.addClassCleanup(cls.server.stop)
        cls.site.write_conf()
        cls.configure()
        cls.policyd = cls.site.policyd()
        cls.server.start()
        cls.logtail = cls.site.logtail()

    @staticmethod
    def reveal(path, mode=0o400):
        """For USER, and nobody else."""
        os.chmod(path, mode)
        os.chown(path, pwd.getpwnam(USER).pw_uid, -1)

    @classmethod
    def snippet(cls, *name):
        """The text of a shipped file, with the program and the user of the test."""
        with open(os.path.join(REPOSITORY, 'contrib', *name)) as f:
            text = f.read()
        return (text.replace('/usr/local/bin/nixie', '%s -c %s' % (cls.program, cls.site.conf_path))
                .replace('user=nixie:nixie', 'user=%s:%s' % (USER, GROUP))
                .replace('user = nixie', 'user = ' + USER).replace('group = nixie', 'group = ' + GROUP))

    def setUp(self):
        not_at_midnight()
        self.sink.at_rcpt.clear()
        self.deferred = False       # does mail wait in the queue that is to be tried again now?
        self.name = self.id().rsplit('.', 1)[-1].replace('test_', '').replace('_', '-')
        self.address = self.name + '@nixie.test'
        self.before, self.mail_before = self.site.counters(), self.mails()

    # -- what a server does its own way --------------------------------------------

    def push(self):
        """Makes the server deliver what waits for nobody."""

    def send(self, recipient, sender, message_id):
        """A message of ours."""
        self.server.send(recipient, sender=sender, headers=b'Message-ID: %s\r\n' % message_id.encode())

    def inject(self, to, mail, sender=''):
        """A mail that came back."""
        with self.server.client() as c:
            c.sendmail(sender, [to] if isinstance(to, str) else to, mail.replace(b'\n', b'\r\n'))

    # -- what came of it ---------------------------------------------------------

    def until(self, condition, what, limit=LIMIT):
        def attempt():
            # pushing takes a while, and it may be true then
            return condition() or self.push() or condition()
        try:
            return wait_until(attempt, what, limit)
        except AssertionError as e:
            raise AssertionError('%s\n%s\n%s' % (e, self.mails(), self.server.log()[-6000:])) from None

    def mails(self):
        """"dsn|counted" and so on -> how many."""
        total = {}
        for key in self.redis.command('KEYS', 'nixie:{0}:day:*:mail'):
            for name, value in self.redis.hgetall(key).items():
                total[name] = total.get(name, 0) + int(value)
        return total

    def received(self):
        return {k: v - self.mail_before.get(k, 0) for k, v in self.mails().items() if v != self.mail_before.get(k, 0)}

    def wait_received(self, **want):
        """dsn_told=1: until so much came; nothing else did."""
        want = {k.replace('_', '|'): v for k, v in want.items()}
        self.until(lambda: sum(self.received().values()) >= sum(want.values()), 'mail %r' % want)
        self.assertEqual(self.received(), want)

    def counted(self):
        now = self.site.counters()
        return {k: now[k] - self.before.get(k, 0) for k in ('soft', 'hard', 'complaint') if now.get(k, 0) != self.before.get(k, 0)}

    def entry(self, address=None):
        return self.redis.hgetall('nixie:{0}:addr:' + (address or self.address))

    def message_id(self):
        return '<%s@shop.example>' % uuid.uuid4().hex

    def deliver(self, address):
        """Through the server, until logtail knows: of this one, as others may be counted late."""
        about = self.message_id()
        self.send(address, signed(address), about)
        self.until(lambda: self.is_remembered(address), 'a delivery')
        return about

    def is_remembered(self, address):
        """With what is remembered of it the delivery is counted, and what is before it in the log."""
        return any(member.endswith('|' + address) for key in self.redis.command('KEYS', 'nixie:{0}:sent:*')
                   for member in self.redis.command('ZRANGE', key, 0, -1))

    def settle(self):
        self.deliver('marker-%s@nixie.test' % uuid.uuid4().hex[:8])

    def refused(self, address=None, **kw):
        return self.server.rcpt(address or self.address, **kw)[0] == 550


class ReceivingTests:
    """The same with each server."""

    # -- a bounce of its own -------------------------------------------------------

    def test_log_first(self):
        self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
        sender = self.site.ctl_ok('verp', self.address).strip()
        self.assertEqual(sender, signed(self.address))
        # a reader that is slow is overtaken by the mail, so that waits
        self.replace_program('#!/bin/sh\nexit 75\n')
        self.deferred = True
        try:
            self.send(self.address, sender, self.message_id())
            self.until(lambda: self.site.status(self.address) == 'hard', 'the log')
        finally:
            self.program_is_back()
        self.wait_received(dsn_told=1)
        self.assertEqual((self.counted(), self.entry()['origin']), ({'hard': 1}, 'log'))

    def test_mail_first(self):
        self.logtail.stop()
        try:
            self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
            self.send(self.address, signed(self.address), self.message_id())
            self.wait_received(dsn_counted=1)
            self.assertEqual((self.counted(), self.entry()['origin']), ({'hard': 1}, 'dsn'))
        finally:
            type(self).logtail = self.site.logtail()
        self.settle()
        self.assertEqual((self.counted(), self.entry()['origin']), ({'hard': 1}, 'dsn'))

    def test_delay(self):
        self.sink.at_rcpt[self.address] = BUSY.format(self.address)
        self.deferred = True
        self.send(self.address, signed(self.address), self.message_id())
        self.wait_received(dsn_nothing=1)
        self.assertEqual((self.counted(), self.entry()), ({}, {}))
        self.server.empty_queue()

    # -- what comes later ----------------------------------------------------------

    def test_late(self):
        about = self.deliver(self.address)
        self.assertFalse(self.refused())
        self.inject(signed(self.address), returned.failed(self.address, returned.original(about)))
        self.wait_received(dsn_counted=1)
        entry = self.entry()
        self.assertEqual((entry['status'], entry['origin'], entry['reason']), ('hard', 'dsn', 'recipient.unknown'))
        self.until(self.refused, 'refusal of ' + self.address)

    def test_known_by_its_message(self):
        about = self.deliver(self.address)
        self.inject('bounces@shop.example', returned.failed(self.address, returned.original(about)))
        self.wait_received(dsn_counted=1)
        self.assertEqual(self.entry()['status'], 'hard')

    def test_made_up(self):
        mail = returned.failed(self.address, returned.original(self.message_id()))
        self.inject(signed(self.address, secret='somebody else\'s'), mail)
        self.wait_received(dsn_aside=1)
        self.assertEqual((self.counted(), self.entry()), ({}, {}))

    def test_complaint(self):
        about = returned.original(self.message_id(), sender='news@shop.example')
        self.inject('complaints@shop.example', returned.complaint(about, self.address), sender=LOOP)
        self.wait_received(complaint_counted=1)
        self.settle()
        self.assertEqual(self.counted(), {'complaint': 1})
        # the marker of settle() alone: the report went to nobody that we wrote to
        self.assertEqual(self.site.counter('delivered') - self.before.get('delivered', 0), 1)
        self.until(lambda: self.refused(sender='news@shop.example'), 'refusal')
        self.assertFalse(self.refused(sender='news@other.example'))

    def test_complaint_of_a_stranger(self):
        forged = (('Authentication-Results', AUTHENTIC.split(': ')[1]),)
        about = returned.original(self.message_id(), sender='news@shop.example')
        self.inject('complaints@shop.example', returned.complaint(about, self.address, headers=forged), sender='loop@evil.example')
        self.wait_received(complaint_aside=1)
        self.assertEqual(self.counted(), {})

    def test_out_of_office(self):
        about = self.deliver(self.address)
        self.inject('complaints@shop.example', returned.autoreply('complaints@shop.example', self.address, about), sender=self.address)
        self.wait_received(autoreply_nothing=1)
        self.assertEqual(self.counted(), {})
        self.inject(signed(self.address), returned.autoreply(signed(self.address), self.address, about))
        self.wait_received(autoreply_nothing=1, autoreply_counted=1)
        self.assertEqual(self.counted(), {'soft': 1})
        self.assertFalse(self.refused())

    def test_unsubscribe(self):
        self.inject(signed(self.address, LEAVE), returned.plain(signed(self.address, LEAVE), self.address, 'unsubscribe'), sender=self.address)
        self.wait_received(unsubscribe_counted=1)
        self.until(lambda: self.refused(sender='news@shop.example'), 'refusal')
        self.assertFalse(self.refused(sender='news@other.example'))

    def test_a_person_writes(self):
        del self.sink.delivered[:]
        self.inject('bounces@shop.example', returned.plain('bounces@shop.example', 'anna@nixie.test', 'Hello'), sender='anna@nixie.test')
        self.wait_received(ordinary_nothing=1)
        self.until(lambda: self.sink.delivered, 'the copy')
        self.assertEqual(self.sink.delivered, [('anna@nixie.test', self.copied_to)])
        self.settle()   # the copy is counted, and not in the next test

    def test_a_long_mail(self):
        mail = returned.failed(self.address, returned.original(self.message_id()))
        self.inject(signed(self.address), mail + b'a line of a long letter that was sent back\n' * 150000)
        self.wait_received(dsn_counted=1)

    def test_many_at_once(self):
        addresses = ['many-%d@nixie.test' % n for n in range(self.at_once)]
        for address in addresses:
            self.sink.at_rcpt[address] = UNKNOWN.format(address)
        with self.server.client() as c:
            for address in addresses:
                c.sendmail(signed(address), [address], ('Message-ID: %s\r\n\r\nHello\r\n' % self.message_id()).encode())
        # one after the other, each by several programs
        self.until(lambda: sum(self.received().values()) == self.at_once, 'all bounces', 3 * LIMIT)
        self.settle()
        # the log or the mail was first, for each
        self.assertEqual(set(self.received()) - {'dsn|told', 'dsn|counted'}, set())
        self.assertEqual(self.counted(), {'hard': self.at_once})
        self.assertEqual({self.site.status(a) for a in addresses}, {'hard'})

    # -- what goes wrong -----------------------------------------------------------

    def keeps(self, problem, back):
        """problem() breaks it, back() mends it: a mail that came meanwhile stays in the queue."""
        address = '%s-%s@nixie.test' % (problem.__name__.replace('_', '-'), uuid.uuid4().hex[:4])
        problem()
        try:
            self.inject(signed(address), returned.failed(address, returned.original(self.message_id())))
            self.wait_deferred(signed(address))
        finally:
            back()

    def replace_program(self, text):
        os.rename(self.program, self.program + '.good')
        if text:
            with open(self.program, 'w') as f:
                f.write(text)
            os.chmod(self.program, 0o755)

    def program_is_back(self):
        os.replace(self.program + '.good', self.program)

    def test_nothing_is_lost(self):
        def redis_away():
            self.redis.kill()

        def broken_conf():
            self.site.write_raw('receive = { wait = "later"; };\n')

        def conf_unreadable():
            os.chmod(self.site.conf_path, 0o600)

        def secret_unreadable():
            os.chown(self.secret, 0, 0)

        def no_program():
            self.replace_program('')

        def no_right():
            os.chmod(self.program, 0o700)

        def killed():
            self.replace_program('#!/bin/sh\nkill -9 $$\n')

        def some_other_status():
            self.replace_program('#!/bin/sh\necho what\nexit 67\n')

        problems = [(redis_away, self.redis.start), (broken_conf, self.site.write_conf), (conf_unreadable, self.site.write_conf),
                    (secret_unreadable, lambda: self.reveal(self.secret)), (no_program, self.program_is_back),
                    (no_right, lambda: os.chmod(self.program, 0o755)), (killed, self.program_is_back),
                    (some_other_status, self.program_is_back)]
        for problem in problems:
            self.keeps(*problem)
        self.assertEqual(self.received(), {})
        # once is not enough: who has logged that he defers a mail may not have put it aside yet
        self.deferred = True
        self.wait_received(dsn_counted=len(problems))
        self.assertEqual(self.counted(), {'hard': len(problems)})
