"""Entries change thousands of times while many ask: no answer is older than BOUND_S."""
import os
import signal
import sys
import threading
import time

from harness.case import Case
from harness.load import Load
from harness.nixie import REPOSITORY
from harness.peace import PartitionedSite
from harness.proc import wait_until
from harness.redis import RedisClient, RedisError
from harness.servers import FAIL_OVER_LIMIT, RedisCluster, Watched, info, partition_of, slot_of

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

from staleness import NEVER, Changer, Truth, entry_writer, number_of, oldest, replicated     # noqa: E402

# Redis tells of a change when it answers who made it. But a service that was stopped itself, by a machine that is busy with other
# things, may answer before it hears of what came meanwhile: so long it believes what it remembers (TRACKING_SILENCE_MS), and no longer.
BOUND_S = float(os.environ.get('NIXIE_STALE_BOUND', '2.0'))
# An answer that no Redis gave in time is none at all, and not stale.
HUNG_DEADLINE_S = 3.0
ADDRESSES = ['%s%d@example.com' % (kind, n) for n in range(3000) for kind in ('gone', 'soft')]
SECONDS = 4.0


class StalenessCase(Case):
    probes = 1
    deadline_s = 20.0

    def setUp(self):
        super().setUp()
        self.truth = Truth(ADDRESSES + ['probe%s@example.com' % ('x' * n) for n in range(self.probes)])

    def with_one_server(self, *options):
        site = self.with_redis(*options)
        self.begin(site, entry_writer(self.client(self.redis.socket), self.key))

    def client(self, path):
        """A connection for the changer alone."""
        client = RedisClient(path)
        self.addCleanup(client.close)
        return client

    @staticmethod
    def key(address):
        return 'nixie:{0}:addr:' + address

    def begin(self, site, write):
        site.write_conf(policyd={'deadline': '%gs' % self.deadline_s})
        self.child = site.policyd()
        self.changer = Changer(self.truth, write, BOUND_S)
        self.load = Load(site.policy_path, 30, self.changer.choose, 3000)
        self.addCleanup(self._stop)
        self.changer.start()
        # the service has begun to answer from what is there, and Redis to tell it of changes
        self.changer.outage(lambda: None, site.ask)
        self.load.start()

    def _stop(self):
        self.changer._stopping.set()
        self.load._stopping.set()

    def none_is_stale(self, changes=300):
        # however slow this machine and its disk are
        wait_until(lambda: self.changer.changes > changes and len(self.load.answers) > 500, 'changes and answers', child=self.child)
        self.changer.stop()
        self.load.stop()
        self.assertIsNone(self.child.poll(), self.child.log()[-2000:])
        self.assertEqual(self.load.lost, [])
        self.assertGreater(len(self.load.answers), 500)
        self.assertGreater(self.changer.changes, changes)
        seconds, answer = oldest(self.truth, self.load.answers)
        if 'NIXIE_STALE_BOUND' in os.environ:
            print('%s: the stalest of %d answers: %.1f ms; %d changes' % (
                self._testMethodName, len(self.load.answers), seconds * 1000, self.changer.changes))
        self.assertLessEqual(seconds, BOUND_S, 'stale: %r\nstates: %r' % (answer, self.truth.states[answer.recipient][-5:]))

    def outages(self, break_it, times, pause_s=0.3):
        for _ in range(times):
            time.sleep(pause_s)
            self.changer.outage(break_it, self.site.ask)
        time.sleep(1.5 * BOUND_S)


class Staleness(StalenessCase):
    at_a_time = 2

    def test_in_peace(self):
        self.with_one_server()
        time.sleep(SECONDS)
        # without any outage at all
        self.none_is_stale()

    def test_subscriber_killed(self):
        """Whichever connection Redis tells of changes on: all of nixie's are killed, those first that wait for such."""
        self.with_one_server()
        self.outages(lambda: [self.kill_clients(kind) for kind in ('pubsub', 'normal')], 8)
        self.none_is_stale()

    def test_only_the_subscriber_killed(self):
        self.with_one_server()
        self.outages(lambda: self.kill_clients('pubsub'), 8)
        self.none_is_stale()

    def test_only_the_others_killed(self):
        self.with_one_server()
        self.outages(lambda: self.kill_clients('normal'), 8)
        self.none_is_stale()

    def kill_clients(self, kind):
        self.redis.command('CLIENT', 'KILL', 'TYPE', kind, 'SKIPME', 'yes')

    def flushes(self, command):
        for _ in range(3):
            time.sleep(1)
            self.changer.all_gone(lambda: self.redis.command(command))
        time.sleep(1.5 * BOUND_S)

    def test_flushed(self):
        self.with_one_server()
        self.flushes('FLUSHALL')
        self.none_is_stale()

    def test_database_flushed(self):
        self.with_one_server()
        self.flushes('FLUSHDB')
        self.none_is_stale()

    def test_redis_killed(self):
        self.with_one_server()

        def restart():
            self.redis.child.kill()     # under the changer's feet
            self.redis.start()
        self.outages(restart, 3)
        self.none_is_stale()

    def test_redis_hangs(self):
        self.deadline_s = HUNG_DEADLINE_S
        self.with_one_server()

        def hang():
            self.redis.freeze()
            time.sleep(HUNG_DEADLINE_S + 0.4)
            self.redis.thaw()
        self.outages(hang, 2)
        self.none_is_stale()

    def test_reloaded(self):
        self.with_one_server()
        for _ in range(5):
            time.sleep(0.3)
            self.child.send_signal(signal.SIGHUP)
        time.sleep(1.5 * BOUND_S)
        self.none_is_stale()

    def test_another_program_takes_over(self):
        """What the one before it knew is no answer while Redis can be asked."""
        self.with_one_server()

        def take_over():
            before = self.child.log().count('took over')
            self.child.send_signal(signal.SIGUSR2)
            wait_until(lambda: self.child.log().count('took over') > before, 'the program that takes over', child=self.child)
        self.outages(take_over, 3)
        self.none_is_stale()

    def test_fail_over(self):
        watched = Watched(self.directory)
        self.addCleanup(watched.stop)
        watched.start()
        site = self.make_site(watched)

        clients = [self.client(server.socket) for server in watched.servers]

        def at_master(*args):
            return clients[self.master](*args)
        self.master = watched.servers.index(watched.master())
        self.begin(site, replicated(entry_writer(at_master, self.key), at_master))

        def fail_over():
            old = watched.servers[self.master]
            with self.changer._turn:
                old.kill()
                self.master = watched.servers.index(watched.wait_master(old))
                old.start()
                wait_until(lambda: at_master('WAIT', 1, 100) == 1, 'replica of the new master', FAIL_OVER_LIMIT)
        self.outages(fail_over, 1)
        time.sleep(1)
        self.none_is_stale(100)


class ClusterWriter:
    """Commands about one key each, to the node that has it, over connections of its own."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.clients = {node.port: RedisClient(node.socket) for node in cluster.nodes}
        self.last = None    # the port that took the last one
        self.known = {}

    def __call__(self, *args):
        slot = slot_of(args[1])
        port, asking = self.known.get(slot, next(iter(self.clients))), False
        for _ in range(5):
            try:
                if asking:
                    self.clients[port]('ASKING')
                self.last = port
                return self.clients[port](*args)
            except RedisError as e:
                if str(e).split()[0] not in ('MOVED', 'ASK'):
                    raise
                asking = str(e).startswith('ASK')
                port = int(str(e).rpartition(':')[2])
                if not asking:
                    self.known[slot] = port
            except OSError:
                self.known[slot] = self.another(port)
                raise
        raise RedisError('sent in circles')

    def another(self, port):
        ports = list(self.clients)
        return ports[(ports.index(port) + 1) % len(ports)]

    def wait(self, *args):
        return self.clients[self.last](*args)

    def close(self):
        for client in self.clients.values():
            client.close()


class InACluster(StalenessCase):
    PARTITIONS = 8
    probes = 40     # of each partition there is one
    at_a_time = 2

    def key(self, address):
        return 'nixie:{%d}:addr:%s' % (partition_of(address, self.PARTITIONS), address)

    def with_cluster(self, replicas):
        self.cluster = RedisCluster(self.directory, replicas=replicas)
        self.addCleanup(self.cluster.stop)
        self.cluster.start()
        self.assertEqual(len({self.key(probe).split(':')[1] for probe in self.truth.states if probe.startswith('probe')}), self.PARTITIONS)
        self.site = PartitionedSite(self.directory, self.cluster, self.PARTITIONS)
        self.addCleanup(self.site.stop)
        command = ClusterWriter(self.cluster)
        self.addCleanup(command.close)
        write = entry_writer(command, self.key)
        self.begin(self.site, replicated(write, command.wait) if replicas else write)

    def test_in_peace(self):
        self.with_cluster(0)
        time.sleep(SECONDS)
        self.none_is_stale()

    def test_slots_move(self):
        """Keys go to another node one by one, while they are changed and asked about: no outage is allowed for."""
        self.with_cluster(0)
        for partition in range(self.PARTITIONS):
            slot = slot_of('nixie:{%d}:' % partition)
            owner = self.cluster.owner(slot)
            self.cluster.move(slot, next(node for node in self.cluster.nodes if node is not owner))
        time.sleep(1.5 * BOUND_S)
        self.none_is_stale()

    def test_subscriber_of_one_node_killed(self):
        self.with_cluster(0)
        self.outages(lambda: self.cluster.nodes[1].command('CLIENT', 'KILL', 'TYPE', 'pubsub'), 5)
        self.none_is_stale()

    def test_fail_over(self):
        self.with_cluster(1)

        def fail_over():
            with self.changer._turn:
                self.cluster.fail_over(next(iter(self.cluster.masters())))
                for node in self.cluster.nodes:
                    if node.child is None:
                        node.start()
                wait_until(lambda: all(info(node, 'replication')['connected_slaves'] == '1' for node in self.cluster.masters()),
                           'replicas of all masters', FAIL_OVER_LIMIT)
        self.outages(fail_over, 1)
        self.none_is_stale(100)


class ByCommand(StalenessCase):
    """nixie(1) changes, two at a time."""

    def test_suppress_and_reset(self):
        site = self.with_redis()
        self.child = site.policyd()
        self.load = Load(site.policy_path, 20, lambda chance: ('any', chance.choice(ADDRESSES[:22])), 1500)
        self.addCleanup(self.load._stopping.set)
        self.load.start()
        answers = []

        def change(half):
            for n in range(60):
                address = ADDRESSES[half + 2 * (n % 10)]
                verb = ('suppress', 'reset')[n // 10 % 2]
                site.ctl_ok(verb, *(['--force'] if verb == 'reset' else []), address)
                answers.append((verb, address, self.known(site, address, verb == 'reset')))
        threads = [threading.Thread(target=change, args=(half,)) for half in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.load.stop()
        self.assertEqual(len(answers), 120)
        for verb, address, action in answers:
            self.assertEqual(action == 'DUNNO', verb == 'reset', '%s %s: %s' % (verb, address, action))

    @staticmethod
    def known(site, address, free):
        """The answer; asked again while it is wrong, and not too old yet."""
        changed = time.monotonic()
        while True:
            sent = time.monotonic()
            action = site.ask(address)
            if (action == 'DUNNO') == free or sent - changed > BOUND_S:
                return action


class Model(Case):
    """The model finds what is stale, and nothing else."""

    def test_stale_by(self):
        from harness.load import Answer
        truth = Truth(['a'])
        truth.states['a'] += [[10.0, 11.0, 33], [20.0, 21.0, None], [30.0, 31.0, 34], [40.0, NEVER, None]]

        def stale(sent, received, number):
            action = 'DUNNO' if number is None else '550 5.1.1 x, token 1%s' % '0123456789'[number - 32]
            return truth.stale_by(Answer(sent, received - sent, 'any', 'a', action))
        for sent, received, number, by in (
                (5, 6, None, 0), (5, 6, 33, NEVER), (10.5, 10.6, 33, 0), (10.5, 10.6, None, 0), (12, 13, 33, 0), (12, 13, None, 1),
                (22, 23, 33, 1), (22, 23, None, 0), (22, 30, 34, 0), (35, 36, None, 4), (35, 36, 33, 14), (50, 51, 34, 0), (50, 51, None, 0)):
            self.assertEqual(stale(sent, received, number), by, (sent, received, number))
        truth.outages = [[24.0, 33.0]]
        self.assertEqual(stale(32, 32.1, None), 0)
        self.assertEqual(stale(32, 32.1, 33), 3)
        self.assertEqual(stale(34, 34.1, 33), 13)
        self.assertEqual(number_of('550 5.1.1 x, token 10'), 32)
