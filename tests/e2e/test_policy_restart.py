"""Mail flows through a real Postfix while nixie-policyd is reloaded, restarted, and replaced in its place."""
import os
import signal
import subprocess
import sys
import threading
import time

from harness.case import Case
from harness.load import Load, refused
from harness.nixie import REPOSITORY
from harness.postfix import Postfix
from harness.proc import LIMIT, wait_until

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

from policy_faults import Mail  # noqa: E402

GONE = 'gone@example.com'
SESSIONS = 10
# A connection that the service closes in the middle of a session costs a sleep in smtpd, here of so long; whatever
# else takes time is far from it.
RETRY_S = 40
UNNOTICED_S = 30.0


class Source(threading.Thread):
    """smtp-source, again and again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.messages, self.failure, self.stopping = port, 0, '', False

    def run(self):
        while not self.stopping and not self.failure:
            done = subprocess.run(['smtp-source', '-s', str(SESSIONS), '-m', '100', '-r', '1', '-N', '-f', 'news@flow.test', '-t', 'reader@flow.test',
                                   '127.0.0.1:%d' % self.port], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=dict(os.environ, PATH='/usr/sbin:/usr/bin:/bin'), text=True)
            self.messages += 100
            if done.returncode:
                self.failure = done.stdout

    def stop(self):
        self.stopping = True
        self.join()


class Flow(Case):
    retry_s, tries = 1, 30      # a slow machine takes longer to start a program than Postfix would ask twice

    def setUp(self):
        super().setUp()
        self.postfix = Postfix(self.directory, 9, os.path.join(self.directory, 'maillog'))
        self.addCleanup(self.postfix.stop)
        self.postfix.configure(default_transport='discard:', smtpd_policy_service_retry_delay='%ds' % self.retry_s,
                               smtpd_policy_service_try_limit=self.tries)
        self.postfix.start()
        site = self.with_redis()
        site.options['policyd']['listen'].append('unix:' + self.postfix.policy_path)
        # who is suppressed is known to the next program before it has a Redis to ask, if that has been written down
        os.environ['NIXIE_SNAPSHOT_MS'] = '100'
        self.addCleanup(os.environ.pop, 'NIXIE_SNAPSHOT_MS')
        # whoever is asked about while Redis hangs
        site.options['policyd']['deadline'] = '250ms'
        site.options['policyd']['snapshot'] = os.path.join(self.directory, 'snapshot')
        site.write_conf()
        self.child = site.policyd()
        self.redis.command('HSET', 'nixie:{0}:addr:' + GONE, 'status', 'hard', 'reason', 'recipient.unknown', 'since', '1700000000')
        wait_until(lambda: site.ask(GONE) != 'DUNNO', 'refusal', child=self.child)
        self.child.stop()       # which writes the snapshot
        self.child = site.policyd()
        self.mails = [Mail(self.postfix, GONE) for _ in range(3)]
        self.source = Source(self.postfix.port)
        self.load = Load(site.policy_path, 20, lambda chance: chance.choice((('gone', GONE), ('new', 'new%d@example.com' % chance.randrange(10 ** 6)))), 500)
        self.addCleanup(self.stop_all)
        for flow in [self.load, self.source] + self.mails:
            flow.start()
        # a slow disk takes seconds for each of them
        wait_until(lambda: any(m.failure for m in self.mails) or all(len(m.took) > 20 for m in self.mails), 'mail', 3 * LIMIT)
        wait_until(self.is_written_down, 'snapshot', child=self.child)

    def is_written_down(self):
        try:
            with open(os.path.join(self.directory, 'snapshot'), encoding='utf-8') as f:
                return GONE in f.read()
        except FileNotFoundError:
            return False

    def stop_all(self):
        self.load._stopping.set()
        for flow in [self.source] + self.mails:
            flow.stop()

    def mail_has_flowed(self, trouble):
        self.stop_all()
        self.assertEqual([m.failure for m in self.mails] + [self.source.failure], [None] * 3 + [''])
        # of who asks: cleanup warns of clocks, and of other things that are none of ours
        self.assertEqual([line for line in self.postfix.log().splitlines() if trouble in line and 'postfix/smtpd[' in line], [])
        return max(max(m.took) for m in self.mails)


class Restart(Flow):
    retry_s, tries = RETRY_S, 2

    def nobody_noticed(self):
        took = self.mail_has_flowed('warning')
        self.load.stop()
        self.assertEqual(self.load.lost, [])
        self.assertEqual(self.load.closed, 0)
        self.assertEqual([a for a in self.load.answers if refused(a) != (a.kind == 'gone')], [])
        self.assertLess(took, UNNOTICED_S)

    def test_reload(self):
        for n in range(10):
            self.child.send_signal(signal.SIGHUP)
            wait_until(lambda: self.child.log().count('reloaded') > n, 'reload', child=self.child)
            time.sleep(0.1)
        self.nobody_noticed()

    def test_in_its_place(self):
        for n in range(6):
            self.child.send_signal(signal.SIGUSR2)
            wait_until(lambda: self.child.log().count('took over') > n, 'the next program', child=self.child)
            time.sleep(0.3)
        self.nobody_noticed()

    def test_in_its_place_while_redis_hangs(self):
        """The questions under way are answered first, at their deadline."""
        for n in range(2):
            self.redis.freeze()
            time.sleep(0.1)
            self.child.send_signal(signal.SIGUSR2)
            wait_until(lambda: self.child.log().count('took over') > n, 'the next program', child=self.child)
            self.redis.thaw()
            time.sleep(0.5)
        self.nobody_noticed()

    def test_refused_when_the_configuration_is_bad(self):
        self.site.write_raw('nonsense = 1;\n')
        for n in range(3):
            self.child.send_signal(signal.SIGUSR2)
            wait_until(lambda: self.child.log().count('restart refused') > n, 'refusal to restart', child=self.child)
        self.nobody_noticed()


class Stopped(Flow):
    def test_stopped_and_started(self):
        """Open sessions wait their second; nothing is lost, and nothing is let through that is not to be."""
        for _ in range(3):
            self.assertEqual(self.child.stop(), 0)
            self.child = self.site.policyd()
            time.sleep(1.5)
        # a session that begins in the gap is refused a connection: Postfix warns of that, and asks again
        self.mail_has_flowed('fatal')
