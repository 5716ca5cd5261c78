"""make run: the whole of nixie below one directory, and nothing left of it afterwards."""
import os
import shutil
import signal

from harness.case import Case
from harness.journal import Journal
from harness.maillog import hard
from harness.nixie import REPOSITORY
from harness.policy import ask
from harness.proc import Child, wait_until
from harness.redis import RedisClient, RedisServer

SAMPLE = os.path.join(REPOSITORY, 'contrib', 'sample', 'mail.log')


def processes_below(directory):
    """Processes that have the directory in their command line or as their own."""
    found = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                command = f.read().replace(b'\0', b' ').decode(errors='replace')
            if directory in command or os.readlink('/proc/%s/cwd' % pid).startswith(directory):
                found[int(pid)] = command
        except OSError:
            continue
    return found


class Run(Case):
    def setUp(self):
        super().setUp()
        self.rundir = os.path.join(self.directory, 'run')
        self.log = os.path.join(self.directory, 'mail.log')
        shutil.copy(SAMPLE, self.log)
        self.count = 0

    def make_run(self, *variables):
        self.count += 1
        args = ['make', '--no-print-directory', '-C', REPOSITORY, 'run', 'RUNDIR=' + self.rundir,
                'LOG=' + self.log] + list(variables)
        # make must not hand this run's own flags down.
        env = {'MAKEFLAGS': '', 'MFLAGS': '', 'MAKELEVEL': ''}
        child = Child('make run', args, os.path.join(self.directory, 'make%d.log' % self.count),
                      env=env)
        self.addCleanup(self.sweep, child)
        return child

    def sweep(self, child):
        child.kill()
        for pid in processes_below(self.rundir):
            os.kill(pid, signal.SIGKILL)

    def socket(self, name):
        return os.path.join(self.rundir, name)

    def wait_up(self, child):
        child.wait_log('main.cf', limit=110)

        def answers():
            try:
                return ask(self.socket('policy.sock'), 'nobody@nowhere.example') == 'DUNNO'
            except OSError:
                return False
        wait_until(answers, 'answer from the policy service', child=child)

    def counters(self):
        redis = RedisClient(self.socket('redis.sock'))
        try:
            return {k: redis.hgetall(k) for k in redis('KEYS', 'nixie:{0}:day:*')}
        finally:
            redis.close()

    def interrupt(self, child):
        """^C in a terminal goes to the whole foreground process group."""
        os.killpg(child.pid, signal.SIGINT)
        child.wait()
        wait_until(lambda: not processes_below(self.rundir),
                   'end of %r' % (processes_below(self.rundir),))

    def test_run_twice(self):
        foreign = RedisServer(self.directory, name='foreign')
        self.addCleanup(foreign.stop)
        foreign.start()
        child = self.make_run()
        self.wait_up(child)
        text = child.log()
        self.assertIn('check_policy_service', text)         # the line for main.cf
        self.assertIn(self.socket('policy.sock'), text)
        self.assertRegex(text, r'100 ?%|#{10}|={10}|█')      # the bar
        self.assertRegex(text, r'(?i)hard')                  # the summary
        redis = RedisClient(self.socket('redis.sock'))
        suppressed = redis('ZRANGE', 'nixie:{0}:suppressed', 0, -1)
        redis.close()
        self.assertTrue(suppressed)
        self.assertRegex(ask(self.socket('policy.sock'), suppressed[0]), r'^5\d\d ')
        first = self.counters()
        self.assertTrue(first)
        self.interrupt(child)
        self.assertIsNone(foreign.child.poll())
        self.assertEqual(foreign.command('PING'), 'PONG')

        again = self.make_run()
        self.wait_up(again)
        self.assertEqual(self.counters(), first)
        self.interrupt(again)
        self.assertIsNone(foreign.child.poll())

    def test_term_to_make_alone(self):
        # What a supervisor does. (GNU make hands SIGTERM on to its children, SIGINT not.)
        before = self.untracked()
        child = self.make_run()
        self.wait_up(child)
        child.send_signal(signal.SIGTERM)
        child.wait()
        wait_until(lambda: not processes_below(self.rundir),
                   'end of what make run started')
        self.assertEqual(self.untracked(), before)

    def test_interrupted_while_it_starts(self):
        for sight in '', 'redis.sock', 'policyd.log', 'policy.sock':
            with self.subTest(sight):
                child = self.make_run()
                wait_until(lambda: os.path.exists(self.socket(sight)), sight, child=child)
                self.interrupt(child)
                shutil.rmtree(self.rundir)

    def test_foreign_redis(self):
        foreign = RedisServer(self.directory, name='foreign')
        self.addCleanup(foreign.stop)
        foreign.start()
        child = self.make_run('REDIS=' + foreign.address)
        self.wait_up(child)
        self.assertFalse(os.path.exists(self.socket('redis.sock')))
        self.assertTrue(foreign.command('KEYS', 'nixie:*'))
        self.interrupt(child)
        self.assertEqual(foreign.command('PING'), 'PONG')

    def test_a_journal(self):
        journal = Journal(os.path.join(self.directory, 'journal'))
        journal.write(hard('gone@example.com'))
        child = self.make_run('LOG=journal:' + journal.directory)
        self.wait_up(child)
        self.assertTrue(ask(self.socket('policy.sock'), 'gone@example.com').startswith('5'))
        self.interrupt(child)

    def test_log_that_is_missing(self):
        os.unlink(self.log)
        child = self.make_run()
        self.assertNotEqual(child.wait(110), 0)
        self.assertIn(self.log, child.log())
        self.assertEqual(processes_below(self.rundir), {})

    def untracked(self):
        # build/ is make's own; everything else belongs below RUNDIR.
        found = set()
        for root, dirs, files in os.walk(REPOSITORY):
            dirs[:] = [d for d in dirs if d not in ('.git', 'build', '__pycache__')]
            found.update(os.path.join(root, f) for f in files)
        return found
