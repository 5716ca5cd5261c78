"""The socket maps of nixie-policyd: the protocol, and what a real Postfix makes of the answers."""
import os
import signal
import socket
import subprocess
import time

from harness.case import Case, LoopCase, SharedCase
from harness.maillog import Message
from harness.nixie import BAD_CONFIG, run
from harness.postfix import Postfix
from harness.proc import wait_until
from harness.sink import Sink
from harness.socketmap import MapClient, look_up, question

DAY = 86400
FULL = '452 4.2.2 <{0}>: mailbox full'
BLOCKED = '550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org'
UNKNOWN = '550 5.1.1 <{0}>: Recipient address rejected: User unknown in virtual mailbox table'
FILTER = ({'category': 'mailbox.full', 'to': 'bounce'}, {'category': 'blocked.reputation', 'to': 'defer'})
REFUSAL = 'Recipient suppressed by nixie: do-not-mail since '


class Maps(Case):
    """Asked by hand."""

    def setUp(self):
        super().setUp()
        self.with_redis()
        self.path = os.path.join(self.directory, 'maps')
        self.site.options['policyd']['maps'] = ['unix:' + self.path]
        self.site.write_conf()

    def start(self, **policyd):
        self.site.write_conf(policyd=policyd)
        self.policyd = self.site.policyd()
        return self.policyd

    def ask(self, name, key):
        return look_up(self.path, name, key)

    def entry(self, address, **fields):
        now = int(time.time())
        values = dict(status='held', reason='mailbox.full', origin='log', since=now - 20 * DAY, until=now - 5 * DAY, first=now - 25 * DAY,
                      last=now - 20 * DAY, count=2, revision=1)
        values.update(fields)
        self.redis.command('HSET', 'nixie:{0}:addr:' + address, *(str(x) for pair in values.items() for x in pair))

    # -- the maps ------------------------------------------------------------------------

    def test_transport(self):
        self.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertRegex(self.ask('transport', 'gone@example.com'), '^OK error:5.7.1 ' + REFUSAL)
        self.assertEqual(self.ask('transport', 'fine@example.com'), 'NOTFOUND ')
        for key in '*', '', 'root', 'example.com', '@example.com', '@', 'a@b@', 'a@', 'x' * 5000 + '@example.com', b'\xff\0@example.com', b'\r\n':
            self.assertEqual(self.ask('transport', key), 'NOTFOUND ', key)

    def test_access(self):
        self.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertRegex(self.ask('access', 'gone@example.com'), '^OK 550 5.7.1 ' + REFUSAL)
        self.assertEqual(self.ask('access', 'fine@example.com'), 'NOTFOUND ')

    def test_state(self):
        self.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.site.ctl_ok('allow', '@friends.example')
        self.entry('full@example.com')
        self.assertRegex(self.ask('state', 'gone@example.com'), r'^OK manual since=\d{4}-\d\d-\d\d token=\S+$')
        self.assertRegex(self.ask('state', 'a@friends.example'), r'^OK allow since=\d{4}-\d\d-\d\d token=\S+ by=domain$')
        self.assertRegex(self.ask('state', 'full@example.com'), r'^OK held mailbox.full since=\S+ until=\S+$')
        self.assertEqual(self.ask('state', 'fine@example.com'), 'NOTFOUND ')
        self.assertEqual(self.ask('state', '*'), 'NOTFOUND ')

    def test_spellings_of_one_address(self):
        self.start()
        self.site.ctl_ok('suppress', '"sp ace"@example.com')
        self.site.ctl_ok('suppress', 'ümlaut@exämple.com')
        for key in '"sp ace"@example.com', '"Sp Ace"@Example.COM', '"sp ace"@example.com.':
            self.assertRegex(self.ask('transport', key), '^OK error:')
        for key in 'ümlaut@exämple.com', 'ümlaut@xn--exmple-cua.com':
            self.assertRegex(self.ask('access', key), '^OK 550')

    def test_whole_domain(self):
        self.start()
        self.site.ctl_ok('suppress', '@dead.example')
        self.assertRegex(self.ask('transport', 'anybody@dead.example'), r'^OK error:5.7.1 .*\(the whole domain\)')
        self.assertEqual(self.ask('transport', '@dead.example'), 'NOTFOUND ')

    def test_what_holds_for_one_sender_is_not_known_here(self):
        self.start()
        self.site.ctl_ok('suppress', '--scope', 'sender:shop.example', 'user@example.com')
        self.assertEqual(self.ask('transport', 'user@example.com'), 'NOTFOUND ')

    def test_other_answers(self):
        self.start(answers=({'category': 'mailbox.full', 'action': 'DEFER'}, {'category': 'recipient.moved', 'action': 'DISCARD'},
                            {'category': 'recipient.unknown', 'action': 'HOLD'}, {'category': 'dns.no-mx', 'shadow': True},
                            {'from': 'sender:shop.example', 'action': '550', 'text': 'no'}, {'text': 'ask ${token}', 'action': '551'}))
        soon = int(time.time()) + DAY
        for address, reason in ('full', 'mailbox.full'), ('moved', 'recipient.moved'), ('held', 'recipient.unknown'), ('shadow', 'dns.no-mx'), ('other', 'challenge'):
            self.entry(address + '@example.com', reason=reason, until=soon)
        for address, transport, access in (('full', 'OK retry:4.2.2 Recipient suppressed', 'OK DEFER 4.2.2 Recipient suppressed'),
                                           ('moved', 'OK discard:Recipient suppressed', 'OK DISCARD Recipient suppressed'),
                                           ('held', 'NOTFOUND ', 'OK HOLD Recipient suppressed'), ('shadow', 'NOTFOUND ', 'NOTFOUND '),
                                           ('other', 'OK error:5.7.1 Recipient suppressed by nixie: ask', 'OK 551 5.7.1 Recipient suppressed by nixie: ask')):
            self.assertEqual(self.ask('transport', address + '@example.com')[:len(transport)], transport)
            self.assertEqual(self.ask('access', address + '@example.com')[:len(access)], access)

    def test_what_is_spared_for_some_senders(self):
        """The lookup has none: it may be of one of those."""
        self.start(answers=({'from': 'sender:shop.example', 'category': 'mailbox.full', 'shadow': True},))
        soon = int(time.time()) + DAY
        self.entry('full@example.com', reason='mailbox.full', until=soon)
        self.entry('gone@example.com', reason='recipient.unknown', until=soon)
        for name in 'transport', 'access':
            self.assertEqual(self.ask(name, 'full@example.com'), 'NOTFOUND ')
            self.assertEqual(self.ask(name, 'gone@example.com')[:3], 'OK ')

    def test_status(self):
        self.start(**{'status-filter': FILTER})
        self.assertEqual(self.ask('status', '4.2.2 host mx.example[192.0.2.1] said: 452 4.2.2 mailbox full'),
                         'OK 5.2.2 host mx.example[192.0.2.1] said: 452 4.2.2 mailbox full')
        self.assertEqual(self.ask('status', '5.7.1 host mx.example[192.0.2.1] said: ' + BLOCKED),
                         'OK 4.7.1 host mx.example[192.0.2.1] said: ' + BLOCKED)
        for key in '2.0.0 250 2.0.0 Ok', '5.1.1 host mx.example[192.0.2.1] said: 550 5.1.1 no such user', 'nonsense', '*', '':
            self.assertEqual(self.ask('status', key), 'NOTFOUND ', key)
        longest = '4.2.2 452 4.2.2 mailbox full'.ljust(4096, 'x')
        self.assertEqual(self.ask('status', longest), 'OK 5' + longest[1:])
        self.assertEqual(self.ask('status', longest + 'x'), 'NOTFOUND ')

    def test_status_changes_nothing_by_default(self):
        self.start()
        self.assertEqual(self.ask('status', '4.2.2 host mx.example[192.0.2.1] said: 452 4.2.2 mailbox full'), 'NOTFOUND ')

    def test_status_and_reload(self):
        policyd = self.start()
        full = '4.2.2 452 4.2.2 mailbox full'
        self.assertEqual(self.ask('status', full), 'NOTFOUND ')
        self.site.write_conf(policyd={'status-filter': FILTER})
        policyd.send_signal(signal.SIGHUP)
        policyd.wait_log('reloaded')
        self.assertEqual(self.ask('status', full), 'OK 5.2.2 452 4.2.2 mailbox full')
        # a rule of one's own, and one that is wrong: refused whole
        rules = os.path.join(self.directory, 'rules')
        os.mkdir(rules)
        self.rule(rules, 'text = "xyzzy";')
        self.site.write_conf(policyd={'status-filter': FILTER}, rules={'directories': [rules]})
        policyd.send_signal(signal.SIGHUP)
        wait_until(lambda: policyd.log().count('reloaded') == 2, 'reload')
        self.assertEqual(self.ask('status', '4.0.0 450 xyzzy'), 'OK 5.0.0 450 xyzzy')
        self.rule(rules, 'text = "(";')
        policyd.send_signal(signal.SIGHUP)
        policyd.wait_log(['reload refused', 'own.conf'])
        self.assertEqual(self.ask('status', '4.0.0 450 xyzzy'), 'OK 5.0.0 450 xyzzy')
        done = run('nixie-policyd', '-t', '-c', self.site.conf_path)
        self.assertEqual(done.returncode, BAD_CONFIG)
        self.assertIn('own.conf', done.stderr)

    def rule(self, directory, condition):
        with open(os.path.join(directory, 'own.conf'), 'w') as f:
            f.write('rules = ( { id = "own"; category = "mailbox.full"; %s } );\n' % condition)

    def test_unknown_map(self):
        policyd = self.start()
        for name in 'transports', '', 'TRANSPORT', 'x' * 2000:
            self.assertEqual(self.ask(name, 'user@example.com'), 'PERM there is no such map; there are transport, access, status and state')
        policyd.wait_log(['no map "transports"', 'main.cf'])

    # -- terms ----------------------------------------------------------------------------

    def test_after_its_term_mail_may_pass_until_its_fate_is_known(self):
        self.start()
        self.entry('user@example.com')
        for _ in range(3):
            self.assertEqual(self.ask('transport', 'user@example.com'), 'NOTFOUND ')
        self.assertIsNone(self.redis.command('HGET', 'nixie:{0}:addr:user@example.com', 'parole'))
        # the policy service knows messages, and lets one through: that one passes here too
        self.assertDunno(self.site.ask('user@example.com', instance='4f2.1'))
        self.assertSuppressed(self.site.ask('user@example.com', instance='4f2.2'))
        self.assertEqual(self.ask('transport', 'user@example.com'), 'NOTFOUND ')
        self.assertEqual(self.ask('access', 'user@example.com'), 'NOTFOUND ')

    def test_failed_again_is_the_next_term(self):
        self.start()
        self.entry('user@example.com', status='hard', reason='recipient.disabled')
        self.assertEqual(self.ask('transport', 'user@example.com'), 'NOTFOUND ')
        m = Message(when=time.time())
        with open(self.site.log_path, 'a') as f:
            f.write(m.begin() + m.bounced('user@example.com', UNKNOWN.format('{to}')) + m.removed())
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.ask('transport', 'user@example.com') != 'NOTFOUND ', 'the next term')

    def test_a_term_that_is_not_over(self):
        self.start()
        self.entry('user@example.com', until=int(time.time()) + DAY)
        self.assertRegex(self.ask('transport', 'user@example.com'), '^OK error:5.2.2 .* until ')

    # -- without Redis ----------------------------------------------------------------------

    def test_redis_away(self):
        self.start()
        self.redis.kill()
        self.assertEqual(self.ask('transport', 'user@example.com'), 'NOTFOUND ')
        self.assertEqual(self.ask('access', 'user@example.com'), 'NOTFOUND ')
        self.assertEqual(self.ask('transport', '*'), 'NOTFOUND ')
        self.assertRegex(self.ask('state', 'user@example.com'), '^TEMP Redis')

    def test_redis_away_and_defer(self):
        self.start(**{'on-store-failure': 'defer'})
        self.redis.kill()
        self.assertRegex(self.ask('transport', 'user@example.com'), '^TEMP Redis')
        self.assertRegex(self.ask('access', 'user@example.com'), '^OK DEFER_IF_PERMIT 4.3.0 ')
        self.assertEqual(self.ask('transport', '*'), 'NOTFOUND ')
        self.assertEqual(self.ask('status', '4.2.2 452 4.2.2 mailbox full'), 'NOTFOUND ')

    def test_redis_away_what_was_suppressed_still_is(self):
        self.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertRegex(self.ask('transport', 'gone@example.com'), '^OK error:')
        self.redis.kill()
        self.assertRegex(self.ask('transport', 'gone@example.com'), '^OK error:')
        self.assertRegex(self.ask('state', 'gone@example.com'), '^OK manual')

    def test_shadow(self):
        policyd = self.start(shadow=True)
        self.site.ctl_ok('suppress', 'gone@example.com')
        self.assertEqual(self.ask('transport', 'gone@example.com'), 'NOTFOUND ')
        policyd.wait_log(['action=would-reject ', 'recipient=<gone@example.com>', 'client=socketmap[transport]'])
        self.assertRegex(self.ask('state', 'gone@example.com'), '^OK manual')

    # -- the protocol -------------------------------------------------------------------------

    def test_many_questions_on_one_connection(self):
        self.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        with MapClient(self.path) as client:
            keys = ['user%d@example.com' % n for n in range(200)] + ['gone@example.com', '*']
            client.send(b''.join(question('transport', key) for key in keys))
            answers = [client.answer() for _ in keys]
            self.assertEqual([a[:8] for a in answers], ['NOTFOUND'] * 200 + ['OK error', 'NOTFOUND'])

    def test_byte_by_byte(self):
        self.start()
        self.site.ctl_ok('suppress', 'gone@example.com')
        with MapClient(self.path) as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            for _ in range(2):
                for byte in question('access', 'gone@example.com'):
                    client.send(bytes([byte]))
                self.assertRegex(client.answer(), '^OK 550')

    def test_what_is_no_question(self):
        policyd = self.start()
        for data in (b'request=smtpd_access_policy\n\n', b'GET / HTTP/1.1\r\n\r\n', b'10001:', b'5:a b.x.', b'5:a b.x\n', b'07:status ,', b'99999999999999999999:'):
            with MapClient(self.path) as client:
                client.send(data)
                self.assertIsNone(client.answer(), data)
        policyd.wait_log(['malformed maps request', 'Postfix'])
        with MapClient(self.path) as client:     # half a question, and no more
            client.send(question('access', 'gone@example.com')[:9])
            client.sock.shutdown(socket.SHUT_WR)
            self.assertIsNone(client.answer())
        with MapClient(self.path) as client:     # the longest there may be
            client.send(question('access', 'x' * 9993))
            self.assertEqual(client.answer(), 'NOTFOUND ')
            client.send(question('access', 'x' * 9994))
            self.assertIsNone(client.answer())
        self.assertEqual(self.ask('transport', '*'), 'NOTFOUND ')

    def test_half_close_is_answered(self):
        self.start()
        with MapClient(self.path) as client:
            client.send(question('transport', 'new@example.com') * 2)
            client.sock.shutdown(socket.SHUT_WR)
            self.assertEqual([client.answer(), client.answer(), client.answer()], ['NOTFOUND ', 'NOTFOUND ', None])

    def test_clients_stay_over_a_restart(self):
        policyd = self.start(**{'status-filter': FILTER})
        self.site.ctl_ok('suppress', 'gone@example.com')
        whole = question('transport', 'gone@example.com')
        with MapClient(self.path) as idle, MapClient(self.path) as half:
            self.assertRegex(idle.ask('transport', 'gone@example.com'), '^OK error:')
            half.send(whole[:7])
            policyd.send_signal(signal.SIGUSR2)
            policyd.wait_log('took over')
            half.send(whole[7:])
            self.assertRegex(half.answer(), '^OK error:')
            self.assertEqual(idle.ask('status', '4.2.2 452 4.2.2 mailbox full'), 'OK 5.2.2 452 4.2.2 mailbox full')

    def test_no_socket_by_default(self):
        del self.site.options['policyd']['maps']
        self.start()
        self.assertFalse(os.path.exists(self.path))


class PostfixMaps(LoopCase):
    """As contrib/postfix/main.cf.nixie has them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        cls.site.policy_path = cls.postfix.policy_path
        cls.maps_path = os.path.join(os.path.dirname(cls.postfix.policy_path), 'maps')
        cls.site.options['policyd'].update({'listen': ['unix:' + cls.site.policy_path], 'maps': ['unix:' + cls.maps_path],
                                            'status-filter': FILTER})
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        maps = cls.postfix.commented()
        # without the policy service: what is refused at RCPT is refused by the map; one smtpd process for each
        # session, because it remembers where addresses go
        cls.postfix.configure(transport_maps=maps['transport_maps'] + ', inline:{ { nixie.test = smtp:[127.0.0.1]:%d } }' % cls.sink.port,
                              smtp_delivery_status_filter=maps['smtp_delivery_status_filter'],
                              smtpd_recipient_restrictions='permit_mynetworks, reject', max_use='1')
        cls.postfix.start()
        cls.logtail = cls.site.logtail()

    def setUp(self):
        self.sink.at_rcpt.clear()
        self.sink.at_data.clear()
        del self.sink.delivered[:]
        self.address = self.id().rsplit('.', 1)[-1].replace('test_', '').replace('_', '-') + '@nixie.test'
        self.addCleanup(self.postfix.empty_queue)

    def counters(self):
        """With all that the tests before have logged."""
        self.settle()
        return self.site.counters()

    def counted(self, before):
        """How the counters differ from before, without the marker's; zeros left out."""
        now = self.counters()
        now['delivered'] -= 1
        return {k: now.get(k, 0) - before.get(k, 0) for k in set(now) | set(before)
                if k in ('delivered', 'deferred', 'soft', 'hard', 'hard-as-soft', 'soft-to-hard')
                and now.get(k, 0) != before.get(k, 0)}

    def suppress(self, address):
        self.site.ctl_ok('suppress', address)
        self.addCleanup(self.site.ctl_ok, 'reset', '--force', address)

    def check_stopped(self, address, *words):
        line, = self.postfix.wait_log('to=<%s>' % address, 'relay=none', 'status=bounced', *words)
        self.assertIn('dsn=5.7.1', line)
        self.assertIn(REFUSAL, line)
        self.assertEqual([r for _, r in self.sink.delivered if r == address], [])

    def try_again(self):
        """Now: qmgr knows for 30 s where the last address of all went. Without a sender it counts for nobody."""
        self.postfix.sendmail('another-%d@nixie.test' % time.time_ns(), b'\ntest\n', sender='')
        self.postfix.flush()

    def reload(self, **policyd):
        self.site.write_conf(policyd=policyd)
        reloads = self.policyd.log().count('reloaded')
        self.policyd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.policyd.log().count('reloaded') > reloads, 'reload')

    # -- transport_maps ---------------------------------------------------------------------

    def test_refused_at_rcpt(self):
        self.suppress(self.address)
        code, text = self.postfix.rcpt(self.address)
        self.assertEqual(code, 550)
        self.assertIn('Recipient address rejected: ' + REFUSAL, text)
        self.assertEqual(self.postfix.rcpt('fine-' + self.address)[0], 250)

    def test_mail_of_sendmail_is_stopped(self):
        before = self.counters()
        self.suppress(self.address)
        self.postfix.sendmail(self.address, b'Subject: test\n\ntest\n')
        self.check_stopped(self.address)
        self.postfix.wait_log('to=<sender@nixie.test>', 'status=sent')   # who sent it was told
        self.assertEqual(self.counted(before), {})
        self.assertEqual(self.site.status(self.address), 'manual')

    def test_mail_in_the_queue_is_stopped(self):
        before = self.counters()
        self.sink.at_rcpt[self.address] = '450 4.2.1 busy'
        qid = self.postfix.send(self.address)
        self.postfix.wait_deferred(qid)
        self.sink.at_rcpt.clear()
        self.suppress(self.address)
        self.settle()   # another address: qmgr knows for 30 s where the last one went
        self.postfix.flush()
        self.check_stopped(self.address, qid)
        self.assertEqual(self.counted(before), {'deferred': 1, 'delivered': 1})
        self.assertEqual(self.redis.command('KEYS', 'nixie:{0}:pend:*' + qid + '*'), [])

    def test_target_of_an_alias_is_stopped(self):
        self.suppress('target@nixie.test')
        self.assertEqual(self.postfix.rcpt('alias@nixie.test')[0], 250)
        self.postfix.send('alias@nixie.test')
        self.check_stopped('target@nixie.test', 'orig_to=<alias@nixie.test>')

    def test_quoted_local_part_is_stopped(self):
        self.suppress('"sp ace"@nixie.test')
        self.assertEqual(self.postfix.rcpt('"sp ace"@nixie.test')[0], 550)
        self.postfix.sendmail('"sp ace"@nixie.test', b'\ntest\n')
        self.check_stopped('"sp ace"@nixie.test')

    def test_a_suppressed_address_may_write(self):
        self.suppress(self.address)
        qid = self.postfix.send('fine-' + self.address, sender=self.address)
        self.postfix.wait_log(qid, 'to=<fine-%s>' % self.address, 'status=sent')

    def test_a_bounce_message_to_a_suppressed_address_ends_there(self):
        self.suppress(self.address)
        self.sink.at_rcpt['gone-' + self.address] = UNKNOWN.format('gone-' + self.address)
        self.postfix.send('gone-' + self.address, sender=self.address)
        line, = self.postfix.wait_log('to=<%s>' % self.address, 'relay=none', 'status=bounced', REFUSAL)
        self.postfix.wait_log(line.split()[5] + ' removed')

    def test_it_may_not_with_reject_unlisted_sender(self):
        """What README.md warns of."""
        self.suppress(self.address)
        self.postfix.set(smtpd_reject_unlisted_sender='yes')
        try:
            self.assertEqual(self.postfix.rcpt('fine-' + self.address, sender=self.address)[0], 550)
        finally:
            self.postfix.set(smtpd_reject_unlisted_sender='no')

    def test_hard_bounce_stops_the_next(self):
        before = self.counters()
        self.sink.at_rcpt[self.address] = UNKNOWN.format(self.address)
        self.postfix.sendmail(self.address, b'\none\n')
        self.postfix.wait_log('to=<%s>' % self.address, 'postfix/smtp', 'status=bounced')
        self.site.wait_status(self.address, 'hard')
        self.settle()   # another address: qmgr knows for 30 s where the last one went
        self.postfix.sendmail(self.address, b'\ntwo\n')
        line, = self.postfix.wait_log('to=<%s>' % self.address, 'relay=none', 'status=bounced')
        self.assertIn('dsn=5.1.1', line)
        self.assertEqual(self.counted(before), {'hard': 1, 'delivered': 1})

    def test_on_parole_one_message_passes_both(self):
        """The policy service chooses it, and the map lets it go at each attempt."""
        now = int(time.time())
        self.redis.command('HSET', 'nixie:{0}:addr:' + self.address, 'status', 'held', 'reason', 'mailbox.full', 'origin', 'log',
                           'since', str(now - 20 * DAY), 'until', str(now - 5 * DAY), 'first', str(now - 25 * DAY),
                           'last', str(now - 20 * DAY), 'count', '2', 'revision', '1')
        self.postfix.set(smtpd_recipient_restrictions='check_policy_service unix:nixie/policy, permit_mynetworks, reject')
        try:
            self.sink.at_rcpt[self.address] = '450 4.2.1 busy'
            qid = self.postfix.send(self.address)
            self.postfix.wait_deferred(qid)
            code, text = self.postfix.rcpt(self.address)
            self.assertEqual(code, 550)
            self.assertIn('awaiting the fate of another message', text)
            self.settle()   # another address: qmgr knows for 30 s where the last one went
            self.postfix.flush()
            self.postfix.wait_log(qid, 'status=deferred', 'said: 450', count=2)
            self.sink.at_rcpt.clear()
            self.postfix.wait_log(qid, 'status=sent', action=self.postfix.flush)
            wait_until(lambda: self.site.status(self.address) is None, 'freedom')
            self.assertEqual(self.postfix.rcpt(self.address)[0], 250)
        finally:
            self.postfix.set(smtpd_recipient_restrictions='permit_mynetworks, reject')

    def test_daemon_down_mail_waits(self):
        self.assertEqual(self.policyd.stop(), 0)
        try:
            self.assertEqual(self.postfix.rcpt(self.address)[0], 451)
            self.postfix.sendmail(self.address, b'\ntest\n')
            self.postfix.wait_log('to=<%s>' % self.address, 'dsn=4.3.0', 'status=deferred')
        finally:
            type(self).policyd = self.site.policyd()
        self.postfix.wait_log('to=<%s>' % self.address, 'status=sent', action=self.try_again)

    def test_redis_down(self):
        """dunno: mail flows; defer: it waits."""
        self.redis.kill()
        try:
            self.postfix.sendmail(self.address, b'\none\n')
            self.postfix.wait_log('to=<%s>' % self.address, 'status=sent')
            self.reload(**{'on-store-failure': 'defer'})
            self.assertEqual(self.postfix.rcpt('defer-' + self.address)[0], 451)
            self.postfix.sendmail('defer-' + self.address, b'\ntwo\n')
            self.postfix.wait_log('to=<defer-%s>' % self.address, 'dsn=4.3.0', 'status=deferred')
        finally:
            self.redis.start()
            self.reload()
        self.postfix.wait_log('to=<defer-%s>' % self.address, 'status=sent', action=self.try_again)
        self.settle()

    # -- smtp_delivery_status_filter ------------------------------------------------------------

    def test_full_mailbox_is_given_up_at_once(self):
        before = self.counters()
        self.sink.at_rcpt[self.address] = FULL.format(self.address)
        qid = self.postfix.send(self.address)
        line, = self.postfix.wait_log(qid, 'to=<%s>' % self.address, 'status=bounced')
        self.assertIn('dsn=5.2.2', line)
        self.assertIn('said: 452 4.2.2', line)
        self.site.wait_status(self.address, 'soft')
        self.assertEqual(self.counted(before), {'soft': 1})
        known = self.site.check(self.address)
        self.assertEqual((known['reason'], known['code'], known['enhanced']), ('mailbox.full', 452, '4.2.2'))
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)

    def test_block_is_retried_and_counts_once(self):
        before = self.counters()
        self.sink.at_rcpt[self.address] = BLOCKED
        qid = self.postfix.send(self.address)
        line, = self.postfix.wait_log(qid, 'to=<%s>' % self.address)
        self.assertIn('dsn=4.7.1, status=deferred', line)
        self.assertIn('said: ' + BLOCKED, line)
        for attempts in range(2, 5):
            self.postfix.wait_log(qid, 'status=deferred', count=attempts, action=self.postfix.flush)
        counted = self.counted(before)
        self.assertGreaterEqual(counted.pop('deferred'), 4)   # one more may be under way
        self.assertEqual(counted, {})
        self.assertIsNone(self.site.status(self.address))
        before['delivered'] = before.get('delivered', 0) + 1   # the marker of counted()
        self.postfix.set(maximal_queue_lifetime='1s')
        try:
            self.postfix.wait_log(qid + ': from=', 'status=expired', action=self.postfix.flush)
        finally:
            self.postfix.set(maximal_queue_lifetime='2d')
        self.site.wait_status(self.address, 'soft')
        seen = len(self.postfix.wait_log(qid, 'status=deferred'))
        self.assertEqual(self.counted(before), {'deferred': seen, 'soft': 1, 'hard-as-soft': 1})
        known = self.site.check(self.address)
        self.assertEqual((known['reason'], known['code'], known['count']), ('blocked.reputation', 550, 1))

    def test_block_is_retried_and_delivered(self):
        before = self.counters()
        self.sink.at_rcpt[self.address] = BLOCKED
        qid = self.postfix.send(self.address)
        self.postfix.wait_log(qid, 'status=deferred')
        self.sink.at_rcpt.clear()
        self.postfix.wait_log(qid, 'status=sent', action=self.postfix.flush)
        seen = len(self.postfix.wait_log(qid, 'status=deferred'))
        self.assertEqual(self.counted(before), {'deferred': seen, 'delivered': 1})
        self.assertIsNone(self.site.status(self.address))

    def test_other_failures_are_as_they_were(self):
        self.sink.at_rcpt.update({self.address: UNKNOWN.format(self.address), 'busy-' + self.address: '450 4.2.1 busy'})
        self.postfix.send(self.address)
        self.postfix.send('busy-' + self.address)
        self.postfix.wait_log('to=<%s>' % self.address, 'dsn=5.1.1', 'status=bounced')
        self.postfix.wait_log('to=<busy-%s>' % self.address, 'dsn=4.2.1', 'status=deferred')
        self.assertNotIn('bad status code', self.postfix.log())

    def test_full_mailbox_of_a_long_answer(self):
        """As long as Postfix takes one."""
        self.sink.at_rcpt[self.address] = '\r\n'.join(['452-4.2.2 mailbox full ' + 'x' * 400] * 20) + '\r\n452 4.2.2 end'
        self.postfix.send(self.address)
        self.postfix.wait_log('to=<%s>' % self.address, 'dsn=5.2.2', 'status=bounced')

    # -- by postmap(1) ----------------------------------------------------------------------------

    def postmap(self, name, key):
        done = subprocess.run(['postmap', '-c', self.postfix.etc, '-q', key, 'socketmap:unix:%s:%s' % (self.maps_path, name)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr

    def test_postmap(self):
        self.suppress(self.address)
        self.assertRegex(self.postmap('transport', self.address)[1], '^error:5.7.1 ')
        self.assertRegex(self.postmap('access', self.address)[1], '^550 5.7.1 ')
        self.assertRegex(self.postmap('state', self.address)[1], '^manual since=')
        self.assertEqual(self.postmap('transport', 'fine-' + self.address)[:2], (1, ''))
        self.assertIn('permanent error: there is no such map; there are transport', self.postmap('wrong', self.address)[2])
        self.assertNotEqual(self.postmap('access', 'x' * 20000)[0], 0)
        self.policyd.wait_log(['malformed maps request', 'longer than 10000 bytes'])
        self.assertEqual(self.postmap('access', 'x' * 9000)[:2], (1, ''))
        self.redis.kill()
        try:
            self.assertIn('temporary error: Redis', self.postmap('state', 'new-' + self.address)[2])
        finally:
            self.redis.start()
        wait_until(lambda: self.postmap('state', 'new-' + self.address)[2] == '', 'Redis')


class PostfixAccess(SharedCase):
    """check_recipient_access, in the place of the policy service."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        cls.maps_path = os.path.join(os.path.dirname(cls.postfix.policy_path), 'maps')
        cls.site.options['policyd'].update({'maps': ['unix:' + cls.maps_path], 'on-store-failure': 'defer', 'status-filter': FILTER})
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        maps = cls.postfix.commented()
        cls.postfix.configure(smtpd_recipient_restrictions=maps['smtpd_recipient_restrictions'] + ', permit_mynetworks, reject',
                              smtp_delivery_status_filter=maps['smtp_delivery_status_filter'])
        cls.postfix.start()

    def test_refused(self):
        for address in 'gone@nixie.test', '"sp ace"@nixie.test', '"a\\"b"@nixie.test':
            self.site.ctl_ok('suppress', address)
        for address in 'gone@nixie.test', 'GONE@Nixie.Test', 'gone@nixie.test.', '"gone"@nixie.test', '"Sp ace"@nixie.test', '"a\\"b"@nixie.test':
            code, text = self.postfix.rcpt(address)
            self.assertEqual(code, 550, address)
            self.assertIn(REFUSAL, text)
        self.assertEqual(self.postfix.rcpt('fine@nixie.test')[0], 250)

    def test_redis_down_and_defer(self):
        self.redis.kill()
        try:
            code, text = self.postfix.rcpt('never-asked@nixie.test')
            self.assertEqual((code, text[:6]), (450, '4.3.0 '))
            self.assertIn('cannot be checked at the moment', text)
        finally:
            self.redis.start()
        wait_until(lambda: self.postfix.rcpt('never-asked@nixie.test')[0] == 250, 'Redis')

    def test_daemon_down_nothing_is_filtered(self):
        self.assertEqual(self.policyd.stop(), 0)
        try:
            self.assertEqual(self.postfix.rcpt('user@nixie.test')[0], 451)
            for name, reply in ('dead', UNKNOWN), ('full', FULL):
                self.sink.at_rcpt[name + '@nixie.test'] = reply.format('')
                self.postfix.sendmail(name + '@nixie.test', b'\ntest\n')
            self.postfix.wait_log('to=<dead@nixie.test>', 'dsn=5.1.1', 'status=bounced')
            self.postfix.wait_log('to=<full@nixie.test>', 'dsn=4.2.2', 'status=deferred')
            self.postfix.wait_log('postfix/smtp', 'warning', 'maps:status lookup error')
        finally:
            type(self).policyd = self.site.policyd()
        self.postfix.wait_log('to=<full@nixie.test>', 'dsn=5.2.2', 'status=bounced', action=self.postfix.flush)

    def test_wrong_map(self):
        good = 'check_recipient_access socketmap:unix:nixie/maps:access, permit_mynetworks, reject'
        self.postfix.set(smtpd_recipient_restrictions=good.replace(':access', ':wrong'))
        try:
            self.assertEqual(self.postfix.rcpt('fine@nixie.test')[0], 451)
            self.postfix.wait_log('warning', 'there is no such map')
            self.policyd.wait_log('there is no map "wrong"')
        finally:
            self.postfix.set(smtpd_recipient_restrictions=good)
