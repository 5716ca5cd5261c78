"""nixie-policyd as Postfix sees it: framing, hostile input, address forms, many connections."""
import os
import signal
import socket
import time

from harness.case import Case, SharedCase
from harness.policy import PolicyClient, request
from harness.proc import free_port, wait_until

MIB = 1 << 20


def memory_kib(pid):
    with open('/proc/%d/status' % pid) as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1])
    raise AssertionError('no VmRSS of %d' % pid)


class Protocol(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.policyd = cls.site.policyd()
        cls.site.ctl_ok('suppress', 'gone@example.com')

    def tearDown(self):
        self.assertIsNone(self.policyd.poll(), 'nixie-policyd died:\n' + self.policyd.log())

    def test_answers_over_one_connection(self):
        with self.site.policy_client() as c:
            for _ in range(50):
                self.assertSuppressed(c.ask('gone@example.com'), 'nixie')
                self.assertDunno(c.ask('fine@example.com'))

    def test_request_split_at_every_byte(self):
        data = request('gone@example.com')
        with self.site.policy_client() as c:
            for cut in range(1, len(data)):
                c.send(data[:cut])
                c.send(data[cut:])
                self.assertSuppressed(c.action())

    def test_one_byte_at_a_time(self):
        with self.site.policy_client() as c:
            for byte in request('gone@example.com'):
                c.send(bytes([byte]))
            self.assertSuppressed(c.action())

    def test_several_requests_in_one_write(self):
        names = ['gone@example.com', 'a@example.com', 'b@example.com', 'gone@example.com'] * 50
        with self.site.policy_client() as c:
            c.send(b''.join(request(n) for n in names))
            for n in names:
                action = c.action()
                if n == 'gone@example.com':
                    self.assertSuppressed(action)
                else:
                    self.assertDunno(action)

    def test_unknown_attributes_and_any_order(self):
        with self.site.policy_client() as c:
            c.send(b'tls_sni=x\nrecipient=gone@example.com\nfrom_the_future=1=2=3\nempty=\n'
                   b'protocol_state=RCPT\nrequest=smtpd_access_policy\n\n')
            self.assertSuppressed(c.action())

    def test_without_recipient(self):
        with self.site.policy_client() as c:
            c.send(request(recipient='').replace(b'recipient=\n', b''))
            self.assertDunno(c.action())
            self.assertDunno(c.ask(''))
            self.assertSuppressed(c.ask('gone@example.com'))

    def test_other_protocol_states(self):
        with self.site.policy_client() as c:
            for state in 'CONNECT', 'EHLO', 'HELO', 'MAIL', 'VRFY', 'ETRN', 'NEW':
                with self.subTest(state):
                    self.assertDunno(c.ask('gone@example.com', protocol_state=state))

    def test_behind_data_where_there_is_one_recipient(self):
        with self.site.policy_client() as c:
            for state in 'DATA', 'END-OF-MESSAGE':
                with self.subTest(state):
                    self.assertSuppressed(c.ask('gone@example.com', protocol_state=state, recipient_count='1'))
                    self.assertDunno(c.ask('', protocol_state=state, recipient_count='2'))

    def test_long_but_legal_values(self):
        with self.site.policy_client() as c:
            self.assertDunno(c.ask('x' * 2000 + '@example.com'))
            self.assertSuppressed(c.ask('gone@example.com', ccert_subject='s' * 8000))

    def test_value_with_equal_sign(self):
        self.site.ctl_ok('suppress', 'a=b@example.com')
        self.assertSuppressed(self.site.ask('a=b@example.com'))
        self.assertDunno(self.site.ask('a@example.com'))

    def test_bytes_that_are_not_utf8(self):
        # Postfix sends them with smtputf8_enable=no: no fault of the protocol.
        with self.site.policy_client() as c:
            for recipient in b'\xff\xfe@example.com', b'u@\xff.example.com', b'\xe4@example.com':
                c.send(request(recipient=recipient))
                self.assertDunno(c.action())

    def test_log_lines_are_harmless(self):
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@example.com', client_name='evil\x07\r.example',
                                        sender=b'evil\x1b[2J\r\x07\xff> fatal: forged'))
        self.policyd.wait_log(['gone@example.com', 'evil', 'forged'])
        self.assertNotRegex(self.policyd.log(), r'[\x00-\x08\x0b-\x1f\x7f]')

    def test_half_close_with_pending_question(self):
        # What Exim's readsocket does.
        for name, suppressed in (('gone@example.com', True),
                                 ('never-asked-%d@example.com' % time.time_ns(), False)):
            with self.site.policy_client() as c:
                c.send(request(name))
                c.sock.shutdown(socket.SHUT_WR)
                action = c.action()
                self.assertEqual(action.startswith('550 '), suppressed, action)
                self.assertIsNone(c.answer())

    def test_half_close_with_many_pending(self):
        with self.site.policy_client() as c:
            c.send(b''.join(request('pending-%d@example.com' % n) for n in range(100)))
            c.sock.shutdown(socket.SHUT_WR)
            for _ in range(100):
                self.assertDunno(c.action())
            self.assertIsNone(c.answer())

    def test_half_close_in_half_a_request(self):
        with self.site.policy_client() as c:
            c.send(request('gone@example.com')[:-1])
            c.sock.shutdown(socket.SHUT_WR)
            self.assertIsNone(c.answer())

    def test_500_connections(self):
        clients = []
        try:
            for n in range(500):
                clients.append(self.site.policy_client())
            for _ in range(2):
                for n, c in enumerate(clients):
                    c.send(request('gone@example.com' if n % 5 == 0 else 'u%d@example.com' % n))
                for n, c in enumerate(clients):
                    action = c.action()
                    self.assertEqual(action.startswith('550 '), n % 5 == 0, action)
        finally:
            for c in clients:
                c.close()

    def test_client_that_never_reads(self):
        before = memory_kib(self.policyd.pid)
        data = request('gone@example.com') * 200
        with self.site.policy_client() as c, self.site.policy_client() as other:
            c.sock.settimeout(1)
            sent = 0
            try:
                while sent < 64 * MIB:
                    sent += c.sock.send(data)
            except (socket.timeout, BrokenPipeError, ConnectionResetError):
                pass        # either stops taking or closes: both protect the others
            self.assertLess(sent, 64 * MIB)
            self.assertSuppressed(other.ask('gone@example.com'))
            self.assertLess(memory_kib(self.policyd.pid) - before, 32 * 1024)

    def test_abrupt_disconnects(self):
        for _ in range(100):
            c = self.site.policy_client()
            c.send(request('gone@example.com') * 3)
            c.close()
        self.assertSuppressed(self.site.ask('gone@example.com'))

    def test_hostile_entry_makes_a_harmless_answer(self):
        key = 'nixie:{0}:addr:hostile@example.com'
        evil = 'x\r\n\r\naction=OK\n\n\x1b[31m\0' + 'long \u00e4 ' * 1000
        self.redis.command('HSET', key, 'status', 'hard', 'reason', evil, 'origin', evil,
                           'rule', evil, 'code', evil, 'enhanced', '5.1.1\r\naction=OK',
                           'text', evil, 'remote', evil, 'since', '1700000000')
        with self.site.policy_client() as c:
            c.send(request('hostile@example.com'))
            action = c.action()
            self.assertDunno(c.ask('fine@example.com'))
        self.assertRegex(action, r'^(5\d\d 5\.\d+\.\d+ [ -~]+|DUNNO)$')

    def test_entry_with_missing_fields(self):
        self.redis.command('HSET', 'nixie:{0}:addr:bare@example.com', 'status', 'hard')
        self.assertSuppressed(self.site.ask('bare@example.com'))
        self.redis.command('HSET', 'nixie:{0}:addr:odd@example.com', 'status', 'from-the-future')
        self.assertDunno(self.site.ask('odd@example.com'))


class Malformed(Case):
    """Closed without an answer, with a warning. (Repeated warnings are not all logged,
    so each test has a daemon of its own.)"""

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.policyd = self.site.policyd()
        self.site.ctl_ok('suppress', 'gone@example.com')

    def refused(self, data):
        """data closes its connection, nobody else's."""
        with self.site.policy_client() as other, self.site.policy_client() as c:
            self.assertDunno(other.ask('fine@example.com'))
            try:
                c.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass        # closed before all of it was sent
            self.assertIsNone(c.answer())
            self.assertSuppressed(other.ask('gone@example.com'))
        self.policyd.wait_log(['warning', 'malformed'])

    def test_line_without_equal_sign(self):
        self.refused(b'request=smtpd_access_policy\nnonsense\n\n')

    def test_http_client(self):
        self.refused(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')

    def test_empty_name(self):
        self.refused(b'request=smtpd_access_policy\n=value\n\n')

    def test_nul_byte(self):
        self.refused(request('go\0ne@example.com'))

    def test_line_of_100_kib(self):
        self.refused(b'recipient=' + b'x' * (100 << 10) + b'@example.com\n\n')

    def test_line_of_1_mib_without_end(self):
        self.refused(b'recipient=' + b'x' * MIB)

    def test_endless_attributes(self):
        self.refused(b''.join(b'name%d=value\n' % n for n in range(100000)))

    def test_refused_after_a_good_request(self):
        # The good one is answered, the bad one closes.
        with self.site.policy_client() as c:
            c.send(request('gone@example.com') + b'nonsense\n\n')
            self.assertSuppressed(c.action())
            self.assertIsNone(c.answer())


class Changes(SharedCase):
    """What changes in Redis, by whomever, changes the answers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.policyd = cls.site.policyd()

    def setUp(self):
        self.address = '%s@example.com' % self.id().rsplit('.', 1)[-1].replace('_', '-')
        self.key = 'nixie:{0}:addr:' + self.address
        self.assertDunno(self.site.ask(self.address))

    def entry(self, **fields):
        fields = {'status': 'hard', 'reason': 'recipient.unknown', 'origin': 'log',
                  'since': str(int(time.time())), **fields}
        self.redis.command('HSET', self.key, *[x for item in fields.items() for x in item])

    def wait_answer(self, start):
        wait_until(lambda: self.site.ask(self.address).startswith(start), start, child=self.policyd)

    def test_another_tool_writes_and_deletes(self):
        self.entry()
        self.wait_answer('550 5.1.1 ')
        self.redis.command('DEL', self.key)
        self.wait_answer('DUNNO')

    def test_flushed(self):
        self.entry()
        self.wait_answer('550 ')
        self.redis.command('FLUSHDB')
        self.wait_answer('DUNNO')

    def test_status_fits_the_category(self):
        for reason, start in (('recipient.unknown', '550 5.1.1 '), ('mailbox.full', '550 5.2.2 '),
                              ('recipient.disabled', '550 5.2.1 '), ('domain.unknown', '550 5.1.2 ')):
            with self.subTest(reason):
                self.entry(reason=reason)
                self.wait_answer(start)

    def test_held_until(self):
        self.entry(status='held', until=str(int(time.time()) + 86400 * 3))
        self.wait_answer('550 ')
        self.assertRegex(self.site.ask(self.address), r' until \d{4}-\d\d-\d\d')

    def test_held_ends_by_itself(self):
        def refused_for(seconds):
            """On a slow machine a short term is over before anybody has asked."""
            until = int(time.time()) + seconds
            self.redis.command('DEL', self.key)
            self.entry(status='held', until=str(until))
            return wait_until(lambda: 'refused' if self.site.ask(self.address).startswith('550 ') else 'late' if time.time() >= until else None,
                              'refusal, or the end of the term') == 'refused'
        self.assertTrue(any(refused_for(seconds) for seconds in (3, 12, 40)))
        self.wait_answer('DUNNO')

    def test_soft_is_let_through(self):
        self.entry(status='soft', reason='mailbox.full')
        for _ in range(3):
            self.assertDunno(self.site.ask(self.address))


class AddressForms(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.policyd = cls.site.policyd()

    def test_case(self):
        self.site.ctl_ok('suppress', 'Case.User@Example.COM')
        for form in 'case.user@example.com', 'CASE.USER@EXAMPLE.COM', 'Case.User@Example.COM':
            with self.subTest(form):
                self.assertSuppressed(self.site.ask(form))

    def test_trailing_dot(self):
        self.site.ctl_ok('suppress', 'dot@example.com')
        self.assertSuppressed(self.site.ask('dot@example.com.'))
        self.site.ctl_ok('suppress', 'dotted@example.com.')
        self.assertSuppressed(self.site.ask('dotted@example.com'))

    def test_a_label_and_u_label(self):
        self.site.ctl_ok('suppress', 'a@exämple.test')
        self.site.ctl_ok('suppress', 'u@xn--exmple-cua.test')
        for name in 'a', 'u':
            for domain in 'exämple.test', 'xn--exmple-cua.test', 'EXÄMPLE.test', 'XN--EXMPLE-CUA.test':
                with self.subTest(name + '@' + domain):
                    self.assertSuppressed(self.site.ask('%s@%s' % (name, domain)))
        self.assertDunno(self.site.ask('a@example.test'))

    def test_quoted_local_part(self):
        # Postfix logs the quoted form and asks about the unquoted one.
        self.site.ctl_ok('suppress', '"first last"@example.com')
        self.assertSuppressed(self.site.ask('first last@example.com'))
        self.site.ctl_ok('suppress', '"a@b"@example.com')
        self.assertSuppressed(self.site.ask('a@b@example.com'))
        self.site.ctl_ok('suppress', '"plain"@example.com')
        self.assertSuppressed(self.site.ask('plain@example.com'))
        self.site.ctl_ok('suppress', r'"a\"b"@example.com')
        self.assertSuppressed(self.site.ask('a"b@example.com'))

    def test_odd_recipients_are_answered(self):
        for form in ('postmaster', 'user@[127.0.0.1]', 'user%other@example.com', '@', 'user@',
                     '@example.com', '.x@example.com', 'a@b@c', 'x' * 500 + '@example.com',
                     'u@' + 'd' * 300 + '.com', 'ü@exämple.test', 'u@xn--\u00e4.test', 'u@..'):
            with self.subTest(form):
                self.assertDunno(self.site.ask(form))
        self.assertIsNone(self.policyd.poll())


class AddressOptions(Case):
    def test_subaddress(self):
        site = self.with_redis()
        site.policyd()
        site.ctl_ok('suppress', 'user@example.com')
        self.assertDunno(site.ask('user+list@example.com'))
        site.options['address'] = {'subaddress-delimiter': '+'}
        site.policy_path += '2'
        site.options['policyd']['listen'] = ['unix:' + site.policy_path]
        site.write_conf()
        site.policyd()
        self.assertSuppressed(site.ask('user+list@example.com'))
        self.assertSuppressed(site.ask('user@example.com'))

    def test_keep_case(self):
        site = self.with_redis()
        site.options['address'] = {'local-part': 'keep-case'}
        site.write_conf()
        site.policyd()
        site.ctl_ok('suppress', 'User@Example.com')
        self.assertSuppressed(site.ask('User@example.COM'))
        self.assertDunno(site.ask('user@example.com'))


class Listening(Case):
    def test_tcp_and_unix_together(self):
        site = self.with_redis()
        port = free_port()
        site.options['policyd']['listen'] = ['unix:' + site.policy_path, 'inet:127.0.0.1:%d' % port]
        site.write_conf()
        site.policyd()
        site.ctl_ok('suppress', 'gone@example.com')
        for address in site.policy_path, ('127.0.0.1', port):
            with PolicyClient(address) as c:
                self.assertSuppressed(c.ask('gone@example.com'))
                self.assertDunno(c.ask('fine@example.com'))

    def test_socket_mode(self):
        site = self.with_redis()
        site.options['policyd']['socket-mode'] = '0660'
        site.write_conf()
        site.policyd()
        self.assertEqual(os.stat(site.policy_path).st_mode & 0o777, 0o660)

    def test_stale_socket_is_replaced(self):
        site = self.with_redis()
        first = site.policyd()
        first.kill()
        self.assertTrue(os.path.exists(site.policy_path))
        site.policyd()
        self.assertDunno(site.ask('fine@example.com'))

    def test_port_in_use(self):
        site = self.with_redis()
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = taken.getsockname()[1]
            site.options['policyd']['listen'] = ['inet:127.0.0.1:%d' % port]
            site.write_conf()
            child = site.policyd(ready=False)
            self.assertNotEqual(child.wait(), 0)
            self.assertIn(str(port), child.log())

    def test_sigterm_with_idle_connections(self):
        site = self.with_redis()
        child = site.policyd()
        clients = [site.policy_client() for _ in range(20)]
        try:
            for c in clients:
                self.assertDunno(c.ask('fine@example.com'))
            self.assertEqual(child.stop(signal.SIGTERM), 0)
        finally:
            for c in clients:
                c.close()

    def test_sigterm_answers_what_it_was_asked(self):
        site = self.with_redis()
        child = site.policyd()
        site.ctl_ok('suppress', 'gone@example.com')
        with site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@example.com'))
            # In the socket before the signal is: it has been asked.
            c.send(request('gone@example.com') * 20)
            child.send_signal(signal.SIGTERM)
            for _ in range(20):
                self.assertSuppressed(c.action())
        self.assertEqual(child.wait(), 0)
