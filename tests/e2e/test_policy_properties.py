"""Whatever comes in: each good request has exactly one answer, in order, that Postfix takes well; nothing else has any."""
import os
import random
import signal
import socket
import threading
import time

from harness.case import Case
from harness.load import Load
from harness.nixie import sanitized
from harness.policy import PolicyClient
from harness.proc import LIMIT, wait_until
from harness.requests import GONE, expected, pieces, problem_of_all, stream

STREAMS = int(os.environ.get('NIXIE_STREAMS', '2000'))


def exchange(path, parts):
    """Write these, say that it is all, and return what comes back until the end."""
    received = b''
    with PolicyClient(path) as c:
        try:
            for part in parts:
                if part:
                    c.send(part)
            c.sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass        # it was refused, and the rest is not wanted
        while True:
            try:
                data = c.sock.recv(65536)
            except ConnectionResetError:
                data = b''
            if not data:
                return received
            received += data


class Streams(threading.Thread):
    """One stream after the other; the first problem ends it."""

    def __init__(self, path, seed, count=None):
        super().__init__(daemon=True)
        self.path, self.seed, self.count = path, seed, count
        self.random = random.Random(seed)
        self.done, self.problem, self.stopping = 0, '', False

    def run(self):
        try:
            while not self.stopping and not self.problem and self.done != self.count:
                data = stream(self.random)
                parts = pieces(self.random, data)
                problem = problem_of_all(data, exchange(self.path, parts))
                if problem:
                    self.problem = 'seed %s, stream %d: %s\n%d bytes in %d pieces: %r' % (
                        self.seed, self.done, problem, len(data), len(parts), data[:3000])
                self.done += 1
        except Exception as e:      # told by the test
            self.problem = 'seed %s, stream %d: %r' % (self.seed, self.done, e)


class PolicyCase(Case):
    prefix, limit = (), LIMIT

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.seed = os.environ.get('NIXIE_SEED', str(random.SystemRandom().randrange(10 ** 9)))
        for n, address in enumerate(GONE):
            self.redis.command('HSET', 'nixie:{0}:addr:' + address, 'status', 'hard', 'reason', 'recipient.unknown', 'origin', 'log',
                               'since', '1700000000', 'token', '%d-0' % (32 + n))
        self.configure(self.site.options['policyd'])
        self.site.write_conf()
        self.child = self.site.policyd(prefix=self.prefix, limit=self.limit)
        wait_until(lambda: self.site.ask(GONE[0]) != 'DUNNO', 'refusal', child=self.child)

    def configure(self, policyd):
        """For subclasses: options."""

    def assertNoProblem(self, streams):
        self.assertEqual('\n'.join(s.problem for s in streams if s.problem), '')


class Properties(PolicyCase):
    def test_one_answer_to_each_request(self):
        streams = [Streams(self.site.policy_path, '%s/%d' % (self.seed, n), STREAMS // 2) for n in range(2)]
        for s in streams:
            s.start()
        for s in streams:
            s.join()
        self.assertNoProblem(streams)
        self.assertIsNone(self.child.poll(), self.child.log()[-2000:])

    def test_the_streams_are_of_all_sorts(self):
        """That the test above tests something."""
        chance = random.Random(self.seed)
        whole = bad = answers = 0
        for _ in range(1000):
            data = stream(chance)
            n = len(expected(data))
            answers += n
            whole += data.count(b'request=smtpd_access_policy') == n
            bad += n == 0
        self.assertGreater(whole, 300)
        self.assertGreater(bad, 50)
        self.assertGreater(answers, 3000)


class UnderLoad(PolicyCase):
    """All at once: streams, steady questions, Redis killed and frozen, SIGHUP; and then the end, without a complaint."""
    seconds, rate = 1.0, 300

    def configure(self, policyd):
        self.maps, self.metrics = os.path.join(self.directory, 'maps'), os.path.join(self.directory, 'metrics')
        policyd.update({'maps': ['unix:' + self.maps], 'metrics': ['unix:' + self.metrics],
                        'snapshot': os.path.join(self.directory, 'snapshot'), 'cache': '1MiB'})

    def test_all_at_once(self):
        load = Load(self.site.policy_path, 20, self.choose, self.rate)
        streams = [Streams(self.site.policy_path, '%s/%d' % (self.seed, n)) for n in range(2)]
        load.start()
        for s in streams:
            s.start()
        time.sleep(self.seconds)
        for disturb in self.hang_up, self.reload, self.look_up, self.abandon, self.remove_entries, self.scrape, self.hand_over:
            disturb()
            time.sleep(self.seconds)
        for s in streams:
            s.stopping = True
        for s in streams:
            s.join()
        # Redis is away while streams are read: what they are answered is no longer exact
        self.redis.freeze()
        time.sleep(self.seconds)
        self.redis.thaw()
        self.redis.child.kill()
        time.sleep(self.seconds)
        self.redis.start()
        load.stop()
        self.assertNoProblem(streams)
        self.assertGreater(sum(s.done for s in streams), 10)
        self.assertEqual(load.lost, [])
        status = self.child.stop(limit=self.limit)
        # not its own lines: what valgrind or a sanitizer says
        complaints = [line for line in self.child.log().splitlines() if not line.startswith('nixie/policyd: ')]
        self.assertEqual((status, complaints), (0, []))

    def choose(self, chance):
        if chance.random() < 0.5:
            return 'gone', chance.choice(GONE)
        return 'new', 'new%d@example.com' % chance.randrange(10 ** 6)

    def hang_up(self):
        for _ in range(50):
            with self.site.policy_client() as c:
                c.send(b'request=smtpd_access_policy\nrecipient=gone@example.com\n\n' * 3)

    def look_up(self):
        """As maps of Postfix do, and as nobody should."""
        chance = random.Random(self.seed)
        for n in range(300):
            key = chance.choice((b'transport ' + chance.choice(GONE).encode(), b'transport *', b'status 5.1.1 no such user', b'', chance.randbytes(30)))
            query = b'%d:%s,' % (len(key), key)
            if n % 10 == 0:
                query = chance.randbytes(chance.choice((1, 10, 100))) + query
            exchange(self.maps, [query[:n % 7], query[n % 7:]])

    def scrape(self):
        for n in range(20):
            exchange(self.metrics, [b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'[:n * 10]])
        self.assertIn(b'nixie_policy_requests_total', exchange(self.metrics, [b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n']))

    def reload(self):
        self.child.send_signal(signal.SIGHUP)

    def abandon(self):
        """Connections with half a request, and with answers that nobody takes."""
        self.left = [self.site.policy_client() for _ in range(20)]
        for c in self.left:
            c.send(b'request=smtpd_access_policy\nrecipient=gone1@example.com\n\n' * 20 + b'request=smtpd')

    def remove_entries(self):
        for n in range(200):
            self.redis.command('HSET', 'nixie:{0}:addr:other%d@example.com' % n, 'status', 'hard')

    def hand_over(self):
        self.child.send_signal(signal.SIGUSR2)
        for c in self.left:
            c.close()


class UnderValgrind(UnderLoad):
    """The same with every access to memory looked at."""
    prefix = ('valgrind', '--quiet', '--trace-children=yes', '--error-exitcode=99', '--leak-check=full', '--errors-for-leak-kinds=definite')
    seconds, rate, limit = 0.5, 100, 3 * LIMIT

    def setUp(self):
        if sanitized('nixie-policyd'):
            self.skipTest('the program looks after itself: it is built with AddressSanitizer')
        super().setUp()
