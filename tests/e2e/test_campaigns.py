"""Campaigns: headers that a real Postfix or Exim writes into its log, and what is counted by them."""
import os
import time

from harness.case import Case, SharedCase
from harness.exim import Exim
from harness.maillog import Message
from harness.nixie import OK, REPOSITORY, run
from harness.postfix import Postfix
from harness.proc import wait_until
from harness.sink import Sink

HEADER_CHECKS = os.path.join(REPOSITORY, 'contrib', 'postfix', 'nixie-header_checks')
UNKNOWN = '550 5.1.1 <{0}>: Recipient address rejected: User unknown in virtual mailbox table'


class CampaignCase(Case):
    def campaigns(self, kind='day'):
        """The counters by campaign, of all periods together."""
        total = {}
        for key in self.redis.command('KEYS', 'nixie:{0}:%s:*:campaign' % kind):
            for name, value in self.redis.hgetall(key).items():
                total[name] = total.get(name, 0) + int(value)
        return total

    def history(self, address):
        return [dict(zip(f[::2], f[1::2])) for _, f in
                self.redis.command('XRANGE', 'nixie:{0}:hist:' + address, '-', '+')]

    def attempt(self, campaign, result):
        """What one result of a campaign counts."""
        return {campaign + '|attempts': 1, '%s|%s' % (campaign, result): 1}


class Postfixes(SharedCase, CampaignCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        with open(HEADER_CHECKS) as f:
            told = [line[4:] for line in f if line.startswith('#   ')]
        with open(os.path.join(cls.postfix.etc, 'main.cf'), 'a') as f:
            f.write(''.join(told).replace('/etc/postfix/nixie-header_checks', HEADER_CHECKS))
        cls.postfix.cool()
        cls.site.options['policyd']['listen'] = ['unix:' + cls.postfix.policy_path]
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        cls.postfix.start()
        cls.logtail = cls.site.logtail()

    def setUp(self):
        self.sink.at_rcpt.clear()
        self.address = self.id().rsplit('.', 1)[-1].replace('_', '-') + '@nixie.test'
        self.before = self.campaigns()

    def counted(self):
        now = self.campaigns()
        return {k: n - self.before.get(k, 0) for k, n in now.items() if n != self.before.get(k, 0)}

    def send(self, *headers, status='sent', sender='sender@nixie.test', options=''):
        """A message to the address; returns when its result has been counted."""
        before = self.site.counters()
        counter = 'delivered' if status == 'sent' else 'deferred' if status == 'deferred' else 'hard'
        qid = self.postfix.send(self.address, headers=b''.join(h + b'\r\n' for h in headers), sender=sender, options=options)
        self.postfix.wait_log(qid + ': to=<%s>' % self.address, 'status=' + status)
        self.site.wait_counter(counter, before.get(counter, 0) + 1)
        return qid

    def test_delivered_and_bounced(self):
        self.send(b'X-Campaign-Id: Spring-2026')
        self.assertEqual(self.counted(), self.attempt('spring-2026', 'delivered'))
        self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
        self.send(b'X-Campaign-Id: spring-2026', status='bounced')
        self.assertEqual(self.counted(), {'spring-2026|attempts': 2, 'spring-2026|delivered': 1, 'spring-2026|hard': 1})
        self.assertEqual([b['campaign'] for b in self.history(self.address)], ['spring-2026'])
        self.assertGreaterEqual(self.campaigns('min')['spring-2026|hard'], 1)

    def test_a_message_without(self):
        self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
        self.send(b'X-Mailer: spring', status='bounced')
        self.assertEqual(self.counted(), {})
        self.assertNotIn('campaign', self.history(self.address)[0])

    def test_deferred_and_given_up(self):
        self.addCleanup(self.postfix.empty_queue)
        self.sink.at_rcpt[self.address] = '450 4.2.1 <%s>: mailbox busy' % self.address
        qid = self.send(b'X-Campaign-Id: Summer', status='deferred')
        pending = self.redis.hgetall('nixie:{0}:pend:mx/postfix/' + qid)
        self.assertEqual(pending['campaign'], 'summer')
        self.postfix.set(maximal_queue_lifetime='1s')
        try:
            self.postfix.wait_log(qid + ': from=', 'status=expired', action=self.postfix.flush)
        finally:
            self.postfix.set(maximal_queue_lifetime='2d')
        wait_until(lambda: self.counted().get('summer|soft') == 1, 'the end of it')
        self.assertEqual(self.history(self.address)[0]['campaign'], 'summer')

    def test_forms(self):
        cases = [
            ('no blank', [b'X-Campaign-Id:a1'], 'a1'),
            ('blanks', [b'X-Campaign-Id:   a2   b  '], 'a2 b'),
            ('name in capitals', [b'X-CAMPAIGN-ID: a3'], 'a3'),
            ('folded, blank', [b'X-Campaign-Id: a4\r\n b'], 'a4 b'),
            ('folded, tab', [b'X-Campaign-Id: a5\r\n\tb'], 'a5 b'),
            ('folded before the value', [b'X-Campaign-Id:\r\n  a6'], 'a6'),
            ('List-Id', [b'List-Id: "The list" <a7.example.org>'], 'a7.example.org'),
            ('List-Id, folded', [b'List-Id: The list of spring,\r\n\tsummer <a8.example.org>'], 'a8.example.org'),
            ('Feedback-ID', [b'Feedback-ID: A9:cust:mail:esp'], 'a9:esp'),
            ('the first of the list last', [b'List-Id: <x.example.org>', b'Feedback-ID: x:esp', b'X-Campaign: x', b'X-Campaign-Id: a10'], 'a10'),
            ('the first of the list first', [b'X-Campaign-Id: a11', b'Feedback-ID: x:esp', b'List-Id: <x.example.org>'], 'a11'),
            ('an empty one and another', [b'X-Campaign-Id:', b'List-Id: <a12.example.org>'], 'a12.example.org'),
            ('UTF-8', ['X-Campaign-Id: a13 Frühling'.encode()], 'a13 frühling'),
            ('no UTF-8', [b'X-Campaign-Id: a14 Fr\xfchling'], 'a14 fr?hling'),
            ('controls', [b'X-Campaign-Id: a15\x1b[31m\x07b'], 'a15?[31m?b'),
            ('long', [b'X-Campaign-Id: a16' + b'x' * 900], 'a16' + 'x' * (200 - len('X-Campaign-Id: a16'))),
            ('attached', [b'X-Campaign: a17', b'MIME-Version: 1.0', b'Content-Type: message/rfc822', b'', b'X-Campaign-Id: x'], 'a17'),
            ('an end that is none', [b'X-Campaign-Id: a18 from Rome; from=me'], 'a18 from rome; from=me'),
            ('a field of counters', [b'X-Campaign-Id: a19|hard'], 'a19|hard'),
        ]
        delivered, want = self.site.counter('delivered'), {}
        for name, headers, campaign in cases:
            self.postfix.send(self.address, headers=b''.join(h + b'\r\n' for h in headers))
            want.update(self.attempt(campaign, 'delivered'))
        self.site.wait_counter('delivered', delivered + len(cases))
        self.assertEqual(self.counted(), want)

    def test_smtputf8(self):
        self.send('X-Campaign-Id: Été'.encode(), options=' SMTPUTF8')
        self.assertEqual(self.counted(), self.attempt('Été', 'delivered'))   # ASCII alone is made small

    def test_what_imitates_the_log_names_nothing(self):
        for name, header, sender in (
                ('the value', b'X-Campaign-Id: b1 from h[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<x>', 'sender@nixie.test'),
                ('the sender', b'X-Campaign-Id: b2', '"b3 from h[192.0.2.1]; from=<"@nixie.test'),
                ('a star', b'X-Campaign-Id: *', 'sender@nixie.test')):
            with self.subTest(name):
                self.send(header, sender=sender)
                self.assertEqual(self.counted(), {})

    def test_sendmail(self):
        self.postfix.sendmail(self.address, b'X-Campaign-Id: c1\n\ntest\n')
        wait_until(lambda: self.counted() == self.attempt('c1', 'delivered'), 'the delivery')

    def test_parse(self):
        qid = self.send(b'X-Campaign-Id: d1')
        out = run('nixie-logtail', '-c', self.site.conf_path, '--parse', self.site.log_path).stdout
        self.assertRegex(out, '"queue_id":"%s",.*"campaign":"d1"' % qid)


class Exims(SharedCase, CampaignCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.exim = Exim(cls.directory, cls.site.policy_path, cls.sink.port)
        cls.addClassCleanup(cls.exim.stop)
        cls.site.options['logtail'].update({'files': [cls.exim.log_path], 'timezone': 'UTC'})
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        cls.exim.start()
        cls.logtail = cls.site.logtail()

    def test_forms(self):
        cases = [
            ('usual', [b'X-Campaign-Id: Spring'], 'spring'),
            ('folded', [b'X-Campaign-Id: a1\r\n\tb'], 'a1 b'),
            ('the first of the list last', [b'List-Id: The list <x.example.org>', b'X-Campaign-Id: a2'], 'a2'),
            ('List-Id', [b'List-Id: The list\r\n <a3.example.org>'], 'a3.example.org'),
            ('Feedback-ID', [b'Feedback-ID: a4:x:y:esp'], 'a4:esp'),
            ('a mark of a result', [b'X-Campaign-Id: a5\r\n => u@example.org R=r T=t'], 'a5 => u@example.org r=r t=t'),
            ('a line of a result', [b'X-Campaign-Id: a6\n2026-11-21 09:12:01 1jmFYj-00039V-QX => u@example.org'], 'a6'),
            ('long', [b'X-Campaign-Id: ' + b'a7' * 400], 'a7' * 100),
            ('UTF-8', ['X-Campaign-Id: a8 ü'.encode()], r'a8 \303\274'),
            ('without', [b'X-Mailer: x'], None),
        ]
        want = {}
        for n, (name, headers, campaign) in enumerate(cases):
            self.exim.send('user%d@example.com' % n, headers=b''.join(h + b'\r\n' for h in headers))
            if campaign:
                want.update(self.attempt(campaign, 'delivered'))
        self.site.wait_counter('delivered', len(cases))
        self.assertEqual(self.campaigns(), want, self.exim.log())
        self.assertEqual(self.site.counter('delivered'), len(cases))


class Logs(CampaignCase):
    """What needs no mail server."""

    def read(self, text, name):
        path = os.path.join(self.directory, name)
        with open(path, 'w') as f:
            f.write(text)
        child = self.site.logtail('--once', path, ready=False)
        self.assertEqual(child.wait(), OK, child.log())

    def header(self, m, value):
        return m.line('cleanup', '%s: info: header X-Campaign-Id: %s from h[192.0.2.7]; from=<%s> to=<u@example.com> '
                      'proto=ESMTP helo=<h>' % (m.qid, value, m.sender))

    def test_days_later(self):
        # The second log does not tell the campaign any more.
        self.with_redis()
        m = Message()
        self.read(m.begin(2) + self.header(m, 'spring') + m.deferred('a@example.com') + m.deferred('b@example.com'), 'one.log')
        self.read(m.sent('a@example.com', 30.0) + m.bounced('b@example.com', after=31.0) + m.removed(32.0), 'two.log')
        self.assertEqual(self.campaigns(), {'spring|attempts': 4, 'spring|deferred': 2, 'spring|failing': 2,
                                            'spring|delivered': 1, 'spring|hard': 1})
        self.assertEqual(self.history('b@example.com')[0]['campaign'], 'spring')

    def test_an_older_message_of_the_queue_id(self):
        self.with_redis()
        m = Message(when=time.time() - 3600)
        self.read(m.begin() + self.header(m, 'spring') + m.deferred('a@example.com'), 'one.log')
        m.when += 1800
        self.read(m.begin() + m.deferred('a@example.com'), 'two.log')
        self.assertEqual(self.redis.hgetall('nixie:{0}:pend:mx1/postfix/' + m.qid)['campaign'], '')

    def test_other_headers(self):
        self.with_redis()
        self.site.options['logtail']['campaign-headers'] = ['X-Job']
        self.site.write_conf()
        one, two = Message(), Message()
        self.read(one.begin() + self.header(one, 'spring') + one.sent('a@example.com') +
                  two.begin() + self.header(two, 'autumn').replace('X-Campaign-Id', 'x-job') + two.sent('a@example.com'), 'one.log')
        self.assertEqual(self.campaigns(), self.attempt('autumn', 'delivered'))

    def test_a_reload_changes_the_headers(self):
        self.with_redis()
        open(self.site.log_path, 'w').close()
        reader = self.site.logtail()
        self.site.options['logtail']['campaign-headers'] = []
        self.site.write_conf()
        reader.send_signal(1)
        reader.wait_log('reload')
        m = Message()
        with open(self.site.log_path, 'a') as f:
            f.write(m.begin() + self.header(m, 'spring') + m.sent('a@example.com'))
        self.site.wait_counter('delivered', 1)
        self.assertEqual(self.campaigns(), {})

    def test_a_rate_over_its_limit(self):
        self.with_redis()
        self.site.options['alerts'] = {'minimum': 100, 'hard': '5 %'}
        self.site.write_conf()
        lines = []
        # of today, whatever the time: a rate is one of a day
        begin = time.time() // 86400 * 86400
        for n in range(300):
            m = Message(when=begin, sender='news@d%d.example' % n)
            lines += [m.begin(), self.header(m, 'spring' if n % 3 else 'autumn')]
            lines += [m.bounced('u%d@example.com' % n, after=0.5) if n % 6 == 1 else m.sent('u%d@example.com' % n, 0.5)]
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(lines))
        self.site.logtail()
        wait_until(lambda: 'rate-hard/campaign/spring' in self.redis.hgetall('nixie:{0}:alerts'), 'alert')
        self.assertNotIn('rate-hard/campaign/autumn', self.redis.hgetall('nixie:{0}:alerts'))
        self.assertIn('campaign spring', self.site.ctl_ok('alerts'))
