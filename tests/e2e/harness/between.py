"""Stands between nixie and Redis: passes all on, or behaves as networks and broken servers do."""
import heapq
import itertools
import os
import random
import select
import socket
import threading
import time

from .proc import LIMIT, free_port

PASS, SLOW, SILENT, HALF, GARBAGE, WRONG, CLOSE, HOLE = 'pass slow silent half garbage wrong close hole'.split()

# Replies of RESP2 that are no answers to what was asked.
WRONG_REPLIES = (b'+OK\r\n', b':5\r\n', b'$-1\r\n', b'*-1\r\n', b'*1\r\n$5\r\nstray\r\n', b'*3\r\n$6\r\nstatus\r\n$4\r\nhard\r\n:1\r\n',
                 b'*2\r\n*2\r\n$6\r\nstatus\r\n$4\r\nhard\r\n*0\r\n', b'$3\r\nabc\r\n', b'-ERR nonsense\r\n', b'-LOADING wait\r\n',
                 b'*999999999\r\n', b'$99999999999\r\n', b'*2\r\n$0\r\n\r\n$0\r\n\r\n')


class _Pair:
    def __init__(self, client, server):
        self.client, self.server = client, server
        self.spoiled = self.sent_half = False


class Between(threading.Thread):
    """address is for nixie's configuration. mode may be changed at any time, by set(); delay_s is of SLOW.

    SILENT takes all and answers nothing; HALF sends half of what it should, then no more; GARBAGE sends
    bytes at random, WRONG replies of `wrong`, which answer something else; CLOSE closes when it is asked. HOLE: what is
    sent goes nowhere until the hole is mended, and new connections are not even made (a Unix socket has no
    such thing as a lost packet, so this is TCP). Connections whose replies can no longer be told apart are
    closed at the next change of the mode."""

    def __init__(self, server_path):
        super().__init__(daemon=True)
        self.server_path, self.mode, self.delay_s = server_path, PASS, 0.1
        self.port = free_port()
        self.address = 'inet:127.0.0.1:%d' % self.port
        self.random, self.wrong = random.Random(1), WRONG_REPLIES
        self.connections = 0
        self._pairs, self._later, self._count = {}, [], itertools.count()
        self._wanted, self._changed = (self.mode, self.delay_s), threading.Semaphore(0)
        self._fillers, self._stopping, self._wake = [], False, os.pipe()
        self._epoll = select.epoll()
        self._epoll.register(self._wake[0], select.EPOLLIN)
        self._listen()
        self.start()

    def set(self, mode, delay_s=None):
        """It is so on return. The thread itself changes it: between two moves, and together with the closing of what is
        spoiled, which else would pass on an answer to another question."""
        self._wanted = mode, delay_s or self.delay_s
        os.write(self._wake[1], b'.')
        if not self._changed.acquire(timeout=LIMIT):
            raise AssertionError('who stands between does not move')

    def stop(self):
        self._stopping = True
        os.write(self._wake[1], b'.')
        self.join()

    def _listen(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(('127.0.0.1', self.port))
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._epoll.register(self._listener, select.EPOLLIN)

    def _fill(self):
        """Nobody accepts, and the queue is full: the kernel ignores who knocks, as a firewall does."""
        for fd in self._pairs:
            self._epoll.modify(fd, 0)
        self._listener.listen(0)
        self._epoll.unregister(self._listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(('127.0.0.1', self.port))
            self._fillers.append(filler)

    def _unfill(self):
        for filler in self._fillers:
            filler.close()
        self._fillers = []
        self._listener.close()      # and with it all that was queued
        self._listen()
        for fd in self._pairs:
            self._epoll.modify(fd, select.EPOLLIN)

    def _change(self):
        """One set() after the other: only one thread may call it."""
        os.read(self._wake[0], 100)
        self.mode, self.delay_s = self._wanted
        for pair in set(self._pairs.values()):
            if pair.spoiled:
                self._close(pair)
        if self.mode == HOLE and not self._fillers:
            self._fill()
        elif self.mode != HOLE and self._fillers:
            self._unfill()
        self._changed.release()

    def run(self):
        while not self._stopping:
            until = self._later[0][0] - time.monotonic() if self._later else 1.0
            for fd, _ in self._epoll.poll(max(0.0, until)):
                if fd == self._wake[0]:
                    self._change()
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd in self._pairs:
                    self._move(self._pairs[fd], fd)
            while self._later and self._later[0][0] <= time.monotonic():
                _, _, pair, to, data = heapq.heappop(self._later)
                self._send(pair, to, data)
        for pair in set(self._pairs.values()):
            self._close(pair)
        for end in [self._listener, self._epoll] + self._fillers:
            end.close()
        for end in self._wake:
            os.close(end)

    def _accept(self):
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:     # the event was of another one, whose number it has got
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.server_path)
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        for end in client, server:
            self._pairs[end.fileno()] = pair
            self._epoll.register(end, select.EPOLLIN)

    def _close(self, pair):
        for end in pair.client, pair.server:
            if end.fileno() in self._pairs:
                self._epoll.unregister(end)
                del self._pairs[end.fileno()]
            end.close()

    def _move(self, pair, fd):
        from_client = fd == pair.client.fileno()
        try:
            data = (pair.client if from_client else pair.server).recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:     # another connection has got the number of one that is closed
            return
        except OSError:
            data = b''
        pair.spoiled |= self.mode not in (PASS, SLOW)
        if not data:
            self._close(pair)
        elif from_client:
            self._question(pair, data)
        elif self.mode in (PASS, SLOW):
            self._later_or_now(pair, pair.client, data)
        elif self.mode == HALF and not pair.sent_half:
            pair.sent_half = True
            self._send(pair, pair.client, data[:len(data) // 2])

    def _question(self, pair, data):
        if self.mode in (PASS, SLOW, HALF):
            self._send(pair, pair.server, data)
        elif self.mode == CLOSE:
            self._close(pair)
        elif self.mode == GARBAGE:
            self._send(pair, pair.client, self.random.randbytes(self.random.randrange(1, 200)))
        elif self.mode == WRONG:
            self._send(pair, pair.client, b''.join(self.random.choice(self.wrong) for _ in range(self.random.randrange(1, 20))))

    def _later_or_now(self, pair, to, data):
        if self.mode == PASS and not any(entry[2] is pair for entry in self._later):
            self._send(pair, to, data)
        else:       # never before what was sent earlier
            at = time.monotonic() + (self.delay_s if self.mode == SLOW else 0)
            at = max([at] + [entry[0] for entry in self._later if entry[2] is pair])
            heapq.heappush(self._later, (at, next(self._count), pair, to, data))

    def _send(self, pair, to, data):
        try:
            if to.fileno() >= 0:
                to.sendall(data)
        except OSError:
            self._close(pair)


class Late(Between):
    """One answer comes late: to the nth question that has the word."""

    def __init__(self, server_path, word, nth, delay_s):
        self.word, self.left = b'\r\n%s\r\n' % word, nth
        super().__init__(server_path)
        self.delay_s = delay_s

    def _question(self, pair, data):
        self.left -= self.word in data
        self.mode = SLOW if self.left == 0 and self.word in data else PASS
        super()._question(pair, data)
