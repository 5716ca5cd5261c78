"""nixie list and nixie history: who is suppressed, some of them, page by page; and each bounce of one."""
import json
import os
import time

from harness.case import RedisCase
from harness.maillog import Message, full, hard
from harness.nixie import NOT_FOUND, OK, USAGE
from harness.terminal import on_terminal, plain

DAY = 86400
HOUR = 3600
DISABLED = '550 5.2.1 <{to}>: account disabled'
LONG = '550 5.1.1 <{to}>: Recipient address rejected: User unknown, and many words that nobody needs on a narrow terminal'


class Lists(RedisCase):
    def ctl(self, *args, status=OK):
        done = self.site.ctl(*args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + (done.stderr if status in (USAGE, NOT_FOUND) else '')

    def rows(self, *args, status=OK):
        return [json.loads(line) for line in self.ctl('list', '--json', *args, status=status).splitlines()]

    def listed(self, *args, status=OK):
        return [r['address'] for r in self.rows(*args, status=status)]


class Filters(Lists):
    def setUp(self):
        super().setUp()
        old = self.now - 30 * DAY
        m = Message(when=self.now - 2 * DAY)
        g = Message(when=self.now - 3 * HOUR)
        self.read(hard('one@a.example', when=old), hard('two@b.example', when=old + DAY),
                  full('box@a.example', when=old), full('box@a.example', when=old + 20 * DAY),
                  m.begin() + m.bounced('three@a.example', DISABLED) + m.removed(),
                  g.begin() + g.line('smtp', '%s: to=<four@b.example>, relay=aspmx.l.google.com[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, '
                                     'status=bounced (host aspmx.l.google.com[192.0.2.9] said: 550 5.1.1 The email account that you tried to '
                                     'reach does not exist (in reply to RCPT TO command))' % g.qid, 1) + g.removed())
        self.site.ctl_ok('suppress', 'asked@b.example')

    def test_all_and_each_filter(self):
        self.assertEqual(set(self.listed()), {'one@a.example', 'two@b.example', 'box@a.example', 'three@a.example',
                                              'four@b.example', 'asked@b.example'})
        for args, want in (
                (['--status', 'held'], ['box@a.example']),
                (['--status', 'manual'], ['asked@b.example']),
                (['--category', 'recipient.disabled'], ['three@a.example']),
                (['--category', 'mailbox.full'], ['box@a.example']),
                (['--category', 'other'], []),
                (['--domain', 'B.example'], ['asked@b.example', 'four@b.example', 'two@b.example']),
                (['--domain', '@b.example', '--status', 'manual'], ['asked@b.example']),
                (['--provider', 'google'], ['four@b.example']),
                (['--rule', self.site.check('three@a.example')['rule']], ['three@a.example']),
                (['--since', '1d'], ['asked@b.example', 'four@b.example']),
                (['--since', '7 days'], ['asked@b.example', 'four@b.example', 'three@a.example']),
                (['--until', '708h'], ['one@a.example']),
                (['--since', time.strftime('%Y-%m-%d', time.gmtime(self.now - 4 * DAY)), '--until', '1d'], ['three@a.example'])):
            with self.subTest(args=args):
                self.assertEqual(sorted(self.listed(*args, status=OK if want else NOT_FOUND)), sorted(want))

    def test_usage(self):
        self.assertIn('gone@example.com', self.ctl('list', 'gone@example.com', status=USAGE))
        for args in (['--status', 'soft'], ['--status', 'allow'], ['--category', 'nonsense'], ['--since', 'yesterday'], ['--limit', '0'],
                     ['--limit', 'x'], ['--after', 'nonsense'], ['--no-such']):
            with self.subTest(args=args):
                self.ctl('list', *args, status=USAGE)
        self.assertIn('cursor', self.ctl('list', '--after', 'nobody@example.com', status=NOT_FOUND))

    def test_columns_fit_the_terminal(self):
        m = Message(when=self.now - HOUR)
        self.read(m.begin() + m.bounced('a.very.long.address.of.somebody.who.is.gone@a.long.domain.example', LONG) + m.removed())
        for columns in 80, 100, 400:
            with self.subTest(columns=columns):
                status, text = on_terminal(self.site, 'list', columns=columns)
                self.assertEqual(status, OK)
                self.assertIn('\033[31mheld', text)
                lines = plain(text).splitlines()
                self.assertEqual(len(lines), 8)
                self.assertLessEqual(max(map(len, lines)), columns)
                at = lines[0].index('WHY')
                for line in lines[1:]:
                    self.assertRegex(line[at:], r'^(by hand|[a-z]+\.[a-z]+) ')
                    self.assertEqual(line[at - 2:at].strip(), '')
                # cut only where there is no room
                self.assertEqual(any('…' in line for line in lines), columns < 400)
        # columns at the end are left out
        lines = plain(on_terminal(self.site, 'list', columns=40)[1]).splitlines()
        self.assertEqual((len(lines), lines[0].split()), (8, ['STATUS', 'ADDRESS', 'WHY']))
        self.assertLessEqual(max(map(len, lines)), 40)
        status, text = on_terminal(self.site, 'list', columns=80, env={'LC_ALL': 'C', 'NO_COLOR': '1'})
        self.assertNotIn('\033', text)
        self.assertTrue(text.isascii())

    def test_a_pipe_has_whole_lines(self):
        text = self.ctl('list')
        self.assertIn('  hard      one@a.example  recipient.unknown since ', text)
        self.assertNotIn('\033', text)


class Pages(Lists):
    def setUp(self):
        super().setUp()
        # some in the same second: only the address orders them
        self.addresses = ['reader%02d@d%d.example' % (i, i % 3) for i in range(40)]
        self.read(*(hard(a, when=self.now - 10 * DAY + (i // 8) * HOUR) for i, a in enumerate(self.addresses)))

    def pages(self, *args, forget=False, limit=7):
        got, after = [], []
        while True:
            text = self.ctl('list', '--limit', str(limit), *args, *after)
            got += [line.split()[1] for line in text.splitlines() if line.startswith('  hard')]
            if 'more: ' not in text:
                return got
            cursor = text.split("more: --after '")[1].split("'")[0]
            self.assertEqual(cursor.split(':')[1], got[-1])
            if forget:
                self.site.ctl_ok('remove', got[-1])
            after = ['--after', cursor]

    def test_every_address_once(self):
        self.assertEqual(self.pages(), self.listed())
        self.assertEqual(sorted(self.pages()), self.addresses)

    def test_in_the_order_of_dates_and_of_bytes(self):
        rows = [(r['since'], r['address']) for r in self.rows()]
        self.assertEqual(rows, sorted(rows))
        self.assertEqual(len(set(since for since, _ in rows)), 5)

    def test_pages_of_a_span(self):
        rows = self.rows()
        since, until = rows[8]['since'], rows[24]['since']
        span = ('--since', since, '--until', until)
        wanted = [r['address'] for r in rows if since <= r['since'] < until]
        self.assertEqual(len(wanted), 16)
        for limit in (1, 5, 16):
            self.assertEqual(self.pages(*span, limit=limit), wanted)
        self.assertEqual(self.listed(*span, '--after', rows[2]['cursor']), wanted, 'a place before the span')
        self.listed(*span, '--after', rows[30]['cursor'], status=NOT_FOUND)
        self.listed('--since', '1s', status=NOT_FOUND)

    def test_the_last_one_of_a_page_is_removed_meanwhile(self):
        self.assertEqual(sorted(self.pages(forget=True)), self.addresses)

    def test_a_page_of_what_a_filter_leaves(self):
        self.assertEqual(sorted(self.pages('--domain', 'd1.example', limit=3)), [a for a in self.addresses if a.endswith('@d1.example')])

    def test_behind_an_address_or_a_cursor_of_json(self):
        everything = self.rows()
        names = [r['address'] for r in everything]
        self.assertEqual(self.listed('--after', names[20]), names[21:])
        self.assertEqual(self.listed('--after', everything[20]['cursor'], '--limit', '5'), names[21:26])
        self.listed('--after', names[-1], status=NOT_FOUND)


class PagesOf64(Pages):
    partitions = 64


class Many(Lists):
    """A list of many pages: of one second, and of different ones, with strangers' domains among them."""
    partitions = 3

    def test_each_once_and_in_order(self):
        n = 5000
        path = os.path.join(self.site.directory, 'list')
        with open(path, 'w') as f:
            f.write(''.join('a%d@%s.example\n' % (i, 'few' if i % 50 == 0 else 'many') for i in range(n)))
        self.site.ctl_ok('import', path)
        rows = [(r['since'], r['address']) for r in self.rows()]
        self.assertEqual(len(set(rows)), n)
        self.assertEqual(rows, sorted(rows))
        self.assertEqual(self.listed('--after', rows[2500][1]), [a for _, a in rows[2501:]])
        few = self.listed('--domain', 'FEW.example')
        self.assertEqual(few, [a for _, a in rows if a.endswith('@few.example')])
        self.assertEqual(len(few), n // 50)


class Histories(Lists):
    def setUp(self):
        super().setUp()
        self.first = self.now - 5 * DAY
        self.read(full('User@a.example', when=self.first), hard('user@a.example', when=self.first + DAY, sender='shop@example.org'))

    def test_each_bounce(self):
        one, two = [json.loads(line) for line in self.ctl('history', '--json', 'USER@a.example').splitlines()]
        self.assertEqual((one['class'], one['category'], one['code'], one['enhanced'], one['sender']),
                         ('soft', 'mailbox.full', 552, '5.2.2', 'news@example.org'))
        self.assertEqual((two['class'], two['category'], two['code'], two['enhanced'], two['sender']),
                         ('hard', 'recipient.unknown', 550, '5.1.1', 'shop@example.org'))
        self.assertEqual(two['time'], time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self.first + DAY + 1)))
        for row in one, two:
            self.assertEqual(row['address'], 'user@a.example')
            self.assertRegex(row['message'], r'^mx1/postfix/\w+/\d+$')
            self.assertEqual(row['remote'], 'mx.example.com')
            self.assertTrue(row['rule'])
        self.assertIn('User unknown', two['text'])
        text = self.ctl('history', 'user@a.example')
        self.assertEqual(text.splitlines()[0], 'user@a.example')
        for row in one, two:
            self.assertIn('%s  %s  %s  %d %s\n' % (row['time'], row['class'], row['category'], row['code'], row['enhanced']), text)
            for name in 'text', 'message', 'sender', 'rule':
                self.assertIn('  %-9s %s\n' % (name, row[name]), text)

    def test_it_outlives_a_reset(self):
        self.site.ctl_ok('reset', 'user@a.example')
        self.assertEqual(len(self.ctl('history', '--json', 'user@a.example').splitlines()), 2)

    def test_and_no_remove(self):
        self.site.ctl_ok('remove', 'user@a.example')
        self.assertIn('nothing is on record', self.ctl('history', 'user@a.example', status=NOT_FOUND))

    def test_several_and_usage(self):
        self.assertIn('nobody@a.example: nothing is on record', self.ctl('history', 'user@a.example', 'nobody@a.example', status=NOT_FOUND))
        self.ctl('history', status=USAGE)
        self.ctl('history', 'nonsense', status=USAGE)


class HistoriesOf64(Histories):
    partitions = 64
