"""Lines in every form that syslog has: each says the same, and counts once."""
import calendar
import json
import socket
import time

from harness import maillog
from harness.case import Case
from harness.maillog import delivered, hard
from harness.nixie import run


def parts(line):
    """A line of maillog.py as seconds, host, process, message"""
    stamp, host, tag, message = line.split(' ', 3)
    return calendar.timegm(time.strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S')), host, tag[:-1], message


def old_style(t, zero=False):
    return time.strftime('%b %d %T' if zero else '%b %e %T', time.gmtime(t))


def iso(t):
    return time.strftime('%Y-%m-%dT%T', time.gmtime(t))


FORMS = {
    'traditional': lambda t, host, tag, text: '%s %s %s: %s' % (old_style(t), host, tag, text),
    'postlogd': lambda t, host, tag, text: '%s %s %s: %s' % (old_style(t, True), host, tag, text),
    'priority': lambda t, host, tag, text: '<22>%s %s %s: %s' % (old_style(t), host, tag, text),
    'short-iso': lambda t, host, tag, text: '%s+0100 %s %s: %s' % (iso(t + 3600), host, tag, text),
    'short-iso-precise': lambda t, host, tag, text: '%s.000001+0100 %s %s: %s' % (iso(t + 3600), host, tag, text),
    'short-precise': lambda t, host, tag, text: '%s.000001 %s %s: %s' % (old_style(t), host, tag, text),
    'short-unix': lambda t, host, tag, text: '%d.000001 %s %s: %s' % (t, host, tag, text),
    'rfc5424': lambda t, host, tag, text: '<22>1 %s.123Z %s postfix 4711 - - %s' % (iso(t), host, text),
    'rfc5424-data': lambda t, host, tag, text: '<22>1 %sZ %s postfix 4711 - [m@1 a="] \\" x"][n@1] %s' % (iso(t), host, text),
    'solaris': lambda t, host, tag, text: '%s %s %s: [ID 197553 mail.info] %s' % (old_style(t), host, tag, text),
    'container': lambda t, host, tag, text: '%s dockerhost mail/c0ffee123456[9]: %s %s %s: %s' % (old_style(t + 60), old_style(t), host, tag, text),
    'relay': lambda t, host, tag, text: '%sZ loghost %s %s %s: %s' % (iso(t + 60), old_style(t), host, tag, text),
    'escaped-cr': lambda t, host, tag, text: '%s %s %s: %s#015' % (old_style(t), host, tag, text),
    'crlf': lambda t, host, tag, text: '%s %s %s: %s\r' % (old_style(t), host, tag, text),
    'datagram': lambda t, host, tag, text: '<22>%s %s: %s' % (old_style(t), tag, text),
}


def in_form(name, text):
    return ''.join(FORMS[name](*parts(line)) + '\n' for line in text.splitlines())


class Forms(Case):
    def parse(self, text):
        done = run('nixie-logtail', '--parse', '-', stdin=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def test_each_says_the_same(self):
        text = hard('gone@example.com') + delivered('ok@example.com')
        wanted, _ = self.parse(text)
        self.assertEqual(len(wanted), 2)
        for name in FORMS:
            with self.subTest(name):
                rows, summary = self.parse(in_form(name, text))
                self.assertIn('rejected=0 ambiguous=0 not-syslog=0', summary)
                for row, want in zip(rows, wanted, strict=True):
                    want = dict(want, time=want['time'][:19], host=socket.gethostname() if name == 'datagram' else want['host'],
                                process='postfix' if 'rfc5424' in name else want['process'])
                    self.assertEqual(dict(row, time=row['time'][:19]), want)

    def test_each_counts_once(self):
        site = self.with_redis()
        text = ''.join(in_form(name, hard('gone-%s@example.com' % name)) for name in FORMS)
        done = run('nixie-logtail', '-f', '-c', site.conf_path, '-', stdin=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(site.counter('hard'), len(FORMS))
        for name in FORMS:
            self.assertEqual(site.status('gone-%s@example.com' % name), 'hard', name)

    def test_copies_that_rsyslog_counts(self):
        site = self.with_redis()
        m = maillog.Message()
        line = m.deferred('slow@example.com')
        head, message = line.rstrip('\n').split(': ', 1)
        text = m.begin() + line + '%s: message repeated 3 times: [ %s]\n' % (head, message)
        rows, summary = self.parse(text)
        self.assertEqual([row.get('times') for row in rows], [None, 3])
        self.assertIn('attempts=4 deferred=4 ', summary)
        done = run('nixie-logtail', '-f', '-c', site.conf_path, '-', stdin=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(site.counter('deferred'), 4)       # attempts
        self.assertEqual(site.counter('hard'), 0)
        self.assertIsNone(site.status('slow@example.com'))

    def test_lines_without_a_header_are_told(self):
        text = ''.join(line.split(': ', 1)[1] + '\n' for line in hard('gone@example.com').splitlines())
        rows, summary = self.parse(text)
        self.assertEqual(rows, [])
        self.assertIn('not-syslog=5', summary)
        site = self.with_redis()
        done = run('nixie-logtail', '-f', '-c', site.conf_path, '-', stdin=text)
        self.assertIn(' not-syslog=5', done.stderr)
        self.assertIsNone(site.status('gone@example.com'))

    def test_a_reply_of_escaped_lines(self):
        m = maillog.Message()
        rows, _ = self.parse(m.begin() + m.result('gone@example.com', 'bounced', '5.0.0', 'host mx.example.com[192.0.2.99] said: '
                             '550-The email account that you tried to reach#012550 does not#011exist. (in reply to RCPT TO command)'))
        self.assertEqual((rows[0]['category'], rows[0]['class']), ('recipient.unknown', 'hard'))

    def test_cut_lines_suppress_nobody_else(self):
        site = self.with_redis()
        whole = hard('gone@example.com').splitlines()[3]
        other = hard('next@example.com').splitlines()[3]
        pieces = [whole[:n] + other for n in range(60, len(whole), 7)] + [whole[:n] + '>' for n in range(60, len(whole), 7)]
        done = run('nixie-logtail', '-f', '-c', site.conf_path, '-', stdin='\n'.join(pieces) + '\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.redis.command('ZCARD', 'nixie:{0}:suppressed'), 0)
