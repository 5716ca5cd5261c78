"""Whole domains, and decisions that hold for some senders only."""
import json

from harness.case import SharedCase
from harness.maillog import delivered, hard
from harness.nixie import NOT_FOUND, OK, USAGE, run


class Scopes(SharedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(cls.site.log_path, 'w') as f:
            f.write(hard('dead@allowed.example') + hard('dead@example.com') + delivered('fine@example.com'))
        cls.site.logtail('--once')
        cls.site.policyd()

    def ctl(self, *args, status=OK):
        done = self.site.ctl(*args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def known(self, *args, status=OK):
        return json.loads(self.ctl('check', '--json', *args, status=status).splitlines()[0])

    # -- domains ---------------------------------------------------------------------

    def test_a_domain_suppressed(self):
        self.assertDunno(self.site.ask('anybody@closed.example'))
        self.ctl('suppress', '@Closed.Example', '--reason', 'their lawyer wrote')
        self.assertSuppressed(self.site.ask('anybody@closed.example'), '5.7.1', 'do-not-mail (the whole domain)')
        self.assertDunno(self.site.ask('anybody@sub.closed.example'))
        self.assertEqual(self.known('anybody@closed.example', status=NOT_FOUND)['decided-by'], 'domain')
        self.assertIn('whole domain is manual', self.ctl('check', 'anybody@closed.example', status=NOT_FOUND))
        self.ctl('reset', '@closed.example', status=USAGE)
        self.ctl('reset', '--force', '@closed.example')
        self.assertDunno(self.site.ask('anybody@closed.example'))

    def test_a_domain_for_a_time(self):
        self.ctl('suppress', '--for', '2 days', '@pause.example')
        self.assertRegex(self.site.ask('u@pause.example'), r'whole domain\) since \S+ until ')
        self.assertEqual(self.redis_hash('nixie:{0}:domain:pause.example')['status'], 'held')

    def test_an_allowed_domain(self):
        self.assertSuppressed(self.site.ask('dead@allowed.example'), 'recipient.unknown')
        self.ctl('allow', '@allowed.example')
        self.assertDunno(self.site.ask('dead@allowed.example'))
        self.ctl('suppress', 'asked@allowed.example')
        self.assertSuppressed(self.site.ask('asked@allowed.example'), 'do-not-mail')
        self.ctl('remove', '@allowed.example')
        self.assertSuppressed(self.site.ask('dead@allowed.example'), 'recipient.unknown')

    def test_a_domain_in_unicode(self):
        self.ctl('suppress', '@b\u00fccher.example')
        self.assertSuppressed(self.site.ask('u@xn--bcher-kva.example'), 'do-not-mail')

    def test_no_domain(self):
        self.ctl('suppress', '@', status=USAGE)
        self.ctl('suppress', '@a@b.example', status=USAGE)

    # -- scopes ----------------------------------------------------------------------

    def redis_hash(self, key):
        return self.site.redis.hgetall(key)

    def test_for_one_sender(self):
        self.ctl('suppress', '--scope', 'sender:shop.example', 'reader@example.com')
        self.assertSuppressed(self.site.ask('reader@example.com', sender='news@Shop.Example'), '5.7.1', 'do-not-mail for this sender')
        self.assertDunno(self.site.ask('reader@example.com', sender='friend@example.net'))
        text = self.ctl('check', 'reader@example.com')
        self.assertIn('do-not-mail for sender shop.example', text)
        known = self.known('reader@example.com')
        self.assertEqual((known['status'], known['action'], known['scopes'].split('=')[0]), ('none', 'DUNNO', 'sender:shop.example'))
        self.assertEqual(sorted(set(known) & {'reason', 'origin', 'code', 'since', 'count'}), [])
        self.assertEqual((self.known('dead@example.com')['reason'], self.known('dead@example.com')['origin']), ('recipient.unknown', 'log'))
        self.assertIn('for this sender', self.known('--sender', 'shop.example', 'reader@example.com')['action'])

    def test_for_a_login_and_a_context(self):
        self.ctl('suppress', '--scope', 'login:bulk one', '--scope', 'login:bulk one', 'two@example.com')
        self.ctl('suppress', '--scope', 'context:promo', 'two@example.com')
        self.assertSuppressed(self.site.ask('two@example.com', sasl_username='bulk one'), 'for this login')
        self.assertSuppressed(self.site.ask('two@example.com', policy_context='promo'), 'for this context')
        self.assertDunno(self.site.ask('two@example.com', sasl_username='bulk two'))
        self.ctl('reset', '--scope', 'login:bulk one', 'two@example.com', status=USAGE)
        self.ctl('reset', '--scope', 'login:bulk one', '--force', 'two@example.com')
        self.assertDunno(self.site.ask('two@example.com', sasl_username='bulk one'))
        self.ctl('reset', '--scope', 'login:bulk one', '--force', 'two@example.com', status=NOT_FOUND)

    def test_a_scope_outlives_failures_and_deliveries(self):
        self.ctl('suppress', '--scope', 'sender:shop.example', 'stays@example.com')
        for text in hard('stays@example.com'), delivered('stays@example.com'):
            with open(self.site.log_path, 'a') as f:
                f.write(text)
            done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertSuppressed(self.site.ask('stays@example.com', sender='x@shop.example'), 'for this sender')
        self.ctl('reset', 'stays@example.com')
        self.assertDunno(self.site.ask('stays@example.com'))
        self.assertSuppressed(self.site.ask('stays@example.com', sender='x@shop.example'), 'for this sender')
        self.ctl('remove', 'stays@example.com', status=USAGE)
        self.ctl('remove', '--force', 'stays@example.com')
        self.assertEqual(self.redis_hash('nixie:{0}:addr:stays@example.com'), {})

    def test_a_removed_one_comes_back(self):
        self.ctl('suppress', '--scope', 'sender:shop.example', 'only@example.com')
        self.ctl('suppress', '--scope', 'login:bulk', 'both@example.com')
        self.ctl('suppress', 'both@example.com')
        text = self.ctl('remove', '--force', 'only@example.com', 'both@example.com')
        self.ctl('suppress', '--scope', 'context:promo', 'both@example.com')
        self.ctl('undo', '--batch', text.split('--batch ')[1].split()[0])
        self.assertSuppressed(self.site.ask('only@example.com', sender='x@shop.example'), 'for this sender')
        self.assertDunno(self.site.ask('only@example.com'))
        self.assertEqual(self.known('both@example.com')['status'], 'manual')
        self.ctl('reset', '--force', 'both@example.com')
        self.assertSuppressed(self.site.ask('both@example.com', sasl_username='bulk'), 'for this login')
        self.assertSuppressed(self.site.ask('both@example.com', policy_context='promo'), 'for this context')

    def test_one_that_was_taken_away_stays_so(self):
        self.ctl('suppress', '--scope', 'login:bulk', 'free@example.com')
        self.ctl('suppress', 'free@example.com')
        text = self.ctl('reset', '--force', 'free@example.com')
        self.ctl('reset', '--force', '--scope', 'login:bulk', 'free@example.com')
        self.ctl('undo', '--batch', text.split('--batch ')[1].split()[0])
        self.ctl('reset', '--force', 'free@example.com')
        self.assertDunno(self.site.ask('free@example.com', sasl_username='bulk'))

    def test_the_journal_tells_the_scope(self):
        self.ctl('suppress', '--scope', 'sender:shop.example', '--reason', 'asked by phone', 'told@example.com')
        token = self.known('told@example.com')['token']
        text = self.ctl('token', token)
        for word in 'sender:shop.example', 'asked by phone', 'manual':
            self.assertIn(word, text)

    def test_refused(self):
        self.ctl('suppress', '--scope', 'from:x', 'r@example.com', status=USAGE)
        self.ctl('suppress', '--scope', 'sender:a@shop.example', 'r@example.com', status=USAGE)
        self.ctl('suppress', '--hard', '--scope', 'sender:shop.example', 'r@example.com', status=USAGE)
        self.ctl('suppress', '--scope', 'sender:shop.example', 'some@example.com')
        done = self.site.ctl('reset', 'some@example.com')
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertIn('it is suppressed for some senders only; use --scope sender:shop.example', done.stderr)
        self.ctl('allow', '--scope', 'sender:shop.example', 'r@example.com', status=USAGE)
