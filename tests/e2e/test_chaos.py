"""A short `make chaos`: readers and Redis are killed, torn, frozen, replaced; everything counts once."""
import os
import random
import sys
import time

from harness.case import Case
from harness.nixie import REPOSITORY

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

import chaos    # noqa: E402
from compare import Comparison      # noqa: E402
from traffic import Host            # noqa: E402

KILLS = 12


class Short(Case):
    def test_everything_counts_once(self):
        seed = '%d' % random.SystemRandom().randrange(1000000)
        said = ['seed %s' % seed]
        run = chaos.Chaos(self.directory, KILLS, seed, messages=300)
        run.patience_s = 0.8
        try:
            comparison = run.run()
        except AssertionError as e:
            raise AssertionError('seed %s: %s' % (seed, e)) from None
        chaos.tell(run, comparison, said.append)
        self.assertGreater(comparison.compared, 1000, said)
        self.assertTrue(chaos.good(comparison), '\n'.join(said))


class Judge(Case):
    """The comparison itself: what it must not overlook."""
    WANT = {'day:20261101': {'delivered': '5', 'soft': '2'}, 'suppressed': {'a@example.com': '17'},
            'addr:a@example.com': {'status': 'hard', 'count': '1'}, 'pend:mx1/postfix/A': {'arrival': '7'},
            'hist:a@example.com': {('time', '1'): 1}, 'journal': {('address', 'a@example.com', 'to', 'hard'): 1}}

    def judge(self, **changes):
        got = {key: dict(fields) for key, fields in self.WANT.items()}
        for key, (name, field, value) in changes.items():
            if value is None:
                del got[name][field]
            else:
                got[name][field] = value
        return Comparison({key: dict(fields) for key, fields in self.WANT.items()}, got)

    def test_the_same(self):
        found = self.judge()
        self.assertTrue(found)
        self.assertEqual((found.lost, found.doubled), (0, 0))

    def test_lost(self):
        for change in (('day:20261101', 'delivered', '4'), ('day:20261101', 'soft', None), ('suppressed', 'a@example.com', None),
                       ('pend:mx1/postfix/A', 'arrival', None), ('hist:a@example.com', ('time', '1'), None),
                       ('journal', ('address', 'a@example.com', 'to', 'hard'), None)):
            with self.subTest(change[0]):
                found = self.judge(x=change)
                self.assertFalse(found)
                self.assertEqual((found.lost, found.doubled), (1, 0))

    def test_doubled(self):
        for change in (('day:20261101', 'delivered', '6'), ('hist:a@example.com', ('time', '1'), 2),
                       ('suppressed', 'b@example.com', '3'), ('journal', ('address', 'b@example.com', 'to', 'hard'), 1)):
            with self.subTest(change[0]):
                found = self.judge(x=change)
                self.assertFalse(found)
                self.assertEqual((found.lost, found.doubled), (0, 1))

    def test_a_repeated_transition_is_told_only(self):
        found = self.judge(x=('journal', ('address', 'a@example.com', 'to', 'hard'), 2))
        self.assertTrue(found)
        self.assertEqual(found.repeated, 1)

    def test_the_same_seed_gives_the_same_log(self):
        now = time.time()
        logs = [''.join(Host(seed, 'mx1', 0, 200, now).lines()) for seed in (1, 1, 2)]
        self.assertEqual(logs[0], logs[1])
        self.assertNotEqual(logs[0], logs[2])
        for words in ('status=deferred', 'status=expired', 'mailbox full', 'no MXs', 'from=<>', 'status=undeliverable'):
            self.assertIn(words, logs[0])
