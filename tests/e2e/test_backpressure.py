"""Redis is away while the log of a busy server grows and is rotated: the reader waits, does not swell, and loses nothing."""
import os
import re
import time

from harness.follow import FollowCase, append
from harness.maillog import REPLY, stamp
from harness.nixie import sanitized
from harness.proc import LIMIT

MIB = 1 << 20
ROTATIONS = 6
# Of what the reader may take more while it waits, and in the end: the text of the long one has over 40 MiB.
WAITING_BYTES, READING_BYTES = 6 * MIB, 24 * MIB

MESSAGE = '''\
{0} mx1 postfix/qmgr[812]: {1}: from=<news@example.org>, size=1234, nrcpt=1 (queue active)
{0} mx1 postfix/smtp[4711]: {1}: to=<{2}>, relay=mx.example.com[192.0.2.99]:25, delay=1, delays=0.1/0/0.4/0.5, dsn={3})
{0} mx1 postfix/qmgr[812]: {1}: removed
'''
SENT = '2.0.0, status=sent (250 2.0.0 Ok: queued as 12345'
BOUNCED = '5.1.1, status=bounced (host mx.example.com[192.0.2.99] said: %s (in reply to RCPT TO command)' % REPLY


class BackPressureTest(FollowCase):
    def hour(self, messages):
        """So many messages of three lines, over the last hour; of twenty, one bounces."""
        first, begin = self.sent + self.hard, time.time() - 3600
        for i in range(messages):
            n = first + i
            bounces = n % 20 == 7
            to = '%s%d@example.com' % ('gone' if bounces else 'ok', n)
            yield MESSAGE.format(stamp(begin + 3600 * i / messages), '4Yt%06dz%dq' % (n, 1000 + n % 9000), to,
                                 BOUNCED.format(to=to) if bounces else SENT)

    def write(self, text):
        """What the text itself says is counted here."""
        append(self.log, text)
        self.sent += text.count(' status=sent (')
        self.hard += text.count(' status=bounced (')

    def rotate(self):
        for n in range(ROTATIONS, 0, -1):
            name = self.log + ('.%d' % (n - 1) if n > 1 else '')
            if os.path.exists(name):
                os.rename(name, '%s.%d' % (self.log, n))
        append(self.log, '')

    def memory(self, child, what):
        """VmRSS, or VmHWM: the most that it ever was"""
        with open('/proc/%d/status' % child.pid) as f:
            return int(re.search(r'%s:\s+(\d+) kB' % what, f.read())[1]) * 1024

    def survive(self, messages, stop, go_on):
        self.write(''.join(self.hour(2000)))
        child = self.site.logtail()
        before = self.memory(child, 'VmRSS')
        stop()
        text = list(self.hour(messages))
        for n in range(ROTATIONS):
            self.write(''.join(text[n * messages // ROTATIONS:(n + 1) * messages // ROTATIONS]))
            if n == 0:
                child.wait_log('waiting, nothing is lost')
            self.rotate()
            waiting = self.memory(child, 'VmRSS') - before
            self.assertTrue(sanitized('nixie-logtail') or waiting < WAITING_BYTES, waiting)
        go_on()
        self.write(''.join(self.hour(1)))
        self.site.wait_counter('delivered', self.sent, 5 * LIMIT)
        counters = self.site.counters()
        self.assertEqual((counters['delivered'], counters['hard']), (self.sent, self.hard))
        self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:suppressed'), self.hard)
        if sanitized('nixie-logtail'):
            self.skipTest('nothing is lost; memory with AddressSanitizer, which keeps what was freed, tells nothing')
        self.assertLess(self.memory(child, 'VmHWM') - before, READING_BYTES)

    def test_redis_is_away_for_a_busy_hour(self):
        self.survive(100000, self.redis.kill, self.redis.start)

    def test_redis_hangs(self):
        self.impatient()
        self.survive(10000, self.redis.freeze, self.redis.thaw)
