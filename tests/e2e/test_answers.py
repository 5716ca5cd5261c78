"""policyd.answers with a real Postfix: every action of access(5) that a configuration may name,
what the client is told, what is logged, and what becomes of the message."""
import json
import os
import re
import signal
import time

from harness.case import Case, SharedCase
from harness.exim import Exim
from harness.nixie import BAD_CONFIG, run
from harness.policy import request
from harness.postfix import Postfix
from harness.proc import wait_until
from harness.sink import Sink

MARK = 'Recipient suppressed by nixie: '
SINCE = 1700000000      # 2023-11-14
USUAL = MARK + 'recipient.unknown since 2023-11-14'
TEXT = '${category} ${status} since ${since}${until}${scope}, help desk'
TOLD = MARK + 'recipient.unknown hard since 2023-11-14, help desk'

# Answers that are words for the client or the log, and what they work with.
WORDS = {
    'reject': 'REJECT', 'defer': 'DEFER', 'defer-if-permit': 'DEFER_IF_PERMIT', 'defer-if-reject': 'DEFER_IF_REJECT',
    'code-551': '551', 'code-599': 599, 'code-452': '452', 'hold': 'HOLD', 'discard': 'DISCARD', 'warn': 'WARN', 'info': 'INFO',
}
WORKS = {'redirect': ('REDIRECT', 'dead-letters@nixie.test'), 'bcc': ('BCC', 'copy@nixie.test'),
         'prepend': ('PREPEND', 'X-Nixie: ${status} ${category} since ${since}${until}')}
# Which the client is told, and how Postfix does it.
TOLD_TO_CLIENT = {'reject': (554, '5.1.1'), 'defer': (450, '4.1.1'), 'defer-if-permit': (450, '4.1.1'), 'code-551': (551, '5.1.1'),
                  'code-599': (599, '5.1.1'), 'code-452': (452, '4.1.1')}

# What Postfix logs when it does not understand a reply, or waits for one.
TROUBLE = re.compile('problem talking to server|timeout on|premature end-of-input|unknown smtpd restriction|access table')


def answer(sender, action, text=None, **more):
    return dict({'from': 'sender:' + sender, 'action': action}, **({'text': text} if text else {}), **more)


class Postfixed(SharedCase):
    """One Postfix, whose sink keeps what it gets: [(recipients, text)]."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink, cls.filter = Sink(), Sink()
        cls.messages, cls.filtered = [], []
        for sink, got in (cls.sink, cls.messages), (cls.filter, cls.filtered):
            cls.addClassCleanup(sink.stop)
            sink.pass_on = lambda sender, recipients, text, _, got=got: got.append((recipients, text)) or '250 2.0.0 Ok'
        cls.postfix = Postfix(cls.directory, cls.sink.port, cls.site.log_path)
        cls.addClassCleanup(cls.postfix.stop)
        cls.site.policy_path = cls.postfix.policy_path
        cls.site.options['policyd'].update(listen=['unix:' + cls.site.policy_path], answers=cls.answers())
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        # a restriction behind it that refuses: whatever nixie says must not accept over its head
        cls.postfix.configure(smtpd_recipient_restrictions='check_policy_service { unix:nixie/policy, timeout=60s, default_action=DUNNO }, '
                              'check_recipient_access inline:{ { behind@nixie.test = 553 5.7.9 refused behind it } }, '
                              'permit_mynetworks, reject_unauth_destination')
        cls.postfix.start()
        cls.entry('behind@nixie.test')

    @classmethod
    def answers(cls):
        return ()

    @classmethod
    def entry(cls, address, key='addr', **fields):
        fields = {'status': 'hard', 'reason': 'recipient.unknown', 'origin': 'log', 'since': SINCE, **fields}
        cls.redis.command('HSET', 'nixie:{0}:%s:%s' % (key, address), *[str(x) for item in fields.items() for x in item])

    def setUp(self):
        self.name = self.id().rsplit('.', 1)[-1].replace('test_', '').replace('_', '-')
        self.address = self.name + '@nixie.test'
        self.entry(self.address)

    def tearDown(self):
        self.assertIsNone(self.policyd.poll(), 'nixie-policyd died:\n' + self.policyd.log())
        self.assertEqual([x for x in self.postfix.log().splitlines() if TROUBLE.search(x)], [])

    def reload(self, **policyd):
        """The other options and answers, taken at once."""
        before = self.policyd.log().count(' reloaded')
        self.site.write_conf(policyd=policyd)
        self.policyd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.policyd.log().count(' reloaded') > before, 'reload', child=self.policyd)

    def arrived(self, address, where=None):
        where = self.messages if where is None else where
        return [text for recipients, text in where if address in recipients]

    def wait_arrived(self, address, where=None):
        wait_until(lambda: self.arrived(address, where), 'a message for ' + address)
        return self.arrived(address, where)[0].decode()

    def marker(self):
        """Whatever Postfix had to deliver before this one it has."""
        address = 'marker-%d@nixie.test' % time.time_ns()
        self.postfix.send(address)
        self.wait_arrived(address)


class Actions(Postfixed):
    """The domain of the sender chooses the action."""

    @classmethod
    def answers(cls):
        groups = []
        for name, action in WORDS.items():
            groups += [answer(name + '.test', action), answer(name + '.own.test', action, TEXT)]
        groups += [answer(name + '.test', action, text) for name, (action, text) in WORKS.items()]
        groups += [answer('filter.test', 'FILTER', 'smtp:[127.0.0.1]:%d' % cls.filter.port), answer('dunno.test', 'DUNNO')]
        return tuple(groups) + ({'from': 'sender:shadow.test', 'shadow': True},)

    def rcpt(self, sender, address=None):
        return self.postfix.rcpt(address or self.address, 'someone@' + sender)

    def send(self, action, *more):
        return self.postfix.send(self.address, *more, sender='someone@%s.test' % action)

    # -- said to the client ----------------------------------------------------

    def test_refused_and_deferred(self):
        for name, (code, status) in TOLD_TO_CLIENT.items():
            for sender, text in (name + '.test', USUAL), (name + '.own.test', TOLD):
                with self.subTest(sender):
                    got, said = self.rcpt(sender)
                    self.assertEqual(got, code, said)
                    self.assertEqual(said, '%s <%s>: Recipient address rejected: %s' % (status, self.address, text))
                    logged = name if 'code' not in name else 'reject' if code > 499 else 'defer'
                    self.policyd.wait_log(['action=%s ' % logged, 'sender=<someone@%s>' % sender, 'reason=recipient.unknown', 'status=hard'])

    def test_another_category_has_another_status(self):
        self.entry(self.address, reason='mailbox.full')
        self.assertEqual(self.rcpt('reject.test')[1][:6], '5.2.2 ')
        self.assertEqual(self.rcpt('code-452.test')[1][:6], '4.2.2 ')

    def test_deferred_unless_refused_behind(self):
        code, said = self.rcpt('defer-if-permit.test', 'behind@nixie.test')
        self.assertEqual((code, said[:5]), (553, '5.7.9'), said)

    def test_deferred_where_it_would_be_refused_behind(self):
        for sender, text in ('defer-if-reject.test', USUAL), ('defer-if-reject.own.test', TOLD):
            self.assertEqual(self.rcpt(sender)[0], 250)
            code, said = self.rcpt(sender, 'behind@nixie.test')
            self.assertEqual((code, said[:6]), (450, '4.1.1 '), said)
            self.assertIn(text, said)

    def test_dunno(self):
        self.assertEqual(self.rcpt('dunno.test')[0], 250)
        self.send('dunno')
        self.wait_arrived(self.address)

    def test_nothing_is_accepted_over_the_head_of_what_is_behind(self):
        names = list(WORDS) + list(WORKS) + ['filter', 'dunno', 'shadow']
        for name in names:
            if name in ('hold', 'discard', 'redirect', 'filter', 'bcc', 'prepend'):
                self.assertEqual(self.rcpt(name + '.test')[0], 250, name)   # they are done, and go on
            with self.subTest(name):
                code, said = self.rcpt(name + '.test', 'behind@nixie.test')
                # discard ends the list: the client is told nothing, and nothing arrives
                self.assertTrue(code >= 400 or name == 'discard', '%d %s' % (code, said))
        self.assertEqual(self.arrived('behind@nixie.test'), [])

    def test_one_recipient_is_refused_and_the_others_are_not(self):
        for name in TOLD_TO_CLIENT:
            with self.subTest(name), self.postfix.client() as c:
                c.ehlo()
                c.mail('someone@%s.test' % name)
                self.assertEqual(c.rcpt('one@nixie.test')[0], 250)
                self.assertGreaterEqual(c.rcpt(self.address)[0], 400)
                self.assertEqual(c.rcpt('two@nixie.test')[0], 250) # 421 would have ended it
                self.assertEqual(c.data(b'Subject: x\r\n\r\nx\r\n')[0], 250)

    def test_every_reply_is_a_whole_line(self):
        """A word, for a code or class a status of its class, and a text: no reply is permission, or broken."""
        heads = {'reject': 'REJECT 5', 'defer': 'DEFER 4', 'defer-if-permit': 'DEFER_IF_PERMIT 4', 'defer-if-reject': 'DEFER_IF_REJECT 4',
                 'code-551': '551 5', 'code-599': '599 5', 'code-452': '452 4', 'hold': 'HOLD', 'discard': 'DISCARD', 'warn': 'WARN', 'info': 'INFO'}
        shapes = {name: head + (r'\.\d\.\d ' if head[-1].isdigit() else ' ') + MARK + '.+' for name, head in heads.items()}
        shapes.update({name: r'%s \S.*' % name.upper() for name in list(WORKS) + ['filter']})
        self.assertEqual(set(shapes), set(WORDS) | set(WORKS) | {'filter'})
        with self.site.policy_client() as c:
            for name, shape in shapes.items():
                for status in 'soft', 'held', 'hard', 'complaint', 'manual':
                    for reason in 'recipient.unknown', 'mailbox.full', 'dns.no-mx', 'complaint', 'no-such-category':
                        with self.subTest('%s %s %s' % (name, status, reason)):
                            self.entry(self.address, status=status, reason=reason)
                            c.send(request(self.address, sender='x@%s.test' % name))
                            self.assertRegex(c.action(), '^%s$' % shape)    # one line of at most 500 bytes: action() sees to that

    # -- the whole message -----------------------------------------------------

    def test_hold(self):
        qid = self.send('hold')
        self.postfix.wait_log(': hold: RCPT', self.address, USUAL)
        self.marker()
        self.assertTrue(os.path.exists(os.path.join(self.postfix.spool, 'hold', qid)))
        self.assertEqual(self.arrived(self.address), [])
        self.postfix.postsuper('-H', qid)
        self.postfix.flush()
        self.wait_arrived(self.address)

    def test_hold_is_of_the_whole_message(self):
        qid = self.send('hold', 'innocent-hold@nixie.test')
        self.marker()
        self.assertTrue(os.path.exists(os.path.join(self.postfix.spool, 'hold', qid)))
        self.assertEqual(self.arrived('innocent-hold@nixie.test'), [])
        self.postfix.postsuper('-d', qid)

    def test_discard(self):
        self.send('discard')
        self.postfix.wait_log(': discard: RCPT', self.address, USUAL)
        self.marker()
        self.assertEqual(self.arrived(self.address), [])
        self.assertNotIn('to=<%s>, relay' % self.address, self.postfix.log())

    def test_redirect(self):
        self.send('redirect')
        self.wait_arrived('dead-letters@nixie.test')
        self.marker()
        self.assertEqual(self.arrived(self.address), [])
        self.postfix.wait_log(': redirect: RCPT', self.address, 'dead-letters@nixie.test')

    def test_filter(self):
        self.send('filter')
        self.wait_arrived(self.address, self.filtered)
        self.assertEqual(self.arrived(self.address), [])
        self.postfix.wait_log(': filter: RCPT', self.address, 'smtp:[127.0.0.1]:%d' % self.filter.port)

    def test_bcc(self):
        self.send('bcc')
        self.wait_arrived('copy@nixie.test')
        self.wait_arrived(self.address)

    def test_prepend(self):
        self.entry(self.address, status='held', reason='mailbox.full', until=4102444800)
        self.send('prepend')
        self.assertIn('\nX-Nixie: held mailbox.full since 2023-11-14 until 2100-01-01', '\n' + self.wait_arrived(self.address).replace('\r', ''))

    # -- the log ---------------------------------------------------------------

    def test_warn_and_info(self):
        for name in 'warn', 'info':
            self.send(name)
            self.postfix.wait_log(': %s: RCPT' % name, self.address, USUAL)
            self.assertEqual(self.rcpt(name + '.own.test')[0], 250)
            self.postfix.wait_log(': %s: RCPT' % name, self.address, TOLD)
        wait_until(lambda: len(self.arrived(self.address)) == 2, 'both of them')

    # -- the shadow, and what the operator sees --------------------------------

    def test_shadow_of_a_scope(self):
        code, said = self.rcpt('shadow.test')
        self.assertEqual(code, 250, said)
        self.policyd.wait_log(['action=would-reject', self.address, 'sender=<someone@shadow.test>'])
        self.assertEqual(self.rcpt('other.test')[0], 550)

    def test_check_shows_what_is_answered(self):
        for sender, action, shadow in (('reject.test', 'REJECT 5.1.1 ' + USUAL, None), ('shadow.test', 'DUNNO', '550 5.1.1 ' + USUAL),
                                       ('redirect.test', 'REDIRECT dead-letters@nixie.test', None), ('dunno.test', 'DUNNO', None)):
            with self.subTest(sender):
                known = json.loads(self.site.ctl_ok('check', '--json', '--sender', 'x@' + sender, self.address))
                self.assertEqual((known['action'], known.get('shadow')), (action, shadow))
                self.assertEqual(self.site.ask(self.address, sender='x@' + sender), action)
                shown = self.site.ctl_ok('check', '--sender', 'x@' + sender, self.address)
                self.assertIn('  policyd   %s\n' % action, shown)
                self.assertEqual('  shadow    %s\n' % shadow in shown, shadow is not None)

    # -- nobody's bounce -------------------------------------------------------

    def test_our_refusals_count_against_nobody(self):
        """Neither in the log of the host that asked nixie, nor of one that was refused by it."""
        for name in list(WORDS) + list(WORKS) + ['filter']:
            self.rcpt(name + '.test')
            self.rcpt(name + '.test', 'behind@nixie.test')
        for n, name in enumerate(TOLD_TO_CLIENT):
            code, said = self.rcpt(name + '.own.test')
            victim = 'refused-%d@nixie.test' % n
            self.sink.at_rcpt[victim] = '%d %s' % (code, said)
            self.postfix.send(victim)
            self.postfix.wait_log('to=<%s>' % victim, MARK, 'status=' + ('bounced' if code > 499 else 'deferred'))
        self.postfix.postsuper('-d', 'ALL')
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, 0, done.stderr)
        counters = self.site.counters()
        self.assertGreater(counters['delivered'], 0)
        self.assertEqual({k: v for k, v in counters.items() if k in ('hard', 'soft', 'hard-as-soft')}, {})
        self.assertIsNone(self.site.check('refused-0@nixie.test'))


class Longest(Postfixed):
    """As long as a text may be, with all that it tells as long as that can be, Postfix tells it to its end."""

    FACTS = '${category}${status}${since}${until}${token}${scope}'

    def filled(self, room):
        return self.FACTS + 'x' * (room - 3) + 'END'

    def room(self):
        """How much text there may be beside all facts: what nixie-policyd -t takes."""
        low, high = 3, 1000
        while low + 1 < high:
            middle = (low + high) // 2
            self.site.write_conf(policyd={'answers': (answer('long.test', 'DEFER_IF_PERMIT', self.filled(middle)),)})
            done = run('nixie-policyd', '-t', '-c', self.site.conf_path)
            low, high = (middle, high) if done.returncode == 0 else (low, middle)
            if done.returncode:
                self.assertEqual(done.returncode, BAD_CONFIG)
                self.assertIn('a reply has room for', done.stderr)
        return low

    def test_longest_texts(self):
        # the longest of every fact, together: of a domain
        self.redis.command('DEL', 'nixie:{0}:addr:' + self.address)
        self.entry('long.nixie.test', 'domain', status='held', reason='blocked.reputation', until=4102444800,
                   token='576460752303423487-576460752303423487-1023')
        self.postfix.set(transport_maps='inline:{ { nixie.test = smtp:[127.0.0.1]:%d }, { long.nixie.test = smtp:[127.0.0.1]:%d } }' % (
            self.sink.port, self.sink.port))
        address = 'someone@long.nixie.test'
        text = self.filled(self.room())
        for action in list(WORDS.values()) + ['PREPEND']:
            with self.subTest(action):
                self.reload(answers=(answer('long.test', action, ('X-A: ' if action == 'PREPEND' else '') + text[:-3 - 5 * (action == 'PREPEND')] + 'END'),))
                with self.site.policy_client() as c:
                    c.send(request(address, sender='news@long.test'))
                    said = c.action()       # which must be one line, of at most 500 bytes with its action=
                self.assertTrue(said.endswith('END'), said)
                self.assertIn('blocked.reputation', said)
                code, answered = self.postfix.rcpt(address, 'news@long.test')
                if str(action) in ('DEFER_IF_REJECT', 'HOLD', 'DISCARD', 'WARN', 'INFO', 'PREPEND'):
                    self.assertEqual(code, 250, answered)
                else:
                    self.assertGreaterEqual(code, 450)
                    self.assertTrue(answered.endswith('END'), answered)
                    self.assertEqual(answered.count('\n'), 0)
        for word in 'hold', 'discard', 'warn', 'info':
            self.assertIn('xxxEND; from=<news@long.test>', self.postfix.wait_log(': %s: RCPT' % word, address)[0])


class Rollout(Postfixed):
    """Category by category, and what a reload does."""

    def test_by_category(self):
        self.entry('full@nixie.test', reason='mailbox.full')
        self.reload(answers=({'category': 'recipient.unknown', 'shadow': False}, {'shadow': True}))
        self.assertEqual(self.postfix.rcpt(self.address)[0], 550)
        self.assertEqual(self.postfix.rcpt('full@nixie.test')[0], 250)
        self.policyd.wait_log(['action=would-reject', 'full@nixie.test'])
        self.reload(answers=({'category': ['recipient.unknown', 'mailbox.full'], 'shadow': False}, {'shadow': True}))
        self.assertEqual(self.postfix.rcpt('full@nixie.test')[0], 550)

    def test_a_group_stays_out_of_the_shadow(self):
        self.site.ctl_ok('suppress', 'asked@nixie.test')
        self.reload(shadow=True, answers=({'status': 'manual', 'shadow': False},))
        self.assertEqual(self.postfix.rcpt('asked@nixie.test')[0], 550)
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)

    def test_soft(self):
        self.entry(self.address, status='soft', reason='mailbox.full')
        self.reload()
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)
        self.reload(answers=({'status': 'soft', 'category': 'mailbox.full', 'action': 'DEFER'},))
        code, said = self.postfix.rcpt(self.address)
        self.assertEqual((code, said[:6]), (450, '4.2.2 '), said)

    def test_parole_and_another_answer_for_the_others(self):
        now = int(time.time())
        self.entry(self.address, status='held', reason='mailbox.full', since=now - 1000, until=now - 10)
        self.reload(answers=({'status': 'held', 'action': 'DEFER'},))
        self.assertEqual(self.postfix.rcpt(self.address)[0], 250)      # the one that shows it
        code, said = self.postfix.rcpt(self.address)
        self.assertEqual(code, 450, said)
        self.assertIn('awaiting the fate of another message', said)
        self.policyd.wait_log(['action=defer', self.address])

    def test_in_the_shadow_all_may_pass_after_the_term(self):
        now = int(time.time())
        self.entry(self.address, status='held', reason='mailbox.full', since=now - 1000, until=now - 10)
        self.reload(answers=({'status': 'held', 'shadow': True},))
        for n in range(3):
            self.assertDunno(self.site.ask(self.address, instance='shadow.%d' % n))
        self.assertIsNone(self.redis.command('HGET', 'nixie:{0}:addr:' + self.address, 'parole'))

    def test_a_reload_with_an_error_changes_nothing(self):
        self.reload(answers=({'action': '551'},))
        self.assertEqual(self.postfix.rcpt(self.address)[0], 551)
        self.site.write_conf(policyd={'answers': ({'action': 'OK'},)})
        self.policyd.send_signal(signal.SIGHUP)
        self.policyd.wait_log(['reload refused', 'write "DUNNO"'])
        self.assertEqual(self.postfix.rcpt(self.address)[0], 551)
        self.site.write_conf()


class EximActions(SharedCase):
    """What contrib/exim/nixie-acl.conf makes of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Sink()
        cls.addClassCleanup(cls.sink.stop)
        cls.exim = Exim(cls.directory, cls.site.policy_path, cls.sink.port)
        cls.addClassCleanup(cls.exim.stop)
        cls.site.options['policyd']['answers'] = tuple(answer(name + '.test', action) for name, action in WORDS.items())
        cls.site.write_conf()
        cls.policyd = cls.site.policyd()
        cls.exim.start()
        cls.site.ctl_ok('suppress', 'gone@nixie.test')

    def test_refused_and_deferred(self):
        for name in 'reject', 'code-551', 'code-599':
            code, said = self.exim.rcpt('gone@nixie.test', sender='x@%s.test' % name)
            self.assertEqual(code, int(name[5:]) if 'code' in name else 550, said)
            self.assertIn('5.7.1 ' + MARK.strip(), said)
        for name in 'defer', 'defer-if-permit', 'code-452':
            code, said = self.exim.rcpt('gone@nixie.test', sender='x@%s.test' % name)
            self.assertEqual(code, 451, said)
            self.assertIn('4.7.1 ' + MARK.strip(), said)

    def test_the_others_let_it_pass(self):
        for name in 'defer-if-reject', 'hold', 'warn', 'info':
            self.assertEqual(self.exim.rcpt('gone@nixie.test', sender='x@%s.test' % name)[0], 250, name)

    def test_discard_takes_one_recipient(self):
        self.exim.send('gone@nixie.test', 'fine@nixie.test', sender='x@discard.test')
        self.exim.wait_log('=> fine@nixie.test')
        self.exim.wait_log('RCPT <gone@nixie.test>: discarded', MARK)
        self.assertEqual(self.sink.delivered, [('x@discard.test', 'fine@nixie.test')])


class Refused(Case):
    """What Postfix would take for permission, or not at all, no program starts with."""

    def test_refused(self):
        site = self.make_site()
        for action, word in (('OK', 'DUNNO'), ('RELAY', 'DUNNO'), ('PERMIT', 'DUNNO'), ('250', 'DUNNO'), ('', 'one of'), ('421', '450'), ('521', '550'),
                             ('REDIRECT', 'an address'), ('PREPEND', 'a header'), ('FILTER', 'transport:destination'), ('550 ', 'one of'), ('X', 'one of')):
            with self.subTest(action):
                site.write_conf(policyd={'answers': ({'action': action},)})
                for program, args in ('nixie-policyd', ('-t',)), ('nixie', ('check', 'a@example.com')):
                    done = run(program, '-c', site.conf_path, *args)
                    self.assertEqual(done.returncode, BAD_CONFIG, done.stderr)
                    self.assertRegex(done.stderr, re.escape(site.conf_path) + r':\d+: .*' + re.escape(word))
