"""nixie receive --dry-run: what mail that came back is, and how the rules judge it."""
import email
import json
import mailbox
import os
import pty
import subprocess
import threading

from harness.case import Case
from harness.exim import Exim
from harness.nixie import NOT_FOUND, OK, REPOSITORY, binary, run
from harness.postfix import Postfix
from harness.proc import wait_until
from harness.sink import Sink
from harness.terminal import everything

CORPUS = os.path.join(REPOSITORY, 'tests', 'corpus', 'mail')


def corpus(name):
    return os.path.join(CORPUS, name + '.eml')


def read(name):
    with open(corpus(name), 'rb') as f:
        return f.read()


def receive(*args, stdin=None):
    return run('nixie', '-c', '/dev/null', 'receive', '--dry-run', *args, stdin=stdin)


def rows(*args, stdin=None):
    done = receive('--json', *args, stdin=stdin)
    assert done.returncode == OK, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Reads(Case):
    def test_each_recipient_is_judged_by_the_rules(self):
        row, = rows(corpus('dsn-several'))
        self.assertEqual((row['kind'], row['form'], row['original-message-id']), ('dsn', 'rfc3464', '<letter-47.1@shop.example>'))
        self.assertEqual([(r['address'], r['action'], r.get('class'), r.get('category')) for r in row['recipients']], [
            ('gone@reader.example', 'failed', 'hard', 'recipient.unknown'),
            ('full@other.example', 'failed', 'soft', 'mailbox.full'),
            ('a b@third.example', 'delayed', 'soft', 'network'),
            ('ok@fourth.example', 'relayed', None, None),
            ('all@fifth.example', 'expanded', None, None),
            ('in@sixth.example', 'delivered', None, None)])
        self.assertTrue(row['recipients'][0]['rule'])

    def test_rules_of_ones_own(self):
        with open(os.path.join(self.directory, '10-ours.conf'), 'w') as f:
            f.write('rules = ( { id = "ours"; category = "policy"; text = "no such user"; match = "550 no such user"; } );\n')
        row, = rows('--rules', self.directory, corpus('qmail'))
        self.assertEqual([r.get('rule') for r in row['recipients']], ['ours', None])

    def test_attribute_to(self):
        done = run('nixie', '-c', '/dev/null', '-o', 'attribute-to=original', 'receive', '--dry-run', '--json', corpus('dsn-failed'))
        self.assertEqual(json.loads(done.stdout)['recipients'][0]['address'], 'old.name@reader.example')

    def test_keys_are_those_of_addresses(self):
        row, = rows(corpus('dsn-utf8'))
        self.assertEqual(row['recipients'][0]['address'], 'jürgen@xn--bcher-kva.example')

    def test_standard_input(self):
        row, = rows(stdin=read('arf').decode())
        self.assertEqual((row['where'], row['kind'], row['recipients'][0]['address']), ('-', 'complaint', 'reader@provider.example'))

    def test_standard_input_is_one_message(self):
        """A mail server that puts "From " in front of it quotes nothing: a stranger must not write the next one."""
        both = b'From x Fri Nov 20 10:00:00 2026\n' + read('ordinary') + b'\nFrom y Fri Nov 20 10:00:00 2026\n' + read('dsn-failed')
        row, = rows(stdin=both)
        self.assertEqual((row['where'], row['kind'], row['cut']), ('-', 'ordinary', []))
        self.assertEqual(row['subject'], rows(stdin=read('ordinary'))[0]['subject'])
        self.assertEqual([row['kind'] for row in rows('/dev/stdin', stdin=both)], ['ordinary', 'dsn'])
        row, = rows(stdin='From x')
        self.assertEqual(row['kind'], 'ordinary')

    def test_mbox(self):
        path = os.path.join(self.directory, 'mbox')
        box = mailbox.mbox(path)
        for name in 'dsn-failed', 'ordinary', 'autoreply':
            box.add(read(name))
        box.close()
        self.assertEqual([r['kind'] for r in rows(path)], ['dsn', 'ordinary', 'autoreply'])
        shown = receive(path).stdout
        self.assertIn('mbox, message 3: autoreply', shown)
        self.assertEqual(shown.splitlines()[-1], '3 messages: 1 ordinary, 1 dsn, 1 autoreply; 1 unproven')

    def test_what_nobody_asked(self):
        """Without Redis it is not known what is remembered: that is no answer."""
        done = run('nixie', '-c', '/dev/null', '-o', 'receive.remember=7 days', 'receive', '--dry-run', corpus('dsn-failed'))
        self.assertIn('unproven   old.name@reader.example  (its Message-ID may be proof: nobody asked Redis)', done.stdout)

    def test_maildir(self):
        path = os.path.join(self.directory, 'box')
        box = mailbox.Maildir(path)
        for name in 'exim', 'arf-redacted':
            box.add(read(name))
        self.assertEqual(sorted(r['kind'] for r in rows(path)), ['complaint', 'dsn'])
        self.assertTrue(os.listdir(os.path.join(path, 'new')))

    def test_a_maildir_that_is_in_use(self):
        path = os.path.join(self.directory, 'box')
        mailbox.Maildir(path).add(read('exim'))
        os.mkfifo(os.path.join(path, 'new', '0.fifo'))
        os.symlink('removed', os.path.join(path, 'new', '0.removed'))
        os.symlink('0.loop', os.path.join(path, 'new', '0.loop'))
        done = receive(path)
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertRegex(done.stderr, r'^nixie: error: cannot read \S+/0\.loop: [^\n]+\n$')
        self.assertIn(': dsn exim', done.stdout)

    def test_progress_on_a_terminal(self):
        path = os.path.join(self.directory, 'mbox')
        with open(path, 'wb') as f:
            f.write((b'From x Fri Nov 20 10:00:00 2026\n' + read('ordinary') + b'\n') * 10)
        master, slave = pty.openpty()
        with subprocess.Popen([binary('nixie'), '-c', '/dev/null', 'receive', '--dry-run', path], stdout=subprocess.DEVNULL, stderr=slave) as p:
            os.close(slave)
            self.assertRegex(everything(master), r'^\rreading \[.*\r.*\] 100%  10 messages[^\n]*\n$')
        self.assertEqual(p.returncode, 0)

    def test_a_message_that_is_typed(self):
        """Who has forgotten the file is not left waiting without a word."""
        master, slave = pty.openpty()
        os.write(master, b'From: a@b.example\n\nhello\n\x04')
        done = subprocess.run([binary('nixie'), '-c', '/dev/null', 'receive', '--dry-run'], stdin=slave, capture_output=True, text=True, check=True)
        os.close(slave)
        os.close(master)
        self.assertIn('from the terminal', done.stderr)
        self.assertIn('-: ordinary', done.stdout)

    def test_what_cannot_be_read(self):
        done = receive(os.path.join(self.directory, 'none'), self.directory, corpus('ordinary'))
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertIn('No such file', done.stderr)
        self.assertIn('no Maildir', done.stderr)
        self.assertIn('ordinary', done.stdout)

    def test_nothing_of_a_stranger_reaches_the_terminal(self):
        for options in [], ['--json']:
            done = receive(*options, *map(corpus, ('dsn-controls', 'encoded-controls', 'encoded-broken', 'dsn-nul', 'dsn-eight-bit', 'dsn-global')))
            self.assertEqual(done.returncode, OK)
            self.assertNotRegex(done.stdout, '[\x00-\x09\x0b-\x1f\x7f-\x9f]')

    def test_twenty_megabytes(self):
        path = os.path.join(self.directory, 'big')
        with open(path, 'wb') as f:
            f.write(read('dsn-failed') + b'a letter\n' * 2300000)
        row, = rows(path)
        self.assertEqual((row['kind'], row['cut'], len(row['recipients'])), ('dsn', ['bytes'], 1))


class Bounces(Case):
    """What a real Postfix and a real Exim send back."""

    def setUp(self):
        super().setUp()
        self.sink = Sink()
        self.addCleanup(self.sink.stop)
        self.sink.at_rcpt['gone@nixie.test'] = '550 5.1.1 <gone@nixie.test>: no such user'
        self.sink.at_rcpt['full@nixie.test'] = '552 5.2.2 mailbox full'
        self.bounces, self.lock = [], threading.Lock()
        self.sink.pass_on = self.take

    def take(self, sender, _recipients, text, _identity):
        if sender == '':
            with self.lock:
                self.bounces.append(text.decode())
        return '250 2.0.0 Ok'

    def bounce(self):
        wait_until(lambda: self.bounces, 'a bounce')
        row, = rows(stdin=self.bounces[0])
        self.assertEqual(row['kind'], 'dsn')
        self.assertEqual({(r['address'], r['action'], r['class'], r['category']) for r in row['recipients']},
                         {('gone@nixie.test', 'failed', 'hard', 'recipient.unknown'), ('full@nixie.test', 'failed', 'soft', 'mailbox.full')})
        return row

    def test_postfix(self):
        postfix = Postfix(self.directory, self.sink.port, os.path.join(self.directory, 'mail.log'))
        postfix.configure(smtpd_recipient_restrictions='permit')
        self.addCleanup(postfix.stop)
        postfix.start()
        postfix.send('gone@nixie.test', 'full@nixie.test', headers=b'Message-ID: <one@nixie.test>\r\n', options=' ENVID=letter+2B1')
        row = self.bounce()
        self.assertEqual((row['form'], row['original-message-id'], row['envelope-id']), ('rfc3464', '<one@nixie.test>', 'letter+1'))
        self.assertEqual(row['reporting-mta'], 'mx.nixie.test')

    def test_exim(self):
        exim = Exim(self.directory, os.path.join(self.directory, 'nowhere'), self.sink.port)
        self.addCleanup(exim.stop)
        exim.start()
        exim.send('gone@nixie.test', 'full@nixie.test')
        row = self.bounce()
        self.assertEqual(row['form'], 'rfc3464')
        # and without its report, as Exim wrote before 4.84
        message = email.message_from_string(self.bounces[0])
        row, = rows(stdin='X-Failed-Recipients: %s\n\n%s' % (message['X-Failed-Recipients'], message.get_payload(0).get_payload()))
        self.assertEqual(row['form'], 'exim')
        self.assertEqual({(r['address'], r['category']) for r in row['recipients']},
                         {('gone@nixie.test', 'recipient.unknown'), ('full@nixie.test', 'mailbox.full')})
