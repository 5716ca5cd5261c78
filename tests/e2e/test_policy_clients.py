"""Clients that are many, silent, slow, greedy or gone: the others are served meanwhile."""
import fcntl
import os
import resource
import signal
import socket
import time

from harness.case import Case
from harness.policy import PolicyClient, request
from harness.proc import LIMIT, wait_until

MIB = 1 << 10   # of KiB
GONE = 'gone@example.com'


def status_kib(pid, name):
    with open('/proc/%d/status' % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name + ':'))


def open_files(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


def read_lines(fd, n):
    """All that is there, and so many lines at least."""
    data = b''
    while data.count(b'\n') < n or not data.endswith(b'\n'):
        data += os.read(fd, 1 << 16)
    return data.decode()


class Clients(Case):
    prefix = ()

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.with_redis()
        self.clients = []
        self.addCleanup(self.close_all)

    def policyd(self, prefix=(), **options):
        self.site.options['policyd'].update(options)
        self.site.write_conf()
        self.child = self.site.policyd(prefix=prefix)
        self.redis.command('HSET', 'nixie:{0}:addr:' + GONE, 'status', 'hard', 'reason', 'recipient.unknown', 'since', '1700000000')
        wait_until(lambda: self.site.ask(GONE) != 'DUNNO', 'refusal', child=self.child)

    def connect(self, n):
        new = [self.site.policy_client() for _ in range(n)]
        self.clients += new
        return new

    def close_all(self):
        for c in self.clients:
            c.close()
        self.clients = []

    def others_are_served(self, n=20):
        with self.site.policy_client() as c:
            for i in range(n):
                self.assertSuppressed(c.ask(GONE))
                self.assertDunno(c.ask('other%d-%d@example.com' % (i, time.monotonic_ns())))

    def test_2000_idle(self):
        self.policyd()
        for n, c in enumerate(self.connect(2000)):
            if n % 2:
                c.send(request('idle%d@example.com' % n))
        for n, c in enumerate(self.clients):
            if n % 2:
                self.assertDunno(c.action())
        self.assertLess(status_kib(self.child.pid, 'VmRSS'), 32 * MIB)
        self.others_are_served()
        # half a request is kept in memory of its own, which has the size of what is there
        for c in self.clients:
            c.send(request(GONE)[:-1])
        self.others_are_served()
        self.assertLess(status_kib(self.child.pid, 'VmRSS'), 32 * MIB)
        for c in self.clients:
            c.send(b'\n')
        for c in self.clients:
            self.assertSuppressed(c.action())
        self.close_all()
        wait_until(lambda: open_files(self.child.pid) < 100, 'closed descriptors', child=self.child)

    def test_silent(self):
        self.policyd()
        silent = self.connect(300)
        half = self.connect(300)
        for c in half:
            c.send(b'request=smtpd_access_policy\nrecipient=half')
        self.others_are_served()
        # nobody has been closed, and all may go on
        for c in silent:
            self.assertSuppressed(c.ask(GONE))
        for c in half:
            c.send(b'@example.com\n\n')
            self.assertDunno(c.action())

    def test_never_read(self):
        self.policyd()
        before = status_kib(self.child.pid, 'VmRSS')
        greedy = self.connect(50)
        for c in greedy:
            c.sock.settimeout(0.02)
            try:
                for _ in range(1000):
                    c.sock.send(request(GONE) * 100)
            except (socket.timeout, BrokenPipeError, ConnectionResetError):
                pass        # it takes no more from who takes no answers
        self.others_are_served()
        self.assertLess(status_kib(self.child.pid, 'VmRSS') - before, 16 * MIB)
        # and who begins to read gets them
        greedy[0].sock.settimeout(LIMIT)
        for _ in range(100):
            self.assertSuppressed(greedy[0].action())

    def test_half_close_while_redis_hangs(self):
        self.policyd(deadline='500ms')
        self.redis.freeze()
        try:
            for n, c in enumerate(self.connect(50)):
                c.send(request('never-asked%d@example.com' % n) * 3)
                c.sock.shutdown(socket.SHUT_WR)
            for c in self.clients:
                for _ in range(3):
                    self.assertDunno(c.action())
                self.assertIsNone(c.answer())
        finally:
            self.redis.thaw()

    def test_gone_while_redis_hangs(self):
        self.policyd()
        self.redis.freeze()
        try:
            for n, c in enumerate(self.connect(200)):
                c.send(request('never-asked%d@example.com' % n))
            self.close_all()
        finally:
            self.redis.thaw()
        wait_until(lambda: open_files(self.child.pid) < 60, 'closed descriptors', child=self.child)
        self.others_are_served()

    def test_no_descriptors_left(self):
        self.policyd(prefix=('prlimit', '--nofile=64:64'))
        self.connect(150)
        self.child.wait_log(['warning', 'descriptors'])
        for c in self.clients:
            c.send(request(GONE))
        first = self.clients[:30]
        for c in first:
            self.assertSuppressed(c.action())
        # while all are taken the connection to Redis is lost: it comes back, and before new clients do
        self.redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        wait_until(lambda: first[0].ask('new%d@example.com' % time.monotonic_ns()) == 'DUNNO' and self.asks_redis(first[0]),
                   'Redis again', child=self.child)
        # who waits is taken when others go, and what it asked long ago is answered
        last = self.clients[-1]
        for c in self.clients[:-1]:
            c.close()
        self.assertSuppressed(last.action())
        self.others_are_served()

    def test_few_descriptors_and_redis_restarted(self):
        """Clients that wait to be taken do not get those that lead to Redis."""
        self.policyd(prefix=('prlimit', '--nofile=64:64'))
        self.connect(150)
        self.child.wait_log(['warning', 'descriptors'])
        first = self.clients[:30]
        for c in first:
            self.assertSuppressed(c.ask(GONE))
        for _ in range(2):
            self.redis.stop()
            self.assertDunno(first[0].ask('new%d@example.com' % time.monotonic_ns()))
            self.redis.start()
            wait_until(lambda: self.asks_redis(first[0]), 'Redis again', child=self.child)
        self.assertNotIn('Too many open files', self.child.log())

    def test_what_strangers_say_comes_last_in_the_log(self):
        self.policyd()
        self.redis.command('HSET', 'nixie:{0}:addr:' + GONE, 'token', '1700000000000-1')
        forged = '> client=trusted[127.0.0.1] status=soft reason=none by=domain since=1970-01-01 token=FORGED recipient=<x@example.org'
        with self.site.policy_client() as c:
            for attributes in ({'sender': forged}, {'sasl_username': forged}, {'client_name': forged}, {'instance': forged},
                               {'sender': b'\x80' * 900, 'client_name': b'\x80' * 900}):
                before = self.child.log().count('action=reject')
                self.assertSuppressed(c.ask(GONE, **attributes))
                wait_until(lambda before=before: self.child.log().count('action=reject') > before, 'log line')
                line = [line for line in self.child.log().splitlines() if 'action=reject' in line][-1]
                self.assertRegex(line, r'^nixie/policyd: action=reject status=hard reason=recipient\.unknown by=address since=2023-11-14 '
                                 r'token=[0-9A-Z-]+ recipient=<gone@example\.com> sender=<')

    def test_a_log_that_nobody_reads(self):
        """Standard error is a pipe that is full: answers go on, and later it is told how many messages are missing."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 16384)     # of four pages: each has room for many lines
        fifo = '/proc/%d/fd/%d' % (os.getpid(), writer)
        try:
            self.policyd(prefix=('sh', '-c', 'exec "$0" "$@" 2>' + fifo))
        finally:
            os.close(writer)
        with self.site.policy_client() as c:
            for _ in range(200):
                self.assertSuppressed(c.ask(GONE))
            self.others_are_served()
            self.assertNotIn('dropped', read_lines(reader, 1))
            self.assertSuppressed(c.ask(GONE))
            text = read_lines(reader, 2)
            self.assertRegex(text, r'^nixie/policyd: warning: [1-9]\d\d messages were dropped, as nobody read the log\n'
                             r'nixie/policyd: action=reject [^\n]*\n$')
            self.assertSuppressed(c.ask(GONE))
            self.assertNotIn('dropped', read_lines(reader, 1))
            for _ in range(200):
                self.assertSuppressed(c.ask(GONE))
        self.assertEqual(self.child.stop(), 0)

    def test_a_service_manager_that_does_not_listen(self):
        """Its socket is full: that is logged, and mail waits no longer than said."""
        self.policyd()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
            full.setblocking(False)
            full.connect(self.child.notify.getsockname())
            for _ in range(2):
                before = self.child.log().count('reloaded')
                with self.assertRaises(BlockingIOError):
                    while True:
                        full.send(b'STATUS=')
                os.kill(self.child.pid, signal.SIGHUP)      # not send_signal(): that reads what was told
                for _ in range(5):      # who is stopped meanwhile goes on waiting
                    os.kill(self.child.pid, signal.SIGSTOP)
                    wait_until(self.child._stands, 'standstill of the service')
                    os.kill(self.child.pid, signal.SIGCONT)
                    time.sleep(0.1)
                wait_until(lambda before=before: self.child.log().count('reloaded') > before, 'reload', child=self.child)
                self.assertSuppressed(self.site.ask(GONE))
        for told in 'RELOADING=1', 'READY=1':
            self.assertEqual(self.child.log().count('warning: the service manager did not take %s within 2 s; going on without' % told), 2)
        self.assertEqual(self.child.stop(), 0)

    def asks_redis(self, client):
        """Is what is written just now known to policyd?"""
        name = 'fresh%d@example.com' % time.monotonic_ns()
        self.redis.command('HSET', 'nixie:{0}:addr:' + name, 'status', 'hard', 'reason', 'recipient.unknown', 'since', '1700000000')
        return client.ask(name) != 'DUNNO'

    def test_more_than_max_connections(self):
        self.policyd(**{'max-connections': 50})
        self.connect(300)
        self.child.wait_log(['warning', 'max-connections'])
        for c in self.clients:
            c.send(request(GONE))
        for c in self.clients[:40]:
            self.assertSuppressed(c.action())
            self.assertSuppressed(c.ask(GONE))
        self.assertLess(open_files(self.child.pid), 100)
        self.close_all()
        self.others_are_served()

    def test_those_who_wait_are_taken_in_turn(self):
        self.policyd(**{'max-connections': 10})
        for c in self.connect(60):
            c.send(request(GONE))
        for c in self.clients:
            self.assertSuppressed(c.action())
            c.close()

    def test_byte_by_byte(self):
        self.policyd()
        data = request(GONE)
        slow = self.connect(50)
        for i in range(0, len(data)):
            for c in slow:
                c.send(data[i:i + 1])
            if i % 100 == 0:
                self.others_are_served(2)
        for c in slow:
            self.assertSuppressed(c.action())

    def test_comings_and_goings(self):
        """Connections of one question, as Exim makes them; nothing is left of them."""
        self.policyd()
        self.others_are_served()
        before = open_files(self.child.pid), status_kib(self.child.pid, 'VmRSS')
        for n in range(3000):
            with PolicyClient(self.site.policy_path) as c:
                c.send(request(GONE if n % 2 else 'user%d@example.com' % (n % 100)))
                if n % 3:
                    c.action()
        self.others_are_served()
        wait_until(lambda: open_files(self.child.pid) <= before[0] + 2, 'closed descriptors', child=self.child)
        self.assertLess(status_kib(self.child.pid, 'VmRSS') - before[1], 4 * MIB)
