"""nixie undo: what failures or a batch did, taken back from the journal."""
import json
import time

from harness.case import Case
from harness.maillog import Message, delivered, full, hard
from harness.nixie import NOT_FOUND, OK, USAGE, run
from harness.terminal import Session

DAY = 86400
UNKNOWN = '550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table'


class Undo(Case):
    """A provider says 'unknown' of its readers for three hours, a day ago."""

    def setUp(self):
        super().setUp()
        self.site = self.with_redis()
        self.bad = time.time() - DAY
        self.readers = ['reader%d@provider.example' % i for i in range(4)]
        self.read(full('reader0@provider.example', when=self.bad - 10 * DAY)
                  + hard('dead@provider.example', when=self.bad - DAY)
                  + ''.join(self.unknown(a, self.bad + i * 600) for i, a in enumerate(self.readers))
                  + hard('dead@other.example', when=self.bad + 60))

    def unknown(self, address, when):
        m = Message(when=when)
        return m.begin() + m.bounced(address, UNKNOWN) + m.removed()

    def read(self, text):
        with open(self.site.log_path, 'a') as f:
            f.write(text)
        done = run('nixie-logtail', '-f', '-c', self.site.conf_path, '--once')
        self.assertEqual(done.returncode, OK, done.stderr)

    def undo(self, *args, status=OK):
        done = self.site.ctl('undo', *args)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def span(self):
        stamp = lambda t: time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(t))
        return ['--since', stamp(self.bad - 60), '--until', stamp(self.bad + 3 * 3600), '--domain', 'provider.example']

    def status(self, address):
        return (self.site.check(address) or {}).get('status')

    def test_dry_run_changes_nothing(self):
        text = self.undo('--dry-run', *self.span())
        self.assertIn('4 addresses would be what they were', text)
        self.assertEqual(self.status('reader1@provider.example'), 'hard')

    def test_what_it_was_before(self):
        self.undo(*self.span())
        for address in self.readers[1:]:
            self.assertIsNone(self.status(address), address)
        # it was soft, full
        known = self.site.check('reader0@provider.example')
        self.assertEqual((known['status'], known['reason'], str(known['count'])), ('soft', 'mailbox.full', '1'))
        # another time, another domain
        self.assertEqual(self.status('dead@provider.example'), 'hard')
        self.assertEqual(self.status('dead@other.example'), 'hard')
        self.assertEqual(sorted(self.redis.command('ZRANGE', 'nixie:{0}:suppressed', '0', '-1')),
                         ['dead@other.example', 'dead@provider.example'])

    def test_an_undo_can_be_undone(self):
        text = self.undo(*self.span())
        batch = text.split('--batch ')[1].split()[0]
        self.undo('--batch', batch)
        for address in self.readers:
            self.assertEqual(self.status(address), 'hard')
        self.assertEqual(self.site.check('reader1@provider.example')['reason'], 'recipient.unknown')

    def test_a_bulk_reset_is_a_batch(self):
        self.site.ctl_ok('suppress', '--manual', 'kept@provider.example')
        text = self.site.ctl_ok('reset', *self.readers[1:])
        for address in self.readers[1:]:
            self.assertIsNone(self.status(address), address)
        self.undo('--batch', text.split('--batch ')[1].split()[0])
        for address in self.readers[1:]:
            self.assertEqual(self.status(address), 'hard', address)
        self.assertEqual(self.status('kept@provider.example'), 'manual')

    def test_what_changed_for_other_reasons_stays(self):
        self.site.ctl_ok('suppress', 'reader1@provider.example')
        self.site.ctl_ok('reset', 'reader2@provider.example')
        self.assertIn('2 left alone', self.undo(*self.span()))
        self.assertEqual(self.status('reader1@provider.example'), 'manual')
        self.assertIsNone(self.status('reader3@provider.example'))

    def test_a_span_is_so_long_ago(self):
        # the bad ones came within three hours, a day ago
        self.assertIn('5 addresses would be what they were', self.undo('--dry-run', '--since', '25 hours'))
        text = self.undo('--dry-run', '--until', '36 hours', '--domain', 'provider.example')
        self.assertIn('1 address would be what they were', text)
        self.assertIn('dead@provider.example', text)
        self.undo('--since', '12h', status=NOT_FOUND)

    def test_by_rule(self):
        rule = self.site.check('reader1@provider.example')['rule']
        self.assertIn('6 addresses restored', self.undo('--rule', rule))
        self.assertIsNone(self.status('dead@other.example'))

    def test_by_provider(self):
        self.undo('--provider', 'google', status=NOT_FOUND)

    def test_many_need_yes(self):
        self.read(''.join(self.unknown('more%d@provider.example' % i, self.bad + i) for i in range(20)))
        self.assertIn('--yes', self.undo(*self.span(), status=USAGE))
        self.assertEqual(self.status('more1@provider.example'), 'hard')
        self.assertIn('24 addresses restored', self.undo('--yes', *self.span()))
        self.assertIsNone(self.status('more1@provider.example'))

    def test_what_changes_during_the_question_stays(self):
        names = ['asked%d@example.com' % i for i in range(12)]
        self.site.ctl_ok('suppress', '--hard', '--yes', *names)
        text = self.site.ctl_ok('suppress', '--yes', *names)
        session = Session(self.site, 'undo', '--batch', text.split('--batch ')[1].split()[0])
        self.addCleanup(session.close)
        session.wait_main('[y/N]')
        self.site.ctl_ok('reset', '--force', names[0])
        self.site.ctl_ok('suppress', '--reason', 'asked again', names[1])
        session.type('y\n')
        self.assertEqual(session.end(), OK)
        self.assertIn('10 addresses restored; 2 left alone', session.sequences)
        self.assertEqual([self.status(a) for a in names[:3]], [None, 'manual', 'hard'])

    def test_a_conversion_does_not_come_back_at_once(self):
        when = self.bad - 20 * DAY
        self.read(full('box@held.example', when=when) + full('box@held.example', when=when + 4 * DAY))
        self.assertEqual(self.status('box@held.example'), 'held')
        self.undo('--domain', 'held.example')
        self.assertIsNone(self.status('box@held.example'))
        self.read(full('box@held.example', when=self.bad))
        self.assertEqual(self.status('box@held.example'), 'soft')

    def test_json(self):
        rows = [json.loads(line) for line in self.undo('--json', *self.span()).splitlines()]
        self.assertEqual({r['address'] for r in rows}, set(self.readers))
        self.assertEqual({r['result'] for r in rows}, {'undone'})

    def test_a_delivery_after_it_stays(self):
        self.read(delivered('reader3@provider.example', when=self.bad + 7200))
        self.undo(*self.span())
        self.assertIsNone(self.status('reader3@provider.example'))

    def test_usage(self):
        self.undo(status=USAGE)
        self.undo('--since', 'yesterday', status=USAGE)
        self.undo('--batch', 'none', status=NOT_FOUND)
