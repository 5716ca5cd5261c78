"""A short `make fault`: Redis suffers; every question is answered in time, nobody is refused by mistake."""
import os
import sys
import unittest
import unittest.mock

from harness.between import PASS, WRONG, Between
from harness.case import Case
from harness.load import Answer
from harness.nixie import REPOSITORY, Site
from harness.peace import PartitionedSite
from harness.postfix import Postfix
from harness.proc import wait_until

sys.path.append(os.path.join(REPOSITORY, 'tests', 'fault'))

import policy_faults    # noqa: E402

# On a busy machine; what hangs, hangs for longer.
SLACK_S = 15.0


class Faults(Case):
    at_a_time = 3

    def make(self, directory, stage):
        site = PartitionedSite(directory, stage, stage.partitions) if stage.partitions > 1 else Site(directory, stage)
        self.addCleanup(site.stop)
        return site

    def survive(self, name, seconds=1.5):
        run = policy_faults.Run(name, self.directory, self.make, seconds, rate=400, connections=30).run()
        self.assertGreater(len(run.during()), policy_faults.ENOUGH // 2)
        self.assertEqual(run.problems(SLACK_S), [])
        return run

    def test_stopped(self):
        self.survive('stopped')

    def test_paused(self):
        run = self.survive('paused')
        self.assertTrue(run.during(policy_faults.NEW))

    def test_killed(self):
        self.survive('killed')

    def test_fail_over(self):
        self.survive('fail-over')

    def test_master_of_a_cluster_killed(self):
        self.survive('cluster')

    def test_out_of_memory(self):
        self.survive('out-of-memory')

    def test_read_only(self):
        self.survive('read-only')

    def test_wrong_type(self):
        self.survive('wrong-type')

    def test_silent(self):
        self.survive('silent')

    def test_half_an_answer(self):
        self.survive('half')

    def test_garbage(self):
        self.survive('garbage')

    def test_wrong_replies(self):
        self.survive('wrong-replies')

    def test_closing(self):
        self.survive('closing')

    def test_slow(self):
        self.survive('slow')

    def test_too_slow(self):
        self.survive('too-slow')

    def test_black_hole(self):
        self.survive('black-hole')


class Judged(unittest.TestCase):
    """Who may pass: a machine that stands still is no fault of the service."""

    def passed(self, *answers):
        run = policy_faults.Run('slow', self.id(), None)
        run.begun, run.load = 100.0, unittest.mock.Mock(answers=[Answer(sent, took, kind, 'a@example.com', action) for sent, took, kind, action in answers])
        return [run._may_pass(a) for a in run.load.answers if a.kind != 'new' and not policy_faults.refused(a)]

    def test_while_a_server_hangs(self):
        late, soon = (10.0, 0.25, 'new', 'DUNNO'), [(10.5 + n / 2, 0.001, 'cold', 'DUNNO') for n in range(8)]
        self.assertEqual(self.passed(late, *soon), [True] * 8)
        self.assertEqual(self.passed(*soon), [False] * 8)
        self.assertEqual(self.passed(late, (11.5, 0.001, 'cold', 'DUNNO')), [False])
        self.assertEqual(self.passed(late, *((10.5 + n / 2, 0.001, 'cold', '550 5.1.1 no') for n in range(8)), soon[-1]), [False])
        self.assertEqual(self.passed(late, *((sent, took, 'gone', 'DUNNO') for sent, took, *_ in soon)), [False] * 8)


class NoEntries(Case):
    """What is no answer to HGETALL says nothing of an address: who is known stays what he is."""
    REPLIES = (b'*-1\r\n', b'*2\r\n*2\r\n$6\r\nstatus\r\n$4\r\nhard\r\n*0\r\n', b'*2\r\n$0\r\n\r\n$0\r\n\r\n',
               b'*2\r\n$6\r\nstatus\r\n$-1\r\n')

    def test_replies_of_other_shapes(self):
        self.with_redis()
        between = Between(self.redis.socket)
        self.addCleanup(between.stop)
        self.site.write_conf(redis={'address': between.address})
        self.site.ctl_ok('suppress', 'gone@example.com')
        child = self.site.policyd()
        wait_until(lambda: self.site.ask('gone@example.com').startswith('5'), 'refusal', child=child)
        for reply in self.REPLIES:
            with self.subTest(reply):
                seen = child.log().count('from=memory')
                between.wrong = [reply]
                between.set(WRONG)

                def from_memory():
                    """As soon as Redis has not told of changes for a while, it is asked."""
                    self.assertSuppressed(self.site.ask('gone@example.com'))
                    return child.log().count('from=memory') > seen
                wait_until(from_memory, 'answer from memory', child=child)
                between.set(PASS)


class WithPostfix(Case):
    """Mail flows, and Postfix has nothing to say about the service."""

    def survive(self, name, seconds):
        postfix = Postfix(self.directory, 9, os.path.join(self.directory, 'maillog'))
        self.addCleanup(postfix.stop)
        postfix.configure(default_transport='discard:')
        postfix.start()

        def make(directory, stage):
            site = Site(directory, stage)
            self.addCleanup(site.stop)
            site.options['policyd']['listen'].append('unix:' + postfix.policy_path)
            site.write_conf()
            return site
        run = policy_faults.Run(name, self.directory, make, seconds, rate=200, connections=10, postfix=postfix).run()
        self.assertEqual(run.problems(SLACK_S), [])
        self.assertGreater(len(run.mail.took), policy_faults.ENOUGH_MAIL)

    def test_paused(self):
        self.survive('paused', 3.0)

    def test_black_hole(self):
        self.survive('black-hole', 2.0)
