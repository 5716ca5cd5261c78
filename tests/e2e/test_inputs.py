"""nixie-logtail on sockets like /dev/log, FIFOs and patterns: what logtail.files may name besides logs and journals."""
import os
import re
import socket
import time

from harness.case import Case
from harness.maillog import delivered, hard
from harness.nixie import NOT_FOUND, run
from harness.proc import LIMIT, wait_until


def append(path, text):
    with open(path, 'a') as f:
        f.write(text)


class InputCase(Case):
    def setUp(self):
        super().setUp()
        self.with_redis()
        self.sent = 0

    def configure(self, *logs, **options):
        self.site.options['logtail']['files'] = list(logs)
        self.site.options['logtail'].update(options)
        self.site.write_conf()

    def path(self, name):
        return os.path.join(self.directory, name)

    def deliveries(self, n=1):
        first, self.sent = self.sent, self.sent + n
        return ''.join(delivered('ok%d@example.com' % i) for i in range(first, self.sent))

    def exact(self):
        self.site.wait_counter('delivered', self.sent)
        self.assertEqual(self.site.counter('delivered'), self.sent)


class Socket(InputCase):
    def setUp(self):
        super().setUp()
        self.log = self.path('log')
        self.configure('syslog:' + self.log)
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.end.close)

    def send(self, text, each=True):
        for datagram in text.splitlines() if each else [text]:
            self.end.sendto(datagram.encode(), self.log)

    def test_lines_with_and_without_a_host(self):
        self.site.logtail()
        self.send(self.deliveries(3))
        self.send(''.join('<22>' + line for line in self.deliveries(3).splitlines(True)))
        local = time.strftime('%b %e %H:%M:%S ', time.gmtime())     # as syslog(3) writes it
        for line in hard('gone@example.com').splitlines():
            self.send('<22>' + local + line.split(' ', 2)[2] + '\0')
        self.send(self.deliveries())
        self.exact()
        self.assertEqual(self.site.status('gone@example.com'), 'hard')
        keys = [k for k in self.redis.command('KEYS', 'nixie:{0}:day:*:host')]
        hosts = {k for key in keys for k in self.redis.hgetall(key)}
        self.assertIn(os.uname().nodename, ' '.join(hosts))
        self.assertEqual(self.redis.command('KEYS', 'nixie:{0}:pos:*'), [])

    def test_a_line_end_begins_no_line(self):
        """What a program logs of a stranger's words is not the mail server's."""
        forged = hard('victim@example.com')
        self.site.logtail()
        self.send('<13>Nov 22 09:00:00 shop[9]: login failed for bob\n' + forged, each=False)
        self.send('<22>Nov 22 09:00:00 shop[9]: login failed for bob\n' + forged, each=False)
        self.send(self.deliveries())
        self.exact()
        self.assertIsNone(self.site.status('victim@example.com'))

    def test_syslog_of_the_c_library(self):
        # util-linux's logger, as a program that logs to /dev/log does
        self.site.logtail()
        for line in hard('gone@example.com').splitlines():
            tag, message = re.fullmatch(r'\S+ \S+ ([^\[]+)\[\d+\]: (.*)', line).groups()
            self.assertEqual(os.spawnlp(os.P_WAIT, 'logger', 'logger', '-u', self.log, '-t', tag, '-p', 'mail.info', '--', message), 0)
        self.site.wait_status('gone@example.com', 'hard')

    def test_rights_and_removal(self):
        self.configure('syslog:' + self.log, **{'socket-mode': '0622'})
        child = self.site.logtail()
        self.assertEqual(os.stat(self.log).st_mode & 0o777, 0o622)
        child.kill()
        self.assertTrue(os.path.exists(self.log))
        child = self.site.logtail()         # what a crash left is replaced
        self.send(self.deliveries(2))
        self.exact()
        self.assertEqual(child.stop(), 0)
        self.assertFalse(os.path.exists(self.log))

    def test_not_over_something_else(self):
        append(self.log, 'precious\n')
        child = self.site.logtail(ready=False)
        child.wait_log(['warning', self.log, 'not a socket'])
        os.unlink(self.log)
        wait_until(lambda: os.path.exists(self.log), 'socket', child=child)
        self.send(self.deliveries(2))
        self.exact()
        second = self.site.logtail(ready=False)
        second.wait_log([self.log, 'another program listens there'])

    def test_who_logs_does_not_wait_for_redis(self):
        self.site.logtail()
        self.send(self.deliveries())
        self.exact()
        self.redis.kill()
        self.end.settimeout(LIMIT)
        self.send(self.deliveries(300))     # more than the queue of a socket holds
        self.redis.start()
        self.exact()

    def test_more_than_is_kept(self):
        child = self.site.logtail()
        self.redis.kill()
        self.end.settimeout(LIMIT)
        line = delivered('filler@example.com').splitlines()[0]
        self.send(self.deliveries())        # it finds that Redis is away
        for _ in range(6 * 1024 * 1024 // len(line)):
            self.end.sendto(line.encode(), self.log)
        child.wait_log(['no room', 'lost'])


class Fifo(InputCase):
    def setUp(self):
        super().setUp()
        self.fifo = self.path('fifo')
        os.mkfifo(self.fifo)
        self.configure(self.fifo)

    def test_writers_come_and_go(self):
        child = self.site.logtail()
        for _ in range(3):
            append(self.fifo, self.deliveries(5))
            self.exact()
        text = self.deliveries()
        append(self.fifo, text[:50])
        append(self.fifo, text[50:])
        self.exact()
        self.assertIsNone(child.poll())
        self.assertEqual(self.redis.command('KEYS', 'nixie:{0}:pos:*'), [])

    def test_made_anew(self):
        self.site.logtail()
        append(self.fifo, self.deliveries(2))
        self.exact()
        os.mkfifo(self.fifo + '.new')
        os.rename(self.fifo + '.new', self.fifo)
        append(self.fifo, self.deliveries(2))
        self.exact()

    def test_made_later(self):
        os.unlink(self.fifo)
        child = self.site.logtail(ready=False)
        child.wait_log(['waiting for it'])
        os.mkfifo(self.fifo)
        append(self.fifo, self.deliveries(2))
        self.exact()

    def test_once(self):
        end = os.open(self.fifo, os.O_RDWR)
        self.addCleanup(os.close, end)
        os.write(end, self.deliveries(3).encode())
        done = run('nixie-logtail', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.exact()


class Patterns(InputCase):
    def places(self):
        return sorted(k.split(':')[-1].rsplit('/', 1)[1] for k in self.redis.command('KEYS', 'nixie:{0}:pos:*'))

    def test_siblings_are_no_logs(self):
        self.configure(self.path('mail*.log*'))
        for name in 'mail.log', 'mail-2.log', 'mail.log.1', 'mail.log-20261120', 'mail.log.2.gz', 'mail-3.log.1':
            text = self.deliveries() if name in ('mail.log', 'mail-2.log') else delivered('old@example.com')
            append(self.path(name), text)
        os.mkdir(self.path('mail-dir.log'))
        child = self.site.logtail()
        self.exact()
        child.stop()
        self.assertEqual(self.places(), ['mail-2.log', 'mail.log'])

    def test_a_new_one_is_read_from_its_beginning(self):
        self.configure(self.path('mail*.log'), start='end')
        append(self.path('mail.log'), delivered('old@example.com'))
        child = self.site.logtail()
        append(self.path('mail-2.log'), self.deliveries(3))
        child.wait_log(['mail-2.log', 'new log'])
        self.exact()
        append(self.path('mail-2.log'), self.deliveries(3))
        append(self.path('mail.log'), self.deliveries(3))
        self.exact()

    def test_one_that_goes_and_comes_back(self):
        self.configure(self.path('mail*.log'))
        log = self.path('mail.log')
        append(log, self.deliveries(2))
        child = self.site.logtail()
        append(log, self.deliveries(2))
        os.rename(log, log + '.1')
        child.wait_log(['mail.log', 'is gone'])
        append(log + '.1', self.deliveries(2))      # whose writer was not told yet
        append(log, self.deliveries(2))
        self.exact()

    def test_deleted_and_made_again_is_no_loss(self):
        self.configure(self.path('mail*.log'))
        log = self.path('mail.log')
        append(log, self.deliveries(2))
        child = self.site.logtail()
        for n in 1, 2:
            os.unlink(log)
            wait_until(lambda n=n: child.log().count('is gone, and was read to its end') == n, 'the end of the log')
            append(log, self.deliveries(2))
            self.exact()
        child.stop()
        self.assertEqual(self.redis.command('EXISTS', 'nixie:{0}:gaps'), 0)
        append(log, self.deliveries(2))
        self.site.logtail()
        self.exact()

    def test_new_and_rotated_while_redis_hangs(self):
        self.site.options['redis']['timeout'] = '1s'
        self.configure(self.path('mail*.log'))
        append(self.path('mail.log'), self.deliveries(2))
        child = self.site.logtail()
        self.redis.freeze()
        append(self.path('mail.log'), self.deliveries(2))
        append(self.path('mail-2.log'), self.deliveries(5))
        os.rename(self.path('mail-2.log'), self.path('mail-2.log.1'))
        append(self.path('mail-2.log'), self.deliveries(1))
        child.wait_log('waiting, nothing is lost')
        self.redis.thaw()
        self.exact()

    def test_rotated_with_the_extension_behind(self):
        """logrotate: dateext, extension .log"""
        self.configure(self.path('mail*.log'))
        log = self.path('mail.log')
        append(log, self.deliveries(5))
        child = self.site.logtail()
        self.exact()
        os.rename(log, self.path('mail-20261121.log'))
        append(log, self.deliveries(1))
        self.exact()
        append(self.path('mail-2.log'), self.deliveries(1))      # one more look at what matches
        self.exact()
        child.stop()
        self.assertEqual(self.places(), ['mail-2.log', 'mail.log'])

    def test_names_that_end_like_rotations(self):
        for hosts in 'hosts', 'log':        # as in /var/log
            os.mkdir(self.path(hosts))
        self.configure(self.path('hosts/*'), self.path('log/*'))
        for name in 'hosts/10.0.0.1', 'hosts/10.0.0.2', 'hosts/mx-1', 'log/10.0.0.1':
            append(self.path(name), self.deliveries())
        self.site.logtail()
        self.exact()

    def test_nothing_matches(self):
        self.configure(self.path('mail*.log'))
        child = self.site.logtail()
        child.wait_log(['warning', 'mail*.log', 'no file matches'])
        append(self.path('mail.log'), self.deliveries(3))
        self.exact()
        child.stop()
        done = run('nixie-logtail', '-c', self.site.conf_path, '--once', self.path('absent*'))
        self.assertEqual(done.returncode, NOT_FOUND, done.stderr)

    def test_one_file_by_several_names(self):
        log = self.path('mail.log')
        append(log, self.deliveries(3))
        os.symlink(log, self.path('mail-link.log'))
        self.configure(log, self.path('mail*.log'), os.path.join(self.directory, '.', 'mail.log'), self.path('mail-link.log'))
        child = self.site.logtail()
        append(log, self.deliveries(3))
        self.exact()
        self.assertEqual(self.places(), ['mail.log'])
        self.assertIn('named twice', child.log())

    def test_too_many(self):
        self.configure(self.path('x*.log'))
        for i in range(300):
            append(self.path('x%03d.log' % i), delivered('ok@example.com') if i >= 256 else self.deliveries())
        child = self.site.logtail()
        child.wait_log(['warning', 'x256.log', 'too many'])
        self.exact()
