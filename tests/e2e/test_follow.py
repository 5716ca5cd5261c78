"""nixie-logtail on files that grow and lie, and other input: every counter must be exact. What happens to files is in test_rotation.py."""
import gzip
import json
import os
import time

from harness import maillog
from harness.follow import FollowCase, append
from harness.maillog import full, hard
from harness.nixie import run


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

    def test_two_readers_of_one_file(self):
        append(self.log, self.mixed(50))
        self.site.logtail()
        self.site.logtail()
        append(self.log, self.mixed(50))
        self.settle()

    def test_two_files(self):
        second = self.log + '2'
        self.site.options['logtail']['files'] = [self.log, second]
        self.site.write_conf()
        append(self.log, self.mixed(3))
        append(second, self.mixed(3))
        self.site.logtail()
        append(second, self.mixed(3) + self.deliveries(1))      # of each log the last is one
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


class HostileLines(FollowCase):
    def around(self, line):
        append(self.log, self.mixed(2) + self.deliveries(1))
        append(self.log, line)
        append(self.log, self.mixed(2))
        self.site.logtail()
        append(self.log, line)
        self.settle()

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
