"""The brake and mail that comes back: bounces obey it, and do not put it on."""
import json

from harness import returned
from harness.maillog import Message
from test_brake import DAY, HOUR, MINUTE, BrakeCase, T, gone, jump, week

NO_MX = '550 5.4.4 [internal] no MXs for this domain could be reached at this time'


class Brake(BrakeCase):
    def setUp(self):
        super().setUp()
        self.site.options['receive'] = {'remember': '7 days', 'wait': '1 ms'}
        self.site.write_conf()

    def deliver(self, n, when, domain='gmail.com'):
        """So many messages, one a second, to addresses that nobody wrote to before: [(address, Message-ID)]"""
        self.serial = getattr(self, 'serial', 0)
        made, text = [], ''
        for i in range(n):
            message, to = Message('news@example.org', when=when + i), 'late%d@%s' % (self.serial, domain)
            self.serial += 1
            text += message.begin() + message.line('smtp', '%s: to=<%s>, relay=aspmx.l.google.com[192.0.2.99]:25, delay=1, delays=0/0/0/1, '
                                                   'dsn=2.0.0, status=sent (250 2.0.0 OK)' % (message.qid, to)) + message.removed()
            made.append((to, '<%s@example.org>' % message.qid))
        self.read(text, when + n)
        return made

    def receive(self, now, mails):
        """All of them from a mailbox."""
        path = self.directory + '/box.mbox'
        with open(path, 'wb') as f:
            for one in mails:
                f.write(b'From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n' + one + b'\n')
        with self.clock(now):
            said = self.site.ctl_ok('receive', '--json', path)
        return [json.loads(line)['outcome'] for line in said.splitlines()]

    def bounces(self, made, now, reply='550 5.1.1 <{to}>: Recipient address rejected: User unknown'):
        status = reply.split()[1]
        return [returned.dsn([(to, 'failed', status, 'smtp; ' + reply.format(to=to))], returned.original(about), received=now) for to, about in made]

    def status(self, address):
        return self.entry(address).get('status', 'none')

    def alert(self, id_, since=T):
        self.redis.command('HSET', 'nixie:{0}:alerts', id_, 'since=%d opened=%d seen=%d until=0 count=30 of=40 usual=10 by=mx1:mail.log' % (since, since, since))

    # -- it does not put it on -------------------------------------------------------------

    def test_many_bounces(self):
        """Of a domain where nothing else fails: neither at once nor when a reader of a log starts and reads what was counted."""
        made = self.deliver(60, T)
        now = T + 5 * MINUTE
        self.assertEqual(set(self.receive(now, self.bounces(made, now))), {'counted'})
        self.assertEqual({self.status(to) for to, _ in made}, {'hard'})
        for after in 1, 2:
            self.deliver(5, now + after * MINUTE)
            self.assertEqual((self.alerts(), self.alert_log()), (set(), []))

    def test_of_those_that_the_log_tells(self):
        """They are enough by themselves: mail is neither added to them, nor taken away."""
        made = self.deliver(30, T)
        now = T + 5 * MINUTE
        self.receive(now, self.bounces(made, now))
        self.read(''.join(gone(now + i, 'valid%d@gmail.com' % i) for i in range(19)), now + MINUTE)
        self.assertEqual(self.alerts(), set())
        self.read(gone(now + MINUTE, 'valid19@gmail.com'), now + 2 * MINUTE)
        self.assertIn('hard/dest/gmail.com', self.alerts())

    def test_it_is_not_what_is_usual(self):
        """A week of bounces by mail: the log has none, so twenty are a jump."""
        for day in range(1, 8):
            made = self.deliver(30, T - day * DAY)
            now = T - day * DAY + HOUR
            self.receive(now, self.bounces(made, now))
        self.deliver(60, T)
        self.read(''.join(gone(T + 2 * MINUTE + i, 'valid%d@gmail.com' % i) for i in range(40)), T + 5 * MINUTE)
        self.assertIn('hard/dest/gmail.com', self.alerts())

    # -- it obeys --------------------------------------------------------------------------

    def test_what_a_reader_of_the_log_noticed(self):
        made = self.deliver(3, T - HOUR)
        self.read(week() + jump(end=T + HOUR), T + HOUR)
        self.assertIn('hard/dest/gmail.com', self.alerts())
        now = T + HOUR
        self.assertEqual(self.receive(now, self.bounces(made[:1], now)), ['counted'])
        entry = self.entry(made[0][0])
        self.assertEqual((entry['status'], entry['origin'], int(entry['until'])), ('held', 'dsn', now + DAY))
        self.assertEqual([step['why'] for step in self.journal() if step['address'] == made[0][0]], ['brake'])
        # another domain, and the brake is off
        other, = self.deliver(1, now + MINUTE, 'other.example')
        self.redis.command('HDEL', 'nixie:{0}:alerts', *[a for a in self.alerts() if not a.startswith('hard/dest/')])
        self.receive(now + 2 * MINUTE, self.bounces([other], now + 2 * MINUTE))
        self.redis.command('DEL', 'nixie:{0}:alerts')
        self.receive(now + 2 * MINUTE, self.bounces(made[1:2], now + 2 * MINUTE))
        self.assertEqual([self.status(to) for to in (other[0], made[1][0])], ['hard', 'hard'])

    def test_whom_it_is_about(self):
        for alert, want in (('hard/all', 'held'), ('hard/dest/gmail.com', 'held'), ('hard/dest/other.example', 'hard'),
                            ('hard/rule/recipient.unknown-user', 'held'), ('hard/rule/mailbox.full', 'hard'),
                            # of conversions only: what the recipient's server said was not our network's fault
                            ('failing/all', 'hard'), ('throttled/all', 'hard'), ('rate-hard/sender/example.org', 'hard')):
            with self.subTest(alert):
                made = self.deliver(1, T)
                self.redis.command('DEL', 'nixie:{0}:alerts')
                self.alert(alert)
                self.receive(T + MINUTE, self.bounces(made, T + MINUTE))
                self.assertEqual(self.status(made[0][0]), want)
                self.redis.command('DEL', 'nixie:{0}:alerts')

    def test_conversions(self):
        """Three times there was no server: the fourth makes it hard, unless our own network fails."""
        for alert, want in ('failing/all', 'held'), ('throttled/all', 'hard'):
            with self.subTest(alert):
                address = alert.split('/')[0] + '@gmail.com'
                self.redis.command('DEL', 'nixie:{0}:alerts')
                self.site.write_conf(conversions=({'match': 'dns.no-mx', 'count': 4, 'window': '12 months', 'to': 'hard'},))
                for i in range(4):
                    now = T + i * HOUR
                    message = Message('news@example.org', when=now)
                    self.read(message.begin() + message.sent(address), now + 2)
                    if i == 3:
                        self.alert(alert)
                    self.receive(now + MINUTE, self.bounces([(address, '<%s@example.org>' % message.qid)], now + MINUTE, NO_MX))
                self.assertEqual(self.status(address), want)

    def test_it_is_switched_off(self):
        self.site.write_conf(brake={'enabled': False})
        made = self.deliver(1, T)
        self.alert('hard/all')
        self.receive(T + MINUTE, self.bounces(made, T + MINUTE))
        self.assertEqual(self.status(made[0][0]), 'hard')
