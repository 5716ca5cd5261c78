"""A real Exim asks nixie-policyd through contrib/exim/nixie-acl.conf."""
import os
import socket
import threading
import time

from harness.case import Case, SharedCase
from harness.exim import Exim
from harness.proc import wait_until

# Exim gives up after 5 s, so that is what a daemon costs that ignores a half-close.
HANG_S = 4.5


class EximLoop(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.exim = Exim(cls.directory, cls.site.policy_path)
        cls.addClassCleanup(cls.exim.stop)
        cls.policyd = cls.site.policyd()
        cls.site.ctl_ok('suppress', 'gone@example.com')
        cls.exim.start()

    def rcpt(self, recipient, **kw):
        start = time.monotonic()
        code, text = self.exim.rcpt(recipient, **kw)
        self.assertLess(time.monotonic() - start, HANG_S)
        return code, ' '.join(text.split())

    def test_suppressed_is_refused(self):
        code, text = self.rcpt('gone@example.com')
        self.assertEqual(code, 550)
        self.assertRegex(text, r'^5\.\d\.\d .*nixie')

    def test_unknown_is_accepted(self):
        without_answer = self.exim.log().count('no answer')
        code, text = self.rcpt('fine@example.com')
        self.assertEqual(code, 250, text)
        self.assertEqual(self.exim.log().count('no answer'), without_answer)

    def test_never_seen_before_is_accepted(self):
        # Not in the daemon's memory: the answer waits for Redis, the half-close does not.
        for _ in range(3):
            self.assertEqual(self.rcpt('new-%d@example.com' % time.time_ns())[0], 250)

    def test_case(self):
        self.assertEqual(self.rcpt('GONE@Example.COM')[0], 550)

    def test_quoted_local_part(self):
        self.site.ctl_ok('suppress', '"first last"@example.com')
        self.assertEqual(self.rcpt('"first last"@example.com')[0], 550)
        self.assertEqual(self.rcpt('"gone"@example.com')[0], 550)

    def test_several_recipients_in_one_session(self):
        with self.exim.client() as c:
            c.ehlo()
            c.mail('sender@example.org')
            self.assertEqual(c.rcpt('fine@example.com')[0], 250)
            self.assertEqual(c.rcpt('gone@example.com')[0], 550)
            self.assertEqual(c.rcpt('fine2@example.com')[0], 250)

    def test_daemon_down_is_accepted(self):
        self.assertEqual(self.policyd.stop(), 0)
        try:
            self.assertEqual(self.rcpt('gone@example.com')[0], 250)
            self.assertIn('no answer', self.exim.log())
        finally:
            type(self).policyd = self.site.policyd()
        self.assertEqual(self.rcpt('gone@example.com')[0], 550)

    def test_redis_down_is_accepted(self):
        self.redis.kill()
        try:
            self.assertEqual(self.rcpt('never-asked@example.com')[0], 250)
        finally:
            self.redis.start()
        wait_until(lambda: self.rcpt('gone@example.com')[0] == 550, 'refusal after Redis is back')


class Recorder:
    """Takes requests on a Unix socket, keeps them, always answers the same."""

    def __init__(self, path, answer):
        self.requests, self._answer = [], answer
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(path)
        os.chmod(path, 0o666)
        self._sock.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                c, _ = self._sock.accept()
            except OSError:
                return
            with c:
                data = b''
                while chunk := c.recv(65536):
                    data += chunk
                self.requests.append(data)
                c.sendall(self._answer)

    def stop(self):
        self._sock.close()


class EximHostile(Case):
    """What the ACL sends, byte for byte, when the addresses are hostile."""

    def start(self, answer=b'action=DUNNO\n\n'):
        path = os.path.join(self.directory, 'recorder')
        recorder = Recorder(path, answer)
        self.addCleanup(recorder.stop)
        exim = Exim(self.directory, path)
        self.addCleanup(exim.stop)
        exim.start()
        return exim, recorder

    def test_no_attribute_can_be_added(self):
        exim, recorder = self.start()
        hostile = [br'"a\nrecipient=x"@example.com', br'"a\\nrecipient=x"@example.com',
                   b'"a\rrecipient=x"@example.com', b'"a\\\rrecipient=x"@example.com',
                   b'"a\trecipient=x"@example.com', b'"a\x0brecipient=x"@example.com',
                   br'"${run{/bin/true}}$sender_address"@example.com', br'"\\N}{"@example.com',
                   b'"a\xff\xfe"@example.com', b'"a}{5s}{x"@example.com']
        for recipient in hostile:
            with self.subTest(recipient):
                before = len(recorder.requests)
                code, _ = exim.rcpt(recipient)
                if len(recorder.requests) == before:
                    self.assertGreaterEqual(code, 500)     # Exim itself did not take it
                else:
                    self.check(recorder.requests[-1])
        self.assertGreater(len(recorder.requests), 5)
        for sender in (r'"a\\nrecipient=x"@example.org', '"a\rrecipient=x"@example.org'):
            with self.subTest(sender):
                before = len(recorder.requests)
                code, _ = exim.rcpt('fine@example.com', sender=sender)
                if len(recorder.requests) == before:
                    self.assertGreaterEqual(code, 500)
                else:
                    self.check(recorder.requests[-1], b'fine@example.com')

    def check(self, data, recipient=None):
        self.assertTrue(data.endswith(b'\n\n'), data)
        lines = data[:-2].split(b'\n')
        names = [line.split(b'=', 1)[0] for line in lines]
        self.assertEqual(len(names), len(set(names)), data)
        self.assertEqual(sorted(names), sorted([
            b'request', b'protocol_state', b'client_address', b'sender', b'recipient',
            b'sasl_username', b'policy_context']))
        self.assertNotRegex(data, rb'[\x00-\x09\x0b-\x1f\x7f]')
        if recipient:
            self.assertIn(b'recipient=' + recipient, lines)

    def test_answers(self):
        for n, (answer, code, text) in enumerate((
                (b'action=550 5.2.1 disabled: $value ${run{x}}\n\n', 550, '5.2.1 disabled'),
                (b'action=DEFER_IF_PERMIT 4.3.0 store failure\n\n', 451, '4.3.0 store failure'),
                (b'action=450 4.2.1 later\n\n', 451, '4.2.1 later'),
                (b'action=OK\n\n', 250, ''),
                (b'', 250, ''))):
            with self.subTest(answer):
                self.directory = os.path.join(self.directory, str(n))
                os.mkdir(self.directory, 0o755)
                exim, _ = self.start(answer)
                got, reply = exim.rcpt('user@example.com')
                self.assertEqual(got, code, reply)
                self.assertIn(text, ' '.join(reply.split()))
