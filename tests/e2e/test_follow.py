"""nixie-logtail on files that grow, rotate, vanish and lie: every counter must be exact."""
import gzip
import json
import os
import shutil
import signal
import threading
import time

from harness import maillog
from harness.case import Case
from harness.maillog import delivered, full, hard
from harness.nixie import run


def append(path, data):
    with open(path, 'ab') as f:
        f.write(data if isinstance(data, bytes) else data.encode('utf-8', 'surrogateescape'))


class FollowCase(Case):
    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        self.log = self.site.log_path
        self.sent = self.hard = 0

    # What has been written is counted here, and must be counted there.

    def deliveries(self, n):
        first, self.sent = self.sent, self.sent + n
        return ''.join(delivered('ok%d@example.com' % i) for i in range(first, self.sent))

    def bounces(self, n):
        first, self.hard = self.hard, self.hard + n
        return ''.join(hard('gone%d@example.com' % i) for i in range(first, self.hard))

    def mixed(self, n):
        return ''.join(self.deliveries(2) + self.bounces(1) for _ in range(n))

    def settle(self):
        """Wait until all is counted; a last delivery makes sure that nothing comes after."""
        append(self.log, self.deliveries(1))
        self.site.wait_counter('delivered', self.sent)
        self.exact()

    def exact(self):
        got = {k: v for k, v in self.site.counters().items()
               if k in ('delivered', 'hard', 'soft', 'hard-as-soft', 'soft-to-hard')}
        wanted = {'delivered': self.sent, 'hard': self.hard}
        self.assertEqual(got, {k: v for k, v in wanted.items() if v})
        for i in range(self.hard):
            self.assertEqual(self.site.status('gone%d@example.com' % i), 'hard')


class Growing(FollowCase):
    def test_from_the_beginning_and_onwards(self):
        append(self.log, self.mixed(20))
        self.site.logtail()
        self.exact()                    # READY=1 means caught up
        append(self.log, self.mixed(20))
        self.settle()

    def test_from_the_end(self):
        self.site.options['logtail']['start'] = 'end'
        self.site.write_conf()
        append(self.log, hard('old@example.com'))
        self.site.logtail()
        append(self.log, self.mixed(5))
        self.settle()
        self.assertIsNone(self.site.status('old@example.com'))

    def partial(self, cut):
        append(self.log, self.deliveries(3))
        text = self.bounces(1)
        append(self.log, text[:cut])
        self.site.logtail()
        self.assertIsNone(self.site.status('gone0@example.com'))
        append(self.log, text[cut:])
        self.settle()

    def test_partial_last_line_completed_later(self):
        text = hard('gone0@example.com')
        self.partial(text.index('status=bounced') + 10)

    def test_last_line_without_its_newline(self):
        m = maillog.Message()
        append(self.log, m.begin() + m.bounced('gone0@example.com').rstrip('\n'))
        self.site.logtail()
        self.assertIsNone(self.site.status('gone0@example.com'))
        append(self.log, '\n')
        self.hard += 1
        self.settle()

    def test_partial_status_line_over_a_restart(self):
        text = self.bounces(1).splitlines(keepends=True)
        half = text[3].index('status=') + 9
        append(self.log, ''.join(text[:3]) + text[3][:half])
        self.assertEqual(self.site.logtail().stop(), 0)
        self.site.logtail().kill()
        append(self.log, text[3][half:] + ''.join(text[4:]))
        self.site.logtail()
        self.settle()

    def test_lines_of_one_message_over_a_restart(self):
        # The sender stands in lines before the position: a null sender must stay one.
        m = maillog.Message(sender='')
        append(self.log, m.begin() + self.deliveries(1))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, m.bounced('innocent@example.com') + m.removed())
        self.site.logtail()
        self.settle()
        self.assertIsNone(self.site.status('innocent@example.com'))

    def test_deferred_over_a_restart_then_delivered(self):
        m = maillog.Message(when=time.time() - 600)
        append(self.log, m.begin() + m.deferred('slow@example.com'))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, m.active(after=100) + m.sent('slow@example.com', after=100)
               + m.removed(after=101))
        self.sent += 1
        self.site.logtail()
        self.settle()

    def test_deferred_over_a_restart_then_expired(self):
        m = maillog.Message(when=time.time() - 600)
        append(self.log, m.begin() + m.deferred('slow@example.com')
               + m.deferred('slow@example.com', after=50))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, m.line('qmgr', m.qid + ': from=<%s>, status=expired, returned to sender'
                                % m.sender, 100) + m.removed(101))
        self.site.logtail()
        append(self.log, self.deliveries(1))
        self.site.wait_counter('delivered', 1)
        self.assertEqual(self.site.counter('soft'), 1)
        self.assertEqual(self.site.counter('hard'), 0)

    def test_second_start_adds_nothing(self):
        append(self.log, self.mixed(50))
        for _ in range(3):
            child = self.site.logtail()
            self.exact()
            self.assertEqual(child.stop(), 0)
        self.site.logtail()
        self.settle()

    def test_a_quiet_log_and_a_server_that_lost_its_data(self):
        append(self.log, self.mixed(20))
        self.site.logtail()
        self.exact()
        self.redis.command('FLUSHALL')
        self.site.wait_counter('delivered', self.sent)      # without another line
        self.exact()

    def test_two_readers_of_one_file(self):
        append(self.log, self.mixed(50))
        self.site.logtail()
        self.site.logtail()
        append(self.log, self.mixed(50))
        self.settle()

    def test_kill_9_again_and_again(self):
        # A writer that never pauses, a reader that keeps dying.
        done = threading.Event()
        parts = [self.mixed(5) for _ in range(60)]

        def write():
            for part in parts:
                append(self.log, part)
                if done.wait(0.02):
                    break
        append(self.log, parts.pop())
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(6):
                child = self.site.logtail(ready=False)
                before = self.site.counter('delivered')
                self.site.wait_counter('delivered', min(before + 1, self.sent))
                child.kill()
        finally:
            writer.join(60)
            done.set()
        self.site.logtail()
        self.settle()

    def test_kill_9_in_the_first_milliseconds(self):
        append(self.log, self.mixed(300))
        for n in range(8):
            child = self.site.logtail(ready=False)
            # Not a wait for anything: only to die at another moment each time.
            time.sleep(0.005 * n)
            child.kill()
        self.site.logtail()
        self.settle()

    def test_two_files(self):
        second = self.log + '2'
        self.site.options['logtail']['files'] = [self.log, second]
        self.site.write_conf()
        append(self.log, self.mixed(3))
        append(second, self.mixed(3))
        self.site.logtail()
        append(second, self.mixed(3))
        self.site.wait_counter('delivered', self.sent)
        self.settle()


class OtherInput(FollowCase):
    """FILE... on the command line, --once, standard input: into Redis too."""

    def logtail(self, *args, **kw):
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, *args, **kw)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_standard_input(self):
        text = self.mixed(20)
        self.logtail('-', stdin=text)
        self.exact()

    def test_standard_input_without_last_newline(self):
        self.logtail('-', stdin=self.mixed(5) + self.bounces(1).rstrip('\n'))
        self.assertEqual(self.site.counter('delivered'), self.sent)

    def test_once(self):
        append(self.log, self.mixed(20))
        self.logtail('--once')
        self.exact()
        append(self.log, self.mixed(20))
        self.logtail('--once')
        self.exact()
        self.logtail('--once')
        self.exact()

    def test_file_on_the_command_line(self):
        other = self.log + '.other'
        append(other, self.mixed(20))
        append(self.log, 'nothing of this is read\n')
        self.logtail('--once', other)
        self.exact()
        self.logtail('--once', other)
        self.exact()

    def test_same_file_by_another_path(self):
        append(self.log, self.mixed(5))
        self.logtail('--once', self.log)
        self.logtail('--once', os.path.relpath(self.log))
        self.exact()

    def test_missing_file_once(self):
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', self.log + '.absent')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.log + '.absent', done.stderr)

    def test_compressed_file(self):
        """Into Redis as well: once, however often it is named."""
        path = os.path.join(self.directory, 'old.log.gz')
        with gzip.open(path, 'wt') as z:
            z.write(self.mixed(10))
        for _ in range(2):
            self.assertEqual(run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', path).returncode, 0)
            self.exact()
        with open(path, 'r+b') as f:
            f.truncate(40)
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once', path)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('cut off', done.stderr)


class Rotation(FollowCase):
    def rotate(self, create=True):
        os.rename(self.log, self.log + '.1')
        if create:
            append(self.log, '')

    def test_rename_while_the_writer_still_has_the_old_file(self):
        append(self.log, self.mixed(5))
        self.site.logtail()
        with open(self.log, 'a') as old:
            self.rotate()
            append(self.log, self.mixed(2))
            for _ in range(10):
                old.write(self.mixed(1))
                old.flush()
                append(self.log, self.mixed(1))
        self.settle()

    def test_rename_before_the_tail_is_read(self):
        self.site.options['logtail']['poll-interval'] = '1s'
        self.site.write_conf()
        append(self.log, self.mixed(5))
        self.site.logtail()
        append(self.log, self.mixed(50))
        self.rotate()
        append(self.log, self.mixed(5))
        self.settle()

    def test_many_rotations_while_running(self):
        append(self.log, self.mixed(1))
        self.site.logtail()
        for _ in range(5):
            self.rotate()
            append(self.log, self.mixed(4))
            self.site.wait_counter('delivered', self.sent)
        self.settle()

    def test_nocreate_gap(self):
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.rotate(create=False)
        append(self.log + '.1', self.mixed(2))
        self.site.wait_counter('delivered', self.sent)
        append(self.log, self.mixed(5))
        self.settle()

    def test_log_vanishes_and_comes_back(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        os.unlink(self.log)
        # A while without the file; how long does not matter.
        time.sleep(0.5)
        self.assertIsNone(child.poll())
        append(self.log, self.mixed(5))
        self.settle()

    def test_log_absent_at_start(self):
        child = self.site.logtail(ready=False)
        child.wait_log(self.log)
        append(self.log, self.mixed(5))
        self.settle()

    def test_copytruncate(self):
        append(self.log, self.mixed(10))
        self.site.logtail()
        shutil.copy(self.log, self.log + '.1')
        os.truncate(self.log, 0)
        append(self.log, self.mixed(3))
        self.settle()

    def test_copytruncate_regrown_past_the_position(self):
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.send_signal(signal.SIGSTOP)
        shutil.copy(self.log, self.log + '.1')
        os.truncate(self.log, 0)
        append(self.log, self.mixed(30))
        child.send_signal(signal.SIGCONT)
        self.settle()

    def test_copytruncate_while_stopped_and_regrown(self):
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(2))
        shutil.copy(self.log, self.log + '.1')
        os.truncate(self.log, 0)
        append(self.log, self.mixed(30))
        self.site.logtail()
        self.settle()

    def test_rotated_while_stopped(self):
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(5))
        self.rotate()
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.settle()

    def test_rotated_while_killed_and_new_file_longer(self):
        append(self.log, self.mixed(5))
        self.site.logtail().kill()
        append(self.log, self.mixed(1))
        self.rotate()
        append(self.log, self.mixed(60))
        self.site.logtail()
        self.settle()

    def test_rotated_twice_while_stopped(self):
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(5))
        os.rename(self.log, self.log + '.2')
        append(self.log + '.1', self.mixed(5))
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.settle()

    def compress_unread(self, name):
        """What was written while logtail was stopped is compressed before it comes back."""
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(5))
        with open(self.log, 'rb') as f, gzip.open(self.log + name, 'wb') as z:
            shutil.copyfileobj(f, z)
        os.unlink(self.log)

    def test_rotated_twice_while_stopped_and_compressed(self):
        self.compress_unread('.2.gz')
        append(self.log + '.1', self.mixed(5))
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.settle()

    def test_rotated_and_compressed_while_stopped(self):
        self.compress_unread('.1.gz')
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.settle()

    def test_rotated_away_while_stopped(self):
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, ''.join(delivered('lost%d@example.com' % i) for i in range(5)))
        os.unlink(self.log)
        append(self.log, self.mixed(5))
        child = self.site.logtail()
        child.wait_log('may be missing')        # said, and everything that can be read is
        self.settle()

    def test_dateext(self):
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(5))
        os.rename(self.log, self.log + '-20261121')
        append(self.log, self.mixed(5))
        self.site.logtail()
        self.settle()

    def test_once_goes_past_a_rotation(self):
        append(self.log, self.mixed(5))
        once = ('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(run(*once).returncode, 0)
        append(self.log, self.mixed(5))
        os.rename(self.log, self.log + '.1')
        append(self.log, self.mixed(5))
        self.assertEqual(run(*once).returncode, 0)
        self.exact()

    def test_an_old_log_is_unpacked_beside(self):
        old = ''.join(line.replace('2026-', '2025-', 1) + '\n' for line in hard('old@example.com').splitlines())
        append(self.log, self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        append(self.log, self.mixed(5))
        os.rename(self.log, self.log + '.1')
        append(self.log + '.2', old)            # younger than .1, and its lines are not
        append(self.log, self.mixed(5))
        os.utime(self.log + '.1', (1, 1))
        self.site.logtail()
        self.settle()

    def test_identical_first_lines(self):
        # logrotate and some syslogs begin each file with the same line.
        banner = 'logfile turned over\n'
        append(self.log, banner + self.mixed(5))
        self.assertEqual(self.site.logtail().stop(), 0)
        os.rename(self.log, self.log + '.1')
        append(self.log, banner + self.mixed(10))
        self.site.logtail()
        self.settle()


class Permissions(FollowCase):
    def test_unreadable_until_chmod(self):
        prefix = ()
        if os.geteuid() == 0:
            if shutil.which('setpriv') is None:
                self.skipTest('root reads everything and setpriv(1) is missing')
            # still root, whose home the programs may lie in, but one who obeys file modes
            prefix = ('setpriv', '--bounding-set=-dac_override,-dac_read_search')
        append(self.log, self.mixed(5))
        os.chmod(self.log, 0)
        child = self.site.logtail(ready=False, prefix=prefix)
        child.wait_log([self.log, 'permission denied'])
        self.assertIsNone(child.poll())
        os.chmod(self.log, 0o644)
        self.settle()


class HostileLines(FollowCase):
    def around(self, line):
        append(self.log, self.mixed(2) + self.deliveries(1))
        append(self.log, line)
        append(self.log, self.mixed(2))
        self.site.logtail()
        append(self.log, line)
        self.settle()

    def test_line_of_1_mib(self):
        self.around('Nov 21 10:00:00 mx1 postfix/smtp[1]: ' + 'x' * (1 << 20) + '\n')

    def test_status_line_of_1_mib(self):
        m = maillog.Message()
        self.around(m.bounced('x' * (1 << 20) + '@example.com'))
        self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:suppressed'), self.hard)

    def test_1_mib_without_newline_at_the_end(self):
        append(self.log, self.mixed(2) + 'y' * (1 << 20))
        child = self.site.logtail()
        self.exact()
        append(self.log, '\n')
        self.settle()
        self.assertIsNone(child.poll())

    def test_nul_bytes(self):
        self.around(b'\0' * 5000 + b'\n' + b'a\0b: to=<x\0y@example.com>, status=bounced (\0)\n')

    def test_invalid_utf8(self):
        m = maillog.Message()
        self.around(b'\xff\xfe\x80 postfix/smtp[1]: \xc3(\n')
        append(self.log, m.begin().encode() + m.bounced('u@example.com').encode()
               .replace(b'User unknown', b'Us\xe9r unknown in virtual: user unknown'))
        self.hard += 1
        self.site.wait_status('u@example.com', 'hard')
        self.hard -= 1
        known = self.site.check('u@example.com')     # still JSON
        self.assertEqual(known['status'], 'hard')

    def test_crlf(self):
        append(self.log, self.mixed(5).replace('\n', '\r\n'))
        self.site.logtail()
        append(self.log, self.mixed(5).replace('\n', '\r\n'))
        self.settle()
        self.assertNotIn('\r', self.site.check('gone0@example.com').get('text', ''))

    def test_garbage(self):
        self.around(os.urandom(100000).replace(b'\n', b' ') + b'\n')

    def test_injection_by_quoted_local_part(self):
        # smtpd takes such a local part from anybody; the victim must not pay.
        evil = '"a>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, ' \
               'status=bounced (host mx said: 550 5.1.1 user unknown) to=<victim@example.com>"' \
               '@example.net'
        m, n, o = maillog.Message(), maillog.Message(), maillog.Message()
        append(self.log, m.begin() + m.sent(evil) + m.removed())
        self.sent += 1
        append(self.log, n.begin() + n.deferred(evil))
        inner = 'x>, relay=mx.example.com[192.0.2.99]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, ' \
                'status=bounced (host mx.example.com[192.0.2.99] said: 550 5.1.1 user unknown)'
        append(self.log, o.begin() + o.sent('"victim@example.com' + inner + '"@example.net'))
        self.sent += 1
        self.site.logtail()
        self.settle()
        for victim in 'victim@example.com', 'a', 'x':
            self.assertIsNone(self.site.status(victim))
        self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:suppressed'), 0)

    def test_injection_by_remote_text(self):
        fake = maillog.Message().bounced('victim@example.com').strip()
        m, n, o = maillog.Message(), maillog.Message(), maillog.Message()
        append(self.log, m.begin() + m.result('ok@example.com', 'sent', '2.0.0', '250 ' + fake)
               + m.removed())
        append(self.log, n.begin() + n.result('later@example.com', 'deferred', '4.3.0',
                                              'host mx said: 450 4.3.0 busy ' + fake))
        append(self.log, o.begin() + o.said('bad@example.com', 'bounced', '550 5.7.1 no ' + fake))
        append(self.log, self.deliveries(3))
        self.site.logtail()
        # What the remote server wrote may go uncounted; it may not count against anyone else.
        self.assertIn(self.site.counter('delivered'), (self.sent, self.sent + 1))
        self.assertEqual(self.site.counter('hard'), 0)
        self.assertEqual(self.redis.command('KEYS', '*victim*'), [])
        self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:suppressed'), 0)

    def test_probes_and_local_hops_are_not_deliveries(self):
        m, n = maillog.Message(), maillog.Message()
        append(self.log, m.begin()
               + m.result('probe@example.com', 'undeliverable', '5.1.1', '550 5.1.1 user unknown')
               + m.result('probe2@example.com', 'deliverable', '2.1.5', '250 2.1.5 Ok'))
        append(self.log, n.begin() + n.line('error', '%s: to=<sup@example.com>, relay=none, '
               'delay=0.1, delays=0.1/0/0/0, dsn=4.4.1, status=deferred (delivery temporarily '
               'suspended: connect to mx.example.com[192.0.2.1]:25: Connection timed out)' % n.qid))
        self.site.logtail()
        self.settle()
        self.assertIsNone(self.site.status('probe@example.com'))

    def test_nixies_own_refusal_is_not_a_bounce(self):
        m = maillog.Message()
        append(self.log, m.begin() + m.bounced('user@example.com', '550 5.1.1 <{to}>: Recipient '
               'address rejected: Recipient suppressed by nixie: recipient.unknown since '
               '2026-11-21, token ABCDEFGH') + m.removed())
        self.site.logtail()
        self.settle()
        self.assertIsNone(self.site.status('user@example.com'))


class Parse(FollowCase):
    """--parse and --dry-run: files and standard input, no Redis."""

    def setUp(self):
        super().setUp()
        append(self.log, self.mixed(4) + full('full@example.com'))

    def parse(self, *args, stdin=None):
        done = run('nixie-logtail', '--parse', *args, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_members(self):
        rows, summary = self.parse(self.log)
        self.assertEqual(len(rows), 13)
        self.assertTrue(summary.strip())
        row = [r for r in rows if r['to'] == 'gone0@example.com'][0]
        self.assertEqual(row['status'], 'bounced')
        self.assertEqual(row['host'], 'mx1')
        self.assertEqual(row['relay_host'], 'mx.example.com')
        self.assertEqual(row['relay_ip'], '192.0.2.99')
        self.assertEqual(row['dsn'], '5.1.1')
        self.assertEqual(str(row['code']), '550')
        self.assertEqual(row['category'], 'recipient.unknown')
        self.assertEqual(row['class'], 'hard')
        self.assertTrue(row['rule'])
        row = [r for r in rows if r['to'] == 'full@example.com'][0]
        self.assertEqual((row['category'], row['class']), ('mailbox.full', 'soft'))
        self.assertNotIn('category', [r for r in rows if r['status'] == 'sent'][0])

    def test_stdin_and_gzip_and_file_agree(self):
        with open(self.log, 'rb') as f:
            data = f.read()
        with gzip.open(self.log + '.1.gz', 'wb') as f:
            f.write(data)
        rows, _ = self.parse(self.log)
        self.assertEqual(rows, self.parse('-', stdin=data)[0])
        self.assertEqual(rows, self.parse(self.log + '.1.gz')[0])

    def test_missing_file(self):
        done = run('nixie-logtail', '--parse', self.log + '.absent')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(self.log + '.absent', done.stderr)

    def test_dry_run(self):
        with open(self.log) as f:
            data = f.read()
        for args, stdin in ((self.log,), None), (('-',), data):
            done = run('nixie-logtail', '--dry-run', *args, stdin=stdin)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('recipient.unknown', done.stdout)
            self.assertRegex(done.stdout, r'\b4\b')
        self.assertEqual(self.redis.command('KEYS', '*'), [])
