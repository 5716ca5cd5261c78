"""make run: the whole of nixie below one directory, and nothing left of it afterwards."""
import os
import random
import re
import shutil
import signal
import subprocess
import time

from harness.case import Case
from harness.journal import Journal
from harness.maillog import hard
from harness.nixie import OK, REPOSITORY, binary
from harness.policy import ask
from harness.proc import LIMIT, Child, wait_until
from harness.redis import RedisClient, RedisServer

SAMPLE = os.path.join(REPOSITORY, 'contrib', 'sample', 'mail.log')
# make must not hand this run's own flags down.
OWN_FLAGS = {'MAKEFLAGS': '', 'MFLAGS': '', 'MAKELEVEL': ''}


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
    together = True     # make would build the same at the same time

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # which may take long, where it was not built before
        subprocess.run(['make', '--no-print-directory', '-s', '-C', REPOSITORY, 'programs'], check=True, env=dict(os.environ, **OWN_FLAGS),
                       stdout=subprocess.DEVNULL)

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
        child = Child('make run', args, os.path.join(self.directory, 'make%d.log' % self.count), env=OWN_FLAGS)
        self.addCleanup(self.sweep, child)
        return child

    def sweep(self, child):
        child.kill()
        for pid in processes_below(self.rundir):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:      # it was about to end
                pass

    def socket(self, name):
        return os.path.join(self.rundir, name)

    def wait_up(self, child):
        child.wait_log('main.cf', limit=2 * LIMIT)

        def answers():
            try:
                return ask(self.socket('policy.sock'), 'nobody@nowhere.example') == 'DUNNO'
            except OSError:
                return False
        wait_until(answers, 'answer from the policy service', child=child)

    def wait_refusal(self, child, address):
        """The configuration is the one that is shipped, and its deadline short."""
        wait_until(lambda: re.match(r'5\d\d ', ask(self.socket('policy.sock'), address)), 'refusal of ' + address, child=child)

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
        child.wait_log(['check_policy_service', self.socket('policy.sock')])     # the line for main.cf
        text = child.log()
        self.assertRegex(text, r'100 ?%|#{10}|={10}|█')      # the bar
        self.assertRegex(text, r'(?i)hard')                  # the summary
        redis = RedisClient(self.socket('redis.sock'))
        suppressed = redis('ZRANGE', 'nixie:{0}:suppressed', 0, -1)
        redis.close()
        self.assertTrue(suppressed)
        self.wait_refusal(child, suppressed[0])
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

    def test_what_it_says_to_ask(self):
        child = self.make_run()
        self.wait_up(child)
        command = wait_until(lambda: re.search(r'Ask nixie.*?: (.*) list\n', child.log()), 'what to ask', child=child).group(1).split()
        self.assertEqual(command[1:], ['-c', os.path.join(self.rundir, 'nixie.conf')])
        command[0] = os.path.join(REPOSITORY, command[0])
        listed = subprocess.run([*command, 'list'], stdout=subprocess.PIPE, text=True, check=True, cwd='/')
        self.assertIn('nosuch.reader@bigmail.example', listed.stdout)
        said = []

        def well():     # a machine out of breath is found slow, or not to answer, and rightly
            done = subprocess.run([*command, 'doctor', '--postfix', 'none', '--exim', 'none'], stdout=subprocess.PIPE, text=True, cwd='/')
            said[:] = [done.stdout]
            return done if done.returncode == OK else None
        try:
            done = wait_until(well, 'good health', child=child)
        except AssertionError as e:
            raise AssertionError('%s\n%s' % (e, ''.join(said))) from None
        for line in r'ok +log +%s: ' % self.log, r'ok +policyd +unix:%s: answers' % self.socket('policy.sock'), r'ok +policyd +inet:127.0.0.1:':
            self.assertRegex(done.stdout, line)
        self.assertNotIn('not in this configuration', done.stdout)
        self.assertRegex(done.stdout, r'nixie-policyd \(process %d\) runs with -c' % self.pid('nixie-policyd'))
        self.assertEqual(os.stat(os.path.join(self.rundir, 'nixie.conf')).st_mode & 0o777, 0o600)
        self.interrupt(child)

    def pid(self, name):
        return next(pid for pid, command in processes_below(self.rundir).items() if name in command.split()[0])

    def test_a_configuration_of_ones_own(self):
        """What it does not set itself is as it was; what it sets is written once, however it was written before."""
        foreign = RedisServer(self.directory, name='foreign')
        self.addCleanup(foreign.stop)
        foreign.start()
        config = os.path.join(self.directory, 'own.conf')
        with open(config, 'w') as f:
            f.write('redis: {\n  prefix = "mine";\n  address = "unix:/nowhere";\n};\npolicyd: {\n  listen = [\n    "unix:/nowhere"\n  ];\n  deadline = "300ms";\n};\n')
        odd = os.path.join(self.directory, 'a "log" \\ of mine')
        os.rename(self.log, odd)
        child = Child('nixie-run', [os.path.join(REPOSITORY, 'contrib/run/nixie-run'), os.path.dirname(binary('nixie')), config, self.rundir, odd, foreign.address],
                      os.path.join(self.directory, 'own.log'))
        self.addCleanup(self.sweep, child)
        self.wait_up(child)
        with open(os.path.join(self.rundir, 'nixie.conf')) as f:
            text = f.read()
        self.assertNotIn('/nowhere', text)
        self.assertIn('300ms', text)
        self.assertTrue(foreign.command('KEYS', 'mine:*'))
        self.interrupt(child)

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

    def test_interrupted_at_any_time(self):
        """Also between the start of a program and the moment when it is known by its number."""
        for n in range(30):
            child = Child('nixie-run', [os.path.join(REPOSITORY, 'contrib/run/nixie-run'), os.path.dirname(binary('nixie')),
                                        os.path.join(REPOSITORY, 'conf/nixie.conf'), self.rundir, self.log], os.path.join(self.directory, 'any.log'))
            self.addCleanup(self.sweep, child)
            sight = self.socket(('', 'policyd.log')[n % 2])
            while not os.path.exists(sight) and child.poll() is None:
                time.sleep(0.0002)
            time.sleep(random.random() * 0.01)
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
        self.wait_refusal(child, 'gone@example.com')
        self.interrupt(child)

    def test_log_that_is_missing(self):
        os.unlink(self.log)
        child = self.make_run()
        self.assertNotEqual(child.wait(2 * LIMIT), 0)
        self.assertIn(self.log, child.log())
        self.assertEqual(processes_below(self.rundir), {})

    def untracked(self):
        # build/ is make's own; everything else belongs below RUNDIR.
        found = set()
        for root, dirs, files in os.walk(REPOSITORY):
            dirs[:] = [d for d in dirs if d not in ('.git', 'build', '__pycache__')]
            found.update(os.path.join(root, f) for f in files)
        return found
