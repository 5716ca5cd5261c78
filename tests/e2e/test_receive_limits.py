"""nixie receive and mail that wants to be too much: what a message may take, as common/mail.h has it, is taken away from it."""
import json
import os

from harness.case import Case
from harness.nixie import OK, run, sanitized
from test_receive import read

# of the process: an ordinary message needs 6 of them, the worst 16
MEMORY = 24 * 1024 * 1024
# seconds: a thousandth of what would be needed if it were not linear
CPU = 10
HALF_A_MEGABYTE = 520000
ANSWER = 'Auto-Submitted: auto-replied\n'
MULTIPART = 'Content-Type: multipart/mixed; boundary=b\n\n'
REPORT = 'Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n'


def headers(line, last=''):
    """As many of them as are looked at; kind and what is cut tell that the rest was read."""
    return ANSWER + line * (HALF_A_MEGABYTE // len(line)) + last + '\n\nx\n'


def long_headers(name, piece, count=31):
    return ANSWER + ('%s: %s\n' % (name, piece * (16000 // len(piece)))) * count + '\n\nx\n'


AUTOREPLIES = {
    '100,000 headers': ANSWER + 'X: y\n' * 100000 + '\nx\n',
    '100,000 of recipients': ANSWER + 'To: a@b\n' * 100000 + '\nx\n',
    'many recipients in each': headers('Cc: a@b, c@d, e@f, g@h\n'),
    'recipients in long headers': long_headers('To', 'a@b,'),
    'groups in groups': headers('To: %s\n' % ('a:' * 28)),
    'groups in groups in long headers': long_headers('To', 'a:'),
    'with a blank before the colon': long_headers('From ', 'a:'),
    'in lines that go on': headers(' a:\n', 'To: a\n'),
    'of other headers': ANSWER + ''.join('%s: %s\n' % (name, 'a:' * 8000) for name in ('Cc', 'Bcc', 'Sender', 'Reply-To', 'From', 'to', 'CC')) + '\nx\n',
    'within a message': ANSWER + 'Content-Type: message/rfc822\n\n' + ('To: ' + 'a:' * 8000 + '\n') * 31,
    'comments in comments': long_headers('To', '('),
    'quotes': long_headers('To', '"\\'),
    'words': long_headers('To', 'a '),
    'dates': long_headers('Date', '1 '),
    'parameters': long_headers('Content-Type', 'a; a=b'),
    'parameters in pieces': long_headers('Content-Type', 'a; a*0*=b'),
    'dispositions': long_headers('Content-Disposition', 'a; a=b'),
    'references': long_headers('References', '<a@b>'),
    'encoded words': long_headers('Subject', '=?utf-8?q?a?= '),
    'parts': ANSWER + MULTIPART + '--b\n\nx\n' * 70000,
    'multiparts in multiparts': ANSWER + MULTIPART + ('--b\n' + MULTIPART) * 10000,
    'each with another boundary': ANSWER + MULTIPART + ''.join('--b%s\nContent-Type: multipart/mixed; boundary=b%d\n\n' % (i - 1 if i else '', i) for i in range(9000)),
    'lines that may be boundaries': ANSWER + MULTIPART + '--b-\n' * 100000,
    'a text that is decoded': ANSWER + 'Content-Type: text/plain; charset=utf-7\nContent-Transfer-Encoding: base64\n\n' + 'AAAA' * 130000,
    'files in a text': ANSWER + 'Content-Transfer-Encoding: x-uuencode\n\n' + 'begin 644 a\n' * 40000,
    'tags': ANSWER + 'Content-Type: text/html\n\n' + '<a "' * 130000,
    'entities': ANSWER + 'Content-Type: text/html\n\n' + '&yuml;' * 90000,
    'line ends': ANSWER + '\n\r' * 250000,
    'no text': ANSWER + '\n' + '\0' * HALF_A_MEGABYTE,
}


class Limits(Case):
    def setUp(self):
        super().setUp()
        self.rules = os.path.join(self.directory, 'rules')
        os.mkdir(self.rules)
        self.prefix = ['prlimit', '--cpu=%d' % CPU, '--data=%d' % MEMORY]
        if sanitized('nixie'):
            self.prefix.pop()

    def receive(self, message):
        """Without rules: they have memory of their own, and read nothing here that is not bounded by what a reply may be."""
        path = os.path.join(self.directory, 'mail')
        with open(path, 'wb') as f:
            f.write(message if isinstance(message, bytes) else message.encode())
        done = run('nixie', '-c', '/dev/null', 'receive', '--dry-run', '--json', '--rules', self.rules, path, prefix=self.prefix)
        self.assertEqual((done.returncode, done.stderr), (OK, ''))
        return json.loads(done.stdout)

    def test_answers(self):
        for name, message in AUTOREPLIES.items():
            with self.subTest(name):
                self.assertEqual(self.receive(message)['kind'], 'autoreply')

    def test_messages_in_messages(self):
        self.assertEqual(self.receive('Content-Type: message/rfc822\n\n' * 17000)['kind'], 'ordinary')

    def test_nothing_but(self):
        for piece in '\0', '\n', '\r', '-', 'From \n', ': ', ' ', '\t\n', '=', '<', '--\n':
            with self.subTest(repr(piece)):
                self.assertEqual(self.receive('X: y\n' + piece * (HALF_A_MEGABYTE // len(piece)))['kind'], 'ordinary')

    def test_twenty_megabytes(self):
        for piece in b'a letter\n', b'letters ':
            row = self.receive(read('dsn-failed') + piece * (20000000 // len(piece)))
            self.assertEqual((row['kind'], len(row['recipients'])), ('dsn', 1))
            self.assertIn('bytes', row['cut'])

    def test_thousands_of_recipients(self):
        row = self.receive(REPORT + ''.join('Final-Recipient: rfc822; a%d@y.example\nAction: failed\nStatus: 5.1.1\n\n' % i for i in range(6000)) + '--b--\n')
        self.assertEqual((row['kind'], row['cut']), ('dsn', ['recipients']))
        self.assertEqual([r['address'] for r in row['recipients']], ['a%d@y.example' % i for i in range(1000)])

    def test_thousands_of_old_bounces(self):
        row = self.receive('X-Failed-Recipients: %s\n' % ', '.join('a%d@y.example' % i for i in range(700)) * 31 + '\nx\n')
        self.assertEqual(row['kind'], 'dsn')
        row = self.receive('\nHi. This is the x\n\n' + ''.join('<a%d@y.example>:\nno\n\n' % i for i in range(3000)))
        self.assertEqual((row['kind'], len(row['recipients'])), ('dsn', 1000))
