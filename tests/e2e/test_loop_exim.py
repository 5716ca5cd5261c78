"""A real Exim: it asks nixie-policyd through contrib/exim/nixie-acl.conf, and nixie-logtail reads its main log."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from harness.case import Case, LoopCase, SharedCase
from harness.exim import PATIENCE, Exim
from harness.nixie import run
from harness.proc import wait_until
from harness.sink import Sink


class EximLoop(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.exim = Exim(cls.directory, cls.site.policy_path)
        cls.addClassCleanup(cls.exim.stop)
        cls.policyd = cls.site.policyd()
        cls.site.ctl_ok('suppress', 'gone@example.com')
        cls.exim.start()

    def rcpt(self, recipient, answered=True, **kw):
        """Exim gives up after a while and says so: that is what a daemon costs that ignores a half-close."""
        before = self.exim.log().count('no answer')
        code, text = self.exim.rcpt(recipient, **kw)
        self.assertEqual(self.exim.log().count('no answer') == before, answered)
        return code, ' '.join(text.split())

    def test_suppressed_is_refused(self):
        code, text = self.rcpt('gone@example.com')
        self.assertEqual(code, 550)
        self.assertRegex(text, r'^5\.\d\.\d .*nixie')

    def test_unknown_is_accepted(self):
        code, text = self.rcpt('fine@example.com')
        self.assertEqual(code, 250, text)

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
            self.assertEqual(self.rcpt('gone@example.com', answered=False)[0], 250)
        finally:
            type(self).policyd = self.site.policyd()
        self.assertEqual(self.rcpt('gone@example.com')[0], 550)

    def test_daemon_down_in_a_session_of_several_recipients(self):
        # Exim 4.96 mistakes another descriptor for a socket that it could not connect.
        self.assertEqual(self.policyd.stop(), 0)
        try:
            with self.exim.client() as c:
                c.ehlo()
                for _ in range(2):
                    c.mail('sender@example.org')
                    for recipient in 'gone@example.com', 'fine@example.com', 'fine2@example.com':
                        self.assertEqual(c.rcpt(recipient)[0], 250)
                    c.rset()
            self.assertNotIn('request=', self.exim.log())
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


UNKNOWN = '550 5.1.1 <{0}>: Recipient address rejected: User unknown in virtual mailbox table'
BUSY = '450 4.2.1 <{0}>: mailbox busy'
FULL = '452 4.2.2 <{0}>: mailbox is over quota'


class EximLog(LoopCase):
    """The whole loop: bounce, main log, Redis, refusal at the next RCPT."""
    log_options = ''

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.exim = Exim(cls.directory, cls.site.policy_path, cls.sink.port, cls.log_options)
        cls.addClassCleanup(cls.exim.stop)
        cls.policyd = cls.site.policyd()
        cls.exim.start()
        cls.site.options['logtail']['files'] = [cls.exim.log_path]
        cls.site.write_conf()
        cls.logtail = cls.site.logtail()
        cls.host = socket.gethostname()

    def setUp(self):
        self.sink.at_rcpt.clear()
        self.sink.at_data.clear()
        self.address = self.id().rsplit('.', 1)[-1].replace('test_', '').replace('_', '-') + '@nixie.test'
        self.addCleanup(self.exim.empty_queue)

    def deliver(self, address):
        self.exim.send(address)
        self.exim.wait_log('=> ' + address)

    def counted(self, before):
        """How the counters differ from before, without the marker's; zeros left out."""
        self.settle()
        now = self.site.counters()
        now['delivered'] -= 1
        return {k: now.get(k, 0) - before.get(k, 0) for k in set(now) | set(before)
                if k in ('delivered', 'deferred', 'soft', 'hard', 'hard-as-soft', 'soft-to-hard')
                and now.get(k, 0) != before.get(k, 0)}

    def bounce(self, address, reply=UNKNOWN):
        self.sink.at_rcpt[address] = reply.format(address)
        message = self.exim.send(address)
        self.exim.wait_log('** ' + address, message)
        self.exim.wait_log(message + ' Completed')
        return message

    def check_refused(self, address):
        code, text = self.exim.rcpt(address)
        self.assertEqual(code, 550, text)
        self.assertIn('nixie', text)
        self.assertIn('recipient.unknown', text)

    def test_hard_bounce_is_refused_at_the_next_rcpt(self):
        before = self.site.counters()
        self.bounce(self.address)
        self.site.wait_status(self.address, 'hard')
        self.check_refused(self.address)
        known = self.site.check(self.address)
        self.assertEqual((known['reason'], known['origin']), ('recipient.unknown', 'log'))
        self.assertIn('User unknown in virtual mailbox table', known['text'])
        # The notification to the sender was delivered too, and is nobody's delivery;
        # the refusal that nixie caused is nobody's bounce.
        self.assertEqual(self.counted(before), {'hard': 1})

    def test_reply_of_several_lines(self):
        before = self.site.counters()
        self.bounce(self.address, '550-5.1.1 The account that you tried to reach\r\n550-5.1.1 does not exist.\r\n550 5.1.1 No such user')
        self.site.wait_status(self.address, 'hard')
        self.assertEqual(self.counted(before), {'hard': 1})

    def test_several_recipients(self):
        before = self.site.counters()
        gone, busy = 'gone-' + self.address, 'busy-' + self.address
        self.sink.at_rcpt.update({gone: UNKNOWN.format(gone), busy: BUSY.format(busy)})
        message = self.exim.send(self.address, 'also-' + self.address, gone, busy)
        self.exim.wait_log('== ' + busy, message)
        for fine in self.address, 'also-' + self.address:
            self.exim.wait_log('> ' + fine, message)        # the second one by ->
        self.site.wait_status(gone, 'hard')
        self.assertEqual(self.counted(before), {'delivered': 2, 'hard': 1, 'deferred': 1})
        self.assertIsNone(self.site.status(busy))
        for fine in self.address, busy:
            self.assertEqual(self.exim.rcpt(fine)[0], 250)

    def test_deferred_then_delivered_is_one_delivery(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = BUSY.format(self.address)
        self.exim.send(self.address)
        self.exim.wait_log('== ' + self.address)
        self.exim.flush()
        self.exim.wait_log('== ' + self.address, count=2)
        self.sink.at_rcpt.clear()
        self.exim.flush()
        self.exim.wait_log('=> ' + self.address)
        self.assertEqual(self.counted(before), {'delivered': 1, 'deferred': 2})
        self.assertIsNone(self.site.status(self.address))

    def test_given_up_is_what_the_last_reply_said(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = FULL.format(self.address)
        message = self.exim.send(self.address)
        self.exim.wait_log('== ' + self.address)
        self.exim.configure(retry='1s')
        try:
            self.exim.wait_log('** ' + self.address, 'retry timeout exceeded', action=self.exim.flush)
        finally:
            self.exim.configure()
        self.exim.wait_log(message + ' Completed')
        self.site.wait_status(self.address, 'soft')
        self.assertEqual(self.site.check(self.address)['reason'], 'mailbox.full')
        deferred = len(self.exim.wait_log('== ' + self.address))
        self.assertEqual(self.counted(before), {'soft': 1, 'deferred': deferred})

    def test_full_mailbox_of_this_host(self):
        before = self.site.counters()
        message = self.exim.send('full@local.nixie.test', 'anna@local.nixie.test', 'piped@local.nixie.test')
        self.exim.wait_log(message, '== full@local.nixie.test', 'mailbox is full')
        self.exim.wait_log(message, '|/bin/cat')
        self.exim.wait_log(message, '=> anna')
        self.assertEqual(self.counted(before), {'delivered': 1, 'deferred': 1})

    def test_full_mailbox_at_end_of_data(self):
        before = self.site.counters()
        self.sink.at_data[self.address] = '552 5.2.2 mailbox full'
        self.exim.send(self.address)
        self.exim.wait_log('** ' + self.address)
        self.assertEqual(self.counted(before), {'soft': 1, 'hard-as-soft': 1})
        self.assertEqual(self.site.check(self.address)['reason'], 'mailbox.full')
        self.assertEqual(self.exim.rcpt(self.address)[0], 250)

    def test_alias_target_is_blamed(self):
        target = 'target-%s@nixie.test' % self.id().rsplit('_', 1)[-1]
        alias = target.replace('target', 'alias')
        self.sink.at_rcpt[target] = UNKNOWN.format(target)
        self.exim.send(alias)
        self.site.wait_status(target, 'hard')
        self.settle()
        self.assertIsNone(self.site.status(alias))

    def test_null_sender_is_not_counted(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
        self.exim.send(self.address, sender='')
        self.exim.wait_log('** ' + self.address)
        self.assertEqual(self.counted(before), {})

    def test_who_sent_it(self):
        begin = int(time.time())
        self.sink.at_rcpt[self.address] = BUSY.format(self.address)
        message = self.exim.send(self.address, login='anna')
        self.exim.wait_log('== ' + self.address)
        self.settle()
        pending = self.redis.hgetall('nixie:{0}:pend:%s/exim/%s' % (self.host, message))
        self.assertEqual((pending['sender'], pending['login']), ('sender@nixie.test', 'anna'))
        self.assertIn('127.0.0.1', pending['client'])
        self.assertRegex(pending['message-id'], r'^<[0-9a-f]+@client\.test>$')
        self.assertTrue(begin <= int(pending['arrival']) <= time.time(), pending)

    # -- the router: what no RCPT ACL sees -------------------------------------------

    def suppress(self, address):
        self.site.ctl_ok('suppress', address)
        self.addCleanup(self.site.ctl_ok, 'reset', '--force', address)

    def delivered(self, address):
        return [r for _, r in self.sink.delivered if r == address]

    def check_stopped(self, address, message):
        line, = self.exim.wait_log(message, ' ** ', 'R=nixie')
        self.assertIn('Recipient suppressed by nixie: do-not-mail', line)
        self.exim.wait_log(message + ' Completed')
        self.assertEqual(self.delivered(address), [])

    def test_mail_of_a_program_is_stopped(self):
        before = self.site.counters()
        self.suppress(self.address)
        message = self.exim.submit(self.address, 'fine-' + self.address)
        self.exim.flush()
        self.check_stopped(self.address, message)
        self.exim.wait_log('=> fine-' + self.address, message)
        # its sender was told, and nobody has failed
        self.exim.wait_log(' <= <>', 'R=' + message)
        self.assertEqual(self.counted(before), {'delivered': 1})
        self.assertEqual(self.site.status(self.address), 'manual')

    def test_mail_in_the_queue_is_stopped(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = BUSY.format(self.address)
        message = self.exim.send(self.address)
        self.exim.wait_log('== ' + self.address, message)
        self.sink.at_rcpt.clear()
        self.suppress(self.address)
        self.exim.flush()
        self.check_stopped(self.address, message)
        self.assertEqual(self.counted(before), {'deferred': 1})

    def test_target_of_an_alias_is_stopped(self):
        target = 'target-router@nixie.test'
        self.suppress(target)
        self.assertEqual(self.exim.rcpt('alias-router@nixie.test')[0], 250)
        message = self.exim.send('alias-router@nixie.test')
        self.check_stopped(target, message)

    def test_quoted_local_part_is_stopped(self):
        address = '"first last"@nixie.test'
        self.suppress(address)
        message = self.exim.submit(address)
        self.exim.flush()
        self.check_stopped(address, message)

    def test_a_suppressed_address_may_write(self):
        self.suppress(self.address)
        self.assertEqual(self.exim.rcpt('fine-' + self.address, sender=self.address)[0], 250) # its sender is verified
        message = self.exim.submit('fine-' + self.address, sender=self.address)
        self.exim.flush()
        self.exim.wait_log('=> fine-' + self.address, message)

    def test_bounce_messages_pass(self):
        self.suppress(self.address)
        message = self.exim.submit(self.address, sender='<>')
        self.exim.flush()
        self.exim.wait_log('=> ' + self.address, message)

    def test_on_parole_it_is_one_message_for_both(self):
        now = int(time.time())
        self.redis.command('HSET', 'nixie:{0}:addr:' + self.address, 'status', 'held', 'reason', 'mailbox.full', 'origin', 'log',
                           'since', str(now - 20 * 86400), 'until', str(now - 5 * 86400), 'first', str(now - 25 * 86400),
                           'last', str(now - 20 * 86400), 'count', '2', 'revision', '1')
        message = self.exim.send(self.address)      # asked about by the ACL, then by the router
        other = self.exim.submit(self.address, sender='other@nixie.test')
        self.exim.wait_log('=> ' + self.address, message)
        self.settle()
        self.assertIsNone(self.site.status(self.address))
        self.exim.flush()
        self.exim.wait_log('=> ' + self.address, other)

    def test_no_answer_in_time_and_defer(self):
        self.site.write_conf(policyd={'on-store-failure': 'defer'})
        self.policyd.send_signal(signal.SIGHUP)
        message = self.exim.submit(self.address)
        self.redis.kill()
        try:
            self.policyd.wait_log('reloaded')
            self.exim.flush()
            line, = self.exim.wait_log(message, '== ' + self.address, 'R=nixie')
            self.assertIn('cannot be checked', line)
        finally:
            self.redis.start()
            self.site.write_conf()
            self.policyd.send_signal(signal.SIGHUP)
        self.exim.wait_log(message, '=> ' + self.address, action=self.exim.flush)
        self.settle()

    def test_daemon_down_mail_flows(self):
        recipients = ['%d-%s' % (n, self.address) for n in range(8)]
        self.suppress(recipients[0])
        self.assertEqual(self.policyd.stop(), 0)
        try:
            for n in range(4):
                self.sink.at_rcpt[recipients[n]] = BUSY.format(recipients[n])
            message = self.exim.submit(*recipients)
            self.exim.flush()
            for n, r in enumerate(recipients):
                self.exim.wait_log(message, '== ' + r if n < 4 else '> ' + r)
            # asked once: after a connect() that failed Exim 4.96 would write into another descriptor
            self.assertEqual(len(self.exim.wait_log(message, 'nixie: no answer')), 1)
            for directory, _, names in os.walk(self.exim.directory):
                for name in names:
                    try:
                        with open(os.path.join(directory, name), 'rb') as f:
                            self.assertTrue(name == 'exim.conf' or b'smtpd_access_policy' not in f.read(), name)
                    except FileNotFoundError:       # of a message that is done by now
                        pass
        finally:
            type(self).policyd = self.site.policyd()
        # another process asks again, also about a message that was in the queue meanwhile
        self.exim.flush()
        self.exim.wait_log(message, '** ' + recipients[0], 'R=nixie')

    def test_every_line_is_read(self):
        self.test_several_recipients()
        lines = self.exim.log().split('\n')[:-1]
        marked = [x for x in lines if re.match(r'\S+ \S+ (?:\+0000 )?(?:\[\d+\] )?[\w-]{16} (?:=>|->|\*\*|==) ', x)]
        done = run('nixie-logtail', '--parse', '-c', self.site.conf_path, self.exim.log_path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(' rejected=0 ambiguous=0 not-syslog=0', done.stderr)
        parsed = [json.loads(x) for x in done.stdout.splitlines()]
        self.assertGreaterEqual(len(parsed), len(marked))      # more may have been logged meanwhile
        for line, result in zip(marked, parsed):
            self.assertIn(result['queue_id'], line)
            self.assertIn(' %s' % result['to'].split('@')[0], line)
        self.assertEqual({x['host'] for x in parsed}, {self.host})
        done = run('nixie-logtail', '--dry-run', '-c', self.site.conf_path, self.exim.log_path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('Delivery results', done.stdout)

    def test_exicyclog(self):
        """mainlog becomes mainlog.01, that mainlog.02; Exim makes a new one at its next line."""
        before = self.site.counters()
        path = self.exim.log_path
        for n in range(4):
            self.exim.send('%d-%s' % (n, self.address))
            self.exim.wait_log('=> %d-%s' % (n, self.address))
            if n == 2:
                self.assertEqual(self.logtail.stop(), 0)
            for old in range(n, 0, -1):
                os.rename(path + '.%02d' % old, path + '.%02d' % (old + 1))
            os.rename(path, path + '.01')
            gone = '%d-gone-%s' % (n, self.address)
            self.bounce(gone)
        type(self).logtail = self.site.logtail()
        for n in range(4):
            self.site.wait_status('%d-gone-%s' % (n, self.address), 'hard')
        self.assertEqual(self.counted(before), {'delivered': 4, 'hard': 4})


class EximLogAll(EximLog):
    """The same when Exim tells all that it can tell."""
    log_options = 'log_selector = +all\nlog_timezone = true'

    def test_original_address(self):
        self.site.write_conf(attribute_to='original')
        self.logtail.send_signal(signal.SIGHUP)
        try:
            self.logtail.wait_log('reloaded')
            self.sink.at_rcpt['target-original@nixie.test'] = UNKNOWN.format('target-original@nixie.test')
            self.exim.send('alias-original@nixie.test')
            self.site.wait_status('alias-original@nixie.test', 'hard')
            self.settle()
            self.assertIsNone(self.site.status('target-original@nixie.test'))
            self.check_refused('alias-original@nixie.test')
        finally:
            self.site.write_conf()
            self.logtail.send_signal(signal.SIGHUP)


class Recorder:
    """Takes requests on a Unix socket, keeps them, always answers the same."""

    def __init__(self, path, answer):
        self.requests, self._answer, self.hang = [], answer, False
        self._held = []
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
            data = b''
            while chunk := c.recv(65536):
                data += chunk
            self.requests.append(data)
            if self.hang:
                self._held.append(c)
                continue
            try:
                c.sendall(self._answer)
            except OSError:     # who asked did not wait so long
                pass
            c.close()

    def stop(self):
        self._sock.close()


class EximHostile(Case):
    """What the ACL sends, byte for byte, when the addresses are hostile."""

    def start(self, answer=b'action=DUNNO\n\n', sink=None):
        path = os.path.join(self.directory, 'recorder')
        recorder = Recorder(path, answer)
        self.addCleanup(recorder.stop)
        exim = Exim(self.directory, path, sink, patience=PATIENCE)
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

    def test_no_attribute_can_be_added_by_mail_of_a_program(self):
        sink = Sink()
        self.addCleanup(sink.stop)
        exim, recorder = self.start(sink=sink.port)
        hostile = ['"a\\\nrecipient=x"@example.com', '"a\rrecipient=x"@example.com', '"a\trecipient=x"@example.com',
                   '"${run{/bin/true}}$sender_address"@example.com', r'"\\N}{"@example.com', '"a}{5s}{x"@example.com',
                   '"a\x0brecipient=x"@example.com', '"ü"@example.com']
        asked = 0
        for address in hostile:
            for recipient, sender in (address, 'sender@example.org'), ('fine@example.com', address):
                with self.subTest(recipient, sender=sender):
                    del recorder.requests[:]
                    subprocess.run([exim.program, '-C', exim.conf, '-odq', '-f', sender, recipient], input=b'\n', check=False,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    exim.flush()
                    asked += len(recorder.requests)
                    for data in recorder.requests:
                        self.check(data, None if recipient == address else recipient.encode())
                    exim.empty_queue()
        self.assertGreater(asked, len(hostile))

    def test_what_the_router_makes_of_answers(self):
        sink = Sink()
        self.addCleanup(sink.stop)
        top = self.directory
        for n, (answer, mark, words) in enumerate((
                (b'action=550 5.2.1 disabled: $value ${run{x}} :defer: x\n\n', '** ', '5.2.1 disabled: $value ${run{x}} :defer: x'),
                (b'action=REJECT 5.7.1 not now\n\n', '** ', '550 5.7.1 not now'),
                (b'action=DISCARD for its own good\n\n', '=> :blackhole: <', 'R=nixie'),
                (b'action=450 4.2.1 later, "or" never\n\n', '== ', '4.2.1 later, "or" never'),
                (b'action=DEFER_IF_PERMIT 4.3.0 store failure\n\n', '== ', '4.3.0 store failure'),
                (b'action=550\n\n', '=> ', ''),
                (b'action=OK\n\n', '=> ', ''),
                (b'nonsense\n\n', '=> ', ''),
                (b'', '=> ', ''))):
            with self.subTest(answer):
                self.directory = os.path.join(top, str(n))
                os.mkdir(self.directory, 0o755)
                exim, _ = self.start(answer, sink.port)
                message = exim.submit('user@example.com')
                exim.flush()
                line = exim.wait_log(message, mark + 'user@example.com')[0]
                self.assertIn(words, line)

    def test_a_daemon_that_hangs_costs_a_message_five_seconds(self):
        sink = Sink()
        self.addCleanup(sink.stop)
        exim, recorder = self.start(sink=sink.port)
        recorder.hang = True
        message = exim.submit(*('r%d@example.com' % n for n in range(20)))
        exim.flush()
        for n in range(20):
            exim.wait_log(message, '> r%d@example.com' % n)
        self.assertEqual(len(exim.wait_log(message, 'nixie: no answer')), 1)
        self.assertEqual(len(recorder.requests), 1)

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
                (b'action=DEFER 4.2.1 later\n\n', 451, '4.2.1 later'),
                (b'action=REJECT 5.2.1 disabled: $value ${run{x}}\n\n', 550, '5.2.1 disabled'),
                (b'action=DISCARD gone: $value ${run{x}}\n\n', 250, ''),
                (b'action=HOLD wait\n\n', 250, ''),
                (b'action=OK\n\n', 250, ''),
                (b'', 250, ''))):
            with self.subTest(answer):
                self.directory = os.path.join(self.directory, str(n))
                os.mkdir(self.directory, 0o755)
                exim, _ = self.start(answer)
                got, reply = exim.rcpt('user@example.com')
                self.assertEqual(got, code, reply)
                self.assertIn(text, ' '.join(reply.split()))
