"""nixie receive is killed, loses its connection or is refused at each of its writes, and gets the mail again: what is in Redis is
what one reception leaves that nothing disturbed."""
import json
import os
import re
import signal
import subprocess
import time

from harness import returned
from harness.cutting import Cutting
from harness.maillog import Message
from harness.nixie import OK, binary
from harness.peace import snapshot
from harness.proc import wait_until
from test_returned import AGAIN, OUR, PASS, Returned

GONE = ['one@reader.example', 'two@other.example', 'three@third.example', 'four@fourth.example', 'five@reader.example']
# What Redis says who may not, or not any more
NO_RIGHT = b"NOPERM|permission|can't run this command"
NO_ENTRY = b'NOPERM|WRONGPASS|NOAUTH|closed|lost'


class Interrupted(Returned):
    """One reception, and what is in Redis."""
    options = {'receive': {'remember': '2 days', 'wait': '1 ms', 'shared': 9, 'authserv-id': [OUR],
                           'feedback-loops': ({'dkim': 'provider.example', 'recipients': ['reader.example']},)}}

    def setUp(self):
        super().setUp()
        self.sign()
        self.cutting = Cutting(self.directory, self.redis.socket)
        self.addCleanup(self.cutting.stop)
        self.process, self.when = None, int(time.time()) - 60

    # -- one reception ---------------------------------------------------------------

    def hand_over(self, mail, after=None, act=None):
        """Its status, as an MTA has it."""
        self.cutting.begin(after, act)
        command = [binary('nixie'), '-c', self.site.conf_path, '-o', 'redis.address=' + self.cutting.address, 'receive', '--json']
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as self.process:
            self.said, self.complained = self.process.communicate(mail)
        return self.process.returncode

    def kill(self):
        wait_until(lambda: self.process, 'process')
        self.process.kill()
        return False

    def bounce(self, *more):
        message = Message('news@shop.example')
        self.read(message.begin(len(GONE)), *[message.sent(to) for to in GONE])
        return returned.dsn([(to, 'failed', '5.1.1', returned.NO_SUCH_USER) for to in GONE + list(more)],
                            returned.original('<%s@example.org>' % message.qid), received=self.when)

    # -- what is in Redis --------------------------------------------------------------

    def save(self):
        r = self.redis.command
        return [(key, max(0, r('PTTL', key)), r('DUMP', key).encode('utf-8', 'surrogateescape')) for key in r('KEYS', '*')]

    def restore(self, dump):
        self.redis.command('FLUSHALL')
        self.redis.command('SCRIPT', 'FLUSH')
        for key, ttl, value in dump:
            self.redis.command('RESTORE', key, ttl, value)

    def state(self):
        """Without what is made anew with each write; with what is to expire."""
        data = snapshot(self.redis)
        for name, value in data.items():
            if name.startswith('told:'):
                value.pop('time')
        # of the day of the reception
        data['journal'] = {re.sub(r'receive-\d{8}', 'receive', repr(entry)): n for entry, n in data.get('journal', {}).items()}
        data['expire'] = sorted(k for k in self.redis.command('KEYS', '*') if self.redis.command('TTL', k) >= 0)
        return data


class Crash(Interrupted):
    # -- all moments -------------------------------------------------------------------

    def assertUndisturbed(self, mail, outcome, claims, cut=False):
        """cut: also by lost connections, of which each takes redis.timeout."""
        base = self.save()
        self.assertEqual(self.hand_over(mail), OK, self.complained)
        row, writes, want = json.loads(self.said), self.cutting.writes, self.state()
        self.assertEqual((row['outcome'], len(row['claims'])), (outcome, claims), row)
        self.assertGreaterEqual(writes, 1)
        moments = [(after, self.kill) for after in range(writes)] + [(after + 1, None) for after in range(writes * cut)]
        for after, act in moments:
            with self.subTest(after=after, act=act):
                self.restore(base)
                self.disturb(mail, after, act)
                self.assertEqual(self.state(), want)
        # and once more, as a mailbox
        self.assertEqual(self.hand_over(mail), OK)
        self.assertEqual((json.loads(self.said)['outcome'], self.state()), ('again', want))

    def disturb(self, mail, after, act):
        """And hand it over again, as an MTA does."""
        self.process = None
        status = self.hand_over(mail, after, act)
        self.assertTrue(self.cutting.was_cut)
        self.assertIn(status, (-signal.SIGKILL,) if act else (OK, AGAIN), self.complained)
        if status != OK:
            self.assertEqual(self.said, b'')
            self.assertEqual(self.hand_over(mail), OK, self.complained)

    # -- mails --------------------------------------------------------------------------

    def dated(self, mail):
        return b'Received: by mx.shop.example (Postfix) id 4Xq; ' + time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(self.when)).encode() + b'\n' + mail

    def test_bounce_of_several(self):
        self.assertUndisturbed(self.bounce('made-up@other.example'), 'counted', 6, cut=True)

    def test_complaint(self):
        mail = returned.complaint(returned.original('<a@shop.example>'), 'one@reader.example', headers=[PASS])
        named = b'Original-Rcpt-To: <one@reader.example>\n'
        self.assertUndisturbed(self.dated(mail.replace(named, named + named.replace(b'one', b'another'))), 'counted', 2)

    def test_unsubscription_in_an_empty_redis(self):
        to = self.signed('reader@reader.example', 'unsubscribe')
        self.assertUndisturbed(self.dated(returned.plain(to, 'reader@reader.example', 'leave')), 'counted', 1)

    def test_answer(self):
        to = self.signed('reader@reader.example')
        self.assertUndisturbed(self.dated(returned.autoreply(to, 'reader@reader.example', '<a@shop.example>')), 'counted', 1)

    def test_aside(self):
        self.assertUndisturbed(returned.failed('reader@reader.example', returned.original('<a@shop.example>'), received=self.when), 'aside', 1)

    def test_proven_later(self):
        message = Message('news@shop.example')
        mail = returned.failed('reader@reader.example', returned.original('<%s@example.org>' % message.qid), received=self.when)
        self.assertEqual(self.hand_over(mail), OK)
        self.read(message.begin(), message.sent('reader@reader.example'))
        self.assertUndisturbed(mail, 'counted', 1)

    def test_ordinary(self):
        self.assertUndisturbed(self.dated(returned.plain('bounces@shop.example', 'reader@reader.example', 'Hello')), 'nothing', 0)


class InPartitions(Crash):
    partitions = 8


class Refused(Interrupted):
    """Redis does not want to any more, in the middle: the mail server keeps the mail, and later it counts once."""
    partitions = 4

    def full(self):
        self.redis.command('CONFIG', 'SET', 'maxmemory', '1')
        return True

    def replica(self):
        """Of a port where nobody listens: it keeps its data and refuses writes."""
        self.redis.command('REPLICAOF', '127.0.0.1', '1')
        return True

    def unsaved(self):
        self.redis.command('CONFIG', 'SET', 'save', '3600 1000000')
        return True

    def reading_only(self):
        self.redis.command('ACL', 'SETUSER', 'post', '-@write')
        return True

    def no_scripts(self):
        self.redis.command('ACL', 'SETUSER', 'post', '-eval', '-evalsha', '-hsetnx')
        return True

    def unknown_user(self):
        """And his connections are cut."""
        self.redis.command('ACL', 'DELUSER', 'post')
        return True

    def another_password(self):
        """Who comes later does not get in."""
        self.redis.command('ACL', 'SETUSER', 'post', 'resetpass', '>other')
        self.redis.command('CLIENT', 'KILL', 'USER', 'post')
        return True

    def mend(self):
        for name, value in ('maxmemory', '0'), ('save', ''):
            self.redis.command('CONFIG', 'SET', name, value)
        self.redis.command('REPLICAOF', 'NO', 'ONE')
        self.redis.command('ACL', 'SETUSER', 'post', 'reset', 'on', '>secret', '~nixie:*', '+@all')

    def setUp(self):
        super().setUp()
        # saving has failed: that is of importance with the option save
        os.mkdir(os.path.join(self.redis.directory, 'dump.rdb'))
        self.redis.command('BGSAVE')
        wait_until(lambda: 'rdb_last_bgsave_status:err' in self.redis.command('INFO', 'persistence'), 'a failure')
        self.mend()
        self.site.options['redis'].update(user='post', password='secret')
        self.site.write_conf()

    def test_in_the_middle(self):
        mail = self.bounce('made-up@other.example')
        base = self.save()
        self.assertEqual(self.hand_over(mail), OK, self.complained)
        writes, want = self.cutting.writes, self.state()
        self.assertGreater(writes, 2)
        for act, word in ((self.full, b'OOM'), (self.replica, b'READONLY'), (self.unsaved, b'MISCONF'), (self.reading_only, NO_RIGHT),
                          (self.no_scripts, NO_RIGHT), (self.unknown_user, NO_ENTRY),
                          (self.another_password, NO_ENTRY)):
            for after in 1, writes - 1:
                with self.subTest(act=act.__name__, after=after):
                    self.mend()
                    self.restore(base)
                    self.assertEqual(self.hand_over(mail, after, act), AGAIN)
                    self.assertTrue(self.cutting.was_cut)
                    self.assertRegex(self.complained, word)
                    self.assertEqual(self.said, b'')
                    self.assertEqual(self.hand_over(mail), AGAIN)
                    self.mend()
                    self.assertEqual(self.hand_over(mail), OK, self.complained)
                    self.assertEqual(self.state(), want)
