"""The data in a master that Sentinel names: another takes over, and nothing is lost or doubled."""
from harness.maillog import delivered, hard
from harness.nixie import NO_REDIS
from harness.peace import PeaceCase, snapshot
from harness.proc import wait_until
from harness.servers import Watched, wait_in_step
from test_acl import documented


class SentinelCase(PeaceCase):
    PARTITIONS = 1

    def setUp(self):
        super().setUp()
        self.watched = Watched(self.directory)
        self.site = self.with_servers(self.watched, self.PARTITIONS)


class Asking(SentinelCase):
    def setUp(self):
        super().setUp()
        with open(self.site.log_path, 'w') as f:
            f.write(hard('gone@example.com') + delivered('fine@example.com'))
        self.site.once()

    def test_verbs(self):
        known = self.site.check('gone@example.com')
        self.assertEqual(known['status'], 'hard')
        self.assertIn('gone@example.com', self.site.ctl_ok('token', known['token']))
        self.assertIn('gone@example.com', self.site.ctl_ok('list'))
        self.site.ctl_ok('suppress', 'by-hand@example.com')
        self.assertEqual(self.site.check('by-hand@example.com')['status'], 'manual')
        self.assertIn(self.site.ctl('doctor').returncode, (0, 1))

    def test_a_user_with_the_documented_rights(self):
        for server in self.watched.servers:
            server.command('ACL', 'SETUSER', 'nixie', 'on', '>secret', '~nixie:*', 'resetchannels', '+role',
                           *['+' + c for c in documented()['nixie']])
        self.site.write_conf(redis={'user': 'nixie', 'password': 'secret'})
        self.assertEqual(self.site.check('gone@example.com')['status'], 'hard')
        self.site.ctl_ok('suppress', 'by-hand@example.com')
        for server in self.watched.servers:
            server.command('ACL', 'SETUSER', 'nixie', '-role')
        done = self.site.ctl('check', 'gone@example.com')
        self.assertEqual(done.returncode, NO_REDIS, done.stdout)
        self.assertIn('+role', done.stderr)

    def test_two_sentinels_are_gone(self):
        self.watched.kill_sentinel(0)
        self.watched.kill_sentinel(0)
        self.assertEqual(self.site.check('gone@example.com')['status'], 'hard')

    def test_all_sentinels_are_gone(self):
        child = self.policyd('gone@example.com')
        for _ in range(3):
            self.watched.kill_sentinel(0)
        # who has found the master needs them no more
        self.site.ask('other@example.com')
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertIsNone(child.poll())
        done = self.site.ctl('check', 'gone@example.com')
        self.assertEqual(done.returncode, NO_REDIS, done.stdout)
        self.assertIn('Sentinel at', done.stderr)

    def test_a_name_that_they_do_not_know(self):
        self.site.write_conf(redis={'address': self.watched.address.replace('post', 'mail')})
        done = self.site.ctl('check', 'gone@example.com')
        self.assertEqual(done.returncode, NO_REDIS, done.stdout)
        self.assertIn('mail', done.stderr)

    def test_policyd_over_a_failover(self):
        child = self.policyd('gone@example.com')
        master = self.watched.master()
        wait_in_step(master, self.watched.replica())
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@example.com'))
            self.assertDunno(c.ask('fine@example.com'))
            master.kill()
            self.watched.wait_master(master)
            self.site.ctl_ok('suppress', 'fine@example.com')
            wait_until(lambda: c.ask('fine@example.com').startswith('5'), 'refusal', child=child)
            self.assertSuppressed(c.ask('gone@example.com'))


class Following(SentinelCase):
    apart = True

    def survive(self, take_over, lagging=False):
        feeder = self.make_log()
        feeder.feed(0.2)
        child = self.site.logtail()
        master = self.watched.master()
        replica = self.watched.replica()
        if lagging:
            wait_until(lambda: snapshot(replica) == snapshot(master), 'replica in step')
            replica.lag_behind(master)
            before = snapshot(replica)
            feeder.feed(0.3)
            wait_until(lambda: snapshot(master) != before, 'something for the replica to miss', child=child)
        with feeder:
            take_over(master)
        # what the old one was told meanwhile is lost
        replica.command('CONFIG', 'SET', 'masterauth', '')
        # on a slow machine the new master may seem to be down, too: then the old one is it again
        self.watched.wait_whole()
        feeder.finish()
        self.assertWhole(child)
        self.assertEqual(child.stop(), 0)

    def kill(self, master):
        """It comes back as a replica; the new master."""
        master.kill()
        other = self.watched.wait_master(master)
        master.start()
        return other

    def test_kill_9_of_the_master(self):
        self.survive(self.kill)

    def test_kill_9_and_the_replica_had_missed_something(self):
        self.survive(self.kill, lagging=True)

    def test_kill_9_of_one_after_the_other(self):
        """The old master is the new one again."""
        def both(master):
            other = self.kill(master)
            self.watched.wait_whole()
            self.kill(other)
        self.survive(both)

    def test_nothing_comes_after_what_the_replica_had_missed(self):
        """The reader finds out while it waits."""
        feeder = self.make_log()
        feeder.feed(0.5)
        child = self.site.logtail()
        master, replica = self.watched.master(), self.watched.replica()
        replica.lag_behind(master)
        feeder.finish()
        self.assertWhole(child)
        master.kill()
        self.watched.wait_master(master)
        self.assertWhole(child)
        child.wait_log('lost its last writes')

    def test_told_to_fail_over(self):
        def told(master):
            self.watched.clients[0]('SENTINEL', 'FAILOVER', self.watched.NAME)
            self.watched.wait_master(master)
        self.survive(told)

    def test_a_master_that_hangs(self):
        def hang(master):
            master.freeze()
            self.watched.wait_master(master)
            master.thaw()
        self.survive(hang)


class Partitioned(SentinelCase):
    """Several partitions in one server are the same thing."""
    PARTITIONS = 8

    def test_once(self):
        self.make_log().finish()
        self.site.once()
        self.assertWhole()
