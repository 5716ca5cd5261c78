"""nixie report: results and rates by day, hour, domain ... are a plain count of the log; and what it says of them."""
import csv
import io
import json
import time

from harness.case import RedisCase
from harness.maillog import Message, delivered, full, hard
from harness.nixie import NO_REDIS, NOT_FOUND, OK, USAGE
from harness.terminal import on_terminal, plain

DAY, HOUR = 86400, 3600
THROTTLED = '421 4.7.0 Try again later, you are sending too fast: rate limit exceeded'


def day(when):
    return time.strftime('%Y-%m-%d', time.gmtime(when))


class ReportCase(RedisCase):
    options = {'alerts': {'minimum': 10}}

    def setUp(self):
        super().setUp()
        # noon, so that nothing goes over midnight
        self.noon = self.now - self.now % DAY - DAY + 12 * HOUR

    def ctl(self, *args, status=OK):
        done = self.site.ctl('report', *args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def rows(self, *args, row=None):
        rows = [json.loads(line) for line in self.ctl('--json', *args).splitlines()]
        return [r for r in rows if row is None or r['row'] == row]

    def total(self, *args):
        total, = self.rows(*args, row='total')
        return total

    def by(self, what, *args):
        return {r[what]: r for r in self.rows('--by', what, *args, row=what)}


class NothingOfIt(ReportCase):
    def test_no_campaign(self):
        self.read(delivered('a@example.com', when=self.noon))
        self.assertRegex(self.ctl('--by', 'campaign', status=NOT_FOUND), r'^no result of these days has a campaign: logtail.campaign-headers ')
        self.assertRegex(self.ctl('--by', 'provider', status=NOT_FOUND), r'^no result of these days is of a known provider: ')
        row, = [json.loads(x) for x in self.ctl('--by', 'campaign', '--json', status=NOT_FOUND).splitlines()]
        self.assertEqual(row['row'], 'total')
        self.ctl('--by', 'dest')


class Reports(ReportCase):
    def setUp(self):
        super().setUp()
        self.days = [self.noon - 3 * DAY, self.noon - DAY, self.noon]
        text = []
        for i, when in enumerate(self.days):
            for j in range(20):
                text.append(delivered('reader%d@big.example' % j, when=when + 60 * j, sender='news@a.example'))
            for j in range(2 * i):
                text.append(hard('gone%d%d@old.example' % (i, j), when=when + HOUR + j, sender='shop@b.example'))
            text.append(full('box@other.example', when=when + 2 * HOUR))
        self.read(*text)

    def test_a_plain_count_by_day(self):
        rows = self.by('day', '--last', '7 days')
        self.assertEqual(list(rows), [day(w) for w in self.days])
        for i, when in enumerate(self.days):
            row = rows[day(when)]
            self.assertEqual([row[k] for k in ('delivered', 'soft', 'hard', 'hard-as-soft', 'complaint')], [20, 1, 2 * i, 1, 0])
            self.assertEqual(row['hard-permille'], round(2 * i * 1000 / (21 + 2 * i), 1))
        # the second full mailbox, two days after the first, is no conversion; the third is
        self.assertEqual([r['soft-to-hard'] for r in rows.values()], [0, 0, 1])

    def test_the_total_is_that_of_stats(self):
        stats = json.loads(self.site.ctl_ok('stats', '--json'))
        for args in ['--from', '1970-01-01'], ['--last', '30d'], ['--from', '30d', '--by', 'day']:
            total = self.total(*args)
            for name in 'delivered', 'soft', 'hard', 'complaint', 'deferred', 'hard-as-soft', 'soft-to-hard':
                self.assertEqual(total[name], stats[name], name)
        got = {k: r['failures'] for k, r in self.by('category', '--last', '30d').items()}
        self.assertEqual(got, stats['categories'])

    def test_a_part_of_the_days(self):
        middle = day(self.days[1])
        self.assertEqual(self.total('--from', middle, '--to', middle)['hard'], 2)
        self.assertEqual(self.total('--from', middle)['hard'], 6)
        self.assertEqual(self.total('--to', middle)['delivered'], 40)
        total = self.total('--last', '2 days')
        self.assertEqual((total['from'], total['to'], total['delivered']), (day(self.noon), day(self.now), 20))
        self.ctl('--last', '1 day', status=NOT_FOUND)
        self.ctl('--from', '2020-01-01', '--to', '2020-02-01', status=NOT_FOUND)

    def test_by_what_they_have_in_common(self):
        senders = self.by('sender')
        self.assertEqual({k: (r['delivered'], r['soft'], r['hard']) for k, r in senders.items()},
                         {'a.example': (60, 0, 0), 'b.example': (0, 0, 6), 'example.org': (0, 3, 0)})
        dests = self.by('dest')
        self.assertEqual(list(dests), ['old.example', 'other.example', 'big.example'])
        self.assertEqual(dests['old.example']['attempts'], 6)
        self.assertEqual({k: r['hard'] for k, r in self.by('host').items()}, {'mx1': 6})
        rule = self.site.check('gone10@old.example')['rule']
        self.assertEqual(self.by('rule')[rule]['hard'], 6)
        categories = self.by('category')
        self.assertEqual(categories['recipient.unknown']['failures'], 6)
        self.assertEqual(categories['recipient.unknown']['share-permille'], 666.7)
        self.assertEqual(list(self.by('dest', '--limit', '1')), ['old.example'])
        self.assertEqual(list(self.by('day', '--limit', '1')), [day(self.noon)])

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(self.ctl('--by', 'day', '--csv'))))
        self.assertEqual([(r['day'], r['delivered'], r['hard']) for r in rows],
                         [(day(w), '20', str(2 * i)) for i, w in enumerate(self.days)])
        row, = csv.DictReader(io.StringIO(self.ctl('--csv')))
        self.assertEqual((row['total'], row['delivered'], row['hard']), ('total', '60', '6'))
        self.assertEqual(row['hard-permille'], str(round(6000 / 69, 1)))

    def test_what_is_over_a_limit_is_marked(self):
        self.assertEqual(self.total()['over'], ['hard-permille', 'all-permille'])
        text = self.ctl('--by', 'day')
        line = next(x for x in text.splitlines() if x.startswith(day(self.days[1])))
        self.assertEqual(line.split()[-3:], ['8.70!', '13.04!', '0.00'])
        self.assertNotIn('\033', text)
        # less than alerts.minimum says nothing
        self.assertEqual(self.by('sender')['b.example']['over'], [])
        status, text = on_terminal(self.site, 'report', '--by', 'day', columns=80)
        self.assertEqual(status, OK)
        self.assertIn('\033[31m8.70', text.replace(' ', ''))
        self.assertNotIn('!', text)
        self.assertLessEqual(max(map(len, plain(text).splitlines())), 80)

    def test_bars(self):
        for charset, bar in ('C.UTF-8', '█'), ('C', '#'):
            _, text = on_terminal(self.site, 'stats', env={'LC_ALL': charset})
            self.assertIn(bar, text)
            self.assertEqual(text.isascii(), charset == 'C', text)

    def test_curves(self):
        _, text = on_terminal(self.site, 'report', '--by', 'day', columns=80)
        lines = plain(text).splitlines()
        # four days, one without results
        self.assertRegex(lines[1], r'^delivered +█ ██ +up to 20$')
        self.assertRegex(lines[3], r'^hard +  ▄█ +up to 4$')
        _, text = on_terminal(self.site, 'report', '--by', 'day', env={'LC_ALL': 'C'})
        self.assertTrue(text.isascii())

    def test_usage(self):
        for args in (['--by', 'nonsense'], ['--last', 'yesterday'], ['--last', '7d', '--from', '1d'], ['--csv', '--json'], ['--limit', '0'],
                     ['--from', '2026-02-01', '--to', '2026-01-01'], ['--from', 'nonsense'], ['something']):
            with self.subTest(args=args):
                self.ctl(*args, status=USAGE)
        self.redis.stop()
        self.ctl(status=NO_REDIS)


class ReportsOf64(Reports):
    partitions = 64


class AYear(ReportCase):
    def test_it_is_not_asked_for_all_at_once(self):
        self.read(delivered('reader@big.example', when=self.noon))
        for i in range(1, 400):
            name = time.strftime('%Y%m%d', time.gmtime(self.noon - i * DAY))
            fields = ['d%d.example|%s' % (j, c) for j in range(500) for c in ('attempts', 'delivered', 'soft', 'hard')]
            self.redis.command('ZADD', 'nixie:{0}:days', name, name)
            self.redis.command('HSET', 'nixie:{0}:day:' + name, 'delivered', '500', 'soft', '500', 'hard', '500')
            self.redis.command('HSET', 'nixie:{0}:day:%s:dest' % name, *(x for f in fields for x in (f, '1')))
        rows = self.by('dest', '--last', '401 days')
        self.assertEqual(len(rows), 501)
        self.assertEqual((rows['d7.example']['hard'], rows['big.example']['delivered']), (399, 1))
        self.assertEqual(self.total('--last', '401 days')['hard'], 399 * 500)


class Hours(ReportCase):
    """Hours that are over come from their stream, the present one from its minutes."""

    def setUp(self):
        super().setUp()
        self.hour = self.now - self.now % HOUR
        self.text = [delivered('a%d@big.example' % i, when=self.hour - 5 * HOUR + i) for i in range(4)]
        self.text += [hard('b%d@big.example' % i, when=self.hour - 3 * HOUR + 60 * i) for i in range(3)]
        self.text += [full('c@big.example', when=self.hour - 2)]
        self.read(*self.text)

    def counted(self, *args):
        return {r['hour']: (r['delivered'], r['soft'], r['hard']) for r in self.rows('--by', 'hour', *args, row='hour')}

    def name(self, hours):
        return time.strftime('%Y-%m-%dT%H:00:00Z', time.gmtime(self.hour - hours * HOUR))

    def test_each_hour(self):
        want = {self.name(5): (4, 0, 0), self.name(3): (0, 0, 3), self.name(1): (0, 1, 0)}
        self.assertEqual(self.counted(), want)
        total = self.total('--by', 'hour')
        self.assertEqual((total['delivered'], total['soft'], total['hard']), (4, 1, 3))
        del want[self.name(5)]
        self.assertEqual(self.counted('--from', self.name(4)), want)
        self.assertEqual(self.counted('--from', self.name(5), '--to', self.name(3)), {self.name(5): (4, 0, 0)})
        self.assertTrue(any(self.redis.command('XLEN', 'nixie:{%d}:roll:hour' % p) for p in range(self.partitions)))


class HoursOf64(Hours):
    partitions = 64


class Findings(ReportCase):
    def findings(self, *args):
        return {(r['finding'], r['value']): r for r in self.rows(*args, row='finding')}

    def test_typing_errors(self):
        self.read(*(hard('reader%d@gnail.com' % i, when=self.noon + i) for i in range(3)),
                  *(delivered('reader%d@busy-company.example' % i, when=self.noon + i) for i in range(30)),
                  hard('one@busy-compnay.example', when=self.noon), hard('one@hotmail.con', when=self.noon),
                  hard('one@gmail.com', when=self.noon), hard('one@elsewhere.example', when=self.noon),
                  delivered('one@gmaul.com', when=self.noon), hard('two@gmaul.com', when=self.noon))
        found = self.findings()
        self.assertEqual({v: (r['intended'], r['count']) for (k, v), r in found.items() if k == 'typo'},
                         {'gnail.com': ('gmail.com', 3), 'hotmail.con': ('hotmail.com', 1), 'busy-compnay.example': ('busy-company.example', 1)})
        self.assertIn('gnail.com is perhaps a typing error of gmail.com: 3 failed, none was delivered', self.ctl())

    def test_a_rate_limit(self):
        text = []
        for i in range(30):
            m = Message(when=self.noon + i)
            text.append(m.begin() + m.deferred('reader%d@slow.example' % i, THROTTLED))
        self.read(*text, *(delivered('reader%d@slow.example' % i, when=self.noon + i) for i in range(20)))
        row = self.findings()['rate-limit', 'slow.example']
        self.assertEqual((row['count'], row['of']), (30, 50))
        self.assertIn('slow.example: 30 of 50 (60.0 %) attempts met a rate limit', self.ctl())

    def test_a_jump(self):
        self.read(*(delivered('reader%d@big.example' % i, when=self.noon - DAY + i) for i in range(50)),
                  hard('one@big.example', when=self.noon - DAY),
                  *(hard('gone%d@big.example' % i, when=self.noon + i) for i in range(25)))
        row = self.findings()['jump', day(self.noon)]
        self.assertEqual((row['count'], row['of']), (25, 25))

    def test_nothing_to_say(self):
        self.read(*(delivered('reader%d@big.example' % i, when=self.noon + i) for i in range(50)), hard('one@big.example', when=self.noon))
        self.assertEqual(self.findings(), {})
        self.assertNotIn('What it says', self.ctl())


class FindingsOf64(Findings):
    partitions = 64
