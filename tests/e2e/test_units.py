"""The systemd units of nixie-policyd: read by systemd, their filter of system calls, and really started."""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

from harness import prometheus
from harness.case import Case, make_directory
from harness.nixie import REPOSITORY, binary, sanitized
from harness.policy import PolicyClient, ask
from harness.proc import LIMIT, wait_until
from harness.systemd import Systemd

UNITS = os.path.join(REPOSITORY, 'contrib', 'systemd')
METRICS = os.path.join(REPOSITORY, 'contrib', 'prometheus')
METRICS_UNITS = ('nixie-metrics.service', 'nixie-metrics.timer')
SERVICE = os.path.join(UNITS, 'nixie-policyd.service')
CONFINE = ['/usr/bin/python3', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'harness', 'confine.py')]
# of 100: what `systemd-analyze security` finds open, at most
EXPOSURE = {'nixie-policyd.service': 13, 'nixie-logtail.service': 15, 'nixie-redis.service': 15, 'nixie-metrics.service': 15}


def analyze(*args, **environment):
    return subprocess.run(['systemd-analyze', '--no-pager'] + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                          env=dict(os.environ, **environment), check=False)


class Files(Case):
    def test_systemd_understands_them(self):
        for path in glob.glob(UNITS + '/*.service') + glob.glob(UNITS + '/*.socket') + [os.path.join(METRICS, n) for n in METRICS_UNITS]:
            with open(path, encoding='utf-8') as f:
                text = re.sub('/usr/local/s?bin', os.path.dirname(binary('nixie-policyd')), f.read())
            with open(os.path.join(self.directory, os.path.basename(path)), 'w', encoding='utf-8') as f:
                f.write(text)
        paths = glob.glob(self.directory + '/nixie-*')
        self.assertEqual(len(paths), 6)
        done = analyze('verify', '--man=no', *paths, SYSTEMD_UNIT_PATH=self.directory + ':')
        self.assertEqual((done.returncode, done.stdout), (0, ''))

    def test_exposure(self):
        for name, limit in EXPOSURE.items():
            with self.subTest(name):
                done = analyze('security', '--offline=true', '--threshold=%d' % limit, os.path.join(METRICS if name in METRICS_UNITS else UNITS, name))
                self.assertEqual(done.returncode, 0, done.stdout)


class Filter(Case):
    """A call that is not allowed ends the program: so there is none."""

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.metrics = os.path.join(self.directory, 'metrics')
        self.site.options['policyd'].update({'metrics': ['unix:' + self.metrics], 'snapshot': os.path.join(self.directory, 'snapshot')})
        self.site.write_conf()
        self.site.ctl_ok('suppress', 'gone@example.com')

    def confined(self):
        if sanitized('nixie-policyd'):
            self.skipTest('a sanitizer has calls of its own')
        return self.site.policyd(prefix=CONFINE + ['--deadly', SERVICE, '--'])

    def restart(self, policyd):
        before = policyd.log().count('takes over')
        policyd.send_signal(signal.SIGUSR2)
        wait_until(lambda: policyd.log().count('takes over') > before, 'restart', child=policyd)
        policyd.wait_ready()

    def test_a_whole_life(self):
        policyd = self.confined()
        with open('/proc/%d/status' % policyd.pid) as f:
            self.assertIn('Seccomp:\t2\n', f.read())
        self.assertSuppressed(self.site.ask('gone@example.com'))
        policyd.send_signal(signal.SIGHUP)
        policyd.wait_log('reloaded')
        prometheus.scrape(self.metrics)
        self.redis.stop()
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertDunno(self.site.ask('fine@example.com'))
        self.redis.start()
        wait_until(lambda: prometheus.get(self.metrics, '/ready').status == 200, 'Redis', child=policyd)
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@example.com'))
            self.restart(policyd)
            self.assertSuppressed(c.ask('gone@example.com'))
        self.site.write_raw('nonsense')
        policyd.send_signal(signal.SIGUSR2)
        policyd.wait_log('restart refused')
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertEqual(policyd.stop(), 0)
        self.assertTrue(os.path.exists(self.site.options['policyd']['snapshot']))
        self.assertNotIn('not permitted', policyd.log())

    def test_what_is_forbidden_fails(self):
        """Also for root; and it is the filter that says so."""
        for program in ('import os; os.chroot("/")', 'import os; os.setpriority(os.PRIO_PROCESS, 0, 5)',
                        'import socket; socket.socket(socket.AF_INET)', 'import mmap; mmap.mmap(-1, 4096, prot=7)'):
            command = ['/usr/bin/python3', '-c', program]
            if os.geteuid() == 0:
                self.assertEqual(subprocess.run(command, check=False).returncode, 0, program)
            done = subprocess.run(CONFINE + [SERVICE, '--'] + command, stderr=subprocess.PIPE, universal_newlines=True, check=False)
            self.assertIn('PermissionError', done.stderr, program)
            done = subprocess.run(CONFINE + ['--deadly', SERVICE, '--'] + command, stderr=subprocess.DEVNULL, check=False)
            self.assertEqual(done.returncode, -signal.SIGSYS, program)


CONF = '''
redis: { address = "unix:/run/nixie-redis/redis.sock"; timeout = "10s"; };
policyd: {
	deadline = "8s";
	metrics = [ "unix:/run/nixie/metrics" ];
	snapshot = "/var/lib/nixie/policyd.snapshot";
};
logtail: { files = [ "/var/log/mail.log" ]; };
'''
POLICY = '/var/spool/postfix/nixie/policy'


class Booted(unittest.TestCase):
    """All of it as shipped, in one systemd."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = make_directory(cls.addClassCleanup)
        files = {'etc/nixie/nixie.conf': CONF}
        for name in METRICS_UNITS:
            with open(os.path.join(METRICS, name), encoding='utf-8') as f:
                files['etc/systemd/system/' + name] = f.read()
        cls.systemd = Systemd(cls.directory, files)
        cls.addClassCleanup(cls.systemd.stop)
        cls.systemd.ok('systemd-sysusers')
        cls.systemd.ok('systemd-tmpfiles', '--create', 'nixie.conf')
        cls.policy = cls.systemd.path(POLICY)

    def setUp(self):
        self.systemd.ok('systemctl', 'start', 'nixie-redis', 'nixie-policyd')
        self.systemd.ok('nixie', 'suppress', 'gone@example.com')

    def tearDown(self):
        self.systemd.run('systemctl', 'stop', 'nixie-policyd.socket', 'nixie-policyd', 'nixie-logtail', 'nixie-redis')
        self.systemd.run('systemctl', 'reset-failed')

    def diagnostics(self):
        return '\n'.join(self.systemd.run(*words).stdout for words in (('systemctl', 'status', '--no-pager', 'nixie-policyd', 'nixie-redis'),
                                                                       ('journalctl', '-n', '20', '-u', 'nixie-policyd')))

    def log(self):
        return self.systemd.ok('journalctl', '--no-pager', '-o', 'cat', '-u', 'nixie-policyd')

    def main_pid(self):
        return int(self.systemd.show('nixie-policyd', 'MainPID'))

    def assertServing(self):
        self.assertRegex(ask(self.policy, 'gone@example.com'), '^550 5')
        # systemd hears of it a moment later: until then it is "reloading"
        wait_until(lambda: self.systemd.show('nixie-policyd', 'ActiveState', 'SubState') == ['active', 'running'], 'a service that runs')

    def wait_log(self, words, before=0):
        wait_until(lambda: self.log().count(words) > before, 'log line with %r' % words)

    def test_the_figures_for_node_exporter(self):
        """By the timer; and what is written when Redis is away."""
        path = self.systemd.path('/var/lib/prometheus/node-exporter/nixie.prom')

        def has(line):
            if not os.path.exists(path):
                return False
            with open(path, encoding='utf-8') as f:
                return line in f.read().splitlines()
        self.systemd.ok('systemctl', 'start', 'nixie-metrics.timer')
        self.assertEqual(self.systemd.show('nixie-metrics.timer', 'ActiveState'), 'active')
        self.systemd.ok('systemctl', 'start', 'nixie-metrics')
        suppressed = len(self.systemd.run('nixie', '--json', 'list').stdout.splitlines())
        self.assertGreater(suppressed, 0)
        self.assertTrue(has('nixie_suppressed_addresses %d' % suppressed), suppressed)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        self.systemd.ok('systemctl', 'stop', 'nixie-metrics.timer', 'nixie-policyd.socket', 'nixie-policyd', 'nixie-redis')
        self.assertNotEqual(self.systemd.run('systemctl', 'start', 'nixie-metrics').returncode, 0)
        self.assertTrue(has('nixie_up 0'))
        self.assertEqual(self.systemd.show('nixie-metrics', 'Result', 'ExecMainStatus'), ['exit-code', '3'])

    def test_it_serves(self):
        self.assertServing()
        self.assertEqual(self.systemd.show('nixie-policyd', 'User', 'NRestarts'), ['nixie', '0'])
        info = os.stat(self.policy)
        group = self.systemd.ok('getent', 'group', 'postfix').split(':')[2]
        self.assertEqual((oct(info.st_mode & 0o777), str(info.st_gid)), ('0o660', group))
        self.assertEqual(prometheus.get(self.systemd.path('/run/nixie/metrics'), '/ready').status, 200)

    def test_it_is_confined(self):
        """What the unit says is so."""
        pid = self.systemd.pid(self.main_pid())
        with open('/proc/%d/status' % pid) as f:
            told = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
        self.assertEqual((told['Seccomp'], told['NoNewPrivs'], told['CapBnd'].strip('0'), told['CapEff'].strip('0')), ('2', '1', '', ''))
        with open('/proc/%d/mountinfo' % pid) as f:
            mounts = {line.split()[4]: line.split()[5].split(',') for line in f}
        self.assertIn('ro', mounts['/'])
        self.assertIn('rw', mounts['/var/spool/postfix/nixie'])
        self.assertIn('rw', mounts['/var/lib/nixie'])
        # as a program of that user in its place would see it
        inside = ['nsenter', '-t', str(pid), '-m', '--', 'setpriv', '--reuid', str(os.stat('/proc/%d' % pid).st_uid), '--clear-groups']
        for path, may in (('/etc', False), ('/usr/local/sbin', False), ('/var/log', False), ('/home', False), ('/var/lib/nixie', True),
                          ('/var/spool/postfix/nixie', True), ('/run/nixie', True)):
            done = subprocess.run(inside + ['test', '-w', path], check=False)
            self.assertEqual(done.returncode == 0, may, path)

    def test_what_the_unit_forbids_fails(self):
        self.systemd.ok('systemctl', 'stop', 'nixie-policyd')
        os.mkdir(self.systemd.path('/etc/systemd/system/nixie-policyd.service.d'))
        drop_in = self.systemd.path('/etc/systemd/system/nixie-policyd.service.d/other.conf')
        for option, words in (('policyd.listen=unix:/etc/nixie/policy', 'Read-only file system'),
                              ('policyd.listen=inet:127.0.0.1:10040', 'RestrictAddressFamilies= needs AF_INET')):
            with open(drop_in, 'w') as f:
                f.write('[Service]\nExecStart=\nExecStart=/usr/local/sbin/nixie-policyd -f -o %s\nRestart=no\n' % option)
            self.systemd.ok('systemctl', 'daemon-reload')
            self.assertNotEqual(self.systemd.run('systemctl', 'start', 'nixie-policyd').returncode, 0)
            self.assertEqual(self.systemd.show('nixie-policyd', 'ExecMainStatus'), '4')
            self.wait_log(words)
        shutil.rmtree(os.path.dirname(drop_in))
        self.systemd.ok('systemctl', 'daemon-reload')
        self.systemd.ok('systemctl', 'reset-failed', 'nixie-policyd')

    def test_reload(self):
        before, pid = self.log().count('reloaded'), self.main_pid()
        self.systemd.ok('systemctl', 'reload', 'nixie-policyd')
        self.wait_log('reloaded', before)
        self.assertServing()
        self.assertEqual(self.main_pid(), pid)

    def test_restart_in_place(self):
        """A new version: the same process, the same clients, and systemd sees no end."""
        pid, before = self.main_pid(), self.log().count('takes over')
        with PolicyClient(self.policy) as c:
            self.assertRegex(c.ask('gone@example.com'), '^550 5')
            self.systemd.ok('systemctl', 'kill', '-s', 'USR2', '--kill-whom=main', 'nixie-policyd')
            self.wait_log('takes over', before)
            self.assertRegex(c.ask('gone@example.com'), '^550 5')
        self.assertServing()
        self.assertEqual((self.main_pid(), self.systemd.show('nixie-policyd', 'NRestarts')), (pid, '0'))

    def test_a_crash(self):
        pid = self.main_pid()
        self.systemd.ok('systemctl', 'kill', '-s', 'KILL', 'nixie-policyd')
        wait_until(lambda: self.main_pid() not in (0, pid) and self.systemd.show('nixie-policyd', 'ActiveState') == 'active', 'another process')
        self.assertServing()

    def test_redis_restarts(self):
        self.assertServing()
        self.systemd.ok('systemctl', 'stop', 'nixie-redis')
        self.assertServing()    # remembered
        self.assertEqual(ask(self.policy, 'fine@example.com'), 'DUNNO')
        self.systemd.ok('systemctl', 'start', 'nixie-redis')
        wait_until(lambda: prometheus.get(self.systemd.path('/run/nixie/metrics'), '/ready').status == 200, 'Redis')
        self.assertServing()

    def test_what_it_remembers_outlives_it(self):
        self.assertServing()
        self.systemd.ok('systemctl', 'stop', 'nixie-policyd', 'nixie-redis')
        info = os.stat(self.systemd.path('/var/lib/nixie'))
        self.assertEqual(oct(info.st_mode & 0o777), '0o700')
        self.assertTrue(os.path.exists(self.systemd.path('/var/lib/nixie/policyd.snapshot')))
        self.systemd.ok('systemctl', 'mask', '--runtime', 'nixie-redis')
        try:
            self.systemd.ok('systemctl', 'start', 'nixie-policyd')
            self.assertServing()
        finally:
            self.systemd.ok('systemctl', 'unmask', '--runtime', 'nixie-redis')

    def test_socket_activation(self):
        self.systemd.ok('systemctl', 'stop', 'nixie-policyd')
        self.assertFalse(os.path.exists(self.policy))
        self.systemd.ok('systemctl', 'start', 'nixie-policyd.socket')
        self.assertEqual(self.systemd.show('nixie-policyd', 'ActiveState'), 'inactive')
        self.assertServing()    # who asks starts it
        self.wait_log('listening on passed:policy:0')
        info = os.stat(self.policy)
        self.assertEqual((oct(info.st_mode & 0o777), self.systemd.ok('stat', '-c', '%U:%G', POLICY)), ('0o660', 'nixie:postfix\n'))
        pid, before = self.main_pid(), self.log().count('took over')
        self.systemd.ok('systemctl', 'kill', '-s', 'USR2', '--kill-whom=main', 'nixie-policyd')
        self.wait_log('took over', before)
        self.assertServing()
        self.assertEqual(self.main_pid(), pid)
        with socket.socket(socket.AF_UNIX) as waiting:      # who asks while it restarts, waits
            self.systemd.ok('systemctl', 'stop', 'nixie-policyd.service')
            waiting.settimeout(LIMIT)
            waiting.connect(self.policy)
            self.assertServing()
        self.assertEqual(self.systemd.show('nixie-policyd.socket', 'ActiveState'), 'active')

    def test_a_port_that_was_given(self):
        """The service may not have one of its own, and needs not."""
        with open(self.systemd.path('/etc/systemd/system/nixie-metrics.socket'), 'w') as f:
            f.write('[Socket]\nListenStream=127.0.0.1:9125\nFileDescriptorName=metrics\nService=nixie-policyd.service\n')
        self.systemd.ok('systemctl', 'daemon-reload')
        self.systemd.ok('systemctl', 'stop', 'nixie-policyd')
        self.systemd.ok('systemctl', 'start', 'nixie-metrics.socket')
        self.systemd.ok('systemctl', 'start', 'nixie-policyd')
        self.wait_log('listening on passed:metrics:0')
        self.assertServing()    # hence it has found Redis
        got = self.systemd.ok('python3', '-c', 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9125/metrics").read().decode(), end="")')
        self.assertEqual(prometheus.parse(got)['nixie_policy_store_up'], 1)
        self.systemd.ok('systemctl', 'stop', 'nixie-policyd', 'nixie-metrics.socket')
        os.unlink(self.systemd.path('/etc/systemd/system/nixie-metrics.socket'))
        self.systemd.ok('systemctl', 'daemon-reload')

    def test_all_of_it(self):
        shutil.copy(os.path.join(REPOSITORY, 'contrib', 'sample', 'mail.log'), self.systemd.path('/var/log/mail.log'))
        self.systemd.ok('chown', 'root:adm', '/var/log/mail.log')
        self.systemd.ok('chmod', '640', '/var/log/mail.log')
        self.systemd.ok('systemctl', 'start', 'nixie-logtail')
        self.assertServing()
        # both tell of themselves now and then
        for line in r'(?m)^reader   nixie-test:/var/log/mail\.log: caught-up', r'(?m)^policyd  nixie-test:unix:%s: serving' % POLICY:
            wait_until(lambda line=line: re.search(line, self.systemd.run('nixie', 'status').stdout), line)
