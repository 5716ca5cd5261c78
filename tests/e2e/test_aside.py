"""What came back and proves nothing: nixie aside, and how much came back: nixie report, metrics."""
import html
import json
import os
import re

from harness import returned
from harness.case import RedisCase
from harness.maillog import Message, delivered, hard
from harness.nixie import NOT_FOUND, OK, REPOSITORY
from harness.proc import wait_until
from harness.terminal import on_terminal, plain

DAY = 86400
ASIDE = 'nixie:{0}:aside'
MOST = 10000
REMEMBERED = 'no message of that name is remembered (receive.remember)'


class Came(RedisCase):
    options = {'receive': {'remember': '7 days', 'wait': '1 ms'}}

    def receive(self, mail):
        done = self.site.ctl('receive', '--json', stdin=mail)
        self.assertEqual(done.returncode, OK, done.stderr)
        return json.loads(done.stdout)

    def sent(self, to, **kw):
        message = Message(**kw)
        self.read(message.begin(), message.sent(to))
        return '<%s@example.org>' % message.qid

    def rows(self, *args):
        return [json.loads(line) for line in self.site.ctl_ok('aside', '--json', *args).splitlines()]

    def add(self, when, **fields):
        """One that is kept aside, as of that time."""
        row = dict({'time': str(when), 'kind': 'dsn', 'address': 'reader@reader.example', 'why': 'it proves nothing', 'from': 'mx@reader.example'}, **fields)
        self.redis.command('XADD', ASIDE, '*', *[x for pair in row.items() for x in pair])


class Aside(Came):
    def test_nothing(self):
        done = self.site.ctl('aside')
        self.assertEqual((done.returncode, done.stdout), (NOT_FOUND, 'no mail is kept aside\n'))
        done = self.site.ctl('aside', '--json')
        self.assertEqual((done.returncode, done.stdout), (NOT_FOUND, ''))
        done = self.site.ctl('aside', '--kind', 'dsn')
        self.assertEqual((done.returncode, done.stdout), (NOT_FOUND, 'no such mail is kept aside\n'))

    def test_what_is_told_of_each(self):
        self.receive(returned.failed('one@reader.example', returned.original('<made-up@shop.example>')))
        self.receive(returned.complaint(returned.original('<none@shop.example>'), 'two@reader.example'))
        newest, oldest = self.rows()
        self.assertEqual((newest['kind'], newest['address'], newest['from']), ('complaint', 'two@reader.example', 'loop@provider.example'))
        self.assertEqual((oldest['kind'], oldest['address'], oldest['why'], oldest['category'], oldest['status'], oldest['about']),
                         ('dsn', 'one@reader.example', REMEMBERED, 'recipient.unknown', '5.1.1', '<made-up@shop.example>'))
        self.assertRegex(oldest['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
        self.assertIn('User unknown', oldest['text'])
        text = self.site.ctl_ok('aside')
        self.assertRegex(text, r'dsn +one@reader\.example +recipient\.unknown +MAILER-DAEMON@mx\.reader\.example +' + re.escape(REMEMBERED))
        self.assertIn('     2  %s\n        mail that comes later than receive.remember' % REMEMBERED, text)
        self.assertIn('nixie suppress ADDR', text)

    def test_what_to_do_where_nothing_is_remembered(self):
        self.site.write_conf(receive={'remember': '0'})
        self.receive(returned.failed('one@reader.example', returned.original('<made-up@shop.example>')))
        self.assertIn('receive: { remember = "7 days"; };', self.site.ctl_ok('aside'))

    def test_what_to_do_about_each_reason(self):
        """All that the programs write; each has a line of its own."""
        reasons = set()
        for name in ('common/claim.c', 'ctl/receive_write.c'):
            with open(os.path.join(REPOSITORY, name)) as f:
                reasons |= set(re.findall(r'(?:why = |return |[?:] )"([a-z][^"]+ [^"]+ [^"]+)"', f.read()))
        self.assertGreater(len(reasons), 8)
        reasons.remove('its Message-ID may be proof: nobody asked Redis')   # of --dry-run, which keeps nothing
        for why in reasons:
            self.add(self.now, why=why)
        text = self.site.ctl_ok('aside').split('Why it proves nothing\n')[1]
        for why in reasons:
            self.assertRegex(text, r'     1  %s\n        \S' % re.escape(why))

    def test_which_ones(self):
        for days, more in ((1, {}), (3, {'kind': 'complaint'}), (5, {'address': 'x@other.example'})):
            self.add(self.now - days * DAY, **more)
        for args, kinds in (((), ['dsn', 'complaint', 'dsn']), (('--kind', 'complaint'), ['complaint']), (('--domain', 'other.example'), ['dsn']),
                            (('--domain', '@OTHER.example'), ['dsn']), (('--since', '4d'), ['dsn', 'complaint']), (('--until', '2d'), ['complaint', 'dsn']),
                            (('--since', '4d', '--until', '2d'), ['complaint']), (('--limit', '1'), ['dsn'])):
            with self.subTest(args=args):
                self.assertEqual(sorted(row['kind'] for row in self.rows(*args)), sorted(kinds))
        self.assertEqual(self.site.ctl('aside', '--domain', 'example').returncode, NOT_FOUND)
        self.assertIn('... and 2 more: --limit\n', self.site.ctl_ok('aside', '--limit', '1'))

    def test_what_strangers_wrote(self):
        self.add(self.now, **{'from': '\x1b[31m"red\r\n', 'address': '', 'why': 'a\x1b]0;b', 'text': '\xff\n'})
        text = self.site.ctl_ok('aside')
        self.assertNotIn('\x1b', text)
        self.assertNotIn('\r', text)
        self.assertEqual(self.rows()[0]['from'], '\x1b[31m"red\r\n')

    def test_it_fits_the_terminal(self):
        address, wrote = 'hugo.left@customers.example', 'MAILER-DAEMON@mx17.reader.example'
        self.add(self.now, **{'kind': 'unsubscribe', 'address': address, 'category': 'recipient.disabled', 'from': wrote, 'why': REMEMBERED})
        whole = 'TIME KIND ADDRESS CATEGORY FROM WHY IT PROVES NOTHING'
        for columns, titles in ((60, 'TIME (UTC) KIND ADDRESS'), (80, 'TIME (UTC) KIND ADDRESS CATEGORY'), (119, 'TIME (UTC) KIND ADDRESS CATEGORY'),
                                (120, 'TIME (UTC) KIND ADDRESS CATEGORY FROM'), (139, 'TIME (UTC) KIND ADDRESS CATEGORY FROM'), (140, whole), (250, whole)):
            with self.subTest(columns=columns):
                status, text = on_terminal(self.site, 'aside', columns=columns)
                title, row = plain(text).splitlines()[:2]
                self.assertEqual((status, ' '.join(title.split())), (OK, titles))
                self.assertLessEqual(max(len(title), len(row)), columns)
                self.assertRegex(row, r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ  ' if columns >= 140 else r'^20\d\d-\d\d-\d\d \d\d:\d\d  ')
                self.assertIn(address, row)
                self.assertEqual((wrote in row, REMEMBERED in row), (columns in (120, 139, 250), columns == 250))
                self.assertIn('     1  %s\n' % REMEMBERED, plain(text))

    def test_as_many_as_are_kept(self):
        self.redis.command('EVAL', "for i = 1, %d do redis.call('XADD', KEYS[1], i .. '-1', 'time', ARGV[1], 'kind', 'dsn', 'address', 'r' .. i .. '@x.example', "
                           "'why', i %% 4 == 0 and 'its signature is not ours' or 'it names no message of ours, and has no signed address') end" % MOST, 1, ASIDE, self.now)
        rows = self.rows()
        self.assertEqual((len(rows), rows[0]['address'], rows[-1]['address']), (MOST, 'r%d@x.example' % MOST, 'r1@x.example'))
        text = self.site.ctl_ok('aside')
        self.assertEqual(len(re.findall(r'@x\.example', text)), 100)
        self.assertIn('... and 9900 more: --limit\n', text)
        self.assertLess(text.index('  7500  it names no message'), text.index('  2500  its signature is not ours'))
        self.assertEqual(len(re.findall(r'@x\.example', self.site.ctl_ok('aside', '--limit', str(MOST)))), MOST)


class HowMany(Came):
    def come(self):
        about = self.sent('reader@reader.example')
        self.receive(returned.failed('reader@reader.example', returned.original(about)))
        self.receive(returned.failed('one@reader.example', returned.original('<made-up@shop.example>')))
        self.receive(returned.complaint(returned.original('<none@shop.example>'), 'two@reader.example'))
        self.receive(returned.plain('news@shop.example', 'reader@reader.example', 'Thank you'))

    def test_report(self):
        self.read(delivered('a@example.com'))
        self.assertNotIn('came back', self.site.ctl_ok('report'))
        self.come()
        text = self.site.ctl_ok('report')
        block = text[text.index('\nMail that came back\n'):]
        self.assertRegex(block, r'KIND +MAILS +NO EFFECT +COUNTED +KNOWN +ASIDE\n')
        self.assertRegex(block, r'\ndsn +2 +0 +1 +0 +1\n')
        self.assertRegex(block, r'\ncomplaint +1 +0 +0 +0 +1\n')
        self.assertRegex(block, r'\nordinary +1 +1 +0 +0 +0\n')
        self.assertIn('\n2 prove nothing and have no effect: nixie aside\n', block)
        rows = [json.loads(line) for line in self.site.ctl_ok('report', '--json').splitlines()]
        self.assertEqual([row for row in rows if row['row'] == 'returned'],
                         [{'row': 'returned', 'kind': 'ordinary', 'mails': 1, 'nothing': 1, 'counted': 0, 'told': 0, 'aside': 0},
                          {'row': 'returned', 'kind': 'dsn', 'mails': 2, 'nothing': 0, 'counted': 1, 'told': 0, 'aside': 1},
                          {'row': 'returned', 'kind': 'complaint', 'mails': 1, 'nothing': 0, 'counted': 0, 'told': 0, 'aside': 1}])
        self.assertNotIn('returned', self.site.ctl_ok('report', '--by', 'dest', '--json'))
        self.assertNotIn('returned', self.site.ctl_ok('report', '--csv'))

    def test_report_without_a_result(self):
        self.receive(returned.plain('news@shop.example', 'reader@reader.example', 'Thank you'))
        self.assertRegex(self.site.ctl_ok('report'), r'\nordinary +1 ')

    def test_page(self):
        self.read(delivered('a@example.com'))
        path = os.path.join(self.directory, 'page.html')
        self.site.ctl_ok('report', '--html', path)
        with open(path, encoding='utf-8') as f:
            self.assertNotIn('Mail that came back', f.read())
        self.come()
        self.site.ctl_ok('report', '--html', path)
        with open(path, encoding='utf-8') as f:
            page = f.read()
        section = html.unescape(page[page.index('<h2>Mail that came back</h2>'):].split('</section>')[0])
        self.assertEqual(re.findall(r'<span class="name"><bdi[^>]*>([^<]+)</bdi></span>', section), ['ordinary mail', 'bounces', 'complaints'])

    def test_metrics(self):
        self.come()
        text = self.site.ctl_ok('metrics')
        for name in ('nixie_returned_total', 'nixie_today_returned'):
            got = dict(re.findall(r'^%s\{kind="(\w+",outcome="\w+)"\} (\d+)$' % name, text, re.M))
            self.assertEqual(len(got), 7 * 4)
            self.assertEqual({k: v for k, v in got.items() if v != '0'},
                             {'dsn",outcome="counted': '1', 'dsn",outcome="aside': '1', 'complaint",outcome="aside': '1', 'ordinary",outcome="nothing': '1'})


class Unsubscribed(Came):
    def setUp(self):
        super().setUp()
        secret = os.path.join(self.directory, 'secrets')
        with open(secret, 'w') as f:
            f.write('0123456789abcdef0123456789abcdef\n')
        os.chmod(secret, 0o600)
        self.site.write_conf(receive={'addresses': ({'for': 'unsubscribe', 'address': 'leave+{recipient}-{sig}@shop.example'},), 'secret-file': secret})
        self.to = self.site.ctl_ok('verp', '--for', 'unsubscribe', 'reader@reader.example').strip()

    def test_signed(self):
        self.receive(returned.plain(self.to, 'reader@reader.example', 'unsubscribe'))
        rows = [json.loads(line) for line in self.site.ctl_ok('report', '--json').splitlines()]
        self.assertEqual([row for row in rows if row['row'] == 'returned'],
                         [{'row': 'returned', 'kind': 'unsubscribe', 'mails': 1, 'nothing': 0, 'counted': 1, 'told': 0, 'aside': 0}])
        token = self.site.check('reader@reader.example')['token']
        self.assertRegex(self.site.ctl_ok('check', 'reader@reader.example'), r'\n  scope     do-not-mail for sender shop\.example since \S+\n'
                         r'            by an unsubscription that came by mail, \S+Z: nixie token %s\n' % token)
        self.assertEqual(self.site.ctl('aside').returncode, NOT_FOUND)

    def test_not_signed(self):
        local, domain = self.to.split('@')
        local = local[:-1] + ('b' if local[-1] == 'a' else 'a')
        self.receive(returned.plain(local + '@' + domain, 'reader@reader.example', 'unsubscribe'))
        row, = self.rows('--kind', 'unsubscribe')
        self.assertEqual(row['why'], 'its signature is not ours')
        self.assertIn('nixie verp --read ADDR', self.site.ctl_ok('aside'))


class Seen(Came):
    """Where it is told of one address."""

    def setUp(self):
        super().setUp()
        self.receive(returned.failed('reader@reader.example', returned.original(self.sent('reader@reader.example'))))
        self.receive(returned.complaint(returned.original(self.sent('other@reader.example')), 'other@reader.example'))
        self.receive(returned.failed('any@reader.example', returned.original('<made-up@shop.example>')))

    def test_check(self):
        text = self.site.ctl_ok('check', 'reader@reader.example', 'other@reader.example')
        self.assertIn('\n  origin    dsn: a bounce that came by mail\n', text)
        self.assertRegex(text, r'other@reader\.example: none\n  scope     complaint for sender shop\.example since ')
        answer = json.loads(self.site.ctl_ok('check', '--json', '--sender', 'news@shop.example', 'other@reader.example'))
        self.assertEqual((answer['decided-by'], answer['action'][:9]), ('scope', '550 5.7.1'))
        self.assertEqual(self.site.check('reader@reader.example')['origin'], 'dsn')

    def test_check_tells_why_it_is_for_one_sender(self):
        line = r'\n  scope     %s for %s since \S+\n            by %s, \S+T\S+Z: nixie token %s\n'
        mailed = line % ('complaint', 'sender shop.example', 'a complaint that came by mail', '(.*)')
        text = self.site.ctl_ok('check', 'other@reader.example')
        self.assertRegex(text, mailed)
        told = self.site.ctl_ok('token', re.search(mailed, text)[1])
        self.assertRegex(told, r'(?s)address +other@reader\.example\n.*why +complaint\n.*by +receive\n')
        self.site.ctl_ok('suppress', '--scope', 'login:bulk one', '--reason', 'a call \x1b[31m', 'other@reader.example')
        text = self.site.ctl_ok('check', 'other@reader.example')
        self.assertRegex(text, line % ('do-not-mail', 'login bulk one', r'\S+: a call \S*\[31m', self.site.check('other@reader.example')['token']))
        self.assertNotIn('\x1b', text)
        # the token names one change
        self.assertRegex(text, r'\n  scope     complaint for sender shop\.example since \S+\n  scope ')
        self.read(hard('other@reader.example'))
        text = self.site.ctl_ok('check', 'other@reader.example')
        self.assertEqual((text.count('\n  scope '), text.count('nixie token')), (2, 0))

    def test_check_of_a_reader_who_is_done_with_all(self):
        self.site.write_conf(receive={'complaint-scope': 'all'})
        self.receive(returned.complaint(returned.original(self.sent('third@reader.example')), 'third@reader.example'))
        self.assertIn("\n  origin    feedback: a reader's, by mail\n", self.site.ctl_ok('check', 'third@reader.example'))

    def test_history(self):
        text = self.site.ctl_ok('history', 'reader@reader.example')
        self.assertRegex(text, r'Z  hard  recipient\.unknown  550 5\.1\.1\n(.*\n)*  message   mail/returned/[0-9a-f]{16}/\d+\n  told by   a mail that came back\n')
        self.assertRegex(self.site.ctl_ok('history', 'other@reader.example'), r'Z  complaint\n(.*\n)*  told by   a mail that came back\n')
        self.assertEqual(json.loads(self.site.ctl_ok('history', '--json', 'reader@reader.example'))['told-by'], 'mail')
        self.read(hard('logged@reader.example'))
        self.assertNotIn('told', self.site.ctl_ok('history', 'logged@reader.example'))

    def test_status(self):
        self.assertIn('\nmail     3 came back today, 2 counted, 1 proves nothing: nixie aside\n', self.site.ctl('status').stdout)
        told = json.loads(self.site.ctl('status', '--json').stdout)
        self.assertEqual((told['returned'], told['aside']), (3, 1))


class Complaints(Came):
    """Of a sender whose readers complain, the log reader tells."""
    options = {'receive': {'remember': '7 days', 'wait': '1 ms'}, 'alerts': {'minimum': 10}}

    def test_alert(self):
        # of today, as the complaint is
        messages = [Message(sender='news@shop.example', when=max(self.now - 5, self.now - self.now % DAY)) for _ in range(12)]
        lines = ''
        for n, m in enumerate(messages):
            lines += m.begin() + m.line('cleanup', '%s: info: header X-Campaign-Id: spring from h[192.0.2.7]; from=<%s> to=<r%d@reader.example> proto=ESMTP helo=<h>'
                                        % (m.qid, m.sender, n), 0.1) + m.sent('r%d@reader.example' % n)
        self.read(lines)
        about = returned.original('<%s@example.org>' % messages[3].qid, ('X-Campaign-Id', 'spring'))
        row = self.receive(returned.complaint(about, 'r3@reader.example'))
        self.assertEqual([c['outcome'] for c in row['claims']], ['counted'])
        self.site.logtail()     # it looks at its start, and each half minute
        names = {'rate-complaint/%s' % over for over in ('all', 'sender/shop.example', 'campaign/spring')}
        wait_until(lambda: names <= set(self.redis.hgetall('nixie:{0}:alerts')), 'alerts')
        told = {row['alert']: row for row in map(json.loads, self.site.ctl_ok('alerts', '--json').splitlines())}
        self.assertEqual({name: (told[name]['count'], told[name]['of'], told[name]['limit-permille']) for name in names}, dict.fromkeys(names, (1, 12, 2)))
        for by, value in (('sender', 'shop.example'), ('campaign', 'spring')):
            rows = {row[by]: row for row in map(json.loads, self.site.ctl_ok('report', '--by', by, '--json').splitlines()) if row['row'] == by}
            self.assertEqual((rows[value]['complaint'], rows[value]['complaint-permille'], rows[value]['over']), (1, 83.3, ['complaint-permille']))
