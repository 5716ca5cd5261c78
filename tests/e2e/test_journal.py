"""nixie-logtail on the systemd journal: journal files by systemd-journal-remote; every counter must be exact."""
import json
import os
import subprocess
import threading
import time

from harness import maillog
from harness.case import Case
from harness.journal import Journal
from harness.maillog import delivered, hard
from harness.nixie import NOT_FOUND, OK, run
from harness.peace import PartitionedSite
from harness.proc import wait_until
from harness.servers import partition_of

# root who may not do more than others: he can reach the programs, wherever they are
NO_POWERS = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all']


class JournalCase(Case):
    PARTITIONS = 1

    def setUp(self):
        super().setUp()
        self.with_redis()
        if self.PARTITIONS > 1:
            self.site = PartitionedSite(self.directory, self.redis, self.PARTITIONS)
            self.addCleanup(self.site.stop)
        self.journal = Journal(os.path.join(self.directory, 'journal'))
        self.entry = 'journal:' + self.journal.directory
        self.configure(self.entry)
        self.sent = self.hard = 0

    def configure(self, *logs, **options):
        self.site.options['logtail']['files'] = list(logs)
        self.site.options['logtail'].update(options)
        self.site.write_conf()

    def mixed(self, n):
        text = ''
        for _ in range(n):
            text += delivered('ok%d@example.com' % self.sent) + delivered('ok%d@example.com' % (self.sent + 1)) + \
                hard('gone%d@example.com' % self.hard)
            self.sent += 2
            self.hard += 1
        return text

    def exact(self):
        self.site.wait_counter('delivered', self.sent)
        self.site.wait_counter('hard', self.hard)       # behind the last delivery there may be a bounce
        got = {k: v for k, v in self.site.counters().items() if k in ('delivered', 'hard', 'soft', 'hard-as-soft')}
        self.assertEqual(got, {k: v for k, v in (('delivered', self.sent), ('hard', self.hard)) if v})
        for i in range(self.hard):
            self.assertEqual(self.site.status('gone%d@example.com' % i), 'hard')

    def settle(self, name='system'):
        """A last delivery makes sure that nothing comes after."""
        self.journal.write(delivered('last%d@example.com' % self.sent), name)
        self.sent += 1
        self.exact()

    def place(self):
        key, = self.redis.command('KEYS', 'nixie:{0}:pos:*')
        return self.redis.hgetall(key)


class Following(JournalCase):
    def test_from_the_beginning_and_onwards(self):
        self.journal.write(self.mixed(20))
        self.site.logtail()
        self.exact()                    # READY=1 means caught up
        self.journal.write(self.mixed(20))      # the same file, behind
        self.settle()

    def test_news_wake_it(self):
        self.configure(self.entry, **{'poll-interval': '1h'})
        self.journal.write(self.mixed(2))
        self.site.logtail()
        self.journal.write(self.mixed(2))
        self.exact()
        self.journal.write(self.mixed(2), 'another')
        self.exact()
        self.journal.write(self.mixed(2), 'another')
        self.exact()

    def test_from_the_end(self):
        self.configure(self.entry, start='end')
        self.journal.write(hard('old@example.com'))
        self.site.logtail()
        self.journal.write(self.mixed(5))
        self.settle()
        self.assertIsNone(self.site.status('old@example.com'))

    def test_restart_and_what_came_meanwhile(self):
        self.journal.write(self.mixed(20))
        self.assertEqual(self.site.logtail().stop(), 0)
        place = self.place()
        self.assertEqual(place['path'], self.entry)
        self.assertEqual(place['offset'], str(20 * 15))
        self.assertRegex(place['cursor'], '^s=')
        self.journal.write(self.mixed(20))
        for _ in range(3):
            child = self.site.logtail()
            self.exact()
            self.assertEqual(child.stop(), 0)
            self.assertNotIn('warning', child.log())
        self.site.logtail()
        self.settle()

    def test_kill_9_again_and_again(self):
        parts = [self.mixed(5) for _ in range(30)]
        self.journal.write(parts.pop())
        writer = threading.Thread(target=lambda: [self.journal.write(part) for part in parts])
        writer.start()
        try:
            for _ in range(5):
                child = self.site.logtail(ready=False)
                before = self.site.counter('delivered')
                self.site.wait_counter('delivered', min(before + 1, self.sent))
                child.kill()
        finally:
            writer.join()
        self.site.logtail()
        self.settle()

    def test_kill_9_in_the_first_milliseconds(self):
        self.journal.write(self.mixed(200))
        for n in range(6):
            child = self.site.logtail(ready=False)
            time.sleep(0.005 * n)       # only to die at another moment each time
            child.kill()
        self.site.logtail()
        self.settle()

    def test_rotated_while_followed_and_while_stopped(self):
        self.journal.write(self.mixed(5))
        child = self.site.logtail()
        os.rename(self.journal.path('system'), self.journal.path('system@1'))
        self.journal.write(self.mixed(5))
        self.settle()
        child.stop()
        self.journal.write(self.mixed(3))
        os.rename(self.journal.path('system'), self.journal.path('system@2'))
        self.journal.write(self.mixed(5))
        child = self.site.logtail()
        self.settle()
        self.assertNotIn('warning', child.log())

    def test_file_of_the_place_is_gone(self):
        self.journal.write(self.mixed(5), 'old')
        self.site.logtail().stop()
        self.journal.write(hard('lost@example.com'), 'old')
        self.journal.write(self.mixed(5), 'new')
        os.unlink(self.journal.path('old'))
        child = self.site.logtail()
        child.wait_log(['warning', 'the entry where reading stopped is gone', 'lines may be missing', 'next entry'])
        self.settle('new')
        self.assertIsNone(self.site.status('lost@example.com'))
        child.stop()
        self.assertEqual(self.place()['generation'], '1')
        child = self.site.logtail()
        self.settle('new')
        self.assertNotIn('warning', child.log())

    def test_lines_of_one_message_over_a_restart(self):
        # The sender stands in entries before the place: a null sender must stay one.
        m = maillog.Message(sender='')
        self.journal.write(m.begin() + self.mixed(1))
        self.assertEqual(self.site.logtail().stop(), 0)
        self.journal.write(m.bounced('innocent@example.com') + m.removed())
        self.site.logtail()
        self.settle()
        self.assertIsNone(self.site.status('innocent@example.com'))

    def test_redis_lost_its_data(self):
        self.journal.write(self.mixed(20))
        self.site.logtail()
        self.exact()
        self.redis.command('FLUSHALL')
        self.exact()

    def test_journal_that_comes_later(self):
        child = self.site.logtail()
        child.wait_log(['no journal file', 'waiting'])
        self.journal.write(self.mixed(3))
        self.settle()

    def test_together_with_a_file(self):
        self.configure(self.site.log_path, self.entry)
        with open(self.site.log_path, 'w') as f:
            f.write(self.mixed(3))
        self.journal.write(self.mixed(3))
        self.site.logtail()
        self.settle()


class Partitions(JournalCase):
    PARTITIONS = 4

    def test_places_are_together_and_apart(self):
        self.journal.write(self.mixed(40))
        self.site.logtail().stop()
        self.exact()
        for n in range(4):
            self.journal.write(self.mixed(30))
            child = self.site.logtail(ready=False)
            self.site.wait_counter('delivered', self.sent - 60 + n)
            child.kill()
        self.site.logtail()
        self.settle()

    def test_one_partition_has_lost_everything(self):
        self.journal.write(self.mixed(40), 'old')
        self.journal.write(self.mixed(40))
        child = self.site.logtail()
        self.exact()
        child.stop()
        keys = self.redis.command('KEYS', 'nixie:{2}:*')
        self.redis.command('DEL', *keys)
        child = self.site.logtail()
        self.settle()
        child.stop()
        # and when what it lost is not there any more: the others must not lose for it
        lost = sum(int(v) for k in self.redis.command('KEYS', 'nixie:{2}:day:*')
                   for f, v in self.redis.hgetall(k).items() if f == 'delivered')
        self.redis.command('DEL', *self.redis.command('KEYS', 'nixie:{2}:*'))
        before = self.site.counter('delivered')
        self.assertEqual(before, self.sent - lost)
        os.unlink(self.journal.path('old'))
        self.journal.write(''.join(delivered('after%d@example.com' % i) for i in range(60)))
        self.site.logtail()
        others = sum(partition_of('after%d@example.com' % i, 4) != 2 for i in range(60))

        def counted():
            return sum(int(v) for p in (0, 1, 3) for k in self.redis.command('KEYS', 'nixie:{%d}:day:*' % p)
                       for f, v in self.redis.hgetall(k).items() if f == 'delivered' and len(k.split(':')) == 4)
        wait_until(lambda: counted() >= before + others, 'what the others read on')
        self.assertEqual(counted(), before + others)


class WhatIsRead(JournalCase):
    def parse(self, *args, status=OK):
        done = run('nixie-logtail', '-c', self.site.conf_path, '--parse', *args)
        self.assertEqual(done.returncode, status, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_parse_tells_of_postfix_and_of_exim(self):
        self.journal.write(hard('gone@example.com'))
        self.journal.write('x mx2 exim[77]: 1tDxyz-0000AB-CD <= news@example.org U=news P=local S=400\n'
                           'x mx2 exim[77]: 1tDxyz-0000AB-CD ** dead@example.net R=dnslookup T=remote_smtp: SMTP error from remote mail '
                           'server after RCPT TO:<dead@example.net>: 550 5.1.1 User unknown\n', SYSLOG_FACILITY=None)
        # nothing of these is mail's
        self.journal.write(hard('ssh@example.com'), SYSLOG_FACILITY=4)
        records, _ = self.parse(self.entry)
        self.assertEqual([r['to'] for r in records], ['gone@example.com', 'dead@example.net'])
        self.assertEqual([r['host'] for r in records], ['mx1', 'mx2'])
        self.assertEqual([r['process'] for r in records], ['postfix/smtp', 'exim'])
        stamp = (self.journal.begin_us + 4 * 1000) / 1e6
        self.assertTrue(records[0]['time'].startswith(time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(stamp))), records[0])

    def test_login_users_may_not_speak_for_postfix(self):
        self.journal.write(hard('forged@example.com'), _UID=1000)
        self.journal.write(hard('gone@example.com'), _UID=106)
        self.journal.write(hard('also@example.com'), _UID=100106)      # of a container
        self.assertEqual([r['to'] for r in self.parse(self.entry)[0]], ['gone@example.com', 'also@example.com'])

    def test_postfix_under_another_facility(self):
        self.journal.write(hard('gone@example.com'), SYSLOG_FACILITY=16, _SYSTEMD_UNIT='postfix@-.service')
        self.assertEqual(len(self.parse(self.entry)[0]), 1)

    def test_odd_entries(self):
        entry = self.journal.entry
        lines = hard('gone@example.com').splitlines(keepends=True)
        message = lines[3].partition(': ')[2].rstrip('\n')
        self.journal.write(
            entry(SYSLOG_IDENTIFIER='postfix/smtp', SYSLOG_PID=1) +         # no MESSAGE
            entry(SYSLOG_IDENTIFIER='postfix/smtp', MESSAGE='x' * 20000) +
            entry(SYSLOG_IDENTIFIER='postfix/smtp', MESSAGE=b'a\0b\nNov 22 09:00:00 mx1 postfix/smtp[1]: ' + message.encode()) +
            entry(SYSLOG_IDENTIFIER=None, _COMM='smtp', MESSAGE='no identifier') +
            entry(SYSLOG_IDENTIFIER='postfix/smtp', _PID=5, MESSAGE=message) +
            entry(SYSLOG_IDENTIFIER='postfix/smtp', _HOSTNAME=None, MESSAGE=message))
        records, text = self.parse(self.entry)
        self.assertEqual([r['to'] for r in records], ['gone@example.com'] * 2)
        self.assertIn('lines=4', text)
        self.assertIn('1 lines of more than 16384 bytes were left out', text)
        self.assertEqual(records[1]['host'], os.uname().nodename)

    def test_dry_run_and_once(self):
        self.journal.write(self.mixed(3))
        done = run('nixie-logtail', '-c', self.site.conf_path, '--dry-run', self.entry)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertIn('gone2@example.com', done.stdout)
        self.assertEqual(self.redis.command('KEYS', '*'), [])
        for _ in range(2):
            done = run('nixie-logtail', '-c', self.site.conf_path, '--once', self.entry)
            self.assertEqual(done.returncode, OK, done.stderr)
            self.exact()

    def test_that_of_this_host(self):
        # in a mount namespace of its own, where the test's files are what journald would have written
        probe = ['unshare', '-m', 'true']
        if not os.path.exists('/etc/machine-id') or subprocess.run(probe, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest('no mount namespaces here')
        with open('/etc/machine-id') as f:
            machine = f.read().strip()
        self.journal.machine = machine
        self.journal.directory = os.path.join(self.directory, 'log', 'journal', machine)
        os.makedirs(self.journal.directory)
        self.journal.write(self.mixed(2))
        self.journal.write(hard('forged@example.com'), 'user-1000')
        self.configure('journal:')
        inside = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /var/log && exec "$@"', os.path.join(self.directory, 'log')]
        child = self.site.logtail(prefix=inside)
        self.journal.write(self.mixed(2))
        self.settle()
        self.assertIsNone(self.site.status('forged@example.com'))
        child.stop()
        self.assertRegex(self.redis.command('KEYS', 'nixie:{0}:pos:*')[0], ':journal:$')

    def test_none_there(self):
        for entry in self.entry, self.entry + '/absent':
            _, text = self.parse(entry, status=NOT_FOUND)
            self.assertRegex(text, 'no journal file|No such file')
            done = run('nixie-logtail', '-c', self.site.conf_path, '--once', entry)
            self.assertEqual(done.returncode, NOT_FOUND, done.stderr)

    def test_may_not_be_read(self):
        self.journal.write(self.mixed(3))
        os.chmod(self.journal.path('system'), 0)
        child = self.site.logtail(prefix=NO_POWERS, ready=False)
        child.wait_log(['may not read it', 'adduser nixie systemd-journal', 'waiting, nothing is lost'])
        os.chmod(self.journal.path('system'), 0o644)
        self.exact()        # it is tried again
        child.stop()
        os.chmod(self.journal.path('system'), 0)
        child = self.site.logtail(prefix=NO_POWERS, ready=False)
        child.wait_log(['may not read it'])
        os.chmod(self.journal.path('system'), 0o644)
        self.settle()       # and goes on at its place
