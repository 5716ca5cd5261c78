"""How nixie-policyd is started: with sockets that others have opened, and by root to be somebody else."""
import grp
import os
import pwd
import shutil
import signal
import sys
import unittest

from harness import prometheus
from harness.case import Case
from harness.nixie import BAD_CONFIG, binary, run
from harness.policy import ask
from harness.proc import free_port, wait_until

ACTIVATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'harness', 'activate.py')


class Activation(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.given = os.path.join(self.directory, 'given')

    def activated(self, *sockets, **kw):
        return self.site.policyd(prefix=[sys.executable, ACTIVATE, *sockets, '--'], **kw)

    def refused(self, *sockets):
        policyd = self.activated(*sockets, ready=False)
        self.assertEqual(policyd.wait(), BAD_CONFIG)
        return policyd.log()

    def test_it_takes_the_place_of_its_own(self):
        policyd = self.activated('policy=unix:' + self.given)
        self.assertSuppressed(ask(self.given, 'gone@example.com'))
        self.assertFalse(os.path.exists(self.site.policy_path))
        policyd.wait_log('listening on passed:policy:0')
        self.assertEqual(policyd.stop(), 0)
        self.assertTrue(os.path.exists(self.given), 'the file belongs to who made it')

    def test_what_waits_in_the_queue_is_answered(self):
        """Who asks while nobody serves yet: that is what such a socket is for."""
        port = free_port()
        other = os.path.join(self.directory, 'other')
        self.activated('policy=unix:' + self.given, 'policy=inet:127.0.0.1:%d' % port, 'metrics=unix:' + other)
        self.assertSuppressed(ask(self.given, 'gone@example.com'))
        self.assertSuppressed(ask(('127.0.0.1', port), 'gone@example.com'))
        figures = prometheus.scrape(other)
        self.assertEqual(figures['nixie_policy_requests_total{protocol="policy",outcome="reject"}'], 2)

    def test_others_are_opened_as_configured(self):
        metrics = os.path.join(self.directory, 'metrics')
        self.site.write_conf(policyd={'metrics': ['unix:' + metrics]})
        policyd = self.activated('policy=unix:' + self.given)
        prometheus.scrape(metrics)
        self.assertSuppressed(ask(self.given, 'gone@example.com'))
        self.assertEqual(policyd.stop(), 0)
        self.assertFalse(os.path.exists(metrics))

    def test_unknown_names(self):
        for names in ('smtp', '', 'none'):
            path = os.path.join(self.directory, 'u' + names)
            log = self.refused('x=unix:' + path, '--names', names)
            self.assertIn('FileDescriptorName=', log)
            self.assertIn('"policy" or', log)

    def test_what_is_no_listening_socket(self):
        self.assertIn('accepts connections', self.refused('policy=dgram:' + self.given))

    def test_sockets_for_another_process(self):
        """Inherited by accident: they say whose they are."""
        self.site.policyd(prefix=['env', 'LISTEN_PID=1', 'LISTEN_FDS=1', 'LISTEN_FDNAMES=policy'])
        self.assertSuppressed(self.site.ask('gone@example.com'))

    def test_they_outlive_a_restart_in_place(self):
        policyd = self.activated('policy=unix:' + self.given)
        for _ in range(2):
            before = policyd.log().count('takes over')
            policyd.send_signal(signal.SIGUSR2)
            wait_until(lambda: policyd.log().count('takes over') > before, 'restart', child=policyd)
            policyd.wait_ready()
            self.assertSuppressed(ask(self.given, 'gone@example.com'))
            self.assertFalse(os.path.exists(self.site.policy_path))
        self.assertEqual(policyd.stop(), 0)
        self.assertTrue(os.path.exists(self.given))


def identity(pid):
    with open('/proc/%d/status' % pid) as f:
        lines = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
    return lines


@unittest.skipIf(os.geteuid() != 0, 'only root can become another user')
class Privileges(Case):
    USER = 'nobody'

    def setUp(self):
        super().setUp()
        self.with_redis()
        os.chmod(self.redis.socket, 0o666)
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.own = os.path.join(self.directory, 'own')
        os.mkdir(self.own)
        os.chown(self.own, pwd.getpwnam(self.USER).pw_uid, -1)
        self.site.policy_path = os.path.join(self.own, 'policy')
        self.site.options['policyd'].update({'listen': ['unix:' + self.site.policy_path], 'user': self.USER})
        self.site.write_conf()

    def assertIdentity(self, policyd, group, groups):
        user = str(pwd.getpwnam(self.USER).pw_uid)
        told = identity(policyd.pid)
        self.assertEqual(told['Uid'].split(), [user] * 4)
        self.assertEqual(told['Gid'].split(), [str(grp.getgrnam(group).gr_gid)] * 4)
        self.assertEqual(set(told['Groups'].split()), {str(grp.getgrnam(g).gr_gid) for g in groups})
        self.assertEqual({told[c].strip('0') for c in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')}, {''})
        self.assertEqual(told['NoNewPrivs'], '1')

    def test_the_user_and_its_group(self):
        policyd = self.site.policyd()
        self.assertIdentity(policyd, 'nogroup', ['nogroup'])
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertNotIn('running as root', policyd.log())
        self.assertEqual(os.stat(self.site.policy_path).st_uid, pwd.getpwnam(self.USER).pw_uid)
        self.assertEqual(policyd.stop(), 0)
        self.assertFalse(os.path.exists(self.site.policy_path))

    def test_another_group(self):
        self.site.write_conf(policyd={'group': 'mail'})
        self.assertIdentity(self.site.policyd(), 'mail', ['mail'])

    def test_it_stays_so(self):
        """Reloading and restarting are possible without being root, where it may read the program."""
        if not os.stat('/dev/null').st_mode & 0o002:
            self.skipTest('/dev/null is not for everybody here')
        program = shutil.copy(binary('nixie-policyd'), self.directory)
        os.chmod(program, 0o755)
        policyd = self.site.policyd(prefix=['sh', '-c', 'shift; exec "$0" "$@"', program])
        policyd.send_signal(signal.SIGHUP)
        policyd.wait_log('reloaded')
        policyd.send_signal(signal.SIGUSR2)
        policyd.wait_log('takes over')
        policyd.wait_ready()
        self.assertIdentity(policyd, 'nogroup', ['nogroup'])
        self.assertSuppressed(self.site.ask('gone@example.com'))

    def test_a_port_that_only_root_may_have(self):
        """Sockets are opened before."""
        port = free_port(600, 1000)
        self.site.write_conf(policyd={'listen': ['inet:127.0.0.1:%d' % port]})
        self.assertIdentity(self.site.policyd(), 'nogroup', ['nogroup'])
        self.assertSuppressed(ask(('127.0.0.1', port), 'gone@example.com'))

    def test_it_is_the_user_who_asks_redis(self):
        """Not root for once, and the user after the first lost connection."""
        os.chmod(self.redis.socket, 0o600)
        policyd = self.site.policyd()
        policyd.wait_log(['Redis at', 'Permission denied'])
        self.assertDunno(self.site.ask('gone@example.com'))

    def test_a_configuration_that_it_cannot_read_again(self):
        os.chmod(self.site.conf_path, 0o600)
        self.site.policyd().wait_log(['cannot reload', self.site.conf_path])

    def test_root_is_warned(self):
        self.site.write_conf(policyd={'user': ''})
        self.site.policyd().wait_log(['running as root', 'policyd.user'])

    def test_unknown_names(self):
        for option in ('user', 'group'):
            self.site.write_raw('policyd: {\n  %s = "nixie-none";\n};\n' % option)
            done = run('nixie-policyd', '-t', '-c', self.site.conf_path)
            self.assertEqual(done.returncode, BAD_CONFIG)
            self.assertIn('%s:2: policyd.%s is "nixie-none"' % (self.site.conf_path, option), done.stderr)

    def test_who_is_not_root_cannot_become_another(self):
        self.site.write_conf(policyd={'user': 'mail'})
        policyd = self.site.policyd(prefix=['setpriv', '--reuid', self.USER, '--regid', 'nogroup', '--clear-groups'], ready=False)
        self.assertEqual(policyd.wait(), BAD_CONFIG)
        self.assertIn('only root can become that', policyd.log())

    def test_who_is_it_already(self):
        """As under systemd, with User= and the option."""
        policyd = self.site.policyd(prefix=['setpriv', '--reuid', self.USER, '--regid', 'nogroup', '--clear-groups'])
        self.assertSuppressed(self.site.ask('gone@example.com'))
        self.assertNotIn('warning', policyd.log())
