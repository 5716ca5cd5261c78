"""Many connections that ask the policy service all the time, and what became of each question."""
import collections
import heapq
import random
import select
import socket
import threading
import time

from .policy import action_of, request
from .proc import LIMIT

# kind: whatever the test calls recipients of that sort; sent: time.monotonic(); took: seconds.
Answer = collections.namedtuple('Answer', 'sent took kind recipient action')


class _Connection:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(path)
        self.buffer = b''
        self.asked = None       # (sent, kind, recipient) of the question under way


class Load(threading.Thread):
    """choose(random) -> (kind, recipient) of the next question; rate: questions a second, of all connections.

    answers: all that came. lost: questions that got none: (sent, kind, recipient, why). closed: how
    often the server closed a connection that waited for nothing."""

    def __init__(self, path, connections, choose, rate, seed=1):
        super().__init__(daemon=True)
        self.path, self.n, self.choose, self.pause = path, connections, choose, connections / rate
        self.random = random.Random(seed)
        self.answers, self.lost, self.closed, self.failure = [], [], 0, None
        self._stopping = threading.Event()
        self._epoll, self._by_fd, self._due = select.epoll(), {}, []

    def run(self):
        try:
            for n in range(self.n):
                self._open(time.monotonic() + self.pause * n / self.n)
            while not self._stopping.is_set():
                self._turn()
            end = time.monotonic() + LIMIT
            while self._waiting() and time.monotonic() < end:
                self._read(0.05)
            for c in self._waiting():
                self.lost.append((*c.asked, 'no answer within %g s' % (time.monotonic() - c.asked[0])))
        except Exception as e:      # told by stop()
            self.failure = e
        finally:
            for c in self._by_fd.values():
                c.sock.close()
            self._epoll.close()

    def stop(self):
        """Ask no more, wait for what is under way."""
        self._stopping.set()
        self.join()
        if self.failure is not None:
            raise AssertionError('the load has failed: %r' % self.failure)
        return self

    def since(self, begin, end=float('inf'), kinds=None):
        """Answers to what was asked in a span of time."""
        return [a for a in list(self.answers) if begin <= a.sent < end and (kinds is None or a.kind in kinds)]

    def _waiting(self):
        return [c for c in self._by_fd.values() if c.asked]

    def _open(self, due):
        c = _Connection(self.path)
        self._by_fd[c.sock.fileno()] = c
        self._epoll.register(c.sock.fileno(), select.EPOLLIN)
        heapq.heappush(self._due, (due, c.sock.fileno(), c))

    def _turn(self):
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            c = heapq.heappop(self._due)[2]
            if c.sock.fileno() >= 0:
                self._ask(c)
        self._read(min(0.05, max(0.0, self._due[0][0] - time.monotonic())) if self._due else 0.05)

    def _ask(self, c):
        kind, recipient = self.choose(self.random)
        c.asked = time.monotonic(), kind, recipient
        try:
            c.sock.sendall(request(recipient))
        except OSError as e:
            self._gone(c, repr(e))

    def _read(self, seconds):
        for fd, _ in self._epoll.poll(seconds):
            c = self._by_fd[fd]
            try:
                data = c.sock.recv(65536)
            except OSError:
                data = b''
            if not data:
                self._gone(c, 'closed')
                continue
            c.buffer += data
            if c.buffer.endswith(b'\n\n'):
                self._take(c)

    def _take(self, c):
        now = time.monotonic()
        answer, c.buffer = c.buffer[:-2], b''
        if c.asked is None:
            raise AssertionError('an answer to no question: %r' % answer)
        sent, kind, recipient = c.asked
        c.asked = None
        self.answers.append(Answer(sent, now - sent, kind, recipient, action_of(answer)))
        heapq.heappush(self._due, (now + self.pause * self.random.uniform(0.5, 1.5), c.sock.fileno(), c))

    def _gone(self, c, why):
        if c.asked:
            self.lost.append((*c.asked, why))
        else:
            self.closed += 1
        self._epoll.unregister(c.sock.fileno())
        del self._by_fd[c.sock.fileno()]
        c.sock.close()
        if not self._stopping.is_set():
            self._open(time.monotonic() + self.pause)


def refused(answer):
    return answer.action.startswith(('5', 'REJECT'))


def percentile_ms(answers, share):
    """Of the latencies; 0 of none."""
    took = sorted(a.took for a in answers)
    return took[min(len(took) - 1, int(len(took) * share))] * 1000 if took else 0.0
