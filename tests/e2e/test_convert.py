"""From the log to the state of an address: occurrences, windows, conversions, event time."""
import time

from harness import maillog
from harness.case import Case
from harness.maillog import delivered, full, hard
from harness.nixie import run

DAY = 86400
NO_MX = '421 4.4.0 [internal] no MXs for this domain could be reached at this time'


def expired(to, reply, when):
    """Deferred three times, then given up: one occurrence."""
    m = maillog.Message(when=when)
    return (m.begin() + ''.join(m.deferred(to, reply, after=n * 3600.0) for n in (1, 2, 3))
            + m.line('qmgr', '%s: from=<%s>, status=expired, returned to sender'
                     % (m.qid, m.sender), 4 * 3600) + m.removed(4 * 3600 + 1))


class Conversions(Case):
    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        # Old enough that "24 hours later" is still the past.
        self.now = time.time() - 2 * DAY

    def read(self, *texts):
        """One reading for each text; the log grows."""
        for text in texts:
            with open(self.site.log_path, 'a') as f:
                f.write(text)
            done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
            self.assertEqual(done.returncode, 0, done.stderr)

    def known(self, address='user@example.com'):
        return self.site.check(address) or {'status': None}

    def no_mx(self, *days_ago):
        return [expired('user@example.com', NO_MX, self.now - d * DAY) for d in days_ago]

    def test_three_without_mx_change_nothing(self):
        self.read(*self.no_mx(90, 60, 30))
        self.assertEqual(self.known()['status'], 'soft')
        self.assertEqual(self.site.counter('soft'), 3)

    def test_fourth_without_mx_is_hard(self):
        self.read(*self.no_mx(90, 60, 30, 1))
        known = self.known()
        self.assertEqual((known['status'], known['reason']), ('hard', 'dns.no-mx'))
        self.assertEqual(self.site.counter('soft-to-hard'), 1)

    def test_fourth_in_any_order(self):
        self.read(*self.no_mx(1, 60, 30, 90))
        self.assertEqual(self.known()['status'], 'hard')

    def test_four_in_one_reading(self):
        self.read(''.join(self.no_mx(90, 60, 30, 1)))
        self.assertEqual(self.known()['status'], 'hard')

    def test_four_in_more_than_a_year(self):
        self.read(*self.no_mx(380, 60, 30, 1))
        self.assertEqual(self.known()['status'], 'soft')

    def test_retries_of_one_message_are_one(self):
        m = maillog.Message(when=self.now - DAY)
        self.read(m.begin() + ''.join(m.deferred('user@example.com', NO_MX, after=n * 60.0)
                                      for n in range(1, 30)))
        self.assertNotEqual(self.known()['status'], 'hard')
        self.assertEqual(self.site.counter('soft'), 0)

    def test_full_for_three_days_is_held(self):
        self.read(full('user@example.com', when=self.now - 5 * DAY),
                  full('user@example.com', when=self.now - DAY))
        known = self.known()
        self.assertEqual((known['status'], known['reason']), ('held', 'mailbox.full'))
        self.assertIn('until', known)

    def test_full_twice_in_a_day_is_not(self):
        self.read(full('user@example.com', when=self.now - DAY),
                  full('user@example.com', when=self.now - DAY / 2))
        self.assertEqual(self.known()['status'], 'soft')

    def test_full_once_is_not(self):
        self.read(full('user@example.com', when=self.now - 5 * DAY))
        self.assertEqual(self.known()['status'], 'soft')

    def test_full_with_a_delivery_in_between_is_not(self):
        self.read(full('user@example.com', when=self.now - 5 * DAY),
                  delivered('user@example.com', when=self.now - 3 * DAY),
                  full('user@example.com', when=self.now - DAY))
        self.assertEqual(self.known()['status'], 'soft')

    def test_delivery_clears_soft(self):
        self.read(full('user@example.com', when=self.now - 5 * DAY))
        self.assertEqual(self.known()['status'], 'soft')
        self.read(delivered('user@example.com', when=self.now - 3 * DAY))
        self.assertNotEqual(self.known()['status'], 'soft')

    def test_older_delivery_clears_nothing(self):
        # A log of another host, read later.
        self.read(full('user@example.com', when=self.now - 2 * DAY),
                  delivered('user@example.com', when=self.now - 3 * DAY))
        self.assertEqual(self.known()['status'], 'soft')

    def test_delivery_frees_nobody_who_said_no(self):
        self.site.ctl_ok('suppress', 'user@example.com')
        self.read(delivered('user@example.com', when=self.now))
        self.assertEqual(self.known()['status'], 'manual')

    def test_configured_conversion(self):
        self.site.options['conversions'] = ({'match': 'greylisted', 'count': 2, 'window': '7 days',
                                             'to': 'hard'},)
        self.site.write_conf()
        greylisted = '450 4.2.0 <{to}>: Recipient address rejected: Greylisted, see https://x.example/'
        self.read(expired('user@example.com', greylisted, self.now - 5 * DAY))
        self.assertEqual(self.known()['reason'], 'greylisted')
        self.assertEqual(self.known()['status'], 'soft')
        self.read(expired('user@example.com', greylisted, self.now - DAY))
        self.assertEqual(self.known()['status'], 'hard')

    def test_counted_on_the_day_it_happened(self):
        when = self.now - 40 * DAY
        self.read(hard('user@example.com', when=when) + delivered('fine@example.com', when=when))
        day = time.strftime('%Y%m%d', time.gmtime(when))
        counters = self.redis.hgetall('nixie:{0}:day:' + day)
        self.assertEqual((counters.get('hard'), counters.get('delivered')), ('1', '1'))
        self.assertEqual(self.known()['status'], 'hard')

    def test_dry_run_says_the_same(self):
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(self.no_mx(90, 60, 30, 1)) + hard('gone@example.com', when=self.now))
        done = run('nixie-logtail', '--dry-run', self.site.log_path)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in 'user@example.com', 'dns.no-mx', 'gone@example.com', 'recipient.unknown':
            self.assertIn(word, done.stdout)
