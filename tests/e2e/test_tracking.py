"""What changes in Redis is told, by every server that has some of it; and what may not have been told is known."""
import random
import signal
import time

from harness.case import Case
from harness.peace import PeaceCase
from harness.proc import wait_until
from harness.servers import FAIL_OVER_LIMIT, RedisCluster, Watched, partition_of, slot_of, wait_in_step
from harness.watch import Watch, told
from test_acl import documented

# TRACKING_SILENCE_MS, and what a slow machine may add
SILENCE_S = 2.0


def addr(name, partition=0):
    return 'nixie:{%d}:addr:%s' % (partition, name)


def domain(name, partition=0):
    return 'nixie:{%d}:domain:%s' % (partition, name)


class Watching(Case):
    OPTIONS = ()

    def setUp(self):
        super().setUp()
        self.site = self.with_redis(*self.OPTIONS)

    def watch(self):
        w = Watch(self.site)
        w.wait_whole()
        w.mark()
        return w

    def assertTold(self, w):
        told(w, lambda: self.redis.command('HSET', addr('a@example.com'), 'status', 'hard'), 'changed a@example.com')

    def trackers(self):
        """Ids of the connections that track."""
        return [line.split()[0][3:] for line in self.redis.command('CLIENT', 'LIST').splitlines()
                if ' sub=1 ' in line]


class OneServer(Watching):
    def test_changes(self):
        w = self.watch()
        command = self.redis.command
        there = ('HSET', addr('a@example.com'), 'status', 'hard')
        for before, change in ((None, there),
                               (there, there),      # the same again
                               (there, ('EXPIRE', addr('a@example.com'), 1000)),
                               (there, ('RENAME', addr('a@example.com'), 'elsewhere')),
                               (('HSET', 'elsewhere', 'status', 'hard'), ('RENAME', 'elsewhere', addr('a@example.com'))),
                               (there, ('DEL', addr('a@example.com')))):
            if before:
                command(*before)
                told(w, lambda: command('HSET', addr('last@example.com'), 'status', 'hard'), 'changed last@example.com')
            told(w, lambda change=change: command(*change), 'changed a@example.com')
        said = told(w, lambda: command('HSET', domain('example.org'), 'status', 'held'), 'changed @example.org')
        self.assertNotIn('everything', said)

    def test_expiry_that_nobody_looks_at(self):
        w = self.watch()
        name = addr('a@example.com')

        def expires():
            self.redis.command('HSET', name, 'status', 'soft')
            self.redis.command('PEXPIRE', name, 300)
            # both are told, and then the end of it
            wait_until(lambda: w.said('lost') or w.lines()[w.seen:].count('changed a@example.com') >= 3, 'three changes', child=w)
        told(w, expires, 'changed a@example.com')
        self.assertEqual(self.redis.command('EXISTS', name), 0)

    def test_what_the_programs_write(self):
        w = self.watch()
        told(w, lambda: self.site.ctl_ok('suppress', '--reason', str(time.time()), 'a@example.com'), 'changed a@example.com')
        told(w, lambda: self.site.ctl_ok('suppress', '--reason', str(time.time()), '@b.example'), 'changed @b.example')

        def there_and_back():
            self.site.ctl_ok('suppress', '--reason', str(time.time()), 'c@example.com')
            self.site.ctl_ok('reset', '--force', 'c@example.com')
            wait_until(lambda: w.said('lost') or w.lines()[w.seen:].count('changed c@example.com') >= 2, 'two changes', child=w)
        told(w, there_and_back)

    def test_other_keys_are_passed_over(self):
        def change():
            for key in ('nixie:{0}:win:a@example.com', 'nixie:{0}:day:20260101', 'other:{0}:addr:a@example.com',
                        'nixie:{0}:address', 'nixie:{x}:addr:a@example.com'):
                self.redis.command('HSET', key, 'a', 'b')
            self.redis.command('HSET', addr('last@example.com'), 'status', 'soft')
        self.assertEqual(told(self.watch(), change, 'changed last@example.com'), ['changed last@example.com'])

    def test_odd_names(self):
        w = self.watch()
        for name in ('a b@example.com', '"x}{"@example.com', 'nixie:{1}:addr:@example.com', 'q' * 300 + '@example.com'):
            told(w, lambda name=name: self.redis.command('HSET', addr(name), 'status', 'soft'), 'changed ' + name)

    def test_emptied(self):
        w = self.watch()
        for command in 'FLUSHALL', 'FLUSHDB':
            w.mark()
            self.redis.command(command)
            w.wait_for('everything')
        w.wait_whole()

    def test_many_at_once(self):
        w = self.watch()
        script = "for i = 1, 20000 do redis.call('SET', KEYS[1] .. i .. '@example.com', 1) end"

        def change():
            self.redis.command('EVAL', script, 1, addr('u'))
            wait_until(lambda: w.said('lost') or len(w.lines()) - w.seen >= 20000, 'all of them', child=w)
        self.assertEqual(len(set(told(w, change))), 20000)

    def test_killed_connection(self):
        w = self.watch()
        tracker, = self.trackers()
        self.redis.command('CLIENT', 'KILL', 'ID', tracker)
        w.wait_for('everything', 'lost', 'whole')
        self.assertTold(w)

    def test_killed_over_and_over(self):
        w = self.watch()
        for _ in range(20):
            self.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
        wait_until(w.whole, 'recovery', child=w)
        wait_until(lambda: len(self.trackers()) == 1, 'one connection', child=w)

    def test_crash(self):
        w = self.watch()
        self.redis.kill()
        w.wait_for('everything', 'lost')
        self.redis.start()
        self.assertTold(w)

    def test_begins_with_redis(self):
        self.redis.kill()
        w = Watch(self.site)
        self.redis.start()
        w.wait_whole()

    def test_hung(self):
        w = self.watch()

        def hang():
            self.redis.freeze()
            try:
                start = time.monotonic()
                w.wait_for('lost', 'everything')
                took = time.monotonic() - start
                time.sleep(0.2)
                self.assertFalse(w.whole())
            finally:
                self.redis.thaw()
            w.wait_whole()
            w.mark()
            return took
        # it was not lost at once either: it was believed for as long as it may be; of that something may be over when it hangs
        self.assertTrue(any(hang() > 0.5 for _ in range(5)))
        self.assertTold(w)

    def test_whoever_was_stopped_himself_does_not_believe_what_he_remembers(self):
        w = self.watch()
        w.send_signal(signal.SIGSTOP)
        try:
            self.redis.command('HSET', addr('a@example.com'), 'status', 'hard')
            time.sleep(2 * SILENCE_S)
        finally:
            w.send_signal(signal.SIGCONT)
        w.wait_for('lost', 'whole', 'changed a@example.com')
        lines = w.lines()[w.seen:]
        self.assertLess(lines.index('everything'), lines.index('changed a@example.com'))
        self.assertLess(lines.index('changed a@example.com'), lines.index('whole'))

    def test_another_number_of_partitions(self):
        """Who only reads takes what the configuration says, until somebody has written."""
        w = self.watch()
        self.site.write_conf(redis={'partitions': 3})
        self.site.ctl_ok('suppress', 'a@example.com')
        w.wait_for('everything')
        p = partition_of('a@example.com', 3)
        wait_until(w.whole, 'recovery', child=w)

        def told():
            self.redis.command('HSET', addr('a@example.com', p), 'touched', '1')
            return w.said('changed a@example.com')
        w.mark()
        wait_until(told, 'change in a partition that was not there', child=w)


class Partitions(Watching):
    def test_few_and_many(self):
        """Redis refuses prefixes one of which begins another: {1} and {11} are none."""
        for n in 1, 2, 6, 7, 12, 64, 1024:
            with self.subTest(n):
                self.redis.command('FLUSHALL')
                self.redis.command('HSET', 'nixie:meta', 'schema', '1', 'partitions', str(n))
                w = self.watch()

                def change(p):
                    self.redis.command('HSET', addr('p%d@example.com' % p, p), 'status', 'hard')
                    self.redis.command('HSET', domain('p%d.example' % p, p), 'status', 'hard')
                for p in {0, 1, 11, n - 1, n // 2}:
                    if p < n:
                        told(w, lambda p=p: change(p), 'changed p%d@example.com' % p, 'changed @p%d.example' % p)
                self.redis.command('HSET', 'nixie:meta', 'rules', '7')
                w.wait_for('everything')
                # what each writing costs the server
                self.assertLessEqual(int(self.prefixes()), 13)
                w.kill()

    def prefixes(self):
        info = self.redis.command('INFO', 'stats')
        return next(line for line in info.splitlines() if line.startswith('tracking_total_prefixes')).split(':')[1]


class Rights(Watching):
    def be(self, commands, channels='&__redis__:invalidate'):
        self.redis.command('ACL', 'SETUSER', 'reader', 'reset', 'on', '>secret', '~nixie:*', 'resetchannels',
                           *([channels] if channels else []), *['+' + c for c in commands])
        self.site.write_conf(redis={'user': 'reader', 'password': 'secret'})

    def test_documented(self):
        self.be(documented()['nixie-policyd'])
        self.assertTold(self.watch())

    def test_a_password_and_no_user(self):
        self.redis.command('CONFIG', 'SET', 'requirepass', 'secret')
        self.redis.command('AUTH', 'secret')
        self.site.write_conf(redis={'password': 'secret', 'database': 3})
        w = self.watch()
        self.redis.command('SELECT', '3')
        self.assertTold(w)

    def test_lacking(self):
        """One clear warning; what is asked is answered all the same."""
        commands = documented()['nixie-policyd']
        for missing in 'client|id', 'client|tracking', 'subscribe', 'channel':
            with self.subTest(missing):
                self.be([c for c in commands if c != missing], None if missing == 'channel' else '&__redis__:invalidate')
                w = Watch(self.site)
                line = w.wait_log('NOPERM')
                self.assertIn('answers are not remembered', line)
                self.assertIn('+client|id +client|tracking +subscribe +ping &__redis__:invalidate', line)
                w.ask('a@example.com')
                self.assertEqual(w.wait_answers(1)[0][1], 'absent')
                time.sleep(0.3)
                self.assertFalse(w.whole())
                self.assertEqual(w.log().count('NOPERM'), 1)
                w.kill()


class Remembered:
    """What nixie-policyd answers from memory is what Redis has, whatever happens to those who tell it."""

    def agree(self, child, known):
        """known: {address: is it suppressed}; asked until each is answered like that."""
        for address, suppressed in known.items():
            wait_until(lambda: self.site.ask(address).startswith('5') == suppressed,
                       '%s of %s' % ('refusal' if suppressed else 'DUNNO', address), child=child)

    def change(self, known, address):
        if known[address]:
            self.site.ctl_ok('reset', '--force', address)
        else:
            self.site.ctl_ok('suppress', address)
        known[address] = not known[address]


class OneServerRemembered(Remembered, Case):
    def test_whatever_happens(self):
        """Changes in the middle of all kinds of trouble, in an order that differs from run to run."""
        self.site = self.with_redis()
        # of whoever asks while it hangs
        self.site.write_conf(policyd={'deadline': '250ms'})
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        known = {'u%d@example.com' % i: False for i in range(6)}
        child = self.site.policyd()

        def kill_tracker():
            self.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')

        def kill_all():
            self.redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

        def restart():
            self.redis.kill()
            self.redis.start()

        def hang():
            self.redis.freeze()
            self.site.ask(chance.choice(list(known)))
            self.redis.thaw()

        def stop_the_service():
            child.send_signal(signal.SIGSTOP)
            self.change(known, chance.choice(list(known)))
            child.send_signal(signal.SIGCONT)

        def nothing():
            pass
        try:
            for _ in range(60):
                before, after = chance.choices([kill_tracker, kill_all, restart, hang, stop_the_service, nothing], k=2)
                self.agree(child, known)
                before()
                self.change(known, chance.choice(list(known)))
                after()
                self.agree(child, known)
        except AssertionError as e:
            raise AssertionError('seed %d: %s' % (seed, e)) from e

    def test_a_restart_leaves_nobody_who_is_told_and_does_not_listen(self):
        self.site = self.with_redis()
        self.site.ctl_ok('suppress', 'gone@example.com')
        child = self.site.policyd()
        self.agree(child, {'gone@example.com': True})

        def connections():      # and ours
            return len(self.redis.command('CLIENT', 'LIST').splitlines()) - 1
        wait_until(lambda: connections() == 2, 'one to ask, one to be told', child=child)
        for n in 2, 3:
            child.send_signal(signal.SIGUSR2)
            wait_until(lambda n=n: child.log().count('starts') >= n, 'the next program', child=child)
            self.agree(child, {'gone@example.com': True})
        wait_until(lambda: connections() == 2, 'one to ask, one to be told', child=child)

    def test_expires(self):
        self.site = self.with_redis()
        self.site.ctl_ok('suppress', 'gone@example.com')
        child = self.site.policyd()
        self.agree(child, {'gone@example.com': True})
        self.redis.command('PEXPIRE', addr('gone@example.com'), 200)
        self.agree(child, {'gone@example.com': False})


class InACluster(PeaceCase):
    PARTITIONS = 64
    REPLICAS = 0

    def setUp(self):
        super().setUp()
        self.cluster = RedisCluster(self.directory, replicas=self.REPLICAS)
        self.site = self.with_servers(self.cluster, self.PARTITIONS)
        self.site.ctl_ok('suppress', 'first@example.com')

    def watch(self):
        w = Watch(self.site)
        w.wait_whole()
        w.mark()
        return w

    def touch(self, name):
        self.cluster.command('HSET', addr(name, partition_of(name, self.PARTITIONS)), 'touched', '1')

    def assertAllTold(self, w):
        """Something of every partition, hence of every master."""
        names = ['u%d@example.com' % i for i in range(200)]
        told(w, lambda: [self.touch(name) for name in names], *['changed ' + name for name in names])


class Cluster(InACluster):
    def test_every_master(self):
        w = self.watch()
        self.assertAllTold(w)

    def test_a_master_without_a_connection(self):
        w = self.watch()
        for node in self.cluster.masters():
            w.mark()
            # on a slow machine it may be about to be made anew by itself
            wait_until(lambda node=node: node.command('CLIENT', 'KILL', 'TYPE', 'pubsub'), 'connection to kill', child=w)
            w.wait_for('everything', 'lost', 'whole')
        w.mark()
        self.assertAllTold(w)

    def test_a_master_that_hangs(self):
        w = self.watch()
        node = next(iter(self.cluster.masters()))
        node.freeze()
        try:
            w.wait_for('lost', 'everything')
        finally:
            node.thaw()
        w.wait_whole()

    def test_a_slot_that_moves_to_a_node_that_served_none(self):
        """Nothing is asked of the servers meanwhile, so none of them says MOVED."""
        name = 'moved@example.com'
        slot = slot_of(addr(name, partition_of(name, self.PARTITIONS)))
        other = self.cluster.join()
        w = self.watch()
        w.mark()
        self.cluster.move(slot, other)
        w.wait_for('everything')
        wait_until(w.whole, 'recovery', child=w)

        def told():
            self.touch(name)
            return w.said('changed ' + name)
        w.mark()
        wait_until(told, 'a change at the new node', child=w)


class ClusterRemembered(Remembered, InACluster):
    REPLICAS = 1

    def test_changes_and_a_fail_over(self):
        known = {'u%d@of%d.example' % (i, i): False for i in range(20)}
        child = self.policyd('first@example.com')
        for _ in range(2):
            self.agree(child, known)
            for address in known:
                self.change(known, address)
            self.agree(child, known)
        master = next(iter(self.cluster.masters()))
        wait_in_step(master, self.cluster.replica_of(master))
        self.assertEqual(self.cluster.fail_over(master).child.poll(), None)
        for address in known:
            self.change(known, address)
        self.agree(child, known)

    def test_a_partition_moves_to_a_node_that_served_none(self):
        """Nobody is asked about it meanwhile: it is answered from memory, that there is nothing."""
        address = 'moved@example.com'
        child = self.policyd('first@example.com')
        self.agree(child, {address: False})
        self.cluster.move(slot_of(addr(address, partition_of(address, self.PARTITIONS))), self.cluster.join())
        self.site.ctl_ok('suppress', address)
        self.agree(child, {address: True})


class ClusterWithReplicas(InACluster):
    REPLICAS = 1

    def test_fail_over(self):
        w = self.watch()
        master = next(iter(self.cluster.masters()))
        self.cluster.fail_over(master)
        w.wait_for('lost', 'everything')
        wait_until(w.whole, 'recovery', FAIL_OVER_LIMIT, w)
        w.mark()
        self.assertAllTold(w)


class Sentinel(PeaceCase):
    def setUp(self):
        super().setUp()
        self.watched = Watched(self.directory)
        self.site = self.with_servers(self.watched, 1)

    def test_fail_over(self):
        self.site.ctl_ok('suppress', 'first@example.com')
        master = self.watched.master()
        wait_in_step(master, self.watched.replica())
        w = Watch(self.site)
        w.wait_whole()
        w.mark()
        self.assertTold(w, 'second@example.com')
        for address, end in (('third@example.com', lambda: self.watched.clients[0]('SENTINEL', 'FAILOVER', self.watched.NAME)),
                             ('fourth@example.com', None)):
            w.mark()
            master = self.watched.master()
            if end:
                wait_until(lambda: self.may_fail_over(end), 'fail-over')
            else:
                master.kill()
            self.watched.wait_master(master)
            w.wait_for('lost', 'everything')
            wait_until(w.whole, 'recovery', FAIL_OVER_LIMIT, w)
            self.assertTold(w, address)

    def assertTold(self, w, address):
        told(w, lambda: self.site.ctl_ok('suppress', '--reason', str(time.time()), address), 'changed ' + address)

    @staticmethod
    def may_fail_over(end):
        try:
            return end()
        except Exception as e:      # not yet
            if 'NOGOODSLAVE' in str(e) or 'INPROG' in str(e):
                return None
            raise
