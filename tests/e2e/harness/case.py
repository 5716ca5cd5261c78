"""Base of all end-to-end tests: a directory, cleaned up with everything started in it."""
import glob
import os
import shutil
import tempfile
import time
import unittest

from .nixie import OK, Site, run
from .proc import remove_at_exit, wait_until
from .redis import RedisServer

KEEP = False
DAY = 86400
# run.py waits for that before each test, so that no test has less time by it
BEFORE_MIDNIGHT_S, BEHIND_MIDNIGHT_S = 180, 100


def not_at_midnight(takes_s=BEFORE_MIDNIGHT_S):
    """What is of today would be of yesterday before the test ends, which takes so long at the most; and what was a
    minute ago is of yesterday just after it."""
    while not BEHIND_MIDNIGHT_S < time.time() % DAY < DAY - takes_s:
        time.sleep(1)


def make_directory(add_cleanup):
    # Short, because a socket's path has 107 bytes; 0755, because Postfix looks in.
    directory = tempfile.mkdtemp(prefix='nixie-', dir='/tmp')
    os.chmod(directory, 0o755)
    if not KEEP:
        add_cleanup(shutil.rmtree, directory, ignore_errors=True)
        remove_at_exit(directory)
    return directory


class Case(unittest.TestCase):
    """directory, and with_redis() for a Redis and a site of the test's own."""
    maxDiff = None

    def setUp(self):
        not_at_midnight()
        self.directory = make_directory(self.addCleanup)

    def with_redis(self, *options):
        self.redis = RedisServer(self.directory, *options)
        self.addCleanup(self.redis.stop)
        self.redis.start()
        return self.make_site(self.redis)

    def make_site(self, redis=None, name=None):
        directory = self.directory
        if name:
            directory = os.path.join(directory, name)
            os.mkdir(directory, 0o755)
        self.site = Site(directory, redis)
        self.addCleanup(self.site.stop)
        return self.site

    def assertSuppressed(self, action, *words):
        self.assertRegex(action, r'^5\d\d 5\.\d\.\d+ \S')
        for w in words:
            self.assertIn(w, action)

    def assertDunno(self, action):
        self.assertEqual(action, 'DUNNO')

    def diagnostics(self):
        """The last lines of every program's log, for the report of a failure."""
        out = []
        for path in sorted(glob.glob(os.path.join(self.directory, '*.log'))):
            with open(path, errors='replace') as f:
                lines = f.read().splitlines()[-8:]
            if lines:
                out.append('\n--- %s\n' % path)
                out.extend(line[:300] + '\n' for line in lines)
        return ''.join(out)


class RedisCase(Case):
    """A Redis and a site for each test, with so many partitions and these options."""
    partitions = 1
    options = {}

    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        self.site.options['redis']['partitions'] = self.partitions
        for group, values in self.options.items():
            self.site.options.setdefault(group, {}).update(values)
        self.site.write_conf()
        self.now = int(time.time())

    def read(self, *texts):
        """Behind what the log has already; until it is in Redis."""
        with open(self.site.log_path, 'a') as f:
            f.write(''.join(texts))
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, OK, done.stderr)


class SharedCase(Case):
    """One set of servers for all tests of the class (Postfix takes seconds to start)."""

    @classmethod
    def setUpClass(cls):
        not_at_midnight()
        cls.directory = make_directory(cls.addClassCleanup)
        cls.redis = RedisServer(cls.directory)
        cls.addClassCleanup(cls.redis.stop)
        cls.redis.start()
        cls.site = Site(cls.directory, cls.redis)
        cls.addClassCleanup(cls.site.stop)

    def setUp(self):
        pass


class LoopCase(SharedCase):
    """The whole loop: `policyd` and `logtail` are started by the class, and live as long as it."""

    def tearDown(self):
        self.assertIsNone(self.policyd.poll(), 'nixie-policyd died:\n' + self.policyd.log())
        self.assertIsNone(self.logtail.poll(), 'nixie-logtail died:\n' + self.logtail.log())

    def deliver(self, address):
        """Send to the address through the MTA, and wait until its log has the delivery."""
        self.postfix.send(address)
        self.postfix.wait_log('to=<%s>' % address, 'status=sent')

    def settle(self):
        """Everything logged so far has been counted: the place in the log, which is written with the counts, is behind a
        later delivery. (A count that goes up by one may be that of an earlier one.)"""
        address = 'marker-%d@nixie.test' % time.time_ns()
        self.deliver(address)
        log, = self.site.options['logtail']['files']
        with open(log, 'rb') as f:
            text = f.read()
        behind = text.rindex(address.encode()) + 1      # whole lines are read
        key = 'nixie:{0}:pos:%s:%s' % (os.uname().nodename, os.path.realpath(log))
        wait_until(lambda: int(self.redis.command('HGET', key, 'offset') or 0) >= behind, 'the place behind ' + address, child=self.logtail)
