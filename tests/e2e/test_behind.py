"""nixie history by what failures have in common: the addresses behind the figures of nixie report."""
import json
import re
import shlex
import time

from harness.case import RedisCase
from harness.maillog import Message, delivered, full, hard
from harness.nixie import NO_REDIS, NOT_FOUND, OK, USAGE
from harness.terminal import on_terminal, plain

DAY, HOUR = 86400, 3600
WHAT = 'sender', 'campaign', 'dest', 'provider', 'host', 'category', 'rule'


def date(when):
    return time.strftime('%Y-%m-%d', time.gmtime(when))


def stamp(when):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(when))


def to_google(to, **kw):
    m = Message(**kw)
    return m.begin() + m.line('smtp', '%s: to=<%s>, relay=gmail-smtp-in.l.google.com[192.0.2.50]:25, delay=1, delays=0.1/0/0.4/0.5, '
                              'dsn=5.1.1, status=bounced (host gmail-smtp-in.l.google.com[192.0.2.50] said: 550-5.1.1 The email '
                              'account that you tried to reach does not exist. 550 5.1.1 NoSuchUser (in reply to RCPT TO command))'
                              % (m.qid, to), 1.0) + m.removed()


class BehindCase(RedisCase):
    def setUp(self):
        super().setUp()
        self.noon = self.now - self.now % DAY - DAY + 12 * HOUR

    def history(self, *args, status=OK):
        """The failures, and the total."""
        done = self.site.ctl('history', '--json', *args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([r['row'] for r in rows], ['failure'] * (len(rows) - 1) + ['total'])
        self.assertEqual(rows[-1]['on-record'], len(rows) - 1 if '--limit' not in args else rows[-1]['on-record'])
        return rows[:-1], rows[-1]

    def report(self, *args, row=None):
        done = self.site.ctl('report', '--json', *args)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, OK if len(rows) > 1 or '--by' not in args else NOT_FOUND, done.stdout + done.stderr)
        return [r for r in rows if row is None or r['row'] == row]


class Behind(BehindCase):
    def setUp(self):
        super().setUp()
        self.days = [self.noon - 3 * DAY, self.noon - DAY, self.noon]
        text = []
        for i, when in enumerate(self.days):
            for j in range(3):
                text.append(delivered('reader%d@big.example' % j, when=when + 60 * j, sender='news@a.example'))
            for j in range(2 * i):
                text.append(hard('gone%d%d@old.example' % (i, j), when=when + HOUR + j, sender='Shop@B.example', host='mx%d' % (1 + j % 2)))
            text.append(full('box@other.example', when=when + 2 * HOUR))
            text.append(to_google('nobody%d@gmail.example' % i, when=when + 3 * HOUR, sender='news@a.example'))
        self.read(*text)

    def test_each_figure_has_its_addresses(self):
        for by in WHAT:
            for row in self.report('--by', by, row=by):
                failures, total = self.history('--' + by, row[by], status=OK if row.get('failures', 0) + row.get('soft', 0) + row.get('hard', 0) else NOT_FOUND)
                self.assertEqual(total['counted'], row['failures'] if by == 'category' else row['soft'] + row['hard'], row)
                self.assertEqual(total['on-record'], total['counted'], row)
                for c in ('soft', 'hard') if by != 'category' else ():
                    self.assertEqual(sum(f['class'] == c for f in failures), row[c], row)
        for row in self.report('--by', 'day', row='day'):
            failures, total = self.history('--from', row['day'], '--to', row['day'])
            self.assertEqual((len(failures), total['counted']), (row['soft'] + row['hard'],) * 2)
        for row in self.report('--by', 'hour', '--from', '5d', row='hour'):
            begin = row['hour']
            end = stamp(time.mktime(time.strptime(begin, '%Y-%m-%dT%H:%M:%SZ')) - time.timezone + HOUR)
            failures, total = self.history('--since', begin, '--until', end, status=OK if row['soft'] + row['hard'] else NOT_FOUND)
            self.assertEqual((len(failures), total['counted']), (row['soft'] + row['hard'],) * 2, row)

    def test_what_is_told_of_each(self):
        failures, total = self.history('--dest', 'old.example', '--class', 'hard', '--host', 'mx2')
        self.assertNotIn('counted', total)
        self.assertEqual(sorted(f['address'] for f in failures), ['gone11@old.example', 'gone21@old.example', 'gone23@old.example'])
        f = failures[0]
        self.assertEqual((f['sender'], f['code'], f['enhanced'], f['category']), ('Shop@B.example', 550, '5.1.1', 'recipient.unknown'))
        self.assertTrue(f['message'].startswith('mx2/'))
        one = json.loads(self.site.ctl_ok('history', '--json', f['address']))
        self.assertEqual({**one, 'row': 'failure'}, f)

    def test_one_thing_after_the_other(self):
        def addresses(*args):
            return sorted(f['address'] for f in self.history(*args)[0])
        self.assertEqual(addresses('--provider', 'google', '--from', date(self.noon)), ['nobody2@gmail.example'])
        self.assertEqual(addresses('--sender', 'B.EXAMPLE', '--from', date(self.days[1]), '--to', date(self.days[1])),
                         ['gone10@old.example', 'gone11@old.example'])
        self.assertEqual(addresses('--sender', 'shop@b.example', '--last', '2 days'), ['gone2%d@old.example' % j for j in range(4)])
        self.assertEqual(addresses('--dest', '@other.example'), ['box@other.example'] * 3)
        self.assertEqual(addresses('--category', 'mailbox.full', '--since', stamp(self.days[1])), ['box@other.example'] * 2)

    def test_conversions(self):
        total = self.report(row='total')[0]
        failures, counted = self.history('--class', 'hard-as-soft')
        self.assertEqual((len(failures), counted['counted']), (total['hard-as-soft'], total['hard-as-soft']))
        self.assertEqual(total['hard-as-soft'], 3)
        failures, counted = self.history('--class', 'soft-to-hard')
        self.assertEqual((len(failures), counted['counted'], total['soft-to-hard']), (1, 1, 1))
        self.assertEqual((failures[0]['address'], failures[0]['time'], failures[0]['converted-to'], failures[0]['sender']),
                         ('box@other.example', stamp(self.noon + 2 * HOUR + 1), 'held', 'news@example.org'))
        self.assertEqual(failures[0]['code'], 552)
        self.assertNotIn('counted', self.history('--class', 'soft-to-hard', '--dest', 'other.example')[1])
        self.history('--class', 'soft-to-hard', '--dest', 'old.example', status=NOT_FOUND)
        # an address whose history is gone: the journal tells what it has
        self.redis.command('DEL', *self.redis.command('KEYS', '*hist:box@other.example'))
        failures, _ = self.history('--class', 'soft-to-hard')
        self.assertEqual((failures[0]['address'], failures[0]['category'], failures[0]['converted-to']), ('box@other.example', 'mailbox.full', 'held'))
        self.assertNotIn('sender', failures[0])
        self.history('--class', 'soft-to-hard', '--sender', 'example.org', status=NOT_FOUND)

    def test_what_is_no_more_on_record(self):
        self.site.ctl_ok('remove', '--force', 'gone10@old.example')
        failures, total = self.history('--dest', 'old.example')
        self.assertEqual((len(failures), total['counted']), (5, 6))
        text = self.site.ctl_ok('history', '--dest', 'old.example')
        self.assertIn('5 failures are on record; 6 were counted (nixie(1), history, says why they differ)\n', text)

    def test_what_had_no_room_of_its_own(self):
        day, *_ = self.redis.command('KEYS', '*day:%s:dest' % time.strftime('%Y%m%d', time.gmtime(self.noon)))
        self.redis.command('HSET', day, '*|hard', 7)
        _, total = self.history('--dest', 'old.example')
        self.assertEqual((total['counted'], total['counted-as-rest']), (6, 7))
        self.assertIn('6 were counted, and 7 as * (with others)', self.site.ctl_ok('history', '--dest', 'old.example'))
        self.assertIn('no room', self.site.ctl('history', '--dest', '*').stderr)

    def test_the_newest_first(self):
        rows, total = self.history('--limit', '3')
        self.assertEqual([r['address'] for r in rows], ['nobody2@gmail.example', 'box@other.example', 'gone23@old.example'])
        self.assertEqual(total['on-record'], 12)
        text = self.site.ctl_ok('history', '--last', '7 days')
        times = re.findall(r'^(20\S+Z)  ', text, re.M)
        self.assertEqual((len(times), times), (12, sorted(times, reverse=True)))
        self.assertIn('12 failures are on record; 12 were counted\n', text)
        self.assertIn('... and 10 older: --limit, or --json\n', self.site.ctl_ok('history', '--limit', '2'))

    def test_it_fits_the_terminal(self):
        for columns in 60, 80, 100, 139, 140, 250:
            status, text = on_terminal(self.site, 'history', '--class', 'hard', columns=columns)
            self.assertEqual(status, OK)
            self.assertTrue(all(len(line) <= columns for line in plain(text).splitlines() if not line.startswith('9 fail')), text)
            self.assertIn('ADDRESS', text)

    def test_a_report_says_how_to_get_there(self):
        for by in ('day', 'hour') + WHAT + (None,):
            by_options = ['--by', by] if by else []
            if by == 'hour':
                by_options += ['--from', '5d']
            status, text = on_terminal(self.site, 'report', *by_options)
            m = re.search(r'The addresses behind a row\n  nixie (history .*)\n', plain(text))
            if by == 'campaign':
                self.assertIsNone(m)
                continue
            self.assertIsNotNone(m, text)
            self.assertIn('@', self.site.ctl_ok(*shlex.split(m[1])), m[1])
        self.assertNotIn('behind', self.site.ctl_ok('report') + self.site.ctl_ok('report', '--json') + self.site.ctl_ok('report', '--csv'))

    def test_nothing(self):
        rows, total = self.history('--dest', 'nowhere.example', status=NOT_FOUND)
        self.assertEqual((rows, total['counted']), ([], 0))
        self.assertEqual(self.site.ctl('history', '--dest', 'nowhere.example').stdout, '0 failures are on record; 0 were counted\nlooked at: the last 7 days; --last "30 days" for more\n')

    def test_says_what_was_looked_at(self):
        def nothing(*args):
            done = self.site.ctl('history', *args)
            self.assertEqual(done.returncode, NOT_FOUND, done.stdout + done.stderr)
            return done
        self.assertIn('looked at: the last 7 days; --last "30 days" for more\n', nothing('--dest', 'none.example').stdout)
        self.assertIn('looked at: from 2026-01-02T00:00:00Z to 2026-01-04T00:00:00Z\n',
                      nothing('--dest', 'none.example', '--from', '2026-01-02', '--to', '2026-01-03').stdout)
        self.assertIn('--provider gogle: no provider of the rules has this name; is google meant?', nothing('--provider', 'gogle').stderr)
        self.assertEqual(nothing('--provider', 'google', '--class', 'soft').stderr, '')
        for verb in 'list', 'reset', 'undo':
            self.assertIn('is google meant?', self.site.ctl(verb, '--provider', 'gogle').stderr)
        self.assertIn('nixie report --by provider', self.site.ctl('list', '--provider', 'frobnicator').stderr)

    def test_usage(self):
        for args in ['--class', 'x'], ['--category', 'x'], ['--last', 'x'], ['--last', '7d', '--since', '1d'], ['--limit', '0'], \
                ['--limit', '1000000000'], ['--class', 'hard', 'a@b.example'], ['--last', '1d', '--from', '2d'], []:
            self.assertEqual(self.site.ctl('history', *args).returncode, USAGE, args)
        self.redis.stop()
        self.assertEqual(self.site.ctl('history', '--last', '1d').returncode, NO_REDIS)


class BehindIn64(Behind):
    partitions = 64


class Campaigns(BehindCase):
    def test_names_from_strangers(self):
        evil = '\033]0;x\007 `id` \u65e5'
        self.read(hard('gone@old.example', when=self.noon))
        key, = self.redis.command('KEYS', '*hist:*')
        (_, fields), = self.redis.command('XRANGE', key, '-', '+')
        self.redis.command('DEL', key)
        self.redis.command('XADD', key, '%d000-1' % self.noon, *fields, 'campaign', evil)
        self.redis.command('HSET', 'nixie:{0}:day:%s:campaign' % time.strftime('%Y%m%d', time.gmtime(self.noon)), evil + '|hard', 1, evil + '|attempts', 1)
        rows, total = self.history('--campaign', evil)
        self.assertEqual((rows[0]['campaign'], total['counted']), (evil, 1))
        status, text = on_terminal(self.site, 'history', '--last', '7 days', columns=200)
        self.assertNotIn('\033]', text)
        self.assertIn('\\x1b]0;x\\x07', text)
        status, text = on_terminal(self.site, 'report', '--by', 'campaign')
        self.assertIn('--campaign NAME', text)
        self.assertNotIn('\033]', text)
