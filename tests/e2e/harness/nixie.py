"""The programs under test, with a configuration and a Redis of their own."""
import copy
import json
import os
import re
import signal
import subprocess

from .policy import PolicyClient, ask
from .proc import LIMIT, Child, wait_until

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
BIN = os.environ.get('NIXIE_BIN', os.path.join(REPOSITORY, 'build', 'bin'))

OK, NOT_FOUND, USAGE, NO_REDIS, BAD_CONFIG = range(5)


def binary(name):
    path = os.path.join(BIN, name)
    if not os.access(path, os.X_OK):
        raise AssertionError('%s is missing: run make' % path)
    return path


def tool(name):
    """One of tests/e2e/tools."""
    path = os.path.join(os.path.dirname(BIN), 'test', name)
    if not os.access(path, os.X_OK):
        raise AssertionError('%s is missing: run make e2e-tools' % path)
    return path


def sanitized(name):
    """Is the program built with AddressSanitizer? Then it has calls, and memory, of its own."""
    with open(binary(name), 'rb') as f:
        return b'__asan_init' in f.read()


def _quote(text):
    return '"%s"' % text.replace('\\', '\\\\').replace('"', '\\"')


def libconfig(value):
    """A Python value in libconfig's words: dict = group, list = array, tuple = list."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        return '{ %s }' % ' '.join('%s = %s;' % (k, libconfig(v)) for k, v in value.items())
    if isinstance(value, list):
        return '[ %s ]' % ', '.join(libconfig(v) for v in value)
    if isinstance(value, tuple):
        return '( %s )' % ', '.join(libconfig(v) for v in value)
    raise TypeError(type(value))


def run(name, *args, stdin=None, limit=LIMIT, env=None, prefix=()):
    """Run a program to its end, by another one (prefix) as that wants; stdout and stderr are str."""
    environ = dict(os.environ, LC_ALL='C.UTF-8', TZ='UTC')
    environ.update(env or {})
    if isinstance(stdin, str):
        stdin = stdin.encode('utf-8', 'surrogateescape')
    with subprocess.Popen([*prefix, binary(name), *args], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ,
                          start_new_session=True) as p:
        try:
            out, err = p.communicate(stdin if stdin is not None else b'', limit)
        except BaseException as e:
            os.killpg(p.pid, signal.SIGKILL)
            if isinstance(e, subprocess.TimeoutExpired):
                raise AssertionError('%s %s did not end within %g s'
                                     % (name, ' '.join(args), limit)) from None
            raise
    return subprocess.CompletedProcess(args, p.returncode, out.decode('utf-8', 'surrogateescape'),
                                       err.decode('utf-8', 'surrogateescape'))


def verbs():
    """Each verb, and "rules SUBVERB", as nixie --help has them."""
    return re.findall(r'^  ([a-z]+(?: (?:list|show|test|lint|words|stats|unknown|forms))?)(?= |$).*  ', run('nixie', '--help').stdout, re.M)


class Site:
    """One configuration file and whatever is started with it, below one directory."""

    def __init__(self, directory, redis=None):
        self.directory, self.redis = directory, redis
        self.conf_path = os.path.join(directory, 'nixie.conf')
        self.policy_path = os.path.join(directory, 'policy')
        self.log_path = os.path.join(directory, 'mail.log')
        self.children, self._serial = [], 0
        self.options = {
            # a slow machine is no failure of Redis: what a failure of it costs is for the tests about that, which have limits of their own
            'redis': {'address': redis.address if redis else 'unix:' + os.path.join(directory, 'absent.sock'), 'timeout': '10s'},
            # Postfix waits 10 s for an answer
            'policyd': {'listen': ['unix:' + self.policy_path], 'socket-mode': '0666', 'deadline': '8s'},
            'logtail': {'files': [self.log_path], 'start': 'beginning', 'timezone': 'local',
                        'poll-interval': '100ms'},
            # logs of tests are full of dead addresses: to the brake that is a jump; test_brake.py has it on
            'brake': {'enabled': False},
        }
        self.write_conf()

    def write_conf(self, **groups):
        """Write nixie.conf; keyword arguments change groups for this file only."""
        options = copy.deepcopy(self.options)
        for group, values in groups.items():
            if isinstance(values, dict):
                options.setdefault(group.replace('_', '-'), {}).update(values)
            else:
                options[group.replace('_', '-')] = values
        self.write_raw(''.join('%s = %s;\n' % (k, libconfig(v)) for k, v in options.items()))

    def write_raw(self, text):
        # Renamed into place: a daemon must never read half a file.
        new = self.conf_path + '.new'
        with open(new, 'w', encoding='utf-8') as f:
            f.write(text)
        os.rename(new, self.conf_path)

    # -- daemons ---------------------------------------------------------------

    def start(self, name, *args, ready=True, prefix=(), limit=LIMIT):
        self._serial += 1
        notify = os.path.join(self.directory, 'notify.%d' % self._serial)
        child = Child(name, list(prefix) + [binary(name), '-f', '-c', self.conf_path] + list(args),
                      os.path.join(self.directory, '%s.%d.log' % (name, self._serial)),
                      env={'TZ': 'UTC'}, notify=notify)
        self.children.append(child)
        return child.wait_ready(limit) if ready else child

    def policyd(self, *args, **kw):
        return self.start('nixie-policyd', *args, **kw)

    def logtail(self, *args, **kw):
        return self.start('nixie-logtail', *args, **kw)

    def stop(self):
        for child in self.children:
            child.kill()

    # -- questions -------------------------------------------------------------

    def ask(self, recipient, **attributes):
        return ask(self.policy_path, recipient, **attributes)

    def policy_client(self):
        return PolicyClient(self.policy_path)

    def ctl(self, *args, stdin=None, prefix=()):
        return run('nixie', '-c', self.conf_path, *args, stdin=stdin, prefix=prefix)

    def ctl_ok(self, *args, stdin=None):
        done = self.ctl(*args, stdin=stdin)
        if done.returncode != OK:
            raise AssertionError('nixie %s: status %d: %s%s' % (
                ' '.join(args), done.returncode, done.stdout, done.stderr))
        return done.stdout

    def check(self, address):
        """What nixie knows of an address; None if nothing."""
        done = self.ctl('check', '--json', address)
        if done.returncode == NOT_FOUND:
            return None
        if done.returncode != OK:
            raise AssertionError('nixie check %s: status %d: %s'
                                 % (address, done.returncode, done.stderr))
        return json.loads(done.stdout)

    def status(self, address):
        """The status field straight from Redis; None if there is no entry."""
        return self.redis.command('HGET', 'nixie:{0}:addr:' + address, 'status')

    def wait_status(self, address, status, limit=LIMIT):
        wait_until(lambda: self.status(address) == status,
                   'status %s of %s (it is %s)' % (status, address, self.status(address)), limit)

    def counters(self):
        """The counters of all days together, zeros left out."""
        total = {}
        for key in self.redis.command('KEYS', 'nixie:{0}:day:*'):
            if re.fullmatch(r'.*:day:\d{8}', key):
                for name, value in self.redis.hgetall(key).items():
                    total[name] = total.get(name, 0) + int(value)
        return {k: v for k, v in total.items() if v}

    def counter(self, name):
        return self.counters().get(name, 0)

    def wait_counter(self, name, value, limit=LIMIT):
        """Wait until the counter has reached value; the caller asserts it is not above."""
        try:
            wait_until(lambda: self.counter(name) >= value, 'counter', limit)
        except AssertionError:
            raise AssertionError('counter %s did not reach %d: %r\n%s' % (
                name, value, self.counters(),
                self.children[-1].log() if self.children else '')) from None
