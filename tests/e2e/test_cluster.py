"""The data in a Redis Cluster: complete, asked and changed as in one server, whatever moves or dies."""
import itertools
import json
import time

from harness.maillog import delivered, full, hard
from harness.nixie import NO_REDIS, NOT_FOUND, OK
from harness.peace import PeaceCase, snapshot
from harness.proc import wait_until
from harness.servers import FAIL_OVER_LIMIT, RedisCluster, partition_of, slot_of, wait_in_step
from test_acl import documented

PARTITIONS = 64


class ClusterCase(PeaceCase):
    REPLICAS = 0

    def setUp(self):
        super().setUp()
        self.cluster = RedisCluster(self.directory, replicas=self.REPLICAS)
        self.site = self.with_servers(self.cluster, PARTITIONS)

    def partitions_of(self, node):
        """The partitions whose slot the node serves."""
        return [p for p in range(PARTITIONS) if self.cluster.owner(slot_of('{%d}' % p)) is node]

    def other_than(self, node):
        return next(n for n in self.cluster.masters() if n is not node)

    def wait_some(self):
        """The reader has begun, and reads on."""
        wait_until(lambda: self.site.counter('delivered') > 0, 'first counter', child=self.site.children[-1])


class Reading(ClusterCase):
    def test_the_same_as_one_server(self):
        self.make_log().finish()
        self.site.once()
        self.assertWhole()
        for node in self.cluster.masters():
            self.assertTrue(node.command('KEYS', 'nixie:{*}:addr:*'), 'nothing on ' + node.name)
        # nothing is read twice
        self.site.once()
        self.assertWhole()

    def test_totals_are_those_of_one_partition(self):
        self.make_log().finish()
        self.site.once()
        total = {}
        for name, value in self.peace(1).items():
            if name.startswith('day:') and name.count(':') == 1:
                for counter, n in value.items():
                    total[counter] = total.get(counter, 0) + int(n)
        self.assertEqual(self.site.counters(), {k: v for k, v in total.items() if v})

    def test_following(self):
        feeder = self.make_log()
        feeder.feed(0.1)
        self.site.logtail()
        with feeder:
            self.wait_some()
        feeder.finish()
        self.assertWhole(self.site.children[-1])

    def test_killed_readers(self):
        feeder = self.make_log()
        feeder.feed(0.2)
        with feeder:
            for n in range(5):
                child = self.site.logtail(ready=False)
                # Not a wait for anything: only to die at another moment each time.
                time.sleep(0.05 + 0.07 * n)
                child.kill()
        feeder.finish()
        self.assertWhole(self.site.logtail())

    def test_one_node_as_seed_and_a_dead_one(self):
        self.make_log().finish()
        self.site.write_conf(redis={'address': 'cluster:127.0.0.1:1,' + self.cluster.nodes[2].endpoint})
        self.site.once()
        self.assertWhole()


class Verbs(ClusterCase):
    def setUp(self):
        super().setUp()
        self.gone = ['gone%d@of%d.example' % (i, i) for i in range(12)]     # not one outage of one domain
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(hard(a) for a in self.gone) + full('full@example.com') + delivered('fine@example.com'))
        self.site.once()
        self.assertGreater(len({self.cluster.owner(slot_of(self.site.key(a))) for a in self.gone}), 1)

    def test_check_and_token(self):
        tokens = set()
        for address in self.gone:
            known = self.site.check(address)
            self.assertEqual((known['status'], known['reason']), ('hard', 'recipient.unknown'))
            tokens.add(known['token'])
            self.assertIn(address, self.site.ctl_ok('token', known['token']))
        self.assertEqual(len(tokens), len(self.gone))
        self.assertEqual(self.site.check('full@example.com')['status'], 'soft')
        self.assertIsNone(self.site.check('nobody@example.com'))

    def test_list_and_stats(self):
        listed = self.site.ctl_ok('list')
        for address in self.gone:
            self.assertRegex(listed, r'(?m)^  hard      %s  recipient\.unknown ' % address)
        self.assertEqual(listed.count('recipient.unknown since'), len(self.gone))
        self.assertNotIn('full@example.com', listed)
        stats = self.site.ctl_ok('stats')
        self.assertRegex(stats, r'(?m)\b%d\b' % len(self.gone))
        self.assertEqual(self.site.counter('hard'), len(self.gone))

    def test_suppress_and_reset(self):
        some = ['by-hand%d@example.org' % i for i in range(12)]
        for address in some:
            self.site.ctl_ok('suppress', address)
            self.assertEqual(self.site.check(address)['status'], 'manual')
        listed = self.site.ctl_ok('list')
        for address in some:
            self.assertIn(address, listed)
            self.site.ctl_ok('reset', '--force', address)
            self.assertNotEqual((self.site.check(address) or {}).get('status'), 'manual')

    def test_undo(self):
        text = self.site.ctl_ok('undo', '--since', '2000-01-01', '--yes')
        self.assertIn('%d addresses' % (len(self.gone) + 1), text)
        for address in self.gone:
            self.assertIsNone(self.site.check(address), address)
        batch = text.split('--batch ')[1].split()[0]
        self.site.ctl_ok('undo', '--batch', batch, '--yes')
        for address in self.gone:
            self.assertEqual(self.site.check(address)['status'], 'hard')

    def test_doctor(self):
        self.site.policyd()
        done = self.site.ctl('doctor', '--json')
        self.assertIn(done.returncode, (OK, NOT_FOUND), done.stderr)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        errors = [f for f in found if f['level'] == 'error']
        self.assertEqual(errors, [])
        for check in 'config', 'server', 'data', 'log', 'policyd':
            self.assertIn(check, {f['check'] for f in found})

    def test_doctor_names_the_node_that_is_wrong(self):
        node = self.cluster.nodes[1]
        node.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
        node.command('CONFIG', 'SET', 'maxmemory', '1gb')
        text = self.site.ctl('doctor').stdout
        self.assertIn('allkeys-lru', text)
        self.assertIn(node.endpoint, text)

    def test_policyd(self):
        child = self.policyd(self.gone[0])
        with self.site.policy_client() as c:
            for address in self.gone:
                self.assertSuppressed(c.ask(address))
            self.assertDunno(c.ask('fine@example.com'))
            self.site.ctl_ok('suppress', 'fine@example.com')
            wait_until(lambda: c.ask('fine@example.com').startswith('5'), 'refusal', child=child)
            for n in range(500):
                self.assertDunno(c.ask('u%d@example.com' % n))

    def test_another_number_of_partitions_is_what_the_data_says(self):
        self.site.write_conf(redis={'partitions': 7})
        self.assertEqual(self.site.check(self.gone[0])['status'], 'hard')

    def test_one_node_away(self):
        """Its addresses are unreachable for a while, and then they are not; who was refused before stays so."""
        self.site.options['policyd']['deadline'] = '300ms'
        self.site.write_conf()
        child = self.policyd(self.gone[0])
        node = self.cluster.owner(slot_of(self.site.key(self.gone[0])))
        with self.site.policy_client() as c:
            wait_until(lambda: all(c.ask(a).startswith('5') for a in self.gone), 'refusals', child=child)
            there = (a for a in map('new{}@example.com'.format, itertools.count()) if self.cluster.owner(slot_of(self.site.key(a))) is node)
            new = next(there), next(there)
            self.assertDunno(c.ask(new[0]))
            node.freeze()
            self.assertDunno(c.ask(new[1]))
            self.assertSuppressed(c.ask(self.gone[0]))
            node.thaw()
            wait_until(lambda: all(c.ask(a).startswith('5') for a in self.gone), 'refusals', child=child)

    def test_no_cluster(self):
        self.cluster.stop()
        done = self.site.ctl('check', self.gone[0])
        self.assertEqual(done.returncode, NO_REDIS, done.stdout + done.stderr)
        self.assertIn('Connection refused', done.stderr)

    def test_one_node_by_its_own_address(self):
        """It would hold a third of the data."""
        self.site.write_conf(redis={'address': 'inet:' + self.cluster.nodes[0].endpoint})
        said = [self.site.ctl('check', a) for a in self.gone]
        self.assertTrue(any(done.returncode == NO_REDIS for done in said))
        self.assertIn('cluster:HOST:PORT', ''.join(done.stderr for done in said))

    def test_database(self):
        self.site.write_conf(redis={'database': 3})
        done = self.site.ctl('check', self.gone[0])
        self.assertEqual(done.returncode, NO_REDIS, done.stdout + done.stderr)
        self.assertIn('redis.database', done.stderr)


class Moving(ClusterCase):
    """Slots go to another node while the reader follows."""

    def test_slots_move(self):
        feeder = self.make_log()
        feeder.feed(0.2)
        child = self.site.logtail()
        before = self.cluster.errors('MOVED')
        with feeder:
            for node in list(self.cluster.masters()):
                for partition in self.partitions_of(node)[:5]:
                    self.cluster.move(slot_of('{%d}' % partition), self.other_than(node), lambda: time.sleep(0.01))
        feeder.finish()     # there is always something to write when all have moved
        wait_until(lambda: self.cluster.errors('MOVED') > before, 'reader that met a moved slot', child=child)
        self.assertWhole(child)
        self.assertEqual(child.stop(), 0)

    def test_a_slot_that_stays_half_moved(self):
        """A script needs keys of both nodes (TRYAGAIN): it waits for the rest to come."""
        feeder = self.make_log()
        feeder.feed(0.5)
        child = self.site.logtail()
        node = self.cluster.owner(slot_of('{0}'))
        busiest = max(self.partitions_of(node), key=lambda p: len(node.command('KEYS', 'nixie:{%d}:*' % p)))
        moved = []

        def pause_half_way():
            moved.append(1)
            if len(moved) == 4:
                feeder.feed(0.3)
                wait_until(lambda: self.cluster.errors('TRYAGAIN', 'ASK') > 0, 'reader that met a moving slot', child=child)

        self.cluster.move(slot_of('{%d}' % busiest), self.other_than(node), pause_half_way)
        self.assertGreater(len(moved), 4)
        feeder.finish()
        self.assertWhole(child)

    def test_to_a_node_that_has_never_seen_the_script(self):
        self.cluster.move(slot_of('{5}'), self.other_than(self.cluster.owner(slot_of('{5}'))))
        feeder = self.make_log()
        feeder.feed(0.3)
        child = self.site.logtail()
        for node in self.cluster.masters():
            node.command('SCRIPT', 'FLUSH')
        for partition in self.partitions_of(self.cluster.nodes[0])[:3]:
            self.cluster.move(slot_of('{%d}' % partition), self.cluster.nodes[1])
        feeder.finish()
        self.assertWhole(child)

    def test_policyd_while_a_slot_moves(self):
        addresses = ['gone%d@of%d.example' % (i, i) for i in range(200)]
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(hard(a) for a in addresses))
        self.site.once()
        child = self.policyd(addresses[0])
        partition = partition_of(addresses[0], PARTITIONS)
        mine = [a for a in addresses if partition_of(a, PARTITIONS) == partition]
        slot = slot_of('{%d}' % partition)
        with self.site.policy_client() as c:
            def ask_all():
                for address in mine:
                    self.assertSuppressed(c.ask(address))
                self.assertDunno(c.ask('fine@example.com'))
            for _ in range(2):
                self.cluster.move(slot, self.other_than(self.cluster.owner(slot)), ask_all)
                ask_all()
        self.assertIsNone(child.poll())


    def test_users_with_the_documented_rights(self):
        more = ['cluster|slots', 'asking', 'ping']
        for node in self.cluster.nodes:
            for user, commands in documented().items():
                node.command('ACL', 'SETUSER', user, 'on', '>secret', '~nixie:*', 'resetchannels',
                             *['+' + c for c in commands + more])
        feeder = self.make_log()
        feeder.feed(0.3)
        self.site.write_conf(redis={'user': 'nixie-logtail', 'password': 'secret'})
        child = self.site.logtail()
        node = self.cluster.nodes[0]
        with feeder:
            for partition in self.partitions_of(node)[:4]:
                self.cluster.move(slot_of('{%d}' % partition), self.cluster.nodes[1], lambda: time.sleep(0.01))
        feeder.finish()
        self.assertWhole(child)
        self.site.write_conf(redis={'user': 'nixie', 'password': 'secret'})
        self.site.ctl_ok('suppress', 'by-hand@example.com')
        self.site.write_conf(redis={'user': 'nixie-policyd', 'password': 'secret'})
        self.policyd('by-hand@example.com')


class Failing(ClusterCase):
    apart = True
    REPLICAS = 1

    def survive(self, lagging):
        feeder = self.make_log()
        feeder.feed(0.2)
        child = self.site.logtail()
        # not that of nixie:meta in particular, and of some partitions
        master = self.cluster.owner(slot_of('{7}'))
        replica = self.cluster.replica_of(master)
        if lagging:
            replica.command('READONLY')     # this connection may look
            replica.lag_behind(master)
            before = snapshot(replica)
            feeder.feed(0.3)
            wait_until(lambda: snapshot(master) != before, 'something for the replica to miss', child=child)
        with feeder:
            new = self.cluster.fail_over(master)
            self.assertIs(new, replica)
        # the old master comes back as a replica of the new one
        master.start()
        wait_until(lambda: master.command('ROLE')[0] == 'slave', 'old master as a replica', FAIL_OVER_LIMIT)
        feeder.finish()
        self.assertWhole(child)
        self.assertEqual(child.stop(), 0)

    def test_kill_9_of_a_master(self):
        self.survive(lagging=False)

    def test_the_replica_had_missed_something(self):
        self.survive(lagging=True)

    def test_nothing_comes_after_what_the_replica_had_missed(self):
        """The reader finds out while it waits."""
        feeder = self.make_log()
        feeder.feed(0.5)
        child = self.site.logtail()
        master = self.cluster.owner(slot_of('{7}'))
        replica = self.cluster.replica_of(master)
        replica.lag_behind(master)
        feeder.finish()
        self.assertWhole(child)
        self.cluster.fail_over(master)
        self.assertWhole(child)
        child.wait_log('lost its last writes')

    def test_policyd_and_the_command(self):
        addresses = ['gone%d@of%d.example' % (i, i) for i in range(40)]
        with open(self.site.log_path, 'w') as f:
            f.write(''.join(hard(a) for a in addresses))
        self.site.once()
        child = self.policyd(addresses[0])
        master = self.cluster.owner(slot_of(self.site.key(addresses[0])))
        replica = self.cluster.replica_of(master)
        wait_in_step(master, replica)
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask(addresses[0]))
            self.cluster.fail_over(master)
            self.assertIsNotNone(replica.child)
            wait_until(lambda: all(c.ask(a).startswith('5') for a in addresses), 'refusals', child=child)
        for address in addresses:
            self.assertEqual(self.site.check(address)['status'], 'hard')
        self.site.ctl_ok('suppress', 'one.more@example.com')
