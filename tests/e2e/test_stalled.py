"""A Redis that hangs costs its deadline once, not each question: see store_set_impatient()."""
import time

from harness.case import Case
from harness.peace import PeaceCase
from harness.proc import LIMIT, wait_until
from harness.servers import FAIL_OVER_LIMIT, RedisCluster, Watched, info, partition_of, slot_of
from harness.watch import Watch

DEADLINE_MS = 1000
GIVEN_UP = 4            # it is after so many of them


class GivenUp(Exception):
    pass


def names(n, what):
    return ['%s%d@%s%d.example' % (what, i, what, i) for i in range(n)]


class Stalled:
    """Whoever waits does so for DEADLINE_MS, or until a server that is dialled anew has been given up again."""

    def configure(self, deadline_ms=DEADLINE_MS):
        self.site.options['policyd']['deadline'] = '%dms' % deadline_ms
        self.site.write_conf()

    def ask_all(self, w, addresses):
        w.mark()
        w.ask(*addresses)
        return w.wait_answers(len(addresses))

    def assertWaited(self, answers):
        for address, result, ms, _ in answers:
            self.assertEqual(result, 'unreachable', address)
            self.assertGreaterEqual(ms, DEADLINE_MS)

    def assertAtOnce(self, w, addresses, given_up=False):
        """Nobody waits: who does waits each time, until it is given up, and a machine that stands still for a moment does not do
        so each time."""
        def asked():
            answers = self.ask_all(w, addresses)
            for address, result, _, _ in answers:
                self.assertEqual(result, 'unreachable', address)
            if not given_up and time.monotonic() - self.begun >= GIVEN_UP * DEADLINE_MS / 1000:
                raise GivenUp
            return all(ms < DEADLINE_MS / 2 for _, _, ms, _ in answers)
        wait_until(asked, 'answers at once', child=w)

    def in_time(self, w, server, stalled):
        """stalled() with a server that hangs; anew when it was given up before a slow machine could tell."""
        def tried():
            wait_until(lambda: self.answered(w), 'answer', child=w)
            self.begun = time.monotonic()
            server.freeze()
            try:
                stalled()
            except GivenUp:
                return False
            finally:
                server.thaw()
            return True
        wait_until(tried, 'answers at once before it is given up', 5 * LIMIT, w)

    def answered(self, w):
        return self.ask_all(w, ['fine@example.com'])[0][1] == 'absent'

    def start(self):
        self.configure()
        w = Watch(self.site)
        wait_until(lambda: self.answered(w), 'first answer', child=w)
        return w

    def stall(self, w):
        """Those under way wait, those that come later do not."""
        self.assertWaited(self.ask_all(w, names(20, 'first')))
        for _ in range(5):
            self.assertAtOnce(w, names(20, 'later'))


class OneServer(Stalled, Case):
    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        self.addCleanup(lambda: self.redis.child and self.redis.thaw())

    def connections(self):
        return int(info(self.redis, 'stats')['total_connections_received'])

    def data_connections(self):
        return [line.split()[0] for line in self.redis.command('CLIENT', 'LIST').splitlines() if ' cmd=hgetall ' in line]

    def test_recovers_on_the_same_connection(self):
        w = self.start()

        def recovered():
            """Unless the machine was so slow that the connection has rightly been given up meanwhile."""
            before, anew, begun = self.data_connections(), w.log().count('made anew'), time.monotonic()
            self.assertEqual(len(before), 1)
            self.in_time(w, self.redis, lambda: self.stall(w))
            wait_until(lambda: self.answered(w), 'answer', child=w)
            if time.monotonic() - begun >= GIVEN_UP * DEADLINE_MS / 1000:
                return False
            self.assertEqual(self.data_connections(), before)
            self.assertEqual(w.log().count('made anew'), anew)
            return True
        wait_until(recovered, 'recovery in time', child=w)

    def test_nothing_has_piled_up(self):
        w = self.start()
        before = int(info(self.redis, 'commandstats')['cmdstat_hgetall'].split('calls=')[1].split(',')[0])
        self.in_time(w, self.redis, lambda: self.stall(w))
        wait_until(lambda: self.answered(w), 'answer', child=w)
        after = int(info(self.redis, 'commandstats')['cmdstat_hgetall'].split('calls=')[1].split(',')[0])
        # of address and domain: the 20 that were under way, and those that looked whether it is back
        self.assertLess(after - before, 2 * 20 + 2 * 20)

    def test_hangs_for_long(self):
        w = self.start()

        def hangs():
            self.stall(w)
            w.wait_log('made anew')
            self.assertAtOnce(w, names(20, 'after'), given_up=True)
        self.in_time(w, self.redis, hangs)
        wait_until(lambda: self.answered(w), 'answer', child=w)

    def test_over_and_over(self):
        w = self.start()

        def stalls():
            self.assertWaited(self.ask_all(w, names(3, 'first')))
            self.assertAtOnce(w, names(3, 'later'))
        for _ in range(3):
            self.in_time(w, self.redis, stalls)
            wait_until(lambda: self.answered(w), 'answer', child=w)


class Policyd(Stalled, Case):
    """Through the service: what is remembered is answered, and of the rest nobody waits for long."""

    def test_later_questions_do_not_wait(self):
        self.site = self.with_redis()
        self.addCleanup(lambda: self.redis.child and self.redis.thaw())
        self.configure(4 * DEADLINE_MS)
        self.site.ctl_ok('suppress', 'gone@example.com')
        child = self.site.policyd()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.redis.freeze()
        with self.site.policy_client() as c:
            for address in names(10, 'new'):
                self.assertDunno(c.ask(address))
            # had four of them waited, it would have been given up
            self.assertNotIn('made anew', child.log())
            self.assertSuppressed(c.ask('gone@example.com'))
            self.redis.thaw()
            self.site.ctl_ok('suppress', 'new0@new0.example')
            wait_until(lambda: c.ask('new0@new0.example').startswith('5'), 'refusal', child=child)


class Sentinel(Stalled, PeaceCase):
    def test_hangs_until_another_is_the_master(self):
        watched = Watched(self.directory)
        self.site = self.with_servers(watched, 1)
        w = self.start()
        master = watched.master()
        master.freeze()
        try:
            self.assertWaited(self.ask_all(w, names(5, 'first')))
            self.assertAtOnce(w, names(5, 'later'), given_up=True)
            wait_until(lambda: self.answered(w), 'answer of the other', FAIL_OVER_LIMIT, w)
        finally:
            master.thaw()

    def test_named_again_and_again(self):
        watched = Watched(self.directory)
        self.site = self.with_servers(watched, 1)
        w = self.start()
        master = watched.master()
        for _ in range(2):      # the third alone makes nobody the master
            watched.kill_sentinel(0)
        master.freeze()
        try:
            self.assertWaited(self.ask_all(w, names(5, 'first')))
            w.wait_log('made anew')
            for _ in range(3):
                self.assertAtOnce(w, names(5, 'after'), given_up=True)
        finally:
            master.thaw()
        wait_until(lambda: self.answered(w), 'answer', child=w)


class Cluster(Stalled, PeaceCase):
    PARTITIONS = 64

    def setUp(self):
        super().setUp()
        self.cluster = RedisCluster(self.directory)
        self.site = self.with_servers(self.cluster, self.PARTITIONS)
        self.site.ctl_ok('suppress', 'first@example.com')

    def of(self, node, at=True):
        """Addresses that are at the node, with their domains, or neither is."""
        def there(key):
            return self.cluster.owner(slot_of('{%d}' % partition_of(key, self.PARTITIONS))) is node
        return [a for a in names(300, 'u') if there(a) == there('@' + a.split('@')[1]) == at][:15]

    def test_one_node(self):
        w = self.start()
        node = next(iter(self.cluster.masters()))
        mine, others = self.of(node), self.of(node, False)

        def back():
            return all(a[1] == 'absent' for a in self.ask_all(w, mine + others))
        wait_until(back, 'answers', child=w)
        node.freeze()
        try:
            self.assertWaited(self.ask_all(w, mine))
            self.assertAtOnce(w, mine, given_up=True)
            # which the others do not feel, before they find out themselves
            w.wait_log('made anew')
            self.assertAtOnce(w, mine, given_up=True)
        finally:
            node.thaw()
        wait_until(back, 'answers', child=w)

    def test_the_others_answer(self):
        w = self.start()
        node = next(iter(self.cluster.masters()))
        for other in self.cluster.nodes:    # else they refuse everything, as nobody takes over
            other.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
        mine, others = self.of(node), self.of(node, False)
        node.freeze()
        try:
            self.assertWaited(self.ask_all(w, mine))
            # more than once where the machine stands still for longer than the deadline
            wait_until(lambda: all(a[1] == 'absent' for a in self.ask_all(w, others)), 'answers of the others', child=w)
            self.assertAtOnce(w, mine, given_up=True)
        finally:
            node.thaw()
