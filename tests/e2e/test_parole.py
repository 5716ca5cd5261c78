"""After a term one message is let through; what becomes of it decides."""
import concurrent.futures
import json
import time

from harness.case import Case
from harness.maillog import Message
from harness.nixie import run
from harness.policy import ask, request

DAY = 86400
FULL = '552 5.2.2 <{to}>: mailbox full'
BLOCKED = '550 5.7.1 blocked using zen.spamhaus.org'


class Parole(Case):
    """user@example.com was full over four days, 20 days ago: held for 15 of them."""

    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        self.start = time.time() - 20 * DAY
        self.read(self.failed(self.start - 4 * DAY) + self.failed(self.start))
        self.assertEqual(self.entry()['status'], 'held')

    def failed(self, when, reply=FULL):
        m = Message(when=when)
        return m.begin() + m.bounced('user@example.com', reply) + m.removed()

    def read(self, text):
        with open(self.site.log_path, 'a') as f:
            f.write(text)
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, 0, done.stderr)

    def entry(self):
        return self.redis.hgetall('nixie:{0}:addr:user@example.com')

    def ask(self, instance):
        return self.site.ask('user@example.com', instance=instance)

    def test_exactly_one_of_many(self):
        self.site.policyd()
        clients = [self.site.policy_client() for _ in range(60)]
        for i, client in enumerate(clients):
            client.send(request('user@example.com', instance='4f2.%d' % i))
        answers = [client.answer() for client in clients]
        for client in clients:
            client.close()
        self.assertEqual(sum('DUNNO' in str(a) for a in answers), 1, answers)
        self.assertEqual(sum('550 5.2.2' in str(a) for a in answers), 59)
        for answer in answers:
            if 'DUNNO' not in str(answer):
                self.assertIn(', awaiting the fate of another message', str(answer))
                self.assertNotIn(' until ', str(answer))

    def test_exactly_one_of_two_daemons(self):
        self.site.policyd()
        first = self.site.policy_path
        other = self.make_second()
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            jobs = [pool.submit(ask, path, 'user@example.com', instance='%d.%d' % (i, n))
                    for i in range(20) for n, path in enumerate((first, other))]
            answers = [job.result() for job in jobs]
        self.assertEqual(answers.count('DUNNO'), 1, answers)

    def make_second(self):
        path = self.site.policy_path + '.2'
        self.site.write_conf(policyd={'listen': ['unix:' + path]})
        self.site.policyd()
        return path

    def test_the_same_message_may_ask_again(self):
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        self.assertDunno(self.ask('4f2.1'))
        self.assertSuppressed(self.ask('4f2.2'), 'mailbox.full')

    def test_the_refusal_is_known_again(self):
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        reply = '554 5.7.1 <{to}>: Recipient address rejected: ' + self.ask('4f2.2').split(' ', 2)[2]
        self.assertIn('awaiting', reply)
        done = self.site.ctl('explain', '--json', reply.format(to='user@example.com'))
        self.assertEqual(json.loads(done.stdout)['rule'], 'suppressed.nixie', done.stdout)

    def test_delivered_is_free(self):
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        m = Message(when=time.time() - 5)
        self.read(m.begin() + m.sent('user@example.com') + m.removed())
        self.assertEqual(self.entry(), {})
        for i in range(3):
            self.assertDunno(self.ask('4f2.%d' % i))

    def test_failed_is_the_next_longer_term(self):
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        self.read(self.failed(time.time()))
        entry = self.entry()
        self.assertEqual((entry['status'], entry['term']), ('held', '1'))
        self.assertNotIn('parole', entry)
        days = (int(entry['until']) - int(entry['since'])) / DAY
        self.assertEqual(days, 30)
        self.assertSuppressed(self.ask('4f2.2'), 'mailbox.full')

    def test_our_own_fault_is_another_chance(self):
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        self.read(self.failed(time.time(), BLOCKED))
        self.assertDunno(self.ask('4f2.2'))
        self.assertSuppressed(self.ask('4f2.3'), 'mailbox.full')

    def test_never_heard_of_again(self):
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        self.redis.command('HSET', 'nixie:{0}:addr:user@example.com', 'parole', str(int(time.time()) - 2 * DAY))
        self.assertDunno(self.ask('4f2.2'))
        self.assertSuppressed(self.ask('4f2.3'), 'mailbox.full')

    def test_shadow_takes_no_token(self):
        self.site.write_conf(policyd={'shadow': True})
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        self.assertNotIn('parole', self.entry())

    def test_looking_takes_no_token(self):
        text = self.site.ctl('check', 'user@example.com').stdout
        self.assertIn('one message', text)
        self.assertNotIn('parole', self.entry())

    # -- when Redis does not tell -------------------------------------------------------

    def test_a_server_that_refuses_is_a_store_failure(self):
        self.site.policyd()
        self.redis.command('CONFIG', 'SET', 'maxmemory', '1')
        self.assertDunno(self.ask('4f2.1')) # on-store-failure
        self.redis.command('CONFIG', 'SET', 'maxmemory', '0')
        self.assertDunno(self.ask('4f2.2')) # nobody had the token

    def test_a_server_that_refuses_and_defer(self):
        self.site.write_conf(policyd={'on-store-failure': 'defer'})
        self.site.policyd()
        self.redis.command('CONFIG', 'SET', 'maxmemory', '1')
        self.assertRegex(self.ask('4f2.1'), '^DEFER_IF_PERMIT 4')

    # -- hostile and unlucky ------------------------------------------------------------

    def test_a_stamp_from_the_future_holds_nobody_up(self):
        self.redis.command('HSET', 'nixie:{0}:addr:user@example.com', 'parole', str(int(time.time()) + 3650 * DAY), 'parole-by', 'x')
        self.site.policyd()
        self.assertDunno(self.ask('4f2.1'))
        self.assertSuppressed(self.ask('4f2.2'), 'mailbox.full')

    def test_numbers_beyond_all_time(self):
        for field in 'parole', 'until', 'since', 'first', 'last', 'count', 'term':
            self.redis.command('HSET', 'nixie:{0}:addr:user@example.com', field, '9223372036854775807')
        self.site.policyd()
        self.assertRegex(self.ask('4f2.1'), '^(DUNNO|550 )')
        self.read(self.failed(time.time()))
        self.assertEqual(self.site.ctl('check', '--json', 'user@example.com').returncode, 0)

    def test_a_damaged_revision_is_replaced(self):
        self.redis.command('HSET', 'nixie:{0}:addr:user@example.com', 'revision', 'abc')
        self.read(self.failed(time.time()))
        self.assertRegex(self.entry()['revision'], '^[0-9]+$')

    def test_without_an_instance(self):
        """Exim sends none: client and sender stand for the message."""
        self.site.policyd()
        ask_as = lambda sender: self.site.ask('user@example.com', instance=None, sender=sender)
        self.assertDunno(ask_as('a@example.org'))
        self.assertDunno(ask_as('a@example.org'))
        self.assertSuppressed(ask_as('b@example.org'), 'mailbox.full')

    def test_clients_that_go_away(self):
        """A token that was given to nobody is taken back."""
        self.site.policyd()
        for i in range(10):
            with self.site.policy_client() as client:
                client.send(request('user@example.com', instance='gone.%d' % i))
        granted = 0
        for i in range(20):
            granted += self.ask('here.%d' % i) == 'DUNNO'
            if granted:
                break
            time.sleep(0.05)
        self.assertLessEqual(granted, 1)
        by = self.entry().get('parole-by', '')
        self.assertTrue(granted or by.startswith('gone.'), by)

    def test_an_old_message_of_the_queue_ends_no_parole(self):
        self.site.policyd()
        old = Message(when=time.time() - 3 * DAY)
        self.assertDunno(self.ask('4f2.1'))
        self.read(old.begin() + old.bounced('user@example.com', BLOCKED, after=3 * DAY - 1) + old.removed())
        self.assertSuppressed(self.ask('4f2.2'), 'mailbox.full')
