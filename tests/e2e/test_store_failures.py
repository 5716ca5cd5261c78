"""Redis absent, hung, full, read-only, or refusing: mail flows, nothing is lost or doubled."""
import os
import shutil
import time

from harness.case import Case
from harness.maillog import Message, delivered, hard
from harness.nixie import NO_REDIS
from harness.proc import wait_until
from harness.redis import RedisServer

# Who waits although there is no Redis to wait for does so for DEADLINE; who does not takes PROMPT_S at most, on any machine.
DEADLINE, PROMPT_S = '30s', 15.0


class Failures(Case):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.directory)
        self.addCleanup(self.redis.stop)
        self.make_site(self.redis)
        self.site.options['policyd']['deadline'] = DEADLINE
        self.site.write_conf()
        self.sent = self.hard = 0

    def log(self, n=5):
        with open(self.site.log_path, 'a') as f:
            for _ in range(n):
                f.write(hard('gone%d@example.com' % self.hard))
                f.write(delivered('ok%d@example.com' % self.sent))      # the last: when it is counted all are
                self.sent += 1
                self.hard += 1

    def settle(self):
        self.log(1)
        self.site.wait_counter('delivered', self.sent)
        counters = self.site.counters()
        self.assertEqual((counters.get('delivered'), counters.get('hard')), (self.sent, self.hard))
        self.assertEqual(counters.get('soft', 0), 0)
        for i in range(self.hard):
            self.assertEqual(self.site.status('gone%d@example.com' % i), 'hard')

    def prompt_dunno(self, recipient, times=3):
        for n in range(times):
            start = time.monotonic()
            self.assertDunno(self.site.ask(recipient))
            self.assertLess(time.monotonic() - start, PROMPT_S)

    def wait_refusal(self, recipient, child):
        wait_until(lambda: self.site.ask(recipient).startswith('5'), 'refusal of ' + recipient,
                   child=child)

    def nixie_fails(self, *words, status=NO_REDIS):
        """Every verb that needs Redis ends with the status and says why."""
        for args in (('check', 'user@example.com'), ('suppress', 'user@example.com'),
                     ('list',), ('stats',), ('reset', 'user@example.com'),
                     ('check', '--json', 'user@example.com')):
            with self.subTest(args[0]):
                done = self.site.ctl(*args)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                self.assertTrue(any(w.lower() in done.stderr.lower() for w in words), done.stderr)

    def write_fails(self, *words):
        """Only what writes ends with the status."""
        done = self.site.ctl('suppress', 'user@example.com')
        self.assertEqual(done.returncode, NO_REDIS, done.stdout + done.stderr)
        self.assertTrue(any(w.lower() in done.stderr.lower() for w in words), done.stderr)


class Down(Failures):
    def test_policyd_at_start(self):
        child = self.site.policyd()
        self.prompt_dunno('gone@example.com')
        child.wait_log(self.redis.socket)
        self.redis.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.wait_refusal('gone@example.com', child)

    def test_policyd_at_start_with_defer(self):
        self.site.options['policyd']['on-store-failure'] = 'defer'
        self.site.write_conf()
        child = self.site.policyd()
        self.assertRegex(self.site.ask('user@example.com'), r'^DEFER_IF_PERMIT 4\.3\.0 \S')
        self.redis.start()
        wait_until(lambda: self.site.ask('user@example.com') == 'DUNNO', 'DUNNO', child=child)

    def test_policyd_killed_under_an_open_connection(self):
        self.redis.start()
        child = self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@example.com'))
            self.redis.kill()
            start = time.monotonic()
            for n in range(10):
                self.assertDunno(c.ask('u%d@example.com' % n))
            self.assertLess(time.monotonic() - start, 10 * PROMPT_S)
            self.redis.start()
            wait_until(lambda: c.ask('gone@example.com').startswith('5'), 'refusal', child=child)

    def test_policyd_sees_changes_made_while_it_was_cut_off(self):
        # The answers it remembers may be wrong after a lost connection.
        self.redis.start()
        child = self.site.policyd()
        self.assertDunno(self.site.ask('user@example.com'))
        self.redis.kill()
        self.redis.start()
        self.site.ctl_ok('suppress', 'user@example.com')
        self.wait_refusal('user@example.com', child)

    def test_policyd_does_not_flood_the_log(self):
        child = self.site.policyd()
        with self.site.policy_client() as c:
            for n in range(2000):
                self.assertDunno(c.ask('u%d@example.com' % n))
        self.assertLess(len(child.log().splitlines()), 100)

    def test_logtail_at_start(self):
        self.log()
        child = self.site.logtail(ready=False)
        child.wait_log(self.redis.socket)
        self.assertIsNone(child.poll())
        self.log()
        self.redis.start()
        child.wait_ready()
        self.settle()

    def test_logtail_killed_redis(self):
        self.redis.start()
        self.log(20)
        child = self.site.logtail()
        for _ in range(3):
            self.redis.kill()
            self.log(20)
            child.wait_log(self.redis.socket)
            self.redis.start()
            self.log(5)
            self.site.wait_counter('delivered', self.sent)
        self.settle()

    def test_logtail_redis_emptied(self):
        # A Redis that lost everything lost the position too: all is read again.
        self.redis.start()
        self.log(5)
        self.site.logtail()
        self.redis.kill()
        shutil.rmtree(os.path.join(self.redis.directory, 'appendonlydir'))
        self.redis.start()
        self.settle()

    def test_logtail_torn_append_only_file(self):
        # Redis cuts a torn command off and leaves its transaction open; what is sent again
        # goes behind it, and the second restart replays both.
        self.redis.start()
        self.log(20)
        child = self.site.logtail()
        for cut in 1, 40, 400:
            self.log(3)
            self.site.wait_counter('delivered', self.sent)
            self.redis.kill()
            self.redis.tear(cut)
            self.redis.start()
            self.settle()
            self.redis.kill()
            self.redis.start()
            self.settle()
        self.assertIsNone(child.poll())

    def test_logtail_stops_while_it_waits(self):
        self.log()
        child = self.site.logtail(ready=False)
        child.wait_log(self.redis.socket)
        self.assertEqual(child.stop(), 0)
        self.redis.start()
        self.site.logtail()
        self.settle()

    def test_nixie(self):
        self.nixie_fails(self.redis.socket)

    def test_nixie_says_it_once(self):
        done = self.site.ctl('check', 'user@example.com')
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)


class Hung(Failures):
    """SIGSTOP: connections stay, answers do not come."""

    def setUp(self):
        super().setUp()
        self.redis.start()
        self.site.options['policyd']['deadline'] = '250ms'
        self.site.write_conf()

    def test_policyd(self):
        child = self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.wait_refusal('gone@example.com', child)
        self.redis.freeze()
        try:
            self.prompt_dunno('never-asked@example.com', times=5)
        finally:
            self.redis.thaw()
        self.wait_refusal('gone@example.com', child)

    def test_policyd_many_questions_at_once(self):
        self.site.policyd()
        clients = [self.site.policy_client() for _ in range(50)]
        self.redis.freeze()
        try:
            start = time.monotonic()
            for n, c in enumerate(clients):
                c.send(b'request=smtpd_access_policy\nprotocol_state=RCPT\n'
                       b'recipient=new%d@example.com\n\n' % n)
            for c in clients:
                self.assertDunno(c.action())
            self.assertLess(time.monotonic() - start, 2 * PROMPT_S)
        finally:
            self.redis.thaw()
            for c in clients:
                c.close()

    def test_logtail_is_exact_after_lost_answers(self):
        # The frozen server has the batch in its socket and applies it when thawed.
        self.site.write_conf(redis={'timeout': '1s'})
        self.log(20)
        child = self.site.logtail()
        self.redis.freeze()
        try:
            self.log(20)
            child.wait_log(self.redis.socket)     # the timeout of 1 s
            self.log(20)
        finally:
            self.redis.thaw()
        self.settle()

    def test_nixie(self):
        self.site.write_conf(redis={'timeout': '1s'})
        self.redis.freeze()
        try:
            done = self.site.ctl('check', 'user@example.com')       # which ends
        finally:
            self.redis.thaw()
        self.assertEqual(done.returncode, NO_REDIS, done.stderr)
        self.assertIn(self.redis.socket, done.stderr)


class Full(Failures):
    def setUp(self):
        super().setUp()
        self.redis.start()
        self.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')

    def fill(self):
        self.redis.command('CONFIG', 'SET', 'maxmemory', '1')

    def empty(self):
        self.redis.command('CONFIG', 'SET', 'maxmemory', '0')

    def test_policyd(self):
        self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.fill()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertDunno(self.site.ask('fine@example.com'))

    def test_logtail(self):
        self.log()
        child = self.site.logtail()
        self.fill()
        self.log()
        child.wait_log('memory')
        self.assertIsNone(child.poll())
        self.empty()
        self.settle()

    def test_nixie(self):
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.fill()
        self.write_fails('memory')
        self.assertIn('gone@example.com', self.site.ctl_ok('check', 'gone@example.com'))
        self.assertIn('gone@example.com', self.site.ctl_ok('list'))


class ReadOnlyReplica(Failures):
    def setUp(self):
        super().setUp()
        self.redis.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        # Replica of a port where nobody listens: it keeps its data and refuses writes.
        self.redis.command('REPLICAOF', '127.0.0.1', '1')

    def test_policyd(self):
        self.site.policyd()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertDunno(self.site.ask('fine@example.com'))

    def test_logtail(self):
        self.log()
        child = self.site.logtail(ready=False)
        child.wait_log('replica')
        self.assertIsNone(child.poll())
        self.redis.command('REPLICAOF', 'NO', 'ONE')
        self.settle()

    def test_nixie(self):
        self.write_fails('replica', 'READONLY')


class Password(Failures):
    def setUp(self):
        super().setUp()
        self.redis.options += ['--requirepass', 'correct horse']
        self.redis.start()
        self.redis.command('AUTH', 'correct horse')

    def use(self, password):
        self.site.options['redis']['password'] = password
        self.site.write_conf()

    def test_right(self):
        self.use('correct horse')
        self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.log()
        self.site.logtail()
        self.settle()

    def test_wrong(self):
        self.use('battery staple')
        policyd = self.site.policyd()
        self.prompt_dunno('gone@example.com')
        policyd.wait_log('password')
        self.log()
        logtail = self.site.logtail(ready=False)
        logtail.wait_log('password')
        self.assertIsNone(logtail.poll())
        self.nixie_fails('password')
        for text in policyd.log(), logtail.log():
            self.assertNotIn('battery staple', text)

    def test_missing(self):
        policyd = self.site.policyd()
        self.prompt_dunno('gone@example.com')
        policyd.wait_log('password')
        self.nixie_fails('password')

    def test_acl_user(self):
        self.redis.command('ACL', 'SETUSER', 'nixie', 'on', '>secret', '~nixie:*', '&*', '+@all')
        self.site.options['redis'].update(user='nixie', password='secret')
        self.site.write_conf()
        self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertSuppressed(self.site.ask('gone@example.com'))

    def test_acl_forbids_writing(self):
        self.redis.command('ACL', 'SETUSER', 'reader', 'on', '>secret', '~nixie:*', '&*',
                           '+@read', '+@connection', '+@pubsub')
        self.site.options['redis'].update(user='reader', password='secret')
        self.site.write_conf()
        self.write_fails('NOPERM', 'permission', 'not allowed', 'ACL')


class Trimmed(Failures):
    """Somebody erased a history: the ids of its stream go on where they were."""

    def write(self, to, when):
        with open(self.site.log_path, 'a') as f:
            f.write(hard(to, when=when))

    def count(self, to):
        return self.redis.hgetall('nixie:{0}:addr:' + to).get('count')

    def test_older_event_after_a_trim(self):
        self.redis.start()
        now = time.time()
        self.write('n1@example.com', now - 1000)
        child = self.site.logtail()
        for key in 'hist:n1@example.com', 'journal':
            self.redis.command('XTRIM', 'nixie:{0}:' + key, 'MAXLEN', '0')
        self.write('n2@example.com', now - 90000)
        self.write('n1@example.com', now - 90000)
        wait_until(lambda: self.count('n1@example.com') == '2', 'second failure', child=child)
        self.assertEqual(self.count('n2@example.com'), '1')

    def test_many_expire_at_once(self):
        # one line of the log ends 12,000 recipients
        self.redis.start()
        now = time.time()
        with open(self.site.log_path, 'w') as f:
            for m in range(12):
                message = Message(when=now - 5000)
                f.write(message.begin(1000))
                for n in range(1000):
                    f.write(message.deferred('r%d.%d@example.com' % (m, n)))
                f.write(message.line('qmgr', '%s: from=<%s>, status=expired, returned to sender'
                                     % (message.qid, message.sender), 4000))
                f.write(message.removed(4000.1))
        child = self.site.logtail(ready=False)
        wait_until(lambda: self.site.counters().get('soft') == 12000, 'soft failures', child=child)


class WrongType(Failures):
    """Somebody else's key where nixie's should be."""
    KEY = 'nixie:{0}:addr:gone0@example.com'

    def setUp(self):
        super().setUp()
        self.redis.start()
        self.redis.command('SET', self.KEY, 'not a hash')

    def test_policyd(self):
        child = self.site.policyd()
        self.prompt_dunno('gone0@example.com')
        child.wait_log('gone0@example.com')
        self.site.ctl_ok('suppress', 'other@example.com')
        self.assertSuppressed(self.site.ask('other@example.com'))

    def test_logtail(self):
        # It can neither skip the address nor count it twice: it waits and says which key.
        self.log()
        child = self.site.logtail(ready=False)
        child.wait_log(self.KEY)
        self.assertIsNone(child.poll())
        self.redis.command('DEL', self.KEY)
        self.settle()

    def test_nixie(self):
        for verb in 'check', 'suppress', 'reset':
            with self.subTest(verb):
                done = self.site.ctl(verb, 'gone0@example.com')
                self.assertEqual(done.returncode, NO_REDIS, done.stdout + done.stderr)
                self.assertRegex(done.stderr, 'type|WRONGTYPE')
        self.assertEqual(self.redis.command('GET', self.KEY), 'not a hash')


class NoScripts(Failures):
    def test_script_flush_and_failover(self):
        # A restarted or promoted Redis has no scripts loaded.
        self.redis.start()
        self.log()
        self.site.logtail()
        self.redis.command('SCRIPT', 'FLUSH')
        self.log()
        self.settle()
