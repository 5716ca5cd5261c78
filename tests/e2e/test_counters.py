"""Counters by day and minute, the periods that are closed, and rates over their limits: against a plain count.

The days lie in the future, because programs take their clock from NIXIE_CLOCK and Redis does not:
what was to expire by an earlier clock would be gone at once.
"""
import contextlib
import os
import re
import socket
import time

from harness.case import Case
from harness.maillog import Message
from harness.nixie import OK
from harness.proc import LIMIT
from harness.sample import REPLIES

MINUTE, HOUR, DAY = 60, 3600, 86400
# Nine in the morning (UTC), the log's beginning
T = (int(time.time()) // DAY + 30) * DAY + 9 * HOUR

GOOGLE, OTHER = 'aspmx.l.google.com', 'mx.example.net'
PROVIDER = {GOOGLE: 'google', OTHER: None}
# Class and kind of each reply; a test compares this with what nixie says
MEANING = {'unknown': ('hard', None), 'full': ('soft', None), 'blocked': ('soft', 'blocked'), 'throttled': ('soft', 'throttled'),
           'busy': ('soft', 'failing'), 'no-mx': ('soft', 'failing')}
DIMENSION_DAY_MAX, DIMENSION_MINUTE_MAX = 2000, 400
# Counters of one value
COUNTERS = 9


class Writer:
    """A log, and the plain count of it: {period: {dimension: {field: n}}}, '' for the totals."""

    def __init__(self, host='mx1'):
        self.host, self.lines, self.counts, self.counted = host, [], {}, True

    def text(self):
        """In the order of the stamps."""
        return ''.join(sorted(self.lines, key=lambda line: line[:26]))

    def count(self, when, dimension, name, n=1):
        if not self.counted:
            return
        for form in '%Y%m%d', '%Y%m%d%H%M':
            period = time.strftime(form, time.gmtime(when))
            fields = self.counts.setdefault(period, {}).setdefault(dimension, {})
            fields[name] = fields.get(name, 0) + n

    def tally(self, when, to, relay, sender, result, attempt=True, kind=None):
        values = {'dest': to.split('@')[1].lower(), 'provider': PROVIDER.get(relay), 'sender': sender.split('@')[-1],
                  'host': self.host}
        for dimension, value in values.items():
            for counter in ('attempts' if attempt else None, result, kind if attempt else None):
                if value and counter:
                    self.count(when, dimension, '%s|%s' % (value, counter))

    def final(self, when, to, relay, sender, reply, attempt=True):
        class_, kind = MEANING[reply]
        self.count(when, '', class_)
        self.tally(when, to, relay, sender, class_, attempt, kind)

    def mail(self, when, to, *attempts, relay=GOOGLE, sender='news@example.org', expired=None, orig_to=None):
        """attempts: (seconds after, 'sent' | name of a reply, 'bounced' | 'deferred'); without: delivered."""
        m = Message(sender=sender, when=when, host=self.host)
        self.counted = sender != ''     # a bounce that bounces is nobody's
        self.lines.append(m.begin())
        last = None
        for after, what, *status in attempts or ((1.0, 'sent'),):
            last = what
            text = '250 2.0.0 OK' if what == 'sent' else 'host %s[192.0.2.99] said: %s (in reply to RCPT TO command)' % (
                relay, REPLIES[what].format(to=to))
            status = status[0] if status else what
            dsn = '2.0.0' if what == 'sent' else REPLIES[what].split()[1]
            self.lines.append(m.line('smtp', '%s: to=<%s>,%s relay=%s[192.0.2.99]:25, delay=%d, delays=0/0/0/1, dsn=%s, status=%s (%s)' % (
                m.qid, to, ' orig_to=<%s>,' % orig_to if orig_to else '', relay, after, dsn, status, text), after))
            at = int(when + after)
            if what == 'sent':
                self.count(at, '', 'delivered')
                self.tally(at, to, relay, sender, 'delivered')
            elif status == 'deferred':
                self.count(at, '', 'deferred')
                self.tally(at, to, relay, sender, 'deferred', kind=MEANING[what][1])
            else:
                self.final(at, to, relay, sender, what)
        after = attempts[-1][0] if attempts else 1.0
        if expired:
            after = expired
            self.lines.append(m.line('qmgr', '%s: from=<%s>, status=expired, returned to sender' % (m.qid, sender), after))
            # it names no relay: that of the last attempt counts; and it was no attempt
            self.final(int(when + after), to, relay, sender, last, attempt=False)
        self.lines.append(m.removed(after + 0.1))


class CounterCase(Case):
    partitions = 1
    hosts = ('mx1',)

    def setUp(self):
        super().setUp()
        self.with_redis()
        if self.partitions > 1:
            self.site.options['redis']['partitions'] = self.partitions
        self.site.options['brake'] = {'enabled': True}
        self.site.write_conf()

    @contextlib.contextmanager
    def clock(self, now):
        os.environ['NIXIE_CLOCK'] = str(int(now))
        try:
            yield
        finally:
            del os.environ['NIXIE_CLOCK']

    def append(self, text, path=None):
        with open(path or self.site.log_path, 'a') as f:
            f.write(text)

    def read(self, text, now, path=None):
        self.append(text, path)
        with self.clock(now):
            child = self.site.logtail('--once', *([path] if path else []), ready=False)
        self.assertEqual(child.wait(), OK, child.log())
        return child.log()

    def stored(self, kind, period, dimension=''):
        """The counters of all partitions."""
        total = {}
        for p in range(self.partitions):
            for name, n in self.redis.hgetall('nixie:{%d}:%s:%s' % (p, kind, ':'.join(filter(None, (period, dimension))))).items():
                total[name] = total.get(name, 0) + int(n)
        return total

    @staticmethod
    def plain(counters):
        """Of the totals what a plain count counts."""
        return {k: v for k, v in counters.items() if k in ('delivered', 'deferred', 'soft', 'hard')}

    def assertCounted(self, *writers, minutes=True):
        want = {}
        for w in writers:
            for period, dimensions in w.counts.items():
                for dimension, fields in dimensions.items():
                    to = want.setdefault(period, {}).setdefault(dimension, {})
                    for name, n in fields.items():
                        to[name] = to.get(name, 0) + n
        self.assertGreater(len(want), 1)
        for period, dimensions in want.items():
            minute = len(period) > 8
            if minute and not minutes:
                continue
            for dimension in '', 'dest', 'provider', 'sender', 'host':
                got = self.stored('min' if minute else 'day', period, dimension)
                self.assertEqual(got if dimension else self.plain(got), dimensions.get(dimension, {}), (period, dimension))

    def roll(self, name, partition=0):
        """[(time, {counter: n})] of a stream, in its order."""
        out = []
        for id_, fields in self.redis.command('XRANGE', 'nixie:{%d}:roll:%s' % (partition, name), '-', '+'):
            ms, seq = id_.split('-')
            self.assertEqual((int(ms) % 1000, seq), (0, '0'))
            out.append((int(ms) // 1000, {k: int(v) for k, v in zip(fields[::2], fields[1::2])}))
        return out

    def rolls(self, name):
        """The same of all partitions, added up; each has its entries once and in order."""
        total = {}
        for p in range(self.partitions):
            entries = self.roll(name, p)
            times = [t for t, _ in entries]
            self.assertEqual(times, sorted(set(times)))
            for t, counters in entries:
                to = total.setdefault(t, {})
                for k, v in counters.items():
                    to[k] = to.get(k, 0) + v
        return total

    def assertRolled(self, name, step, begin, end, *writers):
        """An entry for each period from begin to before end that had any results, equal to the plain sums."""
        form = {HOUR: '%Y%m%d%H', DAY: '%Y%m%d'}[step]
        got, want = self.rolls(name), {}
        for when in range(begin - begin % step, end - end % step, step):
            sums = {}
            for w in writers:
                for period, dimensions in w.counts.items():
                    prefix = time.strftime(form, time.gmtime(when))
                    if period.startswith(prefix) and len(period) == (8 if step == DAY else 12):
                        for k, v in dimensions.get('', {}).items():
                            sums[k] = sums.get(k, 0) + v
            if sums:
                want[when] = sums
        self.assertGreater(len(want), 1)
        got = {t: self.plain(c) for t, c in got.items()}
        self.assertEqual({t: got.get(t) for t in want if got.get(t) != want[t]}, {}, want)
        self.assertEqual(set(got), set(want))


def some_hours(writer, begin=T, hours=2, step=97):
    """Of everything some."""
    whats = ['sent'] * 6 + list(REPLIES)
    for n, when in enumerate(range(begin, begin + hours * HOUR, step)):
        relay, domain = (GOOGLE, 'gmail.com') if n % 3 else (OTHER, 'd%d.Example' % (n % 7))
        to, what, sender = 'user%d@%s' % (n, domain), whats[n % len(whats)], ('news@example.org', 'shop@example.com', '')[n % 5 % 3]
        if what == 'sent':
            writer.mail(when, to, relay=relay, sender=sender)
        elif n % 2 or what in ('unknown', 'full'):
            writer.mail(when, to, (1.0, what, 'bounced'), relay=relay, sender=sender)
        elif n % 4:
            writer.mail(when, to, (1.0, what, 'deferred'), (90.0, 'sent'), relay=relay, sender=sender)
        else:
            writer.mail(when, to, (1.0, what, 'deferred'), (90.0, what, 'deferred'), relay=relay, sender=sender, expired=200.0)


class Recount(CounterCase):
    def test_what_the_replies_mean(self):
        for name, reply in REPLIES.items():
            text = self.site.ctl_ok('explain', '--json', reply.format(to='user@example.com'))
            self.assertIn('"class":"%s"' % MEANING[name][0], text.replace(' ', ''), name)

    def test_every_dimension_and_minute(self):
        w = Writer()
        some_hours(w)
        self.read(w.text(), T + 2 * HOUR + 10 * MINUTE)
        self.assertCounted(w)

    def test_whatever_the_batches(self):
        w = Writer()
        some_hours(w)
        self.site.options['logtail']['batch'] = 7
        self.site.write_conf()
        lines = w.text().splitlines(True)
        for i in range(0, len(lines), 150):
            self.read(''.join(lines[i:i + 150]), T + 2 * HOUR + 10 * MINUTE)
        self.assertCounted(w)

    def test_by_rule(self):
        w = Writer()
        for n in range(5):
            w.mail(T + n * 10, 'user%d@example.net' % n, (1.0, 'busy', 'deferred'), (60.0, 'busy', 'deferred'), relay=OTHER, expired=100.0)
        w.mail(T, 'user@example.net', (1.0, 'unknown', 'bounced'), relay=OTHER)
        self.read(w.text(), T + HOUR)
        got = self.stored('day', time.strftime('%Y%m%d', time.gmtime(T)), 'rule')
        by = {}
        for name, n in got.items():
            by[name.split('|')[1]] = by.get(name.split('|')[1], 0) + n
        self.assertEqual(by, {'failing': 10, 'soft': 5, 'hard': 1})

    def test_minutes_expire(self):
        w = Writer()
        some_hours(w, hours=1)
        now = T + HOUR + 10 * MINUTE
        self.read(w.text(), now)
        keys = self.redis.command('KEYS', 'nixie:{0}:min:*')
        self.assertGreater(len(keys), 100)
        for key in keys:
            hours = 3 if key.count(':') == 4 else 48
            self.assertEqual(self.redis.command('EXPIRETIME', key), now + hours * HOUR, key)
        for key in self.redis.command('KEYS', 'nixie:{0}:day:*'):
            self.assertEqual(self.redis.command('EXPIRETIME', key), now + 400 * DAY, key)

    def test_a_log_of_last_year(self):
        w = Writer()
        some_hours(w)
        self.read(w.text(), T + 365 * DAY)
        self.assertEqual(self.redis.command('KEYS', 'nixie:{0}:min:*'), [])
        self.assertEqual(self.roll('hour'), [])
        self.assertCounted(w, minutes=False)

    def test_an_alias_is_counted_once(self):
        self.site.options['attribute-to'] = 'both'
        self.site.write_conf()
        w = Writer()
        w.mail(T, 'user@example.net', (1.0, 'busy', 'deferred'), relay=OTHER, expired=100.0, orig_to='alias@here.example')
        w.mail(T + 10, 'user2@example.net', (1.0, 'unknown', 'bounced'), relay=OTHER, orig_to='alias2@here.example')
        self.read(w.text(), T + HOUR)
        self.assertEqual(self.site.status('alias@here.example'), 'soft')
        self.assertEqual(self.site.status('alias2@here.example'), 'hard')
        self.assertCounted(w)


class RecountInPartitions(Recount):
    partitions = 8

    test_minutes_expire = test_a_log_of_last_year = test_an_alias_is_counted_once = test_what_the_replies_mean = None


class Bounded(CounterCase):
    """Five thousand destinations in a day."""
    N = 5000

    def busy(self):
        w = Writer()
        for n in range(self.N):
            to = 'user@d%d.example' % (n % self.N)
            if n % 10:
                w.mail(T + n, to, relay=OTHER)
            else:
                w.mail(T + n, to, (1.0, 'unknown', 'bounced'), relay=OTHER)
        return w

    def check(self, partitions=1):
        w = self.busy()
        self.read(w.text(), T + self.N + HOUR)
        day = time.strftime('%Y%m%d', time.gmtime(T))
        most = DIMENSION_DAY_MAX // (4 if partitions > 1 else 1) + 2 * COUNTERS
        for p in range(partitions):
            self.assertLessEqual(self.redis.command('HLEN', 'nixie:{%d}:day:%s:dest' % (p, day)), most)
        got = self.stored('day', day, 'dest')
        sums = {}
        for name, n in got.items():
            counter = name.rsplit('|', 1)[1]
            sums[counter] = sums.get(counter, 0) + n
        self.assertEqual(sums, {'attempts': self.N, 'delivered': self.N * 9 // 10, 'hard': self.N // 10})
        self.assertGreater(got['*|attempts'], 1000)
        # who is there has all of his
        for name, n in got.items():
            value, counter = name.rsplit('|', 1)
            if value != '*':
                self.assertEqual(n, w.counts[day]['dest'][name], name)

    def test_in_small_batches(self):
        self.site.options['logtail']['batch'] = 100
        self.site.write_conf()
        self.check()

    def test_in_large_batches(self):
        self.site.options['logtail']['batch'] = 2000
        self.site.write_conf()
        self.check()

    def test_a_minute(self):
        self.site.options['logtail']['batch'] = 2000
        self.site.write_conf()
        w = Writer()
        for n in range(1500):
            w.mail(T + n / 40, 'user@d%d.example' % n, relay=OTHER)
        self.read(w.text(), T + HOUR)
        minute = time.strftime('%Y%m%d%H%M', time.gmtime(T))
        self.assertLessEqual(self.redis.command('HLEN', 'nixie:{0}:min:%s:dest' % minute), DIMENSION_MINUTE_MAX + 2 * COUNTERS)
        got = self.stored('min', minute, 'dest')
        self.assertEqual(sum(n for name, n in got.items() if name.endswith('|attempts')), 1500)


class BoundedInPartitions(Bounded):
    partitions = 8

    def test_in_large_batches(self):
        self.site.options['logtail']['batch'] = 2000
        self.site.write_conf()
        self.check(8)

    test_in_small_batches = test_a_minute = None


class Rolls(CounterCase):
    """Three days, with the hours of the last two kept by the minute."""
    BEGIN = T - 2 * DAY + 2 * HOUR

    def three_days(self, host='mx1', step=601, begin=BEGIN):
        w = Writer(host)
        some_hours(w, begin, hours=(T - begin) // HOUR - 1, step=step)
        w.mail(begin - DAY, 'first@example.net', relay=OTHER)
        w.mail(T - 30 * MINUTE, 'last@example.net', relay=OTHER)
        return w

    def assertAllRolled(self, *writers):
        # of the first day there are no minutes; the log's end is in the hour after these
        self.assertRolled('hour', HOUR, self.BEGIN, T - HOUR, *writers)
        self.assertRolled('day', DAY, self.BEGIN - DAY, T - HOUR, *writers)

    def test_in_one_go(self):
        w = self.three_days()
        self.read(w.text(), T)
        self.assertCounted(w, minutes=False)
        self.assertAllRolled(w)

    def test_with_restarts_between(self):
        w = self.three_days()
        lines = w.text().splitlines(True)
        for i in range(0, len(lines), 211):
            self.read(''.join(lines[i:i + 211]), T)
        self.assertAllRolled(w)

    def test_two_hosts(self):
        begin = T - 15 * HOUR
        one, two = self.three_days('mx1', 601, begin), self.three_days('mx2', 709, begin)
        paths = [os.path.join(self.directory, name) for name in ('one.log', 'two.log')]
        texts = [w.text().splitlines(True) for w in (one, two)]
        for hour in range(begin - DAY, T, HOUR):
            until = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(hour + HOUR))
            for path, lines in zip(paths, texts):
                piece = [line for line in lines if line[:19] < until]
                del lines[:len(piece)]
                if piece:
                    self.read(''.join(piece), T, path)
        self.assertCounted(one, two, minutes=False)
        self.assertRolled('hour', HOUR, begin - DAY, T - HOUR, one, two)
        self.assertRolled('day', DAY, begin - DAY, T - HOUR, one, two)

    def test_minutes_that_are_not_kept_any_more(self):
        # of the hour before last only a part is there
        w = Writer()
        some_hours(w, T - 49 * HOUR, hours=6)
        w.mail(T, 'last@example.net', relay=OTHER)
        self.read(w.text(), T + 30 * MINUTE)
        self.assertRolled('hour', HOUR, T - 47 * HOUR, T - 43 * HOUR, w)


class RollsInPartitions(Rolls):
    partitions = 8
    test_two_hosts = test_minutes_that_are_not_kept_any_more = None


class Rates(CounterCase):
    """Rates are looked at when a reader has caught up, and each half a minute; so a start is a look."""

    def day(self, when, hard, results, sender='news@example.org', tag=''):
        """So many results of that day, so many of them hard, from `when` on; and a look at its end."""
        w = Writer()
        for n in range(results):
            to = 'user%d%s@d%d.example' % (n, tag, n % 50)
            if n < hard:
                w.mail(when + n, to, (1.0, 'unknown', 'bounced'), relay=OTHER, sender=sender)
            else:
                w.mail(when + n, to, relay=OTHER, sender=sender)
        self.append(w.text())
        self.look(when + results + 10)

    def look(self, now):
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(LIMIT)
            monitor.connect(self.redis.socket)
            monitor.sendall(b'MONITOR\r\n')
            lines = monitor.makefile('rb')
            lines.readline()
            with self.clock(now):
                reader = self.site.logtail()
            # the campaigns are the last that it asks for
            while b':campaign"' not in lines.readline():
                pass
        self.assertEqual(reader.stop(), OK)

    def log(self, alert):
        rows = [dict(zip(f[::2], f[1::2])) for _, f in self.redis.command('XRANGE', 'nixie:{0}:alert-log', '-', '+')]
        return [r['event'] for r in rows if r['alert'] == alert]

    def open(self):
        return {a for a in self.redis.hgetall('nixie:{0}:alerts') if a.startswith('rate-')}

    ALERT = 'rate-hard/sender/example.org'

    def test_over_the_limit_once(self):
        self.day(T, 9, 600)
        self.assertEqual(self.open(), set())
        self.day(T + HOUR, 9, 100)
        self.assertEqual(self.open(), {self.ALERT, 'rate-hard/all'})
        # to and fro between the limit and four fifths of it: 18 of 700, 20 of 1000, 25 of 1200, 30 of 1600
        for hours, hard, results in (2, 2, 300), (3, 5, 200), (4, 5, 400):
            self.day(T + hours * HOUR, hard, results, tag='.%d' % hours)
            self.assertIn(self.ALERT, self.open())
        self.assertEqual(self.log(self.ALERT), ['open'])
        # 30 of 1900 are below 1.6 %
        self.day(T + 6 * HOUR, 0, 300, tag='.6')
        self.assertEqual(self.open(), set())
        self.assertEqual(self.log(self.ALERT), ['open', 'closed'])
        # 35 of 1900 are more than 1.6 %, and not over 2 %
        self.day(T + 7 * HOUR, 4, 10, tag='.7')
        self.assertEqual(self.log(self.ALERT), ['open', 'closed'])

    def test_few_results_tell_nothing(self):
        self.day(T, 100, 499)
        self.assertEqual(self.open(), set())
        self.day(T + HOUR, 0, 1, tag='.1')
        self.assertIn(self.ALERT, self.open())

    def test_another_sender_has_its_own(self):
        self.day(T, 20, 600)
        self.day(T + HOUR, 0, 600, sender='shop@example.com', tag='.1')
        self.assertEqual({a for a in self.open() if '/sender/' in a}, {self.ALERT})

    def test_a_day_with_few_results_keeps_nothing_open_for_ever(self):
        self.day(T, 20, 600)
        self.assertIn(self.ALERT, self.open())
        what = self.redis.hgetall('nixie:{0}:alerts')[self.ALERT]
        self.day(T + DAY, 0, 10, tag='.1')
        self.assertEqual(re.search(r'since=\d+ .* count=\d+ of=\d+', self.redis.hgetall('nixie:{0}:alerts')[self.ALERT]).group(0),
                         re.search(r'since=\d+ .* count=\d+ of=\d+', what).group(0))
        self.day(T + 2 * DAY, 0, 10, tag='.2')
        self.assertEqual(self.open(), set())
        self.assertEqual(self.log(self.ALERT), ['open', 'closed'])
