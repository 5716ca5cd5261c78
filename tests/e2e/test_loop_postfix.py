"""The whole loop with a real Postfix: bounce, log, Redis, refusal at the next RCPT."""
import json
import signal
import time

from harness.case import LoopCase, SharedCase
from harness.policy import request
from harness.postfix import Postfix
from harness.proc import free_port, wait_until
from harness.sink import Sink

UNKNOWN = '550 5.1.1 <{0}>: Recipient address rejected: User unknown in virtual mailbox table'


class Loop(LoopCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        # The path the recommended snippet names.
        cls.site.policy_path = cls.postfix.policy_path
        cls.site.options['policyd']['listen'] = ['unix:' + cls.site.policy_path]
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        cls.postfix.start()
        cls.logtail = cls.site.logtail()

    def setUp(self):
        self.sink.at_rcpt.clear()
        self.sink.at_data.clear()
        self.name = self.id().rsplit('.', 1)[-1].replace('test_', '').replace('_', '-')
        self.address = self.name + '@nixie.test'

    def counted(self, before):
        """How the counters differ from before; zeros left out."""
        now = self.site.counters()
        return {k: now.get(k, 0) - before.get(k, 0) for k in set(now) | set(before)
                if k in ('delivered', 'soft', 'hard', 'hard-as-soft', 'soft-to-hard')
                and now.get(k, 0) != before.get(k, 0)}

    def bounce(self, address, reply=None):
        self.sink.at_rcpt[address] = (reply or UNKNOWN).format(address)
        qid = self.postfix.send(address)
        self.postfix.wait_log('to=<%s>' % address, 'status=bounced')
        return qid

    def suppress_by_bounce(self):
        self.bounce(self.address)
        self.site.wait_status(self.address, 'hard')
        del self.sink.at_rcpt[self.address]

    # -- the loop --------------------------------------------------------------

    def test_hard_bounce_is_refused_at_the_next_rcpt(self):
        before = self.site.counters()
        self.bounce(self.address)
        self.site.wait_status(self.address, 'hard')
        code, text = self.postfix.rcpt(self.address)
        self.assertEqual(code, 550)
        self.assertRegex(text, r'^5\.1\.1 ')
        self.assertIn('nixie', text)
        self.assertIn('recipient.unknown', text)
        # Local or UTC: near midnight they differ.
        days = {time.strftime('%Y-%m-%d', t) for t in (time.gmtime(), time.localtime(),
                                                       time.gmtime(time.time() - 300))}
        self.assertTrue(any('since ' + d in text for d in days), text)
        self.assertRegex(text, r'token \S{6,}')
        known = self.site.check(self.address)
        self.assertEqual(known['status'], 'hard')
        self.assertEqual(known['reason'], 'recipient.unknown')
        self.assertEqual(known['origin'], 'log')
        self.assertIn('User unknown in virtual mailbox table', known['text'])
        self.settle()
        # The null-sender DSN to the sender was delivered too, and is nobody's delivery;
        # the refusal nixie caused is nobody's bounce.
        self.assertEqual(self.counted(before), {'hard': 1, 'delivered': 1})

    def test_other_recipients_are_not_affected(self):
        self.suppress_by_bounce()
        code, _ = self.postfix.rcpt('not-' + self.address)
        self.assertEqual(code, 250)
        with self.postfix.client() as c:
            c.ehlo()
            c.mail('sender@nixie.test')
            self.assertEqual(c.rcpt('one-' + self.address)[0], 250)
            self.assertEqual(c.rcpt(self.address)[0], 550)
            self.assertEqual(c.rcpt('two-' + self.address)[0], 250)

    def test_case_and_dot_of_the_recipient(self):
        self.suppress_by_bounce()
        for form in self.address.upper(), self.address + '.':
            with self.subTest(form):
                self.assertEqual(self.postfix.rcpt(form)[0], 550)

    def test_quoted_local_part(self):
        quoted = '"sp ace"@nixie.test'
        self.bounce(quoted)
        wait_until(lambda: self.postfix.rcpt(quoted)[0] == 550, 'refusal of ' + quoted)

    def test_reset_accepts_again(self):
        self.suppress_by_bounce()
        self.assertEqual(self.postfix.rcpt(self.address)[0], 550)
        self.site.ctl_ok('reset', self.address)
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)
        self.deliver(self.address)

    def test_suppress_refuses_at_once(self):
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)
        self.site.ctl_ok('suppress', self.address)
        self.assertEqual(self.postfix.rcpt(self.address)[0], 550)

    def test_allow_wins_over_a_bounce(self):
        self.site.ctl_ok('allow', self.address)
        before = self.site.counters()
        self.bounce(self.address)
        self.settle()
        self.assertEqual(self.counted(before).get('hard'), 1)
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)

    def test_alias_target_is_blamed(self):
        self.sink.at_rcpt['target@nixie.test'] = UNKNOWN.format('target@nixie.test')
        self.postfix.send('alias@nixie.test')
        self.site.wait_status('target@nixie.test', 'hard')
        self.assertIsNone(self.site.status('alias@nixie.test'))

    # -- what must not suppress ------------------------------------------------

    def not_suppressed(self, before, counted, reason=None):
        self.settle()
        counted['delivered'] = counted.get('delivered', 0) + 1      # the marker
        self.assertEqual(self.counted(before), counted)
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)
        if reason:
            self.assertEqual(self.site.check(self.address)['reason'], reason)

    def test_deferred_is_not_suppressed(self):
        self.addCleanup(self.postfix.empty_queue)
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = '450 4.2.1 <%s>: mailbox busy' % self.address
        self.postfix.send(self.address)
        self.postfix.wait_log('to=<%s>' % self.address, 'status=deferred')
        self.not_suppressed(before, {})

    def test_full_mailbox_is_not_suppressed(self):
        before = self.site.counters()
        self.bounce(self.address, '552 5.2.2 <{0}>: mailbox full')
        self.not_suppressed(before, {'soft': 1, 'hard-as-soft': 1}, 'mailbox.full')

    def test_full_mailbox_at_end_of_data_is_not_suppressed(self):
        before = self.site.counters()
        self.sink.at_data[self.address] = '552 5.2.2 mailbox full'
        self.postfix.send(self.address)
        self.postfix.wait_log('to=<%s>' % self.address, 'status=bounced')
        self.not_suppressed(before, {'soft': 1, 'hard-as-soft': 1}, 'mailbox.full')

    def test_blocklisted_sender_is_not_the_recipients_fault(self):
        before = self.site.counters()
        self.bounce(self.address, '550 5.7.1 Service unavailable; client [192.0.2.1] '
                                  'blocked using zen.spamhaus.org')
        self.settle()
        self.assertEqual(self.counted(before), {'soft': 1, 'hard-as-soft': 1, 'delivered': 1})
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)
        self.assertNotEqual(self.site.status(self.address), 'hard')

    def test_null_sender_bounce_is_not_counted(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
        self.postfix.send(self.address, sender='')
        self.postfix.wait_log('to=<%s>' % self.address, 'status=bounced')
        self.settle()
        self.assertEqual(self.counted(before), {'delivered': 1})

    # -- counting --------------------------------------------------------------

    def test_delivery_is_counted(self):
        before = self.site.counters()
        for n in range(3):
            self.postfix.send('%d-%s' % (n, self.address))
        self.site.wait_counter('delivered', before.get('delivered', 0) + 3)
        self.settle()
        self.assertEqual(self.counted(before), {'delivered': 4})
        self.assertIsNone(self.site.check('0-' + self.address))

    def test_deferred_then_delivered_is_one_delivery(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = '450 4.2.1 <%s>: mailbox busy' % self.address
        self.postfix.send(self.address)
        for tries in 1, 2, 3:
            if tries > 1:
                self.postfix.flush()
            self.postfix.wait_log('to=<%s>' % self.address, 'status=deferred', count=tries)
        self.sink.at_rcpt.clear()
        self.postfix.flush()
        self.postfix.wait_log('to=<%s>' % self.address, 'status=sent')
        self.settle()
        self.assertEqual(self.counted(before), {'delivered': 2})
        self.assertNotIn((self.site.check(self.address) or {}).get('status'), ('hard', 'held'))

    def test_expired_after_retries_is_one_soft_bounce(self):
        before = self.site.counters()
        self.sink.at_rcpt[self.address] = '450 4.2.1 <%s>: mailbox busy' % self.address
        qid = self.postfix.send(self.address)
        for tries in 1, 2, 3:
            if tries > 1:
                self.postfix.flush()
            self.postfix.wait_log('to=<%s>' % self.address, 'status=deferred', count=tries)
        self.settle()
        self.assertEqual(self.counted(before), {'delivered': 1})    # pending is in no rate
        self.postfix.set(maximal_queue_lifetime='1s', bounce_queue_lifetime='1s')
        try:
            self.postfix.wait_log(qid + ': from=', 'status=expired', action=self.postfix.flush)
        finally:
            self.postfix.set(maximal_queue_lifetime='2d', bounce_queue_lifetime='2d')
        self.settle()
        self.assertEqual(self.counted(before), {'delivered': 2, 'soft': 1})
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)

    def test_stats_agree_with_the_counters(self):
        self.settle()
        stats = json.loads(self.site.ctl_ok('stats', '--json'))
        counters = self.site.counters()
        for name in 'delivered', 'soft', 'hard', 'hard-as-soft', 'soft-to-hard':
            self.assertEqual(stats[name], counters.get(name, 0), name)


class Daemon(SharedCase):
    """Postfix and nixie-policyd when the daemon, Redis or the configuration is in trouble."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        cls.site.policy_path = cls.postfix.policy_path
        cls.site.options['policyd']['listen'] = ['unix:' + cls.site.policy_path]
        # who gets no answer waits for so long that it is noticed on any machine
        cls.waits = free_port()
        cls.postfix.configure(master='127.0.0.1:%d inet n - n - - smtpd -o smtpd_policy_service_retry_delay=60s\n' % cls.waits)
        cls.postfix.start()

    def setUp(self):
        self.site.write_conf()
        self.policyd = self.site.policyd()
        self.addCleanup(self.policyd.kill)
        self.site.ctl_ok('suppress', 'gone@nixie.test')

    def reload(self, word):
        self.policyd.send_signal(signal.SIGHUP)
        return self.policyd.wait_log(word)

    def test_daemon_stopped_mail_flows(self):
        # The snippet's default_action; without it this would be 451 4.3.5.
        self.assertEqual(self.postfix.rcpt('gone@nixie.test')[0], 550)
        self.assertEqual(self.policyd.stop(), 0)
        self.assertEqual(self.postfix.rcpt('gone@nixie.test')[0], 250)
        self.policyd = self.site.policyd()
        self.addCleanup(self.policyd.kill)
        self.assertEqual(self.postfix.rcpt('gone@nixie.test')[0], 550)

    def test_restart_within_an_smtp_session(self):
        with self.postfix.client() as c:
            c.ehlo()
            c.mail('sender@nixie.test')
            self.assertEqual(c.rcpt('gone@nixie.test')[0], 550)
            self.assertEqual(self.policyd.stop(), 0)
            self.policyd = self.site.policyd()
            self.addCleanup(self.policyd.kill)
            self.assertEqual(c.rcpt('gone@nixie.test')[0], 550)
            self.assertEqual(c.rcpt('fine@nixie.test')[0], 250)

    def test_redis_killed_mail_flows(self):
        trouble = self.postfix.log().count('problem talking to server')
        self.redis.kill()
        try:
            for n in range(5):
                code, text = self.postfix.rcpt('u%d@nixie.test' % n, port=self.waits)
                self.assertEqual(code, 250, text)
            # Postfix itself waits for whatever is not an answer, and says so.
            self.assertEqual(self.postfix.log().count('problem talking to server'), trouble)
        finally:
            self.redis.start()
        wait_until(lambda: self.postfix.rcpt('gone@nixie.test')[0] == 550,
                   'refusal after Redis is back', child=self.policyd)

    def test_redis_killed_with_defer(self):
        self.site.write_conf(policyd={'on-store-failure': 'defer'})
        self.reload('reload')
        self.redis.kill()
        try:
            code, text = self.postfix.rcpt('nobody-asked-before@nixie.test')
            self.assertEqual(code, 450, text)
            self.assertIn('4.3.0', text)
        finally:
            self.redis.start()
        wait_until(lambda: self.postfix.rcpt('nobody-asked-before@nixie.test')[0] == 250,
                   'acceptance after Redis is back', child=self.policyd)

    def test_shadow_mode(self):
        self.assertEqual(self.postfix.rcpt('gone@nixie.test')[0], 550)
        self.site.write_conf(policyd={'shadow': True})
        self.policyd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.postfix.rcpt('gone@nixie.test')[0] == 250, 'shadow mode',
                   child=self.policyd)
        # It says what it would have done.
        self.policyd.wait_log(['would-reject', 'gone@nixie.test'])
        self.site.write_conf()
        self.policyd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.postfix.rcpt('gone@nixie.test')[0] == 550, 'end of shadow mode',
                   child=self.policyd)

    def test_sighup_with_broken_configuration(self):
        with self.site.policy_client() as c:
            self.assertSuppressed(c.ask('gone@nixie.test'))
            self.site.write_raw('policyd = { shadow = "perhaps"; \n')
            line = self.reload([self.site.conf_path])
            self.assertRegex(line.lower(), 'error|warning|fatal')
            self.assertSuppressed(c.ask('gone@nixie.test'))
            self.assertEqual(self.postfix.rcpt('gone@nixie.test')[0], 550)
            # and a good one is taken again, over the same connection
            self.site.write_conf(policyd={'shadow': True})
            self.policyd.send_signal(signal.SIGHUP)
            wait_until(lambda: c.ask('gone@nixie.test') == 'DUNNO', 'the new configuration',
                       child=self.policyd)

    def test_sigterm_with_idle_connections_of_postfix(self):
        self.assertEqual(self.postfix.rcpt('gone@nixie.test')[0], 550)  # smtpd keeps its own
        with self.site.policy_client() as c:
            c.send(request('gone@nixie.test'))
            self.assertSuppressed(c.action())
            self.assertEqual(self.policyd.stop(signal.SIGTERM), 0)

    def test_snippet_is_no_open_relay(self):
        # From outside mynetworks; the policy service says DUNNO, and that is not a permit.
        self.postfix.set(mynetworks='192.0.2.0/24')
        try:
            # A smtpd that was waiting serves one more client with the old settings.
            for recipient in 'fine@nixie.test', 'gone@nixie.test':
                wait_until(lambda r=recipient: 'Relay access denied' in self.postfix.rcpt(r)[1], 'relay denied to ' + recipient)
        finally:
            self.postfix.set(mynetworks='127.0.0.0/8')
