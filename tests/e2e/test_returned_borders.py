"""Mail that comes back across midnight, months, years and clocks that are set back: marks and what was sent are kept by day."""
import calendar
import json
import os
import subprocess
import time
import unittest

from harness import returned
from harness.maillog import Message
from harness.nixie import OK, binary, run
from harness.proc import wait_until
from test_returned import Returned

FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'
DAY = 86400


def at(stamp):
    return calendar.timegm(time.strptime(stamp, '%Y-%m-%d'))


def without_year(text, when):
    """Lines as older daemons stamp them."""
    stamp = time.strftime('%b %e %H:%M:%S', time.gmtime(when))
    return [stamp + line[line.index(' '):] for line in text.splitlines(True)]


# Ahead of the server's own clock, so that nothing expires.
YEAR = time.gmtime().tm_year + 1
MIDNIGHT = at('%d-03-10' % YEAR)
BORDERS = {'midnight': MIDNIGHT, 'month': at('%d-05-01' % YEAR), 'year': at('%d-01-01' % (YEAR + 1)),
           'leap day': at('%d-02-29' % (YEAR + 4 - YEAR % 4)), 'behind a leap day': at('%d-03-01' % (YEAR + 4 - YEAR % 4))}


@unittest.skipUnless(os.path.exists(FAKETIME), 'libfaketime is missing: install faketime')
class Borders(Returned):
    options = {'receive': {'remember': '2 days', 'wait': '1 ms'}}

    # -- programs at a time ------------------------------------------------------------

    def clock(self, now, zone='UTC'):
        """The programs' clocks stand still here, however long they take."""
        self.prefix = ('env', 'TZ=' + zone, 'LD_PRELOAD=' + FAKETIME, 'FAKETIME=' + time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now)),
                       'FAKETIME_DONT_FAKE_MONOTONIC=1', 'ASAN_OPTIONS=verify_asan_link_order=0')

    def read_at(self, now, *texts, zone='UTC'):
        self.clock(now, zone)
        with open(self.site.log_path, 'a') as f:
            f.write(''.join(texts))
        os.utime(self.site.log_path, (now, now))
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', prefix=self.prefix)
        self.assertEqual(done.returncode, OK, done.stderr)

    def receive_at(self, now, mail):
        self.clock(now)
        done = self.site.ctl('receive', '--json', stdin=mail, prefix=self.prefix)
        self.assertEqual(done.returncode, OK, done.stderr)
        return json.loads(done.stdout)['outcome']

    def message(self, when):
        """One that nobody knows yet, its recipient, and a bounce of it."""
        self.n = getattr(self, 'n', 0) + 1
        message, to = Message('news@shop.example', when=when), 'r%d@reader.example' % self.n
        return message, to, '<%s@example.org>' % message.qid

    def bounce(self, gone, about, received, to='bounces@shop.example'):
        return returned.failed(gone, returned.original(about), received=received, to=to)

    def assertOnce(self, to, when, origin):
        entry = self.entry(to)
        self.assertEqual((entry['status'], entry['count'], entry['origin'], int(entry['since'])), ('hard', '1', origin, when))
        history = self.redis.command('XLEN', 'nixie:{0}:hist:' + to)
        self.assertEqual((history, self.counters()['hard']), (1, self.n))

    def assertDay(self, when, **want):
        day = self.redis.hgetall('nixie:{0}:day:' + time.strftime('%Y%m%d', time.gmtime(when)))
        self.assertEqual({k: int(day.get(k, 0)) for k in want}, want)

    # -- borders ------------------------------------------------------------------------

    def test_it_was_delivered_before(self):
        for name, border in BORDERS.items():
            with self.subTest(name):
                message, to, about = self.message(border - 2)
                self.read_at(border - 1, message.begin(), message.sent(to))
                mail = self.bounce(to, about, border + 1)
                self.assertEqual([self.receive_at(border + 2, mail), self.receive_at(border + 3, mail)], ['counted', 'again'])
                self.assertOnce(to, border + 1, 'dsn')
                self.assertDay(border - 1, delivered=1)
                self.assertDay(border + 1, hard=1, returned=1)

    def test_the_log_told_before(self):
        for name, border in BORDERS.items():
            with self.subTest(name):
                message, to, about = self.message(border - 2)
                self.read_at(border - 1, message.begin(), message.bounced(to), message.removed())
                self.assertEqual(self.receive_at(border + 1, self.bounce(to, about, border + 1)), 'told')
                self.assertOnce(to, border - 1, 'log')
                self.assertDay(border - 1, hard=1)
                self.assertDay(border + 1, hard=0, returned=1)

    def test_the_mail_told_before(self):
        self.sign()
        for name, border in BORDERS.items():
            with self.subTest(name):
                message, to, about = self.message(border - 2)
                self.clock(border)
                signed = self.site.ctl('verp', to, prefix=self.prefix).stdout.strip()
                self.assertEqual(self.receive_at(border + 1, self.bounce(to, about, border + 1, signed)), 'counted')
                self.read_at(border + 2, message.begin(), message.bounced(to), message.removed())
                self.assertOnce(to, border + 1, 'dsn')

    def test_stamps_without_a_year(self):
        """Read when it is next year: it was last year that it was sent."""
        border = BORDERS['year']
        message, to, about = self.message(border - 2)
        self.read_at(border + 1, *without_year(message.begin() + message.sent(to), border - 1))
        self.assertEqual([key.split(':')[3] for key in self.redis.command('KEYS', 'nixie:{0}:sent:*')],
                         [time.strftime('%Y%m%d', time.gmtime(border - 1))])
        self.assertEqual(self.receive_at(border + 2, self.bounce(to, about, border + 2)), 'counted')

    # -- how long -------------------------------------------------------------------------

    def test_the_last_moment_that_it_is_remembered(self):
        for sent in MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + DAY // 2:
            with self.subTest(sent - MIDNIGHT):
                message, to, about = self.message(sent - 1)
                self.read_at(sent + 1, message.begin(), message.sent(to))
                mail = self.bounce(to, about, sent)
                self.assertEqual([self.receive_at(now, mail) for now in (sent + 4 * DAY, sent + 2 * DAY - 5)], ['aside', 'counted'])
        for key in self.redis.command('KEYS', 'nixie:{0}:sent:*'):
            self.assertGreaterEqual(self.redis.command('EXPIRETIME', key), MIDNIGHT + 2 * DAY)

    def test_how_long_a_mark_is_kept(self):
        message, to, about = self.message(MIDNIGHT - 2)
        self.read_at(MIDNIGHT - 1, message.begin(), message.bounced(to))
        self.assertEqual(self.receive_at(MIDNIGHT + 7 * DAY - 2, self.bounce(to, about, MIDNIGHT)), 'told')
        message, to, about = self.message(MIDNIGHT)
        self.read_at(MIDNIGHT, message.begin(), message.sent(to))
        self.assertEqual(self.receive_at(MIDNIGHT, self.bounce(to, about, MIDNIGHT)), 'counted')
        ends = sorted((self.redis.command('EXPIRETIME', key) - MIDNIGHT) / DAY for key in self.redis.command('KEYS', 'nixie:{0}:told:*'))
        self.assertEqual([round(end) for end in ends], [7, 100, 100, 107])
        self.assertGreaterEqual(ends[0], 7 - 1 / DAY)

    # -- who is late ----------------------------------------------------------------------

    def test_a_line_of_yesterday_is_waited_for(self):
        """The reader of the log is behind: what it says of 23:59:59 is in Redis after midnight, when the bounce is here."""
        self.site.write_conf(receive={'wait': '60 s'})
        first, before, _ = self.message(MIDNIGHT - 60)
        self.read_at(MIDNIGHT - 50, first.begin(), first.sent(before))
        message, to, about = self.message(MIDNIGHT - 2)
        self.clock(MIDNIGHT + 2)
        with subprocess.Popen([*self.prefix, binary('nixie'), '-c', self.site.conf_path, 'receive', '--json'],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            p.stdin.write(self.bounce(to, about, MIDNIGHT + 1))
            p.stdin.close()
            # it has looked in vain
            wait_until(lambda: self.calls('zrangebylex') > 0, 'a look')
            self.read_at(MIDNIGHT + 2, message.begin(), message.sent(to))
            self.assertEqual(json.loads(p.stdout.read())['outcome'], 'counted')

    def calls(self, command):
        stats = self.redis.command('INFO', 'commandstats')
        return sum(int(line.split('calls=')[1].split(',')[0]) for line in stats.splitlines() if line.startswith('cmdstat_%s:' % command))

    # -- clocks -----------------------------------------------------------------------------

    def test_a_clock_that_is_set_back(self):
        """By an hour, between the log and the mail, so that it is yesterday again; and the other way round."""
        for now, then in (MIDNIGHT + 1800, MIDNIGHT - 1800), (MIDNIGHT + 2 * DAY - 1800, MIDNIGHT + 2 * DAY + 1800):
            with self.subTest(now < then):
                message, to, about = self.message(now - 2)
                self.read_at(now, message.begin(), message.sent(to))
                mail = self.bounce(to, about, now)
                self.assertEqual([self.receive_at(then, mail), self.receive_at(now + 5, mail)], ['counted', 'again'])
                message, to, about = self.message(now - 2)
                self.read_at(now, message.begin(), message.bounced(to))
                self.assertEqual(self.receive_at(then, self.bounce(to, about, now)), 'told')

    def test_the_hour_that_is_there_twice(self):
        """Stamps of local time without a zone, when summer ends: a bounce in the second of two such hours, and in the first."""
        end = max(at('%d-10-%02d' % (YEAR, day)) for day in range(25, 32) if time.gmtime(at('%d-10-%02d' % (YEAR, day))).tm_wday == 6) + 3600
        self.sign()
        for sent, back in (end - 1800, end - 1700), (end - 1800, end + 1800), (end + 1800, end + 1900):
            with self.subTest(sent=sent - end, back=back - end):
                message, to, about = self.message(sent)
                zone = 2 if sent < end else 1
                self.read_at(sent + 1, *without_year(message.begin() + message.sent(to), sent + zone * 3600), zone='Europe/Berlin')
                self.assertEqual(self.receive_at(back, self.bounce(to, about, back)), 'counted')
