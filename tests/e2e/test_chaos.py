"""A short `make chaos`: readers and Redis are killed, torn, frozen, replaced; everything counts once."""
import os
import random
import sys
import time

from harness.case import Case
from harness.maillog import hard
from harness.nixie import REPOSITORY
from harness.peace import PartitionedSite
from harness.proc import wait_until
from harness.servers import AWAY, FAIL_OVER_LIMIT, RedisCluster, slot_of

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

import chaos    # noqa: E402
from compare import DIMENSION_HOURS, MINUTE_HOURS, STARTED, Comparison, is_compared    # noqa: E402
from traffic import Host            # noqa: E402

# The take-overs of Sentinel last: these, and not what is the same in one server.
SENTINEL = 'kill_reader', 'second_reader', 'rotate', 'tear', 'fail_over'


class Short(Case):
    apart = True

    def survive(self, kills, **options):
        seed = '%d' % random.SystemRandom().randrange(1000000)
        said = ['seed %s' % seed]
        run = chaos.Chaos(self.directory, kills, seed, **options)
        run.patience_s, run.crashes = 0.8, 2 if run.on == 'server' else 1
        run.say = said.append
        try:
            comparison = run.run()
        except AssertionError as e:
            raise AssertionError('%s\n%s' % ('\n'.join(said), e)) from None
        chaos.tell(run, comparison, said.append)
        self.assertGreater(comparison.compared, 1000, said)
        self.assertTrue(chaos.good(comparison), '\n'.join(said))

    def test_everything_counts_once(self):
        self.survive(12, messages=300)

    def test_in_64_partitions(self):
        self.survive(10, messages=250, partitions=64)

    def test_in_a_cluster(self):
        self.survive(12, messages=200, on='cluster')

    def test_with_sentinel(self):
        self.survive(7, messages=200, on='sentinel', only=SENTINEL)


class Outage(Case):
    def test_the_whole_cluster_is_away(self):
        """For longer than anybody tries in one go; then the reader goes on by itself."""
        cluster = RedisCluster(self.directory)
        self.addCleanup(cluster.stop)
        cluster.start()
        site = PartitionedSite(self.directory, cluster, 64)
        self.addCleanup(site.stop)
        gone = ['gone%d@example.com' % i for i in range(100)]
        child = site.logtail()
        for n, address in enumerate(gone):
            if n == 50:
                for node in cluster.nodes:
                    node.kill()
            with open(site.log_path, 'a') as f:
                f.write(hard(address))
            if n == 50:
                child.wait_log('waiting, nothing is lost')
                # not a wait for anything: the reader shall have come to its longest pauses
                time.sleep(8)
                for node in cluster.nodes:
                    node.start()

        def all_there():
            try:
                return all(site.status(address) == 'hard' for address in gone)
            except AWAY:
                return False
        wait_until(all_there, 'all addresses', FAIL_OVER_LIMIT, child)
        self.assertEqual(site.counter('hard'), len(gone))


class Forgotten(Case):
    def test_a_replica_that_never_heard_of_the_log(self):
        """Some partitions have no place, and nothing of the log, while the others are at its end."""
        cluster = RedisCluster(self.directory, replicas=1)
        self.addCleanup(cluster.stop)
        cluster.start()
        site = PartitionedSite(self.directory, cluster, 64)
        self.addCleanup(site.stop)
        gone = ['gone%d@example.com' % i for i in range(100)]
        # not that of nixie:meta: who has no data at all begins anew
        master = next(node for node in cluster.masters() if node is not cluster.owner(slot_of('nixie:meta')))
        cluster.replica_of(master).lag_behind(master)
        with open(site.log_path, 'w') as f:
            f.write(''.join(hard(address) for address in gone))
        child = site.logtail()
        self.assertEqual(site.counter('hard'), len(gone))
        cluster.fail_over(master)
        with open(site.log_path, 'a') as f:
            f.write(hard('last@example.com'))

        def all_there():
            try:
                return all(site.status(address) == 'hard' for address in gone + ['last@example.com'])
            except AWAY:
                return False
        wait_until(all_there, 'all addresses', FAIL_OVER_LIMIT, child)
        self.assertEqual(site.counter('hard'), len(gone) + 1)


class Judge(Case):
    """The comparison itself: what it must not overlook."""
    WANT = {'day:20261101': {'delivered': '5', 'soft': '2'}, 'suppressed': {'a@example.com': '17'},
            'addr:a@example.com': {'status': 'hard', 'count': '1'}, 'pend:mx1/postfix/A': {'arrival': '7'},
            'hist:a@example.com': {('time', '1'): 1}, 'journal': {('address', 'a@example.com', 'to', 'hard'): 1}}

    def judge(self, **changes):
        got = {key: dict(fields) for key, fields in self.WANT.items()}
        for key, (name, field, value) in changes.items():
            if value is None:
                del got[name][field]
            else:
                got[name][field] = value
        return Comparison({key: dict(fields) for key, fields in self.WANT.items()}, got)

    def test_the_same(self):
        found = self.judge()
        self.assertTrue(found)
        self.assertEqual((found.lost, found.doubled), (0, 0))

    def test_lost(self):
        for change in (('day:20261101', 'delivered', '4'), ('day:20261101', 'soft', None), ('suppressed', 'a@example.com', None),
                       ('pend:mx1/postfix/A', 'arrival', None), ('hist:a@example.com', ('time', '1'), None),
                       ('journal', ('address', 'a@example.com', 'to', 'hard'), None)):
            with self.subTest(change[0]):
                found = self.judge(x=change)
                self.assertFalse(found)
                self.assertEqual((found.lost, found.doubled), (1, 0))

    def test_doubled(self):
        for change in (('day:20261101', 'delivered', '6'), ('hist:a@example.com', ('time', '1'), 2),
                       ('suppressed', 'b@example.com', '3'), ('journal', ('address', 'b@example.com', 'to', 'hard'), 1)):
            with self.subTest(change[0]):
                found = self.judge(x=change)
                self.assertFalse(found)
                self.assertEqual((found.lost, found.doubled), (0, 1))

    def test_a_repeated_transition_is_told_only(self):
        found = self.judge(x=('journal', ('address', 'a@example.com', 'to', 'hard'), 2))
        self.assertTrue(found)
        self.assertEqual(found.repeated, 1)

    def test_a_minute_that_may_end_meanwhile_is_none_of_it(self):
        def minute(hours_ago, dimension=''):
            return time.strftime('min:%Y%m%d%H%M', time.gmtime(STARTED - 3600 * hours_ago)) + dimension
        for hours, dimension in (MINUTE_HOURS, ''), (DIMENSION_HOURS, ':dest'):
            self.assertFalse(is_compared(minute(hours, dimension)))
            self.assertFalse(is_compared(minute(hours - 0.5, dimension)))
            self.assertTrue(is_compared(minute(hours - 1.5, dimension)))
        for name in 'day:20261101', 'addr:min:202611010000', 'min:x':
            self.assertTrue(is_compared(name))

    def test_the_same_seed_gives_the_same_log(self):
        now = time.time()
        logs = [''.join(Host(seed, 'mx1', 0, 200, now).lines()) for seed in (1, 1, 2)]
        self.assertEqual(logs[0], logs[1])
        self.assertNotEqual(logs[0], logs[2])
        for words in ('status=deferred', 'status=expired', 'mailbox full', 'no MXs', 'from=<>', 'status=undeliverable'):
            self.assertIn(words, logs[0])
