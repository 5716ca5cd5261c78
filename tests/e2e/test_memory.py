"""What nixie-policyd keeps in memory: as Redis has it while Redis tells, and what it remembers while Redis is away."""
import os
import signal
import socket
import stat
import time
import zlib

from harness.case import Case
from harness.policy import PolicyClient
from harness.proc import LIMIT, free_port, wait_until
from harness.redis import RedisServer

HEAD = '# nixie-policyd: what it remembers, 1\n'


class Remembering(Case):
    def setUp(self):
        super().setUp()
        self.redis = RedisServer(self.directory)
        self.redis.start()
        self.addCleanup(self.redis.stop)
        self.make_site(self.redis)
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.site.ctl_ok('suppress', '@closed.example')


class Memory(Remembering):
    def questions(self):
        """How many HGETALLs Redis has been asked."""
        for line in self.redis.command('INFO', 'commandstats').splitlines():
            if line.startswith('cmdstat_hgetall:'):
                return int(line.split('calls=')[1].split(',')[0])
        return 0

    def warm(self, *recipients):
        """Until they are answered from memory."""
        def none_is_asked():
            before = self.questions()
            for recipient in recipients:
                self.site.ask(recipient)
            return self.questions() == before
        wait_until(none_is_asked, 'answers from memory', child=self.site.children[-1])

    def test_redis_is_asked_once(self):
        child = self.site.policyd()

        def asked():
            self.warm('gone@example.com', 'user@example.com', 'any@closed.example')
            before = self.questions()
            for _ in range(20):
                self.assertSuppressed(self.site.ask('gone@example.com'))
                self.assertSuppressed(self.site.ask('any@closed.example'))
                self.assertDunno(self.site.ask('user@example.com'))
            return self.questions() == before
        # a machine that stands still for seconds makes it ask again, rightly
        wait_until(asked, 'answers from memory', child=child)

    def test_changes_show_at_once(self):
        self.site.policyd()
        self.warm('gone@example.com', 'user@example.com')
        for _ in range(10):
            self.site.ctl_ok('suppress', 'user@example.com')
            wait_until(lambda: self.site.ask('user@example.com').startswith('5'), 'the refusal')
            self.site.ctl_ok('reset', '--force', 'user@example.com')
            wait_until(lambda: self.site.ask('user@example.com') == 'DUNNO', 'the end of it')
        self.site.ctl_ok('suppress', '@example.com')
        wait_until(lambda: self.site.ask('other@example.com').startswith('5'), 'the refusal of the domain')

    def test_age_of_an_answer(self):
        """A change that Redis does not tell of, as its databases are swapped."""
        self.site.write_conf(policyd={'cache-age': '1s'})
        self.site.policyd()
        self.warm('gone@example.com')
        self.redis.command('SWAPDB', '0', '1')
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'the other database')

    def test_no_age_is_no_memory(self):
        self.site.write_conf(policyd={'cache-age': '0s'})
        self.site.policyd()
        before = self.questions()
        for _ in range(5):
            self.assertSuppressed(self.site.ask('gone@example.com'))
        # of address and domain each time; and perhaps how many partitions there are
        self.assertGreaterEqual(self.questions(), before + 10)

    def test_suppressed_ones_stay_so_while_redis_is_away(self):
        self.site.ctl_ok('suppress', 'freed@example.com')
        child = self.site.policyd()
        self.warm('gone@example.com', 'user@example.com', 'any@closed.example', 'freed@example.com')
        self.site.ctl_ok('reset', '--force', 'freed@example.com')
        self.redis.stop()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertSuppressed(self.site.ask('any@closed.example'))
        # nobody knows whether this one is allowed, in spite of its domain
        for unknown in 'user@example.com', 'freed@example.com', 'never-asked@example.com', 'another@closed.example':
            self.assertDunno(self.site.ask(unknown))
        self.assertIn('from=memory', child.log())
        self.redis.start()
        wait_until(lambda: 'connected' in child.log(), 'the connection')
        self.site.ctl_ok('reset', '--force', 'gone@example.com')
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'the end of it')

    def untold(self):
        """From now on Redis cannot tell of changes, but it answers."""
        self.redis.command('ACL', 'SETUSER', 'default', '-client|tracking')
        self.redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')

    def test_released_while_nobody_tells_of_it(self):
        self.site.write_conf(policyd={'cache-age': '1s'})
        child = self.site.policyd()
        self.warm('gone@example.com')
        self.untold()
        self.site.ctl_ok('reset', '--force', 'gone@example.com')
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'the end of it', child=child)
        self.redis.stop()
        self.assertDunno(self.site.ask('gone@example.com'))

    def test_allowed_in_a_suppressed_domain(self):
        """Only who was asked about is known not to be allowed."""
        self.site.ctl_ok('allow', 'boss@closed.example')
        self.site.ctl_ok('allow', 'asked@closed.example')
        child = self.site.policyd()
        self.warm('any@closed.example', 'asked@closed.example')
        self.redis.stop()
        for allowed in 'boss@closed.example', 'asked@closed.example':
            self.assertDunno(self.site.ask(allowed))
        self.assertSuppressed(self.site.ask('any@closed.example'))
        self.assertIsNone(child.poll())

    def test_what_cannot_be_read_hides_nothing(self):
        """The domain's key is of another type: the address has its own answer."""
        self.untold()
        self.redis.command('SET', 'nixie:{0}:domain:example.com', 'x')
        child = self.site.policyd()
        for _ in range(3):
            self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertDunno(self.site.ask('user@example.com'))
        child.wait_log(['Redis refuses', 'key of another type'])

    def test_nobody_waits_in_the_shadow(self):
        self.site.write_conf(policyd={'shadow': True, 'on-store-failure': 'defer'})
        self.redis.stop()
        child = self.site.policyd()
        self.assertDunno(self.site.ask('user@example.com'))
        self.site.write_conf(policyd={'on-store-failure': 'defer'})
        child.send_signal(signal.SIGHUP)
        child.wait_log('reloaded')
        self.assertTrue(self.site.ask('user@example.com').startswith('DEFER_IF_PERMIT'))

    def test_partitions_told_in_vain(self):
        """Their number changes, and the answer that says so is late: it is asked for again."""
        address = 'gone@example.com'
        self.redis.command('HSET', 'nixie:meta', 'schema', '1', 'partitions', '1')
        child = self.site.policyd()
        self.warm(address)
        other = 'nixie:{%d}:addr:%s' % (zlib.crc32(address.encode()) % 64, address)
        self.assertNotIn('{0}', other)
        self.redis.command('HSET', other, 'status', 'allow', 'since', '1700000000')
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.redis.socket)
            # both are read at once: who is told cannot ask in between
            s.sendall(b'EVAL "redis.call(\'HSET\', \'nixie:meta\', \'partitions\', \'64\')" 0\r\nCLIENT PAUSE 700 ALL\r\n')
            wait_until(lambda: self.site.ask(address) == 'DUNNO', 'what the other partition says', child=child)

    def test_not_for_ever(self):
        self.site.write_conf(policyd={'remember': '0s'})
        self.site.policyd()
        self.warm('gone@example.com')
        self.redis.stop()
        wait_until(lambda: self.site.ask('gone@example.com') == 'DUNNO', 'no memory')

    def test_over_a_restart(self):
        path = os.path.join(self.directory, 'snapshot')
        self.site.write_conf(policyd={'snapshot': path})
        child = self.site.policyd()
        self.site.ctl_ok('suppress', '--scope', 'sender:shop.example', 'some@example.com')
        self.warm('gone@example.com', 'any@closed.example', 'user@example.com', 'some@example.com')
        refusal = self.site.ask('gone@example.com')
        child.stop()
        with open(path, encoding='utf-8') as f:
            self.assertEqual(f.readline(), HEAD)
            names = sorted(line.split('\t')[1] for line in f)
        self.assertEqual(names, ['@closed.example', 'gone@example.com', 'some@example.com'])
        self.redis.stop()
        self.site.policyd()
        self.assertEqual(self.site.ask('gone@example.com'), refusal)
        self.assertDunno(self.site.ask('any@closed.example'))   # that it has no entry was not kept
        self.assertSuppressed(self.site.ask('some@example.com', sender='news@shop.example'))
        self.assertDunno(self.site.ask('some@example.com', sender='news@other.example'))
        self.assertDunno(self.site.ask('user@example.com'))

    def test_a_damaged_snapshot(self):
        path = os.path.join(self.directory, 'snapshot')
        self.site.write_conf(policyd={'snapshot': path})
        with open(path, 'wb') as f:
            f.write(HEAD.encode() + b'\n\t\t\n99999999999\tx@example.com\tstatus=hard\n12\t\tstatus=hard\nnonsense\n' + b'x' * 100000 +
                    b'\n12\t' + b'y' * 1000 + b'@example.com\tstatus=hard\n%d\tok@example.com\tstatus=hard since=5' % 1700000000)
        self.redis.stop()
        child = self.site.policyd()
        child.wait_log('0 addresses and domains are remembered')
        self.assertDunno(self.site.ask('ok@example.com'))
        child.stop()

    def test_a_snapshot_that_cannot_be_written(self):
        self.site.write_conf(policyd={'snapshot': '/proc/nixie'})
        child = self.site.policyd()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        child.stop(signal.SIGTERM)
        self.assertIn('policyd.snapshot is not written', child.log())

    def test_whose_the_snapshot_is(self):
        """It is for its user alone, in the place of whatever was left there; another's file is no snapshot."""
        path = os.path.join(self.directory, 'snapshot')
        self.site.write_conf(policyd={'snapshot': path})
        theirs = os.path.join(self.directory, 'theirs')
        with open(theirs, 'w', encoding='utf-8') as f:
            f.write('%d\tuser@example.com\tstatus=hard since=5\n' % time.time())
        os.symlink(theirs, path + '.new')
        os.link(theirs, path)
        child = self.site.policyd()
        child.wait_log(['warning', path, 'no file of nixie-policyd'])
        self.warm('gone@example.com')
        child.stop()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding='utf-8') as f:
            self.assertEqual(f.readline(), HEAD)
            self.assertEqual([line.split('\t')[1] for line in f], ['gone@example.com'])
        with open(theirs, encoding='utf-8') as f:
            self.assertIn('user@example.com', f.read())


class Writer(Remembering):
    """The process that writes the snapshot hangs, as with a disk."""
    REMEMBERED = 60000

    def setUp(self):
        super().setUp()
        os.environ['NIXIE_SNAPSHOT_MS'] = '50'
        self.addCleanup(os.environ.pop, 'NIXIE_SNAPSHOT_MS')
        self.path = os.path.join(self.directory, 'snapshot')
        # enough that writing it takes a while
        with open(self.path, 'w', encoding='utf-8') as f:
            f.write(HEAD)
            now = int(time.time())
            f.writelines('%d\tu%d@example.com\tstatus=hard reason=recipient.unknown since=1700000000 token=%d\n' % (now, n, n)
                         for n in range(self.REMEMBERED))
        self.address = ('127.0.0.1', free_port())
        self.site.write_conf(policyd={'snapshot': self.path, 'listen': ['inet:%s:%d' % self.address]})
        self.child = self.site.policyd()

    def hang(self):
        """Stopped in the middle of the file; its process id."""
        def stopped():
            with open('/proc/%d/task/%d/children' % (self.child.pid, self.child.pid)) as f:
                pids = [int(pid) for pid in f.read().split()]
            if not pids or not size(self.path + '.new'):
                return None
            try:
                os.kill(pids[0], signal.SIGSTOP)
            except ProcessLookupError:      # it was quicker
                return None
            wait_until(lambda: state(pids[0]) in ('T', 'Z', ''), 'the writer to stop')
            if state(pids[0]) == 'T' and size(self.path + '.new'):
                return pids[0]
            end_process(pids[0])    # at its end already: the next one
            return None
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            pid = stopped()
            if pid:
                self.addCleanup(end_process, pid)
                return pid
        raise AssertionError('no writer')

    def end(self):
        """Of the service only, not of all that it has started."""
        self.child.send_signal(signal.SIGTERM)
        self.assertEqual(self.child.wait(), 0)

    def test_clients_that_leave_are_gone(self):
        clients = [PolicyClient(self.address) for _ in range(5)]
        for c in clients:
            self.addCleanup(c.close)
            self.assertSuppressed(c.ask('gone@example.com'))
        pid = self.hang()
        for c in clients[:3]:
            c.close()
        clients[3].sock.shutdown(socket.SHUT_WR)
        self.assertIsNone(clients[3].answer())
        self.assertSuppressed(clients[4].ask('gone@example.com'))
        self.assertEqual(sockets(pid), [])
        self.assertEqual(state(pid), 'T')

    def test_it_does_not_outlive_who_started_it(self):
        pid = self.hang()
        with PolicyClient(self.address) as c:
            self.assertSuppressed(c.ask('gone@example.com'))
            self.end()
            self.assertIn(state(pid), ('', 'Z'))
            self.assertIsNone(c.answer())
        self.site.policyd()
        self.assertSuppressed(self.ask('gone@example.com'))

    def ask(self, recipient):
        with PolicyClient(self.address) as c:
            return c.ask(recipient)

    def test_one_writes_at_a_time(self):
        pid = self.hang()
        self.assertSuppressed(self.ask('gone@example.com'))
        released = {'u%d@example.com' % n for n in range(0, self.REMEMBERED, 40)}   # Redis has none of them
        with PolicyClient(self.address) as c:
            for name in released:
                wait_until(lambda name=name: c.ask(name) == 'DUNNO', 'what Redis says', child=self.child)
        self.end()
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        wait_until(lambda: state(pid) in ('', 'Z'), 'the end of the writer')
        with open(self.path, encoding='utf-8') as f:
            self.assertEqual(f.readline(), HEAD)
            lines = f.read().splitlines()
        for line in lines:
            self.assertRegex(line, r'^\d{10}\t[a-z0-9]+@example\.com\tstatus=\S+ [^\t]* token=\S+$')
        names = [line.split('\t')[1] for line in lines]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(set(names), {'gone@example.com'} | {'u%d@example.com' % n for n in range(self.REMEMBERED)} - released)


def size(path):
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def state(pid):
    """As in ps(1); '': there is no such process."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(') ', 1)[1][0]
    except (FileNotFoundError, ProcessLookupError):
        return ''


def sockets(pid):
    directory = '/proc/%d/fd' % pid
    return [target for target in (os.readlink(os.path.join(directory, n)) for n in os.listdir(directory)) if target.startswith('socket:')]


def end_process(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
