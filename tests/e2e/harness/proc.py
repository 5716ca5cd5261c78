"""Child processes that never outlive the test run, and waiting for conditions."""
import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import time

# Generous: a limit is only there to tell a hang from a slow machine.
LIMIT = float(os.environ.get('NIXIE_TEST_LIMIT', '60'))

_living, _directories, _reserved = [], [], []


def wait_until(condition, what, limit=LIMIT, child=None):
    """Return the first true value of condition(); AssertionError after limit seconds. What came true just before the
    end of the child, or while nothing ran at all, counts: it is looked for once more."""
    end = time.monotonic() + limit
    pause = 0.005
    while True:
        ended, late = child is not None and child.poll() is not None, time.monotonic() > end
        value = condition()
        if value:
            return value
        if ended:
            raise AssertionError('%s ended with status %d while waiting for %s:\n%s'
                                 % (child.name, child.returncode, what, tail(child.log())))
        if late:
            rest = '\n' + tail(child.log()) if child is not None else ''
            raise AssertionError('no %s within %g s%s' % (what, limit, rest))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port(first=10000, end=32000):
    """Below those that the kernel gives to clients: one of them might have it before the server does.
    Nor does another test get it: it stays bound here as long as this process lives, in a way that
    lets a server listen (one that says SO_REUSEADDR, as all do) but nobody find it free."""
    while True:
        port = random.randrange(first, end)
        s = socket.socket()
        try:
            s.bind(('127.0.0.1', port))
        except OSError:
            s.close()
            continue
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _reserved.append(s)
        return port


def tail(text, lines=25):
    return '\n'.join(text.splitlines()[-lines:])


class Child:
    """A process in a process group of its own; stdout and stderr go to one file."""

    def __init__(self, name, args, logfile, env=None, cwd=None, notify=None, stdin=None):
        self.name, self.logfile, self.notify = name, logfile, None
        environ = dict(os.environ, LC_ALL='C.UTF-8')
        environ.pop('NOTIFY_SOCKET', None)
        environ.update(env or {})
        if notify:
            self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            if os.path.exists(notify):
                os.unlink(notify)
            self.notify.bind(notify)
            os.chmod(notify, 0o666)
            self.notify.setblocking(False)
            environ['NOTIFY_SOCKET'] = notify
        self._log_start = os.path.getsize(logfile) if os.path.exists(logfile) else 0
        with open(logfile, 'ab') as log:
            self._popen = subprocess.Popen(args, stdin=stdin or subprocess.DEVNULL, stdout=log,
                                           stderr=log, env=environ, cwd=cwd,
                                           start_new_session=True)
        self.pid = self._popen.pid
        _living.append(self)

    def poll(self):
        return self._popen.poll()

    @property
    def returncode(self):
        return self._popen.returncode

    def log(self):
        """All this process has written (not what an earlier one left in the same file)."""
        with open(self.logfile, 'rb') as f:
            f.seek(self._log_start)
            return f.read().decode('utf-8', 'replace')

    def wait_log(self, words, limit=LIMIT):
        """Wait until all words (without case) stand in one line of the log; return the line."""
        words = [words] if isinstance(words, str) else words

        def found():
            ended, text = self.poll() is not None, self.log()
            for line in (text if ended else text[:text.rfind('\n') + 1]).splitlines():     # no half of one
                if all(w.lower() in line.lower() for w in words):
                    return line
            return None
        return wait_until(found, 'log line with %r from %s' % (words, self.name), limit, self)

    def wait_ready(self, limit=LIMIT):
        """Wait for READY=1 on $NOTIFY_SOCKET: the first since the last signal."""
        wait_until(lambda: b'READY=1' in (self._notified() or b'').split(b'\n'), 'READY=1 from ' + self.name, limit, self)
        return self

    def _notified(self):
        try:
            return self.notify.recv(4096)
        except BlockingIOError:
            return None

    def send_signal(self, number):
        """What was told on $NOTIFY_SOCKET before is forgotten: else it would fill up (some kernels hold 10), and who tells would wait."""
        while self.notify is not None and self._notified() is not None:
            pass
        os.kill(self.pid, number)

    def freeze(self):
        """It stands still when this returns: a signal alone does not end the system call that it is in."""
        self.send_signal(signal.SIGSTOP)
        wait_until(self._stands, 'standstill of ' + self.name)

    def _stands(self):
        with open('/proc/%d/stat' % self.pid) as f:
            return f.read().rpartition(')')[2].split()[0] in 'TtZ'

    def thaw(self):
        self.send_signal(signal.SIGCONT)

    def wait(self, limit=LIMIT):
        """Wait for the process to end by itself; return its status."""
        try:
            return self._popen.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError('%s still runs after %g s\n%s'
                                 % (self.name, limit, tail(self.log()))) from None

    def stop(self, number=signal.SIGTERM, limit=LIMIT):
        """Ask it to end, return its status; it is gone afterwards in any case."""
        try:
            if self.poll() is None:
                self.send_signal(number)
            return self.wait(limit)
        finally:
            self.kill()

    def kill(self):
        """SIGKILL the whole group. Also reaps what the process itself left behind."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        try:
            self._popen.wait(LIMIT)     # who waits for a slow disk dies late
        except subprocess.TimeoutExpired:
            pass
        if self.notify is not None:
            self.notify.close()
            self.notify = None
        if self in _living:
            _living.remove(self)


def kill_at_exit(thing):
    """For what detaches itself from its process group: thing.kill() at the end of the run."""
    _living.append(thing)


@atexit.register
def _kill_all():
    for thing in list(_living):
        thing.kill()
    for directory in _directories:
        shutil.rmtree(directory, ignore_errors=True)


def remove_at_exit(directory):
    """After everything that may still write into it is dead."""
    _directories.append(directory)
