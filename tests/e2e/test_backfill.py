"""Old logs: which part of them counts, in which order they are read, and of which year they are."""
import calendar
import gzip
import json
import lzma
import os
import pty
import subprocess
import time

from harness import maillog
from harness.case import Case
from harness.maillog import delivered, hard
from harness.nixie import binary, run
from harness.terminal import everything

NOW = calendar.timegm((2026, 11, 22, 12, 0, 0))
CLOCK = {'NIXIE_CLOCK': str(NOW)}


def at(day, hour=0, year=2026, month=11):
    return calendar.timegm((year, month, day, hour, 0, 0))


def traditional(text):
    """The same lines with a stamp that has no year."""
    out = []
    for line in text.splitlines():
        stamp, rest = line.split(' ', 1)
        out.append(time.strftime('%b %e %H:%M:%S ', time.strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S')) + rest + '\n')
    return ''.join(out)


class BackfillCase(Case):
    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text, when=NOW):
        path, data = self.path(name), text.encode()
        if name.endswith('.gz'):
            data = gzip.compress(data, mtime=0)     # as of a pipe: the time is that of the file
        elif name.endswith('.xz'):
            data = lzma.compress(data)
        with open(path, 'wb') as f:
            f.write(data)
        os.utime(path, (when, when))
        return path

    def parse(self, *args, env=CLOCK):
        done = run('nixie-logtail', '--parse', *args, env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def addresses(self, *args):
        return [row['to'].split('@')[0] for row in self.parse(*args)[0]]


class Period(BackfillCase):
    """--since and --until, without Redis."""

    def setUp(self):
        super().setUp()
        self.log = self.write('mail.log', ''.join(delivered('day%d@example.com' % day, when=at(day)) for day in range(1, 22)))

    def test_since_and_until(self):
        self.assertEqual(self.addresses('--since', '2026-11-03', '--until', '2026-11-05', self.log), ['day3', 'day4'])
        self.assertEqual(self.addresses('--since', '2026-11-20', self.log), ['day20', 'day21'])
        self.assertEqual(self.addresses('--until', '2026-11-02T01:00:00+01:00', self.log), ['day1'])
        self.assertEqual(self.addresses('--since', '2d', self.log), ['day21'])
        self.assertEqual(self.addresses('--since', '3 days', '--until', '36h', self.log), ['day20'])

    def test_what_is_outside_is_told(self):
        for mode in '--parse', '--dry-run':
            done = run('nixie-logtail', mode, '--since', '2026-11-20', self.log, env=CLOCK)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('lines=105 attempts=2 sent=2 ', done.stderr)
            self.assertIn(' outside=95\n', done.stderr)
        self.assertNotIn('outside', self.parse(self.log)[1])

    def test_a_message_that_began_before_has_its_sender(self):
        m = maillog.Message(sender='early@example.org', when=at(10))
        self.write('mail.log', m.begin() + m.deferred('slow@example.com', after=5) + m.sent('slow@example.com', after=86400 * 2))
        rows, summary = self.parse('--since', '2026-11-11', self.log)
        self.assertEqual([(r['status'], r['sender']) for r in rows], [('sent', 'early@example.org')])
        self.assertIn('outside=4', summary)

    def test_notifications_stay_left_out(self):
        m = maillog.Message(sender='', when=at(10))
        self.write('mail.log', m.begin() + m.bounced('innocent@example.com', after=86400 * 2))
        done = run('nixie-logtail', '--dry-run', '--since', '2026-11-11', self.log, env=CLOCK)
        self.assertNotIn('recipient.unknown', done.stdout)

    def test_stamps_without_a_year(self):
        self.write('mail.log', traditional(''.join(delivered('day%d@example.com' % day, when=at(day)) for day in range(1, 22))))
        self.assertEqual(self.addresses('--since', '2026-11-03', '--until', '2026-11-05', self.log), ['day3', 'day4'])

    def test_what_is_no_period(self):
        for args in (('--parse', '--since', 'yesterday'), ('--parse', '--until', '2026-13-01'), ('--since', '1d'), ('-f', '--until', '1d'),
                     ('--parse', '--since', '1d', '--until', '2d'), ('--parse', '--since', '30')):
            done = run('nixie-logtail', *args, self.log, env=CLOCK)
            self.assertEqual(done.returncode, 2, (args, done.stderr))
            self.assertRegex(done.stderr, 'since|until|30d')


class Order(BackfillCase):
    """Whatever the order of the arguments."""

    def rotated(self, count, header):
        """mail.log the youngest, .1 a day older and so on; a glob would name .10 before .2."""
        names = []
        for n in range(count):
            name = 'mail.log' + ('.%d' % n if n else '') + ('.gz' if n > 1 else '')
            names.append(self.write(name, header(delivered('m%d@example.com' % n, when=at(20 - n)))))
        return sorted(names)

    def test_ten_after_nine(self):
        for header in (lambda text: text), traditional:
            names = self.rotated(12, header)
            self.assertEqual(self.addresses(*names), ['m%d' % n for n in range(11, -1, -1)])
            self.assertEqual(self.addresses(*reversed(names)), ['m%d' % n for n in range(11, -1, -1)])

    def test_dates_and_compressors(self):
        names = [self.write('mail.log', delivered('c@example.com', when=at(20))),
                 self.write('mail.log-20261115.gz', delivered('b@example.com', when=at(14))),
                 self.write('mail.log-20261101.xz', delivered('a@example.com', when=at(1, month=10)))]
        self.assertEqual(self.addresses(*names), ['a', 'b', 'c'])

    def test_other_logs_stay_where_they_are(self):
        names = [self.write('relay.log', delivered('r@example.com', when=at(20))), self.write('mail.log', delivered('b@example.com', when=at(20))),
                 self.write('other.log', delivered('o@example.com', when=at(1))), self.write('mail.log.1', delivered('a@example.com', when=at(10)))]
        self.assertEqual(self.addresses(*names), ['r', 'a', 'b', 'o'])

    def test_a_message_over_two_files(self):
        m = maillog.Message(sender='early@example.org', when=at(10))
        old = self.write('mail.log.1', m.begin() + m.deferred('slow@example.com', after=5))
        new = self.write('mail.log', m.sent('slow@example.com', after=86400 * 2) + m.removed(86400 * 2))
        self.assertEqual([r['sender'] for r in self.parse(new, old)[0]], ['early@example.org'] * 2)


class Years(BackfillCase):
    """Of stamps that name none."""

    def years(self, *paths):
        return [row['time'][:10] for row in self.parse(*paths)[0]]

    def test_by_the_age_of_the_file(self):
        text = traditional(delivered('a@example.com', when=at(20, year=2023)) + delivered('b@example.com', when=at(3, year=2024, month=1)))
        for name in 'mail.log', 'mail.log.gz', 'mail.log.xz':
            self.assertEqual(self.years(self.write(name, text, at(4, year=2024, month=1))), ['2023-11-20', '2024-01-03'])

    def test_by_what_gzip_notes(self):
        text = traditional(delivered('a@example.com', when=at(20, year=2023)))
        path = self.write('mail.log.gz', '')
        with open(path, 'wb') as f:
            f.write(gzip.compress(text.encode(), mtime=at(21, year=2023)))
        os.utime(path, (NOW, NOW))                  # copied here today
        self.assertEqual(self.years(path), ['2023-11-20'])

    def test_carried_over_a_set(self):
        # All copied here today: each is of the year that the next one leaves.
        names = [self.write('mail.log.%d' % n if n else 'mail.log', traditional(delivered('m%d@example.com' % n, when=at(1, year=2026 - n, month=3 + n))))
                 for n in range(4)]
        self.assertEqual(self.years(*names), ['2023-06-01', '2024-05-01', '2025-04-01', '2026-03-01'])

    def test_not_ahead_of_the_clock(self):
        # The clock was wrong for a line: it is not of next month, and what follows is not of next year.
        lines = [delivered('u%d@example.com' % n, when=at(20 + n // 50)) for n in range(100)]
        lines.insert(50, delivered('wrong@example.com', when=at(25, year=2025, month=12)))
        years = self.years(self.write('mail.log', traditional(''.join(lines))))
        self.assertEqual(years, ['2026-11-20'] * 50 + ['2025-12-25'] + ['2026-11-21'] * 50)

    def test_leap_day(self):
        text = traditional(delivered('a@example.com', when=at(29, year=2024, month=2)) + delivered('b@example.com', when=at(1, year=2024, month=3)))
        self.assertEqual(self.years(self.write('mail.log', text, at(2, year=2024, month=3))), ['2024-02-29', '2024-03-01'])


class Once(BackfillCase):
    """Into Redis: what is outside does not count, and what comes later still can."""

    def setUp(self):
        super().setUp()
        self.site = self.with_redis()

    def once(self, *args):
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def days(self, name, first, last):
        # Redis knows the real time, and old events would be forgotten at once: days before now
        return self.write(name, ''.join(hard('day%d@example.com' % n, when=time.time() - 86400 * n - 3600) for n in range(first, last - 1, -1)), time.time())

    def known(self):
        return {n for n in range(30) if self.site.status('day%d@example.com' % n) == 'hard'}

    def test_since_passes_over(self):
        log = self.days('mail.log', 9, 0)
        self.assertIn('outside=25', self.once('--since', '5d', log))
        self.assertEqual(self.known(), set(range(5)))
        self.once(log)                              # the place is behind them all
        self.assertEqual(self.known(), set(range(5)))
        self.assertEqual(self.site.counter('hard'), 5)

    def test_until_stops_there(self):
        log = self.days('mail.log', 9, 0)
        self.once('--until', '5d', log)
        self.assertEqual(self.known(), set(range(5, 10)))
        self.once('--until', '5d', log)
        self.once('--until', '2d', log)
        self.assertEqual(self.known(), set(range(2, 10)))
        self.once(log)
        self.assertEqual(self.known(), set(range(10)))
        self.assertEqual(self.site.counter('hard'), 10)

    def test_a_message_over_the_limit(self):
        m = maillog.Message(sender='', when=time.time() - 86400 * 2)
        log = self.write('mail.log', m.begin() + m.bounced('innocent@example.com', after=86400))
        self.once('--until', '36h', log)
        self.once(log)
        self.assertIsNone(self.site.status('innocent@example.com'))
        self.assertEqual(self.site.counter('hard'), 0)

    def test_several_files_in_any_order(self):
        new, old, middle = self.days('mail.log', 2, 0), self.days('mail.log.2.gz', 9, 6), self.days('mail.log.1', 5, 3)
        said = self.once('--since', '8d', '--until', '1d', new, middle, old)
        self.assertEqual(self.known(), set(range(1, 8)))
        self.assertIn('outside=', said)
        # each address was suppressed in the order of time
        journal = [dict(zip(f[::2], f[1::2])) for _, f in self.redis.command('XRANGE', 'nixie:{0}:journal', '-', '+')]
        self.assertEqual([j['address'] for j in journal], ['day%d@example.com' % n for n in range(7, 0, -1)])

    def test_standard_input(self):
        with open(self.days('mail.log', 9, 0)) as f:
            text = f.read()
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', '--since', '8d', '--until', '5d', '-', stdin=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.known(), {5, 6, 7})

    def test_an_unpacked_log_is_as_old_as_it_was(self):
        when = time.time() - 86400 * 500
        log = self.write('old.log.gz', traditional(hard('a@example.com', when=when)), when)
        self.once(log)
        first = self.site.check('a@example.com')['first']
        self.assertEqual(first[:10], time.strftime('%Y-%m-%d', time.gmtime(when)))


class Progress(BackfillCase):
    def logs(self):
        text = ''.join(delivered('u%d@example.com' % n, when=at(20)) for n in range(5000))
        return [self.write('mail.log', text), self.write('mail.log.1.gz', text)]

    def test_one_last_line_elsewhere(self):
        done = run('nixie-logtail', '--dry-run', *self.logs(), env=CLOCK)
        lines = [line for line in done.stderr.splitlines() if '%' in line]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertRegex(lines[0], r'^reading \[#{30}\] 100%  50000 lines  \d+ lines/s  [\d.]+ MiB/s$')

    def test_one_bar_on_a_terminal(self):
        ours, its = pty.openpty()
        with subprocess.Popen([binary('nixie-logtail'), '--dry-run'] + self.logs(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=its, env=dict(os.environ, **CLOCK)) as p:
            os.close(its)
            seen = everything(ours)
        self.assertEqual(p.returncode, 0)
        drawn = [piece for piece in seen.replace('\n', '\r').split('\r') if '%' in piece]
        shares = [int(piece.split('%')[0].split()[-1]) for piece in drawn]
        self.assertEqual(shares, sorted(shares), drawn)     # one for both files: it never goes back
        self.assertEqual(shares[-1], 100)
        self.assertRegex(drawn[-1], r'50000 lines  \d+ lines/s  [\d.]+ MiB/s')
